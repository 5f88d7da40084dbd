"""A platform's front-end database (前置库) through SQLAlchemy: PostgreSQL and MariaDB.

A few threads, one connection each; what they do is bounded by time-outs of the session, by the time
a transaction may still begin a row, and by cutting a connection that does not answer. Errors carry
codes only: a server's message may repeat a value.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from hub.errors import ConfigurationError, missing_extra
from hub.io.postgres_values import UTF8, load_as_written
from hub.targets.database.protocol import (
    LAYOUT,
    NOT_TRIED,
    Found,
    Phase,
    ReceiptRow,
    RowStanding,
    TransactionFailed,
    is_undone,
    nature_of,
)
from hub.targets.database.tables import (
    LayoutError,
    Receipts,
    TableLayout,
    by_delivery,
    put_rows,
    read_layout,
    receipts_about,
    receipts_after,
    standings,
)
from hub.targets.delivery import Delivery, Expected
from hub.targets.platform import CallResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from hub.io.secret import Secret
    from hub.targets.database.settings import FrontEndDatabase
    from hub.targets.platform import How

_log = logging.getLogger("hub.front_end_database")

_DRIVERS: Final = {"postgresql": "postgresql+psycopg", "mariadb": "mariadb+pymysql"}
_NAME: Final = "credit-event-hub"
"""How the platform's administrator sees these connections."""
_OWN_HOSTS: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_ROWS_AT_ONCE: Final = 64
_ASKED_AT_ONCE: Final = 256
_RECEIPTS_AT_ONCE: Final = 1_000
_RECEIPTS_AT_MOST: Final = 20_000
"""So many, the newest, are read for one question; a delivery has three."""
_BACKLOG: Final = 10_000
"""So many answers may lie before the courier takes them; more are left in the table."""
_MOST_KNOWN: Final = 100_000
"""So many receipts are remembered within the overlap."""
_OVERLAP_SECONDS: Final = 60.0
"""A receipt with a lower number may be committed this much later than one with a higher."""
_LOOK_BACK_EVERY: Final = 10
"""Every so many looks at the receipts, what was seen within the overlap is read again."""
_MS: Final = 1000

Reply = Found | TransactionFailed
_ItemT = TypeVar("_ItemT")


class _Job(NamedTuple):
    era: int
    calls: list[tuple[How, Delivery | Expected]]


class _SeenReceipts:
    """Which receipts were brought already: by number, within the overlap."""

    def __init__(self) -> None:
        self.floor: int | None = None
        """Below it nothing is read any more; None before the first look."""
        self._known: set[int] = set()
        self._seen: deque[tuple[float, int]] = deque()

    def start(self, *, looks_back: bool) -> int | None:
        """Return the number behind which a look begins."""
        return self.floor if looks_back or not self._known else max(self._known)

    def add(self, number: int, now: float) -> bool:
        """Take note of a receipt; False when it was brought before."""
        is_fresh = number not in self._known
        if is_fresh:
            self._known.add(number)
            self._seen.append((now, number))
        return is_fresh

    def forget(self, before: float) -> None:
        """Forget what was brought earlier, or is too much to remember: the floor rises."""
        while self._seen and (self._seen[0][0] < before or len(self._seen) > _MOST_KNOWN):
            _at, number = self._seen.popleft()
            self._known.discard(number)
            self.floor = max(self.floor or 0, number)


def check_url(url: Secret, *, allow_plain: bool) -> sa.URL:
    """Return the address of a front-end database.

    Raises `ConfigurationError` unless it is PostgreSQL or MariaDB, and on this machine, under TLS
    or allowed to be plain.
    """
    try:
        made = sa.make_url(url.reveal())
    except sa.exc.ArgumentError:
        made = None
    name = made.get_backend_name() if made is not None else ""
    if made is None or name not in _DRIVERS or not made.database:
        raise ConfigurationError(
            "前置库地址无法识别",
            "the address of the front-end database is not understood",
            remedy_zh="形如 postgresql://用户:密码@主机:端口/库 或 mariadb://用户:密码@主机:端口/库",
            remedy_en="postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or mariadb://…",
        )
    is_secure = made.query.get("sslmode") in ("require", "verify-ca", "verify-full") or (
        "ssl_ca" in made.query
    )
    if made.host not in _OWN_HOSTS and not is_secure and not allow_plain:
        raise ConfigurationError(
            "到前置库的连接没有加密",
            "the connection to the front-end database is not encrypted",
            remedy_zh="地址加 ?sslmode=verify-full（MariaDB：?ssl_ca=文件）；"
            "封闭网络内可设 allow_plain",
            remedy_en="add ?sslmode=verify-full (MariaDB: ?ssl_ca=FILE); in a closed network set"
            " allow_plain",
        )
    return made.set(drivername=_DRIVERS[name])


class _Session:
    """One connection of one thread: opened when needed, thrown away after any doubt."""

    def __init__(self, engine: sa.Engine, timeout_seconds: float) -> None:
        self._engine = engine
        self._timeout = timeout_seconds
        self._connection: sa.Connection | None = None
        self.cut_at: float | None = None
        """When the thread that waits for this session must end its connection."""

    def open(self) -> sa.Connection:
        """Return a connection with bounded statements."""
        if self._connection is None:
            connection = self._engine.connect()
            try:
                for statement in self._settings(connection):
                    connection.exec_driver_sql(statement)
                connection.commit()
            except BaseException:
                connection.invalidate()
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _settings(self, connection: sa.Connection) -> list[str]:
        """Statements a quarter of the time-out, locks an eighth: COMMIT begins in its first half.

        The server ends by itself what the client has left behind.
        """
        whole = int(self._timeout * _MS)
        if connection.dialect.name == "postgresql":
            settings = [
                f"SET statement_timeout = {whole // 4}",
                f"SET lock_timeout = {max(whole // 8, 1)}",
                f"SET idle_in_transaction_session_timeout = {whole}",
            ]
            version = connection.dialect.server_version_info or (0,)
            if version >= (17,):
                settings.append(f"SET transaction_timeout = {whole}")
            return settings
        seconds = max(round(self._timeout / 8), 1)
        return [
            f"SET SESSION max_statement_time = {self._timeout / 4:.3f}",
            f"SET SESSION innodb_lock_wait_timeout = {seconds}",
            f"SET SESSION lock_wait_timeout = {seconds}",
            f"SET SESSION idle_transaction_timeout = {max(round(self._timeout), 1)}",
            "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')",
            "SET SESSION time_zone = '+08:00'",
        ]

    def drop(self) -> None:
        """Discard the connection without closing it cleanly."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(sa.exc.SQLAlchemyError):
                connection.invalidate()
                connection.close()

    def cut(self) -> None:
        """End the connection under the thread that waits for it; called from another thread.

        PyMySQL bounds every read by itself; psycopg waits as long as the socket lives.
        """
        connection = self._connection
        if connection is None:
            return
        with contextlib.suppress(sa.exc.SQLAlchemyError, OSError, ValueError):
            raw = connection.connection.driver_connection
            if raw is not None and hasattr(raw, "fileno"):
                with socket.socket(fileno=os.dup(raw.fileno())) as wire:
                    wire.shutdown(socket.SHUT_RDWR)


class DatabasePlatform:
    """Carries deliveries into a platform's tables and its receipts back.

    Called from the courier's one thread; `submit`, `poll` and `cancel_all` never wait.
    """

    def __init__(
        self,
        settings: FrontEndDatabase,
        url: Secret,
        timeout_seconds: float,
        observe: Callable[[float], object] = lambda _seconds: None,
    ) -> None:
        """`observe` receives the seconds of every transaction, in a thread of this adapter."""
        self._settings = settings
        self._timeout = timeout_seconds
        self._observe = observe
        address = check_url(url, allow_plain=settings.allow_plain)
        half = max(timeout_seconds / 2, 1.0)
        bounds: dict[str, Any] = {"connect_timeout": max(int(half), 1)}
        if address.get_backend_name() == "mariadb":
            bounds |= {"read_timeout": half, "write_timeout": half, "program_name": _NAME}
        else:
            bounds |= {"application_name": _NAME, **UTF8}
        try:
            self._engine = sa.create_engine(
                address,
                poolclass=NullPool,
                isolation_level="READ COMMITTED",
                hide_parameters=True,
                connect_args=bounds,
            )
        except ModuleNotFoundError as error:
            raise missing_extra(error.name or "", "mysql") from None
        sa.event.listen(
            self._engine, "connect", lambda session, _record: load_as_written(session, "replace")
        )
        self._layout: TableLayout | None = None
        self._reading = threading.Lock()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._landed: queue.SimpleQueue[tuple[int, CallResult]] = queue.SimpleQueue()
        self._era = 0
        self._said = ""
        self._held_up = 0.0
        """Seconds for which the sweep has waited for the courier."""
        self._has_said_flood = False
        self._has_ended = False
        self._closing = threading.Event()
        self._sessions = [
            _Session(self._engine, timeout_seconds) for _ in range(settings.connections + 1)
        ]
        self._threads = [
            threading.Thread(target=self._guard, args=(work, session), name="database", daemon=True)
            for work, session in zip(
                (self._sweep, *(self._work for _ in range(settings.connections))),
                self._sessions,
                strict=True,
            )
        ]
        for thread in self._threads:
            thread.start()

    # --- the courier's thread --------------------------------------------------------------------

    def submit(self, calls: Iterable[tuple[How, Delivery | Expected]]) -> None:
        """Let the calls leave: rows in a few transactions, questions together."""
        rows: list[tuple[How, Delivery | Expected]] = []
        asked: list[tuple[How, Delivery | Expected]] = []
        for how, call in calls:
            (rows if isinstance(call, Delivery) else asked).append((how, call))
        share = max(-(-len(rows) // self._settings.connections), 1)
        for chunk in _chunks(rows, min(share, _ROWS_AT_ONCE)):
            self._jobs.put(_Job(self._era, chunk))
        for chunk in _chunks(asked, _ASKED_AT_ONCE):
            self._jobs.put(_Job(self._era, chunk))

    def poll(self) -> list[CallResult]:
        """Return the calls that ended since the last time, and receipts that were not asked for."""
        if self._has_ended and not self._closing.is_set():
            raise AssertionError(
                "a thread of the front-end database's adapter ended; see its trace"
            )
        now = time.monotonic()
        for session in self._sessions:
            if session.cut_at is not None and session.cut_at < now:
                session.cut()
        found: list[CallResult] = []
        while True:
            try:
                era, landed = self._landed.get_nowait()
            except queue.Empty:
                return found
            if era == self._era or landed.how == "answer":
                found.append(landed)

    def cancel_all(self) -> None:
        """Forget what is on its way; what has not begun never will."""
        self._era += 1

    def close(self) -> None:
        """End the threads and their connections."""
        self._closing.set()
        for _thread in self._threads:
            self._jobs.put(None)
        for session in self._sessions:
            session.cut()
        for thread in self._threads:
            thread.join(self._timeout)
        self._engine.dispose()

    # --- the adapter's threads -------------------------------------------------------------------

    def _guard(self, work: Callable[[_Session], None], session: _Session) -> None:
        """Run a thread; one that ends by a fault of ours ends the courier, which collects."""
        try:
            work(session)
        finally:
            session.drop()
            self._has_ended = True

    def _work(self, session: _Session) -> None:
        while True:
            job = self._jobs.get()
            if job is None:
                return
            if job.era != self._era:
                continue
            begun = time.monotonic()
            session.cut_at = begun + self._timeout
            if isinstance(job.calls[0][1], Delivery):
                replies = self._send(session, [one for _how, one in job.calls], begun)
            else:
                replies = self._look_up(session, [one for _how, one in job.calls])
            session.cut_at = None
            self._observe(time.monotonic() - begun)
            for how, call in job.calls:
                self._landed.put((job.era, CallResult(call.delivery, how, replies[call.delivery])))

    def _send(
        self, session: _Session, calls: Sequence[Delivery | Expected], begun: float
    ) -> Mapping[str, Reply]:
        """Write rows in one transaction; where one of them spoils it, again without that one.

        In the order of their keys, so that two transactions never wait for each other.
        """
        left = sorted((one for one in calls if isinstance(one, Delivery)), key=lambda d: d.record)
        last_begin = begun + self._timeout / 2
        together, _all = self._write(session, [left], last_begin)
        replies: dict[str, Reply] = {}
        spoiler: Delivery | None = None
        while isinstance(together, TransactionFailed) and left:
            is_theirs = nature_of(together.code) in ("away", "layout")
            if is_theirs or not is_undone(together) or together.code == NOT_TRIED:
                break
            if spoiler is not None:
                replies[spoiler.delivery] = together
                left.remove(spoiler)
            together, spoiler = self._write(session, [[row] for row in left], last_begin)
            if spoiler is None:
                break
        if isinstance(together, TransactionFailed):
            return replies | dict.fromkeys((row.delivery for row in left), together)
        return replies | dict(together)

    def _write(
        self, session: _Session, batches: Sequence[Sequence[Delivery]], last_begin: float
    ) -> tuple[Mapping[str, Found] | TransactionFailed, Delivery | None]:
        """Return what came of one transaction, and the row at which it failed if that is known."""
        phase: Phase = "before"
        at: Delivery | None = None
        rows = [row for batch in batches for row in batch]
        try:
            connection = session.open()
            layout = self._known_layout(connection)
            for batch in batches:
                if time.monotonic() > last_begin:
                    connection.rollback()
                    return TransactionFailed("before", NOT_TRIED), None
                at = batch[0] if len(batch) == 1 else None
                put_rows(connection, layout, batch)
            at = None
            standing = standings(connection, layout, rows)
            phase = "commit"
            connection.commit()
        except (sa.exc.DBAPIError, LayoutError) as error:
            return self._failed(session, error, phase), at
        self._all_well()
        return {row.delivery: Found(standing[row.delivery]) for row in rows}, None

    def _look_up(
        self, session: _Session, calls: Sequence[Delivery | Expected]
    ) -> Mapping[str, Reply]:
        asked = [one for one in calls if isinstance(one, Expected)]
        try:
            connection = session.open()
            layout = self._known_layout(connection)
            rows = standings(connection, layout, asked)
            named = {one.delivery for one in asked}
            named |= {row.delivery for row in rows.values() if row is not None}
            told = receipts_about(connection, layout.receipts, named, _RECEIPTS_AT_MOST)
            connection.rollback()
        except (sa.exc.DBAPIError, LayoutError) as error:
            failed = self._failed(session, error, "before")
            return {one.delivery: failed for one in asked}
        self._all_well()
        if len(told) >= _RECEIPTS_AT_MOST:
            self._say_flood()
        receipts = by_delivery(told)
        return {
            one.delivery: Found(
                rows[one.delivery],
                receipts.get(one.delivery, ()),
                _names_another(rows[one.delivery], one, receipts),
            )
            for one in asked
        }

    def _sweep(self, session: _Session) -> None:
        """Bring new receipts, by number; what is committed late is read again within the overlap.

        It begins with what comes from now on: after a start the courier asks for the rest.
        """
        seen = _SeenReceipts()
        looks = 0
        while not self._closing.wait(self._settings.poll_seconds):
            looks += 1
            start = seen.start(looks_back=looks % _LOOK_BACK_EVERY == 0)
            while (page := self._page_after(session, start)) is not None:
                last = page[-1][1].number if page else 0
                if start is None:
                    seen.floor = last
                    break
                self._bring(page, seen)
                if len(page) < _RECEIPTS_AT_ONCE or last <= start or not self._has_room():
                    break
                start = last

    def _bring(self, page: Receipts, seen: _SeenReceipts) -> None:
        """Hand over the receipts of a page that were not brought before."""
        now = time.monotonic() - self._held_up  # what is committed late is late by our looks
        fresh = [(delivery, one) for delivery, one in page if seen.add(one.number, now)]
        for delivery, receipts in by_delivery(fresh).items():
            self._landed.put((self._era, CallResult(delivery, "answer", Found(None, receipts))))
        seen.forget(now - _OVERLAP_SECONDS)

    def _has_room(self) -> bool:
        """Wait until the courier has taken most of what it was brought; False at the end."""
        began = time.monotonic()
        try:
            while self._landed.qsize() > _BACKLOG:
                if self._closing.wait(self._settings.poll_seconds):
                    return False
            return True
        finally:
            self._held_up += time.monotonic() - began

    def _page_after(self, session: _Session, start: int | None) -> Receipts | None:
        """Return the next receipts after a number, or only the last one; None when that failed."""
        session.cut_at = time.monotonic() + self._timeout
        try:
            connection = session.open()
            table = self._known_layout(connection).receipts
            page = receipts_after(connection, table, start, _RECEIPTS_AT_ONCE)
            connection.rollback()
        except (sa.exc.DBAPIError, LayoutError) as error:
            self._failed(session, error, "before")
            return None
        finally:
            session.cut_at = None
        return page

    # --- what went wrong -------------------------------------------------------------------------

    def _failed(
        self, session: _Session, error: sa.exc.DBAPIError | LayoutError, phase: Phase
    ) -> TransactionFailed:
        """Throw the connection away and say what happened, by its code alone."""
        session.drop()
        if isinstance(error, LayoutError):
            failed, detail = TransactionFailed("before", LAYOUT), str(error)
        else:
            failed, detail = TransactionFailed(phase, _code_of(error)), ""
        nature = nature_of(failed.code)
        if nature == "layout":
            self._layout = None  # read again before the next attempt: it may be repaired by then
        if nature in ("layout", "away"):
            self._say(nature, failed.code, detail)
        return failed

    def _say(self, nature: str, code: str, detail: str) -> None:
        """Report a trouble of the whole target once, until it changes or ends."""
        said = f"{nature} {code} {detail}"
        if said == self._said or self._closing.is_set():
            return
        self._said = said
        if nature == "layout":
            _log.error(
                "前置库的表结构或权限不符，整个目标暂停；请平台补齐后自动继续"
                " / FRONT_END_LAYOUT: tables or rights are not as agreed; the target rests",
                extra={"reason": detail or code},
            )
        else:
            _log.warning(
                "前置库暂不可用，自动重试 / the front-end database is away; tried again",
                extra={"reason": code or "no connection"},
            )

    def _say_flood(self) -> None:
        """Report receipts beyond all measure, once."""
        if not self._has_said_flood:
            self._has_said_flood = True
            _log.warning(
                "回执过多，较早的未读取；请平台不要重复写入同一回执"
                " / FRONT_END_RECEIPTS: too many receipts, the older ones are not read; a platform"
                " writes each once"
            )

    def _all_well(self) -> None:
        if self._said:
            self._said = ""
            _log.info("前置库恢复 / the front-end database is back")

    def _known_layout(self, connection: sa.Connection) -> TableLayout:
        with self._reading:  # one thread reads for all
            layout = self._layout
            if layout is None:
                layout = self._layout = read_layout(connection, self._settings)
            return layout


def _chunks(items: list[_ItemT], size: int) -> Iterable[list[_ItemT]]:
    return (items[start : start + size] for start in range(0, len(items), size))


def _names_another(
    row: RowStanding | None, asked: Expected, receipts: dict[str, tuple[ReceiptRow, ...]]
) -> bool:
    return row is not None and row.delivery != asked.delivery and row.delivery in receipts


def _code_of(error: sa.exc.DBAPIError) -> str:
    """SQLSTATE of PostgreSQL, number of MariaDB, empty for a connection that is gone."""
    original = error.orig
    state = getattr(original, "sqlstate", None)
    if isinstance(state, str):
        return state
    number = original.args[0] if original is not None and original.args else None
    if isinstance(number, int) and number:
        return str(number)
    is_gone = error.connection_invalidated or isinstance(
        error, sa.exc.OperationalError | sa.exc.InterfaceError
    )
    return "" if is_gone else "client"
