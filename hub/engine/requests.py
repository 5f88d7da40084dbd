"""Requests of a slot to the outside. It does nothing itself: a driver carries each one out.

Every request has one reply type, named in its docstring. A driver that cannot carry a request
out replies `Failed`; the slot then starts again: retire, initialise, fold, seek, run. A
simulator may delay, lose or fail any of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hub.engine.events import Event
from hub.targets.platform import How

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.ports import OutputRecord
    from hub.targets.platform import Call


class Failed(NamedTuple):
    """The broker, the network or the disk refused; what was committed is what the ledger says."""

    reason: str


class Initialise(NamedTuple):
    """Take the lease, fence the predecessor, end its open transaction. Reply: None."""


class Retire(NamedTuple):
    """Throw the producer away without flushing. Reply: None."""

    reason: str


class ReadState(NamedTuple):
    """Reply: list of values (None where there is none), in the order of the keys."""

    keys: list[bytes]


class Scan(NamedTuple):
    """Reply: list of (key, value) with start ≤ key < stop, at most `limit`."""

    start: bytes
    stop: bytes
    limit: int


class WriteState(NamedTuple):
    """Apply all changes atomically. Reply: None."""

    changes: Mapping[bytes, bytes | None]


class Bounds(NamedTuple):
    """Reply: {(topic, partition): (log start, log end)}."""

    partitions: list[tuple[str, int]]


class FoldLedger(NamedTuple):
    """Begin reading the ledger from these offsets to the end it has now. Reply: None."""

    positions: dict[tuple[str, int], int]


class NextFold(NamedTuple):
    """Reply: the next list of `InputRecord` of the fold, or None at its end."""


class Assign(NamedTuple):
    """Read the inputs from these offsets on. Reply: None."""

    positions: dict[tuple[str, int], int]


class Consume(NamedTuple):
    """Reply: list of `InputRecord`, empty when none came in time."""

    limit: int
    timeout_seconds: float


class Now(NamedTuple):
    """Reply: business time in milliseconds."""


class HasJumped(NamedTuple):
    """Reply: true while the machine's clock has run ahead of the time that really passed."""


class Evidence(NamedTuple):
    """Reply: `ClockEvidence`, what the clock is judged by at a start besides the topics."""


class Begin(NamedTuple):
    """Open a transaction. Reply: None."""


class Produce(NamedTuple):
    """Hand records to the producer. Reply: None."""

    records: list[OutputRecord]


class Commit(NamedTuple):
    """Flush, check every report, commit. Reply: {(topic, partition): next offset}."""


class Hook(NamedTuple):
    """A named place where a test may kill, stop or delay the worker. Reply: None."""

    name: str


class Report(NamedTuple):
    """Something to count or log. Reply: None."""

    event: Event


class Wait(NamedTuple):
    """Sleep before the next try. Reply: None."""

    seconds: float


class Seconds(NamedTuple):
    """Reply: engine time, monotonic seconds."""


class Submit(NamedTuple):
    """Send these calls to the platform, all at once, without waiting. Reply: None."""

    calls: list[tuple[How, Call]]
    """Of the kind's own `TargetProtocol`; only its adapter looks inside."""


class Poll(NamedTuple):
    """Reply: list of `CallResult`: the calls that ended and the unasked answers since last time."""


class CancelAll(NamedTuple):
    """Forget every call on its way; its answer is not wanted any more. Reply: None."""


Request = (
    Initialise | Retire | ReadState | Scan | WriteState | Bounds | FoldLedger | NextFold | Assign
    | Consume | Now | HasJumped | Evidence | Begin | Produce | Commit | Hook | Report | Wait
    | Seconds | Submit | Poll | CancelAll
)  # fmt: skip
