"""The doctor's checks of this machine: what is missing, open, full or about to end is named."""

import datetime as dt
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hub import VERSION
from hub.doctor import machine
from hub.doctor.symptom import Level, Symptom, judged
from hub.repository import DEPLOY, ROOT
from hub.settings import Settings
from hub.site import LoadedSite, load_site

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


def test_the_version_is_the_projects() -> None:
    """One number, told by the command line, the backup and the doctor."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == VERSION


def test_a_missing_secret_is_a_fault_and_an_open_one_a_warning(site: LoadedSite) -> None:
    """Before a worker fails over it, or somebody reads it."""
    assert codes(machine.secret_files(site, Settings())) == {
        "SECRET_MISSING": Level.FAULT, "OK": Level.OK
    }  # fmt: skip
    for name in ("key", "token"):
        (site.folder / "secrets" / name).write_text("x", encoding="ascii")
        (site.folder / "secrets" / name).chmod(0o644)
    assert "SECRET_TOO_OPEN" in codes(machine.secret_files(site, Settings()))


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
