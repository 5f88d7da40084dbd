"""The page at the end: what came in, what was decided, what was shown in time, what to try."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from demo import checks, findings
from demo.account import OutcomeTally, Punctuality
from demo.checks import Answers, Check
from demo.dates import say_moment
from demo.play import CASE_STREAM, Course
from demo.schedule import DemoSchedule
from demo.stage import DemoEnvironment, is_usual
from hub.commands.words import OUTCOMES, PARTIES, reason_words, table, width
from hub.runtime.metrics import PRIMARY_OUTCOMES
from hub.views.monthly import MonthlyLine
from hub.views.whose_time import Party

MONTH: Final = "2026-09"
"""The month that is reported on."""
_MOST_REASONS: Final = 5
_PARTIES_EN: Final = {
    Party.DEPARTMENT: "department",
    Party.HUB: "hub",
    Party.PLATFORM: "platform",
}


class DemoReport(NamedTuple):
    """Everything the page is made of."""

    stage: DemoEnvironment
    schedule: DemoSchedule
    course: Course
    account: OutcomeTally
    answers: Answers
    checks: Sequence[Check]
    results: Sequence[Path]
    month: Sequence[MonthlyLine]
    keep: bool

    @property
    def holds(self) -> bool:
        """Whether every check holds."""
        return all(check.holds for check in self.checks)


def page(report: DemoReport) -> str:
    """The whole summary, ready to print."""
    now = report.course.ended_at
    late = report.account.punctuality(now)
    name = partial(_name, report)
    verdict = "全部相符 all checks hold" if report.holds else "有不符之处 SOME CHECKS FAIL"
    first, last = report.schedule.opens_at, report.schedule.ends_at - 1
    account, targets = report.account, report.stage.loaded.site.targets
    parts = [
        f"演示小结 summary   {say_moment(first)[:10]} — {say_moment(last)[:10]}   {verdict}",
        _section("部门 departments", _departments(report)),
        _section("四类信息 four families", findings.families(account, targets)),
        _section("平台 platforms", _platforms(report, late)),
        _section(f"最常见的{_MOST_REASONS}个原因 five commonest reasons", _reasons(report)),
        _section(
            "按时率 on time（按时 / 应办 in time / due，迟的是谁 whose fault）",
            _on_time(report, late),
        ),
        _section("到期与催办 what fell due", findings.fell_due(account, name)),
        _section("法院名单 court list", findings.court(account, targets, name)),
        _section("数据库来源 database source", findings.table_source(account, _cases(report))),
        _section("越权写入 refused writes", findings.refused_writes(report.course.foreign_writes)),
        _section(f"{MONTH} 月报 monthly report", findings.month(report.month, name)),
        _section("核对 checks", _checks(report)),
        _section("接着试 what to try next", _next(report)),
    ]
    return "\n\n".join(parts) + "\n"


def _section(title: str, lines: Iterable[str]) -> str:
    return "\n".join((f"── {title} ", *lines))


def _name(report: DemoReport, department: str) -> str:
    (found,) = (d for d in report.stage.loaded.site.departments if d.id == department)
    return found.name_zh.removeprefix("云屿市")


def _cases(report: DemoReport) -> Counter[str]:
    """What became of the rows of the case system's table, by outcome."""
    return Counter(
        answer.outcome
        for (stream, _), answers in report.account.answers.items()
        for answer in answers
        if stream == CASE_STREAM and answer.position.startswith("key:")
    )


def _departments(report: DemoReport) -> list[str]:
    """Per department: read = the sum of its outcomes."""
    account = report.account
    headers = ["部门", "读入", "", *(OUTCOMES[name] for name in PRIMARY_OUTCOMES)]
    english = ["department", "read", "", *PRIMARY_OUTCOMES]
    rows = [english]
    for name in account.departments:
        outcomes = account.outcomes[name]
        sign = "= ✓" if account.read[name] == sum(outcomes.values()) else "≠ ✗"
        counts = [str(outcomes[one]) for one in PRIMARY_OUTCOMES]
        rows.append([_name(report, name), str(account.read[name]), sign, *counts])
    total = Counter[str]()
    for one in account.outcomes.values():
        total.update(one)
    sums = [str(total[one]) for one in PRIMARY_OUTCOMES]
    everything = sum(account.read.values())
    sign = "= ✓" if everything == sum(total.values()) else "≠ ✗"
    rows.append(["合计 total", str(everything), sign, *sums])
    return table(headers, rows, right=(1, *range(3, 3 + len(PRIMARY_OUTCOMES)))).splitlines()


def _platforms(report: DemoReport, late: dict[tuple[str, int], Punctuality]) -> list[str]:
    """Per target: deliveries by what became of them, and what the platform did wrong."""
    headers = ["平台", "送出", "公示", "撤下", "退回", "逾期", "请求", "其中异常"]
    rows = [
        ["platform", "sent", "published", "withdrawn", "refused", "late", "requests", "misbehaved"]
    ]
    notes = []
    for target in report.stage.loaded.site.targets:
        stages = report.account.stages[target.number]
        owed = report.account.deliveries[target.number].values()
        wrong = checks.misbehaviours(report.stage, target.id)
        requests = wrong.pop("requests", 0)
        missed = sum(
            sum(one.late.values()) for place, one in late.items() if place[1] == target.number
        )
        rows.append(
            [
                f"{target.name_zh} {target.id}", str(sum(map(len, owed))),
                *(str(stages[name]) for name in ("published", "withdrawn", "refused")),
                str(missed), str(requests), str(sum(wrong.values())),
            ]
        )  # fmt: skip
        manners = "，".join(f"{name} ×{number}" for name, number in wrong.most_common(6))
        notes.append(f"  {target.id} 的异常 misbehaviour: {manners or '无 none'}")
    lines = table(headers, rows, right=range(1, 8)).splitlines()
    return lines + notes + _kills(report)


def _kills(report: DemoReport) -> list[str]:
    course = report.course
    lines = [
        f"  {say_moment(kill.at)} kill -9 {kill.name}："
        + (
            f"{kill.back_after_seconds:.1f} s 后恢复 back at work"
            + ("，无丢失、无重复 nothing lost or repeated" if report.holds else "")
            if kill.back_after_seconds
            else "未恢复 NOT BACK"
        )
        for kill in course.kills
    ]
    if course.restarted:
        lines.append(f"  自行退出后重启 ended by themselves: {'、'.join(course.restarted)}")
    return lines


def _reasons(report: DemoReport) -> list[str]:
    """The commonest reasons: how many rows, what it means, what to do, one example."""
    found: dict[str, dict[str, tuple[str, str]]] = defaultdict(dict)
    for (path, row), answers in sorted(report.answers.by_place.items()):
        for answer in answers:
            for code, field, severity in answer.reasons:
                found[code].setdefault(f"{path}:{row}", (field, severity))
    lines = []
    commonest = sorted(found.items(), key=lambda one: (-len(one[1]), one[0]))
    for code, places in commonest[:_MOST_REASONS]:
        place, (field, severity) = next(iter(places.items()))
        words = reason_words(code, field)
        mark = "错误 error" if severity == "error" else "提示 note"
        lines += [
            f"  {len(places):>4} × {code}（{mark}）{words['zh']}",
            f"         {words['en']}",
            f"         办法 remedy: {words['remedy']}",
            f"         例 e.g. {place}",
        ]
    return lines


def _on_time(report: DemoReport, late: dict[tuple[str, int], Punctuality]) -> list[str]:
    """Per department and target: met of all that ended or fell due; whose fault the rest is."""
    targets = report.stage.loaded.site.targets
    headers = ["部门"]
    english = ["department"]
    for target in targets:
        headers += [target.name_zh, "%"]
        english += [target.id, ""]
    headers += [f"迟:{PARTIES[party]}" for party in Party]
    english += [_PARTIES_EN[party] for party in Party]
    rows = [english]
    total = [Punctuality() for _ in targets]
    for name in report.account.departments:
        found = [late.get((name, target.number), Punctuality()) for target in targets]
        if not any(one.judged for one in found):
            continue  # a court's entries and an agent's facts have no deadline
        for whole, one in zip(total, found, strict=True):
            whole.in_time += one.in_time
            whole.late.update(one.late)
        rows.append([_name(report, name), *_rates(found)])
    rows.append(["合计 total", *_rates(total)])
    lines = table(headers, rows, right=range(1, len(headers))).splitlines()
    soon = sum(one.open for one in late.values())
    return [*lines, f"  尚未到期、仍在计时的 still running, not due: {soon}"]


def _rates(found: Sequence[Punctuality]) -> list[str]:
    cells = []
    for one in found:
        share = f"{100 * one.in_time / one.judged:.1f}" if one.judged else "–"
        cells += [f"{one.in_time}/{one.judged}", share]
    faults = sum((one.late for one in found), Counter[Party]())
    return [*cells, *(str(faults[party]) for party in Party)]


def _checks(report: DemoReport) -> list[str]:
    return [line for check in report.checks for line in checks.say(check)]


def example_document(report: DemoReport) -> str:
    """A document number worth tracing: corrected, and shown on every platform; "" if none.

    The first in order, so that every run names the same.
    """
    account = report.account
    numbers = [target.number for target in report.stage.loaded.site.targets]
    worth = [
        row.document_number
        for key, row in account.rows.items()
        if row.status == "live" and row.version > 1 and row.document_number
        if all(account.deliveries[number].get(key) for number in numbers)
    ]
    return min(worth or [row.document_number for row in account.rows.values()], default="")


def _next(report: DemoReport) -> list[str]:
    """Commands that work as they stand."""
    stage = report.stage
    where = "" if is_usual(stage.settings) else f"HUB_STATE={stage.settings.state_folder} "
    folder = _short(stage.folder)
    # several sites may have look-up tables in a database that is not ours
    site = "" if stage.settings.postgres_dsn is None else f" --site {folder}"
    commands = [
        (f"hub trace --document '{example_document(report)}'{site}", "一条记录的全程 one record"),
        (f"hub due --limit 10{site}", "逾期与将到期，谁的责任 what is due, whose fault"),
        (f"hub cases --limit 5{site}", "待人处理，该谁办 what waits for a person, whose turn"),
        (f"hub status{site}", "总体状态 where everything stands"),
        (f"hub report --month {MONTH}{site}", "月报 the monthly form: rates, what was late"),
        (f"hub doctor --site {folder}", "体检 what is not as it should be, with its remedy"),
        (
            f"hub resend city --document '{example_document(report)}' --site {folder}",
            "再报一次 tell a platform again",
        ),
        (f"hub audit replay --site {folder}", "再重放一次 decide everything again"),
    ]
    if report.keep:
        commands.append(("demo --stop", "全部停止 stop everything"))
    else:
        commands.insert(
            0, ("hub dev up", "先重新启动存储，数据仍在 first: the parts, with these data")
        )
        commands.append(("hub dev down", "停止存储 stop the parts"))
        commands.append(("demo --keep", "演示结束后继续运行 leave it running afterwards"))
    widest = max(width(command) for command, _ in commands)
    lines = [
        f"  {where}./run {command}{' ' * (widest - width(command))}   # {comment}"
        for command, comment in commands
    ]
    if report.results:
        lines.append(f"  回执文件 a result file: {_short(_telling(report.results))}")
    return lines


def _telling(results: Sequence[Path]) -> Path:
    """A result file with more than one kind of answer in it."""
    for path in results:
        text = path.read_text(encoding="utf-8-sig")
        if all(word in text for word in ("未通过", "已受理", "重复")):
            return path
    return results[0]


def _short(path: Path) -> str:
    """The path from here when it is below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
