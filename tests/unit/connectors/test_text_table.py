"""CSV and its kin: whatever the bytes, every row is counted once and nothing raises."""

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.files.formats import read_rows
from connectors.tables import MAX_CELL_CHARACTERS, Cells, SourceRow

HEADER = ("文书号", "相对人名称", "备注")


def knows(cells: Cells) -> bool:
    """Know a header by its first two words."""
    return cells[:2] == HEADER[:2]


def rows_of(content: bytes) -> list[SourceRow]:
    """Read everything."""
    return list(read_rows(content, knows))


def written(
    rows: Sequence[tuple[str, ...]], delimiter: str = ",", encoding: str = "utf-8"
) -> bytes:
    """Write a table as a spreadsheet program would."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode(encoding)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encoding_and_delimiter_are_told_by_the_header(encoding: str, delimiter: str) -> None:
    """The same table reads the same in each encoding and with each delimiter."""
    table = [HEADER, ("甬〔2026〕1号", '带"引号"，\n换行', "；,\t")]
    assert rows_of(written(table, delimiter, encoding)) == [SourceRow(0, 2, HEADER, table[1])]


def test_an_encoding_nobody_agreed_on_is_one_unreadable_file() -> None:
    """UTF-16 and Big5 have no header the hub knows: one fault for the file, no guess."""
    table = "文书号,相对人名称\n甬1號,某公司\n"
    assert [row.fault for row in rows_of(table.encode("utf-16-le") + b"\xff")] == [
        "ENCODING_UNKNOWN"
    ]
    assert [
        (row.row_number, row.fault) for row in rows_of("文書號,相對人名稱\n".encode("big5"))
    ] == [(0, "HEADER_NOT_FOUND")]


def test_one_damaged_line_costs_that_line_only() -> None:
    """A byte that decodes in no encoding makes its own row unreadable, not its neighbours."""
    content = written([HEADER, ("1", "甲", ""), ("2", "乙", ""), ("3", "丙", "")])
    broken = content.replace("乙".encode(), b"\xe4\xff")
    assert [(row.row_number, row.fault) for row in rows_of(broken)] == [
        (2, ""),
        (3, "BYTES_NOT_TEXT"),
        (4, ""),
    ]


def test_a_quotation_mark_never_closed_does_not_swallow_later_rows() -> None:
    """The line with the broken quote is one unreadable row; the next lines are read."""
    content = '文书号,相对人名称\n1,甲\n2,"乙\n3,丙\n4,丁\n'.encode()
    assert [(row.row_number, row.cells[0], row.fault) for row in rows_of(content)] == [
        (2, "1", ""),
        (3, '2,"乙\n', "QUOTES_BROKEN"),
        (4, "3", ""),
        (5, "4", ""),
    ]


def test_a_row_with_more_cells_than_the_header_is_not_guessed_at() -> None:
    """An unquoted comma shifts later cells; the row is unreadable. Blank extra cells are not."""
    content = "文书号,相对人名称\n1,甲,乙\n2,丙,, \n".encode()
    assert [row.fault for row in rows_of(content)] == ["ROW_SHIFTED", ""]


def test_two_hundred_columns_and_a_megabyte_cell_are_unreadable_rows() -> None:
    """Neither an absurd width nor an absurd cell stops the file or is cut short."""
    wide = ",".join((*HEADER, *(f"列{n}" for n in range(200))))
    assert [row.fault for row in rows_of(f"{wide}\n1,甲\n".encode())] == ["TOO_MANY_COLUMNS"]
    big = written([HEADER, ("1", "甲", "x" * (1 << 20)), ("2", "乙", "")])
    assert [row.fault for row in rows_of(big)] == ["CELL_TOO_LARGE", ""]
    assert len(rows_of(big)[0].cells[2]) > MAX_CELL_CHARACTERS


def test_titles_above_the_header_and_blank_rows_are_no_rows() -> None:
    """Numbers are those a spreadsheet program shows, blank rows counted but not submitted."""
    content = "某局行政许可,\n\n文书号,相对人名称\n,\n1,甲\n , \n2,乙\n".encode()
    assert [(row.row_number, row.cells) for row in rows_of(content)] == [
        (5, ("1", "甲")),
        (7, ("2", "乙")),
    ]


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_raise(content: bytes) -> None:
    """Whatever stands in the file, alone or below a header, reading ends with rows."""
    for start in (b"", "文书号,相对人名称\n".encode(), "文书号,相对人名称\n".encode("gb18030")):
        rows_of(start + content)


cell_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@given(
    st.lists(st.tuples(cell_texts, cell_texts, cell_texts), max_size=12),
    st.sampled_from([",", ";", "\t"]),
)
def test_rows_in_are_rows_out_in_order(rows: list[tuple[str, str, str]], delimiter: str) -> None:
    """Every row that says something comes out once, in order, with its number and its texts."""
    read = rows_of(written([HEADER, *rows], delimiter))
    expected = [
        (number, row)
        for number, row in enumerate(rows, start=2)
        if any(cell and not cell.isspace() for cell in row)
    ]
    assert [row.row_number for row in read] == [number for number, _ in expected]
    for row, (_, cells) in zip(read, expected, strict=True):
        assert (*row.cells, "", "", "")[:3] == tuple(
            cell if any(c.strip() for c in cells[index:]) else ""
            for index, cell in enumerate(cells)
        )
