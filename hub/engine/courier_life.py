"""The life of a delivery: where it stands, what may happen to it, and what follows. Pure data.

A delivery is one naming of a target in the ledger. It is in exactly one `State`. Whatever happens
is looked up in `TABLE` by state, happening and whether something newer of the same record waits;
`courier_book` does what the line says. Printed into docs/life.md by `tools/life_page.py`.
"""

from __future__ import annotations

from enum import Enum, unique
from itertools import product
from typing import Final, Literal, NamedTuple


@unique
class State(Enum):
    """Where a delivery stands; the value is the letter it is stored under."""

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
    """What may happen to a delivery; the value says it in words."""

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
    """What follows; the value says it in words."""

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
"""The stage the registrar is told, `final` being that of the action; none twice in a row."""


class Line(NamedTuple):
    """What follows from one happening."""

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
"""What follows from coming into a state, wherever from, unless a line says otherwise."""


class _Rule(NamedTuple):
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
    _Rule(_ASKED, newer=True, do=Do.ASK_ONLY),
    _Rule(_ASKED, do=Do.ASK_SOON),
    _Rule(TAKEN_IN, do=Do.FOLLOW),
    _Rule(_LEFT_BEHIND, do=Do.LISTEN),
    _Rule(_SUSPECT, do=Do.STEP_ASIDE),
)
"""An answer that proves nothing about what may have happened before."""

_UNHEARD: Final = (
    _Rule(_WAY, newer=True, next=State.UNKNOWN, do=Do.ASK_ONLY, tell="sent"),
    _Rule(_WAY, next=State.UNKNOWN, tell="sent"),
    _Rule(_UNKNOWN, newer=True, do=Do.ASK_ONLY, tell="sent"),
    _Rule(_UNKNOWN, do=Do.ASK_SOON, tell="sent"),
)

_RULES: Final[dict[Happening, tuple[_Rule, ...]]] = {
    Happening.NEWER_NAMED: (
        _Rule(NOT_THERE | {State.KEPT}, next=State.DONE),
        _Rule(IN_DOUBT, do=Do.WAIT),
    ),
    Happening.NEWER_LEFT: (
        _Rule(NOT_THERE | {State.KEPT}, next=State.DONE),
        _Rule(IN_DOUBT | TAKEN_IN, next=State.OVERTAKEN),
    ),
    Happening.SENT: (
        _Rule(NOT_THERE | {State.KEPT}, next=State.ON_ITS_WAY),
        _Rule(IN_DOUBT | TAKEN_IN, do=Do.AWAIT),
    ),
    Happening.FAILED: (
        _Rule(_WAY, newer=True, next=State.DONE),
        _Rule(_WAY, next=State.PAUSED),
        *_STILL_ASKED,
    ),
    Happening.FAILED_LAST: (
        _Rule(_WAY, newer=True, next=State.DONE),
        _Rule(_WAY, next=State.PARKED, tell="parked"),
        *_STILL_ASKED,
    ),
    Happening.AWAY: (
        _Rule(_WAY, newer=True, next=State.DONE),
        _Rule(_WAY, next=State.READY),
        _Rule(_ASKED, newer=True, do=Do.ASK_ONLY),
        _Rule(_ASKED, do=Do.ASK_NOW),
        *_STILL_ASKED,
    ),
    Happening.DOUBTED: (
        _Rule(_WAY, newer=True, next=State.DONE),
        _Rule(_WAY, next=State.SUSPECT),
        *_STILL_ASKED,
    ),
    Happening.CLEARED: (_Rule(_SUSPECT, next=State.READY),),
    Happening.UNANSWERED: (*_UNHEARD, *_STILL_ASKED),
    Happening.UNANSWERED_LAST: (
        _Rule(_WAY | _UNKNOWN, newer=False, next=State.STUCK, tell="parked"),
        *_UNHEARD,
        *_STILL_ASKED,
    ),
    Happening.TIME_UP: (
        _Rule(frozenset({State.PAUSED}), next=State.READY),
        _Rule(frozenset({State.PARKED}), do=Do.SEND),
        _Rule(frozenset({State.REFUSED}), next=State.READY, do=Do.SEND_ANEW),
        _Rule(_ASKED | TAKEN_IN, newer=True, do=Do.LISTEN_NOW),
        _Rule(frozenset({State.STUCK}), do=Do.SEND),
        _Rule(_UNKNOWN, do=Do.ASK_NOW),
        _Rule(TAKEN_IN, do=Do.FOLLOW_NOW),
        _Rule(_LEFT_BEHIND, do=Do.LISTEN_NOW),
        _Rule(_SUSPECT, do=Do.PROBE),
    ),
    Happening.EFFECT_OVER: (_Rule(IN_DOUBT, newer=True, next=State.OVERTAKEN),),
    Happening.FOLLOWED_LONG: (_Rule(_LEFT_BEHIND, next=State.DONE),),
    Happening.NEVER_SEEN: (
        _Rule(IN_DOUBT, newer=True, do=Do.ASK_ONLY),
        _Rule(IN_DOUBT, do=Do.SEND),
        _Rule(TAKEN_IN, newer=True, do=Do.FOLLOW),
        _Rule(frozenset({State.HANDED_OVER}), do=Do.SEND),
        _Rule(frozenset({State.ACKNOWLEDGED}), do=Do.FOLLOW),
        _Rule(_LEFT_BEHIND, next=State.DONE),
        _Rule(_SUSPECT, next=State.READY),
    ),
    Happening.DELIVERED: (
        _Rule(NOT_THERE | IN_DOUBT, next=State.HANDED_OVER, tell="sent"),
        _Rule(TAKEN_IN, do=Do.FOLLOW),
        _Rule(_LEFT_BEHIND, do=Do.LISTEN),
    ),
    Happening.ACKNOWLEDGED: (
        _Rule(_ACTIVE, next=State.ACKNOWLEDGED, do=Do.FOLLOW, tell="acknowledged"),
        _Rule(_LEFT_BEHIND, do=Do.LISTEN, tell="acknowledged"),
    ),
    Happening.FINAL: (
        _Rule(_LEFT_BEHIND, next=State.DONE, tell="final"),
        _Rule(_ACTIVE, newer=True, next=State.DONE, tell="final"),
        _Rule(_ACTIVE, next=State.KEPT, tell="final"),
    ),
    Happening.REFUSED: (
        _Rule(_LEFT_BEHIND, next=State.DONE),
        _Rule(_ACTIVE, next=State.DONE, tell="refused"),
    ),
    Happening.WITHDRAWAL_REFUSED: (
        _Rule(_LEFT_BEHIND, next=State.DONE),
        _Rule(_ACTIVE, newer=True, next=State.DONE, tell="refused"),
        _Rule(_ACTIVE - {State.REFUSED}, next=State.REFUSED, tell="refused"),
    ),
    Happening.NOT_HERE: (
        _Rule(_LEFT_BEHIND, next=State.DONE),
        _Rule(_ACTIVE, newer=True, next=State.DONE, tell="final"),
        _Rule(_ACTIVE, next=State.KEPT, tell="final"),
    ),
    Happening.NOT_HERE_YET: (
        _Rule(_LEFT_BEHIND, next=State.DONE),
        _Rule(_ACTIVE, newer=True, next=State.DONE),
        _Rule(_ACTIVE, next=State.PAUSED, do=Do.PAUSE_FOR_EFFECT),
    ),
    Happening.PLACE_TAKEN: (_Rule(_ACTIVE | _LEFT_BEHIND, next=State.DONE),),
    Happening.SIGN: (
        _Rule(frozenset({State.KEPT}), next=State.READY, do=Do.SEND_ANEW),
        _Rule(IN_DOUBT | TAKEN_IN, do=Do.REMEMBER),
    ),
}


def _line(state: State, rules: tuple[_Rule, ...], *, newer: bool) -> Line:
    """The first rule that fits; none: nothing follows."""
    for rule in rules:
        if state in rule.states and rule.newer in (None, newer):
            after = rule.next or state
            usual = ON_ENTERING[after] if after is not state else Do.NOTHING
            return Line(after, rule.do or usual, rule.tell)
    return Line(state, Do.NOTHING)


TABLE: Final[dict[tuple[State, Happening, bool], Line]] = {
    (state, happening, newer): _line(state, _RULES[happening], newer=newer)
    for state, happening, newer in product(State, Happening, (False, True))
}
"""State, happening, whether something newer waits → what follows."""
