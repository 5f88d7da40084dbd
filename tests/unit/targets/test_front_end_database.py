"""The front-end database's adapter against the platform's own tables: PostgreSQL and MariaDB alike.

One conformance suite for both; what only one of them can do wrong follows.
"""

from __future__ import annotations

import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from hub.errors import ConfigurationError
from hub.io.secret import Secret
from hub.runtime.logs import JsonFormatter
from hub.targets.database import client as front_end_database
from hub.targets.database.client import DatabasePlatform, check_url
from hub.targets.database.protocol import DatabaseProtocol, Found, TransactionFailed, nature_of
from hub.targets.database.settings import FrontEndDatabase
from hub.targets.delivery import (
    Accepted,
    Delivered,
    Delivery,
    Expected,
    NeverSeen,
    Refused,
    Retry,
    Unknown,
    Verdict,
    delivery_id,
    digest_of,
)
from hub.targets.platform import CallResult
from standins import nation
from standins.platform_book import ClockFile
from standins.wire import Wire
from tests.conftest import PostgresPart
from tests.driver.rows import COMPANY
from tests.mariadb import NEEDS_MARIADB

TIMEOUT = 6.0
LICENCE = "licence.granted.v1"
LANGUAGE = DatabaseProtocol({"1001": "SUBJECT_UNKNOWN"})
DIALECTS = ("postgres", pytest.param("mariadb", marks=NEEDS_MARIADB))


class FrontEndPlace:
    """A nation of one's own on a real server, and the adapter that delivers to it."""

    def __init__(self, admin: str, folder: Path) -> None:
        self.admin = admin
        self.writer = sa.make_url(nation.make(admin))
        self.engine = nation.engine_of(admin)
        folder.joinpath("clock.json").write_text(
            '{"origin_real_ms": 0, "origin_business_ms": 0, "factor": 1}', encoding="utf-8"
        )
        self.job = nation.Nation(admin, ClockFile(folder / "clock.json"))
        self._clients: list[DatabasePlatform] = []

    def client(
        self, *, port: int | None = None, connections: int = 2, poll_seconds: float = 0.1
    ) -> DatabasePlatform:
        """Return an adapter with a short time-out."""
        url = self.writer.set(port=port or self.writer.port)
        settings = FrontEndDatabase(
            url_file=Path("unused"), tables=nation.TABLES, receipts="jh_receipt",
            poll_seconds=poll_seconds, connections=connections,
        )  # fmt: skip
        secret = Secret(url.render_as_string(hide_password=False))
        made = DatabasePlatform(settings, secret, TIMEOUT)
        self._clients.append(made)
        return made

    @property
    def commit(self) -> bytes:
        """COMMIT as it travels; `READ COMMITTED` is another word."""
        return b"COMMIT\0" if self.engine.dialect.name == "postgresql" else b"\x03COMMIT"

    def run(self, statement: str) -> None:
        """Let the platform's administrator do something."""
        with self.engine.begin() as connection:
            connection.exec_driver_sql(statement)

    def rows(self, table: str = "xzxk_fr") -> list[dict[str, Any]]:
        """Return the rows of an exchange table."""
        with self.engine.begin() as connection:
            found = connection.execute(sa.select(nation.EXCHANGE[table])).mappings()
            return [dict(row) for row in found]

    def close(self) -> None:
        """Release everything."""
        for client in self._clients:
            client.close()
        self.job.close()
        self.engine.dispose()


@contextmanager
def new_place(server: PostgresPart, encoding: str) -> Iterator[FrontEndPlace]:
    """A place in a PostgreSQL database of this encoding."""
    name = f"t{uuid.uuid4().hex[:10]}"
    with psycopg.connect(server.dsn, autocommit=True) as session:
        session.execute(
            f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE_PROVIDER libc"
            " LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0".encode()
        )
    admin = (
        sa.make_url(server.dsn).set(database=name).update_query_dict({"client_encoding": "utf8"})
    )
    with tempfile.TemporaryDirectory() as folder:
        made = FrontEndPlace(admin.render_as_string(hide_password=False), Path(folder))
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(params=DIALECTS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FrontEndPlace]:
    """Return a place in a database of its own, on each of the two servers."""
    name = f"t{uuid.uuid4().hex[:10]}"
    server = request.getfixturevalue(request.param)
    if request.param == "postgres":
        with psycopg.connect(server.dsn, autocommit=True) as session:
            session.execute(f"CREATE DATABASE {name}".encode())
        admin = sa.make_url(server.dsn).set(database=name)
    else:
        with server.connect() as session:
            session.cursor().execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        admin = sa.make_url(server.url).set(database=name)
    made = FrontEndPlace(admin.render_as_string(hide_password=False), tmp_path)
    yield made
    made.close()


def delivery(number: int = 1, version: int = 1, action: str = "publish") -> Delivery:
    """Return a delivery of one of a few licences."""
    fields = {
        "XK_WSH": f"舟许〔2026〕{number}号", "XK_NR": f"内容{version}'\"\\%s", "BZ": "😀",
        "XK_XDR_MC": "公司", "XK_XDR_SHXYM": COMPANY, "XK_JDRQ": "2026-11-02",
    }  # fmt: skip
    fields = fields if action == "publish" else {}
    digest = digest_of(fields)
    sequence = number * 100 + version
    return Delivery(
        delivery_id(0, sequence, "nation", digest), f"{number:032x}", version, sequence,
        "publish" if action == "publish" else "withdraw", LICENCE, fields, digest,
        "" if action == "publish" else "许可被撤销",
    )  # fmt: skip


def expectation(sent: Delivery) -> Expected:
    """Return what an answer to a delivery is held against."""
    return Expected(
        sent.delivery, sent.record, sent.version, sent.sequence, sent.action, sent.kind, sent.digest
    )


def wait_for(client: DatabasePlatform, count: int = 1, seconds: float = 15) -> list[CallResult]:
    """Collect until so many calls have ended."""
    landed: list[CallResult] = []
    deadline = time.monotonic() + seconds
    while len(landed) < count:
        assert time.monotonic() < deadline, landed
        landed += client.poll()
        time.sleep(0.01)
    return landed


def send(client: DatabasePlatform, *rows: Delivery) -> dict[str, Verdict]:
    """Send rows and return the verdict of each."""
    client.submit([("send", row) for row in rows])
    by_name = {row.delivery: row for row in rows}
    landed: list[CallResult] = []
    while len(landed) < len(rows):
        landed += [one for one in wait_for(client) if one.how == "send"]
    return {
        name: LANGUAGE.interpret_response(reply, expectation(by_name[name]))
        for name, _how, reply in landed
    }


def send_one(client: DatabasePlatform, row: Delivery) -> Verdict:
    """Send one row and return its verdict."""
    return send(client, row)[row.delivery]


def ask(client: DatabasePlatform, row: Delivery) -> Verdict:
    """Ask after a delivery and return the verdict."""
    client.submit([("ask", expectation(row))])
    while True:
        for landed in wait_for(client):
            if landed.how == "ask":
                return LANGUAGE.interpret_status(landed.reply, expectation(row))


def written(caplog: pytest.LogCaptureFixture) -> str:
    """Return the log as an operator would read it."""
    return "\n".join(JsonFormatter("courier").format(record) for record in caplog.records)


def until(is_true: Callable[[], bool], seconds: float = 15) -> None:
    """Look again and again; fail when the time is up."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_row_is_there_with_every_column_and_its_receipt_comes_unasked(
    place: FrontEndPlace,
) -> None:
    """The whole way: row, the platform's job, receipt row, published by the platform's clock."""
    client = place.client()
    row = delivery()
    assert send_one(client, row) == Delivered()
    (there,) = place.rows()
    assert there["xk_nr"] == row.fields["XK_NR"]
    assert (there["version"], there["action"], there["digest"]) == (1, "publish", row.digest)
    assert ask(client, row) == Delivered()
    time.sleep(0.3)  # the sweep has begun
    place.job.conduct.refuse = []
    place.run(
        "INSERT INTO jh_receipt (delivery_id, stage, digest, platform_at) VALUES"
        f" ('{row.delivery}', 'published', '{row.digest}', '2026-11-02 09:00:00+08')".replace(
            "+08", "+08" if place.engine.dialect.name == "postgresql" else ""
        )
    )
    (landed,) = wait_for(client)
    assert (landed.delivery, landed.how) == (row.delivery, "answer")
    verdict = LANGUAGE.interpret_status(landed.reply, expectation(row))
    assert verdict == Accepted("published", "1", 1_793_581_200_000)
    assert ask(client, row) == verdict


def test_an_older_version_never_overwrites_a_newer_one(place: FrontEndPlace) -> None:
    """Versions in any order: the table keeps the newest, and repeats change nothing."""
    client = place.client()
    for version in (2, 1, 3, 2, 3):
        send_one(client, delivery(version=version))
        (there,) = place.rows()
        assert there["version"] == max(2, there["version"])
    assert there["version"] == 3
    assert isinstance(send_one(client, delivery(version=1)), Refused)
    before = place.rows()
    assert send_one(client, delivery(version=3)) == Delivered()
    assert place.rows() == before  # not even its time


def test_a_resend_of_the_same_version_takes_the_place_of_the_earlier_one(
    place: FrontEndPlace,
) -> None:
    """Same version, later in the ledger, other projection: today's clearance counts."""
    client = place.client()
    first = delivery()
    assert send_one(client, first) == Delivered()
    fields = {"XK_WSH": first.fields["XK_WSH"]}
    again = first._replace(
        delivery="ab" * 16, sequence=first.sequence + 50, fields=fields, digest=digest_of(fields)
    )
    assert send_one(client, again) == Delivered()
    (there,) = place.rows()
    assert (there["delivery_id"], there["xk_nr"]) == (again.delivery, None)


def test_a_withdrawal_empties_the_row_and_says_why(place: FrontEndPlace) -> None:
    """What must no longer be shown is not left lying in the exchange table."""
    client = place.client()
    send_one(client, delivery())
    gone = delivery(version=2, action="withdraw")
    assert send_one(client, gone) == Delivered()
    (there,) = place.rows()
    assert (there["action"], there["reason"]) == ("withdraw", "许可被撤销")
    assert {there[name.lower()] for name in nation.COLUMNS["xzxk_fr"]} == {None}


def test_many_rows_travel_in_few_transactions(place: FrontEndPlace) -> None:
    """A hundred rows, two connections; the platform's job copies them in half batches."""
    client = place.client()
    rows = [delivery(number) for number in range(1, 101)]
    assert set(send(client, *rows).values()) == {Delivered()}
    place.job.conduct.half_batches = True
    assert place.job.step() == 100
    assert len(nation.dump(place.admin)) == 100


def test_an_answer_lost_at_commit_is_found_by_its_row(place: FrontEndPlace) -> None:
    """COMMIT arrived, its answer did not: unknown, never a failure; then asked."""
    wire = Wire(place.writer.port or 0)
    client = place.client(port=wire.port, connections=1, poll_seconds=300)
    assert send_one(client, delivery(9)) == Delivered()
    wire.at(place.commit, "lose_answer")
    assert isinstance(send_one(client, delivery()), Unknown)
    assert ask(client, delivery()) == Delivered()
    wire.close()


def test_a_commit_that_never_arrived_is_never_seen_and_sent_again(place: FrontEndPlace) -> None:
    """The same to the client, the opposite to the platform."""
    wire = Wire(place.writer.port or 0)
    client = place.client(port=wire.port, connections=1, poll_seconds=300)
    assert send_one(client, delivery(9)) == Delivered()
    wire.at(place.commit, "lose_request")
    assert isinstance(send_one(client, delivery()), Unknown)
    assert ask(client, delivery()) == NeverSeen()
    assert send_one(client, delivery()) == Delivered()
    wire.close()


def test_a_commit_still_on_its_way_holds_back_whoever_sends_again(place: FrontEndPlace) -> None:
    """The old transaction is open, its row invisible: the same record waits, then finds it."""
    wire = Wire(place.writer.port or 0)
    client = place.client(port=wire.port, connections=1, poll_seconds=300)
    assert send_one(client, delivery(9)) == Delivered()
    wire.at(place.commit, "hold", hold_seconds=TIMEOUT * 0.75)
    verdict: list[Verdict] = []
    sender = threading.Thread(target=lambda: verdict.append(send_one(client, delivery())))
    sender.start()
    until(lambda: wire.times == 1)
    other = place.client()
    assert ask(other, delivery()) == NeverSeen()
    assert isinstance(send_one(other, delivery()), Retry)  # held back by the row's lock
    sender.join()
    until(lambda: len(place.rows()) == 2)
    assert send_one(other, delivery()) == Delivered()
    wire.close()


def test_a_connection_ended_between_transactions_costs_one_retry(place: FrontEndPlace) -> None:
    """The server ended it; the next transaction says so before COMMIT, and the one after works."""
    client = place.client()
    send_one(client, delivery(1))
    assert nation.disconnect(place.engine) >= 1
    outcomes = [send_one(client, delivery(number)) for number in range(2, 6)]
    assert outcomes[-1] == Delivered()
    assert all(
        one == Delivered() or (isinstance(one, Retry) and one.is_whole_target) for one in outcomes
    )


def test_a_locked_table_is_a_retry_within_the_time_out(place: FrontEndPlace) -> None:
    """Minutes of lock: every attempt ends soon, as nothing happened; then it goes on."""
    client = place.client()
    send_one(client, delivery(1))
    with place.engine.connect() as connection:
        nation.lock_tables(connection)
        begun = time.monotonic()
        verdicts = send(client, *(delivery(number) for number in range(2, 8)))
        assert time.monotonic() - begun < TIMEOUT * 2
        assert {type(one) for one in verdicts.values()} == {Retry}
        assert not any(isinstance(one, Retry) and one.is_whole_target for one in verdicts.values())
        connection.rollback()
        if connection.dialect.name != "postgresql":
            connection.exec_driver_sql("UNLOCK TABLES")
    assert send_one(client, delivery(2)) == Delivered()


def test_a_locked_row_does_not_hold_back_its_neighbours(place: FrontEndPlace) -> None:
    """The platform's job holds one row; the others of the batch are written."""
    client = place.client(connections=1)
    send_one(client, delivery(1))
    with place.engine.begin() as connection:
        connection.exec_driver_sql(
            f"SELECT version FROM xzxk_fr WHERE record_key = '{delivery(1).record}' FOR UPDATE"
        )
        rows = [delivery(1, version=2), delivery(2), delivery(3)]
        verdicts = send(client, *rows)
        assert isinstance(verdicts[rows[0].delivery], Retry)
        assert verdicts[rows[1].delivery] == verdicts[rows[2].delivery] == Delivered()
    assert send_one(client, rows[0]) == Delivered()


def test_a_missing_column_rests_the_target_and_refuses_nobody(
    place: FrontEndPlace, caplog: pytest.LogCaptureFixture
) -> None:
    """The schema changed: loud, named, no record marked; mended, it goes on by itself."""
    client = place.client()
    send_one(client, delivery(1))
    place.run("ALTER TABLE xzxk_fr RENAME COLUMN xk_nr TO xk_nr_new")
    outcomes = [send_one(client, delivery(2)) for _ in range(3)]
    assert all(isinstance(one, Retry) and one.is_whole_target for one in outcomes)
    assert "xk_nr" in written(caplog)
    assert "FRONT_END_LAYOUT" in written(caplog)
    place.run("ALTER TABLE xzxk_fr RENAME COLUMN xk_nr_new TO xk_nr")
    until(lambda: send_one(client, delivery(2)) == Delivered())


def test_a_right_taken_away_rests_the_target(place: FrontEndPlace) -> None:
    """It is no record's fault that the writer may not write."""
    client = place.client()
    send_one(client, delivery(1))
    user = place.writer.username
    is_postgres = place.engine.dialect.name == "postgresql"
    name = user if is_postgres else f"'{user}'@'%%'"
    place.run(f"REVOKE INSERT ON xzxk_fr FROM {name}")
    verdict = send_one(client, delivery(2))
    assert isinstance(verdict, Retry)
    assert verdict.is_whole_target


def test_a_value_too_long_for_the_table_is_this_rows_trouble_alone(place: FrontEndPlace) -> None:
    """Never cut, never the platform's refusal, and its neighbours go on."""
    place.run(
        "ALTER TABLE xzxk_fr ALTER COLUMN bz TYPE varchar(3)"
        if place.engine.dialect.name == "postgresql"
        else "ALTER TABLE xzxk_fr MODIFY bz varchar(3)"
    )
    client = place.client()
    long = delivery(1)._replace(fields={"BZ": "超过三个字", "XK_WSH": "x"})
    verdicts = send(client, long, delivery(2), delivery(3))
    first = verdicts.pop(long.delivery)
    assert isinstance(first, Retry)
    assert not first.is_whole_target
    assert set(verdicts.values()) == {Delivered()}
    assert len(place.rows()) == 2


def test_a_refusal_is_translated_and_an_unknown_code_keeps_its_name(place: FrontEndPlace) -> None:
    """The platform's word, in the hub's terms where the site says what it means."""
    client = place.client()
    for number, code in ((1, "1001"), (2, "9999")):
        row = delivery(number)
        send_one(client, row)
        place.job.conduct.refuse = [{"record": row.record, "code": code}]
        place.job.step()
        verdict = ask(client, row)
        assert isinstance(verdict, Refused)
        assert verdict.code == {"1001": "SUBJECT_UNKNOWN", "9999": "9999"}[code]
        assert "1001" in verdict.message or code == "9999"
        assert verdict.platform_at is not None


def test_what_is_abandoned_is_not_collected(place: FrontEndPlace) -> None:
    """After a restart of the courier an old answer must not be taken for a new one."""
    client = place.client(connections=1)
    client.submit([("send", delivery(number)) for number in range(1, 40)])
    client.cancel_all()
    client.submit([("ask", expectation(delivery(50)))])
    assert [one.delivery for one in wait_for(client)] == [delivery(50).delivery]


def test_a_server_that_answers_nothing_ends_within_the_time_out(place: FrontEndPlace) -> None:
    """A frozen machine: the connection is cut from this side."""
    wire = Wire(place.writer.port or 0)
    client = place.client(port=wire.port, connections=1, poll_seconds=300)
    assert send_one(client, delivery(9)) == Delivered()
    wire.at(b"INSERT", "hold", hold_seconds=TIMEOUT * 3)
    begun = time.monotonic()
    verdict = send_one(client, delivery())
    assert isinstance(verdict, Retry)
    assert time.monotonic() - begun < TIMEOUT * 2
    wire.close()


def test_nobody_listens_is_away_and_says_no_password(
    place: FrontEndPlace, caplog: pytest.LogCaptureFixture
) -> None:
    """The one certain thing: nothing was sent. The log holds a code, not an address."""
    client = place.client(port=9)
    verdict = send_one(client, delivery())
    assert isinstance(verdict, Retry)
    assert verdict.is_whole_target
    told = written(caplog)
    assert "away" in told
    assert str(place.writer.password) not in told
    assert delivery().fields["XK_WSH"] not in told


def test_closing_ends_every_thread(place: FrontEndPlace) -> None:
    """No thread and no connection is left behind."""
    before = threading.active_count()
    client = place.client(connections=3)
    send_one(client, delivery())
    client.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("url", "is_accepted"),
    [
        ("postgresql://u:p@127.0.0.1/d", True),
        ("mariadb://u:p@localhost:3306/d", True),
        ("postgresql://u:p@db.example/d", False),
        ("postgresql://u:p@db.example/d?sslmode=verify-full", True),
        ("mariadb://u:p@db.example/d?ssl_ca=/etc/ca.pem", True),
        ("oracle://u:p@127.0.0.1/d", False),
        ("postgresql://u:p@127.0.0.1", False),
        ("nonsense", False),
    ],
)
def test_only_known_servers_over_a_safe_line(url: str, is_accepted: bool) -> None:  # noqa: FBT001  (a parameter of the table above)
    """Another machine needs TLS, unless the site says that its network is closed."""
    if is_accepted:
        assert check_url(Secret(url), allow_plain=False).drivername.endswith(("psycopg", "pymysql"))
        return
    with pytest.raises(ConfigurationError) as refused:
        check_url(Secret(url), allow_plain=False)
    assert ":p@" not in str(refused.value)


def test_a_read_only_server_rests_the_target(place: FrontEndPlace) -> None:
    """A failed-over server takes nothing; nobody's record is marked."""
    is_postgres = place.engine.dialect.name == "postgresql"
    if not is_postgres:
        assert nature_of("1290") == "away"  # a server-wide switch: the suite's own would suffer
        return
    user = place.writer.username
    place.run(f"ALTER ROLE {user} SET default_transaction_read_only = on")
    client = place.client()
    verdict = send_one(client, delivery())
    assert isinstance(verdict, Retry)
    assert verdict.is_whole_target


def test_replies_are_values() -> None:
    """What the tests above take for granted."""
    assert Found(None) == Found(None)
    assert TransactionFailed("before", "40001") != TransactionFailed("commit", "40001")


@pytest.mark.parametrize("told", ["infinity", "20000-01-01"])
def test_a_time_beyond_the_calendar_hides_no_other_receipt(
    postgres: PostgresPart, told: str
) -> None:
    """PostgreSQL holds such times, Python does not: that receipt proves nothing, no more."""
    with new_place(postgres, "UTF8") as place:
        client = place.client()
        odd, good = delivery(1), delivery(2)
        send(client, odd, good)
        insert = "INSERT INTO jh_receipt (delivery_id, stage, digest, platform_at) VALUES "
        place.run(f"{insert} ('{odd.delivery}', 'published', '{odd.digest}', '{told}')")
        verdicts: list[Verdict] = []

        def is_accepted() -> bool:
            place.run(f"{insert} ('{good.delivery}', 'published', '{good.digest}', now())")
            told = [one.reply for one in client.poll() if one.delivery == good.delivery]
            verdicts.extend(LANGUAGE.interpret_status(reply, expectation(good)) for reply in told)
            return any(isinstance(one, Accepted) for one in verdicts)

        until(is_accepted)
        assert isinstance(ask(client, good), Accepted)
        assert ask(client, odd) == Delivered()


@pytest.mark.parametrize("encoding", ["EUC_CN", "SQL_ASCII"])
def test_a_database_in_another_encoding_is_written_to(
    postgres: PostgresPart, encoding: str
) -> None:
    """What EUC_CN cannot hold is one row's trouble; what SQL_ASCII holds may be no text at all."""
    with new_place(postgres, encoding) as place:
        client = place.client()
        plain, rare = delivery(1), delivery(2)
        plain.fields["BZ"] = "无"
        verdicts = send(client, plain, rare)
        assert verdicts[plain.delivery] == Delivered()
        fits = encoding == "SQL_ASCII"
        assert isinstance(verdicts[rare.delivery], Delivered if fits else Retry)
        message = "E'\\xd5\\xc5'" if fits else "'无'"
        place.run(
            "INSERT INTO jh_receipt (delivery_id, stage, code, message, platform_at)"
            f" VALUES ('{plain.delivery}', 'refused', '1001', {message}, now())"
        )
        assert isinstance(ask(client, plain), Refused)


def test_many_receipts_at_once_are_brought_in_pages_and_each_once(
    place: FrontEndPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the courier has not taken yet is left in the table, and nothing is left for good."""
    monkeypatch.setattr(front_end_database, "_RECEIPTS_AT_ONCE", 3)
    monkeypatch.setattr(front_end_database, "_BACKLOG", 2)
    client = place.client()
    time.sleep(0.5)  # the sweep has begun
    insert = "INSERT INTO jh_receipt (delivery_id, stage, platform_at) VALUES "
    place.run(insert + ", ".join(f"('{n:032x}', 'published', now())" for n in range(20)))
    time.sleep(1.5)
    held = client.poll()
    assert 0 < len(held) <= 2 + 3
    found = [*held, *wait_for(client, 20 - len(held))]
    time.sleep(1.5)  # it has looked back meanwhile
    found += client.poll()
    assert sorted(one.delivery for one in found) == [f"{n:032x}" for n in range(20)]


def test_of_receipts_beyond_all_measure_the_newest_are_read_and_that_is_said(
    place: FrontEndPlace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A platform's job that repeats itself in a loop fills the table, not our memory."""
    monkeypatch.setattr(front_end_database, "_RECEIPTS_AT_MOST", 5)
    client = place.client(poll_seconds=60)
    row = delivery()
    assert send_one(client, row) == Delivered()
    insert = "INSERT INTO jh_receipt (delivery_id, stage, digest, platform_at) VALUES "
    one = f"('{row.delivery}', 'acknowledged', '{row.digest}', now())"
    place.run(insert + ", ".join([one] * 9))
    place.run(insert + one.replace("acknowledged", "published"))
    client.submit([("ask", expectation(row))])
    (landed,) = wait_for(client)
    assert isinstance(landed.reply, Found)
    assert [told.stage for told in landed.reply.receipts] == ["acknowledged"] * 4 + ["published"]
    assert isinstance(ask(client, row), Accepted)
    assert written(caplog).count("FRONT_END_RECEIPTS") == 1


def test_a_row_somebody_emptied_is_written_again(place: FrontEndPlace) -> None:
    """Control columns without a value are older than every version, and end nobody's thread."""
    client = place.client()
    row = delivery()
    assert send_one(client, row) == Delivered()
    nullable = "xzxk_fr ALTER COLUMN {0} DROP NOT NULL", "xzxk_fr MODIFY {0} {1} NULL"
    for name, kind in (("version", "INTEGER"), ("send_order", "BIGINT"), ("delivery_id", "TEXT")):
        change = nullable[place.engine.dialect.name != "postgresql"].format(name, kind)
        place.run(f"ALTER TABLE {change}")
        place.run(f"UPDATE xzxk_fr SET {name} = NULL")
    assert ask(client, row) == NeverSeen()
    assert send_one(client, row) == Delivered()
    assert ask(client, row) == Delivered()
    (there,) = place.rows()
    assert (there["version"], there["delivery_id"]) == (1, row.delivery)


def test_a_receipt_without_a_number_is_passed_over(postgres: PostgresPart) -> None:
    """The number is the platform's to give; one row without it stops no other."""
    with new_place(postgres, "UTF8") as place:
        place.run("ALTER TABLE jh_receipt DROP CONSTRAINT jh_receipt_pkey")
        place.run("ALTER TABLE jh_receipt ALTER COLUMN receipt_id DROP IDENTITY IF EXISTS")
        place.run("ALTER TABLE jh_receipt ALTER COLUMN receipt_id DROP NOT NULL")
        place.run(
            "INSERT INTO jh_receipt (receipt_id, delivery_id, stage, platform_at)"
            " VALUES (NULL, 'nobody', 'published', now())"
        )
        client = place.client()
        row = delivery()
        assert send_one(client, row) == Delivered()
        time.sleep(0.5)
        for number in ("NULL", "7"):
            place.run(
                "INSERT INTO jh_receipt (receipt_id, delivery_id, stage, digest, platform_at)"
                f" VALUES ({number}, '{row.delivery}', 'published', '{row.digest}', now())"
            )
        assert isinstance(ask(client, row), Accepted)
