"""What random lives found in the decider: each fault once, in the shortest life that shows it."""

from __future__ import annotations

from typing import Any

from hub.core.record import LedgerRecord, Outcome
from hub.core.state import ClockKind, Status
from hub.domain.partitioning import partition_of
from tests.driver import rows
from tests.driver.life import DAY, FIRST, NEAR, SECOND, RecordLife, answer, licence, reference
from tests.driver.rows import (
    COMPANY,
    COURT,
    COURT_CODE,
    DEPARTMENT,
    LICENCE,
    LISTED,
    OTHER_DEPARTMENT,
    PENALTY,
    framed,
    listing_row,
    penalty_row,
)


def shown_at_city(*kinds: str) -> dict[str, Any]:
    """A basis whose city shows these kinds alone."""
    document = rows.basis()
    document["site"]["targets"][1]["kinds"] = list(kinds)
    return document


def with_days_off(*days: str) -> dict[str, Any]:
    """A basis in which some working days of November are off."""
    document = rows.basis()
    notice = next(n for n in document["calendar"]["notices"] if n["year"] == 2026)
    notice["days"] += [{"name": "调整", "date": day, "isOffDay": True} for day in days]
    document["calendar"]["version"] += "-off"
    return document


def correct_what_was_late(life: RecordLife, first: LedgerRecord) -> None:
    """Correct a penalty that the province published late: the correction has its own time."""
    life.wait(60)
    assert life.penalty_corrected(CF_JDRQ="2026-10-30", CF_NR="罚款二千元") == "corrected"
    corrected = life.record
    assert life.report(first, "province", "published") == ["stopped_late"]
    assert "overdue" not in {event.event for each in life.rest for event in each.events}
    life.record = corrected
    (clock,) = [c for c in life.state().clocks if (c.kind, c.target) == (ClockKind.DISCLOSE, 0)]
    assert clock.due_at > life.hub.now


def said(life: RecordLife) -> list[str]:
    """What the last statement's own ledger record says of clocks."""
    return sorted({event.event for event in life.record.events})


# --- what is owed --------------------------------------------------------------------------------


def test_a_correction_that_waited_postpones_no_disclosure_that_runs(life: RecordLife) -> None:
    """L7: unmet disclosure goes on, whatever day of redetermination the correction names."""
    inside = {
        "subject_kind": PENALTY, "row": framed(PENALTY, penalty_row(CF_JDRQ="2026-10-30")),
        "reason": "重新认定", "redetermined_on": "2026-11-02",
    }  # fmt: skip
    assert life.say("record.corrected.v1", inside) == "held WAITING_FOR_RECORD"
    due = life.dues()
    life.wait(9)
    life.penalty(CF_JDRQ="2026-10-30", CF_NR="罚款二千元")
    assert [answer(r) for r in life.rest] == ["held_released"]
    assert life.dues() == due == {"province": "11-11", "city": "11-11"}
    assert said(life) == []


def test_a_waiting_row_with_a_later_date_takes_overdue_back(life: RecordLife) -> None:
    """The duty is the same: what was said of the old day is said not to be so."""
    early = licence("食品经营") | {"XK_JDRQ": "2026-10-20"}
    inside = {"subject_kind": LICENCE, "row": framed(LICENCE, early), "reason": "录入错误"}
    life.say("record.corrected.v1", inside)
    assert ("11-02", "overdue") in life.events()
    assert life.restored() == "held WAITING_FOR_RECORD"
    assert said(life) == ["overdue_taken_back"]
    life.wait(2)
    assert life.events() == []


def test_the_day_of_the_later_row_stands_when_the_wait_of_the_earlier_ends(
    life: RecordLife,
) -> None:
    """Duties that run go on: what waited in vain says nothing new about them."""
    early = licence("食品经营", NEAR) | {"XK_JDRQ": "2026-10-30"}
    life.arrives(NEAR, changes=early)
    life.wait(1)
    life.arrives(NEAR, SECOND)
    assert life.dues() == {"province": "11-12", "city": "11-12"}
    assert "held_ended MOVE_REFUSED" in life.wait(30)
    assert life.dues() == {"province": "11-12", "city": "11-12"}


def test_what_was_taken_back_owes_nothing_while_a_row_waits_for_its_move(life: RecordLife) -> None:
    """A faulty row owes nothing there; nor does one whose departure never comes."""
    life.fault(key=NEAR)
    life.withdrawn(key=NEAR)
    assert life.status is Status.WITHDRAWN
    assert life.arrives(NEAR) == "held WAITING_FOR_MOVE"
    assert life.dues() == {}


def test_a_target_that_comes_back_has_the_time_of_a_correction_where_it_had_shown(
    life: RecordLife,
) -> None:
    """L7: nobody is late by accident: the disclosure of the decision was met there."""
    life.row()
    life.met(life.record)
    life.hub.adopt(shown_at_city(PENALTY))
    life.wait(20)
    life.hub.adopt(rows.basis())
    assert life.dues() == {"city": "11-26"}
    life.wait(1)
    assert ("11-22", "overdue") not in life.events()


def test_a_correction_clock_that_was_lifted_is_no_first_disclosure(life: RecordLife) -> None:
    """The first version was shown in time; brought back, the city owes a correction again."""
    life.row()
    life.met(life.record)
    life.corrected()
    life.hub.adopt(shown_at_city(PENALTY))
    life.wait(20)
    life.hub.adopt(rows.basis())
    assert life.dues()["city"] == "11-26"


def test_nothing_is_overdue_at_a_target_that_shows_the_kind_no_more(life: RecordLife) -> None:
    """A basis with shorter terms takes the kind away as well: the duty is lifted, not missed."""
    life.penalty()
    life.wait(6)
    document = shown_at_city(LICENCE)
    for rule in document["rulebook"]["deadlines"]:
        rule["working_days"] = min(rule["working_days"], 3)
    document["rulebook"]["version"] += "-shorter"
    events = {(e.target, e.event) for r in life.hub.adopt(document) for e in r.events}
    assert (0, "overdue") in events
    assert (1, "lifted") in events
    assert (1, "overdue") not in events


def test_overdue_is_taken_back_where_the_duty_is_lifted_before_its_new_day(
    life: RecordLife,
) -> None:
    """By the terms that hold now the city was not late when it stopped showing the kind."""
    shorter = rows.basis()
    for rule in shorter["rulebook"]["deadlines"]:
        rule["working_days"] = min(rule["working_days"], 3)
    shorter["rulebook"]["version"] += "-shorter"
    life.hub.adopt(shorter)
    life.penalty()
    life.wait(5)
    assert {e.event for r in life.rest for e in r.events if e.target == 1} >= {"overdue"}
    written = life.hub.adopt(shown_at_city(LICENCE))
    of_city = [e.event for r in written for e in r.events if e.target == 1 and e.clock == "D"]
    assert of_city == ["due_date_moved", "overdue_taken_back", "lifted"]


def test_a_basis_about_other_things_lifts_no_duty_that_a_correction_left(life: RecordLife) -> None:
    """L7: it goes on until it is met, though the decision is now dated before the city's clocks."""
    document = rows.basis()
    document["site"]["targets"][1]["clock_from"] = "2026-11-02"
    life.hub.adopt(document)
    life.penalty(CF_JDRQ="2026-11-02")
    assert life.penalty_corrected(CF_JDRQ="2026-10-30") == "corrected"
    due = life.dues()
    document["rulebook"]["withholding"] = []
    document["rulebook"]["version"] += "-open"
    life.hub.adopt(document)
    assert life.dues() == due == {"province": "11-12", "city": "11-12"}


def test_a_reopened_duty_is_due_by_the_calendar_of_the_day(life: RecordLife) -> None:
    """Stopped while the days were counted anew, it is counted when it runs again."""
    life.row()
    named = life.record
    life.report(named, "province", "acknowledged")
    life.hub.adopt(with_days_off("2026-11-09"))
    assert life.dues() == {"city": "11-13"}
    assert life.report(named, "province", "refused") == ["reopened", "due_date_moved"]
    assert life.dues() == {"province": "11-13", "city": "11-13"}


def test_due_soon_is_said_by_the_calendar_in_force_though_the_due_day_stays(
    life: RecordLife,
) -> None:
    """A Saturday that was to be worked is none again: Friday is the day with three to come."""
    document = with_days_off("2026-11-05")
    notice = next(n for n in document["calendar"]["notices"] if n["year"] == 2026)
    notice["days"].append({"name": "调整", "date": "2026-11-07", "isOffDay": False})
    life.hub.adopt(document)
    life.row()
    due = life.dues()
    life.hub.adopt(rows.basis())
    assert life.dues() == due == {"province": "11-12", "city": "11-12"}
    life.wait(7)
    assert life.events() == [("11-07", "due_soon_3")]


def test_marks_passed_over_by_overdue_are_not_said_of_a_day_that_moved(life: RecordLife) -> None:
    """*Overdue* is taken back; the day for *three days left* is past and stays unsaid."""
    early = licence("食品经营") | {"XK_JDRQ": "2026-10-20"}
    inside = {"subject_kind": LICENCE, "row": framed(LICENCE, early), "reason": "录入错误"}
    life.say("record.corrected.v1", inside)
    assert ("11-02", "overdue") in life.events()
    row = framed(LICENCE, licence("食品销售") | {"XK_JDRQ": "2026-10-26"})
    life.say(
        "record.restored.v1",
        {"subject_kind": LICENCE, "row": row, "reason": "撤回有误", "decided_by": "示例局"},
    )
    assert said(life) == ["overdue_taken_back"]
    assert [event for _day, event in life.events()] == []


# --- taking down ---------------------------------------------------------------------------------


def test_the_answer_to_an_earlier_take_down_meets_the_duty(life: RecordLife) -> None:
    """Nothing was shown there since; that it was named once more changes nothing of that."""
    life.row()
    life.hub.adopt(shown_at_city(PENALTY))
    earlier = life.record._replace(version=2)
    life.wait(1)
    assert life.withdrawn() == "withdrawn"
    assert life.dues(ClockKind.WITHDRAW) == {"province": "11-07", "city": "11-06"}
    assert life.report(earlier, "city", "withdrawn", action="withdraw") == ["stopped_in_time"]
    assert life.dues(ClockKind.WITHDRAW) == {"province": "11-07"}


def test_a_take_down_stays_due_while_what_came_back_is_not_named(life: RecordLife) -> None:
    """An exit waited for the entry that is restored: it is down again before anybody was named."""
    life.delisted("2026-10-30")
    life.listed("2026-11-02")
    gone = {
        "subject_kind": LISTED, "document_number": "（2026）浙0902执1号",
        "subject_name": "舟山示例贸易有限公司", "credit_code": COMPANY,
        "authority_code": COURT_CODE, "reason": "裁定撤销",
    }  # fmt: skip
    life.say("record.withdrawn.v1", gone, by=COURT)
    owed = life.dues(ClockKind.WITHDRAW)
    life.wait(1)
    inside = {
        "subject_kind": LISTED, "reason": "撤回有误",
        "decided_by": "示例法院",
        "row": framed(LISTED, rows.listing_row(listed_on="2026-10-30")),
    }  # fmt: skip
    assert life.say("record.restored.v1", inside, by=COURT) == "accepted"
    assert [answer(r) for r in life.rest] == ["held_released"]
    assert life.dues(ClockKind.WITHDRAW) == owed


def test_no_platform_took_down_what_nobody_had_told_it_to_take_down(life: RecordLife) -> None:
    """L8: restored elsewhere, it is owed there still; a time before it was owed is not believed."""
    life.row()
    life.wait(3)
    life.withdrawn()
    gone = life.record
    life.hub.adopt(shown_at_city(PENALTY))
    life.restored()
    life.wait(7)
    stated = "2026-11-04 09:00"
    assert life.report(gone, "city", "withdrawn", action="withdraw", on=stated) == ["stopped_late"]
    assert "PLATFORM_TIME_DISBELIEVED" in answer(life.record)


# --- who and where -------------------------------------------------------------------------------


def test_what_can_never_be_accepted_is_kept_where_a_wait_has_ended(life: RecordLife) -> None:
    """Nothing is on record any more, so it is what the record has; it owes nothing."""
    life.withdrawn()
    life.wait(32)
    person = licence("食品经营") | {"XK_XDR_LB": "自然人"}
    assert "PERSON_NOT_ENABLED" in life.say(LICENCE, person)
    assert (life.status, life.dues()) == (Status.QUARANTINED, {})


def test_a_refusal_is_decided_anew_when_publication_has_ended(life: RecordLife) -> None:
    """L5: the version of the record has changed since."""
    life.penalty(CF_GSJZQ="2026-12-01")
    gone = {
        "subject_kind": PENALTY, "document_number": "舟市监罚〔2026〕1号",
        "subject_name": "舟山示例贸易有限公司", "credit_code": COMPANY,
        "authority_code": rows.AUTHORITY, "reason": "决定被撤销",
    }  # fmt: skip
    again: dict[str, Any] = {"by": OTHER_DEPARTMENT, "number": 7}
    assert life.say("record.withdrawn.v1", gone, **again) == "quarantined NOT_YOUR_RECORD"
    assert life.say("record.withdrawn.v1", gone, **again) == "duplicate REPEATED_SUBMISSION"
    life.wait(30)
    assert life.say("record.withdrawn.v1", gone, **again) == "quarantined NOT_YOUR_RECORD"


def test_a_departure_for_another_company_frees_no_row_that_waits(life: RecordLife) -> None:
    """L1: the record left for one company; a row under another does not take its place."""
    life.row()
    assert life.arrives(NEAR) == "held WAITING_FOR_MOVE"
    arrived = life.record
    assert life.leaves(COMPANY, new={"new_document_number": "舟市监许〔2026〕2号"}) == "withdrawn"
    assert [r.outcome for r in life.rest] == [Outcome.MOVE_NOTED]
    assert life.state(arrived).status is Status.HELD


def test_garbage_of_a_kind_the_sender_may_not_state_starts_no_clock(life: RecordLife) -> None:
    """L9: what can never be accepted is nobody's lateness, readable or not."""
    assert life.send(LICENCE, b"\x00garbage", by=COURT).endswith("KIND_NOT_YOURS")
    assert life.dues() == {}
    life.send(LICENCE, b"\x00garbage")
    assert life.dues() == {"province": "11-12", "city": "11-12"}


def test_a_refused_arrival_of_another_does_not_swallow_a_departure(life: RecordLife) -> None:
    """L1: what was not accepted says nothing of the move; the owner's record leaves."""
    life.row()
    stranger: dict[str, Any] = {"by": OTHER_DEPARTMENT, "content": "食品销售"}
    assert life.arrives(COMPANY, **stranger) == "quarantined NOT_YOUR_RECORD"
    assert life.leaves(NEAR) == "withdrawn"
    assert life.shown() == set()


def test_a_duty_that_was_not_due_when_publication_ended_is_not_late(life: RecordLife) -> None:
    """Also when the hub slept over both days."""
    life.penalty(CF_GSJZQ="2026-11-05")
    written = life.hub.advance(20 * DAY)
    events = {(e.target, str(e.clock), e.event) for r in written for e in r.events}
    assert (0, "D", "overdue") in events
    assert (1, "E", "expired") in events
    assert (1, "D", "overdue") not in events


def test_a_platform_is_believed_about_what_it_was_named_before_another_left(
    life: RecordLife,
) -> None:
    """L8: the city's take-down is a version of its own; the province was named long before."""
    life.row()
    named = life.record
    life.wait(3)
    life.hub.adopt(shown_at_city(PENALTY))
    life.wait(10)
    assert life.report(named, "province", "acknowledged", on="2026-11-03 09:00") == [
        "in_time_learned_late"
    ]


def test_a_number_used_in_two_partitions_names_two_records(life: RecordLife) -> None:
    """Each partition knows its own numbers; look-ups know a record by its key alone."""
    content = {
        "subject_kind": LICENCE, "cause": "row", "reason_code": "ROW_SHIFTED", "position": "1",
        "file_fingerprint": "0" * 16, "sealed": b"sealed",
    }  # fmt: skip
    here = {partition_of(b"?%d" % n, life.hub.partitions): f"?{n}" for n in range(9)}
    keys = set()
    for key in here.values():
        said = life.say("row.unreadable.v1", content, key=key, number=7)
        assert said == "quarantined ROW_SHIFTED"
        keys.add(life.record.record_key)
    assert len(keys) == len(here) == life.hub.partitions > 1


def test_a_departure_that_names_no_record_refuses_the_arrival_of_its_move(life: RecordLife) -> None:
    """Nobody can read which record was to leave: the row that waits for it must not wait on."""
    assert life.arrives() == "held WAITING_FOR_MOVE"
    said = life.say(
        "record.moved_out.v1",
        reference() | {"document_number": "", "move_id": FIRST, "new_credit_code": NEAR},
    )
    assert said.startswith("quarantined")
    assert [answer(each) for each in life.rest] == ["held_ended MOVE_REFUSED"]


def test_what_ended_at_one_target_makes_no_correction_late_at_another(life: RecordLife) -> None:
    """The correction's own time runs from its acceptance, not from the end that came before it."""
    life.penalty(CF_JDRQ="2026-10-30", CF_GSJZQ="2026-12-01")
    correct_what_was_late(life, life.record)


def test_a_faulty_row_without_a_date_forgets_no_date(life: RecordLife) -> None:
    """An exit dated before the entry is about another one, though the entry came faulty again."""
    nameless = listing_row(listed_on="2026-11-02", conduct="")
    assert life.say(LISTED, nameless, by=COURT).startswith("quarantined")
    assert "DATE_IN_FUTURE" in life.say(LISTED, listing_row(listed_on="2027-11-02"), by=COURT)
    assert life.delisted("2026-11-01") == "superseded EXIT_BEFORE_LISTING"


def test_the_date_of_an_exit_that_waits_is_none_of_the_entry(life: RecordLife) -> None:
    """Where nothing but exits waits, a faulty entry has no date, and the older exit is about it."""
    assert life.delisted("2026-11-02") == "held WAITING_FOR_RECORD"
    assert life.delisted("2026-11-01") == "held WAITING_FOR_RECORD"
    faulty = listing_row(listed_on="2027-11-02")
    assert "DATE_IN_FUTURE" in life.say(LISTED, faulty, by=COURT)
    assert life.waiting() == 0


def test_what_a_basis_takes_down_at_one_target_makes_no_correction_late_at_another(
    life: RecordLife,
) -> None:
    """The same where a site changed: what the city may not show any more corrects nothing."""
    life.penalty(CF_JDRQ="2026-10-30")
    first = life.record
    life.hub.adopt(shown_at_city(LICENCE))
    correct_what_was_late(life, first)


def test_what_a_correction_followed_was_met_though_the_correction_was_lifted(
    life: RecordLife,
) -> None:
    """A move owes the correction from its own day, not the first disclosure once more."""
    life.row()
    assert life.report(life.record, "city", "published") == ["stopped_in_time"]
    life.corrected()
    life.hub.adopt(shown_at_city(PENALTY))
    life.leaves(NEAR)
    life.hub.adopt(rows.basis())
    life.wait(20)
    assert life.arrives() == "accepted"
    clocks = {c.target: c for c in life.state().clocks if c.kind is ClockKind.DISCLOSE}
    assert clocks[0].due_at < life.hub.now < clocks[1].due_at


def test_what_is_restored_out_of_sight_owes_a_correction_under_the_next_identity_too(
    life: RecordLife,
) -> None:
    """Named for the city before, it owes no first disclosure there two months after its day."""
    shown = {"CF_JDRQ": "2026-10-30", "CF_GSJZQ": "2027-06-01"}
    life.penalty(**shown)
    penalty = reference() | {"subject_kind": PENALTY, "document_number": penalty_row()["CF_WSH"]}
    assert life.say("record.withdrawn.v1", penalty) == "withdrawn"
    restored = {
        "subject_kind": PENALTY, "row": framed(PENALTY, penalty_row(CF_YZCD="轻微", **shown)),
        "reason": "撤回有误", "decided_by": "舟山市示例局",
    }  # fmt: skip
    assert life.say("record.restored.v1", restored) == "accepted WITHHELD_FROM_PUBLIC"
    assert set(life.dues()) == {"province"}
    life.wait(60)
    life.say("record.moved_out.v1", penalty | {"move_id": FIRST, "new_credit_code": NEAR})
    row = framed(PENALTY, penalty_row(**shown) | {"CF_XDR_SHXYM": NEAR})
    arrival = {
        "move_id": FIRST, "subject_kind": PENALTY, "reason": "代码录入错误", "row": row,
        "previous_credit_code": COMPANY,
    }  # fmt: skip
    assert life.say("record.moved_in.v1", arrival, key=NEAR) == "accepted"
    owed = [c for c in life.state().clocks if c.kind is ClockKind.DISCLOSE]
    assert {c.target for c in owed if c.due_at > life.hub.now} == {0, 1}


def test_a_target_is_not_believed_about_a_day_before_it_was_named(life: RecordLife) -> None:
    """L8: the city shows penalties since the 23rd, and cannot have shown this one on the 3rd."""
    life.hub.adopt(shown_at_city(LICENCE))
    life.penalty(CF_JDRQ="2026-10-30")
    life.wait(21)
    life.hub.adopt(rows.basis())
    named = next(r for r in life.hub.ledger() if r.outcome is Outcome.REPROJECTED)
    assert life.report(named, "city", "published", on="2026-11-03 09:00") == ["stopped_late"]


def test_a_platform_is_believed_from_the_moment_a_version_began_not_from_its_day(
    life: RecordLife,
) -> None:
    """The same for a version that another followed, at another target."""
    life.penalty(CF_JDRQ="2026-10-30")
    named = life.record
    life.wait(10)
    life.hub.adopt(shown_at_city(LICENCE))
    said = life.report(named, "province", "acknowledged", on="2026-11-02 08:59")
    assert said == ["stopped_late"]


def test_a_good_row_answers_for_a_faulty_one_whose_authority_was_not_its_departments_then(
    life: RecordLife,
) -> None:
    """Since a basis it is: nothing rings for the faulty row beside the good one."""
    document = rows.basis()
    document["site"]["departments"][DEPARTMENT]["authorities"] = [COURT_CODE]
    life.hub.adopt(document)
    here = partition_of(COMPANY.encode(), 2)
    key = next(k for n in range(9) if partition_of((k := f"?office/{n}").encode(), 2) == here)
    row = framed(LICENCE, licence("食品经营", COMPANY[:-1] + "X"))
    assert "FOREIGN_AUTHORITY" in life.send(LICENCE, row, key=key)
    twin = life.record
    life.hub.adopt(rows.basis())
    assert life.row() == "accepted"
    life.wait(30)
    rung = {e.event for r in life.rest if r.record_key == twin.record_key for e in r.events}
    assert rung == set()
