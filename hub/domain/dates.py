"""Dates as departments write them: three separators, two compact forms, empty dates of systems.

Accepted: `2026-01-02`, `2026/1/2`, `2026.1.2` (one separator throughout: the rule in live use),
`20260102` (the form of the provincial data-element books), `2026年1月2日`, each also with a time of
day behind it, which exports of databases append and which is dropped. A day alone, `03/29/2018`
and `2014年12月` are unreadable: the hub does not guess which number is the month, or the day.

Years outside 1900 to 2199 are unreadable. 2099-12-31 means "for the long term" (长期).
Placeholders that systems write for "no date" get a reason of their own, because the remedy differs
from that of a typing mistake.

Days of business begin and end at 00:00 Asia/Shanghai, which has been UTC+8 all year since 1991.
"""

import re
from datetime import date, timedelta
from typing import Final, NamedTuple

from hub.domain.as_typed import is_placeholder
from hub.domain.remembering import bounded_cache

#: The agreed value for 长期 in a valid-to column.
LONG_TERM: Final = date(2099, 12, 31)

LAST_MOMENT: Final = 253_370_736_000_000
"""The year 9999 in Shanghai, milliseconds: what followers must write as a date lies before it."""
_FIRST_YEAR: Final = 1900
_LAST_YEAR: Final = 2199
HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * HOUR_MS
_SHANGHAI_MS: Final = 8 * 3_600_000
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()

_SEPARATED: Final = re.compile(
    r"([0-9]{4})(?:([-/.])([0-9]{1,2})\2([0-9]{1,2})|年([0-9]{1,2})月([0-9]{1,2})日)"
    r"(?:[T ]+[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?)?"
)
_MONTH: Final = re.compile(r"([12][0-9]{3})(?:[-/.年]?(0[1-9]|1[0-2])|[-/.年]([1-9]))")
_COMPACT: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_HALF_WIDTH: Final = {
    **{0xFEE0 + ord(character): character for character in "0123456789-/.: T"},
    0x3000: " ",
}
#: A cell longer than this is not a date; bounds the work and what the cache keeps.
_LONGEST: Final = 40

#: First days of the epochs of Excel, LibreOffice, SQL Server, Unix and .NET; empty MySQL dates.
_EMPTY_DATES: Final = frozenset(
    "1899-12-31 1899-12-30 1900-01-00 1900-01-01 1970-01-01 0001-01-01 0000-00-00".split()  # noqa: SIM905 - a table reads better
)
_LONG_TERM_WORDS: Final = frozenset(
    ("长期", "长期有效", "永久", "永久有效", "无固定期限", "9999-12-31")
)


class DateReading(NamedTuple):
    """`text`: ISO `2026-01-02`, "" when absent or refused; `on`: the day; `reason`: "" if fine."""

    text: str
    on: date | None
    reason: str


_ABSENT: Final = DateReading("", None, "")
_SENTINEL: Final = DateReading("", None, "DATE_SENTINEL")
_UNREADABLE: Final = DateReading("", None, "DATE_UNREADABLE")
_LONG_TERM_READING: Final = DateReading(LONG_TERM.isoformat(), LONG_TERM, "")


@bounded_cache(20_000)
def read_date(text: str) -> DateReading:
    """Read a date; an empty text is an absent date, not an error.

    Reasons: DATE_SENTINEL (a system's or a person's "no date"), DATE_UNREADABLE.
    """
    text = text.strip()
    if not text:
        return _ABSENT
    if len(text) > _LONGEST:
        return _UNREADABLE
    if not text.isascii():
        text = text.translate(_HALF_WIDTH)
    if is_placeholder(text):
        return _SENTINEL
    return _reading_of(text)


@bounded_cache(20_000)
def read_valid_to(text: str) -> DateReading:
    """Read a valid-to date as `read_date`; 长期 and its like are 2099-12-31.

    So is 9999-12-31, the "for ever" of databases.
    """
    if text.strip() in _LONG_TERM_WORDS:
        return _LONG_TERM_READING
    return read_date(text)


def _reading_of(text: str) -> DateReading:
    """Read a trimmed half-width text that is not a placeholder word."""
    found = _SEPARATED.fullmatch(text)
    if found is not None:
        year, month, day = int(found[1]), int(found[3] or found[5]), int(found[4] or found[6])
    else:
        found = _COMPACT.fullmatch(text)
        if found is None:
            return _UNREADABLE
        year, month, day = int(found[1]), int(found[2]), int(found[3])
    iso = f"{year:04}-{month:02}-{day:02}"
    if iso in _EMPTY_DATES:
        return _SENTINEL
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return _UNREADABLE
    try:
        return DateReading(iso, date(year, month, day), "")
    except ValueError:  # no such day
        return _UNREADABLE


def day_start_ms(on: date) -> int:
    """The first millisecond of a business day (00:00 Asia/Shanghai), since the epoch in UTC."""
    return (on.toordinal() - _EPOCH_DAY) * _DAY_MS - _SHANGHAI_MS


def due_at_ms(on: date) -> int:
    """The end of a business day (24:00 Asia/Shanghai): done at or after this is late."""
    return day_start_ms(on) + _DAY_MS


def day_of_ms(at_ms: int) -> date:
    """The business day (Asia/Shanghai) of a moment in milliseconds since the epoch."""
    return date.fromordinal((at_ms + _SHANGHAI_MS) // _DAY_MS + _EPOCH_DAY)


def month_days(month: str) -> tuple[date, date]:
    """First and last day of `2026-10`. Raises `ValueError` for any other form."""
    first = date.fromisoformat(f"{month}-01")
    following = date(first.year + first.month // 12, first.month % 12 + 1, 1)
    return first, following - timedelta(days=1)


def two_months(on: date) -> list[tuple[date, date]]:
    """First and last days of the month of a day, and of the one before."""
    first, last = month_days(on.isoformat()[:7])
    before = first - timedelta(days=1)
    return [(first, last), month_days(before.isoformat()[:7])]


def read_month(text: str) -> tuple[str, str]:
    """Read a month: (`2026-10`, reason). An empty text is absent, not an error.

    Accepted: `2026-10`, `2026/10`, `2026.10`, `202610`, `2026年10月`; a day is not a month. The
    reason is MONTH_UNREADABLE or "".
    """
    text = text.strip().translate(_HALF_WIDTH).removesuffix("月")
    found = _MONTH.fullmatch(text)
    if found is None:
        return "", "MONTH_UNREADABLE" if text else ""
    return f"{found[1]}-{found[2] or found[3]:0>2}", ""
