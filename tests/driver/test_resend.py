"""Asked again, added later, taken off the list: what a target is named for by a walk."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from hub.audit.plan import named_in
from hub.audit.rehearsal import ControlMessage, rehearse
from hub.audit.replay import MemoryState
from hub.core.record import CauseKind, LedgerRecord, Outcome, decode_record, encode_record
from hub.core.state import ClockFlag, ClockKind, StageCode, decode_state
from hub.domain import kinds
from hub.domain.partitioning import partition_of
from hub.engine import slot
from hub.operations.control import resend_request
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.resends import (
    ask_again,
    book_of,
    content_of,
    request,
    showing,
    told,
    two_targets,
    with_archive,
)
from tests.driver.rows import COMPANY, DEPARTMENT, LICENCE, OTHER_COMPANY, PENALTY, at, framed
from tests.driver.rows import licence_row as a_licence
from tests.driver.rows import penalty_row as a_penalty
from tests.driver.stories import DAY, correct, move, number, report, submit, withdraw
from tests.replay.scenario import PREFIX, MemoryInputs, run_scenario, tell_again
from tests.replay.tampering import forge, places, replay, verify

PROVINCE, CITY, ARCHIVE = 0, 1, 2


@pytest.fixture
def hub() -> HubTestDriver:
    """A hub at the morning of a decision."""
    return HubTestDriver(two_targets(), now=at("2026-11-02 09:00"))


def state_of(hub: HubTestDriver, record: LedgerRecord) -> bytes:
    """The stored state of a record."""
    place = partition_of(record.cause.key, hub.partitions).to_bytes(2)
    return hub.store[place + b"r" + record.record_key]


def deciding(hub: HubTestDriver, outcome: Outcome) -> list[LedgerRecord]:
    """The ledger records with this outcome."""
    return [r for r in hub.ledger() if r.outcome is outcome]


# --- asked again ---


def test_a_live_record_is_named_again_with_its_row_and_version(hub: HubTestDriver) -> None:
    """The courier needs no other ledger record: the row stands in this one."""
    first = submit(hub, a_licence())
    (again,) = told(ask_again(hub, "city"))
    assert (again.outcome, again.publish_targets) == (Outcome.RESENT, 1 << CITY)
    assert (again.withdraw_targets, again.version) == (0, first.version)
    assert again.row == framed(LICENCE, a_licence())
    assert again.record_key == first.record_key
    assert again.cause.key == COMPANY.encode()
    assert again.refers_to == first.sequence


def test_a_corrected_record_is_named_again_as_it_is_now(hub: HubTestDriver) -> None:
    """Not as it came first; the row was inside the correction."""
    submit(hub, a_licence())
    correct(hub, a_licence(XK_NR="特种设备生产"))
    (again,) = told(ask_again(hub, "city"))
    assert again.version == 2
    assert content_of(again.row) == "特种设备生产"


def test_a_record_that_moved_is_named_again_under_its_new_code(hub: HubTestDriver) -> None:
    """Its row came out of the move; the old identity is withdrawn again, with its reason."""
    submit(hub, a_licence())
    move(hub, a_licence(), OTHER_COMPANY)
    again = {r.cause.key.decode(): r for r in told(ask_again(hub, "city"))}
    assert again[OTHER_COMPANY].publish_targets == 1 << CITY
    assert again[COMPANY].withdraw_targets == 1 << CITY
    assert again[COMPANY].row.startswith(b"\x00")


def test_what_was_withdrawn_is_withdrawn_again_with_the_department_s_reason(
    hub: HubTestDriver,
) -> None:
    """行政处罚法 art. 48: the reason is said publicly, also the second time."""
    submit(hub, a_licence())
    gone = withdraw(hub, number(1))
    (again,) = told(ask_again(hub, "city"))
    assert (again.publish_targets, again.withdraw_targets) == (0, 1 << CITY)
    assert again.version == gone.version
    assert again.row == gone.cause.value


def test_nothing_about_the_record_changes(hub: HubTestDriver) -> None:
    """State, clocks and stages are to the byte what they were."""
    first = submit(hub, a_licence())
    report(hub, first, "city", "published", platform_at=hub.now)
    before = state_of(hub, first)
    ask_again(hub, "city")
    assert state_of(hub, first) == before


def test_a_quarantined_record_is_not_named(hub: HubTestDriver) -> None:
    """Nobody may see it, and no target ever did."""
    submit(hub, a_licence(XK_NR=""))
    assert told(ask_again(hub, "city")) == []


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"begin": "2026-10-30"}, {2, 3}),
        ({"end": "2026-10-30"}, {1, 2}),
        ({"begin": "2026-10-30", "end": "2026-10-30"}, {2}),
        ({"document": "舟市监许[2026] 3号"}, {3}),
        ({"document": "舟市监许〔2026〕9号"}, set()),
        ({}, {1, 2, 3}),
    ],
)
def test_dates_are_inclusive_and_numbers_normalised(
    hub: HubTestDriver, asked: dict[str, str], found: set[int]
) -> None:
    """By date of decision; a document number in any of its spellings."""
    keys = {}
    for n, day in ((1, "2026-10-29"), (2, "2026-10-30"), (3, "2026-11-02")):
        row = a_licence(XK_WSH=number(n), XK_JDRQ=day, XK_YXQZ=day)
        keys[submit(hub, row).record_key] = n
    assert {keys[r.record_key] for r in told(ask_again(hub, "city", **asked))} == found


def test_a_withdrawn_record_is_found_by_its_number_too(hub: HubTestDriver) -> None:
    """Its withdrawal names it."""
    submit(hub, a_licence())
    withdraw(hub, number(1))
    assert len(told(ask_again(hub, "city", document="舟市监许(2026)1号"))) == 1
    assert told(ask_again(hub, "city", document=number(2))) == []


@pytest.mark.parametrize(
    "content",
    [
        b"{", b"[1]", b"{}",
        b'{"target": "city", "decided_from": "yesterday", "decided_to": "", "document": ""}',
        b'{"target": "city", "decided_from": 7, "decided_to": "", "document": ""}',
        b'{"target": "city", "decided_from": "", "decided_to": "", "document": "\\ud800"}',
        b'{"target": "moon", "decided_from": "", "decided_to": "", "document": ""}',
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_refused_and_written_down(
    hub: HubTestDriver, content: bytes
) -> None:
    """Nothing is walked through for it."""
    submit(hub, a_licence())
    hub.put("control", 0, b"", content, (("ce_type", b"resend.requested.v1"),))
    (refused,) = hub.run()
    assert refused.outcome is Outcome.CONTROL_REFUSED
    assert refused.reasons[0].code in ("PAYLOAD_UNREADABLE", "TARGET_UNKNOWN")


def test_a_target_that_refused_may_take_it_now(hub: HubTestDriver) -> None:
    """The duty was open; acknowledged after the resend, it is met where that meets it."""
    first = submit(hub, a_licence())
    report(hub, first, "province", "refused", code="E17")
    ask_again(hub, "province")
    content = {
        "record": first.record_key.hex(), "version": 1, "action": "publish", "code": "",
        "stage": "acknowledged", "at": hub.now, "platform_at": hub.now, "again": True,
    }  # fmt: skip
    place = partition_of(COMPANY.encode(), 2)
    hub.put("outcomes.province", place, COMPANY.encode(), json.dumps(content).encode())
    noted = hub.run()[-1]
    assert noted.state is not None
    stages = {s.target: s.stage for s in noted.state.stages}
    assert stages[PROVINCE] is StageCode.ACKNOWLEDGED
    (clock,) = [c for c in noted.state.clocks if c.target == PROVINCE]
    assert not clock.is_running


@pytest.mark.parametrize("stage", ["acknowledged", "published"])
def test_a_target_that_refuses_what_it_has_already_undoes_nothing(
    hub: HubTestDriver, stage: str
) -> None:
    """A platform that takes nothing twice had taken it: the clock stays stopped."""
    first = submit(hub, a_licence())
    report(hub, first, "province", stage, platform_at=hub.now)
    ask_again(hub, "province")
    before = state_of(hub, first)
    content = {
        "record": first.record_key.hex(), "version": 1, "action": "publish", "code": "HAVE_IT",
        "stage": "refused", "at": hub.now, "platform_at": hub.now, "again": True,
    }  # fmt: skip
    place = partition_of(COMPANY.encode(), 2)
    hub.put("outcomes.province", place, COMPANY.encode(), json.dumps(content).encode())
    noted = hub.run()[-1]
    assert [reason.field for reason in noted.reasons] == ["HAVE_IT"]
    assert state_of(hub, first) == before


def test_requests_queue_and_each_is_carried_out(hub: HubTestDriver) -> None:
    """Two at once: both walks, one after the other, each to its end."""
    for n in range(5):
        submit(hub, a_licence(XK_WSH=number(n)))
    request(hub, "city")
    request(hub, "province")
    again = told(hub.run())
    assert [r.publish_targets for r in again] == [1 << CITY] * 5 + [1 << PROVINCE] * 5
    ends = [r for r in deciding(hub, Outcome.WALKED) if r.decided_at]
    assert len(ends) == 4
    assert not [key for key in hub.store if key[2:3] in (b"e", b"f")]


def test_what_comes_in_behind_the_request_is_not_named_twice(hub: HubTestDriver) -> None:
    """It was named by itself, under the same basis."""
    submit(hub, a_licence(XK_WSH=number(1)))
    request(hub, "city")
    late = submit(hub, a_licence(XK_WSH=number(2)))
    hub.run()
    assert late.record_key not in {r.record_key for r in deciding(hub, Outcome.RESENT)}


# --- added later ---


def test_a_target_added_later_is_named_for_every_live_record(hub: HubTestDriver) -> None:
    """Nobody asks for it: adopting the site is enough. What was withdrawn does not come back."""
    one = submit(hub, a_licence(XK_WSH=number(1)))
    two = submit(hub, a_licence(XK_WSH=number(2)))
    withdraw(hub, number(2))
    hub.adopt(with_archive())
    assert book_of(hub, ARCHIVE) == {
        one.record_key: ("publish", 2, framed(LICENCE, a_licence(XK_WSH=number(1))))
    }
    assert two.record_key not in book_of(hub, ARCHIVE)
    (named,) = deciding(hub, Outcome.REPROJECTED)
    assert named.publish_targets == 1 << ARCHIVE


def test_only_decisions_since_clock_from_have_a_deadline_at_a_target_added_later(
    hub: HubTestDriver,
) -> None:
    """A decision of the day before the target's date has none; one of the day has its clock."""
    hub.advance(DAY)
    for n, day in ((1, "2026-11-02"), (2, "2026-11-03")):
        submit(hub, a_licence(XK_WSH=number(n), XK_JDRQ=day, XK_YXQZ=day))
    hub.adopt(with_archive())
    clocks = {}
    for record in deciding(hub, Outcome.REPROJECTED):
        assert record.state is not None
        clocks[content_of(record.row), record.state.decided_on] = [
            c for c in record.state.clocks if c.target == ARCHIVE
        ]
    old, new = (found for _key, found in sorted(clocks.items()))
    assert old == []
    (clock,) = new
    assert (clock.kind, clock.flags & ClockFlag.STOPPED) == (ClockKind.DISCLOSE, 0)
    assert clock.due_at == at("2026-11-13 00:00")


def test_the_clocks_of_the_other_targets_are_left_alone(hub: HubTestDriver) -> None:
    """A target more changes nothing for those that were there."""
    first = submit(hub, a_licence())
    report(hub, first, "city", "published", platform_at=hub.now)
    before = decode_state(state_of(hub, first))
    hub.adopt(with_archive())
    after = decode_state(state_of(hub, first))
    assert set(before.clocks) <= set(after.clocks)
    assert set(before.stages) <= set(after.stages)
    left = [c.due_at for c in after.clocks if c.target != ARCHIVE]
    assert left == [c.due_at for c in before.clocks]


def test_a_kind_added_to_a_target_is_named_too(hub: HubTestDriver) -> None:
    """A city that begins to show penalties gets those decided before."""
    hub.adopt(showing(CITY, [LICENCE]))
    submit(hub, a_licence())
    penalty = submit(hub, a_penalty(), PENALTY)
    assert penalty.publish_targets == 1 << PROVINCE
    hub.adopt(two_targets())
    (named,) = deciding(hub, Outcome.REPROJECTED)
    assert (named.record_key, named.publish_targets) == (penalty.record_key, 1 << CITY)


def test_an_unchanged_site_begins_no_walk(hub: HubTestDriver) -> None:
    """Another calendar or other rights are no reason to read the whole ledger."""
    submit(hub, a_licence())
    document = two_targets()
    document["calendar"]["version"] = "another"
    hub.adopt(document)
    assert deciding(hub, Outcome.WALKED) == []


# --- taken off the list ---


def test_a_retired_target_withdraws_all_it_shows_and_is_named_for_nothing_new(
    hub: HubTestDriver,
) -> None:
    """One record each; the clock of the withdrawal runs, that of disclosure does not."""
    first = submit(hub, a_licence(XK_WSH=number(1)))
    hub.adopt(showing(CITY, []))
    (gone,) = deciding(hub, Outcome.REPROJECTED)
    assert (gone.publish_targets, gone.withdraw_targets) == (0, 1 << CITY)
    assert gone.version == first.version + 1
    assert gone.state is not None
    running = {(c.target, c.kind) for c in gone.state.clocks if c.is_running}
    assert running == {(CITY, ClockKind.WITHDRAW), (PROVINCE, ClockKind.DISCLOSE)}
    assert [(e.target, e.event) for e in gone.events] == [(CITY, "lifted")]
    assert submit(hub, a_licence(XK_WSH=number(2))).publish_targets == 1 << PROVINCE


def test_a_department_s_withdrawal_still_reaches_a_retired_target(hub: HubTestDriver) -> None:
    """A withdrawal names every target any version was ever named for."""
    submit(hub, a_licence())
    hub.adopt(showing(CITY, []))
    assert withdraw(hub, number(1)).withdraw_targets == 1 << CITY | 1 << PROVINCE


def test_a_target_dropped_without_being_retired_is_refused(hub: HubTestDriver) -> None:
    """By `hub basis adopt`, and by the registrar where it comes by other ways."""
    submit(hub, a_licence())
    fewer = two_targets()
    fewer["site"]["targets"].pop()
    assert {r.outcome for r in hub.adopt(fewer)} == {Outcome.CONTROL_REFUSED}
    assert withdraw(hub, number(1)).withdraw_targets == 1 << CITY | 1 << PROVINCE


def test_a_quarantined_row_owes_nothing_at_a_retired_target(hub: HubTestDriver) -> None:
    """Its clock there would ring for nobody."""
    faulty = submit(hub, a_licence(XK_NR=""))
    assert {c.target for c in decode_state(state_of(hub, faulty)).clocks} == {PROVINCE, CITY}
    hub.adopt(showing(CITY, []))
    assert {c.target for c in decode_state(state_of(hub, faulty)).clocks} == {PROVINCE}


def test_a_target_shown_again_gets_a_newer_version_than_its_withdrawal(hub: HubTestDriver) -> None:
    """Older than the withdrawal, a platform would have to refuse it."""
    submit(hub, a_licence())
    hub.adopt(showing(CITY, []))
    hub.adopt(two_targets())
    assert [r.version for r in deciding(hub, Outcome.REPROJECTED)] == [2, 3]
    assert {action for action, _v, _row in book_of(hub, CITY).values()} == {"publish"}


# --- whatever happens on the way ---


def walked_through(hub: HubTestDriver) -> dict[int, list[tuple[str, int]]]:
    """Per partition, what the walks said: outcome and the sequence they looked at."""
    return {
        p: [
            (r.outcome.value, r.cause.offset)
            for r in hub.ledger(p)
            if r.cause.kind is CauseKind.SWEEP
        ]
        for p in range(hub.partitions)
    }


@pytest.mark.parametrize("lose_disk", [False, True])
def test_a_walk_killed_at_every_request_says_the_same(
    monkeypatch: pytest.MonkeyPatch, *, lose_disk: bool
) -> None:
    """Killed between any two requests of its life, and again in the next: nothing twice."""
    monkeypatch.setattr(slot, "WALK_STEP", 2)
    monkeypatch.setattr(slot, "WALK_MARK", 3)

    def filled() -> HubTestDriver:
        hub = HubTestDriver(two_targets(), prefix=PREFIX, now=at("2026-11-02 09:00"))
        for n in range(7):
            submit(hub, a_licence(XK_WSH=number(n)))
        for n in range(4):
            submit(hub, a_licence(XK_WSH=number(n)))
        withdraw(hub, number(3))
        request(hub, "city")
        return hub

    whole = filled()
    whole.run()
    expected = [(r.record_key, r.publish_targets, r.withdraw_targets) for r in told(whole.ledger())]
    assert len(expected) == 7
    for life in (9, 14, 31):
        hub = filled()
        for _ in range(15):
            hub.die_after(life, lose_disk=lose_disk)
        hub.run()
        again = told(hub.ledger())
        assert [(r.record_key, r.publish_targets, r.withdraw_targets) for r in again] == expected
        assert verify(hub).differences.kept == []


def test_a_walk_over_nothing_of_interest_writes_down_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, hub: HubTestDriver
) -> None:
    """Killed again and again, it would otherwise begin at the beginning for ever."""
    monkeypatch.setattr(slot, "WALK_STEP", 4)
    monkeypatch.setattr(slot, "WALK_MARK", 8)
    for n in range(31):
        submit(hub, a_licence(XK_WSH=number(n)))
    ask_again(hub, "city", document="舟市监许〔2026〕900号")
    partition = partition_of(COMPANY.encode(), 2)
    steps = [step for step in walked_through(hub)[partition] if step[0] != "Z"]
    assert steps == [("z", 7), ("z", 15), ("z", 23), ("z", 31), ("z", 32)]


def test_resends_replay_to_equal_bytes_and_are_verified() -> None:
    """Over a ledger in which every outcome comes up, for both targets, and one added later."""
    hub = run_scenario()
    tell_again(hub)
    assert {r.outcome for r in told(hub.ledger())} == {Outcome.RESENT, Outcome.REPROJECTED}
    assert [f.text() for f in verify(hub).differences.kept] == []
    report_ = replay(hub)
    assert [f.text() for f in report_.differences.kept] == []
    assert report_.declared == ()
    for partition in range(hub.partitions):
        for stored in hub.raw_ledger(partition):
            assert encode_record(decode_record(stored.value)) == stored.value


def test_a_row_altered_in_a_resend_is_found_by_the_replay() -> None:
    """The row is a fact of the decision, and it is held against what the record's content is."""
    hub = HubTestDriver(two_targets(), prefix=PREFIX, now=at("2026-11-02 09:00"))
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, a_licence()))
    hub.run()
    ask_again(hub, "city")
    partition = partition_of(COMPANY.encode(), 2)
    sent = next(r for r in hub.ledger(partition) if r.outcome is Outcome.RESENT)

    def change(records: list[LedgerRecord]) -> None:
        records[sent.sequence] = sent._replace(row=framed(LICENCE, a_licence(XK_NR="别的")))

    forge(hub, partition, change)
    assert places(replay(hub).differences.kept) == [("REPLAY_DIFFERS", partition, sent.sequence)]


@pytest.mark.parametrize("asked", [{}, {"document": "舟市监许[2026] 2号"}, {"begin": "2026-12-02"}])
@pytest.mark.parametrize("target", ["city", "province"])
def test_a_dry_run_counts_what_the_walk_then_says(target: str, asked: dict[str, str]) -> None:
    """The same functions over the same ledger; and it leaves the ledger as it was."""
    hub = run_scenario()
    days = {"begin": "", "end": "", "document": ""} | asked
    request_ = resend_request(target, days["begin"], days["end"], days["document"])
    foreseen: Counter[tuple[str, str]] = Counter()
    before = len(hub.ledger())
    message = ControlMessage(kinds.RESEND_REQUESTED, json.dumps(request_).encode())
    for partition in range(hub.partitions):
        rehearse(
            MemoryInputs(hub.log), PREFIX, partition, MemoryState(), hub.now, message,
            lambda record: foreseen.update(named_in(record)),
        )  # fmt: skip
    assert len(hub.ledger()) == before
    said: Counter[tuple[str, str]] = Counter()
    for record in told(ask_again(hub, target, **asked)):
        assert record.state is not None
        said[("publish" if record.publish_targets else "withdraw"), record.state.kind] += 1
    assert foreseen == said
    assert said
