"""Tables as departments write them: bytes of a CSV, XLSX or XLS file -> numbered rows of text.

Nothing a file contains makes a reader raise. What cannot be read becomes a row with a `fault`
(a code of `hub.domain.reasons`), so that the rows counted are the rows the clerk sent. The header
row is found by its words, and those words are also the proof of the encoding and the delimiter: a
text that only happens to decode has no header the caller knows.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple, TypeAlias

from hub.errors import SourceError

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_COLUMNS: Final = 128
"""The national layout has 29; a sheet this wide is not one table of decisions."""
MAX_CELL_CHARACTERS: Final = 65_536
"""Twice what a spreadsheet cell can hold (32,767); the longest legal field is 4,000."""
MAX_ROW_CHARACTERS: Final = 131_072
"""A row beyond this would not fit a submission (1 MiB) once encoded and sealed."""
HEADER_WITHIN: Final = 30
"""Title and note rows that may stand above the header."""

Cells: TypeAlias = tuple[str, ...]
HeaderTest: TypeAlias = Callable[[Cells], bool]


class NumberedCells(NamedTuple):
    """One row as a format reader sees it: number from 1 as the clerk sees it, texts, fault code."""

    number: int
    cells: Cells
    fault: str = ""


class SourceRow(NamedTuple):
    """One row below a header. `fault` is empty or the reason code why it cannot be read.

    `row_number` 0 stands for a whole sheet (or file) that cannot be read; then `headers` and
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


def is_blank(cells: Cells) -> bool:
    """Whether nobody wrote anything in the row; formatted blank rows of a template are that."""
    return not any(cell and not cell.isspace() for cell in cells)


def rows_below_header(
    sheet_index: int, numbered: Iterable[NumberedCells], is_header: HeaderTest
) -> Iterator[SourceRow]:
    """Yield the rows below the first row that `is_header` knows; blank rows are nobody's rows.

    A sheet with text and no header yields one row 0 with `HEADER_NOT_FOUND`; an empty sheet yields
    nothing. When the reader breaks, the fault stands on the row after the last one read.
    """
    headers: Cells = ()
    last, seen = 0, 0
    try:
        for number, cells, fault in numbered:
            last = number
            if headers:
                if fault or not is_blank(cells):
                    yield SourceRow(sheet_index, number, headers, cells, fault)
            elif not is_blank(cells):
                if is_header(cells):
                    headers = _trimmed(cells)
                    continue
                seen += 1
                if seen >= HEADER_WITHIN:
                    break
    except BrokenTable as broken:
        yield SourceRow(sheet_index, last + 1 if headers else 0, headers, (), broken.code)
        return
    if seen and not headers:
        yield SourceRow(sheet_index, 0, (), (), "HEADER_NOT_FOUND")


def within_limits(row: SourceRow) -> SourceRow:
    """Return the row, with a fault when its shape is not that of the table it stands in."""
    if row.fault or not row.row_number:
        return row
    cells = _trimmed(row.cells)
    fault = ""
    if len(row.headers) > MAX_COLUMNS:
        fault = "TOO_MANY_COLUMNS"
    elif len(cells) > len(row.headers):
        # An unquoted comma shifts every later cell: guessing would put a name into an amount.
        fault = "ROW_SHIFTED"
    elif max(map(len, cells)) > MAX_CELL_CHARACTERS:
        fault = "CELL_TOO_LARGE"
    elif sum(map(len, cells)) > MAX_ROW_CHARACTERS:
        fault = "ROW_TOO_LARGE"
    elif not all(map(_is_text, cells)):
        fault = "BYTES_NOT_TEXT"
    return row._replace(cells=cells, fault=fault)


def _is_text(cell: str) -> bool:
    """Whether no byte was left undecoded (those stand as lone surrogates)."""
    return cell.isascii() or not any("\ud800" <= char <= "\udfff" for char in cell)


def _trimmed(cells: Cells) -> Cells:
    """Drop blank cells at the end: formatted columns to the right of the table."""
    end = len(cells)
    while end and (not cells[end - 1] or cells[end - 1].isspace()):
        end -= 1
    return cells[:end]
