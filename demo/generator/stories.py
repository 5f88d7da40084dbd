"""Quirks that need more than one row: re-sent, corrected, withdrawn, restored, in conflict, mended.

Each story takes rows nobody uses, adds what the department sends later, and notes on every added
row what the hub must answer. Order in time is the point, so additions stand in later files.
"""

from collections.abc import Callable
from datetime import date, time
from typing import Final

from demo.generator.book import DatasetFiles, Found
from demo.generator.columns import DECIDED_BY, PREVIOUS, REASON, WITHDRAWAL
from demo.generator.departments import DEPARTMENTS, EMERGENCY, HOUSING, MARKET
from demo.generator.dice import Dice
from demo.generator.faults import SPOILS
from demo.generator.identities import (
    PERSON,
    SYNTHETIC_CITIZEN_IDS,
    UNKNOWN_REGIONS,
    credit_code,
    organisation_code,
)
from demo.generator.rows import FileToDrop, Row, styled_date

Story = Callable[[DatasetFiles, str, int], None]
_KIND_ZH: Final = {"licence": "行政许可", "penalty": "行政处罚"}
_EXPORT: Final = "-full"
"""How the name of a full export ends."""
_EXPORTED_ON: Final = date(2026, 9, 30)
_FIRST_EXPORTED, _LAST_EXPORTED = date(2026, 9, 14), date(2026, 9, 18)
"""Days of which a full export brings everything again."""
_DECIDED_LONG_AGO: Final = date(2026, 6, 8)
"""A penalty can be repaired three months after its decision, at the earliest."""
_BRACKET_PAIRS: Final = ("〔〕", "[]", "【】", "（）", "﹝﹞", "()")


def _anything(row: Row, file: FileToDrop) -> bool:
    """Any ordinary row whose later letters go to the same inbox (and so the same stream)."""
    del row
    return not file.has_own_layout


def _without_finding(row: Row, file: FileToDrop) -> bool:
    """A row about which the hub has nothing to say."""
    return row.get("XDR_SHXYM")[2:8] not in UNKNOWN_REGIONS and not file.has_own_layout


def _other_content(row: Row) -> None:
    """Change the content, not the identity."""
    row.set("NR", row.get("NR") + "（以决定书为准）")


def row_twice_in_file(book: DatasetFiles, quirk: str, count: int) -> None:
    """The same row again, further down in the same file."""
    for file, row in book.unused(quirk, count, _anything):
        again = row.copy()
        again.expect(quirk, "duplicate", "SAME_AS_LIVE")
        file.rows.append(again)


def row_sent_again(book: DatasetFiles, quirk: str, count: int) -> None:
    """The same row once more, some days later."""
    dice = Dice(quirk)
    for file, row in book.unused(quirk, count, lambda *_: True, early=True):
        again = row.copy()
        again.expect(quirk, "duplicate", "SAME_AS_LIVE")
        book.later_file(file, dice.between(1, 5)).rows.append(again)


def row_in_other_notation(book: DatasetFiles, quirk: str, count: int) -> None:
    """The same decision with other brackets and blanks in number and name."""
    dice = Dice(quirk)

    def wanted(row: Row, file: FileToDrop) -> bool:
        return _anything(row, file) and any(pair[0] in row.get("WSH") for pair in _BRACKET_PAIRS)

    for file, row in book.unused(quirk, count, wanted, early=True):
        again = row.copy()
        number = row.get("WSH")
        for opening, closing in _BRACKET_PAIRS:
            number = number.replace(opening, "\x01").replace(closing, "\x02")
        opening, closing = dice.pick(
            [pair for pair in _BRACKET_PAIRS if pair[0] not in row.get("WSH")]
        )
        again.set("WSH", number.replace("\x01", f"{opening} ").replace("\x02", closing))
        again.expect(quirk, "duplicate", "SAME_AS_LIVE")
        book.later_file(file, dice.between(1, 4)).rows.append(again)


def file_sent_again(book: DatasetFiles, quirk: str, count: int) -> None:
    """A whole file once more under another name."""
    for number in range(count):
        department = DEPARTMENTS[2 + number]
        file = next(
            file
            for file in book.files
            if file.department is department
            and file.folder == "licences"
            and not any(row.in_use for row in file.rows)
        )
        again = FileToDrop(
            department, "licences", "licence", book.later_day(file, 4), time(10, 0), [], "-again",
            file.blank_rows,
        )  # fmt: skip
        for row in file.rows:
            row.in_use = True
            copy = row.copy()
            copy.expect(quirk, "duplicate", "SAME_AS_LIVE")
            again.rows.append(copy)
        book.files.append(again)


def file_broken(book: DatasetFiles, quirk: str, count: int) -> None:
    """A workbook that was cut short while it was copied."""
    for number in range(count):
        file = FileToDrop(
            DEPARTMENTS[4],
            "licences",
            "licence",
            date(2026, 9, 22 + number),
            time(11, 58),
            [],
            "-cut",
        )
        file.is_broken = True
        row = Row("licence", {}, raw_cells=())
        row.expect(quirk, "quarantined", "FILE_BROKEN")
        file.rows.append(row)
        book.files.append(file)


def file_on_day_off(book: DatasetFiles, quirk: str, count: int) -> None:
    """An exporting program does not know 国庆节: rows of 30 September are sent on 3 October."""
    department = DEPARTMENTS[2]
    for _ in range(count):
        source = next(
            file
            for file in book.files
            if file.department is department
            and file.folder == "licences"
            and file.dropped_on == date(2026, 9, 30)
        )
        half = len(source.rows) // 2
        moved, source.rows = source.rows[half:], source.rows[:half]
        for row in moved:
            row.expect(quirk, "accepted")
        book.files.append(
            FileToDrop(department, "licences", "licence", date(2026, 10, 3), time(9, 30), moved)
        )


def person_table(book: DatasetFiles, quirk: str, count: int) -> None:
    """A file in the layout for natural persons."""
    dice = Dice(quirk)
    model = next(f for f in book.files if f.department is MARKET and f.folder == "licences")
    file = FileToDrop(
        MARKET, "licences", "licence", date(2026, 9, 23), time(16, 20), [], "-persons", persons=True
    )
    for serial in range(count):
        row = model.rows[serial].copy()
        row.set("XDR_MC", "示例" + dice.pick("甲乙丙丁"))
        row.set("XDR_LB", PERSON)
        row.cells["XK_XDR_ZJLX"] = "身份证"
        row.cells["XK_XDR_ZJHM"] = dice.pick(SYNTHETIC_CITIZEN_IDS)
        row.set("WSH", f"(屿)人许字〔2026〕第{serial + 1}号")
        row.expect(quirk, "quarantined", "PERSON_NOT_ENABLED")
        file.rows.append(row)
    book.files.append(file)


def foreign_authority(book: DatasetFiles, quirk: str, count: int) -> None:
    """A department submits for another department's authority."""
    for _, row in book.unused(quirk, count, lambda _, file: file.department is not HOUSING):
        authority = HOUSING.authorities[0]
        name = "XKJG" if row.table == "licence" else "CFJG"
        row.set(name, authority.name)
        row.set(name + "DM", authority.code)
        row.expect(quirk, "quarantined", "FOREIGN_AUTHORITY")


def _correct(book: DatasetFiles, found: Found, quirk: str, outcome: str, *reasons: str) -> Row:
    """Add a correction of the row some days later; returns it to be changed."""
    file, row = found
    again = row.copy()
    again.extra[REASON] = "录入有误，现予更正"
    again.expect(quirk, outcome, *reasons)
    days = Dice(f"{quirk} {row.get('WSH')}").between(1, 5)
    letter = book.letter(file.department, "corrections", row.table, book.later_day(file, days))
    letter.rows.append(again)
    return again


def corrected(book: DatasetFiles, quirk: str, count: int) -> None:
    """A declared correction of the content."""
    for found in book.unused(quirk, count, _without_finding, early=True):
        _other_content(_correct(book, found, quirk, "corrected"))


def corrected_number(book: DatasetFiles, quirk: str, count: int) -> None:
    """A correction that changes the document number and names the old one."""
    for found in book.unused(quirk, count, _without_finding, early=True):
        row = _correct(book, found, quirk, "withdrawn+held")
        row.extra[PREVIOUS["previous_document_number"]] = row.get("WSH")
        row.set("WSH", row.get("WSH") + "-1")


def corrected_name(book: DatasetFiles, quirk: str, count: int) -> None:
    """A correction that changes the name and names the old one: it is the company it was."""
    for found in book.unused(quirk, count, _without_finding, early=True):
        row = _correct(book, found, quirk, "corrected")
        row.extra[PREVIOUS["previous_subject_name"]] = row.get("XDR_MC")
        row.set("XDR_MC", row.get("XDR_MC") + "分公司")


def corrected_code(book: DatasetFiles, quirk: str, count: int) -> None:
    """A correction that changes the credit code and names the old one."""
    dice = Dice(quirk)
    for found in book.unused(quirk, count, _is_company, early=True):
        row = _correct(book, found, quirk, "withdrawn+held")
        row.extra[PREVIOUS["previous_credit_code"]] = row.get("XDR_SHXYM")
        row.set("XDR_SHXYM", _another_code(dice))


def corrected_bad_code(book: DatasetFiles, quirk: str, count: int) -> None:
    """A quarantined row with an old registration number; the correction brings the right code."""
    dice = Dice(quirk)
    for file, row in book.unused(quirk, count, _is_company, early=True):
        right = row.get("XDR_SHXYM")
        SPOILS["code_15_digits"](row, file, dice)
        row.expect("code_15_digits", "quarantined", "CREDIT_CODE_LENGTH")
        again = _correct(book, (file, row), quirk, "withdrawn+held")
        again.extra[PREVIOUS["previous_credit_code"]] = row.get("XDR_SHXYM")
        again.set("XDR_SHXYM", right)


def corrected_unknown(book: DatasetFiles, quirk: str, count: int) -> None:
    """A correction of a document nobody has sent."""
    for found in book.unused(quirk, count, _anything, early=True):
        row = _correct(book, found, quirk, "held", "WAITING_FOR_RECORD")
        row.set("WSH", "屿补〔2025〕" + row.get("WSH")[-5:])


def corrected_nothing(book: DatasetFiles, quirk: str, count: int) -> None:
    """A correction equal to the record as it stands."""
    for found in book.unused(quirk, count, _anything, early=True):
        _correct(book, found, quirk, "duplicate", "SAME_AS_LIVE")


def corrected_without_reason(book: DatasetFiles, quirk: str, count: int) -> None:
    """A correction that does not say why."""
    for found in book.unused(quirk, count, _anything, early=True):
        row = _correct(book, found, quirk, "quarantined", "CORRECTION_WITHOUT_REASON")
        _other_content(row)
        row.extra[REASON] = ""


def _withdraw(
    book: DatasetFiles, found: Found, quirk: str, outcome: str, *reasons: str, days: int
) -> Row:
    """Add a withdrawal of the row some working days later."""
    file, row = found
    letter = book.letter(file.department, "withdrawals", row.table, book.later_day(file, days))
    authority = row.get("XKJGDM") if row.table == "licence" else row.get("CFJGDM")
    values = {
        "document_number": row.get("WSH"),
        "subject_name": row.get("XDR_MC"),
        "credit_code": row.get("XDR_SHXYM"),
        "subject_kind": _KIND_ZH[row.table],
        "authority_code": authority,
        "reason": "决定已依法撤销",
    }
    taken = Row(row.table, {}, extra={WITHDRAWAL[name]: value for name, value in values.items()})
    taken.expect(quirk, outcome, *reasons)
    letter.rows.append(taken)
    return taken


def withdrawn(book: DatasetFiles, quirk: str, count: int) -> None:
    """A withdrawal by letter."""
    dice = Dice(quirk)
    for found in book.unused(quirk, count, _anything, early=True):
        _withdraw(book, found, quirk, "withdrawn", days=dice.between(1, 6))


def withdrawn_by_status(book: DatasetFiles, quirk: str, count: int) -> None:
    """The row again with 当前状态 2."""
    dice = Dice(quirk)
    for file, row in book.unused(quirk, count, _is_licence, early=True):
        again = row.copy()
        again.set("ZT", "2" if file.department.style.digits else "无效")
        again.expect(quirk, "withdrawn")
        book.later_file(file, dice.between(1, 5)).rows.append(again)


def withdrawn_unknown(book: DatasetFiles, quirk: str, count: int) -> None:
    """A withdrawal of a document nobody has sent."""
    for found in book.unused(quirk, count, _anything, early=True):
        row = _withdraw(book, found, quirk, "held", "WAITING_FOR_RECORD", days=2)
        row.extra[WITHDRAWAL["document_number"]] = "屿补〔2025〕" + found[1].get("WSH")[-5:]


def withdrawn_twice(book: DatasetFiles, quirk: str, count: int) -> None:
    """A second withdrawal of the same record."""
    for found in book.unused(quirk, count, _anything, early=True):
        _withdraw(book, found, "withdrawn", "withdrawn", days=1)
        _withdraw(book, found, quirk, "duplicate", "ALREADY_WITHDRAWN", days=3)


def withdrawn_then_sent(book: DatasetFiles, quirk: str, count: int) -> None:
    """Withdrawn, and later sent again without saying that it is restored."""
    for file, row in book.unused(quirk, count, _without_finding, early=True):
        _withdraw(book, (file, row), "withdrawn", "withdrawn", days=1)
        again = row.copy()
        again.expect(quirk, "duplicate", "SAME_AS_WITHDRAWN")
        book.later_file(file, 4).rows.append(again)


def repaired_then_exported(book: DatasetFiles, quirk: str, count: int) -> None:
    """Shown, repaired and taken down; the next full export brings the same row again."""
    for file, row in _repairable(book, quirk, count):
        _repair(book, file, row, days=6)
        again = row.copy()
        again.expect(quirk, "duplicate", "SAME_AS_WITHDRAWN")
        _full_export(book).rows.append(again)


def restored(book: DatasetFiles, quirk: str, count: int) -> None:
    """Repaired on false papers: taken down, then shown again by a decision of its own."""
    for file, row in _repairable(book, quirk, count):
        _repair(book, file, row, days=5)
        again = row.copy()
        again.extra |= {REASON: "修复申请材料虚假，恢复公示", DECIDED_BY: row.get("CFJG")}
        again.expect(quirk, "accepted")
        day = book.later_day(file, 10)
        book.letter(file.department, "restorations", row.table, day).rows.append(again)
        _export(book, row)


def full_export(book: DatasetFiles, quirk: str, count: int) -> None:
    """Everything of the first week that stands as it was sent, once more in one file."""
    del quirk, count
    for file in list(book.files):
        for row in file.rows:
            if _is_exported(row, file) and not row.in_use:
                row.in_use = True
                _export(book, row)


def _export(book: DatasetFiles, row: Row) -> None:
    again = row.copy()
    again.expect(full_export.__name__, "duplicate", "SAME_AS_LIVE")
    _full_export(book).rows.append(again)


def _full_export(book: DatasetFiles) -> FileToDrop:
    """The full export of one department's penalties at the end of the month."""
    known = next((file for file in book.files if file.suffix == _EXPORT), None)
    if known is None:
        known = FileToDrop(
            EMERGENCY, "penalties", "penalty", _EXPORTED_ON, time(17, 30), [], _EXPORT
        )
        book.files.append(known)
    return known


def _is_exported(row: Row, file: FileToDrop) -> bool:
    return (
        file.department is EMERGENCY
        and file.folder == "penalties"
        and _FIRST_EXPORTED <= file.dropped_on <= _LAST_EXPORTED
        and not file.suffix
        and _without_finding(row, file)
    )


def _repairable(book: DatasetFiles, quirk: str, count: int) -> list[Found]:
    """Penalties of the first day, decided three months before: late, and ripe for repair."""

    def wanted(row: Row, file: FileToDrop) -> bool:
        is_first = file.dropped_on == _FIRST_EXPORTED
        return is_first and _is_exported(row, file) and row.get("YZCD") != "严重"

    found = book.unused(quirk, count, wanted)
    for file, row in found:
        style = file.department.style.dates
        row.set("JDRQ", styled_date(_DECIDED_LONG_AGO.isoformat(), style))
        row.set("GSJZQ", styled_date(f"{_DECIDED_LONG_AGO.year + 1}-06-08", style))
        row.expect("late_penalty", "accepted")
    return found


def _repair(book: DatasetFiles, file: FileToDrop, row: Row, days: int) -> None:
    taken = _withdraw(book, (file, row), "withdrawn", "withdrawn", days=days)
    taken.extra[REASON] = "信用修复，提前终止公示"


def changed_undeclared(book: DatasetFiles, quirk: str, count: int) -> None:
    """The same identity with other content, in the ordinary folder."""
    dice = Dice(quirk)
    for file, row in book.unused(quirk, count, _anything, early=True):
        again = row.copy()
        _other_content(again)
        again.expect(quirk, "conflicting", "UNDECLARED_CHANGE")
        book.later_file(file, dice.between(1, 5)).rows.append(again)


def certificate_of_several_items(book: DatasetFiles, quirk: str, count: int) -> None:
    """One certificate number for several qualifications: the number alone is no key."""
    items = (
        "建筑装修装饰工程专业承包一级",
        "建筑幕墙工程专业承包二级",
        "市政公用工程施工总承包二级",
    )
    found = book.unused(
        quirk, count, lambda row, file: file.department is HOUSING and _is_licence(row, file)
    )
    for serial, (file, row) in enumerate(found):
        row.set("XKWS", "建筑业企业资质决定书")
        row.set("XKZS", "建筑业企业资质证书")
        row.set("WSH", f"D3339{serial + 1:05d}")
        row.set("NR", items[0])
        for item in items[1 : 2 + serial % 2]:
            again = row.copy()
            again.set("NR", item)
            again.expect(quirk, "conflicting", "UNDECLARED_CHANGE")
            file.rows.insert(file.rows.index(row) + 1, again)


def older_version(book: DatasetFiles, quirk: str, count: int) -> None:
    """Version 2 of a case arrives; later a repeated export brings version 1."""
    for file, row in book.unused(quirk, count, lambda _, file: file.has_own_layout, early=True):
        again = row.copy()
        again.set("NR", row.get("NR") + "（初稿）")
        row.extra["version"] = "2"
        again.extra["version"] = "1"
        again.expect(quirk, "superseded", "OLDER_THAN_LIVE")
        book.later_file(file, 2).rows.append(again)


def mended_and_sent(book: DatasetFiles, quirk: str, count: int) -> None:
    """A row is quarantined, the clerk mends it and sends it with the next days' file."""
    dice = Dice(quirk)
    faults = ("date_month_only", "code_check_digit", "required_missing", "date_missing")
    reasons = {
        "date_month_only": "DATE_UNREADABLE",
        "code_check_digit": "CREDIT_CODE_CHECK_DIGIT",
        "required_missing": "FIELD_REQUIRED",
        "date_missing": "FIELD_REQUIRED",
    }
    for file, row in book.unused(quirk, count, _without_finding, early=True):
        mended = row.copy()
        mended.expect(quirk, "accepted")
        fault = dice.pick(faults)
        SPOILS[fault](row, file, dice)
        row.expect(fault, "quarantined", reasons[fault])
        book.later_file(file, dice.between(1, 3)).rows.append(mended)


def document_under_two_codes(book: DatasetFiles, quirk: str, count: int) -> None:
    """The same document and name come again under another code: only an identity index sees it."""
    dice = Dice(quirk)
    for file, row in book.unused(quirk, count, _is_company, early=True):
        again = row.copy()
        again.set("XDR_SHXYM", _another_code(dice))
        again.expect(quirk, "accepted")
        book.later_file(file, 3).rows.append(again)


def number_two_subjects(book: DatasetFiles, quirk: str, count: int) -> None:
    """One decision about two subjects: both are records of their own."""
    dice = Dice(quirk)
    for file, row in book.unused(quirk, count, _is_company):
        other = row.copy()
        other.set("XDR_SHXYM", _another_code(dice))
        other.set("XDR_MC", row.get("XDR_MC") + "第二分公司")
        other.expect(quirk, "accepted")
        file.rows.append(other)


def _is_licence(row: Row, file: FileToDrop) -> bool:
    return row.table == "licence" and _without_finding(row, file)


def _is_company(row: Row, file: FileToDrop) -> bool:
    return row.get("XDR_SHXYM").startswith("91") and _without_finding(row, file)


def _another_code(dice: Dice) -> str:
    """A code of nobody else in the data set: bodies `MA1…` are for stories alone."""
    return credit_code("91", "330902", organisation_code(f"MA1{dice.between(0, 99999):05d}"))


STORIES: Final[dict[str, Story]] = {
    story.__name__: story
    for story in (
        file_sent_again, file_on_day_off, file_broken, person_table, foreign_authority,
        row_twice_in_file, row_sent_again, row_in_other_notation, number_two_subjects,
        corrected, corrected_number, corrected_name, corrected_code, corrected_bad_code,
        corrected_unknown, corrected_nothing, corrected_without_reason, withdrawn,
        withdrawn_by_status, withdrawn_unknown,
        withdrawn_twice, withdrawn_then_sent, changed_undeclared, certificate_of_several_items,
        older_version, mended_and_sent, document_under_two_codes,
    )
}  # fmt: skip
LAST_STORIES: Final[dict[str, Story]] = {
    story.__name__: story for story in (repaired_then_exported, restored, full_export)
}
"""Stories about rows that nothing else has happened to: they choose last."""
