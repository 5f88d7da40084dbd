"""Read a cause once, check it, and name the state that must be fetched for its decision.

Everything that can be known without state is worked out here, so that the engine can fetch the
keys of a whole batch in one read and `decide` finds them in its view.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final, TypeAlias

from hub.contracts import Fault
from hub.core import keys
from hub.core.basis import BasisAdoption
from hub.core.causes import (
    HandOver,
    Identity,
    InputLost,
    LossAcceptance,
    MoveArrived,
    MoveNoted,
    OutcomeReport,
    RedecisionRequest,
    ResendRequest,
    StageReport,
    Submission,
    SweepEnd,
    SweepStep,
    TimerDue,
    TwinAnswered,
    UnreadableMessage,
    WalkMark,
    WalkVisit,
)
from hub.core.keys import submission_key_of
from hub.core.ledger_end import read_loss
from hub.core.life import MOVES, Statement
from hub.core.moves import (
    LEFT,
    LEFT_BEFORE,
    REFUSED,
    MoveVerdict,
    destination_of,
    heard_from,
)
from hub.core.record import NO_KEY, Cause, CauseKind, Reason, topic_id
from hub.core.state import StageCode
from hub.domain import kinds
from hub.domain.as_typed import is_placeholder
from hub.domain.credit_code import assess_credit_code, normalise_credit_code
from hub.domain.dates import LAST_MOMENT, read_date
from hub.domain.document_number import normalise_document_number, normalise_subject_name
from hub.domain.identity import key_without_code, record_key_of
from hub.domain.partitioning import partition_of
from hub.ports import is_unreadable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hub.contracts import Checked
    from hub.core.basis import Basis

MAX_DECODED_BYTES = 1024 * 1024
"""Limit of a submission once decompressed: a compressed batch slips past the broker's limit."""
_OWNER = re.compile(r"registrar\.[0-9]{1,4}")
_NESTED: Final = {
    kinds.CORRECTED: Statement.CORRECTION,
    kinds.MOVED_IN: Statement.ARRIVAL,
    kinds.RESTORED: Statement.RESTORATION,
}
"""Kinds that carry a full row of another kind."""
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
_MOST_DIGITS = 19
_MOST_CODE = 64
_CODE = re.compile(r"[A-Z][A-Z_]*")
_MOST_DOCUMENT = 200
_MOST_WORDS = 500
_RULE = re.compile(r"[a-z0-9][a-z0-9.-]{0,99}")
_KIND = re.compile(r"[a-z0-9_.]{1,60}")
_LAST_DAY = (1 << 32) - 1


@lru_cache(maxsize=1024)
def _text_of(header: bytes) -> str:
    """A kind's name, short and ASCII in any case: it is stored with the record."""
    return header.decode("ascii", "replace").replace("\ufffd", "?")[:60]


# --- submissions ---------------------------------------------------------------------------------


def prepare_submission(
    cause: Cause, partition: int, department: str, now: int, basis: Basis,
    *, arrived_at: int | None = None,
) -> Submission:  # fmt: skip
    """Read and check one submission; never raises on bad input, every fault is a reason.

    `arrived_at`: of one that has waited; what its source's version is judged by.
    """
    if is_unreadable(cause.key, cause.headers, cause.value):
        return _unreadable(cause, partition, department)
    headers = dict(cause.headers)
    is_cut = _is_over_envelope(cause, headers)
    if is_cut:
        cause = _cut_envelope(cause)
        headers = dict(cause.headers)
    s = Submission(cause, department, _text_of(headers.get("ce_type", b"")))
    s.value_hash = sha256(cause.value).digest()
    s.digest = s.value_hash[:8]
    stream, sequence = headers.get("ce_source"), headers.get("ce_id")
    if stream and sequence:
        s.submission_key = submission_key_of(department, stream, sequence)
    else:
        s.submission_key = _key_by_place(cause, partition, department)
        s.refuse("HEADER_MISSING", "ce_source" if not stream else "ce_id")
    version = headers.get("hub_source_version")
    if version is not None:
        _read_version(s, version, stream or b"", now if arrived_at is None else arrived_at)
        status = headers.get("hub_stated_status", b"")
        s.is_stated_valid = status == b"valid"
        _add_to_digest(s, version + b"\x1f" + status)
    is_astray = partition_of(cause.key, basis.partitions) != partition
    is_astray = is_astray and s.kind != kinds.DUTY_LIFTED  # that goes to where the refused row is
    if is_astray:
        s.refuse("WRONG_PARTITION")
    if is_cut:
        s.refuse_as_oversize()
    else:
        _read_value(s, now, basis)
    if s.record_key == NO_KEY:
        s.is_nameless = True
        s.record_key = _key_here(s.submission_key, partition)
    if is_astray and s.carries_row:
        s.record_key = _key_here(s.record_key, partition)
        s.identities = ()
    if basis.is_closed(department, partition, cause.offset):
        s.is_hopeless = True
        s.refuse("DEPARTMENT_RETIRED", basis.heir_of(department))
    _name_keys(s, basis)
    return s


def _add_to_digest(s: Submission, said: bytes) -> None:
    """The headers that decide beside the value: with others it is another submission.

    The kind is in the value's frame: its header decides only where it says otherwise.
    """
    s.digest = sha256(s.digest + said).digest()[:8]


def _unreadable(cause: Cause, partition: int, department: str) -> Submission:
    """Prepare an unreadable record of Kafka: its place is its name, and it owes nothing."""
    s = Submission(cause, department, "")
    s.record_key = s.submission_key = _key_by_place(cause, partition, department)
    s.keys = (keys.record(s.record_key), keys.receipt(s.submission_key))
    s.refuse("BATCH_UNREADABLE")
    return s


def _key_by_place(cause: Cause, partition: int, department: str) -> bytes:
    """Key of a submission that has no number of its own."""
    return submission_key_of(department, cause.topic.encode(), b"%d/%d" % (partition, cause.offset))


def _key_here(key: bytes, partition: int) -> bytes:
    """Key of a row in a wrong partition, or of one that names no record: one of its own, here.

    A reader of all partitions knows records by their key alone; two of one key would be one. A
    number is known in one partition, and may be used again in another.
    """
    return sha256(key + b"%d" % partition).digest()[:16]


def _name_keys(s: Submission, basis: Basis) -> None:
    """The state that the decision reads."""
    s.keys = (keys.record(s.record_key), keys.receipt(s.submission_key))
    records = [s.record_key]
    if s.identities:
        records = [each.record_key for each in s.identities]
        s.keys += tuple(map(keys.record, records))
    if s.has_errors:
        look_for_twins(s, basis)
        if s.kind == kinds.MOVED_OUT:
            s.keys += (keys.verdict(s.move_id),)
        return
    if s.progress is not None:
        s.keys += tuple(map(keys.performance, records))
    if s.statement is not Statement.ROW:
        more = _more_keys(s, records, basis)  # it adds to `s.keys` itself: not in one expression
        s.keys += more
    elif s.about_key:
        s.keys += (keys.record(s.about_key),)


def _more_keys(s: Submission, records: list[bytes], basis: Basis) -> tuple[bytes, ...]:
    """Name the keys of statements other than plain rows besides their record and receipt."""
    look_for_twins(s, basis)  # refused, it is remembered by its identity
    more: tuple[bytes, ...] = (keys.waiting_of(s.department), *map(keys.unshown, records))
    if s.statement in MOVES:
        more += (keys.verdict(s.move_id), keys.arrival(s.move_id), *map(keys.left_for, records))
    return more


def _read_version(s: Submission, version: bytes, stream: bytes, arrived_at: int) -> None:
    """The source's own order; a version that reads as a future moment gives none."""
    if not version.isdigit() or len(version) > _MOST_DIGITS:
        return
    number = min(int(version), (1 << 63) - 1)
    moment = _moment_of(number)
    if moment is not None and moment > arrived_at + _DAY_MS:
        s.warn("SOURCE_VERSION_IN_FUTURE", "hub_source_version")
        return
    s.source = source_of(s.department, stream)
    s.source_version = number


@lru_cache(maxsize=10_000)
def source_of(department: str, stream: bytes) -> bytes:
    """Whose versions are compared with each other: 8 bytes for a department's stream."""
    return sha256(department.encode() + b"\x1f" + stream).digest()[:8]


_DAY_MS: Final = 86_400_000
_SHANGHAI_MS: Final = 8 * 3_600_000
_UNITS: Final = {
    10: (1000, 1), 12: (1000, 1), 13: (1, 1), 15: (1, 1), 16: (1, 1000), 19: (1, 1_000_000),
}  # fmt: skip
"""Digits of a count of seconds, milliseconds, microseconds or nanoseconds: factor, divisor.

Seconds of twelve digits and milliseconds of fifteen are those of the year 9999.
"""
_WRITTEN: Final = {
    8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S", 17: "%Y%m%d%H%M%S%f",
}  # fmt: skip
_YEARS: Final = frozenset((*range(1990, 2201), 9999))
"""Years that a version may read as; 9999 stands for *never* in many a database."""


def _moment_of(version: int) -> int | None:
    """The moment a version reads as, in milliseconds; None for a plain count."""
    text = str(version)
    unit = _UNITS.get(len(text))
    if unit is not None:
        moment = version * unit[0] // unit[1]
        if 1970 + moment // 31_556_952_000 in _YEARS:
            return moment
    form = _WRITTEN.get(len(text))
    if form is None or int(text[:4]) not in _YEARS:
        return None
    try:
        at = datetime.strptime(text, form).replace(tzinfo=UTC)
    except ValueError:
        return None
    return int(at.timestamp() * 1000) - _SHANGHAI_MS


def _is_over_envelope(cause: Cause, headers: Mapping[str, bytes]) -> bool:
    if len(cause.headers) > _MOST_HEADERS or CUT_MARK in headers:
        return True
    # of every header, also where several have one name: the ledger carries them all
    size = len(cause.key)
    for name, value in cause.headers:
        size += len(name) + len(value)
    return size > MAX_ENVELOPE_BYTES


def _cut_envelope(cause: Cause) -> Cause:
    """Keep of an outsized key and headers what names the submission, marked as cut."""
    kept = tuple(
        (name, value[:_CUT_BYTES])
        for name, value in dict(cause.headers).items()
        if name in _OWN_HEADERS
    )
    return cause._replace(key=cause.key[:_CUT_BYTES], headers=(*kept, (CUT_MARK, b"1")))


def _read_value(s: Submission, now: int, basis: Basis) -> None:
    value = s.cause.value
    if len(value) > MAX_DECODED_BYTES:
        s.refuse_as_oversize()
        return
    decoded = basis.contracts.decode_framed(value)
    if isinstance(decoded, Fault):
        s.carries_row = True
        s.refuse(decoded.code)
        _add_to_digest(s, s.kind.encode())
        if s.kind in basis.row_kinds and not basis.may_state(s.department, s.kind, s.kind):
            s.is_foreign = s.is_hopeless = True
            s.refuse("KIND_NOT_YOURS", "ce_type")
        return
    contract, row = decoded
    if contract.kind != s.kind:
        s.carries_row = True
        s.refuse("UNKNOWN_KIND", "ce_type")
        _add_to_digest(s, s.kind.encode())
        return
    if s.kind in basis.row_kinds:
        s.statement = Statement.PERFORMANCE if basis.followed_by(s.kind) else Statement.ROW
        s.row = value
        _check_row(s, contract.check(row, basis.day_of(now)), now, basis)
        if s.kind == kinds.PERFORMANCE_MISSING:
            s.about_key = _key_in(row, "commitment_record")
    elif s.kind == kinds.UNREADABLE:
        _read_unreadable(s, row, basis)
    elif s.kind == kinds.DUTY_LIFTED:
        _read_lifting(s, contract.check(row, basis.day_of(now)), row, basis)
    elif s.kind in _NESTED:
        _read_nested(s, row, now, basis)
    else:
        _read_reference(s, contract.check(row, basis.day_of(now)), row, basis)


def _check_row(s: Submission, checked: Checked, now: int, basis: Basis) -> None:
    s.carries_row = True
    s.checked = checked
    if checked.findings:
        s.reasons += tuple(Reason(*finding) for finding in checked.findings)
        if not checked.ok:
            s.has_errors = True
            s.is_hopeless = any(f.code == "PERSON_NOT_ENABLED" for f in checked.findings)
    s.content = checked.content
    if checked.decided_on is not None and checked.decided_on <= basis.day_of(now):
        s.decided_on = checked.decided_on.toordinal()
    s.progress = basis.progress_of(checked)
    _identify(s, checked, basis)


def _identify(s: Submission, checked: Checked, basis: Basis) -> None:
    """Key, authority and identity of what the row or reference is about."""
    key = s.cause.key
    if checked.credit_code and key != checked.credit_code.encode():
        s.refuse("KEY_MISMATCH")
    authorities = basis.authorities_of(s.department)
    if authorities is None:
        s.is_foreign = s.is_hopeless = True
        s.refuse("UNKNOWN_DEPARTMENT")
    elif checked.authority_code and checked.authority_code not in authorities:
        s.is_foreign = True
        s.refuse("FOREIGN_AUTHORITY")
    if not basis.may_state(s.department, s.kind, s.subject_kind):
        s.is_foreign = s.is_hopeless = True
        s.refuse("KIND_NOT_YOURS", "ce_type")
    if checked.document_key and checked.name_key:
        subject = basis.subject_of(s.subject_kind)
        codes = basis.codes_of(checked.authority_code)
        found = [
            record_key_of(subject, code, checked.document_key, checked.name_key, key)
            for code in codes
        ]
        s.record_key = found[0]
        if len(found) > 1:
            s.identities = tuple(map(Identity, found))


def twin_keys_of(s: Submission, basis: Basis) -> tuple[bytes, ...]:
    """The identity of a row without its credit code; none where it has none that can be read."""
    checked = s.checked
    if checked is None or not (checked.document_key and checked.name_key):
        return ()
    subject = basis.subject_of(s.subject_kind)
    return tuple(
        record_key_of(
            subject, f"{department}\x1f{code}", checked.document_key, checked.name_key, b""
        )
        for department, code in basis.senders_of(s.department, checked.authority_code)
    )


def look_for_twins(s: Submission, basis: Basis) -> None:
    """Name the state by which a row finds, or is found by, its twins under other keys."""
    if s.carries_row and not s.twin_keys:
        s.twin_keys = twin_keys_of(s, basis)
        s.keys += tuple(map(keys.twin, s.twin_keys))


def _name_other(
    s: Submission, checked: Checked, basis: Basis, number: str, name: str, code: str
) -> None:
    """The record key of this identity with other parts, under each code of its authority."""
    codes = basis.codes_of(checked.authority_code)
    others = [_key_elsewhere(s, checked, basis, number, name, code, one) for one in codes]
    s.other_key = others[0]
    s.identities = tuple(
        each._replace(other_key=other) for each, other in zip(s.identities, others, strict=False)
    )


def _key_elsewhere(
    s: Submission, checked: Checked, basis: Basis, number: str, name: str, code: str,
    authority: str,
) -> bytes:  # fmt: skip
    """The record key of this identity with other parts; what is empty is as here.

    A row without a valid code goes where its sender's rows of that identity go.
    """
    subject = basis.subject_of(s.subject_kind)
    is_numbered = bool(number.strip()) and not is_placeholder(number)
    document_key = normalise_document_number(number) if is_numbered else checked.document_key
    name_key = normalise_subject_name(name) if name.strip() else checked.name_key
    key = s.cause.key
    if code.strip():
        assessed = assess_credit_code(code)
        key = assessed.code.encode()
        if assessed.errors:
            key = key_without_code(
                s.department, subject, authority, document_key, name_key, assessed.code
            )
    return record_key_of(subject, authority, document_key, name_key, key)


def _read_nested(s: Submission, row: Mapping[str, str | bytes], now: int, basis: Basis) -> None:
    """A correction, an arriving record or a restored one: a full row of its kind inside."""
    inner = row["row"]
    framed = inner if isinstance(inner, bytes) else inner.encode()
    if len(framed) + len(s.cause.value) > MAX_DECODED_BYTES:
        s.refuse_as_oversize()  # while it waits it is in the ledger twice
        return
    decoded = basis.contracts.decode_framed(framed)
    s.carries_row = True
    if isinstance(decoded, Fault):
        s.refuse(decoded.code, "row")
        return
    contract, inner_row = decoded
    s.subject_kind = contract.kind
    if contract.kind not in basis.row_kinds or contract.kind != row["subject_kind"]:
        s.refuse("UNKNOWN_KIND", "subject_kind")
        return
    if not str(row["reason"]).strip():
        code = "RESTORATION" if s.kind == kinds.RESTORED else "CORRECTION"
        s.refuse(f"{code}_WITHOUT_REASON", "reason")
    checked = contract.check(inner_row, basis.day_of(now))
    _check_row(s, checked, now, basis)
    s.row = framed
    s.statement = _NESTED[s.kind]
    if s.kind == kinds.RESTORED:
        if not str(row["decided_by"]).strip():
            s.refuse("FIELD_REQUIRED", "decided_by")
        return
    _name_other(
        s, checked, basis, str(row["previous_document_number"]),
        str(row["previous_subject_name"]), str(row["previous_credit_code"]),
    )  # fmt: skip
    if s.kind == kinds.MOVED_IN:
        _read_move_id(s, row)
        if s.other_key == s.record_key:
            s.statement = Statement.CORRECTION
    else:
        _read_redetermination(s, str(row["redetermined_on"]), now, basis)
        if s.record_key not in (s.other_key, NO_KEY):
            s.refuse("IDENTITY_CHANGED")


def _read_redetermination(s: Submission, text: str, now: int, basis: Basis) -> None:
    """The day on which the authority decided again, where the correction names one."""
    if not text.strip():
        return
    on = read_date(text).on
    if on is None or on > basis.day_of(now):
        s.refuse("DATE_IN_FUTURE" if on is not None else "DATE_UNREADABLE", "redetermined_on")
    else:
        s.redetermined_on = on.toordinal()


def _read_reference(
    s: Submission, checked: Checked, row: Mapping[str, str | bytes], basis: Basis
) -> None:
    """A withdrawal, an exit or a departure: names a record without repeating it."""
    s.subject_kind = checked.schema.takes_down or str(row["subject_kind"])
    findings = checked.findings
    if s.cause.key.startswith(b"?"):
        # the record waits under its department because its code was bad: that is why it leaves
        findings = tuple(f for f in findings if not f.code.startswith("CREDIT_CODE_"))
    s.reasons += tuple(Reason(*finding) for finding in findings)
    if any(finding.severity == "error" for finding in findings):
        s.has_errors = True
    _identify(s, checked, basis)
    s.statement = Statement.WITHDRAWAL
    if checked.schema.takes_down:
        s.statement = Statement.EXIT
        if checked.decided_on is not None:
            s.decided_on = checked.decided_on.toordinal()
    elif s.kind == kinds.MOVED_OUT:
        s.statement = Statement.DEPARTURE
        _read_move_id(s, row)
        new_code = str(row["new_credit_code"])
        s.new_subject_key = normalise_credit_code(new_code).encode()
        _name_other(
            s, checked, basis, str(row["new_document_number"]), str(row["new_subject_name"]),
            new_code,
        )  # fmt: skip


def _read_move_id(s: Submission, row: Mapping[str, str | bytes]) -> None:
    move_id = _key_in(row, "move_id")
    if move_id:
        s.move_id = move_id
    else:
        s.refuse("FIELD_REQUIRED", "move_id")


def _key_in(row: Mapping[str, str | bytes], field: str) -> bytes:
    """The key a field holds in hexadecimal; empty where it holds none."""
    try:
        return _key_of(str(row[field]))
    except ValueError:
        return b""


def _read_unreadable(s: Submission, row: Mapping[str, str | bytes], basis: Basis) -> None:
    """A row the connector could not read, or a natural person's: sealed, counted, quarantined."""
    s.carries_row = True
    subject_kind = str(row["subject_kind"])
    if subject_kind in basis.row_kinds:
        s.subject_kind = subject_kind
        s.is_hopeless = not basis.may_state(s.department, subject_kind, subject_kind)
    if row["cause"] == "person":
        s.is_hopeless = True
        s.refuse("PERSON_NOT_ENABLED")
    else:
        code = str(row["reason_code"])[:_MOST_CODE]
        # codes go into receipts and look-ups: no place for a sender's own words
        s.refuse(code if _CODE.fullmatch(code) else "ROW_UNREADABLE")


def _read_lifting(
    s: Submission, checked: Checked, row: Mapping[str, str | bytes], basis: Basis
) -> None:
    """An agent found a good row for what is quarantined in another partition."""
    s.reasons += tuple(Reason(*finding) for finding in checked.findings)
    s.has_errors = not checked.ok
    s.record_key = _key_in(row, "record") or NO_KEY
    if not basis.may_state(s.department, s.kind, s.kind):
        s.is_foreign = True
        s.refuse("KIND_NOT_YOURS", "ce_type")


# --- control and outcomes ------------------------------------------------------------------------


def prepare_control(
    cause: Cause, adopted: Basis | None, refusal: str = "PAYLOAD_UNREADABLE"
) -> BasisAdoption | _Read | UnreadableMessage:
    """Read a message of the control topic.

    `adopted` is the basis it carries, if any; `refusal` is the code of why it carries none.
    """
    if is_unreadable(cause.key, cause.headers, cause.value):
        return UnreadableMessage(cause, "", "BATCH_UNREADABLE")
    kind = _text_of(dict(cause.headers).get("ce_type", b""))
    if kind == kinds.BASIS_ADOPTED and adopted is not None:
        return BasisAdoption(cause, kind, adopted.id, adopted)
    reader = _CONTROL.get(kind)
    if reader is not None:
        try:
            return reader(cause, kind)
        except _UNREADABLE:
            pass
    return UnreadableMessage(cause, kind, refusal or "PAYLOAD_UNREADABLE")


def _read_move_noted(cause: Cause, kind: str) -> MoveNoted:
    content = json.loads(cause.value)
    move_id = _key_of(content["move_id"])
    owner, left_as = str(content["owner"]), str(content["left_as"])
    (owner + left_as).encode()  # JSON can say half a letter
    verdict = MoveVerdict(
        _letter_of(content["verdict"]), destination_of(cause.key), _key_of(content["left"]),
        _key_of(content["to"]), bytes.fromhex(content["origin"]), _key_of(content["made_by"]), 0,
        _unsigned(content["met"], 64), owner[:_MOST_CODE], left_as[:_MOST_CODE],
        heard_from(bytes.fromhex(content["heard"])),
    )  # fmt: skip
    named = (keys.verdict(move_id), keys.arrival(move_id), keys.verdict(verdict.made_by))
    return MoveNoted(cause, kind, move_id, verdict, named)


def _read_move_arrived(cause: Cause, kind: str) -> MoveArrived:
    content = json.loads(cause.value)
    record_key = _key_of(content["record"])
    named = (keys.record(record_key), keys.left_for(record_key))
    return MoveArrived(cause, kind, record_key, _key_of(content["move_id"]), named)


def _letter_of(verdict: str) -> str:
    """Prepare a verdict of a move: anything but a departure is a refusal."""
    return verdict if verdict in (LEFT, LEFT_BEFORE) else REFUSED


def _read_hand_over(cause: Cause, kind: str) -> HandOver:
    owner = str(json.loads(cause.value)["owner"])
    if not _OWNER.fullmatch(owner):
        raise ValueError(owner)
    return HandOver(cause, kind, owner)


def _read_loss(cause: Cause, kind: str) -> LossAcceptance:
    return LossAcceptance(cause, kind, read_loss(cause.value))


def _read_resend(cause: Cause, kind: str) -> ResendRequest:
    content = json.loads(cause.value)
    days = _days_in(content)
    document_key = normalise_document_number(str(content["document"]))
    document_key.encode()  # JSON can say half a letter
    if len(document_key) > _MOST_DOCUMENT:
        raise ValueError(document_key)
    return ResendRequest(cause, kind, str(content["target"]), days, document_key)


def _days_in(content: Mapping[str, str]) -> tuple[int, int]:
    """From and to as proleptic ordinals, inclusive; an empty one sets no bound."""
    begin, end = content["decided_from"], content["decided_to"]
    return (
        date.fromisoformat(begin).toordinal() if begin else 0,
        date.fromisoformat(end).toordinal() if end else _LAST_DAY,
    )


def _read_redecision(cause: Cause, kind: str) -> RedecisionRequest:
    content = json.loads(cause.value)
    rule, because = str(content["rule"]), str(content["reason"])
    because.encode()  # JSON can say half a letter
    named = frozenset(str(name) for name in content["kinds"])
    if not _RULE.fullmatch(rule) or len(because) > _MOST_WORDS or not named:
        raise ValueError(rule)
    if not all(_KIND.fullmatch(name) for name in named):
        raise ValueError(rule)
    return RedecisionRequest(cause, kind, rule, named, _days_in(content), because)


def _read_lost(cause: Cause, kind: str) -> InputLost:
    content = json.loads(cause.value)
    topic, operator = str(content["topic"]), str(content["operator"])
    because = str(content["reason"])
    for text in (topic, operator, because):
        text.encode()  # JSON can say half a letter
        if not text.strip() or len(text) > _MOST_WORDS:
            raise ValueError(text)
    first, until = _unsigned(content["first"], 63), _unsigned(content["until"], 63)
    position = keys.position(topic_id(topic))
    return InputLost(cause, kind, topic, first, until, operator, because, (position,))


_Read: TypeAlias = (
    "MoveNoted | MoveArrived | HandOver | LossAcceptance | ResendRequest | RedecisionRequest"
    " | InputLost"
)
_CONTROL: Final[dict[str, Callable[[Cause, str], _Read]]] = {
    kinds.MOVE_NOTED: _read_move_noted,
    kinds.MOVE_ARRIVED: _read_move_arrived,
    kinds.MAP_CHANGED: _read_hand_over,
    kinds.LOSS_ACCEPTED: _read_loss,
    kinds.RESEND_REQUESTED: _read_resend,
    kinds.REDECISION_REQUESTED: _read_redecision,
    kinds.INPUT_LOST: _read_lost,
}
_UNREADABLE = (ValueError, KeyError, TypeError, OverflowError, RecursionError)
"""Exceptions of reading foreign JSON."""


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


_STAGES = {
    "sent": StageCode.SENT,
    "acknowledged": StageCode.ACKNOWLEDGED,
    "published": StageCode.PUBLISHED,
    "refused": StageCode.REFUSED,
    "withdrawn": StageCode.WITHDRAWN,
    "parked": StageCode.PARKED,
}


def prepare_outcome(cause: Cause, target: int) -> OutcomeReport | UnreadableMessage:
    """Read what a courier reports of its target."""
    if is_unreadable(cause.key, cause.headers, cause.value):
        return UnreadableMessage(cause, kinds.OUTCOME_REPORTED, "BATCH_UNREADABLE")
    try:
        content = json.loads(cause.value)
        record_key = _key_of(content["record"])
        report = StageReport(
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
        return UnreadableMessage(cause, kinds.OUTCOME_REPORTED)
    return OutcomeReport(
        cause, kinds.OUTCOME_REPORTED, record_key, report, (), (keys.record(record_key),)
    )


# --- causes that are not submissions -------------------------------------------------------------


def prepare_timer(record_key: bytes, due_at: int) -> TimerDue:
    """A timer of one record came due."""
    cause = Cause(CauseKind.TIMER, "timer:" + record_key.hex(), due_at, b"", (), b"")
    return TimerDue(cause, record_key, (keys.record(record_key),))


def prepare_sweep(basis: bytes, ordinal: int, record_key: bytes | None) -> SweepStep | SweepEnd:
    """One step of a sweep over all deadlines, or its end (`record_key` None)."""
    cause = Cause(CauseKind.SWEEP, "sweep:" + basis.hex(), ordinal, b"", (), b"")
    if record_key is None:
        return SweepEnd(cause)
    return SweepStep(cause, record_key, (keys.record(record_key),))


def prepare_twin(record_key: bytes, sequence: int) -> TwinAnswered:
    """The ledger record `sequence` accepted a good row of the same identity."""
    cause = Cause(CauseKind.SWEEP, TWIN_TOPIC + record_key.hex(), sequence, b"", (), b"")
    return TwinAnswered(cause, record_key, (keys.record(record_key), keys.answered(record_key)))


TWIN_TOPIC: Final = "twin:"
"""A twin's cause: this and its record key."""


def prepare_visit(walk: bytes, sequence: int, record_key: bytes, framed: bytes) -> WalkVisit:
    """Prepare a resend's visit to one record in its place in the ledger, where it finds `framed`.

    `walk` is the sequence of its request, 8 bytes.
    """
    cause = Cause(CauseKind.SWEEP, "walk:" + walk.hex(), sequence, b"", (), b"")
    walk_key = keys.walk(walk)
    return WalkVisit(cause, record_key, framed, walk_key, (keys.record(record_key), walk_key))


def prepare_walked(walk: bytes, sequence: int) -> WalkMark:
    """Prepare the mark of a resend's progress to this sequence; at its own request it ends."""
    return WalkMark(Cause(CauseKind.SWEEP, "walk:" + walk.hex(), sequence, b"", (), b""))


def read_again(
    cause: Cause, framed: bytes, department: str, kind: str, now: int, basis: Basis
) -> Submission:
    """Read a row once more that was judged when it came, and is not judged again."""
    again = Submission(cause, department, kind)
    if not framed:
        return again
    decoded = basis.contracts.decode_framed(framed)
    if isinstance(decoded, Fault):
        again.refuse(decoded.code, "row")
        return again
    contract, row = decoded
    again.row = framed
    again.checked = contract.check(row, basis.day_of(now))
    again.content = again.checked.content
    if contract.is_row:
        again.subject_kind = contract.kind
    return again


Prepared = (
    Submission | BasisAdoption | MoveNoted | MoveArrived | HandOver | ResendRequest
    | RedecisionRequest | LossAcceptance | InputLost | UnreadableMessage | OutcomeReport
    | TimerDue | SweepStep | SweepEnd | TwinAnswered | WalkVisit | WalkMark
)  # fmt: skip
"""A cause that has been read; `decide` has one rule for each."""
