"""Planted faults (`./run mutants`) still fit the code, and the tool that runs them is right."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from hub.config.repository import ROOT
from tools import mutants
from tools.mutants import DoesNotFitError, Mutant, Plants, plant, read_plants

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
_OTHER_TEST = """from hub.domain.gate import spare

def test_spare():
    assert spare(1) == 2
"""
_MUTANTS = """
package: hub/domain
first: {gate: [tests/contract/test_gate.py]}
mutants:
- {id: one-less, function: Gate.lets, find: count > LIMIT, replace: count >= LIMIT,
   why: Nobody would pass at three.}
- {id: nothing-is-spent, function: spare, find: LIMIT - count, replace: LIMIT, why: Endless.}
- {id: zero-passes, function: Gate.lets, find: count > 0, replace: count >= 0,
   why: Nothing would pass.}
- {id: no-such-name, function: LIMIT, find: '3', replace: nothing, why: No start.}
- {id: other-three, function: LIMIT, find: '3', replace: 1 + 2, why: None.,
   equivalent: Both are three.}
"""
_CONFTEST = """from hypothesis import settings

settings.register_profile("mutants")
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository of one module and its tests."""
    folder = tmp_path / "repository"
    for name, text in {
        "tests/conftest.py": _CONFTEST,
        "tests/mutants/domain.yaml": _MUTANTS,
        "tests/contract/test_gate.py": _TEST,
        "tests/driver/test_more.py": _OTHER_TEST,
        "hub/domain/gate.py": _CODE,
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


PLANTS = Plants(package="hub/domain", first={"gate": ("tests/contract/test_gate.py",)}, mutants=())


# --- the faults themselves ---


@pytest.mark.parametrize(
    "plants", read_plants(), ids=lambda plants: f"{plants.package} {plants.mutants[0].id}"
)
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
    assert planted.first == ("tests/contract/test_gate.py",)
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


def test_each_mutant_is_run_and_what_became_of_it_said(root: Path) -> None:
    """Caught by its first tests, by the others, by not being imported; survived; not run."""
    done = run(root)
    said = re.findall(r"^(caught|SURVIVED) +(\S+) .* s(?:  (\S+))?$", done.stdout, re.MULTILINE)
    assert sorted(said) == [
        ("SURVIVED", "zero-passes", ""),
        ("caught", "no-such-name", "tests/contract/test_gate.py"),
        ("caught", "nothing-is-spent", "tests/driver/test_more.py::test_spare"),
        ("caught", "one-less", "tests/contract/test_gate.py::test_lets"),
    ]
    assert "Nobody would pass at three." not in done.stdout, "the harm of a caught one"
    assert "Nothing would pass." in done.stdout
    assert done.stdout.endswith("4 mutants: 3 caught, 1 survived, 1 equivalent not run\n")
    assert done.returncode == 1
    assert (root / "hub/domain/gate.py").read_text(encoding="utf-8") == _CODE


def test_only_some_are_run_when_asked_so(root: Path) -> None:
    """One by its name; drawn ones are the same for the same seed."""
    done = run(root, "--only", "one-less")
    assert done.returncode == 0
    assert done.stdout.endswith("1 mutants: 1 caught, 0 survived, 0 equivalent not run\n")
    listed = run(root, "--list").stdout
    assert listed.count("hub/domain/gate.py") == 5
    assert "equivalent: Both are three." in listed


def test_tests_that_fail_without_a_mutant_prove_nothing(root: Path) -> None:
    """Otherwise everything would be caught."""
    path = root / "tests/contract/test_gate.py"
    path.write_text(_TEST + "\n\ndef test_broken():\n    assert False\n", encoding="utf-8")
    done = run(root, "--draw", "2", "--seed", "009")
    assert done.returncode == 2
    assert "tests/contract/test_gate.py::test_broken" in done.stderr


def run(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`./run mutants` on another repository."""
    return subprocess.run(
        [sys.executable, "-m", "tools.mutants", "--root", str(root), *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False, encoding="utf-8",
    )  # fmt: skip
