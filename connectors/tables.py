"""Tables as departments write them: bytes of a CSV, XLSX or XLS file -> numbered rows of text.

Nothing a file contains makes a reader raise. An unreadable part becomes a row with a `fault`
(a code of `hub.domain.reasons`), so that the rows counted are the rows the clerk sent. The header
row is found by its words, and those words are also the proof of the encoding and the delimiter: a
text that only happens to decode has no header the caller knows.
"""

from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from typing import Final, NamedTuple, TypeAlias

from hub.domain.positions import MAX_LINES
from hub.errors import SourceError

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
"""Sixteen years of a county's licences in one CSV; a larger file does not hold decisions."""
MAX_ROWS: Final = 200_000
"""Rows with something in them, of one file: two years of a province's busiest department."""
MAX_CELLS: Final = 5_000_000
"""Cells of the rows handed on, 25 for each of `MAX_ROWS`."""
MAX_CELLS_READ: Final = 40_000_000
"""The same with the blank ones, which formatted columns leave behind."""
MAX_CHARACTERS: Final = 64 * 1024 * 1024
"""Of the rows handed on: a text has no more, and a million cells of a workbook may share one."""
MAX_BROKEN_ROWS: Final = 10_000
"""Unreadable rows, each sealed for itself: a file with more was not written as a table."""
MAX_HEADER_CHARACTERS: Final = 16_384
"""Of a header row, which is sent beside each of its rows: 128 columns of 128 characters."""
MAX_COLUMNS: Final = 128
"""The national layout has 29; a sheet this wide is not one table of decisions."""
MAX_CELL_CHARACTERS: Final = 65_536
"""Twice what a spreadsheet cell can hold (32,767); the longest legal field is 4,000."""
MAX_ROW_CHARACTERS: Final = 131_072
"""A row beyond this would not fit a submission (1 MiB) once encoded and sealed."""
HEADER_WITHIN: Final = 30
"""Title and note rows that may come above the header."""
HEADER_WITHIN_LINES: Final = 1_000
"""The same with the blank ones between them."""
MAX_ROW_KEPT: Final = 512 * 1024
"""Characters of a row handed on whole; of more only a digest could be sealed into a submission."""
_KEPT_OF_A_CELL: Final = 1_000

Cells: TypeAlias = tuple[str, ...]
HeaderTest: TypeAlias = Callable[[Cells], bool]


class NumberedCells(NamedTuple):
    """One row as a format reader sees it: number from 1 as the clerk sees it, texts, fault code."""

    number: int
    cells: Cells
    fault: str = ""


class SourceRow(NamedTuple):
    """One row below a header. `fault` is empty or the reason code why it cannot be read.

    `row_number` 0 means a whole sheet (or file) that cannot be read; then `headers` and
    `cells` are empty. `sheet_index` counts from 0.
    """

    sheet_index: int
    row_number: int
    headers: Cells
    cells: Cells
    fault: str = ""


class BrokenTable(SourceError):  # noqa: N818 - names what it is about, as its siblings do
    """A format reader cannot go on; `code` is the reason code. Never leaves this package."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class OverBudgetError(SourceError):
    """A file takes more than any table of decisions; `code` says of what. As `BrokenTable`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Budget:
    """Cost of reading one file so far; the file is refused when that is too much."""

    def __init__(self) -> None:
        self.lines = self.cells_read = 0
        self.rows = self.cells = self.characters = self.broken = 0

    def line(self, cells: Cells) -> None:
        """Count a row of the file, blank or not. Raises `OverBudgetError`."""
        self.lines += 1
        self.cells_read += len(cells)
        if self.lines > MAX_LINES:
            raise OverBudgetError("FILE_TOO_MANY_ROWS")
        if self.cells_read > MAX_CELLS_READ:
            raise OverBudgetError("FILE_TOO_MANY_CELLS")

    def row(self, row: SourceRow) -> None:
        """Count a row that is handed on. Raises `OverBudgetError`."""
        self.rows += 1
        self.cells += len(row.cells)
        self.characters += sum(map(len, row.cells))
        self.broken += bool(row.fault)
        if self.rows > MAX_ROWS:
            raise OverBudgetError("FILE_TOO_MANY_ROWS")
        if self.cells > MAX_CELLS:
            raise OverBudgetError("FILE_TOO_MANY_CELLS")
        if self.characters > MAX_CHARACTERS:
            raise OverBudgetError("FILE_TOO_LARGE")
        if self.broken > MAX_BROKEN_ROWS:
            raise OverBudgetError("FILE_TOO_MANY_BROKEN_ROWS")


def is_blank(cells: Cells) -> bool:
    """Whether the row is empty; formatted blank rows of a template are."""
    return not any(cell and not cell.isspace() for cell in cells)


def rows_below_header(
    sheet_index: int, numbered: Iterable[NumberedCells], is_header: HeaderTest, budget: Budget
) -> Iterator[SourceRow]:
    """Yield the rows below the first row that `is_header` knows; blank rows are skipped.

    A sheet with text and no header yields one row 0 with `HEADER_NOT_FOUND`, one with a header
    that is none row 0 with what is wrong with it; an empty sheet yields nothing. When the reader
    breaks, the fault is on the row after the last one read. Raises `OverBudgetError`.
    """
    headers: Cells = ()
    last, seen = 0, 0
    try:
        for number, cells, fault in numbered:
            budget.line(cells)
            last = number
            if headers:
                if fault or not is_blank(cells):
                    yield SourceRow(sheet_index, number, headers, cells, fault)
                continue
            if is_blank(cells):
                continue
            if number <= HEADER_WITHIN_LINES and is_header(cells):
                headers = _trimmed(cells)
                if wrong := _header_fault(headers):
                    yield SourceRow(sheet_index, 0, (), (), wrong)
                    return
                continue
            seen += 1
            if seen >= HEADER_WITHIN or number > HEADER_WITHIN_LINES:
                break
    except BrokenTable as broken:
        yield SourceRow(sheet_index, last + 1 if headers else 0, headers, (), broken.code)
        return
    if seen and not headers:
        yield SourceRow(sheet_index, 0, (), (), "HEADER_NOT_FOUND")


def _header_fault(headers: Cells) -> str:
    """Reasons against a header: every row below it would carry the whole of it."""
    if len(headers) > MAX_COLUMNS:
        return "TOO_MANY_COLUMNS"
    return "HEADER_TOO_LONG" if sum(map(len, headers)) > MAX_HEADER_CHARACTERS else ""


def within_limits(row: SourceRow) -> SourceRow:
    """Return the row, with a fault when its shape differs from its table's."""
    if row.fault or not row.row_number:
        return row
    cells = _trimmed(row.cells)
    fault = ""
    if len(cells) > len(row.headers):
        # An unquoted comma shifts every later cell: guessing would put a name into an amount.
        fault = "ROW_SHIFTED"
    elif max(map(len, cells)) > MAX_CELL_CHARACTERS:
        fault = "CELL_TOO_LARGE"
    elif sum(map(len, cells)) > MAX_ROW_CHARACTERS:
        fault = "ROW_TOO_LARGE"
    elif not all(map(_is_text, cells)):
        fault = "BYTES_NOT_TEXT"
    return row._replace(cells=cells, fault=fault)


def cut_to_size(row: SourceRow) -> SourceRow:
    """Return a row that is too large to be sealed with the start of its cells and a digest.

    Such a row has a fault already: it is larger than `MAX_ROW_CHARACTERS`.
    """
    size = sum(map(len, row.cells)) + len(row.cells)
    if size <= MAX_ROW_KEPT:
        return row
    digest = sha256()
    for cell in row.cells:
        digest.update(cell.encode("utf-8", "surrogatepass") + b"\0")
    kept = tuple(cell[:_KEPT_OF_A_CELL] for cell in row.cells[:MAX_COLUMNS])
    return row._replace(cells=(*kept, f"… {size} characters, sha256 {digest.hexdigest()}"))


def _is_text(cell: str) -> bool:
    """Whether no byte was left undecoded (those become lone surrogates)."""
    return cell.isascii() or not any("\ud800" <= char <= "\udfff" for char in cell)


def _trimmed(cells: Cells) -> Cells:
    """Drop blank cells at the end: formatted columns to the right of the table."""
    end = len(cells)
    while end and (not cells[end - 1] or cells[end - 1].isspace()):
        end -= 1
    return cells[:end]
