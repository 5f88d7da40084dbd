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
from hub.engine import events
from hub.engine.courier_book import Policy
from hub.engine.courier_slot import CourierPlan, CourierSlot
from hub.engine.drive import Driver
from hub.targets.file.drop import PROBLEMS, DropNews
from hub.workers.carriers import TARGET_KINDS, AdapterContext
from hub.workers.engine_watch import EngineEvent, begin_engine, count_engine

if TYPE_CHECKING:
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
        self._count_files(DropNews({}, dict.fromkeys(PROBLEMS, 0), 0, 0.0))

    def report(self, event: EngineEvent | DropNews) -> None:
        """Update metrics; ignore events of other workers."""
        metrics, target = self._metrics, self._target
        match event:
            case events.Idle():
                self._health.idle()
            case events.Worked() | events.Folded():
                self._health.progress()
            case events.Attempted(counts):
                for result, number in counts.items():
                    metrics.delivery_attempts.labels(target, result).inc(number)
            case events.Staged(counts):
                for stage, number in counts.items():
                    metrics.stages.labels(target, stage).inc(number)
            case events.Troubled(troubles):
                for trouble in troubles:
                    self._log_trouble(trouble)
            case events.QueueState():
                self._show_queue(event)
            case DropNews():
                self._count_files(event)
            case _:
                count_engine(metrics, self._health, event)

    def _show_queue(self, queue: events.QueueState) -> None:
        if not queue.is_away:
            self._away_why = ""
        self._metrics.platform_away.labels(self._target).set(queue.is_away)
        for state, number in queue.counts.items():
            self._metrics.delivery_open.labels(self._target, state).set(number)

    def _log_trouble(self, trouble: events.Trouble) -> None:
        """Say why: of a delivery that is parked, of a platform that is away once per reason."""
        match trouble:
            case events.DeliveryTrouble(delivery, partition, sequence, why):
                _log.warning(
                    "一件投递多次失败或结果不明，已单独停靠 / "
                    "a delivery failed again and again, or its fate is not known: it is parked",
                    extra={"target": self._target, "delivery": delivery, "reason": why,
                           "partition": partition, "sequence": sequence},
                )  # fmt: skip
            case events.PlatformTrouble(why) if why != self._away_why:
                self._away_why = why
                _log.warning(
                    "平台整体无应答或配置不符 / "
                    "the platform as a whole does not answer, or its settings are wrong",
                    extra={"target": self._target, "reason": why},
                )

    def _count_files(self, news: DropNews) -> None:
        metrics, target = self._metrics, self._target
        for result, number in news.results.items():
            metrics.files_dropped.labels(target, result).inc(number)
        for problem, number in news.problems.items():
            metrics.file_problems.labels(target, problem).inc(number)
        metrics.files_unacknowledged.labels(target).set(news.open)
        metrics.file_oldest_seconds.labels(target).set(news.oldest_seconds)

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
