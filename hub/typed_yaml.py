"""Configuration files: YAML read into a strict pydantic model, errors with file and line.

A typo in a site folder is the commonest mistake of an operator, so every message names the file,
the line, what was expected and what to do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticCustomError

from hub.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic_core import ErrorDetails

_Model = TypeVar("_Model", bound=BaseModel)
_OWN_FAULT: Final = "own_fault"


class StrictModel(BaseModel):
    """A configuration model: unknown keys are refused, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


def fault(zh: str, en: str, *, remedy_zh: str, remedy_en: str) -> PydanticCustomError:
    """What a validator raises for a value with a remedy of its own; `read_typed` adds the place."""
    words = {"zh": zh, "en": en, "remedy_zh": remedy_zh, "remedy_en": remedy_en}
    return PydanticCustomError(_OWN_FAULT, "{zh} / {en}", words)


def read_typed(path: Path, model: type[_Model]) -> _Model:
    """Read one YAML file into `model`.

    Raises `ConfigurationError` naming file and line when the file is missing, is no YAML, holds
    an unknown key or a value of the wrong shape.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            "无法读取配置文件",
            f"cannot be read: {error}",
            remedy_zh="检查路径、权限与编码（UTF-8）",
            remedy_en="check path, permission and encoding (UTF-8)",
            file=str(path),
        ) from error
    try:
        content = yaml.safe_load(text)
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise ConfigurationError(
            "不是有效的 YAML",
            f"not valid YAML: {error.problem}",
            remedy_zh="修正该行的缩进、冒号或引号",
            remedy_en="mend indentation, colon or quotes of that line",
            file=str(path),
            line=error.problem_mark.line + 1 if error.problem_mark else None,
        ) from error
    try:
        return model.model_validate(content)
    except ValidationError as error:
        # A typo makes two errors, an unknown key and a missing one: the unknown key is the mistake.
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        zh, en = _problem(first)
        remedy_zh, remedy_en = _remedy(first, model)
        raise ConfigurationError(
            zh,
            en,
            remedy_zh=remedy_zh,
            remedy_en=remedy_en,
            file=str(path),
            line=_line_of(tree, first),
        ) from error


def _line_of(tree: yaml.Node | None, error: ErrorDetails) -> int:
    """The 1-based line of the value (or key) the error speaks of."""
    node = tree
    line = node.start_mark.line + 1 if node else 0
    for step in error["loc"]:
        if isinstance(node, yaml.MappingNode):
            found = [(k, v) for k, v in node.value if str(k.value) == str(step)]
            if found:
                line, node = found[0][0].start_mark.line + 1, found[0][1]
        elif (
            isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value)
        ):
            node = node.value[step]
            line = node.start_mark.line + 1
    return line


def _problem(error: ErrorDetails) -> tuple[str, str]:
    where = ".".join(str(step) for step in error["loc"])
    if error["type"] == "extra_forbidden":
        return f"未知的配置项：{where}", f"unknown key: {where}"
    if error["type"] == "missing":
        return f"缺少配置项：{where}", f"missing key: {where}"
    if error["type"] == _OWN_FAULT:
        return f"配置项 {where}：{error['ctx']['zh']}", f"{where}: {error['ctx']['en']}"
    return f"配置项 {where} 的值不对", f"{where}: {error['msg']}"


def _remedy(error: ErrorDetails, model: type[BaseModel]) -> tuple[str, str]:
    if error["type"] == "extra_forbidden" and len(error["loc"]) == 1:
        allowed = ", ".join(sorted(model.model_fields))
        return f"检查拼写；可用的配置项：{allowed}", f"check the spelling; allowed keys: {allowed}"
    if error["type"] == _OWN_FAULT:
        return error["ctx"]["remedy_zh"], error["ctx"]["remedy_en"]
    return (
        "检查拼写与取值，按文档修正该行",
        "check spelling and value; mend that line as documented",
    )
