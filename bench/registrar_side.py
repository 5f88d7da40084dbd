"""One side of the registrar benchmark, in a process of its own: works when told a number."""

from __future__ import annotations

import gc
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, Producer, TopicPartition

from bench.sample_site import DEPARTMENT
from hub.adapters.kafka.client import FETCH_AHEAD
from hub.config.kafka_access import OPERATOR, KafkaAccess
from hub.config.repository import load_repository_contracts
from hub.config.settings import read_settings
from hub.config.site import load_site
from hub.embedded.parts import BackingServices
from hub.engine.events import Decided
from hub.runtime.post import WorkerContext
from hub.workers.registrar import run_registrar

if TYPE_CHECKING:
    from hub.workers.engine_watch import EngineEvent

PARTITIONS = 4
COPY_BATCH = 10_000
_TIMED_SHARE = 0.8


class Quota:
    """Reads the next quota from standard input, answers when it has been worked off.

    The clock starts after the first fifth: what was fetched ahead while the other side worked
    does not count.
    """

    def __init__(self) -> None:
        self.left = 0
        self._asked = 0
        self._begun_at = 0.0
        self._left_then = 0

    def next(self) -> bool:
        """False when there is no more to do. Blocks while nothing is asked."""
        if self.left > 0:
            if not self._begun_at and self.left <= self._asked * _TIMED_SHARE:
                self._begun_at, self._left_then = time.perf_counter(), self.left
            return True
        if self._asked:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            seconds = time.perf_counter() - self._begun_at
            print(self._left_then - self.left, seconds, peak, flush=True)
        line = sys.stdin.readline()
        if not line:
            return False
        self._asked = self.left = int(line)
        self._begun_at = 0.0
        return True


def copy(access: KafkaAccess, quota: Quota) -> None:
    """Consume, produce, commit with the bare client: nothing is read, nothing decided.

    Both sides fetch ahead as little as production does, so that what is read while the other one
    works does not count.
    """
    gc.set_threshold(50_000, 20, 20)
    topic = f"bench.submissions.{DEPARTMENT}"
    consumer = Consumer(
        {
            **FETCH_AHEAD, **access.as_librdkafka(), "group.id": "bench.copy",
            "enable.auto.commit": False, "isolation.level": "read_committed",
            "auto.offset.reset": "error",
        }
    )  # fmt: skip
    consumer.assign([TopicPartition(topic, p, 0) for p in range(PARTITIONS)])
    producer = Producer(
        {
            **access.as_librdkafka(), "transactional.id": "bench.copy", "linger.ms": 5,
            "compression.type": "lz4", "queue.buffering.max.messages": 200_000,
            "batch.size": 1_000_000, "batch.num.messages": 50_000,
        }
    )  # fmt: skip
    producer.init_transactions()
    while quota.next():
        messages = consumer.consume(COPY_BATCH, 0.2)
        if not messages:
            continue
        producer.begin_transaction()
        for message in messages:
            producer.produce(
                "bench.copies", message.value(), message.key(), message.partition() or 0,
                headers=message.headers(),
            )  # fmt: skip
        producer.flush()
        producer.commit_transaction()
        quota.left -= len(messages)


def registrar(parts: BackingServices, folder: Path, quota: Quota) -> None:
    """The real worker, driven until its quota is used up."""

    def report(event: EngineEvent) -> None:
        if isinstance(event, Decided):
            quota.left -= sum(n for each, n in event.counts.items() if "basis" not in each.kind)

    loaded = load_site(folder / "site")
    access = parts.require_kafka(loaded.site.user("worker.registrar.0"))
    contracts = load_repository_contracts()
    post = WorkerContext(loaded, contracts, access, folder / "slot", lambda: not quota.next())
    run_registrar(post, report)


if __name__ == "__main__":
    role, where = sys.argv[1], Path(sys.argv[2])
    running = BackingServices(read_settings({"HUB_STATE": str(where / "state")}))
    if role == "copy":
        copy(running.require_kafka(OPERATOR), Quota())
    else:
        registrar(running, where, Quota())
