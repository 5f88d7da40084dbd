"""The table of a delivery's life: whole, and nothing dangerous in it."""

from __future__ import annotations

from itertools import product

import pytest

from hub.engine.courier_life import (
    IN_DOUBT,
    MEANING,
    NOT_THERE,
    ON_ENTERING,
    TABLE,
    TAKEN_IN,
    Do,
    Happening,
    State,
)

SENDING = frozenset({Do.SEND, Do.SEND_ANEW, Do.ASK_SOON, Do.ASK_NOW, Do.FOLLOW_NOW, Do.RETRY_DAILY})
"""What sends a delivery, or may by topic."""


def test_every_state_happening_and_follower_has_its_line() -> None:
    """Nothing falls through, whatever a platform says and whenever."""
    assert set(TABLE) == set(product(State, Happening, (False, True)))
    assert set(MEANING) == set(ON_ENTERING) == set(State)


def test_what_is_over_stays_over() -> None:
    """A late word about it changes nothing."""
    for happening, newer in product(Happening, (False, True)):
        line = TABLE[State.DONE, happening, newer]
        assert (line.next, line.do, line.tell) == (State.DONE, Do.NOTHING, "")


@pytest.mark.parametrize("happening", Happening)
def test_what_was_left_behind_is_never_sent_again(happening: Happening) -> None:
    """It would be shown after what corrected or withdrew it."""
    for newer in (False, True):
        line = TABLE[State.OVERTAKEN, happening, newer]
        assert line.next in (State.OVERTAKEN, State.DONE)
        assert line.do not in SENDING


@pytest.mark.parametrize("happening", Happening)
def test_nothing_older_is_sent_while_something_newer_waits(happening: Happening) -> None:
    """Asked about where one can; by topic not even that."""
    for state in IN_DOUBT | TAKEN_IN:
        line = TABLE[state, happening, True]
        assert line.do not in SENDING, state
        assert line.next not in NOT_THERE, state


def test_what_cannot_have_happened_is_left_out_for_a_newer_one() -> None:
    """The platform needs the present, not the history."""
    for state in NOT_THERE:
        assert TABLE[state, Happening.NEWER_NAMED, True].next is State.DONE


def test_what_may_be_happening_holds_the_newer_one_up_only_until_its_effect_is_over() -> None:
    """Then a take-down may leave, whatever the platform says of the older one."""
    for state in IN_DOUBT:
        assert TABLE[state, Happening.NEWER_NAMED, True].do is Do.WAIT
        assert TABLE[state, Happening.EFFECT_OVER, True].next is State.OVERTAKEN
        assert TABLE[state, Happening.EFFECT_OVER, False].next is state


def test_a_refused_withdrawal_is_not_given_up() -> None:
    """It is tried again every day, until something newer takes its place."""
    for state in IN_DOUBT:
        line = TABLE[state, Happening.WITHDRAWAL_REFUSED, False]
        assert (line.next, line.tell) == (State.REFUSED, "refused")
        assert TABLE[state, Happening.WITHDRAWAL_REFUSED, True].next is State.DONE
    assert ON_ENTERING[State.REFUSED] is Do.RETRY_DAILY
    assert TABLE[State.REFUSED, Happening.TIME_UP, False].do is Do.SEND_ANEW
