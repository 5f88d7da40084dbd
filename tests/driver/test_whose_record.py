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
