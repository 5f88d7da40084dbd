"""Accepted and rejected examples of every kind are files; each is checked and must round-trip."""

from pathlib import Path

import pytest

from tests.contract.specimens import CONTRACTS, EXAMPLES, KINDS, example, example_paths


@pytest.mark.parametrize(
    "path", example_paths(), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_an_example_gets_exactly_the_reasons_it_names(path: Path) -> None:
    """No reason is missing, none is added, and only errors decide acceptance."""
    case = example(path)
    checked = CONTRACTS.by_kind[case.kind].check(case.row, case.received_on)
    errors = {(each.code, each.field) for each in checked.findings if each.severity == "error"}
    warnings = {(each.code, each.field) for each in checked.findings if each.severity == "warning"}
    assert errors == case.errors
    assert warnings == case.warnings
    assert checked.ok is (not case.errors)
    assert checked.ok is case.name.startswith("accepted-")


@pytest.mark.parametrize(
    "path", example_paths(), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_an_example_travels_unchanged(path: Path) -> None:
    """What a department wrote is what the ledger remembers: encoded, decoded, equal."""
    case = example(path)
    contract = CONTRACTS.by_kind[case.kind]
    decoded = CONTRACTS.decode_framed(contract.encode(case.row))
    assert isinstance(decoded, tuple)
    assert decoded[0] is contract
    assert {name: value for name, value in decoded[1].items() if value} == {
        name: value for name, value in case.row.items() if value
    }


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_an_accepted_and_rejected_examples(kind: str) -> None:
    """A kind without examples is a kind nobody has looked at: add files under `examples/<kind>`."""
    names = [path.stem for path in (EXAMPLES / kind).glob("*.json")]
    assert "accepted-minimal" in names
    assert sum(name.startswith("rejected-") for name in names) >= 2


def test_no_example_is_of_a_kind_that_is_not_there() -> None:
    """A folder with a misspelt kind would be read by nothing."""
    assert {path.name for path in EXAMPLES.iterdir()} == set(KINDS)
