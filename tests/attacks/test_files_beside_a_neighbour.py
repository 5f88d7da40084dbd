"""I1 to I4, I7 on whole workers: a file costs its own department alone, and all the truth is told.

One connector reads both departments, which is worse than the units of docs/deploying.md: there each
has a process of its own. Every attack is dropped beside a good file of a neighbour's.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest

from tests.attacks.broker import NEIGHBOUR_SECONDS, Town, until
from tests.attacks.test_budgets import MEGABYTE, SHEET, TITLE, packed, workbook
from tests.driver.rows import OTHER_AUTHORITY
from tests.unit.connectors.made import LICENCE_ROW, table
from tests.unit.connectors.test_file_agent import rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hub.config.settings import Settings

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

CONNECTOR: Final = "connector"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory, settings: Settings) -> Iterator[Town]:
    """Registrar, courier, receipts and one connector for both departments, all running."""
    with Town(tmp_path_factory.mktemp("town"), settings) as place:
        place.start()
        place.start(CONNECTOR)
        place.assert_neighbour_is_answered(60)
        yield place


@pytest.fixture
def inbox(town: Town) -> Path:
    """Where market puts its licences."""
    return town.folder / "inbox" / "licences"


_drops = iter(range(10_000))


def neighbour(town: Town) -> str:
    """Drop a good file of housing's; its name."""
    number = next(_drops)
    name = f"good-{number}.csv"
    row = LICENCE_ROW | {
        "行政许可决定文书号": f"住许{number}号", "许可机关统一社会信用代码": OTHER_AUTHORITY
    }  # fmt: skip
    (town.folder / "inbox-housing" / "licences" / name).write_bytes(table(row))
    return name


def result_of(town: Town, department: str, name: str) -> str:
    """A result file's text; empty while there is none."""
    for path in (town.folder / department / "licences").glob("*.result.*"):
        if path.name.startswith(name):
            return path.read_bytes().decode("utf-8-sig", "replace")
    return ""


def assert_neighbour(town: Town, name: str) -> None:
    """Answered in time, whatever lies in the other inbox; health and memory as they should be."""
    until(lambda: "已受理" in result_of(town, "results-housing", name), NEIGHBOUR_SECONDS)
    town.assert_neighbour_is_answered()
    town.assert_well()


def receipts(town: Town) -> str:
    """Every word that market was told over Kafka."""
    return "\n".join(one.value.decode() for one in town.records("receipts.market"))


def bomb() -> bytes:
    """A workbook of 300 KB with 200 MB inside."""
    return packed({**workbook(), "xl/media/x": bytes(200 * MEGABYTE)})


def laughs() -> bytes:
    """A workbook whose sheet declares a document type."""
    parts = workbook()
    head, _, rest = parts[SHEET].partition(b"?>")
    return packed({**parts, SHEET: head + b'?><!DOCTYPE x [<!ENTITY l "ha">]>' + rest})


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (lambda: TITLE + b'x","\n' * 30_000, "FILE_TOO_MANY_BROKEN_ROWS"),
        (lambda: TITLE.strip() + b"," + "(必填)".encode() * 300_000 + b"x\n", "HEADER_TOO_LONG"),
        (lambda: TITLE + b",\n" * (31 * MEGABYTE), "FILE_TOO_MANY_ROWS"),
        (lambda: TITLE + b"," * (60 * MEGABYTE), "FILE_TOO_COSTLY"),
        (lambda: bytes(65 * MEGABYTE), "FILE_TOO_LARGE"),
        (bomb, "FILE_TOO_LARGE"),
        (laughs, "FILE_BROKEN"),
    ],
    ids=["quotes", "header", "blank-lines", "one-row", "large", "archive", "entities"],
)
def test_a_file_that_costs_too_much_is_refused_and_holds_up_nobody(
    town: Town, inbox: Path, content: Callable[[], bytes], code: str
) -> None:
    """Read apart and within a budget; told to its own department with the bound it passed."""
    (inbox / f"attack-{code}-{next(_drops)}.csv").write_bytes(content())
    assert_neighbour(town, neighbour(town))
    before = receipts(town).count(code)
    until(lambda: receipts(town).count(code) >= max(before, 1), 120)
    assert_neighbour(town, neighbour(town))


def test_many_small_files_are_read_while_the_neighbour_s_one_is(town: Town, inbox: Path) -> None:
    """Listing them costs no more with each that was read."""
    for number in range(300):
        (inbox / f"small-{number}.csv").write_bytes(rows(1, 1_000 + number))
    assert_neighbour(town, neighbour(town))
    until(lambda: len(town.answered("market", "files")) >= 300, 120)
    assert_neighbour(town, neighbour(town))


def test_a_person_in_a_file_is_quarantined_and_stands_in_no_log_or_receipt(
    town: Town, inbox: Path
) -> None:
    """Dotted as no pattern has it; the neighbour's row goes on."""
    number = "330900.1975.0303.0015"
    row = {**LICENCE_ROW, "行政许可决定文书号": "许人1号", "许可内容": f"经营者 {number}"}
    (inbox / "person.csv").write_bytes(table(row))
    assert_neighbour(town, neighbour(town))
    until(lambda: "PERSONAL_ID_IN_TEXT" in receipts(town), 20)
    logs = "".join(path.read_text("utf-8") for path in town.home.glob("*.log"))
    assert number not in logs + receipts(town)


@pytest.mark.parametrize("worker", ["receipts", "courier.city", CONNECTOR, "registrar.0"])
def test_idle_connections_at_a_worker_keep_nobody_waiting(town: Town, worker: str) -> None:
    """300 callers that say nothing: threads stay few, and whoever asks is answered."""
    with ExitStack() as idle:
        for _ in range(300):
            idle.enter_context(socket.create_connection(("127.0.0.1", town.ports[worker]), 5))
        assert_neighbour(town, neighbour(town))
        assert town.process(worker).num_threads() < 100
    assert town.health(worker)[0] == 200
