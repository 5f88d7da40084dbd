"""What the courier asks of the world besides what every slot asks (see `requests.py`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from hub.engine.courier_book import How
    from hub.targets import Call


class Seconds(NamedTuple):
    """Reply: engine time, monotonic seconds."""


class Launch(NamedTuple):
    """Send these calls to the platform, all at once, without waiting. Reply: None."""

    calls: list[tuple[How, Call]]
    """Of the kind's own `Language`; only its adapter looks inside."""


class Collect(NamedTuple):
    """Reply: list of `Landed`, all that was answered, given up or said unasked since last time."""


class Abandon(NamedTuple):
    """Forget every request on its way; its answer is not wanted any more. Reply: None."""


class Landed(NamedTuple):
    """The end of one call, or (`answer`) what the platform said of a delivery by itself."""

    delivery: str
    how: How
    reply: Any
    """Of the kind's own `Language`, which alone understands it."""


CourierRequest = Seconds | Launch | Collect | Abandon
