"""Court lists, commitments and statements as the registrar decides them, beside older kinds."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.core.record import LedgerRecord, Outcome
from hub.core.state import ClockKind, Status
from hub.domain.kinds import PERFORMANCE_MISSING
from hub.domain.partitioning import partition_of
from hub.views.entry import EntryReader
from tests.contract.specimens import STATEMENTS, row_of
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import (
    AGENTS,
    AGENTS_CODE,
    AUTHORITY,
    COMPANY,
    CONTRACTS,
    COURT,
    COURT_CODE,
    DELISTED,
    DEPARTMENT,
    LICENCE,
    LISTED,
    MADE,
    OTHER_COMPANY,
    OTHER_DEPARTMENT,
    PENALTY,
    PERFORMED,
    at,
    commitment_row,
    exit_row,
    framed,
    licence_row,
    listing_row,
    penalty_row,
    sender_of,
)

BOTH, PROVINCE, CITY = 0b11, 0b01, 0b10
DAY = 86_400_000
DONE = {"performance_status": "全部履行"}


@pytest.fixture
def hub() -> HubTestDriver:
    """A hub on the morning of Monday 2026-11-02."""
    return HubTestDriver(rows.basis(), now=at("2026-11-02 09:00"))


def say(
    hub: HubTestDriver,
    kind: str,
    row: dict[str, str],
    department: str = COURT,
    **more: Any,  # noqa: ANN401 - what the driver's `pipe` takes
) -> LedgerRecord:
    """Submit one row or reference of a kind; returns what was written about it."""
    key = row.get("debtor_code") or row.get("promisor_code") or row["credit_code"]
    hub.pipe(department, kind, key, framed(kind, row), **more)
    (record,) = hub.run()
    return record


def commit(hub: HubTestDriver, kind: str = MADE, **changes: str) -> LedgerRecord:
    """Submit a commitment, made or performed, as the accepting unit's department."""
    return say(hub, kind, commitment_row(**changes), DEPARTMENT)


def withdraw_commitment(hub: HubTestDriver) -> LedgerRecord:
    """Take the commitment back as its department."""
    row = commitment_row()
    gone = {
        "subject_kind": MADE, "document_number": row["commitment_code"], "reason": "误报",
        "subject_name": row["promisor_name"], "credit_code": row["promisor_code"],
        "authority_code": AUTHORITY,
    }  # fmt: skip
    return say(hub, "record.withdrawn.v1", gone, DEPARTMENT)


def codes(record: LedgerRecord) -> set[str]:
    """The reason codes of a ledger record."""
    return {reason.code for reason in record.reasons}


def correct(
    hub: HubTestDriver, kind: str, row: dict[str, str], department: str = COURT
) -> LedgerRecord:
    """A declared correction that keeps the identity."""
    key = row.get("debtor_code") or row["promisor_code"]
    content = {"subject_kind": kind, "row": framed(kind, row), "reason": "录入错误"}
    hub.pipe(department, "record.corrected.v1", key, framed("record.corrected.v1", content))
    (record,) = hub.run()
    return record


# --- the court's list ----------------------------------------------------------------------------


def test_an_entry_of_the_list_is_shown_and_has_no_deadline(hub: HubTestDriver) -> None:
    """No rule says by when a platform must show it, so no clock runs; amounts stay in yuan."""
    record = say(hub, LISTED, listing_row(enforcement_amount="100,000.5"))
    assert record.outcome is Outcome.ACCEPTED
    assert record.publish_targets == BOTH
    assert record.state is not None
    assert record.state.clocks == ()
    assert record.state.decided_on


def test_an_exit_takes_the_entry_down_wherever_any_version_was_named(hub: HubTestDriver) -> None:
    """Also where today's version is not shown any more; three working days for each target."""
    say(hub, LISTED, listing_row())
    document = rows.basis()
    document["site"]["targets"][1]["kinds"] = [LICENCE]
    hub.adopt(document)
    corrected = correct(hub, LISTED, listing_row(duty="支付货款十二万元"))
    assert (corrected.publish_targets, corrected.withdraw_targets) == (
        PROVINCE,
        0,
    )  # the city is to take it down already
    left = say(hub, DELISTED, exit_row())
    assert left.outcome is Outcome.WITHDRAWN
    assert left.withdraw_targets == BOTH
    assert left.state is not None
    assert left.state.status is Status.WITHDRAWN
    owed = {c.target: c.due_at for c in left.state.clocks if c.kind is ClockKind.WITHDRAW}
    assert owed == {0: at("2026-11-06 00:00"), 1: at("2026-11-06 00:00")}


def test_a_listing_after_an_exit_is_a_new_version(hub: HubTestDriver) -> None:
    """The list is a state: off and on again is one record with a longer history."""
    say(hub, LISTED, listing_row())
    say(hub, DELISTED, exit_row())
    hub.crash(lose_disk=True)
    same_day = say(hub, LISTED, listing_row(listed_on="2026-11-02"))
    assert codes(same_day) == {"CHANGED_AFTER_WITHDRAWAL"}
    hub.advance(DAY)
    again = say(hub, LISTED, listing_row(listed_on="2026-11-03"))
    assert again.outcome is Outcome.ACCEPTED
    assert again.version == 3
    assert again.publish_targets == BOTH


def test_an_exit_of_what_is_not_there_is_answered_so(hub: HubTestDriver) -> None:
    """It waits for the entry, and takes it down; already gone when it is said twice."""
    waits = say(hub, DELISTED, exit_row())
    assert (waits.outcome, codes(waits)) == (Outcome.HELD, {"WAITING_FOR_RECORD"})
    hub.pipe(COURT, LISTED, COMPANY, framed(LISTED, listing_row()))
    entry, released = hub.run()
    assert (entry.outcome, entry.publish_targets) == (Outcome.ACCEPTED, 0)
    assert released.outcome is Outcome.HELD_RELEASED
    assert (released.publish_targets, released.withdraw_targets) == (0, 0)
    again = say(hub, DELISTED, exit_row(reason="期满"))
    assert again.outcome is Outcome.DUPLICATE
    assert codes(again) == {"ALREADY_WITHDRAWN"}


def test_only_the_court_takes_its_entries_down(hub: HubTestDriver) -> None:
    """A bureau is refused by its authorities, a deputy of the court by the authority table."""
    say(hub, LISTED, listing_row())
    assert "FOREIGN_AUTHORITY" in codes(say(hub, DELISTED, exit_row(), DEPARTMENT))
    document = rows.basis()
    deputy = rows.department([COURT_CODE], kind="court", states=[LISTED])
    document["site"]["departments"]["deputy"] = deputy
    other = HubTestDriver(document, now=at("2026-11-02 09:00"))
    say(other, LISTED, listing_row())
    refused = say(other, DELISTED, exit_row(), "deputy")
    assert refused.outcome is Outcome.QUARANTINED
    assert codes(refused) == {"NOT_YOUR_RECORD"}
    deputy["may_act_on"] = [COURT]
    other.adopt(document)
    assert say(other, DELISTED, exit_row(), "deputy").outcome is Outcome.WITHDRAWN


def test_a_natural_persons_listing_is_not_enabled(hub: HubTestDriver) -> None:
    """Answered by name, shown nowhere; the connector seals such a row before it comes this far."""
    record = say(hub, LISTED, listing_row(debtor_category="0"))
    assert record.outcome is Outcome.QUARANTINED
    assert "PERSON_NOT_ENABLED" in codes(record)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"duty": "归还330900198001010019借款"}, "PERSONAL_ID_IN_TEXT"),
        ({"unperformed_amount": "12万元"}, "AMOUNT_YUAN_UNREADABLE"),
        ({"enforcement_amount": "12.345"}, "AMOUNT_YUAN_TOO_PRECISE"),
        ({"filed_on": "2026-10-31"}, "DATE_FILED_AFTER_LISTED"),
        ({"duty_performance": "履行中"}, "CODE_UNKNOWN"),
    ],
)
def test_a_faulty_entry_waits_with_its_reason(
    hub: HubTestDriver, change: dict[str, str], code: str
) -> None:
    """Quarantined and repaired by sending it again."""
    record = say(hub, LISTED, listing_row(**change))
    assert (record.outcome, codes(record)) == (Outcome.QUARANTINED, {code})
    assert say(hub, LISTED, listing_row()).outcome is Outcome.ACCEPTED


def test_lists_penalties_and_commitments_are_never_inferred_from_each_other(
    hub: HubTestDriver,
) -> None:
    """One company, one authority, one number, four kinds: four records, each with its own fate.

    A penalty is no listing, an exit from the list ends no penalty, a broken promise lists nobody.
    """
    document = rows.basis()
    document["site"]["departments"][DEPARTMENT] = rows.department(
        [AUTHORITY, COURT_CODE], kind="court", states=[LICENCE, PENALTY, LISTED, MADE, PERFORMED]
    )
    hub.adopt(document)
    number = "33090220261030000001"
    identity = {"XK_WSH": number, "XK_JDRQ": "2026-10-30"}
    told = [
        (LICENCE, licence_row(**identity)),
        (PENALTY, penalty_row(CF_WSH=number)),
        (LISTED, listing_row(court_code=AUTHORITY, case_number=number)),
        (MADE, commitment_row(commitment_code=number)),
    ]
    keys = {}
    for kind, row in told:
        hub.pipe(DEPARTMENT, kind, COMPANY, framed(kind, row))
        (record,) = hub.run()
        assert record.outcome is Outcome.ACCEPTED, kind
        keys[kind] = record.record_key
    assert len(set(keys.values())) == len(told)
    left = say(hub, DELISTED, exit_row(court_code=AUTHORITY, case_number=number), DEPARTMENT)
    broken = {
        "performance_status": "全部未履行", "unperformed_content": "全部",
        "liability_pursued": "撤销许可", "commitment_code": number,
    }  # fmt: skip
    performed = commit(hub, PERFORMED, **broken)
    assert (left.record_key, performed.record_key) == (keys[LISTED], keys[MADE])
    last = {record.record_key: record for record in hub.ledger() if record.state is not None}
    states = {kind: last[key].state for kind, key in keys.items()}
    assert {k: s.status for k, s in states.items() if s is not None} == {
        LICENCE: Status.LIVE, PENALTY: Status.LIVE, LISTED: Status.WITHDRAWN, MADE: Status.LIVE,
    }  # fmt: skip
    assert len(last) == len(told), "nothing was put on record that nobody sent"


# --- commitments ---------------------------------------------------------------------------------


def test_performance_is_the_next_version_of_the_commitment(hub: HubTestDriver) -> None:
    """Accepted without being declared a correction: the platforms show the whole row, once."""
    made = commit(hub)
    assert made.outcome is Outcome.ACCEPTED
    assert made.publish_targets == BOTH
    hub.crash(lose_disk=True)
    performed = commit(hub, PERFORMED, **DONE)
    assert performed.outcome is Outcome.ACCEPTED
    assert performed.reasons == ()
    assert (performed.record_key, performed.version) == (made.record_key, 2)
    assert performed.refers_to == made.sequence
    assert performed.state is not None
    assert performed.state.kind == PERFORMED
    assert {c.due_at for c in performed.state.clocks} == {at("2026-11-06 00:00")}


def test_a_performance_without_its_commitment_is_accepted_with_a_warning_in_the_end(
    hub: HubTestDriver,
) -> None:
    """It waits for the promise; when none comes, the whole row stands for itself."""
    waits = commit(hub, PERFORMED, **DONE)
    assert (waits.outcome, codes(waits)) == (Outcome.HELD, {"WAITING_FOR_RECORD"})
    assert waits.publish_targets == 0
    assert [r for r in hub.advance(29 * DAY) if r.publish_targets] == []
    (record,) = [r for r in hub.advance(2 * DAY) if r.outcome is Outcome.HELD_RELEASED]
    assert codes(record) == {"PERFORMED_WITHOUT_MADE"}
    assert record.publish_targets == BOTH


def test_a_performance_after_a_faulty_commitment_stands_for_itself(hub: HubTestDriver) -> None:
    """The promise has come, if badly: there is nothing to wait for."""
    assert commit(hub, commitment_matter="").outcome is Outcome.QUARANTINED
    record = commit(hub, PERFORMED, **DONE)
    assert (record.outcome, record.version, record.publish_targets) == (Outcome.ACCEPTED, 1, BOTH)


def test_a_commitment_that_comes_after_its_performance_is_stale(hub: HubTestDriver) -> None:
    """Superseded, also with other content or a newer version: it must not undo the performance."""
    commit(hub)
    performed = commit(hub, PERFORMED, **DONE)
    for late in (commit(hub), commit(hub, commitment_content="别的内容")):
        assert late.outcome is Outcome.SUPERSEDED
        assert late.refers_to == performed.sequence
    newer = say(hub, MADE, commitment_row(), DEPARTMENT, source_version=9)
    assert newer.outcome is Outcome.SUPERSEDED


def test_equal_content_is_a_duplicate_and_other_content_is_raised(hub: HubTestDriver) -> None:
    """Both for a commitment made and for one performed; a declared correction is the way."""
    commit(hub)
    assert commit(hub, committed_on="2026/10/30").outcome is Outcome.DUPLICATE
    assert commit(hub, breach_liability="罚款").outcome is Outcome.CONFLICTING
    commit(hub, PERFORMED, **DONE)
    assert commit(hub, PERFORMED, performance_status="已全部履行").outcome is Outcome.DUPLICATE
    partly = {
        "performance_status": "部分履行", "unperformed_content": "一人未补",
        "liability_pursued": "限期补齐",
    }  # fmt: skip
    assert commit(hub, PERFORMED, **partly).outcome is Outcome.CONFLICTING
    corrected = correct(hub, PERFORMED, commitment_row(**partly), DEPARTMENT)
    assert (corrected.outcome, corrected.version) == (Outcome.CORRECTED, 3)


NONE = {
    "performance_status": "全部未履行", "unperformed_content": "全部",
    "liability_pursued": "限期履行", "performance_recognised_on": "2026-10-31",
}  # fmt: skip
PART = {**NONE, "performance_status": "部分履行", "performance_recognised_on": "2026-11-01"}
ALL = {"performance_status": "全部履行", "performance_recognised_on": "2026-11-02"}


def test_performance_goes_forward_step_by_step_without_a_correction(hub: HubTestDriver) -> None:
    """Nothing, a part, all: each recognised later is the next version, also after a restart."""
    commit(hub)
    first = commit(hub, PERFORMED, **NONE)
    hub.crash(lose_disk=True)
    steps = [first, commit(hub, PERFORMED, **PART), commit(hub, PERFORMED, **ALL)]
    assert [step.outcome for step in steps] == [Outcome.ACCEPTED] * 3
    assert [step.version for step in steps] == [2, 3, 4]
    assert {step.record_key for step in steps} == {first.record_key}
    assert all(step.publish_targets == BOTH for step in steps)
    assert steps[1].refers_to == first.sequence
    assert commit(hub, PERFORMED, **ALL).outcome is Outcome.DUPLICATE


def test_steps_that_come_in_one_batch_are_steps_all_the_same(hub: HubTestDriver) -> None:
    """A table of a quarter's performances is read in one transaction."""
    commit(hub)
    for row in (NONE, PART, ALL):
        hub.pipe(DEPARTMENT, PERFORMED, COMPANY, framed(PERFORMED, commitment_row(**row)))
    assert [record.version for record in hub.run()] == [2, 3, 4]


@pytest.mark.parametrize("is_made", [True, False])
def test_steps_that_waited_are_taken_one_after_the_other(
    hub: HubTestDriver, *, is_made: bool
) -> None:
    """The promise comes late, or never; what was performed is shown once, as it stands last."""
    waits = [commit(hub, PERFORMED, **row) for row in (NONE, PART, ALL)]
    assert [record.outcome for record in waits] == [Outcome.HELD] * 3
    hub.crash(lose_disk=True)
    hub.run()
    if is_made:
        hub.pipe(DEPARTMENT, MADE, COMPANY, framed(MADE, commitment_row()))
        written = hub.run()
        assert (written[0].outcome, written[0].publish_targets) == (Outcome.ACCEPTED, 0)
    else:
        written = hub.advance(31 * DAY)
    steps = [r for r in written if r.outcome is Outcome.HELD_RELEASED]
    assert [step.version for step in steps] == [v + is_made for v in (1, 2, 3)]
    assert [step.publish_targets for step in steps] == [0, 0, BOTH]
    assert [step.refers_to for step in steps] == [record.sequence for record in waits]
    assert steps[-1].row == framed(PERFORMED, commitment_row(**ALL))


@pytest.mark.parametrize(
    ("known", "said", "outcome"),
    [
        (ALL, PART, Outcome.SUPERSEDED),  # recognised earlier: a straggler
        (ALL, {**PART, "performance_recognised_on": "2026-11-02"}, Outcome.CONFLICTING),
        (ALL, {**PART, "performance_recognised_on": ""}, Outcome.CONFLICTING),
        (PART, {**ALL, "performance_recognised_on": ""}, Outcome.CONFLICTING),
        (PART, {**ALL, "performance_recognised_on": "2026-11-01"}, Outcome.CONFLICTING),
        (PART, {**PART, "performance_recognised_on": "2026-11-02"}, Outcome.CONFLICTING),
        ({**PART, "performance_recognised_on": ""}, ALL, Outcome.ACCEPTED),
    ],
)
def test_what_is_no_step_forward_is_not_taken_for_one(
    hub: HubTestDriver, known: dict[str, str], said: dict[str, str], outcome: Outcome
) -> None:
    """Back, sideways, or without a later day of recognition: a declared correction is the way."""
    commit(hub)
    live = commit(hub, PERFORMED, **known)
    record = commit(hub, PERFORMED, **said)
    assert record.outcome is outcome
    if outcome is not Outcome.ACCEPTED:
        assert (record.publish_targets, record.refers_to) == (0, live.sequence)


def test_a_correction_of_a_performance_is_what_the_next_step_is_held_against(
    hub: HubTestDriver,
) -> None:
    """Corrected back to a part, it may be performed wholly once more; so may one put up anew."""
    commit(hub)
    commit(hub, PERFORMED, **ALL)
    hub.advance(3 * 86_400_000)
    assert correct(hub, PERFORMED, commitment_row(**PART), DEPARTMENT).version == 3
    again = commit(hub, PERFORMED, **ALL)
    assert (again.outcome, again.version) == (Outcome.ACCEPTED, 4)


def test_another_department_takes_no_step(hub: HubTestDriver) -> None:
    """It may submit for the unit, and the record is another's."""
    commit(hub)
    commit(hub, PERFORMED, **PART)
    record = say(hub, PERFORMED, commitment_row(**ALL), OTHER_DEPARTMENT)
    assert (record.outcome, codes(record)) == (Outcome.QUARANTINED, {"NOT_YOUR_RECORD"})


def test_only_the_accepting_units_department_recognises_performance(hub: HubTestDriver) -> None:
    """Another department that may submit for the unit may not speak for this one's record."""
    commit(hub)
    record = say(hub, PERFORMED, commitment_row(**DONE), OTHER_DEPARTMENT)
    assert (record.outcome, codes(record)) == (Outcome.QUARANTINED, {"NOT_YOUR_RECORD"})
    assert commit(hub, PERFORMED, **DONE).version == 2


def test_a_faulty_performance_leaves_the_commitment_as_it_stands(hub: HubTestDriver) -> None:
    """A reproach beside 全部履行 is refused; what is shown does not change."""
    made = commit(hub)
    record = commit(hub, PERFORMED, **DONE, liability_pursued="罚款")
    assert (record.outcome, codes(record)) == (Outcome.QUARANTINED, {"FIELD_MUST_BE_EMPTY"})
    assert record.state is None
    assert commit(hub).refers_to == made.sequence


@pytest.mark.parametrize(
    ("openness", "shown", "code"),
    [
        ("可向社会公开", BOTH, set()),
        ("特定范围内公开", PROVINCE, {"SHOWN_IN_PART_BY_DECLARATION"}),
        ("不可公开", 0, {"NOT_SHOWN_BY_DECLARATION"}),
    ],
)
def test_who_may_see_a_commitment_is_declared_with_it(
    hub: HubTestDriver, openness: str, shown: int, code: set[str]
) -> None:
    """公开类型 decides before any field's sharing class is asked, and the answer says so."""
    record = commit(hub, openness=openness)
    assert (record.outcome, record.publish_targets, codes(record)) == (
        Outcome.ACCEPTED, shown, code,
    )  # fmt: skip


def test_a_narrower_declaration_takes_down_what_was_wider(hub: HubTestDriver) -> None:
    """The performance may be for a smaller circle than the promise was."""
    commit(hub)
    record = commit(hub, PERFORMED, **DONE, openness="特定范围内公开")
    assert (record.publish_targets, record.withdraw_targets) == (PROVINCE, CITY)


def test_a_natural_persons_commitment_is_not_enabled(hub: HubTestDriver) -> None:
    """As every other natural person's row."""
    assert "PERSON_NOT_ENABLED" in codes(commit(hub, promisor_category="自然人"))


def test_a_performance_does_not_bring_back_a_withdrawn_commitment(hub: HubTestDriver) -> None:
    """What was taken down comes back by a restoration only."""
    commit(hub)
    assert withdraw_commitment(hub).outcome is Outcome.WITHDRAWN
    record = commit(hub, PERFORMED, **DONE)
    assert (record.outcome, codes(record)) == (Outcome.CONFLICTING, {"CHANGED_AFTER_WITHDRAWAL"})
    assert record.publish_targets == 0


# --- statements ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", STATEMENTS)
def test_a_statement_is_registered_once_and_shown_nowhere(hub: HubTestDriver, kind: str) -> None:
    """Accepted like any row, named for no target, without a clock; said again it is a duplicate."""
    hub.now = at("2026-11-20 09:00")
    row = {name: str(text) for name, text in row_of(kind, "accepted-minimal").items()}
    sender, code = sender_of(kind)
    row |= {"authority_code": code, "credit_code": OTHER_COMPANY}
    if kind == PERFORMANCE_MISSING:
        row["commitment_record"] = commit(hub, promisor_code=OTHER_COMPANY).record_key.hex()
    first = say(hub, kind, row, sender)
    assert (first.outcome, first.reasons) == (Outcome.ACCEPTED, ())
    assert (first.publish_targets, first.withdraw_targets) == (0, 0)
    assert first.state is not None
    assert first.state.clocks == ()
    again = say(hub, kind, row, sender)
    assert (again.outcome, again.refers_to) == (Outcome.DUPLICATE, first.sequence)
    foreign = say(hub, kind, row | {"authority_code": COMPANY}, sender)
    assert codes(foreign) == {"FOREIGN_AUTHORITY"}


def find_missing(hub: HubTestDriver, record: str) -> LedgerRecord:
    """State that the performance of a commitment is missing, as the agent does."""
    row = {n: str(text) for n, text in row_of(PERFORMANCE_MISSING, "accepted-minimal").items()}
    row |= {"authority_code": AGENTS_CODE, "credit_code": COMPANY, "commitment_record": record}
    return say(hub, PERFORMANCE_MISSING, row, AGENTS)


@pytest.mark.parametrize("ends", ["performed", "withdrawn", "never"])
def test_a_performance_is_missing_only_while_the_ledger_has_the_commitment_unperformed(
    hub: HubTestDriver, ends: str
) -> None:
    """An agent that was told late must not call a company that kept its promise a breaker of it."""
    made = commit(hub)
    hub.now = at("2026-11-20 09:00")
    if ends == "performed":
        commit(hub, PERFORMED, **DONE)
    elif ends == "withdrawn":
        withdraw_commitment(hub)
    hub.crash(lose_disk=True)
    hub.clock_confirmed = hub.now
    found = find_missing(hub, made.record_key.hex())
    if ends == "never":
        assert (found.outcome, found.reasons) == (Outcome.ACCEPTED, ())
    else:
        assert found.outcome is Outcome.QUARANTINED
        assert codes(found) == {"COMMITMENT_NOT_OPEN"}


@pytest.mark.parametrize("record", ["0123456789abcdef0123456789abcdef", "0123", "", "no key"])
def test_a_finding_about_no_commitment_on_record_is_quarantined(
    hub: HubTestDriver, record: str
) -> None:
    """Whatever stands in the field."""
    hub.now = at("2026-11-20 09:00")
    assert find_missing(hub, record).outcome is Outcome.QUARANTINED


def test_an_agent_states_what_is_left_to_agents_and_nothing_else(hub: HubTestDriver) -> None:
    """No penalty, whatever authority it names; what it said wrongly it takes back."""
    hub.now = at("2026-11-20 09:00")
    row = penalty_row(CF_CFJGDM=AGENTS_CODE, CF_SJLYDM=AGENTS_CODE)
    hub.pipe(AGENTS, PENALTY, COMPANY, framed(PENALTY, row))
    penalty = hub.run()[0]
    assert penalty.outcome is Outcome.QUARANTINED
    assert codes(penalty) == {"KIND_NOT_YOURS"}
    row = {n: str(v) for n, v in row_of("reminder.issued.v1", "accepted-minimal").items()}
    row |= {"authority_code": AGENTS_CODE}
    assert say(hub, "reminder.issued.v1", row, AGENTS).outcome is Outcome.ACCEPTED
    withdrawal = {
        "subject_kind": "reminder.issued.v1", "document_number": row["document_number"],
        "subject_name": row["subject_name"], "credit_code": row["credit_code"],
        "authority_code": AGENTS_CODE, "reason": "误发",
    }  # fmt: skip
    assert "KIND_NOT_YOURS" in codes(say(hub, "record.withdrawn.v1", withdrawal, DEPARTMENT))
    assert say(hub, "record.withdrawn.v1", withdrawal, AGENTS).outcome is Outcome.WITHDRAWN


def test_a_count_that_arrived_by_a_move_is_its_departments(hub: HubTestDriver) -> None:
    """Released by a control message, which no department sent: the denominator has an owner."""
    kind, move_id = "output_count.declared.v1", "ab" * 16
    stated = row_of(kind, "accepted-minimal").items()
    row = {name: str(text) for name, text in stated}
    row |= {"authority_code": AUTHORITY, "credit_code": COMPANY}
    arriving = {
        "move_id": move_id, "subject_kind": kind, "row": framed(kind, row),
        "reason": "代码录入错误", "previous_credit_code": OTHER_COMPANY,
    }  # fmt: skip
    hub.now = at("2026-11-20 09:00")
    hub.pipe(DEPARTMENT, "record.moved_in.v1", COMPANY, framed("record.moved_in.v1", arriving))
    hub.run()
    verdict = {
        "move_id": move_id, "verdict": "o", "met": 0, "owner": DEPARTMENT, "left_as": kind,
        "heard": "", "left": "00" * 16, "to": "00" * 16, "origin": OTHER_COMPANY.encode().hex(),
        "made_by": move_id,
    }  # fmt: skip
    noted = json.dumps(verdict).encode()
    partition = partition_of(COMPANY.encode(), hub.partitions)
    hub.put("control", partition, COMPANY.encode(), noted, (("ce_type", b"move.noted.v1"),))
    released, word = hub.run()
    assert (released.outcome, word.outcome) == (Outcome.HELD_RELEASED, Outcome.MOVE_NOTED)
    declared = EntryReader(CONTRACTS, hub.prefix, {}).declared(released)
    assert declared is not None
    assert declared.department == DEPARTMENT
