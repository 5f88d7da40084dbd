"""`hub basis adopt`: from here on the hub decides under the site's present rules and calendar."""

from pathlib import Path

import click

from hub.adapters.parts import Parts
from hub.bootstrap import adopt_basis
from hub.kafka_access import OPERATOR
from hub.settings import read_settings
from hub.site import load_site


@click.group("basis")
def command() -> None:
    """决定的依据：规则、日历、站点与契约 / What decisions rest on."""


@command.command("adopt")
@click.option(
    "--site", "site_folder", type=click.Path(path_type=Path), required=True,
    help="站点目录 / the site's folder",
)  # fmt: skip
@click.option(
    "--again", is_flag=True,
    help="未变化也发出，用于上次被登记进程拒绝后 / also when unchanged: the last one was refused",
)  # fmt: skip
def adopt(*, site_folder: Path, again: bool) -> None:
    """在每个分区采用当前依据；未变化则不做 / Adopt it in each partition unless unchanged."""
    loaded = load_site(site_folder)
    changed = adopt_basis(loaded, Parts(read_settings()).require_kafka(OPERATOR), again=again)
    click.echo("已采用新的依据 / adopted" if changed else "依据没有变化 / unchanged")
