"""`hub clock confirm`: a person says that this machine's clock is right, and the hub goes on."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Final

import click

from hub.adapters.clock_witness import Confirmation, confirm, last_seen_by_any
from hub.adapters.clocks import real_ms
from hub.config.settings import read_settings
from hub.config.site import load_site
from hub.errors import ConfigurationError

_SHANGHAI: Final = timezone(timedelta(hours=8))


@click.group("clock")
def command() -> None:
    """本机时钟 / This machine's clock."""


@command.command("confirm")
@click.option("--by", required=True, help="确认人 / who confirms")
@click.option(
    "--reason", required=True, help="依据，例如对照了什么 / why, e.g. what it was held to"
)
@click.option("--yes", is_flag=True, help="不再询问 / do not ask")
@click.option(
    "--site", "site_folder", type=click.Path(path_type=Path), required=True,
    help="站点目录 / the site's folder",
)  # fmt: skip
def confirm_clock(*, by: str, reason: str, yes: bool, site_folder: Path) -> None:
    """确认本机时钟无误，登记进程随即继续 / Confirm that the clock is right; the hub goes on.

    在登记进程所在的机器或容器里执行；不需要 Kafka。
    Run it on the machine or in the container of the registrar that waits; no Kafka is needed.
    """
    for name, value in (("--by", by), ("--reason", reason)):
        if not value.strip():
            raise ConfigurationError(
                f"{name} 为空",
                f"{name} is empty",
                remedy_zh="写明谁确认、凭什么确认",
                remedy_en="say who confirms, and why",
            )
    loaded = load_site(site_folder)
    home = read_settings().workers_of(loaded.site.site)
    shown = real_ms()
    seen = last_seen_by_any(home)
    click.echo(f"本机时钟 / this machine's clock   {_moment(shown)}")
    before = _moment(seen) if seen else "–"
    click.echo(f"上次写下 / last written down here   {before}")
    if not yes:
        click.confirm("本机时钟对吗？ / is the clock right?", abort=True)
    file = confirm(home, Confirmation(shown, by.strip(), reason.strip()))
    click.echo(
        f"已记入 {file}：登记进程数秒内继续\n"
        f"written to {file}: the registrar goes on within seconds"
    )


def _moment(real: int) -> str:
    """A time as people here read it, with its offset."""
    return datetime.fromtimestamp(real / 1000, UTC).astimezone(_SHANGHAI).isoformat(" ", "seconds")
