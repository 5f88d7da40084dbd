"""Rows of the look-up tables for one ledger record, made of the record's bytes alone.

The ledger is the truth; these rows can be made again from it at any time and come out equal. Texts
that travelled from departments are cut and freed of NUL here, because a database index takes
neither a megabyte nor a NUL, and a follower must not stop for what the registrar has quarantined.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.contracts import Fault
from hub.contracts.schema import IdentityPart
from hub.core.life import CARRIES_ROW, Statement
from hub.core.record import NO_KEY, NO_SEQUENCE, PRIMARY, CauseKind, Outcome, Reason
from hub.core.resend import Walk
from hub.core.state import ClockFlag, ClockKind, RecordFlag, Status
from hub.core.waiting import FOR_MOVE, FOR_RECORD, is_nothing
from hub.domain import kinds
from hub.domain.credit_code import normalise_credit_code
from hub.domain.document_number import normalise_subject_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.contracts import Contract, Contracts, Row
    from hub.core.record import LedgerRecord
    from hub.core.state import RecordState

LONGEST: Final = 200
"""Characters kept of a text; identity fields are shorter by their contract."""
_BIGGEST: Final = (1 << 63) - 1
_ACTIONS: Final = {"P": "publish", "W": "withdraw"}
_CLOCKS: Final = {
    ClockKind.DISCLOSE: "disclose",
    ClockKind.WITHDRAW: "withdraw",
    ClockKind.EXPIRE: "expire",
    ClockKind.WAIT: "wait",
}
_NESTED: Final = frozenset({kinds.CORRECTED, kinds.MOVED_IN, kinds.RESTORED})
_REFERENCES: Final = frozenset({kinds.WITHDRAWN, kinds.MOVED_OUT})
_GONE: Final = frozenset({Status.WITHDRAWN.name.lower(), Status.MOVED.name.lower()})
UNREACHED: Final = frozenset({"named", "parked"})
"""Stages that say nothing of how far the target has come."""
HELD: Final = Status.HELD.name.lower()
NOTHING: Final = "none"
"""Status of what only was waited for: the wait is over, and nothing is on record."""
_ROW_LETTERS: Final = frozenset(statement.value for statement in CARRIES_ROW)


class StatedIdentity(NamedTuple):
    """The identity a row or reference states: as submitted, and normalised for comparing."""

    subject_kind: str
    document_number: str
    document_key: str
    subject_name: str
    name_key: str
    authority_code: str


class EntryRow(NamedTuple):
    """One ledger record; times are business milliseconds."""

    partition: int
    sequence: int
    decided_at: int
    cause_kind: str
    cause_topic: str
    cause_offset: int
    outcome: str
    is_repeat: bool
    record_key: bytes
    version: int
    department: str
    kind: str
    stream: str | None
    stream_sequence: int | None
    position: str
    ledger_key: str
    subject_kind: str
    document_number: str
    document_key: str
    subject_name: str
    name_key: str
    authority_code: str
    move_id: bytes | None
    basis: bytes
    publish_targets: int
    withdraw_targets: int
    refers_to: int | None
    reasons: str
    """JSON: a list of {code, field, severity}."""
    walk: str | None
    """JSON: the purpose of the resend that begins here (`Walk.as_facts`); None for all others."""


class RecordRow(NamedTuple):
    """The state of one record."""

    record_key: bytes
    partition: int
    ledger_key: str
    """Credit code, or `?<department>/<digest>`."""
    subject: str
    kind: str
    department: str
    status: str
    is_conflicting: bool
    version: int
    version_at: int
    """When the current version was decided."""
    decided_on: date | None
    live_sequence: int
    arrived_at: int
    """When it came to the hub first, or came again after it was withdrawn."""
    accepted_at: int | None
    document_number: str
    document_key: str
    subject_name: str
    name_key: str
    authority_code: str
    waits_for: str
    """Of a held record with a row: `record` or `move`; empty where no row waits."""
    is_never_acceptable: bool
    """Nothing the sender could mend would make it acceptable: a natural person's, for one."""

    @property
    def has_row(self) -> bool:
        """Whether a row has come, and not only statements about one."""
        return self.status not in (HELD, NOTHING) or bool(self.waits_for)


class ClockRow(NamedTuple):
    """One legal clock of a record at one target."""

    record_key: bytes
    target: int
    clock: str
    due_at: int
    counted_from: date
    is_provisional: bool
    is_estimated: bool
    is_stopped: bool
    is_late: bool


class StandingRow(NamedTuple):
    """The last stage of a record at one target."""

    record_key: bytes
    target: int
    version: int
    action: str
    stage: str
    at: int
    platform_at: int


class StageRow(NamedTuple):
    """A stage a delivery reached; `named` is the ledger's own."""

    partition: int
    sequence: int
    record_key: bytes
    target: int
    version: int
    action: str
    stage: str
    at: int
    platform_at: int | None
    is_news: bool
    """False for a report that changed nothing: late, repeated, or of an older version."""
    receipt: str
    code: str
    message: str
    """The platform's, with a refusal or where a delivery was parked."""


class ClockEventRow(NamedTuple):
    """Event of a clock: `due_soon_3`, `overdue`, `stopped_in_time`, `lifted` and so on."""

    partition: int
    sequence: int
    record_key: bytes
    target: int
    clock: str
    event: str
    at: int
    due_at: int | None
    department: str


class DeclaredRow(NamedTuple):
    """A department's declaration of records produced in a month (产生数量申报)."""

    record_key: bytes
    month: str
    """`2026-10`."""
    department: str
    subject_kind: str
    produced: int
    disclosed: int | None
    """How many it disclosed on its own site; None when not declared."""
    url: str
    reason: str
    """Why some are not reported (未报送依据)."""


class SnapshotRow(NamedTuple):
    """A part of a court's full list of a day (全量名单)."""

    record_key: bytes
    court_code: str
    court_name: str
    department: str
    snapshot_on: date
    part: int
    parts: int
    entry_count: int
    """Of the whole list."""
    left_out_count: int
    entries_digest: str
    declared_at: int
    """When the ledger took it; business milliseconds."""
    entries: bytes
    """Record keys, 16 octets each, one after the other."""


class EntryReader:
    """Reads ledger records into rows. `prefix` is the site's, with its dot.

    `targets` (id → number) grows with every basis that is adopted.
    """

    def __init__(self, contracts: Contracts, prefix: str, targets: Mapping[str, int]) -> None:
        self._contracts = contracts
        self._outcomes = prefix + "outcomes."
        self.targets = dict(targets)
        self._identity = {
            kind: {f.identity: f.name for f in contract.schema.fields if f.identity is not None}
            for kind, contract in contracts.by_kind.items()
        }

    def entry(self, partition: int, record: LedgerRecord) -> EntryRow:
        """The row of the ledger record itself."""
        cause = record.cause
        headers = dict(cause.headers)
        named = self._named(record)
        is_submission = cause.kind is CauseKind.SUBMISSION
        stream = headers.get("ce_source") if is_submission else None
        return EntryRow(
            partition,
            record.sequence,
            record.decided_at,
            cause.kind.name.lower(),
            tidy(cause.topic),
            min(cause.offset, _BIGGEST),
            record.outcome.name.lower(),
            record.outcome in PRIMARY and record.submission_key == NO_KEY,
            record.record_key,
            record.version,
            record.department,
            tidy(record.kind),
            None if not stream else stream_name(record.department, tidy_octets(stream)),
            _number(headers.get("ce_id")) if is_submission else None,
            tidy_octets(headers.get("hub_position", b"")),
            tidy_octets(cause.key),
            *named,
            None if record.move is None else record.move.move_id,
            record.basis,
            _signed(record.publish_targets),
            _signed(record.withdraw_targets),
            None if record.refers_to == NO_SEQUENCE else record.refers_to,
            json.dumps(
                [[tidy(r.code), tidy(r.field), r.severity] for r in record.reasons],
                ensure_ascii=False,
            ),
            _walk_begun(record),
        )

    def stages(self, partition: int, record: LedgerRecord) -> list[StageRow]:
        """Targets that were named, and the reports of couriers."""
        rows = [
            StageRow(
                partition, record.sequence, record.record_key, target, record.version, action,
                "named", record.decided_at, None, is_news=True, receipt="", code="", message="",
            )
            for action, bits in (
                ("publish", record.publish_targets), ("withdraw", record.withdraw_targets),
            )
            for target in range(bits.bit_length())
            if bits >> target & 1
        ]  # fmt: skip
        if record.outcome is Outcome.OUTCOME_NOTED:
            target = self.targets.get(record.cause.topic[len(self._outcomes) :])
            if target is not None:
                rows.append(_reported(partition, record, target))
        return rows

    def _stated_live(
        self, record: LedgerRecord, kind: str
    ) -> tuple[RecordState, Mapping[str, str]] | None:
        """The state and canonical row of a statement that this ledger record made live."""
        state = _made_live(record, kind)
        found = None if state is None else stated_row(record, self._contracts)
        if state is None or found is None or found[0].kind != kind:
            return None
        contract, submitted = found
        return state, contract.check(submitted, date.max).canonical

    def declared(self, record: LedgerRecord) -> DeclaredRow | None:
        """The count that became the live version with this ledger record; None for any other."""
        stated = self._stated_live(record, kinds.OUTPUT_COUNT)
        if stated is None:
            return None
        state, row = stated
        return DeclaredRow(
            record.record_key,
            row["month"],
            state.department,
            row["subject_kind"],
            int(row["produced_count"] or 0),
            int(row["disclosed_count"]) if row["disclosed_count"] else None,
            tidy(row["disclosure_url"]),
            tidy(row["unreported_reason"]),
        )

    def snapshot(self, record: LedgerRecord) -> SnapshotRow | None:
        """The part of a full list that this ledger record puts on record; None for any other."""
        stated = self._stated_live(record, kinds.SNAPSHOT)
        if stated is None:
            return None
        state, row = stated
        return SnapshotRow(
            record.record_key,
            row["authority_code"],
            tidy(row["subject_name"]),
            state.department,
            date.fromisoformat(row["snapshot_on"]),
            int(row["part"]),
            int(row["parts"]),
            int(row["entry_count"]),
            int(row["left_out_count"]),
            row["entries_digest"],
            record.decided_at,
            bytes.fromhex(row["entries"]),
        )

    def _named(self, record: LedgerRecord) -> StatedIdentity:
        """The identity a submission states; for a released one, that of the row released."""
        stated = stated_row(record, self._contracts)
        return _NAMELESS if stated is None else self._identify(*stated)

    def _identify(self, contract: Contract, row: Mapping[str, str | bytes]) -> StatedIdentity:
        fields = self._identity[contract.kind]
        if not fields:
            return _NAMELESS

        def text(identity: IdentityPart) -> str:
            return str(row.get(fields.get(identity, ""), ""))

        kind = contract.schema.takes_down or contract.kind
        if contract.kind in _REFERENCES:
            kind = str(row["subject_kind"])
        number, name = text(IdentityPart.DOCUMENT_NUMBER), text(IdentityPart.SUBJECT_NAME)
        return StatedIdentity(
            tidy(kind),
            tidy(number.strip()),
            tidy(contract.document_key(row)),
            tidy(name.strip()),
            tidy(normalise_subject_name(name)),
            tidy(normalise_credit_code(text(IdentityPart.AUTHORITY_CODE))),
        )


_NAMELESS: Final = StatedIdentity("", "", "", "", "", "")


def stated_row(record: LedgerRecord, contracts: Contracts) -> tuple[Contract, Row] | None:
    """Return the row or reference a ledger record is about, out of its envelope.

    That is what was submitted; for a statement that waited, what it states. None where there is
    none, or none that can be read.
    """
    framed = record.row
    if record.cause.kind is CauseKind.SUBMISSION:
        framed = record.cause.value
    decoded = contracts.decode_framed(framed) if framed else None
    if decoded is None or isinstance(decoded, Fault):
        return None
    contract, row = decoded
    if contract.kind not in _NESTED:
        return contract, row
    inner = row["row"]
    nested = contracts.decode_framed(inner if isinstance(inner, bytes) else inner.encode())
    return None if isinstance(nested, Fault) else nested


def _made_live(record: LedgerRecord, kind: str) -> RecordState | None:
    """The state of a row of this kind that this ledger record put on record.

    None for any other: a refused row has a place in the ledger, too, and says nothing.
    """
    state = record.state
    if state is None or state.kind != kind or state.status is not Status.LIVE:
        return None
    return state if state.live_sequence == record.sequence else None


def follow(old: RecordRow | None, entry: EntryRow, record: LedgerRecord) -> RecordRow | None:
    """Return the state after this ledger record; `old` when it says nothing of it."""
    state = record.state
    if state is None:
        return old
    status = _status_of(state)
    returns = old is not None and old.status in _GONE and status not in _GONE
    waits_for = _awaited_by_rows(state) if status == HELD else ""
    comes = old is not None and not old.has_row and (status != HELD or bool(waits_for))
    arrived_at = record.decided_at if old is None or returns or comes else old.arrived_at
    accepted_at = None if old is None or returns else old.accepted_at
    if state.status is Status.LIVE and accepted_at is None:
        accepted_at = record.decided_at
    is_new_version = old is None or returns or state.version != old.version
    speaks = bool(entry.document_key or entry.name_key) and state.live_sequence == record.sequence
    named = old if old is not None and not speaks else entry
    return RecordRow(
        record.record_key,
        entry.partition,
        old.ledger_key if old is not None else entry.ledger_key,
        tidy(state.kind.partition(".")[0]),
        tidy(state.kind),
        state.department,
        status,
        bool(state.flags & RecordFlag.CONFLICT),
        state.version,
        record.decided_at if is_new_version or old is None else old.version_at,
        date.fromordinal(state.decided_on) if state.decided_on else None,
        state.live_sequence,
        arrived_at,
        accepted_at,
        named.document_number,
        named.document_key,
        named.subject_name,
        named.name_key,
        named.authority_code,
        waits_for,
        _is_never_acceptable(old, record, state),
    )


def _status_of(state: RecordState) -> str:
    return NOTHING if is_nothing(state) else state.status.name.lower()


def _awaited_by_rows(state: RecordState) -> str:
    """Return what waiting rows wait for: an identity to be left, else the record; else nothing."""
    letters = {waiting.statement for waiting in state.waiting} & _ROW_LETTERS
    if Statement.ARRIVAL in letters:
        return FOR_MOVE
    return FOR_RECORD if letters else ""


def _is_never_acceptable(old: RecordRow | None, record: LedgerRecord, state: RecordState) -> bool:
    """Whether the refused row that is on record can never be accepted."""
    if state.status is not Status.QUARANTINED:
        return False
    if state.live_sequence == record.sequence:
        return is_never_acceptable(record.reasons)
    return old is not None and old.is_never_acceptable


def clocks_of(record: LedgerRecord) -> list[ClockRow]:
    """The duties the record has now, and when its publication ends; none without a state.

    A lifted duty is none any more, and the end of a statement's wait is not a duty.
    """
    if record.state is None:
        return []
    return [
        ClockRow(
            record.record_key,
            clock.target,
            _CLOCKS[clock.kind],
            min(clock.due_at, _BIGGEST),
            date.fromordinal(max(clock.counted_from, 1)),
            bool(clock.flags & ClockFlag.PROVISIONAL),
            bool(clock.flags & ClockFlag.ESTIMATED),
            bool(clock.flags & ClockFlag.STOPPED),
            bool(clock.flags & ClockFlag.LATE),
        )
        for clock in record.state.clocks
        if clock.kind is not ClockKind.WAIT and not clock.flags & ClockFlag.LIFTED
    ]


def standings_of(record: LedgerRecord) -> list[StandingRow]:
    """The last stage at each target."""
    if record.state is None:
        return []
    return [
        StandingRow(
            record.record_key,
            stage.target,
            stage.version,
            _ACTIONS[stage.action],
            stage.stage.name.lower(),
            min(stage.at, _BIGGEST),
            min(stage.platform_at, _BIGGEST),
        )
        for stage in record.state.stages
    ]


def clock_events_of(partition: int, record: LedgerRecord) -> list[ClockEventRow]:
    """Return the clock events of this ledger record."""
    if not record.events:
        return []
    state = record.state
    due = {(c.target, str(c.kind)): c.due_at for c in state.clocks} if state is not None else {}
    return [
        ClockEventRow(
            partition,
            record.sequence,
            record.record_key,
            event.target,
            _CLOCKS[ClockKind(event.clock)],
            event.event,
            record.decided_at,
            due.get((event.target, event.clock)),
            state.department if state is not None else "",
        )
        for event in record.events
    ]


def tidy(text: str) -> str:
    """A text as the database takes it: no NUL, no more than `LONGEST` characters."""
    if len(text) > LONGEST:
        text = text[: LONGEST - 1] + "…"
    return text.replace("\x00", "\ufffd") if "\x00" in text else text


def stream_name(department: str, stated: str) -> str:
    """Return the stream a submission counts in: its department's own, under any name it sent.

    A stream named after another department, or none, is named with the department of its topic.
    """
    return stated if stated.startswith(f"{department}/") else f"{department}: {stated}"


def tidy_octets(octets: bytes) -> str:
    """Octets of a header or key as text; what is not UTF-8 becomes U+FFFD."""
    return tidy(octets[: 4 * LONGEST].decode("utf-8", "replace"))


def _signed(mask: int) -> int:
    """A mask as the database's 64 bits hold it: target number 63 is the sign."""
    return mask - (1 << 64) if mask >> 63 else mask


_BEGIN_WALKS: Final = frozenset(
    {Outcome.RESEND_REQUESTED, Outcome.BASIS_ADOPTED, Outcome.REDECISION_REQUESTED}
)


def _walk_begun(record: LedgerRecord) -> str | None:
    """Return the purpose of the resend that this record begins."""
    if record.outcome not in _BEGIN_WALKS:
        return None
    walk = Walk.from_facts(dict(record.facts))
    if walk is None:
        return None
    return json.dumps({name: tidy(text) for name, text in walk.as_facts()}, ensure_ascii=False)


def _number(octets: bytes | None) -> int | None:
    """Read a sequence in a stream; None when the header is not a plain number."""
    if octets is None or not octets.isdigit() or len(octets) >= len(str(_BIGGEST)):
        return None
    return int(octets)


def _reported(partition: int, record: LedgerRecord, target: int) -> StageRow:
    """The row of a courier's report; `decide` has read the same JSON without a fault."""
    content = json.loads(record.cause.value)
    at = min(int(content["at"]), _BIGGEST)
    stated = content["platform_at"]
    return StageRow(
        partition,
        record.sequence,
        record.record_key,
        target,
        record.version,
        "publish" if content["action"] == "publish" else "withdraw",
        tidy(str(content["stage"])),
        at,
        None if stated is None else min(int(stated), _BIGGEST),
        record.state is not None,
        tidy(str(content.get("receipt", ""))),
        tidy(str(content.get("code", ""))),
        tidy(str(content.get("message", ""))),
    )


_NEVER_ACCEPTABLE: Final = frozenset(
    {"PERSON_NOT_ENABLED", "KIND_NOT_YOURS", "UNKNOWN_DEPARTMENT", "DEPARTMENT_RETIRED"}
)


def is_never_acceptable(reasons: Iterable[Reason]) -> bool:
    """Whether a refused row could not be accepted however it were mended: it owes nothing."""
    return any(reason.code in _NEVER_ACCEPTABLE for reason in reasons)
