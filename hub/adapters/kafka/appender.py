"""Appending to Kafka without a transaction: for followers, whose messages carry ids of their own.

Used where a repetition is harmless (receipts, notices): the position is kept elsewhere, and after
a crash the same messages with the same ids are sent again.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from hub.adapters.kafka.client import MESSAGE_LIMIT, BrokerFailure, Refusals, fatal_error

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.config.kafka_access import KafkaAccess
    from hub.ports import OutputRecord

_log = logging.getLogger("hub.kafka")
_FLUSH_SECONDS = 15.0


class KafkaAppender:
    """An idempotent producer; after a `BrokerFailure` make a new one."""

    def __init__(self, access: KafkaAccess, compression: str = "lz4") -> None:
        self._refusals = Refusals(access)
        self._producer = Producer(
            {
                **access.as_librdkafka(),
                "error_cb": self._refusals.note,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 5,
                "compression.type": compression,
                "message.timeout.ms": 10_000,
                "message.max.bytes": MESSAGE_LIMIT,
                "queue.buffering.max.messages": 50_000,
                "queue.buffering.max.kbytes": 65_536,
                "allow.auto.create.topics": False,
                "enable.metrics.push": False,
                "log.connection.close": False,
            },
            logger=_log,
        )
        self._failed: KafkaError | None = None

    def append(self, records: Sequence[OutputRecord]) -> None:
        """Send and wait until every record is on the broker.

        Raises `BrokerFailure`; then some may be there and some not.
        """
        for topic, partition, key, value, headers in records:
            while True:
                try:
                    self._producer.produce(
                        topic, value, key, partition, self._report, self._report, 0, list(headers)
                    )
                    break
                except BufferError:
                    self._producer.poll(0.1)
                except KafkaException as error:
                    self._refusals.check(fatal_error(self._producer))
                    self._refusals.check(error.args[0])
                    raise BrokerFailure(str(error)) from error
        left = self._producer.flush(_FLUSH_SECONDS)
        self._refusals.check(self._failed)
        if left or self._failed:
            said = self._failed.str() if self._failed else f"{left} records without a report"
            raise BrokerFailure(said)

    def close(self) -> None:
        """Drop what was not sent."""
        self._producer.purge(in_queue=True, in_flight=True, blocking=True)

    def _report(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._failed = error
