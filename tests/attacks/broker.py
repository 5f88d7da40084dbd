"""A town with a broker of its own, two departments and a city: attacks over Kafka are tried on it.

The broker is the town's own because some attacks stop it and write into its files.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil
from click.testing import CliRunner, Result
from confluent_kafka import (
    KafkaError,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from bench.sample_site import companies
from hub.adapters.kafka.client import KafkaInputs
from hub.adapters.kafka.topics import KafkaTopics
from hub.cli import hub as command_line
from hub.config.repository import DEPLOY, ROOT
from hub.config.site import load_site
from hub.core.record import LedgerRecord, decode_record
from hub.domain.partitioning import partition_of
from hub.embedded.kafka import EmbeddedKafka
from hub.operations.site_plan import prepare_site
from hub.provisioning.topics import Alter
from tests.driver.rows import AUTHORITY, LICENCE, OTHER_AUTHORITY, framed, licence_row
from tools.limits_page import WORKER_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from hub.config.settings import Settings

PARTITIONS = 2
PREFIX = "town."
NEIGHBOUR_SECONDS = 10.0
"""Within this a neighbour's row is answered, whatever is tried beside it."""
PATIENCE_SECONDS = 90.0
AUTHORITIES = {"market": AUTHORITY, "housing": OTHER_AUTHORITY}
WORKERS = {
    "registrar.0": ("run", "registrar"),
    "receipts": ("run", "receipts"),
    "courier.city": ("run", "courier", "city"),
}
OTHERS = {
    "connector": ("connector", "--poll", "0.2"),
    "notices": ("run", "notices"),
    "cases": ("run", "cases"),
    "projector": ("run", "projector"),
}
"""Started by those attacks that are about them."""
CENTRE = "12330900MA0009001Y"
SITE = """\
site: town
name_zh: 小镇
prefix: {prefix}
partitions: {partitions}
rulebook: {deploy}/rulebooks/national-2026.yaml
calendar: {deploy}/calendars/cn-2007-2026.json
sealing_key_file: key
departments:
  - {{id: market, name_zh: 市场监管局, authorities: [{market}], states: [licence.granted.v1],
     files: [{{name: files, inbox: inbox, results: results}}]}}
  - {{id: housing, name_zh: 住建局, authorities: [{housing}], states: [licence.granted.v1],
     files: [{{name: files, inbox: inbox-housing, results: results-housing}}]}}
  - {{id: cases, name_zh: 办件代理, kind: agent, authorities: [{centre}]}}
cases:
  department: cases
targets:
  - {{id: city, name_zh: 市网站, number: 0, kind: kafka, role: display, public: true,
     clearance: [public], kinds: [licence.granted.v1], timeout_seconds: 5.0, attempts: 6}}
"""
_QUIET: dict[str, Any] = {
    "log_level": 0, "message.max.bytes": 1_000_000_000, "queue.buffering.max.kbytes": 2_000_000,
    "batch.size": 1_000_000_000, "batch.num.messages": 1_000_000, "message.timeout.ms": 60_000,
}  # fmt: skip


def until(is_so: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> float:
    """Wait until it is so; return the seconds it took."""
    began = time.monotonic()
    while not is_so():
        assert time.monotonic() - began < seconds, f"not within {seconds} s"
        time.sleep(0.1)
    return time.monotonic() - began


class Town:
    """Broker, site and workers; everything a department does, it does as its own user."""

    def __init__(self, folder: Path, settings: Settings, most_memory: int = WORKER_BYTES) -> None:
        """`most_memory`: octets that a worker may ever have held."""
        self.home = folder
        self.most_memory = most_memory
        self.folder = folder / "site"
        for inbox in ("inbox", "inbox-housing"):
            (self.folder / inbox / "licences").mkdir(parents=True)
        self.broker = EmbeddedKafka(
            folder / "kafka",
            jar_store=settings.cache_folder / "jars",
            maven_repository=settings.maven_repository,
        )
        self.broker.start()
        self.access = self.broker.access()
        self.codes = {
            p: [c for c in companies(40) if partition_of(c.encode(), PARTITIONS) == p]
            for p in range(PARTITIONS)
        }
        text = SITE.format(
            prefix=PREFIX, partitions=PARTITIONS, deploy=DEPLOY, centre=CENTRE, **AUTHORITIES
        )
        (self.folder / "site.yaml").write_text(text, encoding="utf-8")
        (self.folder / "key").write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n", "ascii")
        prepare_site(load_site(self.folder), self.access)
        self.ports: dict[str, int] = {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._numbers = dict.fromkeys(AUTHORITIES, 0)
        self.environment = {
            **os.environ, "KAFKA_BOOTSTRAP": self.access.bootstrap, "PYTHONPATH": str(ROOT),
            "HUB_STATE": str(folder / "state"), "HUB_KAFKA_SECRETS": str(self.broker.secrets),
        }  # fmt: skip

    # --- workers ---

    def start(self, *names: str) -> None:
        """Start workers, all of them where none is named; those that run begin anew."""
        for name in names or WORKERS:
            if name in self._running:
                self.kill(name)
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.ports[name] = free.getsockname()[1]
            command = [
                sys.executable, "-m", "hub", *(WORKERS | OTHERS)[name], "--site", str(self.folder),
                "--metrics-port", str(self.ports[name]),
            ]  # fmt: skip
            with self.log_of(name).open("ab") as log:
                self._running[name] = subprocess.Popen(
                    command, cwd=ROOT, env=self.environment, stdout=subprocess.DEVNULL, stderr=log
                )

    def kill(self, name: str) -> None:
        """End a worker with SIGKILL."""
        self._running[name].kill()
        self._running.pop(name).wait(20)

    def ended(self, name: str) -> int:
        """The exit status of a worker that ends by itself."""
        return self._running.pop(name).wait(PATIENCE_SECONDS)

    def process(self, name: str) -> psutil.Process:
        """A worker's process."""
        return psutil.Process(self._running[name].pid)

    def peak(self, name: str) -> int:
        """The most octets of memory a worker has ever held, its children's not counted."""
        status = Path(f"/proc/{self._running[name].pid}/status").read_text("ascii")
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024

    def log_of(self, name: str) -> Path:
        """Where it says what it does."""
        return self.home / f"{name}.log"

    def health(self, name: str) -> tuple[int, dict[str, Any]]:
        """What a worker's `/health` answers."""
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.ports[name]}/health", timeout=5
            ) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)
        except OSError:
            return 0, {}

    def metric(self, worker: str, name: str) -> float:
        """The sum of a metric's series at one worker; -1 while there are none."""
        address = f"http://127.0.0.1:{self.ports[worker]}/metrics"
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                lines = [x for x in answer.read().decode().splitlines() if x.startswith(name)]
        except urllib.error.URLError:
            lines = []
        return sum(float(line.rpartition(" ")[2]) for line in lines) if lines else -1

    def assert_well(self, *but: str) -> None:
        """All workers run, are healthy but for these, and none has grown large."""
        for name, process in self._running.items():
            assert process.poll() is None, self.log_of(name).read_text("utf-8")[-2_000:]
            assert self.peak(name) < self.most_memory, (name, self.peak(name) >> 20)
            if name not in but:
                until(lambda name=name: self.health(name)[0] == 200, 20)  # type: ignore[misc]

    # --- senders ---

    def topic(self, name: str) -> str:
        """With the town's prefix."""
        return f"{PREFIX}{name}"

    def put(
        self, user: str, topic: str, values: Iterable[bytes], codec: str = "none",
        partition: int = 0, headers: tuple[tuple[str, bytes], ...] = (),
    ) -> list[int | str]:  # fmt: skip
        """Put values on a topic in one batch; offsets, or what the broker said instead."""
        values = list(values)
        producer = Producer(
            {
                **self.access.of(f"{PREFIX}{user}").as_librdkafka(), **_QUIET,
                "compression.type": codec, "linger.ms": 30_000,  # none goes before the flush
            }
        )  # fmt: skip
        said: list[int | str] = []

        def note(error: KafkaError | None, message: Message) -> None:
            said.append(error.name() if error is not None else int(message.offset() or 0))

        for value in values:
            producer.produce(self.topic(topic), value, b"k", partition, note, headers=list(headers))
        assert producer.flush(90) == 0
        return said

    def submit(self, department: str, count: int = 1, partition: int = 0) -> list[int]:
        """Good rows of a department; their numbers in its stream."""
        producer = Producer(
            {**self.access.of(f"{PREFIX}dept.{department}").as_librdkafka(), **_QUIET}
        )
        numbers = []
        for _ in range(count):
            self._numbers[department] += 1
            number = self._numbers[department]
            code = self.codes[partition][number % len(self.codes[partition])]
            row = licence_row(
                XK_XDR_SHXYM=code, XK_WSH=f"镇许{number}号", XK_XKJGDM=AUTHORITIES[department]
            )
            headers: list[tuple[str, str | bytes | None]] = [
                ("ce_specversion", b"1.0"), ("ce_type", LICENCE.encode()),
                ("ce_source", f"{department}/hand".encode()), ("ce_id", b"%d" % number),
            ]  # fmt: skip
            producer.produce(
                self.topic(f"submissions.{department}"), framed(LICENCE, row), code.encode(),
                partition, headers=headers,
            )  # fmt: skip
            numbers.append(number)
        assert producer.flush(30) == 0
        return numbers

    # --- what became of it ---

    def records(self, topic: str) -> list[Any]:
        """Everything on a topic, as the hub's reader has it."""
        with closing(KafkaInputs(self.access, "test")) as inputs:
            places = {(self.topic(topic), p): 0 for p in range(PARTITIONS)}
            return [one for batch in inputs.read_to_end(places) for one in batch]

    def answered(self, department: str, source: str = "hand") -> dict[int, str]:
        """The outcome each numbered submission of a stream has a receipt for."""
        receipts = [json.loads(one.value) for one in self.records(f"receipts.{department}")]
        stream = f"{department}/{source}"
        return {int(r["sequence"]): r["outcome"] for r in receipts if r.get("stream") == stream}

    def ledger(self) -> list[LedgerRecord]:
        """Every ledger record."""
        return [decode_record(one.value) for one in self.records("ledger")]

    def unreadable(self) -> list[tuple[str, int]]:
        """Topic and offset of every cause that could not be read, as the ledger has them."""
        return [
            (r.cause.topic.removeprefix(PREFIX), r.cause.offset)
            for r in self.ledger()
            if any(reason.code == "BATCH_UNREADABLE" for reason in r.reasons)
        ]

    def assert_neighbour_is_answered(self, seconds: float = NEIGHBOUR_SECONDS) -> None:
        """A row of housing's, in each partition, has its receipt in time."""
        wanted = {self.submit("housing", 1, p)[0] for p in range(PARTITIONS)}
        until(lambda: wanted <= self.answered("housing").keys(), seconds)

    def wait_for(self, department: str, numbers: Iterable[int]) -> None:
        """Until all of these are accepted."""
        wanted = set(numbers)
        until(
            lambda: (
                wanted <= {n for n, said in self.answered(department).items() if said == "accepted"}
            )
        )

    def run(self, *words: str) -> Result:
        """A command of the operator's for the town's site."""
        return self.run_alone(*words, "--site", str(self.folder))

    def run_alone(self, *words: str) -> Result:
        """A command of the operator's."""
        return CliRunner(env=self.environment).invoke(command_line, words)

    # --- the operator's, and the disk's ---

    def set(self, topic: str, setting: str, now: str | None, wanted: str | None) -> None:
        """Change a topic's setting by hand."""
        KafkaTopics(self.access).alter([Alter(self.topic(topic), setting, now, wanted)])

    def open_to_all(self, topic: str) -> None:
        """Let the broker take what is packed unmeasured, as it does by default."""
        self.set(topic, "compression.type", "uncompressed", None)

    def close_again(self, topic: str) -> None:
        """Undo that."""
        self.set(topic, "compression.type", None, "uncompressed")

    def delete_before(self, topic: str, partition: int, offset: int) -> None:
        """DeleteRecords."""
        admin = AdminClient(self.access.as_librdkafka())
        place = TopicPartition(self.topic(topic), partition, offset)
        for future in admin.delete_records([place]).values():
            future.result(30)

    def damage(
        self, topic: str, changes: Mapping[int, Callable[[bytearray], object]], partition: int = 0
    ) -> None:
        """Stop the broker, change batches on its disk by their first offsets, start it again."""
        self.broker.stop()
        path = self._log_file(topic, partition)
        stored = bytearray(path.read_bytes())
        left = dict(changes)
        for start, end, offset in batches_of(stored):
            if offset in left:
                batch = stored[start:end]
                left.pop(offset)(batch)
                stored[start:end] = batch
        assert not left
        path.write_bytes(stored)
        self.broker.start()

    def last_batch(self, topic: str, partition: int = 0) -> int:
        """The first offset of a partition's last batch that holds records."""
        log = self._log_file(topic, partition).read_bytes()
        return max(offset for start, _, offset in batches_of(log) if not log[start + 22] & _MARKER)

    def _log_file(self, topic: str, partition: int) -> Path:
        place = self.home / "kafka" / "data" / f"{self.topic(topic)}-{partition}"
        (path,) = place.glob("*.log")
        return path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with ExitStack() as ending:
            ending.callback(self.broker.stop)
            for process in self._running.values():
                ending.callback(process.wait, 20)
                ending.callback(process.kill)


_MARKER = 0x20
"""Among a batch's attributes: it says how a transaction ended."""
_CRC_AT = 17
_PAYLOAD_AT = 61


def batches_of(log: bytes | bytearray) -> Iterator[tuple[int, int, int]]:
    """Begin and end of each batch in a segment, and its first offset."""
    at = 0
    while at + _PAYLOAD_AT <= len(log):
        offset, length = struct.unpack_from(">qi", log, at)
        if not length:  # room that is not written yet
            return
        yield at, at + 12 + length, offset
        at += 12 + length


def flip(batch: bytearray) -> None:
    """One damaged bit in the last octet: the checksum does not hold any more."""
    batch[-1] ^= 1


def garble(batch: bytearray) -> None:
    """Another payload under a checksum that holds."""
    batch[_PAYLOAD_AT:] = bytes((7 * n) % 251 for n in range(len(batch) - _PAYLOAD_AT))
    struct.pack_into(">I", batch, _CRC_AT, crc32c(batch[_CRC_AT + 4 :]))


def crc32c(data: bytes | bytearray) -> int:
    """Castagnoli's checksum, as Kafka has it."""
    crc = 0xFFFFFFFF
    for octet in data:
        crc ^= octet
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF
