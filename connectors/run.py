"""Wiring of the file connector: one agent per folder of a site."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from connectors.agent import Agent, Ports, Report, Route
from connectors.file import FileSource
from connectors.layout import Folder, Layouts, field_names
from connectors.mapping import read_mapping
from connectors.snapshot import SnapshotDeclarer
from connectors.submission import RowSubmitter
from hub.adapters.clocks import SystemEngineClock, business_clock_of
from hub.adapters.faults import EnvironmentFaults
from hub.adapters.kafka import KafkaInputs, KafkaTransactions
from hub.adapters.lease import FolderLease
from hub.adapters.sealing import Sealer, read_key
from hub.contracts import Contracts
from hub.errors import ConfigurationError
from hub.kafka_access import KafkaAccess
from hub.site import Department, LoadedSite
from hub.site import FileSource as SourceSettings


class Connection(NamedTuple):
    """One source of one department; its name is `<department>.<source>`."""

    department: Department
    source: SourceSettings

    @property
    def name(self) -> str:
        """As in the topic `cursors.<connector>` and the transactional id."""
        return f"{self.department.id}.{self.source.name}"


def connections_of(
    loaded: LoadedSite, department: str = "", source: str = ""
) -> tuple[Connection, ...]:
    """Return the site's file sources, all or those asked for.

    Raises `ConfigurationError` when there is none.
    """
    found = tuple(
        Connection(each, files)
        for each in loaded.site.departments
        if department in {"", each.id}
        for files in each.files
        if source in {"", files.name}
    )
    if not found:
        raise ConfigurationError(
            "站点中没有这样的文件来源",
            f"the site has no file source {department or '*'}.{source or '*'}",
            remedy_zh="核对 site.yaml 中 departments 的 id 与 files 的 name",
            remedy_en="compare with departments and files in site.yaml",
            file=str(loaded.folder / "site.yaml"),
        )
    return found


def layouts_of(
    loaded: LoadedSite, connection: Connection, contracts: Contracts
) -> tuple[Layouts, ...]:
    """Return the layouts of the source's folders, its mapping file included."""
    mapping = connection.source.mapping
    mappings = (
        [] if mapping is None else [read_mapping(loaded.path(mapping), field_names(contracts))]
    )
    return tuple(Layouts(folder, contracts, mappings) for folder in Folder)


def file_source(
    loaded: LoadedSite,
    connection: Connection,
    contracts: Contracts,
    abandon: frozenset[str] = frozenset(),
) -> FileSource:
    """Build the source: its layouts, sealing key, inbox and results folder.

    Raises `ConfigurationError` for a mapping or key file that is not right.
    """
    settings, department = connection.source, connection.department
    submitter = RowSubmitter(
        department.id,
        stream_of(connection),
        contracts,
        Sealer(read_key(loaded.path(loaded.site.sealing_key_file))),
    )
    return FileSource(
        loaded.path(settings.inbox),
        loaded.path(settings.results),
        submitter,
        layouts_of(loaded, connection, contracts),
        SnapshotDeclarer(submitter, contracts, department.authorities, department.name_zh),
        abandon,
    )


def stream_of(connection: Connection) -> str:
    """Return the stream's name: `<department>/<source>`."""
    return f"{connection.department.id}/{connection.source.name}"


def run_file_connector(
    loaded: LoadedSite,
    connection: Connection,
    source: FileSource,
    access: KafkaAccess,
    folder: Path,
    report: Report,
    should_stop: Callable[[], bool],
    poll_seconds: float = 1.0,
) -> None:
    """Submit what the inbox holds and goes on holding, until `should_stop()`.

    `folder` is this connector's state folder. Raises `FencedError` when another process runs the
    same connector and `SourceError` when the source was reset; both end it loudly.
    """
    site = loaded.site
    inputs = KafkaInputs(access, f"{site.prefix}connector.{connection.name}")
    route = Route(
        stream_of(connection),
        site.topic(f"submissions.{connection.department.id}"),
        site.topic(f"cursors.{connection.name}"),
        site.partitions,
    )
    ports = Ports(
        KafkaTransactions(access, f"{site.prefix}connector.{connection.name}"),
        inputs,
        FolderLease(folder),
        business_clock_of(loaded),
        SystemEngineClock(),
        EnvironmentFaults(),
    )
    try:
        Agent(route, source, ports, folder, report).run(stop=should_stop, poll_seconds=poll_seconds)
    finally:
        inputs.close()
