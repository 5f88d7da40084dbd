"""Answers written back: the receipts of a table's rows into a table of the department's database.

It follows `receipts.<department>` in the connector's own process, which has the department's
password and the key that opens the rows' names; so no other worker needs either, and a database
that is down delays no other. Each row of the result table is one submission of one row; what is
written carries the ledger's own order, so that a repetition changes nothing.
"""

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine

from connectors.database.rows import RowKeys, read_position
from connectors.database.sql import named_table, translated
from connectors.database.values import BEIJING
from connectors.loop import read_whole, write_whole
from hub.domain.backoff import backoff
from hub.errors import IntegrityError, UnavailableError
from hub.io.paths import own_folder
from hub.ports import EngineClock, InputRecord

COLUMNS: Final = (
    "source", "row_key", "submission", "outcome", "reason_codes", "message", "remedy", "due_on",
    "stages", "record", "version", "ledger_partition", "ledger_sequence",
)  # fmt: skip
_BATCH: Final = 500
_POLL_SECONDS: Final = 0.5
_FIRST_WAIT_SECONDS: Final = 1.0
_LONGEST_WAIT_SECONDS: Final = 15.0
_LONGEST: Final = {"message": 4000, "remedy": 4000, "stages": 2000, "reason_codes": 1000}
_LONGEST_NUMBER: Final = 18
"""Digits of a number that fits 64 bits."""
_REPEATED: Final = "REPEATED_SUBMISSION"

_log = logging.getLogger("hub.connector")


class ReceiptReader(Protocol):
    """Reads the department's receipts; see `hub.ports.Inputs`."""

    def bounds(
        self, partitions: Iterable[tuple[str, int]]
    ) -> dict[tuple[str, int], tuple[int, int]]:
        """Log start and end."""

    def assign(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Read from here."""

    def consume(self, limit: int, timeout_seconds: float) -> list[InputRecord]:
        """Read up to `limit` records."""


class Result(NamedTuple):
    """One receipt; `submission` None: news of a record that was answered before."""

    row_key: str
    submission: int | None
    values: dict[str, Any]


class ReceiptTexts:
    """Receipts -> results, for one source. Pure."""

    def __init__(self, stream: str, keys: RowKeys) -> None:
        self._stream = stream
        self._keys = keys

    def read(self, value: bytes) -> Result | None:
        """Return the result, or None for another source's row and for a reminder."""
        receipt = json.loads(value)
        if "reminder" in receipt:
            return None  # it is about many records, and is a file of its own
        values = _values(receipt)
        stream = receipt["stream"]
        if not stream:
            return Result("", None, values)
        position = read_position(receipt["position"])
        number = _number(receipt["sequence"])
        is_repeat = any(reason["code"] == _REPEATED for reason in receipt["reasons"])
        if stream != self._stream or position is None or number is None or is_repeat:
            return None
        try:
            key = "|".join(self._keys.opened(position[0]))
        except IntegrityError:  # the department's topic is open to its own programs, too
            _log.warning("回执所指的行不是本来源报送的 / a receipt names a row not sealed here")
            return None
        return Result(key, number, values)


def _number(told: object) -> int | None:
    """Read the number in the stream; None for what no connector wrote there."""
    if isinstance(told, str) and told.isascii() and told.isdigit() and len(told) <= _LONGEST_NUMBER:
        return int(told)
    return None


def _values(receipt: dict[str, Any]) -> dict[str, Any]:
    reasons = receipt["reasons"]
    running = [each["due_at"] for each in receipt["due"] if each["running"]]
    if "waits_until" in receipt:
        running.append(receipt["waits_until"])
    return {
        "outcome": receipt.get("became", receipt["outcome"]),
        "reason_codes": _joined(reason["code"] for reason in reasons),
        "message": _joined(reason.get("zh", "") for reason in reasons),
        "remedy": _joined(reason.get("remedy", "") for reason in reasons),
        "due_on": _day_before(min(running)) if running else None,
        "stages": _joined(f"{each['target']} {each['stage']}" for each in receipt["stages"]),
        "record": receipt["record"],
        "version": receipt["version"],
        "ledger_partition": receipt["ledger"]["partition"],
        "ledger_sequence": receipt["ledger"]["sequence"],
    }


def _joined(texts: Iterable[str]) -> str:
    return "；".join(dict.fromkeys(filter(None, texts)))


def _day_before(due_at: int) -> date:
    """Return the last day of a duty that ends at this moment (24:00 in Beijing)."""
    moment = datetime.fromtimestamp(due_at / 1000, UTC) - timedelta(milliseconds=1)
    return moment.astimezone(BEIJING).date()


class ResultTableWriter:
    """Upserts results by (source, row key, submission number)."""

    def __init__(self, engine: Engine, table: str, source: str) -> None:
        self._engine = engine
        self._name = table
        self._table = named_table(table, *COLUMNS)
        self._source = source

    def write(self, results: Iterable[Result]) -> None:
        """Write in one transaction. Raises `UnavailableError` (later) or `SourceError` (rights)."""
        with translated(self._name), self._engine.begin() as session:
            for result in results:
                if result.submission is None:
                    self._news(session, result)
                else:
                    self._answer(session, result, result.submission)

    def check(self) -> None:
        """See that every column is there and may be written; changes nothing."""
        nobody = Result("", -1, dict.fromkeys(COLUMNS[3:]))
        with translated(self._name), self._engine.connect() as session:
            session.execute(sa.select(*self._table.c).limit(1))
            session.execute(
                sa.update(self._table).where(sa.false()).values(outcome=nobody.values["outcome"])
            )
            session.rollback()

    def _answer(self, session: Connection, result: Result, submission: int) -> None:
        columns = self._table.c
        mine = sa.and_(
            columns.source == self._source,
            columns.row_key == result.row_key,
            columns.submission == submission,
        )
        stands = session.execute(sa.select(columns.ledger_sequence).where(mine)).scalar()
        values = _cut(result.values)
        if stands is None:
            session.execute(
                sa.insert(self._table).values(
                    source=self._source, row_key=result.row_key, submission=submission, **values
                )
            )
        elif int(stands) < result.values["ledger_sequence"]:
            session.execute(sa.update(self._table).where(mine).values(**values))

    def _news(self, session: Connection, result: Result) -> None:
        """A due date passed, a platform answered: every row of the record is informed."""
        columns, values = self._table.c, result.values
        kept = {name: values[name] for name in ("due_on", "stages", "version", "ledger_sequence")}
        session.execute(
            sa.update(self._table)
            .where(
                columns.source == self._source,
                columns.record == values["record"],
                columns.ledger_partition == values["ledger_partition"],
                columns.ledger_sequence < values["ledger_sequence"],
            )
            .values(**_cut(kept))
        )

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


def _offset(known: Mapping[str, object], partition: int) -> int:
    offset = known.get(str(partition), 0)
    return offset if isinstance(offset, int) else 0


def _cut(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value[: _LONGEST[name]] if name in _LONGEST and isinstance(value, str) else value
        for name, value in values.items()
    }


class ResultFollower:
    """Follows the receipts and keeps the result table up with them."""

    def __init__(
        self,
        topic: str,
        partitions: int,
        reader: ReceiptReader,
        texts: ReceiptTexts,
        writer: ResultTableWriter,
        clock: EngineClock,
        folder: Path,
    ) -> None:
        """`folder` keeps the position; without it everything is written again, to the same end."""
        self._places = [(topic, partition) for partition in range(partitions)]
        self._reader = reader
        self._texts = texts
        self._writer = writer
        self._clock = clock
        self._file = folder / "results.json"
        self._positions: dict[int, int] = {}

    def run(self, stop: Callable[[], bool]) -> None:
        """Follow until `stop`; a broker or database that is away is tried again."""
        failures = 0
        while not stop():
            try:
                self.start()
                while not stop():
                    self.step()
                    failures = 0
            except UnavailableError as error:
                wait = backoff(_FIRST_WAIT_SECONDS, failures, _LONGEST_WAIT_SECONDS)
                failures += 1
                _log.warning("results wait", extra={"reason": str(error), "seconds": wait})
                self._clock.sleep(wait)

    def start(self) -> None:
        """Take up the position; what the topic no longer keeps is passed over."""
        known = read_whole(self._file)
        bounds = self._reader.bounds(self._places)
        self._positions = {
            place[1]: min(max(_offset(known, place[1]), bounds[place][0]), bounds[place][1])
            for place in self._places
        }
        self._reader.assign({place: self._positions[place[1]] for place in self._places})

    def step(self) -> int:
        """Write the next receipts, then move the position; return how many were read."""
        records = self._reader.consume(_BATCH, _POLL_SECONDS)
        if records:
            found = [self._texts.read(record.value) for record in records]
            self._writer.write(result for result in found if result is not None)
            for record in records:
                self._positions[record.partition] = record.offset + 1
            own_folder(self._file.parent)
            write_whole(self._file, json.dumps(self._positions))
        return len(records)
