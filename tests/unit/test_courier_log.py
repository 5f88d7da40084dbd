"""What a courier logs of deliveries in trouble: enough to ask the platform, nothing of the row."""

from __future__ import annotations

import logging

import pytest

from hub.engine.events import DeliveryTrouble, PlatformTrouble, QueueState, Troubled
from hub.runtime.metrics import Health, Metrics
from hub.workers.courier import CourierWatch

PARKED = DeliveryTrouble("6b2f", 3, 17, "HTTP 500")


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[object, ...]]:
    """Delivery, place in the ledger and reason of each line."""
    names = ("delivery", "partition", "sequence", "reason")
    return [tuple(getattr(line, name, None) for name in names) for line in caplog.records]


def test_a_parked_delivery_is_logged_with_its_id_place_and_reason(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The runbook sends people to the log for it."""
    watch = CourierWatch(Metrics(), Health("courier.city"), "city")
    with caplog.at_level(logging.WARNING, "hub.courier"):
        watch.report(Troubled((PARKED,)))
    assert told(caplog) == [("6b2f", 3, 17, "HTTP 500")]


def test_why_a_platform_is_away_is_logged_once_until_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is asked every few seconds; another reason, or the next time, is news again."""
    watch = CourierWatch(Metrics(), Health("courier.city"), "city")
    with caplog.at_level(logging.WARNING, "hub.courier"):
        for why in ("HTTP 503", "HTTP 503", "HTTP 401"):
            watch.report(Troubled((PlatformTrouble(why),)))
            watch.report(QueueState({}, is_away=True))
        watch.report(QueueState({}, is_away=False))
        watch.report(Troubled((PlatformTrouble("HTTP 401"),)))
    assert [line[3] for line in told(caplog)] == ["HTTP 503", "HTTP 401", "HTTP 401"]
