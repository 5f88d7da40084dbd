"""Every series an alert looks at comes from a running hub, as Prometheus itself scrapes it."""

import json
import os
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import yaml
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from hub.adapters.kafka.client import KafkaInputs, OldestInput
from hub.config.repository import DEPLOY
from tests.conftest import KafkaPart, PostgresPart
from tests.faults.whole_hub import COMMANDS, WholeHub
from tests.unit.test_alerts import ALERTS, NOT_OURS, metrics_in_alerts

pytestmark = pytest.mark.kafka
_PATIENCE_SECONDS = 30.0
WAITED_FOR = {
    "registrar.0", "courier.province", "courier.city", "courier.nation", "courier.drop", "receipts",
    "notices", "projector",
}  # fmt: skip
"""Those that follow inputs of Kafka; of a connector it is the cursor that ages."""


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def _prometheus(folder: Path, ports: dict[str, int]) -> Iterator[str]:
    """A Prometheus with our configuration, scraping these workers; yields its address."""
    configuration = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text("utf-8"))
    configuration["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    (job,) = configuration["scrape_configs"]
    job["static_configs"] = [
        {"targets": [f"127.0.0.1:{port}"], "labels": {"worker": worker}}
        for worker, port in ports.items()
    ]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration), "utf-8")
    shutil.copy(DEPLOY / "prometheus/alerts.yaml", folder)
    port = _free_port()
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml",
             f"--storage.tsdb.path={folder}/tsdb", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log,
        )  # fmt: skip
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def _ask(address: str, path: str, **words: str) -> list[dict[str, dict[str, str]]]:
    with urllib.request.urlopen(
        f"{address}{path}?{urllib.parse.urlencode(words)}", timeout=5
    ) as answer:
        data = json.load(answer)["data"]
    found: list[dict[str, dict[str, str]]] = data["result"] if "result" in data else data["groups"]
    return found


def _scraped(address: str) -> set[str]:
    """Names of all series Prometheus has, from the workers alone."""
    series = _ask(address, "/api/v1/query", query='count by (__name__) ({job="hub"})')
    return {one["metric"]["__name__"] for one in series}


def _up(address: str) -> set[str]:
    """Workers whose last scrape was answered."""
    up = _ask(address, "/api/v1/query", query='up{job="hub"} == 1')
    return {one["metric"]["worker"] for one in up}


def test_the_age_of_the_oldest_input_is_the_brokers(kafka: KafkaPart, prefix: str) -> None:
    """In real time, since the broker had it; nothing waits once everything has been read."""
    topic = f"{prefix}waiting"
    admin = AdminClient(kafka.access.as_librdkafka())
    for made in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        made.result(20)
    producer = Producer(kafka.access.as_librdkafka())
    producer.produce(topic, b"first", timestamp=int((time.time() - 400) * 1000))
    producer.produce(topic, b"second")
    assert producer.flush(20) == 0
    told: list[float] = []
    waiting = OldestInput(lambda age: told.append(age.seconds))
    with closing(KafkaInputs(kafka.access, f"{prefix}waiting", waiting)) as inputs:
        inputs.assign({(topic, 0): 0})
        deadline = time.monotonic() + _PATIENCE_SECONDS
        read = 0
        while (read < 2 or told[-1]) and time.monotonic() < deadline:
            read += len(inputs.consume(10, 0.1))
    assert 400 <= max(told) < 400 + _PATIENCE_SECONDS
    assert told[-1] == 0


@pytest.mark.programs("prometheus")
def test_every_series_of_an_alert_is_scraped_from_a_running_hub(
    kafka: KafkaPart, postgres: PostgresPart, tmp_path: Path
) -> None:
    """An alert over a series that no worker serves would be silent for ever."""
    hub = WholeHub(tmp_path, kafka.access, postgres.dsn, f"alerts{os.getpid()}.")
    hub.metrics_ports = {worker: _free_port() for worker in COMMANDS}
    try:
        hub.run(())
        with _prometheus(tmp_path, hub.metrics_ports) as address:
            wanted = (metrics_in_alerts() - NOT_OURS, set(COMMANDS))
            deadline = time.monotonic() + _PATIENCE_SECONDS
            missing = wanted
            while any(missing) and time.monotonic() < deadline:
                time.sleep(0.5)
                try:
                    missing = (wanted[0] - _scraped(address), wanted[1] - _up(address))
                except OSError:
                    continue
            assert missing == (set(), set())
            ages = _ask(address, "/api/v1/query", query="hub_oldest_unprocessed_age_seconds")
            assert {one["metric"]["worker"] for one in ages} >= WAITED_FOR
            groups = _ask(address, "/api/v1/rules", type="alert")
            loaded = {rule["name"] for group in groups for rule in group["rules"]}  # type: ignore[index] # JSON
            assert loaded == set(ALERTS)
    finally:
        hub.close()
