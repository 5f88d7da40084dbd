"""Records of a courier: work, attempts, outcomes, and their bytes.

`attempts.<target>` holds intents (before a request leaves) and results (after it is understood),
`outcomes.<target>` only what the registrar must know: changes of stage. Both are keyed by credit
code and partitioned like the ledger.
"""

from __future__ import annotations

import json
import struct
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, cast

from hub.core.record import PREFIX, Outcome, decode_record, topic_id
from hub.core.resend import row_of
from hub.core.state import NEVER, ClockKind, Status
from hub.core.wire import decode_bytes, decode_text, encode_bytes, encode_text
from hub.engine.courier_life import State
from hub.targets.delivery import Action, canonical_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hub.contracts import Contracts
    from hub.core.record import LedgerRecord
    from hub.ports import InputRecord

Result = Literal[
    "delivered", "accepted", "refused", "retry", "away", "unknown", "overtaken", "absent"
]
"""`retry`: this record failed, nothing happened; `away`: the platform as a whole did; `absent`: it
holds nothing to withdraw; `overtaken`: something newer may leave, or has."""

# partition, sequence, version, due_at, action, epoch, and as what the platform knows it
_WORK: Final = struct.Struct(">HQIQcHQQ")
_EPOCH_NUMBERS: Final = 32
_EPOCH_VERSIONS: Final = 20
"""Bits by which an epoch lifts what platforms order by above all that was ever sent before."""
_ACTIONS: Final[dict[bytes, Action]] = {
    b"P": "publish", b"W": "withdraw", b"p": "publish", b"w": "withdraw",
}  # fmt: skip
"""Small letters are what is sent once more."""
_NOTED: Final = Outcome.OUTCOME_NOTED.encode()
_ADOPTED: Final = Outcome.BASIS_ADOPTED.encode()


class Work(NamedTuple):
    """One thing to do at the target, as the ledger named it."""

    partition: int
    sequence: int
    record_key: bytes
    version: int
    action: Action
    due_at: int
    """Business milliseconds; `NEVER` when no clock runs."""
    kind: str
    key: bytes
    """Credit code, the Kafka key."""
    is_again: bool = False
    """Whether it is sent once more on request."""
    department: str = ""
    """Who submitted the record."""
    epoch: int = 0
    """Of the ledger's partition when it was named (see `hub.core.ledger_end`)."""
    known_as: tuple[int, int] | None = None
    """Number and version under which the platform was sent the same before, by a naming that the
    ledger has lost."""

    @property
    def number(self) -> int:
        """Order of versions at the platform: the sequence, above all that an earlier epoch sent."""
        return self.known_as[0] if self.known_as else self.sequence + (self.epoch << _EPOCH_NUMBERS)

    @property
    def shown_version(self) -> int:
        """The version for the platform: above all that an earlier epoch sent."""
        if self.known_as:
            return self.known_as[1]
        return self.version + (self.epoch << _EPOCH_VERSIONS)


class AttemptMessage(NamedTuple):
    """One message of `attempts.<target>`: an intent (`result` is empty) or a result."""

    delivery: str
    digest: str
    work: Work
    attempt: int
    at: int
    result: Result | Literal[""] = ""
    stage: str = ""
    """The stage for the registrar, or empty when nothing changed for it."""
    receipt: str = ""
    code: str = ""
    message: str = ""
    platform_at: int | None = None
    state: State = State.ON_ITS_WAY
    """State of the delivery after it."""
    repeat: int = 0
    """How often the work was sent under an id of its own before."""


def pack_work(work: Work, row: bytes) -> bytes:
    """Pack work and the framed row it publishes (empty for a withdrawal)."""
    letter = b"P" if work.action == "publish" else b"W"
    if work.is_again:
        letter = letter.lower()
    head = _WORK.pack(
        work.partition, work.sequence, work.version, work.due_at, letter, work.epoch,
        *(work.known_as or _NOT_KNOWN),
    )  # fmt: skip
    texts = encode_text(work.kind), encode_bytes(work.key), encode_text(work.department)
    return b"".join((head, *texts, row))


def unpack_work(record_key: bytes, stored: bytes) -> tuple[Work, bytes]:
    """Read what `pack_work` wrote."""
    partition, sequence, version, due_at, letter, epoch, *known = _WORK.unpack_from(stored)
    kind, at = decode_text(stored, _WORK.size)
    key, at = decode_bytes(stored, at)
    department, at = decode_text(stored, at)
    work = Work(
        partition, sequence, record_key, version, _ACTIONS[letter], due_at, kind, key,
        letter.islower(), department, epoch, _known_as(known),
    )  # fmt: skip
    return work, stored[at:]


_NOT_KNOWN: Final = (0, 0)
"""No version is 0."""


def _known_as(known: Sequence[int] | None) -> tuple[int, int] | None:
    number, version = known or _NOT_KNOWN
    return (number, version) if version else None


_SENT_ANEW: Final = frozenset({Outcome.RESENT, Outcome.REPROJECTED})
_EXPIRED: Final = "公示期满".encode()
_NO_LONGER_SHOWN: Final = "更正后不再向本平台公示".encode()
_NOT_SHOWN_HERE: Final = "不再向本平台公示".encode()


class Noted(NamedTuple):
    """A report of this target that the registrar has written into the ledger.

    The ledger outlives `attempts.<target>`, so a courier that lost its state years later still
    knows what was done.
    """

    record_key: bytes
    action: Action
    stage: str
    sequence: int
    """The ledger record it answers."""
    repeat: int = 0
    """How often that was sent under an id of its own before."""
    epoch: int = 0
    """That record's."""


class TargetReader:
    """Finds what concerns one target in the ledger."""

    def __init__(self, number: int, outcomes_topic: str, contracts: Contracts) -> None:
        """`number` is the target's bit in the ledger's masks."""
        self._number = number
        self._bit = 1 << number
        self._reports = topic_id(outcomes_topic)
        self._target = outcomes_topic.rpartition("outcomes.")[2]
        self._contracts = contracts
        self.strange: set[int] = set()
        """Partitions where the number, as far as was read, belongs to no target or a different one:
        namings of it there are not for this target."""

    def read(self, record: InputRecord, epoch: int = 0) -> tuple[Work, bytes] | Noted | None:
        """Return the work and its framed row, or a noted report, or None.

        `epoch` is the partition's there.

        Most records name other targets or none: only the fixed part of those is looked at.
        """
        fixed = PREFIX.unpack_from(record.value)
        publish, withdraw = fixed[7] & self._bit, fixed[8] & self._bit
        if fixed[6] == _ADOPTED:
            self._follow(record)
        elif (publish or withdraw) and record.partition not in self.strange:
            return self._work(record, epoch, is_publication=bool(publish))
        if fixed[4] == self._reports and fixed[6] == _NOTED:
            told = json.loads(decode_record(record.value).cause.value)
            if "sequence" not in told:
                return None  # not by a courier: it does not say which naming it is about
            return Noted(
                bytes.fromhex(told["record"]), told["action"], told["stage"], told["sequence"],
                told.get("repeat", 0), told.get("epoch", 0),
            )  # fmt: skip
        return None

    def _follow(self, record: InputRecord) -> None:
        """From here on the number is whose the adopted basis says."""
        site = json.loads(decode_record(record.value).cause.value)["basis"]["site"]
        names = {target["number"]: target["id"] for target in site["targets"]}
        if names.get(self._number) == self._target:
            self.strange.discard(record.partition)
        else:
            self.strange.add(record.partition)

    def _work(
        self, source: InputRecord, epoch: int, *, is_publication: bool
    ) -> tuple[Work, bytes] | None:
        record = decode_record(source.value)
        if record.state is None:
            return None
        clock = ClockKind.DISCLOSE if is_publication else ClockKind.WITHDRAW
        dues = [
            one.due_at
            for one in record.state.clocks
            if one.target == self._number and one.kind is clock and one.is_running
        ]
        work = Work(
            source.partition,
            record.sequence,
            record.record_key,
            record.version,
            "publish" if is_publication else "withdraw",
            min(dues, default=NEVER),
            record.state.kind,
            record.state.subject_key,
            record.outcome is Outcome.RESENT,
            record.state.department,
            epoch,
        )
        return work, row_of(record, self._contracts) if is_publication else _why(record)


def _why(record: LedgerRecord) -> bytes:
    """The framed submission that gives the reason of a withdrawal, or the reason itself."""
    if record.outcome in _SENT_ANEW:
        if _is_down(record) and record.row:
            return record.row
        is_over = any(reason.code == "DISCLOSURE_PERIOD_OVER" for reason in record.reasons)
        return _EXPIRED if is_over else _NOT_SHOWN_HERE
    if record.outcome is Outcome.WITHDRAWN:  # by a withdrawal, a departure or a court's exit
        return record.cause.value
    if record.outcome is Outcome.HELD_RELEASED and _is_down(record):
        return record.row  # what waited, and was decided when its record came
    return _EXPIRED if record.outcome is Outcome.EXPIRED else _NO_LONGER_SHOWN


def _is_down(record: LedgerRecord) -> bool:
    return record.state is not None and record.state.status is not Status.LIVE


def encode_event(event: AttemptMessage) -> bytes:
    """Write an attempt message; JSON, so that an operator can read it with any tool."""
    work = event.work
    return canonical_json(
        {
            "event": "resulted" if event.result else "intended",
            "delivery": event.delivery,
            "digest": event.digest,
            "record": work.record_key.hex(),
            "version": work.version,
            "action": work.action,
            "kind": work.kind,
            "department": work.department,
            "due_at": work.due_at,
            "partition": work.partition,
            "sequence": work.sequence,
            "attempt": event.attempt,
            "result": event.result,
            "stage": event.stage,
            "receipt": event.receipt,
            "code": event.code,
            "message": event.message,
            "platform_at": event.platform_at,
            "at": event.at,
            "state": event.state.name.lower(),
            "repeat": event.repeat,
            **({"again": True} if work.is_again else {}),
            **({"epoch": work.epoch} if work.epoch else {}),
            **({"known_as": work.known_as} if work.known_as else {}),
        }
    )


def decode_event(value: bytes, key: bytes) -> AttemptMessage:
    """Read an attempt message. Raises `KeyError`, `ValueError` on what is none."""
    told = json.loads(value)
    work = Work(
        told["partition"],
        told["sequence"],
        bytes.fromhex(told["record"]),
        told["version"],
        told["action"],
        told["due_at"],
        told["kind"],
        key,
        told.get("again", False),
        told["department"],
        told.get("epoch", 0),
        _known_as(told.get("known_as")),
    )
    return AttemptMessage(
        told["delivery"],
        told["digest"],
        work,
        told["attempt"],
        told["at"],
        cast("Result", told["result"]),
        told["stage"],
        told["receipt"],
        told["code"],
        told["message"],
        told["platform_at"],
        State[told["state"].upper()],
        told["repeat"],
    )


def outcome_id(event: AttemptMessage) -> str:
    """Identity of a report: a repeated report has the same one."""
    text = f"{event.delivery}|{event.stage}|{event.receipt}"
    return sha256(text.encode()).hexdigest()[:32]


class ReportedRecord(NamedTuple):
    """The ledger record that a report is about."""

    epoch: int
    sequence: int
    record_key: bytes


def named_in(value: bytes) -> ReportedRecord | None:
    """Return the subject of a courier's report; None for other senders', and unreadable ones."""
    try:
        told = json.loads(value)
        named = ReportedRecord(
            int(told.get("epoch", 0)), int(told["sequence"]), bytes.fromhex(told["record"])
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None
    return named if named.sequence >= 0 <= named.epoch else None


def encode_outcome(event: AttemptMessage) -> bytes:
    """Write the report of a changed stage for the registrar."""
    return canonical_json(
        {
            "outcome": outcome_id(event),
            "delivery": event.delivery,
            "record": event.work.record_key.hex(),
            "version": event.work.version,
            "action": event.work.action,
            "stage": event.stage,
            "receipt": event.receipt,
            "code": event.code,
            "message": event.message,
            "platform_at": event.platform_at,
            "at": event.at,
            "sequence": event.work.sequence,
            "repeat": event.repeat,
            **({"again": True} if event.work.is_again else {}),
            **({"epoch": event.work.epoch} if event.work.epoch else {}),
        }
    )
