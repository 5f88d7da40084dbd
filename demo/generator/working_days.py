"""The four weeks of the demo and their working days, holidays and make-up days of 2026 included.

Source: State Council notice of November 2025, gov.cn/zhengce/zhengceku/202511/content_7047091.htm.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

STARTS_ON: Final = date(2026, 9, 14)
ENDS_ON: Final = date(2026, 10, 11)
OFF_DAYS: Final = frozenset(
    [date(2026, 9, day) for day in (25, 26, 27)] + [date(2026, 10, day) for day in range(1, 8)]
)
"""中秋节 and 国庆节."""
MAKE_UP_DAYS: Final = frozenset([date(2026, 9, 20), date(2026, 10, 10)])
"""A Sunday and a Saturday that are worked."""
_SHANGHAI: Final = timedelta(hours=8)
_SATURDAY: Final = 5


def is_working(day: date) -> bool:
    """Whether the day is worked; right for July to December 2026 only."""
    return day in MAKE_UP_DAYS or (day.weekday() < _SATURDAY and day not in OFF_DAYS)


def days() -> list[date]:
    """Every calendar day of the demo."""
    return [STARTS_ON + timedelta(days=n) for n in range((ENDS_ON - STARTS_ON).days + 1)]


def working_days_before(day: date, count: int) -> date:
    """The day `count` working days before `day`; 0 is `day` itself."""
    while count:
        day -= timedelta(days=1)
        count -= is_working(day)
    return day


def working_days_between(earlier: date, later: date) -> int:
    """How many working days lie after `earlier`, up to and including `later`."""
    span = (later - earlier).days
    return sum(is_working(earlier + timedelta(days=n)) for n in range(1, span + 1))


def business_ms(day: date, at: time) -> int:
    """Milliseconds since the epoch (UTC) of a wall-clock time in Asia/Shanghai."""
    local = datetime.combine(day, at, UTC) - _SHANGHAI
    return int(local.timestamp() * 1000)
