"""What is submitted, and what can be read in it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from hub.contracts import Checked, Contract, Contracts, Fault
from hub.contracts.schema import FieldRole
from hub.domain.document_number import normalise_document_number, normalise_subject_name
from tests.model.rules import DAY_MS, Rules, day_of

CORRECTED, WITHDRAWN = "record.corrected.v1", "record.withdrawn.v1"
MOVED_OUT, MOVED_IN = "record.moved_out.v1", "record.moved_in.v1"
RESTORED, UNREADABLE = "record.restored.v1", "row.unreadable.v1"
FINDING = "commitment.performance_missing.v1"
LIFTED = "duty.lifted.v1"
STEPS = {"全部未履行": 0, "部分履行": 1, "全部履行": 2}
"""Stages of a performance, in the order in which they follow each other."""
NEVER_ACCEPTED = {"PERSON_NOT_ENABLED", "KIND_NOT_YOURS", "UNKNOWN_DEPARTMENT"}


class Verb(StrEnum):
    """The statements of the table."""

    ROW = "row"
    PERFORMANCE = "performance"
    CORRECTION = "correction"
    WITHDRAWAL = "withdrawal"
    EXIT = "exit"
    DEPARTURE = "departure"
    ARRIVAL = "arrival"
    RESTORATION = "restoration"
    FINDING = "finding"
    UNREADABLE = "unreadable"
    GARBAGE = "garbage"
    LIFTING = "lifting"


CARRY_A_ROW = {
    Verb.ROW, Verb.PERFORMANCE, Verb.CORRECTION, Verb.ARRIVAL, Verb.RESTORATION, Verb.FINDING,
    Verb.UNREADABLE, Verb.GARBAGE,
}  # fmt: skip


class RecordIdentity(NamedTuple):
    """What makes a record one and the same. `code` is the key it is filed under.

    A company is its code: `name` is empty where that is valid.
    """

    subject: str
    authority: str
    document: str
    name: str
    code: str


@dataclass(frozen=True)
class ModelStatement:
    """One submission; `number` counts within (department, stream)."""

    department: str
    stream: str
    number: int
    kind: str
    key: str
    value: bytes
    partition: int
    source_version: int | None = None
    says_valid: bool = False

    @property
    def source(self) -> str:
        """Whose numbers the source's versions are."""
        return f"{self.department}/{self.stream}"

    @property
    def place(self) -> tuple[int, str, str, int]:
        """What its receipt is found by: a partition knows the numbers used in it alone."""
        return self.partition, self.department, self.stream, self.number

    @property
    def order(self) -> tuple[int, bool] | None:
        """Version and status; a status without a version says nothing."""
        return None if self.source_version is None else (self.source_version, self.says_valid)


@dataclass(frozen=True)
class Facts:
    """What a row says that decides anything."""

    kind: str
    content: bytes
    decided_on: date | None
    ends_on: date | None = None
    seriousness: str = ""
    is_simple: bool = False
    openness: str = ""
    step: int = -1
    recognised_on: date | None = None

    @property
    def decided(self) -> date:
        """The decision date of a row that has one: every good one that anybody shows."""
        assert self.decided_on is not None
        return self.decided_on


@dataclass
class DatedStatement:
    """A statement that was read under the rules of a day."""

    statement: ModelStatement
    verb: Verb
    faults: list[str] = field(default_factory=list)
    identity: RecordIdentity | None = None
    facts: Facts | None = None
    content: bytes = b""
    name: str = ""
    """What the subject is called."""
    kind: str = ""
    """The kind of row it is about."""
    exited_on: date | None = None
    move: str = ""
    other: RecordIdentity | None = None
    """The previous identity of an arrival, the new one of a departure."""
    redetermined_on: date | None = None
    about: str = ""
    """Key of the record that a finding or a lifting names."""
    arrived_at: int = 0
    """When it came, however long it has waited since."""
    has_order: bool = True
    """Whether its source is one of those whose order the record remembers."""
    said_again: int = 0
    """The greatest version under which its source has said so while it waited."""
    held_at: int = 0
    """When it began to wait; 0 for what does not."""

    @property
    def never_accepted(self) -> bool:
        """Whether nothing could make this row acceptable."""
        return bool(NEVER_ACCEPTED & set(self.faults))

    @property
    def may_be_mended(self) -> bool:
        """Whether the sender may say this, and could say it so that it is accepted."""
        return not self.never_accepted and "FOREIGN_AUTHORITY" not in self.faults

    @property
    def version(self) -> int | None:
        """The source's version as it was to be judged when the statement came."""
        if not self.has_order:
            return None
        version = version_that_counts(self.statement.source_version, self.arrived_at)
        return None if version is None else max(version, self.said_again)


def version_that_counts(version: int | None, now: int) -> int | None:
    """The source's version, unless it reads as a moment after tomorrow."""
    if version is None:
        return None
    moment = _moment(str(version))
    return None if moment is not None and moment > now + DAY_MS else version


def _moment(digits: str) -> int | None:
    """The milliseconds a version means when it reads as a moment of 1990 to 2200, or as never."""
    scale = {10: 1000.0, 13: 1.0, 16: 1e-3, 19: 1e-6}.get(len(digits))
    if scale is not None:
        at = int(int(digits) * scale)
        return at if 1990 <= day_of(at).year <= 2200 else None
    if len(digits) in {12, 15} and 253_370_736_000 <= int(digits[:12]) < 253_402_272_000:
        return int(digits.ljust(15, "0"))
    if len(digits) not in {8, 12, 14, 17}:
        return None
    try:
        written = datetime.strptime(f"{digits[:14]:0<14} +0800", "%Y%m%d%H%M%S %z")
    except ValueError:
        return None
    is_a_year = 1990 <= written.year <= 2200 or written.year == 9999
    return int(written.timestamp() * 1000) if is_a_year else None


class StatementReader:
    """Reads statements by the contracts."""

    def __init__(self, contracts: Contracts) -> None:
        self.contracts = contracts
        self.alone: dict[tuple[int, str, str, int], str] = {}
        """Submissions that cannot be read → key under which they came first."""

    def read(self, statement: ModelStatement, rules: Rules, now: int) -> DatedStatement:
        """A statement as the table sees it."""
        contract = self.contracts.by_kind[statement.kind]
        framed = self.contracts.decode_framed(statement.value)
        if isinstance(framed, Fault):
            reading = DatedStatement(statement, Verb.GARBAGE, faults=[framed.code], arrived_at=now)
            self._stands_alone(reading, statement.kind)
            self._authorise(reading, rules)
            return reading
        row = framed[1]
        checked = contract.check(row, day_of(now))
        reading = DatedStatement(statement, self._verb(contract), _errors(checked), arrived_at=now)
        reading.content, reading.kind = checked.content, contract.kind
        reading.move = str(row.get("move_id", ""))
        if not re.fullmatch("[0-9a-f]{32}", reading.move):
            reading.move = ""
        self._identify(reading, contract, checked, row, now)
        self._authorise(reading, rules)
        return reading

    def _verb(self, contract: Contract) -> Verb:
        named = {
            CORRECTED: Verb.CORRECTION, WITHDRAWN: Verb.WITHDRAWAL, MOVED_OUT: Verb.DEPARTURE,
            MOVED_IN: Verb.ARRIVAL, RESTORED: Verb.RESTORATION, UNREADABLE: Verb.UNREADABLE,
            FINDING: Verb.FINDING, LIFTED: Verb.LIFTING,
        }  # fmt: skip
        if contract.kind in named:
            return named[contract.kind]
        if contract.schema.takes_down:
            return Verb.EXIT
        return Verb.PERFORMANCE if contract.schema.follows else Verb.ROW

    def _identify(
        self, reading: DatedStatement, contract: Contract, checked: Checked,
        row: dict[str, str | bytes], now: int,
    ) -> None:  # fmt: skip
        verb, key = reading.verb, reading.statement.key
        if verb is Verb.UNREADABLE:
            is_person = row["cause"] == "person"
            reason = "PERSON_NOT_ENABLED" if is_person else str(row["reason_code"])
            reading.faults = [reason, *reading.faults]
            self._stands_alone(reading, str(row["subject_kind"]))
            return
        if verb is Verb.LIFTING:
            reading.about = str(row["record"])
            return
        if verb in {Verb.CORRECTION, Verb.ARRIVAL, Verb.RESTORATION}:
            self._read_inside(reading, checked, row, now)
            return
        subject = contract.schema.subject
        if verb in {Verb.WITHDRAWAL, Verb.DEPARTURE}:
            reading.kind = str(row["subject_kind"])
            subject = self._subject(reading.kind)
        elif verb is Verb.EXIT:
            reading.kind = contract.schema.takes_down
            subject = self._subject(reading.kind)
            reading.exited_on = checked.decided_on
        else:
            reading.facts = facts_of(contract, checked, now)
        reading.identity, reading.name = identity_of(subject, checked, key), checked.name_key
        if verb is Verb.DEPARTURE:
            old = reading.identity
            document = normalise_document_number(str(row.get("new_document_number", "")))
            name = normalise_subject_name(str(row.get("new_subject_name", "")))
            reading.other = _filed(
                old._replace(document=document or old.document, name=name or checked.name_key),
                str(row["new_credit_code"]),
            )
        if verb is Verb.FINDING:
            reading.about = str(row["commitment_record"])

    def _stands_alone(self, reading: DatedStatement, kind: str) -> None:
        """Of what cannot be read: the submission is its own record, of a row of its kind."""
        statement = reading.statement
        own = f"{statement.source}#{statement.number}"
        reading.kind, reading.facts = kind, Facts(kind, b"", None)
        key = self.alone.setdefault(statement.place, statement.key)
        reading.identity = RecordIdentity("", "", own, "", key)

    def _read_inside(
        self, reading: DatedStatement, checked: Checked, row: dict[str, str | bytes], now: int
    ) -> None:
        """The row inside a correction, an arrival or a restoration."""
        value = row["row"]
        assert isinstance(value, bytes)
        framed = self.contracts.decode_framed(value)
        assert not isinstance(framed, Fault)
        contract, inner = framed
        found = contract.check(inner, day_of(now))
        reading.faults += _errors(found)
        reading.kind = contract.kind
        reading.facts = facts_of(contract, found, now)
        own = identity_of(contract.schema.subject, found, reading.statement.key)
        reading.identity, reading.name = own, found.name_key
        reading.other = _filed(
            own._replace(
                document=checked.document_key or own.document,
                name=checked.name_key or found.name_key,
            ),
            checked.credit_code or own.code,
        )
        if reading.verb is Verb.ARRIVAL and reading.other == own:
            reading.verb = Verb.CORRECTION  # it arrives where it came from, and is of no move
        said = str(row.get("redetermined_on", ""))
        reading.redetermined_on = date.fromisoformat(said) if said else None

    def _authorise(self, reading: DatedStatement, rules: Rules) -> None:
        """What the sender may not say."""
        department = reading.statement.department
        schema = self.contracts.by_kind[reading.kind].schema
        if schema.submitted_by == "agent":
            is_allowed = rules.is_agent(department)
        else:
            is_allowed = reading.kind in rules.departments[department]["states"]
        if not is_allowed:
            reading.faults.append("KIND_NOT_YOURS")
        identity = reading.identity
        allowed = rules.departments[department]["authorities"]
        if identity is not None and identity.authority and identity.authority not in allowed:
            reading.faults.append("FOREIGN_AUTHORITY")

    def _subject(self, kind: str) -> str:
        return self.contracts.by_kind[kind].schema.subject


def _errors(checked: Checked) -> list[str]:
    return [finding.code for finding in checked.findings if finding.severity == "error"]


def identity_of(subject: str, checked: Checked, key: str) -> RecordIdentity:
    """The record that a checked row or reference is about, filed under a key."""
    authority, document = checked.authority_code, checked.document_key
    return _filed(RecordIdentity(subject, authority, document, checked.name_key, ""), key)


def _filed(identity: RecordIdentity, key: str) -> RecordIdentity:
    """An identity under a key; what has no code is filed under its department's (`?…`)."""
    is_company = bool(key) and not key.startswith("?")
    return identity._replace(name="" if is_company else identity.name, code=key)


def facts_of(contract: Contract, checked: Checked, now: int) -> Facts:
    """What a checked row says that decides anything; a decision of tomorrow has no date."""
    on = checked.decided_on
    on = on if on is not None and on <= day_of(now) else None
    schema = contract.schema

    def value(role: FieldRole) -> str:
        found = [n for n, field in enumerate(schema.fields) if field.role is role]
        return str(checked.values[found[0]]) if found else ""

    recognised = value(FieldRole.RECOGNISED_ON)
    return Facts(
        contract.kind, checked.content, on, checked.expires_on,
        checked.seriousness, checked.simple_procedure, value(FieldRole.OPENNESS),
        STEPS.get(value(FieldRole.PERFORMANCE), -1),
        date.fromisoformat(recognised) if recognised else None,
    )  # fmt: skip
