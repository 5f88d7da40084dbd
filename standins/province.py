"""A stand-in for the provincial platform: HTTP, receipts, status calls, and bad days.

    python standins/province.py --port 0 --book FILE --clock business-clock.json \
        --token-file F [--portfile P] [--control FILE]
    python standins/province.py dump --book FILE

It imports nothing from the hub. `POST /control` (same token) changes its conduct, see conduct.py;
`GET /book` prints the live book. Effects are committed before they are answered, many at a time.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import hmac
import json
import signal
import sys
from http import HTTPStatus
from pathlib import Path

from aiohttp import web

if not __package__:  # started as a script: only this file's folder is on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from standins.conduct import HTTP_MANNERS, STATUS_MANNERS, Conduct, spoiled
from standins.platform_book import Book, ClockFile, Entry, Request, dump, parse

_MAX_BODY = 1 << 20
_HUGE = 3 << 20
_TICK_SECONDS = 0.05


class Province:
    """The platform: one event loop, one book, commits shared by whoever is waiting for one."""

    def __init__(self, book: Book, clock: ClockFile, token: str, conduct: Conduct) -> None:
        self._book = book
        self._clock = clock
        self._authorization = f"Bearer {token}".encode()
        self._conduct = conduct
        self._busy: set[str] = set()
        self._repeat: set[str] = set()
        self._durable: asyncio.Future[None] | None = None

    async def saved(self) -> None:
        """Wait for the commit that covers everything written so far."""
        if self._durable is None:
            loop = asyncio.get_running_loop()
            self._durable = loop.create_future()
            # After all requests that are ready in this turn of the loop: they share the commit.
            loop.call_soon(loop.call_soon, self._commit, self._durable)
        await self._durable

    def _commit(self, durable: asyncio.Future[None]) -> None:
        self._durable = None
        self._book.commit()
        durable.set_result(None)

    async def tick(self) -> None:
        """Publish what was acknowledged, when its business time has come; for ever."""
        while True:
            if self._book.publish_due(self._clock.now()):
                await self.saved()
            else:
                await asyncio.sleep(_TICK_SECONDS)

    def _is_known(self, request: web.Request) -> bool:
        given = request.headers.get("Authorization", "").encode()
        return hmac.compare_digest(given, self._authorization)

    async def receive(self, http: web.Request) -> web.StreamResponse:
        """POST /v1/records: take one publication or withdrawal in."""
        if not self._is_known(http):
            return _refused(401, "TOKEN_INVALID", "令牌无效 / token not accepted")
        request = parse(await http.read())
        if isinstance(request, str):
            return _refused(400, "MALFORMED", request)
        if http.headers.get("Idempotency-Key") != request.delivery:
            return _refused(400, "KEY_MISSING", "缺少或不符的幂等键 / key missing or different")
        if request.delivery in self._busy:
            return _refused(409, "IN_PROGRESS", "处理中 / being processed")
        seen = self._book.times_seen(request.delivery)
        manner = self._conduct.manner(request.delivery, seen)
        self._busy.add(request.delivery)
        try:
            return await self._behave(http, request, manner)
        finally:
            self._busy.discard(request.delivery)

    async def _behave(self, http: web.Request, request: Request, manner: str) -> web.StreamResponse:
        if self._conduct.forbids(request.fields):
            self._book.note("POST", request, "403")
            await self.saved()
            return _refused(403, "FORBIDDEN", "无权 / not allowed")
        if manner in {"429", "500", "503", "redirect"} or manner.endswith("_lost"):
            self._book.note("POST", request, manner)
            await self.saved()
            return await self._spoil(http, manner, None, request.delivery)
        refusal = self._conduct.refusal(request.record, request.version, request.fields)
        delay = int(self._conduct.publish_after_seconds * 1000)
        if manner == "twice":
            # An acknowledgement that comes again, changed, before the publication does.
            self._repeat.add(request.delivery)
            delay = delay or 1
        entry = self._book.apply(request, self._clock.now(), refusal, delay)
        verdict = "KEY_REUSED" if entry is None else entry.stage
        self._book.note("POST", request, f"{verdict} {manner}".strip())
        await self.saved()
        if entry is None:
            return _refused(422, "KEY_REUSED", "幂等键已用于其他内容 / key used for other content")
        return await self._spoil(http, manner, entry, request.delivery)

    async def status(self, http: web.Request) -> web.StreamResponse:
        """GET /v1/deliveries/{delivery}: the latest stage, or 404 when never taken in."""
        if not self._is_known(http):
            return _refused(401, "TOKEN_INVALID", "令牌无效 / token not accepted")
        delivery = http.match_info["delivery"]
        question = Request(delivery, "", 0, "", "", {}, "", "")
        manner = self._conduct.manner(delivery, self._book.times_seen(delivery))
        if manner not in STATUS_MANNERS:
            manner = ""
        manner = "500" if self._conduct.is_mute else manner
        entry = self._book.find(delivery)
        if delivery in self._repeat and entry is not None:
            self._repeat.discard(delivery)
            entry = dataclasses.replace(entry, stage="acknowledged", at=entry.at + 1)
        self._book.note("GET", question, manner or (entry.stage if entry else "404"))
        await self.saved()
        if manner in {"429", "500", "503"} or manner.endswith("_lost"):
            return await self._spoil(http, manner, None, delivery)
        if entry is None:
            return _refused(404, "NOT_FOUND", "未收到过 / never received")
        if entry.stage == "refused":
            return web.json_response(entry.body())
        answer = await self._spoil(http, manner, entry, delivery)
        if answer.status == HTTPStatus.ACCEPTED:
            answer.set_status(HTTPStatus.OK)  # the question was answered, whatever the stage
        return answer

    async def _spoil(
        self, http: web.Request, manner: str, entry: Entry | None, delivery: str
    ) -> web.StreamResponse:
        """Answer in the given manner; the effect, if any, has happened and is durable."""
        if manner.startswith(("never", "reset")):
            return await self._silence(http, manner, delivery)
        if manner in {"429", "503"}:
            wait = {"Retry-After": f"{self._conduct.retry_after_seconds:g}"}
            return _refused(int(manner), "BUSY", "请稍后再试 / try again later", wait)
        if manner == "late":
            await asyncio.sleep(self._conduct.late_seconds)
        if manner in {"redirect", "not_json", "huge"}:
            return _nonsense(manner)
        if manner == "500" or entry is None:
            return _refused(500, "INTERNAL", "内部错误 / internal error")
        return _answer(entry, manner)

    async def _silence(self, http: web.Request, manner: str, delivery: str) -> web.StreamResponse:
        """Give no answer at all: at once (reset) or after holding the line for a while."""
        if manner.startswith("never"):
            self._busy.discard(delivery)  # it is not being worked on, only not answered
            await asyncio.sleep(self._conduct.hold_seconds)
        if http.transport is not None:
            http.transport.abort()
        return web.Response(status=500)

    async def control(self, http: web.Request) -> web.StreamResponse:
        """POST /control: replace the conduct; it is kept in the book and survives a restart."""
        if not self._is_known(http):
            return _refused(401, "TOKEN_INVALID", "令牌无效 / token not accepted")
        try:
            self._conduct = Conduct.read((await http.read()).decode(), HTTP_MANNERS)
        except (ValueError, TypeError) as problem:
            return _refused(400, "CONTROL_INVALID", str(problem))
        self._book.set_setting("conduct", self._conduct.write())
        await self.saved()
        return web.json_response(json.loads(self._conduct.write()))

    async def book(self, http: web.Request) -> web.StreamResponse:
        """GET /book: the live book; meant for whoever compares it with the ledger."""
        path = http.app[_PATH]
        self._book.commit()
        return web.json_response(await asyncio.to_thread(dump, path))


_PATH: web.AppKey[Path] = web.AppKey("book", Path)


def _nonsense(manner: str) -> web.Response:
    if manner == "redirect":
        return web.Response(status=307, headers={"Location": "/book"})
    if manner == "huge":
        return web.Response(body=b" " * _HUGE, content_type="application/json")
    return web.Response(text="<html>OK</html>", content_type="text/html")


def _answer(entry: Entry, manner: str) -> web.Response:
    body = spoiled(entry.body(), manner)
    if entry.stage == "refused":
        return web.json_response(body, status=422)
    return web.json_response(body, status=202 if entry.stage == "acknowledged" else 200)


def _refused(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> web.Response:
    body = {"code": code, "message": message, "retryable": status in {429, 500, 503}}
    return web.json_response(body, status=status, headers=headers)


async def serve(arguments: argparse.Namespace) -> None:
    """Serve until cancelled; the port file appears when requests are answered."""
    book = Book(arguments.book, "province")
    text = arguments.control.read_text(encoding="utf-8") if arguments.control else None
    conduct = Conduct.read(text or book.setting("conduct") or "{}", HTTP_MANNERS)
    token = arguments.token_file.read_text(encoding="utf-8").strip()
    province = Province(book, ClockFile(arguments.clock), token, conduct)
    application = web.Application(client_max_size=_MAX_BODY)
    application[_PATH] = arguments.book
    application.router.add_post("/v1/records", province.receive)
    application.router.add_get("/v1/deliveries/{delivery}", province.status)
    application.router.add_post("/control", province.control)
    application.router.add_get("/book", province.book)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", arguments.port)
    try:
        await site.start()
        port = runner.addresses[0][1]
        sys.stdout.write(f"province http://127.0.0.1:{port}\n")
        sys.stdout.flush()
        if arguments.portfile:
            partial = arguments.portfile.with_suffix(".partial")
            partial.write_text(str(port), encoding="utf-8")
            partial.replace(arguments.portfile)
        await province.tick()
    finally:
        await runner.cleanup()
        book.close()


async def _until_told(arguments: argparse.Namespace) -> None:
    task = asyncio.ensure_future(serve(arguments))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await task


def main(argv: list[str] | None = None) -> None:
    """Serve, or print the book as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", nargs="?", choices=("serve", "dump"), default="serve")
    parser.add_argument("--book", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--portfile", type=Path)
    parser.add_argument("--clock", type=Path)
    parser.add_argument("--token-file", type=Path)
    parser.add_argument("--control", type=Path)
    arguments = parser.parse_args(argv)
    if arguments.command == "dump":
        json.dump(dump(arguments.book), sys.stdout, ensure_ascii=False)
        return
    if arguments.clock is None or arguments.token_file is None:
        parser.error("--clock 和 --token-file 必填 / are required to serve")
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_until_told(arguments))


if __name__ == "__main__":
    main()
