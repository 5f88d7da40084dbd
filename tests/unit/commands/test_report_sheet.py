"""The monthly workbook: numbers are numbers, texts are texts, and it opens whatever a row says."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest
from openpyxl import load_workbook

from hub.commands.report_sheet import Column, Sheet, write_report
from hub.errors import UnavailableError

COLUMNS: Final = (Column("单位", 22), Column("产生数量", 9), Column("上报率", 9, "0.0%"))


def written(path: Path, *rows: tuple[str | int | float | None, ...]) -> list[tuple[object, ...]]:
    """The cells of the table, read again."""
    write_report(path, [Sheet("月报", "标题", COLUMNS, rows, ["注"], frozenset({0}))])
    page = load_workbook(path).active
    assert page is not None
    assert page.page_setup.orientation == "landscape"
    return [
        tuple(cell.value for cell in row)
        for row in page.iter_rows(min_row=3, max_row=2 + len(rows))
    ]


def test_a_rate_is_a_number_and_what_is_not_declared_a_word(tmp_path: Path) -> None:
    """A spreadsheet can go on reckoning with it."""
    path = tmp_path / "report.xlsx"
    found = written(path, ("局", 13, 12 / 13), ("院", "未申报", "未申报"))
    assert found == [("局", 13, 12 / 13), ("院", "未申报", "未申报")]
    page = load_workbook(path)["月报"]
    assert (page["C3"].number_format, page["B3"].data_type) == ("0.0%", "n")


@pytest.mark.parametrize("name", ["甲\x0b乙", "甲\x1b乙", "甲\ufffe乙"])
def test_a_quarantined_row_cannot_keep_the_report_from_opening(tmp_path: Path, name: str) -> None:
    """Late rows are listed as they were sent, and some were sent with what XML cannot carry."""
    assert written(tmp_path / "report.xlsx", (name, 1, None))[0][0] == "甲\ufffd乙"


def test_a_text_is_no_formula(tmp_path: Path) -> None:
    """It would run on the reader's machine."""
    path = tmp_path / "report.xlsx"
    written(path, ("=1+1", 1, None))
    assert load_workbook(path)["月报"]["A3"].data_type != "f"


def test_a_report_that_cannot_be_written_says_so_and_leaves_nothing(tmp_path: Path) -> None:
    """In Chinese first."""
    with pytest.raises(UnavailableError, match="无法写入"):
        write_report(tmp_path / "nowhere" / "report.xlsx", [Sheet("a", "b", COLUMNS, [])])
    assert list(tmp_path.iterdir()) == []
