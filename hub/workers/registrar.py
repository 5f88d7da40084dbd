"""The registrar: the only writer of the ledger. A thin shell around the exactly-once slot."""

from __future__ import annotations

import gc
import logging
from typing import TYPE_CHECKING, Final

from hub.adapters.clock_witness import FolderWitness
from hub.adapters.clocks import SystemEngineClock, business_clock_of
from hub.adapters.faults import EnvironmentFaults
from hub.adapters.head_files import HeadFile, last_anchors, read_heads
from hub.adapters.kafka.client import KafkaInputs, KafkaTransactions, OldestInput
from hub.adapters.lease import FolderLease
from hub.adapters.rocksdb import RocksStore
from hub.core.record import PRIMARY, Outcome
from hub.engine.clock_guard import DAY_MS
from hub.engine.drive import Driver
from hub.engine.slot import Slot, SlotPlan
from hub.errors import Problem
from hub.workers.engine_watch import (
    CLOCK_UNCONFIRMED,
    begin_engine,
    clock_problem,
    count_engine,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hub.core.ledger_end import Seen
    from hub.runtime.metrics import Health, Metrics
    from hub.runtime.post import WorkerContext

_log = logging.getLogger("hub.registrar")
_GC_THRESHOLD = 1_000_000
"""Nothing in the loop makes cycles, so what it leaves is freed by counting references; collecting
inside every batch (the default is each 700 objects) would only visit what is alive."""


INPUTS_LOST: Final = "INPUTS_LOST"
_STEPS: Final = frozenset({"idle", "decided", "walked", "folded"})
"""After these a worker would count as well."""


def lost_problem(lost: Mapping[str, float]) -> Problem:
    """Why some inputs are not read: `topic|partition|offset` of what comes next, to what is left.

    Everything else is decided meanwhile.
    """
    places = []
    for place, start in sorted(lost.items()):
        topic, partition, following = place.rsplit("|", 2)
        places.append(f"{topic}[{partition}] {following}–{int(start) - 1}")
    said = "; ".join(places)
    return Problem(
        f"输入主题中尚未处理的记录已被删除，这些分区停住，其余照常：{said}",
        f"records that were not decided yet are gone from their topic; these partitions stand "
        f"still, the others go on: {said}",
        remedy_zh="先查明原因；能由备份恢复的恢复；不能的用 hub submissions accept-loss 写明并继续",
        remedy_en="find out why; restore from a backup if you can; if not, say so and go on with "
        "hub submissions accept-loss",
    )


class RegistrarWatch:
    """Turns what the slot reports into metrics and health."""

    def __init__(self, metrics: Metrics, health: Health) -> None:
        self._metrics, self._health = metrics, health
        self._is_waiting = metrics.clock_unconfirmed.labels(health.worker)
        self._is_told = False
        self._lost: Problem | None = None
        """Describe lost inputs that were not declared yet."""
        begin_engine(metrics, health.worker)
        for direction in ("back", "forward"):
            metrics.clock_jump.labels(direction)

    def report(self, event: str, numbers: Mapping[str, float]) -> None:
        """Update metrics; ignore events of other workers."""
        self._take(event, numbers)
        if self._lost is not None and event in _STEPS:
            self._health.stop(INPUTS_LOST, self._lost)

    def _take(self, event: str, numbers: Mapping[str, float]) -> None:
        metrics = self._metrics
        match event:
            case "idle":
                self._health.idle()
            case "decided":
                self._health.progress()
                self._count(numbers)
            case "walked":
                self._health.progress()
            case "folded":
                self._health.progress()
                metrics.restored_records.labels(self._health.worker).inc(numbers["records"])
            case "time_stands_still":
                metrics.clock_jump.labels("forward").inc()
                _log.error(
                    "the machine's clock ran ahead: business time stands still until it is right"
                )
            case "inputs_lost":
                self._note_lost(numbers)
            case "clock_unconfirmed":
                self._wait(numbers["days"])
            case "clock_believed":
                self._is_waiting.set(0)
                self._health.progress()
            case "slot_restarted":
                count_engine(metrics, self._health, event, numbers)
                _log.warning("slot restarted", extra={"count": int(numbers["failures"])})
            case _:
                count_engine(metrics, self._health, event, numbers)

    def _note_lost(self, lost: Mapping[str, float]) -> None:
        """Say which inputs are gone: in the log once a start, in health until a word is given."""
        self._metrics.inputs_lost.labels(self._health.worker).set(len(lost))
        self._lost = lost_problem(lost) if lost else None
        if self._lost is not None:
            _log.error(str(self._lost), extra={"problem": INPUTS_LOST})

    def _wait(self, days: float) -> None:
        """Say why nothing is decided: in the log once, in health and metrics until it is over."""
        problem = clock_problem(days)
        self._is_waiting.set(1)
        self._health.stop(CLOCK_UNCONFIRMED, problem)
        if not self._is_told:
            self._is_told = True
            _log.error(str(problem), extra={"problem": CLOCK_UNCONFIRMED})

    def _count(self, numbers: Mapping[str, float]) -> None:
        for names, number in numbers.items():
            letter, department, kind = names.split("|", 2)  # a kind is a sender's text
            outcome = Outcome(letter)
            name = outcome.name.lower()
            self._metrics.ledger_records.labels(name).inc(number)
            if outcome in PRIMARY:
                label = self._metrics.kind_label(kind)
                self._metrics.outcomes.labels(department, label, name).inc(number)


def _seen_elsewhere(post: WorkerContext) -> Iterator[Seen]:
    """Ends of the ledger that workers beside this one, and anchors, have seen; away is away."""
    yield from read_heads(post.folder.parent)
    if post.anchors is not None:
        try:
            yield from last_anchors(post.anchors)
        except OSError as error:
            _log.warning("the anchors cannot be read", extra={"reason": str(error)})


def run_registrar(
    post: WorkerContext, report: Callable[[str, Mapping[str, float]], None], slot: int = 0
) -> None:
    """Own a slot's partitions and decide until stopped.

    The folder keeps the slot's state. Raises `FencedError` when another process owns the slot,
    `IntegrityError` when ledger and state disagree, `ConfigurationError` when the basis in force
    is not one to decide under; all end the process loudly.
    """
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD, 20, 20)
    site = post.loaded.site
    lease = FolderLease(post.folder)
    lease.take()
    owner = f"registrar.{slot}"
    plan = SlotPlan(
        site.prefix, site.partitions_of_slot(slot), site.input_topics, owner,
        site.clock_guard_days * DAY_MS, site.partitions, tuple(_seen_elsewhere(post)),
    )  # fmt: skip
    clock = business_clock_of(post.loaded)
    inputs = KafkaInputs(
        post.access, f"{site.prefix}{owner}", OldestInput(report), report=report,
        whole=site.topic("ledger"), marks_unreadable=True,
    )  # fmt: skip
    store = RocksStore(post.folder / "rocksdb")
    transactions = KafkaTransactions(post.access, f"{site.prefix}{owner}")
    driver = Driver(
        lease=lease,
        transactions=transactions,
        inputs=inputs,
        store=store,
        business_clock=clock,
        engine_clock=SystemEngineClock(),
        faults=EnvironmentFaults(),
        report=report,
        warn=lambda why: _log.warning("starting again", extra={"reason": why}),
        witness=FolderWitness(post.folder, clock),
    )
    slot_of_ledger = Slot(plan)
    noted = HeadFile(post.folder)

    def may_end() -> bool:
        noted.note({partition: core.head for partition, core in slot_of_ledger.cores.items()})
        return post.should_stop()

    try:
        driver.run(slot_of_ledger.run(), may_end)
    finally:
        inputs.close()
        transactions.retire()
        store.close()
        lease.release()
