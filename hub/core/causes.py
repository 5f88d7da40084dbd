"""Causes of ledger records: one small class per cause, read and checked.

`keys` of each are the state it reads; `cause` is what the ledger keeps of it. A cause that learns
from the state which more must be read has `more_keys`, which is asked until it names no key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hub.core.life import Statement
from hub.core.record import NO_KEY, Cause, Reason
from hub.core.state import StageCode

if TYPE_CHECKING:
    from hub.contracts import Checked
    from hub.core.ledger_end import Loss
    from hub.core.moves import MoveVerdict
    from hub.core.progress import Progress

_ZERO_CONTENT = bytes(32)
_NO_DIGEST = bytes(8)


class StageReport(NamedTuple):
    """A courier's report about one delivery."""

    target: int
    version: int
    action: str
    """`P` publish, `W` withdraw."""
    stage: StageCode
    at: int
    platform_at: int
    code: str
    """The platform's reason code when it refused."""
    is_again: bool = False
    """Whether it is about a delivery sent once more on request."""


class Identity(NamedTuple):
    """One of the records a submission may be about, and the other end of its move or correction."""

    record_key: bytes
    other_key: bytes = NO_KEY


class Submission:
    """A submission, read and checked: built up field by field while it is read."""

    # Defaults live on the class: most submissions set only a few of these.
    subject_kind: str
    statement: Statement | None = None
    """None where it states nothing about a record by the table: faulty or one of its own rule."""
    keys: tuple[bytes, ...] = ()
    record_key: bytes = NO_KEY
    submission_key: bytes = NO_KEY
    value_hash: bytes = _ZERO_CONTENT
    """SHA-256 of the value as it came."""
    digest: bytes = _NO_DIGEST
    """Kept with the receipt, so that a number used again for something else shows: the
    first 8 bytes of `value_hash`; where headers decide beside the value, of a hash of both."""
    checked: Checked | None = None
    content: bytes = _ZERO_CONTENT
    decided_on: int = 0
    """Decision date as proleptic ordinal; 0 when unreadable or after the day of arrival."""
    redetermined_on: int = 0
    """Date of redetermination that a correction names; 0 for none."""
    source: bytes = b""
    """8 bytes of the digest of department and stream."""
    source_version: int = 0
    """The source's own version; 0 when it has none, or one that cannot be."""
    is_stated_valid: bool = False
    """Whether a status column of the source says that the row is valid."""
    reasons: tuple[Reason, ...] = ()
    has_errors: bool = False
    is_nameless: bool = False
    """No identity can be read in it: it is a record of its own."""
    is_oversize: bool = False
    carries_row: bool = False
    is_hopeless: bool = False
    """Whether nothing the sender could mend would make it acceptable: it owes nothing."""
    is_foreign: bool = False
    """Whether the department does not submit for this authority, or not this kind."""
    progress: Progress | None = None
    """How far a commitment has been performed, where the row says so."""
    row: bytes = b""
    move_id: bytes = NO_KEY
    other_key: bytes = NO_KEY
    """The record key at the other end of a move, or the previous one of a correction."""
    new_subject_key: bytes = b""
    """Of a departure: the Kafka key of the new identity."""
    about_key: bytes = b""
    """The record that a finding or a lifting is about; it is another than its own."""
    identities: tuple[Identity, ...] = ()
    """Where the authority's code replaced others: the record under each of them, the oldest first;
    the state says which is meant."""
    is_ambiguous: bool = False
    """Whether more than one of these may be meant."""
    twin_keys: tuple[bytes, ...] = ()
    """The identity without its credit code, where quarantined twins must be looked for: under each
    code of the authority; what is quarantined is remembered under the first."""

    def __init__(self, cause: Cause, department: str, kind: str) -> None:
        self.cause = cause
        self.department = department
        self.kind = kind
        self.subject_kind = kind

    def refuse(self, code: str, field: str = "") -> None:
        """Add an error."""
        self.reasons += (Reason(code, field, "error"),)
        self.has_errors = True

    def refuse_as_oversize(self) -> None:
        """Add the error of a submission that the ledger keeps by digest only."""
        self.is_oversize = True
        self.carries_row = True
        self.refuse("RECORD_TOO_LARGE")

    def warn(self, code: str, field: str = "") -> None:
        """Add a warning."""
        self.reasons += (Reason(code, field, "warning"),)


class MoveNoted(NamedTuple):
    """The verdict on a departure, sent to where the record shall arrive."""

    cause: Cause
    kind: str
    move_id: bytes
    verdict: MoveVerdict
    """As it was sent: when it is `noted` is for the partition to say that reads it."""
    keys: tuple[bytes, ...]


class MoveArrived(NamedTuple):
    """Word from the new identity that a record which left has arrived."""

    cause: Cause
    kind: str
    record_key: bytes
    """Of the record that left."""
    move_id: bytes
    keys: tuple[bytes, ...]


class HandOver(NamedTuple):
    """A partition goes to another slot."""

    cause: Cause
    kind: str
    owner: str
    keys: tuple[bytes, ...] = ()


class ResendRequest(NamedTuple):
    """A target is to be sent again what it shows; `days` are proleptic ordinals, inclusive."""

    cause: Cause
    kind: str
    target: str
    days: tuple[int, int]
    document_key: str
    keys: tuple[bytes, ...] = ()


class RedecisionRequest(NamedTuple):
    """Decisions of a rule are to be made again; `days` are proleptic ordinals, inclusive."""

    cause: Cause
    kind: str
    rule: str
    kinds: frozenset[str]
    days: tuple[int, int]
    because: str
    """The operator's words."""
    keys: tuple[bytes, ...] = ()


class LossAcceptance(NamedTuple):
    """Declare ledger records of this partition lost."""

    cause: Cause
    kind: str
    loss: Loss
    keys: tuple[bytes, ...] = ()


class InputLost(NamedTuple):
    """Undecided inputs of a topic, from offset `first` up to `until`, are gone from it."""

    cause: Cause
    kind: str
    topic: str
    first: int
    until: int
    operator: str
    """Who answers for it, in their own words."""
    because: str
    keys: tuple[bytes, ...]


class UnreadableMessage(NamedTuple):
    """An unreadable control or outcome message, or a basis that is not adopted."""

    cause: Cause
    kind: str
    why: str = "PAYLOAD_UNREADABLE"
    """Code of the reason."""
    keys: tuple[bytes, ...] = ()


class OutcomeReport(NamedTuple):
    """A platform's answer, as its courier reports it."""

    cause: Cause
    kind: str
    record_key: bytes
    report: StageReport
    reasons: tuple[Reason, ...]
    keys: tuple[bytes, ...]


class TimerDue(NamedTuple):
    """A timer of one record came due."""

    cause: Cause
    record_key: bytes
    keys: tuple[bytes, ...]


class SweepStep(NamedTuple):
    """One record of a sweep over all deadlines."""

    cause: Cause
    record_key: bytes
    keys: tuple[bytes, ...]


class SweepEnd(NamedTuple):
    """A sweep has visited every record."""

    cause: Cause
    keys: tuple[bytes, ...] = ()


class TwinAnswered(NamedTuple):
    """A good row answered a quarantined record of the same identity under another key."""

    cause: Cause
    record_key: bytes
    keys: tuple[bytes, ...]


class WalkVisit(NamedTuple):
    """A resend visits one record and finds `row` there."""

    cause: Cause
    record_key: bytes
    row: bytes
    walk_key: bytes
    keys: tuple[bytes, ...]


class WalkMark(NamedTuple):
    """A resend has scanned the ledger so far, or to its end."""

    cause: Cause
    keys: tuple[bytes, ...] = ()
