"""The real tables named by HUB_REFERENCE_DATA agree with an independent check, code by code."""

import csv
import os
from collections import Counter
from pathlib import Path

import pytest
from stdnum.cn import uscc

from hub.domain.credit_code import assess_credit_code, check_credit_code, is_registration_number
from tests.unit.domain import plain_checks

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def tables() -> Path:
    """The folder of real tables."""
    return Path(os.environ["HUB_REFERENCE_DATA"])


def rows_of(table: Path) -> list[dict[str, str]]:
    """The rows of a CSV file with a header."""
    with table.open(encoding="utf-8-sig", newline="") as opened:
        return list(csv.DictReader(opened))


def test_every_real_company_is_accepted(tables: Path) -> None:
    """60,093 companies: no error; 7 inner failures and 4,743 past regions are warnings only."""
    rows = rows_of(tables / "companies_sample.csv")
    warnings: Counter[str] = Counter()
    for row in rows:
        code = row["统一社会信用代码"]
        found = assess_credit_code(code)
        assert (found.code, found.errors) == (code, ())
        assert plain_checks.fault_of(code) == ""
        assert uscc.is_valid(code)
        inner = plain_checks.organisation_check_character(code[8:16]) != code[16]
        assert inner == ("ORGANISATION_CODE_CHECK" in found.warnings)
        warnings.update(found.warnings)
    assert len(rows) == 60_093
    assert warnings == {"ORGANISATION_CODE_CHECK": 7, "REGION_UNKNOWN": 4_743}


def test_every_bad_code_is_refused_for_the_recorded_fault(tables: Path) -> None:
    """2,894 bad codes: as written, the fault is the one the table names, by two computations."""
    rows = rows_of(tables / "companies_bad_codes.csv")
    for row in rows:
        code = row["统一社会信用代码"]
        fault = check_credit_code(code)
        assert fault is not None
        assert fault.value == row["fault"] == plain_checks.fault_of(code)
    assert len(rows) == 2_894


def test_every_difference_after_normalising_is_explained(tables: Path) -> None:
    """The hub upper-cases: 124 codes whose only fault was a lower-case x are good codes then."""
    explained: Counter[str] = Counter()
    for row in rows_of(tables / "companies_bad_codes.csv"):
        code = row["统一社会信用代码"]
        found = assess_credit_code(code)
        assert (not found.errors) == (plain_checks.fault_of(found.code) == "")
        assert uscc.is_valid(found.code) == (not found.errors)
        if not found.errors:
            assert row["fault"] == "charset"
            assert "x" in code
            assert found.code == code.upper()
            explained["lower-case x"] += 1
        elif is_registration_number(code):
            assert found.errors == ("CREDIT_CODE_LENGTH",)
            explained["15-digit registration number"] += 1
        else:
            assert found.errors == (f"CREDIT_CODE_{row['fault'].upper()}",)
            explained[row["fault"]] += 1
    assert explained == {
        "lower-case x": 124,
        "15-digit registration number": 2_398,
        "length": 326,
        "check_digit": 46,
    }


def test_organisations_of_other_registries_are_accepted(tables: Path) -> None:
    """677 real codes that do not begin with 91 are good: "starts with 91" is no rule."""
    rows = rows_of(tables / "organisations_other_prefixes.csv")
    assert len(rows) == 677
    for row in rows:
        assert assess_credit_code(row["统一社会信用代码"]).errors == ()
