"""A start under a clock nobody believes, on a real broker: it waits, is asked about, confirmed."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
from click.testing import CliRunner

from hub.adapters.clock_witness import SEEN, last_seen
from hub.adapters.clocks import real_ms
from hub.cli import hub
from hub.engine.clock_guard import DAY_MS
from tests.driver.rows import at
from tests.kafka.test_file_connector import ConnectorPlace
from tests.kafka.test_notices_follower import marks_of, read, submit
from tests.kafka.test_receipts_follower import place, worker
from tests.unit.connectors.made import ROOT

__all__ = ["place"]

pytestmark = [pytest.mark.kafka, pytest.mark.faults]


def health(port: int) -> dict[str, Any]:
    """What the worker says of itself; empty while nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as error:
        with error:
            return dict(json.load(error))
    except OSError:
        return {}


def wait_for(reached: Callable[[], bool]) -> bool:
    """Within half a minute."""
    for _ in range(300):
        if reached():
            return True
        time.sleep(0.1)
    return False


def test_it_waits_until_a_person_confirms_and_then_decides(place: ConnectorPlace) -> None:
    """An accelerated clock, judged by its origin: twenty days ago, and nothing seen since."""
    clock = place.folder / "business-clock.json"
    content = {
        "origin_real_ms": real_ms() - 20 * DAY_MS, "origin_business_ms": at("2026-11-02 10:00"),
        "factor": 1,
    }  # fmt: skip
    clock.write_text(json.dumps(content), encoding="utf-8")
    with (place.folder / "site.yaml").open("a", encoding="utf-8") as site:
        site.write(f"business_clock: {clock.name}\n")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    submit(place, "first")
    with worker(place, "registrar", "--metrics-port", str(port)), worker(place, "notices"):
        assert wait_for(lambda: health(port).get("status") == "stopped")
        assert health(port)["code"] == "CLOCK_UNCONFIRMED"
        time.sleep(6)
        assert read(place, "ledger") == read(place, "notices") == []
        environment = {"HUB_STATE": str(place.folder / "state")}
        words = ("--by", "李工", "--reason", "对照授时", "--yes", "--site", str(place.folder))
        confirmed = CliRunner(env=environment).invoke(hub, ["clock", "confirm", *words])
        assert confirmed.exit_code == 0, confirmed.output
        assert wait_for(lambda: bool(read(place, "ledger")))
        assert wait_for(lambda: health(port).get("status") == "ok")
        assert min(map(len, marks_of(place).values())) == 1
    (seen,) = (place.folder / "state/workers").glob(f"*/registrar.0/{SEEN}")
    assert last_seen(seen) > real_ms() - 10 * 60_000


def test_a_registrar_that_waits_still_ends_when_asked(place: ConnectorPlace) -> None:
    """A supervisor need not kill it."""
    (place.folder / "business-clock.json").write_text(
        json.dumps({"origin_real_ms": 1, "origin_business_ms": 1, "factor": 1}), encoding="utf-8"
    )
    with (place.folder / "site.yaml").open("a", encoding="utf-8") as site:
        site.write("business_clock: business-clock.json\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "hub", "run", "registrar", "--site", str(place.folder)],
        env={
            **os.environ,
            "KAFKA_BOOTSTRAP": place.kafka.bootstrap,
            "HUB_STATE": str(place.folder / "state"),
        },
        cwd=ROOT, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    line = next(line for line in process.stderr if "CLOCK_UNCONFIRMED" in line)
    assert "hub clock confirm" in json.loads(line)["message"]
    process.terminate()
    assert process.wait(20) == 0
    process.stderr.close()
