"""`hub due`: what is due or overdue, and whose fault it is."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import click

from hub.adapters.postgres.lookups import DueRow
from hub.commands.look import Names, calendar_of, look_up_options, open_tables, print_json
from hub.commands.words import (
    CLOCKS,
    PARTIES,
    WHYS,
    code_of,
    code_or_none,
    due_on,
    fit,
    iso,
    kind_zh,
    moment,
    one_line,
    reason_words,
    say_fault,
    table,
)
from hub.domain.calendar import WorkingCalendar
from hub.domain.dates import day_of_ms, due_at_ms
from hub.views.whose_time import Responsibility, Why, fault_of, holder_of

_SHOWN = 50
_HEADERS = (
    "到期 due", "标记", "部门", "类别", "文书号", "相对人", "代码", "平台", "期限",
    "责任 fault", "原因 reason",
)  # fmt: skip


class Owed(NamedTuple):
    """A running clock, judged."""

    row: DueRow
    is_overdue: bool
    fault: Responsibility
    """Who held it when it fell due (or now, when that is to come)."""
    holder: Responsibility
    """Who has it in hand now."""


@click.command("due")
@click.option(
    "--within",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="包括若干个工作日内到期的 / also what is due within so many working days",
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=_SHOWN, show_default=True,
    help="最多显示行数 / lines at most",
)  # fmt: skip
@look_up_options
def command(*, within: int, limit: int, site_folder: Path | None, as_json: bool) -> None:
    """即将到期与逾期：谁、什么、谁的责任 / What is due or overdue, and whose fault."""
    with open_tables(site_folder) as tables:
        now = tables.now()
        calendar = calendar_of(tables.basis())
        horizon = due_at_ms(calendar.add_working_days(day_of_ms(now), within).on)
        rows = tables.due(horizon)
        names = Names(tables)
        waiting = sum(count.number for count in tables.case_counts())
    owed = [judge(row, now) for row in rows if row.accepted_under is None]
    settled = [row for row in rows if row.accepted_under is not None]
    if as_json:
        print_json(
            {
                "now": iso(now),
                "within_working_days": within,
                "due": [_as_json(item, names, calendar, now) for item in owed],
                "accepted_under_another_code": [_settled_json(row, names) for row in settled],
                "open_cases": waiting,
            }
        )
        return
    click.echo(_summary(owed, names, now, within))
    if owed:
        lines = _lines(owed, names)
        click.echo(table(_HEADERS, lines[:limit]))
        if len(lines) > limit:
            click.echo(f"… 另有 {len(lines) - limit} 行（--limit）/ and {len(lines) - limit} more")
    for row in list({row.record_key: row for row in settled}.values())[:limit]:
        said = f"{row.document_number} {row.subject_name}（{names.department(row.department)}）"
        click.echo(
            f"已由 {row.accepted_under} 下的记录受理，不再计逾期 / accepted under that code:"
            f" {one_line(said)}"
        )
    if waiting:
        click.echo(f"另有 {waiting} 项待人处理：hub cases / {waiting} cases wait for a person")


def judge(row: DueRow, now: int) -> Owed:
    """Whose fault a clock is that runs at `now` (business ms), or ended late; pure."""
    return Owed(
        row, row.due_at <= now, fault_of(row.passage, row.due_at, now), holder_of(row.passage)
    )


def reasons_of(owed: Owed) -> list[dict[str, str]]:
    """Name the reason for a standstill: the quarantine's reasons, or the platform's code."""
    if Why.QUARANTINED in (owed.fault.why, owed.holder.why):
        return [
            reason_words(code, field)
            for code, field, severity in owed.row.reasons
            if severity == "error"
        ]
    if owed.holder.why is Why.REFUSED and owed.row.refusal_code:
        return [reason_words("REFUSED_BY_TARGET", owed.row.refusal_code)]
    return []


def working_days_left(calendar: WorkingCalendar, now: int, due_at: int) -> int:
    """Working days until the due day, it included and today not; negative once overdue."""
    today, last = day_of_ms(now), day_of_ms(due_at - 1)
    if last < today:
        return -working_days_left(calendar, due_at - 1, now + 1)
    left = 0
    day = today
    while day < last:
        day = type(day).fromordinal(day.toordinal() + 1)
        left += calendar.is_working_day(day)
    return left


def _summary(owed: list[Owed], names: Names, now: int, within: int) -> str:
    overdue = sum(item.is_overdue for item in owed)
    soon = len(owed) - overdue
    return (
        f"{names.site}  {moment(now)}  逾期 {overdue} 项，{within} 个工作日内到期 {soon} 项"
        f"（每平台一项） / {overdue} overdue, {soon} due within {within} working days, per platform"
    )


def _lines(owed: list[Owed], names: Names) -> list[tuple[str, ...]]:
    """One line for a record and clock; targets in the same case share it."""
    together: dict[tuple[object, ...], list[Owed]] = {}
    for item in owed:
        case = (item.row.record_key, item.row.clock, item.row.due_at, item.fault, item.holder)
        together.setdefault(case, []).append(item)
    lines: list[tuple[str, ...]] = []
    for items in together.values():
        item, row = items[0], items[0].row
        marks = (
            (item.is_overdue, "逾期"), (row.is_provisional, "暂定"), (row.is_estimated, "估计"),
        )  # fmt: skip
        mark = "，".join(text for is_so, text in marks if is_so)
        fault = say_fault(item.fault)
        if item.holder.party is not item.fault.party:
            fault += f"（现在{say_fault(item.holder)}）"
        why = "；".join(reason["zh"] for reason in reasons_of(item))
        lines.append(
            (
                due_on(row.due_at), mark, names.department(row.department), kind_zh(row.kind),
                fit(row.document_number or "（无文书号）", 28), fit(row.subject_name, 24),
                code_of(row.ledger_key), "、".join(names.target(each.row.target) for each in items),
                CLOCKS[row.clock], fault, fit(why, 60),
            )
        )  # fmt: skip
    return lines


def _as_json(item: Owed, names: Names, calendar: WorkingCalendar, now: int) -> dict[str, object]:
    row = item.row
    return {
        "due_on": due_on(row.due_at),
        "due_at": iso(row.due_at),
        "overdue": item.is_overdue,
        "working_days_left": working_days_left(calendar, now, row.due_at),
        "provisional": row.is_provisional,
        "estimated": row.is_estimated,
        "clock": row.clock,
        "target": names.target_id(row.target),
        "department": row.department,
        "kind": row.kind,
        "document_number": row.document_number,
        "subject_name": row.subject_name,
        "credit_code": code_or_none(row.ledger_key),
        "decided_on": row.decided_on.isoformat() if row.decided_on else None,
        "status": row.status,
        "stage": row.stage,
        "fault": fault_json(item.fault),
        "holder": fault_json(item.holder),
        "reasons": reasons_of(item),
    }


def fault_json(fault: Responsibility) -> dict[str, str]:
    """Who and why, for machines and people."""
    zh, en = WHYS[fault.why]
    return {
        "party": fault.party.value, "party_zh": PARTIES[fault.party], "why": fault.why.value,
        "zh": zh, "en": en,
    }  # fmt: skip


def _settled_json(row: DueRow, names: Names) -> dict[str, object]:
    return {
        "document_number": row.document_number,
        "subject_name": row.subject_name,
        "department": row.department,
        "target": names.target_id(row.target),
        "quarantined_under": code_or_none(row.ledger_key),
        "accepted_under": row.accepted_under,
    }
