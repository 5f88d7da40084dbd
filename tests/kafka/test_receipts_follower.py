"""From a department's file to its result file on a real broker, with the follower killed."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.adapters.kafka.client import KafkaInputs
from hub.cli import hub
from hub.config.repository import DEPLOY
from tests.conftest import KafkaPart
from tests.kafka.test_file_connector import PARTITIONS, ConnectorPlace
from tests.unit.connectors.made import LICENCE_ROW, ROOT, table

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

ROWS = 600
HOOKS = ("after_consume", "before_flush", "before_commit", "after_commit")
NUMBER = "行政许可决定文书号"


@contextmanager
def worker(place: ConnectorPlace, *name: str, fault: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker; it is stopped in the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "run", *name, "--site", str(place.folder)],
        env={
            **os.environ,
            "KAFKA_BOOTSTRAP": place.kafka.bootstrap,
            "HUB_STATE": str(place.folder / "state"),
            "HUB_FAULT": fault,
        },
        cwd=ROOT, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)


def results_of(place: ConnectorPlace) -> list[dict[str, str]]:
    """Read the result file, or nothing yet."""
    path = place.folder / "results/licences/a.csv.result.csv"
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def wait_for_results(place: ConnectorPlace) -> list[dict[str, str]]:
    """Wait until every row has its answer."""
    for _ in range(300):
        found = results_of(place)
        if len(found) == ROWS and all(row["处理结果"] != "处理中" for row in found):
            return found
        time.sleep(0.1)
    return results_of(place)


@pytest.fixture
def place(tmp_path: Path, kafka: KafkaPart, prefix: str) -> ConnectorPlace:
    """Return a place with rules in force."""
    made = ConnectorPlace(tmp_path, kafka, prefix)
    site = tmp_path / "site.yaml"
    text = site.read_text(encoding="utf-8")
    text = text.replace("rulebook.yaml", str(DEPLOY / "rulebooks/national-2026.yaml"))
    text = text.replace("calendar.json", str(DEPLOY / "calendars/cn-2007-2026.json"))
    text = text.replace(
        "name_zh: 市场监管局",
        "name_zh: 市场监管局\n    authorities: [11330900MA0000015E]\n"
        "    states: [licence.granted.v1]",
    )
    site.write_text(text, encoding="utf-8")
    environment = {"KAFKA_BOOTSTRAP": kafka.bootstrap}
    adopted = CliRunner(env=environment).invoke(hub, ["basis", "adopt", "--site", str(tmp_path)])
    assert adopted.exit_code == 0, adopted.output
    return made


def test_every_row_is_answered_though_the_follower_is_killed_again_and_again(
    place: ConnectorPlace,
) -> None:
    """The result file is complete; each receipt id stands for one content."""
    rows = [{**LICENCE_ROW, NUMBER: f"{n}号"} for n in range(ROWS - 1)]
    (place.folder / "inbox/licences/a.csv").write_bytes(table(*rows, {**LICENCE_ROW, NUMBER: ""}))
    assert place.run().returncode == 0
    killed = 0
    with worker(place, "registrar"):
        for hook in HOOKS:
            with worker(place, "receipts", fault=f"{hook}:kill:1") as process:
                killed += process.wait(30) == -signal.SIGKILL
                (place.folder / "inbox/licences" / f"{hook}.csv").write_bytes(table(rows[0]))
                assert place.run().returncode == 0
        with worker(place, "receipts"):
            found = wait_for_results(place)
    assert killed == len(HOOKS)
    assert [row["处理结果"] for row in found] == ["已受理"] * (ROWS - 1) + ["未通过"]
    topic = f"{place.prefix}receipts.market"
    inputs = KafkaInputs(place.kafka.access, "test")
    positions = {(topic, partition): 0 for partition in range(PARTITIONS)}
    by_id: dict[str, bytes] = {}
    for batch in inputs.read_to_end(positions):
        for record in batch:
            assert (
                by_id.setdefault(json.loads(record.value)["receipt"], record.value) == record.value
            )
    inputs.close()
    assert len(by_id) == ROWS + len(HOOKS)
