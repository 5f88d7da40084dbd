"""The projector: follows the ledger into PostgreSQL, exactly once by its own position.

It reads committed records only, checks that sequence and chain are whole, and writes rows and
position in one SQL transaction. It may be killed at any moment and started again from its
position or from zero; the tables come out the same.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.adapters.clocks import FileBusinessClock, business_clock_of
from hub.adapters.faults import EnvironmentFaults
from hub.adapters.kafka.client import KafkaInputs
from hub.adapters.kafka.unreadable import count_unreadable
from hub.adapters.postgres.lookups import LookUps
from hub.adapters.postgres.months import count_months
from hub.adapters.postgres.tables import Heartbeat, Position, ProjectionBatch, StreamCount, Tables
from hub.core.ledger_end import LedgerEndError, continued
from hub.core.record import ZERO_HASH, LedgerRecord, Outcome, decode_record
from hub.core.state import Status
from hub.domain import kinds
from hub.domain.backoff import backoff
from hub.domain.dates import day_of_ms, two_months
from hub.engine.ledger_end import answer_from, check_ends, settle
from hub.errors import UnavailableError
from hub.views.court_lists import FINDINGS
from hub.views.entry import (
    ClockRow,
    DeclaredRow,
    EntryReader,
    EntryRow,
    RecordRow,
    SnapshotRow,
    StageRow,
    StandingRow,
    clock_events_of,
    clocks_of,
    follow,
    standings_of,
)
from hub.views.open_cases import CaseRow, OpenCases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hub.config.site import Site
    from hub.contracts import Contracts
    from hub.ports import BusinessClock, FaultHooks, InputRecord, Inputs
    from hub.runtime.metrics import Health, Metrics
    from hub.runtime.post import WorkerContext

_log = logging.getLogger("hub.projector")
BATCH: Final = 5_000
_POLL_SECONDS: Final = 0.2
_BEAT_SECONDS: Final = 1.0
_GAUGE_SHARE: Final = 0.1
"""Of the projector's time, the most that counting may take."""
_GAUGE_SECONDS: Final = 10.0
_LONGEST_WAIT_SECONDS: Final = 5.0
_LONG_LIFE_SECONDS: Final = 30.0
"""A life this long was a good one: the next wait is short again."""
_FIRST_ANSWER_SECONDS: Final = 3.0
"""Until the first records come, an empty poll may only mean that the broker is being found."""
WORKER: Final = "projector"


class _Folded(NamedTuple):
    """State of a record."""

    row: RecordRow
    clocks: list[ClockRow]
    standings: list[StandingRow]


class Projection:
    """Turns ledger records into a batch of rows; remembers how far each partition has been read."""

    def __init__(self, tables: Tables, contracts: Contracts, prefix: str) -> None:
        self._tables = tables
        self._positions = tables.positions()
        self._streams = tables.streams()
        self._reader = EntryReader(contracts, prefix, {})
        for basis in tables.bases():
            self._reader.targets |= numbers_of(basis)

    def position(self, partition: int) -> Position:
        """How far this partition has been read."""
        return self._positions.get(partition, Position(partition, 0, 0, ZERO_HASH, 0))

    @property
    def decided_at(self) -> int:
        """When the oldest of the last records of all partitions was decided; business time."""
        return min((p.decided_at for p in self._positions.values()), default=0)

    def project(self, inputs: Sequence[InputRecord]) -> None:
        """Write a batch and move on. Raises `LedgerEndError` where the ledger does not go on."""
        positions: dict[int, Position] = {}
        read = [(i.partition, self._next(i, positions)) for i in inputs]
        entries = [self._entry(partition, record) for partition, record in read]
        folded = self._fold(read, entries)
        streams = self._count_streams(entries)
        stages = [self._reader.stages(partition, record) for partition, record in read]
        batch = ProjectionBatch(
            entries,
            [one.row for one in folded.values()],
            [clock for one in folded.values() for clock in one.clocks],
            [standing for one in folded.values() for standing in one.standings],
            [stage for told in stages for stage in told],
            [event for p, record in read for event in clock_events_of(p, record)],
            Counter(
                (entry.department, entry.kind, entry.outcome)
                for entry in entries
                if entry.cause_kind == "submission"
            ),
            list(streams.values()),
            [adopted for _, record in read for adopted in adopted_basis(record)],
            self._cases(read, stages),
            self._declared(read),
            self._snapshots(read),
            list(positions.values()),
        )
        self._tables.write(batch)
        self._positions |= positions
        self._streams |= streams

    def _next(self, source: InputRecord, positions: dict[int, Position]) -> LedgerRecord:
        """Decode one ledger record; the chain must continue where the position says."""
        partition = source.partition
        before = positions.get(partition) or self.position(partition)
        head = continued(before.head, source.value, source.offset + 1)
        if head is None:
            raise LedgerEndError(WORKER, partition, before.head, is_gone=False)
        positions[partition] = Position(
            partition, head.next_offset, head.sequence, head.last_hash, head.decided_at, head.epoch
        )
        return decode_record(source.value)

    def _entry(self, partition: int, record: LedgerRecord) -> EntryRow:
        if record.outcome is Outcome.BASIS_ADOPTED:
            for _, _, content in adopted_basis(record):
                self._reader.targets |= numbers_of(content)
        return self._reader.entry(partition, record)

    def _fold(
        self, read: Sequence[tuple[int, LedgerRecord]], entries: Sequence[EntryRow]
    ) -> dict[bytes, _Folded]:
        """Return the state of every changed record of the batch behind its last ledger record."""
        touched = {record.record_key for _, record in read if record.state is not None}
        known = self._tables.records(touched)
        folded: dict[bytes, _Folded] = {}
        for (_, record), entry in zip(read, entries, strict=True):
            if record.state is None:
                continue
            key = record.record_key
            row = follow(folded[key].row if key in folded else known.get(key), entry, record)
            if row is not None:
                folded[key] = _Folded(row, clocks_of(record), standings_of(record))
        return folded

    def _cases(
        self, read: Sequence[tuple[int, LedgerRecord]], stages: Sequence[Sequence[StageRow]]
    ) -> list[CaseRow]:
        """Return the cases that this batch opens or closes."""
        cases = OpenCases(self._tables.open_cases({record.record_key for _, record in read}))
        for (partition, record), told in zip(read, stages, strict=True):
            cases.note(partition, record, told)
        return list(cases.changed.values())

    def _declared(
        self, read: Sequence[tuple[int, LedgerRecord]]
    ) -> dict[bytes, DeclaredRow | None]:
        """The departments' own counts that this batch changes."""
        changed: dict[bytes, DeclaredRow | None] = {}
        for _, record in read:
            state = record.state
            if state is None or state.kind != kinds.OUTPUT_COUNT:
                continue
            told = self._reader.declared(record)
            if told is not None or state.status is not Status.LIVE:
                changed[record.record_key] = told
        return changed

    def _snapshots(
        self, read: Sequence[tuple[int, LedgerRecord]]
    ) -> dict[bytes, SnapshotRow | None]:
        """The parts of courts' full lists that this batch changes."""
        changed: dict[bytes, SnapshotRow | None] = {}
        for _, record in read:
            state = record.state
            if state is None or state.kind != kinds.SNAPSHOT:
                continue
            told = self._reader.snapshot(record)
            if told is not None or state.status is not Status.LIVE:
                changed[record.record_key] = told
        return changed

    def _count_streams(self, entries: Iterable[EntryRow]) -> dict[tuple[str, int], StreamCount]:
        """Count submissions with different sequences, per stream and partition.

        A connector writes in order, so only a sequence not above the last one can be a submission
        decided again; those few are looked up.
        """
        counted: dict[tuple[str, int], StreamCount] = {}
        doubtful: dict[int, set[tuple[str, int]]] = defaultdict(set)
        fresh: set[tuple[int, str, int]] = set()
        for entry in entries:
            stream, sequence, partition = entry.stream, entry.stream_sequence, entry.partition
            if stream is None or sequence is None or entry.is_repeat:
                continue
            place = (stream, partition)
            count = counted.get(place) or self._streams.get(place)
            if count is None:
                count = StreamCount(stream, partition, entry.department, 0, 0)
            if (partition, stream, sequence) in fresh:
                continue
            fresh.add((partition, stream, sequence))
            if sequence <= count.last_sequence:
                doubtful[partition].add((stream, sequence))
            counted[place] = count._replace(
                last_sequence=max(sequence, count.last_sequence),
                submissions=count.submissions + 1,
            )
        for partition, identities in doubtful.items():
            for stream, _ in self._tables.known_submissions(partition, identities):
                count = counted[stream, partition]
                counted[stream, partition] = count._replace(submissions=count.submissions - 1)
        return counted


def numbers_of(basis: Mapping[str, object]) -> dict[str, int]:
    """Target id → number in a basis (or in what is kept of it)."""
    site = basis["site"]
    targets = site["targets"] if isinstance(site, dict) else []
    return {str(target["id"]): int(target["number"]) for target in targets}


def adopted_basis(record: LedgerRecord) -> list[tuple[bytes, int, Mapping[str, object]]]:
    """The basis a ledger record adopts: id, when, and what look-ups need of it."""
    if record.outcome is not Outcome.BASIS_ADOPTED:
        return []
    document = json.loads(record.cause.value)["basis"]
    content = {name: document[name] for name in ("decider", "site", "rulebook", "calendar")}
    return [(record.basis, record.decided_at, content)]


def run_projector(
    post: WorkerContext, dsn: str, metrics: Metrics, health: Health, *, from_zero: bool = False
) -> None:
    """Follow the ledger until stopped; start again when a service does not answer.

    `from_zero` drops the tables first and reads the whole ledger again.

    Raises `FencedError` when another projector holds the tables, `IntegrityError` when the ledger
    is not whole or is not the one the tables were made of.
    """
    failures = 0
    faults = EnvironmentFaults()
    while not post.should_stop():
        began = time.monotonic()
        try:
            with Tables(dsn, post.loaded.site.prefix, faults.reached) as tables:
                if from_zero:
                    tables.reset()
                    from_zero = False
                projection = Projection(tables, post.contracts, post.loaded.site.prefix)
                follower = _Follower(post, dsn, tables, projection, metrics, health, faults)
                try:
                    follower.run(post.should_stop)
                finally:
                    follower.close()
        except UnavailableError as error:
            _log.warning("%s", error)
            failures = failures + 1 if time.monotonic() - began < _LONG_LIFE_SECONDS else 0
            metrics.restarts.labels(WORKER).inc()
            health.restarted()
            time.sleep(backoff(0.1, failures, _LONGEST_WAIT_SECONDS))


class _Follower:
    """One life of the projector: from the stored position on, until something breaks."""

    def __init__(
        self, post: WorkerContext, dsn: str, tables: Tables, projection: Projection,
        metrics: Metrics, health: Health, faults: FaultHooks,
    ) -> None:  # fmt: skip
        site = post.loaded.site
        self._site = site
        self._tables = tables
        self._metrics = metrics
        self._health = health
        self._clock: BusinessClock = business_clock_of(post.loaded)
        self._faults = faults
        self._projection = projection
        self._ledger = site.topic("ledger")
        self._look_ups = LookUps(dsn, tables.schema)
        self._inputs: Inputs = KafkaInputs(
            post.access, f"{site.prefix}projector", whole=self._ledger,
            report=lambda found: count_unreadable(metrics, WORKER, found),
        )  # fmt: skip
        self._ends: dict[tuple[str, int], tuple[int, int]] = {}
        self._drained = False
        # An alert over courts' lists must find its series in a hub without case agents, too.
        for finding in FINDINGS:
            metrics.court_list_findings.labels(finding).set(0)
        self._patience = time.monotonic() + _FIRST_ANSWER_SECONDS
        self._next_beat = self._next_gauges = 0.0

    def close(self) -> None:
        """Leave broker and database."""
        self._look_ups.close()
        if isinstance(self._inputs, KafkaInputs):
            self._inputs.close()

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Seek, then read and write until stopped."""
        self._tables.describe(self._site.prefix, names_of(self._site))
        self._seek()
        while not should_stop():
            inputs = self._inputs.consume(BATCH, _POLL_SECONDS)
            if inputs:
                self._faults.reached("after_consume")
                began = time.monotonic()
                self._projection.project(inputs)
                self._metrics.projected_records.inc(len(inputs))
                self._metrics.transaction_seconds.labels(WORKER).observe(time.monotonic() - began)
                self._faults.reached("after_commit")
                self._health.progress()
                self._patience = 0.0
            else:
                self._health.idle()
            self._drained = not inputs and time.monotonic() > self._patience
            self._tell(time.monotonic())

    def _seek(self) -> None:
        """Every partition from its stored position.

        Raises `LedgerEndError` where the ledger no longer holds what was read of it; where an
        operator has given that up, the tables are emptied and `UnavailableError` says begin again.
        """
        partitions = range(self._site.partitions)
        heads = {p: self._projection.position(p).head for p in partitions}
        if settle(check_ends(answer_from(self._inputs), self._ledger, WORKER, heads)):
            self._tables.reset()
            raise UnavailableError(
                "台账缺失已登记，查询表从头重建\n"
                "a loss of ledger records was declared: the look-up tables are made anew"
            )
        positions = {(self._ledger, p): head.next_offset for p, head in heads.items()}
        self._ends = self._inputs.bounds(positions)
        self._inputs.assign(positions)

    def _tell(self, now: float) -> None:
        """Beat every second, count what the tables say every ten."""
        if now < self._next_beat:
            return
        self._next_beat = now + _BEAT_SECONDS
        heartbeat = self._heartbeat()
        self._tables.beat(heartbeat)
        self._metrics.projector_lag_records.set(heartbeat.lag_records)
        self._metrics.oldest_unprocessed_age.labels(WORKER).set(heartbeat.lag_seconds)
        if now >= self._next_gauges and self._drained:
            self._look_ups.count_into(self._metrics, heartbeat.business_now)
            months = two_months(day_of_ms(heartbeat.business_now))
            count_months(self._look_ups, self._metrics, months, heartbeat.business_now)
            # where there is very much to count, following comes first
            took = time.monotonic() - now
            self._next_gauges = now + max(_GAUGE_SECONDS, took / _GAUGE_SHARE)

    def _heartbeat(self) -> Heartbeat:
        """Lag is 0 when drained, else the age of the oldest partition's last record."""
        business_now = self._clock.now()
        factor = self._clock.factor if isinstance(self._clock, FileBusinessClock) else 1.0
        lag_records, lag_seconds = 0, 0.0
        if not self._drained:
            ends = self._inputs.bounds(self._ends)
            lag_records = sum(
                max(0, end - self._projection.position(place[1]).next_offset)
                for place, (_, end) in ends.items()
            )
            behind = max(0, business_now - self._projection.decided_at) / 1000
            lag_seconds = behind / factor if factor else behind
        return Heartbeat(
            time.time_ns() // 1_000_000, business_now, factor, lag_records, lag_seconds
        )


def names_of(site: Site) -> dict[str, object]:
    """Return the display names of the site, its departments and its targets."""
    return {
        "site": site.site,
        "name_zh": site.name_zh,
        "departments": {d.id: d.name_zh for d in site.departments},
        "targets": {t.id: t.name_zh for t in site.targets},
    }
