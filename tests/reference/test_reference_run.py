"""Real companies, codes, permits and penalties through Kafka to the stand-in platforms.

A sample of the companies and everything else; `HUB_REFERENCE=all` carries all of them. The table of
outcomes and reasons is in docs/reference-run.md and held against the run.
"""

import os
from collections import Counter
from pathlib import Path

import pytest

from hub.config.repository import ROOT
from hub.config.settings import Settings
from tests.conftest import KafkaPart, PostgresPart
from tests.reference.identities import SECOND_CODES
from tests.reference.run import Run, TableAnswer, environment, run, settings_for, table_of

pytestmark = [pytest.mark.reference, pytest.mark.kafka]
WHOLE = os.environ.get("HUB_REFERENCE", "") == "all"
DOCUMENT = ROOT / "docs" / "reference-run.md"
NO_AUTHORITY = {"CREDIT_CODE_MISSING XK_XDR_SHXYM", "CREDIT_CODE_MISSING XK_XKJGDM",
                "CREDIT_CODE_MISSING XK_LYDWDM", "FIELD_REQUIRED XK_FRDB",
                "FIELD_REQUIRED XK_XKJG", "FIELD_REQUIRED XK_LYDW"}  # fmt: skip
"""What registers of permits and qualifications do not say, and the national standard requires."""
NO_BASIS = {"CREDIT_CODE_MISSING CF_XDR_SHXYM", "CREDIT_CODE_MISSING CF_CFJGDM",
            "CREDIT_CODE_MISSING CF_SJLYDM", "FIELD_REQUIRED CF_FRDB", "FIELD_REQUIRED CF_WFXW",
            "FIELD_REQUIRED CF_YJ", "FIELD_REQUIRED CF_CFLB", "FIELD_REQUIRED CF_YXQ",
            "FIELD_REQUIRED CF_GSJZQ"}  # fmt: skip
"""The same of penalties."""

OLDER_LICENCE = {"FIELD_REQUIRED XK_XDR_LB", "FIELD_REQUIRED XK_XKWS", "FIELD_REQUIRED XK_YXQZ",
                 "FIELD_REQUIRED XK_LYDW", "CREDIT_CODE_MISSING XK_LYDWDM",
                 "CREDIT_CODE_MISSING XK_XKJGDM"}  # fmt: skip
OLDER_PENALTY = {"FIELD_REQUIRED CF_XDR_LB", "FIELD_REQUIRED CF_WFXW", "FIELD_REQUIRED CF_YXQ",
                 "FIELD_REQUIRED CF_GSJZQ", "FIELD_REQUIRED CF_SJLY", "AMOUNT_REQUIRED CF_NR_FK",
                 "CREDIT_CODE_MISSING CF_SJLYDM", "CREDIT_CODE_MISSING CF_CFJGDM"}  # fmt: skip
"""Columns that came with the standard of 2018."""


@pytest.fixture(scope="module")
def result(
    settings: Settings,
    kafka: KafkaPart,
    postgres: PostgresPart,
    tmp_path_factory: pytest.TempPathFactory,
) -> Run:
    """Carry the tables through the hub once; every test looks at what came of it."""
    folder = tmp_path_factory.mktemp("reference")
    own = settings_for(settings, folder / "state", kafka.access, postgres.dsn)
    data = Path(os.environ["HUB_REFERENCE_DATA"]).absolute()
    with environment(own):
        made = run(own, data, whole=WHOLE)
    table = table_of(made)
    (folder / "reference-run.md").write_text(table, encoding="utf-8")
    print(f"{made.seconds:.0f} s, {folder}/reference-run.md\n{table}")  # noqa: T201 - shown by -s
    return made


def answers_of(result: Run, table: str) -> dict[int, TableAnswer]:
    """Return row → its one answer, of the file with this name."""
    found = [rows for path, rows in result.told.items() if Path(path).name == table]
    assert len(found) == 1, table
    assert all(len(given) == 1 for given in found[0].values())
    return {row: given[0] for row, given in found[0].items()}


def summary_of(result: Run, table: str) -> tuple[Counter[str], Counter[str]]:
    """Return outcomes and reasons of a table, counted."""
    answers = answers_of(result, table).values()
    return (
        Counter(told.outcome for told in answers),
        Counter(reason for told in answers for reason in told.reasons),
    )


@pytest.mark.parametrize("what", ["drained", "conserved", "answered", "results", "look-ups"])
def test_every_row_of_every_table_is_answered_once(result: Run, what: str) -> None:
    """Read = sum of outcomes by department; each row has its answer in its result file, too."""
    check = result.checks[what]
    assert check.holds, check.differences


def test_every_identity_is_answered_as_an_independent_check_says(result: Run) -> None:
    """Row by row: outcome, reasons and columns as python-stdnum and plain arithmetic say."""
    different = {
        f"{Path(path).name}:{row}": (result.told.get(path, {}).get(row), expected)
        for path, rows in result.expected.items()
        for row, expected in rows.items()
        if [(told.outcome, told.reasons) for told in result.told.get(path, {}).get(row, [])]
        != [tuple(expected)]
    }
    assert different == {}


def test_every_bad_code_is_explained(result: Run) -> None:
    """2,894 codes that fail as written: 124 are good with a capital X, the others are refused."""
    assert result.expectation.explained == {
        "15-digit registration number": 2_398,
        "length": 326,
        "lower-case x, good when written X": 124,
        "check_digit": 46,
    }


@pytest.mark.parametrize("target", ["province", "city"])
def test_a_platform_shows_what_was_accepted_and_nothing_else(result: Run, target: str) -> None:
    """As many records as were accepted; versions, stages and contents equal the ledger's."""
    check = result.checks[target]
    assert check.holds, check.differences
    accepted = sum(outcomes["accepted"] for outcomes in result.decided.values())
    assert result.published[target] == accepted > 0


def test_real_penalties_are_kept_and_answered_with_what_they_lack(result: Run) -> None:
    """15 penalties of a monitoring service: none names a code, so none is shown, all count."""
    outcomes, reasons = summary_of(result, "penalties_2017_2019.csv")
    assert outcomes == {"quarantined": 15}
    assert reasons == {
        **dict.fromkeys(NO_BASIS, 15),
        "FIELD_REQUIRED CF_XDR_MC": 8,
        "FIELD_REQUIRED CF_NR": 4,
        "FIELD_REQUIRED CF_SY": 3,
    }


def test_real_pollutant_permits_are_published(result: Run) -> None:
    """Ten numbers begin with a good code; the eleventh is revoked and was never on record.

    Its code has the letter I, so the withdrawal is the department's own and waits for its record.
    """
    outcomes, reasons = summary_of(result, "pollutant_permits_2017_2020.csv")
    assert outcomes == {"accepted": 10, "held": 1}
    assert reasons == {"WAITING_FOR_RECORD": 1, "REGION_UNKNOWN XK_XDR_SHXYM": 1}


def test_real_mining_permits_are_answered_with_what_they_lack(result: Run) -> None:
    """The register gives no codes, and the day of publication in two rows of ten."""
    outcomes, reasons = summary_of(result, "mining_permits_2014_2022.csv")
    assert outcomes == {"quarantined": 10}
    assert reasons == {**dict.fromkeys(NO_AUTHORITY, 10), "FIELD_REQUIRED XK_JDRQ": 8}


def test_real_qualifications_are_answered_with_what_they_lack(result: Run) -> None:
    """One certificate covers several qualifications: twelve documents, not five."""
    outcomes, reasons = summary_of(result, "construction_qualifications_2019.csv")
    assert outcomes == {"quarantined": 12}
    assert reasons == dict.fromkeys(NO_AUTHORITY, 12)


def test_a_template_without_rows_submits_nothing_and_a_form_is_one_unreadable(result: Run) -> None:
    """2,549 and 941 formatted blank rows are nobody's; a monthly report is no table."""
    names = {Path(path).name for path in result.told}
    assert names.isdisjoint({"corp_xk.xls", "corp_cf.xls"})
    assert answers_of(result, "monthly_report.xls") == {
        0: TableAnswer("quarantined", frozenset({"HEADER_NOT_FOUND"}), "company-registration")
    }


def test_the_older_templates_are_read_and_answered_with_what_they_lack(result: Run) -> None:
    """A row under an older template's headers: each reason is a column that came with 2018."""
    (licence,) = answers_of(result, "corp_xk-filled.xlsx").values()
    (penalty,) = answers_of(result, "corp_cf-filled.xlsx").values()
    assert (licence.outcome, penalty.outcome) == ("quarantined", "quarantined")
    assert licence.reasons == OLDER_LICENCE
    assert penalty.reasons == OLDER_PENALTY


def test_a_document_under_two_codes_is_raised(result: Run) -> None:
    """The registrar sees one code at a time; the identity index names each double, and no other."""
    doubles = {
        document: codes for document, codes in result.expectation.documents.items()
        if len(codes) > 1
    }  # fmt: skip
    assert len(doubles) == SECOND_CODES
    assert all(conflict.is_open for conflict in result.conflicts)
    assert {
        conflict.document_number: set(conflict.credit_codes) for conflict in result.conflicts
    } == doubles


@pytest.mark.parametrize("audit", ["verify", "replay"])
def test_the_audit_finds_no_difference(result: Run, audit: str) -> None:
    """The ledger of real rows is whole, and deciding again gives the same bytes."""
    check = result.checks[audit]
    assert check.holds, check.differences


def test_the_documented_table_is_the_run_s(result: Run) -> None:
    """docs/reference-run.md: every line of a whole run; of a sample, those it does not touch."""
    lines = table_of(result).splitlines()
    if not WHOLE:
        lines = [line for line in lines if "companies_sample" not in line
                 and "companies_duplicate" not in line]  # fmt: skip
    documented = DOCUMENT.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line not in documented] == []
