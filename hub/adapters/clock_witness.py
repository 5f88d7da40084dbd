"""Keep what a machine knows of the time: when its clock was last believed, who confirmed it.

A worker keeps `clock-seen` in its own state folder. A person's confirmations stand one folder
above, for all workers of the site on this machine, one line each and none ever taken away; the last
one counts. Neither needs a broker.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.adapters.clocks import real_ms
from hub.errors import ConfigurationError
from hub.io.paths import open_file, open_folder, read_file, read_of_each, replace_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hub.adapters.clocks import FileBusinessClock, RealBusinessClock
    from hub.ports import ClockEvidence

SEEN: Final = "clock-seen"
CONFIRMATIONS: Final = "clock-confirmed.jsonl"
_NOTE_SECONDS: Final = 60.0
_LONGEST_TIME: Final = 32
"""Octets of a file that holds a time."""
_TAIL: Final = 1 << 16
"""Octets at the end of the confirmations among which the last is looked for."""
_log = logging.getLogger("hub.clock")


class Confirmation(NamedTuple):
    """A person has said that the clock was right when it showed this."""

    confirmed_ms: int
    """Real milliseconds since the epoch."""
    by: str
    reason: str


class FolderWitness:
    """Keeps the time in a worker's state folder; see `hub.ports.ClockWitness`."""

    def __init__(
        self,
        folder: Path,
        clock: RealBusinessClock | FileBusinessClock,
        wall_ms: Callable[[], int] = real_ms,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seen_file = folder / SEEN
        self._confirmations = folder.parent / CONFIRMATIONS
        self._clock, self._wall_ms, self._seconds = clock, wall_ms, seconds
        self._noted_at = -_NOTE_SECONDS
        self._said: Confirmation | None = None

    def evidence(self) -> ClockEvidence:
        """Return the clock's time, and the latest that this machine noted or a person confirmed."""
        evidence = self._clock.evidence()
        seen = last_seen(self._seen_file)
        confirmed = self._last_confirmation()
        if confirmed is not None and confirmed.confirmed_ms > seen and confirmed != self._said:
            self._said = confirmed
            said = f"{confirmed.by}: {confirmed.reason}"
            _log.warning("a person has confirmed this machine's clock", extra={"reason": said})
        known = max(evidence.written, seen, confirmed.confirmed_ms if confirmed else 0)
        return evidence._replace(written=known)

    def note(self) -> None:
        """Write down what the clock shows, once a minute; the file never goes back.

        A disk that refuses does not stop the worker: the ledger is a second witness.
        """
        if self._seconds() - self._noted_at < _NOTE_SECONDS:
            return
        self._noted_at = self._seconds()
        shown = self._wall_ms()
        if shown <= last_seen(self._seen_file):
            return
        try:
            replace_file(self._seen_file, b"%d\n" % shown)
        except OSError as error:
            _log.warning("the time cannot be written down", extra={"reason": str(error)})

    def _last_confirmation(self) -> Confirmation | None:
        try:
            return last_confirmation(self._confirmations)
        except OSError as error:
            _log.warning("the confirmations cannot be read", extra={"reason": str(error)})
            return None


def last_seen(file: Path) -> int:
    """Time of a worker's clock when it was last believed; 0 where no file says so."""
    with suppress(OSError, ValueError):
        return int(read_file(file, _LONGEST_TIME))
    return 0


def last_seen_by_any(workers: Path) -> int:
    """The latest such time of all workers whose folders lie in this one."""
    latest = 0
    for _, content in read_of_each(workers, SEEN, _LONGEST_TIME):
        with suppress(ValueError):
            latest = max(latest, int(content))
    return latest


def last_confirmation(file: Path) -> Confirmation | None:
    """The last whole line of a file of confirmations. Raises `OSError` when it cannot be read."""
    with suppress(FileNotFoundError), open_file(file) as stored:
        stored.seek(max(0, stored.seek(0, os.SEEK_END) - _TAIL))
        for line in reversed(stored.read(_TAIL).decode("utf-8", "replace").splitlines()):
            with suppress(ValueError, KeyError, TypeError):
                said = json.loads(line)
                return Confirmation(int(said["confirmed_ms"]), str(said["by"]), str(said["reason"]))
    return None


def confirm(site_folder: Path, confirmation: Confirmation) -> Path:
    """Add a confirmation for the workers whose state folders lie in `site_folder`.

    Returns the file. Raises `ConfigurationError` where no worker has ever run, or where it cannot
    be written.
    """
    if not site_folder.is_dir():
        raise ConfigurationError(
            "这里没有该站点工作进程的状态目录",
            "no worker of this site has its state folder here",
            remedy_zh="在登记进程所在的机器或容器里执行，HUB_STATE 与它相同",
            remedy_en="run this on the registrar's machine or in its container, with its HUB_STATE",
            file=str(site_folder),
        )
    file = site_folder / CONFIRMATIONS
    line = json.dumps(confirmation._asdict(), ensure_ascii=False)
    try:
        with open_folder(site_folder) as home:
            handle = home.keep(CONFIRMATIONS)
        with os.fdopen(handle, "w", encoding="utf-8") as stored:
            fcntl.fcntl(stored, fcntl.F_SETFL, os.O_APPEND)
            stored.write(f"\n{line}\n")  # what stands before may have been torn
            stored.flush()
            os.fsync(stored.fileno())
            with suppress(PermissionError):
                os.fchmod(stored.fileno(), 0o644)
    except OSError as error:
        raise ConfigurationError(
            "无法写下对时钟的确认",
            f"the confirmation cannot be written: {error}",
            remedy_zh="以状态目录所有者的身份执行，检查磁盘空间",
            remedy_en="run as the owner of the state folder; check the disk's space",
            file=str(file),
        ) from error
    return file
