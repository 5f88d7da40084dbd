"""Reads the finished data set back from disk, knowing nothing of how it was made."""

import csv
import io
import json
import re
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from demo.generator.columns import OWN_LAYOUT, PERSON_LICENCE, TABLES, Table
from demo.generator.working_days import STARTS_ON, business_ms

_OPENING: Final = "【[﹝(（［〔"
_CLOSING: Final = "】]﹞）)］〕"
_FOLD: Final = {
    **{ord(sign): "(" for sign in _OPENING},
    **{ord(sign): ")" for sign in _CLOSING},
    **{0xFEE0 + sign: chr(sign) for sign in range(0x30, 0x7B)},
    0x20: None,
    0x3000: None,
}
_DATE: Final = re.compile(r"(\d{4})(?:([-/.])(\d{1,2})\2(\d{1,2})|年(\d{1,2})月(\d{1,2})日)")
_DAY_MS: Final = 86_400_000
READ_FOLDERS: Final = ("licences", "penalties", "corrections", "withdrawals", "restorations")
"""Folders of the two national tables and of letters about them; quirks are looked for there."""

Place = tuple[str, int]
"""A file below the inboxes and a row number; 0 is the file itself."""
Identity = tuple[Table, str, str, str]


def folded(text: str) -> str:
    """Number or name for comparing: one kind of bracket, half width, no blanks."""
    return text.translate(_FOLD)


def read_day(text: str) -> date | None:
    """A date in one of the readable forms, or None."""
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[3] or found[5]), int(found[4] or found[6]))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class NumberedRow:
    """One row: number as a spreadsheet program shows it (the header is 1), cells by code."""

    path: str
    number: int
    folder: str
    table: Table
    cells: dict[str, str]
    extra: dict[str, str]
    texts: tuple[str, ...]
    dropped_on: date

    @property
    def place(self) -> Place:
        """Where the row stands."""
        return self.path, self.number

    @property
    def is_ordinary(self) -> bool:
        """Whether it is a decision, and no letter about one."""
        return self.folder in ("licences", "penalties")

    def get(self, name: str) -> str:
        """A cell by its code without the table's prefix."""
        return self.cells.get(("XK_" if self.table == "licence" else "CF_") + name, "")

    @property
    def code(self) -> str:
        """The credit code in its canonical form."""
        return folded(self.get("XDR_SHXYM")).upper()

    @property
    def identity(self) -> Identity:
        """Table, document number, name and code, for comparing."""
        return self.table, folded(self.get("WSH")), folded(self.get("XDR_MC")), self.code


@dataclass(frozen=True, slots=True)
class ReadFile:
    """One file: its bytes and what its first row says."""

    path: str
    content: bytes
    headers: tuple[str, ...]
    rows: tuple[NumberedRow, ...]
    blank_rows: int
    sheets: int
    drop_at: int

    @property
    def is_workbook(self) -> bool:
        """Whether it is an XLSX file."""
        return self.path.endswith(".xlsx")


class DataSet:
    """All files in the order they are dropped, with the indexes detectors need."""

    def __init__(self, files: list[ReadFile]) -> None:
        self.files = files

    @cached_property
    def rows(self) -> list[NumberedRow]:
        """Every row in the order of arrival."""
        return [row for file in self.files for row in file.rows]

    @cached_property
    def ordinary(self) -> list[NumberedRow]:
        """Every row of the folders licences and penalties."""
        return [row for row in self.rows if row.is_ordinary]

    @cached_property
    def by_identity(self) -> dict[Identity, list[NumberedRow]]:
        """Ordinary rows by identity, in the order of arrival."""
        index: dict[Identity, list[NumberedRow]] = defaultdict(list)
        for row in self.ordinary:
            index[row.identity].append(row)
        return index

    @cached_property
    def order(self) -> dict[Place, int]:
        """Place of a row -> how manieth it arrives."""
        return {row.place: number for number, row in enumerate(self.rows)}

    def earlier(self, row: NumberedRow) -> list[NumberedRow]:
        """Ordinary rows of the same identity that arrived before."""
        mine = self.order[row.place]
        return [other for other in self.by_identity[row.identity] if self.order[other.place] < mine]


def read_data_set(folder: Path) -> DataSet:
    """Read every file of `READ_FOLDERS` that `schedule.json` lists, in its order."""
    schedule = json.loads((folder / "schedule.json").read_text(encoding="utf-8"))
    return DataSet(
        [
            _read_file(folder / "inbox", entry["path"], entry["drop_at"])
            for entry in schedule["files"]
            if entry["path"].split("/")[1] in READ_FOLDERS
        ]
    )


def _read_file(inbox: Path, path: str, drop_at: int) -> ReadFile:
    content = (inbox / path).read_bytes()
    sheets = 1
    if path.endswith(".xlsx"):
        lines, sheets = _workbook_lines(content)
    else:
        lines = [tuple(line) for line in csv.reader(io.StringIO(_decoded(content), newline=""))]
    headers = lines[0] if lines else ()
    numbered = [(n, texts) for n, texts in enumerate(lines[1:], 2) if any(texts)]
    blank = len(lines) - 1 - len(numbered) if lines else 0
    rows = tuple(_row(path, n, headers, texts, drop_at) for n, texts in numbered)
    return ReadFile(path, content, headers, rows, blank, sheets, drop_at)


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030")


def _workbook_lines(content: bytes) -> tuple[list[tuple[str, ...]], int]:
    """The first sheet's rows as texts; nothing when the workbook is broken."""
    try:
        book = openpyxl.load_workbook(io.BytesIO(content))
    except (zipfile.BadZipFile, InvalidFileException, KeyError):
        return [], 0
    sheet = book.worksheets[0]
    return [
        tuple(_cell_text(cell) for cell in line) for line in sheet.iter_rows(values_only=True)
    ], len(book.worksheets)


def _cell_text(value: object) -> str:
    return "" if value is None else str(value).removesuffix(" 00:00:00")


def _row(
    path: str, number: int, headers: tuple[str, ...], texts: tuple[str, ...], drop_at: int
) -> NumberedRow:
    folder = path.split("/")[1]
    table: Table = "penalty" if "-penalties" in path else "licence"
    cells: dict[str, str] = {}
    extra: dict[str, str] = {}
    for header, text in zip(headers, texts, strict=False):
        code = _column(header.strip(), table)
        if code:
            cells[code] = text
        else:
            extra[header] = text
    days = (drop_at - business_ms(STARTS_ON, time(0))) // _DAY_MS
    return NumberedRow(
        path, number, folder, table, cells, extra, texts, STARTS_ON + timedelta(days=days)
    )


def _column(header: str, table: Table) -> str:
    """The national code of a header in any of the layouts, or an empty string."""
    if header in TABLES[table]:
        return header
    if header in OWN_LAYOUT and table == "penalty":
        return OWN_LAYOUT[header]
    for known in (TABLES[table], PERSON_LICENCE):
        for code, zh in known.items():
            if zh == header:
                return code
    return ""
