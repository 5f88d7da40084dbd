"""What waits for a person: answers that change nothing by themselves and must not pass in silence.

A return that was refused, a take-down that came too late, a number used twice: the department is
told, and the case stands in `hub due` until a later statement about the record answers it. What
waits for its record is a case of its own from the first day; it is not among these.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hub.core.record import Reason


class CaseKind(StrEnum):
    """What is open, as the look-ups and metrics name it."""

    WAITING = "waiting"
    """A statement waits for its record or its move."""
    RETURN_REFUSED = "return_refused"
    """A row that was taken down, or has moved, came again and is not shown."""
    TAKE_DOWN_SUPERSEDED = "take_down_superseded"
    """A withdrawal, exit or departure older than what is shown: it is shown still."""
    RESTORATION_SUPERSEDED = "restoration_superseded"
    """A restoration older than the withdrawal: it is not shown."""
    NUMBER_REUSED = "number_reused"
    """A submission's number was used for other content."""
    ANSWERED = "answered"
    """Not open: a later take-down that confirms how the record stands."""


OPEN: Final = tuple(kind for kind in CaseKind if kind is not CaseKind.ANSWERED)
"""What can be open."""
_CASES: Final = {
    "SAME_AS_WITHDRAWN": CaseKind.RETURN_REFUSED,
    "CHANGED_AFTER_WITHDRAWAL": CaseKind.RETURN_REFUSED,
    "CHANGED_AFTER_MOVE": CaseKind.RETURN_REFUSED,
    "WITHDRAWAL_OLDER_THAN_LIVE": CaseKind.TAKE_DOWN_SUPERSEDED,
    "EXIT_BEFORE_LISTING": CaseKind.TAKE_DOWN_SUPERSEDED,
    "RESTORATION_OLDER_THAN_WITHDRAWAL": CaseKind.RESTORATION_SUPERSEDED,
    "SUBMISSION_NUMBER_REUSED": CaseKind.NUMBER_REUSED,
    "ALREADY_WITHDRAWN": CaseKind.ANSWERED,
}
CODES: Final = frozenset(_CASES)
"""Reason codes that open a case, or settle one."""
_NEVER_ACCEPTABLE: Final = frozenset(
    {"PERSON_NOT_ENABLED", "KIND_NOT_YOURS", "UNKNOWN_DEPARTMENT", "DEPARTMENT_RETIRED"}
)


def case_of(reasons: Iterable[Reason]) -> CaseKind | None:
    """The case that an answer opens, or answers."""
    return next((_CASES[reason.code] for reason in reasons if reason.code in _CASES), None)


def case_reason(codes: Iterable[str]) -> str:
    """The code among these that says why the case is open and what to do; empty for none."""
    return next((code for code in codes if code in _CASES), "")


def is_never_acceptable(reasons: Iterable[Reason]) -> bool:
    """Whether a refused row could not be accepted however it were mended: it owes nothing."""
    return any(reason.code in _NEVER_ACCEPTABLE for reason in reasons)
