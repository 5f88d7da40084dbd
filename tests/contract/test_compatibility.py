"""What is released binds: invented pairs of contracts, and every real release."""

import json
from typing import Any

import pytest

from hub.config.repository import SCHEMAS
from hub.contracts import Fault, load_contracts
from hub.contracts.compat import MEANINGS, check_releases, incompatibilities
from hub.contracts.schema import Schema, parse_schema
from tests.contract.specimens import CONTRACTS, LICENCE, RECEIVED_ON, schema_texts, texts_of

RELEASED = SCHEMAS / "released"
Document = dict[str, Any]


def _field(name: str, **attributes: object) -> Document:
    return {
        "name": name, "type": "string", "default": "", "zh": name, "type_hint": "text",
        "length": 10, "required": "false", "sharing": "government", "personal": False,
    } | attributes  # fmt: skip


def _document(*fields: Document, **attributes: object) -> Document:
    return {
        "type": "record", "name": "Invented", "hub_schema_id": 901, "kind": "invented.made.v1",
        "subject": "invented", "title_zh": "虚构", "legal_source": "none", "identity": [],
        "cross_field_rules": [], "fields": list(fields),
    } | attributes  # fmt: skip


def _schema(document: Document) -> Schema:
    schema = parse_schema("invented.made.v1", json.dumps(document))
    assert schema is not None
    return schema


A = _field("A")
WHEN = {"required": "conditional", "required_when": {"field": "A", "is": ["x", "y"]}}
ONLY_WHEN = {
    "required": "conditional",
    "required_when": {"field": "A", "is": ["x", "y"], "else_empty": True},
}
WHEN_OF_ANOTHER = {"required": "conditional", "required_when": {"field": "B", "is": ["x", "y"]}}
UNBOUNDED = {name: value for name, value in _field("B").items() if name != "length"}
EARLIEST: Document = {"hub_schema_id": 901, "fields": 1}
APPENDED: Document = {
    "hub_schema_id": 902,
    "earlier": [{"hub_schema_id": 901, "fields": 2}],
}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (_field("B"), _field("B", sharing="public"), "SHARING_WIDENED"),
        (_field("B", sharing="never"), _field("B", sharing="authorised"), "SHARING_WIDENED"),
        (_field("B"), _field("B", required="true"), "REQUIRED_TIGHTENED"),
        (_field("B"), _field("B", **WHEN), "REQUIRED_TIGHTENED"),
        (
            _field("B", **WHEN),
            _field("B", required="conditional", required_when={"field": "A", "is": ["x", "z"]}),
            "REQUIRED_TIGHTENED",
        ),
        (_field("B", **WHEN), _field("B", **ONLY_WHEN), "REQUIRED_TIGHTENED"),
        (_field("B", **WHEN), _field("B", **WHEN_OF_ANOTHER), "REQUIRED_TIGHTENED"),
        (_field("B"), _field("B", length=9), "LENGTH_SHORTENED"),
        (UNBOUNDED, _field("B", length=9), "LENGTH_SHORTENED"),
        (_field("B", length=10), _field("B", type="bytes"), "FIELD_TYPE_CHANGED"),
        (_field("B", personal=True), _field("B"), "PROTECTION_REMOVED"),
        (
            _field("B", sealed=True, sharing="never"),
            _field("B", sharing="never"),
            "PROTECTION_REMOVED",
        ),
        (_field("B"), _field("B", type_hint="date"), "MEANING_CHANGED"),
        (_field("B", unit="万元"), _field("B", unit="元"), "MEANING_CHANGED"),
        (_field("B", choices=["a", "b"]), _field("B", choices=["a"]), "MEANING_CHANGED"),
        (_field("B", normalisation="one"), _field("B", normalisation="two"), "IDENTITY_CHANGED"),
        (_field("B", aliases_zh=["旧名"]), _field("B"), "ALIAS_REMOVED"),
        (_field("B"), _field("C"), "FIELD_REMOVED"),
    ],
)
def test_a_promise_is_not_taken_back(old: Document, new: Document, code: str) -> None:
    """Each way of taking something back from a release is refused by name."""
    found = incompatibilities(_schema(_document(A, old)), _schema(_document(A, new)))
    assert code in {fault.code for fault in found}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (_field("B", sharing="public"), _field("B", sharing="never")),
        (_field("B", required="true"), _field("B", **WHEN)),
        (_field("B", **WHEN), _field("B")),
        (
            _field("B", **WHEN),
            _field("B", required="conditional", required_when={"field": "A", "is": ["x"]}),
        ),
        (_field("B"), _field("B", length=11)),
        (_field("B"), UNBOUNDED),
        (_field("B", **ONLY_WHEN), _field("B", **WHEN)),
        (_field("B"), _field("B", aliases_zh=["新名"], doc="said better")),
        (_field("B"), _field("B", personal=True)),
        (_field("B", choices=["a"]), _field("B", choices=["a", "b"])),
    ],
)
def test_more_room_and_more_protection_are_compatible(old: Document, new: Document) -> None:
    """Lengthening, loosening, narrowing who sees it, another alias: no fault."""
    assert incompatibilities(_schema(_document(A, old)), _schema(_document(A, new))) == ()


def test_fields_keep_their_order() -> None:
    """Avro's binary form is by position; an old payload would read as other fields."""
    found = incompatibilities(
        _schema(_document(A, _field("B"))), _schema(_document(_field("B"), A))
    )
    assert {fault.code for fault in found} == {"FIELD_MOVED"}


@pytest.mark.parametrize(
    ("attributes", "codes"),
    [
        (APPENDED, set()),
        ({}, {"SCHEMA_ID_REUSED"}),
        ({"hub_schema_id": 902}, {"SCHEMA_ID_FORGOTTEN"}),
        (
            {"hub_schema_id": 902, "earlier": [{"hub_schema_id": 901, "fields": 1}]},
            {"SCHEMA_ID_FORGOTTEN"},
        ),
    ],
)
def test_a_field_at_the_end_needs_a_new_id_and_a_memory(
    attributes: Document, codes: set[str]
) -> None:
    """The id says how many fields a payload has, so ids are never reused nor forgotten."""
    released = _schema(_document(A, _field("B")))
    current = _schema(_document(A, _field("B"), _field("C"), **attributes))
    assert {fault.code for fault in incompatibilities(released, current)} == codes


def test_ids_of_older_releases_are_not_forgotten() -> None:
    """The second release knew the first one's id; the third must know both."""
    released = _schema(_document(A, _field("B"), **{**APPENDED, "earlier": [EARLIEST]}))
    current = _document(A, _field("B"), hub_schema_id=902)
    assert incompatibilities(released, _schema(current | {"earlier": [EARLIEST]})) == ()
    found = incompatibilities(released, _schema(current))
    assert [fault.code for fault in found] == ["SCHEMA_ID_FORGOTTEN"]


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "other"},
        {"submitted_by": "court"},
        {"stated_with": "other.kind.v1"},
        {"takes_down": "other.kind.v1"},
        {"follows": "other.kind.v1"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_kind_keeps_its_subject_and_who_states_it(change: Document) -> None:
    """The subject is part of every record's key; sites have been allowed the kind as it was."""
    found = incompatibilities(_schema(_document(A)), _schema(_document(A, **change)))
    assert [fault.code for fault in found] == ["IDENTITY_CHANGED"]


@pytest.mark.parametrize("asked", [{"required": "true"}, WHEN])
def test_a_new_field_asks_nothing_of_anybody(asked: Document) -> None:
    """A required new field would refuse every department's present files."""
    released = _schema(_document(A, _field("B")))
    current = _schema(_document(A, _field("B"), _field("C", **asked), **APPENDED))
    found = incompatibilities(released, current)
    assert [fault.code for fault in found] == ["REQUIRED_TIGHTENED"]


def test_a_rule_is_not_added_within_a_version() -> None:
    """Rows that were accepted stay acceptable; dropping a rule is compatible."""
    rule = ["other_type_explained"]
    plain, ruled = _schema(_document(A)), _schema(_document(A, cross_field_rules=rule))
    assert [fault.code for fault in incompatibilities(plain, ruled)] == ["RULE_ADDED"]
    assert incompatibilities(ruled, plain) == ()


def test_payloads_of_an_earlier_id_are_read_for_ever() -> None:
    """The ledger keeps causes of every release; added fields are absent in them."""
    old = load_contracts({"invented.made.v1": json.dumps(_document(A, _field("B")))})
    new = load_contracts(
        {"invented.made.v1": json.dumps(_document(A, _field("B"), _field("C"), **APPENDED))}
    )
    value = old.by_kind["invented.made.v1"].encode({"A": "甲", "B": "乙"})
    decoded = new.decode_framed(value)
    assert not isinstance(decoded, Fault)
    assert decoded[1] == {"A": "甲", "B": "乙", "C": ""}
    assert isinstance(new.decode_framed(value[:-1]), Fault)
    assert isinstance(new.decode_framed(value + b"\x00"), Fault)


def test_an_added_absent_field_leaves_the_digest_alone() -> None:
    """Otherwise every re-sent record would be conflicting after an upgrade."""
    documents = {LICENCE: json.loads(schema_texts()[LICENCE])}
    documents[LICENCE]["fields"].append(_field("XK_NEW"))
    grown = load_contracts({kind: json.dumps(each) for kind, each in documents.items()})
    row = texts_of(LICENCE)
    before = CONTRACTS.by_kind[LICENCE].check(row, RECEIVED_ON).content
    assert grown.by_kind[LICENCE].check(row, RECEIVED_ON).content == before


def test_a_released_kind_stays() -> None:
    """A breaking change is a new kind beside the old one."""
    released = {"v9": {"invented.made.v1": _schema(_document(A))}}
    faults = check_releases(released, {})
    assert [fault.code for fault in faults["v9"]] == ["KIND_REMOVED"]


def test_every_release_is_compared_not_only_the_last() -> None:
    """FULL_TRANSITIVE: what the middle release allowed, the first may not have."""
    releases = {
        "v1": {"invented.made.v1": _schema(_document(_field("B", length=20)))},
        "v2": {"invented.made.v1": _schema(_document(_field("B", length=5)))},
    }
    current = {"invented.made.v1": _schema(_document(_field("B", length=10)))}
    assert list(check_releases(releases, current)) == ["v1"]


def test_a_fault_is_told_in_both_languages() -> None:
    """Every code has a meaning; the line names kind and field."""
    found = incompatibilities(_schema(_document(A)), _schema(_document(_field("A", length=1))))
    assert str(found[0]).startswith("invented.made.v1.A: 长度不能缩短 / a length")
    assert all(zh and en for zh, en in MEANINGS.values())


def test_the_contracts_keep_every_released_promise() -> None:
    """`avro_schemas/released/<tag>/` holds the contracts of each tag, copied at release."""
    releases = {
        folder.name: {
            path.stem: schema
            for path in folder.glob("*.avsc")
            if (schema := parse_schema(path.stem, path.read_text(encoding="utf-8"))) is not None
        }
        for folder in RELEASED.iterdir()
        if folder.is_dir()
    }
    current = {kind: contract.schema for kind, contract in CONTRACTS.by_kind.items()}
    faults = check_releases(releases, current)
    assert not faults, "\n".join(str(fault) for found in faults.values() for fault in found)
