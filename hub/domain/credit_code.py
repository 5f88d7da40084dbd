"""Identifiers of subjects: 统一社会信用代码 and the older numbers that turn up in its place.

Sources: GB 32100-2015 (credit code), GB 11714-1997 (organisation code inside it), GB 11643-1999
(citizen number), the MOD 11,10 of ISO/IEC 7064 for 15-digit registration numbers (工商注册号).
All functions are total: any text is answered, nothing raises.

The weighted sums are computed as one number in a base that is congruent to the weights' common
ratio, because `int(text, base)` runs in C: GB 32100 weights are 3^i mod 31 and 34 = 3 (mod 31);
GB 11714 weights are 3*6^i mod 11, 6 is 1/2 and 35 = 2 (mod 11); GB 11643 weights are 2^(17-i) mod
11 and 13 = 2 (mod 11). The tests repeat each check digit by digit.
"""

import re
from datetime import date
from enum import StrEnum
from typing import Final, NamedTuple

from hub.domain.as_typed import unwrapped
from hub.domain.region_codes import PROVINCES, REGION_CODES
from hub.domain.remembering import bounded_cache

CREDIT_CODE_LENGTH: Final = 18
_CITIZEN_ID_LENGTH: Final = 18
_REGISTRATION_NUMBER_LENGTH: Final = 15

#: The 31 characters of GB 32100: digits and capitals without I, O, S, V, Z.
ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"

#: Digits of Python's `int(…, 34)` in the order of ALPHABET.
_BASE_34: Final = b"0123456789abcdefghijklmnopqrstu"
#: Bytes outside the alphabet become "!", which `int` refuses (a blank or "_" it would accept).
_TO_BASE_34: Final = bytes(
    _BASE_34[ALPHABET.index(chr(byte))] if chr(byte) in ALPHABET else ord("!")
    for byte in range(256)
)
_VALUES: Final = {character: value for value, character in enumerate(ALPHABET)}

#: First character: registering department; second: kinds it registers (GB 32100, amendment 1).
REGISTRY_TYPES: Final = frozenset(
    department + kind
    for department, kinds in {
        "1": "1239",  # 机构编制: 机关, 事业单位, 群团, 其他
        "2": "19",  # 外交
        "3": "123459",  # 司法行政: 律所, 公证处, 基层法律服务所, 司法鉴定机构, 仲裁委员会
        "4": "19",  # 文化
        "5": "1239",  # 民政: 社会团体, 民办非企业单位, 基金会
        "6": "19",  # 旅游
        "7": "129",  # 宗教
        "8": "19",  # 工会
        "9": "123",  # 市场监管: 企业, 个体工商户, 农民专业合作社
        "A": "19",  # 中央军委
        "N": "1239",  # 农业: 组级, 村级, 乡镇级集体经济组织
        "Y": "1",  # 其他
    }.items()
    for kind in kinds
)

#: Residence permits carry 81/82/83 (83: Taiwan), which the citizen table does not all have.
_CITIZEN_PREFIXES: Final = PROVINCES | {"81", "82", "83"}
_FULL_WIDTH: Final = {0xFEE0 + byte: chr(byte) for byte in range(0x21, 0x7F)}
_INVISIBLE: Final = dict.fromkeys((0x200B, 0x200C, 0x200D, 0x200E, 0x200F, 0x2060, 0xFEFF, 0xAD))
_FOLD: Final[dict[int, str | None]] = {**_FULL_WIDTH, **_INVISIBLE}


class CodeFault(StrEnum):
    """Why a text is not a credit code of GB 32100; the first that applies, in this order."""

    LENGTH = "length"
    CHARSET = "charset"
    CHECK_DIGIT = "check_digit"


_FAULT_REASONS: Final = {
    CodeFault.LENGTH: ("CREDIT_CODE_LENGTH",),
    CodeFault.CHARSET: ("CREDIT_CODE_CHARSET",),
    CodeFault.CHECK_DIGIT: ("CREDIT_CODE_CHECK_DIGIT",),
}


class CreditCodeAssessment(NamedTuple):
    """A normalised code with reason codes: usable as a key when `errors` is empty."""

    code: str
    errors: tuple[str, ...]
    warnings: tuple[str, ...]


def normalise_credit_code(text: str) -> str:
    """Half width, upper case, no blanks or invisible characters; idempotent; "" stays "".

    Marks of a spreadsheet around a code (`="91…"`, `'91…`) are not part of it.
    """
    if not text.isascii():
        text = text.translate(_FOLD)
    return unwrapped("".join(text.upper().split()))


def check_credit_code(text: str) -> CodeFault | None:
    """The GB 32100-2015 check of a normalised code: its first fault, or None when it holds.

    Lower case or blanks are faults here: normalise first.
    """
    if len(text) != CREDIT_CODE_LENGTH:
        return CodeFault.LENGTH
    try:
        # Reversed, so that character i counts 34^i, which is the weight 3^i modulo 31.
        number = int(text[16::-1].encode("ascii").translate(_TO_BASE_34), 34)
    except ValueError:  # UnicodeEncodeError is one too
        return CodeFault.CHARSET
    check = _VALUES.get(text[17])
    if check is None:
        return CodeFault.CHARSET
    # The second "mod 31" of the standard is the sum form: a sum of 0 asks for check character 0.
    return None if (number + check) % 31 == 0 else CodeFault.CHECK_DIGIT


def organisation_part_is_valid(text: str) -> bool:
    """Whether characters 9 to 17 of an 18-character credit code pass GB 11714 (check 0-9 or X).

    The text must have passed `check_credit_code`; False for anything that cannot be read.
    """
    check = text[16:17]
    try:
        number = 2 * int(text[8:16], 35)
        return (number + (10 if check == "X" else int(check))) % 11 == 0
    except ValueError:
        return False


def is_citizen_id(text: str) -> bool:
    """Whether the text is an 18-character citizen number (GB 11643): place, date, check digit.

    A lower-case x counts as X. Says nothing about 15-digit old numbers, which have no check.
    """
    if len(text) != _CITIZEN_ID_LENGTH or text[:2] not in _CITIZEN_PREFIXES:
        return False
    body, check = text[:17], text[17]
    if not (body.isascii() and body.isdigit()) or check not in "0123456789Xx":
        return False
    if (2 * int(body, 13) + (10 if check in "Xx" else int(check))) % 11 != 1:
        return False
    return _is_birth_date(text[6:14])


def is_registration_number(text: str) -> bool:
    """Whether the text is a 15-digit registration number: ISO/IEC 7064 MOD 11,10 check."""
    if len(text) != _REGISTRATION_NUMBER_LENGTH or not (text.isascii() and text.isdigit()):
        return False
    product = 10
    for digit in text[:14]:
        product = ((product + int(digit)) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(text[14])


def is_possible_old_citizen_id(text: str) -> bool:
    """Whether 15 digits could be a citizen number issued before 1999 (no check digit to prove it).

    Registration numbers of the same length are distinguished by their own check digit. Guards the
    sealing of personal numbers, not acceptance: such a text is never a credit code.
    """
    return (
        len(text) == _REGISTRATION_NUMBER_LENGTH
        and text.isascii()
        and text.isdigit()
        and text[:2] in _CITIZEN_PREFIXES
        and _is_birth_date("19" + text[6:12])
        and not is_registration_number(text)
    )


_MASKED: Final = re.compile(
    "[1-9][0-9]{2,15}[*#Xx\u00d7\u00b7\u2022\u25cb\u25cf]{3,14}[0-9Xx]{0,4}"
)
_MASKED_LENGTHS: Final = range(11, 23)


def is_masked_citizen_id(text: str) -> bool:
    """Whether a half-width text could be a citizen's number with some of its digits hidden.

    With month and day hidden, as court sites do it, 32 to 35 numbers fit: it is the number.
    """
    return len(text) in _MASKED_LENGTHS and _MASKED.fullmatch(text) is not None


@bounded_cache(100_000)
def assess_credit_code(text: str) -> CreditCodeAssessment:
    """Normalise and judge a submitted code: reason codes of errors and of warnings.

    A failed GB 11714 check inside a good code is only a warning (79 of 1.1 million real codes),
    unless the value is a citizen number: those can pass GB 32100 by chance (1 in 31).
    """
    code = normalise_credit_code(text)
    if not code:
        return CreditCodeAssessment("", ("CREDIT_CODE_MISSING",), ())
    fault = check_credit_code(code)
    organisation_holds = fault is None and organisation_part_is_valid(code)
    if not organisation_holds and is_citizen_id(code):
        return CreditCodeAssessment(code, ("CREDIT_CODE_IS_CITIZEN_ID",), ())
    if fault is not None:
        return CreditCodeAssessment(code, _FAULT_REASONS[fault], ())
    return CreditCodeAssessment(
        code,
        (),
        () if organisation_holds and _is_familiar(code) else _warnings(code, organisation_holds),
    )


def _is_familiar(code: str) -> bool:
    """Whether registry type and region are in today's tables."""
    return code[2:8] in REGION_CODES and code[:2] in REGISTRY_TYPES


def _warnings(code: str, organisation_holds: bool) -> tuple[str, ...]:  # noqa: FBT001 - private
    """Return the oddities of a code that passes GB 32100, as reason codes."""
    found = []
    if not organisation_holds:
        found.append("ORGANISATION_CODE_CHECK")
    if code[2:8] not in REGION_CODES:
        found.append("REGION_UNKNOWN")
    if code[:2] not in REGISTRY_TYPES:
        found.append("REGISTRY_TYPE_UNKNOWN")
    return tuple(found)


def _is_birth_date(digits: str) -> bool:
    """Whether eight ASCII digits are a day that exists, from 1850 to 2099."""
    try:
        born_on = date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return date(1850, 1, 1) <= born_on <= date(2099, 12, 31)
