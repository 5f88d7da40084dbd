"""The doctor's checks of this machine: what is missing, open, full or about to end is named."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple, cast

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub.adapters.postgres.lookups import LookUps
from hub.cli import hub as command_line
from hub.commands.doctor import workers
from hub.config.repository import DEPLOY
from hub.config.settings import Settings
from hub.config.site import LoadedSite, load_site
from hub.doctor import cluster, machine
from hub.doctor.symptom import Level, Symptom, judged
from hub.provisioning.deployment import Process

SITE = """\
site: trial
name_zh: 试点
prefix: trial.
partitions: 2
rulebook: {deploy}/rulebooks/national-2026.yaml
calendar: {deploy}/calendars/cn-2007-2026.json
sealing_key_file: secrets/key
departments: []
targets:
  - {{id: province, name_zh: 省平台, number: 0, kind: http, role: report, public: false,
     clearance: [public], kinds: [licence.granted.v1], url: "https://127.0.0.1:9",
     token_file: secrets/token}}
"""


@pytest.fixture
def site(tmp_path: Path) -> LoadedSite:
    """A site whose key is in place and whose token is missing."""
    (tmp_path / "site.yaml").write_text(SITE.format(deploy=DEPLOY), encoding="utf-8")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/key").write_text("k", encoding="ascii")
    (tmp_path / "secrets/key").chmod(0o600)
    return load_site(tmp_path)


def codes(found: Iterator[Symptom]) -> dict[str, Level]:
    """Code and level of each finding."""
    return {one.code: one.level for one in found}


def test_a_missing_secret_is_a_fault_and_an_open_one_a_warning(site: LoadedSite) -> None:
    """Before a worker fails over it, or somebody reads it."""
    assert codes(machine.secret_files(site, Settings())) == {
        "SECRET_MISSING": Level.FAULT, "OK": Level.OK
    }  # fmt: skip
    for name in ("key", "token"):
        (site.folder / "secrets" / name).write_text("x", encoding="ascii")
        (site.folder / "secrets" / name).chmod(0o644)
    assert "SECRET_TOO_OPEN" in codes(machine.secret_files(site, Settings()))


def test_passwords_of_database_sources_and_kafka_are_looked_at(site: LoadedSite) -> None:
    """`site.yaml` names neither; an empty file, or an empty folder, is no password."""
    folder = site.folder
    (folder / "secrets/token").write_text("t", encoding="ascii")
    (folder / "secrets/token").chmod(0o600)
    assert codes(machine.secret_files(site, Settings())) == {"OK": Level.OK}
    department = "- {id: market, name_zh: 局, databases: [{name: licences, file: source.yaml}]}"
    text = SITE.format(deploy=DEPLOY).replace("departments: []", f"departments:\n  {department}")
    (folder / "site.yaml").write_text(text, encoding="utf-8")
    (folder / "source.yaml").write_text("password_file: secrets/exchange\n", encoding="utf-8")
    with_source = load_site(folder)
    for empty in (False, True):
        if empty:
            (folder / "secrets/exchange").touch(mode=0o600)
        (missing, _) = machine.secret_files(with_source, Settings())
        assert missing.code == "SECRET_MISSING"
        assert "exchange" in missing.en
    (folder / "kafka").mkdir()
    found = machine.secret_files(site, Settings(kafka_secrets=folder / "kafka"))
    assert any(one.code == "SECRET_MISSING" and "operator" in one.en for one in found)


def test_a_department_that_sends_and_may_state_nothing_is_told_of(tmp_path: Path) -> None:
    """Every row of it would be quarantined; agents, and who sends nothing, need no permission."""
    allowed = "- {id: a, name_zh: 甲, files: [{name: f, inbox: i, results: r}], states: [%s]}"
    text = SITE.format(deploy=DEPLOY).replace(
        "departments: []",
        "\n  ".join(
            (
                "departments:",
                allowed % "licence.granted.v1",
                "- {id: b, name_zh: 乙, databases: [{name: t, file: t.yaml}]}",
                "- {id: c, name_zh: 丙}",
                "- {id: d, name_zh: 丁, kind: agent, files: [{name: f, inbox: j, results: s}]}",
            )
        ),
    )
    (tmp_path / "site.yaml").write_text(text, encoding="utf-8")
    found = list(machine.permissions(load_site(tmp_path)))
    assert [(one.code, one.level) for one in found] == [
        ("NOTHING_ALLOWED", Level.WARNING), ("OK", Level.OK),
    ]  # fmt: skip
    assert "department b " in found[0].en
    assert found[1].en.startswith("1 ")


DROP = """\
targets:
  - {id: nation, name_zh: 国家, number: 1, kind: file, role: report, public: false,
     clearance: [public], kinds: [], drop: {folder: drop, layout: xml, sender: s, receiver: r,
     departments: {}, tables: {}}}
"""


def test_a_drop_folder_that_is_not_mounted_is_a_fault(tmp_path: Path) -> None:
    """Its courier would only wait."""
    text = SITE.format(deploy=DEPLOY)
    (tmp_path / "site.yaml").write_text(text[: text.index("targets:")] + DROP, encoding="utf-8")
    site = load_site(tmp_path)
    assert codes(machine.drop_folders(site)) == {"DROP_FOLDER_CLOSED": Level.FAULT}
    (tmp_path / "drop/out").mkdir(parents=True)
    (found,) = machine.drop_folders(site)
    assert "ack" in found.en
    assert "out" not in found.en
    (tmp_path / "drop/ack").mkdir()
    assert codes(machine.drop_folders(site)) == {"OK": Level.OK}


def test_without_a_kafka_the_look_ups_are_examined_all_the_same(
    site: LoadedSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The doctor is asked exactly when something does not run; what cannot be asked is named."""
    tables = nullcontext(SimpleNamespace(basis=lambda: None))
    waited: list[object] = []

    def waiting(access: object, *_: object) -> tuple[Symptom, ...]:
        waited.append(access)
        return ()

    monkeypatch.setattr("hub.commands.doctor.BackingServices.require_dsn", lambda _parts: "dsn")
    monkeypatch.setattr("hub.commands.doctor.cluster.database", lambda _dsn: ())
    monkeypatch.setattr("hub.commands.doctor.open_look_ups", lambda *_: tables)
    monkeypatch.setattr("hub.commands.doctor.cluster.waiting", waiting)
    state = {"HUB_STATE": str(site.folder / "state")}
    words = ["doctor", "--json", "--site", str(site.folder)]
    result = CliRunner(env=state).invoke(command_line, words)
    assert result.exit_code == 1, result.output
    (kafka,) = (one for one in json.loads(result.stdout) if one["check"] == "kafka")
    assert (kafka["code"], waited) == ("CHECK_NOT_MADE", [None])
    assert "hub dev up" in kafka["remedy_zh"]
    assert "hub dev up" in kafka["remedy_en"]


def test_look_ups_nobody_has_written_to_are_told_as_that(site: LoadedSite) -> None:
    """Not as written an endless number of seconds ago."""
    empty = SimpleNamespace(
        heartbeat=lambda: None, now=lambda: 0, target_names=dict, fetch=lambda *_: []
    )
    (found,) = cluster.waiting(None, site.site, cast("LookUps", empty))
    assert (found.code, "inf" in found.en) == ("LOOK_UPS_BEHIND", False)


def test_a_certificate_that_cannot_be_read_is_told_and_ends_nothing(
    site: LoadedSite, tmp_path: Path
) -> None:
    """The doctor is asked exactly when something is wrong."""
    (tmp_path / "ca.pem").write_text("no certificate", encoding="ascii")
    for name in ("ca.pem", "absent.pem"):
        found = codes(machine.certificates(site, Settings(kafka_ca=tmp_path / name)))
        assert found["CERTIFICATE_NOT_READ"] is Level.FAULT


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [
        (200, {"worker": "courier.province", "status": "ok"}, "OK"),
        (503, {"worker": "courier.province", "status": "stalled"}, "WORKER_STALLED"),
        (503, {"worker": "courier.province", "status": "stopped", "code": "WHY"}, "WHY"),
        (200, {"worker": "courier.city", "status": "ok"}, "WORKER_IS_ANOTHER"),
        (404, None, "WORKER_IS_ANOTHER"),
        (200, [1], "WORKER_IS_ANOTHER"),
    ],
)
def test_only_a_worker_that_says_who_it_is_counts_as_well(
    site: LoadedSite, monkeypatch: pytest.MonkeyPatch, status: int, said: object, code: str
) -> None:
    """Whatever else listens on its port proves nothing, and breaks nothing."""

    class ServerAnswer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(b"<html>" if said is None else json.dumps(said).encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), ServerAnswer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    process = Process("courier", "province", server.server_port)
    if isinstance(said, dict):
        said["site"] = site.site.site
    monkeypatch.setattr("hub.commands.doctor.processes_of", lambda _site: (process,))
    try:
        assert [one.code for one in workers(site)] == [code]
    finally:
        server.shutdown()
        server.server_close()


def test_a_full_disk_is_told_before_it_is_full(
    site: LoadedSite, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Below 10 GB a warning, below 2 GB a fault."""

    class Usage(NamedTuple):
        free: int

    wanted = {50: Level.OK, 9: Level.WARNING, 1: Level.FAULT}
    for gigabytes, level in wanted.items():
        usage = Usage(gigabytes * 1_000_000_000)
        monkeypatch.setattr("hub.doctor.machine.shutil.disk_usage", lambda _, usage=usage: usage)
        settings = Settings(state_folder=tmp_path / "not/there/yet")
        assert {one.level for one in machine.disks(site, settings)} == {level}


@pytest.mark.parametrize(
    ("today", "level"),
    [("2026-11-01", Level.OK), ("2026-12-10", Level.WARNING), ("2027-01-01", Level.FAULT)],
)
def test_the_calendars_end_is_told_in_time(today: str, level: Level) -> None:
    """The notice for the next year comes in October or November."""
    notices: dict[str, object] = {"version": "v", "notices": []}
    content = json.loads((DEPLOY / "calendars/cn-2007-2026.json").read_text(encoding="utf-8"))
    assert {one.level for one in machine.calendar(content, dt.date.fromisoformat(today))} == {level}
    assert codes(machine.calendar(notices, dt.date(2026, 1, 1))) == {"CALENDAR_ENDS": Level.FAULT}


def test_a_certificate_that_ends_soon_is_named(site: LoadedSite, tmp_path: Path) -> None:
    """Of the cluster's authority; a platform that does not answer is only a warning."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=9))
        .not_valid_after(now + dt.timedelta(days=10)).sign(key, hashes.SHA256())
    )  # fmt: skip
    ca = tmp_path / "ca.pem"
    ca.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    found = codes(machine.certificates(site, Settings(kafka_ca=ca)))
    assert found == {"CERTIFICATE_NOT_SEEN": Level.WARNING, "CERTIFICATE_ENDS": Level.WARNING}


def test_a_number_is_judged_by_its_limits() -> None:
    """At the limit it counts already."""
    words = ("中", "en")
    levels = [judged("c", v, 2, 5, "CODE", words, words).level for v in (1.9, 2, 4.9, 5)]
    assert levels == [Level.OK, Level.WARNING, Level.WARNING, Level.FAULT]
