"""L5. What comes before what it is about waits: bounded, with a clock, and judged when released."""

from __future__ import annotations

import pytest

from hub.core.record import LedgerRecord, Outcome, decode_record
from hub.core.state import ClockKind, Status
from hub.domain.partitioning import partition_of
from tests.contract.specimens import row_of
from tests.driver import reforms, rows
from tests.driver.life import FAR, NEAR, RecordLife, answer, day_of, licence, reference
from tests.driver.rows import (
    AGENTS,
    COMPANY,
    DEPARTMENT,
    LICENCE,
    OTHER_DEPARTMENT,
    framed,
)

HERE = {(COMPANY, "食品经营")}


def released(records: list[LedgerRecord]) -> list[str]:
    """What became of statements that waited."""
    ends = (Outcome.HELD_RELEASED, Outcome.HELD_ENDED)
    return [answer(record) for record in records if record.outcome in ends]


def few(**held: int) -> RecordLife:
    """A site whose rulebook lets less wait."""
    document = rows.basis()
    document["rulebook"]["held"] |= held
    return RecordLife(document)


def test_a_withdrawal_before_its_row_takes_it_down_unseen(life: RecordLife) -> None:
    """The row is accepted and named for nobody; the withdrawal is a ledger record of its own."""
    assert life.withdrawn() == "held WAITING_FOR_RECORD"
    waits = life.record
    assert life.status is Status.HELD
    life.crash()
    assert life.row() == "accepted"
    assert (life.record.publish_targets, life.record.withdraw_targets) == (0, 0)
    (taken,) = life.rest
    assert (answer(taken), taken.refers_to) == ("held_released", waits.sequence)
    assert (taken.submission_key, taken.kind) == (waits.submission_key, "record.withdrawn.v1")
    assert (life.status, life.waiting(), life.state().clocks) == (Status.WITHDRAWN, 0, ())
    assert life.shown() == set()
    assert life.wait(40) == []


def test_a_withdrawal_that_was_released_is_repeated_as_what_it_was(life: RecordLife) -> None:
    """A client that tries again under its own number learns that it took effect."""
    life.withdrawn(number=77)
    assert life.withdrawn(number=77) == "duplicate REPEATED_SUBMISSION"
    life.row()
    (taken,) = life.rest
    life.crash()
    assert life.withdrawn(number=77) == "duplicate REPEATED_SUBMISSION"
    assert life.record.refers_to == taken.sequence
    assert life.withdrawn() == "duplicate ALREADY_WITHDRAWN"


def test_an_equal_statement_that_waits_already_is_a_duplicate(life: RecordLife) -> None:
    """Of the same department; another's waits beside it."""
    life.withdrawn()
    assert life.withdrawn() == "duplicate SAME_AS_HELD"
    assert life.withdrawn(by=OTHER_DEPARTMENT) == "held WAITING_FOR_RECORD"
    assert life.corrected() == "held WAITING_FOR_RECORD"
    life.crash()
    assert life.waiting() == 3


def test_a_correction_before_its_row_is_shown_at_once_as_corrected(life: RecordLife) -> None:
    """One publication, of the second version; the seven days count from the decision."""
    assert life.corrected() == "held WAITING_FOR_RECORD"
    assert life.dues() == {"province": "11-12", "city": "11-12"}
    life.crash()
    assert life.row() == "accepted"
    assert released(life.rest) == ["held_released"]
    assert [r.publish_targets for r in (life.record, *life.rest)] == [0, 0b11]
    assert life.shown() == {(COMPANY, "食品销售")}
    assert life.dues() == {"province": "11-12", "city": "11-12"}


def test_two_corrections_before_their_row_are_made_in_their_order(life: RecordLife) -> None:
    """The older first; what is shown is the last."""
    life.corrected("第二版")
    life.corrected("第三版")
    life.crash()
    life.row()
    assert released(life.rest) == ["held_released", "held_released"]
    assert [r.version for r in life.rest] == [2, 3]
    assert life.shown() == {(COMPANY, "第三版")}


def test_an_exit_before_its_entry_takes_it_down(life: RecordLife) -> None:
    """The court's exit was read first."""
    assert life.delisted("2026-11-02") == "held WAITING_FOR_RECORD"
    life.crash()
    assert life.listed("2026-10-30") == "accepted"
    assert released(life.rest) == ["held_released"]
    assert (life.status, life.shown()) == (Status.WITHDRAWN, set())


def test_an_exit_dated_before_the_entry_is_about_another(life: RecordLife) -> None:
    """It goes on waiting, the entry is shown, and the end of the wait takes nothing down."""
    assert life.delisted("2026-10-20") == "held WAITING_FOR_RECORD"
    assert life.listed("2026-10-30") == "accepted"
    assert (life.record.publish_targets, life.rest, life.waiting()) == (0b11, [], 1)
    life.crash()
    assert released(life.hub.ledger()) == []
    life.wait(31)
    assert released(life.rest) == ["held_ended WAITED_TOO_LONG"]
    assert life.shown() == {(COMPANY, "2026-10-30")}


def test_an_exit_dated_before_the_entry_on_record_is_superseded(life: RecordLife) -> None:
    """An error and an open case; on the day of the entry it counts."""
    life.listed("2026-10-30")
    assert life.delisted("2026-10-29") == "superseded EXIT_BEFORE_LISTING"
    assert [reason.severity for reason in life.record.reasons] == ["error"]
    assert life.shown() == {(COMPANY, "2026-10-30")}
    assert life.delisted("2026-10-30") == "withdrawn"
    assert life.shown() == set()


@pytest.mark.parametrize("is_made", [True, False])
def test_a_performance_waits_for_its_commitment(life: RecordLife, *, is_made: bool) -> None:
    """At the end of its wait it stands alone, with a warning."""
    assert life.performed() == "held WAITING_FOR_RECORD"
    life.crash()
    if is_made:
        assert life.made() == "accepted"
        assert released(life.rest) == ["held_released"]
        assert [r.publish_targets for r in (life.record, *life.rest)] == [0, 0b11]
    else:
        life.wait(31)
        assert released(life.rest) == ["held_released PERFORMED_WITHOUT_MADE"]
    assert life.shown() == {(COMPANY, "全部履行")}


def test_a_wait_ends_at_the_end_of_its_last_day(life: RecordLife) -> None:
    """Thirty calendar days after the day of arrival, at midnight; not a millisecond before."""
    life.withdrawn()
    waits = life.record
    (clock,) = life.state().clocks
    assert (clock.kind, day_of(clock.due_at)) == (ClockKind.WAIT, "12-03")
    life.crash()
    assert life.hub.advance(clock.due_at - life.hub.now - 1) == []
    (ended,) = life.hub.advance(1)
    assert answer(ended) == "held_ended WAITED_TOO_LONG"
    assert ended.refers_to == waits.sequence
    assert (ended.department, ended.kind) == (DEPARTMENT, "record.withdrawn.v1")
    assert life.waiting() == 0


def test_what_waited_in_vain_is_decided_anew_when_it_is_repeated(life: RecordLife) -> None:
    """It waits once more, and then takes down what comes."""
    life.withdrawn(number=77)
    life.wait(31)
    assert life.withdrawn(number=77) == "held WAITING_FOR_RECORD"
    life.crash()
    life.row()
    assert life.shown() == set()


def test_a_correction_that_waited_in_vain_is_a_quarantined_row(life: RecordLife) -> None:
    """The row it carries is an undisclosed decision: its duties go on, and a row mends it."""
    life.corrected()
    waits = life.record
    assert "held_ended WAITED_TOO_LONG" in life.wait(31)
    life.record = waits
    assert (life.status, life.dues()) == (
        Status.QUARANTINED,
        {"province": "11-12", "city": "11-12"},
    )
    life.crash()
    assert life.corrected() == "accepted"
    assert life.shown() == {(COMPANY, "食品销售")}


def test_somebody_elses_waiting_withdrawal_does_not_kill_a_row(life: RecordLife) -> None:
    """Authority is asked at the release, of the row's owner."""
    assert life.withdrawn(by=OTHER_DEPARTMENT) == "held WAITING_FOR_RECORD"
    assert life.withdrawn(by=AGENTS).startswith("quarantined")
    life.crash()
    assert life.row() == "accepted"
    assert released(life.rest) == ["held_ended NOT_YOUR_RECORD"]
    assert (life.state().department, life.shown()) == (DEPARTMENT, HERE)


def test_a_withdrawal_and_its_row_may_both_be_somebody_elses(life: RecordLife) -> None:
    """Who waits owns nothing; who brings the row does."""
    life.corrected(by=OTHER_DEPARTMENT)
    assert life.row() == "accepted"
    assert released(life.rest) == ["held_ended NOT_YOUR_RECORD"]
    assert life.state().department == DEPARTMENT
    assert life.withdrawn() == "withdrawn"


def test_at_most_eight_statements_wait_for_one_record(life: RecordLife) -> None:
    """The ninth is refused by name; the eight are made when the row comes."""

    def withdrawal(n: int) -> str:
        return life.say("record.withdrawn.v1", reference() | {"reason": f"第{n}次"})

    assert [withdrawal(n) for n in range(8)] == ["held WAITING_FOR_RECORD"] * 8
    assert withdrawal(8) == "quarantined TOO_MANY_HELD"
    assert life.record.state is None
    assert life.waiting() == 8
    life.crash()
    life.row()
    again = ["held_released ALREADY_WITHDRAWN"] * 7
    assert released(life.rest) == ["held_released", *again]
    assert (life.waiting(), life.shown()) == (0, set())


def test_what_another_lets_wait_keeps_nothing_from_waiting(life: RecordLife) -> None:
    """Withdrawals, corrections and arrivals of one department; then the owner's withdrawal."""

    def comes(n: int) -> str:
        return life.arrives(COMPANY, f"{n:032x}", key=NEAR, by=OTHER_DEPARTMENT)

    for n in range(8):
        life.say("record.withdrawn.v1", reference() | {"reason": f"第{n}次"}, by=OTHER_DEPARTMENT)
        assert comes(n) == "held WAITING_FOR_MOVE"
    assert comes(8) == "quarantined TOO_MANY_HELD"
    assert life.withdrawn() == "held WAITING_FOR_RECORD"
    life.crash()
    life.row()
    assert life.shown() == set()


def test_a_row_that_may_not_wait_any_more_changes_nothing(life: RecordLife) -> None:
    """What waits goes on waiting, and comes into force in its order."""
    for n in range(8):
        life.corrected(f"第{n}版")
    assert life.corrected("第8版") == "quarantined TOO_MANY_HELD"
    assert (released(life.rest), life.record.state, life.waiting()) == ([], None, 8)
    life.crash()
    life.row()
    assert released(life.rest) == ["held_released"] * 8
    assert (life.waiting(), life.shown()) == (0, {(COMPANY, "第7版")})


def test_a_department_lets_wait_no_more_than_the_rulebook_says() -> None:
    """Bounded for each department; what has been decided makes room again."""
    life = few(most_per_department=2)

    def about(n: int, by: str = DEPARTMENT) -> str:
        content = reference() | {"document_number": f"舟市监许〔2026〕{n}号"}
        return life.say("record.withdrawn.v1", content, by=by)

    assert [about(1), about(2)] == ["held WAITING_FOR_RECORD"] * 2
    assert about(3) == "quarantined TOO_MANY_HELD"
    assert about(3, OTHER_DEPARTMENT) == "held WAITING_FOR_RECORD"
    life.crash()
    life.row()
    assert released(life.rest) == ["held_released"]
    assert about(4) == "held WAITING_FOR_RECORD"
    assert about(5) == "quarantined TOO_MANY_HELD"
    life.wait(31)
    assert about(6) == "held WAITING_FOR_RECORD"
    life.crash()


def test_the_rulebook_says_how_long_statements_wait() -> None:
    """Two calendar days, counted from the day of arrival."""
    life = few(days=2)
    life.withdrawn()
    assert life.wait(2) == []
    assert life.wait(1) == ["held_ended WAITED_TOO_LONG"]


def test_a_repeated_submission_is_decided_anew_once_the_record_has_changed(
    life: RecordLife,
) -> None:
    """A correction of what was down; the same number again when it is in force again."""
    life.row()
    life.withdrawn()
    assert life.corrected(number=77) == "quarantined RECORD_WITHDRAWN"
    assert life.corrected(number=77) == "duplicate REPEATED_SUBMISSION"
    life.restored()
    life.crash()
    assert life.corrected(number=77) == "corrected"
    assert life.corrected(number=77) == "duplicate REPEATED_SUBMISSION"
    assert life.shown() == {(COMPANY, "食品销售")}


@pytest.mark.parametrize("change", ["report", "clock", "conflict", "confirmed"])
def test_a_repeated_submission_is_not_decided_anew_for_less(life: RecordLife, change: str) -> None:
    """A platform's report, a clock, a conflict or a confirmation change nothing it was about."""
    life.row(version=5)
    named = life.record
    assert life.restored("食品销售", number=77) == "quarantined RECORD_NOT_WITHDRAWN"
    if change == "report":
        life.met(named)
    elif change == "clock":
        assert "overdue" in life.wait(12)
    elif change == "conflict":
        life.row("别的")
    else:
        life.row(version=9)
    life.crash()
    assert life.restored("食品销售", number=77) == "duplicate REPEATED_SUBMISSION"


@pytest.mark.parametrize("is_withdrawn", [False, True])
def test_a_repeated_arrival_is_decided_anew_once_its_departure_was_made(
    life: RecordLife, *, is_withdrawn: bool
) -> None:
    """Refused, then the departure succeeded: the client gets in, unless it was withdrawn since."""
    life.row()
    life.leaves(NEAR, by=OTHER_DEPARTMENT)
    assert life.arrives(NEAR, number=77) == "quarantined MOVE_REFUSED"
    assert life.arrives(NEAR, number=77) == "duplicate REPEATED_SUBMISSION"
    life.leaves(NEAR)
    if is_withdrawn:
        life.withdrawn(key=NEAR)
    life.crash()
    again = life.arrives(NEAR, number=77)
    assert again == ("duplicate REPEATED_SUBMISSION" if is_withdrawn else "accepted")
    assert life.shown() == (set() if is_withdrawn else {(NEAR, "食品经营")})


@pytest.mark.parametrize("first", ["refused", "waited-in-vain"])
def test_a_restoration_tried_before_the_withdrawal_does_not_undo_it(
    life: RecordLife, first: str
) -> None:
    """A client tries its old number again; who wants it shown restores it by a new act."""
    if first == "refused":
        life.row()
        assert life.restored("食品销售", number=77) == "quarantined RECORD_NOT_WITHDRAWN"
    else:
        assert life.restored("食品销售", number=77) == "held WAITING_FOR_RECORD"
        life.wait(31)
        life.row()
    life.withdrawn()
    life.crash()
    assert life.restored("食品销售", number=77) == "duplicate REPEATED_SUBMISSION"
    assert life.shown() == set()
    assert life.restored("食品销售") == "accepted"


def test_a_restoration_refused_after_the_withdrawal_may_be_tried_again() -> None:
    """What the basis did not allow is allowed: the withdrawal was there before it."""
    life = RecordLife()
    life.row(by=OTHER_DEPARTMENT)
    life.withdrawn(by=OTHER_DEPARTMENT)
    assert life.restored(number=77) == "quarantined NOT_YOUR_RECORD"
    document = rows.basis()
    document["site"]["departments"][DEPARTMENT]["may_act_on"] = [OTHER_DEPARTMENT]
    life.hub.adopt(document)
    assert life.restored(number=77) == "accepted"
    assert life.shown() == HERE


def test_a_repeated_faulty_row_is_decided_anew_under_another_basis(life: RecordLife) -> None:
    """What was no department's kind is now; the number is the same."""
    assert life.listed(number=7) == "accepted"
    document = rows.basis()
    document["site"]["departments"][rows.COURT]["states"] = []
    other = RecordLife(document)
    assert "KIND_NOT_YOURS" in other.listed(number=7)
    assert other.listed(number=7) == "duplicate REPEATED_SUBMISSION"
    other.hub.adopt(rows.basis())
    assert other.listed(number=7) == "accepted"


def test_a_faulty_row_releases_what_waits_for_it(life: RecordLife) -> None:
    """It is on record, out of sight: the withdrawal takes it back and its duties are lifted."""
    life.withdrawn()
    life.crash()
    assert life.fault() == "quarantined FIELD_REQUIRED"
    assert released(life.rest) == ["held_released"]
    assert [e.event for r in life.rest for e in r.events] == ["lifted", "lifted"]
    assert (life.status, life.state().version, life.waiting()) == (Status.WITHDRAWN, 0, 0)
    assert life.dues() == {}


@pytest.mark.parametrize("then", ["", "taken back"])
def test_somebody_elses_faulty_row_does_not_end_a_waiting_withdrawal(
    life: RecordLife, then: str
) -> None:
    """It is about the row of its own sender, which is taken down when it comes."""
    assert life.withdrawn() == "held WAITING_FOR_RECORD"
    assert life.fault(by=OTHER_DEPARTMENT) == "quarantined FIELD_REQUIRED"
    assert (life.rest, life.waiting(), life.status) == ([], 1, Status.QUARANTINED)
    if then:
        assert life.withdrawn(by=OTHER_DEPARTMENT) == "withdrawn"
        assert (life.rest, life.waiting()) == ([], 1)
    life.crash()
    assert life.row() == "accepted"
    assert [answer(r) for r in life.rest] == ["held_released"]
    assert (life.status, life.shown(), life.wait(40)) == (Status.WITHDRAWN, set(), [])


def test_a_withdrawal_waits_beside_somebody_elses_faulty_row_for_its_time(life: RecordLife) -> None:
    """It ends as every wait does, and its sender hears of it; a row inside a correction goes in."""
    life.withdrawn()
    life.fault(by=OTHER_DEPARTMENT)
    assert "held_ended WAITED_TOO_LONG" in life.wait(40)
    assert life.waiting() == 0
    again = RecordLife()
    again.corrected("食品批发", by=OTHER_DEPARTMENT)
    again.wait(1)
    again.corrected()
    assert "held_released" in again.wait(31)
    assert again.shown() == {(COMPANY, "食品销售")}


@pytest.mark.parametrize("order", ["withdrawal-first", "correction-first"])
def test_a_withdrawal_and_a_correction_wait_in_the_order_they_came(
    life: RecordLife, order: str
) -> None:
    """Decided as if they came now, the oldest first; nothing is shown in either order."""
    said = (life.withdrawn, life.corrected)
    for say in said if order == "withdrawal-first" else reversed(said):
        assert say() == "held WAITING_FOR_RECORD"
    life.crash()
    life.row()
    if order == "withdrawal-first":
        assert released(life.rest) == ["held_released", "held_ended RECORD_WITHDRAWN"]
    else:
        assert released(life.rest) == ["held_released", "held_released"]
    assert (life.status, life.waiting(), life.shown()) == (Status.WITHDRAWN, 0, set())


def test_the_row_may_come_in_the_very_batch_of_what_waits_for_it(life: RecordLife) -> None:
    """Read together, decided one after the other: the state is that of the record before."""
    hub = life.hub
    for kind, content in (
        ("record.withdrawn.v1", reference()), (rows.LICENCE, rows.licence_row()),
    ):  # fmt: skip
        hub.pipe(DEPARTMENT, kind, COMPANY, framed(kind, content))
    outcomes = [record.outcome for record in hub.run()]
    assert outcomes == [Outcome.HELD, Outcome.ACCEPTED, Outcome.HELD_RELEASED]
    assert life.shown() == set()


def test_what_waits_is_nobodys_record_for_the_agents_finding(life: RecordLife) -> None:
    """A promise that is only known by its performance is not open: nobody is called a breaker."""
    life.performed()
    key = life.record.record_key.hex()
    stated = row_of("commitment.performance_missing.v1", "accepted-minimal").items()
    row = {name: str(text) for name, text in stated} | {
        "authority_code": rows.AGENTS_CODE, "credit_code": COMPANY, "commitment_record": key,
    }  # fmt: skip
    life.hub.now += 20 * 86_400_000
    life.hub.run()
    said = life.say("commitment.performance_missing.v1", row, by=AGENTS)
    assert said == "quarantined COMMITMENT_NOT_OPEN"


def test_a_row_is_shown_when_the_last_that_waited_is_refused(life: RecordLife) -> None:
    """Named once, for every target, by the record that ended the wait."""
    life.withdrawn(by=OTHER_DEPARTMENT)
    life.corrected(by=OTHER_DEPARTMENT)
    life.crash()
    life.row()
    assert released(life.rest) == ["held_ended NOT_YOUR_RECORD"] * 2
    assert [r.publish_targets for r in (life.record, *life.rest)] == [0, 0, 0b11]
    assert life.rest[-1].row == framed(rows.LICENCE, rows.licence_row())
    assert (life.state().version, life.shown()) == (1, HERE)
    assert life.dues() == {"province": "11-12", "city": "11-12"}


def test_a_move_that_waits_does_not_keep_the_row_from_being_shown(life: RecordLife) -> None:
    """An arrival waits for its move, not for the row."""
    life.arrives(FAR)
    life.crash()
    assert life.row(key=FAR) == "accepted"
    assert (life.record.publish_targets, life.waiting()) == (0b11, 1)
    assert life.shown() == {(FAR, "食品经营")}


def test_what_a_torn_transaction_left_undone_comes_before_what_arrived_after(
    life: RecordLife,
) -> None:
    """Of row and waiting withdrawal only the row was committed: the withdrawal is decided first."""
    life.withdrawn()
    life.row()
    hub = life.hub
    partition = partition_of(COMPANY.encode(), hub.partitions)
    log = hub.log.logs[hub.prefix + "ledger", partition]
    assert decode_record(log.pop().value).outcome is Outcome.HELD_RELEASED
    row = framed(LICENCE, licence("食品销售"))
    inside = {"subject_kind": LICENCE, "row": row, "reason": "录入错误"}
    hub.pipe(DEPARTMENT, "record.corrected.v1", COMPANY, framed("record.corrected.v1", inside))
    hub.crash(lose_disk=True)
    written = hub.run()
    assert [r.outcome for r in written] == [Outcome.HELD_RELEASED, Outcome.QUARANTINED]
    assert life.shown() == set()


def test_a_repeated_entry_is_decided_anew_once_its_exit_is_known(life: RecordLife) -> None:
    """A debtor listed again, read before the exit: the court's client gets it in."""
    life.listed("2026-10-20")
    assert life.listed("2026-11-02", number=77) == "conflicting UNDECLARED_CHANGE"
    assert life.listed("2026-11-02", number=77) == "duplicate REPEATED_SUBMISSION"
    assert life.delisted("2026-11-01") == "withdrawn"
    life.crash()
    assert life.listed("2026-11-02", number=77) == "accepted"
    assert life.listed("2026-11-02", number=77) == "duplicate REPEATED_SUBMISSION"
    assert life.shown() == {(COMPANY, "2026-11-02")}


def test_a_repeated_exit_is_decided_anew_once_the_entry_has_its_right_date(
    life: RecordLife,
) -> None:
    """Superseded by a date that was a mistake; the client tries again and the debtor is out."""
    life.listed("2026-10-30")
    assert life.delisted("2026-10-29", number=77) == "superseded EXIT_BEFORE_LISTING"
    assert life.delisted("2026-10-29", number=77) == "duplicate REPEATED_SUBMISSION"
    entry = {
        "subject_kind": rows.LISTED, "reason": "日期有误",
        "row": framed(rows.LISTED, rows.listing_row(listed_on="2026-10-20")),
    }  # fmt: skip
    assert life.say("record.corrected.v1", entry, by=rows.COURT) == "corrected"
    life.crash()
    assert life.delisted("2026-10-29", number=77) == "withdrawn"
    assert life.shown() == set()


def test_a_repeated_conflict_is_told_what_the_record_says_now(life: RecordLife) -> None:
    """It never undoes the take-down: other content needs a restoration, and it learns so."""
    life.row()
    assert life.row("食品销售", number=77) == "conflicting UNDECLARED_CHANGE"
    life.withdrawn()
    life.crash()
    assert life.row("食品销售", number=77) == "conflicting CHANGED_AFTER_WITHDRAWAL"
    assert life.shown() == set()
    life.restored("食品销售")
    assert life.row("食品销售", number=77) == "duplicate SAME_AS_LIVE"


def test_a_row_tried_before_it_was_taken_back_does_not_come_up(life: RecordLife) -> None:
    """Nothing of it was ever in force, so no date and no version could say that it is later."""
    document = rows.basis()
    document["site"]["departments"][rows.COURT]["states"] = []
    life = RecordLife(document)
    life.listed(number=77)
    life.hub.adopt(rows.basis())
    assert life.listed("").startswith("quarantined")
    assert life.delisted() == "withdrawn"
    life.crash()
    assert life.listed(number=77) == "duplicate REPEATED_SUBMISSION"
    assert life.shown() == set()


def test_what_was_superseded_by_its_version_is_so_still_when_it_is_repeated(
    life: RecordLife,
) -> None:
    """The memory of order has not fallen; and what took effect is not done twice."""
    life.row(version=5)
    assert life.corrected("旧", version=4, number=77) == "superseded OLDER_THAN_LIVE"
    assert life.withdrawn(version=4, number=78) == "superseded WITHDRAWAL_OLDER_THAN_LIVE"
    assert life.withdrawn(version=6, number=79) == "withdrawn"
    assert life.withdrawn(number=80) == "duplicate ALREADY_WITHDRAWN"
    assert life.restored(version=7) == "accepted"
    life.crash()
    assert life.corrected("旧", version=4, number=77) == "superseded OLDER_THAN_LIVE"
    assert life.withdrawn(version=4, number=78) == "superseded WITHDRAWAL_OLDER_THAN_LIVE"
    for number in (79, 80):
        version = 6 if number == 79 else None
        again = life.withdrawn(version=version, number=number)
        assert again == "duplicate REPEATED_SUBMISSION"
    assert life.shown() == HERE


def test_a_repeated_statement_is_decided_anew_once_it_is_plain_which_record_is_meant() -> None:
    """Two bureaus had the same decision; one record is taken down, the other is meant."""
    life = RecordLife(reforms.site())
    life.row()
    life.say(LICENCE, reforms.row_under(reforms.NEW_AUTHORITY, "药品经营"), by=reforms.HEIR)
    old = reference()
    life.hub.adopt(reforms.merged(DEPARTMENT))
    named = reforms.named_under(reforms.NEW_AUTHORITY)
    first = life.say("record.withdrawn.v1", named, by=reforms.HEIR, number=77)
    assert first == "conflicting SEVERAL_PREDECESSORS"
    assert life.say("record.withdrawn.v1", old, by=reforms.HEIR) == "withdrawn"
    life.crash()
    assert life.say("record.withdrawn.v1", named, by=reforms.HEIR, number=77) == "withdrawn"
    assert life.shown() == set()
