"""Events of reading from Kafka, to be counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class InputAge(NamedTuple):
    """How long the oldest input has waited that a worker has not dealt with yet; real time."""

    seconds: float
    """0 when everything was read."""


class RecordsUnreadable(NamedTuple):
    """Records set aside because they cannot be read, by topic; 0 lets a series begin."""

    counts: Mapping[str, int]


ReadEvent = InputAge | RecordsUnreadable

Report = Callable[[ReadEvent], None]
"""Receives every event."""
