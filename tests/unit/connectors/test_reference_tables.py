"""The real tables that HUB_REFERENCE_DATA names, read through the file connector's layouts."""

import os
from pathlib import Path

import pytest

from connectors.files.formats import read_rows
from connectors.layout import Folder, field_names
from connectors.mapping import read_mapping
from tests.unit.connectors.made import CONTRACTS, ROOT, fields_of, layouts, submitted

pytestmark = pytest.mark.reference
FIRST = {
    "penalties_2017_2019": (15, "CF_WSH", "桂林市城管委（燃气）处罚决定字【2019】第49号"),
    "pollutant_permits_2017_2020": (11, "XK_XDR_SHXYM", "91420300793273075J"),
    "mining_permits_2014_2022": (10, "XK_XKWS", "勘查许可证"),
    "construction_qualifications_2019": (12, "XK_WSH", "D343021876-环保工程专业承包"),
}


def reference(*parts: str) -> bytes:
    """Read one file of the reference tables."""
    return Path(os.environ["HUB_REFERENCE_DATA"], *parts).read_bytes()


@pytest.mark.parametrize("name", FIRST)
def test_a_real_table_is_submitted_row_by_row(name: str) -> None:
    """Every row is submitted through its mapping; the first has the expected value."""
    path = ROOT / "deploy/sites/reference/mappings" / f"{name}.yaml"
    where = layouts(Folder.LICENCES, [read_mapping(path, field_names(CONTRACTS))])
    folder = Folder.PENALTIES if name.startswith("penalties") else Folder.LICENCES
    where = layouts(folder, [read_mapping(path, field_names(CONTRACTS))])
    made = submitted(reference("licence_penalty_samples", f"{name}.csv"), where)
    count, field, value = FIRST[name]
    assert len(made) == count
    assert fields_of(made[0])[field] == value
    assert {each.kind for each in made} <= {
        "licence.granted.v1",
        "penalty.imposed.v1",
        "record.withdrawn.v1",
    }


def test_both_date_notations_of_the_penalties_become_days() -> None:
    """Epoch seconds in one block, year-month-day in the other."""
    path = ROOT / "deploy/sites/reference/mappings/penalties_2017_2019.yaml"
    where = layouts(Folder.PENALTIES, [read_mapping(path, field_names(CONTRACTS))])
    made = submitted(reference("licence_penalty_samples", "penalties_2017_2019.csv"), where)
    days = [str(fields_of(each)["CF_JDRQ"]) for each in made]
    assert days[0] == "2019-12-17"
    assert days[-1] == "2017-11-02"
    assert all(len(day) == len("2019-12-17") for day in days)


@pytest.mark.parametrize(
    ("name", "folder"), [("corp_xk", Folder.LICENCES), ("corp_cf", Folder.PENALTIES)]
)
def test_the_older_templates_are_known_and_their_blank_rows_are_nobodys(
    name: str, folder: Folder
) -> None:
    """2,549 and 941 formatted blank rows give no submission, and the header is recognised."""
    where = layouts(folder)
    assert list(read_rows(reference("templates", f"{name}.xls"), where.words.knows)) == []


def test_a_monthly_report_form_is_no_table_of_decisions() -> None:
    """It is one unreadable file, not a hundred odd rows."""
    rows = list(
        read_rows(
            reference("templates", "monthly_report.xls"), layouts(Folder.PENALTIES).words.knows
        )
    )
    assert [(row.row_number, row.fault) for row in rows] == [(0, "HEADER_NOT_FOUND")]
