"""Secrets come from files, one each, and are shown nowhere: not in a log, an error or a `repr`."""

from __future__ import annotations

import logging
import stat
from typing import TYPE_CHECKING, Final

from hub.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger("hub.secret")
_TOO_OPEN: Final = stat.S_IWGRP | stat.S_IRWXO
"""Written by the group or touched by others; a group that reads is how Kubernetes hands it over."""


class Secret:
    """A text that prints as `***`; `reveal()` is the one way to it, and easy to search for."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the client library that needs it."""
        return self._text

    def __str__(self) -> str:
        return "***"

    __repr__ = __str__

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


NO_SECRET: Final = Secret("")


def read_secret(path: Path, *, remedy_zh: str, remedy_en: str) -> Secret:
    """Read a file that holds one secret and nothing else; white space around it does not count.

    Raises `ConfigurationError` when it is missing, empty or not printable ASCII on one line; a file
    that others may read is reported in the log.
    """
    problem = None
    text = ""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        problem = error
    if not text or not text.isprintable():
        raise ConfigurationError(
            "秘密文件缺失、为空或内容不对",
            "the secret file is missing, empty, unreadable or not one line of ASCII",
            remedy_zh=remedy_zh,
            remedy_en=remedy_en,
            file=str(path),
        ) from problem
    if mode & _TOO_OPEN:
        _log.warning(
            "秘密文件的权限过宽，请 chmod 600 / a secret file is open to others: chmod 600",
            extra={"file": str(path)},
        )
    return Secret(text)
