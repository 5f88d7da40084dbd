"""Making a backup, also beside a running hub.

The order makes it one set. Parts that may only be older than the ledger come first: look-ups,
books, cursors. The ledger next; then what it names: every cause of a record in the copied ledger is
in the copied inputs, and what the inputs hold beyond it has simply not been decided yet. Couriers'
reports end before the first about a ledger record which is not in the copy.
"""

from __future__ import annotations

import datetime as dt
import io
import os
import shutil
import sqlite3
import tarfile
from collections import Counter
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from hub import VERSION
from hub.adapters.kafka.client import KafkaInputs
from hub.adapters.kafka.copy import read_place
from hub.adapters.kafka.input_positions import accepted_losses
from hub.adapters.kafka.topics import KafkaTopics
from hub.adapters.kafka.unreadable import not_whole
from hub.adapters.postgres.copy import export_tables
from hub.backup.manifest import FILE, Manifest, StoredPartition, files_of
from hub.backup.record_files import write_records
from hub.core.basis import DECIDER_VERSION
from hub.core.ledger_end import loss_in
from hub.engine.courier_records import named_in
from hub.errors import ConfigurationError, IntegrityError, UnavailableError
from hub.io.paths import NotPlainError, OpenFolder, create_file, open_folder, readable, replace_file
from hub.provisioning.deployment import processes_of
from hub.provisioning.topics import KEPT_FOR_EVER, names_of
from hub.runtime.starts import FILE as STARTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from hub.adapters.kafka.copy import Place, StoredRecord
    from hub.adapters.kafka.unreadable import Unreadable
    from hub.config.kafka_access import KafkaAccess
    from hub.config.site import LoadedSite, Site

BASIS_FOLDER: Final = "basis"
"""Where rulebook and calendar lie in the packed site folder when they came from outside it."""
_SQLITE: Final = b"SQLite format 3\x00"
_REBUILT: Final = frozenset({"rocksdb", "lease", "files.sqlite", "clock-seen", STARTS})
"""Never copied: folds of the ledger, locks, what time a machine remembers, a worker's last starts,
and the book of a drop folder. An old one of these would give out numbers again that were used
since; a new one learns them from the folder."""
_LARGEST_OF_OTHERS: Final = 512 * 1024 * 1024
"""Octets of a file in an inbox or drop folder; one of an inbox is read up to 64 MiB."""
_ROOM: Final = 1024 * 1024
_DENSEST: Final = 64
"""A file larger than `_ROOM` octets takes at least one octet of a disk for so many of its own."""
_HOMELESS: Final = frozenset({"connector", "projector"})
"""Processes with nothing but their last starts in a folder of their own: a connector has one for
each source, the projector's position is in its tables."""
_INPUTS: Final = KEPT_FOR_EVER - {"ledger"}


def create(
    loaded: LoadedSite,
    folder: Path,
    access: KafkaAccess,
    dsn: str | None,
    state_folder: Path,
    tell: Callable[[str], None],
    *,
    basis: str,
    with_secrets: bool,
) -> Manifest:
    """Write a backup into `folder`, which must be empty; the manifest comes last.

    `basis` is the id of the site's basis, hex; `dsn` None leaves the look-up tables out: they are
    rebuilt from the ledger. Raises `ConfigurationError` (folder in use), `IntegrityError` (the
    ledger has lost its beginning, or holds what cannot be read) and `UnavailableError`.
    """
    loaded.require_outside(folder)
    take_empty(folder)
    try:
        return _create(loaded, folder, access, dsn, state_folder, tell, basis, with_secrets)
    except (OSError, sqlite3.Error) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise UnavailableError(
            f"备份写入失败：{said}\nthe backup cannot be written: {said}\n"
            "处理办法：检查空间与权限 / Remedy: space and permissions"
        ) from error


def _create(
    loaded: LoadedSite, folder: Path, access: KafkaAccess, dsn: str | None, state_folder: Path,
    tell: Callable[[str], None], basis: str, with_secrets: bool,  # noqa: FBT001 - handed through
) -> Manifest:  # fmt: skip
    site = loaded.site
    tables = 0
    if dsn is not None:
        tell("查询库 look-up tables")
        tables = export_tables(dsn, site.prefix, folder / "postgres")
    tell("账簿 books")
    homes = copy_books(state_folder, site.site, folder / "state")
    left_out = pack_site(loaded, folder / "site.tar", with_secrets=with_secrets)
    stored = _copy_topics(loaded, access, folder / "topics", tell)
    manifest = Manifest(
        site=site.site,
        prefix=site.prefix,
        partitions=site.partitions,
        hub_version=VERSION,
        decider=DECIDER_VERSION,
        basis=basis,
        created_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        topics=stored,
        exact=tuple(sorted(t for t in stored if t.partition(".")[0] in KEPT_FOR_EVER)),
        tables=tables,
        left_out=left_out,
        homes=homes,
        files=files_of(folder),
    )
    replace_file(folder / FILE, manifest.model_dump_json(indent=1).encode() + b"\n")
    return manifest


def take_empty(folder: Path) -> None:
    """Open the archive for the operator's eyes alone, independent of the umask."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise ConfigurationError(
            "备份目录不是空的",
            "the backup's folder is not empty",
            remedy_zh="每次备份用一个新目录",
            remedy_en="give every backup a folder of its own",
            file=str(folder),
        )
    folder.chmod(0o700)


def _copy_topics(
    loaded: LoadedSite, access: KafkaAccess, folder: Path, tell: Callable[[str], None]
) -> dict[str, dict[int, StoredPartition]]:
    prefix = loaded.site.prefix
    names = [topic.name[len(prefix) :] for topic in KafkaTopics(access).read(prefix)]
    inputs = KafkaInputs(access, "hub.backup")
    stored: dict[str, dict[int, StoredPartition]] = {}
    losses: Mapping[Place, int] = {}
    copied = LedgerCopy()
    try:
        for name in sorted(names, key=_turn):
            places = [(prefix + name, p) for p in range(loaded.site.partitions)]
            stored[name] = {}
            for place, (start, end) in inputs.bounds(places).items():
                if start and name.partition(".")[0] in KEPT_FOR_EVER:
                    losses = losses or accepted_losses(inputs, loaded.site)
                    if losses.get(place, 0) < start:
                        raise _lost_beginning(place, start)
                path = folder / name / f"{place[1]}.avro"
                said = _refuse if name == "ledger" else partial(_tell_unreadable, tell)
                read = read_place(access, place, start, end, said)
                if name == "ledger":
                    read = copied.noted(place[1], read)
                elif name.startswith("outcomes."):
                    read = copied.known(place, read)
                count = write_records(path, read)
                end = copied.ends.get(place, end)  # noqa: PLW2901 - nothing behind it is in the set
                stored[name][place[1]] = StoredPartition(start=start, end=end, records=count)
            tell(f"{name}  {sum(one.records for one in stored[name].values())}")
    finally:
        inputs.close()
    return stored


class LedgerCopy:
    """Beside a running hub couriers may report of ledger records that came after the copy.

    Restored, such a report would say that the ledger has lost its end. It and all behind it are
    left out: no ledger record of the copy was decided by them.
    """

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()
        self._epochs: Counter[int] = Counter()
        self.ends: dict[Place, int] = {}
        """Where topics of reports end in this backup, if earlier than they do."""

    def noted(
        self, partition: int, batches: Iterable[list[StoredRecord]]
    ) -> Iterator[list[StoredRecord]]:
        """The ledger's records as they pass by."""
        for batch in batches:
            for record in batch:
                self._counts[partition] += 1
                loss = loss_in(record.value or b"")
                if loss is not None:
                    self._epochs[partition] = max(self._epochs[partition], loss.epoch)
            yield batch

    def known(
        self, place: Place, batches: Iterable[list[StoredRecord]]
    ) -> Iterator[list[StoredRecord]]:
        """Reports up to the first of a ledger record that is not in the copy."""
        count, epoch = self._counts[place[1]], self._epochs[place[1]]
        for batch in batches:
            for number, record in enumerate(batch):
                named = named_in(record.value or b"")
                if named is not None and named.sequence >= count and named.epoch >= epoch:
                    self.ends[place] = record.offset
                    if number:
                        yield batch[:number]
                    return
            yield batch


def _refuse(found: Unreadable) -> None:
    """Of the ledger a backup without a record is none. Raises `IntegrityError`."""
    raise not_whole(found)


def _tell_unreadable(tell: Callable[[str], None], found: Unreadable) -> None:
    tell(
        f"{found.topic}[{found.partition}] {found.first}–{found.last} 无法读取，未备份 / "
        f"cannot be read ({found.why}), not in this backup"
    )


def _turn(name: str) -> tuple[int, str]:
    """Others first, then the ledger, then what its records name."""
    family = name.partition(".")[0]
    return (2 if family in _INPUTS else 1 if family == "ledger" else 0), name


def _lost_beginning(place: tuple[str, int], start: int) -> IntegrityError:
    return IntegrityError(
        f"主题 {place[0]} 分区 {place[1]} 的开头已丢失，现从 {start} 开始\n"
        f"{place[0]}[{place[1]}] has lost its beginning: it starts at {start}\n"
        "处理办法：该主题应永久保留；从更早的备份恢复\n"
        "Remedy: this topic is kept for ever; restore it from an earlier backup"
    )


def homes_of(site: Site) -> tuple[str, ...]:
    """The state folders a site's workers and connectors make, as a manifest names them."""
    workers = [one for one in processes_of(site) if one.kind not in _HOMELESS]
    return (
        *(f"workers/{one.worker}" for one in workers),
        *(f"connectors/{name}" for name in names_of(site).connectors),
    )


def copy_books(state_folder: Path, site: str, folder: Path) -> tuple[str, ...]:
    """Copy state of workers and connectors that no ledger holds, or that is slow to make again.

    Returns the homes that were found; a worker in another container or pod has its own elsewhere.
    """
    homes: list[str] = []
    for part in ("workers", "connectors"):
        home = state_folder / part / site
        if not home.is_dir():
            continue
        with open_folder(home) as opened:
            homes += (f"{part}/{os.fsdecode(name)}" for name in opened.folders())
            ways = list(opened.walk())
            for way in ways:
                name = os.fsdecode(b"/".join(way))
                is_log = name.endswith(("-wal", "-shm", "-journal", ".part"))
                if not is_log and not _REBUILT & set(name.split("/")):
                    _copy_file(opened, way, home / name, folder / part / site / name)
    return tuple(homes)


def _copy_file(home: OpenFolder, way: tuple[bytes, ...], path: Path, target: Path) -> None:
    """A database through SQLite itself, so that the copy is of one moment; else the bytes.

    The book of a worker that does not run has no log beside it. Opened as ever, SQLite would make
    one: refused to who may only read there, and one of root's would lock the worker out.
    """
    with suppress(NotPlainError), home.below(*way[:-1]) as folder, folder.opened(way[-1]) as stored:
        begins = stored.file.read(len(_SQLITE))
        with create_file(target) as copy:
            if begins != _SQLITE:
                copy.write(begins)
                shutil.copyfileobj(stored.file, copy)
                return
        _copy_book(path, target)


def _copy_book(path: Path, target: Path) -> None:
    log = path.with_name(f"{path.name}-wal")
    is_closed = not log.exists()
    mode = "mode=ro&immutable=1" if is_closed else "mode=ro"
    with (
        closing(sqlite3.connect(f"{path.absolute().as_uri()}?{mode}", uri=True)) as book,
        closing(sqlite3.connect(target)) as copy,
    ):
        book.backup(copy)
    if is_closed and log.exists():  # its worker was started meanwhile
        _copy_book(path, target)


def pack_site(loaded: LoadedSite, target: Path, *, with_secrets: bool) -> tuple[str, ...]:
    """The site folder as it is, with rulebook and calendar where they lie outside it.

    Secrets go in only when asked for and where they lie in it; what is left out, links that lead
    out of the folder too, is returned by name. Links within it, as Kubernetes makes them, become
    files; those in an inbox or another folder others write to are left out.
    """
    home = loaded.folder.resolve()
    named = {one.resolve() for one in loaded.secret_files()}
    secrets = frozenset() if with_secrets else named
    others = {one.resolve() for one in loaded.exchange_folders()}
    # Files outside the site folder are never in its backup, and the operator must know that.
    left_out = sorted(str(one) for one in named if not one.is_relative_to(home))
    with (
        create_file(target) as made,
        tarfile.open(fileobj=made, mode="w") as packed,
        open_folder(home) as opened,
    ):
        for way in opened.walk():
            name = os.fsdecode(b"/".join(way))
            path = home / name
            file = Path(os.path.realpath(path))
            is_others = not others.isdisjoint(path.parents)
            if (not is_others and _is_of_a_mount(name)) or not file.is_file():
                continue
            is_secret = file in secrets or (not with_secrets and "secrets" in name.split("/"))
            is_link_out = not file.is_relative_to(home) or (is_others and file != path)
            if (
                is_secret
                or is_link_out
                or not _pack(packed, opened, file.relative_to(home), name, is_others=is_others)
            ):
                left_out.append(readable(name))
        for part in (loaded.site.rulebook, loaded.site.calendar):
            path = loaded.path(part).resolve()
            if not path.is_relative_to(home):
                packed.add(path, f"{BASIS_FOLDER}/{path.name}", recursive=False)
    return tuple(left_out)


def _pack(
    packed: tarfile.TarFile, home: OpenFolder, file: Path, name: str, *, is_others: bool
) -> bool:
    """One open file, so of one moment: result files are replaced beside us, uploads are renamed.

    False for entries that are not files, are closed to us, are larger than any that is read, or are
    mostly holes: no writer to an inbox keeps a backup from being made, or fills its disk with what
    takes no room on theirs.
    """
    try:
        with (
            home.below(*file.parent.parts) as folder,
            folder.opened(file.name, is_others=is_others) as stored,
        ):
            if is_others and (stored.mark.size > _LARGEST_OF_OTHERS or _is_hollow(stored.file)):
                return False
            told = packed.gettarinfo(arcname=name, fileobj=stored.file)
            packed.addfile(told, _Steady(stored.file))
    except FileNotFoundError:
        return True
    except (NotPlainError, PermissionError):
        if not is_others:
            raise
        return False
    return True


def _is_hollow(file: BinaryIO) -> bool:
    """Whether a file takes so little room for its size that no file system has packed it so."""
    told = os.fstat(file.fileno())
    return told.st_size > max(_ROOM, told.st_blocks * 512 * _DENSEST)


class _Steady(io.RawIOBase):
    """Reads a file that may be cut meanwhile: the missing bytes read as zeros."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, also of a file that is now shorter."""
        return self._file.read(size).ljust(size, b"\0")


def _is_of_a_mount(name: str) -> bool:
    """Whether this is Kubernetes' own copy of a file, which a link beside it leads to."""
    return any(part.startswith("..") for part in name.split("/"))
