"""In which order requests leave for a platform when not all can.

Questions about what may have happened first: they hold up what is newer. Then withdrawals, one
department after the other; corrections; what has a clock, the earliest first; what is followed or
parked; what has no clock. Two shares starve nobody: of five requests one goes to what is due within
a day, one to what is followed or parked.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, Final, Generic, Literal, Protocol, TypeVar

from hub.core.state import NEVER

if TYPE_CHECKING:
    from hub.engine.courier_records import Work

DAY_MS: Final = 86_400_000
_SHARE: Final = 5
"""Of so many requests one is for each of those who would starve."""

Rank = Literal["question", "work", "follow", "retry"]
"""`question`: its fate is unknown; `follow`: taken in; `retry`: parked; `work`: the rest."""


class Queued(Protocol):
    """An entry of a queue: in one at most, under its ticket; 0 for none."""

    work: Work
    ticket: int


QueuedT = TypeVar("QueuedT", bound=Queued)


class Order(Generic[QueuedT]):
    """The queues of one target; what has lost its ticket is passed over."""

    def __init__(self) -> None:
        self._tickets = 0
        self._questions: deque[tuple[int, QueuedT]] = deque()
        self._followed: deque[tuple[int, QueuedT]] = deque()
        self._retries: deque[tuple[int, QueuedT]] = deque()
        self._withdrawals: dict[str, _Heap[QueuedT]] = {}
        self._departments: deque[str] = deque()
        self._corrections: _Heap[QueuedT] = _Heap()
        self._publications: _Heap[QueuedT] = _Heap()
        self._since_due = 0
        self._since_low = 0
        self._is_retry_next = False

    def add(self, one: QueuedT, rank: Rank) -> None:
        """Put it in its queue, and out of the one it was in."""
        self._tickets += 1
        one.ticket = self._tickets
        match rank:
            case "question":
                self._questions.append((one.ticket, one))
            case "follow":
                self._followed.append((one.ticket, one))
            case "retry":
                self._retries.append((one.ticket, one))
            case "work":
                self._heap_for(one.work).push(one)

    def _heap_for(self, work: Work) -> _Heap[QueuedT]:
        if work.action == "withdraw":
            if work.department not in self._withdrawals:
                self._withdrawals[work.department] = _Heap()
                self._departments.append(work.department)
            return self._withdrawals[work.department]
        is_correction = work.version > 1 and not work.is_again
        return self._corrections if is_correction else self._publications

    def take(self, at: int, *, may_open: bool) -> QueuedT | None:
        """Take what is next; `at` is business time, `may_open`: whether a new one may leave.

        None when nothing waits, or nothing that may be taken.
        """
        until = at + DAY_MS
        one = self._take_share(until, may_open=may_open)
        if one is None:
            one = self._take_first(may_open=may_open)
        if one is None:
            return None
        one.ticket = 0
        is_due = one.work.action == "publish" and one.work.due_at <= until
        self._since_due = 0 if is_due else self._since_due + 1
        return one

    def _take_share(self, until: int, *, may_open: bool) -> QueuedT | None:
        """Return an entry that would starve, when it is its turn."""
        if self._since_due >= _SHARE - 1 and may_open:
            earliest = min(self._corrections, self._publications, key=_Heap.due_at)
            if earliest.due_at() <= until:
                return earliest.pop()
        if self._since_low >= _SHARE - 1:
            return self._low(may_open=may_open)
        return None

    def _take_first(self, *, may_open: bool) -> QueuedT | None:
        self._since_low += 1
        one = _first(self._questions)
        if one is None and may_open:
            one = self._withdrawal() or self._clocked()
        if one is None:
            one = self._low(may_open=may_open)
        if one is None and may_open:
            one = self._publications.pop()
        return one

    def _clocked(self) -> QueuedT | None:
        one = self._corrections.pop()
        if one is None and self._publications.due_at() < NEVER:
            one = self._publications.pop()
        return one

    def _withdrawal(self) -> QueuedT | None:
        for _department in range(len(self._departments)):
            self._departments.rotate(-1)
            one = self._withdrawals[self._departments[-1]].pop()
            if one is not None:
                return one
        return None

    def _low(self, *, may_open: bool) -> QueuedT | None:
        """Return what is followed and what is parked, in turn."""
        self._since_low = 0
        self._is_retry_next = not self._is_retry_next
        queues = [self._followed, self._retries] if may_open else [self._followed]
        if self._is_retry_next:
            queues.reverse()
        for queue in queues:
            one = _first(queue)
            if one is not None:
                return one
        return None


def _first(queue: deque[tuple[int, QueuedT]]) -> QueuedT | None:
    while queue:
        ticket, one = queue.popleft()
        if one.ticket == ticket:
            return one
    return None


class _Heap(Generic[QueuedT]):
    """By due date, then by place in the ledger."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, int, QueuedT]] = []

    def push(self, one: QueuedT) -> None:
        work = one.work
        entry = (work.due_at, work.sequence, work.partition, one.ticket, one)
        heapq.heappush(self._heap, entry)

    def _forget_past(self) -> None:
        while self._heap and self._heap[0][3] != self._heap[0][4].ticket:
            heapq.heappop(self._heap)

    def due_at(self) -> int:
        """When the first is due; `NEVER` without one."""
        self._forget_past()
        return self._heap[0][0] if self._heap else NEVER

    def pop(self) -> QueuedT | None:
        self._forget_past()
        return heapq.heappop(self._heap)[4] if self._heap else None
