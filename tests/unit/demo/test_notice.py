"""The replaced holiday notice of the demo: one day more is off, and our own count knows it."""

import json
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import yaml

from demo import play as play_module
from demo.account import OutcomeTally
from demo.dates import DAY_MS, day_number
from demo.notice import ADOPTED_AT, DAY_OFF, due_on, replaced
from demo.play import DemoScenario
from demo.schedule import DemoSchedule, read_schedule
from demo.stage import DemoEnvironment
from hub.config.repository import DEPLOY
from hub.config.site import load_site
from hub.core.record import Outcome
from hub.core.state import Clock, ClockFlag, ClockKind
from hub.domain.calendar import WorkingCalendar
from hub.errors import UnavailableError

SITE = DEPLOY / "sites" / "demo"
CALENDAR = DEPLOY / "calendars" / "cn-2007-2026.json"
EPOCH = date(1970, 1, 1)


def calendar_with_notice() -> WorkingCalendar:
    """The hub's reading of the calendar that the demo adopts."""
    return WorkingCalendar.from_mapping(replaced(CALENDAR))


def clock(kind: ClockKind, start: date, flags: int = 0) -> Clock:
    """A running clock counted from a day."""
    return Clock(0, kind, flags, 0, 0, 0, start.toordinal())


def test_the_notice_takes_one_day_off_and_leaves_all_others() -> None:
    """Beside the announced notice it changes the 24th alone, under a version of its own."""
    before = WorkingCalendar.from_mapping(json.loads(CALENDAR.read_text(encoding="utf-8")))
    after = calendar_with_notice()
    assert before.changed_days(after) == {DAY_OFF}
    assert before.is_working_day(DAY_OFF)
    assert before.version != after.version


def test_it_is_adopted_when_the_day_is_over_and_no_file_is_due() -> None:
    """What was due on the day off is overdue by then, and its new date still lies ahead."""
    adopted_on = EPOCH + timedelta(days=day_number(ADOPTED_AT))
    counted_from = DAY_OFF - timedelta(days=8)
    new_date = due_on(clock(ClockKind.DISCLOSE, counted_from))
    assert new_date is not None
    assert DAY_OFF < adopted_on < new_date
    assert all(abs(file.drop_at - ADOPTED_AT) > DAY_MS for file in read_schedule(28).files)


@pytest.mark.parametrize(
    ("kind", "flags", "days"),
    [
        (ClockKind.DISCLOSE, ClockFlag.NONE, 7),
        (ClockKind.DISCLOSE, ClockFlag.CORRECTION, 3),
        (ClockKind.WITHDRAW, ClockFlag.NONE, 3),
    ],
)
def test_our_own_count_is_the_calendars(kind: ClockKind, flags: int, days: int) -> None:
    """For every first day of the play, working or not."""
    calendar = calendar_with_notice()
    for start in (date(2026, 9, 1) + timedelta(days=n) for n in range(40)):
        mine = due_on(clock(kind, start, flags))
        assert mine == calendar.add_working_days(start, days).on, start


def test_our_own_count_says_nothing_of_what_it_does_not_know() -> None:
    """Clocks counted from years whose holidays the demo does not know are left to the hub."""
    assert due_on(clock(ClockKind.DISCLOSE, date(2026, 6, 8))) is None
    assert due_on(clock(ClockKind.DISCLOSE, date.min)) is None


def test_the_site_gets_a_calendar_of_its_own(tmp_path: Path) -> None:
    """The site file names it, and the site is read again."""
    content = yaml.safe_load((SITE / "site.yaml").read_text(encoding="utf-8"))
    content["rulebook"] = str((SITE / content["rulebook"]).resolve())
    content["calendar"] = str(CALENDAR)
    for name in ("secrets", "sources"):
        (tmp_path / name).mkdir()
    source = "sources/transport-cases.yaml"
    (tmp_path / source).write_text((SITE / source).read_text("utf-8"), encoding="utf-8")
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    loaded = load_site(tmp_path)
    made = DemoEnvironment(cast("object", None), loaded, cast("object", None), leashed=False)  # type: ignore[arg-type]
    made.put_calendar(replaced(CALENDAR))
    found = made.loaded.path(made.loaded.site.calendar)
    assert found == tmp_path / "calendar.json"
    read = WorkingCalendar.from_mapping(json.loads(found.read_text(encoding="utf-8")))
    assert not read.is_working_day(DAY_OFF)


class StageOfNotice:
    """Notes what is done to the clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cases = None
        self.loaded = SimpleNamespace(site=SimpleNamespace(cases=None, partitions=2, targets=()))
        self.clock: list[float] = []

    def set_clock(self, now: int, factor: float) -> None:
        """Note the speed."""
        assert now == ADOPTED_AT
        self.clock.append(factor)

    def now(self) -> int:
        """The moment of the adoption, for as long as the clock stands."""
        return ADOPTED_AT

    def supervise(self) -> list[str]:
        """Nothing ends."""
        return []


class AccountOfNotice:
    """Hears of one sweep at each look, as far as they go."""

    def __init__(self, sweeps: int) -> None:
        self._sweeps = sweeps
        self.written: Counter[Outcome] = Counter()
        self.events = Counter(due_date_moved=3)
        self.taken_back = {"a duty": "overdue_taken_back"}
        self.rows_read: Counter[str] = Counter()

    def poll(self, _seconds: float) -> int:
        """The next partition has counted again, until no more do."""
        if self.written[Outcome.SWEEP_ENDED] < self._sweeps:
            self.written[Outcome.SWEEP_ENDED] += 1
        return 0


def play_with(
    tmp_path: Path, account: AccountOfNotice, monkeypatch: pytest.MonkeyPatch, told: list[str]
) -> tuple[DemoScenario, StageOfNotice]:
    """A play without files whose operator adopts nothing."""
    made = StageOfNotice(tmp_path)
    monkeypatch.setattr(play_module, "adopt_notice", lambda _stage: None)
    monkeypatch.setattr(play_module, "_READY_SECONDS", 0.05)
    play = DemoScenario(
        cast("DemoEnvironment", made),
        cast("OutcomeTally", account),
        DemoSchedule((), 0, 0),
        "",
        told.append,
    )
    return play, made


def test_the_clock_stands_until_every_partition_has_counted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a line says how many deadlines moved and how many were overdue no more."""
    told: list[str] = []
    account = AccountOfNotice(sweeps=2)
    play, made = play_with(tmp_path, account, monkeypatch, told)
    play._factor, play._pace = 64.0, 1
    play._adopt_notice()
    assert made.clock == [0, 8.0]
    assert account.written[Outcome.SWEEP_ENDED] == 2
    (line,) = (each for each in told if "☂" in each)
    assert "deadlines moved 3" in line
    assert "overdue taken back 1" in line


def test_a_partition_that_does_not_count_again_ends_the_play(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of two: the demo says so instead of standing for ever."""
    play, _ = play_with(tmp_path, AccountOfNotice(sweeps=1), monkeypatch, [])
    with pytest.raises(UnavailableError, match="has not come to every record"):
        play._adopt_notice()
