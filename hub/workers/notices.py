"""The notices follower: tells the case agents how records and clocks stand.

It follows the ledger and appends to `notices`, partition by partition. Its position is the last
notice it wrote: every notice says where the ledger is read on from, so notice and position cannot
part. Killed in between, it sends the same notices again under the same ids.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, closing
from typing import Final, Protocol

from hub.adapters.faults import EnvironmentFaults
from hub.adapters.kafka import KafkaInputs
from hub.adapters.kafka_appender import KafkaAppender
from hub.contracts import Contracts
from hub.core.notices import NEXT, encode_notice, headers_of, notices_of
from hub.core.record import decode_record
from hub.errors import IntegrityError
from hub.ports import FaultHooks, InputRecord, OutputRecord
from hub.post import Post
from hub.site import Site
from hub.workers.lives import FollowerWatch, live
from hub.workers.receipts import Appender, LedgerReader, Report

_BATCH: Final = 2_000
_POLL_SECONDS: Final = 0.2
_COMPRESSION: Final = "gzip"
"""Of what compresses well, the one that aiokafka, under Faust, reads without another library."""


class NoticeReader(LedgerReader, Protocol):
    """Reads the ledger on, and the end of `notices`; see `hub.ports.Inputs`."""

    def read_to_end(self, positions: Mapping[tuple[str, int], int]) -> Iterable[list[InputRecord]]:
        """Read each partition from here to the end it has now."""


class NoticesFollower:
    """Reads the ledger on and keeps the notices up with it."""

    def __init__(
        self,
        site: Site,
        contracts: Contracts,
        inputs: NoticeReader,
        appender: Appender,
        faults: FaultHooks,
        report: Report,
    ) -> None:
        self._ledger = site.topic("ledger")
        self._notices = site.topic("notices")
        self._partitions = range(site.partitions)
        self._targets = {target.number: target.id for target in site.targets}
        self._contracts = contracts
        self._inputs = inputs
        self._appender = appender
        self._faults = faults
        self._report = report

    def start(self) -> None:
        """Take up the position. Raises `IntegrityError` when the ledger is shorter than it."""
        bounds = self._inputs.bounds((self._ledger, p) for p in self._partitions)
        known = self._positions()
        for place, (_, end) in bounds.items():
            if known.get(place[1], 0) > end:
                raise IntegrityError(
                    "台账比通知主题记录的位置短：台账被重置或换过\n"
                    "the ledger is shorter than what the notices were made of: it was reset\n"
                    "处理办法：核对 KAFKA_BOOTSTRAP 与站点；确已换新，则通知主题也要换新\n"
                    "Remedy: check broker and site; a new ledger needs a new topic of notices"
                )
        self._inputs.assign({place: known.get(place[1], bounds[place][0]) for place in bounds})

    def _positions(self) -> dict[int, int]:
        """Where to read each partition of the ledger on from: what its last notice says."""
        ends = self._inputs.bounds((self._notices, p) for p in self._partitions)
        last = {place: end - 1 for place, (start, end) in ends.items() if end > start}
        known: dict[int, int] = {}
        if last:
            for batch in self._inputs.read_to_end(last):
                for record in batch:
                    known[record.partition] = int(dict(record.headers)[NEXT])
        return known

    def step(self) -> int:
        """Follow the next ledger records; return how many there were."""
        records = self._inputs.consume(_BATCH, _POLL_SECONDS)
        if records:
            self._faults.reached("after_consume")
            notices: list[OutputRecord] = []
            counts: Counter[str] = Counter()
            for record in records:
                notices += self._told(record, counts)
            half = len(notices) // 2
            self._faults.reached("before_flush")
            self._appender.append(notices[:half])
            self._faults.reached("before_commit")
            self._appender.append(notices[half:])
            self._faults.reached("after_commit")
            self._report("notices", counts)
        self._report("step", {"records": float(len(records))})
        return len(records)

    def _told(self, source: InputRecord, counts: Counter[str]) -> list[OutputRecord]:
        """The notices of one ledger record; only the last lets the position pass the record."""
        record = decode_record(source.value)
        notices = notices_of(source.partition, record, self._contracts, self._targets)
        counts.update(notice.event for notice in notices)
        last = len(notices) - 1
        return [
            OutputRecord(
                self._notices,
                source.partition,
                record.cause.key,
                encode_notice(notice),
                headers_of(notice, source.offset + (notice.number == last)),
            )
            for notice in notices
        ]


class NoticesWatch(FollowerWatch):
    """Turns what the follower reports into metrics and health."""

    def _count(self, event: str, numbers: Mapping[str, float]) -> None:
        if event == "notices":
            for name, number in numbers.items():
                self._metrics.notices.labels(name).inc(number)


def run_notices(post: Post, report: Report) -> None:
    """Follow the ledger until told to stop; the folder holds the lease alone.

    Starts again when the broker was away. Raises `FencedError` when another process follows on
    this machine, `IntegrityError` when the ledger is not the one that was followed.
    """
    site = post.loaded.site

    def follow() -> None:
        with ExitStack() as open_parts:
            inputs = KafkaInputs(post.access, f"{site.prefix}notices")
            open_parts.enter_context(closing(inputs))
            appender = open_parts.enter_context(closing(KafkaAppender(post.access, _COMPRESSION)))
            follower = NoticesFollower(
                site, post.contracts, inputs, appender, EnvironmentFaults(), report
            )
            follower.start()
            while not post.should_stop():
                follower.step()

    live(post, follow, report)
