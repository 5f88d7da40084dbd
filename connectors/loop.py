"""The loop of every connector: read, submit, remember, in one Kafka transaction.

Committed together are the submissions, the position in the source, and the number of
the last submission in the stream. State is only what the cursor topic says after
`init_transactions`; the state folder holds the lease and a mark to notice a topic that was reset.

A transaction over several partitions can be torn by a delayed EndTxn (librdkafka uses
transaction protocol V1, KIP-890). So a batch's rows are on the broker, reported good, before its
cursor is written: what is torn is then sent again under the same numbers, which the registrar
answers as duplicates, and is never skipped. Two things make that safe:

- A number never carries two rows. So a batch *with submissions* is a function of the cursors and
  the sequence alone. A source that can change under us (a live table) first commits the rows it
  intends, as read, in a batch without submissions, and then submits those and no others.
- The stream's entry is the first of the cursor entries: a torn transaction may show any number of
  them from the front, and a number that may be in use is then known to be.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from connectors.events import (
    FileFinished,
    FileResult,
    Polled,
    Report,
    RowsSubmitted,
    TableCompared,
)
from connectors.submission import OutgoingSubmission
from hub.domain.backoff import backoff
from hub.domain.partitioning import partition_of
from hub.errors import SourceError, UnavailableError
from hub.io.paths import open_file, replace_file
from hub.ports import (
    EngineClock,
    FaultHooks,
    InputRecord,
    Lease,
    OutputRecord,
)

CURSOR_PARTITION: Final = 0
STREAM_KEY: Final = "stream"
_FIRST_WAIT_SECONDS: Final = 0.5
_LONGEST_WAIT_SECONDS: Final = 8.0

_log = logging.getLogger("hub.connector")

CursorTexts = dict[str, dict[str, object]]
"""A source's memory: key -> JSON object."""

CursorChanges = Mapping[str, Mapping[str, object] | None]
"""Changes of the entries, in this order; None takes one away (a tombstone)."""


class FlushedTransactions(Protocol):
    """A transactional producer whose `flush` waits for good reports; see `hub.ports`."""

    def initialise(self) -> None:
        """Fence the predecessor and end its open transaction."""

    def begin(self) -> None:
        """Open a transaction."""

    def produce(self, records: list[OutputRecord]) -> None:
        """Hand records to the client."""

    def flush(self) -> None:
        """Wait until everything produced is reported good; raises `UnavailableError`."""

    def commit(self) -> object:
        """Commit; raises `UnavailableError` when the outcome is not certain."""

    def retire(self) -> None:
        """Throw the producer away."""


class CursorReader(Protocol):
    """Reads the cursor topic to its end, committed records only."""

    def bounds(
        self, partitions: Iterable[tuple[str, int]]
    ) -> dict[tuple[str, int], tuple[int, int]]:
        """Log start and end of each partition."""

    def read_to_end(self, positions: Mapping[tuple[str, int], int]) -> Iterable[list[InputRecord]]:
        """Read from these positions to the end there is now."""


class BusinessTime(Protocol):
    """Tells the time a submission carries; see `hub.ports.BusinessClock`."""

    def now(self) -> int:
        """Business time in milliseconds since the epoch."""


class Batch(NamedTuple):
    """Content of one transaction: submissions in order, and the cursor entries they lead to."""

    submissions: tuple[OutgoingSubmission, ...]
    cursors: CursorChanges
    finished: FileResult | None = None
    """When this batch ends a file."""
    compared: TableCompared | None = None
    """When this batch ends a comparison."""


class Source(Protocol):
    """One source system. It forgets what was not committed: `restore` is the only truth."""

    def restore(self, cursors: CursorTexts) -> None:
        """Take up what the cursor topic says; raises `SourceError` when the source was reset."""

    def next_batch(self, sequence: int) -> Batch | None:
        """Return what comes next, its first submission numbered `sequence`; None when idle.

        Equal cursors and sequence give an equal batch whenever it carries submissions; what
        carries none may differ. Raises `SourceError`, or `UnavailableError` to be tried again.
        """

    def committed(self) -> None:
        """Take note that the last batch is committed."""


@dataclass(frozen=True, slots=True)
class LoopPorts:
    """Ports of the loop."""

    transactions: FlushedTransactions
    cursors: CursorReader
    lease: Lease
    business_clock: BusinessTime
    engine_clock: EngineClock
    faults: FaultHooks


@dataclass(frozen=True, slots=True)
class Route:
    """Names of one connector: its stream (`<department>/<source>`) and topics, partition count."""

    stream: str
    submissions_topic: str
    cursors_topic: str
    partitions: int


class Agent:
    """One connector at work."""

    def __init__(
        self,
        route: Route,
        source: Source,
        ports: LoopPorts,
        state_folder: Path,
        report: Report = lambda _event: None,
    ) -> None:
        self._route = route
        self._source = source
        self._ports = ports
        self._report = report
        self._mark = state_folder / "committed.json"
        self._sequence = 0
        self._epoch = 0
        self.submitted = 0
        """Submissions committed by this process."""

    @property
    def sequence(self) -> int:
        """Number of the last committed submission of the stream."""
        return self._sequence

    def start(self) -> None:
        """Fence the predecessor, then learn from the cursor topic where it stopped.

        Raises `FencedError` (another process), `UnavailableError` (broker) or `SourceError`.
        """
        ports = self._ports
        ports.lease.take()
        ports.faults.reached("after_lease")
        ports.transactions.initialise()
        ports.faults.reached("after_init")
        cursors = self._read_cursors()
        stream = cursors.pop(STREAM_KEY, {})
        self._sequence = _number(stream, "sequence")
        self._epoch = _number(stream, "epoch") + 1
        self._refuse_a_reset_topic()
        self._source.restore(cursors)
        _log.info("connector started", extra={"sequence": self._sequence, "epoch": self._epoch})

    def step(self) -> bool:
        """Submit one batch in one transaction; False when the source has nothing to submit."""
        batch = self._source.next_batch(self._sequence + 1)
        self._report(Polled(batch is not None))
        if batch is None:
            return False
        ports = self._ports
        ports.faults.reached("after_consume")
        ports.transactions.begin()
        ports.faults.reached("after_begin")
        last = self._sequence + len(batch.submissions)
        records = self._records(batch.submissions)
        half = len(records) // 2
        ports.transactions.produce(records[:half])
        ports.faults.reached("mid_produce")
        ports.transactions.produce(records[half:])
        ports.faults.reached("before_flush")
        if records:
            ports.transactions.flush()
        stream = {"stream": self._route.stream, "sequence": last, "epoch": self._epoch}
        ports.transactions.produce(
            [
                self._cursor(key, value)
                for key, value in {STREAM_KEY: stream, **batch.cursors}.items()
            ]
        )
        ports.faults.reached("before_commit")
        ports.transactions.commit()
        ports.faults.reached("after_commit")
        self._sequence = last
        self.submitted += len(records)
        self._write_mark()
        self._source.committed()
        self._report(RowsSubmitted(Counter(each.kind for each in batch.submissions)))
        if batch.finished is not None:
            self._report(FileFinished(batch.finished))
        if batch.compared is not None:
            self._report(batch.compared)
        return True

    def run(self, *, stop: Callable[[], bool], poll_seconds: float = 1.0) -> None:
        """Work until `stop`; after any failure of the broker: retire, start again.

        Raises `FencedError` and `SourceError`: those a person must look at.
        """
        failures = 0
        try:
            while not stop():
                try:
                    self.start()
                    while not stop():
                        if not self.step():
                            self._ports.engine_clock.sleep(poll_seconds)
                        failures = 0
                except UnavailableError as error:
                    wait = backoff(_FIRST_WAIT_SECONDS, failures, _LONGEST_WAIT_SECONDS)
                    failures += 1
                    _log.warning("starting again", extra={"reason": str(error), "seconds": wait})
                    self._ports.transactions.retire()
                    self._ports.engine_clock.sleep(wait)
        finally:
            self.close()

    def close(self) -> None:
        """Give up the producer and the lease."""
        self._ports.transactions.retire()
        self._ports.lease.release()

    def _read_cursors(self) -> CursorTexts:
        place = (self._route.cursors_topic, CURSOR_PARTITION)
        start, _ = self._ports.cursors.bounds([place])[place]
        cursors: CursorTexts = {}
        for records in self._ports.cursors.read_to_end({place: start}):
            for record in records:
                self._ports.faults.reached("in_restore")
                if record.value:
                    cursors[record.key.decode()] = json.loads(record.value)
                else:
                    cursors.pop(record.key.decode(), None)
        return cursors

    def _refuse_a_reset_topic(self) -> None:
        """Stop when this machine has committed more than the cursor topic remembers.

        Starting from an older position would give old numbers to new rows, and the registrar
        would take those rows for repetitions.
        """
        known = read_whole(self._mark).get("sequence", 0)
        if isinstance(known, int) and self._sequence < known:
            raise SourceError(
                f"游标主题 {self._route.cursors_topic} 丢失或被重置："
                f"本机已提交到第{known}条，主题只记得第{self._sequence}条\n"
                f"the cursor topic was lost or reset: {known} committed here, "
                f"{self._sequence} on record\n"
                "处理办法：恢复该主题；确认整条报送流作废后，换用新的来源名称，不要删除本机记录\n"
                "Remedy: restore the topic; if the stream is truly gone, give the source a new name"
            )

    def _write_mark(self) -> None:
        write_whole(self._mark, json.dumps({"sequence": self._sequence}))

    def _records(self, submissions: tuple[OutgoingSubmission, ...]) -> list[OutputRecord]:
        route = self._route
        source = route.stream.encode()
        now = _rfc3339(self._ports.business_clock.now()).encode()
        return [
            OutputRecord(
                route.submissions_topic,
                partition_of(each.key, route.partitions),
                each.key,
                each.value,
                (
                    ("ce_specversion", b"1.0"),
                    ("ce_type", each.kind.encode()),
                    ("ce_source", source),
                    ("ce_id", b"%d" % number),
                    ("ce_time", now),
                    ("hub_position", each.position.encode()),
                    *_version_headers(each),
                ),
            )
            for number, each in enumerate(submissions, start=self._sequence + 1)
        ]

    def _cursor(self, key: str, value: Mapping[str, object] | None) -> OutputRecord:
        text = "" if value is None else json.dumps(value, sort_keys=True, separators=(",", ":"))
        return OutputRecord(
            self._route.cursors_topic, CURSOR_PARTITION, key.encode(), text.encode(), ()
        )


def write_whole(path: Path, text: str) -> None:
    """Write a small file so that it is never read half written; its content is in Kafka, too.

    Raises `UnavailableError` when the disk is full or gone: nothing is lost, start again later.
    """
    try:
        replace_file(path, text.encode(), durable=False)
    except OSError as error:
        raise UnavailableError(
            f"无法写入 {path.parent}：{error.strerror}；腾出空间或恢复磁盘后自动继续\n"
            f"cannot write to {path.parent}: {error.strerror}; goes on by itself once it can"
        ) from error


def read_whole(path: Path) -> dict[str, object]:
    """Read a small file of a worker's own; empty when it is not there, or a power cut left none.

    The content of such a file is in Kafka, too: a lost one costs work, not correctness.
    """
    try:
        with open_file(path) as file:
            found = json.loads(file.read())
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        _log.warning("本机记录已损坏，视为不存在 / a file of our own is damaged: taken as lost")
        return {}
    return found


def _number(entry: Mapping[str, object], key: str) -> int:
    value = entry.get(key, 0)
    if not isinstance(value, int):
        raise SourceError(f"游标记录损坏 / a cursor entry is damaged: {key}")
    return value


def _version_headers(submission: OutgoingSubmission) -> tuple[tuple[str, bytes], ...]:
    """The source's order and, with it alone, its status: else nothing says which is newer."""
    if not submission.source_version:
        return ()
    version = ("hub_source_version", submission.source_version.encode())
    if not submission.stated_status:
        return (version,)
    return version, ("hub_stated_status", submission.stated_status.encode())


def _rfc3339(milliseconds: int) -> str:
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
