"""The notices on a real broker: all is told, though the follower is killed at each hook."""

import os
import signal
import subprocess
import sys
import time

import pytest

from hub.adapters.clocks import write_business_clock
from hub.adapters.kafka.appender import KafkaAppender
from hub.adapters.kafka.client import KafkaInputs
from hub.core.keys import GENESIS
from hub.ports import InputRecord, OutputRecord
from hub.views.notices import SEEN, Mark, Notice, decode_notice
from tests.driver.rows import at
from tests.kafka.test_file_connector import PARTITIONS, ConnectorPlace
from tests.kafka.test_receipts_follower import HOOKS, NUMBER, place, worker
from tests.unit.connectors.made import LICENCE_ROW, ROOT, table

__all__ = ["place"]

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

ROWS = 200


def read(place: ConnectorPlace, topic: str) -> list[InputRecord]:
    """Everything a topic holds."""
    inputs = KafkaInputs(place.kafka.access, "test")
    positions = {(f"{place.prefix}{topic}", partition): 0 for partition in range(PARTITIONS)}
    found = [record for batch in inputs.read_to_end(positions) for record in batch]
    inputs.close()
    return found


def submit(place: ConnectorPlace, name: str) -> None:
    """Drop a file and let the connector submit it."""
    rows = [{**LICENCE_ROW, NUMBER: f"{name}-{n}号"} for n in range(ROWS)]
    (place.folder / f"inbox/licences/{name}.csv").write_bytes(table(*rows))
    assert place.run().returncode == 0


def test_every_record_is_told_though_the_follower_is_killed_at_every_hook(
    place: ConnectorPlace,
) -> None:
    """Each id stands for one content, order is the ledger's, and the topic has no transaction."""
    killed = 0
    with worker(place, "registrar"):
        submit(place, "first")
        for hook in HOOKS:
            with worker(place, "notices", fault=f"{hook}:kill:1") as process:
                killed += process.wait(30) == -signal.SIGKILL
        submit(place, "second")
        with worker(place, "notices"):
            for _ in range(200):
                found = read(place, "notices")
                told = [r for r in found if isinstance(decode_notice(r.value), Notice)]
                if len({dict(r.headers)["ce_id"] for r in told}) == 2 * ROWS:
                    break
                time.sleep(0.1)
    assert killed == len(HOOKS)
    by_id: dict[str, bytes] = {}
    offsets: dict[int, list[int]] = {}
    for record in found:
        notice = decode_notice(record.value)
        assert notice.partition == record.partition
        offsets.setdefault(record.partition, []).append(record.offset)
        if isinstance(notice, Notice):
            assert by_id.setdefault(notice.id, record.value) == record.value
    assert len(by_id) == 2 * ROWS
    assert len({record.partition for record in told}) == 1  # one company
    for partition, found_at in offsets.items():
        assert found_at == list(range(len(found_at))), partition


def test_each_hour_it_is_said_of_each_partition_to_when_all_was_told(
    place: ConnectorPlace,
) -> None:
    """Behind everything the ledger held then, also where that is nothing; not again that hour."""
    clock = place.folder / "business-clock.json"
    with (place.folder / "site.yaml").open("a", encoding="utf-8") as site:
        site.write(f"business_clock: {clock.name}\n")
    write_business_clock(clock, at("2026-11-02 10:00"), factor=0)
    with worker(place, "registrar"):
        submit(place, "first")
        with worker(place, "notices"):
            first, second = at("2026-11-02 10:00"), at("2026-11-02 11:30")
            assert marks_of(place) == {partition: [first] for partition in range(PARTITIONS)}
            submit(place, "second")
            write_business_clock(clock, at("2026-11-02 11:30"), factor=0)
            wanted = {partition: [first, second] for partition in range(PARTITIONS)}
            assert marks_of(place, 2) == wanted
        told = [decode_notice(record.value) for record in read(place, "notices")]
    assert len(told) == 2 * ROWS + 2 * PARTITIONS
    last = max(n for n, one in enumerate(told) if isinstance(one, Notice))
    assert isinstance(told[last + 1], Mark)


def marks_of(place: ConnectorPlace, many: int = 1) -> dict[int, list[int]]:
    """Each partition's marks, once each has so many."""
    for _ in range(100):
        found: dict[int, list[int]] = {partition: [] for partition in range(PARTITIONS)}
        for record in read(place, "notices"):
            mark = decode_notice(record.value)
            if isinstance(mark, Mark):
                found[mark.partition].append(mark.read_at)
        if min(map(len, found.values())) >= many:
            break
        time.sleep(0.1)
    return found


def test_a_ledger_that_was_reset_ends_the_follower_with_the_remedy(place: ConnectorPlace) -> None:
    """Its position lies behind the end: notices of another ledger must not follow these."""
    appender = KafkaAppender(place.kafka.access)
    seen = GENESIS._replace(sequence=7, next_offset=7).pack().hex().encode()
    appender.append([OutputRecord(f"{place.prefix}notices", 0, b"", b"{}", ((SEEN, seen),))])
    appender.close()
    ended = subprocess.run(
        [sys.executable, "-m", "hub", "run", "notices", "--site", str(place.folder)],
        env={**os.environ, "KAFKA_BOOTSTRAP": place.kafka.bootstrap,
             "HUB_STATE": str(place.folder / "state")},
        cwd=ROOT, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert "notices has seen sequence 6" in ended.stderr
    assert "hub audit accept-loss" in ended.stderr
