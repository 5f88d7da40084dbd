"""Layouts: which cell of a row is which field of a kind.

The national layout is recognised by Chinese headers or column codes in any order, as the contracts
name them (发改办财金〔2018〕424号, annex); other layouts are mapping files. A folder's meaning
decides which layouts are looked for.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple, Protocol

from connectors.mapping import Mapping as SourceMapping
from connectors.tables import Cells
from hub.contracts import Contracts
from hub.contracts.columns import column_index, header_key
from hub.contracts.persons import folded
from hub.contracts.schema import IdentityPart, Schema
from hub.domain import kinds

ENOUGH: Final = 3
"""Known columns that make a row a header; no row of values names three columns."""

_PERSON_CODES: Final = frozenset({"XK_XDR_ZJLX", "XK_XDR_ZJHM", "CF_XDR_ZJLX", "CF_XDR_ZJHM"})
_DOCUMENT: Final = re.compile(
    "(?:行政)?(?:相对人|当事人|被处罚人|申请人|持证人|自然人|个人|本人)?(?:有效)?"
    "[证證]件(?:[号號][码碼]?|编号|[类類]型|[种種][类類])[0-9]*"
)
"""Of the subject itself: 许可证件号 is the number of a licence."""
_CITIZENS_NUMBER: Final = re.compile("身[份分][证證]|公民身[份分]")
_OF_ANOTHER: Final = re.compile("法定|法人|代表|负责人|经营者|联系人|经办人|代理人|委托|执法|股东")
"""Whose number a company's row may hold."""
# 种类 is written 类型 in the withdrawal form that departments are given.
_MORE_HEADERS: Final = {
    kinds.WITHDRAWN: {
        "类型": "subject_kind",
        "承诺编码": "document_number", "承诺人名称": "subject_name", "承诺人代码": "credit_code",
        "承诺受理单位代码": "authority_code",
    },
}  # fmt: skip


def is_persons_header(key: str) -> bool:
    """Whether a header (its `header_key`) is of a natural person's identity document.

    Columns of the 自然人 tables, of the older 代码_5, and what offices call them
    (社会信用代码/身份证号); a row with something in one is a person's.
    """
    plain = folded(key)
    if _CITIZENS_NUMBER.search(plain) is not None:
        return _OF_ANOTHER.search(plain) is None
    return plain in _PERSON_CODES or _DOCUMENT.fullmatch(plain) is not None


class Folder(StrEnum):
    """Sibling folders of an inbox: where a file lies says what the department declares."""

    LICENCES = "licences"
    PENALTIES = "penalties"
    CORRECTIONS = "corrections"
    WITHDRAWALS = "withdrawals"
    RESTORATIONS = "restorations"
    """Rows of records that were withdrawn and are to be shown again."""
    COURT_LISTINGS = "court-listings"
    COURT_EXITS = "court-exits"
    COURT_SNAPSHOTS = "court-snapshots"
    """Full lists: a file is one statement, not a row each; after the exits of the same day."""
    COMMITMENTS = "commitments"
    OUTPUT_COUNTS = "output-counts"


KINDS_IN: Final[dict[Folder, tuple[str, ...]]] = {
    Folder.LICENCES: (kinds.LICENCE, kinds.PENALTY),
    Folder.PENALTIES: (kinds.PENALTY, kinds.LICENCE),
    Folder.CORRECTIONS: (
        kinds.LICENCE,
        kinds.PENALTY,
        kinds.LISTED,
        kinds.PERFORMED,
        kinds.OUTPUT_COUNT,
    ),
    Folder.WITHDRAWALS: (kinds.WITHDRAWN,),
    Folder.RESTORATIONS: (kinds.LICENCE, kinds.PENALTY, kinds.LISTED, kinds.PERFORMED),
    Folder.COURT_LISTINGS: (kinds.LISTED,),
    Folder.COURT_EXITS: (kinds.DELISTED,),
    Folder.COURT_SNAPSHOTS: (kinds.LISTED,),
    Folder.COMMITMENTS: (kinds.PERFORMED, kinds.MADE),
    Folder.OUTPUT_COUNTS: (kinds.OUTPUT_COUNT,),
}
"""Kinds of a folder's tables, its own first."""
ENVELOPE_OF: Final = {
    Folder.CORRECTIONS: kinds.CORRECTED,
    Folder.RESTORATIONS: kinds.RESTORED,
}
"""Folders whose tables have the columns of this kind beside those of the row."""
FOLDER_OF: Final[dict[str, Folder]] = {
    **{kind: folder for folder, (kind, *_) in reversed(KINDS_IN.items())},
    kinds.MADE: Folder.COMMITMENTS,
    **{envelope: folder for folder, envelope in ENVELOPE_OF.items()},
}
"""Where a department puts a table of this kind."""


class HeaderWords(NamedTuple):
    """By what a folder's header rows are known; plain values, to be sent to another process."""

    fields: tuple[Mapping[str, str], ...]
    """Of each national layout: header key → field. Three fields named make a header."""
    complete: tuple[frozenset[str], ...]
    """Of each mapping file: header keys that must all be there."""

    def knows(self, cells: Cells) -> bool:
        """Whether these cells are a header row."""
        plain = {header_key(cell) for cell in cells if cell}
        return any(plain.issuperset(keys) for keys in self.complete) or any(
            _fields_named(plain, columns) for columns in self.fields
        )

    def as_json(self) -> list[object]:
        """Return the words as JSON can write them."""
        return [[dict(each) for each in self.fields], [sorted(each) for each in self.complete]]


def words_of(said: Any) -> HeaderWords:  # noqa: ANN401 - parsed JSON
    """Return what `as_json` was made of. Raises `TypeError` or `ValueError`."""
    fields, complete = said
    return HeaderWords(tuple(dict(each) for each in fields), tuple(map(frozenset, complete)))


def _fields_named(plain: Iterable[str], columns: Mapping[str, str]) -> int:
    """How many different fields these header keys name; 0 below three."""
    named = {columns[header] for header in plain if header in columns}
    return len(named) if len(named) >= ENOUGH else 0


class Reading(NamedTuple):
    """A row as fields (name -> text as written; only the columns present).

    `fault` is a reason code when two columns of one field disagree. `is_person`: the row carries
    a natural person's identity document.
    """

    fields: dict[str, str]
    fault: str = ""
    is_person: bool = False


class Layout(Protocol):
    """A way to read rows as fields of `kind`."""

    kind: str

    def score(self, headers: Cells) -> int:
        """How well these headers fit; 0 is not at all."""

    def read(self, headers: Cells, cells: Cells) -> Reading:
        """Read one row below these headers."""

    def unread(self, headers: Cells) -> list[str]:
        """Which of these headers name nothing of the kind; one may be a slip of the pen."""


class NationalLayout:
    """The columns of one or more contracts by Chinese name, alias or code, in any order."""

    def __init__(self, kind: str, schemas: Iterable[Schema]) -> None:
        """Take the contract of `kind` and those whose columns may come beside its own."""
        self.kind = kind
        schemas = tuple(schemas)
        self.columns = {**_MORE_HEADERS.get(kind, {}), **column_index(*schemas)}
        codes = {
            field.name
            for schema in schemas
            for field in schema.fields
            if field.identity is IdentityPart.CREDIT_CODE
        }
        self._code_field = next((f for f in self.columns.values() if f in codes), "")
        self._bound: dict[Cells, tuple[tuple[tuple[int, str], ...], tuple[int, ...], bool]] = {}

    def score(self, headers: Cells) -> int:
        """How many different fields these headers name; 0 below three."""
        return _fields_named({header_key(header) for header in headers if header}, self.columns)

    def read(self, headers: Cells, cells: Cells) -> Reading:
        """Read one row; columns the contract does not know are not the hub's."""
        columns, person_columns, persons_only = self._bind(headers)
        fields: dict[str, str] = {}
        fault = ""
        for index, name in columns:
            text = cells[index] if index < len(cells) else ""
            before = fields.get(name, "")
            if text.strip() and before.strip() and text != before:
                fault = "COLUMN_TWICE"
            if text.strip() or name not in fields:
                fields[name] = text
        is_person = persons_only or any(
            index < len(cells) and cells[index].strip() for index in person_columns
        )
        return Reading(fields, fault, is_person)

    def unread(self, headers: Cells) -> list[str]:
        """Headers of no field, as written."""
        return [
            header
            for header in headers
            if header.strip()
            and (key := header_key(header)) not in self.columns
            and not is_persons_header(key)
        ]

    def _bind(self, headers: Cells) -> tuple[tuple[tuple[int, str], ...], tuple[int, ...], bool]:
        """Find the columns once per header row."""
        if headers not in self._bound:
            plain = [header_key(header) for header in headers]
            columns = tuple(
                (index, self.columns[header])
                for index, header in enumerate(plain)
                if header in self.columns
            )
            persons = tuple(
                index
                for index, header in enumerate(plain)
                if header not in self.columns and is_persons_header(header)
            )
            has_code = any(name == self._code_field for _, name in columns)
            self._bound[headers] = (columns, persons, bool(persons and not has_code))
        return self._bound[headers]


class MappedLayout:
    """A layout described by a mapping file; configured on purpose, so it is preferred."""

    def __init__(self, mapping: SourceMapping) -> None:
        self.kind = mapping.kind
        self._mapping = mapping
        self.headers = {header_key(header): header for header in mapping.headers}
        self._persons = mapping.person_ids
        self._bound: dict[Cells, dict[str, int]] = {}

    def score(self, headers: Cells) -> int:
        """More than any national layout when every column of the mapping is there, else 0."""
        present = {header_key(header) for header in headers}
        return 1000 + len(self.headers) if present.issuperset(self.headers) else 0

    def read(self, headers: Cells, cells: Cells) -> Reading:
        """Read one row by the rules of the mapping."""
        if headers not in self._bound:
            plain = [header_key(header) for header in headers]
            self._bound[headers] = {
                header: plain.index(name) for name, header in self.headers.items()
            }
        texts = {
            header: cells[index] if index < len(cells) else ""
            for header, index in self._bound[headers].items()
        }
        fields = {name: rule.value(texts) for name, rule in self._mapping.fields.items()}
        return Reading(fields, is_person=any(texts[header].strip() for header in self._persons))

    def unread(self, headers: Cells) -> list[str]:  # noqa: ARG002 - the protocol's signature
        """Nothing: a mapping leaves columns out on purpose."""
        return []


class Layouts:
    """The layouts a folder may hold."""

    def __init__(
        self, folder: Folder, contracts: Contracts, mappings: Iterable[SourceMapping] = ()
    ) -> None:
        """Take the contracts and the mapping files of the source."""
        self.folder = folder
        schemas = {kind: contract.schema for kind, contract in contracts.by_kind.items()}
        here = KINDS_IN[folder]
        envelope = ENVELOPE_OF.get(folder)
        self._kind = here[0] if envelope is None else ""
        beside = () if envelope is None else (schemas[envelope],)
        mapped = [MappedLayout(mapping) for mapping in mappings if mapping.kind in here]
        national = [NationalLayout(kind, (schemas[kind], *beside)) for kind in here]
        self._layouts: tuple[Layout, ...] = (*mapped, *national)
        self.words = HeaderWords(
            tuple(each.columns for each in national),
            tuple(frozenset(each.headers) for each in mapped),
        )
        """By which the readers find the header row."""
        self._chosen: dict[Cells, Layout] = {}

    @property
    def kind(self) -> str:
        """The kind the folder is for; empty where the header tells (corrections, restorations)."""
        return self._kind

    def layout_of(self, headers: Cells) -> Layout:
        """Return the best fit; a penalty table in the licences' folder is still read as one."""
        if headers not in self._chosen:
            self._chosen[headers] = max(self._layouts, key=lambda layout: layout.score(headers))
        return self._chosen[headers]

    def met(self) -> Iterable[tuple[Cells, Layout]]:
        """Every header row read so far with the layout it was read by."""
        return self._chosen.items()


def field_names(contracts: Contracts) -> dict[str, frozenset[str]]:
    """Return the fields a mapping file may fill, by kind, with those of their envelopes."""
    beside = {name for kind in ENVELOPE_OF.values() for name in contracts.by_kind[kind].names}
    beside -= {"row", "subject_kind"}
    correctable = {*KINDS_IN[Folder.CORRECTIONS], kinds.MADE}
    return {
        kind: frozenset((*contracts.by_kind[kind].names, *(beside if kind in correctable else ())))
        for kind in {*correctable, kinds.WITHDRAWN, kinds.DELISTED}
    }
