"""What a cause touches: reads it once, checks it, and names the state that must be fetched.

Everything that can be known without state is worked out here, so that the engine can fetch the
keys of a whole batch in one read and `decide` finds them in its view.
"""

from __future__ import annotations

import json
import re
from datetime import date
from enum import Enum, auto
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

from hub.contracts import Fault
from hub.core.keys import submission_key_of
from hub.core.record import NO_KEY, Cause, CauseKind, Reason
from hub.core.state import StageCode
from hub.domain import kinds
from hub.domain.document_number import normalise_document_number
from hub.domain.identity import record_key_of
from hub.domain.partitioning import partition_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.contracts import Checked
    from hub.core.basis import Basis
    from hub.core.progress import Progress
    from hub.core.state import RecordState

MAX_DECODED_BYTES = 1024 * 1024
"""Limit of a submission once decompressed: a compressed batch slips past the broker's limit."""
_OWNER = re.compile(r"registrar\.[0-9]{1,4}")
_NESTED_KINDS = frozenset({kinds.CORRECTED, kinds.MOVED_IN})
_ZERO_CONTENT = bytes(32)
MAX_ENVELOPE_BYTES = 8 * 1024
"""Limit of key and headers together: the broker's limit does not hold for a compressed batch."""
CUT_MARK = "hub_cut"
"""Header of a cause in the ledger whose key and headers were cut to fit."""
_MOST_HEADERS = 32
_CUT_BYTES = 256
_OWN_HEADERS = frozenset(
    {"ce_specversion", "ce_type", "ce_source", "ce_id", "ce_time", "hub_position",
     "hub_source_version"}
)  # fmt: skip
LAST_MOMENT = 253_370_736_000_000
"""The year 9999 in Shanghai, milliseconds: what followers must write as a date lies before it."""
_MOST_DIGITS = 19
_MOST_CODE = 64
_CODE = re.compile(r"[A-Z][A-Z_]*")
_MOST_DOCUMENT = 200
_LAST_DAY = (1 << 32) - 1


class Verb(Enum):
    """Which rule of `decide` a cause is for."""

    SUBMISSION = auto()
    ADOPT_BASIS = auto()
    NOTE_MOVE = auto()
    CHANGE_MAP = auto()
    REFUSE = auto()
    NOTE_OUTCOME = auto()
    TIMER = auto()
    SWEEP = auto()
    END_SWEEP = auto()
    REQUEST_RESEND = auto()
    REPROJECT = auto()
    WALKED = auto()


class StageReport(NamedTuple):
    """What a courier reports of one delivery."""

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
    """Whether it speaks of what was sent once more at somebody's request."""


class Prepared:
    """A cause, read and checked; `keys` is the state it touches."""

    # Defaults live on the class: most causes set only a few of these.
    subject_kind: str
    keys: tuple[bytes, ...] = ()
    record_key: bytes = NO_KEY
    submission_key: bytes = NO_KEY
    checked: Checked | None = None
    content: bytes = _ZERO_CONTENT
    decided_on: int = 0
    source_version: int = 0
    reasons: tuple[Reason, ...] = ()
    has_errors: bool = False
    is_oversize: bool = False
    is_row: bool = False
    progress: Progress | None = None
    """How far a commitment has been performed, where the row says so."""
    is_foreign: bool = False
    """The department does not submit for this authority."""
    row: bytes = b""
    move_id: bytes = NO_KEY
    met: int = 0
    verdict: str = ""
    adopts: bytes = NO_KEY
    adopted: Basis | None = None
    days: tuple[int, int] = (0, 0)
    document_key: str = ""
    walk_key: bytes = b""
    about_key: bytes = b""
    """The record that a finding speaks of; it is another than its own."""
    report: StageReport | None = None

    def __init__(self, cause: Cause, verb: Verb, department: str = "", kind: str = "") -> None:
        self.cause = cause
        self.verb = verb
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
        self.is_row = True
        self.refuse("RECORD_TOO_LARGE")

    def warn(self, code: str, field: str = "") -> None:
        """Add a warning."""
        self.reasons += (Reason(code, field, "warning"),)


@lru_cache(maxsize=1024)
def _text_of(header: bytes) -> str:
    """A kind's name, short and ASCII whatever was sent: it is stored with the record."""
    return header.decode("ascii", "replace").replace("\ufffd", "?")[:60]


# --- submissions ---------------------------------------------------------------------------------


def prepare_submission(
    cause: Cause, partition: int, department: str, now: int, basis: Basis
) -> Prepared:
    """Read and check one submission; never raises on bad input, every fault is a reason."""
    headers = dict(cause.headers)
    is_cut = _is_over_envelope(cause, headers)
    if is_cut:
        cause = _cut_envelope(cause)
        headers = dict(cause.headers)
    kind = _text_of(headers.get("ce_type", b""))
    prepared = Prepared(cause, Verb.SUBMISSION, department, kind)
    stream, sequence = headers.get("ce_source"), headers.get("ce_id")
    if stream and sequence:
        prepared.submission_key = submission_key_of(department, stream, sequence)
    else:
        prepared.submission_key = submission_key_of(
            department, cause.topic.encode(), b"%d/%d" % (partition, cause.offset)
        )
        prepared.refuse("HEADER_MISSING", "ce_source" if not stream else "ce_id")
    version = headers.get("hub_source_version")
    if version is not None and version.isdigit() and len(version) <= _MOST_DIGITS:
        prepared.source_version = min(int(version), (1 << 63) - 1)
    if partition_of(cause.key, basis.partitions) != partition:
        prepared.refuse("WRONG_PARTITION")
    if is_cut:
        prepared.refuse_as_oversize()
    else:
        _read_value(prepared, now, basis)
    if prepared.record_key == NO_KEY:  # no identity can be read: the submission is its own record
        prepared.record_key = prepared.submission_key
    prepared.keys = (b"r" + prepared.record_key, b"s" + prepared.submission_key)
    if prepared.move_id != NO_KEY:
        prepared.keys += (b"m" + prepared.move_id,)
    if prepared.progress is not None:
        prepared.keys += (b"d" + prepared.record_key,)
    if prepared.about_key:
        prepared.keys += (b"r" + prepared.about_key,)
    return prepared


def _is_over_envelope(cause: Cause, headers: Mapping[str, bytes]) -> bool:
    if len(cause.headers) > _MOST_HEADERS or CUT_MARK in headers:
        return True
    # of every header, also where several have one name: the ledger carries them all
    size = sum(len(name) + len(value) for name, value in cause.headers)
    return len(cause.key) + size > MAX_ENVELOPE_BYTES


def _cut_envelope(cause: Cause) -> Cause:
    """Keep of an outsized key and headers what names the submission, marked as cut."""
    kept = tuple(
        (name, value[:_CUT_BYTES])
        for name, value in dict(cause.headers).items()
        if name in _OWN_HEADERS
    )
    return cause._replace(key=cause.key[:_CUT_BYTES], headers=(*kept, (CUT_MARK, b"1")))


def _read_value(prepared: Prepared, now: int, basis: Basis) -> None:
    value = prepared.cause.value
    if len(value) > MAX_DECODED_BYTES:
        prepared.refuse_as_oversize()
        return
    decoded = basis.contracts.decode_framed(value)
    if isinstance(decoded, Fault):
        prepared.is_row = True
        prepared.refuse(decoded.code)
        return
    contract, row = decoded
    if contract.kind != prepared.kind:
        prepared.is_row = True
        prepared.refuse("UNKNOWN_KIND", "ce_type")
        return
    if prepared.kind in basis.row_kinds:
        _check_row(prepared, contract.check(row, basis.day_of(now)), basis)
        prepared.row = value
        if prepared.kind == kinds.PERFORMANCE_MISSING:
            prepared.about_key = _key_in(row, "commitment_record")
    elif prepared.kind == kinds.UNREADABLE:
        _read_unreadable(prepared, row, basis)
    elif prepared.kind in _NESTED_KINDS:
        _read_nested(prepared, row, now, basis)
    else:
        _read_reference(prepared, contract.check(row, basis.day_of(now)), row, basis)


def _check_row(prepared: Prepared, checked: Checked, basis: Basis) -> None:
    prepared.is_row = True
    prepared.checked = checked
    if checked.findings:
        prepared.reasons += tuple(Reason(*finding) for finding in checked.findings)
        if not checked.ok:
            prepared.has_errors = True
    prepared.content = checked.content
    if checked.decided_on is not None:
        prepared.decided_on = checked.decided_on.toordinal()
    prepared.progress = basis.progress_of(checked)
    _identify(prepared, checked, basis)


def _identify(prepared: Prepared, checked: Checked, basis: Basis) -> None:
    """Key, authority and identity of what the row or reference speaks of."""
    key = prepared.cause.key
    if checked.credit_code and key != checked.credit_code.encode():
        prepared.refuse("KEY_MISMATCH")
    authorities = basis.authorities_of(prepared.department)
    if authorities is None:
        prepared.is_foreign = True
        prepared.refuse("UNKNOWN_DEPARTMENT")
    elif checked.authority_code and checked.authority_code not in authorities:
        prepared.is_foreign = True
        prepared.refuse("FOREIGN_AUTHORITY")
    if not basis.may_state(prepared.department, prepared.kind, prepared.subject_kind):
        prepared.is_foreign = True
        prepared.refuse("KIND_NOT_YOURS", "ce_type")
    if checked.document_key and checked.name_key:
        subject = basis.subject_of(prepared.subject_kind)
        prepared.record_key = record_key_of(
            subject, checked.authority_code, checked.document_key, checked.name_key, key
        )


def _read_nested(
    prepared: Prepared, row: Mapping[str, str | bytes], now: int, basis: Basis
) -> None:
    """A correction or an arriving record: a full row of its kind inside."""
    inner = row["row"]
    framed = inner if isinstance(inner, bytes) else inner.encode()
    if len(framed) + len(prepared.cause.value) > MAX_DECODED_BYTES:
        prepared.refuse_as_oversize()  # held until its move is known, it is in the ledger twice
        return
    decoded = basis.contracts.decode_framed(framed)
    prepared.is_row = True
    if isinstance(decoded, Fault):
        prepared.refuse(decoded.code, "row")
        return
    contract, inner_row = decoded
    prepared.subject_kind = contract.kind
    if contract.kind not in basis.row_kinds or contract.kind != row["subject_kind"]:
        prepared.refuse("UNKNOWN_KIND", "subject_kind")
        return
    if not row["reason"]:
        prepared.refuse("CORRECTION_WITHOUT_REASON", "reason")
    _check_row(prepared, contract.check(inner_row, basis.day_of(now)), basis)
    prepared.row = framed
    if prepared.kind == kinds.MOVED_IN:
        _read_move_id(prepared, row)
    elif any(
        row[f"previous_{part}"] for part in ("credit_code", "document_number", "subject_name")
    ):
        prepared.refuse("IDENTITY_CHANGED")


def _read_reference(
    prepared: Prepared, checked: Checked, row: Mapping[str, str | bytes], basis: Basis
) -> None:
    """A withdrawal, an exit or a departure: names a record without repeating it."""
    prepared.subject_kind = checked.schema.takes_down or str(row["subject_kind"])
    findings = checked.findings
    if prepared.cause.key.startswith(b"?"):
        # the record waits under its department because its code was bad: that is why it leaves
        findings = tuple(f for f in findings if not f.code.startswith("CREDIT_CODE_"))
    prepared.reasons += tuple(Reason(*finding) for finding in findings)
    if any(finding.severity == "error" for finding in findings):
        prepared.has_errors = True
    _identify(prepared, checked, basis)
    if prepared.kind == kinds.MOVED_OUT:
        _read_move_id(prepared, row)


def _read_move_id(prepared: Prepared, row: Mapping[str, str | bytes]) -> None:
    move_id = _key_in(row, "move_id")
    if move_id:
        prepared.move_id = move_id
    else:
        prepared.refuse("FIELD_REQUIRED", "move_id")


def _key_in(row: Mapping[str, str | bytes], field: str) -> bytes:
    """The key a field holds in hexadecimal; empty where it holds none."""
    try:
        return _key_of(str(row[field]))
    except ValueError:
        return b""


def _read_unreadable(prepared: Prepared, row: Mapping[str, str | bytes], basis: Basis) -> None:
    """A row the connector could not read, or a natural person's: sealed, counted, quarantined."""
    prepared.is_row = True
    subject_kind = str(row["subject_kind"])
    if subject_kind in basis.row_kinds:
        prepared.subject_kind = subject_kind
    if row["cause"] == "person":
        prepared.refuse("PERSON_NOT_ENABLED")
    else:
        code = str(row["reason_code"])[:_MOST_CODE]
        if basis.decider != "1" and not _CODE.fullmatch(code):
            code = ""  # codes go into receipts and look-ups: no place for a sender's own words
        prepared.refuse(code or "ROW_UNREADABLE")


def prepare_held(
    prepared: Prepared, old: RecordState, framed: bytes, now: int, basis: Basis
) -> Prepared:
    """Check a held row again when it is released: rules and calendars may have changed since."""
    held = Prepared(prepared.cause, Verb.NOTE_MOVE, old.department, kinds.MOVED_IN)
    held.row = framed
    held.source_version = old.source_version
    decoded = basis.contracts.decode_framed(framed)
    if isinstance(decoded, Fault):
        held.refuse(decoded.code, "row")
        return held
    contract, row = decoded
    held.subject_kind = contract.kind
    _check_row(held, contract.check(row, basis.day_of(now)), basis)
    held.record_key = prepared.record_key
    return held


# --- control and outcomes ------------------------------------------------------------------------


def prepare_control(cause: Cause, basis_id: bytes | None) -> Prepared:
    """Read a message of the control topic. `basis_id` is the id of the basis it carries, if any."""
    kind = _text_of(dict(cause.headers).get("ce_type", b""))
    if kind == kinds.BASIS_ADOPTED and basis_id is not None:
        prepared = Prepared(cause, Verb.ADOPT_BASIS, kind=kind)
        prepared.adopts = basis_id
        return prepared
    if kind == kinds.MOVE_NOTED:
        try:
            content = json.loads(cause.value)
            prepared = Prepared(cause, Verb.NOTE_MOVE, kind=kind)
            prepared.move_id = _key_of(content["move_id"])
            prepared.verdict = "o" if content["verdict"] == "o" else "x"
            prepared.met = _unsigned(content["met"], 64)
        except _UNREADABLE:
            pass
        else:
            prepared.keys = (b"m" + prepared.move_id,)
            return prepared
    if kind == kinds.MAP_CHANGED:
        try:
            owner = str(json.loads(cause.value)["owner"])
        except _UNREADABLE:
            owner = ""
        if _OWNER.fullmatch(owner):
            prepared = Prepared(cause, Verb.CHANGE_MAP, kind=kind)
            prepared.verdict = owner
            return prepared
    if kind == kinds.RESEND_REQUESTED:
        try:
            content = json.loads(cause.value)
            prepared = Prepared(cause, Verb.REQUEST_RESEND, kind=kind)
            prepared.verdict = str(content["target"])
            begin, end = content["decided_from"], content["decided_to"]
            prepared.days = (
                date.fromisoformat(begin).toordinal() if begin else 0,
                date.fromisoformat(end).toordinal() if end else _LAST_DAY,
            )
            prepared.document_key = normalise_document_number(str(content["document"]))
            prepared.document_key.encode()  # JSON can say half a letter
        except _UNREADABLE:
            pass
        else:
            if len(prepared.document_key) <= _MOST_DOCUMENT:
                return prepared
    prepared = Prepared(cause, Verb.REFUSE, kind=kind)
    prepared.refuse("PAYLOAD_UNREADABLE")
    return prepared


_UNREADABLE = (ValueError, KeyError, TypeError, OverflowError, RecursionError)
"""What reading JSON that somebody else wrote may raise."""


def _key_of(text: str) -> bytes:
    key = bytes.fromhex(text)
    if len(key) != len(NO_KEY):
        message = "not sixteen bytes"
        raise ValueError(message)
    return key


def _unsigned(value: str | int, bits: int) -> int:
    number = int(value)
    if not 0 <= number < 1 << bits:
        message = "number out of range"
        raise ValueError(message)
    return number


def _moment(value: str | int) -> int:
    moment = _unsigned(value, 64)
    if moment >= LAST_MOMENT:
        message = "a moment behind the calendar's end"
        raise ValueError(message)
    return moment


def follow_move(prepared: Prepared, record_key: bytes) -> None:
    """Second look: the move is known, so the record it holds must be read too."""
    prepared.record_key = record_key
    prepared.keys = (*prepared.keys, b"r" + record_key, b"h" + record_key)


_STAGES = {
    "sent": StageCode.SENT,
    "acknowledged": StageCode.ACKNOWLEDGED,
    "published": StageCode.PUBLISHED,
    "refused": StageCode.REFUSED,
    "withdrawn": StageCode.WITHDRAWN,
}


def prepare_outcome(cause: Cause, target: int) -> Prepared:
    """Read what a courier reports of its target."""
    prepared = Prepared(cause, Verb.NOTE_OUTCOME, kind=kinds.OUTCOME_REPORTED)
    try:
        content = json.loads(cause.value)
        prepared.record_key = _key_of(content["record"])
        prepared.report = StageReport(
            target,
            _unsigned(content["version"], 32),
            "P" if content["action"] == "publish" else "W",
            _STAGES[content["stage"]],
            _moment(content["at"]),
            _moment(content["platform_at"] or content["at"]),
            str(content["code"]).encode("utf-8", "replace").decode(),  # JSON can say half a letter
            bool(content.get("again")),
        )
    except _UNREADABLE:
        prepared.verb = Verb.REFUSE
        prepared.record_key = NO_KEY
        prepared.refuse("PAYLOAD_UNREADABLE")
        return prepared
    prepared.keys = (b"r" + prepared.record_key,)
    return prepared


# --- what nobody sent ----------------------------------------------------------------------------


def prepare_timer(record_key: bytes, due_at: int) -> Prepared:
    """A timer of one record came due."""
    cause = Cause(CauseKind.TIMER, "timer:" + record_key.hex(), due_at, b"", (), b"")
    prepared = Prepared(cause, Verb.TIMER)
    prepared.record_key = record_key
    prepared.keys = (b"r" + record_key,)
    return prepared


def prepare_sweep(basis: bytes, ordinal: int, record_key: bytes | None) -> Prepared:
    """One step of a sweep over the provisional deadlines, or its end (`record_key` None)."""
    cause = Cause(CauseKind.SWEEP, "sweep:" + basis.hex(), ordinal, b"", (), b"")
    prepared = Prepared(cause, Verb.END_SWEEP if record_key is None else Verb.SWEEP)
    if record_key is not None:
        prepared.record_key = record_key
        prepared.keys = (b"r" + record_key,)
    return prepared


def prepare_look(walk: bytes, sequence: int, record_key: bytes, framed: bytes) -> Prepared:
    """A walk looks at one record in its place in the ledger, and finds `framed` there.

    `walk` is the sequence of its request, 8 bytes.
    """
    cause = Cause(CauseKind.SWEEP, "walk:" + walk.hex(), sequence, b"", (), b"")
    prepared = Prepared(cause, Verb.REPROJECT)
    prepared.record_key = record_key
    prepared.row = framed
    prepared.walk_key = b"e" + walk
    prepared.keys = (b"r" + record_key, prepared.walk_key)
    return prepared


def prepare_walked(walk: bytes, sequence: int) -> Prepared:
    """A walk has looked at everything up to this sequence; at its own request it ends."""
    cause = Cause(CauseKind.SWEEP, "walk:" + walk.hex(), sequence, b"", (), b"")
    return Prepared(cause, Verb.WALKED)


def read_again(prepared: Prepared, old: RecordState, now: int, basis: Basis) -> Prepared:
    """Read once more what a walk found; it was judged when it came, and is not judged again."""
    again = Prepared(prepared.cause, Verb.REPROJECT, old.department, old.kind)
    again.decided_on = old.decided_on
    if not prepared.row:
        return again
    decoded = basis.contracts.decode_framed(prepared.row)
    if isinstance(decoded, Fault):
        again.refuse(decoded.code, "row")
        return again
    contract, row = decoded
    again.checked = contract.check(row, basis.day_of(now))
    if contract.is_row:
        again.subject_kind = contract.kind
        if again.checked.content != old.content:
            again.warn("CONTENT_READS_OTHERWISE", "row")
    return again


def basis_id_of(canonical: bytes) -> bytes:
    """The id of a basis: first 16 bytes of SHA-256 over its canonical JSON."""
    return sha256(canonical).digest()[:16]
