"""What became of a statement that waited, in the words of the eight primary outcomes."""

from __future__ import annotations

import pytest

from hub.core.record import Outcome
from hub.views.held import became, wait_begun
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import COMPANY, DEPARTMENT, LICENCE, framed, licence_row
from tests.driver.stories import DAY, START, submit

CORRECTED = "record.corrected.v1"
WITHDRAWN = "record.withdrawn.v1"


def state(hub: HubTestDriver, kind: str) -> None:
    """Correct or withdraw a licence."""
    row = licence_row(XK_NR="食品销售")
    statement: dict[str, str | bytes] = {
        "subject_kind": LICENCE, "row": framed(LICENCE, row), "reason": "有误",
        "redetermined_on": "",
    }  # fmt: skip
    if kind == WITHDRAWN:
        statement = {
            "subject_kind": LICENCE, "document_number": row["XK_WSH"], "reason": "撤销",
            "subject_name": row["XK_XDR_MC"], "credit_code": COMPANY,
            "authority_code": row["XK_XKJGDM"],
        }  # fmt: skip
    hub.pipe(DEPARTMENT, kind, COMPANY, framed(kind, statement))
    hub.run()


@pytest.mark.parametrize(
    ("kind", "is_sent", "outcome"),
    [
        (WITHDRAWN, True, Outcome.WITHDRAWN),
        (CORRECTED, True, Outcome.CORRECTED),
        (WITHDRAWN, False, Outcome.QUARANTINED),
        (CORRECTED, False, Outcome.QUARANTINED),
    ],
)
def test_it_has_the_answer_that_it_would_have_had_at_once(
    kind: str, outcome: Outcome, *, is_sent: bool
) -> None:
    """Its record came, or did not."""
    hub = HubTestDriver(rows.basis(partitions=1), now=START)
    state(hub, kind)
    if is_sent:
        submit(hub, licence_row())
        hub.run()
    else:
        hub.advance(60 * DAY)
    answers = [found for record in hub.ledger() if (found := became(record)) is not None]
    assert answers == [outcome]
    waits = [wait.until for record in hub.ledger() if (wait := wait_begun(record)) is not None]
    assert len(waits) == 1
    assert waits[0] > START + DAY


def test_a_reason_of_the_table_says_more_than_that_it_had_no_effect() -> None:
    """A second withdrawal waited as well: what it names is down already."""
    hub = HubTestDriver(rows.basis(partitions=1), now=START)
    state(hub, CORRECTED)
    state(hub, WITHDRAWN)
    state(hub, CORRECTED)
    submit(hub, licence_row())
    hub.run()
    answers = [found for record in hub.ledger() if (found := became(record)) is not None]
    assert answers[:2] == [Outcome.CORRECTED, Outcome.WITHDRAWN]
    assert Outcome.ACCEPTED not in answers
