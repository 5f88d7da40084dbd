"""Amounts in 万元: exact, six places, nothing rounded and nothing guessed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.amounts import amount_of, read_amount

amounts = st.decimals(0, Decimal("999999999999.999999"), places=6)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("12.5", "12.500000"),
        ("0", "0.000000"),
        ("10", "10.000000"),
        ("007.10", "7.100000"),
        ("1,234.5", "1234.500000"),
        ("１，２３４．５", "1234.500000"),
        (" 3.000001 ", "3.000001"),
        ("12.50000000", "12.500000"),
        ("999999999999.999999", "999999999999.999999"),
        ("", ""),
        ("  ", ""),
    ],
)
def test_an_amount_becomes_canonical_text(written: str, canonical: str) -> None:
    """Six places always; full width, thousands commas and needless zeros do not matter."""
    assert read_amount(written) == (canonical, "")


@pytest.mark.parametrize(
    "written",
    [
        *("1e5", "1E-3", "NaN", "inf", "-1", "+1", "5万元", "5元", "￥5", "1,23", "1,2345"),
        *("12,345,6", ".5", "5.", "1.2.3", "1 000", "1_000", "5-10", "五", "٣", "暂无", "\\N"),
        *("0x10", "9" * 65),
    ],
)
def test_what_is_not_plainly_a_number_is_unreadable(written: str) -> None:
    """Float notation, signs, units, ranges and broken grouping are refused, never guessed."""
    assert read_amount(written) == ("", "AMOUNT_UNREADABLE")


@pytest.mark.parametrize("written", ["0.0000001", "0.30000000000000004", "1.1234567"])
def test_more_than_six_places_is_refused_and_not_rounded(written: str) -> None:
    """A seventh place is a binary fraction or a wrong unit, not a sum of money."""
    assert read_amount(written) == ("", "AMOUNT_TOO_PRECISE")


@pytest.mark.parametrize("written", ["1000000000000", "9999999999999.5", "1,000,000,000,000"])
def test_more_than_twelve_digits_is_too_large(written: str) -> None:
    """N(18,6) leaves twelve digits before the point."""
    assert read_amount(written) == ("", "AMOUNT_TOO_LARGE")


@given(amounts)
def test_no_amount_of_the_column_changes_its_value(amount: Decimal) -> None:
    """Every value of N(18,6) survives, with and without commas, and reads the same again."""
    for written in (f"{amount:f}", f"{amount:,.6f}"):
        text, reason = read_amount(written)
        assert reason == ""
        assert amount_of(text) == amount
        assert read_amount(text) == (text, "")


@given(st.text(max_size=80))
def test_any_text_is_answered_with_an_amount_or_a_reason(text: str) -> None:
    """No text raises, and a reason never comes with an amount."""
    canonical, reason = read_amount(text)
    assert not (canonical and reason)
    assert canonical or reason or not text.strip()
