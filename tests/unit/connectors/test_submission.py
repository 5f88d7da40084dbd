"""Rows become submissions: as written, sealed where they must be, and never fewer than the rows."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.layout import Folder
from connectors.submission import NOT_SHOWN, SEAL_LIMIT, OutgoingSubmission
from connectors.tables import SourceRow
from hub.adapters.sealing import PREFIX
from tests.unit.connectors.made import (
    FINGERPRINT,
    LICENCE_ROW,
    SEALER,
    STREAM,
    SUBMITTER,
    decoded,
    fields_of,
    layouts,
    submitted,
    table,
)

UNKEYED = re.compile(rb"\?market-supervision/[0-9a-f]{16}")
CODE = "行政相对人代码_1(统一社会信用代码)"
BAD_CODE = "91330900MA0000444X"


def one(row: dict[str, str], folder: Folder = Folder.LICENCES) -> OutgoingSubmission:
    """Submit one row that gives one submission."""
    (made,) = submitted(table(row), layouts(folder))
    return made


def test_a_row_travels_as_written_under_its_canonical_code() -> None:
    """Values are not changed; only the key is canonical."""
    made = one({**LICENCE_ROW, "行政相对人代码_1(统一社会信用代码)": " 91330900ma00000156 "})
    fields = fields_of(made)
    assert made.kind == "licence.granted.v1"
    assert made.key == b"91330900MA00000156"
    assert made.position == f"{FINGERPRINT[:16]}:0:2"
    assert fields["XK_XDR_SHXYM"] == " 91330900ma00000156 "
    assert fields["XK_JDRQ"] == "2026/1/30"


def test_columns_are_found_by_code_or_name_in_any_order() -> None:
    """Codes in lower case, starred names and reversed columns give the same submission."""
    renamed = {"行政相对人名称": "*行政相对人名称 ", "行政许可决定文书号": "xk_wsh"}
    row = {renamed.get(header, header): text for header, text in reversed(LICENCE_ROW.items())}
    assert one(row) == one(LICENCE_ROW)


def test_a_row_without_a_valid_code_is_keyed_by_its_department_and_identity() -> None:
    """It is submitted all the same; the registrar says what is wrong."""
    made = one({**LICENCE_ROW, CODE: "330900000000015"})
    assert made.kind == "licence.granted.v1"
    assert UNKEYED.fullmatch(made.key)


@pytest.mark.parametrize(
    "change",
    [
        {CODE: ""},
        {CODE: "91330900MA00004440"},
        {"行政许可决定文书号": "舟市监许〔2026〕2号"},
        {"行政相对人名称": "舟山青禾粮油有限公司"},
        {"许可机关统一社会信用代码": "11330900MA0000090B"},
    ],
)
def test_every_part_of_an_identity_without_a_code_is_in_its_key(change: dict[str, str]) -> None:
    """One department's faulty rows are spread, and two records never share a key."""
    row = {**LICENCE_ROW, CODE: BAD_CODE}
    assert one({**row, **change}).key != one(row).key


def test_whatever_names_a_record_without_a_code_finds_it() -> None:
    """Another spelling, a withdrawal, a correction, a pair to the right code: one key."""
    key = one({**LICENCE_ROW, CODE: BAD_CODE}).key
    spelt = {
        CODE: f" '{BAD_CODE.lower()}",
        "行政许可决定文书号": "舟市监许（2026）１号",
        "行政相对人名称": '="舟山青禾食品有限公司"',
    }
    assert one({**LICENCE_ROW, **spelt}).key == key
    assert one({**LICENCE_ROW, **spelt, "当前状态": "2"}).key == key
    assert one({**LICENCE_ROW, **spelt, "原因": "错字"}, Folder.CORRECTIONS).key == key
    restored = {**LICENCE_ROW, **spelt, "恢复原因": "复议维持", "决定机关": "某局"}
    assert one(restored, Folder.RESTORATIONS).key == key
    form = {
        "文书号": "舟市监许〔2026〕1号",
        "相对人名称": "舟山青禾食品有限公司",
        "统一社会信用代码": BAD_CODE,
        "种类": "行政许可",
        "机关代码": "11330900MA0000015E",
        "原因": "代码有误",
    }
    assert one(form, Folder.WITHDRAWALS).key == key
    pair = table({**LICENCE_ROW, "原因": "录错", "原统一社会信用代码": BAD_CODE.lower()})
    out, into = submitted(pair, layouts(Folder.CORRECTIONS))
    assert (out.key, into.key) == (key, b"91330900MA00000156")


@pytest.mark.parametrize(
    ("number", "licence_number", "stands_in"),
    [
        ("无", "JY1330901", "JY1330901"),
        ("——", "/", "2026-01-30"),
        ("'无", "暂无", "2026-01-30"),
    ],
)
def test_a_record_without_a_number_is_named_by_what_stands_in(
    number: str, licence_number: str, stands_in: str
) -> None:
    """References carry a number alone, so it must be the licence's or the day of decision."""
    row = {**LICENCE_ROW, "行政许可决定文书号": number, "许可编号": licence_number}
    assert fields_of(one(row))["XK_WSH"] == number
    gone = one({**row, "当前状态": "2"})
    assert fields_of(gone)["document_number"] == stands_in
    moved = {**row, "原因": "录错", "原统一社会信用代码": BAD_CODE}
    out, into = submitted(table(moved), layouts(Folder.CORRECTIONS))
    assert fields_of(out)["document_number"] == stands_in
    assert not {"previous_document_number", "new_document_number"} & {
        *fields_of(out),
        *fields_of(into),
    }
    assert one({**row, CODE: BAD_CODE}).key == out.key


@pytest.mark.parametrize(
    "previous",
    [
        {"原文书号": "舟市监许（2026）1号"},
        {"原文书号": "'舟市监许【2026】 1号"},
        {"原文书号": "无"},
        {"原相对人名称": " 舟山青禾食品有限公司"},
        {"原统一社会信用代码": "９１330900ma00000156"},
        {"原统一社会信用代码": '="91330900MA00000156"', "原相对人名称": "舟山青禾食品有限公司"},
    ],
)
def test_a_pair_of_equal_identities_is_a_correction(previous: dict[str, str]) -> None:
    """Brackets, width, case, a formula around it: nothing moves."""
    made = one({**LICENCE_ROW, "原因": "录入错误", **previous}, Folder.CORRECTIONS)
    assert made.kind == "record.corrected.v1"
    assert not [name for name in fields_of(made) if name.startswith("previous_")]


def test_a_name_with_other_brackets_is_the_same_name() -> None:
    """Half- and full-width brackets mix in real tables of companies."""
    row = {**LICENCE_ROW, "行政相对人名称": "舟山青禾(集团)有限公司", "原因": "错字"}
    made = one({**row, "原相对人名称": "舟山青禾（集团）有限公司"}, Folder.CORRECTIONS)
    assert made.kind == "record.corrected.v1"


def test_a_correction_says_when_it_was_determined_anew() -> None:
    """A target named for the first time counts from that day."""
    row = {**LICENCE_ROW, "原因": "重新认定", "重新认定日期": "2026/3/1"}
    assert fields_of(one(row, Folder.CORRECTIONS))["redetermined_on"] == "2026/3/1"


def test_a_restoration_carries_the_row_the_reason_and_who_decided() -> None:
    """The folder declares it; without a reason the registrar answers, not the connector."""
    row = {**LICENCE_ROW, "恢复原因": "复议决定维持", "决定机关": "舟山市人民政府"}
    made = one(row, Folder.RESTORATIONS)
    fields = fields_of(made)
    assert (made.kind, made.key) == ("record.restored.v1", b"91330900MA00000156")
    assert fields["subject_kind"] == "licence.granted.v1"
    assert (fields["reason"], fields["decided_by"]) == ("复议决定维持", "舟山市人民政府")
    assert decoded("licence.granted.v1", bytes(fields["row"]))["XK_ZT"] == "1"  # type: ignore[arg-type]  # bytes by the contract
    assert "reason" not in fields_of(one(LICENCE_ROW, Folder.RESTORATIONS))


@pytest.mark.parametrize(("status", "stated"), [("1", "valid"), ("有效", "valid"), ("", "")])
def test_a_status_of_valid_is_stated_beside_the_row(status: str, stated: str) -> None:
    """With a version of its source it is how a row comes back after 无效."""
    assert one({**LICENCE_ROW, "当前状态": status}).stated_status == stated


def test_a_penalty_table_in_the_wrong_folder_is_read_as_what_it_is() -> None:
    """The header tells licences from penalties, whatever the folder."""
    row = {"CF_WSH": "甬罚〔2026〕1号", "CF_XDR_MC": "某公司", "CF_SY": "无照经营", "备注": ""}
    assert one(row, Folder.LICENCES).kind == "penalty.imposed.v1"


def test_the_representatives_document_is_sealed_and_nothing_else() -> None:
    """Type and number of the representative's document never travel in the clear."""
    number = "330900198001010019"
    made = one({**LICENCE_ROW, "法定代表人证件类型": "身份证", "法定代表人证件号码": number})
    fields = fields_of(made)
    assert number.encode() not in made.value
    assert str(fields["XK_FR_ZJLX"]).startswith(PREFIX)
    assert SEALER.open_text("XK_FR_ZJHM", str(fields["XK_FR_ZJHM"])) == number


@pytest.mark.parametrize(
    "change",
    [
        {"行政相对人类别": "自然人"},
        {"行政相对人代码_1(统一社会信用代码)": "330900198001010019"},
        {"行政相对人代码_1(统一社会信用代码)": "330900198001010908"},
        {"行政相对人代码_1(统一社会信用代码)": "33090019800101001x"},
        {"行政相对人代码_1(统一社会信用代码)": "３３０９００１９８００１０１００１９"},
        {"证件类型": "身份证", "证件号码": "330900198001010019"},
        {"行政相对人代码_5 (居民身份证号)": "330900198001010019"},
    ],
)
def test_a_natural_persons_row_is_sealed_as_a_whole(change: dict[str, str]) -> None:
    """No name and no number of a person in key or value; the answer will be PERSON_NOT_ENABLED."""
    row = {**LICENCE_ROW, **change}
    if row["行政相对人代码_1(统一社会信用代码)"] == "33090019800101001x":
        row["行政相对人类别"] = "自然人"  # not a valid number: only the category tells
    made = one(row)
    fields = fields_of(made)
    assert UNKEYED.fullmatch(made.key)
    assert fields["cause"] == "person"
    assert fields["reason_code"] == "PERSON_NOT_ENABLED"
    assert fields["subject_kind"] == "licence.granted.v1"
    assert "舟山青禾".encode() not in made.value
    opened = json.loads(SEALER.open_bytes(made.kind, bytes(fields["sealed"])))  # type: ignore[arg-type]  # bytes by the contract
    assert "舟山青禾食品有限公司" in opened["cells"]


NUMBER = "330900198001010019"
DRESSED = {
    "dots": "330900.1980.0101.0019",
    "slashes": "330900/19800101/0019",
    "chinese": NUMBER.translate(str.maketrans("0123456789", "〇一二三四五六七八九")),
    "unseen": "330900\u034f19800101\u202c0019",
    "quoted": f"“{NUMBER}”；",
    "word": f"身份证{NUMBER}",
    "two": f"{NUMBER}、{NUMBER}",
    "neighbour": f"{NUMBER}1",
    "exponent": "3.30900198001010019E+17",
    "old": "330900.800101.001",
    "masked": "（330900********0019）",
    "passport": "护照E12345678",
    "blanks": (" " * 9).join(NUMBER),
}


def shown(row: dict[str, str], fault: str = "") -> SourceRow:
    """Return a row as its sender may see it again."""
    source = SourceRow(0, 2, tuple(row), tuple(row.values()), fault)
    return SUBMITTER.shown(source, layouts(Folder.LICENCES))


@pytest.mark.parametrize("dress", DRESSED)
def test_a_citizens_number_in_any_dress_seals_the_row(dress: str) -> None:
    """In the code's place, with nothing in the category: neither sent in the clear nor shown."""
    row = {**LICENCE_ROW, CODE: DRESSED[dress], "行政相对人类别": ""}
    made = one(row)
    assert fields_of(made)["reason_code"] == "PERSON_NOT_ENABLED"
    assert DRESSED[dress].encode() not in made.value
    assert set(shown(row).cells) == {NOT_SHOWN}


@pytest.mark.parametrize(
    "category",
    ["自\u200b然人", "自\U000e0020然人", "自 然 人", "自然人（个人）", "1.自然人", "自然人。"],
)
def test_a_natural_person_is_one_however_the_category_is_written(category: str) -> None:
    """Nothing else of the row tells; 自然人独资 is a company's."""
    row = {**LICENCE_ROW, CODE: "", "行政相对人名称": "某甲", "行政相对人类别": category}
    assert fields_of(one(row))["reason_code"] == "PERSON_NOT_ENABLED"
    assert one({**row, "行政相对人类别": "自然人独资"}).kind == "licence.granted.v1"


@pytest.mark.parametrize(
    "header",
    ["身份证", "证件号", "公民身份证号码", "身份证件号码", "证件号码1", "證件號碼",
     "社会信用代码/身份证号", "申请人有效证件号码", "证件\u200b号码", "cf_xdr_zjhm"],
)  # fmt: skip
def test_a_column_of_persons_is_known_by_its_header(header: str) -> None:
    """Whatever stands in it, the row is a person's."""
    row = {**LICENCE_ROW, header: "甲1234"}
    assert fields_of(one(row))["reason_code"] == "PERSON_NOT_ENABLED"
    assert set(shown(row).cells) == {NOT_SHOWN}
    unread = layouts(Folder.LICENCES).layout_of(tuple(row)).unread(tuple(row))
    assert unread == []


@pytest.mark.parametrize("header", ["许可证件号", "联系人身份证号", "资质证件编号", "备注1"])
def test_other_columns_make_no_row_a_persons_but_show_no_number(header: str) -> None:
    """A licence has a number, a company somebody to call: only the cell is not shown again."""
    assert one({**LICENCE_ROW, header: "甲1234"}).kind == "licence.granted.v1"
    assert shown({**LICENCE_ROW, header: "甲1234"}).cells[-1] == "甲1234"
    cells = shown({**LICENCE_ROW, header: DRESSED["dots"]}).cells
    assert cells == (*LICENCE_ROW.values(), NOT_SHOWN)


@pytest.mark.parametrize("fault", ["ROW_WIDTH", "QUOTES_BROKEN", "TEXT_UNDECODABLE", "ANY_OTHER"])
def test_nothing_is_shown_of_a_row_whose_cells_are_not_where_they_seem(fault: str) -> None:
    """The number may stand in any cell of it, in a part of one, or below another header."""
    row = {**LICENCE_ROW, "法定代表人": "甲某 3309001980"}
    assert set(shown(row, fault).cells) == {NOT_SHOWN}
    assert shown(row, "CELL_ERROR").cells == tuple(row.values())
    person = shown({**row, "行政相对人类别": "自然人"}, "CELL_ERROR")
    assert set(person.cells) == {NOT_SHOWN}


def test_nothing_is_shown_of_a_row_that_says_two_things_of_one_column() -> None:
    """One of the two may be a citizen's number, and the reader takes the other."""
    headers, cells = (*LICENCE_ROW, CODE), (*LICENCE_ROW.values(), DRESSED["masked"])
    row = SUBMITTER.shown(SourceRow(0, 2, headers, cells), layouts(Folder.LICENCES))
    assert set(row.cells) == {NOT_SHOWN}


def test_a_table_of_persons_is_sealed_even_where_the_number_is_missing() -> None:
    """The 自然人 layout has no credit code: all of its rows are persons'."""
    made = one({"XK_XDR_MC": "某甲", "XK_XDR_ZJHM": "", "XK_WSH": "1号", "XK_NR": "执业"})
    assert fields_of(made)["cause"] == "person"


def test_status_not_valid_withdraws_the_record() -> None:
    """当前状态 2 or 无效 is a withdrawal with a reason, for the same identity."""
    for status in ("2", "无效", "２"):
        made = one({**LICENCE_ROW, "当前状态": status})
        assert (made.kind, made.key) == ("record.withdrawn.v1", b"91330900MA00000156")
        assert fields_of(made) == {
            "subject_kind": "licence.granted.v1",
            "document_number": "舟市监许〔2026〕1号",
            "subject_name": "舟山青禾食品有限公司",
            "credit_code": "91330900MA00000156",
            "authority_code": "11330900MA0000015E",
            "reason": "报送状态为无效",
        }


def test_a_withdrawal_form_names_its_record() -> None:
    """The withdrawals' folder: labels of kinds are understood, others travel as written."""
    form = {
        "文书号": "舟市监许〔2026〕1号",
        "相对人名称": "舟山青禾食品有限公司",
        "统一社会信用代码": "91330900MA00000156",
        "类型": "行政许可",
        "机关代码": "11330900MA0000015E",
        "原因": "许可被撤销",
    }
    made = one(form, Folder.WITHDRAWALS)
    assert made.kind == "record.withdrawn.v1"
    assert fields_of(made)["subject_kind"] == "licence.granted.v1"
    assert fields_of(made)["reason"] == "许可被撤销"
    assert fields_of(one({**form, "类型": "合同"}, Folder.WITHDRAWALS))["subject_kind"] == "合同"


def test_a_correction_in_place_carries_the_full_row() -> None:
    """Another spelling of the number is no change of identity."""
    made = one(
        {**LICENCE_ROW, "原因": "录入错误", "原文书号": "舟市监许（2026）1号"}, Folder.CORRECTIONS
    )
    fields = fields_of(made)
    assert made.kind == "record.corrected.v1"
    assert fields["reason"] == "录入错误"
    row = fields["row"]
    assert isinstance(row, bytes)
    assert decoded("licence.granted.v1", row)["XK_XDR_MC"] == "舟山青禾食品有限公司"


@pytest.mark.parametrize(
    ("column", "old", "field", "old_key"),
    [
        ("原统一社会信用代码", "91330900MA00004450", "credit_code", b"91330900MA00004450"),
        ("原文书号", "舟市监许〔2026〕7号", "document_number", b"91330900MA00000156"),
    ],
)
def test_a_changed_identity_moves_the_record(
    column: str, old: str, field: str, old_key: bytes
) -> None:
    """Out under the old key, in under the new one, joined by an id made of the stream's number."""
    content = table({**LICENCE_ROW, "原因": "更名", column: old})
    out, into = submitted(content, layouts(Folder.CORRECTIONS), first=41)
    assert (out.kind, into.kind) == ("record.moved_out.v1", "record.moved_in.v1")
    assert (out.key, into.key) == (old_key, b"91330900MA00000156")
    assert fields_of(out)[field] == old
    assert fields_of(into)[f"previous_{field}"] == old
    assert [name for name in fields_of(into) if name.startswith("previous_")] == [
        f"previous_{field}"
    ]
    assert fields_of(out)["new_credit_code"] == "91330900MA00000156"
    assert {name for name in fields_of(out) if name.startswith("new_")} == {
        "new_credit_code",
        f"new_{field}",
    }
    new = {"document_number": "舟市监许〔2026〕1号"}
    assert fields_of(out)[f"new_{field}"] == new.get(field, "91330900MA00000156")
    assert fields_of(out)["move_id"] == fields_of(into)["move_id"]
    (again, _) = submitted(content, layouts(Folder.CORRECTIONS), first=42)
    assert fields_of(again)["move_id"] != fields_of(out)["move_id"]
    assert len(str(fields_of(out)["move_id"])) == 32
    assert STREAM.encode() not in out.value


def test_a_company_under_another_name_stays_where_it_is() -> None:
    """It is its credit code: the correction of a name is one submission, and nothing moves."""
    row = {**LICENCE_ROW, "原因": "更名", "原相对人名称": "舟山青禾粮油有限公司"}
    made = one(row, Folder.CORRECTIONS)
    assert (made.kind, made.key) == ("record.corrected.v1", b"91330900MA00000156")


def test_what_has_no_valid_code_moves_when_its_name_changes() -> None:
    """There the name is a part of the identity, and of the key."""
    row = {**LICENCE_ROW, "原因": "更名", "原相对人名称": "舟山青禾粮油有限公司", CODE: BAD_CODE}
    out, into = submitted(table(row), layouts(Folder.CORRECTIONS))
    assert (out.kind, into.kind) == ("record.moved_out.v1", "record.moved_in.v1")
    assert out.key != into.key


def test_a_correction_of_a_persons_row_does_not_spell_out_the_number() -> None:
    """The sealed row is not on record under that number: the new row is submitted as it is."""
    row = {**LICENCE_ROW, "原因": "录错", "原统一社会信用代码": "330900198001010019"}
    made = one(row, Folder.CORRECTIONS)
    assert made.kind == "licence.granted.v1"
    assert b"330900198001010019" not in made.value


def test_an_unreadable_row_is_sealed_with_its_cells() -> None:
    """Nothing is lost: the cells open again under the key, undecodable bytes included."""
    row = SourceRow(0, 7, ("文书号",), ("\udce4坏",), "BYTES_NOT_TEXT")
    (made,) = SUBMITTER.submissions(row, layouts(Folder.PENALTIES), FINGERPRINT, 1)
    fields = fields_of(made)
    assert made.kind == "row.unreadable.v1"
    assert UNKEYED.fullmatch(made.key)
    (below,) = SUBMITTER.submissions(
        row._replace(row_number=8), layouts(Folder.PENALTIES), FINGERPRINT, 1
    )
    assert below.key != made.key
    assert fields["reason_code"] == "BYTES_NOT_TEXT"
    assert fields["subject_kind"] == "penalty.imposed.v1"
    sealed = fields["sealed"]
    assert isinstance(sealed, bytes)
    opened = json.loads(SEALER.open_bytes(made.kind, sealed).decode("utf-8", "surrogatepass"))
    assert opened["cells"] == ["\udce4坏"]


def test_too_much_to_seal_leaves_a_digest() -> None:
    """A submission stays below a megabyte whatever the row or the file holds."""
    row = SourceRow(0, 2, ("文书号",), ("字" * SEAL_LIMIT,), "CELL_TOO_LARGE")
    (made,) = SUBMITTER.submissions(row, layouts(Folder.LICENCES), FINGERPRINT, 1)
    assert len(made.value) < 1024
    for size in (10, SEAL_LIMIT, 4 * SEAL_LIMIT):
        whole = SourceRow(0, 0, (), (), "FILE_BROKEN")
        file = SUBMITTER.unreadable_file(whole, "", FINGERPRINT, bytes(size))
        assert len(file.value) < 1_000_000
        assert file.position == f"{FINGERPRINT[:16]}:0:0"


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.dictionaries(st.sampled_from(sorted(LICENCE_ROW)), texts), max_size=6))
def test_every_row_gives_a_submission_whatever_it_holds(rows: list[dict[str, str]]) -> None:
    """Rows in, submissions out: same count, same order, positions that tell them apart."""
    content = table(LICENCE_ROW, *rows)
    made = submitted(content, layouts(Folder.LICENCES))
    said = [row for row in rows if any(text and not text.isspace() for text in row.values())]
    assert len(made) == 1 + len(said)
    numbers = [int(each.position.rsplit(":", 1)[1]) for each in made]
    assert numbers == sorted(set(numbers))
    assert submitted(content, layouts(Folder.LICENCES)) == made
