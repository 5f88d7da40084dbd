"""A stand-in for the city's site: reads `delivery.city`, answers on `answers.city`.

    python standins/city.py --bootstrap HOST:PORT --prefix demo. --book FILE \
        --clock business-clock.json [--target city] [--control FILE] [--portfile P] \
        [--user demo.target.city --secrets FOLDER]
    python standins/city.py dump --book FILE

It imports nothing from the hub and uses no consumer group: its position is in its book, written in
one transaction with the effects. It forgets the answers of the moment it is killed in, as platforms
do; whoever wants them sends the same delivery again. The control file (conduct.py) is read when it
changes. The port file holds its process id and appears when it reads.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import json
import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

if not __package__:  # started as a script: only this file's folder is on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from standins.conduct import TOPIC_MANNERS, Conduct, spoiled
from standins.platform_book import Book, ClockFile, Entry, Request, canonical, dump, parse

if TYPE_CHECKING:
    from confluent_kafka import Message

_BATCH = 500
_POLL_SECONDS = 0.02
_PATIENCE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class PendingReply:
    """One message for `answers.<target>`, not before `due` (real seconds, monotonic; 0 = now)."""

    due: float
    key: bytes
    partition: int
    value: bytes


class City:
    """The platform: reads a batch, applies it, commits its book, then answers."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._book = Book(arguments.book, arguments.target)
        self._clock = ClockFile(arguments.clock)
        self._delivery = f"{arguments.prefix}delivery.{arguments.target}"
        self._answers = f"{arguments.prefix}answers.{arguments.target}"
        self._control: Path | None = arguments.control
        self._control_mark = -1
        self._conduct = Conduct()
        self._waiting: list[tuple[float, int, PendingReply]] = []
        self._count = 0
        self._lanes: dict[str, tuple[bytes, int]] = {}
        bootstrap = reach(arguments)
        self._producer = Producer(
            {**bootstrap, "enable.idempotence": True, "linger.ms": 2, "acks": "all"}
        )
        self._consumer = Consumer(
            {
                **bootstrap,
                "group.id": f"{arguments.prefix}target.{arguments.target}",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
            }
        )

    def open(self) -> None:
        """Find the partitions (waiting for the topic to be made) and go to the book's position."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            with contextlib.suppress(KafkaException):
                found = self._consumer.list_topics(self._delivery, timeout=5).topics
                if found[self._delivery].partitions:
                    break
            if time.monotonic() > deadline:
                message = f"没有主题 / no such topic: {self._delivery}"
                raise SystemExit(message)
            time.sleep(0.2)
        known = self._book.positions(self._delivery)
        self._consumer.assign(
            [
                TopicPartition(self._delivery, number, known.get(number, OFFSET_BEGINNING))
                for number in found[self._delivery].partitions
            ]
        )

    def step(self) -> None:
        """Read and apply one batch, make it durable, answer what is due."""
        self._obey()
        messages = self._consumer.consume(_BATCH, _POLL_SECONDS)
        answers: list[PendingReply] = []
        for message in messages:
            answers += self._take(message)
        for entry, record in self._book.publish_due(self._clock.now()):
            key, partition = self._lanes.get(record) or self._lane_of(record)
            answers.append(PendingReply(0.0, key, partition, canonical(entry.body())))
        self._book.commit()
        for answer in answers:
            self._count += 1  # answers due at one moment keep their order
            heapq.heappush(self._waiting, (answer.due, self._count, answer))
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            answer = heapq.heappop(self._waiting)[2]
            self._producer.produce(self._answers, answer.value, answer.key, answer.partition)
        self._producer.poll(0)

    def _obey(self) -> None:
        if self._control is None or not self._control.exists():
            return
        mark = self._control.stat().st_mtime_ns
        if mark != self._control_mark:
            self._control_mark = mark
            self._conduct = Conduct.read(self._control.read_text(encoding="utf-8"), TOPIC_MANNERS)

    def _take(self, message: Message) -> list[PendingReply]:
        partition, offset = message.partition(), message.offset()
        problem = message.error()
        if problem is not None or partition is None or offset is None:
            raise KafkaException(problem)
        self._book.advance(self._delivery, partition, offset + 1)
        lane = (message.key() or b"", partition)
        request = parse(message.value() or b"")
        if isinstance(request, str):
            body = canonical({"delivery": "", "stage": "refused", "code": "MALFORMED"})
            return [PendingReply(0.0, *lane, body)]
        return self._judge(request, lane)

    def _judge(self, request: Request, lane: tuple[bytes, int]) -> list[PendingReply]:
        manner = self._conduct.manner(request.delivery, self._book.times_seen(request.delivery))
        if manner == "never_lost":
            self._book.note("TOPIC", request, manner)
            return []
        refusal = self._conduct.refusal(request.record, request.version, request.fields)
        delay = int(self._conduct.publish_after_seconds * 1000)
        entry = self._book.apply(request, self._clock.now(), refusal, delay)
        verdict = "KEY_REUSED" if entry is None else entry.stage
        self._book.note("TOPIC", request, f"{verdict} {manner}".strip())
        if entry is None:
            message = "幂等键已用于其他内容 / key used for other content"
            entry = Entry(request.delivery, "refused", "", "", "KEY_REUSED", message, 0)
        if entry.stage == "acknowledged":
            self._remember(request.record, lane)
        if manner == "never_applied":
            return []
        due = time.monotonic() + self._conduct.late_seconds if manner == "late" else 0.0
        value = (
            b"<html>OK</html>" if manner == "not_json" else canonical(spoiled(entry.body(), manner))
        )
        return [PendingReply(due, *lane, value)] * (2 if manner == "twice" else 1)

    def _remember(self, record: str, lane: tuple[bytes, int]) -> None:
        self._lanes[record] = lane
        self._book.set_setting(f"lane {record}", json.dumps([lane[0].decode(), lane[1]]))

    def _lane_of(self, record: str) -> tuple[bytes, int]:
        key, partition = json.loads(self._book.setting(f"lane {record}") or '["", 0]')
        return key.encode(), partition

    def close(self) -> None:
        """Answer what is still waiting and close the book."""
        self._producer.flush(5)
        self._consumer.close()
        self._book.close()


def reach(arguments: argparse.Namespace) -> dict[str, str | int | float | bool]:
    """Say where the broker is, and who we are to it."""
    found: dict[str, str | int | float | bool] = {"bootstrap.servers": arguments.bootstrap}
    if arguments.secrets:
        password = Path(arguments.secrets, arguments.user).read_text(encoding="ascii")
        found |= {
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": arguments.user,
            "sasl.password": password.strip(),
        }
    return found


def serve(arguments: argparse.Namespace) -> None:
    """Read and answer until SIGTERM or SIGINT."""
    stopping = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    city = City(arguments)
    city.open()
    sys.stdout.write(f"city {os.getpid()}\n")
    sys.stdout.flush()
    if arguments.portfile:
        arguments.portfile.write_text(str(os.getpid()), encoding="utf-8")
    while not stopping:
        city.step()
    city.close()


def main(argv: list[str] | None = None) -> None:
    """Serve, or print the book as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", nargs="?", choices=("serve", "dump"), default="serve")
    parser.add_argument("--book", type=Path, required=True)
    parser.add_argument("--bootstrap", default="")
    parser.add_argument("--user", default="")
    parser.add_argument(
        "--secrets", default="", help='folder of password files; "": no authentication'
    )
    parser.add_argument("--prefix", default="")
    parser.add_argument("--target", default="city")
    parser.add_argument("--clock", type=Path)
    parser.add_argument("--control", type=Path)
    parser.add_argument("--portfile", type=Path)
    arguments = parser.parse_args(argv)
    if arguments.command == "dump":
        json.dump(dump(arguments.book), sys.stdout, ensure_ascii=False)
        return
    if not arguments.bootstrap or arguments.clock is None:
        parser.error("--bootstrap 和 --clock 必填 / are required to serve")
    serve(arguments)


if __name__ == "__main__":
    main()
