"""Files for a platform: their names, XML and CSV, the manifest beside them, what is in them.

One file holds rows of one department, one table and one action. Files of a department and table
form a series: numbered from 00001 every day without gaps, and each manifest names the file before
it, also across midnight. A file does not count before its manifest is there.
"""

import json
import re
from hashlib import sha256
from typing import Final, Literal, NamedTuple

from hub.targets.delivery import Action, Delivery

Layout = Literal["xml", "csv"]

LAST_SEQUENCE: Final = 99_999
"""The five digits of a file name."""
MANIFEST: Final = ".manifest.json"
"""Ending of a manifest's name, behind the whole name of its file."""

_NAME: Final = re.compile(r"([0-9A-Z]{6})_([0-9]{8})_([0-9]{5})\.(xml|csv)", re.ASCII)
_XML_ROW: Final = re.compile(rb'<row delivery="([0-9a-f]{32})" digest="([0-9a-f]{64})"')
# Inside a cell every quotation mark is doubled, so only a row can begin a line like this.
_CSV_ROW: Final = re.compile(rb'^"([0-9a-f]{32})","([0-9a-f]{64})"', re.MULTILINE)
_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_XML_MARKS: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_XML_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
_STARTS_FORMULA: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", "'")
_OWN_COLUMNS: Final = (
    "delivery",
    "digest",
    "record",
    "version",
    "action",
    "kind",
    "repeat",
    "reason",
)
_BYTE_ORDER_MARK: Final = "\ufeff"


class FileName(NamedTuple):
    """`<department4><table2>_<YYYYMMDD>_<00001>.<xml|csv>`."""

    series: str
    day: str
    sequence: int
    layout: Layout

    def __str__(self) -> str:
        return f"{self.stem}.{self.layout}"

    @property
    def stem(self) -> str:
        """The name without its ending: the message number in the file."""
        return f"{self.series}_{self.day}_{self.sequence:05d}"

    @property
    def place(self) -> tuple[str, str, int]:
        """Position of the file: series, day, sequence."""
        return self.series, self.day, self.sequence


class Heading(NamedTuple):
    """Who writes to whom; the texts of the header, as the platform gave them out."""

    sender: str
    receiver: str
    cc: str = ""
    security: str = "1"
    """公开范围: 1 社会公开, 2 政务共享, 3 授权查询."""
    operator: str = ""
    contacts: str = ""


class FiledRow(NamedTuple):
    """One row of a file; `is_repeat`: it may have been in an earlier file, under the same id."""

    delivery: Delivery
    is_repeat: bool = False


class Fingerprint(NamedTuple):
    """Reference of a manifest to the file before: name and SHA-256, both empty for the first."""

    name: str = ""
    digest: str = ""


def read_name(text: str) -> FileName | None:
    """Read a data file's name; None when it is none of ours."""
    match = _NAME.fullmatch(text)
    if match is None:
        return None
    layout: Layout = "xml" if match[4] == "xml" else "csv"
    return FileName(match[1], match[2], int(match[3]), layout)


def digest_of_file(content: bytes) -> str:
    """SHA-256 of a file, hex."""
    return sha256(content).hexdigest()


def unfit_column(delivery: Delivery, layout: Layout) -> str | None:
    """Name the first column whose text the layout cannot carry unchanged; None when all can.

    XML 1.0 has no way to write U+FFFE: left out or replaced, the digest would be wrong. CSV takes
    everything, and a withdrawal always goes out: no digest is taken of its reason.
    """
    if layout == "csv":
        return None
    for name, text in delivery.fields.items():
        if _NOT_XML.search(text) or not _XML_NAME.fullmatch(name):
            return name
    return None


def render_file(
    name: FileName, heading: Heading, rows: list[FiledRow], *, has_mark: bool = True
) -> bytes:
    """Return a file's bytes: rows of one kind and one action, none of them unfit.

    `has_mark`: a CSV file begins with a byte order mark, which spreadsheets need for Chinese.
    """
    first = rows[0].delivery
    if name.layout == "xml":
        return _xml(name, heading, first.action, first.kind, rows).encode()
    return ((_BYTE_ORDER_MARK if has_mark else "") + _csv(rows)).encode()


def render_manifest(name: FileName, content: bytes, rows: int, before: Fingerprint) -> bytes:
    """Return the manifest of a file: count, size, SHA-256, and which file comes before it."""
    told = {
        "file": str(name),
        "rows": rows,
        "bytes": len(content),
        "sha256": digest_of_file(content),
        "previous": before.name,
        "previous_sha256": before.digest,
    }
    return json.dumps(told, indent=1).encode() + b"\n"


def rows_in(name: FileName, content: bytes) -> list[tuple[str, str]]:
    """Return (delivery, digest) of every row of a file that was written by `render_file`."""
    pattern = _XML_ROW if name.layout == "xml" else _CSV_ROW
    return [(found[1].decode(), found[2].decode()) for found in pattern.finditer(content)]


def action_of(name: FileName, content: bytes) -> Action:
    """Return what a file that was written by `render_file` does."""
    mark = b"<flow>withdraw</flow>" if name.layout == "xml" else b',"withdraw","'
    head = content[: content.find(b"<Body>")] if name.layout == "xml" else _first_row(content)
    return "withdraw" if mark in head else "publish"


def _first_row(content: bytes) -> bytes:
    match = _CSV_ROW.search(content)
    # delivery, digest, record, version, action: none of them is written outside the hub
    return content[match.start() : match.start() + 180] if match is not None else b""


def _xml(name: FileName, heading: Heading, action: Action, kind: str, rows: list[FiledRow]) -> str:
    header = {
        "sender": heading.sender,
        "receiver": heading.receiver,
        "cc": heading.cc,
        "flow": action,
        "item": kind,
        "sn": name.stem,
        "securityType": heading.security,
        "operator": heading.operator,
        "contacts": heading.contacts,
    }
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<ExchangeMessage version="1">',
        f"<Header>{''.join(_element(*each) for each in header.items())}</Header>",
        "<Body>",
        *(_xml_row(*row) for row in rows),
        "</Body>",
        "</ExchangeMessage>",
        "",
    ]
    return "\n".join(lines)


def _xml_row(delivery: Delivery, is_repeat: bool) -> str:  # noqa: FBT001 - a FiledRow, unpacked
    marks = (
        f'<row delivery="{delivery.delivery}" digest="{delivery.digest}"'
        f' record="{delivery.record}" version="{delivery.version}"'
        f' repeat="{"yes" if is_repeat else "no"}">'
    )
    if delivery.action == "withdraw":
        reason = _NOT_XML.sub("\ufffd", delivery.reason)
        return f"{marks}{_element('reason', reason)}</row>"
    fields = "".join(_element(*field) for field in delivery.fields.items())
    return f"{marks}<fields>{fields}</fields></row>"


def _element(name: str, text: str) -> str:
    # A reader must turn CR LF into LF (XML 1.0 §2.11), so CR is written as a reference.
    return f"<{name}>{text.translate(_XML_MARKS)}</{name}>"


def _csv(rows: list[FiledRow]) -> str:
    columns: dict[str, None] = {}
    for row in rows:
        columns |= dict.fromkeys(row.delivery.fields)
    lines = [_csv_line((*_OWN_COLUMNS, *columns))]
    for delivery, is_repeat in rows:
        own = (
            delivery.delivery, delivery.digest, delivery.record, str(delivery.version),
            delivery.action, delivery.kind, "yes" if is_repeat else "no", delivery.reason,
        )  # fmt: skip
        lines.append(_csv_line((*own, *(delivery.fields.get(name, "") for name in columns))))
    return "".join(lines)


def _csv_line(cells: tuple[str, ...]) -> str:
    """One record of RFC 4180, every cell quoted, so that a line end inside a text is harmless."""
    return ",".join(f'"{_safe(cell)}"' for cell in cells) + "\r\n"


def _safe(text: str) -> str:
    """A cell no spreadsheet takes for a formula (OWASP, CSV Injection).

    A text that begins with an apostrophe gets one, too: so a program takes one apostrophe off
    whenever a cell begins with one, and has the text as it was.
    """
    return ("'" if text.startswith(_STARTS_FORMULA) else "") + text.replace('"', '""')


def manifest_digest(value: bytes) -> str:
    """Return the SHA-256 a manifest states, or an empty string when it is none."""
    try:
        told = json.loads(value)
    except (ValueError, RecursionError):
        return ""
    stated = told.get("sha256") if isinstance(told, dict) else None
    return stated if isinstance(stated, str) else ""
