"""Couriers as processes on a real broker, platforms that misbehave, and SIGKILL in between."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from hub.kafka_access import KafkaAccess
from tests.conftest import KafkaPart
from tests.kafka.courier_place import CourierPlace
from tests.platforms import platform_book
from tests.platforms.test_province import Platform

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

TARGETS = """\
  - {{id: province, name_zh: 省平台, number: 0, kind: http, role: report, public: false,
     clearance: [public, government], kinds: [licence.granted.v1],
     url: "http://127.0.0.1:{port}", token_file: token, timeout_seconds: 1.0, attempts: 6}}
  - {{id: city, name_zh: 市网站, number: 1, kind: kafka, role: display, public: true,
     clearance: [public], kinds: [licence.granted.v1], timeout_seconds: 1.0, attempts: 6,
     concurrency: 128}}
"""
HTTP_MIX = {
    "500": 0.04, "503": 0.005, "429": 0.005, "late": 0.01, "never_applied": 0.01,
    "never_lost": 0.01, "reset_applied": 0.03, "reset_lost": 0.03, "twice": 0.03,
    "wrong_delivery": 0.02, "wrong_digest": 0.02, "wrong_receipt": 0.02, "not_json": 0.02,
    "huge": 0.01, "redirect": 0.005,
}  # fmt: skip
TOPIC_MIX = {
    "late": 0.03, "never_applied": 0.03, "never_lost": 0.03, "twice": 0.03,
    "wrong_delivery": 0.02, "wrong_digest": 0.02, "wrong_receipt": 0.02, "not_json": 0.02,
}  # fmt: skip


class Place(CourierPlace):
    """A site with two targets and their stand-ins."""

    def __init__(self, folder: Path, access: KafkaAccess, prefix: str) -> None:
        super().__init__(folder, access, prefix)
        self.province = Platform(folder)
        self.start_clock()  # the province came with one that stands still
        self.open(TARGETS.format(port=self.province.port))
        self.start(
            "city", "tests/platforms/city.py", "--bootstrap", access.bootstrap, "--prefix", prefix,
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
        connection = sqlite3.connect(self.books[target])
        found = connection.execute("SELECT code FROM deliveries WHERE stage = 'refused'")
        rows = found.fetchall()
        connection.close()
        return rows

    def close(self) -> None:
        """Stop every process."""
        super().close()
        self.province.stop()


@pytest.fixture
def place(tmp_path: Path, kafka: KafkaPart, prefix: str) -> Iterator[Place]:
    """Return a place of one's own."""
    made = Place(tmp_path, kafka.access, prefix)
    yield made
    made.close()


def misbehave(place: Place) -> None:
    """Tell both platforms to fail about every fourth request, in every way they know."""
    place.province.control(
        seed=1, mix=HTTP_MIX, late_seconds=1.5, hold_seconds=3, retry_after_seconds=0.2
    )
    place.order("city", seed=2, mix=TOPIC_MIX, late_seconds=1.5)


def test_books_equal_the_ledger_however_platforms_answer(place: Place) -> None:
    """New, corrected and withdrawn records through every misbehaviour: right content, told once."""
    misbehave(place)
    place.deliver("province")
    place.deliver("city")
    place.decide("new", range(150))
    place.decide("correct", range(50), content=1)
    place.decide("withdraw", range(100, 130))
    for target in ("province", "city"):
        place.wait_until_equal(target)
        place.wait_until_told(target)
        assert place.refusals(target) == []
    seen = sqlite3.connect(place.folder / "book.sqlite")
    verdicts = " ".join(one for (one,) in seen.execute("SELECT DISTINCT verdict FROM requests"))
    seen.close()
    assert all(manner in verdicts for manner in ("reset_applied", "reset_lost", "500", "wrong"))


HOOKS = ("after_intent:kill:2", "after_effect:kill:2", "before_result:kill:3",
         "before_commit:kill:3", "after_commit:kill:2", "mid_produce:kill:4",
         "mid_rocks_write:kill:5", "in_restore:kill:1")  # fmt: skip


@pytest.mark.parametrize("target", ["province", "city"])
def test_killed_at_every_hook_a_courier_delivers_each_record_once(
    place: Place, target: str
) -> None:
    """SIGKILL between intent, effect and result: nothing lost, nothing told twice."""
    misbehave(place)
    killed = 0
    for round_, hook in enumerate(HOOKS):
        place.decide("new", range(round_ * 40, round_ * 40 + 40))
        place.decide("correct", range(round_ * 40, round_ * 40 + 10), content=round_ + 1)
        killed += place.is_killed(target, hook, 8)
    assert killed >= len(HOOKS) - 1
    place.decide("withdraw", range(0, 300, 10))
    place.deliver(target)
    place.wait_until_equal(target)
    place.wait_until_told(target)
    assert place.refusals(target) == []
