"""How a partition is written again so that every record comes to lie at its old offset.

Ledger records name the offsets of their causes, and positions are offsets, so a copy is worth
something only with the same ones. Offsets that readers never see (markers of transactions, records
of aborted ones) are reproduced by the same means: a commit leaves one behind its records, an
abort leaves one behind the records it threw away.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


MOST_UNSEEN: Final = 1_000_000_000
"""Offsets of a partition without a record, markers and what retention has deleted: a commit in each
second for thirty years. More come of a damaged or forged manifest, and would be filled for days."""
MOST_FILLERS: Final = 20_000
"""Of one aborted step: bounds the memory."""


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
    begins with a single unseen offset: no client can make that one; for more than `MOST_UNSEEN`
    offsets without a record; for offsets out of order or beyond `end`.
    """
    if not 0 <= end - len(offsets) <= MOST_UNSEEN:
        raise _foreign(end)
    first = offsets[0] if offsets else end
    if first == 1:
        raise IntegrityError(
            "分区开头只有一个不可见的位移，无法在原位移处恢复\n"
            "a log that begins with a single unseen offset cannot be written again at its offsets\n"
            "处理办法：改用 broker 磁盘快照恢复该主题\n"
            "Remedy: restore this topic from a snapshot of the broker's disks"
        )
    yield from _filled(first)
    begin = 0
    for index, offset in enumerate(offsets):
        following = offsets[index + 1] if index + 1 < len(offsets) else end
        gap = following - offset - 1
        if not gap:
            continue
        if gap < 0:
            raise _foreign(end)
        count, begin = index + 1 - begin, index + 1
        if gap == 1:
            yield CopyStep(Way.COMMITTED, count)
        else:
            yield CopyStep(Way.PLAIN, count)
            yield from _filled(gap)
    if begin < len(offsets):
        yield CopyStep(Way.PLAIN, len(offsets) - begin)


def _filled(gap: int) -> Iterator[CopyStep]:
    """Fill a gap of none, or of two offsets or more: a step takes one more than its records."""
    while gap > MOST_FILLERS + 1:
        count = min(MOST_FILLERS, gap - 3)  # never a single offset is left
        yield CopyStep(Way.ABORTED, count)
        gap -= count + 1
    if gap:
        yield CopyStep(Way.ABORTED, gap - 1)


def _foreign(end: int) -> IntegrityError:
    return IntegrityError(
        f"备份清单中分区末尾的位移 {end} 与其记录不符，或空缺的位移多于 {MOST_UNSEEN}\n"
        f"a partition's end, {end}, does not fit its records, or more than {MOST_UNSEEN} offsets"
        " have none\n"
        "处理办法：用另一份备份 / Remedy: take another backup"
    )
