"""The receipts follower over the real registrar: what a clerk gets back for each row."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import openpyxl
import pytest

from connectors.files.result_files import (
    COLUMNS,
    ResultFiles,
    SourceFiles,
    is_for_the_clerk,
    words_of,
)
from connectors.files.source import FileSource
from connectors.layout import Folder
from connectors.loop import Agent, LoopPorts, Route
from hub.adapters.receipt_book import ReceiptBook, RowAnswer, StoredAnswer
from hub.config.site import Department, Site, Target
from hub.core.basis import canonical_json
from hub.core.keys import Head
from hub.core.ledger_end import LedgerEndError, Loss
from hub.core.record import NO_KEY, Outcome, Reason
from hub.ports import InputRecord, OutputRecord
from hub.workers.receipts import Anchors, LossDeclaredError, ReceiptsFollower, Teller
from tests.driver.hub_test_driver import HubTestDriver, MemoryLog
from tests.driver.rows import (
    AGENTS,
    AGENTS_CODE,
    AUTHORITY,
    DEPARTMENT,
    LISTED,
    at,
    basis,
    framed,
    listing_row,
)
from tests.unit.connectors.made import (
    CONTRACTS,
    LICENCE_ROW,
    SNAPSHOTS,
    STREAM,
    SUBMITTER,
    layouts,
    table,
)
from tests.unit.connectors.memory_broker import (
    FreeLease,
    HookKiller,
    InstantClock,
    KilledError,
    MemoryBroker,
    MemoryTransactions,
)

NUMBER = "行政许可决定文书号"
CODE = "行政相对人代码_1(统一社会信用代码)"
ROW = {**LICENCE_ROW, "许可决定日期": "2026-11-02"}


def _target(target_id: str, name: str, number: int) -> Target:
    return Target.model_validate(
        {
            "id": target_id, "name_zh": name, "number": number, "kind": "kafka", "role": "display",
            "public": True, "clearance": ["public"], "kinds": ["licence.granted.v1"],
        }
    )  # fmt: skip


SITE = Site(
    site="test",
    name_zh="测试",
    prefix="test.",
    partitions=2,
    rulebook=Path("r"),
    calendar=Path("c"),
    sealing_key_file=Path("k"),
    departments=(Department(id="market-supervision", name_zh="市场监管局"),),
    targets=(_target("province", "省平台", 0), _target("city", "信用网站", 1)),
)


class LedgerInputs:
    """Reads the driver's ledger."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log
        self._positions: dict[tuple[str, int], int] = {}

    def bounds(
        self, partitions: Iterable[tuple[str, int]]
    ) -> dict[tuple[str, int], tuple[int, int]]:
        """Log start and end."""
        return {place: (0, len(self._log.logs[place])) for place in partitions}

    def assign(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Read from here."""
        self._positions = dict(positions)

    def read_to_end(self, positions: Mapping[tuple[str, int], int]) -> Iterator[list[InputRecord]]:
        """All there is from here on."""
        for place, start in positions.items():
            yield self._log.logs[place][start:]

    def consume(self, limit: int, timeout_seconds: float) -> list[InputRecord]:
        """Everything new."""
        del timeout_seconds
        found: list[InputRecord] = []
        for place, start in self._positions.items():
            taken = self._log.logs[place][start : start + limit]
            self._positions[place] = start + len(taken)
            found += taken
        return found


class ReceiptOutbox:
    """Takes receipts."""

    def __init__(self) -> None:
        self.sent: list[OutputRecord] = []

    def append(self, records: Iterable[OutputRecord]) -> None:
        """Keep them."""
        self.sent += records

    def contents(self) -> list[dict[str, object]]:
        """Return the receipts' contents."""
        return [json.loads(record.value) for record in self.sent]


class DepartmentOffice:
    """A department's folders, a hub, and the follower between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.driver = HubTestDriver(basis(), now=at("2026-11-05 09:00"))
        self.broker = MemoryBroker()
        self.outbox = ReceiptOutbox()
        self._piped = 0
        for each in Folder:
            (folder / "inbox" / each.value).mkdir(parents=True)
        (folder / "state").mkdir()

    def submit(self, name: str, content: bytes) -> None:
        """Put a file into the inbox, submit it, let the registrar decide."""
        (self.folder / "inbox" / name).write_bytes(content)
        source = FileSource(
            self.folder / "inbox",
            self.folder / "results",
            SUBMITTER,
            [*map(layouts, Folder)],
            SNAPSHOTS,
        )
        clock = InstantClock()
        ports = LoopPorts(
            MemoryTransactions(self.broker), self.broker, FreeLease(), clock, clock, HookKiller()
        )
        route = Route(STREAM, "test.submissions.market-supervision", "test.cursors.x", 2)
        agent = Agent(route, source, ports, self.folder / "state")
        agent.start()
        for _ in range(5):
            agent.step()
        submissions = self.broker.committed["test.submissions.market-supervision"]
        for record in submissions[self._piped :]:
            self.driver.log.append(record)
        self._piped = len(submissions)
        self.driver.run()

    def report(self, target: str, stage: str, code: str = "") -> None:
        """Let a platform report a stage for every record on the ledger, on 11-06 at 10:05."""
        self.driver.advance(max(at("2026-11-06 11:00") - self.driver.now, 0))
        for partition in range(2):
            for record in self.driver.ledger(partition):
                if record.publish_targets:
                    content = {
                        "record": record.record_key.hex(), "version": record.version,
                        "action": "publish", "stage": stage, "code": code,
                        "platform_at": at("2026-11-06 10:05"), "at": self.driver.now,
                    }  # fmt: skip
                    value = json.dumps(content).encode()
                    self.driver.put(f"outcomes.{target}", partition, record.cause.key, value)
        self.driver.run()

    def files(self) -> SourceFiles:
        """The manifests, as a worker that has just started knows them."""
        return SourceFiles({STREAM: self.folder / "results"})

    def follow(self, faults: HookKiller | None = None) -> None:
        """Start a follower and let it catch up."""
        book = ReceiptBook(self.folder / "receipts" / "receipts.sqlite")
        files = self.files()
        results = ResultFiles(
            book, files, CONTRACTS,
            {DEPARTMENT: self.folder / "results"},
        )  # fmt: skip
        follower = ReceiptsFollower(
            SITE,
            LedgerInputs(self.driver.log),
            self.outbox,
            book,
            Teller(SITE, files, CONTRACTS),
            results,
            faults or HookKiller(),
            lambda _event: None,
        )
        try:
            follower.start()
            while follower.step():
                pass
            results.write_changed(everything=True)
        finally:
            book.close()

    def result(self, name: str) -> list[dict[str, str]]:
        """Read a CSV result file as the clerk's program would."""
        text = (self.folder / "results" / name).read_text(encoding="utf-8-sig")
        return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.fixture
def office(tmp_path: Path) -> DepartmentOffice:
    """Return an empty office."""
    return DepartmentOffice(tmp_path)


def workbook(*rows: dict[str, str]) -> bytes:
    """Write rows as XLSX."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for row in csv.reader(io.StringIO(table(*rows).decode(), newline="")):
        sheet.append(row)
    for cell in (cell for row in sheet for cell in row if cell.data_type == "f"):
        cell.data_type = "s"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_each_row_gets_outcome_reasons_remedy_and_due_days(office: DepartmentOffice) -> None:
    """Accepted rows show the last day per platform; others say what is wrong and what to do."""
    bad = {**ROW, NUMBER: "2号", CODE: "91330900MA0000015X"}
    office.submit("licences/a.csv", table(ROW, bad, ROW))
    office.follow()
    first, second, third = office.result("licences/a.csv.result.csv")
    assert (first["行号"], first["处理结果"]) == ("2", "已受理")
    assert first["期限"] == "省平台 2026-11-11；信用网站 2026-11-11"
    assert first["行政相对人名称"] == ROW["行政相对人名称"]
    assert second["处理结果"] == "未通过"
    assert second["原因代码"] == "CREDIT_CODE_CHECK_DIGIT"
    assert "校验位不符" in second["说明"]
    assert second["处理办法"]
    assert third["处理结果"] == "重复，未再登记"


def test_a_published_record_says_where_and_when(office: DepartmentOffice) -> None:
    """The result file is written again when a platform reports; a refusal names the code."""
    office.submit("licences/a.csv", table(ROW))
    office.follow()
    office.driver.advance(at("2026-11-06 12:00") - office.driver.now)
    office.report("city", "published")
    office.report("province", "refused", "E42")
    office.follow()
    (row,) = office.result("licences/a.csv.result.csv")
    assert "信用网站 已公示 2026-11-06 10:05" in row["公示情况"]
    assert "省平台 被平台退回 " in row["公示情况"]
    assert row["原因代码"] == "REFUSED_BY_TARGET"
    assert "省平台 E42" in row["说明"]
    assert row["处理办法"]
    assert row["相关栏目"] == ""
    assert row["期限"] == "省平台 2026-11-11"


def test_a_refusal_is_told_until_the_platform_takes_the_record(office: DepartmentOffice) -> None:
    """What the clock and the other platform say later does not hide why a platform refused."""
    office.submit("licences/a.csv", table(ROW))
    office.report("province", "refused", "E42")
    office.report("city", "published")
    office.driver.advance(14 * 86_400_000)
    office.follow()
    (row,) = office.result("licences/a.csv.result.csv")
    assert "省平台 E42" in row["说明"]
    office.report("province", "published")
    office.follow()
    (row,) = office.result("licences/a.csv.result.csv")
    assert (row["原因代码"], row["说明"]) == ("", "")


def remind(office: DepartmentOffice, level: str = "1", records: str = "") -> None:
    """Let the agents remind a department of some records, or of the only one there is."""
    accepted = [r for r in office.driver.ledger() if r.outcome is Outcome.ACCEPTED]
    keys = records or accepted[0].record_key.hex()
    row = {
        "authority_code": AGENTS_CODE, "subject_name": "市场监管局", "credit_code": AUTHORITY,
        "document_number": sha256(f"{level}{keys}".encode()).hexdigest(), "recipient": DEPARTMENT,
        "level": level, "issued_on": "2026-11-05", "reason_class": "due_soon",
        "record_count": str(len(keys) // 32), "earliest_due_on": "2026-11-11", "records": keys,
    }  # fmt: skip
    kind = "reminder.issued.v1"
    office.driver.pipe(AGENTS, kind, AUTHORITY, framed(kind, row))
    office.driver.run()


def test_a_reminder_reaches_the_department_as_a_message_and_as_a_file(
    office: DepartmentOffice,
) -> None:
    """The clerk sees which row of which file it is about, and by when."""
    office.submit("licences/a.csv", table(ROW))
    remind(office)
    office.follow()
    (told,) = [each for each in office.outbox.contents() if "reminder" in each]
    assert told["department"] == DEPARTMENT
    assert [r.topic for r in office.outbox.sent if b'"reminder"' in r.value] == [
        f"test.receipts.{DEPARTMENT}"
    ]
    (row,) = office.result("reminders/2026-11-05-level-1.csv")
    assert (row["级别"], row["提醒类别"], row["最早到期日"]) == ("1", "临期", "2026-11-11")
    assert (row["来源文件"], row["行号"]) == ("a.csv", "2")
    assert row["期限"] == "省平台 2026-11-11；信用网站 2026-11-11"


def test_reminders_of_one_day_and_level_share_a_file_and_repeats_change_nothing(
    office: DepartmentOffice,
) -> None:
    """Told again after a crash, or submitted twice: the same rows; another level, another file."""
    office.submit("licences/a.csv", table(ROW))
    remind(office)
    remind(office, records="ab" * 16 + "cd" * 16)
    remind(office, records="ab" * 16 + "cd" * 16)
    remind(office, level="2")
    with pytest.raises(KilledError):
        office.follow(HookKiller("before_commit"))
    office.follow()
    office.follow()
    keys = [row["记录键"] for row in office.result("reminders/2026-11-05-level-1.csv")]
    assert len(keys) == len(set(keys)) == 3
    assert {"ab" * 16, "cd" * 16} < set(keys)
    assert len(office.result("reminders/2026-11-05-level-2.csv")) == 1


def test_in_a_workbook_the_row_to_mend_meets_the_eye(office: DepartmentOffice) -> None:
    """The header stays in sight, texts wrap in wide columns, a row to mend is coloured."""
    bad = {**ROW, NUMBER: "2号", CODE: "91330900MA0000015X"}
    office.submit("licences/a.xlsx", workbook(ROW, bad))
    office.follow()
    book = openpyxl.load_workbook(office.folder / "results" / "licences" / "a.xlsx.result.xlsx")
    sheet = book.worksheets[0]
    assert sheet.freeze_panes == "A2"
    assert sheet.column_dimensions["E"].width >= 40
    assert sheet["A1"].font.bold
    assert sheet["E3"].alignment.wrap_text
    assert sheet.row_dimensions[3].height > sheet.row_dimensions[1].height
    fills = [sheet.cell(row, 2).fill.fill_type for row in (1, 2, 3)]
    assert fills == [None, None, "solid"]


def test_an_overdue_record_is_marked(office: DepartmentOffice) -> None:
    """Nobody sent anything: the clock alone changes the result file."""
    office.submit("licences/a.csv", table(ROW))
    office.driver.advance(14 * 86_400_000)
    office.follow()
    (row,) = office.result("licences/a.csv.result.csv")
    assert row["期限"] == "省平台 2026-11-11（已逾期）；信用网站 2026-11-11（已逾期）"
    assert {receipt["outcome"] for receipt in office.outbox.contents()} >= {"accepted", "overdue"}


def test_a_moved_record_answers_on_its_one_row(office: DepartmentOffice) -> None:
    """Two submissions of one row: the arriving half decides, also after it was held."""
    office.submit("licences/a.csv", table(ROW))
    moved = {**ROW, NUMBER: "新号", "原文书号": ROW[NUMBER], "原因": "更正文书号"}
    office.submit("corrections/b.csv", table(moved))
    office.follow()
    (row,) = office.result("corrections/b.csv.result.csv")
    assert row["处理结果"] == "已受理"


WITHDRAWAL = {
    "文书号": ROW[NUMBER], "相对人名称": ROW["行政相对人名称"],
    "统一社会信用代码": ROW[CODE], "类型": "行政许可", "机关代码": AUTHORITY, "原因": "许可被撤销",
}  # fmt: skip


def test_a_withdrawal_that_waits_says_until_when_and_then_what_became_of_it(
    office: DepartmentOffice,
) -> None:
    """The same row is answered again when its licence comes; both receipts name the submission."""
    office.submit("withdrawals/w.csv", table(WITHDRAWAL))
    office.follow()
    (row,) = office.result("withdrawals/w.csv.result.csv")
    assert (row["处理结果"], row["原因代码"]) == ("等待所指记录到达", "WAITING_FOR_RECORD")
    assert row["期限"].startswith("等待至 2026-1")
    assert "核对" in row["处理办法"]
    office.submit("licences/a.csv", table(ROW))
    office.follow()
    (row,) = office.result("withdrawals/w.csv.result.csv")
    assert (row["处理结果"], row["原因代码"]) == ("已撤回", "")
    assert "等待" not in row["期限"]
    held, *_, released = [
        each for each in office.outbox.contents() if each["kind"] == "record.withdrawn.v1"
    ]
    assert (held["outcome"], released["outcome"]) == ("held", "held_released")
    assert released["became"] == "withdrawn"
    assert released["first_receipt"] == held["receipt"]
    assert isinstance(held["waits_until"], int)
    same = ("stream", "sequence", "position")
    assert [held[name] for name in same] == [released[name] for name in same]
    assert all(each["target"] for each in held["due"] + released["due"])  # type: ignore[operator]


def test_what_waited_and_came_within_one_read_names_its_submission_too(
    office: DepartmentOffice,
) -> None:
    """The book does not know yet what waits; a follower that starts again reads all at once."""
    office.submit("withdrawals/w.csv", table(WITHDRAWAL))
    office.submit("licences/a.csv", table(ROW))
    office.follow()
    (released,) = [e for e in office.outbox.contents() if e["outcome"] == "held_released"]
    assert released["stream"] == STREAM
    (row,) = office.result("withdrawals/w.csv.result.csv")
    assert row["处理结果"] == "已撤回"


def test_a_withdrawal_that_waited_in_vain_says_so_on_its_row(office: DepartmentOffice) -> None:
    """Nothing came: it did not take effect, and somebody has to compare the number."""
    office.submit("withdrawals/w.csv", table(WITHDRAWAL))
    office.driver.advance(60 * 86_400_000)
    office.follow()
    (row,) = office.result("withdrawals/w.csv.result.csv")
    assert (row["处理结果"], row["原因代码"]) == ("未通过", "WAITED_TOO_LONG")
    assert "等待" not in row["期限"]
    (ended,) = [e for e in office.outbox.contents() if e["outcome"] == "held_ended"]
    assert (ended["became"], ended["stream"]) == ("quarantined", STREAM)


def test_a_refused_return_says_how_to_restore_and_is_no_ordinary_duplicate(
    office: DepartmentOffice,
) -> None:
    """A full export brings a withdrawn licence again: it is not shown, and the row says why."""
    office.submit("licences/a.csv", table(ROW))
    office.submit("withdrawals/w.csv", table(WITHDRAWAL))
    office.submit("licences/b.csv", table(ROW))
    office.follow()
    (row,) = office.result("licences/b.csv.result.csv")
    assert (row["处理结果"], row["原因代码"]) == ("与已撤回的相同，未恢复公示", "SAME_AS_WITHDRAWN")
    assert "restorations" in row["处理办法"]


def test_a_take_down_that_came_too_late_meets_the_eye() -> None:
    """It changed nothing, and the record is shown: a row to do something about."""
    for code in (
        "WITHDRAWAL_OLDER_THAN_LIVE", "EXIT_BEFORE_LISTING", "RESTORATION_OLDER_THAN_WITHDRAWAL",
        "ARRIVAL_OLDER_THAN_RECORD",
    ):  # fmt: skip
        answer = RowAnswer(0, 2, 1, "superseded", ((code, ""),), "", "")
        said = words_of(answer)
        assert said == "晚到未生效，待处理"
        assert is_for_the_clerk(["2", said, code, "", "", "", "", ""])
    plain = words_of(RowAnswer(0, 2, 1, "superseded", (("OLDER_THAN_LIVE", ""),), "", ""))
    assert not is_for_the_clerk(["2", plain, "OLDER_THAN_LIVE", "", "", "", "", ""])


def test_what_was_lifted_is_not_shown_as_owed(office: DepartmentOffice) -> None:
    """After the withdrawal only the withdrawal is owed, also where the licence was overdue."""
    office.submit("licences/a.csv", table(ROW))
    office.driver.advance(14 * 86_400_000)
    office.submit("withdrawals/w.csv", table(WITHDRAWAL))
    office.follow()
    (row,) = office.result("licences/a.csv.result.csv")
    assert "已逾期" not in row["期限"]
    assert "撤下" in row["期限"]


def test_a_faulty_row_that_was_corrected_is_no_longer_to_mend(office: DepartmentOffice) -> None:
    """The row stays what it was answered, but says that the correction took its place."""
    wrong = {**ROW, CODE: "91330900MA0000015X"}
    office.submit("licences/a.xlsx", workbook(wrong))
    office.submit(
        "corrections/b.csv", table({**ROW, "原统一社会信用代码": wrong[CODE], "原因": "代码有误"})
    )
    office.follow()
    (row,) = office.result("licences/a.xlsx.result.csv")
    assert row["处理结果"] == "未通过"
    assert "已由后来的更正取代" in row["公示情况"]
    book = openpyxl.load_workbook(office.folder / "results" / "licences" / "a.xlsx.result.xlsx")
    assert book.worksheets[0]["B2"].fill.fill_type is None


def test_no_personal_content_comes_back(office: DepartmentOffice) -> None:
    """A person's row and the representative's document stay empty in results and receipts."""
    number = "330900198001010019"
    person = {**ROW, CODE: number, "法定代表人证件号码": ""}
    company = {**ROW, NUMBER: "2号", "法定代表人证件号码": number}
    office.submit("licences/a.csv", table(person, company))
    office.follow()
    first, second = office.result("licences/a.csv.result.csv")
    assert first["原因代码"] == "PERSON_NOT_ENABLED"
    assert number not in str([first, second])
    assert ROW["行政相对人名称"] not in first.values()
    assert second["行政相对人名称"] == ROW["行政相对人名称"]
    assert all(number.encode() not in record.value for record in office.outbox.sent)


def test_formulas_do_not_run_on_the_clerks_machine(office: DepartmentOffice) -> None:
    """XLSX cells are text, CSV cells begin with an apostrophe."""
    rows = [{**ROW, NUMBER: f"{n}号", "备注": text} for n, text in enumerate(
        ["=1+1", "+1", "-1", "@SUM(A1)", "_x000D_", "＝1+1", "a\x0bb"])]  # fmt: skip
    office.submit("licences/a.xlsx", workbook(*rows[:5]))
    office.submit("licences/b.csv", table(*rows))
    office.follow()
    said = [row["备注"] for row in office.result("licences/b.csv.result.csv")]
    # Spreadsheets in Chinese take the full-width sign for one, too.
    assert said == ["'=1+1", "'+1", "'-1", "'@SUM(A1)", "_x000D_", "'＝1+1", "a\x0bb"]
    book = openpyxl.load_workbook(office.folder / "results/licences/a.xlsx.result.xlsx")
    sheet = book.worksheets[0]
    headers = [cell.value for cell in sheet[1]]
    assert headers[: len(COLUMNS)] == list(COLUMNS)
    assert [cell.data_type for cell in sheet[2]].count("f") == 0
    column = headers.index("备注")
    assert [sheet.cell(n, column + 1).value for n in range(2, 6)] == [
        "=1+1", "+1", "-1", "@SUM(A1)",
    ]  # fmt: skip


def test_an_unreadable_file_has_a_result_that_says_why(office: DepartmentOffice) -> None:
    """One line for the whole file."""
    office.submit("penalties/a.xlsx", b"PK\x03\x04 broken")
    office.follow()
    (row,) = office.result("penalties/a.xlsx.result.csv")
    assert (row["行号"], row["原因代码"]) == ("整张工作表", "FILE_BROKEN")


def test_a_file_of_a_kind_the_department_may_not_state_says_who_can_allow_it(
    office: DepartmentOffice,
) -> None:
    """A bureau's court listings: each row is refused by name, with what to do, shown nowhere."""
    labels = {field.name: field.zh for field in CONTRACTS.by_kind[LISTED].schema.fields}
    entry = {labels[name]: text for name, text in listing_row(court_code=AUTHORITY).items()}
    office.submit("court-listings/a.csv", table(entry))
    office.follow()
    (row,) = office.result("court-listings/a.csv.result.csv")
    assert (row["行号"], row["处理结果"]) == ("2", "未通过")
    assert row["原因代码"] == "KIND_NOT_YOURS"
    assert "未准许" in row["说明"]
    assert "site.yaml" in row["处理办法"]
    assert row["公示情况"] == ""


def test_a_full_list_is_answered_as_a_whole(office: DepartmentOffice) -> None:
    """One line that says what became of the statement; no entry waits for an answer for ever."""
    labels = {field.name: field.zh for field in CONTRACTS.by_kind[LISTED].schema.fields}
    entry = {labels[name]: text for name, text in listing_row().items()}
    office.submit("court-snapshots/20261105-list.csv", table(entry))
    office.follow()
    (row,) = office.result("court-snapshots/20261105-list.csv.result.csv")
    assert row["行号"] == "整张工作表"
    assert row["处理结果"] not in {"", "处理中"}


@pytest.mark.parametrize("hook", ["after_consume", "before_flush", "before_commit", "after_commit"])
def test_killed_anywhere_the_results_are_the_same_and_receipts_repeat_their_ids(
    office: DepartmentOffice, hook: str
) -> None:
    """Messages may come twice under one id, never with other content; nothing is left out."""
    office.submit("licences/a.csv", table(ROW, {**ROW, NUMBER: "2号"}, {**ROW, NUMBER: ""}))
    with pytest.raises(KilledError):
        office.follow(HookKiller(hook))
    office.report("city", "published")
    office.follow()
    assert [row["处理结果"] for row in office.result("licences/a.csv.result.csv")] == [
        "已受理",
        "已受理",
        "未通过",
    ]
    by_id: dict[object, dict[str, object]] = {}
    for receipt in office.outbox.contents():
        assert by_id.setdefault(receipt["receipt"], receipt) == receipt
    told = [receipt["outcome"] for receipt in by_id.values()]
    assert sorted(map(str, told)) == [
        "accepted", "accepted", "outcome_noted", "outcome_noted", "quarantined",
    ]  # fmt: skip


def test_a_used_number_with_other_content_is_counted_and_is_no_first_answer(
    office: DepartmentOffice,
) -> None:
    """A connector that lost its place is told of by an alert; the first receipt stands."""
    office.submit("licences/a.csv", table(ROW))
    (record,) = [
        each
        for partition in range(2)
        for each in office.driver.ledger(partition)
        if each.outcome is Outcome.ACCEPTED
    ]
    files = office.files()
    teller = Teller(SITE, files, CONTRACTS)
    assert not teller.tell(0, record).reuses_number
    reason = Reason("SUBMISSION_NUMBER_REUSED", "", "error")
    reused = record._replace(outcome=Outcome.QUARANTINED, reasons=(reason,), submission_key=NO_KEY)
    told = teller.tell(0, reused)
    assert told.reuses_number
    assert [each.is_final for each in told.news if isinstance(each, StoredAnswer)] == [False]


def test_copies_of_one_file_have_results_of_their_own(office: DepartmentOffice) -> None:
    """Equal content under two names: the numbers in the stream tell the rows apart."""
    office.submit("licences/a.csv", table(ROW))
    office.submit("licences/b.csv", table(ROW))
    office.follow()
    assert office.result("licences/a.csv.result.csv")[0]["处理结果"] == "已受理"
    assert office.result("licences/b.csv.result.csv")[0]["处理结果"] == "重复，未再登记"


def test_a_copy_dropped_while_following_has_a_result_of_its_own(office: DepartmentOffice) -> None:
    """The first file with this content is known already when the answers about its copy come."""
    files = office.files()
    mark = sha256(table(ROW)).hexdigest()[:16]
    for sequence, name in enumerate(("a.csv", "b.csv", "c.csv"), 1):
        office.submit(f"licences/{name}", table(ROW))
        files.look_again()
        found = files.find(STREAM, mark, sequence)
        assert found is not None
        assert found.name == name


def test_a_result_is_not_rewritten_more_than_once_a_second(office: DepartmentOffice) -> None:
    """Platforms report for hours: the file is left alone between two writes."""
    office.submit("licences/a.csv", table(ROW))
    office.follow()
    book = ReceiptBook(office.folder / "receipts" / "receipts.sqlite")
    files = office.files()
    now = [0.0]
    ((source,),) = book._connection.execute("SELECT source FROM sources").fetchall()
    results = ResultFiles(book, files, CONTRACTS, {}, seconds=lambda: now[0])
    written = []
    for tenth in range(31):
        now[0] = tenth / 10
        book.apply([StoredAnswer(STREAM, 1, source, 0, 2, b"r", "accepted", ())], {})
        written.append(results.write_changed())
    book.close()
    assert [index for index, count in enumerate(written) if count] == [0, 10, 20, 30]


def test_a_source_file_that_was_removed_still_gets_its_answers(office: DepartmentOffice) -> None:
    """The clerk's rows are those that were read: nobody looks at the file a second time."""
    office.submit("licences/a.csv", table(ROW))
    (office.folder / "inbox/licences/a.csv").unlink()
    office.follow()
    (row,) = office.result("licences/a.csv.result.csv")
    assert (row["行号"], row["处理结果"], row[NUMBER]) == ("2", "已受理", ROW[NUMBER])


@pytest.mark.parametrize("kept", [None, b"", b"[1]\n", b'[2,"",["x"]]\n[0]\n', b"[" * 4000])
def test_without_the_rows_that_were_kept_the_result_has_the_hubs_columns(
    office: DepartmentOffice, kept: bytes | None
) -> None:
    """Rows that were cleared away or damaged cost their own table and nothing else."""
    office.submit("licences/a.csv", table(ROW))
    (path,) = (office.folder / "results/.sources").glob("*.rows")
    path.unlink()
    if kept is not None:
        path.write_bytes(kept)
    office.follow()
    (row,) = office.result("licences/a.csv.result.csv")
    assert list(row) == list(COLUMNS)
    assert (row["行号"], row["处理结果"]) == ("2", "已受理")


def test_a_shorter_ledger_is_not_the_one_that_was_followed(office: DepartmentOffice) -> None:
    """A reset ledger is noticed before anything is written."""
    office.submit("licences/a.csv", table(ROW))
    office.follow()
    office.driver.log.logs.clear()
    with pytest.raises(LedgerEndError, match="receipts"):
        office.follow()


def followed(office: DepartmentOffice) -> list[InputRecord]:
    """A ledger partition that has been followed to its end."""
    office.submit("licences/a.csv", table(ROW))
    office.follow()
    return max(map(office.driver.raw_ledger, range(2)), key=len)


def test_a_record_that_does_not_continue_the_ledger_is_told_nobody(
    office: DepartmentOffice,
) -> None:
    """Written twice, it would be a second receipt."""
    ledger = followed(office)
    sent = len(office.outbox.sent)
    ledger.append(ledger[-1]._replace(offset=len(ledger)))
    with pytest.raises(LedgerEndError, match="receipts has seen up to"):
        office.follow()
    assert len(office.outbox.sent) == sent


def test_a_loss_that_was_declared_makes_the_book_anew(office: DepartmentOffice) -> None:
    """What the book holds is of records that are given up."""
    ledger = followed(office)
    partition, left = ledger[0].partition, len(ledger) - 1
    loss = Loss(left, left, 1, left, "00", "", ("receipts",), "王运维", "磁盘损坏")
    del ledger[left:]
    office.driver.crash(lose_disk=True)
    declaration = canonical_json(loss.as_content())
    office.driver.put("control", partition, b"", declaration, (("ce_type", b"loss.accepted.v1"),))
    office.driver.run()
    with pytest.raises(LossDeclaredError):
        office.follow()


def test_anchors_that_cannot_be_written_cost_the_worker_no_life(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that was altered is left alone, and said once."""
    (tmp_path / "ledger-0.jsonl").write_text("what\n", "ascii")
    anchors = Anchors(tmp_path)
    anchors.note({0: Head(1, b"h" * 32, 0, 1)})
    assert (tmp_path / "ledger-0.jsonl").read_text("ascii") == "what\n"
    assert [one.message for one in caplog.records] == ["the ledger's end cannot be anchored"]
    Anchors(None).note({0: Head(1, b"h" * 32, 0, 1)})
