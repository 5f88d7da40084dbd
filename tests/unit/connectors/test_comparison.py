"""The daily comparison: what vanished, what was missed, stated once a day; missed rows follow."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import connectors.database.source
from connectors.database.sql import After, RawRow, SqlTable
from connectors.events import TableCompared
from hub.errors import SourceError
from hub.ports import OutputRecord
from tests.unit.connectors.databases import (
    Server,
    TablePlace,
    header,
    key_of,
    minutes,
    number_of,
)
from tests.unit.connectors.made import decoded
from tests.unit.connectors.memory_broker import HookKiller, KilledError

RECONCILED = "source.reconciled.v1"


@pytest.fixture
def place(tmp_path: Path, server: Server) -> Iterator[TablePlace]:
    """Return a table that is compared at any time of day, one comparison for each poll."""
    with closing(TablePlace(tmp_path, server, compare_at="00:00")) as made:
        made.stands_still = True
        yield made


def statements(place: TablePlace) -> list[dict[str, str | bytes]]:
    """Return what was stated, in order."""
    return [
        decoded(RECONCILED, record.value)
        for record in sorted(place.submissions, key=number_of)
        if header(record, "ce_type") == RECONCILED
    ]


def rows(place: TablePlace) -> list[int]:
    """Return the keys of the rows submitted, in order."""
    return [key_of(r) for r in sorted(place.submissions, key=number_of) if not _is_stated(r)]


def _is_stated(record: OutputRecord) -> bool:
    return header(record, "ce_type") == RECONCILED


def yesterday(place: TablePlace) -> None:
    """Let the last comparison be a day old: its cursor says so."""
    records = place.broker.committed["t.cursors.market-supervision.licences"]
    records[:] = [
        record._replace(value=b'{"day":"2000-01-01","fill":false}')
        if record.key == b"compared"
        else record
        for record in records
    ]


def test_table_and_hub_agree(place: TablePlace) -> None:
    """Equal counts and digests; once a day, keyed by the department's own authority."""
    now = place.server.now()
    for number in range(1, 8):
        place.put(number, now - minutes(100))
    place.drain()
    place.drain()
    (said,) = statements(place)
    assert said["source_count"] == said["hub_count"] == "7"
    assert said["source_digest"] == said["hub_digest"]
    assert said["vanished_count"] == said["missed_count"] == "0"
    (stated,) = filter(_is_stated, place.submissions)
    assert stated.key == b"11330900MA0000015E"


def test_vanished_and_missed_rows_are_listed_and_the_missed_submitted(place: TablePlace) -> None:
    """A row that is gone is reported, never withdrawn; one that no stamp could show is sent."""
    now = place.server.now()
    for number in range(1, 8):
        place.put(number, now - minutes(100))
    place.put(8, now)
    place.drain()
    place.server.execute(f"DELETE FROM {place.table} WHERE id = 3")
    place.put(4, now - minutes(90), who="改了而时间戳未到的公司")
    place.put(9, now - minutes(5000))
    yesterday(place)
    place.drain()
    _, said = statements(place)
    assert (said["vanished_count"], said["missed_count"]) == ("1", "2")
    assert place.compared[-1] == TableCompared(vanished=1, missed=2)
    assert len(said["vanished_keys"]) == 32
    assert len(said["missed_keys"]) == 64
    assert said["source_digest"] != said["hub_digest"]
    place.seconds += 3600
    place.drain()
    assert sorted(rows(place)) == [1, 2, 3, 4, 4, 5, 6, 7, 8, 9]
    assert not [r for r in place.submissions if "withdrawn" in header(r, "ce_type")]
    yesterday(place)
    place.drain()
    assert statements(place)[-1]["missed_count"] == "0"


def test_rows_that_change_during_the_comparison_are_on_both_sides(
    place: TablePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before they are met and after; a new row that is met, too; none is counted on one side."""
    now = place.server.now()
    for number in range(1, 10):
        place.put(number, now - minutes(100))
    place.drain()
    yesterday(place)
    agent, _ = place.agent()
    agent.start()
    read = vars(SqlTable)["page_by_key"]
    pages = 0

    def page_by_key(table: SqlTable, after: After | None) -> list[RawRow]:
        nonlocal pages
        pages += 1
        time.sleep(0.01)  # longer than a comparison may read on: one page for each step
        found: list[RawRow] = read(table, after)
        return found

    monkeypatch.setattr(SqlTable, "page_by_key", page_by_key)
    monkeypatch.setattr(connectors.database.source, "COMPARE_SECONDS", 0.005)
    while pages < 2:
        agent.step()
    for number in (1, 8, 11):
        place.put(number, now, who=f"改名{number}号公司")
    place.seconds += 3600
    for _ in range(40):
        agent.step()
    said = statements(place)[-1]
    assert rows(place)[-3:] == [1, 8, 11]
    assert said["source_count"] == said["hub_count"] == "10"
    assert said["source_digest"] == said["hub_digest"]
    assert said["vanished_count"] == said["missed_count"] == "0"


@pytest.mark.parametrize("before", [0, 1, 2])
def test_two_rows_of_one_key_are_met_wherever_a_page_ends(
    tmp_path: Path, server: Server, before: int
) -> None:
    """Their stamps are far apart, so that no pass ever sees both."""
    with closing(TablePlace(tmp_path, server, key="no", compare_at="00:00")) as place:
        place.stands_still = True
        now = place.server.now()
        for number in range(before):
            place.put(number, now - minutes(300 - number), no=f"许{number}号")
        place.put(7, now - minutes(200), no="许7号", who="甲")
        for number in (8, 9):
            place.put(number, now - minutes(100 - number), no=f"许{number}号")
        place.put(10, now, no="许7号", who="乙")
        with pytest.raises(SourceError, match="主键相同"):
            place.drain()


def test_a_withdrawn_row_may_be_gone(place: TablePlace) -> None:
    """The department took it back itself."""
    now = place.server.now()
    place.put(1, now - minutes(100))
    place.put(2, now, status="revoked", why="撤销许可")
    place.drain()
    place.put(3, now)
    place.server.execute(f"DELETE FROM {place.table} WHERE id = 2")
    yesterday(place)
    place.drain()
    assert statements(place)[-1]["vanished_count"] == "0"


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
@pytest.mark.parametrize("hook", ["after_consume", "before_flush", "before_commit", "after_commit"])
def test_killed_around_a_statement_it_is_stated_once_and_the_missed_follow(
    place: TablePlace, hook: str
) -> None:
    """The statement is an intent like any row."""
    now = place.server.now()
    place.put(1, now - minutes(100))
    place.put(2, now)
    place.drain()
    place.put(3, now - minutes(5000))
    yesterday(place)
    for nth in range(1, 6):
        try:
            place.drain(place.agent(HookKiller(hook, nth))[0])
        except KilledError:
            place.seconds += 3600
    place.seconds += 3600
    place.drain()
    assert [said["missed_count"] for said in statements(place)] == ["0", "1"]
    assert rows(place) == [1, 2, 3]


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
def test_a_lost_book_is_read_again_from_the_topic(place: TablePlace) -> None:
    """The comparison is with what really is on the topic."""
    now = place.server.now()
    for number in range(1, 6):
        place.put(number, now - minutes(100 - number))
    place.drain()
    place.close()
    for path in (place.folder / "state").glob("submitted.sqlite*"):
        path.unlink()
    yesterday(place)
    place.drain()
    said = statements(place)[-1]
    assert said["hub_count"] == "5"
    assert said["source_digest"] == said["hub_digest"]
