"""Coded values: label or digit in, one canonical text out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.code_lists import (
    CODE_LISTS,
    CONFISCATION_CATEGORIES,
    FINE_CATEGORIES,
    LICENCE_CATEGORIES,
    PENALTY_CATEGORY,
    CodeList,
    read_code,
)
from hub.domain.reasons import REASONS

every_spelling = [
    (name, code.code, spelling)
    for name, listed in CODE_LISTS.items()
    for code in listed.codes
    for spelling in (code.code, code.label, *code.also)
]
penalty_labels = [code.label for code in PENALTY_CATEGORY.codes if code.code != "OTHER"]


@pytest.mark.parametrize(("name", "code", "spelling"), every_spelling)
def test_every_spelling_is_its_code(name: str, code: str, spelling: str) -> None:
    """Label, digit and usual variants lead to one code, with blanks and full width as well."""
    assert read_code(name, spelling).codes == (code,)
    assert read_code(name, f"\u3000{spelling} ").codes == (code,)


@pytest.mark.parametrize("listed", CODE_LISTS.values(), ids=lambda listed: listed.name)
def test_no_spelling_means_two_things(listed: CodeList) -> None:
    """A label that belonged to two codes would be decided by order."""
    spellings = [s for code in listed.codes for s in (code.code, code.label, *code.also)]
    assert len(spellings) == len(set(spellings))


@pytest.mark.parametrize(
    ("name", "written", "text"),
    [
        ("许可类别", "0", "普通"),
        ("许可类别", "５", "其他"),
        ("许可类别", "其他-备案", "其他-备案"),
        ("许可类别", "其他（备案）", "其他-备案"),
        ("许可类别", "其它：备案", "其他-备案"),
        ("当前状态", "有效", "1"),
        ("当前状态", "２", "2"),
        ("案件程序类别", "简易程序", "01"),
        ("案件程序类别", "2", "02"),
        ("严重程度", "一般失信", "一般"),
        ("行政相对人类别", "法人和其他组织", "法人及非法人组织"),
        ("证件类型", "10", "身份证"),
    ],
)
def test_a_value_has_one_canonical_text(name: str, written: str, text: str) -> None:
    """What is stored and shown is the national list's own label or digit."""
    assert read_code(name, written).text == text


@pytest.mark.parametrize(
    ("written", "codes"),
    [
        ("警告;罚款", ("WARNING", "FINE")),
        ("罚款；警告", ("WARNING", "FINE")),
        ("罚款、警告", ("WARNING", "FINE")),
        ("罚款,罚款", ("FINE",)),
        ("警告 ; 通报批评；", ("WARNING", "CRITICISM")),
        ("没收违法所得、没收非法财物", ("CONFISCATION",)),
        ("罚款;没收违法所得、没收非法财物", ("FINE", "CONFISCATION")),
        ("罚款、没收违法所得", ("FINE", "CONFISCATION_OF_GAINS")),
        ("罚款和吊销营业执照", ("FINE", "LICENCE_REVOKED")),
        ("警告、其他-责令改正", ("WARNING", "OTHER")),
        ("其他、警告", ("WARNING", "OTHER")),
    ],
)
def test_several_penalties_are_read_in_the_order_of_the_list(
    written: str, codes: tuple[str, ...]
) -> None:
    """Joined by semicolons or commas; order and repeats say nothing, a label's own comma stays."""
    found = read_code("处罚类别", written)
    assert found.codes == codes
    assert found.reason == ""


@given(st.lists(st.sampled_from(penalty_labels), min_size=1, unique=True), st.sampled_from(";；"))
def test_any_set_of_penalties_reads_the_same_in_any_order(labels: list[str], joint: str) -> None:
    """The text is a set: reading it again, or backwards, gives the same reading."""
    found = read_code("处罚类别", joint.join(labels))
    assert set(found.labels) == set(labels)
    assert read_code("处罚类别", joint.join(reversed(labels))) == found
    assert read_code("处罚类别", found.text) == found


@given(st.text(max_size=20))
def test_the_note_of_other_is_kept_and_stable(note: str) -> None:
    """其他 with any note is 其他, and the canonical text reads the same again."""
    found = read_code("许可类别", f"其他-{note}")
    if found.reason == "":
        assert found.codes == ("5",)
        assert found.needs_note is (found.note == "")
        assert read_code("许可类别", found.text) == found


def test_other_without_a_note_asks_for_one() -> None:
    """The remark may hold the note, so it is a question and not a refusal."""
    assert read_code("处罚类别", "警告;其他").needs_note
    assert not read_code("处罚类别", "警告").needs_note
    assert read_code("处罚类别", "其他-甲;其他-乙").note == "甲、乙"


@pytest.mark.parametrize(
    ("name", "written", "reason"),
    [
        ("处罚类别", "训诫", "CODE_UNKNOWN"),
        ("处罚类别", "罚款;训诫", "CODE_UNKNOWN"),
        ("处罚类别", ";", "CODE_UNKNOWN"),
        ("处罚类别", "罚款" * 300, "CODE_UNKNOWN"),
        ("许可类别", "普通;特许", "CODE_UNKNOWN"),
        ("许可类别", "普通、特许", "CODE_UNKNOWN"),
        ("许可类别", "其他-" + "甲" * 600, "CODE_UNKNOWN"),
        ("许可类别", "6", "CODE_UNKNOWN"),
        ("当前状态", "0", "STATUS_INVALID"),
        ("当前状态", "3", "STATUS_INVALID"),
        ("严重程度", "1", "CODE_UNKNOWN"),
        ("行政相对人类别", "企业集团", "CODE_UNKNOWN"),
    ],
)
def test_what_is_not_in_the_list_is_refused(name: str, written: str, reason: str) -> None:
    """Unknown labels, two values where one is allowed, and digits of older lists."""
    found = read_code(name, written)
    assert (found.codes, found.text, found.reason) == ((), "", reason)
    assert reason in REASONS


def test_an_empty_cell_is_an_absent_value() -> None:
    """Whether the value is required is the contract's business."""
    for name in CODE_LISTS:
        assert read_code(name, " \u3000") == ((), (), "", "", False, "")


def test_categories_that_oblige_to_an_amount_are_those_of_the_words() -> None:
    """罚款, 没收, 暂扣 and 吊销 in a label are what the conditional columns go by."""
    for code in PENALTY_CATEGORY.codes:
        assert (code.code in FINE_CATEGORIES) == ("罚款" in code.label)
        assert (code.code in CONFISCATION_CATEGORIES) == ("没收" in code.label)
        assert (code.code in LICENCE_CATEGORIES) == ("暂扣" in code.label or "吊销" in code.label)


def test_every_kind_of_penalty_of_the_law_is_in_the_list() -> None:
    """行政处罚法 (2021) Art 9."""
    law = (
        "警告 通报批评 罚款 没收违法所得 没收非法财物 暂扣许可证件 降低资质等级 吊销许可证件 "
        "限制开展生产经营活动 责令停产停业 责令关闭 限制从业 行政拘留"
    )
    assert set(law.split()) <= {code.label for code in PENALTY_CATEGORY.codes}
