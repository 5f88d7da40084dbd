"""The contracts are complete to the standard, in order, and a slip in one is named at load."""

import json
from typing import Any

import pytest

from hub.config.repository import ROOT
from hub.contracts import load_contracts
from hub.contracts.dictionary import render_dictionary
from hub.contracts.rules import RULES
from hub.contracts.schema import Hint, Required, Sharing
from hub.domain.code_lists import CODE_LISTS
from hub.domain.kinds import SNAPSHOT
from hub.domain.reasons import REASONS
from hub.errors import ConfigurationError
from tests.contract.specimens import (
    CONTRACTS,
    KINDS,
    LICENCE,
    LISTED,
    MADE,
    PENALTY,
    PERFORMED,
    STATEMENTS,
    schema_texts,
)

SCHEMA_IDS = (101, 102, 103, 104, 105, 201, 202, 203, 204, 206, 205, 301, *range(401, 408))
#: 发改办财金〔2018〕424号, 法人行政许可 and 法人行政处罚: suffix, length, required. R required, O
#: optional, C conditional.
LICENCE_COLUMNS = """
XDR_MC 200 R, XDR_LB 100 R, XDR_SHXYM 18 C, XDR_GSZC 50 O, XDR_ZZJG 9 O, XDR_SWDJ 20 O,
XDR_SYDW 12 O, XDR_SHZZ 50 O, FRDB 50 C, FR_ZJLX 64 O, FR_ZJHM 64 O, XKWS 200 R, WSH 128 R,
XKLB 256 R, XKZS 64 O, XKBH 64 O, NR 4000 R, JDRQ 10 R, YXQZ 10 R, YXQZI 10 R, XKJG 255 R,
XKJGDM 18 R, ZT 1 R, LYDW 200 R, LYDWDM 18 R, BZ 512 O
"""
PENALTY_COLUMNS = """
XDR_MC 200 R, XDR_LB 100 R, XDR_SHXYM 18 C, XDR_GSZC 50 O, XDR_ZZJG 9 O, XDR_SWDJ 20 O,
XDR_SYDW 12 O, XDR_SHZZ 50 O, FRDB 50 C, FR_ZJLX 64 O, FR_ZJHM 64 O, WSH 128 R, WFXW 2000 R,
SY 2000 R, YJ 2048 R, CFLB 255 R, NR 4000 R, NR_FK - C, NR_WFFF - C, NR_ZKDX 200 C, JDRQ 10 R,
YXQ 10 R, GSJZQ 10 R, CFJG 255 R, CFJGDM 18 R, SJLY 200 R, SJLYDM 18 R, BZ 512 O,
AJCXLB 16 O, YZCD 16 O
"""
LETTERS = {Required.ALWAYS: "R", Required.CONDITIONAL: "C", Required.NO: "O"}


@pytest.mark.parametrize(
    ("kind", "prefix", "columns"),
    [(LICENCE, "XK_", LICENCE_COLUMNS), (PENALTY, "CF_", PENALTY_COLUMNS)],
)
def test_every_column_of_the_standard_is_there(kind: str, prefix: str, columns: str) -> None:
    """National code, length and requiredness of each column, in the standard's order."""
    written = [
        " ".join(
            (
                field.national_code.removeprefix(prefix),
                str(field.length or "-"),
                LETTERS[field.required],
            )
        )
        for field in CONTRACTS.by_kind[kind].schema.fields
    ]
    assert written == [" ".join(column.split()) for column in columns.split(",")]


def test_kinds_and_ids_are_fixed() -> None:
    """The id is in every payload that was ever written."""
    assert {kind: CONTRACTS.by_kind[kind].schema_id for kind in KINDS} == dict(
        zip(KINDS, SCHEMA_IDS, strict=True)
    )
    assert set(CONTRACTS.by_kind) == set(KINDS)
    families = {LICENCE, PENALTY, LISTED, MADE, PERFORMED}
    assert set(CONTRACTS.row_kinds) == families | set(STATEMENTS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_contract_refers_only_to_what_exists(kind: str) -> None:
    """Reasons, rules and code lists are looked up by name at run time: a slip must show here."""
    schema = CONTRACTS.by_kind[kind].schema
    assert set(schema.rules) <= set(RULES)
    for field in schema.fields:
        assert field.reason_missing in REASONS
        assert not field.reason_invalid or field.reason_invalid in REASONS
        assert (field.hint in {Hint.CODE, Hint.CODE_SET}) is bool(field.code_list)
        assert not field.code_list or field.code_list in CODE_LISTS
        assert (field.hint is Hint.AMOUNT) is (field.unit in {"万元", "元"})
        assert field.zh


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_personal_is_not_public(kind: str) -> None:
    """PIPL Art 25: no publication without a basis of its own; documents of identity, never."""
    for field in CONTRACTS.by_kind[kind].schema.fields:
        if field.personal:
            assert field.sharing is not Sharing.PUBLIC, field.name
        if field.sealed or field.is_bytes:
            assert field.sharing is Sharing.NEVER, field.name


def _broken(change: dict[str, Any], field: int | None = None) -> dict[str, str]:
    """The repository's schemas with one attribute of the licence, or of a field of it, changed."""
    document = json.loads(schema_texts()[LICENCE])
    (document if field is None else document["fields"][field]).update(change)
    return schema_texts() | {LICENCE: json.dumps(document)}


PART_OF_IDENTITY = json.loads(schema_texts()[LICENCE])["identity"][:-1]


@pytest.mark.parametrize(
    ("change", "field", "says"),
    [
        ({"kind": "licence.given.v1"}, None, "`kind` must be the file's name"),
        ({"hub_schema_id": 102}, None, "hub_schema_id 102"),
        ({"hub_schema_id": "101"}, None, "`hub_schema_id` must be a number"),
        ({"cross_field_rules": ["no_such_rule"]}, None, "no_such_rule"),
        ({"identity": ["BZ"]}, None, "`identity` must list exactly"),
        ({"identity": PART_OF_IDENTITY}, None, "`identity` must list exactly"),
        ({"takes_down": PENALTY}, None, "only a kind of subject `record`"),
        ({"follows": PENALTY}, None, "has another identity"),
        ({"submitted_by": "courts"}, None, "`submitted_by` must be agent, court or any"),
        ({"stated_with": "record.withdrawn.v1"}, None, "record.withdrawn.v1 is no kind of row"),
        ({"stated_with": PENALTY, "submitted_by": "any"}, None, "takes the place"),
        ({"erlier": []}, None, "unknown attribute erlier"),
        ({"earlier": [{"hub_schema_id": 99, "fields": 26}]}, None, "fewer fields"),
        ({"earlier": [{"hub_schema_id": 102, "fields": 2}]}, None, "hub_schema_id 102"),
        ({"sharing": "everyone"}, 0, "XK_XDR_MC: `sharing` must be one of public"),
        ({"shareing": "public"}, 0, "unknown attribute shareing"),
        ({"type": ["null", "string"]}, 0, "`type` is missing or no text"),
        ({"type": "int"}, 0, "only `string` or `bytes`"),
        ({"default": "x"}, 0, "only `string` or `bytes`"),
        ({"length": 0}, 0, "`length` must be a number above 0"),
        ({"length": True}, 0, "`length` must be a number above 0"),
        ({"personal": "no"}, 0, "`personal` must be true or false"),
        ({"required": "conditional"}, 0, "go together"),
        ({"required_when": {"field": "XK_NO", "is": ["x"]}}, 2, "names no field"),
        ({"required_when": {"field": "XK_XDR_LB"}}, 2, "needs `is` or `contains`"),
        ({"sealed": True}, 0, "a sealed field must have sharing `never`"),
        ({"name": "XK_XDR_LB"}, 0, "two fields have one name"),
        ({"aliases_zh": "x"}, 0, "`aliases_zh` must be a list"),
    ],
)
def test_a_slip_in_a_contract_is_named_at_load(
    change: dict[str, Any], field: int | None, says: str
) -> None:
    """File, field and what is wrong; the hub does not start with half a contract."""
    with pytest.raises(ConfigurationError) as caught:
        load_contracts(_broken(change, field))
    assert says in str(caught.value)
    assert caught.value.file.startswith("avro_schemas/")


def test_a_contract_that_is_not_json_names_its_line() -> None:
    """A missing comma is found by line."""
    with pytest.raises(ConfigurationError) as caught:
        load_contracts({LICENCE: '{\n  "type": "record"\n  "name": "x"}'})
    assert caught.value.line == 3


@pytest.mark.parametrize(
    ("department", "states", "kinds"),
    [
        ("office", [LICENCE], {LICENCE}),
        ("office", [LICENCE, LISTED], {LICENCE}),
        ("court", [LISTED], {LISTED, SNAPSHOT}),
        ("court", [], set()),
    ],
)
def test_who_may_state_what(department: str, states: list[str], kinds: set[str]) -> None:
    """Granted kinds, what is stated with them, what anybody may; court kinds by courts alone."""
    anybody = {k for k, c in CONTRACTS.by_kind.items() if c.schema.submitted_by == "any"}
    assert CONTRACTS.statable_kinds(department, states) == kinds | anybody
    assert LICENCE not in anybody


def test_an_agent_states_what_is_left_to_agents() -> None:
    """Whatever a site grants it."""
    stated = CONTRACTS.statable_kinds("agent", [LICENCE])
    assert stated == {k for k, c in CONTRACTS.by_kind.items() if c.schema.submitted_by == "agent"}
    assert stated


def test_the_fingerprint_covers_attributes_and_not_layout() -> None:
    """A changed length is another basis; another indentation is not."""
    document = json.loads(schema_texts()[LICENCE])
    indented = load_contracts(schema_texts() | {LICENCE: json.dumps(document, indent=8)})
    assert indented.fingerprint == CONTRACTS.fingerprint
    longer = load_contracts(_broken({"length": 201}, 0))
    assert longer.fingerprint != CONTRACTS.fingerprint


def test_the_data_dictionary_is_up_to_date() -> None:
    """Run `./run hub contracts dictionary > docs/data-dictionary.md` after changing a contract."""
    page = (ROOT / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    assert page == render_dictionary(CONTRACTS)
