"""How a run ended, without times and sequences: what must be equal with and without kills."""

import csv
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql

from hub.adapters.postgres import schema_of
from tests.faults.eyes import Eyes, Submission, ends_of, standing_of
from tests.faults.whole_hub import WholeHub
from tests.platforms import platform_book


class Ending(NamedTuple):
    """What is left when everything has come to its end."""

    outcomes: dict[Submission, str]
    """Each submission's outcome; what was held counts as what it became."""
    standings: dict[str, tuple[object, ...]]
    """Record → status, version, content, stages and clocks as the ledger has them."""
    clock_events: dict[tuple[str, int, str, str], int]
    """Record, target, clock, event (overdue, expired) → how often written."""
    books: dict[str, dict[str, tuple[object, ...]]]
    """Platform → record → version, stage, digest."""
    result_files: dict[str, list[tuple[str, ...]]]
    """File → row, outcome and reasons as the clerk reads them."""
    look_ups: list[tuple[object, ...]]
    """Records as the look-up tables have them."""


def ending_of(hub: WholeHub, dsn: str) -> Ending:
    """Collect how things stand. The hub must be settled, and closed."""
    eyes = hub.eyes
    targets = [target.id for target in hub.loaded.site.targets]
    return Ending(
        dict(ends_of(eyes.ledger)),
        {key.hex(): standing_of(state) for key, state in eyes.states.items()},
        _clock_events(eyes),
        {target: _book(hub.book(target)) for target in targets},
        _result_files(hub.folder / "results"),
        _look_ups(dsn, hub.loaded.site.prefix),
    )


def _clock_events(eyes: Eyes) -> dict[tuple[str, int, str, str], int]:
    return Counter(
        (record.record_key.hex(), event.target, event.clock, event.event)
        for _, record in eyes.ledger
        for event in record.events
        if event.event in ("overdue", "expired")
    )


def _book(path: Path) -> dict[str, tuple[object, ...]]:
    return {
        record: (entry["version"], entry["stage"], entry["digest"])
        for record, entry in platform_book.dump(path).items()
    }


def _result_files(results: Path) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for path in sorted(results.rglob("*.result.csv")):
        with path.open(encoding="utf-8-sig", newline="") as file:
            found[str(path.relative_to(results))] = [
                (row["行号"], row["处理结果"], row["原因代码"]) for row in csv.DictReader(file)
            ]
    return found


def _look_ups(dsn: str, prefix: str) -> list[tuple[object, ...]]:
    records = sql.Identifier(schema_of(prefix), "records")
    columns = (
        "encode(record_key, 'hex'), status, version, is_conflicting, ledger_key, document_number,"
        " subject_name, department, kind"
    )
    query = sql.SQL("SELECT {} FROM {} ORDER BY 1").format(sql.SQL(columns), records)
    with psycopg.connect(dsn) as session:
        return session.execute(query).fetchall()
