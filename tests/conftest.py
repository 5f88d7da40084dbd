"""Fixtures every test may use: a real broker, a real database, a prefix of one's own."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import settings as hypothesis_settings

from hub.config.kafka_access import OPERATOR, KafkaAccess
from hub.config.repository import ROOT
from hub.config.settings import Settings, read_settings
from hub.embedded.kafka import EmbeddedKafka
from hub.embedded.parts import BackingServices
from hub.embedded.postgres import EmbeddedPostgres
from tests.mariadb import MariaDb
from tests.programs import find_program

# No timing decides a test: how fast a busy machine draws examples says nothing about the code.
hypothesis_settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("untimed")
# `./run mutants` wants to know whether a test fails, each time alike, and not the smallest example.
hypothesis_settings.register_profile(
    "mutants",
    hypothesis_settings.get_profile("untimed"),
    derandomize=True,
    database=None,
    phases=(Phase.explicit, Phase.generate),
)


def pytest_configure() -> None:
    """Give each checkout a root of temporary folders of its own.

    A session that starts closes the common one to all others (pytest's own `chmod`), and with it
    the way to the data of a PostgreSQL that a root user's session runs as `nobody`.
    """
    if "PYTEST_DEBUG_TEMPROOT" not in os.environ:
        name = f"hub-tests-{sha256(bytes(ROOT)).hexdigest()[:12]}"
        root = Path(tempfile.gettempdir()) / name
        root.mkdir(exist_ok=True)
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(root)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test where a program it is marked with, or the real tables, are not there."""
    if item.get_closest_marker("reference") and not os.environ.get("HUB_REFERENCE_DATA"):
        pytest.skip("HUB_REFERENCE_DATA does not name the folder of real tables")
    for mark in item.iter_markers("programs"):
        for name in mark.args:
            try:
                find_program(name)
            except FileNotFoundError as missing:
                pytest.skip(str(missing))


@dataclass(frozen=True, slots=True)
class KafkaPart:
    """The broker of the test session, and the operator's way to it."""

    access: KafkaAccess

    @property
    def bootstrap(self) -> str:
        """`host:port`."""
        return self.access.bootstrap


@dataclass(frozen=True, slots=True)
class PostgresPart:
    """The database server of the test session: `dsn` is a psycopg connection string."""

    dsn: str


@pytest.fixture(scope="session")
def settings() -> Settings:
    """Settings from the environment; tests take addresses and the jar cache from them."""
    return read_settings()


@pytest.fixture(scope="session")
def kafka(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaPart]:
    """One real broker for the whole session: KAFKA_BOOTSTRAP when set, else an embedded one."""
    if settings.kafka_bootstrap is not None:
        yield KafkaPart(BackingServices(settings).require_kafka(OPERATOR))
        return
    broker = EmbeddedKafka(
        tmp_path_factory.mktemp("kafka"),
        jar_store=settings.cache_folder / "jars",
        maven_repository=settings.maven_repository,
    )
    with broker, pytest.MonkeyPatch.context() as patch:
        # every process a test starts finds the passwords where a unit would tell it to look
        patch.setenv("HUB_KAFKA_SECRETS", str(broker.secrets))
        yield KafkaPart(broker.access())


@pytest.fixture(scope="session")
def postgres(
    settings: Settings, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PostgresPart]:
    """One real database server for the session: HUB_POSTGRES_DSN when set, else embedded."""
    if settings.postgres_dsn is not None:
        yield PostgresPart(settings.postgres_dsn)
        return
    with EmbeddedPostgres(tmp_path_factory.mktemp("postgres")) as server:
        yield PostgresPart(server.dsn)


@pytest.fixture(scope="session")
def mariadb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MariaDb]:
    """One real MariaDB server for the session; its tests have the mark `NEEDS_MARIADB`."""
    with MariaDb(tmp_path_factory.mktemp("mariadb")) as server:
        yield server


@pytest.fixture
def prefix() -> str:
    """A topic prefix no other test uses, with its final dot; topic names need no clean-up."""
    return f"t{uuid.uuid4().hex[:10]}."


@dataclass(frozen=True, slots=True)
class EmptyMachine:
    """Another machine: a broker and a database server that hold nothing, and their settings."""

    access: KafkaAccess
    dsn: str
    environment: dict[str, str]
    """What a command needs to find them, and a state folder of its own."""


@pytest.fixture
def empty_machine(settings: Settings, tmp_path: Path) -> Iterator[EmptyMachine]:
    """Start both parts anew, whatever the session uses."""
    home = tmp_path / "machine"
    broker = EmbeddedKafka(
        home / "kafka",
        jar_store=settings.cache_folder / "jars",
        maven_repository=settings.maven_repository,
    )
    with broker, EmbeddedPostgres(home / "postgres") as server:
        environment = {
            "KAFKA_BOOTSTRAP": broker.bootstrap,
            "HUB_KAFKA_SECRETS": str(broker.secrets),
            "HUB_POSTGRES_DSN": server.dsn,
            "HUB_STATE": str(home / "state"),
        }
        yield EmptyMachine(broker.access(), server.dsn, environment)
