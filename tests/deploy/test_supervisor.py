"""The test supervisor does what systemd's manual says of the settings our units use."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.deploy.supervisor import Supervisor, kill

_PATIENCE_SECONDS = 20.0


class UnitFolder:
    """A folder of units, and a supervisor over it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.supervisor = Supervisor(folder, folder / "logs", {"elsewhere.service"})

    def write(self, name: str, command: str, unit: str = "", service: str = "") -> None:
        """Write a unit that runs a shell command."""
        (self.folder / name).write_text(
            f"[Unit]\n{unit}\n[Service]\nWorkingDirectory={self.folder}\n"
            f"ExecStart=/bin/sh -c '{command}'\nRestartSec=0.05\n{service}\n",
            encoding="utf-8",
        )

    def wait(self, is_true: Callable[[], bool]) -> None:
        """Look again until it is so."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not is_true():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def lines(self, name: str) -> list[str]:
        """Lines of a file that the units write."""
        file = self.folder / name
        return file.read_text(encoding="utf-8").split() if file.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[UnitFolder]:
    """Return a machine whose services end with the test."""
    made = UnitFolder(tmp_path)
    with made.supervisor:
        yield made


def test_a_killed_service_is_started_again(machine: UnitFolder) -> None:
    """As another process, by itself."""
    machine.write("a.service", "exec sleep 600", service="Restart=always")
    machine.supervisor.start("a.service")
    first = machine.supervisor.pid("a.service")
    assert first is not None
    kill(first)
    machine.wait(lambda: machine.supervisor.pid("a.service") not in {None, first})
    assert machine.supervisor.restarts("a.service") == 1


def test_a_service_that_refused_is_left_alone_and_somebody_is_told(machine: UnitFolder) -> None:
    """`RestartPreventExitStatus=2` wins over `Restart=always`; `OnFailure=` knows who it was."""
    machine.write("tell@.service", "echo %i >> told", service="Type=oneshot")
    machine.write(
        "a.service", "exit 2", "OnFailure=tell@%n.service",
        "Restart=always\nRestartPreventExitStatus=2",
    )  # fmt: skip
    machine.supervisor.start("a.service")
    machine.wait(lambda: machine.lines("told") == ["a.service"])
    assert machine.supervisor.state("a.service") == "failed"
    assert machine.supervisor.restarts("a.service") == 0


def test_too_many_starts_end_in_failure(machine: UnitFolder) -> None:
    """A service that dies at once is not started for ever."""
    limits = "StartLimitIntervalSec=600\nStartLimitBurst=3"
    machine.write("a.service", "echo x >> starts; exit 1", limits, "Restart=always")
    machine.supervisor.start("a.service")
    machine.wait(lambda: machine.supervisor.state("a.service") == "failed")
    assert machine.lines("starts") == ["x", "x", "x"]


def test_what_comes_after_starts_after(machine: UnitFolder) -> None:
    """The target pulls both in; the oneshot has ended before the service begins."""
    machine.write("b.service", "echo b >> order; exec sleep 600", "After=a.service")
    machine.write("a.service", "sleep 0.3; echo a >> order", service="Type=oneshot")
    (machine.folder / "all.target").write_text(
        "[Unit]\nWants=b.service a.service elsewhere.service\n", encoding="ascii"
    )
    machine.supervisor.start("all.target")
    machine.wait(lambda: len(machine.lines("order")) == 2)
    assert machine.lines("order") == ["a", "b"]


@pytest.mark.parametrize(("wish", "state"), [("Requires", "failed"), ("Wants", "active")])
def test_a_failed_requirement_stops_what_needs_it(
    machine: UnitFolder, wish: str, state: str
) -> None:
    """A wish does not."""
    machine.write("a.service", "exit 1", service="Type=oneshot")
    machine.write("b.service", "exec sleep 600", f"{wish}=a.service\nAfter=a.service")
    machine.supervisor.start("b.service")
    assert machine.supervisor.state("b.service") == state


def test_a_service_sees_its_own_environment_alone(
    machine: UnitFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the units forget to say must be missing in the test too."""
    monkeypatch.setenv("LEAKED", "yes")
    (machine.folder / "env").write_text("# a comment\nFROM_FILE='b c'\n", encoding="ascii")
    machine.write(
        "a.service", "env > seen", service=f"Type=oneshot\nEnvironment=PLAIN=a\n"
        f"EnvironmentFile={machine.folder}/env",
    )  # fmt: skip
    machine.supervisor.start("a.service")
    seen = dict(
        line.split("=", 1)
        for line in (machine.folder / "seen").read_text(encoding="utf-8").splitlines()
    )
    assert (seen["PLAIN"], seen["FROM_FILE"]) == ("a", "b c")
    assert "LEAKED" not in seen


def test_a_circle_is_refused(machine: UnitFolder) -> None:
    """Systemd would break it somewhere; we want to know."""
    machine.write("a.service", "true", "Wants=b.service\nAfter=b.service")
    machine.write("b.service", "true", "After=a.service")
    with pytest.raises(ValueError, match="cycle"):
        machine.supervisor.start("a.service")


def test_what_others_come_after_ends_last(tmp_path: Path) -> None:
    """Kafka is there until the last worker has written its end."""
    machine = UnitFolder(tmp_path)
    told = (
        'trap "sleep 0.2; echo {0} >> ended; exit 0" TERM; echo {0} >> ready; '
        "while :; do sleep 0.01; done"
    )
    machine.write("kafka.service", told.format("kafka"))
    machine.write("hub.service", told.format("hub"), "Wants=kafka.service\nAfter=kafka.service")
    with machine.supervisor:
        machine.supervisor.start("hub.service")
        machine.wait(lambda: len(machine.lines("ready")) == 2)
    assert machine.lines("ended") == ["hub", "kafka"]


def test_everything_ends_with_the_supervisor(tmp_path: Path) -> None:
    """No process is left behind, also one that had been stopped."""
    machine = UnitFolder(tmp_path)
    machine.write("a.service", "exec sleep 600", service="Restart=always")
    with machine.supervisor:
        machine.supervisor.start("a.service")
        pid = machine.supervisor.pid("a.service")
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
