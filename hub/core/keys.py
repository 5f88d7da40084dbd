"""Keys of the registrar's state store, one letter a family; all without the partition prefix.

| key | value |
|---|---|
| `r` + record key | packed `RecordState` |
| `s` + submission key | first receipt: sequence, outcome, basis |
| `t` + due time + record key | empty: the timer index, in time order |
| `p` + record key | empty: records with a provisional deadline |
| `d` + record key | how far a commitment has been performed: its `Progress` as text |
| `h` + record key | of a record held until its move is known: the move's id, the framed row |
| `m` + move id | what is known of a move: verdict, record key, targets whose duty was met |
| `q` + topic id | offset of the last cause read from that topic |
| `b` | id of the current basis; `B` + id: its document |
| `w` | a sweep under way: basis id, ordinal, last record key |
| `e` + sequence of its request | a walk over the ledger that is not finished: its `Walk` |
| `f` + sequence of its request | the next ledger sequence it looks at |
| `o` | the slot that owns the partition; none is `FIRST_OWNER` |
| `l` | head of the ledger: next sequence, last hash, last decision time, next Kafka offset |
"""

from __future__ import annotations

import struct
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

BASIS: Final = b"b"
SWEEP: Final = b"w"
WALKS: Final = b"e"
WALKED_TO: Final = b"f"
HEAD: Final = b"l"
OWNER: Final = b"o"
FIRST_OWNER: Final = "registrar.0"
"""Who owns a partition until a map change in its ledger says otherwise."""

_RECEIPT: Final = struct.Struct(">Qc16s")
_HEAD: Final = struct.Struct(">Q32sQQ")
_MOVE: Final = struct.Struct(">c16sQ")
_SWEEP: Final = struct.Struct(">16sQ16s")


class View(Protocol):
    """What `decide` may read: the state behind the keys that `touches` named."""

    def get(self, key: bytes, /) -> bytes | None:
        """The value, or None where there is none."""


class Receipt(NamedTuple):
    """The first answer to a submission."""

    sequence: int
    outcome: str
    basis: bytes

    @classmethod
    def unpack(cls, stored: bytes) -> Receipt:
        """Read what `evolve` wrote: bytes of the ledger record as they stand there."""
        sequence, outcome, basis = _RECEIPT.unpack(stored)
        return cls(sequence, outcome.decode(), basis)


class Head(NamedTuple):
    """Where a partition's chain stands: what the next ledger record continues."""

    sequence: int
    last_hash: bytes
    decided_at: int
    next_offset: int
    """Kafka offset in the ledger topic to fold on from."""

    def pack(self) -> bytes:
        """The stored bytes."""
        return _HEAD.pack(*self)

    @classmethod
    def unpack(cls, stored: bytes) -> Head:
        """Read what `pack` wrote."""
        return cls(*_HEAD.unpack(stored))


GENESIS: Final = Head(0, bytes(32), 0, 0)
"""The head of an empty ledger partition."""


class MoveNote(NamedTuple):
    """What is known of a record's move to another identity."""

    verdict: str
    record_key: bytes
    met: int
    """Bit per target whose disclosure duty the old identity had met."""

    def pack(self) -> bytes:
        """The stored bytes."""
        return _MOVE.pack(self.verdict.encode(), self.record_key, self.met)

    @classmethod
    def unpack(cls, stored: bytes) -> MoveNote:
        """Read what `pack` wrote."""
        verdict, record_key, met = _MOVE.unpack(stored)
        return cls(verdict.decode(), record_key, met)


class SweepCursor(NamedTuple):
    """How far a sweep over the provisional deadlines has come."""

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
    nobody may use up another's numbers.
    """
    return sha256(b"\x1f".join((department.encode(), stream, sequence))).digest()[:16]


def split_held(stored: bytes) -> tuple[bytes, bytes]:
    """What is stored of a held record: the move it waits for, the framed row."""
    return stored[:16], stored[16:]
