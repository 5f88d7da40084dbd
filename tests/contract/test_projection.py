"""Projection is default deny: a platform sees what its clearance names, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from hub.contracts import project
from hub.contracts.schema import Sharing
from tests.contract.specimens import CONTRACTS, LICENCE, PENALTY, RECEIVED_ON, texts_of

LICENCES = CONTRACTS.by_kind[LICENCE]
PENALTIES = CONTRACTS.by_kind[PENALTY]
CLEARANCES = st.frozensets(st.sampled_from(["public", "government", "authorised", "never", "all"]))


def test_the_public_sees_no_name_of_a_person_and_no_remark() -> None:
    """Representatives' names, old numbers, remarks and classes stay between authorities."""
    row = texts_of(PENALTY) | {"BZ": "内部备注", "CF_YZCD": "一般", "CF_XDR_ZZJG": "D2143569X"}
    shown = project(PENALTIES, PENALTIES.check(row, RECEIVED_ON).canonical, frozenset({"public"}))
    assert set(shown) == set(texts_of(PENALTY)) - {"CF_FRDB"}


def test_an_authority_sees_them() -> None:
    """Government clearance adds the legal representative; nothing adds the identity document."""
    row = texts_of(LICENCE) | {"XK_FR_ZJHM": "sealed:v1:AAAA", "XK_FR_ZJLX": "sealed:v1:BBBB"}
    canonical = LICENCES.check(row, RECEIVED_ON).canonical
    assert canonical["XK_FR_ZJHM"]
    everything = project(LICENCES, canonical, frozenset(Sharing))
    assert everything["XK_FRDB"] == "示例甲"
    assert not {"XK_FR_ZJHM", "XK_FR_ZJLX"} & set(everything)


@given(CLEARANCES)
def test_no_clearance_opens_what_is_never_shared(clearance: frozenset[str]) -> None:
    """Every field set, any clearance: only fields whose class is named, never `never`."""
    for contract in CONTRACTS.by_kind.values():
        shown = project(contract, dict.fromkeys(contract.names, "x"), clearance)
        classes = {
            field.sharing
            for field in contract.schema.fields
            if (field.national_code or field.name) in shown
        }
        assert classes <= clearance - {"never"}


def test_no_clearance_shows_nothing() -> None:
    """Default deny."""
    assert project(LICENCES, dict.fromkeys(LICENCES.names, "x"), frozenset()) == {}


def test_canonical_texts_are_shown_and_empty_ones_are_not() -> None:
    """ISO dates, six places, the national text of coded values; no empty columns."""
    row = texts_of(PENALTY) | {"CF_JDRQ": "2026/11/9", "CF_CFLB": "罚款,警告"}
    shown = project(PENALTIES, PENALTIES.check(row, RECEIVED_ON).canonical, frozenset({"public"}))
    assert shown["CF_JDRQ"] == "2026-11-09"
    assert shown["CF_NR_FK"] == "1.200000"
    assert shown["CF_CFLB"] == "警告;罚款"
    assert "CF_NR_WFFF" not in shown
    licence = project(
        LICENCES,
        LICENCES.check(texts_of(LICENCE) | {"XK_XKLB": "4"}, RECEIVED_ON).canonical,
        frozenset({"public"}),
    )
    assert (licence["XK_XKLB"], licence["XK_ZT"]) == ("登记", "1")
