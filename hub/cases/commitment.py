"""The commitment agent: a promise has a last day; before it a reminder, after it a finding.

made → performance is due at the end of 承诺有效期 → some working days before, the accepting unit is
reminded → when the day has passed without `commitment.performed.v1`, that is stated the next
morning: what departments sent in the last hours is in the ledger by then. Performed, withdrawn or
moved before: nothing more. Another last day is another promise to keep: new ids.
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.cases.facts import Fact, Matter, Office, fact_id, reminder
from hub.domain import kinds
from hub.domain.dates import HOUR_MS, due_at_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hub.core.notices import Notice
    from hub.domain.calendar import WorkingCalendar

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
                self._stated.add(notice.document)
        elif not notice.kind.startswith("commitment."):
            return
        elif notice.kind != kinds.MADE or notice.status != "live":
            self._open.pop(notice.record, None)
        elif notice.due_on:
            known = self._open.get(notice.record)
            fresh = self._promise(notice)
            if known is not None and known.due_on == notice.due_on:
                fresh = fresh._replace(known_at=known.known_at, marks=known.marks)
            self._open[notice.record] = fresh
        elif notice.document:  # corrected to have no last day
            self._open.pop(notice.record, None)

    def _promise(self, notice: Notice) -> Promise:
        due_on = date.fromisoformat(notice.due_on)
        marks = [
            (days, due_at_ms(self._calendar.working_days_before(due_on, days)))
            for days in self._days
        ]
        # of the reminders that were due before anybody knew of the promise, the last one is enough
        late = [mark for mark in marks if mark[1] <= notice.at]
        return Promise(
            notice.record, notice.subject, notice.document, notice.name, notice.authority,
            notice.department, notice.due_on, due_at_ms(due_on), notice.at,
            tuple(marks[max(0, len(late) - 1) :]),
        )  # fmt: skip

    def owed(self, now: int) -> list[Fact]:
        """Reminders before the last day, one finding after it."""
        facts = []
        for promise in self._open.values():
            if now >= promise.over_at + self._hour_ms:
                if self._found.get(promise.record) == promise.due_on:
                    continue
                fact = self._missing(promise)
                if fact.id in self._stated:
                    self._found[promise.record] = promise.due_on
                facts.append(fact)
            elif now < promise.over_at:
                facts += [self._remind(promise, *mark) for mark in promise.marks if mark[1] <= now]
        return [fact for fact in facts if fact.id not in self._stated]

    def _remind(self, promise: Promise, days: int, at: int) -> Fact:
        fact = fact_id("commitment_due", promise.record, promise.due_on, str(days))
        office = self._office_of(promise.department)._replace(code=promise.authority)
        return reminder(
            self._authority, fact, office, promise.department, 1, max(at, promise.known_at),
            Matter("commitment_due", promise.due_on, [promise.record]),
        )  # fmt: skip

    def _missing(self, promise: Promise) -> Fact:
        return Fact(
            kinds.PERFORMANCE_MISSING,
            {
                "authority_code": self._authority,
                "document_number": fact_id(
                    kinds.PERFORMANCE_MISSING, promise.record, promise.due_on
                ),
                "subject_name": promise.name,
                "credit_code": promise.subject,
                "commitment_code": promise.code,
                "commitment_record": promise.record,
                "due_on": promise.due_on,
                "accepting_unit_code": promise.authority,
                "department": promise.department,
            },
        )
