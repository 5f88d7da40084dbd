"""`hub audit` as it is run: a process of its own, reading a real broker."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hub.adapters.kafka.client import KafkaInputs, KafkaTransactions
from hub.adapters.kafka.topics import KafkaTopics
from hub.cli import hub as command_line
from hub.commands import audit as audit_command
from hub.config.repository import DEPLOY, ROOT
from hub.config.site import load_site
from hub.ports import InputRecord, OutputRecord
from hub.provisioning.topics import Alter
from tests.conftest import KafkaPart
from tests.driver.hub_test_driver import HubTestDriver
from tests.replay.scenario import run_scenario

pytestmark = pytest.mark.kafka

SITE = """\
site: trial
name_zh: 试点
prefix: {prefix}
partitions: 2
rulebook: rulebook.yaml
calendar: calendar.json
sealing_key_file: key
departments:
  - {{id: market-supervision, name_zh: 市场监管局,
     states: [licence.granted.v1, penalty.imposed.v1]}}
  - {{id: housing-construction, name_zh: 住建局,
     states: [licence.granted.v1, penalty.imposed.v1]}}
  - {{id: court, name_zh: 法院, kind: court, states: [court_enforcement.listed.v1]}}
  - {{id: cases, name_zh: 办件代理, kind: agent}}
targets:
  - {{id: province, name_zh: 省平台, number: 0, kind: http, role: report, public: false,
     clearance: [public], kinds: [licence.granted.v1, penalty.imposed.v1],
     url: "https://127.0.0.1:9", token_file: token}}
  - {{id: city, name_zh: 信用网站, number: 1, kind: kafka, role: display, public: true,
     clearance: [public], kinds: [licence.granted.v1, penalty.imposed.v1]}}
"""


def site(folder: Path, prefix: str, working_days: int = 7) -> Path:
    """A site whose rules are the scenario's, but for one number."""
    folder.mkdir(exist_ok=True)
    (folder / "site.yaml").write_text(SITE.format(prefix=prefix), encoding="utf-8")
    rules = (DEPLOY / "rulebooks/national-2026.yaml").read_text("utf-8")
    changed = rules.replace(
        "working_days: 7\n    effective_from: 2018",
        f"working_days: {working_days}\n    effective_from: 2018",
    )
    (folder / "rulebook.yaml").write_text(changed, encoding="utf-8")
    calendar = (DEPLOY / "calendars/cn-2007-2026.json").read_text("utf-8")
    (folder / "calendar.json").write_text(calendar, encoding="utf-8")
    return folder


def apply_topics(folder: Path, kafka: KafkaPart) -> None:
    """Make the site's topics."""
    environment = {"KAFKA_BOOTSTRAP": kafka.bootstrap}
    arguments = ["topics", "apply", "--site", str(folder)]
    result = CliRunner(env=environment).invoke(command_line, arguments)
    assert result.exit_code == 0, result.output
    # the scenario holds a value above the limit, as a topic that measured it packed would take it
    topic = load_site(folder).site.topic("submissions.market-supervision")
    KafkaTopics(kafka.access).alter([Alter(topic, "compression.type", "uncompressed", None)])


def write(hub: HubTestDriver, kafka: KafkaPart) -> None:
    """Bring everything in the driver's log to the broker, at the offsets the ledger names."""
    known = KafkaInputs(kafka.access, "test")
    known.bounds(list(hub.log.logs))  # a topic the site above lacks is named, not waited for
    known.close()
    writer = KafkaTransactions(kafka.access, f"{hub.prefix}writer")
    writer.initialise()
    for fate in (writer.commit, writer.retire):
        writer.begin()
        for log in list(hub.log.logs.values()):
            writer.produce([as_output(record) for record in log])
        fate()  # the second transaction is left open: nothing of it may be read


def as_output(record: InputRecord) -> OutputRecord:
    """The same record, to be produced."""
    return OutputRecord(record.topic, record.partition, record.key, record.value, record.headers)


def audit(kafka: KafkaPart, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Run `hub audit …`; its exit status and what it printed as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "hub", "audit", *arguments, "--json"],
        cwd=ROOT,
        env={**os.environ, "KAFKA_BOOTSTRAP": kafka.bootstrap},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout) if done.stdout else {"said": done.stderr}


def test_a_ledger_is_verified_and_replayed_from_a_broker(
    kafka: KafkaPart, prefix: str, tmp_path: Path
) -> None:
    """All outcomes, all partitions, uncommitted records in every topic: no difference."""
    folder = str(site(tmp_path / "site", prefix))
    apply_topics(Path(folder), kafka)
    hub = run_scenario(prefix)
    write(hub, kafka)
    status, verified = audit(kafka, "verify", "--site", folder)
    assert (status, verified["differences"]) == (0, [])
    tally = verified["departments"]["market-supervision"]
    assert tally["read"] == sum(tally["outcomes"].values()) > 60
    status, replayed = audit(kafka, "replay", "--site", folder)
    assert (status, replayed["differences"], replayed["declared"]) == (0, [], [])
    assert sum(p["replayed"] for p in replayed["partitions"]) == len(hub.ledger())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit_command, "IN_MEMORY", 0)  # as a ledger too long for memory
        environment = {"KAFKA_BOOTSTRAP": kafka.bootstrap}
        arguments = ["audit", "replay", "--site", folder]
        result = CliRunner(env=environment).invoke(command_line, arguments)
    assert result.exit_code == 0, result.output
    assert "一致 no difference" in result.output
    altered = str(site(tmp_path / "altered", prefix, working_days=9))
    status, what_if = audit(kafka, "replay", "--site", folder, "--with-site", altered)
    assert status == 1
    assert {d["code"] for d in what_if["differences"]} == {"REPLAY_DIFFERS"}
    assert "rulebook.deadlines[disclose-424].working_days: 7 → 9" in what_if["basis_changes"]


def test_an_altered_ledger_ends_with_status_1_and_names_the_place(
    kafka: KafkaPart, prefix: str, tmp_path: Path
) -> None:
    """A flipped byte on the broker itself."""
    folder = site(tmp_path / "site", prefix)
    apply_topics(folder, kafka)
    hub = run_scenario(prefix)
    log = hub.log.logs[f"{prefix}ledger", 1]
    raw = bytearray(log[33].value)
    raw[66] ^= 1
    log[33] = log[33]._replace(value=bytes(raw))
    write(hub, kafka)
    for check, code in (("verify", "CHAIN_BROKEN"), ("replay", "REPLAY_DIFFERS")):
        status, report = audit(kafka, check, "--site", str(folder))
        assert status == 1
        found = [(d["code"], d["partition"], d["sequence"]) for d in report["differences"]]
        assert found == [(code, 1, 33)]


def test_an_audit_that_cannot_run_ends_with_status_2(
    kafka: KafkaPart, prefix: str, tmp_path: Path
) -> None:
    """No topics, no site: said in words, never as a pass."""
    folder = site(tmp_path / "site", prefix)
    for check in ("verify", "replay"):
        assert audit(kafka, check, "--site", str(folder))[0] == 2
        assert audit(kafka, check, "--site", str(tmp_path / "nowhere"))[0] == 2
