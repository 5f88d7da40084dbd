"""Obeys systemd units where systemd does not run: what it understands, it does as systemd does.

Order and wishes (`Wants=`, `Requires=`, `After=`), `Type=exec|oneshot`, `ExecStart=`,
`Environment=`, `EnvironmentFile=`, `LoadCredential=`, `WorkingDirectory=`, `Restart=`,
`RestartSec=`, `RestartPreventExitStatus=`, `StartLimitIntervalSec=` and `StartLimitBurst=`,
`OnFailure=`, `TimeoutStopSec=`. Users, limits and sandboxes are left out: they need root, and
systemd.
"""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.deploy.units import SystemdUnit, read_environment, read_unit, words

_LOOK_SECONDS = 0.02
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
"""systemd's own; nothing else of the caller's environment reaches a service."""


@dataclass(slots=True)
class _Service:
    unit: SystemdUnit
    process: subprocess.Popen[bytes] | None = None
    state: str = "inactive"
    """inactive, active, waiting (to be started again), failed."""
    starts: deque[float] = field(default_factory=deque)
    again_at: float = 0.0
    restarts: int = 0


class Supervisor:
    """Starts units of one folder and keeps them running, on a thread of its own.

    `provided` are units that somebody else has started. Logs are `<logs>/<unit>.log`.
    """

    def __init__(self, folder: Path, logs: Path, provided: Iterable[str] = ()) -> None:
        self._folder, self._logs, self._provided = folder, logs, frozenset(provided)
        self._credentials = logs / "credentials"
        self._services: dict[str, _Service] = {}
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)
        logs.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    # --- what a test asks ------------------------------------------------------------------------

    def start(self, name: str) -> None:
        """Start a unit with all it wants and requires, in their order."""
        with self._lock:
            for each in self._in_order(name):
                self._activate(each)

    def pid(self, name: str) -> int | None:
        """Process id of a running service."""
        with self._lock:
            service = self._services.get(name)
            running = service is not None and service.process and service.process.poll() is None
            return service.process.pid if running and service and service.process else None

    def state(self, name: str) -> str:
        """inactive, active, waiting or failed."""
        with self._lock:
            return self._services[name].state if name in self._services else "inactive"

    def restarts(self, name: str) -> int:
        """How often it was started again."""
        with self._lock:
            return self._services[name].restarts

    def services(self) -> list[str]:
        """Names of the services it was asked to start."""
        with self._lock:
            return sorted(name for name in self._services if name.endswith(".service"))

    def said(self, name: str) -> str:
        """The end of what a unit wrote."""
        file = self._logs / f"{name}.log"
        return file.read_text(encoding="utf-8")[-2_000:] if file.exists() else ""

    def stop(self) -> None:
        """End every service; what others come `After=` when they have ended, as systemd does."""
        self._stopping.set()
        self._thread.join()
        left = {
            name: service
            for name, service in self._services.items()
            if service.process and service.process.poll() is None
        }
        while left:
            before = {name for service in left.values() for name in service.unit.names("After")}
            last = [left.pop(name) for name in sorted(left.keys() - before)]
            assert last, left.keys()
            _end(last)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # --- starting --------------------------------------------------------------------------------

    def _in_order(self, name: str) -> list[str]:
        """The unit and all it pulls in, each after those it names in `After=`."""
        units: dict[str, SystemdUnit] = {}
        left = [name]
        while left:
            each = left.pop()
            if each not in units and each not in self._provided:
                units[each] = read_unit(self._folder, each, self._credentials)
                left += units[each].names("Wants") + units[each].names("Requires")
        ordered: list[str] = []

        def place(each: str, path: tuple[str, ...]) -> None:
            if each in path:
                raise ValueError(f"ordering cycle: {' → '.join((*path, each))}")
            if each in units and each not in ordered:
                for other in units[each].names("After"):
                    place(other, (*path, each))
                ordered.append(each)

        for each in units:
            place(each, ())
        for each in ordered:
            self._services.setdefault(each, _Service(units[each]))
        return ordered

    def _activate(self, name: str) -> None:
        service = self._services[name]
        if service.state == "active":
            return
        needed = [n for n in service.unit.names("Requires") if n not in self._provided]
        if any(self.state(each) != "active" for each in needed):
            service.state = "failed"  # "Dependency failed for …"
        elif not name.endswith(".service"):
            service.state = "active"
        else:
            self._execute(service)

    def _execute(self, service: _Service) -> None:
        """Start it once, unless it was started too often of late."""
        now = time.monotonic()
        interval = float(service.unit.one("Unit", "StartLimitIntervalSec", "10"))
        burst = int(service.unit.one("Unit", "StartLimitBurst", "5"))
        while service.starts and service.starts[0] < now - interval:
            service.starts.popleft()
        if interval and len(service.starts) >= burst:
            self._fail(service)
            return
        service.starts.append(now)
        if service.unit.one("Service", "Type", "simple") == "oneshot":
            for command in service.unit.all("Service", "ExecStart"):
                self._spawn(service, command)
                assert service.process is not None
                status = service.process.wait()
                if status:
                    self._ended(service, status)
                    return
            service.state, service.process = "active", None
        else:
            (command,) = service.unit.all("Service", "ExecStart")
            self._spawn(service, command)
            service.state = "active"

    def _spawn(self, service: _Service, command: str) -> None:
        unit = service.unit
        environment = {"PATH": _PATH, "LANG": "C.UTF-8"}
        for setting in unit.all("Service", "Environment"):
            environment |= dict(pair.split("=", 1) for pair in words(setting, {}))
        for file in unit.all("Service", "EnvironmentFile"):
            environment |= read_environment(Path(file))
        try:
            self._load_credentials(unit)
        except FileNotFoundError as error:
            # systemd: the service ends before it began, with status 243/CREDENTIALS
            command = f"/bin/sh -c 'echo {error.filename} is missing >&2; exit 243'"
        with (self._logs / f"{unit.name}.log").open("ab") as log:
            service.process = subprocess.Popen(
                words(command, environment), env=environment, stdout=log, stderr=log,
                cwd=unit.one("Service", "WorkingDirectory") or "/", stdin=subprocess.DEVNULL,
            )  # fmt: skip

    def _load_credentials(self, unit: SystemdUnit) -> None:
        folder = self._credentials / unit.name
        for credential in unit.all("Service", "LoadCredential"):
            name, _, source = credential.partition(":")
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(source, folder / name)
            (folder / name).chmod(0o600)

    # --- keeping ---------------------------------------------------------------------------------

    def _watch(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            with self._lock:
                for service in list(self._services.values()):
                    if service.state == "active" and service.process is not None:
                        status = service.process.poll()
                        if status is not None:
                            self._ended(service, status)
                    elif service.state == "waiting" and time.monotonic() >= service.again_at:
                        service.restarts += 1
                        self._execute(service)

    def _ended(self, service: _Service, status: int) -> None:
        """Decide what follows an end; a negative status is the signal it died of."""
        unit = service.unit
        name = signal.Signals(-status).name if status < 0 else str(status)
        prevented = name in unit.one("Service", "RestartPreventExitStatus").split()
        is_clean = status == 0 or name in {"SIGTERM", "SIGINT", "SIGHUP", "SIGPIPE"}
        wish = unit.one("Service", "Restart", "no")
        if not prevented and (wish == "always" or (wish == "on-failure" and not is_clean)):
            service.state = "waiting"
            service.again_at = time.monotonic() + float(unit.one("Service", "RestartSec", "0.1"))
        elif is_clean:
            service.state = "inactive"
        else:
            self._fail(service)

    def _fail(self, service: _Service) -> None:
        service.state = "failed"
        for name in service.unit.names("OnFailure"):
            for each in self._in_order(name):
                self._services[each].state = "inactive"
                self._activate(each)


def _end(services: Iterable[_Service]) -> None:
    """SIGTERM to all at once; SIGKILL after `TimeoutStopSec=`."""
    running = [(service.unit, service.process) for service in services if service.process]
    for _, process in running:
        process.send_signal(signal.SIGCONT)
        process.terminate()
    for unit, process in running:
        try:
            process.wait(float(unit.one("Service", "TimeoutStopSec", "90")))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def kill(pid: int) -> None:
    """Kill as the kernel's memory killer or a power cut would."""
    os.kill(pid, signal.SIGKILL)
