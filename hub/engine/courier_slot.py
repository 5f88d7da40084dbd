"""The courier: delivers to one target what the ledger names it for.

The one cycle of every slot: lease, fence the predecessor, fold, run; after any failure, again
from the start. One turn: read the ledger, take answers, then one transaction with the results of
what came back and the intents of what goes out next; only after its commit do requests leave. So
after any crash it is known what may have been sent. A courier delivers from one partition map,
alone: rate limits and earliest-deadline-first are the target's own.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from hub.contracts import Fault, project
from hub.core.keys import GENESIS, Head
from hub.core.ledger_end import LedgerEndError, continued, is_lost, loss_in
from hub.domain import kinds
from hub.domain.backoff import backoff
from hub.engine import events, requests
from hub.engine.courier_book import STATE, WORK, DeliveryQueue, Step
from hub.engine.courier_gate import CircuitBreaker
from hub.engine.courier_records import (
    AttemptMessage,
    Noted,
    TargetReader,
    decode_event,
    encode_event,
    encode_outcome,
    outcome_id,
    unpack_work,
)
from hub.engine.ledger_end import check_ends
from hub.errors import IntegrityError
from hub.ports import InputRecord, OutputRecord
from hub.targets.delivery import (
    Accepted,
    Delivered,
    Delivery,
    Expected,
    Retry,
    Unknown,
    delivery_id,
    digest_of,
)
from hub.targets.platform import CallResult
from hub.targets.topic import protocol as kafka

if TYPE_CHECKING:
    from collections.abc import Generator, MutableMapping

    from hub.contracts import Contracts
    from hub.core.ledger_end import Loss
    from hub.engine.courier_book import Policy
    from hub.engine.courier_records import Work
    from hub.targets.delivery import Verdict
    from hub.targets.platform import Call, How, TargetProtocol

    Changes = MutableMapping[bytes, bytes | None]
    Program = Generator[requests.Request, Any, None]

STRANGE: Final = b"z"
"""Partition → there the target's number belongs to no target or a different one, as far as read."""
POSITION: Final = b"p"
"""Store family: topic, partition → offset to read on from; of the ledger, see `HEAD`."""
HEAD: Final = b"h"
"""Store family: partition → head of the ledger as far as it was read."""
LOST: Final = b"l"
"""Store family: record key → the last attempt for a naming that the ledger has lost."""
_LAST_KEY: Final = b"\xff"
_READ_AT_ONCE: Final = 2_000
_LOAD_AT_ONCE: Final = 20_000
_BUSY_SECONDS: Final = 0.004
_IDLE_SECONDS: Final = 0.05
_REPORT_SECONDS: Final = 1.0
_TOLD_AT_ONCE: Final = 10
"""Deliveries in trouble that one report names: a platform that refuses all gets one report."""
_ENDLESS: Final = 1 << 62
_WITHOUT_EFFECT: Final = frozenset({"refused", "retry", "away", "absent"})
"""Results after which the platform holds nothing of what was sent."""
_REPEAT_BITS: Final = 16
_NO_FUTURE: Final = dt.date.max
"""A row is read again here, not judged again: no decision date lies in the future of this day."""


class CourierPlan(NamedTuple):
    """Settings of one courier."""

    prefix: str
    target: str
    number: int
    """The target's bit in the ledger's masks."""
    protocol: TargetProtocol[Any, Any] | None
    """None: reached by topic, where deliveries leave with their intents."""
    partitions: int
    clearance: frozenset[str]
    policy: Policy


class _Restart(Exception):  # noqa: N818  (a turn of the cycle, not an error)
    """A request failed: start again from the lease."""


class _Answered(NamedTuple):
    delivery: str
    how: How
    verdict: Verdict


class CourierSlot:
    """The state machine of one courier; `run()` yields requests and is sent their replies."""

    def __init__(self, plan: CourierPlan, contracts: Contracts) -> None:
        self.plan = plan
        self.ledger = f"{plan.prefix}ledger"
        self.attempts = f"{plan.prefix}attempts.{plan.target}"
        self.outcomes = f"{plan.prefix}outcomes.{plan.target}"
        self.deliveries = f"{plan.prefix}delivery.{plan.target}"
        self.answers = f"{plan.prefix}answers.{plan.target}"
        self.book = DeliveryQueue(plan.policy)
        self.breaker = CircuitBreaker(plan.policy.concurrency)
        self._contracts = contracts
        self._reader = TargetReader(plan.number, self.outcomes, contracts)
        self._language = plan.protocol
        self._is_topic = plan.protocol is None
        self.heads: dict[int, Head] = {}
        """The end of the ledger as it was last seen, by partition."""
        self._losses: dict[int, list[Loss]] = {}
        """Declared losses met in this life, by partition."""
        self._lost: dict[bytes, AttemptMessage] = {}
        """Record key → what the platform may hold by a naming that the ledger has lost."""
        self._is_draining = False
        self._reported_at = 0.0
        self._results: Counter[str] = Counter()
        self._stages: Counter[str] = Counter()
        self._troubles: Counter[events.Trouble] = Counter()

    def run(self) -> Program:
        """Start, recover, run; never ends by itself."""
        failures = 0
        while True:
            try:
                yield from self._ask(requests.CancelAll())
                yield from self._ask(requests.Initialise())
                yield from self._ask(requests.Hook("after_init"))
                yield from self._restore()
                while True:
                    yield from self._iterate()
                    failures = 0
            except _Restart as restart:
                failures += 1
                yield requests.Report(events.SlotRestarted(failures))
                yield requests.Retire(str(restart))
                yield requests.Wait(backoff(0.1, failures - 1, 5.0))

    def drain(self) -> bool:
        """Begin nothing new; return whether everything on its way has come back."""
        self._is_draining = True
        return not self.book.in_the_air

    def _ask(self, request: requests.Request) -> Generator[requests.Request, Any, Any]:
        reply = yield request
        if isinstance(reply, requests.Failed):
            raise _Restart(reply.reason)
        return reply

    # --- start -----------------------------------------------------------------------------------

    def _restore(self) -> Program:
        """Load what the store holds, fold the rest of the ledger, then of the own attempts.

        In this order: the predecessor is fenced, so every attempt refers to a ledger record that
        was there before the fold began.
        """
        self.book = DeliveryQueue(self.plan.policy)
        self.breaker = CircuitBreaker(self.plan.policy.concurrency)
        yield from self._check_ends()
        yield from self._load()
        found = yield from self._ask(requests.Scan(STRANGE, bytes([STRANGE[0] + 1]), _LOAD_AT_ONCE))
        self._reader.strange = {int.from_bytes(key[1:]) for key, _empty in found}
        yield from self._fold_on(self._behind_heads())
        yield from self._adopt_lost()
        yield from self._fold_on((yield from self._positions(self.attempts)))
        assigned = self._behind_heads()
        if self._is_topic:
            assigned |= yield from self._positions(self.answers)
        yield from self._ask(requests.Assign(assigned))
        now = yield from self._ask(requests.Seconds())
        at = yield from self._ask(requests.Now())
        yield from self._ask(requests.WriteState(self.book.resume(now, at)))

    def _fold_on(self, positions: dict[tuple[str, int], int]) -> Program:
        """Fold what was written from there on."""
        yield from self._ask(requests.FoldLedger(positions))
        while True:
            batch = cast("list[InputRecord] | None", (yield from self._ask(requests.NextFold())))
            if batch is None:
                break
            yield from self._ask(requests.Hook("in_restore"))
            yield from self._ask(requests.WriteState(self._fold(batch)))
            yield from self._ask(requests.Report(events.Folded(len(batch))))

    def _behind_heads(self) -> dict[tuple[str, int], int]:
        return {
            (self.ledger, partition): head.next_offset for partition, head in self.heads.items()
        }

    def _check_ends(self) -> Program:
        """Check that the ledger holds what was seen of it, but for declared losses.

        After a declared loss the queue is folded again: of what is left, and of the own attempts.
        """
        partitions = range(self.plan.partitions)
        names = [HEAD + partition.to_bytes(2) for partition in partitions]
        stored = yield from self._ask(requests.ReadState(names))
        self.heads = {
            partition: Head.unpack(value) if value is not None else GENESIS
            for partition, value in zip(partitions, stored, strict=True)
        }
        self._losses = {}
        who = f"courier.{self.plan.target}"
        lost = yield from check_ends(self._ask, self.ledger, who, self.heads)
        if not lost:
            return
        yield from self._keep_lost({partition: [loss] for partition, loss in lost.items()})
        # the heads go last: a courier killed here does it again
        start, kept = b"", frozenset(names)
        while found := (yield from self._ask(requests.Scan(start, _LAST_KEY, _LOAD_AT_ONCE))):
            gone = {key: None for key, _ in found if key not in kept and key[:1] != LOST}
            yield from self._ask(requests.WriteState(gone))
            start = found[-1][0] + b"\x00"
        yield from self._ask(requests.WriteState(dict.fromkeys(names)))
        self.heads = dict.fromkeys(partitions, GENESIS)

    def _keep_lost(self, losses: dict[int, list[Loss]]) -> Program:
        """Attempts of what is lost that only this courier's state knows: their topic may be old."""
        self._losses = losses
        yield from self._load()
        self._lost = {}
        for event in self.book.events():
            self._remember_lost(event)
        yield from self._ask(
            requests.WriteState({LOST + key: encode_event(one) for key, one in self._lost.items()})
        )
        self._losses = {}
        self.book = DeliveryQueue(self.plan.policy)

    def _adopt_lost(self) -> Program:
        """Keep deliveries whose namings the ledger has lost: neither sent again nor forgotten.

        The last of each record is remembered until the record is named again: the same content
        goes by its old id, and the platform is asked what has become of it.
        """
        found = yield from self._ask(requests.Scan(LOST, bytes([LOST[0] + 1]), _ENDLESS))
        self._lost = {key[1:]: decode_event(value, b"") for key, value in found}
        if not self._losses:
            return
        places = {(self.attempts, partition): 0 for partition in self._losses}
        bounds = yield from self._ask(requests.Bounds(list(places)))
        yield from self._ask(requests.FoldLedger({place: bounds[place][0] for place in places}))
        while True:
            batch = cast("list[InputRecord] | None", (yield from self._ask(requests.NextFold())))
            if batch is None:
                break
            for record in batch:
                self._remember_lost(decode_event(record.value, record.key))
        for key, event in list(self._lost.items()):
            if event.result in _WITHOUT_EFFECT:
                del self._lost[key]
        changes: dict[bytes, bytes | None] = {
            LOST + key: encode_event(event) for key, event in self._lost.items()
        }
        yield from self._ask(requests.WriteState(changes))
        yield from self._adopt(list(self._lost))

    def _remember_lost(self, event: AttemptMessage) -> None:
        """Of a record the last attempt for its newest naming."""
        if not self._is_lost(event):
            return
        key, newest = event.work.record_key, self._lost.get(event.work.record_key)
        if newest is None or newest.work.number <= event.work.number:
            self._lost[key] = event

    def _is_lost(self, event: AttemptMessage) -> bool:
        work = event.work
        return is_lost(self._losses, work.partition, work.epoch, work.sequence)

    def _adopt(self, record_keys: list[bytes]) -> Program:
        """Where the newest of a record is what the platform was sent before, it goes by that id."""
        works = [work for key in record_keys if (work := self.book.untried(key)) is not None]
        steps = [Step("send", work, 1) for work in works if work.epoch > self._epoch_lost(work)]
        deliveries = yield from self._render(steps)
        changes: dict[bytes, bytes | None] = {}
        for step, delivery in zip(steps, deliveries, strict=True):
            event = self._lost[step.work.record_key]
            if (event.work.action, event.digest) == (delivery.action, delivery.digest):
                self.book.adopt(step.work.record_key, event, changes)
                self._forget_lost(step.work.record_key, changes)
        yield from self._ask(requests.WriteState(changes))

    def _epoch_lost(self, work: Work) -> int:
        return self._lost[work.record_key].work.epoch

    def _forget_lost(self, record_key: bytes, changes: Changes) -> None:
        if self._lost.pop(record_key, None) is not None:
            changes[LOST + record_key] = None

    def _load(self) -> Program:
        start, stop = WORK, bytes([STATE[0] + 1])
        while True:
            found = yield from self._ask(requests.Scan(start, stop, _LOAD_AT_ONCE))
            self.book.load(found)
            if len(found) < _LOAD_AT_ONCE:
                break
            start = found[-1][0] + b"\x00"

    def _positions(
        self, topic: str
    ) -> Generator[requests.Request, Any, dict[tuple[str, int], int]]:
        """Where to read on: the stored place, or the first that time has left."""
        places = [(topic, partition) for partition in range(self.plan.partitions)]
        stored = yield from self._ask(
            requests.ReadState([_position_key(*place) for place in places])
        )
        bounds = yield from self._ask(requests.Bounds(places))
        found = {}
        for place, value in zip(places, stored, strict=True):
            start, end = bounds[place]
            position = int.from_bytes(value) if value is not None else 0
            if position > end:
                _refuse_lost(place, position, start, end)
            found[place] = max(position, start)
        return found

    def _fold(self, batch: list[InputRecord], now: float = 0.0) -> dict[bytes, bytes | None]:
        """Fold records of the ledger or of the own attempts; return what to store."""
        changes: dict[bytes, bytes | None] = {}
        strange = set(self._reader.strange)
        for record in batch:
            if record.topic == self.attempts:
                event = decode_event(record.value, record.key)
                if not self._is_lost(event):
                    self.book.fold_event(event, changes, now)
                changes |= _position_behind(record)
            elif record.topic == self.ledger:  # an answer is read when what it says is written
                match self._reader.read(record, self._see(record, changes)):
                    case Noted() as noted:
                        self.book.fold_noted(noted, changes)
                    case (work, row):
                        self.book.fold_work(work, row, changes, now)
        for partition in strange ^ self._reader.strange:
            is_strange = partition in self._reader.strange
            changes[STRANGE + partition.to_bytes(2)] = b"" if is_strange else None
        return changes

    def _see(self, record: InputRecord, changes: Changes) -> int:
        """Go on to this ledger record, which must continue what was seen; return its epoch."""
        partition, before = record.partition, self.heads[record.partition]
        head = continued(before, record.value, record.offset + 1)
        if head is None:
            who = f"courier.{self.plan.target}"
            raise LedgerEndError(who, partition, before, is_gone=False)
        self.heads[partition] = head
        changes[HEAD + partition.to_bytes(2)] = head.pack()
        if (loss := loss_in(record.value)) is not None:
            self._losses.setdefault(partition, []).append(loss)
        return head.epoch

    # --- run -------------------------------------------------------------------------------------

    def _iterate(self) -> Program:
        """Read, take answers, write results and intents, let requests leave."""
        wait = _BUSY_SECONDS if self.book.is_busy else _IDLE_SECONDS
        records = cast(
            "list[InputRecord]", (yield from self._ask(requests.Consume(_READ_AT_ONCE, wait)))
        )
        now = cast("float", (yield from self._ask(requests.Seconds())))
        if records:
            yield from self._ask(requests.Hook("after_consume"))
            yield from self._ask(requests.WriteState(self._fold(records, now)))
            if self._lost:
                yield from self._adopt(list(self._lost))
        answered = self._answers_in(records)
        answered += self._interpret((yield from self._ask(requests.Poll())))
        at = cast("int", (yield from self._ask(requests.Now())))
        changes: dict[bytes, bytes | None] = {}
        for record in records:
            if record.topic == self.answers:
                changes |= _position_behind(record)
        results = self._settle(answered, at, now, changes)
        if any(isinstance(one.verdict, Accepted | Delivered) for one in answered):
            yield from self._ask(requests.Hook("after_effect"))
        results += self._wake(at, now, changes)
        steps = [] if self._is_draining else self.book.plan(self._width(now), at)
        deliveries = yield from self._render([step for step in steps if self._leaves(step)])
        intents = self._intents(steps, deliveries, at)
        for intent in intents:
            self.book.fold_event(intent, changes, now)
            self._forget_lost(intent.work.record_key, changes)
        yield from self._write(results, intents, deliveries, changes)
        yield from self._submit(steps, deliveries)
        yield from self._report(now, is_idle=not records and not steps and not answered)

    def _width(self, now: float) -> int:
        return self.plan.policy.concurrency if self._is_topic else self.breaker.width(now)

    def _leaves(self, step: Step) -> bool:
        """Whether a step carries the record itself; by topic there is nothing else to do."""
        return step.how == "send" or self._is_topic

    def _answers_in(self, records: list[InputRecord]) -> list[_Answered]:
        answered = []
        for record in records:
            if record.topic == self.answers:
                delivery = kafka.delivery_named(record.value)
                intent = self.book.expectation(delivery)
                if intent is not None:
                    verdict = kafka.judge_answer(record.value, _expected(intent))
                    answered.append(_Answered(delivery, "answer", verdict))
        return answered

    def _interpret(self, landed: list[CallResult]) -> list[_Answered]:
        answered = []
        for delivery, how, reply in landed:
            intent = self.book.expectation(delivery)
            if intent is not None and self._language is not None:
                judge = (
                    self._language.interpret_response
                    if how == "send"
                    else self._language.interpret_status
                )
                answered.append(_Answered(delivery, how, judge(reply, _expected(intent))))
            elif how != "answer":
                self.book.landed(delivery)  # settled meanwhile by what the platform said unasked
        return answered

    def _settle(
        self, answered: list[_Answered], at: int, now: float, changes: Changes
    ) -> list[AttemptMessage]:
        """Fold the answers' meaning. If its commit fails, the queue is read again."""
        results: list[AttemptMessage] = []
        for delivery, how, told in answered:
            verdict = self.book.blame(delivery, how, told)
            if how != "answer":
                self.breaker.note(verdict, now)
            event = self.book.settle(delivery, how, verdict, at, now)
            if event is not None:
                self.book.fold_event(event, changes, now)
                results.append(event)
            if isinstance(verdict, Retry | Unknown):
                is_whole = isinstance(verdict, Retry) and verdict.is_whole_target
                self._note_trouble("" if is_whole else delivery, verdict.why)
        return results

    def _wake(self, at: int, now: float, changes: Changes) -> list[AttemptMessage]:
        """Fold what becomes of deliveries by time alone."""
        results = self.book.wake(now, at)
        for event in results:
            self.book.fold_event(event, changes, now)
            if event.result == "unknown":
                self._note_trouble(event.delivery, "no answer")
        return results

    def _note_trouble(self, delivery: str, why: str) -> None:
        """Keep for the log what helps people; `delivery` empty: the platform as a whole is away."""
        intent = self.book.expectation(delivery)
        if not delivery:
            self._troubles[events.PlatformTrouble(why)] += 1
        elif intent is not None and self.book.is_news(delivery):
            work = intent.work
            trouble = events.DeliveryTrouble(delivery, work.partition, work.sequence, why)
            self._troubles[trouble] += 1

    def _render(self, steps: list[Step]) -> Generator[requests.Request, Any, list[Delivery]]:
        """Project the rows of these steps to what the target is cleared for, now."""
        keys = [WORK + step.work.record_key + step.work.sequence.to_bytes(8) for step in steps]
        stored = yield from self._ask(requests.ReadState(keys))
        return [self._project(step, value) for step, value in zip(steps, stored, strict=True)]

    def _project(self, step: Step, stored: bytes | None) -> Delivery:
        work = step.work
        if stored is None:
            raise IntegrityError(_say_lost_row(work.partition, work.sequence))
        fields: dict[str, str] = {}
        _work, row = unpack_work(work.record_key, stored)
        if work.action == "publish":
            decoded = self._contracts.decode_framed(row)
            if isinstance(decoded, Fault):
                raise IntegrityError(_say_lost_row(work.partition, work.sequence))
            contract, submitted = decoded
            canonical = contract.check(submitted, _NO_FUTURE).canonical
            fields = project(contract, canonical, self.plan.clearance)
        digest = digest_of(fields)
        return Delivery(
            delivery_id(work.partition, work.number, self.plan.target, digest, step.repeat),
            work.record_key.hex(),
            work.shown_version,
            _place(work.number, step.repeat),
            work.action,
            work.kind,
            fields,
            digest,
            "" if work.action == "publish" else self._reason(row),
            work.department,
        )

    def _reason(self, row: bytes) -> str:
        """Why a record is withdrawn: the department's words where this target may see them."""
        if not row.startswith(b"\x00"):
            return row.decode()
        decoded = self._contracts.decode_framed(row)
        if isinstance(decoded, Fault):
            return ""
        contract, told = decoded
        canonical = contract.check(told, _NO_FUTURE).canonical
        return project(contract, canonical, self.plan.clearance).get("reason", "")

    def _intents(
        self, steps: list[Step], deliveries: list[Delivery], at: int
    ) -> list[AttemptMessage]:
        leaving = [step for step in steps if self._leaves(step)]
        return [
            AttemptMessage(
                delivery.delivery, delivery.digest, step.work, step.attempt, at, repeat=step.repeat
            )
            for step, delivery in zip(leaving, deliveries, strict=True)
        ]

    def _write(
        self, results: list[AttemptMessage], intents: list[AttemptMessage],
        deliveries: list[Delivery], changes: Changes,
    ) -> Program:  # fmt: skip
        """One transaction: results and reports of what came back, intents of what goes out."""
        if not results and not intents:
            if changes:
                yield from self._ask(requests.WriteState(changes))
            return
        if results:
            yield from self._ask(requests.Hook("before_result"))
        yield from self._ask(requests.Begin())
        yield from self._ask(requests.Hook("after_begin"))
        yield from self._ask(requests.Produce(self._result_records(results)))
        yield from self._ask(requests.Hook("mid_produce"))
        yield from self._ask(requests.Produce(self._intent_records(intents, deliveries)))
        yield from self._ask(requests.Hook("before_commit"))
        written = yield from self._ask(requests.Commit())
        yield from self._ask(requests.Hook("after_commit"))
        self._results.update(event.result for event in results)
        self._stages.update(event.stage for event in results if event.stage)
        for (topic, partition), following in written.items():
            if topic == self.attempts:
                changes[_position_key(topic, partition)] = following.to_bytes(8)
        yield from self._ask(requests.WriteState(changes))
        if intents:
            yield from self._ask(requests.Hook("after_intent"))

    def _result_records(self, results: list[AttemptMessage]) -> list[OutputRecord]:
        records = []
        for event in results:
            records.append(self._attempt_record(event, kinds.ATTEMPT_RESULTED.encode()))
            if event.stage:
                headers = (
                    ("ce_specversion", b"1.0"),
                    ("ce_type", kinds.OUTCOME_REPORTED.encode()),
                    ("ce_source", f"courier/{self.plan.target}".encode()),
                    ("ce_id", outcome_id(event).encode()),
                    ("ce_time", _rfc3339(event.at)),
                )
                work = event.work
                records.append(
                    OutputRecord(
                        self.outcomes, work.partition, work.key, encode_outcome(event), headers
                    )
                )
        return records

    def _intent_records(
        self, intents: list[AttemptMessage], deliveries: list[Delivery]
    ) -> list[OutputRecord]:
        records = [
            self._attempt_record(event, kinds.ATTEMPT_INTENDED.encode()) for event in intents
        ]
        if self._is_topic:
            records += [
                kafka.send_record(delivery, self.deliveries, event.work.partition, event.work.key)
                for event, delivery in zip(intents, deliveries, strict=True)
            ]
        return records

    def _attempt_record(self, event: AttemptMessage, kind: bytes) -> OutputRecord:
        headers = (
            ("ce_specversion", b"1.0"),
            ("ce_type", kind),
            ("ce_source", f"courier/{self.plan.target}".encode()),
            ("ce_id", f"{event.delivery}-{event.attempt}-{event.stage}".encode()),
            ("ce_time", _rfc3339(event.at)),
        )
        return OutputRecord(
            self.attempts, event.work.partition, event.work.key, encode_event(event), headers
        )

    def _submit(self, steps: list[Step], deliveries: list[Delivery]) -> Program:
        """Let the requests leave: their intents are committed."""
        protocol = self._language
        if protocol is None:
            return
        rendered = iter(deliveries)
        calls: list[tuple[How, Call]] = []
        for step in steps:
            if step.how == "send":
                calls.append((step.how, protocol.delivery_request(next(rendered))))
                continue
            intent = self.book.expectation(step.delivery)
            if intent is not None:  # else settled in this very turn
                calls.append((step.how, protocol.status_request(_expected(intent))))
        if not calls:
            return
        now = yield from self._ask(requests.Seconds())
        for how, call in calls:
            self.book.launched(call.delivery, how, now)
        yield from self._ask(requests.Submit(calls))

    def _report(self, now: float, *, is_idle: bool) -> Program:
        """Report every turn whether there was work; once a second the state of the queue."""
        yield requests.Report(events.Idle() if is_idle else events.Worked())
        if now - self._reported_at < _REPORT_SECONDS:
            return
        self._reported_at = now
        results, self._results = self._results, Counter()
        stages, self._stages = self._stages, Counter()
        yield requests.Report(events.Attempted(results))
        yield requests.Report(events.Staged(stages))
        troubles, self._troubles = self._troubles, Counter()
        most = tuple(trouble for trouble, _times in troubles.most_common(_TOLD_AT_ONCE))
        yield requests.Report(events.Troubled(most))
        is_away = self.breaker.state(now) != "closed"
        yield requests.Report(events.QueueState(self.book.standing(), is_away))


def _expected(intent: AttemptMessage) -> Expected:
    work = intent.work
    return Expected(
        intent.delivery,
        work.record_key.hex(),
        work.shown_version,
        _place(work.number, intent.repeat),
        work.action,
        work.kind,
        intent.digest,
    )


def _place(number: int, repeat: int) -> int:
    """Orders what is sent of one record: what is sent once more is newer."""
    return number << _REPEAT_BITS | min(repeat, (1 << _REPEAT_BITS) - 1)


def _position_behind(record: InputRecord) -> dict[bytes, bytes | None]:
    return {_position_key(record.topic, record.partition): (record.offset + 1).to_bytes(8)}


def _position_key(topic: str, partition: int) -> bytes:
    return POSITION + topic.encode() + b"\x00" + partition.to_bytes(2)


def _rfc3339(at: int) -> bytes:
    moment = dt.datetime.fromtimestamp(at / 1000, dt.UTC)
    return moment.isoformat(timespec="milliseconds").encode()


def _say_lost_row(partition: int, sequence: int) -> str:
    return (
        f"台账分区 {partition} 序号 {sequence}：待送达的内容在状态中缺失或无法解码\n"
        f"ledger partition {partition}, sequence {sequence}: the row to deliver is missing\n"
        "处理办法：停止该投递进程，删除其状态目录后重启，状态由台账重建\n"
        "Remedy: stop this courier, delete its state folder, start it again: the ledger rebuilds it"
    )


def _refuse_lost(place: tuple[str, int], position: int, start: int, end: int) -> None:
    raise IntegrityError(
        f"主题 {place[0]} 分区 {place[1]}：已存位置 {position} 不在现存范围 [{start}, {end}] 内\n"
        f"{place[0]}[{place[1]}]: stored position {position} is outside [{start}, {end}]\n"
        "处理办法：先核对 broker 是否被重建 / Remedy: check whether the broker was rebuilt"
    )
