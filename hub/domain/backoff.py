"""Waiting longer after each failure in a row. Pure: the caller sleeps."""

from typing import Final

_STEPS: Final = 60
"""Beyond it no wait of ours still grows; a float would overflow at the 1,024th doubling."""


def backoff(first: float, times: int, longest: float, *, growth: float = 2.0) -> float:
    """Return the seconds to wait: `first`, then `growth` times as long each time, to `longest`.

    `times` counts the waits before this one, from 0, without bound.
    """
    return min(first * growth ** min(times, _STEPS), longest)
