"""文书号 and 相对人名称 in the form that decides identity; what is shown stays as submitted.

One decision is written `市住建建罚（2019）9号` here and `市住建建罚〔2019〕9号` there; six bracket
styles, full-width digits and inner blanks occur in real numbers. Letters keep their case. Width and
brackets are folded by table and not by Unicode NFKC, which would also turn ① into 1, № into No and
㎡ into m2 and so make different numbers equal; only canonical composition (NFC) is applied.
"""

import re
from typing import Final
from unicodedata import normalize

from hub.domain.as_typed import is_placeholder, unwrapped
from hub.domain.remembering import bounded_cache

#: Opening and closing forms seen in real document numbers, and their full- or half-width twins.
_OPENING: Final = "【[﹝（(［〔"
_CLOSING: Final = "】]﹞）)］〕"
_DASHES: Final = "‐‑‒–—―−－﹣"
_MIDDLE_DOTS: Final = "•‧∙⋅・･"
_INVISIBLE: Final = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u200b\u200c\u200d"
    "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\u2066\u2067\u2068"
    "\u2069\u206a\u206b\u206c\u206d\u206e\u206f\u3164\ufe0e\ufe0f\ufeff\uffa0"
)
_BLANKS: Final = (
    "\t\n\v\f\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)

_WIDTH: Final[dict[int, str | None]] = {
    **{0xFEE0 + byte: chr(byte) for byte in range(0x21, 0x7F)},
    **dict.fromkeys(map(ord, _INVISIBLE + _BLANKS)),
    **dict.fromkeys(map(ord, _DASHES), "-"),
}
#: GB/T 9704-2012 writes the year in 六角括号 〔〕, so that is the canonical form.
_NUMBER_TABLE: Final[dict[int, str | None]] = {
    **_WIDTH,
    **dict.fromkeys(map(ord, _OPENING), "〔"),
    **dict.fromkeys(map(ord, _CLOSING), "〕"),
}
_NAME_TABLE: Final[dict[int, str | None]] = {
    **_WIDTH,
    **dict.fromkeys(map(ord, _OPENING), "("),
    **dict.fromkeys(map(ord, _CLOSING), ")"),
    **dict.fromkeys(map(ord, _MIDDLE_DOTS), "·"),
}

#: Texts of these characters alone are their own normal form (no mark can combine with them).
_PLAIN_NUMBER: Final = re.compile(r"[0-9A-Za-z〔〕\u4e00-\u9fff./-]*")
#: A plain number with a digit in it: no placeholder has any but noughts.
_PLAIN_AND_COUNTED: Final = re.compile(
    r"[0A-Za-z〔〕\u4e00-\u9fff./-]*[1-9][0-9A-Za-z〔〕\u4e00-\u9fff./-]*"
)
_PLAIN_NAME: Final = re.compile(r"[0-9A-Za-z()·\u4e00-\u9fff.&-]*")

LONGEST: Final = 4_000
"""Characters of the longest field there is; a longer number or name is refused as too long."""


def normalise_document_number(text: str) -> str:
    """The number for comparing: brackets as 〔〕, half width, no blanks; idempotent.

    Marks of a spreadsheet around it (`="…"`, a leading apostrophe) are not part of it.
    """
    if _PLAIN_NUMBER.fullmatch(text):
        return text
    return unwrapped(composed(text.translate(_NUMBER_TABLE)))


def read_document_number(text: str) -> str:
    """The number for comparing, or "" for a placeholder (无, /, ***) in its place."""
    if _PLAIN_AND_COUNTED.fullmatch(text):
        return text
    number = normalise_document_number(text)
    return "" if is_placeholder(number) else number


def document_key_of(document_number: str, licence_number: str, decided_on: str) -> str:
    """Return the document number in a record's identity, or its substitute.

    Where the number is a placeholder, the licence number (许可编号) takes its place; with neither,
    the day of decision (`2026-01-02`). "" where the number is absent, or has no substitute.
    """
    number = read_document_number(document_number)
    if number or not is_placeholder(document_number):
        return number
    return read_document_number(licence_number) or decided_on


@bounded_cache(50_000)
def normalise_subject_name(text: str) -> str:
    """The name for comparing: brackets as (), half width, no blanks, one middle dot; idempotent.

    Legal form, former names and abbreviations are left alone: that is the base registry's business.
    """
    if _PLAIN_NAME.fullmatch(text):
        return text
    return unwrapped(composed(text.translate(_NAME_TABLE)))


def composed(text: str) -> str:
    """NFC, which takes the square of a run of marks: what no field holds is left as it is."""
    return normalize("NFC", text) if len(text) <= LONGEST else text
