"""Events of the case agents and the reconciler, to be counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from hub.adapters.kafka.events import RecordsUnreadable
from hub.workers.events import FollowerEvent, Restarted

if TYPE_CHECKING:
    from collections.abc import Mapping


class NoticesTaken(NamedTuple):
    """Some more of the topic is known."""


class UpToDate(NamedTuple):
    """All of the topic is known."""


class FactCount(NamedTuple):
    """Facts that are counted together."""

    agent: str
    kind: str


class FactsSubmitted(NamedTuple):
    """Facts that are on the broker."""

    counts: Mapping[FactCount, int]


class CasesOpen(NamedTuple):
    """Cases at hand, by agent."""

    counts: Mapping[str, int]


class FactsUnanswered(NamedTuple):
    """Facts submitted that the ledger does not have yet, by agent."""

    counts: Mapping[str, int]


CasesEvent = (
    NoticesTaken | UpToDate | FactsSubmitted | CasesOpen | FactsUnanswered
    | Restarted | RecordsUnreadable
)  # fmt: skip


class ListsCompared(NamedTuple):
    """Differences between the courts' full lists and the live entries."""

    exit_missing: int
    entry_missing: int


ReconcilerEvent = FollowerEvent | ListsCompared

CasesReport = Callable[[CasesEvent], None]
ReconcilerReport = Callable[[ReconcilerEvent], None]
