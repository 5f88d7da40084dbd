"""Escalation: told once a day, then one level up while anything of that day still waits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.agents.escalation import EscalationAgent, EscalationLevel
from tests.unit.agents.world import (
    CALENDAR,
    CENTRE,
    DAY,
    HOUR,
    CaseWorld,
    at,
    clock,
    licence,
    office_of,
    rows,
)

FRIDAY = at("2026-11-06 00:00")
LEVELS = (EscalationLevel(0, ""), EscalationLevel(24, ""), EscalationLevel(48, "centre"))


def agent() -> EscalationAgent:
    """Told at nine; the head after 24 hours, the credit centre after 48."""
    return EscalationAgent(CENTRE, 9, LEVELS, CALENDAR, office_of)


def test_one_reminder_for_a_department_and_day_however_many_records() -> None:
    """A clerk with forty records gets one message, and each department its own."""
    here = CaseWorld(agent)
    for n in range(40):
        here.tell(licence(FRIDAY + n, clock("due_soon"), record=f"l{n}"))
    here.tell(licence(FRIDAY + 50, clock("due_soon"), record="other", department="housing"))
    assert here.turn(at("2026-11-06 08:59")) == []
    told = here.turn(at("2026-11-06 09:00"))
    assert sorted(rows(told, "recipient", "level", "reason_class", "record_count")) == [
        ("housing", "1", "due_soon", "1"),
        ("market", "1", "due_soon", "40"),
    ]
    assert {fact.row["earliest_due_on"] for fact in told} == {"2026-11-11"}


def test_due_soon_and_overdue_of_a_day_are_one_reminder_that_says_the_worse() -> None:
    """Two clocks, one message; its class is the one that hurts."""
    here = CaseWorld(agent)
    here.tell(licence(FRIDAY, clock("due_soon"), record="a"))
    here.tell(licence(FRIDAY, clock("overdue", due="2026-11-05"), record="b"))
    (fact,) = here.turn(at("2026-11-06 09:00"))
    assert rows([fact], "reason_class", "record_count", "earliest_due_on") == [
        ("overdue", "2", "2026-11-05")
    ]


def test_while_it_waits_the_next_level_is_told_by_the_clock_alone() -> None:
    """No traffic is needed, and a day off is no day on which a head is told: Saturday is Monday."""
    here = CaseWorld(agent)
    here.tell(licence(FRIDAY, clock("overdue")))
    for moment in ("11-06 09:00", "11-07 09:00", "11-08 09:00", "11-09 08:59"):
        here.turn(at(f"2026-{moment}"))
    assert len(here.facts) == 1
    here.turn(at("2026-11-09 09:00"))
    assert sorted(rows(here.facts.values(), "level", "recipient", "issued_on")) == [
        ("1", "market", "2026-11-06"),
        ("2", "market", "2026-11-09"),
        ("3", "centre", "2026-11-09"),
    ]
    here.turn(at("2027-01-11 09:00"))
    assert len(here.facts) == 3


def test_what_was_settled_is_not_told_and_the_others_of_its_day_still_are() -> None:
    """A level says how many wait now, not how many waited."""
    here = CaseWorld(agent)
    here.tell(licence(FRIDAY, clock("overdue"), record="a"))
    here.tell(licence(FRIDAY, clock("overdue"), clock("overdue", target="province"), record="b"))
    here.turn(at("2026-11-06 09:00"))
    here.tell(licence(FRIDAY + 10 * HOUR, record="a"))
    here.turn(at("2026-11-09 09:00"))
    assert rows(here.facts.values(), "level", "record_count")[:2] == [("1", "2"), ("2", "1")]
    settled = CaseWorld(agent)
    settled.tell(licence(FRIDAY, clock("overdue")))
    settled.turn(at("2026-11-06 09:00"))
    settled.tell(licence(FRIDAY + 10 * HOUR))
    settled.turn(at("2027-01-11 09:00"))
    assert len(settled.facts) == 1
    assert settled.memory.agent.open_count == 0


def test_what_was_due_soon_and_is_overdue_begins_again_at_the_first_level() -> None:
    """It is another matter, of another day; the old day's levels are not told any more."""
    here = CaseWorld(agent)
    here.tell(licence(FRIDAY, clock("due_soon")))
    here.turn(at("2026-11-06 09:00"))
    here.tell(licence(at("2026-11-09 00:00"), clock("overdue")))
    here.turn(at("2026-11-09 09:00"))
    assert rows(here.facts.values(), "level", "reason_class", "issued_on") == [
        ("1", "due_soon", "2026-11-06"),
        ("1", "overdue", "2026-11-09"),
    ]


def test_an_overdue_that_is_taken_back_or_lifted_is_not_told_any_more() -> None:
    """A recount moved the day behind today, or a good row answered the duty."""
    for phase in ("", "lifted"):
        here = CaseWorld(agent)
        here.tell(licence(FRIDAY, clock("overdue")))
        clocks = [clock("")] if not phase else []
        here.tell(licence(FRIDAY + HOUR, *clocks)._replace(event=phase or "overdue_taken_back"))
        here.turn(at("2026-11-20 09:00"))
        assert here.facts == {}
        assert here.memory.agent.open_count == 0


def test_a_day_and_level_are_told_once_though_more_is_known_since() -> None:
    """The id covers what is said; whether it was said is asked by its matter."""
    here = CaseWorld(agent)
    here.tell(licence(FRIDAY, clock("overdue"), record="a"))
    (first,) = here.turn(at("2026-11-06 09:00"))
    here.restart()
    here.tell(licence(at("2026-11-06 08:59"), clock("overdue"), record="b"))
    assert here.turn(at("2026-11-06 09:01")) == []
    other = CaseWorld(agent)
    other.tell(licence(FRIDAY, clock("overdue"), record="a"))
    other.tell(licence(FRIDAY, clock("overdue"), record="b"))
    (second,) = other.turn(at("2026-11-06 09:00"))
    assert first.matter == second.matter
    assert first.id != second.id


def test_what_rings_after_the_days_hour_is_told_on_the_next_working_day() -> None:
    """A day's message is sent once; a holiday has no message."""
    here = CaseWorld(agent)
    here.tell(licence(at("2026-09-30 09:01"), clock("overdue")))
    here.turn(at("2026-10-07 23:00"))
    assert here.facts == {}
    here.turn(at("2026-10-08 09:00"))
    assert rows(here.facts.values(), "issued_on") == [("2026-10-08",)]


PHASES = st.sampled_from(["", "due_soon", "overdue"])
EVENTS = st.lists(
    st.tuples(st.sampled_from("abc"), st.tuples(PHASES, PHASES), st.integers(0, 2 * DAY)),
    max_size=25,
)


def tell(here: CaseWorld, record: str, phases: tuple[str, str], now: int) -> None:
    """A record's clocks at two targets, as they are now; "" is no clock."""
    names = ("city", "province")
    clocks = [clock(p, target=t) for p, t in zip(phases, names, strict=True) if p]
    department = "housing" if record == "c" else "market"
    here.tell(licence(now, *clocks, record=record, department=department))


@given(EVENTS, st.lists(st.sampled_from(["", "", "before", "after"]), min_size=60, max_size=60))
def test_killed_anywhere_the_same_reminders_are_issued_as_without_a_kill(
    events: list[tuple[str, tuple[str, str], int]], deaths: list[str]
) -> None:
    """At every look at the clock the agent may die, before or after its facts were accepted."""
    calm, killed = CaseWorld(agent), CaseWorld(agent)
    now = FRIDAY
    for (record, phases, pause), dies in zip(events, deaths, strict=False):
        now += pause
        for each in (calm, killed):
            each.turn(now)
            tell(each, record, phases, now)
            each.turn(now, dies=dies if each is killed else "")
    for each in (calm, killed):
        each.turn(now + 60 * DAY)
    assert killed.facts == calm.facts


@given(EVENTS)
def test_nobody_is_told_twice_of_a_day_and_never_of_what_is_settled(
    events: list[tuple[str, tuple[str, str], int]],
) -> None:
    """Each (department, day, level) at most once; a reminder's records wait at that moment."""
    here = CaseWorld(agent)
    now = FRIDAY
    waiting: dict[str, tuple[str, str]] = {}
    for record, phases, pause in events:
        now += pause
        for fact in here.turn(now):
            keys = set(fact.row["records"])
            assert keys
            assert all(any(waiting[key]) for key in keys)
            assert int(fact.row["record_count"]) == len(keys)
        tell(here, record, phases, now)
        waiting[record] = phases
    assert not any(
        fact.row["issued_on"] in {"2026-11-07", "2026-11-08"} for fact in here.facts.values()
    )
