"""What the agents must find in the files of a play, worked out from the files alone.

A commitment with a last day inside the play and no performance is reminded of once and then stated
as missing; an entry that the court's last full list lacks without an exit is raised with the court.
"""

import csv
import io
from collections.abc import Iterator
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple

from demo.build_dataset import HERE
from demo.dates import DAY_MS, day_number, day_start_ms
from demo.generator.working_days import working_days_before

if TYPE_CHECKING:
    from demo.schedule import DemoSchedule

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()


class Foreseen(NamedTuple):
    """What has to be in the ledger once the play is over, each once."""

    reminded: frozenset[str]
    """Last days of which a reminder is issued."""
    remind_from: int
    """From when on the first of them is owed; business milliseconds, 0 for none."""
    missing: frozenset[str]
    """Numbers of commitments whose performance is missing."""
    exits_missing: frozenset[str]
    """Case numbers of entries that left the list without an exit."""


Place = tuple[str, int]
"""A file of the schedule and the row in it; row 0 is the whole file."""


class EarlyExit(NamedTuple):
    """An exit that was sent before its entry."""

    case_number: str
    exit: Place
    entry: Place


def early_exits(schedule: "DemoSchedule") -> list[EarlyExit]:
    """Exits of the schedule's files whose entry comes with a later file."""
    exits: dict[str, Place] = {}
    found = []
    for file in schedule.files:
        if file.folder == "court-exits":
            exits |= {row["案号"]: (file.path, n) for n, row in enumerate(_read(file.path), 2)}
        elif file.folder == "court-listings":
            for number, row in enumerate(_read(file.path), 2):
                if row["案号"] in exits:
                    place = (file.path, number)
                    found.append(EarlyExit(row["案号"], exits[row["案号"]], place))
    return found


def foresee(schedule: "DemoSchedule", remind_working_days: int) -> Foreseen:
    """Work it out for the files of a schedule, as of its end."""
    promised: dict[str, date] = {}
    for row in _rows(schedule, "commitments"):
        if row["承诺履行状态"]:
            promised.pop(row["承诺编码"], None)
        else:
            promised[row["承诺编码"]] = date.fromisoformat(row["承诺有效期"])
    marks = {
        due.isoformat(): _end_of(working_days_before(due, remind_working_days))
        for due in promised.values()
    }
    reminded = {due for due, mark in marks.items() if mark < schedule.ends_at}
    remind_from = min((marks[due] for due in reminded), default=0)
    missing = {code for code, due in promised.items() if _end_of(due) < schedule.ends_at}
    return Foreseen(frozenset(reminded), remind_from, frozenset(missing), _forgotten(schedule))


def _forgotten(schedule: "DemoSchedule") -> frozenset[str]:
    lists = [file for file in schedule.files if file.folder == "court-snapshots"]
    if not lists:
        return frozenset()
    last = lists[-1]
    on_it = {row["案号"] for row in _read(last.path)}
    left = {row["案号"] for row in _rows(schedule, "court-exits")}
    day = day_start_ms(day_number(last.drop_at))
    listed = {
        row["案号"]
        for file in schedule.files
        if file.folder == "court-listings" and file.drop_at < day
        for row in _read(file.path)
        if row["被执行人类型"] != "自然人"
    }
    return frozenset(listed - left - on_it)


def _rows(schedule: "DemoSchedule", folder: str) -> Iterator[dict[str, str]]:
    for file in schedule.files:
        if file.folder == folder:
            yield from _read(file.path)


def _read(path: str) -> list[dict[str, str]]:
    text = (HERE / "inbox" / path).read_text(encoding="utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _end_of(day: date) -> int:
    """24:00 of a day in Shanghai."""
    return day_start_ms(day.toordinal() - _EPOCH_DAY) + DAY_MS
