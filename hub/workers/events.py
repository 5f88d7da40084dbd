"""Events of the followers of the ledger, to be counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from hub.adapters.kafka.events import ReadEvent
from hub.engine.events import ClockBelieved, ClockUnconfirmed

if TYPE_CHECKING:
    from collections.abc import Mapping


class Stepped(NamedTuple):
    """A step has ended."""

    done: int
    """Records read, or facts submitted; 0 when there was nothing to do."""


class Restarted(NamedTuple):
    """A service was away, and the follower begins again."""


FollowerEvent = Stepped | Restarted | ReadEvent
"""Of every follower."""


class ReceiptCount(NamedTuple):
    """Receipts that are counted together."""

    department: str
    outcome: str
    """Or `reminded`."""


class ReceiptsSent(NamedTuple):
    """Receipts that are on the broker."""

    counts: Mapping[ReceiptCount, int]


class NumbersReused(NamedTuple):
    """Submissions whose number came with other content, by department."""

    counts: Mapping[str, int]


ReceiptsEvent = FollowerEvent | ReceiptsSent | NumbersReused


class NoticesWritten(NamedTuple):
    """Notices that are on the broker, by their event."""

    counts: Mapping[str, int]


NoticesEvent = FollowerEvent | NoticesWritten | ClockUnconfirmed | ClockBelieved

ReceiptsReport = Callable[[ReceiptsEvent], None]
NoticesReport = Callable[[NoticesEvent], None]
