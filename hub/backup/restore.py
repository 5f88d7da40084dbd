"""Restoring a backup on an empty machine: site folder, books, topics at their offsets, tables.

Nothing is overwritten: a folder or topic that holds something already is refused. What is not in
a backup (RocksDB folders, anything a follower can read again) is rebuilt from the ledger by the
workers when they start.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tarfile
from contextlib import ExitStack, contextmanager, suppress
from itertools import islice
from typing import TYPE_CHECKING

from hub.adapters.kafka.copy import KafkaRewriter, Place, StoredRecord
from hub.adapters.kafka.topics import KafkaTopics
from hub.adapters.postgres.copy import import_tables
from hub.backup.create import BASIS_FOLDER
from hub.backup.manifest import Manifest, verify
from hub.backup.record_files import read_records
from hub.backup.steps import CopyStep, Way, steps_of
from hub.config.site import LoadedSite, load_site
from hub.errors import ConfigurationError, IntegrityError, UnavailableError
from hub.io.paths import DEEPEST, OpenFolder, is_name, octets_of, open_folder
from hub.provisioning.topics import apply_plan, make_plan, names_of, read_families, wanted_topics
from hub.runtime.starts import FILE as STARTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hub.config.kafka_access import KafkaAccess

_LARGEST_SITE = 16 * 1024 * 1024
_AT_ONCE = 20_000
"""Records of a plain step written at a time: bounds the memory."""


def restore_folders(folder: Path, site_folder: Path, state_folder: Path) -> Manifest:
    """Check the backup, then unpack the site folder and the workers' books.

    All of it, or nothing. Raises `IntegrityError` (altered backup), `ConfigurationError` (something
    is there already) and `UnavailableError` (a disk that refuses).
    """
    manifest = verify(folder)
    homes = [state_folder / part / manifest.site for part in ("workers", "connectors")]
    if site_folder.exists() and any(site_folder.iterdir()):
        raise _in_the_way(site_folder)
    started = [each for home in homes for each in _started(home)]
    try:
        for each in started:
            shutil.rmtree(each)
        with ExitStack() as filling, open_folder(folder) as backup:
            site = filling.enter_context(_filled(site_folder))
            _unpack_site(backup, site)
            for home in homes:  # of this site, and of no other on the same machine
                way = ("state", *home.relative_to(state_folder).parts)
                with suppress(FileNotFoundError), backup.below(*way) as stored:
                    _copy_all(stored, filling.enter_context(_filled(home)))
    except OSError as error:
        raise UnavailableError(
            f"恢复未能写入：{error.strerror}\nthe backup cannot be restored: {error.strerror}\n"
            "处理办法：检查空间与权限；未留下任何内容 / "
            "Remedy: space and permissions; nothing was left behind"
        ) from error
    return manifest


def _started(home: Path) -> list[Path]:
    """The folders of workers that were started too early, and noted no more than when.

    Raises `ConfigurationError` for one that holds anything else.
    """
    found = list(home.iterdir()) if home.exists() else []
    for each in found:
        if (
            each.is_symlink()
            or not each.is_dir()
            or {file.name for file in each.iterdir()} - {STARTS}
        ):
            raise _in_the_way(each)
    return found


@contextmanager
def _filled(home: Path) -> Iterator[OpenFolder]:
    """Fill a new folder: what is put into the open one is in `home` at the end, or not at all."""
    above = next(each for each in home.parents if each.is_dir())
    was_there = home.is_dir()
    with open_folder(home, make=True) as opened:
        part = f".restoring-{secrets.token_hex(8)}"
        try:
            with opened.below(part, make=True) as filled:
                yield filled
                for name in filled.names():
                    filled.move(name, opened)
        finally:
            shutil.rmtree(home / part, ignore_errors=True)
            if not was_there and not opened.names():
                _remove_empty(home, above)


def _remove_empty(home: Path, above: Path) -> None:
    """Take away the folders that were made for nothing."""
    for folder in (home, *home.parents):
        if folder == above:
            return
        with suppress(OSError):
            folder.rmdir()


def _unpack_site(backup: OpenFolder, site: OpenFolder) -> None:
    """Unpack files alone, each where its name says; raises `IntegrityError` for anything else.

    So for more folders below each other than a backup holds: they could not be taken away again.
    """
    try:
        with (
            backup.opened("site.tar", is_others=False) as stored,
            tarfile.open(fileobj=stored.file, mode="r:") as packed,
        ):
            for member in packed:
                _unpack(packed, member, site)
    except FileNotFoundError as error:
        raise _unreadable_site() from error
    except MemoryError as error:  # a header may state any size, and tarfile asks for it at once
        raise _unreadable_site() from error
    except (tarfile.TarError, ValueError, EOFError, OverflowError, RecursionError) as error:
        raise _unreadable_site() from error
    _point_to_basis(site)


def _unpack(packed: tarfile.TarFile, member: tarfile.TarInfo, site: OpenFolder) -> None:
    way = octets_of(member.name).split(b"/")
    content = packed.extractfile(member) if member.isreg() and not member.issparse() else None
    if content is None or not all(map(is_name, way)) or len(way) - 1 > DEEPEST:
        raise _unreadable_site()
    with site.below(*way[:-1], make=True) as folder, folder.create(way[-1], member.mode) as made:
        shutil.copyfileobj(content, made)


def _copy_all(stored: OpenFolder, home: OpenFolder) -> None:
    for way in stored.walk():
        with (
            stored.below(*way[:-1]) as folder,
            folder.opened(way[-1], is_others=False) as book,
            home.below(*way[:-1], make=True) as target,
            target.create(way[-1]) as made,
        ):
            shutil.copyfileobj(book.file, made)


def _unreadable_site() -> IntegrityError:
    return IntegrityError(
        "备份中的站点包 site.tar 无法读取，或含有普通文件以外的内容；未恢复任何内容\n"
        "site.tar of the backup cannot be read, or holds more than plain files; nothing restored\n"
        "处理办法：用另一份备份 / Remedy: take another backup"
    )


def _in_the_way(home: Path) -> ConfigurationError:
    return ConfigurationError(
        "恢复目标不是空的，不会覆盖",
        "the place to restore to is not empty; nothing is overwritten",
        remedy_zh="恢复到空目录；原有内容先移走保存",
        remedy_en="restore to an empty folder; move away what is there, and keep it",
        file=str(home),
    )


def _point_to_basis(site: OpenFolder) -> None:
    """Rulebook and calendar that lay outside the site folder lie within it now."""
    try:
        text = (site.read("site.yaml", _LARGEST_SITE, is_others=False) or b"").decode()
    except (FileNotFoundError, UnicodeDecodeError) as error:
        raise _unreadable_site() from error
    try:
        with site.below(BASIS_FOLDER) as basis:
            inside = {os.fsdecode(name) for name in basis.names()}
    except FileNotFoundError:
        return
    for key in ("rulebook", "calendar"):
        found = re.search(rf"^{key}:\s*(\S+)", text, re.MULTILINE)
        name = found[1].strip("\"'").rpartition("/")[2] if found else ""
        if found and name in inside:
            text = text.replace(found[0], f"{key}: {BASIS_FOLDER}/{name}")
    site.replace("site.yaml", text.encode())


def restore_topics(
    folder: Path, manifest: Manifest, loaded: LoadedSite, access: KafkaAccess,
    tell: Callable[[str], None],
) -> None:  # fmt: skip
    """Make the site's topics and fill them. Raises `IntegrityError` for one that is not empty."""
    admin = KafkaTopics(access)
    prefix = manifest.prefix
    wanted = wanted_topics(read_families(), names_of(loaded.site))
    apply_plan(prefix, make_plan(prefix, wanted, admin.read(prefix)), admin)
    known = {topic.name for topic in wanted}
    gone = sorted(name for name in manifest.topics if prefix + name not in known)
    if gone:
        raise IntegrityError(
            f"备份中的主题 {'、'.join(gone)} 已不在站点配置或本版本中\n"
            f"the backup has topics the site or this version does not know: {', '.join(gone)}\n"
            "处理办法：用取备份时的版本与 site.yaml 恢复\n"
            "Remedy: restore with the version and the site.yaml the backup was taken with"
        )
    rewriter = KafkaRewriter(access, f"{prefix}restore")
    try:
        for name, partitions in manifest.topics.items():
            rewriter.begin([(prefix + name, partition) for partition in partitions])
        for name, partitions in manifest.topics.items():
            _restore_topic(folder, manifest, name, rewriter)
            tell(f"{name}  {sum(one.records for one in partitions.values())}")
    finally:
        rewriter.close()


class _Rest:
    """Return the records of one partition that are still to be written."""

    def __init__(self, path: Path, steps: Iterator[CopyStep]) -> None:
        self._records = read_records(path)
        self._steps = steps
        self.step = next(steps, None)

    def take(self) -> list[StoredRecord]:
        """The records of the step at hand (of a long plain one: the next part), then the next."""
        step = self.step
        if step is None or step.way is Way.ABORTED:
            self.step = next(self._steps, None)
            return []
        count = min(step.records, _AT_ONCE) if step.way is Way.PLAIN else step.records
        left = step.records - count
        self.step = CopyStep(Way.PLAIN, left) if left else next(self._steps, None)
        return list(islice(self._records, count))


def _restore_topic(folder: Path, manifest: Manifest, name: str, rewriter: KafkaRewriter) -> None:
    """All partitions side by side: one transaction serves as many as wait for one."""
    is_exact = name in manifest.exact
    rests: dict[Place, _Rest] = {}
    for partition, stored in manifest.topics[name].items():
        path = folder / "topics" / name / f"{partition}.avro"
        offsets = [record.offset for record in read_records(path)]
        steps = (
            steps_of(offsets, stored.end) if is_exact else iter([CopyStep(Way.PLAIN, len(offsets))])
        )
        rests[manifest.prefix + name, partition] = _Rest(path, steps)
    while waiting := {place: rest for place, rest in rests.items() if rest.step is not None}:
        for way in Way:
            ready = {
                place: rest
                for place, rest in waiting.items()
                if rest.step is not None and rest.step.way is way
            }
            if way is Way.ABORTED:
                counts = {p: rest.step.records for p, rest in ready.items() if rest.step}
                for rest in ready.values():
                    rest.take()
                if counts:
                    rewriter.aborted(counts)
            elif ready:
                write = rewriter.plain if way is Way.PLAIN else rewriter.committed
                write({place: rest.take() for place, rest in ready.items()})


def restore_tables(folder: Path, manifest: Manifest, dsn: str) -> int:
    """Fill the look-up tables; return how many, 0 when the projector rebuilds them."""
    return import_tables(dsn, manifest.prefix, folder / "postgres") if manifest.tables else 0


def load_restored(site_folder: Path, manifest: Manifest) -> LoadedSite:
    """The restored site; raises `ConfigurationError` when it is not the backup's."""
    loaded = load_site(site_folder)
    if (loaded.site.prefix, loaded.site.partitions) != (manifest.prefix, manifest.partitions):
        raise ConfigurationError(
            "恢复出的 site.yaml 与备份清单不一致",
            "the restored site.yaml is not the one of the manifest",
            remedy_zh="用另一份备份",
            remedy_en="take another backup",
            file=str(site_folder / "site.yaml"),
        )
    return loaded
