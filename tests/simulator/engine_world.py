"""A model of the broker and of machines that fail, around the real slot; one seed, one history.

The broker knows transactional ids and their epochs, open, committed and aborted transactions, and
what a reader of committed records may see. Requests can be refused, lost, answered into the void
or carried out later than anybody expects; processes die at any request and leave a disk that is
whole, older than they thought, or gone; a process believed dead may go on.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.audit.replay import MemoryState
from hub.engine import requests
from hub.engine.events import Idle, InputsLost, LostInput
from hub.engine.slot import Slot, SlotPlan
from hub.ports import ClockEvidence, InputRecord, OutputRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from random import Random

    from hub.core.partition import BasisLibrary

Place = tuple[str, int]
HOUR = 3_600_000
MOST_REQUESTS = 8_000
IDLE_POLLS = 4


class RefusedError(Exception):
    """The broker or the disk says no, or nothing."""


class Transaction:
    """What a transactional id has written since its last end."""

    def __init__(self) -> None:
        self.state = "open"
        self.begins: dict[Place, int] = {}


class LogEntry(NamedTuple):
    """One offset of a log: a record, or (None) the marker that ends a transaction."""

    record: InputRecord | None
    transaction: Transaction


class Session:
    """A producer: its epoch, and the partitions it believes to be in its transaction."""

    def __init__(self, transactional_id: str, epoch: int) -> None:
        self.transactional_id = transactional_id
        self.epoch = epoch
        self.added: set[Place] = set()
        self.written: dict[Place, int] = {}


class Coordinator:
    """The broker's view of one transactional id."""

    def __init__(self) -> None:
        self.epoch = 0
        self.transaction: Transaction | None = None
        self.last_ended = ""


class ModelBroker:
    """Logs and transaction coordinators.

    `verifies`: produce requests are held against the coordinator (brokers since 3.6);
    `fences`: requests of an older epoch are refused.
    """

    def __init__(self, *, verifies: bool = True, fences: bool = True) -> None:
        self.logs: dict[Place, list[LogEntry]] = defaultdict(list)
        self.delayed: list[tuple[Session, bool]] = []
        self._coordinators: dict[str, Coordinator] = defaultdict(Coordinator)
        self._open: list[Transaction] = []
        self._verifies = verifies
        self._fences = fences

    # --- producers ---

    def initialise(self, transactional_id: str) -> Session:
        """A new epoch; the open transaction of the old one is aborted."""
        coordinator = self._coordinators[transactional_id]
        if coordinator.transaction is not None:
            self._finish(coordinator, "aborted")
        coordinator.epoch += 1
        return Session(transactional_id, coordinator.epoch)

    def begin(self, session: Session) -> None:
        """Known to the client alone."""
        session.added = set()
        session.written = {}

    def produce(self, session: Session, record: OutputRecord) -> None:
        """Append, in the open transaction."""
        coordinator = self._of(session)
        place = (record.topic, record.partition)
        if place not in session.added:
            session.added.add(place)
            if coordinator.transaction is None:
                coordinator.transaction = Transaction()
                self._open.append(coordinator.transaction)
            coordinator.transaction.begins.setdefault(place, len(self.logs[place]))
        transaction = coordinator.transaction
        if transaction is None or place not in transaction.begins:
            if self._verifies:
                raise RefusedError("the partition is in no transaction")
            transaction = Transaction()  # hangs: no coordinator will ever end it
            transaction.begins[place] = len(self.logs[place])
            self._open.append(transaction)
        log = self.logs[place]
        stored = InputRecord(*place, len(log), record.key, record.headers, record.value)
        log.append(LogEntry(stored, transaction))
        session.written[place] = len(log)

    def end(self, session: Session, *, commit: bool) -> None:
        """EndTxn: of whatever transaction is open when it arrives."""
        coordinator = self._of(session)
        wanted = "committed" if commit else "aborted"
        if coordinator.transaction is not None:
            self._finish(coordinator, wanted)
        elif coordinator.last_ended != wanted:
            raise RefusedError("invalid transaction state")

    def arrive_late(self, number: int) -> None:
        """A delayed EndTxn reaches the broker at last; nobody waits for the answer."""
        session, commit = self.delayed.pop(number)
        with suppress(RefusedError):
            self.end(session, commit=commit)

    def _of(self, session: Session) -> Coordinator:
        coordinator = self._coordinators[session.transactional_id]
        if self._fences and session.epoch != coordinator.epoch:
            raise RefusedError("fenced")
        return coordinator

    def _finish(self, coordinator: Coordinator, state: str) -> None:
        transaction = coordinator.transaction
        assert transaction is not None
        transaction.state = coordinator.last_ended = state
        coordinator.transaction = None
        self._open.remove(transaction)
        for place in transaction.begins:
            self.logs[place].append(LogEntry(None, transaction))

    # --- readers of committed records ---

    def stable_end(self, place: Place) -> int:
        """The last stable offset: nothing behind an open transaction is shown."""
        begins = [t.begins[place] for t in self._open if place in t.begins]
        return min(begins, default=len(self.logs[place]))

    def visible(self, place: Place, start: int, limit: int) -> Iterator[InputRecord]:
        """Up to `limit` committed records from `start` on."""
        for entry in self.logs[place][start : self.stable_end(place)]:
            if limit == 0:
                return
            if entry.record is not None and entry.transaction.state == "committed":
                limit -= 1
                yield entry.record

    def bounds(self, partitions: Iterable[Place]) -> dict[Place, tuple[int, int]]:
        """Log start and high watermark; see `hub.audit.history.HistoryInputs`."""
        return {place: (0, len(self.logs[place])) for place in partitions}

    def read_to_end(self, positions: Mapping[Place, int]) -> Iterator[list[InputRecord]]:
        """Everything that is visible; see `hub.audit.history.HistoryInputs`."""
        for place, start in positions.items():
            yield list(self.visible(place, start, -1))


class Disk(MemoryState):
    """A state store whose last writes a power failure may take."""

    def __init__(self) -> None:
        super().__init__()
        self.clock_seen = 0
        self._earlier: list[dict[bytes, bytes]] = []

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Apply all changes."""
        self._earlier = [*self._earlier[-2:], dict(self.values)]
        super().write(changes)

    def lose_power(self, writes: int) -> None:
        """The last writes are gone."""
        if writes and self._earlier:
            self.values = self._earlier[-writes:][0]
            self._earlier = []

    def copy(self) -> Disk:
        """The disk of another machine that has the same state."""
        other = Disk()
        other.values = dict(self.values)
        other.clock_seen = self.clock_seen
        return other


class Faults(NamedTuple):
    """How likely each trouble is, per request; all zero is a run without faults."""

    request: float = 0.0
    crash: float = 0.0
    zombie: float = 0.0
    repeats_ends: bool = True
    """Whether a successful commit may be sent twice, the second one late."""


NO_FAULTS = Faults()


class RegistrarProcess:
    """One registrar process on one machine."""

    def __init__(self, world: World, disk: Disk) -> None:
        self.world = world
        self.disk = disk
        self.lost: tuple[LostInput, ...] = ()
        """What is gone of the inputs before it was decided, as reported last."""
        self.idle = 0
        self.left = -1
        """Requests until it dies by itself; -1 for one that lives."""
        slot = world.make_slot(world.plan)
        slot.library = world.library
        self._program = slot.run()
        self._reply: object = None
        self._session: Session | None = None
        self._positions: dict[Place, int] = {}
        self._fold: dict[Place, tuple[int, int]] = {}

    def step(self) -> None:
        """Carry out one request, or fail to."""
        request = self._program.send(self._reply)
        try:
            self.world.fail_perhaps(request)
            self._reply = self._carry_out(request)
        except RefusedError as refused:
            self._reply = requests.Failed(str(refused))

    def die(self) -> None:
        """Nothing of it runs any more; its open transaction stays open."""
        self._program.close()

    def _carry_out(self, request: requests.Request) -> object:  # noqa: C901, PLR0911, PLR0912 - one arm per request
        broker = self.world.broker
        match request:
            case requests.ReadState(keys):
                return self.disk.read(keys)
            case requests.Scan(start, stop, limit):
                return self.disk.scan(start, stop, limit)
            case requests.WriteState(changes):
                self.disk.write(changes)
            case requests.Bounds(places):
                return broker.bounds(places)
            case requests.FoldLedger(positions):
                ends = broker.bounds(positions)
                self._fold = {p: (at, ends[p][1]) for p, at in positions.items()}
            case requests.NextFold():
                return self._next_fold()
            case requests.Assign(positions):
                self._positions = dict(positions)
            case requests.Consume():
                return self._consume()
            case requests.Now():
                return self.world.now
            case requests.Initialise():
                self._initialise()
            case requests.Begin():
                broker.begin(self._live())
            case requests.Produce(records):
                self._produce(records)
            case requests.Commit():
                return self._commit()
            case requests.Retire() if not self.world.keeps_producer:
                self._session = None
            case requests.Report(InputsLost(places)):
                self.lost = places
            case requests.Report(event):
                self.idle = self.idle + 1 if isinstance(event, Idle) else 0
            case requests.HasJumped():
                self.disk.clock_seen = max(self.disk.clock_seen, self.world.now)
                return False
            case requests.Evidence():
                return ClockEvidence(self.world.now, self.disk.clock_seen, is_business=True)
        return None

    def _live(self) -> Session:
        assert self._session is not None
        return self._session

    def _initialise(self) -> None:
        broker = self.world.broker
        if self._session is not None and self.world.keeps_producer:
            with suppress(RefusedError):
                broker.end(self._session, commit=False)
        else:
            self._session = broker.initialise("registrar.0")

    def _produce(self, records: list[OutputRecord]) -> None:
        kept = self.world.part_of(len(records))
        for record in records[:kept]:
            self.world.broker.produce(self._live(), record)
        if kept < len(records):
            raise RefusedError("a report is missing")

    def _commit(self) -> dict[Place, int]:
        """A commit may be lost on the way there, on the way back, or come twice, late."""
        broker, session = self.world.broker, self._live()
        fate = self.world.fate_of_commit()
        if fate in ("lost", "late"):
            if fate == "late":
                broker.delayed.append((session, True))
            raise RefusedError("no answer to the commit")
        broker.end(session, commit=True)
        if fate == "twice":
            broker.delayed.append((session, True))
        if fate == "unanswered":
            raise RefusedError("no answer to the commit")
        return session.written

    def _next_fold(self) -> list[InputRecord] | None:
        for place, (at, end) in self._fold.items():
            if at >= end:
                continue
            if self.world.broker.stable_end(place) < end:
                raise RefusedError("the stable offset does not reach the end")
            found = list(self.world.broker.visible(place, at, self.world.some(9)))
            self._fold[place] = (found[-1].offset + 1 if found else end, end)
            if found:
                return found
        return None

    def _consume(self) -> list[InputRecord]:
        found: list[InputRecord] = []
        for place in self.world.shuffled(self._positions):
            taken = list(
                self.world.broker.visible(place, self._positions[place], self.world.some(5))
            )
            if taken:
                self._positions[place] = taken[-1].offset + 1
            found.extend(taken)
        return found


class Setting(NamedTuple):
    """What a run is about: the same for every seed."""

    arrivals: list[OutputRecord]
    """Submissions and control messages, in the order the connectors commit them."""
    plan: SlotPlan
    library: BasisLibrary
    begins_at: int
    """Business milliseconds."""


class World:
    """Broker, inputs yet to come, the registrar's processes, and chance."""

    def __init__(
        self,
        setting: Setting,
        random: Random,
        faults: Faults = NO_FAULTS,
        *,
        broker: ModelBroker | None = None,
        slot: type[Slot] = Slot,
        keeps_producer: bool = False,
    ) -> None:
        self.random = random
        self.arrivals = setting.arrivals[::-1]
        self.plan = setting.plan
        self.library = setting.library
        self.now = setting.begins_at
        self.faults = faults
        self.broker = broker or ModelBroker()
        self.make_slot = slot
        self.keeps_producer = keeps_producer
        self.happened: dict[str, int] = defaultdict(int)
        self.main = RegistrarProcess(self, Disk())
        self.zombies: list[RegistrarProcess] = []

    def run(self) -> None:
        """First everything that can go wrong does, then nothing: all must be decided."""
        while self.arrivals:
            self._happen()
        self.faults = NO_FAULTS
        for zombie in self.zombies:
            zombie.die()
        self.zombies = []
        while self.broker.delayed:
            self.broker.arrive_late(0)
        self.main.idle = 0
        for _ in range(MOST_REQUESTS):
            self.main.step()
            if self.main.idle >= IDLE_POLLS:
                return
        raise AssertionError("no progress")

    def restart(self) -> None:
        """A new process on the same disk; only for the end of a run."""
        self.main.die()
        self.main = RegistrarProcess(self, self.main.disk)

    def _happen(self) -> None:
        chance = self.random.random()
        if chance < 0.02:
            self._arrive()
        elif chance < 0.03:
            self.now += self.random.randrange(6) * HOUR
        elif chance < 0.05 and self.broker.delayed:
            self.broker.arrive_late(self.random.randrange(len(self.broker.delayed)))
            self.happened["late end"] += 1
        elif self.zombies and chance < 0.35:
            self._step_zombie()
        elif self.random.random() < self.faults.crash:
            self._crash()
        elif self.random.random() < self.faults.zombie:
            self._replace_by_another_machine()
        else:
            self.main.step()

    def _arrive(self) -> None:
        """A connector commits a few submissions, perhaps after a try that was aborted."""
        few = [self.arrivals.pop() for _ in range(min(self.some(6), len(self.arrivals)))]
        session = self.broker.initialise("connector")
        if self.faults.request and self.random.random() < 0.3:
            for record in few:
                self.broker.produce(session, record)
            self.broker.end(session, commit=False)
            self.broker.begin(session)
        for record in few:
            self.broker.produce(session, record)
        self.broker.end(session, commit=True)

    def _step_zombie(self) -> None:
        zombie = self.random.choice(self.zombies)
        zombie.step()
        zombie.left -= 1
        if zombie.left <= 0:
            zombie.die()
            self.zombies.remove(zombie)

    def _crash(self) -> None:
        self.happened["crash"] += 1
        self.main.die()
        disk = self.main.disk
        fate = self.random.random()
        if fate < 0.2:
            disk = Disk()
        elif fate < 0.5:
            disk.lose_power(self.random.randrange(3))
        self.main = RegistrarProcess(self, disk)

    def _replace_by_another_machine(self) -> None:
        self.happened["zombie"] += 1
        old = self.main
        old.left = self.some(80)
        self.zombies.append(old)
        self.main = RegistrarProcess(
            self, old.disk.copy() if self.random.random() < 0.7 else Disk()
        )

    # --- what the processes ask of chance ---

    def fail_perhaps(self, request: requests.Request) -> None:
        """Any request that leaves the process may fail."""
        inner = (
            requests.Now,
            requests.Hook,
            requests.Report,
            requests.Retire,
            requests.Wait,
            requests.Produce,
            requests.Commit,
        )
        if not isinstance(request, inner) and self.random.random() < self.faults.request:
            self.happened["failed " + type(request).__name__] += 1
            raise RefusedError("no answer")

    def fate_of_commit(self) -> str:
        """What becomes of a commit."""
        if self.random.random() >= self.faults.request * 8:
            return "done"
        fates = ["lost", "unanswered", "late"] + ["twice"] * self.faults.repeats_ends
        fate = self.random.choice(fates)
        self.happened["commit " + fate] += 1
        return fate

    def part_of(self, count: int) -> int:
        """How many of some records reach the broker."""
        if self.random.random() < self.faults.request * 2:
            self.happened["produce cut"] += 1
            return self.random.randrange(count + 1)
        return count

    def some(self, most: int) -> int:
        """A number from 1 to `most`."""
        return self.random.randint(1, most)

    def shuffled(self, places: Mapping[Place, Any]) -> list[Place]:
        """The places in some order."""
        order = list(places)
        self.random.shuffle(order)
        return order
