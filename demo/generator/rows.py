"""Rows and files of the data set before they are written, and the ordinary rows among them."""

from dataclasses import dataclass, field
from datetime import date, time, timedelta
from typing import Final, Literal

from demo.generator.columns import Table
from demo.generator.departments import (
    PLACES,
    Authority,
    DateStyle,
    DepartmentPlan,
    PenaltyText,
)
from demo.generator.dice import Dice
from demo.generator.identities import Subject
from demo.generator.working_days import (
    business_ms,
    days,
    is_working,
    working_days_before,
)

Folder = Literal["licences", "penalties", "corrections", "withdrawals", "restorations"]
PREFIX: Final[dict[Table, str]] = {"licence": "XK", "penalty": "CF"}
FOLDERS: Final[dict[Table, Folder]] = {"licence": "licences", "penalty": "penalties"}
LONG_TERM: Final = "2099-12-31"
# Of 15 real penalty numbers 12 hold a year: five in 〔〕, three in [], one each in the other four.
_BRACKETS: Final = (
    (("〔", "〕"), 5),
    (("[", "]"), 3),
    (("【", "】"), 1),
    (("（", "）"), 1),
    (("﹝", "﹞"), 1),
    (("(", ")"), 1),
)
_OPENING: Final = "〔[【（﹝("
_CLOSING: Final = "〕]】）﹞)"
_INNER_BLANK_SHARE: Final = 1 / 15
_NEXT_YEAR: Final = timedelta(days=365)


@dataclass(slots=True)
class Row:
    """One row as a clerk sends it; `cells` by national code, texts as they will be written."""

    table: Table
    cells: dict[str, str]
    quirks: list[str] = field(default_factory=list)
    outcome: str = "accepted"
    reasons: list[str] = field(default_factory=list)
    in_use: bool = False
    """Part of a story (a fault, a re-sent row, a correction): not to be used for another."""
    extra: dict[str, str] = field(default_factory=dict)
    """Columns beside the national ones, by header: reason, previous identity, version."""
    raw_cells: tuple[str, ...] | None = None
    """Cells to write in place of all others, in the file's column order and beyond."""

    def get(self, name: str) -> str:
        """A cell by its code without the table's prefix, such as `WSH`."""
        return self.cells.get(f"{PREFIX[self.table]}_{name}", "")

    def set(self, name: str, value: str) -> None:
        """Write a cell by its code without the table's prefix."""
        self.cells[f"{PREFIX[self.table]}_{name}"] = value

    def copy(self) -> "Row":
        """The same content, sent once more; nothing of the story."""
        return Row(self.table, dict(self.cells), extra=dict(self.extra), in_use=True)

    def expect(self, quirk: str, outcome: str, *reasons: str) -> None:
        """Note what the row is an example of, and what the hub should answer."""
        self.quirks.append(quirk)
        self.outcome = outcome
        self.reasons.extend(reasons)
        self.in_use = True


@dataclass(slots=True)
class FileToDrop:
    """One file and the moment the department drops it."""

    department: DepartmentPlan
    folder: Folder
    table: Table
    dropped_on: date
    dropped_at: time
    rows: list[Row]
    suffix: str = ""
    blank_rows: int = 0
    is_broken: bool = False
    persons: bool = False
    """Whether the file is in the 自然人 layout."""

    @property
    def has_own_layout(self) -> bool:
        """Whether the columns are those of the department's case system."""
        return self.department.style.own_penalties and self.folder == "penalties"

    @property
    def inbox(self) -> str:
        """The folder the department drops into; a case system has one of its own."""
        return self.department.id + ("-cases" if self.has_own_layout else "")

    @property
    def path(self) -> str:
        """Place below the inboxes; the name begins with the drop time, so names sort by time."""
        stamp = f"{self.dropped_on:%Y%m%d}T{self.dropped_at:%H%M}"
        name = f"{stamp}-{FOLDERS[self.table]}{self.suffix}.{self.department.style.form}"
        return f"{self.inbox}/{self.folder}/{name}"

    @property
    def drop_at(self) -> int:
        """Drop time in business milliseconds."""
        return business_ms(self.dropped_on, self.dropped_at)


def styled_date(iso: str, style: DateStyle) -> str:
    """An ISO date in the way a department's software writes it."""
    if style == "/short":
        year, month, day = iso.split("-")
        return f"{year}/{int(month)}/{int(day)}"
    return iso.replace("-", style)


def styled_number(dice: Dice, number: str) -> str:
    """The same number in one of the six bracket styles, sometimes with blanks inside."""
    start = number.find("2026")
    if start < 1 or number[start - 1] not in _OPENING:
        return number
    opening, closing = dice.weighted(_BRACKETS)
    blank = " " if dice.happens(_INNER_BLANK_SHARE) else ""
    end = start + len("2026") + 1
    return f"{number[: start - 1]}{opening}{blank}2026{blank}{closing}{number[end:]}"


def ordinary_files(department: DepartmentPlan, subjects: list[Subject]) -> list[FileToDrop]:
    """The department's daily files over four weeks, without any fault."""
    dice = Dice(f"ordinary {department.id}")
    clerk = _Clerk(department, subjects, dice)
    files = []
    for day in days():
        if not is_working(day):
            continue
        morning = time(dice.between(9, 11), dice.between(0, 59))
        licences = [
            clerk.licence(day) for _ in range(dice.between(*_around(department.licences_a_day)))
        ]
        files.append(FileToDrop(department, "licences", "licence", day, morning, licences))
        afternoon = time(dice.between(14, 16), dice.between(0, 59))
        penalties = [
            clerk.penalty(day) for _ in range(dice.between(*_around(department.penalties_a_day)))
        ]
        files.append(FileToDrop(department, "penalties", "penalty", day, afternoon, penalties))
    for file in files:
        file.blank_rows = department.style.blank_rows
    return files


def _around(rate: int) -> tuple[int, int]:
    return rate - rate // 4, rate + rate // 4


class _Clerk:
    """Writes the ordinary rows of one department, numbering its documents."""

    def __init__(self, department: DepartmentPlan, subjects: list[Subject], dice: Dice) -> None:
        self.department = department
        self.subjects = subjects
        self.dice = dice
        self.serial = 100
        self.permitted: set[str] = set()

    def licence(self, dropped_on: date) -> Row:
        """A licence decided a few days before it is sent."""
        subject = self._subject()
        text = self.dice.pick(self.department.licences)
        if "{code}" in text.number and subject.credit_code in self.permitted:
            text = self.department.licences[1]  # a discharge permit is given once
        self.permitted.add(subject.credit_code)
        authority = self._authority()
        self.serial += 1
        number = text.number.format(n=self.serial, code=subject.credit_code)
        decided_on = self._decided_on(dropped_on)
        row = Row("licence", {})
        self._subject_cells(row, subject)
        row.set("XKWS", text.title)
        row.set("WSH", styled_number(self.dice, number))
        row.set("XKLB", self._coded(text.category, _LICENCE_DIGITS))
        row.set("XKZS", text.certificate)
        row.set("NR", self._filled(text.content))
        self._date(row, "JDRQ", decided_on)
        self._date(row, "YXQZ", decided_on)
        self._date(row, "YXQZI", _years_later(decided_on, text.years))
        row.set("ZT", self._coded("有效", {"有效": "1"}))
        self._authority_cells(row, authority, "XKJG", "LYDW")
        return row

    def penalty(self, dropped_on: date) -> Row:
        """A penalty decided a few days before it is sent."""
        subject = self._subject()
        text = self.dice.pick(self.department.penalties)
        authority = self._authority()
        self.serial += 1
        decided_on = self._decided_on(dropped_on)
        row = Row("penalty", {})
        self._subject_cells(row, subject)
        row.set(
            "WSH", styled_number(self.dice, self.department.penalty_number.format(n=self.serial))
        )
        self._offence(row, text)
        self._date(row, "JDRQ", decided_on)
        self._date(row, "YXQ", LONG_TERM)
        self._authority_cells(row, authority, "CFJG", "SJLY")
        serious = self.dice.happens(0.03)
        self._date(row, "GSJZQ", _years_later(decided_on, 3 if serious else 1))
        if self.dice.happens(0.5):
            row.set("AJCXLB", self._coded("一般", {"一般": "02"}))
            row.set("YZCD", "严重" if serious else "一般")
        return row

    def _offence(self, row: Row, text: PenaltyText) -> None:
        row.set("WFXW", text.offence)
        row.set("SY", self._filled(text.facts))
        row.set("YJ", text.basis)
        fine = self.dice.pick(_FINES)
        form = self.dice.weighted(
            (("fine", 70), ("fine and gains", 15), ("warning", 10), ("revoked", 5))
        )
        if form == "warning":
            row.set("CFLB", "警告")
            row.set("NR", "警告")
            return
        row.set("NR_FK", fine)
        row.set("CFLB", "罚款")
        row.set("NR", f"罚款人民币{fine}万元")
        if form == "fine and gains":
            gains = self.dice.pick(_GAINS)
            row.set("CFLB", "罚款;没收违法所得、没收非法财物")
            row.set("NR_WFFF", gains)
            row.set("NR", f"1.没收违法所得{gains}万元；2.罚款人民币{fine}万元")
        elif form == "revoked":
            row.set("CFLB", "罚款;暂扣或者吊销许可证、暂扣或者吊销执照")
            row.set("NR_ZKDX", f"{self.department.licences[0].certificate} 屿字{self.serial}号")
            row.set("NR", f"1.罚款人民币{fine}万元；2.暂扣证照一个月")

    def _subject(self) -> Subject:
        """Few companies have many decisions, many have few."""
        count = len(self.subjects)
        return self.subjects[self.dice.below(count) * self.dice.below(count) // count]

    def _authority(self) -> Authority:
        authorities = self.department.authorities
        return authorities[0] if self.dice.happens(0.8) else authorities[-1]

    def _decided_on(self, dropped_on: date) -> date:
        back = self.dice.weighted(((0, 10), (1, 30), (2, 25), (3, 18), (4, 10), (5, 5), (6, 2)))
        return working_days_before(dropped_on, back)

    def _coded(self, label: str, digits: dict[str, str]) -> str:
        return digits[label] if self.department.style.digits else label

    def _filled(self, text: str) -> str:
        return text.format(place=self.dice.pick(PLACES), n=self.dice.between(2, 90))

    def _date(self, row: Row, name: str, day: date | str) -> None:
        iso = day if isinstance(day, str) else day.isoformat()
        row.set(name, styled_date(iso, self.department.style.dates))

    def _subject_cells(self, row: Row, subject: Subject) -> None:
        row.set("XDR_MC", subject.name)
        row.set("XDR_LB", subject.category)
        row.set("XDR_SHXYM", subject.credit_code)
        row.set("FRDB", subject.representative)

    def _authority_cells(self, row: Row, authority: Authority, decider: str, source: str) -> None:
        main = self.department.authorities[0]
        row.set(decider, authority.name)
        row.set(decider + "DM", authority.code)
        row.set(source, main.name)
        row.set(source + "DM", main.code)


_LICENCE_DIGITS: Final = {"普通": "0", "特许": "1", "认可": "2", "核准": "3", "登记": "4"}
_FINES: Final = (
    "0.1",
    "0.2",
    "0.5",
    "0.472875",
    "1",
    "1.2",
    "2",
    "3.5",
    "5",
    "10",
    "12.5",
    "20",
    "48.6",
)
_GAINS: Final = ("0.00495", "0.035", "0.1144", "0.111766", "1.08", "3.2")


def _years_later(day: date, years: int) -> date | str:
    """The last day of a term of whole years; 0 years is for the long term."""
    return LONG_TERM if years == 0 else day + years * _NEXT_YEAR
