"""How long a worker's oldest input waits: a worker that gets on and is always behind must show."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

import pytest

from hub.adapters.kafka.client import OldestInput
from hub.adapters.kafka.events import InputAge
from hub.runtime.metrics import Health, Metrics
from hub.workers.courier import CourierWatch
from hub.workers.notices import NoticesWatch
from hub.workers.receipts import ReceiptsWatch
from hub.workers.registrar import RegistrarWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Message


class Watch(Protocol):
    """What a worker reports to."""

    def report(self, event: InputAge) -> None:
        """Turn it into metrics."""


WATCHES: dict[str, Callable[[Metrics, Health], Watch]] = {
    "registrar.0": RegistrarWatch,
    "courier.city": lambda metrics, health: CourierWatch(metrics, health, "city"),
    "receipts": ReceiptsWatch,
    "notices": NoticesWatch,
}


class _At:
    """A message of the broker, of which only the time counts here."""

    def __init__(self, seconds: float) -> None:
        self._at = int(seconds * 1000)

    def timestamp(self) -> tuple[int, int]:
        return (1, self._at) if self._at else (0, -1)


class ScriptedReads:
    """A worker's reads, at times we say."""

    def __init__(self, report: Callable[[InputAge], None]) -> None:
        self.now = 1_000.0
        self._waiting = OldestInput(report, lambda: self.now, lambda: self.now)

    def brings(self, *ages: float) -> None:
        """A read brought records of these ages."""
        self._waiting.note([cast("Message", _At(self.now - age)) for age in ages])


@pytest.mark.parametrize("worker", WATCHES)
def test_a_worker_that_is_always_behind_shows_it(worker: str) -> None:
    """The oldest of what a read brought counts; caught up it is 0."""
    metrics = Metrics()
    watch = WATCHES[worker](metrics, Health(worker))
    reading = ScriptedReads(watch.report)

    def age() -> float | None:
        name = "hub_oldest_unprocessed_age_seconds"
        return metrics.registry.get_sample_value(name, {"worker": worker})

    for behind in (400.0, 420.0, 440.0):  # it gets on, and never catches up
        reading.brings(behind - 50, behind, behind - 100)
        assert age() == pytest.approx(behind)
        reading.now += 0.5
        reading.brings()
        assert age() == pytest.approx(behind), "one empty read is a slow broker, not the end"
    reading.now += 1.1
    reading.brings()
    assert age() == 0


def test_a_clock_that_is_slow_makes_no_negative_age() -> None:
    """Another machine's clock may be ahead of ours; a record may have no time at all."""
    told: list[InputAge] = []
    reading = ScriptedReads(told.append)
    reading.brings(-5.0)
    reading.brings(reading.now)  # time 0: the broker has none
    assert told == [InputAge(0.0)]
