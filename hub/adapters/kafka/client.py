"""Apache Kafka through confluent-kafka: transactions and group-less reading.

librdkafka 2.16 uses transaction protocol V1, in which a delayed EndTxn may complete a *later*
transaction; the work-around known upstream is to throw the producer away after any aborted, lost
or timed-out request (confluentinc/librdkafka issue 5423, KIP-890). So every failure here is a
`BrokerFailure`, after which only `retire` is allowed.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from confluent_kafka import (
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from hub.adapters.kafka.events import InputAge, RecordsUnreadable
from hub.adapters.kafka.unreadable import (
    UNREADABLE_ERRORS,
    Place,
    Unreadable,
    find_unreadable,
    not_whole,
)
from hub.errors import ConfigurationError, FencedError, HubError, UnavailableError
from hub.ports import InputRecord, unreadable_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from concurrent.futures import Future

    from hub.config.kafka_access import KafkaAccess
    from hub.ports import OutputRecord

_log = logging.getLogger("hub.kafka")
_INITIALISE_SECONDS = 30.0
_INITIALISE_SLICE_SECONDS = 2.0
_COMMIT_SECONDS = 12.0
_FOLD_SECONDS = 0.05
"""librdkafka waits so long for a *full* batch: the last one of a partition never is."""
_CAUGHT_UP_SECONDS = 1.0
"""A read that brings nothing may mean a slow broker; a second of them, that there is nothing."""
_METADATA_SECONDS = 5.0
_METADATA_TRIES = 10
_METADATA_PAUSE_SECONDS = 0.3
_FENCED_TIMES = 3
_FENCED_SECONDS = 300.0
"""Fenced more often than that, another process has this id: two owners would never stop fencing
each other, so this one ends."""
MESSAGE_LIMIT = 1024 * 1024 + 64 * 1024 + 16 * 1024
"""The ledger's limit (submissions' 1 MiB + 64 KiB), and room for the batch header."""
READER_LIMITS: Mapping[str, int] = {
    "fetch.message.max.bytes": MESSAGE_LIMIT,
    "fetch.max.bytes": 16 * 1024 * 1024,
    "receive.message.max.bytes": 32 * 1024 * 1024,
}
"""Limits of one read, and (the last) of how much one batch of zstd may unpack to: anything
larger cannot be read. For the other codecs librdkafka has no bound; topics that others write to are
uncompressed, so the broker has it (docs/adr/0024)."""
FETCH_AHEAD: Mapping[str, int] = {
    "queued.min.messages": 2_000,
    "queued.max.messages.kbytes": 32_768,
    "fetch.queue.backoff.ms": 5,
    "fetch.wait.max.ms": 50,
}
"""How far a reader fetches ahead. While its queue holds so much librdkafka pauses, by default for a
second: 2,000 records a partition and second."""
_LOOKERS = 2
"""Threads that find out how far unreadable records go; a reader has them only when it met some."""

_COMMON: dict[str, str | int | bool] = {
    "allow.auto.create.topics": False,
    "enable.metrics.push": False,
    "socket.timeout.ms": 10_000,
    "message.max.bytes": MESSAGE_LIMIT,
    "log.connection.close": False,
    # every fault reaches us as an error of a call; librdkafka's own lines would only repeat it
    "log_level": 2,
}


class BrokerFailure(UnavailableError):  # noqa: N818 - it names whose fault it is, as its siblings do
    """The broker refused, was lost or timed out; the transaction's fate is what the log says."""


class Refusals:
    """A refusal by the broker: repeating does not help, so the process ends and says so.

    A wrong password reaches a client only through its error callback, while its calls time out.
    """

    def __init__(self, access: KafkaAccess) -> None:
        self._access = access
        self._said = ""

    def note(self, error: KafkaError) -> None:
        """Take an error the client reports by itself (`error_cb`)."""
        is_lost = "transport" in error.str().lower()  # a connection that ended while authenticating
        if error.code() in _REFUSED and not is_lost:
            self._said = error.str()

    def check(self, error: KafkaError | None = None) -> None:
        """Raise `ConfigurationError` when this error, or one noted before, is a refusal."""
        if error is not None:
            self.note(error)
        if self._said:
            user = self._access.user or "(anonymous)"
            raise ConfigurationError(
                f"Kafka 拒绝用户 {user}：口令不符，或没有这项权限（{self._said}）",
                f"Kafka refuses user {user}: another password, or not its right ({self._said})",
                remedy_zh="由运维用 hub topics plan 查看缺少的用户与权限，再 hub topics apply；"
                "口令不符时核对 HUB_KAFKA_SECRETS 下的文件，或用 hub topics rotate 换新口令",
                remedy_en="the operator sees missing users and rights with hub topics plan, then "
                "hub topics apply; a wrong password: compare the file under HUB_KAFKA_SECRETS, or "
                "make a new one with hub topics rotate",
            )


class KafkaTransactions:
    """One transactional id; see `hub.ports.Transactions`.

    `transaction.timeout.ms` 15 s: a slot that dies blocks readers of its ledger no longer than
    that; a batch takes well under a second.
    """

    def __init__(self, access: KafkaAccess, transactional_id: str, **extra: str | int) -> None:
        self._refusals = Refusals(access)
        self._settings: dict[str, Any] = {
            **_COMMON,
            **access.as_librdkafka(),
            "error_cb": self._refusals.note,
            "transactional.id": transactional_id,
            "transaction.timeout.ms": 15_000,
            "message.timeout.ms": 8_000,
            "enable.idempotence": True,
            "acks": "all",
            "linger.ms": 5,
            "compression.type": "lz4",
            "queue.buffering.max.messages": 200_000,
            "queue.buffering.max.kbytes": 262_144,
            "batch.size": 1_000_000,
            "batch.num.messages": 50_000,
            **extra,
        }
        self._fenced: deque[float] = deque(maxlen=_FENCED_TIMES)
        self._producer: Producer | None = None
        self._expected = 0
        self._failed: KafkaError | None = None
        self._written: dict[tuple[str, int], int] = {}
        self._reported = 0

    def initialise(self) -> None:
        """Make a producer; fence the previous owner of this id."""
        self.retire()
        try:
            producer = Producer(self._settings, logger=_log)
            self._take_id(producer)
        except KafkaException as error:
            raise self._failure(error) from error
        self._producer = producer

    def _take_id(self, producer: Producer) -> None:
        """Wait for the id in slices: a refusal is only reported between them."""
        deadline = time.monotonic() + _INITIALISE_SECONDS
        while True:
            try:
                producer.init_transactions(_INITIALISE_SLICE_SECONDS)
            except KafkaException as error:
                self._refusals.check(fatal_error(producer))
                self._refusals.check(error.args[0])
                if not error.args[0].retriable() or time.monotonic() > deadline:
                    raise
            else:
                return

    def begin(self) -> None:
        """Open a transaction."""
        self._expected = self._reported = 0
        self._failed = None
        self._written = {}
        try:
            self._live().begin_transaction()
        except KafkaException as error:
            raise self._failure(error) from error

    def produce(self, records: Sequence[OutputRecord]) -> None:
        """Hand records to the client; a full queue is waited for, never dropped."""
        producer = self._live()
        report = self._report
        for topic, partition, key, value, headers in records:
            while True:
                try:
                    producer.produce(
                        topic, value or None, key, partition, report, report, 0,
                        list(headers) or None,
                    )  # fmt: skip
                    break
                except BufferError:
                    producer.poll(0.1)
                except KafkaException as error:
                    raise self._failure(error) from error
        self._expected += len(records)

    def flush(self) -> None:
        """Wait until every record produced so far is reported good; nothing is committed."""
        left = self._live().flush(_COMMIT_SECONDS)
        self._refusals.check(self._failed)
        if left or self._failed or self._reported != self._expected:
            raise BrokerFailure(_text(self._failed) or f"{left} records without a report")

    def commit(self) -> Mapping[tuple[str, int], int]:
        """Flush, check that every report arrived and is good, commit."""
        try:
            self.flush()
            self._live().commit_transaction(_COMMIT_SECONDS)
        except KafkaException as error:
            raise self._failure(error) from error
        return self._written

    def retire(self) -> None:
        """Throw the producer away; what was not committed will be ended by the next owner."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.purge(in_queue=True, in_flight=True, blocking=True)

    def _failure(self, error: KafkaException) -> HubError:
        """Translate a failed call; a producer that is fenced again and again ends this process."""
        cause = error.args[0]
        if isinstance(cause, KafkaError):
            if self._producer is not None:
                self._refusals.check(fatal_error(self._producer))
            self._refusals.check(cause)
        if isinstance(cause, KafkaError) and cause.code() in _FENCED:
            self._fenced.append(time.monotonic())
            if (
                len(self._fenced) == _FENCED_TIMES
                and self._fenced[-1] - self._fenced[0] < _FENCED_SECONDS
            ):
                return FencedError(
                    f"事务标识 {self._settings['transactional.id']} 反复被另一进程夺走\n"
                    f"{self._settings['transactional.id']} is taken by another process again and "
                    "again\n处理办法：停掉另一台机器上的同一工作进程\n"
                    "Remedy: stop the same worker on the other machine"
                )
        return BrokerFailure(_say(error))

    def _live(self) -> Producer:
        if self._producer is None:
            message = "no live producer: initialise first"
            raise BrokerFailure(message)
        return self._producer

    def _report(self, error: KafkaError | None, message: Message) -> None:
        self._reported += 1
        if error is not None:
            self._failed = error
            return
        place = _place_of(message)
        following = (message.offset() or 0) + 1
        if following > self._written.get(place, 0):
            self._written[place] = following


class OldestInput:
    """How long the oldest input has waited that a worker has not dealt with yet.

    It has waited since the time its producer gave it (a hub's own gives the real time, whatever
    the business clock says; a department's own may give that of an old event). When a whole second
    brought nothing the worker has caught up: a single empty read may only mean that the broker is
    slow.
    """

    def __init__(
        self,
        report: Callable[[InputAge], None],
        wall: Callable[[], float] = time.time,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`report` receives the age at every read."""
        self._report, self._wall, self._seconds = report, wall, seconds
        self._came_at = seconds()

    def note(self, messages: Sequence[Message]) -> None:
        """A read of inputs brought these."""
        came = [at for message in messages if (at := broker_time_of(message)) is not None]
        if came:
            self._came_at = self._seconds()
            age = max(0.0, self._wall() - min(came) / 1000)
            self._report(InputAge(age))
        elif self._seconds() - self._came_at > _CAUGHT_UP_SECONDS:
            self._report(InputAge(0.0))


class KafkaInputs:
    """Fixed partitions, committed records only, no consumer group; see `hub.ports.Inputs`.

    What cannot be read is set aside by its place, said in the log, counted, and passed by; its
    partition waits while it is found out how far that goes, the others are read on.
    """

    def __init__(
        self,
        access: KafkaAccess,
        name: str,
        waiting: OldestInput | None = None,
        /,
        *,
        report: Callable[[RecordsUnreadable], None] = lambda _found: None,
        whole: str = "",
        marks_unreadable: bool = False,
        settings: Mapping[str, str | int | bool] = MappingProxyType({}),
    ) -> None:
        """`waiting` receives the records of each `consume`.

        `report` receives how many records were set aside; first 0, so that a counter starts there.
        `whole` is a topic of which no record may be missed: one that cannot be read raises
        `IntegrityError`. With `marks_unreadable` each record that cannot be read is handed over as
        `hub.ports.unreadable_record`, else left out. `settings` are librdkafka's.
        """
        self._waiting = waiting
        self._report = report
        self._whole = whole
        self._marks_unreadable = marks_unreadable
        self._refusals = Refusals(access)
        self._settings: dict[str, Any] = {
            **_COMMON,
            **READER_LIMITS,
            **FETCH_AHEAD,
            **access.as_librdkafka(),
            "error_cb": self._refusals.note,
            # librdkafka insists on a group id of ours; nothing is ever joined or committed under it
            "group.id": f"{name}.reader",
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "isolation.level": "read_committed",
            "auto.offset.reset": "error",
            "fetch.error.backoff.ms": 50,
            "check.crcs": True,
            **settings,
        }
        self._consumer = Consumer(self._settings, logger=_log)
        self._ends_reached: dict[Place, int] = {}
        self._next: dict[Place, int] = {}
        """Where each partition is read on, behind what `consume` has handed over."""
        self._met: dict[Place, Message] = {}
        """Errors of this `consume`, one a partition, that concern records."""
        self._looking: dict[Place, Future[Unreadable | None]] = {}
        """Partitions that wait until it is known how far their unreadable records go."""
        self._passing: dict[Place, Iterator[InputRecord]] = {}
        """Partitions whose unreadable records are being handed over."""
        self._passed_by: set[Place] = set()
        """Partitions that are read on behind unreadable records."""
        self._misled: set[Place] = set()
        """Those of them where, in this `consume`, the client says that it was elsewhere before."""
        self._lookers: ThreadPoolExecutor | None = None

    def assign(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Read these partitions from these offsets on."""
        self._report(RecordsUnreadable({topic: 0 for topic, _ in positions}))
        self._ends_reached = {}
        self._next = dict(positions)
        self._met, self._looking, self._passing = {}, {}, {}
        self._passed_by, self._misled = set(), set()
        self._consumer.assign([TopicPartition(t, p, o) for (t, p), o in positions.items()])

    def consume(self, limit: int, timeout_seconds: float) -> list[InputRecord]:
        """Read up to `limit` records.

        Raises `BrokerFailure` on an error of the broker, `IntegrityError` where a record of the
        topic that must be whole cannot be read.
        """
        passed = self._pass_by(limit // 2) if self._looking or self._passing else []
        try:
            messages = self._consumer.consume(limit - len(passed), 0 if passed else timeout_seconds)
        except KafkaException as error:
            self._refusals.check(error.args[0])
            raise BrokerFailure(_say(error)) from error
        self._refusals.check()
        came = [message for message in messages if not self._is_empty(message)]
        if self._waiting is not None:
            self._waiting.note(came)
        records = [_to_input(message) for message in came]
        self._next.update({(one.topic, one.partition): one.offset + 1 for one in records})
        for place, message in self._met.items():
            self._set_aside(place, message)
        for place in self._misled - self._met.keys():
            self._consumer.incremental_unassign([TopicPartition(*place)])
            self._consumer.incremental_assign([TopicPartition(*place, self._next[place])])
        self._met, self._misled = {}, set()
        return passed + records

    def ends_reached(self) -> Mapping[tuple[str, int], int]:
        """The end each partition had when it was last read to its end, markers included.

        Only of a reader made with `enable.partition.eof`.
        """
        return self._ends_reached

    def pause(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Stop reading these partitions."""
        self._consumer.pause([TopicPartition(t, p) for t, p in partitions])

    def resume(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Read on; only what was paused."""
        self._consumer.resume([TopicPartition(t, p) for t, p in partitions])

    def read_to_end(self, positions: Mapping[tuple[str, int], int]) -> Iterator[list[InputRecord]]:
        """Read each partition to the end it has now; waits for the stable offset to reach it."""
        self._report(RecordsUnreadable({topic: 0 for topic, _ in positions}))
        ends = {place: bounds[1] for place, bounds in self.bounds(positions).items()}
        following = {place: at for place, at in positions.items() if at < ends[place]}
        try:
            while following:
                yield from self._read_until_unreadable(following, ends)
        except KafkaException as error:
            raise BrokerFailure(_say(error)) from error

    def _read_until_unreadable(
        self, following: dict[Place, int], ends: Mapping[Place, int]
    ) -> Iterator[list[InputRecord]]:
        """Read to the ends, or behind the first records that cannot be read.

        There the client is done with: it may follow what a damaged batch says of itself.
        """
        consumer = Consumer({**self._settings, "enable.partition.eof": True}, logger=_log)
        try:
            consumer.assign([TopicPartition(t, p, at) for (t, p), at in following.items()])
            while following:
                batch: list[InputRecord] = []
                for message in consumer.consume(10_000, _FOLD_SECONDS):
                    place = _place_of(message)
                    error = message.error()
                    if place in ends and place not in following:
                        continue  # it has been read to its end
                    if error is None:
                        batch.append(_to_input(message))
                        following[place] = batch[-1].offset + 1
                    elif error.code() in UNREADABLE_ERRORS:
                        yield batch
                        yield from _in_parts(self._passed(place, following, message))
                        return
                    elif error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's name
                        self._refusals.check(error)
                        raise BrokerFailure(error.str())
                    elif (message.offset() or 0) >= ends[place]:
                        following.pop(place, None)
                if batch:
                    yield batch
        finally:
            consumer.close()

    # --- what cannot be read ---

    def _passed(
        self, place: Place, following: dict[Place, int], met: Message
    ) -> Iterator[InputRecord]:
        """Let a reading to the end go on behind what it cannot read, and say what that is."""
        found = find_unreadable(self._settings, place, following[place], met)
        if found is None:
            return iter(())
        following[place] = found.last + 1
        return self._records_of(found)

    def _records_of(self, found: Unreadable) -> Iterator[InputRecord]:
        """Count it; return what is handed over of it.

        Raises `IntegrityError` in the topic that must be whole.
        """
        self._report(RecordsUnreadable({found.topic: found.last - found.first + 1}))
        if found.topic == self._whole:
            raise not_whole(found)
        if not self._marks_unreadable:
            return iter(())
        mark = partial(unreadable_record, found.topic, found.partition, why=found.why)
        return map(mark, range(found.first, found.last + 1))

    def _set_aside(self, place: Place, met: Message) -> None:
        """Let one partition wait, and find out how far what it cannot read goes."""
        self._consumer.incremental_unassign([TopicPartition(*place)])
        if self._lookers is None:
            self._lookers = ThreadPoolExecutor(_LOOKERS, "unreadable")
        self._looking[place] = self._lookers.submit(
            find_unreadable, self._settings, place, self._next[place], met
        )

    def _pass_by(self, limit: int) -> list[InputRecord]:
        """Hand over the unreadable record's placeholder, then read its partition on behind it."""
        for place, future in list(self._looking.items()):
            if not future.done():
                continue
            del self._looking[place]
            try:
                found = future.result()
            except KafkaException as error:
                raise BrokerFailure(_say(error)) from error
            self._passing[place] = self._records_of(found) if found is not None else iter(())
            if found is not None:
                self._next[place] = found.last + 1
        passed: list[InputRecord] = []
        for place, records in list(self._passing.items()):
            passed += islice(records, limit - len(passed))
            if len(passed) < limit:
                del self._passing[place]
                self._passed_by.add(place)
                self._consumer.incremental_assign([TopicPartition(*place, self._next[place])])
        return passed

    def _waits(self, message: Message) -> bool:
        """Whether its partition waits behind something unreadable."""
        place = _place_of(message)
        return place in self._met or place in self._looking or place in self._passing

    def bounds(
        self, partitions: Iterable[tuple[str, int]]
    ) -> dict[tuple[str, int], tuple[int, int]]:
        """Log start and end (high watermark) of each partition."""
        return {place: self._watermarks(place) for place in partitions}

    def _watermarks(self, place: tuple[str, int]) -> tuple[int, int]:
        """Of one partition; a topic made a moment ago may need a few tries to find its leader."""
        topic, partition = place
        for left in reversed(range(_METADATA_TRIES)):
            try:
                low, high = self._consumer.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=_METADATA_SECONDS
                )
            except (KafkaException, TypeError) as error:
                if not left:
                    self._refusals.check(self._metadata_error(topic))
                    message = f"{topic}[{partition}]: no watermarks from the broker"
                    raise BrokerFailure(message) from error
                if self._consumer.assignment():
                    time.sleep(_METADATA_PAUSE_SECONDS)  # a poll would swallow what is being read
                else:
                    self._consumer.poll(_METADATA_PAUSE_SECONDS)  # serves what the broker refuses
            else:
                return low, high
        raise AssertionError

    def _metadata_error(self, topic: str) -> KafkaError | None:
        """Return the broker's description of a topic; asking for its watermarks does not tell."""
        try:
            found = self._consumer.list_topics(topic, timeout=_METADATA_SECONDS).topics[topic]
        except KafkaException as error:
            return _code_of(error)
        said: KafkaError | None = found.error
        return said

    def _is_empty(self, message: Message) -> bool:
        """An error event; transient ones are skipped, the rest raise."""
        error = message.error()
        if error is None:  # what a client still had of a partition that waits comes again
            return bool(self._met or self._looking or self._passing) and self._waits(message)
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - librdkafka's name
            place = _place_of(message)
            self._ends_reached[place] = int(message.offset() or 0)
            return True
        if error.code() in _PASSING:
            return True
        if self._waits(message):
            return True
        place = _place_of(message)
        if error.code() in UNREADABLE_ERRORS:
            self._met[place] = message
            return True
        if error.code() == KafkaError._AUTO_OFFSET_RESET and place in self._passed_by:  # noqa: SLF001
            # once: it followed what a damaged batch said of itself; twice: the offset is gone
            self._passed_by.remove(place)
            self._misled.add(place)
            return True
        self._refusals.check(error)
        raise BrokerFailure(error.str())

    def close(self) -> None:
        """Leave; nothing is committed."""
        if self._lookers is not None:
            self._lookers.shutdown(cancel_futures=True)
        self._consumer.close()


_FENCED = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001 - librdkafka's name
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)
_REFUSED = frozenset(
    {
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's name
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    }
)
_PASSING = frozenset(
    {
        KafkaError._TRANSPORT,  # noqa: SLF001 - librdkafka's names
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
    }
)


def _place_of(message: Message) -> Place:
    return message.topic() or "", message.partition() or 0


def _in_parts(records: Iterator[InputRecord]) -> Iterator[list[InputRecord]]:
    """In lists of some thousand: a batch may hold millions."""
    while part := list(islice(records, 10_000)):
        yield part


def _to_input(message: Message) -> InputRecord:
    try:
        headers = message.headers()
    except (SystemError, UnicodeDecodeError):  # a name that is no UTF-8: the client cannot read it
        headers = None
    return InputRecord(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.key() or b"",
        # a list first, which is faster than asking a generator
        tuple([(name, value or b"") for name, value in headers]) if headers else (),  # type: ignore[misc, str-unpack] # bytes values, as produced; a null one is empty
        message.value() or b"",
    )


def broker_time_of(message: Message) -> int | None:
    """Kafka timestamp in milliseconds, real time; for measuring only, nothing is decided by it."""
    kind, value = message.timestamp()
    return None if kind == TIMESTAMP_NOT_AVAILABLE else value


def fatal_error(producer: Producer) -> KafkaError | None:
    """Return the error of a producer that no longer works; polling yields it, or raises."""
    try:
        producer.poll(0)
    except KafkaException as error:
        return _code_of(error)
    return None


def _code_of(error: Exception) -> KafkaError | None:
    cause = error.args[0] if error.args else None
    return cause if isinstance(cause, KafkaError) else None


def _text(error: KafkaError | None) -> str:
    return "" if error is None else error.str()


def _say(error: KafkaException) -> str:
    cause = error.args[0]
    return cause.str() if isinstance(cause, KafkaError) else str(error)
