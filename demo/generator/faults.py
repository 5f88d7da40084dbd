"""Faults of a single row: each function spoils one row as real rows are spoilt.

A function gets the row, the file it stands in and dice of its own; it changes cells and nothing
else. What the hub must answer is in the catalogue, not here.
"""

import re
from collections.abc import Callable
from datetime import date, time, timedelta
from typing import Final

from demo.generator.dice import Dice
from demo.generator.identities import (
    CITIZEN_ID_LIKE_CODE,
    INDIVIDUAL,
    LEGAL,
    PERSON,
    SYNTHETIC_CITIZEN_IDS,
    broken_inside,
    organisation_code,
    registration_number,
)
from demo.generator.rows import FileToDrop, Row, styled_date
from demo.generator.working_days import business_ms, is_working, working_days_before

Spoil = Callable[[Row, FileToDrop, Dice], None]
Fits = Callable[[Row, FileToDrop], bool]

_FULL_WIDTH: Final = {code: code + 0xFEE0 for code in range(0x30, 0x5B)}
_NUMBER: Final = re.compile(r"2026\W*(\d+)")
_LONGEST_REMARK: Final = 512
_MONTHS: Final = {"08": "Aug", "09": "Sep", "10": "Oct"}


def _put(name: str, value: str) -> Spoil:
    """Write one constant into one column."""

    def spoil(row: Row, file: FileToDrop, dice: Dice) -> None:
        del file, dice
        row.set(name, value)

    return spoil


def _code(make: Callable[[str, Dice], str]) -> Spoil:
    """Rewrite the credit code."""

    def spoil(row: Row, file: FileToDrop, dice: Dice) -> None:
        del file
        row.set("XDR_SHXYM", make(row.get("XDR_SHXYM"), dice))

    return spoil


def _wrong_check(code: str, dice: Dice) -> str:
    return code[:17] + dice.pick([sign for sign in "0123456789" if sign != code[17]])


def _old_organisation_number(_: str, dice: Dice) -> str:
    code = organisation_code(f"{dice.between(10000000, 79999999)}")
    return f"{code[:8]}-{code[8]}"


def _source_placeholder(row: Row, file: FileToDrop, dice: Dice) -> None:
    del file, dice
    row.set("LYDWDM" if row.table == "licence" else "SJLYDM", "00000000000000000X")


def _decision_date(text: Callable[[str], str]) -> Spoil:
    """Rewrite the decision date from its ISO form."""

    def spoil(row: Row, file: FileToDrop, dice: Dice) -> None:
        del dice
        row.set("JDRQ", text(working_days_before(file.dropped_on, 2).isoformat()))

    return spoil


def _chinese_date(iso: str) -> str:
    year, month, day = iso.split("-")
    return f"{year}年{int(month)}月{int(day)}日"


def _month_first(iso: str) -> str:
    year, month, day = iso.split("-")
    return f"{month}/{day}/{year}"


def _epoch_seconds(iso: str) -> str:
    """Midnight in Shanghai, as the monitoring service of the real sample wrote it."""
    return str(business_ms(date.fromisoformat(iso), time(0)) // 1000)


def _in_future(row: Row, file: FileToDrop, dice: Dice) -> None:
    day = file.dropped_on + timedelta(days=dice.between(3, 40))
    row.set("JDRQ", styled_date(day.isoformat(), file.department.style.dates))


def _ends_early(row: Row, file: FileToDrop, dice: Dice) -> None:
    day = file.dropped_on - timedelta(days=dice.between(200, 400))
    name = "YXQZI" if row.table == "licence" else "GSJZQ"
    row.set(name, styled_date(day.isoformat(), file.department.style.dates))


def _term_of_a_day(row: Row, file: FileToDrop, dice: Dice) -> None:
    del file, dice
    row.set("YXQZI", row.get("YXQZ"))


def _on_day_off(row: Row, file: FileToDrop, dice: Dice) -> None:
    del dice
    day = file.dropped_on - timedelta(days=1)
    while is_working(day):
        day -= timedelta(days=1)
    row.set("JDRQ", styled_date(day.isoformat(), file.department.style.dates))


def _late(row: Row, file: FileToDrop, dice: Dice) -> None:
    day = working_days_before(file.dropped_on, dice.between(8, 15))
    style = file.department.style.dates
    row.set("JDRQ", styled_date(day.isoformat(), style))
    if row.table == "licence":
        row.set("YXQZ", styled_date(day.isoformat(), style))


def _kind_of_penalty(category: str, *, content: str, fine: str | None = None) -> Spoil:
    """Another penalty category with its content, and a fine when one is given."""

    def spoil(row: Row, file: FileToDrop, dice: Dice) -> None:
        del file, dice
        row.set("CFLB", category)
        row.set("NR", content)
        for name in ("NR_FK", "NR_WFFF", "NR_ZKDX"):
            row.cells.pop(f"CF_{name}", None)
        if fine is not None:
            row.set("NR_FK", fine)

    return spoil


def _required_missing(row: Row, file: FileToDrop, dice: Dice) -> None:
    del file
    row.set(dice.pick(("NR", "XKWS", "XKJG") if row.table == "licence" else ("NR", "SY", "YJ")), "")


def _too_long(row: Row, file: FileToDrop, dice: Dice) -> None:
    del file, dice
    row.cells["BZ"] = ("办理经过：窗口收件，补正一次，现场核查。" * 30)[: _LONGEST_REMARK + 20]


def _formula(row: Row, file: FileToDrop, dice: Dice) -> None:
    del file
    row.cells["BZ"] = dice.pick(
        ('=HYPERLINK("http://example.invalid","详情")', "+1+1", "@SUM(A1:A9)")
    )


def _carriage_return(row: Row, file: FileToDrop, dice: Dice) -> None:
    del file, dice
    row.cells["BZ"] = "一次性告知_x000D_材料齐全"


def _several_lines(row: Row, file: FileToDrop, dice: Dice) -> None:
    del file, dice
    row.set("NR", f"1.{row.get('NR')}；\n2.按规定公示。")


def _damaged(row: Row, file: FileToDrop, dice: Dice) -> None:
    del file, dice
    row.set("NR", row.get("NR")[:2] + "\ufffd\ufffd" + row.get("NR")[3:])


def _citizen_id_in_facts(row: Row, file: FileToDrop, dice: Dice) -> None:
    del file
    number = dice.pick(SYNTHETIC_CITIZEN_IDS)
    row.set("SY", f"{row.get('SY')}。现场负责人甲子某（身份证号{number}）在场。")


def _optional_null(row: Row, file: FileToDrop, dice: Dice) -> None:
    del file, dice
    row.cells["BZ"] = "\\N"
    row.set("XDR_SWDJ", "\\N")


def _content_is_authority(row: Row, file: FileToDrop, dice: Dice) -> None:
    del file, dice
    row.set("NR", row.get("CFJG"))


def _person(row: Row, file: FileToDrop, dice: Dice) -> None:
    del file
    row.set("XDR_MC", "示例" + dice.pick("甲乙丙丁"))
    row.set("XDR_LB", PERSON)
    row.set("XDR_SHXYM", dice.pick(SYNTHETIC_CITIZEN_IDS) if dice.happens(0.5) else "")
    row.set("FRDB", "")


def _representative_id(row: Row, file: FileToDrop, dice: Dice) -> None:
    del file
    row.set("FR_ZJLX", "身份证")
    row.set("FR_ZJHM", dice.pick(SYNTHETIC_CITIZEN_IDS))


def _full_width_number(row: Row, file: FileToDrop, dice: Dice) -> None:
    del file, dice
    row.set("WSH", row.get("WSH").translate(_FULL_WIDTH))


def _own_code_as_number(row: Row, file: FileToDrop, dice: Dice) -> None:
    del file, dice
    row.set("WSH", row.get("XDR_SHXYM").lower())


def _other_name(row: Row, file: FileToDrop, dice: Dice) -> None:
    del file, dice
    row.set("XDR_MC", row.get("XDR_MC").replace("有限公司", "集团有限公司"))


def _amount(text: Callable[[str], str]) -> Spoil:
    """Rewrite the fine."""

    def spoil(row: Row, file: FileToDrop, dice: Dice) -> None:
        del file, dice
        row.set("NR_FK", text(row.get("NR_FK")))

    return spoil


def _shifted(row: Row, file: FileToDrop, dice: Dice) -> None:
    """The whole row one cell to the right: the name stands where the category belongs."""
    del file, dice
    row.raw_cells = ("",)


def _unquoted_comma(row: Row, file: FileToDrop, dice: Dice) -> None:
    """The remark holds a comma nobody quoted, so the row has one cell more than the header."""
    del file, dice
    row.cells["BZ"] = "见附件"
    row.set("AJCXLB", "02")
    row.set("YZCD", "一般")
    row.raw_cells = ("续页",)


SPOILS: Final[dict[str, Spoil]] = {
    "code_15_digits": _code(lambda _, dice: registration_number(dice.between(1, 99_999_999))),
    "code_13_digits": _code(lambda _, dice: f"3309{dice.between(10**8, 10**9 - 1)}"),
    "code_check_digit": _code(_wrong_check),
    "code_masked": _code(lambda code, _: code[:16] + "xx"),
    "code_letter_i": _code(lambda code, _: code[:12] + "I" + code[13:]),
    "code_lower_case": _code(lambda code, _: code[:2] + code[2:].replace("X", "x")),
    "code_paper_number": _code(lambda _, dice: f"企合浙屿总字第{dice.between(1, 9999):06d}"),
    "code_organisation_number": _code(_old_organisation_number),
    "code_missing": _put("XDR_SHXYM", ""),
    "code_citizen_id": _put("XDR_SHXYM", CITIZEN_ID_LIKE_CODE),
    "code_inner_check": _code(lambda code, _: broken_inside(code)),
    "code_full_width": _code(lambda code, _: code.translate(_FULL_WIDTH)),
    "code_outer_blanks": _code(lambda code, _: f" {code}\u3000"),
    "code_placeholder": _source_placeholder,
    "code_category_mismatch": _put("XDR_LB", LEGAL),
    "code_with_two_names": _other_name,
    "number_full_width_digits": _full_width_number,
    "number_is_own_code": _own_code_as_number,
    "date_chinese": _decision_date(_chinese_date),
    "date_month_only": _decision_date(lambda iso: f"{iso[:4]}年{iso[5:7]}月"),
    "date_month_first": _decision_date(_month_first),
    "date_english_month": _decision_date(lambda iso: f"{_MONTHS[iso[5:7]]}-{iso[2:4]}"),
    "date_epoch_seconds": _decision_date(_epoch_seconds),
    "date_excel_epoch": _put("JDRQ", "1899-12-31"),
    "date_hive_null": _put("JDRQ", "\\N"),
    "date_placeholder": _put("JDRQ", "暂无"),
    "date_impossible": _put("JDRQ", "2026-02-30"),
    "date_in_future": _in_future,
    "date_order": _ends_early,
    "date_missing": _put("JDRQ", ""),
    "date_term_of_a_day": _term_of_a_day,
    "decided_on_day_off": _on_day_off,
    "late_licence": _late,
    "late_penalty": _late,
    "status_of_older_layout": _put("ZT", "0"),
    "category_other_noted": _put("XKLB", "其他-备案"),
    "category_other_bare": _put("XKLB", "其他"),
    "category_unknown": _kind_of_penalty("质量类", content="责令改正"),
    "category_full_width_separator": _kind_of_penalty(
        "警告；罚款", content="警告，罚款0.3万元", fine="0.3"
    ),
    "required_missing": _required_missing,
    "required_blank": _put("NR", " "),
    "content_is_authority": _content_is_authority,
    "text_too_long": _too_long,
    "text_formula": _formula,
    "text_carriage_return": _carriage_return,
    "text_several_lines": _several_lines,
    "text_damaged": _damaged,
    "text_citizen_id": _citizen_id_in_facts,
    "optional_null": _optional_null,
    "fine_missing": _kind_of_penalty("罚款", content="罚款"),
    "amount_with_comma": _kind_of_penalty("罚款", content="罚款人民币一千二百万元", fine="1,200.5"),
    "amount_too_precise": _amount(lambda fine: fine + ("" if "." in fine else ".") + "12345678"),
    "amount_with_unit": _amount(lambda fine: f"{fine}（万元）"),
    "amount_in_words": _amount(lambda _: "壹仟元整"),
    "licence_detail_missing": _kind_of_penalty(
        "罚款;暂扣或者吊销许可证、暂扣或者吊销执照", content="罚款并暂扣许可证一个月", fine="0.5"
    ),
    "procedure_simple": _put("AJCXLB", "简易"),
    "seriousness_minor": _put("YZCD", "轻微"),
    "person_by_category": _person,
    "representative_id": _representative_id,
    "row_unquoted_comma": _unquoted_comma,
    "row_shifted": _shifted,
}


def _licence(row: Row, _: FileToDrop) -> bool:
    return row.table == "licence"


def _penalty(row: Row, _: FileToDrop) -> bool:
    return row.table == "penalty"


def _fined(row: Row, _: FileToDrop) -> bool:
    return row.get("NR_FK") != ""


def _plain_table(_: Row, file: FileToDrop) -> bool:
    """A CSV in the national column order, where a lost comma shifts every later cell."""
    style = file.department.style
    return style.form == "csv" and not style.shuffled and not file.has_own_layout


FITS: Final[dict[str, Fits]] = {
    "code_lower_case": lambda row, _: "X" in row.get("XDR_SHXYM")[2:],
    "code_inner_check": lambda row, _: row.get("XDR_SHXYM")[16] != "X",
    "code_category_mismatch": lambda row, _: row.get("XDR_LB") == INDIVIDUAL,
    "code_with_two_names": lambda row, _: row.get("XDR_MC").endswith("有限公司"),
    "number_full_width_digits": lambda row, _: _NUMBER.search(row.get("WSH")) is not None,
    "number_is_own_code": _licence,
    "date_term_of_a_day": _licence,
    "late_licence": _licence,
    "late_penalty": _penalty,
    "status_of_older_layout": _licence,
    "category_other_noted": _licence,
    "category_other_bare": _licence,
    "category_unknown": _penalty,
    "category_full_width_separator": _penalty,
    "content_is_authority": _penalty,
    "text_citizen_id": _penalty,
    "optional_null": _licence,
    "fine_missing": _penalty,
    "amount_with_comma": _penalty,
    "amount_too_precise": _fined,
    "amount_with_unit": _fined,
    "amount_in_words": _fined,
    "licence_detail_missing": _penalty,
    "procedure_simple": _penalty,
    "seriousness_minor": _penalty,
    "representative_id": lambda _, file: not file.has_own_layout,
    "row_shifted": _plain_table,
    "row_unquoted_comma": lambda row, file: _plain_table(row, file) and _penalty(row, file),
}
"""Which rows can take a fault; a fault that is not listed fits every row."""
