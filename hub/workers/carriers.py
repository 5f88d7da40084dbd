"""How each kind of target is reached: one line of `CARRIERS` per kind, chosen here alone.

A carrier joins the kind's language (`hub/targets`, pure) to the adapter that takes its calls to the
platform and brings back what is said.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hub.adapters.drop_folder import DropFolder
from hub.adapters.file_book import FileBook
from hub.adapters.file_drop import DropSettings, FileWork
from hub.adapters.file_platform import FilePlatform
from hub.adapters.lease import FolderLease
from hub.secret import read_secret
from hub.targets import Call, Language
from hub.targets.database import DatabaseLanguage
from hub.targets.file import FileLanguage
from hub.targets.file_layout import Heading
from hub.targets.http import HttpLanguage

if TYPE_CHECKING:
    from hub.adapters.front_end_database import DatabasePlatform
    from hub.adapters.http import HttpPlatform
    from hub.engine.drive import Platform
    from hub.engine.requests import How, Landed
    from hub.ports import BusinessClock, FaultHooks
    from hub.site import FileDrop, FrontEndDatabase, LoadedSite, Target


class Surroundings(NamedTuple):
    """What a courier's adapter may use of the process it runs in, from any thread."""

    folder: Path
    """The courier's state folder."""
    clock: BusinessClock
    faults: FaultHooks
    observe: Callable[[float], object]
    """Told the seconds of every request."""
    report: Callable[[str, Mapping[str, float]], object]
    """Told what happened besides: event and numbers, as `CourierWatch.report` reads them."""


_MARGIN_SECONDS: Final = 2.0
"""Beyond the time-out: a request that left at the last moment, and its way through the network."""
_FILE_POLL_SECONDS: Final = 30.0
"""What a platform says of a file is told unasked; asking is for what was lost on the way."""
_BEIJING: Final = dt.timezone(dt.timedelta(hours=8))
_TOPIC_GRACE_SECONDS: Final = 1.0
"""By topic nothing of a fenced predecessor can arrive; its answers only have to be read first."""


class NoPlatform:
    """For targets reached by topic: there is nothing besides Kafka to talk to."""

    def launch(self, calls: Iterable[tuple[How, Call]]) -> None:
        """Refuse: a topic's deliveries leave with their intents."""
        raise AssertionError(f"{len(list(calls))} requests for a target without an address")

    def collect(self) -> list[Landed]:
        """Nothing lands."""
        return []

    def abandon(self) -> None:
        """Nothing is on its way."""

    def close(self) -> None:
        """Nothing is held."""


class Carrier(NamedTuple):
    """What one kind of target needs."""

    can_ask: bool
    """Whether the platform can be asked about a delivery; otherwise it is sent again, same id."""
    speak: Callable[[LoadedSite, Target], Language[Any, Any] | None]
    """The kind's language with the target's settings; None when it is reached by topic."""
    reach: Callable[[LoadedSite, Target, Surroundings], Platform[Any]]
    grace_seconds: Callable[[Target], float]
    """The longest a call of a predecessor may still have an effect."""
    first_poll_seconds: float = 0.2
    """How long the platform is left to speak by itself before it is asked."""


def _within_the_timeout(target: Target) -> float:
    return target.timeout_seconds + _MARGIN_SECONDS


def _reach_http(_loaded: LoadedSite, target: Target, around: Surroundings) -> HttpPlatform:
    from hub.adapters.http import HttpPlatform  # noqa: PLC0415 - aiohttp, for this kind alone

    return HttpPlatform(target.url, target.timeout_seconds, target.concurrency, around.observe)


def _speak_http(loaded: LoadedSite, target: Target) -> HttpLanguage:
    """Raises `ConfigurationError` for a missing token."""
    token = read_secret(
        loaded.path(target.token_file or Path("token_file")),
        remedy_zh=f"在 site.yaml 为目标 {target.id} 写明 token_file，文件内只放令牌",
        remedy_en=f"name token_file for target {target.id} in site.yaml; the file holds the token "
        "alone",
    )
    return HttpLanguage(token.reveal())


def _drop_of(target: Target) -> FileDrop:
    if target.drop is None:
        raise AssertionError(f"target {target.id} was read without its drop")
    return target.drop


def _speak_file(_loaded: LoadedSite, target: Target) -> FileLanguage:
    return FileLanguage(_drop_of(target).reasons)


def _reach_file(loaded: LoadedSite, target: Target, around: Surroundings) -> FilePlatform:
    wanted = _drop_of(target)
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


def _front_end_of(target: Target) -> FrontEndDatabase:
    if target.database is None:
        raise AssertionError(f"target {target.id} was read without its database")
    return target.database


def _speak_database(_loaded: LoadedSite, target: Target) -> DatabaseLanguage:
    return DatabaseLanguage(_front_end_of(target).reasons)


def _reach_database(loaded: LoadedSite, target: Target, around: Surroundings) -> DatabasePlatform:
    """Raises `ConfigurationError` for an address that is missing or not understood."""
    from hub.adapters.front_end_database import (  # noqa: PLC0415 - SQLAlchemy, for this kind alone
        DatabasePlatform,
    )

    settings = _front_end_of(target)
    url = read_secret(
        loaded.path(settings.url_file),
        remedy_zh=f"url_file 内只放目标 {target.id} 的前置库地址（含用户与密码）",
        remedy_en=f"url_file holds the address of {target.id}'s front-end database alone",
    )
    return DatabasePlatform(settings, url, target.timeout_seconds, around.observe)


CARRIERS: Final[dict[str, Carrier]] = {
    "http": Carrier(
        can_ask=True, speak=_speak_http, reach=_reach_http, grace_seconds=_within_the_timeout
    ),
    "kafka": Carrier(
        can_ask=False,
        speak=lambda _loaded, _target: None,
        reach=lambda _loaded, _target, _around: NoPlatform(),
        grace_seconds=lambda _target: _TOPIC_GRACE_SECONDS,
    ),
    "file": Carrier(
        can_ask=True,
        speak=_speak_file,
        reach=_reach_file,
        grace_seconds=_within_the_timeout,
        first_poll_seconds=_FILE_POLL_SECONDS,
    ),
    "database": Carrier(
        can_ask=True,
        speak=_speak_database,
        reach=_reach_database,
        grace_seconds=_within_the_timeout,
        first_poll_seconds=30.0,
    ),
}
"""Every kind of target the hub can deliver to."""
