"""A receiving platform over Kafka: `platform_consumer.py TARGET PREFIX BOOK.sqlite`."""

import json
import os
import sqlite3
import sys
from datetime import UTC, datetime
from hashlib import sha256

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Producer, TopicPartition

TABLES = """CREATE TABLE IF NOT EXISTS shown (record PRIMARY KEY, version, action, fields);
CREATE TABLE IF NOT EXISTS answers (delivery PRIMARY KEY, answer);
CREATE TABLE IF NOT EXISTS positions (partition PRIMARY KEY, following);"""
KAFKA = {name[11:].lower().replace("_", "."): value
         for name, value in os.environ.items() if name.startswith("LIBRDKAFKA_")}  # fmt: skip


def take(book: sqlite3.Connection, told: dict[str, str]) -> str:
    """Take one delivery in and say what to answer; what is known already is answered as before."""
    known = book.execute("SELECT answer FROM answers WHERE delivery = ?", (told["delivery"],))
    if row := known.fetchone():
        return str(row[0])
    fields = json.dumps(told["fields"], sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    answer = {"delivery": told["delivery"], "receipt": "R-" + told["delivery"],
              "stage": "published" if told["action"] == "publish" else "withdrawn",
              "digest": sha256(fields.encode()).hexdigest(),
              "at": datetime.now(UTC).isoformat()}  # fmt: skip
    held = book.execute("SELECT version FROM shown WHERE record = ?", (told["record"],)).fetchone()
    if answer["digest"] != told["digest"]:
        answer |= {"stage": "refused", "code": "DIGEST_MISMATCH"}
    elif held and int(told["version"]) < held[0]:  # an equal version is a resend: the last stands
        answer |= {"stage": "refused", "code": "VERSION_OLD"}
    else:
        shown = (told["record"], told["version"], told["action"], fields)
        book.execute("INSERT OR REPLACE INTO shown VALUES (?, ?, ?, ?)", shown)
    book.execute("INSERT INTO answers VALUES (?, ?)", (told["delivery"], json.dumps(answer)))
    return json.dumps(answer)


target, prefix, book = sys.argv[1], sys.argv[2], sqlite3.connect(sys.argv[3])
topic, group = f"{prefix}delivery.{target}", f"{prefix}target.{target}"
reading = {"isolation.level": "read_committed", "auto.offset.reset": "error", "group.id": group}
consumer = Consumer({**KAFKA, **reading, "enable.auto.commit": "false"})
producer = Producer({**KAFKA, "enable.idempotence": "true"})
book.executescript(TABLES)
every = dict.fromkeys(consumer.list_topics(topic, 30).topics[topic].partitions, OFFSET_BEGINNING)
positions = (every | dict(book.execute("SELECT * FROM positions"))).items()
consumer.assign([TopicPartition(topic, number, offset) for number, offset in positions])
while True:  # effect, answer and position are committed together; only then is the answer sent
    for message in consumer.consume(500, 0.5):
        if error := message.error():
            raise KafkaException(error)
        said = take(book, json.loads(message.value() or b""))
        number, following = message.partition() or 0, (message.offset() or 0) + 1
        book.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", (number, following))
        book.commit()
        producer.produce(f"{prefix}answers.{target}", said, message.key(), number)
    producer.flush(30)
