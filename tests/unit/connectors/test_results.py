"""Results written back: one row per submission, repetitions and old news change nothing."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from connectors.database.results import ReceiptTexts, ResultFollower, ResultTableWriter
from connectors.database.rows import read_position
from connectors.database.sql import make_engine
from hub.errors import SourceError, UnavailableError
from hub.ports import InputRecord
from tests.unit.connectors.databases import KEYS, STREAM, Server
from tests.unit.connectors.memory_broker import InstantClock

DDL = """CREATE TABLE {} (
  source VARCHAR(64) NOT NULL, row_key VARCHAR(255) NOT NULL, submission BIGINT NOT NULL,
  outcome VARCHAR(16), reason_codes VARCHAR(1000), message VARCHAR(4000), remedy VARCHAR(4000),
  due_on DATE, stages VARCHAR(2000), record VARCHAR(64), version INT,
  ledger_partition INT, ledger_sequence BIGINT, PRIMARY KEY (source, row_key, submission))"""


def receipt(
    sequence: int, *, key: str = "7", number: str = "1", outcome: str = "accepted",
    stream: str = STREAM, reasons: tuple[str, ...] = (), stage: str = "named",
) -> bytes:  # fmt: skip
    """Return a receipt as the follower writes it."""
    mark = KEYS.mark((key,), ("x",))
    return json.dumps(
        {
            "ledger": {"partition": 0, "sequence": sequence},
            "stream": stream,
            "sequence": number,
            "position": mark.position,
            "outcome": outcome,
            "record": "ab" * 16,
            "version": 1,
            "reasons": [
                {"code": code, "field": "", "zh": f"说明{code}", "remedy": f"办法{code}"}
                for code in reasons
            ],
            "due": [{"target": "city", "due_at": 1_795_363_200_000, "running": True}],
            "stages": [{"target": "city", "stage": stage}],
        }
    ).encode()


class Receipts:
    """A topic of receipts in memory."""

    def __init__(self) -> None:
        self.values: list[bytes] = []
        self._at = 0

    def bounds(self, partitions: object) -> dict[tuple[str, int], tuple[int, int]]:
        """Log start and end."""
        del partitions
        return {("receipts", 0): (0, len(self.values))}

    def assign(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Read from here."""
        self._at = positions["receipts", 0]

    def consume(self, limit: int, timeout_seconds: float) -> list[InputRecord]:
        """Read on."""
        del timeout_seconds
        found = self.values[self._at : self._at + limit]
        records = [
            InputRecord("receipts", 0, self._at + n, b"", (), value)
            for n, value in enumerate(found)
        ]
        self._at += len(found)
        return records


class ResultWriter:
    """A result table, and what writes it."""

    def __init__(self, folder: Path, server: Server, *, has_table: bool = True) -> None:
        self.server = server
        self.table = f"r_{uuid4().hex[:12]}"
        if has_table:
            server.execute(DDL.format(self.table))
        self.receipts = Receipts()
        engine = make_engine(server.engine.url, 10, read_only=False)
        self.writer = ResultTableWriter(engine, self.table, "licences")
        self.follower = ResultFollower(
            "receipts",
            1,
            self.receipts,
            ReceiptTexts(STREAM, KEYS),
            self.writer,
            InstantClock(),
            folder,
        )

    def follow(self, *values: bytes) -> list[tuple[object, ...]]:
        """Let these receipts come, follow to the end, return the table."""
        self.receipts.values += values
        self.follower.start()
        while self.follower.step():
            pass
        return self.rows()

    def rows(self) -> list[tuple[object, ...]]:
        """Return the table in order."""
        return self.server.rows(
            f"SELECT row_key, submission, outcome, reason_codes, message, remedy, stages, due_on"
            f" FROM {self.table} ORDER BY submission"
        )

    def close(self) -> None:
        """Close the connections."""
        self.writer.close()


@pytest.fixture
def desk(tmp_path: Path, server: Server) -> Iterator[ResultWriter]:
    """Return an empty result table."""
    with closing(ResultWriter(tmp_path, server)) as made:
        yield made


def test_each_submission_has_a_row_with_what_a_clerk_needs(desk: ResultWriter) -> None:
    """Key in the clear, outcome, codes, message and remedy, last day, stages."""
    (row,) = desk.follow(receipt(1, outcome="quarantined", reasons=("A", "B")))
    assert row[:7] == ("7", 1, "quarantined", "A；B", "说明A；说明B", "办法A；办法B", "city named")
    assert str(row[7]) == "2026-11-22"


def test_written_again_from_the_start_nothing_changes(desk: ResultWriter, tmp_path: Path) -> None:
    """A lost position repeats every receipt; an older one never replaces a younger."""
    first = desk.follow(
        receipt(1, outcome="held"), receipt(2, number="2"), receipt(3, stream="", stage="published")
    )
    (tmp_path / "results.json").unlink()
    assert desk.follow() == first
    for damaged in ("", "[1]", '{"0": "x"}', "\ud800"):
        (tmp_path / "results.json").write_text(damaged, "utf-8", "surrogatepass")
        assert desk.follow() == first
    assert {row[6] for row in first} == {"city published"}


def test_a_repeated_submission_does_not_replace_its_first_answer(desk: ResultWriter) -> None:
    """A duplicate of a number is the connector's repetition, not the department's row."""
    rows = desk.follow(
        receipt(1), receipt(2, outcome="duplicate", reasons=("REPEATED_SUBMISSION",))
    )
    assert [row[2] for row in rows] == ["accepted"]


def test_what_waited_is_answered_on_its_own_row_with_what_became_of_it(desk: ResultWriter) -> None:
    """The second receipt names the submission again; before it the row says until when it waits."""
    waits = json.loads(receipt(1, outcome="held", reasons=("WAITING_FOR_RECORD",)))
    waits |= {"due": [], "waits_until": 1_795_363_200_000}
    (row,) = desk.follow(json.dumps(waits).encode())
    assert (row[2], str(row[7])) == ("held", "2026-11-22")
    settled = json.loads(receipt(5, outcome="held_released"))
    settled |= {"became": "withdrawn", "first_receipt": "x", "due": []}
    (row,) = desk.follow(json.dumps(settled).encode())
    assert (row[1], row[2], row[3], row[7]) == (1, "withdrawn", "", None)


def test_other_sources_receipts_are_left_alone(desk: ResultWriter) -> None:
    """The topic is the department's, the table one source's."""
    assert desk.follow(receipt(1, stream="market-supervision/files")) == []


def test_a_position_nobody_here_has_sealed_ends_nothing() -> None:
    """The department's own programs submit, too, and may write what they like into a header."""
    texts = ReceiptTexts(STREAM, KEYS)
    told = json.loads(receipt(1))
    for odd in ("key:AAAA:" + "0" * 32, "key:AAAA:x", "key:" + "A" * 60 + ":" + "f" * 32):
        assert texts.read(json.dumps(told | {"position": odd}).encode()) is None
    assert read_position("key:AAAA:not hex") is None


def test_a_reminder_among_the_receipts_ends_nothing() -> None:
    """A reminder has no row, outcome or reasons: it is passed over, the next answer is read."""
    texts = ReceiptTexts(STREAM, KEYS)
    reminder = {"ledger": {"partition": 0, "sequence": 4}, "reminder": {"level": 1}}
    assert texts.read(json.dumps(reminder).encode()) is None
    assert texts.read(receipt(5)) is not None


def test_a_missing_table_is_a_persons_matter(tmp_path: Path, server: Server) -> None:
    """The message says what to do; the check finds it before anything runs."""
    with closing(ResultWriter(tmp_path, server, has_table=False)) as desk:
        with pytest.raises(SourceError, match="处理办法"):
            desk.writer.check()
        with pytest.raises(SourceError):
            desk.follow(receipt(1))


def test_a_column_that_is_too_narrow_is_a_persons_matter(desk: ResultWriter) -> None:
    """Not "the database is away", tried for ever while nobody looks; the value is not told."""
    with pytest.raises(SourceError, match="DDL") as refused:
        desk.follow(receipt(1, key="k" * 300))
    assert "kkk" not in str(refused.value)
    assert desk.rows() == []


def test_the_check_writes_nothing(desk: ResultWriter) -> None:
    """It only sees that it could."""
    desk.writer.check()
    assert desk.rows() == []


def test_a_database_that_is_down_is_waited_for(
    desk: ResultWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The position stays; when the database is back every receipt is written."""
    failures = iter([True, True])
    real = desk.writer.write

    def write(results: object) -> None:
        if next(failures, False):
            raise UnavailableError("down")
        real(results)  # type: ignore[arg-type]

    monkeypatch.setattr(desk.writer, "write", write)
    desk.receipts.values.append(receipt(1))
    turns = iter([False] * 8)
    desk.follower.run(lambda: next(turns, True))
    assert len(desk.rows()) == 1
