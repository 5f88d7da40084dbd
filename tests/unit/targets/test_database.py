"""What a front-end database's answers mean: nothing is guessed, nobody is blamed for tables."""

from __future__ import annotations

import datetime as dt
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hub.config.site import Target
from hub.targets.database.protocol import (
    CONTROL,
    DatabaseProtocol,
    Found,
    Phase,
    ReceiptRow,
    RowStanding,
    TransactionFailed,
    content_of,
    is_undone,
    missing_columns,
    moment_of,
    nature_of,
)
from hub.targets.delivery import (
    Accepted,
    Delivered,
    Expected,
    NeverSeen,
    Overtaken,
    Refused,
    Retry,
    Unknown,
)

LANGUAGE = DatabaseProtocol({"1001": "SUBJECT_UNKNOWN"})
WANTED = Expected("ab" * 16, "cd" * 16, 3, 70, "publish", "licence.granted.v1", "ef" * 32)
MINE = RowStanding(WANTED.delivery, 3, 70, WANTED.digest)
NEWER = RowStanding("99" * 16, 4, 90, "00")
OLDER = RowStanding("11" * 16, 2, 50, "00")

codes = st.one_of(
    st.sampled_from(["", "40001", "40P01", "57P01", "42703", "22001", "25006", "1205", "2013"]),
    st.text("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=5, max_size=5),
    st.integers(1, 9999).map(str),
)
receipts = st.builds(
    ReceiptRow,
    number=st.integers(1, 9),
    stage=st.sampled_from(["acknowledged", "published", "withdrawn", "refused", "", "shown"]),
    digest=st.sampled_from([WANTED.digest, "", "00"]),
    code=st.sampled_from(["", "1001", "9999"]),
    message=st.text(max_size=3),
    at=st.sampled_from([None, 1_793_581_200_000]),
)
founds = st.builds(
    Found,
    row=st.sampled_from([None, MINE, NEWER, OLDER, MINE._replace(digest="00")]),
    receipts=st.lists(receipts, max_size=4).map(tuple),
    is_newer_answered=st.booleans(),
)


def receipt(stage: str = "published", **changes: object) -> ReceiptRow:
    """Return a receipt anybody may believe, or one with what is changed in it."""
    told = ReceiptRow(7, stage, WANTED.digest, "", "", 1_793_581_200_000)
    return told._replace(**changes)  # type: ignore[arg-type] # fields by name


@given(founds)
def test_accepted_is_only_what_a_matching_receipt_says(found: Found) -> None:
    """Right content, a stage of this action, a time; a row alone is no receipt."""
    verdict = LANGUAGE.interpret_status(found, WANTED)
    good = [
        one
        for one in found.receipts
        if one.digest == WANTED.digest
        and one.at is not None
        and one.stage in ("acknowledged", "published")
    ]
    if isinstance(verdict, Accepted):
        assert verdict.receipt in {str(one.number) for one in good}
    if isinstance(verdict, Refused):
        assert any(one.stage == "refused" and one.code for one in found.receipts)
    if isinstance(verdict, NeverSeen):
        assert found.row is None or found.row.version < WANTED.version


@given(st.sampled_from(get_args(Phase)), codes)
def test_no_error_refuses_a_record_and_commit_is_never_called_a_failure(
    phase: Phase, code: str
) -> None:
    """An error is the server's, the table's or the moment's; only a sure rollback is a retry."""
    failed = TransactionFailed(phase, code)
    sent, asked = (
        LANGUAGE.interpret_response(failed, WANTED),
        LANGUAGE.interpret_status(failed, WANTED),
    )
    assert isinstance(sent, Retry | Unknown)
    assert isinstance(asked, Retry | Unknown)
    assert isinstance(sent, Retry) == is_undone(failed)
    if phase == "commit" and nature_of(code) in ("away", "layout"):
        assert isinstance(sent, Unknown)
    if isinstance(sent, Retry):
        assert sent.is_whole_target == (nature_of(code) in ("away", "layout"))


@pytest.mark.parametrize(
    ("code", "nature"),
    [
        ("40001", "busy"), ("40P01", "busy"), ("55P03", "busy"), ("57014", "busy"),
        ("1205", "busy"), ("1213", "busy"), ("1969", "busy"),
        ("42703", "layout"), ("42P01", "layout"), ("42501", "layout"), ("1054", "layout"),
        ("1146", "layout"), ("1142", "layout"), ("28P01", "layout"), ("1045", "layout"),
        ("25006", "away"), ("53100", "away"), ("57P01", "away"), ("08006", "away"), ("", "away"),
        ("1290", "away"), ("1114", "away"), ("1021", "away"), ("2013", "away"), ("1927", "away"),
        ("22001", "row"), ("23514", "row"), ("1406", "row"), ("1366", "row"), ("client", "row"),
    ],
)  # fmt: skip
def test_an_error_code_says_whose_trouble_it_is(code: str, nature: str) -> None:
    """Locks and collisions, tables and rights, the server, or this row's content."""
    assert nature_of(code) == nature


def test_the_first_final_receipt_counts_and_repeats_change_nothing() -> None:
    """The platform may write a row twice; the same receipt comes out each time."""
    told = (receipt("acknowledged", number=1), receipt(number=2), receipt(number=3))
    expected = Accepted("published", "2", 1_793_581_200_000)
    assert LANGUAGE.interpret_status(Found(MINE, told), WANTED) == expected
    assert LANGUAGE.interpret_status(Found(None, told[1:]), WANTED) == expected


def test_a_withdrawal_is_not_answered_by_a_publication() -> None:
    """The stage belongs to the action."""
    wanted = WANTED._replace(action="withdraw")
    assert LANGUAGE.interpret_status(Found(MINE, (receipt(),)), wanted) == Delivered()


def test_a_version_that_was_overtaken_ends_when_the_newer_one_is_answered() -> None:
    """Before that the platform may still be at work on what was there."""
    assert LANGUAGE.interpret_status(Found(NEWER), WANTED) == Delivered()
    answered = Found(NEWER, (), is_newer_answered=True)
    assert LANGUAGE.interpret_status(answered, WANTED) == Overtaken()
    late = answered._replace(receipts=(receipt(),))
    assert isinstance(LANGUAGE.interpret_status(late, WANTED), Accepted)
    assert isinstance(LANGUAGE.interpret_response(Found(NEWER), WANTED), Refused)


def test_a_row_somebody_changed_proves_nothing() -> None:
    """Our delivery id beside other content."""
    changed = Found(MINE._replace(digest="00"))
    assert isinstance(LANGUAGE.interpret_response(changed, WANTED), Unknown)
    assert isinstance(LANGUAGE.interpret_status(changed, WANTED), Unknown)
    assert LANGUAGE.interpret_status(Found(OLDER), WANTED) == NeverSeen()


def test_every_content_column_is_written_and_none_is_forgotten() -> None:
    """A field that a new version lacks must not survive from the old one."""
    columns = frozenset({*CONTROL, "xk_wsh", "xk_nr"})
    assert content_of({"XK_WSH": "号"}, columns) == {"xk_wsh": "号", "xk_nr": None}
    assert content_of({}, columns) == {"xk_wsh": None, "xk_nr": None}
    assert missing_columns({"XK_WSH": "号", "XK_BZ": "x", "XK_NIL": ""}, columns) == ["xk_bz"]


def test_a_time_without_a_zone_is_beijings() -> None:
    """MariaDB's DATETIME knows none; China has one."""
    naive = dt.datetime(2026, 11, 2, 9)  # noqa: DTZ001  (what the driver returns)
    assert moment_of(naive) == 1_793_581_200_000
    assert moment_of(naive.replace(tzinfo=dt.UTC)) == 1_793_581_200_000 + 8 * 3_600_000
    assert moment_of("2026-11-02T01:00:00Z") == 1_793_581_200_000
    assert moment_of(None) is None
    assert moment_of(dt.datetime(1, 1, 1, tzinfo=dt.UTC)) is None


def test_a_database_target_says_where_each_kind_goes() -> None:
    """Refused when the site is read, not when the first record of a kind comes up."""
    told: dict[str, object] = {
        "id": "nation", "name_zh": "国家平台", "number": 2, "kind": "database", "role": "report",
        "public": False, "clearance": ["public"], "kinds": ["licence.granted.v1"],
    }  # fmt: skip
    database = {"url_file": "u", "receipts": "r", "tables": {"licence.granted.v1": "xzxk"}}
    assert Target.model_validate(told | {"database": database}).database is not None
    for wrong in (
        told,
        told | {"database": {**database, "tables": {}}},
        told | {"database": {**database, "tables": {"licence.granted.v1": "a; DROP TABLE b"}}},
        told | {"kind": "http", "database": database},
    ):
        with pytest.raises(ValidationError):
            Target.model_validate(wrong)
