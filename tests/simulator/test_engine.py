"""The exactly-once slot under every trouble the model broker knows, seed by seed."""

from __future__ import annotations

import os
from collections import Counter
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from hub.audit.verify import Verifier
from hub.core import keys
from hub.core.basis import canonical_json
from hub.core.partition import BasisLibrary
from hub.core.record import CauseKind, Outcome, decode_record
from hub.core.state import decode_state
from hub.domain.partitioning import partition_of
from hub.engine import requests, slot
from hub.engine.slot import Slot, SlotPlan
from hub.errors import IntegrityError
from hub.ports import OutputRecord
from tests.driver import rows
from tests.driver.resends import told
from tests.driver.rows import AUTHORITY, DEPARTMENT, LICENCE, OTHER_DEPARTMENT, framed, licence_row
from tests.replay.scenario import company
from tests.simulator.engine_world import Disk, Faults, ModelBroker, RegistrarProcess, Setting, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.core.record import LedgerRecord
    from hub.engine.slot import Program

SEEDS = int(os.environ.get("HUB_ENGINE_SEEDS", "300"))
"""How many histories are tried; a nightly run takes thousands."""
BLOCK = 25
PREFIX = "sim."
PARTITIONS = (0, 1)
TROUBLE = Faults(request=0.02, crash=0.01, zombie=0.003)
TOPICS = (
    f"{PREFIX}control",
    f"{PREFIX}submissions.{DEPARTMENT}",
    f"{PREFIX}submissions.{OTHER_DEPARTMENT}",
)


@pytest.fixture(autouse=True)
def _small_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction is decided and sent in several stretches, as a large one is."""
    monkeypatch.setattr(slot, "DECIDED_AT_ONCE", 3)
    monkeypatch.setattr(slot, "WALK_STEP", 5)


class NumberedInputs:
    """Numbers the submissions of two departments: one stream each, a company in one of them."""

    def __init__(self) -> None:
        self.records: list[OutputRecord] = []
        self._numbers: Counter[str] = Counter()

    def add(self, department: str, kind: str, key: str, value: bytes) -> None:
        """One submission."""
        self._numbers[department] += 1
        headers = (
            ("ce_type", kind.encode()), ("ce_source", f"{department}/sim".encode()),
            ("ce_id", b"%d" % self._numbers[department]),
        )  # fmt: skip
        place = partition_of(key.encode(), len(PARTITIONS))
        topic = f"{PREFIX}submissions.{department}"
        self.records.append(OutputRecord(topic, place, key.encode(), value, headers))

    def adopt(self, document: dict[str, Any]) -> None:
        """A basis for every partition; only the years that matter here, it is read very often."""
        notices = document["calendar"]["notices"]
        document["calendar"]["notices"] = [n for n in notices if n["year"] >= 2025]
        value = canonical_json({"basis": document})
        headers = (("ce_type", b"basis.adopted.v1"),)
        for partition in PARTITIONS:
            self.records.append(OutputRecord(TOPICS[0], partition, b"", value, headers))

    def ask_again(self, target: str) -> None:
        """Somebody asks for a target to be told again."""
        asked = {"target": target, "decided_from": "", "decided_to": "", "document": ""}
        headers = (("ce_type", b"resend.requested.v1"),)
        for partition in PARTITIONS:
            value = canonical_json(asked)
            self.records.append(OutputRecord(TOPICS[0], partition, b"", value, headers))

    def move(self, number: int) -> None:
        """A licence of its own is granted, moves to another company, both halves at once."""
        old, new = company(number), company(number + 1)
        row = licence_row(XK_XDR_SHXYM=old, XK_WSH=f"舟市监许〔2026〕{number}号")
        names: dict[str, Any] = {
            "move_id": f"{number:032x}", "subject_kind": LICENCE, "reason": "代码录入错误",
        }  # fmt: skip
        out = names | {
            "document_number": row["XK_WSH"], "subject_name": row["XK_XDR_MC"],
            "credit_code": old, "authority_code": AUTHORITY, "new_credit_code": new,
        }  # fmt: skip
        into = names | {"row": framed(LICENCE, row | {"XK_XDR_SHXYM": new})}
        if number % 3:  # otherwise there is nothing to move, and the arriving row is refused
            self.add(DEPARTMENT, LICENCE, old, framed(LICENCE, row))
        kind = "record.moved_out.v1"
        self.add(DEPARTMENT, kind, old, framed(kind, out))
        kind = "record.moved_in.v1"
        self.add(DEPARTMENT, kind, new, framed(kind, into))


def some_inputs() -> list[OutputRecord]:
    """Sixty submissions in which every primary outcome comes up, and a second basis."""
    inputs = NumberedInputs()
    inputs.adopt(rows.basis())
    chance = Random(12)
    for n in range(45):
        number = n % 6
        department = DEPARTMENT if number % 2 else OTHER_DEPARTMENT
        row = licence_row(
            XK_XDR_SHXYM=company(number), XK_WSH=f"舟市监许〔2026〕{chance.randrange(2)}号",
            XK_NR=chance.choice(["甲", "甲", "乙", ""]),
        )  # fmt: skip
        verb = chance.choice(["row", "row", "row", "correct", "withdraw", "restore", "garbage"])
        kind, value = LICENCE, framed(LICENCE, row)
        if verb == "correct":
            kind = "record.corrected.v1"
            value = framed(kind, {"subject_kind": LICENCE, "row": value, "reason": "录入错误"})
        elif verb == "withdraw":
            kind = "record.withdrawn.v1"
            reference = {
                "subject_kind": LICENCE, "document_number": row["XK_WSH"],
                "subject_name": row["XK_XDR_MC"], "credit_code": row["XK_XDR_SHXYM"],
                "authority_code": AUTHORITY, "reason": "决定被撤销",
            }  # fmt: skip
            value = framed(kind, reference)
        elif verb == "restore":
            kind = "record.restored.v1"
            again = {"subject_kind": LICENCE, "row": value, "reason": "误撤", "decided_by": "局"}
            value = framed(kind, again)
        elif verb == "garbage":
            value = b"garbage"
        inputs.add(department, kind, row["XK_XDR_SHXYM"], value)
        if n % 9 == 8:
            inputs.move(100 + 2 * n)
        if n in (20, 40):
            inputs.ask_again("city" if n == 20 else "province")
        if n == 30:
            second = rows.basis()
            second["site"]["departments"][OTHER_DEPARTMENT]["may_act_on"] = [DEPARTMENT]
            inputs.adopt(second)
    return inputs.records


@cache
def setting() -> Setting:
    """The same inputs and the same compiled bases for every seed."""
    plan = SlotPlan(PREFIX, PARTITIONS, TOPICS)
    return Setting(some_inputs(), plan, BasisLibrary(), rows.at("2026-11-03 09:00"))


def ledger_of(world: World) -> dict[int, list[LedgerRecord]]:
    """What a reader of committed records finds."""
    return {
        p: [decode_record(r.value) for r in world.broker.visible((f"{PREFIX}ledger", p), 0, -1)]
        for p in PARTITIONS
    }


def answers(world: World) -> dict[tuple[bytes, bytes], str]:
    """(stream, number) → primary outcome.

    A row that arrives by a move is held or not as the two partitions come to read of it.
    """
    found = {}
    for record in (r for ledger in ledger_of(world).values() for r in ledger):
        if record.cause.kind is CauseKind.SUBMISSION:
            headers = dict(record.cause.headers)
            arrives = record.kind == "record.moved_in.v1"
            outcome = "arrives" if arrives else record.outcome.name
            found[headers["ce_source"], headers["ce_id"]] = outcome
    return found


def standing(disk: Disk) -> dict[bytes, tuple[object, ...]]:
    """Record → what is known of it in the end, without the times of day.

    Whether a withdrawal waits for a row that arrives by a move, so that the row is never named, or
    takes it down after it was, is as the two partitions come to read of it.
    """
    states = {k: decode_state(v) for k, v in disk.values.items() if k[2:3] == b"r"}
    return {
        key: (s.status, s.version, s.content, s.named if s.publish else 0, s.publish, s.department)
        for key, s in states.items()
    }


@cache
def without_faults() -> tuple[dict[tuple[bytes, bytes], str], dict[bytes, tuple[object, ...]]]:
    """The run to compare with."""
    world = World(setting(), Random(0))
    world.run()
    check_ledger(world)
    return answers(world), standing(world.main.disk)


def check_ledger(world: World) -> None:
    """Every input exactly once, chain whole, every departure told once, state a fold."""
    verifier = Verifier(PREFIX)
    for partition in PARTITIONS:
        verifier.partition(partition, world.broker, TOPICS)
    report = verifier.report()
    assert [finding.text() for finding in report.differences.kept] == []
    assert report.waiting == 0
    ledgers = ledger_of(world)
    ledger = [record for records in ledgers.values() for record in records]
    departures = sum(r.move is not None and r.kind == "record.moved_out.v1" for r in ledger)
    notes = [
        (partition, note.value)
        for partition in PARTITIONS
        for note in world.broker.visible((TOPICS[0], partition), 0, -1)
        if ("ce_type", b"move.noted.v1") in note.headers
    ]
    assert len(set(notes)) == departures
    if (
        "late end" not in world.happened
    ):  # one that tears a transaction lets a verdict be sent twice
        assert len(notes) == departures
    ended = [
        (p, r.cause.topic) for p, rs in ledgers.items() for r in rs if r.outcome is Outcome.WALKED
    ]
    assert len(ended) == len(set(ended)) == 2 * len(PARTITIONS)
    again = [(r.cause.topic, p, r.record_key) for p, rs in ledgers.items() for r in told(rs)]
    assert len(again) == len(set(again))
    if again:  # nothing is, where both requests were decided before the first row
        world.happened["told again"] += len(again)
    assert not [key for key in world.main.disk.values if key[2:3] in (b"e", b"f")]
    fresh = RegistrarProcess(world, Disk())
    for _ in range(3000):
        fresh.step()
        if fresh.idle:
            break
    assert fresh.disk.values == world.main.disk.values


def try_seed(seed: int, faults: Faults = TROUBLE, **more: Any) -> World:  # noqa: ANN401 - as `World`
    """One history; raises when it does not end as the run without faults does."""
    world = World(setting(), Random(seed), faults, **more)
    world.run()
    check_ledger(world)
    expected_answers, expected_standing = without_faults()
    assert answers(world) == expected_answers
    assert standing(world.main.disk) == expected_standing
    return world


def test_the_run_without_faults_has_every_primary_outcome() -> None:
    """What the seeds are compared with says something."""
    found = set(without_faults()[0].values())
    assert found >= {
        "ACCEPTED", "CORRECTED", "WITHDRAWN", "DUPLICATE", "CONFLICTING", "QUARANTINED", "HELD",
        "arrives",
    }  # fmt: skip


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_whatever_fails_every_input_is_decided_once_and_alike(first: int) -> None:
    """Refused, lost and late requests, crashes, lost disks, zombies: the ledger is the same."""
    happened: Counter[str] = Counter()
    for seed in range(first, min(first + BLOCK, SEEDS)):
        try:
            happened.update(try_seed(seed).happened)
        except (AssertionError, IntegrityError) as error:
            raise AssertionError(f"seed {seed}") from error
    assert happened.keys() >= {
        "told again", "crash", "zombie", "produce cut", "late end", "commit lost",
        "commit unanswered", "commit late", "commit twice", "failed WriteState",
        "failed Initialise", "failed Consume",
    }  # fmt: skip


# --- the checker notices when a guard is taken away ---


class WritesStateFirst(Slot):
    """Sabotage: the state changes before the transaction is committed."""

    def _commit(self, views: Any, before: Any) -> Program:  # noqa: ANN401 - as `Slot`
        changes = {}
        for partition, core in self.cores.items():
            if core.head is not before[partition][0]:
                head = partition.to_bytes(2)
                changes.update({head + k: v for k, v in views[partition].changes.items()})
                changes[head + keys.HEAD] = core.head.pack()
        yield from self._ask(requests.WriteState(changes))
        yield from super()._commit(views, before)


class ForgetsToSeek(Slot):
    """Sabotage: after a failure it reads on where the consumer stands, not at the last cause."""

    def _assign(self) -> Program:
        if not self._reading_all:
            yield from super()._assign()


def fails_for_some_seed(
    seeds: int = 60,
    zombie: float = 0.003,
    **sabotage: Any,  # noqa: ANN401 - as `World`
) -> bool:
    """Whether at least one of a few seeds is found wanting."""
    for seed in range(seeds):
        try:
            try_seed(seed, Faults(0.03, 0.01, zombie, repeats_ends=False), **_made(sabotage))
        except (AssertionError, IntegrityError):
            return True
    return False


def _made(sabotage: dict[str, Any]) -> dict[str, Any]:
    """A broker of its own for every seed."""
    make: Callable[[], ModelBroker] | None = sabotage.get("broker")
    return sabotage if make is None else sabotage | {"broker": make()}


def old_broker() -> ModelBroker:
    """A broker that does not hold produce requests against the coordinator."""
    return ModelBroker(verifies=False)


def test_on_an_old_broker_retiring_the_producer_is_what_keeps_it_whole() -> None:
    """Retired, nothing is lost; kept, a late EndTxn reaches a later transaction."""
    assert not fails_for_some_seed(25, broker=old_broker)
    assert fails_for_some_seed(zombie=0.02, broker=old_broker, keeps_producer=True)


def test_zombies_that_are_not_fenced_are_noticed() -> None:
    """Two writers break the chain."""
    assert fails_for_some_seed(broker=lambda: ModelBroker(fences=False))


@pytest.mark.parametrize("sabotaged", [WritesStateFirst, ForgetsToSeek])
def test_a_slot_without_its_order_is_noticed(sabotaged: type[Slot]) -> None:
    """State before commit, or no seek after a failure: inputs are lost or repeated."""
    assert fails_for_some_seed(slot=sabotaged)
