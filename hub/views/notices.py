"""Notices to the case agents, made of the bytes of one ledger record alone.

A notice describes a record: its number and dates where an agent needs them, the clocks that
run. It never holds what a row says about its subject beyond that, and nothing of a row that was
refused. Ids are the ledger's own coordinates, so a repetition carries the id of the first.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.contracts.schema import FieldRole, Hint, IdentityPart
from hub.core.keys import Head
from hub.core.progress import FACT as PERFORMANCE
from hub.core.progress import Progress
from hub.core.record import PRIMARY, Outcome
from hub.core.state import ClockFlag, ClockKind, Status
from hub.domain import kinds
from hub.domain.credit_code import normalise_credit_code
from hub.domain.dates import read_date, read_valid_to
from hub.views.entry import stated_row, tidy, tidy_octets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hub.contracts import Contract, Contracts, Row
    from hub.core.record import LedgerRecord
    from hub.core.state import Clock

STANDS: Final = PRIMARY | {
    Outcome.HELD_RELEASED, Outcome.HELD_ENDED, Outcome.EXPIRED, Outcome.RECOUNTED,
    Outcome.REPROJECTED, Outcome.DUTY_LIFTED,
}  # fmt: skip
"""After these a record may be in another state; changes by a clock or a platform are in
clock events alone."""
NAMED: Final = ("commitment.", "reminder.", "court_enforcement.exit_missing.")
"""Kinds whose number, names and dates agents need; of all others they need the clocks."""
_CLOCKS: Final = {
    ClockKind.DISCLOSE: "disclose",
    ClockKind.WITHDRAW: "withdraw",
    ClockKind.EXPIRE: "expire",
    ClockKind.WAIT: "wait",
}
_MADE_LIVE: Final = frozenset({Outcome.ACCEPTED, Outcome.CORRECTED, Outcome.HELD_RELEASED})
"""After these the row of the ledger record is the record's live version."""


PERFORMED_IN_PART: Final = "part"
_PERFORMED: Final = {1: "none", 2: PERFORMED_IN_PART, 3: "all"}


class RunningClock(NamedTuple):
    """A legal clock that still waits: `phase` is "", `due_soon` or `overdue`."""

    target: str
    clock: str
    due_at: int
    phase: str


class Notice(NamedTuple):
    """One notice; times are business milliseconds, dates ISO texts or empty."""

    partition: int
    sequence: int
    number: int
    """Of the notice among those of its ledger record."""
    event: str
    """The ledger's outcome (`accepted`, `withdrawn`, …), or what a clock said (`overdue`, …)."""
    at: int
    record: str
    """The record's key, hexadecimal."""
    subject: str
    """The ledger's key: the credit code, or `?` and the department."""
    kind: str
    department: str
    status: str
    version: int
    clocks: tuple[RunningClock, ...]
    document: str = ""
    """Number of the commitment; of an agent's own fact, its id."""
    name: str = ""
    authority: str = ""
    decided_on: str = ""
    due_on: str = ""
    """Last day of a commitment."""
    performed: str = ""
    """How far the row puts a commitment as performed: `none`, `part` or `all`; else empty."""
    target: str = ""
    """Of a clock event: where, which clock, and when it is due."""
    clock: str = ""
    due_at: int = 0

    @property
    def id(self) -> str:
        """`<partition>-<sequence>-<n>`: for ever the same for the same ledger record."""
        return f"{self.partition}-{self.sequence}-{self.number}"


class Mark(NamedTuple):
    """All notices of a ledger partition up to this business time have been written."""

    partition: int
    read_at: int


def notices_of(
    partition: int, record: LedgerRecord, contracts: Contracts, targets: Mapping[int, str]
) -> tuple[Notice, ...]:
    """The notices of one ledger record; `targets` has the name of each target number."""
    state = record.state
    if state is None:
        return ()
    names = {n: targets.get(n, str(n)) for n in {c.target for c in state.clocks}}
    stands = Notice(
        partition,
        record.sequence,
        0,
        record.outcome.name.lower(),
        record.decided_at,
        record.record_key.hex(),
        tidy_octets(state.subject_key),
        tidy(state.kind),
        state.department,
        state.status.name.lower(),
        state.version,
        tuple(_running(c, names[c.target]) for c in state.clocks if _is_legal(c)),
    )
    told = []
    if record.outcome in STANDS:
        if record.outcome in _MADE_LIVE and state.status is Status.LIVE and _is_named(state.kind):
            stands = _named(stands, record, contracts)
            progress = dict(record.facts).get(PERFORMANCE)
            if progress is not None:
                rank = Progress.from_text(progress).rank
                stands = stands._replace(performed=_PERFORMED.get(rank, ""))
        told.append(stands)
    due = {(clock.target, str(clock.kind)): clock.due_at for clock in state.clocks}
    told += [
        stands._replace(
            event=event.event,
            target=targets.get(event.target, str(event.target)),
            clock=_CLOCKS[ClockKind(event.clock)],
            due_at=due.get((event.target, event.clock), 0),
        )
        for event in record.events
    ]
    return tuple(notice._replace(number=number) for number, notice in enumerate(told))


def encode_notice(notice: Notice) -> bytes:
    """A notice as JSON; what is empty is left out."""
    content: dict[str, object] = {
        name: value
        for name, value in zip(notice._fields, notice, strict=True)
        if value != "" and name not in {"partition", "sequence", "number", "clocks", "due_at"}
    }
    content["id"] = notice.id
    content["clocks"] = [
        {k: v for k, v in zip(clock._fields, clock, strict=True) if v != ""}
        for clock in notice.clocks
    ]
    if notice.target:
        content["due_at"] = notice.due_at
    return json.dumps(content, ensure_ascii=False, sort_keys=True).encode()


def encode_mark(mark: Mark) -> bytes:
    """A mark as JSON."""
    return json.dumps(mark._asdict(), sort_keys=True).encode()


def decode_notice(value: bytes) -> Notice | Mark:
    """Read a notice or a mark. Raises `ValueError` or `KeyError` on bytes that are neither."""
    content = json.loads(value)
    if "read_at" in content:
        return Mark(int(content["partition"]), int(content["read_at"]))
    partition, sequence, number = map(int, content.pop("id").split("-"))
    clocks = tuple(
        RunningClock(each["target"], each["clock"], each["due_at"], each.get("phase", ""))
        for each in content.pop("clocks")
    )
    known = {name: content[name] for name in content.keys() & set(Notice._fields)}
    return Notice(partition, sequence, number, clocks=clocks, **known)


def moment_of(value: bytes) -> int:
    """The business time a notice or a mark was written at; 0 for bytes that are neither."""
    try:
        told = decode_notice(value)
    except (ValueError, KeyError, TypeError):
        return 0
    return told.read_at if isinstance(told, Mark) else told.at


def headers_of(notice: Notice | Mark, seen: Head) -> tuple[tuple[str, bytes], ...]:
    """The headers it travels with; `seen` is what its writer goes on from in the ledger."""
    if isinstance(notice, Mark):
        kind, name, at = kinds.LEDGER_READ, f"{notice.partition}-read-{notice.read_at}", notice[1]
    else:
        again = f"-e{seen.epoch}" if seen.epoch else ""  # in the place of one that was lost
        kind, name, at = kinds.NOTICE_GIVEN, notice.id + again, notice.at
    moment = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
    return (
        ("ce_specversion", b"1.0"),
        ("ce_type", kind.encode()),
        ("ce_source", b"notices"),
        ("ce_id", name.encode()),
        ("ce_time", moment.encode()),
        (SEEN, seen.pack().hex().encode()),
    )


SEEN: Final = "hub_seen"
"""Header: the ledger's head to go on from once this notice is written, packed, hex."""


def seen_in(headers: Iterable[tuple[str, bytes]]) -> Head:
    """The head that a notice was written at. Raises `KeyError`, `ValueError`, `struct.error`."""
    return Head.unpack(bytes.fromhex(dict(headers)[SEEN].decode()))


def _is_named(kind: str) -> bool:
    return kind.startswith(NAMED)


def _is_legal(clock: Clock) -> bool:
    """Whether a duty still waits; an end of publication is not a duty."""
    return clock.is_running and clock.kind in (ClockKind.DISCLOSE, ClockKind.WITHDRAW)


def _running(clock: Clock, target: str) -> RunningClock:
    phase = ""
    if clock.flags & ClockFlag.OVERDUE_WRITTEN:
        phase = "overdue"
    elif clock.said:
        phase = "due_soon"
    return RunningClock(target, _CLOCKS[clock.kind], clock.due_at, phase)


def _named(notice: Notice, record: LedgerRecord, contracts: Contracts) -> Notice:
    """Add number, names and dates of the ledger record's row, if it is a row."""
    stated = stated_row(record, contracts)
    if stated is None or not stated[0].is_row:
        return notice
    contract, row = stated
    return notice._replace(
        document=_identity(contract, row, IdentityPart.DOCUMENT_NUMBER),
        name=_identity(contract, row, IdentityPart.SUBJECT_NAME),
        authority=normalise_credit_code(_identity(contract, row, IdentityPart.AUTHORITY_CODE)),
        decided_on=_date(contract, row, FieldRole.DECIDED_ON),
        due_on=_date(contract, row, FieldRole.VALID_TO),
    )


def _identity(contract: Contract, row: Row, identity: IdentityPart) -> str:
    for field in contract.schema.fields:
        if field.identity is identity:
            return tidy(str(row.get(field.name, "")).strip())
    return ""


def _date(contract: Contract, row: Row, role: FieldRole) -> str:
    """A date of the row as ISO text, or empty."""
    for field in contract.schema.fields:
        if field.role is role:
            text = str(row.get(field.name, ""))
            on: date | None = (read_valid_to if field.hint is Hint.DATE_TO else read_date)(text).on
            return on.isoformat() if on is not None else ""
    return ""
