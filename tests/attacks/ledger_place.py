"""A hub of two departments and one platform on a broker whose disk may be written on."""

import json
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg
from click.testing import CliRunner, Result

from bench.sample_site import companies
from hub.adapters.clocks import write_business_clock
from hub.adapters.kafka.client import KafkaInputs, KafkaTransactions
from hub.adapters.postgres.copy import export_tables, import_tables
from hub.adapters.postgres.tables import schema_of
from hub.cli import hub as command_line
from hub.config.kafka_access import KafkaAccess
from hub.config.repository import DEPLOY, ROOT
from hub.config.site import load_site
from hub.domain.kinds import LICENCE
from hub.domain.partitioning import partition_of
from hub.embedded.kafka import EmbeddedKafka
from hub.operations.site_plan import prepare_site
from hub.ports import InputRecord, OutputRecord
from standins import platform_book
from tests.driver.rows import AUTHORITY, OTHER_AUTHORITY, at, framed, licence_row
from tests.standins.test_province import RunningProvince

PARTITIONS = 2
PREFIX = "end."
AUTHORITIES = {"market": AUTHORITY, "housing": OTHER_AUTHORITY}
WORKERS = {
    "registrar": ("run", "registrar"),
    "courier.province": ("run", "courier", "province"),
    "receipts": ("run", "receipts"),
    "projector": ("run", "projector"),
    "notices": ("run", "notices"),
}
FOLLOWERS = tuple(WORKERS)
_PATIENCE_SECONDS = 90.0
CODES = companies(400)
_SITE = """\
site: ended
name_zh: 试点
prefix: {prefix}
partitions: 2
rulebook: {deploy}/rulebooks/national-2026.yaml
calendar: {deploy}/calendars/cn-2007-2026.json
sealing_key_file: key
business_clock: business-clock.json
departments:
  - {{id: market, name_zh: 市场监管局, authorities: [{market}], states: [licence.granted.v1],
     files: [{{name: files, inbox: inbox/market, results: results/market}}]}}
  - {{id: housing, name_zh: 住建局, authorities: [{housing}], states: [licence.granted.v1],
     files: [{{name: files, inbox: inbox/housing, results: results/housing}}]}}
targets:
  - {{id: province, name_zh: 省平台, number: 0, kind: http, role: report, public: false,
     clearance: [public, government], kinds: [licence.granted.v1],
     url: "http://127.0.0.1:{port}", token_file: token, timeout_seconds: 2.0}}
"""


class LedgerPlace:
    """The site, its broker, its workers; everything may be put back as it was."""

    def __init__(self, folder: Path, broker: EmbeddedKafka, dsn: str) -> None:
        self.folder, self.broker, self.dsn = folder, broker, dsn
        self.state = folder / "state"
        self.anchors = folder / "anchors"
        self.access: KafkaAccess = broker.access()
        self.province = RunningProvince(folder)
        write_business_clock(folder / "business-clock.json", at("2026-11-02 09:00"), factor=1)
        (folder / "key").write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n", "ascii")
        text = _SITE.format(
            prefix=PREFIX, deploy=DEPLOY, port=self.province.port, **AUTHORITIES
        )  # fmt: skip
        (folder / "site.yaml").write_text(text, encoding="utf-8")
        self.loaded = load_site(folder)
        prepare_site(self.loaded, self.access)
        self.numbers = dict.fromkeys(AUTHORITIES, 0)
        self.workers: dict[str, subprocess.Popen[str]] = {}

    @property
    def environment(self) -> dict[str, str]:
        """What every process finds its parts by."""
        return {
            "KAFKA_BOOTSTRAP": self.access.bootstrap,
            "HUB_KAFKA_SECRETS": str(self.broker.secrets),
            "HUB_POSTGRES_DSN": self.dsn,
            "HUB_STATE": str(self.state),
            "HUB_ANCHORS": str(self.anchors),
            "PYTHONPATH": str(ROOT),
        }

    # --- what departments and workers do ---

    def submit(self, department: str, count: int, **headers: str) -> None:
        """So many licences, each of a company of its own, in the department's stream."""
        records = []
        first = list(AUTHORITIES).index(department) * 200
        for _ in range(count):
            self.numbers[department] += 1
            number = self.numbers[department]
            code = CODES[first + number]
            row = licence_row(
                XK_XDR_SHXYM=code, XK_XDR_MC=f"舟山示例{first + number}有限公司",
                XK_WSH=f"示许〔2026〕{first + number:05}号", XK_JDRQ="2026-10-30",
                XK_YXQZ="2026-10-30", XK_XKJGDM=AUTHORITIES[department],
            )  # fmt: skip
            told = {
                "ce_specversion": "1.0", "ce_type": LICENCE, "ce_source": f"{department}/files",
                "ce_id": str(number), **headers,
            }  # fmt: skip
            records.append(
                OutputRecord(
                    f"{PREFIX}submissions.{department}", partition_of(code.encode(), PARTITIONS),
                    code.encode(), framed(LICENCE, row),
                    tuple((name, value.encode()) for name, value in told.items()),
                )
            )  # fmt: skip
        self.produce(records)

    def produce(self, records: list[OutputRecord]) -> None:
        """As the operator, who may write anything."""
        writer = KafkaTransactions(self.access, f"{PREFIX}attacker")
        writer.initialise()
        writer.begin()
        writer.produce(records)
        writer.commit()
        writer.retire()

    def start(self, names: Iterable[str] = WORKERS) -> None:
        """Start these workers."""
        for name in names:
            self.workers[name] = subprocess.Popen(
                [sys.executable, "-m", "hub", *WORKERS[name], "--site", str(self.folder)],
                cwd=ROOT, env={**os.environ, **self.environment}, text=True,
                stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
            )  # fmt: skip

    def stop(self) -> None:
        """Ask every worker to end."""
        for worker in self.workers.values():
            if worker.poll() is None:
                worker.send_signal(signal.SIGTERM)
        for worker in self.workers.values():
            worker.communicate(timeout=30)
        self.workers = {}

    def ended_with(self) -> dict[str, str]:
        """What each worker said when it ended by itself; empty for one that goes on."""
        said = {}
        deadline = time.monotonic() + _PATIENCE_SECONDS
        for name, worker in self.workers.items():
            with suppress(subprocess.TimeoutExpired):
                worker.wait(max(0.1, deadline - time.monotonic()))
            said[name] = "" if worker.poll() is None else worker.communicate()[1]
        self.stop()
        return said

    def settle(self) -> None:
        """Wait until all that was submitted is published, told, projected and answered."""
        total = sum(self.numbers.values())
        self.wait_until(lambda: self.published() >= total)
        self.wait_until(self.is_drained)
        time.sleep(1.2)  # heads are written down once a second

    def wait_until(self, is_true: Callable[[], bool]) -> None:
        """Look again and again; a worker that has ended says why."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not is_true():
            over = {n: w.communicate()[1] for n, w in self.workers.items() if w.poll() is not None}
            assert not over, over
            assert time.monotonic() < deadline, self.seen()
            time.sleep(0.1)

    def seen(self) -> dict[str, object]:
        """How far everybody is."""
        heads = self.state.glob("workers/ended/*/heads.json")
        return {
            "ledger": {p: len(self.read("ledger", p)) for p in range(PARTITIONS)},
            "projector": self.projected(),
            **{path.parent.name: json.loads(path.read_text("ascii")) for path in heads},
        }

    def is_drained(self) -> bool:
        """Whether every follower has seen the ledger's end."""
        ends = {p: len(self.read("ledger", p)) for p in range(PARTITIONS)}
        seen = self.projected()
        noted = [
            json.loads(path.read_text("ascii"))
            for path in self.state.glob("workers/ended/*/heads.json")
        ]
        return (
            len(noted) == 3
            and all(
                heads.get(str(p), {}).get("sequence") == end
                for heads in noted
                for p, end in ends.items()
            )
            and all(seen.get(p) == end for p, end in ends.items())
        )

    # --- what is there ---

    def published(self) -> int:
        """How many records the platform shows."""
        book = self.book()
        return sum(one["stage"] == "published" for one in book.values())

    def book(self) -> dict[str, dict[str, object]]:
        """What the platform holds: record → version, stage, digest, fields."""
        with suppress(Exception):
            return platform_book.dump(self.folder / "book.sqlite")
        return {}

    def deliveries(self) -> int:
        """How many deliveries the platform has ever taken in, each under an id of its own."""
        with closing(sqlite3.connect(self.folder / "book.sqlite")) as book:
            ((count,),) = book.execute("SELECT count(*) FROM deliveries").fetchall()
        return int(count)

    def projected(self) -> dict[int, int]:
        """Partition → records in the look-up tables."""
        with suppress(psycopg.Error), psycopg.connect(self.dsn) as session:
            session.execute(f"SET search_path TO {schema_of(PREFIX)}".encode())
            found = session.execute("SELECT partition, next_sequence FROM positions").fetchall()
            return {int(p): int(n) for p, n in found}
        return {}

    def projected_published(self) -> int:
        """How many records the look-ups know to be shown."""
        with suppress(psycopg.Error), psycopg.connect(self.dsn) as session:
            session.execute(f"SET search_path TO {schema_of(PREFIX)}".encode())
            ((count,),) = session.execute(
                "SELECT count(*) FROM standings WHERE stage = 'published'"
            ).fetchall()
            return int(count)
        return 0

    def read(self, topic: str, partition: int) -> list[InputRecord]:
        """Everything committed."""
        with closing(KafkaInputs(self.access, "attack")) as inputs:
            batches = inputs.read_to_end({(PREFIX + topic, partition): 0})
            return [record for batch in batches for record in batch]

    def run(self, *words: str) -> Result:
        """Run `hub WORDS --site …`."""
        return CliRunner(env=self.environment).invoke(
            command_line, [*words, "--site", str(self.folder)]
        )

    def verify(self, *more: str) -> dict[str, Any]:
        """What `hub audit verify` says, with its exit status as `status`."""
        done = self.run("audit", "verify", "--json", *more)
        assert done.exit_code in (0, 1), done.output
        return {**json.loads(done.stdout), "status": done.exit_code}

    # --- the disk ---

    def state_of(self, worker: str) -> Path:
        """A worker's folder."""
        return self.state / "workers/ended" / worker

    def log_of(self, topic: str, partition: int) -> Path:
        """A partition's folder on the broker's disk."""
        return self.broker_data / f"{PREFIX}{topic}-{partition}"

    @property
    def broker_data(self) -> Path:
        """Where the broker keeps its logs."""
        return self.folder / "kafka" / "data"

    def off(self, change: Callable[[], None]) -> None:
        """Change the broker's disk while it is down."""
        self.broker.stop()
        change()
        (self.broker_data / ".kafka_cleanshutdown").unlink(missing_ok=True)
        self.broker.start()

    def keep(self, name: str) -> None:
        """Keep the broker's disk as it is."""

        def copy() -> None:
            shutil.copytree(self.broker_data, self.folder / name)

        self.off(copy)

    def bring_back(self, name: str) -> None:
        """The broker's disk as it was kept; the broker is down."""
        shutil.rmtree(self.broker_data)
        shutil.copytree(self.folder / name, self.broker_data)

    def cut_all(self) -> None:
        """Cut all but the first two batches of every ledger partition: namings are among them."""
        for partition in range(PARTITIONS):
            self.cut(partition, -2)

    def empty(self, topic: str) -> None:
        """A topic as if nothing had ever been written to it; the broker is down."""
        for partition in range(PARTITIONS):
            for segment in self.log_of(topic, partition).glob("*.log"):
                segment.write_bytes(b"")
                forget_indexes(segment.parent)

    def cut(self, partition: int, batches: int) -> None:
        """Cut so many batches, with their markers, from the end of a ledger partition.

        A negative number: all but so many.
        """
        (segment,) = sorted(self.log_of("ledger", partition).glob("*.log"))
        found = list(batches_in(segment.read_bytes()))
        data = [at for at, (_, is_marker) in enumerate(found) if not is_marker]
        begin = found[data[-batches]][0]
        with segment.open("r+b") as file:
            file.truncate(begin)
        forget_indexes(segment.parent)


def batches_in(log: bytes) -> Iterator[tuple[int, bool]]:
    """Where each record batch of a segment begins, and whether it is a transaction's marker."""
    at = 0
    while at + 61 <= len(log):
        (length,) = struct.unpack_from(">i", log, at + 8)
        if length <= 0:
            return
        (attributes,) = struct.unpack_from(">h", log, at + 21)
        yield at, bool(attributes & 0x20)
        at += 12 + length


def forget_indexes(folder: Path) -> None:
    """What a broker makes anew from the segment."""
    for ending in ("index", "timeindex", "txnindex", "snapshot"):
        for path in folder.glob(f"*.{ending}"):
            path.unlink()


class Snapshot:
    """Everything as it was, to be put back: what one test leaves behind is no other's past."""

    def __init__(self, place: LedgerPlace) -> None:
        self._place = place
        self._kept = place.folder / "kept"
        place.broker.stop()
        shutil.copytree(place.broker_data, self._kept / "data")
        shutil.copytree(place.state, self._kept / "state")
        shutil.copytree(place.anchors, self._kept / "anchors")
        place.broker.start()
        export_tables(place.dsn, PREFIX, self._kept / "look-ups")
        copy_book(place.folder / "book.sqlite", self._kept / "book.sqlite")
        self._numbers = dict(place.numbers)
        self._is_untouched = True

    def untouched(self) -> None:
        """For one who only looks: put back what others have changed, if any did."""
        if not self._is_untouched:
            self.put_back()
        self._is_untouched = True

    def put_back(self, change: Callable[[], None] = lambda: None) -> None:
        """Everything as it was but for `change`, done to disks while the broker is down."""
        place = self._place
        place.stop()
        self._is_untouched = False

        def restore() -> None:
            shutil.rmtree(place.broker_data)
            shutil.copytree(self._kept / "data", place.broker_data)
            shutil.rmtree(place.state, ignore_errors=True)
            shutil.copytree(self._kept / "state", place.state)
            shutil.rmtree(place.anchors, ignore_errors=True)
            shutil.copytree(self._kept / "anchors", place.anchors)
            change()

        place.off(restore)
        assert import_tables(place.dsn, PREFIX, self._kept / "look-ups")
        copy_book(self._kept / "book.sqlite", place.folder / "book.sqlite")
        place.numbers = dict(self._numbers)


def copy_book(source: Path, target: Path) -> None:
    """A platform's book, also while the platform is at work."""
    with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(target)) as other:
        one.backup(other)
