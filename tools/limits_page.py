"""Print docs/limits.md: every bound of the hub, with its number as the code has it.

    python -m tools.limits_page > docs/limits.md

Tests compare the page with what this prints, and look for bounds in the code that it leaves out.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Final, NamedTuple

from connectors.files.confined import MEMORY_BYTES

MIB: Final = 1024 * 1024


class Bound(NamedTuple):
    """One bound: where it stands in the code, what it counts, and what happens beyond it."""

    place: str
    """`module:NAME`."""
    unit: str
    """`bytes`, `seconds`, or a word for what is counted."""
    zh: str
    en: str
    beyond: str


_FILE: Final = "refused whole with its code; result file says which bound, neighbours go on"
_ROW: Final = "that row alone is quarantined with its code"
_QUARANTINED: Final = "quarantined with its code; counted at its coordinates"

SECTIONS: Final[tuple[tuple[str, tuple[Bound, ...]], ...]] = (
    (
        "一个部门文件 A department's file",
        (
            Bound("connectors.tables:MAX_FILE_BYTES", "bytes", "文件大小", "size of a file", _FILE),
            Bound("connectors.tables:MAX_ROWS", "rows", "有内容的行", "rows with content", _FILE),
            Bound(
                "hub.domain.positions:MAX_LINES",
                "rows",
                "行，含空行",
                "rows, blank ones too",
                _FILE,
            ),
            Bound("connectors.tables:MAX_CELLS", "cells", "单元格", "cells handed on", _FILE),
            Bound(
                "connectors.tables:MAX_CELLS_READ",
                "cells",
                "单元格，含空格",
                "cells, blank ones too",
                _FILE,
            ),
            Bound("connectors.tables:MAX_CHARACTERS", "characters", "字数", "characters", _FILE),
            Bound(
                "connectors.tables:MAX_BROKEN_ROWS",
                "rows",
                "读不出的行",
                "rows nobody can read",
                _FILE,
            ),
            Bound(
                "hub.domain.positions:MAX_SHEETS", "sheets", "工作表", "sheets of a workbook", _FILE
            ),
            Bound(
                "connectors.tables:MAX_HEADER_CHARACTERS",
                "characters",
                "表头字数",
                "characters of a header row",
                "no header: the sheet is told as such",
            ),
            Bound(
                "connectors.tables:MAX_COLUMNS", "columns", "列", "columns", "that sheet is refused"
            ),
            Bound(
                "connectors.tables:MAX_CELL_CHARACTERS", "characters", "一格字数", "one cell", _ROW
            ),
            Bound(
                "connectors.tables:MAX_ROW_CHARACTERS", "characters", "一行字数", "one row", _ROW
            ),
            Bound(
                "connectors.files.spreadsheet:MAX_UNPACKED_BYTES",
                "bytes",
                "解压后大小",
                "a workbook unpacked",
                _FILE,
            ),
            Bound(
                "connectors.files.spreadsheet:MAX_ENTRIES",
                "entries",
                "压缩包条目",
                "entries of its archive",
                _FILE,
            ),
            Bound(
                "connectors.files.spreadsheet:MAX_SHEET_ROWS",
                "rows",
                "一张工作表的行号",
                "row number in a sheet",
                _FILE,
            ),
            Bound(
                "connectors.files.confined:CPU_SECONDS",
                "seconds",
                "读一个文件的处理器时间",
                "processor time of one file",
                _FILE,
            ),
            Bound(
                "connectors.files.confined:WALL_SECONDS",
                "seconds",
                "同上，按时钟",
                "the same by the clock",
                _FILE,
            ),
            Bound(
                "connectors.files.confined:MEMORY_BYTES",
                "bytes",
                "读取进程内存",
                "memory of the reading child",
                _FILE,
            ),
            Bound(
                "connectors.files.confined:OUTPUT_BYTES",
                "bytes",
                "读取进程输出",
                "what the child writes",
                _FILE,
            ),
            Bound(
                "connectors.files.confined:OPEN_FILES",
                "files",
                "读取进程打开的文件",
                "files the child opens",
                _FILE,
            ),
            Bound(
                "hub.io.paths:LONGEST_NAME",
                "bytes",
                "文件名",
                "a file's name",
                "result's name is cut and marked by a digest",
            ),
            Bound(
                "connectors.files.kept_rows:KEPT_CELL",
                "characters",
                "其中一格",
                "a cell of them",
                "cut in the result, and marked so",
            ),
            Bound(
                "connectors.files.kept_rows:KEPT_BYTES",
                "bytes",
                "为结果保存的行",
                "rows kept for results, a source",
                "oldest go; their results keep the hub's own columns",
            ),
            Bound(
                "connectors.files.result_files:CHARACTERS_OF_A_PART",
                "characters",
                "一次写出的结果",
                "a part of a result",
                "neighbours' rows are answered first, then it goes on",
            ),
            Bound(
                "hub.io.paths:DEEPEST",
                "folders",
                "文件夹层数",
                "folders below each other",
                "not looked into",
            ),
        ),
    ),
    (
        "一次报送 A submission",
        (
            Bound(
                "hub.core.prepare:MAX_DECODED_BYTES",
                "bytes",
                "报送内容（解压后）",
                "its value, unpacked",
                _QUARANTINED,
            ),
            Bound(
                "hub.core.prepare:MAX_ENVELOPE_BYTES",
                "bytes",
                "键与消息头",
                "key and headers",
                "cut in the ledger and quarantined",
            ),
            Bound(
                "hub.core.prepare:_MOST_HEADERS",
                "headers",
                "消息头个数",
                "headers",
                "cut in the ledger and quarantined",
            ),
            Bound(
                "connectors.submission:SEAL_LIMIT",
                "bytes",
                "可密封的原行",
                "a row that can be sealed whole",
                "its digest is sealed",
            ),
            Bound(
                "hub.domain.code_lists:_LONGEST",
                "characters",
                "代码值",
                "a coded value",
                "read as unknown",
            ),
            Bound(
                "hub.domain.document_number:LONGEST",
                "characters",
                "文号与名称的规范化",
                "a number or name that is composed (NFC)",
                "compared as it stands, refused as too long",
            ),
            Bound(
                "hub.domain.amounts:_LONGEST",
                "characters",
                "金额",
                "an amount",
                "refused as no amount",
            ),
            Bound(
                "hub.domain.dates:_LONGEST", "characters", "日期", "a date", "refused as no date"
            ),
        ),
    ),
    (
        "一条记录 A record",
        (
            Bound(
                "hub.core.state:SOURCES_KEPT",
                "sources",
                "记住先后的来源",
                "sources whose order is remembered",
                "a further one counts by arrival, and each statement says so",
            ),
            Bound(
                "hub.core.waiting:MOST_PER_RECORD",
                "statements",
                "一个部门等待一条记录的报送",
                "statements of one department that wait for a record",
                "the further one is quarantined",
            ),
            Bound(
                "hub.core.moves:_MOST_DEPARTURES",
                "departures",
                "记住的迁出",
                "departures remembered",
                "the oldest one's move cannot be told again",
            ),
            Bound(
                "hub.core.decide:MOST_TWINS",
                "records",
                "同一身份的待改正记录",
                "quarantined twins known by one identity",
                "further ones are answered by their own row only",
            ),
            Bound(
                "hub.core.duties:MOST_REVISIONS",
                "versions",
                "记住受理日的版本",
                "versions whose day is remembered",
                "earlier ones count from the decision",
            ),
        ),
    ),
    (
        "配置与指标 Configuration and metrics",
        (
            Bound(
                "hub.io.typed_yaml:MOST_OCTETS",
                "bytes",
                "配置文件",
                "a configuration file",
                "refused with file, line and remedy",
            ),
            Bound(
                "hub.io.typed_yaml:MOST_DEPTH",
                "levels",
                "嵌套层数",
                "levels of nesting",
                "refused with file, line and remedy",
            ),
            Bound(
                "hub.io.typed_yaml:MOST_VALUES",
                "values",
                "配置文件的键和值",
                "keys and values of a configuration file, aliases written out",
                "refused with file, line and remedy",
            ),
            Bound(
                "hub.io.typed_yaml:MOST_DIGITS",
                "digits",
                "数字位数",
                "digits of a number",
                "refused with file, line and remedy",
            ),
            Bound(
                "hub.io.typed_yaml:MOST_EXPANDED",
                "bytes",
                "展开后的配置",
                "a configuration with its aliases written out",
                "refused with file, line and remedy",
            ),
            Bound(
                "hub.domain.rulebook:MOST_RULES",
                "rules",
                "规则书中每类规则",
                "rules of one sort in a rulebook",
                "refused, from a file and from the ledger",
            ),
            Bound(
                "hub.domain.rulebook:MOST_KINDS",
                "kinds",
                "一条规则涉及的种类",
                "kinds of one rule",
                "refused, from a file and from the ledger",
            ),
            Bound(
                "hub.domain.rulebook:MOST_ROLES",
                "roles",
                "规则书中的角色",
                "roles of a rulebook",
                "refused, from a file and from the ledger",
            ),
            Bound(
                "hub.domain.calendar:MOST_NOTICES",
                "notices",
                "日历中的通知",
                "notices of a calendar",
                "refused, from a file and from the ledger",
            ),
            Bound(
                "hub.domain.calendar:MOST_DAYS",
                "days",
                "一份通知的日子",
                "days of a notice",
                "refused, from a file and from the ledger",
            ),
            Bound(
                "connectors.mapping:MOST_COLUMNS",
                "columns",
                "映射中并入一个栏目的列",
                "columns a mapping joins to one field",
                "refused with file, line and remedy",
            ),
            Bound(
                "connectors.mapping:LONGEST_TEXT",
                "characters",
                "映射填入的文字",
                "a text that a mapping puts into rows",
                "refused with file, line and remedy",
            ),
            Bound(
                "hub.backup.steps:MOST_UNSEEN",
                "offsets",
                "恢复时一个分区中没有记录的位移",
                "offsets of a partition without a record, in a restore",
                "refused: the manifest is damaged or forged",
            ),
            Bound(
                "hub.backup.create:_LARGEST_OF_OTHERS",
                "bytes",
                "备份的他人文件",
                "a file of others in a backup",
                "left out and named",
            ),
            Bound(
                "hub.backup.manifest:_LARGEST",
                "bytes",
                "备份清单",
                "a backup's manifest",
                "refused as damaged",
            ),
            Bound(
                "hub.backup.restore:_LARGEST_SITE",
                "bytes",
                "备份的站点包",
                "a backup's site package",
                "refused as damaged",
            ),
            Bound(
                "hub.runtime.metrics:MOST_CONNECTIONS",
                "connections",
                "指标端口的连接",
                "connections of a metrics port",
                "the oldest is dropped",
            ),
            Bound(
                "hub.commands.doctor:_LARGEST_REPORT",
                "bytes",
                "端口对 doctor 的回答",
                "what a port answers the doctor",
                "another answers there",
            ),
        ),
    ),
    (
        "平台的回答 A platform's answer",
        (
            Bound(
                "hub.targets.http.client:MAX_ANSWER_BYTES",
                "bytes",
                "HTTP 回答",
                "an HTTP answer",
                "not read further: no answer",
            ),
            Bound(
                "hub.targets.http.protocol:_LONGEST_WAIT_SECONDS",
                "seconds",
                "平台要求的等待",
                "a Retry-After",
                "counts as not given",
            ),
            Bound(
                "hub.targets.file.folder:LARGEST_ACK_BYTES",
                "bytes",
                "回执文件",
                "an acknowledgement file",
                "set aside, told",
            ),
            Bound(
                "hub.targets.delivery:MOST_VALUES",
                "values",
                "回执文件或应答中的 JSON 值",
                "JSON values in it, or in an answer",
                "set aside, told",
            ),
            Bound(
                "hub.targets.file.folder:LARGEST_FILE_BYTES",
                "bytes",
                "交换文件",
                "an exchange file read back",
                "not taken for one of ours",
            ),
            Bound(
                "hub.targets.delivery:_MAX_CODE",
                "characters",
                "平台代码",
                "a platform's code",
                "cut",
            ),
            Bound(
                "hub.targets.delivery:_MAX_RECEIPT",
                "characters",
                "平台回执号",
                "a platform's receipt number",
                "cut",
            ),
            Bound(
                "hub.targets.database.protocol:_MAX_CODE",
                "characters",
                "前置库代码",
                "a code in a front-end database",
                "cut",
            ),
            Bound(
                "hub.targets.database.protocol:_MAX_MESSAGE",
                "characters",
                "前置库原文",
                "words in a front-end database",
                "cut",
            ),
            Bound(
                "hub.targets.file.folder:_LARGEST_MANIFEST_BYTES",
                "bytes",
                "交换清单",
                "a manifest in a drop folder",
                "not taken for one of ours",
            ),
            Bound(
                "hub.targets.delivery:_MAX_MESSAGE",
                "characters",
                "平台原文",
                "a platform's words",
                "cut",
            ),
            Bound(
                "hub.targets.database.client:_RECEIPTS_AT_MOST",
                "rows",
                "前置库回执",
                "receipts of one look",
                "read at the next look",
            ),
        ),
    ),
)

_HEAD: Final = """\
# 界限 Limits

每一界限的数值取自代码，超出时发生什么写在旁边。不使别人等待：超出的只影响它自己。

Printed by `python -m tools.limits_page` from the code; never edited by hand. What goes beyond a
bound costs its own sender and nobody else. The number stands in the code beside its reason.
"""
_UNITS: Final = ((1 << 20, "MiB"), (1 << 10, "KiB"))


WORKER_BYTES: Final = 512 * 1024 * 1024
"""What a worker takes at most: attacks, `bench latency` and `bench registrar` hold it to that."""
UNMEASURED_BYTES: Final = 1024 * 1024 * 1024
"""The same where a topic was opened by hand to what its broker does not measure: 150 MB of it."""
MARGIN: Final = 1.5
"""So many times what a worker and its reading child may take is what they are allowed."""
UNMEASURED_PEAK: Final = 753
"""MiB of a registrar that read one record of 150 MB from such a topic (lz4)."""
PEAKS: Final = {"registrar": 72, "receipts": 76, "courier": 70, "connector": 197}
"""MiB at most while files and messages of every kind were thrown at a town (tests/attacks)."""


def value_of(bound: Bound) -> int:
    """The number as the code has it."""
    module, name = bound.place.split(":")
    number: int | float = getattr(import_module(module), name)
    return int(number)


def _written(bound: Bound) -> str:
    number = value_of(bound)
    if bound.unit == "bytes":
        for size, name in _UNITS:
            if number >= size and number % size == 0:
                return f"{number // size:,} {name}"
    return f"{number:,} {bound.unit}"


def document() -> str:
    """The page."""
    lines = [_HEAD]
    for title, bounds in SECTIONS:
        lines += [
            f"## {title}",
            "",
            "| 界限 bound | 数值 | 超出时 beyond it | 代码 code |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {b.zh} {b.en} | {_written(b)} | {b.beyond} | `{b.place.replace(':', '.')}` |"
            for b in bounds
        ]
        lines.append("")
    measured = "，".join(f"{worker} {peak} MiB" for worker, peak in PEAKS.items())
    most, child, open_most = (n // MIB for n in (WORKER_BYTES, MEMORY_BYTES, UNMEASURED_BYTES))
    lines += [
        "## 工作进程的内存 Memory of a worker",
        "",
        f"每个工作进程至多占用 {most} MiB，读取部门文件的子进程另有 {child} MiB 的上限；systemd、",
        f"Compose、Kubernetes 允许的不少于两者之和的 {MARGIN} 倍（有测试核对）。",
        f"攻击中测得的最大值：{measured}。",
        "主题被手工改为不由代理测量时（`compression.type`），",
        f"一条 150 MB 的压缩记录使登记工作进程用到 {UNMEASURED_PEAK} MiB（上限 {open_most} MiB）。",
        "",
        f"A worker takes {most} MiB at most, the child that reads a department's file {child} MiB",
        f"beside it; what systemd, Compose and Kubernetes allow is at least {MARGIN} times the sum",
        "(a test compares them). Beyond that the kernel ends the worker, which starts again and",
        "loses nothing. The numbers above are the most that was measured under attack; on a topic",
        f"that was opened by hand to what its broker does not measure, {UNMEASURED_PEAK} MiB.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(document())
