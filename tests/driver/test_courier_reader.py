"""What a courier reads of statements that waited: the reason of a take-down, the row to show."""

from __future__ import annotations

import pytest

from hub.core.record import LedgerRecord, Outcome
from hub.engine.courier_records import Noted, TargetReader, Work
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import (
    COMPANY,
    CONTRACTS,
    COURT,
    DELISTED,
    DEPARTMENT,
    LICENCE,
    LISTED,
    exit_row,
    framed,
    licence_row,
    listing_row,
)
from tests.driver.stories import START

CORRECTED = "record.corrected.v1"


@pytest.fixture
def hub() -> HubTestDriver:
    """A hub on the morning of Monday 2026-11-02."""
    return HubTestDriver(rows.basis(partitions=1), now=START)


def works(hub: HubTestDriver) -> list[tuple[LedgerRecord, Work, bytes]]:
    """What the province's courier has to do, in order, with the ledger record that says so."""
    reader = TargetReader(0, "test.outcomes.province", CONTRACTS)
    found = []
    for raw, record in zip(hub.raw_ledger(0), hub.ledger(0), strict=True):
        work = reader.read(raw)
        if work is not None and not isinstance(work, Noted):
            found.append((record, *work))
    return found


def correct(hub: HubTestDriver, department: str, kind: str, row: dict[str, str]) -> None:
    """Declare another content of a record."""
    statement = {
        "subject_kind": kind, "row": framed(kind, row), "reason": "录入错误", "redetermined_on": "",
    }  # fmt: skip
    hub.pipe(department, CORRECTED, COMPANY, framed(CORRECTED, statement))
    hub.run()


def test_an_exit_that_waited_reaches_the_platform_with_its_reason(hub: HubTestDriver) -> None:
    """It is dated before the entry, and waits; a correction of the entry's day releases it."""
    leaves = framed(DELISTED, exit_row(exited_on="2026-10-01"))
    hub.pipe(COURT, DELISTED, COMPANY, leaves)
    hub.pipe(COURT, LISTED, COMPANY, framed(LISTED, listing_row(listed_on="2026-10-30")))
    hub.run()
    assert [work.action for _, work, _ in works(hub)] == ["publish"]
    correct(hub, COURT, LISTED, listing_row(listed_on="2026-09-15"))
    record, work, why = works(hub)[-1]
    assert record.outcome is Outcome.HELD_RELEASED
    assert (work.action, work.kind) == ("withdraw", LISTED)
    assert why == leaves


def test_a_correction_that_waited_is_published_as_its_row(hub: HubTestDriver) -> None:
    """Not as the envelope it came in, and the row before it is never sent."""
    changed = licence_row(XK_NR="食品销售")
    correct(hub, DEPARTMENT, LICENCE, changed)
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row()))
    hub.run()
    ((record, work, row),) = works(hub)
    assert record.outcome is Outcome.HELD_RELEASED
    assert (work.action, row) == ("publish", framed(LICENCE, changed))


def test_a_withdrawal_refused_after_its_wait_lets_the_row_be_published(hub: HubTestDriver) -> None:
    """Another bureau's: the record that says so names the targets, with the row and not with it."""
    row = licence_row()
    reference = {
        "subject_kind": LICENCE, "document_number": row["XK_WSH"],
        "subject_name": row["XK_XDR_MC"], "credit_code": COMPANY,
        "authority_code": row["XK_XKJGDM"], "reason": "撤销",
    }  # fmt: skip
    kind = "record.withdrawn.v1"
    hub.pipe(rows.OTHER_DEPARTMENT, kind, COMPANY, framed(kind, reference))
    hub.run()
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, row))
    hub.run()
    ((record, work, shown),) = works(hub)
    assert record.outcome is Outcome.HELD_ENDED
    assert (work.action, shown) == ("publish", framed(LICENCE, row))
