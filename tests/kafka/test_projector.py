"""The projector as a process on a real broker and database, killed on the way."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from hub.adapters.kafka.client import KafkaTransactions
from hub.adapters.postgres.tables import schema_of
from hub.cli import hub as command_line
from hub.config.repository import ROOT
from hub.ports import OutputRecord
from tests.conftest import KafkaPart, PostgresPart
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import COMPANY, DEPARTMENT, LICENCE, framed, licence_row
from tests.driver.stories import eventful_month, number
from tests.kafka.test_look_ups import dump, project

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

MANY = 6_000
SITE = """\
site: trial
name_zh: 试点
prefix: {prefix}
partitions: 2
rulebook: rulebook.yaml
calendar: calendar.json
sealing_key_file: key
departments:
  - {{id: market-supervision, name_zh: 市场监管局}}
targets:
  - {{id: province, name_zh: 省平台, number: 0, kind: http, role: report, public: false,
     clearance: [public], kinds: [licence.granted.v1],
     url: "https://127.0.0.1:9", token_file: token}}
"""


class Follower:
    """A site, its ledger on the broker, and projectors to follow it."""

    def __init__(self, folder: Path, kafka: KafkaPart, postgres: PostgresPart, prefix: str) -> None:
        self.folder, self.prefix, self.dsn = folder, prefix, postgres.dsn
        self.schema = schema_of(prefix)
        self.environment = {
            "KAFKA_BOOTSTRAP": kafka.bootstrap, "HUB_POSTGRES_DSN": postgres.dsn,
        }  # fmt: skip
        (folder / "site.yaml").write_text(SITE.format(prefix=prefix), encoding="utf-8")
        self.command("topics", "apply")
        self.writer = KafkaTransactions(kafka.access, f"{prefix}registrar.0")
        self.writer.initialise()
        self.running: subprocess.Popen[bytes] | None = None

    def command(self, *arguments: str) -> str:
        """Run `hub ARGUMENTS --site …` in this process."""
        result = CliRunner(env=self.environment).invoke(
            command_line, [*arguments, "--site", str(self.folder)]
        )
        assert result.exit_code == 0, result.output
        return result.output

    def write(self, hub: HubTestDriver, step: int) -> int:
        """Write the ledger in transactions of `step` records; returns how many there are."""
        written = 0
        for partition in range(2):
            log = hub.raw_ledger(partition)
            for begin in range(0, len(log), step):
                self.writer.begin()
                self.writer.produce(
                    [
                        OutputRecord(f"{self.prefix}ledger", partition, one.key, one.value, ())
                        for one in log[begin : begin + step]
                    ]
                )
                self.writer.commit()
            written += len(log)
        return written

    def start(self, *more: str, fault: str = "") -> subprocess.Popen[bytes]:
        """Start a projector as a process."""
        self.running = subprocess.Popen(
            [
                sys.executable, "-m", "hub", "run", "projector", "--site", str(self.folder), *more,
            ],
            cwd=ROOT,
            env={**os.environ, **self.environment, "HUB_FAULT": fault},
        )  # fmt: skip
        return self.running

    def is_killed_at(self, hook: str, *more: str) -> bool:
        """Run a projector until its fault hook kills it."""
        return self.start(*more, fault=f"{hook}:kill:1").wait(60) == -signal.SIGKILL

    def finish(self, records: int, *more: str) -> None:
        """Run a projector until it has read everything; it ends cleanly when asked."""
        process = self.start(*more)
        deadline = time.monotonic() + 60
        while self.read() < records:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0

    def read(self) -> int:
        """How many ledger records the positions say are in the tables."""
        try:
            with psycopg.connect(self.dsn) as session:
                row = session.execute(
                    f"SELECT coalesce(sum(next_sequence), 0) FROM {self.schema}.positions".encode()
                ).fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
        return int(row[0]) if row else 0

    def close(self) -> None:
        """End what runs."""
        self.writer.retire()
        if self.running is not None and self.running.poll() is None:
            self.running.kill()
            self.running.wait()


@pytest.fixture
def follower(
    tmp_path: Path, kafka: KafkaPart, postgres: PostgresPart, prefix: str
) -> Iterator[Follower]:
    """A site of its own for each test."""
    place = Follower(tmp_path, kafka, postgres, prefix)
    yield place
    place.close()


def tables(dsn: str, schema: str) -> dict[str, list[Any]]:
    """The derived tables; offsets are left out, because transactions take some of their own."""
    found = dump(dsn, schema)
    with psycopg.connect(dsn) as session:
        found["positions"] = session.execute(
            "SELECT partition, next_sequence, last_hash, decided_at"
            f" FROM {schema}.positions ORDER BY 1".encode()
        ).fetchall()
    return found


def long_ledger(prefix: str) -> HubTestDriver:
    """The eventful month and thousands of licences more: several batches."""
    hub = eventful_month(prefix)
    for n in range(MANY):
        row = licence_row(XK_WSH=number(1000 + n), XK_JDRQ="2026-11-30")
        hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, row))
    hub.run()
    return hub


def as_told_in_memory(hub: HubTestDriver, follower: Follower) -> dict[str, list[Any]]:
    """The tables of the same ledger, projected without broker, batches or kills."""
    schema = project(follower.dsn, hub, f"{follower.prefix[:-1]}m.", 100_000)
    return tables(follower.dsn, schema)


def test_killed_anywhere_it_ends_with_equal_tables(follower: Follower) -> None:
    """SIGKILL before, within and behind the SQL transaction; then from zero, killed again."""
    hub = long_ledger(follower.prefix)
    records = follower.write(hub, 1_000)
    wanted = as_told_in_memory(hub, follower)
    for hook in ("before_commit", "after_consume", "after_commit"):
        assert follower.is_killed_at(hook)
    assert 0 < follower.read() < records
    follower.finish(records)
    assert tables(follower.dsn, follower.schema) == wanted
    assert follower.is_killed_at("after_commit", "--from-zero")
    assert 0 < follower.read() < records
    follower.finish(records)
    assert tables(follower.dsn, follower.schema) == wanted


def test_it_serves_metrics_and_health_and_names(follower: Follower) -> None:
    """Drained: healthy, no lag; `hub status` knows it runs and calls things by their names."""
    records = follower.write(eventful_month(), 1_000)
    port = _free_port()
    follower.start("--metrics-port", str(port))
    deadline = time.monotonic() + 30
    while True:
        assert time.monotonic() < deadline
        time.sleep(0.2)
        if follower.read() < records:
            continue
        status = json.loads(follower.command("status", "--json"))
        if status["projector"]["lag_records"] == 0:
            break
    assert status["projector"]["running"] is True
    assert "市场监管局" in follower.command("status")
    health = json.loads(_get(port, "/health"))
    assert health["status"] == "ok"
    assert f"hub_projected_records_total {float(records)}" in _get(port, "/metrics")


def test_a_ledger_that_is_not_the_one_read_is_refused(follower: Follower) -> None:
    """After a rebuilt broker the tables are not silently continued: the remedy is named."""
    records = follower.write(eventful_month(), 1_000)
    follower.finish(records)
    with psycopg.connect(follower.dsn) as session:
        session.execute(f"UPDATE {follower.schema}.positions SET next_offset = 100000".encode())
    process = follower.start()
    assert process.wait(30) not in (0, -signal.SIGKILL)


def test_whether_a_refused_row_was_accepted_elsewhere_is_found_by_index(
    follower: Follower,
) -> None:
    """Read row by row, thousands of quarantined rows beside 60,000 live ones took 20 seconds."""
    schema = project(follower.dsn, eventful_month(follower.prefix), follower.prefix, 1_000)
    with psycopg.connect(follower.dsn) as session:
        session.execute(f"SET search_path TO {schema}; SET enable_seqscan TO off".encode())
        plan = session.execute(
            "EXPLAIN SELECT count(*) FROM running_clocks WHERE accepted_under IS NULL"
        ).fetchall()
    assert any("records_document" in line for (line,) in plan), plan


def _get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return str(answer.read().decode())


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
