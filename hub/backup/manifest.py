"""The manifest of a backup: what it holds, with sizes and SHA-256; written last, read first."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, ValidationError

from hub.errors import ConfigurationError, IntegrityError, UnavailableError
from hub.io.paths import NotPlainError, OpenFolder, open_folder, readable
from hub.io.typed_yaml import StrictModel

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "manifest.json"
FORMAT: Final = 1
_LARGEST: Final = 64 * 1024 * 1024
"""Octets of a manifest: some 300,000 files."""
_NO_FILE: Final = "no file"

PathPart = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,248}$")]
"""Form of a text that becomes the name of a file or folder: it leads nowhere else."""


class StoredPartition(StrictModel):
    """One partition: committed records from offset `start` up to the log's `end`."""

    start: int
    end: int
    records: int


class StoredFile(StrictModel):
    """One file of the backup."""

    size: int
    sha256: str


class Manifest(StrictModel):
    """Content of a backup."""

    format: int = FORMAT
    site: PathPart
    prefix: str
    partitions: int
    hub_version: str
    decider: str
    basis: str
    """Id of the basis the site would adopt today, hex."""
    created_at: str
    """Real time, RFC 3339."""
    topics: dict[PathPart, dict[int, StoredPartition]]
    """By topic without the prefix, and partition."""
    exact: tuple[str, ...]
    """Topics that are restored at their offsets; of the others only the content matters."""
    tables: int
    """Look-up tables of PostgreSQL; 0 when they were left out."""
    left_out: tuple[str, ...]
    """Secrets of the site folder that are not in here, relative to it."""
    homes: tuple[str, ...] = ()
    """State folders of workers and connectors that were found, `workers/receipts`: with books."""
    files: dict[str, StoredFile]


def _stored_file(home: OpenFolder, way: tuple[bytes, ...]) -> StoredFile:
    """Size and fingerprint of a file; a link or a pipe is like no file of ours."""
    digest = sha256()
    try:
        with (
            home.below(*way[:-1]) as folder,
            folder.opened(way[-1], is_others=False) as stored,
        ):
            while block := stored.file.read(1 << 20):
                digest.update(block)
            return StoredFile(size=stored.mark.size, sha256=digest.hexdigest())
    except NotPlainError:
        return StoredFile(size=0, sha256=_NO_FILE)


def files_of(folder: Path) -> dict[str, StoredFile]:
    """Every file below a backup's folder but the manifest itself. Raises `OSError`."""
    with open_folder(folder) as home:
        return {
            os.fsdecode(b"/".join(way)): _stored_file(home, way)
            for way in home.walk()
            if way != (FILE.encode(),)
        }


def read_manifest(folder: Path) -> Manifest:
    """Read a backup's manifest. Raises `ConfigurationError` when there is none we can read."""
    problem: Exception
    try:
        with open_folder(folder) as home:
            content = json.loads(home.read(FILE, _LARGEST, is_others=False) or b"")
        manifest = Manifest.model_validate(content)
        manifest.model_dump_json()  # raises `ValueError` for text that cannot be shown
    except (OSError, ValueError, RecursionError, ValidationError) as error:
        problem = error
    else:
        if manifest.format == FORMAT:
            return manifest
        problem = ValueError(f"format {manifest.format}")
    raise ConfigurationError(
        "这不是一份完整的备份：清单缺失或无法读取",
        "no whole backup: its manifest is missing or cannot be read",
        remedy_zh="清单最后写入；没有清单的备份在中途被打断，请另取一份",
        remedy_en="it is written last: a backup without one was interrupted, take another",
        file=str(folder / FILE),
    ) from problem


def verify(folder: Path) -> Manifest:
    """Hold every file against the manifest. Raises `IntegrityError` naming those that differ.

    Raises `UnavailableError` where a file cannot be read, and as `read_manifest`.
    """
    manifest = read_manifest(folder)
    try:
        found = files_of(folder)
    except OSError as error:
        raise UnavailableError(
            f"备份无法读取：{error.strerror}\nthe backup cannot be read: {error.strerror}\n"
            "处理办法：检查磁盘与权限 / Remedy: the disk, and permissions"
        ) from error
    different = sorted(
        name
        for name in manifest.files.keys() | found.keys()
        if manifest.files.get(name) != found.get(name)
    )
    if different:
        shown = "、".join(map(readable, different[:5]))
        raise IntegrityError(
            f"备份与清单不符：{len(different)} 个文件缺失、多出或被改动（{shown}）\n"
            f"{len(different)} files of the backup are missing, foreign or altered ({shown})\n"
            "处理办法：用另一份备份 / Remedy: take another backup"
        )
    return manifest
