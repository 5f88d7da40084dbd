"""Is the house in order: rules about files and names that no linter knows. Each names the place."""

import ast
import fnmatch
import json
import re
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from hub.config.repository import ROOT, SCHEMAS
from hub.domain.reasons import REASONS
from tests.programs import DEBIAN_PACKAGES

CODE = ("hub", "connectors")
EVERY_FOLDER = ("hub", "connectors", "standins", "tests", "demo", "bench")

BANNED_NAMES = frozenset(
    {"util", "utils", "helper", "helpers", "manager", "common", "base", "data", "info", "misc"}
)
"""Words that say nothing about what is inside."""

MAY_CATCH_EVERYTHING = frozenset(
    {
        "hub/adapters/rocksdb.py",
        "hub/embedded/postgres.py",
        "connectors/files/result_files.py",
    }
)
"""rocksdict raises bare `Exception` for every fault of the disk; a database server that was half
started is stopped, and started again while the children of a killed one leave; one department's
file, whatever is wrong with it, does not end the worker that writes the results of all."""

MAY_PRINT = frozenset({"hub/runtime/metrics.py"})
"""`python -m hub.runtime.metrics` writes docs/metrics.md."""

LONGEST_FUNCTION = 70
"""Lines that fit on a screen."""

# Put together here, so that this file does not hold what it looks for.
FOREIGN = {
    "a package index": ("pypi" + ".org", "python" + "hosted.org"),
    "a Maven host": ("repo1." + "maven.org", "maven" + ".aliyun"),
    "a path of one machine": (
        "/wo" + "rk/",
        "/ro" + "ot/",
        "/ho" + "me/",
        "/Us" + "ers/",
        "/tmp/" + "probe",
    ),
    "a folder outside the repository": ("shar" + "ed/",),
}
OUTSIDE_FOLDER_ALLOWED = ".ci/run"
"""CI says where the real tables are, in one line."""

NOT_OURS = frozenset({".git", "LICENSE"})
READ_AS_TEXT = frozenset(
    {".py", ".md", ".yaml", ".yml", ".toml", ".txt", ".in", ".avsc", ".json", ".csv", ".sh", ""}
)


@cache
def files() -> tuple[Path, ...]:
    """Every file of the repository that is not built, cached or running."""
    lines = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    ignored = [line.rstrip("/") for line in lines if line and not line.startswith("#")]

    def walk(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.name in NOT_OURS or any(fnmatch.fnmatch(path.name, name) for name in ignored):
                continue
            if path.is_dir():
                yield from walk(path)
            else:
                yield path

    return tuple(walk(ROOT))


def modules(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    """Path (from the root) and syntax tree of every module under the folders."""
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        if path.suffix == ".py" and name.split("/")[0] in folders:
            yield name, tree_of(path)


@cache
def tree_of(path: Path) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(path.read_text(encoding="utf-8"))


def test_no_module_has_a_name_that_says_nothing() -> None:
    """A module called after nothing gathers everything; name it after what is inside."""
    found = [
        name
        for name, _tree in modules(*EVERY_FOLDER)
        for part in name.removesuffix(".py").split("/")
        if BANNED_NAMES & set(part.lower().split("_"))
    ]
    assert found == []


def test_no_class_has_a_name_that_says_nothing() -> None:
    """`…Manager` and `…Helper` hide what a class is; the last word is the noun."""
    banned = {word.capitalize() for word in BANNED_NAMES}
    found = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in modules(*EVERY_FOLDER)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        and banned & set(re.findall("[A-Z][a-z]+", node.name)[-1:])
    ]
    assert found == []


def test_every_class_has_a_name_of_its_own() -> None:
    """One name, one meaning, tests and tools included: a search for it ends at one class."""
    places: dict[str, list[str]] = defaultdict(list)
    for name, tree in modules(*EVERY_FOLDER, "tools"):
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(f"{name}:{node.lineno}")
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_only_named_places_catch_every_exception() -> None:
    """What was not foreseen must end the process loudly; cleaning up and raising on is fine."""
    found = {
        name
        for name, tree in modules(*CODE)
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and _catches_everything(node)
    }
    assert found <= MAY_CATCH_EVERYTHING


def _catches_everything(handler: ast.ExceptHandler) -> bool:
    """Whether it takes any exception and does not end by raising the same one on."""
    last = handler.body[-1]
    if isinstance(last, ast.Raise) and last.exc is None:
        return False
    caught = handler.type
    types = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        each is None or (isinstance(each, ast.Name) and each.id in {"Exception", "BaseException"})
        for each in types
    )


def test_every_function_fits_on_a_screen() -> None:
    """Seventy lines, docstring and all; push the branches up and the work down."""
    found = [
        f"{name}:{node.lineno} {node.name} ({lines} lines)"
        for name, tree in modules(*CODE)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > LONGEST_FUNCTION
    ]
    assert found == []


def test_the_hub_does_not_print() -> None:
    """Commands use click, workers log JSON; a print would end up in neither."""
    found = {
        name
        for name, tree in modules(*CODE)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    }
    assert found <= MAY_PRINT


@pytest.mark.parametrize("kind", sorted(p.stem for p in SCHEMAS.glob("*.v[0-9]*.avsc")))
def test_every_kind_shows_what_is_accepted_and_what_is_not(kind: str) -> None:
    """A kind is learnt from its examples: `avro_schemas/examples/<kind>/`."""
    if kind.startswith("ledger."):
        return  # written by the registrar alone; tests/replay has its examples
    names = [path.stem for path in (SCHEMAS / "examples" / kind).glob("*.json")]
    assert any(name.startswith("accepted-") for name in names)
    assert any(name.startswith("rejected-") for name in names)


@pytest.mark.parametrize("what", FOREIGN)
def test_the_repository_knows_no_machine_but_the_user_s(what: str) -> None:
    """No address of a registry, no path of a developer's disk: they differ for every user."""
    found = []
    for path in files():
        if path.suffix not in READ_AS_TEXT:
            continue
        name = path.relative_to(ROOT).as_posix()
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1):
            is_allowed = name == OUTSIDE_FOLDER_ALLOWED and "HUB_REFERENCE_DATA" in line
            if not is_allowed and any(word in line for word in FOREIGN[what]):
                found.append(f"{name}:{number}")
    assert found == [], what


def test_ci_installs_the_programs_that_tests_skip_without() -> None:
    """A test that is skipped everywhere proves nothing; `.ci/packages.txt` has its package."""
    lines = (ROOT / ".ci" / "packages.txt").read_text(encoding="utf-8").splitlines()
    installed = {line.partition("#")[0].strip() for line in lines} - {""}
    assert installed == set(DEBIAN_PACKAGES.values())


def test_only_the_mark_programs_skips_for_a_missing_program() -> None:
    """CI runs what has the mark a second time, where the programs are; any other skip is a hole."""
    remedy = re.compile("apt(?:-get)?" + " install")
    found = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "tests").rglob("*.py")
        if remedy.search(path.read_text("utf-8"))
    }
    assert found == {"tests/programs.py"}


def test_no_merge_was_left_half_done() -> None:
    """A mark of a conflict in a list or a page breaks nothing that a linter reads."""
    marks = ("<" * 7 + " ", ">" * 7 + " ")
    found = [
        path.relative_to(ROOT).as_posix()
        for path in files()
        if path.suffix in READ_AS_TEXT
        and any(line.startswith(marks) for line in path.read_text("utf-8", "replace").splitlines())
    ]
    assert found == []


# --- English --------------------------------------------------------------------------------------

IDIOMS = {
    "told": r"\btold\b",  # reported, refused, sent again
    "speaks": r"\b(speaks?|speaking|spoken)\b",  # names, covers, is about
    "stands": r"\b(stands?|stood|standing)\b(?!-)",  # is, is written, remains
    "anew": r"\banew\b",  # again, from the start
    "What": r"\bWhat\b(?![ -]if)",  # a noun with its name; an imperative
    "nobody": r"\b([Nn]obody|[Ss]omebody|[Aa]nybody)\b",  # no department, nothing, another worker
    "whoever": r"\b[Ww]h(o|at)ever\b",  # the caller, the operator, any
    "another's": r"\banother's\b",  # of another department
    "is no": r"(?<![Tt]here )\b(is|are|was|were) no (?!longer)",  # is not a
    "gives up": r"\b(gives?|gave|given|giving) up\b",  # hands over, stops trying, releases
    "walks": r"\bwalk(s|ed|ing)?\b",  # scans, visits
    "road": r"\broads?\b",  # way, run, restart
    "gets on": r"\b(gets?|got) on\b",  # makes progress
}
"""What makes our English a dialect, and beside each what plain English has for it."""

ALLOWED_IDIOMS = {
    ".": 63,
    "bench": 2,
    "connectors": 18,
    "demo": 84,
    "docs": 424,
    "examples": 2,
    "hub": 128,
    "standins": 20,
    "tests": 1119,
    "tools": 57,
}
"""Uses left in each folder. Numbers fall; none rises and no folder is added."""


def _prose(path: Path) -> Iterator[str]:
    """Texts of a file that people read: a whole page; a module's strings and comments."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".md":
        yield text
        return
    yield from _texts(tree_of(path))
    with path.open("rb") as lines:
        for token in tokenize.tokenize(lines.readline):
            if token.type == tokenize.COMMENT:
                yield token.string


def _idioms_used() -> dict[str, Counter[str]]:
    """Folder (`.`: the root) to uses of each idiom."""
    used: dict[str, Counter[str]] = defaultdict(Counter)
    for path in files():
        if path.suffix in {".py", ".md"}:
            folder = path.relative_to(ROOT).parts[:-1][:1] or (".",)
            for text in _prose(path):
                for idiom, pattern in IDIOMS.items():
                    used[folder[0]][idiom] += len(re.findall(pattern, text))
    return used


def test_the_dialect_only_shrinks() -> None:
    """A new text says it plainly; whoever mends an old one lowers the number of its folder."""
    used = _idioms_used()
    totals = {folder: each.total() for folder, each in used.items() if each.total()}
    above = {
        folder: dict(used[folder])
        for folder, total in totals.items()
        if total > ALLOWED_IDIOMS.get(folder, 0)
    }
    assert above == {}, "write the new sentences without these idioms (see IDIOMS)"
    assert totals == ALLOWED_IDIOMS, "fewer than allowed: lower the numbers of ALLOWED_IDIOMS"


# --- reasons -------------------------------------------------------------------------------------

GIVES_REASONS = frozenset(
    {
        "Reason", "refuse", "warn", "Finding", "Fault", "Flawed", "Rule", "message",
        "_found", "_find", "_declare", "_report",
    }
)  # fmt: skip
"""Functions whose upper-case texts are reason codes."""
_CODE_FORM = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")


def _texts(node: ast.AST) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


def _given() -> dict[str, str]:
    """Reason code to a place that gives it: arguments of `GIVES_REASONS`."""
    found = {}
    for name, tree in modules(*CODE):
        if name == "hub/domain/reasons.py":
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            called = node.func
            named = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            if named in GIVES_REASONS:
                for argument in node.args:
                    for text in _texts(argument):
                        if _CODE_FORM.fullmatch(text) and not text.startswith(("XK_", "CF_")):
                            found[text] = f"{name}:{node.lineno}"
    return found


def _of_contracts() -> set[str]:
    """Reasons that contracts name for their fields."""
    return {
        str(field[attribute])
        for path in SCHEMAS.glob("*.avsc")
        for field in json.loads(path.read_text(encoding="utf-8"))["fields"]
        for attribute in ("reason_missing", "reason_invalid")
        if attribute in field
    }


def test_every_reason_given_is_in_the_catalogue() -> None:
    """A clerk would get a code without a sentence and without a remedy."""
    unknown = {code: place for code, place in _given().items() if code not in REASONS}
    assert unknown == {}
    assert _of_contracts() <= set(REASONS)


def test_every_reason_of_the_catalogue_is_given_somewhere() -> None:
    """A reason nobody gives misleads whoever reads the catalogue to learn what can happen."""
    used = _of_contracts() | {
        text
        for name, tree in modules(*CODE)
        if name != "hub/domain/reasons.py"
        for text in _texts(tree)
    }
    assert set(REASONS) - used == set()
