"""Words and shapes of what the look-up commands print: Chinese first, aligned, Asia/Shanghai."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from functools import cache
from typing import Final
from unicodedata import category, combining, east_asian_width

from hub.config.repository import load_repository_contracts
from hub.domain import kinds
from hub.domain.dates import day_of_ms
from hub.domain.reasons import REASONS, message
from hub.views.open_cases import CaseEnd, CaseKind, Turn
from hub.views.whose_time import DAY_MS, HOUR_MS, Party, Responsibility, Why

_SHANGHAI: Final = timezone(timedelta(hours=8))
ELLIPSIS: Final = "…"

OUTCOMES: Final = {
    "accepted": "受理",
    "corrected": "更正",
    "withdrawn": "撤回",
    "duplicate": "重复",
    "superseded": "已被更新",
    "held": "等待",
    "conflicting": "冲突",
    "quarantined": "隔离",
    "basis_adopted": "启用新依据",
    "outcome_noted": "平台回报",
    "due_soon": "即将到期",
    "overdue": "逾期",
    "expired": "公示期满",
    "held_released": "等待结束，已生效",
    "held_ended": "等待结束，未生效",
    "duty_lifted": "期限解除",
    "overdue_taken_back": "逾期撤销",
    "recounted": "期限重算",
    "sweep_ended": "期限重算完毕",
    "move_noted": "转移登记",
    "map_changed": "分区移交",
    "resend_requested": "请求重新投送",
    "redecision_requested": "请求重新判定",
    "resent": "重新投送",
    "reprojected": "按现行配置投送",
    "walked": "重新投送进度",
    "loss_accepted": "台账缺失登记",
    "input_lost": "报送丢失登记",
    "control_refused": "控制消息被拒",
}
STATUSES: Final = {
    "live": "有效",
    "quarantined": "隔离",
    "withdrawn": "已撤回",
    "held": "等待",
    "none": "未到达",
    "moved": "已转移",
}
STAGES: Final = {
    "named": "已列入",
    "sent": "已发送",
    "acknowledged": "已接收",
    "published": "已公示",
    "refused": "被退回",
    "withdrawn": "已撤下",
    "parked": "单独停靠",
}
ACTIONS: Final = {"publish": "公示", "withdraw": "撤下"}
CLOCKS: Final = {"disclose": "公开期限", "withdraw": "撤下期限", "expire": "公示截止"}
KINDS: Final = {
    "licence": "行政许可",
    "penalty": "行政处罚",
    "court_enforcement": "失信被执行人",
    "commitment": "信用承诺",
    "output_count": "产生数量申报",
    "source": "来源对账",
    "reminder": "催办提醒",
}
"""Subjects, the first word of a kind."""
_KINDS_OF_ONE_SUBJECT: Final = {
    kinds.LISTED: "列入失信被执行人",
    kinds.DELISTED: "退出失信被执行人",
    kinds.SNAPSHOT: "失信名单快照",
    kinds.EXIT_MISSING: "退出信息缺失",
    kinds.MADE: "信用承诺",
    kinds.PERFORMED: "信用承诺履行",
    kinds.PERFORMANCE_MISSING: "承诺到期未认定",
}
EVENTS: Final = {
    "overdue": "已逾期",
    "overdue_taken_back": "逾期撤销（期限改到以后）",
    "lifted": "期限解除，不再要求",
    "stopped_in_time": "按时完成",
    "stopped_late": "逾期完成",
    "in_time_learned_late": "按时完成（事后得知）",
    "reopened": "重新计时（平台受后退回，或重新判定）",
    "reopened_late": "重新计时（平台受后退回，或重新判定）",
    "begun": "期限开始",
    "expired": "公示期满",
    "due_date_moved": "期限改变",
    "due_date_confirmed": "期限确认",
    "marks_moved": "提醒日改变",
}
CHANGES: Final = {
    "shown": ("公示", "shown"),
    "withdrawn": ("撤下", "withdrawn"),
    "named_anew": ("以新版本再送", "named anew"),
    "begun": ("期限开始", "duties begun"),
    "lifted": ("期限解除", "lifted"),
    "recounted": ("期限重算", "recounted"),
    "end_moved": ("公示截止改期", "end moved"),
    "overdue_taken_back": ("逾期撤销", "overdue taken back"),
    "due_soon": ("即将到期", "due soon"),
    "overdue": ("逾期", "overdue"),
    "expired": ("公示期满", "expired"),
    "met": ("期限完成", "met"),
    "reopened": ("重新计时", "reopened"),
}
"""Changes of an adoption, as `hub.audit.plan` counts them."""
_DUE_SOON: Final = "due_soon_"
CASES: Final = {
    CaseKind.WAITING: ("等待所指记录", "waits for what it names"),
    CaseKind.RETURN_REFUSED: ("已撤回或转移的又报来，未恢复公示", "came again, not shown again"),
    CaseKind.TAKE_DOWN_SUPERSEDED: ("晚到的撤下未生效，仍在公示", "too late, still shown"),
    CaseKind.TAKE_DOWN_OF_MOVED: (
        "所撤的记录已转移，可能仍在新标识下公示",
        "moved before, maybe still shown where it went",
    ),
    CaseKind.ARRIVAL_MISSING: (
        "已迁出，新标识下尚未迁入，没有公示",
        "left and has not arrived, shown nowhere",
    ),
    CaseKind.RESTORATION_SUPERSEDED: ("晚到的恢复未生效", "too late, not restored"),
    CaseKind.ARRIVAL_SUPERSEDED: ("转移的内容过旧，未公示", "too old to arrive, shown nowhere"),
    CaseKind.NUMBER_REUSED: ("报送序号被重用，未受理", "number reused, not accepted"),
    CaseKind.CONFLICTING: ("内容不同而未声明更正", "other content, no correction declared"),
    CaseKind.SEVERAL_MEANT: ("所指的可能是两条记录之一", "either of two records may be meant"),
    CaseKind.PUBLICATION_REFUSED: ("平台退回", "refused by the platform"),
    CaseKind.WITHDRAWAL_REFUSED: ("平台拒绝撤下，仍在公示", "not taken down, still shown"),
    CaseKind.PARKED: ("投送屡次不成，单独停靠", "delivery parked"),
}
"""Kinds of cases that wait for a person."""
TURNS: Final = {
    Turn.DEPARTMENT: ("报送部门", "the department"),
    Turn.CENTRE: ("信用中心", "the credit centre"),
    Turn.PLATFORM: ("平台工程师", "the engineer of the platform"),
}
"""Who must do something."""
ENDS: Final = {
    CaseEnd.ANSWERED: ("后来的报送了结", "answered by a later statement"),
    CaseEnd.RELEASED: ("等到了，已生效", "it came, and the statement took effect"),
    CaseEnd.DECIDED: ("等到了，未生效", "it came, and the statement took no effect"),
    CaseEnd.WAIT_OVER: ("等待期满", "the wait is over"),
    CaseEnd.DELIVERED: ("平台已接收", "the platform took it"),
    CaseEnd.WITHDRAWN: ("平台已撤下", "withdrawn at the platform"),
    CaseEnd.REFUSED: ("平台明确退回，另列一项", "refused: a case of its own"),
    CaseEnd.NAMED_AGAIN: ("已重新投送", "sent again at somebody's request"),
    CaseEnd.NEWER_VERSION: ("已有更新的版本", "a newer version took its place"),
}
"""How it ended."""
PARTIES: Final = {Party.DEPARTMENT: "部门", Party.HUB: "枢纽", Party.PLATFORM: "平台"}
WHYS: Final = {
    Why.NOT_ARRIVED: ("未报送", "not submitted"),
    Why.ARRIVED_LATE: ("报送时已逾期", "arrived after it was due"),
    Why.QUARANTINED: ("已隔离，待部门改正", "quarantined, to be corrected"),
    Why.HELD: ("等待原记录转移", "held until the old record has moved"),
    Why.AWAITED: ("所指的记录未报送", "the record it is about was not submitted"),
    Why.NOT_SENT: ("已受理，尚未送达", "accepted, not yet sent"),
    Why.NOT_ANSWERED: ("已发送，平台未答复", "sent, no answer"),
    Why.NOT_FINAL: ("平台已接收，尚未公示", "acknowledged, not yet published"),
    Why.REFUSED: ("平台退回", "refused by the platform"),
}


def code_of(ledger_key: str) -> str:
    """A credit code for people; without a valid one a record's key is `?department/digest`."""
    return "（无有效代码）" if ledger_key.startswith("?") else ledger_key


def code_or_none(ledger_key: str) -> str | None:
    """A credit code for machines; null where there is no valid one."""
    return None if ledger_key.startswith("?") else ledger_key


def event_zh(event: str) -> str:
    """Name a clock event; an event without a word is shown by its code."""
    days = event.removeprefix(_DUE_SOON)
    if days != event and days.isdigit():
        return f"还剩 {days} 个工作日"
    return EVENTS.get(event, event)


def say_fault(fault: Responsibility) -> str:
    """Say who and why, `部门：报送时已逾期`."""
    return f"{PARTIES[fault.party]}：{WHYS[fault.why][0]}"


def width(text: str) -> int:
    """Columns a text takes in a terminal: wide and full-width characters take two."""
    return sum(
        0 if combining(char) else 2 if east_asian_width(char) in "WF" else 1 for char in text
    )


def fit(text: str, columns: int) -> str:
    """Cut a text to at most so many columns; what was cut shows as an ellipsis."""
    if width(text) <= columns:
        return text
    kept = ""
    for char in text:
        if width(kept + char) >= columns:
            break
        kept += char
    return kept + ELLIPSIS


def one_line(cell: str) -> str:
    """A cell without control characters: a quarantined row must not steer a terminal."""
    return "".join("\ufffd" if category(c) == "Cc" else c for c in cell)


def table(headers: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Lines of aligned columns; `right` are the numbers of right-aligned ones."""
    shown = [[one_line(cell) for cell in row] for row in rows]
    columns = [max(width(cell) for cell in column) for column in zip(headers, *shown, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = []
        for number, (cell, columns_wide) in enumerate(zip(cells, columns, strict=True)):
            gap = " " * (columns_wide - width(cell))
            padded.append(gap + cell if number in right else cell + gap)
        return "  ".join(padded).rstrip()

    return "\n".join(line(cells) for cells in (headers, *shown))


def moment(at_ms: int) -> str:
    """Minutes in Shanghai, `2026-11-02 09:00`."""
    return datetime.fromtimestamp(at_ms / 1000, _SHANGHAI).strftime("%Y-%m-%d %H:%M")


def iso(at_ms: int | None) -> str | None:
    """RFC 3339 in Shanghai's offset for JSON, None for None."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(_SHANGHAI).isoformat()


def due_on(due_at: int) -> str:
    """The day a deadline ends on (it ends at 24:00)."""
    return day_of_ms(due_at - 1).isoformat()


def span(milliseconds: int) -> str:
    """Working time, `3 天 2 小时` (a working day has 24 hours)."""
    days, rest = divmod(milliseconds, DAY_MS)
    hours, rest = divmod(rest, HOUR_MS)
    if days:
        return f"{days} 天 {hours} 小时"
    if hours:
        return f"{hours} 小时"
    return f"{rest // 60_000} 分钟"


def age(seconds: float) -> str:
    """A stretch of real time, `3 秒`, `5 分钟`."""
    return f"{seconds:.0f} 秒" if seconds < 120 else span(int(seconds * 1000))  # noqa: PLR2004 - two minutes read better in minutes


@cache
def field_labels() -> dict[str, str]:
    """Column code → Chinese name, of every contract; rows' and references' own come first."""
    labels: dict[str, str] = {}
    for contract in load_repository_contracts().by_kind.values():
        for field in contract.schema.fields:
            labels.setdefault(field.name, field.zh)
    return labels


def reason_words(code: str, field: str) -> dict[str, str]:
    """A reason for people: code, field, zh, en, remedy; an unknown code is shown alone.

    Refusals of platforms, and answers that never come, carry the platform's code, not a field.
    """
    if code not in REASONS:
        return {"code": code, "field": field, "zh": code, "en": code, "remedy": ""}
    words = message(code, field_labels().get(field, field))
    return {
        "code": code, "field": field, "zh": words.zh, "en": words.en, "remedy": words.remedy,
    }  # fmt: skip


def kind_zh(kind: str) -> str:
    """`行政许可` for `licence.granted.v1`; the kind itself when it has no name here."""
    subject = kind.partition(".")[0]
    return _KINDS_OF_ONE_SUBJECT.get(kind) or KINDS.get(subject, kind)
