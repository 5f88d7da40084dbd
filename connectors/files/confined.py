"""Limits of a process that reads a department's file; the kernel enforces them.

The readers count rows and cells themselves (`connectors/tables.py`). These limits are for what no
count foresees: a library that loops, an archive that swells, a parser that falls over.
"""

import ctypes
import os
import resource
import signal
from enum import IntEnum
from typing import Final

CPU_SECONDS: Final = 180
"""Of one file. The largest within budget, 5,000,000 cells of a workbook, takes half of it."""
WALL_SECONDS: Final = 900
"""The same by the clock, on a machine that is busy with others; the child only computes."""
MEMORY_BYTES: Final = 768 * 1024 * 1024
"""Address space. A text of 64 MB with an emoji in it takes half, a workbook much less."""
OUTPUT_BYTES: Final = 384 * 1024 * 1024
"""Rows as written for the parent: `MAX_CHARACTERS` of text, three octets each, doubled."""
OPEN_FILES: Final = 16
_NICENESS: Final = 5
"""Reading gives way to what has read already."""
_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None)


class ExitStatus(IntEnum):
    """Exit statuses of a reading child."""

    WHOLE = 0
    NO_MEMORY = 3
    TOO_MUCH_OUTPUT = 4


def die_with(parent: int) -> None:
    """Let this process be killed when its parent ends, also when that was a moment ago."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def confine() -> None:
    """Take on the limits, for good: no core, no further process, nothing on the terminal."""
    for limit, wanted in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, OUTPUT_BYTES),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CPU, CPU_SECONDS),
    ):
        _, hard = resource.getrlimit(limit)
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        # SIGXCPU at the first of the two, which tells what happened; SIGKILL at the second
        grace = 5 if limit == resource.RLIMIT_CPU else 0
        resource.setrlimit(limit, (most, most + grace))
    signal.alarm(WALL_SECONDS)
    os.nice(_NICENESS)
