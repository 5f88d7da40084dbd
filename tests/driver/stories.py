"""A hub in memory to which everything happened that look-ups must tell: one story each company."""

from __future__ import annotations

import json
from typing import Any

from hub.core.record import LedgerRecord, Outcome
from hub.domain.partitioning import partition_of
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
    penalty_row,
)

HOUR = 3_600_000
DAY = 24 * HOUR
BAD_CODE = "91330900MA00000157"
UNKEYED = f"?{DEPARTMENT}"
START = at("2026-11-02 09:00")
"""Monday morning; a decision of this day is due on 2026-11-11."""


def number(n: int) -> str:
    """A document number."""
    return f"舟市监许〔2026〕{n}号"


def submit(
    hub: HubTestDriver,
    row: dict[str, str],
    kind: str = LICENCE,
    key: str = "",
    **more: Any,  # noqa: ANN401 - what the driver's `pipe` takes
) -> LedgerRecord:
    """Submit one row as its department's file row; returns what was decided."""
    code = key or row.get("XK_XDR_SHXYM") or row["CF_XDR_SHXYM"]
    hub.pipe(DEPARTMENT, kind, code, framed(kind, row), **more)
    return hub.run()[-1]


def report(  # noqa: PLR0913 - what a courier may say, each by its name
    hub: HubTestDriver, record: LedgerRecord, target: str, stage: str, *,
    action: str = "publish", platform_at: int | None = None, code: str = "", message: str = "",
    version: int = 0, is_again: bool = False,
) -> LedgerRecord:  # fmt: skip
    """A courier reports a stage of the version this ledger record named."""
    content = {
        "outcome": "00", "delivery": "00", "record": record.record_key.hex(),
        "version": version or record.version, "action": action, "stage": stage,
        "receipt": f"R-{target}", "code": code, "message": message, "platform_at": platform_at,
        "at": hub.now, **({"again": True} if is_again else {}),
    }  # fmt: skip
    key = record.cause.key
    place = partition_of(key, hub.partitions)
    hub.put(f"outcomes.{target}", place, key, json.dumps(content).encode())
    return hub.run()[-1]


def move(hub: HubTestDriver, row: dict[str, str], new_code: str) -> None:
    """Declare that a licence belongs to another code."""
    move_id = "ab" * 16
    out = {
        "move_id": move_id, "subject_kind": LICENCE, "document_number": row["XK_WSH"],
        "subject_name": row["XK_XDR_MC"], "credit_code": row["XK_XDR_SHXYM"],
        "authority_code": AUTHORITY, "new_credit_code": new_code, "reason": "代码录入错误",
    }  # fmt: skip
    into = {
        "move_id": move_id, "subject_kind": LICENCE, "reason": "代码录入错误",
        "row": framed(LICENCE, row | {"XK_XDR_SHXYM": new_code}),
        "previous_credit_code": row["XK_XDR_SHXYM"],
    }  # fmt: skip
    hub.pipe(DEPARTMENT, "record.moved_in.v1", new_code, framed("record.moved_in.v1", into))
    hub.run()
    hub.pipe(
        DEPARTMENT, "record.moved_out.v1", row["XK_XDR_SHXYM"], framed("record.moved_out.v1", out)
    )
    hub.run()


def withdraw(hub: HubTestDriver, document: str) -> LedgerRecord:
    """Withdraw a licence of the company."""
    reference = {
        "subject_kind": LICENCE, "document_number": document,
        "subject_name": licence_row()["XK_XDR_MC"], "credit_code": COMPANY,
        "authority_code": AUTHORITY, "reason": "撤销",
    }  # fmt: skip
    hub.pipe(DEPARTMENT, "record.withdrawn.v1", COMPANY, framed("record.withdrawn.v1", reference))
    return hub.run()[-1]


def correct(hub: HubTestDriver, row: dict[str, str]) -> LedgerRecord:
    """Declare other content of a licence."""
    inside = {"subject_kind": LICENCE, "row": framed(LICENCE, row), "reason": "内容更正"}
    hub.pipe(DEPARTMENT, "record.corrected.v1", COMPANY, framed("record.corrected.v1", inside))
    return hub.run()[-1]


def eventful_month(prefix: str = "test.") -> HubTestDriver:
    """Four weeks in which each party was late once; stands on 2026-11-30 09:00.

    1 published at once, the city late · 2 never sent · 3 arrived late · 4 quarantined for ever ·
    5 quarantined without a code, then accepted · 6 refused by the city · 7 corrected and
    withdrawn · 8 moved to another code · 9 under two codes · 10 a penalty, duplicated.
    """
    hub = HubTestDriver(rows.basis(), prefix, START)
    first = submit(hub, licence_row(XK_WSH=number(1)))
    submit(hub, licence_row(XK_WSH=number(2)))
    submit(hub, licence_row(XK_WSH=number(4), XK_JDRQ="2026年13月"))
    submit(hub, licence_row(XK_WSH=number(5), XK_XDR_SHXYM=BAD_CODE), key=UNKEYED)
    refused = submit(hub, licence_row(XK_WSH=number(6)))
    seventh = submit(hub, licence_row(XK_WSH=number(7)))
    submit(hub, licence_row(XK_WSH=number(8)))
    submit(hub, licence_row(XK_WSH=number(9)))
    submit(hub, licence_row(XK_WSH=number(9), XK_XDR_SHXYM=OTHER_COMPANY))
    submit(hub, penalty_row(), "penalty.imposed.v1")
    submit(hub, penalty_row(), "penalty.imposed.v1")
    submit(hub, penalty_row(), "penalty.imposed.v1", sequence=10)
    hub._sequences[f"{DEPARTMENT}/test"] -= 1  # the repeat took no number of its own
    hub.advance(HOUR)
    report(hub, first, "province", "acknowledged", platform_at=hub.now)
    report(hub, first, "city", "sent")
    report(hub, refused, "province", "acknowledged", platform_at=hub.now)
    report(hub, refused, "city", "refused", code="NAME_UNKNOWN")
    report(hub, seventh, "province", "acknowledged", platform_at=hub.now)
    report(hub, seventh, "city", "published", platform_at=hub.now)
    hub.advance(DAY)
    submit(hub, licence_row(XK_WSH=number(5)))
    corrected = correct(hub, licence_row(XK_WSH=number(7), XK_NR="特种设备生产"))
    assert corrected.outcome is Outcome.CORRECTED
    report(hub, corrected, "city", "published", platform_at=hub.now)
    withdrawn = withdraw(hub, number(7))
    report(hub, withdrawn, "city", "withdrawn", action="withdraw", platform_at=hub.now)
    report(hub, corrected, "city", "published", platform_at=hub.now)
    move(hub, licence_row(XK_WSH=number(8)), OTHER_COMPANY)
    hub.advance(12 * DAY)
    report(hub, first, "city", "published", platform_at=hub.now)
    submit(hub, licence_row(XK_WSH=number(3)))
    hub.pipe(OTHER_DEPARTMENT, LICENCE, COMPANY, b"garbage\x00\xff")
    hub.pipe(OTHER_DEPARTMENT, "x\x00y", COMPANY, b"\x00" * 1_100_000)
    hub.pipe(DEPARTMENT, LICENCE, UNKEYED, framed(LICENCE, licence_row(XK_WSH="长" * 50_000)))
    hub.put(f"submissions.{DEPARTMENT}", 0, b"\xff\x00", b"", (("ce_id", b"9" * 40),))
    hub.run()
    hub.advance(at("2026-11-30 09:00") - hub.now)
    return hub
