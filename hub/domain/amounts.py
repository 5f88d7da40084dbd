"""Amounts of money as submitted: exact decimals, in 万元 (10,000 yuan) or, by courts, in 元 (yuan).

Penalties are stated in 万元 with six places, N(18,6), which is one hundredth of a fen; courts state
元 with two, N(18,2). So an honest amount never needs rounding; more digits mean a binary fraction
or a wrong unit, and are refused instead of rounded. Decided here:

* well-formed thousands commas are accepted (`1,234.5`, as in real registers), malformed are not;
* zeros beyond the last place are dropped, because that changes nothing;
* a unit, a sign, a currency mark, a range or `1e5` is unreadable: `5000元` in a column of 万元 is
  exactly the mistake that must not pass.
"""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final, NamedTuple

from hub.domain.remembering import LONGEST

_DIGITS: Final = 18
#: A cell longer than this is not an amount; bounds the work and what the cache keeps.
_LONGEST: Final = 64

_AMOUNT: Final = re.compile(r"([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.([0-9]+))?")
_HALF_WIDTH: Final = {0xFEE0 + ord(character): character for character in "0123456789.,"}


class Unit(NamedTuple):
    """A unit of money: decimal places, and the reason codes of the three ways to be wrong in it."""

    places: int
    unreadable: str
    too_precise: str
    too_large: str


TEN_THOUSAND: Final = Unit(6, "AMOUNT_UNREADABLE", "AMOUNT_TOO_PRECISE", "AMOUNT_TOO_LARGE")
YUAN: Final = Unit(2, "AMOUNT_YUAN_UNREADABLE", "AMOUNT_YUAN_TOO_PRECISE", "AMOUNT_YUAN_TOO_LARGE")
UNITS: Final = {"万元": TEN_THOUSAND, "元": YUAN}
"""The units a contract may name."""


class AmountReading(NamedTuple):
    """`text`: canonical `12.500000`, "" when absent or refused; `reason`: "" when fine."""

    text: str
    reason: str


_ABSENT: Final = AmountReading("", "")


def read_amount(text: str, unit: Unit = TEN_THOUSAND) -> AmountReading:
    """Read an amount in a unit; an empty text is an absent amount, not an error.

    Reasons, in 万元: AMOUNT_UNREADABLE, AMOUNT_TOO_PRECISE (more than six places), AMOUNT_TOO_LARGE
    (more than twelve digits before the point); in 元 their namesakes, with two places and sixteen.
    """
    return _remembered(text, unit) if len(text) <= LONGEST else _read_amount(text, unit)


def _read_amount(text: str, unit: Unit) -> AmountReading:
    text = text.strip()
    if not text:
        return _ABSENT
    if len(text) > _LONGEST:
        return AmountReading("", unit.unreadable)
    found = _AMOUNT.fullmatch(text if text.isascii() else text.translate(_HALF_WIDTH))
    if found is None:
        return AmountReading("", unit.unreadable)
    whole = found[1].replace(",", "").lstrip("0") or "0"
    places = (found[2] or "").rstrip("0")
    if len(places) > unit.places:
        return AmountReading("", unit.too_precise)
    if len(whole) > _DIGITS - unit.places:
        return AmountReading("", unit.too_large)
    return AmountReading(f"{whole}.{places:0<{unit.places}}", "")


_remembered: Final = lru_cache(maxsize=20_000)(_read_amount)


def amount_of(canonical: str) -> Decimal:
    """The exact value of a canonical text, such as `12.500000`, in its unit."""
    return Decimal(canonical)
