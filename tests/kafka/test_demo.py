"""The demo as a newcomer runs it, two days of it, on the session's broker."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from hub.config.repository import ROOT
from tests.conftest import KafkaPart, PostgresPart

pytestmark = [pytest.mark.kafka, pytest.mark.faults]


@pytest.fixture
def environment(tmp_path: Path, kafka: KafkaPart, postgres: PostgresPart) -> dict[str, str]:
    """The demo's surroundings: parts of the session, a state folder nobody else uses."""
    return {
        **os.environ,
        "KAFKA_BOOTSTRAP": kafka.bootstrap,
        "HUB_POSTGRES_DSN": postgres.dsn,
        "HUB_STATE": str(tmp_path / "state"),
    }


def demo(environment: dict[str, str], *arguments: str) -> subprocess.Popen[str]:
    """Start the demo as `./run demo` does."""
    return subprocess.Popen(
        [sys.executable, "-m", "demo", *arguments],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def left_running(environment: dict[str, str]) -> list[str]:
    """Command lines of processes that name this demo's state folder."""
    lines = [" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"])]
    return [line for line in lines if environment["HUB_STATE"] in line]


def test_two_days_with_a_killed_registrar_hold_every_check(environment: dict[str, str]) -> None:
    """Files in, platforms that fail, a SIGKILL, every comparison equal, nothing left running."""
    del environment["KAFKA_BOOTSTRAP"]  # its own broker, which asks for passwords
    process = demo(environment, "--days", "2", "--seconds", "4")
    text, _ = process.communicate(timeout=300)
    assert process.returncode == 0, text
    assert "kill -9 registrar" in text
    assert text.count("拒绝 refused TOPIC_AUTHORIZATION_FAILED") == 4, text
    assert text.count("  ✓ ") >= 22
    summary = Path(environment["HUB_STATE"]) / "demo" / "summary.txt"
    assert summary.read_text(encoding="utf-8").strip() in text
    assert left_running(environment) == []


def test_interrupted_it_leaves_nothing_running(environment: dict[str, str]) -> None:
    """Ctrl-C in the middle: every worker and platform ends with the demo."""
    process = demo(environment, "--days", "2", "--seconds", "30")
    deadline = time.monotonic() + 180
    while not (running := left_running(environment)) or len(running) < 15:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    text, _ = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert left_running(environment) == []
