"""The command line: each command is a file, listed here and loaded when it is used.

Those of `connectors/commands` are found by name, as the others are: nothing in `hub` imports a
connector.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Final

import click

from hub import VERSION
from hub.errors import HubError, message_for_people

EXIT_REFUSED = 2
"""Exit status when the hub refuses to go on; the message names the place and the remedy."""


@dataclass(frozen=True, slots=True)
class CommandFile:
    """A command's name, which is its module's too, its help line, and the folder it is in."""

    name: str
    summary: str
    folder: str = "hub.commands"


_CONNECTORS: Final = "connectors.commands"

COMMANDS: tuple[CommandFile, ...] = (
    CommandFile("dev", "启停内置 Kafka 与 PostgreSQL / embedded Kafka and PostgreSQL"),
    CommandFile("topics", "主题的差异与应用 / plan and apply topics"),
    CommandFile("contracts", "数据字典与上报模板 / data dictionary and templates"),
    CommandFile("validate", "接入前离线校验文件 / check a file before connecting", _CONNECTORS),
    CommandFile("explain", "解释期限 / how a deadline was reckoned"),
    CommandFile("trace", "查一条记录的全程 / the whole way of a record"),
    CommandFile("due", "即将到期与逾期 / what is due, and whose fault"),
    CommandFile("cases", "待人处理 / what waits for a person, and whose turn it is"),
    CommandFile("status", "总体状态 / where everything stands"),
    CommandFile("report", "双公示月报与三率 / the monthly form and the rates"),
    CommandFile("audit", "核验与重放台账 / verify and replay the ledger"),
    CommandFile("doctor", "体检 / what is not as it should be"),
    CommandFile("backup", "备份与恢复 / backup and restore as one set"),
    CommandFile("basis", "采用规则、日历与站点配置 / adopt rules, calendar and site"),
    CommandFile("resend", "向目标平台重新投送 / tell a target again"),
    CommandFile("submissions", "丢失的报送 / inputs that are gone undecided"),
    CommandFile("slots", "登记单元与分区 / registrar slots and partitions"),
    CommandFile("clock", "确认本机时钟 / confirm this machine's clock"),
    CommandFile("run", "运行一个工作进程 / run a worker"),
    CommandFile("deploy", "部署文件 / deploy files made out for a site"),
    CommandFile("connector", "运行部门接入端 / run a department's connector", _CONNECTORS),
)
"""Every command: to add one, write `hub/commands/<name>.py` with `command`, and a line here."""


class LazyGroup(click.Group):
    """A click group that imports a command's module only when that command is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order of `COMMANDS`."""
        return [entry.name for entry in COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the module and return its `command`; None when not listed."""
        for entry in COMMANDS:
            if entry.name == cmd_name:
                command = import_module(f"{entry.folder}.{entry.name}").command
                if not isinstance(command, click.Command):
                    raise TypeError(f"{entry.folder}.{entry.name}.command is not a click command")
                return command
        return None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """List the commands from `COMMANDS`, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(entry.name, entry.summary) for entry in COMMANDS])

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a `HubError` becomes its message on stderr and exit status 2."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            click.echo(_mistake_zh(error), err=True)  # click adds its own words, in English
            raise
        except HubError as error:
            click.echo(message_for_people(error), err=True)
            ctx.exit(EXIT_REFUSED)


def _mistake_zh(error: click.UsageError) -> str:
    """Say in Chinese what is wrong with a command as it was typed."""
    what = error.param.type if isinstance(error, click.BadParameter) and error.param else None
    match error:
        case click.MissingParameter():
            hint = error.param.get_error_hint(error.ctx) if error.param and error.ctx else ""
            return f"命令缺少必填项 {hint}；用 --help 查看用法"
        case click.NoSuchOption():
            return f"没有这个选项：{error.option_name}；用 --help 查看用法"
    match what:
        case click.Path():
            return "文件或文件夹不存在、无法读取，或类型不符；请核对路径"
        case click.DateTime():
            return "不是有效的日期；请按“年-月-日”填写，例如 2026-09-24，并确认该日期存在"
        case click.Choice():
            return f"取值不在可选范围内；可选：{'、'.join(map(str, what.choices))}"
    return "命令的写法有误；用 --help 查看用法"


@click.group(
    cls=LazyGroup,
    help="信用事件枢纽：部门决定按时、恰好一次地送达各公示平台，并可重放核验。\n\n"
    "Credit event hub: decisions reach every platform once, in time, and can be replayed.",
)
@click.version_option(version=VERSION, prog_name="hub")
def hub() -> None:
    """Run one of `COMMANDS`."""
