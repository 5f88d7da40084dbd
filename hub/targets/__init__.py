"""Requests to platforms and the meaning of their answers, one module per kind of target. Pure.

A kind is a module here with its `TargetProtocol`, an adapter that sends the requests (`Platform` in
`hub/engine/drive.py`), and one line in `TARGET_KINDS` of `hub/workers/carriers.py`. A kind reached
by topic has no protocol: its deliveries are produced in the transaction of their intents.
"""

from typing import Protocol, TypeVar

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
