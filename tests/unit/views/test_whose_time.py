"""Whose time was used, and whose fault a deadline is."""

from __future__ import annotations

import json
from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.config.repository import DEPLOY
from hub.domain.calendar import WorkingCalendar
from hub.domain.dates import due_at_ms
from hub.views.whose_time import (
    DAY_MS,
    HOUR_MS,
    Moments,
    Party,
    Passage,
    Responsibility,
    Why,
    fault_of,
    holder_of,
    passage_of,
    spans,
    working_ms,
)
from tests.driver.rows import at

DECIDED = date(2026, 11, 2)
ARRIVED = at("2026-11-03 10:00")
DUE = due_at_ms(date(2026, 11, 11))
LATER = at("2026-11-30 09:00")
CALENDAR = WorkingCalendar.from_mapping(
    json.loads((DEPLOY / "calendars/cn-2007-2026.json").read_text("utf-8"))
)
#: Arrived, accepted at once, reached an hour later, done another hour later.
SMOOTH = Passage(DECIDED, ARRIVED, ARRIVED, ARRIVED + HOUR_MS, ARRIVED + 2 * HOUR_MS, "published")

moments_in_order = st.lists(st.integers(at("2026-11-01 00:00"), LATER), min_size=4, max_size=4).map(
    sorted
)


def passage(*later: int | None, stage: str = "named", waits_for: str = "") -> Passage:
    """A passage that arrived on the second day: accepted, reached, done."""
    accepted, reached, done = (*later, None, None, None)[:3]
    return Passage(DECIDED, ARRIVED, accepted, reached, done, stage, waits_for)


def test_each_party_has_its_stretch() -> None:
    """From the end of the decision day to the stage that stops the clock."""
    assert [(s.party, s.end - s.start) for s in spans(SMOOTH, LATER)] == [
        (Party.DEPARTMENT, 10 * HOUR_MS), (Party.HUB, HOUR_MS), (Party.PLATFORM, HOUR_MS),
    ]  # fmt: skip


def test_the_day_of_the_decision_is_nobodys() -> None:
    """Submitted on the day itself, the department has used no time (民法典 Art 201)."""
    same_day = at("2026-11-02 17:00")
    first = spans(Passage(DECIDED, same_day, same_day, None, None), LATER)[0]
    assert (first.party, first.start) == (Party.HUB, same_day)


def test_what_is_not_over_lasts_until_now() -> None:
    """The last stretch of an unfinished passage ends now."""
    assert spans(passage(ARRIVED), LATER)[-1].end == LATER


@given(moments_in_order)
def test_stretches_follow_each_other_without_gaps(moments: list[int]) -> None:
    """Nothing is counted twice or left out, whatever the moments."""
    arrived, accepted, reached, done = moments
    found = spans(Passage(DECIDED, arrived, accepted, reached, done), LATER)
    assert all(before.end == after.start for before, after in pairwise(found))
    assert all(stretch.start < stretch.end for stretch in found)


@given(st.permutations([ARRIVED, ARRIVED + HOUR_MS, ARRIVED + DAY_MS]))
def test_a_platforms_clock_that_goes_wrong_makes_no_negative_time(moments: list[int]) -> None:
    """Platforms report their own times; what lies before is taken as at once."""
    accepted, reached, done = moments
    found = spans(Passage(DECIDED, ARRIVED, accepted, reached, done), LATER)
    assert all(stretch.end > stretch.start for stretch in found)


@pytest.mark.parametrize(
    ("case", "fault"),
    [
        (
            Passage(DECIDED, DUE, DUE, None, None),
            Responsibility(Party.DEPARTMENT, Why.ARRIVED_LATE),
        ),
        (passage(), Responsibility(Party.DEPARTMENT, Why.QUARANTINED)),
        (passage(DUE + 1), Responsibility(Party.DEPARTMENT, Why.QUARANTINED)),
        (passage(waits_for="move"), Responsibility(Party.HUB, Why.HELD)),
        (passage(waits_for="record"), Responsibility(Party.DEPARTMENT, Why.AWAITED)),
        (passage(ARRIVED), Responsibility(Party.HUB, Why.NOT_SENT)),
        (passage(ARRIVED, DUE + 1, stage="sent"), Responsibility(Party.HUB, Why.NOT_SENT)),
        (passage(ARRIVED, ARRIVED, stage="sent"), Responsibility(Party.PLATFORM, Why.NOT_ANSWERED)),
        (passage(ARRIVED, ARRIVED, stage="refused"), Responsibility(Party.PLATFORM, Why.REFUSED)),
        (
            passage(ARRIVED, ARRIVED, stage="acknowledged"),
            Responsibility(Party.PLATFORM, Why.NOT_FINAL),
        ),
    ],
)
def test_the_fault_lies_with_who_held_it_when_it_fell_due(
    case: Passage, fault: Responsibility
) -> None:
    """What others did later does not move it."""
    assert fault_of(case, DUE, LATER) == fault


def test_before_it_is_due_the_holder_of_now_is_named() -> None:
    """Nobody is at fault yet; the list says in whose hands it is."""
    now = ARRIVED + HOUR_MS
    assert fault_of(passage(ARRIVED), DUE, now) == holder_of(passage(ARRIVED))


@given(st.integers(0, 40 * 24), st.integers(0, 40 * 24), st.integers(0, 40 * 24))
def test_working_time_adds_up(a: int, b: int, c: int) -> None:
    """The parts of a stretch have the working time of the whole."""
    start, middle, end = (at("2026-09-20 00:00") + h * HOUR_MS for h in sorted((a, b, c)))
    whole = working_ms(CALENDAR, start, end)
    assert whole == working_ms(CALENDAR, start, middle) + working_ms(CALENDAR, middle, end)


def test_weekends_and_holidays_are_no_working_time_but_make_up_days_are() -> None:
    """Friday 09:00 to Monday 10:00 is 25 hours; 国庆 is none; its make-up Saturday is 24."""
    friday, monday = at("2026-11-06 09:00"), at("2026-11-09 10:00")
    assert working_ms(CALENDAR, friday, monday) == 25 * HOUR_MS
    assert working_ms(CALENDAR, at("2026-10-01 00:00"), at("2026-10-08 00:00")) == 0
    assert working_ms(CALENDAR, at("2026-10-10 00:00"), at("2026-10-11 00:00")) == DAY_MS


def known(**changes: object) -> Moments:
    """A published record's disclosure clock."""
    moments = Moments(
        "disclose", DECIDED, is_estimated=False, decided_on=DECIDED, status="live",
        waits_for="", arrived_at=ARRIVED, accepted_at=ARRIVED, version_at=ARRIVED,
        first_reached_at=None, version_reached_at=None, done_at=None, stage="named",
    )  # fmt: skip
    return moments._replace(**changes)  # type: ignore[arg-type]  # names of the tuple


def test_a_withdrawal_is_owed_from_its_own_decision_on() -> None:
    """The department's months before it do not count against anyone."""
    late = ARRIVED + 90 * DAY_MS
    found = passage_of(known(clock="withdraw", version_at=late, counted_from=date(2027, 2, 1)))
    assert [s.party for s in spans(found, late + HOUR_MS)] == [Party.HUB]


def test_a_correction_of_what_was_shown_is_owed_from_its_acceptance_on() -> None:
    """Reaching the target with the first version does not count as reaching it with this one."""
    late = ARRIVED + 30 * DAY_MS
    found = passage_of(
        known(counted_from=date(2026, 12, 3), version_at=late, first_reached_at=ARRIVED)
    )
    assert fault_of(found, late + 3 * DAY_MS, late + DAY_MS) == Responsibility(
        Party.HUB, Why.NOT_SENT
    )


def test_what_went_back_to_quarantine_is_in_the_departments_hands() -> None:
    """An acceptance long ago does not put it into ours."""
    assert holder_of(passage_of(known(status="quarantined"))).why is Why.QUARANTINED


def test_without_a_decision_date_only_the_time_since_arrival_is_told() -> None:
    """An estimated clock counts from arrival; nothing is said about before."""
    found = passage_of(known(is_estimated=True, decided_on=None, accepted_at=None))
    assert spans(found, LATER)[0].start == ARRIVED
