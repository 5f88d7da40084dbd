"""Metrics are documented and bounded; health is progress."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http import HTTPStatus

import pytest

from hub.errors import ConfigurationError
from hub.metrics import OTHER, Health, Metrics, document, serve
from hub.repository import ROOT

IDENTIFIERS = ("code", "number", "name", "record", "document", "subject", "key", "sequence")


def read(port: int, path: str) -> tuple[int, str]:
    """Status and body of a GET."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_every_metric_is_documented() -> None:
    """docs/metrics.md is what `python -m hub.metrics` prints."""
    assert (ROOT / "docs/metrics.md").read_text("utf-8") == document()


def test_no_label_is_an_identifier() -> None:
    """A label named after something that identifies a company or record is refused."""
    labels = {label for metric in Metrics().described for label in metric.labels}
    assert not [label for label in labels if any(word in label for word in IDENTIFIERS)]


def test_names_say_their_unit() -> None:
    """Counters end in `_total`, everything begins with `hub_`."""
    for metric in Metrics().described:
        assert metric.name.startswith("hub_")
        assert metric.name.endswith("_total") == (metric.type == "counter")


def test_a_kind_nobody_knows_makes_no_series_of_its_own() -> None:
    """`ce_type` is written by the sender: unknown ones share a label."""
    metrics = Metrics(kinds=["licence.granted.v1"])
    metrics.count_decisions(
        {"accepted|d|licence.granted.v1": 2, "quarantined|d|x1": 1, "quarantined|d|x2": 1}
    )
    assert metrics.registry.get_sample_value(
        "hub_outcomes_total", {"department": "d", "kind": OTHER, "outcome": "quarantined"}
    ) == pytest.approx(2)


def test_what_nobody_submitted_is_no_outcome_of_a_department() -> None:
    """Timers count as ledger records only."""
    metrics = Metrics()
    metrics.count_decisions({"overdue||": 3})
    value = metrics.registry.get_sample_value("hub_ledger_records_total", {"outcome": "overdue"})
    assert value == pytest.approx(3)
    assert "hub_outcomes_total{" not in document()
    samples = [s for m in metrics.registry.collect() if m.name == "hub_outcomes" for s in m.samples]
    assert samples == []


def test_health_is_progress() -> None:
    """Stalled after the limit, well again after progress or an empty poll."""
    now = 0.0
    health = Health("registrar", 10, lambda: now)
    with serve(0, health, Metrics().registry) as server:
        assert read(server.port, "/health")[0] == HTTPStatus.OK
        now = 11.0
        status, body = read(server.port, "/health")
        assert status == HTTPStatus.SERVICE_UNAVAILABLE
        assert json.loads(body)["status"] == "stalled"
        health.idle()
        status, body = read(server.port, "/health")
        assert (status, json.loads(body)["idle"]) == (HTTPStatus.OK, True)
        now = 20.0
        health.progress()
        assert json.loads(read(server.port, "/health")[1])["idle"] is False


def test_metrics_are_served_in_prometheus_text() -> None:
    """`/metrics` holds what was counted."""
    metrics = Metrics()
    metrics.delivery_attempts.labels("province", "accepted").inc()
    with serve(0, Health("courier"), metrics.registry) as server:
        _, body = read(server.port, "/metrics")
        assert 'hub_delivery_attempts_total{outcome="accepted",target="province"} 1.0' in body
        assert read(server.port, "/elsewhere")[0] == HTTPStatus.NOT_FOUND


def test_a_port_in_use_is_the_operators_to_change() -> None:
    """The message names the port and the remedy."""
    health, metrics = Health("a"), Metrics()
    with (
        serve(0, health, metrics.registry) as server,
        pytest.raises(ConfigurationError, match=str(server.port)),
    ):
        serve(server.port, health, metrics.registry)
