"""Records of Kafka that cannot be read: how far they go, so that reading may go on behind them.

librdkafka reports a batch it cannot check, unpack or parse by the batch's first offset, wherever
in the batch the reading began, and then asks for it again without end. So of two offsets it can be
found out whether they lie in the same unreadable batch, and the batch's end by halving: some twenty
looks for a million records, and memory of one batch at a time. A look that brings nothing in time
counts as readable: too little is set aside then, and the rest with the next look. Never too much.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition

from hub.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from confluent_kafka import Message

    from hub.adapters.kafka.events import RecordsUnreadable
    from hub.runtime.metrics import Metrics

_log = logging.getLogger("hub.kafka")
_LOOK_SECONDS: Final = 5.0
"""How long the answer to one look is waited for."""
_POLL_SECONDS: Final = 0.5

Place = tuple[str, int]
"""Topic and partition."""

UNREADABLE_ERRORS: Final[Mapping[int, str]] = {
    KafkaError._BAD_COMPRESSION: "compression",  # noqa: SLF001 - librdkafka's names
    KafkaError._BAD_MSG: "checksum",  # noqa: SLF001
    KafkaError._UNDERFLOW: "form",  # noqa: SLF001
    KafkaError._NOT_IMPLEMENTED: "form",  # noqa: SLF001
    KafkaError.INVALID_MSG: "checksum",
    KafkaError.INVALID_MSG_SIZE: "size",
    KafkaError.MSG_SIZE_TOO_LARGE: "size",
}
"""Errors that concern records and not the broker, with the word for why."""


class Unreadable(NamedTuple):
    """Offsets of one partition that cannot be read, `last` included, and why in one word."""

    topic: str
    partition: int
    first: int
    last: int
    why: str


def count_unreadable(metrics: Metrics, worker: str, found: RecordsUnreadable) -> None:
    """Count records that a worker cannot read, by topic."""
    for topic, number in found.counts.items():
        metrics.unreadable_records.labels(worker, topic).inc(number)


def find_unreadable(
    settings: Mapping[str, Any], place: Place, following: int, met: Message
) -> Unreadable | None:
    """How far the records go that `met`, an error event, is about.

    `settings` are those of the consumer that met it, `following` the offset that it was to read
    next. None when reading can go on after all. Raises `KafkaException`.
    """
    error, base = met.error(), int(met.offset() or 0)
    if error is None:
        raise AssertionError("only errors are looked into")
    code = error.code()

    found = how_far(lambda at: _look(settings, place, at) == (code, base), following, base)
    if found is None:
        return None
    first, last = found
    why = UNREADABLE_ERRORS[code]
    _log.error(
        "记录无法读取，已按位置搁置并越过 / records cannot be read: set aside and passed by",
        extra={"topic": place[0], "partition": place[1], "offset": first,
               "count": last - first + 1, "reason": why},
    )  # fmt: skip
    return Unreadable(*place, first, last, why)


def how_far(
    is_unreadable: Callable[[int], bool], following: int, base: int
) -> tuple[int, int] | None:
    """First and last offset of the records that cannot be read; None where `following` can be.

    `base` is where the client says that they begin. Each question is a look at the broker: one for
    a single record, some twenty for a thousand.
    """
    # a damaged batch may lie about its own place
    first = base if base > following and is_unreadable(base) else following
    if first == following and not is_unreadable(following):
        return None
    last, step = first, 1
    while is_unreadable(last + step):
        last, step = last + step, step * 2
    while step > 1:
        step //= 2
        if is_unreadable(last + step):
            last += step
    return first, last


def not_whole(found: Unreadable) -> IntegrityError:
    """Message about records that cannot be read in a topic that must be whole."""
    return IntegrityError(
        f"主题 {found.topic} 分区 {found.partition} 的位移 {found.first}–{found.last} 无法读取"
        f"（{found.why}）\n"
        f"{found.topic}[{found.partition}]: offsets {found.first} to {found.last} cannot be read "
        f"({found.why})\n"
        "处理办法：台账缺一条也不能继续；检查 broker 的磁盘，由副本或备份恢复该分区\n"
        "Remedy: no ledger record may be missed: look at the broker's disk, and restore this "
        "partition from a replica or a backup"
    )


def _look(settings: Mapping[str, Any], place: Place, offset: int) -> tuple[int, int] | None:
    """Code and offset of the error that reading meets at this offset; None when there is none.

    Uses a new consumer each time: one with records in its queue would answer for another offset.
    """
    deadline = time.monotonic() + _LOOK_SECONDS
    consumer = Consumer({**settings, "enable.partition.eof": True}, logger=_log)
    try:
        consumer.assign([TopicPartition(*place, offset)])
        while time.monotonic() < deadline:
            message = consumer.poll(_POLL_SECONDS)
            if message is None:
                continue
            error = message.error()
            if error is None or error.code() not in UNREADABLE_ERRORS:
                return None
            return error.code(), int(message.offset() or 0)
        return None
    finally:
        consumer.close()
