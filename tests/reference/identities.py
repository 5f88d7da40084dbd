"""Real companies and codes, each beside an invented licence, and what must become of each row.

The expectation is computed here and by python-stdnum, from the tables' own columns; nothing of the
hub is asked. The document number is made of the company's name alone, so that a company that stands
twice in a table has the same document twice, and a company under two codes one document under two.
"""

import csv
import random
import re
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from unicodedata import normalize

from stdnum.cn import uscc

from demo.generator.columns import LICENCE
from tests.unit.domain import plain_checks

AUTHORITY = "11330900MA0000015E"
"""Synthetic, as in the reference site."""
DECIDED_ON = "2026-11-02"
SAMPLE = 6_000
SEED = 20_261_103
SECOND_CODES = 20
"""Organisations whose licence is filed again under another organisation's code."""
NAME, CODE = "企业名称", "统一社会信用代码"
NUL = "\0"
_LATER_REGIONS = {"330113", "330114", "100000"}
"""临平, 钱塘 (2021) and the code for registered nationally; the region tables are of 2020."""
_NO_REGISTRY_TYPE = {"99"}
"""In no list of GB 32100-2015 and its amendment; 9 organisations of the tables have it."""
TABLES = (
    "companies_sample",
    "companies_bad_codes",
    "organisations_other_prefixes",
    "companies_duplicate_codes",
)
"""In the order they are read."""
ENCODINGS = {"companies_sample": "utf-8-sig", "companies_bad_codes": "gb18030"}

Row = dict[str, str]


class ExpectedOutcome(NamedTuple):
    """The primary outcome of a row and all its reasons, each with its column."""

    outcome: str
    reasons: frozenset[str]


def rows_of(path: Path) -> list[Row]:
    """Read a CSV file with a header."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def identities(data: Path, *, whole: bool) -> dict[str, list[Row]]:
    """Return table → rows: all, or of the companies a sample and the one with NULs in its name.

    `second_codes` is derived: real organisations, each under the code of another one.
    """
    found = {name: rows_of(data / f"{name}.csv") for name in TABLES}
    if not whole:
        companies = found["companies_sample"]
        # the same sample every time
        drawn = set(random.Random(SEED).sample(range(len(companies)), SAMPLE))
        found["companies_sample"] = [
            row for number, row in enumerate(companies) if number in drawn or NUL in row[NAME]
        ]
    others = found["organisations_other_prefixes"]
    found["second_codes"] = [
        row | {CODE: other[CODE]}
        for row, other in zip(others[:SECOND_CODES], reversed(others), strict=False)
    ]
    return found


def document_number(row: Row) -> str:
    """Return the invented number of the company's licence: it follows from the name alone."""
    return f"企登许〔2026〕第{sha256(row[NAME].encode()).hexdigest()[:10].upper()}号"


def licence(row: Row) -> Row:
    """Return the licence beside a company, by field code. Only name, code, capital are real."""
    return {
        "XK_XDR_MC": row[NAME],
        "XK_XDR_LB": "法人及非法人组织",
        "XK_XDR_SHXYM": row[CODE],
        "XK_FRDB": "来源未载明",
        "XK_XKWS": "企业登记通知书",
        "XK_WSH": document_number(row),
        "XK_XKLB": "登记",
        "XK_NR": f"企业登记 {row.get('注册资金', '')}".strip(),
        "XK_JDRQ": DECIDED_ON,
        "XK_YXQZ": row["注册日期"],
        "XK_YXQZI": "2099/12/31",
        "XK_XKJG": "企业登记主管部门（虚构）",
        "XK_XKJGDM": AUTHORITY,
        "XK_ZT": "1",
        "XK_LYDW": "企业登记主管部门（虚构）",
        "XK_LYDWDM": AUTHORITY,
    }


def write(rows: list[Row], path: Path, encoding: str) -> None:
    """Write licences of these companies in the national layout, by Chinese headers."""
    with path.open("w", encoding=encoding, newline="") as file:
        licences = [licence(row) for row in rows]
        writer = csv.writer(file)
        writer.writerow([LICENCE[field] for field in licences[0]])
        writer.writerows(one.values() for one in licences)


class ExpectedAnswers:
    """A fold over the rows in the order they are read: what each must be answered."""

    def __init__(self, data: Path) -> None:
        self._regions = _LATER_REGIONS | {
            row["code"]
            for name in ("province", "city", "area")
            for row in rows_of(data / "region_codes" / f"{name}.csv")
        }
        self._live: dict[tuple[str, str], str] = {}
        self.documents: dict[str, set[str]] = {}
        """Document → codes it was accepted under."""
        self.explained: dict[str, int] = {}
        """Bad codes by why they are refused, or why they are not."""

    def of(self, row: Row) -> ExpectedOutcome:
        """Return what a row must be answered; call in order."""
        code = plain(row[CODE])
        is_good = uscc.is_valid(code)
        # stdnum wants eight leading digits, so it refuses N*, A* and Y1: the tables have none
        assert is_good == (plain_checks.fault_of(code) == "")
        fault = self._fault_of(row, code) if row.get("fault") else ""
        assert is_good != bool(fault)
        if fault:
            return ExpectedOutcome("quarantined", frozenset({fault}))
        warnings = self._warnings_of(code)
        if NUL in row[NAME]:  # one company: 1,411 of them before its name
            faults = {"FIELD_TOO_LONG XK_XDR_MC", "VALUE_UNREADABLE XK_XDR_MC"}
            return ExpectedOutcome("quarantined", warnings | faults)
        return self._folded(row, code, warnings)

    def _folded(self, row: Row, code: str, warnings: frozenset[str]) -> ExpectedOutcome:
        document = document_number(row)
        content = licence(row)["XK_NR"] + row["注册日期"]
        live = self._live.setdefault((code, document), content)
        if code not in self.documents.setdefault(document, set()):
            self.documents[document].add(code)
            return ExpectedOutcome("accepted", warnings)
        if live == content:
            return ExpectedOutcome("duplicate", warnings | {"SAME_AS_LIVE"})
        return ExpectedOutcome("conflicting", warnings | {"UNDECLARED_CHANGE"})

    def _warnings_of(self, code: str) -> frozenset[str]:
        found = {
            "ORGANISATION_CODE_CHECK": (
                plain_checks.organisation_check_character(code[8:16]) != code[16]
            ),
            "REGION_UNKNOWN": code[2:8] not in self._regions,
            "REGISTRY_TYPE_UNKNOWN": code[:2] in _NO_REGISTRY_TYPE,
        }
        return frozenset(f"{name} XK_XDR_SHXYM" for name, is_so in found.items() if is_so)

    def _fault_of(self, row: Row, code: str) -> str:
        """Return the reason for a code that fails as written; "" when only its case was wrong."""
        if uscc.is_valid(code):
            assert row["fault"] == "charset"
            assert re.search("[a-z]", row[CODE])
            why, reason = "lower-case x, good when written X", ""
        elif could_be_a_person(code):
            why, reason = "15 digits that could be a citizen's", "PERSON_NOT_ENABLED"
        else:
            why = "15-digit registration number" if is_registration_number(code) else row["fault"]
            reason = f"CREDIT_CODE_{row['fault'].upper()} XK_XDR_SHXYM"
        self.explained[why] = self.explained.get(why, 0) + 1
        return reason


def plain(code: str) -> str:
    """Half width, upper case, no blanks."""
    return "".join(normalize("NFKC", code).upper().split())


def is_registration_number(code: str) -> bool:
    """Whether 15 digits pass the check of a registration number (工商注册号)."""
    return bool(re.fullmatch("[0-9]{15}", code)) and (
        plain_checks.registration_check_digit(code[:14]) == code[14]
    )


def could_be_a_person(code: str) -> bool:
    """Whether 15 digits have a birth date where the citizen numbers before 1999 had it.

    Those have no check digit; a registration number is told apart by its own.
    """
    if not re.fullmatch("[0-9]{15}", code) or is_registration_number(code):
        return False
    try:
        date(1900 + int(code[6:8]), int(code[8:10]), int(code[10:12]))
    except ValueError:
        return False
    return True
