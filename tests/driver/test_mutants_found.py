"""Lines of the registrar that no other story misses: each was lost once and nobody noticed."""

from __future__ import annotations

from hub.domain.partitioning import partition_of
from tests.driver.life import FIRST, NEAR, Life, codes, licence, with_deputy
from tests.driver.resends import ask_again, showing, told, two_targets
from tests.driver.rows import COMPANY, DEPARTMENT, LICENCE, OTHER_DEPARTMENT, framed, licence_row

CITY = 1


def test_who_was_listed_and_removed_on_one_day_is_off_in_either_order(life: Life) -> None:
    """The exit is read first: it is about the entry of its own day."""
    assert life.delisted("2026-10-30") == "held WAITING_FOR_RECORD"
    assert life.listed("2026-10-30") == "accepted"
    assert (life.waiting(), life.shown()) == (0, set())


def test_what_was_shown_late_is_withdrawn_everywhere(life: Life) -> None:
    """Named only when the last that waited for it was refused; named it was all the same."""
    life.withdrawn(by=OTHER_DEPARTMENT)
    life.row()
    assert life.shown() == {(COMPANY, "食品经营")}
    assert life.withdrawn() == "withdrawn"
    assert (life.record.withdraw_targets, life.shown()) == (0b11, set())


def test_what_has_ended_is_taken_down_once(life: Life) -> None:
    """A correction of a penalty after its term asks the city for nothing more."""
    life.penalty(CF_GSJZQ="2026-11-05")
    life.wait(5)
    assert life.shown("city") == set()
    said = life.penalty_corrected(CF_GSJZQ="2026-11-05", CF_NR="罚款八百元")
    assert said == "corrected DISCLOSURE_PERIOD_OVER"
    assert (life.record.publish_targets, life.record.withdraw_targets) == (0b01, 0)


def test_a_record_withdrawn_twice_is_withdrawn_again_once(life: Life) -> None:
    """By the last withdrawal, whose version the platform knows and whose reason holds."""
    life.row()
    life.withdrawn()
    life.restored()
    life.withdrawn()
    (again,) = told(ask_again(life.hub, "city"))
    assert (again.version, again.row) == (life.record.version, life.record.cause.value)


def test_a_withdrawal_reaches_a_target_that_was_added_later() -> None:
    """It was named by a walk over the ledger, not by the row."""
    life = Life(showing(CITY, []))
    life.row()
    assert life.record.publish_targets == 0b01
    life.hub.adopt(two_targets())
    life.withdrawn()
    assert (life.record.withdraw_targets, life.shown()) == (0b11, set())


def test_a_mark_of_the_hubs_own_is_refused_from_outside(life: Life) -> None:
    """Whoever reads the ledger again would take the row for one that was cut."""
    headers = (
        ("ce_type", LICENCE.encode()), ("ce_source", b"x/y"), ("ce_id", b"1"), ("hub_cut", b"1"),
    )  # fmt: skip
    place = partition_of(COMPANY.encode(), life.hub.partitions)
    value = framed(LICENCE, licence_row())
    life.hub.put(f"submissions.{DEPARTMENT}", place, COMPANY.encode(), value, headers)
    (record,) = life.hub.run()
    assert "RECORD_TOO_LARGE" in codes(record)
    assert (record.publish_targets, life.shown()) == (0, set())


def test_streams_of_two_departments_may_have_one_name() -> None:
    """Each counts for itself: a deputy's fifth statement is not older than a thousandth."""
    life = Life(with_deputy())
    life.row(version=1000)
    assert life.corrected("食品销售", by=OTHER_DEPARTMENT, version=5) == "corrected"


def test_a_date_to_come_is_estimated_from_the_first_arrival(life: Life) -> None:
    """The good row does not put off what its faulty forerunner owed already."""
    row = licence("") | {"XK_JDRQ": "2062-11-02", "XK_YXQZ": "2062-11-02"}
    assert life.say(LICENCE, row).startswith("quarantined")
    before = life.dues()
    life.wait(3)
    life.say(LICENCE, row | {"XK_NR": "食品经营"})
    assert (before["city"], life.dues()) == ("11-12", before)


def test_an_older_confirmation_lowers_no_memory(life: Life) -> None:
    """The row of version 3 says what is in force; that of version 5 is older all the same."""
    life.row(version=7)
    assert life.row(version=3) == "duplicate SAME_AS_LIVE"
    assert life.corrected("旧内容", version=5) == "superseded OLDER_THAN_LIVE"


def test_a_strangers_faulty_row_does_not_take_a_faulty_row_over(life: Life) -> None:
    """Both may state it; who sent the first takes it back."""
    life.fault()
    assert life.fault(by=OTHER_DEPARTMENT).startswith("quarantined")
    assert life.withdrawn() == "withdrawn"


def test_two_faulty_rows_sent_in_turns_are_refused_once_each(life: Life) -> None:
    """A repetition of one is no news because the other came between."""
    life.fault(number=71)
    life.say(LICENCE, licence("") | {"XK_FRDB": "乙某"}, number=72)
    assert life.fault(number=71) == "duplicate REPEATED_SUBMISSION"


def test_a_second_row_for_a_move_that_waits_is_raised(life: Life) -> None:
    """It says something else than the first: no repetition of it."""
    assert life.arrives(NEAR, FIRST) == "held WAITING_FOR_MOVE"
    assert life.arrives(NEAR, FIRST, content="别的") == "conflicting UNDECLARED_CHANGE"
