"""The monthly 双公示 form and its rates, folded from the ledger alone.

The figures that the look-up database answers with SQL are computed here a second time from the
records themselves, so that the two can be compared. No official formula of 上报率, 合规率
and 及时率 has been published; what counts here is written down in docs/report.md. A record belongs
to the month of its decision, without a readable date to that of its arrival.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.core.record import Outcome
from hub.core.state import ClockFlag, ClockKind, Status
from hub.domain import kinds
from hub.domain.dates import day_of_ms, day_start_ms, due_at_ms, month_days
from hub.views.entry import DeclaredRow, EntryReader, RecordRow, follow
from hub.views.open_cases import CaseKind, OpenCases

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from hub.core.record import LedgerRecord
    from hub.core.state import Clock

IN_TIME: Final = frozenset({"stopped_in_time", "in_time_learned_late"})
LATE: Final = frozenset({"stopped_late"})
REOPENED: Final = frozenset({"reopened", "reopened_late"})
REPORTED_AS: Final = {kinds.PERFORMED: kinds.MADE}
"""Kinds that continue an earlier record: one decision is counted once, under its first kind."""


class MonthlyLine(NamedTuple):
    """One department and kind in a month; every rate is a numerator and its denominator."""

    department: str
    kind: str
    produced: int | None
    """产生数量 as the department declared it; None: not declared."""
    disclosed_by_unit: int | None
    disclosure_url: str
    unreported_reason: str
    reported: int
    """报送数量: decisions that have reached the hub, with any outcome, but `apart`."""
    stored: int
    """有效入库数: accepted at some time."""
    shown: int
    """市级网站公示数量: published at a target the public sees."""
    in_time: int
    """Every duty to disclose was met in time."""
    late: int
    """A duty was met late, or is overdue."""
    still_open: int
    """Not due yet, and not met yet."""
    apart: int
    """Received, and never acceptable in any form (natural persons): counted in no figures."""
    unreported: int | None
    """未报送数量; None where nothing was declared."""

    @property
    def judged(self) -> int:
        """Records whose timeliness is known: the denominator of 及时率 and 迟报率."""
        return self.in_time + self.late


class Counts(NamedTuple):
    """`MonthlyLine`'s counts of records; the rest of a line is declared."""

    reported: int = 0
    stored: int = 0
    shown: int = 0
    in_time: int = 0
    late: int = 0
    still_open: int = 0
    apart: int = 0


class CaseLine(NamedTuple):
    """Cases of one kind that waited for a person in a month."""

    case_kind: str
    """`hub.views.open_cases.CaseKind`."""
    opened: int
    ended: int
    still_open: int
    """At the month's end, or now where the month goes on."""


def case_lines(lines: Iterable[CaseLine]) -> list[CaseLine]:
    """The lines in the order of the kinds, without those that count nothing."""
    order = [kind.value for kind in CaseKind]
    return sorted(
        (line for line in lines if any(line[1:])), key=lambda line: order.index(line.case_kind)
    )


def moments_of(first: date, last: date) -> tuple[int, int]:
    """The business times at which the days from `first` to `last` begin and have ended."""
    return day_start_ms(first), due_at_ms(last)


class ReportedTarget(NamedTuple):
    """A target, as the form needs it: whether the public sees it, and the kinds it shows."""

    number: int
    is_public: bool
    kinds: tuple[str, ...]


def targets_in(basis: Mapping[str, object]) -> tuple[ReportedTarget, ...]:
    """The targets of a basis document, or of what is kept of it."""
    site = basis["site"]
    targets = site["targets"] if isinstance(site, dict) else []
    return tuple(
        ReportedTarget(int(t["number"]), bool(t["public"]), tuple(t["kinds"])) for t in targets
    )


Place = tuple[str, str]
"""Department and subject kind."""


def lines_of(counts: dict[Place, Counts], declared: Iterable[DeclaredRow]) -> list[MonthlyLine]:
    """The lines of a month, by department and kind; authorities of a department are added up."""
    told: dict[Place, list[DeclaredRow]] = defaultdict(list)
    for row in declared:
        told[row.department, row.subject_kind].append(row)
    lines = []
    for place in sorted(counts.keys() | told.keys()):
        rows = sorted(told[place])
        own = [row.disclosed for row in rows if row.disclosed is not None]
        counted = counts.get(place, Counts())
        produced = sum(row.produced for row in rows) if rows else None
        lines.append(
            MonthlyLine(
                *place,
                produced,
                sum(own) if own else None,
                "；".join(dict.fromkeys(row.url for row in rows if row.url)),
                "；".join(dict.fromkeys(row.reason for row in rows if row.reason)),
                *counted,
                None if produced is None else max(0, produced - counted.reported),
            )
        )
    return lines


def month_of(row: RecordRow) -> str:
    """The month a record belongs to, `2026-10`."""
    return (row.decided_on or day_of_ms(row.arrived_at)).isoformat()[:7]


class MonthBook:
    """A fold of the ledger; targets are those of the basis adopted last."""

    def __init__(self, reader: EntryReader, targets: Iterable[ReportedTarget]) -> None:
        self._reader = reader
        targets = tuple(targets)
        self._public = {target.number for target in targets if target.is_public}
        self._kinds = {kind for target in targets for kind in target.kinds}
        self._rows: dict[bytes, RecordRow] = {}
        self._clocks: dict[bytes, tuple[Clock, ...]] = {}
        self._ends: dict[bytes, dict[int, bool]] = defaultdict(dict)
        """Record → target → whether the duty to disclose was met in time."""
        self._shown: set[bytes] = set()
        self._declared: dict[bytes, DeclaredRow] = {}
        self._cases = OpenCases()

    def note(self, partition: int, record: LedgerRecord) -> None:
        """Take in the next ledger record of a partition."""
        state, key = record.state, record.record_key
        stages = self._reader.stages(partition, record)
        self._cases.note(partition, record, stages)
        if record.outcome is Outcome.OUTCOME_NOTED:
            for stage in stages:
                if stage.stage == "published" and stage.target in self._public:
                    self._shown.add(key)
        if state is None:
            return
        row = follow(self._rows.get(key), self._reader.entry(partition, record), record)
        if row is not None:
            self._rows[key] = row
        self._clocks[key] = state.clocks
        if state.status is not Status.LIVE:
            self._declared.pop(key, None)
        elif (told := self._reader.declared(record)) is not None:
            self._declared[key] = told
        for event in record.events:
            if event.clock != ClockKind.DISCLOSE:
                continue
            if event.event in REOPENED:
                self._ends[key].pop(event.target, None)
            elif event.event in IN_TIME | LATE:
                self._ends[key].setdefault(event.target, event.event in IN_TIME)

    def lines(self, month: str, now: int) -> list[MonthlyLine]:
        """Return the form of a month as of `now` (business ms)."""
        accepted = {
            (row.subject, row.document_key, row.name_key, row.authority_code)
            for row in self._rows.values()
            if row.version > 0 and row.document_key
        }
        accepted |= {(*one[:3], "") for one in accepted}
        counts: dict[Place, Counts] = {}
        for key, row in self._rows.items():
            if month_of(row) != month or row.kind not in self._kinds:
                continue
            if row.status == "moved" or not row.has_row:
                continue
            document = (row.subject, row.document_key, row.name_key, row.authority_code)
            if row.status == "quarantined" and row.document_key and document in accepted:
                continue  # accepted under another code: that record is counted
            place = (row.department, REPORTED_AS.get(row.kind, row.kind))
            so_far = counts.get(place, Counts())
            counts[place] = Counts(
                *(a + b for a, b in zip(so_far, self._one(key, row, now), strict=True))
            )
        told = [one for one in self._declared.values() if one.month == month]
        return lines_of(counts, told)

    def cases(self, month: str) -> list[CaseLine]:
        """Return the cases that waited for a person in a month."""
        begin, end = moments_of(*month_days(month))
        counts: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
        for case in self._cases.changed.values():
            ended_at = end if case.ended_at is None else case.ended_at
            count = counts[case.case_kind]
            count[0] += begin <= case.since < end
            count[1] += begin <= ended_at < end
            count[2] += case.since < end <= ended_at
        return case_lines(CaseLine(kind, *count) for kind, count in counts.items())

    def _one(self, key: bytes, row: RecordRow, now: int) -> Counts:
        if row.is_never_acceptable:
            return Counts(apart=1)
        ends = self._ends.get(key, {})
        running = [
            clock.due_at <= now
            for clock in self._clocks[key]
            if clock.kind is ClockKind.DISCLOSE
            and not clock.flags & ClockFlag.STOPPED
            and clock.target not in ends
        ]
        is_late = any(running) or not all(ends.values())
        is_open = bool(running) and not is_late
        is_met = bool(ends) and not is_late and not is_open
        is_stored, is_shown = row.accepted_at is not None, key in self._shown
        return Counts(1, is_stored, is_shown, is_met, is_late, is_open)
