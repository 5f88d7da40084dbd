"""Result files: one per source file, the clerk's own rows each with the hub's answer.

`<results>/<folder>/<name>.result.csv` for every file; for XLSX and XLS a workbook
`<name>.result.xlsx` beside it. Personal content is not written back: the rows of natural persons
and the columns that are sealed stay empty. `<results>/reminders/<day>-level-<n>.csv` says of which
of its records a department was reminded on a day, and their state then.
"""

import json
import logging
import re
import sqlite3
import time
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import chain, groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

from connectors.files.kept_rows import kept_rows
from connectors.files.sheet_writer import SOURCES, Look, csv_result, xlsx_result
from connectors.files.source import InboxFile
from connectors.layout import Folder
from connectors.submission import NOT_SHOWN
from connectors.tables import OverBudgetError, SourceRow
from hub.adapters.receipt_book import MOVED_ZH, REMINDERS, Reasons, ReceiptBook, RowAnswer
from hub.contracts import Contracts
from hub.domain.reasons import REASONS, message
from hub.errors import IntegrityError, UnavailableError
from hub.io.paths import LONGEST_NAME, OpenFolder, is_name, open_folder, readable, result_name

COLUMNS: Final = (
    "行号", "处理结果", "原因代码", "相关栏目", "说明", "处理办法", "期限", "公示情况",
)  # fmt: skip
REMINDER_COLUMNS: Final = (
    "提醒日期", "级别", "提醒类别", "涉及记录数", "最早到期日", "来源文件", "行号",
    "期限", "公示情况", "记录键",
)  # fmt: skip
_CLASSES_ZH: Final = {
    "due_soon": "临期",
    "overdue": "逾期",
    "commitment_due": "承诺即将到期",
    "exit_missing": "退出信息缺失",
}
OUTCOMES_ZH: Final = {
    "accepted": "已受理",
    "corrected": "已更正",
    "withdrawn": "已撤回",
    "duplicate": "重复，未再登记",
    "superseded": "已有更新的版本",
    "held": "等待所指记录到达",
    "conflicting": "内容冲突，待核实",
    "quarantined": "未通过",
}
_BY_REASON: Final = {
    "WAITING_FOR_MOVE": "等待原记录办结",
    "SAME_AS_WITHDRAWN": "与已撤回的相同，未恢复公示",
    "SAME_AS_MOVED": "与已转移的相同，未再登记",
    "MOVED_NOT_ARRIVED": "已迁出而未迁入，没有公示",
    "WITHDRAWAL_OLDER_THAN_LIVE": "晚到未生效，待处理",
    "EXIT_BEFORE_LISTING": "晚到未生效，待处理",
    "RESTORATION_OLDER_THAN_WITHDRAWAL": "晚到未生效，待处理",
    "ARRIVAL_OLDER_THAN_RECORD": "晚到未生效，待处理",
}
"""Reasons that say more than their outcome does."""
_PENDING: Final = "处理中"
_TO_DO: Final = frozenset(
    {
        OUTCOMES_ZH["quarantined"], OUTCOMES_ZH["conflicting"], OUTCOMES_ZH["held"],
        _BY_REASON["WITHDRAWAL_OLDER_THAN_LIVE"], _BY_REASON["MOVED_NOT_ARRIVED"],
    }
)  # fmt: skip
"""A row that waits for its record may be misspelt: a person must look at it."""
_REFUSED: Final = "REFUSED_BY_TARGET"
_WIDTHS: Final = (10, 16, 24, 24, 40, 40, 30, 40)
"""Of `COLUMNS`, in characters."""
_PAUSE_SECONDS: Final = 1.0
_PAUSE_FACTOR: Final = 5.0
"""A file that took a second to write is left alone for five."""
_TICK_NS: Final = 1_000_000_000
"""Two manifests within one tick of the file system's clock leave the folder the same stamp."""
_MANIFEST: Final = b".json"
_LARGEST_MANIFEST: Final = 64 * 1024
_FINGERPRINT: Final = re.compile("[0-9a-f]{64}")
"""What is kept of a manifest stays in memory: no more than a connector wrote."""
_CLOSED_SECONDS: Final = 30.0
"""A result that cannot be written is tried again so often."""
_ANSWERS_OF_A_ROW: Final = 64
"""The last that are told. A row makes few submissions, but anybody's may bear its position."""
_NOT_WRITTEN: Final = "RESULT_NOT_WRITTEN"
CHARACTERS_OF_A_PART: Final = 200_000
"""Of a result, one more for each cell: written between two batches of the ledger in some 50 ms."""
_RECORDS_OF_A_PART: Final = 1_000
"""Of a file of reminders, each of which is looked up."""
_END: Final = object()

_log = logging.getLogger("hub.receipts")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file a connector has begun, from the manifest it wrote beside the results."""

    source: str
    stream: str
    folder: str
    octets: bytes
    """Its name as the file system has it."""
    fingerprint: str
    first_sequence: int
    results: Path
    """The results folder of its stream, from the site: no other place is read or written."""

    @property
    def name(self) -> str:
        """Its name as people read it."""
        return readable(self.octets)

    @property
    def digest(self) -> str:
        """By what its manifest and its kept rows are named."""
        return self.source.rpartition(":")[2]


_BEGIN: Final = attrgetter("first_sequence")


class SourceFiles:
    """The manifests of every stream: which file a fingerprint and number come from."""

    def __init__(self, places: Mapping[str, Path]) -> None:
        """Take the results folder of each stream."""
        self._places = places
        self._files: dict[str, SourceFile] = {}
        self._by_mark: dict[tuple[str, str], list[SourceFile]] = {}
        """Copies of one file, in the order in which they begin."""
        self._seen: set[str] = set()
        self._changed: dict[str, int] = {}
        self._nodes: dict[str, dict[bytes, int]] = {}
        """The manifests that were read, by inode: one that was written again has another."""

    def look_again(self) -> None:
        """Look for new manifests once more: before each batch of answers, not for each of them.

        A connector writes a file's manifest before it submits the first of its rows. So what was
        there as a batch had been read names every file that is answered in it.
        """
        self._seen.clear()

    def find(self, stream: str, mark: str, sequence: int) -> SourceFile | None:
        """Return the file with this fingerprint (16 hex) that had begun at or before `sequence`.

        Copies of one file are told apart by where they begin in the stream: a submission is of
        the file that was begun last before it.
        """
        self._read_new(stream)
        begun = self._by_mark.get((stream, mark), [])
        place = bisect_right(begun, sequence, key=_BEGIN)
        return begun[place - 1] if place else None

    def get(self, source: str) -> SourceFile | None:
        """Return a file by its id, which says where its manifest is."""
        stream, _, digest = source.rpartition(":")
        place = self._places.get(stream)
        if source not in self._files and place is not None:
            with (
                suppress(OSError),
                open_folder(place) as results,
                results.below(SOURCES) as sources,
            ):
                self._add(stream, place, sources, digest.encode() + _MANIFEST)
        return self._files.get(source)

    def _read_new(self, stream: str) -> None:
        """Read new manifests where the folder has changed since it was looked at."""
        place = self._places.get(stream)
        if place is None or stream in self._seen:
            return
        self._seen.add(stream)
        try:
            with open_folder(place) as results, results.below(SOURCES) as sources:
                stamp = sources.modified_ns()
                if self._changed.get(stream) == stamp:
                    return
                # one that has just changed may change again and bear the same time
                self._changed[stream] = stamp if time.time_ns() - stamp > _TICK_NS else -1
                known = self._nodes.get(stream, {})
                nodes = {
                    name: node for name, node in sources.nodes().items() if name.endswith(_MANIFEST)
                }
                self._nodes[stream] = nodes
                for name in sorted(nodes.items() - known.items()):
                    self._add(stream, place, sources, name[0])
        except FileNotFoundError:
            return
        except OSError as error:
            _log.warning("the manifests cannot be read", extra={"reason": str(error.strerror)})

    def _add(self, stream: str, place: Path, sources: OpenFolder, name: bytes) -> None:
        try:
            entry = json.loads(sources.read(name, _LARGEST_MANIFEST) or b"")
            told = InboxFile(Folder(entry["folder"]), bytes.fromhex(entry["octets"]))
            file = SourceFile(
                f"{stream}:{name.removesuffix(_MANIFEST).decode()}", stream, told.folder.value,
                told.name, str(entry["fingerprint"]), int(entry["first_sequence"]), place,
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError, ArithmeticError, RecursionError):
            _log.warning("a manifest cannot be read")
            return
        is_written_by_us = (
            _FINGERPRINT.fullmatch(file.fingerprint) and len(told.name) <= LONGEST_NAME
        )
        if told.manifest.encode() != name or not is_name(told.name) or not is_written_by_us:
            _log.warning("a manifest is not of the file it names")
            return
        before = self._files.get(file.source)
        if before is not None:
            marked = self._by_mark[stream, before.fingerprint[:16]]
            marked[:] = [each for each in marked if each.source != file.source]
        self._files[file.source] = file
        insort(self._by_mark.setdefault((stream, file.fingerprint[:16]), []), file, key=_BEGIN)


def words_of(answer: RowAnswer) -> str:
    """The answer in a few words: what the reason says where it says more than the outcome."""
    told = (_BY_REASON[code] for code, _ in answer.reasons if code in _BY_REASON)
    return next(told, OUTCOMES_ZH.get(answer.outcome, answer.outcome))


def is_for_the_clerk(row: Sequence[str]) -> bool:
    """Whether a person must look at this row of a result: without effect, or refused there."""
    outcome, codes, shown = row[1], row[2], row[len(COLUMNS) - 1]
    return (outcome in _TO_DO or _REFUSED in codes) and MOVED_ZH not in shown


_LOOK: Final = Look(_WIDTHS, is_for_the_clerk)


@dataclass(slots=True)
class _UnfinishedResult:
    """A result that is being written."""

    changes: int
    """What it shows: the file's count of changes as it was begun."""
    parts: Generator[None]
    seconds: float = 0.0
    """What it has taken so far."""


class ResultFiles:
    """Writes the results of changed files, not more often than is good for the machine."""

    def __init__(
        self,
        book: ReceiptBook,
        files: SourceFiles,
        contracts: Contracts,
        reminders: Mapping[str, Path],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what is known, the manifests and the contracts.

        `reminders` is each department's results folder for the files that remind it.
        """
        self._book = book
        self._reminders = reminders
        self._files = files
        schemas = [contract.schema for contract in contracts.by_kind.values()]
        self._labels = {
            field.national_code or field.name: field.zh
            for schema in schemas
            for field in schema.fields
        }
        self._seconds = seconds
        self._not_before: dict[str, float] = {}
        self._held_up: set[str] = set()
        self._turns: dict[str, int] = {}
        """Of each stream: how many parts had been written when one of its own was, the last."""
        self._open: dict[str, _UnfinishedResult] = {}
        """Results that are half written, one of a stream at most."""
        self._waiting: set[str] = set()
        """Files whose result is older than what is known, and not open."""
        self._lines: dict[str, list[tuple[float, str]]] = {}
        """The same by stream: a heap of (not before, file). No step looks at all that wait."""
        for source, _ in book.changed_sources():
            self._line_up(source)

    def write_changed(self, *, everything: bool = False) -> int:
        """Write a part of one result that changed and whose pause is over; return how many parts.

        A part, so that the ledger is followed on before the next: a small result is one. The
        stream has its turn whose last is the longest ago, and one result of it is open at a time.
        `everything`: all of them, to their ends and without a pause (when the worker stops).
        """
        for touched in self._book.take_touched():
            self._line_up(touched)
        if everything:
            self.close()
            waiting = sorted(self._waiting)
            self._waiting.clear()
            self._lines.clear()
            for each in waiting:
                self._begin(each)
                while self._go_on(each):
                    pass
            return len(waiting)
        source = self._next()
        if source is None:
            return 0
        if source not in self._open:
            heappop(self._lines[_stream_of(source)])
            self._waiting.remove(source)
            self._begin(source)
        self._go_on(source)
        self._turns[_stream_of(source)] = max(self._turns.values(), default=0) + 1
        return 1

    def close(self) -> None:
        """Give up what is open: no file appears, and it stays to be written."""
        for each in self._open.values():
            each.parts.close()
        given_up = list(self._open)
        self._open.clear()
        for source in given_up:
            self._line_up(source)

    def _line_up(self, source: str) -> None:
        """Let a changed file wait for its turn; an open one does when it is written."""
        if source not in self._waiting and source not in self._open:
            self._waiting.add(source)
            line = self._lines.setdefault(_stream_of(source), [])
            heappush(line, (self._not_before.get(source, 0.0), source))

    def _next(self) -> str | None:
        """The result of which a part is written now, the open one or the first of each stream."""
        now = self._seconds()
        busy = set(map(_stream_of, self._open))
        ready = list(self._open)
        for stream, line in self._lines.items():
            if stream not in busy and line and now >= line[0][0]:
                ready.append(line[0][1])
        return min(ready, key=self._turn, default=None)

    def _turn(self, source: str) -> tuple[int, float]:
        return self._turns.get(_stream_of(source), 0), self._not_before.get(source, 0.0)

    def _begin(self, source: str) -> None:
        changes, _ = self._book.counts(source)
        self._open[source] = _UnfinishedResult(changes, self._parts_of(source))

    def _go_on(self, source: str) -> bool:
        """Write a part of an open result; return whether there is more.

        What goes wrong with it is told, and keeps no other one waiting.
        """
        current = self._open[source]
        started = self._seconds()
        pause = _PAUSE_SECONDS
        is_open = False
        try:
            is_open = next(current.parts, _END) is not _END
        except UnavailableError as error:
            pause = _CLOSED_SECONDS
            if self._is_news(source):
                _log.warning("a result waits", extra={"reason": str(error)})
        except sqlite3.Error:  # the book's own matter, and all results'
            raise
        except Exception:  # noqa: BLE001 - of one file; logged by its type
            pause = _CLOSED_SECONDS
            if self._is_news(source):
                _log.exception(
                    "一个文件的结果写不出，已搁置，稍后再试 / "
                    "a file's result cannot be written: set aside, tried again later",
                    extra={"reason": _NOT_WRITTEN, "file": source},
                )
        else:
            if not is_open:
                self._held_up.discard(source)
                self._book.mark_written(source, current.changes)
        ended = self._seconds()
        current.seconds += ended - started
        if not is_open:
            del self._open[source]
            self._not_before[source] = ended + max(pause, current.seconds * _PAUSE_FACTOR)
            changes, written = self._book.counts(source)
            if changes > written:
                self._line_up(source)
        return is_open

    def _is_news(self, source: str) -> bool:
        """Whether the failure of this result is not reported yet."""
        is_news = source not in self._held_up
        self._held_up.add(source)
        return is_news

    def _parts_of(self, source: str) -> Generator[None]:
        """Write one result; stops after each part of it. It is in place when all is written."""
        if source.startswith(REMINDERS):
            yield from self._write_reminders(source)
        elif (file := self._files.get(source)) is not None:
            try:
                yield from self._write(file, kept_rows(file.results, file.digest))
            except (IntegrityError, OverBudgetError):
                _log.warning("kept rows are damaged: the result shows the hub's columns only")
                yield from self._write(file, iter(()))

    def _write(self, file: SourceFile, kept: Iterator[SourceRow]) -> Generator[None]:
        """Write a sheet per sheet: answers beside the clerk's rows, in the clerk's order."""
        place = file.results, file.folder
        with ExitStack() as open_files:
            name = result_name(file.octets, ".result.csv")
            tables = [open_files.enter_context(csv_result(*place, name))]
            if file.name.lower().endswith((".xlsx", ".xls", ".xlsm")):
                name = result_name(file.octets, ".result.xlsx")
                tables.append(open_files.enter_context(xlsx_result(*place, name, _LOOK)))
            answers_of = open_files.enter_context(closing(self._book.rows_of(file.source)))
            sheet, written = -1, 0
            for row, answers in _answered(kept, answers_of):
                if row.sheet_index != sheet:
                    sheet = row.sheet_index
                    for table in tables:
                        table.begin(f"工作表{sheet + 1}", [*COLUMNS, *row.headers])
                cells = [*self._said(row.row_number, answers), *_shown(row, answers)]
                for table in tables:
                    table.row(cells)
                written += len(cells) + sum(map(len, cells))
                if written >= CHARACTERS_OF_A_PART:
                    written = 0
                    yield
            if sheet < 0:
                for table in tables:
                    table.begin("结果", COLUMNS)

    def _write_reminders(self, source: str) -> Generator[None]:
        """Write the reminders of one department, day and level: a row for each record."""
        department, day, level = source.removeprefix(REMINDERS).split("/")
        results = self._reminders.get(department)
        if results is None:
            return
        with (
            csv_result(results, "reminders", f"{day}-level-{level}.csv") as table,
            closing(self._book.reminded(source)) as reminded,
        ):
            table.begin("", REMINDER_COLUMNS)
            for number, each in enumerate(reminded, 1):
                told = each.reminder
                file = self._files.get(each.source) if each.source else None
                table.row(
                    [
                        told.day, str(told.level), _CLASSES_ZH.get(told.reason, told.reason),
                        str(told.record_count), told.due, file.name if file is not None else "",
                        str(each.row) if each.row else "", each.due, each.shown, each.record.hex(),
                    ]
                )  # fmt: skip
                if number % _RECORDS_OF_A_PART == 0:
                    yield

    def _said(self, number: int, answers: Sequence[RowAnswer]) -> list[str]:
        """Return the hub's columns of one row; of a move's two halves the arriving one decides."""
        place = str(number) if number else "整张工作表"
        if not answers:
            return [place, _PENDING, "", "", "", "", "", ""]
        last = answers[-1]
        reasons = [reason for answer in answers for reason in answer.reasons]
        reasons += [(_REFUSED, code) for code in last.refusals]
        codes, fields, texts, remedies = self._told(reasons)
        due = "；".join(filter(None, (last.waits, last.due)))
        return [place, words_of(last), codes, fields, texts, remedies, due, last.shown]

    def _told(self, reasons: Reasons) -> tuple[str, str, str, str]:
        """Return codes, fields, messages and remedies, each joined; a repeated text occurs once."""
        texts, remedies = [], []
        for code, field in reasons:
            if code in REASONS:
                said = message(code, self._labels.get(field, field))
                texts.append(said.zh)
                remedies.append(said.remedy)
        return (
            "；".join(dict.fromkeys(code for code, _ in reasons)),
            "；".join(
                dict.fromkeys(
                    self._labels.get(f, f) for code, f in reasons if f and code != _REFUSED
                )
            ),
            "；".join(dict.fromkeys(texts)),
            "；".join(dict.fromkeys(remedies)),
        )


def _stream_of(source: str) -> str:
    """The stream of a file; reminders are one by themselves."""
    return source.rpartition(":")[0] if not source.startswith(REMINDERS) else REMINDERS


def _answered(
    kept: Iterator[SourceRow], answers: Iterable[RowAnswer]
) -> Iterator[tuple[SourceRow, Sequence[RowAnswer]]]:
    """Each row with its answers, both of which come in order; none of them stays in memory.

    Where no row is kept, there is an empty one for each that was answered.
    """
    places = (
        (place, deque(found, maxlen=_ANSWERS_OF_A_ROW))
        for place, found in groupby(answers, key=lambda each: (each.sheet, each.row))
    )
    first = next(kept, None)
    if first is None:
        for place, said in places:
            yield SourceRow(*place, (), ()), said
        return
    upcoming = next(places, None)
    for row in chain((first,), kept):
        here = row.sheet_index, row.row_number
        while upcoming is not None and upcoming[0] < here:
            upcoming = next(places, None)
        yield row, upcoming[1] if upcoming is not None and upcoming[0] == here else ()


def _shown(row: SourceRow, answers: Sequence[RowAnswer]) -> Sequence[str]:
    """Return the clerk's cells; none while it is not known what may be shown."""
    if not answers:
        return []
    if any(code == "PERSON_NOT_ENABLED" for each in answers for code, _ in each.reasons):
        return [NOT_SHOWN for _ in row.cells]
    return row.cells
