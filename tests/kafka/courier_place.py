"""Couriers as processes on a real broker, beside a ledger that a registrar in memory writes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from click.testing import CliRunner

from hub.adapters.clocks import write_business_clock
from hub.adapters.kafka.client import KafkaInputs, KafkaTransactions
from hub.cli import hub as command_line
from hub.ports import InputRecord, OutputRecord
from tests.driver.rows import at
from tests.simulator.courier_world import CourierWorld
from tests.simulator.test_courier import last_stages, owed, submit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hub.config.kafka_access import KafkaAccess

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
"""


class CourierPlace(ABC):
    """A site, its couriers, and a ledger; whoever inherits brings the platforms."""

    def __init__(self, folder: Path, access: KafkaAccess, prefix: str) -> None:
        self.folder, self.access, self.prefix = folder, access, prefix
        self.clock = folder / "business-clock.json"
        self.start_clock()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.world = CourierWorld()
        self.written: Counter[int] = Counter()
        self.registrar = KafkaTransactions(access, f"{prefix}registrar.0")

    def start_clock(self) -> None:
        """Business time begins on a Monday morning and runs as real time does."""
        write_business_clock(self.clock, at("2026-11-02 09:00"), factor=1)

    def open(self, targets: str) -> None:
        """Write the site with these targets (YAML) and make its topics."""
        site = SITE.format(prefix=self.prefix) + targets
        (self.folder / "site.yaml").write_text(site, encoding="utf-8")
        (self.folder / "key").write_text("unused", encoding="utf-8")
        applied = CliRunner(env={"KAFKA_BOOTSTRAP": self.access.bootstrap}).invoke(
            command_line, ["topics", "apply", "--site", str(self.folder)]
        )
        assert applied.exit_code == 0, applied.output
        self.registrar.initialise()

    def start(self, name: str, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        """Start Python with these arguments and environment variables."""
        environment = {**os.environ, "KAFKA_BOOTSTRAP": self.access.bootstrap, **more}
        process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment)
        self.processes[name] = process
        return process

    def order(self, platform: str, **orders: object) -> None:
        """Tell a platform that reads a file how to behave."""
        (self.folder / f"{platform}.json").write_text(json.dumps(orders), encoding="utf-8")

    def deliver(self, target: str, fault: str = "") -> subprocess.Popen[bytes]:
        """Start a courier, with a fault if wanted."""
        return self.start(
            f"courier.{target}", "-m", "hub", "run", "courier", target, "--site", str(self.folder),
            HUB_STATE=str(self.folder / "state"), HUB_FAULT=fault,
        )  # fmt: skip

    def is_killed(self, target: str, fault: str, seconds: float = 20) -> bool:
        """Run a courier until its fault kills it or the time is up; say whether it did."""
        courier = self.deliver(target, fault)
        try:
            return courier.wait(seconds) == -signal.SIGKILL
        except subprocess.TimeoutExpired:
            courier.kill()
            courier.wait()
            return False

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

    @abstractmethod
    def book(self, target: str) -> Mapping[str, Mapping[str, object]]:
        """Return a platform's book: record → version, stage, digest."""

    def shown(self, target: str) -> dict[str, tuple[int, str, str]]:
        """Return what a platform shows: record → version, stage, digest."""
        return {
            record: (int(str(one["version"])), str(one["stage"]), str(one["digest"]))
            for record, one in self.book(target).items()
        }

    def owed(self, target: str) -> dict[str, tuple[int, str, str]]:
        """Return what the ledger owes a target."""
        return owed(self.world, target)

    def wait_until_equal(self, target: str, seconds: float = 200) -> None:
        """Wait until the platform shows what the ledger owes it.

        A delivery that asking does not settle is sent again once a minute, perhaps more than once.
        """
        with suppress(TimeoutError):
            wait_until(lambda: self.shown(target) == self.owed(target), seconds)
        shown, owed_ = self.shown(target), self.owed(target)
        apart = {record for record in shown | owed_ if shown.get(record) != owed_.get(record)}
        assert {record: (shown.get(record), owed_.get(record)) for record in apart} == {}

    def wait_until_told(self, target: str, seconds: float = 90) -> None:
        """Wait until the registrar has been told of every record's last stage."""
        wanted = {record: stage for record, (_v, stage, _d) in self.owed(target).items()}
        with suppress(TimeoutError):
            wait_until(lambda: self.told(target) == wanted, seconds)
        assert self.told(target) == wanted

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

    def close(self) -> None:
        """Stop every process."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(20)
        self.registrar.retire()


def wait_until(is_true: Callable[[], bool], seconds: float) -> None:
    """Look again and again; `TimeoutError` when the time is up."""
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(seconds)
        time.sleep(0.2)
