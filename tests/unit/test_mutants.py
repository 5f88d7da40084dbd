"""Planted faults (`./run mutants`) still fit the code, and the tool that runs them is right."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from hub.repository import ROOT
from tools import mutants
from tools.mutants import Checkout, DoesNotFitError, Mutant, Plants, plant, read_plants

if TYPE_CHECKING:
    from pathlib import Path

_CODE = '''"""A module."""

LIMIT = 3


class Gate:
    """A gate."""

    @property
    def width(self) -> int:
        """Its width."""
        return LIMIT

    def lets(self, count: int) -> bool:
        """Whether so many may pass."""
        if count > LIMIT:
            return False
        return count > 0


def spare(count: int) -> int:
    """What is left."""
    return LIMIT - count
'''
_TEST = """from hub.domain.gate import Gate, spare

def test_lets():
    assert Gate().lets(3)

def test_refuses():
    assert not Gate().lets(4)
"""
_CONFTEST = """from hypothesis import settings

settings.register_profile("mutants")
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of one module and its tests."""
    folder = tmp_path / "repository"
    for name, text in {
        ".gitignore": "__pycache__/\n",
        "conftest.py": _CONFTEST,
        "hub/domain/gate.py": _CODE,
        "tests/test_gate.py": _TEST,
        "tests/test_more.py": "from hub.domain.gate import spare\n\ndef test_spare():\n"
        "    assert spare(1) == 2\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def mutant(function: str, find: str, replace: str, module: str = "") -> Mutant:
    """A fault."""
    return Mutant(
        id="m", function=function, find=find, replace=replace, module=module, why="harm"
    )  # fmt: skip


PLANTS = Plants(package="hub/domain", first={"gate": ("tests/test_gate.py",)}, mutants=())


# --- the faults themselves ---


@pytest.mark.parametrize("plants", read_plants(), ids=lambda plants: plants.package)
def test_every_mutant_fits_the_code(plants: Plants) -> None:
    """Its function is there once, its fragment too, and the result is other Python."""
    misfits = []
    for one in plants.mutants:
        try:
            planted = plant(one, plants)
        except DoesNotFitError as error:
            misfits.append(str(error))
            continue
        if not planted.first:
            misfits.append(f"{one.id}: `first` names no test for {planted.path}")
    assert misfits == []


def test_every_mutant_has_a_name_of_its_own() -> None:
    """`--only` and whoever mends a survivor go by it."""
    names = Counter(one.id for plants in read_plants() for one in plants.mutants)
    assert [name for name, count in names.items() if count > 1] == []


def test_the_tests_that_are_named_are_there() -> None:
    """A test that was moved would be looked for in vain, and every mutant count as caught."""
    named = {test for plants in read_plants() for tests in plants.first.values() for test in tests}
    assert [name for name in (*named, *mutants.FAST) if not (ROOT / name).exists()] == []
    for one in mutants.TOO_SLOW:
        path, _, function = one.partition("::")
        assert f"def {function}(" in (ROOT / path).read_text(encoding="utf-8")


# --- the tool ---


def test_a_mutant_is_planted_in_its_function_alone(root: Path) -> None:
    """The same text elsewhere stays; blanks and line ends of the fragment do not matter."""
    planted = plant(mutant("Gate.lets", "if count > LIMIT:\n  return False", ""), PLANTS, root)
    assert planted.path == "hub/domain/gate.py"
    assert planted.first == ("tests/test_gate.py",)
    expected = _CODE.replace("if count > LIMIT:\n            return False", "")
    assert planted.text == expected


def test_a_constant_is_named_like_a_function(root: Path) -> None:
    """A table or a limit can be wrong, too."""
    planted = plant(mutant("LIMIT", "3", "4"), PLANTS, root)
    assert planted.text == _CODE.replace("LIMIT = 3", "LIMIT = 4")


def test_more_lines_are_indented_as_the_place_is(root: Path) -> None:
    """A mutant is written without the indentation of its function."""
    turned = "if count < LIMIT:\n    return True\nreturn False"
    planted = plant(
        mutant("Gate.lets", "if count > LIMIT: return False return count > 0", turned),
        PLANTS, root,
    )  # fmt: skip
    assert (
        "        if count < LIMIT:\n            return True\n        return False\n" in planted.text
    )


@pytest.mark.parametrize(
    ("function", "find", "replace"),
    [
        ("Gate.leaves", "count", "0"),
        ("Gate.lets", "count >= LIMIT", "True"),
        ("Gate.lets", "count >", "count <"),
        ("Gate.lets", "count > 0", "(count > 0)"),
        ("Gate.lets", "count > 0", "count >"),
    ],
    ids=["no function", "no fragment", "two fragments", "no change", "no Python"],
)
def test_a_mutant_that_does_not_fit_is_refused(
    root: Path, function: str, find: str, replace: str
) -> None:
    """It would be counted as caught, or as a survivor, for no reason."""
    with pytest.raises(DoesNotFitError):
        plant(mutant(function, find, replace), PLANTS, root)


def test_a_name_that_two_modules_have_needs_its_module(root: Path) -> None:
    """Otherwise it would be a matter of order which of them is changed."""
    (root / "hub/domain/other.py").write_text(_CODE, encoding="utf-8")
    with pytest.raises(DoesNotFitError, match="gate, other"):
        plant(mutant("spare", "LIMIT - count", "LIMIT"), PLANTS, root)
    planted = plant(mutant("spare", "LIMIT - count", "LIMIT", module="other"), PLANTS, root)
    assert planted.path == "hub/domain/other.py"


@pytest.mark.parametrize(
    ("fault", "noticed_by"),
    [
        (mutant("Gate.lets", "count > LIMIT", "count >= LIMIT"), "tests/test_gate.py::test_lets"),
        (mutant("spare", "LIMIT - count", "LIMIT"), "tests/test_more.py::test_spare"),
        (mutant("Gate.lets", "count > 0", "count >= 0"), ""),
        (mutant("LIMIT", "3", "nothing"), "tests/test_gate.py"),
    ],
    ids=["caught first", "caught later", "survived", "not even imported"],
)
def test_what_becomes_of_a_mutant(
    root: Path, tmp_path: Path, fault: Mutant, noticed_by: str
) -> None:
    """The test that noticed it is named; afterwards the copy is as it was."""
    checkout = Checkout(root, tmp_path / "copy", fast=["tests"])
    assert checkout.try_one(plant(fault, PLANTS, root)).noticed_by == noticed_by
    assert (tmp_path / "copy/hub/domain/gate.py").read_text(encoding="utf-8") == _CODE
    assert checkout.failure(["tests"]) == ""
