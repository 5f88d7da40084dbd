"""A backup taken beside a working hub, restored on an empty machine: equal, and work goes on."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner, Result

from hub.adapters.kafka.client import KafkaInputs
from hub.adapters.kafka.copy import StoredRecord, read_place
from hub.adapters.postgres.tables import schema_of
from hub.backup.manifest import read_manifest
from hub.cli import hub as command_line
from hub.config.kafka_access import KafkaAccess
from hub.config.repository import ROOT
from hub.config.site import load_site
from hub.runtime.metrics import Health
from hub.runtime.starts import note_start
from tests.conftest import EmptyMachine, KafkaPart, PostgresPart
from tests.faults.decisions import WAVES, submissions_in
from tests.faults.eyes import Eyes
from tests.faults.whole_hub import COMMANDS, WholeHub

pytestmark = pytest.mark.kafka
_PATIENCE_SECONDS = 60.0
BESIDE_FILES = ("connector.registry", "reconciler", "cases")
"""Those whose submissions come from elsewhere: how many there are by now is not counted here."""


@pytest.fixture
def working_hub(kafka: KafkaPart, postgres: PostgresPart, tmp_path: Path) -> Iterator[WholeHub]:
    """A hub in the middle of its work."""
    hub = WholeHub(tmp_path / "first", kafka.access, postgres.dsn, f"backup{os.getpid()}.")
    with closing(hub):
        hub.begin(worker for worker in COMMANDS if worker not in BESIDE_FILES)
        wait_until(lambda: len(hub.eyes.decided) > 200 or not hub.eyes.look())
        yield hub


def wait_until(is_true: Callable[[], bool]) -> None:
    """Look again and again."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def command(*words: str, **environment: str) -> Result:
    """Run `hub WORDS` and expect it to end well."""
    result = CliRunner(env=environment).invoke(command_line, words)
    assert result.exit_code == 0, result.output
    return result


def records_of(access: KafkaAccess, topic: str, partition: int, end: int) -> list[StoredRecord]:
    """Everything readable below an offset, as it lies there."""
    return [r for batch in read_place(access, (topic, partition), 0, end) for r in batch]


def test_a_restored_hub_is_the_same_and_goes_on(
    working_hub: WholeHub, kafka: KafkaPart, empty_machine: EmptyMachine, tmp_path: Path
) -> None:
    """Topics offset by offset, the audit's answers, the look-ups; then the rest is decided once."""
    first, backup, site = str(working_hub.folder), tmp_path / "backup", tmp_path / "second"
    here = working_hub.environment
    hollow = load_site(working_hub.folder).exchange_folders()[0] / "hollow"
    hollow.touch()
    os.truncate(hollow, 1 << 28)
    made = command(
        "backup", "create", "--site", first, "--to", str(backup), "--with-secrets", **here
    )
    assert "secrets left out" not in made.output
    assert "hollow" in made.output
    manifest = read_manifest(backup)
    assert sum(p.records for p in manifest.topics["ledger"].values()) > 200
    there = empty_machine.environment
    early = Path(there["HUB_STATE"]) / "workers" / manifest.site / "receipts"
    note_start(Health("receipts"), early)
    restored = command("backup", "restore", str(backup), "--site", str(site), **there)
    assert "put back the secrets" not in restored.output
    assert "hollow" in restored.output
    assert not list(site.rglob("hollow"))

    assert {"ledger", "control", "submissions.market", "outcomes.city"} <= set(manifest.exact)
    with closing(KafkaInputs(empty_machine.access, "test")) as inputs:
        for name in manifest.exact:
            topic = manifest.prefix + name
            for partition, stored in manifest.topics[name].items():
                place = (topic, partition)
                assert inputs.bounds([place])[place] == (0, stored.end)
                copied = records_of(empty_machine.access, *place, stored.end)
                assert copied == records_of(kafka.access, *place, stored.end)
    command("topics", "apply", "--site", str(site), **there)  # users and rights are not in it
    for audit in ("verify", "replay"):
        command("audit", audit, "--site", str(site), **there)
    with psycopg.connect(empty_machine.dsn) as session:
        session.execute(f"SET search_path TO {schema_of(manifest.prefix)}".encode())
        ((read,),) = session.execute("SELECT sum(next_sequence) FROM positions").fetchall()
        assert read > 0
        ((entries,),) = session.execute("SELECT count(*) FROM entries").fetchall()
        assert entries == read

    _go_on(site, empty_machine)


def _go_on(site: Path, machine: EmptyMachine) -> None:
    """Start registrar and connector on the restored site until every row has its one outcome."""
    eyes = Eyes(load_site(site).site, machine.access, machine.dsn)
    environment = {**os.environ, **machine.environment, "PYTHONPATH": str(ROOT)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "hub", *COMMANDS[worker], "--site", str(site)],
            env=environment, stderr=subprocess.DEVNULL,
        )
        for worker in ("registrar", "connector", "receipts", "projector")
    ]  # fmt: skip
    expected = sum(map(submissions_in, WAVES))

    def is_done() -> bool:
        flight = eyes.look()
        waiting = flight.undecided or flight.unanswered or flight.unprojected
        return len(eyes.submitted) == expected and not waiting

    try:
        wait_until(is_done)
        assert eyes.decided_twice == []
    finally:
        eyes.close()
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(20)


def test_a_backup_is_held_against_its_manifest(tmp_path: Path) -> None:
    """A changed byte, a missing file, a backup that was interrupted: each is refused by name."""
    folder = tmp_path / "backup"
    folder.mkdir()
    refused = CliRunner().invoke(command_line, ["backup", "verify", str(folder)])
    assert refused.exit_code == 2
    assert "清单" in refused.output
    (folder / "site.tar").write_bytes(b"content")
    manifest = {
        "format": 1, "site": "s", "prefix": "s.", "partitions": 1, "hub_version": "0",
        "decider": "1", "basis": "", "created_at": "", "topics": {}, "exact": [],
        "tables": 0, "left_out": [], "files": {"site.tar": {"size": 7, "sha256": "0" * 64}},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    refused = CliRunner().invoke(command_line, ["backup", "verify", str(folder)])
    assert refused.exit_code == 2
    assert "site.tar" in refused.output
