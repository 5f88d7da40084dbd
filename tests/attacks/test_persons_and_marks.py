"""A person's number is one in any dress; a name holds no mark that nobody sees.

At most five cases of each mechanism count. All numbers are made up: place 330900 is a prefecture's
code, which no citizen has, and the cards are the test numbers of no bank. Nothing here needs a
broker.
"""

import csv
import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hub.contracts.persons import (
    are_plain,
    flaws_of,
    folded,
    is_shown_otherwise,
    is_unreadable,
    needs_a_look,
    seen,
)
from tests.contract.test_check import codes, licence

NUMBER = "330900198001010019"
WITH_X = "33090019800101102X"
WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
CHINESE = str.maketrans("0123456789", "〇一二三四五六七八九")
FORMAL = str.maketrans("0123456789", "零壹贰叁肆伍陆柒捌玖")
BOLD = str.maketrans("0123456789", "𝟎𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖𝟗")
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
CIRCLED = str.maketrans("0123456789", "⓪①②③④⑤⑥⑦⑧⑨")
TRADITIONAL = str.maketrans("0123456789", "零壱貳叄肆伍陸漆捌玖")
JAPANESE = str.maketrans("0123456789", "〇弌弐参四五六七八九")
BRAILLE = str.maketrans("0123456789", "⠚⠁⠃⠉⠙⠑⠋⠛⠓⠊")
OLDEST = str.maketrans("0123456789", "零弌弍弎亖五六七八九")
PUBLIC_FIELDS = ("XK_NR", "XK_WSH", "XK_XDR_MC", "BZ")
ID = "PERSONAL_ID_IN_TEXT"
CARD = "6222020200112230004"
"""A made-up card whose check digit holds."""


def is_refused(text: str, code: str = ID) -> bool:
    """Whether a licence that says so is refused for it, in a sentence and alone."""
    whole = [licence(XK_NR=each) for each in (text, f"经查，当事人（{text}）无证经营。")]
    return all(not each.ok and code in {found for found, _ in codes(each)} for each in whole)


@pytest.mark.parametrize(
    "text",
    [
        "330900.1980.0101.0019", "330900/1980/01/01/0019", "330900_19800101_0019",
        "330900－1980－0101－0019", "330900·19800101·0019",
    ],
)  # fmt: skip
def test_groups_do_not_hide_a_number(text: str) -> None:
    """Dots, slashes, low lines, wide dashes, middle dots."""
    assert is_refused(text)


@pytest.mark.parametrize("gap", [" ", "-", ".", " - ", "，"])
def test_digits_apart_do_not_hide_a_number(gap: str) -> None:
    """Each digit by itself, as forms with a box a digit come out."""
    assert is_refused(gap.join(NUMBER))


@pytest.mark.parametrize("gap", ["\n", "\r\n", "\u2028", "\t", "\n  "])
def test_a_wrapped_cell_does_not_hide_a_number(gap: str) -> None:
    """A cell that is too narrow is broken by whoever typed it."""
    flaws = flaws_of(f"{NUMBER[:6]}{gap}{NUMBER[6:]}")
    assert ID in flaws
    assert not licence(XK_NR=f"{NUMBER[:6]}{gap}{NUMBER[6:]}").ok


@pytest.mark.parametrize(
    "mark", ["\u00ad", "\u200e", "\u200b\u200b\u200b\u200b\u200b", "\ufe0f", "\u3164"]
)
def test_what_nobody_sees_does_not_hide_a_number(mark: str) -> None:
    """Soft hyphens, direction marks, five zero-width blanks, variants, fillers."""
    assert is_refused(mark.join(NUMBER))


@pytest.mark.parametrize(
    "digits",
    [WIDE, CHINESE, FORMAL, BOLD, ARABIC, CIRCLED, TRADITIONAL, JAPANESE, OLDEST, BRAILLE],
)
def test_other_digits_do_not_hide_a_number(digits: dict[int, int]) -> None:
    """Wide, Chinese, those of amounts, mathematical, Arabic, circled, traditional, old, felt."""
    assert is_refused(NUMBER.translate(digits))


def test_every_digit_there_is_counts_in_the_quick_question() -> None:
    """Each character that is folded to a digit: were one not counted, it would hide a number."""
    digits = [each for each in map(chr, range(0x30000)) if folded(each) in set("0123456789OolIB|")]
    assert len(digits) > 700
    assert [each for each in digits if not needs_a_look(each * 10)] == []


def test_every_nought_there_is_counts_in_the_question_for_a_row() -> None:
    """A telephone of ten digits begins with one; eleven digits are one whatever they begin with."""
    digits = [each for each in map(chr, range(0x30000)) if folded(each) in set("0123456789")]
    digits += "ＯｏｌＩОıBВ|"
    noughts = [each for each in digits if folded(each) in {"0", "O", "o"}]
    assert len(noughts) > 60
    assert [each for each in noughts if are_plain(f"{each}10-2345678")] == []
    assert [each for each in digits if are_plain(each * 11)] == []


def test_what_is_printed_otherwise_or_is_a_blank_is_not_plain() -> None:
    """A reader has something to do wherever one of these stands."""
    characters = [*map(chr, range(0xD800)), *map(chr, range(0xE000, 0x30000))]
    blanks = [each for each in characters if each.isspace() or not each.isprintable()]
    assert [each for each in [*blanks, "\\"] if are_plain(f"云{each}云")] == []


def test_a_year_and_a_number_are_plain() -> None:
    """Most rows have a document's number of ten digits: they are looked at quickly."""
    assert needs_a_look("示许〔2026〕000003号")
    assert are_plain("示许〔2026〕000003号|2026/11/30|示例公司")
    assert not are_plain("示许〔2026〕000003号|1**")
    assert not are_plain("示许〔2026〕000003号|护照")
    assert not are_plain("示许〔2026〕000003号|示\u200b例公司")


_GAPS = st.sampled_from(["", "", "", "-", " ", ".", ")", ") ", "\n", "|", "，", "，，，"])
_STRETCHES = st.one_of(
    st.tuples(st.text("0123456789", min_size=1, max_size=18), _GAPS).map(lambda x: x[1].join(x[0])),
    st.text("0123456789０１２９〇零一二九壹玖OolIB|ＯｏｌＩＢ｜Оı", min_size=1, max_size=18),
    st.text("0123456789*＊＃XxＸｘ×·•○●□…_?N-.", min_size=1, max_size=18),
    st.sampled_from(
        [
            NUMBER, WITH_X, CARD, "13900000000", "+86 139", "010-2345678", "(0571)2345678",
            "(0571", "3309008001011", "330900********0018", "330900********18", "330900Ｘ", "A",
            "330900", "1980年01月01日", "0019",
            "１９８０年１月１日", "…", "……", "________", "？？？？？？？？", "NNNNNNNN", "--------",
            "&#51;", "&#x33;", "年", "月", "日", "1980", "01",
            "往来港澳通行证", "通行证", "证件号", "身份证", "回乡证", "台胞证", "居留证",
            "居留身份证", "军官证", "护照", "passport", "账号", "卡号", "no", "E1234567", "1234567",
            "<br>", "&nbsp;", "\u200b", "\u0301", "云", "\n", "\ue863",
            "示许〔2026〕000003号", "2026/11/30",
        ]
    ),
    st.text(max_size=2),
)  # fmt: skip
_CELLS = st.lists(_STRETCHES, max_size=5).map("".join)


@given(st.lists(_CELLS, min_size=1, max_size=4))
@example(["示许〔2026〕000003号", "0571)2345678"])
@example(["03", "1234567890"])
@example(["330900*19*0101*018"])
@example(["3309001980年01月01日0019"])
@example(["示许〔2026〕000003号330900-1980年1月1日0019"])
@example(["330900…0019"])
@example(["330900--------0019"])
@example(["3|||||||9801010019"])
def test_what_is_plain_has_nothing_in_any_cell(cells: list[str]) -> None:
    """The quick answer for a row is the careful one for each of its cells."""
    if not are_plain(";".join(cells)):
        return
    assert [flaws_of(cell) for cell in cells] == [()] * len(cells)
    assert not any(map(is_unreadable, cells))
    assert not any(map(is_shown_otherwise, cells))


@given(_CELLS)
def test_what_needs_no_look_has_nothing(cell: str) -> None:
    """Nothing is found, and nothing in it is unseen."""
    if needs_a_look(cell):
        return
    assert flaws_of(cell) == ()
    assert seen(cell) == cell
    assert not is_unreadable(cell)
    assert not is_shown_otherwise(cell)


@pytest.mark.parametrize("word", ["居留证", "居留身份证"])
def test_a_permit_of_residence_is_a_persons(word: str) -> None:
    """Its old name and its new one, with its number behind."""
    assert is_refused(f"外国人永久{word}号码 E123456789")
    assert is_refused(f"外国人永久{word}：933090198001010018")


@pytest.mark.parametrize("star", "*＊#＃XxＸｘ")
def test_a_masked_number_is_possibly_one(star: str) -> None:
    """Wide letters too."""
    assert flaws_of(f"330900{star * 8}0018") == ("PERSONAL_NUMBER_POSSIBLE",)


@pytest.mark.parametrize("sign", "□■_?N-？＿Ｎ－")
def test_a_number_masked_by_another_sign_is_possibly_one(sign: str) -> None:
    """As many as are hidden; a neighbour more or less is a number of something else."""
    assert flaws_of(f"330900{sign * 8}0019") == ("PERSONAL_NUMBER_POSSIBLE",)
    assert flaws_of(f"33090019800101{sign * 3}9") == ("PERSONAL_NUMBER_POSSIBLE",)
    assert flaws_of(f"33090019800101{sign * 4}") == ("PERSONAL_NUMBER_POSSIBLE",)
    if sign not in "□■":
        assert flaws_of(f"330900{sign * 7}0019") == ()
        assert flaws_of(f"930900{sign * 8}0019") == ()


@pytest.mark.parametrize("sign", ["…", "……", "...", "．．．．．．"])
def test_a_number_with_an_omission_is_possibly_one(sign: str) -> None:
    """Place and last four digits, or the year of birth as well; a range of numbers is none."""
    assert flaws_of(f"身份证号330900{sign}0019") == ("PERSONAL_NUMBER_POSSIBLE",)
    assert flaws_of(f"3309001980{sign}001X") == ("PERSONAL_NUMBER_POSSIBLE",)
    for text in (f"930900{sign}0019", f"330900{sign}019", f"33090{sign}0019", f"330900{sign}00190"):
        assert flaws_of(text) == ()


@pytest.mark.parametrize(
    "text",
    [
        "330900 1980年01月01日 0019", "330900，1980年1月1日，0019", "3309001980年1月1号0019",
        "330900－１９８０ 年 １ 月 １ 日－００１９", "330900一九八〇年〇一月〇一日0019",
    ],
)  # fmt: skip
def test_a_day_of_birth_in_words_does_not_hide_a_number(text: str) -> None:
    """Place, day and the rest together are the number: its check digit holds."""
    assert is_refused(text)
    assert flaws_of("330900 1980年01月01日 0018") == ()
    assert flaws_of("330900 1980年13月01日 0019") == ()


@pytest.mark.parametrize(
    "form",
    [lambda c: f"&#{ord(c)};", lambda c: f"&#x{ord(c):x};", lambda c: f"&#X{ord(c):X};"],
    ids=["decimal", "hexadecimal", "large"],
)
def test_entities_of_a_page_do_not_hide_a_number(form: Callable[[str], str]) -> None:
    """All of it or one digit; wide and Arabic digits, too; half a character is nothing."""
    assert is_refused("".join(map(form, NUMBER)))
    assert is_refused(NUMBER[:5] + form(NUMBER[5]) + NUMBER[6:])
    assert is_refused("".join(map(form, NUMBER.translate(ARABIC))))
    assert flaws_of("&#xd800;") == ()


@pytest.mark.parametrize(
    ("digit", "sign"), [("1", "|"), ("1", "｜"), ("8", "B"), ("8", "Ｂ"), ("8", "В")]
)
def test_signs_that_look_like_digits_do_not_hide_a_number(digit: str, sign: str) -> None:
    """An upright bar, a letter; a bar between the parts of a number is a gap as before."""
    assert is_refused(NUMBER.replace(digit, sign))
    assert is_refused(NUMBER.replace(digit, sign).replace("0", "O"))
    assert is_refused("|".join((NUMBER[:6], NUMBER[6:14], NUMBER[14:])))
    assert flaws_of("330900198001010018".replace(digit, sign)) == ()


@pytest.mark.parametrize("letters", ["0O", "0o", "1l", "1I"])
def test_letters_that_look_like_digits_do_not_hide_a_number(letters: str) -> None:
    """All of them or one, at the beginning too; what is no number with digits is none so."""
    digit, letter = letters[0], letters[1]
    assert is_refused(NUMBER.replace(digit, letter))
    assert is_refused(NUMBER[:8] + NUMBER[8:].replace(digit, letter, 1))
    assert flaws_of("3309OO198OO1O1OO18") == ()
    beijing = "110000198001010019"
    assert is_refused(beijing)
    assert is_refused("l" + beijing[1:])


@pytest.mark.parametrize("alike", ["Ｏｌ", "ｏＩ", "ОІ", "Οı"])
def test_letters_of_elsewhere_that_look_like_digits_do_not_hide_a_number(alike: str) -> None:
    """Wide, Cyrillic, Greek ones."""
    assert is_refused(NUMBER.translate(str.maketrans("01", alike)))
    assert is_refused(NUMBER.replace("0", alike[0]))


@pytest.mark.parametrize(
    "gap", [" " * 6, "\n\n\n\n", "\t\t\t\t", "<br>", "<br/>\n<BR />", "&nbsp;&nbsp;", "&#160;"]
)
def test_wide_gaps_and_markup_do_not_hide_a_number(gap: str) -> None:
    """Columns of a text, and what was copied from a page."""
    assert is_refused(gap.join((NUMBER[:6], NUMBER[6:14], NUMBER[14:])))


def test_what_stands_far_off_is_no_part_of_an_account() -> None:
    """A card and an old number are known by their length: wide gaps join to them nothing."""
    assert flaws_of(f"{CARD}      2026") == ("BANK_CARD_IN_TEXT",)
    assert flaws_of("身份证330900800101001     2026") == (ID,)


@pytest.mark.parametrize("cross", ["x", "Ｘ", "Х", "×", "Ⅹ"])
def test_another_cross_does_not_hide_a_number(cross: str) -> None:
    """The check digit of ten: small, wide, Cyrillic, a sign, the Roman ten."""
    assert is_refused(WITH_X[:-1] + cross)


@pytest.mark.parametrize(
    "text", [f"9{NUMBER}", f"{NUMBER}1", f"A{NUMBER}B", f"1{WITH_X}2", NUMBER * 2]
)
def test_neighbours_do_not_hide_a_number(text: str) -> None:
    """A digit before or after it, letters, two numbers on end."""
    assert is_refused(text)


@pytest.mark.parametrize("field", PUBLIC_FIELDS)
def test_every_text_is_looked_at(field: str) -> None:
    """Also the document number, the subject's name and the remark."""
    text = "330900.1980.0101.0019"
    assert (ID, field) in codes(licence(**{field: text}))


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("身份证330900800101001", ID), ("（330900800101001）", "PERSONAL_NUMBER_POSSIBLE"),
        ("330900********0019", "PERSONAL_NUMBER_POSSIBLE"),
        ("330900.800101.001", "PERSONAL_NUMBER_POSSIBLE"),
        ("３３０９００＊＊＊＊＊＊＊＊００１９", "PERSONAL_NUMBER_POSSIBLE"),
    ],
)  # fmt: skip
def test_old_and_masked_numbers_are_told_of(text: str, code: str) -> None:
    """Nothing proves them, so only the word in front makes them certain."""
    assert code in flaws_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "护照号E12345678",
        "护照：EJ1234567",
        "往来港澳通行证C12345678",
        "台胞证 01234567",
        "passport no. G12345678",
    ],
)
def test_other_identity_documents_are_known_by_the_word_in_front(text: str) -> None:
    """Their numbers prove nothing alone: a licence may be called E12345678."""
    assert is_refused(text)
    assert flaws_of("许可证编号E12345678") == ()


@pytest.mark.parametrize(
    "text", [CARD, " ".join(CARD), CARD.translate(WIDE), f"卡号{CARD}", f"{CARD[:4]}-{CARD[4:]}"]
)
def test_a_bank_card_is_refused(text: str) -> None:
    """A card's check digit holds (ISO/IEC 7812), in whatever dress."""
    assert is_refused(text, "BANK_CARD_IN_TEXT")


def test_a_bank_account_is_told_of() -> None:
    """A treasury's is in many decisions, so it is a warning; a wrong check digit is no card."""
    assert flaws_of("账号：33050166123400000123") == ("PERSONAL_NUMBER_POSSIBLE",)
    assert flaws_of("6222020200112230005") == ()


@pytest.mark.parametrize(
    "text",
    [
        "1 3800138000",
        "138.0013.8000",
        "138\u00ad0013\u00ad8000",
        "一三八〇〇一三八〇〇〇",
        "１３８００１３８０００",
    ],
)
def test_a_telephone_is_told_of_in_any_dress(text: str) -> None:
    """A warning: it may be an office's."""
    assert "PHONE_IN_TEXT" in flaws_of(text)


@pytest.mark.parametrize(
    "name",
    [
        "云屿\ue863贸易有限公司", "云屿a\u0301\u0302\u0303贸易有限公司", "云\u0336屿贸易有限公司",
        "云屿\u20dd贸易有限公司", "云屿a\U000e0100贸易有限公司", "云屿\U0001d173贸易有限公司",
        "云屿\u2028贸易有限公司", "云屿\x85贸易有限公司", "云屿\u0600贸易有限公司",
        "云屿\u0378贸易有限公司", "云屿\u3040贸易有限公司", "云屿\U0003fffd贸易有限公司",
        "云屿\U000e01f0贸易有限公司", "云屿\U000e0fff贸易有限公司", "云\u3099屿贸易有限公司",
        "云\u302a屿贸易有限公司", "云屿\ua670贸易有限公司", "云a\u0489屿贸易有限公司",
        "云屿９\u0301贸易有限公司", "云\U000e0100\u0301屿贸易有限公司",
        "云屿ก\u0e47\u0e48\u0e47贸易有限公司", "云屿q\u0301\u0301贸易有限公司",
    ],
)  # fmt: skip
def test_a_name_each_machine_shows_otherwise_is_refused(name: str) -> None:
    """Private, unassigned and format characters, line separators; and marks nobody's script has.

    Stacked, struck through, around, on an ideograph or a digit, a variant of no ideograph.
    """
    assert codes(licence(XK_XDR_MC=name)) == [("NAME_NOT_SHOWABLE", "XK_XDR_MC")]


@pytest.mark.parametrize("mark", ["\u200e", "\u200f", "\u061c", "\u202e", "\U000e0041"])
def test_marks_that_turn_a_text_are_refused(mark: str) -> None:
    """What is read is not what stands there; in any text, not in names alone."""
    for field in ("XK_XDR_MC", "XK_NR"):
        assert ("VALUE_UNREADABLE", field) in codes(licence(**{field: f"云屿{mark}贸易"}))


@pytest.mark.parametrize("mark", ["\u00ad", "\u200b", "\u3164", "\ufe0f", "\u2060"])
def test_marks_that_show_nothing_are_left_out_of_a_name(mark: str) -> None:
    """The public sees, and a receipt says, the name without them; it is the same record."""
    marked = licence(XK_XDR_MC=f"云屿{mark}贸易有限公司", XK_FRDB=f"甲{mark}某")
    plain = licence(XK_XDR_MC="云屿贸易有限公司", XK_FRDB="甲某")
    assert marked.ok
    assert marked.canonical["XK_XDR_MC"] == "云屿贸易有限公司"
    assert marked.canonical["XK_FRDB"] == "甲某"
    assert marked.content == plain.content


@pytest.mark.parametrize(
    "name",
    [
        "𠮷野商贸有限公司",
        "㐂乐食品厂",
        "葛󠄀城商行",
        "Café Zürich（舟山）有限公司",
        "阿不都·买买提商店",
        "\U00031350记商行\U0002ebf0",
        "が行ガ商店",
        "か\u3099商店",
        "Công ty Việt（舟山）",
        "Vie\u0302\u0323t商行",
        "น้ำ餐厅",
        "云屿\u3000商行\u00a0分店",
        "云屿😀商行〇〇七々",
    ],
)
def test_legal_names_stay_as_they_are(name: str) -> None:
    """Ideographs of all extensions with their variants, accents that compose, middle dots.

    Kana, two marks of a script that stacks them, blanks, pictures.
    """
    assert not is_shown_otherwise(name)
    assert seen(name) == name
    assert licence(XK_XDR_MC=name).ok


def test_random_serials_are_seldom_taken_for_persons() -> None:
    """Of 20 000 random numbers of 18 to 22 digits fewer than 12 are."""
    draw = random.Random(20_261_130)
    serials = ("".join(draw.choices("0123456789", k=draw.randint(18, 22))) for _ in range(20_000))
    assert sum(ID in flaws_of(each) for each in serials) < 12


@pytest.mark.parametrize(
    "text",
    [
        "云市监许〔2026〕第330900号", "罚款人民币1,234,567.89元，其中2026-01-02缴纳500,000.00元",
        "2019-01-01至2020-12-31，2021-01-01至2022-12-31", "产品批号20260101/20260102/20260103",
        "承诺编码33090020260915000001至33090020260915000099",
        "东经122.207216，北纬29.985295；高程12.5米",
    ],
)  # fmt: skip
def test_what_texts_hold_every_day_is_no_person(text: str) -> None:
    """Document numbers, amounts, periods, batches, coordinates."""
    assert ID not in flaws_of(text)
    assert "BANK_CARD_IN_TEXT" not in flaws_of(text)


def test_numbers_of_place_day_and_serial_are_no_persons() -> None:
    """One in eleven has the check digit of a person's number somewhere inside."""
    codes_of_a_day = [f"33090020260915{serial:06}" for serial in range(300)]
    assert [each for each in codes_of_a_day if flaws_of(each)] == []
    assert is_refused(f"1{NUMBER}")


@pytest.mark.reference
def test_no_cell_of_the_real_tables_is_taken_for_a_person() -> None:
    """Half a million cells, each by itself and each row as one text; docs/security.md says so."""
    found = []
    for path in sorted(Path(os.environ["HUB_REFERENCE_DATA"]).rglob("*.csv")):
        with path.open(encoding=encoding_of(path), newline="", errors="strict") as file:
            for row in csv.reader(file):
                found += [code for cell in row for code in flaws_of(cell)]
                found += [cell for cell in row if len(cell) < 256 and is_shown_otherwise(cell)]
    assert found == []


def encoding_of(path: Path) -> str:
    """UTF-8 where it is, else what Chinese Windows writes."""
    try:
        path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        return "gb18030"
    return "utf-8-sig"


@pytest.mark.parametrize(
    "text",
    [
        "1" * 200_000, "1 " * 100_000, "1\u00ad" * 100_000, "330900198001010018" * 11_000,
        "身份证" * 60_000, "1**" * 60_000, "a\u0301\u0302" * 60_000,
        "a" + "\u0301\u0316" * 60_000, "１" * 9 + "." * 60_000, ("〇" + "." * 6_000) * 9,
        ("㈠" * 9 + "." * 100 + "经") * 500, "1......" * 17_000, ("1......" * 16 + "Z") * 1_000,
        "330900…" * 20_000, "3309001980年1月1日" * 10_000, "|B" * 60_000, "&#51;" * 40_000,
        "330900" + "N" * 120_000, "<a" * 60_000 + "1234567890",
        "&a" * 60_000 + "1234567890", "lI" * 60_000,
    ],
)  # fmt: skip
def test_time_is_linear_in_the_text(text: str) -> None:
    """Twice the text is twice the time, with the greatest possible margin for a busy machine."""

    def seconds(part: str) -> float:
        began = time.process_time()
        flaws_of(part)
        needs_a_look(part)
        is_shown_otherwise(part)
        return time.process_time() - began

    half = min(seconds(text[: len(text) // 2]) for _ in range(2))
    assert seconds(text) < 6 * half + 0.2
    assert seconds(text) < 3.0


@pytest.mark.parametrize("field", ["XK_XDR_MC", "XK_WSH"])
@pytest.mark.parametrize("marks", ["\u0301\u0316" * 32_000, "１" * 9 + "." * 64_000])
def test_a_cell_no_field_holds_costs_the_registrar_nothing(field: str, marks: str) -> None:
    """It decides for everybody: of a name too long only what it may have is judged."""
    began = time.process_time()
    answer = licence(**{field: f"a{marks}"})
    assert time.process_time() - began < 1.0
    assert ("FIELD_TOO_LONG", field) in codes(answer)


def test_a_name_too_long_is_judged_by_what_it_may_have() -> None:
    """A name has 200 characters: what stands beyond is refused for its length alone."""
    too_long = ("FIELD_TOO_LONG", "XK_XDR_MC")
    assert codes(licence(XK_XDR_MC="云" * 201 + "\ue863")) == [too_long]
    assert ("NAME_NOT_SHOWABLE", "XK_XDR_MC") in codes(licence(XK_XDR_MC="云" * 200 + "\ue863"))
