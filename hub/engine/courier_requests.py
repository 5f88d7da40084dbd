"""What the courier asks of the world besides what every slot asks (see `requests.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from hub.engine.courier_book import How
    from hub.targets.http import Answer, Call, NoAnswer


class Seconds(NamedTuple):
    """Reply: engine time, monotonic seconds."""


class Launch(NamedTuple):
    """Send these requests to the platform, all at once, without waiting. Reply: None."""

    calls: list[tuple[How, Call]]


class Collect(NamedTuple):
    """Reply: list of `Landed`, everything that was answered or given up since the last time."""


class Abandon(NamedTuple):
    """Forget every request on its way; its answer is not wanted any more. Reply: None."""


class Landed(NamedTuple):
    """The end of one request."""

    delivery: str
    how: How
    reply: Answer | NoAnswer


CourierRequest = Seconds | Launch | Collect | Abandon
