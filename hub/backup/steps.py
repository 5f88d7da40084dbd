"""How a partition is written again so that every record comes to lie at its old offset.

Ledger records name the offsets of their causes, and positions are offsets, so a copy is worth
something only with the same ones. Offsets that readers never see (markers of transactions, records
of aborted ones) are reproduced by the same means: a commit leaves one behind its records, an
abort leaves one behind the records it threw away.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from hub.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Way(StrEnum):
    """How the records of a step are written."""

    PLAIN = "plain"
    """Without a transaction: nothing is left behind them."""
    COMMITTED = "committed"
    """In a transaction: its marker takes the offset behind them."""
    ABORTED = "aborted"
    """Empty records thrown away at once, and the marker: they fill a gap."""


class CopyStep(NamedTuple):
    """Write so many records: the next ones of the copy, or fillers where `way` is `ABORTED`."""

    way: Way
    records: int


def steps_of(offsets: Sequence[int], end: int) -> Iterator[CopyStep]:
    """The steps that bring records to these offsets, and the log's end to `end`, from offset 0.

    `offsets` are strictly increasing and below `end`. Raises `IntegrityError` for a log that
    begins with a single unseen offset: no client can make that one.
    """
    first = offsets[0] if offsets else end
    if first == 1:
        raise IntegrityError(
            "分区开头只有一个不可见的位移，无法在原位移处恢复\n"
            "a log that begins with a single unseen offset cannot be written again at its offsets\n"
            "处理办法：改用 broker 磁盘快照恢复该主题\n"
            "Remedy: restore this topic from a snapshot of the broker's disks"
        )
    if first:
        yield CopyStep(Way.ABORTED, first - 1)
    begin = 0
    for index, offset in enumerate(offsets):
        following = offsets[index + 1] if index + 1 < len(offsets) else end
        gap = following - offset - 1
        if not gap:
            continue
        count, begin = index + 1 - begin, index + 1
        if gap == 1:
            yield CopyStep(Way.COMMITTED, count)
        else:
            yield CopyStep(Way.PLAIN, count)
            yield CopyStep(Way.ABORTED, gap - 1)
    if begin < len(offsets):
        yield CopyStep(Way.PLAIN, len(offsets) - begin)
