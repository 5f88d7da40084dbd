"""The main job on one machine as deployed: its units, its Kafka with users and rights."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from hub.secret import Secret
from hub.settings import Settings
from tests.deploy.county import SITE
from tests.deploy.machine import Machine

pytestmark = [pytest.mark.kafka, pytest.mark.faults]
_PATIENCE_SECONDS = 60.0


@pytest.fixture
def machine(tmp_path: Path, settings: Settings) -> Iterator[Machine]:
    """The county's machine, nothing started yet."""
    made = Machine(tmp_path, SITE, settings, "host=127.0.0.1")
    with made.supervisor:
        yield made


def test_the_county_s_kafka_knows_its_operator_and_nobody_else(machine: Machine) -> None:
    """kafka.service formats, starts, and asks for a password; a second start keeps the data."""
    machine.supervisor.start("kafka.service")
    operator = machine.access()
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not _answers(operator.as_librdkafka()):
        assert time.monotonic() < deadline, machine.supervisor.said("kafka.service")
        time.sleep(0.1)
    stranger = replace(operator, password=Secret("guessed"))
    assert not _answers(stranger.as_librdkafka())
    assert not _answers(replace(operator, user="", password=Secret("")).as_librdkafka())
    assert operator.password.reveal() not in machine.supervisor.said("kafka.service")


def _answers(settings: dict[str, str | int | float | bool]) -> bool:
    admin = AdminClient({**settings, "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=3).brokers)
    except KafkaException:
        return False
