"""L10. Identity is what people mean by it; and rows without a company have keys of their own."""

from __future__ import annotations

import pytest

from hub.core.record import Outcome
from tests.driver.life import DAY, Life, answer, licence
from tests.driver.rows import COMPANY, DEPARTMENT, LICENCE, OTHER_COMPANY

NUMBERS = [
    "舟市监许〔2026〕1号", "舟市监许[2026]1号", "舟市监许（2026）1号", "舟市监许(2026) 1 号",
    '="舟市监许〔2026〕1号"', "'舟市监许〔2026〕1号", "舟市监许〔２０２６〕１号",
    "\u200b舟市监许〔2026〕1号\ufeff", " 舟市监许〔2026〕1号\u00a0",
]  # fmt: skip


@pytest.mark.parametrize("number", NUMBERS)
def test_one_number_in_any_spelling_is_one_record(life: Life, number: str) -> None:
    """Formulas, apostrophes, widths and what cannot be seen make no second decision."""
    assert life.row() == "accepted"
    life.crash()
    said = life.say(LICENCE, licence("食品经营") | {"XK_WSH": number})
    assert said.split()[:2] == ["duplicate", "SAME_AS_LIVE"]


@pytest.mark.parametrize("number", NUMBERS)
def test_a_withdrawal_finds_its_record_by_any_spelling(life: Life, number: str) -> None:
    """In both directions: the row may be the odd one."""
    life.say(LICENCE, licence("食品经营") | {"XK_WSH": number})
    assert life.shown() == {(COMPANY, "食品经营")}
    assert life.withdrawn() == "withdrawn"
    assert life.shown() == set()


@pytest.mark.parametrize("number", ["无", "空", "—", "/", "0", "无文号", "-", "暂无", "***"])
def test_a_placeholder_is_no_number_by_which_two_licences_are_one(life: Life, number: str) -> None:
    """Two licences of one company `without number` are told apart, or refused with the remedy.

    Never a conflict for ever between two decisions that have nothing to do with each other.
    """
    one = licence("食品经营") | {"XK_WSH": number}
    two = licence("药品零售") | {"XK_WSH": number, "XK_JDRQ": "2026-10-30"}
    life.say(LICENCE, one)
    life.crash()
    second = life.say(LICENCE, two)
    assert life.record.outcome is not Outcome.CONFLICTING, second


def test_two_names_are_two_subjects(life: Life) -> None:
    """One number and one code under two names: the name is a part of the identity."""
    life.row()
    other = licence("食品经营") | {"XK_XDR_MC": "舟山另一家有限公司"}
    assert life.say(LICENCE, other) == "accepted"
    assert len({r.record_key for r in life.hub.ledger() if r.publish_targets}) == 2


def test_rows_without_a_company_lie_under_their_department(life: Life) -> None:
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
def test_a_bad_code_and_the_good_one_are_corrected_into_one(life: Life, order: str) -> None:
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


def test_the_same_decision_of_another_company_is_another_record(life: Life) -> None:
    """The credit code is a part of the identity; a move declares that it was wrong."""
    life.row()
    life.row(key=OTHER_COMPANY)
    assert life.shown() == {(COMPANY, "食品经营"), (OTHER_COMPANY, "食品经营")}
    assert life.withdrawn() == "withdrawn"
    assert life.shown() == {(OTHER_COMPANY, "食品经营")}
    life.hub.advance(DAY)
    assert [answer(r) for r in life.hub.ledger() if r.outcome is Outcome.CONFLICTING] == []
