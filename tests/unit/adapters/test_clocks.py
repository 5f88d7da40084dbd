"""The watch that tells a clock set wrongly from time that really passed."""

from pathlib import Path

import pytest

from hub.adapters.clocks import (
    JUMP_SECONDS,
    FileBusinessClock,
    RealBusinessClock,
    WallWatch,
    write_business_clock,
)
from hub.errors import ConfigurationError


class Hands:
    """Two clocks a test moves by hand."""

    def __init__(self) -> None:
        self.wall = 1_000_000.0
        self.passed = 50.0


def test_time_that_really_passed_is_no_jump() -> None:
    """A machine that slept for a week has a wall clock a week on: rightly."""
    hands = Hands()
    watch = WallWatch(lambda: hands.wall, lambda: hands.passed)
    hands.wall += 604_800
    hands.passed += 604_800
    assert not watch.has_jumped()


def test_a_wall_clock_set_ahead_is_a_jump_until_it_is_right_again() -> None:
    """Deadlines are held meanwhile."""
    hands = Hands()
    watch = WallWatch(lambda: hands.wall, lambda: hands.passed)
    hands.wall += JUMP_SECONDS + 1
    assert watch.has_jumped()
    hands.wall -= JUMP_SECONDS
    assert not watch.has_jumped()


def test_a_clock_set_right_while_the_hub_waited_hides_no_later_jump(tmp_path: Path) -> None:
    """The watch measures on from what was judged, not from what the process began with."""
    path = tmp_path / "business-clock.json"
    write_business_clock(path, 0, 1)
    hands = Hands()
    watches = [WallWatch(lambda: hands.wall, lambda: hands.passed) for _ in range(2)]
    hands.wall = 500_000.0
    for clock in (RealBusinessClock(watches[0]), FileBusinessClock(path, watches[1])):
        hands.wall = 500_000.0
        clock.evidence()
        hands.wall += JUMP_SECONDS
        assert not clock.has_jumped()
        hands.wall += 1
        assert clock.has_jumped()


@pytest.mark.parametrize(
    "text",
    [
        "[]", "[" * 200_000, '{"origin_real_ms": 1e999, "origin_business_ms": 0, "factor": 1}',
        '{"origin_real_ms": 0, "origin_business_ms": 0, "factor": null}',
    ],
)  # fmt: skip
def test_a_file_that_is_no_clock_is_told_with_a_remedy(tmp_path: Path, text: str) -> None:
    """Whatever stands in it."""
    path = tmp_path / "business-clock.json"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        FileBusinessClock(path).now()
    assert caught.value.problem.remedy_en
