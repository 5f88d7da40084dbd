"""XLSX and XLS workbooks: exact texts, honest numbers, broken files that cost one submission."""

import io
import re
import zipfile
from datetime import date, datetime

import openpyxl
import pytest
import xlrd
from hypothesis import given, settings
from hypothesis import strategies as st
from xlrd.sheet import Cell

from connectors.cell_text import cell_text, number_text
from connectors.files.formats import read_rows
from connectors.files.spreadsheet import _xls_text
from connectors.tables import Cells, SourceRow

HEADER = ("文书号", "相对人名称", "金额", "日期")


def knows(cells: Cells) -> bool:
    """Know a header by its first two words."""
    return cells[:2] == HEADER[:2]


def rows_of(content: bytes) -> list[SourceRow]:
    """Read everything."""
    return list(read_rows(content, knows))


def book(*rows: tuple[str | float | date | None, ...]) -> bytes:
    """Write a workbook of one sheet with the header above."""
    workbook = openpyxl.Workbook()
    sheet = workbook.worksheets[0]
    for row in (HEADER, *rows):
        sheet.append(row)
    out = io.BytesIO()
    workbook.save(out)
    return out.getvalue()


def test_numbers_dates_and_booleans_become_exact_text() -> None:
    """0.1 stays 0.1, 12.0 becomes 12, a date becomes ISO; nothing is rounded or reformatted."""
    rows = rows_of(
        book(
            (1, "甲", 0.1, date(2026, 1, 30)),
            (12.0, True, 1e-7, datetime(2026, 1, 1, 9)),  # noqa: DTZ001 - spreadsheets know no zones
        )
    )
    assert [row.cells for row in rows] == [
        ("1", "甲", "0.1", "2026-01-30"),
        ("12", "TRUE", "0.0000001", "2026-01-01 09:00:00"),
    ]


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_read_back_is_the_same_number(value: float) -> None:
    """The text has no exponent and is exactly the stored number."""
    text = number_text(value)
    assert "e" not in text.lower()
    assert float(text) == value


def test_escaped_control_characters_are_what_they_stand_for() -> None:
    """`_x000D_`, seen in published company reports, is how XLSX writes a carriage return."""
    assert cell_text("有限公司_x000D_") == "有限公司\r"


def test_formatted_blank_rows_are_skipped_and_numbers_stay() -> None:
    """A template's thousands of blank rows are nobody's rows; row numbers are the clerk's."""
    rows = rows_of(book(("1", "甲"), ("", " "), (None, None), ("2", "乙")))
    assert [row.row_number for row in rows] == [2, 5]


def test_an_error_cell_makes_its_row_unreadable() -> None:
    """`#N/A` is no value of any field: the row is told so and not published as text."""
    assert [row.fault for row in rows_of(book(("1", "#N/A"), ("2", "乙")))] == ["CELL_ERROR", ""]


def test_a_formula_that_was_never_calculated_is_not_read_as_a_blank() -> None:
    """Programs write formulas without their value; a blank in its place would be a lost value."""
    rows = rows_of(book(("1", "甲", "=1+1"), ("2", "乙", "3")))
    assert [row.fault for row in rows] == ["CELL_ERROR", ""]
    content = book(("1", "甲", "=1+1"))
    calculated = _rewritten(rb"</f><v ?/>|</f><v></v>", b"</f><v>2</v>", content=content)
    assert [(row.fault, row.cells[2]) for row in rows_of(calculated)] == [("", "2")]


def test_several_sheets_are_read_and_an_unknown_one_is_reported() -> None:
    """A second sheet with a header is read; a visible sheet without one costs one line."""
    workbook = openpyxl.load_workbook(io.BytesIO(book(("1", "甲"))))
    workbook.create_sheet("说明").append(("填表说明",))
    workbook.create_sheet("空白")
    hidden = workbook.create_sheet("代码表")
    hidden.append(("普通",))
    hidden.sheet_state = "hidden"
    out = io.BytesIO()
    workbook.save(out)
    assert [(row.sheet_index, row.row_number, row.fault) for row in rows_of(out.getvalue())] == [
        (0, 2, ""),
        (1, 0, "HEADER_NOT_FOUND"),
    ]


def test_a_workbook_without_any_text_is_reported_and_a_template_is_not() -> None:
    """An empty workbook is one unreadable file; a template without rows has nothing to submit."""
    out = io.BytesIO()
    openpyxl.Workbook().save(out)
    assert [row.fault for row in rows_of(out.getvalue())] == ["HEADER_NOT_FOUND"]
    assert rows_of(book()) == []


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"PK\x03\x04 not a zip", "FILE_BROKEN"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "FILE_BROKEN"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"),
            "FILE_ENCRYPTED",
        ),
        (b"<html><table><tr><td>1</td></tr></table></html>", "FILE_NOT_A_TABLE"),
        (b"%PDF-1.7", "FILE_NOT_A_TABLE"),
        (b"", "HEADER_NOT_FOUND"),
    ],
)
def test_a_file_that_is_no_table_is_one_unreadable_submission(content: bytes, fault: str) -> None:
    """One line for the whole file, with the reason."""
    assert rows_of(content) == [SourceRow(0, 0, (), (), fault)]


def test_an_archive_that_unpacks_to_too_much_is_not_unpacked() -> None:
    """A zip bomb is refused by the sizes it declares, before anything is unpacked."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for n in range(3):
            archive.writestr(f"xl/worksheets/sheet{n}.xml", bytes(50 * 1024 * 1024))
    assert rows_of(out.getvalue()) == [SourceRow(0, 0, (), (), "FILE_TOO_LARGE")]


WHOLE = book(*((f"第{n}号", f"单位{n}", n / 7, date(2026, 1, 1)) for n in range(40)))


@settings(max_examples=60)
@given(st.data())
def test_a_damaged_workbook_never_raises(data: st.DataObject) -> None:
    """Cut anywhere or with bytes altered anywhere, a workbook ends in rows or in a fault."""
    content = bytearray(WHOLE)
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(4, len(content) - 1))]
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(2, len(content) - 1))] = data.draw(st.integers(0, 255))
    rows_of(bytes(content))


SHEET = "xl/worksheets/sheet1.xml"


def _rewritten(old: bytes, new: bytes, part: str = SHEET, content: bytes = WHOLE) -> bytes:
    """Return a workbook with a pattern of one of its inner files replaced, the archive whole."""
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as source,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in source.namelist():
            inner = source.read(name)
            archive.writestr(name, re.sub(old, new, inner) if name == part else inner)
    return out.getvalue()


def test_a_sheet_that_breaks_half_way_keeps_the_rows_before() -> None:
    """The rows read so far stand; one unreadable row says where reading ended."""
    rows = rows_of(_rewritten(b'<row r="30"', b'<<row r="30"'))
    assert [row.fault for row in rows[:-1]] == [""] * (len(rows) - 1)
    assert rows[-1].fault == "FILE_BROKEN"
    assert rows[-1].row_number == len(rows) + 1


def test_a_declared_size_is_not_believed() -> None:
    """Some writers declare the sheet as `A1`; every row and column is still read."""
    content = _rewritten(b'ref="A1:D41"', b'ref="A1"')
    assert len(rows_of(content)) == len(rows_of(WHOLE)) == 40
    assert len(rows_of(content)[0].cells) == 4


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'<row r="41"', b'<row r="99999999999"'),
        (b'<row r="41"', b'<row r="1048577"'),
        (b'<row r="41"', b'<row r="40"'),
        (b'<row r="41"', b'<row r="3"'),
        (b'<row r="41"', b'<row r="0"'),
        (b'<row r="41"', b'<row r="-7"'),
        (b'<c r="B41"', b'<c r="A41"'),
        (b'<c r="A41"', b'<c r="C41"'),
        (b'<c r="D41"', b'<c r="A41"'),
        (b'<c r="B41"', b'<c r="B40"'),
    ],
)
def test_no_row_and_no_cell_vanishes_for_its_number(old: bytes, new: bytes) -> None:
    """Forged, repeated or falling numbers of rows and cells break the sheet there, and at once."""
    rows = rows_of(_rewritten(old, new))
    assert [row.fault for row in rows] == [""] * 39 + ["FILE_BROKEN"]
    assert [row.row_number for row in rows] == list(range(2, 42))


def test_rows_may_leave_numbers_out_and_cells_their_places() -> None:
    """As the format allows; the largest number a spreadsheet shows is one."""
    last = _rewritten(b'r="([A-D]?)41"', rb'r="\g<1>1048576"')
    assert [row.row_number for row in rows_of(last)][-2:] == [40, 1048576]
    bare = _rewritten(b' r="[A-D]?[0-9]+"', b"")
    assert [row.cells for row in rows_of(bare)] == [row.cells for row in rows_of(WHOLE)]


def test_a_formula_is_found_wherever_the_sheet_lies() -> None:
    """And however its tag is written: a blank would be shown in place of what nobody calculated."""
    workbook = openpyxl.Workbook()
    workbook.worksheets[0].append(HEADER)
    workbook.worksheets[0].append(("1", "甲", "=1+1", None))
    out = io.BytesIO()
    workbook.save(out)
    content = out.getvalue()
    prefixed = _rewritten(b"<(/?)f>", rb"<\g<1>f\n>", content=content)
    assert [row.fault for row in rows_of(prefixed)] == ["CELL_ERROR"]
    with zipfile.ZipFile(out) as archive:
        wide = archive.read(SHEET).decode("utf-8").encode("utf-16").replace(b"\\", rb"\\")
    in_utf_16 = _rewritten(rb"(?s)\A.*", wide, content=content)
    assert [row.fault for row in rows_of(in_utf_16)] == ["CELL_ERROR"]
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("xl/pages/one.xml", archive.read(SHEET))
    moved = _rewritten(
        b"worksheets/sheet1", b"pages/one", "xl/_rels/workbook.xml.rels", out.getvalue()
    )
    moved = _rewritten(b"<f>.*</f>", b"", content=moved)
    assert [row.fault for row in rows_of(moved)] == ["CELL_ERROR"]


def biff_cell(ctype: int, value: str | float) -> Cell:
    """Make a cell as xlrd does."""
    return Cell(ctype, value)  # type: ignore[arg-type]  # the published types allow text cells only


@pytest.mark.parametrize(
    ("ctype", "value", "text"),
    [
        (xlrd.XL_CELL_TEXT, "甲 ", "甲 "),
        (xlrd.XL_CELL_NUMBER, 12.0, "12"),
        (xlrd.XL_CELL_NUMBER, 0.1, "0.1"),
        (xlrd.XL_CELL_DATE, 46052.0, "2026-01-30"),
        (xlrd.XL_CELL_DATE, 46052.375, "2026-01-30 09:00:00"),
        (xlrd.XL_CELL_DATE, 1e9, "1000000000"),
        (xlrd.XL_CELL_BOOLEAN, 1, "TRUE"),
        (xlrd.XL_CELL_ERROR, 0x2A, "#N/A"),
        (xlrd.XL_CELL_ERROR, 0x63, "#N/A"),
        (xlrd.XL_CELL_EMPTY, "", ""),
    ],
)
def test_old_workbooks_give_the_same_texts(ctype: int, value: str | float, text: str) -> None:
    """BIFF cells: dates by the book's calendar, numbers exact, errors recognisable."""
    assert _xls_text(biff_cell(ctype, value), 0) == text


def test_the_other_calendar_of_old_workbooks_is_kept() -> None:
    """Workbooks from a Mac count days from 1904."""
    assert _xls_text(biff_cell(xlrd.XL_CELL_DATE, 46052.0 - 1462), 1) == "2026-01-30"
