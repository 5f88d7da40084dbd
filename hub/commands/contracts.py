"""`hub contracts`: what people need from the contracts: the data dictionary, upload templates."""

import csv
import sys

import click

from hub.config.repository import load_repository_contracts
from hub.contracts.columns import template
from hub.contracts.dictionary import render_dictionary


@click.group("contracts")
def command() -> None:
    """数据字典与上报模板 / The data dictionary and upload templates."""


@command.command()
def dictionary() -> None:
    """输出数据字典（Markdown）/ Print docs/data-dictionary.md as the contracts say it."""
    click.echo(render_dictionary(load_repository_contracts()), nl=False)


@command.command("template")
@click.argument("kind")
def template_(kind: str) -> None:
    """输出某类记录的上报模板表头（CSV）/ Print the header rows of an upload template as CSV."""
    by_kind = load_repository_contracts().by_kind
    if kind not in by_kind:
        raise click.BadParameter(f"没有这种记录 / no such kind: {kind} ({', '.join(by_kind)})")
    csv.writer(sys.stdout).writerows(template(by_kind[kind]))
