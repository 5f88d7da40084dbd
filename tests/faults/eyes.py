"""What an onlooker sees on the broker: what was submitted, decided, delivered, answered.

It reads committed records only, with a client of its own, up to the last stable offset there is at
the moment of asking; so a number read while a worker is stopped is exact for what that worker does.
"""

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import NamedTuple

import psycopg
from confluent_kafka import (
    Consumer,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec
from psycopg import sql

from hub.adapters.postgres.lookups import LookUps
from hub.adapters.postgres.tables import schema_of
from hub.config.kafka_access import KafkaAccess
from hub.config.site import Site
from hub.core.record import PRIMARY, CauseKind, LedgerRecord, Outcome, decode_record
from hub.core.state import NEVER, ClockFlag, ClockKind, RecordState, StageCode, Status
from hub.views.notices import Notice, decode_notice, notices_of
from tests.driver.rows import AGENTS, CONTRACTS

FINAL = {"published", "withdrawn", "refused"}
Submission = tuple[str, int]
"""Stream and number in the stream."""


class InFlight(NamedTuple):
    """How much is on its way at one moment, by what it waits for."""

    undecided: int
    """Submissions on their topics without a ledger record."""
    undelivered: dict[str, int]
    """Target → records named for it in the ledger whose last version is not final there."""
    unanswered: int
    """Submissions decided in the ledger, without a receipt."""
    unprojected: int
    """Ledger records that are not in the look-up tables."""
    untold: int
    """Notices that follow from the ledger and are not on their topic."""


class Eyes:
    """Follows every topic of a site from its start."""

    def __init__(self, site: Site, access: KafkaAccess, dsn: str) -> None:
        self._site = site
        self._dsn = dsn
        self._admin = AdminClient(access.as_librdkafka())
        self._consumer = Consumer(
            {
                **access.as_librdkafka(),
                "group.id": f"{site.prefix}eyes",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
            }
        )
        kinds = ("submissions.", "receipts."), ("outcomes.",)
        names = [
            "control",
            "ledger",
            "notices",
            *(kind + one.id for one in site.departments for kind in kinds[0]),
            *(kind + one.id for one in site.targets for kind in kinds[1]),
        ]
        self._at = {(site.topic(n), p): 0 for n in names for p in range(site.partitions)}
        self._consumer.assign([TopicPartition(t, p, 0) for t, p in self._at])
        self.submitted: set[Submission] = set()
        self.resubmitted: list[Submission] = []
        self.ledger: list[tuple[int, LedgerRecord]] = []
        self.decided: dict[Submission, Outcome] = {}
        self.decided_twice: list[Submission] = []
        self.states: dict[bytes, RecordState] = {}
        self.receipts: dict[str, dict[str, object]] = {}
        self.answered: dict[Submission, str] = {}
        self.outcome_ids: Counter[str] = Counter()
        self.facts: Counter[tuple[str, str]] = Counter()
        """What the hub's own workers found, kind and stream → how often it was accepted."""
        self.notices_owed: set[str] = set()
        self.notices: Counter[str] = Counter()
        self._names = {target.number: target.id for target in site.targets}
        self._inputs_read: Counter[CauseKind] = Counter()
        self._owed: dict[str, dict[str, tuple[int, str]]] = {t.id: {} for t in site.targets}
        self._final: dict[str, set[tuple[str, int, str]]] = {t.id: set() for t in site.targets}

    def close(self) -> None:
        """Leave."""
        self._consumer.close()

    def look(self) -> InFlight:
        """Read on to what is stable now; count what is on its way."""
        self._catch_up()
        undelivered = {
            target: sum(
                1 for record, work in owed.items() if not self._is_done(target, record, work)
            )
            for target, owed in self._owed.items()
        }
        answers = len(self.decided) - len(self.answered)
        return InFlight(
            len(self.submitted) - len(self.decided), undelivered, answers, self._unprojected(),
            len(self.notices_owed - self.notices.keys()),
        )  # fmt: skip

    def facts_of(self, kind: str) -> int:
        """How many facts of a kind are in the ledger."""
        return sum(1 for each, _ in self.facts if each == kind)

    def departments_in_delay(self) -> set[str]:
        """Whose records have a legal clock that is due soon or overdue."""
        return {
            state.department
            for state in self.states.values()
            for clock in state.clocks
            if clock.is_running
            and clock.kind in (ClockKind.DISCLOSE, ClockKind.WITHDRAW)
            and (clock.said or clock.flags & ClockFlag.OVERDUE_WRITTEN)
        }

    def adopted(self) -> bool:
        """Whether every partition has its basis."""
        self._catch_up()
        done = {p for p, record in self.ledger if record.outcome is Outcome.BASIS_ADOPTED}
        return len(done) == self._site.partitions

    def is_settled(self, submissions: int, now: int) -> bool:
        """Whether everything submitted has come to its end, at business time `now`.

        Half a move waits for weeks; of whole ones every verdict is among the control messages.
        """
        flight = self.look()
        noted = Counter(record.cause.kind for _, record in self.ledger)
        return (
            len(self.submitted) == submissions
            and not (flight.undecided or flight.unanswered or flight.unprojected)
            and not flight.untold
            and not any(flight.undelivered.values())
            and noted[CauseKind.OUTCOME] == self._inputs_read[CauseKind.OUTCOME]
            and noted[CauseKind.CONTROL] == self._inputs_read[CauseKind.CONTROL]
            and not any(
                state.timer_at != NEVER and state.timer_at <= now for state in self.states.values()
            )
            and not self._unlifted()
        )

    def _is_done(self, target: str, record: str, work: tuple[int, str]) -> bool:
        return (record, *work) in self._final[target]

    def _ends(self) -> dict[tuple[str, int], int]:
        """Stable ends; asked again after a change of leaders, as when the machine was suspended."""
        latest = OffsetSpec.latest()  # type: ignore[no-untyped-call] # not typed there
        wanted = {TopicPartition(t, p): latest for t, p in self._at}
        for tries_left in reversed(range(20)):
            found = self._admin.list_offsets(
                wanted, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=30
            )
            try:
                return {(one.topic, one.partition): found[one].result().offset for one in found}
            except KafkaException as error:
                if error.args[0].code() != KafkaError.FENCED_LEADER_EPOCH or not tries_left:
                    raise
                time.sleep(0.5)
        raise AssertionError

    def _catch_up(self) -> None:
        ends = self._ends()
        while any(self._at[place] < end for place, end in ends.items()):
            for message in self._consumer.consume(5_000, 0.1):
                place = (str(message.topic()), int(message.partition() or 0))
                error = message.error()
                if error is None:
                    self._take(place[0].removeprefix(self._site.prefix), place[1], message)
                    self._at[place] = int(message.offset() or 0) + 1
                elif error.code() == KafkaError._PARTITION_EOF:
                    self._at[place] = max(self._at[place], int(message.offset() or 0))

    def _take(self, topic: str, partition: int, message: Message) -> None:
        value = message.value() or b""
        family = topic.partition(".")[0]
        if family == "ledger":
            self._take_ledger(partition, decode_record(value))
        elif family == "control":
            self._inputs_read[CauseKind.CONTROL] += 1
        elif family == "submissions":
            headers = dict(message.headers() or [])
            source, number = headers["ce_source"], headers["ce_id"]
            assert isinstance(source, bytes)
            assert isinstance(number, bytes)
            submission = (source.decode(), int(number))
            if submission in self.submitted:
                self.resubmitted.append(submission)
            self.submitted.add(submission)
        elif family == "notices":
            told = decode_notice(value)
            if isinstance(told, Notice):
                self.notices[told.id] += 1
        elif family == "outcomes":
            self._inputs_read[CauseKind.OUTCOME] += 1
            told = json.loads(value)
            self.outcome_ids[told["outcome"]] += 1
            if told["stage"] in FINAL:
                final = (told["record"], told["version"], told["action"])
                self._final[topic.partition(".")[2]].add(final)
        else:
            receipt = json.loads(value)
            self.receipts[receipt["receipt"]] = receipt
            if receipt.get("sequence"):  # a reminder answers no row
                submission = (receipt["stream"], int(receipt["sequence"]))
                self.answered.setdefault(submission, receipt["outcome"])

    def _take_ledger(self, partition: int, record: LedgerRecord) -> None:
        self.ledger.append((partition, record))
        if record.state is not None:
            self.states[record.record_key] = record.state
        for target in self._site.targets:
            for named, action in (
                (record.publish_targets, "publish"), (record.withdraw_targets, "withdraw"),
            ):  # fmt: skip
                if named >> target.number & 1:
                    work = (record.version, action)
                    self._owed[target.id][record.record_key.hex()] = work
        for notice in notices_of(partition, record, CONTRACTS, self._names):
            self.notices_owed.add(notice.id)
        if record.outcome in PRIMARY and record.cause.kind is CauseKind.SUBMISSION:
            headers = dict(record.cause.headers)
            submission = (headers["ce_source"].decode(), int(headers["ce_id"]))
            if submission in self.decided:
                self.decided_twice.append(submission)
            self.decided.setdefault(submission, record.outcome)
            if record.department == AGENTS and record.outcome is Outcome.ACCEPTED:
                self.facts[record.kind, submission[0]] += 1

    def _unlifted(self) -> int:
        """Refused rows whose decision was accepted elsewhere, and of which nothing is said yet.

        What a department is reminded of depends on it.
        """
        site = self._site
        with LookUps(self._dsn, schema_of(site.prefix), site.successions) as books:
            return len(books.answered_twins())

    def _unprojected(self) -> int:
        projected = 0
        with suppress(psycopg.errors.UndefinedTable), psycopg.connect(self._dsn) as session:
            places = sql.Identifier(schema_of(self._site.prefix), "positions")
            query = sql.SQL("SELECT coalesce(sum(next_sequence), 0) FROM {}").format(places)
            row = session.execute(query).fetchone()
            projected = int(row[0]) if row else 0
        return max(0, len(self.ledger) - projected)


def ends_of(ledger: list[tuple[int, LedgerRecord]]) -> Iterator[tuple[Submission, str]]:
    """Each submission with the outcome it came to: what was held counts as what it became.

    Whether the second half of a move is held or accepted at once depends on which partition is
    read first; where it ends does not. What was submitted again counts as it was first decided.
    """
    seen: set[Submission] = set()
    released: dict[bytes, str] = {}
    for _, record in ledger:
        if record.outcome is Outcome.HELD_RELEASED and record.state is not None:
            is_live = record.state.status is Status.LIVE
            released[record.record_key] = "ACCEPTED" if is_live else "QUARANTINED"
    for _, record in ledger:
        if record.outcome in PRIMARY and record.cause.kind is CauseKind.SUBMISSION:
            headers = dict(record.cause.headers)
            submission = (headers["ce_source"].decode(), int(headers["ce_id"]))
            if submission in seen:
                continue
            seen.add(submission)
            name = record.outcome.name
            yield submission, released.get(record.record_key, name) if name == "HELD" else name


def standing_of(state: RecordState) -> tuple[object, ...]:
    """A record's state without times and sequences.

    Of the clocks those that run: which duties are owed. Which were met before a correction came,
    and by which rule its own was counted, depends on how fast the version before was shown.
    """
    stages = sorted(
        (stage.target, stage.version, stage.action, StageCode(stage.stage).name)
        for stage in state.stages
    )
    clocks = sorted(
        (clock.target, clock.kind.name, clock.flags & ~ClockFlag.CORRECTION)
        for clock in state.clocks
        if clock.is_running
    )
    return (
        state.status.name, state.flags, state.version, state.content.hex(), state.named,
        state.publish, stages, clocks, state.department, state.kind,
    )  # fmt: skip
