"""Where target numbers are still in use: counted over the records that a ledger leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from hub.core import keys, numbers
from hub.core.state import decode_state

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hub.core.partition import PartitionCore
    from hub.ports import InputRecord, StateStore

_AT_ONCE: Final = 2_000
_WRITE_EVERY: Final = 5_000


class Uses(NamedTuple):
    """Of some target numbers, in one partition or in all."""

    shown: int = 0
    """Records that such a target shows, or has not yet said to have withdrawn."""
    owed: int = 0
    """Records of which something is owed there."""
    uncleared: int = 0
    """Records that a sweep under way has not taken the number out of."""

    def plus(self, other: Uses) -> Uses:
        """The sum."""
        return Uses(*(a + b for a, b in zip(self, other, strict=True)))


def uses_of(
    core: PartitionCore, ledger: Iterable[InputRecord], state: StateStore, mask: int, *,
    is_given: bool,
) -> Uses:  # fmt: skip
    """Count what names these numbers; `state` is empty and of this partition alone.

    `is_given`: whether they go to other targets, and so must have left the basis in force before.
    """
    _fold(core, ledger, state)
    (freed,) = state.read([keys.FREED])
    cleared_too = mask & ~int.from_bytes(freed or b"")
    found = Uses()
    start, stop = keys.RECORDS, keys.after(keys.RECORDS)
    while True:
        entries = state.scan(start, stop, _AT_ONCE)
        for _key, value in entries:
            record = decode_state(value)
            found = found.plus(
                Uses(
                    bool(numbers.shown_at(record) & cleared_too),
                    bool(numbers.owed_at(record) & cleared_too),
                    bool(numbers.uses(record) & mask & ~cleared_too),
                )
            )
        if len(entries) < _AT_ONCE:
            break
        start = entries[-1][0] + b"\x00"
    is_swept = cleared_too == mask and not (is_given and core.basis and core.basis.numbers & mask)
    # the sweep may have passed every record and not have said so
    return found if is_swept else found._replace(uncleared=max(found.uncleared, 1))


def _fold(core: PartitionCore, ledger: Iterable[InputRecord], state: StateStore) -> None:
    """Bring an empty state to the end of the ledger."""
    changes: dict[bytes, bytes | None] = {}
    for count, stored in enumerate(ledger, 1):
        core.fold(stored.value, stored.offset + 1, changes)
        if not count % _WRITE_EVERY:
            state.write(changes)
            changes = {}
    state.write(changes)
