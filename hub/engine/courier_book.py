"""What a courier still has to do: a fold of the ledger and of its own attempts, and a plan.

Outstanding work = ledger records that name the target, minus the courier's own results. One lane
per record: one delivery at a time, in the ledger's order; an older version that was never tried is
skipped when a newer one exists. Between lanes the earliest deadline goes first.

Only the `fold` methods change what is remembered, and what they change is returned for the store,
so that memory after a commit and memory after a restart come from the same code. Everything else
(what is in the air, when to try again) is forgotten in a restart on purpose.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, assert_never

from hub.engine.courier_records import (
    Event,
    Noted,
    Result,
    Work,
    decode_event,
    encode_event,
    pack_work,
    unpack_work,
)
from hub.targets.delivery import (
    FINAL_STAGE,
    Accepted,
    Delivered,
    NeverSeen,
    Overtaken,
    Refused,
    Retry,
    Unknown,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, MutableMapping

    Changes = MutableMapping[bytes, bytes | None]

WORK: Final = b"w"
"""Store family: record key + sequence → packed work and row."""
OPEN: Final = b"o"
"""Store family: record key → attempt message of the open intent, with its Kafka key."""
WAITING: Final = b"a"
"""Store family: delivery → attempt message of an acknowledged delivery, with its Kafka key."""
TRIES: Final = b"t"
"""Store family: record key → failed attempts, 4 bytes."""

_BACKOFF_SECONDS: Final = 0.2
_LONGEST_BACKOFF_SECONDS: Final = 30.0
_PARKED_SECONDS: Final = 60.0
_TOLD_EVERY: Final = 60
"""Of the failures of what is parked so many pass before it is spoken of again: about an hour."""
_FIRST_ASK_SECONDS: Final = 0.05
_POLL_AFTER_START_SECONDS: Final = 0.2
_POLL_GROWTH: Final = 1.5
_LONGEST_POLL_SECONDS: Final = 300.0

How = Literal["send", "ask", "poll", "answer"]
"""`send` carries the record, `ask` and `poll` ask about an open or an acknowledged delivery;
`answer` is what comes by topic without a request of its own."""


class Policy(NamedTuple):
    """How one target is served; times in real seconds."""

    concurrency: int
    """Open intents at most."""
    attempts: int
    """Failures of one record before its lane is parked."""
    timeout_seconds: float
    """How long an answer is waited for."""
    can_ask: bool
    """Whether the platform can be asked; otherwise a delivery is sent again under its id."""
    first_poll_seconds: float = 0.2
    """How long the platform is left to speak by itself before it is asked."""


class Step(NamedTuple):
    """One thing to do now. `delivery` is empty for a first attempt."""

    how: How
    work: Work
    attempt: int
    delivery: str = ""


@dataclass(slots=True)
class _Delivery:
    """A delivery whose end is not known: open (in its lane) or handed over (beside it)."""

    event: Event
    tries: int = 0
    is_told: bool = False
    is_parked: bool = False


class CourierBook:
    """The memory and the plan of one target. `now` is engine seconds throughout."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._lanes: dict[bytes, tuple[Work, ...]] = {}
        self._open: dict[bytes, _Delivery] = {}
        self._waiting: dict[str, _Delivery] = {}
        self._waiting_of: dict[bytes, set[str]] = {}
        self._lane_of: dict[str, bytes] = {}
        self._tries: dict[bytes, int] = {}
        self._flying: set[str] = set()
        self._settled: set[str] = set()
        self._ready: list[tuple[int, int, int, bytes]] = []
        self._later: list[tuple[float, int, str, bytes | str]] = []
        self._paused: dict[bytes, float] = {}
        self._due: dict[str, How] = {}
        self._count = 0
        self._asleep = 0

    # --- what is known ---------------------------------------------------------------------------

    @property
    def outstanding(self) -> int:
        """Records with something left to send or to learn."""
        return len(self._lanes)

    @property
    def pending_receipts(self) -> int:
        """Deliveries sent and not known to be final: open, handed over or acknowledged."""
        return len(self._open) + len(self._waiting)

    def standing(self) -> dict[str, int]:
        """Count the work not finished, by where it stands."""
        parked = sum(count >= self._policy.attempts for count in self._tries.values())
        told = sum(one.is_told for one in self._open.values())
        acknowledged = sum(one.event.stage == "acknowledged" for one in self._waiting.values())
        return {
            "waiting": sum(record not in self._open for record in self._lanes) - parked,
            "in_flight": len(self._open) - told,
            "parked": parked + self._asleep,
            "unknown": told - self._asleep,
            "delivered": len(self._waiting) - acknowledged,
            "acknowledged": acknowledged,
        }

    @property
    def in_the_air(self) -> int:
        """Requests on their way."""
        return len(self._flying)

    @property
    def is_busy(self) -> bool:
        """Whether an answer may come any moment."""
        return bool(self._flying) or len(self._open) > self._asleep

    def knows(self, delivery: str) -> bool:
        """Whether an answer about this delivery is still of interest."""
        return delivery in self._lane_of or delivery in self._waiting

    def expectation(self, delivery: str) -> Event | None:
        """Return the intent an answer is held against, or None when it is of no interest."""
        held = self._find(delivery)
        return held.event if held is not None else None

    def is_news(self, delivery: str) -> bool:
        """Whether its last failure is for people: the one that parks it, then one in an hour."""
        held = self._find(delivery)
        if held is None or delivery in self._waiting:
            return False
        is_asked = held.is_told and self._policy.can_ask
        failures = held.tries if is_asked else held.event.attempt
        beyond = failures - self._policy.attempts
        return beyond >= 0 and beyond % _TOLD_EVERY == 0

    def _find(self, delivery: str) -> _Delivery | None:
        lane = self._lane_of.get(delivery)
        return self._open[lane] if lane is not None else self._waiting.get(delivery)

    # --- fold ------------------------------------------------------------------------------------

    def load(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Take up what the store holds; call `resume` when everything has been folded."""
        for key, value in entries:
            family, rest = key[:1], key[1:]
            if family == WORK:
                work, _row = unpack_work(rest[:16], value)
                self._lanes[work.record_key] = (*self._lanes.get(work.record_key, ()), work)
            elif family in (OPEN, WAITING):
                size = value[0]
                event = decode_event(value[1 + size :], value[1 : 1 + size])
                held = _Delivery(event, is_told=family == WAITING or bool(event.stage))
                if family == OPEN:
                    self._open[event.work.record_key] = held
                    self._lane_of[event.delivery] = event.work.record_key
                else:
                    self._put_to_wait(event.delivery, held)
            elif family == TRIES:
                self._tries[rest] = int.from_bytes(value)
        for held in self._waiting.values():
            self._take_out_of_lane(held.event.work)

    def fold_work(self, work: Work, row: bytes, changes: Changes) -> None:
        """The ledger names the target for a record: one more thing to do."""
        lane = self._lanes.get(work.record_key, ())
        self._lanes[work.record_key] = (*lane, work)
        changes[_work_key(work)] = pack_work(work, row)
        if work.record_key in self._tries:
            # Other content: what failed before says nothing about it.
            del self._tries[work.record_key]
            changes[TRIES + work.record_key] = None
        self._paused.pop(work.record_key, None)
        self._make_ready(work.record_key)

    def fold_noted(self, noted: Noted, changes: Changes) -> None:
        """The ledger itself says that a version is done; news only to one that lost its state."""
        action: Literal["publish", "withdraw"] = (
            "withdraw" if noted.action == "withdraw" else "publish"
        )
        if noted.stage not in (FINAL_STAGE[action], "refused"):
            return
        held = self._open.get(noted.record_key)
        if held is not None:
            return  # our own attempts, folded after the ledger, know better
        done = [one for one in self._lanes.get(noted.record_key, ()) if _is_done(one, noted)]
        if done:
            self._drop(noted.record_key, done[-1].sequence, changes)

    def fold_event(self, event: Event, changes: Changes, now: float) -> None:
        """An intent or a result of our own, after its commit or on restart."""
        if event.result:
            self._fold_result(event, changes, now)
        else:
            self._fold_intent(event, changes, now)

    def _fold_intent(self, event: Event, changes: Changes, now: float) -> None:
        record_key = event.work.record_key
        if event.delivery in self._waiting:  # sent again although handed over: it waits on
            self._poll_later(self._waiting[event.delivery], now)
            return
        if event.work.sequence not in (one.sequence for one in self._lanes.get(record_key, ())):
            return  # done, the ledger says so
        before = self._open.get(record_key)
        held = _Delivery(event)
        if before is not None:
            self._lane_of.pop(before.event.delivery, None)
            held.tries, held.is_told, held.is_parked = (
                before.tries,
                before.is_told,
                before.is_parked,
            )
            if held.is_told:
                held.event = event._replace(stage="sent")
        self._open[record_key] = held
        self._lane_of[event.delivery] = record_key
        changes[OPEN + record_key] = _pack_event(held.event)
        if not self._policy.can_ask:
            if event.attempt >= self._policy.attempts and not held.is_parked:
                held.is_parked = True
                self._asleep += 1
            self._sleep(now + self._patience(held), "send", event.delivery)

    def _fold_result(self, event: Event, changes: Changes, now: float) -> None:
        record_key, delivery = event.work.record_key, event.delivery
        held = self._open.get(record_key)
        is_open = held is not None and held.event.delivery == delivery
        self._settled.discard(delivery)
        if event.result == "unknown":
            if held is not None and is_open:
                held.is_told = True
                held.event = held.event._replace(stage="sent")
                changes[OPEN + record_key] = _pack_event(held.event)
            return
        if is_open:
            self._close(record_key, delivery, changes)
        if event.is_final:
            if self._waiting.pop(delivery, None) is not None:
                self._waiting_of[record_key].discard(delivery)
                changes[WAITING + bytes.fromhex(delivery)] = None
                changes[_work_key(event.work)] = None
            self._drop(record_key, event.work.sequence, changes)
            self._outdo(event, changes)
        elif event.result in ("delivered", "accepted"):
            self._wait_for_receipt(event, changes, now)
            self._outdo(event, changes)
        elif is_open:
            self._fail(event, changes, now)
        self._make_ready(record_key)

    def _close(self, record_key: bytes, delivery: str, changes: Changes) -> None:
        held = self._open.pop(record_key)
        self._asleep -= held.is_parked
        self._lane_of.pop(delivery, None)
        changes[OPEN + record_key] = None

    def _wait_for_receipt(self, event: Event, changes: Changes, now: float) -> None:
        """Handed over, not yet shown: the lane goes on, the receipt is waited for beside it."""
        work = event.work
        known = self._waiting.get(event.delivery)
        if known is not None:
            if event.result == "accepted":
                known.event = event
                changes[WAITING + bytes.fromhex(event.delivery)] = _pack_event(event)
            return
        if work.sequence not in (one.sequence for one in self._lanes.get(work.record_key, ())):
            return
        self._drop(work.record_key, work.sequence - 1, changes)
        self._take_out_of_lane(work)
        self._put_to_wait(event.delivery, _Delivery(event, is_told=True))
        changes[WAITING + bytes.fromhex(event.delivery)] = _pack_event(event)
        self._forget_tries(work.record_key, changes)
        self._sleep(now + self._first_poll(), "poll", event.delivery)

    def _put_to_wait(self, delivery: str, held: _Delivery) -> None:
        self._waiting[delivery] = held
        self._waiting_of.setdefault(held.event.work.record_key, set()).add(delivery)

    def _outdo(self, event: Event, changes: Changes) -> None:
        """A newer version has left the hub: what waits of an older one is never sent again.

        It may still be answered. Gone at the platform, though, it would show anew what the newer
        one has corrected or withdrawn.
        """
        record_key = event.work.record_key
        waiting = self._waiting_of.get(record_key, set())
        for delivery in waiting:
            held = self._waiting[delivery]
            if held.event.work.sequence < event.work.sequence:
                held.event = held.event._replace(result="overtaken")
                changes[WAITING + bytes.fromhex(delivery)] = _pack_event(held.event)
                if self._due.get(delivery) == "send":
                    self._due[delivery] = "poll"
        if not waiting:
            self._waiting_of.pop(record_key, None)

    def _fail(self, event: Event, changes: Changes, now: float) -> None:
        """Nothing happened; again later. Not counted when the platform as a whole was away."""
        record_key = event.work.record_key
        if event.result == "away":
            return
        count = self._tries.get(record_key, 0) + 1
        self._tries[record_key] = count
        changes[TRIES + record_key] = count.to_bytes(4)
        until = now + self._pause(count)
        self._paused[record_key] = until
        self._sleep(until, "lane", record_key)

    def _drop(self, record_key: bytes, sequence: int, changes: Changes) -> None:
        """Everything up to this place in the ledger is done or overtaken."""
        lane = self._lanes.get(record_key, ())
        for work in lane:
            if work.sequence <= sequence:
                changes[_work_key(work)] = None
        left = tuple(work for work in lane if work.sequence > sequence)
        if left:
            self._lanes[record_key] = left
        else:
            self._lanes.pop(record_key, None)
        if len(left) < len(lane):
            self._forget_tries(record_key, changes)

    def _forget_tries(self, record_key: bytes, changes: Changes) -> None:
        self._paused.pop(record_key, None)
        if self._tries.pop(record_key, None) is not None:
            changes[TRIES + record_key] = None

    def _take_out_of_lane(self, work: Work) -> None:
        lane = self._lanes.get(work.record_key, ())
        left = tuple(one for one in lane if one.sequence != work.sequence)
        if left:
            self._lanes[work.record_key] = left
        else:
            self._lanes.pop(work.record_key, None)

    # --- plan ------------------------------------------------------------------------------------

    def resume(self, now: float, grace_seconds: float) -> None:
        """Everything has been folded: begin to plan.

        What the predecessor may still have on its way is left alone for `grace_seconds`, the
        longest its requests can take.
        """
        self._ready, self._later, self._due = [], [], {}
        self._flying.clear()
        self._settled.clear()
        self._paused.clear()
        self._asleep = 0
        for held in self._open.values():
            held.is_parked = False
            how: How = "ask" if self._policy.can_ask else "send"
            self._sleep(now + grace_seconds, how, held.event.delivery)
        for delivery in self._waiting:
            wait = _POLL_AFTER_START_SECONDS if self._policy.can_ask else self._first_poll()
            self._sleep(now + wait, "poll", delivery)
        for record_key in self._lanes:
            self._make_ready(record_key)

    def plan(self, now: float, width: int) -> list[Step]:
        """Choose what to do now; `width` requests may be on their way at once.

        The caller commits an intent for every `send`, folds it, and calls `launched` for what
        leaves over HTTP.
        """
        self._wake(now)
        room = width - len(self._flying) if self._policy.can_ask else width
        steps = [self._again(delivery, how) for delivery, how in self._take_due(room)]
        active = len(self._open) - self._asleep - len(self._settled)
        room = min(room - len(steps), self._policy.concurrency - active)
        chosen: set[bytes] = set()
        while room > 0 and self._ready:
            record_key = heapq.heappop(self._ready)[3]
            lane = self._lanes.get(record_key)
            is_held = record_key in self._open or record_key in self._paused
            if lane is None or is_held or record_key in chosen:
                continue  # an entry of the past
            chosen.add(record_key)
            steps.append(Step("send", lane[-1], self._tries.get(record_key, 0) + 1))
            room -= 1
        return steps

    def launched(self, delivery: str) -> None:
        """A request for this delivery leaves now."""
        self._flying.add(delivery)

    def _take_due(self, room: int) -> list[tuple[str, How]]:
        waiting = (one for one in self._due.items() if one[0] not in self._settled)
        taken = list(islice(waiting, max(room, 0)))
        for delivery, _how in taken:
            del self._due[delivery]
        return [(delivery, how) for delivery, how in taken if self.knows(delivery)]

    def _again(self, delivery: str, how: How) -> Step:
        held = self._find(delivery)
        if held is None:
            raise AssertionError("a delivery nobody waits for was due")
        return Step(how, held.event.work, held.event.attempt + (how == "send"), delivery)

    def _wake(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            when, _count, what, name = heapq.heappop(self._later)
            if isinstance(name, bytes):
                if self._paused.get(name) == when:
                    del self._paused[name]
                    self._make_ready(name)
            elif what == "poll" and name in self._waiting:
                self._due[name] = "poll"
            elif what != "poll" and name in self._lane_of:
                self._due[name] = "ask" if what == "ask" else "send"

    def _make_ready(self, record_key: bytes) -> None:
        lane = self._lanes.get(record_key)
        if lane and record_key not in self._open and record_key not in self._paused:
            last = lane[-1]
            heapq.heappush(self._ready, (last.due_at, last.sequence, last.partition, record_key))

    def _sleep(self, until: float, what: str, name: bytes | str) -> None:
        self._count += 1
        heapq.heappush(self._later, (until, self._count, what, name))

    def _pause(self, failures: int) -> float:
        if failures >= self._policy.attempts:
            return _PARKED_SECONDS
        return float(min(_BACKOFF_SECONDS * 2 ** (failures - 1), _LONGEST_BACKOFF_SECONDS))

    def _patience(self, held: _Delivery) -> float:
        """How long an answer by topic is waited for before the delivery is sent again."""
        wait = self._policy.timeout_seconds * 2.0 ** min(held.event.attempt - 1, 10)
        return min(wait, max(_LONGEST_POLL_SECONDS, self._policy.timeout_seconds))

    def _first_poll(self) -> float:
        policy = self._policy
        return policy.first_poll_seconds if policy.can_ask else policy.timeout_seconds

    # --- answers ---------------------------------------------------------------------------------

    def landed(self, delivery: str) -> None:
        """The request for this delivery has ended, whatever came of it."""
        self._flying.discard(delivery)

    def settle(
        self, delivery: str, how: How, verdict: Verdict, at: int, now: float
    ) -> Event | None:
        """Turn an answer into the result to be written; None when there is nothing to write.

        `at` is business milliseconds.
        """
        if how != "answer":
            self.landed(delivery)
        held = self._find(delivery)
        if held is None:
            return None
        result = self._result_of(held, how, verdict, at, now)
        if result is not None and result.result != "unknown":
            self._settled.add(delivery)
        return result

    def _result_of(
        self, held: _Delivery, how: How, verdict: Verdict, at: int, now: float
    ) -> Event | None:
        match verdict:
            case Delivered(platform_at):
                return self._delivered(held, how, platform_at, at, now)
            case Overtaken():
                return held.event._replace(at=at, result="overtaken", stage="")
            case Accepted():
                return self._accepted(held, how, verdict, at, now)
            case Refused(code, message, platform_at):
                return held.event._replace(
                    at=at, result="refused", stage="refused", receipt="", code=code,
                    message=message, platform_at=platform_at,
                )  # fmt: skip
            case Retry() | Unknown() | NeverSeen():
                if how == "answer":
                    return None  # proves nothing; the delivery is sent again when its time is up
                return self._unsettled(held, how, verdict, at, now)
            case _:
                assert_never(verdict)

    def _accepted(
        self, held: _Delivery, how: How, verdict: Accepted, at: int, now: float
    ) -> Event | None:
        if verdict.stage == held.event.stage:  # acknowledged, as before
            if how == "poll":
                self._poll_later(held, now)
            return None
        return held.event._replace(
            at=at, result="accepted", stage=verdict.stage, receipt=verdict.receipt,
            platform_at=verdict.platform_at,
        )  # fmt: skip

    def _delivered(
        self, held: _Delivery, how: How, platform_at: int | None, at: int, now: float
    ) -> Event | None:
        """Handed over: out of its lane, and the registrar is told that it was sent, once."""
        if held.event.delivery in self._waiting:
            if how == "poll":
                self._poll_later(held, now)
            return None
        stage = "" if held.is_told else "sent"
        held.is_told = True
        return held.event._replace(at=at, result="delivered", stage=stage, platform_at=platform_at)

    def _unsettled(
        self, held: _Delivery, how: How, verdict: Retry | Unknown | NeverSeen, at: int, now: float
    ) -> Event | None:
        """Not an end: wait on, ask again, send again, or let the lane go."""
        delivery = held.event.delivery
        is_delivered = delivery in self._waiting and held.event.stage != "acknowledged"
        is_lost = isinstance(verdict, NeverSeen) and (delivery not in self._waiting or is_delivered)
        if is_lost and is_delivered and held.event.result == "overtaken":
            return held.event._replace(at=at, stage="")
        # of a delivery that waits, what is in its lane is newer: not to be followed by this one
        is_followed = is_delivered and held.event.work.record_key in self._lanes
        if is_lost and not is_followed:
            # The request may still be travelling, or what was handed over is lost: again, same id.
            self._due[delivery] = "send"
            return None
        if delivery in self._waiting:
            self._poll_later(held, now)
            return None
        if how == "send" and isinstance(verdict, Retry) and not held.is_told:
            result: Result = "away" if verdict.is_whole_target else "retry"
            return held.event._replace(at=at, result=result, stage="")
        self._ask_later(held, now, verdict)
        if held.is_told:
            return None
        held.is_told = True
        return held.event._replace(at=at, result="unknown", stage="sent")

    def _ask_later(self, held: _Delivery, now: float, verdict: Verdict) -> None:
        """Something may have happened: find out, more slowly each time."""
        if isinstance(verdict, Retry) and verdict.is_whole_target:
            self._sleep(now, "ask", held.event.delivery)  # the gate decides when
            return
        held.tries += 1
        wait = min(_FIRST_ASK_SECONDS * 2 ** min(held.tries - 1, 12), _LONGEST_BACKOFF_SECONDS)
        if held.tries >= self._policy.attempts:
            wait = _PARKED_SECONDS
            self._asleep += not held.is_parked
            held.is_parked = True
        self._sleep(now + wait, "ask", held.event.delivery)

    def _poll_later(self, held: _Delivery, now: float) -> None:
        wait = self._first_poll() * _POLL_GROWTH ** min(held.tries, 40)
        held.tries += 1
        self._sleep(now + min(wait, _LONGEST_POLL_SECONDS), "poll", held.event.delivery)

    def overdue_answer(self, delivery: str, at: int) -> Event | None:
        """By topic, nothing has come in time: tell the registrar once that it was sent."""
        held = self._find(delivery)
        if held is None or held.is_told:
            return None
        held.is_told = True
        return held.event._replace(at=at, result="unknown", stage="sent")


def _is_done(work: Work, noted: Noted) -> bool:
    """Whether a report ends this work: the same version may have been named again since."""
    if noted.sequence is None:
        return work.version <= noted.version and not work.is_again
    return work.sequence <= noted.sequence


def _work_key(work: Work) -> bytes:
    return WORK + work.record_key + work.sequence.to_bytes(8)


def _pack_event(event: Event) -> bytes:
    key = event.work.key
    return bytes([len(key)]) + key + encode_event(event)
