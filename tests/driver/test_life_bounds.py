"""L8 and L11. Clocks are believed within bounds; every submission gets its own answer."""

from __future__ import annotations

import pytest

from hub.core.record import Outcome
from hub.core.state import ClockFlag, Status
from hub.engine.events import ClockUnconfirmed
from tests.driver.life import RecordLife, answer, licence
from tests.driver.rows import COMPANY, LICENCE, OTHER_DEPARTMENT, PENALTY, at, framed, licence_row

HERE = {(COMPANY, "食品经营")}


# --- L8: platform times --------------------------------------------------------------------------


def told(life: RecordLife) -> str:
    """The reasons of the last report."""
    return answer(life.record)


@pytest.mark.parametrize("stated", ["2026-10-30 09:00", "1999-01-01 09:00"])
def test_a_platform_did_nothing_before_the_record_was_named(life: RecordLife, stated: str) -> None:
    """Its time is not believed: the courier's stands in, and the report says so."""
    life.row()
    named = life.record
    life.wait(12)
    life.crash()
    assert life.report(named, "city", "published", on=stated) == ["stopped_late"]
    assert told(life) == "outcome_noted PLATFORM_TIME_DISBELIEVED"
    (stage,) = [s for s in life.state(named).stages if s.target == 1]
    assert stage.platform_at == life.hub.now


@pytest.mark.parametrize("stated", ["2026-11-20 09:00", "2062-11-02 09:00"])
def test_a_platform_did_nothing_that_is_still_to_come(life: RecordLife, stated: str) -> None:
    """A clock ahead makes nobody late who was in time."""
    life.row()
    named = life.record
    life.wait(2)
    assert life.report(named, "city", "published", on=stated) == ["stopped_in_time"]
    assert told(life) == "outcome_noted PLATFORM_TIME_DISBELIEVED"
    assert life.flags(ClockFlag.LATE) == set()


def test_a_platform_time_between_naming_and_now_is_believed(life: RecordLife) -> None:
    """In time although it was learned three weeks later."""
    life.row()
    named = life.record
    life.wait(20)
    life.crash()
    event = life.report(named, "city", "published", on="2026-11-02 09:00")
    assert event == ["in_time_learned_late"]
    assert told(life) == "outcome_noted"


def test_the_next_version_was_named_later(life: RecordLife) -> None:
    """The time of version 1 says nothing about version 2."""
    life.row()
    life.met(life.record)
    life.wait(8)
    life.corrected()
    second = life.record
    life.wait(7)
    assert life.report(second, "city", "published", on="2026-11-03 09:00") == ["stopped_late"]
    assert told(life) == "outcome_noted PLATFORM_TIME_DISBELIEVED"


# --- L8: the machine's clock ---------------------------------------------------------------------


def test_a_clock_ten_years_ahead_at_a_start_decides_nothing(life: RecordLife) -> None:
    """No timer fires, no submission is read, until a person confirms; then all goes on."""
    life.row()
    true = life.hub.now
    life.hub.now = at("2036-11-02 09:00")
    life.hub.crash(lose_disk=True)
    assert life.hub.run() == []
    assert isinstance(life.hub.last_report, ClockUnconfirmed)
    life.hub.now = true
    life.hub.crash(lose_disk=True)
    assert life.hub.run() == []
    assert life.withdrawn() == "withdrawn"


# --- L11: numbers --------------------------------------------------------------------------------


def test_a_used_number_with_another_decision_swallows_nothing(life: RecordLife) -> None:
    """It is refused by name, its duties run, and the first receipt stands."""
    life.row(number=1)
    first = life.record
    other = licence("食品经营") | {"XK_WSH": "舟市监许〔2026〕2号"}
    life.crash()
    assert life.say(LICENCE, other, number=1) == "quarantined SUBMISSION_NUMBER_REUSED"
    assert life.status is Status.QUARANTINED
    assert life.dues() == {"province": "11-12", "city": "11-12"}
    assert life.record.cause.value != b""  # kept: it can be sent under a number of its own
    assert life.row(number=1) == "duplicate REPEATED_SUBMISSION"
    assert life.record.refers_to == first.sequence
    assert life.say(LICENCE, other, number=2) == "accepted"
    assert len(life.shown()) == 1  # company and content are equal; the numbers are two
    assert life.state().version == 1


@pytest.mark.parametrize("what", ["row", "corrected", "withdrawn", "restored"])
def test_a_used_number_changes_nothing_that_is_in_force(life: RecordLife, what: str) -> None:
    """Whatever it states this time."""
    life.row(number=1)
    before = life.state()
    said = {
        "row": lambda: life.row("别的", number=1), "corrected": lambda: life.corrected(number=1),
        "withdrawn": lambda: life.withdrawn(number=1),
        "restored": lambda: life.restored("别的", number=1),
    }[what]()  # fmt: skip
    assert said == "quarantined SUBMISSION_NUMBER_REUSED"
    assert (life.state(), life.shown()) == (before, HERE)


def test_a_used_number_is_told_with_every_other_fault(life: RecordLife) -> None:
    """The clerk mends all in one go."""
    life.row(number=1)
    said = life.fault(number=1)
    assert sorted(said.split()) == ["FIELD_REQUIRED", "SUBMISSION_NUMBER_REUSED", "quarantined"]


def test_numbers_belong_to_a_department_and_its_stream(life: RecordLife) -> None:
    """The same number in another stream, or of another department, is another submission."""
    life.row(number=1)
    assert life.row(number=1, stream="other") == "duplicate SAME_AS_LIVE"
    assert life.row(number=1, by=OTHER_DEPARTMENT) == "duplicate SAME_AS_LIVE"
    life.crash()
    assert life.row(number=1) == "duplicate REPEATED_SUBMISSION"


@pytest.mark.parametrize("first", ["row", "fault", "withdrawn", "waiting"])
def test_the_same_bytes_under_a_used_number_are_a_repetition(life: RecordLife, first: str) -> None:
    """Of whatever became of them: the first receipt is given, nothing is decided again."""
    if first == "withdrawn":
        life.row()
    say = life.withdrawn if first in ("withdrawn", "waiting") else life.row
    say = life.fault if first == "fault" else say
    say(number=77)
    receipt = life.record
    life.crash()
    before = life.state()
    assert say(number=77) == "duplicate REPEATED_SUBMISSION"
    assert (life.record.refers_to, life.record.submission_key) == (receipt.sequence, bytes(16))
    assert life.state() == before


def test_a_used_number_with_another_version_or_status_is_another_submission(
    life: RecordLife,
) -> None:
    """A cursor set back: the same row under the same number says that it is valid again."""
    assert life.row(version=5, number=1) == "accepted"
    assert life.withdrawn(version=6, number=2) == "withdrawn"
    life.crash()
    told = "quarantined SUBMISSION_NUMBER_REUSED"
    assert life.row(version=7, valid=True, number=1) == told
    assert life.row(version=7, number=1) == told
    assert life.row(version=5, valid=True, number=1) == told
    assert life.row(number=1) == told
    assert life.row(version=5, number=1) == "duplicate REPEATED_SUBMISSION"
    assert life.shown() == set()


@pytest.mark.parametrize("value", ["row", "garbage"])
def test_a_used_number_with_another_kind_is_another_submission(
    life: RecordLife, value: str
) -> None:
    """The header says another kind than the bytes, or the bytes say none."""
    octets = framed(LICENCE, licence_row()) if value == "row" else b"garbage"
    life.send(LICENCE, octets, number=1)
    assert "SUBMISSION_NUMBER_REUSED" in life.send(PENALTY, octets, number=1)
    assert life.send(LICENCE, octets, number=1) == "duplicate REPEATED_SUBMISSION"


def test_equal_statements_that_wait_may_differ_in_their_version(life: RecordLife) -> None:
    """A full export sends tonight what it sent last night: it waits once."""
    assert life.withdrawn(version=5) == "held WAITING_FOR_RECORD"
    assert life.withdrawn(version=6) == "duplicate SAME_AS_HELD"
    assert life.waiting() == 1


def test_several_statements_of_every_night_wait_once_each(life: RecordLife) -> None:
    """Also where another of the same export lies between a statement and its repeat."""
    assert life.withdrawn(version=5) == "held WAITING_FOR_RECORD"
    assert life.corrected(version=5) == "held WAITING_FOR_RECORD"
    assert life.withdrawn(version=5) == "duplicate SAME_AS_HELD"
    assert life.corrected(version=5) == "duplicate SAME_AS_HELD"
    assert life.waiting() == 2


@pytest.mark.parametrize(
    ("said", "row", "shows"),
    [([8], 6, 0), ([8], 9, 1), ([8, 5], 6, 0), ([5, 8], 6, 0)],
)
def test_what_waits_counts_as_it_was_said_last(
    life: RecordLife, said: list[int | None], row: int, shows: int
) -> None:
    """A row between two withdrawals is older than the later one; they wait as one."""
    life.withdrawn(version=5)
    for version in said:
        assert life.withdrawn(version=version) == "duplicate SAME_AS_HELD"
    life.crash()
    life.row(version=row)
    assert len(life.shown()) == shows
    assert life.waiting() == 0


def test_each_source_that_numbers_its_versions_is_heard(life: RecordLife) -> None:
    """The other's withdrawal is older than the row in no order of its own."""
    life.withdrawn(version=5)
    assert life.withdrawn(version=1, stream="b") == "held WAITING_FOR_RECORD"
    assert life.withdrawn(version=2, stream="b") == "duplicate SAME_AS_HELD"
    life.row(version=6)
    assert life.shown() == set()


def test_every_submission_has_one_answer_of_its_own(life: RecordLife) -> None:
    """Read is the sum of the outcomes, also of what waited: answered when it came."""
    life.withdrawn()
    life.corrected()
    life.row()
    life.row(number=3)
    life.fault()
    answered = [r for r in life.hub.ledger() if r.cause.kind == "S"]
    assert len(answered) == 5
    assert len({(r.cause.topic, r.cause.offset) for r in answered}) == 5
    assert all(r.outcome in set(Outcome) for r in answered)
