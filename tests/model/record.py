"""A record as the model keeps it, and its duties."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

from tests.model.rules import ModelTarget, OwedBy, Rules, end_of
from tests.model.statement import DatedStatement, Facts, RecordIdentity

MOST_WAITING = 8
SOURCES_KEPT = 16


class LifeState(StrEnum):
    """Where a record is in its life."""

    NONE = "none"
    AWAITED = "awaited"
    QUARANTINED = "quarantined"
    LIVE = "live"
    WITHDRAWN = "withdrawn"
    TAKEN_BACK = "taken back"
    MOVED = "moved"


NEVER_SEEN = {LifeState.NONE, LifeState.AWAITED, LifeState.QUARANTINED}


@dataclass
class Duty:
    """What is owed at a target: to show (`is_take_down` false) or to stop showing a record."""

    clock: str
    counted_from: date
    due: OwedBy
    since: int
    """The version whose decision started it."""
    is_estimated: bool = False
    is_running: bool = True
    rang: set[int] = field(default_factory=set)
    """Marks already written: working days before, 0 for *overdue*."""


@dataclass
class EarlyStatement:
    """A statement that came before what it speaks of."""

    reading: DatedStatement
    arrived_at: int
    ends_at: int
    held_at: int


@dataclass
class Record:
    """One identity."""

    standing: LifeState = LifeState.NONE
    version: int = 0
    owner: str = ""
    facts: Facts | None = None
    kind: str = ""
    """Of the row that was refused here or waits, while none was live."""
    decided_on: date | None = None
    """Of the row that stands here, good or faulty."""
    memory: dict[str, int] = field(default_factory=dict)
    """Source → its greatest version, the source last heard at the end."""
    waiting: list[EarlyStatement] = field(default_factory=list)
    shown: set[int] = field(default_factory=set)
    named: set[int] = field(default_factory=set)
    is_unnamed: bool = False
    """Live, but named for no target until what waits for it is decided."""
    disclosed: set[int] = field(default_factory=set)
    """Targets that have shown it in this identity, or in the one it came from."""
    show: dict[int, Duty] = field(default_factory=dict)
    take_down: dict[int, Duty] = field(default_factory=dict)
    named_at: dict[tuple[int, int], int] = field(default_factory=dict)
    """(target, version) → when it was named to be shown."""
    down_at: dict[tuple[int, int], int] = field(default_factory=dict)
    """(target, version) → when it was named to be taken down."""
    accepted_on: dict[int, date] = field(default_factory=dict)
    """Version → the day it was accepted."""
    last_said: dict[tuple[str, int, int], tuple[str, int]] = field(default_factory=dict)
    """(action, target, version) → what the platform said last, and when that was reported."""
    exited_on: date | None = None
    down_by: str | None = None
    """The source whose versioned word alone took it down."""
    lifted: set[int] = field(default_factory=set)
    """Targets at which it was on record and the disclosure was lifted before it was met."""
    left_by: list[str] = field(default_factory=list)
    """The moves by which it left, or was said to have left, the last first."""
    departure: tuple[str, int] = ("", 0)
    """The move by which it did leave last, and when."""
    down_since: int = 0
    """When it was last taken down, left, or was said to be down."""
    is_away: bool = False
    """Whether it has left and not arrived yet, as far as is known where it left."""
    left_for: RecordIdentity | None = None
    """Where it left for, last."""
    ended: set[int] = field(default_factory=set)
    """Targets at which publication has ended by itself."""
    left_with: frozenset[int] = frozenset()
    """Targets at which it left as disclosed: they owe a correction at the new identity."""
    left_memory: dict[str, int] = field(default_factory=dict)
    """What was remembered of each source when it left."""
    left_as: str = ""
    """The kind that was in force when it left."""

    changes: int = 0
    """How often standing, version, owner or what waits has changed."""

    def __setattr__(self, name: str, value: object) -> None:
        """Count changes that make a repeated submission worth deciding."""
        if name in {"standing", "version", "owner"} and getattr(self, name, value) != value:
            self.note_change()
        object.__setattr__(self, name, value)

    def become_next_version(self) -> None:
        """A basis shows it otherwise: nobody has stated anything."""
        object.__setattr__(self, "version", self.version + 1)

    def note_change(self) -> None:
        """What waits here has changed."""
        self.changes += 1

    @property
    def was_live(self) -> bool:
        """Whether it ever was on show, or should have been."""
        return self.version > 0

    def is_older(self, source: str, version: int | None) -> bool:
        """Whether a statement of a source is older than what the record remembers of it."""
        return version is not None and self.memory.get(source, -1) > version

    def remember(self, source: str, version: int | None) -> None:
        """A statement took effect."""
        if version is None:
            return
        greatest = max(version, self.memory.pop(source, version))
        self.memory[source] = greatest

    def join(self, later: dict[str, int]) -> None:
        """What was remembered of the record elsewhere, last of all, is remembered here."""
        before = dict(self.memory)
        for source, version in later.items():
            self.memory.pop(source, None)
            self.memory[source] = max(version, before.get(source, version))

    def has_room_for(self, source: str) -> bool:
        """Whether the order of a source is, or can be, remembered."""
        return source in self.memory or len(self.memory) < SOURCES_KEPT

    def current(self, target: int) -> int:
        """The newest version a target was named for."""
        return max((v for t, v in self.named_at if t == target), default=0)


@dataclass(frozen=True)
class HubEvent:
    """Something nobody sent that must be in the ledger."""

    record: RecordIdentity
    target: int
    clock: str
    """D to show, W to take down, E the end of publication, - for none."""
    what: str


def start(
    duties: dict[int, Duty], target: ModelTarget, clock: str, kind: str, counted_from: date,
    rules: Rules, since: int,
) -> None:  # fmt: skip
    """Start a duty at a target, in place of what was there; none where no rule makes one."""
    due = rules.due(clock, kind, target, counted_from)
    duties.pop(target.number, None)
    if due is not None:
        duties[target.number] = Duty(clock, counted_from, due, since)


def redate(duty: Duty, counted_from: date, due: OwedBy, now: int, rules: Rules) -> bool:
    """Give a duty another date; marks that lie ahead ring again. True where *overdue* is."""
    had_rung = 0 in duty.rang
    duty.counted_from, duty.due = counted_from, due
    ahead = {mark for mark in duty.rang if mark_at(duty, mark, rules) > now}
    duty.rang -= ahead
    return had_rung and 0 in ahead


def mark_at(duty: Duty, mark: int, rules: Rules) -> int:
    """When a mark of a duty is written."""
    if mark == 0:
        return duty.due.at
    return end_of(rules.mark_day(duty.due.on, mark))


def is_shown_at(target: ModelTarget, facts: Facts, rules: Rules, now: int) -> bool:
    """Whether a target shows what a row says."""
    if facts.kind not in target.kinds or facts.openness == "不可公开":
        return False
    over = ends_at(facts, rules)
    if over is not None and over[0] <= now and (target.is_public or over[1]):
        return False
    if not target.is_public:
        return True
    if facts.openness == "特定范围内公开":
        return False
    return not rules.is_withheld(
        facts.kind, facts.decided, facts.seriousness, is_simple=facts.is_simple
    )


def ends_at(facts: Facts, rules: Rules) -> tuple[int, bool] | None:
    """When publication is over by itself, and whether it is so everywhere."""
    if facts.decided_on is None:
        return None
    last = rules.last_day(facts.kind, facts.decided_on, facts.seriousness, facts.ends_on)
    return None if last is None else (OwedBy(last[0]).at, last[1])
