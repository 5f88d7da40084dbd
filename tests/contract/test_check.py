"""The check of rows: total, complete, indifferent to spelling."""

import json
from datetime import date, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hub.config.repository import contract_texts
from hub.contracts import Checked, load_contracts
from hub.contracts.check import Checker
from hub.domain.reasons import REASONS, WARNINGS
from tests.contract.specimens import (
    CONTRACTS,
    KINDS,
    LICENCE,
    PENALTY,
    RECEIVED_ON,
    row_of,
    texts_of,
)

LICENCES = CONTRACTS.by_kind[LICENCE]
PENALTIES = CONTRACTS.by_kind[PENALTY]
ROW_KINDS = frozenset(CONTRACTS.row_kinds)

#: Texts as found in spreadsheets, and worse: every character, blanks, digits, marks.
CELLS = st.one_of(
    st.text(max_size=60),
    st.text(alphabet="0123456789Xx-/. 年月日〔〕[]（）\u3000\u200b\\N;；、其他", max_size=40),
    st.sampled_from(
        ["罚款", "自然人", "其他", "2026-11-09", "91330900MA00000156", "330900198001010019", "\\N"]
    ),
    st.text(alphabet=st.characters(), max_size=20),
)


def licence(**changes: str) -> Checked:
    """The minimal licence with changes, checked."""
    return LICENCES.check(texts_of(LICENCE) | changes, RECEIVED_ON)


def penalty(**changes: str) -> Checked:
    """The minimal penalty with changes, checked."""
    return PENALTIES.check(texts_of(PENALTY) | changes, RECEIVED_ON)


def codes(checked: Checked) -> list[tuple[str, str]]:
    """Findings without their severity."""
    return [(finding.code, finding.field) for finding in checked.findings]


@given(st.data(), st.sampled_from(KINDS))
def test_no_text_makes_the_check_raise(data: st.DataObject, kind: str) -> None:
    """Any row is answered with reasons of the catalogue, lone surrogates and all."""
    schema = CONTRACTS.by_kind[kind].schema
    row = data.draw(
        st.dictionaries(
            st.sampled_from([field.name for field in schema.fields if not field.is_bytes]),
            CELLS | st.just("\ud800"),
            max_size=6,
        )
    )
    checked = CONTRACTS.by_kind[kind].check(row_of(kind, "accepted-minimal") | row, RECEIVED_ON)
    assert all(finding.code in REASONS for finding in checked.findings)
    assert checked.ok is all(finding.severity == "warning" for finding in checked.findings)
    assert len(checked.content) == 32
    assert set(checked.canonical) == set(schema.names)


@given(st.data(), st.sampled_from(KINDS))
def test_the_quick_way_and_the_careful_way_agree(data: st.DataObject, kind: str) -> None:
    """The quick way is only quick: a checker that never takes it answers the same."""
    contract = CONTRACTS.by_kind[kind]
    careful = Checker(contract.schema, ROW_KINDS)
    careful._quick = tuple(enumerate(careful._careful))
    fields = [field.name for field in contract.schema.fields if not field.is_bytes]
    row = row_of(kind, "accepted-minimal") | data.draw(
        st.dictionaries(st.sampled_from(fields), CELLS, max_size=3)
    )
    assert contract.check(row, RECEIVED_ON) == careful.check(row, RECEIVED_ON)


@given(st.data(), st.sampled_from([LICENCE, PENALTY]))
def test_every_faulty_field_is_named_whatever_else_is_wrong(data: st.DataObject, kind: str) -> None:
    """All required fields emptied at random: each is reported, not just the first."""
    contract = CONTRACTS.by_kind[kind]
    required = [field for field in contract.schema.fields if field.required == "true"]
    chosen = data.draw(st.sets(st.sampled_from(required), min_size=1))
    row = texts_of(kind) | {
        field.name: data.draw(st.sampled_from(["", " ", "\u3000"])) for field in chosen
    }
    found = codes(contract.check(row, RECEIVED_ON))
    assert {(field.reason_missing, field.name) for field in chosen} <= set(found)


BRACKETS = st.sampled_from(["〔〕", "【】", "[]", "﹝﹞", "（）", "()", "［］"])
BLANKS = st.text(alphabet=" \u3000\u00a0\u200b", max_size=2)


@given(BRACKETS, BLANKS, BLANKS, st.sampled_from(["2026-11-09", "2026/11/9", "2026.11.09"]))
def test_spelling_does_not_change_identity_or_content(
    brackets: str, before: str, inside: str, day: str
) -> None:
    """Brackets, blanks, width, date separators, labels or digits: one record, one digest."""
    plain = licence()
    other = licence(
        XK_WSH=f"{before}云市监许{brackets[0]}2026{brackets[1]}第{inside}１０２４号",
        XK_XDR_MC=f"云屿市{inside}蓝湾海鲜加工有限公司{before}",
        XK_XDR_SHXYM=f"{before}91330900ma00000156",
        XK_JDRQ=day,
        XK_YXQZI="2031年11月8日",
        XK_XKLB="0",
        XK_ZT="有效",
        XK_NR=f"{before}水产制品生产{before}",
    )
    assert other.ok
    assert other.content == plain.content
    assert other[2:6] == plain[2:6]


@given(
    st.sampled_from(
        [
            field.name
            for field in LICENCES.schema.fields
            if field.hint == "text" and not field.sealed
        ]
    ),
    st.text(alphabet="甲乙丙丁戊己庚辛", min_size=1, max_size=30),
)
def test_other_content_has_another_digest(name: str, text: str) -> None:
    """One changed field is other content, whichever it is."""
    row = texts_of(LICENCE)
    assume(row.get(name, "") != text)
    assert licence(**{name: text}).content != licence().content


def test_a_digest_does_not_run_fields_together() -> None:
    """Text moved from one field to the next is other content."""
    assert (
        licence(XK_XKZS="甲乙", XK_XKBH="丙").content
        != licence(XK_XKZS="甲", XK_XKBH="乙丙").content
    )


def test_a_field_added_at_the_end_makes_no_other_content() -> None:
    """A release must not turn every row that is sent again into a conflicting one."""
    texts = contract_texts()
    document = json.loads(texts[LICENCE])
    added = {**document["fields"][-1], "name": "BZ2", "national_code": ""}
    del added["role"]
    document["earlier"] = [
        {"hub_schema_id": document["hub_schema_id"], "fields": len(document["fields"])}
    ]
    document |= {"hub_schema_id": 999, "fields": [*document["fields"], added]}
    later = load_contracts(texts | {LICENCE: json.dumps(document)}).by_kind[LICENCE]
    row = texts_of(LICENCE)
    assert later.check(row, RECEIVED_ON).content == licence().content
    assert later.check(row | {"BZ2": "x"}, RECEIVED_ON).content != licence().content


@given(st.sampled_from(["无", "空", "/", "——", "***", "N/A", " 暂无 ", "0"]))
def test_without_a_number_the_licence_number_and_then_the_day_identify(written: str) -> None:
    """Spelling of the placeholder is neither identity nor content; a word says what stands in."""
    first = licence(XK_WSH=written, XK_XKBH="SC（1）")
    assert first.ok
    assert codes(first) == [("DOCUMENT_NUMBER_PLACEHOLDER", "XK_WSH")]
    assert first.document_key == "SC〔1〕"
    assert first.content == licence(XK_WSH="不详", XK_XKBH="SC（1）").content
    assert licence(XK_WSH=written, XK_XKBH=written).document_key == "2026-11-09"
    assert penalty(CF_WSH=written, CF_JDRQ="2026/11/2").document_key == "2026-11-02"


def test_without_a_number_and_a_day_there_is_no_identity() -> None:
    """A faulty day names no record; what is empty has its own reason."""
    assert licence(XK_WSH="无", XK_JDRQ="昨天").document_key == ""
    assert codes(licence(XK_WSH="", XK_XKBH="SC1")) == [("FIELD_REQUIRED", "XK_WSH")]
    assert licence(XK_WSH="", XK_XKBH="SC1").document_key == ""


def test_a_name_is_required_whatever_is_written_around_nothing() -> None:
    """A formula around an empty text is no name, and no number: the day identifies."""
    found = licence(XK_XDR_MC='=""', XK_WSH="'")
    assert codes(found) == [
        ("DOCUMENT_NUMBER_PLACEHOLDER", "XK_WSH"),
        ("FIELD_REQUIRED", "XK_XDR_MC"),
    ]


@pytest.mark.parametrize("kind", [LICENCE, PENALTY, "record.withdrawn.v1", "reminder.issued.v1"])
@given(st.data())
def test_the_number_of_the_identity_can_be_had_without_a_check(
    kind: str, data: st.DataObject
) -> None:
    """Connectors and look-ups name a record as the registrar does."""
    contract = CONTRACTS.by_kind[kind]
    keys = [f for f in contract.schema.fields if f.identity == "document_number"]
    keys += [f for f in contract.schema.fields if f.role in {"licence_number", "decided_on"}]
    numbers = st.sampled_from(["无", "", " 2026-11-09", "SC（1）", "\\N", "0", '="A1"', "\u200b"])
    row = texts_of(kind) | {field.name: data.draw(numbers) for field in keys}
    checked = contract.check(row, RECEIVED_ON)
    named = contract.document_key(row)
    if all(finding.field != keys[0].name or finding.severity != "error" for finding in checked[0]):
        assert named == checked.document_key


def test_what_is_shown_stays_as_submitted() -> None:
    """The department's own spelling of number and name is published; only blanks around go."""
    checked = licence(XK_WSH=" 云市监许【2026】第 1024 号")
    assert checked.document_key == "云市监许〔2026〕第1024号"
    assert checked.canonical["XK_WSH"] == "云市监许【2026】第 1024 号"
    assert licence(XK_WSH='="云市监许【2026】1号"').canonical["XK_WSH"] == "云市监许【2026】1号"


def test_a_penalty_says_what_the_rulebook_asks() -> None:
    """Dates as dates, seriousness as its code, procedure as a flag."""
    checked = penalty(CF_AJCXLB="简易", CF_YZCD="轻微", CF_GSJZQ="2027/2/9")
    assert checked.decided_on == date(2026, 11, 9)
    assert checked.expires_on == date(2027, 2, 9)
    assert checked.seriousness == "MINOR"
    assert checked.simple_procedure
    assert checked.canonical["CF_NR_FK"] == "1.200000"
    plain = penalty(CF_AJCXLB="02")
    assert (plain.seriousness, plain.simple_procedure) == ("", False)


def test_a_date_that_cannot_be_read_is_none() -> None:
    """The clock of such a row starts at arrival, marked estimated: the decider needs to know."""
    assert licence(XK_JDRQ="03/29/2018").decided_on is None


def test_codes_that_fail_are_not_given_to_the_decider() -> None:
    """A bad code is no key and no authority; the row is decided under its department."""
    checked = licence(XK_XDR_SHXYM="91330900MA00000157", XK_XKJGDM="x")
    assert (checked.credit_code, checked.authority_code) == ("", "")
    assert checked.document_key == "云市监许〔2026〕第1024号"


@given(st.integers(-400, 400))
def test_a_decision_is_not_later_than_its_reception(days: int) -> None:
    """The day of reception itself is fine; only later days are errors."""
    checked = LICENCES.check(
        texts_of(LICENCE) | {"XK_YXQZI": "2099/12/31"}, date(2026, 11, 9) + timedelta(days=days)
    )
    assert (("DATE_IN_FUTURE", "XK_JDRQ") in codes(checked)) is (days < 0)


def test_long_term_is_understood_in_valid_to() -> None:
    """长期 and 2099/12/31 are one value."""
    assert licence(XK_YXQZI="长期").content == licence(XK_YXQZI="2099/12/31").content


@pytest.mark.parametrize(
    "text",
    [
        "身份证330900198001010019",
        "身份证号：330900 19800101 0019。",
        "330900-1980-0101-0019",
        "３３０９００１９８００１０１００１９",
        "ID330900198001010019号",
    ],
)
def test_a_citizen_id_in_text_is_found_in_any_spelling(text: str) -> None:
    """Groups, full width and neighbours do not hide it; such text is never published."""
    assert codes(licence(XK_NR=text)) == [("PERSONAL_ID_IN_TEXT", "XK_NR")]
    assert codes(licence(XK_XKLB=f"其他-{text}")) == [("PERSONAL_ID_IN_TEXT", "XK_XKLB")]
    assert ("PERSONAL_ID_IN_TEXT", "XK_WSH") in codes(licence(XK_WSH=text))


@pytest.mark.parametrize(
    "text",
    [
        "330900198001010018",  # check digit
        "330900198013010017",  # no such month
        "914403001922038216",  # a credit code of digits only
        "330900198001012487",  # a synthetic code that passes both checks of a credit code
        "编号2026110900012345",
    ],
)
def test_other_numbers_in_text_are_let_be(text: str) -> None:
    """A number is personal when its place, birth date and check digit say so."""
    assert codes(licence(XK_NR=text)) == []


@pytest.mark.parametrize(
    ("text", "is_phone"),
    [
        ("电话13800138000", True),
        ("138-0013-8000", True),
        ("+86 138 0013 8000", True),
        ("０５８０－２０００００１", True),
        ("(0580)2000001", True),
        ("金额13800138000.50元", False),
        ("113800138000", False),
        ("2026-11-09", False),
    ],
)
def test_a_telephone_number_in_text_is_a_warning(text: str, *, is_phone: bool) -> None:
    """It may be an office's number, so it is pointed out and not refused."""
    checked = licence(BZ=text)
    assert codes(checked) == ([("PHONE_IN_TEXT", "BZ")] if is_phone else [])
    assert checked.ok


def test_a_citizen_id_in_an_old_number_column_is_refused() -> None:
    """Older templates had 居民身份证号 among the codes; such cells do not travel on in clear."""
    checked = licence(XK_XDR_GSZC="330900198001010019")
    assert codes(checked) == [("PERSONAL_ID_IN_TEXT", "XK_XDR_GSZC")]


@pytest.mark.parametrize(
    ("column", "text", "canonical", "is_doubtful"),
    [
        ("XK_XDR_GSZC", "330900000000015", "330900000000015", False),
        ("XK_XDR_GSZC", "310000000012345", "310000000012345", True),
        ("XK_XDR_ZZJG", "d2143569-x", "D2143569X", False),
        ("XK_XDR_ZZJG", "D21435690", "D21435690", True),
        ("XK_XDR_SWDJ", "1234", "1234", True),
        ("XK_XDR_SHZZ", "暂无", "", False),
    ],
)
def test_old_numbers_are_read_but_never_stop_a_row(
    column: str, text: str, canonical: str, *, is_doubtful: bool
) -> None:
    """The credit code has replaced them: a doubtful one is a warning."""
    checked = licence(**{column: text})
    assert codes(checked) == ([("OLD_NUMBER_DOUBTFUL", column)] if is_doubtful else [])
    assert checked.canonical[column] == canonical
    assert checked.ok


def test_a_sealed_text_has_no_length_limit() -> None:
    """The limit is for what is inside, which nobody here can see."""
    assert licence(XK_FR_ZJHM="sealed:v1:" + "A" * 500).ok


def test_a_field_with_an_error_gets_no_second_one_from_a_rule() -> None:
    """An unreadable amount is not also a missing one."""
    assert codes(penalty(CF_NR_FK="一万")) == [("AMOUNT_UNREADABLE", "CF_NR_FK")]


def test_a_name_of_invisible_characters_is_a_missing_name() -> None:
    """Hangul fillers are printable letters to Unicode and nothing to a reader."""
    assert codes(licence(XK_XDR_MC="\u3164")) == [("FIELD_REQUIRED", "XK_XDR_MC")]


def test_a_missing_field_is_an_absent_value() -> None:
    """A row that names no other columns is checked like one with empty cells."""
    assert LICENCES.check({}, RECEIVED_ON) == LICENCES.check(
        dict.fromkeys(LICENCES.names, ""), RECEIVED_ON
    )


def test_a_withdrawal_has_the_identity_of_its_record() -> None:
    """The four parts are found under the withdrawal's own field names."""
    kind = "record.withdrawn.v1"
    withdrawn = CONTRACTS.by_kind[kind].check(texts_of(kind), RECEIVED_ON)
    assert withdrawn[2:6] == penalty()[2:6]


@pytest.mark.parametrize("kind", KINDS)
def test_severity_is_the_catalogue_s(kind: str) -> None:
    """One list says what is a warning; a finding repeats it."""
    checked = CONTRACTS.by_kind[kind].check({}, RECEIVED_ON)
    assert checked.findings
    for finding in checked.findings:
        assert (finding.severity == "warning") is (finding.code in WARNINGS)


def test_memory_of_answers_is_bounded() -> None:
    """A stream of ever new values does not grow the process."""
    checker = Checker(LICENCES.schema, ROW_KINDS)
    dates = LICENCES.names.index("XK_JDRQ")
    memo = checker._careful[dates].__self__  # type: ignore[attr-defined]  # bound method of a Memo
    for number in range(50_000):
        checker.check({"XK_JDRQ": str(number)}, RECEIVED_ON)
        assert len(memo) <= 20_000
    checker.check({"XK_JDRQ": "x" * 300}, RECEIVED_ON)
    assert "x" * 300 not in memo


def test_line_ends_are_not_content() -> None:
    """The same text exported on another system is a duplicate, not a change."""
    texts = ["一、甲\n二、乙", "一、甲\r\n二、乙", "一、甲\r二、乙"]
    assert len({licence(XK_NR=text).content for text in texts}) == 1


def test_a_note_has_the_column_s_length() -> None:
    """其他 with its note is text of the department's own, so the limit holds."""
    assert codes(licence(XK_XKLB="其他-" + "备" * 253)) == []
    assert codes(licence(XK_XKLB="其他-" + "备" * 254)) == [("FIELD_TOO_LONG", "XK_XKLB")]


def test_an_unexplained_type_may_be_explained_in_the_remark() -> None:
    """如为“其他”，需注明具体类别: 备注 is a place for it."""
    assert licence(XK_XKLB="其他", BZ="备案").ok
    assert not licence(XK_XKLB="其他").ok


def test_a_missing_code_is_no_mismatch() -> None:
    """One fault, one reason: the category is compared with a code that is there."""
    found = licence(XK_XDR_LB="个体工商户", XK_XDR_SHXYM="", XK_FRDB="")
    assert codes(found) == [("CREDIT_CODE_MISSING", "XK_XDR_SHXYM")]
    person = licence(XK_XDR_LB="自然人", XK_XDR_SHXYM="92330900MA00000153")
    assert codes(person) == [("PERSON_NOT_ENABLED", "XK_XDR_LB")]


@pytest.mark.parametrize(
    ("written", "canonical", "reasons"),
    [
        ("1,204", "1204", []), ("0001204", "1204", []), (" １２０４ ", "1204", []), ("0", "0", []),
        ("12,04", "", ["COUNT_UNREADABLE"]), ("十", "", ["COUNT_UNREADABLE"]),
        ("1234567890", "", ["FIELD_TOO_LONG"]),
    ],
)  # fmt: skip
def test_a_count_is_one_however_it_is_written(
    written: str, canonical: str, reasons: list[str]
) -> None:
    """Commas, zeros in front and full-width digits are spelling; twelve and four are no count."""
    kind = "court_enforcement.snapshot_declared.v1"
    row = texts_of(kind) | {"entry_count": written}
    checked = CONTRACTS.by_kind[kind].check(row, RECEIVED_ON)
    assert checked.canonical["entry_count"] == canonical
    assert [code for code, field in codes(checked) if field == "entry_count"] == reasons
