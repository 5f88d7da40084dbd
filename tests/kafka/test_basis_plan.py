"""A plan on a broker's recorded ledger counts what adoption then writes there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from hub.adapters.kafka.client import KafkaInputs, KafkaTransactions
from hub.audit.plan import BasisChangePlan
from hub.cli import hub
from hub.config.repository import DEPLOY
from hub.core.record import LedgerRecord, Outcome, decode_record
from hub.domain.partitioning import partition_of
from hub.ports import OutputRecord
from tests.driver.rows import (
    AUTHORITY,
    LICENCE,
    PENALTY,
    framed,
    licence_row,
    penalty_row,
)
from tests.replay.scenario import company

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import KafkaPart

pytestmark = [pytest.mark.kafka]

ROOT = Path(__file__).parents[2]
PARTITIONS = 2
SITE = """\
site: trial
name_zh: 试点
prefix: {prefix}
partitions: 2
rulebook: rulebook.yaml
calendar: {deploy}/calendars/cn-2007-2026.json
sealing_key_file: key
departments:
  - {{id: market, name_zh: 市场监管局, authorities: [{authority}],
     states: [licence.granted.v1, penalty.imposed.v1]}}
targets:
  - {{id: province, name_zh: 省平台, number: 0, kind: kafka, role: report, public: {public},
     clearance: [{clearance}], kinds: [licence.granted.v1, penalty.imposed.v1],
     timeout_seconds: 1.0, concurrency: 64}}
"""


class RegistrarSite:
    """A site with a registrar on a broker."""

    def __init__(self, folder: Path, kafka: KafkaPart, prefix: str) -> None:
        self.folder, self.kafka, self.prefix = folder, kafka, prefix
        shutil.copy(DEPLOY / "rulebooks/national-2026.yaml", folder / "rulebook.yaml")
        self.write(public=False, clearance="public, government")
        self.environment = {"KAFKA_BOOTSTRAP": kafka.bootstrap, "HUB_STATE": str(folder / "state")}
        self.command("topics", "apply")
        self.command("basis", "adopt")
        words = ("-m", "hub", "run", "registrar", "--site", str(folder))
        self.registrar = subprocess.Popen(
            [sys.executable, *words], cwd=ROOT, env={**os.environ, **self.environment},
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def write(self, *, public: bool, clearance: str) -> None:
        """Write the site with this entry of its target."""
        text = SITE.format(
            prefix=self.prefix, deploy=DEPLOY, authority=AUTHORITY, clearance=clearance,
            public=str(public).lower(),
        )  # fmt: skip
        (self.folder / "site.yaml").write_text(text, encoding="utf-8")

    def command(self, *words: str, exit_code: int = 0) -> str:
        """Run a command of the hub for this site."""
        ran = CliRunner(env=self.environment).invoke(hub, [*words, "--site", str(self.folder)])
        assert ran.exit_code == exit_code, ran.output
        return ran.output

    def submit(self, rows: list[tuple[str, str, dict[str, str]]]) -> None:
        """The department submits rows (kind, credit code, cells)."""
        department = KafkaTransactions(self.kafka.access, f"{self.prefix}market")
        department.initialise()
        department.begin()
        records = []
        for n, (kind, code, row) in enumerate(rows):
            headers = (
                ("ce_type", kind.encode()), ("ce_source", b"market/test"), ("ce_id", b"%d" % n),
            )  # fmt: skip
            partition = partition_of(code.encode(), PARTITIONS)
            topic = f"{self.prefix}submissions.market"
            records.append(
                OutputRecord(topic, partition, code.encode(), framed(kind, row), headers)
            )
        department.produce(records)
        department.commit()

    def ledger(self) -> list[tuple[int, LedgerRecord]]:
        """Every ledger record, with its partition."""
        inputs = KafkaInputs(self.kafka.access, "test")
        places = {(f"{self.prefix}ledger", p): 0 for p in range(PARTITIONS)}
        found = [one for batch in inputs.read_to_end(places) for one in batch]
        inputs.close()
        return [(one.partition, decode_record(one.value)) for one in found]

    def count(self, outcome: Outcome) -> int:
        """How many ledger records have this outcome."""
        return sum(record.outcome is outcome for _partition, record in self.ledger())

    def close(self) -> None:
        """Stop the registrar."""
        self.registrar.kill()
        self.registrar.wait()


@pytest.fixture
def place(tmp_path: Path, kafka: KafkaPart, prefix: str) -> Iterator[RegistrarSite]:
    """A hub of one platform that has decided sixty rows."""
    place = RegistrarSite(tmp_path, kafka, prefix)
    rows = []
    for n in range(60):
        code = company(n % 7)
        if n % 3:
            row = licence_row(XK_WSH=f"舟市监许〔2026〕{n}号", XK_XDR_SHXYM=code)
            rows.append((LICENCE, code, row))
        else:
            more = {"CF_AJCXLB": "简易程序"} if n % 2 else {}
            number = f"舟市监罚〔2026〕{n}号"
            rows.append((PENALTY, code, penalty_row(CF_WSH=number, CF_XDR_SHXYM=code, **more)))
    place.submit(rows)
    wait_until(lambda: place.count(Outcome.ACCEPTED) == 60)
    wait_until(lambda: place.count(Outcome.OVERDUE) == 60)
    yield place
    place.close()


def test_a_plan_on_a_broker_counts_what_adoption_writes(place: RegistrarSite) -> None:
    """The target becomes public and sees less; the plan sends nothing and says so in JSON."""
    assert json.loads(place.command("basis", "plan", "--json"))["changes"] == []
    place.write(public=True, clearance="public")
    before = len(place.ledger())
    planned: Any = json.loads(place.command("basis", "plan", "--json"))
    assert len(place.ledger()) == before
    assert planned["targets"]["province"]["named_anew"] == 50
    assert planned["targets"]["province"]["withdrawn"] == 10
    assert "what differs" in place.command("basis", "adopt", "--dry-run")
    said = place.command("basis", "adopt")
    assert "named anew  50" in said
    assert "adopted" in said
    wait_until(lambda: place.count(Outcome.WALKED) == PARTITIONS)
    written, adopted = BasisChangePlan(3), dict.fromkeys(range(PARTITIONS), 0)
    for partition, record in place.ledger():
        adopted[partition] += record.outcome is Outcome.BASIS_ADOPTED
        if adopted[partition] == 2:
            written.take(partition, record)
    found = written.as_mapping({0: "province"})
    assert {name: planned[name] for name in found} == found


def test_a_plan_says_what_it_refuses(place: RegistrarSite) -> None:
    """A deadline that a shown kind has lost; adoption refuses it, too, and nothing is sent."""
    text = (place.folder / "rulebook.yaml").read_text("utf-8")
    (place.folder / "rulebook.yaml").write_text(
        text.replace("clock: correct\n    kinds: [licence.granted.v1, penalty.imposed.v1]",
                     "clock: correct\n    kinds: [penalty.imposed.v1]"), "utf-8",
    )  # fmt: skip
    refused = json.loads(place.command("basis", "plan", "--json", exit_code=1))["refused"]
    assert LICENCE in refused["en"]
    assert refused["remedy_zh"]
    for words in (("basis", "plan"), ("basis", "adopt")):
        ran = CliRunner(env=place.environment).invoke(hub, [*words, "--site", str(place.folder)])
        assert ran.exit_code != 0
    assert place.count(Outcome.BASIS_ADOPTED) == PARTITIONS


def test_a_redecision_is_counted_dry_and_carried_out(place: RegistrarSite) -> None:
    """Everything was late by three days that should have been thirty; unknown rules are named."""
    text = (place.folder / "rulebook.yaml").read_text("utf-8")
    head, sep, tail = text.partition("  - id: disclose-424\n")
    (place.folder / "rulebook.yaml").write_text(
        head + sep + tail.replace("working_days: 7", "working_days: 30", 1), "utf-8"
    )
    words = ("basis", "redecide", "--rule", "disclose-424")
    ran = CliRunner(env=place.environment).invoke(hub, [*words, "--site", str(place.folder)])
    assert ran.exit_code != 0
    place.command("basis", "adopt")
    wait_until(lambda: place.count(Outcome.WALKED) == PARTITIONS)
    assert "0 records" in place.command(*words, "--dry-run")
    place.command(*words, "--reason", "期限录入错误")
    wait_until(lambda: place.count(Outcome.REDECISION_REQUESTED) == PARTITIONS)
    wait_until(lambda: place.count(Outcome.WALKED) == 2 * PARTITIONS)
    ran = CliRunner(env=place.environment).invoke(
        hub, ["basis", "redecide", "--rule", "nonsense", "--site", str(place.folder)]
    )
    assert "disclose-424" in str(ran.exception) + ran.output


def wait_until(holds: Callable[[], bool], seconds: float = 90) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.3)
