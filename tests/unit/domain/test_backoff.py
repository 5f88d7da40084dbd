"""Waiting longer after each failure."""

from hypothesis import given
from hypothesis import strategies as st

from hub.domain.backoff import backoff


def test_each_wait_is_twice_the_one_before_up_to_the_longest() -> None:
    """A second, two, four, then eight for ever."""
    assert [backoff(1.0, times, 8.0) for times in range(6)] == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert [backoff(4.0, times, 100.0, growth=1.5) for times in range(3)] == [4.0, 6.0, 9.0]


@given(st.floats(0.001, 60.0), st.integers(0, 10**9), st.floats(60.0, 86_400.0))
def test_a_night_of_failures_ends_in_the_longest_wait(
    first: float, times: int, longest: float
) -> None:
    """No number of failures makes a wait shorter, longer than the longest, or an error."""
    wait = backoff(first, times, longest)
    assert first <= wait <= backoff(first, times + 1, longest) <= longest
    assert backoff(first, 10**6, longest, growth=1.5) == longest
