"""Protocols of everything outside the hub; adapters fill them, fakes pass the same suites.

All Kafka positions are offsets of the *next* record to read. Times are business milliseconds
since the epoch unless a name says otherwise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


class InputRecord(NamedTuple):
    """One Kafka record as read from an input topic."""

    topic: str
    partition: int
    offset: int
    key: bytes
    headers: tuple[tuple[str, bytes], ...]
    value: bytes


UNREADABLE: Final = "hub_unreadable"
"""The one header of the placeholder of an unreadable record; its value is a word for why."""


def unreadable_record(topic: str, partition: int, offset: int, why: str) -> InputRecord:
    """Make the placeholder of an unreadable record: its position, and nothing else.

    A sender of a record that looks like this sends nothing.
    """
    return InputRecord(topic, partition, offset, b"", ((UNREADABLE, why.encode()),), b"")


def is_unreadable(key: bytes, headers: Sequence[tuple[str, bytes]], value: bytes) -> bool:
    """Whether these headers are those of a placeholder of an unreadable record."""
    return not key and not value and len(headers) == 1 and headers[0][0] == UNREADABLE


class OutputRecord(NamedTuple):
    """One Kafka record to produce; the partition is always given.

    An empty value is a tombstone: compaction takes the key away.
    """

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]


class Transactions(Protocol):
    """One transactional id. Every failure raises `BrokerFailure`; then only `retire` is allowed."""

    def initialise(self) -> None:
        """Fence the predecessor and end its open transaction."""

    def begin(self) -> None:
        """Open a transaction."""

    def produce(self, records: Sequence[OutputRecord]) -> None:
        """Hand records to the client; order per partition is kept."""

    def commit(self) -> Mapping[tuple[str, int], int]:
        """Flush, check that every report arrived and is good, commit.

        Returns the next offset behind the last record written, per (topic, partition).
        """

    def retire(self) -> None:
        """Throw the producer away without flushing; the next `initialise` makes a new one."""


class Appender(Protocol):
    """Sends records and waits until they are on the broker."""

    def append(self, records: Sequence[OutputRecord]) -> None:
        """Raises `UnavailableError` when one may be missing."""


class Inputs(Protocol):
    """Reads fixed partitions, committed records only, without a consumer group."""

    def assign(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Read these partitions from these offsets on."""

    def consume(self, limit: int, timeout_seconds: float) -> list[InputRecord]:
        """Read up to `limit` records; an empty list when none came in time."""

    def pause(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Stop reading these partitions until the next `assign` or `resume`."""

    def resume(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Read on; only what was paused."""

    def read_to_end(self, positions: Mapping[tuple[str, int], int]) -> Iterator[list[InputRecord]]:
        """Read each partition from its position to the end it has now, then stop.

        The end is taken when the call begins; waits until the stable offset has reached it.
        """

    def bounds(
        self, partitions: Iterable[tuple[str, int]]
    ) -> dict[tuple[str, int], tuple[int, int]]:
        """Log start and end (high watermark) of each partition."""


class StateStore(Protocol):
    """Ordered bytes to bytes; a batch of changes is applied whole or not at all."""

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of `keys`, in order; None where there is none."""

    def scan(self, start: bytes, stop: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` entries with start ≤ key < stop, in key order."""

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Apply all changes atomically; None deletes."""

    def close(self) -> None:
        """Release the files."""


class BusinessClock(Protocol):
    """The clock of deadlines; may be accelerated or scripted in test and demo sites."""

    def now(self) -> int:
        """Business time in milliseconds since the epoch."""


class DeadlineClock(BusinessClock, Protocol):
    """A business clock that may fire deadlines: it knows when it must not be trusted."""

    def has_jumped(self) -> bool:
        """Whether the machine's clock ran ahead of the time that really passed.

        Business time does not move until the clock is right or an operator restarts the worker.
        """


class ClockEvidence(NamedTuple):
    """A clock's time and the evidence to judge it by; real milliseconds since the epoch."""

    shown: int
    """The machine's time now."""
    written: int
    """The latest time this machine wrote down, or a person confirmed; 0 for none."""
    is_business: bool
    """Whether business time is the machine's, so that times in topics count; not where it is
    accelerated or scripted."""


class ClockWitness(Protocol):
    """Remembers on this machine what time it was, for the next start."""

    def evidence(self) -> ClockEvidence:
        """Return the clock's time, and the remembered evidence."""

    def note(self) -> None:
        """The clock is believed now: remember what it shows. Cheap enough for every turn."""


class EngineClock(Protocol):
    """The clock of time-outs: always real."""

    def seconds(self) -> float:
        """Monotonic seconds."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class FaultHooks(Protocol):
    """Named places where tests kill, stop or delay a worker; does nothing in production."""

    def reached(self, hook: str) -> None:
        """The worker is at this place now."""


class Lease(Protocol):
    """The right to own a slot on this machine."""

    def take(self) -> None:
        """Take it, or raise `FencedError` while another process holds it."""

    def release(self) -> None:
        """Give it back."""
