"""Wiring of the file connector: the parts of one folder's source."""

from connectors.files.result_files import ResultFiles, SourceFiles
from connectors.files.snapshot import SnapshotDeclarer
from connectors.files.source import FileSource
from connectors.layout import Folder, Layouts, field_names
from connectors.mapping import read_mapping
from connectors.run import Connection, file_connections, stream_of
from connectors.submission import RowSubmitter
from hub.adapters.receipt_book import ReceiptBook
from hub.adapters.sealing import Sealer, read_key
from hub.config.site import LoadedSite
from hub.contracts import Contracts


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


def results_of(
    loaded: LoadedSite, book: ReceiptBook, contracts: Contracts
) -> tuple[SourceFiles, ResultFiles]:
    """Return the files that connectors have begun, and what writes their results from the book."""
    files = SourceFiles(
        {stream_of(each): loaded.path(each.source.results) for each in file_connections(loaded)}
    )
    reminders = {
        department.id: loaded.path(department.files[0].results)
        for department in loaded.site.departments
        if department.files
    }
    return files, ResultFiles(book, files, contracts, reminders)
