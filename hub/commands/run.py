"""`hub run`: one worker in this process, with its metrics, health and logs.

Each command imports its own worker: the others' libraries (SQLAlchemy, aiohttp, Faust) would take
most of a start, and after a power cut all workers of a machine start at once.
"""

from __future__ import annotations

import signal
import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from hub.config.basis_document import basis_document
from hub.config.repository import load_repository_contracts
from hub.config.settings import read_settings
from hub.config.site import load_site
from hub.embedded.parts import BackingServices
from hub.errors import ConfigurationError, missing_extra
from hub.runtime.logs import configure_logging
from hub.runtime.metrics import Health, Metrics, serve
from hub.runtime.post import WorkerContext
from hub.runtime.starts import forget_starts, note_start

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from hub.config.site import Cases, LoadedSite


@dataclass(frozen=True, slots=True)
class StartedWorker:
    """A worker that has started, with its context, services, metrics and health."""

    post: WorkerContext
    parts: BackingServices
    metrics: Metrics
    health: Health


def _options(function: Any) -> Any:  # noqa: ANN401 - click's decorators are typed so
    for option in (
        click.option("--metrics-port", type=int, help="指标端口，0 为自选 / port, 0 any"),
        click.option(
            "--site", "site_folder", type=click.Path(path_type=Path), required=True,
            help="站点目录 / the site's folder",
        ),
    ):  # fmt: skip
        function = option(function)
    return function


@contextmanager
def _stage(
    worker: str,
    site_folder: Path,
    metrics_port: int | None,
    check: Callable[[LoadedSite], object] | None = None,
) -> Iterator[StartedWorker]:
    """Load the site, serve metrics, listen to SIGTERM and SIGINT.

    `check` raises where the site has nothing for such a worker: before its password is needed.
    """
    configure_logging(worker)
    loaded = load_site(site_folder)
    if check is not None:
        check(loaded)
    contracts = load_repository_contracts()
    settings = read_settings()
    stop = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)
    metrics = Metrics(contracts.by_kind)
    health = Health(worker, site=loaded.site.site)
    folder = settings.workers_of(loaded.site.site) / worker
    note_start(health, folder)
    metrics.worker_here.labels(worker, loaded.site.site).set(1)
    metrics.since_progress.labels(worker).set_function(health.seconds_since_progress)
    with ExitStack() as open_parts:
        if metrics_port is not None:
            open_parts.enter_context(
                serve(metrics_port, health, metrics.registry, settings.metrics_host)
            )
        parts = BackingServices(settings)
        access = parts.require_kafka(loaded.site.user(f"worker.{worker}"))
        post = WorkerContext(loaded, contracts, access, folder, stop.is_set, settings.anchors)
        yield StartedWorker(post, parts, metrics, health)
    forget_starts(folder)


_OF_CASES: Final = frozenset({"faust", "mode", "aiokafka"})
"""Packages of the extra `agents`."""


@click.group("run")
def command() -> None:
    """运行一个工作进程 / Run one worker."""


@command.command("registrar")
@click.option("--slot", default=0, help="登记单元序号 / number of the slot")
@_options
def registrar(*, slot: int, site_folder: Path, metrics_port: int | None) -> None:
    """登记进程：台账的唯一写入者 / The only writer of the ledger."""
    from hub.workers.registrar import RegistrarWatch, run_registrar

    with _stage(f"registrar.{slot}", site_folder, metrics_port) as stage:
        run_registrar(stage.post, RegistrarWatch(stage.metrics, stage.health).report, slot)


@command.command("courier")
@click.argument("target")
@_options
def courier(*, target: str, site_folder: Path, metrics_port: int | None) -> None:
    """投递进程：负责一个目标 / Delivers to one target."""
    from hub.workers.courier import CourierWatch, run_courier

    with _stage(
        f"courier.{target}", site_folder, metrics_port, lambda site: site.target(target)
    ) as stage:
        watch = CourierWatch(stage.metrics, stage.health, target)
        run_courier(stage.post, stage.post.loaded.target(target), watch)


@command.command("receipts")
@_options
def receipts(*, site_folder: Path, metrics_port: int | None) -> None:
    """回执进程：逐行答复部门并写结果文件 / Answers departments row by row, writes result files."""
    from hub.workers.receipts import ReceiptsWatch, ResultsOf, run_receipts

    # by name: nothing in `hub` imports a connector, and result files are the connectors'
    results_of: ResultsOf = import_module("connectors.files.wiring").results_of
    with _stage("receipts", site_folder, metrics_port) as stage:
        run_receipts(stage.post, ReceiptsWatch(stage.metrics, stage.health).report, results_of)


@command.command("notices")
@_options
def notices(*, site_folder: Path, metrics_port: int | None) -> None:
    """通知进程：把记录与期限的变化告诉办件代理 / Write notices of records for the case agents."""
    from hub.workers.notices import NoticesWatch, run_notices

    with _stage("notices", site_folder, metrics_port) as stage:
        run_notices(stage.post, NoticesWatch(stage.metrics, stage.health).report)


@command.command("cases")
@_options
def cases(*, site_folder: Path, metrics_port: int | None) -> None:
    """办件代理：承诺到期与逐级催办 / The case agents: commitments due, escalation."""
    from hub.domain.calendar import WorkingCalendar

    try:
        from hub.agents.loop import CasesWatch, run_cases
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _OF_CASES:
            raise
        raise missing_extra(error.name or "", "agents") from error

    def settings_of(loaded: LoadedSite) -> Cases:
        if loaded.site.cases is None:
            raise ConfigurationError(
                "站点没有配置办件代理",
                "the site has no case agents",
                remedy_zh="在 site.yaml 增加 cases 段与 kind: agent 的部门",
                remedy_en="add a cases block and a department of kind: agent to site.yaml",
                file=str(site_folder / "site.yaml"),
            )
        return loaded.site.cases

    with _stage("cases", site_folder, metrics_port, settings_of) as stage:
        loaded = stage.post.loaded
        settings = settings_of(loaded)
        calendar = WorkingCalendar.from_mapping(basis_document(loaded)["calendar"])
        run_cases(stage.post, settings, calendar, CasesWatch(stage.metrics, stage.health))


@command.command("reconciler")
@_options
def reconciler(*, site_folder: Path, metrics_port: int | None) -> None:
    """对账进程：以法院全量名单查出漏报的退出 / Finds exits that courts never reported."""
    from hub.agents.reconciler import ReconcilerWatch, run_reconciler

    with _stage("reconciler", site_folder, metrics_port) as stage:
        watch = ReconcilerWatch(stage.metrics, stage.health)
        run_reconciler(stage.post, stage.parts.require_dsn(), watch.report)


@command.command("projector")
@click.option(
    "--from-zero", is_flag=True, help="清空查询表，从头重读台账 / drop the tables, read all again"
)
@_options
def projector(*, from_zero: bool, site_folder: Path, metrics_port: int | None) -> None:
    """投影进程：把台账写入查询库 / Follows the ledger into PostgreSQL."""
    from hub.workers.projector import run_projector

    with _stage("projector", site_folder, metrics_port) as stage:
        dsn = stage.parts.require_dsn()
        run_projector(stage.post, dsn, stage.metrics, stage.health, from_zero=from_zero)
