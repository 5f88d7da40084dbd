"""State of the receipts follower, in SQLite: its ledger position with all that follows from it.

Position and answers are written in one transaction, so that the book is always a prefix of the
ledger. It can be thrown away: the follower then reads the ledger from the start.
"""

import json
import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from hub.core.keys import Head
from hub.errors import UnavailableError
from hub.io.paths import own_book

_SCHEMA = """
CREATE TABLE IF NOT EXISTS heads (partition INTEGER PRIMARY KEY, head BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS answers (
  stream TEXT NOT NULL, sequence INTEGER NOT NULL, source TEXT NOT NULL, sheet INTEGER NOT NULL,
  row INTEGER NOT NULL, record BLOB NOT NULL, outcome TEXT NOT NULL, reasons TEXT NOT NULL,
  waits TEXT NOT NULL, PRIMARY KEY (stream, sequence, source, sheet, row)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS waiting (
  submission BLOB PRIMARY KEY, stream TEXT NOT NULL, sequence INTEGER NOT NULL,
  source TEXT NOT NULL, sheet INTEGER NOT NULL, row INTEGER NOT NULL, position TEXT NOT NULL,
  epoch INTEGER NOT NULL
  ) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answers_of_source ON answers (source, sheet, row, sequence);
CREATE INDEX IF NOT EXISTS answers_of_record ON answers (record, source);
CREATE TABLE IF NOT EXISTS records (
  record BLOB PRIMARY KEY, due TEXT NOT NULL, shown TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS refusals (
  record BLOB NOT NULL, target TEXT NOT NULL, code TEXT NOT NULL,
  PRIMARY KEY (record, target)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reminders (
  id TEXT PRIMARY KEY, department TEXT NOT NULL, day TEXT NOT NULL, level INTEGER NOT NULL,
  reason TEXT NOT NULL, due TEXT NOT NULL, count INTEGER NOT NULL, records BLOB NOT NULL
  ) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS reminders_of_day ON reminders (department, day, level);
CREATE TABLE IF NOT EXISTS sources (
  source TEXT PRIMARY KEY, changes INTEGER NOT NULL, written INTEGER NOT NULL) WITHOUT ROWID;
"""

_KEY: Final = 16
"""Bytes of a record key."""
_FILES_OF_RECORD: Final = """
WITH RECURSIVE found (source) AS (
  SELECT min(source) FROM answers WHERE record = ?1
  UNION ALL SELECT (SELECT min(source) FROM answers WHERE record = ?1 AND source > found.source)
  FROM found WHERE found.source IS NOT NULL)
SELECT source FROM found WHERE source IS NOT NULL
"""
"""One step in the index for each file. DISTINCT reads every answer, and a file may hold 200,000
rows of one record, each of them news of it."""

Reasons = Sequence[tuple[str, str]]
"""(reason code, column code) each."""


class StoredAnswer(NamedTuple):
    """The ledger's answer to one submission.

    `source` is the file it came from ("" when unknown), `record` the ledger's record key.
    `is_final` is False for a number that was used before: it never replaces the first answer.
    """

    stream: str
    sequence: int
    source: str
    sheet: int
    row: int
    record: bytes
    outcome: str
    reasons: Reasons
    is_final: bool = True
    waits: str = ""
    """Until when it waits, for people; with `submission` and `position`, of what waits only."""
    submission: bytes = b""
    """The ledger's key of the submission."""
    position: str = ""
    """Its position in the source, as its sender wrote it."""
    epoch: int = 0
    """Of the ledger's partition, of what waits."""


class Held(NamedTuple):
    """The place of a submission that waits."""

    stream: str
    sequence: int
    position: str
    epoch: int = 0


class Settled(NamedTuple):
    """The outcome of a submission that waited."""

    submission: bytes
    outcome: str
    reasons: Reasons


class RecordNews(NamedTuple):
    """State of a record after a ledger record: texts for people.

    `refusing` are the targets that refuse it now, `refused` the code of the one that has just
    said so: only that ledger record holds it, so the book keeps it while the target refuses.
    """

    record: bytes
    due: str
    shown: str
    refusing: tuple[str, ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    """(target, the platform's code) each."""


class Reminder(NamedTuple):
    """A reminder to a department; it has a file for each day and level, `source`."""

    id: str
    department: str
    day: str
    level: int
    reason: str
    due: str
    """The first due day, ISO, or empty."""
    record_count: int
    records: bytes
    """Keys of the records, 16 bytes each."""

    @property
    def source(self) -> str:
        """How the book calls the file: no source file's id begins so."""
        return f"{REMINDERS}{self.department}/{self.day}/{self.level}"


REMINDERS: Final = "reminders:"
MOVED_ZH: Final = "已由后来的更正取代，以更正文件的结果为准"
"""Of a record that went on under another code, number or name."""


class RemindedRecord(NamedTuple):
    """A record of a reminder with the position of its row and the record's state now."""

    reminder: Reminder
    record: bytes
    source: str
    row: int
    due: str
    shown: str


class RowAnswer(NamedTuple):
    """One submission of a source file with its record's state now."""

    sheet: int
    row: int
    sequence: int
    outcome: str
    reasons: Reasons
    due: str
    shown: str
    waits: str = ""
    """Until when it waits for its record."""
    refusals: tuple[str, ...] = ()
    """`<target> <the platform's code>` of each target that refuses the record."""


News = StoredAnswer | Settled | RecordNews | Reminder
"""News for this database in one ledger record."""


class ReceiptBook:
    """The follower's own database file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._touched: set[str] = set()
        self._connection = sqlite3.connect(own_book(path), isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        # The ledger holds everything: what a power cut takes back is read again.
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(_SCHEMA)

    def heads(self) -> dict[int, Head]:
        """Return the end of the ledger as it was read, by partition."""
        found = self._connection.execute("SELECT partition, head FROM heads")
        return {partition: Head.unpack(head) for partition, head in found}

    def apply(self, news: Iterable[News], heads: Mapping[int, Head]) -> None:
        """Write answers and news in order, mark files they touch, move the heads: at once.

        Raises `UnavailableError` when the disk is full or gone; then nothing was written.
        """
        try:
            self._apply(news, heads)
        except sqlite3.OperationalError as error:
            raise UnavailableError(
                f"回执库无法写入：{error}\nthe receipts' book cannot be written: {error}"
            ) from error

    def _apply(self, news: Iterable[News], heads: Mapping[int, Head]) -> None:
        touched: set[str] = set()
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            for each in news:
                if isinstance(each, StoredAnswer):
                    self._answer(each, touched)
                elif isinstance(each, Settled):
                    self._settle(each, touched)
                elif isinstance(each, Reminder):
                    self._connection.execute(
                        "INSERT OR REPLACE INTO reminders VALUES (?, ?, ?, ?, ?, ?, ?, ?)", each
                    )
                    touched.add(each.source)
                else:
                    self._news(each, touched)
            self._connection.executemany(
                "INSERT INTO sources VALUES (?, 1, 0)"
                " ON CONFLICT DO UPDATE SET changes = changes + 1",
                [(source,) for source in touched if source],
            )
            self._connection.executemany(
                "INSERT OR REPLACE INTO heads VALUES (?, ?)",
                [(partition, head.pack()) for partition, head in heads.items()],
            )
            execute("COMMIT")
            self._touched |= touched - {""}
        except BaseException:
            if self._connection.in_transaction:
                execute("ROLLBACK")
            raise

    def _answer(self, answer: StoredAnswer, touched: set[str]) -> None:
        clash = "REPLACE" if answer.is_final else "IGNORE"
        self._connection.execute(
            f"INSERT OR {clash} INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608 - two constants
            (*answer[:7], json.dumps(answer.reasons), answer.waits),
        )
        if answer.submission and answer.is_final:
            self._connection.execute(
                "INSERT OR REPLACE INTO waiting VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (answer.submission, *answer[:5], answer.position, answer.epoch),
            )
        touched.add(answer.source)

    def _settle(self, settled: Settled, touched: set[str]) -> None:
        """The answer of what waited, on the row that waited."""
        execute = self._connection.execute
        place = execute(
            "SELECT stream, sequence, source, sheet, row FROM waiting WHERE submission = ?",
            (settled.submission,),
        ).fetchone()
        if place is None:
            return
        execute(
            "UPDATE answers SET outcome = ?, reasons = ?, waits = ''"
            " WHERE (stream, sequence, source, sheet, row) = (?, ?, ?, ?, ?)",
            (settled.outcome, json.dumps(settled.reasons), *place),
        )
        execute("DELETE FROM waiting WHERE submission = ?", (settled.submission,))
        touched.add(place[2])

    def held(self, submission: bytes) -> Held | None:
        """The place of a submission that waits; None for one that does not, or is not known."""
        found = self._connection.execute(
            "SELECT stream, sequence, position, epoch FROM waiting WHERE submission = ?",
            (submission,),
        ).fetchone()
        return None if found is None else Held(*found)

    def _news(self, news: RecordNews, touched: set[str]) -> None:
        execute = self._connection.execute
        execute(
            "INSERT INTO records VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET due = excluded.due, shown = excluded.shown",
            (news.record, news.due, news.shown),
        )
        known = dict(
            execute("SELECT target, code FROM refusals WHERE record = ?", (news.record,)).fetchall()
        )
        for target in known.keys() - set(news.refusing):
            execute("DELETE FROM refusals WHERE (record, target) = (?, ?)", (news.record, target))
        for target, code in news.refused:
            execute("INSERT OR REPLACE INTO refusals VALUES (?, ?, ?)", (news.record, target, code))
        touched.update(source for (source,) in execute(_FILES_OF_RECORD, (news.record,)))

    def changed_sources(self) -> list[tuple[str, int]]:
        """Return the files whose result is older than what is known, with their change count."""
        return list(
            self._connection.execute(
                "SELECT source, changes FROM sources WHERE changes > written ORDER BY source"
            )
        )

    def take_touched(self) -> set[str]:
        """Return the files that `apply` has marked as changed since this was asked last."""
        taken, self._touched = self._touched, set()
        return taken

    def counts(self, source: str) -> tuple[int, int]:
        """Return how often a file has changed, and how many of these changes its result shows."""
        found = self._connection.execute(
            "SELECT changes, written FROM sources WHERE source = ?", (source,)
        ).fetchone()
        return (0, 0) if found is None else (found[0], found[1])

    def rows_of(self, source: str) -> Generator[RowAnswer]:
        """Yield every answer of a file, in order of sheet, row and sequence, as it is read.

        All as they stand when the first is read, whatever is applied before the last.
        """
        with self._reading() as execute:
            for sheet, row, sequence, outcome, reasons, due, shown, waits, refusals in execute(
                "SELECT sheet, row, sequence, outcome, reasons, due, shown, waits,"
                " (SELECT json_group_array(trim(target || ' ' || code)) FROM"
                " (SELECT target, code FROM refusals WHERE record = answers.record"
                " ORDER BY target)) FROM answers"
                " LEFT JOIN records USING (record) WHERE source = ? ORDER BY sheet, row, sequence",
                (source,),
            ):
                yield RowAnswer(
                    sheet, row, sequence, outcome,
                    tuple((code, field) for code, field in json.loads(reasons)),
                    due or "", shown or "", waits, tuple(json.loads(refusals)),
                )  # fmt: skip

    def reminded(self, source: str) -> Generator[RemindedRecord]:
        """Yield every record of the reminders of one department, day and level, in order.

        All as they stand when the first is read, as `rows_of`.
        """
        department, day, level = source.removeprefix(REMINDERS).split("/")
        with self._reading() as execute:
            for reminder in map(
                Reminder._make,
                execute(
                    "SELECT id, department, day, level, reason, due, count, records FROM reminders"
                    " WHERE (department, day, level) = (?, ?, ?) ORDER BY reason DESC, due, id",
                    (department, day, int(level)),
                ),
            ):
                for at in range(0, len(reminder.records), _KEY):
                    record = reminder.records[at : at + _KEY]
                    # its row is the last one that spoke of it
                    place = execute(
                        "SELECT source, row FROM answers WHERE record = ? AND source != ''"
                        " ORDER BY sequence DESC LIMIT 1",
                        (record,),
                    ).fetchone()
                    stands = execute(
                        "SELECT due, shown FROM records WHERE record = ?", (record,)
                    ).fetchone()
                    yield RemindedRecord(
                        reminder, record, *(place or ("", 0)), *(stands or ("", ""))
                    )

    @contextmanager
    def _reading(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        """Read what is there now, whatever is written meanwhile."""
        with closing(sqlite3.connect(self._path, isolation_level=None)) as reading:
            reading.execute("BEGIN")
            yield reading.execute

    def mark_written(self, source: str, changes: int) -> None:
        """Take note that the result file shows the state of that change."""
        self._connection.execute(
            "UPDATE sources SET written = ? WHERE source = ?", (changes, source)
        )

    def close(self) -> None:
        """Close the file."""
        self._connection.close()
