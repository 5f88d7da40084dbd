"""The receipts worker writes the results of all departments: none may stop it or take its memory.

Memory is measured as what Python holds at most (tracemalloc), work is counted; no clock decides.
"""

import io
import json
import os
import sys
import tracemalloc
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import openpyxl
import pytest

from connectors.database.results import ReceiptTexts
from connectors.files.kept_rows import KEPT_CELL, RowKeeper, kept_rows
from connectors.files.result_files import ResultFiles, SourceFiles
from connectors.files.sheet_writer import LONGEST_CELL, SOURCES, Look, write_result, xlsx_result
from connectors.files.source import InboxFile
from connectors.layout import Folder
from connectors.tables import SourceRow
from hub.adapters.receipt_book import ReceiptBook, Reminder, StoredAnswer
from hub.domain.positions import MAX_LINES, MAX_SHEETS
from hub.errors import IntegrityError
from hub.io.paths import OpenFolder
from hub.ports import InputRecord
from hub.workers.receipts import ReceiptsFollower, Teller, _position
from tests.driver.test_receipts import NUMBER, ROW, SITE, DepartmentOffice, LedgerInputs, office
from tests.unit.connectors.databases import KEYS
from tests.unit.connectors.databases import STREAM as TABLE_STREAM
from tests.unit.connectors.made import CONTRACTS, STREAM, table
from tests.unit.connectors.memory_broker import HookKiller
from tests.unit.connectors.test_results import receipt

__all__ = ["office"]

OTHERS: Final = "housing/files"
MEGABYTE: Final = 1 << 20
MARK: Final = "ab" * 32


class ResultsSite:
    """Two departments' results folders and the worker's book, with a clock that is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.places = {STREAM: folder / "market", OTHERS: folder / "housing"}
        self.book = ReceiptBook(folder / "state" / "receipts.sqlite")
        self.now = 0.0
        self.files = SourceFiles(self.places)
        self.results = ResultFiles(self.book, self.files, CONTRACTS, {}, seconds=lambda: self.now)

    def put(
        self,
        name: str,
        stream: str = STREAM,
        first: int = 1,
        odd: Mapping[str, object] | None = None,
    ) -> str:
        """Write a file's manifest; return the file's id."""
        file = InboxFile(Folder.LICENCES, name.encode())
        entry = {
            "folder": "licences", "octets": file.name.hex(), "fingerprint": MARK,
            "first_sequence": first, **(odd or {}),
        }  # fmt: skip
        write_result(self.places[stream], SOURCES, file.manifest, json.dumps(entry).encode())
        return f"{stream}:{file.digest}"

    def keep(self, source: str, rows: Iterator[SourceRow] | Sequence[SourceRow]) -> None:
        """Keep rows as the connector does."""
        stream, _, digest = source.rpartition(":")
        RowKeeper(self.places[stream]).keep(digest, rows)

    def answer(self, source: str, *places: tuple[int, int], code: str = "") -> None:
        """Let each of these rows be accepted, or refused with a reason."""
        reasons = ((code, ""),) if code else ()
        stream = source.rpartition(":")[0]
        self.book.apply(
            [
                StoredAnswer(stream, n, source, *place, b"%16d" % n, "accepted", reasons)
                for n, place in enumerate(places, 1)
            ],
            {},
        )  # fmt: skip

    def write_all(self) -> None:
        """Write part by part until nothing is due."""
        while self.results.write_changed():
            pass

    def written(self, name: str, stream: str = STREAM) -> bool:
        """Whether a file has a result."""
        return (self.places[stream] / "licences" / f"{name}.result.csv").exists()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[ResultsSite]:
    """Return an empty desk."""
    made = ResultsSite(tmp_path)
    with closing(made.book):
        yield made


def big(rows: int, cell: str = "内容") -> Iterator[SourceRow]:
    """Rows as wide as a legal file may have them."""
    headers = tuple(f"列{n}" for n in range(25))
    return (
        SourceRow(0, row + 2, headers, tuple(f"{cell}{row}.{n}" for n in range(25)))
        for row in range(rows)
    )


# --- one file's data ends nothing -----------------------------------------------------------------


def framed(*lines: object) -> bytes:
    """Kept rows as anybody might write them."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


FORGED: Final = {
    "sheet of 4,300 digits": b"[" + b"9" * 4300 + b',["a"]]\n[2,"",["x"]]\n[1]\n',
    "sheet too far": framed([MAX_SHEETS, ["a"]], [2, "", ["x"]], [1]),
    "sheet below 0": framed([-1, ["a"]], [2, "", ["x"]], [1]),
    "row too far": framed([0, ["a"]], [MAX_LINES + 1, "", ["x"]], [1]),
    "row below 0": framed([0, ["a"]], [-1, "", ["x"]], [1]),
    "a row twice": framed([0, ["a"]], [2, "", ["x"]], [2, "", ["x"]], [2]),
    "sheets backwards": framed([1, ["a"]], [2, "", ["x"]], [0, ["a"]], [2, "", ["x"]], [2]),
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED)
def test_rows_that_no_connector_kept_cost_their_own_table(desk: ResultsSite, forged: bytes) -> None:
    """A department may write to its results folder; the worker is everybody's."""
    source = desk.put("a.xlsx")
    write_result(desk.places[STREAM], SOURCES, f"{source.rpartition(':')[2]}.rows", forged)
    with pytest.raises(IntegrityError):
        list(kept_rows(desk.places[STREAM], source.rpartition(":")[2]))
    desk.answer(source, (0, 2))
    assert desk.results.write_changed() == 1
    text = (desk.places[STREAM] / "licences" / "a.xlsx.result.csv").read_text("utf-8-sig")
    assert [line.split(",")[:2] for line in text.splitlines()] == [
        ["行号", "处理结果"],
        ["2", "已受理"],
    ]
    assert not desk.book.changed_sources()


@pytest.mark.parametrize("mark", ["a" * 16 + "b" * 60_000, "a" * 16, "A" * 64])
def test_a_manifest_is_not_kept_with_what_no_connector_wrote(desk: ResultsSite, mark: str) -> None:
    """Sixty kilobytes of a fingerprint, for each file that somebody invents."""
    desk.put("odd.csv", odd={"fingerprint": mark})
    desk.put("a.csv")
    assert desk.files.find(STREAM, mark[:16], 1) is None
    assert desk.files.find(STREAM, MARK[:16], 1) is not None


def test_the_last_sheet_and_the_last_row_are_kept(desk: ResultsSite) -> None:
    """What a file may have, its result has."""
    source = desk.put("a.csv")
    rows = [
        SourceRow(0, 0, (), ()),
        SourceRow(0, 1, ("a",), ("x",)),
        SourceRow(MAX_SHEETS - 1, MAX_LINES, ("a",), ("x",)),
    ]
    desk.keep(source, rows)
    assert list(kept_rows(desk.places[STREAM], source.rpartition(":")[2])) == rows


def test_what_goes_wrong_with_one_file_is_told_and_tried_later(
    desk: ResultsSite, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever it is: the others have their results, and the worker does not spin on it."""
    bad, good = desk.put("bad.csv"), desk.put("good.csv")
    desk.answer(bad, (0, 2))
    desk.answer(good, (0, 2))
    spoil = desk.book._connection.execute
    spoil("UPDATE answers SET reasons = 'no JSON' WHERE source = ?", (bad,))
    tried = [desk.results.write_changed() for _ in range(9)]
    assert tried == [1, 1, 0, 0, 0, 0, 0, 0, 0]
    assert desk.written("good.csv")
    assert not desk.written("bad.csv")
    desk.now = 31.0
    assert [desk.results.write_changed() for _ in range(3)] == [1, 0, 0]
    assert [each.reason for each in caplog.records if each.levelname == "ERROR"] == [  # type: ignore[attr-defined]
        "RESULT_NOT_WRITTEN"
    ]
    assert "bad.csv" not in caplog.records[-1].getMessage()
    spoil("UPDATE answers SET reasons = '[]'")
    desk.now = 90.0
    assert desk.results.write_changed() == 1
    assert desk.written("bad.csv")
    assert not desk.book.changed_sources()


@pytest.mark.parametrize(
    "odd",
    [{"first_sequence": float("inf")}, {"first_sequence": "x"}, {"folder": []}, {"octets": 1}],
)
def test_a_manifest_of_anybodys_making_ends_nothing(
    desk: ResultsSite, odd: dict[str, object]
) -> None:
    """It names no file; the others do."""
    desk.put("odd.csv", odd=odd)
    source = desk.put("a.csv")
    found = desk.files.find(STREAM, MARK[:16], 1)
    assert found is not None
    assert found.source == source


@pytest.mark.parametrize("told", ["x", "", "-1", "٣", "9" * 19, "9" * 5_000, 1.5, 2**70, 7, None])
def test_a_receipt_whose_number_no_connector_wrote_answers_nothing(told: object) -> None:
    """`ce_id` is the sender's word; the number goes into a column of 64 bits."""
    texts = ReceiptTexts(TABLE_STREAM, KEYS)
    content = json.loads(receipt(1))
    assert texts.read(json.dumps(content | {"sequence": told}).encode()) is None
    found = texts.read(json.dumps(content | {"sequence": "9" * 18}).encode())
    assert found is not None
    assert found.submission == 10**18 - 1


def test_a_position_no_file_has_is_none() -> None:
    """A sheet for each of a million submissions would be a workbook of a million sheets."""
    last = f"{MARK[:16]}:{MAX_SHEETS - 1}:{MAX_LINES}"
    assert _position(last.encode()) == (MARK[:16], MAX_SHEETS - 1, MAX_LINES)
    for sheet, row in ((MAX_SHEETS, 1), (0, MAX_LINES + 1)):
        assert _position(f"{MARK[:16]}:{sheet}:{row}".encode()) == ("", 0, 0)


# --- memory of one result -------------------------------------------------------------------------


def peak_of(desk: ResultsSite, name: str, rows: int) -> int:
    """Octets held at most while the result of so many rows is written."""
    source = desk.put(name)
    desk.keep(source, big(rows))
    desk.answer(source, *((0, row + 2) for row in range(rows)))
    tracemalloc.start()
    try:
        desk.write_all()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_result_takes_the_memory_of_a_row(desk: ResultsSite) -> None:
    """A legal file of 200,000 rows took 2.9 GiB: now ten times the rows take what a few do."""
    peak_of(desk, "warm.xlsx", 20)
    small, large = peak_of(desk, "small.xlsx", 200), peak_of(desk, "large.xlsx", 2_000)
    assert large < small + MEGABYTE // 4
    assert large < MEGABYTE
    book = openpyxl.load_workbook(desk.places[STREAM] / "licences" / "large.xlsx.result.xlsx")
    (sheet,) = book.worksheets
    assert (sheet.max_row, sheet.max_column) == (2_001, 33)
    assert [sheet.cell(2_001, column).value for column in (1, 2, 9, 33)] == [
        "2001", "已受理", "内容1999.0", "内容1999.24",
    ]  # fmt: skip


def test_keeping_rows_takes_the_memory_of_a_row(desk: ResultsSite) -> None:
    """The connector held the file, its rows and what it wrote of them at once."""
    source = desk.put("a.csv")
    desk.keep(source, big(2))
    tracemalloc.start()
    try:
        desk.keep(source, big(2_000))
        assert tracemalloc.get_traced_memory()[1] < MEGABYTE // 4
    finally:
        tracemalloc.stop()


def test_a_cell_is_kept_as_far_as_its_row_is_known_again(desk: ResultsSite) -> None:
    """Six kilobytes of a workbook may say a cell of 32,766 characters a thousand times."""
    source = desk.put("a.csv")
    headers = ("甲", "乙")
    cells = "&" * KEPT_CELL, "&" * 32_766
    desk.keep(
        source,
        [SourceRow(0, 2, headers, cells), SourceRow(0, 3, headers, ("z", "x"), "ROW_SHIFTED")],
    )
    whole, faulty = kept_rows(desk.places[STREAM], source.rpartition(":")[2])
    assert whole.cells[0] == cells[0]
    assert whole.cells[1] == "&" * KEPT_CELL + "…（已截短，见原文件）"
    assert faulty == SourceRow(0, 3, headers, ())


def test_of_a_row_that_was_answered_without_end_the_last_answers_are_told(
    desk: ResultsSite,
) -> None:
    """Submissions of one's own making may all bear the position of one row."""
    source = desk.put("a.csv")
    desk.keep(source, [SourceRow(0, 2, ("甲",), ("x",))])
    for start in range(4):
        desk.book.apply(
            [
                StoredAnswer(STREAM, n, source, 0, 2, b"%16d" % n, "accepted", ((f"C{n:04}", ""),))
                for n in range(start * 50, start * 50 + 50)
            ],
            {},
        )
    desk.results.write_changed()
    text = (desk.places[STREAM] / "licences" / "a.csv.result.csv").read_text("utf-8-sig")
    assert "C0199" in text
    assert "C0136" in text
    assert "C0135" not in text


def test_sheets_and_odd_characters_reach_the_spreadsheet(tmp_path: Path) -> None:
    """Row by row it is the same workbook: titles, headers, and what XML cannot carry."""
    odd = ["a&b", "<c>", "_x0041_", "d\re", "f\x01g", "h\ud800", "i\uffff", "j\nk\t l", "=1+1", ""]
    with xlsx_result(tmp_path, "", "a.xlsx", Look((10,))) as table:
        table.begin("一&二", ["甲", "乙"])
        for each in odd:
            table.row([each, each])
        table.row(["x" * 40_000])
        table.begin("三", ["丙"])
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    assert book.sheetnames == ["一&二", "三"]
    found = [[cell.value for cell in row] for row in book.worksheets[0]]
    assert found[0] == ["甲", "乙"]
    escaped = {"_x0041_": "_x005F_x0041_", "d\re": "d_x000D_e", "f\x01g": "f_x0001_g"}
    escaped |= {"h\ud800": "h_xD800_", "i\uffff": "i_xFFFF_"}
    with zipfile.ZipFile(tmp_path / "a.xlsx") as archive:
        text = archive.read("xl/worksheets/sheet1.xml").decode()
    for each in odd[2:7]:
        assert f">{escaped[each]}<" in text
    assert [row[0] for row in found[1:3]] == odd[:2]
    assert found[8:10] == [[each, each] for each in odd[7:9]]
    assert len(str(found[11][0])) == LONGEST_CELL
    assert [[cell.value for cell in row] for row in book.worksheets[1]] == [["丙"]]


def test_a_result_that_fails_half_way_leaves_the_one_before(tmp_path: Path) -> None:
    """Neither half a file nor a temporary one."""
    with xlsx_result(tmp_path, "", "a.xlsx", Look()) as table:
        table.begin("一", ["甲"])
    before = (tmp_path / "a.xlsx").read_bytes()
    with pytest.raises(TypeError), xlsx_result(tmp_path, "", "a.xlsx", Look()) as table:
        table.begin("二", [1])  # type: ignore[list-item]
    assert (tmp_path / "a.xlsx").read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.xlsx"]
    assert zipfile.ZipFile(io.BytesIO(before)).testzip() is None


# --- nobody waits for a pile ----------------------------------------------------------------------


def test_streams_take_turns(desk: ResultsSite) -> None:
    """A department's pile of results is not written before a neighbour's one."""
    for number in range(5):
        desk.answer(desk.put(f"{number}.csv", OTHERS), (0, 2))
    desk.answer(desk.put("a.csv"), (0, 2))
    assert [desk.results.write_changed() for _ in range(2)] == [1, 1]
    assert desk.written("a.csv")
    assert [desk.results.write_changed() for _ in range(6)] == [1, 1, 1, 1, 0, 0]
    for number in range(5):
        desk.answer(f"{OTHERS}:{InboxFile(Folder.LICENCES, b'%d.csv' % number).digest}", (0, 2))
    assert desk.results.write_changed() == 0
    assert desk.results.write_changed(everything=True) == 5


def work_of_a_step(desk: ResultsSite) -> int:
    """Calls of Python and steps of SQLite while one result of many is written."""
    work = 0

    def count(*_: object) -> int:
        nonlocal work
        work += 1
        return 0

    desk.book._connection.set_progress_handler(count, 1)
    sys.setprofile(count)
    try:
        assert desk.results.write_changed() == 1
    finally:
        sys.setprofile(None)
        desk.book._connection.set_progress_handler(None, 0)
    return work


def test_a_step_costs_the_same_however_many_results_wait(desk: ResultsSite) -> None:
    """Each part listed all that was due: 8,000 files dropped at once took 10 ms a step, n² in all.

    Those that rest after they were written count, too: news may come of all of them.
    """
    work = []
    for number in range(400):
        desk.answer(desk.put(f"{number:03}.csv"), (0, 2))
        if number in {2, 399}:
            desk.results.write_changed()
            work.append(work_of_a_step(desk))
    assert work[1] < work[0] * 1.2
    desk.write_all()
    assert len(list((desk.places[STREAM] / "licences").iterdir())) == 400


def test_a_result_that_was_given_up_or_changed_meanwhile_waits_again(desk: ResultsSite) -> None:
    """Nothing but the book knows of it, and it is not asked about each file at every step."""
    source = begun(desk)
    desk.results.close()
    desk.answer(source, (0, 2))
    desk.write_all()
    assert desk.written("large.xlsx", OTHERS)
    assert not desk.book.changed_sources()
    again = ResultFiles(desk.book, desk.files, CONTRACTS, {}, seconds=lambda: 0.0)
    assert again.write_changed() == 0
    desk.answer(source, (0, 2))
    again = ResultFiles(desk.book, desk.files, CONTRACTS, {}, seconds=lambda: 0.0)
    desk.book.take_touched()
    assert again.write_changed() == 1, "a worker that has just started asks the book"


ROWS_OF_PARTS: Final = 5_000
"""Enough for several parts of a result."""


def begun(desk: ResultsSite, name: str = "large.xlsx") -> str:
    """A large result whose first part is written; returns the file's id."""
    source = desk.put(name, OTHERS)
    desk.keep(source, big(ROWS_OF_PARTS))
    desk.answer(source, *((0, row + 2) for row in range(ROWS_OF_PARTS)))
    assert desk.results.write_changed() == 1
    assert not desk.written(name, OTHERS)
    return source


def test_a_large_result_gives_way_to_a_neighbour(desk: ResultsSite) -> None:
    """200,000 rows held the thread of all for 15 s; a neighbour's own large one takes turns."""
    begun(desk)
    desk.answer(desk.put("a.csv"), (0, 2))
    assert desk.results.write_changed() == 1
    assert desk.written("a.csv")
    assert not desk.written("large.xlsx", OTHERS)
    mine = desk.put("b.csv")
    desk.keep(mine, big(ROWS_OF_PARTS))
    desk.answer(mine, *((0, row + 2) for row in range(ROWS_OF_PARTS)))
    turns = []
    while desk.results.write_changed():
        turns.append(desk.written("large.xlsx", OTHERS) + desk.written("b.csv"))
    assert turns.count(0) > turns.count(1), "neither is put off until the other is whole"
    assert turns[-1] == 2


def test_a_result_in_parts_is_of_one_moment(desk: ResultsSite) -> None:
    """What is learned meanwhile stands in the next, which is written after the pause."""
    source = begun(desk)
    folder = desk.places[OTHERS] / "licences"
    spread = [(0, row) for row in (2, ROWS_OF_PARTS + 1)]
    desk.answer(source, *spread, code="CREDIT_CODE_INVALID")
    desk.write_all()
    first = (folder / "large.xlsx.result.csv").read_text("utf-8-sig").splitlines()
    assert len(first) == ROWS_OF_PARTS + 1
    assert not any("CREDIT_CODE_INVALID" in line for line in first)
    assert desk.book.changed_sources() == [(source, 2)]
    desk.now = 60.0
    desk.write_all()
    second = (folder / "large.xlsx.result.csv").read_text("utf-8-sig").splitlines()
    assert [n for n, line in enumerate(second, 1) if "CREDIT_CODE_INVALID" in line] == [
        2, ROWS_OF_PARTS + 1,
    ]  # fmt: skip
    assert second[2:-1] == first[2:-1]
    assert not desk.book.changed_sources()


@pytest.mark.parametrize("at_once", [False, True])
def test_a_worker_that_ends_leaves_no_half_of_a_result(desk: ResultsSite, *, at_once: bool) -> None:
    """It is written when it starts again, or whole before it stops."""
    source = begun(desk)
    folder = desk.places[OTHERS] / "licences"
    assert len(list(folder.iterdir())) == 2, "two files of it are being written"
    if at_once:
        desk.results.close()
        assert list(folder.iterdir()) == []
        assert desk.book.changed_sources() == [(source, 1)]
    else:
        assert desk.results.write_changed(everything=True) == 1
        assert len(list(folder.iterdir())) == 2
        assert desk.written("large.xlsx", OTHERS)
        assert not desk.book.changed_sources()


def test_what_breaks_late_in_a_large_result_is_told_and_left_alone(desk: ResultsSite) -> None:
    """Kept rows that are damaged behind the first part: the hub's columns only, nothing half."""
    source = desk.put("late.csv", OTHERS)
    desk.keep(source, big(ROWS_OF_PARTS))
    kept = desk.places[OTHERS] / SOURCES / f"{source.rpartition(':')[2]}.rows"
    kept.write_bytes(kept.read_bytes()[:-2_000])
    desk.answer(source, (0, 2))
    desk.write_all()
    folder = desk.places[OTHERS] / "licences"
    (line,) = (folder / "late.csv.result.csv").read_text("utf-8-sig").splitlines()[1:]
    assert line.split(",")[:2] == ["2", "已受理"]
    assert len(list(folder.iterdir())) == 1


def test_reminders_of_many_records_give_way_too(tmp_path: Path) -> None:
    """A department may have tens of thousands of records overdue on one day."""
    records = b"".join(b"%16d" % number for number in range(3_000))
    reminder = Reminder("1", "market", "2026-11-06", 1, "overdue", "", 3_000, records)
    with closing(ReceiptBook(tmp_path / "receipts.sqlite")) as book:
        places = {"market": tmp_path / "market"}
        results = ResultFiles(book, SourceFiles({}), CONTRACTS, places, seconds=lambda: 0.0)
        book.apply([reminder], {})
        file = tmp_path / "market" / "reminders" / "2026-11-06-level-1.csv"
        assert results.write_changed() == 1
        assert not file.exists()
        parts = 1
        while results.write_changed():
            parts += 1
        assert parts == 4
        assert len(file.read_text("utf-8-sig").splitlines()) == 3_001


class WaitRecorder(LedgerInputs):
    """Notes how long it was to wait for each batch."""

    def __init__(self, office: DepartmentOffice) -> None:
        super().__init__(office.driver.log)
        self.seconds: list[float] = []

    def consume(self, limit: int, timeout_seconds: float) -> list[InputRecord]:
        """Read on."""
        self.seconds.append(timeout_seconds)
        return super().consume(limit, timeout_seconds)


def test_between_two_results_the_ledger_is_followed_on(office: DepartmentOffice) -> None:
    """A neighbour's receipt does not wait until a department's pile of files is written."""
    for number in range(4):
        office.submit(f"licences/{number}.csv", table({**ROW, NUMBER: f"{number}号"}))
    files, inputs = office.files(), WaitRecorder(office)
    (office.folder / "receipts").mkdir()
    with closing(ReceiptBook(office.folder / "receipts" / "receipts.sqlite")) as book:
        follower = ReceiptsFollower(
            SITE, inputs, office.outbox, book, Teller(SITE, files, CONTRACTS),
            ResultFiles(book, files, CONTRACTS, {}, seconds=lambda: 0.0), HookKiller(),
            lambda _event: None,
        )  # fmt: skip
        follower.start()
        follower.step()
        told, written = len(office.outbox.sent), list(office.folder.glob("results/*/*.csv"))
        assert (told, len(written)) == (4, 1)
        office.submit("licences/late.csv", table({**ROW, NUMBER: "晚号"}))
        follower.step()
        assert len(office.outbox.sent) == 5
        assert len(list(office.folder.glob("results/*/*.csv"))) == 2
        for _ in range(5):
            follower.step()
    assert len(list(office.folder.glob("results/*/*.csv"))) == 5
    first, *others, last = inputs.seconds
    assert first == last > 0.0
    assert set(others[:5]) == {0.0}


# --- manifests ------------------------------------------------------------------------------------


def test_a_folder_of_manifests_is_listed_once_for_a_batch(
    desk: ResultsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each new file was a list of all there are: 4,000 of them took minutes of everybody's time."""
    listed: list[int] = []
    list_folder = OpenFolder.nodes

    def counted(folder: OpenFolder) -> dict[bytes, int]:
        found = list_folder(folder)
        listed.append(len(found))
        return found

    monkeypatch.setattr(OpenFolder, "nodes", counted)
    names = [f"{number}.csv" for number in range(60)]
    sources = [desk.put(name, first=number) for number, name in enumerate(names)]
    desk.files.look_again()
    found = [desk.files.find(STREAM, MARK[:16], number) for number in range(60)]
    assert [each.source for each in found if each is not None] == sources
    assert listed == [60]
    folder = desk.places[STREAM] / SOURCES
    stamp = folder.stat().st_mtime_ns
    late = desk.put("late.csv", first=60)
    os.utime(folder, ns=(stamp, stamp))  # a coarse clock
    desk.files.look_again()
    last = desk.files.find(STREAM, MARK[:16], 61)
    assert last is not None
    assert (last.source, listed) == (late, [60, 61])


def test_a_file_is_known_by_its_id_without_a_list(
    desk: ResultsSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that has just started writes what waits: it opens the manifests it needs."""
    source = desk.put("a.csv")
    monkeypatch.delattr(OpenFolder, "nodes")
    found = desk.files.get(source)
    assert found is not None
    assert found.name == "a.csv"
    assert desk.files.get(f"{STREAM}:0000") is None
    assert desk.files.get("nobody/files:0000") is None
