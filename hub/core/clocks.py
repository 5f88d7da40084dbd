"""The legal clocks of a record: when they start, what stops them, what they say on the way.

Disclosure: 7 working days from the decision (发改办财金〔2018〕424号). Withdrawal: 3 working days
(行政处罚法 art. 48, art. 85). Publication of a penalty ends by itself (信用修复管理办法). The
numbers come from the dated rulebook, the days from the calendar; nothing here knows either.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from hub.core.record import ClockEvent
from hub.core.state import Clock, ClockFlag, ClockKind, Stage, StageCode, Status

if TYPE_CHECKING:
    from hub.core.basis import Basis
    from hub.core.state import RecordState
    from hub.core.touches import Prepared, StageReport

_RANK = {
    StageCode.SENT: 1,
    StageCode.ACKNOWLEDGED: 2,
    StageCode.REFUSED: 3,  # a platform may take a record in and refuse it later
    StageCode.PUBLISHED: 4,
    StageCode.WITHDRAWN: 4,
}
_KEPT_MARKS = ClockFlag.SOON_3_WRITTEN | ClockFlag.SOON_1_WRITTEN | ClockFlag.OVERDUE_WRITTEN


def targets_in(bits: int) -> list[int]:
    """The target numbers whose bit is set, ascending."""
    return [n for n in range(bits.bit_length()) if bits >> n & 1]


def disclosure_clocks(
    prepared: Prepared, old: RecordState | None, shown: int, met: int, now: int, basis: Basis
) -> tuple[Clock, ...]:
    """The clocks of a newly accepted row, counted from its decision date.

    A row that waited in quarantine keeps what was already said about the same due date.
    """
    running = basis.clocks_from_decision(prepared.subject_kind, prepared.decided_on, shown & ~met)
    if met:
        running += basis.correction_clocks(prepared.subject_kind, shown & met, now)
    if old is not None and old.clocks:
        said = {(c.target, c.kind, c.due_at): c.flags & _KEPT_MARKS for c in old.clocks}
        running = tuple(
            c._replace(flags=c.flags | said.get((c.target, c.kind, c.due_at), ClockFlag.NONE))
            for c in running
        )
    ends = basis.expiry_clocks(prepared, shown)
    return running + ends if ends else running


def corrected_clocks(
    prepared: Prepared, old: RecordState, shown: int, now: int, basis: Basis
) -> tuple[Clock, ...]:
    """A new version inherits an unmet deadline; where it was met, the correction clock runs."""
    unmet = {c.target: c for c in old.clocks if c.kind is ClockKind.DISCLOSE and c.is_running}
    kept = tuple(unmet[n] for n in targets_in(shown) if n in unmet)
    fresh = sum(1 << n for n in targets_in(shown) if n not in unmet)
    return (
        kept
        + basis.correction_clocks(prepared.subject_kind, fresh, now)
        + basis.expiry_clocks(prepared, shown)
    )


def quarantine_clocks(
    prepared: Prepared, old: RecordState | None, now: int, basis: Basis
) -> tuple[Clock, ...]:
    """A row nobody may see is still an undisclosed decision: its clocks run all the same.

    Without a readable decision date they start at the first arrival and are marked estimated.
    """
    left = unfinished_withdrawals(old, 0)
    if old is not None and len(left) < len(old.clocks) and not prepared.decided_on:
        return old.clocks
    every = basis.targets_of_kind(prepared.subject_kind)
    if prepared.decided_on:
        return disclosure_clocks(prepared, old, every, 0, now, basis) + left
    arrived = basis.day_of(now).toordinal()
    clocks = basis.clocks_from_decision(prepared.subject_kind, arrived, every)
    return tuple(c._replace(flags=c.flags | ClockFlag.ESTIMATED) for c in clocks) + left


def unfinished_withdrawals(old: RecordState | None, besides: int) -> tuple[Clock, ...]:
    """Withdrawals still owed at targets other than `besides`: nothing that arrives ends them."""
    if old is None:
        return ()
    return tuple(
        c
        for c in old.clocks
        if c.kind is ClockKind.WITHDRAW and c.is_running and not besides >> c.target & 1
    )


def withdrawal_clocks(
    kind: str, old: RecordState, targets: int, now: int, basis: Basis
) -> tuple[Clock, ...]:
    """One withdrawal clock per target that must stop showing the record.

    Where a withdrawal is owed already, its deadline stays: naming it again postpones nothing.
    """
    owed = {c.target: c for c in unfinished_withdrawals(old, 0)}
    fresh = basis.withdrawal_clocks(kind, targets, now)
    return tuple(owed.get(c.target, c) for c in fresh)


def named_stages(
    old: RecordState | None, publish: int, withdraw: int, version: int
) -> tuple[Stage, ...]:
    """What each target is now expected to do; targets not named keep what they reported."""
    kept = tuple(
        s
        for s in (old.stages if old is not None else ())
        if not (publish | withdraw) >> s.target & 1
    )
    fresh = [Stage(n, version, "P", StageCode.NAMED, 0, 0) for n in targets_in(publish)]
    fresh += [Stage(n, version, "W", StageCode.NAMED, 0, 0) for n in targets_in(withdraw)]
    return kept + tuple(fresh)


@lru_cache(maxsize=1024)
def _first_stages(publish: int) -> tuple[Stage, ...]:
    """The stages of a record's first version: the same for every new record of these targets."""
    return tuple(Stage(n, 1, "P", StageCode.NAMED, 0, 0) for n in targets_in(publish))


def met_targets(old: RecordState) -> int:
    """Bit per target whose first disclosure has been met."""
    bits = 0
    for clock in met_clocks(old):
        bits |= 1 << clock.target
    return bits


def met_clocks(old: RecordState) -> tuple[Clock, ...]:
    """The clocks of first disclosures that were met, stopped.

    A correction clock that still runs says so too: it was begun because the first was met. A
    record that has moved keeps them, so that the move can be told once more.
    """
    return tuple(
        clock._replace(flags=clock.flags | ClockFlag.STOPPED)
        for clock in old.clocks
        if clock.kind is ClockKind.DISCLOSE
        and (not clock.is_running or clock.flags & ClockFlag.CORRECTION)
    )


def note_stage(
    old: RecordState, report: StageReport, now: int, basis: Basis
) -> tuple[RecordState | None, tuple[ClockEvent, ...]]:
    """Put a platform's report into the record; None when it says nothing new.

    On time is judged by the platform's own time: overdue may be followed by *in time, learned
    late*.
    """
    expected = next((s for s in old.stages if s.target == report.target), None)
    if (
        expected is not None
        and expected.action == report.action == "P"
        and report.version < expected.version
    ):
        return _note_earlier(old, report, now, basis)
    if (
        expected is None
        or (expected.version, expected.action) != (report.version, report.action)
        or not _is_news(expected.stage, report)
    ):
        return None, ()
    reached = Stage(
        report.target, report.version, report.action, report.stage, report.at, report.platform_at
    )
    stages = tuple(reached if s is expected else s for s in old.stages)
    events: list[ClockEvent] = []
    if reached.stage is StageCode.REFUSED:
        clocks = tuple(_reopen(clock, reached, events) for clock in old.clocks)
        return old._replace(stages=stages, clocks=clocks), tuple(events)
    clocks = tuple(_stop(clock, reached, old, basis, events) for clock in old.clocks)
    return old._replace(stages=stages, clocks=clocks), tuple(events)


def _is_news(reached: StageCode, report: StageReport) -> bool:
    """Whether a report goes beyond what is known.

    What was sent once more may end better than before; a platform that will not take twice what it
    has taken does not undo that it took it.
    """
    if report.is_again and report.stage is StageCode.REFUSED:
        return reached in (StageCode.NAMED, StageCode.SENT)
    if report.is_again and reached is StageCode.REFUSED:
        return True
    return _RANK.get(reached, 0) < _RANK[report.stage]


def _note_earlier(
    old: RecordState, report: StageReport, now: int, basis: Basis
) -> tuple[RecordState | None, tuple[ClockEvent, ...]]:
    """An earlier version met the duty of disclosure, and that is learned after the correction.

    The inherited clock stops by the platform's time; what is left is the correction's own clock.
    """
    reached = Stage(
        report.target, report.version, report.action, report.stage, report.at, report.platform_at
    )
    events: list[ClockEvent] = []
    clocks: list[Clock] = []
    for clock in old.clocks:
        is_inherited = not clock.flags & ClockFlag.CORRECTION
        stopped = _stop(clock, reached, old, basis, events) if is_inherited else clock
        if stopped is clock:
            clocks.append(clock)
        else:  # a target has one clock of disclosure: the correction's takes its place
            clocks += basis.correction_clocks(old.kind, 1 << report.target, now)
    if not events:
        return None, ()
    return old._replace(clocks=tuple(clocks)), tuple(events)


def _reopen(clock: Clock, reached: Stage, events: list[ClockEvent]) -> Clock:
    """A platform that acknowledged and then refused has not taken the record over: time runs on."""
    if (
        clock.target != reached.target
        or clock.is_running
        or clock.kind is not ClockKind.DISCLOSE
        or reached.action != "P"
    ):
        return clock
    event = "reopened_late" if clock.flags & ClockFlag.LATE else "reopened"
    events.append(ClockEvent(clock.target, clock.kind, event))
    return clock._replace(flags=clock.flags & ~(ClockFlag.STOPPED | ClockFlag.LATE))


def _stop(
    clock: Clock, reached: Stage, old: RecordState, basis: Basis, events: list[ClockEvent]
) -> Clock:
    """Stop the clock when the stage is the one it waits for."""
    if clock.target != reached.target or not clock.is_running:
        return clock
    if clock.kind is ClockKind.DISCLOSE and old.status is Status.QUARANTINED:
        return clock
    if clock.kind is ClockKind.DISCLOSE and reached.action == "P":
        done = reached.stage is StageCode.PUBLISHED or (
            reached.stage is StageCode.ACKNOWLEDGED and basis.stops_at_acknowledged(clock.target)
        )
    else:
        done = clock.kind is ClockKind.WITHDRAW and reached.stage is StageCode.WITHDRAWN
    if not done:
        return clock
    late = reached.platform_at > clock.due_at
    event = "stopped_late" if late else "stopped_in_time"
    if not late and clock.flags & ClockFlag.OVERDUE_WRITTEN:
        event = "in_time_learned_late"
    events.append(ClockEvent(clock.target, clock.kind, event))
    return clock._replace(
        flags=clock.flags | ClockFlag.STOPPED | (ClockFlag.LATE if late else ClockFlag.NONE)
    )


def fire(
    old: RecordState, now: int, basis: Basis
) -> tuple[RecordState, tuple[ClockEvent, ...], int]:
    """Say what the clocks have to say at `now`; third: targets whose publication has ended.

    A provisional due date is counted again before anything is said about it.
    """
    recounted, changes = recount(old, basis)
    events: list[ClockEvent] = list(changes)
    expired = 0
    clocks = []
    for clock in recounted.clocks:
        rung = clock
        if clock.kind is not ClockKind.EXPIRE and clock.next_mark() <= now and clock.due_at <= now:
            # what is overdue is not "due soon" any more: a row that arrives late says it once
            rung = clock._replace(
                flags=clock.flags | ClockFlag.SOON_3_WRITTEN | ClockFlag.SOON_1_WRITTEN
            )
        while rung.next_mark() <= now:
            rung, event = _ring(rung)
            events.append(event)
        if rung.kind is ClockKind.EXPIRE and not rung.is_running and clock.is_running:
            expired |= 1 << clock.target
        clocks.append(rung)
    return recounted._replace(clocks=tuple(clocks)), tuple(events), expired & old.publish


def _ring(clock: Clock) -> tuple[Clock, ClockEvent]:
    """Take the clock past its next mark."""
    if clock.kind is ClockKind.EXPIRE:
        flag, event = ClockFlag.STOPPED, "expired"
    elif not clock.flags & ClockFlag.SOON_3_WRITTEN:
        flag, event = ClockFlag.SOON_3_WRITTEN, "due_soon_3"
    elif not clock.flags & ClockFlag.SOON_1_WRITTEN:
        flag, event = ClockFlag.SOON_1_WRITTEN, "due_soon_1"
    else:
        flag, event = ClockFlag.OVERDUE_WRITTEN, "overdue"
    return clock._replace(flags=clock.flags | flag), ClockEvent(clock.target, clock.kind, event)


def recount(old: RecordState, basis: Basis) -> tuple[RecordState, tuple[ClockEvent, ...]]:
    """Count provisional due dates again under the current calendar."""
    events = []
    clocks = []
    for clock in old.clocks:
        fresh = clock
        if clock.flags & ClockFlag.PROVISIONAL and clock.is_running:
            fresh = basis.counted_again(clock, old.kind)
            if fresh != clock:
                moved = fresh.due_at != clock.due_at
                event = "due_date_moved" if moved else "due_date_confirmed"
                events.append(ClockEvent(clock.target, clock.kind, event))
        clocks.append(fresh)
    if not events:
        return old, ()
    return old._replace(clocks=tuple(clocks)), tuple(events)
