"""HubTestDriver: the real slot and core over an in-memory log; no Kafka, no threads, no clock.

pipe() puts a record on an input, run() lets the slot work until nothing is left to do, advance()
moves business time, crash() throws the process away, restore() starts a new one on what is left.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from hub.audit.replay import MemoryState
from hub.core.basis import canonical_json
from hub.core.record import LedgerRecord, decode_record
from hub.domain.partitioning import partition_of
from hub.engine import requests
from hub.engine.clock_guard import DEFAULT_GUARD_MS
from hub.engine.events import ClockUnconfirmed, Event, Idle
from hub.engine.slot import Slot, SlotPlan
from hub.ports import ClockEvidence, InputRecord, OutputRecord, unreadable_record

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    from hub.core.ledger_end import Seen

_AT_REST = (Idle, ClockUnconfirmed)
"""Reports of a slot that has nothing to do, or may do nothing."""


class MemoryLog:
    """Topics as lists; commits append at once. The only broker the driver knows."""

    def __init__(self) -> None:
        self.logs: dict[tuple[str, int], list[InputRecord]] = defaultdict(list)
        self.starts: dict[tuple[str, int], int] = defaultdict(int)
        """The first offset that is still retained."""

    def append(self, record: OutputRecord) -> int:
        """Append and return the next offset."""
        log = self.logs[record.topic, record.partition]
        log.append(
            InputRecord(
                record.topic, record.partition, len(log), record.key, record.headers, record.value
            )
        )
        return len(log)


class HubTestDriver:
    """One slot that owns every partition, or the one of `slot` among several over one log."""

    def __init__(
        self, document: Mapping[str, object], prefix: str = "test.", now: int = 0, *,
        slot: int = 0, own: tuple[int, ...] | None = None, log: MemoryLog | None = None,
    ) -> None:  # fmt: skip
        site: Any = document["site"]
        self.prefix = prefix
        self.partitions = int(site["partitions"])
        self.departments = tuple(site["departments"])
        self.targets = tuple(t["id"] for t in site["targets"])
        self.now = now
        self.clock_jumped = False
        self.clock_seen = 0
        """What the machine's disk remembers of the time."""
        self.clock_confirmed = 0
        self.is_clock_scripted = False
        self.clock_guard_ms = DEFAULT_GUARD_MS
        self.seen: tuple[Seen, ...] = ()
        """What files within reach say of the ledger's end."""
        self.refusals: list[type[requests.Request]] = []
        """What fails next: the first request of each of these kinds."""
        self.owner = f"registrar.{slot}"
        self.own = tuple(range(self.partitions)) if own is None else own
        self.log = log or MemoryLog()
        self.store: dict[bytes, bytes] = {}
        self.restarts: list[str] = []
        self.hooks: list[str] = []
        self.last_report: Event | None = None
        """Why the last run ended: there was nothing left to do, or nothing might be done."""
        self._sequences: dict[str, int] = defaultdict(int)
        self._reply: object = None
        self._start()
        if log is None:
            self.adopt(document)

    # --- inputs ---

    def adopt(self, document: Mapping[str, object]) -> list[LedgerRecord]:
        """Send a basis to every partition and let the slot adopt it; what was written."""
        value = canonical_json({"basis": document})
        for partition in range(self.partitions):
            self.log.append(
                OutputRecord(
                    self.prefix + "control", partition, b"", value,
                    (("ce_type", b"basis.adopted.v1"),),
                )
            )  # fmt: skip
        return self.run()

    def pipe(  # noqa: PLR0913 - what a sender may say, each by its name
        self, department: str, kind: str, key: str, value: bytes, *,
        sequence: int | None = None, source_version: int | None = None,
        partition: int | None = None, stream: str = "test", is_stated_valid: bool = False,
    ) -> None:  # fmt: skip
        """Submit a framed value as a department's connector would."""
        stream = f"{department}/{stream}"
        self._sequences[stream] += 1
        number = sequence if sequence is not None else self._sequences[stream]
        headers = [
            ("ce_specversion", b"1.0"), ("ce_type", kind.encode()), ("ce_source", stream.encode()),
            ("ce_id", b"%d" % number),
        ]  # fmt: skip
        if source_version is not None:
            headers.append(("hub_source_version", b"%d" % source_version))
        if is_stated_valid:
            headers.append(("hub_stated_status", b"valid"))
        place = partition_of(key.encode(), self.partitions) if partition is None else partition
        self.put(f"submissions.{department}", place, key.encode(), value, tuple(headers))

    def put(
        self, topic: str, partition: int, key: bytes, value: bytes,
        headers: tuple[tuple[str, bytes], ...] = (),
    ) -> None:  # fmt: skip
        """Append raw bytes to any topic."""
        self.log.append(OutputRecord(self.prefix + topic, partition, key, value, headers))

    def put_unreadable(self, topic: str, partition: int, why: str = "compression") -> None:
        """Let the next record of any topic be one that cannot be read."""
        log = self.log.logs[self.prefix + topic, partition]
        log.append(unreadable_record(self.prefix + topic, partition, len(log), why))

    def delete(self, topic: str, partition: int, until: int) -> None:
        """Somebody deletes the records of a topic before an offset."""
        self.log.starts[self.prefix + topic, partition] = until

    # --- time and life ---

    def advance(self, milliseconds: int) -> list[LedgerRecord]:
        """Let business time pass, then run."""
        self.now += milliseconds
        return self.run()

    def run(self) -> list[LedgerRecord]:
        """Work until two polls in a row find nothing; the ledger records written meanwhile."""
        before = {p: len(self.log.logs[self.prefix + "ledger", p]) for p in range(self.partitions)}
        idle = 0
        while idle < 3:
            request = self._program.send(self._reply)
            self._reply = self._carry_out(request)
            if isinstance(request, requests.Report) and isinstance(request.event, _AT_REST):
                self.last_report = request.event
                idle += 1
            elif isinstance(request, requests.Commit):
                idle = 0
        return [
            decode_record(record.value)
            for p, count in before.items()
            for record in self.log.logs[self.prefix + "ledger", p][count:]
        ]

    def work(self, requests: int) -> None:
        """Carry out so many requests, whatever they are."""
        for _ in range(requests):
            self._reply = self._carry_out(self._program.send(self._reply))

    def die_after(self, requests: int, *, lose_disk: bool) -> None:
        """A crash after so many requests; compiled bases are kept, which saves time alone."""
        self.work(requests)
        library = self.slot.library
        self.crash(lose_disk=lose_disk)
        self.slot.library = library

    def crash(self, *, lose_disk: bool = False) -> None:
        """The process is gone; what was committed stays. Starts a new one."""
        self._program.close()
        if lose_disk:
            self.store.clear()
            self.clock_seen = 0
        self._start()

    def ledger(self, partition: int | None = None) -> list[LedgerRecord]:
        """Everything written so far."""
        wanted = range(self.partitions) if partition is None else [partition]
        return [decode_record(r.value) for p in wanted for r in self.raw_ledger(p)]

    def raw_ledger(self, partition: int) -> list[InputRecord]:
        """The ledger partition as stored."""
        return self.log.logs[self.prefix + "ledger", partition]

    def _start(self) -> None:
        topics = (
            self.prefix + "control",
            *(self.prefix + f"submissions.{d}" for d in self.departments),
            *(self.prefix + f"outcomes.{t}" for t in self.targets),
        )
        plan = SlotPlan(
            self.prefix, self.own, topics, self.owner, self.clock_guard_ms, self.partitions,
            self.seen,
        )  # fmt: skip
        self.slot = Slot(plan)
        self._program: Generator[requests.Request, Any, None] = self.slot.run()
        self._reply = None
        self._positions: dict[tuple[str, int], int] = {}
        self._fold: Iterator[list[InputRecord]] = iter(())
        self._open: list[OutputRecord] = []

    def _carry_out(  # noqa: C901, PLR0911, PLR0912 - one arm per request
        self, request: requests.Request
    ) -> object:
        if type(request) in self.refusals:
            self.refusals.remove(type(request))
            return requests.Failed("no answer")
        match request:
            case requests.ReadState(keys):
                return MemoryState(self.store).read(keys)
            case requests.Scan(start, stop, limit):
                return MemoryState(self.store).scan(start, stop, limit)
            case requests.WriteState(changes):
                MemoryState(self.store).write(changes)
            case requests.Bounds(places):
                return {p: (self.log.starts[p], len(self.log.logs[p])) for p in places}
            case requests.FoldLedger(positions):
                batches = [self.log.logs[place][at:] for place, at in positions.items()]
                self._fold = iter([batch for batch in batches if batch])
            case requests.NextFold():
                return next(self._fold, None)
            case requests.Assign(positions):
                self._positions = dict(positions)
            case requests.Consume(limit, _timeout):
                return self._consume(limit)
            case requests.Now():
                return self.now
            case requests.HasJumped():
                if not self.clock_jumped:
                    self.clock_seen = max(self.clock_seen, self.now)
                return self.clock_jumped
            case requests.Evidence():
                written = max(self.clock_seen, self.clock_confirmed)
                return ClockEvidence(self.now, written, is_business=not self.is_clock_scripted)
            case requests.Begin():
                self._open = []
            case requests.Produce(records):
                self._open.extend(records)
            case requests.Commit():
                return {(r.topic, r.partition): self.log.append(r) for r in self._open}
            case requests.Hook(name):
                self.hooks.append(name)
            case requests.Retire(reason):
                self.restarts.append(reason)
        return None

    def _consume(self, limit: int) -> list[InputRecord]:
        found: list[InputRecord] = []
        for place, at in self._positions.items():
            taken = self.log.logs[place][at : at + limit - len(found)]
            self._positions[place] = at + len(taken)
            found.extend(taken)
        return found
