"""The catalogue of reasons: complete, in two languages, without a place for values."""

import re

import pytest

from hub.domain.code_lists import CODE_LISTS
from hub.domain.reasons import REASONS, WARNINGS, ReasonText, message


@pytest.mark.parametrize("reason", REASONS.values(), ids=lambda reason: reason.code)
def test_a_reason_says_what_is_wrong_and_what_to_do(reason: ReasonText) -> None:
    """Chinese is Chinese, English is English, and only the name of a column is filled in."""
    assert re.fullmatch(r"[A-Z][A-Z0-9_]*", reason.code)
    for text in (reason.zh, reason.remedy_zh):
        assert re.search(r"[\u4e00-\u9fff]", text)
    for text in (reason.en, reason.remedy_en):
        assert text
        assert not re.search(r"[\u4e00-\u9fff]", text)
    for text in (reason.zh, reason.en, reason.remedy_zh, reason.remedy_en):
        assert set(re.findall(r"\{.*?\}", text)) <= {"{field}"}


def test_a_code_is_in_the_catalogue_once() -> None:
    """The catalogue's keys are its codes, and every list's reason is there."""
    assert all(code == reason.code for code, reason in REASONS.items())
    assert {listed.reason for listed in CODE_LISTS.values()} <= set(REASONS)


def test_a_message_names_the_column() -> None:
    """The name goes into both languages; without one the sentence still stands."""
    named = message("FIELD_REQUIRED", "处罚决定日期")
    assert named.zh == "处罚决定日期为必填项，未填写"
    assert named.en == "处罚决定日期 is required and empty"
    assert named.remedy == "补填处罚决定日期后重新报送"
    assert message("FIELD_REQUIRED").zh == "该栏为必填项，未填写"


def test_braces_in_a_column_s_name_are_left_alone() -> None:
    """A header with braces must not break the message that names it."""
    assert message("FIELD_REQUIRED", "{0}").en == "{0} is required and empty"


def test_an_unknown_code_is_a_programming_error() -> None:
    """A reason outside the catalogue would reach a clerk without a remedy."""
    with pytest.raises(KeyError):
        message("NO_SUCH_REASON")


def test_what_is_only_unusual_is_a_warning() -> None:
    """These never stop a record."""
    unusual = {"ORGANISATION_CODE_CHECK", "REGION_UNKNOWN", "REGISTRY_TYPE_UNKNOWN"}
    assert unusual | {"PHONE_IN_TEXT"} <= WARNINGS
    assert not WARNINGS & {"CREDIT_CODE_CHECK_DIGIT", "FIELD_REQUIRED", "PERSONAL_ID_IN_TEXT"}
