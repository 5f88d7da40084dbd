"""Dated rules: which one speaks, until when, and that a wrong rulebook is refused."""

import copy
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hub.domain.calendar import WorkingCalendar
from hub.domain.rulebook import (
    MOST_KINDS,
    MOST_ROLES,
    MOST_RULES,
    Clock,
    Deadlines,
    PublicationEnd,
    Rulebook,
    add_months,
)

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
    end = rulebook.publication_end(PENALTY, decided, seriousness)
    assert end == PublicationEnd(ends, rule_id, is_capped=False, is_everywhere=False)


def test_a_stated_end_counts_when_the_rule_allows_it(rulebook: Rulebook) -> None:
    """An earlier 公示截止期 is kept, 2099-12-31 is cut to the limit, licences have no limit."""
    decided = date(2026, 5, 6)
    stated = rulebook.publication_end(PENALTY, decided, "ORDINARY", date(2026, 12, 1))
    assert stated is not None
    assert stated[:3] == (date(2026, 12, 1), "periods-order-36", False)
    endless = rulebook.publication_end(PENALTY, decided, "ORDINARY", date(2099, 12, 31))
    assert endless is not None
    assert endless[:3] == (date(2027, 5, 6), "periods-order-36", True)
    last = rulebook.publication_end(PENALTY, decided, "ORDINARY", date(2027, 5, 6))
    assert last is not None
    assert last[:3] == (date(2027, 5, 6), "periods-order-36", False)
    assert rulebook.publication_end(LICENCE, decided, "", date(2099, 12, 31)) is None


@pytest.mark.parametrize("stated", [None, date(2026, 12, 1), date(2099, 12, 31)])
def test_a_rule_says_whether_its_period_ends_at_public_targets_or_everywhere(
    rulebook: Rulebook, stated: date | None
) -> None:
    """A ban from procurement lapses at the procurement system too, however its end was found."""
    mapping = copy.deepcopy(rulebook.to_mapping())
    mapping["publication_periods"][-1]["ends_at"] = "everywhere"  # type: ignore[index]  # JSON values
    end = Rulebook.from_mapping(mapping).publication_end(PENALTY, date(2026, 5, 6), "", stated)
    assert end is not None
    assert end.is_everywhere
    earlier = Rulebook.from_mapping(mapping).publication_end(PENALTY, date(2026, 3, 6), "", stated)
    assert earlier is not None
    assert not earlier.is_everywhere


def test_statements_without_their_record_wait_thirty_days_unless_a_site_says_otherwise(
    rulebook: Rulebook,
) -> None:
    """The hub's own rule, and marked as such; an older rulebook gets the same."""
    mapping = copy.deepcopy(rulebook.to_mapping())
    for held in (rulebook.held, Rulebook.from_mapping(without(mapping, "held")).held):
        assert (held.days, held.most_per_department, held.is_verified) == (30, 1000, False)
        assert held.source
        assert held.ends_on(date(2026, 1, 31)) == date(2026, 3, 2)
    mapping["held"] = {"days": 5, "most_per_department": 20, "source": "本市规定"}
    assert Rulebook.from_mapping(mapping).held.ends_on(date(2026, 11, 2)) == date(2026, 11, 7)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"days": 0}, "held.days"),
        ({"days": 367}, "held.days"),
        ({"most_per_department": 0}, "held.most_per_department"),
        ({"source": ""}, "held.source"),
        ({"day": 5}, "held.day"),
    ],
)
def test_a_wrong_rule_for_waiting_statements_is_refused(
    rulebook: Rulebook, change: dict[str, object], problem: str
) -> None:
    """Nothing waits for no time at all or for ever."""
    mapping = rulebook.to_mapping() | {"held": change}
    with pytest.raises(ValidationError, match=problem):
        Rulebook.from_mapping(mapping)


@pytest.mark.parametrize("marks", [[1], [5, 3, 1], [10, 5, 3, 2, 1]])
def test_any_number_of_marks_is_given_earliest_day_first(
    rulebook: Rulebook, calendar: WorkingCalendar, marks: list[int]
) -> None:
    """Each with the working days that are left, on a day when people work."""
    mapping = rulebook.to_mapping() | {"due_soon_working_days": marks}
    found = Deadlines(Rulebook.from_mapping(mapping), calendar).due_soon_marks(date(2026, 10, 12))
    assert [left for left, _on in found] == marks
    days = [on for _left, on in found]
    assert days == sorted(set(days))
    for left, on in found:
        assert calendar.add_working_days(on, left).on == date(2026, 10, 12)


@pytest.mark.parametrize("marks", [[], [3, 3], [1, 3], [3, 0], [6, 5, 4, 3, 2, 1], [251]])
def test_marks_that_cannot_be_meant_are_refused(rulebook: Rulebook, marks: list[int]) -> None:
    """None at all, one twice, in another order, on the due date itself, or too many."""
    mapping = rulebook.to_mapping() | {"due_soon_working_days": marks}
    with pytest.raises(ValidationError, match="due_soon_working_days"):
        Rulebook.from_mapping(mapping)


@pytest.mark.parametrize("where", ["publication_periods", "withholding"])
def test_two_rules_of_one_day_for_one_kind_are_refused(rulebook: Rulebook, where: str) -> None:
    """Which of them speaks would be a matter of order; for another kind or day they do not tie."""
    mapping: Any = copy.deepcopy(rulebook.to_mapping())
    rule = mapping[where][-1]
    tie = rule | {"id": "another", "kinds": [LICENCE, PENALTY]}
    mapping[where].append(tie)
    with pytest.raises(ValidationError, match=f"{rule['id']} and another both speak for"):
        Rulebook.from_mapping(mapping)
    for change in ({"effective_from": "2026-04-02"}, {"kinds": [LICENCE]}):
        mapping[where][-1] = tie | change
        assert Rulebook.from_mapping(mapping).rules()


def test_the_kinds_that_another_rulebook_answers_differently_are_named(rulebook: Rulebook) -> None:
    """What only texts or reminders say is no other answer; a role's stage is one for its kinds."""
    listed = "court_enforcement.listed.v1"

    def changed(edit: Any) -> frozenset[str]:  # noqa: ANN401 - a change to JSON values
        mapping: Any = copy.deepcopy(rulebook.to_mapping())
        edit(mapping)
        later = Rulebook.from_mapping(mapping)
        assert rulebook.changed_kinds(later) == later.changed_kinds(rulebook)
        return rulebook.changed_kinds(later)

    def texts_alone(mapping: Any) -> None:  # noqa: ANN401 - as above
        mapping["version"] = "another"
        mapping["due_soon_working_days"] = [5]
        mapping["deadlines"].reverse()
        mapping["deadlines"][0] |= {"id": "renamed", "source": "x", "is_verified": True}

    assert changed(texts_alone) == set()
    assert changed(lambda m: m["deadlines"][0].update(working_days=8)) == {LICENCE, PENALTY}
    assert changed(lambda m: m["publication_periods"][0].update(ends_at="everywhere")) == {PENALTY}
    assert changed(lambda m: m["withholding"][0].update(seriousness=[])) == {PENALTY}
    assert changed(lambda m: m["deadlines"][0].update(kinds=[LICENCE, listed])) == {PENALTY, listed}
    assert listed in changed(lambda m: m["roles"][1].update(stops_at="acknowledged"))


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


def without(mapping: dict[str, object], key: str) -> dict[str, object]:
    """The mapping without one key."""
    return {name: value for name, value in mapping.items() if name != key}


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
        case "due_soon_working_days.1":
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
        "due_soon_working_days.1",
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


def test_a_rulebook_of_hostile_size_is_refused_from_a_file_and_from_the_ledger(
    rulebook: Rulebook,
) -> None:
    """Each case of kind and role is written out: a megabyte of both was forty million cases."""
    kinds = [f"k{n}.v1" for n in range(MOST_KINDS)]
    roles = [
        {"role": f"r{n}", "name_zh": "x", "stops_at": "acknowledged"} for n in range(MOST_ROLES)
    ]
    rule: dict[str, Any] = {
        "id": "d", "effective_from": "2026-01-01", "source": "x", "clock": "disclose",
        "kinds": kinds, "roles": [each["role"] for each in roles], "working_days": 7,
    }  # fmt: skip
    good: dict[str, Any] = {"version": "x", "roles": roles, "deadlines": [rule]}
    assert len(Rulebook.from_mapping(good).roles) == MOST_ROLES
    more = {"role": "more", "name_zh": "x", "stops_at": "acknowledged"}
    rules = [{**rule, "id": f"d{n}", "effective_from": "2026-01-01"} for n in range(MOST_RULES + 1)]
    for change in (
        {"deadlines": [{**rule, "kinds": [*kinds, "more.v1"]}]},
        {"deadlines": [{**rule, "roles": [*rule["roles"], "r0"]}]},
        {"roles": [*roles, more]},
        {"deadlines": rules},
    ):
        with pytest.raises(ValidationError, match="at most"):
            Rulebook.from_mapping({**good, **change})
    assert max(len(one.kinds) for one in rulebook.rules()) < MOST_KINDS
