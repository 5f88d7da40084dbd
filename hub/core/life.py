"""The life of a record: the decision on each statement in each state of a record.

One table. Its lines are tried from the top; the first whose condition holds decides the outcome,
the reason and the effect. What an effect does to the state, the duties and the targets is in
`hub.core.decide`; `docs/life.md` is printed from this module.

Sources: 行政处罚法 art. 48 (a penalty that was changed or revoked is taken down and the reason
published), 发改办财金〔2018〕424号 (谁产生、谁负责), 信用修复管理办法 (what is repaired stays
down).
"""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import Final, NamedTuple

from hub.core.record import Outcome
from hub.core.state import RecordState, Status

# Standings and conditions are looked up for every submission: as texts they are hashed in C.


class Standing(StrEnum):
    """State of a record, seen from what may be stated about it."""

    NONE = "nothing is on record"
    AWAITED = "only statements wait for it"
    QUARANTINED = "only faulty rows so far"
    LIVE = "in force"
    WITHDRAWN = "was in force, taken down"
    TAKEN_BACK = "was never in force, taken back"
    MOVED = "left for another identity"


class Statement(StrEnum):
    """Statement of a submission about a record; one letter, as stored."""

    ROW = "r"
    PERFORMANCE = "p"
    """A row of a kind that follows another: a commitment performed."""
    CORRECTION = "c"
    WITHDRAWAL = "w"
    EXIT = "e"
    """A dated withdrawal: an entry leaves the court's list."""
    DEPARTURE = "o"
    """First half of a move: the record leaves this identity."""
    ARRIVAL = "i"
    """Second half of a move: the record takes this identity."""
    RESTORATION = "b"
    """A decision of its own to show a taken-down record again."""


class When(StrEnum):
    """Conditions of the table; `hub.core.case.Case` evaluates them."""

    ALWAYS = "otherwise"
    NOT_YOURS = "the sender is not the owner and may not act for them"
    OLDER = "older than what took effect, by the source's own version"
    SAME_CONTENT = "same content as the version in force (or last in force)"
    STALE = "the kind in force follows this one"
    NEXT_STEP = "the next step of a performance, or the kind that follows the one in force"
    ANOTHERS_STEP = "the next step, but the sender may not act for the owner"
    EARLIER_STEP = "an earlier step of the performance on record"
    LISTED_LATER = "an entry dated after the exit that took it down"
    VALID_OTHERWISE = (
        "the source that took it down says valid again, under a newer version, with other content"
    )
    VALID_AGAIN = "the source that took it down says valid again, under a newer version"
    EXIT_BEFORE_ENTRY = "the exit is dated before the entry"
    WAITS_ALREADY = "the same statement waits already"
    WAITS_FOR_ITS_OWN = "what is here is another's, and the same statement waits already"
    ANOTHER_WAITS = "another row waits for the same move"
    SAME_IDENTITY = "the new identity is the old one"
    LEFT_FOR_IT = "it is this identity for which the record left"
    ARRIVED_ELSEWHERE = "this move has arrived at another record"
    OTHER_LEFT = "by this move another record has left than the one it says it was"
    MOVE_OF_ANOTHER = "another record has left by this move"
    AWAY = "the same content, and what left has not arrived yet"
    OVERTAKEN = "since it left, or since this waits, what is here has been taken down or has left"
    LEFT_BY_IT = "the record left by this very move, and has come back since"
    LEFT_PERFORMED = "the kind that left the old identity follows this one"
    LEFT = "the old identity has been left"
    NOT_LEFT = "the old identity could not be left"


class Effect(Enum):
    """Effect of a line beyond its answer."""

    NOTHING = "nothing changes"
    CONFIRM = "the order memory is raised"
    AGAIN = "what waits counts under the newer version"
    SHOW = "the row becomes the next version; its targets show it"
    RESTORE = "as show; targets named before have the time of a correction from today"
    TAKE_DOWN = "every target that any version was named for takes it down"
    LEAVE = "as take down; the new identity may be taken"
    WAIT = "the statement waits for its record or its move"
    REFUSE = "the row is kept out of sight; its duties run where nothing else is on record"
    CONFLICT = "the record is marked as in conflict"


class LifeRule(NamedTuple):
    """One line of the table."""

    when: When
    outcome: Outcome
    reason: str
    """Code of `hub.domain.reasons`, or empty."""
    effect: Effect
    severity: str = "warning"


_S = Standing
_T = Statement
_ACCEPT: Final = LifeRule(When.ALWAYS, Outcome.ACCEPTED, "", Effect.SHOW)
_SAME: Final = LifeRule(When.SAME_CONTENT, Outcome.DUPLICATE, "SAME_AS_LIVE", Effect.CONFIRM)
_OLDER: Final = LifeRule(When.OLDER, Outcome.SUPERSEDED, "OLDER_THAN_LIVE", Effect.NOTHING)
_WAIT: Final = LifeRule(When.ALWAYS, Outcome.HELD, "WAITING_FOR_RECORD", Effect.WAIT)
_WAITS: Final = LifeRule(When.WAITS_ALREADY, Outcome.DUPLICATE, "SAME_AS_HELD", Effect.AGAIN)


def _refused(when: When, reason: str, effect: Effect = Effect.NOTHING) -> LifeRule:
    return LifeRule(when, Outcome.QUARANTINED, reason, effect, "error")


def _superseded(when: When, reason: str) -> LifeRule:
    """An older take-down, arrival or restoration: an open case, an error and never silence."""
    return LifeRule(when, Outcome.SUPERSEDED, reason, Effect.NOTHING, "error")


def _conflict(reason: str) -> LifeRule:
    return LifeRule(When.ALWAYS, Outcome.CONFLICTING, reason, Effect.CONFLICT, "error")


_NOT_YOURS: Final = _refused(When.NOT_YOURS, "NOT_YOUR_RECORD")
_OLDER_TAKE_DOWN: Final = _superseded(When.OLDER, "WITHDRAWAL_OLDER_THAN_LIVE")
_EARLY_EXIT: Final = _superseded(When.EXIT_BEFORE_ENTRY, "EXIT_BEFORE_LISTING")
_AWAITS_ITS_OWN: Final = (
    LifeRule(When.WAITS_FOR_ITS_OWN, Outcome.DUPLICATE, "SAME_AS_HELD", Effect.AGAIN),
    LifeRule(When.NOT_YOURS, Outcome.HELD, "WAITING_FOR_RECORD", Effect.WAIT),
)
"""Another's faulty row reserves nothing: this is about the row that its sender has yet to send."""
_TAKE_DOWN: Final = LifeRule(When.ALWAYS, Outcome.WITHDRAWN, "", Effect.TAKE_DOWN)
_LEAVE: Final = LifeRule(When.ALWAYS, Outcome.WITHDRAWN, "", Effect.LEAVE)
_UNCHANGED: Final = LifeRule(
    When.SAME_IDENTITY, Outcome.DUPLICATE, "IDENTITY_UNCHANGED", Effect.NOTHING
)
_PERFORMED: Final = _refused(When.STALE, "PERFORMED_SINCE")
_TAKEN_DOWN_WHERE_IT_WAS: Final = _refused(When.ALWAYS, "TAKE_DOWN_OF_MOVED", Effect.CONFIRM)
_CORRECTS: Final = LifeRule(When.ALWAYS, Outcome.CORRECTED, "", Effect.SHOW)
_HAS_MOVED: Final = _refused(When.ALWAYS, "RECORD_MOVED")
_NOT_WHAT_LEFT: Final = _refused(When.OTHER_LEFT, "NOT_WHAT_LEFT", Effect.REFUSE)
_ANOTHERS_MOVE: Final = _refused(When.MOVE_OF_ANOTHER, "MOVE_ID_REUSED")
_ARRIVES_FIRST: Final = (
    _refused(When.ARRIVED_ELSEWHERE, "MOVE_TAKEN"),
    _NOT_WHAT_LEFT,
    _NOT_YOURS,
    _superseded(When.OLDER, "ARRIVAL_OLDER_THAN_RECORD"),
)
_ARRIVES_THEN: Final = (
    _refused(When.LEFT_PERFORMED, "PERFORMED_SINCE", Effect.REFUSE),
    LifeRule(When.LEFT, Outcome.ACCEPTED, "", Effect.SHOW),
    _refused(When.NOT_LEFT, "MOVE_REFUSED", Effect.REFUSE),
    _WAITS,
    LifeRule(
        When.ANOTHER_WAITS, Outcome.CONFLICTING, "UNDECLARED_CHANGE", Effect.CONFLICT, "error"
    ),
    LifeRule(When.ALWAYS, Outcome.HELD, "WAITING_FOR_MOVE", Effect.WAIT),
)
_ARRIVES: Final = _ARRIVES_FIRST + _ARRIVES_THEN


def _arrives_again(reason: str) -> tuple[LifeRule, ...]:
    """Where a record was taken down or left: a departure of before brings nothing back."""
    return (*_ARRIVES_FIRST, _refused(When.OVERTAKEN, reason), *_ARRIVES_THEN)


_ALREADY_MOVED: Final = LifeRule(
    When.LEFT_BY_IT, Outcome.DUPLICATE, "ALREADY_MOVED", Effect.NOTHING
)
_ROWS: Final[dict[Standing, tuple[LifeRule, ...]]] = {
    _S.NONE: (_ACCEPT,),
    _S.AWAITED: (_ACCEPT,),
    _S.QUARANTINED: (_ACCEPT,),
    _S.TAKEN_BACK: (_OLDER, _ACCEPT),
    _S.LIVE: (
        _SAME,
        _OLDER,
        LifeRule(When.STALE, Outcome.SUPERSEDED, "OLDER_THAN_LIVE", Effect.NOTHING),
        LifeRule(When.EARLIER_STEP, Outcome.SUPERSEDED, "OLDER_THAN_LIVE", Effect.NOTHING),
        _refused(When.ANOTHERS_STEP, "NOT_YOUR_RECORD"),
        LifeRule(When.NEXT_STEP, Outcome.ACCEPTED, "", Effect.SHOW),
        _conflict("UNDECLARED_CHANGE"),
    ),
    _S.WITHDRAWN: (
        _NOT_YOURS,
        _OLDER,
        LifeRule(When.LISTED_LATER, Outcome.ACCEPTED, "", Effect.SHOW),
        LifeRule(When.VALID_OTHERWISE, Outcome.ACCEPTED, "RESTORED_OTHERWISE", Effect.RESTORE),
        LifeRule(When.VALID_AGAIN, Outcome.ACCEPTED, "", Effect.RESTORE),
        LifeRule(When.SAME_CONTENT, Outcome.DUPLICATE, "SAME_AS_WITHDRAWN", Effect.NOTHING),
        _conflict("CHANGED_AFTER_WITHDRAWAL"),
    ),
    _S.MOVED: (
        _NOT_YOURS,
        _OLDER,
        LifeRule(When.AWAY, Outcome.DUPLICATE, "MOVED_NOT_ARRIVED", Effect.NOTHING),
        LifeRule(When.SAME_CONTENT, Outcome.DUPLICATE, "SAME_AS_MOVED", Effect.NOTHING),
        _conflict("CHANGED_AFTER_MOVE"),
    ),
}
_TAKE_DOWNS: Final[dict[Standing, tuple[LifeRule, ...]]] = {
    _S.NONE: (_WAIT,),
    _S.AWAITED: (_WAITS, _WAIT),
    _S.QUARANTINED: (*_AWAITS_ITS_OWN, _EARLY_EXIT, _TAKE_DOWN),
    _S.LIVE: (_NOT_YOURS, _OLDER_TAKE_DOWN, _EARLY_EXIT, _TAKE_DOWN),
    _S.WITHDRAWN: (
        _NOT_YOURS,
        LifeRule(When.ALWAYS, Outcome.DUPLICATE, "ALREADY_WITHDRAWN", Effect.CONFIRM),
    ),
    _S.TAKEN_BACK: (
        *_AWAITS_ITS_OWN,
        LifeRule(When.ALWAYS, Outcome.DUPLICATE, "ALREADY_WITHDRAWN", Effect.CONFIRM),
    ),
    _S.MOVED: (_NOT_YOURS, _TAKEN_DOWN_WHERE_IT_WAS),
}
_BY_STATEMENT: Final[dict[Statement, dict[Standing, tuple[LifeRule, ...]]]] = {
    _T.ROW: _ROWS,
    _T.PERFORMANCE: {**_ROWS, _S.NONE: (_WAIT,), _S.AWAITED: (_WAITS, _WAIT)},
    _T.CORRECTION: {
        _S.NONE: (_WAIT,),
        _S.AWAITED: (_WAITS, _WAIT),
        _S.QUARANTINED: (_ACCEPT,),
        _S.TAKEN_BACK: (_OLDER, _ACCEPT),
        _S.LIVE: (_NOT_YOURS, _SAME, _OLDER, _PERFORMED, _CORRECTS),
        _S.WITHDRAWN: (_NOT_YOURS, _OLDER, _refused(When.ALWAYS, "RECORD_WITHDRAWN")),
        _S.MOVED: (_NOT_YOURS, _OLDER, _HAS_MOVED),
    },
    _T.WITHDRAWAL: _TAKE_DOWNS,
    _T.EXIT: _TAKE_DOWNS,
    _T.DEPARTURE: {
        _S.NONE: (_UNCHANGED, _ANOTHERS_MOVE, _WAIT),
        _S.AWAITED: (_UNCHANGED, _ANOTHERS_MOVE, _WAITS, _WAIT),
        _S.QUARANTINED: (_UNCHANGED, _ANOTHERS_MOVE, *_AWAITS_ITS_OWN, _LEAVE),
        _S.TAKEN_BACK: (_UNCHANGED, _ANOTHERS_MOVE, *_AWAITS_ITS_OWN, _LEAVE),
        _S.LIVE: (_UNCHANGED, _NOT_YOURS, _ANOTHERS_MOVE, _OLDER_TAKE_DOWN, _ALREADY_MOVED, _LEAVE),
        _S.WITHDRAWN: (_UNCHANGED, _NOT_YOURS, _refused(When.ALWAYS, "RECORD_WITHDRAWN")),
        _S.MOVED: (
            _UNCHANGED,
            _NOT_YOURS,
            _ANOTHERS_MOVE,
            LifeRule(When.LEFT_FOR_IT, Outcome.DUPLICATE, "ALREADY_MOVED", Effect.NOTHING),
            _HAS_MOVED,
        ),
    },
    _T.ARRIVAL: {
        _S.NONE: _ARRIVES,
        _S.AWAITED: _ARRIVES,
        _S.QUARANTINED: _arrives_again("RECORD_WITHDRAWN"),
        _S.TAKEN_BACK: _arrives_again("RECORD_WITHDRAWN"),
        _S.WITHDRAWN: _arrives_again("RECORD_WITHDRAWN"),
        _S.MOVED: _arrives_again("RECORD_MOVED"),
        _S.LIVE: (
            _refused(When.ARRIVED_ELSEWHERE, "MOVE_TAKEN"),
            _NOT_WHAT_LEFT,
            _SAME,
            _OLDER,
            _conflict("UNDECLARED_CHANGE"),
        ),
    },
    _T.RESTORATION: {
        _S.NONE: (_WAIT,),
        _S.AWAITED: (_WAITS, _WAIT),
        _S.QUARANTINED: (_ACCEPT,),
        _S.TAKEN_BACK: (_OLDER, _ACCEPT),
        _S.LIVE: (_NOT_YOURS, _SAME, _refused(When.ALWAYS, "RECORD_NOT_WITHDRAWN")),
        _S.WITHDRAWN: (
            _NOT_YOURS,
            _superseded(When.OLDER, "RESTORATION_OLDER_THAN_WITHDRAWAL"),
            _PERFORMED,
            LifeRule(When.ALWAYS, Outcome.ACCEPTED, "", Effect.RESTORE),
        ),
        _S.MOVED: (_NOT_YOURS, _HAS_MOVED),
    },
}
TABLE: Final[dict[tuple[Standing, Statement], tuple[LifeRule, ...]]] = {
    (standing, statement): lines
    for statement, by_standing in _BY_STATEMENT.items()
    for standing, lines in by_standing.items()
}
"""Every statement in every state."""

CARRIES_ROW: Final = frozenset({_T.ROW, _T.PERFORMANCE, _T.CORRECTION, _T.ARRIVAL, _T.RESTORATION})
"""Statements that carry a full row."""
MOVES: Final = frozenset({_T.DEPARTURE, _T.ARRIVAL})


def standing_of(old: RecordState | None) -> Standing:
    """Return the state of a record."""
    if old is None:
        return Standing.NONE
    if old.status is Status.LIVE:
        return Standing.LIVE
    if old.status is Status.QUARANTINED:
        return Standing.QUARANTINED
    if old.status is Status.HELD:
        return Standing.AWAITED if old.waiting else Standing.NONE
    if old.status is Status.MOVED:
        return Standing.MOVED
    return Standing.WITHDRAWN if old.was_live else Standing.TAKEN_BACK
