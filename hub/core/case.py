"""One statement about one record: what the conditions of the table ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hub.core import keys, waiting
from hub.core.life import Statement, When, standing_of
from hub.core.moves import (
    MoveVerdict,
    arrives_at,
    known_of,
    left_by,
    left_for,
    made_by,
    verdict_on,
)
from hub.core.progress import Progress
from hub.core.record import NO_KEY
from hub.core.state import SOURCES_KEPT, Heard, RecordFlag, RecordState, Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.core.basis import Basis
    from hub.core.causes import Submission
    from hub.core.keys import View


class Case:
    """A statement, the record it is about, and what is known beside it."""

    def __init__(
        self, view: View, s: Submission, old: RecordState | None, basis: Basis,
        verdict: MoveVerdict | None = None, held_at: int = 0,
    ) -> None:  # fmt: skip
        """`verdict`: on the departure, where it has just come; else the view knows it.

        `held_at`: ledger sequence since which the statement has waited.
        """
        self.view = view
        self.s = s
        self.old = old
        self.standing = standing_of(old)
        self.basis = basis
        self._verdict = verdict
        self.held_at = held_at

    def holds(self, when: When) -> bool:
        """Whether a condition of the table holds."""
        if when is When.ALWAYS:
            return True
        return _CONDITIONS[when](self)

    @property
    def is_owners_move(self) -> bool:
        """Whether the sender may act for the owner of what has left."""
        verdict = self.verdict
        return verdict is None or self.basis.may_act_on(self.s.department, verdict.owner)

    @property
    def has_left(self) -> bool:
        """Whether the departure to this arrival was made."""
        verdict = self.verdict
        return verdict is not None and verdict.has_left

    @property
    def verdict(self) -> MoveVerdict | None:
        """Return the known state of the departure to this arrival."""
        verdict = self._verdict or verdict_on(self.view, self.s.move_id, self.s.cause.key)
        return verdict if verdict is not None and is_departure_of(self.s, verdict) else None

    @property
    def move(self) -> MoveVerdict | None:
        """Return the known state of this move, of any record and to any identity."""
        return self._verdict or known_of(self.view, self.s.move_id)


def is_older(s: Submission, old: RecordState | None) -> bool:
    """Whether a greater version of the same source has taken effect."""
    if not s.source_version or old is None:
        return False
    return any(h.source == s.source and h.version > s.source_version for h in old.heard)


def is_heard_last(s: Submission, old: RecordState) -> bool:
    """Whether the statement has an order, of the source heard last of the record."""
    return bool(s.source_version and old.heard and old.heard[0].source == s.source)


def _is_older_than_left(case: Case) -> bool:
    """Whether an arrival is older than what its record had heard where it left."""
    s = case.s
    if s.statement is not Statement.ARRIVAL or not s.source_version:
        return False
    verdict = case.verdict
    return (
        verdict is not None
        and verdict.has_left
        and any(h.source == s.source and h.version > s.source_version for h in verdict.heard)
    )


def drop_order(s: Submission, old: RecordState | None) -> None:
    """Take a source as one without versions where as many others are remembered as can be.

    Nothing is forgotten to make room for it: what is forgotten could be overwritten by older. An
    arrival brings a memory along, and its own source has room beside that.
    """
    if old is None or not s.source_version or len(old.heard) < SOURCES_KEPT:
        return
    if s.statement is Statement.ARRIVAL:
        return
    if all(h.source != s.source for h in old.heard):
        s.source_version = 0
        s.warn("SOURCES_TOO_MANY", "ce_source")


def heard_of(
    old: RecordState | None, s: Submission, verdict: MoveVerdict | None = None
) -> tuple[Heard, ...]:
    """The memory of order once a statement has taken effect; it never falls.

    `verdict`: of an arrival; what the record's old identity had heard is the later memory.
    """
    before = old.heard if old is not None else ()
    if verdict is not None and verdict.heard:
        before = _joined(verdict.heard, before)
    if not s.source_version:
        return before
    known = max((h.version for h in before if h.source == s.source), default=0)
    rest = tuple(h for h in before if h.source != s.source)
    return (Heard(s.source, max(known, s.source_version)), *rest)


def _joined(later: tuple[Heard, ...], earlier: tuple[Heard, ...]) -> tuple[Heard, ...]:
    """Two memories of order as one: of each source the greatest version."""
    known: dict[bytes, int] = {}
    for each in later + earlier:
        known[each.source] = max(each.version, known.get(each.source, 0))
    return tuple(Heard(source, version) for source, version in known.items())


def _is_not_yours(case: Case) -> bool:
    """Whether the record has an owner for whom the sender may not act.

    The sender of a row that was only ever quarantined, or of a take-down that waits, owns nothing
    that an arriving row of another department could take. A move belongs to the departed record's
    owner.
    """
    old, s = case.old, case.s
    if s.statement is Statement.ARRIVAL and case.has_left and not case.is_owners_move:
        return True
    if old is None or case.basis.may_act_on(s.department, old.department):
        return False
    if s.statement is not Statement.ARRIVAL or old.was_live:
        return True
    return old.status is Status.HELD and waiting.holds_row(old) and not case.has_left


def _has_same_content(case: Case) -> bool:
    return case.old is not None and case.old.content == case.s.content


def _is_away(case: Case) -> bool:
    old = case.old
    return old is not None and bool(old.flags & RecordFlag.AWAY) and _has_same_content(case)


def _is_stale(case: Case) -> bool:
    return case.old is not None and (case.basis.followed_by(case.old.kind) == case.s.subject_kind)


def _left_performed(case: Case) -> bool:
    verdict = case.verdict
    return (
        verdict is not None
        and verdict.has_left
        and case.basis.followed_by(verdict.kind) == case.s.subject_kind
    )


def _step(case: Case) -> int:
    """Whether a row is the next step of a performance on record (1), an earlier one (-1), or 0."""
    old, s = case.old, case.s
    if old is None or s.progress is None or not old.flags & RecordFlag.PERFORMANCE:
        return 0
    stored = case.view.get(keys.performance(s.record_key))
    return 0 if stored is None else s.progress.against(Progress.from_text(stored.decode()))


def _is_next_step(case: Case) -> bool:
    follows = case.old is not None and (
        case.basis.followed_by(case.s.subject_kind) == case.old.kind
    )
    return follows or _step(case) > 0


def _is_listed_later(case: Case) -> bool:
    return case.old is not None and 0 < case.old.ended_on < case.s.decided_on


def _is_valid_again(case: Case) -> bool:
    s = case.s
    return (
        s.is_stated_valid
        and case.old is not None
        and bool(case.old.flags & RecordFlag.BY_SOURCE)
        and is_heard_last(s, case.old)
        and case.old.heard[0].version < s.source_version
    )


def _exits_before_entry(case: Case) -> bool:
    old, s = case.old, case.s
    return s.statement is Statement.EXIT and old is not None and s.decided_on < old.decided_on


def is_departure_of(arrival: Submission, verdict: MoveVerdict) -> bool:
    """Whether a departure is of the record that an arriving row says it was."""
    before = {each.other_key for each in arrival.identities} | {arrival.other_key}
    return verdict.left == NO_KEY or verdict.left in before


def _other_left(case: Case) -> bool:
    """Whether another record has left by this move than the one that arrives."""
    move = case.move
    return move is not None and move.has_left and not is_departure_of(case.s, move)


def _is_anothers_move(case: Case) -> bool:
    """Whether another record has left by this move than the one that is to leave."""
    move = case.move
    return move is not None and move.has_left and move.left != case.s.record_key


def _keeps_identity(case: Case) -> bool:
    s = case.s
    return s.other_key == s.record_key or arrives_at(case.view, s.move_id) == s.record_key


def _has_left_for_it(case: Case) -> bool:
    return left_for(case.view, case.s.record_key) == case.s.other_key


def _arrived_elsewhere(case: Case) -> bool:
    return arrives_at(case.view, case.s.move_id) not in (None, case.s.record_key)


def _is_overtaken(case: Case) -> bool:
    """Whether what is here was taken down, or left, after its departure or after this was said.

    One departure lets one record in once: a record that left here again is elsewhere. One that was
    never in force brings back nothing that was. A home-coming may be declared before the journey is
    over; then the record leaves there after it left here.
    """
    old, s, verdict = case.old, case.s, case.verdict
    if old is None or not old.down_at:
        return False
    has_moved = old.status is Status.MOVED
    if case.held_at and case.held_at < old.down_at:
        departure = made_by(case.view, s.record_key)
        has_left_last = departure is not None and departure.sequence == old.down_at
        is_home = left_for(case.view, s.record_key) == s.other_key
        is_way_back = verdict is None or not verdict.has_left or verdict.noted > old.down_at
        return not (has_moved and has_left_last and is_home and is_way_back)
    if verdict is None or not verdict.has_left:
        return False
    return verdict.noted < old.down_at if verdict.kind else has_moved


def _left_by_it(case: Case) -> bool:
    return case.s.move_id in left_by(case.view, case.s.record_key)


def _has_not_left(case: Case) -> bool:
    verdict = case.verdict
    return verdict is not None and not verdict.has_left


_CONDITIONS: Final[dict[When, Callable[[Case], bool]]] = {
    When.NOT_YOURS: _is_not_yours,
    When.OLDER: lambda case: is_older(case.s, case.old) or _is_older_than_left(case),
    When.SAME_CONTENT: _has_same_content,
    When.AWAY: _is_away,
    When.STALE: _is_stale,
    When.NEXT_STEP: _is_next_step,
    When.ANOTHERS_STEP: lambda case: _is_next_step(case) and _is_not_yours(case),
    When.EARLIER_STEP: lambda case: _step(case) < 0,
    When.LISTED_LATER: _is_listed_later,
    When.VALID_OTHERWISE: lambda case: _is_valid_again(case) and not _has_same_content(case),
    When.VALID_AGAIN: _is_valid_again,
    When.EXIT_BEFORE_ENTRY: _exits_before_entry,
    When.WAITS_ALREADY: lambda case: waiting.waits_already(case.old, case.s),
    When.WAITS_FOR_ITS_OWN: lambda case: (
        _is_not_yours(case) and waiting.waits_already(case.old, case.s)
    ),
    When.ANOTHER_WAITS: lambda case: waiting.move_waits(case.old, case.s),
    When.SAME_IDENTITY: _keeps_identity,
    When.LEFT_FOR_IT: _has_left_for_it,
    When.ARRIVED_ELSEWHERE: _arrived_elsewhere,
    When.OTHER_LEFT: _other_left,
    When.MOVE_OF_ANOTHER: _is_anothers_move,
    When.LEFT_PERFORMED: _left_performed,
    When.LEFT: lambda case: case.has_left,
    When.LEFT_BY_IT: _left_by_it,
    When.OVERTAKEN: _is_overtaken,
    When.NOT_LEFT: _has_not_left,
}
