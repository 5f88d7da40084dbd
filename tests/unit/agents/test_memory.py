"""What an agent knows: repeats change nothing, rubbish holds nobody up."""

from __future__ import annotations

import itertools
import logging

import pytest

from hub.agents.desk import PendingFacts
from hub.agents.facts import Fact
from hub.agents.memory import Memory, read_notice
from tests.unit.agents.test_commitment import DUE, MADE, agent
from tests.unit.agents.world import CaseWorld, at, commitment


def test_a_notice_that_comes_again_later_changes_nothing() -> None:
    """The follower repeats itself after a crash: an old word must not undo a newer one."""
    here = CaseWorld(agent)
    here.tell(commitment("made", MADE, DUE), commitment("performed", MADE + 1, DUE))
    for offset, value in enumerate(here.told, start=2):
        here.memory.take(0, offset, read_notice(0, offset, value))
    assert here.turn(at("2027-01-01 00:00")) == []
    assert here.memory.has_reached({0: 4})
    assert not here.memory.has_reached({0: 5})


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b"null", b"\xff", b'{"id": "x"}', None])
def test_a_record_that_is_no_notice_is_reported_and_passed_over(
    value: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever may write there by mistake must not stop the reminders."""
    memory = Memory(agent(), 1)
    with caplog.at_level(logging.ERROR, logger="hub.cases"):
        memory.take(0, 0, read_notice(0, 0, value))
    assert memory.has_reached({0: 1})
    assert "no notice" in caplog.text


def test_a_fact_without_an_answer_is_submitted_again_with_growing_pauses() -> None:
    """15 seconds, then longer, an hour at most; once it is owed no more it is forgotten."""
    asked, fact = PendingFacts(), Fact("k", {"document_number": "1", "credit_code": "c"})
    times = []
    for second in range(3 * 3_600):
        if asked.due([fact], float(second)):
            asked.note([fact], float(second))
            times.append(second)
    pauses = [b - a for a, b in itertools.pairwise(times)]
    assert pauses[:4] == [15, 30, 60, 120]
    assert max(pauses) <= 3_600
    assert asked.due([], 0.0) == []
    assert len(asked) == 0
    assert asked.due([fact], 0.0) == [fact]
