"""What every slot's driver reports, as metrics: the same for registrar and couriers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.engine.drive import RETIREMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.metrics import Metrics


def begin_engine(metrics: Metrics, worker: str) -> None:
    """Let the series of a slot exist from its start: an alert must see the first count as one."""
    metrics.restarts.labels(worker)
    metrics.oldest_unprocessed_age.labels(worker)
    for reason in RETIREMENTS:
        metrics.producer_retired.labels(worker, reason)


def count_engine(metrics: Metrics, worker: str, event: str, numbers: Mapping[str, float]) -> None:
    """Count starts, transactions, retired producers, what waits; the rest is the worker's own."""
    match event:
        case "restored":
            metrics.restore_seconds.labels(worker).set(numbers["seconds"])
        case "oldest_input":
            metrics.oldest_unprocessed_age.labels(worker).set(numbers["age_seconds"])
        case "committed":
            metrics.transaction_seconds.labels(worker).observe(numbers["seconds"])
        case "producer_retired":
            for reason, number in numbers.items():
                metrics.producer_retired.labels(worker, reason).inc(number)
        case "slot_restarted":
            metrics.restarts.labels(worker).inc()
