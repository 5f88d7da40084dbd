"""Commitments: a reminder before the last day, one finding after it, nothing once performed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hub.agents.commitment import CommitmentAgent
from hub.domain import kinds
from tests.unit.agents.world import (
    CALENDAR,
    CENTRE,
    COMPANY,
    COURT,
    DAY,
    HOUR,
    CaseWorld,
    at,
    commitment,
    office_of,
    rows,
)

MADE = at("2026-11-02 10:00")
DUE = "2026-11-20"
"""A Friday: five working days are left from the end of the 13th, one from the end of the 19th."""


def agent() -> CommitmentAgent:
    """An agent that reminds five working days before and on the last day."""
    return CommitmentAgent(CENTRE, 9, (5, 1), CALENDAR, office_of)


def world() -> CaseWorld:
    """A world in which a commitment was made, due on `DUE`."""
    made = CaseWorld(agent)
    made.tell(commitment("made", MADE, DUE))
    return made


def test_the_accepting_unit_is_reminded_some_working_days_before() -> None:
    """Working days, not days: the weekend of the 14th does not shorten the notice."""
    here = world()
    assert here.turn(at("2026-11-13 23:59")) == []
    (first,) = here.turn(at("2026-11-14 00:00"))
    assert here.turn(at("2026-11-19 23:59")) == []
    (second,) = here.turn(at("2026-11-20 00:00"))
    assert first.kind == second.kind == kinds.REMINDER
    assert first.id != second.id
    assert rows([first], "authority_code", "credit_code", "recipient", "level", "issued_on",
                "reason_class", "record_count", "earliest_due_on", "records") == [
        (CENTRE, COURT, "housing", "1", "2026-11-14", "commitment_due", "1", DUE, "c1"),
    ]  # fmt: skip


def test_when_the_last_day_has_passed_unperformed_that_is_stated_once() -> None:
    """The morning after, with the commitment's own code and who is to answer."""
    here = world()
    here.turn(at("2026-11-20 23:59"))
    here.turn(at("2026-11-21 08:59"))
    assert kinds.PERFORMANCE_MISSING not in here.kinds()
    here.turn(at("2026-11-21 09:00"))
    here.turn(at("2026-12-21 00:00"))
    (fact,) = [fact for fact in here.facts.values() if fact.kind == kinds.PERFORMANCE_MISSING]
    assert rows([fact], "subject_name", "credit_code", "commitment_code", "commitment_record",
                "due_on", "accepting_unit_code", "department") == [
        ("云屿市青礁建设有限公司", COMPANY, "33090020261102000001", "c1", DUE, COURT, "housing"),
    ]  # fmt: skip


def test_what_was_performed_or_withdrawn_before_is_never_stated() -> None:
    """Neither a reminder nor a finding about what is settled."""
    for event in ("performed", "withdrawn"):
        here = world()
        here.tell(commitment(event, at("2026-11-10 09:00"), DUE))
        here.turn(at("2027-01-01 00:00"))
        assert here.facts == {}, event


def test_a_commitment_performed_in_part_is_reminded_of_until_its_last_day_and_once_after() -> None:
    """What is left has the same last day; a finding of it the ledger would refuse."""
    here = world()
    here.tell(commitment("begun", at("2026-11-10 09:00"), DUE))
    here.turn(at("2026-11-20 00:00"))
    assert len(here.facts) == 2
    here.turn(at("2026-11-21 08:59"))
    assert len(here.facts) == 2
    here.turn(at("2026-11-21 09:00"))
    here.turn(at("2027-01-01 00:00"))
    assert here.kinds() == [kinds.REMINDER] * 3
    assert rows(here.facts.values(), "issued_on")[-1] == ("2026-11-21",)


def test_news_of_its_clocks_do_not_end_a_commitment_performed_in_part() -> None:
    """A clock's notice says nothing of the performance; the one that says all of it ends it."""
    for last, number in (("", 2), ("all", 0)):
        here = world()
        here.tell(commitment("begun", at("2026-11-09 09:00"), DUE))
        here.tell(
            commitment("performed", at("2026-11-10 09:00"), performed=last, document="", name="")
        )
        here.turn(at("2026-11-20 00:00"))
        assert len(here.facts) == number, last


def test_nobody_performed_it_is_a_determination_and_ends_the_wait() -> None:
    """全部未履行 is what the accepting unit was to say."""
    here = world()
    here.tell(commitment("performed", at("2026-11-10 09:00"), DUE, performed="none"))
    here.turn(at("2027-01-01 00:00"))
    assert here.facts == {}


def test_what_is_told_in_the_night_after_the_last_day_still_counts() -> None:
    """A performance sent in its last hours, decided after midnight: no finding."""
    here = world()
    here.turn(at("2026-11-20 12:00"))
    before = dict(here.facts)
    assert here.turn(at("2026-11-21 00:30")) == []
    here.tell(commitment("performed", at("2026-11-21 00:40"), DUE))
    here.turn(at("2026-11-21 09:00"))
    assert here.facts == before


def test_a_corrected_last_day_moves_reminders_and_finding() -> None:
    """The old day is nobody's business any more."""
    here = world()
    here.tell(commitment("corrected", at("2026-11-12 09:00"), "2026-12-18"))
    here.turn(at("2026-11-21 00:00"))
    assert here.facts == {}
    here.turn(at("2026-12-18 00:00"))
    assert rows(here.facts.values(), "earliest_due_on") == [("2026-12-18",)] * 2
    here.turn(at("2026-12-19 09:00"))
    assert here.kinds()[-1] == kinds.PERFORMANCE_MISSING


def test_a_commitment_without_a_last_day_is_never_due() -> None:
    """承诺有效期 is optional: without it nothing says when."""
    here = CaseWorld(agent)
    here.tell(commitment("made", MADE))
    here.turn(at("2030-01-01 00:00"))
    assert here.facts == {}
    assert here.memory.agent.open_count == 0


def test_a_commitment_learnt_late_is_reminded_of_once_and_not_for_every_mark_it_missed() -> None:
    """Two reminders at the same moment would say the same."""
    here = CaseWorld(agent)
    here.tell(commitment("made", at("2026-11-20 08:00"), DUE))
    assert len(here.turn(at("2026-11-20 08:01"))) == 1
    assert rows(here.facts.values(), "issued_on") == [("2026-11-20",)]


def test_a_conflicting_row_or_one_of_another_kind_changes_nothing() -> None:
    """Its notice carries no dates: the live version's stay."""
    here = world()
    blank = {"document": "", "name": "", "authority": "", "due_on": ""}
    here.tell(commitment("conflicting", at("2026-11-05 09:00"), **blank))
    here.turn(at("2026-11-21 09:00"))
    assert kinds.PERFORMANCE_MISSING in here.kinds()


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["made", "corrected", "performed", "withdrawn", "turn"]),
        st.sampled_from(["c1", "c2", "c3"]),
        st.integers(0, 3 * DAY),
        st.sampled_from(["2026-11-06", "2026-11-20", "2026-12-31", ""]),
    ),
    max_size=25,
)


@given(EVENTS, st.lists(st.sampled_from(["", "", "before", "after"]), min_size=60, max_size=60))
def test_killed_anywhere_the_same_facts_are_stated_as_without_a_kill(
    events: list[tuple[str, str, int, str]], deaths: list[str]
) -> None:
    """At every look at the clock the agent may die, before or after its facts were accepted."""
    calm, killed = CaseWorld(agent), CaseWorld(agent)
    now = MADE
    for (event, record, pause, due_on), dies in zip(events, deaths, strict=False):
        now += pause
        for each in (calm, killed):
            if event != "turn":
                each.tell(commitment(event, now, due_on, record))
            each.turn(now, dies=dies if each is killed else "")
    for each in (calm, killed):
        each.turn(at("2028-01-01 00:00"))
    assert killed.facts == calm.facts
    assert len({fact.id for fact in killed.facts.values()}) == len(killed.facts)


@given(EVENTS)
def test_a_finding_is_stated_of_each_promise_that_was_not_kept_and_of_no_other(
    events: list[tuple[str, str, int, str]],
) -> None:
    """What a clerk would find by hand: the last word on each record when its day passed."""
    here = CaseWorld(agent)
    now = MADE
    expected: set[tuple[str, ...]] = set()
    last: dict[str, str] = {}

    def pass_time(until: int) -> None:
        expected.update(
            (record, due_on)
            for record, due_on in last.items()
            if due_on and at(f"{due_on} 00:00") + DAY + 9 * HOUR <= until
        )
        here.turn(until)

    for event, record, pause, due_on in events:
        now += pause
        pass_time(now)
        if event != "turn":
            here.tell(commitment(event, now, due_on, record))
            last[record] = due_on if event in {"made", "corrected"} else ""
        pass_time(now)
    pass_time(at("2028-01-01 00:00"))
    stated = [fact for fact in here.facts.values() if fact.kind == kinds.PERFORMANCE_MISSING]
    assert set(rows(stated, "commitment_record", "due_on")) == expected
    assert len(stated) == len(expected)
