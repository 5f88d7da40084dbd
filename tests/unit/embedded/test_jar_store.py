"""Kafka's jars are run only when their bytes are the pinned ones."""

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from hub.embedded.jar_store import PinnedJar, ensure_jars, read_pins
from hub.errors import ConfigurationError, UnavailableError

CONTENT = b"a jar"
PIN = PinnedJar(hashlib.sha256(CONTENT).hexdigest(), "org.example", "thing", "1.0")
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A Maven repository on loopback with one jar: its address and the jar's file."""
    folder = tmp_path / "repository"
    jar = folder / "org" / "example" / "thing" / "1.0" / "thing-1.0.jar"
    jar.parent.mkdir(parents=True)
    jar.write_bytes(CONTENT)
    _sign(jar)
    handler = partial(QuietHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", jar
        server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files without writing a line for each."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _sign(jar: Path) -> None:
    """Write the checksum a Maven repository offers beside each file."""
    digest = hashlib.sha1(jar.read_bytes()).hexdigest()
    jar.with_name(f"{jar.name}.sha1").write_text(digest, encoding="ascii")


def test_every_pin_is_a_sha256_and_kafka_is_among_them() -> None:
    """The list pins Apache Kafka 4.3.0 and everything it needs."""
    pins = read_pins()
    assert {len(bytes.fromhex(pin.sha256)) for pin in pins} == {32}
    assert len({pin.file_name for pin in pins}) == len(pins)
    assert "kafka_2.13-4.3.0.jar" in {pin.file_name for pin in pins}


def test_a_jar_is_fetched_once_and_then_used_offline(
    tmp_path: Path, repository: tuple[str, Path]
) -> None:
    """The second start needs no network."""
    store = tmp_path / "store"
    (path,) = ensure_jars(store, [PIN], repository[0])
    assert path.read_bytes() == CONTENT
    assert ensure_jars(store, [PIN], NOWHERE) == (path,)
    assert [file.name for file in store.iterdir()] == [PIN.file_name]


def test_a_mirror_that_serves_other_bytes_is_refused_and_nothing_is_kept(
    tmp_path: Path, repository: tuple[str, Path]
) -> None:
    """A mirror signs what it serves; only our pin says what it should have served."""
    address, jar = repository
    jar.write_bytes(b"another jar")
    _sign(jar)
    store = tmp_path / "store"
    with pytest.raises(ConfigurationError, match=PIN.sha256) as refused:
        ensure_jars(store, [PIN], address)
    assert refused.value.problem.remedy_zh
    assert refused.value.problem.remedy_en
    assert list(store.iterdir()) == []


def test_a_jar_altered_in_the_store_is_refused_by_name(
    tmp_path: Path, repository: tuple[str, Path]
) -> None:
    """What was right when fetched is checked again at every start."""
    store = tmp_path / "store"
    (path,) = ensure_jars(store, [PIN], repository[0])
    path.write_bytes(CONTENT + b"!")
    with pytest.raises(ConfigurationError) as refused:
        ensure_jars(store, [PIN], repository[0])
    assert refused.value.problem.file == str(path)


def test_a_jar_that_cannot_be_fetched_says_how_to_name_a_mirror(tmp_path: Path) -> None:
    """Without network the first start ends with a remedy, not with a stack trace."""
    with pytest.raises(UnavailableError, match="HUB_MAVEN_REPOSITORY"):
        ensure_jars(tmp_path / "store", [PIN], NOWHERE)
