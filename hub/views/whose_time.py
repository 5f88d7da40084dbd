"""Whose time was used, and whose fault a missed deadline is: pure functions of moments.

A decision is in the department's hands until it has arrived in a form that can be accepted, in the
hub's until a target has been reached, then in the platform's until the stage that stops the clock.
The fault for a deadline lies with the holder of the record when it fell due (or its holder now).
The day of the decision does not count (民法典 Art 201), so it is charged to none.
"""

from __future__ import annotations

from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.domain.dates import day_of_ms, day_start_ms, due_at_ms

if TYPE_CHECKING:
    from hub.domain.calendar import WorkingCalendar

DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000


class Party(StrEnum):
    """Who has the record in hand."""

    DEPARTMENT = "department"
    HUB = "hub"
    PLATFORM = "platform"


class Why(StrEnum):
    """The omission of the party."""

    NOT_ARRIVED = "not_arrived"
    """Not submitted: decided, and not yet in the hub."""
    ARRIVED_LATE = "arrived_late"
    """Submitted after it was due."""
    QUARANTINED = "quarantined"
    """Submitted, and cannot be accepted as it stands."""
    HELD = "held"
    """Waits until its old identity has been left."""
    AWAITED = "awaited"
    """Waits for a record that was not submitted."""
    NOT_SENT = "not_sent"
    """Accepted, and the target has not been reached."""
    NOT_ANSWERED = "not_answered"
    """Sent, and the platform has not said what became of it."""
    NOT_FINAL = "not_final"
    """The platform has taken it over, which does not stop this clock."""
    REFUSED = "refused"
    """The platform refused it."""


class Passage(NamedTuple):
    """The moments of one record on its way to one target; business milliseconds, None not yet."""

    decided_on: date | None
    arrived_at: int
    accepted_at: int | None
    reached_at: int | None
    """When the target was first reached: the first stage it reported."""
    done_at: int | None
    """When the stage came that stops the clock, by the platform's own time."""
    stage: str = ""
    """The last stage: named, sent, acknowledged, published, refused, withdrawn."""
    waits_for: str = ""
    """Of a row that is held: `record` or `move`."""


class Span(NamedTuple):
    """A stretch of time in one party's hands; `end` is `now` while it goes on."""

    party: Party
    why: Why
    start: int
    end: int


class Responsibility(NamedTuple):
    """Whose fault, and what they have not done."""

    party: Party
    why: Why


def spans(passage: Passage, now: int) -> tuple[Span, ...]:
    """The passage cut into stretches, in order, without gaps; empty ones are left out."""
    start = passage.arrived_at
    if passage.decided_on is not None:
        start = min(due_at_ms(passage.decided_on), passage.arrived_at)
    marks = [
        (Party.DEPARTMENT, Why.NOT_ARRIVED, passage.arrived_at),
        (*_before_acceptance(passage), passage.accepted_at),
        (Party.HUB, Why.NOT_SENT, passage.reached_at),
        (Party.PLATFORM, _platforms_part(passage.stage), passage.done_at),
    ]
    found = []
    for party, why, reached in marks:
        # a platform's clock may run before ours: nothing ends before it began
        end = max(start, now if reached is None else reached)
        if end > start:
            found.append(Span(party, why, start, end))
        if reached is None:
            break
        start = end
    return tuple(found)


def fault_of(passage: Passage, due_at: int, now: int) -> Responsibility:
    """Who held the record when it fell due, or holds it now when it is not due yet."""
    if passage.arrived_at >= due_at:
        return Responsibility(Party.DEPARTMENT, Why.ARRIVED_LATE)
    moment = min(due_at, now)
    held = [span for span in spans(passage, max(now, passage.arrived_at)) if span.start <= moment]
    if held:
        return Responsibility(held[-1].party, held[-1].why)
    return holder_of(passage)


def holder_of(passage: Passage) -> Responsibility:
    """Who has the record in hand now, and what is still to be done."""
    if passage.accepted_at is None:
        return _before_acceptance(passage)
    if passage.reached_at is None:
        return Responsibility(Party.HUB, Why.NOT_SENT)
    return Responsibility(Party.PLATFORM, _platforms_part(passage.stage))


def _before_acceptance(passage: Passage) -> Responsibility:
    """Who must do what while a row is there and is not accepted."""
    if passage.waits_for == "move":
        return Responsibility(Party.HUB, Why.HELD)
    if passage.waits_for:
        return Responsibility(Party.DEPARTMENT, Why.AWAITED)
    return Responsibility(Party.DEPARTMENT, Why.QUARANTINED)


def _platforms_part(stage: str) -> Why:
    match stage:
        case "refused":
            return Why.REFUSED
        case "acknowledged":
            return Why.NOT_FINAL
        case _:
            return Why.NOT_ANSWERED


def working_ms(calendar: WorkingCalendar, start: int, end: int) -> int:
    """The part of a stretch that lies on working days; a working day has 24 hours here.

    Deadlines end at 24:00, so whole days are what the law counts.
    """
    total = 0
    day = day_of_ms(start)
    while (begin := day_start_ms(day)) < end:
        if calendar.is_working_day(day):
            total += min(end, begin + DAY_MS) - max(start, begin)
        day += timedelta(days=1)
    return total


class Moments(NamedTuple):
    """Times of a record and one of its clocks; business milliseconds, None not yet."""

    clock: str
    """`disclose` or `withdraw`."""
    counted_from: date
    is_estimated: bool
    decided_on: date | None
    status: str
    waits_for: str
    """Of a row that is held: `record` or `move`; else empty."""
    arrived_at: int
    accepted_at: int | None
    version_at: int
    """When the version was decided that the clock may run for."""
    first_reached_at: int | None
    version_reached_at: int | None
    done_at: int | None
    stage: str


def passage_of(moments: Moments) -> Passage:
    """The passage a clock measures.

    The duty to disclose begins with the decision. Withdrawals, and corrections of what had been
    disclosed in time, begin when they were accepted: before that nothing was owed.
    """
    waits_for = moments.waits_for if moments.status == "held" else ""
    is_first = moments.is_estimated or moments.counted_from == moments.decided_on
    if moments.clock == "disclose" and (is_first or moments.accepted_at is None):
        accepted_at = None if moments.status == "quarantined" else moments.accepted_at
        decided_on = None if moments.is_estimated else moments.decided_on
        return Passage(
            decided_on, moments.arrived_at, accepted_at, moments.first_reached_at,
            moments.done_at, moments.stage, waits_for,
        )  # fmt: skip
    began = moments.version_at
    return Passage(
        None, began, began, moments.version_reached_at, moments.done_at, moments.stage, waits_for
    )
