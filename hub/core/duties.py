"""Duties: what is owed where, counted from which fact, until when, and how it ended.

A duty is a clock of a record at one target. Disclosure: 7 working days from the decision
(发改办财金〔2018〕424号). Withdrawal: 3 working days (行政处罚法 art. 48, art. 85). Publication of
a penalty ends by itself (信用修复管理办法). The numbers come from the dated rulebook, the days
from the calendar; nothing here knows either. A duty ends met, missed (then met late), or lifted.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from hub.core.record import ClockEvent
from hub.core.state import (
    NO_TARGET,
    Clock,
    ClockFlag,
    ClockKind,
    RecordState,
    Revision,
    Stage,
    StageCode,
    Status,
)
from hub.domain.dates import day_start_ms, due_at_ms

if TYPE_CHECKING:
    from hub.core.basis import Basis, BasisTarget
    from hub.core.causes import StageReport, Submission

    Clocks = tuple[Clock, ...]
    Events = tuple[ClockEvent, ...]

_RANK: Final = {
    StageCode.SENT: 1,
    StageCode.ACKNOWLEDGED: 2,
    StageCode.REFUSED: 3,  # a platform may take a record in and refuse it later
    StageCode.PUBLISHED: 4,
    StageCode.WITHDRAWN: 4,
}
_OUTSTANDING: Final = (StageCode.NAMED, StageCode.SENT, StageCode.ACKNOWLEDGED)
_RULES: Final[dict[ClockKind, Literal["disclose", "withdraw"]]] = {
    ClockKind.DISCLOSE: "disclose",
    ClockKind.WITHDRAW: "withdraw",
}
_LEGAL: Final = frozenset({ClockKind.DISCLOSE, ClockKind.WITHDRAW})
_SKEW_MS: Final = 300_000
MOST_REVISIONS: Final = 8
"""Versions of which it is remembered when they began."""


class Due(NamedTuple):
    """The clocks of a record after a decision, and what is said of those that ended."""

    clocks: Clocks
    events: Events = ()


def targets_in(bits: int) -> list[int]:
    """The target numbers whose bit is set, ascending."""
    return [n for n in range(bits.bit_length()) if bits >> n & 1]


# --- what is owed --------------------------------------------------------------------------------


def from_decision(basis: Basis, kind: str, decided_on: int, targets: int) -> Clocks:
    """Disclosure of a decision at these targets; kept by decision date."""
    case = (kind, decided_on, targets)
    found = basis.clocks.get(case)
    if found is None:
        found = tuple(
            clock
            for t in basis.targets
            if targets >> t.number & 1 and decided_on >= t.clock_from
            for clock in _clock(basis, t, ClockKind.DISCLOSE, kind, decided_on)
        )
        basis.remember_clocks(case, found)
    return found


def correction(basis: Basis, kind: str, targets: int, day: int, version: int) -> Clocks:
    """The new content of a version at these targets, counted from a day (proleptic ordinal)."""
    return tuple(
        clock._replace(began_with=version)
        for t in basis.targets
        if targets >> t.number & 1
        for clock in _clock(basis, t, ClockKind.DISCLOSE, kind, day, is_correction=True)
    )


def withdrawal(basis: Basis, kind: str, old: RecordState, targets: int, now: int) -> Clocks:
    """One per target that must stop showing the record, counted from today.

    Where a withdrawal is owed already, its deadline stays: naming it again postpones nothing.
    """
    owed = {c.target: c for c in unfinished_withdrawals(old, 0)}
    day, version = basis.day_of(now).toordinal(), old.version + 1
    return tuple(
        owed.get(t.number, clock._replace(began_with=version))
        for t in basis.targets
        if targets >> t.number & 1
        for clock in _clock(basis, t, ClockKind.WITHDRAW, kind, day)
    )


def expiry(basis: Basis, s: Submission, shown: int) -> Clocks:
    """When publication ends by itself, where the rule says that it ends."""
    end = basis.publication_end(s)
    if end is None:
        return ()
    at = due_at_ms(end.on)
    return tuple(
        Clock(t.number, ClockKind.EXPIRE, ClockFlag.NONE, 0, at, at, s.decided_on)
        for t in basis.targets
        if shown >> t.number & 1 and (t.is_public or end.is_everywhere)
    )


def over(basis: Basis, s: Submission, targets: int, now: int) -> Due:
    """Of these targets, where the rules end publication and its end has come: it has ended."""
    ended = tuple(
        c._replace(flags=ClockFlag.STOPPED) for c in expiry(basis, s, targets) if c.due_at <= now
    )
    return Due(ended, tuple(ClockEvent(c.target, c.kind, "expired") for c in ended))


def ended_publications(old: RecordState) -> int:
    """Bit per target where publication has ended by itself."""
    return targets_of(_publications_ended(old, 0))


def _publications_ended(old: RecordState, besides: int) -> Clocks:
    """Ends of publication that have come, at other targets than `besides`."""
    return tuple(
        c
        for c in old.clocks
        if c.kind is ClockKind.EXPIRE and not c.is_running and not besides >> c.target & 1
    )


def wait(until: int, day: int) -> Clock:
    """How long a statement waits; `day` is that of its arrival."""
    return Clock(NO_TARGET, ClockKind.WAIT, ClockFlag.NONE, 0, until, until, day)


def _clock(
    basis: Basis, target: BasisTarget, clock: ClockKind, kind: str, start: int,
    *, is_correction: bool = False,
) -> Clocks:  # fmt: skip
    rule: Literal["disclose", "correct", "withdraw"] = "correct" if is_correction else _RULES[clock]
    due = basis.deadlines.due(rule, kind, target.role, date.fromordinal(start))
    if due is None:
        return ()
    flags = ClockFlag.PROVISIONAL if due.provisional else ClockFlag.NONE
    if is_correction:
        flags |= ClockFlag.CORRECTION
    marks = _marks(basis, due.due_at_ms)
    first = marks[0][1] if marks else due.due_at_ms
    return (Clock(target.number, clock, flags, 0, due.due_at_ms, first, start),)


def _marks(basis: Basis, due_at: int) -> tuple[tuple[int, int], ...]:
    """(working days left, the moment to say so), earliest first."""
    due_on = basis.day_of(due_at - 1)
    return tuple((n, due_at_ms(on)) for n, on in basis.deadlines.due_soon_marks(due_on))


# --- after a decision ----------------------------------------------------------------------------


def of_first_version(
    s: Submission, old: RecordState | None, shown: int, met: int, now: int, basis: Basis
) -> Due:
    """A row that was not in force: counted from its decision date.

    `met` has a bit per target whose disclosure an earlier identity had met: there the time of a
    correction runs instead. An earlier event about the same due date is not taken back.
    """
    kind = s.subject_kind
    version = old.version + 1 if old is not None else 1
    decided_on = s.decided_on or basis.day_of(now).toordinal()
    running = _begun(from_decision(basis, kind, decided_on, shown & ~met), version)
    if not s.decided_on:
        running = _estimated(running, old)
    if met:
        running += correction(basis, kind, shown & met, basis.day_of(now).toordinal(), version)
    ends = expiry(basis, s, shown)
    if old is None:
        return Due(running + ends if ends else running)
    running, events = _said_before(running, old, now, basis)
    _ended, lifted = _lift(old, ~shown)
    after = _beside_what_is_left(running + ends, old, shown)
    return Due(after.clocks, events + lifted)


def of_next_version(
    s: Submission, old: RecordState, shown: int, withdraw: int, now: int, basis: Basis
) -> Due:
    """A new version of what is in force.

    Unmet disclosure goes on; where it was met, the correction has its own time; a target that is
    named for the first time, or where disclosure was lifted, counts from the decision, or from the
    day on which the authority decided again.
    """
    kind, version, today = s.subject_kind, old.version + 1, basis.day_of(now).toordinal()
    known = {c.target: c for c in old.clocks if c.kind is ClockKind.DISCLOSE}
    kept = tuple(known[n] for n in targets_in(shown) if n in known and known[n].is_running)
    decided_on = s.redetermined_on or s.decided_on or today
    running = (
        kept
        + of_naming(old, kind, shown & ~targets_of(kept), decided_on, version, now, basis)
        + expiry(basis, s, shown)
        + withdrawal(basis, kind, old, withdraw, now)
    )
    ended, events = _lift(old, ~shown)
    after = _beside_what_is_left(running + ended, old, shown | withdraw)
    return Due(after.clocks, events)


def of_naming(
    old: RecordState, kind: str, fresh: int, decided_on: int, version: int, now: int, basis: Basis,
    *, late: int = 0,
) -> Clocks:  # fmt: skip
    """Return duties at targets of a record in force where no disclosure runs.

    The first disclosure where a target is named for the first time, or where it was lifted before
    it was met; else the time of a correction. At targets of `late` disclosure was impossible before
    today: there the first disclosure counts from today, unless the decision is too old to owe any.
    """
    lifted = targets_of(
        tuple(
            c
            for c in old.clocks
            if c.kind is ClockKind.DISCLOSE
            and c.flags & (ClockFlag.LIFTED | ClockFlag.CORRECTION) == ClockFlag.LIFTED
        )
    )
    first = fresh & (~old.named | lifted)
    today = basis.day_of(now).toordinal()
    from_today = first & late
    if from_today:
        from_today &= sum(1 << t.number for t in basis.targets if decided_on >= t.clock_from)
    return (
        _begun(from_decision(basis, kind, decided_on, first & ~late), version)
        + _begun(from_decision(basis, kind, today, from_today), version)
        + correction(basis, kind, fresh & ~first, today, version)
    )


def _begun(clocks: Clocks, version: int) -> Clocks:
    """Clocks that begin with a later version than the first."""
    if version == 1:
        return clocks
    return tuple(c._replace(began_with=version) for c in clocks)


def of_restoration(s: Submission, old: RecordState, shown: int, now: int, basis: Basis) -> Due:
    """Show a record again that was taken down: from today its targets have a correction's time.

    A target that is named for the first time counts from the decision, as by a correction. One that
    was named and is not now keeps a lifted correction: named again, it owes no first disclosure,
    whether under this identity or the next.
    """
    kind, version, today = s.subject_kind, old.version + 1, basis.day_of(now).toordinal()
    first = from_decision(basis, kind, s.decided_on or today, shown & ~old.named)
    withheld = tuple(map(_lifted, correction(basis, kind, old.named & ~shown, today, version)))
    running = (
        correction(basis, kind, shown & old.named, today, version)
        + withheld
        + _begun(first, version)
        + expiry(basis, s, shown)
    )
    return _beside_what_is_left(running, old, shown)


def of_take_down(old: RecordState, now: int, basis: Basis, *, keeps_met: bool) -> Due:
    """Nothing is owed any more but the withdrawal at every target ever named.

    A record that leaves for another identity keeps what it met, so that the move can be resent.
    """
    _ended, events = _lift(old, -1)
    clocks = withdrawal(basis, old.kind, old, old.named, now) + waits(old)
    return Due(clocks + met_clocks(old) if keeps_met else clocks, events)


def of_narrowed(
    old: RecordState, publish: int, withdraw: int, fresh: Clocks, now: int, basis: Basis
) -> Due:
    """Some targets show the record from now on (with `fresh` clocks), some no longer."""
    touched = publish | withdraw
    ended, events = _lift(old, withdraw)
    kept = tuple(c for c in old.clocks if c.target == NO_TARGET or not touched >> c.target & 1)
    return Due(kept + ended + fresh + withdrawal(basis, old.kind, old, withdraw, now), events)


def of_expired(old: RecordState, targets: int, now: int, basis: Basis) -> Due:
    """Publication has ended at these targets: they take the record down."""
    ended, events = _lift(old, targets)
    kept = tuple(
        c
        for c in old.clocks
        if c.kind is not ClockKind.DISCLOSE or c.target == NO_TARGET or not targets >> c.target & 1
    )
    return Due(kept + ended + withdrawal(basis, old.kind, old, targets, now), events)


def of_quarantine(s: Submission, old: RecordState | None, now: int, basis: Basis) -> Due:
    """Run the clocks of a hidden row: it is still an undisclosed decision.

    Without a readable decision date they start at the first arrival and are marked estimated. What
    can never be accepted owes nothing.
    """
    kept = old.clocks if old is not None else ()
    if s.is_hopeless:
        return Due(kept)
    left = tuple(c for c in kept if c.kind is not ClockKind.DISCLOSE)
    owes_already = len(left) < len(kept)
    if owes_already and not s.decided_on:
        return Due(kept)
    every = basis.targets_of_kind(s.subject_kind)
    if s.decided_on:
        fresh = from_decision(basis, s.subject_kind, s.decided_on, every)
    else:
        arrived = basis.day_of(now).toordinal()
        fresh = _estimated(from_decision(basis, s.subject_kind, arrived, every), None)
    events: Events = ()
    if old is not None:
        fresh, events = _said_before(fresh, old, now, basis)
    left = tuple(c for c in left if c.kind is not ClockKind.EXPIRE)
    return Due(fresh + left if left else fresh, events)


def lifted_at(old: RecordState, targets: int) -> Due:
    """The running disclosures at these targets are lifted (-1: at all of them)."""
    _ended, events = _lift(old, targets)
    kept = tuple(
        c
        for c in old.clocks
        if c.kind is not ClockKind.DISCLOSE or not c.is_running or not targets >> c.target & 1
    )
    return Due(kept, events)


def owes_disclosure(old: RecordState) -> bool:
    """Whether a disclosure of the record still runs."""
    return any(c.kind is ClockKind.DISCLOSE and c.is_running for c in old.clocks)


def waits(old: RecordState | None) -> Clocks:
    """The clocks of statements that wait."""
    if old is None or not old.waiting:
        return ()
    return tuple(c for c in old.clocks if c.kind is ClockKind.WAIT)


def unfinished_withdrawals(old: RecordState | None, besides: int) -> Clocks:
    """Withdrawals still owed at targets other than `besides`: nothing that arrives ends them."""
    if old is None:
        return ()
    return tuple(
        c
        for c in old.clocks
        if c.kind is ClockKind.WITHDRAW and c.is_running and not besides >> c.target & 1
    )


def with_withdrawals(clocks: Clocks, old: RecordState) -> Clocks:
    """With all withdrawals still owed: while nothing is named, nothing ends them."""
    return clocks + tuple(c for c in unfinished_withdrawals(old, 0) if c not in clocks)


def without_withdrawals(clocks: Clocks, targets: int) -> Clocks:
    """Without the withdrawals at targets that are named to show the record."""
    return tuple(
        c
        for c in clocks
        if c.kind is not ClockKind.WITHDRAW or c.target == NO_TARGET or not targets >> c.target & 1
    )


def met_targets(old: RecordState) -> int:
    """Bit per target whose first disclosure has been met."""
    return targets_of(met_clocks(old))


def met_clocks(old: RecordState) -> Clocks:
    """The clocks of first disclosures that were met, stopped.

    A correction clock says so too, running or lifted: it was begun because the first was met.
    """
    return tuple(
        clock._replace(flags=clock.flags | ClockFlag.STOPPED)
        for clock in old.clocks
        if clock.kind is ClockKind.DISCLOSE
        and (
            clock.flags & ClockFlag.CORRECTION
            or clock.flags & (ClockFlag.STOPPED | ClockFlag.LIFTED) == ClockFlag.STOPPED
        )
    )


def running_disclosures(old: RecordState, targets: int) -> Clocks:
    """The disclosures that run at these targets."""
    return tuple(
        c
        for c in old.clocks
        if c.kind is ClockKind.DISCLOSE and c.is_running and targets >> c.target & 1
    )


def targets_of(clocks: Clocks) -> int:
    """Bit per target of these clocks."""
    bits = 0
    for clock in clocks:
        bits |= 1 << clock.target
    return bits


def _estimated(clocks: Clocks, old: RecordState | None) -> Clocks:
    """Marked as counted from arrival; what was estimated at the first arrival stays."""
    if old is not None:
        known = {c.target: c for c in old.clocks if c.flags & ClockFlag.ESTIMATED and c.is_running}
        clocks = tuple(known.get(c.target, c) for c in clocks)
    return tuple(c._replace(flags=c.flags | ClockFlag.ESTIMATED) for c in clocks)


def _said_before(clocks: Clocks, old: RecordState, now: int, basis: Basis) -> tuple[Clocks, Events]:
    """The same duty under another date: what was said of it stays said where it has passed.

    An *overdue* whose new date lies ahead is taken back; marks that lie ahead are said again.
    """
    said = {c.target: c for c in old.clocks if c.kind is ClockKind.DISCLOSE and c.is_running}
    if not said:
        return clocks, ()
    events: list[ClockEvent] = []
    kept = []
    for clock in clocks:
        before = said.get(clock.target)
        if before is not None and clock.kind is ClockKind.DISCLOSE:
            clock = _goes_on(clock, before, now, basis, events)  # noqa: PLW2901 - the same duty
        kept.append(clock)
    return tuple(kept), tuple(events)


def _goes_on(
    clock: Clock, before: Clock, now: int, basis: Basis, events: list[ClockEvent]
) -> Clock:
    """A clock with what was said of its duty before."""
    marks = _marks(basis, clock.due_at)
    said = min(before.said, sum(1 for _n, at in marks if at <= now))
    flags = clock.flags
    if before.flags & ClockFlag.OVERDUE_WRITTEN:
        if clock.due_at <= now:
            flags |= ClockFlag.OVERDUE_WRITTEN
        else:
            events.append(ClockEvent(clock.target, clock.kind, "overdue_taken_back"))
    return clock._replace(
        flags=flags, said=said, next_at=_next(marks, said, clock.due_at),
        began_with=min(clock.began_with, before.began_with),
    )  # fmt: skip


def _beside_what_is_left(running: Clocks, old: RecordState, settled: int) -> Due:
    """With what is owed or has ended at other targets, and the statements that wait."""
    left = unfinished_withdrawals(old, settled) + _publications_ended(old, settled) + waits(old)
    return Due(running + left if left else running)


def _lifted(clock: Clock) -> Clock:
    """The duty, ended without being met."""
    return clock._replace(flags=clock.flags | ClockFlag.STOPPED | ClockFlag.LIFTED)


def _lift(old: RecordState, targets: int) -> tuple[Clocks, Events]:
    """The running disclosures at these targets, ended without being met."""
    ended = tuple(
        _lifted(c)
        for c in old.clocks
        if c.kind is ClockKind.DISCLOSE and c.is_running and targets >> c.target & 1
    )
    met = tuple(
        c
        for c in old.clocks
        if c.kind is ClockKind.DISCLOSE and not c.is_running and targets >> c.target & 1
    )
    return ended + met, tuple(ClockEvent(c.target, c.kind, "lifted") for c in ended)


# --- what targets are named for ------------------------------------------------------------------


def named_stages(
    old: RecordState | None, publish: int, withdraw: int, version: int
) -> tuple[Stage, ...]:
    """Return the expected stage of each target; targets not named keep what they reported."""
    if old is None and not withdraw and version == 1:
        return _first_stages(publish)
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


# --- what platforms report -----------------------------------------------------------------------


class ReportEffect(NamedTuple):
    """Effect of a report: None for a state means nothing new."""

    state: RecordState | None
    events: Events = ()
    is_believed: bool = True
    """Whether the platform's time could be believed."""


def note_stage(old: RecordState, report: StageReport, now: int, basis: Basis) -> ReportEffect:
    """Put a platform's report into the record.

    On time is judged by the platform's own time, as far as it can be believed: not before the
    version was named, nor after now. Overdue may be followed by *in time, learned late*. What is
    parked has come no further, and owes what it owed.
    """
    if report.stage is StageCode.PARKED:
        return ReportEffect(None)
    expected = next((s for s in old.stages if s.target == report.target), None)
    if (
        expected is not None
        and expected.action == report.action == "P"
        and report.version < expected.version
    ):
        return _note_earlier(old, report, now, basis)
    if (
        expected is not None
        and expected.action == report.action == "W"
        and report.version < expected.version
    ):
        return _note_earlier_withdrawal(old, report, now, basis)
    if (
        expected is None
        or (expected.version, expected.action) != (report.version, report.action)
        or not _is_news(expected, report)
    ):
        return ReportEffect(None)
    named_at = old.since if report.version == old.version else _begins(old, report)
    at, is_believed = _believed(report, named_at, now)
    reached = Stage(report.target, report.version, report.action, report.stage, report.at, at)
    stages = tuple(reached if s is expected else s for s in old.stages)
    events: list[ClockEvent] = []
    if reached.stage is StageCode.REFUSED:
        clocks = tuple(_reopen(clock, reached, old, now, basis, events) for clock in old.clocks)
    else:
        clocks = tuple(_stop(clock, reached, old, basis, events) for clock in old.clocks)
    return ReportEffect(old._replace(stages=stages, clocks=clocks), tuple(events), is_believed)


def is_outstanding(old: RecordState, report: StageReport) -> bool:
    """Whether a report is about what the target was named for last, and has not answered yet.

    A repeated delivery is outstanding, regardless of earlier answers.
    """
    return any(
        (s.target, s.version, s.action) == (report.target, report.version, report.action)
        and (report.is_again or s.stage in _OUTSTANDING)
        for s in old.stages
    )


def _believed(report: StageReport, since: int, now: int) -> tuple[int, bool]:
    """The platform's time, else the courier's, else now: whichever lies within the bounds.

    Second: whether the platform's clock is as close to the real time as those of good machines.
    """
    if since <= report.platform_at <= now:
        return report.platform_at, True
    is_near = since - _SKEW_MS <= report.platform_at <= now + _SKEW_MS
    return (report.at if since <= report.at <= now else now), is_near


def _is_news(reached: Stage, report: StageReport) -> bool:
    """Whether a report goes beyond what is known.

    A platform that refused may think better of it: its later word counts, the latest refusal being
    what it must be later than. A repeated delivery may end better than before; a platform that
    will not take twice what it has taken does not undo that it took it.
    """
    if report.is_again and report.stage is StageCode.REFUSED:
        return reached.stage in (StageCode.NAMED, StageCode.SENT)
    if reached.stage is StageCode.REFUSED:
        if report.stage is StageCode.REFUSED:
            return report.at > reached.at
        return report.is_again or (report.stage is not StageCode.SENT and report.at >= reached.at)
    return _RANK.get(reached.stage, 0) < _RANK[report.stage]


def _note_earlier(old: RecordState, report: StageReport, now: int, basis: Basis) -> ReportEffect:
    """An earlier version met the duty of disclosure, and that is learned after the correction.

    The clock that began with that version or before stops by the platform's time; what is left is
    the correction's own clock, counted from the day on which the next version was accepted.
    """
    at, is_believed = _believed(report, _begins(old, report), now)
    reached = Stage(report.target, report.version, report.action, report.stage, report.at, at)
    events: list[ClockEvent] = []
    clocks: list[Clock] = []
    for clock in old.clocks:
        has_begun = clock.began_with <= report.version
        stopped = _stop(clock, reached, old, basis, events) if has_begun else clock
        if stopped is clock:
            clocks.append(clock)
        else:  # a target has one clock of disclosure: the correction's takes its place
            day, version = _followed_on(old, report.version, basis)
            clocks += correction(basis, old.kind, 1 << report.target, day, version)
    if not events:
        return ReportEffect(None)
    return ReportEffect(old._replace(clocks=tuple(clocks)), tuple(events), is_believed)


def _note_earlier_withdrawal(
    old: RecordState, report: StageReport, now: int, basis: Basis
) -> ReportEffect:
    """An earlier take-down, after which nothing was shown there, is answered.

    A repeated take-down is still a take-down; but it was done in time.
    """
    at, is_believed = _believed(report, _begins(old, report), now)
    reached = Stage(report.target, report.version, report.action, report.stage, report.at, at)
    events: list[ClockEvent] = []
    clocks = tuple(
        _stop(clock, reached, old, basis, events)
        if clock.kind is ClockKind.WITHDRAW and clock.began_with <= report.version
        else clock
        for clock in old.clocks
    )
    if not events:
        return ReportEffect(None)
    return ReportEffect(old._replace(clocks=clocks), tuple(events), is_believed)


def _begins(old: RecordState, report: StageReport) -> int:
    """Return the first moment at which an earlier version can have been shown, or taken down.

    Of a version before the oldest that is remembered that is the day of the decision; what was not
    owed yet was not taken down.
    """
    moments = [r.at for r in old.revised if r.version <= report.version]
    if report.action == "W":
        moments += [
            day_start_ms(date.fromordinal(c.counted_from))
            for c in unfinished_withdrawals(old, 0)
            if c.target == report.target and c.began_with <= report.version
        ]
    return max(moments, default=day_start_ms(date.fromordinal(max(old.decided_on, 1))))


def revisions(
    old: RecordState | None, version: int, now: int, *, corrects: bool
) -> tuple[Revision, ...]:
    """When the versions of a record in force began, up to this one; the latest are kept.

    An end at one target, or a further target, makes a version that corrects nothing: it begins
    nothing at the others.
    """
    if old is None or old.status is not Status.LIVE:
        return ()
    before = old.revised or (Revision(old.version, old.since, 0),)
    return (*before, Revision(version, now, int(corrects)))[-MOST_REVISIONS:]


def _followed_on(old: RecordState, version: int, basis: Basis) -> tuple[int, int]:
    """The day on which the next correction was accepted, and its version."""
    for revision in old.revised:
        if revision.version > version and revision.corrects:
            return basis.day_of(revision.at).toordinal(), revision.version
    return basis.day_of(old.since).toordinal(), old.version


def _reopen(
    clock: Clock, reached: Stage, old: RecordState, now: int, basis: Basis,
    events: list[ClockEvent],
) -> Clock:  # fmt: skip
    """A platform that acknowledged and then refused has not taken the record over: time runs on.

    Deadlines that were counted again meanwhile are counted again here.
    """
    if (
        clock.target != reached.target
        or clock.is_running
        or clock.kind is not ClockKind.DISCLOSE
        or clock.flags & ClockFlag.LIFTED
        or reached.action != "P"
    ):
        return clock
    event = "reopened_late" if clock.flags & ClockFlag.LATE else "reopened"
    events.append(ClockEvent(clock.target, clock.kind, event))
    running = clock._replace(flags=clock.flags & ~(ClockFlag.STOPPED | ClockFlag.LATE))
    return _counted_again(running, old.kind, now, basis, events)


def _stop(
    clock: Clock, reached: Stage, old: RecordState, basis: Basis, events: list[ClockEvent]
) -> Clock:
    """Stop the clock when the stage is the one it waits for; the end of the day is late."""
    if clock.target != reached.target or not clock.is_running:
        return clock
    if clock.kind is ClockKind.DISCLOSE and old.status in (Status.QUARANTINED, Status.HELD):
        return clock
    if clock.kind is ClockKind.DISCLOSE and reached.action == "P":
        done = reached.stage is StageCode.PUBLISHED or (
            reached.stage is StageCode.ACKNOWLEDGED and basis.stops_at_acknowledged(clock.target)
        )
    else:
        done = clock.kind is ClockKind.WITHDRAW and reached.stage is StageCode.WITHDRAWN
    if not done:
        return clock
    late = reached.platform_at >= clock.due_at
    event = "stopped_late" if late else "stopped_in_time"
    if not late and clock.flags & ClockFlag.OVERDUE_WRITTEN:
        event = "in_time_learned_late"
    events.append(ClockEvent(clock.target, clock.kind, event))
    return clock._replace(
        flags=clock.flags | ClockFlag.STOPPED | (ClockFlag.LATE if late else ClockFlag.NONE)
    )


# --- what time brings ----------------------------------------------------------------------------


def fire(old: RecordState, now: int, basis: Basis) -> tuple[RecordState, Events, int]:
    """Say what the clocks have to say at `now`; third: targets whose publication has ended.

    A due date is counted again before anything is said about it.
    """
    recounted, changes = recount(old, now, basis)
    events: list[ClockEvent] = list(changes)
    ended = {
        c.target: c.due_at
        for c in recounted.clocks
        if c.kind is ClockKind.EXPIRE and c.is_running and c.due_at <= now
    }
    clocks = []
    for clock in recounted.clocks:
        rung = clock
        if clock.kind is ClockKind.EXPIRE:
            if clock.is_running and clock.due_at <= now:
                rung = clock._replace(flags=clock.flags | ClockFlag.STOPPED)
                events.append(ClockEvent(clock.target, clock.kind, "expired"))
        elif clock.kind is ClockKind.DISCLOSE:
            # what was not due yet when publication ended there is lifted, not late
            rung = _ring(clock, ended.get(clock.target, now), basis, events)
        elif clock.kind is ClockKind.WITHDRAW:
            rung = _ring(clock, now, basis, events)
        clocks.append(rung)
    expired = sum(1 << target for target in ended)
    return recounted._replace(clocks=tuple(clocks)), tuple(events), expired & old.publish


def _ring(clock: Clock, now: int, basis: Basis, events: list[ClockEvent]) -> Clock:
    """Take a legal clock past the marks that have come.

    An overdue clock is not "due soon" any more: a row that arrives late says it once.
    """
    if clock.next_mark() > now:
        return clock
    marks = _marks(basis, clock.due_at)
    if clock.due_at <= now:
        events.append(ClockEvent(clock.target, clock.kind, "overdue"))
        flags = clock.flags | ClockFlag.OVERDUE_WRITTEN
        return clock._replace(flags=flags, said=len(marks), next_at=clock.due_at)
    said = clock.said
    while said < len(marks) and marks[said][1] <= now:
        events.append(ClockEvent(clock.target, clock.kind, f"due_soon_{marks[said][0]}"))
        said += 1
    return clock._replace(said=said, next_at=_next(marks, said, clock.due_at))


def _next(marks: tuple[tuple[int, int], ...], said: int, due_at: int) -> int:
    return marks[said][1] if said < len(marks) else due_at


def recount(old: RecordState, now: int, basis: Basis) -> tuple[RecordState, Events]:
    """Count the running deadlines again under this basis.

    Marks that now lie ahead will be said again; an *overdue* whose date now lies ahead is taken
    back.
    """
    events: list[ClockEvent] = []
    clocks = []
    for clock in old.clocks:
        fresh = clock
        if clock.kind in _LEGAL and clock.is_running:
            fresh = _counted_again(clock, old.kind, now, basis, events)
        clocks.append(fresh)
    if not events:
        return old, ()
    return old._replace(clocks=tuple(clocks)), tuple(events)


def _counted_again(
    clock: Clock, kind: str, now: int, basis: Basis, events: list[ClockEvent]
) -> Clock:
    """The same clock counted under this basis; what was said stays said where it has passed."""
    target = basis.target_or_none(clock.target)
    if target is None:
        return clock
    is_correction = bool(clock.flags & ClockFlag.CORRECTION)
    found = _clock(basis, target, clock.kind, kind, clock.counted_from, is_correction=is_correction)
    if not found:
        return clock
    is_shown = clock.kind is not ClockKind.DISCLOSE or kind in target.kinds
    is_undone = clock.flags & ClockFlag.OVERDUE_WRITTEN and found[0].due_at > now
    if not is_shown and not is_undone:
        return clock  # a resend lifts the duty, and until then no event is due
    flags = clock.flags & ~ClockFlag.PROVISIONAL | found[0].flags
    if found[0].due_at == clock.due_at:
        next_at = _next(_marks(basis, clock.due_at), clock.said, clock.due_at)
        if (flags, next_at) == (clock.flags, clock.next_at):
            return clock
        event = "marks_moved" if flags == clock.flags else "due_date_confirmed"
        events.append(ClockEvent(clock.target, clock.kind, event))
        return clock._replace(flags=flags, next_at=next_at)
    events.append(ClockEvent(clock.target, clock.kind, "due_date_moved"))
    flags &= ~ClockFlag.OVERDUE_WRITTEN
    moved = found[0]._replace(flags=flags, began_with=clock.began_with)
    return _goes_on(moved, clock, now, basis, events)


# --- under another basis -------------------------------------------------------------------------


def in_line(
    old: RecordState, s: Submission, kept: int, now: int, basis: Basis, *, is_redecided: bool
) -> Due:
    """Return duties at targets that go on showing a record, as this basis has it.

    `kept` has a bit per target; `is_redecided`: what has ended is judged again, too. Nothing has
    changed where there are no events.
    """
    events: list[ClockEvent] = []
    clocks = old.clocks
    if is_redecided:
        clocks = tuple(_judged(c, old, now, basis, events) for c in clocks)
    ends = {c.target: c for c in expiry(basis, s, kept)}
    disclosed = {c.target: c for c in clocks if c.kind is ClockKind.DISCLOSE}
    changed: list[Clock] = []
    for target in targets_in(kept):
        before = next((c for c in clocks if (c.target, c.kind) == (target, ClockKind.EXPIRE)), None)
        changed += _end_in_line(before, ends.get(target), events)
        changed += _disclosure_in_line(old, disclosed.get(target), target, now, basis, events)
    kinds = (ClockKind.DISCLOSE, ClockKind.EXPIRE)
    rest = tuple(c for c in clocks if c.kind not in kinds or not kept >> c.target & 1)
    return Due((*changed, *rest), tuple(events))


def _end_in_line(before: Clock | None, after: Clock | None, events: list[ClockEvent]) -> Clocks:
    """When publication ends at one target: from now on, no longer, or on another day."""
    if after is None:
        if before is not None:
            events.append(ClockEvent(before.target, before.kind, "lifted"))
        return ()
    if before is None:
        events.append(ClockEvent(after.target, after.kind, "begun"))
    elif before.due_at != after.due_at or not before.is_running:
        events.append(ClockEvent(after.target, after.kind, "due_date_moved"))
    else:
        return (before,)
    return (after,)


def _disclosure_in_line(
    old: RecordState, before: Clock | None, target: int, now: int, basis: Basis,
    events: list[ClockEvent],
) -> Clocks:  # fmt: skip
    """A disclosure begins, is lifted, or has been met by what its target asks for now.

    A duty that was met remains met.
    """
    stage = next((s for s in old.stages if s.target == target and s.action == "P"), None)
    is_open = before is None or (
        before.flags & (ClockFlag.LIFTED | ClockFlag.CORRECTION) == ClockFlag.LIFTED
    )
    if is_open:
        decided_on = old.decided_on or basis.day_of(now).toordinal()
        begun = from_decision(basis, old.kind, decided_on, 1 << target)
        if not begun:
            return () if before is None else (before,)
        version = stage.version if stage is not None else old.version
        events.append(ClockEvent(target, ClockKind.DISCLOSE, "begun"))
        clock = begun[0]._replace(began_with=version)
    elif before is not None and before.is_running:
        if not before.flags & ClockFlag.CORRECTION and _is_before(before, basis):
            events.append(ClockEvent(target, before.kind, "lifted"))
            return (_lifted(before),)
        clock = before
    else:
        return () if before is None else (before,)
    return (clock if stage is None else _stop(clock, stage, old, basis, events),)


def _is_before(clock: Clock, basis: Basis) -> bool:
    """Whether a target owes no disclosure that counts from a day as old as this one's.

    A duty that went on through a correction goes on, from any day of decision it names.
    """
    entry = basis.target_or_none(clock.target)
    return entry is not None and clock.counted_from < entry.clock_from


def _judged(
    clock: Clock, old: RecordState, now: int, basis: Basis, events: list[ClockEvent]
) -> Clock:
    """A duty counted again from its day; one that was met is judged again by when it was."""
    if clock.kind not in _LEGAL or clock.flags & ClockFlag.LIFTED:
        return clock
    found: list[ClockEvent] = []
    counted = _counted_again(clock, old.kind, now, basis, found)
    if not clock.is_running:
        if counted.due_at == clock.due_at:
            return clock
        action = "P" if clock.kind is ClockKind.DISCLOSE else "W"
        met = next((s for s in old.stages if (s.target, s.action) == (clock.target, action)), None)
        running = counted._replace(flags=counted.flags & ~(ClockFlag.STOPPED | ClockFlag.LATE))
        event = "reopened_late" if clock.flags & ClockFlag.LATE else "reopened"
        found.append(ClockEvent(clock.target, clock.kind, event))
        counted = running if met is None else _stop(running, met, old, basis, found)
        if counted is running:
            return clock  # when it was met is not remembered: it stays as it was judged
    events += found
    return counted


def judged_again(old: RecordState, now: int, basis: Basis) -> Due:
    """Every duty of a record counted and judged again under this basis."""
    events: list[ClockEvent] = []
    clocks = tuple(_judged(c, old, now, basis, events) for c in old.clocks)
    return Due(clocks, tuple(events))


def of_unseen(old: RecordState, targets: int, basis: Basis) -> Due:
    """Return duties of a hidden row at these targets, as this basis has it.

    It owes nothing where its kind is not shown or its decision is too old; it owes what others owe
    where it owes anything at all.
    """
    running = running_disclosures(old, -1)
    if not running:
        return Due(old.clocks)
    day = running[0].counted_from
    wanted = from_decision(basis, old.kind, day, targets & basis.targets_of_kind(old.kind))
    due = lifted_at(old, targets & ~targets_of(wanted) & targets_of(running))
    begun = tuple(c for c in wanted if not targets_of(running) >> c.target & 1)
    if running[0].flags & ClockFlag.ESTIMATED:
        begun = _estimated(begun, None)
    events = due.events + tuple(ClockEvent(c.target, c.kind, "begun") for c in begun)
    return Due(due.clocks + begun, events)
