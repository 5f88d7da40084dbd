"""Which submissions of each stream have been answered: a few bits for each, however many."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from hub.views.entry import stream_name

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK = 64
"""Numbers of a stream that are kept together. Four octets each where they follow one another; an
isolated number costs a whole block, some 300."""
_MOST_DIGITS = 18


class SequenceMark(IntEnum):
    """State of one sequence number of a stream."""

    UNSEEN = 0
    WAITING = 1
    """Submitted, not decided yet."""
    OPEN = 2
    """Answered without effect, or waiting: a repeat may be decided again."""
    ANSWERED = 3


class StreamSummary(NamedTuple):
    """One stream: `last` is its highest number, `missing` how many of the required are unseen."""

    stream: str
    last: int
    missing: int
    first_missing: int
    """0 when none is missing."""


class StreamBook:
    """Marks per (stream, sequence), in blocks: a stray huge number costs one block, no more."""

    def __init__(self) -> None:
        self._blocks: dict[str, dict[int, bytearray]] = {}
        self._required: dict[str, int] = {}

    def mark(self, stream: str, sequence: int, mark: SequenceMark) -> SequenceMark:
        """Set a mark; return the one it replaces. `WAITING` never replaces an answer."""
        block, index = divmod(sequence - 1, _BLOCK)
        marks = self._blocks.setdefault(stream, {}).setdefault(block, bytearray(_BLOCK))
        before = SequenceMark(marks[index])
        marks[index] = max(mark, before) if mark is SequenceMark.WAITING else mark
        return before

    def seen(self, stream: str, sequence: int) -> SequenceMark:
        """The mark of one number."""
        block, index = divmod(sequence - 1, _BLOCK)
        marks = self._blocks.get(stream, {}).get(block)
        return SequenceMark.UNSEEN if marks is None else SequenceMark(marks[index])

    def require(self, stream: str, sequence: int) -> None:
        """This number was there when the audit began: so were all below it."""
        self._required[stream] = max(self._required.get(stream, 0), sequence)

    def summaries(self) -> Iterator[StreamSummary]:
        """Every stream, by name."""
        for stream, blocks in sorted(self._blocks.items()):
            required = self._required.get(stream, 0)
            top = max(blocks)
            last = top * _BLOCK + len(blocks[top].rstrip(b"\x00"))
            seen = sum(_seen_up_to(required, block, marks) for block, marks in blocks.items())
            first = _first_missing(blocks)
            missing = required - seen
            yield StreamSummary(stream, last, missing, first if missing else 0)


def _seen_up_to(required: int, block: int, marks: bytearray) -> int:
    """How many numbers of a block are marked, of those that must be there."""
    length = max(0, min(_BLOCK, required - block * _BLOCK))
    return length - marks.count(0, 0, length)


def _first_missing(blocks: dict[int, bytearray]) -> int:
    block = 0
    while (marks := blocks.get(block)) is not None:
        index = marks.find(0)
        if index >= 0:
            return block * _BLOCK + index + 1
        block += 1
    return block * _BLOCK + 1


def submission_of(
    department: str, headers: tuple[tuple[str, bytes], ...]
) -> tuple[str, int] | None:
    """(stream, sequence) as a connector numbers them; None where a sender does not number."""
    named = dict(headers)
    stream, sequence = named.get("ce_source", b""), named.get("ce_id", b"")
    if not stream or not sequence.isdigit() or len(sequence) > _MOST_DIGITS or not int(sequence):
        return None
    return stream_name(department, stream.decode("utf-8", "replace")), int(sequence)
