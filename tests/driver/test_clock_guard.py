"""A start under a false clock: nothing is decided and nothing rings until a person has looked."""

from __future__ import annotations

import pytest

from hub.core.record import Outcome
from hub.engine import requests
from hub.engine.clock_guard import DAY_MS, DEFAULT_GUARD_MS, days_ahead
from hub.engine.events import ClockUnconfirmed, Idle
from hub.ports import ClockEvidence
from hub.views.notices import Mark, encode_mark
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import COMPANY, DEPARTMENT, LICENCE, at, framed, licence_row

YEAR = 365 * DAY_MS
START = at("2026-11-02 09:00")


@pytest.fixture
def hub() -> HubTestDriver:
    """A hub with one licence whose clocks run."""
    made = HubTestDriver(rows.basis(), now=START)
    submit(made)
    assert [record.outcome for record in made.run()] == [Outcome.ACCEPTED]
    return made


def submit(hub: HubTestDriver, **changes: str) -> None:
    """Send one licence; it is not decided yet."""
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row(**changes)))


def start_at(hub: HubTestDriver, now: int, *, lose_disk: bool = False) -> None:
    """The machine was off, and its clock shows this when it is on again."""
    hub.now = now
    hub.crash(lose_disk=lose_disk)


def written(hub: HubTestDriver) -> dict[tuple[str, int], list[bytes]]:
    """Every byte the registrar ever wrote."""
    wanted = (hub.prefix + "ledger", hub.prefix + "control")
    return {
        place: [r.value for r in log] for place, log in hub.log.logs.items() if place[0] in wanted
    }


@pytest.mark.parametrize("lose_disk", [False, True])
def test_ten_years_ahead_nothing_is_decided_and_no_timer_fires(
    hub: HubTestDriver, *, lose_disk: bool
) -> None:
    """Not one byte is written, whatever waits; a clock set right again needs nobody."""
    submit(hub, XK_WSH="舟市监许〔2026〕2号")
    before = written(hub)
    start_at(hub, START + 10 * YEAR, lose_disk=lose_disk)
    for _ in range(3):
        assert hub.advance(DAY_MS) == []
        assert isinstance(hub.last_report, ClockUnconfirmed)
    assert written(hub) == before
    hub.now = START + DAY_MS
    assert [record.outcome for record in hub.run()] == [Outcome.ACCEPTED]
    assert hub.ledger()[-1].decided_at == START + DAY_MS


def test_a_person_confirms_and_it_goes_on_without_another_start(hub: HubTestDriver) -> None:
    """What came due rings then, what waits is decided."""
    submit(hub, XK_WSH="舟市监许〔2026〕2号")
    start_at(hub, START + 30 * DAY_MS)
    assert hub.run() == []
    hub.clock_confirmed = hub.now
    assert {Outcome.ACCEPTED, Outcome.OVERDUE} <= {record.outcome for record in hub.run()}


def test_a_confirmation_holds_for_as_many_days_as_the_guard(hub: HubTestDriver) -> None:
    """It vouches for what the clock showed then, not for whatever it may show."""
    confirmed = START + 30 * DAY_MS
    hub.clock_confirmed = confirmed
    start_at(hub, confirmed + DEFAULT_GUARD_MS + 1)
    assert hub.run() == []
    assert isinstance(hub.last_report, ClockUnconfirmed)
    start_at(hub, confirmed + DEFAULT_GUARD_MS)
    hub.run()
    assert isinstance(hub.last_report, Idle)


@pytest.mark.parametrize(("days", "goes_on"), [(9, True), (10, True), (11, False)])
def test_a_holiday_passes_and_more_waits(hub: HubTestDriver, *, days: int, goes_on: bool) -> None:
    """Ten days are longer than any holiday."""
    submit(hub, XK_WSH="舟市监许〔2026〕2号")
    start_at(hub, START + days * DAY_MS)
    decided = {record.outcome for record in hub.run()}
    assert (Outcome.ACCEPTED in decided) is goes_on
    assert isinstance(hub.last_report, Idle) is goes_on


def test_the_limit_is_the_sites(hub: HubTestDriver) -> None:
    """A site that rests longer says so."""
    hub.clock_guard_ms = 20 * DAY_MS
    start_at(hub, START + 20 * DAY_MS)
    hub.run()
    assert isinstance(hub.last_report, Idle)
    hub.clock_guard_ms = 2 * DAY_MS
    start_at(hub, START + 20 * DAY_MS + 3 * DAY_MS)
    hub.run()
    assert isinstance(hub.last_report, ClockUnconfirmed)


def test_what_the_machine_remembers_counts_where_the_ledger_is_silent(hub: HubTestDriver) -> None:
    """Nine quiet days at work, nine days off: the ledger alone would be eighteen days old."""
    hub.advance(30 * DAY_MS)
    hub.advance(9 * DAY_MS)
    silent_since = max(record.decided_at for record in hub.ledger())
    assert hub.now - silent_since > 8 * DAY_MS
    start_at(hub, hub.now + 9 * DAY_MS)
    hub.run()
    assert isinstance(hub.last_report, Idle)
    start_at(hub, hub.now, lose_disk=True)
    hub.run()
    assert isinstance(hub.last_report, ClockUnconfirmed)


def test_a_mark_in_the_notices_says_what_time_it_was(hub: HubTestDriver) -> None:
    """The last record of a partition is looked at; garbage there says nothing."""
    start_at(hub, START + 20 * DAY_MS, lose_disk=True)
    hub.put("notices", 0, b"", encode_mark(Mark(0, START + 9 * DAY_MS)))
    hub.put("notices", 1, b"", b"{}")
    assert hub.run() == []
    hub.put("notices", 0, b"", encode_mark(Mark(0, START + 10 * DAY_MS)))
    hub.run()
    assert isinstance(hub.last_report, Idle)


def test_notices_that_are_away_do_not_hide_why_it_waits(hub: HubTestDriver) -> None:
    """A slot that started again and again instead would never say what a person has to do."""
    start_at(hub, START + 20 * DAY_MS)
    hub.run()
    hub.refusals = [requests.Bounds]
    hub.run()
    assert (hub.refusals, hub.restarts) == ([], [])
    assert isinstance(hub.last_report, ClockUnconfirmed)


def test_a_clock_behind_the_ledger_is_as_ever(hub: HubTestDriver) -> None:
    """Time stands where the ledger left it; nobody has to confirm anything."""
    submit(hub, XK_WSH="舟市监许〔2026〕2号")
    start_at(hub, START - 10 * YEAR)
    (record,) = hub.run()
    assert (record.outcome, record.decided_at) == (Outcome.ACCEPTED, START)


def test_a_fresh_ledger_has_nothing_to_be_judged_by() -> None:
    """A site's first start goes on at once, also on a machine set up long ago."""
    hub = HubTestDriver(rows.basis(), now=START)
    assert Outcome.BASIS_ADOPTED in {record.outcome for record in hub.ledger()}
    assert isinstance(hub.last_report, Idle)


def test_within_a_run_nothing_is_asked_again(hub: HubTestDriver) -> None:
    """A broker away for weeks is no start of the process: the monotonic clock has judged."""
    hub.now += 30 * DAY_MS
    hub.refusals = [requests.Consume, requests.Consume]
    decided = {record.outcome for record in hub.run()}
    assert hub.restarts == ["no answer", "no answer"]
    assert Outcome.OVERDUE in decided


def test_time_that_jumped_is_not_remembered(hub: HubTestDriver) -> None:
    """Else the next start would believe what this one did not."""
    hub.clock_jumped = True
    hub.advance(10 * YEAR)
    hub.clock_jumped = False
    hub.crash()
    assert hub.run() == []
    assert isinstance(hub.last_report, ClockUnconfirmed)


def test_an_accelerated_clock_is_judged_by_the_machines_not_by_the_ledger(
    hub: HubTestDriver,
) -> None:
    """A demo's ledger is years ahead of its machine, or behind it: that says nothing."""
    hub.is_clock_scripted = True
    hub.clock_seen = START + 10 * YEAR
    start_at(hub, START + 10 * YEAR + DAY_MS)
    hub.run()
    assert isinstance(hub.last_report, Idle)
    hub.put("notices", 0, b"", encode_mark(Mark(0, START + 11 * YEAR)))
    start_at(hub, START + 11 * YEAR)
    hub.run()
    assert isinstance(hub.last_report, ClockUnconfirmed)


def test_the_guard_in_numbers() -> None:
    """How far ahead it is, told in days; 0 to the very limit."""
    assert days_ahead(ClockEvidence(12 * DAY_MS, DAY_MS, is_business=True), 0, 10 * DAY_MS) == 11
    assert days_ahead(ClockEvidence(11 * DAY_MS, DAY_MS, is_business=True), 0, 10 * DAY_MS) == 0
    assert days_ahead(ClockEvidence(11 * DAY_MS + 1, DAY_MS, is_business=True), 0, 10 * DAY_MS) > 10
    assert days_ahead(ClockEvidence(12 * DAY_MS, 0, is_business=True), 0, 10 * DAY_MS) == 0
    assert days_ahead(ClockEvidence(12 * DAY_MS, 0, is_business=True), DAY_MS, 10 * DAY_MS) == 11
    assert days_ahead(ClockEvidence(12 * DAY_MS, 0, is_business=False), DAY_MS, 10 * DAY_MS) == 0
