"""Backing services: Kafka and PostgreSQL, yours when configured, else embedded ones."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from hub.config.kafka_access import KafkaAccess, access_from_files
from hub.config.settings import Settings
from hub.embedded.kafka import EmbeddedKafka
from hub.embedded.postgres import EmbeddedPostgres
from hub.embedded.server_process import EmbeddedServer
from hub.errors import UnavailableError
from hub.io.secret import read_secret


@dataclass(frozen=True, slots=True)
class PartStatus:
    """One part: where it is, whose it is, and (embedded only) whether it runs."""

    name: Literal["kafka", "postgres"]
    origin: Literal["external", "embedded"]
    address: str
    """Bootstrap servers or DSN (no password); empty while an embedded part was never started."""
    pid: int | None = None
    log_file: str = ""

    @property
    def is_available(self) -> bool:
        """Whether it is external (not ours to ask) or runs."""
        return self.origin == "external" or self.pid is not None


class BackingServices:
    """Start, stop and find the parts of one state folder.

    As a context manager: what this process started ends with it; what ran before stays.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        state = settings.state_folder
        self._kafka = EmbeddedKafka(
            state / "kafka",
            jar_store=settings.cache_folder / "jars",
            maven_repository=settings.maven_repository,
            port=settings.kafka_port,
        )
        self._postgres = EmbeddedPostgres(state / "postgres", port=settings.postgres_port)
        self._started: list[EmbeddedServer] = []

    @property
    def dsn(self) -> str:
        """PostgreSQL's connection string."""
        return self._settings.postgres_dsn or self._postgres.dsn

    def require_kafka(self, user: str) -> KafkaAccess:
        """The way to Kafka as `user` (`Site.user(…)` or OPERATOR).

        Raises `UnavailableError` when ours does not run, `ConfigurationError` without a password.
        """
        bootstrap = self._require(self._kafka_status())
        settings = self._settings
        if settings.kafka_bootstrap is None:
            return self._kafka.access(user)
        return access_from_files(bootstrap, user, settings.kafka_secrets, settings.kafka_ca)

    def require_dsn(self) -> str:
        """PostgreSQL's connection string, with the password of its file.

        Raises `UnavailableError` when ours does not run, `ConfigurationError` without a password.
        """
        self._require(self._postgres_status())
        dsn, file = self.dsn, self._settings.postgres_password_file
        if self._settings.postgres_dsn is None or file is None:
            return dsn
        password = read_secret(
            file,
            remedy_zh="核对 HUB_POSTGRES_PASSWORD_FILE 指定的文件",
            remedy_en="check the file that HUB_POSTGRES_PASSWORD_FILE names",
        )
        from psycopg.conninfo import make_conninfo  # noqa: PLC0415 - for workers that use it alone

        return make_conninfo(dsn, password=password.reveal())

    def up(self, *, leashed: bool) -> None:
        """Start what is not external and does not run; raises as the embedded parts do."""
        with self._locked():
            for part in self._embedded():
                if part.pid is None:
                    part.start(leashed=leashed)
                    self._started.append(part)

    def down(self) -> None:
        """Stop the embedded services, also another command's; external ones are left alone."""
        with self._locked():
            for part in reversed(self._embedded()):
                part.stop()
        self._started.clear()

    def status(self) -> tuple[PartStatus, PartStatus]:
        """Kafka's status, then PostgreSQL's."""
        return self._kafka_status(), self._postgres_status()

    def __enter__(self) -> Self:
        self.up(leashed=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        while self._started:
            self._started.pop().stop()

    def _require(self, part: PartStatus) -> str:
        if not part.is_available:
            raise UnavailableError(
                f"{part.name} 未运行（状态目录 {self._settings.state_folder}）\n"
                f"{part.name} does not run (state folder {self._settings.state_folder})\n"
                "处理办法：执行 hub dev up，或设置 KAFKA_BOOTSTRAP / HUB_POSTGRES_DSN\n"
                "Remedy: hub dev up, or set KAFKA_BOOTSTRAP / HUB_POSTGRES_DSN"
            )
        return part.address

    def _embedded(self) -> list[EmbeddedServer]:
        embedded: list[EmbeddedServer] = []
        if self._settings.kafka_bootstrap is None:
            embedded.append(self._kafka)
        if self._settings.postgres_dsn is None:
            embedded.append(self._postgres)
        return embedded

    def _kafka_status(self) -> PartStatus:
        if self._settings.kafka_bootstrap is not None:
            return PartStatus("kafka", "external", self._settings.kafka_bootstrap)
        kafka = self._kafka
        address = kafka.bootstrap if kafka.was_started else ""
        return PartStatus("kafka", "embedded", address, kafka.pid, str(kafka.log_file))

    def _postgres_status(self) -> PartStatus:
        if self._settings.postgres_dsn is not None:
            shown = _without_password(self._settings.postgres_dsn)
            return PartStatus("postgres", "external", shown)
        postgres = self._postgres
        address = _without_password(postgres.dsn) if postgres.was_started else ""
        return PartStatus("postgres", "embedded", address, postgres.pid, str(postgres.log_file))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Let one start or stop at a time work on this state folder."""
        folder = self._settings.state_folder
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "lock").open("w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


_SECRETS = frozenset({"password", "passfile", "sslpassword"})


def _without_password(dsn: str) -> str:
    """A connection string for people; nothing of one that cannot be read."""
    from psycopg import Error  # noqa: PLC0415 - for who looks at PostgreSQL's address alone
    from psycopg.conninfo import conninfo_to_dict, make_conninfo  # noqa: PLC0415 - as above

    try:
        parts = conninfo_to_dict(dsn)
    except Error:
        return "***"
    return make_conninfo(**{k: str(v) for k, v in parts.items() if v and k not in _SECRETS})
