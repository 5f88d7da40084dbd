"""How far a place in a file may lie: what a header `hub_position` may say."""

from typing import Final

MAX_LINES: Final = 2_097_152
"""Rows with and without something in them: two sheets formatted down to their last row."""
MAX_SHEETS: Final = 100
"""Sheets of one workbook; some have one for each district or month."""
