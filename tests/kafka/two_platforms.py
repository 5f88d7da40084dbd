"""Couriers beside a province that is reached by HTTP and a city that is reached by topic."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

from standins import platform_book
from tests.kafka.courier_place import CourierPlace
from tests.standins.test_province import RunningProvince

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from hub.config.kafka_access import KafkaAccess

TARGETS = """\
  - {{id: province, name_zh: 省平台, number: 0, kind: http, role: report, public: false,
     clearance: [public, government], kinds: [licence.granted.v1],
     url: "http://127.0.0.1:{port}", token_file: token, timeout_seconds: 1.0, attempts: 6}}
  - {{id: city, name_zh: 市网站, number: 1, kind: kafka, role: display, public: true,
     clearance: [public], kinds: [licence.granted.v1], timeout_seconds: 1.0, attempts: 6,
     concurrency: 128}}
"""


class TwoPlatforms(CourierPlace):
    """A site with two targets and their stand-ins."""

    def __init__(self, folder: Path, access: KafkaAccess, prefix: str) -> None:
        super().__init__(folder, access, prefix)
        self.province = RunningProvince(folder)
        self.start_clock()  # the province came with one that stands still
        self.open(TARGETS.format(port=self.province.port))
        self.start(
            "city", "standins/city.py", "--bootstrap", access.bootstrap, "--prefix", prefix,
            "--user", f"{prefix}target.city", "--secrets", str(access.secrets or ""),
            "--book", str(self.books["city"]), "--clock", str(self.clock),
            "--control", str(folder / "city.json"),
        )  # fmt: skip

    @property
    def books(self) -> dict[str, Path]:
        """Where the platforms keep their books."""
        return {"province": self.folder / "book.sqlite", "city": self.folder / "city.sqlite"}

    def book(self, target: str) -> Mapping[str, Mapping[str, object]]:
        """Return a platform's book."""
        return platform_book.dump(self.books[target])

    def refusals(self, target: str) -> list[tuple[str]]:
        """Return every refusal in a platform's book."""
        return self.ask(target, "SELECT code FROM deliveries WHERE stage = 'refused'")

    def ask(self, target: str, query: str) -> list[tuple[Any, ...]]:
        """Ask a platform's book; nothing while the platform has not made it."""
        with closing(sqlite3.connect(self.books[target])) as connection:
            try:
                return connection.execute(query).fetchall()
            except sqlite3.OperationalError:
                return []

    def close(self) -> None:
        """Stop every process."""
        super().close()
        self.province.stop()
