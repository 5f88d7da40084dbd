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
from hub.core.record import PRIMARY
from hub.engine import events
from hub.engine.clock_guard import DAY_MS
from hub.engine.drive import Driver
from hub.engine.slot import Slot, SlotPlan
from hub.errors import Problem
from hub.workers.engine_watch import (
    CLOCK_UNCONFIRMED,
    EngineEvent,
    Report,
    begin_engine,
    clock_problem,
    count_engine,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from hub.core.ledger_end import Seen
    from hub.runtime.metrics import Health, Metrics
    from hub.runtime.post import WorkerContext

_log = logging.getLogger("hub.registrar")
_GC_THRESHOLD = 1_000_000
"""Nothing in the loop makes cycles, so what it leaves is freed by counting references; collecting
inside every batch (the default is each 700 objects) would only visit what is alive."""


INPUTS_LOST: Final = "INPUTS_LOST"
_STEPS: Final = (events.Idle, events.Decided, events.Walked, events.Folded)
"""After these a worker would count as well."""


def lost_problem(lost: Iterable[events.LostInput]) -> Problem:
    """Why some inputs are not read; everything else is decided meanwhile."""
    said = "; ".join(
        f"{each.topic}[{each.partition}] {each.first}–{each.until - 1}" for each in sorted(lost)
    )
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

    def report(self, event: EngineEvent) -> None:
        """Update metrics; ignore events of other workers."""
        self._take(event)
        if self._lost is not None and isinstance(event, _STEPS):
            self._health.stop(INPUTS_LOST, self._lost)

    def _take(self, event: EngineEvent) -> None:
        metrics = self._metrics
        match event:
            case events.Idle():
                self._health.idle()
            case events.Decided(counts):
                self._health.progress()
                self._count(counts)
            case events.Walked():
                self._health.progress()
            case events.Folded(records):
                self._health.progress()
                metrics.restored_records.labels(self._health.worker).inc(records)
            case events.TimeHeld():
                metrics.clock_jump.labels("forward").inc()
                _log.error(
                    "the machine's clock ran ahead: business time stands still until it is right"
                )
            case events.InputsLost(places):
                self._note_lost(places)
            case events.ClockUnconfirmed(days):
                self._wait(days)
            case events.ClockBelieved():
                self._is_waiting.set(0)
                self._health.progress()
            case events.SlotRestarted(failures):
                count_engine(metrics, self._health, event)
                _log.warning("slot restarted", extra={"count": failures})
            case _:
                count_engine(metrics, self._health, event)

    def _note_lost(self, lost: tuple[events.LostInput, ...]) -> None:
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

    def _count(self, counts: Mapping[events.DecidedCount, int]) -> None:
        for (outcome, department, kind), number in counts.items():
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


def run_registrar(post: WorkerContext, report: Report, slot: int = 0) -> None:
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
