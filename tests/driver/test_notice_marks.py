"""Hourly marks under a false clock: none, or agents would take every duty for missed."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from hub.config.repository import DEPLOY
from hub.config.site import Site, load_site
from hub.core.basis import canonical_json
from hub.core.ledger_end import LedgerEndError, Loss
from hub.core.record import record_hash
from hub.engine.clock_guard import DAY_MS
from hub.engine.events import ClockBelieved, ClockUnconfirmed
from hub.engine.ledger_end import seen_by_notices
from hub.ports import ClockEvidence, InputRecord, OutputRecord
from hub.views.notices import SEEN, Mark, decode_notice
from hub.workers import notices
from hub.workers.notices import NoticesFollower
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import COMPANY, DEPARTMENT, LICENCE, at, framed, licence_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from hub.workers.events import NoticesEvent

START = at("2026-11-02 09:00")
PREFIX = "county."


class NoticeMachine:
    """The follower on a machine whose clock a test sets; the log is the hub's."""

    def __init__(self) -> None:
        self.hub = HubTestDriver(rows.basis(2), prefix=PREFIX, now=START)
        county = load_site(DEPLOY / "sites/county").site
        self.site = Site(**{**dict(county), "partitions": 2, "clock_guard_days": 10})
        self.shown, self.seen = START, 0
        self.jumped = False
        self.reports: list[type[NoticesEvent]] = []
        self._positions: dict[tuple[str, int], int] = {}
        self.start()

    def start(self) -> None:
        """Start a new process."""
        self.follower = NoticesFollower(
            self.site, rows.CONTRACTS, self, self, self, self, self, self.report
        )
        self.follower.start()

    def steps(self) -> None:
        """Work until nothing is left."""
        for _ in range(4):
            self.follower.step()

    def marks(self) -> list[int]:
        """The moments of all marks of the first partition."""
        told = [decode_notice(r.value) for r in self.hub.log.logs[f"{PREFIX}notices", 0]]
        return [one.read_at for one in told if isinstance(one, Mark)]

    # --- the follower's ports ---

    def report(self, event: NoticesEvent) -> None:
        """Keep what is said of the clock."""
        if isinstance(event, ClockUnconfirmed | ClockBelieved):
            self.reports.append(type(event))

    def reached(self, hook: str) -> None:
        """No fault."""

    def now(self) -> int:
        """Business time."""
        return self.shown

    def has_jumped(self) -> bool:
        """Whether the clock ran ahead within the run."""
        return self.jumped

    def evidence(self) -> ClockEvidence:
        """What the machine remembers."""
        return ClockEvidence(self.shown, self.seen, is_business=True)

    def note(self) -> None:
        """Remember."""
        self.seen = self.shown

    def append(self, records: Sequence[OutputRecord]) -> None:
        """Write to the log."""
        for record in records:
            self.hub.log.append(record)

    def assign(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Read from here."""
        self._positions = dict(positions)

    def bounds(self, places: Iterable[tuple[str, int]]) -> dict[tuple[str, int], tuple[int, int]]:
        """Begin and end."""
        return {place: (0, len(self.hub.log.logs[place])) for place in places}

    def ends_reached(self) -> Mapping[tuple[str, int], int]:
        """Nothing is behind."""
        return defaultdict(int)

    def consume(self, _limit: int, _timeout_seconds: float) -> list[InputRecord]:
        """Everything new."""
        found = []
        for place, position in self._positions.items():
            found += self.hub.log.logs[place][position:]
            self._positions[place] = len(self.hub.log.logs[place])
        return found

    def read_to_end(self, positions: Mapping[tuple[str, int], int]) -> Iterator[list[InputRecord]]:
        """Everything from here."""
        for place, position in positions.items():
            yield self.hub.log.logs[place][position:]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> NoticeMachine:
    """One that has set its first marks."""
    monkeypatch.setattr(notices, "_MARK_SECONDS", 0.0)
    monkeypatch.setattr(notices, "_CLOCK_SECONDS", 0.0)
    made = NoticeMachine()
    made.steps()
    assert made.marks() == [START]
    return made


def test_ten_years_ahead_no_mark_is_set_until_the_clock_is_right_again(
    machine: NoticeMachine,
) -> None:
    """What is in the ledger is told all the same."""
    machine.seen = 0  # another disk: the marks themselves say what time it was
    machine.shown = START + 3650 * DAY_MS
    machine.start()
    machine.steps()
    assert machine.marks() == [START]
    assert machine.seen == 0
    assert set(machine.reports[1:]) == {ClockUnconfirmed}
    row = licence_row()
    machine.hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, row))
    machine.hub.run()
    machine.steps()
    told = [
        dict(r.headers)["ce_type"]
        for p in (0, 1)
        for r in machine.hub.log.logs[f"{PREFIX}notices", p]
    ]
    assert b"notice.given.v1" in told
    machine.shown = START + DAY_MS
    machine.steps()
    assert machine.marks() == [START, START + DAY_MS]


@pytest.mark.parametrize(("days", "is_marked"), [(10, True), (11, False)])
def test_a_holiday_passes_and_more_waits(
    machine: NoticeMachine, *, days: int, is_marked: bool
) -> None:
    """The site's limit is the registrar's."""
    machine.shown = START + days * DAY_MS
    machine.start()
    machine.steps()
    assert (len(machine.marks()) == 2) is is_marked


def test_what_the_registrar_decided_since_says_what_time_it_is(machine: NoticeMachine) -> None:
    """The follower alone was off for a month."""
    machine.shown = START + 30 * DAY_MS
    machine.start()
    machine.steps()
    assert len(machine.marks()) == 1
    machine.hub.advance(30 * DAY_MS)
    machine.hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row()))
    machine.hub.run()
    machine.steps()
    assert machine.marks()[-1] == machine.shown


def test_a_person_confirms_and_what_is_believed_is_remembered(machine: NoticeMachine) -> None:
    """Judged once: afterwards the watch on jumps judges, whatever time passes."""
    machine.shown = START + 30 * DAY_MS
    machine.start()
    machine.steps()
    machine.seen = machine.shown
    machine.steps()
    machine.shown += 30 * DAY_MS
    machine.steps()
    assert machine.marks() == [START, START + 30 * DAY_MS, START + 60 * DAY_MS]
    assert machine.seen == machine.shown
    assert machine.reports.count(ClockBelieved) == 2


def test_a_position_is_read_from_whatever_was_written_last(machine: NoticeMachine) -> None:
    """Bytes that are no notice say no time, and do not stop it."""
    place = (f"{PREFIX}notices", 1)
    position = dict(machine.hub.log.logs[place][-1].headers)[SEEN]
    machine.append([OutputRecord(*place, b"", b"[1]", ((SEEN, position),))])
    machine.shown = START + DAY_MS
    machine.start()
    machine.steps()
    assert machine.marks() == [START, START + DAY_MS]


def test_notices_of_a_ledger_that_was_cut_are_told_no_further(machine: NoticeMachine) -> None:
    """Nor what continues nothing; once the loss is declared they go on from what is left."""
    ledger = machine.hub.raw_ledger(0)
    row = rows.framed(rows.LICENCE, rows.licence_row())
    machine.hub.pipe(rows.DEPARTMENT, rows.LICENCE, rows.COMPANY, row, partition=0)
    machine.hub.run()
    machine.steps()
    whole = list(ledger)
    ledger.append(ledger[-1]._replace(offset=len(ledger)))
    with pytest.raises(LedgerEndError, match="notices has seen up to"):
        machine.steps()
    left = len(whole) - 1
    del ledger[left:]
    with pytest.raises(LedgerEndError, match="notices has seen sequence"):
        machine.start()
    kept = record_hash(ledger[-1].value).hex()
    loss = Loss(left, left, 1, left, kept, "", ("notices",), "王运维", "磁盘损坏").as_content()
    machine.hub.put("control", 0, b"", canonical_json(loss), (("ce_type", b"loss.accepted.v1"),))
    machine.hub.crash(lose_disk=True)
    machine.hub.run()
    machine.start()
    machine.steps()
    (told,) = seen_by_notices(machine.hub.log.logs[f"{PREFIX}notices", 0][-1:])
    assert (told.head.sequence, told.head.epoch) == (len(ledger), 1)
