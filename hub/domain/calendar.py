"""Working days as the State Council's yearly notices make them, and what to say before a notice.

Counting (民法典 Art 201): the day of the decision does not count, day one is the next day.
行政处罚法 Art 85 and 行政许可法 Art 82: short periods are working days. A notice moves days: a
weekend day becomes a working day (调休) and counts. Notices of one year also move days at the end
of the year before (2018-12-29 in the notice for 2019), so all notices are merged before look-up;
a December day of an announced year can still move, and the sweep that follows a notice finds it.
A later notice may replace days of an earlier one for the same year (on 2020-01-27 the holiday was
prolonged, with a Saturday that was to be worked): it names the one it replaces, and its days stand
in the place of the same days there; the other days of the earlier one stay.

A year without a notice gets weekends and the days that law fixes (全国年节及纪念日放假办法, as
revised 2024-11-10), everything marked *provisional*: the lunar festivals are known for 2027 to 2035
from the table below; outside it only the fixed dates are used. Days given in lieu (补假, 调休) are
not guessed.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, timedelta
from itertools import groupby
from typing import Annotated, Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_ONE_DAY: Final = timedelta(days=1)
_SATURDAY: Final = 5
_CACHE_LIMIT: Final = 20_000
_LONGEST_YEAR: Final = 366
_PRESENT_LAW_FROM: Final = 2025
MOST_NOTICES: Final = 500
MOST_DAYS: Final = 366
"""Days of one notice; the longest has some forty."""
_MOST_PAPERS: Final = 64
_Year = Annotated[int, Field(ge=1949, le=2199)]
"""Holidays are fixed by law since 1949; far from both ends of what a date can be."""

#: 春节 (first lunar day), 清明, 端午, 中秋 as month and day; computed with two independent lunar
#: calendar libraries that agree, before any notice.
_LUNAR: Final[dict[int, tuple[str, str, str, str]]] = {
    2027: ("02-06", "04-05", "06-09", "09-15"),
    2028: ("01-26", "04-04", "05-28", "10-03"),
    2029: ("02-13", "04-04", "06-16", "09-22"),
    2030: ("02-03", "04-05", "06-05", "09-12"),
    2031: ("01-23", "04-05", "06-24", "10-01"),
    2032: ("02-11", "04-04", "06-12", "09-19"),
    2033: ("01-31", "04-04", "06-01", "09-08"),
    2034: ("02-19", "04-05", "06-20", "09-27"),
    2035: ("02-08", "04-05", "06-10", "09-16"),
}


class NoticeDay(BaseModel):
    """A day that a notice takes out of the plain week: off, or worked (`isOffDay` false)."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)

    name: str
    date: date
    is_off_day: bool = Field(alias="isOffDay")


class HolidayNotice(BaseModel):
    """One notice, in the shape of a file of NateScarlet/holiday-cn with a few keys more.

    `papers` are the addresses of the State Council's texts, `source` their title or number. Keys
    that begin with `$` (`$schema`) are ignored. A notice is known by its `id`, or else its year.
    One that `replaces` another (its id) is of the same year and announced on a later day.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    year: _Year
    id: str = ""
    papers: tuple[str, ...] = Field(default=(), max_length=_MOST_PAPERS)
    source: str = ""
    announced_on: date | None = None
    replaces: str = ""
    days: tuple[NoticeDay, ...] = Field(default=(), max_length=MOST_DAYS)

    @model_validator(mode="before")
    @classmethod
    def _without_schema_keys(cls, mapping: object) -> object:
        """The file's description of its own form is not part of the notice."""
        if not isinstance(mapping, Mapping):
            return mapping
        return {key: value for key, value in mapping.items() if not str(key).startswith("$")}

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        """A replacement says when, by what text and which days; no day is named twice."""
        if self.replaces and not (self.days and self.announced_on and (self.source or self.papers)):
            raise ValueError(f"notice {self.name}: a replacement needs announced_on, source, days")
        dates = [day.date for day in self.days]
        twice = next((on for on in dates if dates.count(on) > 1), None)
        if twice is not None:
            raise ValueError(f"notice {self.name} names {twice} twice")
        return self

    @property
    def name(self) -> str:
        """Name of this notice in a replacement."""
        return self.id or str(self.year)


class CalendarNotices(BaseModel):
    """Parts of a calendar: a version for people and notices, one or a chain per year."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str = Field(min_length=1)
    source: str = ""
    notices: tuple[HolidayNotice, ...] = Field(max_length=MOST_NOTICES)

    @field_validator("notices")
    @classmethod
    def _agree(cls, notices: tuple[HolidayNotice, ...]) -> tuple[HolidayNotice, ...]:
        """By year, each behind the one it replaces; what leaves open which day holds is refused."""
        ordered = _in_order(notices)
        _moved_days(ordered)
        return ordered


class DueDay(NamedTuple):
    """A day reached by counting; `provisional` when an unannounced day was passed."""

    on: date
    provisional: bool


class ExplainedDay(NamedTuple):
    """One day of a count, with the reason in two languages; `counted` is the number so far."""

    on: date
    is_counted: bool
    counted: int
    zh: str
    en: str
    provisional: bool


class WorkingCalendar:
    """Working days of a set of notices; immutable, answers are cached (bounded)."""

    def __init__(self, content: CalendarNotices) -> None:
        self.content = content
        #: Years whose notice is known; only days of other years are provisional.
        self.announced_years = frozenset(notice.year for notice in content.notices if notice.days)
        #: Every day of a notice, as the last notice in force says.
        self.moved = _moved_days(content.notices)
        self._statutory: dict[int, dict[date, str]] = {}
        self._due: dict[tuple[date, int], DueDay] = {}

    @classmethod
    def from_mapping(cls, mapping: object) -> "WorkingCalendar":
        """A calendar from parsed JSON or YAML; pydantic's `ValidationError` names what is wrong."""
        return cls(CalendarNotices.model_validate(mapping))

    @property
    def version(self) -> str:
        """The version for people, such as `cn-2007-2026`."""
        return self.content.version

    def to_mapping(self) -> dict[str, object]:
        """The calendar as JSON values, notices by year: equal calendars give equal mappings."""
        mapping: dict[str, object] = self.content.model_dump(mode="json", by_alias=True)
        return mapping

    def changed_days(self, later: "WorkingCalendar") -> frozenset[date]:
        """The days of which `later` says something else: worked or not, provisional or not.

        A period that holds none of them ends under `later` on the same day, as sure as before.
        """
        candidates = set(self.moved) | set(later.moved)
        for year in self.announced_years ^ later.announced_years:
            first = date(year, 1, 1)
            candidates |= {first + timedelta(days=n) for n in range(_LONGEST_YEAR)}
        return frozenset(
            on
            for on in candidates
            if self.is_working_day(on) != later.is_working_day(on)
            or self.is_provisional(on) != later.is_provisional(on)
        )

    def is_working_day(self, on: date) -> bool:
        """Whether people work on this day; for an unannounced year by law's fixed days alone."""
        moved = self.moved.get(on)
        if moved is not None:
            return not moved.is_off_day
        if on.weekday() >= _SATURDAY:
            return False
        return on.year in self.announced_years or on not in self._statutory_days(on.year)

    def is_provisional(self, on: date) -> bool:
        """Whether no notice covers this day, so that it may still change."""
        return on.year not in self.announced_years and on not in self.moved

    def add_working_days(self, on: date, count: int) -> DueDay:
        """The last day of a period of `count` working days that begins the day after `on`.

        `count` ≥ 0; with 0 it is the day itself. Raises `ValueError` for a negative count.
        """
        due = self._due.get((on, count))
        if due is None:
            due = self._count(on, count)
            if len(self._due) >= _CACHE_LIMIT:
                self._due.clear()
            self._due[on, count] = due
        return due

    def working_days_before(self, due_on: date, count: int) -> date:
        """The latest working day that leaves `count` working days, `due_on` among them.

        The inverse of `add_working_days` for a `due_on` that is a working day; `count` ≥ 1.
        """
        if count < 1:
            raise ValueError("a period before a due date has at least one working day")
        day, left = due_on, count
        while True:
            left -= self.is_working_day(day)
            day -= _ONE_DAY
            if left <= 0 and self.is_working_day(day):
                return day

    def explain(self, on: date, count: int) -> tuple[ExplainedDay, ...]:
        """Every day from the day after `on` to the due day: counted or skipped, and why."""
        explained = []
        counted = 0
        for day in self._days_to(on, count):
            is_counted = self.is_working_day(day)
            counted += is_counted
            zh, en = self._why(day, is_counted=is_counted)
            provisional = self.is_provisional(day)
            if provisional:
                zh += "（未载入该年放假安排，暂按法定节假日推算）"
                en += " (no notice loaded for this year: weekends and statutory days)"
            explained.append(ExplainedDay(day, is_counted, counted, zh, en, provisional))
        return tuple(explained)

    def _count(self, on: date, count: int) -> DueDay:
        """`add_working_days` without the cache."""
        day, provisional = on, False
        for day in self._days_to(on, count):
            provisional = provisional or self.is_provisional(day)
        return DueDay(day, provisional)

    def _days_to(self, on: date, count: int) -> Iterator[date]:
        """The days after `on` up to the one that completes `count` working days."""
        if count < 0:
            raise ValueError("a period has no negative number of working days")
        day = on
        while count:
            day += _ONE_DAY
            count -= self.is_working_day(day)
            yield day

    def _why(self, on: date, *, is_counted: bool) -> tuple[str, str]:
        """Why a day counts or not, Chinese and English."""
        moved = self.moved.get(on)
        if moved is not None and is_counted:
            if on.weekday() < _SATURDAY:
                return "工作日", "working day"
            return f"调休上班（{moved.name}）", f"make-up working day ({moved.name})"
        if moved is not None:
            return f"放假（{moved.name}）", f"holiday ({moved.name})"
        if is_counted:
            return "工作日", "working day"
        name = self._statutory_days(on.year).get(on)
        if name is not None and self.is_provisional(on):
            return f"法定节假日（{name}）", f"statutory holiday ({name})"
        return "周末", "weekend"

    def _statutory_days(self, year: int) -> dict[date, str]:
        """`statutory_days`, kept per year."""
        if year not in self._statutory:
            self._statutory[year] = statutory_days(year)
        return self._statutory[year]


def statutory_days(year: int) -> dict[date, str]:
    """The days off that law itself fixes for a year, with their names.

    Complete for 2027 to 2035. Elsewhere without the lunar festivals (春节, 清明, 端午, 中秋), and
    before 2025 with one day for 劳动节.
    """
    days = {date(year, 1, 1): "元旦", date(year, 5, 1): "劳动节"}
    if year >= _PRESENT_LAW_FROM:
        days[date(year, 5, 2)] = "劳动节"
    days.update({date(year, 10, day): "国庆节" for day in (1, 2, 3)})
    if year in _LUNAR:
        spring, qingming, dragon_boat, mid_autumn = (
            date.fromisoformat(f"{year}-{month_day}") for month_day in _LUNAR[year]
        )
        # 除夕 and the first three days of the lunar year: four days since the revision of 2024
        days.update({spring + timedelta(days=n): "春节" for n in (-1, 0, 1, 2)})
        days[qingming] = "清明节"
        days[dragon_boat] = "端午节"
        # 中秋 may fall on 国庆 (2028, 2031): the day carries both names
        days[mid_autumn] = "国庆节、中秋节" if mid_autumn in days else "中秋节"
    return days


def _in_order(notices: Iterable[HolidayNotice]) -> tuple[HolidayNotice, ...]:
    """Notices by year, each behind the one it replaces.

    Raises `ValueError` where it is open which notice of a year holds.
    """
    ordered: list[HolidayNotice] = []
    by_year = groupby(sorted(notices, key=lambda one: one.year), key=lambda one: one.year)
    for year, group in by_year:
        of_year = list(group)
        first = [notice for notice in of_year if not notice.replaces]
        if len(first) > 1:
            raise ValueError(f"two notices for {year}: the later one says which it `replaces`")
        if not first:
            raise ValueError(f"no first notice for {year}: each of them replaces another")
        ordered += _chain(first[0], [notice for notice in of_year if notice.replaces])
    names = [notice.name for notice in ordered]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two notices are called {twice}")
    return tuple(ordered)


def _chain(first: HolidayNotice, replacements: list[HolidayNotice]) -> list[HolidayNotice]:
    """A year's notices from the first to the last, each announced after the one it replaces."""
    chain = [first]
    left = list(replacements)
    while left:
        known = chain[-1]
        following = [notice for notice in left if notice.replaces == known.name]
        if not following:
            names = ", ".join(f"{notice.name} ({notice.replaces})" for notice in left)
            raise ValueError(f"notices of {known.year} replace what is not there: {names}")
        if len(following) > 1:
            raise ValueError(f"two notices replace {known.name}")
        notice = following[0]
        if known.announced_on and notice.announced_on and notice.announced_on <= known.announced_on:
            raise ValueError(f"notice {notice.name} was not announced after {known.name}")
        left.remove(notice)
        chain.append(notice)
    return chain


def _moved_days(notices: Iterable[HolidayNotice]) -> dict[date, NoticeDay]:
    """Every day of notices in force; raises `ValueError` where two years disagree."""
    moved: dict[date, NoticeDay] = {}
    spoken_by: dict[date, int] = {}
    for notice in notices:
        for day in notice.days:
            known = moved.get(day.date)
            if (
                known is not None
                and spoken_by[day.date] != notice.year
                and known.is_off_day != day.is_off_day
            ):
                years = f"{spoken_by[day.date]} and {notice.year}"
                raise ValueError(f"the notices of {years} disagree about {day.date}")
            moved[day.date], spoken_by[day.date] = day, notice.year
    return moved
