"""The file connector as a process on a real broker: killed at its hooks, each row arrives once."""

import base64
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.adapters.kafka.client import KafkaInputs
from hub.adapters.kafka.topics import KafkaTopics
from hub.cli import hub
from hub.ports import InputRecord
from tests.conftest import KafkaPart
from tests.unit.connectors.made import LICENCE_ROW, ROOT, table

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

PARTITIONS = 3
SITE = """\
site: trial
name_zh: 试点
prefix: {prefix}
partitions: 3
rulebook: rulebook.yaml
calendar: calendar.json
sealing_key_file: key
departments:
  - id: market
    name_zh: 市场监管局
    files: [{{name: files, inbox: inbox, results: results}}]
targets: []
"""
HOOKS = ("after_init", "after_consume", "mid_produce", "before_flush", "before_commit",
         "after_commit")  # fmt: skip
ROWS = 5_000


class ConnectorPlace:
    """A site folder with one department, its topics, and the connector's command."""

    def __init__(self, folder: Path, kafka: KafkaPart, prefix: str) -> None:
        self.folder = folder
        self.kafka = kafka
        self.prefix = prefix
        (folder / "site.yaml").write_text(SITE.format(prefix=prefix), encoding="utf-8")
        (folder / "key").write_text(base64.b64encode(bytes(32)).decode(), encoding="ascii")
        (folder / "inbox" / "licences").mkdir(parents=True)
        (folder / "inbox" / "corrections").mkdir()
        environment = {"KAFKA_BOOTSTRAP": kafka.bootstrap}
        applied = CliRunner(env=environment).invoke(hub, ["topics", "apply", "--site", str(folder)])
        assert applied.exit_code == 0, applied.output
        assert KafkaTopics(kafka.access).read(prefix)

    def run(self, fault: str = "") -> subprocess.CompletedProcess[str]:
        """Run the connector until its inbox is drained, or a fault kills it."""
        return subprocess.run(
            [sys.executable, "-m", "hub", "connector", "--site", str(self.folder), "--drain",
             "--poll", "0.05"],
            env={
                **os.environ,
                "KAFKA_BOOTSTRAP": self.kafka.bootstrap,
                "HUB_STATE": str(self.folder / "state"),
                "HUB_FAULT": fault,
            },
            cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def submissions(self) -> list[InputRecord]:
        """Everything committed to the department's topic."""
        topic = f"{self.prefix}submissions.market"
        inputs = KafkaInputs(self.kafka.access, "test")
        positions = {(topic, partition): 0 for partition in range(PARTITIONS)}
        found = [record for batch in inputs.read_to_end(positions) for record in batch]
        inputs.close()
        return found


@pytest.fixture
def place(tmp_path: Path, kafka: KafkaPart, prefix: str) -> ConnectorPlace:
    """Return a place of one's own."""
    return ConnectorPlace(tmp_path, kafka, prefix)


def test_killed_at_every_hook_each_row_arrives_once(place: ConnectorPlace) -> None:
    """Numbers 1…n without a gap, each once, each row where it stands in its file."""
    numbers = (f"许{number}号" for number in range(ROWS))
    content = table(*({**LICENCE_ROW, "行政许可决定文书号": number} for number in numbers))
    (place.folder / "inbox/licences/a.csv").write_bytes(content)
    moves = [{**LICENCE_ROW, "原因": "更名", "原文书号": f"旧{n}号"} for n in range(50)]
    (place.folder / "inbox/corrections/b.csv").write_bytes(table(*moves))
    killed = 0
    for hook in HOOKS:
        killed += place.run(f"{hook}:kill:{1 + killed % 2}").returncode == -signal.SIGKILL
    last = place.run()
    assert last.returncode == 0, last.stderr
    assert killed >= len(HOOKS) - 1
    found = place.submissions()
    ids = sorted(int(dict(record.headers)["ce_id"]) for record in found)
    assert ids == list(range(1, ROWS + 2 * 50 + 1))
    positions = {dict(record.headers)["hub_position"] for record in found}
    assert len(positions) == ROWS + 50


def test_a_reset_source_ends_the_process_with_the_remedy(place: ConnectorPlace) -> None:
    """Exit 2; the message says what happened, what to do, and where the file's name stands."""
    path = place.folder / "inbox/licences/a.csv"
    path.write_bytes(table(LICENCE_ROW))
    assert place.run().returncode == 0
    time.sleep(0.01)
    path.write_bytes(table(LICENCE_ROW, LICENCE_ROW))
    ended = place.run()
    assert ended.returncode == 2
    assert "a.csv" not in ended.stderr  # it may be a person's
    named = re.search(r"\.sources/[0-9a-f]+\.json", ended.stderr)
    assert named is not None
    assert "a.csv" in (place.folder / "results" / named[0]).read_text(encoding="utf-8")
    assert "处理办法" in ended.stderr
    assert len(place.submissions()) == 1
