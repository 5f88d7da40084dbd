"""One file's bytes -> its rows, in any format; content, not the name, decides which."""

from collections.abc import Iterator
from typing import Final

from connectors.files.text_table import text_rows
from connectors.tables import (
    MAX_FILE_BYTES,
    Budget,
    HeaderTest,
    OverBudgetError,
    SourceRow,
    within_limits,
)

_ZIP = b"PK"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_NO_TABLE = (b"<", b"%PDF", b"{\\rtf", b"\x89PNG", b"\xff\xd8\xff")
_START: Final = 4096
"""Octets in which blanks may come before the mark of another format."""
REFUSALS: Final = frozenset(
    {
        "FILE_TOO_LARGE",
        "FILE_TOO_MANY_ROWS",
        "FILE_TOO_MANY_CELLS",
        "FILE_TOO_MANY_SHEETS",
        "FILE_TOO_MANY_BROKEN_ROWS",
        "FILE_TOO_COSTLY",
    }
)
"""Codes with which a file is refused as a whole, even if parts could be read."""


def read_rows(content: bytes, is_header: HeaderTest) -> Iterator[SourceRow]:
    """Yield every row of the file in order, each with its fault if it has one; never raises.

    A file that cannot be read at all yields one row: sheet 0, row 0, with the reason code. So does
    one that takes more than its budget, behind the rows that were read: with a code of
    `REFUSALS` none of them counts.
    """
    budget = Budget()
    try:
        for row in _rows(content, is_header, budget):
            found = within_limits(row)
            budget.row(found)
            yield found
    except OverBudgetError as over:
        yield SourceRow(0, 0, (), (), over.code)


def _rows(content: bytes, is_header: HeaderTest, budget: Budget) -> Iterator[SourceRow]:
    if len(content) > MAX_FILE_BYTES:
        return iter((SourceRow(0, 0, (), (), "FILE_TOO_LARGE"),))
    if content.startswith((_ZIP, _OLE)):
        from connectors.files.spreadsheet import xls_rows, xlsx_rows  # noqa: PLC0415 - openpyxl: slow, for workbooks alone

        return (xlsx_rows if content.startswith(_ZIP) else xls_rows)(content, is_header, budget)
    if content[:_START].lstrip().startswith(_NO_TABLE):
        # Web systems hand out HTML pages under the name .xls.
        return iter((SourceRow(0, 0, (), (), "FILE_NOT_A_TABLE"),))
    return text_rows(content, is_header, budget)
