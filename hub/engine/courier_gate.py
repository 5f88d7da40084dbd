"""How many requests a platform gets at once: all, one to try, or none while it rests.

A platform that says 429 or 503, or cannot be reached, rests as a whole. One that fails again and
again without saying why (time-outs, 500) is rested too: a breaker. After the rest one request
tries; its success opens the gate again.
"""

from __future__ import annotations

from typing import Final, Literal

from hub.domain.backoff import backoff
from hub.targets.delivery import Retry, Unknown, Verdict

_FAILURES_TO_BREAK: Final = 10
_FIRST_REST_SECONDS: Final = 0.25
_LONGEST_REST_SECONDS: Final = 30.0

State = Literal["closed", "half-open", "open"]
"""As of a circuit breaker: closed lets everything through."""


class CircuitBreaker:
    """The breaker and the pauses of one target; engine seconds."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._failures = 0
        self._rests = 0
        self._rest_until = 0.0
        self._is_half_open = False

    def state(self, now: float) -> State:
        """Return what the breaker does now."""
        if now < self._rest_until:
            return "open"
        return "half-open" if self._is_half_open else "closed"

    def width(self, now: float) -> int:
        """Return how many requests may be on their way now."""
        return {"open": 0, "half-open": 1, "closed": self._concurrency}[self.state(now)]

    def next_change(self) -> float:
        """Return when a rest ends."""
        return self._rest_until

    def note(self, verdict: Verdict, now: float) -> None:
        """Learn from one answer."""
        match verdict:
            case Retry(is_whole_target=True, after_seconds=after):
                self._rest(now, after)
            case Retry() | Unknown():
                self._failures += 1
                if self._failures >= _FAILURES_TO_BREAK or self._is_half_open:
                    self._rest(now, None)
            case _:
                self._failures = 0
                if now >= self._rest_until:
                    self._is_half_open = False
                    self._rests = 0

    def _rest(self, now: float, after: float | None) -> None:
        """Rest; answers to requests sent before the rest prolong it only if they say how long."""
        if now >= self._rest_until:
            self._rests += 1
        own = backoff(_FIRST_REST_SECONDS, self._rests - 1, _LONGEST_REST_SECONDS)
        if after is not None:
            self._rest_until = max(self._rest_until, now + after)
        elif now >= self._rest_until:
            self._rest_until = now + own
        self._is_half_open = True
        self._failures = 0
