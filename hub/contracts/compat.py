"""Whether a contract may replace a released one: FULL_TRANSITIVE, and the attributes with it.

Avro's own rules would let fields come and go, as every field has a default. The hub asks more: a
payload of any release is readable for ever by its schema id, so fields stay where they are and new
ones go to the end; and what was promised to departments and to the subjects of records is not
taken back within a major version: nothing gets wider sharing, nothing gets stricter. What must
break is a new kind, `….v2`.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from hub.contracts.schema import Condition, Field, Required, Schema, Sharing


class Incompatibility(NamedTuple):
    """Why a contract may not replace a release: stable `code`, kind, field ("" for the whole)."""

    code: str
    kind: str
    field: str

    def __str__(self) -> str:
        """One line for people, Chinese first."""
        zh, en = MEANINGS[self.code]
        place = f"{self.kind}.{self.field}" if self.field else self.kind
        return f"{place}: {zh} / {en} [{self.code}]"


MEANINGS: Final[dict[str, tuple[str, str]]] = {
    "KIND_REMOVED": ("已发布的类型不能删除", "a released kind stays"),
    "FIELD_REMOVED": ("字段不能删除", "a field stays"),
    "FIELD_MOVED": (
        "字段顺序不能改变，新字段放在最后",
        "fields keep their order, new ones go last",
    ),
    "FIELD_TYPE_CHANGED": ("字段的Avro类型不能改变", "a field keeps its Avro type"),
    "SCHEMA_ID_REUSED": ("新增字段须换新的模式编号", "added fields need a new schema id"),
    "SCHEMA_ID_FORGOTTEN": (
        "原模式编号及字段数须列入earlier",
        "the old schema id and its number of fields must be in `earlier`",
    ),
    "SHARING_WIDENED": ("共享范围不能扩大", "sharing never becomes wider"),
    "REQUIRED_TIGHTENED": ("必填要求不能加严", "requiredness never becomes stricter"),
    "LENGTH_SHORTENED": ("长度不能缩短", "a length never becomes shorter"),
    "PROTECTION_REMOVED": ("个人信息标记和加密不能取消", "personal and sealed are not taken back"),
    "IDENTITY_CHANGED": (
        "标识字段及其规范化不能改变",
        "identity fields and how they are normalised stay as they are",
    ),
    "MEANING_CHANGED": (
        "取值类型、代码表、单位、国标代码不能改变",
        "hint, code list, choices, unit and national code stay as they are",
    ),
    "ALIAS_REMOVED": ("已接受的表头不能取消", "a header once read is read for ever"),
    "RULE_ADDED": ("不能增加跨字段规则", "cross-field rules are not added"),
}

_OPENNESS: Final = {
    Sharing.NEVER: 0,
    Sharing.AUTHORISED: 1,
    Sharing.GOVERNMENT: 2,
    Sharing.PUBLIC: 3,
}
_STRICTNESS: Final = {Required.NO: 0, Required.CONDITIONAL: 1, Required.ALWAYS: 2}


def _is_stricter(old: Field, new: Field) -> bool:
    """Whether some row that satisfied `old` could fail to satisfy `new`."""
    if new.required is Required.CONDITIONAL and old.required is Required.CONDITIONAL:
        return not _is_narrower(old.required_when, new.required_when)
    return _STRICTNESS[new.required] > _STRICTNESS[old.required]


def _is_narrower(old: Condition | None, new: Condition | None) -> bool:
    """Whether `new` holds at most where `old` held."""
    if old is None or new is None:
        return old == new
    same = (old.field, old.contains) == (new.field, new.contains)
    if new.else_empty:  # where the condition does not hold, the field is forbidden
        return same and old.else_empty and set(new.values) == set(old.values)
    return same and set(new.values) <= set(old.values)


def _headers(field: Field) -> set[str]:
    return {field.zh, field.name, field.national_code, *field.aliases_zh}


_FIELD_RULES: Final[tuple[tuple[str, Callable[[Field, Field], bool]], ...]] = (
    ("FIELD_TYPE_CHANGED", lambda old, new: old.is_bytes != new.is_bytes),
    ("SHARING_WIDENED", lambda old, new: _OPENNESS[new.sharing] > _OPENNESS[old.sharing]),
    ("REQUIRED_TIGHTENED", _is_stricter),
    (
        "LENGTH_SHORTENED",
        lambda old, new: new.length is not None and (old.length is None or new.length < old.length),
    ),
    (
        "PROTECTION_REMOVED",
        lambda old, new: (old.personal and not new.personal) or (old.sealed and not new.sealed),
    ),
    (
        "IDENTITY_CHANGED",
        lambda old, new: (old.identity, old.normalisation) != (new.identity, new.normalisation),
    ),
    (
        "MEANING_CHANGED",
        lambda old, new: (
            (old.hint, old.code_list, old.unit, old.national_code, old.role)
            != (new.hint, new.code_list, new.unit, new.national_code, new.role)
            or not set(old.choices) <= set(new.choices)
        ),
    ),
    ("ALIAS_REMOVED", lambda old, new: not _headers(old) <= _headers(new)),
)
"""Reason and whether the pair (released, current) breaks it."""


def incompatibilities(released: Schema, current: Schema) -> tuple[Incompatibility, ...]:
    """Everything that forbids `current` to replace `released` of the same kind; () is fine."""
    found = [
        *_layout_faults(released, current),
        *((code, name) for code, name in _attribute_faults(released, current)),
    ]
    return tuple(Incompatibility(code, current.kind, name) for code, name in found)


def _layout_faults(released: Schema, current: Schema) -> list[tuple[str, str]]:
    """Order, ids and rules: what lets any release's payload be read and accepted for ever."""
    found = [("FIELD_REMOVED", name) for name in released.names if name not in current.names]
    count = len(released.names)
    if not found and current.names[:count] != released.names:
        found += [
            ("FIELD_MOVED", old)
            for old, new in zip(released.names, current.names, strict=False)
            if old != new
        ]
    known = {(current.schema_id, len(current.names)), *current.earlier}
    if (released.schema_id, count) not in known:
        is_reused = released.schema_id == current.schema_id
        found.append(("SCHEMA_ID_REUSED" if is_reused else "SCHEMA_ID_FORGOTTEN", ""))
    if not set(released.earlier) <= known:
        found.append(("SCHEMA_ID_FORGOTTEN", ""))
    if not set(current.rules) <= set(released.rules):
        found.append(("RULE_ADDED", ""))
    if _relations(released) != _relations(current):
        found.append(("IDENTITY_CHANGED", ""))
    return found


def _relations(schema: Schema) -> tuple[str, ...]:
    """Whose word a kind is, and what it does to others."""
    return (
        schema.subject,
        schema.takes_down,
        schema.follows,
        schema.submitted_by,
        schema.stated_with,
    )


def _attribute_faults(released: Schema, current: Schema) -> list[tuple[str, str]]:
    """Return broken promises of fields, and new fields that require something of departments."""
    before = {field.name: field for field in released.fields}
    found = []
    for field in current.fields:
        old = before.get(field.name)
        if old is not None:
            found += [(code, field.name) for code, broken in _FIELD_RULES if broken(old, field)]
        elif field.required is not Required.NO:
            found.append(("REQUIRED_TIGHTENED", field.name))
    return found


def check_releases(
    releases: Mapping[str, Mapping[str, Schema]], current: Mapping[str, Schema]
) -> dict[str, tuple[Incompatibility, ...]]:
    """Compare with *every* release (tag → kind → schema): tag → faults, only tags that have any."""
    faults = {
        tag: tuple(
            fault
            for kind, schema in released.items()
            for fault in (
                incompatibilities(schema, current[kind])
                if kind in current
                else (Incompatibility("KIND_REMOVED", kind, ""),)
            )
        )
        for tag, released in releases.items()
    }
    return {tag: found for tag, found in faults.items() if found}
