"""What the driver reports besides carrying out requests: starts, transactions, retirements."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import Any, cast
from unittest.mock import Mock

import pytest

from hub.engine import requests
from hub.engine.drive import Driver, reason_class
from hub.engine.events import Committed, Event, ProducerRetired, Restored
from hub.runtime.metrics import Health, Metrics
from hub.targets.platform import CallResult
from hub.workers.engine_watch import count_engine


class Anything:
    """A part that does nothing; a second passes whenever the time is asked for."""

    now = 0.0

    def seconds(self) -> float:
        """Engine time."""
        self.now += 1
        return self.now

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - it stands for every part
        return lambda *_: None


def program() -> Generator[requests.Request, Any, None]:
    """Start, one transaction, a failure, and no end."""
    yield requests.Initialise()
    yield requests.Consume(1, 0.0)
    yield requests.Begin()
    yield requests.Commit()
    yield requests.Retire("Local: Timed out")
    while True:
        yield requests.Consume(1, 0.0)


def test_starts_transactions_and_retirements_become_metrics() -> None:
    """Each once, with the time it took and the class of its reason."""
    metrics, events = Metrics(), list[Event]()
    health = Health("registrar.0")

    def report(event: Event) -> None:
        events.append(event)
        count_engine(metrics, health, event)

    part = cast("Any", Anything())
    driver = Driver(
        lease=part, transactions=part, inputs=part, store=part, business_clock=part,
        engine_clock=part, faults=part, report=report,
    )  # fmt: skip
    driver.run(program(), lambda: any(isinstance(each, ProducerRetired) for each in events))
    assert [type(event) for event in events] == [Restored, Committed, ProducerRetired]
    value = metrics.registry.get_sample_value
    worker = {"worker": "registrar.0"}
    assert value("hub_restore_seconds", worker) == pytest.approx(1)
    assert value("hub_transaction_seconds_count", worker) == pytest.approx(1)
    retired = value("hub_producer_retired_total", {**worker, "reason": "timeout"})
    assert retired == pytest.approx(1)


@pytest.mark.parametrize(
    ("reason", "name"),
    [
        ("Local: This instance has been fenced by a newer instance", "fenced"),
        ("Local: Timed out", "timeout"),
        ("RocksDB: No space left on device", "disk"),
        ("Broker: Coordinator not available", "broker"),
    ],
)
def test_reasons_are_few(reason: str, name: str) -> None:
    """A label holds a class of reasons, never the broker's own words."""
    assert reason_class(reason) == name


def driver_of(**parts: Any) -> Driver:  # noqa: ANN401 - mocks
    """A driver of mocks that write into one book, or of what is given."""
    book = Mock()
    names = (
        "lease", "transactions", "inputs", "store", "business_clock", "engine_clock", "faults",
        "report",
    )  # fmt: skip
    return Driver(**{**{name: getattr(book, name) for name in names}, **parts})


def test_the_lease_is_taken_before_the_predecessor_is_fenced() -> None:
    """A second process on the machine must end before it has done any harm."""
    book = Mock()

    def start() -> Generator[requests.Request, Any, None]:
        yield requests.Initialise()
        yield requests.Consume(1, 0.0)

    driver = driver_of(lease=book.lease, transactions=book.transactions, faults=book.faults)
    driver.run(start(), lambda: True)
    assert [name for name, _args, _kwargs in book.mock_calls] == [
        "lease.take", "faults.reached", "transactions.initialise",
    ]  # fmt: skip


def test_a_start_is_reported_once() -> None:
    """What follows is work, however long it goes on."""
    events: list[Event] = []
    polls = iter([False, False, False, True])

    def begin() -> Generator[requests.Request, Any, None]:
        yield requests.Initialise()
        while True:
            yield requests.Consume(1, 0.0)

    part = cast("Any", Anything())
    driver = driver_of(engine_clock=part, report=events.append)
    driver.run(begin(), lambda: next(polls))
    assert [type(event) for event in events] == [Restored]


def test_a_worker_asked_to_stop_ends_its_transaction_first() -> None:
    """An open transaction would hold all readers up until it times out."""
    book = Mock()

    def work() -> Generator[requests.Request, Any, None]:
        while True:
            yield requests.Consume(1, 0.0)
            yield requests.Begin()
            yield requests.Produce([])
            yield requests.Commit()

    asked = iter([False])
    driver = driver_of(transactions=book, engine_clock=cast("Any", Anything()))
    driver.run(work(), lambda: next(asked, True))
    assert [name for name, _args, _kwargs in book.mock_calls] == ["begin", "produce", "commit"]


class Recorder:
    """A platform that writes down what is asked of it."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def submit(self, calls: Iterable[object]) -> None:
        """Let the calls leave."""
        self.asked.append(list(calls))

    def poll(self) -> list[CallResult]:
        """What has landed."""
        self.asked.append("collect")
        return [CallResult("d", "send", None)]

    def cancel_all(self) -> None:
        """Forget what is on its way."""
        self.asked.append("abandon")

    def close(self) -> None:
        """Nothing is held."""


def test_a_slot_that_delivers_reaches_its_platform_through_the_driver() -> None:
    """The same driver as the registrar's: one request module, one interpreter."""
    replies: list[object] = []

    def deliver() -> Generator[requests.Request, Any, None]:
        yield requests.CancelAll()
        yield requests.Submit([])
        replies.append((yield requests.Poll()))
        replies.append((yield requests.Seconds()))
        while True:
            yield requests.Consume(1, 0.0)

    part, platform = cast("Any", Anything()), Recorder()
    driver = Driver(
        lease=part, transactions=part, inputs=part, store=part, business_clock=part,
        engine_clock=part, faults=part, report=part, platform=cast("Any", platform),
    )  # fmt: skip
    driver.run(deliver(), lambda: True)
    assert platform.asked == ["abandon", [], "collect"]
    assert replies == [[CallResult("d", "send", None)], 1.0]
