"""Rows -> submissions: pure, deterministic, and never less than one submission for a row.

A row is submitted as written; the registrar judges it. Three things are done here and
nowhere else: a natural person's row is sealed as a whole (design: persons are not enabled until
their fields are sealed one by one), sealed fields are sealed, and a row that cannot be read is
submitted sealed, so that the count is whole and the legal clock can run.
"""

import base64
import json
import re
from collections.abc import Mapping
from enum import Enum
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from connectors.layout import Folder, Layouts, Reading
from connectors.mapping import SOURCE_VERSION
from connectors.tables import Cells, SourceRow
from hub.contracts import Contracts
from hub.contracts.columns import column_index, header_key
from hub.contracts.persons import flaws_of, folded, holds_old_or_masked_id, needs_a_look
from hub.contracts.schema import FieldRole, IdentityPart, Schema
from hub.contracts.values import clean
from hub.domain import kinds
from hub.domain.as_typed import is_placeholder
from hub.domain.code_lists import (
    CURRENT_STATUS,
    STATUS_NOT_VALID,
    STATUS_VALID,
    read_code,
)
from hub.domain.credit_code import (
    assess_credit_code,
    check_credit_code,
    is_masked_citizen_id,
    normalise_credit_code,
    organisation_part_is_valid,
)
from hub.domain.dates import read_month
from hub.domain.document_number import normalise_document_number, normalise_subject_name
from hub.domain.identity import key_without_code, record_key_of

WITHDRAWALS: Final = frozenset({kinds.WITHDRAWN, kinds.DELISTED})
"""Kinds that take a record down."""
SEAL_LIMIT: Final = 512 * 1024
"""Bytes sealed into a submission (1 MiB at most); beyond, a digest is sent and the file is kept."""

VALID: Final = "valid"
"""`Submission.stated_status`, and the value of the header `hub_stated_status`."""

NOT_SHOWN: Final = "（已加密，不回显）"
"""In place of what is sealed, in the table that goes back to its sender."""
_NOT_VALID_REASON: Final = "报送状态为无效"
_KIND_LABELS: Final = {
    "行政许可": kinds.LICENCE,
    "许可": kinds.LICENCE,
    "行政处罚": kinds.PENALTY,
    "处罚": kinds.PENALTY,
    "失信被执行人": kinds.LISTED,
    "信用承诺": kinds.MADE,
    "承诺": kinds.MADE,
    "信用承诺履行": kinds.PERFORMED,
    "履约践诺": kinds.PERFORMED,
}
"""Words people use for a kind, besides the contract's own title."""
_ORGANISATION_CODE: Final = re.compile("[0-9A-Z]{8}-?[0-9X]")
_REGISTRATION_NUMBER: Final = 15
"""Digits of a registration number of before 2015."""
_PERSON: Final = "PERSON"
"""The code of 自然人 in every list of categories of subjects."""
_PERSON_IN_WORDS: Final = re.compile(r"[\W\d_]*自然人(?![^\W\d_])")
"""自然人（个人）, 1.自然人; not 自然人独资, which is a company."""
_PERSONAL: Final = "PERSONAL_ID_IN_TEXT"
_READ_ALL_THE_SAME: Final = "CELL_ERROR"
"""The one fault of a row whose cells have their headers."""


class TextSealer(Protocol):
    """The used part of `hub.adapters.sealing.Sealer`."""

    def seal_text(self, field: str, text: str) -> str:
        """Return the sealed form of a field's text."""

    def seal_bytes(self, aad: str, plain: bytes) -> bytes:
        """Return sealed bytes."""


class OutgoingSubmission(NamedTuple):
    """One message of `submissions.<department>` before it has its number in the stream.

    `position` is `<file fingerprint, 16 hex>:<sheet index>:<row number>`; row 0 is the whole sheet
    or file. `source_version` is the source's own order of updates, or empty. `stated_status` is
    `valid` where a status column of the source says so of a row.
    """

    kind: str
    key: bytes
    value: bytes
    position: str
    source_version: str = ""
    stated_status: str = ""


class Declared(Enum):
    """Meaning of a full row to its sender: by the folder of its file, or by a column of its table.

    A row of kind `record.withdrawn.v1` says so itself.
    """

    ROW = "row"
    VALID = "valid"
    """A row which a status column says is valid: so it is again where it was withdrawn before."""
    RESTORATION = "restoration"
    """The record the row describes was withdrawn, and is to be shown again."""
    CORRECTION = "correction"
    WITHDRAWAL = "withdrawal"
    """The row withdraws the record it describes."""


_DECLARED_IN: Final = {
    Folder.CORRECTIONS: Declared.CORRECTION,
    Folder.RESTORATIONS: Declared.RESTORATION,
}
"""Meanings of a folder for its rows; elsewhere they are rows."""


class _Identity(NamedTuple):
    """The fields that identify a record, as written."""

    document_number: str
    subject_name: str
    credit_code: str
    authority_code: str


_PARTS: Final = (
    IdentityPart.DOCUMENT_NUMBER,
    IdentityPart.SUBJECT_NAME,
    IdentityPart.CREDIT_CODE,
    IdentityPart.AUTHORITY_CODE,
)
"""In the order of `_Identity`."""


class RowSubmitter:
    """Turns the rows of one stream into submissions."""

    def __init__(
        self,
        department: str,
        stream: str,
        contracts: Contracts,
        sealer: TextSealer,
    ) -> None:
        """Take the department, its stream (`market-supervision/files`), contracts and sealer."""
        self._department = department
        self._stream = stream
        self._contracts = contracts.by_kind
        self._sealer = sealer
        self._sealed_fields = {
            kind: tuple(field.name for field in contract.schema.fields if field.sealed)
            for kind, contract in contracts.by_kind.items()
        }
        schemas = {kind: contract.schema for kind, contract in contracts.by_kind.items()}
        sealed = {name for names in self._sealed_fields.values() for name in names}
        index = column_index(*(contract.schema for contract in contracts.by_kind.values()))
        self._sealed_headers = {header for header, name in index.items() if name in sealed}
        self._headers: Cells = ()
        self._columns: tuple[int, ...] = ()
        self._labels = {schema.title_zh: kind for kind, schema in schemas.items()} | _KIND_LABELS
        self._category = {
            kind: (field.name, field.code_list)
            for kind, schema in schemas.items()
            for field in schema.fields
            if field.role is FieldRole.SUBJECT_CATEGORY
        }
        self._performance = {
            kind: (field.name, schema.follows)
            for kind, schema in schemas.items()
            for field in schema.fields
            if schema.follows and field.role is FieldRole.PERFORMANCE
        }
        self._identity_fields = {
            kind: tuple(_playing(contract.schema, part) for part in _PARTS)
            for kind, contract in contracts.by_kind.items()
        }

    def submissions(
        self, row: SourceRow, layouts: Layouts, fingerprint: str, sequence: int
    ) -> tuple[OutgoingSubmission, ...]:
        """Return what this row is submitted as: one submission, or the two halves of a move.

        `fingerprint` is the SHA-256 of the file in hex; `sequence` is the number in the stream
        that the first of them will get (a move's id is made of it).
        """
        if row.fault:
            return self.unreadable_row(row, layouts.kind, fingerprint)
        layout = layouts.layout_of(row.headers)
        declared = _DECLARED_IN.get(layouts.folder, Declared.ROW)
        reading = layout.read(row.headers, row.cells)
        return self.declared(row, layout.kind, reading, declared, fingerprint, sequence)

    def declared(
        self,
        row: SourceRow,
        kind: str,
        reading: Reading,
        declared: Declared,
        fingerprint: str,
        sequence: int,
    ) -> tuple[OutgoingSubmission, ...]:
        """Return what a row that was read as fields of `kind` is submitted as."""
        position = _position(fingerprint, row)
        fields, fault, is_person = reading
        if fault:
            return self.unreadable_row(row._replace(fault=fault), kind, fingerprint)
        identity = self._identity(kind, fields)
        if is_person or self._is_person(kind, fields, identity):
            return (
                self._unreadable(
                    kind, "PERSON_NOT_ENABLED", position, fingerprint, _sealable(row), "person"
                ),
            )
        version = fields.pop(SOURCE_VERSION, "").strip()
        kind = self._as_it_stands(kind, fields)
        if kind == kinds.OUTPUT_COUNT:
            identity = self._complete_count(fields)
        if kind == kinds.WITHDRAWN:
            fields["subject_kind"] = self._kind_named(fields)
            made: tuple[OutgoingSubmission, ...] = (
                self._one(kinds.WITHDRAWN, fields, fields["subject_kind"], identity, position),
            )
        elif declared is Declared.WITHDRAWAL or _status(fields) == STATUS_NOT_VALID:
            made = (self._withdrawal(kind, identity, fields, position),)
        elif declared is Declared.CORRECTION:
            made = self._correction(kind, fields, identity, position, sequence)
        elif declared is Declared.RESTORATION:
            made = (self._restoration(kind, fields, identity, position),)
        else:
            one = self._one(kind, fields, kind, identity, position)
            is_valid = declared is Declared.VALID or _status(fields) == STATUS_VALID
            made = (one._replace(stated_status=VALID) if is_valid else one,)
        return tuple(each._replace(source_version=version) for each in made) if version else made

    def shown(self, row: SourceRow, layouts: Layouts) -> SourceRow:
        """Return the row as its sender may see it again: without what is sealed of it.

        Of a row that cannot be read nothing says which cell is sealed, so none is shown.
        """
        if row.fault not in {"", _READ_ALL_THE_SAME}:
            return _hidden(row)
        layout = layouts.layout_of(row.headers)
        fields, fault, is_person = layout.read(row.headers, row.cells)
        identity = self._identity(layout.kind, fields)
        if fault or is_person or self._is_person(layout.kind, fields, identity):
            return _hidden(row)
        cells = list(row.cells)
        for column in self._sealed_columns(row.headers):
            if column < len(cells) and cells[column]:
                cells[column] = NOT_SHOWN
        if needs_a_look("A".join(cells)):  # a letter: digits of two cells are no one number
            cells = [NOT_SHOWN if _PERSONAL in flaws_of(cell) else cell for cell in cells]
        return row._replace(cells=tuple(cells))

    def _sealed_columns(self, headers: Cells) -> tuple[int, ...]:
        """Which columns are sealed, found once for a header row."""
        if headers != self._headers:
            self._headers = headers
            self._columns = tuple(
                index
                for index, header in enumerate(headers)
                if header_key(header) in self._sealed_headers
            )
        return self._columns

    def unreadable_row(
        self, row: SourceRow, kind: str, fingerprint: str
    ) -> tuple[OutgoingSubmission, ...]:
        """Return the one submission of a row with a fault: its cells, sealed."""
        position = _position(fingerprint, row)
        return (self._unreadable(kind, row.fault, position, fingerprint, _sealable(row)),)

    def unreadable_file(
        self, row: SourceRow, kind: str, fingerprint: str, content: bytes
    ) -> OutgoingSubmission:
        """Return the one submission of a sheet or file that cannot be read at all (row 0)."""
        if len(content) * 4 // 3 <= SEAL_LIMIT:
            plain = {"file": base64.b64encode(content).decode()}
        else:
            plain = {"sha256": fingerprint, "bytes": str(len(content))}
        position = _position(fingerprint, row)
        return self._unreadable(kind, row.fault, position, fingerprint, _json(plain))

    def entry(self, fields: Mapping[str, str]) -> tuple[bytes | None, str]:
        """The record key of a court's entry, as the ledger has it, and what is wrong with it.

        No key and no fault: natural persons and debtors of no code, or of one of before 2015,
        cannot be live there. Any other code that is none may be a slip of the pen (`9.13E+17`) in
        that of a company which is: without its key the list would say that it has left.
        """
        identity = self._identity(kinds.LISTED, fields)
        if self._is_person(kinds.LISTED, fields, identity):
            return None, ""
        number = self._contracts[kinds.LISTED].document_key(fields)
        name = normalise_subject_name(clean(identity.subject_name))
        authority = assess_credit_code(identity.authority_code)
        debtor = assess_credit_code(identity.credit_code)
        if _is_no_code(debtor.code) or _is_of_old(debtor.code):
            return None, ""
        errors = (*debtor.errors, *authority.errors)
        if errors or not number or not name:
            return None, errors[0] if errors else "FIELD_REQUIRED"
        subject = kinds.LISTED.partition(".")[0]
        return record_key_of(subject, authority.code, number, name, debtor.code.encode()), ""

    def _as_it_stands(self, kind: str, fields: Mapping[str, str]) -> str:
        """A row without its performance is of the kind that performance follows."""
        status, followed = self._performance.get(kind, ("", ""))
        return followed if status and not fields.get(status, "").strip() else kind

    def _kind_named(self, fields: Mapping[str, str]) -> str:
        label = fields.get("subject_kind", "").strip()
        return self._labels.get(label, label)

    def _complete_count(self, fields: dict[str, str]) -> _Identity:
        """A count is of the authority itself and has `<month>/<kind>` as its number."""
        fields["subject_kind"] = self._kind_named(fields)
        own = fields.get("authority_code", "").strip() or fields.get("credit_code", "")
        for name in ("authority_code", "credit_code"):
            if not fields.get(name, "").strip():
                fields[name] = own
        if not fields.get("document_number", "").strip():
            month = read_month(fields.get("month", ""))[0]
            fields["document_number"] = f"{month}/{fields['subject_kind']}"
        return self._identity(kinds.OUTPUT_COUNT, fields)

    def _is_person(self, kind: str, fields: Mapping[str, str], identity: _Identity) -> bool:
        """相对人类别 自然人, or a citizen's number where the credit code belongs."""
        column, code_list = self._category.get(kind, ("", ""))
        category = "".join(folded(fields.get(column, "")).split())
        return (
            _PERSON_IN_WORDS.match(category) is not None
            or (column != "" and _PERSON in read_code(code_list, category).codes)
            or _names_person(identity.credit_code)
        )

    def _identity(self, kind: str, fields: Mapping[str, str]) -> _Identity:
        """The identity as written; a number that is not one is replaced by its substitute."""
        found = _Identity(*(fields.get(name, "") for name in self._identity_fields[kind]))
        if not is_placeholder(found.document_number):
            return found
        key = self._contracts[kind].document_key(fields)
        return found._replace(document_number=key or found.document_number)

    def _is_one_record(self, old: _Identity, new: _Identity) -> bool:
        """Whether only the name differs: a company is its credit code, under any name."""
        is_company = not assess_credit_code(new.credit_code).errors
        return is_company and old._replace(subject_name=new.subject_name) == new

    def _key(self, subject_kind: str, identity: _Identity) -> bytes:
        """Return the canonical credit code, or a key that all which names the record will have."""
        assessed = assess_credit_code(identity.credit_code)
        if not assessed.errors:
            return assessed.code.encode()
        return key_without_code(
            self._department,
            subject_kind.partition(".")[0],
            normalise_credit_code(identity.authority_code),
            normalise_document_number(clean(identity.document_number)),
            normalise_subject_name(clean(identity.subject_name)),
            assessed.code,
        )

    def _row(self, kind: str, fields: Mapping[str, str]) -> bytes:
        """Encode a full row with its sealed fields sealed; other columns are left out."""
        contract = self._contracts[kind]
        row: dict[str, str | bytes] = {name: fields.get(name, "") for name in contract.names}
        for name in self._sealed_fields[kind]:
            row[name] = self._sealer.seal_text(name, fields.get(name, "").strip())
        return contract.encode(row)

    def _one(
        self,
        kind: str,
        fields: Mapping[str, str],
        subject_kind: str,
        identity: _Identity,
        position: str,
    ) -> OutgoingSubmission:
        key = self._key(subject_kind, identity)
        return OutgoingSubmission(kind, key, self._row(kind, fields), position)

    def _withdrawal(
        self, kind: str, identity: _Identity, fields: Mapping[str, str], position: str
    ) -> OutgoingSubmission:
        """当前状态 = 2 (无效): the row withdraws the record it describes."""
        withdrawal = {
            "subject_kind": kind,
            **identity._asdict(),
            "reason": fields.get("reason", "").strip() or _NOT_VALID_REASON,
        }
        return self._one(kinds.WITHDRAWN, withdrawal, kind, identity, position)

    def _restoration(
        self, kind: str, fields: Mapping[str, str], identity: _Identity, position: str
    ) -> OutgoingSubmission:
        """A row that was withdrawn, to be shown again: why, and by whose decision."""
        restored: dict[str, str | bytes] = {
            "subject_kind": kind,
            "row": self._row(kind, fields),
            "reason": fields.get("reason", ""),
            "decided_by": fields.get("decided_by", ""),
        }
        value = self._contracts[kinds.RESTORED].encode(restored)
        return OutgoingSubmission(kinds.RESTORED, self._key(kind, identity), value, position)

    def _correction(
        self, kind: str, fields: Mapping[str, str], new: _Identity, position: str, sequence: int
    ) -> tuple[OutgoingSubmission, ...]:
        """A correction in place, or moved_out + moved_in where the identity changes."""
        old = _previous(fields, new)
        row = self._row(kind, fields)
        if _names_person(old.credit_code):
            # The first row was sealed as a person's: nothing of it is on record, so there is
            # nothing to move, and the person's number must not travel in the clear.
            return (OutgoingSubmission(kind, self._key(kind, new), row, position),)
        reason = fields.get("reason", "")
        if old == new or self._is_one_record(old, new):
            corrected: dict[str, str | bytes] = {
                "subject_kind": kind,
                "row": row,
                "reason": reason,
                "redetermined_on": fields.get("redetermined_on", ""),
            }
            value = self._contracts[kinds.CORRECTED].encode(corrected)
            return (OutgoingSubmission(kinds.CORRECTED, self._key(kind, new), value, position),)
        move_id = sha256(f"{self._stream}|{sequence}".encode()).hexdigest()[:32]
        moved_out = {
            "move_id": move_id,
            "subject_kind": kind,
            **old._asdict(),
            "new_credit_code": new.credit_code,
            "reason": reason,
            "new_document_number": _if_changed(new.document_number, old.document_number),
            "new_subject_name": _if_changed(new.subject_name, old.subject_name),
        }
        moved_in: dict[str, str | bytes] = {
            "move_id": move_id,
            "subject_kind": kind,
            "row": row,
            "reason": reason,
            "previous_document_number": _if_changed(old.document_number, new.document_number),
            "previous_subject_name": _if_changed(old.subject_name, new.subject_name),
            "previous_credit_code": _if_changed(old.credit_code, new.credit_code),
        }
        out, into = self._contracts[kinds.MOVED_OUT], self._contracts[kinds.MOVED_IN]
        return (
            OutgoingSubmission(
                kinds.MOVED_OUT, self._key(kind, old), out.encode(moved_out), position
            ),
            OutgoingSubmission(
                kinds.MOVED_IN, self._key(kind, new), into.encode(moved_in), position
            ),
        )

    def _unreadable(
        self,
        kind: str,
        reason_code: str,
        position: str,
        fingerprint: str,
        plain: bytes,
        cause: str = "unreadable",
    ) -> OutgoingSubmission:
        fields: dict[str, str | bytes] = {
            "subject_kind": kind,
            "cause": cause,
            "reason_code": reason_code,
            "position": position,
            "file_fingerprint": fingerprint,
            "sealed": self._sealer.seal_bytes(kinds.UNREADABLE, plain),
        }
        value = self._contracts[kinds.UNREADABLE].encode(fields)
        key = key_without_code(self._department, position, fingerprint)
        return OutgoingSubmission(kinds.UNREADABLE, key, value, position)


def _playing(schema: Schema, part: IdentityPart) -> str:
    """Return the name of the field that plays this part in the identity, or an empty string."""
    return next((field.name for field in schema.fields if field.identity is part), "")


def _position(fingerprint: str, row: SourceRow) -> str:
    return f"{fingerprint[:16]}:{row.sheet_index}:{row.row_number}"


def _json(plain: Mapping[str, object]) -> bytes:
    """Encode canonically; undecodable bytes, kept as lone surrogates, survive the round trip."""
    text = json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _sealable(row: SourceRow) -> bytes:
    """Return a row's headers and cells for sealing, or their digest when there is too much."""
    plain = _json({"headers": row.headers, "cells": row.cells})
    if len(plain) <= SEAL_LIMIT:
        return plain
    return _json({"sha256": sha256(plain).hexdigest(), "bytes": str(len(plain))})


def _hidden(row: SourceRow) -> SourceRow:
    """Return the row with none of its cells shown."""
    return row._replace(cells=tuple(NOT_SHOWN for _ in row.cells))


def _names_person(code: str) -> bool:
    """Whether a text in a credit code's place holds a citizen's number, in any disguise.

    Of old 15 digits and masked ones, too. One in 31 citizen numbers passes the check of GB 32100 by
    chance; the organisation code inside tells such a number from a company's.
    """
    plain = normalise_credit_code(code)
    if check_credit_code(plain) is None and organisation_part_is_valid(plain):
        return False
    return is_masked_citizen_id(plain) or any(
        _PERSONAL in flaws_of(text) or holds_old_or_masked_id(text) for text in (code, plain)
    )


def _is_no_code(code: str) -> bool:
    """Whether a code's place is empty, or holds a usual filler: 无, /, NULL, 0, ***."""
    return not any(digit in code for digit in "123456789")


def _is_of_old(code: str) -> bool:
    """Whether a normalised code is a plain organisation code or registration number.

    A registration number with a slip in it is none of today's codes for all that.
    """
    return _ORGANISATION_CODE.fullmatch(code) is not None or (
        len(code) == _REGISTRATION_NUMBER and code.isascii() and code.isdigit()
    )


def _status(fields: Mapping[str, str]) -> str:
    """The code of 当前状态; empty where the row has none."""
    status = fields.get("XK_ZT", "")
    return read_code(CURRENT_STATUS.name, status).code if status else ""


def _previous(fields: Mapping[str, str], new: _Identity) -> _Identity:
    """Return the identity the correction names as the old one; equal to `new` when unchanged.

    Another spelling of the same number or name does not change the identity, and a placeholder is
    not a number: a record without a number is named by its substitute.
    """
    number = fields.get("previous_document_number", "")
    number = "" if is_placeholder(number) else number
    name = fields.get("previous_subject_name", "")
    code = fields.get("previous_credit_code", "")
    same_number = normalise_document_number(number) == normalise_document_number(
        new.document_number
    )
    same_name = normalise_subject_name(name) == normalise_subject_name(new.subject_name)
    same_code = normalise_credit_code(code) == normalise_credit_code(new.credit_code)
    return new._replace(
        document_number=new.document_number if not number.strip() or same_number else number,
        subject_name=new.subject_name if not name.strip() or same_name else name,
        credit_code=new.credit_code if not code.strip() or same_code else code,
    )


def _if_changed(old: str, new: str) -> str:
    return "" if old == new else old
