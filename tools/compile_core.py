"""Compile the deciding core with mypyc into `build/compiled`: the same code, about twice as fast.

Optional: needs a C compiler and Python's headers. The compiled copy lies beside the sources, never
among them, and is built again when any source changes, so that a stale one is never run. Its tests
are those of the sources: the golden ledgers must replay to the same bytes.

Exit status: 0 the copy is there, 3 it cannot be built here.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
from hashlib import sha256
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
TARGET: Final = ROOT / "build" / "compiled"
STAMP: Final = TARGET / ".stamp"
MODULES: Final = (
    "hub/core/wire.py", "hub/core/record.py", "hub/core/state.py", "hub/core/evolve.py",
    "hub/core/keys.py", "hub/core/causes.py", "hub/core/prepare.py", "hub/core/case.py",
    "hub/core/decide.py", "hub/core/duties.py", "hub/core/moves.py", "hub/core/waiting.py",
    "hub/core/life.py", "hub/core/offices.py", "hub/core/basis.py", "hub/core/partition.py",
    "hub/core/ledger_end.py", "hub/contracts/persons.py", "hub/engine/slot.py",
    "hub/contracts/wire.py", "hub/contracts/check.py", "hub/domain/identity.py",
)  # fmt: skip
"""What the registrar spends its time in; pure, typed, and without metaclass tricks."""
BESIDE: Final = (
    "avro_schemas",
    "topics",
    "deploy",
    "connectors",
    "standins",
    "bench",
    "tests",
    "demo",
    "docs",
)
"""What the copy needs to stand on its own, by link."""
CANNOT: Final = 3

_SETUP: Final = """
from setuptools import setup
from mypyc.build import mypycify
modules = {modules!r}
setup(name="core", packages=[], ext_modules=mypycify(["--config-file", "mypyc.ini", *modules]))
"""
_CONFIGURATION: Final = "[mypy]\nignore_missing_imports = True\nfollow_imports = silent\n"


def main(arguments: list[str] | None = None) -> int:
    """Build the copy unless it is up to date."""
    parser = argparse.ArgumentParser(prog="./run compile")
    parser.add_argument("--quiet", action="store_true", help="say nothing when up to date")
    options = parser.parse_args(arguments)
    stamp = _stamp()
    if STAMP.is_file() and STAMP.read_text(encoding="utf-8") == stamp:
        if not options.quiet:
            _say(f"已编译 compiled: {TARGET.relative_to(ROOT)}")
        return 0
    if not _can_compile():
        _say("没有 C 编译器或 Python 头文件：使用未编译的核心，结果相同，速度减半")
        _say("no C compiler or no Python headers: the core stays as it is, half as fast")
        return CANNOT
    _say("正在编译判定核心… compiling the core (a minute or two)")
    _lay_out()
    done = _build()
    if done.returncode:
        _say("编译失败，使用未编译的核心 compiling failed, the core runs uncompiled:")
        _say(done.stdout[-2000:])
        shutil.rmtree(TARGET)
        return CANNOT
    STAMP.write_text(stamp, encoding="utf-8")
    return 0


def _stamp() -> str:
    """What the copy was made of: every source, this tool, Python itself."""
    digest = sha256(sys.version.encode())
    for path in (Path(__file__), *sorted((ROOT / "hub").rglob("*.py"))):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _can_compile() -> bool:
    compiler = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()[0]
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    return shutil.which(compiler) is not None and header.is_file()


def _lay_out() -> None:
    """A copy of `hub` that may hold compiled modules, and links to all it stands on."""
    shutil.rmtree(TARGET, ignore_errors=True)
    shutil.copytree(ROOT / "hub", TARGET / "hub", ignore=shutil.ignore_patterns("__pycache__"))
    for name in BESIDE:
        (TARGET / name).symlink_to(ROOT / name)
    shutil.copy(ROOT / "pyproject.toml", TARGET)
    (TARGET / "mypyc.ini").write_text(_CONFIGURATION, encoding="utf-8")
    (TARGET / "setup.py").write_text(_SETUP.format(modules=list(MODULES)), encoding="utf-8")


def _build() -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=TARGET,
        env={**os.environ, "MYPYPATH": str(TARGET)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
