"""Logs of a worker: one JSON object a line, and never a payload.

Only a closed list of fields may be logged beside the message; an exception is logged by its
type and the lines it passed, its text only when it is one of ours, because the text of a foreign
one (a decoder's, a parser's) may quote the content it failed on.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TextIO

from hub.errors import HubError

if TYPE_CHECKING:
    from types import TracebackType

FIELDS: Final = (
    "topic", "partition", "offset", "sequence", "department", "target", "kind", "outcome", "stage",
    "reason", "count", "seconds", "port", "file", "delivery", "epoch", "problem",
)  # fmt: skip
"""Names that `extra=` may carry; all others are dropped."""
_SECRET: Final = re.compile(
    r"""((?:password|passwd|token)["']?\s*[=:]\s*["']?|bearer\s+)[^\s"'&,;]+"""
    r"|(://[^\s:/@]*:)[^\s/@]+(?=@)",
    re.IGNORECASE,
)
"""A secret inside a foreign text: a connection string, an address with a password, a header."""


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON; times are real, UTC."""

    def __init__(self, worker: str) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "worker": self._worker,
            "logger": record.name,
            "message": record.getMessage(),
        }
        for name in FIELDS:
            value = record.__dict__.get(name)
            if value is not None:
                line[name] = value
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = _describe(record.exc_info[1])
        masked = {k: _masked(v) if isinstance(v, str) else v for k, v in line.items()}
        return json.dumps(masked, ensure_ascii=False, default=str)


def configure_logging(worker: str, level: str = "INFO", stream: TextIO = sys.stderr) -> None:
    """Send every log of this process to `stream` as JSON; replaces what was configured.

    An exception that ends the process or a thread is logged so, too: Python's own report quotes
    the text of a foreign exception.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter(worker))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    sys.excepthook = _last_words
    threading.excepthook = lambda told: _last_words(
        told.exc_type, told.exc_value or told.exc_type(), told.exc_traceback
    )


def _last_words(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Log an uncaught exception; ending on purpose is not logged."""
    if not issubclass(kind, SystemExit | KeyboardInterrupt):
        logging.getLogger("hub").critical(
            "程序错误，未能处理 / a fault of the hub itself, not handled",
            exc_info=(kind, error, trace),
        )


def _masked(text: str) -> str:
    return _SECRET.sub(r"\1\2***", text)


def _describe(error: BaseException) -> dict[str, object]:
    """Type and places; the text only when the hub wrote it."""
    frames = traceback.extract_tb(error.__traceback__)
    described: dict[str, object] = {
        "type": type(error).__qualname__,
        "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }
    if isinstance(error, HubError):
        described["text"] = _masked(str(error))
    return described
