"""The database connector as a process, on a real broker and a real PostgreSQL."""

import base64
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.adapters.kafka.appender import KafkaAppender
from hub.adapters.kafka.client import KafkaInputs
from hub.cli import hub
from hub.ports import InputRecord, OutputRecord
from tests.conftest import KafkaPart, PostgresPart
from tests.unit.connectors.databases import Server, TablePlace, minutes
from tests.unit.connectors.made import ROOT
from tests.unit.connectors.test_results import DDL, receipt

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
  - id: market-supervision
    name_zh: 市场监管局
    authorities: [11330900MA0000015E]
    states: [licence.granted.v1]
    databases: [{{name: licences, file: licences.yaml}}]
targets: []
"""
SOURCE = """\
url: {url}
password_file: password
table: {table}
key: id
stamp: {{column: touched, overlap_seconds: 60}}
rows:
  kind: licence.granted.v1
  fields: {{XK_XDR_MC: who, XK_XDR_SHXYM: code, XK_WSH: "no", XK_JDRQ: decided}}
corrected: {{reason: why}}
result: {{table: {table}_result}}
compare_at: "00:00"
poll_seconds: 0.5
page_rows: 100
"""
HOOKS = ("after_consume", "before_flush", "before_commit", "after_commit")
ROWS = 300
KEY = bytes(range(32))


class ProcessPlace:
    """A site over one table, its topics, and the connector's command."""

    def __init__(self, folder: Path, kafka: KafkaPart, table: TablePlace, prefix: str) -> None:
        self.folder = folder
        self.kafka = kafka
        self.prefix = prefix
        (folder / "site.yaml").write_text(SITE.format(prefix=prefix), encoding="utf-8")
        (folder / "key").write_text(base64.b64encode(KEY).decode(), encoding="ascii")
        described = SOURCE.format(url=table.described.url, table=table.table)
        (folder / "licences.yaml").write_text(described, encoding="utf-8")
        environment = {"KAFKA_BOOTSTRAP": kafka.bootstrap}
        applied = CliRunner(env=environment).invoke(hub, ["topics", "apply", "--site", str(folder)])
        assert applied.exit_code == 0, applied.output

    def run(self, fault: str = "", poll: str = "0.2") -> subprocess.CompletedProcess[str]:
        """Run until nothing is new, or a fault kills it."""
        return subprocess.run(
            [sys.executable, "-m", "hub", "connector", "--site", str(self.folder), "--drain",
             "--poll", poll],
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
        topic = f"{self.prefix}submissions.market-supervision"
        positions = {(topic, partition): 0 for partition in range(PARTITIONS)}
        with closing(KafkaInputs(self.kafka.access, "test")) as inputs:
            return [record for batch in inputs.read_to_end(positions) for record in batch]


@pytest.fixture
def table(tmp_path: Path, postgres: PostgresPart) -> Iterator[TablePlace]:
    """Return a table with a few hundred rows and its result table."""
    with closing(TablePlace(tmp_path, Server(postgres.dsn))) as made:
        now = made.server.now()
        made.server.execute(
            f"INSERT INTO {made.table} (id, who, code, no, decided, touched)"
            " SELECT n, '舟山青禾食品有限公司', '91330900MA00000156', '许' || n || '号',"
            f" DATE '2026-01-30', CAST(:now AS TIMESTAMP) FROM generate_series(1, {ROWS}) n",
            now=now - minutes(5),
        )
        made.server.execute(DDL.format(f"{made.table}_result"))
        (tmp_path / "password").chmod(0o600)
        yield made


def test_killed_at_every_hook_each_row_version_arrives_once(
    tmp_path: Path, kafka: KafkaPart, table: TablePlace, prefix: str
) -> None:
    """The table changes between the lives; numbers run from 1, the day's comparison agrees."""
    place = ProcessPlace(tmp_path, kafka, table, prefix)
    killed = 0
    for life, hook in enumerate(HOOKS, 1):
        killed += place.run(f"{hook}:kill:{1 + life % 3}").returncode == -signal.SIGKILL
        table.put(life, table.server.now(), who=f"第{life}次更名", why="更名")
        table.put(ROWS + life, table.server.now())
    last = place.run()
    assert last.returncode == 0, last.stderr
    assert killed >= len(HOOKS) - 1
    found = [dict(record.headers) for record in place.submissions()]
    assert sorted(int(headers["ce_id"]) for headers in found) == list(range(1, len(found) + 1))
    by_row = {headers["hub_position"] for headers in found}
    assert len(by_row) == len(found)
    keys = {position.split(b":")[1] for position in by_row if position.startswith(b"key:")}
    assert len(keys) == ROWS + len(HOOKS)
    kinds = [headers["ce_type"] for headers in found]
    assert kinds.count(b"source.reconciled.v1") == 1
    stated = json.dumps([repr(headers) for headers in found])
    assert "第1次更名" not in stated


def test_answers_reach_the_departments_table(
    tmp_path: Path, kafka: KafkaPart, table: TablePlace, prefix: str
) -> None:
    """A receipt on the department's topic becomes a row, its key in the clear."""
    place = ProcessPlace(tmp_path, kafka, table, prefix)
    topic = f"{prefix}receipts.market-supervision"
    with closing(KafkaAppender(kafka.access)) as appender:
        appender.append([OutputRecord(topic, 0, b"k", receipt(1, key="7", number="7"), ())])
    ended = place.run(poll="1.5")
    assert ended.returncode == 0, ended.stderr
    rows = table.server.rows(f"SELECT source, row_key, submission FROM {table.table}_result")
    assert rows == [("licences", "7", 7)]
