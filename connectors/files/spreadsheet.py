"""XLSX (openpyxl) and XLS (xlrd) workbooks -> numbered rows of text, one sheet after another."""

import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from typing import Any, Final, Literal, Protocol, cast
from xml.etree.ElementTree import ParseError

import xlrd
from openpyxl.reader.excel import ExcelReader
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet import _read_only
from openpyxl.worksheet._reader import FORMULA_TAG, WorkSheetParser
from xlrd.biffh import XLRDError
from xlrd.compdoc import CompDocError

from connectors.cell_text import cell_text, number_text
from connectors.tables import (
    BrokenTable,
    Budget,
    Cells,
    HeaderTest,
    NumberedCells,
    OverBudgetError,
    SourceRow,
    rows_below_header,
)
from hub.domain.positions import MAX_SHEETS

MAX_UNPACKED_BYTES: Final = 128 * 1024 * 1024
MAX_ENTRIES: Final = 2_000
MAX_SHEET_ROWS: Final = 1_048_576
"""Limits of any spreadsheet program."""
_CHUNK: Final = 500

# Both libraries answer damaged files with any error their parsers raise; these are all the
# kinds seen by feeding them cut and altered files (tests/unit/connectors/test_spreadsheet.py).
_BROKEN: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    CompDocError,
    EOFError,
    InvalidFileException,
    LookupError,
    NotImplementedError,
    OSError,
    ParseError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    XLRDError,
    zipfile.BadZipFile,
    zlib.error,
)

_UNCALCULATED: Final = "#CALC!"
_ERROR_TEXT: Final = frozenset(
    {
        _UNCALCULATED,
        "#NULL!",
        "#DIV/0!",
        "#VALUE!",
        "#REF!",
        "#NAME?",
        "#NUM!",
        "#N/A",
        "#GETTING_DATA",
    }
)


class _Sheet(Protocol):
    """The used part of openpyxl's read-only sheet; its published types describe another class."""

    sheet_state: str

    def reset_dimensions(self) -> None: ...

    def iter_rows(self, *, values_only: bool) -> Iterator[tuple[object, ...]]: ...


class _NothingLost(WorkSheetParser):
    """The parser of openpyxl, which takes no row and no cell that its sheet would leave out.

    The sheet passes by a row whose number does not follow, and a cell behind the column of its
    row's last one; of two cells in one place it keeps one. No spreadsheet program writes such.
    A formula that no program has calculated yet is an error, not a blank.
    """

    def parse_row(self, row: Any) -> tuple[int, list[dict[str, Any]]]:  # noqa: ANN401 - as in openpyxl's types
        """Raises `ValueError`, which breaks the sheet there."""
        before = self.row_counter
        number, cells = super().parse_row(row)
        columns = [cell["column"] for cell in cells]
        is_in_order = all(left < right for left, right in pairwise(columns))
        is_here = all(cell["row"] == number for cell in cells)
        if not (before < number <= MAX_SHEET_ROWS and is_in_order and is_here):
            raise ValueError(number)
        return number, cells

    def parse_cell(self, element: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
        """Take the value the clerk last saw."""
        cell: dict[str, Any] = super().parse_cell(element)
        if cell["value"] is None and element.find(FORMULA_TAG) is not None:
            cell["value"] = _UNCALCULATED
        return cell


# There is no other way to give the sheets one; a test of each loss holds it in place.
_read_only.WorkSheetParser = _NothingLost  # type: ignore[attr-defined] # the types leave it out


def xlsx_rows(content: bytes, is_header: HeaderTest, budget: Budget) -> Iterator[SourceRow]:
    """Yield the rows of every sheet of an XLSX workbook; see `connectors.tables`.

    Raises `OverBudgetError`.
    """
    try:
        _refuse_bomb(content)
        sheets = _open(content)
    except BrokenTable as broken:
        yield SourceRow(0, 0, (), (), broken.code)
        return
    except _BROKEN:
        yield SourceRow(0, 0, (), (), "FILE_BROKEN")
        return
    _refuse_many(len(sheets))
    something = False
    for index, sheet in enumerate(sheets):
        hidden = sheet.sheet_state != "visible"
        cells = _xlsx_cells(sheet)
        for row in rows_below_header(index, cells, is_header, budget):
            if hidden and not row.headers:
                break  # lists behind drop-downs live on hidden sheets
            something = True
            yield row
    if not something and not _has_text(content):
        yield SourceRow(0, 0, (), (), "HEADER_NOT_FOUND")


def _open(content: bytes) -> "Sequence[_Sheet]":
    """Open a workbook.

    Raises `BrokenTable` where a sheet leads to no part of the archive: openpyxl passes it by.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl tells of styles it does not keep
        reader = ExcelReader(io.BytesIO(content), read_only=True, data_only=True)
        reader.read()
    # one without an id stands in old macro workbooks, and no program shows it
    named = sum(bool(sheet.id) for sheet in reader.parser.sheets)
    if named != len(reader.wb.sheetnames):
        raise BrokenTable("FILE_BROKEN")
    return cast("Sequence[_Sheet]", reader.wb.worksheets)


def _has_text(content: bytes) -> bool:
    """Whether any cell says anything: a header-only template does, an empty workbook does not."""
    try:
        return any(any(row.cells) for sheet in _open(content) for row in _xlsx_cells(sheet))
    except (BrokenTable, *_BROKEN):
        return True


def _refuse_bomb(content: bytes) -> None:
    """Raise `BrokenTable` when the archive would unpack to more than any real workbook."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
    if len(entries) > MAX_ENTRIES or sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise BrokenTable("FILE_TOO_LARGE")


def _xlsx_cells(sheet: "_Sheet") -> Iterator[NumberedCells]:
    """Yield a sheet's rows; the size it declares is not believed (many writers get it wrong)."""
    sheet.reset_dimensions()
    values = sheet.iter_rows(values_only=True)
    number = 0
    broken = False
    while not broken:
        chunk, broken = _next_rows(values)
        for row in chunk:
            number += 1
            cells = tuple(map(cell_text, row))
            yield NumberedCells(number, cells, _error_in(cells))
        if not chunk:
            break
    if broken:
        raise BrokenTable("FILE_BROKEN")


def _next_rows(values: Iterator[tuple[object, ...]]) -> tuple[list[tuple[object, ...]], bool]:
    """Take some rows; True when the sheet broke behind them."""
    rows: list[tuple[object, ...]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # dates outside the calendar
        try:
            for row in islice(values, _CHUNK):
                rows.append(row)  # noqa: PERF402 - rows before the break are kept
        except _BROKEN:
            return rows, True
    return rows, False


def _error_in(cells: Cells) -> str:
    return "" if _ERROR_TEXT.isdisjoint(cells) else "CELL_ERROR"


def xls_rows(content: bytes, is_header: HeaderTest, budget: Budget) -> Iterator[SourceRow]:
    """Yield the rows of every sheet of an XLS (BIFF) workbook; see `connectors.tables`.

    One sheet is in memory at a time. Raises `OverBudgetError`.
    """
    if "EncryptedPackage".encode("utf-16-le") in content:
        yield SourceRow(0, 0, (), (), "FILE_ENCRYPTED")
        return
    try:
        book = xlrd.open_workbook(file_contents=content, logfile=io.StringIO(), on_demand=True)
    except XLRDError as error:
        code = "FILE_ENCRYPTED" if "encrypted" in str(error) else "FILE_BROKEN"
        yield SourceRow(0, 0, (), (), code)
        return
    except _BROKEN:
        yield SourceRow(0, 0, (), (), "FILE_BROKEN")
        return
    _refuse_many(book.nsheets)
    something = False
    for index in range(book.nsheets):
        try:
            sheet = book.sheet_by_index(index)
        except _BROKEN:
            something = True
            yield SourceRow(index, 0, (), (), "FILE_BROKEN")
            continue
        something = something or sheet.nrows > 0
        cells = _xls_cells(sheet, book.datemode)
        for row in rows_below_header(index, cells, is_header, budget):
            if sheet.visibility and not row.headers:
                break
            yield row
        book.unload_sheet(index)
    if not something:
        yield SourceRow(0, 0, (), (), "HEADER_NOT_FOUND")


def _refuse_many(sheets: int) -> None:
    if sheets > MAX_SHEETS:
        raise OverBudgetError("FILE_TOO_MANY_SHEETS")


def _xls_cells(sheet: xlrd.sheet.Sheet, datemode: Literal[0, 1]) -> Iterator[NumberedCells]:
    try:
        for index in range(sheet.nrows):
            row = sheet.row(index)
            cells = tuple(_xls_text(cell, datemode) for cell in row)
            yield NumberedCells(index + 1, cells, _error_in(cells))
    except _BROKEN:
        raise BrokenTable("FILE_BROKEN") from None


def _xls_text(cell: xlrd.sheet.Cell, datemode: Literal[0, 1]) -> str:
    """Return the text of one BIFF cell; a date that is none stays the number it is."""
    value = cell.value
    if isinstance(value, str):
        return value
    if cell.ctype == xlrd.XL_CELL_ERROR:
        return xlrd.error_text_from_code.get(int(value), "#N/A")
    if cell.ctype == xlrd.XL_CELL_BOOLEAN:
        return cell_text(bool(value))
    if cell.ctype == xlrd.XL_CELL_DATE:
        try:
            return cell_text(xlrd.xldate_as_datetime(value, datemode))
        except (xlrd.xldate.XLDateError, OverflowError, ValueError):
            return number_text(value)
    return number_text(value)
