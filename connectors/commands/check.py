"""`hub connector check`: a database source before it runs: file, connection, rights, ten rows."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from connectors.commands.validate import RowValidator, tell
from connectors.run import TableConnection
from connectors.submission import OutgoingSubmission
from hub.config.repository import load_repository_contracts
from hub.config.site import LoadedSite, load_site
from hub.contracts import Contracts, Fault
from hub.contracts.persons import flaws_of
from hub.domain import kinds
from hub.errors import ConfigurationError

if TYPE_CHECKING:
    from connectors.database.wiring import TableParts

SAMPLE_ROWS: Final = 10
_MASKED: Final = "＊＊＊"


@click.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_context
def check(context: click.Context, *, file: Path) -> None:
    """检查数据库来源：格式、连接、授权，试读十行，不报送 / Check a database source, submit nothing.

    退出码：十行都可受理为 0，否则为 1；不能连接或读取为 2 / exit 0 when every sample row would be
    accepted, 1 when not, 2 when it cannot be read.
    """
    from connectors.database.wiring import table_parts  # noqa: PLC0415 - SQLAlchemy, in no connector of files

    loaded, connection = _find(file)
    contracts = load_repository_contracts()
    parts = table_parts(loaded, connection, contracts)
    described = parts.described
    click.echo(f"来源 {connection.name}：格式正确 / the file is well-formed")
    with closing(parts.table):
        columns = parts.table.column_kinds()
        click.echo(f"已连接，可读取表 {described.table} / connected; the table can be read")
        for name, kind in columns.items():
            click.echo(f"    {name}: {kind}")
        is_zoned = any(columns[name] == "zoned moment" for name in described.order)
        standing = parts.table.standing(is_zoned=is_zoned)
        click.echo(
            f"数据库时钟（北京时间）{standing.clock:%Y-%m-%d %H:%M:%S}，"
            f"{'、'.join(described.order)} 最大值 {standing.top} / "
            "the database's clock in Beijing time, the highest stamp"
        )
        if described.result is not None and parts.results is not None:
            with closing(parts.results):
                parts.results.check()
            click.echo(f"结果表 {described.result.table} 可写 / the result table can be written")
        context.exit(_rows(connection, contracts, parts))


def _rows(connection: TableConnection, contracts: Contracts, parts: TableParts) -> int:
    """Show sample rows as they would be submitted; return the exit status."""
    from connectors.database.values import BEIJING  # noqa: PLC0415 - openpyxl, as above

    validator = RowValidator(
        contracts,
        datetime.now(UTC).astimezone(BEIJING).date(),
        (connection.department,),
    )
    status = 0
    found = parts.table.page_by_key(None)[:SAMPLE_ROWS]
    for number, raw in enumerate(found, 1):
        read = parts.rows.read(raw)
        made = parts.rows.submissions(read, raw, 1, is_first=True)
        answer = validator.answer(number, made[-1])
        tell(answer)
        for line in _content(contracts, made[-1]):
            click.echo(f"    {line}")
        if answer.outcome not in {"accepted", "corrected", "withdrawn"}:
            status = 1
    click.echo(
        f"试读 {len(found)} 行，未报送 / {len(found)} sample rows, nothing was submitted"
        if found
        else "表中没有数据行 / the table holds no row"
    )
    return status


def _content(contracts: Contracts, submission: OutgoingSubmission) -> list[str]:
    """Return the row's fields as mapped; what is personal or sealed is masked."""
    if submission.kind == kinds.UNREADABLE:
        return []
    read = contracts.decode_framed(submission.value)
    if isinstance(read, Fault):  # what this process has just encoded can be read
        raise TypeError(read.detail)
    contract, row = read
    return [
        f"{field.name} {field.zh} = "
        + (_MASKED if field.personal or field.sealed or flaws_of(said) else said)
        for field in contract.schema.fields
        if (said := row[field.name]) and isinstance(said, str)
    ]


def _find(file: Path) -> tuple[LoadedSite, TableConnection]:
    """Return the site the file belongs to, and which source it describes.

    Raises `ConfigurationError` when no site above the file names it.
    """
    whole = file.resolve()
    for folder in whole.parents:
        if (folder / "site.yaml").is_file():
            loaded = load_site(folder)
            for department in loaded.site.departments:
                for source in department.databases:
                    if loaded.path(source.file).resolve() == whole:
                        return loaded, TableConnection(department, source)
            break
    raise ConfigurationError(
        "没有站点使用这个来源文件",
        "no site.yaml above this file names it as a database source",
        remedy_zh="在 site.yaml 的 departments 下写 databases: [{name: 名称, file: 相对路径}]",
        remedy_en="under departments in site.yaml: databases: [{name: NAME, file: PATH}]",
        file=str(file),
    )
