"""Values of cells as people read them, whether a workbook holds them or a database."""

from datetime import datetime, time
from decimal import Decimal
from math import isfinite

from openpyxl.utils.escape import unescape


def cell_text(value: object) -> str:
    """Return what a cell says: shortest exact decimals, ISO dates, TRUE/FALSE, text unchanged.

    Text is unescaped as the format prescribes (`_x000D_` is a carriage return).
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return unescape(value) if "_x" in value else value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float):
        return number_text(value)
    if isinstance(value, datetime):
        return str(value) if value.time() != time(0) else value.date().isoformat()
    return str(value)


def number_text(value: float) -> str:
    """Return the shortest decimal that is exactly this number: no exponent, no trailing `.0`."""
    if isinstance(value, int):
        return str(value)
    if not isfinite(value):
        return repr(value)
    text = format(Decimal(repr(value)), "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
