"""What the agents are told of real ledger records: enough to act on, and nothing else."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass

import pytest

from hub.core.record import LedgerRecord
from hub.views.notices import Notice, decode_notice, encode_notice, notices_of
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.resends import ask_again, with_archive
from tests.driver.rows import (
    COMPANY,
    CONTRACTS,
    DEPARTMENT,
    LICENCE,
    MADE,
    PERFORMED,
    at,
    commitment_row,
    framed,
    licence_row,
)
from tests.driver.stories import DAY, START, report, submit

TARGETS = {0: "province", 1: "city"}


@dataclass
class NotifiedHub:
    """A hub in memory and what is told of its ledger."""

    hub: HubTestDriver

    def of(self, *records: LedgerRecord) -> list[Notice]:
        """The notices of some ledger records."""
        return [n for record in records for n in notices_of(0, record, CONTRACTS, TARGETS)]


@pytest.fixture
def told() -> NotifiedHub:
    """A hub on the morning of Monday 2026-11-02."""
    return NotifiedHub(HubTestDriver(rows.basis(partitions=1), now=START))


def test_an_accepted_row_is_told_with_its_clocks_and_without_its_content(told: NotifiedHub) -> None:
    """Agents remind of dates; names, numbers and texts of a licence are nobody's business there."""
    record = submit(told.hub, licence_row())
    (notice,) = told.of(record)
    assert (notice.event, notice.status, notice.department) == ("accepted", "live", DEPARTMENT)
    assert {(c.target, c.clock, c.phase) for c in notice.clocks} == {
        ("province", "disclose", ""),
        ("city", "disclose", ""),
    }
    assert notice.id == f"0-{record.sequence}-0"
    text = encode_notice(notice).decode()
    for value in licence_row().values():
        assert len(value) < 3 or value == COMPANY or value not in text


def test_due_soon_overdue_and_stopped_are_told_with_target_clock_and_date(
    told: NotifiedHub,
) -> None:
    """Each event is a notice of its own; the clocks beside it say where the record stands now."""
    record = submit(told.hub, licence_row())
    soon = told.of(*told.hub.advance(7 * DAY))
    assert {n.event for n in soon} == {"due_soon_3"}
    assert {(n.target, n.clock, n.due_at) for n in soon} == {
        (target, "disclose", at("2026-11-12 00:00")) for target in TARGETS.values()
    }
    assert all({c.phase for c in n.clocks} == {"due_soon"} for n in soon)
    overdue = told.of(*told.hub.advance(3 * DAY))
    assert {n.event for n in overdue} == {"due_soon_1", "overdue"} or {
        n.event for n in overdue
    } == {"overdue"}
    assert all({c.phase for c in n.clocks} == {"overdue"} for n in overdue)
    (stopped,) = told.of(report(told.hub, record, "city", "published"))
    assert (stopped.event, stopped.target) == ("stopped_late", "city")
    assert [c.target for c in stopped.clocks] == ["province"]


def test_an_answer_that_stops_no_clock_is_not_told(told: NotifiedHub) -> None:
    """`sent` changes nothing an agent acts on."""
    record = submit(told.hub, licence_row())
    assert told.of(report(told.hub, record, "city", "sent")) == []


def test_a_withdrawn_record_is_told_with_the_clocks_of_its_withdrawal(told: NotifiedHub) -> None:
    """What was open for its disclosure is lifted, and told so: those clocks run no more."""
    submit(told.hub, licence_row())
    row = licence_row()
    withdrawal = {
        "subject_kind": LICENCE, "document_number": row["XK_WSH"],
        "subject_name": row["XK_XDR_MC"], "credit_code": COMPANY,
        "authority_code": row["XK_XKJGDM"], "reason": "撤销",
    }  # fmt: skip
    told.hub.pipe(DEPARTMENT, "record.withdrawn.v1", COMPANY,
                  framed("record.withdrawn.v1", withdrawal))  # fmt: skip
    notice, *lifted = told.of(*told.hub.run())
    assert (notice.event, notice.status) == ("withdrawn", "withdrawn")
    assert {(n.event, n.target, n.clock) for n in lifted} == {
        ("lifted", target, "disclose") for target in TARGETS.values()
    }
    assert all({c.clock for c in n.clocks} == {"withdraw"} for n in (notice, *lifted))


def test_a_repetition_is_not_told(told: NotifiedHub) -> None:
    """A duplicate changes nothing; the notice of the first is there already."""
    submit(told.hub, licence_row())
    assert told.of(submit(told.hub, licence_row())) == []


def test_a_notice_survives_its_journey(told: NotifiedHub) -> None:
    """What the follower writes is what the agent reads, byte for byte and field for field."""
    submit(told.hub, licence_row())
    every = told.of(*told.hub.ledger(), *told.hub.advance(30 * DAY))
    assert len(every) > 2
    assert [decode_notice(encode_notice(notice)) for notice in every] == every
    assert all(json.loads(encode_notice(notice))["id"] == notice.id for notice in every)
    assert len({notice.id for notice in every}) == len(every)


def test_nothing_of_a_refused_row_is_told(told: NotifiedHub) -> None:
    """A refused row may hold anything, an identity number too, in any column."""
    told.hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row(XK_WSH="")))
    (notice,) = told.of(*told.hub.run())
    assert (notice.event, notice.status) == ("quarantined", "quarantined")
    assert (notice.document, notice.name, notice.authority) == ("", "", "")


def test_the_clocks_of_a_target_added_later_are_told_and_a_resend_is_not(told: NotifiedHub) -> None:
    """A record brought in line stands otherwise than before; one that is sent again does not."""
    submit(told.hub, licence_row(XK_JDRQ="2026-11-03", XK_YXQZ="2026-11-03"))
    told.hub.advance(DAY)
    submit(told.hub, licence_row(XK_JDRQ="2026-11-03", XK_YXQZ="2026-11-03"))
    before = len(told.hub.ledger())
    document = with_archive()
    document["site"]["partitions"] = 1
    told.hub.adopt(document)
    (notice,) = told.of(*told.hub.ledger()[before:])
    assert notice.event == "reprojected"
    assert "2" in {clock.target for clock in notice.clocks}  # a name it learns with the basis
    assert told.of(*ask_again(told.hub, "city")) == []


def withdraw(hub: HubTestDriver) -> list[LedgerRecord]:
    """Take the licence down."""
    row = licence_row()
    reference = {
        "subject_kind": LICENCE, "document_number": row["XK_WSH"],
        "subject_name": row["XK_XDR_MC"], "credit_code": COMPANY,
        "authority_code": row["XK_XKJGDM"], "reason": "撤销",
    }  # fmt: skip
    kind = "record.withdrawn.v1"
    hub.pipe(DEPARTMENT, kind, COMPANY, framed(kind, reference))
    return hub.run()


def test_a_statement_that_waits_and_its_end_are_told_without_a_clock(told: NotifiedHub) -> None:
    """That it stops waiting is nobody's duty: an agent must not remind of it."""
    (held,) = told.of(*withdraw(told.hub))
    assert (held.event, held.status, held.clocks) == ("held", "held", ())
    (ended,) = told.of(*told.hub.advance(60 * DAY))
    assert (ended.event, ended.clocks) == ("held_ended", ())


def test_an_overdue_that_a_recount_takes_back_is_told_with_the_clock_that_runs(
    told: NotifiedHub,
) -> None:
    """Nobody is overdue any more; the agents stop telling people so."""
    submit(told.hub, licence_row())
    told.hub.advance(10 * DAY)
    document = deepcopy(rows.basis(partitions=1))
    days = document["calendar"]["notices"][-1]["days"]
    days += [
        {"name": "停市", "date": f"2026-11-{day:02}", "isOffDay": True} for day in range(3, 14)
    ]
    before = len(told.hub.ledger())
    told.hub.adopt(document)
    notices = told.of(*told.hub.ledger()[before:])
    taken = [n for n in notices if n.event == "overdue_taken_back"]
    assert {(n.target, n.clock) for n in taken} == {
        (target, "disclose") for target in TARGETS.values()
    }
    assert all(c.phase != "overdue" for n in taken for c in n.clocks)
    assert len({n.id for n in notices}) == len(notices)


LEFT = {"unperformed_content": "一人未补", "liability_pursued": "限期补齐"}


@pytest.mark.parametrize(
    ("status", "more", "performed"),
    [("全部未履行", LEFT, "none"), ("部分履行", LEFT, "part"), ("全部履行", {}, "all")],
)
def test_how_far_a_commitment_is_performed_is_told(
    told: NotifiedHub, status: str, more: dict[str, str], performed: str
) -> None:
    """A first part ends no promise: its agent must know that it was only a part."""
    told.hub.pipe(DEPARTMENT, MADE, COMPANY, framed(MADE, commitment_row()))
    told.hub.run()
    row = commitment_row(performance_status=status, performance_recognised_on="2026-11-02", **more)
    told.hub.pipe(DEPARTMENT, PERFORMED, COMPANY, framed(PERFORMED, row))
    (notice,) = told.of(*told.hub.run())
    assert (notice.event, notice.performed, notice.due_on) == ("accepted", performed, "2026-11-09")
    assert decode_notice(encode_notice(notice)) == notice
