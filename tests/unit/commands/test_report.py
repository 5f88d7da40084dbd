"""The total of the monthly form: it hides nobody's shortfall and looks whole only when it is."""

from __future__ import annotations

from typing import cast

from hub.commands.look import Names
from hub.commands.report import cells, form_row, total
from hub.views.entry import DeclaredRow
from hub.views.monthly import Counts, MonthlyLine, Place, lines_of

LICENCE, PENALTY = "licence.granted.v1", "penalty.imposed.v1"


class _NoNames:
    """Everything is called by its id."""

    def department(self, name: str) -> str:
        return name


NAMES = cast("Names", _NoNames())


def lines(produced: dict[Place, int], reported: dict[Place, int]) -> list[MonthlyLine]:
    """The lines of a month in which so many were declared and so many reported."""
    declared = [
        DeclaredRow(f"{place}".encode(), "2026-11", *place, number, None, "", "")
        for place, number in produced.items()
    ]
    return lines_of({place: Counts(reported=n) for place, n in reported.items()}, declared)


def test_one_departments_excess_hides_no_other_ones_shortfall() -> None:
    """Five too many here make up for none of the five that are missing there."""
    two = ("ecology", LICENCE), ("market", LICENCE)
    found = lines(dict.fromkeys(two, 10), {two[0]: 15, two[1]: 5})
    assert [line.unreported for line in found] == [0, 5]
    everything = total(found)
    assert (everything.produced, everything.reported, everything.unreported) == (20, 20, 5)
    assert cells(everything, NAMES)[4] == "5"
    assert form_row(everything, NAMES)[6] == 5


def test_a_total_of_which_a_part_was_declared_says_so() -> None:
    """In the terminal and in the workbook; the shortfall that is known is still shown."""
    found = lines({("market", LICENCE): 10}, {("market", LICENCE): 8, ("market", PENALTY): 3})
    everything = total(found)
    assert (everything.produced, everything.unreported) == (None, 2)
    shown, row = cells(everything, NAMES), form_row(everything, NAMES)
    assert (shown[2], shown[4], shown[7]) == ("未全部申报", "2", "未全部申报")
    assert (row[2], row[6], row[10]) == ("未全部申报", 2, "未全部申报")


def test_a_total_of_which_nothing_was_declared_says_that() -> None:
    """As each of its lines does."""
    found = lines({}, {("market", LICENCE): 8})
    for line in (*found, total(found)):
        assert (cells(line, NAMES)[2], cells(line, NAMES)[4]) == ("未申报", "–")
        assert (form_row(line, NAMES)[6], form_row(line, NAMES)[10]) == (None, "未申报")
