"""`hub connector`: read departments' folders and tables and submit every row."""

import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final, get_args

import click

from connectors.commands.check import check
from connectors.events import Event, FileFinished, FileResult, Polled, RowsSubmitted, TableCompared
from connectors.files.wiring import file_source
from connectors.loop import CursorReader, Source
from connectors.run import Connection, TableConnection, connections_of, run_connector
from hub.adapters.kafka.events import RecordsUnreadable
from hub.adapters.kafka.unreadable import count_unreadable
from hub.config.repository import load_repository_contracts
from hub.config.settings import read_settings
from hub.config.site import load_site
from hub.embedded.parts import BackingServices
from hub.errors import HubError, message_for_people
from hub.runtime.logs import configure_logging
from hub.runtime.metrics import Health, Metrics, serve
from hub.runtime.post import WorkerContext
from hub.runtime.starts import forget_starts, note_start

_EXIT_REFUSED: Final = 2
_JOIN_SECONDS: Final = 0.2
_IDLE_POLLS: Final = 3
"""Polls without anything new after which a source counts as drained (a file needs two)."""


@click.group("connector", invoke_without_command=True)
@click.option(
    "--site", "site_folder", type=click.Path(path_type=Path),
    help="站点目录 / the site's folder",
)  # fmt: skip
@click.option("--department", default="", help="只运行该部门 / only this department")
@click.option("--source", default="", help="只运行该来源 / only this source")
@click.option(
    "--drain", is_flag=True, help="收件目录读完后退出 / exit when nothing is left to read"
)
@click.option("--poll", "poll_seconds", default=1.0, help="轮询间隔（秒）/ seconds between polls")
@click.option(
    "--abandon", multiple=True, metavar="FOLDER/FILE",
    help="放弃丢失文件的其余行 / abandon the remaining rows of a lost file",
)  # fmt: skip
@click.option(
    "--accept-reset", is_flag=True,
    help="确认数据库表被重新装载，重读全表 / the table was reloaded on purpose: read all of it",
)  # fmt: skip
@click.option("--metrics-port", type=int, help="指标端口，0 为自选 / port of /metrics, 0 any")
@click.pass_context
def command(  # noqa: PLR0913 - click hands over each option by name
    context: click.Context,
    *,
    site_folder: Path | None,
    department: str,
    source: str,
    drain: bool,
    poll_seconds: float,
    abandon: tuple[str, ...],
    accept_reset: bool,
    metrics_port: int | None,
) -> None:
    """读取部门文件和数据库表并逐行报送 / Read departments' folders and tables, submit every row.

    来源被替换或移走时停止该来源并说明处理办法，退出码 2 / A source that was reset is stopped with
    the remedy; exit 2.
    """
    if context.invoked_subcommand is not None:
        return
    if site_folder is None:
        raise click.UsageError("缺少 --site / --site is missing")
    configure_logging("connector")
    loaded = load_site(site_folder)
    contracts = load_repository_contracts()
    parts = BackingServices(settings := read_settings())
    metrics = Metrics(contracts.by_kind)
    worker = f"connector.{department}" if department else "connector"
    health = Health(worker, site=loaded.site.site)
    own_folder = settings.workers_of(loaded.site.site) / worker
    note_start(health, own_folder)
    metrics.worker_here.labels(worker, loaded.site.site).set(1)
    metrics.since_progress.labels("connector").set_function(health.seconds_since_progress)
    stop = threading.Event()
    threads: list[ConnectorThread] = []
    watches: list[ConnectorWatch] = []
    for connection in connections_of(loaded, department, source):
        watch = ConnectorWatch(connection, metrics, health, stop, drain=drain)
        watches.append(watch)
        folder = settings.state_folder / "connectors" / loaded.site.site / connection.name
        user = loaded.site.user(f"worker.connector.{connection.department.id}")
        access = parts.require_kafka(user)
        post = WorkerContext(loaded, contracts, access, folder, watch.should_stop)
        make: Callable[[CursorReader], Source]
        if isinstance(connection, TableConnection):
            from connectors.database import wiring as tables  # noqa: PLC0415 - SQLAlchemy, for them alone

            table = tables.table_parts(loaded, connection, contracts)
            make = tables.table_source(loaded, connection, table, folder, accept_reset=accept_reset)
            answer = partial(tables.run_results, post, connection, table, watch.report)
            threads.append(ConnectorThread(f"{connection.name} (result)", answer, watch.stopped))
        else:
            make = _files(file_source(loaded, connection, contracts, frozenset(abandon)))
        work = partial(run_connector, post, connection, make, watch.report, poll_seconds)
        threads.append(ConnectorThread(connection.name, work, watch.stopped))
    with ExitStack() as open_parts:
        if metrics_port is not None:
            open_parts.enter_context(
                serve(metrics_port, health, metrics.registry, settings.metrics_host)
            )
        _stop_on_signals(stop)
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            for thread in threads:
                thread.join(_JOIN_SECONDS)
            for watch in watches:
                watch.grow_older()
    if any(thread.failed for thread in threads):
        raise SystemExit(_EXIT_REFUSED)
    forget_starts(own_folder)


command.add_command(check)


def _files(source: Source) -> Callable[[CursorReader], Source]:
    """A source of files needs no reader of topics."""
    return lambda _reader: source


def _stop_on_signals(stop: threading.Event) -> None:
    """SIGTERM and SIGINT end the loop after the transaction at hand."""

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)


class ConnectorWatch:
    """Metrics of one connector, and whether it may end."""

    def __init__(
        self,
        connection: Connection | TableConnection,
        metrics: Metrics,
        health: Health,
        stop: threading.Event,
        *,
        drain: bool,
    ) -> None:
        self._department = connection.department.id
        self._source = (self._department, connection.source.name)
        self._metrics = metrics
        self._health = health
        self._stop = stop
        self._drain = drain
        self._idle = 0
        self._moved = time.monotonic()
        for result in get_args(FileResult):
            metrics.files_read.labels(self._department, result)
        metrics.source_stopped.labels(*self._source).set(0)
        if isinstance(connection, TableConnection):
            self.report(TableCompared(0, 0))

    def should_stop(self) -> bool:
        """Whether asked to stop, or drained when that was the task."""
        return self._stop.is_set() or (self._drain and self._idle >= _IDLE_POLLS)

    def report(self, event: Event) -> None:
        """Count what the agent reports."""
        metrics = self._metrics
        match event:
            case RowsSubmitted(counts):
                for kind, number in counts.items():
                    label = metrics.kind_label(kind)
                    metrics.rows_submitted.labels(self._department, label).inc(number)
            case FileFinished(result):
                metrics.files_read.labels(self._department, result).inc()
            case RecordsUnreadable():
                count_unreadable(metrics, self._health.worker, event)
            case Polled(True):
                self._idle = 0
                self._moved = time.monotonic()
                self._health.progress()
            case Polled():
                self._idle += 1
                self._health.idle()
            case TableCompared(vanished, missed):
                metrics.rows_differing.labels(*self._source, "vanished").set(vanished)
                metrics.rows_differing.labels(*self._source, "missed").set(missed)

    def grow_older(self) -> None:
        """Say how long ago the cursor moved; from outside, since a source may hang or be dead."""
        self._metrics.cursor_age.labels(*self._source).set(time.monotonic() - self._moved)

    def stopped(self) -> None:
        """Say that the source waits for a person: its neighbours' health hides it."""
        self._metrics.source_stopped.labels(*self._source).set(1)


class ConnectorThread(threading.Thread):
    """One connector; a source that must stop does not stop its neighbours."""

    def __init__(self, name: str, work: Callable[[], None], stopped: Callable[[], None]) -> None:
        super().__init__(name=name, daemon=True)
        self._work = work
        self._stopped = stopped
        self.failed = True
        """Until it ended well."""

    def run(self) -> None:
        """Work; say why it ended when a person must look."""
        try:
            self._work()
            self.failed = False
        except HubError as error:
            click.echo(f"{self.name}: {message_for_people(error)}", err=True)
        finally:
            if self.failed:
                self._stopped()
