"""The formats a platform wants, one file per kind. Pure.

To add a kind: one file here that renders a `Delivery` and turns an answer into a `Verdict`, its
line in `TARGETS`, its name in `hub/site.py`; an adapter and a case in `hub/workers/courier.py` when
it is reached by neither HTTP nor topic.
"""

from typing import Final, NamedTuple

from hub.targets import http, kafka


class TargetFormat(NamedTuple):
    """A kind of target and the module that speaks its language."""

    kind: str
    module: str
    can_ask: bool
    """Whether the platform can be asked about a delivery; otherwise it is sent again, same id."""


TARGETS: Final[tuple[TargetFormat, ...]] = (
    TargetFormat("http", http.__name__, can_ask=True),
    TargetFormat("kafka", kafka.__name__, can_ask=False),
)
"""Every kind of target the hub can deliver to."""
