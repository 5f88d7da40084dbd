"""Statements that wait: what came before the record, or before the move, that it is about.

A statement waits under its record with a clock of its own. When a row is on record, what waited is
decided as if it arrived now, the oldest first, each in a ledger record of its own; until then the
row names no target, so that nothing is shown that was already taken down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from hub.core import keys
from hub.core.life import CARRIES_ROW, Standing, Statement, standing_of
from hub.core.record import Cause, CauseKind, decode_headers, encode_headers
from hub.core.state import RecordFlag, RecordState, Status, Waiting
from hub.core.wire import (
    decode_bytes,
    decode_long,
    decode_text,
    encode_bytes,
    encode_long,
    encode_text,
)

if TYPE_CHECKING:
    from hub.core.causes import Submission
    from hub.core.keys import View

MOST_PER_RECORD: Final = 8
"""Statements of one department that wait for one record at most, and arrivals of whomever."""
FACT: Final = "waiting"
"""Name of the fact that says how many of a department's statements wait now."""
NO_SOURCE: Final = bytes(8)
FOR_RECORD: Final = "record"
FOR_MOVE: Final = "move"
"""Objects of a wait, as look-ups name them."""
_ROWS: Final = frozenset(statement.value for statement in CARRIES_ROW)
_ON_RECORD: Final = frozenset(
    {
        Standing.QUARANTINED, Standing.LIVE, Standing.WITHDRAWN, Standing.TAKEN_BACK,
        Standing.MOVED,
    }
)  # fmt: skip


def tag_of(s: Submission) -> bytes:
    """Key of equal statements that wait: the move, else the sender."""
    return s.move_id if s.statement is Statement.ARRIVAL else _sender(s.department)


def _sender(department: str) -> bytes:
    return keys.submission_key_of(department, b"", b"")


def waits_already(old: RecordState | None, s: Submission) -> bool:
    """Whether the same statement waits for this record."""
    return old is not None and _equal_to(s, old) is not None


def said_again(old: RecordState, s: Submission) -> RecordState:
    """A waiting statement counts under the newest version that its source has given it."""
    entry = _equal_to(s, old)
    if entry is None or entry.source != s.source or entry.version >= s.source_version:
        return old
    newest = entry._replace(version=s.source_version)
    return old._replace(waiting=tuple(newest if w is entry else w for w in old.waiting))


def _equal_to(s: Submission, old: RecordState) -> Waiting | None:
    """The same statement of the same sender, after which nothing else was said.

    A statement made in between would be overtaken, or not, if this counted in the first's place. An
    arrival waits for its move, and for nothing that is said of the record.
    """
    if s.statement is None:
        return None
    same = s.statement.value, tag_of(s), s.value_hash[:8]
    order = s.source if s.source_version else NO_SOURCE
    for w in reversed(old.waiting):
        if (w.statement, w.tag, w.digest) != same:
            continue
        if s.statement is Statement.ARRIVAL:
            return w
        if w.source == order and (w is old.waiting[-1] or 0 < w.version == s.source_version):
            return w
    return None


def is_full(old: RecordState | None, s: Submission) -> bool:
    """Whether as many wait as may; one sender's statements keep no other's from waiting."""
    if old is None:
        return False
    is_arrival = s.statement is Statement.ARRIVAL
    alike = [
        w
        for w in old.waiting
        if (w.statement == Statement.ARRIVAL if is_arrival else w.tag == tag_of(s))
    ]
    return len(alike) >= MOST_PER_RECORD


def move_waits(old: RecordState | None, s: Submission) -> bool:
    """Whether another row waits for the same move."""
    return old is not None and arrival_by(old, s.move_id) is not None


def count_of(view: View, department: str) -> int:
    """How many statements of a department wait in this partition."""
    stored = view.get(keys.waiting_of(department))
    return int.from_bytes(stored) if stored is not None else 0


def next_to_decide(state: RecordState) -> Waiting | None:
    """The oldest statement that is about what is on record; None when none is.

    An arrival waits for its move, even if a record exists here. An exit dated before the entry is
    about another entry, and goes on waiting. So does a take-down or move where nothing was ever in
    force but a faulty row of another sender: it is about the row its own sender has yet to send.
    """
    if not state.waiting or standing_of(state) not in _ON_RECORD:
        return None
    for waiting in state.waiting:
        if waiting.statement == Statement.ARRIVAL or _is_of_another(state, waiting):
            continue
        if waiting.dated_on and state.decided_on and waiting.dated_on < state.decided_on:
            continue
        return waiting
    return None


def _is_of_another(state: RecordState, waiting: Waiting) -> bool:
    if state.was_live or waiting.statement in _ROWS:
        return False
    return waiting.tag != _sender(state.department)


def arrival_by(state: RecordState, move_id: bytes) -> Waiting | None:
    """The arrival that waits for this move."""
    for waiting in state.waiting:
        if waiting.statement == Statement.ARRIVAL and waiting.tag == move_id:
            return waiting
    return None


def expired(state: RecordState, now: int) -> Waiting | None:
    """The oldest statement that has waited long enough."""
    return next((w for w in state.waiting if w.until <= now), None)


def without(state: RecordState, gone: Waiting) -> RecordState:
    """The state without a statement and without its clock."""
    rest = tuple(w for w in state.waiting if w is not gone)
    until = {w.until for w in rest}
    clocks = tuple(c for c in state.clocks if c.kind != "H" or c.due_at in until)
    flags = state.flags if rest else state.flags & ~RecordFlag.WAITING
    return state._replace(waiting=rest, clocks=clocks, flags=flags)


def holds_row(state: RecordState) -> bool:
    """Whether what waits has a row in it: the record is reserved for who sent the first."""
    return any(waiting.statement in _ROWS for waiting in state.waiting)


def is_ready(state: RecordState) -> bool:
    """Whether something that waited must be decided at once."""
    return next_to_decide(state) is not None


def is_nothing(state: RecordState) -> bool:
    """Whether a record exists only because statements waited for it, and none does any more."""
    return state.status is Status.HELD and not state.waiting


class Kept(NamedTuple):
    """A waiting statement, as stored until it is decided."""

    department: str
    arrived_at: int
    """Business milliseconds: what its source's version is judged by, whenever it is decided."""
    cause: Cause


def pack_kept(department: str, arrived_at: int, cause: Cause) -> bytes:
    """The stored bytes of a `Kept`."""
    return b"".join(
        (
            encode_text(department), encode_long(arrived_at), encode_text(cause.topic),
            encode_long(cause.offset), encode_bytes(cause.key), encode_headers(cause.headers),
            encode_bytes(cause.value),
        )
    )  # fmt: skip


def unpack_kept(stored: bytes) -> Kept:
    """Read what `pack_kept` wrote."""
    department, at = decode_text(stored, 0)
    arrived_at, at = decode_long(stored, at)
    topic, at = decode_text(stored, at)
    offset, at = decode_long(stored, at)
    key, at = decode_bytes(stored, at)
    headers, at = decode_headers(stored, at)
    value, _end = decode_bytes(stored, at)
    cause = Cause(CauseKind.SUBMISSION, topic, offset, key, headers, value)
    return Kept(department, arrived_at, cause)
