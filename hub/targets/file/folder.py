"""The folder two systems exchange files through: `out` is ours to write, `ack` the platform's.

A file appears whole: temporary name, fsync, rename, fsync of the folder; its manifest the same way
after it. A reader that polls sees a file without a manifest, or both, and never half of one.

Others write here, too: no link or pipe they put there is followed, written through or waited for
(`hub.io.paths`). Both folders are opened for each call: one that is remounted is found.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from hub.io.paths import FileMark, NotPlainError, OpenFolder, open_folder
from hub.targets.file.acknowledgement import ENDING
from hub.targets.file.layout import MANIFEST, FileName, read_name

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hub.ports import FaultHooks

LARGEST_ACK_BYTES: Final = 16 * 1024 * 1024
LARGEST_FILE_BYTES: Final = 512 * 1024 * 1024
"""Nothing larger is taken for a file of ours; 50 000 rows are a fifth of it."""
_LARGEST_MANIFEST_BYTES: Final = 64 * 1024


class DropFolder:
    """Reads and writes the two folders. Every method may raise `OSError`."""

    def __init__(self, folder: Path, faults: FaultHooks) -> None:
        self._folder = folder
        self._faults = faults
        self._parts: dict[FileName, tuple[bytes, bytes]] = {}
        """The temporary names of what is prepared: file, manifest."""

    @contextmanager
    def _open(self, name: str) -> Iterator[OpenFolder]:
        with open_folder(self._folder) as folder, folder.below(name) as opened:
            yield opened

    def check(self) -> None:
        """Raise `OSError` unless both folders are there."""
        for name in ("out", "ack"):
            with self._open(name):
                pass

    def prepare(self, name: FileName, content: bytes, manifest: bytes) -> None:
        """Write both under temporary names, durably; on any failure nothing is left."""
        self.clear(name)
        with self._open("out") as out:
            part = out.part(content)
            try:
                self._parts[name] = part, out.part(manifest)
            except OSError:
                out.remove(part)
                raise

    def clear(self, name: FileName) -> None:
        """Remove the temporary files of a name."""
        parts = self._parts.pop(name, ())
        if parts:
            with self._open("out") as out:
                for part in parts:
                    out.remove(part)

    def clear_all(self) -> None:
        """Remove every temporary file of ours that a killed courier left."""
        self._parts = {}
        with self._open("out") as out:
            out.sweep(0.0)

    def publish(self, name: FileName) -> FileMark:
        """Rename what was prepared: the file, and when that is durable, its manifest."""
        content, manifest = self._parts[name]
        with self._open("out") as out:
            out.finish(content, str(name))
            self._faults.reached("after_file_rename")
            out.finish(manifest, f"{name}{MANIFEST}")
            del self._parts[name]
            return out.look(str(name))

    def mark_of(self, name: FileName) -> FileMark | None:
        """Return what a file looks like; None when it or its manifest is not there.

        The folder itself being away is another matter: that must not look like taken files.
        """
        with self._open("out") as out:
            try:
                out.look(f"{name}{MANIFEST}")
                return out.look(str(name))
            except FileNotFoundError:
                return None

    def has(self, name: FileName) -> bool:
        """Whether something bears a file's final name."""
        with self._open("out") as out:
            return out.has(str(name))

    def content(self, name: FileName, largest: int = LARGEST_FILE_BYTES) -> bytes:
        """Return a file's bytes, or None for a file that is not regular or too large."""
        return self._read(str(name), largest)

    def manifest(self, name: FileName) -> bytes:
        """Return the bytes of a file's manifest; none when it is not there."""
        try:
            return self._read(f"{name}{MANIFEST}", _LARGEST_MANIFEST_BYTES)
        except FileNotFoundError:
            return b""

    def _read(self, name: str, largest: int) -> bytes:
        with self._open("out") as out:
            try:
                return out.read(name, largest) or b""
            except NotPlainError:
                return b""

    def remove(self, name: FileName) -> None:
        """Remove a file and its manifest, if they are still there: manifest first."""
        with self._open("out") as out:
            out.remove(f"{name}{MANIFEST}")
            out.remove(str(name))

    def files(self) -> tuple[list[FileName], list[str]]:
        """Return the data files in order, and the names of what is not ours."""
        ours, foreign = [], []
        with self._open("out") as out:
            names = map(os.fsdecode, out.names())
        for text in names:
            name = read_name(text.removesuffix(MANIFEST))
            if name is not None and text == str(name):
                ours.append(name)
            elif name is None and not text.startswith("."):
                foreign.append(text)
        return sorted(ours), foreign

    def ack_names(self) -> list[str]:
        """Return the names of all acknowledgement files."""
        ending = ENDING.encode()
        with self._open("ack") as acks:
            names = [each for each in acks.names() if each.endswith(ending)]
        return [os.fsdecode(each) for each in names if not each.startswith(b".")]

    def read_ack(self, name: str) -> tuple[bytes | None, FileMark | None]:
        """Return an acknowledgement file's bytes and mark; no bytes when it is none to be read."""
        try:
            name.encode()  # one in GBK, say, could not even be noted in the book
            with self._open("ack") as acks, acks.opened(name) as found:
                if found.mark.size > LARGEST_ACK_BYTES:
                    return None, found.mark
                return found.file.read(found.mark.size), found.mark
        except (OSError, UnicodeEncodeError):
            return None, None
