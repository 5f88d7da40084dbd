"""A reading process whose libraries do what the file says: the kernel's limits are all that hold.

Started by `connectors.files.reader.ReaderProcess` in place of
`connectors.files.reader_process`; the limits are the same, but for two seconds of the processor
and 16 MB of output.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, NoReturn

from connectors.files import confined, reader_process
from connectors.tables import HeaderTest, SourceRow


def greedy_rows(content: bytes, is_header: HeaderTest) -> Iterator[SourceRow]:
    """Yield one row and then do what the content says."""
    assert is_header(("甲",)) in {True, False}
    yield SourceRow(0, 2, ("甲",), ("1",))
    said, _, path = content.partition(b" ")
    if said in DEEDS:
        yield from DEEDS[said](path)


def _spin(_path: bytes) -> NoReturn:
    while True:
        pass


def _sleep(_path: bytes) -> Iterable[SourceRow]:
    time.sleep(3600)
    return ()


def _swell(_path: bytes) -> NoReturn:
    held = [b""]
    while True:
        held.append(b"x" * (1 << 20))


def _write(_path: bytes) -> Iterator[SourceRow]:
    while True:
        yield SourceRow(0, 2, ("甲",), ("x" * (1 << 18),))


def _open(_path: bytes) -> Iterable[SourceRow]:
    held = [os.open("/dev/null", os.O_RDONLY) for _ in range(64)]
    return (SourceRow(0, 3, ("甲",), (str(len(held)),)),)


def _fall(_path: bytes) -> NoReturn:
    os.abort()


def _be_killed_once(path: bytes) -> Iterable[SourceRow]:
    if not Path(os.fsdecode(path)).exists():
        Path(os.fsdecode(path)).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return ()


def _raise(_path: bytes) -> NoReturn:
    raise RuntimeError("row 3 says 330900197503030015")


DEEDS: Final[dict[bytes, Callable[[bytes], Iterable[SourceRow]]]] = {
    b"spin": _spin,
    b"sleep": _sleep,
    b"swell": _swell,
    b"write": _write,
    b"open": _open,
    b"fall": _fall,
    b"kill-once": _be_killed_once,
    b"raise": _raise,
}

if __name__ == "__main__":
    confined.OUTPUT_BYTES = 16 * 1024 * 1024  # type: ignore[misc]
    confined.CPU_SECONDS = 2  # type: ignore[misc] # a limit the test can wait for
    confined.WALL_SECONDS = 4  # type: ignore[misc]
    reader_process.read_rows = greedy_rows  # type: ignore[attr-defined] # what it imports
    reader_process.main(sys.argv[1:])
