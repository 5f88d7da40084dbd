"""Every worker of a site as a process, with a supervisor that kills one and starts it again.

A kill is exact: the worker stops itself (SIGSTOP) at a named hook, the onlooker counts what is in
flight, and only then comes SIGKILL. Where too little is in flight, the next files are dropped.
"""

import itertools
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
import psycopg
import sqlalchemy as sa
from psycopg import sql

from hub.adapters.clocks import write_business_clock
from hub.config.kafka_access import KafkaAccess
from hub.config.site import load_site
from hub.domain.kinds import DUTY_LIFTED
from hub.operations.site_plan import prepare_site
from standins import nation, platform_book
from tests.driver.rows import at
from tests.faults.decisions import REFUSED_NAME, WAVES, submissions_in, write_full_list, write_wave
from tests.faults.department_table import DepartmentTable
from tests.faults.eyes import Eyes, InFlight
from tests.faults.promises import EXITS_MISSING, UNPERFORMED
from tests.faults.trial_site import LEVELS, write_site
from tests.standins.test_province import RunningProvince

ROOT = Path(__file__).parents[2]
ENOUGH = 100
"""Submissions that must be in flight when a worker is killed."""
MORNING = at("2026-12-01 09:00")
NOON = at("2026-12-01 12:00")
NEXT_MORNING = at("2026-12-02 09:00")
AFTER_EXPIRY = at("2026-12-22 09:00")
EVENING = at("2026-12-22 21:30")
"""Every level has been told of what is late."""
CHANGES = "changes"
"""The next morning: rows of the department's table change, the court sends its whole list."""
_HOUR = 3_600_000
EXPIRY = "expiry"
"""The moment the clock is put forward: what was accepted for a time is taken down, commitments
have fallen due."""
_PATIENCE_SECONDS = 240.0
_STILL_SECONDS = 3.0
"""How long a stopped worker is left alone before more files are dropped."""
MISBEHAVIOUR = {"mix": {"500": 0.01, "reset_applied": 0.01, "reset_lost": 0.01, "twice": 0.02}}
_FILES, _TABLE = ("--source", "files"), ("--department", "registry")
COMMANDS = {
    "registrar": ("run", "registrar"),
    "courier.province": ("run", "courier", "province"),
    "courier.city": ("run", "courier", "city"),
    "courier.nation": ("run", "courier", "nation"),
    "courier.drop": ("run", "courier", "drop"),
    "receipts": ("run", "receipts"),
    "projector": ("run", "projector"),
    "notices": ("run", "notices"),
    "connector": ("connector", "--poll", "0.05", *_FILES),
    "connector.registry": ("connector", "--poll", "0.05", *_TABLE),
    "reconciler": ("run", "reconciler"),
    "cases": ("run", "cases"),
}
"""In the order of their start."""
FINDERS = {
    "reconciler": ("court_enforcement.exit_missing.v1", EXITS_MISSING),
    "cases": ("commitment.performance_missing.v1", UNPERFORMED),
}
"""Workers that submit what they find: the kind of it, and how many there are to be found."""
_ANSWERED_AT = {"cases": ("before_flush", "mid_produce", "after_commit")}
"""Hooks of a worker at which its own submissions are in flight: the registrar waits meanwhile."""


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
    """One site, its platforms, its workers."""

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
        self._is_held = False
        """Whether the registrar stands still."""
        self.killed: list[Killed] = []
        self._dsn = dsn
        self._name = prefix.rstrip(".")
        self.table = DepartmentTable(self._database("source"))
        self.province = RunningProvince(folder)
        self._put_clock(MORNING)
        write_site(folder, prefix, self.province.port, self.table)
        self.loaded = load_site(folder)
        prepare_site(self.loaded, access)
        self._stand_ins = self._start_stand_ins(access, prefix)
        self.eyes = Eyes(self.loaded.site, access, dsn)

    def _database(self, name: str) -> str:
        """Make a database of this run's own; return its address."""
        database = f"{self._name}_{name}"
        with psycopg.connect(self._dsn, autocommit=True) as session:
            session.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(database)))
        made = sa.make_url(self._dsn).set(database=database)
        return made.render_as_string(hide_password=False)

    def _start_stand_ins(
        self, access: KafkaAccess, prefix: str
    ) -> tuple[subprocess.Popen[bytes], ...]:
        """Start the platforms besides the province; all refuse the same name, all misbehave."""
        conduct = {"seed": 7, "refuse": [{"code": "SUBJECT_UNKNOWN", "value": REFUSED_NAME}]}
        self.province.control(**conduct, **MISBEHAVIOUR)
        for target, mix in (
            ("city", {"twice": 0.02}),
            ("nation", {"twice": 0.02, "acknowledge": 0.02}),
            ("drop", {"twice": 0.05, "partial": 0.05, "late": 0.05}),
        ):
            orders = {**conduct, "mix": mix, "late_seconds": 0.5}
            (self.folder / f"{target}.json").write_text(json.dumps(orders), "utf-8")
        self._nation = self._database("nation")
        for name, text in (
            ("nation.admin", self._nation),
            ("nation.url", nation.make(self._nation)),
        ):
            (self.folder / name).touch(mode=0o600)
            (self.folder / name).write_text(text, encoding="ascii")
        clock = ("--clock", str(self.folder / "business-clock.json"))
        return (
            self._spawn(
                "city", "standins.city", "--bootstrap", access.bootstrap,
                "--prefix", prefix, "--user", f"{prefix}target.city",
                "--secrets", str(access.secrets or ""), *clock,
                "--book", str(self.folder / "city.sqlite"),
                "--control", str(self.folder / "city.json"),
            ),
            self._spawn(
                "nation", "standins.nation", "serve", *clock,
                "--url-file", str(self.folder / "nation.admin"),
                "--control", str(self.folder / "nation.json"),
            ),
            self._spawn(
                "drop", "standins.file_receiver", *clock,
                "--folder", str(self.folder / "drop"),
                "--book", str(self.folder / "drop.sqlite"),
                "--control", str(self.folder / "drop.json"),
            ),
        )  # fmt: skip

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
        self._carry_out([kill for kill in kills if kill.wave in WAVES])
        for worker in COMMANDS.keys() - self._workers.keys():
            self._start(worker)
        self._drop_to(WAVES[-1])
        self._settle(NOON, 0)
        self._put_clock(NEXT_MORNING)
        self._carry_out([kill for kill in kills if kill.wave == CHANGES])
        self._drop_to(CHANGES)
        self._settle(NEXT_MORNING, EXITS_MISSING)
        self._carry_out([kill for kill in kills if kill.wave == EXPIRY])
        facts = EXITS_MISSING + UNPERFORMED
        self._settle(AFTER_EXPIRY, facts)
        facts += LEVELS * len(self.eyes.departments_in_delay())
        self._settle(EVENING, facts)
        return self

    def _carry_out(self, kills: list[Kill]) -> None:
        """One after the other; a worker that is killed again is started for its next death."""
        for number, kill in enumerate(kills):
            following = kills[number + 1].worker if number + 1 < len(kills) else ""
            self._stop(kill.worker)
            self._drop_to(kill.wave)
            self._hold_registrar(kill)
            self._kill(kill)
            if following != kill.worker:
                self._start(kill.worker)
        self._release_registrar()

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

    def _hold_registrar(self, kill: Kill) -> None:
        """While a worker that submits is killed the registrar waits: what is in flight stays so.

        The reconciler only submits once everything before it is decided and projected.
        """
        submits = kill.worker.startswith("connector") or kill.worker == "reconciler"
        if not (submits or kill.hook in _ANSWERED_AT.get(kill.worker, ())):
            self._release_registrar()
            return
        if kill.worker == "reconciler" and not self._is_held:
            self._wait_until(self._is_projected, f"{kill}: not decided")
        registrar = self._workers.get("registrar")
        if registrar is not None:
            registrar.send_signal(signal.SIGSTOP)
            self._is_held = True

    def _release_registrar(self) -> None:
        registrar = self._workers.get("registrar")
        if registrar is not None:
            registrar.send_signal(signal.SIGCONT)
        self._is_held = False

    def _is_projected(self) -> bool:
        flight = self.eyes.look()
        submitted = len(self.eyes.submitted) - self.eyes.facts_of(DUTY_LIFTED)
        is_all = submitted == self.submissions  # the reconciler may have lifted duties already
        return is_all and not (flight.undecided or flight.unprojected)

    def _put_clock(self, moment: int) -> None:
        write_business_clock(self.folder / "business-clock.json", moment, factor=0)

    def _counted(self, kill: Kill) -> tuple[int, InFlight]:
        """Return what this worker has before it, and everything in flight."""
        flight = self.eyes.look()
        name, _, target = kill.worker.partition(".")
        kind, wanted = FINDERS.get(name, ("", 0))
        counts = {
            "courier": flight.undelivered.get(target, 0),
            "receipts": flight.unanswered,
            "projector": flight.unprojected,
            "notices": flight.untold,
            **dict.fromkeys(FINDERS, wanted - self.eyes.facts_of(kind)),
        }
        return counts.get(name, flight.undecided), flight

    @property
    def submissions(self) -> int:
        """What departments have submitted when everything there is was read."""
        files = sum(map(submissions_in, WAVES)) + self.table.has_changed  # with it the full list
        return files + self.table.submissions

    def _settle(self, moment: int, facts: int) -> None:
        """Wait for the end of everything, from this business time on, with so many facts.

        The clock goes on ten seconds at each look, so that platforms publish what they have only
        taken in; never so far that a decision differs.
        """
        moments = (min(each, moment + 2 * _HOUR) for each in itertools.count(moment, 10_000))

        def expected() -> int:
            # how many refused rows the reconciler finds answered is the data's matter
            return self.submissions + facts + self.eyes.facts_of(DUTY_LIFTED)

        def is_settled() -> bool:
            now = next(moments)
            self._put_clock(now)
            is_answered = len(self.table.answers()) == self.table.submissions
            return self.eyes.is_settled(expected(), now) and is_answered

        self._wait_until(
            is_settled,
            lambda: (
                f"not settled: {self.eyes.look()}, {len(self.eyes.submitted)} of {expected()},"
                f" facts {len(self.eyes.facts)} of {facts},"
                f" {len(self.table.answers())} rows answered of"
                f" {self.table.submissions}"
            ),
        )

    def _drop_to(self, wave: str) -> None:
        if wave == CHANGES and not self.table.has_changed:
            write_full_list(self.folder / "inbox")
            self.table.change()
        last = WAVES.index(wave) if wave in WAVES else len(WAVES) - 1
        while self._dropped <= last:
            write_wave(self.folder / "inbox", WAVES[self._dropped])
            if WAVES[self._dropped] in ("licences", "penalties"):
                self.table.add()
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
        processes = (*self._workers.values(), *self._stand_ins)
        for process in processes:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.province.stop()
        self.eyes.close()

    def book(self, target: str) -> dict[str, dict[str, object]]:
        """What a platform shows: record → version, stage, digest, fields."""
        if target == "nation":
            return nation.dump(self._nation)
        name = "book.sqlite" if target == "province" else f"{target}.sqlite"
        return platform_book.dump(self.folder / name)
