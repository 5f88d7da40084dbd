"""Configuration files: YAML or JSON that means one thing, read into a strict pydantic model.

A typo in a site folder is the commonest mistake of an operator, so every message names the file,
the line, what was expected and what to do. YAML leaves much to the reader; here it does not:

- A value is what JSON knows: text, number, `true` or `false`, nothing, list, mapping with texts as
  keys. A day or a time is text, as written. Text that YAML 1.1 would read as something else (`yes`,
  `010`, `0x1F`, `1_000`, `.inf`) is refused, and so are tags and merge keys (`<<`).
- A key occurs once. Invisible characters are refused.
- Octets, depth, keys and values, and what aliases add up to are bounded; reading ends.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from hub.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic_core import ErrorDetails

_Model = TypeVar("_Model", bound=BaseModel)
_OWN_FAULT: Final = "own_fault"

MOST_OCTETS: Final = 1024 * 1024
"""Of one file; a site of a hundred departments has some 50 KB."""
MOST_DEPTH: Final = 32
"""Lists and mappings inside each other; the deepest file of ours has 6."""
MOST_EXPANDED: Final = 4 * 1024 * 1024
"""Characters and values of one file when every alias is written out."""
MOST_VALUES: Final = 20_000
"""Keys and values of one file, aliases written out: read in a second. The largest of ours, a
calendar of twenty years, has 5,000."""
MOST_DIGITS: Final = 18
"""Of a number; more do not fit 64 bits."""

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_DAY_OR_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*|[0-9]{1,2}(?::[0-9]{2})+")
_IMPLICIT: Final = yaml.SafeLoader.yaml_implicit_resolvers
_TEXT: Final = "tag:yaml.org,2002:str"
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ud800-\udfff\ufe00-\ufe0f\ufeff\ufff0-\ufffb\ufffd-\uffff\U000e0000-\U000e0fff]"
)
"""Controls, line ends of other worlds, invisible and direction marks, halves of characters."""

_JSON_PARTS: Final = re.compile(r'"(?s:[^"\\]|\\.)*+"?|[\[\]{},:]|NaN|-?Infinity')
"""A text, also one without an end; what begins, parts or ends a list or mapping; what is no number.
"""
_JSON_ESCAPES: Final = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}|\\[^u]"
)
"""The two halves of a character beyond 16 bits, then any other escape."""

_SCALARS: Final = frozenset({"bool_type", "int_type", "float_type", "string_type"})

_Place = tuple[str | int, ...]


class _Document(NamedTuple):
    """A file as plain values, and the line of each key and item by its path."""

    content: object
    lines: dict[_Place, int]


class StrictModel(BaseModel):
    """A configuration model: unknown keys are refused, values never change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def fault(zh: str, en: str, *, remedy_zh: str, remedy_en: str) -> PydanticCustomError:
    """A validator's error about a value with a remedy of its own; `read_typed` adds the place."""
    words = {"zh": zh, "en": en, "remedy_zh": remedy_zh, "remedy_en": remedy_en}
    return PydanticCustomError(_OWN_FAULT, "{zh} / {en}", words)


def read_typed(path: Path, model: type[_Model]) -> _Model:
    """Read one YAML or JSON file into `model`; a number, a text and `true` are not each other.

    Raises `ConfigurationError` naming file, line and remedy when the file is missing, is not YAML,
    may be read in two ways, holds an unknown key or a value of the wrong shape.
    """
    return _checked(path, _read(path), model)


def read_plain(path: Path, model: type[BaseModel] | None = None) -> object:
    """Read one YAML or JSON file as JSON's values, as written; `model` says what they must be.

    Raises `ConfigurationError` as `read_typed` does.
    """
    document = _read(path)
    if model is not None:
        _checked(path, document, model)
    return document.content


def line_in(path: Path, place: tuple[str | int, ...]) -> int | None:
    """The 1-based line of a key or item of a file that was read before, by its path in there."""
    return _line_of(_lines_of(path), place)


def _checked(path: Path, document: _Document, model: type[_Model]) -> _Model:
    try:
        made = model.model_validate(document.content)
    except ValidationError as error:
        # A typo makes two errors, an unknown key and a missing one: the unknown key is the mistake.
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        raise _mistaken(path, document, model, first) from error
    if (taken := _taken_for_another(document.content, model)) is not None:
        raise _mistaken(path, document, model, taken)
    return made


def _taken_for_another(content: object, model: type[BaseModel]) -> ErrorDetails | None:
    """A scalar that became another type (a text a number, `true` a 1), as pydantic lets it.

    Strictness also asks for tuples and paths, which no file can hold: those errors are passed over.
    """
    try:
        model.model_validate_json(json.dumps(content, ensure_ascii=False), strict=True)
    except ValidationError as error:
        return next((each for each in error.errors() if each["type"] in _SCALARS), None)
    return None


def _mistaken(
    path: Path, document: _Document, model: type[BaseModel], error: ErrorDetails
) -> ConfigurationError:
    zh, en = _problem(error)
    remedy_zh, remedy_en = _remedy(error, model)
    return ConfigurationError(
        zh,
        en,
        remedy_zh=remedy_zh,
        remedy_en=remedy_en,
        file=str(path),
        line=_line_of(document.lines or _lines_of(path), error["loc"]),
    )


# --- octets and text ---------------------------------------------------------------------------


def _read(path: Path) -> _Document:
    text = _text_of(path)
    if path.suffix == ".json":
        return _Document(_json_of(path, text), {})
    return _YamlReader(path, text).document()


def _lines_of(path: Path) -> dict[_Place, int]:
    """The lines of a file that was read before; JSON's own reader knows none."""
    with suppress(ConfigurationError):  # an indentation of tabs is JSON alone
        return _YamlReader(path, _text_of(path)).document().lines
    return {}


def _text_of(path: Path) -> str:
    try:
        # a pipe without a writer would wait for ever: opened without waiting, then looked at
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            is_file = stat.S_ISREG(os.fstat(handle).st_mode)
            octets = file.read(MOST_OCTETS + 1) if is_file else b""
        text = octets.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise _unreadable(path, str(error), octets.count(b"\n", 0, error.start) + 1) from error
    except (OSError, ValueError) as error:  # a path with a NUL is a ValueError
        raise _unreadable(path, str(error), None) from error
    if not is_file:
        raise _unreadable(path, "not a regular file", None)
    if len(octets) > MOST_OCTETS:
        _refuse(
            path, None, f"文件超过 {MOST_OCTETS} 字节", f"more than {MOST_OCTETS} octets",
            remedy_zh="拆分或删减；检查是否指错了文件",
            remedy_en="make it smaller; is it the right file?",
        )  # fmt: skip
    if unseen := _UNSEEN.search(text):
        _refuse_unseen(path, text.count("\n", 0, unseen.start()) + 1, unseen[0])
    return text


def _unreadable(path: Path, said: str, line: int | None) -> ConfigurationError:
    return ConfigurationError(
        "无法读取配置文件",
        f"cannot be read: {said}",
        remedy_zh="检查路径、权限与编码（UTF-8）",
        remedy_en="check path, permission and encoding (UTF-8)",
        file=str(path),
        line=line,
    )


def _refuse(
    path: Path, line: int | None, zh: str, en: str, *, remedy_zh: str, remedy_en: str
) -> NoReturn:
    raise ConfigurationError(
        zh, en, remedy_zh=remedy_zh, remedy_en=remedy_en, file=str(path), line=line
    )


def _refuse_unseen(path: Path, line: int, character: str) -> NoReturn:
    name = f"U+{ord(character):04X}"
    _refuse(
        path, line, f"含有看不见的字符 {name}", f"holds an invisible character: {name}",
        remedy_zh="删去该字符，重新键入该行", remedy_en="delete it: type that line again",
    )  # fmt: skip


def _json_of(path: Path, text: str) -> object:
    """The content of a JSON file, by the rules of the other reader; raises `ConfigurationError`.

    JSON is YAML, too, but a calendar of twenty years takes 0.3 s when it is read as that. Where it
    is refused, the other reader says why and in which line.
    """
    _look_through(path, text)
    try:
        return json.loads(
            text, object_pairs_hook=_once_each, parse_int=_number, parse_float=_number
        )
    except ValueError as error:
        _YamlReader(path, text.replace("\t", " ")).document()
        said, line = "", None
        if isinstance(error, json.JSONDecodeError):
            said, line = f": {error.msg}", error.lineno
        _refuse(
            path, line, "不是有效的 JSON", f"not valid JSON{said}",
            remedy_zh="修正该行的引号、逗号或括号；写的是 YAML 则改名为 .yaml",
            remedy_en="mend quotes, commas or brackets of that line; name it .yaml if it is YAML",
        )  # fmt: skip


def _look_through(path: Path, text: str) -> None:
    """Refuse, before it is read, what JSON's own reader would let pass or recurse into.

    Escapes stand for characters; no backslash and no quotes stand outside texts.
    """
    depth = 0
    values = 1
    line = partial(text.count, "\n", 0)
    for found in _JSON_PARTS.finditer(text):
        part = found[0]
        if part in "[{,:":
            values += 1
            if values > MOST_VALUES:
                _refuse_many(path, line(found.start()) + 1)
        if part in ",:":
            continue
        if part in "[{":
            depth += 1
            if depth > MOST_DEPTH:
                _refuse(
                    path, line(found.start()) + 1, f"嵌套超过 {MOST_DEPTH} 层",
                    f"nested deeper than {MOST_DEPTH}", remedy_zh="按文档修正该行",
                    remedy_en="mend that line as documented",
                )  # fmt: skip
        elif part in "]}":
            depth -= 1
        elif part[0] != '"':
            _refuse(
                path, line(found.start()) + 1, f"{part} 不是数字", f"{part} is no number",
                remedy_zh="写成十进制数字，或加引号写成文字",
                remedy_en="write a plain decimal number, or a text in quotes",
            )  # fmt: skip
        elif "\\" in part:
            for escape in _JSON_ESCAPES.finditer(part):
                meant = ""
                with suppress(ValueError):  # of another language
                    meant = json.loads(f'"{escape[0]}"')
                if _UNSEEN.match(meant):
                    _refuse_unseen(path, line(found.start() + escape.start()) + 1, meant)


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _number(text: str) -> int | float:
    """Raises `ValueError` for anything that is not a number of JSON's, or does not fit."""
    if _NUMBER.fullmatch(text) is None or sum(map(str.isdigit, text)) > MOST_DIGITS:
        raise ValueError("no number, or too long")
    number = float(text) if set(text) & set(".eE") else int(text)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def _refuse_many(path: Path, line: int) -> NoReturn:
    _refuse(
        path, line, f"TOO_MANY_VALUES：文件中的键和值多于 {MOST_VALUES} 个",
        f"TOO_MANY_VALUES: more than {MOST_VALUES} keys and values in the file",
        remedy_zh="拆分或删减，减少别名；检查是否指错了文件",
        remedy_en="make it smaller, use fewer aliases; is it the right file?",
    )  # fmt: skip


# --- YAML --------------------------------------------------------------------------------------


class _YamlReader:
    """Reads one document from the parser's events; depth and size are counted on the way."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._text = path, text
        self._lines: dict[_Place, int] = {}
        self._anchors: dict[str, tuple[object, int, int]] = {}
        """Value, weight and count of values of each."""
        self._weight = 0
        self._values = 0

    def document(self) -> _Document:
        """Raises `ConfigurationError` for what may be read in two ways, and for more than one."""
        try:
            events = (e for e in yaml.parse(self._text, yaml.SafeLoader) if _is_content(e))
            first = next(events, None)
            if first is None:
                return _Document(None, {(): 1})
            content = self._value(first, events, ())
            if (another := next(events, None)) is not None:
                self._refuse(another, "文件中有第二份文档", "a second document in the file")
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else None
            raise self._no_yaml(str(error.problem), line) from error
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            # the scanner's own `int` and `chr` raise what they like, without a place
            raise self._no_yaml(str(error).split("\n", 1)[0], None) from error
        return _Document(content, self._lines)

    def _value(self, event: yaml.Event, events: Iterator[yaml.Event], place: _Place) -> object:
        """The value that begins with this event; `place` is its path."""
        self._lines.setdefault(place, _line(event))
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if not isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent):
            raise TypeError(event)
        if event.tag is not None:
            self._refuse(event, f"不支持标签 {event.tag}", f"no tags are taken: {event.tag}")
        if len(place) > MOST_DEPTH:
            self._refuse(event, f"嵌套超过 {MOST_DEPTH} 层", f"nested deeper than {MOST_DEPTH}")
        before = self._weight, self._values
        self._count(event, 1)
        value: object
        if isinstance(event, yaml.ScalarEvent):
            self._count(event, len(event.value), 0)
            value = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._list(events, place)
        else:
            value = self._mapping(events, place)
        if event.anchor is not None:
            weight, values = before
            self._anchors[event.anchor] = value, self._weight - weight, self._values - values
        return value

    def _list(self, events: Iterator[yaml.Event], place: _Place) -> list[object]:
        found: list[object] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            found.append(self._value(event, events, (*place, len(found))))
        return found

    def _mapping(self, events: Iterator[yaml.Event], place: _Place) -> dict[str, object]:
        found: dict[str, object] = {}
        while not isinstance(key := next(events), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent) or key.tag is not None:
                self._refuse(key, "键应为文字", "a key is a text")
            name = self._seen(key)
            self._count(key, len(name))
            if name == "<<" and key.implicit[0]:
                self._refuse(
                    key, "不支持合并键 <<", "merge keys (<<) are not taken",
                    remedy=("把这些键逐一写出", "write the keys out"),
                )  # fmt: skip
            if name in found:
                first = self._lines[*place, name]
                self._refuse(
                    key, f"键重复：{name}（第 {first} 行已有）",
                    f"the key {name} stands twice, first in line {first}",
                    remedy=("只保留其一", "keep one of the two"),
                )  # fmt: skip
            self._lines[*place, name] = _line(key)
            found[name] = self._value(next(events), events, (*place, name))
        return found

    def _alias(self, event: yaml.AliasEvent) -> object:
        known = self._anchors.get(event.anchor or "")
        if known is None:  # not yet whole where it refers to itself
            self._refuse(
                event, f"别名 *{event.anchor} 没有可用的锚点",
                f"the alias *{event.anchor} refers to nothing, or to itself",
            )  # fmt: skip
        value, weight, values = known
        self._count(event, weight, values)
        return value

    def _scalar(self, event: yaml.ScalarEvent) -> object:
        """A quoted scalar is text; a plain one is what JSON would take it for, else text."""
        text = self._seen(event)
        if not event.implicit[0] or event.style is not None:
            return text
        match text:
            case "" | "~" | "null":
                return None
            case "true" | "false":
                return text == "true"
        if _NUMBER.fullmatch(text):
            try:
                return _number(text)
            except ValueError:
                self._refuse(
                    event, f"数字过大，或超过 {MOST_DIGITS} 位",
                    f"too large a number, or more than {MOST_DIGITS} digits",
                    remedy=("如为编号，加引号写成文字", "in quotes it is a text"),
                )  # fmt: skip
        if _DAY_OR_TIME.fullmatch(text) is None and _means_more(text):
            self._refuse(
                event, f"{text} 可作多种理解", f"{text} may be read in more than one way",
                remedy=(
                    "是否写 true 或 false，数字写十进制，文字加引号",
                    "write true or false, a plain decimal number, or a text in quotes",
                ),
            )  # fmt: skip
        return text

    def _seen(self, event: yaml.ScalarEvent) -> str:
        """The scalar's text; an escape may bring in what the file itself may not hold."""
        text = str(event.value)
        if unseen := _UNSEEN.search(text):
            _refuse_unseen(self._path, _line(event), unseen[0])
        return text

    def _count(self, event: yaml.Event, weight: int, values: int = 1) -> None:
        self._weight += weight
        self._values += values
        if self._values > MOST_VALUES:
            _refuse_many(self._path, _line(event))
        if self._weight > MOST_EXPANDED:
            self._refuse(
                event, "别名展开后过大", "too large when its aliases are written out",
                remedy=("减少别名", "use fewer aliases"),
            )  # fmt: skip

    def _refuse(
        self, event: yaml.Event, zh: str, en: str,
        remedy: tuple[str, str] = ("按文档修正该行", "mend that line as documented"),
    ) -> NoReturn:  # fmt: skip
        _refuse(self._path, _line(event), zh, en, remedy_zh=remedy[0], remedy_en=remedy[1])

    def _no_yaml(self, said: str, line: int | None) -> ConfigurationError:
        return ConfigurationError(
            "不是有效的 YAML",
            f"not valid YAML: {said}",
            remedy_zh="修正该行的缩进、冒号或引号",
            remedy_en="mend indentation, colon or quotes of that line",
            file=str(self._path),
            line=line,
        )


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _is_content(event: yaml.Event) -> bool:
    return isinstance(event, yaml.NodeEvent | yaml.CollectionEndEvent)


def _means_more(text: str) -> bool:
    """Whether YAML 1.1 takes a plain scalar for something else than the text."""
    resolvers = _IMPLICIT.get(text[0], []) + _IMPLICIT.get(None, [])
    return any(tag != _TEXT and pattern.match(text) for tag, pattern in resolvers)


# --- what a model says -------------------------------------------------------------------------


def _line_of(lines: dict[_Place, int], path: _Place) -> int | None:
    """The 1-based line of the value (or key) at a path; steps unknown are passed over."""
    place: _Place = ()
    for step in path:
        if (*place, step) in lines:
            place = (*place, step)
    return lines.get(place)


def _problem(error: ErrorDetails) -> tuple[str, str]:
    where = ".".join(str(step) for step in error["loc"])
    if not where and error["type"] == "model_type":
        return "文件内容应为键和值", "the file must hold keys and values"
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


Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,40}$")]
