"""Identifiers: GB 32100, GB 11714, GB 11643, 15-digit registration numbers."""

import string
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import uscc

from hub.domain.credit_code import (
    ALPHABET,
    REGISTRY_TYPES,
    CodeFault,
    assess_credit_code,
    check_credit_code,
    is_citizen_id,
    is_masked_citizen_id,
    is_possible_old_citizen_id,
    is_registration_number,
    normalise_credit_code,
    organisation_part_is_valid,
)
from hub.domain.reasons import REASONS, WARNINGS
from hub.domain.region_codes import REGION_CODES
from tests.unit.domain import plain_checks

#: Public codes, used as identifiers only: both checks hold.
PUBLIC_CODES = (
    "914403001922038216",
    "9144030071526726XG",
    "91330100799655058B",
    "91110000802100433B",
    "9152000071430580XT",
    "91100000100003962T",
    "91110000600037341L",
    "91320100748204660Q",
    "11320100MB1886843H",
    "11420000MB15291767",
    "11230500001755309F",
    "91350100M000100Y43",
)
#: Synthetic, one per registry type, region 330900.
TYPE_CODES = (
    "11330900MA0000015E",
    "12330900MA0000015B",
    "13330900MA00000158",
    "31330900MA0000015C",
    "51330900MA0000015A",
    "52330900MA00000157",
    "53330900MA00000154",
    "81330900MA00000157",
    "91330900MA00000156",
    "92330900MA00000153",
    "93330900MA00000150",
    "N1330900MA0000015Q",
    "N2330900MA0000015M",
    "N3330900MA0000015J",
    "Y1330900MA0000015G",
    "A1330900MA00000155",
)
#: Check character 0 (the second "mod 31"), check character Y, X inside the organisation code.
EDGE_CODES = ("91330900MA00004450", "91330900MA0000090Y", "91330900MA000004XK")
CITIZEN_SHAPED_CODE = "330900198001010908"
SYNTHETIC_CITIZENS = (
    "11010519491231002X",
    "440524188001010014",
    "330900198001010019",
    "330900198001010027",
    "330900200811210012",
    "330900201012310011",
)

bodies = st.text(ALPHABET, min_size=17, max_size=17)


@pytest.mark.parametrize("code", [*PUBLIC_CODES, *TYPE_CODES, *EDGE_CODES])
def test_a_good_code_passes_both_checks_without_a_warning(code: str) -> None:
    """Every registry type, public example and edge check character is accepted silently."""
    assert check_credit_code(code) is None
    assert organisation_part_is_valid(code)
    assert assess_credit_code(code) == (code, (), ())


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("00000000000000000X", CodeFault.CHECK_DIGIT),
        ("111111111111111111", CodeFault.CHECK_DIGIT),
        ("91330900MA0000015", CodeFault.LENGTH),
        ("91330900MA000001567", CodeFault.LENGTH),
        ("", CodeFault.LENGTH),
        ("91330900MA0000015I", CodeFault.CHARSET),
        ("9133090OMA00000156", CodeFault.CHARSET),
        ("91330900ma00000156", CodeFault.CHARSET),
        ("91330900MA_0000156", CodeFault.CHARSET),
        ("91330900MA 0000156", CodeFault.CHARSET),
        ("+1330900MA00000156", CodeFault.CHARSET),
        ("91330900MA0000015é", CodeFault.CHARSET),
        ("9133090０MA00000156", CodeFault.CHARSET),
    ],
)
def test_a_bad_code_is_named_by_its_first_fault(code: str, fault: CodeFault) -> None:
    """Length before characters before the check digit; look-alikes `int` would read are refused."""
    assert check_credit_code(code) is fault


@given(bodies)
def test_exactly_one_check_character_of_31_fits(body: str) -> None:
    """The fast sum agrees with the standard's weights, for every final character."""
    fitting = [last for last in ALPHABET if check_credit_code(body + last) is None]
    assert fitting == [plain_checks.credit_check_character(body)]


@given(st.text(ALPHABET, min_size=8, max_size=8))
def test_exactly_one_organisation_check_character_fits(body: str) -> None:
    """The fast sum agrees with GB 11714 digit by digit, X and 0 included."""
    fitting = [last for last in ALPHABET if organisation_part_is_valid(f"91330900{body}{last}0")]
    assert fitting == [plain_checks.organisation_check_character(body)]


@given(st.text(max_size=20))
def test_any_text_is_answered(text: str) -> None:
    """No text raises, and every reason is in the catalogue with the right severity."""
    found = assess_credit_code(text)
    assert (check_credit_code(found.code) is None) or found.errors
    assert all(code in REASONS and code not in WARNINGS for code in found.errors)
    assert all(code in WARNINGS for code in found.warnings)


@given(st.text(max_size=24))
def test_normalising_twice_changes_nothing(text: str) -> None:
    """The canonical form is stable, so that a key never changes on its second reading."""
    once = normalise_credit_code(text)
    assert normalise_credit_code(once) == once


@given(
    bodies,
    st.sampled_from(["", " ", "\t", "\u3000", "\ufeff", "\u200b"]),
    st.sampled_from([str.lower, str.upper]),
    st.sampled_from([0, 0xFEE0]),
)
def test_width_case_and_blanks_of_a_spreadsheet_do_not_matter(
    body: str, blank: str, to_case: Callable[[str], str], shift: int
) -> None:
    """Full-width letters, lower case and stray blanks lead to the same code."""
    code = body + plain_checks.credit_check_character(body)
    written = "".join(chr(ord(character) + shift) for character in to_case(code))
    assert normalise_credit_code(blank + written[:9] + blank + written[9:] + blank) == code


def test_a_missing_code_has_its_own_reason() -> None:
    """Blank is not a short code: the clerk is told to fill it in."""
    assert assess_credit_code(" \u3000").errors == ("CREDIT_CODE_MISSING",)


def test_a_citizen_number_that_passes_gb_32100_is_an_error() -> None:
    """One in 31 citizen numbers passes the outer check; the inner one and GB 11643 tell."""
    assert check_credit_code(CITIZEN_SHAPED_CODE) is None
    assert not organisation_part_is_valid(CITIZEN_SHAPED_CODE)
    assert assess_credit_code(CITIZEN_SHAPED_CODE).errors == ("CREDIT_CODE_IS_CITIZEN_ID",)


@pytest.mark.parametrize("code", ["113309198001011333", "113309198001023473", "113309198001030163"])
def test_a_code_of_digits_that_holds_is_no_person_though_it_could_be(code: str) -> None:
    """All four checks hold by chance: an organ of the state must not be refused for ever."""
    assert is_citizen_id(code)
    assert organisation_part_is_valid(code)
    assert assess_credit_code(code).errors == ()


@pytest.mark.parametrize("number", SYNTHETIC_CITIZENS)
def test_a_citizen_number_is_recognised(number: str) -> None:
    """Examples of the standard and synthetic numbers, old people and minors alike."""
    assert is_citizen_id(number)
    assert is_citizen_id(number.lower())
    assert assess_credit_code(number).errors == ("CREDIT_CODE_IS_CITIZEN_ID",)


@pytest.mark.parametrize(
    "number",
    [
        "330900198001010018",  # check digit
        "330900198002300010",  # no such day
        "000000198001010019",  # no such province
        "3309001980010100",
        "33090019800101001Y",
        "３30900198001010019",
        "",
    ],
)
def test_what_is_no_citizen_number_is_not_taken_for_one(number: str) -> None:
    """A wrong check digit, day, province, length or character is no citizen number."""
    assert not is_citizen_id(number)


@pytest.mark.parametrize(
    ("body", "is_one"),
    [
        ("33090018500101001", True),
        ("33090018491231001", False),
        ("33090020991231001", True),
        ("33090021000101001", False),
        ("83000019800101001", True),
        ("00000019800101001", False),
        ("70000019800101001", False),
    ],
)
def test_place_and_date_decide_where_the_check_digit_holds(body: str, *, is_one: bool) -> None:
    """One in eleven numbers passes the check: without place and date they would be persons."""
    assert is_citizen_id(body + plain_checks.citizen_check_character(body)) is is_one


@given(st.dates().filter(lambda day: 1850 <= day.year <= 2099), st.integers(0, 999))
def test_citizen_check_agrees_with_the_weights_of_the_standard(day: object, order: int) -> None:
    """Of eleven possible check characters one fits, and it is the standard's."""
    body = f"330900{str(day).replace('-', '')}{order:03}"
    fitting = [last for last in "0123456789X" if is_citizen_id(body + last)]
    assert fitting == [plain_checks.citizen_check_character(body)]


@pytest.mark.parametrize(
    "number", ["110108000000016", "440301103097413", "330900000000015", "330900600000016"]
)
def test_a_registration_number_is_recognised(number: str) -> None:
    """The old 15-digit number passes its own check and is not mistaken for a person's."""
    assert is_registration_number(number)
    assert not is_possible_old_citizen_id(number)
    assert assess_credit_code(number).errors == ("CREDIT_CODE_LENGTH",)


@pytest.mark.parametrize("number", ["310000000012345", "11010800000001", "11010800000001X", ""])
def test_what_is_no_registration_number_is_not_taken_for_one(number: str) -> None:
    """A wrong check digit, length or letter is no registration number."""
    assert not is_registration_number(number)


@given(st.text(string.digits, min_size=14, max_size=14))
def test_exactly_one_registration_check_digit_fits(body: str) -> None:
    """MOD 11,10 as the standard prints it."""
    fitting = [last for last in string.digits if is_registration_number(body + last)]
    assert fitting == [plain_checks.registration_check_digit(body)]


def test_fifteen_digits_with_a_birth_date_may_be_a_person() -> None:
    """An old citizen number has no check digit, so a plausible one is treated with care."""
    assert is_possible_old_citizen_id("330900800101001")
    assert not is_possible_old_citizen_id("330900801301001")
    assert not is_possible_old_citizen_id("000000800101001")


@pytest.mark.parametrize("body", ["33090080010100", "11010868022900", "44030199123100"])
def test_a_registration_number_is_no_person_though_it_holds_a_birth_date(body: str) -> None:
    """Its check digit tells them apart: companies must not be sealed as persons."""
    check = plain_checks.registration_check_digit(body)
    assert not is_possible_old_citizen_id(body + check)
    assert is_possible_old_citizen_id(body + str((int(check) + 1) % 10))


def test_an_inner_failure_alone_is_a_warning() -> None:
    """79 of 1.1 million real codes fail GB 11714 inside a good GB 32100 code."""
    body = "91330900MA0000014"
    found = assess_credit_code(body + plain_checks.credit_check_character(body))
    assert found.errors == ()
    assert found.warnings == ("ORGANISATION_CODE_CHECK",)


def test_an_unknown_region_and_registry_are_warnings() -> None:
    """Regions of the year of registration and new registry types must not stop a record."""
    body = "99999999MA0000015"
    found = assess_credit_code(body + plain_checks.credit_check_character(body))
    assert found.errors == ()
    assert found.warnings == ("REGION_UNKNOWN", "REGISTRY_TYPE_UNKNOWN")


@pytest.mark.parametrize(
    ("body", "warning"),
    [("91999999MA0000015", "REGION_UNKNOWN"), ("99330900MA0000015", "REGISTRY_TYPE_UNKNOWN")],
)
def test_either_of_the_two_alone_is_a_warning(body: str, warning: str) -> None:
    """A misspelt region of a company is worth a look, whatever registers it."""
    found = assess_credit_code(body + plain_checks.credit_check_character(body))
    assert (found.errors, found.warnings) == ((), (warning,))


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("330900********1234", True),
        ("3309001980****1234", True),
        ("330900****1", True),  # fewer stars than digits
        ("330****1", False),
        ("330900198001011234", False),
        ("033090********1234", False),
    ],
)
def test_stars_in_place_of_digits_do_not_hide_a_person(text: str, *, is_one: bool) -> None:
    """Court sites hide month and day; some hide more and shorten the number."""
    assert is_masked_citizen_id(text) is is_one


def test_the_region_table_is_whole() -> None:
    """34 provinces, 337 prefectures, 2,846 counties, two later ones and the national code."""
    assert len(REGION_CODES) == 34 + 337 + 2846 + 2 + 1
    assert all(len(code) == 6 and code.isdigit() for code in REGION_CODES)
    assert {"100000", "110000", "330900", "330113", "330114", "440300"} <= REGION_CODES


def test_every_registry_type_of_the_standard_is_known() -> None:
    """The synthetic codes cover every department that registers today."""
    assert {code[:2] for code in TYPE_CODES} <= REGISTRY_TYPES
    assert "99" not in REGISTRY_TYPES


@given(bodies, st.sampled_from(ALPHABET))
def test_stdnum_agrees_but_for_its_digits_only_prefix(body: str, last: str) -> None:
    """python-stdnum wants eight leading digits, which refuses every N*, A* and Y* code."""
    code = body + last
    expected = check_credit_code(code) is None and code[:8].isdigit()
    assert uscc.is_valid(code) is expected


@pytest.mark.parametrize("code", [*PUBLIC_CODES, *TYPE_CODES, *EDGE_CODES, CITIZEN_SHAPED_CODE])
def test_stdnum_differs_on_the_known_values_only(code: str) -> None:
    """Expected differences: rural collectives, the military and Y1, by their first letter."""
    assert uscc.is_valid(code) is (code[0] not in "ANY")
