"""Values that PostgreSQL can hold and Python cannot: they stay as the server writes them.

Other people's databases hold dates without end (infinity, the year 10000), hours beyond a day and,
under SQL_ASCII, text in any encoding. One such value must not hide the rows beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.types import datetime as psycopg_datetime
from psycopg.types.string import TextLoader

if TYPE_CHECKING:
    from collections.abc import Callable

UTF8: Final = {"client_encoding": "utf8"}
"""Arguments of a connection: texts travel as UTF-8 in any encoding of the database."""
_TEXTS: Final = (0, "text", "varchar", "bpchar", "name")
"""0 is every type that has no loader of its own."""


def load_as_written(session: object, undecodable: str) -> None:
    """Let a session of psycopg load what does not fit as text; any other session is left alone.

    `undecodable` is the error handler of bytes that are not UTF-8: `surrogateescape`, `replace`.
    """
    if not isinstance(session, psycopg.Connection):
        return
    for name, loader in _MOMENTS.items():
        session.adapters.register_loader(name, loader)
    # Of every other encoding the server itself makes UTF-8, or says that it cannot. Of this one
    # it checks each text, and sends none of an answer in which one is not UTF-8.
    if session.info.parameter_status("server_encoding") == "SQL_ASCII":
        session.execute("SET client_encoding = 'SQL_ASCII'")
        session.commit()
        for text in _TEXTS:
            session.adapters.register_loader(text, _LENIENT[undecodable])


class _EscapingText(TextLoader):
    def load(self, data: Any) -> str:  # noqa: ANN401 - a driver's signature
        return bytes(data).decode("utf-8", "surrogateescape")


class _ReplacingText(TextLoader):
    def load(self, data: Any) -> str:  # noqa: ANN401 - a driver's signature
        return bytes(data).decode("utf-8", "replace")


_LENIENT: Final = {"surrogateescape": _EscapingText, "replace": _ReplacingText}


class _WrittenDate(psycopg_datetime.DateLoader):
    def load(self, data: Any) -> Any:  # noqa: ANN401 - a driver's signature
        return _or_text(super().load, data)


class _WrittenMoment(psycopg_datetime.TimestampLoader):
    def load(self, data: Any) -> Any:  # noqa: ANN401 - a driver's signature
        return _or_text(super().load, data)


class _WrittenZonedMoment(psycopg_datetime.TimestamptzLoader):
    def load(self, data: Any) -> Any:  # noqa: ANN401 - a driver's signature
        return _or_text(super().load, data)


class _WrittenTime(psycopg_datetime.TimeLoader):
    """24:00 is a time of day to the server, and to no one else."""

    def load(self, data: Any) -> Any:  # noqa: ANN401 - a driver's signature
        return _or_text(super().load, data)


class _WrittenZonedTime(psycopg_datetime.TimetzLoader):
    def load(self, data: Any) -> Any:  # noqa: ANN401 - a driver's signature
        return _or_text(super().load, data)


class _WrittenInterval(psycopg_datetime.IntervalLoader):
    def load(self, data: Any) -> Any:  # noqa: ANN401 - a driver's signature
        return _or_text(super().load, data)


_MOMENTS: Final[dict[str, Any]] = {
    "date": _WrittenDate,
    "time": _WrittenTime,
    "timetz": _WrittenZonedTime,
    "interval": _WrittenInterval,
    "timestamp": _WrittenMoment,
    "timestamptz": _WrittenZonedMoment,
}


def _or_text(load: Callable[[Any], Any], data: Any) -> Any:  # noqa: ANN401 - a driver's signature
    try:
        return load(data)
    except (psycopg.DataError, OverflowError):
        return bytes(data).decode("utf-8", "replace")
