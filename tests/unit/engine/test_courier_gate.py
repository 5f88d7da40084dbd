"""The breaker: how many requests a platform gets at once."""

import pytest

from hub.engine.courier_gate import CircuitBreaker
from hub.targets.delivery import Accepted, Retry, Unknown

GOOD = Accepted("published", "r", 1)


def test_a_platform_that_says_when_rests_until_then_and_is_tried_with_one_request() -> None:
    """Closed, open for Retry-After, one to try, closed again."""
    gate = CircuitBreaker(8)
    assert gate.width(0.0) == 8
    gate.note(Retry("HTTP 429", is_whole_target=True, after_seconds=5.0), 0.0)
    assert [gate.width(now) for now in (0.0, 4.9, 5.1)] == [0, 0, 1]
    gate.note(GOOD, 5.2)
    assert gate.width(5.2) == 8


def test_ten_failures_in_a_row_open_the_breaker_and_one_success_forgets_them() -> None:
    """Time-outs of single records do not stop a platform; ten in a row do."""
    gate = CircuitBreaker(8)
    for _failure in range(9):
        gate.note(Unknown("time-out"), 0.0)
    gate.note(GOOD, 0.0)
    gate.note(Unknown("time-out"), 0.0)
    assert gate.state(0.0) == "closed"
    for _failure in range(9):
        gate.note(Retry("HTTP 500"), 0.0)
    assert gate.state(0.0) == "open"


def test_the_rest_grows_with_each_failed_try_up_to_half_a_minute() -> None:
    """A platform that is down for days is tried twice a minute, not a thousand times."""
    gate, now, rests = CircuitBreaker(8), 0.0, []
    for _try in range(12):
        gate.note(Retry("refused", is_whole_target=True), now)
        begun = now
        while gate.state(now) == "open":
            now += 0.05
        rests.append(now - begun)
    assert rests[0] == pytest.approx(0.25, abs=0.06)
    assert rests[3] == pytest.approx(2.0, abs=0.06)
    assert rests[-1] == pytest.approx(30.0, abs=0.06)


def test_failures_sent_before_a_rest_do_not_prolong_it() -> None:
    """Thirty-two refused at once are one refusal."""
    gate = CircuitBreaker(32)
    for _refused in range(32):
        gate.note(Retry("refused", is_whole_target=True), 1.0)
    gate.note(Retry("refused", is_whole_target=True), 1.2)
    assert gate.state(1.3) == "half-open"
    gate.note(Retry("refused", is_whole_target=True), 1.3)
    assert gate.state(1.9) == "half-open", "the second rest is as long as after two refusals"


def test_a_late_success_does_not_end_a_rest_the_platform_asked_for() -> None:
    """An answer to an older request says nothing about a platform that is busy now."""
    gate = CircuitBreaker(8)
    gate.note(Retry("HTTP 503", is_whole_target=True, after_seconds=5.0), 0.0)
    gate.note(GOOD, 1.0)
    assert gate.width(2.0) == 0
    assert gate.width(5.1) == 1


def test_a_shorter_rest_asked_for_later_does_not_end_a_longer_one() -> None:
    """Two requests were refused: one said an hour, the other a second."""
    gate = CircuitBreaker(8)
    gate.note(Retry("HTTP 503", is_whole_target=True, after_seconds=3600.0), 0.0)
    gate.note(Retry("HTTP 429", is_whole_target=True, after_seconds=1.0), 0.5)
    assert gate.width(2.0) == 0
    assert gate.width(3601.0) == 1


def test_the_request_that_tries_after_a_rest_is_enough_to_rest_again() -> None:
    """A platform that fails without a word is not called ten times after each rest."""
    gate = CircuitBreaker(8)
    gate.note(Retry("HTTP 503", is_whole_target=True), 0.0)
    assert gate.state(1.0) == "half-open"
    gate.note(Unknown("time-out"), 1.0)
    assert gate.state(1.0) == "open"
