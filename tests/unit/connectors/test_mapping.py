"""Mapping files: other layouts fill the national fields; a typo names file and line."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.files.wiring import layouts_of
from connectors.layout import Folder, field_names
from connectors.mapping import (
    LONGEST_TEXT,
    MOST_COLUMNS,
    DateStyle,
    FieldRule,
    Mapping,
    read_mapping,
)
from connectors.run import connections_of, file_connections
from hub.config.site import load_site
from hub.errors import ConfigurationError
from tests.unit.connectors.made import CONTRACTS, ROOT, fields_of, layouts, submitted, table

KNOWN = field_names(CONTRACTS)
WHOLE = """
kind: penalty.imposed.v1
fields:
  CF_WSH: {from: [number, part], join: "-"}
  CF_XDR_MC: who
  CF_XDR_SHXYM: {from: permit, first: 18}
  CF_XDR_LB: {always: 法人及非法人组织}
  CF_CFLB: {from: type, codes: {1: 罚款, "": 警告}}
  CF_JDRQ: {from: day, date: epoch_seconds}
  source_version: {from: version}
person_ids: [身份证]
"""
ROW = {
    "number": "甬罚1号", "part": "2", "who": "某公司", "permit": "91330900MA00000156001P",
    "type": "1", "day": "1576512000", "version": "7", "身份证": "", "more": "x",
}  # fmt: skip


def mapping(text: str, tmp_path: Path) -> Mapping:
    """Read a mapping from a file."""
    path = tmp_path / "penalties.yaml"
    path.write_text(text, encoding="utf-8")
    return read_mapping(path, KNOWN)


def test_every_rule_fills_its_field(tmp_path: Path) -> None:
    """Joined columns, a cut, a constant, a code map, a day from epoch seconds, a version."""
    where = layouts(Folder.PENALTIES, [mapping(WHOLE, tmp_path)])
    (made,) = submitted(table(ROW), where)
    assert made.kind == "penalty.imposed.v1"
    assert made.source_version == "7"
    assert fields_of(made) == {
        "CF_WSH": "甬罚1号-2",
        "CF_XDR_MC": "某公司",
        "CF_XDR_SHXYM": "91330900MA00000156",
        "CF_XDR_LB": "法人及非法人组织",
        "CF_CFLB": "罚款",
        "CF_JDRQ": "2019-12-17",
    }


def test_a_mapped_person_is_sealed(tmp_path: Path) -> None:
    """A column that holds a person's number makes the row a person's."""
    where = layouts(Folder.PENALTIES, [mapping(WHOLE, tmp_path)])
    (made,) = submitted(table({**ROW, "身份证": "330900198001010019"}), where)
    assert fields_of(made)["cause"] == "person"


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("CF_XDR_MC: who", "CF_XDR_MX: who", 5, "CF_XDR_MX"),
        ("kind: penalty", "kind: penaltie", 2, "penaltie"),
        ("first: 18", "firts: 18", 6, "firts"),
        ("person_ids", "persons", 11, "persons"),
        ("date: epoch_seconds", "date: epoch", 9, "date"),
        ("{always: 法人及非法人组织}", "{join: x}", 7, "always"),
    ],
)
def test_a_typo_names_file_line_and_remedy(
    old: str, new: str, line: int, says: str, tmp_path: Path
) -> None:
    """The operator is told where to look and what is allowed."""
    with pytest.raises(ConfigurationError) as caught:
        mapping(WHOLE.replace(old, new), tmp_path)
    assert caught.value.file.endswith("penalties.yaml")
    assert caught.value.line == line
    assert says in str(caught.value)
    assert "Remedy" in str(caught.value)


@given(st.text(max_size=14), st.sampled_from(DateStyle))
def test_a_date_the_style_does_not_fit_stays_as_written(text: str, style: DateStyle) -> None:
    """The connector never loses or invents a day: what is no such date is left to the registrar."""
    rule = FieldRule.model_validate({"from": "day", "date": style.value})
    value = rule.value({"day": text})
    assert value == text or len(value) == len("2026-01-30")


def test_three_date_styles_of_one_source() -> None:
    """Seconds and milliseconds are midnights in Beijing; month first is turned round."""
    for style, text in (
        ("epoch_seconds", "1576512000"),
        ("epoch_milliseconds", "1576512000000"),
        ("month_day_year", "12/17/2019"),
    ):
        rule = FieldRule.model_validate({"from": "day", "date": style})
        assert rule.value({"day": text}) == "2019-12-17"


@pytest.mark.parametrize("digits", [18, 19, 5_000])
@pytest.mark.parametrize("style", ["epoch_seconds", "epoch_milliseconds"])
def test_a_number_that_is_no_day_stays_as_it_is(style: str, digits: int) -> None:
    """Python reads no whole number of more than 4,300 digits: one cell must not end the source."""
    rule = FieldRule.model_validate({"from": "day", "date": style})
    assert rule.value({"day": "9" * digits}) == "9" * digits


@pytest.mark.parametrize(
    "rule",
    [
        "{from: [" + "who, " * (MOST_COLUMNS + 1) + "]}",
        "{always: " + "x" * (LONGEST_TEXT + 1) + "}",
        "{from: [who, part], join: " + "x" * (LONGEST_TEXT + 1) + "}",
        "{from: who, codes: {1: " + "x" * (LONGEST_TEXT + 1) + "}}",
    ],
    ids=["columns", "constant", "join", "code"],
)
def test_a_mapping_makes_no_mountain_of_each_row(tmp_path: Path, rule: str) -> None:
    """A file of ten thousand columns for one field took that much of every row, for all rows."""
    with pytest.raises(ConfigurationError) as caught:
        mapping(WHOLE.replace("  CF_XDR_MC: who", f"  CF_XDR_MC: {rule}"), tmp_path)
    assert caught.value.line == 5


def test_a_mapping_may_join_as_many_columns_as_it_says(tmp_path: Path) -> None:
    """The bound itself is taken."""
    rule = "{from: [" + "who, " * MOST_COLUMNS + "]}"
    made = mapping(WHOLE.replace("  CF_XDR_MC: who", f"  CF_XDR_MC: {rule}"), tmp_path)
    assert len(made.fields["CF_XDR_MC"].source) == MOST_COLUMNS


def test_the_reference_mappings_are_valid() -> None:
    """Every mapping file in the repository reads."""
    paths = sorted((ROOT / "deploy" / "sites").glob("*/mappings/*.yaml"))
    assert len(paths) >= 4
    for path in paths:
        read_mapping(path, KNOWN)


def test_the_reference_site_reads_with_all_its_layouts() -> None:
    """Every source of the site has layouts: its mapping file is where the site says."""
    loaded = load_site(ROOT / "deploy" / "sites" / "reference")
    for connection in file_connections(loaded):
        assert len(layouts_of(loaded, connection, CONTRACTS)) == len(Folder)
    with pytest.raises(ConfigurationError, match=r"nobody\.\*"):
        connections_of(loaded, "nobody")
