"""Platforms that take files from a folder and answer with acknowledgement files.

Questions to the adapter, and the meaning of its replies. A row in a file that lies there complete
is *delivered*, no more: the platform has not answered yet.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, TypeAlias, assert_never

from hub.targets.delivery import (
    RECORD_UNKNOWN,
    Delivered,
    Delivery,
    Expected,
    NeverSeen,
    NotHere,
    Refused,
    Retry,
    Unknown,
    Verdict,
    read_receipt,
)


class Filing(NamedTuple):
    """Write this row into a file of its department, table and action."""

    delivery: str
    row: Delivery


class Question(NamedTuple):
    """Ask for the outcome of this delivery; changes nothing."""

    delivery: str


Call: TypeAlias = Filing | Question


class Filed(NamedTuple):
    """The row lies in a file with its manifest; `file` is the file's name."""

    file: str


class Answered(NamedTuple):
    """The platform has answered: the row's entry of an acknowledgement file."""

    told: dict[str, object]


class Unfiled(NamedTuple):
    """The row is in no file, or the platform has thrown that file away."""


class WriteFailed(NamedTuple):
    """Nothing was written: the disk is full, the folder is gone or closed to us."""

    why: str


class Unsure(NamedTuple):
    """The file's number is given out; whether the file lies there is not known."""

    why: str


class Unfit(NamedTuple):
    """The layout has no way to write this column's text."""

    column: str


Reply: TypeAlias = Filed | Answered | Unfiled | WriteFailed | Unsure | Unfit


@dataclass(frozen=True, slots=True)
class FileProtocol:
    """Protocol of the kind `file`; what a file looks like is `hub/targets/file/layout.py`."""

    reasons: Mapping[str, str] = field(default_factory=dict)
    """The platform's refusal code → ours; an unknown one passes as it is."""

    def delivery_request(self, delivery: Delivery) -> Call:
        """Return what publishes or withdraws."""
        return Filing(delivery.delivery, delivery)

    def status_request(self, asked: Expected) -> Call:
        """Return the question what became of a delivery."""
        return Question(asked.delivery)

    def interpret_response(self, reply: Reply, expected: Expected) -> Verdict:
        """Interpret a `delivery_request`; a row filed before may have an answer by now."""
        return self._judge(reply, expected)

    def interpret_status(self, reply: Reply, expected: Expected) -> Verdict:
        """Say what came of an `status_request`, or what an acknowledgement file said unasked."""
        return self._judge(reply, expected)

    def _judge(self, reply: Reply, expected: Expected) -> Verdict:
        verdict = _meaning(reply, expected)
        known = self.reasons.get(verdict.code) if isinstance(verdict, Refused) else None
        if isinstance(verdict, Refused) and known is not None:
            if known == RECORD_UNKNOWN and expected.action == "withdraw":
                return NotHere(verdict.platform_at)
            said = f"{verdict.code}: {verdict.message}"
            return replace(verdict, code=known, message=said)
        return verdict


def _meaning(reply: Reply, expected: Expected) -> Verdict:
    match reply:
        case Filed():
            return Delivered()
        case Answered(told):
            return read_receipt(told, expected)
        case Unfiled():
            return NeverSeen()
        case WriteFailed(why):
            return Retry(why, is_whole_target=True)
        case Unsure(why):
            return Unknown(why)
        case Unfit(column):
            return Refused("LAYOUT_CANNOT_CARRY", f"文件格式无法承载 / cannot be written: {column}")
        case _:
            assert_never(reply)
