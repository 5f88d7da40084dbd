"""Court lists, full lists, commitments and counts come in folders of their own."""

import re
from datetime import date
from hashlib import sha256

import pytest

from connectors.files.formats import read_rows
from connectors.files.snapshot import PART_ENTRIES, SnapshotDeclarer
from connectors.layout import FOLDER_OF, Folder
from connectors.submission import OutgoingSubmission
from connectors.tables import SourceRow
from hub.domain import kinds
from hub.domain.identity import record_key_of
from tests.contract.specimens import texts_of
from tests.unit.connectors.made import (
    CONTRACTS,
    FINGERPRINT,
    SUBMITTER,
    decoded,
    fields_of,
    in_chinese,
    layouts,
    submitted,
    table,
)

COURT = texts_of(kinds.LISTED)["court_code"]
COMPANY = texts_of(kinds.LISTED)["debtor_code"]
_DAY = date(2026, 11, 20)


def one(kind: str, folder: Folder, **changes: str) -> OutgoingSubmission:
    """What one row of a file in this folder is submitted as."""
    (made,) = submitted(table(in_chinese(kind, **changes)), layouts(folder))
    return made


@pytest.mark.parametrize(
    ("kind", "folder"),
    [
        (kinds.LISTED, Folder.COURT_LISTINGS),
        (kinds.DELISTED, Folder.COURT_EXITS),
        (kinds.MADE, Folder.COMMITMENTS),
        (kinds.PERFORMED, Folder.COMMITMENTS),
        (kinds.OUTPUT_COUNT, Folder.OUTPUT_COUNTS),
    ],
)
def test_a_table_of_a_kind_is_read_by_its_chinese_headers(kind: str, folder: Folder) -> None:
    """Every filled field arrives; the key is the code of whom the row speaks."""
    made = one(kind, folder)
    assert FOLDER_OF[kind] is folder
    assert made.kind == kind
    assert fields_of(made) == texts_of(kind)
    fields = CONTRACTS.by_kind[kind].schema.fields
    code = next(field.name for field in fields if field.identity == "credit_code")
    assert made.key == texts_of(kind)[code].encode()


def test_the_court_sites_own_headers_are_known() -> None:
    """What a department copies from the court's site needs no renaming."""
    row = texts_of(kinds.LISTED)
    names = {
        "iname": "debtor_name", "partyTypeName": "debtor_category", "cardNum": "debtor_code",
        "courtName": "court_name", "法院代码": "court_code", "caseCode": "case_number",
        "gistId": "basis_number", "gistUnit": "basis_unit", "regDate": "filed_on", "duty": "duty",
        "performance": "duty_performance", "disruptTypeName": "conduct", "publishDate": "listed_on",
    }  # fmt: skip
    content = table({header: row[name] for header, name in names.items()} | {"age": "0"})
    (made,) = submitted(content, layouts(Folder.COURT_LISTINGS))
    assert fields_of(made) == row


def test_whether_a_commitment_is_performed_is_seen_by_its_status() -> None:
    """One layout of twenty columns for both; a filled 承诺履行状态 makes the difference."""
    both = table(in_chinese(kinds.PERFORMED), in_chinese(kinds.PERFORMED, performance_status=" "))
    performed, made = submitted(both, layouts(Folder.COMMITMENTS))
    assert (performed.kind, made.kind) == (kinds.PERFORMED, kinds.MADE)


@pytest.mark.parametrize(
    ("kind", "folder", "change"),
    [
        (kinds.LISTED, Folder.COURT_LISTINGS, {"debtor_category": "0"}),
        (kinds.LISTED, Folder.COURT_LISTINGS, {"debtor_code": "330900198001010019"}),
        (kinds.LISTED, Folder.COURT_LISTINGS, {"debtor_code": "3309001980****0019"}),
        (kinds.LISTED, Folder.COURT_LISTINGS, {"debtor_code": "330900********0019"}),
        (kinds.LISTED, Folder.COURT_LISTINGS, {"debtor_code": "330900XXXXXXXX001X"}),
        (kinds.LISTED, Folder.COURT_LISTINGS, {"debtor_code": "3309**********0019"}),
        (kinds.LISTED, Folder.COURT_LISTINGS, {"debtor_code": "330900198001010***"}),
        (kinds.LISTED, Folder.COURT_LISTINGS, {"debtor_code": "330900800101001"}),
        (kinds.DELISTED, Folder.COURT_EXITS, {"debtor_category": "自然人", "debtor_code": ""}),
        (kinds.DELISTED, Folder.COURT_EXITS, {"debtor_code": "3309001980****0019"}),
        (kinds.PERFORMED, Folder.COMMITMENTS, {"promisor_category": "自然人"}),
    ],
)
def test_a_natural_persons_row_is_sealed_whole(
    kind: str, folder: Folder, change: dict[str, str]
) -> None:
    """By category, number or masked number: nothing of it stands in the clear."""
    made = one(kind, folder, **change)
    assert made.kind == "row.unreadable.v1"
    assert re.fullmatch(rb"\?market-supervision/[0-9a-f]{16}", made.key)
    assert fields_of(made)["cause"] == "person"
    for text in (texts_of(kind) | change).values():
        assert len(text) < 6 or text.encode() not in made.value


def test_a_column_of_citizens_numbers_makes_a_row_a_persons() -> None:
    """The court's layout for persons has one; a company's row leaves it empty."""
    company = in_chinese(kinds.LISTED) | {"身份证号码": ""}
    person = in_chinese(kinds.LISTED) | {"身份证号码": "330900198001010019"}
    first, second = submitted(table(company, person), layouts(Folder.COURT_LISTINGS))
    assert (first.kind, second.kind) == (kinds.LISTED, "row.unreadable.v1")


@pytest.mark.parametrize("kind", [kinds.LICENCE, kinds.PENALTY, kinds.LISTED, kinds.PERFORMED])
def test_the_restorations_folder_knows_every_table(kind: str) -> None:
    """The header tells which kind it is; reason and who decided stand beside the row."""
    row = in_chinese(kind) | {"恢复原因": "诉讼维持", "决定机关": "某法院"}
    (made,) = submitted(table(row), layouts(Folder.RESTORATIONS))
    fields = fields_of(made)
    assert (made.kind, fields["subject_kind"]) == ("record.restored.v1", kind)
    assert (fields["reason"], fields["decided_by"]) == ("诉讼维持", "某法院")


@pytest.mark.parametrize("kind", [kinds.LISTED, kinds.PERFORMED, kinds.OUTPUT_COUNT])
def test_the_corrections_folder_knows_every_table(kind: str) -> None:
    """The header tells which kind it is; the reason stands beside the row."""
    row = in_chinese(kind) | {"更正原因": "录入错误"}
    (made,) = submitted(table(row), layouts(Folder.CORRECTIONS))
    assert made.kind == "record.corrected.v1"
    fields = fields_of(made)
    assert (fields["subject_kind"], fields["reason"]) == (kind, "录入错误")
    inner = fields["row"]
    assert isinstance(inner, bytes)
    assert decoded(kind, inner) == texts_of(kind)


def test_a_commitment_is_withdrawn_by_its_own_headers() -> None:
    """承诺编码 is its document number, the accepting unit its authority."""
    row = texts_of(kinds.MADE)
    content = table(
        {
            "信息类型": "信用承诺", "承诺编码": row["commitment_code"], "原因": "误报",
            "承诺人名称": row["promisor_name"], "承诺人代码": row["promisor_code"],
            "承诺受理单位代码": row["accepting_unit_code"],
        }
    )  # fmt: skip
    (made,) = submitted(content, layouts(Folder.WITHDRAWALS))
    fields = fields_of(made)
    assert made.kind == "record.withdrawn.v1"
    assert (fields["subject_kind"], fields["document_number"]) == (
        kinds.MADE,
        row["commitment_code"],
    )


def test_a_count_needs_neither_a_number_nor_its_code_twice() -> None:
    """Month and kind name it; the kind may be said in Chinese."""
    row = texts_of(kinds.OUTPUT_COUNT)
    content = table(
        {
            "单位名称": row["subject_name"], "统一社会信用代码": row["credit_code"],
            "月份": "2026年10月", "信息类型": "行政处罚", "产生数量": "17",
        }
    )  # fmt: skip
    (made,) = submitted(content, layouts(Folder.OUTPUT_COUNTS))
    fields = {name: str(text) for name, text in fields_of(made).items()}
    assert fields["document_number"] == "2026-10/penalty.imposed.v1"
    checked = CONTRACTS.by_kind[kinds.OUTPUT_COUNT]
    assert fields | {"month": "2026-10"} == row
    assert made.kind == checked.kind


# --- the full list -------------------------------------------------------------------------------


def declared(
    content: bytes, name: str = "20261120-list.csv", only: str = COURT, number: int = 7
) -> list[SourceRow | OutgoingSubmission]:
    """What a file in `court-snapshots` is taken for."""
    where = layouts(Folder.COURT_SNAPSHOTS)
    declarer = SnapshotDeclarer(SUBMITTER, CONTRACTS, (only,) if only else (), "示例法院")
    rows = read_rows(content, where.words.knows)
    return [*declarer.declare(rows, where, FINGERPRINT, name, number)]


def test_a_full_list_is_one_statement_of_the_court() -> None:
    """Keyed by the court; entries are the ledger's record keys; persons are counted, not named."""
    person = in_chinese(kinds.LISTED, debtor_category="0", debtor_code="3309001980****0019")
    codeless = in_chinese(kinds.LISTED, debtor_code="12345678-9")
    (made,) = declared(table(in_chinese(kinds.LISTED), person, codeless, in_chinese(kinds.LISTED)))
    assert isinstance(made, OutgoingSubmission)
    assert (made.kind, made.key) == (kinds.SNAPSHOT, COURT.encode())
    fields = fields_of(made)
    row = texts_of(kinds.LISTED)
    number = row["case_number"].replace("（", "〔").replace("）", "〕")
    key = record_key_of("court_enforcement", COURT, number, row["debtor_name"], COMPANY.encode())
    assert fields["entries"] == key.hex()
    assert fields["entries_digest"] == sha256(key).hexdigest()
    assert (fields["entry_count"], fields["left_out_count"]) == ("1", "2")
    assert (fields["snapshot_on"], fields["part"], fields["parts"]) == ("2026-11-20", "1", "1")
    assert CONTRACTS.by_kind[kinds.SNAPSHOT].check(fields, _DAY).ok


@pytest.mark.parametrize(
    "code",
    ["", " ", "123456789", "1234567８-X", "330900000000007", "110000001234567", "无", "/", "-",
     "NULL", "0", "不详", "******"],
)  # fmt: skip
def test_a_debtor_of_no_code_or_an_old_one_is_counted(code: str) -> None:
    """The hub holds none of them live: no exit can be taken from what the list lacks."""
    (made,) = declared(table(in_chinese(kinds.LISTED, debtor_code=code)))
    assert isinstance(made, OutgoingSubmission)
    fields = fields_of(made)
    assert (fields["entry_count"], fields["left_out_count"]) == ("0", "1")


def test_a_list_too_large_for_a_message_comes_in_parts() -> None:
    """Sorted, without gap or double; every part says how many there are."""
    count = PART_ENTRIES + 1
    rows = (in_chinese(kinds.LISTED, case_number=f"（2026）浙0902执{n}号") for n in range(count))
    first, second = declared(table(*rows))
    assert isinstance(first, OutgoingSubmission)
    assert isinstance(second, OutgoingSubmission)
    parts = [fields_of(first), fields_of(second)]
    entries = "".join(str(part["entries"]) for part in parts)
    keys = [bytes.fromhex(entries[at : at + 32]) for at in range(0, len(entries), 32)]
    assert keys == sorted(set(keys))
    assert len(keys) == count
    assert {part["entries_digest"] for part in parts} == {sha256(b"".join(keys)).hexdigest()}
    assert [part["document_number"] for part in parts] == [
        f"2026-11-20/{n}-2/{sha256(b''.join(keys)).hexdigest()[:8]}/7" for n in (1, 2)
    ]
    assert max(len(first.value), len(second.value)) < 600_000


def test_a_list_that_is_sent_again_is_another_statement() -> None:
    """A wrong list may have come in between; the same file read again says the same."""
    content = table(in_chinese(kinds.LISTED))
    assert declared(content) == declared(content)
    once, again = declared(content)[0], declared(content, number=9)[0]
    assert isinstance(once, OutgoingSubmission)
    assert isinstance(again, OutgoingSubmission)
    assert fields_of(once)["document_number"] != fields_of(again)["document_number"]
    assert fields_of(once)["entries"] == fields_of(again)["entries"]


def test_an_empty_list_of_the_only_court_is_declared() -> None:
    """Everybody has left it: that is a statement too; of several courts none is guessed."""
    empty = table(in_chinese(kinds.LISTED)).splitlines()[0] + b"\n"
    (made,) = declared(empty)
    assert isinstance(made, OutgoingSubmission)
    assert fields_of(made)["entry_count"] == "0"
    assert declared(empty, only="") == []


@pytest.mark.parametrize(
    ("content", "name", "fault"),
    [
        (table(in_chinese(kinds.LISTED)), "list.csv", "SNAPSHOT_WITHOUT_DAY"),
        (table(in_chinese(kinds.LISTED)), "20261120-20261121.csv", "SNAPSHOT_WITHOUT_DAY"),
        (table(in_chinese(kinds.LISTED)), "20260231.csv", "SNAPSHOT_WITHOUT_DAY"),
        (table(in_chinese(kinds.LISTED)) + b'"cut', "20261120.csv", "QUOTES_BROKEN"),
        (b"nothing of the kind\n", "20261120.csv", "HEADER_NOT_FOUND"),
        (table(in_chinese(kinds.LISTED, court_code="")), "20261120.csv", "CREDIT_CODE_MISSING"),
        (
            table(in_chinese(kinds.LISTED, court_code="1.1331E+17")),
            "20261120.csv",
            "CREDIT_CODE_LENGTH",
        ),
        (
            table(in_chinese(kinds.LISTED, debtor_code="9.13E+17")),
            "20261120.csv",
            "CREDIT_CODE_LENGTH",
        ),
        (
            table(in_chinese(kinds.LISTED, debtor_code=f"{COMPANY[:-1]}7")),
            "20261120.csv",
            "CREDIT_CODE_CHECK_DIGIT",
        ),
        (table(in_chinese(kinds.LISTED, case_number=" ")), "20261120.csv", "FIELD_REQUIRED"),
    ],
)
def test_a_list_that_cannot_be_read_whole_declares_nothing(
    content: bytes, name: str, fault: str
) -> None:
    """What it lacks would be taken for exits: only its faults are submitted."""
    (made,) = declared(content, name)
    assert isinstance(made, SourceRow)
    assert made.fault == fault
