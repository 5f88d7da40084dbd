"""Nouns of the field: codes, numbers, amounts, calendars, rulebooks, reasons. Pure."""
