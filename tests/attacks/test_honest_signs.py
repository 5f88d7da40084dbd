"""What the hub says of itself is true, whoever asks, and however.

At most five cases of each mechanism count. What needs Kafka (a worker that repeats itself) is tried
elsewhere; nothing here needs a broker.
"""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.cli import hub
from hub.commands.doctor import workers
from hub.config.repository import ROOT
from hub.embedded.postgres import EmbeddedPostgres
from hub.provisioning.deployment import Process
from hub.runtime.metrics import MOST_CONNECTIONS, Health, Metrics, MetricsServer, serve
from hub.targets.delivery import Retry
from hub.targets.http.protocol import HttpProtocol, HttpResponse
from tests.attacks.test_configuration import site as make_site
from tests.unit.targets.test_answers import EXPECTED

SECRET = "canary-3f9a"
IDLE = 300
MEGABYTE = 1 << 20


@pytest.fixture
def server() -> Iterator[MetricsServer]:
    """The port of a worker."""
    metrics = Metrics()
    metrics.worker_here.labels("courier.city", "trial").set(1)
    with serve(0, Health("courier.city", site="trial"), metrics.registry) as made:
        yield made


def health(port: int) -> dict[str, object]:
    """What a worker says of itself, within a second."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1) as answer:
        told = json.load(answer)
        assert isinstance(told, dict)
        return told


def threads_of(name: str = "process_request_thread") -> int:
    """Threads that serve connections."""
    return sum(name in each.name for each in threading.enumerate())


# --- 1: idle connections ---


def test_idle_connections_cost_a_bounded_number_of_threads(server: MetricsServer) -> None:
    """Three hundred were three hundred threads, for ever; the worker is still heard."""
    callers = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(IDLE)]
    try:
        until = time.monotonic() + 5
        while threads_of() > MOST_CONNECTIONS + 1 and time.monotonic() < until:
            time.sleep(0.02)
        assert threads_of() <= MOST_CONNECTIONS + 1
        assert health(server.port)["status"] == "ok"
    finally:
        for caller in callers:
            caller.close()


def test_a_few_connections_are_left_alone(server: MetricsServer) -> None:
    """Whoever takes a moment is not sent away for the next caller."""
    callers = [socket.create_connection(("127.0.0.1", server.port), timeout=3) for _ in range(10)]
    for caller in callers:
        caller.sendall(b"GET /health HTTP/1.0\r\n\r\n")
    for caller in callers:
        assert caller.recv(15) == b"HTTP/1.0 200 OK"
        caller.close()


# --- 2: half a question, and one that drips ---


@pytest.mark.parametrize(
    "sent",
    [b"G", b"GET /metrics HTTP/1.1\r\n", b"GET /metrics HTTP/1.1\r\nHost: a\r\n", b"POST / "],
)
def test_half_a_question_keeps_nobody_waiting(server: MetricsServer, sent: bytes) -> None:
    """Sixteen callers stop in the middle; the next one is answered at once."""
    callers = []
    for _ in range(MOST_CONNECTIONS):
        caller = socket.create_connection(("127.0.0.1", server.port))
        caller.sendall(sent)
        callers.append(caller)
    began = time.monotonic()
    assert health(server.port)["status"] == "ok"
    assert time.monotonic() - began < 1
    for caller in callers:
        caller.close()


def test_a_silent_caller_is_sent_away(
    server: MetricsServer,
) -> None:
    """After its patience the port closes the connection by itself."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as caller:
        caller.sendall(b"GET /me")
        began = time.monotonic()
        assert caller.recv(1) == b""
        assert time.monotonic() - began < 8


# --- 3: what is no question ---


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"A" * 70_000 + b"\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n" + b"a: b\r\n" * 1000 + b"\r\n",
        b"\x00\xff" * 100 + b"\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_question_ends_nothing(
    server: MetricsServer, sent: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    """TLS, no path, an endless line, a thousand headers, octets; no traceback on the terminal."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=8) as caller:
        caller.sendall(sent)
        caller.shutdown(socket.SHUT_WR)
        try:
            while caller.recv(65_536):
                pass
        except ConnectionResetError:
            pass
    assert health(server.port)["status"] == "ok"
    assert "Traceback" not in capfd.readouterr().err


# --- 4: who is it ---


def test_health_and_metrics_name_the_worker_and_its_site(server: MetricsServer) -> None:
    """Two sites on one machine have one set of agreed ports."""
    assert (health(server.port)["worker"], health(server.port)["site"]) == ("courier.city", "trial")
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=2)) as caller:
        caller.request("GET", "/metrics")
        page = caller.getresponse().read().decode()
    assert 'hub_worker_here{site="trial",worker="courier.city"} 1.0' in page


@pytest.mark.parametrize("module", ["hub/commands/run", "connectors/commands/connector"])
def test_every_worker_says_whose_it_is(module: str) -> None:
    """A worker that forgets its site would be another's to the doctor."""
    source = (ROOT / f"{module}.py").read_text("utf-8")
    assert source.count("Health(") == source.count("site=loaded.site.site") == 1
    assert source.count("worker_here.labels(") == 1


# --- 5: a port that another answers ---


@pytest.mark.parametrize(
    ("kind", "instance", "said", "of_site", "code"),
    [
        ("courier", "city", "courier.city", "trial", "OK"),
        ("courier", "city", "courier.city", "other", "WORKER_IS_ANOTHER"),
        ("courier", "city", "courier", "trial", "WORKER_IS_ANOTHER"),
        ("registrar", "0", "registrar.1", "trial", "WORKER_IS_ANOTHER"),
        ("connector", "market", "connector.housing", "trial", "WORKER_IS_ANOTHER"),
    ],
)
def test_the_doctor_asks_a_worker_who_it_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    instance: str,
    said: str,
    of_site: str,
    code: str,
) -> None:
    """A healthy neighbour on the port of a worker that is dead looked like a healthy worker."""
    loaded = make_site(tmp_path)
    with serve(0, Health(said, site=of_site), Metrics().registry) as answering:
        process = Process(kind, instance, answering.port)
        monkeypatch.setattr("hub.commands.doctor.processes_of", lambda _site: (process,))
        (found,) = workers(loaded)
    assert found.code == code
    assert code == "OK" or said in found.en


@pytest.mark.parametrize(
    ("said", "again"),
    [
        (b"[" * 200_000, b""), (b'{"worker":' + b"9" * 5_000 + b"}", b""), (b"\xd6\xd0", b""),
        (b"[", b" " * MEGABYTE), (b"", b"."),
    ],
    ids=["deep", "digits", "gbk", "endless", "drop by drop"],
)  # fmt: skip
def test_whoever_answers_on_a_port_does_not_stop_the_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: bytes, again: bytes
) -> None:
    """It was a traceback, three gigabytes, or no end; now it is another that answers."""
    loaded = make_site(tmp_path)
    sent = 0

    def answer(listening: socket.socket) -> None:
        nonlocal sent
        with listening.accept()[0] as caller, suppress(OSError):
            caller.recv(4096)
            caller.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + said)
            for _ in range(60 if again else 0):
                caller.sendall(again)
                sent += len(again)
                time.sleep(0.1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        speaker = threading.Thread(target=answer, args=(listening,))
        speaker.start()
        process = Process("courier", "city", listening.getsockname()[1])
        monkeypatch.setattr("hub.commands.doctor.processes_of", lambda _site: (process,))
        began = time.monotonic()
        (found,) = workers(loaded)
        assert time.monotonic() - began < 5
        speaker.join()
    assert found.code == "WORKER_IS_ANOTHER"
    assert sent < 10 * MEGABYTE


# --- 6: a worker that hangs ---


def test_a_worker_that_hangs_is_ill_while_its_port_answers() -> None:
    """The port has a thread of its own; `/alive` is for whoever starts it again."""
    now = 0.0
    sign = Health("notices", 10, lambda: now)
    with serve(0, sign, Metrics().registry) as answering:
        now = 10.5
        for path in ("health", "alive"):
            with pytest.raises(urllib.error.HTTPError) as caught:
                urllib.request.urlopen(f"http://127.0.0.1:{answering.port}/{path}", timeout=2)
            assert (caught.value.code, json.load(caught.value)["status"]) == (503, "stalled")


# --- 7: passwords on the terminal ---


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://hub:{SECRET}@db/hub", f"host=db password={SECRET}",
        f"postgresql://hub@db/hub?password={SECRET}", f"postgresql://hub@db/hub?sslpassword={SECRET}",
        f"postgresql://hub:{SECRET}@db:port/hub",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_address_of_a_database_is_shown_without_its_password(dsn: str, form: list[str]) -> None:
    """What `hub dev status` says is pasted into messages."""
    environment = {"KAFKA_BOOTSTRAP": "kafka:9092", "HUB_POSTGRES_DSN": dsn}
    result = CliRunner(env=environment).invoke(hub, ["dev", "status", *form])
    assert result.exit_code == 0
    assert SECRET not in result.output


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_embedded_database_is_shown_without_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: list[str]
) -> None:
    """It has one, too: as it runs, and after it was stopped."""
    dsn = f"postgresql://hub:{SECRET}@127.0.0.1:5999/hub"
    monkeypatch.setattr(EmbeddedPostgres, "dsn", property(lambda _: dsn))
    monkeypatch.setattr(EmbeddedPostgres, "was_started", property(lambda _: True))
    environment = {"KAFKA_BOOTSTRAP": "kafka:9092", "HUB_STATE": str(tmp_path)}
    result = CliRunner(env=environment).invoke(hub, ["dev", "status", *form])
    assert "5999" in result.output
    assert SECRET not in result.output


# --- 8: how long a platform asks to be left alone ---


@pytest.mark.parametrize(
    "asked", ["inf", "nan", "1e9", "99999999999999999999", "86400", "-1", "１０"]
)
def test_a_wait_that_nobody_means_is_none(asked: str) -> None:
    """`inf` rested a whole platform for an hour; the hub's own pauses hold instead."""
    verdict = HttpProtocol("t").interpret_response(HttpResponse(503, asked, b""), EXPECTED)
    assert isinstance(verdict, Retry)
    assert verdict.after_seconds is None


def test_a_wait_that_is_meant_is_kept() -> None:
    """Up to an hour: a platform under repair says so."""
    for asked, seconds in (("120", 120.0), (" 3600", 3600.0), ("0.5", 0.5), ("0", 0.0)):
        verdict = HttpProtocol("t").interpret_response(HttpResponse(429, asked, b""), EXPECTED)
        assert isinstance(verdict, Retry)
        assert verdict.after_seconds == seconds


# --- 9: a port that is taken ---


def test_a_worker_whose_port_is_taken_does_not_start(tmp_path: Path, server: MetricsServer) -> None:
    """It would work unseen, and whoever has the port would speak for it."""
    make_site(tmp_path)
    environment = {**os.environ, "KAFKA_BOOTSTRAP": "127.0.0.1:9", "HUB_STATE": str(tmp_path)}
    words = ["run", "courier", "city", "--site", str(tmp_path), "--metrics-port", str(server.port)]
    done = subprocess.run(
        [sys.executable, "-m", "hub", *words], cwd=ROOT, env=environment, capture_output=True,
        text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert str(server.port) in done.stderr
    assert "Traceback" not in done.stderr
