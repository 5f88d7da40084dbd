"""What people read: aligned whatever the width of the characters, and nothing left nameless."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.commands.due import working_days_left
from hub.commands.words import (
    CASES,
    CLOCKS,
    ENDS,
    OUTCOMES,
    PARTIES,
    STAGES,
    STATUSES,
    TURNS,
    WHYS,
    due_on,
    event_zh,
    fit,
    iso,
    moment,
    reason_words,
    span,
    table,
    width,
)
from hub.core.record import Outcome
from hub.core.state import StageCode, Status
from hub.domain.calendar import WorkingCalendar
from hub.domain.reasons import REASONS
from hub.views.entry import NOTHING
from hub.views.open_cases import CODES, CaseEnd, CaseKind, Turn
from hub.views.whose_time import DAY_MS, HOUR_MS, Party, Why
from tests.driver.rows import at

cells = st.text(st.sampled_from("aZ9 中文〔〕（）é·…"), max_size=12)


def test_chinese_characters_take_two_columns() -> None:
    """And full-width brackets; combining marks take none."""
    assert (width("ab"), width("中文〔〕"), width("（）"), width("e\u0301")) == (2, 8, 4, 1)


@given(st.lists(st.tuples(cells, cells, cells), max_size=5))
def test_columns_begin_at_the_same_place_in_every_line(rows: list[tuple[str, str, str]]) -> None:
    """However wide the characters: each line up to the last column has the same width."""
    marked = [(first, second, "|" + third) for first, second, third in rows]
    lines = table(("一", "two", "|"), marked).split("\n")
    assert len({width(line[: line.index("|")]) for line in lines}) == 1


def test_a_cell_does_not_steer_the_terminal_or_break_its_line() -> None:
    """Names and numbers of quarantined rows are shown as they were sent, but for that."""
    head, line = table(("一", "二"), [("a\x1b[2Jb", "c\nd")]).split("\n")
    assert (head.split(), line.split()) == (["一", "二"], ["a\ufffd[2Jb", "c\ufffdd"])


@given(cells, st.integers(2, 20))
def test_a_text_is_cut_to_its_columns(text: str, columns: int) -> None:
    """Never wider than asked for; untouched when it fits."""
    cut = fit(text, columns)
    assert width(cut) <= max(columns, 1)
    assert cut == text or cut.endswith("…")


def test_times_are_those_of_shanghai() -> None:
    """A deadline ends at 24:00 of its day, which is the first moment of the next."""
    midnight = at("2026-11-12 00:00")
    assert moment(midnight) == "2026-11-12 00:00"
    assert due_on(midnight) == "2026-11-11"
    assert iso(midnight) == "2026-11-12T00:00:00+08:00"


def test_working_time_is_said_in_days_and_hours() -> None:
    """A working day has 24 hours here."""
    assert span(2 * DAY_MS + 3 * HOUR_MS + 59_000) == "2 天 3 小时"
    assert (span(5 * HOUR_MS), span(60_000)) == ("5 小时", "1 分钟")


def test_everything_the_ledger_can_say_has_a_name() -> None:
    """A new outcome, stage, status or fault without Chinese words is found here."""
    assert {outcome.name.lower() for outcome in Outcome} == set(OUTCOMES)
    assert {stage.name.lower() for stage in StageCode} == set(STAGES)
    assert {*(status.name.lower() for status in Status), NOTHING} == set(STATUSES)
    assert set(CASES) == set(CaseKind)
    assert set(TURNS) == set(Turn)
    assert set(ENDS) == set(CaseEnd)
    assert set(WHYS) == set(Why)
    assert set(PARTIES) == set(Party)
    assert set(CLOCKS) == {"disclose", "withdraw", "expire"}


@pytest.mark.parametrize("days", [1, 3, 5, 12])
def test_any_number_of_working_days_left_has_words(days: int) -> None:
    """A rulebook may ring at any number of days before."""
    assert event_zh(f"due_soon_{days}") == f"还剩 {days} 个工作日"


def test_what_a_clock_says_has_words_and_what_nobody_knows_speaks_for_itself() -> None:
    """A duty that is lifted, an overdue that is taken back."""
    assert "解除" in event_zh("lifted")
    assert "撤销" in event_zh("overdue_taken_back")
    assert event_zh("due_soon_x") == "due_soon_x"


def test_every_case_has_a_reason_that_says_what_to_do() -> None:
    """`hub cases` prints the remedy in both languages; without one it would print nothing."""
    for code in CODES:
        assert REASONS[code].remedy_zh
        assert REASONS[code].remedy_en


def test_a_reason_names_the_column_in_chinese() -> None:
    """And a code nobody knows any more speaks for itself."""
    assert "文书号" in reason_words("FIELD_REQUIRED", "XK_WSH")["zh"]
    assert reason_words("NO_SUCH_CODE", "x")["zh"] == "NO_SUCH_CODE"


def test_working_days_left_count_the_due_day_and_not_today() -> None:
    """Zero on the last day; negative afterwards, in working days."""
    calendar = WorkingCalendar.from_mapping({"version": "plain", "notices": []})
    due = at("2026-11-12 00:00")
    assert working_days_left(calendar, at("2026-11-06 09:00"), due) == 3
    assert working_days_left(calendar, at("2026-11-11 23:59"), due) == 0
    assert working_days_left(calendar, at("2026-11-12 00:00"), due) == -1
    assert working_days_left(calendar, at("2026-11-16 09:00"), due) == -3
