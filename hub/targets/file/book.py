"""Record of the file-drop courier's files, in SQLite on its own disk.

A file's number and bytes are fixed here, durably, before anything of it can be seen in the drop
folder: a number is used once, even when the courier is killed, and its file is written to the end
later, with the same bytes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from hub.errors import IntegrityError, UnavailableError
from hub.io.damaged_book import is_damage
from hub.io.paths import own_book
from hub.targets.file.layout import FileName, Fingerprint, read_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS files (
  series TEXT NOT NULL, day TEXT NOT NULL, sequence INTEGER NOT NULL, name TEXT NOT NULL UNIQUE,
  digest TEXT NOT NULL, action TEXT NOT NULL, content BLOB, manifest BLOB, state TEXT NOT NULL,
  since REAL NOT NULL, begun REAL NOT NULL, open_rows INTEGER NOT NULL,
  PRIMARY KEY (series, day, sequence)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS files_unfinished ON files (state) WHERE state != 'finished';
CREATE TABLE IF NOT EXISTS filed (
  delivery TEXT NOT NULL, name TEXT NOT NULL, digest TEXT NOT NULL,
  PRIMARY KEY (delivery, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS filed_in ON filed (name);
CREATE TABLE IF NOT EXISTS answers (
  delivery TEXT PRIMARY KEY, told TEXT NOT NULL, is_final INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS read_acks (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS series (
  series TEXT PRIMARY KEY, ack_at INTEGER NOT NULL, day TEXT NOT NULL, sequence INTEGER NOT NULL)
  WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

State = Literal["reserved", "written", "taken", "finished", "void"]
"""`reserved`: its number is given out; `written`: it lies there with its manifest; `taken`: the
platform has it; `finished`: every row has its last answer; `void`: the platform threw it away."""

Rows = Sequence[tuple[str, str]]
"""(delivery, digest of its fields) each."""
_FILE = "name, digest, action, state, since, begun, open_rows"


class FileEntry(NamedTuple):
    """One file as the book knows it."""

    name: FileName
    digest: str
    action: Literal["publish", "withdraw"]
    state: State
    since: float
    """Real seconds of the last time it was put into the folder."""
    begun: float
    """Real seconds of the first time."""
    open_rows: int
    """Rows without a last answer."""


class FileBook:
    """The book of one target; one thread.

    Raises `UnavailableError` when it cannot be read or written just now, `IntegrityError` when it
    is damaged: it holds the numbers that were given out, so it is never thrown away unasked.
    """

    def __init__(self, path: Path) -> None:
        with _guarded():
            self._db = sqlite3.connect(
                own_book(path), isolation_level=None, check_same_thread=False
            )
            try:
                self._db.execute("PRAGMA journal_mode=WAL")
                # A number once used must outlive a power cut: it could not be found out afterwards.
                self._db.execute("PRAGMA synchronous=FULL")
                self._db.executescript(_SCHEMA)
            except sqlite3.DatabaseError:
                self._db.close()
                raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Everything inside becomes durable at once, or not at all."""
        with _guarded():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.DatabaseError):  # the first trouble is the one to tell
                    self._db.execute("ROLLBACK")
                raise

    def _read(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with _guarded():
            return self._db.execute(query, values).fetchall()

    def _first(self, query: str, *values: object) -> tuple[Any, ...] | None:
        return next(iter(self._read(query, *values)), None)

    # --- what the book knows of itself ---

    @property
    def is_begun(self) -> bool:
        """Whether the book has been opened for this folder before."""
        return self._setting("whole") != ""

    @property
    def is_whole(self) -> bool:
        """Whether it knows of every file ever written: False after it was lost."""
        return self._setting("whole") == "yes"

    def begin(self, *, is_whole: bool) -> None:
        """Say what the book is worth; inside `writing`."""
        self._db.execute(
            "INSERT OR REPLACE INTO settings VALUES ('whole', ?)", ("yes" if is_whole else "no",)
        )

    def _setting(self, name: str) -> str:
        row = self._first("SELECT value FROM settings WHERE name = ?", name)
        return str(row[0]) if row else ""

    # --- files ---

    def last_place(self, series: str) -> tuple[str, int]:
        """Return day and sequence of the last number given out; ("", 0) when there is none."""
        places = self._first(
            "SELECT day, sequence FROM (SELECT day, sequence FROM files WHERE series = ?"
            " UNION ALL SELECT day, sequence FROM series WHERE series = ?)"
            " ORDER BY day DESC, sequence DESC LIMIT 1",
            series,
            series,
        )
        return (str(places[0]), int(places[1])) if places else ("", 0)

    def last_file(self, series: str) -> Fingerprint:
        """Return name and digest of the newest file of a series that was not thrown away."""
        row = self._first(
            "SELECT name, digest FROM files WHERE series = ? AND state != 'void'"
            " ORDER BY day DESC, sequence DESC LIMIT 1",
            series,
        )
        return Fingerprint(*row) if row else Fingerprint()

    def add(self, entry: FileEntry, content: tuple[bytes, bytes] | None, rows: Rows) -> None:
        """Enter a file with its bytes, its manifest's and its rows; inside `writing`."""
        name, digest, action, *rest = entry
        self._db.execute(
            "INSERT INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (*name.place, str(name), digest, action, *(content or (None, None)), *rest),
        )
        self._db.executemany(
            "INSERT INTO filed VALUES (?, ?, ?)",
            [(delivery, str(name), digest) for delivery, digest in rows],
        )

    def bytes_of(self, name: FileName) -> tuple[bytes, bytes] | None:
        """Return a file's bytes and its manifest's; None once they are not needed any more."""
        row = self._first(
            "SELECT content, manifest FROM files WHERE name = ? AND content IS NOT NULL", str(name)
        )
        return (row[0], row[1]) if row else None

    def set_state(self, name: FileName, state: State, since: float) -> None:
        """Move a file on; inside `writing`."""
        self._db.execute(
            "UPDATE files SET state = ?, since = ? WHERE name = ?", (state, since, str(name))
        )

    def void(self, name: FileName, newest: FileName | None) -> None:
        """Forget the rows of a file the platform threw away; go on behind its newest file."""
        self._db.execute(
            "UPDATE files SET state = 'void', content = NULL, manifest = NULL WHERE name = ?",
            (str(name),),
        )
        self._db.execute("DELETE FROM filed WHERE name = ?", (str(name),))
        if newest is not None:
            self._db.execute(
                "INSERT INTO series VALUES (?, 0, ?, ?) ON CONFLICT DO UPDATE"
                " SET day = excluded.day, sequence = excluded.sequence",
                newest.place,
            )

    def finish(self, name: FileName, since: float) -> None:
        """Every row has its last answer: the bytes are not needed any more; inside `writing`."""
        self._db.execute(
            "UPDATE files SET state = 'finished', since = ?, content = NULL, manifest = NULL"
            " WHERE name = ?",
            (since, str(name)),
        )

    def prune(self, before: float) -> None:
        """Forget the rows and answers of files finished earlier; their numbers stay.

        The ledger has the outcome of those rows, so they are never asked for. Inside `writing`.
        """
        old = "SELECT name FROM files WHERE state = 'finished' AND since < ?"
        self._db.execute(
            f"DELETE FROM answers WHERE delivery IN (SELECT delivery FROM filed WHERE name IN ({old}))",  # noqa: S608, E501 - constants
            (before,),
        )
        self._db.execute(f"DELETE FROM filed WHERE name IN ({old})", (before,))  # noqa: S608 - as above

    def unacknowledged(self) -> tuple[int, float | None]:
        """Return how many files the platform has not taken over, and when the oldest was begun."""
        ((count, begun),) = self._read(
            "SELECT count(*), min(begun) FROM files WHERE state IN ('reserved', 'written')"
        )
        return count, begun

    def file(self, name: FileName) -> FileEntry | None:
        """Return a file, or None when it was never written here."""
        found = self._files("WHERE name = ?", str(name))
        return found[0] if found else None

    def waiting(self) -> list[FileEntry]:
        """Return the files the platform has not taken over, oldest place first."""
        return self._files("WHERE state IN ('reserved', 'written') ORDER BY series, day, sequence")

    def done(self) -> list[FileEntry]:
        """Return the files that are taken over and whose rows all have their last answer."""
        return self._files("WHERE state = 'taken' AND open_rows = 0")

    def taken_after(self, name: FileName) -> list[FileEntry]:
        """Return the files of a series that the platform took over and that come after this."""
        return self._files(
            "WHERE series = ? AND (day, sequence) > (?, ?) AND state IN ('taken', 'finished')"
            " ORDER BY day, sequence",
            *name.place,
        )

    def _files(self, where: str, *values: object) -> list[FileEntry]:
        entries = []
        for row in self._read(f"SELECT {_FILE} FROM files {where}", *values):  # noqa: S608 - constants
            name = read_name(row[0])
            if name is None:
                raise AssertionError(f"the book names a file {row[0]}")
            entries.append(FileEntry(name, *row[1:]))
        return entries

    # --- rows ---

    def rows_of(self, name: FileName) -> dict[str, str]:
        """Return delivery → digest of a file's rows."""
        rows = self._read("SELECT delivery, digest FROM filed WHERE name = ?", str(name))
        return dict(rows)

    def file_of(self, delivery: str) -> str | None:
        """Return the newest file a delivery is in, or None."""
        row = self._first(
            "SELECT name FROM filed JOIN files USING (name) WHERE delivery = ?"
            " ORDER BY day DESC, sequence DESC LIMIT 1",
            delivery,
        )
        return str(row[0]) if row else None

    def is_written(self, name: str) -> bool:
        """Whether a file lies, or lay, in the folder with its manifest."""
        row = self._first("SELECT state FROM files WHERE name = ?", name)
        return row is not None and row[0] != "reserved"

    def answer(self, delivery: str) -> tuple[dict[str, object], bool] | None:
        """Return what the platform last said of a delivery, and whether it is its last word."""
        row = self._first("SELECT told, is_final FROM answers WHERE delivery = ?", delivery)
        return (json.loads(row[0]), bool(row[1])) if row else None

    def set_answer(self, delivery: str, told: dict[str, object], *, is_final: bool) -> None:
        """Keep what the platform said; a last word closes the row in every file; in `writing`."""
        self._db.execute(
            "INSERT OR REPLACE INTO answers VALUES (?, ?, ?)",
            (delivery, json.dumps(told), is_final),
        )
        if is_final:
            self._db.execute(
                "UPDATE files SET open_rows = open_rows - 1 WHERE name IN"
                " (SELECT name FROM filed WHERE delivery = ?)",
                (delivery,),
            )

    # --- acknowledgement files ---

    def acks_read(self) -> set[str]:
        """Return the names of the acknowledgement files that were understood and taken in."""
        return {name for (name,) in self._read("SELECT name FROM read_acks")}

    def add_ack(self, name: str) -> None:
        """Remember that an acknowledgement file was taken in; inside `writing`."""
        self._db.execute("INSERT OR IGNORE INTO read_acks VALUES (?)", (name,))

    def forget_acks(self, names: Iterable[str]) -> None:
        """Forget acknowledgement files that are not there any more; inside `writing`."""
        self._db.executemany("DELETE FROM read_acks WHERE name = ?", [(name,) for name in names])

    def is_newest_word(self, series: str, at: int) -> bool:
        """Note the platform's time of an acknowledgement; False when a later one came before."""
        row = self._first("SELECT ack_at FROM series WHERE series = ?", series)
        if row is not None and at <= row[0]:
            return False
        self._db.execute(
            "INSERT INTO series VALUES (?, ?, '', 0) ON CONFLICT DO UPDATE"
            " SET ack_at = excluded.ack_at",
            (series, at),
        )
        return True


@contextmanager
def _guarded() -> Iterator[None]:
    """Raises what is said of `FileBook`."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if is_damage(error):
            raise IntegrityError(
                f"文件投递账本 files.sqlite 已损坏：{error}\n"
                f"the book of files, files.sqlite, is damaged: {error}\n"
                "处理办法：检查磁盘；在该投递进程停止时将 files.sqlite 及其 -wal、-shm 移出状态目录"
                "（勿删除），再启动：由投递目录中的文件与回执重新登记，找不到的行注明重复后重发\n"
                "Remedy: check the disk; with the courier stopped move files.sqlite with its -wal "
                "and -shm out of the state folder (keep them) and start: files and answers in the "
                "drop folder are taken up, rows not found there go out again as repeats"
            ) from error
        if not isinstance(error, sqlite3.OperationalError):
            raise
        raise UnavailableError(
            f"文件投递账本无法读写：{error}\nthe book of files cannot be read or written: {error}\n"
            "处理办法：腾出磁盘空间或恢复权限后重启，不会重号\n"
            "Remedy: free the disk or restore the rights, start again; no number is used twice"
        ) from error
