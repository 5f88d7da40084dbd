"""Escalation agent: report due-soon and overdue records once a day, then to the next level.

A clock enters a group when the ledger says it is due soon, and another when it is overdue: the
group of its department and of the working day of the report. Level 1 is reported at the day's
hour; each further level some hours later, while any clock of the group still waits. A clock that
was stopped or lifted, or is not in that phase any more, has left its group.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.agents.facts import Fact, Matter, Office, reminder
from hub.domain import kinds
from hub.domain.dates import HOUR_MS, day_of_ms, day_start_ms
from hub.domain.fact_ids import matter_in, matter_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hub.domain.calendar import WorkingCalendar
    from hub.views.notices import Notice

_LONGEST_BREAK_DAYS: Final = 30
"""No run of days off is longer: a calendar that says otherwise is taken for a working day."""


class EscalationLevel(NamedTuple):
    """Who is informed, and how many hours after the first; `department` "": the late one itself."""

    after_hours: float
    department: str


class _Place(NamedTuple):
    """Where a clock runs."""

    record: str
    target: str
    clock: str


class _GroupedClock(NamedTuple):
    """A clock in its group."""

    group: tuple[str, date]
    phase: str
    due_at: int


class EscalationAgent:
    """See the module; `hour` is of Asia/Shanghai, `office_of` knows the site's departments."""

    name = "escalation"

    def __init__(
        self,
        authority: str,
        hour: int,
        levels: Sequence[EscalationLevel],
        calendar: WorkingCalendar,
        office_of: Callable[[str], Office],
    ) -> None:
        self._authority = authority
        self._hour_ms = hour * HOUR_MS
        self._levels = levels
        self._calendar = calendar
        self._office_of = office_of
        self._of_record: dict[str, dict[_Place, _GroupedClock]] = {}
        self._groups: dict[tuple[str, date], dict[_Place, _GroupedClock]] = {}
        self._stated: set[str] = set()
        """Matters of the reminders that are in the ledger."""

    @property
    def open_count(self) -> int:
        """Clocks that are due soon or overdue."""
        return sum(map(len, self._groups.values()))

    def take(self, notice: Notice) -> None:
        """Clocks rang, stopped or went away; or a reminder is in the ledger."""
        if notice.kind == kinds.REMINDER and notice.status == "live":
            self._stated.add(matter_in(notice.document))
            return
        known = self._of_record.pop(notice.record, {})
        now: dict[_Place, _GroupedClock] = {}
        for clock in notice.clocks:
            if clock.phase:
                place = _Place(notice.record, clock.target, clock.clock)
                before = known.get(place)
                if before is None or before.phase != clock.phase:
                    group = (self._office_of(notice.department).id, self._told_on(notice.at))
                    now[place] = _GroupedClock(group, clock.phase, clock.due_at)
                else:
                    now[place] = before._replace(due_at=clock.due_at)
        for place, waiting in known.items():
            self._leave(place, waiting)
        for place, waiting in now.items():
            self._groups.setdefault(waiting.group, {})[place] = waiting
        if now:
            self._of_record[notice.record] = now

    def _leave(self, place: _Place, waiting: _GroupedClock) -> None:
        group = self._groups[waiting.group]
        del group[place]
        if not group:
            del self._groups[waiting.group]

    def _told_on(self, at: int) -> date:
        """The working day whose hour is the first at or after `at`."""
        day = day_of_ms(at)
        if at > day_start_ms(day) + self._hour_ms:
            day += timedelta(days=1)
        return self._working(day)

    def _working(self, day: date) -> date:
        """This day, or the next on which people work."""
        for days in range(_LONGEST_BREAK_DAYS):
            if self._calendar.is_working_day(day + timedelta(days=days)):
                return day + timedelta(days=days)
        return day

    def told_at(self, day: date, level: EscalationLevel) -> int:
        """When a level is informed of the group of a day: on a day off, at the next day's hour."""
        at = day_start_ms(day) + self._hour_ms + round(level.after_hours * HOUR_MS)
        on = day_of_ms(at)
        works = self._working(on)
        return at if works == on else day_start_ms(works) + self._hour_ms

    def owed(self, now: int) -> list[Fact]:
        """One reminder for each group and level whose time has come while the group waits."""
        return [
            self._remind(about, department, number, level, at, group)
            for (department, day), group in self._groups.items()
            for number, level in enumerate(self._levels, 1)
            if (at := self.told_at(day, level)) <= now
            and (about := matter_of(self.name, department, day.isoformat(), str(number)))
            not in self._stated
        ]

    def _remind(
        self, about: str, department: str, number: int, level: EscalationLevel, at: int,
        group: dict[_Place, _GroupedClock],
    ) -> Fact:  # fmt: skip
        is_overdue = any(waiting.phase == "overdue" for waiting in group.values())
        first = min(waiting.due_at for waiting in group.values())
        return reminder(
            self._authority,
            about,
            self._office_of(department),
            level.department or department,
            number,
            at,
            Matter(
                "overdue" if is_overdue else "due_soon",
                day_of_ms(first - 1).isoformat(),
                [place.record for place in group],
            ),
        )
