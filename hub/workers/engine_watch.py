"""Metrics from every slot's driver: the same for registrar and couriers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, get_args

from hub.adapters.kafka.events import InputAge, ReadEvent, RecordsUnreadable
from hub.adapters.kafka.unreadable import count_unreadable
from hub.engine import events
from hub.errors import Problem

if TYPE_CHECKING:
    from hub.runtime.metrics import Health, Metrics

CLOCK_UNCONFIRMED: Final = "CLOCK_UNCONFIRMED"

EngineEvent = events.Event | ReadEvent
"""Of a slot, its driver and its inputs."""
Report = Callable[[EngineEvent], None]
"""Receives every event."""


def begin_engine(metrics: Metrics, worker: str) -> None:
    """Let the series of a slot exist from its start: an alert must see the first count as one."""
    metrics.restarts.labels(worker)
    metrics.oldest_unprocessed_age.labels(worker)
    for reason in get_args(events.Retirement):
        metrics.producer_retired.labels(worker, reason)


def count_engine(metrics: Metrics, health: Health, event: EngineEvent) -> None:
    """Count starts, transactions, retired producers, what waits and what cannot be read.

    The rest is the worker's own.
    """
    worker = health.worker
    match event:
        case events.Restored(seconds):
            metrics.restore_seconds.labels(worker).set(seconds)
        case InputAge(seconds):
            metrics.oldest_unprocessed_age.labels(worker).set(seconds)
        case events.Committed(seconds):
            metrics.transaction_seconds.labels(worker).observe(seconds)
        case events.ProducerRetired(reason):
            metrics.producer_retired.labels(worker, reason).inc()
        case events.SlotRestarted():
            metrics.restarts.labels(worker).inc()
            health.restarted()
        case RecordsUnreadable():
            count_unreadable(metrics, worker, event)


def clock_problem(days: float) -> Problem:
    """Why a worker waits whose machine's clock is so many days ahead of all that was written."""
    return Problem(
        f"枢纽已停住：本机时钟比枢纽此前写下的任何时间都晚 {days:.0f} 天，在核实之前不作任何决定",
        f"the hub is stopped because this machine's clock is {days:.0f} days ahead of anything the "
        "hub wrote before: nothing is decided until a person has looked",
        remedy_zh="对照可靠的时间来源校准本机时钟；时间无误则执行 hub clock confirm",
        remedy_en="hold the clock to a source you trust and mend it; when it is right, "
        "run hub clock confirm",
    )
