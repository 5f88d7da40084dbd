"""Amounts of money as submitted: exact decimals in 万元 (10,000 yuan) with six places, N(18,6).

Six places of 万元 are one hundredth of a fen, so an honest amount never needs rounding; more digits
mean a binary fraction or a wrong unit, and are refused instead of rounded. Decided here:

* well-formed thousands commas are accepted (`1,234.5`, as in real registers), malformed are not;
* zeros beyond the sixth place are dropped, because that changes nothing;
* a unit, a sign, a currency mark, a range or `1e5` is unreadable: `5000元` in a column of 万元 is
  exactly the mistake that must not pass.
"""

import re
from decimal import Decimal
from typing import Final, NamedTuple

from hub.domain.remembering import remembered

_PLACES: Final = 6
_WHOLE_DIGITS: Final = 12
#: A cell longer than this is no amount; bounds the work and what the cache keeps.
_LONGEST: Final = 64

_AMOUNT: Final = re.compile(r"([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(?:\.([0-9]+))?")
_HALF_WIDTH: Final = {0xFEE0 + ord(character): character for character in "0123456789.,"}


class AmountReading(NamedTuple):
    """`text`: canonical `12.500000` in 万元, "" when absent or refused; `reason`: "" when fine."""

    text: str
    reason: str


_ABSENT: Final = AmountReading("", "")
_UNREADABLE: Final = AmountReading("", "AMOUNT_UNREADABLE")


@remembered(20_000)
def read_amount(text: str) -> AmountReading:
    """Read an amount in 万元; an empty text is an absent amount, not an error.

    Reasons: AMOUNT_UNREADABLE, AMOUNT_TOO_PRECISE (more than six places), AMOUNT_TOO_LARGE (more
    than twelve digits before the point).
    """
    text = text.strip()
    if not text:
        return _ABSENT
    if len(text) > _LONGEST:
        return _UNREADABLE
    found = _AMOUNT.fullmatch(text if text.isascii() else text.translate(_HALF_WIDTH))
    if found is None:
        return _UNREADABLE
    whole = found[1].replace(",", "").lstrip("0") or "0"
    places = (found[2] or "").rstrip("0")
    if len(places) > _PLACES:
        return AmountReading("", "AMOUNT_TOO_PRECISE")
    if len(whole) > _WHOLE_DIGITS:
        return AmountReading("", "AMOUNT_TOO_LARGE")
    return AmountReading(f"{whole}.{places:0<6}", "")


def amount_of(canonical: str) -> Decimal:
    """The exact value in 万元 of a canonical text, such as `12.500000`."""
    return Decimal(canonical)
