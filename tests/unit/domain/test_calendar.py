"""Working days: the notices of twenty years, and what is said before a notice."""

from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hub.domain.calendar import MOST_NOTICES, WorkingCalendar, statutory_days

announced = st.dates(date(2007, 1, 1), date(2026, 10, 31))
any_day = st.dates(date(2005, 1, 1), date(2040, 12, 31))


def day(text: str) -> date:
    """A date from ISO text."""
    return date.fromisoformat(text)


def notice_for_2027(**moved: bool) -> dict[str, Any]:
    """An invented notice for 2027; keys such as d0104 are days off (True) or worked (False)."""
    days = [
        {"name": "元旦", "date": f"2027-{key[1:3]}-{key[3:]}", "isOffDay": is_off}
        for key, is_off in moved.items()
    ]
    return {"year": 2027, "papers": ["test"], "days": days}


def replacing(replaces: str, announced_on: str, **moved: bool) -> dict[str, Any]:
    """A later notice for 2027 that replaces days of another; known by the day it was announced."""
    rest = {"id": announced_on, "announced_on": announced_on, "replaces": replaces}
    return notice_for_2027(**moved) | rest


def made_of(*notices: dict[str, Any]) -> WorkingCalendar:
    """A calendar of these notices alone."""
    return WorkingCalendar.from_mapping({"version": "v", "notices": list(notices)})


def with_notices(calendar: WorkingCalendar, *notices: dict[str, Any]) -> WorkingCalendar:
    """The calendar with these notices added."""
    content: Any = calendar.to_mapping()
    return WorkingCalendar.from_mapping(
        {"version": "longer", "notices": [*content["notices"], *notices]}
    )


@pytest.mark.parametrize(
    ("decided", "seventh", "twentieth"),
    [
        ("2025-09-28", "2025-10-14", "2025-10-31"),
        ("2026-01-30", "2026-02-10", "2026-03-05"),
        ("2026-02-10", "2026-02-26", "2026-03-16"),
        ("2026-02-14", "2026-03-03", "2026-03-20"),
        ("2026-04-29", "2026-05-12", "2026-05-29"),
        ("2026-09-24", "2026-10-12", "2026-10-29"),
        ("2026-09-30", "2026-10-15", "2026-11-03"),
        ("2026-11-20", "2026-12-01", "2026-12-18"),
    ],
)
def test_periods_end_on_the_days_two_other_sources_agree_on(
    calendar: WorkingCalendar, decided: str, seventh: str, twentieth: str
) -> None:
    """holiday-cn and chinesecalendar give these days for 7 and 20 working days."""
    assert calendar.add_working_days(day(decided), 7) == (day(seventh), False)
    assert calendar.add_working_days(day(decided), 20) == (day(twentieth), False)


def test_the_last_certain_deadline_of_2026_is_that_of_22_december(
    calendar: WorkingCalendar,
) -> None:
    """From 23 December the seventh day lies in a year without a notice, and says so."""
    assert calendar.add_working_days(day("2026-12-22"), 7) == (day("2026-12-31"), False)
    assert calendar.add_working_days(day("2026-12-22"), 20).provisional
    assert calendar.add_working_days(day("2026-12-23"), 7) == (day("2027-01-04"), True)


@pytest.mark.parametrize(
    ("on", "is_working"),
    [
        ("2018-12-29", True),  # Saturday, worked by the notice for 2019
        ("2018-12-30", False),
        ("2018-12-31", False),  # Monday, off by the notice for 2019
        ("2019-01-01", False),
        ("2011-12-31", True),  # Saturday, worked by the notice for 2012
        ("2007-12-29", True),
        ("2007-12-31", False),
        ("2006-12-30", True),
        ("2022-12-31", False),
        ("2020-01-31", False),  # the holiday prolonged in 2020
        ("2015-09-03", False),  # the one-off holiday of 2015
        ("2026-02-14", True),
        ("2026-02-15", False),
        ("2026-02-23", False),
        ("2026-02-24", True),
        ("2026-11-21", False),
        ("2026-11-20", True),
    ],
)
def test_a_notice_also_moves_days_of_the_year_before(
    calendar: WorkingCalendar,
    on: str,
    is_working: bool,  # noqa: FBT001 - a table of answers
) -> None:
    """All notices are merged before look-up, so that year ends are right."""
    assert calendar.is_working_day(day(on)) is is_working


def test_a_day_that_the_next_year_s_notice_moves_is_no_guess() -> None:
    """Of 2026 nothing is announced but its last Saturday, which the notice for 2027 says is worked.

    The Sunday after it may still be moved.
    """
    moved = {"name": "元旦", "date": "2026-12-26", "isOffDay": False}
    alone = WorkingCalendar.from_mapping(
        {"version": "test", "notices": [{"year": 2027, "days": [moved]}]}
    )
    assert not alone.is_provisional(day("2026-12-26"))
    assert alone.is_provisional(day("2026-12-27"))


def test_a_period_over_new_year_2019_counts_the_moved_saturday(calendar: WorkingCalendar) -> None:
    """Decided on Thursday: Friday, the worked Saturday, then 2 January."""
    assert calendar.add_working_days(day("2018-12-27"), 3) == (day("2019-01-02"), False)


@pytest.mark.parametrize(
    ("on", "name"),
    [
        ("2027-01-01", "元旦"),
        ("2027-02-05", "春节"),
        ("2027-02-08", "春节"),
        ("2027-04-05", "清明节"),
        ("2027-05-02", "劳动节"),
        ("2027-06-09", "端午节"),
        ("2027-09-15", "中秋节"),
        ("2027-10-03", "国庆节"),
        ("2028-01-25", "春节"),
        ("2028-10-03", "国庆节、中秋节"),
        ("2029-06-16", "端午节"),
        ("2030-09-12", "中秋节"),
        ("2031-10-01", "国庆节、中秋节"),
    ],
)
def test_law_fixes_thirteen_days_before_any_notice(on: str, name: str) -> None:
    """元旦 1, 春节 4, 清明 1, 劳动节 2, 端午 1, 中秋 1, 国庆 3 (less one where two coincide)."""
    days = statutory_days(int(on[:4]))
    assert days[day(on)] == name
    assert len(days) == (12 if on[:4] in {"2028", "2031"} else 13)


@pytest.mark.parametrize(("year", "is_off"), [(2024, False), (2025, True), (2026, True)])
def test_the_second_of_may_is_off_since_the_revision_of_2024(year: int, *, is_off: bool) -> None:
    """劳动节 has two days from 2025 on, one before."""
    assert (date(year, 5, 2) in statutory_days(year)) is is_off
    assert date(year, 5, 1) in statutory_days(year)


def test_without_a_lunar_table_only_fixed_days_are_known() -> None:
    """Nothing is guessed: 2040 and 2005 have their fixed days, by the law of their time."""
    assert len(statutory_days(2040)) == 6
    assert len(statutory_days(2005)) == 5


def test_an_unannounced_year_has_statutory_days_off_and_is_provisional(
    calendar: WorkingCalendar,
) -> None:
    """Friday 2027-02-05 is 除夕: off by law; the days given in lieu are not guessed."""
    assert not calendar.is_working_day(day("2027-02-05"))
    assert calendar.is_working_day(day("2027-02-09"))
    assert calendar.is_provisional(day("2027-02-05"))
    assert not calendar.is_provisional(day("2026-12-31"))


def test_a_notice_makes_deadlines_certain_and_may_move_them(calendar: WorkingCalendar) -> None:
    """The sweep after a notice finds another day, no longer provisional."""
    later = with_notices(calendar, notice_for_2027(d0101=True, d0104=True))
    assert later.version == "longer"
    assert later.add_working_days(day("2026-12-23"), 7) == (day("2027-01-05"), False)
    assert calendar.add_working_days(day("2026-12-23"), 7) == (day("2027-01-04"), True)


def test_an_empty_file_of_a_year_is_not_a_notice(calendar: WorkingCalendar) -> None:
    """The data set publishes 2027 without days before the State Council has spoken."""
    empty = {"$schema": "x", "$id": "y", "year": 2027, "papers": [], "days": []}
    assert with_notices(calendar, empty).is_provisional(day("2027-01-04"))


def test_an_announced_year_knows_no_statutory_days_but_the_notice_s() -> None:
    """Law's fixed days serve until the notice comes; then the notice alone speaks."""
    assert not made_of().is_working_day(day("2027-10-01"))
    assert made_of(notice_for_2027(d0101=True)).is_working_day(day("2027-10-01"))


# --- a notice that replaces days of another ---


def test_the_holiday_of_2020_was_prolonged_with_a_saturday_that_was_to_be_worked(
    calendar: WorkingCalendar,
) -> None:
    """国办发明电〔2020〕1号 of 2020-01-27; before it 31 January and 1 February were worked."""
    content: Any = calendar.to_mapping()
    before = WorkingCalendar.from_mapping(
        {"version": "v", "notices": [n for n in content["notices"] if n["id"] != "2020-2"]}
    )
    assert before.add_working_days(day("2020-01-21"), 7).on == day("2020-02-05")
    assert calendar.add_working_days(day("2020-01-21"), 7) == (day("2020-02-07"), False)
    moved = {day("2020-01-31"), day("2020-02-01")}
    assert before.changed_days(calendar) == calendar.changed_days(before) == moved
    assert [before.is_working_day(on) for on in sorted(moved)] == [True, True]


def test_a_replacement_changes_the_days_it_names_and_no_other() -> None:
    """The earlier notice's other days stand, and the last of a chain speaks."""
    first = notice_for_2027(d0101=True, d0104=True, d0109=False)
    second = replacing("2027", "2027-01-02", d0104=False, d0109=True)
    third = replacing("2027-01-02", "2027-01-03", d0109=False)
    answers = {
        n: [made_of(*given).is_working_day(day(f"2027-01-{on}")) for on in ("01", "04", "09")]
        for n, given in enumerate([(first,), (second, first), (third, first, second)], 1)
    }
    assert answers == {
        1: [False, False, True],
        2: [False, True, False],
        3: [False, True, True],
    }


@pytest.mark.parametrize(
    ("notices", "problem"),
    [
        ([notice_for_2027(), notice_for_2027()], "two notices for 2027: the later one says"),
        ([notice_for_2027(), notice_for_2027() | {"id": "x"}], "two notices for 2027"),
        ([replacing("2027", "2027-01-02", d0104=True)], "no first notice for 2027"),
        (
            [notice_for_2027(), replacing("2026", "2027-01-02", d0104=True)],
            r"replace what is not there: 2027-01-02 \(2026\)",
        ),
        (
            [
                notice_for_2027(),
                replacing("2027", "2027-01-02", d0104=True),
                replacing("2027", "2027-01-03", d0104=True),
            ],
            "two notices replace 2027",
        ),
        (
            [
                notice_for_2027() | {"announced_on": "2027-01-02"},
                replacing("2027", "2027-01-02", d0104=True),
            ],
            "was not announced after 2027",
        ),
        ([notice_for_2027(), replacing("2027", "2027-01-02")], "needs announced_on, source, days"),
        (
            [notice_for_2027(), replacing("2027", "2027-01-02", d0104=True) | {"papers": []}],
            "needs announced_on, source, days",
        ),
        (
            [
                notice_for_2027(),
                replacing("2027", "2027-01-02", d0104=True) | {"announced_on": None},
            ],
            "needs announced_on, source, days",
        ),
        (
            [notice_for_2027(d0104=True), notice_for_2027(d0104=False) | {"year": 2028}],
            "2027 and 2028 disagree about 2027-01-04",
        ),
        (
            [notice_for_2027() | {"id": "x"}, notice_for_2027() | {"id": "x", "year": 2028}],
            "two notices are called x",
        ),
        (
            [{"year": 2027, "days": [{"name": "x", "date": "2027-01-04", "isOffDay": True}] * 2}],
            "notice 2027 names 2027-01-04 twice",
        ),
        ([notice_for_2027() | {"replace": "2027"}], "Extra inputs"),
    ],
)
def test_what_leaves_open_which_day_holds_is_refused(
    notices: list[dict[str, Any]], problem: str
) -> None:
    """An order in a file is no answer; a replacement says what it replaces, when and by what."""
    with pytest.raises(ValidationError, match=problem):
        made_of(*notices)


def test_a_calendar_has_no_keys_of_its_own_invention() -> None:
    """A slip of the pen in a key is refused."""
    with pytest.raises(ValidationError, match="notes"):
        WorkingCalendar.from_mapping({"version": "v", "notices": [], "notes": ""})


_days_of_2027 = st.dates(date(2027, 1, 1), date(2027, 12, 31))
_moves = st.dictionaries(_days_of_2027, st.booleans(), max_size=8)


def _moving(moves: dict[date, bool], **more: object) -> dict[str, Any]:
    days = [{"name": "x", "date": on.isoformat(), "isOffDay": off} for on, off in moves.items()]
    return {"year": 2027, "papers": ["test"], "days": days, **more}


@given(_moves.filter(bool), _moves.filter(bool), st.dates(date(2026, 12, 1), date(2027, 12, 1)))
def test_a_period_without_a_changed_day_ends_where_it_did(
    calendar: WorkingCalendar, first: dict[date, bool], second: dict[date, bool], on: date
) -> None:
    """Of any replacement: the answer of a day is the last notice's, and nothing else moves."""
    before = with_notices(calendar, _moving(first))
    later = _moving(second, id="later", announced_on="2027-01-01", replaces="2027")
    after = with_notices(calendar, _moving(first), later)
    assert all(after.is_working_day(one) is not off for one, off in (first | second).items())
    changed = before.changed_days(after)
    assert changed <= second.keys()
    due, moved = before.add_working_days(on, 7), after.add_working_days(on, 7)
    if not any(on < one <= due.on for one in changed):
        assert moved == due


@given(_moves.filter(bool), st.dates(date(2026, 12, 1), date(2028, 1, 31)))
def test_a_first_notice_changes_every_day_it_makes_certain(
    calendar: WorkingCalendar, moves: dict[date, bool], on: date
) -> None:
    """What was provisional in its year is so no longer; the years around it stay as they were."""
    after = with_notices(calendar, _moving(moves))
    changed = calendar.changed_days(after)
    assert (on in changed) == (on.year == 2027)


def test_a_calendar_survives_being_written_down(calendar: WorkingCalendar) -> None:
    """The mapping is what the basis hashes: equal calendars, whatever the order of notices."""
    mapping = calendar.to_mapping()
    assert WorkingCalendar.from_mapping(mapping).to_mapping() == mapping
    backwards = {**mapping, "notices": list(reversed(calendar.to_mapping()["notices"]))}  # type: ignore[call-overload]  # JSON values
    assert WorkingCalendar.from_mapping(backwards).to_mapping() == mapping


def test_explaining_names_each_day_and_its_reason(calendar: WorkingCalendar) -> None:
    """Decided 2026-02-12: Friday, the make-up Saturday, nine days of 春节, then Tuesday."""
    days = calendar.explain(day("2026-02-12"), 3)
    assert [(d.on.isoformat(), d.is_counted, d.zh) for d in days][:3] == [
        ("2026-02-13", True, "工作日"),
        ("2026-02-14", True, "调休上班（春节）"),
        ("2026-02-15", False, "放假（春节）"),
    ]
    assert days[-1] == (day("2026-02-24"), True, 3, "工作日", "working day", False)
    assert len(days) == 12


def test_explaining_an_unannounced_year_says_provisional(calendar: WorkingCalendar) -> None:
    """New Year's Day 2027 is off by law, the weekend by the week, both marked."""
    days = {d.on.isoformat(): d for d in calendar.explain(day("2026-12-30"), 2)}
    assert days["2026-12-31"].zh == "工作日"
    assert days["2027-01-01"].zh.startswith("法定节假日（元旦）（未载入该年放假安排")
    assert days["2027-01-02"].en.startswith("weekend (no notice")
    assert [d.provisional for d in days.values()] == [False, True, True, True, True]


@given(any_day, st.integers(0, 30))
def test_a_period_holds_exactly_its_working_days(
    calendar: WorkingCalendar, on: date, count: int
) -> None:
    """Day one is the next day, the last day is a working day, and none is left out."""
    due = calendar.add_working_days(on, count)
    between = [on + timedelta(days=n) for n in range(1, (due.on - on).days + 1)]
    assert sum(map(calendar.is_working_day, between)) == count
    assert count == 0 or calendar.is_working_day(due.on)
    assert due.provisional == any(map(calendar.is_provisional, between))


@given(any_day, st.integers(0, 30))
def test_the_explanation_is_the_count(calendar: WorkingCalendar, on: date, count: int) -> None:
    """What is explained is what is computed: same last day, same number, same mark."""
    days = calendar.explain(on, count)
    due = calendar.add_working_days(on, count)
    assert [d.on for d in days if d.is_counted][-1:] == ([due.on] if count else [])
    assert sum(d.is_counted for d in days) == count
    assert any(d.provisional for d in days) == due.provisional


@given(announced, st.integers(1, 10))
def test_marks_before_a_due_date_are_working_days_that_leave_the_count(
    calendar: WorkingCalendar, on: date, count: int
) -> None:
    """`working_days_before` undoes `add_working_days`, and falls on a day when people work."""
    due = calendar.add_working_days(on, 10)
    mark = calendar.working_days_before(due.on, count)
    assert calendar.is_working_day(mark)
    assert calendar.add_working_days(mark, count).on == due.on


def test_impossible_counts_are_programming_errors(calendar: WorkingCalendar) -> None:
    """A negative period, or a mark on the due date itself, is never meant."""
    with pytest.raises(ValueError, match="negative"):
        calendar.add_working_days(day("2026-01-05"), -1)
    with pytest.raises(ValueError, match="at least one"):
        calendar.working_days_before(day("2026-01-05"), 0)


@pytest.mark.parametrize(
    "notices",
    [
        [{"year": 1949 + n} for n in range(MOST_NOTICES + 1)],
        [{"year": 2026, "days": [{"name": "x", "date": "2026-01-01", "isOffDay": True}] * 367}],
        [{"year": 2200}],
        [{"year": 1948}],
        [{"year": 10**17}],
    ],
    ids=["notices", "days", "late", "early", "no date"],
)
def test_a_calendar_of_hostile_size_is_refused(notices: list[dict[str, object]]) -> None:
    """From a file and from the ledger: its years become days, and those end with 9999."""
    with pytest.raises(ValidationError, match=r"at most|less than or equal|greater than or equal"):
        WorkingCalendar.from_mapping({"version": "x", "notices": notices})


def test_the_first_and_last_years_of_a_calendar_are_compared() -> None:
    """An adoption asks which days the new calendar changes."""
    empty = WorkingCalendar.from_mapping({"version": "x", "notices": []})
    for year in (1949, 2199):
        day = {"name": "x", "date": f"{year}-03-01", "isOffDay": True}
        made = WorkingCalendar.from_mapping(
            {"version": "x", "notices": [{"year": year, "days": [day]}]}
        )
        assert len(empty.changed_days(made)) >= 365
