"""The ledger record: one cause, one outcome, all its consequences, chained by hash.

Layout: fixed-size fields first (`PREFIX`), so that a `struct` reads them at fixed offsets, then
the new state of the record that was touched, then the cause as `decide` saw it. The whole is one
Avro record of schema `ledger.record.v1.avsc`; any Avro reader reads it.
"""

from __future__ import annotations

import struct
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple

from hub.core.state import RecordState, decode_state, encode_state, state_end
from hub.core.wire import (
    decode_bytes,
    decode_long,
    decode_text,
    encode_bytes,
    encode_long,
    encode_name,
    encode_text,
)

# sequence, previous_hash, decided_at, cause_kind, cause_topic, cause_offset, outcome,
# publish_targets, withdraw_targets, record_key, basis, version, refers_to, submission_key,
# timer_was, digest, marks
PREFIX: Final = struct.Struct(">Q32sQc8sQcQQ16s16sIQ16sQ8sB")
SEQUENCE_AT: Final = 0
HASH_AT: Final = 8
DECIDED_AT: Final = 40
CAUSE_KIND_AT: Final = 48
TOPIC_AT: Final = 49
CAUSE_OFFSET_AT: Final = 57
OUTCOME_AT: Final = 65
RECORD_KEY_AT: Final = 82
BASIS_AT: Final = 98
VERSION_AT: Final = 114
SUBMISSION_KEY_AT: Final = 126
TIMER_WAS_AT: Final = 142
DIGEST_AT: Final = 150
MARKS_AT: Final = 158
STATE_AT: Final = PREFIX.size + 1
"""Offsets of fields in a packed ledger record; a test holds them against `PREFIX`."""
HAS_CONSEQUENCES: Final = 1
"""Mark: facts of the record change more of the state than its record and receipt."""
NO_DIGEST: Final = bytes(8)
ZERO_HASH: Final = bytes(32)
NO_KEY: Final = bytes(16)
NO_SEQUENCE: Final = (1 << 64) - 1
"""Reference of a record that has none."""


class CauseKind(StrEnum):
    """Cause of a ledger record; one letter, as stored."""

    SUBMISSION = "S"
    CONTROL = "C"
    OUTCOME = "O"
    TIMER = "T"
    SWEEP = "W"


class Outcome(StrEnum):
    """The registrar's decision; one letter, as stored. The first eight are *primary*."""

    ACCEPTED = "a"
    CORRECTED = "c"
    WITHDRAWN = "w"
    DUPLICATE = "d"
    SUPERSEDED = "s"
    HELD = "h"
    CONFLICTING = "x"
    QUARANTINED = "q"
    BASIS_ADOPTED = "B"
    OUTCOME_NOTED = "P"
    DUE_SOON = "N"
    OVERDUE = "V"
    EXPIRED = "E"
    HELD_RELEASED = "R"
    """A statement that waited took effect."""
    HELD_ENDED = "u"
    """A statement that waited was refused, or waited too long."""
    DUTY_LIFTED = "l"
    """Duties of a quarantined row end: a good row answered it."""
    OVERDUE_TAKEN_BACK = "v"
    """A recount moved a due date that was written as missed behind today."""
    RECOUNTED = "L"
    SWEEP_ENDED = "Z"
    MOVE_NOTED = "m"
    MAP_CHANGED = "G"
    RESEND_REQUESTED = "Y"
    REDECISION_REQUESTED = "J"
    RESENT = "y"
    REPROJECTED = "k"
    WALKED = "z"
    LOSS_ACCEPTED = "A"
    """An operator declared missing ledger records lost."""
    INPUT_LOST = "K"
    """An operator declared that undecided inputs are gone from their topic."""
    CONTROL_REFUSED = "!"


PRIMARY: Final = frozenset(
    {
        Outcome.ACCEPTED, Outcome.CORRECTED, Outcome.WITHDRAWN, Outcome.DUPLICATE,
        Outcome.SUPERSEDED, Outcome.HELD, Outcome.CONFLICTING, Outcome.QUARANTINED,
    }
)  # fmt: skip
WITHOUT_EFFECT: Final = frozenset(
    {Outcome.QUARANTINED, Outcome.CONFLICTING, Outcome.SUPERSEDED, Outcome.HELD_ENDED}
)
"""After these the same submission may be decided once more."""


class Cause(NamedTuple):
    """The input: coordinates, key, headers and value as `decide` saw them.

    For timers and sweeps `topic` is `timer:` or `sweep:` + id, and `offset` the due time in
    business milliseconds or the ordinal within the sweep. A resend's visit is `walk:` +
    the sequence of its request, `offset` the sequence it looked at.
    """

    kind: CauseKind
    topic: str
    offset: int
    key: bytes
    headers: tuple[tuple[str, bytes], ...]
    value: bytes


class Reason(NamedTuple):
    """Why: a stable code of the reason catalogue, its field, its severity."""

    code: str
    field: str
    severity: str
    """`error` or `warning`."""


class ClockEvent(NamedTuple):
    """Something that happened to a clock: `due_soon_3`, `due_soon_1`, `overdue`, `expired`, ..."""

    target: int
    clock: str
    event: str


class Move(NamedTuple):
    """A record's way to another identity: what is known of the move with this id."""

    move_id: bytes
    verdict: str
    """`o` the old identity was left, `b` had been before, `x` could not be, `h` waits, `r` came."""


class LedgerRecord(NamedTuple):
    """One entry of the ledger; see the schema for the meaning and unit of each field."""

    sequence: int
    previous_hash: bytes
    decided_at: int
    cause: Cause
    outcome: Outcome
    publish_targets: int
    withdraw_targets: int
    record_key: bytes
    basis: bytes
    version: int
    refers_to: int
    submission_key: bytes
    timer_was: int
    digest: bytes
    """8 bytes of what was submitted, value and the headers that decide: `Submission.digest`."""
    marks: int
    state: RecordState | None
    move: Move | None
    department: str
    kind: str
    value_digest: bytes
    facts: tuple[tuple[str, str], ...]
    reasons: tuple[Reason, ...]
    events: tuple[ClockEvent, ...]
    row: bytes
    """The framed row to publish where the cause's value is not (or does not hold) it."""


@lru_cache(maxsize=10_000)
def topic_id(topic: str) -> bytes:
    """The eight bytes that represent a topic in the fixed part of a ledger record."""
    return sha256(topic.encode()).digest()[:8]


_CHANGING: Final = frozenset({"ce_id", "ce_time", "hub_position", "hub_source_version"})
"""Headers that differ from record to record; all others are worth keeping packed."""
_packed_headers: dict[tuple[str, bytes], bytes] = {}
_HEADER_MEMORY: Final = 10_000


def _pack_header(header: tuple[str, bytes]) -> bytes:
    name, value = header
    if name in _CHANGING:
        return encode_name(name) + encode_bytes(value)
    packed = _packed_headers.get(header)
    if packed is None:
        if len(_packed_headers) >= _HEADER_MEMORY:
            _packed_headers.clear()
        packed = _packed_headers[header] = encode_name(name) + encode_bytes(value)
    return packed


def encode_headers(headers: tuple[tuple[str, bytes], ...]) -> bytes:
    """Pack Kafka headers as an Avro array of (name, value)."""
    if not headers:
        return b"\x00"
    return encode_long(len(headers)) + b"".join(map(_pack_header, headers)) + b"\x00"


def encode_record(record: LedgerRecord) -> bytes:
    """Pack a ledger record: the bytes that are chained, stored for ever and compared on replay."""
    cause = record.cause
    parts = [
        PREFIX.pack(
            record.sequence,
            record.previous_hash,
            record.decided_at,
            cause.kind.encode(),
            topic_id(cause.topic),
            cause.offset,
            record.outcome.encode(),
            record.publish_targets,
            record.withdraw_targets,
            record.record_key,
            record.basis,
            record.version,
            record.refers_to,
            record.submission_key,
            record.timer_was,
            record.digest,
            record.marks,
        ),
        b"\x00" if record.state is None else b"\x02" + encode_state(record.state),
        tail_of(record),
    ]
    return b"".join(parts)


def tail_of(record: LedgerRecord) -> bytes:
    """Pack what follows the state: the move, the cause, the facts, reasons and events."""
    cause = record.cause
    move = record.move
    return b"".join(
        (
            b"\x00" if move is None else b"\x02" + move.move_id + move.verdict.encode(),
            encode_name(record.department),
            encode_name(record.kind),
            # a timer's or sweep's topic names a record or basis: not worth keeping packed
            encode_name(cause.topic) if cause.headers else encode_text(cause.topic),
            encode_long(len(cause.key)),
            cause.key,
            encode_headers(cause.headers),
            encode_long(len(cause.value)),
            cause.value,
            encode_bytes(record.value_digest) if record.value_digest else b"\x00",
            _array([encode_text(k) + encode_text(v) for k, v in record.facts])
            if record.facts
            else b"\x00",
            _pack_reasons(record.reasons) if record.reasons else b"\x00",
            _array(
                [bytes([e.target]) + e.clock.encode() + encode_name(e.event) for e in record.events]
            )
            if record.events
            else b"\x00",
            encode_bytes(record.row) if record.row else b"\x00",
        )
    )


def _pack_reasons(reasons: tuple[Reason, ...]) -> bytes:
    return _array(
        [encode_name(r.code) + encode_name(r.field) + encode_name(r.severity) for r in reasons]
    )


def _array(items: list[bytes]) -> bytes:
    return encode_long(len(items)) + b"".join(items) + b"\x00" if items else b"\x00"


def decode_record(source: bytes) -> LedgerRecord:
    """Unpack a ledger record.

    Raises `ValueError`, `IndexError`, `KeyError` or `struct.error` on bytes that are none.
    """
    (
        sequence, previous, decided_at, cause_kind, _topic_id, offset, outcome, publish, withdraw,
        record_key, basis, version, refers_to, submission_key, timer_was, digest, marks,
    ) = PREFIX.unpack_from(source)  # fmt: skip
    at = PREFIX.size
    state = None
    if source[at]:
        state = decode_state(source, at + 1)
        at = state_end(source, at + 1)
    else:
        at += 1
    move = None
    if source[at]:
        move = Move(source[at + 1 : at + 17], source[at + 17 : at + 18].decode())
        at += 18
    else:
        at += 1
    department, at = decode_text(source, at)
    kind, at = decode_text(source, at)
    topic, at = decode_text(source, at)
    key, at = decode_bytes(source, at)
    headers, at = decode_headers(source, at)
    value, at = decode_bytes(source, at)
    value_digest, at = decode_bytes(source, at)
    facts, at = _decode_facts(source, at)
    reasons, at = _decode_reasons(source, at)
    events, at = _decode_events(source, at)
    row, at = decode_bytes(source, at)
    if at != len(source):
        message = "bytes behind the end of the ledger record"
        raise ValueError(message)
    cause = Cause(CauseKind(cause_kind.decode()), topic, offset, key, headers, value)
    return LedgerRecord(
        sequence, previous, decided_at, cause, Outcome(outcome.decode()), publish, withdraw,
        record_key, basis, version, refers_to, submission_key, timer_was, digest, marks, state,
        move, department, kind, value_digest, facts, reasons, events, row,
    )  # fmt: skip


def decode_headers(source: bytes, at: int) -> tuple[tuple[tuple[str, bytes], ...], int]:
    """Unpack what `encode_headers` wrote; with the position behind it."""
    count, at = decode_long(source, at)
    headers = []
    for _ in range(count):
        name, at = decode_text(source, at)
        value, at = decode_bytes(source, at)
        headers.append((name, value))
    return tuple(headers), at + (1 if count else 0)


def _decode_facts(source: bytes, at: int) -> tuple[tuple[tuple[str, str], ...], int]:
    count, at = decode_long(source, at)
    facts = []
    for _ in range(count):
        name, at = decode_text(source, at)
        value, at = decode_text(source, at)
        facts.append((name, value))
    return tuple(facts), at + (1 if count else 0)


def _decode_reasons(source: bytes, at: int) -> tuple[tuple[Reason, ...], int]:
    count, at = decode_long(source, at)
    reasons = []
    for _ in range(count):
        code, at = decode_text(source, at)
        field, at = decode_text(source, at)
        severity, at = decode_text(source, at)
        reasons.append(Reason(code, field, severity))
    return tuple(reasons), at + (1 if count else 0)


def _decode_events(source: bytes, at: int) -> tuple[tuple[ClockEvent, ...], int]:
    count, at = decode_long(source, at)
    events = []
    for _ in range(count):
        target, clock = source[at], source[at + 1 : at + 2].decode()
        event, at = decode_text(source, at + 2)
        events.append(ClockEvent(target, clock, event))
    return tuple(events), at + (1 if count else 0)


def record_hash(source: bytes) -> bytes:
    """SHA-256 of a packed ledger record: the next record's `previous_hash`."""
    return sha256(source).digest()
