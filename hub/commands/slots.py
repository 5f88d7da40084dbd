"""`hub slots give`: hand a partition of the ledger to another registrar slot."""

from pathlib import Path

import click

from hub.config.kafka_access import OPERATOR
from hub.config.settings import read_settings
from hub.config.site import load_site
from hub.embedded.parts import BackingServices
from hub.errors import ConfigurationError
from hub.operations.control import give_partition


@click.group("slots")
def command() -> None:
    """登记单元与分区 / Registrar slots and their partitions."""


@command.command("give")
@click.option("--partition", type=int, required=True, help="分区 / the partition")
@click.option(
    "--to", "slot", type=click.IntRange(0), required=True,
    help="接手的单元 / the slot that takes over",
)  # fmt: skip
@click.option(
    "--site", "site_folder", type=click.Path(path_type=Path), required=True,
    help="站点目录 / the site's folder",
)  # fmt: skip
def give(*, partition: int, slot: int, site_folder: Path) -> None:
    """请现任单元移交分区 / Ask the present owner to hand the partition over."""
    loaded = load_site(site_folder)
    if not 0 <= partition < loaded.site.partitions:
        last = loaded.site.partitions - 1
        raise ConfigurationError(
            f"站点没有分区 {partition}",
            f"the site has no partition {partition}",
            remedy_zh=f"分区编号为 0 至 {last}",
            remedy_en=f"its partitions are 0 to {last}",
        )
    give_partition(
        loaded, BackingServices(read_settings()).require_kafka(OPERATOR), partition, slot
    )
    click.echo(
        f"已发出：现任单元写下移交记录后停止；再按 site.yaml 的 slots 启动 registrar.{slot}\n"
        f"sent: the owner stops after its last record; then start registrar.{slot} as slots say"
    )
