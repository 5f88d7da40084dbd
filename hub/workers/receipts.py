"""The receipts follower: tells each department what became of every row it sent.

It follows the ledger from its own position and writes three things: a message per answer to
`receipts.<department>` (ids are made of the ledger's coordinates, so a repetition is recognised),
its book, and the result files. Book and position move together after the messages are on the
broker; killed in between, it sends the same messages again.
"""

import json
import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from hub.adapters.faults import EnvironmentFaults
from hub.adapters.head_files import HeadFile, append_anchors
from hub.adapters.kafka.appender import KafkaAppender
from hub.adapters.kafka.client import KafkaInputs, OldestInput
from hub.adapters.receipt_book import (
    MOVED_ZH,
    Held,
    News,
    Reasons,
    ReceiptBook,
    RecordNews,
    Reminder,
    Settled,
    StoredAnswer,
)
from hub.config.site import LoadedSite, Site
from hub.contracts import Contracts
from hub.core.keys import GENESIS, Head
from hub.core.ledger_end import LedgerEndError, continued
from hub.core.record import NO_KEY, PRIMARY, LedgerRecord, Outcome, decode_record
from hub.core.state import Clock, ClockFlag, ClockKind, RecordState, Stage, StageCode, Status
from hub.domain import kinds
from hub.domain.dates import day_of_ms
from hub.domain.positions import MAX_LINES, MAX_SHEETS
from hub.domain.reasons import REASONS, message
from hub.engine.ledger_end import answer_from, check_ends, settle
from hub.errors import UnavailableError
from hub.io.damaged_book import discard, is_damage
from hub.ports import Appender, FaultHooks, InputRecord, OutputRecord
from hub.runtime.post import WorkerContext
from hub.views.held import SETTLED, became, wait_begun
from hub.workers.events import (
    NumbersReused,
    ReceiptCount,
    ReceiptsEvent,
    ReceiptsReport,
    ReceiptsSent,
    Stepped,
)
from hub.workers.lives import FollowerWatch, run_with_restarts

WORKER: Final = "receipts"
BOOK: Final = "receipts.sqlite"
_BATCH: Final = 2_000
_ANCHOR_SECONDS: Final = 60.0
_log = logging.getLogger("hub.receipts")
_POLL_SECONDS: Final = 0.2
_BEIJING: Final = timezone(timedelta(hours=8))
_OUTCOME_NAMES: Final = {outcome: outcome.name.lower() for outcome in Outcome}
_TOLD_LATER: Final = frozenset(
    {
        Outcome.OUTCOME_NOTED,
        Outcome.DUE_SOON,
        Outcome.OVERDUE,
        Outcome.EXPIRED,
        Outcome.HELD_RELEASED,
        Outcome.HELD_ENDED,
        Outcome.DUTY_LIFTED,
        Outcome.OVERDUE_TAKEN_BACK,
        Outcome.RECOUNTED,
    }
)
"""Outcomes reported to a department after the first answer."""
_STAGES_ZH: Final = {
    StageCode.NAMED: "待报送",
    StageCode.SENT: "已报送",
    StageCode.ACKNOWLEDGED: "平台已接收",
    StageCode.PUBLISHED: "已公示",
    StageCode.REFUSED: "被平台退回",
    StageCode.WITHDRAWN: "已撤下",
}
_WITHDRAW: Final = "W"
_EPOCH: Final = datetime.fromtimestamp(0, UTC)
_POSITION_PARTS: Final = 3
_LONGEST_NUMBER: Final = 18
"""Digits of a number that fits 64 bits; headers of foreign producers may hold anything."""

_REUSED: Final = "SUBMISSION_NUMBER_REUSED"


class LossDeclaredError(Exception):
    """A part of the ledger that was read is declared lost: the database is rebuilt."""


class LedgerReader(Protocol):
    """Reads the ledger's partitions, committed records only; see `hub.ports.Inputs`."""

    def bounds(
        self, partitions: Iterable[tuple[str, int]]
    ) -> dict[tuple[str, int], tuple[int, int]]:
        """Log start and end of each partition."""

    def assign(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Read these partitions from these offsets on."""

    def read_to_end(self, positions: Mapping[tuple[str, int], int]) -> Iterator[list[InputRecord]]:
        """Read each partition from here to the end it has now."""

    def consume(self, limit: int, timeout_seconds: float) -> list[InputRecord]:
        """Read up to `limit` records; an empty list when none came in time."""


class BegunFile(Protocol):
    """A file that a connector has begun to read."""

    @property
    def source(self) -> str:
        """The name the book knows it by."""


class BegunFiles(Protocol):
    """Which file a fingerprint and a number come from; see `connectors/files/result_files.py`."""

    def look_again(self) -> None:
        """Read what connectors have begun since."""

    def find(self, stream: str, mark: str, sequence: int) -> BegunFile | None:
        """Return the file of a submission; None when no begun file has that fingerprint."""


class Results(Protocol):
    """Writes what became of a file's rows where its department looks for it."""

    def write_changed(self, *, everything: bool = False) -> int:
        """Write one changed result, or all; return how many are waiting."""

    def close(self) -> None:
        """Close what is open: it stays to be written."""


ResultsOf = Callable[[LoadedSite, ReceiptBook, Contracts], tuple[BegunFiles, Results]]
"""Makes both for a site: `connectors.files.wiring.results_of`, which the command finds by name."""


class ReceiptNews(NamedTuple):
    """News in one ledger record: a receipt (None: for no department) and database entries."""

    receipt: OutputRecord | None
    news: tuple[News, ...]
    counted_as: ReceiptCount = ReceiptCount("", "")
    reminder: OutputRecord | None = None
    """A reminder's own message, to the department it is for."""
    reuses_number: bool = False
    """Whether a number came with other content: a connector has lost its place."""


class Teller:
    """Ledger records -> receipts and news; reads nothing but its arguments and the manifests."""

    def __init__(self, site: Site, files: BegunFiles, contracts: Contracts) -> None:
        self._site = site
        self._contracts = contracts
        self._files = files
        self._names = {target.number: target.name_zh for target in site.targets}
        self._ids = {target.number: target.id for target in site.targets}
        self._departments = frozenset(department.id for department in site.departments)

    def begin(self) -> None:
        """Begin a batch of ledger records: files may have come since the last."""
        self._files.look_again()

    def tell(
        self, partition: int, record: LedgerRecord, held: Held | None = None, epoch: int = 0
    ) -> ReceiptNews:
        """Return the receipt and the news of one ledger record.

        `held`: the place of the submission that waited, where this says what became of it.
        `epoch`: the partition's there, so that a decision made again has a receipt of its own.
        """
        is_primary = record.outcome in PRIMARY
        news: list[News] = []
        if record.state is not None:
            news.append(self._news_of(record, record.state))
        if is_primary:
            answer = self._answer_of(record, epoch)
            if answer is not None:
                news.append(answer)
        outcome = became(record)
        if outcome is not None:
            settled = Settled(record.submission_key, _OUTCOME_NAMES[outcome], _reasons(record))
            news.append(settled)
        reminder = self._reminder_of(record)
        message = None
        if reminder is not None:
            news.append(reminder)
            message = self._reminding(partition, record, reminder, epoch)
        department = record.department or (record.state.department if record.state else "")
        if department not in self._departments:
            return ReceiptNews(None, tuple(news), reminder=message)
        if is_primary or (record.outcome in _TOLD_LATER and record.state is not None):
            receipt = self._receipt(department, partition, record, held, epoch)
            counted_as = ReceiptCount(department, _OUTCOME_NAMES[record.outcome])
            reused = is_primary and any(r.code == _REUSED for r in record.reasons)
            return ReceiptNews(receipt, tuple(news), counted_as, message, reused)
        return ReceiptNews(None, tuple(news), reminder=message)

    def _reminder_of(self, record: LedgerRecord) -> Reminder | None:
        """Return the reminder that was accepted with this ledger record, if its department is."""
        if record.outcome is not Outcome.ACCEPTED or record.kind != kinds.REMINDER:
            return None
        contract = self._contracts.by_kind[kinds.REMINDER]
        row = contract.check(contract.decode(record.cause.value), date.max).canonical
        if row["recipient"] not in self._departments:
            return None
        return Reminder(
            row["document_number"], row["recipient"], row["issued_on"], int(row["level"]),
            row["reason_class"], row["earliest_due_on"], int(row["record_count"]),
            bytes.fromhex(row["records"]),
        )  # fmt: skip

    def _reminding(
        self, partition: int, record: LedgerRecord, told: Reminder, epoch: int
    ) -> OutputRecord:
        """Build the message for the department that is reminded."""
        receipt_id = _receipt_id(partition, record.sequence, epoch, "|reminder")
        keys = told.records.hex()
        content = {
            "receipt": receipt_id,
            "ledger": {"partition": partition, "sequence": record.sequence},
            "department": told.department,
            "kind": record.kind,
            "outcome": "accepted",
            "record": record.record_key.hex(),
            "decided_at": record.decided_at,
            "reminder": {
                "id": told.id,
                "issued_on": told.day,
                "level": told.level,
                "reason": told.reason,
                "earliest_due_on": told.due,
                "record_count": told.record_count,
                "records": [keys[at : at + 32] for at in range(0, len(keys), 32)],
            },
        }
        return self._message(told.department, partition, record, receipt_id, content)

    def _answer_of(self, record: LedgerRecord, epoch: int) -> StoredAnswer | None:
        """Return the answer to a submission; None when its headers name no number in a stream."""
        headers = dict(record.cause.headers)
        stream = headers.get("ce_source", b"").decode("utf-8", "replace")
        number = headers.get("ce_id", b"")
        if not number.isdigit() or len(number) > _LONGEST_NUMBER:
            return None
        if not stream.startswith(f"{record.department}/"):  # no answer under a false name
            return None
        sequence = int(number)
        mark, sheet, row = _position(headers.get("hub_position", b""))
        file = self._files.find(stream, mark, sequence) if mark else None
        answer = StoredAnswer(
            stream, sequence, file.source if file else "", sheet, row, record.record_key,
            _OUTCOME_NAMES[record.outcome], _reasons(record), record.submission_key != NO_KEY,
        )  # fmt: skip
        wait = wait_begun(record)
        if wait is None:
            return answer
        position = headers.get("hub_position", b"").decode("ascii", "replace")
        return answer._replace(
            waits=f"等待至 {day_of_ms(wait.until - 1).isoformat()}",
            submission=record.submission_key,
            position=position,
            epoch=epoch,
        )

    def _news_of(self, record: LedgerRecord, state: RecordState) -> RecordNews:
        refusing = [stage for stage in state.stages if stage.stage == StageCode.REFUSED]
        return RecordNews(
            record.record_key,
            "；".join(filter(None, map(self._due, state.clocks))),
            "；".join([*map(self._shown, state.stages), *_moved(state)]),
            tuple(self._name(stage.target) for stage in refusing),
            tuple(
                (self._name(stage.target), reason.field)
                for stage in refusing
                if _is_refused_here(record, self._ids.get(stage.target, ""))
                for reason in record.reasons
                if reason.code == "REFUSED_BY_TARGET"
            ),
        )

    def _due(self, clock: Clock) -> str:
        """Say one running or overdue duty: target, last day, marks."""
        if not _is_duty(clock) or (not clock.is_running and not _is_late(clock)):
            return ""
        last_day = day_of_ms(clock.due_at - 1)
        verb = "撤下" if clock.kind is ClockKind.WITHDRAW else ""
        marks = [
            text
            for flag, text in (
                (ClockFlag.PROVISIONAL, "暂定"),
                (ClockFlag.ESTIMATED, "估算"),
                (ClockFlag.LATE, "逾期完成"),
            )
            if clock.flags & flag
        ]
        if clock.is_running and clock.flags & ClockFlag.OVERDUE_WRITTEN:
            marks.append("已逾期")
        note = f"（{'，'.join(marks)}）" if marks else ""
        return f"{self._name(clock.target)}{verb} {last_day.isoformat()}{note}"

    def _shown(self, stage: Stage) -> str:
        """Say where and when a record was shown or taken down."""
        text = f"{self._name(stage.target)} {_STAGES_ZH[StageCode(stage.stage)]}"
        if stage.action == _WITHDRAW and stage.stage != StageCode.WITHDRAWN:
            text += "（撤下）"
        at = datetime.fromtimestamp((stage.platform_at or stage.at) / 1000, UTC)
        return f"{text} {at.astimezone(_BEIJING):%Y-%m-%d %H:%M}" if at > _EPOCH else text

    def _name(self, target: int) -> str:
        return self._names.get(target, f"平台{target}")

    def _receipt(
        self, department: str, partition: int, record: LedgerRecord, held: Held | None, epoch: int
    ) -> OutputRecord:
        """Build the message for the department; no content of the row is in it."""
        receipt_id = _receipt_id(partition, record.sequence, epoch)
        state = record.state
        content: dict[str, object] = {
            "receipt": receipt_id,
            "ledger": {"partition": partition, "sequence": record.sequence},
            "department": department,
            **_source_of(record, held),
            "kind": record.kind,
            "outcome": _OUTCOME_NAMES[record.outcome],
            "record": record.record_key.hex(),
            "version": record.version,
            "decided_at": record.decided_at,
            "reasons": [_told(reason.code, reason.field) for reason in record.reasons],
            "events": [
                {"target": self._ids.get(each.target, ""), "event": each.event}
                for each in record.events
            ],
            "due": [self._due_json(c) for c in (state.clocks if state else ()) if _is_told(c)],
            "stages": [] if state is None else [*map(self._stage_json, state.stages)],
        }
        wait, outcome = wait_begun(record), became(record)
        if wait is not None:
            content["waits_until"] = wait.until
        if outcome is not None:
            content["became"] = _OUTCOME_NAMES[outcome]
            first = epoch if held is None else held.epoch
            content["first_receipt"] = _receipt_id(partition, record.refers_to, first)
        return self._message(department, partition, record, receipt_id, content)

    def _message(
        self,
        department: str,
        partition: int,
        record: LedgerRecord,
        receipt_id: str,
        content: Mapping[str, object],
    ) -> OutputRecord:
        moment = datetime.fromtimestamp(record.decided_at / 1000, UTC)
        return OutputRecord(
            self._site.topic(f"receipts.{department}"),
            partition,
            record.cause.key,
            json.dumps(content, ensure_ascii=False, sort_keys=True).encode(),
            (
                ("ce_specversion", b"1.0"),
                ("ce_type", kinds.RECEIPT_ISSUED.encode()),
                ("ce_source", b"receipts"),
                ("ce_id", receipt_id.encode()),
                ("ce_time", moment.isoformat(timespec="milliseconds").encode()),
            ),
        )

    def _due_json(self, clock: Clock) -> dict[str, object]:
        return {
            "target": self._ids.get(clock.target, ""),
            "clock": ClockKind(clock.kind).name.lower(),
            "due_at": clock.due_at,
            "running": clock.is_running,
            "provisional": bool(clock.flags & ClockFlag.PROVISIONAL),
            "estimated": bool(clock.flags & ClockFlag.ESTIMATED),
            "late": _is_late(clock),
        }

    def _stage_json(self, stage: Stage) -> dict[str, object]:
        return {
            "target": self._ids.get(stage.target, ""),
            "version": stage.version,
            "stage": StageCode(stage.stage).name.lower(),
            "at": stage.at,
            "platform_at": stage.platform_at,
        }


class ReceiptsFollower:
    """Reads the ledger on and keeps receipts, book and result files up with it."""

    def __init__(
        self,
        site: Site,
        inputs: LedgerReader,
        appender: Appender,
        book: ReceiptBook,
        teller: Teller,
        results: Results,
        faults: FaultHooks,
        report: ReceiptsReport,
    ) -> None:
        self._ledger = site.topic("ledger")
        self._partitions = range(site.partitions)
        self._inputs = inputs
        self._appender = appender
        self._book = book
        self._teller = teller
        self._results = results
        self._faults = faults
        self._report = report
        self._has_results = False
        """Whether results may be waiting: then nothing is waited for."""

    def start(self) -> None:
        """Take up the own position.

        Raises `LedgerEndError` when the ledger no longer holds what was read of it, and
        `LossDeclaredError` where an operator has given that up.
        """
        known = self._book.heads()
        self.heads = {partition: known.get(partition, GENESIS) for partition in self._partitions}
        if settle(check_ends(answer_from(self._inputs), self._ledger, WORKER, self.heads)):
            raise LossDeclaredError
        self._inputs.assign({(self._ledger, p): h.next_offset for p, h in self.heads.items()})

    def step(self) -> int:
        """Follow the next ledger records, write a part of one result; return how many records."""
        records = self._inputs.consume(_BATCH, 0.0 if self._has_results else _POLL_SECONDS)
        if records:
            self._faults.reached("after_consume")
            self._follow(records)
        self._has_results = self._results.write_changed() > 0
        self._report(Stepped(len(records)))
        return len(records)

    def _follow(self, records: Sequence[InputRecord]) -> None:
        receipts: list[OutputRecord] = []
        counts: Counter[ReceiptCount] = Counter()
        reused: Counter[str] = Counter()
        news: list[News] = []
        heads = dict(self.heads)
        self._teller.begin()
        waiting: dict[bytes, Held] = {}
        """Submissions that wait since this batch: not yet in the database."""
        for record in records:
            before = heads[record.partition]
            head = continued(before, record.value, record.offset + 1)
            if head is None:
                raise LedgerEndError(WORKER, record.partition, before, is_gone=False)
            heads[record.partition] = head
            decided = decode_record(record.value)
            held = None
            if decided.outcome in SETTLED:
                held = waiting.get(decided.submission_key) or self._book.held(
                    decided.submission_key
                )
            told = self._teller.tell(record.partition, decided, held, head.epoch)
            for each in told.news:
                if isinstance(each, StoredAnswer) and each.submission:
                    waiting[each.submission] = Held(
                        each.stream, each.sequence, each.position, each.epoch
                    )
            if told.receipt is not None:
                receipts.append(told.receipt)
                counts[told.counted_as] += 1
                reused[told.counted_as.department] += told.reuses_number
            if told.reminder is not None:
                receipts.append(told.reminder)
                reminded = told.reminder.topic.rpartition(".")[2]
                counts[ReceiptCount(reminded, "reminded")] += 1
            news += told.news
        self._faults.reached("before_flush")
        self._appender.append(receipts)
        self._faults.reached("before_commit")
        self._book.apply(news, heads)
        self.heads = heads
        self._faults.reached("after_commit")
        self._report(ReceiptsSent(counts))
        self._report(NumbersReused(reused))


class Anchors:
    """Writes the ledger's end down apart, once a minute; a mount that is away is said once."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._due = 0.0
        self._is_told = False

    def note(self, heads: Mapping[int, Head]) -> None:
        """Write where it is due."""
        if self._folder is None or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + _ANCHOR_SECONDS
        try:
            append_anchors(self._folder, heads)
        except (OSError, ValueError) as error:
            if not self._is_told:
                _log.warning("the ledger's end cannot be anchored", extra={"reason": str(error)})
            self._is_told = True
        else:
            self._is_told = False


class ReceiptsWatch(FollowerWatch):
    """Turns what the follower reports into metrics and health."""

    def report(self, event: ReceiptsEvent) -> None:
        """Count receipts and reused numbers, and what every follower reports."""
        match event:
            case ReceiptsSent(counts):
                for (department, outcome), number in counts.items():
                    self._metrics.receipts.labels(department, outcome).inc(number)
            case NumbersReused(counts):
                for department, number in counts.items():
                    self._metrics.numbers_reused.labels(department).inc(number)
            case _:
                super().report(event)


def run_receipts(post: WorkerContext, report: ReceiptsReport, results_of: ResultsOf) -> None:
    """Follow the ledger until stopped.

    Starts again when the broker was away. Raises `FencedError` when another process follows from
    the same folder, `LedgerEndError` when the ledger does not go on from what was followed.
    """

    def follow() -> None:
        with made_anew(post.folder / BOOK):
            _follow_until(post, report, results_of)

    run_with_restarts(post, follow, report)


@contextmanager
def made_anew(book: Path) -> Iterator[None]:
    """Throw the book away when it turns out to be damaged: the ledger holds all of it.

    Raises `UnavailableError` then, so that the follower begins again.
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        discard(book)
        raise UnavailableError(
            f"回执库已损坏，从台账重建：{error}\n"
            f"the receipts' book is damaged and made anew from the ledger: {error}"
        ) from error


def _follow_until(post: WorkerContext, report: ReceiptsReport, results_of: ResultsOf) -> None:
    """Follow from the own position with fresh connections."""
    loaded, contracts, folder = post.loaded, post.contracts, post.folder
    site = loaded.site
    with ExitStack() as open_parts:
        book = open_parts.enter_context(closing(ReceiptBook(folder / BOOK)))
        inputs = open_parts.enter_context(
            closing(
                KafkaInputs(
                    post.access, f"{site.prefix}receipts", OldestInput(report), report=report,
                    whole=site.topic("ledger"),
                )
            )
        )  # fmt: skip
        appender = open_parts.enter_context(closing(KafkaAppender(post.access)))
        files, results = results_of(loaded, book, contracts)
        open_parts.enter_context(closing(results))
        teller = Teller(site, files, contracts)
        follower = ReceiptsFollower(
            site, inputs, appender, book, teller, results, EnvironmentFaults(), report
        )
        try:
            follower.start()
        except LossDeclaredError:
            book.close()
            discard(folder / BOOK)
            raise UnavailableError(
                "台账缺失已登记，回执库从头重建\n"
                "a loss of ledger records was declared: the receipts' book is made anew"
            ) from None
        noted, anchors = HeadFile(folder), Anchors(post.anchors)
        while not post.should_stop():
            follower.step()
            noted.note(follower.heads)
            anchors.note(follower.heads)
        results.write_changed(everything=True)
        noted.note(follower.heads)


def _position(header: bytes) -> tuple[str, int, int]:
    """Read `<fingerprint, 16 hex>:<sheet>:<row>`; ("", 0, 0) when no file has such a place."""
    parts = header.decode("ascii", "replace").split(":")
    if len(parts) != _POSITION_PARTS or not all(
        part.isascii() and part.isdigit() and len(part) <= _LONGEST_NUMBER for part in parts[1:]
    ):
        return "", 0, 0
    sheet, row = int(parts[1]), int(parts[2])
    return (parts[0], sheet, row) if sheet < MAX_SHEETS and row <= MAX_LINES else ("", 0, 0)


def _reasons(record: LedgerRecord) -> Reasons:
    return tuple((reason.code, reason.field) for reason in record.reasons)


def _told(code: str, field: str) -> dict[str, str]:
    """Return a reason with its texts; a code that is not ours comes alone."""
    if code not in REASONS:
        return {"code": code, "field": field}
    said = message(code, field)
    return {
        "code": code,
        "field": field,
        "zh": said.zh,
        "en": said.en,
        "remedy": said.remedy,
        "remedy_en": said.remedy_en,
    }


def _moved(state: RecordState) -> list[str]:
    return [MOVED_ZH] if state.status is Status.MOVED else []


def _receipt_id(partition: int, sequence: int, epoch: int, what: str = "") -> str:
    """For ever the same for the same ledger record; another for one that took its place."""
    again = f"|{epoch}" if epoch else ""
    return sha256(f"{partition}|{sequence}{what}{again}".encode()).hexdigest()[:32]


def _source_of(record: LedgerRecord, held: Held | None) -> dict[str, object]:
    """Stream, number and position of the submission; of one that waited, those it came with."""
    if held is not None:
        return {"stream": held.stream, "sequence": str(held.sequence), "position": held.position}
    headers = dict(record.cause.headers) if record.outcome in PRIMARY else {}
    return {
        "stream": headers.get("ce_source", b"").decode("utf-8", "replace"),
        "sequence": headers.get("ce_id", b"").decode("ascii", "replace"),
        "position": headers.get("hub_position", b"").decode("ascii", "replace"),
    }


def _is_told(clock: Clock) -> bool:
    """Whether a clock is a duty, or ends a publication; what was lifted is neither."""
    return clock.kind is not ClockKind.WAIT and not clock.flags & ClockFlag.LIFTED


def _is_duty(clock: Clock) -> bool:
    return _is_told(clock) and clock.kind is not ClockKind.EXPIRE


def _is_late(clock: Clock) -> bool:
    """Whether a duty was met late, or is overdue; one learned to be in time is neither."""
    mark = ClockFlag.OVERDUE_WRITTEN if clock.is_running else ClockFlag.LATE
    return bool(clock.flags & mark)


def _is_refused_here(record: LedgerRecord, target: str) -> bool:
    return record.cause.topic.endswith(f"outcomes.{target}")
