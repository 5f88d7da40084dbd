"""HTTP through aiohttp: one event loop in one thread, requests that never surprise.

No redirects, no proxies or credentials from the environment, no cookies, answers of 1 MiB at most,
every request bounded in time. Plain HTTP only to this machine: a token must not travel in clear.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from hub.domain.hosts import OWN_HOSTS
from hub.errors import ConfigurationError
from hub.targets.http.protocol import HttpResponse, NoAnswer
from hub.targets.platform import CallResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hub.targets.http.protocol import HttpRequest
    from hub.targets.platform import How

MAX_ANSWER_BYTES: Final = 1024 * 1024
_CONNECT_SECONDS: Final = 5.0


def check_address(address: str, plain_hosts: frozenset[str] = OWN_HOSTS) -> str:
    """Return a platform's address without its final slash.

    Raises `ConfigurationError` unless it is https, or http to one of `plain_hosts`, and holds no
    user, password, query or fragment. The message does not repeat it: it may hold a secret.
    """
    with suppress(ValueError):
        # by the reader of the library that opens the connection, so that both see the same host
        read = URL(address)
        is_alone = read.user is None and not read.query_string and not read.fragment
        is_closed = read.scheme == "https" or (read.scheme == "http" and read.host in plain_hosts)
        is_same = read.host == urlsplit(address).hostname and " " not in address
        if read.host and is_alone and is_closed and is_same:
            return address.rstrip("/")
    raise ConfigurationError(
        "平台地址必须是 https，且只含主机、端口和路径",
        "a platform's address must be https, with host, port and path alone",
        remedy_zh="改用 https 地址，不含用户、口令和查询参数；明文 http 只允许本机",
        remedy_en="use an https address without user, password or query; plain http is allowed to "
        "this machine only",
    )


class HttpPlatform:
    """Sends many requests at once; what became of them is collected later.

    Called from the courier's one thread. `submit` and `poll` never wait.
    """

    def __init__(
        self,
        address: str,
        timeout_seconds: float,
        concurrency: int,
        observe: Callable[[float], object] = lambda _seconds: None,
    ) -> None:
        """`observe` receives the seconds of every request, in this adapter's own thread."""
        self._observe = observe
        self._address = check_address(address)
        self._timeout = aiohttp.ClientTimeout(
            total=timeout_seconds, sock_connect=min(timeout_seconds, _CONNECT_SECONDS)
        )
        self._concurrency = concurrency
        self._landed: queue.SimpleQueue[tuple[int, CallResult]] = queue.SimpleQueue()
        self._era = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def submit(self, calls: Iterable[tuple[How, HttpRequest]]) -> None:
        """Let the requests leave."""
        self._loop.call_soon_threadsafe(self._start, self._era, list(calls))

    def poll(self) -> list[CallResult]:
        """Return what has ended since the last time."""
        found: list[CallResult] = []
        while True:
            try:
                era, landed = self._landed.get_nowait()
            except queue.Empty:
                return found
            if era == self._era:
                found.append(landed)

    def cancel_all(self) -> None:
        """Cancel every request; what they end with is not collected any more."""
        self._era += 1
        self._loop.call_soon_threadsafe(self._cancel)

    def close(self) -> None:
        """Cancel everything, close the connections, end the thread."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _start(self, era: int, calls: list[tuple[How, HttpRequest]]) -> None:
        for how, call in calls:
            task = self._loop.create_task(self._carry(era, how, call))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _close(self) -> None:
        self._cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout,
                connector=aiohttp.TCPConnector(limit=self._concurrency),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                headers={"Accept-Encoding": "identity", "User-Agent": "credit-event-hub"},
            )
        return self._session

    async def _carry(self, era: int, how: How, call: HttpRequest) -> None:
        begun = self._loop.time()
        reply = await self._exchange(call)
        self._observe(self._loop.time() - begun)
        self._landed.put((era, CallResult(call.delivery, how, reply)))

    async def _exchange(self, call: HttpRequest) -> HttpResponse | NoAnswer:
        """One request; whether it may have arrived is what matters when there is no answer."""
        try:
            async with self._client().request(
                call.method,
                self._address + call.path,
                data=call.body or None,
                headers=dict(call.headers),
                allow_redirects=False,
            ) as response:
                body = bytearray()
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        response.close()
                        return NoAnswer(may_have_arrived=True, why="answer too long")
                wait = response.headers.get("Retry-After", "")
                return HttpResponse(response.status, wait, bytes(body))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            return NoAnswer(may_have_arrived=False, why=type(error).__name__)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return NoAnswer(may_have_arrived=True, why=type(error).__name__)
