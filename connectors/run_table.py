"""Wiring of the database connector: what one table's agent stands on."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from connectors.agent import CursorReader, Source
from connectors.database import DatabaseSource
from connectors.layout import field_names
from connectors.run import TableConnection, route_of, stream_of
from connectors.sql import SqlTable, make_engine
from connectors.submission import RowSubmitter
from connectors.submitted import SubmittedBook
from connectors.table_file import TableFile, address_of, read_table_file
from connectors.table_rows import TableRows
from hub.adapters.sealing import Sealer, read_key
from hub.contracts import Contracts
from hub.site import LoadedSite


class TableParts(NamedTuple):
    """The description of a table, the table, and what makes submissions of its rows."""

    described: TableFile
    table: SqlTable
    rows: TableRows
    sealer: Sealer


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
    return TableParts(described, table, TableRows(described, submitter, sealer), sealer)


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
            parts.described, parts.table, parts.rows, book, accept_reset=accept_reset
        )

    return make
