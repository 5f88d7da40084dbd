"""How a ledger record changes the registrar's state: the same code after commit and on restore.

Reads nothing but the record's bytes, so state is a fold of the ledger and can be rebuilt from it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from hub.core import keys
from hub.core.keys import MoveNote, SweepCursor
from hub.core.progress import FACT
from hub.core.record import NO_KEY, PREFIX, decode_record
from hub.core.resend import WALK_TOPIC, Walk
from hub.core.state import LIVE_OFFSET, NEVER, TIMER_OFFSET, RecordFlag, flags_of, state_end

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from hub.core.record import LedgerRecord

_STATE_AT: Final = PREFIX.size + 1
"""Where the packed state begins, behind the byte that says whether there is one."""
_LIVE_AT: Final = _STATE_AT + LIVE_OFFSET
_INPUT_CAUSES: Final = frozenset(b"SCO")
_RARE_OUTCOMES: Final = frozenset(b"hRBLZmGYykz")
_NEVER: Final = NEVER.to_bytes(8)

# Fixed fields by offset, see `PREFIX`: the hottest reader of the ledger takes slices, and literal
# ones, which need no object: sequence 0:8, cause_kind 48, cause_topic 49:57, cause_offset 57:65,
# outcome 65:66, record_key 82:98, basis 98:114, submission_key 126:142, timer_was 142:150,
# provisional_was 150. A test holds them against `PREFIX`.


def evolve(raw: bytes, changes: MutableMapping[bytes, bytes | None]) -> None:
    """Add to `changes` what one packed ledger record changes; None deletes a key."""
    outcome = raw[65:66]
    if raw[48] in _INPUT_CAUSES:
        changes[b"q" + raw[49:57]] = raw[57:65]
    submission_key = raw[126:142]
    if submission_key != NO_KEY:
        # the bytes of a `Receipt`
        changes[b"s" + submission_key] = raw[0:8] + outcome + raw[98:114]
    if raw[_STATE_AT - 1]:
        _put_state(raw, changes)
    if outcome[0] in _RARE_OUTCOMES:
        _evolve_rare(raw, changes)


def _put_state(raw: bytes, changes: MutableMapping[bytes, bytes | None]) -> None:
    record_key = raw[82:98]
    changes[b"r" + record_key] = raw[_STATE_AT : state_end(raw, _STATE_AT)]
    timer_was = raw[142:150]
    timer_at = raw[_STATE_AT + TIMER_OFFSET : _STATE_AT + TIMER_OFFSET + 8]
    if timer_at != timer_was:
        if timer_was != _NEVER:
            changes[b"t" + timer_was + record_key] = None
        if timer_at != _NEVER:
            changes[b"t" + timer_at + record_key] = b""
    flags = flags_of(raw, _STATE_AT)
    if flags & RecordFlag.PERFORMANCE and raw[0:8] == raw[_LIVE_AT : _LIVE_AT + 8]:
        facts = dict(decode_record(raw).facts)
        changes[b"d" + record_key] = facts[FACT].encode()
    if flags & RecordFlag.PROVISIONAL:
        changes[b"p" + record_key] = b""
    elif raw[150]:
        changes[b"p" + record_key] = None


def _evolve_rare(raw: bytes, changes: MutableMapping[bytes, bytes | None]) -> None:
    """Held rows, moves, a new basis, the progress of a sweep or walk."""
    record = decode_record(raw)
    match record.outcome:
        case "h":
            waits_for = record.move.move_id if record.move is not None else NO_KEY
            changes[b"h" + record.record_key] = waits_for + record.row
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
        case "y" | "k" | "z":
            _walk_on(record, changes)
    walk = Walk.from_facts(dict(record.facts)) if record.outcome in ("Y", "B") else None
    if walk is not None:
        changes[keys.WALKS + raw[0:8]] = walk.pack()
    if record.move is not None:
        met = int(dict(record.facts).get("met", "0"))
        note = MoveNote(record.move.verdict, record.record_key, met)
        changes[b"m" + record.move.move_id] = note.pack()


def _walk_on(record: LedgerRecord, changes: MutableMapping[bytes, bytes | None]) -> None:
    """A walk has looked at everything up to here; at its own request it ends."""
    request = bytes.fromhex(record.cause.topic.removeprefix(WALK_TOPIC))
    if record.cause.offset < int.from_bytes(request):
        changes[keys.WALKED_TO + request] = (record.cause.offset + 1).to_bytes(8)
    else:
        changes[keys.WALKS + request] = changes[keys.WALKED_TO + request] = None
