"""Result files: one per source file, the clerk's own rows each with the hub's answer.

`<results>/<folder>/<name>.result.csv` for every file; for XLSX and XLS a workbook
`<name>.result.xlsx` beside it. Personal content is not written back: the rows of natural persons
and the columns that are sealed stay empty. `<results>/reminders/<day>-level-<n>.csv` says of which
of its records a department was reminded on a day, and how they stood then.
"""

import json
import logging
import time
from bisect import bisect_right, insort
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from connectors.file import InboxFile
from connectors.kept_rows import kept_rows
from connectors.layout import Folder
from connectors.submission import NOT_SHOWN
from connectors.tables import OverBudgetError, SourceRow
from hub.adapters.paths import OpenFolder, is_name, open_folder, readable, result_name
from hub.adapters.receipt_book import REMINDERS, Reasons, ReceiptBook, RowAnswer
from hub.adapters.sheet_writer import SOURCES, Look, csv_of, write_result, xlsx_of
from hub.contracts import Contracts
from hub.domain.reasons import REASONS, message
from hub.errors import IntegrityError, UnavailableError

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
"""What says more than its outcome does."""
MOVED_ZH: Final = "已由后来的更正取代，以更正文件的结果为准"
"""Of a record that went on under another code, number or name."""
_PENDING: Final = "处理中"
_TO_DO: Final = frozenset(
    {
        OUTCOMES_ZH["quarantined"], OUTCOMES_ZH["conflicting"], OUTCOMES_ZH["held"],
        _BY_REASON["WITHDRAWAL_OLDER_THAN_LIVE"], _BY_REASON["MOVED_NOT_ARRIVED"],
    }
)  # fmt: skip
"""A row that waits for what it names may be misspelt: somebody must look at it."""
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
_CLOSED_SECONDS: Final = 30.0
"""A results folder that cannot be written is tried again so often."""
_KEPT_CELLS: Final = 400_000
"""Cells of source files kept in memory, about 40 MB."""

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


class SourceFiles:
    """The manifests of every stream: which file a fingerprint and number come from."""

    def __init__(self, places: Mapping[str, Path]) -> None:
        """Take the results folder of each stream."""
        self._places = places
        self._files: dict[str, SourceFile] = {}
        self._by_mark: dict[tuple[str, str], list[SourceFile]] = {}
        self._begins: dict[str, list[int]] = {}
        self._looked: dict[str, int] = {}
        self._nodes: dict[str, dict[bytes, int]] = {}
        """The manifests that were read, by inode: one that was written again has another."""

    def find(self, stream: str, mark: str, sequence: int) -> SourceFile | None:
        """Return the file with this fingerprint (16 hex) that had begun at or before `sequence`.

        Copies of one file are told apart by where they begin in the stream: a submission is of
        the file that was begun last before it. When that is none with this fingerprint, its
        manifest is younger than our last look.
        """
        self._read_new(stream)
        found = self._find(stream, mark, sequence)
        if found is None or found.first_sequence != self._last_begun(stream, sequence):
            if time.time_ns() - self._looked.get(stream, 0) < _TICK_NS:
                self._looked.pop(stream, None)
            if self._read_new(stream):
                found = self._find(stream, mark, sequence)
        return found

    def get(self, source: str) -> SourceFile | None:
        """Return a file by its id."""
        if source not in self._files:
            for stream in self._places:
                self._read_new(stream)
        return self._files.get(source)

    def _find(self, stream: str, mark: str, sequence: int) -> SourceFile | None:
        begun = [
            each
            for each in self._by_mark.get((stream, mark), [])
            if each.first_sequence <= sequence
        ]
        return max(begun, key=lambda each: each.first_sequence, default=None)

    def _last_begun(self, stream: str, sequence: int) -> int:
        """Return where the last file begun at or before `sequence` begins; 0 when none is known."""
        begins = self._begins.get(stream, ())
        place = bisect_right(begins, sequence)
        return begins[place - 1] if place else 0

    def _read_new(self, stream: str) -> bool:
        """Read manifests when the folder has changed; True when something was read."""
        place = self._places.get(stream)
        if place is None:
            return False
        try:
            with open_folder(place) as results, results.below(SOURCES) as sources:
                stamp = sources.modified_ns()
                if self._looked.get(stream) == stamp:
                    return False
                self._looked[stream] = stamp
                known = self._nodes.get(stream, {})
                self._nodes[stream] = nodes = sources.nodes()
                for name in sorted(nodes.items() - known.items()):
                    if name[0].endswith(_MANIFEST):
                        self._add(stream, place, sources, name[0])
        except FileNotFoundError:
            return False
        except OSError as error:
            _log.warning("the manifests cannot be read", extra={"reason": str(error.strerror)})
            return False
        return True

    def _add(self, stream: str, place: Path, sources: OpenFolder, name: bytes) -> None:
        try:
            entry = json.loads(sources.read(name, _LARGEST_MANIFEST) or b"")
            told = InboxFile(Folder(entry["folder"]), bytes.fromhex(entry["octets"]))
            file = SourceFile(
                f"{stream}:{name.removesuffix(_MANIFEST).decode()}", stream, told.folder.value,
                told.name, str(entry["fingerprint"]), int(entry["first_sequence"]), place,
            )  # fmt: skip
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            _log.warning("a manifest cannot be read")
            return
        if told.manifest.encode() != name or not is_name(told.name):
            _log.warning("a manifest is not of the file it names")
            return
        begins = self._begins.setdefault(stream, [])
        before = self._files.get(file.source)
        if before is not None:
            begins.remove(before.first_sequence)
            marked = self._by_mark[stream, before.fingerprint[:16]]
            marked[:] = [each for each in marked if each.source != file.source]
        self._files[file.source] = file
        insort(begins, file.first_sequence)
        self._by_mark.setdefault((stream, file.fingerprint[:16]), []).append(file)


def words_of(answer: RowAnswer) -> str:
    """The answer in a few words: what the reason says where it says more than the outcome."""
    told = (_BY_REASON[code] for code, _ in answer.reasons if code in _BY_REASON)
    return next(told, OUTCOMES_ZH.get(answer.outcome, answer.outcome))


def is_for_the_clerk(row: Sequence[str]) -> bool:
    """Whether somebody must look at this row of a result: without effect, or refused there."""
    outcome, codes, shown = row[1], row[2], row[len(COLUMNS) - 1]
    return (outcome in _TO_DO or _REFUSED in codes) and MOVED_ZH not in shown


_LOOK: Final = Look(_WIDTHS, is_for_the_clerk)


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
        self._kept: OrderedDict[str, list[SourceRow]] = OrderedDict()

    def write_changed(self, *, everything: bool = False) -> int:
        """Write the results that changed and whose pause is over; return how many were written.

        `everything`: do not wait (when the worker stops).
        """
        written = 0
        for source, changes in self._book.changed_sources():
            if not everything and self._seconds() < self._not_before.get(source, 0.0):
                continue
            started = self._seconds()
            try:
                self._write_one(source)
            except UnavailableError as error:
                # one department's folder: the others' results do not wait for it
                self._not_before[source] = self._seconds() + _CLOSED_SECONDS
                self._say(source, error)
                continue
            self._held_up.discard(source)
            self._book.mark_written(source, changes)
            took = self._seconds() - started
            pause = max(_PAUSE_SECONDS, took * _PAUSE_FACTOR)
            self._not_before[source] = self._seconds() + pause
            written += 1
        return written

    def _say(self, source: str, error: UnavailableError) -> None:
        """Say once for each file why its result is not written yet."""
        if source not in self._held_up:
            self._held_up.add(source)
            _log.warning("a result waits", extra={"reason": str(error)})

    def _write_one(self, source: str) -> None:
        if source.startswith(REMINDERS):
            self._write_reminders(source)
        elif (file := self._files.get(source)) is not None:
            self._write(file, self._book.rows_of(source))

    def _write(self, file: SourceFile, answers: Sequence[RowAnswer]) -> None:
        sheets = self._sheets(file, answers)
        first = next(iter(sheets.values()), [list(COLUMNS)])
        whole = first if len(sheets) < 2 else [row for table in sheets.values() for row in table]  # noqa: PLR2004 - one sheet
        results = file.results
        name = result_name(file.octets, ".result.csv")
        write_result(results, file.folder, name, csv_of(whole))
        if file.name.lower().endswith((".xlsx", ".xls", ".xlsm")):
            titled = [(f"工作表{index + 1}", table) for index, table in sheets.items()]
            book = xlsx_of(titled or [("结果", first)], _LOOK)
            write_result(results, file.folder, result_name(file.octets, ".result.xlsx"), book)

    def _write_reminders(self, source: str) -> None:
        """Write the reminders of one department, day and level: a row for each record."""
        reminded = self._book.reminded(source)
        first = reminded[0].reminder if reminded else None
        results = self._reminders.get(first.department) if first is not None else None
        if first is None or results is None:
            return
        table = [list(REMINDER_COLUMNS)]
        for each in reminded:
            told = each.reminder
            file = self._files.get(each.source) if each.source else None
            table.append(
                [
                    told.day, str(told.level), _CLASSES_ZH.get(told.reason, told.reason),
                    str(told.record_count), told.due, file.name if file is not None else "",
                    str(each.row) if each.row else "", each.due, each.shown, each.record.hex(),
                ]
            )  # fmt: skip
        name = f"{first.day}-level-{first.level}.csv"
        write_result(results, "reminders", name, csv_of(table))

    def _sheets(self, file: SourceFile, answers: Sequence[RowAnswer]) -> dict[int, list[list[str]]]:
        """Return a table per sheet: answers beside the clerk's rows, in the clerk's order."""
        by_row: dict[tuple[int, int], list[RowAnswer]] = {}
        for answer in answers:
            by_row.setdefault((answer.sheet, answer.row), []).append(answer)
        rows = self._clerk_rows(file) or [
            SourceRow(sheet, number, (), ()) for sheet, number in sorted(by_row)
        ]
        sheets: dict[int, list[list[str]]] = {}
        for row in rows:
            sheet, number = row.sheet_index, row.row_number
            if sheet not in sheets:
                sheets[sheet] = [[*COLUMNS, *row.headers]]
            said = by_row.get((sheet, number), [])
            sheets[sheet].append([*self._said(number, said), *_shown(row, said)])
        return sheets

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
        """Return codes, fields, messages and remedies, each joined; a repeated text stands once."""
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

    def _clerk_rows(self, file: SourceFile) -> list[SourceRow]:
        """Return the rows that the connector kept for this; none where none are."""
        if file.source in self._kept:
            self._kept.move_to_end(file.source)
            return self._kept[file.source]
        try:
            rows = list(kept_rows(file.results, file.digest))
        except (IntegrityError, OverBudgetError):
            _log.warning("kept rows are damaged: the result shows the hub's columns only")
            return []
        self._kept[file.source] = rows
        while self._cells_kept() > _KEPT_CELLS and len(self._kept) > 1:
            self._kept.popitem(last=False)
        return rows

    def _cells_kept(self) -> int:
        return sum(len(row.cells) for rows in self._kept.values() for row in rows)


def _shown(row: SourceRow, answers: Sequence[RowAnswer]) -> Sequence[str]:
    """Return the clerk's cells; none while it is not known what may be shown."""
    if not answers:
        return []
    if any(code == "PERSON_NOT_ENABLED" for each in answers for code, _ in each.reasons):
        return [NOT_SHOWN for _ in row.cells]
    return row.cells
