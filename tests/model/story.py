"""A life that went wrong, told in Chinese: one line a step."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.model import world
from tests.model.life import Step
from tests.model.lives import Failure, LivesTally

_DEEDS = {
    "row": "报送", "correct": "更正", "restore": "申请恢复", "in": "迁入", "withdraw": "撤回",
    "exit": "退出", "out": "迁出", "finding": "认定未履约", "unreadable": "无法读取的行",
    "garbage": "乱码",
}  # fmt: skip
_FAULTS = {
    "empty": "缺必填项", "date": "日期无法读取", "future": "决定日期在将来", "person": "自然人",
    "code": "信用代码校验位错", "foreign": "他人机关", "spelling": "文书号另一写法",
    "no reason": "无原因",
}  # fmt: skip


def story(failure: Failure) -> str:
    """The whole story and the difference it ends in."""
    lines = [f"第 {failure.seed} 号一生（{failure.partitions} 个分区）"]
    for number, line in enumerate(failure.lines, 1):
        when = datetime.fromtimestamp(line.at / 1000, UTC) + timedelta(hours=8)
        answer = f" ｜ 枢纽：{line.hub} ｜ 模型：{line.model}" if line.hub or line.model else ""
        lines.append(f"{number:3}. {when:%Y-%m-%d %H:%M} {deed(line.step)}{answer}")
    found = failure.difference
    lines.append(f"  不同：{found.what}")
    lines.append(f"    枢纽：{found.hub}")
    lines.append(f"    模型：{found.model}")
    return "\n".join(lines)


def deed(step: Step) -> str:
    """One step in words."""
    do = step["do"]
    if do in _WITHOUT_SENDER:
        return _WITHOUT_SENDER[do](step)
    who = world.SENDERS_ZH.get(step["by"], step["by"])
    if do == "lift":
        return f"{who} {step.get('told', '解除义务（无所指）')}"
    what = f"企业{step['company'] + 1}{world.KINDS_ZH[step['kind']]}{step['number'] + 1}号"
    said = [f"{who} {_DEEDS[do]} {what}", *_details(step)]
    return " ".join(said)


def _repeat(step: Step) -> str:
    other = f"，内容换成往前第 {step['other'] + 1} 次的" if step.get("other") else ""
    return f"重复往前第 {step['back'] + 1} 次提交的编号{other}"


_WITHOUT_SENDER: dict[str, Callable[[Step], str]] = {
    "wait": lambda step: f"过 {step['hours']} 小时" + ("（停机）" if step.get("jump") else ""),
    "adopt": lambda step: f"启用依据：{world.BASIS_ZH[step['basis']]}",
    "crash": lambda step: "进程崩溃" + ("，磁盘丢失" if step["lose"] else ""),
    "again": _repeat,
    "report": lambda step: str(step.get("told", "平台答复（无所指）")) + _when(step),
}


def _when(step: Step) -> str:
    if "hours_ago" not in step:
        return "（平台无时间）"
    return f"（平台时间 {step['hours_ago']} 小时前）" if step["hours_ago"] else ""


def _details(step: Step) -> list[str]:
    found = []
    if "content" in step:
        found.append(f"内容{world.CONTENTS[step['content']]}")
    if step.get("renamed"):
        found.append("新名称")
    if step.get("fault"):
        found.append(_FAULTS[step["fault"]])
    if "move" in step:
        found.append(f"迁移{step['move']}")
    if "to" in step:
        found.append(f"到企业{step['to'] + 1}{step['to_number'] + 1}号")
    if "from" in step:
        found.append(f"自企业{step['from'] + 1}{step['from_number'] + 1}号")
    names = {
        "decided_on": "日期", "days_ago": "天前决定", "exited_on": "退出日期", "version": "源版本",
        "stream": "来源",
        "grade": "等级", "ends_on": "公示至", "stage": "履行", "valid": "状态有效",
        "redetermined_on": "重新认定",
    }  # fmt: skip
    found += [f"{zh}={step[name]}" for name, zh in names.items() if step.get(name)]
    return found


def closing(tally: LivesTally) -> str:
    """One line: how many lives, steps, statements and outcomes."""
    said = " ".join(f"{name}={count}" for name, count in sorted(tally.said.items()))
    outcomes = " ".join(f"{name}={count}" for name, count in sorted(tally.outcomes.items()))
    return (
        f"{tally.lives} 生 lives，{tally.steps} 步 steps，"
        f"{len(tally.failures)} 处不同 differences；"
        f"提交 submissions：{said}；答复 outcomes：{outcomes}"
    )
