"""Settings of a process: environment variables, read once at start."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hub.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the parts outside are, and where this machine keeps what the hub starts itself."""

    kafka_bootstrap: str | None = None
    """KAFKA_BOOTSTRAP: host:port list of an existing cluster; None starts the embedded one."""
    kafka_secrets: Path | None = None
    """HUB_KAFKA_SECRETS: folder with one password file for each user of that cluster; None is no
    authentication. The embedded Kafka has its own folder."""
    kafka_ca: Path | None = None
    """HUB_KAFKA_CA: authorities of that cluster's certificates; None means no TLS."""
    postgres_dsn: str | None = None
    """HUB_POSTGRES_DSN: an existing PostgreSQL; None starts the embedded one."""
    postgres_password_file: Path | None = None
    """HUB_POSTGRES_PASSWORD_FILE: that PostgreSQL's password, where the DSN does not say it."""
    metrics_host: str = "127.0.0.1"
    """HUB_METRICS_HOST: where /metrics and /health listen; in a container 0.0.0.0."""
    state_folder: Path = Path(".state")
    """HUB_STATE: data, ports and logs of everything the hub starts or keeps on this machine."""
    anchors: Path | None = None
    """HUB_ANCHORS: where the receipts worker writes the ledger's end down, best on another
    machine's mount, and where the auditor looks; None for nowhere."""
    cache_folder: Path = Path("~/.cache/credit-event-hub")
    """HUB_CACHE: what may be fetched again, shared by all states (Kafka's jars, 46 MB)."""
    maven_repository: str | None = None
    """HUB_MAVEN_REPOSITORY: address of a Maven mirror; None is Maven Central."""
    kafka_port: int | None = None
    """HUB_KAFKA_PORT: port of the embedded Kafka; None chooses a free one once and keeps it."""
    postgres_port: int | None = None
    """HUB_POSTGRES_PORT: port of the embedded PostgreSQL; None as above."""

    def workers_of(self, site: str) -> Path:
        """Where the workers of a site have their folders, by their names."""
        return self.state_folder / "workers" / site


def read_settings(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read `environment`; empty variables count as unset, folders become absolute.

    Raises `ConfigurationError` when a port is not a number, or one for both embedded services.
    """

    def text(name: str) -> str | None:
        return environment.get(name) or None

    def number(name: str) -> int | None:
        value = text(name)
        if value is not None and (not value.isdecimal() or int(value) not in range(1, 65_536)):
            raise ConfigurationError(
                f"环境变量 {name} 应为端口号，实为 {value!r}",
                f"{name} must be a port number, not {value!r}",
                remedy_zh="改为 1–65535 的整数，或取消该变量",
                remedy_en="set a whole number from 1 to 65535, or unset it",
            )
        return int(value) if value else None

    def path(name: str) -> Path | None:
        value = text(name)
        return Path(value).expanduser().absolute() if value else None

    if number("HUB_KAFKA_PORT") is not None and (
        number("HUB_KAFKA_PORT") == number("HUB_POSTGRES_PORT")
    ):
        raise ConfigurationError(
            "HUB_KAFKA_PORT 与 HUB_POSTGRES_PORT 是同一个端口",
            "HUB_KAFKA_PORT and HUB_POSTGRES_PORT are one port",
            remedy_zh="各用一个端口，或取消其一",
            remedy_en="give each a port of its own, or unset one",
        )
    return Settings(
        kafka_bootstrap=text("KAFKA_BOOTSTRAP"),
        kafka_secrets=path("HUB_KAFKA_SECRETS"),
        kafka_ca=path("HUB_KAFKA_CA"),
        postgres_dsn=text("HUB_POSTGRES_DSN"),
        postgres_password_file=path("HUB_POSTGRES_PASSWORD_FILE"),
        metrics_host=text("HUB_METRICS_HOST") or "127.0.0.1",
        state_folder=path("HUB_STATE") or Path(".state").absolute(),
        anchors=path("HUB_ANCHORS"),
        cache_folder=path("HUB_CACHE") or Path("~/.cache/credit-event-hub").expanduser(),
        maven_repository=text("HUB_MAVEN_REPOSITORY"),
        kafka_port=number("HUB_KAFKA_PORT"),
        postgres_port=number("HUB_POSTGRES_PORT"),
    )
