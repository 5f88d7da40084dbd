"""The systemd units: systemd accepts them, and what they start is a worker as the hub knows it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from hub.provisioning.deployment import Process
from tests.deploy.commands import parsed
from tests.deploy.county import county, processes
from tests.deploy.units import SystemdUnit, read_environment, read_unit, words

HUB = "/opt/hub/.venv/bin/hub"
OURS = ("prepare-hub.service", *(f"{process.unit}.service" for process in processes()))
ELSEWHERE = frozenset(
    {"network-online.target", "postgresql.service", "multi-user.target", "kafka.service"}
)
"""Units a machine has from its distribution; kafka.service only where Kafka is not elsewhere."""


def unit(name: str) -> SystemdUnit:
    """A unit made out for the county."""
    return read_unit(county() / "systemd", name)


def commands(one: SystemdUnit) -> list[list[str]]:
    """What a unit executes, as words; variables from the files it names, under /etc/hub."""
    environment: dict[str, str] = {}
    for file in one.all("Service", "EnvironmentFile"):
        if file.startswith("/etc/hub/ports/"):
            environment |= read_environment(county() / "systemd/ports" / Path(file).name)
    return [words(command, environment) for command in one.all("Service", "ExecStart")]


@pytest.mark.parametrize("name", OURS)
def test_a_unit_starts_a_command_the_hub_has(name: str) -> None:
    """A renamed command or option would only be noticed on the county's machine."""
    found = commands(unit(name))
    assert found
    for program, *arguments in found:
        assert program == HUB
        _names, parameters = parsed(arguments)
        assert parameters["site_folder"] == Path("/etc/hub/site")


@pytest.mark.parametrize("process", processes(), ids=lambda process: process.unit)
def test_a_unit_runs_its_process_on_its_port(process: Process) -> None:
    """The list that alerts and operators go by is what the units do."""
    ((_hub, *arguments),) = commands(unit(f"{process.unit}.service"))
    names, parameters = parsed(arguments)
    assert names == (["connector"] if process.kind == "connector" else ["run", process.kind])
    assert parameters["metrics_port"] == process.port
    if process.instance:
        instance = {"registrar": "slot", "courier": "target", "connector": "department"}
        assert str(parameters[instance[process.kind]]) == process.instance


@pytest.mark.parametrize("process", processes(), ids=lambda process: process.unit)
def test_a_killed_worker_comes_back_and_one_that_refused_does_not(process: Process) -> None:
    """Restart always, but after status 2 somebody is told instead; in both cases with limits."""
    one = unit(f"{process.unit}.service")
    assert one.one("Service", "Restart") == "always"
    assert float(one.one("Service", "RestartSec")) <= 2
    assert one.one("Service", "RestartPreventExitStatus") == "2"
    assert one.names("OnFailure") == [f"worker-stopped@{one.name}.service"]
    assert int(one.one("Unit", "StartLimitBurst")) > 0
    assert float(one.one("Service", "TimeoutStopSec")) > 120  # longer than the longest request


@pytest.mark.parametrize("process", processes(), ids=lambda process: process.unit)
def test_a_worker_runs_with_no_more_rights_than_it_needs(process: Process) -> None:
    """Not root, no capabilities, the machine's files read-only, memory bounded."""
    one = unit(f"{process.unit}.service")
    wanted = {
        "User": "hub", "NoNewPrivileges": "yes", "ProtectSystem": "strict", "ProtectHome": "yes",
        "PrivateTmp": "yes", "StateDirectory": "hub", "UMask": "0027",
    }  # fmt: skip
    assert {key: one.one("Service", key) for key in wanted} == wanted
    assert ("CapabilityBoundingSet", "") in one.settings["Service"]
    assert one.one("Service", "MemoryMax")


def test_the_target_wants_every_process_of_the_site() -> None:
    """`systemctl enable --now hub.target` starts all, and no more."""
    wanted = set(unit("hub.target").names("Wants"))
    assert wanted == {"kafka.service", *OURS}


@pytest.mark.parametrize("name", ["hub.target", *OURS])
def test_units_named_by_a_unit_exist(name: str) -> None:
    """An order after a unit that nobody has is no order."""
    for key in ("Wants", "Requires", "After", "PartOf", "OnFailure"):
        for other in unit(name).names(key):
            if other not in ELSEWHERE:
                assert unit(other).settings, other


@pytest.mark.programs("systemd-analyze")
def test_systemd_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    """`systemd-analyze verify`; the programs they start are put where this machine has one."""
    folder = Path(shutil.copytree(county() / "systemd", tmp_path / "units"))
    missing = (HUB, "/opt/hub/deploy/kafka/start.sh", "/usr/bin/logger")
    for file in [path for path in folder.rglob("*") if path.is_file()]:
        text = file.read_text(encoding="utf-8")
        for program in missing:
            text = text.replace(program, shutil.which("true") or "")
        file.write_text(text, encoding="utf-8")
    templates = ("worker-stopped@x.service", "kafka.service")
    said = _verify(folder, "hub.target", *OURS, *templates)
    assert said == ""
    drop_in = folder / "hub-.service.d" / "20-mistake.conf"
    drop_in.write_text("[Service]\nRestrat=always\n", encoding="ascii")
    assert "Restrat" in _verify(folder, "hub-receipts.service")  # it would have complained


def _verify(folder: Path, *names: str) -> str:
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names], cwd=folder, text=True, check=False,
        env={"SYSTEMD_UNIT_PATH": f"{folder}:", "PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        capture_output=True,
    )  # fmt: skip
    lines = (result.stdout + result.stderr).splitlines()
    # what is said about the units of this machine, and about ours naming its PostgreSQL
    return "\n".join(line for line in lines if str(folder) in line or "hub" in line)
