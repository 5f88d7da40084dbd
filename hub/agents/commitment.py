"""The commitment agent: a promise has a last day; before it a reminder, after it a finding.

made → performance is due at the end of 承诺有效期 → some working days before, the accepting unit is
reminded → when the day has passed without `commitment.performed.v1`, that is stated the next
morning: what departments sent in the last hours is in the ledger by then. Performed, withdrawn or
moved before: nothing more. Performed in part (部分履行), it stays open to its last day; then, in
place of a finding, the accepting unit is reminded once more to determine the rest. Another last day
is another promise to keep: new ids.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.agents.facts import Fact, Matter, Office, reminder, stated
from hub.domain import kinds
from hub.domain.dates import HOUR_MS, due_at_ms
from hub.domain.fact_ids import matter_in, matter_of
from hub.views.notices import PERFORMED_IN_PART

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hub.domain.calendar import WorkingCalendar
    from hub.views.notices import Notice

_FINDINGS: Final = frozenset({kinds.PERFORMANCE_MISSING, kinds.REMINDER})


class Promise(NamedTuple):
    """A commitment that is on record and not performed; `known_at` is when its last day was."""

    record: str
    subject: str
    code: str
    name: str
    authority: str
    department: str
    due_on: str
    over_at: int
    """The end of its last day."""
    known_at: int
    marks: tuple[tuple[int, int], ...]
    """(working days left, when to remind), earliest first."""
    is_begun: bool = False
    """Whether it has been performed in part."""


class CommitmentAgent:
    """See the module; `hour` is of Asia/Shanghai, `office_of` knows the site's departments."""

    name = "commitment"

    def __init__(
        self,
        authority: str,
        hour: int,
        remind_working_days: Sequence[int],
        calendar: WorkingCalendar,
        office_of: Callable[[str], Office],
    ) -> None:
        self._authority = authority
        self._hour_ms = hour * HOUR_MS
        self._days = sorted(set(remind_working_days), reverse=True)
        self._calendar = calendar
        self._office_of = office_of
        self._open: dict[str, Promise] = {}
        self._stated: set[str] = set()
        """Matters of the facts that are in the ledger."""
        self._found: dict[str, str] = {}
        """Records whose finding for this last day is in the ledger: they are many, and for ever."""

    @property
    def open_count(self) -> int:
        """Commitments that are not performed yet."""
        return len(self._open)

    def take(self, notice: Notice) -> None:
        """A commitment was made, corrected, performed or withdrawn; or a fact is in the ledger."""
        if notice.kind in _FINDINGS:
            if notice.status == "live":
                self._stated.add(matter_in(notice.document))
        elif not notice.kind.startswith("commitment."):
            return
        elif not self._is_open(notice):
            self._open.pop(notice.record, None)
        elif notice.due_on:
            known = self._open.get(notice.record)
            fresh = self._promise(notice)
            if known is not None and known.due_on == notice.due_on:
                fresh = fresh._replace(known_at=known.known_at, marks=known.marks)
            self._open[notice.record] = fresh
        elif notice.document:  # corrected to have no last day
            self._open.pop(notice.record, None)

    def _is_open(self, notice: Notice) -> bool:
        """Whether something is still to be performed.

        After a first part only the notice that says more than it ends the wait: all others are of
        clocks.
        """
        if notice.status != "live" or notice.kind not in (kinds.MADE, kinds.PERFORMED):
            return False
        if notice.kind == kinds.MADE or notice.performed == PERFORMED_IN_PART:
            return True
        known = self._open.get(notice.record)
        return known is not None and known.is_begun and not notice.performed

    def _promise(self, notice: Notice) -> Promise:
        due_on = date.fromisoformat(notice.due_on)
        marks = [
            (days, due_at_ms(self._calendar.working_days_before(due_on, days)))
            for days in self._days
        ]
        # of the reminders that were due before the promise was known, the last one is enough
        late = [mark for mark in marks if mark[1] <= notice.at]
        return Promise(
            notice.record, notice.subject, notice.document, notice.name, notice.authority,
            notice.department, notice.due_on, due_at_ms(due_on), notice.at,
            tuple(marks[max(0, len(late) - 1) :]), notice.kind == kinds.PERFORMED,
        )  # fmt: skip

    def owed(self, now: int) -> list[Fact]:
        """Reminders before the last day, one finding (or last reminder) after it."""
        facts = []
        for promise in self._open.values():
            if now >= promise.over_at + self._hour_ms:
                if self._found.get(promise.record) == promise.due_on:
                    continue
                fact = self._missing(promise)
                if fact.matter in self._stated:
                    self._found[promise.record] = promise.due_on
                facts.append(fact)
            elif now < promise.over_at:
                facts += [
                    self._remind(promise, str(days), at) for days, at in promise.marks if at <= now
                ]
        return [fact for fact in facts if fact.matter not in self._stated]

    def _remind(self, promise: Promise, mark: str, at: int) -> Fact:
        about = matter_of("commitment_due", promise.record, promise.due_on, mark)
        office = self._office_of(promise.department)._replace(code=promise.authority)
        return reminder(
            self._authority, about, office, promise.department, 1, max(at, promise.known_at),
            Matter("commitment_due", promise.due_on, [promise.record]),
        )  # fmt: skip

    def _missing(self, promise: Promise) -> Fact:
        """Return the fact of a last day that has passed; the ledger takes no finding of a part."""
        if promise.is_begun:
            return self._remind(promise, "after", promise.over_at + self._hour_ms)
        return stated(
            kinds.PERFORMANCE_MISSING,
            matter_of(kinds.PERFORMANCE_MISSING, promise.record, promise.due_on),
            {
                "authority_code": self._authority,
                "subject_name": promise.name,
                "credit_code": promise.subject,
                "commitment_code": promise.code,
                "commitment_record": promise.record,
                "due_on": promise.due_on,
                "accepting_unit_code": promise.authority,
                "department": promise.department,
            },
        )
