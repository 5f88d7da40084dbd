"""Contracts, a sealer and helpers shared by the connectors' tests."""

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from connectors.files.formats import read_rows
from connectors.files.snapshot import SnapshotDeclarer
from connectors.layout import Folder, Layouts
from connectors.mapping import Mapping as SourceMapping
from connectors.submission import OutgoingSubmission, RowSubmitter
from hub.adapters.sealing import Sealer
from hub.contracts import load_contracts
from hub.contracts.contract import Fault
from tests.contract.specimens import texts_of

ROOT: Final = Path(__file__).parents[3]
SEALER: Final = Sealer(bytes(range(32)))
STREAM: Final = "market-supervision/files"
FINGERPRINT: Final = "ab" * 32


CONTRACTS: Final = load_contracts(
    {
        path.stem: path.read_text(encoding="utf-8")
        for path in sorted((ROOT / "avro_schemas").glob("*.avsc"))
    }
)
SUBMITTER: Final = RowSubmitter("market-supervision", STREAM, CONTRACTS, SEALER)
SNAPSHOTS: Final = SnapshotDeclarer(SUBMITTER, CONTRACTS, (), "示例局")


def layouts(folder: Folder, mappings: Iterable[SourceMapping] = ()) -> Layouts:
    """Return the layouts of a folder."""
    return Layouts(folder, CONTRACTS, mappings)


def table(*rows: Mapping[str, str]) -> bytes:
    """Write rows (header -> text) as UTF-8 CSV; the headers are those of all rows, in order."""
    headers = list(dict.fromkeys(header for row in rows for header in row))
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(headers)
    writer.writerows([row.get(header, "") for header in headers] for row in rows)
    return out.getvalue().encode()


def submitted(content: bytes, where: Layouts, first: int = 1) -> list[OutgoingSubmission]:
    """Return everything a file is submitted as, numbered from `first`."""
    made: list[OutgoingSubmission] = []
    for row in read_rows(content, where.words.knows):
        made += SUBMITTER.submissions(row, where, FINGERPRINT, first + len(made))
    return made


def fields_of(submission: OutgoingSubmission) -> dict[str, str | bytes]:
    """Return the fields that are not empty."""
    return decoded(submission.kind, submission.value)


def decoded(kind: str, value: bytes) -> dict[str, str | bytes]:
    """Decode a framed value of a kind; fields that are not empty."""
    read = CONTRACTS.decode_framed(value)
    assert not isinstance(read, Fault)
    contract, row = read
    assert contract.kind == kind
    return {name: text for name, text in row.items() if text}


LICENCE_ROW: Final = {
    "行政相对人名称": "舟山青禾食品有限公司",
    "行政相对人类别": "法人及非法人组织",
    "行政相对人代码_1(统一社会信用代码)": "91330900MA00000156",
    "法定代表人": "甲某",
    "行政许可决定文书名称": "食品经营许可证",
    "行政许可决定文书号": "舟市监许〔2026〕1号",
    "许可类别": "普通",
    "许可内容": "预包装食品销售",
    "许可决定日期": "2026/1/30",
    "有效期自": "2026/1/30",
    "有效期至": "2031/1/29",
    "许可机关": "舟山市某监管局",
    "许可机关统一社会信用代码": "11330900MA0000015E",
    "当前状态": "1",
    "数据来源单位": "舟山市某监管局",
    "数据来源单位统一社会信用代码": "11330900MA0000015E",
}


def in_chinese(kind: str, **changes: str) -> dict[str, str]:
    """The minimal example of a kind under its Chinese headers, with changes by field name."""
    row = texts_of(kind) | changes
    return {field.zh: row.get(field.name, "") for field in CONTRACTS.by_kind[kind].schema.fields}
