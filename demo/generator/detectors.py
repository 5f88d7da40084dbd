"""One detector per quirk: finds it in the finished files, so that a lost quirk is noticed.

Detectors read what stands on disk and know nothing of dice, stories and counts.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date
from typing import Final

from demo.generator.columns import OWN_VERSION, PREVIOUS, REASON, WITHDRAWAL
from demo.generator.departments import DEPARTMENTS
from demo.generator.identities import (
    SYNTHETIC_CITIZEN_IDS,
    UNKNOWN_REGIONS,
    is_credit_code,
    organisation_code,
)
from demo.generator.reading import DataSet, NumberedRow, Place, ReadFile, folded, read_day
from demo.generator.working_days import MAKE_UP_DAYS, is_working, working_days_between

Detector = Callable[[DataSet], list[Place]]
_DEADLINE: Final = 7
_YEAR: Final = 2026
_LONGEST_REMARK: Final = 512
_PLACES: Final = 6
_AUTHORITIES: Final = {
    department.id: {authority.code for authority in department.authorities}
    for department in DEPARTMENTS
}


def _rows(wanted: Callable[[NumberedRow], bool]) -> Detector:
    """Find ordinary rows that stand for themselves."""
    return lambda data: [row.place for row in data.ordinary if wanted(row)]


def _files(wanted: Callable[[ReadFile], bool]) -> Detector:
    """Find files."""
    return lambda data: [(file.path, 0) for file in data.files if wanted(file)]


def _cell(name: str, pattern: str) -> Detector:
    """Find ordinary rows by the text of one column."""
    whole = re.compile(pattern, re.DOTALL)
    return _rows(lambda row: whole.fullmatch(row.get(name)) is not None)


def _fails_inside(row: NumberedRow) -> bool:
    code = row.code
    return is_credit_code(code) and code[0] == "9" and organisation_code(code[8:16]) != code[8:17]


def _wrong_check(row: NumberedRow) -> bool:
    return re.fullmatch(
        r"[0-9A-HJ-NP-RTUW-Y]{18}", row.get("XDR_SHXYM")
    ) is not None and not is_credit_code(row.code)


def _is_late(table: str) -> Detector:
    """Find first arrivals more than seven working days after the decision."""

    def detect(data: DataSet) -> list[Place]:
        return [
            row.place
            for row in data.ordinary
            if row.table == table
            and (decided_on := read_day(row.get("JDRQ"))) is not None
            and decided_on.year == _YEAR
            and working_days_between(decided_on, row.dropped_on) > _DEADLINE
            and not data.earlier(row)
        ]

    return detect


def _decided(wanted: Callable[[date], bool]) -> Detector:
    def is_wanted(row: NumberedRow) -> bool:
        day = read_day(row.get("JDRQ"))
        return day is not None and day.year == _YEAR and day <= row.dropped_on and wanted(day)

    return _rows(is_wanted)


def _bad_day(row: NumberedRow) -> bool:
    """A form that is readable, of a day that does not exist."""
    text = row.get("JDRQ")
    return re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is not None and read_day(text) is None


def _ends_early(row: NumberedRow) -> bool:
    decided = read_day(row.get("JDRQ"))
    ends = read_day(row.get("YXQZI" if row.table == "licence" else "GSJZQ"))
    return decided is not None and ends is not None and ends < decided


def _in_future(row: NumberedRow) -> bool:
    decided = read_day(row.get("JDRQ"))
    return decided is not None and decided > row.dropped_on


def _is_foreign(row: NumberedRow) -> bool:
    code = row.get("XKJGDM" if row.table == "licence" else "CFJGDM")
    department = row.path.split("/")[0].removesuffix("-cases")
    everyone = set().union(*_AUTHORITIES.values())
    return code in everyone - _AUTHORITIES[department]


def _has_number(opening: str) -> Detector:
    return _rows(lambda row: re.search(re.escape(opening) + r" ?2026", row.get("WSH")) is not None)


def _required_missing(row: NumberedRow) -> bool:
    names = ("NR", "XKWS", "XKJG") if row.table == "licence" else ("NR", "SY", "YJ")
    return any(row.get(name) == "" for name in names) and not _is_shifted(row)


def _is_shifted(row: NumberedRow) -> bool:
    return row.texts[0] == "" and row.get("XDR_SHXYM") in ("法人及非法人组织", "个体工商户")


def _is_wide(row: NumberedRow) -> bool:
    return "续页" in row.texts


def _amount_commas(row: NumberedRow) -> bool:
    return re.fullmatch(r"\d{1,3}(,\d{3})+(\.\d+)?", row.get("NR_FK")) is not None


def _too_precise(row: NumberedRow) -> bool:
    _, _, places = row.get("NR_FK").partition(".")
    return places.isdigit() and len(places) > _PLACES


def _label(row: NumberedRow) -> bool:
    return row.get("XKLB") in ("普通", "特许", "认可", "核准", "登记")


def _person_row(row: NumberedRow) -> bool:
    return row.get("XDR_LB") == "自然人" and not row.get("XDR_ZJHM")


# --- several rows --------------------------------------------------------------------------------


def _sent_again(data: DataSet) -> set[str]:
    """Files whose bytes were sent before."""
    seen: Counter[bytes] = Counter()
    again = set()
    for file in data.files:
        if seen[file.content] and file.rows:
            again.add(file.path)
        seen[file.content] += 1
    return again


def _twice_in_file(data: DataSet) -> list[Place]:
    return [
        row.place
        for row in data.ordinary
        if any(o.path == row.path and o.texts == row.texts for o in data.earlier(row))
    ]


def _is_full_export(file: ReadFile) -> bool:
    return "-full." in file.path


def _row_again(data: DataSet) -> list[Place]:
    gone = _withdrawn_before(data)
    files = _sent_again(data) | {file.path for file in data.files if _is_full_export(file)}
    return [
        row.place
        for row in data.ordinary
        if row.path not in files
        and row.place not in gone
        and any(o.path != row.path and not _differing(o, row) for o in data.earlier(row))
    ]


def _other_notation(data: DataSet) -> list[Place]:
    return [
        row.place
        for row in data.ordinary
        if any(
            o.get("WSH") != row.get("WSH") and _differing(o, row) <= {"WSH"}
            for o in data.earlier(row)
        )
    ]


def _differing(one: NumberedRow, other: NumberedRow) -> set[str]:
    """Names of the columns (without prefix) in which two rows of a table differ."""
    names = set(one.cells) | set(other.cells)
    return {
        name[3:] if name[2:3] == "_" else name
        for name in names
        if one.cells.get(name, "") != other.cells.get(name, "")
    }


def _changed(data: DataSet) -> list[Place]:
    """Only the content differs, both say something, and no version is declared to be older."""
    return [
        row.place
        for row in data.ordinary
        for first in data.earlier(row)[:1]
        if first.path != row.path
        and _differing(first, row) == {"NR"}
        and first.get("NR").strip()
        and row.extra.get(OWN_VERSION) == first.extra.get(OWN_VERSION)
    ]


def _older(data: DataSet) -> list[Place]:
    return [
        row.place
        for row in data.ordinary
        if any(
            int(row.extra.get(OWN_VERSION) or 0) < int(o.extra.get(OWN_VERSION) or 0)
            for o in data.earlier(row)
        )
    ]


def _certificates(data: DataSet) -> list[Place]:
    return [
        row.place
        for row in data.ordinary
        if any(o.path == row.path and _differing(o, row) == {"NR"} for o in data.earlier(row))
    ]


def _is_faulty(row: NumberedRow) -> bool:
    return (
        read_day(row.get("JDRQ")) is None or not is_credit_code(row.code) or _required_missing(row)
    )


def _mended(data: DataSet) -> list[Place]:
    """A faulty row, and later the same document of the same subject without the fault."""
    faulty: dict[tuple[str, str, str], NumberedRow] = {}
    found = []
    for row in data.ordinary:
        document = row.identity[:3]
        before = faulty.get(document)
        if before is not None and before.path != row.path and not _is_faulty(row):
            found.append(row.place)
        if _is_faulty(row):
            faulty.setdefault(document, row)
    return found


def _two_codes(data: DataSet) -> list[Place]:
    """The same document and name, a second valid code, no correction."""
    codes: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    found = []
    for row in data.ordinary:
        if is_credit_code(row.code):
            known = codes[row.identity[:3]]
            if known and row.code not in known:
                found.append(row.place)
            known.add(row.code)
    return found


def _two_names(data: DataSet) -> list[Place]:
    """Every row of a code that stands beside two names."""
    rows: dict[str, list[NumberedRow]] = defaultdict(list)
    for row in data.ordinary:
        if is_credit_code(row.code):
            rows[row.code].append(row)
    return [
        row.place
        for mine in rows.values()
        if len({folded(row.get("XDR_MC")) for row in mine}) > 1
        for row in mine
    ]


def _two_subjects(data: DataSet) -> list[Place]:
    names: dict[tuple[str, str], set[str]] = defaultdict(set)
    found = []
    for row in data.ordinary:
        known = names[row.path, folded(row.get("WSH"))]
        name = folded(row.get("XDR_MC"))
        if known and name not in known:
            found.append(row.place)
        known.add(name)
    return found


def _withdrawn_identity(row: NumberedRow) -> tuple[str, str, str, str]:
    return (
        row.table,
        folded(row.extra[WITHDRAWAL["document_number"]]),
        folded(row.extra[WITHDRAWAL["subject_name"]]),
        folded(row.extra[WITHDRAWAL["credit_code"]]).upper(),
    )


def _withdrawals(data: DataSet, nth: int) -> list[Place]:
    """Letters that withdraw a record for the nth time; 0: a record nobody sent."""
    seen: Counter[tuple[str, str, str, str]] = Counter()
    found = []
    for row in data.rows:
        if row.folder == "withdrawals":
            identity = _withdrawn_identity(row)
            known = any(identity == key for key in (identity,) if key in data.by_identity)
            seen[identity] += 1
            if (seen[identity] if known else 0) == nth:
                found.append(row.place)
    return found


def _withdrawn_before(data: DataSet) -> set[Place]:
    """Ordinary rows that arrive after their record was withdrawn by letter."""
    gone: set[tuple[str, str, str, str]] = set()
    found = set()
    for row in data.rows:
        if row.folder == "withdrawals":
            gone.add(_withdrawn_identity(row))
        elif row.folder == "restorations":
            gone.discard(row.identity)
        elif row.is_ordinary and row.identity in gone:
            found.add(row.place)
    return found


def _came_again(*, in_full_export: bool) -> Detector:
    """Find withdrawn rows that came again, in a full export or by themselves."""

    def detect(data: DataSet) -> list[Place]:
        full = {file.path for file in data.files if _is_full_export(file)}
        return sorted(p for p in _withdrawn_before(data) if (p[0] in full) == in_full_export)

    return detect


def _corrections(wanted: Callable[[DataSet, NumberedRow], bool]) -> Detector:
    return lambda data: [
        row.place for row in data.rows if row.folder == "corrections" and wanted(data, row)
    ]


def _previous(row: NumberedRow) -> dict[str, str]:
    return {name: row.extra[header] for name, header in PREVIOUS.items() if row.extra[header]}


def _keeps_identity(data: DataSet, row: NumberedRow, *, known: bool, changed: bool) -> bool:
    before = data.earlier(row)
    if _previous(row) or not row.extra[REASON] or bool(before) != known:
        return False
    return not known or bool(_differing(before[-1], row)) == changed


def _old_code(row: NumberedRow) -> str:
    return _previous(row).get("previous_credit_code", "")


def _is_persons_file(file: ReadFile) -> bool:
    return "证件号码" in file.headers


DETECTORS: Final[dict[str, Detector]] = {
    "code_15_digits": _cell("XDR_SHXYM", r"\d{15}"),
    "code_13_digits": _cell("XDR_SHXYM", r"\d{13}"),
    "code_check_digit": _rows(_wrong_check),
    "code_masked": _cell("XDR_SHXYM", r".{16}xx"),
    "code_letter_i": _cell("XDR_SHXYM", r"[0-9A-Z]*I[0-9A-Z]*"),
    "code_lower_case": _rows(lambda row: "x" in row.get("XDR_SHXYM") and is_credit_code(row.code)),
    "code_paper_number": _cell("XDR_SHXYM", r"企合.*第\d+"),
    "code_organisation_number": _cell("XDR_SHXYM", r"\d{8}-[\dX]"),
    "code_missing": _rows(
        lambda row: not row.get("XDR_SHXYM") and row.get("XDR_LB") == "法人及非法人组织"
    ),
    "code_citizen_id": _cell("XDR_SHXYM", "330900198001010908"),
    "code_inner_check": _rows(_fails_inside),
    "code_region_unknown": _rows(
        lambda row: is_credit_code(row.code) and row.code[2:8] in UNKNOWN_REGIONS
    ),
    "code_full_width": _cell("XDR_SHXYM", "[０-９Ａ-Ｚ]{18}"),
    "code_outer_blanks": _cell("XDR_SHXYM", r"\s+\S{18}\s+"),
    "code_placeholder": _rows(
        lambda row: "00000000000000000X" in (row.get("LYDWDM"), row.get("SJLYDM"))
    ),
    "code_category_mismatch": _rows(
        lambda row: row.code[:2] == "92" and row.get("XDR_LB") == "法人及非法人组织"
    ),
    "code_with_two_names": _two_names,
    "name_half_width_brackets": _cell("XDR_MC", r"[^(（]*\([^ ]*\).*"),
    "name_full_width_brackets": _cell("XDR_MC", r".*（.*）.*"),
    "name_former": _cell("XDR_MC", r".* \(原名.*\).*"),
    "name_inner_blanks": _cell("XDR_MC", r".*\( .* \).*"),
    "number_hexagonal": _has_number("〔"),
    "number_square": _has_number("["),
    "number_lenticular": _has_number("【"),
    "number_full_width_round": _has_number("（"),
    "number_small_hexagonal": _has_number("﹝"),
    "number_round": _has_number("("),
    "number_inner_blanks": _cell("WSH", r".*. 2026 ..*"),
    "number_without_year": _rows(
        lambda row: row.get("WSH") != "" and "2026" not in folded(row.get("WSH"))
    ),
    "number_full_width_digits": _cell("WSH", r".*[０-９].*"),
    "number_is_own_code": _rows(
        lambda row: row.get("WSH") != "" and row.get("WSH") == row.get("XDR_SHXYM").lower()
    ),
    "number_code_with_suffix": _cell("WSH", r"[0-9A-Z]{18}001P"),
    "number_two_subjects": _two_subjects,
    "date_dash": _cell("JDRQ", r"2026-\d\d-\d\d"),
    "date_slash": _cell("JDRQ", r"2026/\d\d/\d\d"),
    "date_slash_short": _cell("JDRQ", r"2026/(\d/\d+|\d+/\d)"),
    "date_dot": _cell("JDRQ", r"2026\.\d\d\.\d\d"),
    "date_cell": _files(lambda file: file.is_workbook and b's="2"><v>' in file.content),
    "date_chinese": _cell("JDRQ", r"2026年\d+月\d+日"),
    "date_long_term": _cell("YXQZI", r"2099.12.31"),
    "date_month_only": _cell("JDRQ", r"2026年\d+月"),
    "date_month_first": _cell("JDRQ", r"\d\d/\d\d/2026"),
    "date_english_month": _cell("JDRQ", r"[A-Z][a-z]{2}-26"),
    "date_epoch_seconds": _cell("JDRQ", r"1[78]\d{8}"),
    "date_excel_epoch": _cell("JDRQ", "1899-12-31"),
    "date_hive_null": _cell("JDRQ", r"\\N"),
    "date_placeholder": _cell("JDRQ", "暂无"),
    "date_impossible": _rows(_bad_day),
    "date_in_future": _rows(_in_future),
    "date_order": _rows(_ends_early),
    "date_missing": _rows(lambda row: row.get("JDRQ") == "" and not _is_shifted(row)),
    "date_term_of_a_day": _rows(lambda row: row.get("YXQZ") == row.get("YXQZI") != ""),
    "decided_on_day_off": _decided(lambda day: not is_working(day)),
    "decided_on_make_up_day": _decided(lambda day: day in MAKE_UP_DAYS),
    "late_licence": _is_late("licence"),
    "late_penalty": _is_late("penalty"),
    "coded_as_label": _rows(_label),
    "coded_as_digit": _cell("XKLB", r"\d"),
    "status_of_older_layout": _cell("ZT", "0"),
    "category_other_noted": _cell("XKLB", "其他-.+"),
    "category_other_bare": _cell("XKLB", "其他"),
    "category_unknown": _cell("CFLB", "质量类"),
    "category_full_width_separator": _cell("CFLB", ".+；.+"),
    "required_missing": _rows(_required_missing),
    "required_blank": _cell("NR", r"\s+"),
    "content_is_authority": _rows(lambda row: row.get("NR") == row.get("CFJG") != ""),
    "text_too_long": _rows(lambda row: len(row.cells.get("BZ", "")) > _LONGEST_REMARK),
    "text_formula": _rows(lambda row: row.cells.get("BZ", "")[:1] in ("=", "+", "@")),
    "text_carriage_return": _rows(lambda row: "_x000D_" in row.cells.get("BZ", "")),
    "text_several_lines": _cell("NR", r".+\n.+"),
    "text_damaged": _cell("NR", ".*\ufffd.*"),
    "text_citizen_id": _rows(
        lambda row: any(number in row.get("SY") for number in SYNTHETIC_CITIZEN_IDS)
    ),
    "optional_null": _cell("XDR_SWDJ", r"\\N"),
    "fine_missing": _rows(lambda row: "罚款" in row.get("CFLB") and not row.get("NR_FK")),
    "amount_with_comma": _rows(_amount_commas),
    "amount_too_precise": _rows(_too_precise),
    "amount_with_unit": _cell("NR_FK", ".*元.*万?.*）"),
    "amount_in_words": _cell("NR_FK", "[零壹贰叁肆伍陆柒捌玖拾佰仟万]+元整"),
    "licence_detail_missing": _rows(
        lambda row: "暂扣" in row.get("CFLB") and not row.get("NR_ZKDX")
    ),
    "procedure_simple": _cell("AJCXLB", "简易"),
    "seriousness_minor": _cell("YZCD", "轻微"),
    "person_by_category": _rows(_person_row),
    "person_table": _files(_is_persons_file),
    "representative_id": _rows(lambda row: row.get("FR_ZJHM") in SYNTHETIC_CITIZEN_IDS),
    "foreign_authority": _rows(_is_foreign),
    "file_with_mark": _files(lambda file: file.content.startswith(b"\xef\xbb\xbf")),
    "file_without_mark": _files(
        lambda file: "市".encode() in file.content and file.content[:1] in b"XC"
    ),
    "file_gb18030": _files(lambda file: "市".encode("gb18030") in file.content),
    "file_workbook": _files(lambda file: file.is_workbook and bool(file.rows)),
    "file_empty_second_sheet": _files(lambda file: file.sheets > 1),
    "file_blank_rows": _files(lambda file: file.blank_rows > 0),
    "file_column_codes": _files(lambda file: "XK_WSH" in file.headers or "CF_WSH" in file.headers),
    "file_shuffled_columns": _files(
        lambda file: "行政相对人名称" in (h.strip() for h in file.headers[1:])
    ),
    "file_padded_headers": _files(lambda file: any(h.endswith(" ") for h in file.headers)),
    "file_own_layout": _files(lambda file: OWN_VERSION in file.headers),
    "file_broken": _files(lambda file: file.is_workbook and not file.rows),
    "file_sent_again": lambda data: [(path, 0) for path in sorted(_sent_again(data))],
    "file_on_day_off": lambda data: [
        (row.path, 0)
        for file in data.files
        for row in file.rows[:1]
        if not is_working(row.dropped_on)
    ],
    "row_unquoted_comma": _rows(_is_wide),
    "row_shifted": _rows(_is_shifted),
    "row_twice_in_file": _twice_in_file,
    "row_sent_again": _row_again,
    "row_in_other_notation": _other_notation,
    "corrected": _corrections(lambda d, row: _keeps_identity(d, row, known=True, changed=True)),
    "corrected_number": _corrections(lambda _, row: "previous_document_number" in _previous(row)),
    "corrected_name": _corrections(lambda _, row: "previous_subject_name" in _previous(row)),
    "corrected_code": _corrections(lambda _, row: is_credit_code(_old_code(row))),
    "corrected_bad_code": _corrections(
        lambda _, row: _old_code(row) != "" and not is_credit_code(_old_code(row))
    ),
    "corrected_unknown": _corrections(
        lambda d, row: _keeps_identity(d, row, known=False, changed=True)
    ),
    "corrected_nothing": _corrections(
        lambda d, row: _keeps_identity(d, row, known=True, changed=False)
    ),
    "corrected_without_reason": _corrections(lambda _, row: not row.extra[REASON]),
    "withdrawn": lambda data: _withdrawals(data, 1),
    "withdrawn_by_status": _cell("ZT", "2|无效"),
    "withdrawn_unknown": lambda data: _withdrawals(data, 0),
    "withdrawn_twice": lambda data: _withdrawals(data, 2),
    "withdrawn_then_sent": _came_again(in_full_export=False),
    "repaired_then_exported": _came_again(in_full_export=True),
    "restored": lambda data: [row.place for row in data.rows if row.folder == "restorations"],
    "full_export": _files(_is_full_export),
    "changed_undeclared": _changed,
    "certificate_of_several_items": _certificates,
    "older_version": _older,
    "mended_and_sent": _mended,
    "document_under_two_codes": _two_codes,
}
