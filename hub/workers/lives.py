"""Run a follower until stopped; restart it when a dependency is unavailable."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from hub.adapters.kafka.unreadable import count_unreadable
from hub.adapters.lease import FolderLease
from hub.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hub.runtime.metrics import Health, Metrics
    from hub.runtime.post import WorkerContext

_log = logging.getLogger("hub.follower")
_RETRY_SECONDS: Final = 1.0


def run_with_restarts(
    post: WorkerContext,
    follow: Callable[[], None],
    report: Callable[[str, Mapping[str, float]], None],
) -> None:
    """Follow until stopped, with fresh connections whenever a dependency was away.

    The folder holds the lease. `follow` opens what it needs and returns when it was asked to stop.
    Raises `FencedError` when another process has the lease, and any error of `follow` but
    `UnavailableError`.
    """
    lease = FolderLease(post.folder)
    lease.take()
    try:
        while not post.should_stop():
            try:
                follow()
            except UnavailableError as error:
                _log.warning("starting again", extra={"reason": str(error)})
                report("restarted", {})
                time.sleep(_RETRY_SECONDS)
    finally:
        lease.release()


class FollowerWatch:
    """Turns what a follower reports into metrics and health; a step without work is idleness."""

    def __init__(self, metrics: Metrics, health: Health) -> None:
        self._metrics, self._health = metrics, health
        metrics.restarts.labels(health.worker)

    def report(self, event: str, numbers: Mapping[str, float]) -> None:
        """Count a step (its one number says how much was done) or a restart."""
        match event:
            case "step" if any(numbers.values()):
                self._health.progress()
            case "step":
                self._health.idle()
            case "restarted":
                self._metrics.restarts.labels(self._health.worker).inc()
                self._health.restarted()
            case "oldest_input":
                age = numbers["age_seconds"]
                self._metrics.oldest_unprocessed_age.labels(self._health.worker).set(age)
            case "unreadable":
                count_unreadable(self._metrics, self._health.worker, numbers)
            case _:
                self._count(event, numbers)

    def _count(self, event: str, numbers: Mapping[str, float]) -> None:
        """Count what is this follower's own."""
