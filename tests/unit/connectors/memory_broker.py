"""A broker in memory: transactions that are whole, cut off, or torn by a stray commit."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from hub.errors import UnavailableError
from hub.ports import InputRecord, OutputRecord


class KilledError(BaseException):
    """SIGKILL: nothing of the process runs any more."""


class MemoryBroker:
    """Committed records by topic; an open transaction is invisible."""

    def __init__(self) -> None:
        self.committed: dict[str, list[OutputRecord]] = {}
        self.initialised = 0

    def append(self, records: Iterable[OutputRecord]) -> None:
        """Make records visible."""
        for record in records:
            self.committed.setdefault(record.topic, []).append(record)

    def bounds(
        self, partitions: Iterable[tuple[str, int]]
    ) -> dict[tuple[str, int], tuple[int, int]]:
        """Log start and end."""
        return {place: (0, len(self.committed.get(place[0], []))) for place in partitions}

    def read_to_end(self, positions: Mapping[tuple[str, int], int]) -> Iterator[list[InputRecord]]:
        """Everything committed."""
        for topic, partition in positions:
            yield [
                InputRecord(topic, partition, offset, record.key, record.headers, record.value)
                for offset, record in enumerate(self.committed.get(topic, []))
            ]


class MemoryTransactions:
    """One producer. A stray commit exposes part of an open transaction when it is retired.

    `torn` says which part: nothing, what was `flushed`, or that and the `cursor`, the worst order
    in which several partitions can be reached; `prefix`: the cursor's first half.
    """

    def __init__(self, broker: MemoryBroker, torn: str = "") -> None:
        self._broker = broker
        self._torn = torn
        self._buffer: list[OutputRecord] = []
        self._flushed: list[OutputRecord] = []
        self.fail_commits = 0
        self.commit_before_failing = False

    def initialise(self) -> None:
        """Count the producers made."""
        self._broker.initialised += 1
        self._buffer, self._flushed = [], []

    def begin(self) -> None:
        """Open a transaction."""

    def produce(self, records: list[OutputRecord]) -> None:
        """Keep records."""
        self._buffer += records

    def flush(self) -> None:
        """The records are on the broker, not committed."""
        self._flushed += self._buffer
        self._buffer = []

    def commit(self) -> object:
        """Commit, or fail with the outcome unknown."""
        self.flush()
        records, self._flushed = self._flushed, []
        if self.fail_commits:
            self.fail_commits -= 1
            if self.commit_before_failing:
                self._broker.append(records)
            raise UnavailableError("commit timed out")
        self._broker.append(records)
        return None

    def retire(self) -> None:
        """Drop what is not on the broker."""
        buffer, self._buffer = self._buffer, []
        if self._torn:
            self._broker.append(self._flushed)
        cursors = [record for record in buffer if ".cursors." in record.topic]
        if self._torn == "cursor":
            self._broker.append(cursors)
        elif self._torn == "prefix":
            self._broker.append(cursors[: (len(cursors) + 1) // 2])
        self._flushed = []


class HookKiller:
    """Kills at the nth visit of a hook."""

    def __init__(self, hook: str = "", nth: int = 1) -> None:
        self._armed = (hook, nth)
        self.seen: Counter[str] = Counter()

    def reached(self, hook: str) -> None:
        """Count; die when armed."""
        self.seen[hook] += 1
        if self._armed == (hook, self.seen[hook]):
            raise KilledError


class FreeLease:
    """A lease nobody disputes."""

    def take(self) -> None:
        """Take it."""

    def release(self) -> None:
        """Give it back."""


class InstantClock:
    """Business and engine clock that do not wait."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> int:
        """A fixed moment: 2026-11-22T02:00:00Z."""
        return 1_795_312_800_000

    def seconds(self) -> float:
        """No time passes."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Note how long would have been waited."""
        self.slept.append(seconds)
