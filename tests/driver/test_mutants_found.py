"""Stories for lines of the registrar whose planted faults (`./run mutants`) wanted a test."""

from __future__ import annotations

from hub.core.record import LedgerRecord, Outcome
from hub.domain.partitioning import partition_of
from tests.driver.life import FIRST, NEAR, RecordLife, codes, licence, with_deputy
from tests.driver.resends import ask_again, showing, told, two_targets
from tests.driver.rows import COMPANY, DEPARTMENT, LICENCE, OTHER_DEPARTMENT, framed
from tests.driver.test_life_duties import notices

CITY = 1
Headers = tuple[tuple[str, bytes], ...]


def put(
    life: RecordLife, by: str, value: bytes, headers: Headers, version: int | None = None
) -> LedgerRecord:
    """Submit what no connector of the hub would; returns what was decided."""
    if version is not None:
        headers += (("hub_source_version", b"%d" % version),)
    place = partition_of(COMPANY.encode(), life.hub.partitions)
    life.hub.put(f"submissions.{by}", place, COMPANY.encode(), value, headers)
    (record,) = life.hub.run()
    return record


def test_who_was_listed_and_removed_on_one_day_is_off_in_either_order(life: RecordLife) -> None:
    """The exit is read first: it is about the entry of its own day."""
    assert life.delisted("2026-10-30") == "held WAITING_FOR_RECORD"
    assert life.listed("2026-10-30") == "accepted"
    assert (life.waiting(), life.shown()) == (0, set())


def test_a_correction_from_another_number_is_no_correction(life: RecordLife) -> None:
    """The identity would change: that is a move. Another spelling or another name is none."""
    life.row()
    row = framed(LICENCE, licence("食品销售", COMPANY))
    inside = {"subject_kind": LICENCE, "row": row, "reason": "录入错误"}
    for part, before in (
        ("previous_document_number", "舟市监许〔2026〕99号"),
        ("previous_credit_code", NEAR),
    ):
        said = life.say("record.corrected.v1", inside | {part: before})
        assert (said, life.shown()) == ("quarantined IDENTITY_CHANGED", {(COMPANY, "食品经营")})
    same = {"previous_credit_code": f" {COMPANY} ", "previous_subject_name": "另一家公司"}
    said = life.say("record.corrected.v1", inside | same)
    assert (said, life.shown()) == ("corrected", {(COMPANY, "食品销售")})


def test_what_was_shown_late_is_withdrawn_everywhere(life: RecordLife) -> None:
    """Named only when the last that waited for it was refused; named it was all the same."""
    life.withdrawn(by=OTHER_DEPARTMENT)
    life.row()
    assert life.shown() == {(COMPANY, "食品经营")}
    assert life.withdrawn() == "withdrawn"
    assert (life.record.withdraw_targets, life.shown()) == (0b11, set())


def test_what_has_ended_is_taken_down_once(life: RecordLife) -> None:
    """A correction of a penalty after its term asks the city for nothing more."""
    life.penalty(CF_GSJZQ="2026-11-05")
    life.wait(5)
    assert life.shown("city") == set()
    said = life.penalty_corrected(CF_GSJZQ="2026-11-05", CF_NR="罚款八百元")
    assert said == "corrected DISCLOSURE_PERIOD_OVER"
    assert (life.record.publish_targets, life.record.withdraw_targets) == (0b01, 0)


def test_a_record_withdrawn_twice_is_withdrawn_again_once(life: RecordLife) -> None:
    """By the last withdrawal, whose version the platform knows and whose reason holds."""
    life.row()
    life.withdrawn()
    life.restored()
    life.withdrawn()
    (again,) = told(ask_again(life.hub, "city"))
    assert (again.version, again.row) == (life.record.version, life.record.cause.value)


def test_a_withdrawal_reaches_a_target_that_was_added_later() -> None:
    """It was named by a walk over the ledger, not by the row."""
    life = RecordLife(showing(CITY, []))
    life.row()
    assert life.record.publish_targets == 0b01
    life.hub.adopt(two_targets())
    life.withdrawn()
    assert (life.record.withdraw_targets, life.shown()) == (0b11, set())


def test_a_mark_of_the_hubs_own_is_refused_from_outside(life: RecordLife) -> None:
    """Whoever reads the ledger again would take the row for one that was cut."""
    headers = (
        ("ce_type", LICENCE.encode()), ("ce_source", b"x/y"), ("ce_id", b"1"), ("hub_cut", b"1"),
    )  # fmt: skip
    record = put(life, DEPARTMENT, framed(LICENCE, licence("食品经营")), headers)
    assert "RECORD_TOO_LARGE" in codes(record)
    assert (record.publish_targets, life.shown()) == (0, set())


def test_streams_of_two_departments_may_have_one_name() -> None:
    """Each counts for itself: a deputy's fifth statement is not older than a thousandth."""
    life = RecordLife(with_deputy())
    headers = (("ce_type", LICENCE.encode()), ("ce_source", b"files"), ("ce_id", b"1"))
    put(life, DEPARTMENT, framed(LICENCE, licence("食品经营")), headers, version=1000)
    row = framed(LICENCE, licence("食品销售"))
    inside = {"subject_kind": LICENCE, "row": row, "reason": "录入错误"}
    value = framed("record.corrected.v1", inside)
    headers = (("ce_type", b"record.corrected.v1"), *headers[1:])
    assert put(life, OTHER_DEPARTMENT, value, headers, version=5).outcome is Outcome.CORRECTED


def test_a_good_row_repeats_no_warning_of_its_faulty_forerunner(life: RecordLife) -> None:
    """It is the same duty with the same day: three days before its end was said already."""
    life.fault()
    life.wait(6)
    assert life.events() == [("11-07", "due_soon_3")]
    assert (life.row(), life.rest) == ("accepted", [])


def test_a_warning_is_given_again_when_its_day_lies_ahead_again(life: RecordLife) -> None:
    """A notice says afterwards that a Friday was off; three days before the new end it is said."""
    life.row()
    life.wait(5)
    assert life.events() == [("11-07", "due_soon_3")]
    life.hub.adopt(notices("2026-11-06", replaces=True))
    life.wait(10)
    assert [event for _day, event in life.events()] == ["due_soon_3", "due_soon_1", "overdue"]


def test_of_two_corrections_the_first_is_the_one_that_was_owed(life: RecordLife) -> None:
    """Version 1 was shown in time, learned after both: three days from the day of the first."""
    life.row()
    first = life.record
    life.wait(1)
    life.corrected("食品销售")
    life.wait(2)
    life.corrected("餐饮服务")
    life.wait(1)
    life.report(first, "city", "published", on="2026-11-02 10:00")
    assert life.dues()["city"] == "11-07"


def test_an_older_confirmation_lowers_no_memory(life: RecordLife) -> None:
    """The row of version 3 says what is in force; that of version 5 is older all the same."""
    life.row(version=7)
    assert life.row(version=3) == "duplicate SAME_AS_LIVE"
    assert life.corrected("旧内容", version=5) == "superseded OLDER_THAN_LIVE"


def test_a_strangers_faulty_row_does_not_take_a_faulty_row_over(life: RecordLife) -> None:
    """Both may state it; who sent the first takes it back."""
    life.fault()
    assert life.fault(by=OTHER_DEPARTMENT).startswith("quarantined")
    assert life.withdrawn() == "withdrawn"


def test_two_faulty_rows_sent_in_turns_are_refused_once_each(life: RecordLife) -> None:
    """A repetition of one is no news because the other came between."""
    life.fault(number=71)
    life.say(LICENCE, licence("") | {"XK_FRDB": "乙某"}, number=72)
    assert life.fault(number=71) == "duplicate REPEATED_SUBMISSION"


def test_a_second_row_for_a_move_that_waits_is_raised(life: RecordLife) -> None:
    """It says something else than the first: no repetition of it."""
    assert life.arrives(NEAR, FIRST) == "held WAITING_FOR_MOVE"
    assert life.arrives(NEAR, FIRST, content="别的") == "conflicting UNDECLARED_CHANGE"
