"""Print docs/commands.md: every command with its options, in the words of its own help.

    python -m tools.commands_page > docs/commands.md

A test compares the page with what this prints.
"""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Final

import click

from hub.cli import COMMANDS, EXIT_REFUSED, hub

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD: Final = f"""\
# 命令 Commands

由 `python -m tools.commands_page` 依各命令自己的帮助（`--help`）生成，不要手工修改。
在代码仓库中以 `./run hub …` 执行。站点目录（`--site`）见 [operating.zh-CN.md](operating.zh-CN.md)。
命令拒绝执行时说明原因和处理办法，退出码为 {EXIT_REFUSED}。

Printed by `python -m tools.commands_page` from the commands' own help (`--help`); never edited by
hand. In the repository they are run as `./run hub …`. What `--site` names:
[operating.md](operating.md). A command that refuses to go on says why and names the remedy; its
exit status is then {EXIT_REFUSED}.
"""
SEE: Final = {
    "hub dev": "[parts.md](parts.md)",
    "hub topics": "[ADR 0017](adr/0017-principals-and-rights.md)",
    "hub contracts": "[data-dictionary.md](data-dictionary.md)",
    "hub validate": "[samples/validate.txt](samples/validate.txt)",
    "hub explain": "[demo-run.md](demo-run.md#how-a-due-date-is-counted-期限怎样算)",
    "hub trace": "[samples/trace.txt](samples/trace.txt)",
    "hub due": "[samples/due.txt](samples/due.txt)",
    "hub cases": "[runbook.md](runbook.md#hubopencases)",
    "hub status": "[samples/status.txt](samples/status.txt)",
    "hub report": "[report.md](report.md)",
    "hub audit": "[ADR 0025](adr/0025-the-end-is-known-elsewhere.md)",
    "hub backup": "[operating.md](operating.md#backups)",
    "hub basis": "[operating.md](operating.md#changes)",
    "hub resend": "[ADR 0013](adr/0013-told-again.md)",
    "hub submissions": "[runbook.md](runbook.md#hubinputslost)",
    "hub clock": "[operating.md](operating.md#a-clock-nobody-believes)",
    "hub run": "[architecture.md](architecture.md#what-runs)",
    "hub deploy": "[deploying.md](deploying.md)",
    "hub connector check": "[database-sources.md](database-sources.md)",
}
"""By command: the page that says more, or a sample of what it prints."""


def documented() -> Iterator[tuple[click.Command, click.Context]]:
    """Every command and sub-command, in the order of `COMMANDS`."""
    top = click.Context(hub, info_name="hub")
    for entry in COMMANDS:
        command = hub.get_command(top, entry.name)
        if command is not None:
            yield from _with_subcommands(command, entry.name, top)


def _with_subcommands(
    command: click.Command, name: str, parent: click.Context
) -> Iterator[tuple[click.Command, click.Context]]:
    context = click.Context(command, info_name=name, parent=parent)
    yield command, context
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None:
                yield from _with_subcommands(found, below, context)


def _section(command: click.Command, context: click.Context) -> list[str]:
    path = context.command_path
    depth = "#" * len(path.split())
    lines = [f"{depth} {path}", "", inspect.cleandoc(command.help or ""), ""]
    if path in SEE:
        lines += [f"见 see {SEE[path]}", ""]
    if not isinstance(command, click.Group) or command.invoke_without_command:
        lines += ["```", _usage(command, context), "```", ""]
    options = [_option(each, context) for each in command.params if isinstance(each, click.Option)]
    if options:
        lines += ["| 选项 option | 含义 meaning |", "|---|---|", *options, ""]
    return lines


def _usage(command: click.Command, context: click.Context) -> str:
    """The command as typed: the options it needs, `[OPTIONS]` for others, its arguments."""
    options = [each for each in command.params if isinstance(each, click.Option)]
    needed = [_names(each, context) for each in options if each.required]
    pieces = command.collect_usage_pieces(context)
    if len(needed) == len(options):
        pieces.remove("[OPTIONS]")
    return " ".join((context.command_path, *needed, *pieces))


def _names(option: click.Option, context: click.Context) -> str:
    names = ", ".join((*option.opts, *option.secondary_opts))
    if option.is_flag:
        return names
    match option.type:
        case click.Choice():
            value = "NAME"
        case click.DateTime():
            value = "YYYY-MM-DD"
        case _:
            value = option.make_metavar(context)
    return f"{names} {value}"


def _option(option: click.Option, context: click.Context) -> str:
    """A row of the table: names and value, then the help with default and range."""
    shown = option.get_help_record(context)
    meaning = shown[1].replace("  [", " [") if shown is not None else ""
    if isinstance(option.type, click.Choice):
        meaning += "：" + "、".join(f"`{choice}`" for choice in option.type.choices)
    return f"| `{_names(option, context)}` | {_cell(meaning)} |"


def _cell(text: str) -> str:
    return text.replace("|", r"\|")


def document() -> str:
    """The page."""
    lines = [_HEAD, "| 命令 command | 用途 what for |", "|---|---|"]
    every = list(documented())
    paths = [context.command_path for _command, context in every]
    for entry in COMMANDS:
        path = f"hub {entry.name}"
        below = [each.removeprefix(f"{path} ") for each in paths if each.startswith(f"{path} ")]
        name = " ".join((f"[`{path}`](#hub-{entry.name})", ", ".join(below)))
        lines.append(f"| {name.strip()} | {_cell(entry.summary)} |")
    lines.append("")
    for command, context in every:
        lines += _section(command, context)
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(document())
