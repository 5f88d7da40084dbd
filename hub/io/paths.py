"""Files of others read, files of our own written: a path is not a place.

Departments and platforms write to the folders the hub reads and writes. So every file below a
configured folder is reached from the folder's handle, name by name, and no link is followed on the
way. A file of others is read when it is a regular one with a single name. A file of our own appears
whole, under a temporary name that cannot be guessed, and is renamed.

Independent of the umask, a file of the hub is for its owner, and for the folder's group where it
lets its group in and is not open to everybody.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import time
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple, Self

from hub.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_NAME: Final = 255
"""Octets of one name on every file system in use."""
_LONGEST_ENDING: Final = 12
"""`.result.xlsx`, the longest ending a result gets: both results of a file are named alike."""
_MARK_DIGITS: Final = 16
_MARKED: Final = re.compile(rf"~[0-9a-f]{{{_MARK_DIGITS}}}$")
_PART: Final = re.compile(rb"\.hub-[0-9a-f]{16}\.part")
_LEFT_SECONDS: Final = 3_600.0
"""A temporary file older than this was left by a process that died."""
DEEPEST: Final = 32
"""Folders below each other that are looked into: each takes a handle."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_KEPT: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class NotPlainError(OSError):
    """A link, a pipe, a device, a folder, or a file that has a second name somewhere."""


class FileMark(NamedTuple):
    """Attributes of a file from outside; another writer changes them."""

    size: int
    modified_ns: int
    node: int


class PlainFile(NamedTuple):
    """A regular file that is open for reading, and its mark when it was opened."""

    file: BinaryIO
    mark: FileMark

    def is_unchanged(self) -> bool:
        """Whether it is unchanged since."""
        return _mark(os.fstat(self.file.fileno())) == self.mark


# --- names -----------------------------------------------------------------------------------


def is_name(name: bytes) -> bool:
    """Whether this is the name of something in a folder, and no way out of it."""
    return name not in {b"", b".", b".."} and not {0, ord("/")} & set(name)


def octets_of(name: str | bytes) -> bytes:
    """The octets of a name, as the file system has them."""
    return os.fsencode(name)


def readable(name: str | bytes) -> str:
    """A name as people read it: UTF-8, else GB 18030; what cannot be seen becomes `_`.

    A name from an old Windows client comes in GBK. Line ends, direction marks and the like would
    make a listing or a log say something else.
    """
    octets = octets_of(name)
    for encoding in ("utf-8", "gb18030"):
        with suppress(UnicodeDecodeError):
            text = octets.decode(encoding)
            break
    else:
        text = octets.decode("ascii", "replace").replace("\ufffd", "_")
    return "".join(char if char.isprintable() or char == "\u3000" else "_" for char in text)


def result_name(name: str | bytes, ending: str) -> str:
    """The name of what is written back for a file: `<its name><ending>`, at most 255 octets.

    Where that would be too long, or could not be read, or could be another file's, it is cut and
    marked with the name's digest: `<beginning>~<16 hex digits><ending>`.
    """
    octets = octets_of(name)
    shown = readable(octets)
    is_plain = shown.encode() == octets and not _MARKED.search(shown)
    if is_plain and len(octets) + _LONGEST_ENDING <= LONGEST_NAME:
        return shown + ending
    room = LONGEST_NAME - _LONGEST_ENDING - 1 - _MARK_DIGITS
    beginning = shown.encode()[:room].decode("utf-8", "ignore")
    return f"{beginning}~{sha256(octets).hexdigest()[:_MARK_DIGITS]}{ending}"


def _checked(name: str | bytes) -> bytes:
    octets = octets_of(name)
    if not is_name(octets):
        raise OSError(errno.EINVAL, "no name of a file")
    return octets


# --- folders ---------------------------------------------------------------------------------


class OpenFolder:
    """A folder by its handle. Every method may raise `OSError`; names are those of what lies in it.

    A name is octets; a text stands for the octets it was decoded from.
    """

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def __enter__(self) -> Self:
        """Nothing more to do."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the handle back."""
        self.close()

    def close(self) -> None:
        """Give the handle back."""
        os.close(self._handle)

    def below(self, *names: str | bytes, make: bool = False) -> OpenFolder:
        """Open a folder further down; `make` what is missing on the way.

        Raises `NotPlainError` for a link or a file on the way, `FileNotFoundError`.
        """
        here = OpenFolder(os.dup(self._handle))
        for name in names:
            with here:
                following = here._child(_checked(name), make=make)
            here = following
        return here

    def _child(self, name: bytes, *, make: bool) -> OpenFolder:
        made = False
        if make:
            with suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=self._handle)
                made = True
        try:
            handle = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=self._handle)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR}:
                raise NotPlainError(error.errno, "a link or a file, not a folder") from error
            raise
        if made:
            inherited = os.fstat(handle).st_mode & stat.S_ISGID
            os.fchmod(handle, inherited | 0o700 | self._group(0o050))
        return OpenFolder(handle)

    def _group(self, bits: int) -> int:
        """Of these rights those the folder's group has here; none where everybody may write."""
        mode = os.fstat(self._handle).st_mode
        return 0 if mode & stat.S_IWOTH else mode & bits

    # --- what lies there ---

    def modified_ns(self) -> int:
        """When a name was last added to or taken from the folder."""
        return os.fstat(self._handle).st_mtime_ns

    def names(self) -> list[bytes]:
        """The names of all that lies in it, sorted."""
        return sorted(self.nodes())

    def nodes(self) -> dict[bytes, int]:
        """Name → inode of all that lies in it: a file that was replaced has another one."""
        with os.scandir(self._handle) as entries:
            return {os.fsencode(entry.name): entry.inode() for entry in entries}

    def folders(self) -> list[bytes]:
        """The names of the folders in it, sorted; a link is none."""
        with os.scandir(self._handle) as entries:
            found = [each.name for each in entries if each.is_dir(follow_symlinks=False)]
        return sorted(map(os.fsencode, found))

    def has(self, name: str | bytes) -> bool:
        """Whether anything bears this name, a link that leads nowhere too."""
        try:
            self._look(_checked(name))
        except FileNotFoundError:
            return False
        return True

    def look(self, name: str | bytes) -> FileMark:
        """Attributes of any entry with this name."""
        return _mark(self._look(_checked(name)))

    def mark(self, name: str | bytes) -> FileMark:
        """Attributes of a file of others; raises `NotPlainError` for anything else."""
        return _mark(_plain(self._look(_checked(name)), is_others=True))

    def _look(self, name: bytes) -> os.stat_result:
        return os.stat(name, dir_fd=self._handle, follow_symlinks=False)

    @contextmanager
    def opened(self, name: str | bytes, *, is_others: bool = True) -> Iterator[PlainFile]:
        """Open a regular file, one of others' with a single name; else raises `NotPlainError`.

        It is looked at before, since opening a device may do something, and after, since another
        may have been put in its place meanwhile.
        """
        octets = _checked(name)
        _plain(self._look(octets), is_others=is_others)
        try:
            handle = os.open(octets, _READ, dir_fd=self._handle)
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENXIO}:
                raise NotPlainError(error.errno, "a link or a socket") from error
            raise
        with os.fdopen(handle, "rb") as file:
            yield PlainFile(file, _mark(_plain(os.fstat(handle), is_others=is_others)))

    def read(self, name: str | bytes, largest: int, *, is_others: bool = True) -> bytes | None:
        """A file's bytes; None when it is larger. Raises as `opened`."""
        with self.opened(name, is_others=is_others) as found:
            content = found.file.read(largest + 1) if found.mark.size <= largest else b""
            return content if found.mark.size <= largest and len(content) <= largest else None

    def walk(self, depth: int = DEEPEST) -> Iterator[tuple[bytes, ...]]:
        """Yield the way to everything below that is not a folder, in order; links are not followed.

        A folder too deep to be made by any program of ours represents all that lies in it.
        """
        with os.scandir(self._handle) as entries:
            found = [(os.fsencode(e.name), e.is_dir(follow_symlinks=False)) for e in entries]
        for name, is_folder in sorted(found):
            if not is_folder or not depth:
                yield (name,)
                continue
            with suppress(FileNotFoundError, NotPlainError), self.below(name) as deeper:
                for rest in deeper.walk(depth - 1):
                    yield (name, *rest)

    # --- what we put there ---

    def create(self, name: str | bytes, mode: int = 0o640) -> BinaryIO:
        """Make a file of our own that was not there; `mode` may take rights away."""
        handle = os.open(_checked(name), _NEW, 0o600, dir_fd=self._handle)
        try:
            os.fchmod(handle, (0o600 | self._group(0o040)) & mode)
            return os.fdopen(handle, "wb")
        except BaseException:
            os.close(handle)
            raise

    def keep(self, name: str | bytes) -> int:
        """Open a file of our own to read and write, made where it is not there; returns a handle.

        Raises `NotPlainError` for anything that is not a file.
        """
        octets = _checked(name)
        with suppress(FileExistsError):
            self.create(octets).close()
        _plain(self._look(octets), is_others=False)
        return os.open(octets, _KEPT, dir_fd=self._handle)

    @contextmanager
    def _parted(self, *, durable: bool) -> Iterator[tuple[bytes, BinaryIO]]:
        """A temporary file to write, with its name. On any failure nothing is left."""
        name = b".hub-%s.part" % secrets.token_hex(8).encode()
        try:
            with self.create(name) as file:
                yield name, file
                file.flush()
                if durable:
                    os.fsync(file.fileno())
        except BaseException:
            self.remove(name)
            raise

    def part(self, content: bytes, *, durable: bool = True) -> bytes:
        """Write a temporary file; returns its name. On any failure nothing is left."""
        with self._parted(durable=durable) as (name, file):
            file.write(content)
        return name

    def finish(self, part: bytes, name: str | bytes, *, durable: bool = True) -> None:
        """Give a temporary file its name; what bore it before, a link too, is gone."""
        os.rename(part, _checked(name), src_dir_fd=self._handle, dst_dir_fd=self._handle)
        if durable:
            os.fsync(self._handle)

    @contextmanager
    def writing(self, name: str | bytes, *, durable: bool = True) -> Iterator[BinaryIO]:
        """Write a file piece by piece; it is put in place at the end, and on a failure not at all.

        Not `durable`: a power cut may leave it empty; for content that can be had elsewhere, too.
        """
        with self._parted(durable=durable) as (part, file):
            yield file
        try:
            self.finish(part, name, durable=durable)
        except BaseException:
            self.remove(part)
            raise

    def replace(self, name: str | bytes, content: bytes, *, durable: bool = True) -> None:
        """Put a whole file in place at once, as `writing`: it is never seen half written."""
        with self.writing(name, durable=durable) as file:
            file.write(content)

    def move(self, name: str | bytes, to: OpenFolder) -> None:
        """Move what bears a name into another folder of the same disk, durably."""
        octets = _checked(name)
        os.rename(octets, octets, src_dir_fd=self._handle, dst_dir_fd=to._handle)
        os.fsync(to._handle)

    def remove(self, name: str | bytes) -> None:
        """Take a file or link away, if it is there."""
        with suppress(FileNotFoundError):
            os.unlink(_checked(name), dir_fd=self._handle)

    def sweep(self, older_seconds: float = _LEFT_SECONDS) -> None:
        """Take away temporary files that a process of ours left when it was killed."""
        for name in self.names():
            with suppress(FileNotFoundError):
                is_part = _PART.fullmatch(name) is not None
                if is_part and time.time() - self._look(name).st_mtime >= older_seconds:
                    self.remove(name)


def _mark(told: os.stat_result) -> FileMark:
    return FileMark(told.st_size, told.st_mtime_ns, told.st_ino)


def _plain(told: os.stat_result, *, is_others: bool) -> os.stat_result:
    if not stat.S_ISREG(told.st_mode):
        raise NotPlainError(errno.ELOOP, "no regular file")
    if is_others and told.st_nlink > 1:
        raise NotPlainError(errno.EMLINK, "a file with a second name")
    return told


def open_folder(path: Path, *, make: bool = False) -> OpenFolder:
    """Open a folder the operator named, links on the way to it and all; `make` what is missing."""
    try:
        return OpenFolder(os.open(path, _FOLDER))
    except FileNotFoundError:
        if not make or path.is_symlink():
            raise
    with open_folder(path.parent, make=True) as above:
        return above.below(path.name, make=True)


# --- single files of our own -----------------------------------------------------------------


def own_folder(path: Path) -> None:
    """Make a folder of the hub's own with all above it. Raises `OSError`, also for a link."""
    with open_folder(path.parent, make=True) as above:
        above.below(path.name, make=True).close()


def replace_file(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Put a small file of our own in place, whole; its folder is there. Raises `OSError`."""
    with open_folder(path.parent) as folder:
        folder.replace(path.name, content, durable=durable)


def create_file(path: Path) -> BinaryIO:
    """Make a file of our own that was not there, with the folders above it. Raises `OSError`."""
    with open_folder(path.parent, make=True) as folder:
        return folder.create(path.name)


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file in a folder the operator named. Raises `OSError`, `NotPlainError` for a link."""
    with open_folder(path.parent) as folder, folder.opened(path.name, is_others=False) as found:
        yield found.file


def read_file(path: Path, largest: int) -> bytes:
    """A small file of our own. Raises `OSError`, also for a link, a pipe, or more octets."""
    with open_folder(path.parent) as folder:
        content = folder.read(path.name, largest, is_others=False)
    if content is None:
        raise OSError(errno.EFBIG, f"more than {largest} octets")
    return content


def read_of_each(folder: Path, name: str, largest: int) -> Iterator[tuple[str, bytes]]:
    """Each folder in a folder of our own, by name, with what its file of this name holds.

    A file that cannot be read, or not without following a link, is left out.
    """
    with suppress(OSError), open_folder(folder) as home:
        for each in home.folders():
            with suppress(OSError), home.below(each) as below:
                content = below.read(name, largest, is_others=False)
                if content is not None:
                    yield readable(each), content


def own_book(path: Path) -> Path:
    """Make folder and file of a book of ours before SQLite does, which would ask the umask.

    Raises `UnavailableError` where the disk refuses, or where the book is a link to elsewhere.
    """
    try:
        own_folder(path.parent)
        with open_folder(path.parent) as folder:
            os.close(folder.keep(path.name))
    except OSError as error:
        raise UnavailableError(
            f"状态目录中的账簿无法读写：{path}：{error.strerror}\n"
            f"a book in the state folder cannot be read or written: {path}: {error.strerror}\n"
            "处理办法：检查空间与权限；若是链接，将其移走后重启\n"
            "Remedy: space and permissions; where it is a link, move that away and start again"
        ) from error
    return path
