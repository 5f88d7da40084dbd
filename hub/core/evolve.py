"""How a ledger record changes the registrar's state: the same code after commit and on restore.

Reads nothing but the record's bytes, so state is a fold of the ledger and can be rebuilt from it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from hub.core import keys
from hub.core.keys import SweepCursor
from hub.core.moves import ARRIVED, MoveVerdict
from hub.core.numbers import FACT as FREED
from hub.core.progress import FACT as PERFORMANCE
from hub.core.record import (
    BASIS_AT,
    CAUSE_KIND_AT,
    CAUSE_OFFSET_AT,
    DIGEST_AT,
    MARKS_AT,
    NO_KEY,
    OUTCOME_AT,
    RECORD_KEY_AT,
    SEQUENCE_AT,
    STATE_AT,
    SUBMISSION_KEY_AT,
    TIMER_WAS_AT,
    TOPIC_AT,
    Outcome,
    decode_record,
    topic_id,
)
from hub.core.resend import WALK_TOPIC, Walk
from hub.core.state import NEVER, TIMER_AT, RecordFlag, state_end
from hub.core.waiting import FACT as WAITING
from hub.core.waiting import pack_kept

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from hub.core.record import LedgerRecord

    Changes = MutableMapping[bytes, bytes | None]

_TIMER_AT: Final = STATE_AT + TIMER_AT
_HAS_STATE_AT: Final = STATE_AT - 1
_INPUT_CAUSES: Final = frozenset(b"SCO")
_NEVER: Final = NEVER.to_bytes(8)


def evolve(raw: bytes, changes: Changes) -> None:
    """Add to `changes` what one packed ledger record changes; None deletes a key."""
    if raw[CAUSE_KIND_AT] in _INPUT_CAUSES:
        place = keys.position(raw[TOPIC_AT : TOPIC_AT + 8])
        changes[place] = raw[CAUSE_OFFSET_AT : CAUSE_OFFSET_AT + 8]
    submission_key = raw[SUBMISSION_KEY_AT : SUBMISSION_KEY_AT + 16]
    if submission_key != NO_KEY:
        changes[keys.receipt(submission_key)] = (  # the bytes of a `Receipt`
            raw[SEQUENCE_AT : SEQUENCE_AT + 8]
            + raw[OUTCOME_AT : OUTCOME_AT + 1]
            + raw[BASIS_AT : BASIS_AT + 16]
            + raw[DIGEST_AT : DIGEST_AT + 8]
        )
    if raw[_HAS_STATE_AT]:
        _put_state(raw, changes)
    if raw[MARKS_AT]:
        _put_consequences(decode_record(raw), changes)


def _put_state(raw: bytes, changes: Changes) -> None:
    record_key = raw[RECORD_KEY_AT : RECORD_KEY_AT + 16]
    changes[keys.record(record_key)] = raw[STATE_AT : state_end(raw, STATE_AT)]
    timer_was = raw[TIMER_WAS_AT : TIMER_WAS_AT + 8]
    timer_at = raw[_TIMER_AT : _TIMER_AT + 8]
    if timer_at != timer_was:
        if timer_was != _NEVER:
            changes[keys.timer(timer_was, record_key)] = None
        if timer_at != _NEVER:
            changes[keys.timer(timer_at, record_key)] = b""


def _put_consequences(record: LedgerRecord, changes: Changes) -> None:
    """Return the changes from a ledger record's facts beyond its record and its receipt."""
    facts = dict(record.facts)
    if PERFORMANCE in facts:
        changes[keys.performance(record.record_key)] = facts[PERFORMANCE].encode()
    if record.outcome is Outcome.BASIS_ADOPTED:
        _adopt(record, facts, changes)
    elif record.outcome in (Outcome.RESEND_REQUESTED, Outcome.REDECISION_REQUESTED):
        _begin_walk(record, facts, changes)
    elif record.outcome is Outcome.INPUT_LOST:
        position = keys.position(topic_id(facts["lost"]))
        changes[position] = (int(facts["lost_until"]) - 1).to_bytes(8)
    elif "swept" in facts:
        cursor = SweepCursor(record.basis, record.cause.offset + 1, record.record_key)
        changes[keys.SWEEP] = cursor.pack()
    elif "ends_sweep" in facts:
        changes[keys.SWEEP] = changes[keys.FREED] = None
    elif "walked" in facts:
        _walk_on(record, changes)
    elif "lifted" in facts:
        changes[keys.answered(record.record_key)] = None
    if WAITING in facts:
        _put_waiting(record, facts, changes)
    if "unshown" in facts:
        changes[keys.unshown(record.record_key)] = record.row
    if "twin" in facts:
        _put_twins(record, facts, changes)
    _put_owner(record, facts, changes)
    _put_move(record, facts, changes)


def _put_owner(record: LedgerRecord, facts: dict[str, str], changes: Changes) -> None:
    """The first record of a partition names its slot, and a map change the next one."""
    owner = facts["owner"] if record.outcome is Outcome.MAP_CHANGED else facts.get("slot")
    if owner is not None:
        changes[keys.OWNER] = owner.encode()


def _adopt(record: LedgerRecord, facts: dict[str, str], changes: Changes) -> None:
    document = json.loads(record.cause.value)["basis"]
    text = json.dumps(document, ensure_ascii=False)
    changes[keys.document(record.basis)] = text.encode()
    changes[keys.BASIS] = record.basis
    if FREED in facts:
        changes[keys.FREED] = int(facts[FREED]).to_bytes(8)
    if "recount" in facts or FREED in facts:
        changes[keys.SWEEP] = SweepCursor(record.basis, 0, NO_KEY).pack()
    _begin_walk(record, facts, changes)


def _begin_walk(record: LedgerRecord, facts: dict[str, str], changes: Changes) -> None:
    walk = Walk.from_facts(facts)
    if walk is not None:
        changes[keys.walk(record.sequence.to_bytes(8))] = walk.pack()


def _walk_on(record: LedgerRecord, changes: Changes) -> None:
    """Note that a resend has visited everything up to here; at its own request it ends."""
    request = bytes.fromhex(record.cause.topic.removeprefix(WALK_TOPIC))
    if record.cause.offset < int.from_bytes(request):
        changes[keys.WALKED_TO + request] = (record.cause.offset + 1).to_bytes(8)
    else:
        changes[keys.walk(request)] = changes[keys.WALKED_TO + request] = None


def _put_waiting(record: LedgerRecord, facts: dict[str, str], changes: Changes) -> None:
    """A statement waits from now on, or has been decided."""
    changes[keys.waiting_of(record.department)] = int(facts[WAITING]).to_bytes(8)
    if "waited" in facts:
        changes[keys.waiting(record.record_key, int(facts["waited"]))] = None
        state = record.state
        if state is not None and not state.flags & RecordFlag.UNSHOWN:
            changes[keys.unshown(record.record_key)] = None
    else:
        kept = pack_kept(record.department, record.decided_at, record.cause)
        changes[keys.waiting(record.record_key, record.sequence)] = kept


def _put_twins(record: LedgerRecord, facts: dict[str, str], changes: Changes) -> None:
    """Quarantined records of one identity under other keys; those that were answered."""
    twin_keys = bytes.fromhex(facts["twin"])
    for at in range(0, len(twin_keys), 16):
        changes[keys.twin(twin_keys[at : at + 16])] = bytes.fromhex(facts["twins"]) or None
    answers = bytes.fromhex(facts.get("answers", ""))
    for at in range(0, len(answers), 16):
        changes[keys.answered(answers[at : at + 16])] = record.sequence.to_bytes(8)


def _put_move(record: LedgerRecord, facts: dict[str, str], changes: Changes) -> None:
    if record.move is None:
        return
    verdict = MoveVerdict.from_facts(facts)
    if "left_for" in facts:
        changes[keys.left_for(record.record_key)] = bytes.fromhex(facts["left_for"])
    if verdict is not None:
        changes[keys.verdict(record.move.move_id)] = verdict.pack()
        letter = _BECAME.get(record.outcome) if "sent_to" not in facts else None
    else:
        letter = record.move.verdict
    if letter is not None:
        arrives_at = record.record_key + letter.encode() if letter else None
        changes[keys.arrival(record.move.move_id)] = arrives_at


_BECAME: Final = {Outcome.HELD_RELEASED: ARRIVED, Outcome.HELD_ENDED: ""}
"""Settle an arrival that waited; a refused one leaves its move to another."""
