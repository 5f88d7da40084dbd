"""Dates as departments write them, empty dates of systems, and the ends of business days."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.dates import (
    LONG_TERM,
    day_of_ms,
    day_start_ms,
    due_at_ms,
    month_days,
    read_date,
    read_valid_to,
    two_months,
)

SHANGHAI = timezone(timedelta(hours=8))

real_days = st.dates(date(1900, 1, 2), date(2199, 12, 31)).filter(
    lambda day: day != date(1970, 1, 1)
)


@pytest.mark.parametrize(
    "written",
    [
        "2026-01-02",
        "2026/1/2",
        "2026/01/02",
        "2026.1.2",
        "20260102",
        "2026年1月2日",
        "2026年01月02日",
        "２０２６－０１－０２",
        " 2026-01-02\t",
        "2026-01-02 00:00:00",
        "2026-01-02T15:30",
        "2026/1/2 0:00:00",
        "2026-01-02 00:00:00.000",
    ],
)
def test_every_accepted_form_is_one_day(written: str) -> None:
    """Three separators, two compact forms, full width, and the time of day databases append."""
    assert read_date(written) == ("2026-01-02", date(2026, 1, 2), "")


@pytest.mark.parametrize(
    "written",
    [
        "2026-1/2",
        "03/29/2018",
        "2/1/2026",
        "2014年12月",
        "2014-12",
        "Oct-17",
        "2026-02-30",
        "2026-13-01",
        "20261301",
        "45000",
        "2026-01-02Z",
        "2026-01-02T00:00:00+08:00",
        "2026-001-02",
        "26-01-02",
        "2200-01-01",
        "1899-06-01",
        "二〇二六年一月二日",
        "2026-01-02 " + "0" * 40,
    ],
)
def test_what_is_not_plainly_a_day_is_unreadable(written: str) -> None:
    """Mixed separators, months alone, foreign order, impossible days and zones are not guessed."""
    assert read_date(written) == ("", None, "DATE_UNREADABLE")


@pytest.mark.parametrize(
    "written",
    [
        "1899-12-31",
        "1899/12/31 00:00:00",
        "1899-12-30",
        "1900-01-01",
        "1970-01-01",
        "0000-00-00",
        "0001-01-01",
        "\\N",
        "null",
        "暂无",
        "— —",
        "-",
        "空",
    ],
)
def test_a_system_s_empty_date_has_its_own_reason(written: str) -> None:
    """The clerk is told that the system wrote a placeholder, not that the form is wrong."""
    assert read_date(written) == ("", None, "DATE_SENTINEL")


def test_an_empty_cell_is_an_absent_date() -> None:
    """Whether the date is required is the contract's business."""
    assert read_date(" ") == ("", None, "")


@pytest.mark.parametrize(
    "written", ["2099/12/31", "2099-12-31", "长期", " 长期\u3000", "永久有效", "9999-12-31"]
)
def test_long_term_is_one_day(written: str) -> None:
    """2099-12-31 is agreed to mean 长期; the words and databases' for ever become it."""
    assert read_valid_to(written) == ("2099-12-31", LONG_TERM, "")


def test_long_term_is_no_decision_date() -> None:
    """A word is understood only where a validity may end."""
    assert read_date("长期").reason == "DATE_UNREADABLE"
    assert read_valid_to("2026/1/2").on == date(2026, 1, 2)


@pytest.mark.parametrize(
    ("month", "first", "last"),
    [
        ("2026-01", date(2026, 1, 1), date(2026, 1, 31)),
        ("2028-02", date(2028, 2, 1), date(2028, 2, 29)),
        ("2026-12", date(2026, 12, 1), date(2026, 12, 31)),
    ],
)
def test_a_month_ends_on_its_last_day(month: str, first: date, last: date) -> None:
    """A month's report holds all its days, in December too."""
    assert month_days(month) == (first, last)
    assert two_months(last)[0] == (first, last)
    assert two_months(last)[1][1] == first - timedelta(days=1)


@given(real_days, st.sampled_from(["%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%Y年%m月%d日"]))
def test_every_day_is_read_back_in_every_form(day: date, form: str) -> None:
    """No day of three centuries is lost by any form."""
    assert read_date(day.strftime(form)) == (day.isoformat(), day, "")


@given(st.text(max_size=50))
def test_any_text_is_answered_with_a_day_or_a_reason(text: str) -> None:
    """No text raises, and a reason never comes with a day."""
    canonical, on, reason = read_date(text)
    assert (on is None) == (canonical == "")
    assert (reason == "") == (on is not None or not text.strip())


@given(st.dates(date(1992, 1, 1), date(2199, 12, 30)))
def test_a_business_day_ends_when_the_next_begins_in_shanghai(day: date) -> None:
    """24:00 Asia/Shanghai is 16:00 UTC: no summer time since 1991."""
    ends = datetime.combine(day + timedelta(days=1), datetime.min.time(), SHANGHAI)
    assert due_at_ms(day) == int(ends.timestamp() * 1000)
    assert day_start_ms(day + timedelta(days=1)) == due_at_ms(day)
    assert day_of_ms(due_at_ms(day) - 1) == day
    assert day_of_ms(due_at_ms(day)) == day + timedelta(days=1)


def test_a_late_evening_in_greenwich_is_the_next_day_in_shanghai() -> None:
    """16:00 UTC is midnight."""
    moment = datetime(2026, 11, 20, 16, 0, tzinfo=UTC)
    assert day_of_ms(int(moment.timestamp() * 1000)) == date(2026, 11, 21)
