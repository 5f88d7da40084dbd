"""Requests to send again, sites that change, and what a target's book must hold."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from hub.contracts import Fault
from hub.core.record import LedgerRecord, Outcome
from hub.core.resend import row_of
from hub.domain import kinds
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver

if TYPE_CHECKING:
    from collections.abc import Mapping

ARCHIVE = {
    "id": "archive", "number": 2, "role": "display", "public": True,
    "kinds": [rows.LICENCE, rows.PENALTY], "clock_from": "2026-11-03", "clearance": ["public"],
}  # fmt: skip
"""A target that is added later: older decisions have no deadline there."""


def two_targets() -> dict[str, Any]:
    """The site as it begins."""
    return rows.basis()


def with_archive(document: dict[str, Any] | None = None) -> dict[str, Any]:
    """The site with one target more."""
    document = deepcopy(document or rows.basis())
    document["site"]["targets"].append(dict(ARCHIVE))
    return document


def showing(
    target: int, kinds: list[str], document: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The site where one target shows these kinds; none is what `retired` makes of it."""
    changed = deepcopy(document or rows.basis())
    changed["site"]["targets"][target]["kinds"] = kinds
    return changed


def ask_again(
    hub: HubTestDriver, target: str, *, begin: str = "", end: str = "", document: str = ""
) -> list[LedgerRecord]:
    """`hub resend`, carried out; what the registrar wrote about it."""
    request(hub, target, begin=begin, end=end, document=document)
    return hub.run()


def request(
    hub: HubTestDriver, target: str, *, begin: str = "", end: str = "", document: str = ""
) -> None:
    """`hub resend`: a control message to every partition."""
    content = {"target": target, "decided_from": begin, "decided_to": end, "document": document}
    for partition in range(hub.partitions):
        hub.put(
            "control", partition, b"", json.dumps(content).encode(),
            (("ce_type", kinds.RESEND_REQUESTED.encode()),),
        )  # fmt: skip


def redecide(hub: HubTestDriver, asked: Mapping[str, object]) -> list[LedgerRecord]:
    """`hub basis redecide`, carried out; what the registrar wrote about it."""
    for partition in range(hub.partitions):
        hub.put(
            "control", partition, b"", json.dumps(asked).encode(),
            (("ce_type", kinds.REDECISION_REQUESTED.encode()),),
        )  # fmt: skip
    return hub.run()


def told(written: list[LedgerRecord]) -> list[LedgerRecord]:
    """Of what was written, what names a target by a walk."""
    return [r for r in written if r.outcome in (Outcome.RESENT, Outcome.REPROJECTED)]


def book_of(hub: HubTestDriver, target: int) -> dict[bytes, tuple[str, int, bytes]]:
    """Record → what the target was named for last: action, version, framed row."""
    book: dict[bytes, tuple[str, int, bytes]] = {}
    for record in hub.ledger():
        if record.publish_targets >> target & 1:
            book[record.record_key] = ("publish", record.version, row_of(record, rows.CONTRACTS))
        elif record.withdraw_targets >> target & 1:
            book[record.record_key] = ("withdraw", record.version, b"")
    return book


def content_of(framed: bytes) -> str:
    """What a licence permits, of a framed row."""
    decoded = rows.CONTRACTS.decode_framed(framed)
    assert not isinstance(decoded, Fault)
    return str(decoded[1]["XK_NR"])
