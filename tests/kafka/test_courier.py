"""Couriers as processes on a real broker, platforms that misbehave, and SIGKILL in between."""

from __future__ import annotations

import pytest

from tests.kafka.two_platforms import TwoPlatforms

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

HTTP_MIX = {
    "500": 0.04, "503": 0.005, "429": 0.005, "late": 0.01, "never_applied": 0.01,
    "never_lost": 0.01, "reset_applied": 0.03, "reset_lost": 0.03, "twice": 0.03,
    "wrong_delivery": 0.02, "wrong_digest": 0.02, "wrong_receipt": 0.02, "not_json": 0.02,
    "huge": 0.01, "redirect": 0.005,
}  # fmt: skip
TOPIC_MIX = {
    "late": 0.03, "never_applied": 0.03, "never_lost": 0.03, "twice": 0.03,
    "wrong_delivery": 0.02, "wrong_digest": 0.02, "wrong_receipt": 0.02, "not_json": 0.02,
}  # fmt: skip


def misbehave(place: TwoPlatforms) -> None:
    """Tell both platforms to fail about every fourth request, in every way they know."""
    place.province.control(
        seed=1, mix=HTTP_MIX, late_seconds=1.5, hold_seconds=3, retry_after_seconds=0.2
    )
    place.order("city", seed=2, mix=TOPIC_MIX, late_seconds=1.5)


def test_books_equal_the_ledger_however_platforms_answer(place: TwoPlatforms) -> None:
    """New, corrected and withdrawn records through every misbehaviour: right content, told once."""
    misbehave(place)
    place.deliver("province")
    place.deliver("city")
    place.decide("new", range(150))
    place.decide("correct", range(50), content=1)
    place.decide("withdraw", range(100, 130))
    for target in ("province", "city"):
        place.wait_until_equal(target)
        place.wait_until_told(target)
        assert place.refusals(target) == []
    seen = place.ask("province", "SELECT DISTINCT verdict FROM requests")
    verdicts = " ".join(one for (one,) in seen)
    assert all(manner in verdicts for manner in ("reset_applied", "reset_lost", "500", "wrong"))


HOOKS = ("after_intent:kill:2", "after_effect:kill:2", "before_result:kill:3",
         "before_commit:kill:3", "after_commit:kill:2", "mid_produce:kill:4",
         "mid_rocks_write:kill:5", "in_restore:kill:1")  # fmt: skip


@pytest.mark.parametrize("target", ["province", "city"])
def test_killed_at_every_hook_a_courier_delivers_each_record_once(
    place: TwoPlatforms, target: str
) -> None:
    """SIGKILL between intent, effect and result: nothing lost, nothing told twice."""
    misbehave(place)
    killed = 0
    for round_, hook in enumerate(HOOKS):
        place.decide("new", range(round_ * 40, round_ * 40 + 40))
        place.decide("correct", range(round_ * 40, round_ * 40 + 10), content=round_ + 1)
        killed += place.is_killed(target, hook, 8)
    assert killed >= len(HOOKS) - 1
    place.decide("withdraw", range(0, 300, 10))
    place.deliver(target)
    place.wait_until_equal(target)
    place.wait_until_told(target)
    assert place.refusals(target) == []
