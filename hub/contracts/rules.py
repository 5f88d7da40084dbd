"""Cross-field rules that a contract's attributes cannot say: small functions with a stable code.

A contract lists the names of its rules in `cross_field_rules`; each name is a maker here, which
finds the fields by their role. A rule sees canonical texts in wire order (ISO dates compare as
texts) and the ISO day on which the row was received. An absent or faulty value is "" and breaks no
rule: its own reason has been given.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from hub.contracts.schema import Identity, Role, Schema


class Rule(NamedTuple):
    """Reason `code` at field number `field` when `is_broken(canonical texts, received_on)`."""

    code: str
    field: int
    is_broken: Callable[[Sequence[str], str], bool]


_PERSON: Final = "自然人"
_INDIVIDUAL_BUSINESS: Final = "个体工商户"
_OTHER: Final = "其他"


def person_not_enabled(schema: Schema) -> list[Rule]:
    """相对人类别 自然人: natural persons are answered by name until their fields are sealed."""
    category = schema.index_of_role(Role.SUBJECT_CATEGORY)
    return [Rule("PERSON_NOT_ENABLED", category, lambda row, _: row[category] == _PERSON)]


def category_matches_code(schema: Schema) -> list[Rule]:
    """个体工商户 ⇔ code begins with 92; anything but 92 may be 法人及非法人组织 (not only 91)."""
    category = schema.index_of_role(Role.SUBJECT_CATEGORY)
    code = schema.index_of_identity(Identity.CREDIT_CODE)

    def is_broken(row: Sequence[str], _: str) -> bool:
        kind, number = row[category], row[code]
        if not number or not kind or kind == _PERSON:
            return False
        return (kind == _INDIVIDUAL_BUSINESS) != (number[:2] == "92")

    return [Rule("SUBJECT_CATEGORY_MISMATCH", category, is_broken)]


def decided_not_after_received(schema: Schema) -> list[Rule]:
    """决定日期 不可超过当前数据报送日期."""
    decided = schema.index_of_role(Role.DECIDED_ON)
    return [Rule("DATE_IN_FUTURE", decided, lambda row, received_on: row[decided] > received_on)]


def ends_not_before_decided(schema: Schema) -> list[Rule]:
    """有效期至, 处罚有效期 and 公示截止期 are not before 决定日期."""
    decided = schema.index_of_role(Role.DECIDED_ON)

    def ends_early(end: int) -> Rule:
        return Rule("DATE_ORDER", end, lambda row, _: "" < row[end] < row[decided])

    return [
        ends_early(number)
        for number, field in enumerate(schema.fields)
        if field.role in {Role.VALID_TO, Role.EXPIRES_ON}
    ]


def other_type_explained(schema: Schema) -> list[Rule]:
    """许可类别 and 处罚类别: 如为“其他”，需注明具体类别 (with the value, or in 备注)."""
    kind = schema.index_of_role(Role.TYPE)
    remark = schema.index_of_role(Role.REMARK)

    def is_broken(row: Sequence[str], _: str) -> bool:
        return row[kind].endswith(_OTHER) and _OTHER in row[kind].split(";") and not row[remark]

    return [Rule("CATEGORY_NOTE_REQUIRED", kind, is_broken)]


RULES: Final[dict[str, Callable[[Schema], list[Rule]]]] = {
    maker.__name__: maker
    for maker in (
        person_not_enabled,
        category_matches_code,
        decided_not_after_received,
        ends_not_before_decided,
        other_type_explained,
    )
}


def _conditional(schema: Schema, number: int) -> Rule | None:
    """The rule of a field that is required when another has certain values."""
    field = schema.fields[number]
    condition = field.required_when
    if condition is None:
        return None
    other = schema.names.index(condition.field)
    values = condition.values
    whole = frozenset(values)

    def is_missing(row: Sequence[str], _: str) -> bool:
        return not row[number] and row[other] in whole

    def is_missing_for_part(row: Sequence[str], _: str) -> bool:
        return not row[number] and any(part in row[other] for part in values)

    return Rule(
        field.reason_missing, number, is_missing_for_part if condition.contains else is_missing
    )


def compile_rules(schema: Schema) -> tuple[Rule, ...]:
    """All rules of a contract: its conditional fields, then its named rules.

    Raises `KeyError` for a name that is no rule and `ValueError` for a role no field plays.
    """
    conditional = [_conditional(schema, number) for number in range(len(schema.fields))]
    named = [rule for name in schema.rules for rule in RULES[name](schema)]
    return (*(rule for rule in conditional if rule is not None), *named)
