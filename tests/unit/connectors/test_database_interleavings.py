"""Any interleaving of writes, commits, polls and kills: each final version once, none twice."""

from contextlib import suppress
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.database.rows import TableRows
from connectors.database.settings import TableFile
from connectors.database.source import DatabaseSource
from connectors.database.sql import After, Order, RawRow, TableState
from connectors.database.submitted import SubmittedBook
from connectors.loop import Agent, LoopPorts
from connectors.submission import RowSubmitter
from tests.unit.connectors.databases import FIELDS, ROUTE, STREAM, key_of, number_of
from tests.unit.connectors.made import CONTRACTS, SEALER
from tests.unit.connectors.memory_broker import (
    FreeLease,
    HookKiller,
    InstantClock,
    KilledError,
    MemoryBroker,
    MemoryTransactions,
)

OVERLAP: Final = 60
DESCRIBED: Final = TableFile.model_validate(
    {
        "url": "postgresql://nobody@nowhere/none",
        "table": "t",
        "key": "id",
        "stamp": {"column": "touched", "overlap_seconds": OVERLAP},
        "rows": {"kind": "licence.granted.v1", "fields": FIELDS},
        "page_rows": 2,
    }
)


class MemoryTable:
    """A table whose transactions become visible when they commit, stamped when they wrote."""

    def __init__(self) -> None:
        self.clock = datetime(2026, 11, 25, 8, 0)  # noqa: DTZ001 - a server's own zone
        self.rows: dict[int, tuple[datetime | None, str]] = {}
        self.open: dict[int, dict[int, tuple[datetime | None, str]]] = {}
        self.began: dict[int, datetime] = {}

    def write(self, transaction: int, row: int, text: str, *, is_stamped: bool) -> None:
        """Write within a transaction; its first write begins it."""
        self.began.setdefault(transaction, self.clock)
        stamp = self.clock if is_stamped else None
        self.open.setdefault(transaction, {})[row] = (stamp, text)

    def commit(self, transaction: int) -> None:
        """Make what it wrote visible."""
        self.rows |= self.open.pop(transaction, {})
        self.began.pop(transaction, None)

    def pass_time(self, seconds: int) -> None:
        """Let time pass; nobody keeps a transaction open for as long as the overlap."""
        self.clock += timedelta(seconds=seconds)
        for transaction, began in list(self.began.items()):
            if self.clock - began >= timedelta(seconds=OVERLAP):
                self.commit(transaction)

    def column_kinds(self) -> dict[str, str]:
        """Return the columns."""
        return {name: "moment" if name == "touched" else "text" for name in DESCRIBED.columns}

    def standing(self, *, is_zoned: bool) -> TableState:
        """Clock and highest stamp."""
        del is_zoned
        stamps = [stamp for stamp, _ in self.rows.values() if stamp is not None]
        return TableState(self.clock, max(stamps, default=None))

    def page(self, low: Order | None, after: After | None) -> list[RawRow]:
        """Rows by stamp and key."""
        found = sorted(
            (stamp, row)
            for row, (stamp, _) in self.rows.items()
            if stamp is not None and (low is None or (isinstance(low, datetime) and stamp >= low))
        )
        if after is not None:
            found = [each for each in found if each > (after.order, after.key[0])]
        return [self._raw(row) for _, row in found[:2]]

    def page_without_stamp(self, after: After | None) -> list[RawRow]:
        """Rows without a stamp, by key."""
        found = sorted(row for row, (stamp, _) in self.rows.items() if stamp is None)
        return [self._raw(r) for r in found if after is None or r > after.key[0]][:2]

    def page_by_key(self, after: After | None) -> list[RawRow]:
        """All rows, by key."""
        return [self._raw(r) for r in sorted(self.rows) if after is None or r > after.key[0]][:2]

    def _raw(self, row: int) -> RawRow:
        stamp, text = self.rows[row]
        values = {"who": text, "no": f"许{row}号", "code": "91330900MA00000156"}
        return RawRow((row,), stamp, tuple(values.get(name, "") for name in DESCRIBED.cells))


class TableWorld:
    """The table, the broker, and one process after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.table = MemoryTable()
        self.broker = MemoryBroker()
        self.seconds = 0.0
        self.opened: list[SubmittedBook] = []
        self.agent: Agent | None = None

    def _later(self) -> float:
        self.seconds += 3600
        return self.seconds

    def start(self, faults: HookKiller) -> Agent:
        """Start a process."""
        book = SubmittedBook(
            self.folder / "book.sqlite", STREAM, ROUTE.submissions_topic, 4, self.broker
        )
        self.opened.append(book)
        submitter = RowSubmitter("market-supervision", STREAM, CONTRACTS, SEALER)
        rows = TableRows(DESCRIBED, submitter, SEALER)
        source = DatabaseSource(DESCRIBED, self.table, rows, book, self._later)
        clock = InstantClock()
        ports = LoopPorts(
            MemoryTransactions(self.broker), self.broker, FreeLease(), clock, clock, faults
        )
        agent = Agent(ROUTE, source, ports, self.folder)
        agent.start()
        return agent

    def poll(self, steps: int, hook: str = "", nth: int = 1) -> None:
        """Let the process of the moment take some steps, or a new one until it is killed."""
        if hook:
            self.agent = None
            with suppress(KilledError):
                agent = self.start(HookKiller(hook, nth))
                for _ in range(steps):
                    agent.step()
            return
        self.agent = self.agent or self.start(HookKiller())
        for _ in range(steps):
            self.agent.step()

    def said(self) -> dict[int, list[str]]:
        """Return what was submitted of each row, in order: the content's digest."""
        found: dict[int, list[str]] = {}
        for record in sorted(self.broker.committed.get(ROUTE.submissions_topic, []), key=number_of):
            position = dict(record.headers)["hub_position"].decode()
            found.setdefault(key_of(record), []).append(position.rsplit(":", 1)[1])
        return found


TRANSACTIONS = st.integers(0, 2)
DEEDS = st.one_of(
    st.tuples(st.just("write"), TRANSACTIONS, st.integers(1, 5), st.integers(0, 3), st.booleans()),
    st.tuples(st.just("commit"), TRANSACTIONS),
    st.tuples(st.just("time"), st.integers(1, 40)),
    st.tuples(st.just("poll"), st.integers(1, 4)),
    st.tuples(st.just("overtake"), st.integers(1, 5), st.integers(0, 3), st.integers(1, 50)),
    st.tuples(
        st.just("kill"),
        st.sampled_from(["after_consume", "before_flush", "before_commit", "after_commit"]),
        st.integers(1, 4),
    ),
)


@settings(deadline=None)
@given(st.lists(DEEDS, max_size=25))
def test_every_final_version_is_submitted_and_no_unchanged_row_twice(
    tmp_path_factory: pytest.TempPathFactory, deeds: list[tuple[object, ...]]
) -> None:
    """Late commits, rows without a stamp, kills at any step: the last word of a row is its own."""
    world = TableWorld(tmp_path_factory.mktemp("world"))
    for deed in deeds:
        match deed:
            case ("write", int(transaction), int(row), int(text), bool(is_stamped)):
                world.table.write(transaction, row, f"第{text}版", is_stamped=is_stamped)
            case ("overtake", int(row), int(text), int(seconds)):
                world.table.write(0, row, f"第{text}版", is_stamped=True)
                world.table.pass_time(seconds)
                world.table.write(1, row + 5, f"第{text}版", is_stamped=True)
                world.table.commit(1)
                world.poll(6)
            case ("commit", int(transaction)):
                world.table.commit(transaction)
            case ("time", int(seconds)):
                world.table.pass_time(seconds)
            case ("poll", int(steps)):
                world.poll(steps)
            case ("kill", str(hook), int(nth)):
                world.poll(6, hook, nth)
    world.table.pass_time(OVERLAP)
    world.agent = None
    world.poll(60)
    said = world.said()
    rows = TableRows(
        DESCRIBED, RowSubmitter("market-supervision", STREAM, CONTRACTS, SEALER), SEALER
    )
    for book in world.opened:
        book.close()
    for row in world.table.rows:
        assert said[row][-1] == rows.read(world.table._raw(row)).mark.content
    for contents in said.values():
        assert all(one != other for one, other in pairwise(contents))
