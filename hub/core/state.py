"""State of one record in the registrar: the value behind its key in the state store.

A ledger record carries the complete new `RecordState` of the record it touches, so that `evolve`
reads nothing but the ledger. The bytes are the Avro encoding of `RecordState` as the schema
`ledger.record.v1.avsc` describes it: fixed-size fields first, so a `struct` reads them in place.
"""

from __future__ import annotations

import struct
from enum import StrEnum
from functools import lru_cache
from typing import Final, NamedTuple

from hub.core.wire import (
    decode_bytes,
    decode_long,
    decode_text,
    encode_bytes,
    encode_long,
    encode_name,
)

# status, flags, version, content, live_sequence, decided_on, changed, since, ended_on, named,
# publish, down_at, timer_at
_HEADER: Final = struct.Struct(">cBI32sQIQQIQQQQ")
STATUS_AT: Final = 0
FLAGS_AT: Final = 1
VERSION_AT: Final = 2
LIVE_AT: Final = 38
DECIDED_ON_AT: Final = 46
TIMER_AT: Final = _HEADER.size - 8
"""Offsets of fields in a packed state; a test holds them against `_HEADER`."""
_CLOCK: Final = struct.Struct(">BcBBQQIH")
_STAGE: Final = struct.Struct(">BIccQQ")
_HEARD: Final = struct.Struct(">8sQ")
_WAITING: Final = struct.Struct(">Qc16s16s8s8sQQI")
_REVISION: Final = struct.Struct(">IQB")
NEVER: Final = (1 << 64) - 1
"""A time that does not come: no timer is set."""
_MOST_VERSIONS: Final = 65_535
NO_TARGET: Final = 255
"""Number of no target: of the clock of a statement that waits."""


class Status(StrEnum):
    """State of a record; one letter, as stored."""

    LIVE = "L"
    QUARANTINED = "Q"
    WITHDRAWN = "W"
    HELD = "H"
    MOVED = "M"


class RecordFlag:
    """Marks on a record: bits of a plain number (an enum's arithmetic costs ten times more)."""

    NONE: Final = 0
    PROVISIONAL: Final = 1
    """At least one running clock was counted through a year without a holiday notice."""
    CONFLICT: Final = 2
    """Another content was submitted without being declared a correction."""
    PERFORMANCE: Final = 4
    """How far a commitment has been performed is known: see `hub.core.progress`."""
    WAITING: Final = 8
    """At least one statement waits for this record: see `hub.core.waiting`."""
    UNSHOWN: Final = 16
    """Accepted, but named for no target until the statements that waited have been decided."""
    BY_SOURCE: Final = 32
    """Taken down by the source heard last alone, under a version of its own."""
    AWAY: Final = 64
    """It has left for another identity, and has not arrived there yet."""


class ClockKind(StrEnum):
    """The clocks that run against a record at one target; one letter, as stored."""

    DISCLOSE = "D"
    WITHDRAW = "W"
    EXPIRE = "E"
    """Publication ends by itself: not a duty."""
    WAIT = "H"
    """A statement stops waiting for its record: not a duty, at no target."""


class ClockFlag:
    """Marks on one clock: bits of a plain number."""

    NONE: Final = 0
    PROVISIONAL: Final = 1
    ESTIMATED: Final = 2
    """No readable decision date: the clock runs from arrival."""
    STOPPED: Final = 4
    LATE: Final = 8
    """Stopped after it was due."""
    OVERDUE_WRITTEN: Final = 16
    LIFTED: Final = 32
    """Ended without being met: what was owed is owed no more."""
    CORRECTION: Final = 128
    """Counted by the rule for corrections, not by the one for first disclosures."""


class StageCode(StrEnum):
    """The last stage a target reported; one letter, as stored."""

    NAMED = "n"
    """Named in the ledger; the target has not been reached yet."""
    SENT = "s"
    ACKNOWLEDGED = "a"
    PUBLISHED = "p"
    REFUSED = "r"
    WITHDRAWN = "w"
    PARKED = "k"
    """Failed again and again. It is reported and never stored: what is parked came no further."""


class Clock(NamedTuple):
    """One legal clock of a record at one target; times are business milliseconds."""

    target: int
    kind: ClockKind
    flags: int
    """Bits of `ClockFlag`."""
    said: int
    """Marks before the due date that were written or passed over."""
    due_at: int
    next_at: int
    """When the next mark comes; `due_at` after the last of them."""
    counted_from: int
    """Proleptic ordinal of the day the clock counts from (day one is the next day)."""
    began_with: int = 1
    """Version of the record with which the duty began, 65,535 at most."""

    @property
    def is_running(self) -> bool:
        """Whether the clock still waits for its stage."""
        return not self.flags & ClockFlag.STOPPED

    def next_mark(self) -> int:
        """The next moment something must be written about this clock, or `NEVER`."""
        if self.flags & (ClockFlag.STOPPED | ClockFlag.OVERDUE_WRITTEN):
            return NEVER
        return self.next_at


class Stage(NamedTuple):
    """The last stage one target reported for one version."""

    target: int
    version: int
    action: str
    """`P` publish or `W` withdraw."""
    stage: StageCode
    at: int
    platform_at: int


SOURCES_KEPT: Final = 16
"""Sources of one identity of a record whose order is remembered; a further one has none."""


class Heard(NamedTuple):
    """The greatest version that took effect of what one source sent about a record."""

    source: bytes
    """First 8 bytes of the digest of department and stream."""
    version: int


class Waiting(NamedTuple):
    """A statement that waits for its record; its bytes are stored under its sequence."""

    sequence: int
    """Ledger sequence of the record that holds it."""
    statement: str
    """Letter of `hub.core.life.Statement`."""
    submission_key: bytes
    tag: bytes
    """Of an arrival the id of its move, of all others 16 bytes of the digest of their sender."""
    digest: bytes
    """First 8 bytes of the SHA-256 of the value that was submitted."""
    source: bytes
    """As of `Heard`; zeros where there is no version."""
    version: int
    """The greatest version under which its source has said so; 0 where it said so without one."""
    until: int
    """Business milliseconds."""
    dated_on: int
    """Proleptic ordinal of an exit's date; 0 for all others."""


class Revision(NamedTuple):
    """When a version of a record in force began."""

    version: int
    at: int
    """Business milliseconds."""
    corrects: int
    """1 where the targets of the version before owe a correction; 0 where it began with naming
    other targets, or with an end at some."""


class RecordState(NamedTuple):
    """One record under one credit code."""

    status: Status
    flags: int
    """Bits of `RecordFlag`."""
    version: int
    content: bytes
    """SHA-256 of the canonical content of the live version; zeros when there is none."""
    live_sequence: int
    """Ledger sequence of the record that made the current version."""
    decided_on: int
    """Decision date as a proleptic ordinal, 0 when unreadable."""
    changed: int
    """Ledger sequence of the last statement that changed status, version, owner or what waits."""
    since: int
    """Business time at which the current version was decided."""
    ended_on: int
    """Proleptic ordinal of the date of the exit that took an entry down; 0 for none."""
    named: int
    """Bit per target that any version was ever named for."""
    publish: int
    """Bit per target that shall show the current version."""
    down_at: int
    """Ledger sequence of the last statement that took it down, moved it or says it is down; 0."""
    timer_at: int
    clocks: tuple[Clock, ...]
    stages: tuple[Stage, ...]
    heard: tuple[Heard, ...]
    """The memory of order, the source last heard first."""
    revised: tuple[Revision, ...]
    """Of a record in force with more than one version, oldest first; else none."""
    waiting: tuple[Waiting, ...]
    """Oldest first."""
    department: str
    kind: str
    subject_key: bytes
    """Kafka key of the record: its credit code, or `?` and the department."""

    @property
    def was_live(self) -> bool:
        """Whether the record was ever in force."""
        return self.version > 0

    def has_provisional_clock(self) -> bool:
        """Whether a running clock must be recounted once a missing holiday notice is loaded."""
        return bool(_summary(self.clocks)[3])


def index_fields(clocks: tuple[Clock, ...]) -> tuple[int, int]:
    """The order of the indexes: (next timer, `RecordFlag.PROVISIONAL` or 0)."""
    summary = _summary(clocks)
    return summary[2], summary[3]


_MEMORY: Final = 20_000
_Summary = tuple[tuple[Clock, ...], bytes, int, int]
_summaries: dict[int, _Summary] = {}
_packed_stages: dict[int, tuple[tuple[Stage, ...], bytes]] = {}


def _summary(clocks: tuple[Clock, ...]) -> _Summary:
    """The clocks with their packed form, next mark and provisional mark.

    Decisions of one day share one tuple of clocks (the basis caches it), so what follows from it
    is kept by its identity; the tuple is kept too, so that an identity is never used twice.
    """
    known = _summaries.get(id(clocks))
    if known is None or known[0] is not clocks:
        if len(_summaries) >= _MEMORY:
            _summaries.clear()
        timer = min((clock.next_mark() for clock in clocks), default=NEVER)
        provisional = any(c.flags & ClockFlag.PROVISIONAL and c.is_running for c in clocks)
        mark = RecordFlag.PROVISIONAL if provisional else RecordFlag.NONE
        known = _summaries[id(clocks)] = (clocks, _pack_clocks(clocks), timer, mark)
    return known


def _pack_clocks(clocks: tuple[Clock, ...]) -> bytes:
    """Pack the clocks as an Avro array of fixed-size records."""
    if not clocks:
        return b"\x00"
    packed = [
        _CLOCK.pack(c.target, c.kind.encode(), c.flags, c.said, c.due_at, c.next_at,
                    c.counted_from, min(c.began_with, _MOST_VERSIONS))
        for c in clocks
    ]  # fmt: skip
    return encode_long(len(clocks)) + b"".join(packed) + b"\x00"


def _pack_stages(stages: tuple[Stage, ...]) -> bytes:
    """Pack the stages as an Avro array of fixed-size records; kept by identity, as clocks are."""
    known = _packed_stages.get(id(stages))
    if known is None or known[0] is not stages:
        if len(_packed_stages) >= _MEMORY:
            _packed_stages.clear()
        packed = [
            _STAGE.pack(s.target, s.version, s.action.encode(), s.stage.encode(), s.at,
                        s.platform_at)
            for s in stages
        ]  # fmt: skip
        whole = encode_long(len(packed)) + b"".join(packed) + b"\x00" if packed else b"\x00"
        known = _packed_stages[id(stages)] = (stages, whole)
    return known[1]


def _pack_heard(heard: tuple[Heard, ...]) -> bytes:
    packed = [_HEARD.pack(h.source, h.version) for h in heard]
    return encode_long(len(heard)) + b"".join(packed) + b"\x00"


def _pack_revised(revised: tuple[Revision, ...]) -> bytes:
    packed = [_REVISION.pack(*revision) for revision in revised]
    return encode_long(len(revised)) + b"".join(packed) + b"\x00"


def _pack_waiting(waiting: tuple[Waiting, ...]) -> bytes:
    packed = [
        _WAITING.pack(w.sequence, w.statement.encode(), w.submission_key, w.tag, w.digest,
                      w.source, w.version, w.until, w.dated_on)
        for w in waiting
    ]  # fmt: skip
    return encode_long(len(waiting)) + b"".join(packed) + b"\x00"


def encode_state(state: RecordState) -> bytes:
    """Pack a record's state: the bytes in the ledger and in the store."""
    return b"".join(
        (
            _HEADER.pack(
                state.status.encode(), state.flags, state.version, state.content,
                state.live_sequence, state.decided_on, state.changed, state.since,
                state.ended_on, state.named, state.publish, state.down_at, state.timer_at,
            ),
            _summary(state.clocks)[1],
            _pack_stages(state.stages),
            _pack_heard(state.heard) if state.heard else b"\x00",
            _pack_revised(state.revised) if state.revised else b"\x00",
            _pack_waiting(state.waiting) if state.waiting else b"\x00",
            encode_name(state.department),
            encode_name(state.kind),
            encode_bytes(state.subject_key),
        )
    )  # fmt: skip


def state_end(source: bytes, at: int) -> int:
    """The position behind a packed state that begins at `at`, without unpacking it.

    Read for every ledger record: what is short, and so nearly everything, is passed over here.
    """
    at += _HEADER.size
    for size in _ITEM_SIZES:
        first = source[at]
        if first >= _TWO_BYTES:
            at = _array_end(source, at, size)
        else:
            at += (first >> 1) * size + 2 if first else 1
    for _text in range(3):
        first = source[at]
        if first >= _TWO_BYTES:
            length, at = decode_long(source, at)
            at += length
        else:
            at += (first >> 1) + 1
    return at


_ITEM_SIZES: Final = (_CLOCK.size, _STAGE.size, _HEARD.size, _REVISION.size, _WAITING.size)


def _array_end(source: bytes, at: int, size: int) -> int:
    """The position behind a packed array of items of one size."""
    count, at = _count(source, at)
    return at + count * size + 1 if count else at


def _count(source: bytes, at: int) -> tuple[int, int]:
    """A length: one byte nearly always (63 clocks, 63 letters); with the position behind it."""
    first = source[at]
    return (first >> 1, at + 1) if first < _TWO_BYTES else decode_long(source, at)


_TWO_BYTES: Final = 128


def flags_of(source: bytes, at: int = 0) -> int:
    """Read the flags out of a packed state without unpacking the rest."""
    return source[at + FLAGS_AT]


_STATUS: Final = {status.encode(): status for status in Status}
_CLOCK_KINDS: Final = {kind.encode(): kind for kind in ClockKind}
_STAGE_CODES: Final = {stage.encode(): stage for stage in StageCode}


@lru_cache(maxsize=_MEMORY)
def _unpack_clocks(block: bytes) -> tuple[Clock, ...]:
    """The clocks of a packed array; those of one decision date are the same bytes."""
    count, at = _count(block, 0)
    clocks = []
    for start in range(at, at + count * _CLOCK.size, _CLOCK.size):
        target, kind, marks, said, due, next_at, day, began = _CLOCK.unpack_from(block, start)
        clocks.append(Clock(target, _CLOCK_KINDS[kind], marks, said, due, next_at, day, began))
    return tuple(clocks)


@lru_cache(maxsize=_MEMORY)
def _unpack_stages(block: bytes) -> tuple[Stage, ...]:
    """The stages of a packed array; records not reached yet share theirs."""
    count, at = _count(block, 0)
    stages = []
    for start in range(at, at + count * _STAGE.size, _STAGE.size):
        target, version, action, stage, when, platform = _STAGE.unpack_from(block, start)
        code = _STAGE_CODES[stage]
        stages.append(Stage(target, version, action.decode(), code, when, platform))
    return tuple(stages)


@lru_cache(maxsize=_MEMORY)
def _unpack_heard(block: bytes) -> tuple[Heard, ...]:
    """The memory of order of a packed array."""
    count, at = _count(block, 0)
    starts = range(at, at + count * _HEARD.size, _HEARD.size)
    return tuple(Heard(*_HEARD.unpack_from(block, start)) for start in starts)


def _unpack_revised(block: bytes) -> tuple[Revision, ...]:
    """The days of acceptance of a packed array."""
    count, at = _count(block, 0)
    starts = range(at, at + count * _REVISION.size, _REVISION.size)
    return tuple(Revision(*_REVISION.unpack_from(block, start)) for start in starts)


def _unpack_waiting(block: bytes) -> tuple[Waiting, ...]:
    """The waiting statements of a packed array."""
    count, at = _count(block, 0)
    waiting = []
    for start in range(at, at + count * _WAITING.size, _WAITING.size):
        sequence, letter, *others = _WAITING.unpack_from(block, start)
        waiting.append(Waiting(sequence, letter.decode(), *others))
    return tuple(waiting)


def decode_state(source: bytes, at: int = 0) -> RecordState:
    """Unpack a record's state. Raises `KeyError` or `struct.error` on bytes that are none."""
    (
        status, flags, version, content, live, decided_on, changed, since, ended_on, named, publish,
        down_at, timer,
    ) = _HEADER.unpack_from(source, at)  # fmt: skip
    at += _HEADER.size
    end = _array_end(source, at, _CLOCK.size)
    clocks = _unpack_clocks(source[at:end])
    at = end
    end = _array_end(source, at, _STAGE.size)
    stages = _unpack_stages(source[at:end])
    at = end
    end = _array_end(source, at, _HEARD.size) if source[at] else at + 1
    heard = _unpack_heard(source[at:end]) if end > at + 1 else ()
    at = end
    end = _array_end(source, at, _REVISION.size) if source[at] else at + 1
    revised = _unpack_revised(source[at:end]) if end > at + 1 else ()
    at = end
    end = _array_end(source, at, _WAITING.size) if source[at] else at + 1
    waiting = _unpack_waiting(source[at:end]) if end > at + 1 else ()
    at = end
    department, at = decode_text(source, at)
    kind_name, at = decode_text(source, at)
    subject_key, at = decode_bytes(source, at)
    return RecordState(
        _STATUS[status], flags, version, content, live, decided_on, changed, since, ended_on,
        named, publish, down_at, timer, clocks, stages, heard, revised, waiting, department,
        kind_name, subject_key,
    )  # fmt: skip
