"""Rows of a database table -> marks (who it is, what it says) and submissions. Pure.

A row is known by its key and by a digest of what it says. Both are made under the site's key: a
row's key may be a person's number, and a short row can be guessed from a plain hash.
"""

import base64
import json
import re
from collections.abc import Mapping
from datetime import date, datetime
from hashlib import sha256
from typing import Final, NamedTuple, Protocol

from connectors.database.settings import TableFile
from connectors.database.sql import RawRow
from connectors.database.values import value_text
from connectors.layout import MappedLayout
from connectors.submission import Declared, OutgoingSubmission, RowSubmitter
from connectors.tables import SourceRow, within_limits

ROW_KEY: Final = "row_key"
_ROW_CONTENT: Final = "row_content"
_POSITION: Final = "key"
_POSITION_PARTS: Final = 3
_MARK: Final = re.compile("[0-9a-f]{32}")


class ByteSealer(Protocol):
    """The used part of `hub.adapters.sealing.Sealer`."""

    def seal_bytes(self, aad: str, plain: bytes) -> bytes:
        """Return sealed bytes, equal for equal input."""

    def open_bytes(self, aad: str, sealed: bytes) -> bytes:
        """Return what was sealed; raises `IntegrityError`."""


class RowMark(NamedTuple):
    """Which row it is and what it says: 32 hex digits each. `sealed_key` is the key, sealed."""

    row: str
    content: str
    sealed_key: bytes

    @property
    def position(self) -> str:
        """As written in the header `hub_position`: `key:<sealed>:<content>`."""
        sealed = base64.urlsafe_b64encode(self.sealed_key).decode()
        return f"{_POSITION}:{sealed}:{self.content}"


class RowKeys:
    """Seals keys into positions and opens them again."""

    def __init__(self, sealer: ByteSealer) -> None:
        self._sealer = sealer

    def mark(self, key: tuple[str, ...], cells: tuple[object, ...]) -> RowMark:
        """Return the mark of a row: its key as texts, its cells as JSON can write them."""
        sealed = self._sealer.seal_bytes(ROW_KEY, _json(key))
        content = self._sealer.seal_bytes(_ROW_CONTENT, _json(cells))
        return RowMark(row_of(sealed), sha256(content).hexdigest()[:32], sealed)

    def opened(self, sealed: bytes) -> tuple[str, ...]:
        """Return the key's texts. Raises `IntegrityError` for another site's key."""
        return tuple(json.loads(self._sealer.open_bytes(ROW_KEY, sealed)))


def row_of(sealed_key: bytes) -> str:
    """Return which row a sealed key is: the digest that cursors and books go by."""
    return sha256(sealed_key).hexdigest()[:32]


def read_position(position: str) -> tuple[bytes, str] | None:
    """Return (sealed key, content digest) of a header; None when no table's row is meant."""
    parts = position.split(":")
    if len(parts) != _POSITION_PARTS or parts[0] != _POSITION or not _MARK.fullmatch(parts[2]):
        return None
    try:
        return base64.b64decode(parts[1], altchars=b"-_", validate=True), parts[2]
    except ValueError:
        return None


class ReadRow(NamedTuple):
    """One row as texts, with its mark."""

    mark: RowMark
    key: tuple[str, ...]
    row: SourceRow


class TableRows:
    """Turns the rows of one source into submissions."""

    def __init__(self, described: TableFile, submitter: RowSubmitter, sealer: ByteSealer) -> None:
        self._described = described
        self._submitter = submitter
        self._keys = RowKeys(sealer)
        self._columns = described.cells
        self._layouts: Mapping[str, MappedLayout] = (
            {said: MappedLayout(mapping) for said, mapping in described.kinds.rows.items()}
            if described.kinds is not None
            else {"": MappedLayout(described.mappings[0])}
        )

    def read(self, raw: RawRow) -> ReadRow:
        """Return the row's texts; a value that is not text makes the row a faulty one."""
        texts, fault = [], raw.fault
        for value in raw.cells:
            text, wrong = value_text(value)
            texts.append(text)
            fault = fault or wrong
        key = tuple(value_text(value)[0] or _odd(value) for value in raw.key)
        odd = tuple(_odd(value) for value in raw.cells) if fault else ()
        row = within_limits(SourceRow(0, 1, self._columns, tuple(odd or texts), fault))
        # a row whose stamp is mended says something new, also where the stamp is none of its cells
        says = (*row.cells, raw.fault) if raw.fault else row.cells
        return ReadRow(self._keys.mark(key, says), key, row)

    def submissions(
        self, read: ReadRow, raw: RawRow, sequence: int, *, is_first: bool
    ) -> tuple[OutgoingSubmission, ...]:
        """Return what the row is submitted as; its first submission is numbered `sequence`.

        `is_first`: the hub has never heard of the row, so it cannot correct anything yet, after
        any change in the department.
        """
        fingerprint = sha256(read.mark.sealed_key).hexdigest()
        cells = dict(zip(read.row.headers, read.row.cells, strict=False))
        row = read.row
        layout = self._layout_of(cells)
        if layout is None and not row.fault:
            row = row._replace(fault="UNKNOWN_KIND")
        if layout is None or row.fault:
            kind = "" if layout is None else layout.kind
            made = self._submitter.unreadable_row(row, kind, fingerprint)
        else:
            reading = layout.read(row.headers, row.cells)
            declared, reason = self._declared(cells)
            if is_first and declared is Declared.CORRECTION:
                declared = Declared.ROW
            elif reason:
                reading.fields["reason"] = reason
            made = self._submitter.declared(
                row, layout.kind, reading, declared, fingerprint, sequence
            )
        version = str(raw.order) if self._described.outbox is not None else ""
        return tuple(
            each._replace(
                position=read.mark.position, source_version=each.source_version or version
            )
            for each in made
        )

    def _layout_of(self, cells: Mapping[str, str]) -> MappedLayout | None:
        kinds = self._described.kinds
        said = "" if kinds is None else cells.get(kinds.column, "").strip()
        return self._layouts.get(said)

    def _declared(self, cells: Mapping[str, str]) -> tuple[Declared, str]:
        """Return what the row's own columns declare it to be, and the reason they give."""
        withdrawn, corrected = self._described.withdrawn, self._described.corrected
        if withdrawn is not None:
            said = cells.get(withdrawn.column, "").strip().casefold()
            if said in {value.strip().casefold() for value in withdrawn.values}:
                return Declared.WITHDRAWAL, cells.get(withdrawn.reason, "").strip()
        if corrected is not None and cells.get(corrected.reason, "").strip():
            return Declared.CORRECTION, cells[corrected.reason].strip()
        return Declared.ROW if withdrawn is None else Declared.VALID, ""


def _odd(value: object) -> str:
    """Return a value that is not text in a form that can be sealed and distinguished."""
    if isinstance(value, bytes | bytearray | memoryview):
        return "base64:" + base64.b64encode(bytes(value)).decode()
    if isinstance(value, dict | list | tuple):
        return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return value_text(value)[0] if isinstance(value, date | datetime) else str(value or "")


def _json(texts: tuple[object, ...]) -> bytes:
    text = json.dumps(texts, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")
