"""Kinds of targets: one line of `TARGET_KINDS` per kind, chosen here alone.

A kind joins its protocol (`hub/targets`, pure) to the adapter that takes its calls to the
platform and brings back what is said.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

from hub.adapters.lease import FolderLease
from hub.io.secret import read_secret
from hub.targets.database.protocol import DatabaseProtocol
from hub.targets.file.book import FileBook
from hub.targets.file.client import FilePlatform
from hub.targets.file.drop import DropNews, DropSettings, FileWork
from hub.targets.file.folder import DropFolder
from hub.targets.file.layout import Heading
from hub.targets.file.protocol import FileProtocol
from hub.targets.http.protocol import HttpProtocol
from hub.targets.platform import Call, TargetProtocol

if TYPE_CHECKING:
    from hub.config.site import LoadedSite, Target
    from hub.ports import BusinessClock, FaultHooks
    from hub.targets.database.client import DatabasePlatform
    from hub.targets.http.client import HttpPlatform
    from hub.targets.platform import CallResult, How, Platform


class AdapterContext(NamedTuple):
    """What a courier's adapter may use of its process, from any thread."""

    folder: Path
    """The courier's state folder."""
    clock: BusinessClock
    faults: FaultHooks
    observe: Callable[[float], object]
    """Told the seconds of every request."""
    report: Callable[[DropNews], object]


_MARGIN_SECONDS: Final = 2.0
"""Beyond the time-out: a request that left at the last moment, and its way through the network."""
_FILE_POLL_SECONDS: Final = 30.0
"""A platform's news of a file comes unasked; asking is for news lost on the way."""
_BEIJING: Final = dt.timezone(dt.timedelta(hours=8))
_TOPIC_GRACE_SECONDS: Final = 1.0
"""By topic nothing of a fenced predecessor can arrive; its answers only have to be read first."""


class NoPlatform:
    """For targets reached by topic: there is nothing besides Kafka to talk to."""

    def submit(self, calls: Iterable[tuple[How, Call]]) -> None:
        """Refuse: a topic's deliveries leave with their intents."""
        raise AssertionError(f"{len(list(calls))} requests for a target without an address")

    def poll(self) -> list[CallResult]:
        """Nothing lands."""
        return []

    def cancel_all(self) -> None:
        """Nothing is on its way."""

    def close(self) -> None:
        """Nothing is held."""


class TargetKind(NamedTuple):
    """Everything that one kind of target needs."""

    can_ask: bool
    """Whether the platform can be asked about a delivery; otherwise it is sent again, same id."""
    make_protocol: Callable[[LoadedSite, Target], TargetProtocol[Any, Any] | None]
    """The kind's protocol with the target's settings; None when it is reached by topic."""
    connect: Callable[[LoadedSite, Target, AdapterContext], Platform[Any]]
    grace_seconds: Callable[[Target], float]
    """The longest a call of a predecessor may still have an effect."""
    first_poll_seconds: float = 0.2
    """Time for the platform to answer by itself before it is asked."""


def _within_the_timeout(target: Target) -> float:
    return target.timeout_seconds + _MARGIN_SECONDS


def _connect_http(_loaded: LoadedSite, target: Target, around: AdapterContext) -> HttpPlatform:
    from hub.targets.http.client import HttpPlatform  # noqa: PLC0415 - aiohttp, for this kind alone

    return HttpPlatform(target.url, target.timeout_seconds, target.concurrency, around.observe)


def _http_protocol(loaded: LoadedSite, target: Target) -> HttpProtocol:
    """Raises `ConfigurationError` for a missing token."""
    token = read_secret(
        loaded.path(target.token_file or Path("token_file")),
        remedy_zh=f"在 site.yaml 为目标 {target.id} 写明 token_file，文件内只放令牌",
        remedy_en=f"name token_file for target {target.id} in site.yaml; the file holds the token "
        "alone",
    )
    return HttpProtocol(token.reveal())


_SettingsT = TypeVar("_SettingsT")


def _required(settings: _SettingsT | None, target: Target) -> _SettingsT:
    """Settings of a kind, which no site is read without."""
    if settings is None:
        raise AssertionError(f"target {target.id} was read without those of its kind")
    return settings


def _file_protocol(_loaded: LoadedSite, target: Target) -> FileProtocol:
    return FileProtocol(_required(target.drop, target).reasons)


def _connect_file(loaded: LoadedSite, target: Target, around: AdapterContext) -> FilePlatform:
    wanted = _required(target.drop, target)
    root = loaded.path(wanted.folder)
    book = FileBook(around.folder / "files.sqlite")
    scope = ("public", "government", "authorised")
    security = max(scope.index(one) for one in target.clearance) + 1
    heading = Heading(
        wanted.sender, wanted.receiver, wanted.cc, str(security), wanted.operator, wanted.contacts
    )
    settings = DropSettings(
        wanted.layout, heading, wanted.departments, wanted.tables, wanted.rows_per_file,
        wanted.patience_seconds, wanted.has_mark,
    )  # fmt: skip
    folder = DropFolder(root, around.faults)
    work = FileWork(
        folder, book, settings, around.faults, lambda: _day_of(around.clock.now()), time.time
    )
    return FilePlatform(
        work, FolderLease(root / "out" / ".hub"), target.timeout_seconds, wanted.linger_seconds,
        around.report, book.close,
    )  # fmt: skip


def _day_of(at: int) -> str:
    return dt.datetime.fromtimestamp(at / 1000, _BEIJING).strftime("%Y%m%d")


def _database_protocol(_loaded: LoadedSite, target: Target) -> DatabaseProtocol:
    return DatabaseProtocol(_required(target.database, target).reasons)


def _connect_database(
    loaded: LoadedSite, target: Target, around: AdapterContext
) -> DatabasePlatform:
    """Raises `ConfigurationError` for an address that is missing or not understood."""
    from hub.targets.database.client import DatabasePlatform  # noqa: PLC0415 - SQLAlchemy, for this kind alone

    settings = _required(target.database, target)
    url = read_secret(
        loaded.path(settings.url_file),
        remedy_zh=f"url_file 内只放目标 {target.id} 的前置库地址（含用户与密码）",
        remedy_en=f"url_file holds the address of {target.id}'s front-end database alone",
    )
    return DatabasePlatform(settings, url, target.timeout_seconds, around.observe)


TARGET_KINDS: Final[dict[str, TargetKind]] = {
    "http": TargetKind(
        can_ask=True,
        make_protocol=_http_protocol,
        connect=_connect_http,
        grace_seconds=_within_the_timeout,
    ),
    "kafka": TargetKind(
        can_ask=False,
        make_protocol=lambda _loaded, _target: None,
        connect=lambda _loaded, _target, _around: NoPlatform(),
        grace_seconds=lambda _target: _TOPIC_GRACE_SECONDS,
    ),
    "file": TargetKind(
        can_ask=True,
        make_protocol=_file_protocol,
        connect=_connect_file,
        grace_seconds=_within_the_timeout,
        first_poll_seconds=_FILE_POLL_SECONDS,
    ),
    "database": TargetKind(
        can_ask=True,
        make_protocol=_database_protocol,
        connect=_connect_database,
        grace_seconds=_within_the_timeout,
        first_poll_seconds=30.0,
    ),
}
"""Every kind of target the hub can deliver to."""
