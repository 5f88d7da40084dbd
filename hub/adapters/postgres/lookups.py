"""Questions to the look-up tables: read only, each answer as of one moment."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import date
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, LiteralString, NamedTuple, Self, TypeVar

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from hub.adapters.postgres.tables import (
    UNANSWERED,
    Heartbeat,
    Position,
    StreamCount,
    schema_of,
    unavailable,
)
from hub.core.waiting import FOR_RECORD
from hub.domain.calendar import WorkingCalendar
from hub.domain.dates import day_of_ms
from hub.domain.succession import NO_SUCCESSIONS, Successions
from hub.errors import ConfigurationError, UnavailableError
from hub.views.court_lists import Comparison, FullList, Listing, compare, whole_lists
from hub.views.entry import ClockEventRow, ClockRow, EntryRow, RecordRow, SnapshotRow, StageRow
from hub.views.open_cases import CaseKind, Turn, turn_of
from hub.views.twins import AnsweredTwin
from hub.views.whose_time import Moments, Party, Passage, fault_of, passage_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from hub.runtime.metrics import Metrics

_Row = TypeVar("_Row")
_DAY_MS = 86_400_000
_NO_KEY = bytes(16)


class DisplayNames(NamedTuple):
    """Display names of the parts of a site, as the projector noted them."""

    prefix: str
    content: Mapping[str, object]


class BasisRow(NamedTuple):
    """The parts of a basis that look-ups need: decider, site, rulebook, calendar."""

    basis: bytes
    adopted_at: int
    content: Mapping[str, object]


class Traced(NamedTuple):
    """Everything known of the records that a question found, each list in order of time."""

    records: list[RecordRow]
    entries: list[EntryRow]
    stages: list[StageRow]
    clocks: list[ClockRow]
    clock_events: list[ClockEventRow]
    conflicts: list[ConflictRow]
    cases: list[CaseView]


class CaseView(NamedTuple):
    """Something that waits for a person, or did, with what it is about."""

    case_kind: str
    """`hub.views.open_cases.CaseKind`."""
    record_key: bytes
    partition: int
    sequence: int
    """Of the last entry that says so."""
    since: int
    """Of the first; business milliseconds."""
    times: int
    waits_for: str
    """Of what waits: `record` or `move`."""
    until: int | None
    target: int
    """-1 where it is about none."""
    version: int
    """Of the delivery; 0 where it is about none."""
    code: str
    """The platform's."""
    message: str
    """The platform's."""
    ended: int | None
    """Sequence of the entry that ended it."""
    ended_at: int | None
    how: str
    """`hub.views.open_cases.CaseEnd`; empty while it is open."""
    ended_by: str | None
    """Outcome of the entry that ended it."""
    department: str
    """Who stated it; of a delivery, whose record it is."""
    kind: str
    """Of the statement; of a delivery, of its record."""
    ledger_key: str
    subject_kind: str
    document_number: str
    document_key: str
    subject_name: str
    name_key: str
    reasons: list[list[str]]


class NearRecord(NamedTuple):
    """A record that a statement which waits may have meant."""

    record_key: bytes
    ledger_key: str
    document_number: str
    document_key: str
    subject_name: str
    name_key: str
    status: str


class DueRow(NamedTuple):
    """A clock, running or ended late, with what is needed to say whose fault it is."""

    record_key: bytes
    ledger_key: str
    kind: str
    department: str
    status: str
    document_number: str
    subject_name: str
    decided_on: date | None
    arrived_at: int
    accepted_at: int | None
    version_at: int
    waits_for: str
    target: int
    clock: str
    due_at: int
    counted_from: date
    is_provisional: bool
    is_estimated: bool
    stage: str | None
    first_reached_at: int | None
    """First stage reported for any version."""
    version_reached_at: int | None
    """First stage reported for the current version."""
    accepted_under: str | None
    reasons: list[list[str]]
    refusal_code: str | None
    done_at: int | None
    """When the stage came that ended it too late, by the platform's time; None while it runs."""

    @property
    def passage(self) -> Passage:
        """The moments that say whose time was used."""
        return passage_of(
            Moments(
                self.clock, self.counted_from, self.is_estimated, self.decided_on, self.status,
                self.waits_for, self.arrived_at, self.accepted_at, self.version_at,
                self.first_reached_at, self.version_reached_at, self.done_at, self.stage or "named",
            )
        )  # fmt: skip


class ConflictRow(NamedTuple):
    """One document under several credit codes; lists go together, earliest first."""

    subject: str
    authority_code: str
    document_key: str
    name_key: str
    document_number: str
    subject_name: str
    credit_codes: list[str]
    statuses: list[str]
    departments: list[str]
    is_open: bool


class TallyRow(NamedTuple):
    """How many submissions of a kind a department got this outcome for."""

    department: str
    kind: str
    outcome: str
    number: int


class TargetCounts(NamedTuple):
    """Deliveries of one target (record, version, action) that ever reached a stage."""

    target: int
    named: int
    sent: int
    acknowledged: int
    published: int
    refused: int
    withdrawn: int


class ClockCounts(NamedTuple):
    """Clocks of a department at a target: stopped in time or late, running, running past due."""

    department: str
    target: int
    in_time: int
    late: int
    open: int
    overdue: int


class NamedRow(NamedTuple):
    """A target that a ledger record names, and how far the delivery came."""

    partition: int
    sequence: int
    record_key: bytes
    version: int
    target: int
    action: str
    stage: str


class _Schema(NamedTuple):
    schema: str


class _RecordKey(NamedTuple):
    record_key: bytes


class _DueOnly(NamedTuple):
    due_at: int


_NAMED_FROM: LiteralString = """
SELECT e.partition, e.sequence, e.record_key, e.version, t.target, a.action,
       coalesce((SELECT g.stage FROM stages g
                 WHERE g.record_key = e.record_key AND g.target = t.target
                   AND g.version = e.version AND g.action = a.action
                 ORDER BY g.sequence DESC LIMIT 1), 'named') AS stage
FROM entries e
CROSS JOIN generate_series(0, 63) AS t(target)
CROSS JOIN LATERAL (VALUES ('publish', e.publish_targets), ('withdraw', e.withdraw_targets))
  AS a(action, targets)
WHERE e.partition = %s AND e.sequence >= %s AND a.targets >> t.target & 1 = 1
ORDER BY e.sequence, t.target
"""
_RECORD_KEYS: LiteralString = """
WITH found AS (
  SELECT record_key, move_id FROM entries
  WHERE (%(document)s::text IS NULL OR document_key = %(document)s)
    AND (%(name)s::text IS NULL OR name_key = %(name)s)
    AND (%(code)s::text IS NULL OR ledger_key = %(code)s))
SELECT DISTINCT record_key FROM (
  SELECT record_key FROM found
  UNION ALL
  SELECT e.record_key FROM entries e JOIN found f ON e.move_id = f.move_id) AS all_keys
WHERE record_key <> %(no_key)s
"""
_DUE: LiteralString = """
SELECT c.record_key, r.ledger_key, r.kind, r.department, r.status, r.document_number,
       r.subject_name, r.decided_on, r.arrived_at, r.accepted_at, r.version_at, r.waits_for,
       c.target, c.clock, c.due_at, c.counted_from, c.is_provisional, c.is_estimated, s.stage,
       f.first_reached_at, f.version_reached_at, c.accepted_under,
       coalesce(e.reasons, '[]'::jsonb) AS reasons, f.refusal_code,
       NULL::bigint AS done_at
FROM running_clocks c
JOIN records r USING (record_key)
LEFT JOIN standings s ON s.record_key = c.record_key AND s.target = c.target
LEFT JOIN entries e ON e.partition = r.partition AND e.sequence = r.live_sequence
LEFT JOIN LATERAL (
  SELECT min(g.at) AS first_reached_at,
         min(g.at) FILTER (WHERE g.version = r.version) AS version_reached_at,
         max(g.code) FILTER (WHERE g.stage = 'refused' AND g.version = r.version) AS refusal_code
  FROM stages g
  WHERE g.record_key = c.record_key AND g.target = c.target AND g.stage NOT IN ('named', 'parked')
    AND g.action = CASE c.clock WHEN 'withdraw' THEN 'withdraw' ELSE 'publish' END) f ON true
WHERE c.due_at <= %s
ORDER BY c.due_at, r.ledger_key, r.document_number, c.target
"""
# Driven by the refused rows that owe something: what is live is looked up for those alone.
_TWINS: LiteralString = """
SELECT r.record_key, r.partition, r.ledger_key, r.live_sequence, l.record_key AS answered_by
FROM records r
JOIN LATERAL (
  SELECT g.record_key FROM records g
  WHERE g.document_key = r.document_key AND g.name_key = r.name_key AND g.subject = r.subject
    AND (g.authority_code = r.authority_code
      OR %(codes)s::jsonb -> g.authority_code ? r.authority_code
      OR %(codes)s::jsonb -> r.authority_code ? g.authority_code)
    AND coalesce(%(heirs)s::jsonb ->> g.department, g.department)
      = coalesce(%(heirs)s::jsonb ->> r.department, r.department)
    AND g.version > 0 AND g.document_key <> '' AND g.record_key <> r.record_key
  ORDER BY g.accepted_at, g.record_key LIMIT 1) l ON true
WHERE r.status = 'quarantined' AND r.version = 0 AND r.document_key <> '' AND EXISTS (
  SELECT FROM clocks c
  WHERE c.record_key = r.record_key AND c.clock = 'disclose' AND NOT c.is_stopped)
ORDER BY r.partition, r.live_sequence
"""
_TARGETS: LiteralString = """
SELECT target, count(*) AS named, count(reached) AS sent,
       count(*) FILTER (WHERE 'acknowledged' = ANY(reached)) AS acknowledged,
       count(*) FILTER (WHERE 'published' = ANY(reached)) AS published,
       count(*) FILTER (WHERE 'refused' = ANY(reached)) AS refused,
       count(*) FILTER (WHERE 'withdrawn' = ANY(reached)) AS withdrawn
FROM (
  SELECT target, record_key, version, action,
         array_agg(stage) FILTER (WHERE stage NOT IN ('named', 'parked')) AS reached
  FROM stages GROUP BY target, record_key, version, action) AS deliveries
GROUP BY target ORDER BY target
"""
_CLOCKS: LiteralString = """
SELECT department, target, sum(in_time)::bigint AS in_time, sum(late)::bigint AS late,
       sum(open)::bigint AS open, sum(overdue)::bigint AS overdue
FROM (
  SELECT department, target,
         count(*) FILTER (WHERE event IN ('stopped_in_time', 'in_time_learned_late'))
           - count(*) FILTER (WHERE event = 'reopened') AS in_time,
         count(*) FILTER (WHERE event = 'stopped_late')
           - count(*) FILTER (WHERE event = 'reopened_late') AS late, 0 AS open, 0 AS overdue
  FROM clock_events WHERE clock <> 'expire' GROUP BY department, target
  UNION ALL
  SELECT r.department, c.target, 0, 0, count(*), count(*) FILTER (WHERE c.due_at <= %s)
  FROM running_clocks c JOIN records r USING (record_key)
  WHERE c.accepted_under IS NULL GROUP BY r.department, c.target) AS counts
GROUP BY department, target ORDER BY department, target
"""


_WALKS: LiteralString = """
WITH begun AS (
  SELECT t.target, r.partition, r.sequence, r.decided_at AS asked_at, r.walk,
         'walk:' || lpad(to_hex(r.sequence), 16, '0') AS name,
         row_number() OVER (PARTITION BY t.target, r.partition ORDER BY r.sequence) AS ordinal
  FROM entries r CROSS JOIN generate_series(0, 63) AS t(target)
  WHERE r.walk IS NOT NULL
    AND mod(div((r.walk->>'targets')::numeric, 2::numeric ^ t.target), 2) = 1),
ended AS (
  SELECT b.*, e.decided_at AS ended_at FROM begun b
  LEFT JOIN entries e ON e.cause_kind = 'sweep' AND e.cause_topic = b.name
    AND e.partition = b.partition AND e.cause_offset = b.sequence),
finished AS (
  SELECT target, ordinal FROM ended GROUP BY target, ordinal
  HAVING bool_and(ended_at IS NOT NULL))
SELECT d.target, d.ordinal, d.partition, d.sequence, d.asked_at, d.walk, d.ended_at, s.named,
       s.looked
FROM ended d
CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE (e.publish_targets | e.withdraw_targets) >> d.target & 1 = 1)
           AS named,
         coalesce(max(e.cause_offset) + 1, 0) AS looked
  FROM entries e
  WHERE e.cause_kind = 'sweep' AND e.cause_topic = d.name AND e.partition = d.partition) s
WHERE (d.target, d.ordinal) NOT IN (SELECT target, ordinal FROM finished)
   OR (d.target, d.ordinal) IN (SELECT target, max(ordinal) FROM finished GROUP BY target)
ORDER BY d.target, d.ordinal, d.partition
"""


class WalkRow(NamedTuple):
    """Progress of a resend through one ledger partition for one target."""

    target: int
    ordinal: int
    """Number of the resend at this target: every partition is asked in the same order."""
    partition: int
    sequence: int
    """Of the request; ledger records before it are looked at."""
    asked_at: int
    walk: Mapping[str, str]
    """Its purpose, as facts: see `hub.core.resend.Walk`."""
    ended_at: int | None
    named: int
    """Records the target was named for by it."""
    looked: int
    """The next sequence to visit, as the ledger says; a scan with little to say rarely says."""


_UNSENT: LiteralString = """
SELECT s.target, min(g.at) AS since FROM standings s
JOIN stages g ON g.record_key = s.record_key AND g.target = s.target AND g.version = s.version
 AND g.action = s.action AND g.stage = 'named'
WHERE s.stage = 'named' GROUP BY s.target
"""


_CASE_OWNER: LiteralString = (
    "CASE WHEN c.target >= 0 THEN coalesce(r.department, '') ELSE e.department END"
)
_CASES: LiteralString = (
    """
SELECT c.case_kind, c.record_key, c.partition, c.sequence, c.since, c.times, c.waits_for, c.until,
       c.target, c.version, c.code, c.message, c.ended, c.ended_at, c.how, b.outcome AS ended_by,
       """
    + _CASE_OWNER
    + """ AS department,
       CASE WHEN c.target >= 0 THEN coalesce(r.kind, '') ELSE e.kind END AS kind,
       coalesce(r.ledger_key, e.ledger_key) AS ledger_key, e.subject_kind,
       coalesce(nullif(e.document_number, ''), r.document_number, '') AS document_number,
       coalesce(nullif(e.document_key, ''), r.document_key, '') AS document_key,
       coalesce(nullif(e.subject_name, ''), r.subject_name, '') AS subject_name,
       coalesce(nullif(e.name_key, ''), r.name_key, '') AS name_key, e.reasons
FROM cases c JOIN entries e ON e.partition = c.partition AND e.sequence = c.sequence
LEFT JOIN entries b ON b.partition = c.partition AND b.sequence = c.ended
LEFT JOIN records r ON r.record_key = c.record_key
"""
)
_CASES_OF: LiteralString = (
    _CASES
    + " WHERE c.case_kind = ANY(%(kinds)s) AND (%(ended)s OR c.ended IS NULL)"
    + " AND (%(departments)s = '{}'::text[] OR "
    + _CASE_OWNER
    + " = ANY(%(departments)s))"
    + " ORDER BY c.since, c.partition, c.opened, c.case_kind LIMIT %(limit)s"
)
_CASE_COUNTS: LiteralString = (
    "SELECT c.case_kind, "
    + _CASE_OWNER
    + """ AS department, count(*) AS number, min(c.since) AS since
FROM cases c JOIN entries e ON e.partition = c.partition AND e.sequence = c.sequence
LEFT JOIN records r ON r.record_key = c.record_key
WHERE c.ended IS NULL GROUP BY 1, 2
"""
)
_NEAR: LiteralString = """
SELECT record_key, ledger_key, document_number, document_key, subject_name, name_key, status
FROM records
WHERE subject = %(subject)s AND record_key <> %(itself)s AND status IN ('live', 'quarantined')
  AND (ledger_key = %(key)s OR (document_key = %(document)s AND document_key <> ''))
ORDER BY arrived_at DESC LIMIT %(most)s
"""
_MOST_LOOKED_AT = 500
MOST_NEAR = 3
"""Records named as near to what a statement names."""
_NEAR_ENOUGH = 0.6


def twins_asked(successions: Successions) -> dict[str, str]:
    """The parameters of `_TWINS`."""
    return {name: json.dumps(value) for name, value in successions._asdict().items()}


def nearest(case: CaseView, found: Sequence[NearRecord]) -> list[NearRecord]:
    """Those whose number, and name, come nearest to what was stated; pure."""

    def likeness(row: NearRecord) -> tuple[float, float]:
        return (
            SequenceMatcher(None, case.document_key, row.document_key).ratio(),
            SequenceMatcher(None, case.name_key, row.name_key).ratio(),
        )

    near = [(likeness(row), row) for row in found]
    # a company's records share its name: near in name alone would be all of them
    alike = [one for one in near if one[0][0] >= _NEAR_ENOUGH]
    alike.sort(key=lambda one: sum(one[0]), reverse=True)
    return [row for _, row in alike[:MOST_NEAR]]


class CaseCount(NamedTuple):
    """Open cases of a kind and department, and since when the oldest of them."""

    case_kind: str
    department: str
    number: int
    since: int


class _Unsent(NamedTuple):
    target: int
    since: int


class _Number(NamedTuple):
    document_number: str


class LookUps:
    """One read-only connection to a site's tables; failures are `UnavailableError`."""

    def __init__(self, dsn: str, schema: str, successions: Successions = NO_SUCCESSIONS) -> None:
        """`successions`: under which other names the record of a refused row may be."""
        self.schema = schema
        self._successions = successions
        try:
            self._session = psycopg.connect(dsn, autocommit=True, application_name="hub look-up")
            self._session.execute(
                sql.SQL("SET search_path TO {}; SET default_transaction_read_only TO on").format(
                    sql.Identifier(schema)
                )
            )
        except UNANSWERED as error:
            raise unavailable(error) from error

    def close(self) -> None:
        """End the connection."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- questions ---

    def site(self) -> DisplayNames | None:
        """Names, or None before a projector has ever run."""
        return next(iter(self.fetch(DisplayNames, "SELECT * FROM site")), None)

    def basis(self) -> BasisRow | None:
        """The basis adopted last, or None while there is none."""
        rows = self.fetch(BasisRow, "SELECT * FROM bases ORDER BY adopted_at DESC, basis LIMIT 1")
        return next(iter(rows), None)

    def heartbeat(self) -> Heartbeat | None:
        """When the projector was last at work, or None."""
        return next(iter(self.fetch(Heartbeat, "SELECT * FROM heartbeat")), None)

    def now(self) -> int:
        """Business time: the projector's, carried on at its pace; real time before any."""
        real = time.time_ns() // 1_000_000
        beat = self.heartbeat()
        if beat is None:
            return real
        return beat.business_now + int((real - beat.seen_at) * beat.factor)

    def positions(self) -> list[Position]:
        """How far each ledger partition has been read."""
        return self.fetch(Position, "SELECT * FROM positions ORDER BY partition")

    def named_from(self, partition: int, sequence: int) -> list[NamedRow]:
        """Return what a partition names targets for from this sequence on, with its last stage."""
        return self.fetch(NamedRow, _NAMED_FROM, (partition, sequence))

    def trace(
        self, document_key: str | None, name_key: str | None, credit_code: str | None
    ) -> Traced:
        """Everything about the records that match all that is given, and where they moved to."""
        keys = [
            row.record_key
            for row in self.fetch(
                _RecordKey,
                _RECORD_KEYS,
                {
                    "document": document_key,
                    "name": name_key,
                    "code": credit_code,
                    "no_key": _NO_KEY,
                },
            )
        ]
        records = self.fetch(
            RecordRow,
            "SELECT * FROM records WHERE record_key = ANY(%s) ORDER BY arrived_at, ledger_key",
            (keys,),
        )
        documents = [r.document_key for r in records]
        return Traced(
            records,
            self.fetch(
                EntryRow,
                "SELECT partition, sequence, decided_at, cause_kind, cause_topic, cause_offset,"
                " outcome, is_repeat, record_key, version, department, kind, stream,"
                " stream_sequence, position, ledger_key, subject_kind, document_number,"
                " document_key, subject_name, name_key, authority_code, move_id, basis,"
                " publish_targets, withdraw_targets, refers_to, reasons::text AS reasons,"
                " walk::text AS walk"
                " FROM entries WHERE record_key = ANY(%s)"
                " ORDER BY decided_at, partition, sequence",
                (keys,),
            ),
            self.fetch(
                StageRow,
                "SELECT * FROM stages WHERE record_key = ANY(%s) ORDER BY at, partition, sequence",
                (keys,),
            ),
            self.fetch(
                ClockRow,
                "SELECT * FROM clocks WHERE record_key = ANY(%s) ORDER BY due_at, target",
                (keys,),
            ),
            self.fetch(
                ClockEventRow,
                "SELECT * FROM clock_events WHERE record_key = ANY(%s)"
                " ORDER BY at, partition, sequence",
                (keys,),
            ),
            self.fetch(ConflictRow, _CONFLICTS + " WHERE document_key = ANY(%s)", (documents,)),
            self.fetch(
                CaseView,
                _CASES + " WHERE c.record_key = ANY(%s) AND c.ended IS NULL"
                " ORDER BY c.since, c.partition, c.opened",
                (keys,),
            ),
        )

    def cases(
        self, turn: Turn, *, departments: Sequence[str] = (), kind: CaseKind | None = None,
        with_ended: bool = False, limit: int | None = None,
    ) -> list[CaseView]:  # fmt: skip
        """Return the open cases of this party, the oldest first; `with_ended`: ended ones, too.

        Of every department where none is named.
        """
        kinds = [one.value for one in CaseKind if turn_of(one) is turn and kind in (None, one)]
        return self.fetch(
            CaseView,
            _CASES_OF,
            {"kinds": kinds, "ended": with_ended, "departments": list(departments), "limit": limit},
        )

    def case_counts(self) -> list[CaseCount]:
        """How many cases are open, by kind and department."""
        return self.fetch(CaseCount, _CASE_COUNTS)

    def near(self, case: CaseView) -> list[NearRecord]:
        """Up to `MOST_NEAR` records that a statement may have meant which waits for its record.

        Records of the same subject and company, or under the same number elsewhere. None for an
        arrival: what it waits for is known.
        """
        if case.how or case.case_kind != CaseKind.WAITING or case.waits_for != FOR_RECORD:
            return []
        found = self.fetch(
            NearRecord,
            _NEAR,
            {
                "subject": case.subject_kind.partition(".")[0], "itself": case.record_key,
                "key": case.ledger_key, "document": case.document_key, "most": _MOST_LOOKED_AT,
            },
        )  # fmt: skip
        return nearest(case, found)

    def due(self, horizon: int) -> list[DueRow]:
        """Running clocks due at or before `horizon` (business ms), earliest first."""
        return self.fetch(DueRow, _DUE, (horizon,))

    def conflicts(self) -> list[ConflictRow]:
        """Documents found under several credit codes."""
        return self.fetch(
            ConflictRow, _CONFLICTS + " ORDER BY is_open DESC, document_key, name_key"
        )

    def full_lists(self) -> list[FullList]:
        """The latest full list of each court that is on record with all its parts."""
        # recent days only: a list is a state, and each part holds up to a quarter of a megabyte
        rows = self.fetch(
            SnapshotRow,
            "SELECT s.* FROM snapshots s LEFT JOIN records r USING (record_key)"
            " WHERE snapshot_on > ("
            " SELECT max(snapshot_on) FROM snapshots n WHERE n.court_code = s.court_code) - 3"
            " ORDER BY declared_at DESC, live_sequence DESC NULLS LAST",
        )
        # newest first; of a list that was sent again, what was said last
        newest: dict[tuple[str, date, str, int], SnapshotRow] = {}
        for row in rows:
            place = row.court_code, row.snapshot_on, row.entries_digest, row.part
            newest.setdefault(place, row)
        return whole_lists(newest.values())

    def live_listings(self, court_code: str) -> list[Listing]:
        """The live entries of a court's list."""
        return self.fetch(
            Listing,
            "SELECT record_key, ledger_key AS credit_code, subject_name,"
            " document_number AS case_number, arrived_at, accepted_at FROM records"
            " WHERE kind = 'court_enforcement.listed.v1' AND status = 'live'"
            " AND authority_code = %s ORDER BY record_key",
            (court_code,),
        )

    def comparisons(self) -> list[Comparison]:
        """Each court's latest full list beside its live entries."""
        return [compare(full, self.live_listings(full.court_code)) for full in self.full_lists()]

    def facts_raised(self, kind: str) -> set[str]:
        """The ids of facts of a kind that are on record; a row that was refused raises nothing."""
        rows = self.fetch(
            _Number,
            "SELECT document_number FROM records WHERE kind = %s AND status = 'live'",
            (kind,),
        )
        return {row.document_number for row in rows}

    def answered_twins(self) -> list[AnsweredTwin]:
        """Refused rows that still owe a disclosure of what was accepted under another key."""
        return self.fetch(AnsweredTwin, _TWINS, twins_asked(self._successions))

    def tallies(self) -> list[TallyRow]:
        """Outcomes of submissions by department and kind."""
        return self.fetch(TallyRow, "SELECT * FROM tallies ORDER BY department, kind, outcome")

    def streams(self) -> list[StreamCount]:
        """Return the counts of each stream."""
        return self.fetch(StreamCount, "SELECT * FROM streams ORDER BY stream, partition")

    def targets(self) -> list[TargetCounts]:
        """Return the outcomes of each target's deliveries."""
        return self.fetch(TargetCounts, _TARGETS)

    def walks(self) -> list[WalkRow]:
        """Walks over the ledger that go on, and the last that has ended, of each target."""
        return self.fetch(WalkRow, _WALKS)

    def clock_counts(self, now: int) -> list[ClockCounts]:
        """Stopped and running clocks per department and target."""
        return self.fetch(ClockCounts, _CLOCKS, (now,))

    # --- gauges ---

    def count_into(self, metrics: Metrics, now: int) -> None:
        """Set the gauges that the tables know: deadlines, conservation, conflicts, calendar."""
        numbers = self.target_names()
        running: dict[tuple[str, ...], int] = {}
        overdue = self._overdue_by_fault(now, numbers)
        met: dict[tuple[str, ...], int] = {}
        for row in self.clock_counts(now):
            place = row.department, numbers.get(row.target, str(row.target))
            running[place] = row.open
            overdue |= {(*place, who.value): overdue.get((*place, who.value), 0) for who in Party}
            met[*place, "in_time"], met[*place, "late"] = row.in_time, row.late
        metrics.refill(metrics.deadline_open, running)
        metrics.refill(metrics.deadline_overdue, overdue)
        metrics.refill(metrics.deadline_met, met)
        since = {row.target: row.since for row in self.fetch(_Unsent, _UNSENT)}
        ages: dict[tuple[str, ...], float] = {
            (numbers.get(target, str(target)),): max(0, now - since.get(target, now)) / 1000
            for target in sorted(numbers.keys() | since.keys())
        }
        metrics.refill(metrics.oldest_unsent_age, ages)
        soon = self.fetch(
            _DueOnly,
            "SELECT due_at FROM running_clocks"
            " WHERE accepted_under IS NULL AND due_at > %s AND due_at <= %s",
            (now, now + 7 * _DAY_MS),
        )
        for days in (1, 3, 7):
            count = sum(row.due_at <= now + days * _DAY_MS for row in soon)
            metrics.due_within.labels(str(days)).set(count)
        for department, gap in conservation_gaps(self.streams()).items():
            metrics.conservation_gap.labels(department).set(gap)
        basis = self.basis()
        if basis is not None:
            announced = WorkingCalendar.from_mapping(basis.content["calendar"]).announced_years
            last = date(max(announced, default=1970), 12, 31)
            metrics.calendar_horizon_days.set((last - day_of_ms(now)).days)
        self._count_cases(metrics, now)
        open_conflicts = Counter(row.subject for row in self.conflicts() if row.is_open)
        subjects = metrics.subjects | open_conflicts.keys()
        metrics.refill(
            metrics.identity_conflicts, {(each,): open_conflicts[each] for each in subjects}
        )

    def _count_cases(self, metrics: Metrics, now: int) -> None:
        """Every kind for every department: an alert must find its series at 0, too."""
        site = self.site()
        departments = site.content.get("departments") if site is not None else None
        names = departments if isinstance(departments, dict) else {}
        counts: dict[tuple[str, ...], int] = {
            (kind.value, str(name)): 0 for kind in CaseKind for name in names
        }
        ages: dict[tuple[str, ...], float] = {(kind.value,): 0 for kind in CaseKind}
        for row in self.case_counts():
            counts[row.case_kind, row.department] = row.number
            age = max(0, now - row.since) / 1000
            ages[row.case_kind,] = max(ages[row.case_kind,], age)
        metrics.refill(metrics.open_cases, counts)
        metrics.refill(metrics.oldest_case_age, ages)

    def _overdue_by_fault(self, now: int, targets: Mapping[int, str]) -> dict[tuple[str, ...], int]:
        """Department, target and party → clocks overdue by that party's fault."""
        overdue: Counter[tuple[str, ...]] = Counter(
            (
                row.department,
                targets.get(row.target, str(row.target)),
                fault_of(row.passage, row.due_at, now).party.value,
            )
            for row in self._streamed(DueRow, _DUE, (now,))
            if row.accepted_under is None
        )
        return dict(overdue)  # a counter would drop the parties that have none

    def _streamed(
        self, shape: type[_Row], query: LiteralString, values: Sequence[object]
    ) -> Iterator[_Row]:
        """Ask as `fetch` does; rows come one after the other: they may be very many."""
        try:
            with self._session.cursor(row_factory=class_row(shape)) as cursor:
                yield from cursor.stream(query, values)
        except psycopg.errors.UndefinedTable as error:
            raise _no_projection() from error
        except UNANSWERED as error:
            raise unavailable(error) from error

    def target_names(self) -> dict[int, str]:
        """Target number → id under the basis adopted last."""
        basis = self.basis()
        site = basis.content["site"] if basis is not None else {}
        targets = site["targets"] if isinstance(site, dict) and "targets" in site else []
        return {int(target["number"]): str(target["id"]) for target in targets}

    def successors(self) -> dict[str, str]:
        """Retired department → the one that succeeded it, under the basis adopted last."""
        basis = self.basis()
        site = basis.content["site"] if basis is not None else {}
        departments = site.get("departments", {}) if isinstance(site, dict) else {}
        return {
            str(name): str(department["successor"])
            for name, department in departments.items()
            if "successor" in department
        }

    def fetch(
        self,
        shape: type[_Row],
        query: LiteralString,
        values: Sequence[object] | Mapping[str, object] = (),
    ) -> list[_Row]:
        """Ask; each row as a `shape`. Raises `UnavailableError`, or says that nothing is there."""
        try:
            with self._session.cursor(row_factory=class_row(shape)) as cursor:
                return cursor.execute(query, values).fetchall()
        except psycopg.errors.UndefinedTable as error:
            raise _no_projection() from error
        except UNANSWERED as error:
            raise unavailable(error) from error


_CONFLICTS: LiteralString = (
    "SELECT subject, authority_code, document_key, name_key, document_number, subject_name,"
    " credit_codes, statuses, departments, is_open FROM identity_conflicts"
)


def conservation_gaps(streams: Sequence[StreamCount]) -> dict[str, int]:
    """Department → submissions its streams' sequences promise minus those decided; 0 is whole.

    A stream runs from 1 without gaps, so its highest sequence says how many there must be.
    """
    last: dict[tuple[str, str], int] = {}
    seen: Counter[str] = Counter()
    for row in streams:
        place = (row.department, row.stream)
        last[place] = max(last.get(place, 0), row.last_sequence)
        seen[row.department] += row.submissions
    promised: Counter[str] = Counter()
    for (department, _), number in last.items():
        promised[department] += number
    return {department: promised[department] - seen[department] for department in promised}


def open_look_ups(dsn: str, prefix: str | None) -> LookUps:
    """The tables of a site; without a prefix the only site of the database.

    Raises `UnavailableError` while there is none, `ConfigurationError` for several and no prefix.
    """
    if prefix is not None:
        return LookUps(dsn, schema_of(prefix))
    with LookUps(dsn, "public") as anywhere:
        found = anywhere.fetch(
            _Schema,
            "SELECT table_schema AS schema FROM information_schema.tables"
            " WHERE table_name = 'projection' AND table_schema LIKE 'hub\\_%%' ORDER BY 1",
        )
    if not found:
        raise _no_projection()
    if len(found) > 1:
        names = ", ".join(row.schema for row in found)
        raise ConfigurationError(
            f"数据库中有多个站点的查询表：{names}",
            f"the database holds look-up tables of several sites: {names}",
            remedy_zh="用 --site 指定站点目录",
            remedy_en="name the site's folder with --site",
        )
    return LookUps(dsn, found[0].schema)


def _no_projection() -> UnavailableError:
    return UnavailableError(
        "查询表尚未建立\nthere are no look-up tables yet\n"
        "处理办法：先运行投影进程：hub run projector\n"
        "Remedy: run the projector first: hub run projector"
    )
