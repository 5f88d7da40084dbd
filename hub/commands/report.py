"""`hub report`: the monthly 双公示 form, the rates with what they are made of, what was late."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from hub.adapters.kafka.client import KafkaInputs
from hub.adapters.postgres.lookups import DueRow
from hub.adapters.postgres.months import late_rows, month_cases, month_lines
from hub.commands.due import fault_json, judge
from hub.commands.look import Names, open_tables, print_json
from hub.commands.report_sheet import Column, Sheet, write_report
from hub.commands.words import (
    CASES,
    TURNS,
    code_of,
    code_or_none,
    due_on,
    fit,
    iso,
    kind_zh,
    moment,
    reason_words,
    say_fault,
    table,
)
from hub.config.repository import load_repository_contracts
from hub.config.settings import read_settings
from hub.config.site import load_site
from hub.core.record import decode_record
from hub.domain.dates import month_days
from hub.embedded.parts import BackingServices
from hub.errors import ConfigurationError
from hub.views.entry import EntryReader
from hub.views.monthly import CaseLine, Counts, MonthBook, MonthlyLine, targets_in
from hub.views.open_cases import CaseKind, turn_of
from hub.views.whose_time import Responsibility, Why

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from hub.config.site import Site
    from hub.views.monthly import ReportedTarget

NOT_DECLARED: Final = "未申报"
NOT_ALL_DECLARED: Final = "未全部申报"
_SHOWN: Final = 20
_NOTES: Final = (
    ("产生数量由部门按月申报；未申报的不计算上报率，绝不按100%计。"
    " The department declares how many it produced; without that there is no rate."),
    ("合计的未报送数量是已申报各行之和：一行多报不抵另一行少报；未全部申报的，合计不计算上报率。"
    " In the total, what is not reported is the sum of the lines that declare: more than was"
    " declared in one makes up for nothing in another."),
    ("上报率=报送÷产生；合规率=有效入库÷报送；及时率=及时÷（及时+迟报）；迟报率=迟报÷（及时+迟报）。"
    "国家未公布统一算式，此处为本枢纽的算法，见 docs/report.md。"
    " No official formulas have been published; these are the hub's own."),
    ("另计：自然人等无论如何改正都不能受理的报送，不计入报送数量，也不算任何一方迟报。"
     " Apart: records that can never be accepted, such as natural persons'; in no figures."),
    ("按决定日期归月；决定日期无法读取的按到达日期。尚未到期、尚未公示的不计入及时率。"
    " By month of decision; what is neither met nor due yet is not judged."),
)  # fmt: skip


@click.command("report")
@click.option("--month", required=True, help="月份，例如 2026-10 / the month, e.g. 2026-10")
@click.option(
    "--site", "site_folder", type=click.Path(path_type=Path),
    help="站点目录；数据库中只有一个站点时可省略 / the site's folder, when there are several",
)  # fmt: skip
@click.option(
    "--xlsx", type=click.Path(path_type=Path, dir_okay=False),
    help="另存为表格文件 / also write a workbook",
)  # fmt: skip
@click.option(
    "--from-ledger", is_flag=True,
    help="改由台账重新计算（慢，供核对） / reckon from the ledger itself: slow, for checking",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="以 JSON 输出 / print JSON")
def command(
    *, month: str, site_folder: Path | None, xlsx: Path | None, from_ledger: bool, as_json: bool
) -> None:
    """双公示月报：上报率、合规率、及时率与迟报明细 / The monthly form and the rates."""
    first, last = _days_of(month)
    with open_tables(site_folder) as tables:
        now = tables.now()
        names = Names(tables)
        basis = tables.basis()
        late = [(row, judge(row, now).fault) for row in late_rows(tables, first, last, now)]
        lines, cases = month_lines(tables, first, last, now), month_cases(tables, first, last)
    if from_ledger:
        if site_folder is None:
            raise click.UsageError("--from-ledger 需要 --site / needs --site")
        lines, cases = _from_ledger(
            load_site(site_folder).site, targets_in(basis.content) if basis else (), month, now
        )
    if xlsx is not None:
        write_report(xlsx, _sheets(month, now, names, lines, late, cases))
    if as_json:
        print_json(_as_json(month, now, names, lines, late, cases))
        return
    click.echo(f"{names.site}  {month} 双公示月报 monthly form  截至 as of {moment(now)}")
    click.echo(table(_HEADERS, [cells(line, names) for line in [*lines, total(lines)]], _RIGHT))
    click.echo(f"\n迟报 late: {len(late)} 项（每平台一项 per platform）")
    if late:
        click.echo(table(_LATE_HEADERS, [_late_cells(*one, names) for one in late[:_SHOWN]]))
    if len(late) > _SHOWN:
        click.echo(f"… 另有 {len(late) - _SHOWN} 行，见 --xlsx 或 --json / and more")
    if cases:
        click.echo("\n待人处理 what waited for a person（hub cases --all）")
        click.echo(table(_CASE_HEADERS, [case_cells(line) for line in cases], (2, 3, 4)))
    for note in _NOTES:
        click.echo(f"注 note: {note}")


def _days_of(month: str) -> tuple[date, date]:
    try:
        return month_days(month)
    except ValueError as error:
        raise ConfigurationError(
            f"{month} 不是月份",
            f"{month} is not a month",
            remedy_zh="按“年-月”填写，例如 2026-10",
            remedy_en="write it as 2026-10",
        ) from error


def _from_ledger(
    site: Site, targets: Sequence[ReportedTarget], month: str, now: int
) -> tuple[list[MonthlyLine], list[CaseLine]]:
    """Fold the whole ledger; nothing of the look-ups is used but the time and the targets."""
    numbers = {target.id: target.number for target in site.targets}
    book = MonthBook(EntryReader(load_repository_contracts(), site.prefix, numbers), targets)
    access = BackingServices(read_settings()).require_kafka(site.user("auditor"))
    inputs = KafkaInputs(access, site.user("auditor"), whole=site.topic("ledger"))
    places = {(site.topic("ledger"), p): 0 for p in range(site.partitions)}
    try:
        for batch in inputs.read_to_end(places):
            for record in batch:
                book.note(record.partition, decode_record(record.value))
    finally:
        inputs.close()
    return book.lines(month, now), book.cases(month)


def total(lines: Sequence[MonthlyLine]) -> MonthlyLine:
    """All lines together; nothing is produced in all as long as one line does not say.

    Unreported records are added up line by line: one line's excess hides no other's shortfall.
    """
    produced = [line.produced for line in lines]
    is_known = bool(lines) and None not in produced
    own = [line.disclosed_by_unit for line in lines if line.disclosed_by_unit is not None]
    lacking = [line.unreported for line in lines if line.unreported is not None]
    counted = Counts(*(sum(getattr(line, name) for line in lines) for name in Counts._fields))
    return MonthlyLine(
        "", "", sum(one or 0 for one in produced) if is_known else None, sum(own) if own else None,
        "", "", *counted, sum(lacking) if lacking else None,
    )  # fmt: skip


def rate(numerator: int, denominator: int | None) -> float | None:
    """A ratio, or None where there is nothing to divide by."""
    return numerator / denominator if denominator else None


def _undeclared(line: MonthlyLine) -> str:
    """Placeholder for an undeclared produced count (产生数量), also within a total."""
    return NOT_DECLARED if line.unreported is None else NOT_ALL_DECLARED


def _say(numerator: int, denominator: int | None) -> str:
    """`12/13  92.3 %`, always with what was divided by what."""
    found = rate(numerator, denominator)
    return "–" if found is None else f"{numerator}/{denominator} {found:.1%}"


_HEADERS: Final = (
    "部门", "类别", "产生 produced", "报送 reported", "未报送", "入库 stored", "公示 shown",
    "上报率", "合规率", "及时率 in time", "迟报率 late", "未到期 open", "另计 apart",
)  # fmt: skip
_RIGHT: Final = tuple(range(2, 13))
_CASE_HEADERS: Final = ("事项 case", "该谁办 turn", "新增 opened", "了结 ended", "未了结 open")
_LATE_HEADERS: Final = (
    "到期 due", "完成 done", "部门", "类别", "文书号", "平台", "责任 fault", "原因 reason",
)  # fmt: skip


def cells(line: MonthlyLine, names: Names) -> tuple[str, ...]:
    """A line of the form for people; one without a department is the total."""
    return (
        names.department(line.department) if line.department else "合计 total",
        kind_zh(line.kind) if line.kind else "",
        _undeclared(line) if line.produced is None else str(line.produced),
        str(line.reported),
        "–" if line.unreported is None else str(line.unreported),
        str(line.stored),
        str(line.shown),
        _undeclared(line) if line.produced is None else _say(line.reported, line.produced),
        _say(line.stored, line.reported),
        _say(line.in_time, line.judged),
        _say(line.late, line.judged),
        str(line.still_open),
        str(line.apart),
    )


def case_cells(line: CaseLine) -> tuple[str, ...]:
    """Line of the cases of one kind that waited for a person."""
    kind = CaseKind(line.case_kind)
    return (CASES[kind][0], TURNS[turn_of(kind)][0], *map(str, line[1:]))


def _why(row: DueRow, fault: Responsibility) -> str:
    """Name the obstacle, also a past one: the quarantine's reasons, or the platform's code."""
    if fault.why is Why.QUARANTINED:
        words = [
            reason_words(code, field) for code, field, level in row.reasons if level == "error"
        ]
        return "；".join(one["zh"] for one in words)
    if fault.why is Why.REFUSED and row.refusal_code:
        return reason_words("REFUSED_BY_TARGET", row.refusal_code)["zh"]
    return ""


def _late_cells(row: DueRow, fault: Responsibility, names: Names) -> tuple[str, ...]:
    return (
        due_on(row.due_at),
        "逾期未完成" if row.done_at is None else moment(row.done_at),
        names.department(row.department),
        kind_zh(row.kind),
        fit(row.document_number or "（无文书号）", 28),
        names.target(row.target),
        say_fault(fault),
        fit(_why(row, fault), 60),
    )


_FORM: Final = (
    Column("单位", 22), Column("类别", 14), Column("产生数量", 9), Column("本单位公示数量", 9),
    Column("本单位公示网址", 18), Column("报送数量", 9), Column("未报送数量", 9),
    Column("未报送依据", 18), Column("有效入库数", 9), Column("市级网站公示数量", 10),
    Column("上报率", 9, "0.0%"), Column("合规率", 9, "0.0%"), Column("及时数", 8),
    Column("迟报数", 8), Column("及时率", 9, "0.0%"), Column("迟报率", 9, "0.0%"),
    Column("未到期", 8), Column("另计（不能受理）", 9),
)  # fmt: skip
_LATE_FORM: Final = (
    Column("单位", 22), Column("类别", 14), Column("文书号", 26), Column("相对人", 26),
    Column("统一社会信用代码", 22), Column("决定日期", 12), Column("平台", 20),
    Column("到期日", 12), Column("完成时间", 17), Column("责任", 26), Column("原因", 40),
)  # fmt: skip


_CASE_FORM: Final = (
    Column("事项", 36), Column("该谁办", 14), Column("新增", 8), Column("了结", 8),
    Column("月末未了结", 11),
)  # fmt: skip


def _sheets(
    month: str, now: int, names: Names, lines: Sequence[MonthlyLine],
    late: Sequence[tuple[DueRow, Responsibility]], cases: Sequence[CaseLine],
) -> list[Sheet]:  # fmt: skip
    title = f"{names.site} {month} 行政许可和行政处罚等信用信息公示月报（截至 {moment(now)}）"
    return [
        Sheet(
            "双公示月报", title, _FORM,
            [form_row(line, names) for line in [*lines, total(lines)]], _NOTES,
            frozenset(n for n, line in enumerate(lines) if line.late or line.produced is None),
        ),
        Sheet(
            "迟报明细", f"{month} 迟报与逾期明细", _LATE_FORM,
            [
                (
                    names.department(row.department), kind_zh(row.kind), row.document_number,
                    row.subject_name, code_of(row.ledger_key),
                    row.decided_on.isoformat() if row.decided_on else "", names.target(row.target),
                    due_on(row.due_at), moment(row.done_at) if row.done_at else "逾期未完成",
                    say_fault(fault), _why(row, fault),
                )
                for row, fault in late
            ],
        ),
        Sheet(
            "待人处理", f"{month} 待人处理的事项", _CASE_FORM,
            [(*case_cells(line)[:2], *line[1:]) for line in cases],
        ),
    ]  # fmt: skip


def form_row(line: MonthlyLine, names: Names) -> tuple[str | int | float | None, ...]:
    """A line of the form in the workbook's columns."""
    return (
        names.department(line.department) if line.department else "合计",
        kind_zh(line.kind) if line.kind else "",
        _undeclared(line) if line.produced is None else line.produced,
        line.disclosed_by_unit,
        line.disclosure_url,
        line.reported,
        line.unreported,
        line.unreported_reason,
        line.stored,
        line.shown,
        _undeclared(line) if line.produced is None else rate(line.reported, line.produced),
        rate(line.stored, line.reported),
        line.in_time,
        line.late,
        rate(line.in_time, line.judged),
        rate(line.late, line.judged),
        line.still_open,
        line.apart,
    )


def _as_json(
    month: str, now: int, names: Names, lines: Sequence[MonthlyLine],
    late: Sequence[tuple[DueRow, Responsibility]], cases: Sequence[CaseLine],
) -> dict[str, object]:  # fmt: skip
    return {
        "month": month,
        "as_of": iso(now),
        "lines": [_line_json(line) for line in lines],
        "total": _line_json(total(lines)),
        "late": [
            {
                "department": row.department,
                "kind": row.kind,
                "document_number": row.document_number,
                "credit_code": code_or_none(row.ledger_key),
                "target": names.target_id(row.target),
                "due_on": due_on(row.due_at),
                "done_at": iso(row.done_at),
                "fault": fault_json(fault),
                "reason_zh": _why(row, fault),
            }
            for row, fault in late
        ],
        "cases": [line._asdict() for line in cases],
    }


def _line_json(line: MonthlyLine) -> dict[str, object]:
    ratios = {
        "report_rate": (line.reported, line.produced),
        "compliance_rate": (line.stored, line.reported),
        "in_time_rate": (line.in_time, line.judged),
        "late_rate": (line.late, line.judged),
    }
    return {
        **line._asdict(),
        **{
            name: {"numerator": n, "denominator": d, "ratio": None if not d else round(n / d, 6)}
            for name, (n, d) in ratios.items()
        },
    }
