"""Is the ledger whole? Chain, order, one primary outcome per submission, nothing lost on the way.

Checks over a stream of ledger bytes; where they come from is passed in. Whether the decisions were
*right* is the replay's question (`hub.audit.replay`).
"""

from __future__ import annotations

import json
import struct
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from hub.audit.ends import EndOfPartition
from hub.audit.finding import WHOLE_SITE, AuditFinding, Findings
from hub.audit.history import Histories, History, HistoryInputs, read_partition
from hub.audit.streams import SequenceMark, StreamBook, StreamSummary, submission_of
from hub.core.basis import basis_id_of, canonical_json
from hub.core.prepare import CUT_MARK
from hub.core.record import (
    NO_KEY,
    PRIMARY,
    TOPIC_AT,
    WITHOUT_EFFECT,
    ZERO_HASH,
    CauseKind,
    LedgerRecord,
    Outcome,
    decode_record,
    record_hash,
    topic_id,
)
from hub.core.resend import WALK_TOPIC
from hub.engine.ledger_end import declared_by
from hub.ports import is_unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hub.audit.ends import LostEnd
    from hub.core.ledger_end import Loss, Seen
    from hub.ports import InputRecord

INPUT_CAUSES = frozenset({CauseKind.SUBMISSION, CauseKind.CONTROL, CauseKind.OUTCOME})
_FITTING: Mapping[CauseKind, frozenset[str]] = {
    CauseKind.SUBMISSION: frozenset(PRIMARY),
    CauseKind.CONTROL: frozenset(
        {
            Outcome.BASIS_ADOPTED, Outcome.MOVE_NOTED, Outcome.HELD_RELEASED, Outcome.HELD_ENDED,
            Outcome.MAP_CHANGED, Outcome.RESEND_REQUESTED, Outcome.REDECISION_REQUESTED,
            Outcome.LOSS_ACCEPTED, Outcome.CONTROL_REFUSED, Outcome.INPUT_LOST,
        }
    ),
    CauseKind.OUTCOME: frozenset({Outcome.OUTCOME_NOTED, Outcome.CONTROL_REFUSED}),
    CauseKind.TIMER: frozenset(
        {
            Outcome.DUE_SOON, Outcome.OVERDUE, Outcome.OVERDUE_TAKEN_BACK, Outcome.EXPIRED,
            Outcome.RECOUNTED, Outcome.HELD_RELEASED, Outcome.HELD_ENDED,
        }
    ),
    CauseKind.SWEEP: frozenset(
        {
            Outcome.RECOUNTED, Outcome.OVERDUE_TAKEN_BACK, Outcome.SWEEP_ENDED,
            Outcome.DUTY_LIFTED, Outcome.RESENT, Outcome.REPROJECTED, Outcome.WALKED,
        }
    ),
}  # fmt: skip
"""The outcomes that each kind of cause may have."""
_REPEATS = frozenset({"REPEATED_SUBMISSION", "SUBMISSION_NUMBER_REUSED"})
"""Reasons of an answer that leaves an earlier one to the same number in force."""
_MAY_CHANGE = WITHOUT_EFFECT | {Outcome.HELD}
"""After these the same submission may be decided once more."""
UNREADABLE = (ValueError, IndexError, KeyError, struct.error)
"""Exceptions of `decode_record` on bytes that are not a ledger record."""


class PartitionSummary(NamedTuple):
    """One ledger partition: its length and the hash over all of it."""

    partition: int
    records: int
    head: bytes


class Tally:
    """Submissions of one department: read from its topic, decided in the ledger."""

    def __init__(self) -> None:
        self.read = 0
        """Committed submissions up to the last one decided, counted in the topic."""
        self.trimmed = 0
        """Decided ones the topic no longer holds; counted from the ledger alone."""
        self.waiting = 0
        """Submitted, not decided yet."""
        self.outcomes: Counter[Outcome] = Counter()

    @property
    def is_conserved(self) -> bool:
        """Whether what was read is the sum of the primary outcomes."""
        return self.read + self.trimmed == sum(self.outcomes.values())


class VerifyReport(NamedTuple):
    """Result of `verify`."""

    partitions: tuple[PartitionSummary, ...]
    departments: Mapping[str, Tally]
    other_outcomes: Counter[Outcome]
    """Records that answer no submission: bases, platforms' outcomes, clocks."""
    streams: tuple[StreamSummary, ...]
    waiting: int
    """Inputs of any kind that are not decided yet."""
    declared: tuple[tuple[int, Loss], ...]
    """Losses an operator has declared, by partition."""
    unreadable: int
    """Unreadable inputs, each with its ledger record."""
    differences: Findings

    @property
    def is_ok(self) -> bool:
        """Whether nothing differs."""
        return self.differences.count == 0


class Verifier:
    """Walks the partitions one after the other; call `partition` for each, then `report`.

    `ends`: where the input topics ended before anything was read. A running hub goes on while it
    is verified: what arrives later is seen in some partitions only and makes no gap.
    """

    def __init__(self, prefix: str, ends: Mapping[tuple[str, int], int] | None = None) -> None:
        self.prefix = prefix
        self.control = prefix + "control"
        self._ends = ends or {}
        self.findings = Findings()
        self.book = StreamBook()
        self.departments: dict[str, Tally] = {}
        self.others: Counter[Outcome] = Counter()
        self.summaries: list[PartitionSummary] = []
        self.waiting = 0
        self.lost: list[LostEnd] = []
        """Return what is missing of partitions' ends."""
        self.ends: dict[int, EndOfPartition] = {}
        """Of these, what is left."""
        self.declared: list[tuple[int, Loss]] = []
        self.unreadable = 0

    def partition(
        self, number: int, inputs: HistoryInputs, topics: tuple[str, ...], seen: Iterable[Seen] = ()
    ) -> None:
        """Verify one ledger partition against itself, its input topics and what others saw."""
        walk = _PartitionWalk(self, number, Histories(inputs, number, topics), seen)
        for record in read_partition(inputs, self.prefix + "ledger", number):
            walk.take(record)
        walk.finish()
        walk.check_end()
        self.summaries.append(PartitionSummary(number, walk.sequence, walk.last_hash))

    def report(self) -> VerifyReport:
        """The findings, with what can only be said once every partition has been read."""
        streams = tuple(self.book.summaries())
        for stream in streams:
            if stream.missing:
                more = f" (+{stream.missing - 1})" if stream.missing > 1 else ""
                detail = f"{stream.stream} {stream.first_missing}{more}"
                self.findings.add(AuditFinding("STREAM_HAS_GAP", WHOLE_SITE, detail=detail))
        for department, tally in self.departments.items():
            if not tally.is_conserved:
                read, decided = tally.read + tally.trimmed, sum(tally.outcomes.values())
                detail = f"{department}: {read} != {decided}"
                self.findings.add(AuditFinding("NOT_CONSERVED", WHOLE_SITE, detail=detail))
        return VerifyReport(
            tuple(self.summaries), self.departments, self.others, streams, self.waiting,
            tuple(self.declared), self.unreadable, self.findings,
        )  # fmt: skip

    def tally(self, topic: str) -> Tally | None:
        """The tally of the department whose topic this is."""
        department = self.department_of(topic)
        return self.departments.setdefault(department, Tally()) if department else None

    def require(self, topic: str, partition: int, offset: int, number: tuple[str, int]) -> None:
        """A number that was there when the audit began asks for all below it."""
        end = self._ends.get((topic, partition))
        if end is None or offset < end:
            self.book.require(*number)

    def is_of_outcomes(self, topic: str) -> bool:
        """Whether couriers report on it."""
        return topic.startswith(self.prefix + "outcomes.")

    def department_of(self, topic: str) -> str:
        """The department whose topic this is; empty for other topics."""
        head = self.prefix + "submissions."
        return topic[len(head) :] if topic.startswith(head) else ""


class _PartitionWalk:
    """One pass over one ledger partition."""

    def __init__(
        self, verifier: Verifier, partition: int, histories: Histories, seen: Iterable[Seen]
    ) -> None:
        self._end = EndOfPartition(partition, seen)
        self._verifier = verifier
        self._partition = partition
        self._histories = histories
        self.sequence = 0
        self.last_hash = ZERO_HASH
        self._decided_at = 0
        self._offsets: dict[str, int] = {}
        self._basis = NO_KEY
        self._ordinals: dict[str, int] = {}

    def take(self, stored: InputRecord) -> None:
        """Check one ledger record."""
        raw = stored.value
        try:
            record = decode_record(raw)
        except UNREADABLE:
            self._find("RECORD_UNREADABLE", self.sequence, f"offset {stored.offset}")
            self._link(self.sequence, stored)
            return
        self._check_chain(record)
        self._link(record.sequence, stored)
        self._end.name(record)
        if record.cause.kind is CauseKind.OUTCOME:
            self._end.report(record.cause.topic, record.cause.value)
        if topic_id(record.cause.topic) != raw[TOPIC_AT : TOPIC_AT + 8]:
            self._find("CAUSE_UNFIT", record.sequence, record.cause.topic)
        if record.outcome not in _FITTING[record.cause.kind]:
            detail = f"{record.cause.kind.name}: {record.outcome.name}"
            self._find("OUTCOME_UNFIT", record.sequence, detail)
        self._check_basis(record)
        if record.cause.kind in INPUT_CAUSES:
            self._check_input(record)
        else:
            self._check_own_cause(record)
        if record.cause.kind is CauseKind.SUBMISSION:
            self._count(record)
        else:
            self._verifier.others[record.outcome] += 1

    def finish(self) -> None:
        """Inputs behind the last cause are waiting, not lost."""
        for topic, history in self._histories.every():
            tally = self._verifier.tally(topic)
            if tally is not None:
                tally.read += history.read
            for record in history.rest():
                self._verifier.waiting += 1
                if self._verifier.is_of_outcomes(topic):
                    self._end.report(topic, record.value)
                elif topic == self._verifier.control and (loss := declared_by(record)) is not None:
                    self._end.wait_for(loss)
                if tally is not None:
                    tally.waiting += 1
                    department = self._verifier.department_of(topic)
                    number = submission_of(department, record.headers)
                    if number is not None:
                        self._verifier.book.mark(*number, SequenceMark.WAITING)
                        self._verifier.require(topic, self._partition, record.offset, number)

    def check_end(self) -> None:
        """Return what others have seen and the ledger has not."""
        lost = self._end.lost()
        if lost is not None:
            self._verifier.lost.append(lost)
            self._verifier.ends[self._partition] = self._end
            self._verifier.findings.add(lost.finding())
        self._verifier.declared += ((self._partition, loss) for loss in self._end.losses)

    def _find(self, code: str, sequence: int, detail: str = "", field: str = "") -> None:
        self._verifier.findings.add(AuditFinding(code, self._partition, sequence, field, detail))

    def _link(self, sequence: int, stored: InputRecord) -> None:
        self.sequence = sequence + 1
        self.last_hash = record_hash(stored.value)
        self._end.take(sequence, stored.value, self.last_hash, stored.offset + 1)

    def _check_chain(self, record: LedgerRecord) -> None:
        """The first record that is not the expected one; then go on from what is there."""
        if record.sequence != self.sequence:
            self._find("SEQUENCE_NOT_NEXT", self.sequence, f"{record.sequence}")
        elif record.previous_hash != self.last_hash:
            # the successor vouches for these bytes: it is the record before that was altered
            self._find("CHAIN_BROKEN", max(self.sequence - 1, 0), f"→ {record.sequence}")
        if record.decided_at < self._decided_at:
            self._find("TIME_WENT_BACK", record.sequence)
        self._decided_at = record.decided_at

    def _check_basis(self, record: LedgerRecord) -> None:
        """An adopted document has the id it is adopted under; what follows was decided by it."""
        if record.outcome is not Outcome.BASIS_ADOPTED:
            if record.basis != self._basis and record.outcome is not Outcome.CONTROL_REFUSED:
                self._find("BASIS_NOT_IN_FORCE", record.sequence, record.basis.hex())
            return
        self._basis = record.basis
        # a basis adopted again is swept again; a resend goes on under any basis
        self._ordinals = {t: n for t, n in self._ordinals.items() if t.startswith(WALK_TOPIC)}
        computed = adopted_id(record)
        if computed != record.basis:
            detail = f"{record.basis.hex()} != {computed.hex() if computed else '?'}"
            self._find("BASIS_ID_WRONG", record.sequence, detail)

    def _check_own_cause(self, record: LedgerRecord) -> None:
        """A timer rings when it is due and was set; a sweep's ordinals go up."""
        cause = record.cause
        if cause.kind is CauseKind.TIMER:
            is_set = cause.offset == record.timer_was and cause.topic[6:] == record.record_key.hex()
            if not is_set or cause.offset > record.decided_at:
                self._find("CAUSE_UNFIT", record.sequence, cause.topic)
        else:
            if cause.offset <= self._ordinals.get(cause.topic, -1):
                self._find("CAUSE_OUT_OF_ORDER", record.sequence, f"{cause.topic} {cause.offset}")
            self._ordinals[cause.topic] = cause.offset

    def _check_input(self, record: LedgerRecord) -> None:
        """One input, one ledger record, in the input's own order, with the input's own bytes."""
        topic, offset = record.cause.topic, record.cause.offset
        last = self._offsets.get(topic, -1)
        place = f"{topic}[{self._partition}]@{offset}"
        if offset <= last:
            code = "CAUSE_TWICE" if offset == last else "CAUSE_OUT_OF_ORDER"
            self._find(code, record.sequence, place)
            return
        self._offsets[topic] = offset
        history = self._histories.of(topic)
        if history is None:
            return
        if _is_gap(record):
            self._verifier.unreadable += 1
        if offset < history.start:
            tally = self._verifier.tally(topic)
            if tally is not None:
                tally.trimmed += 1
            return
        lost = [skipped.offset for skipped in history.skip_to(offset)]
        if lost:
            first = f"{topic}[{self._partition}]@{lost[0]}"
            more = f" (+{len(lost) - 1})" if len(lost) > 1 else ""
            self._find("INPUT_WITHOUT_RECORD", record.sequence, first + more)
        self._compare(record, history, place)

    def _compare(self, record: LedgerRecord, history: History, place: str) -> None:
        found = history.take(record.cause.offset)
        is_gap = _is_gap(record)
        if found is None and is_gap:  # a restored topic has nothing there
            tally = self._verifier.tally(record.cause.topic)
            if tally is not None:
                tally.trimmed += 1
            return
        if found is None:
            self._find("CAUSE_NOT_IN_TOPIC", record.sequence, place)
            return
        cause = record.cause
        if is_gap and is_unreadable(found.key, found.headers, found.value):
            return  # the reason's wording differs between versions of the client
        if dict(cause.headers).get(CUT_MARK) is None:
            same = cause.key == found.key and cause.headers == found.headers
        else:  # an outsized key and headers were cut to fit into the ledger
            same = found.key.startswith(cause.key)
        if record.value_digest:
            same = same and record.value_digest == sha256(found.value).digest()
        else:
            same = same and cause.value == found.value
        if not same:
            self._find("CAUSE_DIFFERS", record.sequence, place)

    def _count(self, record: LedgerRecord) -> None:
        """Exactly one primary outcome per submission; repeats only as duplicates of the first."""
        tally = self._verifier.tally(record.cause.topic)
        if tally is not None:
            tally.outcomes[record.outcome] += 1
        department = self._verifier.department_of(record.cause.topic)
        number = submission_of(department, record.cause.headers)
        if number is None:
            return
        cause = record.cause
        self._verifier.require(cause.topic, self._partition, cause.offset, number)
        book = self._verifier.book
        detail = f"{number[0]} {number[1]}"
        if record.submission_key == NO_KEY:
            is_repeat = any(reason.code in _REPEATS for reason in record.reasons)
            if not is_repeat or book.seen(*number) < SequenceMark.OPEN:
                self._find("REPEAT_WITHOUT_FIRST", record.sequence, detail)
            return
        may_change = record.outcome in _MAY_CHANGE
        before = book.mark(*number, SequenceMark.OPEN if may_change else SequenceMark.ANSWERED)
        if before is SequenceMark.ANSWERED:
            self._find("TWO_PRIMARY_OUTCOMES", record.sequence, detail)


def adopted_id(record: LedgerRecord) -> bytes | None:
    """The id of the basis document a ledger record carries; None when it carries none."""
    try:
        return basis_id_of(canonical_json(json.loads(record.cause.value)["basis"]))
    except (ValueError, KeyError, TypeError):
        return None


def _is_gap(record: LedgerRecord) -> bool:
    """Whether it answers for an unreadable input."""
    cause = record.cause
    return is_unreadable(cause.key, cause.headers, cause.value)
