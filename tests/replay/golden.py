"""The recorded ledger of each release, which must replay to equal bytes for ever.

`python -m tests.replay.golden` records that of the release in work: whenever `decide` is meant to
behave otherwise before that release is tagged. A tagged release's ledger never changes: from then
on other behaviour is a new decider version.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import fastavro

from hub import VERSION
from hub.core.record import decode_record, record_hash
from hub.domain import kinds
from hub.errors import FencedError
from hub.ports import InputRecord
from tests.driver.hub_test_driver import HubTestDriver, MemoryLog
from tests.replay.scenario import PREFIX, run_scenario, tell_again

GOLDEN = Path(__file__).parent / "golden"
TOPICS_FILE = "topics.avro"
SUMMARY_FILE = "summary.json"
_SCHEMA = fastavro.parse_schema(
    {
        "type": "record", "name": "KafkaRecord", "fields": [
            {"name": "topic", "type": "string"},
            {"name": "partition", "type": "int"},
            {"name": "offset", "type": "long"},
            {"name": "key", "type": "bytes"},
            {"name": "headers", "type": {"type": "array", "items": {
                "type": "record", "name": "Header", "fields": [
                    {"name": "name", "type": "string"}, {"name": "value", "type": "bytes"}]}}},
            {"name": "value", "type": "bytes"},
        ],
    }
)  # fmt: skip
_ONE_BLOCK = 1 << 30
_MARKER = bytes(16)


def releases() -> list[Path]:
    """The folder of each recorded release."""
    return sorted(path for path in GOLDEN.iterdir() if path.is_dir())


def read_golden(folder: Path) -> HubTestDriver:
    """A hub that has the recorded topics; it cannot run on."""
    hub = HubTestDriver.__new__(HubTestDriver)
    hub.prefix = PREFIX
    hub.log = MemoryLog()
    with (folder / TOPICS_FILE).open("rb") as stored:
        for item in fastavro.reader(stored):
            record: Any = item
            headers = tuple((h["name"], h["value"]) for h in record["headers"])
            place = (record["topic"], record["partition"])
            hub.log.logs[place].append(
                InputRecord(*place, record["offset"], record["key"], headers, record["value"])
            )
    topics = {topic for topic, _partition in hub.log.logs}
    hub.partitions = 1 + max(partition for _topic, partition in hub.log.logs)
    hub.departments = _named(topics, "submissions")
    hub.targets = _named(topics, "outcomes")
    return hub


def summary_of(hub: HubTestDriver) -> dict[str, Any]:
    """What a person may hold against another recording: counts, and the end of each chain."""
    outcomes = Counter(
        decode_record(stored.value).outcome.name.lower()
        for partition in range(hub.partitions)
        for stored in hub.raw_ledger(partition)
    )
    heads = [record_hash(hub.raw_ledger(p)[-1].value).hex() for p in range(hub.partitions)]
    return {"outcomes": dict(sorted(outcomes.items())), "heads": heads}


def record_scenario() -> HubTestDriver:
    """The scenario, then targets told again, ended by handing a partition to another slot."""
    hub = run_scenario()
    tell_again(hub)
    owner = json.dumps({"owner": "registrar.1"}).encode()
    hub.put("control", 0, b"", owner, (("ce_type", kinds.MAP_CHANGED.encode()),))
    with suppress(FencedError):
        hub.run()
    return hub


def write_golden(hub: HubTestDriver, folder: Path) -> None:
    """Record every topic; the same hub gives the same files."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / TOPICS_FILE).open("wb") as stored:
        fastavro.writer(
            stored, _SCHEMA, _records(hub), codec="xz", sync_interval=_ONE_BLOCK,
            sync_marker=_MARKER,
        )  # fmt: skip
    text = json.dumps(summary_of(hub), indent=2) + "\n"
    (folder / SUMMARY_FILE).write_text(text, encoding="utf-8")


def _records(hub: HubTestDriver) -> Iterator[dict[str, Any]]:
    for place in sorted(hub.log.logs):
        for record in hub.log.logs[place]:
            headers = [{"name": name, "value": value} for name, value in record.headers]
            yield {**record._asdict(), "headers": headers}


def _named(topics: set[str], family: str) -> tuple[str, ...]:
    head = f"{PREFIX}{family}."
    return tuple(sorted(topic[len(head) :] for topic in topics if topic.startswith(head)))


if __name__ == "__main__":
    write_golden(record_scenario(), GOLDEN / f"v{VERSION}")
