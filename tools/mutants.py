"""Plant small faults in the deciding packages, one at a time, and ask whether a test notices.

A mutant is one changed line: a comparison turned, a guard dropped, a field forgotten. They stand in
`tests/mutants/<package>.yaml`, each named by its function and a fragment of its text, so that code
may move within a file or to another one of its package. A mutant that no test notices shows a line
that could be lost without anybody seeing it: write the missing test.

Each is tried in a process that imports the changed text in place of the file: first the tests most
likely to notice, then all that need no broker. What runs out of time or memory counts as caught.
Exit status: 0 all caught, 1 some survived, 2 the tests fail without any mutant, or a mutant does
not fit the code any more.
"""

from __future__ import annotations

import argparse
import ast
import os
import re
import resource
import signal
import statistics
import sys
import time
import traceback
from collections import deque
from functools import cache
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory, TemporaryFile
from textwrap import dedent
from typing import IO, TYPE_CHECKING, Final, NamedTuple

import pytest
from pydantic import Field

from hub.errors import ConfigurationError
from hub.io.typed_yaml import StrictModel, read_typed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import CodeType, ModuleType

ROOT: Final = Path(__file__).resolve().parent.parent
PLACE: Final = "tests/mutants"

FAST: Final = (
    "tests/unit/domain", "tests/unit/engine", "tests/unit/core", "tests/unit/views",
    "tests/contract", "tests/law", "tests/driver", "tests/simulator",
)  # fmt: skip
"""What is asked about every mutant: about two minutes, and no broker."""
TOO_SLOW: Final = (
    "tests/simulator/test_engine.py::test_on_an_old_broker_retiring_the_producer_is_what_keeps_it_whole",
)
"""Left out of `FAST`: most of a minute, and about the model broker more than about the code."""
ENVIRONMENT: Final = {"HUB_ENGINE_SEEDS": "25"}
"""One block of the simulator's histories in place of twelve."""
LONGEST_CPU_SECONDS: Final = 600
"""Of one run of tests; beyond it the mutant is taken for an endless loop."""
MOST_MEMORY: Final = 2 << 30

_CODE: Final = frozenset({"hub", "connectors", "standins", "tests", "tools", "demo", "bench"})
"""What each process imports for itself, with the mutant in it."""
_IMPORTED_ONCE: Final = (
    "tests.conftest",
    "hub.operations.control",
    "hypothesis.stateful",
    "fastavro",
)
"""Modules that import most of what others have written; half of the time of a short run."""
_NOTICED: Final = re.compile(r"^(?:FAILED|ERROR) (\S+)", re.MULTILINE)
_NO_TESTS: Final = 5
"""pytest's exit status when it found nothing to run."""
_CANNOT_START: Final = 3
"""That of pytest for a fault of its own, and of ours before it has begun."""


class DoesNotFitError(ValueError):
    """A mutant's function or fragment is not there, is there twice, or changes nothing."""


class CannotStartError(RuntimeError):
    """pytest itself does not run; its output says why."""


class Mutant(StrictModel):
    """One planted fault."""

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    function: str
    """Qualified name in its package, such as `CircuitBreaker.note`; also the name of a constant."""
    module: str = ""
    """Where the package has the name more than once: the module's name."""
    find: str = Field(min_length=1)
    """A fragment that the function holds once; blanks and line ends in it match any of them."""
    replace: str
    why: str = Field(min_length=1)
    """The harm it would do."""
    equivalent: str = ""
    """Why no test can notice it; then it is not run."""


class Plants(StrictModel):
    """The mutants of one package, and where its modules are tested."""

    package: str
    """A folder, such as `hub/domain`."""
    first: dict[str, tuple[str, ...]]
    """Module → the tests most likely to notice, in order."""
    mutants: tuple[Mutant, ...]


class Planted(NamedTuple):
    """A mutant in its place: the module's path (from the root) and its text with the fault."""

    mutant: Mutant
    path: str
    text: str
    first: tuple[str, ...]


class Verdict(NamedTuple):
    """What became of a mutant; `noticed_by` is empty for a survivor."""

    planted: Planted
    noticed_by: str
    seconds: float


class Trial(NamedTuple):
    """One run of tests in a process of its own, which ends at the first that fails."""

    planted: Planted | None
    """None: without any mutant."""
    tests: tuple[str, ...]
    without: tuple[str, ...]
    begun: float


class Crew:
    """Runs tests in processes that are forked when everything but the code has been imported."""

    def __init__(self, root: Path, jobs: int, *, goes_on: bool = True) -> None:
        """`goes_on`: what its first tests do not notice is shown to all the others."""
        self._root = root
        self._goes_on = goes_on
        self._jobs = jobs
        self._fast = tuple(path for path in FAST if (root / path).exists())
        self._running: dict[int, tuple[Trial, IO[bytes]]] = {}
        for name in _IMPORTED_ONCE:
            import_module(name)

    def failure(self, tests: tuple[str, ...]) -> str:
        """The first of these tests that fails without any mutant, or ""."""
        self._start(Trial(None, tests, (), time.monotonic()))
        _trial, noticed_by = self._next()
        return noticed_by

    def try_all(self, chosen: Iterable[Planted]) -> Iterator[Verdict]:
        """Try each: its first tests, then all the others."""
        waiting = deque(chosen)
        while waiting or self._running:
            while waiting and len(self._running) < self._jobs:
                planted = waiting.popleft()
                tests = planted.first or self._fast
                self._start(Trial(planted, tests, (), time.monotonic()))
            trial, noticed_by = self._next()
            if trial.planted is None:
                raise AssertionError("tests without a mutant are run alone")
            is_last = not self._goes_on or not trial.planted.first or bool(trial.without)
            if noticed_by or is_last:
                yield Verdict(trial.planted, noticed_by, time.monotonic() - trial.begun)
            else:
                rest = trial._replace(tests=self._fast, without=trial.tests)
                self._start(rest)

    def _start(self, trial: Trial) -> None:
        output = TemporaryFile()  # noqa: SIM115 - closed when the process has ended
        process = os.fork()
        if process == 0:
            status = _CANNOT_START
            try:
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                status = _run_tests(trial, self._root)
            except Exception:  # noqa: BLE001 - nothing of the parent's must run on here
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        self._running[process] = (trial, output)

    def _next(self) -> tuple[Trial, str]:
        """The next trial that ends, and what noticed the mutant."""
        process, status = os.wait()
        trial, output = self._running.pop(process)
        with output:
            output.seek(0)
            text = output.read().decode("utf-8", "replace")
        code = os.waitstatus_to_exitcode(status)
        if code in (0, _NO_TESTS):
            return trial, ""
        if code < 0:
            return trial, f"({signal.Signals(-code).name})"
        if "MemoryError" in text:
            return trial, "(out of memory)"
        if code == _CANNOT_START:
            raise CannotStartError(text)
        noticed = _NOTICED.search(text)
        return trial, noticed[1] if noticed else "(no test starts)"


def _run_tests(trial: Trial, root: Path) -> int:
    """In the new process: forget the code, put the mutant in its place, run pytest."""
    resource.setrlimit(resource.RLIMIT_CPU, (LONGEST_CPU_SECONDS, LONGEST_CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    for name in list(sys.modules):
        if name.partition(".")[0] in _CODE:
            del sys.modules[name]
    os.chdir(root)
    os.environ.update(ENVIRONMENT)
    sys.path[:] = [str(root), *(one for one in sys.path if one not in ("", str(ROOT)))]
    if trial.planted is not None:
        sys.meta_path.insert(0, _Overlay(trial.planted, root))
    with TemporaryDirectory(prefix="mutant-") as place:  # two runs would clear away each other's
        return int(
            pytest.main(
                [
                    f"--basetemp={place}/of", "-x", "-q", "-p", "no:cacheprovider", "--tb=no",
                    "--hypothesis-profile=mutants",
                    "-m", "not kafka and not faults and not reference and not lives",
                    "-W", "ignore::pytest.PytestAssertRewriteWarning",  # what was imported once
                    *(f"--deselect={one}" for one in (*TOO_SLOW, *trial.without)), *trial.tests,
                ]
            )
        )  # fmt: skip


class _Overlay(MetaPathFinder):
    """Finds the module with the fault in it before the one on the disk."""

    def __init__(self, planted: Planted, root: Path) -> None:
        self._name = planted.path.removesuffix(".py").replace("/", ".")
        self._loader = _TextLoader(self._name, str(root / planted.path), planted.text)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        del path, target
        if fullname != self._name:
            return None
        return spec_from_file_location(fullname, self._loader.path, loader=self._loader)


class _TextLoader(SourceFileLoader):
    """Loads a module from a text in memory."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        code: CodeType = compile(self._text, self.path, "exec", dont_inherit=True)
        return code


def read_plants(root: Path = ROOT) -> tuple[Plants, ...]:
    """The mutants of every package; raises `ConfigurationError` with file and line."""
    return tuple(read_typed(path, Plants) for path in sorted((root / PLACE).glob("*.yaml")))


def plant(mutant: Mutant, plants: Plants, root: Path = ROOT) -> Planted:
    """Put a mutant into the text of its module; raises `DoesNotFitError`."""
    found = [
        (path, first, last)
        for path in sorted((root / plants.package).glob("*.py"))
        if mutant.module in ("", path.stem)
        for name, first, last in _definitions(path.read_text(encoding="utf-8"))
        if name == mutant.function
    ]
    if len(found) != 1:
        where = ", ".join(path.stem for path, _first, _last in found) or "no module"
        raise DoesNotFitError(f"{mutant.id}: {mutant.function} is in {where} of {plants.package}")
    path, first, last = found[0]
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    before, function, after = lines[: first - 1], "".join(lines[first - 1 : last]), lines[last:]
    changed = _replaced(mutant, function)
    try:
        is_same = ast.dump(ast.parse(dedent(changed))) == ast.dump(ast.parse(dedent(function)))
    except SyntaxError as error:
        raise DoesNotFitError(f"{mutant.id}: the result is no Python: {error}") from error
    if is_same:
        raise DoesNotFitError(f"{mutant.id}: changes nothing")
    name = path.relative_to(root).as_posix()
    return Planted(
        mutant, name, "".join((*before, changed, *after)), plants.first.get(path.stem, ())
    )


@cache
def _definitions(text: str) -> tuple[tuple[str, int, int], ...]:
    """Qualified name, first and last line of every function, class and constant."""
    return tuple(_definitions_in(ast.parse(text), ""))


def _definitions_in(node: ast.AST, prefix: str) -> Iterator[tuple[str, int, int]]:
    for child in ast.iter_child_nodes(node):
        last = getattr(child, "end_lineno", 0) or 0
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            first = min([child.lineno, *(one.lineno for one in child.decorator_list)])
            yield prefix + child.name, first, last
            yield from _definitions_in(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.Assign | ast.AnnAssign):
            targets = child.targets if isinstance(child, ast.Assign) else [child.target]
            for target in targets:
                if isinstance(target, ast.Name):
                    yield prefix + target.id, child.lineno, last


def _replaced(mutant: Mutant, function: str) -> str:
    """A function's text with the fault in it; more lines are indented as the first."""
    pattern = r"\s+".join(map(re.escape, mutant.find.split()))
    places = list(re.finditer(pattern, function))
    if len(places) != 1:
        raise DoesNotFitError(f"{mutant.id}: {mutant.function} has {len(places)}x: {mutant.find}")
    (place,) = places
    line = function[function.rfind("\n", 0, place.start()) + 1 :]
    indent = line[: len(line) - len(line.lstrip())]
    written = mutant.replace.strip().replace("\n", f"\n{indent}")
    return function[: place.start()] + written + function[place.end() :]


def main(arguments: list[str] | None = None) -> int:
    """List mutants, or run all, some or one of them."""
    parser = argparse.ArgumentParser(prog="./run mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--list", action="store_true", help="name them and run none")
    parser.add_argument("--only", metavar="ID", nargs="+", help="run these (or what begins so)")
    parser.add_argument("--draw", metavar="N", type=int, help="run N drawn ones")
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="what --draw depends on")
    parser.add_argument("--jobs", metavar="N", type=int, default=2, help="at once (default: 2)")
    parser.add_argument("--first", action="store_true", help="run the first tests of each alone")
    parser.add_argument("--root", type=Path, default=ROOT, help="another repository")
    options = parser.parse_args(arguments)
    try:
        every = [
            plant(one, plants, options.root)
            for plants in read_plants(options.root)
            for one in plants.mutants
        ]
    except (ConfigurationError, DoesNotFitError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.only:
        every = [one for one in every if one.mutant.id.startswith(tuple(options.only))]
    if options.list:
        for one in every:
            _say_what(one)
        return 0
    chosen = [one for one in every if not one.mutant.equivalent]
    equivalent = len(every) - len(chosen)
    if options.draw is not None:
        chosen = Random(options.seed).sample(chosen, min(options.draw, len(chosen)))  # noqa: S311
    try:
        return _run(chosen, equivalent, Crew(options.root, options.jobs, goes_on=not options.first))
    except CannotStartError as error:
        print(error, file=sys.stderr)
        return 2


def _run(chosen: list[Planted], equivalent: int, crew: Crew) -> int:
    """Try the chosen ones and say what became of each."""
    firsts = tuple(sorted({test for one in chosen for test in one.first}))
    fault = crew.failure(firsts) if firsts else ""
    if fault:
        print(f"without any mutant fails: {fault}", file=sys.stderr)
        return 2
    verdicts = []
    for verdict in crew.try_all(chosen):
        _say_result(verdict)
        verdicts.append(verdict)
    survived = sum(not verdict.noticed_by for verdict in verdicts)
    took = statistics.median(verdict.seconds for verdict in verdicts) if verdicts else 0.0
    print(f"median {took:.1f} s")
    print(
        f"{len(verdicts)} mutants: {len(verdicts) - survived} caught, {survived} survived, "
        f"{equivalent} equivalent not run"
    )
    return 1 if survived else 0


def _say_what(planted: Planted) -> None:
    mutant = planted.mutant
    print(f"{mutant.id}  {planted.path} {mutant.function}")
    print(f"    {' '.join(mutant.find.split())}  ->  {' '.join(mutant.replace.split())}")
    print(f"    {mutant.why}")
    if mutant.equivalent:
        print(f"    equivalent: {mutant.equivalent}")


def _say_result(verdict: Verdict) -> None:
    mutant = verdict.planted.mutant
    if verdict.noticed_by:
        print(f"caught    {mutant.id}  {verdict.seconds:.1f} s  {verdict.noticed_by}", flush=True)
        return
    print(f"SURVIVED  {mutant.id}  {verdict.seconds:.1f} s", flush=True)
    _say_what(verdict.planted)


if __name__ == "__main__":
    sys.exit(main())
