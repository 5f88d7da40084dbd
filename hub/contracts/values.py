"""Values of fields: one function per `type_hint`, text in, canonical text or flaws out.

Two texts that mean the same (another date separator, a label for a digit) get the same canonical
text; the content digest and everything that is shown are made of canonical texts. All functions are
total: any text is answered. None of the answers holds personal text it was not given.
"""

import re
from collections.abc import Callable
from hashlib import sha256
from typing import Final, NamedTuple

from hub.contracts.persons import flaws_of, is_shown_otherwise, is_unreadable, needs_a_look, seen
from hub.contracts.schema import Field, Hint, Required
from hub.domain.amounts import UNITS, read_amount
from hub.domain.as_typed import ABSENT, is_placeholder, unwrapped
from hub.domain.code_lists import read_code
from hub.domain.credit_code import (
    assess_credit_code,
    is_registration_number,
    organisation_part_is_valid,
)
from hub.domain.dates import read_date, read_month, read_valid_to

SEALED_PREFIX: Final = "sealed:v1:"


class Flawed(NamedTuple):
    """A value with reasons: what could be made of it, and the codes of what is wrong or odd."""

    text: str
    codes: tuple[str, ...]


Reader = Callable[[str], "str | Flawed"]
"""Canonical text when there is nothing to say about it, else `Flawed`."""


class Memo(dict[str, "str | Flawed"]):
    """Remembers what a reader answered; forgets everything when full, which costs 1 in `limit`.

    Dates, coded values, offices' codes repeat in nearly every row; a subscript costs 40 ns. Texts
    longer than any honest value are answered but not kept, so memory stays bounded.
    """

    __slots__ = ("_limit", "_reader")
    _LONGEST: Final = 256

    def __init__(self, reader: Reader, limit: int) -> None:
        super().__init__()
        self._reader = reader
        self._limit = limit

    def __missing__(self, text: str) -> "str | Flawed":
        answer = self._reader(text)
        if len(text) <= self._LONGEST:
            if len(self) >= self._limit:
                self.clear()
            self[text] = answer
        return answer


# --- free text ---------------------------------------------------------------------------------

_EDGES: Final = (
    " \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007"
    "\u2008\u2009\u200a\u200b\u200c\u200d\u200e\u200f\u2028\u2029\u202f\u205f\u2060\u3000\ufeff"
)
_FULL_WIDTH: Final = {
    **{0xFEE0 + byte: chr(byte) for byte in range(0x21, 0x7F)},
    0x3000: " ",
    **dict.fromkeys((0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2212), "-"),
    **dict.fromkeys((0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF), ""),
}


_NAME_LENGTH: Final = 255
"""The longest name of a column: an authority's."""


def clean(text: str) -> str:
    """Text without blanks around it and with one kind of line end; an export's null is absent."""
    text = text.strip(_EDGES).replace("\r\n", "\n").replace("\r", "\n")
    return "" if text == ABSENT else text


def free_text(field: Field, normalise: Callable[[str], str] | None = None) -> Reader:
    """The careful reader of a free text: required, length in characters, characters, persons.

    A name is what identifies a record, or a text of at most `_NAME_LENGTH` characters: nothing in
    it is invisible, or shown by each machine otherwise. `normalise` gives the canonical text of an
    identity field (document number, subject name).
    """
    is_name = field.identity is not None or (field.length or _NAME_LENGTH + 1) <= _NAME_LENGTH

    def read(text: str) -> str | Flawed:
        text = clean(text)
        is_suspect = needs_a_look(text)
        if is_suspect and is_name:
            text = seen(text)
        codes = list(flaws_of(text)) if is_suspect else []
        if not text and field.required is Required.ALWAYS:
            codes.append(field.reason_missing)
        name = text
        if field.length is not None and len(text) > field.length:
            codes.append("FIELD_TOO_LONG")
            name = text[: field.length + 1]
        if is_suspect and is_unreadable(text):
            codes.append("VALUE_UNREADABLE")
        elif is_suspect and is_name and is_shown_otherwise(name):
            codes.append("NAME_NOT_SHOWABLE")
        canonical = normalise(text) if normalise is not None else text
        return Flawed(canonical, tuple(codes)) if codes else canonical

    return read


# --- everything else -----------------------------------------------------------------------------


def _dated(reading: Callable[[str], tuple[str, object, str]]) -> Reader:
    def read(text: str) -> str | Flawed:
        canonical, _, reason = reading(text)
        return Flawed(text, (reason,)) if reason else canonical

    return read


def _amount(field: Field) -> Reader:
    unit = UNITS[field.unit]

    def read(text: str) -> str | Flawed:
        canonical, reason = read_amount(text, unit)
        return Flawed(text, (reason,)) if reason else canonical

    return read


_COUNT: Final = re.compile(r"[0-9]{1,12}|[0-9]{1,3}(?:,[0-9]{3}){1,3}")


def _count(field: Field) -> Reader:
    """A whole number of things: digits, thousands commas allowed; canonical without both."""

    def read(text: str) -> str | Flawed:
        text = clean(text).translate(_FULL_WIDTH)
        if text and _COUNT.fullmatch(text) is None:
            return Flawed(text, ("COUNT_UNREADABLE",))
        number = str(int(text.replace(",", ""))) if text else ""
        if field.length is not None and len(number) > field.length:
            return Flawed(number, ("FIELD_TOO_LONG",))
        return number

    return read


def _month(text: str) -> str | Flawed:
    canonical, reason = read_month(clean(text))
    return Flawed(text, (reason,)) if reason else canonical


def _coded(field: Field) -> Reader:
    def read(text: str) -> str | Flawed:
        reading = read_code(field.code_list, text)
        codes = list(flaws_of(reading.note)) if reading.note else []
        if reading.reason:
            return Flawed(text, (field.reason_invalid or reading.reason,))
        if field.length is not None and len(reading.text) > field.length:
            codes.append("FIELD_TOO_LONG")
        return Flawed(reading.text, tuple(codes)) if codes else reading.text

    return read


def _credit_code(text: str) -> str | Flawed:
    code, errors, warnings = assess_credit_code(text)
    if errors == ("CREDIT_CODE_MISSING",):
        return ""
    return Flawed(code, errors + warnings) if errors or warnings else code


_ORGANISATION_CODE_LENGTH: Final = 9
_TAX_NUMBER_LENGTHS: Final = frozenset({15, 17, 18, 20})
_REGISTRATION_NUMBER_LENGTHS: Final = frozenset({13, 15, 18})


def _is_doubtful(field: Field, number: str) -> bool:
    """Whether a number older than the credit code fails its check digit or usual length."""
    if field.hint is Hint.ORGANISATION_CODE:
        is_whole = len(number) == _ORGANISATION_CODE_LENGTH
        return not (is_whole and organisation_part_is_valid("0" * 8 + number))
    if field.hint is Hint.TAX_NUMBER:
        return len(number) not in _TAX_NUMBER_LENGTHS
    if field.hint is Hint.REGISTRATION_NUMBER:
        fifteen = 15
        if len(number) == fifteen:
            return not is_registration_number(number)
        return len(number) not in _REGISTRATION_NUMBER_LENGTHS
    return False


def _old_number(field: Field) -> Reader:
    def read(text: str) -> str | Flawed:
        number = unwrapped(clean(text).translate(_FULL_WIDTH))
        if is_placeholder(number):
            return ""
        if field.hint is Hint.ORGANISATION_CODE:
            number = number.replace("-", "")  # D2143569-X in old data
        number = number.upper()
        codes = [code for code in flaws_of(number) if code == "PERSONAL_ID_IN_TEXT"]
        if field.length is not None and len(number) > field.length:
            codes.append("FIELD_TOO_LONG")
        elif number and _is_doubtful(field, number):
            codes.append("OLD_NUMBER_DOUBTFUL")
        return Flawed(number, tuple(codes)) if codes else number

    return read


def _sealed(text: str) -> str | Flawed:
    """A sealed text is kept as it is: its length is not the length of what is inside."""
    if not text or text.startswith(SEALED_PREFIX):
        return text
    return Flawed("", ("PERSONAL_FIELD_NOT_SEALED",))


def _choice(allowed: frozenset[str], reason: str) -> Reader:
    def read(text: str) -> str | Flawed:
        text = clean(text)
        return text if not text or text in allowed else Flawed(text, (reason,))

    return read


def _hexadecimal(field: Field) -> Reader:
    whole = re.compile(rf"[0-9a-f]{{0,{field.length or 64}}}")

    def read(text: str) -> str | Flawed:
        return text if whole.fullmatch(text) else Flawed(text, ("VALUE_UNREADABLE",))

    return read


_READERS: Final[dict[Hint, Callable[[Field, frozenset[str]], Reader]]] = {
    Hint.DATE: lambda _, __: _dated(read_date),
    Hint.DATE_TO: lambda _, __: _dated(read_valid_to),
    Hint.AMOUNT: lambda field, _: _amount(field),
    Hint.COUNT: lambda field, _: _count(field),
    Hint.MONTH: lambda _, __: _month,
    Hint.CODE: lambda field, _: _coded(field),
    Hint.CODE_SET: lambda field, _: _coded(field),
    Hint.CREDIT_CODE: lambda _, __: _credit_code,
    Hint.ORGANISATION_CODE: lambda field, _: _old_number(field),
    Hint.REGISTRATION_NUMBER: lambda field, _: _old_number(field),
    Hint.TAX_NUMBER: lambda field, _: _old_number(field),
    Hint.NUMBER: lambda field, _: _old_number(field),
    Hint.KIND: lambda _, row_kinds: _choice(row_kinds, "UNKNOWN_KIND"),
    Hint.CHOICE: lambda field, _: _choice(frozenset(field.choices), "CODE_UNKNOWN"),
    Hint.HEX: lambda field, _: _hexadecimal(field),
}
"""The reader of every hint but `text` and `framed`, before requiredness."""


def value_reader(field: Field, row_kinds: frozenset[str]) -> Reader:
    """Return the reader of a field that is not free text: its hint, then requiredness."""
    reader = _sealed if field.sealed else _READERS[field.hint](field, row_kinds)
    if field.required is not Required.ALWAYS:
        return reader
    missing = field.reason_missing

    def read(text: str) -> str | Flawed:
        answer = reader(text)
        return Flawed("", (missing,)) if answer == "" else answer

    return read


def octets_digest(octets: bytes) -> str:
    """Represent bytes (a framed row, sealed cells) by their SHA-256, in hex."""
    return sha256(octets).hexdigest()
