"""The tables of the look-ups on a real PostgreSQL: what a batch leaves behind."""

from datetime import date, timedelta
from hashlib import sha256

import pytest

from hub.adapters.postgres import Batch, Tables
from hub.adapters.postgres_lookups import LookUps
from hub.core.entry import RecordRow, SnapshotRow
from hub.domain import kinds
from tests.conftest import PostgresPart

DAY = date(2026, 11, 20)
COURTS = "11330900MA0007014X", "11330900MA0008017B"


def statement(court: str, day: date) -> SnapshotRow:
    """An empty list of a day."""
    digest = sha256(b"").hexdigest()
    key = sha256(f"{court}{day}".encode()).digest()[:16]
    return SnapshotRow(key, court, "示例法院", "court", day, 1, 1, 0, 0, digest, 1_000, b"")


def test_full_lists_of_long_ago_do_not_pile_up(postgres: PostgresPart) -> None:
    """A month stays, for each court from its own newest list on."""
    busy, quiet = COURTS
    with Tables(postgres.dsn, "pruned.") as tables:
        tables.reset()
        tables.write(batch(statement(quiet, DAY - timedelta(days=400))))
        for back in range(60, -1, -1):
            tables.write(batch(statement(busy, DAY - timedelta(days=back))))
        with LookUps(postgres.dsn, tables.schema) as books:
            kept = books.fetch(SnapshotRow, "SELECT * FROM snapshots")
            lists = [(each.court_code, each.snapshot_on) for each in books.full_lists()]
    days = [row.snapshot_on for row in kept if row.court_code == busy]
    assert (len(days), min(days)) == (32, DAY - timedelta(days=31))
    assert lists == [(busy, DAY), (quiet, DAY - timedelta(days=400))]


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_list_that_is_sent_again_counts_over_the_one_between(
    postgres: PostgresPart, seconds: int
) -> None:
    """Right, wrong, right again, in one moment or one after the other."""
    right, wrong = (
        sent(digest=sha256(entries).hexdigest(), entries=entries)
        for entries in (bytes(16), b"\x01" * 16)
    )
    with Tables(postgres.dsn, f"again{seconds}.") as tables:
        tables.reset()
        for number, one in enumerate((right, wrong, right), 1):
            tables.write(batch(*numbered(one, number, seconds)))
        with LookUps(postgres.dsn, tables.schema) as books:
            (found,) = books.full_lists()
            assert found.keys == {right.entries}
            tables.write(batch(*numbered(wrong, 4, seconds)))
            (found,) = books.full_lists()
            assert found.keys == {wrong.entries}


def sent(digest: str, entries: bytes) -> SnapshotRow:
    """A list of one entry."""
    court, *_ = COURTS
    return statement(court, DAY)._replace(entry_count=1, entries_digest=digest, entries=entries)


def numbered(row: SnapshotRow, number: int, seconds: int) -> tuple[SnapshotRow, RecordRow]:
    """The statement as the ledger's entry of that number."""
    key, at = bytes([9 - number]) * 16, 1_000 + 1_000 * seconds * number
    record = RecordRow(
        key, 0, row.court_code, "court_enforcement", kinds.SNAPSHOT, "court", "live",
        is_conflicting=False, version=1, version_at=at, decided_on=None, live_sequence=number,
        arrived_at=at, accepted_at=at, document_number=str(number), document_key=str(number),
        subject_name="", name_key="", authority_code=row.court_code, waits_for="",
        is_never_acceptable=False,
    )  # fmt: skip
    return row._replace(record_key=key, declared_at=at), record


def batch(row: SnapshotRow, *records: RecordRow) -> Batch:
    """A batch that puts one list on record."""
    return Batch((), records, (), (), (), (), (), {}, (), (), (), {}, {row.record_key: row}, ())
