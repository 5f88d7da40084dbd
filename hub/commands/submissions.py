"""`hub submissions`: what is gone of the inputs before it was decided, and going on without it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.adapters.kafka.client import KafkaInputs
from hub.adapters.kafka.input_positions import lost_inputs
from hub.config.kafka_access import OPERATOR
from hub.config.settings import read_settings
from hub.config.site import load_site
from hub.embedded.parts import BackingServices
from hub.operations.control import declare_lost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.config.kafka_access import KafkaAccess
    from hub.config.site import LoadedSite
    from hub.engine.events import LostInput

_SITE = click.option(
    "--site", "site_folder", type=click.Path(path_type=Path), required=True,
    help="站点目录 / the site's folder",
)  # fmt: skip
_WORDS = 500


@click.group("submissions")
def command() -> None:
    """报送主题中丢失的记录 / Records gone from the inputs."""


@command.command("lost")
@_SITE
@click.pass_context
def lost_command(context: click.Context, *, site_folder: Path) -> None:
    """列出未处理即被删除的记录；有则退出码 1 / List what was deleted undecided; exit 1 if any."""
    loaded, access = _of(site_folder)
    lost = _lost(loaded, access)
    _say(lost)
    context.exit(1 if lost else 0)


@command.command("accept-loss")
@_SITE
@click.option("--operator", required=True, help="由谁负责，写入台账 / who answers for it")
@click.option("--reason", "because", required=True, help="原因，写入台账 / why, kept in the ledger")
def accept_loss(*, site_folder: Path, operator: str, because: str) -> None:
    """写明丢失并继续 / Write down what is lost, and go on without it.

    丢失的区间、责任人和理由写入台账；这些记录不会再被处理，由部门重新报送。
    The range, who answers for it and why become a ledger record; the departments send again.
    """
    for name, text in (("--operator", operator), ("--reason", because)):
        if not text.strip() or len(text) > _WORDS:
            raise click.BadParameter(
                f"填写1至{_WORDS}个字 / from 1 to {_WORDS} characters", param_hint=name
            )
    loaded, access = _of(site_folder)
    lost = _lost(loaded, access)
    _say(lost)
    if lost:
        declare_lost(loaded, access, lost, operator, because)
        click.echo(
            "已发出：登记进程写入台账后继续 / sent: the registrar writes it down and goes on"
        )


def _of(site_folder: Path) -> tuple[LoadedSite, KafkaAccess]:
    return load_site(site_folder), BackingServices(read_settings()).require_kafka(OPERATOR)


def _lost(loaded: LoadedSite, access: KafkaAccess) -> list[LostInput]:
    site = loaded.site
    with closing(
        KafkaInputs(access, f"{site.prefix}submissions", whole=site.topic("ledger"))
    ) as inputs:
        return lost_inputs(inputs, site)


def _say(lost: Sequence[LostInput]) -> None:
    for one in lost:
        click.echo(
            f"{one.topic}[{one.partition}] {one.first}–{one.until - 1} 未处理即已不在主题中 / "
            "gone from the topic undecided"
        )
    if not lost:
        click.echo("没有丢失 / nothing is lost")
