"""What must hold of single lives, each a story that has gone wrong somewhere.

An exit that comes before its entry waits for it; what is repaired stays down when a full export
brings it again, until somebody decides that it is shown again; a replaced holiday notice moves what
is still due; whoever takes over a department takes over its records; what may not be published
leaves a platform that opens to the public; one record that a platform will not take stops no other.
"""

import csv
import json
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Final

from connectors.files.result_files import COLUMNS, OUTCOMES_ZH
from demo.account import OutcomeTally
from demo.checks import Answers, Check, expectations
from demo.foreseen import Place, early_exits
from demo.notice import DAY_OFF, due_on
from demo.play import Course
from demo.reforms import OPENED, RETIRED, SUCCESSOR, TAKE_DOWN
from demo.schedule import DemoSchedule
from demo.stage import DemoEnvironment
from hub.adapters.postgres.lookups import open_look_ups
from hub.core.record import Outcome
from hub.domain import kinds
from hub.views.open_cases import CaseKind, Turn

REPAIRED: Final = "repaired_then_exported"
RESTORED: Final = "restored"
"""Quirks of the data set."""
_CATCH_UP_SECONDS: Final = 20.0
_BEIJING: Final = timezone(timedelta(hours=8))
_WITHDRAWN: Final = "withdrawn"


def exit_before_entry(
    stage: DemoEnvironment,
    schedule: DemoSchedule,
    account: OutcomeTally,
    answers: Answers,
    patience: float = _CATCH_UP_SECONDS,
) -> Check:
    """An exit sent before its entry waits, takes the entry down as it comes; nobody shows it."""
    wrong, numbers = [], []
    for one in early_exits(schedule):
        numbers.append(one.case_number)
        said = [(a.outcome, {code for code, *_ in a.reasons}) for a in answers.by_place[one.exit]]
        if said != [("held", {"WAITING_FOR_RECORD"})]:
            wrong.append(f"{one.case_number} 退出 exit: {said}")
        entered = answers.by_place[one.entry]
        if [a.outcome for a in entered] != ["accepted"]:
            wrong.append(f"{one.case_number} 列入 entry: {[a.outcome for a in entered]}")
        wrong += _shown_somewhere(stage, account, {a.record for a in entered})
        wrong += _results(stage, {one.exit: "withdrawn", one.entry: "accepted"}, patience)
    return Check(
        "退出先于列入：先等待，列入到达即生效，各平台从未公示 an exit before its entry waits, "
        "takes effect as the entry comes, is shown nowhere",
        "、".join(numbers) or "所演日内没有 none in these days", tuple(wrong),
    )  # fmt: skip


def _shown_somewhere(
    stage: DemoEnvironment, account: OutcomeTally, records: set[bytes]
) -> list[str]:
    """Records that are not withdrawn, or that a target was ever named for or holds."""
    wrong = [
        f"{key.hex()[:12]}… {account.status_of(key)}"
        for key in records
        if account.status_of(key) != _WITHDRAWN
    ]
    for target in stage.loaded.site.targets:
        book = stage.shown(target.id)
        wrong += [
            f"{key.hex()[:12]}… 在 at {target.id}"
            for key in records
            if account.deliveries[target.number].get(key) or key.hex() in book
        ]
    return wrong


def _results(stage: DemoEnvironment, owed: dict[Place, str], patience: float) -> list[str]:
    """What result files say of rows otherwise than owed; none of them says it was shown."""
    deadline = time.monotonic() + patience
    while True:
        wrong = []
        for (path, row), outcome in owed.items():
            told = _told(stage.folder / "results" / f"{path}.result.csv", row)
            if told != (OUTCOMES_ZH[outcome], ""):
                wrong.append(f"{path}:{row} 回执 result file {told}")
        if not wrong or time.monotonic() > deadline:
            return wrong
        time.sleep(0.2)


def _told(result: Path, row: int) -> tuple[str, str]:
    """The words and the places shown of one row of a result file."""
    if not result.exists():
        return "", ""
    with result.open(encoding="utf-8-sig", newline="") as file:
        for cells in csv.DictReader(file):
            if cells[COLUMNS[0]] == str(row):
                return cells[COLUMNS[1]], cells[COLUMNS[-1]]
    return "", ""


def repaired_stays_down(
    stage: DemoEnvironment, schedule: DemoSchedule, account: OutcomeTally, answers: Answers
) -> Check:
    """What every platform took down stays down through a full export; restored, it is back."""
    wrong: list[str] = []
    counts = Counter[str]()
    for place, (_, _, quirks) in expectations(schedule).items():
        for quirk in {REPAIRED, RESTORED} & set(quirks):
            counts[quirk] += 1
            owed = _WITHDRAWN if quirk == REPAIRED else "published"
            for key in {answer.record for answer in answers.by_place[place]}:
                wrong += _otherwise(stage, account, key, owed)
    targets = len(stage.loaded.site.targets)
    detail = (
        f"{counts[REPAIRED]} 条在 {targets} 个平台 records at all platforms，"
        f"恢复公示 restored by decision {counts[RESTORED]} 条"
    )
    return Check(
        "修复撤下后全量导出再来，各平台仍不公示 repaired and taken down, it stays down through the "
        "next full export",
        detail if counts else "所演日内没有 none in these days", tuple(wrong),
    )  # fmt: skip


def _otherwise(stage: DemoEnvironment, account: OutcomeTally, key: bytes, owed: str) -> list[str]:
    """Targets where a record was not shown and taken down, or whose own book says otherwise."""
    wrong = []
    for target in stage.loaded.site.targets:
        actions = [one.action for one in account.deliveries[target.number].get(key, [])]
        book = stage.shown(target.id).get(key.hex(), {})
        expected = ["publish", "withdraw"] + ["publish"] * (owed != _WITHDRAWN)
        if actions != expected or book.get("stage") != owed:
            name = account.rows[key].document_number
            wrong.append(f"{name} {target.id}: {actions} {book.get('stage')}")
        elif not account.was_shown(key, target.number):
            wrong.append(f"{account.rows[key].document_number} {target.id}: 从未公示 never shown")
    return wrong


def counted_again(stage: DemoEnvironment, account: OutcomeTally, course: Course) -> Check:
    """Under a replaced notice every running deadline ends on the day our own count gives."""
    title = (
        f"放假通知改期（{DAY_OFF} 改为放假）后期限重算，已记的逾期撤销 a replaced holiday notice: "
        "deadlines are counted again, what was overdue is taken back"
    )
    if not course.notice_at:
        return Check(title, "所演日内没有 none in these days")
    partitions = stage.loaded.site.partitions
    written = account.written
    adoptions = 3 if course.reformed_at else 2
    wrong = [
        f"{outcome.name} {written[outcome]} ≠ {owed}"
        for outcome, owed in (
            (Outcome.BASIS_ADOPTED, adoptions * partitions), (Outcome.SWEEP_ENDED, partitions),
        )
        if written[outcome] != owed
    ]  # fmt: skip
    owed_days = Counter(
        (due_on(clock), _last_day(clock.due_at)) for clock in account.running_clocks()
    )
    wrong += [
        f"{number} 个期限 deadlines：应为 own count {mine}，实为 {theirs}"
        for (mine, theirs), number in owed_days.items()
        if mine is not None and mine != theirs
    ]
    became = Counter(account.taken_back.values())
    if not became:
        wrong.append("没有撤销的逾期 no overdue was taken back")
    detail = (
        f"{account.events['due_date_moved']} 个期限改期 moved，撤销逾期 taken back "
        f"{became.total()}：其后按时 then met in time {became['stopped_in_time']}，"
        f"新期限届满仍逾期 overdue again {became['overdue']}"
    )
    return Check(title, detail, tuple(wrong))


def _last_day(due_at: int) -> date:
    """The day whose 24:00 a deadline is."""
    return datetime.fromtimestamp((due_at - 1) / 1000, UTC).astimezone(_BEIJING).date()


def taken_over(
    stage: DemoEnvironment, account: OutcomeTally, answers: Answers, course: Course
) -> Check:
    """The successor of a retired department withdraws one of its records, everywhere."""
    title = (
        "部门撤并后，承接部门撤回原部门的记录，各平台均撤下 the successor of a retired department "
        "withdraws what that one had put on record"
    )
    key = course.taken_down
    if not key:
        return Check(title, "所演日内没有 none in these days")
    said = [(a.outcome, a.department) for a in answers.by_place[TAKE_DOWN, 2]]
    wrong = [] if said == [("withdrawn", SUCCESSOR)] else [f"{TAKE_DOWN}:2 {said}"]
    wrong += [
        f"{target.id}: {shown.get('stage')}"
        for target in stage.loaded.site.targets
        if kinds.LICENCE in target.kinds
        and (shown := stage.shown(target.id).get(key.hex(), {})).get("stage") != _WITHDRAWN
    ]
    number = account.rows[key].document_number
    return Check(title, f"{RETIRED} → {SUCCESSOR}：{number}", tuple(wrong))


def opened_to_the_public(stage: DemoEnvironment, account: OutcomeTally, course: Course) -> Check:
    """What is withheld from the public was shown at the platform, and left it as it opened."""
    title = (
        "平台改为公开后，不予公示的处罚从该平台撤下，其余照旧 as a platform opens to the public, "
        "what is withheld leaves it and nothing else does"
    )
    if not course.reformed_at:
        return Check(title, "所演日内没有 none in these days")
    target = next(t for t in stage.loaded.site.targets if t.id == OPENED)
    city = next(t for t in stage.loaded.site.targets if t.id == "city")
    book, down, wrong = stage.shown(OPENED), 0, []
    for key, deliveries in account.deliveries[target.number].items():
        is_live = account.status_of(key) == "live"
        is_withheld = is_live and not account.deliveries[city.number].get(key)
        owed = "withdraw" if is_withheld or not is_live else "publish"
        stands = book.get(key.hex(), {}).get("stage")
        down += is_withheld
        is_refused = (key, deliveries[-1].version) in account.refused[target.number]
        if deliveries[-1].action != owed or (
            is_withheld and stands != _WITHDRAWN and not is_refused
        ):
            number = account.rows[key].document_number
            wrong.append(f"{number}: {deliveries[-1].action} {stands}；应为 owed {owed}")
    if not down:
        wrong.append("没有不予公示的 nothing was withheld")
    return Check(title, f"{target.name_zh}：{down} 条", tuple(wrong))


def poisoned(
    stage: DemoEnvironment, account: OutcomeTally, patience: float = _CATCH_UP_SECONDS
) -> Check:
    """The one record that a platform answers 403 waits for a person; `hub cases` says so."""
    title = (
        "平台单单拒收的一条停下待人处理，其余照送 the one record a platform will not take waits "
        "for a person, everything else arrives"
    )
    words = {t.number: set(_forbidden(stage, t.id)) for t in stage.loaded.site.targets}
    owed = {
        (key, target)
        for target, forbidden in words.items()
        for key in account.deliveries[target]
        if account.rows[key].document_number in forbidden
    }
    parked = {(key, target) for target, found in account.parked.items() for key, _ in found}
    wrong = [] if parked == owed else [f"停下 parked {len(parked)}，应为 owed {len(owed)}"]
    deadline = time.monotonic() + patience
    with open_look_ups(stage.parts.require_dsn(), stage.loaded.site.prefix) as tables:
        while (
            told := {
                (case.record_key, case.target)
                for case in tables.cases(Turn.PLATFORM, kind=CaseKind.PARKED)
            }
        ) != owed and time.monotonic() < deadline:
            time.sleep(0.2)
    if told != owed:
        wrong.append(f"hub cases: {len(told)}，应为 owed {len(owed)}")
    names = "、".join(account.rows[key].document_number for key, _ in owed)
    return Check(title, names or "所演日内没有 none in these days", tuple(wrong))


def _forbidden(stage: DemoEnvironment, target: str) -> list[str]:
    orders = json.loads(stage.conduct(target).read_text(encoding="utf-8"))
    found: list[str] = orders.get("forbid", [])
    return found
