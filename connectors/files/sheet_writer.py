"""Result files: CSV for any program, XLSX with text cells only; each appears whole, by rename.

A cell that a spreadsheet would take for a formula (`=`, `+`, `-`, `@` first) must not run on the
clerk's machine: XLSX cells are inline strings, which are never formulas; CSV cells get an
apostrophe in front (OWASP, CSV Injection). XLSX is written here and not by a library because
results are rewritten often: 10,000 rows of 20 cells take 0.3 s, by XlsxWriter with constant memory
1.5 s, by openpyxl more. Rows go to the disk as they come: a result of 200,000 takes no more memory
than one of two.
"""

import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, Final, NamedTuple, Protocol, TextIO
from xml.sax.saxutils import escape

from hub.errors import UnavailableError
from hub.io.paths import open_folder

Row = Sequence[str]

SOURCES: Final = ".sources"
"""Folder of the results in which connectors say which file a fingerprint is."""
LONGEST_CELL: Final = 32_767
"""Limits of one cell in a spreadsheet program."""
_STARTS_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")
# Control characters, lone surrogates and non-characters have no place in XML.
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ODD: Final = re.compile("[&<>\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]")
"""A text with one of these, or `_x`, goes through `_xml`."""
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
_CELL_END: Final = "</t></is></c>"
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


class RowFile(Protocol):
    """A file of rows that is written row by row: memory never holds it whole."""

    def begin(self, title: str, header: Row) -> None:
        """Begin a sheet with its header; the next rows are of it."""

    def row(self, cells: Row) -> None:
        """Write a row. Raises `OSError`."""


class _Csv:
    """A `RowFile` of text; sheets follow one below the other."""

    def __init__(self, out: TextIO) -> None:
        self._writer = csv.writer(out)

    def begin(self, title: str, header: Row) -> None:
        """See `RowFile`; a text has no titles."""
        del title
        self.row(header)

    def row(self, cells: Row) -> None:
        """See `RowFile`."""
        self._writer.writerow(
            [f"'{cell}" if cell.startswith(_STARTS_FORMULA) else cell for cell in cells]
        )


class _Workbook:
    """A `RowFile` with nothing but text cells."""

    def __init__(self, archive: zipfile.ZipFile, look: Look) -> None:
        self._archive, self._look = archive, look
        self._titles: list[str] = []
        self._sheet: IO[bytes] | None = None

    def begin(self, title: str, header: Row) -> None:
        """See `RowFile`."""
        self.end()
        self._titles.append(title)
        self._sheet = self._archive.open(f"xl/worksheets/sheet{len(self._titles)}.xml", "w")
        widths = enumerate(self._look.widths, 1)
        columns = "".join(_COLUMN.format(n=n, width=width) for n, width in widths)
        self._write(_SHEET_START.format(columns=f"<cols>{columns}</cols>" if columns else ""))
        self._row(header, _HEADER, _HEADER)

    def row(self, cells: Row) -> None:
        """See `RowFile`."""
        self._row(cells, _MARKED if self._look.is_marked(cells) else _WRAPPED, _PLAIN)

    def _row(self, cells: Row, first: int, rest: int) -> None:
        """Write a row, its first columns and the rest in these formats."""
        widths = self._look.widths
        lines = max(1, *map(_lines, cells, widths)) if widths else 1
        height = _LINE_POINTS * lines
        made = _cells(cells[: len(widths)], first) + _cells(cells[len(widths) :], rest)
        self._write(f'<row ht="{height}" customHeight="1">{made}</row>')

    def _write(self, text: str) -> None:
        if self._sheet is None:
            raise AssertionError("a row belongs to a sheet")
        self._sheet.write(text.encode())

    def end(self) -> None:
        """End the sheet that is open, also where what followed it failed."""
        sheet, self._sheet = self._sheet, None
        if sheet is not None:
            with sheet:
                sheet.write(b"</sheetData></worksheet>")

    def finish(self) -> None:
        """Write what names the sheets."""
        put = self._archive.writestr
        numbers = range(1, len(self._titles) + 1)
        entries = _RELATIONSHIP.format(n=len(numbers) + 1, type="styles", target="styles.xml")
        entries += "".join(
            _RELATIONSHIP.format(n=n, type="worksheet", target=f"worksheets/sheet{n}.xml")
            for n in numbers
        )
        names = "".join(
            f'<sheet name="{escape(title, {chr(34): "&quot;"})}" sheetId="{n}" r:id="rId{n}"/>'
            for n, title in zip(numbers, self._titles, strict=True)
        )
        book = _RELATIONSHIP.format(n=1, type="officeDocument", target="xl/workbook.xml")
        types = "".join(_SHEET_TYPE.format(n=n) for n in numbers)
        put("xl/_rels/workbook.xml.rels", _RELATIONSHIPS.format(entries=entries))
        put("xl/styles.xml", _STYLES)
        put("xl/workbook.xml", _WORKBOOK.format(sheets=names))
        put("_rels/.rels", _RELATIONSHIPS.format(entries=book))
        put("[Content_Types].xml", _CONTENT_TYPES.format(sheets=types))


@contextmanager
def csv_result(results: Path, folder: str, name: str) -> Iterator[RowFile]:
    """Write a CSV file, as `result_file`.

    UTF-8 with a byte order mark, which spreadsheet programs need to tell the encoding.
    """
    with result_file(results, folder, name) as out:
        text = io.TextIOWrapper(out, "utf-8-sig", "replace", newline="")
        try:
            yield _Csv(text)
        finally:
            text.detach()


@contextmanager
def xlsx_result(results: Path, folder: str, name: str, look: Look) -> Iterator[RowFile]:
    """Write a workbook, as `result_file`; it has to have a sheet."""
    with (
        result_file(results, folder, name) as out,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        book = _Workbook(archive, look)
        try:
            yield book
        finally:
            book.end()
        book.finish()


@contextmanager
def result_file(results: Path, folder: str, name: str) -> Iterator[BinaryIO]:
    """Write a file into a folder of the results ("" is these themselves); it appears whole.

    Raises `UnavailableError` when it cannot be written there: also where a link leads elsewhere.
    """
    try:
        with (
            open_folder(results, make=True) as top,
            top.below(*filter(None, [folder]), make=True) as place,
            place.writing(name) as out,
        ):
            yield out
    except OSError as error:
        raise UnavailableError(
            f"无法写入结果文件夹 {results / folder}：{error.strerror}\n"
            f"cannot write to the results folder {results / folder}: {error.strerror}\n"
            "处理办法：检查空间与权限；其下的链接请换成真正的文件夹；恢复后自动补写\n"
            "Remedy: space and permissions; put a real folder where a link is; written then"
        ) from error


def write_result(results: Path, folder: str, name: str, content: bytes) -> None:
    """Put a small file into a folder of the results, as `result_file`."""
    with result_file(results, folder, name) as out:
        out.write(content)


def _cells(cells: Row, style: int) -> str:
    """Cells as XML, made as a whole: there are millions of them."""
    if not cells:
        return ""
    whole = "".join(cells)
    if len(whole) > LONGEST_CELL or "_x" in whole or _ODD.search(whole):
        cells = [_xml(cell) for cell in cells]
    start = f'<c s="{style}" t="inlineStr"><is><t xml:space="preserve">'
    made = f"{start}{f'{_CELL_END}{start}'.join(cells)}{_CELL_END}"
    return made.replace(start + _CELL_END, f'<c s="{style}"/>')


def _lines(cell: str, width: int) -> int:
    """Return how many lines a wrapped text takes, about: not every program works it out."""
    columns = (len(cell.encode("utf-8", "replace")) + len(cell)) // 2  # a Chinese character: two
    return min(_MOST_LINES, -(-columns // (width - 2)))


def _xml(cell: str) -> str:
    """Escape for XML; what XML cannot carry becomes `_xHHHH_`, as the format prescribes."""
    text = escape(cell[:LONGEST_CELL])
    if "_x" in text:
        text = _ESCAPED.sub("_x005F_", text)
    text = _NOT_XML.sub(lambda found: f"_x{ord(found.group()):04X}_", text)
    return text.replace("\r", "_x000D_")
