"""Sections of the summary about what nobody sent: families, what fell due, the court, the month."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from demo.account import OutcomeTally
from demo.dates import say_moment
from hub.commands.words import OUTCOMES, STAGES, kind_zh, table
from hub.domain import kinds
from hub.views.monthly import MonthlyLine

if TYPE_CHECKING:
    from demo.foreign_write import Attempt
    from hub.config.site import Target

Name = Callable[[str], str]
"""A department's id → its short name."""

_FAMILIES: Final = {
    "licence": "行政许可 licences",
    "penalty": "行政处罚 penalties",
    "court_enforcement": "失信被执行人 court list",
    "commitment": "信用承诺 commitments",
}
_STATEMENTS: Final = {
    kinds.OUTPUT_COUNT: "产生数量申报 output counts declared",
    kinds.SNAPSHOT: "法院每日全量名单 full lists of the court",
    kinds.RECONCILED: "数据库来源每日对账 daily comparisons of the table",
    kinds.REMINDER: "提醒与催办 reminders",
    kinds.PERFORMANCE_MISSING: "承诺到期未履行 performance missing",
    kinds.EXIT_MISSING: "漏报退出 exit missing",
}
_DUE: Final = "commitment_due"


def families(account: OutcomeTally, targets: Sequence["Target"]) -> list[str]:
    """Per family: records, how they stand, how many each platform shows now; then statements."""
    found = account.families()
    headers = ["类别", "记录", "有效", "已撤回", *(target.name_zh for target in targets)]
    rows = [["family", "records", "live", "withdrawn", *(f"at {t.id}" for t in targets)]]
    for subject, name in _FAMILIES.items():
        family = [one for kind, one in found.items() if kind.partition(".")[0] == subject]
        standing = sum((one.standing for one in family), Counter[str]())
        shown = sum((one.shown for one in family), Counter[int]())
        is_due = [any(kind.startswith(subject) for kind in target.kinds) for target in targets]
        cells = [
            str(shown[target.number]) if is_shown else "–"
            for target, is_shown in zip(targets, is_due, strict=True)
        ]
        records = sum(one.records for one in family)
        rows.append([name, str(records), str(standing["live"]), str(standing["withdrawn"]), *cells])
    lines = table(headers, rows, right=range(1, len(headers))).splitlines()
    counts = (f"{zh} {len(account.statements[kind])}" for kind, zh in _STATEMENTS.items())
    return [*lines, "  各类陈述 statements：", *(f"    {one}" for one in counts)]


def fell_due(account: OutcomeTally, name: Name) -> list[str]:
    """The commitment that fell due, step by step; and how often people were told of deadlines."""
    reminders = account.statements[kinds.REMINDER]
    lines = [
        f"  {row['issued_on']} 提醒{name(row['recipient'])}：一项承诺 {row['earliest_due_on']} "
        "到期 reminded of a commitment that falls due"
        for row in reminders
        if row["reason_class"] == _DUE
    ]
    lines += [
        f"  {row['due_on']} 到期未履行 performance missing：{row['subject_name']}，"
        f"承诺 {row['commitment_code']}，请{name(row['department'])}认定 to be judged by it"
        for row in account.statements[kinds.PERFORMANCE_MISSING]
    ]
    levels = Counter(row["level"] for row in reminders if row["reason_class"] != _DUE)
    lines.append(
        "  将到期与逾期，按部门按日催办 due soon and overdue, per department and day："
        f"经办人 first level {levels['1']} 次，信用中心 second level {levels['2']} 次"
    )
    return lines


def court(account: OutcomeTally, targets: Sequence["Target"], name: Name) -> list[str]:
    """Each exit with where it was taken down; what the daily full list revealed."""
    lines = []
    for key, row in sorted(account.rows.items(), key=lambda one: one[1].document_number):
        if row.kind != kinds.LISTED or row.status != "withdrawn":
            continue
        stood = account.standing_of(key)
        where = "、".join(
            f"{target.name_zh}{STAGES.get(stood[target.number], '')}"
            for target in targets
            if target.number in stood
        )
        where = where or "先于列入到达，从未公示 came before its entry, shown nowhere"
        lines.append(f"  {say_moment(row.version_at)} 退出 exit：{row.document_number}  {where}")
    lines += [
        f"  {row['snapshot_on']} 全量名单中已无此条，法院未报退出 gone from the full list without "
        f"an exit：{row['case_number']}，已请{name(row['department'])}核实，不擅自撤下 "
        "raised with the court, not taken down"
        for row in account.statements[kinds.EXIT_MISSING]
    ]
    return lines


def refused_writes(attempts: Sequence["Attempt"]) -> list[str]:
    """Who tried to write where, and what the broker said."""
    if not attempts:
        return ["  此 Kafka 不要求口令，未试 this broker asks for no passwords: not tried"]
    return [
        f"  {one.principal} → {one.topic}  "
        + ("拒绝 refused" if one.is_refused else "未拒绝 NOT REFUSED")
        + f" {one.answer}"
        for one in attempts
    ]


def table_source(account: OutcomeTally, outcomes: Counter[str]) -> list[str]:
    """What was read from the department's table and written back."""
    told = "，".join(f"{OUTCOMES[name]} {number}" for name, number in outcomes.most_common())
    compared = account.statements[kinds.RECONCILED]
    differ = sum(row["vanished_count"] != "0" or row["missed_count"] != "0" for row in compared)
    return [
        f"  交通运输局案件库（表 t_case）：{told}；逐行写回 hub_result answers written back",
        f"  每日对账 {len(compared)} 次，{differ} 次有差异 daily comparisons, with differences",
    ]


def month(lines: Sequence[MonthlyLine], name: Name) -> list[str]:
    """The monthly form in short: rates with what was divided by what."""
    headers = ["部门", "类别", "产生", "报送", "上报率", "合规率", "及时率"]
    rows = [["department", "kind", "produced", "reported", "report", "compliance", "in time"]]
    for one in lines:
        produced = "未申报" if one.produced is None else str(one.produced)
        rows.append(
            [
                name(one.department), kind_zh(one.kind), produced, str(one.reported),
                _ratio(one.reported, one.produced), _ratio(one.stored, one.reported),
                _ratio(one.in_time, one.judged),
            ]
        )  # fmt: skip
    return [
        *table(headers, rows, right=range(2, 7)).splitlines(),
        "  未申报 not declared：无分母则无上报率，绝不写作 100% no denominator, no rate",
    ]


def _ratio(part: int, whole: int | None) -> str:
    if whole is None:
        return "未申报"
    return f"{part}/{whole} {part / whole:.1%}" if whole else "–"
