"""A stand-in for the national platform: it owns a front-end database, and its own job reads it.

    python standins/nation.py make --url-file ADMIN --writer-file FILE
    python standins/nation.py serve --url-file ADMIN --clock FILE [--control FILE]
        [--portfile FILE]
    python standins/nation.py dump --url-file ADMIN

It imports nothing from the hub. `make` creates the exchange tables, the platform's own book beside
them, and a user for whoever delivers, whose address goes to FILE. The job takes rows it has not
seen, keeps them in its book, and writes receipts; the control file is its orders (conduct.py).
PostgreSQL by default; the same on MariaDB.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import secrets
import signal
import sys
import time
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.pool import NullPool

if not __package__:  # started as a script: only this file's folder is on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from standins.conduct import NATION_MANNERS, Conduct
from standins.platform_book import ClockFile, Request, digest_of, faults_in

_BEIJING = dt.timezone(dt.timedelta(hours=8))
_POLL_SECONDS = 0.05
_ROWS_AT_ONCE = 200
WRITER = "nation_writer"

_LICENCE = """
    XDR_MC XDR_LB XDR_SHXYM XDR_GSZC XDR_ZZJG XDR_SWDJ XDR_SYDW XDR_SHZZ FRDB FR_ZJLX FR_ZJHM
    XKWS WSH XKLB XKZS XKBH NR JDRQ YXQZ YXQZI XKJG XKJGDM ZT LYDW LYDWDM
"""
_PENALTY = """
    XDR_MC XDR_LB XDR_SHXYM XDR_GSZC XDR_ZZJG XDR_SWDJ XDR_SYDW XDR_SHZZ FRDB FR_ZJLX FR_ZJHM
    WSH WFXW SY YJ CFLB NR NR_FK NR_WFFF NR_ZKDX JDRQ YXQ GSJZQ CFJG CFJGDM SJLY SJLYDM AJCXLB
    YZCD
"""
_COURT = """
    debtor_name debtor_category debtor_code debtor_organisation_code debtor_representative
    court_name court_code court_region case_number basis_number basis_unit filed_on duty
    duty_performance performed_part unperformed_part conduct enforcement_amount
    unperformed_amount listed_on court_remark
"""
_COMMITMENT = """
    commitment_code promisor_name promisor_category promisor_code commitment_type
    commitment_matter commitment_content breach_liability committed_on commitment_valid_to
    performance_status unperformed_content liability_pursued performance_recognised_on
    performance_recognised_by performance_recognised_by_code accepting_unit
    accepting_unit_code openness commitment_remark
"""
COLUMNS: dict[str, tuple[str, ...]] = {
    "xzxk_fr": (*(f"XK_{name}" for name in _LICENCE.split()), "BZ"),
    "xzcf_fr": (*(f"CF_{name}" for name in _PENALTY.split()), "BZ"),
    "sxbzxr_fr": tuple(_COURT.split()),
    "xycn_fr": tuple(_COMMITMENT.split()),
}
"""Exchange table → content columns as digests name them; the table has them in lower case."""
TABLES = {
    "licence.granted.v1": "xzxk_fr",
    "penalty.imposed.v1": "xzcf_fr",
    "court_enforcement.listed.v1": "sxbzxr_fr",
    "commitment.made.v1": "xycn_fr",
    "commitment.performed.v1": "xycn_fr",
}
_KINDS = {table: kind for kind, table in reversed(TABLES.items())}

_metadata = sa.MetaData()
_moment = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=3), "mysql", "mariadb")
_text = sa.Text()
_key = sa.String(64)


def _exchange_table(name: str) -> sa.Table:
    return sa.Table(
        name,
        _metadata,
        sa.Column("record_key", _key, primary_key=True),
        sa.Column("delivery_id", _key, nullable=False, index=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("send_order", sa.BigInteger, nullable=False),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("digest", _key, nullable=False),
        sa.Column("reason", _text, nullable=False),
        sa.Column("sent_at", _moment, nullable=False),
        *(sa.Column(column.lower(), _text) for column in COLUMNS[name]),
    )


EXCHANGE = {name: _exchange_table(name) for name in COLUMNS}
RECEIPTS = sa.Table(
    "jh_receipt",
    _metadata,
    sa.Column("receipt_id", sa.BigInteger, primary_key=True, autoincrement=True),
    sa.Column("delivery_id", _key, nullable=False, index=True),
    sa.Column("stage", sa.String(16), nullable=False),
    sa.Column("digest", _key),
    sa.Column("code", sa.String(64)),
    sa.Column("message", sa.String(500)),
    sa.Column("platform_at", _moment, nullable=False),
)
BOOK = sa.Table(
    "nation_deliveries",
    _metadata,
    sa.Column("delivery", _key, primary_key=True),
    sa.Column("record", _key, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("action", sa.String(16), nullable=False),
    sa.Column("kind", sa.String(64), nullable=False),
    sa.Column("fields", _text, nullable=False),
    sa.Column("digest", _key, nullable=False),
    sa.Column("stage", sa.String(16), nullable=False),
    sa.Column("code", sa.String(64), nullable=False),
    sa.Column("message", sa.String(500), nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Column("publish_at", sa.BigInteger),
    sa.Column("told", sa.String(16), nullable=False),
    sa.Column("tell_after", sa.BigInteger, nullable=False),
)
"""The platform's own book: what it took in, what it says of it, and what it has told so far."""
LIVE = sa.Table(
    "nation_live",
    _metadata,
    sa.Column("record", _key, primary_key=True),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("delivery", _key, nullable=False),
)
SEEN = sa.Table(
    "nation_seen",
    _metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=True),
    sa.Column("delivery", _key, nullable=False, index=True),
    sa.Column("manner", sa.String(32), nullable=False),
)


def engine_of(url: str) -> sa.Engine:
    """Return an engine for an address as people write it."""
    address = sa.make_url(url)
    driver = {"postgresql": "postgresql+psycopg", "mariadb": "mariadb+pymysql"}
    return sa.create_engine(
        address.set(drivername=driver[address.get_backend_name()]), poolclass=NullPool
    )


def make(url: str) -> str:
    """Create tables and the writer's user; return the writer's address.

    The writer may insert, change and read rows, and read receipts: nothing else.
    """
    engine = engine_of(url)
    _metadata.create_all(engine)
    password = secrets.token_hex(12)
    writer = f"{WRITER}_{secrets.token_hex(4)}"
    is_postgres = engine.dialect.name == "postgresql"
    name = writer if is_postgres else f"'{writer}'@'%%'"
    with engine.begin() as connection:
        if is_postgres:
            connection.exec_driver_sql(f"CREATE ROLE {writer} LOGIN PASSWORD '{password}'")
        else:
            connection.exec_driver_sql(f"CREATE USER {name} IDENTIFIED BY '{password}'")
        for table in EXCHANGE:
            connection.exec_driver_sql(f"GRANT SELECT, INSERT, UPDATE ON {table} TO {name}")
        connection.exec_driver_sql(f"GRANT SELECT ON {RECEIPTS.name} TO {name}")
    engine.dispose()
    address = sa.make_url(url).set(username=writer, password=password)
    return address.render_as_string(hide_password=False)


class Nation:
    """The platform's job: looks at the exchange tables, keeps its book, writes receipts."""

    def __init__(self, url: str, clock: ClockFile, control: Path | None = None) -> None:
        self._engine = engine_of(url)
        self._clock = clock
        self._control = control
        self._control_mark = -1
        self.conduct = Conduct()
        self._looks = 0

    def step(self) -> int:
        """Take what is new, publish what is due, say what is to be said; return how many rows."""
        self._obey()
        self._looks += 1
        self._trouble()
        taken = 0
        for name, table in EXCHANGE.items():
            taken += self._take_from(name, table)
        self._publish_due()
        self._tell()
        return taken

    def close(self) -> None:
        """Release the connections."""
        self._engine.dispose()

    def _obey(self) -> None:
        if self._control is None or not self._control.exists():
            return
        mark = self._control.stat().st_mtime_ns
        if mark != self._control_mark:
            self._control_mark = mark
            text = self._control.read_text(encoding="utf-8")
            self.conduct = Conduct.read(text, NATION_MANNERS)

    def _trouble(self) -> None:
        """Bad days of the server itself, by the same seeded draw as everything else."""
        if self.conduct.happens("disconnect", str(self._looks), self.conduct.disconnect_share):
            disconnect(self._engine)
        if self.conduct.happens("lock", str(self._looks), self.conduct.lock_share):
            with self._engine.begin() as connection:
                lock_tables(connection)
                time.sleep(self.conduct.lock_seconds)
                if connection.dialect.name != "postgresql":
                    connection.exec_driver_sql("UNLOCK TABLES")

    def _take_from(self, name: str, table: sa.Table) -> int:
        """Read rows not seen yet; half of a batch is committed apart, as a job that dies does."""
        is_known = sa.exists().where(BOOK.c.delivery == table.c.delivery_id)
        query = sa.select(table).where(~is_known).order_by(table.c.sent_at).limit(_ROWS_AT_ONCE)
        with self._engine.begin() as connection:
            rows = connection.execute(query).mappings().all()
        half = len(rows) // 2 if self.conduct.half_batches else len(rows)
        for part in (rows[:half], rows[half:]):
            if part:
                with self._engine.begin() as connection:
                    for row in part:
                        self._take(connection, name, row)
        return len(rows)

    def _take(self, connection: sa.Connection, table: str, row: sa.RowMapping) -> None:
        request = read_row(table, row)
        seen = connection.execute(
            sa.select(sa.func.count()).where(SEEN.c.delivery == request.delivery)
        ).scalar_one()
        manner = self.conduct.manner(request.delivery, int(seen))
        connection.execute(sa.insert(SEEN).values(delivery=request.delivery, manner=manner))
        if manner == "never_lost":
            return
        conduct = self.conduct
        verdict = conduct.refusal(request.record, request.version, request.fields)
        verdict = verdict or faults_in(request) or ("", "")
        now = self._clock.now()
        publish_at = None
        stage = "refused" if verdict[0] else final_stage(request.action)
        if not verdict[0] and (conduct.publish_after_seconds > 0 or manner == "acknowledge"):
            publish_at = now + max(int(conduct.publish_after_seconds * 1000), 1)
            stage = "acknowledged"
        wait = {"late": conduct.late_seconds, "never_applied": conduct.hold_seconds}
        connection.execute(
            sa.insert(BOOK).values(
                delivery=request.delivery, record=request.record, version=request.version,
                action=request.action, kind=request.kind, digest=request.digest, stage=stage,
                fields=json.dumps(request.fields, ensure_ascii=False), code=verdict[0],
                message=verdict[1], at=now, publish_at=publish_at, told="",
                tell_after=_real_ms() + int(wait.get(manner, 0.0) * 1000),
            )
        )  # fmt: skip
        if not verdict[0]:
            _show(connection, request)
        self._spoil(connection, request, manner, stage, now)

    def _spoil(
        self, connection: sa.Connection, request: Request, manner: str, stage: str, now: int
    ) -> None:
        """Write a receipt nobody may believe, or one too many, before the true one."""
        told = {"delivery_id": request.delivery, "digest": request.digest, "stage": stage}
        if manner == "wrong_digest":
            told["digest"] = request.digest[::-1]
        elif manner == "wrong_delivery":
            told["delivery_id"] = request.delivery[::-1]
        elif manner == "wrong_stage":
            # of the other action: one that fits could not be told from the truth
            told["stage"] = "published" if request.action == "withdraw" else "withdrawn"
        elif manner != "twice" or stage == "refused":
            return
        connection.execute(sa.insert(RECEIPTS).values(**told, platform_at=self._moment(now)))

    def _publish_due(self) -> None:
        now = self._clock.now()
        with self._engine.begin() as connection:
            for action in ("publish", "withdraw"):
                connection.execute(
                    sa.update(BOOK)
                    .where(BOOK.c.publish_at <= now, BOOK.c.action == action)
                    .values(stage=final_stage(action), at=BOOK.c.publish_at, publish_at=None)
                )

    def _tell(self) -> None:
        """Write the receipts that are due; with the mark of it, in one transaction."""
        query = sa.select(BOOK).where(BOOK.c.told != BOOK.c.stage, BOOK.c.tell_after <= _real_ms())
        with self._engine.begin() as connection:
            for entry in connection.execute(query).mappings().all():
                is_refused = entry["stage"] == "refused"
                connection.execute(
                    sa.insert(RECEIPTS).values(
                        delivery_id=entry["delivery"], stage=entry["stage"],
                        digest=None if is_refused else entry["digest"],
                        code=entry["code"] or None, message=entry["message"] or None,
                        platform_at=self._moment(entry["at"]),
                    )
                )  # fmt: skip
                connection.execute(
                    sa.update(BOOK)
                    .where(BOOK.c.delivery == entry["delivery"])
                    .values(told=entry["stage"])
                )

    def _moment(self, at: int) -> dt.datetime:
        moment = dt.datetime.fromtimestamp(at / 1000, _BEIJING)
        return moment if self._engine.dialect.name == "postgresql" else moment.replace(tzinfo=None)


def _real_ms() -> int:
    return int(time.time() * 1000)


def final_stage(action: str) -> str:
    """Return the last stage of an action."""
    return "withdrawn" if action == "withdraw" else "published"


def read_row(table: str, row: sa.RowMapping) -> Request:
    """Read a row of an exchange table as what it asks for."""
    fields = {
        column: str(row[column.lower()])
        for column in COLUMNS[table]
        if row[column.lower()] is not None
    }
    return Request(
        row["delivery_id"], row["record_key"], row["version"], row["action"], _KINDS[table],
        fields, row["digest"], digest_of([row["delivery_id"], fields]),
    )  # fmt: skip


def _show(connection: sa.Connection, request: Request) -> None:
    """Show a record; a version older than what is shown is kept in the book only."""
    values = {"version": request.version, "delivery": request.delivery}
    known = connection.execute(
        sa.select(LIVE.c.version).where(LIVE.c.record == request.record)
    ).scalar()
    if known is None:
        connection.execute(sa.insert(LIVE).values(record=request.record, **values))
    elif known <= request.version:
        connection.execute(sa.update(LIVE).where(LIVE.c.record == request.record).values(values))


def disconnect(engine: sa.Engine) -> int:
    """End every connection of whoever delivers; return how many there were."""
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            found = connection.exec_driver_sql(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                f" WHERE usename LIKE '{WRITER}%%' AND datname = current_database()"
            )
            return int(found.scalar_one())
        listed = connection.exec_driver_sql(
            "SELECT id FROM information_schema.processlist"
            f" WHERE user LIKE '{WRITER}%%' AND db = database()"
        )
        numbers = [int(number) for (number,) in listed]
        for number in numbers:
            connection.exec_driver_sql(f"KILL CONNECTION {number}")
        return len(numbers)


def lock_tables(connection: sa.Connection) -> None:
    """Lock every exchange table until the transaction ends (MariaDB: until UNLOCK TABLES)."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"LOCK TABLE {', '.join(EXCHANGE)} IN ACCESS EXCLUSIVE MODE")
    else:
        connection.exec_driver_sql("LOCK TABLES " + ", ".join(f"{name} WRITE" for name in EXCHANGE))


def dump(url: str) -> dict[str, dict[str, object]]:
    """Return the live book: record → version, stage, digest, fields; as the other platforms do."""
    engine = engine_of(url)
    query = sa.select(
        LIVE.c.record, LIVE.c.version, BOOK.c.stage, BOOK.c.digest, BOOK.c.fields
    ).join_from(LIVE, BOOK, LIVE.c.delivery == BOOK.c.delivery)
    with engine.begin() as connection:
        found = {
            record: {
                "version": version,
                "stage": stage,
                "digest": digest,
                "fields": json.loads(fields),
            }
            for record, version, stage, digest, fields in connection.execute(query)
        }
    engine.dispose()
    return found


def refusals(url: str) -> list[str]:
    """Return the codes of everything the platform refused."""
    return _column(url, sa.select(BOOK.c.code).where(BOOK.c.stage == "refused"))


def manners_shown(url: str) -> set[str]:
    """Return how the platform has behaved so far."""
    return set(_column(url, sa.select(SEEN.c.manner).distinct()))


def manners(url: str) -> list[str]:
    """Return how each row the job looked at was treated; "" is as it should be."""
    return _column(url, sa.select(SEEN.c.manner))


def _column(url: str, query: sa.Select[Any]) -> list[str]:
    engine = engine_of(url)
    with engine.begin() as connection:
        found = [str(value) for (value,) in connection.execute(query)]
    engine.dispose()
    return found


def serve(arguments: argparse.Namespace, url: str) -> None:
    """Work until SIGTERM or SIGINT; a database that is away is waited for."""
    stopping = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    nation = Nation(url, ClockFile(arguments.clock), arguments.control)
    sys.stdout.write(f"nation {os.getpid()}\n")
    sys.stdout.flush()
    if arguments.portfile:
        arguments.portfile.write_text(str(os.getpid()), encoding="utf-8")
    while not stopping:
        try:
            if not nation.step():
                time.sleep(_POLL_SECONDS)
        except sa.exc.DBAPIError:
            time.sleep(0.2)
    nation.close()


def main(argv: list[str] | None = None) -> None:
    """Make the database, work on it, or print the book as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", nargs="?", choices=("make", "serve", "dump"), default="serve")
    parser.add_argument("--url-file", type=Path, required=True)
    parser.add_argument("--writer-file", type=Path)
    parser.add_argument("--clock", type=Path)
    parser.add_argument("--control", type=Path)
    parser.add_argument("--portfile", type=Path)
    arguments = parser.parse_args(argv)
    url = arguments.url_file.read_text(encoding="ascii").strip()
    if arguments.command == "make":
        if arguments.writer_file is None:
            parser.error("--writer-file 必填 / is required")
        arguments.writer_file.touch(mode=0o600)
        arguments.writer_file.write_text(make(url), encoding="ascii")
    elif arguments.command == "dump":
        json.dump(dump(url), sys.stdout, ensure_ascii=False)
    else:
        if arguments.clock is None:
            parser.error("--clock 必填 / is required")
        serve(arguments, url)


if __name__ == "__main__":
    main()
