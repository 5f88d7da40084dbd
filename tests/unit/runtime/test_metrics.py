"""Metrics are documented and bounded; health is progress."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from http import HTTPStatus
from typing import Any

import pytest
from prometheus_client.metrics import MetricWrapperBase

from hub.config.repository import ROOT
from hub.config.settings import read_settings
from hub.engine.events import ClockBelieved, ClockUnconfirmed
from hub.errors import ConfigurationError
from hub.runtime.metrics import OTHER, Health, Metrics, document, serve
from hub.workers.notices import NoticesWatch
from hub.workers.registrar import RegistrarWatch

IDENTIFIERS = ("code", "number", "name", "record", "document", "subject", "key", "sequence")


def read(port: int, path: str) -> tuple[int, str]:
    """Status and body of a GET."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_metrics_are_served_to_this_machine_alone_unless_somebody_says_otherwise() -> None:
    """A container says so, on a network of its own."""
    assert read_settings({}).metrics_host == "127.0.0.1"
    assert read_settings({"HUB_METRICS_HOST": "0.0.0.0"}).metrics_host == "0.0.0.0"


def test_every_metric_is_documented() -> None:
    """docs/metrics.md is what `python -m hub.runtime.metrics` prints."""
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
    assert metrics.kind_label("licence.granted.v1") == "licence.granted.v1"
    assert {metrics.kind_label("x1"), metrics.kind_label("x2")} == {OTHER}


def test_a_worker_counts_every_metric_that_is_defined() -> None:
    """A metric nobody sets says 0 for ever: defined here, used somewhere else in the hub."""
    sources = [*(ROOT / "hub").rglob("*.py"), *(ROOT / "connectors").rglob("*.py")]
    text = "".join(path.read_text("utf-8") for path in sources if path.name != "metrics.py")
    made = [name for name, value in vars(Metrics()).items() if isinstance(value, MetricWrapperBase)]
    assert len(made) == len(Metrics().described)
    assert [name for name in made if f"metrics.{name}" not in text] == []


def test_a_scrape_while_a_gauge_is_filled_anew_finds_what_goes_on() -> None:
    """What stays is never away; what is gone is gone afterwards, and not before."""
    metrics = Metrics()
    metrics.refill(metrics.due_within, {("1",): 5, ("3",): 7})
    scraped: list[set[str]] = []

    class Watched(dict[tuple[str, ...], float]):
        """Somebody scrapes at each value that is handed over."""

        def items(self) -> Any:  # noqa: ANN401 - a dictionary's own view
            for item in super().items():
                scraped.append(_days(metrics))
                yield item

    metrics.refill(metrics.due_within, Watched({("1",): 6, ("7",): 8}))
    assert scraped
    assert all({"1", "3"} <= days for days in scraped)
    assert _days(metrics) == {"1", "7"}
    assert metrics.registry.get_sample_value("hub_due_within", {"days": "1"}) == 6


def _days(metrics: Metrics) -> set[str]:
    (family,) = metrics.due_within.collect()
    return {sample.labels["days"] for sample in family.samples}


def test_nothing_clears_a_gauge_that_is_scraped() -> None:
    """`clear` and then filling leaves holes: `refill` is there for it."""
    for path in (ROOT / "hub").rglob("*.py"):
        text = path.read_text("utf-8")
        assert not re.search(r"(metrics\.\w+|gauge)\.clear\(\)", text), path


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


def test_a_worker_that_begins_again_and_again_is_not_healthy_until_it_has_got_over_it() -> None:
    """Though it gets on a little each time: five starts in a minute; slower ones are none."""
    now = 1000.0
    health = Health("registrar.0", seconds=lambda: now)
    for count in range(1, 6):
        health.restarted()
        health.progress()
        assert health.is_healthy is (count < 5)
        now += 12
    assert (health.is_alive, health.report()["code"]) == (True, "WORKER_REPEATS")
    now += 4
    health.idle()
    assert health.is_healthy
    assert health.report()["status"] == "ok"
    for _ in range(5):
        now += 15.1
        health.restarted()
        health.idle()
        assert health.is_healthy


def test_a_worker_that_waits_for_a_person_says_why_and_is_alive() -> None:
    """Not well, and starting it again would not help; one that hangs meanwhile is not alive."""
    now = 0.0
    health = Health("registrar.0", 10, lambda: now)
    watch = RegistrarWatch(Metrics(), health)
    with serve(0, health, Metrics().registry) as server:
        now = 9.0
        watch.report(ClockUnconfirmed(3650.4))
        now = 19.0
        status, body = read(server.port, "/health")
        told = json.loads(body)
        assert status == HTTPStatus.SERVICE_UNAVAILABLE
        assert (told["status"], told["code"]) == ("stopped", "CLOCK_UNCONFIRMED")
        assert "3650 天" in told["zh"]
        assert "the hub is stopped because this machine's clock is 3650 days" in told["en"]
        assert "hub clock confirm" in told["remedy_zh"]
        assert "hub clock confirm" in told["remedy_en"]
        assert read(server.port, "/alive")[0] == HTTPStatus.OK
        now = 19.1
        assert json.loads(read(server.port, "/health")[1])["status"] == "stalled"
        assert read(server.port, "/alive")[0] == HTTPStatus.SERVICE_UNAVAILABLE
        watch.report(ClockBelieved())
        status, body = read(server.port, "/health")
        assert (status, json.loads(body)["status"]) == (HTTPStatus.OK, "ok")
        assert "code" not in json.loads(body)


@pytest.mark.parametrize(
    ("worker", "make"), [("registrar.0", RegistrarWatch), ("notices", NoticesWatch)]
)
def test_a_clock_that_waits_for_a_person_is_a_metric_and_one_line_of_the_log(
    worker: str, make: type[RegistrarWatch | NoticesWatch], caplog: pytest.LogCaptureFixture
) -> None:
    """There from the start, 1 while it waits; not a line at every look."""
    metrics = Metrics()
    watch = make(metrics, Health(worker))
    values = [metrics.registry.get_sample_value("hub_clock_unconfirmed", {"worker": worker})]
    for event in (ClockUnconfirmed(11.0), ClockUnconfirmed(11.0), ClockBelieved()):
        watch.report(event)
        values.append(
            metrics.registry.get_sample_value("hub_clock_unconfirmed", {"worker": worker})
        )
    assert values == [0, 1, 1, 0]
    (line,) = caplog.records
    assert line.__dict__["problem"] == "CLOCK_UNCONFIRMED"
    assert "hub clock confirm" in line.message


def test_a_worker_that_hangs_says_so_where_prometheus_looks() -> None:
    """`up` stays 1 while a worker hangs: the port is answered by a thread of its own."""
    now = 0.0
    health, metrics = Health("registrar.0", 10, lambda: now), Metrics()
    metrics.since_progress.labels("registrar.0").set_function(health.seconds_since_progress)
    with serve(0, health, metrics.registry) as server:
        now = 130.0
        page = read(server.port, "/metrics")[1]
        assert 'hub_seconds_since_progress{worker="registrar.0"} 130.0' in page
        health.progress()
        assert 'worker="registrar.0"} 0.0' in read(server.port, "/metrics")[1]


@pytest.mark.parametrize("module", ["hub/commands/run", "connectors/commands/connector"])
def test_every_command_that_serves_metrics_says_how_long_it_has_not_got_on(module: str) -> None:
    """A worker without the series would hang unseen."""
    source = (ROOT / f"{module}.py").read_text("utf-8")
    assert source.count("Health(") == source.count(".set_function(health.seconds_since_progress)")


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
