"""Logs are JSON lines that cannot carry a payload."""

from __future__ import annotations

import ast
import io
import json
import logging
import sys
import threading
from collections.abc import Iterator

import pytest

from hub.config.repository import ROOT
from hub.errors import IntegrityError
from hub.runtime.logs import FIELDS, JsonFormatter, configure_logging


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Where the root logger writes during a test."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    hooks = sys.excepthook, threading.excepthook
    stream = io.StringIO()
    configure_logging("registrar", stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    sys.excepthook, threading.excepthook = hooks


def test_a_log_is_one_json_object_a_line(lines: io.StringIO) -> None:
    """Message, worker and the fields of the closed list."""
    logging.getLogger("hub.test").info("分区 folded", extra={"partition": 3, "count": 7})
    line = json.loads(lines.getvalue())
    assert (line["message"], line["worker"], line["partition"]) == ("分区 folded", "registrar", 3)


def test_a_field_outside_the_list_is_dropped(lines: io.StringIO) -> None:
    """A payload given as an extra never reaches the log."""
    logging.getLogger("hub.test").info("read", extra={"value": "秘密"})
    assert "秘密" not in lines.getvalue()


def test_every_field_that_is_logged_is_in_the_list() -> None:
    """A field that is not is dropped without a word: an operator looks for it in vain."""
    named = set()
    for path in (*(ROOT / "hub").rglob("*.py"), *(ROOT / "connectors").rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.keyword) or call.arg != "extra":
                continue
            if isinstance(call.value, ast.Dict):
                named |= {key.value for key in call.value.keys if isinstance(key, ast.Constant)}
    assert named - set(FIELDS) == set()


def test_the_text_of_a_foreign_error_is_not_logged(lines: io.StringIO) -> None:
    """A parser's message may quote what it could not parse."""
    try:
        int("330106199001011234x")
    except ValueError:
        logging.getLogger("hub.test").exception("row not read")
    assert "330106199001011234x" not in lines.getvalue()
    assert json.loads(lines.getvalue())["error"]["type"] == "ValueError"


def test_the_last_words_of_a_process_and_of_a_thread_quote_nothing(lines: io.StringIO) -> None:
    """Python's own, on stderr, would."""
    error = ValueError("330106199001011234x")
    sys.excepthook(type(error), error, None)

    def work() -> None:
        raise error

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    sys.excepthook(SystemExit, SystemExit(2), None)
    said = [json.loads(line) for line in lines.getvalue().splitlines()]
    assert [one["error"]["type"] for one in said] == ["ValueError", "ValueError"]
    assert "330106199001011234x" not in lines.getvalue()


def test_the_text_of_our_own_error_is_logged(lines: io.StringIO) -> None:
    """Ours are written without content, for people."""
    error = IntegrityError("断链 chain broken at sequence 7")
    logging.getLogger("hub.test").error("stopped", exc_info=error)
    assert "sequence 7" in lines.getvalue()


@pytest.mark.parametrize(
    "said",
    [
        "connection failed: host=db user=hub password=canary dbname=hub",
        "could not reach postgresql://hub:canary@db:5432/hub",
        "sent {'Authorization': 'Bearer canary'}",
        'refused {"password": "canary"}',
        "amqp://:canary@host",
    ],
)
def test_a_secret_in_somebody_elses_words_is_masked(said: str) -> None:
    """Libraries quote connection strings and headers; the rest of the line stays readable."""
    record = logging.LogRecord("psycopg", logging.WARNING, "", 0, said, (), None)
    line = JsonFormatter("projector").format(record)
    assert "canary" not in line
    assert "***" in json.loads(line)["message"]


@pytest.mark.parametrize("said", ["http://127.0.0.1:9100/metrics", "password missing", "a: b"])
def test_what_is_no_secret_is_not_masked(said: str) -> None:
    """An address with a port, a word about passwords."""
    record = logging.LogRecord("hub", logging.WARNING, "", 0, said, (), None)
    assert json.loads(JsonFormatter("projector").format(record))["message"] == said
