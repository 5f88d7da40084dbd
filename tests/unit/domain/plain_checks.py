"""The four check digits written as the standards print them: slow, obvious, independent of hub."""

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
CREDIT_WEIGHTS = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
CITIZEN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def credit_check_character(body: str) -> str:
    """Character 18 of GB 32100 for the first seventeen."""
    total = sum(
        ALPHABET.index(character) * weight
        for character, weight in zip(body, CREDIT_WEIGHTS, strict=True)
    )
    return ALPHABET[(31 - total % 31) % 31]


def organisation_check_character(body: str) -> str:
    """Character 9 of GB 11714 for the first eight (A=10 … Z=35)."""
    total = sum(
        int(character, 36) * weight
        for character, weight in zip(body, ORGANISATION_WEIGHTS, strict=True)
    )
    return {10: "X", 11: "0"}.get(11 - total % 11, str(11 - total % 11))


def citizen_check_character(body: str) -> str:
    """Character 18 of GB 11643 for the first seventeen digits."""
    total = sum(int(digit) * weight for digit, weight in zip(body, CITIZEN_WEIGHTS, strict=True))
    return "10X98765432"[total % 11]


def registration_check_digit(body: str) -> str:
    """Digit 15 of a registration number (ISO/IEC 7064 MOD 11,10) for the first fourteen."""
    product = 10
    for digit in body:
        total = (product + int(digit)) % 10
        product = (total or 10) * 2 % 11
    return str((11 - product) % 10)


def fault_of(text: str) -> str:
    """The fault of a credit code by the plain rules: length, charset, check_digit or ""."""
    if len(text) != 18:
        return "length"
    if any(character not in ALPHABET for character in text):
        return "charset"
    return "" if credit_check_character(text[:17]) == text[17] else "check_digit"
