"""Databases of others that the demo plays: a department's case system, the nation's front end.

Both lie in the PostgreSQL of the run, each a database of its own that knows nothing of the hub. The
case system's clerk writes what a file of the data set says; the hub reads it as `hub_reader`, who
may read the cases and write answers into the result table, and nothing else.
"""

import csv
import io
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import psycopg
import yaml
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from demo.generator.columns import OWN_LAYOUT, OWN_VERSION
from demo.generator.families import CHANGES, REASON_CHANGED, REASON_REVOKED, RECORD_ID, STATE
from standins import nation

CASES: Final = "t_case"
RESULTS: Final = "hub_result"
CASE_COLUMNS: Final = (*OWN_LAYOUT, OWN_VERSION, STATE, REASON_CHANGED, REASON_REVOKED)
_RESULT_TABLE: Final = """
CREATE TABLE hub_result (
  source VARCHAR(64) NOT NULL, row_key VARCHAR(255) NOT NULL, submission BIGINT NOT NULL,
  outcome VARCHAR(16), reason_codes VARCHAR(1000), message VARCHAR(4000), remedy VARCHAR(4000),
  due_on DATE, stages VARCHAR(2000), record VARCHAR(64), version INT,
  ledger_partition INT, ledger_sequence BIGINT, PRIMARY KEY (source, row_key, submission));
CREATE INDEX hub_result_record ON hub_result (record);
"""
"""As docs/database-sources.md asks a department for it."""


class ResultRow(NamedTuple):
    """One answer as the department finds it in its result table."""

    row_key: str
    submission: int
    outcome: str
    reasons: frozenset[str]


def make_database(server: str, name: str) -> str:
    """Create a database on the server of this address; return the database's own."""
    with psycopg.connect(server, autocommit=True) as session:
        session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    address = make_url(server).set(drivername="postgresql", database=name)
    return address.render_as_string(hide_password=False)


def make_nation(server: str, name: str, site: Path) -> None:
    """The nation's front-end database; its owner's and the courier's addresses become files."""
    owner = make_database(server, name)
    _secret(nation_file(site), owner)
    _secret(site / "secrets" / "nation.url", nation.make(owner))


def nation_file(site: Path) -> Path:
    """The file with the address the nation's own job uses."""
    return site / "platforms" / "nation.owner"


class CaseSystem:
    """A department's case system: one table of cases, one of the hub's answers."""

    def __init__(self, address: str) -> None:
        self._session = psycopg.connect(address, autocommit=True)

    @classmethod
    def make(cls, server: str, name: str, site: Path, source: Path) -> "CaseSystem":
        """Make it; `source` is the site's file that describes the table, completed here."""
        address = make_database(server, name)
        made = cls(address)
        password = secrets.token_hex(12)
        made._create(name, password)
        _secret(site / "secrets" / "transport.password", password)
        described = yaml.safe_load(source.read_text(encoding="utf-8"))
        where = make_url(address)
        described["url"] = URL.create(
            "postgresql", f"{name}_reader", None, where.host, where.port, where.database
        ).render_as_string()
        source.write_text(
            yaml.safe_dump(described, allow_unicode=True, sort_keys=False), encoding="utf-8"
        )
        return made

    def _create(self, name: str, password: str) -> None:
        columns = sql.SQL(", ").join(
            sql.SQL("{} text NOT NULL DEFAULT ''").format(sql.Identifier(column))
            for column in CASE_COLUMNS
        )
        reader = sql.Identifier(f"{name}_reader")
        with self._session.transaction():
            self._session.execute(
                sql.SQL(
                    "CREATE TABLE {} ({} varchar(40) PRIMARY KEY, {},"
                    " 更新时间 timestamptz NOT NULL DEFAULT clock_timestamp())"
                ).format(sql.Identifier(CASES), sql.Identifier(RECORD_ID), columns)
            )
            self._session.execute(f"CREATE INDEX ON {CASES} (更新时间, {RECORD_ID})")
            self._session.execute(_RESULT_TABLE)
            self._session.execute(
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(reader, sql.Literal(password))
            )
            for right, table in (("SELECT", CASES), ("SELECT, INSERT, UPDATE", RESULTS)):
                self._session.execute(sql.SQL(f"GRANT {right} ON {table} TO {{}}").format(reader))

    def enter(self, file: Path) -> None:
        """A clerk enters the rows of a file, or what it changes: one transaction."""
        is_change = file.parent.name == CHANGES
        with self._session.transaction():
            for record, cells in rows_entered(file):
                if is_change:
                    self._change(record, cells)
                else:
                    self._insert({RECORD_ID: record, **cells})

    def _insert(self, cells: dict[str, str]) -> None:
        names = sql.SQL(", ").join(map(sql.Identifier, cells))
        values = sql.SQL(", ").join(map(sql.Literal, cells.values()))
        self._session.execute(
            sql.SQL("INSERT INTO {} ({}) VALUES ({})").format(sql.Identifier(CASES), names, values)
        )

    def _change(self, record: str, cells: dict[str, str]) -> None:
        changes = sql.SQL(", ").join(
            sql.SQL("{} = {}").format(sql.Identifier(name), sql.Literal(text))
            for name, text in cells.items()
        )
        self._session.execute(
            sql.SQL("UPDATE {} SET {}, 更新时间 = clock_timestamp() WHERE {} = {}").format(
                sql.Identifier(CASES), changes, sql.Identifier(RECORD_ID), sql.Literal(record)
            )
        )

    def results(self) -> list[ResultRow]:
        """The hub's answers, in the order of submission."""
        found = self._session.execute(
            "SELECT row_key, submission, coalesce(outcome, ''), coalesce(reason_codes, '')"
            " FROM hub_result ORDER BY submission"
        )
        return [
            ResultRow(key, number, outcome, frozenset(filter(None, codes.split("；"))))
            for key, number, outcome, codes in found
        ]

    def close(self) -> None:
        """Leave the server."""
        self._session.close()


def rows_entered(file: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a file of the data set: what the case system calls each, and its cells.

    A row that is new is called after its export and its line; a change names the row it changes.
    """
    text = _decoded(file.read_bytes())
    for number, cells in enumerate(csv.DictReader(io.StringIO(text, newline="")), 2):
        yield cells.pop(RECORD_ID, f"{file.name.split('-')[0]}-{number}"), cells


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("gb18030")


def _secret(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="ascii")
