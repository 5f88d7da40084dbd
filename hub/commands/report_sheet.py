"""Tables for people who print them: a workbook with numbers as numbers, ready for A4 across."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter

from hub.errors import UnavailableError
from hub.io.paths import replace_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from openpyxl.worksheet.worksheet import Worksheet

Cell = str | int | float | None

_LINE: Final = Side(style="thin", color="FFB5BAC1")
_FRAME: Final = Border(left=_LINE, right=_LINE, top=_LINE, bottom=_LINE)
_HEADER: Final = PatternFill("solid", fgColor="FFE8EDF4")
_ATTENTION: Final = PatternFill("solid", fgColor="FFFDE3E1")
_A4: Final = 9
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class Column(NamedTuple):
    """A heading and how its cells look: `width` in characters, `number_format` of a spreadsheet."""

    title: str
    width: int
    number_format: str = "General"


class Sheet(NamedTuple):
    """One sheet: a title over the table, the table, notes below it; `marked` rows are coloured."""

    name: str
    title: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()
    marked: frozenset[int] = frozenset()


def write_report(path: Path, sheets: Sequence[Sheet]) -> None:
    """Write the workbook, whole or not at all. Raises `UnavailableError`."""
    book = Workbook()
    book.remove(book.worksheets[0])
    for sheet in sheets:
        _fill(book.create_sheet(sheet.name), sheet)
    made = io.BytesIO()
    book.save(made)
    try:
        replace_file(path, made.getvalue())
    except OSError as error:
        raise UnavailableError(
            f"无法写入 {path}：{error.strerror}\ncannot write to {path}: {error.strerror}"
        ) from error


def _fill(page: Worksheet, sheet: Sheet) -> None:
    wide = len(sheet.columns)
    page.merge_cells(start_row=1, start_column=1, end_row=1, end_column=wide)
    _put(page, 1, 1, sheet.title).font = Font(bold=True, size=14)
    for number, column in enumerate(sheet.columns, 1):
        cell = _put(page, 2, number, column.title)
        cell.font, cell.fill, cell.border = Font(bold=True), _HEADER, _FRAME
        cell.alignment = Alignment(horizontal="center", vertical="center", wrap_text=True)
        page.column_dimensions[get_column_letter(number)].width = column.width
    page.row_dimensions[2].height = 34
    for index, row in enumerate(sheet.rows):
        for number, (value, column) in enumerate(zip(row, sheet.columns, strict=True), 1):
            cell = _put(page, index + 3, number, value)
            cell.border, cell.number_format = _FRAME, column.number_format
            cell.alignment = Alignment(vertical="top", wrap_text=isinstance(value, str))
            if index in sheet.marked:
                cell.fill = _ATTENTION
    for offset, note in enumerate(sheet.notes):
        line = len(sheet.rows) + 4 + offset
        page.merge_cells(start_row=line, start_column=1, end_row=line, end_column=wide)
        _put(page, line, 1, note).alignment = Alignment(wrap_text=True, vertical="top")
        page.row_dimensions[line].height = 30
    page.freeze_panes = "A3"
    page.print_title_rows = "1:2"
    page.page_setup.orientation, page.page_setup.paperSize = "landscape", _A4
    page.sheet_properties.pageSetUpPr.fitToPage = True  # type: ignore[union-attr] # made by openpyxl
    page.page_setup.fitToHeight = 0


def _put(page: Worksheet, row: int, column: int, value: Cell):  # type: ignore[no-untyped-def] # noqa: ANN202 - one of openpyxl's cell classes
    """Put a value into a cell; a text is a text, also where it begins like a formula.

    A quarantined row may say what XML cannot: shown as U+FFFD, or no program opened the book.
    """
    if not isinstance(value, str):
        return page.cell(row=row, column=column, value=value)
    cell = page.cell(row=row, column=column, value=_NOT_XML.sub("\ufffd", value))
    cell.data_type = "s"
    return cell
