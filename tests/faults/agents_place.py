"""A site whose case agents can be killed: real registrar, notices follower and Faust, one clock.

Departments' rows are put on their topics as a connector would; the registrar decides them.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from hub.adapters.clocks import write_business_clock
from hub.adapters.kafka.appender import KafkaAppender
from hub.adapters.kafka.client import KafkaInputs
from hub.config.repository import DEPLOY, ROOT
from hub.config.site import load_site
from hub.core.record import LedgerRecord, Outcome, decode_record
from hub.domain.partitioning import partition_of
from hub.operations.site_plan import prepare_site
from hub.ports import OutputRecord
from hub.views.notices import Notice, decode_notice
from tests.conftest import KafkaPart
from tests.driver.rows import (
    AUTHORITY,
    COMPANY,
    CONTRACTS,
    LICENCE,
    OTHER_AUTHORITY,
    OTHER_COMPANY,
    at,
    licence_row,
)

CENTRE = "12330900MA0009001Y"
PARTITIONS = 3
SITE = """\
site: trial
name_zh: 试点
prefix: {prefix}
partitions: 3
rulebook: {deploy}/rulebooks/national-2026.yaml
calendar: {deploy}/calendars/cn-2007-2026.json
sealing_key_file: key
business_clock: business-clock.json
departments:
  - {{id: market, name_zh: 市场监管局, authorities: [{authority}],
     states: [licence.granted.v1],
     files: [{{name: files, inbox: inbox, results: results/market}}]}}
  - {{id: housing, name_zh: 住建局, authorities: [{other}],
     states: [commitment.made.v1, commitment.performed.v1],
     files: [{{name: files, inbox: inbox2, results: results/housing}}]}}
  - {{id: centre, name_zh: 信用中心}}
  - {{id: cases, name_zh: 办件代理, kind: agent, authorities: [{centre}]}}
targets:
  - {{id: city, name_zh: 市网站, number: 1, kind: kafka, role: display, public: true,
     clearance: [public],
     kinds: [licence.granted.v1, commitment.made.v1, commitment.performed.v1]}}
cases:
  department: cases
  remind_working_days: [5, 1]
  levels:
    - {{name_zh: 经办人}}
    - {{name_zh: 负责人, after_hours: 24}}
    - {{name_zh: 信用中心值班员, after_hours: 48, department: centre}}
"""
FACTS = ("commitment.performance_missing.v1", "reminder.issued.v1")
MADE, PERFORMED = "commitment.made.v1", "commitment.performed.v1"
MORNING = at("2026-11-02 09:00")
DUE = "2026-11-20"
_PATIENCE_SECONDS = 90.0


def commitment_row(number: int, company: str = COMPANY, **changes: str) -> dict[str, str]:
    """A commitment of a company to the housing department, due on `DUE`."""
    return {
        "commitment_code": f"33090220261102{number:06}",
        "promisor_name": "舟山示例贸易有限公司",
        "promisor_category": "法人及非法人组织",
        "promisor_code": company,
        "commitment_type": "容缺受理型",
        "commitment_matter": "办理资质延续",
        "commitment_content": "补齐社会保险证明",
        "breach_liability": "撤销决定并记入信用记录",
        "committed_on": "2026-11-02",
        "commitment_valid_to": DUE,
        "accepting_unit": "住建局",
        "accepting_unit_code": OTHER_AUTHORITY,
        "openness": "可向社会公开",
    } | changes


class AgentsPlace:
    """The site, its workers, and what its ledger says."""

    def __init__(self, folder: Path, kafka: KafkaPart, prefix: str) -> None:
        self.folder, self.prefix, self._kafka = folder, prefix, kafka
        text = SITE.format(
            prefix=prefix, deploy=DEPLOY, authority=AUTHORITY, other=OTHER_AUTHORITY, centre=CENTRE
        )
        (folder / "site.yaml").write_text(text, encoding="utf-8")
        self.put_clock(MORNING)
        prepare_site(load_site(folder), kafka.access)
        self._appender = KafkaAppender(kafka.access)
        self._inputs = KafkaInputs(kafka.access, "test")
        self._admin = AdminClient(kafka.access.as_librdkafka())
        self._sent: Counter[str] = Counter()
        self._workers: dict[str, subprocess.Popen[bytes]] = {}

    def put_clock(self, moment: int) -> None:
        """Set business time; it stands still until it is set again."""
        write_business_clock(self.folder / "business-clock.json", moment, factor=0)

    def submit(self, department: str, kind: str, *rows: dict[str, str]) -> None:
        """Put rows on the department's topic, numbered on."""
        records = []
        for row in rows:
            self._sent[department] += 1
            key = (
                row.get("XK_XDR_SHXYM") or row.get("promisor_code") or row["credit_code"]
            ).encode()
            headers = (
                ("ce_specversion", b"1.0"), ("ce_type", kind.encode()),
                ("ce_source", f"{department}/test".encode()),
                ("ce_id", b"%d" % self._sent[department]),
            )  # fmt: skip
            records.append(
                OutputRecord(
                    f"{self.prefix}submissions.{department}", partition_of(key, PARTITIONS), key,
                    CONTRACTS.by_kind[kind].encode(row), headers,
                )
            )  # fmt: skip
        self._appender.append(records)

    def submit_everything(self, commitments: int, licences: int) -> None:
        """Commitments of two companies, every fifth performed at once; licences nobody shows."""
        companies = (OTHER_COMPANY, COMPANY)
        rows = [commitment_row(n, companies[n % 2]) for n in range(commitments)]
        self.submit("housing", MADE, *rows)
        self.submit(
            "housing", PERFORMED, *(row | {"performance_status": "全部履行"} for row in rows[::5])
        )
        self.submit("market", LICENCE, *(licence_row(XK_WSH=f"许{n}号") for n in range(licences)))

    # --- the ledger ---

    def ledger(self) -> list[LedgerRecord]:
        """Everything decided so far."""
        return [decode_record(value) for value in self._read("ledger")]

    def notices(self) -> list[Notice]:
        """Everything told so far, without the marks."""
        told = map(decode_notice, self._read("notices"))
        return [notice for notice in told if isinstance(notice, Notice)]

    def _read(self, topic: str) -> list[bytes]:
        places = {(f"{self.prefix}{topic}", partition): 0 for partition in range(PARTITIONS)}
        return [record.value for batch in self._inputs.read_to_end(places) for record in batch]

    def facts(self, outcome: Outcome = Outcome.ACCEPTED) -> Counter[tuple[str, str]]:
        """How often each fact (kind, id) of the agents has this outcome."""
        found: Counter[tuple[str, str]] = Counter()
        for record in self.ledger():
            if record.department == "cases" and record.outcome is outcome:
                stream = dict(record.cause.headers)["ce_source"].decode()
                found[record.kind, stream.rpartition("/")[2]] += 1
        return found

    def group_lag(self) -> int:
        """Records of `notices` that Faust's group has not committed."""
        topic = f"{self.prefix}notices"
        group = ConsumerGroupTopicPartitions(f"{self.prefix}cases")
        found = next(iter(self._admin.list_consumer_group_offsets([group]).values())).result()
        committed = {
            each.partition: max(each.offset, 0) for each in found.topic_partitions
        }  # fmt: skip
        bounds = self._inputs.bounds((topic, partition) for partition in range(PARTITIONS))
        return sum(end - committed.get(place[1], 0) for place, (_, end) in bounds.items())

    # --- workers ---

    def start(self, worker: str, fault: str = "") -> subprocess.Popen[bytes]:
        """Start a worker; it stops by itself only by the fault."""
        with (self.folder / f"{worker}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "hub", "run", worker, "--site", str(self.folder)],
                env=os.environ | {
                    "KAFKA_BOOTSTRAP": self._kafka.bootstrap,
                    "HUB_STATE": str(self.folder / "state"), "HUB_FAULT": fault,
                },
                cwd=ROOT, stdout=log, stderr=log,
            )  # fmt: skip
        self._workers[worker] = process
        return process

    def hold(self, worker: str, *, held: bool) -> None:
        """Let a worker stand still, or go on."""
        self._workers[worker].send_signal(signal.SIGSTOP if held else signal.SIGCONT)

    def wait_for_death(self, worker: str) -> bool:
        """Wait until a worker with a fault has died; whether it was by SIGKILL."""
        process = self._workers.pop(worker)
        return process.wait(_PATIENCE_SECONDS) == -signal.SIGKILL

    def kill(self, worker: str) -> None:
        """SIGKILL, whatever it does at the moment."""
        process = self._workers.pop(worker)
        process.kill()
        process.wait(20)

    def said(self, worker: str) -> list[dict[str, object]]:
        """The lines a worker wrote."""
        lines = (self.folder / f"{worker}.log").read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def wait_until(self, is_true: Callable[[], bool], problem: str) -> float:
        """Look again and again; the seconds it took."""
        began = time.monotonic()
        while not is_true():
            for worker, process in self._workers.items():
                said = (self.folder / f"{worker}.log").read_text("utf-8")[-3_000:]
                assert process.poll() is None, f"{worker} ended: {said}"
            assert time.monotonic() < began + _PATIENCE_SECONDS, problem
            time.sleep(0.1)
        return time.monotonic() - began

    def close(self) -> None:
        """Stop everything."""
        for process in self._workers.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self._workers.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
