"""A backup beside a running hub holds no report of a ledger record that it lacks."""

import json

from hub.adapters.kafka.copy import StoredRecord
from hub.backup.create import LedgerCopy
from hub.core.basis import canonical_json
from hub.core.ledger_end import Loss
from hub.domain.kinds import LOSS_ACCEPTED
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import at

REPORTS = ("test.outcomes.province", 0)


def stored(offset: int, value: bytes | None) -> StoredRecord:
    """As it lies in a topic."""
    return StoredRecord(offset, None, b"", (), value)


def report(offset: int, sequence: int, epoch: int = 0) -> StoredRecord:
    """A courier's."""
    told = {"sequence": sequence, "record": "ab" * 16, "epoch": epoch}
    return stored(offset, json.dumps(told).encode())


def copied(*batches: list[StoredRecord], is_after_a_loss: bool = False) -> tuple[list[int], int]:
    """Offsets of reports copied beside a ledger, and where their topic ends; 0: as it is."""
    hub = HubTestDriver(rows.basis(), now=at("2026-11-02 09:00"))
    if is_after_a_loss:
        loss = Loss(1, 9, 1, 1, "00", "", ("x",), "王运维", "磁盘损坏").as_content()
        hub.put("control", 0, b"", canonical_json(loss), (("ce_type", LOSS_ACCEPTED.encode()),))
        hub.run()
    ledger = [stored(one.offset, one.value) for one in hub.raw_ledger(0)]
    copy = LedgerCopy()
    assert list(copy.noted(0, [ledger])) == [ledger]
    assert len(ledger) == 1 + is_after_a_loss
    found = [one.offset for batch in copy.known(REPORTS, batches) for one in batch]
    return found, copy.ends.get(REPORTS, 0)


def test_all_reports_of_what_is_there_are_in_it() -> None:
    """And what is no courier's, or nobody can read."""
    others = [stored(4, None), stored(5, b"[]"), stored(6, b"\xff")]
    assert copied([report(3, 0)], others) == ([3, 4, 5, 6], 0)


def test_it_ends_before_the_first_report_of_what_came_later() -> None:
    """Though one of what is there follows: nothing behind it had been decided."""
    assert copied([report(3, 0), report(7, 1), report(8, 0)], [report(9, 0)]) == ([3], 7)
    assert copied([report(3, 1)]) == ([], 3)


def test_reports_of_what_was_given_up_are_causes_like_any_other() -> None:
    """Their sequences are those of the epoch before."""
    told = [report(3, 8), report(4, 1, epoch=1), report(5, 2, epoch=1)]
    assert copied(told, is_after_a_loss=True) == ([3, 4], 5)
