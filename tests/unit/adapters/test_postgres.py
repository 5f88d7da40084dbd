"""The tables of the look-ups on a real PostgreSQL: what a batch leaves behind."""

from datetime import date, timedelta
from hashlib import sha256

from hub.adapters.postgres import Batch, Tables
from hub.adapters.postgres_lookups import LookUps
from hub.core.entry import SnapshotRow
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


def batch(row: SnapshotRow) -> Batch:
    """A batch that puts one list on record."""
    return Batch((), (), (), (), (), (), {}, (), (), {}, {row.record_key: row}, ())
