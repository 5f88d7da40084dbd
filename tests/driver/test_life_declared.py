"""L3. What was taken down comes back only by a new, declared act."""

from __future__ import annotations

from typing import Any

import pytest

from hub.core.record import Outcome
from hub.core.state import ClockFlag, ClockKind, RecordFlag, Status
from hub.domain import kinds
from tests.driver import rows
from tests.driver.life import DAY, FAR, FIRST, NEAR, RecordLife, answer
from tests.driver.rows import (
    AUTHORITY,
    COMPANY,
    MADE,
    OTHER_DEPARTMENT,
    PENALTY,
    PERFORMED,
    at,
    commitment_row,
    framed,
    penalty_row,
)

HERE = {(COMPANY, "食品经营")}


def test_the_next_full_export_does_not_show_again_what_was_taken_down(life: RecordLife) -> None:
    """The same row, day by day: each time told that it is withdrawn, never shown."""
    life.row()
    assert life.withdrawn() == "withdrawn"
    life.crash()
    for _night in range(3):
        life.wait(1)
        assert life.row() == "duplicate SAME_AS_WITHDRAWN"
        assert life.record.publish_targets == 0
    assert (life.status, life.state().version, life.shown()) == (Status.WITHDRAWN, 2, set())


def test_other_content_after_a_withdrawal_is_a_conflict(life: RecordLife) -> None:
    """Nobody declared that it is in force again: the record is marked, and nothing is shown."""
    life.row()
    life.withdrawn()
    assert life.row("特种设备生产") == "conflicting CHANGED_AFTER_WITHDRAWAL"
    assert life.state().flags & RecordFlag.CONFLICT
    life.crash()
    assert life.corrected() == "quarantined RECORD_WITHDRAWN"
    assert life.shown() == set()


@pytest.mark.parametrize("content", ["食品经营", "食品经营（新）"])
def test_a_restoration_shows_the_record_again(life: RecordLife, content: str) -> None:
    """Every target has the time of a correction from today; the reason is on record."""
    life.row()
    life.withdrawn()
    life.wait(3)
    life.crash()
    assert life.restored(content) == "accepted"
    assert (life.record.version, life.record.publish_targets) == (3, 0b11)
    assert life.dues() == {"province": "11-11", "city": "11-11"}
    assert life.flags(ClockFlag.CORRECTION) == {"province", "city"}
    assert life.dues(ClockKind.WITHDRAW) == {}
    assert life.shown() == {(COMPANY, content)}
    assert life.row(content) == "duplicate SAME_AS_LIVE"


def test_a_restoration_is_the_owners_or_a_deputys(life: RecordLife) -> None:
    """A stranger brings nothing back."""
    life.row()
    life.withdrawn()
    assert life.restored(by=OTHER_DEPARTMENT) == "quarantined NOT_YOUR_RECORD"
    assert life.shown() == set()


def test_a_restoration_older_than_the_withdrawal_is_an_open_case(life: RecordLife) -> None:
    """An error for its sender, who says it again under a newer version."""
    life.row(version=5)
    life.withdrawn(version=8)
    assert life.restored(version=7) == "superseded RESTORATION_OLDER_THAN_WITHDRAWAL"
    assert [reason.severity for reason in life.record.reasons] == ["error"]
    life.crash()
    assert life.restored(version=9) == "accepted"
    assert life.shown() == HERE


def test_what_is_in_force_or_has_left_is_not_restored(life: RecordLife) -> None:
    """Same content is a duplicate; other content wants a correction; what moved is elsewhere."""
    life.row()
    assert life.restored() == "duplicate SAME_AS_LIVE"
    assert life.restored("食品销售") == "quarantined RECORD_NOT_WITHDRAWN"
    assert life.restored(by=OTHER_DEPARTMENT) == "quarantined NOT_YOUR_RECORD"
    assert life.shown() == HERE
    life.leaves(FAR)
    assert life.restored() == "quarantined RECORD_MOVED"
    assert life.shown() == set()


@pytest.mark.parametrize("field", ["reason", "decided_by"])
def test_a_restoration_says_why_and_who_decided(life: RecordLife, field: str) -> None:
    """Without, it is no declared act."""
    life.row()
    life.withdrawn()
    inside = {
        "subject_kind": rows.LICENCE, "row": rows.framed(rows.LICENCE, rows.licence_row()),
        "reason": "撤回有误", "decided_by": "舟山市示例局",
    }  # fmt: skip
    code = "RESTORATION_WITHOUT_REASON" if field == "reason" else "FIELD_REQUIRED"
    assert life.say(kinds.RESTORED, inside | {field: " "}).split()[:2] == ["quarantined", code]
    assert (life.record.state, life.shown()) == (None, set())


def test_a_restoration_waits_for_its_record(life: RecordLife) -> None:
    """It brings a row; at the end of its wait that is quarantined, and its duties go on."""
    assert life.restored() == "held WAITING_FOR_RECORD"
    assert set(life.dues()) == {"province", "city"}
    life.crash()
    waits = life.record
    assert "held_ended WAITED_TOO_LONG" in life.wait(31)
    life.record = waits
    assert (life.status, set(life.dues())) == (Status.QUARANTINED, {"province", "city"})
    assert life.restored() == "accepted"
    assert life.shown() == HERE


@pytest.mark.parametrize("order", ["row-last", "withdrawal-last"])
def test_a_row_a_withdrawal_and_a_restoration_in_any_order(life: RecordLife, order: str) -> None:
    """Those that came before the row are decided in the order in which they came."""
    if order == "row-last":
        life.withdrawn()
        life.restored()
        life.row()
        assert [answer(r) for r in life.rest] == ["held_released", "held_released"]
        assert life.shown() == HERE
    else:
        life.restored()
        life.row()
        assert [answer(r) for r in life.rest] == ["held_released SAME_AS_LIVE"]
        assert life.withdrawn() == "withdrawn"
        assert life.shown() == set()


def test_what_was_never_shown_comes_back_as_a_plain_row(life: RecordLife) -> None:
    """A faulty row taken back and sent mended is simply a row; so is a correction of it."""
    life.fault()
    assert life.withdrawn() == "withdrawn"
    assert (life.status, life.state().version) == (Status.WITHDRAWN, 0)
    assert life.record.withdraw_targets == 0
    life.crash()
    assert life.row() == "accepted"
    assert (life.state().version, life.shown()) == (1, HERE)


@pytest.mark.parametrize("how", ["corrected", "restored"])
def test_what_was_taken_back_may_come_mended_by_any_statement(life: RecordLife, how: str) -> None:
    """Version 1: it was never in force before."""
    life.fault()
    life.withdrawn()
    say = life.corrected if how == "corrected" else life.restored
    assert say("食品经营") == "accepted"
    assert (life.state().version, life.shown()) == (1, HERE)


def test_a_debtor_listed_again_after_the_exit_is_a_declared_act(life: RecordLife) -> None:
    """Dated after it; the old entry in the next full list is not."""
    life.listed("2026-10-30")
    assert life.delisted("2026-11-02") == "withdrawn"
    life.crash()
    assert life.listed("2026-10-30") == "duplicate SAME_AS_WITHDRAWN"
    assert life.listed("2026-11-02") == "conflicting CHANGED_AFTER_WITHDRAWAL"
    life.wait(1)
    assert life.listed("2026-11-03") == "accepted"
    assert life.shown() == {(COMPANY, "2026-11-03")}


def test_the_last_exit_counts_when_a_debtor_is_listed_again(life: RecordLife) -> None:
    """A second exit with a later date confirms the first and moves the day."""
    life.listed("2026-10-20")
    life.delisted("2026-10-30")
    assert life.delisted("2026-11-02") == "duplicate ALREADY_WITHDRAWN"
    assert life.delisted("2026-10-25") == "duplicate ALREADY_WITHDRAWN"
    life.crash()
    assert life.listed("2026-11-01") == "conflicting CHANGED_AFTER_WITHDRAWAL"
    assert life.shown() == set()


@pytest.mark.parametrize("number", [6, 7])
def test_a_status_of_valid_under_a_newer_version_is_a_restoration(
    life: RecordLife, number: int
) -> None:
    """The source has a column for it: it is declared there, by the row that follows."""
    life.row(version=5)
    life.withdrawn(version=6)
    life.crash()
    said = life.row(version=number, valid=True)
    if number == 6:
        assert (said, life.shown()) == ("duplicate SAME_AS_WITHDRAWN", set())
    else:
        assert (said, life.shown()) == ("accepted", HERE)
        assert life.flags(ClockFlag.CORRECTION) == {"province", "city"}


@pytest.mark.parametrize(
    "more", [{"valid": True}, {"version": 7}, {"version": 7, "valid": True, "stream": "other"}]
)
def test_a_status_alone_or_a_version_alone_restores_nothing(
    life: RecordLife, more: dict[str, Any]
) -> None:
    """Nor does the status of another source, which knows nothing of the withdrawal."""
    life.row(version=5)
    life.withdrawn(version=6)
    assert life.row(**more) == "duplicate SAME_AS_WITHDRAWN"
    assert life.shown() == set()


@pytest.mark.parametrize("number", [5, 6, 7])
def test_what_is_valid_again_with_other_content_is_told(life: RecordLife, number: int) -> None:
    """Declared by the source's own column: shown if it is newer than the take-down, and told."""
    life.row(version=5)
    life.withdrawn(version=6)
    life.crash()
    said = life.row("别的", version=number, valid=True)
    expected = {
        5: ("superseded OLDER_THAN_LIVE", set()),
        6: ("conflicting CHANGED_AFTER_WITHDRAWAL", set()),
        7: ("accepted RESTORED_OTHERWISE", {(COMPANY, "别的")}),
    }  # fmt: skip
    assert (said, life.shown()) == expected[number]


@pytest.mark.parametrize("more", [{}, {"version": 3}])
def test_a_status_of_valid_does_not_undo_what_a_person_withdrew(
    life: RecordLife, more: dict[str, Any]
) -> None:
    """The source never knew of the withdrawal: it touched its row, where valid it always said."""
    life.row(version=5, valid=True, stream="database")
    life.withdrawn(stream="folder", **more)
    life.crash()
    again = life.row(version=6, valid=True, stream="database")
    assert (again, life.shown()) == ("duplicate SAME_AS_WITHDRAWN", set())
    changed = life.row("别的", version=7, valid=True, stream="database")
    assert (changed, life.shown()) == ("conflicting CHANGED_AFTER_WITHDRAWAL", set())


@pytest.mark.parametrize("more", [{}, {"version": 3}])
def test_a_status_of_valid_does_not_undo_what_two_have_withdrawn(
    life: RecordLife, more: dict[str, Any]
) -> None:
    """The source takes its own back; the other's stands until it is restored."""
    life.row(version=5, stream="database")
    life.withdrawn(version=6, stream="database")
    assert life.withdrawn(stream="folder", **more) == "duplicate ALREADY_WITHDRAWN"
    life.withdrawn(version=7, stream="database")
    life.crash()
    again = life.row(version=8, valid=True, stream="database")
    assert (again, life.shown()) == ("duplicate SAME_AS_WITHDRAWN", set())
    assert life.restored() == "accepted"


def test_a_status_of_valid_restores_the_owners_record_only(life: RecordLife) -> None:
    """Another department's source has no say."""
    life.row(version=5)
    life.withdrawn(version=6)
    again = life.row(version=7, valid=True, by=OTHER_DEPARTMENT)
    assert (again, life.shown()) == ("quarantined NOT_YOUR_RECORD", set())


def until(ends_at: str) -> RecordLife:
    """A penalty of November 2026 whose publication ends on 2026-12-31."""
    document = rows.basis()
    for period in document["rulebook"]["publication_periods"]:
        period["ends_at"] = ends_at
    one = RecordLife(document)
    assert one.penalty(CF_GSJZQ="2026-12-31") == "accepted"
    return one


@pytest.mark.parametrize(("ends_at", "targets"), [("public", 0b10), ("everywhere", 0b11)])
def test_a_term_ends_where_its_rule_says(ends_at: str, targets: int) -> None:
    """A ban lapses everywhere, a publication where the public looks; with a clock of its own."""
    life = until(ends_at)
    life.crash()
    for _ in range(9):
        life.hub.advance(7 * DAY)
    (expired,) = [r for r in life.hub.ledger() if r.outcome is Outcome.EXPIRED]
    assert (expired.publish_targets, expired.withdraw_targets) == (0, targets)
    assert expired.state is not None
    assert expired.state.status is Status.LIVE
    owed = {c.target for c in expired.state.clocks if c.kind is ClockKind.WITHDRAW}
    assert owed == {n for n in (0, 1) if targets >> n & 1}
    assert life.shown("city") == set()
    assert len(life.shown("province")) == (ends_at == "public")
    life.crash()


def test_what_is_withheld_from_the_public_ends_everywhere_too() -> None:
    """A ban under the simple procedure lapses like any other, also when it comes too late."""
    life = until("everywhere")
    life.hub.now = at("2027-01-04 09:00")
    late = penalty_row(CF_WSH="舟市监罚〔2026〕2号", CF_GSJZQ="2026-12-31", CF_AJCXLB="简易程序")
    assert life.say(PENALTY, late) == "accepted DISCLOSURE_PERIOD_OVER"
    assert life.record.publish_targets == 0


@pytest.mark.parametrize(("ends_at", "targets"), [("public", 0b01), ("everywhere", 0)])
def test_what_comes_after_its_term_is_shown_where_the_term_does_not_end(
    ends_at: str, targets: int
) -> None:
    """Accepted all the same, and the answer says why it is not shown."""
    life = until(ends_at)
    life.hub.now = at("2027-01-04 09:00")
    late = penalty_row(CF_WSH="舟市监罚〔2026〕2号", CF_GSJZQ="2026-12-31")
    assert life.say(PENALTY, late) == "accepted DISCLOSURE_PERIOD_OVER"
    assert life.record.publish_targets == targets


@pytest.mark.parametrize("how", ["corrected", "restored"])
def test_a_promise_that_was_kept_is_not_undone_by_its_first_row(life: RecordLife, how: str) -> None:
    """Else the agents would find its performance missing, and say so of the company."""
    life.made()
    key = life.record.record_key
    assert life.performed() == "accepted"
    kept = life.shown()
    if how == "restored":
        withdrawn = {
            "subject_kind": MADE, "document_number": commitment_row()["commitment_code"],
            "subject_name": commitment_row()["promisor_name"], "credit_code": COMPANY,
            "authority_code": AUTHORITY, "reason": "录入错误",
        }  # fmt: skip
        assert life.say("record.withdrawn.v1", withdrawn) == "withdrawn"
        kept = set()
    life.crash()
    first = commitment_row(breach_liability="罚款")
    inside: dict[str, Any] = {
        "subject_kind": MADE, "row": framed(MADE, first), "reason": "内容更正",
    }  # fmt: skip
    if how == "restored":
        inside["decided_by"] = "舟山市示例局"
    assert life.say(f"record.{how}.v1", inside) == "quarantined PERFORMED_SINCE"
    assert (life.shown(), life.record.record_key) == (kept, key)
    whole = commitment_row(performance_status="全部履行", breach_liability="罚款")
    again = {**inside, "subject_kind": PERFORMED, "row": framed(PERFORMED, whole)}
    answered = "corrected" if how == "corrected" else "accepted"
    assert life.say(f"record.{how}.v1", again) == answered


@pytest.mark.parametrize("to", [NEAR, FAR])
@pytest.mark.parametrize("order", ["departure first", "arrival first"])
def test_a_promise_that_was_kept_does_not_move_as_its_first_row(
    life: RecordLife, to: str, order: str
) -> None:
    """It arrives as performed or not at all; the move stays open for the right row."""
    promise = commitment_row()
    life.made()
    assert life.performed() == "accepted"
    out = {
        "subject_kind": MADE, "document_number": promise["commitment_code"],
        "subject_name": promise["promisor_name"], "credit_code": COMPANY,
        "authority_code": AUTHORITY, "reason": "代码录入错误", "move_id": FIRST,
        "new_credit_code": to,
    }  # fmt: skip

    def arrives(kind: str, **changes: str) -> str:
        row = framed(kind, commitment_row(promisor_code=to, **changes))
        inside = {
            "move_id": FIRST, "subject_kind": kind, "row": row, "reason": "代码录入错误",
            "previous_credit_code": COMPANY,
        }  # fmt: skip
        return life.say("record.moved_in.v1", inside, key=to)

    if order == "arrival first":
        assert arrives(MADE) == "held WAITING_FOR_MOVE"
        arriving = life.record
        assert life.say("record.moved_out.v1", out) == "withdrawn"
        assert "held_ended PERFORMED_SINCE" in [answer(r) for r in life.rest]
        life.record = arriving
    else:
        assert life.say("record.moved_out.v1", out) == "withdrawn"
        assert arrives(MADE) == "quarantined PERFORMED_SINCE"
    assert (life.shown(), life.status) == (set(), Status.QUARANTINED)
    life.crash()
    assert arrives(PERFORMED, performance_status="全部履行") == "accepted"
    assert {code for code, _content in life.shown()} == {to}
    assert life.state().kind == PERFORMED


@pytest.mark.parametrize("first", ["made", "faulty"])
def test_a_promise_that_is_not_on_record_as_kept_moves_as_it_is(
    life: RecordLife, first: str
) -> None:
    """Nor does a faulty row that would have said so keep it from moving."""
    promise = commitment_row()
    if first == "made":
        life.made()
    else:
        assert life.performed("") == "quarantined FIELD_REQUIRED"
    out = {
        "subject_kind": MADE, "document_number": promise["commitment_code"],
        "subject_name": promise["promisor_name"], "credit_code": COMPANY,
        "authority_code": AUTHORITY, "reason": "代码录入错误", "move_id": FIRST,
        "new_credit_code": NEAR,
    }  # fmt: skip
    assert life.say("record.moved_out.v1", out) == "withdrawn"
    row = framed(MADE, commitment_row(promisor_code=NEAR))
    inside = {
        "move_id": FIRST, "subject_kind": MADE, "row": row, "reason": "代码录入错误",
        "previous_credit_code": COMPANY,
    }  # fmt: skip
    assert life.say("record.moved_in.v1", inside, key=NEAR) == "accepted"
