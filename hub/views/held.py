"""Outcome of a statement that waited, read out of the ledger record that says so.

Its ledger record is called released or ended, under any decision; its sender must read the
answer that it would have had at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hub.core.life import TABLE
from hub.core.record import NO_KEY, Outcome
from hub.core.state import Status, Waiting
from hub.domain import kinds

if TYPE_CHECKING:
    from hub.core.record import LedgerRecord

SETTLED: Final = frozenset({Outcome.HELD_RELEASED, Outcome.HELD_ENDED})
"""After these a statement waits no more."""
_ANSWERS: Final = {line.reason: line.outcome for lines in TABLE.values() for line in lines}
_DOWN: Final = frozenset({Status.WITHDRAWN, Status.MOVED})


def became(record: LedgerRecord) -> Outcome | None:
    """The primary outcome of the statement that waited; None for any other ledger record."""
    if record.outcome not in SETTLED or record.submission_key == NO_KEY:
        return None
    for reason in record.reasons:
        answer = _ANSWERS.get(reason.code)
        if answer is not None and answer is not Outcome.HELD:
            return answer
    if record.outcome is Outcome.HELD_ENDED:
        return Outcome.QUARANTINED
    state = record.state
    if state is not None and state.status in _DOWN:
        return Outcome.WITHDRAWN
    if record.kind == kinds.CORRECTED and state is not None and state.version > 1:
        return Outcome.CORRECTED
    return Outcome.ACCEPTED


def wait_begun(record: LedgerRecord) -> Waiting | None:
    """How long the statement waits that this ledger record holds; None for any other."""
    if record.outcome is not Outcome.HELD or record.state is None:
        return None
    return next((w for w in record.state.waiting if w.sequence == record.sequence), None)
