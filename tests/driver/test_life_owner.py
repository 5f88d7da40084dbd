"""L9. Who may state what, and whose it is."""

from __future__ import annotations

import pytest

from hub.core.record import Outcome
from hub.core.state import Status
from tests.driver import rows
from tests.driver.life import FAR, NEAR, SECOND, RecordLife, answer, with_deputy
from tests.driver.rows import (
    COMPANY,
    COURT,
    DELISTED,
    DEPARTMENT,
    LICENCE,
    LISTED,
    OTHER_DEPARTMENT,
    exit_row,
    framed,
    licence_row,
    listing_row,
)

HERE = {(COMPANY, "食品经营")}
DEPUTY = OTHER_DEPARTMENT


@pytest.fixture
def site() -> RecordLife:
    """A site in which another department acts for the owner."""
    return RecordLife(with_deputy())


@pytest.mark.parametrize("to", [NEAR, FAR], ids=["same-partition", "other-partition"])
@pytest.mark.parametrize("order", ["departure-first", "arrival-first"])
def test_who_moves_a_record_for_its_owner_does_not_come_to_own_it(
    site: RecordLife, to: str, order: str
) -> None:
    """At its new identity it is the owner's: his withdrawal is obeyed there."""
    site.row()
    if order == "departure-first":
        assert site.leaves(to, by=DEPUTY) == "withdrawn"
        site.crash()
        assert site.arrives(to, by=DEPUTY) == "accepted"
    else:
        assert site.arrives(to, by=DEPUTY) == "held WAITING_FOR_MOVE"
        site.crash()
        assert site.leaves(to, by=DEPUTY) == "withdrawn"
    assert site.shown() == {(to, "食品经营")}
    assert site.withdrawn(key=to) == "withdrawn"
    assert site.state().department == DEPARTMENT
    assert site.shown() == set()


def test_the_deputy_may_go_on_to_act_at_the_new_identity(site: RecordLife) -> None:
    """And the owner may still not act for the deputy."""
    site.row()
    site.leaves(NEAR, by=DEPUTY)
    site.arrives(NEAR, by=DEPUTY)
    assert site.corrected(key=NEAR, by=DEPUTY) == "corrected"
    assert site.state().department == DEPARTMENT
    assert site.row(key=FAR, by=DEPUTY) == "accepted"
    assert site.withdrawn(key=FAR) == "quarantined NOT_YOUR_RECORD"


def test_what_a_deputy_takes_down_or_restores_stays_the_owners(site: RecordLife) -> None:
    """Whoever acted last."""
    site.row()
    assert site.withdrawn(by=DEPUTY) == "withdrawn"
    site.crash()
    assert site.restored(by=DEPUTY) == "accepted"
    assert site.state().department == DEPARTMENT
    assert site.withdrawn() == "withdrawn"


@pytest.mark.parametrize("order", ["departure-first", "stranger-first"])
def test_a_move_is_taken_by_nobody_but_its_owner(life: RecordLife, order: str) -> None:
    """A stranger who knows its id brings a row of its own; the owner's arrives all the same."""
    foreign = {"XK_WSH": "舟市监许〔2026〕9号"}
    previous = {"previous_document_number": licence_row()["XK_WSH"]}
    life.row()
    if order == "departure-first":
        life.leaves(FAR)
        said = life.arrives(FAR, changes=foreign, previous=previous, by=OTHER_DEPARTMENT)
        assert said == "quarantined NOT_YOUR_RECORD"
    else:
        said = life.arrives(FAR, changes=foreign, previous=previous, by=OTHER_DEPARTMENT)
        assert said == "held WAITING_FOR_MOVE"
        life.leaves(FAR)
        ended = [answer(r) for r in life.rest if r.outcome is Outcome.HELD_ENDED]
        assert ended == ["held_ended NOT_YOUR_RECORD"]
    life.crash()
    assert life.shown() == set()
    assert life.arrives(FAR) == "accepted"
    assert life.shown() == {(FAR, "食品经营")}


def test_each_department_states_its_own_kinds_only(life: RecordLife) -> None:
    """A bureau puts nobody on the list of dishonest debtors, not even with the court's code."""
    document = rows.basis()
    document["site"]["departments"][DEPARTMENT]["authorities"].append(rows.COURT_CODE)
    life.hub.adopt(document)
    assert life.say(LISTED, listing_row(), by=DEPARTMENT) == "quarantined KIND_NOT_YOURS"
    assert life.shown() == set()
    assert life.listed() == "accepted"
    assert life.say(DELISTED, exit_row(), by=DEPARTMENT) == "quarantined KIND_NOT_YOURS"
    assert life.shown() == {(COMPANY, "2026-10-30")}
    life.crash()
    assert life.delisted() == "withdrawn"


@pytest.mark.parametrize("what", ["corrected", "withdrawn", "restored", "leaves", "arrives"])
def test_every_statement_about_a_kind_needs_the_right_to_state_it(
    life: RecordLife, what: str
) -> None:
    """A court's letter about a licence, whatever it declares."""
    document = rows.basis()
    document["site"]["departments"][COURT]["authorities"].append(rows.AUTHORITY)
    life.hub.adopt(document)
    life.row()
    before = life.shown()
    said = getattr(life, what)(by=COURT)
    assert said.startswith("quarantined")
    assert "KIND_NOT_YOURS" in said
    assert life.shown() == before


def test_a_department_the_site_does_not_know_is_refused_and_owes_nothing(life: RecordLife) -> None:
    """Its topic may still be there; nothing of it is believed."""
    document = rows.basis()
    del document["site"]["departments"][DEPARTMENT]
    life.hub.adopt(document)
    assert "UNKNOWN_DEPARTMENT" in life.row()
    assert (life.dues(), life.shown()) == ({}, set())


@pytest.mark.parametrize("order", ["stranger-first", "owner-first"])
def test_a_faulty_row_reserves_its_record_for_nobody(life: RecordLife, order: str) -> None:
    """What never was in force is nobody's: who brings the good row owns it."""
    if order == "stranger-first":
        assert life.fault(by=OTHER_DEPARTMENT) == "quarantined FIELD_REQUIRED"
        assert life.row() == "accepted"
    else:
        assert life.row() == "accepted"
        assert life.fault(by=OTHER_DEPARTMENT) == "quarantined FIELD_REQUIRED"
    life.crash()
    assert (life.state().department, life.shown()) == (DEPARTMENT, HERE)
    assert life.withdrawn(by=OTHER_DEPARTMENT) == "quarantined NOT_YOUR_RECORD"


def test_a_foreign_row_changes_nothing_of_what_is_quarantined(life: RecordLife) -> None:
    """A department without the authority neither takes a record over nor puts off its duties."""
    life.fault()
    before = life.state()
    document = rows.basis()
    document["site"]["departments"][OTHER_DEPARTMENT]["authorities"] = [rows.OTHER_AUTHORITY]
    life.hub.adopt(document)
    assert "FOREIGN_AUTHORITY" in life.row(by=OTHER_DEPARTMENT)
    assert life.state() == before


def test_another_departments_arrival_takes_over_nothing_that_was_in_force(life: RecordLife) -> None:
    """What its owner took down does not come back by a stranger's move."""
    life.row(key=NEAR)
    life.withdrawn(key=NEAR)
    life.row(by=OTHER_DEPARTMENT)
    assert life.leaves(NEAR, by=OTHER_DEPARTMENT) == "withdrawn"
    assert life.arrives(NEAR, by=OTHER_DEPARTMENT) == "quarantined NOT_YOUR_RECORD"
    assert life.shown() == set()


def test_what_waits_for_its_move_is_not_taken_over(life: RecordLife) -> None:
    """A stranger's arrival at the same identity, under another move."""
    life.row()
    assert life.arrives(NEAR) == "held WAITING_FOR_MOVE"
    assert life.arrives(NEAR, SECOND, by=OTHER_DEPARTMENT) == "quarantined NOT_YOUR_RECORD"
    life.crash()
    assert life.leaves(NEAR) == "withdrawn"
    assert life.shown() == {(NEAR, "食品经营")}
    assert life.withdrawn(key=NEAR) == "withdrawn"


def test_the_order_of_owner_and_deputy_makes_no_difference_to_what_waits(site: RecordLife) -> None:
    """Withdrawn by the deputy before the owner's row came: obeyed at the release."""
    assert site.withdrawn(by=DEPUTY) == "held WAITING_FOR_RECORD"
    site.crash()
    assert site.row() == "accepted"
    assert [answer(r) for r in site.rest] == ["held_released"]
    assert (site.status, site.shown()) == (Status.WITHDRAWN, set())


def test_rights_that_ended_while_a_statement_waited_are_asked_again(site: RecordLife) -> None:
    """The deputy has lost the right by the time the row comes."""
    site.withdrawn(by=DEPUTY)
    site.hub.adopt(rows.basis())
    assert site.row() == "accepted"
    assert [answer(r) for r in site.rest] == ["held_ended NOT_YOUR_RECORD"]
    assert site.shown() == HERE


def test_an_agents_word_on_a_departments_record_is_refused(life: RecordLife) -> None:
    """Agents state what contracts leave to them, and about those only."""
    life.row()
    row = framed(LICENCE, licence_row())
    assert "KIND_NOT_YOURS" in life.send(LICENCE, row, by=rows.AGENTS)
    assert life.record.outcome is Outcome.QUARANTINED
    assert "KIND_NOT_YOURS" in life.withdrawn(by=rows.AGENTS)
    assert life.shown() == HERE


@pytest.mark.parametrize("by", ["correction", "row", "restoration"])
@pytest.mark.parametrize("before", ["faulty", "taken back", "waits"])
def test_who_mends_a_row_for_its_owner_does_not_come_to_own_it(
    site: RecordLife, by: str, before: str
) -> None:
    """The owner's row was faulty, or waits inside a correction: what is shown is the owner's."""
    if before == "waits":
        site.corrected("食品批发")
    else:
        site.fault()
    if before == "taken back":
        site.withdrawn()
    site.crash()
    say = {"correction": site.corrected, "row": site.row, "restoration": site.restored}[by]
    said = say("食品经营", by=OTHER_DEPARTMENT)
    if before == "waits" and by != "row":
        assert said == "held WAITING_FOR_RECORD"
        assert site.row(by=OTHER_DEPARTMENT) == "accepted"
    else:
        assert said == "accepted"
    assert site.state().department == DEPARTMENT
    assert site.withdrawn() == "withdrawn"


def test_a_deputys_row_is_not_its_owners_for_a_withdrawal_that_waits(site: RecordLife) -> None:
    """What waits without a row reserves nothing: nobody kills another's future row."""
    assert site.withdrawn() == "held WAITING_FOR_RECORD"
    site.crash()
    assert site.row(by=OTHER_DEPARTMENT) == "accepted"
    assert [answer(r) for r in site.rest] == ["held_ended NOT_YOUR_RECORD"]
    assert site.state().department == OTHER_DEPARTMENT
