"""Run a follower until stopped; restart it when a dependency is unavailable."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from hub.adapters.kafka.events import InputAge, RecordsUnreadable
from hub.adapters.kafka.unreadable import count_unreadable
from hub.adapters.lease import FolderLease
from hub.errors import UnavailableError
from hub.workers.events import FollowerEvent, Restarted, Stepped

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.runtime.metrics import Health, Metrics
    from hub.runtime.post import WorkerContext

_log = logging.getLogger("hub.follower")
_RETRY_SECONDS: Final = 1.0


def run_with_restarts(
    post: WorkerContext, follow: Callable[[], None], report: Callable[[Restarted], None]
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
                report(Restarted())
                time.sleep(_RETRY_SECONDS)
    finally:
        lease.release()


class FollowerWatch:
    """Turns what a follower reports into metrics and health; a step without work is idleness."""

    def __init__(self, metrics: Metrics, health: Health) -> None:
        self._metrics, self._health = metrics, health
        metrics.restarts.labels(health.worker)

    def report(self, event: FollowerEvent) -> None:
        """Count what every follower reports."""
        match event:
            case Stepped(0):
                self._health.idle()
            case Stepped():
                self._health.progress()
            case Restarted():
                self._metrics.restarts.labels(self._health.worker).inc()
                self._health.restarted()
            case InputAge(seconds):
                self._metrics.oldest_unprocessed_age.labels(self._health.worker).set(seconds)
            case RecordsUnreadable():
                count_unreadable(self._metrics, self._health.worker, event)
