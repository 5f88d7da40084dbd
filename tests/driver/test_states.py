"""Who may state what: `states` of each department in the site, and everything else is refused."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from hub.config.repository import contract_texts
from hub.contracts import load_contracts
from hub.core.basis import Basis
from hub.core.record import CauseKind, LedgerRecord, Outcome
from hub.domain import kinds
from tests.contract.specimens import row_of
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import (
    AGENTS,
    AGENTS_CODE,
    AUTHORITY,
    COMPANY,
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
    department,
    exit_row,
    framed,
    licence_row,
    listing_row,
    penalty_row,
)

CENTRE = "centre"
FAMILIES = (LICENCE, PENALTY, LISTED, MADE, PERFORMED)
FINDINGS = (kinds.EXIT_MISSING, kinds.PERFORMANCE_MISSING, kinds.REMINDER)
OWN_WORK = (kinds.OUTPUT_COUNT, kinds.RECONCILED)
ABOUT = (kinds.CORRECTED, kinds.WITHDRAWN, kinds.MOVED_OUT, kinds.MOVED_IN)
REFUSED = (Outcome.QUARANTINED, {"KIND_NOT_YOURS"})


def site(**departments: dict[str, Any]) -> dict[str, Any]:
    """The usual basis with these departments besides, or instead of, its own."""
    document = rows.basis()
    document["site"]["departments"] |= departments
    return document


def start(**departments: dict[str, Any]) -> HubTestDriver:
    """A hub of this site on a Friday in November."""
    return HubTestDriver(site(**departments), now=at("2026-11-20 09:00"))


def say(hub: HubTestDriver, sender: str, kind: str, row: dict[str, Any]) -> LedgerRecord:
    """Submit something of the company and return what was decided on it."""
    hub.pipe(sender, kind, COMPANY, framed(kind, row))
    (record,) = (r for r in hub.run() if r.cause.kind is CauseKind.SUBMISSION)
    return record


def answer(record: LedgerRecord) -> tuple[Outcome, set[str]]:
    """Outcome and codes of a decision."""
    return record.outcome, {reason.code for reason in record.reasons}


def withdrawal(kind: str, row: dict[str, str], authority: str) -> dict[str, str]:
    """Words that take a statement of the company back."""
    return {
        "subject_kind": kind, "document_number": row["document_number"],
        "subject_name": row["subject_name"], "credit_code": COMPANY,
        "authority_code": authority, "reason": "认定有误",
    }  # fmt: skip


def finding(hub: HubTestDriver) -> dict[str, str]:
    """The agent's finding that the company's commitment was not performed."""
    made = say(hub, DEPARTMENT, MADE, commitment_row())
    row = row_of(kinds.PERFORMANCE_MISSING, "accepted-minimal").items()
    return {name: str(text) for name, text in row} | {
        "authority_code": AGENTS_CODE, "credit_code": COMPANY,
        "commitment_record": made.record_key.hex(),
    }  # fmt: skip


# --- files in the wrong hands ---------------------------------------------------------------------


def test_a_bureaus_court_listing_is_refused_by_name_and_shown_nowhere() -> None:
    """Also where it submits for the court's authority, and where a basis was made by hand."""
    everything = [*FAMILIES, DELISTED, kinds.SNAPSHOT]
    for states in ([LICENCE, PENALTY], everything):
        hub = start(**{DEPARTMENT: department([AUTHORITY, COURT_CODE], states=states)})
        refused = say(hub, DEPARTMENT, LISTED, listing_row())
        assert answer(refused) == REFUSED
        assert (refused.publish_targets, refused.withdraw_targets) == (0, 0)
        listed = say(hub, COURT, LISTED, listing_row())
        assert listed.outcome is Outcome.ACCEPTED
        assert listed.publish_targets == 0b11
        left = say(hub, DEPARTMENT, DELISTED, exit_row())
        assert left.outcome is Outcome.QUARANTINED
        assert "KIND_NOT_YOURS" in answer(left)[1]
        assert left.withdraw_targets == 0
        assert say(hub, COURT, DELISTED, exit_row()).outcome is Outcome.WITHDRAWN


def test_a_full_list_is_the_word_of_those_who_may_list() -> None:
    """A court without the permission, or a bureau, declares nobody's exit missing."""
    full = {n: str(v) for n, v in row_of(kinds.SNAPSHOT, "accepted-minimal").items()}
    full |= {"authority_code": COURT_CODE, "credit_code": COMPANY}
    silent = department([COURT_CODE], kind="court", states=[])
    hub = start(silent=silent, **{DEPARTMENT: department([AUTHORITY, COURT_CODE])})
    assert answer(say(hub, DEPARTMENT, kinds.SNAPSHOT, full)) == REFUSED
    assert answer(say(hub, "silent", kinds.SNAPSHOT, full)) == REFUSED
    assert say(hub, COURT, kinds.SNAPSHOT, full).outcome is Outcome.ACCEPTED


def test_a_department_without_states_states_its_own_work_alone() -> None:
    """Licence, correction, withdrawal, both halves of a move: refused; its counts are taken."""
    hub = start(**{DEPARTMENT: department([AUTHORITY]), "new": department([AUTHORITY], states=[])})
    assert answer(say(hub, "new", LICENCE, licence_row())) == REFUSED
    assert say(hub, DEPARTMENT, LICENCE, licence_row()).outcome is Outcome.ACCEPTED
    reference = {
        "subject_kind": LICENCE, "document_number": licence_row()["XK_WSH"],
        "subject_name": licence_row()["XK_XDR_MC"], "credit_code": COMPANY,
        "authority_code": AUTHORITY, "reason": "录入错误",
    }  # fmt: skip
    inside = {"subject_kind": LICENCE, "row": framed(LICENCE, licence_row()), "reason": "录入错误"}
    move = {"move_id": "ab" * 16}
    for kind, content in (
        (kinds.WITHDRAWN, reference),
        (kinds.CORRECTED, inside),
        (kinds.MOVED_OUT, reference | move | {"new_credit_code": OTHER_COMPANY}),
        (kinds.MOVED_IN, inside | move | {"previous_credit_code": OTHER_COMPANY}),
    ):
        outcome, codes = answer(say(hub, "new", kind, content))
        assert outcome is Outcome.QUARANTINED, kind
        assert "KIND_NOT_YOURS" in codes, kind
    count = {n: str(v) for n, v in row_of(kinds.OUTPUT_COUNT, "accepted-minimal").items()}
    count |= {"authority_code": AUTHORITY, "credit_code": COMPANY}
    assert say(hub, "new", kinds.OUTPUT_COUNT, count).outcome is Outcome.ACCEPTED


def test_a_permission_taken_back_holds_from_the_next_basis_on() -> None:
    """What was accepted stays; the next row, and a correction of the first, are refused."""
    hub = start()
    assert say(hub, DEPARTMENT, PENALTY, penalty_row()).outcome is Outcome.ACCEPTED
    hub.adopt(site(**{DEPARTMENT: department([AUTHORITY], states=[LICENCE])}))
    assert answer(say(hub, DEPARTMENT, PENALTY, penalty_row(CF_WSH="舟示罚2号"))) == REFUSED
    changed = framed(PENALTY, penalty_row(CF_NR="罚款二千元", CF_NR_FK="0.2"))
    content = {"subject_kind": PENALTY, "row": changed, "reason": "录入错误"}
    assert answer(say(hub, DEPARTMENT, kinds.CORRECTED, content)) == REFUSED
    assert say(hub, DEPARTMENT, LICENCE, licence_row()).outcome is Outcome.ACCEPTED


# --- findings that were wrong ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "may"),
    [(AGENTS, True), (CENTRE, True), ("deputy", False), (DEPARTMENT, False), (COURT, False)],
)
def test_a_finding_is_withdrawn_by_its_agent_or_by_the_centre(sender: str, *, may: bool) -> None:
    """The centre is who may act on the agent; a deputy of somebody else is not."""
    hub = start(
        **{
            CENTRE: department([AGENTS_CODE], [AGENTS], states=[]),
            "deputy": department([AGENTS_CODE], [DEPARTMENT]),
            DEPARTMENT: department([AUTHORITY, AGENTS_CODE]),
            COURT: department([COURT_CODE, AGENTS_CODE], kind="court", states=[LISTED]),
        }
    )
    row = finding(hub)
    found = say(hub, AGENTS, kinds.PERFORMANCE_MISSING, row)
    assert found.outcome is Outcome.ACCEPTED
    words = withdrawal(kinds.PERFORMANCE_MISSING, row, AGENTS_CODE)
    taken_back = say(hub, sender, kinds.WITHDRAWN, words)
    assert taken_back.record_key == found.record_key
    if may:
        assert answer(taken_back) == (Outcome.WITHDRAWN, set())
    else:
        assert taken_back.outcome is Outcome.QUARANTINED
        assert "KIND_NOT_YOURS" in answer(taken_back)[1]
        assert taken_back.state is None


@pytest.mark.parametrize("sender", [AGENTS, CENTRE])
def test_a_finding_is_neither_made_nor_corrected_by_others(sender: str) -> None:
    """The centre makes none, and nobody corrects one: wrong is withdrawn, right is stated anew."""
    hub = start(**{CENTRE: department([AGENTS_CODE], [AGENTS])})
    row = finding(hub)
    if sender == CENTRE:
        assert answer(say(hub, CENTRE, kinds.PERFORMANCE_MISSING, row)) == REFUSED
    say(hub, AGENTS, kinds.PERFORMANCE_MISSING, row)
    content = {
        "subject_kind": kinds.PERFORMANCE_MISSING, "reason": "认定有误",
        "row": framed(kinds.PERFORMANCE_MISSING, row | {"document_number": "cd" * 16}),
    }  # fmt: skip
    outcome, codes = answer(say(hub, sender, kinds.CORRECTED, content))
    assert outcome is Outcome.QUARANTINED
    assert "KIND_NOT_YOURS" in codes


# --- every cell -----------------------------------------------------------------------------------

SENDERS = {
    "licences": department([], states=[LICENCE]),
    "promises": department([], states=[MADE, PERFORMED]),
    "nothing": department([], states=[]),
    "greedy": department([], states=FAMILIES),
    "court": department([], kind="court", states=[LISTED]),
    "other-court": department([], kind="court", states=[PENALTY]),
    "centre": department([], ["agent"], states=[PENALTY]),
    "agent": department([], kind="agent", states=FAMILIES),
    "other-agent": department([], kind="agent", states=[]),
}


def allowed(sender: str, kind: str, about: str) -> bool:
    """The rule, said once more and plainly: whether a department may submit a kind about another.

    `about` is the kind itself for rows.
    """
    if sender not in SENDERS:
        return False
    is_agent = SENDERS[sender]["kind"] == "agent"
    if kind == kinds.UNREADABLE:
        return not is_agent
    if about in FINDINGS:
        may_withdraw = kind == kinds.WITHDRAWN and (is_agent or sender == "centre")
        return may_withdraw or (is_agent and kind == about)
    needed = LISTED if about == kinds.SNAPSHOT else about
    is_granted = needed in SENDERS[sender]["states"]
    is_court = SENDERS[sender]["kind"] == "court"
    return not is_agent and (about in OWN_WORK or (is_granted and (is_court or needed != LISTED)))


def test_every_cell_is_as_the_rule_says() -> None:
    """Each sender × each row kind, stated, corrected, withdrawn, moved, left, sealed."""
    document = rows.basis()
    document["site"]["departments"] = SENDERS
    basis = Basis(document, load_contracts(contract_texts()))
    about = sorted(basis.row_kinds)
    assert set(about) == {*FAMILIES, *FINDINGS, *OWN_WORK, kinds.SNAPSHOT}
    cells = [(kind, kind) for kind in about]
    cells += product(ABOUT, [*about, "nobody.knows.v1"])
    cells += [(DELISTED, LISTED)]
    cells += [(kinds.UNREADABLE, kind) for kind in [*about, kinds.UNREADABLE]]
    found = {
        (sender, *cell): basis.may_state(sender, *cell)
        for sender, cell in product([*SENDERS, "stranger"], cells)
    }
    assert found == {key: allowed(*key) for key in found}
    assert sum(found.values()) > len(SENDERS)


def test_the_usual_departments_state_what_they_did() -> None:
    """Two bureaus, a court and the agents of the other tests: no right of theirs is lost."""
    basis = Basis(rows.basis(), load_contracts(contract_texts()))
    for bureau, kind in product(
        (DEPARTMENT, OTHER_DEPARTMENT), (LICENCE, PENALTY, MADE, PERFORMED)
    ):
        assert basis.may_state(bureau, kind, kind)
    assert basis.may_state(COURT, LISTED, LISTED)
