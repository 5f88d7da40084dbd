"""The stand-in city on a real broker: effects, answers, and what it does when told to misbehave."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from hub.config.kafka_access import KafkaAccess
from tests.conftest import KafkaPart
from tests.standins.test_province import body, withdrawal

pytestmark = pytest.mark.kafka
HERE = Path(__file__).parents[2] / "standins"
KEY = b"91330900MA00000156"
PARTITIONS = 2


class RunningCity:
    """A running city, and a hub's end of its two topics."""

    def __init__(self, access: KafkaAccess, prefix: str, folder: Path) -> None:
        self.access, self.prefix, self.folder = access, prefix, folder
        self.set_clock(1_793_000_000_000)
        topics = [f"{prefix}delivery.city", f"{prefix}answers.city"]
        admin = AdminClient(access.as_librdkafka())
        made = admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in topics])
        for one in made.values():
            one.result(30)
        self.producer = Producer({**access.as_librdkafka(), "linger.ms": 1})
        self.consumer = Consumer({**access.as_librdkafka(), "group.id": f"{prefix}test"})
        self.consumer.assign([TopicPartition(topics[1], n, 0) for n in range(PARTITIONS)])
        self.start()

    def set_clock(self, origin: int) -> None:
        """Stop the business clock at this moment."""
        clock = {"origin_real_ms": 0, "origin_business_ms": origin, "factor": 0}
        (self.folder / "clock.json").write_text(json.dumps(clock), encoding="utf-8")

    def control(self, **orders: object) -> None:
        """Write the control file; the city reads it before its next batch."""
        (self.folder / "control.json").write_text(json.dumps(orders), encoding="utf-8")

    def start(self) -> None:
        """Start the process; what is sent before it reads is waiting for it."""
        self.process = subprocess.Popen(
            [
                *(sys.executable, str(HERE / "city.py"), "--bootstrap", self.access.bootstrap),
                *("--user", self.access.user, "--secrets", str(self.access.secrets or "")),
                *("--prefix", self.prefix, "--book", str(self.folder / "book.sqlite")),
                *("--clock", str(self.folder / "clock.json")),
                *("--control", str(self.folder / "control.json")),
            ],
            stdout=subprocess.DEVNULL,
        )

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and wait for the end."""
        self.process.send_signal(sign)
        self.process.wait(20)

    def send(self, *told: dict[str, object]) -> None:
        """Put deliveries on the topic, all in partition 1."""
        for one in told:
            self.producer.produce(
                f"{self.prefix}delivery.city", json.dumps(one).encode(), KEY, partition=1
            )
        assert self.producer.flush(10) == 0

    def answers(self, count: int, seconds: float = 15) -> list[dict[str, object]]:
        """Wait for so many answers, each under the key and partition it was asked on."""
        found: list[dict[str, object]] = []
        deadline = time.monotonic() + seconds
        while len(found) < count and time.monotonic() < deadline:
            for message in self.consumer.consume(count - len(found), 0.1):
                assert message.error() is None
                assert (message.key(), message.partition()) == (KEY, 1)
                found.append(json.loads(message.value() or b""))
        assert len(found) == count
        return found

    def book(self) -> dict[str, dict[str, object]]:
        """Return what the city shows, through its own dump command."""
        printed = subprocess.run(
            [sys.executable, HERE / "city.py", "dump", "--book", self.folder / "book.sqlite"],
            capture_output=True,
            check=True,
        )
        shown: dict[str, dict[str, object]] = json.loads(printed.stdout)
        return shown


@pytest.fixture
def city(kafka: KafkaPart, prefix: str, tmp_path: Path) -> Iterator[RunningCity]:
    """Give a running city with an empty book."""
    platform = RunningCity(kafka.access, prefix, tmp_path)
    yield platform
    platform.stop()
    platform.consumer.close()


def test_a_delivery_is_applied_and_answered_on_its_own_partition(city: RunningCity) -> None:
    """Publish, then withdraw: two answers, and the book shows the withdrawal."""
    city.send(body(1), withdrawal(2))
    first, second = city.answers(2)
    assert (first["stage"], second["stage"]) == ("published", "withdrawn")
    assert first["digest"] == body(1)["digest"]
    shown = city.book()["ab" * 16]
    assert (shown["version"], shown["stage"], shown["fields"]) == (2, "withdrawn", {})


def test_a_repeat_gets_the_first_receipt_and_a_refusal_its_code(city: RunningCity) -> None:
    """Same id, same receipt; older version and reused id are refused by code."""
    city.send(body(2), body(2), body(1), body(2) | {"reason": "other"})
    first, again, old, reused = city.answers(4)
    assert first == again
    assert (old["stage"], old["code"]) == ("refused", "VERSION_OLD")
    assert (reused["stage"], reused["code"]) == ("refused", "KEY_REUSED")


def test_a_killed_city_goes_on_where_its_book_ends(city: RunningCity) -> None:
    """After SIGKILL nothing is applied twice and nothing is left out."""
    told = [body(record=f"{number:032x}") for number in range(400)]
    city.send(*told[:200])
    city.answers(1)
    city.stop(signal.SIGKILL)
    city.send(*told[200:])
    city.start()
    deadline = time.monotonic() + 20
    while len(city.book()) < 400 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert set(city.book()) == {str(one["record"]) for one in told}


def test_it_misbehaves_as_told(city: RunningCity) -> None:
    """Never, lost, twice, wrong and late, each on its own record and in this order."""
    manners = ["never_applied", "never_lost", "twice", "wrong_digest", "late"]
    city.control(following=[[manner, 1] for manner in manners], late_seconds=0.3)
    told = [body(record=f"{number:032x}") for number in range(5)]
    city.send(*told)
    answers = city.answers(4)
    assert [one["delivery"] for one in answers] == [told[n]["delivery"] for n in (2, 2, 3, 4)]
    assert answers[0] == answers[1]
    assert answers[2]["digest"] != told[3]["digest"]
    assert set(city.book()) == {str(told[n]["record"]) for n in (0, 2, 3, 4)}


def test_it_publishes_later_on_the_business_clock(city: RunningCity) -> None:
    """Acknowledged first; published, at its own time, once the clock has gone on."""
    city.control(publish_after_seconds=3600)
    city.send(body())
    (first,) = city.answers(1)
    assert first["stage"] == "acknowledged"
    city.set_clock(1_793_000_000_000 + 7_200_000)
    (second,) = city.answers(1)
    assert (second["stage"], second["receipt"]) == ("published", first["receipt"])
    assert second["at"] == "2026-10-26T08:33:20.000+00:00"
