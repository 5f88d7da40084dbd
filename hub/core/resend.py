"""What a walk over the ledger is for, and what it says of one record.

A walk is begun by a request (`hub resend`) or by an adopted basis under which a target shows other
kinds than before. It looks at every record once, where the ledger holds what must be sent: at the
record that made its live version, or at the one that took it down. What is found there (the framed
row, or the framed withdrawal) is a *fact* of the decision, so it stands in the new ledger record:
couriers need no second look, and a replay needs no other record than the one it replays.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.contracts import Fault
from hub.core import duties
from hub.core.prepare import read_again
from hub.core.record import (
    NO_KEY,
    OUTCOME_AT,
    RECORD_KEY_AT,
    SEQUENCE_AT,
    STATE_AT,
    VERSION_AT,
    ClockEvent,
    Outcome,
    Reason,
    decode_record,
)
from hub.core.state import (
    DECIDED_ON_AT,
    LIVE_AT,
    STATUS_AT,
    RecordState,
    Status,
)
from hub.core.state import VERSION_AT as STATE_VERSION_AT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.contracts import Contracts
    from hub.core.basis import Basis
    from hub.core.causes import Submission, WalkVisit
    from hub.core.record import LedgerRecord

WALK_TOPIC: Final = "walk:"
"""A step's cause: this and the sequence of the request, sixteen hexadecimal digits."""
ALL_DAYS: Final = (0, (1 << 32) - 1)
_WALK: Final = struct.Struct(">QBII")
_GONE: Final = frozenset({Status.WITHDRAWN, Status.MOVED})
_GONE_LETTERS: Final = frozenset(b"WM")
_TAKES_DOWN: Final = frozenset({ord(Outcome.WITHDRAWN.value), ord(Outcome.HELD_RELEASED.value)})
_UNSEEN: Final = frozenset({Status.QUARANTINED, Status.HELD})


class Walk(NamedTuple):
    """What a walk is for; `decided_from` and `decided_to` are proleptic ordinals, inclusive."""

    targets: int
    """Bit per target that is brought in line."""
    is_resend: bool
    """Whether what has not changed is named again, too."""
    decided_from: int
    decided_to: int
    document_key: str
    """Normalised document number, empty for all."""

    @classmethod
    def in_line(cls, targets: int) -> Walk:
        """Brings targets in line with what they shall show now."""
        return cls(targets, False, *ALL_DAYS, "")  # noqa: FBT003 - fields in their order

    @classmethod
    def again(cls, targets: int, days: tuple[int, int], document_key: str) -> Walk:
        """Names what has not changed again, too: what was decided in these days, or one number."""
        return cls(targets, True, *days, document_key)  # noqa: FBT003 - fields in their order

    def pack(self) -> bytes:
        """The stored bytes."""
        fixed = _WALK.pack(self.targets, self.is_resend, self.decided_from, self.decided_to)
        return fixed + self.document_key.encode()

    @classmethod
    def unpack(cls, stored: bytes) -> Walk:
        """Read what `pack` wrote."""
        targets, is_resend, begin, end = _WALK.unpack_from(stored)
        return cls(targets, bool(is_resend), begin, end, stored[_WALK.size :].decode())

    def as_facts(self) -> tuple[tuple[str, str], ...]:
        """As a ledger record says it."""
        facts = [("targets", str(self.targets))]
        if self.is_resend:
            facts.append(("resend", "1"))
        if (self.decided_from, self.decided_to) != ALL_DAYS:
            facts += [("from", str(self.decided_from)), ("to", str(self.decided_to))]
        if self.document_key:
            facts.append(("document", self.document_key))
        return tuple(facts)

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Walk | None:
        """What a ledger record asks for; None when it begins no walk."""
        if "targets" not in facts:
            return None
        return cls(
            int(facts["targets"]),
            facts.get("resend") == "1",
            int(facts.get("from", ALL_DAYS[0])),
            int(facts.get("to", ALL_DAYS[1])),
            facts.get("document", ""),
        )


class Reprojected(NamedTuple):
    """What a walk says of one record."""

    outcome: Outcome
    state: RecordState | None
    version: int = 0
    publish: int = 0
    withdraw: int = 0
    reasons: tuple[Reason, ...] = ()
    events: tuple[ClockEvent, ...] = ()


# --- where a record is looked at ---


def record_in(raw: bytes) -> bytes | None:
    """The key of the record a packed ledger record changed; None when it changed none."""
    key = raw[RECORD_KEY_AT : RECORD_KEY_AT + 16]
    return key if raw[STATE_AT - 1] and key != NO_KEY else None


def is_place(raw: bytes, state: bytes, walk: Walk) -> bool:
    """Whether its record is looked at in this ledger record; `state` is as stored.

    Each record has one place: where its version came from, or where it was taken down. What is
    decided after the request lies behind the walk, and was named as today's basis says already.
    """
    decided_on = int.from_bytes(state[DECIDED_ON_AT : DECIDED_ON_AT + 4])
    if not walk.decided_from <= decided_on <= walk.decided_to:
        return False
    if state[STATUS_AT] in _GONE_LETTERS:
        return (
            raw[OUTCOME_AT] in _TAKES_DOWN
            and raw[VERSION_AT : VERSION_AT + 4] == state[STATE_VERSION_AT : STATE_VERSION_AT + 4]
        )
    return raw[SEQUENCE_AT : SEQUENCE_AT + 8] == state[LIVE_AT : LIVE_AT + 8]


def found_in(raw: bytes, contracts: Contracts) -> bytes:
    """What there is to send: the framed row, or the framed reason of a withdrawal, or nothing."""
    record = decode_record(raw)
    if record.outcome is Outcome.WITHDRAWN:
        return record.cause.value
    if record.outcome is Outcome.HELD_RELEASED and record.row:
        return record.row
    if record.state is None or record.state.status is not Status.LIVE:
        return b""
    return row_of(record, contracts)


def row_of(record: LedgerRecord, contracts: Contracts) -> bytes:
    """The framed row a ledger record publishes: its own, its cause's, or inside its cause."""
    if record.row:
        return record.row
    decoded = contracts.decode_framed(record.cause.value)
    if isinstance(decoded, Fault) or decoded[0].is_row:
        return record.cause.value
    inner = decoded[1]["row"]
    return inner if isinstance(inner, bytes) else inner.encode()


# --- what is said of it ---


def reproject(
    visit: WalkVisit, walk: Walk, old: RecordState, now: int, basis: Basis
) -> Reprojected | None:
    """Bring the walk's targets in line with what they shall show now; None: nothing to say.

    A target that shall show the record and does not is named, with its clock if the decision is
    not older than the target's *clock from* date. One that shows it and shall not withdraws it.
    A resend also names what has not changed again: same version, no clock touched.
    """
    if not walk.decided_from <= old.decided_on <= walk.decided_to:
        return None
    again = read_again(visit.cause, visit.row, old.department, old.kind, now, basis)
    again.decided_on = old.decided_on
    if again.checked is not None and again.row and again.content != old.content:
        is_row = again.checked.schema.subject not in ("record", "row")
        if is_row:
            again.warn("CONTENT_READS_OTHERWISE", "row")
    number = again.checked.document_key if again.checked is not None else ""
    if walk.document_key and walk.document_key != number:
        return None
    if again.has_errors:
        return Reprojected(Outcome.REPROJECTED, None, reasons=again.reasons)
    shall, why = basis.targets_for(again, now) if old.status is Status.LIVE else (0, ())
    shall &= walk.targets
    shown = old.publish & walk.targets
    publish, withdraw = shall & ~shown, shown & ~shall
    reasons = again.reasons + why
    if publish | withdraw:
        return _changed(again, old, publish, withdraw, now, basis)._replace(reasons=reasons)
    if walk.is_resend:
        return _named_again(old, shall, old.named & walk.targets & ~shall, reasons)
    return _without_clocks(old, walk.targets & ~basis.targets_of_kind(old.kind))


def _changed(
    again: Submission, old: RecordState, publish: int, withdraw: int, now: int, basis: Basis
) -> Reprojected:
    """Named for the first time, anew, or for withdrawal.

    What a target was named for before must be older there: then it is another version.
    """
    version, since, revised = old.version, old.since, old.revised
    if withdraw | publish & old.named:
        version, since = old.version + 1, now
        revised = duties.revisions(old, version, now, basis)
    fresh = duties.of_naming(old, old.kind, publish, old.decided_on, version, now, basis)
    fresh += duties.expiry(basis, again, publish)
    due = duties.of_narrowed(old, publish, withdraw, fresh, now, basis)
    state = old._replace(
        version=version,
        since=since,
        revised=revised,
        named=old.named | publish,
        publish=(old.publish | publish) & ~withdraw,
        clocks=due.clocks,
        stages=duties.named_stages(old, publish, withdraw, version),
    )
    return Reprojected(Outcome.REPROJECTED, state, version, publish, withdraw, events=due.events)


def _named_again(
    old: RecordState, publish: int, withdraw: int, reasons: tuple[Reason, ...]
) -> Reprojected | None:
    """The same once more, under the version the target was named for last; nothing changes."""
    stage = next((s for s in old.stages if (publish | withdraw) >> s.target & 1), None)
    if stage is None:
        return None
    return Reprojected(Outcome.RESENT, old, stage.version, publish, withdraw, reasons)


def _without_clocks(old: RecordState, gone: int) -> Reprojected | None:
    """A row nobody may see owes nothing at a target that does not show its kind any more."""
    if old.status not in _UNSEEN:
        return None
    due = duties.lifted_at(old, gone)
    if not due.events:
        return None
    return Reprojected(Outcome.REPROJECTED, old._replace(clocks=due.clocks), events=due.events)
