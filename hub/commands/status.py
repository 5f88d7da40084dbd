"""`hub status`: where everything stands; read equals the sum of outcomes, or it says so."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

import click

from hub.adapters.postgres.lookups import (
    ClockCounts,
    ConflictRow,
    TallyRow,
    TargetCounts,
    WalkRow,
    conservation_gaps,
)
from hub.adapters.postgres.tables import Heartbeat, StreamCount
from hub.commands.look import Names, look_up_options, open_tables, print_json
from hub.commands.words import KINDS, OUTCOMES, STAGES, STATUSES, age, iso, moment, table
from hub.core.resend import ALL_DAYS, Walk
from hub.runtime.metrics import PRIMARY_OUTCOMES
from hub.views.court_lists import Comparison

_STALE_SECONDS: Final = 10.0
"""A projector beats every second; one silent for longer does not run."""
_SHOWN: Final = 10


class DepartmentLine(NamedTuple):
    """One department: what was read, what became of it, what its streams still promise."""

    department: str
    outcomes: dict[str, int]
    gap: int

    @property
    def read(self) -> int:
        """Submissions read."""
        return sum(self.outcomes.values())


class TargetLine(NamedTuple):
    """One target: its deliveries by stage reached, its clocks."""

    target: int
    counts: TargetCounts
    in_time: int
    late: int
    open: int
    overdue: int

    @property
    def on_time_rate(self) -> float | None:
        """Of the clocks that have ended or fallen due, the part that was met; None without any."""
        judged = self.in_time + self.late + self.overdue
        return self.in_time / judged if judged else None


class WalkLine(NamedTuple):
    """One resend to one target, all partitions together."""

    target: int
    walk: Walk
    """Its scope."""
    asked_at: int
    ended_at: int | None
    named: int
    looked: int
    """Ledger records looked at, of `to_look`."""
    to_look: int


@click.command("status")
@look_up_options
def command(*, site_folder: Path | None, as_json: bool) -> None:
    """总体状态：各部门、各平台、投影进度、身份冲突、重新投送 / Where everything stands."""
    with open_tables(site_folder) as tables:
        now = tables.now()
        names = Names(tables)
        heartbeat = tables.heartbeat()
        departments = department_lines(names.departments, tables.tallies(), tables.streams())
        targets = target_lines(sorted(names.target_ids), tables.targets(), tables.clock_counts(now))
        conflicts = tables.conflicts()
        comparisons = tables.comparisons()
        walks = walk_lines(tables.walks())
        records = sum(position.next_sequence for position in tables.positions())
    if as_json:
        print_json(
            {
                "site": names.site,
                "now": iso(now),
                "ledger_records": records,
                "departments": {line.department: _department_json(line) for line in departments},
                "targets": {names.target_id(line.target): _target_json(line) for line in targets},
                "walks": {
                    names.target_id(number): [
                        _walk_json(line) for line in walks if line[0] == number
                    ]
                    for number in sorted({line.target for line in walks})
                },
                "projector": projector_json(heartbeat, time.time_ns() // 1_000_000),
                "identity_conflicts": [conflict_json(row) for row in conflicts],
                "court_lists": [comparison_json(each) for each in comparisons],
            }
        )
        return
    click.echo(f"{names.site}  {moment(now)}  台账 {records} 条 / ledger records\n")
    click.echo(_department_table(departments, names))
    click.echo("")
    click.echo(_target_table(targets, names))
    click.echo("")
    if walks:
        click.echo(walk_words(walks, names))
    click.echo(_projector_words(heartbeat))
    click.echo(conflict_words(conflicts))
    if comparisons:
        click.echo(comparison_words(comparisons))


def department_lines(
    departments: tuple[str, ...], tallies: list[TallyRow], streams: list[StreamCount]
) -> list[DepartmentLine]:
    """Outcomes per department, those that have sent nothing included; pure."""
    outcomes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in tallies:
        outcomes[row.department][row.outcome] += row.number
    gaps = conservation_gaps(streams)
    return [
        DepartmentLine(
            department,
            {name: outcomes[department][name] for name in PRIMARY_OUTCOMES},
            gaps.get(department, 0),
        )
        for department in sorted({*departments, *outcomes} - {""})
    ]


def target_lines(
    numbers: list[int], counts: list[TargetCounts], clocks: list[ClockCounts]
) -> list[TargetLine]:
    """Deliveries and clocks per target; pure."""
    by_target = {row.target: row for row in counts}
    lines = []
    for number in sorted({*numbers, *by_target}):
        mine = [row for row in clocks if row.target == number]
        lines.append(
            TargetLine(
                number,
                by_target.get(number, TargetCounts(number, 0, 0, 0, 0, 0, 0)),
                sum(row.in_time for row in mine),
                sum(row.late for row in mine),
                sum(row.open for row in mine),
                sum(row.overdue for row in mine),
            )
        )
    return lines


def walk_lines(rows: list[WalkRow]) -> list[WalkLine]:
    """Build each target's resends, their partitions together; pure."""
    together: defaultdict[tuple[int, int], list[WalkRow]] = defaultdict(list)
    for row in rows:
        together[row.target, row.ordinal].append(row)
    lines = []
    for (target, _), parts in together.items():
        ends = [part.ended_at for part in parts if part.ended_at is not None]
        walk = Walk.from_facts(parts[0].walk)
        if walk is not None:
            lines.append(
                WalkLine(
                    target,
                    walk,
                    min(part.asked_at for part in parts),
                    max(ends) if len(ends) == len(parts) else None,
                    sum(part.named for part in parts),
                    sum(p.sequence if p.ended_at is not None else p.looked for p in parts),
                    sum(part.sequence for part in parts),
                )
            )
    return lines


def walk_words(lines: list[WalkLine], names: Names) -> str:
    """Format the resends that `hub resend`, or a changed site, began, and which of them ended."""
    told = ["重新投送 told again"]
    for line in lines:
        state = f"进行中，已看台账 {line.looked}/{line.to_look} 条 under way"
        if line.ended_at is not None:
            state = f"最近一次完成于 {moment(line.ended_at)} last finished"
        told.append(
            f"  {names.target(line.target)}（{_scope(line.walk)}）：{moment(line.asked_at)} 提出，"
            f"{state}，列入 {line.named} 条 named"
        )
    return "\n".join(told)


def _scope(walk: Walk) -> str:
    """Format a resend's scope: all, days of decision, one number, a rule's, or a changed site's."""
    if walk.rule:
        return f"重新判定 {walk.rule} decided again"
    if not walk.is_resend:
        return "按现行配置 as the site says now"
    if walk.document_key:
        return f"文书号 {walk.document_key}"
    begin, end = _days(walk)
    if begin is None and end is None:
        return "全部 everything"
    return f"决定日期 {begin or ''}–{end or ''}"


def _days(walk: Walk) -> tuple[str | None, str | None]:
    """First and last day of decision, None for no limit."""
    limits = zip(walk.days, ALL_DAYS, strict=True)
    begin, end = (
        None if day == limit else date.fromordinal(day).isoformat() for day, limit in limits
    )
    return begin, end


def _walk_json(line: WalkLine) -> dict[str, object]:
    begin, end = _days(line.walk)
    return {
        "open": line.ended_at is None,
        "resend": line.walk.is_resend,
        "rule": line.walk.rule or None,
        "decided_from": begin,
        "decided_to": end,
        "document": line.walk.document_key or None,
        "asked_at": iso(line.asked_at),
        "ended_at": iso(line.ended_at),
        "named": line.named,
        "looked": line.looked,
        "to_look": line.to_look,
    }


def projector_json(heartbeat: Heartbeat | None, real_now: int) -> dict[str, object]:
    """How far behind the look-ups are: at least as far as the projector has been silent."""
    if heartbeat is None:
        return {"running": False, "lag_seconds": None, "lag_records": None, "seen_at": None}
    silent = max(0.0, (real_now - heartbeat.seen_at) / 1000)
    running = silent <= _STALE_SECONDS
    return {
        "running": running,
        "lag_seconds": round(heartbeat.lag_seconds + (0.0 if running else silent), 3),
        "lag_records": heartbeat.lag_records,
        "seen_at": iso(heartbeat.seen_at),
    }


def conflict_words(conflicts: list[ConflictRow]) -> str:
    """Documents under several codes, the open ones first, at most a screen of them."""
    if not conflicts:
        return "身份冲突 identity conflicts：无 none"
    is_open = sum(row.is_open for row in conflicts)
    settled = len(conflicts) - is_open
    lines = ["身份冲突（同一文书出现在不同代码下）identity conflicts"]
    lines[0] += f"：待处理 {is_open} open，已有定论 {settled} settled"
    lines += [
        f"  {'待处理' if row.is_open else '已定论'}  {KINDS.get(row.subject, row.subject)} "
        f"{row.document_number} {row.subject_name}："
        + "，".join(
            f"{code}（{STATUSES.get(status, status)}）"
            for code, status in zip(row.credit_codes, row.statuses, strict=True)
        )
        for row in conflicts[:_SHOWN]
    ]
    if len(conflicts) > _SHOWN:
        lines.append(f"  … 另有 {len(conflicts) - _SHOWN} 项 / more with --json")
    return "\n".join(lines)


def conflict_json(row: ConflictRow) -> dict[str, object]:
    """One document under several credit codes."""
    return {
        "subject": row.subject,
        "authority_code": row.authority_code,
        "document_number": row.document_number,
        "subject_name": row.subject_name,
        "open": row.is_open,
        "records": [
            {"credit_code": code, "status": status, "department": department}
            for code, status, department in zip(
                row.credit_codes, row.statuses, row.departments, strict=True
            )
        ],
    }


def comparison_words(comparisons: list[Comparison]) -> str:
    """Each court's latest full list beside the hub; exits never reported by name, a screen full."""
    lines = ["失信名单对账 court lists"]
    for full, exits, entries in comparisons:
        lines.append(
            f"  {full.court_name} {full.snapshot_on}：名单 {len(full.keys)} 条，未比对 "
            f"{full.left_out_count} 条，漏报退出 {len(exits)} exits missing，"
            f"漏报列入 {len(entries)} entries missing"
        )
        lines += [
            f"    漏报退出  {each.case_number} {each.subject_name}（{each.credit_code}）"
            for each in exits[:_SHOWN]
        ]
        if len(exits) > _SHOWN:
            lines.append(f"    … 另有 {len(exits) - _SHOWN} 项 / more with --json")
    return "\n".join(lines)


def comparison_json(comparison: Comparison) -> dict[str, object]:
    """A court's latest full list and what it says against the hub."""
    full = comparison.list
    return {
        "court_code": full.court_code,
        "court_name": full.court_name,
        "snapshot_on": full.snapshot_on.isoformat(),
        "entries": len(full.keys),
        "left_out": full.left_out_count,
        "exits_missing": [
            {
                "record": each.record_key.hex(),
                "credit_code": each.credit_code,
                "subject_name": each.subject_name,
                "case_number": each.case_number,
            }
            for each in comparison.exits_missing
        ],
        "entries_missing": [key.hex() for key in comparison.entries_missing],
    }


def _department_table(lines: list[DepartmentLine], names: Names) -> str:
    headers = (
        "部门 department", "读入 read", *(OUTCOMES[name] for name in PRIMARY_OUTCOMES), "合计 sum",
        "核对",
    )  # fmt: skip
    rows = [
        (
            names.department(line.department), str(line.read),
            *(str(line.outcomes[name]) for name in PRIMARY_OUTCOMES),
            str(sum(line.outcomes.values())), "✓" if not line.gap else f"缺 {line.gap} missing",
        )
        for line in lines
    ]  # fmt: skip
    return table(headers, rows, right=range(1, len(headers) - 1))


def _target_table(lines: list[TargetLine], names: Names) -> str:
    headers = (
        "平台 target", *(STAGES[name] for name in TargetCounts._fields[1:]), "按时",
        "逾期完成", "未到期", "逾期未完成", "按时率",
    )  # fmt: skip
    rows = []
    for line in lines:
        rate = line.on_time_rate
        rows.append(
            (
                names.target(line.target), *(str(number) for number in line.counts[1:]),
                str(line.in_time), str(line.late), str(line.open - line.overdue),
                str(line.overdue), "–" if rate is None else f"{rate:.1%}",
            )
        )  # fmt: skip
    return table(headers, rows, right=range(1, len(headers)))


def _projector_words(heartbeat: Heartbeat | None) -> str:
    found = projector_json(heartbeat, time.time_ns() // 1_000_000)
    lag = found["lag_seconds"]
    if not isinstance(lag, float):
        return "投影 projector：从未运行 never ran"
    state = "运行中 running" if found["running"] else "未运行 not running"
    return (
        f"投影 projector：{state}，落后 {age(lag)}（{found['lag_records']} 条）"
        f" / {lag:.1f} s behind"
    )


def _department_json(line: DepartmentLine) -> dict[str, object]:
    return {"read": line.read, "outcomes": line.outcomes, "gap": line.gap}


def _target_json(line: TargetLine) -> dict[str, object]:
    return {
        **{name: number for name, number in line.counts._asdict().items() if name != "target"},
        "in_time": line.in_time,
        "late": line.late,
        "open": line.open,
        "overdue": line.overdue,
        "on_time_rate": line.on_time_rate,
    }
