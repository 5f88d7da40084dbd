"""The life of a delivery: its states, what may happen in each, and what follows. Pure data.

A delivery is one naming of a target in the ledger. It is in exactly one `State`. Any event
is looked up in `TABLE` by state, happening and whether something newer of the same record waits;
`courier_book` does what the line says. Printed into docs/life.md by `tools/life_page.py`.
"""

from __future__ import annotations

from enum import Enum, unique
from itertools import product
from typing import Final, Literal, NamedTuple


@unique
class State(Enum):
    """State of a delivery; the value is the letter it is stored under."""

    READY = "r"
    PAUSED = "p"
    SUSPECT = "s"
    PARKED = "k"
    ON_ITS_WAY = "w"
    UNKNOWN = "u"
    STUCK = "t"
    HANDED_OVER = "h"
    ACKNOWLEDGED = "a"
    REFUSED = "x"
    OVERTAKEN = "o"
    KEPT = "e"
    DONE = "d"


MEANING: Final = {
    State.READY: "to be sent; nothing of it can happen at the platform",
    State.PAUSED: "failed, certainly without effect; sent again after a pause",
    State.SUSPECT: "answered as if the platform were away, perhaps for this record alone: "
    "not the probe as long as there is another",
    State.PARKED: "failed as often as is tried in a row; once a minute from now on",
    State.ON_ITS_WAY: "its intent is committed; the request may be travelling",
    State.UNKNOWN: "it may have happened",
    State.STUCK: "it may have happened, and asking has not helped; sent again once a minute",
    State.HANDED_OVER: "where the platform finds it, which has not said a word",
    State.ACKNOWLEDGED: "taken over, not shown yet",
    State.REFUSED: "a refused withdrawal; tried again every day",
    State.OVERTAKEN: "left behind by a newer one, an effect still possible: never sent again",
    State.KEPT: "at its end; kept to be sent again should an older one appear",
    State.DONE: "over",
}

NOT_THERE: Final = frozenset(
    {State.READY, State.PAUSED, State.SUSPECT, State.PARKED, State.REFUSED}
)
"""Nothing of it can happen at the platform: what a newer one follows is simply left out."""
IN_DOUBT: Final = frozenset({State.ON_ITS_WAY, State.UNKNOWN, State.STUCK})
"""It may be happening now: a newer one waits, for the longest effect of a request at most."""
TAKEN_IN: Final = frozenset({State.HANDED_OVER, State.ACKNOWLEDGED})


@unique
class Happening(Enum):
    """Events of a delivery; the value says it in words."""

    NEWER_NAMED = "the ledger names something newer"
    NEWER_LEFT = "something newer has left"
    SENT = "its request leaves"
    FAILED = "the platform did nothing, this time"
    FAILED_LAST = "the platform did nothing, for the last time in a row"
    AWAY = "the platform as a whole is away"
    DOUBTED = "an answer that is the platform's, or this record's alone"
    CLEARED = "the platform serves others"
    UNANSWERED = "no answer, or none that proves anything"
    UNANSWERED_LAST = "no answer, for the last time in a row"
    TIME_UP = "its pause is over"
    EFFECT_OVER = "the longest effect of its last request is over"
    FOLLOWED_LONG = "nothing has been heard of it for 30 days"
    NEVER_SEEN = "asked, the platform does not know it"
    DELIVERED = "it is where the platform finds it"
    ACKNOWLEDGED = "the platform has taken it over"
    FINAL = "the platform shows it, or shows it no more"
    REFUSED = "the platform refuses a publication"
    WITHDRAWAL_REFUSED = "the platform refuses a withdrawal"
    NOT_HERE = "the platform holds nothing to withdraw"
    NOT_HERE_YET = "the same, while an older one may still take effect"
    PLACE_TAKEN = "a newer one is in its place, and answered"
    SIGN = "an older one appears after this one left"


@unique
class Do(Enum):
    """Actions that follow; the value says it in words."""

    NOTHING = "–"
    SEND = "send it; if it left before, under the same id"
    SEND_ANEW = "send it once more, under an id of its own"
    PAUSE = "wait a little, longer each time"
    STEP_ASIDE = "let others be the probe"
    PAUSE_FOR_EFFECT = "send it under an id of its own after the longest effect"
    AWAIT = "wait for the answer"
    ASK_SOON = "ask, more slowly each time; by topic send again"
    ASK_NOW = "ask now; by topic send again"
    ASK_ONLY = "ask, never send; the newer goes when the longest effect is over"
    WAIT = "the newer goes when the longest effect is over"
    FOLLOW = "ask from time to time"
    FOLLOW_NOW = "ask now what has become of it; by topic send again"
    LISTEN = "ask from time to time where one can, never send"
    LISTEN_NOW = "ask now where one can, never send"
    PROBE = "be the probe when there is no other; alone, a status query in turn"
    RETRY_DAILY = "send it under an id of its own after a day"
    REMEMBER = "once it has ended, send it once more"
    KEEP = "forget it when no older one can appear"
    FORGET = "forget it"


Tell = Literal["", "sent", "parked", "acknowledged", "final", "refused"]
"""The stage reported to the registrar, `final` being that of the action; never twice in a row."""


class CourierRule(NamedTuple):
    """Consequence of one event."""

    next: State
    do: Do
    tell: Tell = ""


ON_ENTERING: Final = {
    State.READY: Do.SEND,
    State.PAUSED: Do.PAUSE,
    State.SUSPECT: Do.STEP_ASIDE,
    State.PARKED: Do.PAUSE,
    State.ON_ITS_WAY: Do.AWAIT,
    State.UNKNOWN: Do.ASK_SOON,
    State.STUCK: Do.ASK_SOON,
    State.HANDED_OVER: Do.FOLLOW,
    State.ACKNOWLEDGED: Do.FOLLOW,
    State.REFUSED: Do.RETRY_DAILY,
    State.OVERTAKEN: Do.LISTEN,
    State.KEPT: Do.KEEP,
    State.DONE: Do.FORGET,
}
"""Consequences of entering a state, from any other, unless a line says otherwise."""


class _StateRules(NamedTuple):
    """Lines for several states; `newer` None: whether something newer waits or not."""

    states: frozenset[State]
    newer: bool | None = None
    next: State | None = None
    """None: it stays what it is."""
    do: Do | None = None
    """None: what entering the next state asks for, or nothing where it stays."""
    tell: Tell = ""


_ALL: Final = frozenset(State) - {State.DONE}
_ACTIVE: Final = _ALL - {State.KEPT, State.OVERTAKEN}
_WAY: Final = frozenset({State.ON_ITS_WAY})
_SUSPECT: Final = frozenset({State.SUSPECT})
_LEFT_BEHIND: Final = frozenset({State.OVERTAKEN})
_ASKED: Final = frozenset({State.UNKNOWN, State.STUCK})
_UNKNOWN: Final = frozenset({State.UNKNOWN})

_STILL_ASKED: Final = (
    _StateRules(_ASKED, newer=True, do=Do.ASK_ONLY),
    _StateRules(_ASKED, do=Do.ASK_SOON),
    _StateRules(TAKEN_IN, do=Do.FOLLOW),
    _StateRules(_LEFT_BEHIND, do=Do.LISTEN),
    _StateRules(_SUSPECT, do=Do.STEP_ASIDE),
)
"""An answer that proves nothing about what may have happened before."""

_UNHEARD: Final = (
    _StateRules(_WAY, newer=True, next=State.UNKNOWN, do=Do.ASK_ONLY, tell="sent"),
    _StateRules(_WAY, next=State.UNKNOWN, tell="sent"),
    _StateRules(_UNKNOWN, newer=True, do=Do.ASK_ONLY, tell="sent"),
    _StateRules(_UNKNOWN, do=Do.ASK_SOON, tell="sent"),
)

_RULES: Final[dict[Happening, tuple[_StateRules, ...]]] = {
    Happening.NEWER_NAMED: (
        _StateRules(NOT_THERE | {State.KEPT}, next=State.DONE),
        _StateRules(IN_DOUBT, do=Do.WAIT),
    ),
    Happening.NEWER_LEFT: (
        _StateRules(NOT_THERE | {State.KEPT}, next=State.DONE),
        _StateRules(IN_DOUBT | TAKEN_IN, next=State.OVERTAKEN),
    ),
    Happening.SENT: (
        _StateRules(NOT_THERE | {State.KEPT}, next=State.ON_ITS_WAY),
        _StateRules(IN_DOUBT | TAKEN_IN, do=Do.AWAIT),
    ),
    Happening.FAILED: (
        _StateRules(_WAY, newer=True, next=State.DONE),
        _StateRules(_WAY, next=State.PAUSED),
        *_STILL_ASKED,
    ),
    Happening.FAILED_LAST: (
        _StateRules(_WAY, newer=True, next=State.DONE),
        _StateRules(_WAY, next=State.PARKED, tell="parked"),
        *_STILL_ASKED,
    ),
    Happening.AWAY: (
        _StateRules(_WAY, newer=True, next=State.DONE),
        _StateRules(_WAY, next=State.READY),
        _StateRules(_ASKED, newer=True, do=Do.ASK_ONLY),
        _StateRules(_ASKED, do=Do.ASK_NOW),
        *_STILL_ASKED,
    ),
    Happening.DOUBTED: (
        _StateRules(_WAY, newer=True, next=State.DONE),
        _StateRules(_WAY, next=State.SUSPECT),
        *_STILL_ASKED,
    ),
    Happening.CLEARED: (_StateRules(_SUSPECT, next=State.READY),),
    Happening.UNANSWERED: (*_UNHEARD, *_STILL_ASKED),
    Happening.UNANSWERED_LAST: (
        _StateRules(_WAY | _UNKNOWN, newer=False, next=State.STUCK, tell="parked"),
        *_UNHEARD,
        *_STILL_ASKED,
    ),
    Happening.TIME_UP: (
        _StateRules(frozenset({State.PAUSED}), next=State.READY),
        _StateRules(frozenset({State.PARKED}), do=Do.SEND),
        _StateRules(frozenset({State.REFUSED}), next=State.READY, do=Do.SEND_ANEW),
        _StateRules(_ASKED | TAKEN_IN, newer=True, do=Do.LISTEN_NOW),
        _StateRules(frozenset({State.STUCK}), do=Do.SEND),
        _StateRules(_UNKNOWN, do=Do.ASK_NOW),
        _StateRules(TAKEN_IN, do=Do.FOLLOW_NOW),
        _StateRules(_LEFT_BEHIND, do=Do.LISTEN_NOW),
        _StateRules(_SUSPECT, do=Do.PROBE),
    ),
    Happening.EFFECT_OVER: (_StateRules(IN_DOUBT, newer=True, next=State.OVERTAKEN),),
    Happening.FOLLOWED_LONG: (_StateRules(_LEFT_BEHIND, next=State.DONE),),
    Happening.NEVER_SEEN: (
        _StateRules(IN_DOUBT, newer=True, do=Do.ASK_ONLY),
        _StateRules(IN_DOUBT, do=Do.SEND),
        _StateRules(TAKEN_IN, newer=True, do=Do.FOLLOW),
        _StateRules(frozenset({State.HANDED_OVER}), do=Do.SEND),
        _StateRules(frozenset({State.ACKNOWLEDGED}), do=Do.FOLLOW),
        _StateRules(_LEFT_BEHIND, next=State.DONE),
        _StateRules(_SUSPECT, next=State.READY),
    ),
    Happening.DELIVERED: (
        _StateRules(NOT_THERE | IN_DOUBT, next=State.HANDED_OVER, tell="sent"),
        _StateRules(TAKEN_IN, do=Do.FOLLOW),
        _StateRules(_LEFT_BEHIND, do=Do.LISTEN),
    ),
    Happening.ACKNOWLEDGED: (
        _StateRules(_ACTIVE, next=State.ACKNOWLEDGED, do=Do.FOLLOW, tell="acknowledged"),
        _StateRules(_LEFT_BEHIND, do=Do.LISTEN, tell="acknowledged"),
    ),
    Happening.FINAL: (
        _StateRules(_LEFT_BEHIND, next=State.DONE, tell="final"),
        _StateRules(_ACTIVE, newer=True, next=State.DONE, tell="final"),
        _StateRules(_ACTIVE, next=State.KEPT, tell="final"),
    ),
    Happening.REFUSED: (
        _StateRules(_LEFT_BEHIND, next=State.DONE),
        _StateRules(_ACTIVE, next=State.DONE, tell="refused"),
    ),
    Happening.WITHDRAWAL_REFUSED: (
        _StateRules(_LEFT_BEHIND, next=State.DONE),
        _StateRules(_ACTIVE, newer=True, next=State.DONE, tell="refused"),
        _StateRules(_ACTIVE - {State.REFUSED}, next=State.REFUSED, tell="refused"),
    ),
    Happening.NOT_HERE: (
        _StateRules(_LEFT_BEHIND, next=State.DONE),
        _StateRules(_ACTIVE, newer=True, next=State.DONE, tell="final"),
        _StateRules(_ACTIVE, next=State.KEPT, tell="final"),
    ),
    Happening.NOT_HERE_YET: (
        _StateRules(_LEFT_BEHIND, next=State.DONE),
        _StateRules(_ACTIVE, newer=True, next=State.DONE),
        _StateRules(_ACTIVE, next=State.PAUSED, do=Do.PAUSE_FOR_EFFECT),
    ),
    Happening.PLACE_TAKEN: (_StateRules(_ACTIVE | _LEFT_BEHIND, next=State.DONE),),
    Happening.SIGN: (
        _StateRules(frozenset({State.KEPT}), next=State.READY, do=Do.SEND_ANEW),
        _StateRules(IN_DOUBT | TAKEN_IN, do=Do.REMEMBER),
    ),
}


def _line(state: State, rules: tuple[_StateRules, ...], *, newer: bool) -> CourierRule:
    """The first rule that fits; none: nothing follows."""
    for rule in rules:
        if state in rule.states and rule.newer in (None, newer):
            after = rule.next or state
            usual = ON_ENTERING[after] if after is not state else Do.NOTHING
            return CourierRule(after, rule.do or usual, rule.tell)
    return CourierRule(state, Do.NOTHING)


TABLE: Final[dict[tuple[State, Happening, bool], CourierRule]] = {
    (state, happening, newer): _line(state, _RULES[happening], newer=newer)
    for state, happening, newer in product(State, Happening, (False, True))
}
"""State, happening, whether something newer waits → what follows."""
