"""`hub validate`: one line per row, exact exit codes, offline."""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from hub.cli import hub
from tests.unit.connectors.made import LICENCE_ROW, table

CODE = "行政相对人代码_1(统一社会信用代码)"


def validate(tmp_path: Path, content: bytes, *options: str) -> Result:
    """Run the command on a file."""
    path = tmp_path / "file.csv"
    path.write_bytes(content)
    return CliRunner().invoke(hub, ["validate", *options, str(path)])


def lines(result: Result) -> list[dict[str, object]]:
    """Parse the output."""
    return [json.loads(line) for line in result.stdout.splitlines()]


LICENCES = ("--kind", "licence.granted.v1", "--json")


def test_a_file_that_would_be_accepted_exits_0(tmp_path: Path) -> None:
    """The documented line, nothing more."""
    result = validate(tmp_path, table(LICENCE_ROW), *LICENCES)
    assert result.exit_code == 0
    assert lines(result) == [{"row": 2, "outcome": "accepted", "reasons": []}]


def test_every_fault_of_a_row_is_told_with_its_remedy(tmp_path: Path) -> None:
    """Exit 1; each reason has code, field, Chinese and English message and remedy."""
    bad = {**LICENCE_ROW, CODE: "91330900MA0000015X", "许可决定日期": "2026-02-30"}
    result = validate(tmp_path, table(LICENCE_ROW, bad), *LICENCES)
    assert result.exit_code == 1
    first, second = lines(result)
    assert first["outcome"] == "accepted"
    assert second["outcome"] == "quarantined"
    reasons = second["reasons"]
    assert isinstance(reasons, list)
    told = {(reason["code"], reason["field"]) for reason in reasons}
    assert {("CREDIT_CODE_CHECK_DIGIT", "XK_XDR_SHXYM"), ("DATE_UNREADABLE", "XK_JDRQ")} <= told
    assert all(set(each) == {"code", "field", "zh", "en", "remedy"} for each in reasons)
    assert all(each["zh"] and each["remedy"] for each in reasons)


def test_a_misspelt_column_and_a_table_of_another_kind_are_remarked_upon(tmp_path: Path) -> None:
    """On stderr: each row alone would only say that the code is missing, or that all is well."""
    misspelt = {name.replace(CODE, "统一信用代吗"): text for name, text in LICENCE_ROW.items()}
    result = validate(tmp_path, table(misspelt), *LICENCES)
    assert result.exit_code == 1
    assert [line["row"] for line in lines(result)] == [2]
    assert "统一信用代吗" in result.stderr
    result = validate(tmp_path, table(LICENCE_ROW), "--kind", "penalty.imposed.v1")
    assert "按表头识别为 licence.granted.v1" in result.stderr
    assert not validate(tmp_path, table(LICENCE_ROW), *LICENCES).stderr


def test_rows_are_compared_with_each_other(tmp_path: Path) -> None:
    """The same row again is a duplicate, the same number with other content is conflicting."""
    other = {**LICENCE_ROW, "许可内容": "散装食品销售"}
    result = validate(tmp_path, table(LICENCE_ROW, LICENCE_ROW, other), *LICENCES)
    assert [line["outcome"] for line in lines(result)] == ["accepted", "duplicate", "conflicting"]
    assert result.exit_code == 1


def test_a_person_is_told_so_and_a_withdrawn_status_withdraws(tmp_path: Path) -> None:
    """The way through the connector is the same as in production."""
    person = {**LICENCE_ROW, "行政相对人类别": "自然人"}
    withdrawn = {**LICENCE_ROW, "当前状态": "无效"}
    result = validate(tmp_path, table(person, withdrawn), *LICENCES)
    first, second = lines(result)
    assert first["reasons"][0]["code"] == "PERSON_NOT_ENABLED"  # type: ignore[index]  # JSON
    assert second["outcome"] == "withdrawn"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", "单位,网址\n某局,无\n".encode()])
def test_an_unreadable_file_exits_2(tmp_path: Path, content: bytes) -> None:
    """The reason is told; row 0 is the file."""
    result = validate(tmp_path, content, *LICENCES)
    assert result.exit_code == 2
    assert [line["row"] for line in lines(result)] == [0]


def test_corrections_and_withdrawals_can_be_checked_too(tmp_path: Path) -> None:
    """A correction without its reason would be quarantined."""
    content = table({**LICENCE_ROW, "原因": ""}, {**LICENCE_ROW, "原因": "录入错误"})
    result = validate(tmp_path, content, "--kind", "record.corrected.v1", "--json")
    assert [line["outcome"] for line in lines(result)] == ["quarantined", "corrected"]


def test_a_site_says_which_authorities_may_be_named_and_which_kinds_be_stated(
    tmp_path: Path,
) -> None:
    """Only with --site; a typo in the site names file and line."""
    site = tmp_path / "site"
    site.mkdir()
    text = """
site: test
name_zh: 测试
prefix: test.
partitions: 1
rulebook: r.yaml
calendar: c.yaml
sealing_key_file: key
departments:
  - id: market-supervision
    name_zh: 市场监管局
    authorities: [11330900MA0000015E]
    states: [licence.granted.v1]
  - id: health
    name_zh: 卫健委
    authorities: [12330900MA0000015B]
    states: [licence.granted.v1]
targets: []
"""
    (site / "site.yaml").write_text(text, encoding="utf-8")
    options = (*LICENCES, "--site", str(site), "--department")
    withdrawn = {**LICENCE_ROW, "当前状态": "无效"}
    both = table(LICENCE_ROW, withdrawn)
    assert validate(tmp_path, both, *options, "market-supervision").exit_code == 0
    result = validate(tmp_path, table(LICENCE_ROW), *options, "health")
    assert lines(result)[0]["reasons"][0]["code"] == "FOREIGN_AUTHORITY"  # type: ignore[index]  # JSON
    mine = text.replace("states: [licence", "states: [penalty.imposed.v1]  # [licence", 1)
    (site / "site.yaml").write_text(mine, encoding="utf-8")
    result = validate(tmp_path, both, *options, "market-supervision")
    for line in lines(result):
        assert line["outcome"] == "quarantined"
        assert [each["code"] for each in line["reasons"]] == ["KIND_NOT_YOURS"]  # type: ignore[attr-defined]  # JSON
    (site / "site.yaml").write_text(text.replace("prefix", "prefixx"), encoding="utf-8")
    wrong = validate(tmp_path, table(LICENCE_ROW), *options, "health")
    assert wrong.exit_code == 2
    assert "site.yaml:4" in wrong.stderr


def test_people_get_chinese_lines_and_a_total(tmp_path: Path) -> None:
    """Without --json the output is for reading."""
    result = validate(tmp_path, table(LICENCE_ROW, {**LICENCE_ROW, CODE: ""}), *LICENCES[:2])
    assert "第2行  可受理" in result.stdout
    assert "共 2 行" in result.stdout


def test_a_restoration_says_why_and_who_decided(tmp_path: Path) -> None:
    """The row is judged as in its own folder, the two columns beside it as well."""
    options = ("--kind", "record.restored.v1", "--json")
    whole = {**LICENCE_ROW, "恢复原因": "复议维持", "决定机关": "某市人民政府"}
    result = validate(tmp_path, table(whole), *options)
    assert (result.exit_code, result.stderr) == (0, "")
    assert lines(result) == [{"row": 2, "outcome": "accepted", "reasons": []}]
    (line,) = lines(validate(tmp_path, table({**whole, "恢复原因": "", "决定机关": ""}), *options))
    assert line["outcome"] == "quarantined"
    told = {(each["code"], each["field"]) for each in line["reasons"]}  # type: ignore[attr-defined]  # JSON
    assert told == {("RESTORATION_WITHOUT_REASON", "reason"), ("FIELD_REQUIRED", "decided_by")}


def test_a_correction_is_judged_whole_but_for_what_was_wrong_before(tmp_path: Path) -> None:
    """A bad previous code is why it is corrected; a day of redetermination to come is a fault."""
    options = ("--kind", "record.corrected.v1", "--json")
    row = {**LICENCE_ROW, "原因": "录错", "原统一社会信用代码": "123"}
    (line,) = lines(validate(tmp_path, table(row), *options))
    assert line == {"row": 2, "outcome": "corrected", "reasons": []}
    late = {**LICENCE_ROW, "原因": "录错", "重新认定日期": "2199-01-01"}
    (line,) = lines(validate(tmp_path, table(late), *options))
    assert [each["code"] for each in line["reasons"]] == ["DATE_IN_FUTURE"]  # type: ignore[attr-defined]  # JSON


def test_a_file_without_end_is_refused_for_its_size(tmp_path: Path) -> None:
    """A terabyte of nothing was to be read into memory."""
    path = tmp_path / "file.csv"
    path.touch()
    os.truncate(path, 1 << 40)
    result = CliRunner().invoke(hub, ["validate", *LICENCES, str(path)])
    assert result.exit_code == 2
    assert "FILE_TOO_LARGE" in result.output
