"""Cross-field rules that a contract's attributes cannot say: small functions with a stable code.

A contract lists the names of its rules in `cross_field_rules`; each name is a maker here, which
finds the fields by their role. A rule sees canonical texts in wire order (ISO dates compare as
texts) and the ISO day on which the row was received. An absent or faulty value is "" and breaks no
rule: its own reason has been given.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from hub.contracts.persons import holds_old_or_masked_id
from hub.contracts.schema import FieldRole, Hint, IdentityPart, Schema
from hub.domain.dates import read_date


class Rule(NamedTuple):
    """Reason `code` at field number `field` when `is_broken(canonical texts, received_on)`."""

    code: str
    field: int
    is_broken: Callable[[Sequence[str], str], bool]


_PERSON: Final = "自然人"
_INDIVIDUAL_BUSINESS: Final = "个体工商户"
_OTHER: Final = "其他"
_COMMITMENT_CODE: Final = 20
_KEY_DIGITS: Final = 32
_DIGEST_DIGITS: Final = 64


def person_not_enabled(schema: Schema) -> list[Rule]:
    """相对人类别 自然人: natural persons are answered by name until their fields are sealed."""
    category = schema.index_of_role(FieldRole.SUBJECT_CATEGORY)
    return [Rule("PERSON_NOT_ENABLED", category, lambda row, _: row[category] == _PERSON)]


def category_matches_code(schema: Schema) -> list[Rule]:
    """个体工商户 ⇔ code begins with 92; anything but 92 may be 法人及非法人组织 (not only 91)."""
    category = schema.index_of_role(FieldRole.SUBJECT_CATEGORY)
    code = schema.index_of_identity(IdentityPart.CREDIT_CODE)

    def is_broken(row: Sequence[str], _: str) -> bool:
        kind, number = row[category], row[code]
        if not number or not kind or kind == _PERSON:
            return False
        return (kind == _INDIVIDUAL_BUSINESS) != (number[:2] == "92")

    return [Rule("SUBJECT_CATEGORY_MISMATCH", category, is_broken)]


def decided_not_after_received(schema: Schema) -> list[Rule]:
    """决定日期 不可超过当前数据报送日期."""
    decided = schema.index_of_role(FieldRole.DECIDED_ON)
    return [Rule("DATE_IN_FUTURE", decided, lambda row, received_on: row[decided] > received_on)]


def ends_not_before_decided(schema: Schema) -> list[Rule]:
    """有效期至, 处罚有效期 and 公示截止期 are not before 决定日期."""
    decided = schema.index_of_role(FieldRole.DECIDED_ON)

    def ends_early(end: int) -> Rule:
        return Rule("DATE_ORDER", end, lambda row, _: "" < row[end] < row[decided])

    return [
        ends_early(number)
        for number, field in enumerate(schema.fields)
        if field.role in {FieldRole.VALID_TO, FieldRole.EXPIRES_ON}
    ]


def other_type_explained(schema: Schema) -> list[Rule]:
    """许可类别 and 处罚类别: 如为“其他”，需注明具体类别 (with the value, or in 备注)."""
    kind = schema.index_of_role(FieldRole.TYPE)
    remark = schema.index_of_role(FieldRole.REMARK)

    def is_broken(row: Sequence[str], _: str) -> bool:
        return row[kind].endswith(_OTHER) and _OTHER in row[kind].split(";") and not row[remark]

    return [Rule("CATEGORY_NOTE_REQUIRED", kind, is_broken)]


def filed_not_after_listed(schema: Schema) -> list[Rule]:
    """立案时间 is not after 发布时间: a case is filed before its debtor can be listed."""
    filed = schema.index_of_role(FieldRole.FILED_ON)
    listed = schema.index_of_role(FieldRole.DECIDED_ON)
    return [Rule("DATE_FILED_AFTER_LISTED", filed, lambda row, _: row[filed] > row[listed] > "")]


def commitment_code_is_whole(schema: Schema) -> list[Rule]:
    """承诺编码 is 行政区划 6 + YYYYMMDD 8 + 流水号 6, all digits, and the day exists."""
    code = schema.index_of_identity(IdentityPart.DOCUMENT_NUMBER)

    def is_broken(row: Sequence[str], _: str) -> bool:
        text = row[code]
        whole = len(text) == _COMMITMENT_CODE and text.isascii() and text.isdigit()
        # An absent code has its reason already; "" is a placeholder here, and not a code.
        return not (whole and read_date(text[6:14]).on)

    return [Rule("COMMITMENT_CODE_INVALID", code, is_broken)]


def no_performance_yet(schema: Schema) -> list[Rule]:
    """A commitment just made has no performance: what is recognised is another kind of record."""

    def is_filled(number: int) -> Rule:
        return Rule("FIELD_MUST_BE_EMPTY", number, lambda row, _: row[number] != "")

    return [
        is_filled(number)
        for number, field in enumerate(schema.fields)
        if field.role is FieldRole.PERFORMANCE
    ]


def recognised_in_order(schema: Schema) -> list[Rule]:
    """承诺履行状态认定日期 is not before 承诺作出日期 and not after the day of submission."""
    recognised = schema.index_of_role(FieldRole.RECOGNISED_ON)
    decided = schema.index_of_role(FieldRole.DECIDED_ON)
    return [
        Rule("DATE_ORDER", recognised, lambda row, _: "" < row[recognised] < row[decided]),
        Rule("DATE_IN_FUTURE", recognised, lambda row, received: row[recognised] > received),
    ]


def count_is_named_by_month_and_kind(schema: Schema) -> list[Rule]:
    """A count's own number is `<month>/<kind>`, so that a month has one count of each kind."""
    number = schema.index_of_identity(IdentityPart.DOCUMENT_NUMBER)
    month = schema.index_of_role(FieldRole.MONTH)
    kind = schema.index_of_role(FieldRole.COUNTED_KIND)

    def is_broken(row: Sequence[str], _: str) -> bool:
        parts = (row[month], row[kind])
        return all(parts) and row[number] != "/".join(parts)

    return [Rule("NUMBER_NOT_DERIVED", number, is_broken)]


def keys_are_whole(schema: Schema) -> list[Rule]:
    """Keys one after the other, 32 hex digits each: half a key is none, and no list of keys."""

    def is_torn(number: int) -> Rule:
        return Rule("VALUE_UNREADABLE", number, lambda row, _: len(row[number]) % _KEY_DIGITS > 0)

    return [
        is_torn(number)
        for number, field in enumerate(schema.fields)
        if field.hint is Hint.HEX and field.length != _DIGEST_DIGITS
    ]


def no_old_or_masked_id(schema: Schema) -> list[Rule]:
    """No citizen's number of 15 digits or with stars in any text, of any sharing class."""

    def is_personal(number: int) -> Rule:
        return Rule(
            "PERSONAL_ID_IN_TEXT", number, lambda row, _: holds_old_or_masked_id(row[number])
        )

    return [
        is_personal(number)
        for number, field in enumerate(schema.fields)
        if field.hint is Hint.TEXT and not field.sealed
    ]


RULES: Final[dict[str, Callable[[Schema], list[Rule]]]] = {
    maker.__name__: maker
    for maker in (
        person_not_enabled,
        category_matches_code,
        decided_not_after_received,
        ends_not_before_decided,
        other_type_explained,
        filed_not_after_listed,
        commitment_code_is_whole,
        no_performance_yet,
        recognised_in_order,
        count_is_named_by_month_and_kind,
        keys_are_whole,
        no_old_or_masked_id,
    )
}


def _conditional(schema: Schema, number: int) -> list[Rule]:
    """The rules of a field that is required, or allowed at all, when another has some values."""
    field = schema.fields[number]
    condition = field.required_when
    if condition is None:
        return []
    other = schema.names.index(condition.field)
    values = condition.values
    whole = frozenset(values)

    def is_missing(row: Sequence[str], _: str) -> bool:
        return not row[number] and row[other] in whole

    def is_missing_for_part(row: Sequence[str], _: str) -> bool:
        return not row[number] and any(part in row[other] for part in values)

    def is_there_all_the_same(row: Sequence[str], _: str) -> bool:
        return row[number] != "" and row[other] != "" and row[other] not in whole

    is_broken = is_missing_for_part if condition.contains else is_missing
    rules = [Rule(field.reason_missing, number, is_broken)]
    if condition.else_empty:
        rules.append(Rule("FIELD_MUST_BE_EMPTY", number, is_there_all_the_same))
    return rules


def compile_rules(schema: Schema) -> tuple[Rule, ...]:
    """All rules of a contract: its conditional fields, then its named rules.

    Raises `KeyError` for an unknown rule and `ValueError` for a role no field plays.
    """
    conditional = [
        rule for number in range(len(schema.fields)) for rule in _conditional(schema, number)
    ]
    named = [rule for name in schema.rules for rule in RULES[name](schema)]
    return (*conditional, *named)
