"""Wiring of the database connector: the ports of one table's agent."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.engine import URL

from connectors.database.comparison import DailyComparison
from connectors.database.results import ReceiptTexts, ResultFollower, ResultTableWriter
from connectors.database.rows import RowKeys, TableRows
from connectors.database.settings import TableFile, address_of, read_table_file
from connectors.database.source import DatabaseSource
from connectors.database.sql import SqlTable, make_engine
from connectors.database.submitted import SubmittedBook
from connectors.events import Report
from connectors.layout import field_names
from connectors.loop import CursorReader, Source
from connectors.run import TableConnection, route_of, stream_of
from connectors.submission import RowSubmitter
from hub.adapters.clocks import SystemEngineClock
from hub.adapters.kafka.client import KafkaInputs
from hub.adapters.sealing import Sealer, read_key
from hub.config.site import LoadedSite
from hub.contracts import Contracts
from hub.errors import ConfigurationError
from hub.runtime.post import WorkerContext


class TableParts(NamedTuple):
    """The description of a table, the table, and what makes submissions of its rows."""

    described: TableFile
    table: SqlTable
    rows: TableRows
    sealer: Sealer
    reconciler: DailyComparison | None
    results: ResultTableWriter | None


def table_parts(
    loaded: LoadedSite, connection: TableConnection, contracts: Contracts
) -> TableParts:
    """Read the source's file, its password and the site's key; nothing is connected yet.

    Raises `ConfigurationError` naming file and line.
    """
    path = loaded.path(connection.source.file)
    described = read_table_file(path, field_names(contracts))
    sealer = Sealer(read_key(loaded.path(loaded.site.sealing_key_file)))
    submitter = RowSubmitter(connection.department.id, stream_of(connection), contracts, sealer)
    address = address_of(path, described.url, described.password_file)
    table = SqlTable(make_engine(address, described.timeout_seconds), described)
    return TableParts(
        described,
        table,
        TableRows(described, submitter, sealer),
        sealer,
        _reconciler(path, described, connection, contracts),
        _results(path, described, address, connection.source.name),
    )


def _reconciler(
    path: Path, described: TableFile, connection: TableConnection, contracts: Contracts
) -> DailyComparison | None:
    if not described.compare_at:
        return None
    department = connection.department
    if not department.authorities:
        raise ConfigurationError(
            "对账陈述以部门的机关代码为键，而该部门没有 authorities",
            "a comparison is stated under the department's authority code, and it has none",
            remedy_zh="在 site.yaml 中为该部门写 authorities，第一个为部门自身；或删去 compare_at",
            remedy_en="give the department its authorities, its own first; or drop compare_at",
            file=str(path),
        )
    return DailyComparison(
        contracts, department.id, department.name_zh, department.authorities[0],
        connection.source.name,
    )  # fmt: skip


def _results(
    path: Path, described: TableFile, address: URL, source: str
) -> ResultTableWriter | None:
    result = described.result
    if result is None:
        return None
    if result.url:
        address = address_of(path, result.url, result.password_file)
    engine = make_engine(address, described.timeout_seconds, read_only=False)
    return ResultTableWriter(engine, result.table, source)


def run_results(
    post: WorkerContext, connection: TableConnection, parts: TableParts, report: Report
) -> None:
    """Write the hub's answers into the department's result table, until stopped.

    Raises `SourceError` when the table is not there or may not be written.
    """
    if parts.results is None:
        return
    site = post.loaded.site
    name = f"{site.prefix}connector.{connection.name}"
    with (
        closing(KafkaInputs(post.access, name, report=report)) as inputs,
        closing(parts.results),
    ):
        ResultFollower(
            site.topic(f"receipts.{connection.department.id}"),
            site.partitions,
            inputs,
            ReceiptTexts(stream_of(connection), RowKeys(parts.sealer)),
            parts.results,
            SystemEngineClock(),
            post.folder,
        ).run(post.should_stop)


def table_source(
    loaded: LoadedSite,
    connection: TableConnection,
    parts: TableParts,
    folder: Path,
    *,
    accept_reset: bool = False,
) -> Callable[[CursorReader], Source]:
    """Return what makes the source, once there is a reader of topics; `folder` is its own."""
    route = route_of(loaded, connection)

    def make(reader: CursorReader) -> Source:
        book = SubmittedBook(
            folder / "submitted.sqlite", route.stream, route.submissions_topic, route.partitions,
            reader,
        )  # fmt: skip
        return DatabaseSource(
            parts.described, parts.table, parts.rows, book,
            reconciler=parts.reconciler, accept_reset=accept_reset,
        )  # fmt: skip

    return make
