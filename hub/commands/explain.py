"""`hub explain deadline`: how a due date was reckoned, day by day; offline."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple

import click

from hub.commands.look import print_json
from hub.commands.words import table
from hub.config.basis_document import basis_document
from hub.config.repository import DEPLOY
from hub.config.site import load_site
from hub.domain.calendar import CalendarNotices, ExplainedDay, WorkingCalendar
from hub.domain.rulebook import Deadline, DeadlineRule, Deadlines, Rulebook
from hub.io.typed_yaml import read_typed

_WEEKDAYS = "一二三四五六日"


class Asked(NamedTuple):
    """Whose deadline: a target of the site, or (without a site) a duty of the rulebook."""

    target: str
    name_zh: str
    role: str
    clock_from: date


class Explanation(NamedTuple):
    """The deadline at one target; `rule` is None when no rule covers the case."""

    asked: Asked
    rule: DeadlineRule | None
    deadline: Deadline | None
    stops_at: str
    marks: tuple[tuple[int, date], ...]
    days: tuple[ExplainedDay, ...]


@click.group("explain")
def command() -> None:
    """解释规则如何得出结果 / How a rule came to its result."""


@command.command("deadline")
@click.option("--kind", required=True, help="类别 / licence.granted.v1 | penalty.imposed.v1")
@click.option(
    "--decided-on", required=True, type=click.DateTime(["%Y-%m-%d"]), help="决定日期 YYYY-MM-DD"
)
@click.option(
    "--site", "site_folder", type=click.Path(path_type=Path),
    help="站点目录；省略时用国家规则 / a site's rules and targets; else the national ones",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="以 JSON 输出 / print JSON")
def deadline_command(
    *, kind: str, decided_on: datetime, site_folder: Path | None, as_json: bool
) -> None:
    """各平台的公开期限，逐日说明 / The due date per target, each day counted or skipped."""
    rulebook, calendar, asked = _rules(site_folder, kind)
    known = sorted({name for rule in rulebook.deadlines for name in rule.kinds})
    if kind not in known:
        raise click.BadParameter(
            f"{kind}：没有该类别的期限规则 / no deadline rule; {', '.join(known)}",
            param_hint="--kind",
        )
    start = decided_on.date()
    found = [explain(one, kind, start, rulebook, calendar) for one in asked]
    if as_json:
        print_json(
            {
                "kind": kind,
                "decided_on": start.isoformat(),
                "rulebook": rulebook.version,
                "calendar": calendar.version,
                "targets": [_as_json(one) for one in found],
            }
        )
        return
    click.echo(
        f"{kind}  决定日 {start}（{_weekday(start)}，当日不计）"
        f"  规则 {rulebook.version}  日历 {calendar.version}"
    )
    shown: tuple[ExplainedDay, ...] = ()
    for one in found:
        click.echo("\n" + _words(one))
        if one.days:
            click.echo("  逐日同上 / days as above" if one.days == shown else _days(one.days))
            shown = one.days


def explain(
    asked: Asked, kind: str, start: date, rulebook: Rulebook, calendar: WorkingCalendar
) -> Explanation:
    """The deadline to disclose a decision at one target, and every day of the count; pure."""
    rule = rulebook.deadline_rule("disclose", kind, asked.role, start)
    deadlines = Deadlines(rulebook, calendar)
    due = deadlines.due("disclose", kind, asked.role, start)
    if rule is None or due is None or start < asked.clock_from:
        return Explanation(asked, None, None, "", (), ())
    return Explanation(
        asked,
        rule,
        due,
        rulebook.stops_at(asked.role),
        deadlines.due_soon_marks(due.due_on),
        calendar.explain(start, rule.working_days),
    )


def _rules(site_folder: Path | None, kind: str) -> tuple[Rulebook, WorkingCalendar, list[Asked]]:
    """Rulebook, calendar and targets of the site, or the national ones with one target a duty."""
    if site_folder is not None:
        loaded = load_site(site_folder)
        document: Mapping[str, object] = basis_document(loaded)
        asked = [
            Asked(t.id, t.name_zh, t.role, date.fromisoformat(t.clock_from))
            for t in loaded.site.targets
            if kind in t.kinds and not t.retired
        ]
        rulebook = Rulebook.from_mapping(document["rulebook"])
        return rulebook, WorkingCalendar.from_mapping(document["calendar"]), asked
    newest_rules = max((DEPLOY / "rulebooks").glob("national-*.yaml"))
    newest_calendar = max((DEPLOY / "calendars").glob("cn-*.json"))
    rulebook = read_typed(newest_rules, Rulebook)
    calendar = WorkingCalendar(read_typed(newest_calendar, CalendarNotices))
    return (
        rulebook,
        calendar,
        [Asked(role.role, role.name_zh, role.role, date.min) for role in rulebook.roles],
    )


def _words(one: Explanation) -> str:
    head = f"{one.asked.name_zh}（{one.asked.target}）"
    if one.rule is None or one.deadline is None:
        return f"{head}：没有期限 / no deadline"
    provisional = "，暂定 provisional" if one.deadline.provisional else ""
    soon = "，".join(f"{on}（还剩 {left} 个工作日）" for left, on in one.marks)
    verified = "" if one.rule.is_verified else "（来源待核 source to be confirmed）"
    return (
        f"{head}：{one.deadline.due_on} 24:00 前{_STOPS[one.stops_at]}{provisional}\n"
        f"  due by the end of {one.deadline.due_on}; {one.stops_at} stops the clock\n"
        f"  规则 rule {one.rule.id}：{one.rule.working_days} 个工作日，"
        f"{one.rule.source}{verified}\n"
        f"  提醒 due soon：{soon}"
    )


def _days(days: tuple[ExplainedDay, ...]) -> str:
    lines = table(
        ("日期 date", "", "", "说明", ""),
        [
            (
                day.on.isoformat(), _weekday(day.on),
                f"第 {day.counted} 日" if day.is_counted else "不计", day.zh, day.en,
            )
            for day in days
        ],
    )  # fmt: skip
    return "\n".join("  " + line for line in lines.splitlines())


_STOPS = {"acknowledged": "由平台接收", "published": "完成公示"}


def _as_json(one: Explanation) -> dict[str, object]:
    head: dict[str, object] = {"target": one.asked.target, "role": one.asked.role}
    if one.rule is None or one.deadline is None:
        return head | {"due_on": None}
    return head | {
        "due_on": one.deadline.due_on.isoformat(),
        "due_at_ms": one.deadline.due_at_ms,
        "provisional": one.deadline.provisional,
        "stops_at": one.stops_at,
        "working_days": one.rule.working_days,
        "rule": one.rule.id,
        "source": one.rule.source,
        "source_is_verified": one.rule.is_verified,
        "due_soon": [{"working_days_left": left, "on": on.isoformat()} for left, on in one.marks],
        "days": [
            {
                "on": day.on.isoformat(), "counted": day.is_counted, "number": day.counted,
                "zh": day.zh, "en": day.en, "provisional": day.provisional,
            }
            for day in one.days
        ],
    }  # fmt: skip


def _weekday(on: date) -> str:
    return "周" + _WEEKDAYS[on.weekday()]
