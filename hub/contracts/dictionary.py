"""The data dictionary: the contracts as a page for people, written by a command."""

from collections.abc import Iterable
from typing import Final

from hub.contracts.contract import Contract, Contracts
from hub.contracts.schema import Field, Required, Sharing

_SHARING: Final = {
    Sharing.PUBLIC: "公开 public",
    Sharing.GOVERNMENT: "政务共享 government",
    Sharing.AUTHORISED: "授权查询 authorised",
    Sharing.NEVER: "不共享 never",
}
_INTRODUCTION: Final = """\
# 数据字典 / Data dictionary

<!-- Written by `hub contracts dictionary`; do not edit. -->

每种记录一个契约文件（`avro_schemas/<kind>.avsc`）。长度按字符计；空文本表示未填写。
Each kind of record is one contract file. Lengths count characters; an empty text is an absent
value.

共享 sharing：**公开** 可向社会公示；**政务共享** 只给政府部门；**授权查询** 须经授权；
**不共享** 不离开本系统。
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _required(field: Field) -> str:
    if field.required_when is None:
        return "是 yes" if field.required is Required.ALWAYS else ""
    verb = "含" if field.required_when.contains else "为"
    return f"{field.required_when.field} {verb} {'、'.join(field.required_when.values)}"


def _notes(field: Field) -> str:
    notes = [
        f"代码表：{field.code_list}" if field.code_list else "",
        f"取值：{' / '.join(field.choices)}" if field.choices else "",
        f"单位：{field.unit}" if field.unit else "",
        f"标识：{field.identity}" if field.identity else "",
        "个人信息" if field.personal else "",
        "加密" if field.sealed else "",
        field.doc,
    ]
    return "；".join(note for note in notes if note)


def _section(contract: Contract) -> Iterable[str]:
    schema = contract.schema
    yield f"## `{schema.kind}` {schema.title_zh}"
    yield ""
    yield f"模式编号 schema id：{schema.schema_id}。依据 source：{schema.legal_source}。"
    if schema.rules:
        yield f"跨字段规则 cross-field rules：{', '.join(f'`{name}`' for name in schema.rules)}。"
    yield ""
    yield "| 代码 code | 名称 name | 类型 type | 长度 | 必填 required | 共享 sharing | 说明 notes |"
    yield "|---|---|---|---|---|---|---|"
    for field in schema.fields:
        cells = (
            f"`{field.national_code or field.name}`",
            field.zh,
            field.hint,
            str(field.length or ""),
            _required(field),
            _SHARING[field.sharing],
            _notes(field),
        )
        yield f"| {' | '.join(_cell(cell) for cell in cells)} |"
    yield ""


def render_dictionary(contracts: Contracts) -> str:
    """The whole page as Markdown; equal contracts give equal text."""
    lines = [line for contract in contracts.by_kind.values() for line in _section(contract)]
    return "\n".join([_INTRODUCTION, *lines])
