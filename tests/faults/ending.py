"""How a run ended, without times and sequences: what must be equal with and without kills."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import sql

from hub.adapters.postgres.tables import schema_of
from hub.core.record import Outcome
from hub.domain import kinds
from tests.driver.rows import AGENTS, CONTRACTS
from tests.faults.eyes import Eyes, Submission, ends_of, standing_of
from tests.faults.whole_hub import WholeHub

_NAMED_BY_THE_RUN = (f"{AGENTS}/court/", f"{AGENTS}/twins/")
"""Streams of facts named after a moment or a ledger sequence: compared by what they say."""
_REMINDED = ("级别", "提醒类别", "涉及记录数", "最早到期日", "来源文件", "行号", "记录键")


class FinalState(NamedTuple):
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
    reminder_files: dict[str, list[tuple[str, ...]]]
    """File → which rows a department is reminded of, and of what."""
    result_table: list[tuple[object, ...]]
    """The answers in a department's own database."""
    findings: list[tuple[tuple[str, str], ...]]
    """What the hub's own workers state, by content."""
    look_ups: list[tuple[object, ...]]
    """Records as the look-up tables have them."""


def ending_of(hub: WholeHub, dsn: str) -> FinalState:
    """Collect how things stand. The hub must be settled, and closed."""
    eyes = hub.eyes
    targets = [target.id for target in hub.loaded.site.targets]
    return FinalState(
        {one: end for one, end in ends_of(eyes.ledger) if not one[0].startswith(_NAMED_BY_THE_RUN)},
        {
            key.hex(): standing_of(state)
            for key, state in eyes.states.items()
            if state.kind != kinds.EXIT_MISSING
        },
        _clock_events(eyes),
        {target: _book(hub.book(target)) for target in targets},
        _files(hub.folder / "results", "*.result.csv", ("行号", "处理结果", "原因代码")),
        _files(hub.folder / "results", "reminders/*.csv", _REMINDED),
        hub.table.answers(),
        _findings(eyes),
        _look_ups(dsn, hub.loaded.site.prefix),
    )


def _findings(eyes: Eyes) -> list[tuple[tuple[str, str], ...]]:
    """Every fact, in order; without the id of those whose id follows from a time.

    Of two records of one decision either may have been accepted first, in another partition.
    """
    found = []
    by_time = {kinds.EXIT_MISSING: {"document_number"}, kinds.DUTY_LIFTED: {"answered_by"}}
    for _, record in eyes.ledger:
        if record.department == AGENTS and record.outcome is Outcome.ACCEPTED:
            decoded = CONTRACTS.by_kind[record.kind].decode(record.cause.value)
            left_out = by_time.get(record.kind, set())
            told = {name: str(value) for name, value in decoded.items() if name not in left_out}
            found.append((("kind", record.kind), *sorted(told.items())))
    return sorted(found)


def _clock_events(eyes: Eyes) -> dict[tuple[str, int, str, str], int]:
    return Counter(
        (record.record_key.hex(), event.target, event.clock, event.event)
        for _, record in eyes.ledger
        for event in record.events
        if event.event in ("overdue", "expired")
    )


def _book(shown: dict[str, dict[str, object]]) -> dict[str, tuple[object, ...]]:
    return {
        record: (entry["version"], entry["stage"], entry["digest"])
        for record, entry in shown.items()
    }


def _files(results: Path, pattern: str, columns: Sequence[str]) -> dict[str, list[tuple[str, ...]]]:
    found: dict[str, list[tuple[str, ...]]] = {}
    for path in sorted(results.rglob(pattern)):
        with path.open(encoding="utf-8-sig", newline="") as file:
            found[str(path.relative_to(results))] = [
                tuple(row[column] for column in columns) for row in csv.DictReader(file)
            ]
    return found


def _look_ups(dsn: str, prefix: str) -> list[tuple[object, ...]]:
    records = sql.Identifier(schema_of(prefix), "records")
    columns = (
        "encode(record_key, 'hex'), status, version, is_conflicting, ledger_key, document_number,"
        " subject_name, department, kind"
    )
    query = sql.SQL("SELECT {} FROM {} WHERE kind <> %s ORDER BY 1")
    with psycopg.connect(dsn) as session:
        found = session.execute(query.format(sql.SQL(columns), records), (kinds.EXIT_MISSING,))
        return found.fetchall()
