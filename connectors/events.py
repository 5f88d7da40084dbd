"""Events of a connector, to be counted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from hub.adapters.kafka.events import RecordsUnreadable


class Polled(NamedTuple):
    """The source was asked for more."""

    has_more: bool


class RowsSubmitted(NamedTuple):
    """Rows that were committed, by kind."""

    counts: Mapping[str, int]


FileResult = Literal["read", "unreadable"]


class FileFinished(NamedTuple):
    """A file is at its end."""

    result: FileResult


class TableCompared(NamedTuple):
    """Rows that the last comparison found: gone from the table, and not submitted."""

    vanished: int
    missed: int


Event = Polled | RowsSubmitted | FileFinished | TableCompared | RecordsUnreadable

Report = Callable[[Event], None]
"""Receives every event."""
