"""Both halves of a kind of target: `TargetProtocol`, pure, and `Platform`, which sends requests."""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from hub.targets.delivery import Delivery, Expected, Verdict


class Call(Protocol):
    """Request of an adapter to a platform: an HTTP request, a row, a line of a file."""

    @property
    def delivery(self) -> str:
        """The delivery it is about."""


CallT_co = TypeVar("CallT_co", bound=Call, covariant=True)


ReplyT_contra = TypeVar("ReplyT_contra", contravariant=True)


class TargetProtocol(Protocol[CallT_co, ReplyT_contra]):
    """Protocol of one kind of platform; knows the target's settings, does no I/O."""

    def delivery_request(self, delivery: Delivery) -> CallT_co:
        """Return what publishes or withdraws a record; the same for every attempt."""

    def status_request(self, asked: Expected) -> CallT_co:
        """Return what asks after a delivery that left; it changes nothing."""

    def interpret_response(self, reply: ReplyT_contra, expected: Expected) -> Verdict:
        """Say what came of a `delivery_request`."""

    def interpret_status(self, reply: ReplyT_contra, expected: Expected) -> Verdict:
        """Say what came of an `status_request`, or what the platform said unasked."""


How = Literal["send", "ask", "poll", "answer"]
"""`send` carries the record; `ask` and `poll` ask about a delivery of unknown fate, or one that was
taken in; `answer` is what the platform says without a request of its own."""


class CallResult(NamedTuple):
    """The end of one call, or (`answer`) what the platform said of a delivery by itself."""

    delivery: str
    how: How
    reply: Any
    """Of the kind's own `TargetProtocol`, which alone understands it."""


CallT_contra = TypeVar("CallT_contra", bound=Call, contravariant=True)


class Platform(Protocol[CallT_contra]):
    """Sends calls to a platform; called from one thread, and never waits."""

    def submit(self, calls: Iterable[tuple[How, CallT_contra]]) -> None:
        """Let the calls leave."""

    def poll(self) -> list[CallResult]:
        """Return what has ended since the last time, and what the platform said unasked."""

    def cancel_all(self) -> None:
        """Forget what is on its way; it is not collected any more."""

    def close(self) -> None:
        """Release connections and threads."""
