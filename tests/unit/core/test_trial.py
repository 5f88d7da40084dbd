"""A basis that loses something, or whose rules fail at a row, is not adopted."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from hub.core import trial
from hub.core.basis import compile_basis
from hub.core.decide import decide
from hub.core.record import Outcome
from hub.core.trial import admit
from hub.errors import ConfigurationError
from hub.operations.control import refuse_unfit_after
from tests.driver import rows
from tests.driver.life import RecordLife, codes
from tests.driver.rows import LICENCE, LISTED, MADE, PENALTY, PERFORMED

SECOND = "licence.granted.v2"


def deadlines(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The deadline rules by id."""
    return {each["id"]: each for each in document["rulebook"]["deadlines"]}


def with_second_licence() -> dict[str, Any]:
    """A new version of the licence's contract, which departments may state."""
    document = deepcopy(rows.basis())
    schema = json.loads(document["contracts"][LICENCE])
    schema |= {"kind": SECOND, "hub_schema_id": 9901, "name": "LicenceGrantedAgain"}
    document["contracts"][SECOND] = json.dumps(schema, ensure_ascii=False)
    document["site"]["departments"][rows.DEPARTMENT]["states"].append(SECOND)
    return document


def refused(document: dict[str, Any]) -> str:
    """What is said of a basis that must not follow the usual one."""
    with pytest.raises(ConfigurationError) as error:
        admit(document, compile_basis(rows.basis()))
    problem = error.value.problem
    assert problem.zh
    assert problem.remedy_zh
    assert problem.remedy_en
    return problem.en


def test_the_usual_basis_is_admitted() -> None:
    """Also once more, and as the first of all."""
    assert admit(rows.basis(), None).id == admit(rows.basis(), compile_basis(rows.basis())).id


def test_a_kind_that_may_be_stated_and_is_shown_nowhere_is_refused() -> None:
    """`licence.granted.v2` was added while targets list v1: nobody would ever see one."""
    document = with_second_licence()
    assert SECOND in refused(document)
    document["site"]["targets"][1]["kinds"].append(SECOND)
    admit(document, compile_basis(rows.basis()))


def test_a_kind_that_nobody_may_state_need_not_be_shown() -> None:
    """A county without a court states no listings."""
    document = with_second_licence()
    for department in document["site"]["departments"].values():
        department["states"] = [kind for kind in department["states"] if kind != SECOND]
    admit(document, compile_basis(rows.basis()))


def test_a_kind_whose_contract_says_so_is_shown_nowhere() -> None:
    """What departments tell the hub alone; a row of it is accepted without a warning."""
    document = with_second_licence()
    schema = json.loads(document["contracts"][SECOND]) | {"shown": False}
    document["contracts"][SECOND] = json.dumps(schema, ensure_ascii=False)
    admit(document, compile_basis(rows.basis()))


def test_a_kind_that_was_shown_and_is_nowhere_any_more_is_refused() -> None:
    """All of it would be taken down, although nobody withdrew it."""
    document = deepcopy(rows.basis())
    for department in document["site"]["departments"].values():
        department["states"] = [k for k in department["states"] if k not in (MADE, PERFORMED)]
    for target in document["site"]["targets"]:
        target["kinds"] = [LICENCE, PENALTY, LISTED]
    assert MADE in refused(document)
    admit(document, None)


@pytest.mark.parametrize("rule", ["disclose", "correct-default", "withdraw-licence"])
def test_a_deadline_that_a_shown_kind_has_lost_is_refused(rule: str) -> None:
    """No clock would run for it any more, and nobody would be told."""
    document = deepcopy(rows.basis())
    document["rulebook"]["deadlines"] = [
        each
        for each in document["rulebook"]["deadlines"]
        if not each["id"].startswith(rule) and each["id"] != "withdraw-before-2021"
    ]
    assert f"the {rule.partition('-')[0]} deadline of {LICENCE} at province" in refused(document)


def test_a_deadline_is_looked_for_by_the_role_a_target_has_now() -> None:
    """The rule is there, but not for targets of this role."""
    document = deepcopy(rows.basis())
    deadlines(document)["disclose-424"]["roles"] = ["report"]
    deadlines(document)["disclose-before-424"]["roles"] = ["report"]
    assert "at city (display)" in refused(document)
    document["site"]["targets"][1]["role"] = "report"
    admit(document, compile_basis(rows.basis()))


def test_a_kind_that_never_had_a_deadline_needs_none() -> None:
    """No law says by when a court's list must be shown; and a new target owes what it owes."""
    document = deepcopy(rows.basis())
    target = document["site"]["targets"][1] | {"id": "nation", "number": 2}
    document["site"]["targets"].append(target)
    admit(document, compile_basis(rows.basis()))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: deadlines(d)["disclose-424"].update(effective_from="9999-12-30"), "9999-12-30"),
        (lambda d: d["rulebook"].update(due_soon_working_days=[1, 3, 5]), "longest first"),
        (lambda d: d["site"]["targets"][0].update(role="reporting"), "KeyError"),
        (lambda d: d["site"]["targets"][0]["kinds"].append("tax.paid.v1"), "no such contract"),
        (lambda d: d["rulebook"].pop("deadlines"), "deadlines"),
    ],
)
def test_what_cannot_be_read_or_fails_at_a_row_is_refused(change: Any, said: str) -> None:  # noqa: ANN401 - any change
    """With the place of the fault, before anybody adopts it; the registrar goes on."""
    document = deepcopy(rows.basis())
    change(document)
    assert said in refused(document)
    life = RecordLife()
    assert [r.outcome for r in life.hub.adopt(document)] == [Outcome.CONTROL_REFUSED] * 2
    assert life.row() == "accepted"


def test_other_marks_before_a_due_date_are_run_and_adopted() -> None:
    """Five, three and one working days before: a sample was reminded on each."""
    document = deepcopy(rows.basis())
    document["rulebook"]["due_soon_working_days"] = [5, 3, 1]
    life = RecordLife()
    life.hub.adopt(document)
    assert life.row() == "accepted"
    assert life.wait(12) == ["due_soon"] * 3 + ["overdue"]


def test_the_life_of_a_sample_goes_through_every_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind that is shown, each class: accepted, reminded of, expired, corrected, withdrawn."""
    seen: set[str] = set()
    kinds: set[str] = set()

    def watch(view: Any, cause: Any, head: Any, now: int, basis: Any) -> Any:  # noqa: ANN401
        record = decide(view, cause, head, now, basis)
        if record is not None:
            seen.add(record.outcome.name.lower())
            kinds.add(record.state.kind if record.state else "")
            seen.update(reason.code for reason in record.reasons)
            seen.update(event.event for event in record.events)
        return record

    monkeypatch.setattr(trial, "decide", watch)
    trial._run(compile_basis(rows.basis()))
    assert kinds == {LICENCE, PENALTY, LISTED, MADE, PERFORMED}
    assert seen >= {
        "accepted", "due_soon_3", "due_soon_1", "overdue", "expired", "corrected", "withdrawn",
        "WITHHELD_FROM_PUBLIC", "DISCLOSURE_PERIOD_OVER",
    }  # fmt: skip


def test_the_registrar_refuses_what_came_past_the_command() -> None:
    """It says why, goes on under the basis it has, and adopts the next good one."""
    life = RecordLife()
    for record in life.hub.adopt(with_second_licence()):
        assert (record.outcome, codes(record)) == (Outcome.CONTROL_REFUSED, "BASIS_UNFIT")
    assert life.row() == "accepted"
    life.hub.put("control", 0, b"", b"{", (("ce_type", b"basis.adopted.v1"),))
    assert [codes(r) for r in life.hub.run()] == ["PAYLOAD_UNREADABLE"]


def test_a_row_that_is_shown_nowhere_says_so() -> None:
    """A kind that nobody may state any more can still be corrected by who owns its records."""
    document = deepcopy(rows.basis())
    document["site"]["departments"][rows.DEPARTMENT]["states"] = [PENALTY]
    document["site"]["departments"][rows.OTHER_DEPARTMENT]["states"] = [PENALTY]
    for target in document["site"]["targets"]:
        target["kinds"] = [PENALTY, LISTED]
    basis = compile_basis(document)
    s = trial._sample(basis.contracts.by_kind[LICENCE], trial._USUAL_DAY, "", basis)
    assert [r.code for r in basis.targets_for(s, 0)[1]] == ["SHOWN_NOWHERE"]
    reminder = "reminder.issued.v1"
    s = trial._sample(basis.contracts.by_kind[reminder], trial._USUAL_DAY, "", basis)
    assert basis.targets_for(s, 0) == (0, ())


def test_a_site_without_a_target_yet_only_keeps_the_ledger() -> None:
    """It may be adopted as the first; one that had targets may not lose them all."""
    alone = deepcopy(rows.basis())
    alone["site"]["targets"] = []
    trial.admit(alone, None)
    with pytest.raises(ConfigurationError, match="no target shows"):
        trial.admit(alone, compile_basis(rows.basis()))


def test_adoption_is_refused_after_what_any_partition_has() -> None:
    """What the command and `hub topics apply` ask before they send it."""
    usual = rows.basis()
    refuse_unfit_after([], rows.basis())
    refuse_unfit_after([usual, usual], rows.basis())
    with pytest.raises(ConfigurationError, match="v2"):
        refuse_unfit_after([usual], with_second_licence())
    fewer = deepcopy(rows.basis())
    fewer["site"]["targets"].pop()
    with pytest.raises(ConfigurationError, match="retired"):
        refuse_unfit_after([usual], fewer)
