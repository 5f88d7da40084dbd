"""Law L12: departments retire and merge, and a record stays one record through all of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from hub.core import partition as core_partition
from hub.core.partition import BasisLibrary, PartitionCore
from hub.core.record import NO_KEY, CauseKind, Outcome
from hub.core.state import Status
from hub.domain.partitioning import partition_of
from hub.errors import ConfigurationError, FencedError
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver, MemoryLog
from tests.driver.life import DAY, FAR, FIRST, NEAR, RecordLife, answer, codes
from tests.driver.reforms import (
    DEPARTMENT,
    HEIR,
    NEW_AUTHORITY,
    OTHER_DEPARTMENT,
    merged,
    named_under,
    row_under,
    site,
)
from tests.driver.rows import AUTHORITY, COMPANY, LICENCE, OTHER_AUTHORITY, commitment_row, framed
from tests.driver.test_families import ALL, PART
from tests.replay.tampering import replay, verify

WITHDRAWN = "record.withdrawn.v1"


@pytest.fixture
def life() -> Any:  # noqa: ANN401 - a generator, as pytest wants it
    """The site before the reform; at the end the ledger is whole and comes out equal again."""
    one = RecordLife(site())
    yield one
    one.crash()
    assert verify(one.hub).is_ok
    assert replay(one.hub).is_ok


def state(life: RecordLife, content: str = "食品经营", by: str = HEIR, **more: Any) -> str:  # noqa: ANN401 - as `say`
    """The heir states the licence under the new code."""
    return life.say(LICENCE, row_under(NEW_AUTHORITY, content), by=by, **more)


# --- identity ---


def test_the_same_decision_under_the_new_code_is_the_same_record(life: RecordLife) -> None:
    """Adopting the merger rekeys nothing: a full export of the new bureau finds what is there."""
    life.row()
    key = life.record.record_key
    life.hub.adopt(merged(DEPARTMENT))
    assert state(life).split()[-1] == "UNDECLARED_CHANGE"  # the authority's code is content, too
    assert life.record.record_key == key
    correction = {
        "subject_kind": LICENCE, "row": framed(LICENCE, row_under(NEW_AUTHORITY)),
        "reason": "机构改革",
    }  # fmt: skip
    assert life.say("record.corrected.v1", correction, by=HEIR) == "corrected"
    assert (life.record.record_key, life.state().department) == (key, HEIR)
    assert state(life) == "duplicate SAME_AS_LIVE"
    assert life.shown() == {(COMPANY, "食品经营")}


def test_before_the_reform_the_new_code_is_another_authority(life: RecordLife) -> None:
    """Nothing follows from a name."""
    life.row()
    assert state(life) == "accepted"
    assert len({r.record_key for r in life.hub.ledger() if r.outcome is Outcome.ACCEPTED}) == 2


def test_a_record_made_under_the_new_code_is_found_under_the_old_one(life: RecordLife) -> None:
    """New records go under the oldest code, whichever they were sent with."""
    life.hub.adopt(merged(DEPARTMENT))
    assert state(life) == "accepted"
    assert life.say(WITHDRAWN, named_under(AUTHORITY), by=HEIR) == "withdrawn"
    assert life.shown() == set()


def test_what_the_new_code_had_before_it_replaced_another_is_found(life: RecordLife) -> None:
    """A bureau that takes another in keeps its own records."""
    assert state(life) == "accepted"
    life.hub.adopt(merged(DEPARTMENT))
    assert state(life) == "duplicate SAME_AS_LIVE"
    assert life.say(WITHDRAWN, named_under(NEW_AUTHORITY), by=HEIR) == "withdrawn"
    assert life.shown() == set()


def test_a_chain_of_reforms_leads_to_the_oldest_code(life: RecordLife) -> None:
    """The code of 2018 replaced that of 2010, and is replaced itself."""
    life.row()
    document = merged(DEPARTMENT, OTHER_DEPARTMENT, replaces=[OTHER_AUTHORITY])
    document["site"]["departments"][OTHER_DEPARTMENT]["replaces"] = {OTHER_AUTHORITY: [AUTHORITY]}
    life.hub.adopt(document)
    assert life.say(WITHDRAWN, named_under(NEW_AUTHORITY), by=HEIR) == "withdrawn"
    assert life.shown() == set()


def test_two_predecessors_with_a_live_record_each_are_a_conflict(life: RecordLife) -> None:
    """Nobody can say which is meant; the old code says it."""
    life.row()
    life.say(LICENCE, row_under(OTHER_AUTHORITY, "药品经营"), by=OTHER_DEPARTMENT)
    life.hub.adopt(merged(DEPARTMENT, OTHER_DEPARTMENT))
    before = life.shown()
    either = "conflicting SEVERAL_PREDECESSORS"
    assert state(life, "医疗器械") == either
    assert life.say(WITHDRAWN, named_under(NEW_AUTHORITY), by=HEIR) == either
    out = named_under(NEW_AUTHORITY) | {"move_id": FIRST, "new_credit_code": NEAR}
    assert life.say("record.moved_out.v1", out, by=HEIR) == either
    assert life.arrives(NEAR, by=HEIR) == "quarantined MOVE_REFUSED"
    assert life.shown() == before
    assert life.say(WITHDRAWN, named_under(OTHER_AUTHORITY), by=HEIR) == "withdrawn"
    assert life.shown() == {(COMPANY, "食品经营")}
    # one of the two is in force: there is no doubt any more
    assert life.say(WITHDRAWN, named_under(NEW_AUTHORITY), by=HEIR) == "withdrawn"
    assert life.shown() == set()
    assert state(life).split()[-1] == "SEVERAL_PREDECESSORS"


def test_a_faulty_row_in_doubt_changes_neither(life: RecordLife) -> None:
    """It is refused with both reasons."""
    for authority, sender in ((AUTHORITY, DEPARTMENT), (OTHER_AUTHORITY, OTHER_DEPARTMENT)):
        life.say(LICENCE, row_under(authority, ""), by=sender)
    before = dict(life.hub.store)
    life.hub.adopt(merged(DEPARTMENT, OTHER_DEPARTMENT))
    assert state(life, "") == "quarantined FIELD_REQUIRED SEVERAL_PREDECESSORS"
    changed = {k for k in before if k[2:3] == b"r" and life.hub.store[k] != before[k]}
    assert changed == set()


def test_what_is_on_record_goes_before_what_only_waits(life: RecordLife) -> None:
    """A misspelt withdrawal of one predecessor does not hide the other's penalty."""
    life.say(WITHDRAWN, named_under(AUTHORITY))
    life.say(LICENCE, row_under(OTHER_AUTHORITY), by=OTHER_DEPARTMENT)
    life.say(WITHDRAWN, named_under(OTHER_AUTHORITY), by=OTHER_DEPARTMENT)
    life.hub.adopt(merged(DEPARTMENT, OTHER_DEPARTMENT))
    assert life.say(WITHDRAWN, named_under(NEW_AUTHORITY), by=HEIR) == "duplicate ALREADY_WITHDRAWN"


@pytest.mark.parametrize("order", ["departure-first", "arrival-first"])
@pytest.mark.parametrize("to", [NEAR, FAR], ids=["same-partition", "other-partition"])
def test_a_record_moves_under_the_new_code(life: RecordLife, order: str, to: str) -> None:
    """Both halves name the new authority; what leaves is the predecessor's record."""
    life.row()
    life.hub.adopt(merged(DEPARTMENT))
    out = named_under(NEW_AUTHORITY) | {"move_id": FIRST, "new_credit_code": to}
    row = framed(LICENCE, row_under(NEW_AUTHORITY, "食品销售", to))
    in_ = {
        "subject_kind": LICENCE, "row": row, "reason": "代码有误", "move_id": FIRST,
        "previous_credit_code": COMPANY,
    }  # fmt: skip
    halves: list[Callable[[], str]] = [
        lambda: life.say("record.moved_out.v1", out, by=HEIR),
        lambda: life.say("record.moved_in.v1", in_, key=to, by=HEIR),
    ]
    for half in halves if order == "departure-first" else reversed(halves):
        half()
    assert life.shown() == {(to, "食品销售")}
    assert life.say(WITHDRAWN, named_under(AUTHORITY, to), key=to, by=HEIR) == "withdrawn"
    assert halves[0]() == "duplicate ALREADY_MOVED"


def test_a_good_row_of_the_heir_answers_the_predecessors_refused_one(life: RecordLife) -> None:
    """The bad code was the old bureau's; the new one puts it right under its own code."""
    life.say(LICENCE, row_under(OTHER_AUTHORITY, ""), by=OTHER_DEPARTMENT)
    refused = life.record
    life.hub.adopt(merged(DEPARTMENT, OTHER_DEPARTMENT))
    good = row_under(NEW_AUTHORITY, key=NEAR)
    assert life.say(LICENCE, good, key=NEAR, by=HEIR) == "accepted"
    assert [r.outcome for r in life.rest] == [Outcome.DUTY_LIFTED]
    assert life.rest[0].record_key == refused.record_key


def test_what_waits_under_the_new_code_is_decided_with_its_row(life: RecordLife) -> None:
    """The row comes, the withdrawal is older than it: the row is named for its targets."""
    life.hub.adopt(merged(DEPARTMENT))
    withdrawal = named_under(NEW_AUTHORITY)
    assert life.say(WITHDRAWN, withdrawal, by=HEIR, version=3) == "held WAITING_FOR_RECORD"
    assert state(life, version=5) == "accepted"
    assert [answer(r) for r in life.rest] == ["held_ended WITHDRAWAL_OLDER_THAN_LIVE"]
    assert life.shown() == {(COMPANY, "食品经营")}


def test_a_row_in_a_wrong_partition_is_no_predecessors_record(life: RecordLife) -> None:
    """It is a record of its own there: keys are unique over all partitions."""
    life.hub.adopt(merged(DEPARTMENT))
    value = framed(LICENCE, row_under(NEW_AUTHORITY))
    wrong = 1 - partition_of(COMPANY.encode(), 2)
    life.hub.pipe(HEIR, LICENCE, COMPANY, value, partition=wrong)
    (astray,) = life.hub.run()
    assert codes(astray) == "WRONG_PARTITION"
    assert state(life) == "accepted"
    assert life.record.record_key != astray.record_key


def test_a_commitment_is_performed_under_the_new_code(life: RecordLife) -> None:
    """Made before the reform and performed step by step after it: one record."""
    life.made()
    key = life.record.record_key
    life.hub.adopt(merged(DEPARTMENT))
    for performed in (PART, ALL):
        row = commitment_row(**performed) | {"accepting_unit_code": NEW_AUTHORITY}
        assert life.say(rows.PERFORMED, row, by=HEIR) == "accepted"
        assert (life.record.record_key, life.state().department) == (key, HEIR)


# --- owner ---


def test_the_heir_corrects_and_withdraws_what_its_predecessors_put_on_record(
    life: RecordLife,
) -> None:
    """Also where no code changed: the record names the old authority still."""
    life.row()
    assert life.withdrawn(by=HEIR) == "quarantined FOREIGN_AUTHORITY"
    life.hub.adopt(merged(DEPARTMENT, replaces=[]))
    assert life.corrected(by=HEIR) == "corrected"
    assert life.state().department == HEIR
    assert life.withdrawn(by=HEIR) == "withdrawn"
    assert life.restored(by=HEIR) == "accepted"
    assert life.corrected("另一", by=OTHER_DEPARTMENT) == "quarantined FOREIGN_AUTHORITY"


def test_a_department_whose_own_code_was_replaced_names_its_records_by_either(
    life: RecordLife,
) -> None:
    """No department is retired: the bureau has another code, its history has the old one."""
    life.row()
    document = site()
    document["site"]["departments"][DEPARTMENT] |= {
        "authorities": [NEW_AUTHORITY], "replaces": {NEW_AUTHORITY: [AUTHORITY]},
    }  # fmt: skip
    life.hub.adopt(document)
    assert life.corrected() == "corrected"
    assert life.say(WITHDRAWN, named_under(NEW_AUTHORITY)) == "withdrawn"
    assert life.shown() == set()


def test_who_might_act_for_a_retired_owner_still_may_and_no_more(life: RecordLife) -> None:
    """A deputy of the old bureau is none of the new one."""
    document = merged(DEPARTMENT, replaces=[])
    deputy = document["site"]["departments"][OTHER_DEPARTMENT]
    deputy |= {
        "may_act_on": [DEPARTMENT],
        "authorities": [OTHER_AUTHORITY, AUTHORITY, NEW_AUTHORITY],
    }
    life.row()
    life.hub.adopt(document)
    assert life.corrected(by=OTHER_DEPARTMENT) == "corrected"
    assert life.state().department == DEPARTMENT
    assert state(life) == "accepted"
    said = life.say(WITHDRAWN, named_under(NEW_AUTHORITY), by=OTHER_DEPARTMENT)
    assert said == "quarantined NOT_YOUR_RECORD"
    deputy["may_act_on"] = [HEIR]
    life.hub.adopt(document)
    assert life.withdrawn(by=OTHER_DEPARTMENT) == "withdrawn"


# --- what still comes from it ---


def test_what_waited_on_its_topic_is_decided_and_what_comes_later_is_refused(
    life: RecordLife,
) -> None:
    """The end of the topic is noted with the retirement; nothing is left unanswered."""
    life.row()
    life.hub.pipe(DEPARTMENT, WITHDRAWN, COMPANY, framed(WITHDRAWN, named_under(AUTHORITY)))
    ends = [len(life.hub.log.logs[f"test.submissions.{DEPARTMENT}", p]) for p in range(2)]
    life.hub.pipe(DEPARTMENT, LICENCE, NEAR, framed(LICENCE, row_under(AUTHORITY, key=NEAR)))
    written = life.hub.adopt(merged(DEPARTMENT, ends=ends))
    said = [answer(r) for r in written if r.cause.kind is CauseKind.SUBMISSION]
    assert said == ["withdrawn", "quarantined DEPARTMENT_RETIRED"]
    (late,) = (r for r in written if codes(r) == "DEPARTMENT_RETIRED")
    assert late.reasons[0].field == HEIR
    assert late.state is not None
    assert late.state.clocks == ()
    assert life.shown() == set()
    assert life.withdrawn(key=NEAR) == "quarantined DEPARTMENT_RETIRED"


def test_what_is_refused_so_is_accepted_from_its_heir(life: RecordLife) -> None:
    """Under the same record; the duty begins with the heir's row."""
    life.hub.adopt(merged(DEPARTMENT, ends=[0, 0]))
    assert life.row() == "quarantined DEPARTMENT_RETIRED"
    refused = life.record.record_key
    assert life.dues() == {}
    assert state(life) == "accepted"
    assert life.record.record_key == refused
    assert set(life.dues()) == {"province", "city"}
    assert life.state().department == HEIR


def test_what_it_left_waiting_is_decided_when_its_record_comes(life: RecordLife) -> None:
    """The heir sends the row: what waited acts on the heir's record as the heir would."""
    assert life.withdrawn() == "held WAITING_FOR_RECORD"
    life.hub.adopt(merged(DEPARTMENT, ends=[1, 1]))
    assert state(life) == "accepted"
    assert [answer(r) for r in life.rest] == ["held_released"]
    assert (life.status, life.shown()) == (Status.WITHDRAWN, set())


def test_what_it_left_waiting_ends_in_time_like_any_other(life: RecordLife) -> None:
    """No statement waits for ever because its department is gone."""
    assert life.withdrawn() == "held WAITING_FOR_RECORD"
    life.hub.adopt(merged(DEPARTMENT, ends=[1, 1]))
    days = rows.basis()["rulebook"]["held"]["days"]
    ended = [answer(r) for r in life.hub.advance((days + 1) * DAY)]
    assert ended == ["held_ended WAITED_TOO_LONG"]


def test_a_department_that_comes_back_is_heard_again(life: RecordLife) -> None:
    """A retirement by mistake: taken out of the site, what was refused may be sent again."""
    life.hub.adopt(merged(DEPARTMENT, ends=[0, 0]))
    assert life.row(number=1) == "quarantined DEPARTMENT_RETIRED"
    life.hub.adopt(site())
    assert life.row(number=1) == "accepted"


def test_departments_in_a_circle_end_no_registrar(life: RecordLife) -> None:
    """Whoever may write to `control` may write nonsense: it is refused, the old basis stays."""
    document = deepcopy(merged(DEPARTMENT))
    document["site"]["departments"][HEIR]["successor"] = DEPARTMENT
    written = life.hub.adopt(document)
    assert {r.outcome for r in written} == {Outcome.CONTROL_REFUSED}
    assert life.row() == "accepted"


# --- a basis nobody here decides under ---


def unfit(why: str) -> dict[str, Any]:
    """A basis of a decider of the future, or for another number of partitions."""
    document = merged(DEPARTMENT)
    if why == "BASIS_DECIDER_UNKNOWN":
        return document | {"decider": "7"}
    document["site"]["partitions"] = 3
    return document


@pytest.mark.parametrize("why", ["BASIS_DECIDER_UNKNOWN", "PARTITIONS_CHANGED"])
def test_a_basis_that_does_not_fit_is_refused_and_the_old_one_stays(
    life: RecordLife, why: str
) -> None:
    """Whoever may write to `control` ends no registrar by it; the reason is in the ledger."""
    before = life.hub.slot.cores[0].basis
    written = life.hub.adopt(unfit(why))
    assert [answer(r) for r in written] == [f"control_refused {why}"] * 2
    assert life.row() == "accepted"
    assert before is not None
    assert {r.basis for r in life.hub.ledger()} == {before.id}
    life.hub.adopt(merged(DEPARTMENT))
    assert state(life).split()[-1] == "UNDECLARED_CHANGE"


@pytest.mark.parametrize("why", ["BASIS_DECIDER_UNKNOWN", "PARTITIONS_CHANGED"])
def test_the_very_first_basis_may_not_be_one_either(why: str) -> None:
    """Nothing is decided until one fits; here partition 1 is none of one partition's site."""
    document = unfit(why)
    log = MemoryLog()
    hub = HubTestDriver(site(), log=log)
    document["site"]["partitions"] = 1
    written = hub.adopt(document)
    refused = {r.cause.topic: codes(r) for r in hub.ledger(1)}
    assert refused == {"test.control": why}
    assert written[-1].basis == NO_KEY
    hub.adopt(site())
    assert [r.outcome for r in hub.ledger(1)] == [Outcome.CONTROL_REFUSED, Outcome.BASIS_ADOPTED]
    assert verify(hub).is_ok
    assert replay(hub).is_ok


@pytest.mark.parametrize("disk", ["kept", "lost"])
def test_a_registrar_decides_nothing_under_a_decider_it_does_not_have(disk: str) -> None:
    """An older program started on a newer ledger stops and says which version it wants."""
    if not str(core_partition.__file__).endswith(".py"):
        pytest.skip("a constant of the compiled core cannot be replaced")
    one = RecordLife(site())
    one.row()
    with pytest.MonkeyPatch.context() as newer:
        newer.setattr("hub.core.partition.DECIDERS", frozenset({"1", "7"}))
        one.hub.adopt(site() | {"decider": "7"})
        assert one.row("另一").endswith("UNDECLARED_CHANGE")
    count = len(one.hub.ledger())
    one.hub.pipe(DEPARTMENT, LICENCE, NEAR, framed(LICENCE, row_under(AUTHORITY, key=NEAR)))
    one.hub.crash(lose_disk=disk == "lost")
    with pytest.raises(ConfigurationError, match="决定程序版本是 7"):
        one.hub.run()
    assert len(one.hub.ledger()) == count


@pytest.mark.parametrize("document", [{"decider": "7"}, {"decider": 7, "site": "elsewhere"}])
def test_of_a_basis_with_an_unknown_decider_nothing_else_is_read(document: object) -> None:
    """Its other words may mean something new: whose decider it wants is still said."""
    core = PartitionCore(0, "test.", BasisLibrary())
    core.restore(None, json.dumps(document).encode(), has_twins=False)
    assert (core.unknown_decider, core.basis) == ("7", None)


def test_a_ledger_that_left_an_unknown_decider_behind_is_folded(life: RecordLife) -> None:
    """Only the basis in force matters; what another program decided is followed, not judged."""
    with pytest.MonkeyPatch.context() as newer:
        newer.setattr("hub.core.partition.DECIDERS", frozenset({"1", "7"}))
        life.hub.adopt(site() | {"decider": "7"})
        life.row()
        life.hub.adopt(merged(DEPARTMENT, ends=[1, 1]))
    life.crash()
    assert life.withdrawn(by=HEIR) == "withdrawn"


def test_a_site_with_another_number_of_partitions_does_not_start() -> None:
    """Said at the start, before anything is read."""
    hub = RecordLife(site()).hub
    hub.partitions = 3
    hub.crash()
    with pytest.raises(ConfigurationError, match="分区数不可更改"):
        hub.run()


# --- several slots ---


def test_a_fresh_site_with_two_slots_starts() -> None:
    """Each partition's first record names the slot that site.yaml gave it to."""
    log = MemoryLog()
    hubs = [HubTestDriver(site(), now=0, slot=n, own=(n,), log=log) for n in range(2)]
    for hub in hubs:
        hub.run()
    hubs[0].adopt(site())
    hubs[1].run()
    far = next(key for key in (COMPANY, NEAR, FAR) if partition_of(key.encode(), 2) == 1)
    hubs[1].pipe(DEPARTMENT, LICENCE, far, framed(LICENCE, row_under(AUTHORITY, key=far)))
    hubs[1].run()
    heads = [hubs[0].ledger(n)[0] for n in range(2)]
    assert [r.outcome for r in heads] == [Outcome.BASIS_ADOPTED] * 2
    named = [[dict(r.facts).get("slot") for r in hubs[0].ledger(n)] for n in range(2)]
    assert named == [[None], ["registrar.1", None]], "the first record alone names its slot"
    for hub in hubs:
        hub.crash(lose_disk=True)
        hub.run()
    assert verify(hubs[0]).is_ok
    assert replay(hubs[0]).is_ok


def test_a_slot_does_not_write_where_another_one_began() -> None:
    """A forgotten process with the old site.yaml, which gave it everything."""
    log = MemoryLog()
    second = HubTestDriver(site(), slot=1, own=(1,), log=log)
    second.adopt(site())
    first = HubTestDriver(site(), log=log)
    with pytest.raises(FencedError, match=r"registrar\.1"):
        first.run()
    third = HubTestDriver(site(), slot=2, own=(1,), log=log)
    with pytest.raises(FencedError, match=r"registrar\.2"):
        third.run()
