"""Moves: a record leaves one identity and arrives at another, in two halves that may come apart.

The department sends both halves with one move id. The *departure* is decided where the record is;
its verdict goes to the partition of the new identity as a control message. The *arrival* waits
there until the verdict is known. States of a move:

| verdict known, then comes | left | refused |
|---|---|---|
| nothing | left | refused |
| refused | left: the move was sent again, better | refused |
| left | left | left: a departure happens once |

A move id is one record's: a departure of another is refused where the first is known, and of two
that were made apart, in two partitions, the verdict that comes first holds. An arrival is let in as
what left, and as nothing else.

A departure that was made before, under another move, is *left before*, and counts from when that
one was learnt of. One departure lets one record in once: where what is here has been taken
down, or has left again, since a departure was learnt of or since the arrival that waits was said,
nothing arrives. A home-coming alone may be declared before the journey is over.

Where it has arrived, word goes back to where it left: until then the record is away, live nowhere,
and an open case.

A verdict carries the targets whose disclosure the old identity had met, the record's owner (who
moves a record for its owner does not come to own it), the kind that was in force (what was
performed arrives as performed), and the memory of order: what is older stays older.
"""

from __future__ import annotations

import json
import struct
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.core import keys
from hub.core.state import Heard
from hub.core.wire import decode_bytes, decode_text, encode_bytes, encode_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.core.keys import View

LEFT: Final = "o"
LEFT_BEFORE: Final = "b"
REFUSED: Final = "x"
WAITS: Final = "h"
ARRIVED: Final = "r"
_VERDICT: Final = struct.Struct(">c8s16s16s16sQQ")
_ID: Final = 16
_IDS_AT: Final = 2 * _ID + 8
_MOST_DEPARTURES: Final = 8


class MoveVerdict(NamedTuple):
    """Outcome of a departure."""

    letter: str
    destination: bytes
    """First 8 bytes of the digest of the new identity's Kafka key: it can arrive nowhere else."""
    left: bytes
    """Key of the record that was to leave; `NO_KEY` where the refused departure names none."""
    to: bytes
    """Key of the record as which it was to arrive."""
    origin: bytes
    """The Kafka key where it was to leave."""
    made_by: bytes
    """Id of the move by which it left: another one's, where that was made before."""
    noted: int
    """Ledger sequence at which this partition learnt that it left, at first."""
    met: int
    """Bit per target whose disclosure the old identity had met."""
    owner: str
    kind: str
    """The version in force under the old identity; empty where there never was one."""
    heard: tuple[Heard, ...]
    """The memory of order of the old identity, the source last heard first."""

    def pack(self) -> bytes:
        """The stored bytes."""
        fixed = _VERDICT.pack(
            self.letter.encode(), self.destination, self.left, self.to, self.made_by, self.noted,
            self.met,
        )  # fmt: skip
        texts = encode_bytes(self.origin) + encode_text(self.owner)
        return fixed + texts + encode_text(self.kind) + heard_bytes(self.heard)

    @classmethod
    def unpack(cls, stored: bytes) -> MoveVerdict:
        """Read what `pack` wrote."""
        letter, destination, left, to, made_by, noted, met = _VERDICT.unpack_from(stored)
        origin, at = decode_bytes(stored, _VERDICT.size)
        owner, at = decode_text(stored, at)
        kind, at = decode_text(stored, at)
        heard = heard_from(stored[at:])
        return cls(
            letter.decode(), destination, left, to, origin, made_by, noted, met, owner, kind, heard
        )

    @property
    def has_left(self) -> bool:
        """Whether the old identity was left."""
        return self.letter in (LEFT, LEFT_BEFORE)

    def as_facts(self) -> tuple[tuple[str, str], ...]:
        """As a ledger record carries it."""
        return (
            ("verdict", self.letter), ("met", str(self.met)), ("owner", self.owner),
            ("destination", self.destination.hex()), ("left_as", self.kind),
            ("left", self.left.hex()), ("to", self.to.hex()), ("origin", self.origin.hex()),
            ("made_by", self.made_by.hex()), ("noted", str(self.noted)),
            ("heard", heard_bytes(self.heard).hex()),
        )  # fmt: skip

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> MoveVerdict | None:
        """Read what `as_facts` wrote; None where a ledger record makes no verdict known."""
        if "verdict" not in facts:
            return None
        return cls(
            facts["verdict"], bytes.fromhex(facts["destination"]), bytes.fromhex(facts["left"]),
            bytes.fromhex(facts["to"]), bytes.fromhex(facts["origin"]),
            bytes.fromhex(facts["made_by"]), int(facts["noted"]), int(facts["met"]),
            facts["owner"], facts["left_as"], heard_from(bytes.fromhex(facts["heard"])),
        )  # fmt: skip

    def named(self, move_id: bytes, subject_key: bytes) -> tuple[tuple[str, str], ...]:
        """As facts of a departure: with where the verdict is sent."""
        return (*self.as_facts(), ("move_id", move_id.hex()), ("sent_to", subject_key.decode()))

    def as_message(self, move_id: bytes) -> dict[str, str]:
        """As the control message to the new identity's partition."""
        return {
            "heard": heard_bytes(self.heard).hex(), "left": self.left.hex(), "left_as": self.kind,
            "made_by": self.made_by.hex(), "met": str(self.met), "move_id": move_id.hex(),
            "origin": self.origin.hex(), "owner": self.owner, "to": self.to.hex(),
            "verdict": self.letter,
        }  # fmt: skip


def word_back(verdict: MoveVerdict, move_id: bytes) -> tuple[tuple[str, str], ...]:
    """As facts of an arrival: the record that left, and where to send word that it has come."""
    return (
        ("arrived", verdict.left.hex()), ("arrived_by", move_id.hex()),
        ("word_to", verdict.origin.hex()),
    )  # fmt: skip


def word(facts: Mapping[str, str]) -> bytes:
    """The control message that a record has arrived: JSON with sorted keys."""
    content = {"move_id": facts["arrived_by"], "record": facts["arrived"]}
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def heard_bytes(heard: tuple[Heard, ...]) -> bytes:
    """A memory of order as it is stored and sent."""
    return b"".join(each.source + each.version.to_bytes(8) for each in heard)


def heard_from(packed: bytes) -> tuple[Heard, ...]:
    """Read what `heard_bytes` wrote. Raises `ValueError` on a length that it never writes."""
    if len(packed) % 16:
        message = "no memory of order"
        raise ValueError(message)
    starts = range(0, len(packed), 16)
    return tuple(
        Heard(packed[at : at + 8], int.from_bytes(packed[at + 8 : at + 16])) for at in starts
    )


def destination_of(subject_key: bytes) -> bytes:
    """Names of a verdict at the key where the record may arrive."""
    return sha256(subject_key).digest()[:8]


def known_of(view: View, move_id: bytes) -> MoveVerdict | None:
    """Return the state of a move, wherever it leads."""
    stored = view.get(keys.verdict(move_id))
    return None if stored is None else MoveVerdict.unpack(stored)


def verdict_on(view: View, move_id: bytes, subject_key: bytes) -> MoveVerdict | None:
    """Return the state of a departure, for a record that would arrive under this key."""
    verdict = known_of(view, move_id)
    if verdict is None:
        return None
    return verdict if verdict.destination == destination_of(subject_key) else None


def settled(known: MoveVerdict | None, comes: MoveVerdict) -> MoveVerdict:
    """Return the verdict in force: see the table above. A repeated verdict was learnt before."""
    if known is None:
        return comes
    is_anothers = known.has_left and known.left != comes.left
    if is_anothers or _WEIGHTS[known.letter] > _WEIGHTS[comes.letter]:
        return known
    return comes._replace(noted=known.noted) if known.letter == comes.letter else comes


_WEIGHTS: Final = {REFUSED: 0, LEFT_BEFORE: 1, LEFT: 2}


def arrives_at(view: View, move_id: bytes) -> bytes | None:
    """Key of the record at which a move has arrived, or waits to arrive."""
    stored = view.get(keys.arrival(move_id))
    return None if stored is None else stored[:-1]


def left_for(view: View, record_key: bytes) -> bytes:
    """Key for which a record left last; empty where it never did."""
    return (view.get(keys.left_for(record_key)) or b"")[:_ID]


class Departure(NamedTuple):
    """The last move by which a record did leave; what has been said to move it since is none."""

    move_id: bytes
    sequence: int
    """Of the ledger record that made it."""


def made_by(view: View, record_key: bytes) -> Departure | None:
    """How a record left last; None where it never did."""
    stored = view.get(keys.left_for(record_key))
    if not stored:
        return None
    return Departure(stored[_ID : 2 * _ID], int.from_bytes(stored[2 * _ID : _IDS_AT]))


def left_by(view: View, record_key: bytes) -> tuple[bytes, ...]:
    """Ids of the moves by which a record left or is said to have left, the last first."""
    stored = view.get(keys.left_for(record_key)) or b""
    return tuple(stored[at : at + _ID] for at in range(_IDS_AT, len(stored), _ID))


def is_of_absence(view: View, record_key: bytes, move_id: bytes) -> bool:
    """Whether a record that is away left by this move, or has been said to since."""
    ids, departure = left_by(view, record_key), made_by(view, record_key)
    if departure is None or departure.move_id not in ids:
        return False
    return move_id in ids[: ids.index(departure.move_id) + 1]


def leaving(
    view: View, record_key: bytes, other_key: bytes, move_id: bytes, departure: Departure
) -> bytes:
    """Return the note of a record that leaves for another key by this move, or by one before."""
    before = [each for each in left_by(view, record_key) if each != move_id]
    made = departure.move_id + departure.sequence.to_bytes(8)
    return b"".join((other_key, made, move_id, *before[: _MOST_DEPARTURES - 1]))


def has_arrived(view: View, move_id: bytes, record_key: bytes) -> bool:
    """Whether a move has arrived at this record."""
    return view.get(keys.arrival(move_id)) == record_key + ARRIVED.encode()


def message(verdict: MoveVerdict, move_id: bytes) -> bytes:
    """The control message's value: JSON with sorted keys."""
    return json.dumps(
        verdict.as_message(move_id), sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()
