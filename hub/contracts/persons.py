"""Personal numbers inside texts, in any disguise, and marks that do not belong in a name.

A citizen's number is one however it is written: with dots, slashes, blanks or a line break between
its digits, with invisible characters, in full-width, Chinese or any other script's digits, with
letters that look like digits, with another digit before or after, with the day of birth in words,
as a page's entities. So a text is folded first (one table, one pass), then digits that follow each
other are taken as one chain, and every 18 of a chain are tried: place, birth date and check digit
together hold for one in thirty thousand random ones.

Linear in the text. `needs_a_look` is the quick question, `are_plain` the one for a whole row: they
prove that neither `flaws_of` nor `is_shown_otherwise` finds anything. What the laws ask: natural
persons' identity numbers, bank accounts and telephones are not shown (个人信息保护法 28;
浙江省行政处罚结果信息网上公开暂行办法).
"""

import re
from collections.abc import Callable
from typing import Final
from unicodedata import category, numeric

from hub.domain.credit_code import (
    assess_credit_code,
    is_citizen_id,
    is_masked_citizen_id,
    is_possible_old_citizen_id,
)
from hub.domain.document_number import composed
from hub.domain.region_codes import PROVINCES

# --- folding -------------------------------------------------------------------------------------

_USUAL: Final = (
    "!-\\[\\]-~\u00b7\u00d7\u2013-\u2015\u2018-\u201d\u2022\u2026\u2103\u2116\u3001-\u3029"
    "\u3030-\u303f\u3041-\u3096\u309b-\u30ff\u3105-\u312f\u3131-\u3163\u3165-\u318e"
    "\u3190-\u31e3\u31f0-\u321e\u3220-\ua48c\uac00-\ud7a3\uf900-\ufa6d\uff01-\uff5e\uffe5"
)
"""Characters of Chinese texts without blanks and the backslash."""
_UNUSUAL: Final = re.compile(f"[^{_USUAL}]")
_ODD: Final = re.compile(f"[^\n \\\\\u3000{_USUAL}]")
"""Characters that Chinese texts seldom have; only a text with one is folded, or holds odd marks."""
_ALIKE: Final = {
    **dict.fromkeys("×✕ХхΧχⅩⅹ𝐗𝐱𝑋𝑥𝖷𝗑", "X"), **dict.fromkeys("ОоΟοՕօ", "O"),
    **dict.fromkeys("ІӀΙı", "I"), **dict.fromkeys("ВΒ", "B"),
    **dict.fromkeys("□■▢▣◻◼", "*"), **dict(zip("⠚⠁⠃⠉⠙⠑⠋⠛⠓⠊", "0123456789", strict=True)),
}  # fmt: skip
"""Characters that look like the letter for a check digit of ten, or like those for 0, 1 and 8; that
hide a digit; and the digits of braille."""
_BLANK_LETTERS: Final = "\u115f\u1160\u3164\uffa0\u2800"
"""Letters and a sign that show nothing."""
_MOST_FOLDED: Final = 8192


class _Folding(dict[int, str]):
    """Character to what it means here; filled as characters come, emptied when there are many."""

    def __init__(self, meaning: Callable[[str], str]) -> None:
        super().__init__()
        self._meaning = meaning

    def __missing__(self, code: int) -> str:
        if len(self) >= _MOST_FOLDED:
            self.clear()
        self[code] = meant = self._meaning(chr(code))
        return meant


def _folded(character: str) -> str:
    """An ASCII digit for any script's, nothing for an invisible one, else the character itself."""
    if character in _ALIKE:
        return _ALIKE[character]
    value = numeric(character, -1)
    if value in _DIGITS:
        return str(int(value))
    if character in "○◯〇":
        return "0"
    if "\uff01" <= character <= "\uff5e":
        return chr(ord(character) - 0xFEE0)
    if category(character) in _UNSEEN or character in _BLANK_LETTERS:
        return ""
    return character


def folded(text: str) -> str:
    """A text as it is looked at: any script's digits are ASCII, and nothing in it is unseen."""
    return text if text.isascii() else text.translate(_FOLDING)


_DIGITS: Final = frozenset(range(10))
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Mn", "Me"})
_FOLDING: Final = _Folding(_folded)

# --- marks ---------------------------------------------------------------------------------------

_UNREADABLE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u206f"
    "\ufff0-\ufffb\ufffd-\uffff\\ud800-\\udfff\U000e0000-\U000e00ff\U000f0000-\U0010ffff]"
)
"""Controls, what turns text or tags it, broken characters: nothing a platform should show."""
_NOT_SEEN: Final = re.compile(
    "[\xad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2065\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0]"
)
"""Joiners, fillers and variants that show nothing of their own."""
_DIACRITICS: Final = re.compile(
    "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
)
_IDEOGRAPHS: Final = re.compile(
    "[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufa6d\ufa70-\ufad9\U00020000-\U0002fa1f"
    "\U00030000-\U0003347f]"
)
"""With room for those that Unicode has added since this Python was made (up to Extension J)."""
_IN_NO_NAME: Final = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Me", "Zl", "Zp"})
"""Categories: controls, formats, unassigned, private, halves, marks around a sign, line ends."""
_ORDINARY_BLANKS: Final = "\t\n"
"""Of a cell with line breaks in it; they show as blanks."""


def _shape(character: str) -> str:
    """A character's class for its neighbours: n(o name's), i(deograph), d(igit), m(ark) and so on.

    a(ccent): a mark that composes with most letters. v(ariant): a selector of an ideograph.
    """
    kind = category(character)
    if _IDEOGRAPHS.match(character):
        return "i"
    if "\U000e0100" <= character <= "\U000e01ef":
        return "v"
    if kind in _IN_NO_NAME or "\u20d0" <= character <= "\u20ff":
        return "." if character in _ORDINARY_BLANKS else "n"
    if kind == "Mn":
        return "a" if _DIACRITICS.match(character) else "m"
    return "d" if kind == "Nd" else "."


_SHAPES: Final = _Folding(_shape)
_NOT_AS_IT_SEEMS: Final = re.compile("n|[ivd][am]|aa|[am]{3}|(?<!i)v|vv")
"""In shapes: no name's, a mark on a sign that takes none, stacked marks, a variant of nothing."""


def is_unreadable(text: str) -> bool:
    """Whether a text holds controls, marks of direction or broken characters."""
    return _ODD.search(text) is not None and _UNREADABLE.search(text) is not None


def seen(name: str) -> str:
    """A name as it is shown: without the characters that show nothing."""
    return name if _ODD.search(name) is None else _NOT_SEEN.sub("", name)


def is_shown_otherwise(name: str) -> bool:
    """Whether a name, as `seen` gives it, holds what each machine shows otherwise or not at all.

    An accent that composes with its letter (NFC) is part of a name; so are the vowels and tones of
    scripts that stack two, and every ideograph, with the variant selector that belongs to one.
    """
    return (
        _ODD.search(name) is not None
        and _NOT_AS_IT_SEEMS.search(composed(name).translate(_SHAPES)) is not None
    )


# --- the quick question --------------------------------------------------------------------------

_ONE: Final = (
    "0-9OolIB|\uff10-\uff19ＯｏｌＩＢ｜〇零幺一二三四五六七八九壹贰叁肆伍陆柒捌玖貳參陸〡-〩㈠-㈨㊀-㊈"
    "参叄壱弌弍弎弐兩貮亖仨廾漆㆒-㆕㐅㒃㠪㭍\uf96b\uf978\uf9b2\uf9d1\uf9d3"
)
"""Characters that fold to a digit and are not odd; with those that look like 0, 1 and 8."""
_GAP_ONE: Final = f"[^A-Za-z\\u3400-\\u9fff{_ONE}]*+[{_ONE}]"
_RUN: Final = re.compile(f"[{_ONE}](?:{_GAP_ONE}){{9}}({_GAP_ONE})?")
"""Ten digits, as many as a telephone has, and one more; shorter ones are known by a word in front.
A separator between two digits is not a digit itself, else there were two ways at each."""
_NOUGHTS: Final = "0OoＯｏ\uff10〇零\uf9b2"
"""Of those characters: what folds to a nought, and the letters that look like one."""
_STAR: Final = "*＊#＃XxＸｘ×·•\u25cb\u25cf"
"""Characters that hide a digit."""
_BLOCK: Final = "[_＿]{3}|[?？]{3}|[NＮ]{3}|[.．]{3}|[-－]{3}"
"""Beginnings of what hides several digits at once, and is common elsewhere."""
_STARRED: Final = re.compile(
    f"[{_STAR}…_＿?？NＮ.．\\-－](?<=[{_ONE}].)(?:(?<=[{_STAR}…])|(?<=(?={_BLOCK}).))"
)
"""The sign is looked for and not the digit: there are fewer of them."""
_STARS: Final = re.compile(f"[{_ONE}]{{3}}(?:[{_STAR}]{{3}}|…|{_BLOCK})")
_MARKUP: Final = re.compile(
    "</?[A-Za-z][^<>]{0,64}>|&(?:[A-Za-z]{2,8}|#(?:[0-9]{2,5}|[Xx][0-9A-Fa-f]{2,4}));"
)
"""Of a text that was copied from a page: <br>, &nbsp;, &#51;."""
_CUE: Final = re.compile(
    "身份证|身份号|公民身份|证件号|护照|P(?i:assport)|p(?i:assport)|通行证|回乡证|台胞证|居留证|"
    "居留身份|军官证|士兵证|账号|账户|帐号|帐户|卡号"
)
"""Each begins with a literal character: only so are they looked for quickly."""


def needs_a_look(text: str) -> bool:
    """Whether `flaws_of`, `is_unreadable` or `is_shown_otherwise` could find anything."""
    return _ODD.search(text) is not None or _may_hold(text)


def are_plain(joined: str) -> bool:
    """Whether no text of those that are joined here holds anything, nor a blank or a backslash.

    Ten digits that do not begin with a nought are not a telephone, and shorter ones are
    recognised by a word or by stars: most often they are a year and the number of a document. With
    the word for a year behind they may be a place and a year of birth.
    """
    if (
        _UNUSUAL.search(joined) is not None
        or _STARRED.search(joined) is not None
        or _CUE.search(joined) is not None
        or "<" in joined
        or "&" in joined
    ):
        return False
    for run in _RUN.finditer(joined):  # twice as fast, compiled, as `any`
        if run[1] or run[0][0] in _NOUGHTS or joined[run.end() : run.end() + 1] == "年":
            return False
    return True


def _may_hold(text: str) -> bool:
    """Of a text without odd characters: digits in a row, stars, a telling word, mark-up."""
    return (
        _RUN.search(text) is not None
        or _CUE.search(text) is not None
        or _STARS.search(text) is not None
        or (("<" in text or "&" in text) and _MARKUP.search(text) is not None)
    )


# --- the careful answer --------------------------------------------------------------------------

_CHAIN: Final = re.compile(r"[0-9](?:[\W_]{0,3}[0-9Xx])*")
_NO_DIGIT: Final = re.compile(r"[^0-9Xx]+")
_WIDE_CHAIN: Final = re.compile(r"[0-9lIB](?:[\W_]{0,6}+[0-9XxOolIB]){17,}+")
"""Enough for a citizen's number with wide gaps, and letters in place of 0, 1 and 8; what is
shorter than that (accounts, old numbers) is known by its length, so nothing far off may join it."""
_NO_WIDE_DIGIT: Final = re.compile(r"[^0-9XxOolIB]+")
_LIKE_DIGITS: Final = str.maketrans("OolIB", "00118")
_DATED: Final = re.compile(
    r"(?<![0-9])([1-9][0-9]{5})[\W_]{0,6}((?:18|19|20)[0-9]{2})\s{0,3}年\s{0,3}([0-9]{1,2})\s{0,3}月"
    r"\s{0,3}([0-9]{1,2})\s{0,3}[日号][\W_]{0,6}([0-9]{3}[0-9Xx])(?![0-9])"
)
"""A citizen's number in whose middle the day of birth is written out."""
_SHORTEST_ACCOUNT: Final = 9
_CARD_LENGTHS: Final = range(16, 20)
_OLD_LENGTH, _LENGTH = 15, 18
_LAST_DIGITS: Final = 4
"""Behind the day of birth."""
_SERIALS_FROM: Final = "2014"
"""Place, a day of this year or later and a serial make a 承诺编码 of 20 digits, and others like it:
among more than 18 digits such a day is no birth date."""
_CUE_REACH: Final = 16
"""Characters before a number in which a word says what it is."""
_ID_CUE: Final = re.compile("身份证|身份号|公民身份|证件号")
_ACCOUNT_CUE: Final = re.compile("[账帐]号|[账帐]户|卡号")
_FOREIGN_ID: Final = re.compile(
    "(?:护照|passport|(?:往来|来往)[^0-9A-Za-z]{0,6}通行证|回乡证|台胞证|居留(?:身份)?证|军官证|士兵证)"
    r"(?:[^0-9A-Za-z]|no){0,12}(?:[A-Z]{1,3}[ -]?[0-9]{7,12}|[0-9]{7,10}"
    r"|9[0-9]{16}[0-9X])(?![0-9])",
    re.IGNORECASE,
)
_MASKED: Final = re.compile(
    r"(?<![0-9A-Za-z])[1-9][0-9]{2,15}(?:[0-9]|[*#Xx\u00d7\u00b7\u2022\u25cb\u25cf]){3,14}"
    r"[0-9Xx]?(?![0-9A-Za-z*])"
)
_MASKED_BLOCK: Final = re.compile(
    r"(?<![0-9A-Za-z])([1-9][0-9]{5,13})(…{1,4}|\.{3,12}|_{3,12}|\?{3,12}|N{3,12}|-{3,12})"
    r"([0-9]{0,3}[0-9Xx]|)(?![0-9A-Za-z])"
)
"""The same with one block of what is common elsewhere."""
_LONG_BLOCKS: Final = "…."
"""Marks of an omission: their number says nothing of how many digits are left out."""
_ENTITY: Final = re.compile("&#([0-9]{2,5}|[Xx][0-9A-Fa-f]{2,4});")
_PHONE: Final = re.compile(
    r"(?<![\dA-Za-z.])(?:(?:\+?86[\W_]{0,2})?1[ -]?[3-9](?:[ .·/_\n-]{0,2}\d){9}"
    r"|\(?0\d{2,3}[)-] ?[2-9]\d{6,7})(?![\dA-Za-z.])",
    re.ASCII,
)


def flaws_of(text: str) -> tuple[str, ...]:
    """Reason codes for personal numbers in a text.

    PERSONAL_ID_IN_TEXT: a citizen's number whose place, birth date and check digit hold, or an
    identity document that a word in front names. BANK_CARD_IN_TEXT: a card whose check digit holds.
    Warnings, because nothing proves them: PERSONAL_NUMBER_POSSIBLE (15 digits, stars, an account),
    PHONE_IN_TEXT. A credit code of digits only that passes its own two checks is none (GB 32100).
    """
    if "&#" in text:
        text = _ENTITY.sub(_decoded, text)
    if _ODD.search(text) is not None:
        text = text.translate(_FOLDING)
    if not _may_hold(text):
        return ()
    text = folded(text)
    if "<" in text or "&" in text:
        text = _MARKUP.sub(" ", text)
    found = {_of_chain(text, chain) for chain in _CHAIN.finditer(text)}
    # an upright bar is a gap in a table, or a one
    for form in (text, text.replace("|", "1")) if "|" in text else (text,):
        for chain in _WIDE_CHAIN.finditer(form):
            digits = _NO_WIDE_DIGIT.sub("", chain[0]).translate(_LIKE_DIGITS)
            found.add("PERSONAL_ID_IN_TEXT" if _holds_citizens_number(digits) else "")
    if _FOREIGN_ID.search(text) is not None or any(map(_is_dated, _DATED.finditer(text))):
        found.add("PERSONAL_ID_IN_TEXT")
    if _holds_masked(text):
        found.add("PERSONAL_NUMBER_POSSIBLE")
    if _PHONE.search(text) is not None:
        found.add("PHONE_IN_TEXT")
    found.discard("")
    return tuple(sorted(found))


def _decoded(entity: re.Match[str]) -> str:
    """The character that a page shows for this, or a blank where there is none."""
    said = entity[1]
    code = int(said[1:], 16) if said[0] in "Xx" else int(said)
    return chr(code) if not 0xD800 <= code <= 0xDFFF else " "  # noqa: PLR2004 - halves of characters


def _is_dated(match: re.Match[str]) -> bool:
    """Whether a match of `_DATED` is a citizen's number, whose check digit holds."""
    place, year, month, day, rest = match.groups()
    return _holds_citizens_number(f"{place}{year}{month:0>2}{day:0>2}{rest}")


def _is_masked_by_a_block(match: re.Match[str]) -> bool:
    """Whether a match of `_MASKED_BLOCK` is a citizen's number with digits hidden."""
    before, block, after = match.groups()
    if block[0] not in _LONG_BLOCKS:
        hidden = len(block)
    elif len(after) == _LAST_DIGITS:
        hidden = _LENGTH - len(before) - len(after)
    else:
        return False
    number = f"{before}{'*' * hidden}{after}"
    is_place = number[:2] in PROVINCES
    return is_place and len(number) == _LENGTH and is_masked_citizen_id(number)


def _of_chain(text: str, chain: re.Match[str]) -> str:
    """Name a chain of digits by one code, or return an empty string."""
    digits = _NO_DIGIT.sub("", chain[0])
    if len(digits) < _SHORTEST_ACCOUNT:
        return ""
    if _holds_citizens_number(digits):
        return "PERSONAL_ID_IN_TEXT"
    before = text[max(0, chain.start() - _CUE_REACH) : chain.start()]
    is_account = _ACCOUNT_CUE.search(before) is not None
    if len(digits) in _CARD_LENGTHS and (is_account or digits[:2] == "62") and luhn_holds(digits):
        return "BANK_CARD_IN_TEXT"
    if len(digits) == _OLD_LENGTH and is_possible_old_citizen_id(digits):
        return "PERSONAL_ID_IN_TEXT" if _ID_CUE.search(before) else "PERSONAL_NUMBER_POSSIBLE"
    return "PERSONAL_NUMBER_POSSIBLE" if is_account else ""


def _holds_citizens_number(digits: str) -> bool:
    """Whether any 18 of these, one after the other, are one."""
    for start in range(len(digits) - _LENGTH + 1):
        number = digits[start : start + _LENGTH]
        is_serial = len(digits) > _LENGTH and number[6:10] >= _SERIALS_FROM
        if is_citizen_id(number) and assess_credit_code(number).errors and not is_serial:
            return True
    return False


def luhn_holds(digits: str) -> bool:
    """Whether the check digit of a bank card holds (ISO/IEC 7812-1); not for other than digits."""
    if not digits.isdecimal():
        return False
    doubled = "".join(str(int(each) * 2) for each in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(map(int, doubled))) % 10 == 0


def _holds_masked(text: str) -> bool:
    """Whether a folded text holds a citizen's number with digits hidden."""
    return any(map(_is_masked, _MASKED.finditer(text))) or any(
        map(_is_masked_by_a_block, _MASKED_BLOCK.finditer(text))
    )


def _is_masked(match: re.Match[str]) -> bool:
    """Whether a match of `_MASKED` is a citizen's number of 15 or 18 with digits hidden."""
    return len(match[0]) in {_OLD_LENGTH, _LENGTH} and is_masked_citizen_id(match[0])


def holds_old_or_masked_id(text: str) -> bool:
    """Whether a text holds a citizen's number that proves nothing: of 15 digits, or masked.

    Contracts ask for this by `no_old_or_masked_id`; what the eye takes for a person is one.
    """
    plain = folded(text)
    if _holds_masked(plain):
        return True
    chains = (_NO_DIGIT.sub("", chain[0]) for chain in _CHAIN.finditer(plain))
    return any(map(is_possible_old_citizen_id, chains))
