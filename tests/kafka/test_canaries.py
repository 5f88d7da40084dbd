"""Secrets and identity numbers planted in a running hub, and searched for wherever it speaks."""

import base64
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from confluent_kafka.admin import AdminClient

from hub.adapters.kafka.client import KafkaInputs
from hub.config.repository import DEPLOY
from hub.config.site import load_site
from hub.operations.site_plan import prepare_site
from standins import platform_book
from tests.conftest import KafkaPart
from tests.standins.test_province import TOKEN, RunningProvince
from tests.unit.connectors.made import LICENCE_ROW, ROOT, table

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

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
  - {{id: market, name_zh: 市场监管局, authorities: [11330900MA0000015E],
     states: [licence.granted.v1],
     files: [{{name: files, inbox: inbox, results: results}}]}}
targets:
  - {{id: province, name_zh: 省平台, number: 0, kind: http, role: report, public: false,
     clearance: [public, government], kinds: [licence.granted.v1],
     url: "http://127.0.0.1:{port}", token_file: token, timeout_seconds: 2.0}}
"""
KEY = base64.b64encode(b"canary-of-the-sealing-key-32byte")
SEALED = ("330900198807120014", "甲乙丙丁戊", "330900199001015017", "混乱之中的金丝雀")
"""The representative's number; a person's name and number; a word of a file nobody can read."""
IN_THE_ROW = ("己庚辛", "13805801234", "330900197503030015")
"""As submitted, in values only: the representative's name, a telephone number, a number in a text
(quarantined for it)."""
NUMBER, CONTENT = "行政许可决定文书号", "许可内容"
WORKERS = (
    ("registrar", ("run", "registrar")),
    ("courier", ("run", "courier", "province")),
    ("receipts", ("run", "receipts")),
    ("connector", ("connector", "--poll", "0.1")),
)


class CanarySite:
    """A site whose rows and secrets are canaries, its workers, and everything they say."""

    def __init__(self, folder: Path, kafka: KafkaPart, prefix: str) -> None:
        self.folder, self.kafka, self.prefix = folder, kafka, prefix
        self.province = RunningProvince(folder)
        text = SITE.format(prefix=prefix, deploy=DEPLOY, port=self.province.port)
        (folder / "site.yaml").write_text(text, encoding="utf-8")
        (folder / "key").write_bytes(KEY)
        self._drop()
        self.loaded = load_site(folder)
        prepare_site(self.loaded, kafka.access)
        self.ports: list[int] = []
        self.processes = [self._start(name, words) for name, words in WORKERS]

    def _drop(self) -> None:
        """Good rows, one with a number in a text, a person's, and a file nobody can read."""
        inbox = self.folder / "inbox" / "licences"
        inbox.mkdir(parents=True)
        good = {**LICENCE_ROW, "法定代表人": IN_THE_ROW[0], "法定代表人证件类型": "身份证",
                "法定代表人证件号码": SEALED[0], CONTENT: f"咨询电话{IN_THE_ROW[1]}"}  # fmt: skip
        talkative = {**good, NUMBER: "二号", CONTENT: f"经办人{IN_THE_ROW[2]}"}
        person = {**LICENCE_ROW, NUMBER: "三号", "行政相对人名称": SEALED[1],
                  "行政相对人类别": "自然人", "证件类型": "身份证", "证件号码": SEALED[2],
                  "行政相对人代码_1(统一社会信用代码)": ""}  # fmt: skip
        (inbox / "a.csv").write_bytes(table(good, talkative, person))
        (inbox / "b.csv").write_bytes(f"没有表头,{SEALED[3]}\n1,2,3\n".encode())

    def _start(self, name: str, words: tuple[str, ...]) -> subprocess.Popen[bytes]:
        with closing(socket.create_server(("127.0.0.1", 0))) as taken:
            self.ports.append(taken.getsockname()[1])
        environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP": self.kafka.bootstrap,
            "HUB_STATE": str(self.folder / "state"),
        }
        with (self.folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "hub", *words, "--site", str(self.folder),
                 "--metrics-port", str(self.ports[-1])],
                cwd=ROOT, env=environment, stdout=log, stderr=log,
            )  # fmt: skip

    def wait(self) -> None:
        """Wait until the rows are answered and the good one is at the platform."""
        deadline = time.monotonic() + 60
        while not (self._results() and platform_book.dump(self.folder / "book.sqlite")):
            assert time.monotonic() < deadline, self.said()
            assert all(one.poll() is None for one in self.processes), self.said()
            time.sleep(0.2)

    def _results(self) -> bool:
        files = list((self.folder / "results").rglob("*.csv"))
        texts = [file.read_text(encoding="utf-8-sig") for file in files]
        return len(texts) >= 2 and all(text and "处理中" not in text for text in texts)

    def said(self) -> str:
        """What the workers logged and what they show of themselves."""
        logs = [(self.folder / f"{name}.log").read_text(encoding="utf-8") for name, _ in WORKERS]
        shown = []
        for port, process in zip(self.ports, self.processes, strict=True):
            if process.poll() is None:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as page:
                    shown.append(page.read().decode())
                started = psutil.Process(process.pid)
                shown.append(json.dumps([started.cmdline(), started.environ()]))
        return "\n".join(logs + shown)

    def on_topics(self) -> Iterator[tuple[str, str, bytes]]:
        """Topic, part (`address`: key and headers; `value`) and bytes of everything stored."""
        admin = AdminClient(self.kafka.access.as_librdkafka())
        names = [n for n in admin.list_topics(timeout=10).topics if n.startswith(self.prefix)]
        inputs = KafkaInputs(self.kafka.access, "canaries")
        for batch in inputs.read_to_end({(name, p): 0 for name in names for p in range(2)}):
            for one in batch:
                topic = one.topic.removeprefix(self.prefix)
                yield topic, "value", one.value
                headers = b"\0".join(name.encode() + value for name, value in one.headers)
                yield topic, "address", one.key + headers
        inputs.close()

    def close(self) -> None:
        """Stop everything."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait(20)
        self.province.stop()


@pytest.fixture
def place(tmp_path: Path, kafka: KafkaPart, prefix: str) -> Iterator[CanarySite]:
    """Return a place whose workers have done their work."""
    made = CanarySite(tmp_path, kafka, prefix)
    try:
        made.wait()
        yield made
    finally:
        made.close()


def passwords(kafka: KafkaPart) -> list[str]:
    """Every password there is, the broker's own included."""
    assert kafka.access.secrets is not None
    return [file.read_text(encoding="ascii").strip() for file in kafka.access.secrets.iterdir()]


def test_no_canary_is_found_where_it_may_not_be(place: CanarySite) -> None:
    """Secrets and sealed content nowhere; what a row says in the clear, in values of rows alone."""
    secrets = [KEY.decode(), base64.b64decode(KEY).decode(), TOKEN, *passwords(place.kafka)]
    said = place.said()
    for canary in (*secrets, *SEALED, *IN_THE_ROW):
        assert canary not in said
    results = "".join(
        file.read_text(encoding="utf-8-sig") for file in (place.folder / "results").rglob("*.csv")
    )
    for canary in (*secrets, *SEALED):
        assert canary not in results
    holders: dict[str, set[str]] = {canary: set() for canary in IN_THE_ROW}
    seen = set()
    for topic, part, content in place.on_topics():
        seen.add(topic)
        for canary in (*secrets, *SEALED):
            assert canary.encode() not in content, (topic, part)
        for canary in IN_THE_ROW:
            if canary.encode() in content:
                holders[canary].add(f"{topic} {part}")
    assert seen >= {"submissions.market", "ledger", "receipts.market", "outcomes.province"}
    for canary, places in holders.items():
        assert {"submissions.market value"} <= places <= ROWS, canary


ROWS = {"submissions.market value", "ledger value"}
