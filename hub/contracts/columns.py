"""How departments head their columns, and which field each header means.

Columns are found by name and never by position: templates of several years are in use side by
side, and some shift labels by one (domain standard 发改办财金〔2018〕424号 and its forerunners).
"""

from collections.abc import Mapping
from typing import Final
from unicodedata import normalize

from hub.contracts.contract import Contract
from hub.contracts.schema import Field, Schema

_MARKS: Final = str.maketrans("", "", "*★☆:")
_REQUIRED_NOTES: Final = ("(必填)", "(选填)", "(可选)")
LONGEST_HEADER: Final = 512
"""Characters; the longest in use has 40. Normalising a long run of accents is quadratic work."""


def header_key(text: str) -> str:
    """A header without blanks, required marks and width variants; column codes in upper case.

    Seen in use: `行政处罚决定书文号 `, `*行政相对人代码_1 （统一社会信用代码）`, `xk_wsh`. Text
    longer than `LONGEST_HEADER` heads no column: an empty key, as a blank cell's.
    """
    if len(text) > LONGEST_HEADER:
        return ""
    key = "".join(normalize("NFKC", text).translate(_MARKS).split()).upper()
    end = len(key)
    while key.endswith(_REQUIRED_NOTES, 0, end):
        end -= len(_REQUIRED_NOTES[0])
    return key[:end]


def headers_of(field: Field) -> tuple[str, ...]:
    """Every header that means this field: name, column code, Chinese name, aliases."""
    return tuple(filter(None, (field.name, field.national_code, field.zh, *field.aliases_zh)))


def column_index(*schemas: Schema) -> dict[str, str]:
    """Header key (`header_key`) → field name; an earlier schema wins, octets have no column."""
    index: dict[str, str] = {}
    for schema in schemas:
        for field in schema.fields:
            if not field.is_bytes:
                for header in headers_of(field):
                    index.setdefault(header_key(header), field.name)
    return index


def ambiguous_headers(schema: Schema) -> Mapping[str, list[str]]:
    """Header keys that two fields of one contract claim; a contract must have none."""
    claims: dict[str, list[str]] = {}
    for field in schema.fields:
        for key in {header_key(header) for header in headers_of(field)}:
            claims.setdefault(key, []).append(field.name)
    return {key: names for key, names in claims.items() if len(names) > 1}


def template(contract: Contract) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The two header rows of an upload template: Chinese names (required marked *), column codes.

    Sealed fields are left out: departments are advised not to send identity documents.
    """
    fields = [each for each in contract.schema.fields if not each.is_bytes and not each.sealed]
    return (
        tuple(f"*{field.zh}" if field.required == "true" else field.zh for field in fields),
        tuple(field.national_code or field.name for field in fields),
    )
