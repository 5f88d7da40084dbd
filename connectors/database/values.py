"""Values of a database -> the text a clerk would have written, or the fault they are."""

from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from datetime import time as time_of_day
from decimal import Decimal
from typing import Final
from uuid import UUID

from connectors.cell_text import cell_text

BEIJING: Final = timezone(timedelta(hours=8))
BYTES_FAULT: Final = "BYTES_NOT_TEXT"
_FLAGS: Final = {b"\x00": "0", b"\x01": "1"}
"""MySQL's BIT(1) arrives as one octet."""


def value_text(value: object) -> tuple[str, str]:
    """Return (text, fault code): exact decimals without padding, days without a midnight.

    Moments with a time zone become Beijing time. Anything but a text, number, day or truth value
    (bytes, arrays, documents) is a fault: guessing would put something else on record.
    """
    if isinstance(value, Decimal):
        return _decimal_text(value), ""
    if isinstance(value, datetime) and value.tzinfo is not None:
        with suppress(OverflowError):
            value = value.astimezone(BEIJING)
        value = value.replace(tzinfo=None)
    if isinstance(value, bytes | bytearray | memoryview):
        flag = _FLAGS.get(bytes(value))
        return (flag, "") if flag is not None else ("", BYTES_FAULT)
    if isinstance(value, str):
        return value, ""
    if value is None or isinstance(value, int | float | date | time_of_day | timedelta | UUID):
        return cell_text(value), ""
    return "", BYTES_FAULT


def _decimal_text(value: Decimal) -> str:
    """`20000.00` is 20000, as a spreadsheet shows it: NUMERIC columns pad, clerks do not."""
    if not value.is_finite():
        return str(value)
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def as_stored(moment: datetime | date | int) -> str | int:
    """Return a stamp or number as a cursor entry holds it."""
    if isinstance(moment, datetime) and moment.tzinfo is not None:
        with suppress(OverflowError):  # the first hours of year 1, in Beijing's zone
            moment = moment.astimezone(UTC)
    return moment if isinstance(moment, int) else moment.isoformat()


def as_read(stored: object) -> datetime | date | int:
    """Return what `as_stored` was given. Raises `ValueError`."""
    if isinstance(stored, int):
        return stored
    if not isinstance(stored, str):
        raise ValueError("a stamp is text or a number")  # noqa: TRY004 - one error for the caller
    days = len("2026-01-01")
    return date.fromisoformat(stored) if len(stored) == days else datetime.fromisoformat(stored)
