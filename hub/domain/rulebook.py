"""Dated rules with their legal source: deadlines, what stops them, how long a record is shown.

A rulebook is data (YAML under `deploy/rulebooks/`), parsed elsewhere and given here as a mapping.
The rule that applies is chosen by date: of the rules that fit, the one with the latest
`effective_from` not after the day in question. No rule is ever removed, so an old decision is
judged today as it was then.
"""

import json
from datetime import date, timedelta
from functools import lru_cache
from typing import Annotated, Final, Literal, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hub.domain.calendar import WorkingCalendar
from hub.domain.code_lists import SERIOUSNESS
from hub.domain.dates import due_at_ms

Clock = Literal["disclose", "correct", "withdraw"]
Stage = Literal["acknowledged", "published"]

_CACHE_LIMIT: Final = 50_000
_MONTHS: Final = 12
_Mark = Annotated[int, Field(ge=1, le=250)]
_NO_ANSWER: Final = frozenset({"id", "kinds", "source", "is_verified"})
"""Keys that describe a rule; the others decide its result."""
_SERIOUSNESS_CODES: Final = frozenset(code.code for code in SERIOUSNESS.codes)

MOST_RULES: Final = 500
"""Rules of one sort; the shipped rulebook has ten."""
MOST_KINDS: Final = 64
"""Kinds, procedures or classes of one rule: there are some twenty kinds."""
MOST_ROLES: Final = 16
"""Roles, all in all: each case of kind and role is written out when ties are looked for."""
_Kinds = Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST_KINDS)]
_Codes = Annotated[tuple[str, ...], Field(max_length=MOST_KINDS)]


class _Rule(BaseModel):
    """Keys of every dated rule; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    effective_from: date
    source: str = Field(min_length=1)
    #: False when the text of the source was not at hand: a default to be confirmed by the site.
    is_verified: bool = True


class DeadlineRule(_Rule):
    """So many working days for a clock, for some kinds of record and roles of target.

    The days count from the day after the decision (disclose), the accepted correction (correct)
    or the accepted withdrawal (withdraw).
    """

    clock: Clock
    kinds: _Kinds
    roles: tuple[str, ...] = Field(min_length=1, max_length=MOST_ROLES)
    working_days: int = Field(ge=1, le=250)


class Role(BaseModel):
    """A duty that a target serves: which stage fulfils it, and whether the public sees it.

    报送 (reporting) is done when the platform has acknowledged, 公示 (display) when the public can
    see the record: two duties with one period.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    name_zh: str
    stops_at: Stage


class Period(BaseModel):
    """How long a penalty of one class is shown, in months from the decision."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_months: int = Field(ge=0, le=120)
    max_months: int = Field(ge=0, le=120)

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        """A minimum above the maximum is a slip of the pen."""
        if self.min_months > self.max_months:
            raise ValueError(f"min_months {self.min_months} > max_months {self.max_months}")
        return self


class PublicationRule(_Rule):
    """Periods by class of seriousness (codes of `code_lists.SERIOUSNESS`), for some kinds.

    `unclassified` is for records whose competent department gave no class. `ends_at` says where a
    record ends with its period: at public targets, or everywhere (a ban from procurement is no ban
    any more, and the procurement system must not act on it either).
    """

    kinds: _Kinds
    ends_at: Literal["public", "everywhere"] = "public"
    classes: dict[str, Period]
    unclassified: Period

    @model_validator(mode="after")
    def _knows_its_classes(self) -> Self:
        """Only codes of the list, so that a typing mistake does not lift a limit."""
        unknown = sorted(set(self.classes) - _SERIOUSNESS_CODES)
        if unknown:
            known = ", ".join(sorted(_SERIOUSNESS_CODES))
            raise ValueError(f"unknown classes {unknown}; known are {known}")
        return self


class WithholdingRule(_Rule):
    """Records of some kinds that are accepted but not shown on public targets.

    Applies when the procedure or the seriousness (canonical codes) is one of those named.
    """

    kinds: _Kinds
    procedures: _Codes = ()
    seriousness: _Codes = ()


class HeldRule(BaseModel):
    """How a statement waits that came before the record it is about; a rule of the hub's own.

    A withdrawal before its penalty, an exit before its listing: each waits `days` calendar days for
    the record, and no department has more than `most_per_department` of them waiting.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    days: int = Field(default=30, ge=1, le=366)
    most_per_department: int = Field(default=1000, ge=1, le=1_000_000)
    source: str = Field(
        default="本平台自定，无法定期限 / the hub's own, no law says it", min_length=1
    )
    is_verified: bool = False

    def ends_on(self, arrived_on: date) -> date:
        """The last day (until 24:00) on which a statement of this day still waits."""
        return arrived_on + timedelta(days=self.days)


_Dated = TypeVar("_Dated", PublicationRule, WithholdingRule)
_AnyRule = DeadlineRule | PublicationRule | WithholdingRule


class PublicationEnd(NamedTuple):
    """The day after which a record is no longer shown, and the rule that says so.

    `is_capped`: the submitted end was later than the rule allows. `is_everywhere`: it ends at every
    target, not at public ones alone.
    """

    on: date
    rule_id: str
    is_capped: bool
    is_everywhere: bool


class Deadline(NamedTuple):
    """Due by the end (24:00 Asia/Shanghai) of `due_on`; `due_at_ms` is that moment in UTC ms."""

    due_on: date
    due_at_ms: int
    provisional: bool
    rule_id: str


class Reach(NamedTuple):
    """The kinds and days of decision of a rule; `until` is the last, None without end."""

    kinds: tuple[str, ...]
    since: date
    until: date | None


class Rulebook(BaseModel):
    """A dated set of rules; immutable, equal content gives equal `to_canonical_json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str = Field(min_length=1)
    #: Working days before a due date at which *due soon* is written: distinct, longest first.
    due_soon_working_days: tuple[_Mark, ...] = Field(default=(3, 1), min_length=1, max_length=5)
    roles: tuple[Role, ...] = Field(min_length=1, max_length=MOST_ROLES)
    deadlines: tuple[DeadlineRule, ...] = Field(min_length=1, max_length=MOST_RULES)
    publication_periods: tuple[PublicationRule, ...] = Field(default=(), max_length=MOST_RULES)
    withholding: tuple[WithholdingRule, ...] = Field(default=(), max_length=MOST_RULES)
    held: HeldRule = HeldRule()

    @classmethod
    def from_mapping(cls, mapping: object) -> Self:
        """A rulebook from parsed YAML or JSON; pydantic's `ValidationError` says what is wrong."""
        return cls.model_validate(mapping)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        """Ids are unique, roles are defined, marks descend, and no two rules tie on one day."""
        for what, names in (
            ("rule id", [rule.id for rule in self.rules()]),
            ("role", [role.role for role in self.roles]),
        ):
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise ValueError(f"{what} used twice: {', '.join(twice)}")
        known = {role.role for role in self.roles}
        for rule in self.deadlines:
            unknown = sorted(set(rule.roles) - known)
            if unknown:
                raise ValueError(f"rule {rule.id}: undefined roles {', '.join(unknown)}")
        marks = self.due_soon_working_days
        if list(marks) != sorted(set(marks), reverse=True):
            raise ValueError("due_soon_working_days: distinct, longest first")
        self._refuse_ties()
        return self

    def rules(self) -> tuple[_AnyRule, ...]:
        """Every dated rule."""
        return (*self.deadlines, *self.publication_periods, *self.withholding)

    def _refuse_ties(self) -> None:
        """Two rules for one case from one day on would make the choice a matter of order."""
        seen: dict[tuple[str, ...], str] = {}
        for rule in self.rules():
            for case in _cases_of(rule):
                if case in seen:
                    raise ValueError(f"rules {seen[case]} and {rule.id} both speak for {case}")
                seen[case] = rule.id

    def to_mapping(self) -> dict[str, object]:
        """The rulebook as JSON values."""
        mapping: dict[str, object] = self.model_dump(mode="json")
        return mapping

    def to_canonical_json(self) -> str:
        """JSON with sorted keys and no blanks, to be hashed as part of the basis."""
        return json.dumps(
            self.to_mapping(), ensure_ascii=False, sort_keys=True, separators=(",", ":")
        )

    def changed_kinds(self, later: "Rulebook") -> frozenset[str]:
        """The kinds for which some due date, period or withholding may differ under `later`.

        Ids, sources, whether a text is verified and the marks of *due soon* change no answer.
        """
        before, after = _answers(self), _answers(later)
        return frozenset(
            kind for kind in before.keys() | after.keys() if before.get(kind) != after.get(kind)
        )

    def reach_of(self, rule_id: str) -> Reach | None:
        """Where a rule decides until a later one of its sort does; None for an unknown rule.

        Corrections and withdrawals of any decision fall under the rule of their own day.
        """
        rule = next((each for each in self.rules() if each.id == rule_id), None)
        if rule is None:
            return None
        if isinstance(rule, DeadlineRule) and rule.clock != "disclose":
            return Reach(rule.kinds, date.min, None)
        starts = [case for each in self.rules() for case in _cases_of(each)]
        ends: list[date | None] = []
        for *about, since in _cases_of(rule):
            later = [start[-1] for start in starts if [*start[:-1]] == about and start[-1] > since]
            ends.append(date.fromisoformat(min(later)) - timedelta(days=1) if later else None)
        known = [end for end in ends if end is not None]
        return Reach(rule.kinds, rule.effective_from, max(known) if known == ends else None)

    def stops_at(self, role: str) -> Stage:
        """The stage that stops the clocks of targets with this role; `KeyError` if undefined."""
        for defined in self.roles:
            if defined.role == role:
                return defined.stops_at
        raise KeyError(role)

    def deadline_rule(self, clock: Clock, kind: str, role: str, on: date) -> DeadlineRule | None:
        """The rule in force on a day, or None when none covers the case."""
        fitting = [
            rule
            for rule in self.deadlines
            if rule.clock == clock
            and kind in rule.kinds
            and role in rule.roles
            and rule.effective_from <= on
        ]
        return max(fitting, key=lambda rule: rule.effective_from, default=None)

    def publication_end(
        self, kind: str, decided_on: date, seriousness: str = "", stated_on: date | None = None
    ) -> PublicationEnd | None:
        """When publication of a record ends by itself; None when the kind has no period.

        The submitted end counts when it is not after the maximum of the class (the periods count
        from the document that established the fact). `seriousness` is a canonical code or "".
        """
        rule = _in_force(self.publication_periods, kind, decided_on)
        if rule is None:
            return None
        period = rule.classes.get(seriousness, rule.unclassified)
        latest_on = add_months(decided_on, period.max_months)
        everywhere = rule.ends_at == "everywhere"
        if stated_on is not None and stated_on <= latest_on:
            return PublicationEnd(stated_on, rule.id, is_capped=False, is_everywhere=everywhere)
        is_capped = stated_on is not None
        return PublicationEnd(latest_on, rule.id, is_capped=is_capped, is_everywhere=everywhere)

    def withheld_by(self, kind: str, decided_on: date, procedure: str, seriousness: str) -> str:
        """The id of the rule that keeps a record from public targets, "" when none does."""
        if not procedure and not seriousness:
            return ""
        rule = _in_force(self.withholding, kind, decided_on)
        if rule is None:
            return ""
        is_withheld = procedure in rule.procedures or seriousness in rule.seriousness
        return rule.id if is_withheld else ""


class Deadlines:
    """A rulebook and a calendar together: due days of clocks, cached (bounded)."""

    def __init__(self, rulebook: Rulebook, calendar: WorkingCalendar) -> None:
        self.rulebook = rulebook
        self.calendar = calendar
        self._known: dict[tuple[str, str, str, date], Deadline | None] = {}
        self._marks: dict[date, tuple[tuple[int, date], ...]] = {}

    def due(self, clock: Clock, kind: str, role: str, start_on: date) -> Deadline | None:
        """The deadline of a clock that starts on a day (which itself does not count).

        None when no rule of the rulebook covers the case: then there is no duty to watch.
        """
        case = (clock, kind, role, start_on)
        if case not in self._known:
            if len(self._known) >= _CACHE_LIMIT:
                self._known.clear()
            self._known[case] = self._deadline(clock, kind, role, start_on)
        return self._known[case]

    def due_soon_marks(self, due_on: date) -> tuple[tuple[int, date], ...]:
        """(working days left, the day to say so) for each *due soon* mark, earliest first."""
        if due_on not in self._marks:
            if len(self._marks) >= _CACHE_LIMIT:
                self._marks.clear()
            self._marks[due_on] = tuple(
                (count, self.calendar.working_days_before(due_on, count))
                for count in self.rulebook.due_soon_working_days
            )
        return self._marks[due_on]

    def _deadline(self, clock: Clock, kind: str, role: str, start_on: date) -> Deadline | None:
        """`due` without the cache."""
        rule = self.rulebook.deadline_rule(clock, kind, role, start_on)
        if rule is None:
            return None
        day = self.calendar.add_working_days(start_on, rule.working_days)
        return Deadline(day.on, due_at_ms(day.on), day.provisional, rule.id)


@lru_cache(maxsize=20_000)
def add_months(on: date, months: int) -> date:
    """The same day `months` later (民法典 Art 202: without such a day, the month's last day)."""
    years, month = divmod(on.month - 1 + months, _MONTHS)
    year, month = on.year + years, month + 1
    for day in (on.day, 30, 29):
        try:
            return date(year, month, day)
        except ValueError:  # the month is shorter
            continue
    return date(year, month, 28)


def _in_force(rules: tuple[_Dated, ...], kind: str, on: date) -> _Dated | None:
    """Of the rules for a kind, the latest in force on a day."""
    fitting = [rule for rule in rules if kind in rule.kinds and rule.effective_from <= on]
    return max(fitting, key=lambda rule: rule.effective_from, default=None)


def _cases_of(rule: _AnyRule) -> list[tuple[str, ...]]:
    """The questions a rule answers from its first day on."""
    since = rule.effective_from.isoformat()
    match rule:
        case DeadlineRule():
            return [(rule.clock, kind, role, since) for kind in rule.kinds for role in rule.roles]
        case PublicationRule():
            return [("publication period", kind, since) for kind in rule.kinds]
        case WithholdingRule():
            return [("withholding", kind, since) for kind in rule.kinds]


def _answers(rulebook: Rulebook) -> dict[str, list[str]]:
    """Kind → all that the rules say of it, in one spelling."""
    stops = {role.role: role.stops_at for role in rulebook.roles}
    found: dict[str, list[str]] = {}
    for rule in rulebook.rules():
        said = rule.model_dump(mode="json", exclude=set(_NO_ANSWER))
        if isinstance(rule, DeadlineRule):
            said["roles"] = sorted((role, stops[role]) for role in rule.roles)
        text = type(rule).__name__ + json.dumps(said, sort_keys=True)
        for kind in rule.kinds:
            found.setdefault(kind, []).append(text)
    return {kind: sorted(texts) for kind, texts in found.items()}
