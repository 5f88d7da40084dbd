"""L10. Identity is what people mean by it; and rows without a company have keys of their own."""

from __future__ import annotations

from typing import Final

import pytest

from hub.core.record import Outcome
from tests.driver import rows
from tests.driver.life import DAY, RecordLife, answer, licence, reference
from tests.driver.rows import COMPANY, DEPARTMENT, LICENCE, OTHER_COMPANY, framed

NUMBERS = [
    "舟市监许〔2026〕1号", "舟市监许[2026]1号", "舟市监许（2026）1号", "舟市监许(2026) 1 号",
    '="舟市监许〔2026〕1号"', "'舟市监许〔2026〕1号", "舟市监许〔２０２６〕１号",
    "\u200b舟市监许〔2026〕1号\ufeff", " 舟市监许〔2026〕1号\u00a0",
]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_one_number_in_any_spelling_is_one_record(life: RecordLife, number: str) -> None:
    """Formulas, apostrophes, widths and what cannot be seen make no second decision."""
    assert life.row() == "accepted"
    life.crash()
    said = life.say(LICENCE, licence("食品经营") | {"XK_WSH": number})
    assert said.split()[:2] == ["duplicate", "SAME_AS_LIVE"]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_withdrawal_finds_its_record_by_any_spelling(life: RecordLife, number: str) -> None:
    """In both directions: the row may be the odd one."""
    life.say(LICENCE, licence("食品经营") | {"XK_WSH": number})
    assert life.shown() == {(COMPANY, "食品经营")}
    assert life.withdrawn() == "withdrawn"
    assert life.shown() == set()


@pytest.mark.parametrize("number", ["无", "空", "—", "/", "0", "无文号", "-", "暂无", "***"])
def test_a_placeholder_is_no_number_by_which_two_licences_are_one(
    life: RecordLife, number: str
) -> None:
    """Two licences of one company `without number` are told apart, or refused with the remedy.

    Never a conflict for ever between two decisions that have nothing to do with each other.
    """
    one = licence("食品经营") | {"XK_WSH": number}
    two = licence("药品零售") | {"XK_WSH": number, "XK_JDRQ": "2026-10-30"}
    life.say(LICENCE, one)
    life.crash()
    second = life.say(LICENCE, two)
    assert life.record.outcome is not Outcome.CONFLICTING, second


RENAMED: Final = {"XK_XDR_MC": "舟山改名贸易有限公司"}


def test_a_company_under_another_name_is_one_record(life: RecordLife) -> None:
    """The code is the company: a new name is another content, and declared, or it conflicts."""
    life.row()
    live = life.record.record_key
    renamed = licence("食品经营") | RENAMED
    assert life.say(LICENCE, renamed) == "conflicting UNDECLARED_CHANGE"
    life.crash()
    inside = {"subject_kind": LICENCE, "row": framed(LICENCE, renamed), "reason": "企业更名"}
    assert life.say("record.corrected.v1", inside) == "corrected"
    assert life.record.record_key == live
    assert life.say(LICENCE, renamed) == "duplicate SAME_AS_LIVE"
    assert life.shown() == {(COMPANY, "食品经营")}


@pytest.mark.parametrize("name", ["old", "new"])
def test_a_withdrawal_finds_a_company_by_any_of_its_names(life: RecordLife, name: str) -> None:
    """Whichever name it was shown under."""
    life.say(LICENCE, licence("食品经营") | (RENAMED if name == "old" else {}))
    named = {"subject_name": RENAMED["XK_XDR_MC"]} if name == "new" else {}
    assert life.say("record.withdrawn.v1", reference() | named) == "withdrawn"
    assert life.shown() == set()


def test_a_move_that_changes_the_name_alone_is_a_correction(life: RecordLife) -> None:
    """Both halves are under one code and number: nothing leaves."""
    life.row()
    new = {"new_subject_name": RENAMED["XK_XDR_MC"]}
    assert life.leaves(COMPANY, new=new) == "duplicate IDENTITY_UNCHANGED"
    previous = {"previous_subject_name": licence("")["XK_XDR_MC"]}
    assert life.arrives(COMPANY, changes=RENAMED, previous=previous) == "corrected"
    assert life.shown() == {(COMPANY, "食品经营")}


def test_what_has_no_code_is_told_apart_by_its_name(life: RecordLife) -> None:
    """One decision punishes a company and its manager: two rows, and two records."""
    key = f"?{DEPARTMENT}/{1:016x}"
    bad = licence("食品经营", "91330900MA00000157")
    keys = set()
    for name in ({}, RENAMED):
        assert life.say(LICENCE, bad | name, key=key).startswith("quarantined CREDIT_CODE")
        keys.add(life.record.record_key)
    life.row()
    keys.add(life.record.record_key)
    assert len(keys) == 3


def test_a_row_without_a_code_is_answered_under_its_own_name_alone(life: RecordLife) -> None:
    """The manager's row is not mended by the company's, whose decision it shares."""
    life = RecordLife(rows.basis(partitions=1))
    bad = licence("食品经营", "91330900MA00000157")
    life.say(LICENCE, bad | RENAMED, key=f"?{DEPARTMENT}/{1:016x}")
    managers = life.record
    life.row()
    life.record = managers
    assert set(life.dues()) == {"province", "city"}


def test_rows_without_a_company_lie_under_their_department(life: RecordLife) -> None:
    """Keyed `?<department>/<digest>`: not one hot partition, and no company's."""
    bad = licence("食品经营", "91330900MA00000157")
    for n in range(12):
        row = bad | {"XK_WSH": f"舟市监许〔2026〕{n}号"}
        key = f"?{DEPARTMENT}/{n:016x}"
        said = life.say(LICENCE, row, key=key)
        assert said.startswith("quarantined CREDIT_CODE"), said
        assert life.state().subject_key == key.encode()
    life.crash()
    used = {p for p in range(2) if any(r.cause.kind == "S" for r in life.hub.ledger(p))}
    assert used == {0, 1}


@pytest.mark.parametrize("order", ["faulty-first", "good-first"])
def test_a_bad_code_and_the_good_one_are_corrected_into_one(life: RecordLife, order: str) -> None:
    """The quarantined row leaves its department's key for the company's."""
    unkeyed = f"?{DEPARTMENT}/{1:016x}"
    bad = licence("食品经营", "91330900MA00000157")
    if order == "good-first":
        life.row()
    assert life.say(LICENCE, bad, key=unkeyed).startswith("quarantined CREDIT_CODE")
    assert life.shown() == ({(COMPANY, "食品经营")} if order == "good-first" else set())
    life.crash()
    if order == "faulty-first":
        assert life.row() == "accepted"
    assert life.shown() == {(COMPANY, "食品经营")}
    assert [r.outcome for r in life.hub.ledger() if r.outcome is Outcome.CONFLICTING] == []


def test_the_same_decision_of_another_company_is_another_record(life: RecordLife) -> None:
    """The credit code is a part of the identity; a move declares that it was wrong."""
    life.row()
    life.row(key=OTHER_COMPANY)
    assert life.shown() == {(COMPANY, "食品经营"), (OTHER_COMPANY, "食品经营")}
    assert life.withdrawn() == "withdrawn"
    assert life.shown() == {(OTHER_COMPANY, "食品经营")}
    life.hub.advance(DAY)
    assert [answer(r) for r in life.hub.ledger() if r.outcome is Outcome.CONFLICTING] == []
