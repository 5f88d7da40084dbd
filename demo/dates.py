"""Business dates as the demo prints them, Asia/Shanghai."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Final

DAY_MS: Final = 86_400_000
_SHANGHAI: Final = timezone(timedelta(hours=8))
_WEEKDAYS: Final = "一二三四五六日"


def say_day(at_ms: int) -> str:
    """`09-14 周一`."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(_SHANGHAI)
    return f"{moment:%m-%d} 周{_WEEKDAYS[moment.weekday()]}"


def say_moment(at_ms: int) -> str:
    """`2026-09-14 09:08`."""
    moment = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(_SHANGHAI)
    return f"{moment:%Y-%m-%d %H:%M}"


def day_number(at_ms: int) -> int:
    """Count of days since the epoch, in Shanghai."""
    return (at_ms + 8 * 3_600_000) // DAY_MS


def day_start_ms(number: int) -> int:
    """When such a day begins."""
    return number * DAY_MS - 8 * 3_600_000
