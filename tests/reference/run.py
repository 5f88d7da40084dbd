"""One run of the reference site: every real table in an inbox, until everything has its end."""

import os
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import xlrd
from openpyxl import Workbook

from demo import checks as facts
from demo.account import OutcomeTally
from demo.schedule import DemoSchedule, DroppedFile
from demo.stage import DemoEnvironment, Script, stage
from hub.adapters.postgres.lookups import ConflictRow, open_look_ups
from hub.config.kafka_access import KafkaAccess
from hub.config.repository import DEPLOY, load_repository_contracts
from hub.config.settings import Settings
from tests.driver.rows import COMPANY, at
from tests.reference.identities import (
    ENCODINGS,
    ExpectedAnswers,
    ExpectedOutcome,
    identities,
    write,
)

BUSINESS_NOW = at("2026-11-03 10:00")
"""The clock stands still: the invented licences were decided the day before."""
SCRIPT = Script(DEPLOY / "sites" / "reference", {"province": {}, "city": {}}, 30.0)
"""Platforms that behave: what is asked here is what becomes of real rows."""
SAMPLES = {
    "penalties_2017_2019": ("penalties", "penalties", 15),
    "pollutant_permits_2017_2020": ("permits", "licences", 11),
    "mining_permits_2014_2022": ("mining", "licences", 10),
    "construction_qualifications_2019": ("qualifications", "licences", 12),
}
"""Table → inbox, folder, rows."""
TEMPLATES = {
    "corp_xk": ("licences", 0),
    "corp_cf": ("penalties", 0),
    "monthly_report": ("penalties", 1),
}
"""Template → folder, submissions: formatted blank rows are nobody's, a form is one unreadable."""
_INVENTED = {
    "行政相对人名称": "舟山示例贸易有限公司",
    "行政相对人代码_1 (统一社会信用代码)": COMPANY,
    "法定代表人姓名": "甲某",
    "当前状态": "正常",
}
FILLED = {
    "corp_xk": ("licences", {
        **_INVENTED, "行政许可决定书文号": "示许〔2026〕1号", "项目名称": "食品经营许可",
        "审批类别": "普通", "许可内容": "食品经营", "许可决定日期": "2026/11/2",
        "许可截止期": "2031/11/1", "许可机关": "舟山市示例局",
    }),
    "corp_cf": ("penalties", {
        **_INVENTED, "行政处罚决定书文号": "示罚〔2026〕1号", "处罚名称": "未明码标价",
        "处罚类别1": "罚款", "处罚事由": "检查发现商品未标明价格", "处罚依据": "价格法第四十二条",
        "处罚结果": "罚款一千元", "处罚决定日期": "2026/11/2", "处罚机关": "舟山市示例局",
    }),
}  # fmt: skip
"""Template → folder, one invented row by header: what a table of the older standard lacks."""
_STILL_SECONDS = 60.0
"""Nothing moved for so long: the run is stuck."""
_QUIET_SECONDS = 1.5


class TableAnswer(NamedTuple):
    """What the hub said to one row of a table."""

    outcome: str
    reasons: frozenset[str]
    """Code and column: `CREDIT_CODE_LENGTH XK_XDR_SHXYM`."""
    department: str


@dataclass
class Run:
    """What a run came to."""

    paths: tuple[str, ...]
    """Every file dropped: `<inbox>/<folder>/<name>`."""
    told: dict[str, dict[int, list[TableAnswer]]]
    """Table → row in the file → answers. Row 0 is the whole file; the header is row 1."""
    expected: dict[str, dict[int, ExpectedOutcome]]
    """The same for identities, computed without the hub."""
    expectation: ExpectedAnswers
    published: Counter[str]
    """Target → records its book shows as published."""
    conflicts: list[ConflictRow]
    read: Counter[str]
    decided: dict[str, Counter[str]]
    seconds: float
    checks: dict[str, facts.Check] = field(default_factory=dict)


def run(settings: Settings, data: Path, *, whole: bool) -> Run:
    """Carry the tables through connector, registrar, couriers; then compare everything."""
    began = time.monotonic()
    with stage(settings, keep=False, opens_at=BUSINESS_NOW, script=SCRIPT) as made:
        contracts = load_repository_contracts()
        account = OutcomeTally(made.loaded, contracts, made.access)
        try:
            schedule, expected, expectation = _drop(made, data, whole=whole)
            rows = sum(file.rows for file in schedule.files)
            _drain(made, account, rows)
            answers = facts.Answers(made, account)
            targets = made.loaded.site.targets
            patience = 120 + account.records / 300
            found = {
                "conserved": facts.conservation(account),
                "drained": facts.drained(account),
                "answered": facts.every_row_answered(_with_rows(schedule), answers),
                "look-ups": facts.look_ups_agree(made, account, BUSINESS_NOW, patience),
                "results": facts.result_files(made, _with_rows(schedule), patience)[0],
                **{
                    target.id: facts.book_equals_ledger(made, account, contracts, target)
                    for target in targets
                },
                **dict(zip(("verify", "replay"), facts.audits(made, patience), strict=True)),
            }
            with open_look_ups(made.parts.require_dsn(), made.loaded.site.prefix) as tables:
                conflicts = tables.conflicts()
            return Run(
                tuple(file.path for file in schedule.files),
                _told(answers),
                expected,
                expectation,
                Counter({t.id: account.shown(t.number) for t in targets}),
                conflicts,
                account.read,
                account.outcomes,
                time.monotonic() - began,
                found,
            )
        finally:
            account.close()


@contextmanager
def environment(settings: Settings) -> Iterator[None]:
    """Let the processes of a stage find these settings."""
    wanted = {
        "HUB_STATE": str(settings.state_folder),
        "KAFKA_BOOTSTRAP": settings.kafka_bootstrap or "",
        "HUB_KAFKA_SECRETS": str(settings.kafka_secrets or ""),
        "HUB_POSTGRES_DSN": settings.postgres_dsn or "",
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def settings_for(settings: Settings, folder: Path, access: KafkaAccess, dsn: str) -> Settings:
    """Return the session's settings on these parts, with a state folder of its own."""
    return replace(
        settings,
        state_folder=folder,
        kafka_bootstrap=access.bootstrap,
        kafka_secrets=access.secrets,
        postgres_dsn=dsn,
    )


def _drop(
    made: DemoEnvironment, data: Path, *, whole: bool
) -> tuple[DemoSchedule, dict[str, dict[int, ExpectedOutcome]], ExpectedAnswers]:
    """Put every file into its inbox, whole at once; return what was dropped and is expected."""
    files = []
    expectation = ExpectedAnswers(data)
    expected: dict[str, dict[int, ExpectedOutcome]] = {}
    tables = identities(data, whole=whole)
    for number, (name, rows) in enumerate(tables.items()):
        path = f"identities/licences/{number}-{name}.csv"
        with _arriving(made, path) as unfinished:
            write(rows, unfinished, ENCODINGS.get(name, "utf-8"))
        files.append(DroppedFile(path, "company-registration", BUSINESS_NOW, len(rows)))
        expected[path] = {place: expectation.of(row) for place, row in enumerate(rows, 2)}
    for name, (inbox, folder, count) in SAMPLES.items():
        path = f"{inbox}/{folder}/{name}.csv"
        with _arriving(made, path) as unfinished:
            shutil.copyfile(data / "licence_penalty_samples" / f"{name}.csv", unfinished)
        files.append(DroppedFile(path, inbox, BUSINESS_NOW, count))
    for name, (folder, count) in TEMPLATES.items():
        path = f"templates/{folder}/{name}.xls"
        with _arriving(made, path) as unfinished:
            shutil.copyfile(data / "templates" / f"{name}.xls", unfinished)
        files.append(DroppedFile(path, "company-registration", BUSINESS_NOW, count))
    for name, (folder, values) in FILLED.items():
        path = f"templates/{folder}/{name}-filled.xlsx"
        with _arriving(made, path) as unfinished:
            _fill(data / "templates" / f"{name}.xls", values, unfinished)
        files.append(DroppedFile(path, "company-registration", BUSINESS_NOW, 1))
    return DemoSchedule(tuple(files), BUSINESS_NOW, BUSINESS_NOW), expected, expectation


def _fill(template: Path, values: dict[str, str], path: Path) -> None:
    """Write one invented row under a template's own headers."""
    header = [
        str(cell.value) for cell in xlrd.open_workbook(str(template)).sheet_by_index(0).row(0)
    ]
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(header)
    sheet.append([values.get(name.strip(), "") for name in header])
    book.save(path)


@contextmanager
def _arriving(made: DemoEnvironment, path: str) -> Iterator[Path]:
    """Give a place to write a file to; it stands in the inbox only when it is whole."""
    target = made.folder / "inbox" / path
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.part")
    yield unfinished
    unfinished.rename(target)


def _with_rows(schedule: DemoSchedule) -> DemoSchedule:
    """Leave out the files without a row: there is nothing to answer."""
    return schedule._replace(files=tuple(file for file in schedule.files if file.rows))


def _drain(made: DemoEnvironment, account: OutcomeTally, rows: int) -> None:
    """Wait until every row is decided and every delivery has its end; fail when nothing moves."""
    moved = quiet = time.monotonic()
    while time.monotonic() - quiet < _QUIET_SECONDS:
        fallen = made.supervise()
        assert not fallen, fallen
        has_moved = account.poll(0.1) > 0
        now = time.monotonic()
        if has_moved:
            moved = now
        is_at_rest = (
            sum(account.read.values()) == rows and not account.undecided and not account.under_way
        )
        if has_moved or not is_at_rest:
            quiet = now
        assert now - moved < _STILL_SECONDS, (
            f"read {sum(account.read.values())} of {rows}, undecided {account.undecided}, "
            f"under way {account.under_way}"
        )


def _told(answers: facts.Answers) -> dict[str, dict[int, list[TableAnswer]]]:
    found: dict[str, dict[int, list[TableAnswer]]] = defaultdict(dict)
    for (path, row), given in answers.by_place.items():
        found[path][row] = [
            TableAnswer(
                one.outcome,
                frozenset(f"{code} {column}".strip() for code, column, _ in one.reasons),
                one.department,
            )
            for one in given
        ]
    return dict(found)


def table_of(result: Run) -> str:
    """Return outcomes and reasons by table as Markdown: numbers only."""
    lines = ["| table | rows | outcomes | reasons |", "| --- | ---: | --- | --- |"]
    for path in result.paths:
        given = [told for answers in result.told.get(path, {}).values() for told in answers]
        outcomes = Counter(told.outcome for told in given)
        reasons = Counter(reason for told in given for reason in told.reasons)
        name = Path(path).name.partition("-")[2] if "identities/" in path else Path(path).name
        lines.append(f"| `{name}` | {len(given):,} | {_counts(outcomes)} | {_counts(reasons)} |")
    return "\n".join((*lines, ""))


def _counts(counts: Counter[str]) -> str:
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return "<br>".join(f"{name}: {number:,}" for name, number in ordered) or "–"
