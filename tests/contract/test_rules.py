"""Relations between fields: on the very day, and when one of the fields says nothing."""

import pytest

from tests.contract.specimens import (
    CONTRACTS,
    LICENCE,
    LISTED,
    MADE,
    PENALTY,
    PERFORMED,
    RECEIVED_ON,
    row_of,
)
from tests.unit.domain.plain_checks import credit_check_character

SNAPSHOT = "court_enforcement.snapshot_declared.v1"
COUNT = "output_count.declared.v1"
COMPANY, SOLE_TRADER = (
    body + credit_check_character(body) for body in ("91330900MA0000015", "92330900MA0000015")
)
KEY = "0123456789abcdef0123456789abcdef"


def found(kind: str, **changes: str) -> list[tuple[str, str]]:
    """What is said of the minimal row of a kind with changes: code and field."""
    checked = CONTRACTS.by_kind[kind].check(row_of(kind, "accepted-minimal") | changes, RECEIVED_ON)
    return [(finding.code, finding.field) for finding in checked.findings]


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        (LICENCE, {"XK_YXQZI": "2026-11-09"}, []),
        (LICENCE, {"XK_YXQZI": "2026-11-08"}, [("DATE_ORDER", "XK_YXQZI")]),
        (LICENCE, {"XK_JDRQ": "2026-11-20"}, []),
        (LICENCE, {"XK_JDRQ": "2026-11-21"}, [("DATE_IN_FUTURE", "XK_JDRQ")]),
        (PERFORMED, {"performance_recognised_on": "2026-11-20"}, []),
        (
            PERFORMED,
            {"performance_recognised_on": "2026-11-21"},
            [("DATE_IN_FUTURE", "performance_recognised_on")],
        ),
        (PERFORMED, {"performance_recognised_on": "2026-11-10"}, []),
        (
            PERFORMED,
            {"performance_recognised_on": "2026-11-09"},
            [("DATE_ORDER", "performance_recognised_on")],
        ),
        (LISTED, {"filed_on": "2026-11-18"}, []),
        (LISTED, {"filed_on": "2026-11-19"}, [("DATE_FILED_AFTER_LISTED", "filed_on")]),
    ],
)
def test_days_may_be_equal_and_not_the_wrong_way_round(
    kind: str, changes: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    """What is decided, submitted and ended on one day is in order; a day more is not."""
    assert found(kind, **changes) == expected


def test_an_absent_date_is_named_once() -> None:
    """Without its day a listing cannot be before or after anything."""
    assert found(LISTED, listed_on="") == [("FIELD_REQUIRED", "listed_on")]
    assert found(PERFORMED, committed_on="") == [("FIELD_REQUIRED", "committed_on")]


def test_a_field_that_must_be_empty_waits_for_the_one_that_says_so() -> None:
    """A forgotten status is one mistake; what depends on it may be right."""
    told = {"unperformed_content": "尚余两名人员未补齐"}
    assert found(PERFORMED, **told) == [("FIELD_MUST_BE_EMPTY", "unperformed_content")]
    assert found(PERFORMED, **told, performance_status="") == [
        ("FIELD_REQUIRED", "performance_status")
    ]


def test_an_amount_is_asked_for_where_a_fine_is_one_of_several() -> None:
    """警告 needs none, 警告 with 罚款 does."""
    assert found(PENALTY, CF_CFLB="警告", CF_NR_FK="") == []
    assert [field for _code, field in found(PENALTY, CF_CFLB="警告;罚款", CF_NR_FK="")] == [
        "CF_NR_FK"
    ]


@pytest.mark.parametrize(
    ("kind", "changes", "expected"),
    [
        (MADE, {"commitment_code": "33090020261310000011"}, "COMMITMENT_CODE_INVALID"),
        (MADE, {"commitment_code": "3309002026111000001"}, "COMMITMENT_CODE_INVALID"),
        (COUNT, {"month": "2026-09"}, "NUMBER_NOT_DERIVED"),
        (COUNT, {"subject_kind": LICENCE}, "NUMBER_NOT_DERIVED"),
        (SNAPSHOT, {"entries": KEY + KEY[:8]}, "VALUE_UNREADABLE"),
    ],
)
def test_a_number_made_of_parts_is_whole(kind: str, changes: dict[str, str], expected: str) -> None:
    """A day that does not exist, another month's count, half a key: none of them names anything."""
    assert [code for code, _field in found(kind, **changes)] == [expected]
    assert found(SNAPSHOT, entries=KEY + KEY[::-1]) == []


@pytest.mark.parametrize(
    ("category", "code", "expected"),
    [
        ("法人及非法人组织", COMPANY, []),
        ("个体工商户", SOLE_TRADER, []),
        ("法人及非法人组织", SOLE_TRADER, [("SUBJECT_CATEGORY_MISMATCH", "XK_XDR_LB")]),
        ("个体工商户", COMPANY, [("SUBJECT_CATEGORY_MISMATCH", "XK_XDR_LB")]),
    ],
)
def test_a_sole_trader_is_told_from_a_company_in_both_directions(
    category: str, code: str, expected: list[tuple[str, str]]
) -> None:
    """92 is theirs alone, and they have no other."""
    assert found(LICENCE, XK_XDR_LB=category, XK_XDR_SHXYM=code) == expected
