"""`hub dev`: the embedded Kafka and PostgreSQL of this state folder."""

import json
from dataclasses import asdict

import click

from hub.config.settings import read_settings
from hub.embedded.parts import BackingServices, PartStatus


@click.group("dev")
def command() -> None:
    """内置 Kafka 与 PostgreSQL 的启停 / Start and stop the embedded Kafka and PostgreSQL."""


@command.command()
@click.option("--json", "as_json", is_flag=True, help="以 JSON 输出 / print JSON")
def up(*, as_json: bool) -> None:
    """启动并保持运行，直到 hub dev down / Start them; they run until `hub dev down`."""
    parts = BackingServices(read_settings())
    parts.up(leashed=False)
    _show(parts.status(), as_json=as_json)


@command.command()
@click.option("--json", "as_json", is_flag=True, help="以 JSON 输出 / print JSON")
def down(*, as_json: bool) -> None:
    """停止，数据保留 / Stop them; their data stay."""
    parts = BackingServices(read_settings())
    parts.down()
    _show(parts.status(), as_json=as_json)


@command.command()
@click.option("--json", "as_json", is_flag=True, help="以 JSON 输出 / print JSON")
@click.pass_context
def status(context: click.Context, *, as_json: bool) -> None:
    """查看状态；有未运行的则退出码为 1 / Show them; exit 1 when one does not run."""
    found = BackingServices(read_settings()).status()
    _show(found, as_json=as_json)
    if not all(part.is_available for part in found):
        context.exit(1)


def _show(parts: tuple[PartStatus, ...], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({part.name: asdict(part) for part in parts}, ensure_ascii=False))
        return
    for part in parts:
        if part.origin == "external":
            state = "外部 external"
        elif part.pid is not None:
            state = f"运行中 running (pid {part.pid})"
        else:
            state = "未运行 stopped"
        click.echo(f"{part.name:<9} {state:<28} {part.address}")
        if part.log_file:
            click.echo(f"{'':<9} 日志 log: {part.log_file}")
