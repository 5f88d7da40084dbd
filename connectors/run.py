"""Wiring of the connectors: one agent per folder of files, one per table of a site."""

from collections.abc import Callable
from typing import NamedTuple

from connectors.events import Report
from connectors.loop import Agent, CursorReader, LoopPorts, Route, Source
from hub.adapters.clocks import SystemEngineClock, business_clock_of
from hub.adapters.faults import EnvironmentFaults
from hub.adapters.kafka.client import KafkaInputs, KafkaTransactions
from hub.adapters.lease import FolderLease
from hub.config.site import DatabaseSourceSettings as TableSettings
from hub.config.site import Department, LoadedSite
from hub.config.site import FileSourceSettings as SourceSettings
from hub.errors import ConfigurationError
from hub.runtime.post import WorkerContext


class Connection(NamedTuple):
    """One source of one department; its name is `<department>.<source>`."""

    department: Department
    source: SourceSettings

    @property
    def name(self) -> str:
        """As in the topic `cursors.<connector>` and the transactional id."""
        return f"{self.department.id}.{self.source.name}"


class TableConnection(NamedTuple):
    """One table of one department; named as a `Connection`."""

    department: Department
    source: TableSettings

    @property
    def name(self) -> str:
        """As in the topic `cursors.<connector>` and the transactional id."""
        return f"{self.department.id}.{self.source.name}"


def file_connections(
    loaded: LoadedSite, department: str = "", source: str = ""
) -> tuple[Connection, ...]:
    """Return the site's folders of files, all or those asked for."""
    return tuple(
        Connection(each, files)
        for each in loaded.site.departments
        if department in {"", each.id}
        for files in each.files
        if source in {"", files.name}
    )


def connections_of(
    loaded: LoadedSite, department: str = "", source: str = ""
) -> tuple[Connection | TableConnection, ...]:
    """Return the site's sources that are read, all or those asked for: none of the retired.

    Raises `ConfigurationError` when there is none.
    """
    tables = tuple(
        TableConnection(each, table)
        for each in loaded.site.departments
        if department in {"", each.id} and not each.retired
        for table in each.databases
        if source in {"", table.name}
    )
    files = file_connections(loaded, department, source)
    found: tuple[Connection | TableConnection, ...] = (
        *(each for each in files if not each.department.retired),
        *tables,
    )
    for each in loaded.site.departments:
        if each.retired and each.id == department:
            raise ConfigurationError(
                f"部门 {department} 已撤并，由 {each.successor} 承接，不再读取其来源",
                f"department {department} is retired, {each.successor} succeeds it: its sources "
                "are not read any more",
                remedy_zh=f"停用该接入进程；新的行由 {each.successor} 报送",
                remedy_en=f"take this connector out of service; {each.successor} submits new rows",
                file=str(loaded.folder / "site.yaml"),
            )
    if not found:
        raise ConfigurationError(
            "站点中没有这样的来源",
            f"the site has no source {department or '*'}.{source or '*'}",
            remedy_zh="核对 site.yaml 中 departments 的 id 与 files、databases 的 name",
            remedy_en="compare with departments, files and databases in site.yaml",
            file=str(loaded.folder / "site.yaml"),
        )
    return found


def stream_of(connection: Connection | TableConnection) -> str:
    """Return the stream's name: `<department>/<source>`."""
    return f"{connection.department.id}/{connection.source.name}"


def route_of(loaded: LoadedSite, connection: Connection | TableConnection) -> Route:
    """Return stream, topics and partition count of a connector."""
    site = loaded.site
    return Route(
        stream_of(connection),
        site.topic(f"submissions.{connection.department.id}"),
        site.topic(f"cursors.{connection.name}"),
        site.partitions,
    )


def run_connector(
    post: WorkerContext,
    connection: Connection | TableConnection,
    make_source: Callable[[CursorReader], Source],
    report: Report,
    poll_seconds: float = 1.0,
) -> None:
    """Submit all the source holds and goes on to hold, until stopped.

    Raises `FencedError` when another process runs the
    same connector and `SourceError` when the source was reset; both end it loudly.
    """
    loaded = post.loaded
    name = f"{loaded.site.prefix}connector.{connection.name}"
    inputs = KafkaInputs(post.access, name, report=report)
    ports = LoopPorts(
        KafkaTransactions(post.access, name),
        inputs,
        FolderLease(post.folder),
        business_clock_of(loaded),
        SystemEngineClock(),
        EnvironmentFaults(),
    )
    try:
        route = route_of(loaded, connection)
        agent = Agent(route, make_source(inputs), ports, post.folder, report)
        agent.run(stop=post.should_stop, poll_seconds=poll_seconds)
    finally:
        inputs.close()
