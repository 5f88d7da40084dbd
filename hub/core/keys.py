"""Keys of the registrar's state store, one letter a family; all without the partition prefix.

| family | key | value |
|---|---|---|
| `r` | record key | packed `RecordState` |
| `s` | submission key | first receipt: sequence, outcome, basis, digest of the content |
| `t` | due time + record key | empty: the timer index, in time order |
| `d` | record key | how far a commitment has been performed: its `Progress` as text |
| `h` | record key + sequence | a statement that waits for its record: the `Kept` submission |
| `g` | record key | framed row of a record that is named for no target yet |
| `n` | department | how many of its statements wait here |
| `m` | move id | the verdict on a departure: `MoveVerdict` |
| `k` | record key | of a record that left: the record key it left for, then the ids of its moves |
| `a` | move id | key of the record at which this move arrived (`r`), or waits to arrive (`h`) |
| `i` | twin key | key of the quarantined record that this identity under another key would answer |
| `j` | record key | a quarantined record that was answered: sequence of the record that did |
| `q` | topic id | offset of the last cause read from that topic |
| `b`, `B` | –, basis id | id of the current basis; the document of each |
| `w` | – | a sweep under way: basis id, ordinal, last record key |
| `e` | sequence of its request | a scan of the ledger that is not finished: its `Walk` |
| `f` | sequence of its request | the next ledger sequence it looks at |
| `c` | – | target numbers that a sweep under way takes out of the records: a mask, 8 bytes |
| `o` | – | the slot that owns the partition; none is `FIRST_OWNER` |
| `l` | – | head of the ledger: next sequence, last hash, last decision time, next Kafka offset,
  epoch |
"""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

RECORDS: Final = b"r"
TIMERS: Final = b"t"
TIMERS_END: Final = b"u"
ANSWERED: Final = b"j"
TWINS: Final = b"i"
BASIS: Final = b"b"
SWEEP: Final = b"w"
WALKS: Final = b"e"
WALKED_TO: Final = b"f"
HEAD: Final = b"l"
OWNER: Final = b"o"
FREED: Final = b"c"
FIRST_OWNER: Final = "registrar.0"
"""Owner of a partition whose ledger names none: neither its first record nor a map change."""

_RECEIPT: Final = struct.Struct(">Qc16s8s")
_HEAD: Final = struct.Struct(">Q32sQQH")
_SWEEP: Final = struct.Struct(">16sQ16s")


def record(record_key: bytes) -> bytes:
    """Where a record's state is."""
    return b"r" + record_key


def receipt(submission_key: bytes) -> bytes:
    """Where the first receipt of a submission is."""
    return b"s" + submission_key


def timer(at: bytes, record_key: bytes) -> bytes:
    """Where a record's timer is; `at` is packed big-endian, 8 bytes."""
    return b"t" + at + record_key


def timer_in(key: bytes) -> tuple[int, bytes]:
    """The time and the record key of a timer."""
    return int.from_bytes(key[1:9]), key[9:25]


def after(family: bytes) -> bytes:
    """Where the next family begins: the end of a scan over one."""
    return bytes([family[0] + 1])


def performance(record_key: bytes) -> bytes:
    """Where it is noted how far a commitment has been performed."""
    return b"d" + record_key


def waiting(record_key: bytes, sequence: int) -> bytes:
    """Where a waiting statement is."""
    return b"h" + record_key + sequence.to_bytes(8)


def unshown(record_key: bytes) -> bytes:
    """Where the row of a record is that is named for no target yet."""
    return b"g" + record_key


def waiting_of(department: str) -> bytes:
    """Where the number of a department's waiting statements is."""
    return b"n" + department.encode()


def verdict(move_id: bytes) -> bytes:
    """Where the verdict on a departure is."""
    return b"m" + move_id


def left_for(record_key: bytes) -> bytes:
    """Where it is noted for which record key a record left, and by which moves."""
    return b"k" + record_key


def arrival(move_id: bytes) -> bytes:
    """Where it is noted at which record a move arrives."""
    return b"a" + move_id


def twin(twin_key: bytes) -> bytes:
    """Where the quarantined record is that this identity would answer."""
    return TWINS + twin_key


def answered(record_key: bytes) -> bytes:
    """Where it is noted that a quarantined record was answered."""
    return ANSWERED + record_key


def position(topic: bytes) -> bytes:
    """Where the last cause of a topic is; `topic` is its id, 8 bytes."""
    return b"q" + topic


def document(basis: bytes) -> bytes:
    """Where the document of a basis is."""
    return b"B" + basis


def walk(request: bytes) -> bytes:
    """Position of a resend in the ledger; `request` is the sequence of its request, 8 bytes."""
    return WALKS + request


class View(Protocol):
    """State that `decide` may read: the values behind the keys that its cause named."""

    def get(self, key: bytes, /) -> bytes | None:
        """The value, or None where there is none."""

    def __contains__(self, key: object, /) -> bool:
        """Whether the key has been read."""


class Receipt(NamedTuple):
    """The first answer to a submission."""

    sequence: int
    outcome: str
    basis: bytes
    digest: bytes
    """8 bytes of what was submitted, value and the headers that decide: `Submission.digest`."""

    @classmethod
    def unpack(cls, stored: bytes) -> Receipt:
        """Read what `evolve` wrote: bytes of the ledger record, unchanged."""
        sequence, outcome, basis, digest = _RECEIPT.unpack(stored)
        return cls(sequence, outcome.decode(), basis, digest)


class Head(NamedTuple):
    """Head of a partition's chain: what the next ledger record continues."""

    sequence: int
    last_hash: bytes
    decided_at: int
    next_offset: int
    """Kafka offset in the ledger topic to fold on from; the last record lies just before it."""
    epoch: int = 0
    """How many losses of ledger records had been declared (see `hub.core.ledger_end`)."""

    def pack(self) -> bytes:
        """The stored bytes."""
        return _HEAD.pack(*self)

    @classmethod
    def unpack(cls, stored: bytes) -> Head:
        """Read what `pack` wrote."""
        return cls(*_HEAD.unpack(stored))


GENESIS: Final = Head(0, bytes(32), 0, 0)
"""The head of an empty ledger partition."""


class SweepCursor(NamedTuple):
    """How far a sweep over the records has come."""

    basis: bytes
    ordinal: int
    last_key: bytes

    def pack(self) -> bytes:
        """The stored bytes."""
        return _SWEEP.pack(*self)

    @classmethod
    def unpack(cls, stored: bytes) -> SweepCursor:
        """Read what `pack` wrote."""
        return cls(*_SWEEP.unpack(stored))


def submission_key_of(department: str, stream: bytes, sequence: bytes) -> bytes:
    """Identity of a submission: 16 bytes of the hash of its stream and sequence.

    The department (its topic) is part of it: the stream's name is in the sender's hand, and
    no department may use up numbers of others.
    """
    return sha256(b"\x1f".join((department.encode(), stream, sequence))).digest()[:16]
