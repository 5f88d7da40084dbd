"""How long a submission takes: to the ledger, and to a healthy province, at a steady pace.

All workers of a site run as processes, with the stand-in platforms; the pace is kept by this
process, which also reads the ledger (committed records only). The clock of each submission starts
when it was due to be sent, so a late sender makes the figures worse, not better. The bars: in the
ledger within 500 ms and with the province within 2 s, for 99 of 100; less than 500 MB a worker.
"""

from __future__ import annotations

import argparse
import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import Producer

from bench.sample_site import DEPARTMENT, STREAM, submissions, write_site
from hub.adapters.kafka.client import KafkaInputs
from hub.config.kafka_access import OPERATOR, KafkaAccess
from hub.config.repository import ROOT, load_repository_contracts
from hub.config.settings import Settings, read_settings
from hub.core.record import PRIMARY, decode_record
from hub.domain.partitioning import partition_of
from hub.embedded.parts import BackingServices
from hub.operations.site_plan import prepare_site

if TYPE_CHECKING:
    from collections.abc import Iterator

LEDGER_BAR_MS = 500
PROVINCE_BAR_MS = 2_000
MEMORY_BAR_MB = 500
PARTITIONS = 4
WARM_UP_SECONDS = 5
WORKERS = ("registrar", "courier province", "courier city", "receipts", "projector")
_START_SECONDS = 60
_DRAIN_SECONDS = 30


def main(arguments: list[str]) -> int:
    """Print both latencies and each worker's memory; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="./run bench latency")
    parser.add_argument("--rate", type=int, default=500, help="submissions a second")
    parser.add_argument("--seconds", type=int, default=30)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="hub-bench-") as name:
        folder = Path(name)
        settings = read_settings({"HUB_STATE": str(folder / "state")})
        parts = BackingServices(settings)
        with parts:
            parts.up(leashed=True)
            with _hub(folder, parts, settings) as workers:
                return _measure(
                    parts.require_kafka(OPERATOR), folder, workers, options.rate, options.seconds
                )


# --- the hub under load --------------------------------------------------------------------------


@contextmanager
def _hub(
    folder: Path, parts: BackingServices, settings: Settings
) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Start platforms and workers of a site; stop them in the end."""
    site = folder / "site"
    loaded = write_site(site, ROOT, PARTITIONS)
    access = parts.require_kafka(OPERATOR)
    prepare_site(loaded, access)
    common = ("--clock", str(site / "business-clock.json"))
    started: dict[str, subprocess.Popen[bytes]] = {}
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HUB_STATE": str(settings.state_folder),
    }

    def start(name: str, *words: str) -> None:
        started[name] = subprocess.Popen(
            [sys.executable, "-m", *words], env=environment, stdout=subprocess.DEVNULL
        )

    try:
        start(
            "province (stand-in)", "standins.province", *common,
            "--book", str(folder / "province.sqlite"), "--portfile", str(folder / "port"),
            "--token-file", str(site / "province.token"),
        )  # fmt: skip
        _wait_for(folder / "port")
        port = (folder / "port").read_text(encoding="utf-8")
        write_site(site, ROOT, PARTITIONS, f"http://127.0.0.1:{port}")
        start(
            "city (stand-in)", "standins.city", *common, "--prefix", loaded.site.prefix,
            "--book", str(folder / "city.sqlite"), "--bootstrap", access.bootstrap,
            "--user", loaded.site.user("target.city"), "--secrets", str(access.secrets or ""),
        )  # fmt: skip
        for worker in WORKERS:
            start(worker, "hub", "run", *worker.split(), "--site", str(site))
        yield started
    finally:
        for process in reversed(started.values()):
            process.terminate()
        for process in started.values():
            process.wait(30)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not path.exists():
        if time.monotonic() > deadline:
            message = f"{path.name} did not appear"
            raise TimeoutError(message)
        time.sleep(0.05)


# --- what is measured ----------------------------------------------------------------------------


class _LedgerWatch(threading.Thread):
    """Notes when each submission's decision became readable, and for which record."""

    def __init__(self, access: KafkaAccess) -> None:
        super().__init__(daemon=True)
        self.seen: dict[int, float] = {}
        """Number of the submission → seconds since the epoch."""
        self.first: dict[str, int] = {}
        """Record → the submission that made it."""
        self.adopted = threading.Event()
        self.is_over = False
        self._inputs = KafkaInputs(access, "bench.watch", settings={"fetch.wait.max.ms": 5})
        self._inputs.assign({("bench.ledger", p): 0 for p in range(PARTITIONS)})

    def run(self) -> None:
        """Read until told that it is over."""
        bases = 0
        while not self.is_over:
            records = self._inputs.consume(1, 0.1)
            now = time.time()
            for stored in records:
                record = decode_record(stored.value)
                if record.outcome not in PRIMARY:
                    bases += record.outcome == "B"
                    if bases == PARTITIONS:
                        self.adopted.set()
                    continue
                number = int(dict(record.cause.headers)["ce_id"])
                self.seen[number] = now
                self.first.setdefault(record.record_key.hex(), number)
        self._inputs.close()


class _Spread(NamedTuple):
    """Percentiles of a latency, milliseconds."""

    p50: float
    p99: float
    worst: float

    @classmethod
    def of(cls, found: list[float]) -> _Spread:
        """Summarise; of nothing, all are endless."""
        ordered = sorted(found) or [float("inf")]
        last = len(ordered) - 1
        return cls(ordered[last // 2], ordered[last * 99 // 100], ordered[-1])

    def line(self, what: str, count: int, bar: int) -> str:
        """Return the line for a person."""
        figures = f"p50 {self.p50:5.0f} ms   p99 {self.p99:5.0f} ms   max {self.worst:5.0f} ms"
        return f"{what:<32}{figures}   ({count:,}; bar p99 {bar:,} ms)"


def _measure(
    access: KafkaAccess, folder: Path, workers: dict[str, subprocess.Popen[bytes]], rate: int,
    seconds: int,
) -> int:  # fmt: skip
    watch = _LedgerWatch(access)
    watch.start()
    if not watch.adopted.wait(_START_SECONDS):
        raise TimeoutError("the registrar did not adopt the basis")
    sender = _Sender(access)
    warm = sender.send(rate, WARM_UP_SECONDS)
    _arrivals(folder, watch, set(warm))
    before = {name: _cpu_seconds(process.pid) for name, process in workers.items()}
    due = sender.send(rate, seconds)
    busy = {n: (_cpu_seconds(p.pid) - before[n]) / seconds for n, p in workers.items()}
    arrived = _arrivals(folder, watch, set(due))
    watch.is_over = True
    watch.join()
    made = set(watch.first.values()) & set(due)
    in_ledger = [(watch.seen[n] - at) * 1000 for n, at in due.items() if n in watch.seen]
    at_province = [arrived[n] - due[n] * 1000 for n in made if n in arrived]
    ledger, province = _Spread.of(in_ledger), _Spread.of(at_province)
    memory = {worker: _peak_mb(workers[worker].pid) for worker in WORKERS}
    lost = len(due) - len(in_ledger), len(made) - len(at_province)
    print(f"{rate} submissions/s for {seconds} s, 20 % of them duplicates (not delivered)")
    print(ledger.line("submission → ledger visible", len(in_ledger), LEDGER_BAR_MS))
    print(province.line("submission → province took it", len(at_province), PROVINCE_BAR_MS))
    for name, share in busy.items():
        peak = f"peak {memory[name]:4.0f} MB (bar {MEMORY_BAR_MB})" if name in memory else ""
        print(f"{name:<22}{share:4.0%} of a core   {peak}")
    if any(lost):
        print(
            f"not seen after {_DRAIN_SECONDS} s: {lost[0]} in the ledger, {lost[1]} at the province"
        )
    is_met = (
        ledger.p99 <= LEDGER_BAR_MS
        and province.p99 <= PROVINCE_BAR_MS
        and max(memory.values()) < MEMORY_BAR_MB
        and not any(lost)
    )
    return 0 if is_met else 1


class _Sender:
    """Sends submissions at an even pace, numbered through."""

    def __init__(self, access: KafkaAccess) -> None:
        self._contract = load_repository_contracts().by_kind["licence.granted.v1"]
        self._producer = Producer(
            {**access.as_librdkafka(), "enable.idempotence": True, "linger.ms": 1}
        )
        self._sent = 0

    def send(self, rate: int, seconds: int) -> dict[int, float]:
        """Return number → when it was due to be sent (seconds since the epoch)."""
        topic = f"bench.submissions.{DEPARTMENT}"
        due: dict[int, float] = {}
        rows = list(submissions(self._contract, rate * seconds, self._sent))
        start = time.time() + 0.1
        for count, (key, value) in enumerate(rows):
            at = start + count / rate
            while (wait := at - time.time()) > 0:
                self._producer.poll(0)
                time.sleep(min(wait, 0.002))
            self._sent += 1
            due[self._sent] = at
            headers: list[tuple[str, str | bytes | None]] = [
                ("ce_specversion", b"1.0"), ("ce_type", b"licence.granted.v1"),
                ("ce_source", STREAM), ("ce_id", b"%d" % self._sent),
                ("hub_position", b"0123456789abcdef:0:%d" % self._sent),
            ]  # fmt: skip
            place = partition_of(key, PARTITIONS)
            self._producer.produce(topic, value, key, place, headers=headers)
        self._producer.flush(10)
        return due


def _arrivals(folder: Path, watch: _LedgerWatch, numbers: set[int]) -> dict[int, float]:
    """Number → when the province took its record in (milliseconds), by the province's own book.

    Waits until all of `numbers` are decided and have arrived, or for `_DRAIN_SECONDS`.
    """
    query = "SELECT record, min(received_at) FROM requests WHERE verdict LIKE 'pub%' GROUP BY 1"
    deadline = time.monotonic() + _DRAIN_SECONDS
    while True:
        book = sqlite3.connect(folder / "province.sqlite")
        found = dict(book.execute(query).fetchall())
        book.close()
        first = dict(watch.first)
        arrived = {first[record]: float(at) for record, at in found.items() if record in first}
        is_complete = numbers <= watch.seen.keys() and set(first.values()) <= arrived.keys()
        if is_complete or time.monotonic() > deadline:
            return arrived
        time.sleep(0.2)


def _peak_mb(pid: int) -> float:
    """Peak resident memory of a process, from the kernel."""
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def _cpu_seconds(pid: int) -> float:
    """Seconds of CPU a process has used, its threads included."""
    after_name = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / os.sysconf("SC_CLK_TCK")
