"""CSV and its kin: UTF-8 (with or without mark) or GB 18030; comma, semicolon or tab."""

import csv
import io
from collections.abc import Iterator
from typing import Final

from connectors.tables import (
    HEADER_WITHIN,
    MAX_FILE_BYTES,
    HeaderTest,
    NumberedCells,
    SourceRow,
    is_blank,
    rows_below_header,
)

ENCODINGS: Final = ("utf-8-sig", "gb18030")
DELIMITERS: Final = (",", "\t", ";")

# The module-wide limit of `csv` raises in the middle of a file; our own limit marks the row.
csv.field_size_limit(MAX_FILE_BYTES)


def text_rows(content: bytes, is_header: HeaderTest) -> Iterator[SourceRow]:
    """Yield the rows of a delimited text; one row 0 with a fault when it cannot be read at all.

    Strict decoding first; then with the undecodable bytes kept aside, so that a single damaged
    line costs that line and not the file.
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
            lines = list(io.StringIO(text, newline=""))
            for delimiter in DELIMITERS:
                if _has_header(lines, delimiter, is_header):
                    yield from rows_below_header(0, _records(lines, delimiter), is_header)
                    return
    yield SourceRow(0, 0, (), (), "HEADER_NOT_FOUND" if decodes else "ENCODING_UNKNOWN")


def _decoded(content: bytes, encoding: str, errors: str) -> str | None:
    try:
        return content.decode(encoding, errors)
    except UnicodeDecodeError:
        return None


def _has_header(lines: list[str], delimiter: str, is_header: HeaderTest) -> bool:
    """Whether one of the first rows with text, split at `delimiter`, is a known header."""
    seen = 0
    for record in _records(lines, delimiter):
        if is_blank(record.cells):
            continue
        if is_header(record.cells):
            return True
        seen += 1
        if seen >= HEADER_WITHIN:
            break
    return False


class _Feed:
    """Lines from `at` on; tells how far the csv reader has come."""

    def __init__(self, lines: list[str], at: int) -> None:
        self.lines = lines
        self.at = at

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        if self.at >= len(self.lines):
            raise StopIteration
        self.at += 1
        return self.lines[self.at - 1]


def _records(lines: list[str], delimiter: str) -> Iterator[NumberedCells]:
    """Split into records, numbered as a spreadsheet program would number them.

    A quotation mark that is never closed would swallow every later row into one cell. So quotes
    are read strictly: the line they break is one unreadable row, and reading resumes on the next.
    """
    feed = _Feed(lines, 0)
    reader = csv.reader(feed, delimiter=delimiter, strict=True)
    number = 0
    while True:
        start = feed.at
        number += 1
        try:
            yield NumberedCells(number, tuple(next(reader)))
        except StopIteration:
            return
        except csv.Error:
            yield NumberedCells(number, (lines[start],), "QUOTES_BROKEN")
            feed = _Feed(lines, start + 1)
            reader = csv.reader(feed, delimiter=delimiter, strict=True)
