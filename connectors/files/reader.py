"""A department's file read in a process of its own, so that nothing it holds can hurt this one.

Files are read whole before their first row is submitted: a file that takes too much is refused as a
whole, by one row that says why, and no row of it is on its way. A child is forked for each file
from a server that has loaded the libraries: about 10 ms, where a fresh interpreter takes 400 ms,
and no file meets what another one left behind.
"""

import json
import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from connectors.files.confined import WALL_SECONDS, ExitStatus
from connectors.files.row_frames import read_rows_back
from connectors.layout import HeaderWords
from connectors.tables import SourceRow
from hub.errors import UnavailableError

_ROOT: Final = Path(__file__).parents[2]
_ATTEMPTS: Final = 2
"""One child killed from outside does not condemn its file; falling over twice does."""
_GRACE_SECONDS: Final = 30
_HELD_BYTES: Final = 16 * 1024 * 1024
_LIMITS: Final = {
    ExitStatus.NO_MEMORY: "FILE_TOO_COSTLY",
    -signal.SIGXCPU: "FILE_TOO_COSTLY",
    -signal.SIGALRM: "FILE_TOO_COSTLY",
    ExitStatus.TOO_MUCH_OUTPUT: "FILE_TOO_LARGE",
}
"""Meaning of a kernel limit for the file."""


class _RowsRead:
    """Rows as a child wrote them, in memory that has no name; may be gone through again."""

    def __init__(self, rows: int) -> None:
        self._written = mmap.mmap(rows, 0, prot=mmap.PROT_READ)

    def __iter__(self) -> Iterator[SourceRow]:
        self._written.seek(0)
        return read_rows_back(self._lines())

    def _lines(self) -> Iterator[bytes]:
        """The lines; pages that were read are given back, they would count as this process's."""
        given_back = 0
        while line := self._written.readline():
            yield line
            if self._written.tell() - given_back > _HELD_BYTES:
                given_back = self._written.tell()
                self._written.madvise(mmap.MADV_DONTNEED)


class ReaderProcess:
    """The server from which the reading children are forked; started when first needed."""

    def __init__(self, module: str = "connectors.files.reader_process") -> None:
        """Take the module that serves; a test has one of its own, with libraries that misbehave."""
        self._module = module
        self._lock = threading.Lock()
        self._control: socket.socket | None = None
        self._server: subprocess.Popen[bytes] | None = None

    def rows(self, content: bytes, words: HeaderWords) -> Iterable[SourceRow]:
        """Return every row of the file in order; never raises for what the file holds.

        A file that cannot be read, or takes more than a table may, is one row: sheet 0, row 0, with
        the reason code. Raises `UnavailableError` when no process can be started.
        """
        code = "FILE_BROKEN"
        for _ in range(_ATTEMPTS):
            rows = os.memfd_create("rows")
            try:
                ending = self._read(content, words, rows)
                if ending == ExitStatus.WHOLE:
                    return _RowsRead(rows)
            finally:
                os.close(rows)
            if ending in _LIMITS:
                code = _LIMITS[ending]
                break
        return (SourceRow(0, 0, (), (), code),)

    def close(self) -> None:
        """End the server; the next file starts another."""
        with self._lock:
            self._end()

    def _read(self, content: bytes, words: HeaderWords, rows: int) -> int | None:
        """Let a child read the content; returns its exit status, or None when it left none."""
        with open(os.memfd_create("file"), "wb") as file:  # noqa: PTH123 - it has no path
            file.write(json.dumps(words.as_json(), ensure_ascii=False).encode() + b"\n")
            file.write(content)
            file.seek(0)
            listening, telling = os.pipe()
            try:
                try:
                    self._ask([file.fileno(), rows, telling])
                finally:
                    os.close(telling)
                ready, _, _ = select.select([listening], [], [], WALL_SECONDS + _GRACE_SECONDS)
                said = os.read(listening, 16) if ready else b""
            finally:
                os.close(listening)
        return int(said) if said else None

    def _ask(self, files: list[int]) -> None:
        with self._lock:
            for _ in range(_ATTEMPTS):
                control = self._control or self._start()
                try:
                    socket.send_fds(control, [b"r"], files)
                except OSError:
                    self._end()
                else:
                    return
        raise UnavailableError(
            "读取文件的子进程无法启动；内存或进程数不足时会自动重试\n"
            "the process that reads files cannot be started; tried again by itself"
        )

    def _start(self) -> socket.socket:
        control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            try:
                self._server = subprocess.Popen(  # noqa: S603 - this program, on a module of ours
                    [sys.executable, "-s", "-m", self._module, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env={"PYTHONPATH": str(_ROOT), "LANG": "C.UTF-8"},  # none of our secrets
                )
            except OSError as error:
                control.close()
                raise UnavailableError(
                    f"读取文件的子进程无法启动：{error.strerror}\n"
                    f"the process that reads files cannot be started: {error.strerror}"
                ) from None
        self._control = control
        return control

    def _end(self) -> None:
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._server is not None:
            self._server.kill()
            self._server.wait()
            self._server = None


READER: Final = ReaderProcess()
"""That of this process."""
