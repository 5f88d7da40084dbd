"""A county's machine in a folder: the rendered files with every path moved under one root.

Kafka's scripts are stand-ins that start the pinned jars, as Apache's start those of /opt/kafka; the
command `hub` is one that starts these sources.
"""

import re
import secrets
import shutil
import socket
import sys
from pathlib import Path

from hub.config.kafka_access import OPERATOR, KafkaAccess, access_from_files
from hub.config.repository import ROOT
from hub.config.settings import Settings
from hub.embedded.jar_store import ensure_jars, read_pins
from hub.embedded.kafka import find_java
from tests.deploy.county import render
from tests.deploy.supervisor import Supervisor
from tests.deploy.units import read_unit

_PORT = re.compile(r"(?<=--metrics-port )\d+|(?<=HUB_METRICS_PORT=)\d+|(?<=_PORT=)\d{4}\b")
_LOG4J = """\
appender.file.type = Console
appender.file.name = console
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{ISO8601} %p %m (%c)%n%throwable
rootLogger.level = WARN
rootLogger.appenderRef.file.ref = console
"""


class Machine:
    """The machine of one site; `units` is its /etc/systemd/system."""

    def __init__(self, root: Path, site: Path, settings: Settings, dsn: str) -> None:
        self.root, self._site = root, site
        self._taken: dict[str, str] = {}
        made = render(site, root / "made")
        self.units = made / "systemd"
        self.etc, var = root / "etc/hub", root / "var/lib/hub"
        for folder in (self.etc, var, root / "var/lib/kafka", self.secrets):
            folder.mkdir(parents=True, exist_ok=True)
        for user in (OPERATOR, "broker"):
            self._write_secret(user)
        self._write_hub()
        self._write_kafka(settings)
        shutil.copytree(self.units / "ports", self.etc / "ports")
        for file in (*self.units.rglob("*.*"), *(made / "kafka").iterdir(),
                     *(self.etc / "ports").iterdir()):  # fmt: skip
            if file.is_file():
                file.write_text(self._moved(file.read_text(encoding="utf-8")), encoding="utf-8")
        self.kafka_port = int(self._taken["9092"])
        (self.etc / "hub.env").write_text(
            f"KAFKA_BOOTSTRAP=127.0.0.1:{self.kafka_port}\nHUB_POSTGRES_DSN='{dsn}'\n"
            f"HUB_STATE={var}/state\n",
            encoding="utf-8",
        )
        self.supervisor = Supervisor(
            self.units, root / "logs", {"network-online.target", "postgresql.service"}
        )

    @property
    def secrets(self) -> Path:
        """The passwords of Kafka's users, one file each."""
        return self.etc / "secrets/kafka"

    def access(self, user: str = OPERATOR) -> KafkaAccess:
        """The way to this machine's Kafka as somebody."""
        return access_from_files(f"127.0.0.1:{self.kafka_port}", user, self.secrets)

    def port(self, service: str) -> int:
        """Where a service's health is."""
        unit = read_unit(self.units, service)
        text = unit.one("Service", "ExecStart")
        for file in unit.all("Service", "EnvironmentFile"):
            text += Path(file).read_text(encoding="utf-8") if "/ports/" in file else ""
        found = _PORT.search(text)
        assert found, service
        return int(found[0])

    def _write_secret(self, user: str) -> None:
        file = self.secrets / user
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(24) + "\n", encoding="ascii")

    def _write_hub(self) -> None:
        program = self.root / "opt/hub/.venv/bin/hub"
        program.parent.mkdir(parents=True)
        program.write_text(
            f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m hub "$@"\n',
            encoding="utf-8",
        )
        program.chmod(0o755)

    def _write_kafka(self, settings: Settings) -> None:
        folder = self.root / "opt/kafka/bin"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "log4j2.properties").write_text(_LOG4J, encoding="ascii")
        jars = ensure_jars(settings.cache_folder / "jars", read_pins(), settings.maven_repository)
        class_path = ":".join(map(str, jars))
        java = (
            f'exec "{find_java()}" $KAFKA_HEAP_OPTS -XX:+UseSerialGC -XX:TieredStopAtLevel=1 '
            f'-Dlog4j2.configurationFile={folder}/log4j2.properties -cp "{class_path}"'
        )
        for name, main in (
            ("kafka-storage.sh", "kafka.tools.StorageTool"),
            ("kafka-server-start.sh", "kafka.Kafka"),
        ):
            (folder / name).write_text(f'#!/bin/sh\n{java} {main} "$@"\n', encoding="utf-8")
            (folder / name).chmod(0o755)
        (self.etc / "kafka.env").write_text(
            "KAFKA_CLUSTER_ID=5L6g3nShT-eMCtK--X86sw\nKAFKA_HEAP_OPTS=-Xmx512m\n", encoding="ascii"
        )

    def _moved(self, text: str) -> str:
        """Put every path under the root, and every port where one is free."""
        moved = {
            "/opt/hub/.venv": str(self.root / "opt/hub/.venv"),
            "/opt/hub/deploy/kafka": str(self.root / "made/kafka"),
            "/etc/hub/site": str(self._site),
            "/opt/hub": str(ROOT),
            "/opt/kafka": str(self.root / "opt/kafka"),
            "/etc/hub": str(self.etc),
            "/var/": f"{self.root}/var/",
        }
        pattern = re.compile("|".join(map(re.escape, moved)))  # the longest of each folder first
        text = pattern.sub(lambda found: moved[found[0]], text)
        return _PORT.sub(lambda found: self._free(found[0]), text)

    def _free(self, port: str) -> str:
        if port not in self._taken:
            with socket.socket() as one:
                one.bind(("127.0.0.1", 0))
                self._taken[port] = str(one.getsockname()[1])
        return self._taken[port]
