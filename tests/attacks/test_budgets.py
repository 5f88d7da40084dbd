"""Law I2: work is linear in what came in and has a budget, and a file is read apart.

What is counted is work (lines handed out, rows, cells) or what the kernel lets a child take; no
clock decides. Cases of one mechanism stand in one test.
"""

import io
import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import openpyxl
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

import connectors.files.kept_rows
import connectors.tables
from connectors.files.formats import REFUSALS, read_rows
from connectors.files.kept_rows import kept_rows
from connectors.files.reader import READER, ReaderProcess
from connectors.files.text_table import LinesOfText, records
from connectors.layout import Folder
from connectors.tables import Budget, SourceRow, cut_to_size, rows_below_header
from hub.contracts.columns import LONGEST_HEADER, header_key
from hub.domain.kinds import UNREADABLE
from hub.domain.positions import MAX_SHEETS
from hub.domain.reasons import REASONS
from tests.unit.connectors.made import LICENCE_ROW, layouts, table
from tests.unit.connectors.test_file_agent import InboxPlace, header, place, rows

__all__ = ["place"]

WORDS: Final = layouts(Folder.LICENCES).words
HEADER: Final = tuple(LICENCE_ROW)
TITLE: Final = (",".join(HEADER) + "\n").encode()
MEGABYTE: Final = 1 << 20


def read_apart(content: bytes) -> list[SourceRow]:
    """Read a file as the connector does."""
    return list(READER.rows(content, WORDS))


def refusal(content: bytes) -> str:
    """Return the code of a file that is refused as a whole; it has one row, of no sheet's."""
    (row,) = read_apart(content)
    assert row[:4] == (0, 0, (), ())
    return row.fault


# --- linear work ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line", ['x","\n', '"\n', 'a,"b\n', '"x"y\n', '"",""","\r']
)  # fmt: skip
def test_no_line_is_read_more_than_twice_for_a_quote_that_is_never_closed(line: str) -> None:
    """S03: each of 30,000 lines opens a quotation that runs to the end of the file."""
    lines = LinesOfText(line * 30_000)
    numbered = list(records(lines, ","))
    assert lines.handed_out <= 2 * 30_000
    assert [each.number for each in numbered] == list(range(1, len(numbered) + 1))


def test_quotes_that_break_are_told_line_by_line_as_before() -> None:
    """The short way comes to the same rows as reading on to the end each time."""
    for text in ('a,"b\nc","d\n"e"f\ng,h\n"i\nj"\nk,"l\nm\n', 'a,"b\r"c",d\r\n"e""\nf"x\n"g\n"\n'):
        found = [tuple(each) for each in records(LinesOfText(text), ",")]
        assert found == naive(text)


@given(st.lists(st.sampled_from(['"', ",", "a", "\n", "\r", '""']), max_size=40).map("".join))
def test_the_short_way_is_the_long_way(text: str) -> None:
    """Whatever stands in the text, its records are those of reading on to the end."""
    assert [tuple(each) for each in records(LinesOfText(text), ",")] == naive(text)


def naive(text: str) -> list[tuple[int, tuple[str, ...], str]]:
    """Records read the slow way: after each broken one from the next line, to the end."""
    import csv  # noqa: PLC0415 - the module under test uses it, too

    lines = list(io.StringIO(text, newline=""))
    found: list[tuple[int, tuple[str, ...], str]] = []
    at = 0
    while at < len(lines):
        reader = csv.reader(iter(lines[at:]), strict=True)
        try:
            cells = tuple(next(reader))
        except csv.Error:
            found.append((len(found) + 1, (lines[at],), "QUOTES_BROKEN"))
            at += 1
        else:
            found.append((len(found) + 1, cells, ""))
            at += reader.line_num
    return found


@pytest.mark.parametrize(
    "cell",
    ["(必填)" * 300_000 + "x", "\u0301\u0316" * 300_000, "(必填)" * 300_000, "必" * MEGABYTE],
    ids=["marks-and-x", "accents", "marks", "long"],
)
def test_a_header_cell_of_a_megabyte_is_no_header(cell: str) -> None:
    """S13: neither taking marks off nor normalising accents is done to what heads no column."""
    assert header_key(cell) == ""
    named = (",".join((*HEADER, cell)) + "\n").encode()
    assert refusal(named + table(LICENCE_ROW)) == "HEADER_TOO_LONG"
    assert refusal(f"{cell}\n".encode()) == "HEADER_NOT_FOUND"


def test_marks_are_taken_off_a_header_of_any_length_there_is() -> None:
    """What is in use is known with its marks, any number of them."""
    marks = (LONGEST_HEADER - len(HEADER[0])) // len("(必填)")
    assert header_key(HEADER[0] + "(必填)" * marks) == header_key(HEADER[0])


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b",\n" * (32 * MEGABYTE), "HEADER_NOT_FOUND"),
        (TITLE + b",\n" * (31 * MEGABYTE), "FILE_TOO_MANY_ROWS"),
        (b"\n" * 2_000 + TITLE + table(LICENCE_ROW), "HEADER_NOT_FOUND"),
        (TITLE + b'"' + b"x" * (60 * MEGABYTE), "QUOTES_BROKEN"),
        (TITLE + b"," * (60 * MEGABYTE), "FILE_TOO_COSTLY"),
    ],
    ids=["blank", "blank-below-header", "header-far-down", "one-quote", "one-row"],
)
def test_sixty_four_megabytes_of_nothing_are_refused(content: bytes, code: str) -> None:
    """S14: a look for the header ends, and blank lines have a budget."""
    assert [row.fault for row in read_apart(content)] == [code]


# --- budgets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "content", "code"),
    [
        ("MAX_ROWS", rows(6), "FILE_TOO_MANY_ROWS"),
        ("MAX_LINES", TITLE + b"\n" * 6, "FILE_TOO_MANY_ROWS"),
        ("MAX_CELLS", rows(1), "FILE_TOO_MANY_CELLS"),
        ("MAX_BROKEN_ROWS", TITLE + b'a,"b"c\n' * 6, "FILE_TOO_MANY_BROKEN_ROWS"),
        ("MAX_CHARACTERS", rows(1), "FILE_TOO_LARGE"),
    ],
)
def test_a_file_beyond_its_budget_is_refused_as_a_whole(
    monkeypatch: pytest.MonkeyPatch, limit: str, content: bytes, code: str
) -> None:
    """At the limit it is read, one more and it is not; the code says which it was."""
    monkeypatch.setattr(connectors.tables, limit, 5)
    assert list(read_rows(content, WORDS.knows))[-1] == SourceRow(0, 0, (), (), code)
    assert code in REFUSALS
    most = {"MAX_ROWS": 6, "MAX_LINES": 7, "MAX_BROKEN_ROWS": 6}.get(limit, MEGABYTE)
    monkeypatch.setattr(connectors.tables, limit, most)
    assert list(read_rows(content, WORDS.knows))[-1:] != [SourceRow(0, 0, (), (), code)]


def test_the_words_of_a_refusal_say_the_limit() -> None:
    """A clerk reads how much is too much, in both languages."""
    for code, zh, en in (
        ("FILE_TOO_MANY_ROWS", "20万行", "200,000"),
        ("FILE_TOO_MANY_CELLS", "500万格", "5,000,000"),
        ("FILE_TOO_MANY_SHEETS", "100张", "100 sheets"),
        ("FILE_TOO_MANY_BROKEN_ROWS", "1万行", "10,000"),
        ("FILE_TOO_COSTLY", "180秒、768MB", "180 s, 768 MB"),
        ("HEADER_TOO_LONG", "16,384字", "16,384"),
    ):
        assert zh in REASONS[code].zh
        assert en in REASONS[code].en
    tables = connectors.tables
    assert (tables.MAX_ROWS, tables.MAX_CELLS, MAX_SHEETS) == (200_000, 5_000_000, 100)
    assert (tables.MAX_BROKEN_ROWS, tables.MAX_HEADER_CHARACTERS) == (10_000, 16_384)


def test_blank_cells_beside_a_table_have_a_budget() -> None:
    """Rows of sixteen thousand formatted cells are counted before anything is made of them."""
    budget = Budget()
    wide = connectors.tables.NumberedCells(1, ("",) * 16_384)
    with pytest.raises(connectors.tables.OverBudgetError, match="FILE_TOO_MANY_CELLS"):
        list(rows_below_header(0, (wide for _ in range(10**9)), WORDS.knows, budget))
    assert budget.cells_read <= connectors.tables.MAX_CELLS_READ + 16_384


# --- workbooks ------------------------------------------------------------------------------------


def workbook(sheets: int = 1) -> dict[str, bytes]:
    """The parts of a workbook with a header and a row on each sheet."""
    book = openpyxl.Workbook()
    for number in range(sheets):
        sheet = book.worksheets[0] if not number else book.create_sheet()
        sheet.append(list(HEADER))
        sheet.append(list(LICENCE_ROW.values()))
    out = io.BytesIO()
    book.save(out)
    with zipfile.ZipFile(out) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    # texts in a part of their own, as spreadsheet programs have them
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = b'<Override PartName="/%s" ContentType="%s"/></Types>' % (STRINGS.encode(), kind)
    types = "[Content_Types].xml"
    parts[types] = parts[types].replace(b"</Types>", override)
    parts[STRINGS] = (
        b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
        b"<si><t>x</t></si></sst>"
    )
    return parts


def packed(parts: dict[str, bytes]) -> bytes:
    """Pack parts into an archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


SHEET: Final = "xl/worksheets/sheet1.xml"
STRINGS: Final = "xl/sharedStrings.xml"
LAUGHS: Final = b"".join(
    b'<!ENTITY l%d "%s">' % (n, (b"&l%d;" % (n - 1)) * 20 if n else b"ha") for n in range(9)
)


@pytest.mark.parametrize("part", [SHEET, STRINGS, "xl/workbook.xml", "xl/styles.xml"])
def test_entities_of_a_workbook_are_not_expanded(part: str) -> None:
    """No part of a workbook may declare a document type: a billion laughs, another's file."""
    parts = workbook()
    head, _, rest = parts[part].partition(b"?>")
    if not rest:
        head, rest = b'<?xml version="1.0"', parts[part]
    parts[part] = head + b"?><!DOCTYPE x [" + LAUGHS + b"]>" + rest.replace(b"<t>", b"<t>&l8;", 1)
    assert {row.fault for row in read_apart(packed(parts))} == {"FILE_BROKEN"}


def test_one_text_in_a_million_cells_is_refused() -> None:
    """A shared string of 32,000 characters, named by each of 4,000 cells, is 128 million."""
    parts = workbook()
    parts[STRINGS] = parts[STRINGS].replace(
        b"</sst>", b"<si><t>" + b"x" * 32_000 + b"</t></si></sst>"
    )
    row = b"<row>" + b'<c t="s"><v>1</v></c>' * 4 + b"</row>"
    parts[SHEET] = parts[SHEET].replace(b"</sheetData>", row * 1_000 + b"</sheetData>")
    assert refusal(packed(parts)) == "FILE_TOO_LARGE"


def test_an_archive_of_zeros_is_not_unpacked() -> None:
    """What would unpack to a gigabyte is refused by what the archive says of itself."""
    assert refusal(packed({**workbook(), "xl/media/x": bytes(200 * MEGABYTE)})) == "FILE_TOO_LARGE"


def test_elements_that_fill_the_memory_end_the_child_only() -> None:
    """A hundred megabytes of styles are a gigabyte of objects: the kernel says no."""
    parts = workbook()
    parts["xl/styles.xml"] = parts["xl/styles.xml"].replace(
        b"</cellXfs>", b"<xf/>" * (20 * MEGABYTE) + b"</cellXfs>"
    )
    assert refusal(packed(parts)) == "FILE_TOO_COSTLY"


def test_a_hundred_and_one_sheets_are_too_many() -> None:
    """A hundred are read."""
    assert refusal(packed(workbook(101))) == "FILE_TOO_MANY_SHEETS"
    assert [row.fault for row in read_apart(packed(workbook(100)))] == [""] * 100


@pytest.mark.parametrize("place", [b"xl/worksheets/Sheet2.xml", b"xl/worksheets/gone.xml"])
def test_a_sheet_that_leads_nowhere_breaks_its_file(place: bytes) -> None:
    """The library passes it by: its rows would be gone without a word."""
    parts = workbook(2)
    assert [row.fault for row in read_apart(packed(parts))] == ["", ""]
    links = "xl/_rels/workbook.xml.rels"
    assert b"xl/worksheets/sheet2.xml" in parts[links]
    parts[links] = parts[links].replace(b"xl/worksheets/sheet2.xml", place)
    assert refusal(packed(parts)) == "FILE_BROKEN"


# --- a process of its own -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def greedy() -> Iterator[ReaderProcess]:
    """A reading process whose libraries misbehave as the file says."""
    with closing(ReaderProcess("tests.attacks.greedy_reader")) as reader:
        yield reader


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"spin", "FILE_TOO_COSTLY"),
        (b"sleep", "FILE_TOO_COSTLY"),
        (b"swell", "FILE_TOO_COSTLY"),
        (b"write", "FILE_TOO_LARGE"),
        (b"open", "FILE_BROKEN"),
    ],
)
def test_a_child_beyond_a_limit_of_the_kernel_is_a_refused_file(
    greedy: ReaderProcess, content: bytes, code: str
) -> None:
    """Processor, clock, memory, output, open files; the next file is read as if nothing was."""
    assert list(greedy.rows(content, WORDS)) == [SourceRow(0, 0, (), (), code)]
    assert list(greedy.rows(b"", WORDS)) == [SourceRow(0, 2, ("甲",), ("1",))]


@pytest.mark.parametrize("content", [b"fall", b"raise"])
def test_a_child_that_falls_over_is_a_refused_file(
    greedy: ReaderProcess, capfd: pytest.CaptureFixture[str], content: bytes
) -> None:
    """Also where a library has a fault of its own; nothing of the file is on the terminal."""
    assert list(greedy.rows(content, WORDS)) == [SourceRow(0, 0, (), (), "FILE_BROKEN")]
    assert "330900" not in "".join(capfd.readouterr())


def test_a_child_killed_by_somebody_else_does_not_condemn_its_file(
    greedy: ReaderProcess, tmp_path: Path
) -> None:
    """An operator or the kernel may kill anything once."""
    content = b"kill-once " + os.fsencode(tmp_path / "mark")
    assert list(greedy.rows(content, WORDS)) == [SourceRow(0, 2, ("甲",), ("1",))]


def test_a_server_that_was_killed_is_started_again(greedy: ReaderProcess) -> None:
    """The file at hand and those behind it are read."""
    assert list(greedy.rows(b"", WORDS))
    for child in psutil.Process().children():
        if "tests.attacks.greedy_reader" in child.cmdline():
            child.kill()
            child.wait()
    assert list(greedy.rows(b"", WORDS)) == [SourceRow(0, 2, ("甲",), ("1",))]


def test_rows_that_were_read_back_are_not_held() -> None:
    """Six octets for each control character: 60 MB of them were 400 MB of the connector's own."""
    held = []
    for row in READER.rows(TITLE + (b"\x01" * 65_000 + b"\n") * 200, WORDS):
        assert len(row.cells[0]) == 65_000
        (line,) = (
            each
            for each in Path("/proc/self/status").read_text("ascii").splitlines()
            if each.startswith("RssShmem:")
        )
        held.append(int(line.split()[1]) // 1024)
    assert len(held) == 200
    assert max(held) - held[0] < 32


def test_the_reading_process_knows_none_of_our_secrets(
    monkeypatch: pytest.MonkeyPatch, greedy: ReaderProcess
) -> None:
    """Its environment is its own, and no file of ours is open in it."""
    greedy.close()
    monkeypatch.setenv("HUB_SECRET", "canary")
    assert list(greedy.rows(b"", WORDS))
    (server,) = (
        child
        for child in psutil.Process().children()
        if "tests.attacks.greedy_reader" in child.cmdline()
    )
    assert "canary" not in server.environ().values()
    assert [Path(each.path) for each in server.open_files()] == []


# --- the connector --------------------------------------------------------------------------------


def test_a_refused_file_is_one_submission_and_its_neighbours_are_read(place: InboxPlace) -> None:
    """No row of it is on its way, what there is of it is sealed, and the next file is read."""
    place.put("licences/a.csv", rows(2) + b'x","\n' * 30_000)
    place.put("licences/b.csv", rows(2))
    place.drain(place.agent()[0])
    assert [header(each, "ce_type") for each in place.submissions] == [
        UNREADABLE,
        "licence.granted.v1",
        "licence.granted.v1",
    ]
    assert b"FILE_TOO_MANY_BROKEN_ROWS" in place.submissions[0].value


def test_what_is_kept_for_the_result_shows_nothing_that_is_sealed(place: InboxPlace) -> None:
    """The worker of all departments sees neither a file nor a person's row."""
    person = {**LICENCE_ROW, "行政相对人类别": "自然人", "行政相对人名称": "张某某"}
    sealed = {**LICENCE_ROW, "法定代表人证件号码": "330900197503030015"}
    place.put("licences/a.csv", table(LICENCE_ROW, person, sealed))
    place.drain(place.agent()[0])
    sources = place.folder / "results" / ".sources"
    (kept,) = sources.glob("*.rows")
    text = kept.read_text(encoding="utf-8")
    assert LICENCE_ROW["行政相对人名称"] in text
    assert "张某某" not in text
    assert "330900197503030015" not in text
    assert [row.row_number for row in kept_rows(place.folder / "results", kept.stem)] == [2, 3, 4]
    assert kept.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("broken", [b",x,y", b',"x'], ids=["shifted", "quotes"])
def test_nothing_is_kept_open_of_a_row_that_cannot_be_read(
    place: InboxPlace, broken: bytes
) -> None:
    """It is submitted sealed; the name and number in it stood open in the file beside."""
    person = {**LICENCE_ROW, "行政相对人类别": "自然人", "行政相对人名称": "张某某",
              "法定代表人证件号码": "330900197503030015"}  # fmt: skip
    place.put("licences/a.csv", table(person).rstrip() + broken + b"\r\n")
    place.drain(place.agent()[0])
    (kept,) = (place.folder / "results" / ".sources").glob("*.rows")
    (row,) = kept_rows(place.folder / "results", kept.stem)
    assert row.cells == ()
    text = kept.read_text(encoding="utf-8")
    assert "张某某" not in text
    assert "330900197503030015" not in text


def test_kept_rows_have_a_budget(place: InboxPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest go; the file at hand stays."""
    monkeypatch.setattr(connectors.files.kept_rows, "KEPT_BYTES", 4_000)
    for number in range(9):
        place.put(f"licences/{number}.csv", rows(3, number))
    place.drain(place.agent()[0])
    left = list((place.folder / "results" / ".sources").glob("*.rows"))
    assert 0 < sum(each.stat().st_size for each in left) <= 4_000
    named = {json.loads(each.with_suffix(".json").read_text())["name"] for each in left}
    assert "8.csv" in named
    assert "0.csv" not in named


def test_a_row_too_large_to_be_sealed_goes_with_its_digest() -> None:
    """Sixty megabytes in a row do not pass between processes."""
    row = SourceRow(0, 2, ("甲",), ("x" * MEGABYTE, "y"), "CELL_TOO_LARGE")
    cut = cut_to_size(row)
    assert cut.cells[:2] == ("x" * 1_000, "y")
    assert "sha256" in cut.cells[2]
    assert cut_to_size(row._replace(cells=("x" * MEGABYTE, "z"))).cells[2] != cut.cells[2]
    assert cut_to_size(row._replace(cells=("x",))).cells == ("x",)
