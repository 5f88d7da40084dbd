"""A real MariaDB for tests: the server of the Debian package, as a process under a folder."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import MappingProxyType
from typing import Final, Self

import psutil
import pymysql
import pytest

from hub.embedded.server_process import LOOPBACK, ServerProcess, keep_ports, read_ports
from hub.errors import UnavailableError
from tests.programs import find_program

SERVER: Final = "mariadbd"
INSTALLER: Final = "mariadb-install-db"
NEEDS_MARIADB: Final = pytest.mark.programs(SERVER, INSTALLER)
"""The mark of every test that uses the fixture `mariadb`."""
USER: Final = "hub"
PASSWORD: Final = "hub-test"
DATABASE: Final = "hub"
_START_SECONDS: Final = 60.0


class MariaDb:
    """One server under `folder`; ends with the process that started it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = ServerProcess("mariadb", folder)

    @property
    def url(self) -> str:
        """SQLAlchemy's address, with the password; its database may be made anew by tests."""
        port = read_ports(self._folder)["mariadb"]
        return f"mariadb://{USER}:{PASSWORD}@{LOOPBACK}:{port}/{DATABASE}"

    def connect(self, database: str = DATABASE) -> "pymysql.Connection[pymysql.cursors.Cursor]":
        """Return a session of an all-powerful user."""
        return pymysql.connect(
            host=LOOPBACK, port=read_ports(self._folder)["mariadb"], user=USER, password=PASSWORD,
            database=database or None, charset="utf8mb4", autocommit=True,
        )  # fmt: skip

    def start(self) -> None:
        """Make the data folder and start. Raises `UnavailableError` with the end of the log."""
        keep_ports(self._folder, ("mariadb",), MappingProxyType({}))
        datadir = self._folder / "mysql"
        as_root = ("--user=root",) if os.geteuid() == 0 else ()
        if not datadir.exists():
            made = subprocess.run(
                [
                    find_program(INSTALLER), "--no-defaults",
                    f"--datadir={datadir}", "--auth-root-authentication-method=normal",
                    "--skip-test-db", *as_root,
                ],
                check=False, capture_output=True, text=True,
            )  # fmt: skip
            if made.returncode:
                shutil.rmtree(datadir, ignore_errors=True)
                raise UnavailableError(f"mariadb-install-db: {made.stdout}{made.stderr}")
        init = self._folder / "init.sql"
        init.write_text(
            f"CREATE DATABASE IF NOT EXISTS {DATABASE} CHARACTER SET utf8mb4;\n"
            f"CREATE USER IF NOT EXISTS '{USER}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'%' WITH GRANT OPTION;\n",
            encoding="utf-8",
        )
        self._process.start(
            [
                find_program(SERVER), "--no-defaults", f"--datadir={datadir}",
                f"--socket={self._folder}/s", f"--pid-file={self._folder}/mariadbd.pid",
                f"--bind-address={LOOPBACK}", f"--port={read_ports(self._folder)['mariadb']}",
                f"--init-file={init}", "--innodb-buffer-pool-size=32M",
                "--innodb-flush-log-at-trx-commit=2", "--skip-name-resolve", *as_root,
            ],
            leashed=True,
        )  # fmt: skip
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            self._process.check_alive()
            try:
                self.connect().close()
            except pymysql.OperationalError:
                time.sleep(0.1)
            else:
                return
        raise UnavailableError(f"MariaDB is not ready:\n{self._process.log_end()}")

    def freeze(self) -> None:
        """Let it answer nothing (SIGSTOP) until `thaw`."""
        psutil.Process(self._process.pid).suspend()

    def thaw(self) -> None:
        """Let it go on."""
        psutil.Process(self._process.pid).resume()

    def kill(self) -> None:
        """End it at once; the data stay, `start` brings it back on the same port."""
        self._process.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()
