"""The thin loop under a slot: when it ends, and what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest

from hub.engine import requests
from hub.engine.drive import Driver
from hub.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator


def driver_of(**parts: Any) -> Driver:  # noqa: ANN401 - mocks
    """Return a driver of parts that do nothing, or what is given."""
    names = (
        "lease", "transactions", "inputs", "store", "business_clock", "engine_clock", "faults",
        "report",
    )  # fmt: skip
    return Driver(**{**{name: Mock() for name in names}, **parts})


def test_a_worker_that_cannot_start_again_still_obeys_when_asked_to_stop() -> None:
    """A full disk or an absent broker must not make SIGTERM wait for the repair."""

    def program() -> Generator[requests.Request, Any, None]:
        while True:
            yield requests.Wait(5.0)

    clock = Mock()
    driver_of(engine_clock=clock).run(program(), Mock(side_effect=[False, False, True]))
    assert clock.sleep.call_count == 2


def test_why_everything_is_started_again_is_said_in_full() -> None:
    """The words of the failure reach whoever reads the log, remedy included."""
    heard: list[str] = []

    def program() -> Generator[requests.Request, Any, None]:
        failed = yield requests.WriteState({})
        yield requests.Retire(failed.reason)
        yield requests.Wait(0)

    store = Mock()
    store.write.side_effect = UnavailableError("磁盘已满 / the disk is full")
    driver_of(store=store, warn=heard.append).run(program(), lambda: True)
    assert heard == ["磁盘已满 / the disk is full"]


def test_the_time_is_remembered_only_while_the_clock_is_believed() -> None:
    """What was noted while it had jumped would vouch for it at the next start."""

    def program() -> Generator[requests.Request, Any, None]:
        yield requests.Evidence()
        for _ in range(3):
            yield requests.HasJumped()
        yield requests.Wait(0)

    clock, witness = Mock(), Mock()
    clock.has_jumped.side_effect = [True, False, True]
    driver_of(business_clock=clock, witness=witness).run(program(), lambda: True)
    assert [call[0] for call in witness.method_calls] == ["evidence", "note"]


def test_a_slot_that_judges_the_clock_is_not_run_without_a_witness() -> None:
    """It would decide under any clock."""

    def program() -> Generator[requests.Request, Any, None]:
        yield requests.Evidence()

    with pytest.raises(AssertionError, match="witness"):
        driver_of().run(program(), lambda: True)
