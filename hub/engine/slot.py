"""The exactly-once slot: one way to start, one way to recover, and they are the same.

1. lease, `init_transactions`: the predecessor is fenced, its open transaction ended;
2. fold the own ledger partitions from the stored position to their end;
3. once a process: wait until the clock is to be believed (`hub.engine.clock_guard`);
4. seek every input to the last cause + 1, then run: consume, fetch, begin, decide, produce,
   flush, all reports good, commit, write the state;
5. anything goes wrong: drop what is not committed, retire the producer, go to 1.

There is no consumer group: a position is the last cause in the ledger, so there is no second
truth to reconcile. The slot is a generator of requests (sans I/O): it never touches Kafka, the
store or a clock itself.
"""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from hub.core import keys, waiting
from hub.core.causes import MoveNoted, TimerDue
from hub.core.evolve import evolve
from hub.core.keys import Head
from hub.core.ledger_end import LedgerEndError, Seen
from hub.core.partition import BasisLibrary, BrokenChainError, PartitionCore
from hub.core.prepare import (
    prepare_sweep,
    prepare_timer,
    prepare_twin,
    prepare_visit,
    prepare_walked,
)
from hub.core.record import CauseKind, Outcome, topic_id
from hub.core.resend import Walk, found_in, is_place, record_in
from hub.core.state import NEVER, RecordFlag, decode_state
from hub.domain.backoff import backoff
from hub.engine import events, requests
from hub.engine.clock_guard import DEFAULT_GUARD_MS, days_ahead
from hub.engine.ledger_end import (
    check_ends,
    check_reports,
    check_witnesses,
    declared_losses,
    last_records,
    seen_by_notices,
)
from hub.errors import ConfigurationError, FencedError, IntegrityError
from hub.ports import InputRecord, OutputRecord
from hub.views.notices import moment_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping, Sequence

    from hub.core.prepare import Prepared
    from hub.core.record import LedgerRecord
    from hub.ports import ClockEvidence

    Program = Generator[requests.Request, Any, None]

BATCH_INPUTS = 5_000
"""Inputs of one transaction at most: bounds memory and the time a transaction stays open."""
DECIDED_AT_ONCE = 200
"""Inputs read, fetched and decided in one go: what fits a core's cache costs a tenth less."""
POLL_SECONDS = 0.05
TIMERS_PER_BATCH = 2_000
SWEEP_STEP = 500
WALK_STEP = 2_000
"""Ledger records a resend visits in one go, and so those of one of its transactions at most."""
WALK_MARK = 50_000
"""Ledger records without news before a resend writes down its position."""
_WALKS_AT_ONCE = 1_000
_BEGIN_WALKS = frozenset(
    {Outcome.BASIS_ADOPTED, Outcome.RESEND_REQUESTED, Outcome.REDECISION_REQUESTED}
)
_OF_A_LOSS = frozenset({Outcome.LOSS_ACCEPTED, Outcome.CONTROL_REFUSED})
_LAST_KEY = b"\xff"
_FORGOTTEN_AT_ONCE = 10_000
LEDGER_LIMIT = 1024 * 1024 + 64 * 1024
CLOCK_SECONDS = 5.0
"""Between two looks at a clock that is not believed."""


class SlotPlan(NamedTuple):
    """Settings of one slot."""

    prefix: str
    partitions: tuple[int, ...]
    input_topics: tuple[str, ...]
    """Every input, `control` first."""
    owner: str = keys.FIRST_OWNER
    """The slot's own name, as map changes in the ledger name it."""
    clock_guard_ms: int = DEFAULT_GUARD_MS
    """How far the clock may be ahead, at a start, of all that was ever written."""
    partition_count: int = 0
    """How many partitions the site has; 0 where it is not known."""
    seen: tuple[Seen, ...] = ()
    """The ledger's end, as files within reach say."""


class _Walking:
    """A resend under way: records read from the ledger and not visited yet."""

    def __init__(self, partition: int, request: bytes, walk: Walk, following: int) -> None:
        self.partition = partition
        self.walk = walk
        self.request = request
        """Sequence of its request, 8 bytes."""
        self.following = following
        """The next sequence to look at."""
        self.marked = following
        self.records: list[InputRecord] = []


class _RestartError(Exception):
    """A request failed: start again from the lease."""


class Slot:
    """The state machine of one slot; `run()` yields requests and is sent their replies."""

    def __init__(self, plan: SlotPlan) -> None:
        self.plan = plan
        self.ledger = plan.prefix + "ledger"
        self.control = plan.prefix + "control"
        self.library = BasisLibrary()
        self.cores: dict[int, PartitionCore] = {}
        self._positions: dict[tuple[str, int], int] = {}
        self._next_timer: dict[int, int] = {}
        self._sweeping: set[int] = set()
        self._walked: dict[int, bytes] = {}
        """How far a sweep has looked since its cursor was last written down."""
        self._answered: set[int] = set()
        """Partitions in which quarantined records may have been answered."""
        self._to_walk: set[int] = set()
        """Partitions whose ledger a resend has to scan."""
        self._out_of_line: set[int] = set()
        """Partitions in which the resend of an adopted basis has not been at every record yet: no
        timer fires. A shorter deadline may have passed where the same basis shows it no more."""
        self._walking: _Walking | None = None
        self._reading_all = False
        self._giving_up: set[int] = set()
        """Partitions in which a declared loss waits to be written down: before anything else, so
        that all that is named from here on comes behind all that was lost."""
        self._is_clock_believed = False

    def run(self) -> Program:
        """Start, recover, run; never ends by itself."""
        failures = 0
        while True:
            try:
                yield from self._ask(requests.Initialise())
                yield from self._ask(requests.Hook("after_init"))
                yield from self._fold()
                if not self._is_clock_believed:
                    yield from self._await_clock()
                yield from self._seek()
                if not self._giving_up:
                    yield from self._finish_releases()
                while True:
                    yield from self._cycle()
                    failures = 0
            except _RestartError as restart:
                failures += 1
                yield requests.Report(events.SlotRestarted(failures))
                yield requests.Retire(str(restart))
                yield requests.Wait(backoff(0.1, failures - 1, 5.0))

    def _ask(self, request: requests.Request) -> Generator[requests.Request, Any, Any]:
        reply = yield request
        if isinstance(reply, requests.Failed):
            raise _RestartError(reply.reason)
        return reply

    # --- start -----------------------------------------------------------------------------------

    def _fold(self) -> Program:
        """Bring the state to the end of the ledger: every record from the stored position on."""
        self.cores = {}
        for partition in self.plan.partitions:
            core = self.cores[partition] = PartitionCore(partition, self.plan.prefix, self.library)
            core.owner = self.plan.owner
            yield from self._load(core)
        heads = {partition: core.head for partition, core in self.cores.items()}
        released = yield from check_ends(
            self._ask, self.ledger, self.plan.owner, heads, self.control
        )
        for partition in released:
            yield from self._forget(partition)
        yield from self._ask_witnesses()
        positions = {(self.ledger, p): c.head.next_offset for p, c in self.cores.items()}
        yield from self._ask(requests.FoldLedger(positions))
        while True:
            batch = cast("list[InputRecord] | None", (yield from self._ask(requests.NextFold())))
            if batch is None:
                break
            changes: dict[bytes, bytes | None] = {}
            for record in batch:
                self._fold_one(record, changes)
            for partition, core in self.cores.items():
                changes[prefixed(partition, keys.HEAD)] = core.head.pack()
            yield from self._ask(requests.Hook("in_restore"))
            yield from self._ask(requests.WriteState(changes))
            yield requests.Report(events.Folded(len(batch)))
        for partition, core in self.cores.items():
            yield from self._check_owner(partition)
            self._check_basis(core)

    def _ask_witnesses(self) -> Program:
        """The own state may be gone, or older than the ledger was: others have seen its end."""
        seen = [one for one in self.plan.seen if one.partition in self.cores]
        with suppress(_RestartError):  # a topic that is away is not a witness, and does not stop us
            seen += seen_by_notices((yield from self._last_notices()))
        yield from check_witnesses(self._ask, self.ledger, seen, self.control)

    def _last_notices(self) -> Generator[requests.Request, Any, list[InputRecord]]:
        notices = self.plan.prefix + "notices"
        return (yield from last_records(self._ask, notices, self.plan.partitions))

    def _check_basis(self, core: PartitionCore) -> None:
        """Nothing is decided under a basis that is not understood or does not fit."""
        if core.unknown_decider:
            raise ConfigurationError(
                f"分区 {core.partition} 现行依据的决定程序版本是 {core.unknown_decider}，"
                "本程序没有：登记进程已停下，不作任何决定",
                f"partition {core.partition}: the basis in force names decider "
                f"{core.unknown_decider}, which this program does not have: the registrar has "
                "stopped and decides nothing",
                remedy_zh="换用写成该台账的版本或更新的版本",
                remedy_en="run the version that wrote this ledger, or a later one",
            )
        count, wanted = core.basis.partitions if core.basis else 0, self.plan.partition_count
        if count and wanted and count != wanted:
            raise ConfigurationError(
                f"site.yaml 写有 {wanted} 个分区，台账的依据是 {count} 个：分区数不可更改",
                f"site.yaml has {wanted} partitions, the ledger's basis has {count}: the count is "
                "fixed for life",
                remedy_zh=f"把 site.yaml 的 partitions 改回 {count}",
                remedy_en=f"set partitions in site.yaml back to {count}",
                file="site.yaml",
            )

    def _check_owner(self, partition: int) -> Program:
        """Refuse a partition that belongs to another slot.

        An empty one is whose site.yaml says: the first record written there names its owner.
        """
        if self.cores[partition].head.sequence == 0:
            return
        (stored,) = yield from self._read(partition, [keys.OWNER])
        owner = keys.FIRST_OWNER if stored is None else stored.decode()
        if owner != self.plan.owner:
            raise FencedError(
                f"分区 {partition} 归 {owner} 所有，本进程是 {self.plan.owner}\n"
                f"partition {partition} belongs to {owner}; this is {self.plan.owner}\n"
                "处理办法：先用 hub slots give 移交该分区，再按 site.yaml 的 slots 启动\n"
                "Remedy: hand the partition over with hub slots give, then start as site.yaml says"
            )

    def _load(self, core: PartitionCore) -> Program:
        head, basis_id = yield from self._read(core.partition, [keys.HEAD, keys.BASIS])
        document = None
        if basis_id is not None:
            (document,) = yield from self._read(core.partition, [keys.document(basis_id)])
        twins = yield from self._scan(core.partition, keys.TWINS, keys.ANSWERED, 1)
        core.restore(head, document, has_twins=bool(twins))

    def _scan(
        self, partition: int, start: bytes, stop: bytes, limit: int
    ) -> Generator[requests.Request, Any, list[tuple[bytes, bytes]]]:
        """Entries of one partition, their keys without its prefix."""
        reply = yield from self._ask(
            requests.Scan(prefixed(partition, start), prefixed(partition, stop), limit)
        )
        return [(key[2:], value) for key, value in cast("list[tuple[bytes, bytes]]", reply)]

    def _read(
        self, partition: int, wanted: list[bytes]
    ) -> Generator[requests.Request, Any, list[bytes | None]]:
        reply = yield from self._ask(
            requests.ReadState([prefixed(partition, key) for key in wanted])
        )
        return cast("list[bytes | None]", reply)

    def _forget(self, partition: int) -> Program:
        """Throw the state of a partition away: it is a fold of records that are declared lost.

        The head goes last, so that a registrar killed here does it again.
        """
        core = self.cores[partition] = PartitionCore(partition, self.plan.prefix, self.library)
        core.owner = self.plan.owner
        start = b""
        while found := (yield from self._scan(partition, start, _LAST_KEY, _FORGOTTEN_AT_ONCE)):
            changes = {prefixed(partition, key): None for key, _ in found if key != keys.HEAD}
            yield from self._ask(requests.WriteState(changes))
            start = found[-1][0] + b"\x00"
        yield from self._ask(requests.WriteState({prefixed(partition, keys.HEAD): None}))

    def _fold_one(self, record: InputRecord, changes: dict[bytes, bytes | None]) -> None:
        """One ledger record back into the state; the chain must be whole."""
        core = self.cores[record.partition]
        delta: dict[bytes, bytes | None] = {}
        try:
            core.fold(record.value, record.offset + 1, delta)
        except BrokenChainError as broken:
            raise LedgerEndError(
                self.plan.owner, record.partition, core.head, is_gone=False
            ) from broken
        changes.update((prefixed(record.partition, k), v) for k, v in delta.items())

    def _seek(self) -> Program:
        """Every input to its last cause + 1; only `control` until a basis has been adopted.

        A partition that has lost what comes next is not read until an operator has declared that.
        """
        lost: list[events.LostInput] = []
        places = [(t, p) for t in self.plan.input_topics for p in self.plan.partitions]
        bounds = yield from self._ask(requests.Bounds(places))
        self._positions = {}
        self._walking = None
        self._to_walk = set(self.plan.partitions)
        self._answered = set(self.plan.partitions)
        for partition in self.plan.partitions:
            wanted = [keys.position(topic_id(topic)) for topic in self.plan.input_topics]
            stored = yield from self._read(partition, wanted)
            for topic, offset in zip(self.plan.input_topics, stored, strict=True):
                start, end = bounds[topic, partition]
                position = int.from_bytes(offset) + 1 if offset is not None else 0
                if position > end or (position < start and topic == self.control):
                    _refuse_lost_input(topic, partition, position, start, end)
                if position < start:
                    lost.append(events.LostInput(topic, partition, position, start))
                else:
                    self._positions[topic, partition] = position
            self._next_timer[partition] = 0
            self._walked.pop(partition, None)
            (sweep,) = yield from self._read(partition, [keys.SWEEP])
            self._sweeping.discard(partition)
            if sweep is not None:
                self._sweeping.add(partition)
            yield from self._waiting_walks(partition)
        yield from self._check_reports(bounds)
        self._giving_up = yield from self._losses_to_write(bounds)
        yield requests.Report(events.InputsLost(tuple(lost)))
        yield from self._assign()

    def _check_reports(self, bounds: Mapping[tuple[str, int], tuple[int, int]]) -> Program:
        """Couriers have read what they report of; the last of what is not decided yet will do."""
        begin = self.plan.prefix + "outcomes."
        unread = {
            place: max(position, bounds[place][1] - BATCH_INPUTS)
            for place, position in self._positions.items()
            if place[0].startswith(begin) and position < bounds[place][1]
        }
        heads = {partition: core.head for partition, core in self.cores.items()}
        yield from check_reports(self._ask, self.ledger, unread, heads, self.control)

    def _losses_to_write(
        self, bounds: Mapping[tuple[str, int], tuple[int, int]]
    ) -> Generator[requests.Request, Any, set[int]]:
        """Partitions with a declared loss among the undecided messages of `control`."""
        places = [(self.control, partition) for partition in self.plan.partitions]
        unread = {p[1]: self._positions[p] for p in places if self._positions[p] < bounds[p][1]}
        if not unread:
            return set()
        declared = yield from declared_losses(self._ask, [self.control], unread, unread)
        return set(declared)

    def _finish_releases(self) -> Program:
        """Decide statements whose wait is over before what arrived after them.

        It is in one transaction with the record; one that was torn, its end having come late, may
        have left it undone.
        """
        wall = yield from self._now()
        for partition, core in self.cores.items():
            start, now = keys.TIMERS, core.now(wall)
            while core.basis is not None:
                found = yield from self._scan(partition, start, keys.TIMERS_END, TIMERS_PER_BATCH)
                timers = [timer for key, _ in found if (timer := keys.timer_in(key))[0] <= now]
                if not timers:
                    break
                start = found[-1][0] + b"\x00"
                stored = yield from self._read(partition, [keys.record(key) for _at, key in timers])
                ready = [
                    (partition, prepare_timer(key, due_at))
                    for (due_at, key), state in zip(timers, stored, strict=True)
                    if state is not None and waiting.is_ready(decode_state(state))
                ]
                if ready:
                    yield from self._transact(ready, wall)

    def _assign(self) -> Program:
        self._reading_all = self._may_read_all
        wanted = {
            place: position
            for place, position in self._positions.items()
            if self._reading_all or place[0] == self.control
        }
        yield from self._ask(requests.Assign(wanted))

    @property
    def _may_read_all(self) -> bool:
        """Whether `control` has said what must come first: a basis, a declared loss."""
        is_adopted = all(core.basis is not None for core in self.cores.values())
        return is_adopted and not self._giving_up

    def _await_clock(self) -> Program:
        """Wait until the clock is to be believed: once a process, afterwards `HasJumped` judges."""
        while days := (yield from self._days_ahead()):
            yield requests.Report(events.ClockUnconfirmed(days))
            yield requests.Wait(CLOCK_SECONDS)
        self._is_clock_believed = True
        yield requests.Report(events.ClockBelieved())

    def _days_ahead(self) -> Generator[requests.Request, Any, float]:
        """`notices` is looked at only where ledger and machine do not bear the clock out."""
        evidence = cast("ClockEvidence", (yield from self._ask(requests.Evidence())))
        decided_at = max((core.head.decided_at for core in self.cores.values()), default=0)
        days = days_ahead(evidence, decided_at, self.plan.clock_guard_ms)
        if not days:
            return days
        try:
            notices = yield from self._last_notices()  # a mark is set there each hour
        except _RestartError:  # a topic that is away bears nothing out, and must not hide why
            return days
        told_at = max((moment_of(one.value) for one in notices if one.value), default=0)
        return days_ahead(evidence, max(decided_at, told_at), self.plan.clock_guard_ms)

    # --- run -------------------------------------------------------------------------------------

    def _cycle(self) -> Program:
        """One transaction at most: what came in, and what came due."""
        inputs = cast(
            "list[InputRecord]",
            (
                yield from self._ask(
                    requests.Consume(BATCH_INPUTS, 0 if self._is_busy else POLL_SECONDS)
                )
            ),
        )
        wall = yield from self._now()
        if inputs:
            yield from self._ask(requests.Hook("after_consume"))
            if not self._reading_all:  # what follows the bases is read on from here
                self._positions.update(((r.topic, r.partition), r.offset + 1) for r in inputs)
        goes_on = yield from self._take(inputs, wall)
        if self._giving_up or not goes_on:
            return
        if not self._reading_all and self._may_read_all:
            yield from self._assign()
            yield from self._finish_releases()
        if self._answered and self._reading_all:
            yield from self._lift_twins(wall)
        due = yield from self._due(wall)
        if due:
            yield from self._transact(due, wall)
        if self._sweeping:
            yield from self._sweep(wall)
        if self._reading_all and (self._walking is not None or self._to_walk - self._sweeping):
            yield from self._walk(wall)
        elif not inputs and not due and not self._sweeping:
            yield requests.Report(events.Idle())

    def _take(self, inputs: list[InputRecord], wall: int) -> Generator[requests.Request, Any, bool]:
        """Decide what came in; False where the inputs are read on from elsewhere."""
        for batch in self._cut_at_control(inputs):
            yield from self._transact(batch, wall)
            core = self.cores[batch[-1].partition]
            if core.gives_up(batch[-1]):
                yield from self._check_owner(core.partition)
            if core.accepts_loss(batch[-1]):
                yield from self._seek()
                return False
        return True

    @property
    def _is_busy(self) -> bool:
        """Whether there is work that no input brings."""
        return self._reading_all and bool(self._sweeping or self._to_walk)

    def _now(self) -> Generator[requests.Request, Any, int]:
        """Business time; it does not move while the machine's clock has run ahead.

        A record written at a time that has not come would fire deadlines early for good: a
        partition's time never goes back.
        """
        wall = cast("int", (yield from self._ask(requests.Now())))
        if (yield from self._ask(requests.HasJumped())):
            yield requests.Report(events.TimeHeld())
            return max(core.head.decided_at for core in self.cores.values()) or wall
        return wall

    def _cut_at_control(self, inputs: list[InputRecord]) -> Iterable[list[InputRecord]]:
        """A basis, a map change or a declared loss ends its batch.

        Later records are read under the new basis, by the new owner, or from another place.
        """
        begin = 0
        for index, record in enumerate(inputs):
            if self.cores[record.partition].ends_batch(record):
                yield inputs[begin : index + 1]
                begin = index + 1
        if begin < len(inputs):
            yield inputs[begin:]

    def _due(self, wall: int) -> Generator[requests.Request, Any, list[tuple[int, Prepared]]]:
        """Timers that have come due, in time order per partition."""
        due: list[tuple[int, Prepared]] = []
        for partition, core in self.cores.items():
            now = core.now(wall)
            if self._next_timer[partition] > now or core.basis is None:
                continue
            if partition in self._out_of_line:
                continue
            found = yield from self._scan(partition, keys.TIMERS, keys.TIMERS_END, TIMERS_PER_BATCH)
            self._next_timer[partition] = NEVER
            for key, _empty in found:
                due_at, record_key = keys.timer_in(key)
                if due_at > now:
                    self._next_timer[partition] = due_at
                    break
                due.append((partition, prepare_timer(record_key, due_at)))
            else:
                if len(found) == TIMERS_PER_BATCH:
                    self._next_timer[partition] = 0
        return due

    def _lift_twins(self, wall: int) -> Program:
        """Quarantined records that a good row has answered owe nothing any more."""
        for partition in sorted(self._answered):
            stop = keys.after(keys.ANSWERED)
            found = yield from self._scan(partition, keys.ANSWERED, stop, SWEEP_STEP)
            if len(found) < SWEEP_STEP:
                self._answered.discard(partition)
            steps = [
                (partition, prepare_twin(key[1:], int.from_bytes(value))) for key, value in found
            ]
            steps.sort(key=lambda step: step[1].cause.offset)
            if steps:
                yield from self._transact(steps, wall)

    def _sweep(self, wall: int) -> Program:
        """Visit the next stretch of the records: their deadlines are counted again."""
        for partition in sorted(self._sweeping):
            (stored,) = yield from self._read(partition, [keys.SWEEP])
            if stored is None:
                self._sweeping.discard(partition)
                continue
            cursor = keys.SweepCursor.unpack(stored)
            last_key = max(cursor.last_key, self._walked.get(partition, cursor.last_key))
            start = keys.record(last_key) + b"\x00"
            found = yield from self._scan(partition, start, keys.after(keys.RECORDS), SWEEP_STEP)
            steps = [
                (partition, prepare_sweep(cursor.basis, cursor.ordinal + n, key[1:]))
                for n, (key, _state) in enumerate(found)
            ]
            if len(found) < SWEEP_STEP:
                last = cursor.ordinal + len(found)
                steps.append((partition, prepare_sweep(cursor.basis, last, None)))
                self._sweeping.discard(partition)
            else:  # a stretch with nothing to say leaves no cursor in the ledger
                self._walked[partition] = found[-1][0][1:]
            yield from self._transact(steps, wall)

    def _walk(self, wall: int) -> Program:
        """Visit the next stretch of the ledger for the first resend that waits."""
        walking = self._walking
        if walking is None:
            yield from self._begin_walk()
            return
        if not walking.records:
            batch = cast("list[InputRecord] | None", (yield from self._ask(requests.NextFold())))
            walking.records = batch or []
        stretch, walking.records = walking.records[:WALK_STEP], walking.records[WALK_STEP:]
        end = int.from_bytes(walking.request)
        seen = [
            (sequence, record.value)
            for record in stretch
            if walking.following <= (sequence := int.from_bytes(record.value[:8])) < end
        ]
        steps = yield from self._places(walking, seen)
        last = int.from_bytes(stretch[-1].value[:8]) if stretch else end
        walking.following = max(walking.following, last + 1)
        before = self.cores[walking.partition].head
        yield from self._transact(steps, wall)
        if self.cores[walking.partition].head is not before:
            walking.marked = walking.following
        if last >= end:
            yield from self._ask(requests.FoldLedger({}))
            self._walking = None
            step = prepare_walked(walking.request, end)
            yield from self._transact([(walking.partition, step)], wall)
        elif walking.following - walking.marked >= WALK_MARK:
            walking.marked = walking.following
            step = prepare_walked(walking.request, walking.following - 1)
            yield from self._transact([(walking.partition, step)], wall)
        yield requests.Report(events.Walked())

    def _begin_walk(self) -> Program:
        """The oldest request of a partition first; an offset is never below its sequence.

        Deadlines are counted again before: a resend gives the same result at any time.
        """
        partition = min(self._to_walk - self._sweeping)
        walks = yield from self._waiting_walks(partition)
        if not walks:
            self._to_walk.discard(partition)
            return
        request, walk = walks[0]
        (stored,) = yield from self._read(partition, [keys.WALKED_TO + request])
        following = 0 if stored is None else int.from_bytes(stored)
        self._walking = _Walking(partition, request, walk, following)
        yield from self._ask(requests.FoldLedger({(self.ledger, partition): following}))

    def _waiting_walks(
        self, partition: int
    ) -> Generator[requests.Request, Any, list[tuple[bytes, Walk]]]:
        """The resends that were asked for, the oldest first, each with its request."""
        found = yield from self._scan(partition, keys.WALKS, keys.WALKED_TO, _WALKS_AT_ONCE)
        walks = [(key[1:], Walk.unpack(stored)) for key, stored in found]
        if any(walk.is_adoption for _request, walk in walks):
            self._out_of_line.add(partition)
        else:
            self._out_of_line.discard(partition)
        return walks

    def _places(
        self, walking: _Walking, seen: list[tuple[int, bytes]]
    ) -> Generator[requests.Request, Any, list[tuple[int, Prepared]]]:
        """Of the ledger records seen, those in which their record is to be looked at."""
        named = [(n, raw, key) for n, raw in seen if (key := record_in(raw)) is not None]
        states = yield from self._read(
            walking.partition, [keys.record(key) for _n, _raw, key in named]
        )
        basis = self.cores[walking.partition].basis
        if basis is None:
            raise AssertionError("a resend before a basis was adopted")
        return [
            (
                walking.partition,
                prepare_visit(walking.request, n, key, found_in(raw, basis.contracts)),
            )
            for (n, raw, key), state in zip(named, states, strict=True)
            if state is not None and is_place(raw, state, walking.walk)
        ]

    def _transact(
        self, causes: Sequence[InputRecord] | Sequence[tuple[int, Prepared]], wall: int
    ) -> Program:
        """Decide a batch and commit it; only then does the state change."""
        now = {partition: core.now(wall) for partition, core in self.cores.items()}
        views = {partition: Overlay() for partition in self.cores}
        before = {p: (core.head, core.basis) for p, core in self.cores.items()}
        counts: Counter[tuple[Outcome, str, str]] = Counter()
        is_open = False
        try:
            for first in range(0, len(causes), DECIDED_AT_ONCE):
                work = [
                    (c.partition, self.cores[c.partition].prepare(c, now[c.partition]))
                    if isinstance(c, InputRecord)
                    else c
                    for c in causes[first : first + DECIDED_AT_ONCE]
                ]
                yield from self._fetch(views, work)
                outputs: list[OutputRecord] = []
                for partition, prepared in work:
                    view = views[partition]
                    record = self._decide(
                        partition, prepared, now[partition], view, outputs, counts
                    )
                    while record is not None and _has_ready(record, now[partition]):
                        # what waited for this is decided before what arrived after it
                        ready = prepare_timer(record.record_key, now[partition])
                        yield from self._fetch(views, [(partition, ready)])
                        record = self._decide(
                            partition, ready, now[partition], view, outputs, counts
                        )
                if outputs:
                    yield from self._produce(outputs, is_first=not is_open)
                    is_open = True
            if not is_open:
                return
            yield from self._commit(views, before)
        except _RestartError:
            for partition, (head, basis) in before.items():
                self.cores[partition].head, self.cores[partition].basis = head, basis
            raise
        decided = {events.DecidedCount(*names): n for names, n in counts.items()}
        yield requests.Report(events.Decided(decided))

    def _decide(
        self, partition: int, prepared: Prepared, now: int, view: Overlay,
        outputs: list[OutputRecord], counts: Counter[tuple[Outcome, str, str]],
    ) -> LedgerRecord | None:  # fmt: skip
        core = self.cores[partition]
        step = core.step(view, prepared, now)
        if step is None:
            return None
        record, raw = step
        if record.marks:
            # before the record: were the transaction torn between the two, the verdict would be
            # sent twice, which is harmless, and not never
            outputs.extend(core.outputs(record))
        outputs.append(OutputRecord(self.ledger, partition, record.cause.key, raw, ()))
        evolve(raw, view.changes)
        self._watch(partition, record)
        counts[record.outcome, record.department, record.kind] += 1
        return record

    def _watch(self, partition: int, record: LedgerRecord) -> None:
        """Keep the in-memory marks by which timers and sweeps are noticed."""
        if record.state is not None and record.state.timer_at < self._next_timer[partition]:
            self._next_timer[partition] = record.state.timer_at
        if record.cause.kind is CauseKind.CONTROL and record.outcome in _OF_A_LOSS:
            self._giving_up.discard(partition)
        if not record.marks:
            return
        if record.outcome is Outcome.BASIS_ADOPTED:
            self._sweeping.add(partition)
            self._walked.pop(partition, None)
        if any(name == "answers" for name, _value in record.facts):
            self._answered.add(partition)
        if record.outcome in _BEGIN_WALKS:
            self._to_walk.add(partition)
            walk = Walk.from_facts(dict(record.facts))
            if walk is not None and walk.is_adoption:
                self._out_of_line.add(partition)

    def _fetch(self, views: dict[int, Overlay], work: list[tuple[int, Prepared]]) -> Program:
        """All that the work touches, in one read; more where what waits is named by the state."""
        wanted: dict[int, list[bytes]] = {partition: [] for partition in self.cores}
        for partition, prepared in work:
            wanted[partition] += prepared.keys
        yield from self._fill(views, wanted)
        asking = [each for each in work if isinstance(each[1], TimerDue | MoveNoted)]
        while asking:
            more: dict[int, list[bytes]] = {}
            for each in asking:
                named = self.cores[each[0]].more_keys(each[1], views[each[0]])
                if named:
                    more.setdefault(each[0], []).extend(named)
            if not more:
                return
            yield from self._fill(views, more)

    def _fill(self, views: dict[int, Overlay], wanted: dict[int, list[bytes]]) -> Program:
        places = []
        for partition, names in wanted.items():
            head = partition.to_bytes(2)
            places += [head + name for name in names]
        values = iter((yield from self._ask(requests.ReadState(places))))
        for partition, names in wanted.items():
            # zip asks `names` first, so it takes no value of the next partition
            views[partition].fetched.update(zip(names, values, strict=False))

    def _produce(self, outputs: list[OutputRecord], *, is_first: bool) -> Program:
        """Hand a stretch to the producer, which sends it while the next one is decided."""
        if is_first:
            yield from self._ask(requests.Begin())
            yield from self._ask(requests.Hook("after_begin"))
        half = len(outputs) // 2
        yield from self._ask(requests.Produce(outputs[:half]))
        yield from self._ask(requests.Hook("mid_produce"))
        yield from self._ask(requests.Produce(outputs[half:]))

    def _commit(
        self, views: Mapping[int, Overlay], before: Mapping[int, tuple[Head, object]]
    ) -> Program:
        """Flush, commit, and only then let the state follow."""
        yield from self._ask(requests.Hook("before_flush"))
        yield from self._ask(requests.Hook("before_commit"))
        written = yield from self._ask(requests.Commit())
        yield from self._ask(requests.Hook("after_commit"))
        changes: dict[bytes, bytes | None] = {}
        for partition, core in self.cores.items():
            if core.head is before[partition][0]:
                continue
            core.head = core.head._replace(next_offset=written[self.ledger, partition])
            head = partition.to_bytes(2)
            for key, value in views[partition].changes.items():
                changes[head + key] = value
            changes[head + keys.HEAD] = core.head.pack()
        yield from self._ask(requests.WriteState(changes))


def _has_ready(record: LedgerRecord, now: int) -> bool:
    """Whether something that waited for this record must be decided at once."""
    state = record.state
    if state is None or not state.flags & RecordFlag.WAITING:
        return False
    return state.timer_at <= now and waiting.is_ready(state)


class Overlay:
    """One partition's view during a batch: what was fetched, under what the batch has changed."""

    __slots__ = ("changes", "fetched")

    def __init__(self) -> None:
        self.fetched: dict[bytes, bytes | None] = {}
        self.changes: dict[bytes, bytes | None] = {}

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, None where there is none (or it was not fetched)."""
        changes = self.changes
        return changes[key] if key in changes else self.fetched.get(key)

    def __contains__(self, key: object) -> bool:
        """Whether the key was fetched, or has been changed since."""
        return key in self.changes or key in self.fetched


def prefixed(partition: int, key: bytes) -> bytes:
    """A state key of one partition: one store holds all partitions of a slot."""
    return partition.to_bytes(2) + key


def _refuse_lost_input(topic: str, partition: int, position: int, start: int, end: int) -> None:
    raise IntegrityError(
        f"输入主题 {topic} 分区 {partition} 应从 {position} 读起，现存范围是 [{start}, {end})\n"
        f"input {topic}[{partition}]: next cause is {position}, retained are [{start}, {end})\n"
        "处理办法：该主题被清理、截断或重建；由备份恢复 Kafka 与状态目录（hub backup restore）\n"
        "Remedy: the topic was trimmed, cut off or rebuilt: restore Kafka and the state folder "
        "from one backup (hub backup restore)"
    )
