"""The main job on one machine as deployed: its units, its Kafka with users and rights.

All families, from files to an HTTP platform, a topic and a drop folder; one worker of each kind is
killed on the way, and everything comes to its end all the same.
"""

import csv
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from bench.sample_site import companies
from hub.adapters.clocks import write_business_clock
from hub.config.settings import Settings
from hub.config.site import load_site
from hub.core.record import Outcome
from hub.io.secret import Secret
from standins.platform_book import dump
from tests.conftest import PostgresPart
from tests.deploy.county import SITE
from tests.deploy.machine import Machine
from tests.deploy.supervisor import kill
from tests.driver.rows import at, commitment_row, licence_row, listing_row, penalty_row
from tests.faults.eyes import Eyes
from tests.standins.test_province import RunningProvince

pytestmark = [pytest.mark.kafka, pytest.mark.faults]
_PATIENCE_SECONDS = 60.0
BACK_SECONDS = 10.0
"""From SIGKILL to a worker that gets on again, by its own health."""
KILLED = (
    "hub-registrar@0.service",
    "hub-courier@province.service",
    "hub-courier@city.service",
    "hub-courier@nation.service",
    "hub-connector@market.service",
    "hub-receipts.service",
    "hub-projector.service",
    "hub-notices.service",
    "hub-cases.service",
    "hub-reconciler.service",
)
BATCHES, ROWS = 4, 15
Row = dict[str, str]


# --- Kafka as the county starts it ---------------------------------------------------------------


def test_the_county_s_kafka_knows_its_operator_and_nobody_else(
    tmp_path: Path, settings: Settings
) -> None:
    """kafka.service formats, starts, and asks for a password."""
    machine = Machine(tmp_path, SITE, settings, "host=127.0.0.1")
    with machine.supervisor:
        machine.supervisor.start("kafka.service")
        operator = machine.access()
        _wait(lambda: _answers(operator.as_librdkafka()), machine, "kafka.service")
        stranger = replace(operator, password=Secret("guessed"))
        assert not _answers(stranger.as_librdkafka())
        assert not _answers(replace(operator, user="", password=Secret("")).as_librdkafka())
        assert operator.password.reveal() not in machine.supervisor.said("kafka.service")


def _answers(settings: dict[str, str | int | float | bool]) -> bool:
    admin = AdminClient({**settings, "log_level": 0})
    try:
        return bool(admin.list_topics(timeout=3).brokers)
    except KafkaException:
        return False


# --- the main job --------------------------------------------------------------------------------


class County:
    """The county's machine with its platforms, all under one folder."""

    def __init__(self, root: Path, settings: Settings, dsn: str) -> None:
        self.root = root
        (root / "province").mkdir()
        self.province = RunningProvince(root / "province")
        self.clock = root / "province" / "business-clock.json"
        write_business_clock(self.clock, at("2026-11-24 09:00"), 3_600)
        self.site = root / "etc/hub/site"
        self._write_site()
        self.machine = Machine(root, self.site, settings, dsn)
        self.supervisor = self.machine.supervisor
        self._platforms: list[subprocess.Popen[bytes]] = []
        self.loaded = load_site(self.site)

    def _write_site(self) -> None:
        """The county's site.yaml with this machine's paths, and platforms that are here."""
        content: dict[str, Any] = yaml.safe_load((SITE / "site.yaml").read_text(encoding="utf-8"))
        moved = json.dumps(content, ensure_ascii=False).replace("/etc/hub", f"{self.root}/etc/hub")
        moved = moved.replace("/var/lib/hub", f"{self.root}/var/lib/hub")
        content = json.loads(moved.replace("/opt/hub", str(Path(__file__).parents[2])))
        content["business_clock"] = str(self.clock)
        content["targets"][0]["url"] = f"http://127.0.0.1:{self.province.port}"
        for target in content["targets"]:
            target["timeout_seconds"] = 2.0
        self.site.mkdir(parents=True)
        (self.site / "site.yaml").write_text(
            yaml.safe_dump(content, allow_unicode=True), encoding="utf-8"
        )
        secrets = self.site.parent / "secrets"
        secrets.mkdir(mode=0o700)
        for name, text in (
            ("sealing.key", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="),
            ("province.token", (self.root / "province/token").read_text(encoding="ascii")),
        ):
            (secrets / name).touch(mode=0o600)
            (secrets / name).write_text(text, encoding="ascii")
        drop = self.root / "var/lib/hub/files/nation"
        (drop / "out").mkdir(parents=True)
        (drop / "ack").mkdir()
        for department in content["departments"]:
            for source in department.get("files", ()):
                Path(source["inbox"]).mkdir(parents=True)

    def start(self) -> None:
        """Everything, as `systemctl start hub.target` would; then the platforms behind Kafka."""
        self.supervisor.start("kafka.service")
        operator = self.machine.access()
        _wait(lambda: _answers(operator.as_librdkafka()), self.machine, "kafka.service")
        self.supervisor.start("hub.target")
        _wait(lambda: self.supervisor.state("prepare-hub.service") == "active", self.machine,
              "prepare-hub.service")  # fmt: skip
        prefix = self.loaded.site.prefix
        clock = ("--clock", str(self.clock))
        self._platform(
            "city", *clock, "--bootstrap", operator.bootstrap, "--prefix", prefix,
            "--user", f"{prefix}target.city", "--secrets", str(self.machine.secrets),
        )  # fmt: skip
        self._platform("file_receiver", *clock, "--folder", f"{self.root}/var/lib/hub/files/nation")

    def _platform(self, module: str, *words: str) -> None:
        book = self.book({"file_receiver": "nation"}.get(module, module))
        self._platforms.append(
            subprocess.Popen(
                [sys.executable, "-m", f"standins.{module}", "--book", str(book), *words],
                stdout=subprocess.DEVNULL,
            )
        )

    def book(self, target: str) -> Path:
        """Where a platform keeps what it shows."""
        return self.root / ("province/book.sqlite" if target == "province" else f"{target}.sqlite")

    def drop(self, batch: int) -> int:
        """Put one batch of all families into the inboxes; returns how many rows."""
        rows = 0
        for (department, folder), some in batch_of(batch).items():
            inbox = self.root / "var/lib/hub/files/inbox" / department / folder
            inbox.mkdir(exist_ok=True)
            unfinished = inbox.parent / f".{folder}-{batch}"
            with unfinished.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, some[0])
                writer.writeheader()
                writer.writerows(some)
            unfinished.rename(inbox / f"{batch:02}.csv")
            rows += len(some)
        return rows

    def health(self, service: str) -> dict[str, Any]:
        """What a worker says of itself; nothing while it does not answer."""
        address = f"http://127.0.0.1:{self.machine.port(service)}/health"
        try:
            with urllib.request.urlopen(address, timeout=2) as answer:
                told: dict[str, Any] = json.load(answer)
                return told
        except (OSError, urllib.error.HTTPError):
            return {}

    def close(self) -> None:
        """End every process."""
        self.supervisor.stop()
        for process in self._platforms:
            process.terminate()
        for process in self._platforms:
            process.wait(20)
        self.province.stop()


def batch_of(number: int) -> dict[tuple[str, str], list[Row]]:
    """Department and folder to rows: each a record of its own, all of them in order."""
    found: dict[tuple[str, str], list[Row]] = {}
    for place, code in enumerate(companies(ROWS * BATCHES)[number * ROWS : (number + 1) * ROWS]):
        no, name = number * ROWS + place, f"示例{number * ROWS + place}有限公司"
        market, housing = "11330900MA0001018Y", "11330900MA0002010D"
        for key, row in (
            (("market", "licences"), licence_row(
                XK_XDR_MC=name, XK_XDR_SHXYM=code, XK_WSH=f"示许〔2026〕{no}号",
                XK_XKJGDM=market, XK_LYDWDM=market)),
            (("housing", "penalties"), penalty_row(
                CF_XDR_MC=name, CF_XDR_SHXYM=code, CF_WSH=f"示罚〔2026〕{no}号",
                CF_CFJGDM=housing, CF_SJLYDM=housing)),
            (("court", "court-listings"), listing_row(
                debtor_name=name, debtor_code=code, case_number=f"（2026）示0902执{no}号")),
            (("market", "commitments"), commitment_row(
                commitment_code=f"330902202610300{no:05}", promisor_name=name,
                promisor_code=code, accepting_unit_code=market)),
        ):  # fmt: skip
            found.setdefault(key, []).append(row)
    return found


@pytest.fixture
def county(tmp_path: Path, settings: Settings, postgres: PostgresPart) -> Iterator[County]:
    """The county, nothing started yet."""
    made = County(tmp_path, settings, postgres.dsn)
    try:
        yield made
    finally:
        made.close()


def test_one_worker_of_each_kind_dies_and_everything_comes_to_its_end(
    county: County, postgres: PostgresPart
) -> None:
    """All back within ten seconds by themselves; every row decided, shown and answered once."""
    county.start()
    eyes = Eyes(county.loaded.site, county.machine.access(), postgres.dsn)
    try:
        rows = county.drop(0)
        _wait(lambda: len(eyes.ledger) > 0 or eyes.look() is None, county.machine, KILLED[0])
        rows += county.drop(1)
        times = {service: _killed(county, service) for service in KILLED}
        rows += county.drop(2)
        times["all at once"] = _killed(county, *KILLED)
        sys.stdout.write(f"back after {json.dumps(times)}\n")
        rows += county.drop(3)
        _wait(
            lambda: _is_done(eyes, rows), county.machine, *KILLED, problem=lambda: _standing(eyes)
        )
    finally:
        eyes.close()
    assert max(times.values()) <= BACK_SECONDS
    assert set(eyes.decided.values()) == {Outcome.ACCEPTED}
    assert (eyes.decided_twice, eyes.resubmitted) == ([], [])
    assert set(eyes.answered.values()) == {"accepted"}
    for target in county.loaded.site.targets:
        shown = {
            record.kind for _, record in eyes.ledger if record.publish_targets >> target.number & 1
        }
        assert shown == set(target.kinds) - {"commitment.performed.v1"}, target.id
        assert len(dump(county.book(target.id))) == ROWS * BATCHES * len(shown)
    for service in county.supervisor.services():
        wanted = 2 if service in KILLED else 0
        assert county.supervisor.restarts(service) == wanted, service


def _is_done(eyes: Eyes, rows: int) -> bool:
    flight = eyes.look()
    rows_decided = sum(not stream.startswith("cases/") for stream, _ in eyes.decided)
    return (
        rows_decided == rows  # what the case agents remind of comes on top
        and not (flight.undecided or flight.unanswered or flight.unprojected)
        and not any(flight.undelivered.values())
    )


def _standing(eyes: Eyes) -> str:
    """What is left, for whoever reads a failure."""
    outcomes = Counter(outcome.name for outcome in eyes.decided.values())
    return f"{eyes.look()} {outcomes}"


def _killed(county: County, *services: str) -> float:
    """SIGKILL to all at once; the seconds until each one's successor is well and has worked."""
    before = {service: county.supervisor.pid(service) for service in services}
    began = time.monotonic()
    for service, pid in before.items():
        assert pid is not None, county.supervisor.said(service)
        kill(pid)
    first: dict[str, float] = {}

    def is_back(service: str) -> bool:
        if county.supervisor.pid(service) in {None, before[service]}:
            return False
        told = county.health(service)
        if told.get("status") != "ok":
            return False
        # a new process is well for its first half minute: wait until it did something
        progress = float(told["seconds_since_progress"])
        return bool(told["idle"]) or progress < first.setdefault(service, progress)

    away = set(services)

    def are_back() -> bool:
        away.difference_update([service for service in away if is_back(service)])
        return not away

    _wait(are_back, county.machine, *services)
    return round(time.monotonic() - began, 1)


def _wait(
    is_true: Callable[[], bool],
    machine: Machine,
    *services: str,
    problem: Callable[[], str] = str,
) -> None:
    """Look until it is so; else say what the services wrote."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not is_true():
        if time.monotonic() > deadline:
            said = {name: machine.supervisor.said(name)[-600:] for name in services}
            pytest.fail(problem() + json.dumps(said, ensure_ascii=False, indent=1))
        time.sleep(0.05)
