"""The decision: one cause and what is known of its record in, one ledger record out.

Pure: no clock, no I/O, no chance. Every submission gets exactly one of the eight primary outcomes;
what nobody sent (due soon, overdue, expired, recounted, released) is decided here too.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from hub.core import clocks
from hub.core.basis import NO_TARGET
from hub.core.keys import MoveNote, Receipt, split_held
from hub.core.progress import FACT, Progress
from hub.core.record import (
    NO_KEY,
    ClockEvent,
    LedgerRecord,
    Move,
    Outcome,
    Reason,
)
from hub.core.resend import Walk, reproject
from hub.core.state import (
    NEVER,
    RecordFlag,
    RecordState,
    Status,
    decode_state,
    index_fields,
)
from hub.core.touches import Prepared, Verb, prepare_held
from hub.domain import kinds

if TYPE_CHECKING:
    from hub.core.basis import Basis
    from hub.core.keys import Head, View

ZERO_CONTENT = bytes(32)
NO_SEQUENCE = (1 << 64) - 1


class Decision(NamedTuple):
    """What a rule answers; `decide` turns it into a ledger record."""

    outcome: Outcome
    state: RecordState | None = None
    reasons: tuple[Reason, ...] = ()
    publish: int = 0
    withdraw: int = 0
    refers_to: int = NO_SEQUENCE
    move: Move | None = None
    events: tuple[ClockEvent, ...] = ()
    row: bytes = b""
    facts: tuple[tuple[str, str], ...] = ()
    is_repeat: bool = False
    version: int = 0


def decide(
    view: View, prepared: Prepared, head: Head, now: int, basis: Basis
) -> LedgerRecord | None:
    """Decide one cause.

    `view` holds the values of `prepared.keys`; `now` is business time in milliseconds; `head` is
    the end of the chain. Returns None only for a timer or sweep step that has nothing to say.
    """
    stored = view.get(b"r" + prepared.record_key)
    old = decode_state(stored) if stored is not None else None
    # an enum hashes in Python: the verb of nearly every cause is not looked up
    rule = _submission if prepared.verb is Verb.SUBMISSION else _RULES[prepared.verb]
    decision = rule(view, prepared, old, now, basis, head.sequence)
    if decision is None:
        return None
    state = decision.state
    if state is not None:
        state = _with_index_fields(state)
    cause = prepared.cause
    if old is not None and not cause.key:  # a timer or sweep speaks of the record's own company
        cause = cause._replace(key=old.subject_key)
    digest = b""
    if decision.outcome is Outcome.DUPLICATE or prepared.is_oversize:
        digest = sha256(cause.value).digest()
        cause = cause._replace(value=b"")
    version = decision.version or (state.version if state is not None else 0)
    return LedgerRecord(
        head.sequence, head.last_hash, now, cause, decision.outcome, decision.publish,
        decision.withdraw, prepared.record_key,
        prepared.adopts if decision.outcome is Outcome.BASIS_ADOPTED else basis.id,
        version, decision.refers_to,
        NO_KEY if decision.is_repeat else prepared.submission_key,
        old.timer_at if old is not None else NEVER,
        1 if old is not None and old.flags & RecordFlag.PROVISIONAL else 0,
        state, decision.move, prepared.department, prepared.kind, digest, decision.facts,
        decision.reasons, decision.events, decision.row,
    )  # fmt: skip


def _with_index_fields(state: RecordState) -> RecordState:
    """Fill in what the indexes are kept by: the next timer and the provisional mark."""
    timer_at, provisional = index_fields(state.clocks)
    flags = state.flags & ~RecordFlag.PROVISIONAL | provisional
    if flags == state.flags and timer_at == state.timer_at:
        return state
    return state._replace(flags=flags, timer_at=timer_at)


# --- submissions ---------------------------------------------------------------------------------


def _submission(
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision:
    """A submission: a repeat gets its first receipt, a faulty one is quarantined, else its rule."""
    stored = view.get(b"s" + prepared.submission_key)
    if stored is not None:
        first = Receipt.unpack(stored)
        if first.outcome != Outcome.QUARANTINED or first.basis == basis.id:
            return Decision(
                Outcome.DUPLICATE,
                reasons=(Reason("REPEATED_SUBMISSION", "", "warning"),),
                refers_to=first.sequence,
                is_repeat=True,
            )
    if prepared.has_errors:
        return _quarantine(prepared, old, now, basis, sequence)
    rule = _ROW_RULES.get(prepared.kind) or (_row if prepared.is_row else _withdrawal)
    return rule(view, prepared, old, now, basis, sequence)


def _quarantine(
    prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int,
    *reasons: Reason,
) -> Decision:  # fmt: skip
    """Keep it out of sight, but let the legal clock run: it is still an undisclosed decision."""
    everything = prepared.reasons + reasons
    if prepared.kind == kinds.MOVED_OUT and prepared.move_id != NO_KEY:
        # the row that waits for this departure must learn that it will not come
        return Decision(
            Outcome.QUARANTINED, reasons=everything, move=Move(prepared.move_id, "x"),
            facts=(("met", "0"),),
        )  # fmt: skip
    if not prepared.is_row or (old is not None and _is_beyond_quarantine(prepared, old, basis)):
        return Decision(Outcome.QUARANTINED, reasons=everything)
    running = clocks.quarantine_clocks(prepared, old, now, basis)
    state = RecordState(
        Status.QUARANTINED, RecordFlag.NONE, old.version if old else 0, ZERO_CONTENT, sequence,
        prepared.decided_on, prepared.source_version, old.named if old else 0, 0, NEVER,
        running, old.stages if old else (), _owner(prepared, old, basis), prepared.subject_kind,
        prepared.cause.key,
    )  # fmt: skip
    return Decision(Outcome.QUARANTINED, state=state, reasons=everything)


def _is_beyond_quarantine(prepared: Prepared, old: RecordState, basis: Basis) -> bool:
    """Whether a faulty row leaves the record as it stands: it is in use, or not the sender's."""
    if old.status in (Status.LIVE, Status.HELD, Status.MOVED):
        return True
    if _is_anothers(prepared, old, basis):
        return True
    return prepared.is_foreign and old.department != prepared.department


def _is_anothers(prepared: Prepared, old: RecordState, basis: Basis) -> bool:
    """Whether a record has an owner for whom the sender may not act.

    The owner is who put it on record, also after it was taken down, or waits for its move. A row
    that was only ever quarantined has none: a faulty row must not lock out whoever sends a good
    one. Version 1 asked of live records alone.
    """
    has_owner = old.version > 0 or old.status is Status.HELD
    return basis.decider != "1" and has_owner and _may_not_act(prepared, old, basis) is not None


def _not_yours(prepared: Prepared) -> Decision:
    reasons = (*prepared.reasons, Reason("NOT_YOUR_RECORD", "", "error"))
    return Decision(Outcome.QUARANTINED, reasons=reasons)


def _row(
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision:
    """A full row, not declared as a correction."""
    if old is not None and old.status in (Status.LIVE, Status.HELD):
        return _row_again(view, prepared, old, now, basis, sequence)
    if old is not None and _is_anothers(prepared, old, basis):
        return _not_yours(prepared)
    if old is not None and old.status is not Status.QUARANTINED and _is_older(prepared, old):
        return _superseded(old)  # a straggler must not show again what was taken down
    decision = _publish(prepared, old, now, basis, sequence, Outcome.ACCEPTED)
    if not basis.followed_by(prepared.subject_kind) or (old is not None and old.version):
        return decision
    alone = Reason("PERFORMED_WITHOUT_MADE", "", "warning")
    return decision._replace(reasons=(*decision.reasons, alone))


def _finding(
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision:
    """That a commitment was not performed: only while the ledger itself has it unperformed.

    Whoever states it may have been told late; a company must not be called a promise-breaker for
    that.
    """
    stored = view.get(b"r" + prepared.about_key)
    promise = decode_state(stored) if stored is not None else None
    if promise is None or promise.status is not Status.LIVE or promise.kind != kinds.MADE:
        closed = Reason("COMMITMENT_NOT_OPEN", "commitment_record", "error")
        return Decision(Outcome.QUARANTINED, reasons=(*prepared.reasons, closed))
    return _row(view, prepared, old, now, basis, sequence)


def _row_again(
    view: View, prepared: Prepared, old: RecordState, now: int, basis: Basis, sequence: int
) -> Decision:
    """A row whose record is live, or held.

    A kind that follows another (a commitment performed) is the next version of what that one put
    on record, and so is its own next step; what it has followed is stale when it comes again.
    """
    if old.content == prepared.content:
        return _answered_before(old, "SAME_AS_LIVE")
    is_stale = basis.followed_by(old.kind) == prepared.subject_kind
    step = _step(view, prepared, old)
    if _is_older(prepared, old) or is_stale or step < 0:
        return _superseded(old)
    follows = basis.followed_by(prepared.subject_kind) == old.kind
    if old.status is Status.LIVE and (follows or step > 0):
        if _may_not_act(prepared, old, basis) is not None:
            return _not_yours(prepared)
        return _publish(prepared, old, now, basis, sequence, Outcome.ACCEPTED)
    return Decision(
        Outcome.CONFLICTING,
        state=old._replace(flags=old.flags | RecordFlag.CONFLICT),
        reasons=(*prepared.reasons, Reason("UNDECLARED_CHANGE", "", "error")),
        refers_to=old.live_sequence,
    )


def _step(view: View, prepared: Prepared, old: RecordState) -> int:
    """Whether a row is the next step of a performance on record (1), an earlier one (-1), or 0."""
    stored = view.get(b"d" + prepared.record_key)
    if prepared.progress is None or stored is None or not old.flags & RecordFlag.PERFORMANCE:
        return 0
    return prepared.progress.against(Progress.from_text(stored.decode()))


def _answered_before(old: RecordState, code: str) -> Decision:
    """What comes in is what the record already is: a duplicate of its live version."""
    return Decision(
        Outcome.DUPLICATE,
        reasons=(Reason(code, "", "warning"),),
        refers_to=old.live_sequence,
        version=old.version,
    )


def _is_older(prepared: Prepared, old: RecordState) -> bool:
    return 0 < prepared.source_version < old.source_version


def _superseded(old: RecordState) -> Decision:
    return Decision(
        Outcome.SUPERSEDED,
        reasons=(Reason("OLDER_THAN_LIVE", "", "warning"),),
        refers_to=old.live_sequence,
        version=old.version,
    )


def _publish(
    prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int,
    outcome: Outcome, met: int = 0,
) -> Decision:  # fmt: skip
    """Make the row the live version and name the targets that shall show it.

    `met` has a bit per target whose disclosure duty an earlier identity had met: there the
    correction clock runs instead.
    """
    shown, withheld = basis.targets_for(prepared, now)
    named_before = old.named if old is not None else 0
    version = (old.version if old is not None else 0) + 1
    withdraw = 0
    if old is not None and old.status is Status.LIVE:
        withdraw = named_before & ~shown
        running = clocks.corrected_clocks(prepared, old, shown, now, basis)
        running += clocks.withdrawal_clocks(prepared.subject_kind, old, withdraw, now, basis)
    else:
        running = clocks.disclosure_clocks(prepared, old, shown, met, now, basis)
    if old is not None:
        running += clocks.unfinished_withdrawals(old, shown | withdraw)
    timer_at, flags = index_fields(running)
    facts: tuple[tuple[str, str], ...] = ()
    if prepared.progress is not None:
        flags |= RecordFlag.PERFORMANCE
        facts = ((FACT, prepared.progress.as_text()),)
    state = RecordState(
        Status.LIVE, flags, version, prepared.content, sequence, prepared.decided_on,
        prepared.source_version, named_before | shown, shown, timer_at, running,
        clocks.named_stages(old, shown, withdraw, version), _owner(prepared, old, basis),
        prepared.subject_kind, prepared.cause.key,
    )  # fmt: skip
    return Decision(
        outcome,
        state,
        prepared.reasons + withheld if withheld else prepared.reasons,
        shown,
        withdraw,
        old.live_sequence if old is not None else NO_SEQUENCE,
        facts=facts,
    )


def _owner(prepared: Prepared, old: RecordState | None, basis: Basis) -> str:
    """Whose record it is from now on: who puts it on record, and whoever acts for them leaves it.

    Version 1 gave it to the deputy, and its owner could do nothing with it any more.
    """
    if basis.decider == "1" or old is None or not old.version:
        return prepared.department
    return old.department


def _correction(  # noqa: PLR0911 - one return per way a correction can end reads best
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision:
    """A declared correction that keeps the record's identity: the next version."""
    del view
    if old is None:
        return _quarantine(
            prepared, old, now, basis, sequence, Reason("RECORD_NOT_FOUND", "", "error")
        )
    refusal = _may_not_act(prepared, old, basis)
    if refusal is not None:
        return Decision(Outcome.QUARANTINED, reasons=(*prepared.reasons, refusal))
    if old.status is Status.QUARANTINED:
        return _publish(prepared, old, now, basis, sequence, Outcome.ACCEPTED)
    if old.status is not Status.LIVE:
        return Decision(
            Outcome.QUARANTINED,
            reasons=(*prepared.reasons, Reason("RECORD_WITHDRAWN", "", "error")),
            refers_to=old.live_sequence,
        )
    if old.content == prepared.content:
        return _answered_before(old, "SAME_AS_LIVE")
    if _is_older(prepared, old):
        return _superseded(old)
    return _publish(prepared, old, now, basis, sequence, Outcome.CORRECTED)


def _may_not_act(prepared: Prepared, old: RecordState, basis: Basis) -> Reason | None:
    """Who may correct, withdraw or move whose records: the site's authority table."""
    if basis.may_act_on(prepared.department, old.department):
        return None
    return Reason("NOT_YOUR_RECORD", "", "error")


def _take_down(
    prepared: Prepared, old: RecordState | None, now: int, basis: Basis, status: Status
) -> Decision:
    """Withdraw or move out: every target any version was named for must stop showing it."""
    if old is None:
        return Decision(
            Outcome.QUARANTINED,
            reasons=(*prepared.reasons, Reason("RECORD_NOT_FOUND", "", "error")),
        )
    refusal = _may_not_act(prepared, old, basis)
    if refusal is not None:
        return Decision(Outcome.QUARANTINED, reasons=(*prepared.reasons, refusal))
    if old.status in (Status.WITHDRAWN, Status.MOVED):
        return _answered_before(old, "ALREADY_WITHDRAWN")
    version = old.version + 1
    state = old._replace(
        status=status,
        flags=RecordFlag.NONE,
        version=version,
        source_version=max(old.source_version, prepared.source_version),
        publish=0,
        clocks=clocks.withdrawal_clocks(old.kind, old, old.named, now, basis)
        + (clocks.met_clocks(old) if status is Status.MOVED else ()),
        stages=clocks.named_stages(old, 0, old.named, version),
    )
    return Decision(
        Outcome.WITHDRAWN,
        state=state,
        reasons=prepared.reasons,
        withdraw=old.named,
        refers_to=old.live_sequence,
    )


def _withdrawal(
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision:
    """A withdrawal by the department, or an exit from the court's list."""
    del view, sequence
    return _take_down(prepared, old, now, basis, Status.WITHDRAWN)


def _moved_out(
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision:
    """A record leaves its identity; the partition of the new one is told the verdict."""
    del view, sequence
    decision = _take_down(prepared, old, now, basis, Status.MOVED)
    left = decision.outcome is Outcome.WITHDRAWN
    already = (
        decision.outcome is Outcome.DUPLICATE and old is not None and old.status is Status.MOVED
    )
    met = clocks.met_targets(old) if old is not None and (left or already) else 0
    return decision._replace(
        move=Move(prepared.move_id, "o" if left or already else "x"), facts=(("met", str(met)),)
    )


def _moved_in(
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision:
    """A record arrives under its new identity; held until the old one has been left.

    What is held already is held anew, for this move: the one it waited for may never come.
    """
    if old is not None and old.status is Status.LIVE:
        return _row(view, prepared, old, now, basis, sequence)
    if old is not None and _is_anothers(prepared, old, basis):
        return _not_yours(prepared)
    stored = view.get(b"m" + prepared.move_id)
    note = MoveNote.unpack(stored) if stored is not None else None
    if note is not None and note.verdict == "o":
        return _publish(prepared, old, now, basis, sequence, Outcome.ACCEPTED, note.met)
    if note is not None and note.verdict == "x":
        return _quarantine(prepared, old, now, basis, sequence, Reason("MOVE_REFUSED", "", "error"))
    state = RecordState(
        Status.HELD, RecordFlag.NONE, old.version if old else 0, prepared.content, sequence,
        prepared.decided_on, prepared.source_version, old.named if old else 0, 0, NEVER,
        clocks.quarantine_clocks(prepared, old, now, basis), old.stages if old else (),
        prepared.department, prepared.subject_kind, prepared.cause.key,
    )  # fmt: skip
    return Decision(
        Outcome.HELD,
        state=state,
        reasons=(*prepared.reasons, Reason("WAITING_FOR_MOVE", "", "warning")),
        move=Move(prepared.move_id, "h"),
        row=prepared.row,
    )


# --- control -------------------------------------------------------------------------------------


def _adopt_basis(
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision:
    """From here on this partition decides under another basis.

    Where a target shows other kinds under it, a walk over the ledger brings the target in line.
    """
    del view, old, now, sequence
    adopted = prepared.adopted
    changed = 0
    if adopted is not None and adopted.decider != "1":  # version 1 left records as they stood
        changed = basis.changed_targets(adopted)
    facts = Walk.in_line(changed).as_facts() if changed else ()
    return Decision(Outcome.BASIS_ADOPTED, facts=facts)


def _request_resend(
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision:
    """Somebody asks that a target be told again: a walk over the ledger up to here."""
    del view, old, now, sequence
    number = basis.target_number(prepared.verdict)
    if number == NO_TARGET:
        reasons = (Reason("TARGET_UNKNOWN", "target", "error"),)
        return Decision(Outcome.CONTROL_REFUSED, reasons=reasons)
    walk = Walk.again(1 << number, prepared.days, prepared.document_key)
    return Decision(Outcome.RESEND_REQUESTED, facts=walk.as_facts())


def _change_map(
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision:
    """The last this slot writes here: from now on another owns the partition."""
    del view, old, now, basis, sequence
    return Decision(Outcome.MAP_CHANGED, facts=(("owner", prepared.verdict),))


def _note_move(
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision:
    """The old identity was left, or could not be: release what was held for it."""
    stored = view.get(b"m" + prepared.move_id)
    note = MoveNote.unpack(stored) if stored is not None else None
    facts = (("met", str(prepared.met)),)
    if note is None or note.verdict != "h" or old is None or old.status is not Status.HELD:
        is_news = note is None or (note.verdict == "x" and prepared.verdict == "o")
        verdict = prepared.verdict if note is None or is_news else note.verdict
        return Decision(Outcome.MOVE_NOTED, move=Move(prepared.move_id, verdict), facts=facts)
    waits_for, framed = split_held(view.get(b"h" + prepared.record_key) or b"")
    if prepared.verdict == "x" and waits_for != prepared.move_id:
        return Decision(Outcome.MOVE_NOTED, move=Move(prepared.move_id, "x"), facts=facts)
    released = Move(prepared.move_id, "r")
    held = prepare_held(prepared, old, framed, now, basis)
    if prepared.verdict == "x" or held.has_errors:
        missing = () if held.has_errors else (Reason("MOVE_REFUSED", "", "error"),)
        state = old._replace(status=Status.QUARANTINED, live_sequence=sequence)
        released = Move(prepared.move_id, prepared.verdict)  # the row may come again, repaired
        return Decision(
            Outcome.HELD_RELEASED, state=state, reasons=held.reasons + missing, move=released,
            refers_to=old.live_sequence, facts=facts,
        )  # fmt: skip
    decision = _publish(held, old, now, basis, sequence, Outcome.HELD_RELEASED, prepared.met)
    return decision._replace(move=released, row=held.row, facts=decision.facts + facts)


def _refuse_control(
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision:
    """A control or outcome message nobody can read: written down, nothing changed."""
    del view, old, now, basis, sequence
    return Decision(Outcome.CONTROL_REFUSED, reasons=prepared.reasons)


# --- platforms' outcomes, timers, sweeps ---------------------------------------------------------


def _note_outcome(
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision:
    """A platform answered: note the stage, stop the clock it stops."""
    del view, sequence
    report = prepared.report
    if report is None or old is None:
        return Decision(
            Outcome.OUTCOME_NOTED,
            reasons=(*prepared.reasons, Reason("RECORD_NOT_FOUND", "", "warning")),
        )
    state, events = clocks.note_stage(old, report, now, basis)
    reasons = prepared.reasons
    if report.code:
        reasons += (Reason("REFUSED_BY_TARGET", report.code[:64], "error"),)
    return Decision(
        Outcome.OUTCOME_NOTED, state=state, events=events, reasons=reasons,
        refers_to=old.live_sequence, version=report.version,
    )  # fmt: skip


def _fire_timer(
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision | None:
    """A clock has something to say: due soon, overdue, publication expired."""
    del view, prepared, sequence
    if old is None or old.timer_at > now:
        return None
    state, events, expired = clocks.fire(old, now, basis)
    if expired:
        version = state.version + 1
        state = state._replace(
            version=version,
            publish=state.publish & ~expired,
            clocks=state.clocks + clocks.withdrawal_clocks(old.kind, state, expired, now, basis),
            stages=clocks.named_stages(state, 0, expired, version),
        )
        outcome = Outcome.EXPIRED
    elif any(event.event == "overdue" for event in events):
        outcome = Outcome.OVERDUE
    elif events:
        outcome = Outcome.DUE_SOON
    else:
        outcome = Outcome.RECOUNTED
    return Decision(
        outcome, state=state, events=events, withdraw=expired, refers_to=old.live_sequence
    )


def _sweep_step(
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision | None:
    """Recount one record's provisional deadlines under the current calendar."""
    del view, prepared, now, sequence
    if old is None:
        return None
    state, events = clocks.recount(old, basis)
    if state == old:
        return None
    return Decision(Outcome.RECOUNTED, state=state, events=events, refers_to=old.live_sequence)


def _end_sweep(
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision:
    """The sweep has walked the whole index."""
    del view, prepared, old, now, basis, sequence
    return Decision(Outcome.SWEEP_ENDED)


def _reproject(
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision | None:
    """A walk over the ledger looks at one record."""
    del sequence
    stored = view.get(prepared.walk_key)
    if stored is None or old is None:
        return None
    said = reproject(prepared, Walk.unpack(stored), old, now, basis)
    if said is None:
        return None
    return Decision(
        said.outcome, said.state, said.reasons, said.publish, said.withdraw, old.live_sequence,
        row=prepared.row, version=said.version,
    )  # fmt: skip


def _walked(
    view: View, prepared: Prepared, old: RecordState | None, now: int, basis: Basis, sequence: int
) -> Decision:
    """A walk has come so far, or to its end."""
    del view, prepared, old, now, basis, sequence
    return Decision(Outcome.WALKED)


_ROW_RULES = {
    kinds.CORRECTED: _correction,
    kinds.MOVED_OUT: _moved_out,
    kinds.MOVED_IN: _moved_in,
    kinds.PERFORMANCE_MISSING: _finding,
}
"""What is said about a record; every other kind is a row, or takes the record it names down."""
_RULES = {
    Verb.SUBMISSION: _submission,
    Verb.ADOPT_BASIS: _adopt_basis,
    Verb.NOTE_MOVE: _note_move,
    Verb.CHANGE_MAP: _change_map,
    Verb.REFUSE: _refuse_control,
    Verb.NOTE_OUTCOME: _note_outcome,
    Verb.TIMER: _fire_timer,
    Verb.SWEEP: _sweep_step,
    Verb.END_SWEEP: _end_sweep,
    Verb.REQUEST_RESEND: _request_resend,
    Verb.REPROJECT: _reproject,
    Verb.WALKED: _walked,
}
