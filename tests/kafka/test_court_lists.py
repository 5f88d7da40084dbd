"""Files to the look-ups, and what the reconciler finds there: forgotten exits, answered rows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from click.testing import CliRunner

from hub.adapters.clocks import write_business_clock
from hub.adapters.postgres.tables import schema_of
from hub.cli import hub as command_line
from hub.config.repository import DEPLOY, ROOT
from hub.config.site import load_site
from hub.domain import kinds
from hub.domain.partitioning import partition_of
from hub.operations.site_plan import prepare_site
from tests.contract.specimens import CONTRACTS, LICENCE, PENALTY, texts_of
from tests.driver.rows import (
    AGENTS_CODE,
    AUTHORITY,
    COURT_CODE,
    DELISTED,
    LISTED,
    MADE,
    PERFORMED,
    at,
    commitment_row,
    exit_row,
    listing_row,
)
from tests.replay.scenario import company
from tests.unit.connectors.made import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import KafkaPart, PostgresPart

pytestmark = pytest.mark.kafka

BUREAU = "11330900MA0000015E"
SITE = """\
site: trial
name_zh: 试点
prefix: {prefix}
partitions: 2
rulebook: {deploy}/rulebooks/national-2026.yaml
calendar: {deploy}/calendars/cn-2007-2026.json
sealing_key_file: key
business_clock: business-clock.json
departments:
  - {{id: court, name_zh: 示例法院, authorities: [{court}],
     kind: court, states: [court_enforcement.listed.v1],
     files: [{{name: files, inbox: inbox/court, results: results/court}}]}}
  - {{id: market, name_zh: 示例局, authorities: [{bureau}],
     states: [licence.granted.v1, penalty.imposed.v1, commitment.made.v1, commitment.performed.v1],
     files: [{{name: files, inbox: inbox/market, results: results/market}}]}}
  - {{id: cases, name_zh: 信用中心, kind: agent, authorities: [{agents}]}}
cases: {{department: cases}}
targets:
  - {{id: province, name_zh: 省平台, number: 0, kind: http, role: report, public: false,
     clearance: [public], kinds: [{kinds}], url: "http://127.0.0.1:9",
     token_file: token}}
"""
WORKERS = {
    "registrar": ("run", "registrar"),
    "projector": ("run", "projector"),
    "connector": ("connector", "--poll", "0.05"),
    "reconciler": ("run", "reconciler"),
}


class Court:
    """A site with a court and a bureau, its workers as processes."""

    def __init__(self, folder: Path, kafka: KafkaPart, postgres: PostgresPart, prefix: str) -> None:
        self.folder, self.dsn, self.schema = folder, postgres.dsn, schema_of(prefix)
        self.environment = {
            "KAFKA_BOOTSTRAP": kafka.bootstrap, "HUB_POSTGRES_DSN": postgres.dsn,
            "HUB_STATE": str(folder / "state"),
        }  # fmt: skip
        shown = f"{LICENCE}, {PENALTY}, {LISTED}, {MADE}, {PERFORMED}"
        text = SITE.format(
            prefix=prefix, deploy=DEPLOY, court=COURT_CODE, bureau=BUREAU, agents=AGENTS_CODE,
            kinds=shown,
        )  # fmt: skip
        (folder / "site.yaml").write_text(text, encoding="utf-8")
        (folder / "key").write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n", "ascii")
        self.put_clock("2026-11-20 09:00")
        prepare_site(load_site(folder), kafka.access)
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def put_clock(self, moment: str) -> None:
        """Stop business time at a moment."""
        write_business_clock(self.folder / "business-clock.json", at(moment), factor=0)

    def drop(self, name: str, kind: str, *rows: dict[str, str]) -> None:
        """Put a table with Chinese headers into an inbox, whole at once."""
        labels = {field.name: field.zh for field in CONTRACTS.by_kind[kind].schema.fields}
        path = self.folder / "inbox" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name(path.name + ".part")
        unfinished.write_bytes(
            table(*({labels[field]: text for field, text in row.items()} for row in rows))
        )
        unfinished.rename(path)

    def start(self, worker: str, fault: str = "") -> subprocess.Popen[bytes]:
        """Start a worker; `fault` kills it at a hook."""
        with (self.folder / f"{worker}.log").open("ab") as log:
            self.running[worker] = subprocess.Popen(
                [sys.executable, "-m", "hub", *WORKERS[worker], "--site", str(self.folder)],
                cwd=ROOT, env={**os.environ, **self.environment, "HUB_FAULT": fault},
                stdout=log, stderr=log,
            )  # fmt: skip
        return self.running[worker]

    def count(self, question: str) -> int:
        """A number out of the look-ups; 0 before they are there."""
        try:
            with psycopg.connect(self.dsn) as session:
                session.execute(f"SET search_path TO {self.schema}".encode())
                row = session.execute(question.encode()).fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
        return int(row[0]) if row else 0

    def live(self, kind: str) -> int:
        """Live records of a kind."""
        return self.count(f"SELECT count(*) FROM records WHERE kind = '{kind}' AND status = 'live'")

    def wait(self, is_true: Callable[[], bool]) -> None:
        """Look until it is so; a worker that ended ends the wait."""
        deadline = time.monotonic() + 60
        while not is_true():
            for worker, process in self.running.items():
                said = (self.folder / f"{worker}.log").read_text("utf-8")[-2_000:]
                assert process.poll() is None, f"{worker}: {said}"
            assert time.monotonic() < deadline, self.status()
            time.sleep(0.1)

    def status(self) -> dict[str, Any]:
        """What `hub status` says."""
        result = CliRunner(env=self.environment).invoke(
            command_line, ["status", "--json", "--site", str(self.folder)]
        )
        assert result.exit_code == 0, result.output
        found: dict[str, Any] = json.loads(result.output)
        return found

    def missing(self) -> list[str]:
        """Case numbers of the exits `hub status` misses."""
        lists = self.status()["court_lists"]
        return sorted(each["case_number"] for one in lists for each in one["exits_missing"])

    def close(self) -> None:
        """End every worker."""
        for process in self.running.values():
            process.kill()
            process.wait(20)


@pytest.fixture
def court(tmp_path: Path, kafka: KafkaPart, postgres: PostgresPart, prefix: str) -> Iterator[Court]:
    """A site in which nothing has happened."""
    made = Court(tmp_path, kafka, postgres, prefix)
    yield made
    made.close()


def debtor(number: int) -> dict[str, str]:
    """What names an entry."""
    return {
        "debtor_code": company(number), "debtor_name": f"舟山示例{number}有限公司",
        "case_number": f"（2026）浙0902执{number}号",
    }  # fmt: skip


def entries(*numbers: int) -> list[dict[str, str]]:
    """Rows of the court's list."""
    return [listing_row(**debtor(number)) for number in numbers]


def test_a_full_list_finds_the_exits_a_court_forgot(court: Court) -> None:
    """Four families accepted from files; two exits raised once each, though the worker is killed.

    Nobody is taken off the list for it, and the exit that comes later settles the finding.
    """
    promise = commitment_row(accepting_unit_code=BUREAU, openness="特定范围内公开")
    court.drop("market/licences/a.csv", LICENCE, texts_of(LICENCE) | {"XK_XKJGDM": BUREAU})
    court.drop("market/penalties/a.csv", PENALTY, texts_of(PENALTY) | {"CF_CFJGDM": BUREAU})
    court.drop("market/commitments/a.csv", MADE, promise)
    done = {"performance_status": "全部履行"}
    court.drop("market/commitments/b.csv", PERFORMED, promise | done)
    person = listing_row(**debtor(9)) | {"debtor_category": "0"}
    court.drop("court/court-listings/a.csv", LISTED, *entries(0, 1, 2, 3, 4), person)
    for worker in ("registrar", "projector", "connector"):
        court.start(worker)
    court.wait(lambda: (court.live(LISTED), court.live(PERFORMED)) == (5, 1))
    court.wait(lambda: court.live(LICENCE) == court.live(PENALTY) == 1)
    sealed = "SELECT count(*) FROM entries WHERE kind = 'row.unreadable.v1'"
    court.wait(lambda: court.count(sealed) == 1)

    court.put_clock("2026-11-21 09:00")
    court.drop("court/court-exits/b.csv", DELISTED, exit_row(**debtor(0), exited_on="2026-11-20"))
    court.drop("court/court-snapshots/20261121.csv", LISTED, *entries(1, 2, 7), person)
    court.wait(lambda: court.count("SELECT count(*) FROM snapshots") == 1)
    court.wait(lambda: court.live(LISTED) == 4)
    for hook in ("before_flush", "after_commit"):
        assert court.start("reconciler", f"{hook}:kill:1").wait(30) == -signal.SIGKILL
    court.start("reconciler")
    raised = "court_enforcement.exit_missing.v1"
    court.wait(lambda: court.live(raised) == 2)
    expected = [debtor(number)["case_number"] for number in (3, 4)]
    assert court.missing() == expected
    (found,) = court.status()["court_lists"]
    assert (found["entries"], found["left_out"], len(found["entries_missing"])) == (3, 1, 1)
    assert court.live(LISTED) == 4, "a list takes nobody down"

    court.drop("court/court-exits/c.csv", DELISTED, exit_row(**debtor(3), exited_on="2026-11-21"))
    court.wait(lambda: court.missing() == expected[1:])
    accepted = f"SELECT count(*) FROM entries WHERE kind = '{raised}' AND outcome = 'accepted'"
    assert court.count(accepted) == 2
    assert AUTHORITY == BUREAU


RUNNING = "FROM clocks c JOIN records r USING (record_key) WHERE NOT c.is_stopped"


def in_partition(wanted: int, first: int) -> str:
    """The first company from this one on that belongs to a partition."""
    return next(
        code for code in map(company, range(first, first + 50))
        if partition_of(code.encode(), 2) == wanted
    )  # fmt: skip


def test_a_good_row_ends_the_duties_of_a_refused_one_in_another_partition(court: Court) -> None:
    """Within a minute; it is never due nor overdue, as its neighbour in the partition is."""
    decided = texts_of(PENALTY) | {"CF_CFJGDM": BUREAU, "CF_JDRQ": "2026-11-19"}
    for worker in WORKERS:
        court.start(worker)
    court.drop("market/penalties/a.csv", PENALTY, decided | {"CF_XDR_SHXYM": company(1)[:-1] + "?"})
    court.wait(lambda: court.count(f"SELECT count(*) {RUNNING} AND status = 'quarantined'") == 1)
    place = court.count("SELECT partition FROM records WHERE status = 'quarantined'")
    good = decided | {"CF_XDR_SHXYM": in_partition(1 - place, 2)}
    beside = {"CF_XDR_SHXYM": in_partition(place, 60), "CF_WSH": "舟市监罚〔2026〕404号"}
    court.drop("market/penalties/b.csv", PENALTY, good, decided | beside)
    court.wait(lambda: court.live(PENALTY) == 2)
    lifted = f"FROM entries WHERE kind = '{kinds.DUTY_LIFTED}' AND outcome = 'accepted'"
    court.wait(lambda: court.count(f"SELECT count(*) {lifted}") == 1)
    assert court.count(f"SELECT partition {lifted}") == place
    assert court.count(f"SELECT count(*) {RUNNING} AND status = 'quarantined'") == 0
    assert court.count(f"SELECT count(*) {RUNNING} AND status = 'live' AND clock = 'disclose'") == 2

    court.put_clock("2027-02-20 09:00")
    overdue = "SELECT count(*) FROM clock_events e JOIN records r USING (record_key)"
    court.wait(lambda: court.count(f"{overdue} WHERE event = 'overdue' AND status = 'live'") == 2)
    said = f"{overdue} WHERE status = 'quarantined' AND event"
    assert court.count(f"{said} = 'lifted'") == 1
    assert court.count(f"{said} <> 'lifted'") == 0
    assert court.count(f"SELECT count(*) FROM entries WHERE kind = '{kinds.DUTY_LIFTED}'") == 1
