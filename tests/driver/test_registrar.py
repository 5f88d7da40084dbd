"""What the registrar decides, seen through the real slot over an in-memory log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.core.record import LedgerRecord, Outcome
from hub.domain.partitioning import partition_of
from hub.errors import FencedError
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import (
    AUTHORITY,
    COMPANY,
    DEPARTMENT,
    LICENCE,
    OTHER_COMPANY,
    OTHER_DEPARTMENT,
    PENALTY,
    at,
    framed,
    licence_row,
    penalty_row,
)

DAY = 86_400_000


@pytest.fixture
def hub() -> HubTestDriver:
    """A hub on the morning of Monday 2026-11-02."""
    return HubTestDriver(rows.basis(), now=at("2026-11-02 09:00"))


def submit(
    hub: HubTestDriver,
    row: dict[str, str],
    kind: str = LICENCE,
    **more: Any,  # noqa: ANN401 - what the driver's `pipe` takes
) -> LedgerRecord:
    """Submit one row and return what was written about it."""
    key = row.get("XK_XDR_SHXYM") or row["CF_XDR_SHXYM"]
    hub.pipe(DEPARTMENT, kind, key, framed(kind, row), **more)
    (record,) = hub.run()
    return record


def codes(record: LedgerRecord) -> set[str]:
    """The reason codes of a ledger record."""
    return {reason.code for reason in record.reasons}


def test_a_good_row_is_accepted_for_every_target_of_its_kind(hub: HubTestDriver) -> None:
    """Both targets are named, and each has a clock of seven working days."""
    record = submit(hub, licence_row())
    assert record.outcome is Outcome.ACCEPTED
    assert record.publish_targets == 0b11
    assert record.state is not None
    assert {c.due_at for c in record.state.clocks} == {at("2026-11-12 00:00")}


def test_another_spelling_of_one_number_is_a_duplicate(hub: HubTestDriver) -> None:
    """Bracket styles, separators and inner spaces do not make a second decision."""
    first = submit(hub, licence_row())
    again = submit(hub, licence_row(XK_WSH="舟市监许[2026] 1号", XK_JDRQ="2026/11/2", XK_ZT="有效"))
    assert again.outcome is Outcome.DUPLICATE
    assert again.refers_to == first.sequence
    assert again.cause.value == b""


def test_a_repeated_submission_gets_its_first_receipt(hub: HubTestDriver) -> None:
    """The same (stream, sequence) is answered with the first outcome's sequence."""
    first = submit(hub, licence_row(), sequence=7)
    again = submit(hub, licence_row(), sequence=7)
    assert again.outcome is Outcome.DUPLICATE
    assert again.refers_to == first.sequence
    assert codes(again) == {"REPEATED_SUBMISSION"}


def test_a_number_used_again_for_something_else_is_refused_by_name(hub: HubTestDriver) -> None:
    """A cursor that was reset swallows no decision; the first receipt stands."""
    first = submit(hub, licence_row(), sequence=7)
    other = submit(hub, licence_row(XK_WSH="舟市监许〔2026〕2号"), sequence=7)
    assert (other.outcome, codes(other)) == (Outcome.QUARANTINED, {"SUBMISSION_NUMBER_REUSED"})
    assert other.state is not None
    assert {c.kind for c in other.state.clocks} == {"D"}
    again = submit(hub, licence_row(), sequence=7)
    assert (again.outcome, again.refers_to) == (Outcome.DUPLICATE, first.sequence)


def test_an_undeclared_change_is_kept_and_raised_never_shown(hub: HubTestDriver) -> None:
    """Other content under the same identity is conflicting; the live version stays."""
    submit(hub, licence_row())
    other = submit(hub, licence_row(XK_NR="特种设备生产"))
    assert other.outcome is Outcome.CONFLICTING
    assert other.publish_targets == 0
    assert other.state is not None
    assert other.state.version == 1


def test_an_older_source_version_is_superseded(hub: HubTestDriver) -> None:
    """The source's own version decides which of two contents is the newer."""
    submit(hub, licence_row(), source_version=5)
    older = submit(hub, licence_row(XK_NR="旧内容"), source_version=4)
    assert older.outcome is Outcome.SUPERSEDED


def correct(hub: HubTestDriver, row: dict[str, str], department: str = DEPARTMENT) -> LedgerRecord:
    """Submit a declared correction that keeps the identity."""
    value = framed(
        "record.corrected.v1",
        {"subject_kind": LICENCE, "row": framed(LICENCE, row), "reason": "录入错误"},
    )
    hub.pipe(department, "record.corrected.v1", row["XK_XDR_SHXYM"], value)
    (record,) = hub.run()
    return record


def test_a_correction_makes_the_next_version_and_inherits_the_unmet_deadline(
    hub: HubTestDriver,
) -> None:
    """Nothing was shown yet, so the seven days of the decision still run."""
    first = submit(hub, licence_row())
    hub.advance(DAY)
    fixed = correct(hub, licence_row(XK_NR="食品销售"))
    assert fixed.outcome is Outcome.CORRECTED
    assert fixed.version == 2
    assert fixed.state is not None
    assert first.state is not None
    assert fixed.state.clocks == first.state.clocks


def test_another_department_may_not_correct_a_record(hub: HubTestDriver) -> None:
    """The authority table of the site says who may act on whose records."""
    submit(hub, licence_row())
    foreign = correct(hub, licence_row(XK_NR="食品销售"), OTHER_DEPARTMENT)
    assert foreign.outcome is Outcome.QUARANTINED
    assert codes(foreign) == {"NOT_YOUR_RECORD"}


def withdraw(hub: HubTestDriver, **changes: str) -> LedgerRecord:
    """Submit a withdrawal of the sample licence."""
    row = {
        "subject_kind": LICENCE, "document_number": "舟市监许〔2026〕1号",
        "subject_name": "舟山示例贸易有限公司", "credit_code": COMPANY,
        "authority_code": AUTHORITY, "reason": "许可被撤销",
    } | changes  # fmt: skip
    hub.pipe(DEPARTMENT, "record.withdrawn.v1", COMPANY, framed("record.withdrawn.v1", row))
    (record,) = hub.run()
    return record


def test_a_withdrawal_names_every_target_any_version_was_named_for(hub: HubTestDriver) -> None:
    """It has a clock of its own: three working days, whatever became of the disclosure."""
    submit(hub, licence_row())
    gone = withdraw(hub)
    assert gone.outcome is Outcome.WITHDRAWN
    assert gone.withdraw_targets == 0b11
    assert gone.state is not None
    assert {(c.kind, c.due_at) for c in gone.state.clocks} == {("W", at("2026-11-06 00:00"))}


def test_withdrawing_what_was_never_there_is_told_to_the_clerk(hub: HubTestDriver) -> None:
    """A withdrawal that finds nothing waits, and its sender is answered at once."""
    waits = withdraw(hub)
    assert (waits.outcome, codes(waits)) == (Outcome.HELD, {"WAITING_FOR_RECORD"})


def test_withdrawn_content_that_comes_again_stays_down(hub: HubTestDriver) -> None:
    """The next full export must not show again what a bureau took down: that is a restoration's."""
    submit(hub, licence_row())
    gone = withdraw(hub)
    again = submit(hub, licence_row())
    assert (again.outcome, codes(again)) == (Outcome.DUPLICATE, {"SAME_AS_WITHDRAWN"})
    assert (again.version, again.publish_targets, again.state) == (gone.version, 0, None)


def move(hub: HubTestDriver, *, in_first: bool = False) -> list[LedgerRecord]:
    """Move the sample licence to another credit code."""
    move_id = "ab" * 16
    out = framed(
        "record.moved_out.v1",
        {
            "move_id": move_id, "subject_kind": LICENCE, "document_number": "舟市监许〔2026〕1号",
            "subject_name": "舟山示例贸易有限公司", "credit_code": COMPANY,
            "authority_code": AUTHORITY, "new_credit_code": OTHER_COMPANY, "reason": "代码录入错误",
        },
    )  # fmt: skip
    into = framed(
        "record.moved_in.v1",
        {
            "move_id": move_id, "subject_kind": LICENCE, "reason": "代码录入错误",
            "row": framed(LICENCE, licence_row(XK_XDR_SHXYM=OTHER_COMPANY)),
            "previous_credit_code": COMPANY,
        },
    )  # fmt: skip
    written = []
    if in_first:
        hub.pipe(DEPARTMENT, "record.moved_in.v1", OTHER_COMPANY, into)
        written += hub.run()
        hub.pipe(DEPARTMENT, "record.moved_out.v1", COMPANY, out)
    else:
        hub.pipe(DEPARTMENT, "record.moved_out.v1", COMPANY, out)
        hub.pipe(DEPARTMENT, "record.moved_in.v1", OTHER_COMPANY, into)
    return written + hub.run()


@pytest.mark.parametrize("in_first", [True, False])
def test_a_move_withdraws_the_old_identity_and_publishes_the_new(
    hub: HubTestDriver, *, in_first: bool
) -> None:
    """Whatever order the two halves arrive in, the end is the same."""
    submit(hub, licence_row())
    written = move(hub, in_first=in_first)
    out = [r for r in written if r.outcome is Outcome.WITHDRAWN]
    shown = [r for r in written if r.publish_targets]
    assert [r.withdraw_targets for r in out] == [0b11]
    assert [r.publish_targets for r in shown] == [0b11]
    if in_first:
        assert {r.outcome for r in written} >= {Outcome.HELD, Outcome.HELD_RELEASED}
        (released,) = shown
        assert released.row != b""


def test_a_move_of_nothing_ends_in_quarantine(hub: HubTestDriver) -> None:
    """Nothing is known under the old code, and nothing comes: the arriving row is not shown."""
    assert [r.outcome for r in move(hub, in_first=True)] == [Outcome.HELD, Outcome.HELD]
    ended = [r for r in hub.advance(40 * DAY) if r.outcome is Outcome.HELD_ENDED]
    assert [codes(r) for r in ended] == [{"WAITED_TOO_LONG"}, {"MOVE_REFUSED"}] or [
        codes(r) for r in ended
    ] == [{"MOVE_REFUSED"}, {"WAITED_TOO_LONG"}]
    assert [r.publish_targets for r in hub.ledger() if r.publish_targets] == []


def test_a_quarantined_row_still_runs_against_its_deadline(hub: HubTestDriver) -> None:
    """A row with a bad field is an undisclosed decision: overdue is written for it."""
    bad = submit(hub, licence_row(XK_NR=""))
    assert bad.outcome is Outcome.QUARANTINED
    assert codes(bad) == {"FIELD_REQUIRED"}
    written = hub.advance(20 * DAY)
    assert Outcome.OVERDUE in {r.outcome for r in written}


def test_due_soon_and_overdue_are_written_by_the_clock_alone(hub: HubTestDriver) -> None:
    """Nothing comes in; the registrar is restarted before the due date; the clock still speaks."""
    submit(hub, licence_row())
    hub.crash(lose_disk=True)
    events = []
    for _ in range(14):
        for record in hub.advance(DAY):
            events += [(record.outcome.name, e.event) for e in record.events]
    assert events == [
        ("DUE_SOON", "due_soon_3"), ("DUE_SOON", "due_soon_3"),
        ("DUE_SOON", "due_soon_1"), ("DUE_SOON", "due_soon_1"),
        ("OVERDUE", "overdue"), ("OVERDUE", "overdue"),
    ]  # fmt: skip


def report(
    hub: HubTestDriver, record: LedgerRecord, target: str, stage: str, platform_at: int
) -> LedgerRecord:
    """A courier reports a stage."""
    content = {
        "outcome": "00", "delivery": "00", "record": record.record_key.hex(),
        "version": record.version, "action": "publish", "stage": stage, "receipt": "r",
        "code": "", "message": "", "platform_at": platform_at, "at": hub.now,
    }  # fmt: skip
    place = partition_of(COMPANY.encode(), hub.partitions)
    hub.put(f"outcomes.{target}", place, COMPANY.encode(), json.dumps(content).encode())
    noted = hub.run()[0]
    assert noted.outcome is Outcome.OUTCOME_NOTED
    return noted


def test_each_target_stops_its_clock_at_its_own_stage(hub: HubTestDriver) -> None:
    """The province reports: acknowledged is enough. The city shows: only published counts."""
    record = submit(hub, licence_row())
    province = report(hub, record, "province", "acknowledged", hub.now)
    city = report(hub, record, "city", "acknowledged", hub.now)
    assert [(e.target, e.event) for e in province.events] == [(0, "stopped_in_time")]
    assert city.events == ()
    shown = report(hub, record, "city", "published", hub.now)
    assert [(e.target, e.event) for e in shown.events] == [(1, "stopped_in_time")]
    assert hub.advance(30 * DAY) == []


def test_overdue_may_be_followed_by_published_in_time_learned_late(hub: HubTestDriver) -> None:
    """On time is judged by the platform's own time, not by when its answer reached us."""
    record = submit(hub, licence_row())
    in_time = hub.now + DAY
    hub.advance(20 * DAY)
    noted = report(hub, record, "city", "published", in_time)
    assert [e.event for e in noted.events] == ["in_time_learned_late"]


def test_a_duty_met_by_an_earlier_version_is_met_though_learned_after_the_correction(
    hub: HubTestDriver,
) -> None:
    """The city showed version 1 in time; its answer comes late. Version 2 has its own clock."""
    first = submit(hub, licence_row())
    shown_at = hub.now + 1000
    hub.advance(DAY)
    correct(hub, licence_row(XK_NR="食品销售"))
    hub.advance(30 * DAY)
    noted = report(hub, first, "city", "published", shown_at)
    assert [e.event for e in noted.events] == ["in_time_learned_late"]
    assert noted.state is not None
    assert [s.version for s in noted.state.stages if s.target == 1] == [2]
    running = [c for c in noted.state.clocks if c.target == 1 and c.is_running]
    assert [c.due_at for c in running] == [at("2026-11-07 00:00")]  # from the correction, 11-03
    (overdue,) = [r for r in hub.ledger() if r.sequence > noted.sequence and r.events]
    assert [(e.target, e.event) for e in overdue.events] == [(1, "overdue")]


def test_a_platform_that_acknowledges_and_then_refuses_has_not_met_the_duty(
    hub: HubTestDriver,
) -> None:
    """The province's clock stopped at the acknowledgement; after the refusal it runs again."""
    record = submit(hub, licence_row())
    report(hub, record, "province", "acknowledged", hub.now)
    refused = report(hub, record, "province", "refused", hub.now)
    assert [e.event for e in refused.events] == ["reopened"]
    events = [e for r in hub.advance(30 * DAY) for e in r.events]
    assert 0 in {e.target for e in events if e.event == "overdue"}


def test_an_answer_to_what_was_withdrawn_since_changes_nothing(hub: HubTestDriver) -> None:
    """The publication that comes through late says nothing about the withdrawal."""
    first = submit(hub, licence_row())
    withdraw(hub)
    assert report(hub, first, "city", "published", hub.now).state is None


def test_minor_penalties_are_accepted_but_withheld_from_public_targets(hub: HubTestDriver) -> None:
    """轻微 is reported to the province and not shown by the city."""
    record = submit(hub, penalty_row(CF_YZCD="轻微", CF_GSJZQ="2027-01-01"), PENALTY)
    assert record.outcome is Outcome.ACCEPTED, record.reasons
    assert record.publish_targets == 0b01
    assert "WITHHELD_FROM_PUBLIC" in codes(record)


def test_publication_of_a_penalty_ends_by_itself(hub: HubTestDriver) -> None:
    """After the stated end, the public target must take it down, with a clock of its own."""
    submit(hub, penalty_row(CF_GSJZQ="2026-12-31"), PENALTY)
    written = hub.advance(70 * DAY)
    (expired,) = [r for r in written if r.outcome is Outcome.EXPIRED]
    assert expired.withdraw_targets == 0b10
    assert expired.state is not None
    assert "W" in {c.kind for c in expired.state.clocks}


def test_a_december_deadline_is_provisional_and_recounted_when_the_notice_is_loaded() -> None:
    """A sweep over the provisional deadlines writes the new due date, the notice being adopted."""
    hub = HubTestDriver(rows.basis(), now=at("2026-12-28 09:00"))
    row = licence_row(XK_JDRQ="2026-12-28", XK_YXQZ="2026-12-28")
    record = submit(hub, row)
    assert record.state is not None
    assert record.state.has_provisional_clock()
    notice = rows.basis()
    days = [{"name": "元旦", "date": f"2027-01-0{n}", "isOffDay": True} for n in (1, 2, 3, 4, 5)]
    notice["calendar"]["notices"].append({"year": 2027, "papers": ["test"], "days": days})
    notice["calendar"]["version"] = "with-2027"
    hub.adopt(notice)
    written = [r for r in hub.ledger() if r.outcome is Outcome.RECOUNTED]
    assert [e.event for r in written for e in r.events] == ["due_date_moved", "due_date_moved"]
    state = written[-1].state
    assert state is not None
    assert not state.has_provisional_clock()
    assert Outcome.SWEEP_ENDED in {r.outcome for r in hub.ledger()}


def test_bad_input_is_quarantined_by_name_and_its_neighbours_pass(hub: HubTestDriver) -> None:
    """Garbage, a wrong key, a wrong partition, no headers: one reason each, nothing lost."""
    good = licence_row()
    wrong = 1 - partition_of(COMPANY.encode(), 2)
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, b"garbage")
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, good)[:-3])
    hub.pipe(DEPARTMENT, LICENCE, OTHER_COMPANY, framed(LICENCE, good))
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, good), partition=wrong)
    hub.pipe(DEPARTMENT, "nobody.knows.v1", COMPANY, framed(LICENCE, good))
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, b"\x00" * (1024 * 1024 + 1))
    hub.put(f"submissions.{DEPARTMENT}", partition_of(COMPANY.encode(), 2), COMPANY.encode(), b"")
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, good))
    written = hub.run()
    lifted = [r for r in written if r.outcome is Outcome.DUTY_LIFTED]
    assert len(lifted) == 1  # the row under a wrong key in this partition was answered
    assert (
        sorted(r.outcome.name for r in written if r not in lifted)
        == ["ACCEPTED"] + ["QUARANTINED"] * 7
    )
    assert set.union(*(codes(r) for r in written)) >= {
        "PAYLOAD_UNREADABLE", "KEY_MISMATCH", "WRONG_PARTITION", "UNKNOWN_KIND",
        "RECORD_TOO_LARGE", "HEADER_MISSING",
    }  # fmt: skip


def test_a_foreign_authority_is_refused(hub: HubTestDriver) -> None:
    """A department submits for its own authorities only."""
    row = licence_row(XK_XKJGDM=rows.OTHER_AUTHORITY)
    assert "FOREIGN_AUTHORITY" in codes(submit(hub, row))


def test_the_state_is_a_fold_of_the_ledger(hub: HubTestDriver) -> None:
    """A lost disk is rebuilt to the same bytes from the ledger alone."""
    submit(hub, licence_row())
    correct(hub, licence_row(XK_NR="食品销售"))
    withdraw(hub)
    move(hub)
    hub.advance(3 * DAY)
    before = dict(hub.store)
    hub.crash(lose_disk=True)
    hub.run()
    assert hub.store == before


def test_time_stands_still_while_the_machines_clock_has_run_ahead(hub: HubTestDriver) -> None:
    """A clock set wrongly must not declare departments late, then or when it is right again."""
    submit(hub, licence_row())
    hub.clock_jumped = True
    assert hub.advance(60 * DAY) == []
    taken = submit(hub, licence_row(XK_WSH="舟市监许〔2026〕2号"))
    assert taken.outcome is Outcome.ACCEPTED
    hub.clock_jumped = False
    assert hub.advance(-59 * DAY) == []
    assert Outcome.OVERDUE in {r.outcome for r in hub.advance(30 * DAY)}


def test_a_partition_given_up_is_not_written_again_by_its_old_owner() -> None:
    """The map change is the old slot's last record; the new owner goes on from there."""
    hub = HubTestDriver(rows.basis(1), now=at("2026-11-02 09:00"))
    submit(hub, licence_row())
    hub.put("control", 0, b"", b'{"owner":"registrar.1"}', (("ce_type", b"map.changed.v1"),))
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row()))
    with pytest.raises(FencedError, match=r"registrar\.1"):
        hub.run()
    last = hub.ledger()[-1]
    assert last.outcome is Outcome.MAP_CHANGED
    hub.crash()
    with pytest.raises(FencedError, match=r"registrar\.1"):
        hub.run()
    hub.owner = "registrar.1"
    hub.crash(lose_disk=True)
    assert [record.outcome for record in hub.run()] == [Outcome.DUPLICATE]
