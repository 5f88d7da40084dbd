"""The monthly form by SQL over the look-up tables; `hub.views.monthly` says what each figure is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, LiteralString, NamedTuple

from hub.adapters.postgres.lookups import DueRow, LookUps
from hub.views.entry import DeclaredRow
from hub.views.monthly import (
    REPORTED_AS,
    CaseLine,
    Counts,
    MonthlyLine,
    Place,
    case_lines,
    lines_of,
    moments_of,
    targets_in,
)

if TYPE_CHECKING:
    from datetime import date

    from hub.runtime.metrics import Metrics

MEASURES: Final = (
    "produced",
    "reported",
    "stored",
    "shown",
    "in_time",
    "late",
    "still_open",
    "apart",
)
"""Columns counted by `hub_month_records`; a month that was not declared has no `produced`."""
CASE_MEASURES: Final = ("opened", "ended", "still_open")
"""Columns counted by `hub_month_cases`."""
_OF_MONTH: LiteralString = """
WITH of_month AS (
  SELECT r.* FROM records r
  WHERE r.kind = ANY(%(kinds)s) AND r.status NOT IN ('moved', 'none')
    AND NOT (r.status = 'held' AND r.waits_for = '')
    AND (r.decided_on BETWEEN %(first)s AND %(last)s
         OR (r.decided_on IS NULL
             AND (to_timestamp(r.arrived_at / 1000.0) AT TIME ZONE 'Asia/Shanghai')::date
                 BETWEEN %(first)s AND %(last)s))
    AND NOT (r.status = 'quarantined' AND r.document_key <> '' AND EXISTS (
      SELECT FROM records l
      WHERE l.document_key = r.document_key AND l.name_key = r.name_key AND l.subject = r.subject
        AND (l.authority_code = r.authority_code OR r.authority_code = '')
        AND l.version > 0 AND l.document_key <> ''))),
reopened AS (
  SELECT e.record_key, e.target, max(e.sequence) AS last FROM clock_events e
  JOIN of_month USING (record_key)
  WHERE e.clock = 'disclose' AND e.event IN ('reopened', 'reopened_late')
  GROUP BY e.record_key, e.target),
ended AS (
  SELECT DISTINCT ON (e.record_key, e.target) e.record_key, e.target,
         e.event <> 'stopped_late' AS is_in_time
  FROM clock_events e JOIN of_month USING (record_key)
  LEFT JOIN reopened o ON o.record_key = e.record_key AND o.target = e.target
  WHERE e.clock = 'disclose'
    AND e.event IN ('stopped_in_time', 'in_time_learned_late', 'stopped_late')
    AND e.sequence > coalesce(o.last, -1)
  ORDER BY e.record_key, e.target, e.sequence),
running AS (
  SELECT c.record_key, c.target, c.due_at <= %(now)s AS is_overdue
  FROM clocks c JOIN of_month USING (record_key)
  WHERE c.clock = 'disclose' AND NOT c.is_stopped AND NOT EXISTS (
    SELECT FROM ended d WHERE d.record_key = c.record_key AND d.target = c.target)),
duties AS (
  SELECT record_key, bool_or(is_late) AS is_late, bool_or(is_open) AS is_open
  FROM (SELECT record_key, NOT is_in_time AS is_late, false AS is_open FROM ended
        UNION ALL SELECT record_key, is_overdue, NOT is_overdue FROM running) AS every
  GROUP BY record_key),
judged AS (
  SELECT r.*, coalesce(d.is_late, false) AS is_late,
         coalesce(d.is_open AND NOT d.is_late, false) AS is_open,
         coalesce(NOT d.is_late AND NOT d.is_open, false) AS is_in_time
  FROM of_month r LEFT JOIN duties d ON d.record_key = r.record_key AND NOT r.is_never_acceptable)
"""
_COUNTS: LiteralString = (
    _OF_MONTH
    + """
SELECT department, kind, count(*) FILTER (WHERE NOT is_never_acceptable) AS reported,
       count(accepted_at) FILTER (WHERE NOT is_never_acceptable) AS stored,
       count(*) FILTER (WHERE NOT is_never_acceptable AND EXISTS (
         SELECT FROM stages s WHERE s.record_key = j.record_key AND s.stage = 'published'
           AND s.target = ANY(%(public)s))) AS shown,
       count(*) FILTER (WHERE is_in_time) AS in_time, count(*) FILTER (WHERE is_late) AS late,
       count(*) FILTER (WHERE is_open) AS still_open,
       count(*) FILTER (WHERE is_never_acceptable) AS apart
FROM judged j GROUP BY department, kind
"""
)
_LATE: LiteralString = (
    _OF_MONTH  # noqa: S608 - two constants of this module, values are bound
    + """
SELECT r.record_key, r.ledger_key, r.kind, r.department, r.status, r.document_number,
       r.subject_name, r.decided_on, r.arrived_at, r.accepted_at, r.version_at, r.waits_for,
       c.target, c.clock, c.due_at, c.counted_from, c.is_provisional, c.is_estimated, s.stage,
       f.first_reached_at, f.version_reached_at, NULL::text AS accepted_under,
       coalesce(e.reasons, '[]'::jsonb) AS reasons, f.refusal_code,
       CASE WHEN d.record_key IS NULL THEN NULL ELSE f.done_at END AS done_at
FROM judged r
JOIN clocks c ON c.record_key = r.record_key AND c.clock = 'disclose'
LEFT JOIN ended d ON d.record_key = c.record_key AND d.target = c.target
LEFT JOIN standings s ON s.record_key = c.record_key AND s.target = c.target
LEFT JOIN entries e ON e.partition = r.partition AND e.sequence = r.live_sequence
LEFT JOIN LATERAL (
  SELECT min(g.at) AS first_reached_at,
         min(g.at) FILTER (WHERE g.version = r.version) AS version_reached_at,
         max(g.code) FILTER (WHERE g.stage = 'refused' AND g.version = r.version) AS refusal_code,
         min(coalesce(g.platform_at, g.at)) FILTER (
           WHERE g.stage IN ('acknowledged', 'published')
             AND coalesce(g.platform_at, g.at) > c.due_at) AS done_at
  FROM stages g
  WHERE g.record_key = c.record_key AND g.target = c.target AND g.stage NOT IN ('named', 'parked')
    AND g.action = 'publish') f ON true
WHERE NOT r.is_never_acceptable
  AND ((d.record_key IS NOT NULL AND NOT d.is_in_time)
    OR (d.record_key IS NULL AND NOT c.is_stopped AND c.due_at <= %(now)s))
ORDER BY r.department, r.kind, c.due_at, r.document_number, c.target
"""
)
_MONTH_CASES: LiteralString = """
SELECT case_kind, count(*) FILTER (WHERE since >= %(begin)s) AS opened,
       count(*) FILTER (WHERE ended_at >= %(begin)s AND ended_at < %(end)s) AS ended,
       count(*) FILTER (WHERE ended_at IS NULL OR ended_at >= %(end)s) AS still_open
FROM cases WHERE since < %(end)s GROUP BY case_kind
"""
_DECLARED: LiteralString = "SELECT * FROM declared WHERE month = %s"


class _CountRow(NamedTuple):
    department: str
    kind: str
    reported: int
    stored: int
    shown: int
    in_time: int
    late: int
    still_open: int
    apart: int


def month_lines(tables: LookUps, first: date, last: date, now: int) -> list[MonthlyLine]:
    """Return the form of the month from `first` to `last` as of `now` (business ms)."""
    values = _values(tables, first, last, now)
    counts: dict[Place, Counts] = {}
    for department, kind, *numbers in tables.fetch(_CountRow, _COUNTS, values):
        place = (department, REPORTED_AS.get(kind, kind))
        so_far = counts.get(place, Counts())
        counts[place] = Counts(*(a + b for a, b in zip(so_far, numbers, strict=True)))
    return lines_of(counts, tables.fetch(DeclaredRow, _DECLARED, (first.isoformat()[:7],)))


def late_rows(tables: LookUps, first: date, last: date, now: int) -> list[DueRow]:
    """Return what was late in the month, or is overdue, by department and due date."""
    return tables.fetch(DueRow, _LATE, _values(tables, first, last, now))


def month_cases(tables: LookUps, first: date, last: date) -> list[CaseLine]:
    """Return the cases that waited for a person in the month from `first` to `last`."""
    begin, end = moments_of(first, last)
    return case_lines(tables.fetch(CaseLine, _MONTH_CASES, {"begin": begin, "end": end}))


def count_months(
    tables: LookUps, metrics: Metrics, months: list[tuple[date, date]], now: int
) -> None:
    """Set `hub_month_records` and `hub_month_cases` for these months, to the report's figures."""
    values: dict[tuple[str, ...], int] = {
        (first.isoformat()[:7], line.department, line.kind, measure): number
        for first, last in months
        for line in month_lines(tables, first, last, now)
        for measure in MEASURES
        if (number := getattr(line, measure)) is not None
    }
    metrics.refill(metrics.month_records, values)
    cases: dict[tuple[str, ...], int] = {
        (first.isoformat()[:7], line.case_kind, measure): number
        for first, last in months
        for line in month_cases(tables, first, last)
        for measure, number in zip(CASE_MEASURES, line[1:], strict=True)
    }
    metrics.refill(metrics.month_cases, cases)


def _values(tables: LookUps, first: date, last: date, now: int) -> dict[str, object]:
    basis = tables.basis()
    targets = targets_in(basis.content) if basis is not None else ()
    return {
        "first": first,
        "last": last,
        "now": now,
        "kinds": sorted({kind for target in targets for kind in target.kinds}),
        "public": sorted(target.number for target in targets if target.is_public),
    }
