"""An `.avsc` contract as typed values: the Avro part and the attributes the hub adds to it.

The file is the contract: Chinese name, national column code, length, requiredness, code table,
identifier kind, sharing class. A misspelling would be found late, in a department's
file, so everything is checked at load and every fault names the file, the field and the remedy.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final, TypeVar

from hub.domain.amounts import UNITS as AMOUNT_UNITS
from hub.errors import ConfigurationError

_Choice = TypeVar("_Choice", bound=StrEnum)
_ENVELOPES: Final = frozenset({"record", "row"})
"""Subjects of kinds that refer to a row of another kind."""


class Sharing(StrEnum):
    """Who may see a field, widest first (社会公开, 政务共享, 授权查询, and never)."""

    PUBLIC = "public"
    GOVERNMENT = "government"
    AUTHORISED = "authorised"
    NEVER = "never"


class Required(StrEnum):
    """Whether a field must be filled; `conditional` says when in `required_when`."""

    ALWAYS = "true"
    CONDITIONAL = "conditional"
    NO = "false"


class Hint(StrEnum):
    """How a field's text is understood: one canonicaliser each, see `values.py`."""

    TEXT = "text"
    DATE = "date"
    DATE_TO = "date_to"
    AMOUNT = "amount"
    CODE = "code"
    CODE_SET = "code_set"
    COUNT = "count"
    MONTH = "month"
    CHOICE = "choice"
    CREDIT_CODE = "credit_code"
    ORGANISATION_CODE = "organisation_code"
    REGISTRATION_NUMBER = "registration_number"
    TAX_NUMBER = "tax_number"
    NUMBER = "number"
    KIND = "kind"
    HEX = "hex"
    FRAMED = "framed"


class IdentityPart(StrEnum):
    """The part a field plays in a record's identity (kind + these, normalised)."""

    AUTHORITY_CODE = "authority_code"
    DOCUMENT_NUMBER = "document_number"
    SUBJECT_NAME = "subject_name"
    CREDIT_CODE = "credit_code"


class FieldRole(StrEnum):
    """Roles that rules and the registrar look for, under any column name."""

    SUBJECT_CATEGORY = "subject_category"
    TYPE = "type"
    LICENCE_NUMBER = "licence_number"
    DECIDED_ON = "decided_on"
    FILED_ON = "filed_on"
    RECOGNISED_ON = "recognised_on"
    PERFORMANCE = "performance"
    OPENNESS = "openness"
    MONTH = "month"
    COUNTED_KIND = "counted_kind"
    VALID_TO = "valid_to"
    EXPIRES_ON = "expires_on"
    PROCEDURE = "procedure"
    SERIOUSNESS = "seriousness"
    REMARK = "remark"


@dataclass(frozen=True, slots=True)
class Condition:
    """When a conditional field is required: `field` equals one of `values`, or contains one."""

    field: str
    values: tuple[str, ...]
    contains: bool
    else_empty: bool = False
    """Whether the field must be empty when the condition does not hold."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a contract; `length` counts characters, None is unlimited."""

    name: str
    zh: str
    hint: Hint
    length: int | None
    required: Required
    required_when: Condition | None
    sharing: Sharing
    national_code: str = ""
    aliases_zh: tuple[str, ...] = ()
    code_list: str = ""
    choices: tuple[str, ...] = ()
    identifier: str = ""
    identity: IdentityPart | None = None
    role: FieldRole | None = None
    normalisation: str = ""
    unit: str = ""
    personal: bool = False
    sealed: bool = False
    is_bytes: bool = False
    reason_missing: str = "FIELD_REQUIRED"
    reason_invalid: str = ""
    doc: str = ""


@dataclass(frozen=True, slots=True)
class Schema:
    """One contract file: kind, schema id, fields in wire order, names of its rules."""

    kind: str
    schema_id: int
    subject: str
    title_zh: str
    legal_source: str
    fields: tuple[Field, ...]
    identity: tuple[str, ...]
    rules: tuple[str, ...]
    takes_down: str
    """The kind of record this kind takes down by naming it; empty for all but such references."""
    follows: str
    """The kind whose live record a row of this kind makes a new version of, undeclared."""
    submitted_by: str
    """Who may state it: `agent`, the site's agents, who state nothing else; `court`, the courts
    whose `states` names it; `any`, every department but agents, for it is about their own work;
    "", the departments whose `states` names it, or the kind that it is about."""
    stated_with: str
    """The kind of row whose permission covers this one, too; empty where none does."""
    earlier: tuple[tuple[int, int], ...]
    """Schema ids this kind had before, with how many of today's fields, from the first, it had.

    Avro's binary form names no fields, and the ledger keeps payloads for ever; as fields are only
    ever added at the end (`compat.py`), a number says all that a reader needs."""
    is_shown: bool
    """Whether targets show it: false for what departments and agents state to the hub alone."""
    fingerprint: bytes
    """SHA-256 of the whole file as canonical JSON: the Avro part and the attributes."""

    @property
    def is_row(self) -> bool:
        """Whether the kind is a department's row (licence, penalty) and not a word about one."""
        return self.subject not in _ENVELOPES

    @property
    def names(self) -> tuple[str, ...]:
        """Field names in wire order."""
        return tuple(field.name for field in self.fields)

    @property
    def columns(self) -> tuple[str, ...]:
        """How people name the fields: the national column code where there is one."""
        return tuple(field.national_code or field.name for field in self.fields)

    def index_of_identity(self, identity: IdentityPart) -> int:
        """Number of the field that plays this part in the identity; `ValueError` when none does."""
        return [field.identity for field in self.fields].index(identity)

    def index_of_role(self, role: FieldRole) -> int:
        """Number of the first field with this role; `ValueError` when there is none."""
        return [field.role for field in self.fields].index(role)


_SCHEMA_KEYS: Final = frozenset(
    {
        "type", "name", "namespace", "hub_schema_id", "kind", "subject", "title_zh",
        "legal_source", "identity", "cross_field_rules", "takes_down", "follows", "submitted_by",
        "stated_with", "earlier", "shown", "doc", "fields",
    }
)  # fmt: skip
_FIELD_KEYS: Final = frozenset(
    {
        "name", "type", "default", "zh", "national_code", "aliases_zh", "type_hint", "length",
        "required", "required_when", "code_list", "choices", "role", "identifier", "identity",
        "normalisation", "unit", "sharing", "personal", "sealed", "reason_missing",
        "reason_invalid", "doc",
    }
)  # fmt: skip


def parse_schema(kind: str, text: str) -> Schema | None:
    """Read one `.avsc` text; None when it is not a kind of record (the ledger's own schema).

    Raises `ConfigurationError` naming the file `<kind>.avsc` and the field at fault.
    """
    reader = _JsonReader(f"avro_schemas/{kind}.avsc")
    try:
        document: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise reader.fault(f"not JSON: {error.msg}", line=error.lineno) from None
    schema = reader.mapping(document, "schema")
    if "kind" not in schema:
        return None
    reader.refuse_unknown(schema, _SCHEMA_KEYS, "schema")
    if schema.get("kind") != kind:
        raise reader.fault("`kind` must be the file's name")
    fields = tuple(reader.field(entry) for entry in reader.sequence(schema, "fields"))
    identity = reader.texts(schema, "identity")
    parsed = Schema(
        kind=kind,
        schema_id=reader.number(schema, "hub_schema_id"),
        subject=reader.text(schema, "subject"),
        title_zh=reader.text(schema, "title_zh"),
        legal_source=reader.text(schema, "legal_source"),
        fields=fields,
        identity=identity,
        rules=reader.texts(schema, "cross_field_rules"),
        takes_down=reader.text(schema, "takes_down", ""),
        follows=reader.text(schema, "follows", ""),
        submitted_by=reader.text(schema, "submitted_by", ""),
        stated_with=reader.text(schema, "stated_with", ""),
        earlier=tuple(reader.earlier(entry) for entry in reader.sequence(schema, "earlier")),
        is_shown=reader.flag(schema, "shown", default=True),
        fingerprint=fingerprint(schema),
    )
    _check_whole(reader, parsed)
    return parsed


def fingerprint(document: Mapping[str, object]) -> bytes:
    """SHA-256 over the document as JSON with sorted keys and no blanks."""
    canonical = json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return sha256(canonical.encode()).digest()


def _check_whole(reader: "_JsonReader", schema: Schema) -> None:
    """Faults that only show with all fields together."""
    names = schema.names
    if len(set(names)) != len(names):
        raise reader.fault("two fields have one name")
    playing = {field.name for field in schema.fields if field.identity is not None}
    if playing != set(schema.identity) and schema.identity:
        raise reader.fault("`identity` must list exactly the fields with an identity part")
    if schema.submitted_by not in {"", "agent", "court", "any"}:
        raise reader.fault("`submitted_by` must be agent, court or any, or left out")
    if schema.submitted_by and schema.stated_with:
        raise reader.fault("`stated_with` takes the place of `submitted_by`")
    if any(count >= len(names) for _, count in schema.earlier):
        raise reader.fault("`earlier` must name fewer fields than there are now")
    for field in schema.fields:
        if field.required_when is not None and field.required_when.field not in names:
            raise reader.fault("`required_when` names no field of this contract", field.name)
        if field.hint is Hint.AMOUNT and field.unit not in AMOUNT_UNITS:
            raise reader.fault("`unit` of an amount must be 万元 or 元", field.name)
        if field.sealed and field.sharing is not Sharing.NEVER:
            raise reader.fault("a sealed field must have sharing `never`", field.name)


class _JsonReader:
    """Typed access to a JSON document; every fault is a `ConfigurationError` with its place."""

    def __init__(self, file: str) -> None:
        self.file = file

    def fault(self, problem: str, field: str = "", line: int | None = None) -> ConfigurationError:
        place = f"{field}: " if field else ""
        return ConfigurationError(
            f"契约文件有误：{place}{problem}",
            f"the contract is not valid: {place}{problem}",
            remedy_zh="对照其他契约文件和 docs/data-dictionary.md 改正",
            remedy_en="compare with the other contracts and docs/data-dictionary.md",
            file=self.file,
            line=line,
        )

    def mapping(self, value: object, what: str) -> dict[str, object]:
        if not isinstance(value, dict):
            raise self.fault(f"{what} must be an object")
        return {str(key): entry for key, entry in value.items()}

    def refuse_unknown(self, value: Mapping[str, object], known: frozenset[str], what: str) -> None:
        unknown = sorted(set(value) - known)
        if unknown:
            raise self.fault(f"unknown attribute {', '.join(unknown)}", what)

    def sequence(self, value: Mapping[str, object], key: str) -> list[object]:
        entry = value.get(key, [])
        if not isinstance(entry, list):
            raise self.fault(f"`{key}` must be a list")
        return entry

    def texts(self, value: Mapping[str, object], key: str) -> tuple[str, ...]:
        entries = self.sequence(value, key)
        return tuple(str(entry) for entry in entries)

    def text(self, value: Mapping[str, object], key: str, default: str | None = None) -> str:
        entry = value.get(key, default)
        if not isinstance(entry, str):
            raise self.fault(f"`{key}` is missing or no text", str(value.get("name", "")))
        return entry

    def number(self, value: Mapping[str, object], key: str) -> int:
        entry = value.get(key)
        if not isinstance(entry, int) or isinstance(entry, bool) or entry <= 0:
            raise self.fault(f"`{key}` must be a number above 0", str(value.get("name", "")))
        return entry

    def flag(self, value: Mapping[str, object], key: str, *, default: bool = False) -> bool:
        entry = value.get(key, default)
        if not isinstance(entry, bool):
            raise self.fault(f"`{key}` must be true or false", str(value.get("name", "")))
        return entry

    def choice(self, value: Mapping[str, object], key: str, choices: type[_Choice]) -> _Choice:
        entry = self.text(value, key)
        try:
            return choices(entry)
        except ValueError:
            allowed = ", ".join(choices)
            raise self.fault(
                f"`{key}` must be one of {allowed}", str(value.get("name", ""))
            ) from None

    def condition(self, value: Mapping[str, object]) -> Condition | None:
        if "required_when" not in value:
            return None
        name = self.text(value, "name")
        entry = self.mapping(value["required_when"], "required_when")
        self.refuse_unknown(entry, frozenset({"field", "is", "contains", "else_empty"}), name)
        contains = "contains" in entry
        values = self.texts(entry, "contains" if contains else "is")
        if contains and "else_empty" in entry:
            raise self.fault("`else_empty` goes with `is`", name)
        if not values:
            raise self.fault("`required_when` needs `is` or `contains` with values", name)
        return Condition(
            self.text(entry, "field"), values, contains, self.flag(entry, "else_empty")
        )

    def earlier(self, entry: object) -> tuple[int, int]:
        value = self.mapping(entry, "earlier")
        self.refuse_unknown(value, frozenset({"hub_schema_id", "fields"}), "earlier")
        return self.number(value, "hub_schema_id"), self.number(value, "fields")

    def field(self, entry: object) -> Field:
        value = self.mapping(entry, "field")
        name = self.text(value, "name")
        self.refuse_unknown(value, _FIELD_KEYS, name)
        avro = self.text(value, "type")
        if avro not in {"string", "bytes"} or value.get("default") != "":
            # A spreadsheet has no null; unions and nested types would also cost the reader.
            raise self.fault('only `string` or `bytes` with the default ""', name)
        required = self.choice(value, "required", Required)
        condition = self.condition(value)
        if (required is Required.CONDITIONAL) != (condition is not None):
            raise self.fault("`conditional` and `required_when` go together", name)
        return Field(
            name=name,
            zh=self.text(value, "zh"),
            hint=self.choice(value, "type_hint", Hint),
            length=self.number(value, "length") if "length" in value else None,
            required=required,
            required_when=condition,
            sharing=self.choice(value, "sharing", Sharing),
            national_code=self.text(value, "national_code", ""),
            aliases_zh=self.texts(value, "aliases_zh"),
            code_list=self.text(value, "code_list", ""),
            choices=self.texts(value, "choices"),
            identifier=self.text(value, "identifier", ""),
            identity=self.choice(value, "identity", IdentityPart) if "identity" in value else None,
            role=self.choice(value, "role", FieldRole) if "role" in value else None,
            normalisation=self.text(value, "normalisation", ""),
            unit=self.text(value, "unit", ""),
            personal=self.flag(value, "personal"),
            sealed=self.flag(value, "sealed"),
            is_bytes=avro == "bytes",
            reason_missing=self.text(value, "reason_missing", "FIELD_REQUIRED"),
            reason_invalid=self.text(value, "reason_invalid", ""),
            doc=self.text(value, "doc", ""),
        )
