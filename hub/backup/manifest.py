"""The manifest of a backup: what it holds, with sizes and SHA-256; written last, read first."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from hub.errors import ConfigurationError, IntegrityError
from hub.typed_yaml import StrictModel

if TYPE_CHECKING:
    from pathlib import Path

FILE: Final = "manifest.json"
FORMAT: Final = 1


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
    """What a backup holds."""

    format: int = FORMAT
    site: str
    prefix: str
    partitions: int
    hub_version: str
    decider: str
    basis: str
    """Id of the basis the site would adopt today, hex."""
    created_at: str
    """Real time, RFC 3339."""
    topics: dict[str, dict[int, StoredPartition]]
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


def stored_file(path: Path) -> StoredFile:
    """Size and fingerprint of a file."""
    digest = sha256()
    with path.open("rb") as stored:
        while block := stored.read(1 << 20):
            digest.update(block)
    return StoredFile(size=path.stat().st_size, sha256=digest.hexdigest())


def files_of(folder: Path) -> dict[str, StoredFile]:
    """Every file below a backup's folder but the manifest itself."""
    return {
        path.relative_to(folder).as_posix(): stored_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).as_posix() != FILE
    }


def read_manifest(folder: Path) -> Manifest:
    """Read a backup's manifest. Raises `ConfigurationError` when there is none we can read."""
    problem: Exception
    try:
        content = json.loads((folder / FILE).read_text(encoding="utf-8"))
        manifest = Manifest.model_validate(content)
    except (OSError, ValueError, ValidationError) as error:
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
    """Hold every file against the manifest. Raises `IntegrityError` naming those that differ."""
    manifest = read_manifest(folder)
    found = files_of(folder)
    different = sorted(
        name
        for name in manifest.files.keys() | found.keys()
        if manifest.files.get(name) != found.get(name)
    )
    if different:
        shown = "、".join(different[:5])
        raise IntegrityError(
            f"备份与清单不符：{len(different)} 个文件缺失、多出或被改动（{shown}）\n"
            f"{len(different)} files of the backup are missing, foreign or altered ({shown})\n"
            "处理办法：用另一份备份 / Remedy: take another backup"
        )
    return manifest
