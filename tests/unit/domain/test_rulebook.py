"""Dated rules: which one speaks, until when, and that a wrong rulebook is refused."""

import copy
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hub.domain.calendar import WorkingCalendar
from hub.domain.rulebook import Clock, Deadlines, Rulebook, add_months

LICENCE = "licence.granted.v1"
PENALTY = "penalty.imposed.v1"
DAY_MS = 86_400_000


@pytest.fixture(scope="module")
def deadlines(rulebook: Rulebook, calendar: WorkingCalendar) -> Deadlines:
    """The national rules on the calendar of the repository."""
    return Deadlines(rulebook, calendar)


@pytest.mark.parametrize("role", ["report", "display"])
@pytest.mark.parametrize(
    ("clock", "kind", "due_on", "rule_id"),
    [
        ("disclose", PENALTY, date(2026, 10, 12), "disclose-424"),
        ("disclose", LICENCE, date(2026, 10, 12), "disclose-424"),
        ("correct", PENALTY, date(2026, 9, 30), "correct-default"),
        ("withdraw", PENALTY, date(2026, 9, 30), "withdraw-penalty-48"),
        ("withdraw", LICENCE, date(2026, 9, 30), "withdraw-licence-48"),
    ],
)
def test_each_clock_has_its_working_days_and_its_law(
    deadlines: Deadlines, clock: Clock, kind: str, role: str, due_on: date, rule_id: str
) -> None:
    """Seven working days to publish, three to correct or withdraw, from 2026-09-24 (中秋, 国庆)."""
    due = deadlines.due(clock, kind, role, date(2026, 9, 24))
    assert due is not None
    assert (due.due_on, due.provisional, due.rule_id) == (due_on, False, rule_id)


def test_a_due_day_ends_at_midnight_in_shanghai(deadlines: Deadlines) -> None:
    """2026-10-12 24:00 Asia/Shanghai is 16:00 UTC of that day."""
    due = deadlines.due("disclose", PENALTY, "display", date(2026, 9, 24))
    assert due is not None
    assert due.due_at_ms == 1_791_820_800_000
    assert due.due_at_ms % DAY_MS == 16 * 3_600_000


def test_a_deadline_in_an_unannounced_year_is_provisional(deadlines: Deadlines) -> None:
    """The mark of the calendar reaches the deadline."""
    due = deadlines.due("disclose", LICENCE, "report", date(2026, 12, 23))
    assert due is not None
    assert (due.due_on, due.provisional) == (date(2027, 1, 4), True)


@pytest.mark.parametrize(
    ("decided", "rule_id"),
    [
        (date(2018, 7, 24), "disclose-before-424"),
        (date(2018, 7, 25), "disclose-424"),
        (date(2026, 11, 21), "disclose-424"),
    ],
)
def test_the_rule_in_force_on_the_decision_date_speaks(
    rulebook: Rulebook, decided: date, rule_id: str
) -> None:
    """A rule holds from its first day, and an old decision keeps the rule of its time."""
    rule = rulebook.deadline_rule("disclose", PENALTY, "display", decided)
    assert rule is not None
    assert rule.id == rule_id


def test_a_case_without_a_rule_has_no_deadline(deadlines: Deadlines) -> None:
    """No duty is invented for a kind, a role or a time nobody wrote a rule for."""
    assert deadlines.due("disclose", "commitment.made.v1", "display", date(2026, 1, 5)) is None
    assert deadlines.due("disclose", PENALTY, "internal", date(2026, 1, 5)) is None
    assert deadlines.due("disclose", PENALTY, "display", date(1949, 9, 30)) is None


def test_due_soon_falls_three_and_one_working_days_before(deadlines: Deadlines) -> None:
    """Before Monday 2026-10-12 come the worked Saturday and Friday."""
    marks = ((3, date(2026, 10, 8)), (1, date(2026, 10, 10)))
    assert deadlines.due_soon_marks(date(2026, 10, 12)) == marks


def test_each_role_says_which_stage_stops_its_clock(rulebook: Rulebook) -> None:
    """报送 is done when acknowledged, 公示 when published."""
    assert rulebook.stops_at("report") == "acknowledged"
    assert rulebook.stops_at("display") == "published"
    with pytest.raises(KeyError):
        rulebook.stops_at("internal")


@pytest.mark.parametrize(
    ("decided", "seriousness", "ends", "rule_id"),
    [
        (date(2026, 4, 1), "MINOR", date(2026, 7, 1), "periods-order-36"),
        (date(2026, 4, 1), "ORDINARY", date(2027, 4, 1), "periods-order-36"),
        (date(2026, 4, 1), "SERIOUS", date(2029, 4, 1), "periods-order-36"),
        (date(2026, 4, 1), "", date(2029, 4, 1), "periods-order-36"),
        (date(2026, 3, 31), "ORDINARY", date(2029, 3, 31), "periods-order-58"),
        (date(2023, 4, 30), "ORDINARY", date(2024, 4, 30), "periods-527"),
        (date(2026, 11, 30), "MINOR", date(2027, 2, 28), "periods-order-36"),
    ],
)
def test_publication_ends_at_the_maximum_of_its_class(
    rulebook: Rulebook, decided: date, seriousness: str, ends: date, rule_id: str
) -> None:
    """Order 36 from 2026-04-01, order 58 and notice 527 before; a short month ends early."""
    assert rulebook.publication_end(PENALTY, decided, seriousness) == (ends, rule_id, False)


def test_a_stated_end_counts_when_the_rule_allows_it(rulebook: Rulebook) -> None:
    """An earlier 公示截止期 is kept, 2099-12-31 is cut to the limit, licences have no limit."""
    decided = date(2026, 5, 6)
    stated = rulebook.publication_end(PENALTY, decided, "ORDINARY", date(2026, 12, 1))
    assert stated == (date(2026, 12, 1), "periods-order-36", False)
    endless = rulebook.publication_end(PENALTY, decided, "ORDINARY", date(2099, 12, 31))
    assert endless == (date(2027, 5, 6), "periods-order-36", True)
    last = rulebook.publication_end(PENALTY, decided, "ORDINARY", date(2027, 5, 6))
    assert last == (date(2027, 5, 6), "periods-order-36", False)
    assert rulebook.publication_end(LICENCE, decided, "", date(2099, 12, 31)) is None


@pytest.mark.parametrize(
    ("procedure", "seriousness", "rule_id"),
    [
        ("01", "", "withhold-minor-order-36"),
        ("02", "MINOR", "withhold-minor-order-36"),
        ("02", "ORDINARY", ""),
        ("", "", ""),
    ],
)
def test_simple_and_minor_penalties_are_withheld_from_the_public(
    rulebook: Rulebook, procedure: str, seriousness: str, rule_id: str
) -> None:
    """简易程序 and 轻微 are accepted and not shown; the rule is named."""
    assert rulebook.withheld_by(PENALTY, date(2026, 5, 6), procedure, seriousness) == rule_id
    assert rulebook.withheld_by(LICENCE, date(2026, 5, 6), procedure, seriousness) == ""


def test_a_rulebook_survives_being_written_down(rulebook: Rulebook) -> None:
    """The canonical JSON is what the basis hashes."""
    again = Rulebook.from_mapping(rulebook.to_mapping())
    assert again == rulebook
    assert again.to_canonical_json() == rulebook.to_canonical_json()
    changed = copy.deepcopy(rulebook.to_mapping())
    changed["version"] = "another"
    assert Rulebook.from_mapping(changed).to_canonical_json() != rulebook.to_canonical_json()


def wrong(mapping: dict[str, Any], what: str) -> dict[str, Any]:
    """The rulebook with one mistake in it."""
    first = mapping["deadlines"][0]
    period = mapping["publication_periods"][0]
    match what:
        case "rule id used twice":
            mapping["deadlines"][1]["id"] = first["id"]
        case "role used twice":
            mapping["roles"].append(mapping["roles"][0])
        case "undefined roles":
            first["roles"] = ["display", "internal"]
        case "longest first":
            mapping["due_soon_working_days"] = [1, 3]
        case "1 or more":
            mapping["due_soon_working_days"] = [3, 0]
        case "both speak for":
            mapping["deadlines"][1]["effective_from"] = first["effective_from"]
        case "unknown classes":
            period["classes"]["MINER"] = period["unclassified"]
        case "min_months 40 > max_months 36":
            period["unclassified"]["min_months"] = 40
        case "Extra inputs":
            first["working_day"] = 7
        case "greater than or equal to 1":
            first["working_days"] = 0
        case _:
            first["source"] = ""
    return mapping


@pytest.mark.parametrize(
    "problem",
    [
        "rule id used twice",
        "role used twice",
        "undefined roles",
        "longest first",
        "1 or more",
        "both speak for",
        "unknown classes",
        "min_months 40 > max_months 36",
        "Extra inputs",
        "greater than or equal to 1",
        "at least 1 character",
    ],
)
def test_a_wrong_rulebook_is_refused_with_the_reason(rulebook: Rulebook, problem: str) -> None:
    """Typing mistakes, ties and rules without a source never come into force."""
    with pytest.raises(ValidationError, match=problem):
        Rulebook.from_mapping(wrong(copy.deepcopy(rulebook.to_mapping()), problem))


@pytest.mark.parametrize(
    ("on", "months", "later"),
    [
        (date(2026, 1, 31), 3, date(2026, 4, 30)),
        (date(2026, 12, 31), 2, date(2027, 2, 28)),
        (date(2023, 11, 30), 3, date(2024, 2, 29)),
        (date(2024, 2, 29), 36, date(2027, 2, 28)),
        (date(2026, 8, 31), 12, date(2027, 8, 31)),
    ],
)
def test_where_a_month_has_no_such_day_its_last_one_ends_the_period(
    on: date, months: int, later: date
) -> None:
    """Months of thirty days and February, in leap years and others."""
    assert add_months(on, months) == later


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)), st.integers(0, 120))
def test_months_later_is_the_same_day_or_the_month_s_last(on: date, months: int) -> None:
    """民法典 Art 202: the corresponding day, or the last day where there is none."""
    later = add_months(on, months)
    assert (later.year * 12 + later.month) - (on.year * 12 + on.month) == months
    assert later.day == on.day or (later.day < on.day and add_months(later, 0) == later)
    if later.day != on.day:
        assert date.fromordinal(later.toordinal() + 1).day == 1
