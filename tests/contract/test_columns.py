"""Columns are found by name in any of the ways departments have written it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.contracts.columns import (
    ambiguous_headers,
    column_index,
    header_key,
    headers_of,
    template,
)
from tests.contract.specimens import CONTRACTS, KINDS, LICENCE, PENALTY

LICENCES = CONTRACTS.by_kind[LICENCE]
PENALTIES = CONTRACTS.by_kind[PENALTY]


@pytest.mark.parametrize("kind", KINDS)
def test_no_header_means_two_fields(kind: str) -> None:
    """An alias given to two fields would put a value in the wrong column."""
    assert ambiguous_headers(CONTRACTS.by_kind[kind].schema) == {}


@pytest.mark.parametrize(
    ("kind", "header", "field"),
    [
        (LICENCE, "xk_wsh", "XK_WSH"),
        (LICENCE, "*行政许可决定文书号 ", "XK_WSH"),
        (LICENCE, "行政相对人代码_1（统一社会信用代码）", "XK_XDR_SHXYM"),
        (LICENCE, "行政相对人代码_1 (统一社会信用代码)", "XK_XDR_SHXYM"),
        (LICENCE, "行政相对人代码_2 (组织机构代码)", "XK_XDR_ZZJG"),
        (LICENCE, "行政相对人代码_3 (工商登记码)", "XK_XDR_GSZC"),
        (LICENCE, "许可截止期", "XK_YXQZI"),
        (LICENCE, "有效期自", "XK_YXQZ"),
        (LICENCE, "审批类别", "XK_XKLB"),
        (LICENCE, "XK_FR_SFZH", "XK_FR_ZJHM"),
        (PENALTY, "行政处罚决定书文号 ", "CF_WSH"),
        (PENALTY, "罚款金额（万元）", "CF_NR_FK"),
        (PENALTY, "处罚事由", "CF_SY"),
        (PENALTY, "ＣＦ＿ＷＳＨ（必填）", "CF_WSH"),
        ("record.withdrawn.v1", "XK_WSH", "document_number"),
        ("record.withdrawn.v1", "原因", "reason"),
        ("record.corrected.v1", "原文书号", "previous_document_number"),
    ],
)
def test_headers_in_use_are_known(kind: str, header: str, field: str) -> None:
    """Names, codes in any case and width, aliases of the 2016/17 templates, required marks."""
    assert column_index(CONTRACTS.by_kind[kind].schema)[header_key(header)] == field


def test_a_person_s_number_has_no_column() -> None:
    """代码_5 of the older template is a citizen id: no field of an organisation's row takes it."""
    assert header_key("行政相对人代码_5 (居民身份证号)") not in column_index(LICENCES.schema)


def test_the_first_contract_wins_where_two_share_a_header() -> None:
    """A corrections file has both the correction's columns and the row's."""
    index = column_index(CONTRACTS.by_kind["record.withdrawn.v1"].schema, LICENCES.schema)
    assert index["XK_WSH"] == "document_number"
    assert index["XK_NR"] == "XK_NR"


WIDE = {byte: 0xFEE0 + byte for byte in range(0x21, 0x7F)}


@given(
    st.sampled_from([header for field in LICENCES.schema.fields for header in headers_of(field)]),
    st.data(),
)
def test_blanks_width_case_and_marks_do_not_hide_a_column(header: str, data: st.DataObject) -> None:
    """Any header of the contract, as spreadsheets mangle it, has the key of the plain one."""
    at = data.draw(st.integers(0, len(header)))
    blank = data.draw(st.sampled_from(["", " ", "\u3000", "\n", "\u00a0", "*"]))
    mangled = header[:at] + blank + header[at:]
    mangle = data.draw(st.sampled_from([str.lower, str.upper, lambda text: text.translate(WIDE)]))
    mark = data.draw(st.sampled_from(["", "（必填）", "(选填)(必填)"]))
    assert header_key(mangle(mangled) + mark) == header_key(header)


@given(st.text(max_size=40))
def test_any_text_has_a_key(text: str) -> None:
    """A header row of another planet does not stop the connector; keys hold no ASCII blank."""
    assert " " not in header_key(text)


@pytest.mark.parametrize("contract", [LICENCES, PENALTIES])
def test_a_template_is_read_back(contract: object) -> None:
    """What we hand out we understand, both rows, without columns for identity documents."""
    assert contract in (LICENCES, PENALTIES)
    schema = LICENCES.schema if contract is LICENCES else PENALTIES.schema
    names, codes = template(LICENCES if contract is LICENCES else PENALTIES)
    index = column_index(schema)
    assert [index[header_key(name)] for name in names] == list(codes)
    assert not any(code.endswith(("FR_ZJLX", "FR_ZJHM")) for code in codes)
    assert names[0] == "*行政相对人名称"
