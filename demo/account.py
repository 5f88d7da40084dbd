"""The demo's own account: what went into the topics and what the ledger says, read beside the hub.

It follows the submissions topics and the ledger and keeps no position: everything it says can be
checked against `hub status`, which the projector keeps, and `hub audit verify`.
"""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from hub.adapters.kafka.client import KafkaInputs
from hub.config.kafka_access import KafkaAccess
from hub.config.site import LoadedSite
from hub.contracts import Contracts
from hub.core.record import PRIMARY, CauseKind, LedgerRecord, Outcome, decode_record
from hub.core.resend import row_of
from hub.core.state import Clock, ClockFlag, ClockKind, RecordState, StageCode, Status
from hub.domain import kinds
from hub.ports import InputRecord
from hub.views.entry import EntryReader, RecordRow, follow, stated_row
from hub.views.monthly import MonthBook, MonthlyLine, ReportedTarget
from hub.views.whose_time import Moments, Party, fault_of, passage_of

_BATCH: Final = 4_000
_IN_TIME: Final = frozenset({"stopped_in_time", "in_time_learned_late"})
_FINAL: Final = frozenset({StageCode.PUBLISHED, StageCode.WITHDRAWN, StageCode.REFUSED})
_UNSENT: Final = frozenset({StageCode.NAMED, StageCode.SENT})
_CLOCK_NAMES: Final = {ClockKind.DISCLOSE: "disclose", ClockKind.WITHDRAW: "withdraw"}

_TAKEN_BACK: Final = "overdue_taken_back"

Submission = tuple[str, int]
"""Stream and sequence: what a submission is known by."""
Duty = tuple[bytes, int, ClockKind]
"""Record, target and clock."""


@dataclass(slots=True)
class SubmissionAnswer:
    """What the hub said to one submission."""

    outcome: str
    reasons: tuple[tuple[str, str, str], ...]
    """Code, column and severity of each."""
    position: str
    department: str
    record: bytes = b""
    """Key of the record it is about."""


class OwedDelivery(NamedTuple):
    """One version of a record as the ledger owes it to one target."""

    version: int
    action: str
    kind: str
    row: bytes
    """The framed row to publish; empty for a withdrawal."""


@dataclass(slots=True)
class Punctuality:
    """Duties of one department at one target that ended in time, or too late and whose fault."""

    in_time: int = 0
    late: Counter[Party] = field(default_factory=Counter)
    open: int = 0

    @property
    def judged(self) -> int:
        """Duties that have ended or fallen due."""
        return self.in_time + sum(self.late.values())


@dataclass(slots=True)
class Family:
    """Records of one kind."""

    records: int = 0
    standing: Counter[str] = field(default_factory=Counter)
    shown: Counter[int] = field(default_factory=Counter)
    """By target: those it shows now."""


class OutcomeTally:
    """A fold of submissions and ledger, in the demo's own memory."""

    def __init__(
        self,
        loaded: LoadedSite,
        contracts: Contracts,
        access: KafkaAccess,
        opened: Collection[str] = (),
    ) -> None:
        """`opened`: targets that will be public by the end, when the month is reported on."""
        self._site = loaded.site
        self._contracts = contracts
        self._reader = EntryReader(
            contracts, loaded.site.prefix, {t.id: t.number for t in loaded.site.targets}
        )
        self._ledger = loaded.site.topic("ledger")
        self._inputs = KafkaInputs(access, f"{loaded.site.prefix}demo")
        topics = [
            self._ledger,
            *(loaded.site.topic(f"submissions.{name}") for name in self.departments),
        ]
        self._inputs.assign(
            {(topic, p): 0 for topic in topics for p in range(loaded.site.partitions)}
        )
        self._months = MonthBook(
            EntryReader(
                contracts, loaded.site.prefix, {t.id: t.number for t in loaded.site.targets}
            ),
            [
                ReportedTarget(t.number, t.public or t.id in opened, t.kinds)
                for t in loaded.site.targets
            ],
        )
        self._shown_kinds = {kind for target in loaded.site.targets for kind in target.kinds}
        self._agents = frozenset(d.id for d in loaded.site.departments if d.kind == "agent")
        self.read: Counter[str] = Counter()
        """Submissions in the topics, by department."""
        self.rows_read: Counter[str] = Counter()
        """Those that are rows of files and tables, by stream; the rest states what was found."""
        self.outcomes: dict[str, Counter[str]] = defaultdict(Counter)
        """Primary outcomes in the ledger, by department."""
        self.answers: dict[Submission, list[SubmissionAnswer]] = defaultdict(list)
        self.events: Counter[str] = Counter()
        self.stages: dict[int, Counter[str]] = defaultdict(Counter)
        """Reports noted, by target and stage."""
        self.deliveries: dict[int, dict[bytes, list[OwedDelivery]]] = defaultdict(dict)
        self.refused: dict[int, set[tuple[bytes, int]]] = defaultdict(set)
        self.parked: dict[int, set[tuple[bytes, int]]] = defaultdict(set)
        """Deliveries that wait for a person, by target."""
        self.rows: dict[bytes, RecordRow] = {}
        self.statements: dict[str, list[dict[str, str]]] = defaultdict(list)
        """Rows that no target shows, as the ledger accepted them, by kind."""
        self._states: dict[bytes, RecordState] = {}
        self._waiting: dict[bytes, tuple[int, int]] = {}
        self._reached: dict[tuple[bytes, int, str], dict[int, int]] = defaultdict(dict)
        self._ended: dict[tuple[str, int], Punctuality] = defaultdict(Punctuality)
        self.records = 0
        self.written: Counter[Outcome] = Counter()
        """Ledger records by outcome, those included that nobody sent."""
        self.taken_back: dict[Duty, str] = {}
        """Duties whose *overdue* was taken back: the last that was said of each."""

    @property
    def departments(self) -> tuple[str, ...]:
        """Ids of the departments, in the site's order."""
        return tuple(d.id for d in self._site.departments)

    @property
    def decided(self) -> int:
        """Submissions that have their primary outcome."""
        return sum(sum(one.values()) for one in self.outcomes.values())

    @property
    def undecided(self) -> int:
        """Submissions in the topics without an outcome."""
        return sum(self.read.values()) - self.decided

    @property
    def under_way(self) -> int:
        """Deliveries named in the ledger whose end has not been reported."""
        return sum(waiting for waiting, _ in self._waiting.values())

    @property
    def unsent(self) -> int:
        """Deliveries named in the ledger that no platform has taken over yet."""
        return sum(unsent for _, unsent in self._waiting.values())

    def shown(self, target: int) -> int:
        """Records published at a target so far, by the platform's reports."""
        return self.stages[target]["published"]

    def close(self) -> None:
        """Leave the broker."""
        self._inputs.close()

    def poll(self, seconds: float) -> int:
        """Read what is there, waiting at most so long; return how many messages it was."""
        records = self._inputs.consume(_BATCH, seconds)
        for record in records:
            if record.topic == self._ledger:
                self._note(record)
            else:
                self._note_read(record)
        return len(records)

    def _note_read(self, record: InputRecord) -> None:
        department, headers = self._site.department_of(record.topic), dict(record.headers)
        self.read[department] += 1
        if department not in self._agents and headers.get("ce_type") != kinds.RECONCILED.encode():
            self.rows_read[headers.get("ce_source", b"").decode()] += 1

    # --- one ledger record -----------------------------------------------------------------------

    def _note(self, source: InputRecord) -> None:
        self.records += 1
        record = decode_record(source.value)
        self.written[record.outcome] += 1
        entry = self._reader.entry(source.partition, record)
        self._months.note(source.partition, record)
        if record.outcome in PRIMARY and record.cause.kind is CauseKind.SUBMISSION:
            outcome = record.outcome.name.lower()
            self.outcomes[record.department][outcome] += 1
            reasons = tuple((r.code, r.field, r.severity) for r in record.reasons)
            self.answers[entry.stream or "", entry.stream_sequence or 0].append(
                SubmissionAnswer(
                    outcome, reasons, entry.position, record.department, record.record_key
                )
            )
        state, key = record.state, record.record_key
        self._note_reports(source.partition, record)
        if state is None:
            self._note_waiting(key)
            return
        row = follow(self.rows.get(key), entry, record)
        if row is not None:
            self.rows[key] = row
        self._states[key] = state
        self._note_statement(record)
        self._note_waiting(key)
        self._note_deliveries(record, state)
        for event in record.events:
            self.events[event.event] += 1
            duty = (key, event.target, ClockKind(event.clock))
            if event.event == _TAKEN_BACK or duty in self.taken_back:
                self.taken_back[duty] = event.event
            self._note_end(record, state, event.target, ClockKind(event.clock), event.event)

    def _note_waiting(self, key: bytes) -> None:
        """How much is still to come of a record's deliveries, those apart that wait for a person.

        What is parked changes nothing of the record, so its report carries no state.
        """
        state = self._states.get(key)
        if state is None:
            return
        waiting = [s for s in state.stages if (key, s.version) not in self.parked[s.target]]
        self._waiting[key] = (
            sum(stage.stage not in _FINAL for stage in waiting),
            sum(stage.stage in _UNSENT for stage in waiting),
        )

    def _note_statement(self, record: LedgerRecord) -> None:
        """Keep what an accepted row states when no target could show it."""
        if record.outcome is not Outcome.ACCEPTED or record.kind in self._shown_kinds:
            return
        found = stated_row(record, self._contracts)
        if found is not None and found[0].is_row:
            texts = {name: text for name, text in found[1].items() if isinstance(text, str)}
            self.statements[record.kind].append(texts)

    def _note_deliveries(self, record: LedgerRecord, state: RecordState) -> None:
        for action, bits in (
            ("publish", record.publish_targets), ("withdraw", record.withdraw_targets),
        ):  # fmt: skip
            for target in range(bits.bit_length()):
                if bits >> target & 1:
                    row = row_of(record, self._contracts) if action == "publish" else b""
                    owed = self.deliveries[target].setdefault(record.record_key, [])
                    owed.append(OwedDelivery(record.version, action, state.kind, row))

    def _note_reports(self, partition: int, record: LedgerRecord) -> None:
        if record.outcome is not Outcome.OUTCOME_NOTED:
            return
        for stage in self._reader.stages(partition, record):
            self.stages[stage.target][stage.stage] += 1
            reached = self._reached[stage.record_key, stage.target, stage.action]
            reached.setdefault(stage.version, stage.at)
            delivery = stage.record_key, stage.version
            if stage.stage == "refused":
                self.refused[stage.target].add(delivery)
            if stage.stage == "parked":
                self.parked[stage.target].add(delivery)
            else:
                self.parked[stage.target].discard(delivery)

    def _note_end(
        self, record: LedgerRecord, state: RecordState, target: int, kind: ClockKind, event: str
    ) -> None:
        """A duty ended: in time, or too late and through whose fault."""
        if event in _IN_TIME:
            self._ended[state.department, target].in_time += 1
        elif event == "reopened":
            self._ended[state.department, target].in_time -= 1
        elif event == "stopped_late":
            (clock,) = (c for c in state.clocks if (c.target, c.kind) == (target, kind))
            done = next(s.platform_at for s in state.stages if s.target == target)
            done = done or record.decided_at  # an earlier version ended it: learned just now
            party = self._fault(record.record_key, clock, done, record.decided_at)
            self._ended[state.department, target].late[party] += 1

    def _fault(self, key: bytes, clock: Clock, done_at: int | None, now: int) -> Party:
        row, state = self.rows[key], self._states[key]
        action = "withdraw" if clock.kind is ClockKind.WITHDRAW else "publish"
        reached = self._reached[key, clock.target, action]
        stage = next((s.stage.name.lower() for s in state.stages if s.target == clock.target), "")
        passage = passage_of(
            Moments(
                _CLOCK_NAMES[clock.kind], _day(clock), bool(clock.flags & ClockFlag.ESTIMATED),
                row.decided_on, row.status, row.waits_for, row.arrived_at, row.accepted_at,
                row.version_at, min(reached.values(), default=None), reached.get(row.version),
                done_at, stage or "named",
            )
        )  # fmt: skip
        return fault_of(passage, clock.due_at, now).party

    # --- at the end ------------------------------------------------------------------------------

    def month(self, month: str, now: int) -> list[MonthlyLine]:
        """The monthly form as the ledger alone gives it."""
        return self._months.lines(month, now)

    def families(self) -> dict[str, Family]:
        """How many records of each kind there are, stand, and are shown where."""
        found: dict[str, Family] = defaultdict(Family)
        for state in self._states.values():
            if state.kind not in self._shown_kinds:
                continue
            family = found[state.kind]
            family.records += 1
            family.standing[state.status.name.lower()] += 1
            for stage in state.stages:
                if stage.stage is StageCode.PUBLISHED:
                    family.shown[stage.target] += 1
        return dict(found)

    def standing_of(self, key: bytes) -> dict[int, str]:
        """The last stage of a record at each target."""
        return {stage.target: stage.stage.name.lower() for stage in self._states[key].stages}

    def status_of(self, key: bytes) -> str:
        """Where a record stands."""
        return self._states[key].status.name.lower()

    def was_shown(self, key: bytes, target: int) -> bool:
        """Whether the target has ever taken a version of the record over."""
        return bool(self._reached.get((key, target, "publish")))

    def running_clocks(self) -> list[Clock]:
        """Every legal clock that runs."""
        return [
            clock
            for state in self._states.values()
            for clock in state.clocks
            if clock.is_running and clock.kind in _CLOCK_NAMES
        ]

    def punctuality(self, now: int) -> dict[tuple[str, int], Punctuality]:
        """By department and target: what ended in time or late, and what is overdue at `now`.

        A quarantined row whose document was accepted under another code later is owed no more.
        """
        found = {place: Punctuality(p.in_time, Counter(p.late)) for place, p in self._ended.items()}
        for key, clock in self._running():
            place = (self._states[key].department, clock.target)
            one = found.setdefault(place, Punctuality())
            if clock.due_at <= now:
                one.late[self._fault(key, clock, None, now)] += 1
            else:
                one.open += 1
        return found

    def overdue(self, now: int) -> Counter[int]:
        """Duties overdue at `now` and not met, by target."""
        return Counter(clock.target for _, clock in self._running() if clock.due_at <= now)

    def _running(self) -> Iterator[tuple[bytes, Clock]]:
        settled = self._accepted_elsewhere()
        for key, state in self._states.items():
            if key in settled:
                continue
            for clock in state.clocks:
                if clock.is_running and clock.kind in _CLOCK_NAMES:
                    yield key, clock

    def _accepted_elsewhere(self) -> set[bytes]:
        accepted: dict[tuple[str, str, str], set[str]] = defaultdict(set)
        for row in self.rows.values():
            if row.version > 0 and row.document_key:
                accepted[row.subject, row.document_key, row.name_key].add(row.authority_code)
        return {
            key
            for key, row in self.rows.items()
            if row.status == Status.QUARANTINED.name.lower()
            and (found := accepted.get((row.subject, row.document_key, row.name_key)))
            and (row.authority_code in found or not row.authority_code)
        }


def _day(clock: Clock) -> date:
    return date.fromordinal(max(clock.counted_from, 1))
