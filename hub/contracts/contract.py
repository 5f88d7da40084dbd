"""A contract: one kind of record, compiled from its `.avsc` into codec and check."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from hashlib import sha256
from typing import Final

from hub.contracts import wire
from hub.contracts.check import Checked, Checker
from hub.contracts.schema import Schema, parse_schema
from hub.errors import ConfigurationError

Row = Mapping[str, str | bytes]
"""Field name → text as submitted (bytes where the contract says so); absent is ""."""


class Contract:
    """Codec and check of one kind; immutable after construction."""

    def __init__(self, schema: Schema, row_kinds: frozenset[str]) -> None:
        """Compile; raises `KeyError` or `ValueError` for rules the schema cannot carry."""
        self.schema: Final = schema
        self.kind: Final = schema.kind
        self.schema_id: Final = schema.schema_id
        self.names: Final = schema.names
        checker = Checker(schema, row_kinds)
        self.check: Final[Callable[[Row, date], Checked]] = checker.check
        """`check(row, received_on)`: all findings, identity, dates and content digest of a row."""
        self.document_key: Final[Callable[[Row], str]] = checker.document_key
        """`document_key(row)`: `Checked.document_key` for those who do not judge the row."""
        self._header: Final = wire.frame_header(schema.schema_id)
        self.readers: Final[Mapping[bytes, Callable[[bytes], dict[str, str | bytes]]]] = {
            self._header: self.decode,
            **{
                wire.frame_header(schema_id): partial(self._decode_earlier, count)
                for schema_id, count in schema.earlier
            },
        }
        """Frame header → reader, for today's schema id and the earlier ones of this kind."""
        self._fields = tuple((field.name, field.is_bytes) for field in schema.fields)
        self._is_mixed = any(field.is_bytes for field in schema.fields)

    @property
    def is_row(self) -> bool:
        """Whether the kind is a department's row (licence, penalty) and not a word about one."""
        return self.schema.is_row

    def encode(self, row: Row) -> bytes:
        """Frame a row in Confluent's wire format; absent fields are "", unknown names `KeyError`.

        Lone surrogates cannot travel as UTF-8: `UnicodeEncodeError` (a `ValueError`).
        """
        unknown = row.keys() - set(self.names)
        if unknown:
            raise KeyError(f"{self.kind} has no field {', '.join(sorted(unknown))}")
        return wire.write_record(self._header, self.names, row)

    def decode(self, value: bytes) -> dict[str, str | bytes]:
        """Read a framed row of this contract; raises `wire.PayloadUnreadableError`.

        Octets that are missing, left over, not UTF-8 or not in shortest form are refused. The
        frame's schema id is the caller's business (`Contracts.decode_framed`).
        """
        if self._is_mixed:
            return wire.read_mixed(self._fields, value)
        return wire.read_texts(self.names, value)  # type: ignore[return-value]  # str is enough

    def _decode_earlier(self, count: int, value: bytes) -> dict[str, str | bytes]:
        """Read a row written when the kind had its first `count` fields; the others are absent."""
        later = {name: b"" if is_bytes else "" for name, is_bytes in self._fields[count:]}
        return wire.read_mixed(self._fields[:count], value) | later


@dataclass(frozen=True, slots=True)
class Fault:
    """An unreadable payload: `code` UNKNOWN_SCHEMA or PAYLOAD_UNREADABLE, `detail` for logs.

    The detail never holds content.
    """

    code: str
    detail: str


class Contracts:
    """All contracts of a hub, by kind and by schema id."""

    def __init__(self, contracts: tuple[Contract, ...]) -> None:
        """`contracts` in order of schema id; ids and kinds are unique (`load_contracts`)."""
        self.by_kind: Final[Mapping[str, Contract]] = {each.kind: each for each in contracts}
        self.by_schema_id: Final[Mapping[int, Contract]] = {
            each.schema_id: each for each in contracts
        }
        self._by_header: Final = {
            header: (each, read) for each in contracts for header, read in each.readers.items()
        }
        joined = b"".join(each.kind.encode() + each.schema.fingerprint for each in contracts)
        self.fingerprint: Final = sha256(joined).digest()
        """SHA-256 over every kind and its file's fingerprint: the contracts' part of the basis."""

    @property
    def row_kinds(self) -> tuple[str, ...]:
        """Kinds of departments' rows: what a correction or withdrawal can be about."""
        return tuple(kind for kind, contract in self.by_kind.items() if contract.is_row)

    @property
    def grantable_kinds(self) -> tuple[str, ...]:
        """Kinds a site may name under `states` of a department; the others need no permission."""
        return tuple(
            kind
            for kind in self.row_kinds
            if self._submitter(kind) in {"", "court"} and not self.by_kind[kind].schema.stated_with
        )

    def is_left_to_courts(self, kind: str) -> bool:
        """Whether only a department of `kind: court` may state this kind of row."""
        return self._submitter(kind) == "court"

    def statable_kinds(self, department_kind: str, states: Collection[str]) -> frozenset[str]:
        """Kinds that a department of a site may state, by its `kind` and `states` there.

        An agent states any kind that contracts leave to agents, with any `states`; a court kind
        in `states` of another department counts for nothing.
        """
        if department_kind == "agent":
            return frozenset(k for k in self.by_kind if self._submitter(k) == "agent")
        granted = {
            kind
            for kind in self.grantable_kinds
            if kind in states and (department_kind == "court" or not self.is_left_to_courts(kind))
        }
        return frozenset(
            kind
            for kind, contract in self.by_kind.items()
            if kind in granted
            or contract.schema.stated_with in granted
            or contract.schema.submitted_by == "any"
        )

    def _submitter(self, kind: str) -> str:
        return self.by_kind[kind].schema.submitted_by

    def decode_framed(self, value: bytes) -> tuple[Contract, dict[str, str | bytes]] | Fault:
        """Read any framed payload: its contract and row, or why it cannot be read. Never raises."""
        found = self._by_header.get(value[: wire.HEADER_SIZE])
        if found is None:
            if len(value) < wire.HEADER_SIZE or value[0] != wire.MAGIC:
                return Fault("PAYLOAD_UNREADABLE", "no Confluent wire format")
            number = int.from_bytes(value[1 : wire.HEADER_SIZE], "big")
            return Fault("UNKNOWN_SCHEMA", f"schema id {number}")
        contract, read = found
        try:
            return contract, read(value)
        except wire.PayloadUnreadableError as error:
            return Fault("PAYLOAD_UNREADABLE", str(error))


def load_contracts(texts: Mapping[str, str]) -> Contracts:
    """Compile contracts from the texts of `avro_schemas/*.avsc`, keyed by file name without suffix.

    Schemas that are not kinds of records (the ledger's) are skipped. Raises `ConfigurationError`
    naming file, field and remedy.
    """
    parsed = [parse_schema(kind, text) for kind, text in texts.items()]
    schemas = sorted(
        (schema for schema in parsed if schema is not None), key=lambda schema: schema.schema_id
    )
    owners: dict[int, str] = {}
    for schema in schemas:
        for schema_id in (schema.schema_id, *(earlier for earlier, _ in schema.earlier)):
            if schema_id in owners:
                raise _fault(schema.kind, f"hub_schema_id {schema_id}: also {owners[schema_id]}'s")
            owners[schema_id] = schema.kind
    row_kinds = frozenset(each.kind for each in schemas if each.is_row)
    for schema in schemas:
        _check_references(schema, row_kinds)
    return Contracts(tuple(_compile(schema, row_kinds) for schema in schemas))


def _check_references(schema: Schema, row_kinds: frozenset[str]) -> None:
    """Check a kind's reference to another: it is a kind of row, of the same subject if followed."""
    for attribute, named in (
        ("takes_down", schema.takes_down),
        ("follows", schema.follows),
        ("stated_with", schema.stated_with),
    ):
        if named and named not in row_kinds:
            raise _fault(schema.kind, f"{attribute}: {named} is no kind of row")
    if schema.takes_down and schema.is_row:
        raise _fault(schema.kind, "takes_down: only a kind of subject `record` takes another down")
    if schema.follows and schema.follows.partition(".")[0] != schema.kind.partition(".")[0]:
        raise _fault(schema.kind, f"follows: {schema.follows} has another identity")


def _compile(schema: Schema, row_kinds: frozenset[str]) -> Contract:
    """One contract; a rule that is unknown or lacks its field is the file's fault."""
    try:
        return Contract(schema, row_kinds)
    except (KeyError, ValueError) as error:
        raise _fault(schema.kind, f"cross_field_rules: {error}") from error


def _fault(kind: str, problem: str) -> ConfigurationError:
    return ConfigurationError(
        f"契约文件有误：{problem}",
        f"the contract is not valid: {problem}",
        remedy_zh="改正该契约文件",
        remedy_en="correct the contract file",
        file=f"avro_schemas/{kind}.avsc",
    )
