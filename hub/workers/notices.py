"""The notices follower: writes the changes of records and clocks for the case agents.

It follows the ledger and appends to `notices`, partition by partition. Its position is the last
notice it wrote: every notice says where the ledger is read on from, so notice and position cannot
part. Killed in between, it sends the same notices again under the same ids.

Each hour it writes a mark in each partition, up to when it has written all: an agent that acts on
the absence of a record (a promise that was not performed) must know that it has seen everything.
While the machine's clock is too far ahead of all that was written before, no mark is set until a
person has confirmed it: agents would take every duty for missed, and the mark would vouch for that
clock.
"""

import logging
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack, closing
from typing import Final, Protocol

from hub.adapters.clock_witness import FolderWitness
from hub.adapters.clocks import business_clock_of
from hub.adapters.faults import EnvironmentFaults
from hub.adapters.kafka.appender import KafkaAppender
from hub.adapters.kafka.client import KafkaInputs, OldestInput
from hub.config.site import Site
from hub.contracts import Contracts
from hub.core.keys import GENESIS, Head
from hub.core.ledger_end import LedgerEndError, continued
from hub.core.record import decode_record
from hub.domain.dates import HOUR_MS
from hub.engine.clock_guard import DAY_MS, days_ahead
from hub.engine.events import ClockBelieved, ClockUnconfirmed
from hub.engine.ledger_end import answer_from, check_ends, settle
from hub.errors import UnavailableError
from hub.ports import Appender, ClockWitness, DeadlineClock, FaultHooks, InputRecord, OutputRecord
from hub.runtime.metrics import Health, Metrics
from hub.runtime.post import WorkerContext
from hub.views.notices import (
    Mark,
    encode_mark,
    encode_notice,
    headers_of,
    moment_of,
    notices_of,
    seen_in,
)
from hub.workers.engine_watch import CLOCK_UNCONFIRMED, clock_problem
from hub.workers.events import NoticesEvent, NoticesReport, NoticesWritten, Stepped
from hub.workers.lives import FollowerWatch, run_with_restarts
from hub.workers.receipts import LedgerReader

WORKER: Final = "notices"
_BATCH: Final = 2_000
_POLL_SECONDS: Final = 0.2
_PATIENCE_SECONDS: Final = 300.0
"""An open transaction of a lost registrar hides the end for one minute at most."""
_MARK_SECONDS: Final = 0.25
"""Between marks at the least, however fast business time runs."""
_CLOCK_SECONDS: Final = 5.0
"""Between two looks at a clock that is not believed."""
_FURTHER_BACK: Final = 16
_COMPRESSION: Final = "gzip"
"""Of what compresses well, the one that aiokafka, under Faust, reads without another library."""


_log = logging.getLogger("hub.notices")


class LedgerAndNoticeReader(LedgerReader, Protocol):
    """Reads the ledger on, and the end of `notices`; see `hub.ports.Inputs`."""

    def ends_reached(self) -> Mapping[tuple[str, int], int]:
        """The end each partition had when it was last read to its end."""


class NoticesFollower:
    """Reads the ledger on and keeps the notices up with it."""

    def __init__(
        self,
        site: Site,
        contracts: Contracts,
        inputs: LedgerAndNoticeReader,
        appender: Appender,
        clock: DeadlineClock,
        witness: ClockWitness,
        faults: FaultHooks,
        report: NoticesReport,
    ) -> None:
        self._clock, self._witness = clock, witness
        self._guard_ms = site.clock_guard_days * DAY_MS
        self._written_at = 0
        """The latest business time read in `notices` or in the ledger."""
        self._is_clock_believed = False
        self._heads: dict[int, Head] = {}
        """The end of each partition of the ledger up to which notices were written."""
        self._hour = -1
        """Of the last marks, since the epoch."""
        self._earliest = 0.0
        self._moment = 0
        self._unmarked: dict[tuple[str, int], int] = {}
        """Partitions without their mark of `_moment`, and the end each had then."""
        self._ledger = site.topic("ledger")
        self._notices = site.topic("notices")
        self._partitions = range(site.partitions)
        self._targets = {target.number: target.id for target in site.targets}
        self._contracts = contracts
        self._inputs = inputs
        self._appender = appender
        self._faults = faults
        self._report = report

    def start(self) -> None:
        """Take up the position.

        Raises `LedgerEndError` when the ledger no longer holds a record with a notice. Notices of a
        declared loss are written again, from the last record that is left.
        """
        known = self._told_to()
        heads = {partition: known.get(partition, GENESIS) for partition in self._partitions}
        lost = settle(check_ends(answer_from(self._inputs), self._ledger, WORKER, heads))
        for partition, loss in lost.items():
            heads[partition] = heads[partition]._replace(
                sequence=loss.first, last_hash=bytes.fromhex(loss.kept),
                next_offset=loss.next_offset,
            )  # fmt: skip
        self._heads = heads
        self._inputs.assign(self._next)

    @property
    def _next(self) -> dict[tuple[str, int], int]:
        """Where each partition of the ledger is read on from."""
        return {(self._ledger, p): head.next_offset for p, head in self._heads.items()}

    def _told_to(self) -> dict[int, Head]:
        """How far each partition of the ledger has notices: the position of its last one."""
        ends = self._inputs.bounds((self._notices, p) for p in self._partitions)
        known: dict[int, Head] = {}
        back = 1  # further where the last cannot be read
        while wanted := {
            place: max(start, end - back)
            for place, (start, end) in ends.items()
            if place[1] not in known and end - start > back // _FURTHER_BACK
        }:
            for batch in self._inputs.read_to_end(wanted):
                for record in batch:
                    known[record.partition] = seen_in(record.headers)
                    self._written_at = max(self._written_at, moment_of(record.value))
            back *= _FURTHER_BACK
        return known

    def step(self) -> int:
        """Follow the next ledger records; return how many there were."""
        self._begin_marks()
        records = self._inputs.consume(_BATCH, _POLL_SECONDS)
        if records:
            self._faults.reached("after_consume")
            notices: list[OutputRecord] = []
            counts: Counter[str] = Counter()
            for record in records:
                notices += self._told(record, counts)
            half = len(notices) // 2
            self._faults.reached("before_flush")
            self._appender.append(notices[:half])
            self._faults.reached("before_commit")
            self._appender.append(notices[half:])
            self._faults.reached("after_commit")
            self._report(NoticesWritten(counts))
        self._mark(is_idle=not records)
        self._report(Stepped(len(records)))
        return len(records)

    def _begin_marks(self) -> None:
        """Once an hour of business time: take note of the moment and of the ledger's ends."""
        if self._unmarked or self._clock.has_jumped() or time.monotonic() < self._earliest:
            return
        if not self._believes_clock():
            self._earliest = time.monotonic() + _CLOCK_SECONDS
            return
        self._witness.note()
        moment = self._clock.now()
        if moment // HOUR_MS != self._hour:
            self._earliest = time.monotonic() + _MARK_SECONDS
            self._hour, self._moment = moment // HOUR_MS, moment
            bounds = self._inputs.bounds(self._next)
            self._unmarked = {place: end for place, (_, end) in bounds.items()}

    def _believes_clock(self) -> bool:
        """Judged at the start; afterwards `has_jumped` judges."""
        if not self._is_clock_believed:
            days = days_ahead(self._witness.evidence(), self._written_at, self._guard_ms)
            self._is_clock_believed = not days
            self._report(ClockUnconfirmed(days) if days else ClockBelieved())
        return self._is_clock_believed

    def _mark(self, *, is_idle: bool) -> None:
        """Write the mark of each partition whose notices are written to the end it had.

        Raises `UnavailableError` when that cannot be said for long although nothing comes: the
        follower begins again, lest the agents wait in silence.
        """
        reached = self._inputs.ends_reached()
        done = [
            place
            for place, end in self._unmarked.items()
            if max(reached.get(place, -1), self._heads[place[1]].next_offset) >= end
        ]
        if not done:
            self._check_patience(is_idle=is_idle)
            return
        marks = [(place, Mark(place[1], self._moment)) for place in done]
        self._appender.append(
            [
                OutputRecord(
                    self._notices, place[1], b"", encode_mark(mark),
                    headers_of(mark, self._heads[place[1]]),
                )
                for place, mark in marks
            ]
        )  # fmt: skip
        for place in done:
            del self._unmarked[place]

    def _check_patience(self, *, is_idle: bool) -> None:
        if is_idle and self._unmarked and time.monotonic() > self._earliest + _PATIENCE_SECONDS:
            raise UnavailableError(
                "台账的末尾长时间未能读到，重新开始\n"
                "the end of the ledger was not reached for long: begun again"
            )

    def _told(self, source: InputRecord, counts: Counter[str]) -> list[OutputRecord]:
        """The notices of one ledger record; only the last lets the position pass the record."""
        before = self._heads[source.partition]
        head = continued(before, source.value, source.offset + 1)
        if head is None:
            raise LedgerEndError(WORKER, source.partition, before, is_gone=False)
        self._heads[source.partition] = head
        record = decode_record(source.value)
        self._written_at = max(self._written_at, record.decided_at)
        notices = notices_of(source.partition, record, self._contracts, self._targets)
        counts.update(notice.event for notice in notices)
        last = len(notices) - 1
        return [
            OutputRecord(
                self._notices,
                source.partition,
                record.cause.key,
                encode_notice(notice),
                headers_of(notice, head if notice.number == last else before),
            )
            for notice in notices
        ]


class NoticesWatch(FollowerWatch):
    """Turns what the follower reports into metrics and health."""

    def __init__(self, metrics: Metrics, health: Health) -> None:
        super().__init__(metrics, health)
        self._is_waiting = metrics.clock_unconfirmed.labels(health.worker)
        self._is_told = False

    def report(self, event: NoticesEvent) -> None:
        """Count notices, say whether the clock is believed; and what every follower reports."""
        match event:
            case NoticesWritten(counts):
                for name, number in counts.items():
                    self._metrics.notices.labels(name).inc(number)
            case ClockBelieved():
                self._is_waiting.set(0)
            case ClockUnconfirmed(days):
                self._is_waiting.set(1)
                if not self._is_told:
                    self._is_told = True
                    problem = clock_problem(days)
                    _log.error(str(problem), extra={"problem": CLOCK_UNCONFIRMED})
            case _:
                super().report(event)


def run_notices(post: WorkerContext, report: NoticesReport) -> None:
    """Follow the ledger until stopped; the folder holds the lease alone.

    Starts again when the broker was away. Raises `FencedError` when another process follows on
    this machine, `LedgerEndError` when the ledger does not go on from the last notice.
    """
    site = post.loaded.site

    def follow() -> None:
        with ExitStack() as open_parts:
            tells_ends = {"enable.partition.eof": True}
            inputs = KafkaInputs(
                post.access, f"{site.prefix}notices", OldestInput(report), report=report,
                whole=site.topic("ledger"), settings=tells_ends,
            )  # fmt: skip
            open_parts.enter_context(closing(inputs))
            appender = open_parts.enter_context(closing(KafkaAppender(post.access, _COMPRESSION)))
            clock = business_clock_of(post.loaded)
            follower = NoticesFollower(
                site,
                post.contracts,
                inputs,
                appender,
                clock,
                FolderWitness(post.folder, clock),
                EnvironmentFaults(),
                report,
            )
            follower.start()
            while not post.should_stop():
                follower.step()

    run_with_restarts(post, follow, report)
