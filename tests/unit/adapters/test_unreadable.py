"""Records that cannot be read: how far they go, and how a reader goes on behind them.

The client here does what librdkafka 2.16 was seen to do on a real broker (tests/attacks).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

import pytest
from confluent_kafka import KafkaError, Message, TopicPartition

from hub.adapters.kafka import client as kafka
from hub.adapters.kafka import copy as kafka_copy
from hub.adapters.kafka import unreadable as kafka_unreadable
from hub.adapters.kafka.client import BrokerFailure, KafkaInputs
from hub.adapters.kafka.copy import read_place
from hub.adapters.kafka.unreadable import how_far
from hub.config.kafka_access import KafkaAccess
from hub.errors import IntegrityError
from hub.ports import is_unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hub.adapters.kafka.events import RecordsUnreadable
    from hub.adapters.kafka.unreadable import Unreadable
    from hub.ports import InputRecord

ACCESS = KafkaAccess("nowhere:9092")
TOPIC = "town.submissions.market"
OTHER = "town.submissions.housing"
NOWHERE = 1 << 61


class RecordBatch(NamedTuple):
    """So many records; `misleads` is that of a damaged one whose content is taken for a header."""

    size: int
    is_damaged: bool = False
    misleads: bool = False


GOOD = RecordBatch(3)
DAMAGED = RecordBatch(5, is_damaged=True)
MISLEADING = RecordBatch(5, is_damaged=True, misleads=True)


class PartitionZero:
    """Partition 0 of some topics."""

    def __init__(self, **topics: Sequence[RecordBatch]) -> None:
        self.topics = {f"town.submissions.{name}": batches for name, batches in topics.items()}
        self.late: list[Message] = []
        """What the next reader hands over although it is of before."""

    def end(self, topic: str) -> int:
        """Behind the last record."""
        return sum(batch.size for batch in self.topics[topic])

    def at(self, topic: str, offset: int) -> tuple[int, RecordBatch]:
        """The batch an offset lies in, and its first offset."""
        base = 0
        for batch in self.topics[topic]:
            if offset < base + batch.size:
                return base, batch
            base += batch.size
        raise AssertionError


def event(topic: str, offset: int, code: int) -> Message:
    """An error, as the client hands it over."""
    return Message(topic=topic, partition=0, offset=offset, error=KafkaError(code))


class Client:
    """One client of that broker."""

    broker: PartitionZero

    def __init__(self, settings: Mapping[str, object], logger: object = None) -> None:
        del logger
        self._tells_ends = bool(settings.get("enable.partition.eof"))
        self._at: dict[str, int] = {}

    def assign(self, places: Sequence[TopicPartition]) -> None:
        """Read these, and no other."""
        self._at = {place.topic: place.offset for place in places}

    def incremental_assign(self, places: Sequence[TopicPartition]) -> None:
        """Read these as well."""
        self._at.update({place.topic: place.offset for place in places})

    def incremental_unassign(self, places: Sequence[TopicPartition]) -> None:
        """Read these no more."""
        for place in places:
            del self._at[place.topic]

    def consume(self, limit: int, _seconds: float) -> list[Message]:
        """What comes next of each partition, one batch of each."""
        found, self.broker.late = self.broker.late, []
        self._at |= {str(one.topic()): -1 for one in found}
        for topic, at in list(self._at.items()):
            if at == NOWHERE:
                found.append(event(topic, at, KafkaError._AUTO_OFFSET_RESET))
                self._at[topic] = -1
            elif at >= self.broker.end(topic):
                if self._tells_ends:
                    found.append(event(topic, at, KafkaError._PARTITION_EOF))
            elif at >= 0:
                found += self._batch(topic, at)
        return found[:limit]

    def _batch(self, topic: str, at: int) -> list[Message]:
        base, batch = self.broker.at(topic, at)
        if not batch.is_damaged:
            self._at[topic] = base + batch.size
            return [
                Message(topic=topic, partition=0, offset=offset, value=b"%d" % offset)
                for offset in range(at, base + batch.size)
            ]
        damage = event(topic, base, KafkaError._BAD_MSG)
        if not batch.misleads:
            return [damage, damage]
        self._at[topic] = NOWHERE
        return [damage, event(topic, NOWHERE, KafkaError._NOT_IMPLEMENTED)]

    def poll(self, seconds: float) -> Message | None:
        """One event."""
        came = self.consume(1, seconds)
        return came[0] if came else None

    def get_watermark_offsets(self, place: TopicPartition, timeout: float) -> tuple[int, int]:
        """Log start and end."""
        del timeout
        return 0, self.broker.end(place.topic)

    def close(self) -> None:
        """Leave."""


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> PartitionZero:
    """Market sends what nobody can read between good rows; housing does not."""
    made = PartitionZero(
        market=[GOOD, MISLEADING, GOOD, DAMAGED, MISLEADING, GOOD, MISLEADING], housing=[GOOD] * 40
    )
    client = type("Here", (Client,), {"broker": made})
    for module in (kafka, kafka_copy, kafka_unreadable):
        monkeypatch.setattr(module, "Consumer", client)
    return made


UNREAD = {*range(3, 8), *range(11, 21), *range(24, 29)}
"""Market's offsets that cannot be read."""


def live(inputs: KafkaInputs, count: int, read: Sequence[InputRecord] = ()) -> list[InputRecord]:
    """What was read, and what comes until it is so many records of market's."""
    found = list(read)
    deadline = time.monotonic() + 5
    while len(of(found)) < count:
        assert time.monotonic() < deadline, of(found)
        found += inputs.consume(100, 0)
    return found


def of(records: Sequence[InputRecord], topic: str = TOPIC) -> dict[int, bool]:
    """Each offset of a topic that was handed over once, and whether it is a mark."""
    found = [
        (one.offset, is_unreadable(one.key, one.headers, one.value))
        for one in records
        if one.topic == topic
    ]
    assert len(dict(found)) == len(found)
    return dict(found)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 8, 150, 1_000, 1_000_000])
@pytest.mark.parametrize("into", [0, 1])
def test_the_end_of_a_batch_is_found_in_few_looks(count: int, into: int) -> None:
    """From its first record or from within: no offset too many, none too few."""
    looks: list[int] = []

    def look(offset: int) -> bool:
        looks.append(offset)
        return 40 <= offset < 40 + into + count

    assert how_far(look, 40 + into, 40) == (40 + into, 40 + into + count - 1)
    assert len(looks) <= 3 + 2 * count.bit_length()


def test_what_can_be_read_is_not_set_aside() -> None:
    """The error was of a moment."""
    assert how_far(lambda _offset: False, 40, 40) is None
    assert how_far(lambda offset: offset == 90, 40, 50) is None


def test_a_batch_that_lies_about_its_place_is_known_by_where_it_was_met() -> None:
    """One further on is believed only when it is there."""
    assert how_far(lambda offset: 40 <= offset < 45, 40, NOWHERE) == (40, 44)
    assert how_far(lambda offset: 50 <= offset < 55, 40, 50) == (50, 54)


@pytest.mark.usefixtures("broker")
def test_a_reading_to_the_end_passes_all_of_it_by() -> None:
    """Each offset once; what cannot be read is marked, or left out, and counted from 0 on."""
    counted: list[RecordsUnreadable] = []
    inputs = KafkaInputs(ACCESS, "test", report=counted.append, marks_unreadable=True)
    places = {(TOPIC, 0): 0, (OTHER, 0): 0}
    read = [record for batch in inputs.read_to_end(places) for record in batch]
    assert of(read) == {offset: offset in UNREAD for offset in range(29)}
    assert of(read, OTHER) == dict.fromkeys(range(120), False)
    assert counted[0].counts == {TOPIC: 0, OTHER: 0}
    assert sum(each.counts.get(TOPIC, 0) for each in counted) == len(UNREAD)
    plain = KafkaInputs(ACCESS, "test").read_to_end({(TOPIC, 0): 5})
    assert set(of([r for batch in plain for r in batch])) == set(range(5, 29)) - UNREAD


def test_what_comes_behind_the_end_is_another_time_s(broker: PartitionZero) -> None:
    """A partition that is read to the end it had waits for the others, and hands over no more."""
    broker.topics[TOPIC] = [GOOD]
    read = KafkaInputs(ACCESS, "test").read_to_end({(TOPIC, 0): 0, (OTHER, 0): 0})
    found = [record for _ in range(5) for record in next(read)]
    broker.topics[TOPIC] = [GOOD, GOOD, DAMAGED]
    found += [record for batch in read for record in batch]
    assert set(of(found)) == {0, 1, 2}
    assert len(of(found, OTHER)) == 120


@pytest.mark.usefixtures("broker")
def test_a_copy_passes_it_by_and_tells_each_batch() -> None:
    """What a backup leaves out, by its offsets."""
    told: list[Unreadable] = []

    def tell(found: Unreadable) -> None:
        assert len(told) < 4
        told.append(found)

    read = [r.offset for b in read_place(ACCESS, (TOPIC, 0), 0, 29, tell) for r in b]
    assert read == sorted(set(range(29)) - UNREAD)
    assert [(one.first, one.last) for one in told] == [(3, 7), (11, 15), (16, 20), (24, 28)]


def test_a_live_reader_goes_on_behind_it_wherever_its_client_was(broker: PartitionZero) -> None:
    """The neighbour is read meanwhile; an offset that is nowhere was the damaged batch's word."""
    counted: list[RecordsUnreadable] = []
    inputs = KafkaInputs(ACCESS, "test", report=counted.append, marks_unreadable=True)
    inputs.assign({(TOPIC, 0): 0, (OTHER, 0): 0})
    read = inputs.consume(100, 0) + inputs.consume(100, 0)  # the damage is met
    assert {offset for offset in of(read) if offset > 2} == set()
    read = live(inputs, 8, read)
    assert len(of(read, OTHER)) > 3
    broker.late = [event(TOPIC, NOWHERE, KafkaError._AUTO_OFFSET_RESET)]
    read = live(inputs, 29, read)
    read += [record for _ in range(30) for record in inputs.consume(100, 0)]
    assert of(read) == {offset: offset in UNREAD for offset in range(29)}
    assert counted[0].counts == {TOPIC: 0, OTHER: 0}
    assert sum(each.counts.get(TOPIC, 0) for each in counted) == len(UNREAD)
    inputs.close()


def test_an_offset_that_is_gone_is_the_broker_s_word(broker: PartitionZero) -> None:
    """Deleted under a reader: a reader that was put back once begins again."""
    inputs = KafkaInputs(ACCESS, "test")
    inputs.assign({(TOPIC, 0): NOWHERE})
    with pytest.raises(BrokerFailure):
        inputs.consume(100, 0)
    inputs.assign({(TOPIC, 0): 3})
    gone = event(TOPIC, 8, KafkaError._AUTO_OFFSET_RESET)
    live(inputs, 3)
    broker.topics[TOPIC] = [RecordBatch(8)]
    broker.late = [gone]
    assert inputs.consume(100, 0) == []
    broker.late = [gone]
    with pytest.raises(BrokerFailure):
        inputs.consume(100, 0)
    inputs.close()


@pytest.mark.usefixtures("broker")
def test_in_a_topic_that_must_be_whole_reading_ends() -> None:
    """Live and to the end alike, in the same words; nothing behind it is handed over."""
    inputs = KafkaInputs(ACCESS, "test", whole=TOPIC, marks_unreadable=True)
    with pytest.raises(IntegrityError, match="offsets 3 to 7 cannot be read"):
        list(inputs.read_to_end({(TOPIC, 0): 0}))
    inputs.assign({(TOPIC, 0): 0})
    with pytest.raises(IntegrityError, match="offsets 3 to 7 cannot be read"):
        live(inputs, 4)
    inputs.close()
