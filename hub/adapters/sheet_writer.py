"""Result files: CSV for any program, XLSX with text cells only; each appears whole, by rename.

A cell that a spreadsheet would take for a formula (`=`, `+`, `-`, `@` first) must not run on the
clerk's machine: XLSX cells are inline strings, which are never formulas; CSV cells get an
apostrophe in front (OWASP, CSV Injection). XLSX is written here and not by openpyxl because a
5,000-row file is rewritten often: 0.3 s instead of 3 s.
"""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple
from xml.sax.saxutils import escape

from hub.adapters.paths import open_folder
from hub.errors import UnavailableError

Table = Sequence[Sequence[str]]

SOURCES: Final = ".sources"
"""Folder of the results in which connectors say which file a fingerprint is."""
LONGEST_CELL: Final = 32_767
"""What a spreadsheet program can show in one cell."""
_STARTS_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
# Control characters, lone surrogates and non-characters have no place in XML.
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPED: Final = re.compile("_(?=x[0-9A-Fa-f]{4}_)")

_CONTENT_TYPES: Final = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels"'
    ' ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Override PartName="/xl/workbook.xml" ContentType="application/'
    'vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
    '<Override PartName="/xl/styles.xml" ContentType="application/'
    'vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>{sheets}</Types>'
)
_SHEET_TYPE: Final = (
    '<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="application/'
    'vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
)
_RELATIONSHIPS: Final = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    "{entries}</Relationships>"
)
_RELATIONSHIP: Final = (
    '<Relationship Id="rId{n}" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
    'relationships/{type}" Target="{target}"/>'
)
_WORKBOOK: Final = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" '
    'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships">'
    "<sheets>{sheets}</sheets></workbook>"
)
_SHEET_START: Final = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    '<sheetViews><sheetView workbookViewId="0">'
    '<pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>'
    "</sheetView></sheetViews>{columns}<sheetData>"
)
_COLUMN: Final = '<col min="{n}" max="{n}" width="{width}" customWidth="1"/>'
_LINE_POINTS: Final = 15
_MOST_LINES: Final = 8
_PLAIN, _HEADER, _WRAPPED, _MARKED = range(4)
"""Places in the list of cell formats, `cellXfs` of `_STYLES`."""
_STYLES: Final = (
    '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
    '<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
    '<fonts count="2"><font><sz val="11"/></font><font><b/><sz val="11"/></font></fonts>'
    '<fills count="3"><fill><patternFill patternType="none"/></fill>'
    '<fill><patternFill patternType="gray125"/></fill>'
    '<fill><patternFill patternType="solid"><fgColor rgb="FFFDE3E1"/></patternFill></fill></fills>'
    '<borders count="1"><border/></borders>'
    '<cellStyleXfs count="1"><xf/></cellStyleXfs>'
    '<cellXfs count="4"><xf applyAlignment="1"><alignment vertical="top"/></xf>'
    '<xf fontId="1" applyFont="1"/>'
    '<xf applyAlignment="1"><alignment vertical="top" wrapText="1"/></xf>'
    '<xf fillId="2" applyFill="1" applyAlignment="1"><alignment vertical="top" wrapText="1"/></xf>'
    '</cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
    "</styleSheet>"
)


class Look(NamedTuple):
    """How a sheet meets the eye: the first row stays in sight, the first columns are wide enough.

    `widths` are those of the first columns, in characters; their texts wrap. The first columns
    of a row that `is_marked` are coloured: among thousands a clerk finds the one to mend.
    """

    widths: Sequence[int] = ()
    is_marked: Callable[[Sequence[str]], bool] = lambda _: False


def csv_of(table: Table) -> bytes:
    """UTF-8 with a byte order mark, which spreadsheet programs need to tell the encoding."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerows([_harmless(cell) for cell in row] for row in table)
    return ("\ufeff" + out.getvalue()).encode("utf-8", "replace")


def xlsx_of(sheets: Sequence[tuple[str, Table]], look: Look) -> bytes:
    """A workbook of (title, rows) with nothing but text cells."""
    out = io.BytesIO()
    numbers = range(1, len(sheets) + 1)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        types = "".join(_SHEET_TYPE.format(n=n) for n in numbers)
        archive.writestr("[Content_Types].xml", _CONTENT_TYPES.format(sheets=types))
        book = _RELATIONSHIP.format(n=1, type="officeDocument", target="xl/workbook.xml")
        archive.writestr("_rels/.rels", _RELATIONSHIPS.format(entries=book))
        entries = _RELATIONSHIP.format(n=len(sheets) + 1, type="styles", target="styles.xml")
        entries += "".join(
            _RELATIONSHIP.format(n=n, type="worksheet", target=f"worksheets/sheet{n}.xml")
            for n in numbers
        )
        archive.writestr("xl/_rels/workbook.xml.rels", _RELATIONSHIPS.format(entries=entries))
        names = "".join(
            f'<sheet name="{escape(title, {chr(34): "&quot;"})}" sheetId="{n}" r:id="rId{n}"/>'
            for n, (title, _) in zip(numbers, sheets, strict=True)
        )
        archive.writestr("xl/styles.xml", _STYLES)
        archive.writestr("xl/workbook.xml", _WORKBOOK.format(sheets=names))
        for n, (_, table) in zip(numbers, sheets, strict=True):
            archive.writestr(f"xl/worksheets/sheet{n}.xml", _sheet(table, look))
    return out.getvalue()


def write_result(results: Path, folder: str, name: str, content: bytes) -> None:
    """Put a file into a folder of the results ("" is these themselves) at once, never half of it.

    Raises `UnavailableError` when it cannot be written there: also where a link leads elsewhere.
    """
    try:
        with (
            open_folder(results, make=True) as top,
            top.below(*filter(None, [folder]), make=True) as place,
        ):
            place.replace(name, content)
    except OSError as error:
        raise UnavailableError(
            f"无法写入结果文件夹 {results / folder}：{error.strerror}\n"
            f"cannot write to the results folder {results / folder}: {error.strerror}\n"
            "处理办法：检查空间与权限；其下的链接请换成真正的文件夹；恢复后自动补写\n"
            "Remedy: space and permissions; put a real folder where a link is; written then"
        ) from error


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_STARTS_FORMULA) else cell


def _sheet(table: Table, look: Look) -> str:
    columns = "".join(_COLUMN.format(n=n, width=width) for n, width in enumerate(look.widths, 1))
    parts = [_SHEET_START.format(columns=f"<cols>{columns}</cols>" if columns else "")]
    wide = len(look.widths)
    for number, row in enumerate(table):
        style = _MARKED if number and look.is_marked(row) else _WRAPPED
        styles = [style if number else _HEADER] * wide + [_PLAIN if number else _HEADER] * len(row)
        lines = max(1, *(_lines(*each) for each in zip(row, look.widths, strict=False)))
        parts.append(f'<row ht="{_LINE_POINTS * lines}" customHeight="1">')
        parts += [
            f'<c s="{style}" t="inlineStr"><is><t xml:space="preserve">{_xml(cell)}</t></is></c>'
            if cell
            else f'<c s="{style}"/>'
            for cell, style in zip(row, styles, strict=False)
        ]
        parts.append("</row>")
    parts.append("</sheetData></worksheet>")
    return "".join(parts)


def _lines(cell: str, width: int) -> int:
    """Return how many lines a wrapped text takes, about: not every program works it out."""
    columns = (len(cell.encode("utf-8", "replace")) + len(cell)) // 2  # a Chinese character: two
    return min(_MOST_LINES, -(-columns // (width - 2)))


def _xml(cell: str) -> str:
    """Escape for XML; what XML cannot carry becomes `_xHHHH_`, as the format prescribes."""
    if cell.isalnum():
        return cell[:LONGEST_CELL]
    text = escape(cell[:LONGEST_CELL])
    if "_x" in text:
        text = _ESCAPED.sub("_x005F_", text)
    text = _NOT_XML.sub(lambda found: f"_x{ord(found.group()):04X}_", text)
    return text.replace("\r", "_x000D_")
