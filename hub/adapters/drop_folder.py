"""The folder two systems exchange files through: `out` is ours to write, `ack` the platform's.

A file appears whole: temporary name, fsync, rename, fsync of the folder; its manifest the same way
after it. Whoever polls sees a file without a manifest, or both, and never half of one.

Others write here, too: no link or pipe they put there is followed, written through or waited for.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.targets.file_ack import ENDING
from hub.targets.file_layout import MANIFEST, FileName, read_name

if TYPE_CHECKING:
    from pathlib import Path

    from hub.ports import FaultHooks

LARGEST_ACK_BYTES: Final = 16 * 1024 * 1024
LARGEST_FILE_BYTES: Final = 512 * 1024 * 1024
"""Nothing larger is taken for a file of ours; 50 000 rows are a fifth of it."""
_LARGEST_MANIFEST_BYTES: Final = 64 * 1024
_PART: Final = ".part"


class Mark(NamedTuple):
    """What a file looks like from outside; another writer changes it."""

    size: int
    changed: int
    node: int


class DropFolder:
    """Reads and writes the two folders. Every method may raise `OSError`."""

    def __init__(self, folder: Path, faults: FaultHooks) -> None:
        self.out, self.acks = folder / "out", folder / "ack"
        self._faults = faults

    def check(self) -> None:
        """Raise `OSError` unless both folders are there."""
        for folder in (self.out, self.acks):
            os.scandir(folder).close()

    def prepare(self, name: FileName, content: bytes, manifest: bytes) -> None:
        """Write both under temporary names, durably; on any failure nothing is left."""
        try:
            _write(self._part(str(name)), content)
            _write(self._part(f"{name}{MANIFEST}"), manifest)
        except OSError:
            self.clear(name)
            raise

    def clear(self, name: FileName) -> None:
        """Remove the temporary files of a name."""
        for one in (str(name), f"{name}{MANIFEST}"):
            self._part(one).unlink(missing_ok=True)

    def clear_all(self) -> None:
        """Remove every temporary file of ours that a killed courier left."""
        for entry in list(os.scandir(self.out)):
            text = entry.name.removeprefix(".").removesuffix(_PART).removesuffix(MANIFEST)
            if entry.name.endswith(_PART) and read_name(text) is not None:
                (self.out / entry.name).unlink(missing_ok=True)

    def publish(self, name: FileName) -> Mark:
        """Rename what was prepared: the file, and when that is durable, its manifest."""
        self._rename(str(name))
        self._faults.reached("after_file_rename")
        self._rename(f"{name}{MANIFEST}")
        return self._mark(str(name))

    def _rename(self, name: str) -> None:
        self._part(name).replace(self.out / name)
        handle = os.open(self.out, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def _part(self, name: str) -> Path:
        return self.out / f".{name}{_PART}"

    def _mark(self, name: str) -> Mark:
        told = (self.out / name).stat()
        return Mark(told.st_size, told.st_mtime_ns, told.st_ino)

    def mark_of(self, name: FileName) -> Mark | None:
        """Return what a file looks like; None when it or its manifest is not there."""
        try:
            self._mark(f"{name}{MANIFEST}")
            return self._mark(str(name))
        except FileNotFoundError:
            # The folder itself being away is another matter: that must not look like taken files.
            self.out.stat()
            return None

    def has(self, name: FileName) -> bool:
        """Whether something bears a file's final name."""
        return (self.out / str(name)).exists()

    def content(self, name: FileName, largest: int = LARGEST_FILE_BYTES) -> bytes:
        """Return a file's bytes; none of what is no ordinary file, or larger."""
        return _read(self.out / str(name), largest)[0] or b""

    def manifest(self, name: FileName) -> bytes:
        """Return the bytes of a file's manifest; none when it is not there."""
        try:
            return _read(self.out / f"{name}{MANIFEST}", _LARGEST_MANIFEST_BYTES)[0] or b""
        except FileNotFoundError:
            return b""

    def remove(self, name: FileName) -> None:
        """Remove a file and its manifest, if they are still there: manifest first."""
        (self.out / f"{name}{MANIFEST}").unlink(missing_ok=True)
        (self.out / str(name)).unlink(missing_ok=True)

    def files(self) -> tuple[list[FileName], list[str]]:
        """Return the data files in order, and the names of what is not ours."""
        ours, foreign = [], []
        names = {entry.name for entry in os.scandir(self.out)}
        for text in sorted(names):
            name = read_name(text.removesuffix(MANIFEST))
            if name is not None and text == str(name):
                ours.append(name)
            elif name is None and not text.startswith("."):
                foreign.append(text)
        return sorted(ours), foreign

    def ack_names(self) -> list[str]:
        """Return the names of all acknowledgement files."""
        return sorted(
            entry.name
            for entry in os.scandir(self.acks)
            if entry.name.endswith(ENDING) and not entry.name.startswith(".")
        )

    def read_ack(self, name: str) -> tuple[bytes | None, Mark | None]:
        """Return an acknowledgement file's bytes and mark; no bytes when it is none to be read."""
        try:
            name.encode()  # one in GBK, say, could not even be noted in the book
            return _read(self.acks / name, LARGEST_ACK_BYTES)
        except (OSError, UnicodeEncodeError):
            return None, None


def _read(path: Path, largest: int) -> tuple[bytes | None, Mark | None]:
    """Return an ordinary file's bytes, none above `largest`, and what it looks like from outside.

    Of a link or a pipe no bytes. Raises `OSError`.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None, None
        raise
    try:
        told = os.fstat(handle)
        mark = Mark(told.st_size, told.st_mtime_ns, told.st_ino)
        if not stat.S_ISREG(told.st_mode) or told.st_size > largest:
            return None, mark
        with open(handle, "rb", closefd=False) as file:
            return file.read(told.st_size), mark
    finally:
        os.close(handle)


def _write(path: Path, content: bytes) -> None:
    """Write a new file: what bears the name already, a link to elsewhere perhaps, is taken away."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
