"""A server the hub starts: found by its pid file, stopped in order, gone with its parent."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

import psutil
import pytest

from hub.embedded.server_process import LOOPBACK, PORTS, ServerProcess, keep_ports
from hub.errors import ConfigurationError, UnavailableError

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")
IGNORING = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
STUBBORN = (sys.executable, "-c", f"{IGNORING} print('ready', flush=True); time.sleep(600)")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerProcess]:
    """A process that is gone after the test, however that ends."""
    process = ServerProcess("sleeper", tmp_path)
    yield process
    process.kill()


def wait_until_gone(pid: int) -> None:
    """Fail when the process still runs after ten seconds."""
    for _ in range(200):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} still runs")


def test_another_process_finds_and_stops_a_server_by_its_folder(server: ServerProcess) -> None:
    """`hub dev down` knows nothing but the state folder."""
    server.start(SLEEPER, leashed=True)
    other = ServerProcess("sleeper", server.folder)
    assert other.pid == server.pid is not None
    with pytest.raises(UnavailableError, match="running already"):
        other.start(SLEEPER, leashed=True)
    pid = server.pid
    server.stop()
    assert other.pid is None
    wait_until_gone(pid)


def test_a_server_that_ignores_its_stop_signal_is_ended_by_force(server: ServerProcess) -> None:
    """`hub dev down` never leaves a process behind."""
    server.start(STUBBORN, leashed=True)
    pid = server.pid
    assert pid is not None
    while "ready" not in server.log_end():
        time.sleep(0.02)
    server.stop(timeout_seconds=0.2)
    wait_until_gone(pid)


def test_a_pid_taken_over_by_another_program_is_not_the_server(server: ServerProcess) -> None:
    """After a reboot the old pid may be anybody's; stopping must not hit that program."""
    noted = {"pid": os.getpid(), "started": psutil.Process().create_time() - 3600}
    (server.folder / "pid.json").write_text(json.dumps(noted), encoding="utf-8")
    assert server.pid is None
    server.stop()  # would end this very test otherwise


def test_its_own_server_is_stopped_whatever_the_clock_and_the_file_say(
    server: ServerProcess,
) -> None:
    """A step of the clock moves the start of every process, as its pid file has it."""
    server.start(SLEEPER, leashed=True)
    pid = server.pid
    assert pid is not None
    noted = {"pid": pid, "started": psutil.Process(pid).create_time() - 3600}
    (server.folder / "pid.json").write_text(json.dumps(noted), encoding="utf-8")
    assert server.pid == pid
    server.stop()
    wait_until_gone(pid)


def test_another_process_finds_the_server_after_a_step_of_the_clock(
    server: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`hub dev down` ends it, too."""
    server.start(SLEEPER, leashed=True)
    boot = psutil.boot_time()
    monkeypatch.setattr("psutil._pslinux.boot_time", lambda: boot + 3600)
    assert ServerProcess("sleeper", server.folder).pid == server.pid is not None


@pytest.mark.parametrize("text", ["", "{", '{"pid": 999999999, "started": 1.0}'])
def test_a_stale_or_torn_pid_file_does_not_hinder_a_start(server: ServerProcess, text: str) -> None:
    """SIGKILL may leave any of these behind."""
    (server.folder / "pid.json").write_text(text, encoding="utf-8")
    server.start(SLEEPER, leashed=True)
    assert server.pid is not None


def test_a_server_that_ends_by_itself_is_reported_with_the_end_of_its_log(
    server: ServerProcess,
) -> None:
    """The cause is in the log; the operator gets it without looking for it."""
    server.start((sys.executable, "-c", "raise SystemExit('no space left')"), leashed=True)
    while server.pid is not None:
        time.sleep(0.02)
    with pytest.raises(UnavailableError, match="no space left"):
        server.check_alive()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has PR_SET_PDEATHSIG")
@pytest.mark.parametrize("leashed", [True, False])
def test_a_leashed_server_dies_with_a_killed_parent_and_an_unleashed_one_stays(
    tmp_path: Path,
    leashed: bool,  # noqa: FBT001 - a test parameter
) -> None:
    """A demo killed with SIGKILL leaves no broker behind; `hub dev up` is meant to leave one."""
    program = (
        "import sys, time; from pathlib import Path;"
        "from hub.embedded.server_process import ServerProcess;"
        f"server = ServerProcess('sleeper', Path({str(tmp_path)!r}));"
        f"server.start({SLEEPER!r}, leashed={leashed});"
        "print(server.pid, flush=True); time.sleep(600)"
    )
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=root
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    if leashed:
        wait_until_gone(pid)
    else:
        time.sleep(0.3)
        left = ServerProcess("sleeper", tmp_path)
        assert left.pid == pid
        left.stop()
        assert left.pid is None


def test_ports_stay_the_same_from_start_to_start(tmp_path: Path) -> None:
    """Clients configured once find the broker after every restart."""
    first = keep_ports(tmp_path, ("broker", "controller"))
    assert set(first.values()) <= set(PORTS)
    assert len(set(first.values())) == 2
    assert keep_ports(tmp_path, ("broker", "controller")) == first


def test_a_kept_port_somebody_took_is_chosen_anew_but_a_wanted_one_is_refused(
    tmp_path: Path,
) -> None:
    """Nobody asked for the kept number; the wanted one is named with its remedy."""
    kept = keep_ports(tmp_path, ("broker",))["broker"]
    with closing(socket.create_server((LOOPBACK, kept))):
        assert keep_ports(tmp_path, ("broker",))["broker"] != kept
        with pytest.raises(ConfigurationError) as refused:
            keep_ports(tmp_path, ("broker",), MappingProxyType({"broker": kept}))
    assert str(kept) in refused.value.problem.zh
    assert refused.value.problem.remedy_zh
    assert refused.value.problem.remedy_en
