"""Files to bytes, the same bytes every time: CSV by hand, XLSX as a stored zip without clocks."""

import csv
import io
import re
import zipfile
from collections.abc import Sequence
from datetime import date
from typing import Final
from xml.sax.saxutils import escape

from demo.generator.columns import (
    DECIDED_BY,
    OWN_LAYOUT,
    OWN_VERSION,
    PERSON_LICENCE,
    PREVIOUS,
    REASON,
    TABLES,
    WITHDRAWAL,
)
from demo.generator.dice import Dice
from demo.generator.rows import FileToDrop, Row

_ISO: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_AMOUNT: Final = re.compile(r"\d+(\.\d+)?")
_DATE_COLUMNS: Final = ("JDRQ", "YXQZ", "YXQZI", "YXQ", "GSJZQ")
_AMOUNT_COLUMNS: Final = ("CF_NR_FK", "CF_NR_WFFF")
_SPREADSHEET_DAY_ZERO: Final = date(1899, 12, 30)
_ZIP_TIME: Final = (2026, 9, 1, 0, 0, 0)
_BROKEN_AT: Final = 900

Columns = list[tuple[str, str]]
"""(header as written, key of the row's cells or of its extras after a `+`)."""


def file_bytes(file: FileToDrop) -> bytes:
    """The whole file as the department's software writes it."""
    columns = _columns(file)
    if file.department.style.form == "xlsx":
        content = _workbook(file, columns)
        return content[:_BROKEN_AT] if file.is_broken else content
    return _text(file, columns).encode(file.department.style.encoding)


def _columns(file: FileToDrop) -> Columns:
    """The columns of the file in the order they are written."""
    style = file.department.style
    if file.folder == "withdrawals":
        return [(header, "+" + header) for header in WITHDRAWAL.values()]
    if file.has_own_layout:
        own = [(header, code) for header, code in OWN_LAYOUT.items()]
        return [*own, (OWN_VERSION, "+version")]
    table = PERSON_LICENCE if file.persons else TABLES[file.table]
    columns = [(code if style.header == "code" else zh, code) for code, zh in table.items()]
    if style.padded_header:
        columns = [(header + " ", key) for header, key in columns]
    if file.folder == "corrections":
        columns += [(header, "+" + header) for header in (REASON, *PREVIOUS.values())]
    if file.folder == "restorations":
        columns += [(header, "+" + header) for header in (REASON, DECIDED_BY)]
    if style.shuffled:
        columns = Dice(f"columns {file.path}").shuffled(columns)
    return columns


def _cells(row: Row, columns: Columns) -> list[str]:
    """The texts of one row; a shifted row begins with the cells it was given instead."""
    cells = [
        row.extra.get(key[1:], "1" if key == "+version" else "")
        if key[0] == "+"
        else row.cells.get(key, "")
        for _, key in columns
    ]
    if row.raw_cells is None:
        return cells
    if row.raw_cells == ("",):
        return ["", *cells[:-1]]
    remark = [key for _, key in columns].index("BZ")
    return [*cells[: remark + 1], *row.raw_cells, *cells[remark + 1 :]]


def _text(file: FileToDrop, columns: Columns) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([header for header, _ in columns])
    writer.writerows(_cells(row, columns) for row in file.rows)
    writer.writerows([[""] * len(columns)] * file.blank_rows)
    return out.getvalue()


# --- workbooks -----------------------------------------------------------------------------------

_MAIN: Final = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE: Final = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE: Final = "http://schemas.openxmlformats.org/package/2006"
_TYPE: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_HEAD: Final = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_STYLES: Final = (
    f'{_HEAD}<styleSheet xmlns="{_MAIN}"><fonts count="1"><font><sz val="11"/></font></fonts>'
    '<fills count="1"><fill><patternFill patternType="none"/></fill></fills>'
    '<borders count="2"><border/><border><bottom style="thin"/></border></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="3"><xf/><xf borderId="1" applyBorder="1"/>'
    '<xf numFmtId="14" applyNumberFormat="1"/></cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)


def _workbook(file: FileToDrop, columns: Columns) -> bytes:
    """One sheet of the file's rows, formatted blank rows below, perhaps an empty second sheet."""
    sheets = [_sheet(file, columns)]
    if file.department.style.empty_sheet:
        sheets.append(f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData/></worksheet>')
    numbers = range(1, len(sheets) + 1)
    parts = {
        "[Content_Types].xml": _content_types(numbers),
        "_rels/.rels": _relations([("officeDocument", "xl/workbook.xml")]),
        "xl/workbook.xml": _book(numbers),
        "xl/_rels/workbook.xml.rels": _relations(
            [("worksheet", f"worksheets/sheet{number}.xml") for number in numbers]
            + [("styles", "styles.xml")]
        ),
        "xl/styles.xml": _STYLES,
        **{f"xl/worksheets/sheet{n}.xml": xml for n, xml in zip(numbers, sheets, strict=True)},
    }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, xml in parts.items():
            entry = zipfile.ZipInfo(name, _ZIP_TIME)
            entry.create_system = 0
            archive.writestr(entry, xml)
    return out.getvalue()


def _content_types(numbers: Sequence[int]) -> str:
    parts = [("xl/workbook.xml", "sheet.main"), ("xl/styles.xml", "styles")]
    parts += [(f"xl/worksheets/sheet{number}.xml", "worksheet") for number in numbers]
    overrides = "".join(
        f'<Override PartName="/{name}" ContentType="{_TYPE}.{kind}+xml"/>' for name, kind in parts
    )
    return (
        f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{overrides}</Types>'
    )


def _relations(targets: list[tuple[str, str]]) -> str:
    entries = "".join(
        f'<Relationship Id="rId{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, 1)
    )
    return f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{entries}</Relationships>'


def _book(numbers: Sequence[int]) -> str:
    sheets = "".join(f'<sheet name="Sheet{n}" sheetId="{n}" r:id="rId{n}"/>' for n in numbers)
    return (
        f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{sheets}</sheets></workbook>'
    )


def _sheet(file: FileToDrop, columns: Columns) -> str:
    """The sheet's XML: header, rows, then rows that hold formats only."""
    lines = [[_text_cell(header) for header, _ in columns]]
    for row in file.rows:
        texts = _cells(row, columns)
        lines.append([_cell(key, text) for (_, key), text in zip(columns, texts, strict=True)])
    lines += [['<c r="{}" s="1"/>'] * 3] * file.blank_rows
    xml = [
        f'<row r="{number}">'
        + "".join(
            cell.replace("{}", f"{_letters(place)}{number}", 1)
            for place, cell in enumerate(cells)
            if cell
        )
        + "</row>"
        for number, cells in enumerate(lines, 1)
    ]
    return f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>{"".join(xml)}</sheetData></worksheet>'


def _cell(key: str, text: str) -> str:
    """A date or an amount as a number, as Excel stores what was typed; all else as text."""
    if key[3:] in _DATE_COLUMNS and _ISO.fullmatch(text):
        return _date_cell(text) or _text_cell(text)
    if key in _AMOUNT_COLUMNS and _AMOUNT.fullmatch(text):
        return '<c r="{}"><v>' + text + "</v></c>"
    return _text_cell(text)


def _date_cell(text: str) -> str:
    try:
        days = (date.fromisoformat(text) - _SPREADSHEET_DAY_ZERO).days
    except ValueError:
        return ""
    first_safe_day = 61  # before March 1900 Excel counts a day that never was
    return '<c r="{}" s="2"><v>' + f"{days}</v></c>" if days >= first_safe_day else ""


def _text_cell(text: str) -> str:
    if not text:
        return ""
    return '<c r="{}" t="inlineStr"><is><t xml:space="preserve">' + escape(text) + "</t></is></c>"


def _letters(place: int) -> str:
    """A column's letters: 0 is A, 26 is AA."""
    first, last = divmod(place, 26)
    return (chr(64 + first) if first else "") + chr(65 + last)
