"""Copies of topics: read as they are, written again at the same offsets.

Unlike `kafka.py` this keeps what readers of the hub never look at, and a copy must have: the time
of a record, and whether a key or value was absent (a tombstone) or empty.
"""

from __future__ import annotations

import logging
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from hub.adapters.kafka.client import MESSAGE_LIMIT, READER_LIMITS, BrokerFailure, KafkaInputs
from hub.adapters.kafka.unreadable import UNREADABLE_ERRORS, Unreadable, find_unreadable
from hub.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from hub.config.kafka_access import KafkaAccess

_log = logging.getLogger("hub.kafka")
_AT_ONCE = 5_000
_PATIENCE_SECONDS = 60.0
_FLUSH_SECONDS = 60.0
_INITIALISE_SECONDS = 30.0

Place = tuple[str, int]
"""Topic and partition."""


class StoredRecord(NamedTuple):
    """One record as it lies in a topic; `timestamp` in milliseconds, None where there is none."""

    offset: int
    timestamp: int | None
    key: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    value: bytes | None


def read_place(
    access: KafkaAccess, place: Place, start: int, end: int,
    tell: Callable[[Unreadable], object] = lambda _found: None,
) -> Iterator[list[StoredRecord]]:  # fmt: skip
    """Read committed records of one partition from `start` up to `end`, in batches.

    Waits until the stable offset has reached `end`; `tell` receives what cannot be read and is
    left out. Raises `BrokerFailure`.
    """
    settings: dict[str, Any] = {
        **READER_LIMITS, **access.as_librdkafka(),
        "group.id": "hub.backup", "enable.auto.commit": False,
        "isolation.level": "read_committed", "auto.offset.reset": "error", "check.crcs": True,
        "enable.partition.eof": True, "queued.max.messages.kbytes": 65_536,
    }  # fmt: skip
    following = start
    try:
        while following < end:
            with closing(Consumer(settings, logger=_log)) as consumer:
                consumer.assign([TopicPartition(*place, following)])
                met: list[Message] = []  # such a client is done with, as in `kafka.py`
                while following < end and not met:
                    batch, following = _read_on(consumer, following, end, met)
                    if batch:
                        yield batch
            for message in met:
                found = find_unreadable(settings, place, following, message)
                if found is not None:
                    tell(found)
                    following = found.last + 1
    except KafkaException as error:
        raise BrokerFailure(str(error)) from error


def _read_on(
    consumer: Consumer, following: int, end: int, met: list[Message]
) -> tuple[list[StoredRecord], int]:
    """The next records before `end`, and where it goes on; into `met` what cannot be read there."""
    batch = []
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not (messages := consumer.consume(_AT_ONCE, 0.2)):
        if time.monotonic() > deadline:
            message_text = f"the stable offset stays at {following} and does not reach {end}"
            raise BrokerFailure(message_text)
    for message in messages:
        error, offset = message.error(), message.offset() or 0
        if error is None:
            if offset < end:
                batch.append(_stored(message))
            following = offset + 1
        elif error.code() in UNREADABLE_ERRORS:
            met.append(message)
            break
        elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's name
            following = max(following, offset)
        else:
            raise BrokerFailure(error.str())
    return batch, following


def _stored(message: Message) -> StoredRecord:
    kind, timestamp = message.timestamp()
    try:
        headers = message.headers() or []
    except (SystemError, UnicodeDecodeError):  # a name that is no UTF-8, as in `kafka.py`
        headers = []
    return StoredRecord(
        message.offset() or 0,
        None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp,
        message.key(),
        tuple((name, value or b"") for name, value in headers),  # type: ignore[misc, str-unpack] # bytes values, as produced
        message.value(),
    )


class KafkaRewriter:
    """Writes records to empty partitions so that each comes to lie at the offset it had.

    Every report is compared with the offset that was expected: any other writer there is
    noticed at once (`IntegrityError`).
    """

    def __init__(self, access: KafkaAccess, transactional_id: str) -> None:
        settings: dict[str, Any] = {
            **access.as_librdkafka(), "enable.idempotence": True, "acks": "all", "linger.ms": 5,
            "compression.type": "lz4", "message.max.bytes": MESSAGE_LIMIT,
            "queue.buffering.max.messages": 200_000, "allow.auto.create.topics": False,
            "log_level": 2,
        }  # fmt: skip
        self._plain = Producer(settings, logger=_log)
        self._transactional = Producer(
            {**settings, "transactional.id": transactional_id}, logger=_log
        )
        self._inputs = KafkaInputs(access, "hub.restore")
        self._ends: dict[Place, int] = {}
        self._fault = self._failed = ""
        try:
            self._transactional.init_transactions(_INITIALISE_SECONDS)
        except KafkaException as error:
            raise BrokerFailure(str(error)) from error

    def begin(self, places: Sequence[Place]) -> None:
        """Take these partitions, which must be empty (`IntegrityError`)."""
        for place, (start, end) in self._inputs.bounds(places).items():
            if end:
                raise IntegrityError(
                    f"主题 {place[0]} 分区 {place[1]} 不是空的（{start}–{end}）\n"
                    f"{place[0]}[{place[1]}] is not empty ({start} to {end})\n"
                    "处理办法：恢复到一个没有这些主题的 broker\n"
                    "Remedy: restore to a broker that has none of these topics' records"
                )
            self._ends[place] = 0

    def plain(self, records: Mapping[Place, Sequence[StoredRecord]]) -> None:
        """Write without a transaction; waits first until markers written before are there."""
        self._await_ends(records)
        self._produce(self._plain, records)

    def committed(self, records: Mapping[Place, Sequence[StoredRecord]]) -> None:
        """Write in one transaction and commit it: one unseen offset follows in each partition."""
        self._in_transaction(records, commits=True)

    def aborted(self, counts: Mapping[Place, int]) -> None:
        """Fill so many offsets, and one more, with records that are never read."""
        filler = StoredRecord(0, None, None, (), None)
        self._in_transaction({p: [filler] * count for p, count in counts.items()}, commits=False)

    def close(self) -> None:
        """Leave."""
        self._inputs.close()

    def _in_transaction(
        self, records: Mapping[Place, Sequence[StoredRecord]], *, commits: bool
    ) -> None:
        try:
            self._transactional.begin_transaction()
            self._produce(self._transactional, records)
            if commits:
                self._transactional.commit_transaction(_FLUSH_SECONDS)
            else:
                self._transactional.abort_transaction(_FLUSH_SECONDS)
        except KafkaException as error:
            raise BrokerFailure(str(error)) from error
        for place in records:
            self._ends[place] += 1

    def _produce(self, producer: Producer, records: Mapping[Place, Sequence[StoredRecord]]) -> None:
        for (topic, partition), stored in records.items():
            for record in stored:
                while True:
                    try:
                        producer.produce(
                            topic, record.value, record.key, partition, self._report, self._report,
                            record.timestamp or 0, list(record.headers) or None,
                        )  # fmt: skip
                        break
                    except BufferError:
                        producer.poll(0.1)
        left = producer.flush(_FLUSH_SECONDS)
        if self._fault:
            raise IntegrityError(self._fault)
        if left or self._failed:
            raise BrokerFailure(self._failed or f"{left} records without a report")

    def _report(self, error: KafkaError | None, message: Message) -> None:
        place = (str(message.topic()), int(message.partition() or 0))
        if error is not None:
            self._failed = self._failed or error.str()
            return
        expected, self._ends[place] = self._ends[place], self._ends[place] + 1
        if message.offset() != expected and not self._fault:
            self._fault = (
                f"主题 {place[0]} 分区 {place[1]}：记录落在位移 {message.offset()}，"
                f"应为 {expected}\n"
                f"{place[0]}[{place[1]}]: a record came to lie at {message.offset()}, "
                f"expected {expected}\n"
                "处理办法：有别的进程在写该主题；停止它，换一个空的 broker 重新恢复\n"
                "Remedy: something else writes there: stop it, restore anew to an empty broker"
            )

    def _await_ends(self, places: Mapping[Place, object]) -> None:
        """The broker writes a transaction's markers a moment after it has answered."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        waiting = set(places)
        while waiting:
            bounds = self._inputs.bounds(waiting)
            waiting = {place for place in waiting if bounds[place][1] < self._ends[place]}
            if time.monotonic() > deadline:
                message = f"markers do not arrive: {sorted(waiting)[:3]}"
                raise BrokerFailure(message)
