"""One schedule: a real courier slot in memory, a model platform, and what befalls both.

Everything is drawn from the schedule's number.
"""

from __future__ import annotations

from collections import defaultdict
from random import Random
from typing import TYPE_CHECKING, Any

from hub.audit.replay import MemoryState
from hub.core.keys import GENESIS
from hub.core.record import HASH_AT, SEQUENCE_AT, record_hash
from hub.engine import requests
from hub.engine.courier_book import Policy
from hub.engine.courier_slot import CourierPlan, CourierSlot
from hub.ports import InputRecord
from tests.driver import rows
from tests.schedules.checker import Named, faults
from tests.schedules.mouths import KINDS, MOUTHS, TIMEOUT_SECONDS
from tests.schedules.platform import FATES, Manners, ScheduledPlatform
from tests.schedules.pool import CLEARANCE, START, Dealt, chains

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from hub.ports import OutputRecord

PREFIX = "t."
TARGET = "province"
REFUSED_AGAIN_SECONDS = 600.0
WILD_SECONDS = 240.0
CALM_SECONDS = 1_800.0
FOLLOWED_SECONDS = 420.0
_LONGEST_STEP = {True: 1.0, False: 20.0}
"""Of time without work, while the platform is wild and after."""


class Schedule:
    """A courier and a platform for some minutes; `run` says what was wrong."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.chance = Random(number)
        self.kind = KINDS[number % len(KINDS)]
        by_call = self.kind != "kafka"
        grace = TIMEOUT_SECONDS + 2.0 if by_call else 1.0
        self.platform = ScheduledPlatform(Random(number + 1), self._manners(), grace)
        self.mouth = MOUTHS[self.kind](self.platform)
        policy = Policy(
            3, 3, TIMEOUT_SECONDS, by_call, 0.2, grace,
            refused_again_ms=int(REFUSED_AGAIN_SECONDS * 1000),
        )  # fmt: skip
        self.plan = CourierPlan(PREFIX, TARGET, 0, self.mouth.protocol, 1, CLEARANCE, policy)
        self.now = 0.0
        self.logs: dict[str, list[InputRecord]] = defaultdict(list)
        self.ledger: list[Named] = []
        self.acts = self._acts()
        self.commit_fate = ""
        self.store: dict[bytes, bytes] = {}
        self.quantum = 0.0
        self._read = 0
        self._reply: object = None
        self.crash()

    def _manners(self) -> Manners:
        chance = self.chance
        share = chance.choice([0.0, 0.1, 0.3, 0.6])
        weights = {fate: chance.random() ** 3 for fate in FATES}
        total = sum(weights.values())
        records = [chain[0].record for chain in chains()]
        is_file = self.kind == "file"
        poisons = [401, 403, 404, 405, 410, 302, 500]
        return Manners(
            fates={fate: share * weight / total for fate, weight in weights.items()},
            is_careless=self.kind in ("http", "kafka") and chance.random() < 0.3,
            poisoned={}
            if is_file or chance.random() < 0.5
            else {record: chance.choice(poisons) for record in chance.sample(records, 2)},
            mute=frozenset(chance.sample(records, 2)) if chance.random() < 0.3 else frozenset(),
            refuses=frozenset(chance.sample(records, 2)) if chance.random() < 0.3 else frozenset(),
            forgetful=self.kind == "http" and chance.random() < 0.2,
        )

    def _acts(self) -> list[tuple[float, str, Dealt | None]]:
        """What happens when, the last first: records named, crashes, commits that fail."""
        chance = self.chance
        acts: list[tuple[float, str, Dealt | None]] = []
        for chain in chance.sample(chains(), chance.randint(1, len(chains()))):
            dealt = [*chain[: chance.randint(1, 3)], *chain[3:][: chance.randint(0, 1)]]
            moment = chance.uniform(0, 60)
            for one in dealt:
                acts.append((moment, "name", one))
                moment += chance.choice([0.01, 0.5, 3.0, 30.0])
        for what in ("crash", "lose disk", "refused", "unknown"):
            times = range(chance.choice([0, 0, 1, 2]))
            acts += [(chance.uniform(0, WILD_SECONDS), what, None) for _time in times]
        acts.append((WILD_SECONDS, "calm", None))
        return sorted(acts, key=lambda act: act[0], reverse=True)

    def run(self) -> list[str]:
        """Let it happen; every way in which the platform's book is wrong at the end."""
        while True:
            request = self._program.send(self._reply)
            if isinstance(request, requests.Consume) and self._is_over():
                break
            self._reply = self._carry_out(request)
        return faults(self.ledger, self.platform, self.now, REFUSED_AGAIN_SECONDS)

    def _is_over(self) -> bool:
        if self.acts:
            return False
        if self.now > WILD_SECONDS + CALM_SECONDS:
            return True
        book = self.slot.book
        is_idle = not book.outstanding and not book.pending_receipts
        shown = self.platform.shown
        quiet_from = (shown[-1].at if shown else 0.0) + (
            FOLLOWED_SECONDS if self.platform.manners.is_careless else 30.0
        )
        return is_idle and self.platform.next_at() > self.now + 1e6 and self.now > quiet_from

    # --- what befalls it -------------------------------------------------------------------------

    def crash(self, *, lose_disk: bool = False) -> None:
        """The process is gone; what it had on its way may still arrive."""
        if lose_disk:
            self.store.clear()
        self.slot = CourierSlot(self.plan, rows.CONTRACTS)
        self._program: Generator[Any, Any, None] = self.slot.run()
        self._reply = None
        self._open: list[OutputRecord] = []
        self._positions: dict[tuple[str, int], int] = {}
        self._fold: Iterator[list[InputRecord]] = iter(())

    def _act(self, what: str, dealt: Dealt | None) -> None:
        match what:
            case "name":
                assert dealt is not None
                topic = f"{PREFIX}ledger"
                self._append(topic, dealt.raw.key, self._chained(dealt.raw.value))
                self.ledger.append(Named(self.now, dealt.record, dealt.version, dealt.digest))
            case "crash" | "lose disk":
                self.platform.excuses.append((self.now, "", what))
                self.crash(lose_disk=what == "lose disk")
            case "refused" | "unknown":
                self.platform.excuses.append((self.now, "", what))
                self.commit_fate = what
            case "calm":
                self.platform.is_wild = False

    def _chained(self, raw: bytes) -> bytes:
        """A ledger record as what comes next here: the deal put the records in another order."""
        before = self.logs[f"{PREFIX}ledger"]
        last = record_hash(before[-1].value) if before else GENESIS.last_hash
        value = bytearray(raw)
        value[SEQUENCE_AT : SEQUENCE_AT + 8] = len(before).to_bytes(8)
        value[HASH_AT : HASH_AT + 32] = last
        return bytes(value)

    def _append(self, topic: str, key: bytes, value: bytes) -> int:
        log = self.logs[topic]
        log.append(InputRecord(topic, 0, len(log), key, (), value))
        return len(log)

    def _pass_time(self, timeout: float) -> None:
        """On to the next thing that happens; in ever longer steps while nothing does."""
        longest = _LONGEST_STEP[self.platform.is_wild]
        self.quantum = min(max(self.quantum * 1.5, timeout), longest)
        happens = [self.platform.next_at(), self.mouth.next_at()]
        happens += [self.acts[-1][0]] if self.acts else []
        self.now = max(self.now + timeout, min(self.now + self.quantum, *happens))
        self.platform.tick(self.now)
        if self.kind in ("database", "file"):
            self.mouth.tick(self.now)
        elif self.kind == "kafka":
            self._exchange()
        while self.acts and self.acts[-1][0] <= self.now:
            _when, what, dealt = self.acts.pop()
            self._act(what, dealt)

    def _exchange(self) -> None:
        """By topic: the platform reads in order, and answers when it likes."""
        log = self.logs[f"{PREFIX}delivery.{TARGET}"]
        for record in log[self._read :]:
            self._read += 1
            self.mouth.read(record.value, self.now)
        for entry in self.platform.news:
            self.mouth.tell(entry, self.now)
        self.platform.news.clear()
        come = [value for at, value in self.mouth.answers if at <= self.now]
        self.mouth.answers = [one for one in self.mouth.answers if one[0] > self.now]
        for value in come:
            self._append(f"{PREFIX}answers.{TARGET}", b"", value)

    # --- what it asks for ------------------------------------------------------------------------

    def _carry_out(self, request: object) -> object:  # noqa: PLR0911 - one for each request
        match request:
            case requests.Seconds():
                return self.now
            case requests.Now():
                return START + int(self.now * 1000)
            case requests.Submit(calls):
                self.quantum = 0.0
                for how, call in calls:
                    self.mouth.call(how, call, self.now)
            case requests.Poll():
                return self.mouth.landed(self.now)
            case requests.CancelAll():
                self.mouth.cancel_all()
            case requests.Begin():
                self._open = []
            case requests.Produce(records):
                self._open.extend(records)
            case requests.Commit():
                return self._commit()
            case requests.Consume(limit, timeout):
                before = self._program
                self._pass_time(timeout)
                return self._consume(limit) if self._program is before else None
            case requests.Wait(seconds):
                self.now += seconds
            case _:
                return self._keep(request)
        return None

    def _commit(self) -> object:
        self.quantum = 0.0
        fate, self.commit_fate = self.commit_fate, ""
        if fate == "refused":
            return requests.Failed("commit refused")
        written = {
            (one.topic, 0): self._append(one.topic, one.key, one.value) for one in self._open
        }
        return requests.Failed("commit outcome unknown") if fate == "unknown" else written

    def _consume(self, limit: int) -> list[InputRecord]:
        found: list[InputRecord] = []
        for place, position in self._positions.items():
            taken = self.logs[place[0]][position : position + limit]
            self._positions[place] = position + len(taken)
            found.extend(taken)
        return found

    def _keep(self, request: object) -> object:
        match request:
            case requests.ReadState(keys):
                return MemoryState(self.store).read(keys)
            case requests.Scan(start, stop, limit):
                return MemoryState(self.store).scan(start, stop, limit)
            case requests.WriteState(changes):
                MemoryState(self.store).write(changes)
            case requests.Bounds(places):
                return {place: (0, len(self.logs[place[0]])) for place in places}
            case requests.FoldLedger(positions):
                batches = [self.logs[topic][at:] for (topic, _partition), at in positions.items()]
                self._fold = iter([batch for batch in batches if batch])
            case requests.NextFold():
                return next(self._fold, None)
            case requests.Assign(positions):
                self._positions = dict(positions)
        return None
