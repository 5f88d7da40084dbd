"""L7. A duty begins when the law says, ends exactly once, and is nobody's fault by accident."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from hub.core.record import Outcome
from hub.core.state import ClockFlag, ClockKind, Status
from tests.driver import rows
from tests.driver.life import DAY, FAR, NEAR, RecordLife, licence
from tests.driver.rows import (
    COMPANY,
    DEPARTMENT,
    LICENCE,
    OTHER_DEPARTMENT,
    PENALTY,
    at,
    framed,
    penalty_row,
)

BOTH = {"province", "city"}
BAD_CODE = "91330900MA00000157"


def due(day: str) -> dict[str, str]:
    """The same day at both targets."""
    return dict.fromkeys(("province", "city"), day)


# --- what it is counted from ---------------------------------------------------------------------


@pytest.mark.parametrize("decided_on", ["2062-11-02", "2026-11-03"])
def test_a_decision_of_the_future_counts_from_its_arrival(
    life: RecordLife, decided_on: str
) -> None:
    """As an unreadable date: seven working days from today, marked as estimated."""
    row = licence("食品经营") | {"XK_JDRQ": decided_on, "XK_YXQZ": decided_on}
    said = life.say(LICENCE, row)
    assert said.startswith("quarantined DATE_IN_FUTURE") or said == "accepted"
    assert life.dues() == due("11-12")
    assert life.flags(ClockFlag.ESTIMATED) == BOTH


def test_weekly_faulty_rows_postpone_nothing(life: RecordLife) -> None:
    """An estimated clock keeps its first arrival, also through a crash, and rings once."""
    row = licence("食品经营") | {"XK_JDRQ": "2026年13月"}
    assert life.say(LICENCE, row).startswith("quarantined")
    rang = []
    for _week in range(3):
        life.wait(7)
        rang += life.events()
        life.crash()
        life.say(LICENCE, row | {"XK_NR": f"第{_week}次"})
    assert life.flags(ClockFlag.ESTIMATED) == BOTH
    assert life.dues() == due("11-12")
    assert [event for _day, event in rang] == ["due_soon_3", "due_soon_1", "overdue"]


def test_a_date_that_becomes_readable_counts_from_the_decision(life: RecordLife) -> None:
    """The estimate ends as soon as the date is known."""
    life.say(LICENCE, licence("食品经营") | {"XK_JDRQ": "2026年13月"})
    life.wait(2)
    assert life.say(LICENCE, licence("") | {"XK_JDRQ": "2026-10-30"}).startswith("quarantined")
    assert (life.dues(), life.flags(ClockFlag.ESTIMATED)) == (due("11-11"), set())


def test_a_row_and_its_faulty_forerunner_have_one_duty(life: RecordLife) -> None:
    """What was said about a day stays said: the good row rings no mark twice."""
    life.fault()
    life.wait(6)
    assert [event for _day, event in life.events()] == ["due_soon_3"]
    life.crash()
    assert life.row() == "accepted"
    assert life.dues() == due("11-12")
    life.wait(5)
    assert [event for _day, event in life.events()] == ["due_soon_1", "overdue"]


@pytest.mark.parametrize("redetermined_on", ["", "2026-12-21"])
def test_a_minor_penalty_that_becomes_ordinary_counts_from_its_decision(
    redetermined_on: str,
) -> None:
    """Misclassify first and never be late? The city is named for the first time, 60 days on.

    Unless the authority decided anew: then from that day, which the correction names.
    """
    life = RecordLife()
    life.penalty(CF_YZCD="轻微", CF_GSJZQ="2027-01-01")
    assert life.record.publish_targets == 0b01
    assert life.report(life.record, "province", "acknowledged") == ["stopped_in_time"]
    for _ in range(50):
        life.hub.advance(DAY)
    life.crash()
    said = life.penalty_corrected(redetermined_on, CF_YZCD="一般", CF_GSJZQ="2027-11-01")
    assert (said, life.record.publish_targets) == ("corrected", 0b11)
    assert life.dues()["city"] == ("12-31" if redetermined_on else "11-12")
    assert life.dues()["province"] == "12-26"  # shown before: three working days from today
    assert life.flags(ClockFlag.CORRECTION) == {"province"}
    life.hub.advance(DAY)
    late = [e.event for r in life.hub.ledger() for e in r.events if e.target == 1]
    assert ("overdue" in late) == (not redetermined_on)


def test_a_minor_penalty_restored_as_ordinary_counts_from_its_decision_too(
    life: RecordLife,
) -> None:
    """Withdrawing and restoring is no way around the correction: the city was never named."""
    life.penalty(CF_YZCD="轻微", CF_GSJZQ="2027-01-01")
    assert life.report(life.record, "province", "acknowledged") == ["stopped_in_time"]
    for _ in range(50):
        life.hub.advance(DAY)
    gone = {
        "subject_kind": PENALTY, "document_number": penalty_row()["CF_WSH"], "reason": "分类有误",
        "subject_name": penalty_row()["CF_XDR_MC"], "credit_code": COMPANY,
        "authority_code": penalty_row()["CF_CFJGDM"],
    }  # fmt: skip
    assert life.say("record.withdrawn.v1", gone) == "withdrawn"
    inside = {
        "subject_kind": PENALTY, "reason": "撤回有误", "decided_by": "舟山市示例局",
        "row": framed(PENALTY, penalty_row(CF_YZCD="一般", CF_GSJZQ="2027-11-01")),
    }  # fmt: skip
    life.crash()
    assert life.say("record.restored.v1", inside) == "accepted"
    assert life.record.publish_targets == 0b11
    assert life.dues() == {"city": "11-12", "province": "12-26"}
    assert life.flags(ClockFlag.CORRECTION) == {"province"}
    life.hub.advance(DAY)
    assert [e.event for r in life.hub.ledger() for e in r.events if e.target == 1] == ["overdue"]


@pytest.mark.parametrize("on", ["2026-12-30", "昨天"])
def test_a_redetermination_is_dated_and_not_in_the_future(life: RecordLife, on: str) -> None:
    """Else the correction is refused by name, and what stands is left alone."""
    life.penalty()
    code = "DATE_IN_FUTURE" if on.startswith("2026") else "DATE_UNREADABLE"
    assert code in life.penalty_corrected(on, CF_NR="罚款八百元")
    assert life.record.outcome is Outcome.QUARANTINED
    assert life.shown() == {(COMPANY, "罚款一千元")}


# --- corrections ---------------------------------------------------------------------------------


def test_unmet_disclosure_goes_on_through_a_correction(life: RecordLife) -> None:
    """Nothing was shown yet: the seven days of the decision still run."""
    life.row()
    life.wait(1)
    life.corrected()
    assert (life.dues(), life.flags(ClockFlag.CORRECTION)) == (due("11-12"), set())


def test_a_correction_of_what_was_shown_counts_from_its_acceptance(life: RecordLife) -> None:
    """Three working days at each target."""
    life.row()
    life.met(life.record)
    life.wait(1)
    life.crash()
    life.corrected()
    assert (life.dues(), life.flags(ClockFlag.CORRECTION)) == (due("11-07"), BOTH)


def test_a_report_read_late_moves_no_correction(life: RecordLife) -> None:
    """Accepted 11-02, corrected 11-03, the report of version 1 read 11-20: due 11-06."""
    life.row()
    first = life.record
    life.wait(1)
    life.corrected()
    life.wait(17)
    life.crash()
    assert life.report(first, "city", "published", on="2026-11-02 10:00") == [
        "in_time_learned_late"
    ]
    assert life.dues()["city"] == "11-07"
    assert life.flags(ClockFlag.CORRECTION) == {"city"}
    assert [e.event for r in life.rest for e in r.events] == ["overdue"]


def test_an_old_versions_report_does_not_stop_the_correction(life: RecordLife) -> None:
    """The city shows version 1 once more; version 2 is owed."""
    life.row()
    first = life.record
    life.met(first)
    life.corrected()
    second = life.record
    assert life.report(first, "city", "published") == []
    assert life.dues() == due("11-06")
    assert life.report(second, "city", "published") == ["stopped_in_time"]


def test_one_platform_met_and_one_not(life: RecordLife) -> None:
    """Each target has its own duty: a correction's here, the decision's there."""
    life.row()
    life.report(life.record, "province", "acknowledged")
    life.corrected()
    assert life.dues() == {"province": "11-06", "city": "11-12"}
    assert life.flags(ClockFlag.CORRECTION) == {"province"}


def test_a_restoration_counts_as_a_correction_from_today(life: RecordLife) -> None:
    """Whatever had been met, missed or lifted before."""
    life.row()
    life.wait(14)
    life.withdrawn()
    life.crash()
    life.restored()
    assert (life.dues(), life.flags(ClockFlag.CORRECTION)) == (due("11-20"), BOTH)
    assert life.flags(ClockFlag.OVERDUE_WRITTEN) == set()


# --- how it ends ---------------------------------------------------------------------------------


def test_the_day_ends_at_midnight(life: RecordLife) -> None:
    """23:59:59.999 of the last day is in time, 24:00 is late; *overdue* is written at 24:00."""
    life.row()
    named = life.record
    end = at("2026-11-12 00:00")
    life.hub.advance(end - 1 - life.hub.now)
    assert life.report(named, "city", "published") == ["stopped_in_time"]
    rang = [e for r in life.hub.advance(1) for e in r.events]
    assert [(e.target, e.event) for e in rang] == [(0, "overdue")]
    assert life.report(named, "province", "acknowledged") == ["stopped_late"]
    assert life.flags(ClockFlag.LATE) == {"province"}


def test_a_duty_ends_once(life: RecordLife) -> None:
    """Reports that come again say nothing new; nothing rings any more."""
    life.row()
    named = life.record
    life.met(named)
    life.crash()
    assert life.report(named, "city", "published") == []
    assert life.report(named, "province", "acknowledged") == []
    assert life.wait(60) == []


def test_a_withdrawal_lifts_what_was_owed_and_is_owed_itself(life: RecordLife) -> None:
    """Lifted, not stopped: it says so, and stays on record as lifted."""
    life.row()
    life.wait(1)
    life.withdrawn()
    assert [e.event for e in life.record.events] == ["lifted", "lifted"]
    assert life.dues() == {}
    assert life.dues(ClockKind.WITHDRAW) == due("11-07")
    gone = life.record
    life.crash()
    assert life.report(gone, "city", "withdrawn", action="withdraw") == ["stopped_in_time"]
    life.wait(10)
    assert life.events() == [("11-04", "due_soon_3"), ("11-06", "due_soon_1"), ("11-07", "overdue")]


def test_a_withdrawal_owed_stays_owed_until_the_platform_says_so(life: RecordLife) -> None:
    """Corrected for fewer targets: the city must take it down, by the first date; or show it."""
    life.penalty()
    life.penalty_corrected(CF_YZCD="轻微", CF_GSJZQ="2027-01-01")
    assert life.record.withdraw_targets == 0b10
    assert life.dues(ClockKind.WITHDRAW) == {"city": "11-06"}
    life.wait(1)
    life.penalty_corrected(CF_YZCD="轻微", CF_GSJZQ="2027-01-01", CF_NR="罚款八百元")
    assert life.dues(ClockKind.WITHDRAW) == {"city": "11-06"}
    life.crash()
    life.penalty_corrected(CF_YZCD="一般")
    assert life.record.publish_targets == 0b11
    assert life.dues(ClockKind.WITHDRAW) == {}
    assert life.dues() == due("11-12")


def test_a_platform_that_refuses_after_taking_over_opens_the_duty_again(life: RecordLife) -> None:
    """Acknowledged, then refused: the time runs on from where it was."""
    life.row()
    named = life.record
    assert life.report(named, "province", "acknowledged") == ["stopped_in_time"]
    assert life.report(named, "province", "refused") == ["reopened"]
    assert life.dues() == due("11-12")


def test_a_report_does_not_meet_the_duty_of_a_quarantined_row(life: RecordLife) -> None:
    """Whatever a platform claims about a record nobody was named for."""
    life.fault()
    faulty = life.record
    assert life.report(faulty, "city", "published") == []
    assert life.dues() == due("11-12")


def test_the_end_of_publication_lifts_what_is_still_owed() -> None:
    """The term ends at the city before it was ever shown there: nobody owes it any more."""
    life = RecordLife()
    life.penalty(CF_GSJZQ="2026-11-05")
    named = life.record
    life.wait(5)
    (expired,) = [r for r in life.hub.ledger() if r.outcome is Outcome.EXPIRED]
    assert {(e.target, e.event) for e in expired.events} == {(1, "expired"), (1, "lifted")}
    life.record = named
    assert life.dues() == {"province": "11-12"}
    assert set(life.dues(ClockKind.WITHDRAW)) == {"city"}
    life.crash()


# --- marks and notices ---------------------------------------------------------------------------


def with_marks(*marks: int) -> dict[str, Any]:
    """A rulebook that warns so many working days before."""
    document = rows.basis()
    document["rulebook"]["due_soon_working_days"] = list(marks)
    return document


@pytest.mark.parametrize(
    ("marks", "days"),
    [
        ((5, 3, 1), ["11-05 due_soon_5", "11-07 due_soon_3", "11-11 due_soon_1", "11-12 overdue"]),
        ((2,), ["11-10 due_soon_2", "11-12 overdue"]),
    ],
)
def test_a_rulebook_may_have_any_number_of_marks(marks: tuple[int, ...], days: list[str]) -> None:
    """Each is said once, when so many working days are left, and none again after a crash."""
    life = RecordLife(with_marks(*marks))
    life.row()
    life.wait(5)
    said = life.events()
    life.crash()
    life.wait(15)
    assert [" ".join(each) for each in said + life.events()] == days
    life.crash()


def test_what_arrives_overdue_says_so_once_and_no_mark_before_it(life: RecordLife) -> None:
    """A decision of last month."""
    row = licence("食品经营") | {"XK_JDRQ": "2026-09-01", "XK_YXQZ": "2026-09-01"}
    life.say(LICENCE, row)
    assert [(r.outcome, {e.event for e in r.events}) for r in life.rest] == [
        (Outcome.OVERDUE, {"overdue"})
    ]
    assert life.wait(10) == []


def notices(*days_off: str, replaces: bool = False) -> dict[str, Any]:
    """The basis with another holiday notice for 2026."""
    document = rows.basis()
    days = [{"name": "抗疫假", "date": day, "isOffDay": True} for day in days_off]
    known = document["calendar"]["notices"]
    if replaces:
        for notice in known:
            if notice["year"] == 2026:
                notice["days"] += days
    document["calendar"]["version"] = "replaced"
    return document


def test_a_replaced_notice_takes_an_overdue_back_and_rings_on_the_real_day(
    life: RecordLife,
) -> None:
    """2020-01-27 was such a case: the holiday was made longer while it ran."""
    life.row()
    named = life.record
    life.wait(10)
    assert life.events()[-1] == ("11-12", "overdue")
    life.hub.adopt(notices("2026-11-10", "2026-11-11", "2026-11-12", replaces=True))
    (back,) = [r for r in life.hub.ledger() if r.outcome is Outcome.OVERDUE_TAKEN_BACK]
    assert {(e.target, e.event) for e in back.events} == {
        (t, event) for t in (0, 1) for event in ("due_date_moved", "overdue_taken_back")
    }
    life.record = named
    assert (life.dues(), life.flags(ClockFlag.OVERDUE_WRITTEN)) == (due("11-17"), set())
    life.crash()
    assert life.report(named, "city", "published") == ["stopped_in_time"]
    life.wait(10)
    assert life.events() == [("11-14", "due_soon_1"), ("11-17", "overdue")]


def test_a_replaced_notice_moves_a_day_that_lies_ahead(life: RecordLife) -> None:
    """Marks that lie ahead are said again; those that have passed are not."""
    life.row()
    life.wait(5)
    assert life.events() == [("11-07", "due_soon_3")]
    life.hub.adopt(notices("2026-11-10", "2026-11-11", replaces=True))
    (moved,) = [r for r in life.hub.ledger() if r.outcome is Outcome.RECOUNTED]
    assert {e.event for e in moved.events} == {"due_date_moved"}
    assert life.dues() == due("11-14")
    life.crash()
    life.wait(10)
    assert [event for _day, event in life.events()][-2:] == ["due_soon_1", "overdue"]
    assert life.events()[-1][0] == "11-14"


def test_a_met_duty_is_not_counted_again(life: RecordLife) -> None:
    """It ended; no notice opens it."""
    life.row()
    life.met(life.record)
    life.hub.adopt(notices("2026-11-10", replaces=True))
    assert [r for r in life.hub.ledger() if r.outcome is Outcome.RECOUNTED] == []


def test_another_rule_counts_running_duties_again(life: RecordLife) -> None:
    """A rulebook corrected under the same date is for the records that are open, too."""
    life.row()
    document = deepcopy(rows.basis())
    for rule in document["rulebook"]["deadlines"]:
        if rule["clock"] == "disclose" and LICENCE in rule["kinds"]:
            rule["working_days"] = 5
    life.hub.adopt(document)
    assert life.dues() == due("11-10")


# --- nobody's fault ------------------------------------------------------------------------------


def bad_row(**changes: str) -> dict[str, str]:
    """The licence under a code that cannot be."""
    return licence("食品经营", BAD_CODE) | changes


@pytest.mark.parametrize("order", ["faulty-first", "good-first"])
def test_a_good_row_answers_its_twin_under_a_bad_code(order: str) -> None:
    """In one partition, at once: lifted from the start, in a ledger record of its own."""
    life = RecordLife(rows.basis(partitions=1))
    unkeyed = f"?{DEPARTMENT}"
    if order == "good-first":
        life.row()
        life.say(LICENCE, bad_row(), key=unkeyed)
        assert life.record.outcome is Outcome.QUARANTINED
        return
    assert life.say(LICENCE, bad_row(), key=unkeyed).startswith("quarantined")
    faulty = life.record
    assert life.dues() == due("11-12")
    life.crash()
    assert life.row() == "accepted"
    good = life.record
    (lifted,) = life.rest
    assert (lifted.outcome, lifted.record_key) == (Outcome.DUTY_LIFTED, faulty.record_key)
    assert (lifted.refers_to, lifted.publish_targets) == (good.sequence, 0)
    assert [(e.target, e.event) for e in lifted.events] == [(0, "lifted"), (1, "lifted")]
    life.record = faulty
    assert (life.status, life.dues()) == (Status.QUARANTINED, {})
    life.record = good
    life.met(good)
    assert life.wait(30) == []
    life.crash()


def test_a_twin_of_another_department_or_another_name_is_none(life: RecordLife) -> None:
    """Only the same decision of the same department answers it."""
    life = RecordLife(rows.basis(partitions=1))
    life.say(LICENCE, bad_row(), key=f"?{DEPARTMENT}")
    life.say(LICENCE, licence("食品经营") | {"XK_XDR_MC": "另一家有限公司"})
    life.say(LICENCE, licence("食品经营") | {"XK_WSH": "舟市监许〔2026〕2号"})
    life.say(LICENCE, licence("食品经营"), by=OTHER_DEPARTMENT)
    assert [r for r in life.hub.ledger() if r.outcome is Outcome.DUTY_LIFTED] == []


def test_several_twins_are_answered_by_one_good_row() -> None:
    """A bad code, a wrong key: the same decision each time."""
    life = RecordLife(rows.basis(partitions=1))
    life.say(LICENCE, bad_row(), key=f"?{DEPARTMENT}")
    life.say(LICENCE, licence("食品经营"), key=NEAR)
    life.say(LICENCE, bad_row(XK_XDR_SHXYM="91330900MA0000015X"), key=f"?{DEPARTMENT}/1")
    life.row()
    lifted = [r for r in life.rest if r.outcome is Outcome.DUTY_LIFTED]
    assert len({r.record_key for r in lifted}) == 3
    assert life.wait(30).count("overdue") == 1  # of the good row, which nobody has shown yet
    life.crash()


def test_a_twin_in_another_partition_is_lifted_by_the_agent(life: RecordLife) -> None:
    """The identity index says so under the twin's key; a department may not."""
    assert life.say(LICENCE, licence("食品经营"), key=FAR) == "quarantined KEY_MISMATCH"
    faulty = life.record
    life.row()
    good = life.record
    lifting = {"record": faulty.record_key.hex(), "answered_by": good.record_key.hex()}
    refused = life.say("duty.lifted.v1", lifting, key=FAR)
    assert refused.startswith("quarantined")
    life.record = faulty
    assert life.dues() == due("11-12")
    life.crash()
    assert life.say("duty.lifted.v1", lifting, key=FAR, by=rows.AGENTS) == "accepted"
    assert [e.event for e in life.record.events] == ["lifted", "lifted"]
    life.record = faulty
    assert (life.status, life.dues()) == (Status.QUARANTINED, {})
    again = life.say("duty.lifted.v1", lifting, key=FAR, by=rows.AGENTS)
    assert again == "quarantined DUTY_NOT_OPEN"


def test_a_lifting_of_what_is_in_force_is_refused(life: RecordLife) -> None:
    """What is live owes what it owes."""
    life.row()
    good = life.record
    lifting = {"record": good.record_key.hex(), "answered_by": "ab" * 16}
    assert life.say("duty.lifted.v1", lifting, by=rows.AGENTS) == "quarantined DUTY_NOT_OPEN"
    assert life.dues() == due("11-12")


@pytest.mark.parametrize("sealed", [True, False])
def test_a_natural_persons_row_owes_nothing(life: RecordLife, *, sealed: bool) -> None:
    """While persons are not enabled it can never be accepted: no clock, nobody late."""
    if sealed:
        content = {
            "subject_kind": LICENCE, "cause": "person", "reason_code": "", "position": "1",
            "file_fingerprint": "0" * 16, "sealed": b"sealed",
        }  # fmt: skip
        said = life.say("row.unreadable.v1", content, key=f"?{DEPARTMENT}")
    else:
        person = licence("食品经营") | {"XK_XDR_LB": "自然人"}
        said = life.say(LICENCE, person)
    assert "PERSON_NOT_ENABLED" in said
    assert life.dues() == {}
    life.crash()
    assert life.wait(20) == []


def test_a_row_that_is_not_its_senders_kind_owes_nothing(life: RecordLife) -> None:
    """It can never be accepted from there."""
    assert "KIND_NOT_YOURS" in life.say(LICENCE, licence("食品经营"), by=rows.COURT)
    assert (life.dues(), life.wait(20)) == ({}, [])


def test_an_unreadable_row_is_owed_all_the_same(life: RecordLife) -> None:
    """A torn file is an undisclosed decision; from its arrival, estimated."""
    content = {
        "subject_kind": LICENCE, "cause": "unreadable", "reason_code": "CELL_UNREADABLE",
        "position": "1", "file_fingerprint": "0" * 16, "sealed": b"sealed",
    }  # fmt: skip
    assert life.say("row.unreadable.v1", content, key=f"?{DEPARTMENT}").startswith("quarantined")
    assert (life.dues(), life.flags(ClockFlag.ESTIMATED)) == (due("11-12"), BOTH)


def test_a_faulty_row_about_what_is_down_starts_no_clock(life: RecordLife) -> None:
    """What stands is left alone: the withdrawal's own clocks run on."""
    life.row()
    life.withdrawn()
    before = life.state()
    assert life.fault() == "quarantined FIELD_REQUIRED"
    assert (life.state(), life.dues()) == (before, {})


def test_a_penalty_and_its_minor_correction_owe_what_is_shown(life: RecordLife) -> None:
    """Where it is not shown any more, disclosure is lifted."""
    life.penalty()
    life.penalty_corrected(CF_YZCD="轻微", CF_GSJZQ="2027-01-01")
    assert {(e.target, e.event) for e in life.record.events} == {(1, "lifted")}
    assert life.dues() == {"province": "11-12"}
    assert life.shown("city") == set()


def test_a_word_from_before_the_latest_refusal_is_no_news(life: RecordLife) -> None:
    """Refused, shown and refused again at the platform: read last, the showing is over."""
    life.row()
    named = life.record
    began = life.hub.now
    for minutes, stage in ((1, "refused"), (30, "refused"), (10, "published")):
        life.hub.now = began + minutes * 60_000
        life.report(named, "city", stage)
    assert "city" in life.dues()
    life.hub.now = began + 40 * 60_000
    assert life.report(named, "city", "published") == ["stopped_in_time"]
