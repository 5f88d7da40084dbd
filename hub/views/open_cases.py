"""Cases that wait for a person: what opens a case, whose turn it is, and what ends it.

A return that was refused, a take-down that came too late, a withdrawal that a platform refuses:
nothing of this mends itself, and none of it may pass in silence. Cases are a fold of the ledger,
record by record: the look-up tables and the monthly report carry the same one on.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.core.life import Statement
from hub.core.record import NO_KEY, NO_SEQUENCE, CauseKind, Outcome
from hub.core.state import RecordFlag, StageCode, Status
from hub.core.waiting import FOR_MOVE, FOR_RECORD, is_nothing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hub.core.record import LedgerRecord, Reason
    from hub.core.state import RecordState
    from hub.views.entry import StageRow


class CaseKind(StrEnum):
    """Kinds of cases, as look-ups and metrics name them."""

    WAITING = "waiting"
    """A statement waits for its record or its move."""
    RETURN_REFUSED = "return_refused"
    """A row that was taken down, or has moved, came again and is not shown."""
    TAKE_DOWN_SUPERSEDED = "take_down_superseded"
    """A withdrawal, exit or departure older than what is shown: it is shown still."""
    TAKE_DOWN_OF_MOVED = "take_down_of_moved"
    """A withdrawal or exit names an identity that the record has left: it may be shown still."""
    ARRIVAL_MISSING = "arrival_missing"
    """A record has left for another identity and has not arrived: it is shown nowhere."""
    RESTORATION_SUPERSEDED = "restoration_superseded"
    """A restoration older than the withdrawal: it is not shown."""
    ARRIVAL_SUPERSEDED = "arrival_superseded"
    """A move whose arrival is older than the record: it is shown nowhere."""
    NUMBER_REUSED = "number_reused"
    """A submission's number was used for other content."""
    CONFLICTING = "conflicting"
    """Other content came for what is on record, and was not declared a correction."""
    SEVERAL_MEANT = "several_meant"
    """A statement may be about either of two records of authorities that were merged."""
    PUBLICATION_REFUSED = "publication_refused"
    """A platform refuses the content of a record."""
    WITHDRAWAL_REFUSED = "withdrawal_refused"
    """A platform refuses to take a record down: it is shown still."""
    PARKED = "parked"
    """A delivery failed again and again: only at this record, the platform answers others."""


class Turn(StrEnum):
    """Who must do something about a case."""

    DEPARTMENT = "department"
    CENTRE = "centre"
    """The credit centre, which runs the hub and is in contact with the platforms' owners."""
    PLATFORM = "platform"
    """The engineer of the platform."""


class CaseEnd(StrEnum):
    """How a case ended."""

    ANSWERED = "answered"
    """A later statement about the record."""
    RELEASED = "released"
    """The awaited record came, and the statement took effect."""
    DECIDED = "decided"
    """The awaited record came, and the statement took no effect."""
    WAIT_OVER = "wait_over"
    """The awaited record did not come in time."""
    DELIVERED = "delivered"
    """The platform took the delivery: sent, acknowledged or published."""
    WITHDRAWN = "withdrawn"
    """The platform took the record down."""
    REFUSED = "refused"
    """The platform refused what was parked: that is a case of its own."""
    NAMED_AGAIN = "named_again"
    """The platform was named once more for the same version."""
    NEWER_VERSION = "newer_version"
    """The platform was named for a newer version."""


class CaseRow(NamedTuple):
    """One case, open or ended; times are business milliseconds."""

    partition: int
    opened: int
    """Sequence of the ledger record that opened it."""
    case_kind: str
    """`CaseKind`."""
    record_key: bytes
    target: int
    """-1 where it is about no target."""
    version: int
    """Of the delivery; 0 where it is about none."""
    action: str
    """`publish` or `withdraw`; empty where it is about no delivery."""
    live_sequence: int
    """Version of the record at that time; -1 where that does not matter."""
    since: int
    sequence: int
    """Of the last ledger record that says the same."""
    times: int
    waits_for: str
    """Of a statement that waits: `record` or `move`."""
    until: int | None
    """Of a statement that waits."""
    code: str
    """The platform's."""
    message: str
    """The platform's; of a record that has left, the key that it left for."""
    ended: int | None
    """Sequence of the ledger record that ended it."""
    ended_at: int | None
    how: str
    """`CaseEnd`; empty while it is open."""

    @property
    def key(self) -> tuple[int, int, str]:
        """Identifies a case: one ledger record opens one of a kind."""
        return self.partition, self.opened, self.case_kind


_TURNS: Final = {
    CaseKind.WITHDRAWAL_REFUSED: Turn.CENTRE,
    CaseKind.PARKED: Turn.PLATFORM,
}
_OPENED_BY: Final = {
    "SAME_AS_WITHDRAWN": CaseKind.RETURN_REFUSED,
    "CHANGED_AFTER_WITHDRAWAL": CaseKind.RETURN_REFUSED,
    "CHANGED_AFTER_MOVE": CaseKind.RETURN_REFUSED,
    "WITHDRAWAL_OLDER_THAN_LIVE": CaseKind.TAKE_DOWN_SUPERSEDED,
    "EXIT_BEFORE_LISTING": CaseKind.TAKE_DOWN_SUPERSEDED,
    "TAKE_DOWN_OF_MOVED": CaseKind.TAKE_DOWN_OF_MOVED,
    "MOVED_NOT_ARRIVED": CaseKind.ARRIVAL_MISSING,
    "RESTORATION_OLDER_THAN_WITHDRAWAL": CaseKind.RESTORATION_SUPERSEDED,
    "ARRIVAL_OLDER_THAN_RECORD": CaseKind.ARRIVAL_SUPERSEDED,
    "SUBMISSION_NUMBER_REUSED": CaseKind.NUMBER_REUSED,
    "UNDECLARED_CHANGE": CaseKind.CONFLICTING,
    "SEVERAL_PREDECESSORS": CaseKind.SEVERAL_MEANT,
}
_DOWN_ALREADY: Final = frozenset({"ALREADY_WITHDRAWN"})
_MOVED_ALREADY: Final = frozenset({"ALREADY_MOVED"})
_CONFIRMED_BY: Final = {
    CaseKind.RETURN_REFUSED: _DOWN_ALREADY | _MOVED_ALREADY,
    CaseKind.RESTORATION_SUPERSEDED: _DOWN_ALREADY,
    CaseKind.ARRIVAL_SUPERSEDED: _DOWN_ALREADY,
    CaseKind.TAKE_DOWN_SUPERSEDED: _DOWN_ALREADY,
    CaseKind.TAKE_DOWN_OF_MOVED: _MOVED_ALREADY,
}
"""A later take-down or departure that confirms the record's state."""
PARKED: Final = "DELIVERY_PARKED"
"""Reason of a ledger record that notes an outstanding delivery as parked."""
_OF_KIND: Final = {
    CaseKind.ARRIVAL_MISSING: "MOVED_NOT_ARRIVED",
    CaseKind.PUBLICATION_REFUSED: "REFUSED_BY_TARGET",
    CaseKind.WITHDRAWAL_REFUSED: "WITHDRAWAL_REFUSED_BY_TARGET",
    CaseKind.PARKED: PARKED,
}
_OF_WAITING: Final = {FOR_RECORD: "WAITING_FOR_RECORD", FOR_MOVE: "WAITING_FOR_MOVE"}
CODES: Final = frozenset({*_OPENED_BY, *_OF_KIND.values(), *_OF_WAITING.values()})
"""Reason codes that say why a case is open and what to do."""
_DOWN: Final = (Status.WITHDRAWN, Status.MOVED)
_STANDS: Final = {
    CaseKind.RETURN_REFUSED: _DOWN,
    CaseKind.RESTORATION_SUPERSEDED: _DOWN,
    CaseKind.ARRIVAL_SUPERSEDED: (*_DOWN, Status.QUARANTINED, Status.HELD),
    CaseKind.TAKE_DOWN_SUPERSEDED: (Status.LIVE, Status.QUARANTINED),
    CaseKind.TAKE_DOWN_OF_MOVED: (Status.MOVED,),
}
"""State of a record while a case about it is open."""
_ENDED_BY_ANY: Final = frozenset({CaseKind.NUMBER_REUSED, CaseKind.SEVERAL_MEANT})
"""Cases that end with the next statement that gets an answer of its own."""
_REACHED: Final = {
    "named": CaseEnd.NAMED_AGAIN,
    "withdrawn": CaseEnd.WITHDRAWN,
    "refused": CaseEnd.REFUSED,
}
_REFUSED: Final = {"publish": CaseKind.PUBLICATION_REFUSED, "withdraw": CaseKind.WITHDRAWAL_REFUSED}


def turn_of(kind: CaseKind) -> Turn:
    """Whose turn it is while a case of this kind is open."""
    return _TURNS.get(kind, Turn.DEPARTMENT)


def case_of(reasons: Iterable[Reason]) -> CaseKind | None:
    """The case that an answer to a statement opens."""
    return next((_OPENED_BY[reason.code] for reason in reasons if reason.code in _OPENED_BY), None)


def case_reason(kind: CaseKind, waits_for: str, codes: Iterable[str]) -> str:
    """The reason code that says why a case is open and what to do.

    `codes` are those of the ledger record; of several the first that opens a case.
    """
    if kind is CaseKind.WAITING:
        return _OF_WAITING[waits_for]
    return _OF_KIND.get(kind) or next((code for code in codes if code in _OPENED_BY), "")


class OpenCases:
    """The open cases of some records, carried on through ledger records in their order."""

    def __init__(self, known: Iterable[CaseRow] = ()) -> None:
        """`known`: the open cases of these records before the first ledger record."""
        self._open: dict[tuple[int, bytes], list[CaseRow]] = {}
        for case in known:
            self._open.setdefault((case.partition, case.record_key), []).append(case)
        self.changed: dict[tuple[int, int, str], CaseRow] = {}
        """Every case that was opened, repeated or ended since, in its present state."""

    def note(self, partition: int, record: LedgerRecord, stages: Iterable[StageRow]) -> None:
        """Take in the next ledger record of a partition; `stages` are those it tells of."""
        place = partition, record.record_key
        told = tuple(stages)
        left = []
        before = self._open.pop(place, [])
        for case in before:
            after = _followed(case, record, told)
            if after is not case:
                self.changed[after.key] = after
            if after.ended is None:
                left.append(after)
        for case in _opened(left, partition, record, told):
            self.changed[case.key] = case
            left.append(case)
        if left:
            self._open[place] = left


def _opened(
    left: Sequence[CaseRow], partition: int, record: LedgerRecord, told: Sequence[StageRow]
) -> list[CaseRow]:
    """The cases that this ledger record opens beside those that are open."""
    state = record.state
    found = []
    kind = case_of(record.reasons)
    if kind is not None and _is_so(kind, state) and not _is_open(left, kind):
        found.append(
            _case(partition, record, kind)._replace(live_sequence=_version_meant(kind, record))
        )
    is_away = state is not None and bool(state.flags & RecordFlag.AWAY)
    if is_away and not _is_open(left, CaseKind.ARRIVAL_MISSING):
        leads_to = dict(record.facts).get("sent_to", "")
        gone = _case(partition, record, CaseKind.ARRIVAL_MISSING)
        found.append(gone._replace(message=leads_to))
    for waiting in state.waiting if state is not None else ():
        if waiting.sequence == record.sequence:
            waits_for = FOR_MOVE if waiting.statement == Statement.ARRIVAL else FOR_RECORD
            opened = _case(partition, record, CaseKind.WAITING)
            found.append(opened._replace(waits_for=waits_for, until=waiting.until))
    for report in told:
        kind = _reported(report, record)
        if kind is not None and not _is_open(left, kind, report):
            delivery = _case(partition, record, kind)
            found.append(
                delivery._replace(
                    target=report.target, version=report.version, action=report.action,
                    code=report.code, message=report.message,
                )
            )  # fmt: skip
    return found


def _is_open(left: Iterable[CaseRow], kind: CaseKind, report: StageRow | None = None) -> bool:
    return any(case.case_kind == kind and (report is None or _is_of(case, report)) for case in left)


def _is_of(case: CaseRow, told: StageRow) -> bool:
    """Whether a stage is one of the delivery that a case is about."""
    return (case.target, case.version, case.action) == (told.target, told.version, told.action)


def _is_so(kind: CaseKind, state: RecordState | None) -> bool:
    """Whether the record's state lets the case be open; without a state it does."""
    if state is None:
        return True
    if kind is CaseKind.ARRIVAL_MISSING:
        return bool(state.flags & RecordFlag.AWAY)
    if kind is CaseKind.CONFLICTING:
        return bool(state.flags & RecordFlag.CONFLICT) and not is_nothing(state)
    return kind not in _STANDS or state.status in _STANDS[kind]


def _version_meant(kind: CaseKind, record: LedgerRecord) -> int:
    """The version on record that a case is about; -1 where that does not matter."""
    live = record.refers_to if record.state is None else record.state.live_sequence
    return live if kind in _STANDS and live != NO_SEQUENCE else -1


def _case(partition: int, record: LedgerRecord, kind: CaseKind) -> CaseRow:
    return CaseRow(
        partition, record.sequence, kind.value, record.record_key, -1, 0, "", -1,
        record.decided_at, record.sequence, 1, "", None, "", "", None, None, "",
    )  # fmt: skip


def _reported(report: StageRow, record: LedgerRecord) -> CaseKind | None:
    """The case that a courier's report opens, as far as the registrar took it for news."""
    if report.stage == "parked":
        is_noted = any(reason.code == PARKED for reason in record.reasons)
        return CaseKind.PARKED if is_noted else None
    if report.stage != "refused" or record.state is None:
        return None
    return _REFUSED[report.action]


def _followed(case: CaseRow, record: LedgerRecord, told: Sequence[StageRow]) -> CaseRow:
    """The case after this ledger record: ended, said once more, or as it was."""
    kind = CaseKind(case.case_kind)
    if case.target >= 0:
        how, again = _delivery_goes_on(case, kind, record, told)
    else:
        how, again = _statement_end(case, kind, record), case_of(record.reasons) is kind
    if how is not None:
        return case._replace(ended=record.sequence, ended_at=record.decided_at, how=how.value)
    if not again:
        return case
    return case._replace(sequence=record.sequence, times=case.times + 1)


def _statement_end(case: CaseRow, kind: CaseKind, record: LedgerRecord) -> CaseEnd | None:
    """How a case about a statement ends with this ledger record; None: it does not."""
    state = record.state
    if kind is CaseKind.WAITING:
        return _wait_end(case, record)
    if kind in _ENDED_BY_ANY:
        is_own = record.cause.kind is CauseKind.SUBMISSION and record.submission_key != NO_KEY
        return CaseEnd.ANSWERED if is_own and case_of(record.reasons) is not kind else None
    if kind in _STANDS:
        if any(reason.code in _CONFIRMED_BY[kind] for reason in record.reasons):
            return CaseEnd.ANSWERED
        if state is not None and state.live_sequence != case.live_sequence:
            return CaseEnd.ANSWERED
    return None if _is_so(kind, state) else CaseEnd.ANSWERED


def _wait_end(case: CaseRow, record: LedgerRecord) -> CaseEnd | None:
    state = record.state
    if state is None or any(waiting.sequence == case.opened for waiting in state.waiting):
        return None
    if record.outcome is Outcome.HELD_RELEASED:
        return CaseEnd.RELEASED
    is_over = case.until is not None and case.until <= record.decided_at
    return CaseEnd.WAIT_OVER if is_over else CaseEnd.DECIDED


def _delivery_goes_on(
    case: CaseRow, kind: CaseKind, record: LedgerRecord, told: Sequence[StageRow]
) -> tuple[CaseEnd | None, bool]:
    """How a case about a delivery ends with this ledger record, and whether it is said again."""
    again = False
    for one in told:
        if not _is_of(case, one):
            if one.stage == "named" and one.target == case.target:
                return CaseEnd.NEWER_VERSION, False
            continue
        if kind is CaseKind.PARKED and one.stage != "parked":
            return _REACHED.get(one.stage, CaseEnd.DELIVERED), False
        again = again or one.stage == ("parked" if kind is CaseKind.PARKED else "refused")
    if kind is not CaseKind.PARKED and record.state is not None:
        for stage in record.state.stages:
            if stage.target == case.target and stage.stage is not StageCode.REFUSED:
                return _REACHED.get(stage.stage.name.lower(), CaseEnd.DELIVERED), False
    return None, again
