"""The decision: one cause and what is known of its record in, one ledger record out.

Pure: no clock, no I/O, no chance. Every submission gets exactly one of the eight primary outcomes,
by the table in `hub.core.life`; what was not submitted (due soon, overdue, expired, recounted,
released) is decided here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from hub.core import duties, keys, numbers, waiting
from hub.core.adoption import counts_otherwise, walk_for
from hub.core.basis import NO_TARGET, BasisAdoption
from hub.core.case import Case, drop_order, heard_of, is_departure_of, is_heard_last
from hub.core.causes import (
    HandOver,
    InputLost,
    LossAcceptance,
    MoveArrived,
    MoveNoted,
    OutcomeReport,
    RedecisionRequest,
    ResendRequest,
    Submission,
    SweepEnd,
    SweepStep,
    TimerDue,
    TwinAnswered,
    UnreadableMessage,
    WalkMark,
    WalkVisit,
)
from hub.core.keys import Receipt
from hub.core.life import (
    CARRIES_ROW,
    TABLE,
    Effect,
    LifeRule,
    Standing,
    Statement,
    When,
    standing_of,
)
from hub.core.moves import (
    ARRIVED,
    LEFT,
    LEFT_BEFORE,
    REFUSED,
    WAITS,
    Departure,
    MoveVerdict,
    arrives_at,
    destination_of,
    has_arrived,
    is_of_absence,
    known_of,
    leaving,
    made_by,
    settled,
    verdict_on,
    word_back,
)
from hub.core.predecessors import choose_record, keep_record
from hub.core.prepare import prepare_submission, read_again
from hub.core.progress import FACT as PERFORMANCE
from hub.core.record import (
    HAS_CONSEQUENCES,
    NO_DIGEST,
    NO_KEY,
    NO_SEQUENCE,
    WITHOUT_EFFECT,
    ClockEvent,
    LedgerRecord,
    Move,
    Outcome,
    Reason,
)
from hub.core.resend import Walk, reproject
from hub.core.state import (
    NEVER,
    Clock,
    RecordFlag,
    RecordState,
    StageCode,
    Status,
    Waiting,
    decode_state,
    index_fields,
)
from hub.domain import kinds
from hub.domain.dates import due_at_ms
from hub.domain.partitioning import partition_of

if TYPE_CHECKING:
    from hub.core.basis import Basis
    from hub.core.keys import Head, View
    from hub.core.prepare import Prepared

ZERO_CONTENT: Final = bytes(32)
MOST_TWINS: Final = 8
"""Quarantined records of one identity under other keys that are remembered."""
TOOK_EFFECT: Final = frozenset(
    {Outcome.ACCEPTED, Outcome.CORRECTED, Outcome.WITHDRAWN, Outcome.DUPLICATE}
)
_PLAIN: Final = frozenset({Statement.ROW, Statement.PERFORMANCE})
_DAY_MS: Final = 86_400_000
Facts = tuple[tuple[str, str], ...]


class Context(NamedTuple):
    """Arguments of every rule besides its cause."""

    view: View
    now: int
    """Business time in milliseconds."""
    basis: Basis
    sequence: int
    """Of the ledger record that is decided."""


class Decision(NamedTuple):
    """The answer of a rule; `decide` turns it into a ledger record."""

    outcome: Outcome
    state: RecordState | None = None
    reasons: tuple[Reason, ...] = ()
    publish: int = 0
    withdraw: int = 0
    refers_to: int = NO_SEQUENCE
    move: Move | None = None
    events: tuple[ClockEvent, ...] = ()
    row: bytes = b""
    facts: Facts = ()
    is_repeat: bool = False
    """Whether an earlier answer to the same number is in force."""
    version: int = 0
    record_key: bytes = NO_KEY
    """Of a cause that does not name its record itself."""
    answers: Submission | None = None
    """The statement that waited, where this is what became of it."""
    submission_key: bytes = NO_KEY
    """Of that statement."""


def decide(view: View, cause: Prepared, head: Head, now: int, basis: Basis) -> LedgerRecord | None:
    """Decide one cause.

    `view` holds the values of `cause.keys`; `now` is business time in milliseconds; `head` is the
    end of the chain. Returns None only for a timer or sweep step that has nothing to say.
    """
    context = Context(view, now, basis, head.sequence)
    if isinstance(cause, Submission):
        if cause.identities:
            choose_record(view, cause)
        old = _state_of(view, cause.record_key, basis)
        return _record_of_submission(cause, _submission(context, cause, old), old, context, head)
    decision, record_key = _of_other(context, cause)
    if decision is None:
        return None
    record_key = decision.record_key if record_key == NO_KEY else record_key
    old = _state_of(view, record_key, basis) if record_key != NO_KEY else None
    return _record_of_other(cause, decision, record_key, old, context, head)


def _state_of(view: View, record_key: bytes, basis: Basis) -> RecordState | None:
    """Return the record's state without departures that the sweep has yet to forget."""
    stored = view.get(keys.record(record_key))
    if stored is None:
        return None
    state = decode_state(stored)
    gone = state.named & ~basis.numbers
    return numbers.without(state, gone) if gone else state


def _record_of_submission(
    s: Submission, decision: Decision, old: RecordState | None, context: Context, head: Head
) -> LedgerRecord:
    state = decision.state
    if state is not None:
        state = _settled_state(state, context)
    cause = s.cause
    digest = b""
    if decision.outcome is Outcome.DUPLICATE or s.is_oversize:
        digest = s.value_hash
        cause = cause._replace(value=b"")
    version = decision.version or (state.version if state is not None else 0)
    return LedgerRecord(
        head.sequence, head.last_hash, context.now, cause, decision.outcome, decision.publish,
        decision.withdraw, s.record_key, context.basis.id, version, decision.refers_to,
        NO_KEY if decision.is_repeat else s.submission_key,
        old.timer_at if old is not None else NEVER, s.digest,
        _marks(decision), state, decision.move, s.department, s.kind,
        digest, decision.facts, decision.reasons, decision.events, decision.row,
    )  # fmt: skip


def _record_of_other(
    prepared: Prepared, decision: Decision, record_key: bytes, old: RecordState | None,
    context: Context, head: Head,
) -> LedgerRecord:  # fmt: skip
    state = decision.state
    if state is not None:
        state = _settled_state(state, context)
    cause = prepared.cause
    if old is not None and not cause.key:  # a timer or sweep concerns the record's own company
        cause = cause._replace(key=old.subject_key)
    basis_id = context.basis.id
    if isinstance(prepared, BasisAdoption):
        basis_id = prepared.basis_id if decision.outcome is Outcome.BASIS_ADOPTED else basis_id
    s = decision.answers
    kind = getattr(prepared, "kind", "") if s is None else s.kind
    version = decision.version or (state.version if state is not None else 0)
    return LedgerRecord(
        head.sequence, head.last_hash, context.now, cause, decision.outcome, decision.publish,
        decision.withdraw, record_key, basis_id, version, decision.refers_to,
        decision.submission_key, old.timer_at if old is not None else NEVER,
        NO_DIGEST if s is None else s.digest, _marks(decision), state,
        decision.move, "" if s is None else s.department, kind, b"", decision.facts,
        decision.reasons, decision.events, decision.row,
    )  # fmt: skip


def _marks(decision: Decision) -> int:
    return HAS_CONSEQUENCES if decision.facts or decision.move is not None else 0


def _settled_state(state: RecordState, context: Context) -> RecordState:
    """Fill in what the indexes are kept by: the next timer and the provisional mark."""
    timer_at, provisional = index_fields(state.clocks)
    if state.flags & RecordFlag.WAITING and waiting.is_ready(state):
        timer_at = context.now
    flags = state.flags & ~RecordFlag.PROVISIONAL | provisional
    if flags == state.flags and timer_at == state.timer_at:
        return state
    return state._replace(flags=flags, timer_at=timer_at)


# --- submissions ---------------------------------------------------------------------------------


def _submission(context: Context, s: Submission, old: RecordState | None) -> Decision:
    """A submission: a repeat gets its first receipt, a faulty one is quarantined, else the table.

    A number that was used before for something else is not a repeat: its content is kept and
    refused by name, and the first receipt remains.
    """
    stored = context.view.get(keys.receipt(s.submission_key))
    if stored is not None:
        first = Receipt.unpack(stored)
        if first.digest != s.digest:
            s.refuse("SUBMISSION_NUMBER_REUSED", "ce_id")
            return _quarantine(context, s, old)._replace(is_repeat=True)
        if not _is_decided_anew(context, s, first, old):
            return Decision(
                Outcome.DUPLICATE,
                reasons=(Reason("REPEATED_SUBMISSION", "", "warning"),),
                refers_to=first.sequence,
                is_repeat=True,
            )
    if s.is_ambiguous or s.has_errors:
        return _either(context, s) if s.is_ambiguous else _quarantine(context, s, old)
    if s.kind == kinds.DUTY_LIFTED:
        return _lifting(s, old)
    if s.kind == kinds.PERFORMANCE_MISSING and not _is_open_commitment(context, s):
        closed = Reason("COMMITMENT_NOT_OPEN", "commitment_record", "error")
        return Decision(Outcome.QUARANTINED, reasons=(*s.reasons, closed))
    return _by_table(context, Case(context.view, s, old, context.basis))


def _is_decided_anew(
    context: Context, s: Submission, first: Receipt, old: RecordState | None
) -> bool:
    """Whether a repeated submission may be answered otherwise than before.

    A statement that took effect is not done twice, and one that waits goes on waiting. Any other
    may be, once the basis or the record has changed, or its departure was made; one that waited in
    vain always may. A statement shown by its own declaration alone, and first sent before a
    take-down, does not undo that; a plain row is asked all the same: there the table lets in only
    what its date or its source's version puts after the take-down.
    """
    if first.outcome not in WITHOUT_EFFECT:
        return False
    has_changed = any(one.changed > first.sequence for one in _candidates(context, s, old))
    may_take_effect = s.statement in CARRIES_ROW and not s.has_errors
    if has_changed and may_take_effect and old is not None and old.status is Status.WITHDRAWN:
        return old.was_live and s.statement in _PLAIN
    if has_changed or first.outcome == Outcome.HELD_ENDED or first.basis != context.basis.id:
        return True
    is_arrival = s.statement is Statement.ARRIVAL and may_take_effect
    return is_arrival and Case(context.view, s, old, context.basis).has_left


def _candidates(
    context: Context, s: Submission, old: RecordState | None
) -> tuple[RecordState, ...]:
    """Return the records that a submission may be about: several where authorities merged."""
    found = [_state_of(context.view, each.record_key, context.basis) for each in s.identities]
    return tuple(state for state in found or [old] if state is not None)


def _either(context: Context, s: Submission) -> Decision:
    """Under two older codes there is such a record: a person says which, nothing is picked."""
    reason = Reason("SEVERAL_PREDECESSORS", "", "error")
    outcome = Outcome.QUARANTINED if s.has_errors else Outcome.CONFLICTING
    decision = Decision(outcome, reasons=(*s.reasons, reason))
    is_departure = s.kind == kinds.MOVED_OUT and s.move_id != NO_KEY
    return _with_refusal(context.view, s, decision) if is_departure else decision


def _is_open_commitment(context: Context, s: Submission) -> bool:
    """Whether the ledger itself has the commitment unperformed that a finding names.

    An agent that states it may be behind; a company must not be called a promise-breaker for that.
    """
    if not s.about_key:
        return False
    promise = _state_of(context.view, s.about_key, context.basis)
    return promise is not None and promise.status is Status.LIVE and promise.kind == kinds.MADE


def _lifting(s: Submission, old: RecordState | None) -> Decision:
    """A good row in another partition answers what is quarantined here."""
    if old is None or old.status is not Status.QUARANTINED or not duties.owes_disclosure(old):
        reason = Reason("DUTY_NOT_OPEN", "record", "error")
        return Decision(Outcome.QUARANTINED, reasons=(*s.reasons, reason))
    due = duties.lifted_at(old, -1)
    state = old._replace(clocks=due.clocks)
    return Decision(Outcome.ACCEPTED, state, s.reasons, events=due.events)


def _by_table(context: Context, case: Case) -> Decision:
    """The first line whose condition holds."""
    s = case.s
    if s.statement is None:
        raise AssertionError("a submission without errors states something")
    drop_order(s, case.old)
    for line in TABLE[case.standing, s.statement]:
        if case.holds(line.when):
            return _carry_out(context, case, line)
    raise AssertionError("the last line of each entry holds always")


def _carry_out(context: Context, case: Case, line: LifeRule) -> Decision:
    s, old = case.s, case.old
    effect = line.effect
    reasons = s.reasons
    if line.reason:
        reasons += (Reason(line.reason, "", line.severity),)
    if effect is Effect.SHOW or effect is Effect.RESTORE:
        s.reasons = reasons
        decision = _show(context, case, line.outcome, is_restored=effect is Effect.RESTORE)
    elif effect is Effect.TAKE_DOWN or effect is Effect.LEAVE:
        decision = _take_down(context, s, old, effect)
    elif effect is Effect.WAIT:
        decision = _wait(context, case, reasons)
    elif effect is Effect.REFUSE:
        decision = _quarantine(context, s, old, Reason(line.reason, "", line.severity))
    else:
        decision = _answer(s, old, line, reasons, context)
    if s.statement is Statement.DEPARTURE:
        return _with_verdict(case, decision, line, context.sequence)
    is_arrival = s.statement is Statement.ARRIVAL
    if is_arrival and decision.move is None and decision.outcome in TOOK_EFFECT:
        letter = WAITS if line.when is When.WAITS_ALREADY else ARRIVED
        verdict = case.verdict if letter == ARRIVED else None
        if verdict is not None and verdict.has_left:
            decision = decision._replace(facts=decision.facts + word_back(verdict, s.move_id))
        return decision._replace(move=Move(s.move_id, letter))
    return decision


def _answer(
    s: Submission, old: RecordState | None, line: LifeRule, reasons: tuple[Reason, ...],
    context: Context,
) -> Decision:  # fmt: skip
    """An answer that leaves what is shown as it is."""
    if old is None:
        return Decision(line.outcome, reasons=reasons)
    state = None
    if line.effect is Effect.CONFIRM and context.basis.may_act_on(s.department, old.department):
        heard = heard_of(old, s)
        ended_on = old.ended_on
        if s.statement is Statement.EXIT:
            ended_on = max(ended_on, s.decided_on)
        flags = old.flags
        if not is_heard_last(s, old):  # who took it down is not alone any more
            flags &= ~RecordFlag.BY_SOURCE
        is_down = s.statement in (Statement.WITHDRAWAL, Statement.EXIT)
        down_at = context.sequence if is_down else old.down_at
        if is_down or (heard, ended_on, flags) != (old.heard, old.ended_on, old.flags):
            state = old._replace(heard=heard, ended_on=ended_on, flags=flags, down_at=down_at)
    elif line.effect is Effect.AGAIN:
        newest = waiting.said_again(old, s)
        state = newest if newest is not old else None
    elif line.effect is Effect.CONFLICT:
        state = old._replace(flags=old.flags | RecordFlag.CONFLICT)
    is_same = line.outcome in (Outcome.DUPLICATE, Outcome.SUPERSEDED)
    return Decision(
        line.outcome, state, reasons, refers_to=old.live_sequence,
        version=old.version if is_same else 0,
    )  # fmt: skip


# --- effects -------------------------------------------------------------------------------------


def _show(context: Context, case: Case, outcome: Outcome, *, is_restored: bool = False) -> Decision:
    """Make the row the version in force and name the targets that shall show it.

    While a statement waits that is about it, it names none.
    """
    s, old, basis, now = case.s, case.old, context.basis, context.now
    shown, withheld = basis.targets_for(s, now)
    verdict = case.verdict if s.statement is Statement.ARRIVAL else None
    met = verdict.met if verdict is not None else 0
    version, named, withdraw = 1, 0, 0
    if old is None:
        due = duties.of_first_version(s, None, shown, met, now, basis)
    else:
        version, named = old.version + 1, old.named
        if old.status is Status.LIVE:
            withdraw = old.publish & ~shown
            due = duties.of_next_version(s, old, shown, withdraw, now, basis)
        elif is_restored or (s.statement is Statement.RESTORATION and old.was_live):
            due = duties.of_restoration(s, old, shown, now, basis)
        else:
            due = duties.of_first_version(s, old, shown, met, now, basis)
    flags = RecordFlag.NONE
    facts: Facts = ()
    if s.progress is not None:
        flags |= RecordFlag.PERFORMANCE
        facts = ((PERFORMANCE, s.progress.as_text()),)
    if old is not None and old.waiting:
        flags |= RecordFlag.WAITING
    if s.twin_keys:
        facts += _answered_twins(context.view, s)
    timer_at, provisional = index_fields(due.clocks)
    state = RecordState(
        Status.LIVE, flags | provisional, version, s.content, context.sequence, s.decided_on,
        context.sequence, now, 0, named | shown, shown,
        old.down_at if old is not None else 0, timer_at, due.clocks,
        duties.named_stages(old, shown, withdraw, version), heard_of(old, s, verdict),
        duties.revisions(old, version, now, corrects=True), old.waiting if old is not None else (),
        _owner(s, old, verdict, basis), s.subject_kind,
        s.cause.key,
    )  # fmt: skip
    refers_to = old.live_sequence if old is not None else NO_SEQUENCE
    is_shown = old is not None and old.status is Status.LIVE and old.publish
    if flags & RecordFlag.WAITING and old is not None and not is_shown and waiting.is_ready(state):
        state = state._replace(
            flags=state.flags | RecordFlag.UNSHOWN, named=named, publish=0, stages=old.stages,
            clocks=duties.with_withdrawals(due.clocks, old),
        )  # fmt: skip
        facts += (("unshown", "1"),)
        return Decision(
            outcome, state, s.reasons, 0, 0, refers_to, events=due.events, row=s.row, facts=facts
        )
    return Decision(
        outcome, state, s.reasons + withheld if withheld else s.reasons, shown, withdraw,
        refers_to, events=due.events, facts=facts,
    )  # fmt: skip


def _owner(
    s: Submission, old: RecordState | None, verdict: MoveVerdict | None, basis: Basis
) -> str:
    """Return the new owner of a record: who puts it on record; one that acts for them leaves it.

    Also where only their faulty row, or a row of theirs that waits, is there. Who succeeded a
    retired owner makes it their own.
    """
    if verdict is not None and verdict.owner:
        return verdict.owner
    if old is None or basis.heir_of(old.department) == s.department:
        return s.department
    if old.was_live:
        return old.department
    has_row = old.status is not Status.HELD or waiting.holds_row(old)
    return (
        old.department
        if has_row and basis.may_act_on(s.department, old.department)
        else s.department
    )


def _answered_twins(view: View, s: Submission) -> Facts:
    """The quarantined records of the same identity under other keys, which this row answers."""
    known: list[bytes] = []
    twins: list[bytes] = []
    for twin_key in s.twin_keys:
        stored = view.get(keys.twin(twin_key))
        if stored:
            known.append(twin_key)
            twins += [stored[at : at + 16] for at in range(0, len(stored), 16)]
    answered = b"".join(twin for twin in twins if twin != s.record_key)
    if not twins:
        return ()
    return (("twin", b"".join(known).hex()), ("twins", ""), ("answers", answered.hex()))


def _take_down(
    context: Context, s: Submission, old: RecordState | None, effect: Effect
) -> Decision:
    """Withdraw or move out: every target any version was named for must stop showing it."""
    if old is None:
        raise AssertionError("nothing to take down: the table waits for it")
    leaves = effect is Effect.LEAVE
    due = duties.of_take_down(old, context.now, context.basis, keeps_met=leaves)
    version = old.version + 1 if old.was_live else 0
    ended_on = max(old.ended_on, s.decided_on) if s.statement is Statement.EXIT else old.ended_on
    flags = RecordFlag.WAITING if old.waiting else RecordFlag.NONE
    if leaves:
        flags |= RecordFlag.AWAY
    elif s.source_version:
        flags |= RecordFlag.BY_SOURCE
    state = old._replace(
        status=Status.MOVED if leaves else Status.WITHDRAWN,
        flags=flags,
        version=version,
        changed=context.sequence,
        since=context.now,
        ended_on=ended_on,
        publish=0,
        down_at=context.sequence,
        clocks=due.clocks,
        stages=duties.named_stages(old, 0, old.named, version),
        heard=heard_of(old, s),
    )
    return Decision(
        Outcome.WITHDRAWN, state, s.reasons, withdraw=old.named, refers_to=old.live_sequence,
        events=due.events,
    )  # fmt: skip


def _with_verdict(case: Case, decision: Decision, line: LifeRule, sequence: int) -> Decision:
    """Return the verdict on a departure, for the partition of the new identity.

    Nothing where the identity stays, or while the departure waits. A departure that is refused
    does not undo one of the same move that was not.
    """
    s, old = case.s, case.old
    if decision.outcome is Outcome.HELD or line.reason in _NO_VERDICT:
        return decision
    has_left = line.effect is Effect.LEAVE or line.reason == "ALREADY_MOVED"
    if not has_left or old is None:
        return _with_refusal(case.view, s, decision)
    verdict = verdict_on(case.view, s.move_id, s.new_subject_key)
    is_leaving = line.effect is Effect.LEAVE
    before = None if is_leaving else made_by(case.view, s.record_key)
    made = before or Departure(s.move_id, sequence)
    if is_leaving or verdict is None or not verdict.has_left:
        heard = old.heard if decision.state is None else decision.state.heard
        verdict = MoveVerdict(
            LEFT if is_leaving else LEFT_BEFORE, destination_of(s.new_subject_key), s.record_key,
            s.other_key, s.cause.key, made.move_id, made.sequence, duties.met_targets(old),
            old.department, old.kind if old.was_live else "", heard,
        )  # fmt: skip
    noted = leaving(case.view, s.record_key, s.other_key, s.move_id, made)
    facts = (*verdict.named(s.move_id, s.new_subject_key), ("left_for", noted.hex()))
    return decision._replace(move=Move(s.move_id, verdict.letter), facts=decision.facts + facts)


_NO_VERDICT: Final = frozenset({"IDENTITY_UNCHANGED", "SAME_AS_HELD"})
"""Answers to a departure after which nothing is known about the move."""


def _with_refusal(view: View, s: Submission, decision: Decision) -> Decision:
    left = NO_KEY if s.is_nameless else s.record_key
    destination = destination_of(s.new_subject_key)
    verdict = MoveVerdict(REFUSED, destination, left, s.other_key, b"", NO_KEY, 0, 0, "", "", ())
    known = known_of(view, s.move_id)
    is_kept = known is not None and known.has_left
    return decision._replace(
        move=None if is_kept else Move(s.move_id, REFUSED),
        facts=decision.facts + verdict.named(s.move_id, s.new_subject_key),
    )


def _quarantine(
    context: Context, s: Submission, old: RecordState | None, *more: Reason
) -> Decision:
    """Keep it out of sight, but let the legal clock run: it is still an undisclosed decision.

    Where something else is on record, or another department owns the record, it is left unchanged.
    """
    decision = Decision(Outcome.QUARANTINED, reasons=s.reasons + more)
    if s.kind == kinds.MOVED_OUT and s.move_id != NO_KEY:
        # the row that waits for this departure must learn that it will not come
        return _with_refusal(context.view, s, decision)
    standing = standing_of(old)
    if not s.carries_row or standing not in _OPEN:
        return decision
    if standing is not Standing.NONE and (s.is_foreign or s.is_hopeless):
        return decision  # what can never be accepted changes nothing of what is there
    due = duties.of_quarantine(s, old, context.now, context.basis)
    state = _kept_aside(context, s, old, due.clocks, Status.QUARANTINED)
    facts: Facts = ()
    if due.clocks:
        facts = _noted_twin(context, s)
    return decision._replace(state=state, facts=facts, events=due.events)


_OPEN: Final = frozenset({Standing.NONE, Standing.AWAITED, Standing.QUARANTINED})
"""Standings in which a refused row is what the record has."""


def _kept_aside(
    context: Context, s: Submission, old: RecordState | None, clocks: tuple[Clock, ...],
    status: Status,
) -> RecordState:  # fmt: skip
    """The state of a record of which nothing is in force."""
    if old is None:
        return RecordState(
            status, RecordFlag.NONE, 0, ZERO_CONTENT, context.sequence, s.decided_on,
            context.sequence, context.now, 0, 0, 0, 0, NEVER, clocks, (), (), (), (), s.department,
            s.subject_kind, s.cause.key,
        )  # fmt: skip
    is_reserved = old.status is Status.QUARANTINED or waiting.holds_row(old)
    department = old.department if is_reserved or not s.carries_row else s.department
    is_news = status is not old.status or department != old.department
    is_dated = bool(s.decided_on) or old.status is not Status.QUARANTINED
    return old._replace(
        status=status,
        live_sequence=context.sequence,
        decided_on=s.decided_on if s.carries_row and is_dated else old.decided_on,
        changed=context.sequence if is_news else old.changed,
        clocks=clocks,
        department=department,
        kind=s.subject_kind if s.carries_row else old.kind,
    )


def _noted_twin(context: Context, s: Submission) -> Facts:
    """Remember the identity without its key: a good row under another key will answer it."""
    if not s.twin_keys:
        return ()
    twin_key = s.twin_keys[0]
    stored = context.view.get(keys.twin(twin_key)) or b""
    twins = [stored[at : at + 16] for at in range(0, len(stored), 16)]
    if s.record_key in twins or len(twins) >= MOST_TWINS:
        return ()
    return (("twin", twin_key.hex()), ("twins", (stored + s.record_key).hex()))


def _wait(context: Context, case: Case, reasons: tuple[Reason, ...]) -> Decision:
    """Hold a statement until its record, or its move, is known; with a clock of its own."""
    s, old, basis = case.s, case.old, context.basis
    if s.statement is None:
        raise AssertionError("only statements wait")
    count = waiting.count_of(context.view, s.department)
    held = basis.rulebook.held
    if waiting.is_full(old, s) or count >= held.most_per_department:
        refusal = Reason("TOO_MANY_HELD", "", "error")
        refused = Decision(Outcome.QUARANTINED, reasons=(*s.reasons, refusal))
        return refused if s.kind != kinds.MOVED_OUT else _with_refusal(context.view, s, refused)
    today = basis.day_of(context.now)
    until = due_at_ms(today) + held.days * _DAY_MS
    dated_on = s.decided_on if s.statement is Statement.EXIT else 0
    entry = Waiting(
        context.sequence, s.statement.value, s.submission_key, waiting.tag_of(s), s.value_hash[:8],
        s.source or waiting.NO_SOURCE, s.source_version, until, dated_on,
    )  # fmt: skip
    clocks, events = duties.Due(old.clocks if old is not None else ())
    if s.statement in CARRIES_ROW and case.standing in _OPEN:
        clocks, events = duties.of_quarantine(s, old, context.now, basis)
    if not any(c.due_at == until and c.kind == "H" for c in clocks):
        clocks += (duties.wait(until, today.toordinal()),)
    if old is None or old.status is Status.HELD:
        state = _kept_aside(context, s, old, clocks, Status.HELD)
    else:
        state = old._replace(clocks=clocks, changed=context.sequence)
    state = state._replace(
        flags=state.flags | RecordFlag.WAITING,
        waiting=(*state.waiting, entry),
        changed=context.sequence,
    )
    return Decision(
        Outcome.HELD, state, reasons,
        move=Move(s.move_id, WAITS) if s.statement is Statement.ARRIVAL else None,
        events=events, facts=((waiting.FACT, str(count + 1)),),
    )  # fmt: skip


# --- what waited ---------------------------------------------------------------------------------


def _read_waiting(context: Context, entry: Waiting, record_key: bytes) -> Submission:
    """Read a waiting statement again: rules and calendars may have changed since."""
    stored = context.view.get(keys.waiting(record_key, entry.sequence))
    if stored is None:
        raise AssertionError("a waiting statement is stored with its record")
    kept = waiting.unpack_kept(stored)
    partition = partition_of(kept.cause.key, context.basis.partitions)
    s = prepare_submission(
        kept.cause, partition, kept.department, context.now, context.basis,
        arrived_at=kept.arrived_at,
    )  # fmt: skip
    s.source_version = entry.version
    return s


def _release(
    context: Context, old: RecordState, entry: Waiting, record_key: bytes,
    verdict: MoveVerdict | None = None,
) -> Decision:  # fmt: skip
    """Decide what waited as if it arrived now."""
    s = _read_waiting(context, entry, record_key)
    keep_record(s, record_key)
    rest = waiting.without(old, entry)
    if s.has_errors:
        decision = _quarantine(context, s, rest)
    else:
        case = Case(context.view, s, rest, context.basis, verdict, entry.sequence)
        decision = _by_table(context, case)
    took_effect = decision.outcome in TOOK_EFFECT
    return _ended(
        context, s, rest, entry, decision,
        Outcome.HELD_RELEASED if took_effect else Outcome.HELD_ENDED,
    )  # fmt: skip


def _wait_is_over(
    context: Context, old: RecordState, entry: Waiting, record_key: bytes
) -> Decision:
    """End a statement whose wait was in vain."""
    s = _read_waiting(context, entry, record_key)
    keep_record(s, record_key)
    rest = waiting.without(old, entry)
    is_alone = s.statement is Statement.PERFORMANCE and standing_of(rest) in _OPEN
    if is_alone and not s.has_errors:
        s.warn("PERFORMED_WITHOUT_MADE")
        case = Case(context.view, s, rest, context.basis)
        decision = _show(context, case, Outcome.ACCEPTED)
        return _ended(context, s, rest, entry, decision, Outcome.HELD_RELEASED)
    code = "MOVE_REFUSED" if s.statement is Statement.ARRIVAL else "WAITED_TOO_LONG"
    decision = _quarantine(context, s, rest, Reason(code, "", "error"))
    if decision.state is not None:  # its duties run since it came
        decision = decision._replace(state=decision.state._replace(clocks=rest.clocks), events=())
    return _ended(context, s, rest, entry, decision, Outcome.HELD_ENDED)


def _ended(
    context: Context, s: Submission, rest: RecordState, entry: Waiting, decision: Decision,
    outcome: Outcome,
) -> Decision:  # fmt: skip
    """A ledger record of its own for what became of a waiting statement."""
    state = decision.state if decision.state is not None else rest
    state = state._replace(changed=context.sequence)
    publish, reasons = decision.publish, decision.reasons
    row = s.row or s.cause.value
    if state.flags & RecordFlag.UNSHOWN and not waiting.is_ready(state):
        state, publish, row, why = _name_targets(context, state, s)
        reasons += why
    count = max(waiting.count_of(context.view, s.department) - 1, 0)
    facts = ((waiting.FACT, str(count)), ("waited", str(entry.sequence)))
    return decision._replace(
        outcome=outcome, state=state, publish=publish, reasons=reasons, row=row,
        refers_to=entry.sequence, facts=decision.facts + facts, answers=s,
        submission_key=entry.submission_key,
    )  # fmt: skip


def _name_targets(
    context: Context, state: RecordState, last: Submission
) -> tuple[RecordState, int, bytes, tuple[Reason, ...]]:
    """All that waited has been decided, and the record is in force: now its targets are named."""
    framed = context.view.get(keys.unshown(last.record_key)) or b""
    s = read_again(last.cause, framed, state.department, state.kind, context.now, context.basis)
    shown, why = context.basis.targets_for(s, context.now)
    named = state._replace(
        flags=state.flags & ~RecordFlag.UNSHOWN,
        named=state.named | shown,
        publish=shown,
        since=context.now,
        clocks=duties.without_withdrawals(state.clocks, shown),
        stages=duties.named_stages(state, shown, 0, state.version),
    )
    return named, shown, framed, why


# --- control, platforms' outcomes, timers, sweeps ------------------------------------------------


def _of_other(context: Context, cause: Prepared) -> tuple[Decision | None, bytes]:
    """Decide a cause that is not a submission; return the decision and its record."""
    if isinstance(cause, MoveNoted):
        return _note_move(context, cause), NO_KEY
    decision: Decision | None
    if isinstance(cause, MoveArrived):
        decision = _note_arrival(context, cause)
    elif isinstance(cause, OutcomeReport):
        decision = _note_outcome(context, cause)
    elif isinstance(cause, TimerDue):
        decision = _fire_timer(context, cause)
    elif isinstance(cause, SweepStep):
        decision = _sweep_step(context, cause)
    elif isinstance(cause, WalkVisit):
        decision = _visit(context, cause)
    elif isinstance(cause, TwinAnswered):
        decision = _lift_twin(context, cause)
    else:
        return _of_partition(context, cause), NO_KEY
    return decision, cause.record_key


def _of_partition(context: Context, cause: Prepared) -> Decision:
    """Decide a cause that concerns no single record."""
    if isinstance(cause, BasisAdoption):
        return _adopt_basis(context, cause)
    if isinstance(cause, ResendRequest | RedecisionRequest):
        return _request_walk(context.basis, cause)
    if isinstance(cause, HandOver):
        return Decision(Outcome.MAP_CHANGED, facts=(("owner", cause.owner),))
    if isinstance(cause, InputLost):
        return _accept_loss(context.view, cause)
    if isinstance(cause, SweepEnd | WalkMark | LossAcceptance):
        return _SAID[type(cause)]
    if isinstance(cause, UnreadableMessage):
        reasons = (Reason(cause.why, "", "error"),)
        return Decision(Outcome.CONTROL_REFUSED, reasons=reasons)
    raise AssertionError("a cause without a rule")


_SAID: Final[dict[type, Decision]] = {
    SweepEnd: Decision(Outcome.SWEEP_ENDED, facts=(("ends_sweep", "1"),)),
    WalkMark: Decision(Outcome.WALKED, facts=(("walked", "1"),)),
    LossAcceptance: Decision(Outcome.LOSS_ACCEPTED),
}
"""Causes that are recorded unchanged."""


def _adopt_basis(context: Context, cause: BasisAdoption) -> Decision:
    """From here on this partition decides under another basis.

    A resend brings existing records in line with it; where deadlines may fall on other days, a
    sweep counts them again, and where a target is left out, it takes its number out of the records.
    """
    basis, stored = context.basis, context.view.get(keys.FREED)
    pending = int.from_bytes(stored or b"")
    refusal = numbers.refusal(basis, cause.basis, pending)
    if refusal:
        return Decision(Outcome.CONTROL_REFUSED, reasons=(Reason(refusal, "", "error"),))
    walk = walk_for(basis, cause.basis)
    facts: Facts = () if walk is None else walk.as_facts()
    if counts_otherwise(basis, cause.basis):
        facts += (("recount", "1"),)
    freed = basis.numbers & ~cause.basis.numbers
    if freed:
        facts += ((numbers.FACT, str(freed | pending)),)
    return Decision(Outcome.BASIS_ADOPTED, facts=(*facts, ("adopted", "1")))


def _accept_loss(view: View, cause: InputLost) -> Decision:
    """Go on behind inputs that are gone, if these are the very next ones."""
    stored = view.get(cause.keys[0])
    following = 0 if stored is None else int.from_bytes(stored) + 1
    if cause.first != following or cause.until <= following:
        reasons = (Reason("LOSS_UNFIT", "", "error"),)
        return Decision(Outcome.CONTROL_REFUSED, reasons=reasons)
    facts = (
        ("lost", cause.topic), ("lost_from", str(cause.first)), ("lost_until", str(cause.until)),
        ("operator", cause.operator), ("because", cause.because),
    )  # fmt: skip
    return Decision(Outcome.INPUT_LOST, facts=facts)


def _request_walk(basis: Basis, cause: ResendRequest | RedecisionRequest) -> Decision:
    """Begin a resend over the ledger up to here.

    A person asks that a target be sent its records again, or that decisions of a rule be
    decided again: at every target, by the rules in force now.
    """
    if isinstance(cause, RedecisionRequest):
        every = sum(1 << target.number for target in basis.targets)
        walk = Walk(every, days=cause.days, rule=cause.rule, kinds=cause.kinds)
        because: Facts = (("because", cause.because),) if cause.because else ()
        return Decision(Outcome.REDECISION_REQUESTED, facts=walk.as_facts() + because)
    number = basis.target_number(cause.target)
    if number == NO_TARGET:
        reasons = (Reason("TARGET_UNKNOWN", "target", "error"),)
        return Decision(Outcome.CONTROL_REFUSED, reasons=reasons)
    walk = Walk(1 << number, is_resend=True, days=cause.days, document_key=cause.document_key)
    return Decision(Outcome.RESEND_REQUESTED, facts=walk.as_facts())


def _note_move(context: Context, cause: MoveNoted) -> Decision:
    """The old identity was left, or could not be: decide the arrival that waits for it."""
    sent = cause.verdict
    before = known_of(context.view, sent.made_by) if sent.letter == LEFT_BEFORE else None
    comes = sent._replace(noted=before.noted if before is not None else context.sequence)
    verdict = settled(known_of(context.view, cause.move_id), comes)
    facts, move = verdict.as_facts(), Move(cause.move_id, verdict.letter)
    record_key = arrives_at(context.view, cause.move_id)
    old = _state_of(context.view, record_key, context.basis) if record_key is not None else None
    is_here = verdict.has_left and has_arrived(context.view, cause.move_id, verdict.to)
    told: Facts = ()
    if is_here and old is not None and old.status is Status.LIVE:
        told = word_back(verdict, cause.move_id)
    noted = Decision(Outcome.MOVE_NOTED, move=move, facts=facts + told)
    entry = waiting.arrival_by(old, cause.move_id) if old is not None else None
    if old is None or record_key is None or entry is None:
        return noted
    is_its_own = is_departure_of(_read_waiting(context, entry, record_key), verdict)
    leads_here = destination_of(old.subject_key) == verdict.destination
    if not (leads_here if is_its_own else verdict.has_left):
        return noted  # it left for another company, or what could not leave is another record
    decision = _release(context, old, entry, record_key, verdict)
    if "word_to" in dict(decision.facts):  # it arrives now, and says so itself
        told = ()
    return decision._replace(record_key=record_key, move=move, facts=decision.facts + facts + told)


def _note_arrival(context: Context, cause: MoveArrived) -> Decision:
    """A departed record has arrived: it is away no more."""
    old = _state_of(context.view, cause.record_key, context.basis)
    if old is None or not is_of_absence(context.view, cause.record_key, cause.move_id):
        return Decision(Outcome.MOVE_NOTED)
    state = old._replace(flags=old.flags & ~RecordFlag.AWAY)
    return Decision(Outcome.MOVE_NOTED, state, refers_to=old.live_sequence, version=old.version)


def _note_outcome(context: Context, cause: OutcomeReport) -> Decision:
    """A platform answered: note the stage, stop the clock it stops."""
    old = _state_of(context.view, cause.record_key, context.basis)
    report = cause.report
    if old is None:
        reasons = (*cause.reasons, Reason("RECORD_NOT_FOUND", "", "warning"))
        return Decision(Outcome.OUTCOME_NOTED, reasons=reasons)
    noted = duties.note_stage(old, report, context.now, context.basis)
    reasons = cause.reasons
    if report.stage is StageCode.PARKED:
        if duties.is_outstanding(old, report):
            reasons += (Reason("DELIVERY_PARKED", report.code[:64], "error"),)
    elif report.code:
        is_publication = report.action == "P"
        code = "REFUSED_BY_TARGET" if is_publication else "WITHDRAWAL_REFUSED_BY_TARGET"
        reasons += (Reason(code, report.code[:64], "error"),)
    if noted.state is not None and not noted.is_believed:
        reasons += (Reason("PLATFORM_TIME_DISBELIEVED", "", "warning"),)
    return Decision(
        Outcome.OUTCOME_NOTED, state=noted.state, events=noted.events, reasons=reasons,
        refers_to=old.live_sequence, version=report.version,
    )  # fmt: skip


def _fire_timer(context: Context, cause: TimerDue) -> Decision | None:
    """A statement that waited is decided, or a clock has something to say."""
    old = _state_of(context.view, cause.record_key, context.basis)
    if old is None or old.timer_at > context.now:
        return None
    if old.waiting:
        ready = waiting.next_to_decide(old)
        if ready is not None:
            return _release(context, old, ready, cause.record_key)
        over = waiting.expired(old, context.now)
        if over is not None:
            return _wait_is_over(context, old, over, cause.record_key)
    return _ring(context, old)


def _ring(context: Context, old: RecordState) -> Decision:
    """Due soon, overdue, publication expired."""
    now, basis = context.now, context.basis
    state, events, expired = duties.fire(old, now, basis)
    if expired:
        version = state.version + 1
        due = duties.of_expired(state, expired, now, basis)
        state = state._replace(
            version=version,
            changed=context.sequence,
            since=now,
            revised=duties.revisions(state, version, now, corrects=False),
            publish=state.publish & ~expired,
            clocks=due.clocks,
            stages=duties.named_stages(state, 0, expired, version),
        )
        events += due.events
    return Decision(
        _outcome_of(events, Outcome.EXPIRED if expired else None), state=state, events=events,
        withdraw=expired, refers_to=old.live_sequence,
    )  # fmt: skip


def _outcome_of(events: tuple[ClockEvent, ...], expired: Outcome | None) -> Outcome:
    """Name a ledger record of clocks by the gravest of their events."""
    names = {event.event for event in events}
    if expired is not None:
        return expired
    if "overdue" in names:
        return Outcome.OVERDUE
    if "overdue_taken_back" in names:
        return Outcome.OVERDUE_TAKEN_BACK
    if any(name.startswith("due_soon") for name in names):
        return Outcome.DUE_SOON
    return Outcome.RECOUNTED


def _sweep_step(context: Context, cause: SweepStep) -> Decision | None:
    """Count one record's running deadlines again, and forget targets the site has no more."""
    stored = context.view.get(keys.record(cause.record_key))
    if stored is None:
        return None
    old = decode_state(stored)
    state, events = duties.recount(old, context.now, context.basis)
    gone = numbers.uses(state) & ~context.basis.numbers
    if not events and not gone:
        return None
    outcome = _outcome_of(events, None) if events else Outcome.REPROJECTED
    facts = (("swept", "1"),)
    return Decision(
        outcome, state=numbers.without(state, gone), events=events, refers_to=old.live_sequence,
        facts=facts,
    )  # fmt: skip


def _lift_twin(context: Context, cause: TwinAnswered) -> Decision:
    """A good row of the same identity was accepted under another key: this one owes nothing."""
    old = _state_of(context.view, cause.record_key, context.basis)
    facts = (("lifted", "1"),)
    if old is None or old.status is not Status.QUARANTINED:
        return Decision(Outcome.DUTY_LIFTED, facts=facts)
    due = duties.lifted_at(old, -1)
    return Decision(
        Outcome.DUTY_LIFTED, old._replace(clocks=due.clocks), events=due.events,
        refers_to=cause.cause.offset, facts=facts,
    )  # fmt: skip


def _visit(context: Context, cause: WalkVisit) -> Decision | None:
    """Let a resend visit one record."""
    stored = context.view.get(cause.walk_key)
    old = _state_of(context.view, cause.record_key, context.basis)
    if stored is None or old is None or old.flags & RecordFlag.UNSHOWN:
        return None
    found = reproject(cause, Walk.unpack(stored), old, context.now, context.basis)
    if found is None:
        return None
    facts: Facts = (("walked", "1"),)
    if found.anew:
        facts += (("anew", str(found.anew)),)
    return Decision(
        found.outcome, found.state, found.reasons, found.publish, found.withdraw,
        old.live_sequence, events=found.events, row=cause.row, version=found.version, facts=facts,
    )  # fmt: skip
