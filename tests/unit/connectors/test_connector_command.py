"""`hub connector`: what one source's trouble looks like from outside."""

import io
import logging
import sys
import threading
from pathlib import Path

import pytest

from connectors.commands.connector import ConnectorThread, ConnectorWatch
from connectors.events import Polled, TableCompared
from connectors.run import Connection, TableConnection
from hub.config.site import DatabaseSourceSettings, Department, FileSourceSettings
from hub.errors import SourceError
from hub.runtime.logs import configure_logging
from hub.runtime.metrics import Health, Metrics

FILES = FileSourceSettings(name="files", inbox=Path("in"), results=Path("out"))
TABLE = DatabaseSourceSettings(name="licences", file=Path("licences.yaml"))
MARKET = Department(id="market", name_zh="市场监管局", files=(FILES,), databases=(TABLE,))


class Counted:
    """The metrics of a process with two sources of one department."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.health = Health("connector")
        connections: tuple[Connection | TableConnection, ...] = (
            Connection(MARKET, FILES), TableConnection(MARKET, TABLE),
        )  # fmt: skip
        self.files, self.table = (
            ConnectorWatch(one, self.metrics, self.health, threading.Event(), drain=False)
            for one in connections
        )

    def value(self, name: str, source: str, **labels: str) -> float | None:
        """A series of one source."""
        wanted = {"department": "market", "source": source, **labels}
        return self.metrics.registry.get_sample_value(name, wanted)


def test_two_sources_of_a_department_have_ages_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that moves must not hide one that does not, hangs or is dead."""
    seconds = [1000.0]
    monkeypatch.setattr("connectors.commands.connector.time.monotonic", lambda: seconds[0])
    counted = Counted()
    seconds[0] += 500
    counted.files.report(Polled(has_more=True))
    for watch in (counted.files, counted.table):
        watch.grow_older()
    assert counted.value("hub_cursor_age_seconds", "files") == 0
    assert counted.value("hub_cursor_age_seconds", "licences") == 500


@pytest.mark.parametrize("error", [SourceError("停 / stop"), ValueError("某人 110101199003078515")])
def test_a_source_that_stops_is_counted_and_quotes_no_row(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its neighbours go on, so the process looks well; a foreign error's text may be a row's."""
    for place, name in ((sys, "excepthook"), (threading, "excepthook"), (logging.root, "handlers")):
        monkeypatch.setattr(place, name, getattr(place, name))
    monkeypatch.setattr(logging.root, "handlers", [])
    log = io.StringIO()
    configure_logging("connector", stream=log)
    counted = Counted()
    assert counted.value("hub_source_stopped", "licences") == 0

    def work() -> None:
        raise error

    thread = ConnectorThread("market.licences", work, counted.table.stopped)
    thread.start()
    thread.join()
    assert thread.failed
    assert counted.value("hub_source_stopped", "licences") == 1
    assert counted.value("hub_source_stopped", "files") == 0
    said = log.getvalue() + capsys.readouterr().err
    assert "110101199003078515" not in said
    assert (type(error).__name__ in said) is not isinstance(error, SourceError)


def test_what_a_comparison_found_stands_until_the_next() -> None:
    """Zero from the start, for an alert to find the series; files are compared with nothing."""
    counted = Counted()
    name = "hub_source_rows_differing"
    assert counted.value(name, "licences", difference="missed") == 0
    assert counted.value(name, "files", difference="missed") is None
    counted.table.report(TableCompared(vanished=3, missed=0))
    assert counted.value(name, "licences", difference="vanished") == 3
    counted.table.report(TableCompared(vanished=0, missed=0))
    assert counted.value(name, "licences", difference="vanished") == 0
