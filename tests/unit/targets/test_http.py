"""The HTTP adapter against the stand-in province, a process of its own."""

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.errors import ConfigurationError
from hub.targets.delivery import Accepted, Delivery, Expected, Unknown, digest_of
from hub.targets.http.client import HttpPlatform, check_address
from hub.targets.http.protocol import HttpProtocol, HttpResponse, NoAnswer
from hub.targets.platform import CallResult
from tests.standins.test_province import TOKEN, RunningProvince, body

HTTP = HttpProtocol(TOKEN)


def delivery(version: int = 1) -> Delivery:
    """Return a delivery the province accepts."""
    told = body(version)
    fields = told["fields"]
    assert isinstance(fields, dict)
    name, record = str(told["delivery"]), str(told["record"])
    kind = "licence.granted.v1"
    return Delivery(name, record, version, 1, "publish", kind, fields, digest_of(fields), "")


def expectation(sent: Delivery) -> Expected:
    """Return what an answer to a delivery is held against."""
    return Expected(
        sent.delivery, sent.record, sent.version, sent.sequence, "publish", sent.kind, sent.digest
    )


def wait_for(platform: HttpPlatform, count: int = 1, seconds: float = 10) -> list[CallResult]:
    """Collect until so many requests have ended."""
    landed: list[CallResult] = []
    deadline = time.monotonic() + seconds
    while len(landed) < count:
        assert time.monotonic() < deadline
        landed += platform.poll()
        time.sleep(0.01)
    return landed


@pytest.fixture
def province(tmp_path: Path) -> Iterator[RunningProvince]:
    """Return a running province."""
    platform = RunningProvince(tmp_path)
    yield platform
    platform.stop()


@pytest.fixture
def client(province: RunningProvince) -> Iterator[HttpPlatform]:
    """Return the adapter for it, with a time-out of one second."""
    platform = HttpPlatform(f"http://127.0.0.1:{province.port}/", 1.0, 8)
    yield platform
    platform.close()


def test_a_request_arrives_and_its_receipt_comes_back(client: HttpPlatform) -> None:
    """The whole way: render, send, receipt, accepted."""
    sent = delivery()
    client.submit([("send", HTTP.delivery_request(sent))])
    ((name, how, reply),) = wait_for(client)
    assert (name, how) == (sent.delivery, "send")
    expected = expectation(sent)
    assert isinstance(HTTP.interpret_response(reply, expected), Accepted)


@pytest.mark.parametrize("manner", ["never_applied", "reset_applied", "huge"])
def test_silence_resets_and_floods_may_hide_an_effect(
    province: RunningProvince, client: HttpPlatform, manner: str
) -> None:
    """All three end within the time-out, as something that may have arrived."""
    province.control(following=[[manner, 1]], hold_seconds=5)
    client.submit([("send", HTTP.delivery_request(delivery()))])
    ((_name, _how, reply),) = wait_for(client, seconds=4)
    assert isinstance(reply, NoAnswer)
    assert reply.may_have_arrived
    expected = expectation(delivery())
    assert isinstance(HTTP.interpret_response(reply, expected), Unknown)


def test_a_refused_connection_had_no_effect() -> None:
    """Nothing listens: the one case in which silence proves something."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        client = HttpPlatform(address, 1.0, 8)
        client.submit([("send", HTTP.delivery_request(delivery()))])
        ((_name, _how, reply),) = wait_for(client)
        client.close()
    assert isinstance(reply, NoAnswer)
    assert not reply.may_have_arrived


def test_redirects_are_not_followed(province: RunningProvince, client: HttpPlatform) -> None:
    """A token must not travel to an address nobody configured."""
    province.control(following=[["redirect", 1]])
    client.submit([("send", HTTP.delivery_request(delivery()))])
    ((_name, _how, reply),) = wait_for(client)
    assert isinstance(reply, HttpResponse)
    assert reply.status == 307


def test_no_proxy_is_taken_from_the_environment(
    province: RunningProvince, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever sets a variable would read the token and every row."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{nobody.getsockname()[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        client = HttpPlatform(f"http://127.0.0.1:{province.port}/", 1.0, 8)
        try:
            client.submit([("send", HTTP.delivery_request(delivery()))])
            ((_name, _how, reply),) = wait_for(client)
        finally:
            client.close()
    assert isinstance(reply, HttpResponse)


def test_many_requests_are_on_their_way_at_once(
    province: RunningProvince, client: HttpPlatform
) -> None:
    """Eight late answers take as long as one."""
    province.control(following=[["late", 8]], late_seconds=0.5)
    begun = time.monotonic()
    client.submit([("send", HTTP.delivery_request(delivery(number))) for number in range(1, 9)])
    wait_for(client, 8)
    assert time.monotonic() - begun < 2.5


def test_abandoned_requests_are_never_collected(
    province: RunningProvince, client: HttpPlatform
) -> None:
    """After a restart an old answer must not be taken for a new one."""
    province.control(following=[["late", 1]], late_seconds=0.3)
    client.submit([("send", HTTP.delivery_request(delivery()))])
    time.sleep(0.1)
    client.cancel_all()
    client.submit([("ask", HTTP.status_request(expectation(delivery())))])
    assert [one.how for one in wait_for(client)] == ["ask"]
    time.sleep(0.4)
    assert client.poll() == []


def test_closing_ends_the_thread() -> None:
    """No thread and no connection is left behind."""
    before = threading.active_count()
    client = HttpPlatform("http://127.0.0.1:9", 1.0, 8)
    client.submit([("send", HTTP.delivery_request(delivery()))])
    client.close()
    assert threading.active_count() == before


@pytest.mark.parametrize(
    "address", ["http://example.org", "ftp://127.0.0.1", "127.0.0.1:80", "https://", ""]
)
def test_a_token_travels_in_clear_to_this_machine_only(address: str) -> None:
    """Anything but https, or http to loopback, is refused with its remedy."""
    with pytest.raises(ConfigurationError, match="https"):
        check_address(address)
    assert check_address("https://platform.example.org/api/") == "https://platform.example.org/api"
