"""The bill of materials, the licences and the audit say what is so, and what they do not know."""

import json
import re
import sys
import tomllib

import pytest

from hub.config.repository import ROOT
from tools import supply

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
PAGE = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
VULNERABLE = {
    "dependencies": [
        {"name": "a", "version": "1", "vulns": []},
        {"name": "b", "version": "2", "skip_reason": "not found"},
        {"name": "c", "version": "3",
         "vulns": [{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["4"]}]},
    ]
}  # fmt: skip


def rows(heading: str) -> dict[str, list[str]]:
    """First cell → the others, of the table under a heading."""
    part = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [[c.strip() for c in line.strip("|").split("|")] for line in part.splitlines() if line]
    return {cells[0].strip("`"): cells[1:] for cells in lines if cells[0].startswith("`")}


@pytest.mark.parametrize(
    ("wanted", "heading"),
    [
        (PROJECT["project"]["dependencies"], "What runs"),
        *((EXTRAS[name], f"The extra `{name}`") for name in ("agents", "mysql", "embedded")),
        ([*EXTRAS["test"], *PROJECT["dependency-groups"]["dev"]], "Tests and checks"),
    ],
)
def test_each_dependency_has_its_reason(wanted: list[str], heading: str) -> None:
    """What nobody can say a reason for is taken out; the page lists no other."""
    named = {re.split(r"[\[<>=]", each)[0] for each in wanted} - {PROJECT["project"]["name"]}
    assert set(rows(heading)) == named
    assert all(cells[0] for cells in rows(heading).values())


def test_each_unusual_licence_has_its_reason() -> None:
    """The list of the command and the table of the page are one."""
    table = rows("Licences beyond MIT, BSD, Apache, PSF")
    assert {name: cells[0] for name, cells in table.items()} == supply.ALLOWED
    assert supply.strange_licences(supply.locked(ROOT / supply.ALL)) == []


def test_a_licence_nobody_agreed_to_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new dependency may bring one."""
    monkeypatch.setattr(supply, "licence_of", lambda _name: "AGPL-3.0-only")
    found = supply.strange_licences([supply.Locked("news", "1.0", ())])
    assert found == ["news 1.0: AGPL-3.0-only"]


def test_the_bill_holds_every_package_and_jar_and_is_the_same_each_time() -> None:
    """Who compares two bills sees what changed, and nothing else."""
    text = supply.bill()
    assert text == supply.bill()
    told = json.loads(text)
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.6")
    parts = {each["purl"]: each for each in told["components"]}
    for each in supply.locked(ROOT / supply.RUNS):
        found = parts[f"pkg:pypi/{each.name}@{each.version}"]
        assert {one["content"] for one in found["hashes"]} == set(each.hashes)
    jars = (ROOT / supply.JARS).read_text(encoding="utf-8").splitlines()
    assert sum(purl.startswith("pkg:maven/") for purl in parts) == sum(
        not line.startswith("#") for line in jars if line
    )
    assert "pkg:pypi/pytest" not in text


def test_the_extra_alone_brings_what_one_worker_needs() -> None:
    """A site without case agents installs a dozen packages less."""
    base = {each.name for each in supply.locked(ROOT / "requirements.txt")}
    extra = {each.name for each in supply.locked(ROOT / supply.RUNS)} - base
    assert {"faust-streaming", "aiokafka", "venusian", "croniter", "mode-streaming"} <= extra
    assert len(extra) >= 12


def test_no_lock_names_a_registry() -> None:
    """Everybody has another mirror."""
    for file in ROOT.glob("requirements*.txt"):
        assert "://" not in file.read_text(encoding="utf-8")


def test_what_the_database_skipped_is_not_called_well() -> None:
    """pip-audit ends with 0 and "no known vulnerabilities" for packages it has no word about."""
    found = supply.read_answer(json.dumps(VULNERABLE))
    assert found == supply.Audited(3, 1, ("c 3: PYSEC-1 CVE-1 → 4",))


@pytest.mark.parametrize("answer", ["", "<html>", "[]", '{"error": 1}'])
def test_no_answer_is_none(answer: str) -> None:
    """A proxy's page, a broken connection."""
    assert supply.read_answer(answer) is None


@pytest.mark.parametrize(
    ("answers", "status", "said"),
    [
        ([None], 3, "NOTHING was audited"),
        ([supply.Audited(1, 1, ())], 3, "NOTHING was audited"),
        ([supply.Audited(1, 0, ()), None], 3, "NOT audited"),
        ([supply.Audited(1, 0, ()), supply.Audited(9, 2, ())], 0, "not audited: 2"),
        ([supply.Audited(1, 0, ()), supply.Audited(9, 0, ("c 3: X",))], 1, "c 3: X"),
    ],
)
def test_an_audit_says_what_it_could_not_ask(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    answers: list[supply.Audited | None],
    status: int,
    said: str,
) -> None:
    """One question first: a hundred more are not asked of a database that is not there."""
    waiting = iter(answers)
    monkeypatch.setattr(supply, "audited", lambda _lines: next(waiting))
    assert supply.main(["audit"]) == status
    assert said in capsys.readouterr().out
    assert next(waiting, "all asked") == "all asked"


def test_a_worker_without_its_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    """Not a traceback of imports."""
    from click.testing import CliRunner  # noqa: PLC0415 - imported with what is missing below

    from hub.cli import hub  # noqa: PLC0415 - as above

    monkeypatch.setitem(sys.modules, "faust", None)
    monkeypatch.delitem(sys.modules, "hub.agents.loop", raising=False)
    result = CliRunner().invoke(hub, ["run", "cases", "--site", str(tmp_path)])
    assert "requirements-image.txt" in str(result.exception) + result.output
