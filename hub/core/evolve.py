"""How a ledger record changes the registrar's state: the same code after commit and on restore.

Reads nothing but the record's bytes, so state is a fold of the ledger and can be rebuilt from it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from hub.core import keys
from hub.core.keys import MoveNote, SweepCursor, pack_receipt, timer_key
from hub.core.record import NO_KEY, PREFIX, decode_record
from hub.core.state import NEVER, RecordFlag, flags_of, state_end, timer_of

if TYPE_CHECKING:
    from collections.abc import MutableMapping

_STATE_AT: Final = PREFIX.size
_INPUT_CAUSES: Final = frozenset(b"SCO")
_RARE_OUTCOMES: Final = frozenset(b"hRBLZmG")


def evolve(raw: bytes, changes: MutableMapping[bytes, bytes | None]) -> None:
    """Add to `changes` what one packed ledger record changes; None deletes a key."""
    (
        sequence, _previous, _decided_at, cause_kind, cause_topic, cause_offset, outcome,
        _publish, _withdraw, record_key, basis, _version, _refers_to, submission_key, timer_was,
        provisional_was,
    ) = PREFIX.unpack_from(raw)  # fmt: skip
    if cause_kind[0] in _INPUT_CAUSES:
        changes[b"q" + cause_topic] = cause_offset.to_bytes(8)
    if submission_key != NO_KEY:
        changes[b"s" + submission_key] = pack_receipt(sequence, outcome, basis)
    if raw[_STATE_AT]:
        _put_state(raw, record_key, timer_was, provisional_was, changes)
    if outcome[0] in _RARE_OUTCOMES:
        _evolve_rare(raw, changes)


def _put_state(
    raw: bytes,
    record_key: bytes,
    timer_was: int,
    provisional_was: int,
    changes: MutableMapping[bytes, bytes | None],
) -> None:
    begin = _STATE_AT + 1
    changes[b"r" + record_key] = raw[begin : state_end(raw, begin)]
    timer_at = timer_of(raw, begin)
    if timer_at != timer_was:
        if timer_was != NEVER:
            changes[timer_key(timer_was, record_key)] = None
        if timer_at != NEVER:
            changes[timer_key(timer_at, record_key)] = b""
    provisional = flags_of(raw, begin) & RecordFlag.PROVISIONAL
    if provisional:
        changes[b"p" + record_key] = b""
    elif provisional_was:
        changes[b"p" + record_key] = None


def _evolve_rare(raw: bytes, changes: MutableMapping[bytes, bytes | None]) -> None:
    """Held rows, moves, a new basis, the progress of a sweep."""
    record = decode_record(raw)
    match record.outcome:
        case "h":
            changes[b"h" + record.record_key] = record.row
        case "R":
            changes[b"h" + record.record_key] = None
        case "B":
            document = json.loads(record.cause.value)["basis"]
            changes[b"B" + record.basis] = json.dumps(document, ensure_ascii=False).encode()
            changes[keys.BASIS] = record.basis
            changes[keys.SWEEP] = SweepCursor(record.basis, 0, NO_KEY).pack()
        case "L" if record.cause.kind == "W":
            cursor = SweepCursor(record.basis, record.cause.offset + 1, record.record_key)
            changes[keys.SWEEP] = cursor.pack()
        case "Z":
            changes[keys.SWEEP] = None
        case "G":
            changes[keys.OWNER] = dict(record.facts)["owner"].encode()
    if record.move is not None:
        met = int(dict(record.facts).get("met", "0"))
        note = MoveNote(record.move.verdict, record.record_key, met)
        changes[b"m" + record.move.move_id] = note.pack()
