"""The courier of one target: a thin shell around `CourierSlot` and the client of its kind."""

from __future__ import annotations

import gc
import logging
import time
from typing import TYPE_CHECKING, Final

from hub.adapters.clocks import SystemEngineClock, business_clock_of
from hub.adapters.faults import EnvironmentFaults
from hub.adapters.head_files import HeadFile
from hub.adapters.kafka.client import KafkaInputs, KafkaTransactions, OldestInput
from hub.adapters.lease import FolderLease
from hub.adapters.rocksdb import RocksStore
from hub.engine.courier_book import Policy
from hub.engine.courier_slot import CourierPlan, CourierSlot
from hub.engine.drive import Driver
from hub.targets.file.drop import PROBLEMS
from hub.workers.carriers import TARGET_KINDS, AdapterContext
from hub.workers.engine_watch import begin_engine, count_engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hub.config.site import LoadedSite, Target
    from hub.runtime.metrics import Health, Metrics
    from hub.runtime.post import WorkerContext

_log = logging.getLogger("hub.courier")
_GC_THRESHOLD: Final = 50_000


def plan_of(loaded: LoadedSite, target: Target, factor: float) -> CourierPlan:
    """Say how a target is served; `factor`: how fast business time goes.

    Raises `ConfigurationError` for a secret that is missing.
    """
    kind = TARGET_KINDS[target.kind]
    policy = Policy(
        concurrency=target.concurrency,
        attempts=target.attempts,
        timeout_seconds=target.timeout_seconds,
        can_ask=kind.can_ask,
        first_poll_seconds=kind.first_poll_seconds,
        grace_seconds=kind.grace_seconds(target),
        business_ms_per_second=1_000 * factor,
    )
    return CourierPlan(
        prefix=loaded.site.prefix,
        target=target.id,
        number=target.number,
        protocol=kind.make_protocol(loaded, target),
        partitions=loaded.site.partitions,
        clearance=frozenset(target.clearance),
        policy=policy,
    )


class CourierWatch:
    """Turns what a courier reports into metrics and health."""

    def __init__(self, metrics: Metrics, health: Health, target: str) -> None:
        self._metrics, self._health, self._target = metrics, health, target
        self._away_why = ""
        begin_engine(metrics, health.worker)
        # An alert over files must find its series in a hub without a file target, too.
        self._report_files("files_standing", {"open": 0, "oldest_seconds": 0})
        self._report_files("file_problems", dict.fromkeys(PROBLEMS, 0))

    def report(self, event: str, numbers: Mapping[str, float]) -> None:
        """Update metrics; ignore events of other workers."""
        metrics, target = self._metrics, self._target
        match event:
            case "idle":
                self._health.idle()
            case "worked" | "folded":
                self._health.progress()
            case "attempted":
                for result, number in numbers.items():
                    metrics.delivery_attempts.labels(target, result).inc(number)
            case "staged":
                for stage, number in numbers.items():
                    metrics.stages.labels(target, stage).inc(number)
            case "troubled":
                self._log_troubles(numbers)
            case "standing":
                self._report_standing(numbers)
            case "files" | "file_problems" | "files_standing":
                self._report_files(event, numbers)
            case _:
                count_engine(metrics, self._health, event, numbers)

    def _report_standing(self, numbers: Mapping[str, float]) -> None:
        if not numbers["away"]:
            self._away_why = ""
        for state, number in numbers.items():
            if state == "away":
                self._metrics.platform_away.labels(self._target).set(number)
            else:
                self._metrics.delivery_open.labels(self._target, state).set(number)

    def _log_troubles(self, troubles: Iterable[str]) -> None:
        """Say why: of a delivery that is parked, of a platform that is away once per reason."""
        for words in troubles:
            delivery, partition, sequence, why = words.split("|", 3)
            if delivery:
                _log.warning(
                    "一件投递多次失败或结果不明，已单独停靠 / "
                    "a delivery failed again and again, or its fate is not known: it is parked",
                    extra={"target": self._target, "delivery": delivery, "reason": why,
                           "partition": int(partition), "sequence": int(sequence)},
                )  # fmt: skip
            elif why != self._away_why:
                self._away_why = why
                _log.warning(
                    "平台整体无应答或配置不符 / "
                    "the platform as a whole does not answer, or its settings are wrong",
                    extra={"target": self._target, "reason": why},
                )

    def _report_files(self, event: str, numbers: Mapping[str, float]) -> None:
        metrics, target = self._metrics, self._target
        if event == "files_standing":
            metrics.files_unacknowledged.labels(target).set(numbers["open"])
            metrics.file_oldest_seconds.labels(target).set(numbers["oldest_seconds"])
            return
        counter = metrics.files_dropped if event == "files" else metrics.file_problems
        for label, number in numbers.items():
            counter.labels(target, label).inc(number)

    def observe(self, seconds: float) -> None:
        """Record how long one request took."""
        self._metrics.delivery_seconds.labels(self._target).observe(seconds)


def run_courier(post: WorkerContext, target: Target, watch: CourierWatch) -> None:
    """Deliver to one target until stopped.

    The folder keeps the courier's state. Raises `FencedError` when another process serves the
    target, `IntegrityError` when ledger and state disagree; both end the process loudly.
    """
    gc.set_threshold(_GC_THRESHOLD, 20, 20)
    loaded = post.loaded
    clock = business_clock_of(loaded)
    clock.now()  # reads what the factor is
    plan = plan_of(loaded, target, clock.factor)
    lease = FolderLease(post.folder)
    lease.take()
    faults = EnvironmentFaults()
    platform = TARGET_KINDS[target.kind].connect(
        loaded, target, AdapterContext(post.folder, clock, faults, watch.observe, watch.report)
    )
    name = f"{loaded.site.prefix}courier.{target.id}"
    inputs = KafkaInputs(
        post.access, name, OldestInput(watch.report), report=watch.report,
        whole=loaded.site.topic("ledger"),
    )  # fmt: skip
    store = RocksStore(post.folder / "rocksdb")
    # One small transaction a turn: lingering would only add to every delivery's latency.
    transactions = KafkaTransactions(post.access, name, **{"linger.ms": 0})
    driver = Driver(
        lease=lease,
        transactions=transactions,
        inputs=inputs,
        store=store,
        business_clock=clock,
        engine_clock=SystemEngineClock(),
        faults=faults,
        report=watch.report,
        warn=lambda why: _log.warning("starting again", extra={"reason": why}),
        platform=platform,
    )
    slot = CourierSlot(plan, post.contracts)
    give_up_at: float | None = None

    noted = HeadFile(post.folder)

    def may_end() -> bool:
        """When asked to stop, wait for the answers under way: they save the next start a wait."""
        nonlocal give_up_at
        noted.note(dict(slot.heads))
        if not post.should_stop():
            return False
        give_up_at = give_up_at or time.monotonic() + plan.policy.grace_seconds
        return slot.drain() or time.monotonic() > give_up_at

    try:
        driver.run(slot.run(), may_end)
    finally:
        platform.close()
        inputs.close()
        transactions.retire()
        store.close()
        lease.release()
