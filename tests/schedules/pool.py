"""Ledger records to deal out: what a real registrar wrote of a few licences, once per process."""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from hub.contracts import Fault, project
from hub.core.record import decode_record
from hub.core.resend import row_of
from hub.targets.delivery import digest_of
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import AUTHORITY, COMPANY, LICENCE, at, framed

if TYPE_CHECKING:
    from hub.core.record import LedgerRecord
    from hub.ports import InputRecord

RECORDS = 6
CLEARANCE = frozenset({"public", "government"})
START = at("2026-11-02 09:00")


class Dealt(NamedTuple):
    """One ledger record, and what it says a target must show."""

    raw: InputRecord
    record: str
    version: int
    digest: str | None


@cache
def chains() -> tuple[tuple[Dealt, ...], ...]:
    """Per licence: accepted, corrected twice, withdrawn, in the ledger's order."""
    hub = HubTestDriver(rows.basis(partitions=1), now=START)
    for content in range(3):
        for number in range(RECORDS):
            row = rows.licence_row(
                XK_XDR_SHXYM=COMPANY, XK_WSH=f"舟市监许〔2026〕{number}号", XK_NR=f"内容{content}"
            )
            department = rows.DEPARTMENT if number % 2 else rows.OTHER_DEPARTMENT
            kind, value = LICENCE, framed(LICENCE, row)
            if content:
                kind = "record.corrected.v1"
                value = framed(kind, {"subject_kind": LICENCE, "row": value, "reason": "更正"})
            hub.pipe(department, kind, COMPANY, value)
            hub.run()
    for number in range(RECORDS):
        department = rows.DEPARTMENT if number % 2 else rows.OTHER_DEPARTMENT
        kind = "record.withdrawn.v1"
        told = {
            "subject_kind": LICENCE, "document_number": f"舟市监许〔2026〕{number}号",
            "subject_name": rows.licence_row()["XK_XDR_MC"], "credit_code": COMPANY,
            "authority_code": AUTHORITY, "reason": "许可被撤销",
        }  # fmt: skip
        hub.pipe(department, kind, COMPANY, framed(kind, told))
        hub.run()
    dealt: dict[str, list[Dealt]] = {}
    for raw in hub.raw_ledger(0):
        record = decode_record(raw.value)
        if (record.publish_targets | record.withdraw_targets) & 1:
            digest = _digest(record) if record.publish_targets & 1 else None
            key = record.record_key.hex()
            dealt.setdefault(key, []).append(Dealt(raw, key, record.version, digest))
    assert len(dealt) == RECORDS
    assert all(len(chain) == 4 for chain in dealt.values())
    return tuple(tuple(chain) for chain in dealt.values())


def _digest(record: LedgerRecord) -> str:
    decoded = rows.CONTRACTS.decode_framed(row_of(record, rows.CONTRACTS))
    assert not isinstance(decoded, Fault)
    contract, row = decoded
    canonical = contract.check(row, dt.date.max).canonical
    return digest_of(project(contract, canonical, CLEARANCE))
