"""A ledger and an agent in memory: facts submitted come back as notices, crashes forget all."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from hub.agents.facts import CaseAgent, Fact, Office
from hub.agents.memory import Memory, read_notice
from hub.config.repository import DEPLOY
from hub.domain.calendar import WorkingCalendar
from hub.views.notices import Notice, RunningClock, encode_notice

CENTRE = "12330900MA0009001Y"
COURT = "11330900MA0000015E"
COMPANY = "91330900MA00004450"
CALENDAR = WorkingCalendar.from_mapping(
    json.loads((DEPLOY / "calendars/cn-2007-2026.json").read_text("utf-8"))
)
HOUR = 3_600_000
DAY = 24 * HOUR


def at(text: str) -> int:
    """Business milliseconds of a Shanghai time such as `2026-11-02 09:00`."""
    moment = datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC) - timedelta(hours=8)
    return int(moment.timestamp() * 1000)


def office_of(department: str) -> Office:
    """Every department is an office of its own."""
    return Office(department, f"{department}局", COURT)


def commitment(
    event: str, when: int, due_on: str = "", record: str = "c1", **more: object
) -> Notice:
    """A notice of a commitment; `event` made, begun, performed, corrected or withdrawn."""
    performed = {"begun": "part", "performed": "all"}.get(event, "")
    kind = "commitment.performed.v1" if performed else "commitment.made.v1"
    status = "withdrawn" if event == "withdrawn" else "live"
    notice = Notice(
        0, 0, 0, "accepted" if event == "made" or performed else event, when, record,
        COMPANY, kind, "housing", status, 1, (), document="33090020261102000001",
        name="云屿市青礁建设有限公司", authority=COURT, due_on=due_on,
        performed=performed,
    )  # fmt: skip
    return notice._replace(**more)  # type: ignore[arg-type]


def clock(phase: str, due: str = "2026-11-11", target: str = "city") -> RunningClock:
    """A running clock of a target."""
    return RunningClock(target, "disclose", at(f"{due} 00:00") + DAY, phase)


def licence(
    when: int, *clocks: RunningClock, record: str = "l1", department: str = "market"
) -> Notice:
    """A notice of a licence with the clocks that run now."""
    return Notice(
        0, 0, 0, "due_soon_3", when, record, COMPANY, "licence.granted.v1", department, "live", 1,
        clocks,
    )  # fmt: skip


class CaseWorld:
    """Notices in order, one partition; what the agent submits is accepted at once, each id once."""

    def __init__(self, make: Callable[[], CaseAgent]) -> None:
        self._make = make
        self.now = 0
        self.told: list[bytes] = []
        self.facts: dict[str, Fact] = {}
        self.submissions = 0
        self.memory = Memory(make(), 1)

    def tell(self, *notices: Notice) -> None:
        """The ledger says something: written down, and handed over."""
        for notice in notices:
            self.now = max(self.now, notice.at)
            self.told.append(encode_notice(notice._replace(sequence=len(self.told))))
            self._hand_over(len(self.told) - 1)

    def turn(self, now: int, *, dies: str = "") -> list[Fact]:
        """The agent looks at the clock; it may die `before` or `after` its facts are accepted."""
        self.now = max(self.now, now)
        owed = self.memory.agent.owed(self.now)
        if dies != "before":
            for fact in owed:
                self.submissions += 1
                if fact.id not in self.facts:
                    self.facts[fact.id] = fact
                    self._accept(fact)
        if dies:
            self.restart()
            if dies == "before":
                self.turn(self.now)
        return owed

    def _accept(self, fact: Fact) -> None:
        self.tell(
            Notice(
                0, 0, 0, "accepted", self.now, f"f{fact.id}", fact.key, fact.kind, "cases", "live",
                1, (), document=fact.id,
            )
        )  # fmt: skip

    def restart(self) -> None:
        """A new process: nothing is left but the topic."""
        self.memory = Memory(self._make(), 1)
        for offset in range(len(self.told)):
            self._hand_over(offset)

    def _hand_over(self, offset: int) -> None:
        self.memory.take(0, offset, read_notice(0, offset, self.told[offset]))

    def kinds(self) -> list[str]:
        """Kinds of all facts, in the order of their acceptance."""
        return [fact.kind for fact in self.facts.values()]


def rows(facts: Iterable[Fact], *fields: str) -> list[tuple[str, ...]]:
    """Some fields of each fact."""
    return [tuple(fact.row[field] for field in fields) for fact in facts]
