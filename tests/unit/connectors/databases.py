"""A department's table on a real server, with an agent over it and a broker in memory."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from connectors.database.comparison import DailyComparison
from connectors.database.rows import RowKeys, TableRows, read_position
from connectors.database.settings import TableFile, address_of
from connectors.database.source import DatabaseSource
from connectors.database.sql import SqlTable, make_engine
from connectors.database.submitted import SubmittedBook
from connectors.events import Event, TableCompared
from connectors.loop import Agent, LoopPorts, Route
from connectors.submission import RowSubmitter
from hub.ports import OutputRecord
from tests.unit.connectors.made import CONTRACTS, SEALER
from tests.unit.connectors.memory_broker import (
    FreeLease,
    HookKiller,
    InstantClock,
    MemoryBroker,
    MemoryTransactions,
)

STREAM: Final = "market-supervision/licences"
ROUTE: Final = Route(
    STREAM, "t.submissions.market-supervision", "t.cursors.market-supervision.licences", 4
)
KEYS: Final = RowKeys(SEALER)
RECONCILER: Final = DailyComparison(
    CONTRACTS, "market-supervision", "某市场监管局", "11330900MA0000015E", "licences"
)
FIELDS: Final[dict[str, Any]] = {
    "XK_XDR_MC": "who",
    "XK_XDR_SHXYM": "code",
    "XK_WSH": "no",
    "XK_JDRQ": "decided",
    "XK_XKWS": {"always": "食品经营许可证"},
}
MOMENT: Final = {"postgresql": "TIMESTAMP(6)", "mariadb": "DATETIME(6)"}


class Server:
    """A database server: its SQLAlchemy address, and statements by an all-powerful user."""

    def __init__(self, url: str) -> None:
        self.dialect = url.split(":", maxsplit=1)[0]
        self.url = url
        driver = {"postgresql": "postgresql+psycopg", "mariadb": "mariadb+pymysql"}[self.dialect]
        self.engine = sa.create_engine(
            sa.make_url(url).set(drivername=driver), poolclass=sa.pool.NullPool
        )

    def execute(self, statement: str, **values: object) -> None:
        """Execute one statement and commit."""
        with self.engine.begin() as session:
            session.execute(sa.text(statement), values)

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """Return what a query finds."""
        with self.engine.connect() as session:
            return [tuple(row) for row in session.execute(sa.text(statement))]

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A second session with a transaction open; commits at the end."""
        with self.engine.connect() as session, session.begin():
            yield session

    def now(self) -> datetime:
        """The server's clock, in Beijing's zone as the connector sees it."""
        engine = make_engine(self.engine.url, 10)
        with engine.connect() as session:
            found = session.execute(sa.text("SELECT LOCALTIMESTAMP(6)")).scalar_one()
        engine.dispose()
        assert isinstance(found, datetime)
        return found


class TablePlace:
    """One table of licences, its description, and the broker its rows go to."""

    def __init__(self, folder: Path, server: Server, **described: object) -> None:
        self.folder = folder
        self.server = server
        self.table = f"t_{uuid4().hex[:12]}"
        self.broker = MemoryBroker()
        self.seconds = 0.0
        self.stands_still = False
        self.opened: list[SqlTable | SubmittedBook] = []
        self.compared: list[TableCompared] = []
        moment = MOMENT[server.dialect]
        server.execute(
            f"CREATE TABLE {self.table} (id BIGINT PRIMARY KEY, who VARCHAR(200), code VARCHAR(40),"
            " no VARCHAR(100), decided DATE, amount NUMERIC(12, 2), status VARCHAR(10),"
            f" why VARCHAR(200), touched {moment} NULL)"
        )
        self.described = self.describe(**described)

    def describe(self, **changed: object) -> TableFile:
        """Return a description of the table, with other keys where they are given."""
        url = sa.make_url(self.server.url)
        self._password = self.folder / "password"
        self._password.write_text(str(url.password), encoding="utf-8")
        plain = self.server.url.replace(f":{url.password}@", "@")
        return TableFile.model_validate(
            {
                "url": plain,
                "password_file": str(self._password),
                "table": self.table,
                "key": "id",
                "stamp": {"column": "touched", "overlap_seconds": 60},
                "rows": {"kind": "licence.granted.v1", "fields": FIELDS},
                "withdrawn": {"column": "status", "values": ["revoked"], "reason": "why"},
                "corrected": {"reason": "why"},
                "page_rows": 3,
                **changed,
            }
        )

    def put(self, number: int, touched: datetime | None, **values: object) -> None:
        """Insert a row, or change the one that is there."""
        row = {"who": "舟山青禾食品有限公司", "code": "91330900MA00000156", "no": f"许{number}号",
               "decided": "2026-01-30", "amount": None, "status": None, "why": None,
               **values}  # fmt: skip
        self.server.execute(f"DELETE FROM {self.table} WHERE id = :id", id=number)
        with self.server.transaction() as session:
            self.put_in(session, number, touched, row)

    def put_in(
        self, session: Connection, number: int, touched: datetime | None, row: Mapping[str, object]
    ) -> None:
        """Insert a row within an open transaction."""
        values = {"id": number, "touched": touched, **row}
        session.execute(
            sa.text(
                f"INSERT INTO {self.table} ({', '.join(values)})"
                f" VALUES ({', '.join(f':{name}' for name in values)})"
            ),
            values,
        )

    def source(self, *, accept_reset: bool = False) -> DatabaseSource:
        """Return a new process' source; every poll is due at once."""
        address = address_of(self.folder / "x.yaml", self.described.url, self._password)
        table = SqlTable(make_engine(address, 10), self.described)
        submitter = RowSubmitter("market-supervision", STREAM, CONTRACTS, SEALER)
        book = SubmittedBook(
            self.folder / "state" / "submitted.sqlite", STREAM, ROUTE.submissions_topic, 4,
            self.broker,
        )  # fmt: skip
        self.opened += [table, book]
        return DatabaseSource(
            self.described, table, TableRows(self.described, submitter, SEALER), book,
            self._later, reconciler=RECONCILER, accept_reset=accept_reset,
        )  # fmt: skip

    def close(self) -> None:
        """Close what processes left open."""
        for each in self.opened:
            each.close()

    def _later(self) -> float:
        """Every poll is due at once, but for the one after a pass: then is time to compare."""
        self.seconds += 0.0 if self.stands_still else 3600.0
        return self.seconds

    def agent(
        self, faults: HookKiller | None = None, *, torn: str = "", accept_reset: bool = False
    ) -> tuple[Agent, MemoryTransactions]:
        """Make a new process."""
        (self.folder / "state").mkdir(exist_ok=True)
        transactions = MemoryTransactions(self.broker, torn)
        clock = InstantClock()
        ports = LoopPorts(
            transactions, self.broker, FreeLease(), clock, clock, faults or HookKiller()
        )
        source = self.source(accept_reset=accept_reset)
        return Agent(ROUTE, source, ports, self.folder / "state", self._note), transactions

    def _note(self, event: Event) -> None:
        if isinstance(event, TableCompared):
            self.compared.append(event)

    def drain(self, agent: Agent | None = None) -> None:
        """Start and work until three polls find nothing."""
        agent = agent or self.agent()[0]
        agent.start()
        idle = 0
        for _ in range(500):
            idle = 0 if agent.step() else idle + 1
            if idle == 3:
                return
        raise AssertionError("the source finds no end")

    @property
    def submissions(self) -> list[OutputRecord]:
        """What was committed to the department's topic."""
        return self.broker.committed.get(ROUTE.submissions_topic, [])

    @property
    def submitted_keys(self) -> list[int]:
        """The keys of the rows submitted, in order of their numbers."""
        return [key_of(record) for record in sorted(self.submissions, key=number_of)]

    def cursors(self) -> dict[str, bytes]:
        """What the cursor topic holds once it is compacted."""
        kept: dict[str, bytes] = {}
        for record in self.broker.committed.get(ROUTE.cursors_topic, []):
            if record.value:
                kept[record.key.decode()] = record.value
            else:
                kept.pop(record.key.decode(), None)
        return kept


def header(record: OutputRecord, name: str) -> str:
    """Return one header as text."""
    return dict(record.headers)[name].decode()


def number_of(record: OutputRecord) -> int:
    """Return the submission's number."""
    return int(header(record, "ce_id"))


def key_of(record: OutputRecord) -> int:
    """Return the key of the row a submission is of: the position holds it sealed."""
    position = read_position(header(record, "hub_position"))
    assert position is not None
    return int(KEYS.opened(position[0])[0])


def numbers(records: Iterable[OutputRecord]) -> list[int]:
    """Return the stream's numbers, in order."""
    return sorted(map(number_of, records))


def minutes(count: float) -> timedelta:
    """Return that many minutes."""
    return timedelta(minutes=count)
