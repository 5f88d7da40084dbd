"""CSV and its kin: UTF-8 (with or without mark) or GB 18030; comma, semicolon or tab."""

import csv
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from connectors.tables import (
    HEADER_WITHIN,
    HEADER_WITHIN_LINES,
    MAX_FILE_BYTES,
    Budget,
    HeaderTest,
    NumberedCells,
    SourceRow,
    is_blank,
    rows_below_header,
)

ENCODINGS: Final = ("utf-8-sig", "gb18030")
DELIMITERS: Final = (",", "\t", ";")
_END_OF_LINE: Final = re.compile("\r\n?|\n")

# The module-wide limit of `csv` raises in the middle of a file; our own limit marks the row.
csv.field_size_limit(MAX_FILE_BYTES)


def text_rows(content: bytes, is_header: HeaderTest, budget: Budget) -> Iterator[SourceRow]:
    """Yield the rows of a delimited text; one row 0 with a fault when it cannot be read at all.

    Strict decoding first; then with the undecodable bytes kept aside, so that a single damaged
    line costs that line and not the file. Raises `OverBudgetError`.
    """
    if not content.strip():
        yield SourceRow(0, 0, (), (), "HEADER_NOT_FOUND")
        return
    decodes = False
    for errors in ("strict", "surrogateescape"):
        for encoding in ENCODINGS:
            text = _decoded(content, encoding, errors)
            if text is None:
                continue
            decodes = decodes or errors == "strict"
            for delimiter in DELIMITERS:
                if _has_header(text, delimiter, is_header):
                    yield from rows_below_header(
                        0, records(LinesOfText(text), delimiter), is_header, budget
                    )
                    return
    yield SourceRow(0, 0, (), (), "HEADER_NOT_FOUND" if decodes else "ENCODING_UNKNOWN")


def _decoded(content: bytes, encoding: str, errors: str) -> str | None:
    try:
        return content.decode(encoding, errors)
    except UnicodeDecodeError:
        return None


def _has_header(text: str, delimiter: str, is_header: HeaderTest) -> bool:
    """Whether one of the first rows with text, split at `delimiter`, is a known header."""
    seen = 0
    for record in islice(records(LinesOfText(text), delimiter), HEADER_WITHIN_LINES):
        if is_blank(record.cells):
            continue
        if is_header(record.cells):
            return True
        seen += 1
        if seen >= HEADER_WITHIN:
            break
    return False


class _DoomedError(Exception):
    """The record at hand runs on into a line from which no quotation mark is ever closed."""


class LinesOfText:
    """The lines of a text, handed to the csv reader; each is handed out twice at most.

    Within a quotation the reader knows nothing of a line but that it is in one. So when a record
    that ran over lines `a` to `b` turned out broken, every later record that runs from one line of
    them into the next is broken as well, and is not read on.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._start = 0
        self._doomed = 0
        self.handed_out = 0
        """Lines so far, those that were handed out twice counted twice: the work done."""

    def __iter__(self) -> "LinesOfText":
        return self

    def __next__(self) -> str:
        if self._at >= len(self._text):
            raise StopIteration
        if self._start < self._at < self._doomed:
            raise _DoomedError
        self.handed_out += 1
        line = self._line(self._at)
        self._at += len(line)
        return line

    def begin_record(self) -> None:
        """Say that the next line begins a record."""
        self._start = self._at

    def break_record(self) -> str:
        """Return the first line of the record, which is broken; the next record is behind it."""
        self._doomed = max(self._doomed, self._at)
        line = self._line(self._start)
        self._at = self._start + len(line)
        return line

    def _line(self, at: int) -> str:
        """The line that begins there, ended by CR, LF or both, as the csv module would have it."""
        found = _END_OF_LINE.search(self._text, at)
        return self._text[at : found.end() if found else len(self._text)]


def records(lines: LinesOfText, delimiter: str) -> Iterator[NumberedCells]:
    """Split into records, numbered as a spreadsheet program would number them.

    A quotation mark that is never closed would swallow every later row into one cell. So quotes
    are read strictly: the line they break is one unreadable row, and reading resumes on the next.
    """
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    number = 0
    while True:
        lines.begin_record()
        number += 1
        try:
            yield NumberedCells(number, tuple(next(reader)))
        except StopIteration:
            return
        except (csv.Error, _DoomedError):
            yield NumberedCells(number, (lines.break_record(),), "QUOTES_BROKEN")
            reader = csv.reader(lines, delimiter=delimiter, strict=True)
