"""What must hold after the play; each check says what it compared and, loudly, what differs."""

import csv
import json
import sqlite3
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple

from connectors.database.rows import RowKeys, read_position
from demo.account import OutcomeTally, SubmissionAnswer
from demo.build_dataset import HERE
from demo.databases import rows_entered
from demo.foreseen import Place, foresee
from demo.generator.families import CHANGES
from demo.play import CASE_INBOX, CASE_STREAM, Course
from demo.schedule import DemoSchedule
from demo.stage import DemoEnvironment
from hub.adapters.postgres.lookups import open_look_ups
from hub.adapters.postgres.months import month_lines
from hub.adapters.sealing import Sealer, read_key
from hub.config.site import Target
from hub.contracts import Contracts, Fault, project
from hub.domain import kinds
from hub.domain.dates import month_days
from hub.targets.delivery import FINAL_STAGE, digest_of
from hub.views.monthly import MonthlyLine
from standins import nation
from standins.conduct import Conduct

_SHOWN: Final = 5
_CATCH_UP_SECONDS: Final = 20.0
_AUDIT_SECONDS: Final = 300.0


class Check(NamedTuple):
    """One check: what it says, what differs (nothing when it holds)."""

    title: str
    detail: str
    differences: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether nothing differs."""
        return not self.differences


class Answers:
    """The hub's answers by the row they are about; what agents state is about no row."""

    def __init__(self, stage: DemoEnvironment, account: OutcomeTally) -> None:
        self.by_place: dict[Place, list[SubmissionAnswer]] = defaultdict(list)
        files = _begun_files(stage)
        for (stream, sequence), answers in account.answers.items():
            for answer in answers if stream in files else ():
                fingerprint, _, row = answer.position.partition(":")
                # the content tells a file from one without rows, the number from its copies
                begun = [
                    one[:2]
                    for one in files[stream]
                    if one[0] <= sequence and one[2].startswith(fingerprint)
                ]
                path = max(begun)[1] if begun else stream
                row = row.rpartition(":")[2]
                self.by_place[path, int(row) if row.isdigit() else 0].append(answer)
        if stage.cases is not None:
            self._note_cases(stage, account)

    def _note_cases(self, stage: DemoEnvironment, account: OutcomeTally) -> None:
        """A row of the case system: its first answer is about its entry, a later one its change."""
        keys = RowKeys(Sealer(read_key(stage.loaded.path(stage.loaded.site.sealing_key_file))))
        entries, changes = _case_places()
        told: Counter[str] = Counter()
        for (stream, _), answers in sorted(account.answers.items()):
            position = read_position(answers[0].position) if stream == CASE_STREAM else None
            if position is not None:
                record = "|".join(keys.opened(position[0]))
                place = (changes if told[record] else entries).get(record, (stream, 0))
                told[record] += 1
                self.by_place[place] += answers


def _case_places() -> tuple[dict[str, Place], dict[str, Place]]:
    """Where in the data set each row of the case system was entered, and where it was changed."""
    entries: dict[str, Place] = {}
    changes: dict[str, Place] = {}
    for path in sorted((HERE / "inbox" / CASE_INBOX).glob("*/*.csv")):
        name = path.relative_to(HERE / "inbox").as_posix()
        places = changes if path.parent.name == CHANGES else entries
        for row, (record, _) in enumerate(rows_entered(path), 2):
            places[record] = (name, row)
    return entries, changes


def _begun_files(stage: DemoEnvironment) -> dict[str, list[tuple[int, str, str]]]:
    """Stream → (first sequence, path, fingerprint) of every file begun; from the manifests."""
    found: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for department in stage.loaded.site.departments:
        for source in department.files:
            folder = stage.loaded.path(source.results) / ".sources"
            for manifest in folder.glob("*.json"):
                told = json.loads(manifest.read_text(encoding="utf-8"))
                path = f"{source.inbox.name}/{told['folder']}/{told['name']}"
                stream = f"{department.id}/{source.name}"
                found[stream].append((int(told["first_sequence"]), path, told["fingerprint"]))
    return found


def came_back(course: Course) -> Check:
    """The worker that was killed is at work again, and no other has ended."""
    wrong = [
        f"{kill.name} 未恢复 is not back" for kill in course.kills if not kill.back_after_seconds
    ]
    wrong += [f"{name} 自行退出 ended by itself" for name in course.restarted]
    detail = "，".join(f"{kill.name} {kill.back_after_seconds:.1f} s" for kill in course.kills)
    return Check(
        "被杀的进程已恢复，其余未退出 the killed worker is back, no other ended",
        detail,
        tuple(wrong),
    )


def conservation(account: OutcomeTally) -> Check:
    """Read = sum of outcomes, department by department."""
    wrong = [
        f"{name}: {account.read[name]} ≠ {sum(account.outcomes[name].values())}"
        for name in account.departments
        if account.read[name] != sum(account.outcomes[name].values())
    ]
    return Check(
        "读入等于各结果之和 read = sum of outcomes",
        f"{sum(account.read.values())} 条 submissions，{len(account.departments)} 个部门",
        tuple(wrong),
    )


def drained(account: OutcomeTally) -> Check:
    """Nothing is under way any more."""
    left = []
    if account.undecided or account.under_way:
        left = [f"待决 undecided {account.undecided}，在途 under way {account.under_way}"]
    return Check("全部办结 nothing left under way", f"{account.records} 条台账记录", tuple(left))


def every_row_answered(schedule: DemoSchedule, answers: Answers) -> Check:
    """As many rows of each file were answered as it has."""
    counted = Counter(path for path, _ in answers.by_place)
    wrong = [
        f"{file.path}: {counted[file.path]} / {file.rows}"
        for file in schedule.files
        if counted[file.path] != file.rows
    ]
    rows = sum(file.rows for file in schedule.files)
    return Check(
        "每个文件每一行都有答复 every row of every file was answered",
        f"{len(schedule.files)} 个文件，{rows} 行", tuple(wrong),
    )  # fmt: skip


_PLAIN_ROW: Final = ("accepted", frozenset[str](), frozenset[str]())


def expectations(schedule: DemoSchedule) -> dict[Place, tuple[str, frozenset[str], frozenset[str]]]:
    """Outcome, reasons and quirks of every row that is not plainly accepted."""
    files = {file.path for file in schedule.files}
    with (HERE / "expected.csv").open(encoding="utf-8", newline="") as file:
        return {
            (line["file"], int(line["row"])): (
                line["outcome"],
                frozenset(filter(None, line["reasons"].split(";"))),
                frozenset(filter(None, line["quirks"].split(";"))),
            )
            for line in csv.DictReader(file)
            if line["file"] in files
        }


def as_expected(schedule: DemoSchedule, answers: Answers) -> Check:
    """Each row has the outcome and the reasons the data set's author promised."""
    expected = expectations(schedule)
    files = {file.path for file in schedule.files}
    rows = {place: given for place, given in answers.by_place.items() if place[0] in files}
    wrong = []
    for place, given in rows.items():
        outcome, reasons, _ = expected.get(place, _PLAIN_ROW)
        codes = {code for answer in given for code, _, _ in answer.reasons}
        is_right = _is_as_expected(outcome, [answer.outcome for answer in given])
        if not (is_right and (reasons <= codes if place in expected else not codes)):
            said = f"{'+'.join(a.outcome for a in given)} {' '.join(sorted(codes))}"
            wrong.append(f"{place[0]}:{place[1]} {said}；应为 expected {outcome}")
    wrong += [f"{path}:{row} 无答复 no answer" for path, row in expected.keys() - rows]
    return Check(
        "逐行与预期一致 each row as expected (demo/dataset/expected.csv)",
        f"{len(expected)} 行特例，其余 {len(rows) - len(expected)} 行直接受理",
        tuple(wrong),
    )


def _is_as_expected(outcome: str, given: list[str]) -> bool:
    """A move is two submissions; the arriving one is held, or accepted when the first is known."""
    if outcome == "withdrawn+held":
        return sorted(given) in (["held", "withdrawn"], ["accepted", "withdrawn"])
    return given == [outcome]


def book_equals_ledger(
    stage: DemoEnvironment, account: OutcomeTally, contracts: Contracts, target: Target
) -> Check:
    """The platform shows what the ledger owes it: the same versions, stages and contents.

    What it refused, or could not be given, stands as an open case instead.
    """
    owed = _owed(account, contracts, target)
    shown = {
        record: (one["version"], one["stage"], one["digest"])
        for record, one in stage.shown(target.id).items()
    }
    wrong = [
        f"{record[:12]}… 台账 ledger {owed.get(record)} 平台 platform {shown.get(record)}"
        for record in sorted(owed.keys() | shown.keys())
        if owed.get(record) != shown.get(record)
    ]
    return Check(
        f"{target.name_zh}的账与台账逐条相同 the book of {target.id} equals the ledger",
        f"{len(shown)} 条记录的版本、状态和内容摘要", tuple(wrong),
    )  # fmt: skip


def _owed(
    account: OutcomeTally, contracts: Contracts, target: Target
) -> dict[str, tuple[int, str, str]]:
    """Record → version, stage, digest of the last delivery the platform has taken."""
    clearance = frozenset[str](target.clearance)
    owed = {}
    for key, deliveries in account.deliveries[target.number].items():
        not_taken = account.refused[target.number] | account.parked[target.number]
        taken = [one for one in deliveries if (key, one.version) not in not_taken]
        if not taken:
            continue
        last = taken[-1]
        fields: dict[str, str] = {}
        if last.action == "publish":
            decoded = contracts.decode_framed(last.row)
            if isinstance(decoded, Fault):
                raise TypeError(decoded.detail)
            contract, row = decoded
            fields = project(contract, contract.check(row, date.max).canonical, clearance)
        owed[key.hex()] = (last.version, FINAL_STAGE[last.action], digest_of(fields))
    return owed


def look_ups_agree(
    stage: DemoEnvironment, account: OutcomeTally, now: int, patience: float = _CATCH_UP_SECONDS
) -> Check:
    """The projector's tables count what the ledger says: outcomes, and duties met and missed."""
    title = "查询库与台账一致 look-up tables agree with the ledger"
    with open_look_ups(stage.parts.require_dsn(), stage.loaded.site.prefix) as tables:
        deadline = time.monotonic() + patience
        while sum(p.next_sequence for p in tables.positions()) < account.records:
            if time.monotonic() > deadline:
                return Check(title, "", ("投影进程未跟上 the projector is behind",))
            time.sleep(0.1)
        tallies: dict[str, Counter[str]] = defaultdict(Counter)
        for tally in tables.tallies():
            tallies[tally.department][tally.outcome] += tally.number
        counts = {
            (one.department, one.target): (one.in_time, one.late + one.overdue)
            for one in tables.clock_counts(now)
        }
    wrong = [
        f"{name}: {dict(tallies[name])} ≠ {dict(account.outcomes[name])}"
        for name in account.departments
        if tallies[name] != account.outcomes[name]
    ]
    for place, one in sorted(account.punctuality(now).items()):
        mine = (one.in_time, sum(one.late.values()))
        if counts.get(place, (0, 0)) != mine:
            wrong.append(f"{place}: {counts.get(place)} ≠ {mine}")
    return Check(title, f"{len(tallies)} 个部门，{len(counts)} 组期限", tuple(wrong))


def audits(stage: DemoEnvironment, patience: float = _AUDIT_SECONDS) -> list[Check]:
    """`hub audit verify` and `hub audit replay`, side by side."""
    began = time.monotonic()
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", "hub", "audit", name, "--site", str(stage.folder), "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for name in ("verify", "replay")
    }
    checks = []
    try:
        for name, process in running.items():
            out, err = process.communicate(timeout=patience)
            seconds = time.monotonic() - began
            checks.append(_audited(name, process.returncode, out.decode(), err.decode(), seconds))
    finally:
        for process in running.values():
            if process.poll() is None:
                process.kill()
                process.communicate()
    return checks


_AUDITS: Final = {
    "verify": "hub audit verify 链、序号、每件一个结果 chain, order, one outcome each",
    "replay": "hub audit replay 从空状态重新决定，逐字节相同 decided again, same bytes",
}


def _audited(name: str, status: int, out: str, err: str, seconds: float) -> Check:
    if status not in {0, 1} or not out:
        return Check(_AUDITS[name], "", (err.strip() or f"exit {status}",))
    told = json.loads(out)
    wrong = [json.dumps(one, ensure_ascii=False) for one in told["differences"]]
    if told["result"] != "ok" and not wrong:
        wrong = [str(told["result"])]
    if told.get("waiting"):
        wrong.append(f"未决 waiting {told['waiting']}")
    records = sum(one["records"] for one in told["partitions"])
    detail = f"{records} 条台账记录，{seconds:.1f} s"
    return Check(_AUDITS[name], detail, tuple(wrong))


def result_files(
    stage: DemoEnvironment, schedule: DemoSchedule, patience: float = _CATCH_UP_SECONDS
) -> tuple[Check, list[Path]]:
    """Each file of each department has its result file, with an answer to every row."""
    results = stage.folder / "results"
    dropped = [file for file in schedule.files if stage.cases is None or file.inbox != CASE_INBOX]
    paths = {file.path: results / f"{file.path}.result.csv" for file in dropped}
    deadline = time.monotonic() + patience
    missing = dict.fromkeys(paths, "")
    while missing and time.monotonic() < deadline:
        found = {path: _fault_in(paths[path]) for path in missing}
        missing = {path: fault for path, fault in found.items() if fault}
        time.sleep(0.1 if missing else 0)
    return (
        Check(
            "每个文件都有回执文件，每行都有答复 every file has its result file",
            f"{len(paths) - len(missing)} 个",
            tuple(f"{path}: {fault}" for path, fault in missing.items()),
        ),
        sorted(path for name, path in paths.items() if name not in missing),
    )


def _fault_in(path: Path) -> str:
    """What is wrong with a result file; "" when nothing is."""
    if not path.exists():
        return "没有 missing"
    return "有未答复的行 rows without an answer" if "处理中" in path.read_text("utf-8-sig") else ""


def result_table(
    stage: DemoEnvironment, account: OutcomeTally, patience: float = _CATCH_UP_SECONDS
) -> Check:
    """The department finds in its own database what the ledger says of each of its rows."""
    title = "部门库中的结果表与台账一致 the result table in the department's database"
    cases = stage.cases
    if cases is None:
        return Check(title, "")
    owed = Counter(
        (sequence, answer.outcome, frozenset(code for code, _, _ in answer.reasons))
        for (stream, sequence), answers in account.answers.items()
        for answer in answers
        if stream == CASE_STREAM and read_position(answer.position) is not None
    )
    deadline = time.monotonic() + patience
    while (found := Counter(one[1:] for one in cases.results())) != owed:
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    wrong = [f"{one} 台账 ledger {owed[one]} 结果表 table {found[one]}" for one in owed | found
             if owed[one] != found[one]]  # fmt: skip
    return Check(title, f"{found.total()} 行答复", tuple(wrong))


def found_by_agents(stage: DemoEnvironment, schedule: DemoSchedule, account: OutcomeTally) -> Check:
    """Each commitment that falls due is reminded of once, and what is missing is stated once."""
    title = (
        "到期提醒、未履行、漏报退出各一次 reminder, missing performance, missing exit: once each"
    )
    settings = stage.loaded.site.cases
    if settings is None:
        return Check(title, "")
    foreseen = foresee(schedule, settings.remind_working_days[0])
    stated = account.statements
    reminders = [row for row in stated[kinds.REMINDER] if row["reason_class"] == "commitment_due"]
    pairs = (
        (foreseen.reminded, Counter(row["earliest_due_on"] for row in reminders)),
        (
            foreseen.missing,
            Counter(row["commitment_code"] for row in stated[kinds.PERFORMANCE_MISSING]),
        ),
        (foreseen.exits_missing, Counter(row["case_number"] for row in stated[kinds.EXIT_MISSING])),
    )
    wrong = [
        f"应有 foreseen {sorted(owed)}，实有 stated {dict(found)}"
        for owed, found in pairs
        if Counter(owed) != found
    ]
    detail = "，".join(f"{found.total()}" for _, found in pairs)
    return Check(title, detail, tuple(wrong))


def exits_taken_down(account: OutcomeTally, targets: Sequence[Target]) -> Check:
    """Who left the court's list stands on no platform any more."""
    gone = [
        key
        for key, row in account.rows.items()
        if row.kind == kinds.LISTED and row.status == "withdrawn"
    ]
    wrong = [
        f"{account.rows[key].document_number}: {target.id} {account.standing_of(key)}"
        for key in gone
        for target in targets
        if kinds.LISTED in target.kinds
        and account.deliveries[target.number].get(key)
        and account.standing_of(key).get(target.number) != "withdrawn"
    ]
    return Check(
        "退出失信名单的已在各平台撤下 exits from the court's list are taken down everywhere",
        f"{len(gone)} 个", tuple(wrong),
    )  # fmt: skip


def foreign_writes_refused(course: Course) -> Check:
    """The broker let nobody write where he has no business."""
    title = "越权写入均被 Kafka 拒绝 foreign writes are refused by the broker"
    if not course.foreign_writes:
        return Check(
            title, "此 Kafka 不要求口令，未试 not tried: this broker asks for no passwords"
        )
    wrong = [
        f"{one.principal} → {one.topic}: {one.answer or '已写入 TAKEN'}"
        for one in course.foreign_writes
        if not one.is_refused
    ]
    return Check(title, f"{len(course.foreign_writes)} 次", tuple(wrong))


def report_agrees(
    stage: DemoEnvironment, account: OutcomeTally, month: str, now: int
) -> tuple[Check, list[MonthlyLine]]:
    """The monthly form by SQL over the look-ups is the one folded from the ledger."""
    mine = account.month(month, now)
    with open_look_ups(stage.parts.require_dsn(), stage.loaded.site.prefix) as tables:
        theirs = month_lines(tables, *month_days(month), now)
    wrong = [
        f"{one.department} {one.kind}: {one[2:]} ≠ {other[2:]}"
        for one, other in zip(theirs, mine, strict=False)
        if one != other
    ]
    if len(mine) != len(theirs):
        wrong.append(f"{len(theirs)} ≠ {len(mine)} 行 lines")
    title = f"{month} 月报与台账重算一致 the monthly report equals the ledger's figures"
    return Check(title, f"{len(mine)} 行", tuple(wrong)), mine


def misbehaviours(stage: DemoEnvironment, target: str) -> Counter[str]:
    """What the stand-in platform did wrong, by manner, and how often; from its own book."""
    if target == "nation":
        return nation_misbehaviours(stage)
    connection = sqlite3.connect(stage.book(target))
    try:
        rows = connection.execute("SELECT verdict, count(*) FROM requests GROUP BY verdict")
        counts: Counter[str] = Counter()
        for verdict, number in rows:
            counts["requests"] += number
            manner = verdict.split(" ")[-1]
            if manner not in _PLAIN:
                counts[manner] += number
        seen = connection.execute(
            "SELECT substr(name, 11), value FROM settings WHERE name LIKE 'sightings %'"
        ).fetchall()
    finally:
        connection.close()
    if seen:  # files: how each was treated follows from the orders and its name
        orders = json.loads(stage.conduct(target).read_text(encoding="utf-8"))
        conduct = Conduct(**orders)
        counts.update(
            manner
            for name, times in seen
            for time_seen in range(int(times))
            if (manner := conduct.manner(name, time_seen))
        )
    return counts


def nation_misbehaviours(stage: DemoEnvironment) -> Counter[str]:
    """The nation keeps its book in a database."""
    counts = Counter(nation.manners(stage.nation_address))
    counts["requests"] = counts.total()
    del counts[""]
    return counts


_PLAIN: Final = frozenset(
    {"acknowledged", "published", "withdrawn", "refused", "404", "KEY_REUSED", ""}
)


def say(check: Check) -> Sequence[str]:
    """Lines for one check: a mark, the title, what was compared; differences below."""
    mark = "✓" if check.holds else "✗"
    detail = f"（{check.detail}）" if check.detail else ""
    lines = [f"  {mark} {check.title}{detail}"]
    if not check.holds:
        lines.append(f"    !! {len(check.differences)} 处不同 differences:")
        lines += [f"       {text}" for text in check.differences[:_SHOWN]]
        if len(check.differences) > _SHOWN:
            lines.append(f"       … {len(check.differences) - _SHOWN} more")
    return lines
