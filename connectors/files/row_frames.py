"""Rows as lines of JSON, for one process to write and another to read back, exactly and bounded.

`[sheet, [header, …]]` begins the rows of a table, `[row, fault, [cell, …]]` is one of them, and
`[count]` ends it all: what does not end so is not whole.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, Final

from connectors.tables import MAX_HEADER_CHARACTERS, MAX_ROW_KEPT, Cells, SourceRow
from hub.errors import IntegrityError

MAX_LINE_BYTES: Final = 6 * (MAX_ROW_KEPT + MAX_HEADER_CHARACTERS)
"""Of one row. JSON makes six octets of a control character."""


def write_rows(rows: Iterable[SourceRow], out: BinaryIO) -> None:
    """Write the rows and their count. Raises `OSError`."""
    place: tuple[int, Cells] | None = None
    count = 0
    for row in rows:
        if place != (row.sheet_index, row.headers):
            place = row.sheet_index, row.headers
            out.write(_line(place))
        out.write(_line((row.row_number, row.fault, row.cells)))
        count += 1
    out.write(_line((count,)))


def read_rows_back(lines: Iterable[bytes]) -> Iterator[SourceRow]:
    """Yield the rows. Raises `IntegrityError`, at the latest behind the last of them."""
    sheet = 0
    headers: Cells = ()
    count = 0
    is_whole = False
    for line in lines:
        match _parsed(line):
            case _ if is_whole or len(line) > MAX_LINE_BYTES:
                break
            case [int(row), str(fault), list(cells)]:
                count += 1
                yield SourceRow(sheet, row, headers, _texts(cells), fault)
            case [int(told), list(found)]:
                sheet, headers = told, _texts(found)
            case [int(told)] if told == count:
                is_whole = True
            case _:
                break
    else:
        if is_whole:
            return
    raise damaged()


def _line(parts: tuple[object, ...]) -> bytes:
    """One line. Undecoded octets are lone surrogates in it and survive."""
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass") + b"\n"


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        raise damaged() from None


def _texts(parts: list[Any]) -> Cells:
    if not {str}.issuperset(map(type, parts)):
        raise damaged()
    return tuple(parts)


def damaged() -> IntegrityError:
    """Message about rows that were not written so by a reader."""
    return IntegrityError(
        "读出的行已损坏或不完整\nthe rows that were read are damaged or not whole\n"
        "处理办法：重新启动该进程，将重新读取原文件\n"
        "Remedy: start again; the file itself is read anew"
    )
