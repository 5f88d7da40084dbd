"""L1. A decision is live under one identity at a time, and none is lost on the way to another."""

from __future__ import annotations

from typing import Final

import pytest

from hub.core.record import Outcome
from hub.core.state import ClockKind, Status
from hub.domain.identity import key_without_code
from tests.driver.life import (
    DAY,
    FAR,
    FIRST,
    NEAR,
    SECOND,
    THIRD,
    RecordLife,
    answer,
    licence,
    reference,
)
from tests.driver.rows import AUTHORITY, COMPANY, DEPARTMENT, LICENCE, OTHER_DEPARTMENT
from tests.replay.scenario import company

HERE = {(COMPANY, "食品经营")}
PLACES = pytest.mark.parametrize("to", [NEAR, FAR], ids=["same-partition", "other-partition"])
FURTHER = company(4)
"""A company that is neither."""
ORDERS = pytest.mark.parametrize("order", ["departure-first", "arrival-first"])


def there(to: str) -> set[tuple[str, str]]:
    """The licence is shown under the new code alone."""
    return {(to, "食品经营")}


@PLACES
@ORDERS
def test_a_move_ends_at_the_new_identity_whatever_half_comes_first(
    life: RecordLife, to: str, order: str
) -> None:
    """And whatever is lost between the two halves."""
    assert life.row() == "accepted"
    if order == "departure-first":
        assert life.leaves(to) == "withdrawn"
        assert life.record.withdraw_targets == 0b11
        assert life.shown() == set()
        life.crash()
        assert life.arrives(to) == "accepted"
    else:
        assert life.arrives(to) == "held WAITING_FOR_MOVE"
        assert life.shown() == HERE
        life.crash()
        assert life.leaves(to) == "withdrawn"
        (released,) = [r for r in life.rest if r.outcome is Outcome.HELD_RELEASED]
        assert (released.reasons, released.publish_targets) == ((), 0b11)
    assert life.shown() == there(to)


@ORDERS
def test_a_move_to_a_second_identity_does_not_make_two(life: RecordLife, order: str) -> None:
    """The second correction still names the first code: a departure is made once."""
    life.row()
    life.leaves(NEAR)
    assert life.arrives(NEAR) == "accepted"
    life.crash()
    if order == "departure-first":
        assert life.leaves(FAR, SECOND) == "quarantined RECORD_MOVED"
        assert life.arrives(FAR, SECOND) == "quarantined MOVE_REFUSED"
    else:
        assert life.arrives(FAR, SECOND) == "held WAITING_FOR_MOVE"
        assert life.leaves(FAR, SECOND) == "quarantined RECORD_MOVED"
        assert [answer(r) for r in life.rest] == ["held_ended MOVE_REFUSED"]
    assert life.shown() == there(NEAR)


@ORDERS
def test_a_pair_whose_identities_are_equal_is_a_correction(life: RecordLife, order: str) -> None:
    """Brackets of another width make no other number: nothing leaves, nothing is taken down."""
    number = {"new_document_number": "舟市监许(2026)1号"}
    spelled = {"previous_document_number": "舟市监许（2026）1号"}
    life.row()
    if order == "departure-first":
        assert life.leaves(COMPANY, new=number) == "duplicate IDENTITY_UNCHANGED"
        life.crash()
        assert life.arrives(COMPANY, content="食品销售", previous=spelled) == "corrected"
    else:
        assert life.arrives(COMPANY, content="食品销售", previous=spelled) == "corrected"
        life.crash()
        assert life.leaves(COMPANY, new=number) == "duplicate IDENTITY_UNCHANGED"
    assert life.record.withdraw_targets == 0
    assert life.shown() == {(COMPANY, "食品销售")}


def test_a_pair_that_says_nothing_new_changes_nothing(life: RecordLife) -> None:
    """Neither half: the record stays what it is, under the version that it has."""
    life.row()
    assert life.arrives(COMPANY) == "duplicate SAME_AS_LIVE"
    assert life.leaves(COMPANY) == "duplicate IDENTITY_UNCHANGED"
    assert (life.state().version, life.shown()) == (1, HERE)


@PLACES
def test_a_move_whose_departure_never_comes_leaves_the_old_identity_shown(
    life: RecordLife, to: str
) -> None:
    """The arrival has waited in vain; it is refused, and its duties go on."""
    life.row()
    assert life.arrives(to) == "held WAITING_FOR_MOVE"
    arrival = life.record
    life.wait(31)
    (ended,) = [r for r in life.rest if r.outcome is Outcome.HELD_ENDED]
    assert (answer(ended), ended.record_key) == ("held_ended MOVE_REFUSED", arrival.record_key)
    life.record = arrival
    assert (life.status, set(life.dues())) == (Status.QUARANTINED, {"province", "city"})
    assert life.shown() == HERE


@PLACES
def test_the_plain_row_under_the_right_code_is_shown_while_its_move_waits(
    life: RecordLife, to: str
) -> None:
    """Nobody need wait for a departure to say what is right; a correction of it is one, too."""
    assert life.arrives(to) == "held WAITING_FOR_MOVE"
    assert life.row(key=to) == "accepted"
    assert life.shown() == there(to)
    life.crash()
    assert life.corrected("食品销售", key=to) == "corrected"
    life.wait(31)
    assert life.shown() == {(to, "食品销售")}


def test_the_plain_row_and_then_the_move_are_one_record(life: RecordLife) -> None:
    """The departure comes after all: the arrival finds its own content and changes nothing."""
    life.row()
    life.arrives(NEAR)
    life.row(key=NEAR)
    assert life.leaves(NEAR) == "withdrawn"
    assert [answer(r) for r in life.rest] == ["held_released SAME_AS_LIVE", "move_noted"]
    assert life.shown() == there(NEAR)


@PLACES
@ORDERS
def test_a_refused_move_may_be_sent_again_better(life: RecordLife, to: str, order: str) -> None:
    """The record was not there yet: refused for want of it, the same move is made when it is."""
    life.row(by=OTHER_DEPARTMENT)
    assert life.leaves(to) == "quarantined NOT_YOUR_RECORD"
    assert life.arrives(to) == "quarantined MOVE_REFUSED"
    assert life.shown() == HERE
    life.crash()
    if order == "departure-first":
        assert life.leaves(to, by=OTHER_DEPARTMENT) == "withdrawn"
        assert life.arrives(to, by=OTHER_DEPARTMENT) == "accepted"
    else:
        assert life.arrives(to, by=OTHER_DEPARTMENT) == "quarantined MOVE_REFUSED"
        assert life.leaves(to, by=OTHER_DEPARTMENT) == "withdrawn"
        assert life.arrives(to, by=OTHER_DEPARTMENT) == "accepted"
    assert life.shown() == there(to)


def test_a_refusal_after_a_departure_takes_nothing_back(life: RecordLife) -> None:
    """Sent once more by somebody else, it is refused; the record has left all the same."""
    life.row()
    assert life.leaves(FAR) == "withdrawn"
    assert life.leaves(FAR, by=OTHER_DEPARTMENT) == "quarantined NOT_YOUR_RECORD"
    assert life.arrives(FAR) == "accepted"
    assert life.shown() == there(FAR)


def test_a_departure_sent_again_is_answered_as_made(life: RecordLife) -> None:
    """By its own move or another to the same identity: the arrival gets in once."""
    life.row()
    life.leaves(FAR)
    assert life.leaves(FAR) == "duplicate ALREADY_MOVED"
    assert life.arrives(FAR) == "accepted"
    life.crash()
    assert life.leaves(FAR, SECOND) == "duplicate ALREADY_MOVED"
    assert life.arrives(FAR, SECOND) == "duplicate SAME_AS_LIVE"
    assert life.shown() == there(FAR)


def test_one_move_arrives_at_one_record(life: RecordLife) -> None:
    """The same move id at a third identity is refused, also where it lies elsewhere."""
    life.row()
    life.leaves(NEAR)
    assert life.arrives(NEAR) == "accepted"
    third = licence("食品经营", NEAR) | {"XK_WSH": "舟市监许〔2026〕9号"}
    assert life.arrives(NEAR, changes=third) == "quarantined MOVE_TAKEN"
    assert life.arrives(FAR) == "held WAITING_FOR_MOVE"
    assert life.shown() == there(NEAR)


def test_a_record_may_move_on_and_home_again(life: RecordLife) -> None:
    """A to B, B to C, C to A: each time one identity, and the versions only grow."""
    life.row()
    versions = []
    for source, to, move in ((COMPANY, NEAR, FIRST), (NEAR, FAR, SECOND), (FAR, COMPANY, THIRD)):
        assert life.leaves(to, move, key=source) == "withdrawn"
        assert life.arrives(to, move, key=source) == "accepted"
        versions.append(life.record.version)
        assert life.shown() == there(to)
        life.crash()
    assert versions == [1, 1, 3]


@pytest.mark.parametrize("taken", ["withdrawn", "moved"])
def test_what_has_left_or_is_down_is_not_moved(life: RecordLife, taken: str) -> None:
    """The departure is refused, and with it the arrival: nothing comes back by the side door."""
    life.row()
    if taken == "withdrawn":
        life.withdrawn()
        assert life.leaves(FAR) == "quarantined RECORD_WITHDRAWN"
    else:
        life.leaves(NEAR, SECOND)
        assert life.leaves(FAR) == "quarantined RECORD_MOVED"
    assert life.arrives(FAR) == "quarantined MOVE_REFUSED"
    assert life.shown() == set()


def test_what_was_quarantined_leaves_for_its_right_code(life: RecordLife) -> None:
    """A row with a fault, moved and mended in one: its duty is answered at the new identity."""
    assert life.fault() == "quarantined FIELD_REQUIRED"
    faulty = life.record
    life.crash()
    assert life.leaves(FAR) == "withdrawn"
    assert life.record.withdraw_targets == 0
    assert [e.event for e in life.record.events] == ["lifted", "lifted"]
    assert life.arrives(FAR) == "accepted"
    assert life.dues() == {"province": "11-12", "city": "11-12"}
    life.record = faulty
    assert (life.status, life.dues()) == (Status.MOVED, {})
    assert life.shown() == there(FAR)


def test_a_duty_that_was_met_is_met_at_the_new_identity(life: RecordLife) -> None:
    """Shown in time, then moved: a correction's three working days, not a decision's seven."""
    life.row()
    life.met(life.record)
    life.hub.advance(14 * DAY)
    life.leaves(FAR)
    assert life.dues(ClockKind.WITHDRAW) == {"province": "11-20", "city": "11-20"}
    assert life.arrives(FAR) == "accepted"
    assert life.dues() == {"province": "11-20", "city": "11-20"}


def test_an_older_departure_moves_nothing(life: RecordLife) -> None:
    """Superseded, an open case, and the arrival is refused; told again as newer it goes."""
    life.row(version=10)
    assert life.leaves(FAR, version=5) == "superseded WITHDRAWAL_OLDER_THAN_LIVE"
    assert life.record.reasons[0].severity == "error"
    assert life.arrives(FAR) == "quarantined MOVE_REFUSED"
    life.crash()
    assert life.leaves(FAR, version=11) == "withdrawn"
    assert life.arrives(FAR) == "accepted"
    assert life.shown() == there(FAR)


def test_a_departure_waits_for_its_record(life: RecordLife) -> None:
    """Both halves come before the row itself: at the end it is shown under the new code alone."""
    assert life.leaves(FAR) == "held WAITING_FOR_RECORD"
    assert life.arrives(FAR) == "held WAITING_FOR_MOVE"
    life.crash()
    assert life.row() == "accepted"
    assert life.record.publish_targets == 0
    assert [answer(r) for r in life.rest if r.outcome is not Outcome.MOVE_NOTED] == [
        "held_released", "held_released",
    ]  # fmt: skip
    assert life.shown() == there(FAR)


def test_a_departure_of_nothing_ends_the_arrival_too(life: RecordLife) -> None:
    """At the end of its wait it is refused, and so is what waited for it."""
    life.leaves(FAR)
    life.arrives(FAR)
    ended = [each for each in life.wait(32) if each.startswith("held_ended")]
    assert sorted(ended) == ["held_ended MOVE_REFUSED", "held_ended WAITED_TOO_LONG"]
    assert life.shown() == set()
    life.row(by=DEPARTMENT)
    assert life.shown() == HERE


@PLACES
@pytest.mark.parametrize("again", [FIRST, THIRD], ids=["same-move", "file-dropped-again"])
@pytest.mark.parametrize("since", ["withdrawn", "moved-on", "moved-home"])
def test_a_move_that_was_made_before_brings_nothing_back(
    life: RecordLife, to: str, again: str, since: str
) -> None:
    """A corrections file comes once more, when the record has been taken down or has moved on."""
    life.row()
    life.leaves(to)
    life.arrives(to)
    if since == "withdrawn":
        life.withdrawn(key=to)
    else:
        beyond = COMPANY if since == "moved-home" else FURTHER
        life.leaves(beyond, SECOND, key=to)
        life.arrives(beyond, SECOND, key=to)
    shown = life.shown()
    life.crash()
    if since == "moved-home" and again == THIRD:
        assert life.leaves(to, again) == "withdrawn"  # a move of its own, declared anew
        assert life.arrives(to, again) == "accepted"
        assert life.shown() == there(to)
        return
    assert life.leaves(to, again) == "duplicate ALREADY_MOVED"
    down = "RECORD_WITHDRAWN" if since == "withdrawn" else "RECORD_MOVED"
    assert life.arrives(to, again) == f"quarantined {down}"
    assert life.shown() == shown


@ORDERS
def test_a_move_made_before_lets_an_arrival_in_that_never_came(
    life: RecordLife, order: str
) -> None:
    """The first arrival was faulty: the pair sent once more, as another move, is made."""
    life.row()
    life.leaves(FAR)
    assert life.arrives(FAR, content="") == "quarantined FIELD_REQUIRED"
    life.crash()
    if order == "departure-first":
        assert life.leaves(FAR, SECOND) == "duplicate ALREADY_MOVED"
        assert life.arrives(FAR, SECOND) == "accepted"
    else:
        assert life.arrives(FAR, SECOND) == "held WAITING_FOR_MOVE"
        assert life.leaves(FAR, SECOND) == "duplicate ALREADY_MOVED"
    assert life.shown() == there(FAR)


def test_a_departure_that_was_made_is_made_once_in_all_its_travels(life: RecordLife) -> None:
    """A to B, home, A to C, home: the first departure sent again takes nothing down."""
    life.row()
    for to, out, home in ((NEAR, FIRST, SECOND), (FAR, THIRD, "12" * 16)):
        life.leaves(to, out)
        life.arrives(to, out)
        life.leaves(COMPANY, home, key=to)
        assert life.arrives(COMPANY, home, key=to) == "accepted"
    life.crash()
    assert life.leaves(NEAR, FIRST) == "duplicate ALREADY_MOVED"
    assert life.arrives(NEAR, FIRST) == "quarantined RECORD_MOVED"
    assert life.shown() == HERE


def test_a_row_that_waits_and_is_told_twice_arrives_where_one_was_in_force(
    life: RecordLife,
) -> None:
    """The second telling is no arrival: it has come when its departure has."""
    life.row()
    life.row(key=NEAR)
    life.withdrawn(key=NEAR)
    assert life.arrives(NEAR) == "held WAITING_FOR_MOVE"
    assert life.arrives(NEAR) == "duplicate SAME_AS_HELD"
    life.crash()
    assert life.leaves(NEAR) == "withdrawn"
    assert life.shown() == there(NEAR)
    life.withdrawn(key=NEAR)
    assert life.arrives(NEAR) == "quarantined RECORD_WITHDRAWN"
    assert life.shown() == set()


NO2: Final = "舟市监许〔2026〕2号"
SECOND_LICENCE: Final = {"XK_WSH": NO2}


def second_row(life: RecordLife) -> None:
    """The company has another licence, too."""
    assert life.say(LICENCE, licence("药品零售") | SECOND_LICENCE) == "accepted"


def second_arrives(life: RecordLife, to: str, move: str = FIRST, key: str = COMPANY) -> str:
    """The other licence takes the code `to`."""
    previous = {"previous_document_number": NO2}
    return life.arrives(
        to, move, key=key, content="药品零售", changes=SECOND_LICENCE, previous=previous
    )


def second_leaves(life: RecordLife, to: str, move: str = FIRST, key: str = COMPANY) -> str:
    """The other licence leaves for `to`."""
    out = reference(key) | {"document_number": NO2, "move_id": move, "new_credit_code": to}
    return life.say("record.moved_out.v1", out, key=key)


@PLACES
@ORDERS
@pytest.mark.parametrize("is_there", [False, True], ids=["new", "shown-there-already"])
def test_an_arrival_of_another_record_than_left_is_refused(
    life: RecordLife, to: str, order: str, *, is_there: bool
) -> None:
    """Else one licence would be live twice, and the one that left nowhere; it is named."""
    life.row()
    second_row(life)
    if is_there:
        there_too = licence("药品零售", to) | SECOND_LICENCE
        assert life.say(LICENCE, there_too, key=to) == "accepted"
    shown = life.shown()
    refused = "quarantined NOT_WHAT_LEFT"
    if order == "departure-first":
        assert life.leaves(to) == "withdrawn"
        life.crash()
        assert second_arrives(life, to) == refused
    elif is_there:
        assert second_arrives(life, to) == "duplicate SAME_AS_LIVE"
        assert life.leaves(to, SECOND) == "withdrawn"  # the first move is spent on what was there
        assert life.arrives(to, SECOND) == "accepted"
        assert life.shown() == (shown - HERE) | there(to)
        return
    else:
        assert second_arrives(life, to) == "held WAITING_FOR_MOVE"
        life.crash()
        assert life.leaves(to) == "withdrawn"
        assert [answer(r) for r in life.rest if r.outcome is Outcome.HELD_ENDED] == [
            "held_ended NOT_WHAT_LEFT"
        ]
    assert life.shown() == shown - HERE
    assert life.arrives(to) == "accepted"
    assert life.shown() == (shown - HERE) | there(to)


@PLACES
@pytest.mark.parametrize("is_on_record", [True, False], ids=["on-record", "not-yet"])
def test_one_move_id_is_one_records(life: RecordLife, to: str, *, is_on_record: bool) -> None:
    """The second departure is refused by name, and its record stays; under its own id it goes."""
    life.row()
    if is_on_record:
        second_row(life)
    life.leaves(to)
    life.crash()
    assert second_leaves(life, to) == "quarantined MOVE_ID_REUSED"
    if not is_on_record:
        second_row(life)
    assert life.arrives(to) == "accepted"
    assert second_arrives(life, to) == "quarantined MOVE_TAKEN"
    assert life.shown() == {(COMPANY, "药品零售"), *there(to)}
    assert second_leaves(life, to, SECOND) == "withdrawn"
    assert second_arrives(life, to, SECOND) == "accepted"
    assert life.shown() == {(to, "药品零售"), *there(to)}


def test_of_two_that_leave_apart_by_one_move_the_first_arrives(life: RecordLife) -> None:
    """Neither partition knows of the other's departure: the second is told at the new identity."""
    life.row()
    other = licence("药品零售", FAR) | SECOND_LICENCE
    assert life.say(LICENCE, other, key=FAR) == "accepted"
    assert life.leaves(NEAR) == "withdrawn"
    assert second_leaves(life, NEAR, key=FAR) == "withdrawn"
    life.crash()
    assert second_arrives(life, NEAR, key=FAR) == "quarantined NOT_WHAT_LEFT"
    assert life.arrives(NEAR) == "accepted"
    assert second_leaves(life, NEAR, SECOND, key=FAR) == "duplicate ALREADY_MOVED"
    assert second_arrives(life, NEAR, SECOND, key=FAR) == "accepted"
    assert life.shown() == {(NEAR, "药品零售"), *there(NEAR)}


@PLACES
def test_another_records_refused_departure_ends_no_wait(life: RecordLife, to: str) -> None:
    """What waits for its own departure goes on waiting, and arrives with it."""
    life.row()
    second_row(life)
    life.withdrawn()
    assert second_arrives(life, to) == "held WAITING_FOR_MOVE"
    assert life.leaves(to) == "quarantined RECORD_WITHDRAWN"
    assert [answer(r) for r in life.rest] == ["move_noted"]
    assert second_leaves(life, to) == "withdrawn"
    assert life.shown() == {(to, "药品零售")}


def test_what_had_no_valid_code_arrives_as_what_left(life: RecordLife) -> None:
    """Both halves name it by the code as it was written; it lies under its department's key."""
    bad = "91330900MA00000157"
    row = licence("食品经营", bad)
    key = key_without_code(
        DEPARTMENT, "licence", AUTHORITY, row["XK_WSH"], row["XK_XDR_MC"], bad
    ).decode()
    assert life.say(LICENCE, row, key=key) == "quarantined CREDIT_CODE_CHECK_DIGIT"
    out = reference(bad) | {"move_id": FIRST, "new_credit_code": COMPANY}
    assert life.say("record.moved_out.v1", out, key=key) == "withdrawn"
    assert life.arrives(COMPANY, key=bad) == "accepted"
    assert life.shown() == HERE


@PLACES
def test_an_older_row_of_a_move_is_answered_when_the_move_is_over(
    life: RecordLife, to: str
) -> None:
    """It waited while another came in by the same move: what left afterwards frees nothing more."""
    assert life.arrives(to, content="旧") == "held WAITING_FOR_MOVE"
    assert life.row("新", key=to) == "accepted"
    assert life.arrives(to, content="新") == "duplicate SAME_AS_LIVE"
    assert life.waiting() == 1
    life.row()
    assert life.leaves(to) == "withdrawn"
    ended = [r for r in life.hub.ledger() if r.outcome is Outcome.HELD_ENDED]
    assert [reason.code for r in ended for reason in r.reasons] == ["UNDECLARED_CHANGE"]
    assert life.shown() == {(to, "新")}
