"""The rulebook, the calendar and the site, read plainly: days are counted one by one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from typing import Any

from hub.domain.calendar import statutory_days

DAY_MS = 86_400_000
_SHANGHAI_MS = 8 * 3_600_000
_ONE_DAY = timedelta(days=1)
_EPOCH = date(1970, 1, 1)
_SATURDAY = 5
DISCLOSE, CORRECT, WITHDRAW = "disclose", "correct", "withdraw"


def day_of(at: int) -> date:
    """The day in Shanghai of a moment in milliseconds."""
    return _EPOCH + timedelta(days=(at + _SHANGHAI_MS) // DAY_MS)


def start_of(on: date) -> int:
    """00:00 in Shanghai of a day, in milliseconds."""
    return (on - _EPOCH).days * DAY_MS - _SHANGHAI_MS


def end_of(on: date) -> int:
    """24:00 in Shanghai of a day, in milliseconds."""
    return start_of(on) + DAY_MS


def months_later(on: date, months: int) -> date:
    """The same day some months later, or the last day of that month."""
    number = on.month - 1 + months
    year, month = on.year + number // 12, number % 12 + 1
    for day in range(on.day, 27, -1):
        try:
            return date(year, month, day)
        except ValueError:
            continue
    return date(year, month, on.day)


@dataclass(frozen=True)
class ModelTarget:
    """A platform as the site describes it."""

    name: str
    number: int
    role: str
    is_public: bool
    kinds: frozenset[str]
    clock_from: date
    clearance: frozenset[str]


@dataclass(frozen=True)
class OwedBy:
    """A day by whose end something is owed."""

    on: date

    @property
    def at(self) -> int:
        """The first moment that is late."""
        return end_of(self.on)


class Rules:
    """One basis document."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.book: dict[str, Any] = document["rulebook"]
        self.departments: dict[str, dict[str, Any]] = document["site"]["departments"]
        self.partitions: int = document["site"]["partitions"]
        self.targets = [
            ModelTarget(
                t["id"], t["number"], t["role"], t["public"], frozenset(t["kinds"]),
                date.fromisoformat(t["clock_from"]), frozenset(t["clearance"]),
            )
            for t in document["site"]["targets"]
        ]  # fmt: skip
        self._dues: dict[tuple[str, str, str, date], OwedBy | None] = {}
        self._marks: dict[tuple[date, int], date] = {}

    # --- the calendar ---

    @cached_property
    def _moved(self) -> dict[date, bool]:
        """Day → whether it is worked, of every day a notice names."""
        return {
            date.fromisoformat(day["date"]): not day["isOffDay"]
            for notice in self.document["calendar"]["notices"]
            for day in notice["days"]
        }

    @cached_property
    def _announced(self) -> set[int]:
        """Years that have a notice."""
        return {n["year"] for n in self.document["calendar"]["notices"] if n["days"]}

    def is_worked(self, on: date) -> bool:
        """Whether people work on a day."""
        if on in self._moved:
            return self._moved[on]
        if on.weekday() >= _SATURDAY:
            return False
        return on.year in self._announced or on not in statutory_days(on.year)

    def working_day_after(self, on: date, count: int) -> date:
        """The day on which the `count`th working day after a day falls."""
        while count:
            on += _ONE_DAY
            count -= self.is_worked(on)
        return on

    def mark_day(self, due_on: date, count: int) -> date:
        """The latest working day with `count` working days still to come, the due day the last."""
        if (due_on, count) not in self._marks:
            day, left = due_on, count
            while left or not self.is_worked(day):
                left -= left > 0 and self.is_worked(day)
                day -= _ONE_DAY
            self._marks[due_on, count] = day
        return self._marks[due_on, count]

    @property
    def marks(self) -> list[int]:
        """Working days before the due day at which *due soon* is written."""
        return list(self.book["due_soon_working_days"])

    # --- deadlines, publication, withholding ---

    def _in_force(self, part: str, kind: str, on: date) -> dict[str, Any] | None:
        """The latest rule of a part of the rulebook that is in force for a kind on a day."""
        fitting = [
            rule
            for rule in self.book[part]
            if kind in rule["kinds"] and date.fromisoformat(rule["effective_from"]) <= on
        ]
        return max(fitting, key=lambda rule: str(rule["effective_from"]), default=None)

    def due(self, clock: str, kind: str, target: ModelTarget, counted_from: date) -> OwedBy | None:
        """When a duty counted from a day is due at a target; None where no rule makes one."""
        if clock == DISCLOSE and counted_from < target.clock_from:
            return None
        case = (clock, kind, target.role, counted_from)
        if case not in self._dues:
            self._dues[case] = self._due(*case)
        return self._dues[case]

    def _due(self, clock: str, kind: str, role: str, counted_from: date) -> OwedBy | None:
        fitting = [
            rule
            for rule in self.book["deadlines"]
            if rule["clock"] == clock
            and kind in rule["kinds"]
            and role in rule["roles"]
            and date.fromisoformat(rule["effective_from"]) <= counted_from
        ]
        if not fitting:
            return None
        rule = max(fitting, key=lambda rule: str(rule["effective_from"]))
        return OwedBy(self.working_day_after(counted_from, rule["working_days"]))

    def stops_at(self, target: ModelTarget) -> str:
        """The stage by which a target of this role has done its duty."""
        return next(str(r["stops_at"]) for r in self.book["roles"] if r["role"] == target.role)

    def last_day(
        self, kind: str, decided_on: date, seriousness: str, stated_on: date | None
    ) -> tuple[date, bool] | None:
        """The last day of publication and whether it ends everywhere; None without a period."""
        rule = self._in_force("publication_periods", kind, decided_on)
        if rule is None:
            return None
        period = rule["classes"].get(seriousness, rule["unclassified"])
        latest = months_later(decided_on, period["max_months"])
        everywhere = rule.get("ends_at", "public") == "everywhere"
        return (stated_on if stated_on and stated_on <= latest else latest), everywhere

    def is_withheld(
        self, kind: str, decided_on: date, seriousness: str, *, is_simple: bool
    ) -> bool:
        """Whether a record is not shown to the public."""
        rule = self._in_force("withholding", kind, decided_on)
        if rule is None:
            return False
        return (is_simple and "01" in rule["procedures"]) or seriousness in rule["seriousness"]

    # --- the site ---

    @property
    def days_held(self) -> int:
        """Calendar days a statement waits."""
        return int(self.book.get("held", {}).get("days", 30))

    @property
    def most_held(self) -> int:
        """How many statements of one department wait in one partition."""
        return int(self.book.get("held", {}).get("most_per_department", 1000))

    def may_act(self, department: str, owner: str) -> bool:
        """Whether a department may speak for what is an owner's."""
        return department == owner or owner in self.departments[department]["may_act_on"]

    def is_agent(self, department: str) -> bool:
        """Whether the department stands for the hub's own workers."""
        return bool(self.departments[department]["kind"] == "agent")

    def target(self, number: int) -> ModelTarget:
        """The target of a number."""
        return next(t for t in self.targets if t.number == number)
