"""What CI runs: every step has a share of its time, and one run needs hardly any program."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hub.config.repository import ROOT

CI = ROOT / ".ci"
LONGEST_SECONDS = 35 * 60


def shares() -> dict[str, int]:
    """Step to seconds, in the order of `.ci/budget`."""
    lines = (CI / "budget").read_text(encoding="utf-8").splitlines()
    words = [line.split() for line in lines if line.strip() and not line.strip().startswith("#")]
    return {step: int(seconds) for step, seconds, *_ in words}


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """The scripts of CI in a folder where `./run` takes a second, and fails for `test`."""
    shutil.copytree(CI, tmp_path / ".ci")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(sys.executable)
    front_door = tmp_path / "run"
    front_door.write_text('#!/bin/sh\nsleep 1.1\n[ "$1" != test ]\n', encoding="ascii")
    front_door.chmod(0o755)
    return tmp_path


def run_ci(clone: Path, budget: str) -> subprocess.CompletedProcess[str]:
    """Run the steps of a budget."""
    (clone / ".ci" / "budget").write_text(budget, encoding="ascii")
    return subprocess.run([clone / ".ci" / "run"], capture_output=True, text=True, check=False)


def test_every_step_has_its_share_of_a_bounded_time() -> None:
    """CI that takes an hour is run by nobody before a push."""
    script = (CI / "run").read_text(encoding="utf-8").partition("case $1 in")[2]
    steps = re.findall(r"^    ([a-z]+)\)", script, re.MULTILINE)
    assert steps == list(shares())
    assert sum(shares().values()) < LONGEST_SECONDS


def test_a_step_over_its_share_is_reported_and_fails_nothing(clone: Path) -> None:
    """A slow machine is no fault of a change; that a step grows must be seen."""
    done = run_ci(clone, "# step seconds\ncheck 0  # a comment\n")
    assert done.returncode == 0
    assert re.search(r"check: [1-9]\d* s / 0 s  !!! 超出份额 OVER ITS SHARE", done.stderr)


def test_a_step_within_its_share_is_reported_with_both_times(clone: Path) -> None:
    """Whoever sets the shares reads the measured times there."""
    done = run_ci(clone, "check 120\n")
    assert done.returncode == 0
    assert re.search(r"check: [1-9]\d* s / 120 s$", done.stderr, re.MULTILINE)
    assert "OVER" not in done.stderr


def test_a_step_that_fails_fails_the_run_and_hides_no_other(clone: Path) -> None:
    """The steps after it still run."""
    done = run_ci(clone, "broker 60\ncheck 60\n")
    assert done.returncode == 1
    assert re.search(r"broker: .*failed \(1\)$", done.stderr, re.MULTILINE)
    assert "check: " in done.stderr


def test_a_step_nobody_knows_fails_the_run(clone: Path) -> None:
    """A line of the budget that runs nothing would look like a passed step."""
    done = run_ci(clone, "chekc 60\n")
    assert done.returncode == 1
    assert "no such step: chekc" in done.stderr


def test_a_bare_path_holds_python_sh_and_coreutils_alone(clone: Path) -> None:
    """The command sees nothing else of the machine, and its exit status is kept."""
    seen = 'for name in git awk java cc; do command -v "$name"; done; ls "$PATH"; python3 -V'
    asked = f'{seen}; echo "[$JAVA_HOME]"; exit 7'
    done = subprocess.run(
        [clone / ".ci" / "bare", "sh", "-c", asked],
        env={**os.environ, "JAVA_HOME": "a"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 7
    lines = done.stdout.splitlines()
    assert {"python3", "sh", "cat", "true"} <= set(lines)
    assert not any(line.startswith("/") for line in lines)
    assert lines[-2:] == [f"Python {sys.version.split()[0]}", "[]"]
