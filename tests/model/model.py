"""The laws of a record's life, written down the slow and obvious way.

`submit` decides a statement, `report` hears a platform, `settle` lets verdicts of moves arrive,
`advance` lets time pass, `adopt` puts another basis in force. A crash changes nothing. What happens
that nobody sent is collected in `events`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from hub.contracts import Contracts
from hub.domain.partitioning import partition_of
from tests.model.record import (
    MOST_WAITING,
    NEVER_SEEN,
    Duty,
    EarlyStatement,
    HubEvent,
    LifeState,
    Record,
    ends_at,
    is_shown_at,
    mark_at,
    redate,
    start,
)
from tests.model.rules import CORRECT, DISCLOSE, WITHDRAW, ModelTarget, Rules, day_of, end_of
from tests.model.statement import (
    CARRY_A_ROW,
    DatedStatement,
    Facts,
    ModelStatement,
    RecordIdentity,
    StatementReader,
    Verb,
)

NONE, AWAITED, QUARANTINED = LifeState.NONE, LifeState.AWAITED, LifeState.QUARANTINED
LIVE, GONE, TAKEN_BACK = LifeState.LIVE, LifeState.WITHDRAWN, LifeState.TAKEN_BACK
MOVED = LifeState.MOVED


@dataclass(frozen=True)
class ModelAnswer:
    """What a submission is answered: the outcome and the reason that decided it ("" for none)."""

    outcome: str
    reason: str = ""
    faults: tuple[str, ...] = ()


def quarantined(reason: str) -> ModelAnswer:
    """Refused by name."""
    return ModelAnswer("quarantined", reason)


def superseded(reason: str = "OLDER_THAN_LIVE") -> ModelAnswer:
    """Older than what stands."""
    return ModelAnswer("superseded", reason)


def duplicate(reason: str) -> ModelAnswer:
    """Already so."""
    return ModelAnswer("duplicate", reason)


TOOK_EFFECT = {"accepted", "corrected", "withdrawn", "duplicate"}
HELD = ModelAnswer("held", "WAITING_FOR_RECORD")
NOT_YOURS = quarantined("NOT_YOUR_RECORD")


@dataclass
class KnownMove:
    """What a partition knows of a move."""

    verdict: str = ""
    """"" unknown, `left` or `refused`."""
    code: str = ""
    """The key at which the record may arrive."""
    left: RecordIdentity | None = None
    """The record whose departure it is: a move is one record's."""
    is_repeat: bool = False
    """Whether it repeats a departure that another move had made."""
    owner: str = ""
    met: frozenset[int] = frozenset()
    left_as: str = ""
    """The kind that was in force under the old key."""
    memory: dict[str, int] = field(default_factory=dict)
    """What was remembered of each source under the old key."""
    made_by: str = ""
    """The move that it repeats; itself where it made the departure."""
    noted: int = 0
    """When this partition learnt that it left."""
    arrived: RecordIdentity | None = None
    is_over: bool = False
    """Whether it has arrived, and not only waits to."""


@dataclass
class KnownReceipt:
    """What is remembered of a submission's number."""

    content: tuple[object, ...]
    """All of it that decides."""
    answer: ModelAnswer
    identity: RecordIdentity | None
    basis: dict[str, Any]
    changes: int
    """Of its record, when it was answered."""
    ended_without_effect: bool = False
    end: int = 0
    """Changes of its record when it had waited."""


@dataclass
class MovingVerdict:
    """A verdict on its way to the new key, where alone the record may arrive."""

    code: str
    move: str
    left: RecordIdentity
    to: RecordIdentity
    is_repeat: bool
    made_by: str
    made_at: int
    verdict: str
    owner: str
    met: frozenset[int]
    left_as: str
    memory: dict[str, int]


@dataclass
class Model:
    """A hub, as the laws say."""

    contracts: Contracts
    rules: Rules
    now: int
    records: dict[RecordIdentity, Record] = field(default_factory=dict)
    moves: dict[tuple[int, str], KnownMove] = field(default_factory=dict)
    receipts: dict[tuple[int, str, str, int], KnownReceipt] = field(default_factory=dict)
    verdicts: list[MovingVerdict] = field(default_factory=list)
    events: list[HubEvent] = field(default_factory=list)
    arrivals: list[tuple[RecordIdentity, str]] = field(default_factory=list)
    """Word on its way to where a record left that it has arrived, by which move."""
    ticks: int = 0
    """How much has been decided: what comes later has the greater number."""
    released: list[tuple[RecordIdentity, ModelAnswer]] = field(default_factory=list)
    arrived: list[tuple[RecordIdentity, RecordIdentity]] = field(default_factory=list)
    """(previous, new) identity of arrivals that were accepted."""
    to_release: list[RecordIdentity] = field(default_factory=list)
    """Records that came, so that what waits for them is to be decided."""
    keys: dict[str, RecordIdentity] = field(default_factory=dict)
    """Record key in hexadecimal digits → identity."""

    def __post_init__(self) -> None:
        self.reader = StatementReader(self.contracts)

    # --- submissions -----------------------------------------------------------------------------

    def submit(self, statement: ModelStatement) -> ModelAnswer:
        """Decide a submission."""
        self.ticks += 1
        reading = self.reader.read(statement, self.rules, self.now)
        if reading.verb is Verb.LIFTING:
            reading.identity = self.keys.get(reading.about)
        number = statement.place
        content = (statement.kind, statement.value, statement.order)
        known = self.receipts.get(number)
        if known is not None:
            if known.content != content:
                reading.faults.insert(0, "SUBMISSION_NUMBER_REUSED")
                answer = self._faulty(reading)
                self._release_all()
                return answer
            if not self._may_be_decided_anew(reading, known):
                return duplicate("REPEATED_SUBMISSION")
        answer = self._faulty(reading) if reading.faults else self._decide(reading)
        self.receipts[number] = KnownReceipt(
            content, answer, reading.identity, self.rules.document, self._seen(reading.identity)
        )
        self._release_all()
        return answer

    def _may_be_decided_anew(self, reading: DatedStatement, receipt: KnownReceipt) -> bool:
        """Whether a repeated submission might be answered otherwise now."""
        refused = receipt.answer.outcome in {"quarantined", "conflicting", "superseded"}
        if not (refused or (receipt.answer.outcome == "held" and receipt.ended_without_effect)):
            return False
        seen, identity = self._seen(receipt.identity), reading.identity
        carries_row = not reading.faults and reading.verb in CARRY_A_ROW
        if identity is not None and carries_row and seen > max(receipt.changes, receipt.end):
            standing = self._record(identity).standing
            if standing is GONE:  # there a row comes back by its date or its version alone
                return reading.verb in {Verb.ROW, Verb.PERFORMANCE, Verb.FINDING}
            return standing is not TAKEN_BACK
        if identity is not None and not reading.faults and reading.verb is Verb.ARRIVAL:
            place = partition_of(identity.code.encode(), self.rules.partitions)
            move = self._move(place, reading.move)
            is_its_own = (move.code, move.left) == (identity.code, reading.other)
            if move.verdict == "left" and is_its_own:
                return True
        return receipt.basis != self.rules.document or receipt.changes != seen

    def _seen(self, identity: RecordIdentity | None) -> int:
        """Of a record, what makes a repeated submission worth deciding."""
        record = self.records.get(identity) if identity is not None else None
        return 0 if record is None else record.changes

    def _faulty(self, reading: DatedStatement) -> ModelAnswer:
        """Quarantine what cannot be right."""
        answer = ModelAnswer("quarantined", reading.faults[0], tuple(reading.faults))
        if reading.verb is Verb.DEPARTURE and reading.move and reading.other is not None:
            self._verdict(reading, "refused")
        identity = reading.identity
        if identity is None or reading.verb not in CARRY_A_ROW:
            return answer
        record = self._record(identity)
        if record.standing is NONE or (record.standing in NEVER_SEEN and reading.may_be_mended):
            record.owner = record.owner or reading.statement.department
            self._spoil(record, reading)
        return answer

    def _spoil(self, record: Record, reading: DatedStatement) -> None:
        """A row that cannot be accepted stands here: it is late all the same."""
        record.standing = QUARANTINED
        assert reading.facts is not None
        record.kind = reading.facts.kind
        record.decided_on = reading.facts.decided_on or record.decided_on
        assert reading.identity is not None
        self.to_release.append(reading.identity)
        if not reading.never_accepted:
            self._run_unshown(record, reading.facts)

    def _run_unshown(self, record: Record, facts: Facts) -> None:
        """The duties of a row that is not accepted (yet)."""
        today = day_of(self.now)
        record.kind = facts.kind
        readable = facts.decided_on is not None and facts.decided_on <= today
        if not readable and any(duty.is_running for duty in record.show.values()):
            return
        for target in self.rules.targets:
            if facts.kind not in target.kinds:
                continue
            counted_from = facts.decided_on if readable else today
            assert counted_from is not None
            self._owe(record, target, DISCLOSE, facts.kind, counted_from)
            if target.number in record.show:
                record.show[target.number].is_estimated = not readable

    def _owe(
        self, record: Record, target: ModelTarget, clock: str, kind: str, counted_from: date
    ) -> None:
        """Start a duty to show; one that runs to the same day goes on, marks and all."""
        old = record.show.get(target.number)
        due = self.rules.due(clock, kind, target, counted_from)
        if old is not None and old.is_running and due is not None:
            old.clock, old.is_estimated = clock, False
            if redate(old, counted_from, due, self.now, self.rules):
                self._event(record, target.number, "D", "taken back")
        else:
            start(record.show, target, clock, kind, counted_from, self.rules, record.version)
        record.lifted.discard(target.number)

    def _record(self, identity: RecordIdentity) -> Record:
        return self.records.setdefault(identity, Record())

    def _is_yours(self, record: Record, sender: str) -> bool:
        return not record.owner or self.rules.may_act(sender, record.owner)

    def _decide(self, reading: DatedStatement) -> ModelAnswer:
        """The table."""
        identity = reading.identity
        assert identity is not None
        decide: dict[Verb, Callable[[DatedStatement, Record], ModelAnswer]] = {
            Verb.ROW: self._row, Verb.PERFORMANCE: self._performance,
            Verb.CORRECTION: self._correction, Verb.WITHDRAWAL: self._withdrawal,
            Verb.EXIT: self._withdrawal, Verb.DEPARTURE: self._departure,
            Verb.ARRIVAL: self._arrival, Verb.RESTORATION: self._restoration,
            Verb.FINDING: self._finding,
            Verb.LIFTING: lambda _reading, record: self._lifting(record),
        }  # fmt: skip
        record = self._record(identity)
        is_arriving = reading.verb is Verb.ARRIVAL
        if not is_arriving and not record.has_room_for(reading.statement.source):
            reading.has_order = False
        return decide[reading.verb](reading, record)

    def _older(self, reading: DatedStatement, record: Record) -> bool:
        return record.is_older(reading.statement.source, reading.version)

    def _took_effect(self, reading: DatedStatement, record: Record) -> None:
        if not self._yours(reading, record):
            return  # another's equal row says nothing of the order
        record.remember(reading.statement.source, reading.version)

    def _yours(self, reading: DatedStatement, record: Record) -> bool:
        return self._is_yours(record, reading.statement.department)

    # --- ROW, PERFORMANCE, FINDING ---------------------------------------------------------------

    def _row(self, reading: DatedStatement, record: Record) -> ModelAnswer:
        facts = reading.facts
        assert facts is not None
        if record.standing in NEVER_SEEN:
            return self._accept(reading, record)
        if record.standing is TAKEN_BACK:
            return superseded() if self._older(reading, record) else self._accept(reading, record)
        if record.standing is LIVE:
            assert record.facts is not None
            return self._row_on_live(reading, record, facts, record.facts)
        if not self._yours(reading, record):
            return NOT_YOURS
        if self._older(reading, record):
            return superseded()
        is_same = self._is_same(reading, record)
        if record.standing is MOVED:
            if is_same:
                return duplicate("MOVED_NOT_ARRIVED" if record.is_away else "SAME_AS_MOVED")
            return ModelAnswer("conflicting", "CHANGED_AFTER_MOVE")
        if record.exited_on and facts.decided_on and facts.decided_on > record.exited_on:
            return self._accept(reading, record)
        is_its_own = record.down_by == reading.statement.source
        if reading.statement.says_valid and is_its_own and self._is_newer(reading, record):
            self._accept(reading, record, clock=CORRECT)
            return ModelAnswer("accepted", "" if is_same else "RESTORED_OTHERWISE")
        if is_same:
            return duplicate("SAME_AS_WITHDRAWN")
        return ModelAnswer("conflicting", "CHANGED_AFTER_WITHDRAWAL")

    def _is_same(self, reading: DatedStatement, record: Record) -> bool:
        """Whether a row says what stands, or last stood, here."""
        assert reading.facts is not None
        return record.facts is not None and record.facts.content == reading.facts.content

    def _is_newer(self, reading: DatedStatement, record: Record) -> bool:
        """Whether its source gives it a version beyond the one remembered of it."""
        version = reading.version
        remembered = record.memory.get(reading.statement.source)
        return version is not None and remembered is not None and version > remembered

    def _row_on_live(
        self, reading: DatedStatement, record: Record, facts: Facts, live: Facts
    ) -> ModelAnswer:
        if facts.content == live.content:
            self._took_effect(reading, record)
            return duplicate("SAME_AS_LIVE")
        if self._older(reading, record):
            return superseded()
        follows = self.contracts.by_kind[live.kind].schema.follows
        if follows == facts.kind:
            return superseded()
        is_step = reading.verb is Verb.PERFORMANCE
        if is_step and facts.kind == live.kind and facts.recognised_on and live.recognised_on:
            if facts.recognised_on < live.recognised_on and facts.step < live.step:
                return superseded()
            if facts.recognised_on <= live.recognised_on:
                return ModelAnswer("conflicting", "UNDECLARED_CHANGE")
        if is_step and (
            facts.kind != live.kind or (facts.recognised_on and facts.step > live.step)
        ):
            if not self._yours(reading, record):
                return NOT_YOURS
            self._correct(reading, record)
            return ModelAnswer("accepted")
        return ModelAnswer("conflicting", "UNDECLARED_CHANGE")

    def _performance(self, reading: DatedStatement, record: Record) -> ModelAnswer:
        if record.standing in {NONE, AWAITED}:
            return self._hold(reading, record)
        return self._row(reading, record)

    def _finding(self, reading: DatedStatement, record: Record) -> ModelAnswer:
        about = self.keys.get(reading.about)
        commitment = self.records.get(about) if about is not None else None
        if commitment is None or commitment.standing is not LIVE or commitment.facts is None:
            return quarantined("COMMITMENT_NOT_OPEN")
        if commitment.facts.kind != "commitment.made.v1":
            return quarantined("COMMITMENT_NOT_OPEN")
        return self._row(reading, record)

    def _lifting(self, record: Record) -> ModelAnswer:
        """A good row of the same decision stands elsewhere: what is faulty here owes nothing."""
        running = {n for n, duty in record.show.items() if duty.is_running}
        if record.standing is not QUARANTINED or not running:
            return quarantined("DUTY_NOT_OPEN")
        for number in running:
            self._lift(record, number)
        return ModelAnswer("accepted")

    # --- CORRECTION, RESTORATION -----------------------------------------------------------------

    def _correction(self, reading: DatedStatement, record: Record) -> ModelAnswer:
        standing = record.standing
        assert reading.facts is not None
        if reading.verb is Verb.CORRECTION and reading.other != reading.identity:
            reading.faults.append("IDENTITY_CHANGED")
            return self._faulty(reading)
        if standing in {NONE, AWAITED}:
            return self._hold_row(reading, record)
        if standing is QUARANTINED:
            return self._accept(reading, record)
        if standing is TAKEN_BACK:
            return superseded() if self._older(reading, record) else self._accept(reading, record)
        if not self._yours(reading, record):
            return NOT_YOURS
        if standing is LIVE and self._is_same(reading, record):
            self._took_effect(reading, record)
            return duplicate("SAME_AS_LIVE")
        if self._older(reading, record):
            return superseded()
        if standing is LIVE and self._leaves_performance_out(reading, record):
            return quarantined("PERFORMED_SINCE")
        if standing is LIVE:
            self._correct(reading, record)
            return ModelAnswer("corrected")
        return quarantined("RECORD_WITHDRAWN" if standing is GONE else "RECORD_MOVED")

    def _restoration(self, reading: DatedStatement, record: Record) -> ModelAnswer:
        standing = record.standing
        if standing in {NONE, AWAITED}:
            return self._hold_row(reading, record)
        if standing is QUARANTINED:
            return self._accept(reading, record)
        if standing is TAKEN_BACK:
            return superseded() if self._older(reading, record) else self._accept(reading, record)
        if not self._yours(reading, record):
            return NOT_YOURS
        if standing is LIVE:
            if self._is_same(reading, record):
                self._took_effect(reading, record)
                return duplicate("SAME_AS_LIVE")
            return quarantined("RECORD_NOT_WITHDRAWN")
        if standing is MOVED:
            return quarantined("RECORD_MOVED")
        if self._older(reading, record):
            return superseded("RESTORATION_OLDER_THAN_WITHDRAWAL")
        if self._leaves_performance_out(reading, record):
            return quarantined("PERFORMED_SINCE")
        return self._accept(reading, record, clock=CORRECT)

    def _leaves_performance_out(self, reading: DatedStatement, record: Record) -> bool:
        """Whether what stands, or last stood, is the performance of what this says was made."""
        return record.facts is not None and self._leaves_out(reading, record.facts.kind)

    def _leaves_out(self, reading: DatedStatement, kind: str) -> bool:
        """Whether a row is of the kind that this one follows."""
        if not kind or reading.facts is None:
            return False
        follows = self.contracts.by_kind[kind].schema.follows
        return bool(follows) and follows == reading.facts.kind

    # --- WITHDRAWAL, EXIT ------------------------------------------------------------------------

    def _withdrawal(self, reading: DatedStatement, record: Record) -> ModelAnswer:
        standing = record.standing
        if standing in {NONE, AWAITED}:
            return self._hold(reading, record)
        if not self._yours(reading, record):
            is_faulty = standing in {QUARANTINED, TAKEN_BACK}
            return self._hold(reading, record) if is_faulty else NOT_YOURS
        if standing in {GONE, TAKEN_BACK, MOVED}:
            self._took_effect(reading, record)
            record.down_since = self.ticks
            if record.down_by != self._ordered_source(reading):
                record.down_by = None
            dates = [on for on in (record.exited_on, reading.exited_on) if on is not None]
            record.exited_on = max(dates, default=None)
            if standing is MOVED:
                return quarantined("TAKE_DOWN_OF_MOVED")
            return duplicate("ALREADY_WITHDRAWN")
        if standing is not QUARANTINED and self._older(reading, record):
            return superseded("WITHDRAWAL_OLDER_THAN_LIVE")
        if self._is_before(reading, record):
            return superseded("EXIT_BEFORE_LISTING")
        self._take_down(record, GONE if standing is LIVE else TAKEN_BACK)
        record.exited_on = reading.exited_on
        record.down_by = self._ordered_source(reading)
        self._took_effect(reading, record)
        return ModelAnswer("withdrawn")

    def _ordered_source(self, reading: DatedStatement) -> str | None:
        """The source of a statement that has a version of it."""
        return reading.statement.source if reading.version else None

    def _is_before(self, reading: DatedStatement, record: Record) -> bool:
        """Whether an exit is dated before the entry that stands here."""
        exited, listed = reading.exited_on, record.decided_on
        return exited is not None and listed is not None and exited < listed

    def _is_equal(self, reading: DatedStatement, waiting: EarlyStatement, *, is_last: bool) -> bool:
        """The same statement, after which nothing else was said, or the same version of it."""
        other = waiting.reading
        if (other.statement.department, other.statement.kind, other.content) != (
            reading.statement.department, reading.statement.kind, reading.content,
        ):  # fmt: skip
            return False
        if not reading.version or not other.version:
            return is_last and not reading.version and not other.version
        is_one = other.statement.source == reading.statement.source
        return is_one and (is_last or other.version == reading.version)

    # --- moves -----------------------------------------------------------------------------------

    def _departure(self, reading: DatedStatement, record: Record) -> ModelAnswer:
        identity, other = reading.identity, reading.other
        assert identity is not None
        assert other is not None
        here = self._move(partition_of(identity.code.encode(), self.rules.partitions), reading.move)
        if identity in {other, here.arrived}:
            return duplicate("IDENTITY_UNCHANGED")
        standing = record.standing
        is_waited_for = standing in {NONE, AWAITED} or (
            standing in {QUARANTINED, TAKEN_BACK} and not self._yours(reading, record)
        )
        if not is_waited_for and not self._yours(reading, record):
            self._verdict(reading, "refused")
            return NOT_YOURS
        if here.verdict == "left" and here.left != identity and standing is not GONE:
            self._verdict(reading, "refused")
            return quarantined("MOVE_ID_REUSED")
        if is_waited_for:
            return self._hold(reading, record)
        if standing is MOVED and record.left_for == other:
            return self._has_left_before(reading, record, here)
        if standing in {GONE, MOVED}:
            self._verdict(reading, "refused")
            return quarantined("RECORD_WITHDRAWN" if standing is GONE else "RECORD_MOVED")
        if standing is LIVE and self._older(reading, record):
            self._verdict(reading, "refused")
            return superseded("WITHDRAWAL_OLDER_THAN_LIVE")
        if standing is LIVE and reading.move in record.left_by:
            return self._has_left_before(reading, record, here)
        corrections = {n for n, duty in record.show.items() if duty.clock == CORRECT}
        record.left_with = frozenset(record.disclosed | corrections)
        record.left_as = record.facts.kind if record.facts is not None else ""
        self._take_down(record, MOVED)
        record.departure = (reading.move, self.ticks)
        self._leaves_by(record, reading.move)
        record.left_for, record.is_away = other, True
        self._took_effect(reading, record)
        record.left_memory = dict(record.memory)
        self._verdict(reading, "left", record)
        return ModelAnswer("withdrawn")

    def _leaves_by(self, record: Record, move: str) -> None:
        record.left_by = [move, *(each for each in record.left_by if each != move)]

    def _has_left_before(
        self, reading: DatedStatement, record: Record, here: KnownMove
    ) -> ModelAnswer:
        """A departure is made once, by whichever move: the arrival gets in all the same."""
        self._leaves_by(record, reading.move)
        record.left_for = reading.other
        assert reading.other is not None
        is_first = here.verdict == "left" and here.code == reading.other.code
        is_first = is_first and not here.is_repeat
        self._verdict(reading, "left", record, is_repeat=not is_first)
        return duplicate("ALREADY_MOVED")

    def _verdict(
        self, reading: DatedStatement, verdict: str, record: Record | None = None, *,
        is_repeat: bool = False,
    ) -> None:  # fmt: skip
        assert reading.other is not None
        met = record.left_with if record is not None else frozenset()
        owner = record.owner if record is not None else ""
        left_as = record.left_as if record is not None else ""
        memory = record.left_memory if record is not None else {}
        assert reading.identity is not None
        came = MovingVerdict(
            reading.other.code, reading.move, reading.identity, reading.other, is_repeat,
            *(record.departure if record is not None and is_repeat else (reading.move, self.ticks)),
            verdict, owner, met, left_as, memory,
        )  # fmt: skip
        self.verdicts.append(came)
        self._note(came, reading.identity.code)  # known at once where the departure was decided

    def _note(self, came: MovingVerdict, code: str) -> None:
        """What was left stays left, whatever is refused besides, or leaves besides."""
        place = partition_of(code.encode(), self.rules.partitions)
        move = self._move(place, came.move)
        is_better = came.verdict == "left" and move.left == came.left
        is_better = is_better and (move.is_repeat or not came.is_repeat)
        if move.verdict != "left" or is_better:
            is_known = move.verdict == "left" and move.is_repeat == came.is_repeat
            made = self._move(place, came.made_by)
            if came.is_repeat and not is_known:
                move.noted = made.noted if made.verdict == "left" else came.made_at
            elif not is_known:
                move.noted = self.ticks
            move.verdict, move.owner, move.met = came.verdict, came.owner, came.met
            move.code, move.left_as, move.memory = came.code, came.left_as, came.memory
            move.left, move.is_repeat = came.left, came.is_repeat

    def _move(self, partition: int, move: str) -> KnownMove:
        return self.moves.setdefault((partition, move), KnownMove())

    def settle(self) -> None:
        """Let the verdicts of departures arrive, and happen what is due."""
        self._deliver()
        self._ring()

    def _arrive_from(self, move: KnownMove, move_id: str) -> None:
        """What left has arrived: word goes back to where it left."""
        assert move.left is not None
        self.arrivals.append((move.left, move_id))

    def _deliver(self) -> None:
        self._deliver_verdicts()
        for left, move_id in self.arrivals:
            record = self._record(left)
            since = record.left_by[: record.left_by.index(record.departure[0]) + 1]
            record.is_away = record.is_away and move_id not in since
        self.arrivals.clear()

    def _deliver_verdicts(self) -> None:
        while self.verdicts:
            self.ticks += 1
            came = self.verdicts.pop(0)
            self._note(came, came.code)
            place = partition_of(came.code.encode(), self.rules.partitions)
            move = self._move(place, came.move)
            is_here = move.is_over and move.arrived == came.to
            if move.verdict == "left" and is_here and self._record(came.to).standing is LIVE:
                self._arrive_from(move, came.move)
            for identity, record in list(self.records.items()):
                is_there = partition_of(identity.code.encode(), self.rules.partitions) == place
                for waiting in list(record.waiting) if is_there else ():
                    reading = waiting.reading
                    if not self._is_of_move(waiting, came.move):
                        continue
                    is_its_own = move.left == reading.other
                    if move.code == identity.code if is_its_own else move.verdict == "left":
                        self._let_go(record, identity, waiting)
            self._release_all()

    def _arrival(self, reading: DatedStatement, record: Record) -> ModelAnswer:
        identity = reading.identity
        assert identity is not None
        move = self._move(partition_of(identity.code.encode(), self.rules.partitions), reading.move)
        refusal = self._refused_arrival(reading, record, move)
        answer = refusal or self._arrival_by_verdict(reading, record, move)
        if answer.outcome in TOOK_EFFECT or answer.outcome == "held":
            move.arrived = identity
            move.is_over = answer.reason not in {"SAME_AS_HELD", "WAITING_FOR_MOVE"}
            is_its_own = (move.code, move.left) == (identity.code, reading.other)
            if move.is_over and move.verdict == "left" and is_its_own:
                self._arrive_from(move, reading.move)
        return answer

    def _refused_arrival(
        self, reading: DatedStatement, record: Record, move: KnownMove
    ) -> ModelAnswer | None:
        """What is wrong with an arrival whatever became of its departure."""
        identity = reading.identity
        if move.arrived is not None and move.arrived != identity:
            return quarantined("MOVE_TAKEN")
        if move.verdict == "left" and move.left != reading.other:
            return self._cannot_arrive(reading, record, "NOT_WHAT_LEFT")
        if record.standing is LIVE:
            return self._arrival_on_live(reading, record, move)
        is_left = identity is not None and move.verdict == "left" and move.code == identity.code
        if is_left and not self.rules.may_act(reading.statement.department, move.owner):
            return NOT_YOURS
        if self._is_anothers(reading, record) and (record.was_live or not is_left):
            return NOT_YOURS
        if self._older(reading, record) or self._older_than_left(reading, move):
            return superseded("ARRIVAL_OLDER_THAN_RECORD")
        return None

    def _arrival_by_verdict(
        self, reading: DatedStatement, record: Record, move: KnownMove
    ) -> ModelAnswer:
        identity = reading.identity
        assert identity is not None
        is_its_own = (move.code, move.left) == (identity.code, reading.other)
        verdict = move.verdict if is_its_own else ""
        if self._is_overtaken(reading, record, move if is_its_own else KnownMove()):
            return quarantined("RECORD_MOVED" if record.standing is MOVED else "RECORD_WITHDRAWN")
        if verdict == "left" and self._leaves_out(reading, move.left_as):
            return self._cannot_arrive(reading, record, "PERFORMED_SINCE")
        if verdict == "left":
            record.join(move.memory)
            answer = self._accept(reading, record, owner=move.owner, met=move.met)
            assert reading.other is not None
            self.arrived.append((reading.other, identity))
            return answer
        if verdict == "refused":
            return self._cannot_arrive(reading, record, "MOVE_REFUSED")
        return self._arrival_waits(reading, record)

    def _is_overtaken(self, reading: DatedStatement, record: Record, move: KnownMove) -> bool:
        """Whether what is here was taken down, or left, after it left or after this was said."""
        if not record.down_since or record.standing in {NONE, AWAITED}:
            return False
        if reading.held_at and reading.held_at < record.down_since:
            has_left_last = record.standing is MOVED and record.departure[1] == record.down_since
            is_way_back = move.verdict != "left" or move.noted > record.down_since
            return not (has_left_last and record.left_for == reading.other and is_way_back)
        if move.verdict != "left":
            return False
        return move.noted < record.down_since if move.left_as else record.standing is MOVED

    def _cannot_arrive(self, reading: DatedStatement, record: Record, reason: str) -> ModelAnswer:
        """The row is refused; where nothing else was ever on show it is late all the same."""
        if record.standing in NEVER_SEEN:
            record.owner = record.owner or reading.statement.department
            self._spoil(record, reading)
        return quarantined(reason)

    def _arrival_waits(self, reading: DatedStatement, record: Record) -> ModelAnswer:
        """Nothing is known of the departure yet."""
        mine = [w for w in record.waiting if self._is_of_move(w, reading.move)]
        if mine:
            for waiting in mine:
                other = waiting.reading
                if other.content == reading.content:
                    is_one = other.statement.source == reading.statement.source
                    if is_one and reading.version and other.version:
                        other.said_again = max(other.said_again, reading.version)
                    return duplicate("SAME_AS_HELD")
            return ModelAnswer("conflicting", "UNDECLARED_CHANGE")
        answer = self._hold(reading, record)
        if answer is not HELD:
            return answer
        assert reading.facts is not None
        if record.standing in NEVER_SEEN:
            self._run_unshown(record, reading.facts)
        return ModelAnswer("held", "WAITING_FOR_MOVE")

    def _is_of_move(self, waiting: EarlyStatement, move: str) -> bool:
        reading = waiting.reading
        return reading.verb is Verb.ARRIVAL and reading.move == move

    def _older_than_left(self, reading: DatedStatement, move: KnownMove) -> bool:
        """Whether an arrival is older than what its record had heard where it left."""
        identity, version = reading.identity, reading.version
        if version is None or identity is None:
            return False
        is_left = move.verdict == "left" and move.code == identity.code
        return is_left and move.memory.get(reading.statement.source, -1) > version

    def _arrival_on_live(
        self, reading: DatedStatement, record: Record, move: KnownMove
    ) -> ModelAnswer:
        if self._is_same(reading, record):
            self._took_effect(reading, record)
            return duplicate("SAME_AS_LIVE")
        if self._older(reading, record) or self._older_than_left(reading, move):
            return superseded()
        return ModelAnswer("conflicting", "UNDECLARED_CHANGE")

    def _is_anothers(self, reading: DatedStatement, record: Record) -> bool:
        """Whether the record was live for another department, or another was the first to wait."""
        sender = reading.statement.department
        if record.was_live and not self._is_yours(record, sender):
            return True
        return record.standing is AWAITED and not self._is_yours(record, sender)

    # --- waiting ---------------------------------------------------------------------------------

    def _hold(self, reading: DatedStatement, record: Record) -> ModelAnswer:
        statement = reading.statement
        for waiting in reversed(record.waiting):
            if self._is_equal(reading, waiting, is_last=waiting is record.waiting[-1]):
                waiting.reading.said_again = max(waiting.reading.said_again, reading.version or 0)
                return duplicate("SAME_AS_HELD")
        held_here = sum(
            w.reading.statement.department == statement.department
            for identity, other in self.records.items()
            if partition_of(identity.code.encode(), self.rules.partitions) == statement.partition
            for w in other.waiting
        )
        is_arrival = reading.verb is Verb.ARRIVAL
        alike = [
            other
            for other in (waiting.reading for waiting in record.waiting)
            if (other.verb is Verb.ARRIVAL) == is_arrival
            and (is_arrival or other.statement.department == statement.department)
        ]
        if len(alike) >= MOST_WAITING or held_here >= self.rules.most_held:
            if reading.verb is Verb.DEPARTURE:
                self._verdict(reading, "refused")
            return quarantined("TOO_MANY_HELD")
        last = day_of(self.now) + timedelta(days=self.rules.days_held)
        record.waiting.append(EarlyStatement(reading, self.now, end_of(last), self.ticks))
        record.note_change()
        if record.standing is NONE:
            record.standing, record.owner = AWAITED, ""
        if record.standing is AWAITED and reading.verb in CARRY_A_ROW:
            record.owner = record.owner or statement.department
        return HELD

    def _hold_row(self, reading: DatedStatement, record: Record) -> ModelAnswer:
        """A row that waits inside a statement is late all the same."""
        answer = self._hold(reading, record)
        if answer is HELD:
            assert reading.facts is not None
            self._run_unshown(record, reading.facts)
        return answer

    def _release_all(self) -> None:
        while self.to_release:
            identity = self.to_release.pop(0)
            self._release(self.records[identity], identity)

    def _release(self, record: Record, identity: RecordIdentity) -> None:
        """The record came: what waits for it is decided, oldest first."""
        while True:
            about = [waiting for waiting in record.waiting if self._speaks_of(waiting, record)]
            if not about:
                break
            self._let_go(record, identity, about[0])
        if record.standing is LIVE and record.is_unnamed:
            record.is_unnamed = False
            self._name(record)

    def _speaks_of(self, waiting: EarlyStatement, record: Record) -> bool:
        """Whether a waiting statement is about the row that stands here."""
        reading = waiting.reading
        if reading.verb is Verb.ARRIVAL:
            return False  # it waits for its departure
        sender = reading.statement.department
        if not record.was_live and reading.verb not in CARRY_A_ROW and sender != record.owner:
            return False  # what is faulty here is somebody else's
        return not self._is_before(reading, record)

    def _read_again(self, waiting: EarlyStatement) -> DatedStatement:
        """A waiting statement by today's rules; its version is judged by when it came."""
        reading = self.reader.read(waiting.reading.statement, self.rules, self.now)
        reading.arrived_at = waiting.arrived_at
        reading.said_again = waiting.reading.said_again
        reading.held_at = waiting.held_at
        return reading

    def _let_go(self, record: Record, identity: RecordIdentity, waiting: EarlyStatement) -> None:
        """Decide a waiting statement as if it arrived now; whether its sender may is asked now."""
        self.ticks += 1
        record.waiting.remove(waiting)
        record.note_change()
        self._leave_waiting(record)
        reading = self._read_again(waiting)
        answer = self._faulty(reading) if reading.faults else self._decide(reading)
        self.released.append((identity, answer))
        has_effect = answer.outcome in TOOK_EFFECT
        self._end_receipt(waiting, has_effect=has_effect)
        if reading.verb is Verb.ARRIVAL and not has_effect:
            place = partition_of(identity.code.encode(), self.rules.partitions)
            self._move(place, reading.move).arrived = None

    def _leave_waiting(self, record: Record) -> None:
        """Where no row waits any more, nobody's is awaited; where nothing waits, nothing is."""
        if record.standing is not AWAITED:
            return
        if not any(waiting.reading.verb in CARRY_A_ROW for waiting in record.waiting):
            record.owner = ""
        if not record.waiting:
            record.standing = NONE

    def _end_receipt(self, waiting: EarlyStatement, *, has_effect: bool) -> None:
        number = waiting.reading.statement.place
        self.receipts[number].ended_without_effect = not has_effect
        self.receipts[number].end = self._seen(waiting.reading.identity)

    def _wait_ends(self, record: Record, identity: RecordIdentity, waiting: EarlyStatement) -> None:
        """It waited too long."""
        record.waiting.remove(waiting)
        record.note_change()
        reading = self._read_again(waiting)
        verb = reading.verb
        self._leave_waiting(record)
        has_effect = False
        reason = "MOVE_REFUSED" if verb is Verb.ARRIVAL else "WAITED_TOO_LONG"
        if verb is Verb.PERFORMANCE and not reading.faults:
            self._row(reading, record)
            has_effect, reason = True, "PERFORMED_WITHOUT_MADE"
        elif verb in CARRY_A_ROW:
            may_stand = reading.may_be_mended or record.standing is NONE
            if record.standing in NEVER_SEEN and may_stand:
                record.standing = QUARANTINED
                record.owner = record.owner or reading.statement.department
                assert reading.facts is not None
                record.decided_on = reading.facts.decided_on
                self.to_release.append(identity)
        elif verb is Verb.DEPARTURE:
            self._verdict(reading, "refused")
        self.released.append((identity, ModelAnswer("held_ended", reason)))
        self._end_receipt(waiting, has_effect=has_effect)
        self._release_all()

    # --- effects ---------------------------------------------------------------------------------

    def _accept(
        self, reading: DatedStatement, record: Record, *, clock: str = DISCLOSE, owner: str = "",
        met: frozenset[int] = frozenset(),
    ) -> ModelAnswer:  # fmt: skip
        """A row comes on record, for the first time or again."""
        identity, facts = reading.identity, reading.facts
        assert identity is not None
        assert facts is not None
        sender = reading.statement.department
        if not record.was_live and not (record.owner and self.rules.may_act(sender, record.owner)):
            record.owner = sender
        record.owner = owner or record.owner
        record.standing, record.is_away = LIVE, False
        record.version += 1
        record.facts, record.decided_on = facts, facts.decided_on
        record.accepted_on[record.version] = day_of(self.now)
        record.exited_on = None
        self._took_effect(reading, record)
        # restored: where it was on record, nothing but a correction is owed any more
        known = {target.number for target in self.rules.targets} & record.named
        record.disclosed = known if clock == CORRECT else set(met)
        self._owe_for(record, clock, met)
        record.is_unnamed = any(self._speaks_of(waiting, record) for waiting in record.waiting)
        if not record.is_unnamed:
            self._name(record)
        self._lift_twins(identity, reading)
        self.to_release.append(identity)
        return ModelAnswer("accepted")

    def _correct(self, reading: DatedStatement, record: Record) -> None:
        """A live record gets its next version."""
        assert reading.facts is not None
        record.version += 1
        record.facts, record.decided_on = reading.facts, reading.facts.decided_on
        record.accepted_on[record.version] = day_of(self.now)
        self._took_effect(reading, record)
        assert reading.identity is not None
        self._lift_twins(reading.identity, reading)
        self._owe_for(record, "", redetermined_on=reading.redetermined_on)
        self.to_release.append(reading.identity)
        record.is_unnamed = not record.shown and any(
            self._speaks_of(waiting, record) for waiting in record.waiting
        )
        if not record.is_unnamed:
            self._name(record)

    def _targets(self, facts: Facts) -> list[ModelTarget]:
        return [t for t in self.rules.targets if is_shown_at(t, facts, self.rules, self.now)]

    def _name(self, record: Record) -> None:
        """Name the newest version for its targets."""
        assert record.facts is not None
        showing = {target.number for target in self._targets(record.facts)}
        for number in record.shown - showing:
            self._no_longer(record, number)
        for number in showing:
            self._show(record, number)

    def _owe_for(
        self, record: Record, clock: str, met: frozenset[int] = frozenset(),
        redetermined_on: date | None = None,
    ) -> None:  # fmt: skip
        """The duties of a new version; `clock` is "" where it follows another."""
        facts = record.facts
        assert facts is not None
        showing = self._targets(facts)
        for number in set(record.show) - {target.number for target in showing}:
            self._lift(record, number)
        for target in showing:
            number = target.number
            is_named = number in record.named
            if number in met or (clock == CORRECT and is_named):
                self._owe(record, target, CORRECT, facts.kind, day_of(self.now))
            elif clock:
                self._owe(record, target, DISCLOSE, facts.kind, facts.decided)
            else:
                self._goes_on(record, target, redetermined_on)

    def _goes_on(self, record: Record, target: ModelTarget, redetermined_on: date | None) -> None:
        """The duty of a corrected version at a target."""
        facts = record.facts
        assert facts is not None
        duty = record.show.get(target.number)
        if duty is not None and duty.is_running:
            return
        is_new = target.number not in record.named
        self._owe_first_or_anew(record, target, is_new=is_new, redetermined_on=redetermined_on)

    def _owe_first_or_anew(
        self,
        record: Record,
        target: ModelTarget,
        *,
        is_new: bool,
        redetermined_on: date | None = None,
    ) -> None:
        """A first disclosure where none was met and none could be, else a correction."""
        facts = record.facts
        assert facts is not None
        if is_new or target.number in record.lifted:
            counted_from = redetermined_on or facts.decided
            self._owe(record, target, DISCLOSE, facts.kind, counted_from)
        else:
            self._owe(record, target, CORRECT, facts.kind, day_of(self.now))

    def _show(self, record: Record, number: int) -> None:
        record.shown.add(number)
        record.named.add(number)
        record.named_at[number, record.version] = self.now
        record.take_down.pop(number, None)
        record.ended.discard(number)

    def _no_longer(self, record: Record, number: int) -> None:
        """A target is to stop showing the record."""
        record.shown.discard(number)
        record.down_at[number, record.version] = self.now
        self._lift(record, number)
        duty = record.take_down.get(number)
        if duty is None or not duty.is_running:
            assert record.facts is not None
            start(
                record.take_down, self.rules.target(number), WITHDRAW, record.facts.kind,
                day_of(self.now), self.rules, record.version,
            )  # fmt: skip

    def _lift(self, record: Record, number: int) -> None:
        duty = record.show.pop(number, None)
        if duty is not None and duty.is_running:
            if duty.clock == DISCLOSE:
                record.lifted.add(number)
            else:  # a correction is owed where nothing else is: there it counts as disclosed
                record.disclosed.add(number)
            self._event(record, number, "D", "lifted")

    def _take_down(self, record: Record, standing: LifeState) -> None:
        """Off every target it was ever named for."""
        record.ended.clear()
        record.standing = standing
        record.down_since = self.ticks
        record.is_unnamed = False
        for number in set(record.show):
            self._lift(record, number)
        record.lifted.clear()
        if not record.was_live:
            return
        record.version += 1
        here = {target.number for target in self.rules.targets}
        for number in record.named & here:
            self._no_longer(record, number)
        record.shown.clear()

    def _lift_twins(self, identity: RecordIdentity, reading: DatedStatement) -> None:
        """The same decision under another key, faulty there, is nobody's lateness."""
        place = partition_of(identity.code.encode(), self.rules.partitions)
        sender, called = reading.statement.department, identity._replace(name=reading.name)
        for other, twin in self.records.items():
            if (
                other != identity
                and other[:4] == called[:4]
                and partition_of(other.code.encode(), self.rules.partitions) == place
                and twin.standing is QUARANTINED
                and twin.owner == sender
            ):
                for number in set(twin.show):
                    self._lift(twin, number)

    # --- platforms -------------------------------------------------------------------------------

    def report(
        self, identity: RecordIdentity, number: int, *, version: int, action: str, stage: str,
        platform_at: int | None, at: int,
    ) -> None:  # fmt: skip
        """A platform's answer arrives."""
        if stage == "parked":
            return  # a person's matter: it has come no further, and owes what it owed
        record = self.records[identity]
        named = record.named_at if action == "publish" else record.down_at
        if (number, version) not in named:
            return
        since = named[number, version]
        happened = next(
            (t for t in (platform_at, at) if t is not None and since <= t <= self.now), self.now
        )
        if not self._is_news(record, (action, number, version), stage, at):
            return
        if action == "withdraw":
            duty = record.take_down.get(number)
            if stage == "withdrawn" and duty and duty.is_running and version >= duty.since:
                self._meet(record, number, "W", duty, happened)
        elif record.standing is LIVE and number in record.shown:
            self._shown(record, number, version, stage, happened)

    def _is_news(
        self, record: Record, of: tuple[str, int, int], stage: str, reported_at: int
    ) -> bool:
        """Whether a word counts: none from before a refusal, no refusal of what was done."""
        _action, number, version = of
        if version < max(v for t, v in (*record.named_at, *record.down_at) if t == number):
            return True  # only of the newest version is remembered what was said
        last, refused_at = record.last_said.get(of, ("", 0))
        if last in {"published", "withdrawn"} or (last == "refused" and reported_at < refused_at):
            return False
        if stage != "sent":
            record.last_said[of] = stage, reported_at
        if stage == "refused" and last == "acknowledged":
            self._reopen(record, *of)
        return True

    def _reopen(self, record: Record, action: str, number: int, version: int) -> None:
        """A platform refuses what it had taken in."""
        duty = record.show.get(number)
        is_current = action == "publish" and version == record.current(number)
        if is_current and number in record.shown and duty is not None and not duty.is_running:
            duty.is_running = True
            record.disclosed.discard(number)
            self._event(record, number, "D", "reopened")
            self._recount(record, record.show, {number})

    def _shown(self, record: Record, number: int, version: int, stage: str, at: int) -> None:
        target = self.rules.target(number)
        meets = stage == "published" or stage == self.rules.stops_at(target)
        duty = record.show.get(number)
        current = record.current(number)
        if not meets or duty is None or not duty.is_running or version < duty.since:
            return
        if version == current:
            record.disclosed.add(number)
            self._meet(record, number, "D", duty, at)
        else:
            record.disclosed.add(number)
            self._meet(record, number, "D", duty, at)
            follower = min(v for v in record.accepted_on if v > version)
            assert record.facts is not None
            counted_from = record.accepted_on[follower]
            start(
                record.show, target, CORRECT, record.facts.kind, counted_from, self.rules, follower
            )

    def _meet(self, record: Record, number: int, clock: str, duty: Duty, at: int) -> None:
        duty.is_running = False
        self._event(record, number, clock, "in time" if at < duty.due.at else "late")

    # --- time ------------------------------------------------------------------------------------

    def advance(self, to: int) -> None:
        """Let time pass, to a moment."""
        self.now = max(self.now, to)
        self._ring()
        self.settle()

    def next_timer(self) -> int | None:
        """The next moment at which something happens by itself."""
        return min((at for at in self._timers() if at > self.now), default=None)

    def _timers(self) -> list[int]:
        found: list[int] = []
        for record in self.records.values():
            found += [waiting.ends_at for waiting in record.waiting]
            for duty in (*record.show.values(), *record.take_down.values()):
                if duty.is_running and 0 not in duty.rang:
                    marks = (0, *self.rules.marks)
                    found += [mark_at(duty, m, self.rules) for m in marks if m not in duty.rang]
            if record.standing is LIVE and record.shown and record.facts is not None:
                over = ends_at(record.facts, self.rules)
                if over is not None:
                    found.append(over[0])
        return found

    def _ring(self) -> None:
        """Everything whose time has come happens.

        After a long stop what has long been late is late, though a wait that has ended since, at
        another record, lifts it now.
        """
        for record in self.records.values():
            if all(waiting.ends_at > self.now for waiting in record.waiting):
                self._ring_at(record)
        while self._end_waits():
            self._deliver()
        for record in self.records.values():
            self._ring_at(record)

    def _ring_at(self, record: Record) -> None:
        self._expire(record)
        for clock, duties in (("D", record.show), ("W", record.take_down)):
            for number, duty in duties.items():
                self._ring_duty(record, number, clock, duty, self.now)

    def _end_waits(self) -> bool:
        """At each record the first wait that is over ends; whether there was one.

        No law orders what ends in one moment at several records: they end by their keys.
        """
        keys = {identity: key for key, identity in self.keys.items()}
        over = [
            (identity, record, waiting)
            for identity, record in sorted(
                self.records.items(), key=lambda known: keys.get(known[0], "")
            )
            for waiting in [w for w in record.waiting if w.ends_at <= self.now][:1]
        ]
        for identity, record, waiting in over:
            self._wait_ends(record, identity, waiting)
        return bool(over)

    def _ring_duty(self, record: Record, number: int, clock: str, duty: Duty, until: int) -> None:
        """Say of a duty what has come until a moment."""
        if not duty.is_running or 0 in duty.rang:
            return
        if duty.due.at <= until:
            duty.rang |= {0, *self.rules.marks}
            self._event(record, number, clock, "overdue")
            return
        for mark in self.rules.marks:
            if mark not in duty.rang and mark_at(duty, mark, self.rules) <= until:
                duty.rang.add(mark)
                self._event(record, number, clock, f"due_soon_{mark}")

    def _expire(self, record: Record) -> None:
        if record.standing is not LIVE or not record.shown or record.facts is None:
            return
        over = ends_at(record.facts, self.rules)
        if over is None or over[0] > self.now:
            return
        showing = {target.number for target in self._targets(record.facts)}
        gone = {n for n in record.shown - showing if self.rules.target(n).is_public or over[1]}
        if gone:
            record.version += 1
        for number in gone:
            if number in record.show:
                self._ring_duty(record, number, "D", record.show[number], over[0])
            self._end(record, number)

    def _end(self, record: Record, number: int) -> None:
        """Publication is over at a target, for good unless the record is shown there again."""
        self._event(record, number, "E", "expired")
        self._no_longer(record, number)
        record.ended.add(number)

    # --- another basis ---------------------------------------------------------------------------

    def adopt(self, rules: Rules) -> None:
        """Another basis is in force."""
        before, self.rules = self.rules, rules
        here = {target.number for target in rules.targets}
        for record in self.records.values():
            for duties in (record.show, record.take_down):
                self._recount(record, duties, here)
            if record.standing is LIVE and not record.is_unnamed:
                self._reproject(record, before)
            if record.standing in NEVER_SEEN:
                self._owe_elsewhere(record)
        self._ring()

    def _owe_elsewhere(self, record: Record) -> None:
        """An unseen row owes the same at every target that shows its kind, if anything at all."""
        running = [duty for duty in record.show.values() if duty.is_running]
        for number in set(record.show):
            if record.kind not in self.rules.target(number).kinds:
                self._lift(record, number)
        for target in self.rules.targets if running else ():
            if record.kind in target.kinds and target.number not in record.show:
                counted_from = running[0].counted_from
                self._owe(record, target, DISCLOSE, record.kind, counted_from)
                if target.number in record.show:
                    record.show[target.number].is_estimated = running[0].is_estimated

    def _recount(self, record: Record, duties: dict[int, Duty], here: set[int]) -> None:
        for number, duty in duties.items():
            if number not in here or not duty.is_running:
                continue
            kind = record.facts.kind if record.facts is not None else record.kind
            due = self.rules.due(duty.clock, kind, self.rules.target(number), duty.counted_from)
            if due is None or due == duty.due:
                continue
            if redate(duty, duty.counted_from, due, self.now, self.rules):
                clock = "W" if duties is record.take_down else "D"
                self._event(record, number, clock, "taken back")

    def _reproject(self, record: Record, before: Rules) -> None:
        """Targets show and owe what this basis says of the record."""
        facts = record.facts
        assert facts is not None
        wanted = {target.number for target in self._targets(facts)} - record.ended
        removed, added = record.shown - wanted, wanted - record.shown
        anew = {
            number
            for number in wanted & record.shown
            if self._columns(before, number, facts.kind)
            != self._columns(self.rules, number, facts.kind)
        }
        if removed or anew or added:
            record.become_next_version()
        if anew or added & record.named:
            record.accepted_on[record.version] = day_of(self.now)
        over = ends_at(facts, self.rules)
        for number in removed:
            target = self.rules.target(number)
            if over is not None and over[0] <= self.now and (target.is_public or over[1]):
                self._end(record, number)
            else:
                self._no_longer(record, number)
        new = added - record.named
        for number in sorted(added | anew):
            target = self.rules.target(number)
            self._show(record, number)
            duty = record.show.get(number)
            if number in anew and duty is not None and duty.is_running:
                continue
            self._owe_when_named(record, target, before.target(number), is_new=number in new)

    def _owe_when_named(
        self, record: Record, target: ModelTarget, before: ModelTarget, *, is_new: bool
    ) -> None:
        """What a rule brings to a target is owed from today, unless it is too old to be owed."""
        assert record.facts is not None
        brought = (target.kinds, target.clock_from) == (before.kinds, before.clock_from)
        if brought and (is_new or target.number in record.lifted):
            record.show.pop(target.number, None)
            record.lifted.discard(target.number)
            if record.facts.decided >= target.clock_from:
                today = day_of(self.now)
                self._owe(record, target, DISCLOSE, record.facts.kind, today)
        else:
            self._owe_first_or_anew(record, target, is_new=is_new)

    def _columns(self, rules: Rules, number: int, kind: str) -> frozenset[str]:
        """What a target sees of a kind."""
        shared = rules.target(number).clearance
        fields = self.contracts.by_kind[kind].schema.fields
        return frozenset(field.name for field in fields if field.sharing in shared)

    def _event(self, record: Record, number: int, clock: str, what: str) -> None:
        identity = next(i for i, other in self.records.items() if other is record)
        self.events.append(HubEvent(identity, number, clock, what))
