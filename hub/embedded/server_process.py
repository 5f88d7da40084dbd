"""A server the hub starts itself: its process, its pid file, its ports, its way to the end.

Everything it owns is under one folder, so that another process (`hub dev down`) can find and stop
it, and a start after SIGKILL finds its data and no stale lock.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Self

import psutil

from hub.embedded import leash
from hub.errors import ConfigurationError, UnavailableError

LOOPBACK = "127.0.0.1"
PORTS = range(20_000, 30_000)
"""Below Linux's and IANA's ephemeral ranges: no outgoing connection takes a kept port by chance."""

STOP_SECONDS = 30.0
LOG_LINES_SHOWN = 15
_SAME_START_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class RunAs:
    """The numeric user and group a server runs as; -1 keeps the caller's."""

    uid: int = leash.KEEP_USER
    gid: int = leash.KEEP_USER


@dataclass(slots=True)
class ServerProcess:
    """One server process, known by `folder/pid.json`, also to later commands.

    `stop_signal` asks it to end in order; `death_signal` is what it gets when a leashed start's
    parent dies.
    """

    name: str
    folder: Path
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    _child: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def log_file(self) -> Path:
        """Output of the process on stdout and stderr, of this start and earlier ones."""
        return self.folder / f"{self.name}.log"

    @property
    def pid(self) -> int | None:
        """Process id of the running server, or None."""
        process = self._process()
        return process.pid if process else None

    def start(self, argv: Sequence[str], *, leashed: bool, run_as: RunAs = RunAs()) -> None:
        """Start `argv` (absolute program first) in its own session, output to `log_file`.

        Raises `UnavailableError` when it runs already.
        """
        if (pid := self.pid) is not None:
            raise UnavailableError(
                f"{self.name} 已在运行（进程 {pid}）。请先执行 hub dev down，或改用 HUB_STATE\n"
                f"{self.name} is running already (process {pid}): hub dev down, or set HUB_STATE"
            )
        command = [
            *(sys.executable, "-I", leash.__file__, str(os.getpid())),
            *(str(int(self.death_signal) if leashed else 0), str(run_as.uid), str(run_as.gid)),
            *argv,
        ]
        with self.log_file.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - the hub names the program itself
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for us; we then stop it in order
            )
        started = _seconds_after_boot(psutil.Process(self._child.pid))
        noted = {"pid": self._child.pid, "boot": _boot(), "started": started}
        (self.folder / "pid.json").write_text(json.dumps(noted), encoding="utf-8")

    def stop(self, timeout_seconds: float = STOP_SECONDS) -> None:
        """End it in order, by force after the time-out; nothing happens when it does not run."""
        process = self._process()
        if process is not None:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(self.stop_signal)
                try:
                    self._wait(process, timeout_seconds)
                except (subprocess.TimeoutExpired, psutil.TimeoutExpired):
                    process.kill()
                    self._wait(process, timeout_seconds)
        self._forget()

    def kill(self) -> None:
        """End it at once with SIGKILL, as a power cut would; the data stay."""
        process = self._process()
        if process is not None:
            with suppress(psutil.NoSuchProcess):
                process.kill()
                self._wait(process, STOP_SECONDS)
        self._forget()

    def release(self) -> None:
        """Let the process run on after us: `hub dev up` returns, the server stays."""
        if self._child is not None:
            self._child.returncode = 0  # else Popen warns at exit that its child still runs
            self._child = None

    def check_alive(self) -> None:
        """Raise `UnavailableError` with the log's end when the process ended by itself."""
        if self.pid is None:
            raise UnavailableError(
                f"{self.name} 启动后退出，日志 {self.log_file} 末尾如下\n"
                f"{self.name} ended after its start; the end of {self.log_file}:\n"
                f"{self.log_end()}"
            )

    def log_end(self) -> str:
        """The last lines of the log, for a person to read."""
        if not self.log_file.exists():
            return ""
        text = self.log_file.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-LOG_LINES_SHOWN:])

    def _process(self) -> psutil.Process | None:
        """Find the process the pid file names; a pid taken over by another program is not it."""
        try:
            if self._child is not None:  # our own child, even if the clock steps
                return psutil.Process(self._child.pid) if self._child.poll() is None else None
            noted = json.loads((self.folder / "pid.json").read_text(encoding="utf-8"))
            process = psutil.Process(noted["pid"])
            apart = abs(_seconds_after_boot(process) - noted["started"])
            if noted.get("boot") != _boot() or apart > _SAME_START_SECONDS:
                return None
            return None if process.status() == psutil.STATUS_ZOMBIE else process
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return None

    def _wait(self, process: psutil.Process, timeout_seconds: float) -> None:
        if self._child is not None:
            self._child.wait(timeout_seconds)
        else:
            process.wait(timeout_seconds)

    def _forget(self) -> None:
        if self._child is not None:
            self._child.wait(STOP_SECONDS)
            self._child = None
        (self.folder / "pid.json").unlink(missing_ok=True)


class EmbeddedServer(ABC):
    """A server of the hub's own under `folder`.

    A leashed start (the default) lets it die with this process however that ends; the context
    manager stops it in order. Data survive both, and SIGKILL.
    """

    def __init__(self, process: ServerProcess) -> None:
        self._folder = process.folder
        self._process = process

    @abstractmethod
    def start(self, *, leashed: bool = True) -> None:
        """Start and wait until it answers.

        Raises `ConfigurationError`, and `UnavailableError` when it runs already, ended or stays
        silent, with the end of its log.
        """

    @property
    def pid(self) -> int | None:
        """Its process id, or None when it does not run."""
        return self._process.pid

    @property
    def was_started(self) -> bool:
        """Whether it ever started here, so that its address is known."""
        return bool(read_ports(self._folder))

    @property
    def log_file(self) -> Path:
        """Its log."""
        return self._process.log_file

    def stop(self) -> None:
        """End it in order; nothing happens when it does not run."""
        self._process.stop()

    def kill(self) -> None:
        """End it with SIGKILL; the data stay."""
        self._process.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _boot() -> str:
    """Return the id of this run of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _seconds_after_boot(process: psutil.Process) -> float:
    """Return when a process started: no step of the clock moves it."""
    return float(process.create_time() - psutil.boot_time())


def is_free(port: int) -> bool:
    """Whether this loopback port is free now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def keep_ports(
    folder: Path, names: Sequence[str], fixed: MappingProxyType[str, int] = MappingProxyType({})
) -> dict[str, int]:
    """Ports by name, the same ones at every start (`folder/ports.json`), chosen free at first.

    A kept port that was taken meanwhile is chosen again; a `fixed` one the operator asked
    for is refused with `ConfigurationError`.
    """
    kept = read_ports(folder)
    ports: dict[str, int] = {}
    for name in names:
        if name in fixed:
            if not is_free(fixed[name]):
                raise port_in_use(name, fixed[name])
            ports[name] = fixed[name]
        elif name in kept and is_free(kept[name]):
            ports[name] = kept[name]
        else:
            ports[name] = _choose_port(set(ports.values()))
    (folder / "ports.json").write_text(json.dumps(ports), encoding="utf-8")
    return ports


def read_ports(folder: Path) -> dict[str, int]:
    """Read the ports chosen at the last start; empty before the first."""
    file = folder / "ports.json"
    if not file.exists():
        return {}
    kept: dict[str, int] = json.loads(file.read_text(encoding="utf-8"))
    return kept


def port_in_use(name: str, port: int) -> ConfigurationError:
    """Build the refusal of a port that another program listens on."""
    return ConfigurationError(
        f"端口 {port}（{name}）已被其他程序占用",
        f"port {port} ({name}) is in use by another program",
        remedy_zh=f"停止占用该端口的程序（ss -ltnp | grep {port}），或另行指定端口",
        remedy_en=f"stop the program that holds it (ss -ltnp | grep {port}), or name another port",
    )


def _choose_port(taken: set[int]) -> int:
    draw = random.SystemRandom()
    for _ in range(200):
        port = draw.choice(PORTS)
        if port not in taken and is_free(port):
            return port
    raise UnavailableError("20000–29999 之间没有空闲端口\nno free port between 20000 and 29999")
