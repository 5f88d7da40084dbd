"""A holiday notice that replaces the announced one in the middle of the play.

Invented: on 23 September a storm makes the 24th, a Thursday, a day off. The operator loads the
notice on the 26th, when what was due on the 24th is written as overdue already.
"""

import json
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any, Final

from demo.generator.working_days import business_ms, is_working
from demo.stage import DemoEnvironment
from hub.core.state import Clock, ClockFlag, ClockKind
from hub.operations.control import adopt_basis

DAY_OFF: Final = date(2026, 9, 24)
ADOPTED_AT: Final = business_ms(date(2026, 9, 26), time(10))
"""When the operator adopts it, business milliseconds: on a day off, no file is due."""
NOTICE: Final = {
    "year": 2026,
    "id": "2026-storm",
    "replaces": "2026",
    "announced_on": "2026-09-23",
    "source": "演示虚构：台风期间调整 2026 年中秋节假期的通知 / invented for the demo",
    "days": [{"name": "中秋节", "date": DAY_OFF.isoformat(), "isOffDay": True}],
}
_DISCLOSE_DAYS, _OTHER_DAYS = 7, 3
"""Working days of the rulebook: to show a decision; to correct or withdraw one."""
_SPEAKS_FROM: Final = date(2026, 8, 1)
"""`is_working` knows the second half of 2026."""
_ONE_DAY: Final = timedelta(days=1)


def adopt_notice(stage: DemoEnvironment) -> None:
    """Put the notice beside the others into a new calendar of the site, and adopt that."""
    site = stage.loaded.site
    stage.put_calendar(replaced(stage.loaded.path(site.calendar)))
    adopt_basis(stage.loaded, stage.access)


def replaced(calendar: Path) -> dict[str, Any]:
    """The calendar of this file with the notice, under a version of its own."""
    content: dict[str, Any] = json.loads(calendar.read_text(encoding="utf-8"))
    notices = [*content["notices"], NOTICE]
    return content | {"version": f"{content['version']}-storm", "notices": notices}


def due_on(clock: Clock) -> date | None:
    """The last day of a clock by the demo's own count under the notice; None before it knows."""
    start = date.fromordinal(max(clock.counted_from, 1))
    if start < _SPEAKS_FROM:
        return None
    is_disclosure = clock.kind is ClockKind.DISCLOSE and not clock.flags & ClockFlag.CORRECTION
    day, left = start, _DISCLOSE_DAYS if is_disclosure else _OTHER_DAYS
    while left:
        day += _ONE_DAY
        left -= is_working(day) and day != DAY_OFF
    return day
