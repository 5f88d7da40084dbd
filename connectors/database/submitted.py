"""Submissions of each row of a table, read from the submissions topic itself.

The topic is the truth and is kept for ever; this is a book of it on the connector's machine, in
SQLite, with its position. Thrown away, it is read again. It answers whether a row says anything
new, whether it was ever submitted, and, once a day, which submitted rows the table has no more.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from connectors.database.comparison import MOST_KEYS, Compared, Digest
from connectors.database.rows import read_position, row_of
from connectors.loop import CursorReader
from connectors.submission import WITHDRAWALS
from hub.errors import UnavailableError
from hub.io.damaged_book import discard, is_damage
from hub.io.paths import own_book
from hub.ports import InputRecord

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS positions (partition INTEGER PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS rows (
  row TEXT PRIMARY KEY, content TEXT NOT NULL, sequence INTEGER NOT NULL, sealed BLOB NOT NULL,
  withdrawn INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS table_rows (
  row TEXT PRIMARY KEY, content TEXT NOT NULL, given TEXT, missed INTEGER NOT NULL) WITHOUT ROWID;
"""
_LONGEST_NUMBER: Final = 18

_log = logging.getLogger("hub.connector")


class SubmittedRow(NamedTuple):
    """The last submission of a row: what it said, its number, the sealed key."""

    row: str
    content: str
    sequence: int
    sealed: bytes
    is_withdrawal: bool = False


class SubmittedBook:
    """The book of one stream."""

    def __init__(
        self, path: Path, stream: str, topic: str, partitions: int, reader: CursorReader
    ) -> None:
        self._stream = stream.encode()
        self._places = [(topic, partition) for partition in range(partitions)]
        self._reader = reader
        self._path = path
        try:
            self._connection = self._opened()
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            self._connection = self._begun_anew()

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            own_book(self._path), isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            # A power cut may take back the last pages: they are read from the topic again.
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.executescript(_SCHEMA)
        except sqlite3.DatabaseError:
            connection.close()
            raise
        return connection

    def _begun_anew(self) -> sqlite3.Connection:
        """Throw a damaged database away: the topic has everything in it."""
        _log.warning("报送簿已损坏，从主题重建 / the book of submitted rows is damaged: rebuilt")
        discard(self._path)
        return self._opened()

    def catch_up(self) -> None:
        """Read the topic to its end. Raises `UnavailableError` (broker, disk).

        A topic that is shorter than the database's position is another one: start from zero.
        """
        with self._guarded() as connection:
            known = dict(connection.execute("SELECT partition, next FROM positions"))
        bounds = self._reader.bounds(self._places)
        if any(known.get(place[1], 0) > bounds[place][1] for place in self._places):
            with self._writing() as connection:
                connection.execute("DELETE FROM rows")
                connection.execute("DELETE FROM positions")
            known = {}
        positions = {place: max(known.get(place[1], 0), bounds[place][0]) for place in self._places}
        for records in self._reader.read_to_end(positions):
            self._take(records)

    def _take(self, records: Iterable[InputRecord]) -> None:
        found: list[SubmittedRow] = []
        positions: dict[int, int] = {}
        for record in records:
            positions[record.partition] = record.offset + 1
            headers = dict(record.headers)
            if headers.get("ce_source") != self._stream:
                continue
            position = read_position(headers.get("hub_position", b"").decode("ascii", "replace"))
            number = headers.get("ce_id", b"")
            if position is None or not number.isdigit() or len(number) > _LONGEST_NUMBER:
                continue
            sealed, content = position
            is_withdrawal = headers.get("ce_type", b"").decode("ascii", "replace") in WITHDRAWALS
            found.append(SubmittedRow(row_of(sealed), content, int(number), sealed, is_withdrawal))
        self._write(found, positions)

    def add(self, rows: Iterable[SubmittedRow]) -> None:
        """Take note of rows that have just been committed; the topic says the same later."""
        self._write(rows, {})

    def _write(self, rows: Iterable[SubmittedRow], positions: dict[int, int]) -> None:
        with self._writing() as connection:
            connection.executemany(
                "INSERT INTO rows (row, content, sequence, sealed, withdrawn)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET content = excluded.content,"
                " sequence = excluded.sequence, withdrawn = excluded.withdrawn"
                " WHERE excluded.sequence >= rows.sequence",
                rows,
            )
            connection.executemany(
                "INSERT INTO positions VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET next = excluded.next",
                positions.items(),
            )

    def contents(self, rows: Iterable[str]) -> dict[str, str]:
        """Return what each of these rows said when it was last submitted."""
        found: dict[str, str] = {}
        with self._guarded() as connection:
            for row in rows:
                answer = connection.execute(
                    "SELECT content FROM rows WHERE row = ?", (row,)
                ).fetchone()
                if answer is not None:
                    found[row] = answer[0]
        return found

    def begin_comparison(self) -> None:
        """Forget the rows an earlier comparison met."""
        self.catch_up()
        with self._writing() as connection:
            connection.execute("DELETE FROM table_rows")

    def met(self, rows: Iterable[tuple[str, str, bool]]) -> None:
        """Take note of rows of the table: row, content, whether a pass will still look at it.

        A row that is not in the book as it is now was missed, unless a pass is yet to come by. What
        the hub was given of it stands beside it: what is submitted later is of a later table.
        """
        with self._writing() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO table_rows SELECT ?1, ?2, given, NOT ?3 AND given IS NOT ?2"
                " FROM (SELECT (SELECT content FROM rows WHERE row = ?1) AS given)",
                rows,
            )

    def compared(self, up_to: int, *, keeps_rows: bool) -> Compared:
        """Return what the comparison found; of rows it did not meet, submissions up to that number.

        A withdrawn row may be gone; where rows are cleared away on purpose, any may be.
        """
        with self._guarded() as connection:
            return self._compared(connection.execute, up_to, keeps_rows=keeps_rows)

    def _compared(
        self, execute: Callable[..., sqlite3.Cursor], up_to: int, *, keeps_rows: bool
    ) -> Compared:
        table, hub = Digest(), Digest()
        for row, content in execute("SELECT row, content FROM table_rows ORDER BY row"):
            table.add(row, content)
        vanished = (
            "FROM rows WHERE sequence <= ? AND NOT withdrawn AND ?"
            " AND row NOT IN (SELECT row FROM table_rows)"
        )
        given = (
            "SELECT row, given FROM table_rows WHERE given IS NOT NULL"
            " UNION ALL SELECT row, content"
        )
        for row, content in execute(f"{given} {vanished} ORDER BY row", (up_to, keeps_rows)):
            hub.add(row, content)
        missed = "FROM table_rows WHERE missed"
        return Compared(
            table.side,
            hub.side,
            execute(f"SELECT count(*) {vanished}", (up_to, keeps_rows)).fetchone()[0],
            execute(f"SELECT count(*) {missed}").fetchone()[0],
            tuple(
                row
                for (row,) in execute(
                    f"SELECT row {vanished} ORDER BY row LIMIT {MOST_KEYS}", (up_to, keeps_rows)
                )
            ),
            tuple(row for (row,) in execute(f"SELECT row {missed} ORDER BY row LIMIT {MOST_KEYS}")),
        )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction; see `_guarded`."""
        with self._guarded() as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except sqlite3.DatabaseError as error:
                if connection.in_transaction and not is_damage(error):
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _guarded(self) -> Iterator[sqlite3.Connection]:
        """Raises `UnavailableError`: the disk is full or gone, or the book is empty from now on."""
        try:
            yield self._connection
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                self._connection.close()
                self._connection = self._begun_anew()
            elif not isinstance(error, sqlite3.OperationalError):
                raise
            raise UnavailableError(
                f"无法读写报送簿：{error}\n"
                f"the book of submitted rows cannot be read or written: {error}"
            ) from error
