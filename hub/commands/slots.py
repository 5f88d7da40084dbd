"""`hub slots give`: hand a partition of the ledger to another registrar slot."""

from pathlib import Path

import click

from hub.adapters.parts import Parts
from hub.bootstrap import give_partition
from hub.kafka_access import OPERATOR
from hub.settings import read_settings
from hub.site import load_site


@click.group("slots")
def command() -> None:
    """登记单元与分区 / Registrar slots and their partitions."""


@command.command("give")
@click.option("--partition", type=int, required=True, help="分区 / the partition")
@click.option("--to", "slot", type=int, required=True, help="接手的单元 / the slot that takes over")
@click.option(
    "--site", "site_folder", type=click.Path(path_type=Path), required=True,
    help="站点目录 / the site's folder",
)  # fmt: skip
def give(*, partition: int, slot: int, site_folder: Path) -> None:
    """请现任单元移交分区 / Ask the present owner to hand the partition over."""
    loaded = load_site(site_folder)
    if not 0 <= partition < loaded.site.partitions:
        raise click.BadParameter(f"0..{loaded.site.partitions - 1}", param_hint="--partition")
    give_partition(loaded, Parts(read_settings()).require_kafka(OPERATOR), partition, slot)
    click.echo(
        f"已发出：现任单元写下移交记录后停止；再按 site.yaml 的 slots 启动 registrar.{slot}\n"
        f"sent: the owner stops after its last record; then start registrar.{slot} as slots say"
    )
