"""The look-up tables in PostgreSQL: a follower's rows and its position in one transaction.

The position is in the same database as the rows, so what is committed is never half of a batch
and never twice: there is no second truth to reconcile. For the same reason `synchronous_commit`
may be off: a crash of the server loses rows and position together, and they are read again.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, LiteralString, NamedTuple, Self, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from hub.core.keys import Head
from hub.errors import FencedError, UnavailableError
from hub.views.entry import (
    ClockEventRow,
    ClockRow,
    DeclaredRow,
    EntryRow,
    RecordRow,
    SnapshotRow,
    StageRow,
    StandingRow,
)
from hub.views.open_cases import CaseRow

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

UNANSWERED: Final = (psycopg.OperationalError, psycopg.InterfaceError)
"""Errors of a server that is away, full or ending; anything else is a fault of ours."""
VERSION: Final = 9
"""Version of the tables; another one found in the database is dropped and made from zero."""

_TABLES: Final[LiteralString] = """
CREATE TABLE projection (version integer NOT NULL);
CREATE TABLE positions (
  partition integer PRIMARY KEY, next_offset bigint NOT NULL, next_sequence bigint NOT NULL,
  last_hash bytea NOT NULL, decided_at bigint NOT NULL, epoch integer NOT NULL);
CREATE TABLE heartbeat (
  seen_at bigint NOT NULL, business_now bigint NOT NULL, factor double precision NOT NULL,
  lag_records bigint NOT NULL, lag_seconds double precision NOT NULL);
CREATE TABLE site (prefix text NOT NULL, content jsonb NOT NULL);
CREATE TABLE bases (
  basis bytea PRIMARY KEY, adopted_at bigint NOT NULL, content jsonb NOT NULL);
CREATE TABLE entries (
  partition integer, sequence bigint, decided_at bigint NOT NULL, cause_kind text NOT NULL,
  cause_topic text NOT NULL, cause_offset bigint NOT NULL, outcome text NOT NULL,
  is_repeat boolean NOT NULL, record_key bytea NOT NULL, version bigint NOT NULL,
  department text NOT NULL, kind text NOT NULL, stream text, stream_sequence bigint,
  position text NOT NULL, ledger_key text NOT NULL, subject_kind text NOT NULL,
  document_number text NOT NULL, document_key text NOT NULL, subject_name text NOT NULL,
  name_key text NOT NULL, authority_code text NOT NULL, move_id bytea, basis bytea NOT NULL,
  publish_targets bigint NOT NULL, withdraw_targets bigint NOT NULL, refers_to bigint,
  reasons jsonb NOT NULL, walk jsonb, PRIMARY KEY (partition, sequence));
CREATE INDEX entries_walk ON entries (partition, sequence) WHERE walk IS NOT NULL;
CREATE INDEX entries_step ON entries (cause_topic, partition, cause_offset)
  WHERE cause_kind = 'sweep';
CREATE INDEX entries_record ON entries (record_key);
CREATE INDEX entries_document ON entries (document_key) WHERE document_key <> '';
CREATE INDEX entries_ledger_key ON entries (ledger_key) WHERE ledger_key <> '';
CREATE INDEX entries_move ON entries (move_id) WHERE move_id IS NOT NULL;
CREATE INDEX entries_stream ON entries (stream, stream_sequence) WHERE stream IS NOT NULL;
CREATE TABLE records (
  record_key bytea PRIMARY KEY, partition integer NOT NULL, ledger_key text NOT NULL,
  subject text NOT NULL, kind text NOT NULL, department text NOT NULL, status text NOT NULL,
  is_conflicting boolean NOT NULL, version bigint NOT NULL, version_at bigint NOT NULL,
  decided_on date, live_sequence bigint NOT NULL, arrived_at bigint NOT NULL, accepted_at bigint,
  document_number text NOT NULL, document_key text NOT NULL, subject_name text NOT NULL,
  name_key text NOT NULL, authority_code text NOT NULL, waits_for text NOT NULL,
  is_never_acceptable boolean NOT NULL);
CREATE TABLE cases (
  partition integer, opened bigint, case_kind text, record_key bytea NOT NULL,
  target integer NOT NULL, version bigint NOT NULL, action text NOT NULL,
  live_sequence bigint NOT NULL, since bigint NOT NULL, sequence bigint NOT NULL,
  times bigint NOT NULL, waits_for text NOT NULL, until bigint, code text NOT NULL,
  message text NOT NULL, ended bigint, ended_at bigint, how text NOT NULL,
  PRIMARY KEY (partition, opened, case_kind));
CREATE INDEX cases_open ON cases (record_key) WHERE ended IS NULL;
CREATE INDEX cases_since ON cases (since, partition, opened);
CREATE INDEX records_document ON records (document_key, name_key) WHERE document_key <> '';
CREATE INDEX records_refused ON records (record_key)
  WHERE status = 'quarantined' AND version = 0 AND document_key <> '';
CREATE INDEX records_ledger_key ON records (ledger_key);
CREATE INDEX records_decided ON records (decided_on);
CREATE TABLE snapshots (
  record_key bytea PRIMARY KEY, court_code text NOT NULL, court_name text NOT NULL,
  department text NOT NULL, snapshot_on date NOT NULL, part integer NOT NULL,
  parts integer NOT NULL, entry_count bigint NOT NULL, left_out_count bigint NOT NULL,
  entries_digest text NOT NULL, declared_at bigint NOT NULL, entries bytea NOT NULL);
CREATE INDEX snapshots_court ON snapshots (court_code, snapshot_on);
CREATE INDEX records_court_list ON records (authority_code)
  WHERE kind = 'court_enforcement.listed.v1' AND status = 'live';
CREATE TABLE declared (
  record_key bytea PRIMARY KEY, month text NOT NULL, department text NOT NULL,
  subject_kind text NOT NULL, produced bigint NOT NULL, disclosed bigint, url text NOT NULL,
  reason text NOT NULL);
CREATE TABLE clocks (
  record_key bytea NOT NULL, target integer NOT NULL, clock text NOT NULL, due_at bigint NOT NULL,
  counted_from date NOT NULL, is_provisional boolean NOT NULL, is_estimated boolean NOT NULL,
  is_stopped boolean NOT NULL, is_late boolean NOT NULL);
CREATE INDEX clocks_record ON clocks (record_key);
CREATE INDEX clocks_running ON clocks (due_at) WHERE NOT is_stopped AND clock <> 'expire';
CREATE TABLE standings (
  record_key bytea NOT NULL, target integer NOT NULL, version bigint NOT NULL,
  action text NOT NULL, stage text NOT NULL, at bigint NOT NULL, platform_at bigint NOT NULL);
CREATE INDEX standings_record ON standings (record_key);
CREATE TABLE stages (
  partition integer NOT NULL, sequence bigint NOT NULL, record_key bytea NOT NULL,
  target integer NOT NULL, version bigint NOT NULL, action text NOT NULL, stage text NOT NULL,
  at bigint NOT NULL, platform_at bigint, is_news boolean NOT NULL, receipt text NOT NULL,
  code text NOT NULL, message text NOT NULL);
CREATE INDEX stages_record ON stages (record_key);
CREATE TABLE clock_events (
  partition integer NOT NULL, sequence bigint NOT NULL, record_key bytea NOT NULL,
  target integer NOT NULL, clock text NOT NULL, event text NOT NULL, at bigint NOT NULL,
  due_at bigint, department text NOT NULL);
CREATE INDEX clock_events_record ON clock_events (record_key);
CREATE TABLE tallies (
  department text, kind text, outcome text, number bigint NOT NULL,
  PRIMARY KEY (department, kind, outcome));
CREATE TABLE streams (
  stream text, partition integer, department text NOT NULL, last_sequence bigint NOT NULL,
  submissions bigint NOT NULL, PRIMARY KEY (stream, partition));
-- One document (kind, authority, number, name) under several credit codes, live or quarantined.
-- One live and the rest quarantined is settled: the right code came later.
CREATE VIEW identity_conflicts AS
  SELECT subject, authority_code, document_key, name_key,
         min(document_number) AS document_number, min(subject_name) AS subject_name,
         array_agg(ledger_key ORDER BY arrived_at, ledger_key) AS credit_codes,
         array_agg(status ORDER BY arrived_at, ledger_key) AS statuses,
         array_agg(department ORDER BY arrived_at, ledger_key) AS departments,
         count(*) FILTER (WHERE status = 'live') <> 1 AS is_open
  FROM records
  WHERE status IN ('live', 'quarantined') AND document_key <> '' AND ledger_key NOT LIKE '?%'
  GROUP BY subject, authority_code, document_key, name_key
  HAVING count(DISTINCT ledger_key) > 1;
-- Clocks that still run. `accepted_under`: the same document was accepted under a valid code, so
-- the quarantined one is not owed any more.
CREATE VIEW running_clocks AS
  SELECT c.*, (
    SELECT min(l.ledger_key) FROM records l
    WHERE r.status = 'quarantined' AND l.document_key <> '' AND l.document_key = r.document_key
      AND l.name_key = r.name_key AND l.subject = r.subject
      AND (l.authority_code = r.authority_code OR r.authority_code = '')
      AND l.version > 0 AND l.record_key <> r.record_key) AS accepted_under
  FROM clocks c JOIN records r USING (record_key)
  WHERE NOT c.is_stopped AND c.clock <> 'expire';
"""
_STALE: Final[LiteralString] = """
CREATE TEMPORARY TABLE IF NOT EXISTS touched (record_key bytea PRIMARY KEY) ON COMMIT DELETE ROWS
"""


_PRUNE: Final = (
    "DELETE FROM snapshots s WHERE court_code = ANY(%s) AND snapshot_on < ("
    " SELECT max(snapshot_on) FROM snapshots n WHERE n.court_code = s.court_code) - 31"
)
"""A list is a state: the last few count, and a court's lists of a year are 200 MB. The ledger
keeps them all."""


_PUT_CASE: Final = (
    "INSERT INTO cases VALUES ("
    "%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (partition, opened, case_kind) DO UPDATE SET sequence = excluded.sequence,"
    " times = excluded.times, ended = excluded.ended, ended_at = excluded.ended_at,"
    " how = excluded.how"
)


class Position(NamedTuple):
    """How far one ledger partition has been read."""

    partition: int
    next_offset: int
    next_sequence: int
    last_hash: bytes
    decided_at: int
    epoch: int = 0

    @property
    def head(self) -> Head:
        """The end of the ledger as it was seen."""
        return Head(
            self.next_sequence, self.last_hash, self.decided_at, self.next_offset, self.epoch
        )


class StreamCount(NamedTuple):
    """Counts of one stream in one ledger partition."""

    stream: str
    partition: int
    department: str
    last_sequence: int
    submissions: int
    """Submissions with different sequences."""


class Heartbeat(NamedTuple):
    """When the projector was last at work, and how far behind it was."""

    seen_at: int
    """Real milliseconds."""
    business_now: int
    factor: float
    """Business time per real time."""
    lag_records: int
    lag_seconds: float


class ProjectionBatch(NamedTuple):
    """All that one read of the ledger changes."""

    entries: Sequence[EntryRow]
    records: Sequence[RecordRow]
    clocks: Sequence[ClockRow]
    standings: Sequence[StandingRow]
    stages: Sequence[StageRow]
    clock_events: Sequence[ClockEventRow]
    tallies: Mapping[tuple[str, str, str], int]
    streams: Sequence[StreamCount]
    bases: Sequence[tuple[bytes, int, Mapping[str, object]]]
    cases: Sequence[CaseRow]
    """Those that were opened, repeated or ended."""
    declared: Mapping[bytes, DeclaredRow | None]
    """Declared counts that changed; None for one that counts no more."""
    snapshots: Mapping[bytes, SnapshotRow | None]
    positions: Sequence[Position]


class _Basis(NamedTuple):
    content: Mapping[str, object]


class _Submission(NamedTuple):
    stream: str
    stream_sequence: int


_Row = TypeVar("_Row")


def schema_of(prefix: str) -> str:
    """The PostgreSQL schema of a site: `hub_demo` for the topic prefix `demo.`."""
    return "hub_" + re.sub(r"[^a-z0-9]", "_", prefix.rstrip("."))


def unavailable(error: psycopg.Error) -> UnavailableError:
    """Message to people when the database does not answer; never the statement's content."""
    return UnavailableError(
        f"PostgreSQL 无应答或拒绝（{type(error).__name__}）\n"
        f"PostgreSQL does not answer or refused ({type(error).__name__})\n"
        "处理办法：执行 hub dev status，检查 HUB_POSTGRES_DSN\n"
        "Remedy: hub dev status; look at HUB_POSTGRES_DSN"
    )


class Tables:
    """The write side, for one process at a time; every failure is an `UnavailableError`."""

    def __init__(
        self, dsn: str, prefix: str, reached: Callable[[str], None] = lambda _hook: None
    ) -> None:
        """Connect, take the lock of this site's tables, make them when they are not there.

        `reached` receives the fault hook `before_commit`. Raises `FencedError` when another
        projector holds the tables.
        """
        self.schema = schema_of(prefix)
        self._reached = reached
        try:
            self._session = psycopg.connect(dsn, autocommit=True, application_name="hub projector")
            self._take()
            self._make()
        except UNANSWERED as error:
            raise unavailable(error) from error

    def _take(self) -> None:
        """One projector at a time; the server frees the lock when the connection ends.

        It does so a moment after the client has gone: who follows at once waits that moment.
        """
        self._session.execute("SET lock_timeout TO '2s'")
        try:
            self._session.execute(
                "SELECT pg_advisory_lock(hashtextextended(%s, 0))", (self.schema,)
            )
        except psycopg.errors.LockNotAvailable as error:
            self._session.close()
            raise FencedError(
                f"另一个投影进程正在写 {self.schema}\n"
                f"another projector writes to {self.schema}\n"
                "处理办法：先停止它\nRemedy: stop it first"
            ) from error
        self._session.execute("SET lock_timeout TO DEFAULT")

    def _make(self) -> None:
        session, name = self._session, sql.Identifier(self.schema)
        session.execute("SET client_min_messages TO warning; SET synchronous_commit TO off")
        session.execute(sql.SQL("SET search_path TO {}, pg_temp").format(name))
        if self._version() != VERSION:
            self.reset()
        session.execute(_STALE)

    def _version(self) -> int | None:
        found = self._session.execute("SELECT to_regclass('projection')").fetchone()
        if found is None or found[0] is None:
            return None
        row = self._session.execute("SELECT version FROM projection").fetchone()
        return int(row[0]) if row is not None else None

    def reset(self) -> None:
        """Drop everything and start from zero, in one transaction: readers see old or new."""
        name = sql.Identifier(self.schema)
        with self._session.transaction():
            self._session.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(name))
            self._session.execute(sql.SQL("CREATE SCHEMA {}").format(name))
            self._session.execute(_TABLES)
            self._session.execute("INSERT INTO projection VALUES (%s)", (VERSION,))

    # --- reading what was written ---

    def positions(self) -> dict[int, Position]:
        """How far each partition has been read; none before its first record."""
        return {p.partition: p for p in self._fetch(Position, "SELECT * FROM positions")}

    def streams(self) -> dict[tuple[str, int], StreamCount]:
        """Return the counts of each stream in each partition."""
        rows = self._fetch(StreamCount, "SELECT * FROM streams")
        return {(row.stream, row.partition): row for row in rows}

    def bases(self) -> list[Mapping[str, object]]:
        """Every basis met so far, oldest first."""
        rows = self._fetch(_Basis, "SELECT content FROM bases ORDER BY adopted_at, basis")
        return [row.content for row in rows]

    def records(self, keys: Iterable[bytes]) -> dict[bytes, RecordRow]:
        """The records with these keys, where there are any."""
        rows = self._fetch(
            RecordRow, "SELECT * FROM records WHERE record_key = ANY(%s)", (list(keys),)
        )
        return {row.record_key: row for row in rows}

    def open_cases(self, keys: Iterable[bytes]) -> list[CaseRow]:
        """The open cases about the records with these keys, in the order they were opened."""
        return self._fetch(
            CaseRow,
            "SELECT * FROM cases WHERE record_key = ANY(%s) AND ended IS NULL"
            " ORDER BY partition, opened, case_kind",
            (list(keys),),
        )

    def known_submissions(
        self, partition: int, identities: Iterable[tuple[str, int]]
    ) -> set[tuple[str, int]]:
        """Which of these (stream, sequence) the partition's entries already hold."""
        wanted = list(identities)
        rows = self._fetch(
            _Submission,
            "SELECT e.stream, e.stream_sequence FROM entries e"
            " JOIN unnest(%s::text[], %s::bigint[]) AS w(stream, number)"
            " ON e.stream = w.stream AND e.stream_sequence = w.number"
            " WHERE e.partition = %s AND NOT e.is_repeat",
            ([stream for stream, _ in wanted], [number for _, number in wanted], partition),
        )
        return {(row.stream, row.stream_sequence) for row in rows}

    def _fetch(
        self, shape: type[_Row], query: LiteralString, values: Sequence[object] = ()
    ) -> list[_Row]:
        try:
            with self._session.cursor(row_factory=class_row(shape)) as cursor:
                return cursor.execute(query, values).fetchall()
        except UNANSWERED as error:
            raise unavailable(error) from error

    # --- writing ---

    def write(self, batch: ProjectionBatch) -> None:
        """Write the batch and its positions in one transaction."""
        try:
            with self._session.transaction(), self._session.cursor() as cursor:
                _copy(cursor, "entries", EntryRow._fields, batch.entries)
                _copy(cursor, "stages", StageRow._fields, batch.stages)
                _copy(cursor, "clock_events", ClockEventRow._fields, batch.clock_events)
                _copy(cursor, "touched", ("record_key",), [(r.record_key,) for r in batch.records])
                for table in ("records", "clocks", "standings"):
                    cursor.execute(
                        sql.SQL(
                            "DELETE FROM {} t USING touched WHERE t.record_key = touched.record_key"
                        ).format(sql.Identifier(table))
                    )
                _copy(cursor, "records", RecordRow._fields, batch.records)
                _copy(cursor, "clocks", ClockRow._fields, batch.clocks)
                _copy(cursor, "standings", StandingRow._fields, batch.standings)
                cursor.execute(
                    "DELETE FROM declared WHERE record_key = ANY(%s)", (list(batch.declared),)
                )
                told = [row for row in batch.declared.values() if row is not None]
                _copy(cursor, "declared", DeclaredRow._fields, told)
                cursor.execute(
                    "DELETE FROM snapshots WHERE record_key = ANY(%s)", (list(batch.snapshots),)
                )
                lists = [row for row in batch.snapshots.values() if row is not None]
                _copy(cursor, "snapshots", SnapshotRow._fields, lists)
                cursor.execute(_PRUNE, (sorted({row.court_code for row in lists}),))
                _add_up(cursor, batch)
                self._reached("before_commit")
        except UNANSWERED as error:
            raise unavailable(error) from error

    def describe(self, prefix: str, content: Mapping[str, object]) -> None:
        """Note the names people know the site, its departments and targets by."""
        self._replace("site", (prefix, json.dumps(content, ensure_ascii=False)))

    def beat(self, heartbeat: Heartbeat) -> None:
        """Note that the projector is at work."""
        self._replace("heartbeat", heartbeat)

    def _replace(self, table: str, row: Sequence[object]) -> None:
        places = sql.SQL(", ").join(sql.Placeholder() * len(row))
        name = sql.Identifier(table)
        try:
            with self._session.transaction():
                self._session.execute(sql.SQL("DELETE FROM {}").format(name))
                self._session.execute(
                    sql.SQL("INSERT INTO {} VALUES ({})").format(name, places), row
                )
        except UNANSWERED as error:
            raise unavailable(error) from error

    def close(self) -> None:
        """End the connection, and with it the lock."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _add_up(cursor: psycopg.Cursor[tuple[object, ...]], batch: ProjectionBatch) -> None:
    """Counts, bases and positions."""
    cursor.executemany(
        "INSERT INTO tallies VALUES (%s, %s, %s, %s) ON CONFLICT (department, kind, outcome)"
        " DO UPDATE SET number = tallies.number + excluded.number",
        [(*names, number) for names, number in batch.tallies.items()],
    )
    cursor.executemany(
        "INSERT INTO streams VALUES (%s, %s, %s, %s, %s) ON CONFLICT (stream, partition)"
        " DO UPDATE SET last_sequence = excluded.last_sequence,"
        " submissions = excluded.submissions",
        batch.streams,
    )
    cursor.executemany(
        # each partition adopts a basis by itself: the first time counts, in any order of reading
        "INSERT INTO bases VALUES (%s, %s, %s) ON CONFLICT (basis)"
        " DO UPDATE SET adopted_at = least(bases.adopted_at, excluded.adopted_at)",
        [
            (basis, adopted_at, json.dumps(content, ensure_ascii=False))
            for basis, adopted_at, content in batch.bases
        ],
    )
    cursor.executemany(_PUT_CASE, batch.cases)
    cursor.executemany(
        "INSERT INTO positions VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (partition)"
        " DO UPDATE SET next_offset = excluded.next_offset,"
        " next_sequence = excluded.next_sequence, last_hash = excluded.last_hash,"
        " decided_at = excluded.decided_at, epoch = excluded.epoch",
        batch.positions,
    )


def _copy(
    cursor: psycopg.Cursor[tuple[object, ...]],
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
) -> None:
    """COPY rows into a table; five times faster than INSERT."""
    if not rows:
        return
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
