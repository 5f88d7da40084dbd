"""Couriers as processes on a real broker, platforms that misbehave, and SIGKILL in between."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.adapters.kafka import KafkaInputs, KafkaTransactions
from hub.cli import hub as command_line
from hub.kafka_access import KafkaAccess
from hub.ports import InputRecord, OutputRecord
from tests.conftest import KafkaPart
from tests.driver.rows import at
from tests.platforms import platform_book
from tests.platforms.test_province import Platform
from tests.simulator.courier_world import World
from tests.simulator.test_courier import last_stages, owed, submit

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

ROOT = Path(__file__).parents[2]
SITE = """\
site: trial
name_zh: 试点
prefix: {prefix}
partitions: 2
rulebook: rulebook.yaml
calendar: calendar.json
sealing_key_file: key
business_clock: business-clock.json
departments: []
targets:
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


class Place:
    """A site with two targets, their stand-ins, and a ledger written by a registrar in memory."""

    def __init__(self, folder: Path, access: KafkaAccess, prefix: str) -> None:
        self.folder, self.access, self.prefix = folder, access, prefix
        self.province = Platform(folder)
        self.province.set_clock(at("2026-11-02 09:00"), 1)
        text = SITE.format(prefix=prefix, port=self.province.port)
        (folder / "site.yaml").write_text(text, encoding="utf-8")
        (folder / "key").write_text("unused", encoding="utf-8")
        environment = {"KAFKA_BOOTSTRAP": access.bootstrap}
        applied = CliRunner(env=environment).invoke(
            command_line, ["topics", "apply", "--site", str(folder)]
        )
        assert applied.exit_code == 0, applied.output
        self.city = self._start(
            "tests/platforms/city.py", "--bootstrap", access.bootstrap, "--prefix", prefix,
            "--user", f"{prefix}target.city", "--secrets", str(access.secrets or ""),
            "--book", str(folder / "city.sqlite"), "--clock", str(folder / "business-clock.json"),
            "--control", str(folder / "city.json"),
        )  # fmt: skip
        self.couriers: dict[str, subprocess.Popen[bytes]] = {}
        self.world = World()
        self.written: Counter[int] = Counter()
        self.registrar = KafkaTransactions(access, f"{prefix}registrar.0")
        self.registrar.initialise()

    def _start(self, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "KAFKA_BOOTSTRAP": self.access.bootstrap, **more}
        return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment)

    def deliver(self, target: str, fault: str = "") -> subprocess.Popen[bytes]:
        """Start a courier, with a fault if wanted."""
        self.couriers[target] = self._start(
            "-m", "hub", "run", "courier", target, "--site", str(self.folder),
            HUB_STATE=str(self.folder / "state"), HUB_FAULT=fault,
        )  # fmt: skip
        return self.couriers[target]

    def decide(self, what: str, numbers: range, content: int = 0) -> None:
        """Submit so many licences, corrections or withdrawals, and write the ledger."""
        for number in numbers:
            submit(self.world, what, number, content)
        self.registrar.begin()
        for partition in range(2):
            log = self.world.hub.raw_ledger(partition)[self.written[partition] :]
            self.written[partition] += len(log)
            self.registrar.produce(
                [
                    OutputRecord(f"{self.prefix}ledger", partition, one.key, one.value, ())
                    for one in log
                ]
            )
        self.registrar.commit()

    def shown(self, target: str) -> dict[str, tuple[int, str, str]]:
        """Return what a platform shows: record → version, stage, digest."""
        book = "book.sqlite" if target == "province" else "city.sqlite"
        return {
            record: (int(str(one["version"])), str(one["stage"]), str(one["digest"]))
            for record, one in platform_book.dump(self.folder / book).items()
        }

    def wait_until_equal(self, target: str, seconds: float = 90) -> None:
        """Wait until the platform shows what the ledger owes it."""
        wait_until(lambda: self.shown(target) == owed(self.world, target), seconds)

    def wait_until_told(self, target: str, seconds: float = 90) -> None:
        """Wait until the registrar has been told of every record's last stage."""
        wanted = {record: stage for record, (_v, stage, _d) in owed(self.world, target).items()}
        wait_until(lambda: self.told(target) == wanted, seconds)

    def told(self, target: str) -> dict[str, str]:
        """Return record → last final stage reported; a report repeated is a failure."""
        reports = [json.loads(one.value) for one in self.read(f"outcomes.{target}")]
        ids = Counter(one["outcome"] for one in reports)
        assert not [one for one, count in ids.items() if count > 1]
        return last_stages(reports)

    def read(self, topic: str) -> list[InputRecord]:
        """Everything committed to a topic."""
        inputs = KafkaInputs(self.access, "test")
        positions = {(self.prefix + topic, partition): 0 for partition in range(2)}
        found = [record for batch in inputs.read_to_end(positions) for record in batch]
        inputs.close()
        return found

    def refusals(self, target: str) -> list[tuple[str]]:
        """Return every refusal in a platform's book."""
        book = "book.sqlite" if target == "province" else "city.sqlite"
        connection = sqlite3.connect(self.folder / book)
        found = connection.execute("SELECT code FROM deliveries WHERE stage = 'refused'")
        rows = found.fetchall()
        connection.close()
        return rows

    def close(self) -> None:
        """Stop every process."""
        for process in (self.city, *self.couriers.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(20)
        self.province.stop()
        self.registrar.retire()


def wait_until(is_true: Callable[[], bool], seconds: float) -> None:
    """Look again and again; fail when the time is up."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.2)


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
    orders = {"seed": 2, "mix": TOPIC_MIX, "late_seconds": 1.5}
    (place.folder / "city.json").write_text(json.dumps(orders), encoding="utf-8")


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
        courier = place.deliver(target, hook)
        try:
            killed += courier.wait(8) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            courier.kill()
            courier.wait()
    assert killed >= len(HOOKS) - 1
    place.decide("withdraw", range(0, 300, 10))
    place.deliver(target)
    place.wait_until_equal(target)
    place.wait_until_told(target)
    assert place.refusals(target) == []
