"""Random lives through the hub and the model: every difference is a fault of one of them."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from hub.engine.slot import Overlay
from tests.model import world
from tests.model.hub_side import Hub, NamedView
from tests.model.lives import STEPS_A_LIFE, live_many, some_life
from tests.model.rules import Rules
from tests.model.story import closing, story

SHARDS = 20
LIVES_A_SHARD = 100


@pytest.mark.lives
@pytest.mark.parametrize("shard", range(SHARDS))
def test_the_hub_lives_as_the_model_says(shard: int) -> None:
    """No life ends in a difference; one that does is told, as short as it could be made."""
    tally = live_many(shard * LIVES_A_SHARD, LIVES_A_SHARD, most_failures=1)
    assert tally.failures == [], "\n".join(map(story, tally.failures)) + "\n" + closing(tally)


def test_a_seed_is_a_life_of_forty_steps_or_more() -> None:
    """The same number tells the same story on every machine."""
    assert some_life(7) == some_life(7)
    assert some_life(7) != some_life(8)
    assert min(len(some_life(seed)[1]) for seed in range(50)) >= STEPS_A_LIFE


def test_a_hub_that_forgets_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash that loses what was submitted is a difference, and told in a few steps."""
    monkeypatch.setattr(Hub, "report", lambda *_: None)
    tally = live_many(0, 60, most_failures=1)
    assert tally.failures, "no life had a platform whose answer mattered"
    assert len(tally.failures[0].lines) < 15


def test_a_decision_that_reads_what_was_not_named_ends_a_life() -> None:
    """An audit fetches what a cause names, and nothing else."""
    view = Overlay()
    view.fetched[b"named"] = None
    assert NamedView(view).get(b"named") is None
    with pytest.raises(AssertionError, match="did not name"):
        NamedView(view).get(b"other")


def test_the_model_counts_working_days_one_by_one() -> None:
    """Seven working days over a weekend; the day of the decision does not count."""
    rules = Rules(world.basis(0, 1))
    assert rules.working_day_after(date(2026, 11, 2), 7) == date(2026, 11, 11)
    assert rules.mark_day(date(2026, 11, 11), 3) == date(2026, 11, 6)


@pytest.mark.parametrize("name", ["model", "record", "rules", "statement"])
def test_the_model_shares_no_code_with_the_decider(name: str) -> None:
    """Otherwise one mistake would be in both, and no difference would tell."""
    text = Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
    used = set(re.findall(r"^from (hub\.\w+|tests\.\w+)", text, re.MULTILINE))
    assert used <= {"hub.contracts", "hub.domain", "tests.model"}
