"""Whose record it is: what another department may do that submits for the same authority, too.

Nothing: it neither changes, nor takes down, nor moves it, unless the authority table says so.
"""

from collections.abc import Callable
from typing import Any

import pytest

from hub.core.record import LedgerRecord, Outcome
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import (
    AUTHORITY,
    COMPANY,
    DEPARTMENT,
    LICENCE,
    OTHER_COMPANY,
    OTHER_DEPARTMENT,
    at,
    framed,
    licence_row,
)

REFERENCE = {
    "subject_kind": LICENCE,
    "document_number": "舟市监许〔2026〕1号",
    "subject_name": "舟山示例贸易有限公司",
    "credit_code": COMPANY,
    "authority_code": AUTHORITY,
    "reason": "录入错误",
}
MOVE = "ab" * 16
Deed = tuple[str, Callable[[], dict[str, Any]]]
DEEDS: dict[str, Deed] = {
    "corrects": (
        "record.corrected.v1",
        lambda: {
            "subject_kind": LICENCE,
            "row": framed(LICENCE, licence_row(XK_NR="食品销售")),
            "reason": "录入错误",
        },
    ),
    "withdraws": ("record.withdrawn.v1", lambda: REFERENCE),
    "moves": (
        "record.moved_out.v1",
        lambda: {**REFERENCE, "move_id": MOVE, "new_credit_code": OTHER_COMPANY},
    ),
}


def say(hub: HubTestDriver, department: str, kind: str, content: dict[str, Any]) -> LedgerRecord:
    """Submit something of the company and return what was decided on it."""
    hub.pipe(department, kind, COMPANY, framed(kind, content))
    return hub.run()[0]


def codes(record: LedgerRecord) -> set[str]:
    """Reason codes of a ledger record."""
    return {reason.code for reason in record.reasons}


@pytest.fixture
def hub() -> HubTestDriver:
    """A hub with one licence of DEPARTMENT; OTHER_DEPARTMENT submits for its authority, too."""
    made = HubTestDriver(rows.basis(), now=at("2026-11-02 09:00"))
    assert say(made, DEPARTMENT, LICENCE, licence_row()).outcome is Outcome.ACCEPTED
    return made


@pytest.mark.parametrize("deed", DEEDS)
def test_a_stranger_is_refused_and_nothing_changes(hub: HubTestDriver, deed: str) -> None:
    """Quarantined as NOT_YOUR_RECORD; the owner goes on as if nothing had been said."""
    kind, content = DEEDS[deed]
    refused = say(hub, OTHER_DEPARTMENT, kind, content())
    assert refused.outcome is Outcome.QUARANTINED
    assert codes(refused) == {"NOT_YOUR_RECORD"}
    assert refused.state is None
    assert (refused.publish_targets, refused.withdraw_targets) == (0, 0)
    assert say(hub, DEPARTMENT, LICENCE, licence_row()).outcome is Outcome.DUPLICATE
    assert say(hub, DEPARTMENT, kind, content()).outcome in {Outcome.CORRECTED, Outcome.WITHDRAWN}


@pytest.mark.parametrize("deed", DEEDS)
def test_who_the_authority_table_names_may(deed: str) -> None:
    """`may_act_on` in the site is what makes the difference, and works one way only."""
    document = rows.basis()
    document["site"]["departments"][OTHER_DEPARTMENT]["may_act_on"] = [DEPARTMENT]
    hub = HubTestDriver(document, now=at("2026-11-02 09:00"))
    kind, content = DEEDS[deed]
    say(hub, DEPARTMENT, LICENCE, licence_row())
    allowed = say(hub, OTHER_DEPARTMENT, kind, content())
    assert allowed.outcome in {Outcome.CORRECTED, Outcome.WITHDRAWN}
    other = HubTestDriver(document, now=at("2026-11-02 09:00"))
    say(other, OTHER_DEPARTMENT, LICENCE, licence_row())
    assert codes(say(other, DEPARTMENT, kind, content())) == {"NOT_YOUR_RECORD"}


def test_another_s_live_record_sent_again_stays_another_s(hub: HubTestDriver) -> None:
    """The same content is a duplicate, other content a conflict; neither makes it the sender's."""
    again = say(hub, OTHER_DEPARTMENT, LICENCE, licence_row())
    assert (again.outcome, again.state) == (Outcome.DUPLICATE, None)
    changed = say(hub, OTHER_DEPARTMENT, LICENCE, licence_row(XK_NR="食品销售"))
    assert changed.outcome is Outcome.CONFLICTING
    assert changed.state is not None
    assert changed.state.department == DEPARTMENT
    kind, content = DEEDS["withdraws"]
    assert codes(say(hub, OTHER_DEPARTMENT, kind, content())) == {"NOT_YOUR_RECORD"}


@pytest.mark.parametrize("deed", ["withdraws", "moves"])
def test_what_its_owner_took_down_stays_the_owner_s(hub: HubTestDriver, deed: str) -> None:
    """A stranger neither publishes it anew nor takes it over with a faulty row.

    Nor does its owner bring it back by sending the old row once more: that is told, and he knows.
    """
    kind, content = DEEDS[deed]
    assert say(hub, DEPARTMENT, kind, content()).outcome is Outcome.WITHDRAWN
    for row in (licence_row(), licence_row(XK_NR="")):
        refused = say(hub, OTHER_DEPARTMENT, LICENCE, row)
        assert (refused.outcome, refused.state) == (Outcome.QUARANTINED, None)
        assert refused.publish_targets == 0
    assert codes(say(hub, OTHER_DEPARTMENT, LICENCE, licence_row())) == {"NOT_YOUR_RECORD"}
    again = say(hub, DEPARTMENT, LICENCE, licence_row())
    assert (again.outcome, again.version, again.state) == (Outcome.DUPLICATE, 2, None)
    assert codes(again) == {"SAME_AS_WITHDRAWN" if deed == "withdraws" else "MOVED_NOT_ARRIVED"}


def test_what_its_owner_spoilt_after_taking_it_down_stays_the_owner_s(hub: HubTestDriver) -> None:
    """Withdrawn, then sent anew with a fault: it stays withdrawn, and its owner's."""
    kind, content = DEEDS["withdraws"]
    say(hub, DEPARTMENT, kind, content())
    spoilt = say(hub, DEPARTMENT, LICENCE, licence_row(XK_NR=""))
    assert (spoilt.outcome, spoilt.state) == (Outcome.QUARANTINED, None)
    assert codes(say(hub, OTHER_DEPARTMENT, LICENCE, licence_row())) == {"NOT_YOUR_RECORD"}
    restored = say(hub, DEPARTMENT, *restoration())
    assert (restored.outcome, restored.version) == (Outcome.ACCEPTED, 3)


def restoration() -> tuple[str, dict[str, Any]]:
    """The licence is shown again, by a decision of its own."""
    content = {
        "subject_kind": LICENCE, "row": framed(LICENCE, licence_row()), "reason": "撤回有误",
        "decided_by": "舟山市示例局",
    }  # fmt: skip
    return "record.restored.v1", content


def test_a_faulty_row_reserves_nothing() -> None:
    """What never was on record is nobody's: a stranger's bad row locks out no good one."""
    hub = HubTestDriver(rows.basis(), now=at("2026-11-02 09:00"))
    assert say(hub, OTHER_DEPARTMENT, LICENCE, licence_row(XK_NR="")).outcome is Outcome.QUARANTINED
    mine = say(hub, DEPARTMENT, LICENCE, licence_row())
    assert mine.outcome is Outcome.ACCEPTED
    assert mine.state is not None
    assert mine.state.department == DEPARTMENT


def arrive(hub: HubTestDriver, department: str, move_id: str, row: dict[str, str]) -> LedgerRecord:
    """The half of a move that brings a record here."""
    content = {
        "move_id": move_id, "subject_kind": LICENCE, "reason": "代码录入错误",
        "row": framed(LICENCE, row), "previous_credit_code": OTHER_COMPANY,
    }  # fmt: skip
    return say(hub, department, "record.moved_in.v1", content)


def test_what_waits_for_its_move_is_not_taken_over() -> None:
    """A stranger's arrival under another move would leave with the owner's departure."""
    hub = HubTestDriver(rows.basis(), now=at("2026-11-02 09:00"))
    assert arrive(hub, DEPARTMENT, MOVE, licence_row()).outcome is Outcome.HELD
    refused = arrive(hub, OTHER_DEPARTMENT, "cd" * 16, licence_row(XK_NR="食品销售"))
    assert (refused.outcome, codes(refused)) == (Outcome.QUARANTINED, {"NOT_YOUR_RECORD"})
    assert refused.state is None


def test_what_was_taken_down_does_not_arrive_by_a_stranger_s_move(hub: HubTestDriver) -> None:
    """The other way to publish anew what another has withdrawn."""
    kind, content = DEEDS["withdraws"]
    say(hub, DEPARTMENT, kind, content())
    refused = arrive(hub, OTHER_DEPARTMENT, MOVE, licence_row())
    assert (refused.outcome, codes(refused)) == (Outcome.QUARANTINED, {"NOT_YOUR_RECORD"})


def test_a_deputy_s_correction_leaves_the_record_to_its_owner() -> None:
    """Acting for somebody is no taking over: the owner corrects and withdraws as before."""
    document = rows.basis()
    document["site"]["departments"][OTHER_DEPARTMENT]["may_act_on"] = [DEPARTMENT]
    hub = HubTestDriver(document, now=at("2026-11-02 09:00"))
    say(hub, DEPARTMENT, LICENCE, licence_row())
    kind, content = DEEDS["corrects"]
    corrected = say(hub, OTHER_DEPARTMENT, kind, content())
    assert corrected.outcome is Outcome.CORRECTED
    assert corrected.department == OTHER_DEPARTMENT
    assert corrected.state is not None
    assert corrected.state.department == DEPARTMENT
    kind, content = DEEDS["withdraws"]
    assert say(hub, DEPARTMENT, kind, content()).outcome is Outcome.WITHDRAWN
    shown = say(hub, OTHER_DEPARTMENT, *restoration())
    assert (shown.outcome, shown.publish_targets) == (Outcome.ACCEPTED, 0b11)
    assert shown.state is not None
    assert shown.state.department == DEPARTMENT
