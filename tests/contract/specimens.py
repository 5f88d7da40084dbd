"""The repository's contracts and the example files, read once for all contract tests."""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TypedDict, cast

from hub.config.repository import SCHEMAS
from hub.contracts import Contracts, Row, load_contracts

EXAMPLES = SCHEMAS / "examples"
LICENCE = "licence.granted.v1"
PENALTY = "penalty.imposed.v1"
LISTED = "court_enforcement.listed.v1"
DELISTED = "court_enforcement.delisted.v1"
MADE = "commitment.made.v1"
PERFORMED = "commitment.performed.v1"
STATEMENTS = (
    "output_count.declared.v1",
    "source.reconciled.v1",
    "court_enforcement.snapshot_declared.v1",
    "court_enforcement.exit_missing.v1",
    "commitment.performance_missing.v1",
    "reminder.issued.v1",
)
"""Rows that no target shows."""
KINDS = (
    LICENCE,
    PENALTY,
    LISTED,
    MADE,
    PERFORMED,
    "record.corrected.v1",
    "record.withdrawn.v1",
    "record.moved_out.v1",
    "record.moved_in.v1",
    "record.restored.v1",
    DELISTED,
    "row.unreadable.v1",
    *STATEMENTS,
    "duty.lifted.v1",
)
RECEIVED_ON = date(2026, 11, 20)


def schema_texts() -> dict[str, str]:
    """Every `.avsc` of the repository by file name without suffix."""
    return {path.stem: path.read_text(encoding="utf-8") for path in SCHEMAS.glob("*.avsc")}


CONTRACTS: Contracts = load_contracts(schema_texts())


class ExampleFile(TypedDict, total=False):
    """One example file; `like` names another file of the kind that `but` changes."""

    why: str
    received_on: str
    row: dict[str, object]
    like: str
    but: dict[str, object]
    reasons: list[list[str]]
    warnings: list[list[str]]


@dataclass(frozen=True, slots=True)
class Example:
    """An example with its row put together; `errors` and `warnings` are (code, column)."""

    kind: str
    name: str
    row: Row
    received_on: date
    errors: frozenset[tuple[str, str]]
    warnings: frozenset[tuple[str, str]]


def _read(path: Path) -> ExampleFile:
    return cast("ExampleFile", json.loads(path.read_text(encoding="utf-8")))


def _cells(kind: str, name: str) -> dict[str, object]:
    file = _read(EXAMPLES / kind / f"{name}.json")
    if "row" in file:
        return file["row"]
    return _cells(kind, file["like"]) | file["but"]


def _value(cell: object) -> str | bytes:
    """A text as it is; {"octets": hex}; {"example": kind/name} is that example, framed."""
    if isinstance(cell, dict):
        if "octets" in cell:
            return bytes.fromhex(cell["octets"])
        kind, name = str(cell["example"]).split("/")
        return CONTRACTS.by_kind[kind].encode(row_of(kind, name))
    assert isinstance(cell, str)
    return cell


def row_of(kind: str, name: str) -> dict[str, str | bytes]:
    """The row of an example, as `Contract.encode` takes it."""
    return {field: _value(cell) for field, cell in _cells(kind, name).items()}


def texts_of(kind: str, name: str = "accepted-minimal") -> dict[str, str]:
    """The row of an example whose fields are all texts."""
    row = row_of(kind, name)
    assert all(isinstance(value, str) for value in row.values())
    return cast("dict[str, str]", row)


def example(path: Path) -> Example:
    """Read an example file with what it refers to."""
    kind, file = path.parent.name, _read(path)
    return Example(
        kind=kind,
        name=path.stem,
        row=row_of(kind, path.stem),
        received_on=date.fromisoformat(file["received_on"]),
        errors=frozenset((code, field) for code, field in file.get("reasons", [])),
        warnings=frozenset((code, field) for code, field in file.get("warnings", [])),
    )


def example_paths() -> list[Path]:
    """Every example file, in order."""
    return sorted(EXAMPLES.glob("*/*.json"))
