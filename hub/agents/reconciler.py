"""The reconciler: finds in the look-ups what no partition of the ledger can see by itself.

It holds each court's full list of a day against what the hub holds live, and submits one fact for
each exit that was never reported. And it holds refused rows that owe a disclosure against what is
accepted under another key, in any partition, and submits one fact for each whose duties end by
that. It does so as the agents' department, under an id that follows from what is said: killed and
started again it may submit a fact once more, which the registrar answers as a repetition, or
refuses because nothing is owed any more. It remembers nothing of its own.
"""

import time
from collections.abc import Mapping
from contextlib import ExitStack, closing
from typing import Final, NamedTuple, Protocol

from hub.adapters.faults import EnvironmentFaults
from hub.adapters.kafka.appender import KafkaAppender
from hub.adapters.postgres.lookups import LookUps
from hub.adapters.postgres.tables import Heartbeat, Position, schema_of
from hub.agents.events import ListsCompared, ReconcilerEvent, ReconcilerReport
from hub.config.site import Site
from hub.contracts import Contract
from hub.domain import kinds
from hub.domain.fact_ids import FIELD, matter_in
from hub.domain.partitioning import partition_of
from hub.errors import ConfigurationError
from hub.ports import Appender, FaultHooks, OutputRecord
from hub.runtime.post import WorkerContext
from hub.views.court_lists import Comparison, FullList, Listing, compare, fact, matter
from hub.views.twins import AnsweredTwin, lifting, lifting_id
from hub.workers.events import Stepped
from hub.workers.lives import FollowerWatch, run_with_restarts

_POLL_SECONDS: Final = 1.0
_SEARCH_MS: Final = 10_000
"""Between two searches for refused rows that are answered: they may be many, and have a minute."""


class LookUpQueries(Protocol):
    """Queries to the look-ups; see `LookUps`."""

    def heartbeat(self) -> Heartbeat | None:
        """When the projector was last at work."""

    def positions(self) -> list[Position]:
        """How far each ledger partition has been read."""

    def full_lists(self) -> list[FullList]:
        """The latest whole list of each court."""

    def live_listings(self, court_code: str) -> list[Listing]:
        """The live entries of a court's list."""

    def facts_raised(self, kind: str) -> set[str]:
        """The ids of facts of a kind that are on record."""

    def answered_twins(self) -> list[AnsweredTwin]:
        """Refused rows that still owe a disclosure of what was accepted under another key."""


class FactRoute(NamedTuple):
    """Where facts go, and in whose name."""

    department: str
    topic: str
    partitions: int
    authority_code: str


class Reconciler:
    """Compares as things come; what it has submitted is in the ledger, or is said again."""

    def __init__(
        self,
        route: FactRoute,
        contracts: Mapping[str, Contract],
        books: LookUpQueries,
        appender: Appender,
        faults: FaultHooks,
        report: ReconcilerReport,
    ) -> None:
        self._route = route
        self._contracts = contracts
        self._books = books
        self._appender = appender
        self._faults = faults
        self._report = report
        self._seen: dict[tuple[str, int], int] = {}
        self._compared: list[Position] = []
        self._submitted: set[str] = set()
        self._searched: list[Position] = []
        self._next_search = 0
        self._lifted: set[str] = set()

    def step(self) -> int:
        """Look once; return how many facts were submitted."""
        beat, positions = self._books.heartbeat(), self._books.positions()
        facts = 0
        if beat is not None and positions != self._compared:
            facts += self._compare_lists(beat, positions)
        if beat is not None and beat.seen_at >= self._next_search and positions != self._searched:
            facts += self._lift_twins()
            self._searched, self._next_search = positions, beat.seen_at + _SEARCH_MS
        self._report(Stepped(facts))
        return facts

    def _compare_lists(self, beat: Heartbeat, positions: list[Position]) -> int:
        """Hold each full list against what is live.

        A list is compared when the projection of every partition is past the moment of the list, or
        has once been at the ledger's end since the list was first seen: the exits that were on
        record before the list are then known.
        """
        lists = self._books.full_lists()
        ripe = [full for full in lists if self._is_ripe(full, beat, positions)]
        comparisons = [compare(full, self._books.live_listings(full.court_code)) for full in ripe]
        facts = self._raise(comparisons)
        if len(ripe) == len(lists):
            self._compared = positions
            self._count(comparisons)
        return facts

    def _is_ripe(self, full: FullList, beat: Heartbeat, positions: list[Position]) -> bool:
        """Whether everything that was decided before the list has been read."""
        first = self._seen.setdefault((full.court_code, full.declared_at), beat.seen_at)
        is_drained = beat.seen_at > first and beat.lag_records == 0
        is_past = len(positions) == self._route.partitions and all(
            position.decided_at > full.declared_at for position in positions
        )
        return is_drained or is_past

    def _raise(self, comparisons: list[Comparison]) -> int:
        """Submit what is missing and not on record yet."""
        found = [(each.list, missing) for each in comparisons for missing in each.exits_missing]
        if not found:
            return 0
        raised = {matter_in(each) for each in self._books.facts_raised(kinds.EXIT_MISSING)}
        facts = [
            fact(full, each, self._route.authority_code)
            for full, each in found
            if matter(each) not in raised
        ]
        fresh = [row for row in facts if row[FIELD] not in self._submitted]
        self._append([self._exit_missing(row) for row in fresh])
        self._submitted |= {row[FIELD] for row in fresh}
        return len(fresh)

    def _lift_twins(self) -> int:
        """Submit that the duties of refused rows are answered, each once while they are owed."""
        owing = {lifting_id(twin): twin for twin in self._books.answered_twins()}
        fresh = [twin for name, twin in owing.items() if name not in self._lifted]
        if fresh:
            self._append([self._duty_lifted(twin) for twin in fresh])
        self._lifted = set(owing)
        return len(fresh)

    def _append(self, submissions: list[OutputRecord]) -> None:
        self._faults.reached("before_flush")
        self._appender.append(submissions)
        self._faults.reached("after_commit")

    def _exit_missing(self, row: Mapping[str, str]) -> OutputRecord:
        key = row["credit_code"].encode()
        partition = partition_of(key, self._route.partitions)
        return self._submission(kinds.EXIT_MISSING, partition, key, f"court/{row[FIELD]}", row)

    def _duty_lifted(self, twin: AnsweredTwin) -> OutputRecord:
        """It goes to where the duties are, which is not always where the key belongs."""
        key, name = twin.ledger_key.encode(), f"twins/{lifting_id(twin)}"
        return self._submission(kinds.DUTY_LIFTED, twin.partition, key, name, lifting(twin))

    def _submission(
        self, kind: str, partition: int, key: bytes, name: str, row: Mapping[str, str]
    ) -> OutputRecord:
        """One fact, alone in its stream, so that saying it again changes nothing."""
        return OutputRecord(
            self._route.topic,
            partition,
            key,
            self._contracts[kind].encode(row),
            (
                ("ce_specversion", b"1.0"),
                ("ce_type", kind.encode()),
                ("ce_source", f"{self._route.department}/{name}".encode()),
                ("ce_id", b"1"),
            ),
        )

    def _count(self, comparisons: list[Comparison]) -> None:
        exits = sum(len(each.exits_missing) for each in comparisons)
        entries = sum(len(each.entries_missing) for each in comparisons)
        self._report(ListsCompared(exits, entries))


class ReconcilerWatch(FollowerWatch):
    """Turns what the reconciler reports into metrics and health."""

    def report(self, event: ReconcilerEvent) -> None:
        """Show what a comparison found; count what every follower reports."""
        match event:
            case ListsCompared(exits, entries):
                self._metrics.court_list_findings.labels("exit_missing").set(exits)
                self._metrics.court_list_findings.labels("entry_missing").set(entries)
            case _:
                super().report(event)


def route_of(site: Site) -> FactRoute:
    """Where facts go. Raises `ConfigurationError` for a site without the agents' department."""
    settings = site.cases
    if settings is None:
        raise ConfigurationError(
            "站点没有办件代理部门，查出的事实无人提交",
            "the site has no case agents: facts that are found have no sender",
            remedy_zh="在 site.yaml 增加 cases 段与 kind: agent 的部门",
            remedy_en="add a cases block and a department of kind: agent to site.yaml",
            file="site.yaml",
        )
    authorities = {each.id: each.authorities for each in site.departments}
    return FactRoute(
        settings.department,
        site.topic(f"submissions.{settings.department}"),
        site.partitions,
        authorities[settings.department][0],
    )


def run_reconciler(post: WorkerContext, dsn: str, report: ReconcilerReport) -> None:
    """Compare until stopped; the folder holds the lease alone.

    Starts again when broker or database was away. Raises `FencedError` when another process does so
    on this machine, `ConfigurationError` when the site has no agents' department.
    """
    site = post.loaded.site
    route = route_of(site)

    def follow() -> None:
        with ExitStack() as open_parts:
            books = open_parts.enter_context(LookUps(dsn, schema_of(site.prefix), site.successions))
            appender = open_parts.enter_context(closing(KafkaAppender(post.access)))
            reconciler = Reconciler(
                route,
                post.contracts.by_kind,
                books,
                appender,
                EnvironmentFaults(),
                report,
            )
            while not post.should_stop():
                reconciler.step()
                time.sleep(_POLL_SECONDS)

    run_with_restarts(post, follow, report)
