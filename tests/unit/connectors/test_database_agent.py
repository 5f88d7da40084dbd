"""The database connector on real servers: every row version once, late commits, refusals."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa

from connectors.submission import OutgoingSubmission
from hub.domain.kinds import UNREADABLE
from hub.errors import SourceError
from tests.conftest import PostgresPart
from tests.mariadb import NEEDS_MARIADB
from tests.unit.connectors.databases import (
    Server,
    TablePlace,
    header,
    key_of,
    minutes,
    number_of,
    numbers,
)
from tests.unit.connectors.made import fields_of
from tests.unit.connectors.memory_broker import HookKiller, KilledError

HOOKS = ("after_lease", "after_init", "in_restore", "after_consume", "after_begin", "mid_produce",
         "before_flush", "before_commit", "after_commit")  # fmt: skip
TORN_AT = ("before_flush", "before_commit")


def test_every_row_is_submitted_once_page_by_page(place: TablePlace) -> None:
    """Numbers run from 1 without gaps; ties of the stamp and rows without one lose nobody."""
    now = place.server.now()
    for number in range(1, 9):
        place.put(number, now - minutes(3))
    place.put(9, None)
    place.drain()
    assert numbers(place.submissions) == list(range(1, 10))
    assert sorted(place.submitted_keys) == list(range(1, 10))
    place.drain()
    assert len(place.submissions) == 9


def test_only_what_changed_is_submitted_again(place: TablePlace) -> None:
    """A new stamp with an equal row is no change, also long after it left the window."""
    now = place.server.now()
    for number in range(1, 6):
        place.put(number, now - minutes(100))
    place.put(6, now)
    place.drain()
    place.put(2, now)
    place.put(3, now, who="舟山青禾食品有限公司（新）")
    place.drain()
    assert sorted(place.submitted_keys) == [1, 2, 3, 3, 4, 5, 6]


def test_a_row_committed_late_with_an_older_stamp_is_found(place: TablePlace) -> None:
    """Two transactions at once: the one that began first commits last."""
    now = place.server.now()
    with place.server.transaction() as slow:
        place.put_in(slow, 1, now - minutes(0.5), {"no": "许1号"})
        place.put(2, now)
        place.drain()
        assert place.submitted_keys == [2]
    place.drain()
    assert place.submitted_keys == [2, 1]


def test_a_stamp_from_the_future_hides_nothing(place: TablePlace) -> None:
    """The mark stops at the database's own clock."""
    now = place.server.now()
    place.put(1, now + minutes(60 * 24 * 365))
    place.drain()
    place.put(2, place.server.now())
    place.drain()
    assert place.submitted_keys == [1, 2]


def test_rows_leave_the_window_with_a_tombstone(place: TablePlace) -> None:
    """The cursor topic holds the overlap's rows, not the table."""
    now = place.server.now()
    for number in range(1, 8):
        place.put(number, now - minutes(100 - number))
    place.put(8, None)
    place.drain()
    place.put(8, now)
    place.drain()
    place.drain()
    kept = [key for key in place.cursors() if key.startswith("row:")]
    assert len(kept) == 1
    assert not [key for key in place.cursors() if key.startswith("intent")]


@pytest.mark.parametrize("server", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("hook", "torn"),
    [(hook, "") for hook in HOOKS]
    + [(hook, torn) for hook in TORN_AT for torn in ("flushed", "cursor", "prefix")],
)
def test_killed_at_any_hook_no_number_carries_two_rows(
    place: TablePlace, hook: str, torn: str
) -> None:
    """Also where a transaction is torn and the table has changed before it is read again."""
    _kill_again_and_again(place, hook, torn)


@NEEDS_MARIADB
@pytest.mark.parametrize("server", ["mariadb"], indirect=True)
def test_the_second_dialect_stands_the_worst_of_them(place: TablePlace) -> None:
    """Killed before the commit, half of the cursor entries on the broker."""
    _kill_again_and_again(place, "before_commit", "prefix")


def _kill_again_and_again(place: TablePlace, hook: str, torn: str) -> None:
    now = place.server.now()
    for number in range(1, 8):
        place.put(number, now - minutes(number))
    lives = 0
    for nth in range(1, 6):
        agent, transactions = place.agent(HookKiller(hook, nth), torn=torn)
        try:
            place.drain(agent)
        except KilledError:
            transactions.retire()
            lives += 1
            place.put(1 + lives % 7, place.server.now(), who=f"第{lives}次更名")
            place.put(100 + lives, place.server.now() - minutes(0.5))
    place.drain()
    assert lives
    by_number: dict[int, object] = {}
    for record in place.submissions:
        assert by_number.setdefault(number_of(record), record) == record
    assert sorted(by_number) == list(range(1, len(by_number) + 1))
    final = {(row[0], row[1]) for row in place.server.rows(f"SELECT id, who FROM {place.table}")}
    assert final <= {(key, who(record)) for key, record in _keyed(place)}
    if not torn:
        assert len(place.submissions) == len(by_number)


def _keyed(place: TablePlace) -> list[tuple[int, object]]:
    ordered = sorted(place.submissions, key=number_of)
    return list(zip(place.submitted_keys, ordered, strict=True))


def who(record: object) -> str:
    """Return the company's name of a licence."""
    kind, value = header(record, "ce_type"), record.value  # type: ignore[attr-defined, arg-type]
    return str(fields_of(OutgoingSubmission(kind, b"", value, ""))["XK_XDR_MC"])


def test_a_row_says_itself_what_it_is(place: TablePlace) -> None:
    """A reason makes a changed row a correction, a status a withdrawal; a first row is a row."""
    now = place.server.now()
    place.put(1, now, why="初次录入时已有说明")
    place.put(2, now)
    place.drain()
    place.put(1, now, why="名称录入有误", who="舟山青禾食品有限责任公司")
    place.put(2, now, status="revoked", why="撤销许可")
    place.drain()
    kinds = [header(record, "ce_type") for record in sorted(place.submissions, key=number_of)]
    assert kinds == [
        "licence.granted.v1", "licence.granted.v1", "record.corrected.v1", "record.withdrawn.v1",
    ]  # fmt: skip
    assert not [r for r in place.submissions if "hub_stated_status" in dict(r.headers)]
    withdrawn = max(place.submissions, key=number_of)
    said = fields_of(OutgoingSubmission(kinds[-1], b"", withdrawn.value, ""))
    assert said["reason"] == "撤销许可"
    assert said["document_number"] == "许2号"


def test_nothing_personal_stands_outside_the_sealed_part(place: TablePlace) -> None:
    """A citizen's number as a key is sealed in headers and cursors; the row is sealed whole."""
    number = 110101199003078515
    place.put(number, place.server.now(), code=str(number))
    place.drain()
    (record,) = place.submissions
    assert header(record, "ce_type") == "row.unreadable.v1"
    assert place.submitted_keys == [number]
    told = json.dumps([repr(each) for topic in place.broker.committed.values() for each in topic])
    assert str(number) not in told


def test_a_dropped_column_stops_loudly(place: TablePlace) -> None:
    """The message names table and column and says what to do."""
    place.put(1, place.server.now())
    place.drain()
    place.server.execute(f"ALTER TABLE {place.table} DROP COLUMN decided")
    with pytest.raises(SourceError, match=r"(?s)decided.*处理办法"):
        place.drain()


def test_a_changed_type_stops_loudly_until_a_person_says_so(place: TablePlace) -> None:
    """What the column says may mean something else now."""
    place.put(1, place.server.now())
    place.drain()
    place.server.execute(f"ALTER TABLE {place.table} DROP COLUMN decided")
    place.server.execute(f"ALTER TABLE {place.table} ADD COLUMN decided VARCHAR(40)")
    with pytest.raises(SourceError, match="decided"):
        place.drain()
    place.drain(place.agent(accept_reset=True)[0])
    place.drain()
    assert place.submitted_keys == [1, 1]


def test_a_table_loaded_anew_stops_loudly_until_a_person_says_so(place: TablePlace) -> None:
    """Then the whole table is read, and only what is new or changed is submitted."""
    now = place.server.now()
    for number in range(1, 6):
        place.put(number, now)
    place.drain()
    place.server.execute(f"DELETE FROM {place.table}")
    with pytest.raises(SourceError, match="accept-reset"):
        place.drain()
    for number in range(1, 7):
        place.put(number, now - minutes(6000 + number))
    with pytest.raises(SourceError, match="accept-reset"):
        place.drain()
    place.drain(place.agent(accept_reset=True)[0])
    place.drain()
    assert place.submitted_keys == [1, 2, 3, 4, 5, 6]


def test_a_department_may_clear_its_rows_away(tmp_path: Path, server: Server) -> None:
    """Where the source's file says so, an empty table is no reset."""
    with closing(TablePlace(tmp_path, server, keeps_rows=False)) as place:
        place.put(1, server.now())
        place.drain()
        server.execute(f"DELETE FROM {place.table}")
        place.drain()
        place.put(2, server.now())
        place.drain()
        assert place.submitted_keys == [1, 2]


def test_a_row_without_a_key_stops_the_source(tmp_path: Path, server: Server) -> None:
    """Behind the first page nobody would ever find it: that is said, and not passed over."""
    with closing(TablePlace(tmp_path, server, key="no")) as place:
        for number in range(1, 6):
            place.put(number, server.now() - minutes(5))
        place.put(6, server.now() - minutes(5), no=None)
        with pytest.raises(SourceError, match="主键列为空"):
            place.drain()
        server.execute(f"UPDATE {place.table} SET no = '许6号' WHERE id = 6")
        place.drain()
        assert len(place.submissions) == 6


def test_two_rows_of_one_key_stop_the_source(tmp_path: Path, server: Server) -> None:
    """Each pass would take them for one row that has changed, and submit it for ever."""
    with closing(TablePlace(tmp_path, server, key="no")) as place:
        place.put(1, server.now() - minutes(1), no="许1号", who="甲")
        place.put(2, server.now() - minutes(1), no="许1号", who="乙")
        with pytest.raises(SourceError, match="主键相同"):
            place.drain()
        place.put(2, server.now() - minutes(1), no="许2号", who="乙")
        place.drain()
        assert len(place.submissions) == 2


def test_text_the_server_cannot_decode_makes_a_row_an_unreadable_one(
    tmp_path: Path, postgres: PostgresPart
) -> None:
    """Under SQL_ASCII a column holds whatever was written: one row in GBK stops no other."""
    name = f"t{uuid4().hex[:10]}"
    with psycopg.connect(postgres.dsn, autocommit=True) as session:
        session.execute(
            f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc"
            " LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0".encode()
        )
    plain = sa.make_url(postgres.dsn).set(database=name)
    url = plain._replace(password=None).render_as_string()
    own = plain.update_query_dict({"client_encoding": "utf8"}).render_as_string(hide_password=False)
    server = Server(own)
    with closing(TablePlace(tmp_path, server, url=url)) as place:
        for number in range(1, 5):
            place.put(number, server.now() - minutes(5))
        server.execute(rf"UPDATE {place.table} SET who = E'\xd6\xdb\xc9\xbd' WHERE id = 2")
        place.drain()
        kinds = [header(each, "ce_type") for each in place.submissions]
        assert kinds.count("row.unreadable.v1") == 1
        assert len(kinds) == 4
    (other := tmp_path / "other").mkdir()
    with closing(TablePlace(other, server, url=url, key="who")) as odd:
        for number in range(1, 5):
            odd.put(number, server.now() - minutes(5), who=f"{number}")
        server.execute(rf"UPDATE {odd.table} SET who = E'\xd6\xdb' WHERE id = 3")
        with pytest.raises(SourceError, match="无法识别的编码"):
            odd.drain()


def test_stamps_at_the_beginning_of_time_are_stamps(place: TablePlace) -> None:
    """Some systems write 0001-01-01 for never: no window begins before it."""
    place.put(1, datetime(1, 1, 1))  # noqa: DTZ001 - as the column holds it
    place.drain()
    place.put(2, datetime(1, 1, 1))  # noqa: DTZ001 - as the column holds it
    place.drain()
    assert place.submitted_keys == [1, 2]


def test_a_stamp_that_is_no_time_costs_its_own_row(place: TablePlace) -> None:
    """It is one unreadable row; those beside it are read, and so is it once it has a time."""
    no_times = {
        "postgresql": ("infinity", "-infinity", "20000-01-01", "0044-03-15 BC"),
        "mariadb": ("0000-00-00", "2026-00-15", "2026-02-31"),
    }[place.server.dialect]
    place.put(1, place.server.now())
    for number, said in enumerate(no_times, 2):
        place.put(number, None)
        with place.server.transaction() as session:
            if place.server.dialect == "mariadb":
                session.execute(sa.text("SET sql_mode = 'ALLOW_INVALID_DATES'"))
            session.execute(
                sa.text(f"UPDATE {place.table} SET touched = '{said}' WHERE id = {number}")
            )
    place.put(9, place.server.now())
    place.drain()
    assert {key_of(each): header(each, "ce_type") for each in place.submissions} == {
        1: "licence.granted.v1",
        9: "licence.granted.v1",
        **dict.fromkeys(range(2, 2 + len(no_times)), UNREADABLE),
    }
    assert b"STAMP_NOT_A_TIME" in next(e.value for e in place.submissions if key_of(e) == 2)
    place.put(2, place.server.now())
    place.put(10, place.server.now())
    place.drain()
    later = place.submissions[2 + len(no_times) :]
    assert {key_of(each): header(each, "ce_type") for each in later} == {
        2: "licence.granted.v1",
        10: "licence.granted.v1",
    }


@pytest.mark.parametrize("kept", [0, 4096])
def test_a_damaged_book_is_made_anew_from_the_topic(
    tmp_path: Path, postgres: PostgresPart, kept: int
) -> None:
    """No file at all, or one whose first page alone is whole: nothing is submitted twice."""
    with closing(TablePlace(tmp_path, Server(postgres.dsn))) as place:
        for number in range(1, 9):
            place.put(number, place.server.now() - minutes(5 * number))
        place.drain()
        place.close()
        (book,) = tmp_path.rglob("submitted.sqlite")
        content = book.read_bytes()
        book.write_bytes(content[:kept] + b"\x5a" * (len(content) - kept))
        place.put(9, place.server.now())
        rounds = iter(range(30))
        place.agent()[0].run(stop=lambda: next(rounds, None) is None)
        assert place.submitted_keys == [8, 7, 6, 5, 4, 3, 2, 1, 9]


@contextmanager
def _connections_break(place: TablePlace, every: int) -> Iterator[list[str]]:
    """End the connection under every so manieth page, between its statement and its answer."""
    broken: list[str] = []
    pages = 0

    def before(connection: sa.Connection, _cursor: object, statement: str, *_rest: Any) -> None:  # noqa: ANN401 - an event's arguments
        nonlocal pages
        if place.table not in statement or "ORDER BY" not in statement:
            return
        pages += 1
        if pages % every == 0:
            is_postgres = place.server.dialect == "postgresql"
            name = "pg_backend_pid()" if is_postgres else "CONNECTION_ID()"
            number = connection.connection.cursor()
            number.execute(f"SELECT {name}")
            process = (number.fetchone() or (0,))[0]
            place.server.execute(
                f"SELECT pg_terminate_backend({process})" if is_postgres else f"KILL {process}"
            )
            broken.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", before)
    try:
        yield broken
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", before)


def test_a_connection_that_breaks_in_the_middle_of_a_poll_loses_nothing(place: TablePlace) -> None:
    """It is tried again from what is committed: each row once, no number with two rows."""
    for number in range(1, 9):
        place.put(number, place.server.now() - minutes(3))
    agent, _ = place.agent()
    rounds = iter(range(60))
    with _connections_break(place, every=3) as broken:
        agent.run(stop=lambda: next(rounds, None) is None)
    assert len(broken) >= 3
    place.drain()
    assert numbers(place.submissions) == list(range(1, 9))
    assert sorted(place.submitted_keys) == list(range(1, 9))
