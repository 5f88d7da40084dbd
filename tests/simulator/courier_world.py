"""A hub in memory: real registrar slot, real couriers, and platforms that keep their own books.

Everything between them may be lost, late or cut: the broker's answer to a commit, a request, an
effect, an answer, a process, a disk. Nothing here draws: fates are handed in.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from hub.audit.replay import MemoryState
from hub.engine import requests
from hub.engine.courier_book import Policy
from hub.engine.courier_records import decode_event
from hub.engine.courier_slot import CourierPlan, CourierSlot
from hub.engine.events import Trouble, Troubled
from hub.ports import InputRecord, OutputRecord
from hub.targets.database.protocol import (
    DatabaseProtocol,
    Found,
    ReceiptRow,
    RowStanding,
    TransactionFailed,
)
from hub.targets.delivery import Delivery, Expected, render_body
from hub.targets.http.protocol import HttpProtocol, HttpRequest, HttpResponse, NoAnswer
from hub.targets.platform import CallResult
from standins.conduct import spoiled
from standins.platform_book import Book, Entry, Request, canonical, parse
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver, MemoryLog
from tests.driver.rows import at

TIMEOUT_SECONDS = 2.0
FATES = (
    "ok", "ok", "ok", "acknowledged", "applied_lost", "lost", "late_effect", "no_connection", "429",
    "500", "503", "wrong_delivery", "wrong_digest", "wrong_receipt", "not_json",
)  # fmt: skip
"""What may become of a request or of a message to the city (which knows some of them)."""
_RETRY_AFTER = "0.5"
_PUBLISH_AFTER_MS = 60_000


class CourierWorld:
    """Registrar, two couriers, two platforms, one log and two clocks."""

    def __init__(self, *, front_end: bool = False) -> None:
        """`front_end`: the province is reached through a front-end database instead of HTTP."""
        self.hub = HubTestDriver(rows.basis(), now=at("2026-11-02 09:00"))
        self.log: MemoryLog = self.hub.log
        self.fates: deque[str] = deque()
        self.seconds = 0.0
        self.problems: list[str] = []
        self.begins: Counter[tuple[str, int]] = Counter()
        """Where logs begin whose older records are gone."""
        self.province = (
            SimDatabase(self, "province") if front_end else SimPlatform(self, "province")
        )
        self.city = SimPlatform(self, "city")
        self.couriers = {
            "province": SimCourier(self, "province", 0, "http", self.province),
            "city": SimCourier(self, "city", 1, "kafka", self.city),
        }

    def fate(self) -> str:
        """Return what becomes of the next request; with nothing said, all is well."""
        return self.fates.popleft() if self.fates else "ok"

    def pass_time(self, seconds: float) -> None:
        """Engine time and business time go on; late effects happen."""
        self.seconds += seconds
        self.hub.now += int(seconds * 1000)
        for platform in (self.province, self.city):
            platform.tick()

    def settle(self) -> None:
        """All faults are over: work until nobody has anything left to do."""
        self.fates.clear()
        for courier in self.couriers.values():
            courier.commit_fate = ""
        for _round in range(60):
            self.hub.run()
            for courier in self.couriers.values():
                courier.turns(6)
            self.pass_time(10)
            idle = all(
                not one.slot.book.outstanding and not one.slot.book.pending_receipts
                for one in self.couriers.values()
            )
            if idle:
                self.hub.run()
                return
        raise AssertionError([vars(one.slot.book) for one in self.couriers.values()])


class SimPlatform:
    """A platform with the stand-ins' own book, reached by call or by topic."""

    protocol: HttpProtocol | DatabaseProtocol = HttpProtocol("t")

    def __init__(self, world: CourierWorld, name: str) -> None:
        self.world = world
        self.book = Book(Path(":memory:"), name)
        self.landed: list[CallResult] = []
        self.posts: Counter[str] = Counter()
        self.reasons: list[str] = []
        """What was said with each request, in order."""
        self.refuse = ""
        self.is_mute = False
        """It cannot be asked what became of a delivery."""
        self.answers_to: dict[str, int] = {}
        """Record → status that every request about it gets."""
        self.calls: list[tuple[float, str]] = []
        self._late: list[tuple[float, Request]] = []
        self._read: Counter[int] = Counter()

    def live(self) -> dict[str, tuple[int, str, str]]:
        """Return record → version, stage, digest."""
        rows_ = self.book._db.execute(
            "SELECT live.record, live.version, stage, digest FROM live"
            " JOIN deliveries USING (delivery)"
        )
        return {record: (version, stage, digest) for record, version, stage, digest in rows_}

    def refusals(self) -> list[str]:
        """Return the codes of everything this platform refused."""
        found = self.book._db.execute("SELECT code FROM deliveries WHERE stage = 'refused'")
        return [code for (code,) in found]

    def tick(self) -> None:
        """Let late effects happen and acknowledged records be published."""
        for due, request in self._late:
            if due <= self.world.seconds:
                self._apply(request)
        self._late = [one for one in self._late if one[0] > self.world.seconds]
        prefix = self.world.hub.prefix
        for entry, _record in self.book.publish_due(self.world.hub.now):
            for partition in range(self.world.hub.partitions):
                # By topic nobody asks, so the news is told; on whichever partition, it is found.
                self._tell(f"{prefix}answers.city", partition, canonical(entry.body()))

    def _tell(self, topic: str, partition: int, value: bytes) -> None:
        self.world.log.append(OutputRecord(topic, partition, b"", value, ()))

    def _apply(self, request: Request, delay: int = 0) -> Entry | None:
        refusal = (self.refuse, "") if self.refuse else None
        return self.book.apply(request, self.world.hub.now, refusal, delay)

    def take(self, how: str, call: HttpRequest | Delivery | Expected) -> None:
        """One HTTP request: its effect and its answer, or not, as fate has it."""
        assert isinstance(call, HttpRequest)
        self.calls.append((self.world.seconds, how))
        fate = self.world.fate()
        reply: HttpResponse | NoAnswer
        if how == "send":
            reply = self._post(call, fate)
        elif self.is_mute:
            reply = HttpResponse(500, "", b"")
        elif fate in ("429", "503", "500"):
            reply = HttpResponse(int(fate), _RETRY_AFTER, b"{}")
        elif fate in ("lost", "applied_lost", "late_effect"):
            reply = NoAnswer(may_have_arrived=True, why=fate)
        else:
            entry = self.book.find(call.delivery)
            body = b'{"code":"NOT_FOUND"}' if entry is None else _answer(entry, fate).body
            reply = HttpResponse(404 if entry is None else 200, "", body)
        self.landed.append(CallResult(call.delivery, how, reply))  # type: ignore[arg-type] # one of How

    def _post(self, call: HttpRequest, fate: str) -> HttpResponse | NoAnswer:  # noqa: PLR0911 - a fate each
        request = parse(call.body)
        assert isinstance(request, Request), request
        self.posts[request.delivery] += 1
        self.reasons.append(json.loads(call.body)["reason"])
        self.world.couriers["province"].check_intent(request.delivery, self.posts)
        if request.record in self.answers_to:
            return HttpResponse(self.answers_to[request.record], "", b"<html>")
        if fate in ("429", "503", "500"):
            return HttpResponse(int(fate), _RETRY_AFTER, b"{}")
        if fate == "no_connection":
            return NoAnswer(may_have_arrived=False, why=fate)
        if fate == "late_effect":
            self._late.append((self.world.seconds + TIMEOUT_SECONDS, request))
        if fate in ("lost", "late_effect"):
            return NoAnswer(may_have_arrived=True, why=fate)
        entry = self._apply(request, _PUBLISH_AFTER_MS if fate == "acknowledged" else 0)
        if entry is None:
            return HttpResponse(422, "", b'{"code":"KEY_REUSED"}')
        if fate == "applied_lost":
            return NoAnswer(may_have_arrived=True, why=fate)
        return _answer(entry, fate)

    def read_topic(self) -> None:
        """Take in what is new on the delivery topic and answer, or not, as fate has it."""
        prefix = self.world.hub.prefix
        for partition in range(self.world.hub.partitions):
            log = self.world.log.logs[f"{prefix}delivery.city", partition]
            for record in log[self._read[partition] :]:
                self._read[partition] += 1
                request = parse(record.value)
                assert isinstance(request, Request), request
                fate = self.world.fate()
                if fate in ("lost", "no_connection", "429", "500", "503"):
                    continue
                delay = _PUBLISH_AFTER_MS if fate == "acknowledged" else 0
                entry = self._apply(request, delay)
                if fate in ("applied_lost", "late_effect") or entry is None:
                    continue
                body = canonical(spoiled(entry.body(), fate))
                value = b"<html>" if fate == "not_json" else body
                self._tell(f"{prefix}answers.city", partition, value)


def _answer(entry: Entry, fate: str) -> HttpResponse:
    if fate == "not_json":
        return HttpResponse(200, "", b"<html>")
    status = {"refused": 422, "acknowledged": 202}.get(entry.stage, 200)
    return HttpResponse(status, "", canonical(spoiled(entry.body(), fate)))


class SimDatabase(SimPlatform):
    """A front-end database in memory: a table, receipts, and the platform's job on every tick."""

    protocol = DatabaseProtocol({})

    def __init__(self, world: CourierWorld, name: str) -> None:
        super().__init__(world, name)
        self._table: dict[str, Delivery] = {}
        self._receipts: dict[str, list[ReceiptRow]] = {}
        self._travelling: list[tuple[float, Delivery]] = []
        self._number = 0
        self.is_asleep = False
        """The platform's job does not run."""

    def take(self, how: str, call: HttpRequest | Delivery | Expected) -> None:
        """One row or one question: its effect and its reply, or not, as fate has it."""
        self.calls.append((self.world.seconds, how))
        fate = self.world.fate()
        reply: Found | TransactionFailed
        if isinstance(call, Delivery):
            reply = self._put(call, fate)
        elif fate in ("429", "503", "no_connection", "lost"):
            reply = TransactionFailed("before", "")
        else:
            assert isinstance(call, Expected)
            reply = self._find(call)
        self.landed.append(CallResult(call.delivery, how, reply))  # type: ignore[arg-type] # one of How

    def _put(self, row: Delivery, fate: str) -> Found | TransactionFailed:
        self.posts[row.delivery] += 1
        self.reasons.append(row.reason)
        self.world.couriers["province"].check_intent(row.delivery, self.posts)
        if fate in ("500", "429"):
            return TransactionFailed("before", "40001")
        if fate in ("503", "no_connection"):
            return TransactionFailed("before", "57P01")
        if fate == "late_effect":
            self._travelling.append((self.world.seconds + TIMEOUT_SECONDS, row))
        if fate in ("lost", "late_effect"):
            return TransactionFailed("commit", "")
        self._write(row)
        return (
            TransactionFailed("commit", "57P01")
            if fate == "applied_lost"
            else Found(self._row(row.record))
        )

    def _write(self, row: Delivery) -> None:
        there = self._table.get(row.record)
        if there is None or (there.version, there.sequence) < (row.version, row.sequence):
            self._table[row.record] = row

    def _row(self, record: str) -> RowStanding | None:
        there = self._table.get(record)
        if there is None:
            return None
        return RowStanding(there.delivery, there.version, there.sequence, there.digest)

    def _find(self, asked: Expected) -> Found:
        row = self._row(asked.record)
        is_answered = row is not None and row.delivery in self._receipts
        return Found(row, tuple(self._receipts.get(asked.delivery, ())), is_answered)

    def tick(self) -> None:
        """Late rows arrive; the job takes what it has not seen, and says so, asked or not."""
        for due, row in self._travelling:
            if due <= self.world.seconds:
                self._write(row)
        self._travelling = [one for one in self._travelling if one[0] > self.world.seconds]
        for row in list(self._table.values()) if not self.is_asleep else ():
            if row.delivery not in self._receipts and self.world.fate() != "lost":
                request = parse(render_body(row))
                assert isinstance(request, Request), request
                entry = self._apply(request)
                assert entry is not None
                self._number += 1
                told = ReceiptRow(self._number, entry.stage, entry.digest, "", "", entry.at)
                self._receipts[row.delivery] = [told]
                unasked = Found(None, (told, told))
                self.landed.append(CallResult(row.delivery, "answer", unasked))


class SimCourier:
    """Drives one real `CourierSlot` over the log, an own store and a platform."""

    def __init__(
        self, world: CourierWorld, target: str, number: int, kind: str, platform: SimPlatform
    ) -> None:
        self.world, self.platform, self.target = world, platform, target
        grace = TIMEOUT_SECONDS + 1 if kind == "http" else 0.1
        policy = Policy(3, 3, TIMEOUT_SECONDS, can_ask=kind == "http", grace_seconds=grace)
        self.plan = CourierPlan(
            world.hub.prefix, target, number, platform.protocol if kind == "http" else None,
            world.hub.partitions,
            frozenset({"public", "government"} if number == 0 else {"public"}), policy,
        )  # fmt: skip
        self.store: dict[bytes, bytes] = {}
        self.troubles: list[Trouble] = []
        """What the log would say of deliveries in trouble, in order."""
        self.commit_fate = ""
        self.crash()

    def crash(self, *, lose_disk: bool = False) -> None:
        """The process is gone; what it had on its way may still arrive."""
        if lose_disk:
            self.store.clear()
        self.slot = CourierSlot(self.plan, rows.CONTRACTS)
        self._program: Generator[Any, Any, None] = self.slot.run()
        self._reply: object = None
        self._open: list[OutputRecord] = []
        self._positions: dict[tuple[str, int], int] = {}
        self._fold: Iterator[list[InputRecord]] = iter(())

    def turns(self, count: int) -> None:
        """Let it work for so many turns of its loop."""
        while count:
            request = self._program.send(self._reply)
            if isinstance(request, requests.Consume):
                count -= 1
                if self.plan.protocol is None:
                    self.platform.read_topic()
            self._reply = self._carry_out(request)

    def crash_at(self, kind: type[requests.Request], nth: int) -> None:
        """Die just before the nth request of this kind, or after a while without it."""
        for _step in range(400):
            request = self._program.send(self._reply)
            nth -= isinstance(request, kind)
            if nth == 0:
                break
            self._reply = self._carry_out(request)
        self.crash()

    def check_intent(self, delivery: str, posts: Counter[str]) -> None:
        """No request may leave before its own intent is committed."""
        intents = sum(event.delivery == delivery and not event.result for event in self.events())
        if intents < posts[delivery]:
            self.world.problems.append(
                f"{delivery} was sent {posts[delivery]} times, {intents} intents"
            )

    def _check_lane(self, how: str, call: HttpRequest | Delivery | Expected) -> None:
        """One delivery of a record at a time, and no more open intents than were agreed."""
        book = self.slot.book
        if how == "send" and book.in_the_air > self.plan.policy.concurrency:
            self.world.problems.append("more requests in the air than agreed")
        active = book.standing()
        if active["in_flight"] + active["unknown"] > self.plan.policy.concurrency:
            self.world.problems.append("more open intents than agreed")
        flying = [
            one.how
            for one in self.platform.landed
            if one.delivery == call.delivery and one.how != "answer"
        ]
        if flying:
            self.world.problems.append(f"{call.delivery}: {how} while {flying} on its way")

    def events(self) -> list[Any]:
        """Everything on `attempts.<target>`."""
        topic = f"{self.world.hub.prefix}attempts.{self.target}"
        return [
            decode_event(record.value, record.key)
            for partition in range(self.world.hub.partitions)
            for record in self.world.log.logs[topic, partition]
        ]

    def _carry_out(self, request: object) -> object:
        match request:
            case requests.Seconds():
                return self.world.seconds
            case requests.Submit(calls):
                for how, call in calls:
                    assert isinstance(call, HttpRequest | Delivery | Expected)
                    self._check_lane(how, call)
                    self.platform.take(how, call)
            case requests.Poll():
                landed, self.platform.landed = self.platform.landed, []
                return landed
            case requests.CancelAll():
                self.platform.landed = []
            case requests.Commit():
                return self._commit()
            case requests.Begin():
                self._open = []
            case requests.Produce(records):
                self._open.extend(records)
            case requests.Consume(limit, timeout):
                self.world.pass_time(timeout)
                return self._consume(limit)
            case _:
                return self._state_or_log(request)
        return None

    def _commit(self) -> object:
        fate, self.commit_fate = self.commit_fate, ""
        if fate == "refused":
            return requests.Failed("commit refused")
        written = {(r.topic, r.partition): self.world.log.append(r) for r in self._open}
        return requests.Failed("commit outcome unknown") if fate == "unknown" else written

    def _consume(self, limit: int) -> list[InputRecord]:
        found: list[InputRecord] = []
        for place, position in self._positions.items():
            taken = self.world.log.logs[place][position : position + limit - len(found)]
            self._positions[place] = position + len(taken)
            found.extend(taken)
        return found

    def _state_or_log(self, request: object) -> object:
        match request:
            case requests.ReadState(keys):
                return MemoryState(self.store).read(keys)
            case requests.Scan(start, stop, limit):
                return MemoryState(self.store).scan(start, stop, limit)
            case requests.WriteState(changes):
                MemoryState(self.store).write(changes)
            case requests.Bounds(places):
                begins, logs = self.world.begins, self.world.log.logs
                return {place: (begins[place], len(logs[place])) for place in places}
            case requests.FoldLedger(positions):
                gone = [place for place, at in positions.items() if at < self.world.begins[place]]
                assert not gone, "a broker has nothing before the beginning of a log"
                batches = [self.world.log.logs[place][at:] for place, at in positions.items()]
                self._fold = iter([batch for batch in batches if batch])
            case requests.NextFold():
                return next(self._fold, None)
            case requests.Assign(positions):
                self._positions = dict(positions)
            case requests.Now():
                return self.world.hub.now
            case requests.Report(Troubled(told)):
                self.troubles.extend(told)
        return None
