"""The sample consumer at a real hub: registrar, courier and platform as processes, and SIGKILL."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.adapters.kafka.client import KafkaInputs, KafkaTransactions
from hub.cli import hub
from hub.config.repository import DEPLOY
from hub.contracts import Fault, project
from hub.core.record import Outcome, decode_record
from hub.core.resend import row_of
from hub.domain.partitioning import partition_of
from hub.ports import OutputRecord
from tests.conftest import KafkaPart
from tests.driver.rows import AUTHORITY, COMPANY, CONTRACTS, LICENCE, framed, licence_row

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

ROOT = Path(__file__).parents[2]
CONSUMER = ROOT / "examples" / "platform_consumer.py"
MOST_LINES = 60
PARTITIONS = 2
TARGET = "city"
SITE = """\
site: trial
name_zh: 试点
prefix: {prefix}
partitions: 2
rulebook: {deploy}/rulebooks/national-2026.yaml
calendar: {deploy}/calendars/cn-2007-2026.json
sealing_key_file: key
departments:
  - {{id: market, name_zh: 市场监管局, authorities: [{authority}],
     states: [licence.granted.v1]}}
targets:
  - {{id: city, name_zh: 市网站, number: 1, kind: kafka, role: display, public: true,
     clearance: [public], kinds: [licence.granted.v1], timeout_seconds: 1.0, concurrency: 64}}
"""


class TopicPlatformSite:
    """A site with one platform that is reached by topic, its workers and its consumer."""

    def __init__(self, folder: Path, kafka: KafkaPart, prefix: str) -> None:
        self.folder, self.kafka, self.prefix = folder, kafka, prefix
        text = SITE.format(prefix=prefix, deploy=DEPLOY, authority=AUTHORITY)
        (folder / "site.yaml").write_text(text, encoding="utf-8")
        self.environment = {"KAFKA_BOOTSTRAP": kafka.bootstrap, "HUB_STATE": str(folder / "state")}
        self.command("topics", "apply")
        self.command("basis", "adopt")
        self.sequence = 0
        self.department = KafkaTransactions(kafka.access, f"{prefix}market")
        self.department.initialise()
        self.book = folder / "book.sqlite"
        self.workers = [self.hub("registrar"), self.hub("courier", TARGET)]

    def command(self, *words: str) -> str:
        """Run a command of the hub for this site."""
        ran = CliRunner(env=self.environment).invoke(hub, [*words, "--site", str(self.folder)])
        assert ran.exit_code == 0, ran.output
        return ran.output

    def hub(self, *name: str) -> subprocess.Popen[bytes]:
        """Start a worker."""
        return self._start("-m", "hub", "run", *name, "--site", str(self.folder))

    def consumer(self) -> subprocess.Popen[bytes]:
        """Start the platform."""
        return self._start(str(CONSUMER), TARGET, self.prefix, str(self.book))

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **self.environment}
        platform = self.kafka.access.of(f"{self.prefix}target.{TARGET}")
        for name, value in platform.as_librdkafka().items():
            environment["LIBRDKAFKA_" + name.upper().replace(".", "_")] = str(value)
        return subprocess.Popen(
            [sys.executable, *arguments], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL
        )

    def submit(self, submissions: list[tuple[str, dict[str, str | bytes]]]) -> None:
        """The department submits rows, corrections and withdrawals of one company."""
        records = []
        for kind, content in submissions:
            self.sequence += 1
            headers = (
                ("ce_type", kind.encode()), ("ce_source", b"market/test"),
                ("ce_id", b"%d" % self.sequence),
            )  # fmt: skip
            partition = partition_of(COMPANY.encode(), PARTITIONS)
            value = CONTRACTS.by_kind[kind].encode(content)
            topic = f"{self.prefix}submissions.market"
            records.append(OutputRecord(topic, partition, COMPANY.encode(), value, headers))
        self.department.begin()
        self.department.produce(records)
        self.department.commit()

    def owed(self) -> dict[str, tuple[int, str, str]]:
        """What the ledger says the platform shows: record → version, action, fields."""
        inputs = KafkaInputs(self.kafka.access, "test")
        places = {(f"{self.prefix}ledger", p): 0 for p in range(PARTITIONS)}
        shown: dict[str, tuple[int, str, str]] = {}
        for stored in (one for batch in inputs.read_to_end(places) for one in batch):
            record = decode_record(stored.value)
            if record.publish_targets >> 1 & 1:
                decoded = CONTRACTS.decode_framed(row_of(record, CONTRACTS))
                assert not isinstance(decoded, Fault)
                contract, row = decoded
                canonical = contract.check(row, dt.date.max).canonical
                fields = project(contract, canonical, frozenset({"public"}))
                text = json.dumps(fields, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
                shown[record.record_key.hex()] = (record.version, "publish", text)
            elif record.withdraw_targets >> 1 & 1:
                shown[record.record_key.hex()] = (record.version, "withdraw", "{}")
        inputs.close()
        return shown

    def outcomes(self, outcome: Outcome) -> int:
        """How many ledger records have this outcome."""
        inputs = KafkaInputs(self.kafka.access, "test")
        places = {(f"{self.prefix}ledger", p): 0 for p in range(PARTITIONS)}
        found = [one.value for batch in inputs.read_to_end(places) for one in batch]
        inputs.close()
        return sum(decode_record(value).outcome is outcome for value in found)

    def shown(self) -> dict[str, tuple[int, str, str]]:
        """The platform's book."""
        with sqlite3.connect(self.book) as connection:
            try:
                found = connection.execute("SELECT * FROM shown").fetchall()
            except sqlite3.OperationalError:  # not made yet
                found = []
        connection.close()
        return {record: (version, action, fields) for record, version, action, fields in found}

    def close(self) -> None:
        """Stop every process."""
        for process in self.workers:
            process.terminate()
            process.wait(20)
        self.department.retire()


@pytest.fixture
def place(tmp_path: Path, kafka: KafkaPart, prefix: str) -> Iterator[TopicPlatformSite]:
    """Return a place of one's own."""
    made = TopicPlatformSite(tmp_path, kafka, prefix)
    yield made
    made.close()


def wait_until(is_true: Callable[[], bool], seconds: float = 60) -> None:
    """Look again and again; fail when the time is up."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def row(number: int, content: str = "食品经营") -> dict[str, str]:
    """A licence of the company."""
    return licence_row(XK_WSH=f"舟市监许〔2026〕{number}号", XK_NR=content)


def correction(number: int) -> tuple[str, dict[str, str | bytes]]:
    """Other content, declared."""
    inner = framed(LICENCE, row(number, "食品销售"))
    return "record.corrected.v1", {"subject_kind": LICENCE, "row": inner, "reason": "录入错误"}


def withdrawal(number: int) -> tuple[str, dict[str, str | bytes]]:
    """Taken back."""
    named = row(number)
    return "record.withdrawn.v1", {
        "subject_kind": LICENCE, "document_number": named["XK_WSH"],
        "subject_name": named["XK_XDR_MC"], "credit_code": COMPANY,
        "authority_code": AUTHORITY, "reason": "决定被撤销",
    }  # fmt: skip


def kill(process: subprocess.Popen[bytes]) -> None:
    """No warning."""
    process.send_signal(signal.SIGKILL)
    process.wait(20)


def test_the_sample_is_short_and_needs_nothing_of_the_hub() -> None:
    """Sixty lines, confluent-kafka and the standard library."""
    text = CONSUMER.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    assert "hub." not in text
    assert "import hub" not in text


def test_killed_in_between_the_platform_s_book_is_the_ledger_s_and_a_resend_restores_it(
    place: TopicPlatformSite,
) -> None:
    """SIGKILL of the platform and of the courier; then all it showed is lost, and asked for."""
    platform = place.consumer()
    place.submit([(LICENCE, dict(row(n))) for n in range(60)])
    wait_until(lambda: len(place.shown()) >= 5)
    kill(platform)
    place.submit([correction(n) for n in range(20)] + [withdrawal(n) for n in range(15, 30)])
    platform = place.consumer()
    wait_until(lambda: any(action == "withdraw" for _v, action, _f in place.shown().values()))
    kill(platform)
    kill(place.workers.pop())
    place.workers += [place.hub("courier", TARGET), place.consumer()]
    wait_until(lambda: len(place.owed()) == 60 and place.shown() == place.owed())

    kill(place.workers.pop())
    with sqlite3.connect(place.book) as connection:
        connection.execute("DELETE FROM shown")
        connection.execute("DELETE FROM answers")
    connection.close()
    place.workers.append(place.consumer())
    foreseen = place.command("resend", TARGET, "--dry-run")
    assert "合计 60 条" in foreseen
    assert place.outcomes(Outcome.RESENT) == 0
    place.command("resend", TARGET)
    wait_until(lambda: place.shown() == place.owed())
    assert place.outcomes(Outcome.RESENT) == 60
    for audit in ("verify", "replay"):
        assert "一致" in place.command("audit", audit)
