"""What should never arrive, and parts that refuse: a clear word, and nothing lost."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer

from bench.sample_site import companies
from hub.adapters.kafka.client import KafkaInputs
from hub.cli import EXIT_REFUSED
from hub.cli import hub as command_line
from hub.config.kafka_access import KafkaAccess
from hub.config.repository import DEPLOY
from hub.config.site import load_site
from hub.core.record import PRIMARY, LedgerRecord, decode_record
from hub.domain.partitioning import partition_of
from hub.operations.site_plan import prepare_site
from tests.conftest import KafkaPart
from tests.driver.rows import AUTHORITY, LICENCE, OTHER_AUTHORITY, framed, licence_row

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

ROOT = Path(__file__).parents[2]
PARTITIONS = 2
DEPARTMENT = "market"
CODES = companies(40)
SITE = """\
site: trial
name_zh: 试点
prefix: {prefix}
partitions: 2
rulebook: {deploy}/rulebooks/national-2026.yaml
calendar: {deploy}/calendars/cn-2007-2026.json
sealing_key_file: key
departments:
  - {{id: market, name_zh: 市场监管局, authorities: [{authority}], states: [licence.granted.v1]}}
targets: []
"""


class BadInputSite:
    """A site with one department, and a producer that is nobody's connector."""

    def __init__(self, folder: Path, access: KafkaAccess, prefix: str) -> None:
        self.folder, self.access, self.prefix = folder, access, prefix
        text = SITE.format(prefix=prefix, deploy=DEPLOY, authority=AUTHORITY)
        (folder / "site.yaml").write_text(text, encoding="utf-8")
        prepare_site(load_site(folder), access)
        self._producer = Producer(
            {
                **access.as_librdkafka(),
                "compression.type": "lz4",
                "message.max.bytes": 20_000_000,
                "enable.idempotence": True,
            }
        )
        self.sent = 0

    def send(
        self, code: str, value: bytes, *, kind: str = LICENCE, partition: int | None = None,
        more: tuple[tuple[str, bytes], ...] = (),
    ) -> int:  # fmt: skip
        """Put a message on the department's topic; return its number in the stream."""
        self.sent += 1
        headers: list[tuple[str, str | bytes | None]] = [
            ("ce_specversion", b"1.0"), ("ce_type", kind.encode()), ("ce_source", b"market/hand"),
            ("ce_id", b"%d" % self.sent), *more,
        ]  # fmt: skip
        place = partition_of(code.encode(), PARTITIONS) if partition is None else partition
        topic = f"{self.prefix}submissions.{DEPARTMENT}"
        while len(self._producer) > 50_000:
            self._producer.poll(0.1)
        self._producer.produce(topic, value, code.encode(), place, headers=headers)
        return self.sent

    def send_good(self, count: int, content: str = "食品经营") -> None:
        """Put rows on the topic that are accepted as they stand."""
        for _ in range(count):
            code = CODES[self.sent % len(CODES)]
            row = licence_row(XK_XDR_SHXYM=code, XK_WSH=f"示许{self.sent}号", XK_NR=content)
            self.send(code, framed(LICENCE, row))
        assert self._producer.flush(60) == 0

    def decided(self) -> dict[int, LedgerRecord]:
        """Return the one decision on each submission, by its number."""
        topic = f"{self.prefix}ledger"
        inputs = KafkaInputs(self.access, "test")
        found: dict[int, LedgerRecord] = {}
        for batch in inputs.read_to_end({(topic, p): 0 for p in range(PARTITIONS)}):
            for stored in batch:
                record = decode_record(stored.value)
                if record.outcome in PRIMARY:
                    number = int(dict(record.cause.headers)["ce_id"])
                    assert number not in found
                    found[number] = record
        inputs.close()
        return found

    def wait_for_all(self, seconds: float = 60) -> dict[int, LedgerRecord]:
        """Wait until everything sent has its decision."""
        assert self._producer.flush(60) == 0
        deadline = time.monotonic() + seconds
        while len(found := self.decided()) < self.sent:
            assert time.monotonic() < deadline, f"{len(found)} of {self.sent} decided"
            time.sleep(0.2)
        return found

    def answered(self) -> int:
        """Return how many submissions have a receipt."""
        topic = f"{self.prefix}receipts.{DEPARTMENT}"
        inputs = KafkaInputs(self.access, "test")
        places = {(topic, p): 0 for p in range(PARTITIONS)}
        found = {
            dict(record.headers)["ce_id"] for some in inputs.read_to_end(places) for record in some
        }
        inputs.close()
        return len(found)

    def start(self, worker: str, state: Path, log: Path) -> subprocess.Popen[bytes]:
        """Start a worker that keeps its state there."""
        command = [sys.executable, "-m", "hub", "run", worker, "--site", str(self.folder)]
        environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP": self.access.bootstrap,
            "HUB_STATE": str(state),
        }
        with log.open("ab") as said:
            return subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=said
            )

    @contextmanager
    def registrar(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run a registrar for a while."""
        process = self.start("registrar", self.folder / "state", self.folder / "registrar.log")
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture
def place(tmp_path: Path, kafka: KafkaPart, prefix: str) -> BadInputSite:
    """Return a place of one's own."""
    return BadInputSite(tmp_path, kafka.access, prefix)


def test_hostile_records_are_quarantined_by_name_and_their_neighbours_pass(
    place: BadInputSite,
) -> None:
    """Whatever is put on a department's topic gets a reason; the rows around it are accepted."""
    row = licence_row(XK_XDR_SHXYM=CODES[0])
    good = framed(LICENCE, row)
    wrong = 1 - partition_of(CODES[0].encode(), PARTITIONS)
    foreign = framed(LICENCE, row | {"XK_XKJGDM": OTHER_AUTHORITY})
    expected: dict[int, str] = {}

    def send_bad(reason: str, code: str, value: bytes, **more: Any) -> None:  # noqa: ANN401 - of `send`
        place.send_good(40)
        expected[place.send(code, value, **more)] = reason

    send_bad("RECORD_TOO_LARGE", CODES[0], good, more=(("note", bytes(100_000)),))
    send_bad("UNKNOWN_SCHEMA", CODES[0], b"\x00\x00\x00\x03\xe7" + good[5:])
    send_bad("PAYLOAD_UNREADABLE", CODES[0], good[:-7])
    send_bad("PAYLOAD_UNREADABLE", CODES[0], b"")
    send_bad("WRONG_PARTITION", CODES[0], good, partition=wrong)
    send_bad("UNKNOWN_KIND", CODES[0], good, kind="nobody.knows.v1")
    send_bad("KEY_MISMATCH", CODES[1], good)
    send_bad("FOREIGN_AUTHORITY", CODES[0], foreign)
    place.send_good(40)
    with place.registrar():
        decided = place.wait_for_all()
    for number, code in expected.items():
        assert decided[number].outcome.name == "QUARANTINED"
        assert code in {reason.code for reason in decided[number].reasons}
    others = Counter(one.outcome.name for number, one in decided.items() if number not in expected)
    assert others == {"ACCEPTED": 40 * 9}
    for audit in ("verify", "replay"):
        words = ["audit", audit, "--site", str(place.folder), "--bootstrap", place.access.bootstrap]
        audited = CliRunner().invoke(command_line, words)
        assert audited.exit_code == 0, audited.output


def test_a_second_registrar_of_a_slot_is_refused(place: BadInputSite) -> None:
    """It names the state folder in use, exits, and the first goes on."""
    place.send_good(10)
    with place.registrar() as first:
        place.wait_for_all()
        second = place.start("registrar", place.folder / "state", place.folder / "second.log")
        assert second.wait(30) == EXIT_REFUSED
        said = (place.folder / "second.log").read_text(encoding="utf-8")
        assert "正被另一进程使用" in said
        assert "in use by another process" in said
        assert "Traceback" not in said
        place.send_good(10)
        place.wait_for_all()
        assert first.poll() is None


def test_a_registrar_on_another_disk_takes_over_and_the_first_writes_no_more(
    place: BadInputSite,
) -> None:
    """Without a shared lease the transactional id decides: every submission is decided once."""
    place.send_good(100)
    log = place.folder / "registrar.log"
    with ExitStack() as running:
        for number in range(2):
            process = place.start("registrar", place.folder / f"state-{number}", log)
            running.callback(process.wait, 20)
            running.callback(process.terminate)
            place.wait_for_all()
            place.send_good(100)
        place.wait_for_all()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a disk of 3 MB."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if mount is None or subprocess.run([mount, *options], check=False).returncode:
        pytest.skip("挂载小磁盘需要 root / mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_said_aloud_and_once_there_is_room_nothing_is_missing(
    place: BadInputSite, small_disk: Path
) -> None:
    """The same process goes on, and decides each submission exactly once."""
    log = place.folder / "registrar.log"
    place.send_good(20_000, "长" * 60)
    process = place.start("registrar", small_disk, log)
    try:
        deadline = time.monotonic() + 60
        while "腾出磁盘空间" not in log.read_text("utf-8"):
            assert time.monotonic() < deadline, log.read_text("utf-8")[-2_000:]
            time.sleep(0.2)
        subprocess.run(["mount", "-o", "remount,size=256m", str(small_disk)], check=True)
        decided = place.wait_for_all()
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(20)
    assert {one.outcome.name for one in decided.values()} == {"ACCEPTED"}


def test_a_kafka_port_in_use_is_named_with_its_remedy(tmp_path: Path) -> None:
    """`hub dev up` on a port that somebody else listens on: exit 2, the port, what to do."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        environment = {"HUB_STATE": str(tmp_path), "HUB_KAFKA_PORT": str(port)}
        refused = CliRunner(env=environment).invoke(command_line, ["dev", "up"])
    assert refused.exit_code == EXIT_REFUSED
    assert str(port) in refused.output
    assert "处理办法" in refused.output
    down = CliRunner(env=environment).invoke(command_line, ["dev", "down"])
    assert down.exit_code == 0, down.output


def test_receipts_on_a_full_disk_are_said_to_wait_and_none_is_missing(
    place: BadInputSite, small_disk: Path
) -> None:
    """The follower waits for room and then answers every submission; the registrar goes on."""
    log = place.folder / "receipts.log"
    place.send_good(15_000, "长" * 60)
    with place.registrar():
        process = place.start("receipts", small_disk, log)
        try:
            place.wait_for_all()
            deadline = time.monotonic() + 60
            while "回执库无法写入" not in log.read_text("utf-8"):
                assert process.poll() is None, log.read_text("utf-8")[-2_000:]
                assert time.monotonic() < deadline, log.read_text("utf-8")[-2_000:]
                time.sleep(0.2)
            subprocess.run(["mount", "-o", "remount,size=256m", str(small_disk)], check=True)
            while place.answered() < place.sent:
                assert process.poll() is None, log.read_text("utf-8")[-2_000:]
                assert time.monotonic() < deadline
                time.sleep(0.2)
        finally:
            process.terminate()
            process.wait(20)
