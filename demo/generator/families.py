"""Court lists, commitments, output counts, and a case system's table: what no quirk is about.

Some dozens of rows a family. The court forgets to say of one debtor that he has left its list, and
sends the exit of another before his entry; one company does not do in time what it promised.
Everything else is as it should be.
"""

import csv
import io
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, time, timedelta
from typing import Final

from demo.generator.book import SUBJECTS, DatasetFiles
from demo.generator.columns import Table
from demo.generator.departments import DEPARTMENTS, EMERGENCY, MARKET, TRANSPORT, Authority
from demo.generator.dice import Dice
from demo.generator.identities import (
    CITY,
    LEGAL,
    SYNTHETIC_CITIZEN_IDS,
    UNKNOWN_REGIONS,
    Subject,
    authority_code,
    subjects,
)
from demo.generator.reading import folded, read_day
from demo.generator.rows import FOLDERS
from demo.generator.working_days import business_ms, days, is_working

COURT_ID: Final = "court"
COURT: Final = Authority(f"{CITY}人民法院", authority_code(701))
DUE_ON: Final = date(2026, 9, 30)
"""The last day of the one promise that is not kept."""
FORGOTTEN_SINCE: Final = date(2026, 9, 22)
"""From this day on the court's full list lacks an entry whose exit it never reported."""
CHANGES: Final = "changes"
"""The folder of what a clerk changes in rows of the case system's table."""
COUNTED_MONTH: Final = "2026-09"
WITHOUT_COUNT: Final = EMERGENCY.id
"""The department that does not declare how many decisions it made."""
_UNSENT: Final = {MARKET.id: 14, "housing-construction": 9, TRANSPORT.id: 3}
"""Decisions that were made and never sent, of each kind."""


@dataclass(slots=True)
class FamilyRow:
    """One row by Chinese header, and what the hub must answer."""

    cells: dict[str, str]
    outcome: str = "accepted"
    reasons: tuple[str, ...] = ()


@dataclass(slots=True)
class FamilyFile:
    """One file; a full list of the court is one statement, whatever its rows."""

    department: str
    inbox: str
    folder: str
    what: str
    dropped_on: date
    dropped_at: time
    rows: list[FamilyRow] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Place below the inboxes."""
        stamp = f"{self.dropped_on:%Y%m%d}T{self.dropped_at:%H%M}"
        return f"{self.inbox}/{self.folder}/{stamp}-{self.what}.csv"

    @property
    def drop_at(self) -> int:
        """Drop time in business milliseconds."""
        return business_ms(self.dropped_on, self.dropped_at)

    @property
    def is_statement(self) -> bool:
        """Whether the file is answered as a whole."""
        return self.folder == "court-snapshots"

    def content(self) -> bytes:
        """The file as it is dropped."""
        out = io.StringIO(newline="")
        headers = list(dict.fromkeys(name for row in self.rows for name in row.cells))
        writer = csv.DictWriter(out, headers, restval="", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(row.cells for row in self.rows)
        return out.getvalue().encode("utf-8-sig")


def family_files(book: DatasetFiles) -> list[FamilyFile]:
    """Every file of the families; takes rows of the book that no quirk uses."""
    return [*_court_files(), *_commitment_files(), *_count_files(book), *_change_files(book)]


def _companies(name: str, count: int) -> list[Subject]:
    """Companies about which the hub has nothing to say."""
    plain = [
        one
        for one in subjects(SUBJECTS)
        if one.category == LEGAL
        and one.credit_code[:2] == "91"
        and one.credit_code[2:8] not in UNKNOWN_REGIONS
        and folded(one.name) == one.name
    ]
    return Dice(f"companies {name}").shuffled(plain)[:count]


# --- the court -----------------------------------------------------------------------------------

_LISTED: Final = {
    date(2026, 9, 14): 10, date(2026, 9, 21): 6, date(2026, 9, 28): 5, date(2026, 10, 8): 4,
}  # fmt: skip
"""Day → companies that are put on the list."""
_EXITS: Final = (
    (date(2026, 9, 17), 1, "履行完毕"),
    (date(2026, 9, 17), 4, "和解履行完毕"),
    (date(2026, 9, 23), 7, "申请执行人申请删除"),
    (date(2026, 9, 29), 11, "履行完毕"),
    (date(2026, 10, 9), 17, "终结执行"),
)
"""Day, which company of the list, why it leaves."""
_EARLY_EXIT: Final = (date(2026, 9, 23), 25, "履行完毕")
"""An exit that comes before its entry: the last company of the list is put on it on the day before,
and the entry is sent on the third day of listings."""
_FORGOTTEN: Final = 2
"""The company of the list whose exit is never reported."""
_DUTIES: Final = (
    ("支付货款{n}元及逾期利息", "违反财产报告制度"),
    ("支付工程款{n}元", "有履行能力而拒不履行生效法律文书确定义务"),
    ("返还借款{n}元并支付利息", "以虚假诉讼、隐匿财产等方法规避执行"),
    ("支付劳动报酬{n}元", "违反限制消费令"),
)


def _court_files() -> list[FamilyFile]:
    companies = _companies("court", sum(_LISTED.values()) + 1)
    listings: list[tuple[date, Subject, dict[str, str]]] = []
    files = []
    for day, count in _LISTED.items():
        file = FamilyFile(COURT_ID, COURT_ID, "court-listings", "listings", day, time(9, 40))
        for company in companies[len(listings) : len(listings) + count]:
            cells = _listing(company, len(listings) + 1, day)
            listings.append((day, company, cells))
            file.rows.append(FamilyRow(cells))
        files.append(file)
    late = _EARLY_EXIT[0] - timedelta(days=1)
    listings.append((late, companies[-1], _listing(companies[-1], len(companies), late)))
    files[2].rows.append(FamilyRow(listings[-1][2]))
    person = _person(_LISTED_PERSON_ON)
    files[1].rows.insert(2, FamilyRow(person, "quarantined", ("PERSON_NOT_ENABLED",)))
    for day in dict.fromkeys(day for day, _, _ in _EXITS):
        file = FamilyFile(COURT_ID, COURT_ID, "court-exits", "exits", day, time(11, 20))
        file.rows = [
            FamilyRow(_exit(listings[n][2], why, on), "withdrawn")
            for on, n, why in _EXITS
            if on == day
        ]
        if day == _EARLY_EXIT[0]:
            _, n, why = _EARLY_EXIT
            early = _exit(listings[n][2], why, day)
            file.rows.append(FamilyRow(early, "held", ("WAITING_FOR_RECORD",)))
        files.append(file)
    for day in filter(is_working, days()):
        gone = {number for on, number, _ in (*_EXITS, _EARLY_EXIT) if on <= day}
        if day >= FORGOTTEN_SINCE:
            gone.add(_FORGOTTEN)
        file = FamilyFile(COURT_ID, COURT_ID, "court-snapshots", "full-list", day, time(17, 30))
        file.rows = [
            FamilyRow(cells)
            for number, (since, _, cells) in enumerate(listings)
            if since <= day and number not in gone
        ]
        if day >= _LISTED_PERSON_ON:
            file.rows.append(FamilyRow(person))
        files.append(file)
    return files


_LISTED_PERSON_ON: Final = list(_LISTED)[1]


def _listing(company: Subject, number: int, day: date) -> dict[str, str]:
    dice = Dice(f"listing {number}")
    duty, conduct = dice.pick(_DUTIES)
    amount = dice.between(8, 900) * 1000
    return {
        "被执行人名称": company.name,
        "被执行人类型": "法人或者其他组织",
        "被执行人统一社会信用代码": company.credit_code,
        "法定代表人或者负责人": company.representative,
        "执行法院": COURT.name,
        "执行法院统一社会信用代码": COURT.code,
        "省份": "浙江",
        "案号": f"（2026）浙屿执{100 + number}号",
        "执行依据文号": f"（2025）浙屿民初{400 + number}号",
        "做出执行依据单位": COURT.name,
        "立案时间": (day - timedelta(days=dice.between(60, 150))).isoformat(),
        "生效法律文书确定的义务": duty.format(n=amount),
        "被执行人的履行情况": "全部未履行",
        "失信被执行人行为具体情形": conduct,
        "执行金额(元)": str(amount),
        "未执行金额(元)": str(amount),
        "发布时间": day.isoformat(),
    }


def _person(day: date) -> dict[str, str]:
    """A natural person's entry: a name and a number of nobody."""
    row = _listing(_companies("person", 1)[0], 90, day)
    return row | {
        "被执行人名称": "示例乙",
        "被执行人类型": "自然人",
        "被执行人统一社会信用代码": SYNTHETIC_CITIZEN_IDS[0],
        "法定代表人或者负责人": "",
    }


def _exit(listing: dict[str, str], why: str, day: date) -> dict[str, str]:
    names = ("执行法院统一社会信用代码", "案号", "被执行人名称", "被执行人统一社会信用代码")
    return {**{name: listing[name] for name in names}, "退出原因": why, "退出日期": day.isoformat()}


# --- commitments ---------------------------------------------------------------------------------

_MADE: Final = {date(2026, 9, 15): 8, date(2026, 9, 18): 6, date(2026, 9, 24): 5}
_PERFORMED: Final = {
    date(2026, 9, 22): (1, 3, 5),
    date(2026, 9, 29): (9, 10),
    date(2026, 10, 9): (6,),
}
"""Day → which of the commitments are recognised as performed."""
_NOT_KEPT: Final = 2
_IN_PART: Final = 10
_RESTRICTED: Final = 4
_MATTERS: Final = (
    ("办理食品经营许可", "三十日内补齐从业人员健康证明", "撤销许可并记入信用记录"),
    ("办理小餐饮登记", "两个月内完成油烟净化设施改造", "撤销登记"),
    ("办理特种设备使用登记", "按期提交定期检验报告", "停止使用并撤销登记"),
)
_PROMISED: Final = date(2026, 12, 31)


def _commitment_files() -> list[FamilyFile]:
    companies = _companies("commitments", sum(_MADE.values()))
    made: list[dict[str, str]] = []
    files = []
    for day, count in _MADE.items():
        file = _commitment_file(day, time(10, 20))
        for company in companies[len(made) : len(made) + count]:
            noted = ("SHOWN_IN_PART_BY_DECLARATION",) if len(made) == _RESTRICTED else ()
            made.append(_commitment(company, len(made), day))
            file.rows.append(FamilyRow(made[-1], reasons=noted))
        files.append(file)
    for day, numbers in _PERFORMED.items():
        file = _commitment_file(day, time(15, 10))
        file.rows = [FamilyRow(_performed(made[number], number, day)) for number in numbers]
        files.append(file)
    return files


def _commitment_file(day: date, at: time) -> FamilyFile:
    return FamilyFile(MARKET.id, MARKET.id, "commitments", "commitments", day, at)


def _commitment(company: Subject, number: int, day: date) -> dict[str, str]:
    matter, content, liability = Dice(f"commitment {number}").pick(_MATTERS)
    authority = MARKET.authorities[0]
    return {
        "承诺编码": f"330900{day:%Y%m%d}{number + 1:06d}",
        "承诺人名称": company.name,
        "承诺人类别": company.category,
        "承诺人代码": company.credit_code,
        "承诺类型": "容缺受理型",
        "承诺事由": matter,
        "承诺内容": content,
        "违诺责任": liability,
        "承诺作出日期": day.isoformat(),
        "承诺有效期": (DUE_ON if number == _NOT_KEPT else _PROMISED).isoformat(),
        "承诺履行状态": "",
        "未履行的承诺内容": "",
        "违诺责任追究内容": "",
        "承诺履行状态认定日期": "",
        "承诺履行状态认定单位": "",
        "承诺履行状态认定单位代码": "",
        "承诺受理单位": authority.name,
        "承诺受理单位代码": authority.code,
        "公开类型": "特定范围内公开" if number == _RESTRICTED else "可向社会公开",
        "备注": "",
    }


def _performed(made: dict[str, str], number: int, day: date) -> dict[str, str]:
    in_part = number == _IN_PART
    return made | {
        "承诺履行状态": "部分履行" if in_part else "全部履行",
        "未履行的承诺内容": "检验报告逾期未交" if in_part else "",
        "违诺责任追究内容": "责令限期补交" if in_part else "",
        "承诺履行状态认定日期": day.isoformat(),
        "承诺履行状态认定单位": made["承诺受理单位"],
        "承诺履行状态认定单位代码": made["承诺受理单位代码"],
    }


# --- how many decisions were made ----------------------------------------------------------------

_KIND_ZH: Final[dict[Table, str]] = {"licence": "行政许可", "penalty": "行政处罚"}


def _count_files(book: DatasetFiles) -> list[FamilyFile]:
    """What the departments declare in October for September; one of them does not."""
    files = []
    for department in DEPARTMENTS:
        if department.id == WITHOUT_COUNT:
            continue
        decisions = _decisions(book, department.id)
        authority = department.authorities[0]
        file = FamilyFile(
            department.id, department.id, "output-counts", "output-counts",
            date(2026, 10, 8), time(16, 40),
        )  # fmt: skip
        for table, label in _KIND_ZH.items():
            produced = decisions[table] + _UNSENT.get(department.id, 2)
            file.rows.append(FamilyRow(_count(authority, label, produced)))
        files.append(file)
    court = FamilyFile(
        COURT_ID, COURT_ID, "output-counts", "output-counts", date(2026, 10, 8), time(16, 50)
    )
    listed = sum(count for day, count in _LISTED.items() if f"{day:%Y-%m}" == COUNTED_MONTH) + 2
    court.rows.append(FamilyRow(_count(COURT, "失信被执行人", listed)))
    return [*files, court]


def _count(authority: Authority, label: str, produced: int) -> dict[str, str]:
    return {
        "月份": COUNTED_MONTH,
        "信息类型": label,
        "产生数量": str(produced),
        "机关名称": authority.name,
        "机关代码": authority.code,
        "单位统一社会信用代码": authority.code,
    }


def _decisions(book: DatasetFiles, department: str) -> Counter[Table]:
    """Different decisions of the month in the department's own files, by table."""
    found: set[tuple[Table, str, str, str]] = set()
    for file in book.files:
        if file.department.id != department or file.folder not in FOLDERS.values():
            continue
        for row in file.rows:
            day = read_day(row.get("JDRQ")) or file.dropped_on
            if f"{day:%Y-%m}" == COUNTED_MONTH:
                number, name, code = map(folded, map(row.get, ("WSH", "XDR_MC", "XDR_SHXYM")))
                found.add((row.table, number, name, code))
    return Counter(table for table, *_ in found)


# --- the case system's table ---------------------------------------------------------------------

RECORD_ID: Final = "编号"
"""What names a row of the table: its export and its line."""
STATE: Final = "状态"
REASON_CHANGED: Final = "更正原因"
REASON_REVOKED: Final = "撤销原因"


def _change_files(book: DatasetFiles) -> list[FamilyFile]:
    """A clerk mends two rows of the table and revokes one, each some days after it was written."""
    found = book.unused("case table changed", 3, lambda _, file: file.has_own_layout, early=True)
    files = []
    for number, (source, row) in enumerate(found):
        day = book.later_day(source, 2 + number)
        name = source.path.rpartition("/")[2].removesuffix("-penalties.csv")
        cells = {RECORD_ID: f"{name}-{source.rows.index(row) + 2}", "数据版本": "2"}
        change = (
            FamilyRow(
                cells | {"说明": "决定书送达日期更正", REASON_CHANGED: "录入有误"}, "corrected"
            )
            if number
            else FamilyRow(cells | {STATE: "撤销", REASON_REVOKED: "复议撤销"}, "withdrawn")
        )
        files.append(
            FamilyFile(
                TRANSPORT.id, source.inbox, CHANGES, CHANGES, day, time(16, 5 + number), [change]
            )
        )
    return files
