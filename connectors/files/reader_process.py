"""The process in which departments' files are read: a server that forks a confined child for each.

`python -m connectors.files.reader_process SOCKET`, started by `connectors/files/reader.py`. It
has loaded the libraries once, has one thread, holds no secret and no connection, and ends when its
parent does.
A message on the socket brings three files: the content behind a line of JSON (the words of its
header), an empty one for the rows, and the end of a pipe. A keeper forks the child that reads,
waits for it and writes its exit status into the pipe: minus the signal where one killed it.
"""

import errno
import json
import os
import signal
import socket
import sys
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

from connectors.files import spreadsheet  # noqa: F401 - loaded here once, not in each child
from connectors.files.confined import ExitStatus, confine, die_with
from connectors.files.formats import REFUSALS, read_rows
from connectors.files.row_frames import write_rows
from connectors.layout import words_of
from connectors.tables import SourceRow, cut_to_size

_WARM: Final = "甲,乙\n1,2\n".encode("gb18030")


class _RefusedError(Exception):
    """The file is refused as a whole; `row` says why."""

    def __init__(self, row: SourceRow) -> None:
        super().__init__(row.fault)
        self.row = row


def main(arguments: list[str]) -> None:
    """Serve until the parent closes the socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's, meant for the parent
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are not waited for
    list(read_rows(_WARM, lambda cells: "甲" in cells))  # codecs are loaded at their first use
    server = os.getpid()
    with socket.socket(fileno=int(arguments[0])) as control:
        while True:
            message, files, _, _ = socket.recv_fds(control, 1, 3)
            if not message:
                return
            if os.fork() == 0:
                control.close()
                die_with(server)
                _keep(*files)
            for each in files:
                os.close(each)


def _keep(content: int, rows: int, report: int) -> None:
    """Let a child read the file and tell how it ended; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    keeper = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(report)
        die_with(keeper)
        os._exit(_read(content, rows))
    _, status = os.waitpid(child, 0)
    os.write(report, b"%d" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def _read(content: int, rows: int) -> int:
    """Read the file within the limits; return the exit status."""
    for standard in (1, 2):  # a library's complaint would quote the file
        os.dup2(0, standard)
    try:
        confine()
        with open(content, "rb") as source, open(rows, "wb") as out:
            words = words_of(json.loads(source.readline()))
            _write(read_rows(source.read(), words.knows), out)
    except MemoryError:
        return ExitStatus.NO_MEMORY
    except OSError as error:
        return ExitStatus.TOO_MUCH_OUTPUT if error.errno == errno.EFBIG else 1
    return ExitStatus.WHOLE


def _write(rows: Iterable[SourceRow], out: BinaryIO) -> None:
    """Write the rows, or in place of them all the one that refuses the file."""
    try:
        write_rows(_or_refused(rows), out)
    except _RefusedError as refused:
        out.seek(0)
        out.truncate()
        write_rows((refused.row,), out)


def _or_refused(rows: Iterable[SourceRow]) -> Iterator[SourceRow]:
    for row in rows:
        if row.fault in REFUSALS:
            raise _RefusedError(row)
        yield cut_to_size(row)


if __name__ == "__main__":
    main(sys.argv[1:])
