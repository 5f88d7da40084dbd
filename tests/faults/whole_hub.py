"""Every worker of a site as a process, with a supervisor that kills one and starts it again.

A kill is exact: the worker stops itself (SIGSTOP) at a named hook, the onlooker counts what is in
flight, and only then comes SIGKILL. Where too little is in flight, the next files are dropped.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, Self

import psutil

from hub.adapters.clocks import write_business_clock
from hub.bootstrap import prepare_site
from hub.kafka_access import KafkaAccess
from hub.repository import DEPLOY
from hub.site import load_site
from tests.driver.rows import AUTHORITY, OTHER_AUTHORITY, at
from tests.faults.decisions import MAPPING, REFUSED_NAME, WAVES, submissions_in, write_wave
from tests.faults.eyes import Eyes, InFlight
from tests.platforms.test_province import Platform

ROOT = Path(__file__).parents[2]
ENOUGH = 100
"""Submissions that must be in flight when a worker is killed."""
MORNING = at("2026-12-01 09:00")
NOON = at("2026-12-01 12:00")
AFTER_EXPIRY = at("2026-12-22 09:00")
_HOUR = 3_600_000
EXPIRY = "expiry"
"""The moment the clock is put forward: what was accepted for a time is taken down."""
_PATIENCE_SECONDS = 120.0
_STILL_SECONDS = 3.0
"""How long a stopped worker is left alone before more files are dropped."""
SITE = """\
site: trial
name_zh: 试点
prefix: {prefix}
partitions: 3
rulebook: {deploy}/rulebooks/national-2026.yaml
calendar: {deploy}/calendars/cn-2007-2026.json
sealing_key_file: key
business_clock: business-clock.json
departments:
  - id: market
    name_zh: 市场监管局
    authorities: [{authority}]
    files:
      - {{name: files, inbox: inbox/market, results: results/market}}
      - {{name: cases, inbox: inbox/cases, results: results/cases, mapping: cases.yaml}}
  - id: housing
    name_zh: 住建局
    authorities: [{other}]
    files: [{{name: files, inbox: inbox/housing, results: results/housing}}]
targets:
  - {{id: province, name_zh: 省平台, number: 0, kind: http, role: report, public: false,
     clearance: [public, government], kinds: [licence.granted.v1, penalty.imposed.v1],
     url: "http://127.0.0.1:{port}", token_file: token, timeout_seconds: 1.0, attempts: 6}}
  - {{id: city, name_zh: 市网站, number: 1, kind: kafka, role: display, public: true,
     clearance: [public], kinds: [licence.granted.v1, penalty.imposed.v1], timeout_seconds: 1.0,
     attempts: 6, concurrency: 64}}
"""
MISBEHAVIOUR = {"mix": {"500": 0.01, "reset_applied": 0.01, "reset_lost": 0.01, "twice": 0.02}}
COMMANDS = {
    "registrar": ("run", "registrar"),
    "courier.province": ("run", "courier", "province"),
    "courier.city": ("run", "courier", "city"),
    "receipts": ("run", "receipts"),
    "projector": ("run", "projector"),
    "connector": ("connector", "--poll", "0.05"),
}
"""In the order of their start."""


class Kill(NamedTuple):
    """Which worker dies, at which visit of which hook since its start, and on what."""

    worker: str
    hook: str
    nth: int = 1
    wave: str = "licences"
    """The worker is started when everything up to this wave is there."""


class Killed(NamedTuple):
    """A kill that was carried out, and what was in flight."""

    kill: Kill
    counted: int
    flight: InFlight


class WholeHub:
    """One site, its platforms, its six workers."""

    def __init__(self, folder: Path, access: KafkaAccess, dsn: str, prefix: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.environment = {
            **os.environ,
            "KAFKA_BOOTSTRAP": access.bootstrap,
            "HUB_POSTGRES_DSN": dsn,
            "HUB_STATE": str(folder / "state"),
            "PYTHONPATH": str(ROOT),
        }
        self._workers: dict[str, subprocess.Popen[bytes]] = {}
        self.metrics_ports: dict[str, int] = {}
        """Where a worker serves its metrics; only those asked for before it starts."""
        self._dropped = 0
        self.killed: list[Killed] = []
        self.province = Platform(folder)
        self._put_clock(MORNING)
        self._write_site(prefix)
        self.loaded = load_site(folder)
        prepare_site(self.loaded, access)
        conduct = {"seed": 7, "refuse": [{"code": "SUBJECT_UNKNOWN", "value": REFUSED_NAME}]}
        self.province.control(**conduct, **MISBEHAVIOUR)
        (folder / "city.json").write_text(json.dumps({**conduct, "mix": {"twice": 0.02}}), "utf-8")
        self._city = self._spawn(
            "city", "tests.platforms.city", "--bootstrap", access.bootstrap, "--prefix", prefix,
            "--user", f"{prefix}target.city", "--secrets", str(access.secrets or ""),
            "--book", str(folder / "city.sqlite"), "--clock", str(folder / "business-clock.json"),
            "--control", str(folder / "city.json"),
        )  # fmt: skip
        self.eyes = Eyes(self.loaded.site, access, dsn)

    def _write_site(self, prefix: str) -> None:
        text = SITE.format(
            prefix=prefix, deploy=DEPLOY, authority=AUTHORITY, other=OTHER_AUTHORITY,
            port=self.province.port,
        )  # fmt: skip
        (self.folder / "site.yaml").write_text(text, encoding="utf-8")
        (self.folder / "cases.yaml").write_text(MAPPING, encoding="utf-8")
        (self.folder / "key").write_text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\n", "ascii")

    def begin(self, workers: Iterable[str]) -> None:
        """Start these workers, then drop everything there is."""
        for worker in workers:
            self._start(worker)
            if worker == "registrar":
                self._wait_until(self.eyes.adopted, "no basis was adopted")
        self._drop_to(WAVES[-1])

    # --- a run -----------------------------------------------------------------------------------

    def run(self, kills: tuple[Kill, ...]) -> Self:
        """Carry everything to its end, with these kills on the way, one after the other."""
        late = {kill.worker for kill in kills}
        self._drop_to("licences")
        for worker in COMMANDS:
            if worker not in late:
                self._start(worker)
                if worker == "registrar":
                    self._wait_until(self.eyes.adopted, "no basis was adopted")
        self._carry_out([kill for kill in kills if kill.wave != EXPIRY])
        for worker in COMMANDS.keys() - self._workers.keys():
            self._start(worker)
        self._drop_to(WAVES[-1])
        self._settle(NOON)
        self._carry_out([kill for kill in kills if kill.wave == EXPIRY])
        self._settle(AFTER_EXPIRY)
        return self

    def _carry_out(self, kills: list[Kill]) -> None:
        """One after the other; a worker that is killed again is started for its next death."""
        for number, kill in enumerate(kills):
            following = kills[number + 1].worker if number + 1 < len(kills) else ""
            self._stop(kill.worker)
            self._drop_to(kill.wave)
            self._hold_registrar(held=kill.worker == "connector")
            self._kill(kill)
            if following != kill.worker:
                self._start(kill.worker)
        self._hold_registrar(held=False)

    def _kill(self, kill: Kill) -> None:
        """Start the worker, wait until it stands at the hook with enough in flight, kill it."""
        self._start(kill.worker, kill)
        if kill.wave == EXPIRY:
            self._put_clock(AFTER_EXPIRY)
        process = psutil.Process(self._workers[kill.worker].pid)

        def is_at_hook() -> bool:
            return process.status() == psutil.STATUS_STOPPED

        self._wait_until(is_at_hook, f"{kill} was not reached", drops=True)
        self._wait_until(lambda: self._counted(kill)[0] >= ENOUGH, f"{kill}: idle", drops=True)
        counted, flight = self._counted(kill)
        process.kill()
        self._workers.pop(kill.worker).wait(20)
        self.killed.append(Killed(kill, counted, flight))

    def _hold_registrar(self, *, held: bool) -> None:
        """While a connector is killed the registrar waits, so that what is in flight stays so."""
        registrar = self._workers.get("registrar")
        if registrar is not None:
            registrar.send_signal(signal.SIGSTOP if held else signal.SIGCONT)

    def _put_clock(self, moment: int) -> None:
        write_business_clock(self.folder / "business-clock.json", moment, factor=0)

    def _counted(self, kill: Kill) -> tuple[int, InFlight]:
        """Return what this worker has before it, and everything in flight."""
        flight = self.eyes.look()
        match kill.worker.split("."):
            case ["courier", target]:
                return flight.undelivered[target], flight
            case ["receipts"]:
                return flight.unanswered, flight
            case ["projector"]:
                return flight.unprojected, flight
            case _:
                return flight.undecided, flight

    def _settle(self, moment: int) -> None:
        """Wait for the end of everything, from this business time on.

        The clock goes on ten seconds at each look, so that platforms publish what they have only
        taken in; never into the next day, so that no decision differs.
        """
        expected = sum(map(submissions_in, WAVES))
        moments = iter(range(moment, moment + 8 * _HOUR, 10_000))

        def is_settled() -> bool:
            now = next(moments)
            self._put_clock(now)
            return self.eyes.is_settled(expected, now)

        self._wait_until(
            is_settled,
            lambda: f"not settled: {self.eyes.look()}, {len(self.eyes.submitted)} of {expected}",
        )

    def _drop_to(self, wave: str) -> None:
        last = WAVES.index(wave) if wave in WAVES else len(WAVES) - 1
        while self._dropped <= last:
            write_wave(self.folder / "inbox", WAVES[self._dropped])
            self._dropped += 1

    def _wait_until(
        self, is_true: Callable[[], bool], problem: str | Callable[[], str], *, drops: bool = False
    ) -> None:
        """Look again and again; a worker that ends by itself ends the run."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        next_drop = time.monotonic() + _STILL_SECONDS
        while not is_true():
            for worker, process in self._workers.items():
                assert process.poll() is None, f"{worker} ended: {self.said(worker)}"
            if time.monotonic() > deadline:
                raise AssertionError(problem if isinstance(problem, str) else problem())
            if drops and time.monotonic() > next_drop and self._dropped < len(WAVES):
                self._drop_to(WAVES[self._dropped])
                next_drop = time.monotonic() + _STILL_SECONDS
            time.sleep(0.03)

    # --- processes -------------------------------------------------------------------------------

    def _start(self, worker: str, kill: Kill | None = None) -> None:
        fault = f"{kill.hook}:stop:{kill.nth}" if kill else ""
        options = ["--site", str(self.folder)]
        if worker in self.metrics_ports:
            options += ["--metrics-port", str(self.metrics_ports[worker])]
        self._workers[worker] = self._spawn(
            worker, "hub", *COMMANDS[worker], *options, HUB_FAULT=fault
        )

    def _spawn(self, name: str, module: str, *words: str, **more: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *words], cwd=self.folder,
                env=self.environment | more, stdout=log, stderr=log,
            )  # fmt: skip

    def _stop(self, worker: str) -> None:
        process = self._workers.pop(worker, None)
        if process is not None:
            process.terminate()
            process.wait(20)

    def said(self, worker: str) -> str:
        """Return the end of what a worker wrote."""
        return (self.folder / f"{worker}.log").read_text(encoding="utf-8")[-2_000:]

    def close(self) -> None:
        """Stop every process."""
        for process in (*self._workers.values(), self._city):
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in (*self._workers.values(), self._city):
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.province.stop()
        self.eyes.close()

    def book(self, target: str) -> Path:
        """Where a platform keeps its book."""
        return self.folder / ("book.sqlite" if target == "province" else f"{target}.sqlite")
