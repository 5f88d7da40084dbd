"""Reads what an input topic still holds, forward and once, beside a scan of the ledger.

The ledger has the causes of one topic in the topic's own order, so one pass over each is enough
and memory stays bounded however long the history is.
"""

from __future__ import annotations

from itertools import takewhile
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hub.ports import InputRecord


class HistoryInputs(Protocol):
    """The part of `hub.ports.Inputs` that an audit needs."""

    def read_to_end(self, positions: Mapping[tuple[str, int], int]) -> Iterator[list[InputRecord]]:
        """Read each partition from its position to the end it has now."""

    def bounds(
        self, partitions: Iterable[tuple[str, int]]
    ) -> Mapping[tuple[str, int], tuple[int, int]]:
        """First retained offset and end of each partition."""


class History:
    """One input partition from a start offset to the end it has when the reading begins."""

    def __init__(self, inputs: HistoryInputs, topic: str, partition: int, start: int) -> None:
        self.start = start
        """The first offset that is still retained."""
        self.read = 0
        """Records passed so far."""
        self._records = _flat(inputs.read_to_end({(topic, partition): start}))
        self._next: InputRecord | None = None
        self._is_at_end = False

    def skip_to(self, offset: int) -> Iterator[InputRecord]:
        """Pass over every record before `offset`, yielding each."""
        while (record := self._peek()) is not None and record.offset < offset:
            self._next = None
            self.read += 1
            yield record

    def take(self, offset: int) -> InputRecord | None:
        """The record at `offset`, when the topic has it; call `skip_to(offset)` first."""
        record = self._peek()
        if record is None or record.offset != offset:
            return None
        self._next = None
        self.read += 1
        return record

    def rest(self) -> Iterator[InputRecord]:
        """Return the records that were not passed yet."""
        while (record := self._peek()) is not None:
            self._next = None
            yield record

    def _peek(self) -> InputRecord | None:
        if self._next is None and not self._is_at_end:
            self._next = next(self._records, None)
            self._is_at_end = self._next is None
        return self._next


class Histories:
    """The histories of one partition's input topics, opened when first asked for."""

    def __init__(self, inputs: HistoryInputs, partition: int, topics: Iterable[str]) -> None:
        self._inputs = inputs
        self._partition = partition
        self._topics = frozenset(topics)
        self._open: dict[str, History] = {}

    def of(self, topic: str) -> History | None:
        """The history of a topic of this site; None for one the site does not have (any more)."""
        if topic not in self._topics:
            return None
        history = self._open.get(topic)
        if history is None:
            place = (topic, self._partition)
            start, _end = self._inputs.bounds([place])[place]
            history = History(self._inputs, topic, self._partition, start)
            self._open[topic] = history
        return history

    def every(self) -> Iterator[tuple[str, History]]:
        """Yield all topics in name order, opening those not yet asked for."""
        for topic in sorted(self._topics):
            history = self.of(topic)
            if history is not None:
                yield topic, history


def read_partition(inputs: HistoryInputs, topic: str, partition: int) -> Iterator[InputRecord]:
    """A whole partition as it is now, from its first retained record.

    Records written during the reading are left out: their causes may be behind the end of an
    input topic that was opened before.
    """
    start, end = inputs.bounds([(topic, partition)])[topic, partition]
    records = _flat(inputs.read_to_end({(topic, partition): start}))
    return takewhile(lambda record: record.offset < end, records)


def _flat(batches: Iterable[list[InputRecord]]) -> Iterator[InputRecord]:
    for batch in batches:
        yield from batch
