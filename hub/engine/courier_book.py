"""Queue of a courier's deliveries: a fold of the ledger and of its own attempts, and a plan.

Outstanding work = ledger records that name the target, minus the courier's own results. Each is one
`Errand` in one state (`courier_life`); those of a record are in the ledger's order, and only the
newest is sent. Between records `courier_order` says what goes first.

Only the `fold` methods and `resume` change what is stored, and what they change is returned for the
store, so that memory after a commit and memory after a restart come from the same code. What is in
the air and when to try again is forgotten in a restart on purpose.
"""

from __future__ import annotations

import heapq
import struct
from collections import Counter
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple, assert_never

from hub.domain.backoff import backoff
from hub.engine.courier_life import (
    IN_DOUBT,
    NOT_THERE,
    ON_ENTERING,
    TABLE,
    Do,
    Happening,
    State,
    Tell,
)
from hub.engine.courier_order import DAY_MS, Order
from hub.engine.courier_records import (
    AttemptMessage,
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
    NotHere,
    Overtaken,
    Refused,
    Retry,
    Unknown,
    Verdict,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, MutableMapping

    from hub.engine.courier_order import Rank
    from hub.targets.platform import How

    Changes = MutableMapping[bytes, bytes | None]

WORK: Final = b"w"
"""Store family: record key + sequence → packed work and row."""
STATE: Final = b"x"
"""Store family: record key + sequence → state of the delivery, and its last attempt."""

PARKED: Final = "PARKED"
"""Code of the report that a delivery is parked; its message says why."""

_BACKOFF_SECONDS: Final = 0.2
_LONGEST_BACKOFF_SECONDS: Final = 30.0
_PARKED_SECONDS: Final = 60.0
_TOLD_EVERY: Final = 60
"""Of the failures of a parked delivery so many pass before it is reported again: about an hour."""
_FIRST_ASK_SECONDS: Final = 0.05
_FIRST_ASIDE_SECONDS: Final = 0.25
_POLL_AFTER_START_SECONDS: Final = 0.2
_POLL_GROWTH: Final = 1.5
_LONGEST_POLL_SECONDS: Final = 300.0
_FLYING_SECONDS: Final = 1.0
"""A delivery that is due while its request is on its way is visited again after this."""
_COMMIT_MS: Final = 60_000
"""Between an intent and its request lies a commit, which may take so long."""
_FOLLOWED_MS: Final = 30 * DAY_MS
"""How long what was left behind is followed: as long as the topics keep it."""
_MAX_WHY: Final = 200
_LABELS: Final = {
    State.READY: "waiting",
    State.PAUSED: "waiting",
    State.SUSPECT: "waiting",
    State.PARKED: "parked",
    State.ON_ITS_WAY: "in_flight",
    State.UNKNOWN: "unknown",
    State.STUCK: "parked",
    State.HANDED_OVER: "delivered",
    State.ACKNOWLEDGED: "acknowledged",
    State.REFUSED: "refused",
    State.OVERTAKEN: "overtaken",
}
"""As operators read it."""
_RESULTS: Final[dict[Happening, Result]] = {
    Happening.FAILED: "retry",
    Happening.FAILED_LAST: "retry",
    Happening.AWAY: "away",
    Happening.DOUBTED: "away",
    Happening.UNANSWERED: "unknown",
    Happening.UNANSWERED_LAST: "unknown",
    Happening.EFFECT_OVER: "overtaken",
    Happening.FOLLOWED_LONG: "overtaken",
    Happening.NEVER_SEEN: "overtaken",
    Happening.PLACE_TAKEN: "overtaken",
    Happening.DELIVERED: "delivered",
    Happening.ACKNOWLEDGED: "accepted",
    Happening.FINAL: "accepted",
    Happening.REFUSED: "refused",
    Happening.WITHDRAWAL_REFUSED: "refused",
    Happening.NOT_HERE: "absent",
    Happening.NOT_HERE_YET: "absent",
}
_HEAD: Final = struct.Struct(">cIIB")
"""State, failures in a row, repeats, marks."""

SAID_SENT: Final = 1
"""The registrar knows that it was sent, or more."""
SAID_PARKED: Final = 2
"""The registrar knows that it is parked, and no more."""
SAID_TAKEN: Final = 4
"""The registrar knows that it is acknowledged."""
ONCE_MORE: Final = 8
"""An older one appeared after it left: send it once more when it has ended."""


class Policy(NamedTuple):
    """How one target is served; times in real seconds."""

    concurrency: int
    """Open intents at most."""
    attempts: int
    """Failures in a row before a delivery is parked."""
    timeout_seconds: float
    """How long an answer is waited for."""
    can_ask: bool
    """Whether the platform can be asked; otherwise a delivery is sent again under its id."""
    first_poll_seconds: float = 0.2
    """Time for the platform to answer by itself before it is asked."""
    grace_seconds: float = 0.0
    """The longest possible effect: how long after it left a request may still change something."""
    refused_again_ms: int = DAY_MS
    """After how long a refused withdrawal is tried again; business milliseconds."""
    business_ms_per_second: float = 1_000.0
    """How fast business time goes; more where it is accelerated, 0 where it does not move."""


class Step(NamedTuple):
    """One thing to do now. `delivery` is empty for the first attempt under an id."""

    how: How
    work: Work
    attempt: int
    delivery: str = ""
    repeat: int = 0


class Errand:
    """One delivery: what the ledger named, its state, and its last attempt."""

    __slots__ = (
        "effect_until", "event", "how", "is_cleared", "is_noted", "label", "left_at", "marks",
        "questions", "repeat", "state", "ticket", "tries", "wake_at", "work",
    )  # fmt: skip

    def __init__(self, work: Work) -> None:
        self.work = work
        self.state = State.READY
        self.event: AttemptMessage | None = None
        """The last attempt under its present id."""
        self.marks = 0
        self.tries = 0
        """Attempts in a row that certainly did nothing."""
        self.questions = 0
        """Times in a row that it was asked about, or put aside, without learning anything."""
        self.repeat = 0
        """How often it was sent under an id of its own besides the first."""
        self.label = ""
        self.how: How = "send"
        """Its reason to be in `Order`."""
        self.ticket = 0
        """Its place in `Order`."""
        self.wake_at = inf
        self.left_at = -inf
        self.effect_until = -inf
        self.is_cleared = False
        """Whether others were served after its answer had put the whole platform in doubt."""
        self.is_noted = False
        """Whether the ledger says it is done, which counts where no attempt is on record."""


class DeliveryQueue:
    """The memory and the plan of one target. `now` is engine seconds, `at` business milliseconds.

    `wake`, `settle` and `plan` may be called once `resume` was.
    """

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._records: dict[bytes, list[Errand]] = {}
        """Record key → its deliveries that are not over, in the ledger's order."""
        self._by_id: dict[str, Errand] = {}
        self._standing: Counter[State] = Counter()
        self._labels: Counter[str] = Counter()
        self._flying: set[str] = set()
        self._order: Order[Errand] = Order()
        self._suspects: dict[Errand, None] = {}
        self._later: list[tuple[float, int, Errand]] = []
        self._daily: list[tuple[int, int, int, Errand]] = []
        self._count = 0
        self._served_at = -inf
        self._is_running = True

    # --- what is known ---------------------------------------------------------------------------

    @property
    def outstanding(self) -> int:
        """Deliveries with something left to send, or of unknown fate."""
        return (
            self.pending_receipts
            - self._taken_in()
            + sum(self._standing[state] for state in NOT_THERE)
        )

    @property
    def pending_receipts(self) -> int:
        """Deliveries sent and not known to be final, without those left behind."""
        return sum(self._standing[state] for state in IN_DOUBT) + self._taken_in()

    def _taken_in(self) -> int:
        return self._standing[State.HANDED_OVER] + self._standing[State.ACKNOWLEDGED]

    def standing(self) -> dict[str, int]:
        """Count the unfinished work by state."""
        return {label: self._labels[label] for label in _LABELS.values()}

    @property
    def in_the_air(self) -> int:
        """Requests on their way."""
        return len(self._flying)

    @property
    def is_busy(self) -> bool:
        """Whether an answer may come any moment."""
        return bool(self._flying) or self._open() > 0

    def _open(self) -> int:
        return self._standing[State.ON_ITS_WAY] + self._standing[State.UNKNOWN]

    def expectation(self, delivery: str) -> AttemptMessage | None:
        """Return the attempt an answer is held against, or None when it is of no interest."""
        one = self._by_id.get(delivery)
        return one.event if one is not None else None

    def events(self) -> Iterator[AttemptMessage]:
        """The last attempt of every delivery that is not over."""
        for errands in self._records.values():
            yield from (one.event for one in errands if one.event is not None)

    def is_news(self, delivery: str) -> bool:
        """Whether its last failure is for people: the one that parks it, then one in an hour."""
        one = self._by_id.get(delivery)
        if one is None or one.event is None:
            return False
        match one.state:
            case State.PARKED:
                failures = one.tries
            case State.STUCK:
                failures = one.questions if self._policy.can_ask else one.event.attempt
            case _:
                return False
        return (failures - self._policy.attempts) % _TOLD_EVERY == 0

    def _is_followed(self, one: Errand) -> bool:
        """Whether the ledger names something newer of its record."""
        errands = self._records.get(one.work.record_key)
        return errands is not None and errands[-1] is not one

    # --- fold ------------------------------------------------------------------------------------

    def load(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Take up what the store holds, in its order; then fold, then `resume`."""
        self._is_running = False
        for key, value in entries:
            family, record_key, place = key[:1], key[1:17], int.from_bytes(key[17:])
            if family == WORK:
                work, _row = unpack_work(record_key, value)
                self._take_up(work)
            elif family == STATE:
                one = self._named(record_key, place)
                if one is not None:
                    self._unpack(one, value)

    def _take_up(self, work: Work) -> Errand:
        one = Errand(work)
        self._records.setdefault(work.record_key, []).append(one)
        self._standing[one.state] += 1
        self._move(one, State.READY)
        return one

    def _named(self, record_key: bytes, sequence: int) -> Errand | None:
        errands = self._records.get(record_key, ())
        return next((one for one in errands if one.work.sequence == sequence), None)

    def fold_work(self, work: Work, row: bytes, changes: Changes, now: float = 0.0) -> None:
        """The ledger names the target for a record: one more thing to do."""
        one = self._take_up(work)
        changes[_key(WORK, one)] = pack_work(work, row)
        if self._is_running:
            self._follow_on(one, Happening.NEWER_NAMED, changes, now)
            self._offer(work.record_key)

    def adopt(self, record_key: bytes, event: AttemptMessage, changes: Changes) -> None:
        """The newest of a record was sent before, by a naming that the ledger has lost.

        The same content under the same id: the platform may hold it already, so it is asked.
        """
        one = self._records[record_key][-1]
        work = one.work._replace(known_as=(event.work.number, event.work.shown_version))
        one.work, one.repeat = work, event.repeat
        one.event = AttemptMessage(
            event.delivery, event.digest, work, event.attempt, event.at,
            state=State.UNKNOWN, repeat=event.repeat,
        )  # fmt: skip
        self._by_id[event.delivery] = one
        self._enter(one, State.UNKNOWN, changes, 0.0)

    def untried(self, record_key: bytes) -> Work | None:
        """The newest work of a record, where nothing of it has been tried and none is before it."""
        errands = self._records.get(record_key)
        if not errands or errands[-1].event is not None or errands[-1].is_noted:
            return None
        return None if any(one.event is not None for one in errands) else errands[-1].work

    def _follow_on(self, newer: Errand, happening: Happening, changes: Changes, now: float) -> None:
        """Tell all that are older of its record."""
        errands = self._records.get(newer.work.record_key, [])
        for one in errands[: errands.index(newer)]:
            line = TABLE[one.state, happening, True]
            if line.next is State.OVERTAKEN and one.event is not None and newer.event is not None:
                # followed from now on
                one.event = one.event._replace(at=newer.event.at)
            if line.next is not one.state:
                self._enter(one, line.next, changes, now)
            else:
                self._do(one, line.do, now)

    def fold_noted(self, noted: Noted, changes: Changes) -> None:
        """The ledger itself says what became of a version; news only to one that lost its state."""
        is_final = noted.stage == FINAL_STAGE[noted.action]
        if not is_final and noted.stage != "refused":
            return
        for one in list(self._records.get(noted.record_key, ())):
            named, told = (one.work.epoch, one.work.sequence), (noted.epoch, noted.sequence)
            if one.event is not None or named > told:
                continue  # our own attempts, folded after the ledger, know better
            if named == told and not is_final and one.work.action == "withdraw":
                one.repeat = max(one.repeat, noted.repeat + 1)
                changes[_key(STATE, one)] = self._pack(one)
            elif self._is_running:
                self._enter(one, State.DONE, changes, 0.0)
            else:
                one.is_noted = True

    def fold_event(self, event: AttemptMessage, changes: Changes, now: float) -> None:
        """An intent or a result of our own, after its commit or on restart."""
        one = self._named(event.work.record_key, event.work.sequence)
        if one is None or event.repeat < one.repeat:
            return  # it is over, or goes by another id
        if event.repeat > one.repeat:
            self._rename(one, event.repeat)
        if event.result:
            self._fold_result(one, event, changes, now)
        elif not one.is_noted:
            self._fold_intent(one, event, changes, now)
        self._offer(one.work.record_key)

    def _fold_intent(
        self, one: Errand, event: AttemptMessage, changes: Changes, now: float
    ) -> None:
        known = one.event
        if known is not None:
            self._by_id.pop(known.delivery, None)
            event = known._replace(
                delivery=event.delivery, digest=event.digest, attempt=event.attempt, at=event.at
            )
        one.event = event
        self._by_id[event.delivery] = one
        one.left_at, one.effect_until = now, now + self._policy.grace_seconds
        line = TABLE[one.state, Happening.SENT, self._is_followed(one)]
        if line.next is not one.state:
            self._enter(one, line.next, changes, now)
        else:
            self._do(one, line.do, now)
            changes[_key(STATE, one)] = self._pack(one)
        self._follow_on(one, Happening.NEWER_LEFT, changes, now)

    def _fold_result(
        self, one: Errand, event: AttemptMessage, changes: Changes, now: float
    ) -> None:
        one.is_noted = False
        one.event = event
        self._by_id[event.delivery] = one
        one.tries += event.result == "retry"
        if event.stage:
            self._mark_told(one, event.stage)
        if event.result == "absent" and event.state is State.PAUSED:
            self._rename(one, one.repeat + 1)
            self._enter(one, State.PAUSED, changes, now)
            self._do(one, Do.PAUSE_FOR_EFFECT, now)
            return
        if one.state is State.OVERTAKEN and event.result == "accepted":
            self._raise_sign(one.work.record_key, changes, now)
        self._enter(one, event.state, changes, now)

    def _mark_told(self, one: Errand, stage: str) -> None:
        if stage == "parked":
            one.marks |= SAID_PARKED
        else:
            one.marks = (one.marks | SAID_SENT) & ~SAID_PARKED
        if stage == "acknowledged":
            one.marks |= SAID_TAKEN

    def _raise_sign(self, record_key: bytes, changes: Changes, now: float) -> None:
        """A delivery left behind has appeared: the newest is sent once more, when it has ended.

        A publication that is handed over is not: what answers in order says the older one first.
        """
        errands = self._records.get(record_key)
        if not errands:
            return
        newest = errands[-1]
        line = TABLE[newest.state, Happening.SIGN, False]
        if line.do is Do.SEND_ANEW:
            self._send_anew(newest, changes, now)
        elif line.do is Do.REMEMBER and not (
            newest.state is State.HANDED_OVER and newest.work.action == "publish"
        ):
            newest.marks |= ONCE_MORE
            changes[_key(STATE, newest)] = self._pack(newest)

    def _enter(self, one: Errand, state: State, changes: Changes, now: float) -> None:
        """Come into a state; what it asks for is done."""
        record_key = one.work.record_key
        if state is State.KEPT:
            if one.marks & ONCE_MORE:
                self._send_anew(one, changes, now)
                return
            if not self._has_left_behind(record_key):
                state = State.DONE
        self._move(one, state)
        if state is not State.DONE:
            changes[_key(STATE, one)] = self._pack(one)
            self._do(one, ON_ENTERING[state], now)
            return
        changes[_key(WORK, one)] = changes[_key(STATE, one)] = None
        self._forget(one)
        errands = self._records.get(record_key)
        if errands and errands[-1].state is State.KEPT and not self._has_left_behind(record_key):
            self._enter(errands[-1], State.DONE, changes, now)
        self._offer(record_key)

    def _move(self, one: Errand, state: State) -> None:
        """Change the state and its counts; end any wait of it."""
        if state in (State.READY, State.HANDED_OVER, State.ACKNOWLEDGED, State.OVERTAKEN):
            one.questions = 0
        if state in (State.HANDED_OVER, State.ACKNOWLEDGED):
            one.tries = 0
        self._standing[one.state] -= 1
        self._standing[state] += 1
        one.state = state
        one.ticket = 0
        one.wake_at = inf
        self._suspects.pop(one, None)
        if state is State.SUSPECT:
            self._suspects[one] = None
        is_hard = one.tries >= self._policy.attempts and state in (State.READY, State.ON_ITS_WAY)
        self._labels[one.label] -= 1
        one.label = "parked" if is_hard else _LABELS.get(state, "")
        self._labels[one.label] += 1

    def _forget(self, one: Errand) -> None:
        self._standing[State.DONE] -= 1
        self._labels[one.label] -= 1
        if one.event is not None:
            self._by_id.pop(one.event.delivery, None)
        left = [other for other in self._records[one.work.record_key] if other is not one]
        if left:
            self._records[one.work.record_key] = left
        else:
            del self._records[one.work.record_key]

    def _has_left_behind(self, record_key: bytes) -> bool:
        return any(one.state is State.OVERTAKEN for one in self._records.get(record_key, ()))

    def _send_anew(self, one: Errand, changes: Changes, now: float) -> None:
        """Once more, under an id of its own: platforms answer a known id from memory."""
        self._rename(one, one.repeat + 1)
        self._enter(one, State.READY, changes, now)

    def _rename(self, one: Errand, repeat: int) -> None:
        if one.event is not None:
            self._by_id.pop(one.event.delivery, None)
        one.event, one.repeat, one.tries = None, repeat, 0
        one.marks &= SAID_SENT

    def _pack(self, one: Errand) -> bytes:
        head = _HEAD.pack(one.state.value.encode(), one.tries, one.repeat, one.marks)
        return head if one.event is None else head + encode_event(one.event)

    def _unpack(self, one: Errand, value: bytes) -> None:
        letter, one.tries, one.repeat, one.marks = _HEAD.unpack_from(value)
        self._move(one, State(letter.decode()))
        if len(value) > _HEAD.size:
            one.event = decode_event(value[_HEAD.size :], one.work.key)
            self._by_id[one.event.delivery] = one

    # --- plan ------------------------------------------------------------------------------------

    def resume(self, now: float, at: int) -> dict[bytes, bytes | None]:
        """Everything has been folded: begin to plan; return what to store.

        Requests of a predecessor that may still be on their way get the time of their longest
        effect, counted from the intent: a courier that restarts often does not wait for ever.
        """
        changes: dict[bytes, bytes | None] = {}
        self._is_running = True
        self._order, self._later, self._daily = Order(), [], []
        self._flying.clear()
        for errands in list(self._records.values()):
            for one in errands:
                self._resume(one, now, at, changes)
        for record_key, errands in list(self._records.items()):
            self._follow_on(errands[-1], Happening.NEWER_NAMED, changes, now)
            self._offer(record_key)
        return changes

    def _resume(self, one: Errand, now: float, at: int, changes: Changes) -> None:
        if one.is_noted and one.state in (State.READY, State.ON_ITS_WAY):
            self._enter(one, State.KEPT, changes, now)  # done, unless an older one was left behind
            return
        one.ticket, one.wake_at, one.questions = 0, inf, 0
        if one.event is not None:
            one.effect_until = now + self._effect_left(one.event, at)
        match one.state:
            case State.ON_ITS_WAY:
                self._move(one, State.UNKNOWN)
                self._sleep(one, one.effect_until)
            case State.UNKNOWN | State.STUCK:
                self._sleep(one, one.effect_until)
            case State.PAUSED | State.SUSPECT:
                self._move(one, State.READY)
            case State.PARKED:
                self._sleep(one, now)
            case State.REFUSED:
                self._do(one, Do.RETRY_DAILY, now)
            case State.HANDED_OVER | State.ACKNOWLEDGED | State.OVERTAKEN:
                can_ask = self._policy.can_ask
                wait = _POLL_AFTER_START_SECONDS if can_ask else self._first_poll()
                self._sleep(one, now + wait)

    def _effect_left(self, event: AttemptMessage, at: int) -> float:
        """Seconds until nothing of its last request can come any more."""
        pace, grace = self._policy.business_ms_per_second, self._policy.grace_seconds
        if pace <= 0:
            return grace
        gone = (at - event.at - _COMMIT_MS * pace / 1_000) / pace
        return min(max(grace - gone, 0.0), grace)

    def wake(self, now: float, at: int) -> list[AttemptMessage]:
        """Do what is due; return what became of deliveries by time alone, to be folded."""
        events = []
        while self._later and self._later[0][0] <= now:
            when, _count, one = heapq.heappop(self._later)
            if one.wake_at == when and one.state is not State.DONE:
                one.wake_at = inf
                event = self._time_up(one, now, at)
                if event is not None:
                    events.append(event)
        while self._daily and self._daily[0][0] <= at:
            _when, _count, repeat, one = heapq.heappop(self._daily)
            if one.state is State.REFUSED and one.repeat == repeat:
                self._heard(one, Happening.TIME_UP, at, now)
        return events

    def _time_up(self, one: Errand, now: float, at: int) -> AttemptMessage | None:
        event = one.event
        happening = Happening.TIME_UP
        if one.state in IN_DOUBT and self._is_followed(one) and now >= one.effect_until:
            happening = Happening.EFFECT_OVER
        elif event is not None and event.delivery in self._flying:
            self._sleep(one, now + _FLYING_SECONDS)
            return None
        elif one.state is State.OVERTAKEN and event and at - event.at > _FOLLOWED_MS:
            happening = Happening.FOLLOWED_LONG
        elif one.state in IN_DOUBT and not self._policy.can_ask and event is not None:
            is_last = event.attempt >= self._policy.attempts
            happening = Happening.UNANSWERED_LAST if is_last else Happening.UNANSWERED
        return self._heard(one, happening, at, now, why="no answer")

    def plan(self, width: int, at: int) -> list[Step]:
        """Choose what to do now; `width` requests may be on their way at once.

        The caller commits an intent for every `send`, folds it, and calls `launched` for what
        leaves otherwise than by topic.
        """
        room = width - len(self._flying) if self._policy.can_ask else width
        steps: list[Step] = []
        opening = self._open()
        while len(steps) < room:
            may_open = opening < self._policy.concurrency
            one = self._order.take(at, may_open=may_open)
            if one is None:
                break
            opening += one.state in NOT_THERE
            steps.append(self._step(one, one.how))
        if not steps and room > 0 and opening < self._policy.concurrency:
            steps += self._probe()
        return steps

    def _probe(self) -> list[Step]:
        """The one to try with when all that is left may be the reason that nothing works.

        A single one is asked about and sent in turn: an answer to a question says that the
        platform is there and the record alone; where none comes, it must be sent all the same.
        """
        free = (State.READY, State.PAUSED, State.SUSPECT, State.ON_ITS_WAY)
        is_alone = sum(self._standing[state] for state in free) == 1
        for one in self._suspects:
            is_due = one.wake_at == inf and one.event is not None
            if is_due and one.event and one.event.delivery not in self._flying:
                is_asked = is_alone and self._policy.can_ask and one.questions % 2 == 1
                return [self._step(one, "ask" if is_asked else "send")]
        return []

    def _step(self, one: Errand, how: How) -> Step:
        event = one.event
        if event is None or (how == "send" and one.state in NOT_THERE):
            attempt = one.tries + 1
        else:
            attempt = event.attempt + (how == "send")
        return Step(how, one.work, attempt, event.delivery if event else "", one.repeat)

    def launched(self, delivery: str, how: How, now: float) -> None:
        """A request for this delivery leaves now."""
        self._flying.add(delivery)
        one = self._by_id.get(delivery)
        if one is not None and how == "send":
            one.left_at, one.effect_until = now, now + self._policy.grace_seconds

    def _offer(self, record_key: bytes) -> None:
        """Let the newest of a record leave, unless an older one may be happening now."""
        errands = self._records.get(record_key)
        if not errands or not self._is_running:
            return
        newest = errands[-1]
        is_ready = newest.state is State.READY and not newest.ticket
        if is_ready and not any(one.state in IN_DOUBT for one in errands):
            self._queue(newest, "send")

    def _queue(self, one: Errand, how: How) -> None:
        if not self._is_running:
            return
        one.how = how if self._policy.can_ask else "send"
        one.wake_at = inf
        is_hard = one.tries >= self._policy.attempts and one.state in NOT_THERE
        rank: Rank = "retry" if is_hard else "work"
        match one.state:
            case State.ON_ITS_WAY | State.UNKNOWN:
                rank = "question"
            case State.STUCK | State.ACKNOWLEDGED | State.OVERTAKEN:
                rank = "follow"
            case State.HANDED_OVER if how != "send":
                rank = "follow"
        self._order.add(one, rank)

    # --- answers ---------------------------------------------------------------------------------

    def landed(self, delivery: str) -> None:
        """End the request for this delivery, with any result."""
        self._flying.discard(delivery)

    def blame(self, delivery: str, how: How, verdict: Verdict) -> Verdict:
        """Say whose fault an answer is that may be the platform's or the record's.

        The record's when others were served since it left, or since it was first in doubt.
        """
        one = self._by_id.get(delivery)
        if not isinstance(verdict, Retry) or not verdict.may_be_record or how != "send":
            return verdict
        is_own = one is not None and (
            one.is_cleared or one.tries >= self._policy.attempts or self._served_at > one.left_at
        )
        return Retry(verdict.why) if is_own else verdict

    def settle(
        self, delivery: str, how: How, verdict: Verdict, at: int, now: float
    ) -> AttemptMessage | None:
        """Turn an answer into the result to be written and folded; None when there is none."""
        if how != "answer":
            self.landed(delivery)
        verdict = self.blame(delivery, how, verdict)
        is_served = not isinstance(verdict, Retry | Unknown)
        if how == "send" and is_served:
            self._served_at = now
            for other in list(self._suspects):
                other.is_cleared = True
                self._heard(other, Happening.CLEARED, at, now)
        one = self._by_id.get(delivery)
        if one is None:
            return None
        one.is_cleared |= one.state is State.SUSPECT and is_served
        happening = self._meaning(one, how, verdict, now)
        if happening is None:
            return None
        why = verdict.why if isinstance(verdict, Retry | Unknown) else ""
        return self._heard(one, happening, at, now, why=why, verdict=verdict)

    def _meaning(  # noqa: PLR0911 - one case for each verdict
        self, one: Errand, how: How, verdict: Verdict, now: float
    ) -> Happening | None:
        is_withdrawal = one.work.action == "withdraw"
        match verdict:
            case Delivered():
                return Happening.DELIVERED
            case Overtaken():
                return Happening.PLACE_TAKEN
            case Accepted(stage):
                is_final = stage == FINAL_STAGE[one.work.action]
                return Happening.FINAL if is_final else Happening.ACKNOWLEDGED
            case Refused():
                return Happening.WITHDRAWAL_REFUSED if is_withdrawal else Happening.REFUSED
            case NotHere():
                is_over = self._effect_over(one.work.record_key) <= now
                return Happening.NOT_HERE if is_over else Happening.NOT_HERE_YET
            case Retry() | Unknown() | NeverSeen() if how == "answer":
                return None  # proves nothing; the delivery is sent again when its time is up
            case NeverSeen():
                return Happening.NEVER_SEEN
            case Retry(_why, True) if how != "send" or not verdict.may_be_record:
                return Happening.AWAY
            case Retry(_why, True):
                return Happening.DOUBTED
            case Retry() if how == "send" and one.state is State.ON_ITS_WAY:
                is_last = one.tries + 1 >= self._policy.attempts
                return Happening.FAILED_LAST if is_last else Happening.FAILED
            case Retry() | Unknown():
                is_last = one.questions + 1 >= self._policy.attempts
                return Happening.UNANSWERED_LAST if is_last else Happening.UNANSWERED
            case _:
                assert_never(verdict)

    def _effect_over(self, record_key: bytes) -> float:
        """When nothing of what was left behind can come any more."""
        errands = self._records.get(record_key, ())
        older = (one.effect_until for one in errands if one.state is State.OVERTAKEN)
        return max(older, default=-inf)

    def _heard(
        self, one: Errand, happening: Happening, at: int, now: float, *, why: str = "",
        verdict: Verdict | None = None,
    ) -> AttemptMessage | None:  # fmt: skip
        """Look it up in the table; return the result to be written, or do what follows."""
        line = TABLE[one.state, happening, self._is_followed(one)]
        stage = self._stage(one, line.tell)
        is_news = line.next is not one.state or bool(stage)
        if not is_news:
            self._do(one, line.do, now)
        elif line.next is State.READY and happening is not Happening.AWAY:
            self._be_ready(one, line.do, now)
        elif one.event is not None:
            event = one.event._replace(
                at=at, result=_RESULTS[happening], stage=stage, state=line.next, receipt="",
                code="", message="", platform_at=None, repeat=one.repeat,
            )  # fmt: skip
            return _with_words(event, verdict, why)
        return None

    def _be_ready(self, one: Errand, do: Do, now: float) -> None:
        """Nothing is written of a pause that is over: a restart ends it, too."""
        if do is Do.SEND_ANEW:
            self._send_anew(one, {}, now)
        else:
            self._move(one, State.READY)
            self._offer(one.work.record_key)

    def _stage(self, one: Errand, tell: Tell) -> str:
        """Return the stage for the registrar, or "" where it knows."""
        match tell:
            case "sent":
                return "" if one.marks & SAID_SENT else "sent"
            case "parked":
                return "" if one.marks & SAID_PARKED else "parked"
            case "acknowledged":
                return "" if one.marks & SAID_TAKEN else "acknowledged"
            case "final":
                return FINAL_STAGE[one.work.action]
            case "refused" | "":
                return tell
            case _:
                assert_never(tell)

    # --- what follows ----------------------------------------------------------------------------

    def _do(self, one: Errand, do: Do, now: float) -> None:
        """Carry out what a line asks for: take a place in the order, or a time to wake at."""
        match do:
            case Do.SEND if one.state is State.READY:
                self._offer(one.work.record_key)
            case Do.SEND:
                self._queue(one, "send")
            case Do.ASK_NOW:
                self._queue(one, "ask")
            case Do.FOLLOW_NOW:
                self._queue(one, "poll")
            case Do.LISTEN_NOW if self._policy.can_ask:
                self._queue(one, "ask" if one.state in IN_DOUBT else "poll")
            case Do.RETRY_DAILY if one.event is not None:
                due = one.event.at + self._policy.refused_again_ms
                self._count += 1
                heapq.heappush(self._daily, (due, self._count, one.repeat, one))
            case _:
                self._wait(one, do, now)

    def _wait(self, one: Errand, do: Do, now: float) -> None:
        match do:
            case Do.PAUSE:
                self._sleep(one, now + self._pause(one.tries))
            case Do.STEP_ASIDE:
                self._step_aside(one, now)
            case Do.PAUSE_FOR_EFFECT:
                self._sleep(one, max(now, self._effect_over(one.work.record_key)))
            case Do.AWAIT if one.state in IN_DOUBT:
                self._sleep(one, inf if self._policy.can_ask else now + self._patience(one))
            case Do.ASK_SOON | Do.ASK_ONLY:
                self._ask_later(one, now)
            case Do.WAIT:
                self._sleep(one, min(one.wake_at, max(one.effect_until, now)))
            case Do.FOLLOW | Do.LISTEN | Do.LISTEN_NOW | Do.AWAIT:
                self._poll_later(one, now)
            case _:
                pass

    def _sleep(self, one: Errand, until: float) -> None:
        if not self._is_running:
            return
        one.wake_at = until
        if until == inf:
            return
        self._count += 1
        heapq.heappush(self._later, (until, self._count, one))

    def _pause(self, failures: int) -> float:
        if failures >= self._policy.attempts:
            return _PARKED_SECONDS
        return backoff(_BACKOFF_SECONDS, failures - 1, _LONGEST_BACKOFF_SECONDS)

    def _step_aside(self, one: Errand, now: float) -> None:
        self._suspects.pop(one, None)
        self._suspects[one] = None
        wait = backoff(_FIRST_ASIDE_SECONDS, one.questions, _LONGEST_BACKOFF_SECONDS)
        one.questions += 1
        self._sleep(one, now + wait)

    def _patience(self, one: Errand) -> float:
        """How long an answer by topic is waited for before the delivery is sent again."""
        attempt = one.event.attempt if one.event is not None else 1
        first = self._policy.timeout_seconds
        return backoff(first, attempt - 1, max(_LONGEST_POLL_SECONDS, first))

    def _first_poll(self) -> float:
        policy = self._policy
        return policy.first_poll_seconds if policy.can_ask else policy.timeout_seconds

    def _ask_later(self, one: Errand, now: float) -> None:
        """Something may have happened: find out, more slowly each time."""
        is_followed = self._is_followed(one)
        if not self._policy.can_ask and not is_followed:
            self._queue(one, "send")
            return
        wait = backoff(_FIRST_ASK_SECONDS, one.questions, _LONGEST_BACKOFF_SECONDS)
        one.questions += 1
        until = now + (_PARKED_SECONDS if one.state is State.STUCK else wait)
        if is_followed:
            effect = max(one.effect_until, now)
            until = min(until, effect) if self._policy.can_ask else effect
        self._sleep(one, until)

    def _poll_later(self, one: Errand, now: float) -> None:
        wait = backoff(
            self._first_poll(), one.questions, _LONGEST_POLL_SECONDS, growth=_POLL_GROWTH
        )
        one.questions += 1
        self._sleep(one, now + wait)


def _with_words(event: AttemptMessage, verdict: Verdict | None, why: str) -> AttemptMessage:
    """The platform's receipt, code, message and time; of what is parked, why."""
    if event.stage == "parked":
        return event._replace(code=PARKED, message=why[:_MAX_WHY])
    match verdict:
        case Accepted(_stage, receipt, platform_at):
            return event._replace(receipt=receipt, platform_at=platform_at)
        case Refused(code, message, platform_at) if event.stage:
            return event._replace(code=code, message=message, platform_at=platform_at)
        case Delivered(platform_at) | NotHere(platform_at):
            return event._replace(platform_at=platform_at)
        case _:
            return event


def _key(family: bytes, one: Errand) -> bytes:
    return family + one.work.record_key + one.work.sequence.to_bytes(8)
