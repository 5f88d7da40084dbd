"""The slot's rules one by one, on the model broker without faults; each names its line."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING

import pytest

from hub.core.ledger_end import LedgerEndError
from hub.core.partition import BasisLibrary
from hub.core.record import LedgerRecord, Outcome, decode_record
from hub.engine import requests, slot
from hub.engine.events import LostInput
from hub.engine.slot import Slot
from hub.errors import IntegrityError
from hub.ports import InputRecord
from tests.driver import rows
from tests.driver.rows import COMPANY, DEPARTMENT, LICENCE, framed, licence_row
from tests.simulator.engine_world import (
    HOUR,
    Disk,
    LogEntry,
    ModelBroker,
    Place,
    RegistrarProcess,
    Setting,
    World,
)
from tests.simulator.test_engine import PARTITIONS, PREFIX, TOPICS, NumberedInputs, setting

if TYPE_CHECKING:
    from collections.abc import Iterable

LEDGER = (f"{PREFIX}ledger", 0)
SUBMISSIONS = (TOPICS[1], 0)


class LosingBroker(ModelBroker):
    """A broker that has lost the beginning or the end of some logs."""

    def __init__(self) -> None:
        super().__init__()
        self.left: dict[Place, tuple[int, int]] = {}

    def bounds(self, partitions: Iterable[Place]) -> dict[Place, tuple[int, int]]:
        """What it still has."""
        bounds = super().bounds(partitions)
        return bounds | {place: left for place, left in self.left.items() if place in bounds}


def finished() -> tuple[World, LosingBroker]:
    """A world in which everything has been decided."""
    broker = LosingBroker()
    world = World(setting(), Random(0), broker=broker)
    world.run()
    return world, broker


def start(world: World, disk: Disk) -> RegistrarProcess:
    """A process that starts on this disk and works until it has nothing to do."""
    process = RegistrarProcess(world, disk)
    work(process)
    return process


def told_lost(process: RegistrarProcess) -> tuple[LostInput, ...]:
    """The inputs that it reports as lost once it works."""
    work(process)
    return process.lost


def work(process: RegistrarProcess) -> None:
    """Until it has found nothing to do a few times."""
    process.idle = 0
    for _request in range(20_000):
        process.step()
        if process.idle > 3:
            return
    raise AssertionError("no end")


def ledger(world: World, partition: int) -> list[LedgerRecord]:
    """What a reader of committed records finds."""
    place = (LEDGER[0], partition)
    return [decode_record(one.value) for one in world.broker.visible(place, 0, -1)]


# --- what must not be started on ---


@pytest.mark.parametrize("is_empty", [False, True], ids=["state kept", "state lost"])
def test_a_ledger_whose_beginning_is_gone_is_not_folded(*, is_empty: bool) -> None:
    """Nobody could build the state again from it, nor verify the chain: a person must look."""
    world, broker = finished()
    broker.left[LEDGER] = (1, len(broker.logs[LEDGER]))
    with pytest.raises(IntegrityError, match=r"ledger\[0\] has lost its beginning"):
        start(world, Disk() if is_empty else world.main.disk)


def test_a_ledger_that_is_shorter_than_the_state_is_not_written_on() -> None:
    """The broker was rebuilt: the state speaks of records that are nowhere."""
    world, broker = finished()
    broker.left[LEDGER] = (0, len(broker.logs[LEDGER]) - 5)
    with pytest.raises(LedgerEndError, match=r"LEDGER_END_LOST"):
        start(world, world.main.disk)


def test_a_ledger_that_somebody_changed_is_not_folded() -> None:
    """A sequence that goes on proves nothing; each record holds the hash of the one before."""
    world, broker = finished()
    at, (record, transaction) = next(
        (n, entry) for n, entry in enumerate(broker.logs[LEDGER]) if n > 3 and entry.record
    )
    assert isinstance(record, InputRecord)
    value = bytearray(record.value)
    value[47] ^= 1  # a millisecond of its time
    broker.logs[LEDGER][at] = LogEntry(record._replace(value=bytes(value)), transaction)
    with pytest.raises(IntegrityError, match="LEDGER_END_LOST"):
        start(world, Disk())


def test_an_input_that_begins_above_zero_and_was_never_read_is_noticed() -> None:
    """What was trimmed before anybody read it is lost, and its department was promised answers."""
    broker = LosingBroker()
    broker.left[SUBMISSIONS] = (3, 3)
    world = World(setting(), Random(0), broker=broker)
    assert told_lost(RegistrarProcess(world, Disk())) == (LostInput(TOPICS[1], 0, 0, 3),)


def test_an_input_that_lost_what_follows_is_noticed() -> None:
    """Between the last cause and what is retained there were submissions."""
    world, broker = finished()
    last = max(r.cause.offset for r in ledger(world, 0) if r.cause.topic == TOPICS[1])
    broker.left[SUBMISSIONS] = (last + 2, last + 3)
    found = told_lost(RegistrarProcess(world, world.main.disk))
    assert found == (LostInput(TOPICS[1], 0, last + 1, last + 2),)


def test_an_input_that_ends_before_the_last_cause_is_not_read() -> None:
    """The broker was rebuilt: what comes to these places is something else."""
    world, broker = finished()
    last = max(r.cause.offset for r in ledger(world, 0) if r.cause.topic == TOPICS[1])
    broker.left[SUBMISSIONS] = (0, last)
    with pytest.raises(IntegrityError, match=rf"input {TOPICS[1]}\[0\]: next cause is"):
        start(world, world.main.disk)


def test_a_registrar_that_cannot_start_for_days_tries_every_five_seconds() -> None:
    """A broker that is away overnight is thousands of failures, and no reason to end."""
    program = Slot(setting().plan).run()
    waits: list[float] = []
    request = next(program)
    for _step in range(8_000):
        if isinstance(request, requests.Wait):
            waits.append(request.seconds)
        failed = isinstance(request, requests.Initialise)
        request = program.send(requests.Failed("broker away") if failed else None)
    assert len(waits) > 1_500
    assert waits[0] < 1
    assert set(waits[20:]) == {5.0}


# --- time ---


def noted_in(world: World, days: int, step: int) -> Counter[tuple[bytes, Outcome]]:
    """Let days pass in steps of so many, nothing coming in: what was noted of which record."""
    before = {partition: len(ledger(world, partition)) for partition in PARTITIONS}
    for _day in range(0, days, step):
        world.now += step * 24 * HOUR
        work(world.main)
    return Counter(
        (one.record_key, one.outcome)
        for partition, count in before.items()
        for one in ledger(world, partition)[count:]
    )


def test_deadlines_are_noted_though_nothing_comes_in_and_no_restart() -> None:
    """Day by day: each mark when its day has come, the overdue ones last."""
    world, _broker = finished()
    begun = world.now
    noted = noted_in(world, 21, 1)
    assert {outcome for _record, outcome in noted} == {Outcome.DUE_SOON, Outcome.OVERDUE}
    overdue = [
        one.decided_at
        for partition in PARTITIONS
        for one in ledger(world, partition)
        if one.outcome is Outcome.OVERDUE
    ]
    assert max(overdue) - begun < 14 * 24 * HOUR


def test_of_many_deadlines_at_once_none_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than are taken at a time: the next turn goes on where this one ended."""
    world, _broker = finished()
    expected = noted_in(world, 21, 21)
    again, _broker = finished()
    monkeypatch.setattr(slot, "TIMERS_PER_BATCH", 2)
    assert noted_in(again, 21, 21) == expected
    assert expected.total() > 4 * len(PARTITIONS)


def test_a_deadline_is_noted_at_its_moment() -> None:
    """The day ends at 24:00: at that millisecond what is not done is late."""
    world, _broker = finished()
    due_at = min(int.from_bytes(key[3:11]) for key in world.main.disk.values if key[2:3] == b"t")
    counts = []
    for now in (due_at - 2, due_at - 1, due_at):
        world.now = now
        work(world.main)
        counts.append(sum(len(ledger(world, partition)) for partition in PARTITIONS))
    assert counts[0] == counts[1] < counts[2]


# --- a notice that moves deadlines ---

LICENCES = 10
NOTICE = {
    "year": 2027, "papers": [],
    "days": [{"name": "元旦", "date": f"2027-01-0{n}", "isOffDay": True} for n in (4, 5)],
}  # fmt: skip


def world_of_guessed_deadlines() -> World:
    """Licences of one company decided at the end of a year whose successor has no notice yet."""
    inputs = NumberedInputs()
    inputs.adopt(rows.basis())
    for number in range(LICENCES):
        row = licence_row(
            XK_JDRQ="2026-12-28", XK_YXQZ="2026-12-28", XK_WSH=f"舟市监许〔2026〕{number}号"
        )
        inputs.add(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, row))
    begins_at = rows.at("2026-12-28 09:00")
    world = World(Setting(inputs.records, setting().plan, BasisLibrary(), begins_at), Random(0))
    world.run()
    return world


def send_notice(world: World) -> None:
    """The State Council has spoken: a basis with the notice for every partition."""
    document = rows.basis()
    document["calendar"]["notices"].append(NOTICE)
    inputs = NumberedInputs()
    inputs.adopt(document)
    session = world.broker.initialise("operator")
    world.broker.begin(session)
    for record in inputs.records:
        world.broker.produce(session, record)
    world.broker.end(session, commit=True)


def recounted(world: World) -> Counter[bytes]:
    """How often the deadlines of each record were counted anew."""
    return Counter(
        one.record_key
        for partition in PARTITIONS
        for one in ledger(world, partition)
        if one.outcome is Outcome.RECOUNTED
    )


@pytest.mark.parametrize("stops", [0, 1, 2])
def test_a_notice_moves_every_guessed_deadline_once_whenever_the_registrar_stops(
    monkeypatch: pytest.MonkeyPatch, stops: int
) -> None:
    """More deadlines than are looked at in one go; what a stopped one has begun is gone on with."""
    monkeypatch.setattr(slot, "SWEEP_STEP", 3)
    world = world_of_guessed_deadlines()
    send_notice(world)
    for stop in range(1, stops + 1):
        while recounted(world).total() < 3 * stop:
            world.main.step()
        assert recounted(world).total() < LICENCES
        world.restart()
    work(world.main)
    assert len(recounted(world)) == LICENCES
    assert recounted(world).total() == LICENCES
