"""What waits for a person: what opens a case, what leaves it open, and how it ended."""

from __future__ import annotations

import json

import pytest

from hub.core.record import LedgerRecord, Outcome, decode_record
from hub.core.state import StageCode
from hub.domain.partitioning import partition_of
from hub.views.entry import EntryReader
from hub.views.monthly import CaseLine, MonthBook, targets_in
from hub.views.open_cases import CaseKind, CaseRow, OpenCases, Turn, case_reason, turn_of
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.life import FAR, NEAR, SECOND, RecordLife, licence
from tests.driver.reforms import (
    DEPARTMENT,
    HEIR,
    NEW_AUTHORITY,
    OTHER_DEPARTMENT,
    merged,
    named_under,
    row_under,
    site,
)
from tests.driver.resends import ask_again
from tests.driver.rows import (
    AUTHORITY,
    COMPANY,
    CONTRACTS,
    LICENCE,
    OTHER_AUTHORITY,
    PENALTY,
    penalty_row,
)
from tests.driver.stories import HOUR, report, submit

ARRIVED = "arrival_missing answered"
PLACES = pytest.mark.parametrize("to", [NEAR, FAR], ids=["same-partition", "other-partition"])
PROVINCE, CITY = 0, 1
TARGETS = {"province": PROVINCE, "city": CITY}


@pytest.fixture
def life() -> RecordLife:
    """A hub on the morning of Monday 2026-11-02."""
    return RecordLife()


def cases(hub: HubTestDriver) -> list[CaseRow]:
    """Every case there ever was, in the order they were opened."""
    reader = EntryReader(CONTRACTS, hub.prefix, TARGETS)
    found = OpenCases()
    for partition in range(hub.partitions):
        for raw in hub.raw_ledger(partition):
            record = decode_record(raw.value)
            found.note(partition, record, reader.stages(partition, record))
    return sorted(found.changed.values(), key=lambda case: (case.since, case.opened))


def said(hub: HubTestDriver) -> list[str]:
    """Kind and end of every case; an open one ends in nothing."""
    return [f"{case.case_kind} {case.how}".strip() for case in cases(hub)]


def parked(hub: HubTestDriver, named: LedgerRecord, target: str = "city") -> LedgerRecord:
    """A courier gives up on a delivery."""
    return report(hub, named, target, "parked", code="HTTP_403", message="blocked by the firewall")


def refused_withdrawal(life: RecordLife) -> LedgerRecord:
    """The licence is taken down, and the city will not do it."""
    life.row()
    life.withdrawn()
    named = life.record
    report(
        life.hub, named, "city", "refused", action="withdraw", code="MULTIPLE_ROWS", message="two"
    )
    return named


# --- moves that brought nothing -------------------------------------------------------------------


@pytest.mark.parametrize("end", ["arrives", "withdrawn"])
def test_an_arrival_that_is_too_old_is_open_until_the_record_is_settled(
    life: RecordLife, end: str
) -> None:
    """It left and is shown nowhere: nobody else would hear of it."""
    life.row(key=NEAR, version=20)
    life.withdrawn(key=NEAR, version=21)
    life.row(version=5)
    life.leaves(NEAR, version=6)
    life.arrives(NEAR, version=7)
    assert sorted(said(life.hub)) == ["arrival_missing", "arrival_superseded"]
    life.arrives(NEAR, version=8)
    assert sorted(case.times for case in cases(life.hub)) == [1, 2]
    if end == "arrives":
        assert life.arrives(NEAR, version=22) == "accepted"
        left = ARRIVED
    else:
        assert life.withdrawn(key=NEAR) == "duplicate ALREADY_WITHDRAWN"
        left = "arrival_missing"
    assert sorted(said(life.hub)) == [left, "arrival_superseded answered"]


def test_an_arrival_too_old_for_what_left_is_open_until_another_comes(life: RecordLife) -> None:
    """Nothing was ever on record at the new identity."""
    life.row("旧", version=5)
    life.corrected("新", version=10)
    life.leaves(FAR)
    life.arrives(FAR, content="旧", version=5)
    assert sorted(said(life.hub)) == ["arrival_missing", "arrival_superseded"]
    life.arrives(FAR, content="新")
    assert sorted(said(life.hub)) == [ARRIVED, "arrival_superseded answered"]


# --- deliveries that are parked ------------------------------------------------------------------


def test_a_parked_delivery_is_written_down_and_changes_nothing_that_is_owed(
    life: RecordLife,
) -> None:
    """The duty runs on, the stage stays; the reason bears the platform's code."""
    life.row()
    before = life.state()
    noted = parked(life.hub, life.record)
    assert noted.outcome is Outcome.OUTCOME_NOTED
    assert [tuple(reason) for reason in noted.reasons] == [("DELIVERY_PARKED", "HTTP_403", "error")]
    assert (noted.state, noted.events) == (None, ())
    assert life.state() == before
    (case,) = cases(life.hub)
    assert (case.case_kind, case.target, case.version, case.action) == (
        "parked", CITY, 1, "publish",
    )  # fmt: skip
    assert (case.code, case.message) == ("HTTP_403", "blocked by the firewall")
    assert (case.since, case.ended) == (life.hub.now, None)
    life.crash()


@pytest.mark.parametrize(
    ("stage", "how"),
    [
        ("sent", "delivered"), ("acknowledged", "delivered"), ("published", "delivered"),
        ("refused", "refused"),
    ],
)  # fmt: skip
def test_a_parked_delivery_ends_with_any_later_stage_of_it(
    life: RecordLife, stage: str, how: str
) -> None:
    """Also with one that tells the registrar nothing new."""
    life.row()
    named = life.record
    report(life.hub, named, "city", "sent")
    parked(life.hub, named)
    life.hub.now += HOUR
    noted = report(life.hub, named, "city", stage)
    case = cases(life.hub)[0]
    assert (case.how, case.ended, case.ended_at) == (how, noted.sequence, life.hub.now)


def test_what_happens_elsewhere_does_not_end_a_parked_delivery(life: RecordLife) -> None:
    """Another platform, another record, an older version."""
    life.row()
    first = life.record
    life.corrected()
    named = life.record
    parked(life.hub, named)
    report(life.hub, named, "province", "published")
    report(life.hub, first, "city", "published")
    life.row(key=NEAR)
    report(life.hub, life.record, "city", "published")
    assert said(life.hub) == ["parked"]


def test_a_parked_delivery_is_one_case_however_often_it_is_said(life: RecordLife) -> None:
    """The second report counts; the case keeps its beginning."""
    life.row()
    named = life.record
    begun = life.hub.now
    parked(life.hub, named)
    life.hub.now += HOUR
    again = parked(life.hub, named)
    (case,) = cases(life.hub)
    assert (case.times, case.since, case.sequence) == (2, begun, again.sequence)


def test_a_newer_version_and_a_resend_end_what_was_parked(life: RecordLife) -> None:
    """The one is another delivery, the other the same once more."""
    life.row()
    parked(life.hub, life.record)
    life.corrected()
    assert said(life.hub) == ["parked newer_version"]
    parked(life.hub, life.record)
    ask_again(life.hub, "city")
    assert said(life.hub) == ["parked newer_version", "parked named_again"]


@pytest.mark.parametrize("stage", ["published", "refused"])
def test_what_is_answered_is_not_parked_any_more(life: RecordLife, stage: str) -> None:
    """A late word from a courier that restarted opens nothing."""
    life.row()
    report(life.hub, life.record, "city", stage)
    opened = said(life.hub)
    assert parked(life.hub, life.record).reasons == ()
    assert said(life.hub) == opened


def test_only_the_version_a_platform_was_named_for_last_can_be_parked(life: RecordLife) -> None:
    """Of an older one nothing is outstanding; nor at a platform that was never named."""
    life.row()
    first = life.record
    life.corrected()
    assert parked(life.hub, first).reasons == ()
    report(life.hub, first, "city", "parked", action="withdraw", version=2, code="C")
    assert said(life.hub) == []


def test_an_acknowledged_delivery_can_be_parked_and_its_duty_stays_met(life: RecordLife) -> None:
    """The status query is never answered: a person must look."""
    life.row()
    report(life.hub, life.record, "province", "acknowledged")
    noted = parked(life.hub, life.record, "province")
    assert [reason.code for reason in noted.reasons] == ["DELIVERY_PARKED"]
    assert set(life.dues()) == {"city"}
    stages = {stage.target: stage.stage for stage in life.state().stages}
    assert stages[PROVINCE] is StageCode.ACKNOWLEDGED


def test_what_is_sent_once_more_can_be_parked_though_it_was_published(life: RecordLife) -> None:
    """It was resent because the platform lost it."""
    life.row()
    report(life.hub, life.record, "city", "published")
    ask_again(life.hub, "city")
    noted = report(life.hub, life.record, "city", "parked", code="HTTP_403", is_again=True)
    assert [reason.code for reason in noted.reasons] == ["DELIVERY_PARKED"]
    assert said(life.hub) == ["parked"]


# --- what platforms refuse -----------------------------------------------------------------------


def test_a_refused_withdrawal_stays_open_until_it_is_withdrawn(life: RecordLife) -> None:
    """Refused again and again it is one case; the reason is another than a publication's."""
    named = refused_withdrawal(life)
    begun = life.hub.now
    life.hub.now += HOUR
    noted = report(life.hub, named, "city", "refused", action="withdraw", code="MULTIPLE_ROWS")
    assert [reason.code for reason in noted.reasons] == ["WITHDRAWAL_REFUSED_BY_TARGET"]
    (case,) = cases(life.hub)
    assert (case.case_kind, case.times, case.since) == ("withdrawal_refused", 2, begun)
    assert (case.code, case.message, case.how) == ("MULTIPLE_ROWS", "two", "")
    report(life.hub, named, "province", "withdrawn", action="withdraw")
    assert said(life.hub) == ["withdrawal_refused"]
    report(life.hub, named, "city", "withdrawn", action="withdraw")
    assert said(life.hub) == ["withdrawal_refused withdrawn"]


def test_a_refused_publication_ends_with_the_correction_or_the_platforms_later_word(
    life: RecordLife,
) -> None:
    """The department corrects it, or the platform thinks better of it."""
    life.row()
    report(life.hub, life.record, "city", "refused", code="E17", message="no such unit")
    life.corrected()
    assert said(life.hub) == ["publication_refused newer_version"]
    report(life.hub, life.record, "city", "refused", code="E17")
    report(life.hub, life.record, "city", "acknowledged")
    assert said(life.hub)[1:] == ["publication_refused delivered"]
    report(life.hub, life.record, "city", "refused", code="E18")
    report(life.hub, life.record, "city", "published")
    assert said(life.hub)[2:] == ["publication_refused delivered"]


def test_a_refusal_that_comes_too_late_is_no_case(life: RecordLife) -> None:
    """Of an older version, or after the platform showed it."""
    life.row()
    first = life.record
    report(life.hub, first, "city", "published")
    report(life.hub, first, "city", "refused", code="E17")
    life.corrected()
    report(life.hub, first, "province", "refused", code="E17")
    assert said(life.hub) == []


def test_each_platform_that_refuses_is_a_case_of_its_own(life: RecordLife) -> None:
    """One thinks better of it, the other does not."""
    life.row()
    named = life.record
    for target in ("province", "city"):
        report(life.hub, named, target, "refused", code="E17")
    report(life.hub, named, "province", "published")
    assert said(life.hub) == ["publication_refused delivered", "publication_refused"]


# --- statements ----------------------------------------------------------------------------------


def test_what_waits_ends_released_decided_or_in_vain(life: RecordLife) -> None:
    """Each in its own word; a statement that waits is known until when."""
    life.withdrawn()
    (case,) = cases(life.hub)
    assert (case.case_kind, case.waits_for) == ("waiting", "record")
    assert case.until is not None
    life.row()
    assert said(life.hub) == ["waiting released"]
    life.withdrawn(key=FAR)
    life.corrected(key=FAR)
    life.row(key=FAR)
    assert said(life.hub)[1:] == ["waiting released", "waiting decided"]
    life.withdrawn(key=NEAR)
    life.wait(60)
    assert said(life.hub)[3:] == ["waiting wait_over"]


def test_an_undeclared_change_is_open_until_a_correction_or_a_withdrawal(life: RecordLife) -> None:
    """Every full export brings it again: one case, with how often."""
    life.row()
    for _export in range(3):
        assert life.row("食品销售") == "conflicting UNDECLARED_CHANGE"
    (case,) = cases(life.hub)
    assert (case.case_kind, case.times, case.how) == ("conflicting", 3, "")
    life.corrected()
    assert said(life.hub) == ["conflicting answered"]
    life.row("食品批发")
    life.withdrawn()
    assert said(life.hub) == ["conflicting answered", "conflicting answered"]


def test_a_refused_return_ends_with_the_statement_that_answers_it(life: RecordLife) -> None:
    """Withdrawn once more, or restored; and may be opened again."""
    life.row()
    life.withdrawn()
    life.row()
    life.row()
    (case,) = cases(life.hub)
    assert (case.case_kind, case.times) == ("return_refused", 2)
    life.withdrawn()
    assert cases(life.hub)[0].ended == life.record.sequence
    life.row()
    life.restored()
    assert said(life.hub) == ["return_refused answered", "return_refused answered"]


def test_a_take_down_that_came_too_late_ends_when_the_record_is_down(life: RecordLife) -> None:
    """The same row again decides nothing."""
    life.row(version=10)
    life.withdrawn(version=5)
    life.row(version=11)
    assert said(life.hub) == ["take_down_superseded"]
    life.withdrawn(version=12)
    assert said(life.hub) == ["take_down_superseded answered"]


@pytest.mark.parametrize("version", [None, 5])
def test_a_take_down_of_what_has_moved_is_open_until_the_move_is_confirmed(
    life: RecordLife, version: int | None
) -> None:
    """The record is shown where it went: an older withdrawal, too, says no more than that."""
    life.row(version=10)
    life.leaves(NEAR, version=11)
    life.arrives(NEAR)
    for _time in range(2):
        assert life.withdrawn(version=version) == "quarantined TAKE_DOWN_OF_MOVED"
    arrived, case = cases(life.hub)
    assert (case.case_kind, case.times) == ("take_down_of_moved", 2)
    assert life.row() == "duplicate SAME_AS_MOVED"
    assert life.withdrawn(key=NEAR) == "withdrawn"
    assert said(life.hub) == [ARRIVED, "take_down_of_moved"]
    assert life.leaves(NEAR) == "duplicate ALREADY_MOVED"
    assert said(life.hub) == [ARRIVED, "take_down_of_moved answered"]
    assert arrived in cases(life.hub)


def test_a_take_down_of_what_has_moved_ends_when_the_record_comes_home(life: RecordLife) -> None:
    """It is shown under the old code again, and a withdrawal there is a new one."""
    life.row()
    life.leaves(NEAR)
    life.arrives(NEAR)
    life.withdrawn()
    life.leaves(COMPANY, SECOND, key=NEAR)
    assert life.arrives(COMPANY, SECOND, key=NEAR) == "accepted"
    assert said(life.hub) == [ARRIVED, "take_down_of_moved answered", ARRIVED]


def test_an_older_take_down_is_not_answered_by_a_departure_of_long_ago(life: RecordLife) -> None:
    """The record came home since, and is shown: the withdrawal stays open."""
    life.row(version=10)
    life.leaves(NEAR, version=11)
    life.arrives(NEAR)
    life.leaves(COMPANY, SECOND, key=NEAR)
    life.arrives(COMPANY, SECOND, key=NEAR)
    assert life.withdrawn(version=5) == "superseded WITHDRAWAL_OLDER_THAN_LIVE"
    assert life.leaves(NEAR) == "duplicate ALREADY_MOVED"
    assert said(life.hub) == [ARRIVED, ARRIVED, "take_down_superseded"]


def test_a_changed_row_of_what_has_moved_ends_when_the_move_is_confirmed(life: RecordLife) -> None:
    """It came under the code that the record has left."""
    life.row()
    life.leaves(NEAR)
    life.arrives(NEAR)
    assert life.row("食品批发") == "conflicting CHANGED_AFTER_MOVE"
    assert said(life.hub) == [ARRIVED, "return_refused"]
    life.leaves(NEAR)
    assert said(life.hub) == [ARRIVED, "return_refused answered"]


@PLACES
def test_a_record_that_has_left_is_open_until_it_arrives(life: RecordLife, to: str) -> None:
    """Whatever time passes: where it went is said, and the old row is told that it is nowhere."""
    life.row()
    life.met(life.record)
    assert life.leaves(to) == "withdrawn"
    life.crash()
    life.wait(40)
    assert life.row() == "duplicate MOVED_NOT_ARRIVED"
    (case,) = cases(life.hub)
    assert (case.case_kind, case.how, case.times) == ("arrival_missing", "", 2)
    assert (case.message, turn_of(CaseKind.ARRIVAL_MISSING)) == (to, Turn.DEPARTMENT)
    assert life.arrives(to) == "accepted"
    assert said(life.hub) == [ARRIVED]
    life.crash()
    assert life.row() == "duplicate SAME_AS_MOVED"
    assert said(life.hub) == [ARRIVED]


@PLACES
def test_an_older_arrival_leaves_the_case_of_what_left_open(life: RecordLife, to: str) -> None:
    """It is live nowhere: only an arrival that is accepted ends it."""
    life.row(key=to, version=20)
    life.withdrawn(key=to, version=21)
    life.row(version=5)
    life.leaves(to, version=6)
    assert life.arrives(to, version=7) == "superseded ARRIVAL_OLDER_THAN_RECORD"
    assert sorted(said(life.hub)) == ["arrival_missing", "arrival_superseded"]
    assert life.arrives(to, version=22) == "accepted"
    assert sorted(said(life.hub)) == [ARRIVED, "arrival_superseded answered"]


@PLACES
def test_what_was_there_before_it_left_is_not_missing(life: RecordLife, to: str) -> None:
    """The plain row had come under the right code, then the arrival, then the departure."""
    life.row()
    life.row(key=to)
    assert life.arrives(to) == "duplicate SAME_AS_LIVE"
    assert life.leaves(to) == "withdrawn"
    assert said(life.hub) == [ARRIVED]


@PLACES
def test_what_left_by_a_move_that_is_spent_is_missing(life: RecordLife, to: str) -> None:
    """Its move arrived as another record; sent under an id of its own it arrives."""
    other = {"XK_WSH": "舟市监许〔2026〕2号"}
    life.row()
    assert life.say(LICENCE, licence("药品零售", to) | other, key=to) == "accepted"
    spent = life.arrives(to, content="药品零售", changes=other)
    assert spent == "duplicate SAME_AS_LIVE"
    assert life.leaves(to) == "withdrawn"
    assert life.arrives(to) == "quarantined MOVE_TAKEN"
    assert said(life.hub) == ["arrival_missing"]
    assert life.leaves(to, SECOND) == "duplicate ALREADY_MOVED"
    assert life.arrives(to, SECOND) == "accepted"
    assert said(life.hub) == [ARRIVED]


def test_a_departure_that_waited_opens_the_case_of_what_left(life: RecordLife) -> None:
    """It is the ledger record of its release that says so, and under whose key."""
    life.leaves(FAR)
    life.row()
    found = cases(life.hub)
    assert [(c.case_kind, c.how, c.message) for c in found][-1] == ("arrival_missing", "", FAR)


def test_word_of_a_move_that_was_never_made_ends_no_case(life: RecordLife) -> None:
    """Only the arrival by a move by which the record left is its own."""
    life.row()
    life.leaves(FAR)
    content = {"move_id": SECOND, "record": life.record.record_key.hex()}
    place = partition_of(COMPANY.encode(), life.hub.partitions)
    life.hub.put(
        "control", place, COMPANY.encode(), json.dumps(content).encode(),
        (("ce_type", b"move.arrived.v1"),),
    )  # fmt: skip
    (noted,) = life.hub.run()
    assert (noted.outcome, noted.state) == (Outcome.MOVE_NOTED, None)
    assert said(life.hub) == ["arrival_missing"]


def test_a_statement_about_either_of_two_records_is_open_until_one_is_named() -> None:
    """Two authorities were merged, each with a decision of this number and name."""
    life = RecordLife(site())
    life.row()
    life.say(LICENCE, row_under(OTHER_AUTHORITY, "药品经营"), by=OTHER_DEPARTMENT)
    life.hub.adopt(merged(DEPARTMENT, OTHER_DEPARTMENT))
    for _time in range(2):
        either = life.say("record.withdrawn.v1", named_under(NEW_AUTHORITY), by=HEIR)
        assert either == "conflicting SEVERAL_PREDECESSORS"
    life.wait(20)
    (case,) = cases(life.hub)
    assert (case.case_kind, case.times, case.how) == ("several_meant", 2, "")
    life.say("record.withdrawn.v1", named_under(case_authority(life, case)), by=HEIR)
    assert said(life.hub) == ["several_meant answered"]


def case_authority(life: RecordLife, case: CaseRow) -> str:
    """The old code of the record that a case is about."""
    (record,) = [
        r
        for r in life.hub.ledger()
        if r.outcome is Outcome.ACCEPTED and r.record_key == case.record_key
    ]
    return AUTHORITY if record.department == DEPARTMENT else OTHER_AUTHORITY


def test_a_number_used_twice_ends_with_the_rows_own_answer(life: RecordLife) -> None:
    """A repeat of it is none."""
    life.row(number=1)
    life.row("食品销售", key=NEAR, number=1)
    life.row("食品销售", key=NEAR, number=1)
    (case,) = cases(life.hub)
    assert (case.case_kind, case.times, case.how) == ("number_reused", 2, "")
    life.row("食品销售", key=NEAR, number=2)
    assert said(life.hub) == ["number_reused answered"]


def test_a_number_used_twice_is_not_answered_by_a_repeat_of_what_is_there(life: RecordLife) -> None:
    """Which says nothing of the row that bore the number."""
    life.row(number=1)
    life.row(key=NEAR, number=5)
    life.row("食品销售", key=NEAR, number=1)
    assert life.row(key=NEAR, number=5) == "duplicate REPEATED_SUBMISSION"
    (case,) = cases(life.hub)
    assert (case.case_kind, case.how) == ("number_reused", "")


# --- the fold ------------------------------------------------------------------------------------


def test_a_fold_that_stops_anywhere_goes_on_as_if_it_had_not(life: RecordLife) -> None:
    """What was open is all that must be known of what came before."""
    named = refused_withdrawal(life)
    life.row()
    report(life.hub, named, "city", "refused", action="withdraw", code="MULTIPLE_ROWS")
    life.withdrawn(key=NEAR)
    life.row(key=NEAR)
    life.row(key=FAR)
    parked(life.hub, life.record)
    report(life.hub, named, "city", "withdrawn", action="withdraw")
    reader = EntryReader(CONTRACTS, life.hub.prefix, TARGETS)
    kept: dict[tuple[int, int, str], CaseRow] = {}
    for partition in range(life.hub.partitions):
        for raw in life.hub.raw_ledger(partition):
            record = decode_record(raw.value)
            one = OpenCases(case for case in kept.values() if case.ended is None)
            one.note(partition, record, reader.stages(partition, record))
            kept |= one.changed
    assert sorted(kept.values()) == sorted(cases(life.hub))


def test_the_month_counts_what_was_opened_ended_and_is_left(life: RecordLife) -> None:
    """A case that goes over the month's end is open in the one and ends in the next."""
    book = MonthBook(EntryReader(CONTRACTS, life.hub.prefix, TARGETS), targets_in(rows.basis()))
    named = refused_withdrawal(life)
    life.wait(35)
    report(life.hub, named, "city", "withdrawn", action="withdraw")
    penalty = submit(life.hub, penalty_row(), PENALTY)
    parked(life.hub, penalty)
    for partition in range(life.hub.partitions):
        for raw in life.hub.raw_ledger(partition):
            book.note(partition, decode_record(raw.value))
    assert book.cases("2026-10") == []
    assert book.cases("2026-11") == [CaseLine("withdrawal_refused", 1, 0, 1)]
    assert book.cases("2026-12") == [
        CaseLine("withdrawal_refused", 0, 1, 0), CaseLine("parked", 1, 0, 1),
    ]  # fmt: skip


def test_every_kind_is_somebodys_turn_and_has_its_reason() -> None:
    """A refused withdrawal is the centre's to talk over, a parked delivery the engineer's."""
    turns = {kind: turn_of(kind) for kind in CaseKind}
    assert turns[CaseKind.WITHDRAWAL_REFUSED] is Turn.CENTRE
    assert turns[CaseKind.PARKED] is Turn.PLATFORM
    assert turns[CaseKind.PUBLICATION_REFUSED] is Turn.DEPARTMENT
    assert case_reason(CaseKind.WAITING, "move", ()) == "WAITING_FOR_MOVE"
    assert case_reason(CaseKind.CONFLICTING, "", ["X", "UNDECLARED_CHANGE"]) == "UNDECLARED_CHANGE"
    assert case_reason(CaseKind.PARKED, "", ()) == "DELIVERY_PARKED"
