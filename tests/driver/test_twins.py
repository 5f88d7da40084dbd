"""A refused row and the good one of the same decision: whose duties end, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from hub.adapters.faults import EnvironmentFaults
from hub.adapters.postgres.lookups import LookUps
from hub.adapters.postgres.tables import Heartbeat, Tables
from hub.agents.reconciler import FactRoute, Reconciler
from hub.core.record import LedgerRecord, Outcome
from hub.core.state import Status
from hub.domain import kinds
from hub.domain.partitioning import partition_of
from hub.workers.projector import Projection
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.life import NEAR, RecordLife
from tests.driver.reforms import HEIR, NEW_AUTHORITY, merged, row_under, site
from tests.driver.rows import (
    AGENTS,
    AGENTS_CODE,
    AUTHORITY,
    COMPANY,
    CONTRACTS,
    DEPARTMENT,
    LICENCE,
    OTHER_AUTHORITY,
    OTHER_DEPARTMENT,
    PENALTY,
    at,
    framed,
    penalty_row,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hub.ports import OutputRecord
    from tests.conftest import PostgresPart

DAY = 86_400_000
HOME = partition_of(COMPANY.encode(), 2)
AWAY = 1 - HOME
BAD_CODE = "91330900MA0000015X"
BAD_KEY = next(key for n in range(99) if partition_of((key := f"?office/{n}").encode(), 2) == AWAY)


@pytest.fixture
def hub() -> HubTestDriver:
    """Two partitions, the morning of the decision."""
    return HubTestDriver(rows.basis(), now=at("2026-11-02 09:00"))


def last(hub: HubTestDriver) -> LedgerRecord:
    """What has just been decided."""
    (record,) = hub.run()
    return record


def refused(hub: HubTestDriver) -> LedgerRecord:
    """A row with a bad code, away from where the good one belongs."""
    hub.pipe(DEPARTMENT, PENALTY, BAD_KEY, framed(PENALTY, penalty_row(CF_XDR_SHXYM=BAD_CODE)))
    return last(hub)


def good(hub: HubTestDriver, partition: int | None = None) -> LedgerRecord:
    """The same decision under the right code."""
    hub.pipe(DEPARTMENT, PENALTY, COMPANY, framed(PENALTY, penalty_row()), partition=partition)
    return last(hub)


def lift(hub: HubTestDriver, twin: LedgerRecord, by: LedgerRecord) -> LedgerRecord:
    """The agents' department says that the one is answered by the other."""
    fact = {"record": twin.record_key.hex(), "answered_by": by.record_key.hex()}
    hub.pipe(
        AGENTS, kinds.DUTY_LIFTED, twin.cause.key.decode(), framed(kinds.DUTY_LIFTED, fact),
        partition=AWAY,
    )  # fmt: skip
    return last(hub)


def rung(hub: HubTestDriver, twin: LedgerRecord) -> set[str]:
    """What the clocks of a record say in the next month."""
    written = hub.advance(30 * DAY)
    return {e.event for r in written if r.record_key == twin.record_key for e in r.events}


def owed(record: LedgerRecord) -> list[int]:
    """The targets at which disclosure of a record runs."""
    assert record.state is not None
    return [c.target for c in record.state.clocks if c.is_running and c.kind == "D"]


def test_a_lifting_ends_the_duties_of_the_refused_row_and_there_is_no_second(
    hub: HubTestDriver,
) -> None:
    """From their start: nothing is due soon, overdue or late; nothing is left to lift."""
    twin, answer = refused(hub), good(hub)
    assert owed(twin) == [0, 1]
    lifted = lift(hub, twin, answer)
    assert (lifted.outcome, lifted.record_key) == (Outcome.ACCEPTED, twin.record_key)
    assert [event.event for event in lifted.events] == ["lifted", "lifted"]
    assert owed(lifted) == []
    again = lift(hub, twin, answer)
    assert again.outcome is Outcome.QUARANTINED
    assert [reason.code for reason in again.reasons] == ["DUTY_NOT_OPEN"]
    assert rung(hub, twin) == set()


def test_without_a_lifting_the_refused_row_rings(hub: HubTestDriver) -> None:
    """The good row in another partition ends nothing by itself."""
    twin, _ = refused(hub), good(hub)
    assert "overdue" in rung(hub, twin)


def test_a_row_in_a_wrong_partition_is_a_record_of_its_own(hub: HubTestDriver) -> None:
    """Sent again to the right one it is accepted there; the first is told apart from it."""
    astray = good(hub, AWAY)
    assert astray.outcome is Outcome.QUARANTINED
    assert [reason.code for reason in astray.reasons] == ["WRONG_PARTITION"]
    assert good(hub, AWAY).record_key == astray.record_key
    right = good(hub)
    assert right.outcome is Outcome.ACCEPTED
    assert right.record_key != astray.record_key
    assert lift(hub, astray, right).outcome is Outcome.ACCEPTED
    assert rung(hub, astray) == set()


# --- found by the look-ups -----------------------------------------------------------------------


class TwinSite:
    """A ledger, its look-ups on a real PostgreSQL, and a reconciler beside them."""

    def __init__(self, hub: HubTestDriver, tables: Tables, books: LookUps) -> None:
        self.hub, self.books = hub, books
        self._tables = tables
        self._projection = Projection(tables, CONTRACTS, hub.prefix)
        self._read = [0, 0]
        self._looks = 0
        route = FactRoute(AGENTS, f"{hub.prefix}submissions.{AGENTS}", 2, AGENTS_CODE)
        self.reconciler = Reconciler(
            route, CONTRACTS.by_kind, books, self, EnvironmentFaults(), lambda _event: None
        )

    def append(self, records: Sequence[OutputRecord]) -> None:
        """Submit to the ledger."""
        for record in records:
            self.hub.log.append(record)

    def settle(self) -> list[LedgerRecord]:
        """Project, reconcile, decide, project; what was decided."""
        self._project()
        self._looks += 10_000
        self._tables.beat(Heartbeat(self._looks, self.hub.now, 1.0, 0, 0.0))
        self.reconciler.step()
        written = self.hub.run()
        self._project()
        return written

    def _project(self) -> None:
        for partition in range(2):
            fresh = self.hub.raw_ledger(partition)[self._read[partition] :]
            if fresh:
                self._projection.project(fresh)
            self._read[partition] += len(fresh)


@pytest.fixture
def city(hub: HubTestDriver, postgres: PostgresPart) -> Iterator[TwinSite]:
    """A city in which nothing has happened."""
    with Tables(postgres.dsn, "twincity.") as tables:
        tables.reset()
        with LookUps(postgres.dsn, tables.schema) as books:
            yield TwinSite(hub, tables, books)


@pytest.mark.parametrize("is_good_first", [False, True])
def test_a_bad_code_is_answered_from_another_partition(
    city: TwinSite, *, is_good_first: bool
) -> None:
    """In either order; refused once more it owes once more, and is answered once more."""
    sent = (good, refused) if is_good_first else (refused, good)
    twin = min((one(city.hub) for one in sent), key=lambda r: r.outcome is not Outcome.QUARANTINED)
    (lifted,) = city.settle()
    assert (lifted.record_key, owed(lifted)) == (twin.record_key, [])
    assert city.settle() == []
    refused(city.hub)
    (lifted,) = city.settle()
    assert (lifted.outcome, lifted.record_key) == (Outcome.ACCEPTED, twin.record_key)
    assert rung(city.hub, twin) == set()


def test_a_row_astray_is_answered_from_its_own_partition(city: TwinSite) -> None:
    """The look-ups hold both, though all but the partition is equal."""
    astray = good(city.hub, AWAY)
    right = good(city.hub)
    (lifted,) = city.settle()
    assert (lifted.outcome, lifted.record_key) == (Outcome.ACCEPTED, astray.record_key)
    (traced,) = [
        row for row in city.books.trace(None, None, COMPANY).records if row.status == "live"
    ]
    assert (traced.record_key, traced.partition) == (right.record_key, HOME)


def test_decisions_without_a_number_are_told_apart_by_what_stands_in(city: TwinSite) -> None:
    """Two penalties with a placeholder for a number are not one decision."""
    for changes in ({"CF_XDR_SHXYM": BAD_CODE, "CF_JDRQ": "2026-10-30"}, {}):
        row = penalty_row(CF_WSH="无", **changes)
        key = BAD_KEY if changes else COMPANY
        city.hub.pipe(DEPARTMENT, PENALTY, key, framed(PENALTY, row))
    stood = {r.state.status for r in city.hub.run() if r.state is not None}
    assert stood == {Status.QUARANTINED, Status.LIVE}
    assert city.settle() == []


def test_a_good_row_read_with_its_faulty_twin_lets_nothing_ring(hub: HubTestDriver) -> None:
    """Both lie before the registrar when it looks, and a mark of the deadline has passed."""
    hub.advance(at("2026-11-09 09:00") - hub.now)
    near = next(k for n in range(99) if partition_of((k := f"?office/{n}").encode(), 2) == HOME)
    hub.pipe(DEPARTMENT, PENALTY, near, framed(PENALTY, penalty_row(CF_XDR_SHXYM=BAD_CODE)))
    hub.pipe(DEPARTMENT, PENALTY, COMPANY, framed(PENALTY, penalty_row()))
    written = hub.run()
    twin = next(record for record in written if record.outcome is Outcome.QUARANTINED)
    rung = {(r.record_key == twin.record_key, e.event) for r in written for e in r.events}
    assert rung == {(True, "lifted"), (False, "due_soon_3")}


def test_twins_of_merged_bureaus_are_answered_once() -> None:
    """The heir's good row answers the faulty ones of both; its next row has none to answer."""
    life = RecordLife(site())
    here = partition_of(COMPANY.encode(), life.hub.partitions)
    unkeyed = next(
        key
        for n in range(99)
        if partition_of((key := f"?{n}").encode(), life.hub.partitions) == here
    )
    for authority, by in ((AUTHORITY, DEPARTMENT), (OTHER_AUTHORITY, OTHER_DEPARTMENT)):
        row = row_under(authority, key=BAD_CODE)
        assert life.say(LICENCE, row, key=unkeyed, by=by).startswith("quarantined")
    life.hub.adopt(merged(DEPARTMENT, OTHER_DEPARTMENT))
    assert life.say(LICENCE, row_under(NEW_AUTHORITY), by=HEIR) == "accepted"
    assert [r.outcome for r in life.rest] == [Outcome.DUTY_LIFTED] * 2
    assert life.say(LICENCE, row_under(NEW_AUTHORITY, key=NEAR), key=NEAR, by=HEIR) == "accepted"
    assert "answers" not in dict(life.record.facts)
    assert life.rest == []
