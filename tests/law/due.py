"""What a record's state says is owed: the one place that reads clocks for these tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hub.core.state import ClockFlag, ClockKind
from hub.domain.dates import day_of_ms, due_at_ms

if TYPE_CHECKING:
    from datetime import date

    from hub.core.state import RecordState


class OpenDuty(NamedTuple):
    """A clock that still runs: what is owed (`disclose`, `correct`, `withdraw`, `end`) and by when.

    `target` is its number; due at the end (24:00 Asia/Shanghai) of `on`.
    """

    what: str
    target: int
    on: date
    is_provisional: bool
    is_estimated: bool


def running(state: RecordState) -> list[OpenDuty]:
    """Every clock of a record that has neither been met nor run out."""
    found = []
    for clock in state.clocks:
        if clock.flags & ClockFlag.STOPPED:
            continue
        what = {
            ClockKind.DISCLOSE: "correct" if clock.flags & ClockFlag.CORRECTION else "disclose",
            ClockKind.WITHDRAW: "withdraw",
            ClockKind.EXPIRE: "end",
        }[clock.kind]
        on = day_of_ms(clock.due_at - 1)
        assert due_at_ms(on) == clock.due_at, "a due date is the end of a day in Shanghai"
        found.append(
            OpenDuty(
                what,
                clock.target,
                on,
                bool(clock.flags & ClockFlag.PROVISIONAL),
                bool(clock.flags & ClockFlag.ESTIMATED),
            )
        )
    return found
