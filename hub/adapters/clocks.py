"""The two clocks: business time (deadlines; may be accelerated) and engine time (always real)."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from hub.io.paths import replace_file
from hub.io.typed_yaml import StrictModel, read_typed
from hub.ports import ClockEvidence

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hub.config.site import LoadedSite


JUMP_SECONDS = 60.0
"""How far the wall clock may run ahead of the time since boot before deadlines are held."""


def real_ms() -> int:
    """Return the machine's time, milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


class WallWatch:
    """Compares the wall clock with CLOCK_BOOTTIME, which no one can set and sleep does not stop."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        passed: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    ) -> None:
        self._wall, self._passed = wall, passed
        self.begin()

    def begin(self) -> None:
        """Measure from what the wall clock shows now."""
        self._offset = self._wall() - self._passed()

    def has_jumped(self) -> bool:
        """Whether the wall clock is more than `JUMP_SECONDS` ahead of where it should be."""
        return self._wall() - self._passed() - self._offset > JUMP_SECONDS


class RealBusinessClock:
    """Business time is real time."""

    factor = 1.0

    def __init__(self, watch: WallWatch | None = None) -> None:
        self._watch = watch or WallWatch()

    def has_jumped(self) -> bool:
        """Whether the machine's clock ran ahead."""
        return self._watch.has_jumped()

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return real_ms()

    def evidence(self) -> ClockEvidence:
        """Return the clock's time; the stopwatch measures on from here, and it is business time."""
        self._watch.begin()
        return ClockEvidence(real_ms(), 0, is_business=True)


class _Origin(StrictModel):
    """A file of business time; factor 0 stands still."""

    origin_real_ms: int
    origin_business_ms: int
    factor: Annotated[float, Field(ge=0)]


class FileBusinessClock:
    """Business time from one persisted origin and factor, shared by all processes of a test site.

    The file holds `origin_real_ms`, `origin_business_ms` and `factor`; factor 0 is a scripted
    clock that does not move until the file is rewritten.
    """

    def __init__(self, path: Path, watch: WallWatch | None = None) -> None:
        self._path = path
        self._watch = watch or WallWatch()
        self._stamp = -1
        self._origin = (0, 0, 1.0)

    def now(self) -> int:
        """Milliseconds since the epoch. Raises `ConfigurationError` when the file is unreadable."""
        try:
            stamp = self._path.stat().st_mtime_ns
        except OSError:
            stamp = -1  # whoever reads it says why
        if stamp != self._stamp or stamp < 0:
            told = read_typed(self._path, _Origin)
            self._origin = told.origin_real_ms, told.origin_business_ms, told.factor
            self._stamp = stamp
        real, business, factor = self._origin
        return business + int((real_ms() - real) * factor)

    def evidence(self) -> ClockEvidence:
        """Judge an accelerated clock by its origin: business time says nothing of the machine's.

        A scripted clock does not move, at any time of the machine, and is always believed.
        """
        self.now()
        self._watch.begin()
        real, _business, factor = self._origin
        return ClockEvidence(real_ms() if factor else real, real, is_business=False)

    @property
    def factor(self) -> float:
        """Business time per real time, as last read by `now`; 0 for a scripted clock."""
        return self._origin[2]

    def has_jumped(self) -> bool:
        """Whether the machine's clock ran ahead; a rewritten file is an order, not a jump."""
        return self._watch.has_jumped()


def business_clock_of(loaded: LoadedSite) -> RealBusinessClock | FileBusinessClock:
    """The business clock a site asks for."""
    file = loaded.site.business_clock
    return RealBusinessClock() if file is None else FileBusinessClock(loaded.path(file))


def write_business_clock(path: Path, origin_business_ms: int, factor: float) -> None:
    """Start a business clock at a moment, running `factor` times as fast as real time."""
    content = {
        "origin_real_ms": real_ms(),
        "origin_business_ms": origin_business_ms,
        "factor": factor,
    }
    replace_file(path, json.dumps(content).encode())


class SystemEngineClock:
    """Monotonic seconds and sleep."""

    def seconds(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
