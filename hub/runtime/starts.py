"""When a worker was started lately: a process that dies at once has no memory of the one before.

Its supervisor starts it again, and each time it would be well for a moment. A worker that
ends because it was asked to starts from zero.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from hub.io.paths import own_folder, read_file, replace_file
from hub.runtime.metrics import REPEATS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hub.runtime.metrics import Health

FILE: Final = "starts.json"
_LARGEST: Final = 4096
"""Octets; ours has some times in it."""


def note_start(health: Health, folder: Path, wall: Callable[[], float] = time.time) -> None:
    """Note that a worker with this state folder starts now; its health knows the last ones.

    A file that cannot be read or written is ignored: the worker itself reports its disk.
    """
    now = wall()
    starts = [now]
    with suppress(OSError, ValueError, TypeError, OverflowError, RecursionError):
        earlier = json.loads(read_file(folder / FILE, _LARGEST))
        starts = [*(at for at in map(float, earlier) if at <= now), now][-REPEATS:]
    _keep(folder, starts)
    for at in starts:
        health.restarted(now - at)


def forget_starts(folder: Path) -> None:
    """It was asked to end and did."""
    _keep(folder, [])


def _keep(folder: Path, starts: list[float]) -> None:
    with suppress(OSError):
        own_folder(folder)
        replace_file(folder / FILE, json.dumps(starts).encode(), durable=False)
