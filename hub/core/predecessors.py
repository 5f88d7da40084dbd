"""Which record a statement is about, where its authority's code replaced others.

A record under an older code stays there: a statement under the new code is about that. A
record that is in force goes before one that is not, and one of which something is on record before
one that only statements wait for. Where two are equal it is not known which is meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hub.core import keys
from hub.core.state import STATUS_AT, Status

if TYPE_CHECKING:
    from hub.core.causes import Submission
    from hub.core.keys import View

_LIVE: Final = ord(Status.LIVE.value)
_HELD: Final = ord(Status.HELD.value)


def choose_record(view: View, s: Submission) -> None:
    """Name the record among the identities of a submission; mark it where several may be meant.

    Where nothing is on record it is that of the oldest code.
    """
    ranks = [_rank(view.get(keys.record(each.record_key))) for each in s.identities]
    best = max(ranks)
    s.is_ambiguous = best > 0 and ranks.count(best) > 1
    s.record_key, s.other_key = s.identities[ranks.index(best)]


def keep_record(s: Submission, record_key: bytes) -> None:
    """Of a statement that waits for this record: it is about no other."""
    for each in s.identities:
        if each.record_key == record_key:
            s.record_key, s.other_key = each


def _rank(state: bytes | None) -> int:
    if state is None:
        return 0
    status = state[STATUS_AT]
    return 3 if status == _LIVE else 1 if status == _HELD else 2
