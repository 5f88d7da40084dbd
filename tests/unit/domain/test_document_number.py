"""文书号 and 相对人名称: spellings that mean the same compare equal, others do not."""

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.as_typed import is_placeholder, unwrapped
from hub.domain.credit_code import normalise_credit_code
from hub.domain.document_number import (
    document_key_of,
    normalise_document_number,
    normalise_subject_name,
    read_document_number,
)

#: Any code point, and the signs the rules speak of more often than chance would draw them.
spellings = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from(
            "【】〔〕[]﹝﹞（）()［］ \u3000\u200b\ufeff－—·•ＡｂＺ０９第号字\u0301\u0338=e'\"’“"
        ),
    ),
    max_size=30,
)


@pytest.mark.parametrize("brackets", ["【】", "〔〕", "[]", "﹝﹞", "（）", "()", "［］"])
def test_every_bracket_style_is_one_number(brackets: str) -> None:
    """The six styles of real numbers, and the full-width square ones, compare equal."""
    written = f"甬市监处罚{brackets[0]}2026{brackets[1]}9号"
    assert normalise_document_number(written) == "甬市监处罚〔2026〕9号"


@pytest.mark.parametrize(
    "written",
    [
        "甬城管( 路 )处罚字〔2019〕第1号",
        "甬城管（路）处罚字【２０１９】第１号",
        " 甬城管(路)处罚字[2019]第 1 号\u3000",
        "\ufeff甬城管(路)处罚字﹝2019﹞第1\u200b号",
        "甬城管(路)处罚字〔2019〕第1号\r\n",
    ],
)
def test_blanks_width_and_invisible_characters_do_not_matter(written: str) -> None:
    """Inner, ideographic and zero-width blanks and full-width digits are spelling, not content."""
    assert normalise_document_number(written) == "甬城管〔路〕处罚字〔2019〕第1号"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("甬市监处罚〔2026〕9号", "甬市监处罚〔2026〕90号"),
        ("甬市监处罚〔2026〕9号", "甬市监处罚2026 9号"),
        ("深交罚决第ZD021974号", "深交罚决第zd021974号"),
        ("处罚①号", "处罚1号"),
        ("№9", "No9"),
        ("9㎡", "9m2"),
    ],
)
def test_different_numbers_stay_different(one: str, other: str) -> None:
    """Letters keep their case and compatibility signs are not unfolded (that is why no NFKC)."""
    assert normalise_document_number(one) != normalise_document_number(other)


def test_dashes_of_a_word_processor_are_one() -> None:
    """En dash, em dash, minus and full-width hyphen stand for the hyphen of the number."""
    for dash in "‐‑‒–—―−－﹣":
        assert normalise_document_number(f"330{dash}2026{dash}9") == "330-2026-9"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("宁波海曙某某贸易（集团）有限公司", "宁波海曙某某贸易(集团)有限公司"),
        ("宁波 某某 有限公司 ", "宁波某某有限公司"),
        ("ＡＢＣ（中国）有限公司", "ABC(中国)有限公司"),
        ("阿某•某某商行", "阿某·某某商行"),
        ("", ""),
    ],
)
def test_a_name_is_compared_without_width_and_blanks(written: str, name: str) -> None:
    """Half- and full-width brackets mix in real tables of companies."""
    assert normalise_subject_name(written) == name


@given(spellings)
def test_normalising_twice_changes_nothing(text: str) -> None:
    """Identity must not depend on how often a number was normalised."""
    for normalise in (
        normalise_document_number,
        normalise_subject_name,
        normalise_credit_code,
        read_document_number,
    ):
        once = normalise(text)
        assert normalise(once) == once


@pytest.mark.parametrize("written", ['="{}"', "'{}", "＝“{}”", "’{}", "'='='{}", '=" {} "'])
@given(st.text(alphabet="甲市监罚字第号〔〕2026-9ABX", min_size=1, max_size=20))
def test_what_a_spreadsheet_writes_around_a_value_is_no_part_of_it(written: str, text: str) -> None:
    """A number, name or code kept a text by a formula or an apostrophe is the same one."""
    around = written.format(text)
    for normalise in (normalise_document_number, normalise_subject_name, normalise_credit_code):
        expected = normalise(text) if written != "'='='{}" else normalise(f"='='{text}")
        assert normalise(around) == expected


def test_a_long_run_of_marks_is_taken_off_in_one_pass() -> None:
    """A cell made to be slow (a megabyte of marks) is read in a moment."""
    assert unwrapped("'" * 500_000 + '="' * 250_000 + "9" + '"' * 250_000) == "9"


PLACEHOLDERS = [
    *("无", "（无）", "空", "暂无", "不详", "无文号", "NULL", "null", "N/A", "n/a", "ｎａ", "\\N"),
    *("0", "000", "０", "—", "——", "-", "--", "/", "\\", "***", "、", "'无", '="0"', "="),
]


@pytest.mark.parametrize("text", PLACEHOLDERS)
@given(around=st.sampled_from(["", " ", "\u3000", "\t"]))
def test_what_stands_for_no_number_is_none(text: str, around: str) -> None:
    """Forms that refuse an empty cell are filled; all of that would be one number."""
    assert is_placeholder(f"{around}{text}{around}")
    assert read_document_number(f"{around}{text}{around}") == ""


@pytest.mark.parametrize(
    "text",
    ["", " ", "\u200b", "无锡市监罚〔2026〕1号", "市监许〔二〇二六〕一号", "A", "0号", "1", "①"],
)
def test_a_number_is_no_placeholder(text: str) -> None:
    """An absent value is not one either: it has a reason of its own."""
    assert not is_placeholder(text)


@given(spellings)
def test_a_number_that_is_none_of_the_placeholders_is_left_alone(text: str) -> None:
    """The quick way and the careful way agree, and nothing but a placeholder vanishes."""
    number = normalise_document_number(text)
    assert read_document_number(text) == ("" if is_placeholder(number) else number)


def test_the_licence_number_stands_in_and_then_the_day() -> None:
    """Two licences of one company without document numbers are two records."""
    assert document_key_of("市监许【2026】1号", "SC１", "2026-11-09") == "市监许〔2026〕1号"
    assert document_key_of("无", "SC１", "2026-11-09") == "SC1"
    assert document_key_of("无", "/", "2026-11-09") == "2026-11-09"
    assert document_key_of("无", "", "") == ""
    assert document_key_of("", "SC1", "2026-11-09") == ""


@given(spellings)
def test_canonically_equal_texts_are_equal_numbers(text: str) -> None:
    """Composed and decomposed letters are the same letter."""
    for normalise in (normalise_document_number, normalise_subject_name):
        assert normalise(unicodedata.normalize("NFD", text)) == normalise(text)


@given(spellings)
def test_no_blank_and_no_foreign_bracket_is_left(text: str) -> None:
    """What is compared holds no blank, and brackets in one style only."""
    number, name = normalise_document_number(text), normalise_subject_name(text)
    assert not any(character.isspace() for character in number + name)
    assert not set(number) & set("【】[]﹝﹞（）()［］")
    assert not set(name) & set("【】[]﹝﹞（）〔〕［］")


def test_every_single_character_has_a_stable_form() -> None:
    """All of Unicode, one by one: idempotent, and never longer than its canonical composition."""
    for point in range(sys.maxunicode + 1):
        once = normalise_document_number(chr(point))
        assert normalise_document_number(once) == once, hex(point)


def test_a_run_of_marks_longer_than_any_field_is_left_as_it_stands() -> None:
    """Composing takes the square of its length, and the row is refused as too long anyway."""
    marks = "e" + "\u0301" * 32_000
    assert normalise_document_number(marks) == marks
    assert normalise_subject_name(marks) == marks
    assert normalise_subject_name("e\u0301") == "\xe9"
