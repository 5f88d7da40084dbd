"""Each case of the law, decided by the registrar itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from hub.core.basis import compile_basis
from hub.domain.code_lists import CASE_PROCEDURE, SERIOUSNESS, read_code
from hub.domain.dates import day_of_ms
from hub.errors import ConfigurationError
from tests.driver.rows import CONTRACTS
from tests.law.case_files import PENDING, CaseFile, LawCase, case_files, read_cases
from tests.law.play import KINDS, document_of, names_of, play

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from hub.domain.rulebook import Clock
    from tests.law.case_files import Dates

FEWEST_CASES = 60
FILES = {path.stem: read_cases(path) for path in case_files()}
CASES = [
    pytest.param(file, case, id=f"{stem}-{number}")
    for stem, file in FILES.items()
    for number, case in enumerate(file.cases, start=1)
]
PENDING_FILE = read_cases(PENDING)
KNOWS_REDETERMINATION = any(
    field.name == "redetermined_on"
    for field in CONTRACTS.by_kind["record.corrected.v1"].schema.fields
)


def hold(file: CaseFile, case: LawCase) -> None:
    """What the case expects is what the ledger says, and nothing more is owed."""
    ending, expected = play(file, case), case.expect
    found = {
        "outcome": ending.outcome,
        "shown_at": ending.shown_at,
        "taken_down_at": ending.taken_down_at,
        "disclose": ending.dates("disclose"),
        "correct": ending.dates("correct"),
        "withdraw": ending.dates("withdraw"),
        "ends_on": ending.dates("end"),
        "provisional": any(due.is_provisional for _name, due in ending.due),
        "estimated": any(due.is_estimated for _name, due in ending.due),
        "says": ending.reasons,
    }
    wanted = {
        key: frozenset(value) if isinstance(value, tuple) else value for key, value in expected
    }
    assert found == wanted, f"{file.title}: {case.title}"


@pytest.mark.parametrize(("file", "case"), CASES)
def test_the_law(file: CaseFile, case: LawCase) -> None:
    """Targets, due dates, end of publication."""
    hold(file, case)


@pytest.mark.skipif(
    not KNOWS_REDETERMINATION, reason="a correction cannot state the date of a redetermination yet"
)
@pytest.mark.parametrize("case", PENDING_FILE.cases)
def test_the_law_to_come(case: LawCase) -> None:
    """Cases of the rules that come with `redetermined_on`; then they move to the other files."""
    hold(PENDING_FILE, case)


def test_the_law_has_its_cases() -> None:
    """Enough of them, each with a name of its own."""
    titles = [case.title for file in FILES.values() for case in file.cases]
    assert len(titles) >= FEWEST_CASES
    assert len(set(titles)) == len(titles)


def rules_of(file: CaseFile, case: LawCase) -> dict[str, bool]:
    """The rules a case's due dates rest on, and whether each is verified."""
    basis = compile_basis(document_of(file, case))
    book, kind = basis.rulebook, KINDS[case.kind]
    roles = {name: basis.target(n).role for n, name in enumerate(names_of(file))}
    last = day_of_ms(case.then[-1].at if case.then else case.arrives)
    owed: tuple[tuple[Clock, Dates, date], ...] = (
        ("disclose", case.expect.disclose, case.decided_on),
        ("correct", case.expect.correct, last),
        ("withdraw", case.expect.withdraw, last),
    )
    found = [
        book.deadline_rule(clock, kind, roles[name], on)
        for clock, dates, on in owed
        for name in dates
    ]
    used = {rule.id for rule in found if rule is not None}
    procedure = read_code(CASE_PROCEDURE.name, case.procedure).code
    level = read_code(SERIOUSNESS.name, case.seriousness).code
    if case.expect.ends_on:
        end = book.publication_end(kind, case.decided_on, level)
        used |= {end.rule_id} if end is not None else set()
    used |= {book.withheld_by(kind, case.decided_on, procedure, level)} - {""}
    return {rule.id: rule.is_verified for rule in book.rules() if rule.id in used}


@pytest.mark.parametrize(("file", "case"), CASES)
def test_a_case_is_no_surer_than_its_rules(file: CaseFile, case: LawCase) -> None:
    """A case is marked verified only when every rule it rests on is."""
    if case.is_verified:
        unverified = [name for name, is_sure in rules_of(file, case).items() if not is_sure]
        assert unverified == []


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("    arrives:", "    arrived:", r"cases\.0\.arrived"),
        ("    source: 示例\n", "", r"cases\.0\.source"),
        ("kind: 行政许可", "kind: 行政奖励", r"cases\.0\.kind"),
        ("2026-11-03", "2026年11月3日", r"cases\.0\.arrives"),
        ("shown_at: [", "shown: [", r"expect\.shown"),
        ("kind: 行政许可", "kind: 行政许可\n    publish_until: 2027-01-01", "publish_until"),
    ],
)
def test_a_case_with_a_slip_of_the_pen_is_refused(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    """With the file and the line, so that a lawyer finds it."""
    text = (
        "title: 示例\ncases:\n  - title: 一例\n    source: 示例\n    is_verified: false\n"
        "    kind: 行政许可\n    decided_on: 2026-11-02\n    arrives: 2026-11-03\n"
        "    expect: {outcome: 接受, shown_at: [省平台]}\n"
    )
    path = tmp_path / "cases.yaml"
    path.write_text(text, encoding="utf-8")
    assert len(read_cases(path).cases) == 1
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=problem) as refused:
        read_cases(path)
    assert str(path) in str(refused.value)


def test_a_case_that_does_not_hold_is_noticed() -> None:
    """A due date one day off, a target too many, a clock that is left out: each fails."""
    file = FILES["disclosure"]
    case = file.cases[0]
    content = yaml.safe_load(yaml.safe_dump(case.expect.model_dump(mode="python")))
    for change in (
        {"disclose": {"省平台": "2026-11-12", "市网站": "2026-11-11"}},
        {"disclose": {"省平台": "2026-11-11"}},
        {"shown_at": ["省平台"]},
        {"outcome": "更正"},
        {"says": ["WITHHELD_FROM_PUBLIC"]},
        {"provisional": True},
    ):
        expected = type(case.expect).model_validate(content | change)
        with pytest.raises(AssertionError):
            hold(file, case.model_copy(update={"expect": expected}))
