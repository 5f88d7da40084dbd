"""The agents at work: they know, they state, and they ask again until the ledger has it.

Acting follows the wall clock, never traffic: at each turn the facts that are due are worked out of
all that was told, and those the ledger does not have are submitted. Nothing is kept on disk; what
was submitted and lost is owed again, what was submitted twice is a duplicate.
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from hub.agents.events import (
    CasesOpen,
    CasesReport,
    FactCount,
    FactsSubmitted,
    FactsUnanswered,
    NoticesTaken,
    UpToDate,
)
from hub.agents.facts import submission
from hub.agents.memory import Memory, read_notice
from hub.ports import is_unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hub.agents.facts import CaseAgent, Fact
    from hub.config.site import Cases, Site
    from hub.contracts import Contracts
    from hub.ports import (
        Appender,
        DeadlineClock,
        EngineClock,
        FaultHooks,
        InputRecord,
    )

_FIRST_WAIT_SECONDS: Final = 15.0
_LONGEST_WAIT_SECONDS: Final = 3_600.0
"""A fact that the ledger refuses is submitted again with growing pauses: the basis may change."""

_log = logging.getLogger("hub.cases")


class NoticeReader(Protocol):
    """Reads `notices` without a group; see `hub.ports.Inputs`."""

    def bounds(
        self, partitions: Iterable[tuple[str, int]]
    ) -> dict[tuple[str, int], tuple[int, int]]:
        """Log start and end of each partition."""

    def read_to_end(self, positions: Mapping[tuple[str, int], int]) -> Iterable[list[InputRecord]]:
        """Read each partition from here to the end it has now."""


class _Wait(NamedTuple):
    """A fact that was submitted and has no answer; real seconds."""

    fact: Fact
    until: float
    pause: float


class PendingFacts:
    """Which facts were submitted, and when each may be submitted again.

    A submitted statement is kept unchanged until it is answered, though more is known since.
    """

    def __init__(self) -> None:
        self._waits: dict[str, _Wait] = {}

    def due(self, facts: Iterable[Fact], now: float) -> list[Fact]:
        """Those not submitted yet, or without an answer for long; `now` in real seconds."""
        owed = {fact.matter: fact for fact in facts}
        self._waits = {matter: wait for matter, wait in self._waits.items() if matter in owed}
        found = []
        for matter, fact in owed.items():
            wait = self._waits.get(matter)
            if wait is None or wait.until <= now:
                found.append(fact if wait is None else wait.fact)
        return found

    def note(self, facts: Iterable[Fact], now: float) -> None:
        """These were submitted just now."""
        for fact in facts:
            known = self._waits.get(fact.matter)
            pause = _FIRST_WAIT_SECONDS if known is None else known.pause * 2
            self._waits[fact.matter] = _Wait(
                fact, now + pause, min(pause, _LONGEST_WAIT_SECONDS / 2)
            )

    def __len__(self) -> int:
        return len(self._waits)


@dataclass(frozen=True, slots=True)
class RunnerPorts:
    """Ports of the runner."""

    reader: NoticeReader
    appender: Appender
    business_clock: DeadlineClock
    engine_clock: EngineClock
    faults: FaultHooks
    report: CasesReport


class AgentRunner:
    """All agents of a site on one machine."""

    def __init__(
        self,
        site: Site,
        settings: Cases,
        agents: Sequence[CaseAgent],
        contracts: Contracts,
        ports: RunnerPorts,
    ) -> None:
        self._topic = site.topic("notices")
        self._submissions = site.topic(f"submissions.{settings.department}")
        self._department = settings.department
        self._partitions = site.partitions
        self._contracts = contracts
        self._ports = ports
        self.memories = {agent.name: Memory(agent, site.partitions) for agent in agents}
        self._asked = {agent.name: PendingFacts() for agent in agents}
        self._ends: dict[int, int] = {}

    def remember(self) -> None:
        """Fold the topic to the end it has now."""
        bounds = self._ports.reader.bounds((self._topic, p) for p in range(self._partitions))
        known = self.known()
        for batch in self._ports.reader.read_to_end(
            {place: max(low, known[place]) for place, (low, _) in bounds.items()}
        ):
            self._ports.faults.reached("in_restore")
            for record in batch:
                notice = None  # what cannot be read is passed by
                if not is_unreadable(record.key, record.headers, record.value):
                    notice = read_notice(record.partition, record.offset, record.value)
                for memory in self.memories.values():
                    memory.take(record.partition, record.offset, notice)
            self._ports.report(NoticesTaken())

    def known(self) -> dict[tuple[str, int], int]:
        """Up to which offset all agents know each partition of the topic."""
        return {
            (self._topic, p): min(memory.next[p] for memory in self.memories.values())
            for p in range(self._partitions)
        }

    def take(self, agent: str, partition: int, offset: int, value: bytes | None) -> None:
        """A record that Faust handed over."""
        self._ports.faults.reached("after_consume")
        notice = read_notice(partition, offset, value)
        self.memories[agent].take(partition, offset, notice)
        self._ports.report(NoticesTaken())

    def is_up_to_date(self) -> bool:
        """Whether all that was there at the last look is known; then looks again.

        Asks the broker itself: a group member that was given no partitions, or whose consumer has
        died, is never up to date for long, and never acts on anything it has not read.
        """
        ends, self._ends = self._ends, self._look()
        reached = bool(ends) and all(m.has_reached(ends) for m in self.memories.values())
        if reached and all(memory.has_reached(self._ends) for memory in self.memories.values()):
            self._ports.report(UpToDate())
        return reached

    def _look(self) -> dict[int, int]:
        bounds = self._ports.reader.bounds((self._topic, p) for p in range(self._partitions))
        return {place[1]: end for place, (_, end) in bounds.items()}

    def owed(self) -> dict[str, list[Fact]]:
        """Return the facts each agent must submit now; none while the machine's clock ran ahead.

        Nothing either that fell due after the last moment of which all is known: the performance
        may be in the ledger, and the notice of it on its way.
        """
        if self._ports.business_clock.has_jumped():
            return {}
        now = self._ports.business_clock.now()
        owed: dict[str, list[Fact]] = {}
        opened: dict[str, int] = {}
        for name, memory in self.memories.items():
            asked = self._asked[name]
            facts = memory.agent.owed(min(now, memory.read_at))
            owed[name] = asked.due(facts, self._ports.engine_clock.seconds())
            opened[name] = memory.agent.open_count
        self._ports.report(CasesOpen(opened))
        return owed

    def submit(self, owed: Mapping[str, Sequence[Fact]]) -> None:
        """Submit the facts and wait until the broker has them. Raises `UnavailableError`."""
        moment = datetime.fromtimestamp(self._ports.business_clock.now() / 1000, UTC)
        time = moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        records = [
            submission(
                fact, agent, self._department, self._submissions, self._partitions, time,
                self._contracts,
            )
            for agent, facts in owed.items()
            for fact in facts
        ]  # fmt: skip
        if records:
            half = len(records) // 2
            self._ports.faults.reached("before_flush")
            self._ports.appender.append(records[:half])
            self._ports.faults.reached("mid_produce")
            self._ports.appender.append(records[half:])
            self._ports.faults.reached("after_commit")
            for agent, facts in owed.items():
                self._asked[agent].note(facts, self._ports.engine_clock.seconds())
            counts = Counter(FactCount(a, f.kind) for a, fs in owed.items() for f in fs)
            self._ports.report(FactsSubmitted(counts))
        self._ports.report(FactsUnanswered({name: len(a) for name, a in self._asked.items()}))
