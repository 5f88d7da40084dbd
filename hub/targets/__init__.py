"""What the platforms of each kind are told and what their answers mean, one file per kind. Pure.

A kind is a module here that holds its `Language`, an adapter that carries the calls (`Platform` in
`hub/workers/carriers.py`), and one line in `CARRIERS` there. A kind reached by topic has no
language: its deliveries leave in the transaction of their intents.
"""

from typing import Protocol, TypeVar

from hub.targets.delivery import Delivery, Expected, Verdict


class Call(Protocol):
    """What an adapter carries to a platform: a request, a row, a line of a file."""

    @property
    def delivery(self) -> str:
        """The delivery it speaks of."""


CallT_co = TypeVar("CallT_co", bound=Call, covariant=True)
ReplyT_contra = TypeVar("ReplyT_contra", contravariant=True)


class Language(Protocol[CallT_co, ReplyT_contra]):
    """How one kind of platform is spoken to; knows the target's settings, does no I/O."""

    def send_call(self, delivery: Delivery) -> CallT_co:
        """Return what publishes or withdraws a record; the same for every attempt."""

    def ask_call(self, asked: Expected) -> CallT_co:
        """Return what asks after a delivery that left; it changes nothing."""

    def judge_send(self, reply: ReplyT_contra, expected: Expected) -> Verdict:
        """Say what came of a `send_call`."""

    def judge_ask(self, reply: ReplyT_contra, expected: Expected) -> Verdict:
        """Say what came of an `ask_call`, or what the platform said unasked."""
