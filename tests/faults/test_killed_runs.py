"""Whole runs in which workers die by SIGKILL: they end as a run without kills.

`HUB_FAULTS=all ./run test tests/faults/test_killed_runs.py` runs all and prints the table of
docs/fault-runs.md; `HUB_FAULTS=3,17` runs those. Otherwise two are drawn by `HUB_FAULTS_SEED`, or
by the day.
"""

import datetime as dt
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from hub.adapters.faults import FILE_HOOKS, HOOKS
from hub.cli import hub as command_line
from hub.core.state import StageCode
from standins import file_receiver
from tests.conftest import KafkaPart, PostgresPart
from tests.driver.rows import AGENTS
from tests.faults.department_table import CORRECTED, IN_WAVE, REVOKED
from tests.faults.ending import FinalState, ending_of
from tests.faults.plan import HOOKS_OF, RUNS, table
from tests.faults.promises import EXITS_MISSING, UNPERFORMED
from tests.faults.whole_hub import COMMANDS, ENOUGH, Kill, Killed, WholeHub

SAMPLE = 2
_SHOWN = {StageCode.PUBLISHED: "published", StageCode.WITHDRAWN: "withdrawn"}


def _chosen() -> list[int]:
    """Return the numbers of the runs to do, from 1."""
    wanted = os.environ.get("HUB_FAULTS", "")
    numbers = list(range(1, len(RUNS) + 1))
    if wanted == "all":
        return numbers
    if wanted:
        return [int(number) for number in wanted.split(",")]
    seed = os.environ.get("HUB_FAULTS_SEED") or dt.datetime.now(dt.UTC).date().toordinal()
    return sorted(random.Random(int(seed)).sample(numbers, SAMPLE))


Carry = Callable[[tuple[Kill, ...]], tuple[WholeHub, FinalState]]


@pytest.fixture(scope="module")
def carry(
    kafka: KafkaPart, postgres: PostgresPart, tmp_path_factory: pytest.TempPathFactory
) -> Carry:
    """Return what carries out a run on a site of its own and collects how it ended."""

    def run(kills: tuple[Kill, ...]) -> tuple[WholeHub, FinalState]:
        folder = tmp_path_factory.mktemp("run")
        prefix = f"{folder.name.replace('_', '')}x{os.getpid()}."
        hub = WholeHub(folder, kafka.access, postgres.dsn, prefix)
        try:
            hub.run(kills)
        finally:
            hub.close()
        return hub, ending_of(hub, postgres.dsn)

    return run


@pytest.fixture(scope="module")
def undisturbed(carry: Carry) -> FinalState:
    """Return the ending of a run in which nobody is killed."""
    return carry(())[1]


@pytest.fixture(scope="module")
def kills(request: pytest.FixtureRequest) -> Iterator[list[tuple[int, Killed, bool]]]:
    """Collect the kills of all runs; print their table in the end."""
    found: list[tuple[int, Killed, bool]] = []
    yield found
    lines = table(found)
    if os.environ.get("HUB_FAULTS_TABLE"):
        Path(os.environ["HUB_FAULTS_TABLE"]).write_text("\n".join(lines) + "\n", "utf-8")
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    if capture is not None:
        with capture.global_and_fixture_disabled():
            sys.stdout.write("\n".join(["", *lines, ""]))


def test_the_runs_kill_every_worker_at_every_hook_a_hundred_times() -> None:
    """Every process of the hub dies, wherever its kind of worker has a hook."""
    killed = [kill for run in RUNS for kill in run]
    assert len(killed) >= 100
    hooks = {worker: {kill.hook for kill in killed if kill.worker == worker} for worker in COMMANDS}
    assert {worker: HOOKS_OF[worker] - found for worker, found in hooks.items()} == {
        worker: set() for worker in COMMANDS
    }
    assert set().union(*hooks.values()) == {*HOOKS, *FILE_HOOKS}


@pytest.mark.kafka
@pytest.mark.faults
@pytest.mark.parametrize("number", _chosen())
def test_a_run_with_kills_ends_as_one_without(
    number: int, carry: Carry, undisturbed: FinalState, kills: list[tuple[int, Killed, bool]],
    kafka: KafkaPart,
) -> None:  # fmt: skip
    """Same outcomes, states, platform books, result files and look-ups; the ledger is whole."""
    hub, ending = carry(RUNS[number - 1])
    kills += [(number, killed, ending == undisturbed) for killed in hub.killed]
    assert len(hub.killed) == len(RUNS[number - 1])
    assert min(killed.counted for killed in hub.killed) >= ENOUGH
    for name, found, wanted in zip(FinalState._fields, ending, undisturbed, strict=True):
        assert found == wanted, name
    _nothing_twice(hub)
    told = {reason.code for _, record in hub.eyes.ledger for reason in record.reasons}
    assert "KIND_NOT_YOURS" not in told  # what a site refuses wholesale is in play in name only
    assert Counter(answer[2] for answer in hub.table.answers()) == {
        "accepted": 2 * IN_WAVE, "corrected": len(CORRECTED), "withdrawn": len(REVOKED)
    }  # fmt: skip
    _books_are_the_ledgers(hub)
    _figures_agree(hub, hub.environment)
    for audit in ("verify", "replay"):
        words = ["audit", audit, "--site", str(hub.folder), "--bootstrap", kafka.bootstrap]
        audited = CliRunner().invoke(command_line, words)
        assert audited.exit_code == 0, audited.output


def _figures_agree(hub: WholeHub, environment: Mapping[str, str]) -> None:
    """The monthly form from PostgreSQL is the one reckoned from the ledger alone."""
    words = ["report", "--month", "2026-12", "--json", "--site", str(hub.folder)]
    told = [
        CliRunner(env=environment).invoke(command_line, [*words, *more])
        for more in ([], ["--from-ledger"])
    ]
    assert [one.exit_code for one in told] == [0, 0], told[1].output
    look_ups, ledger = (json.loads(one.output)["lines"] for one in told)
    assert look_ups == ledger
    assert sum(line["reported"] for line in ledger) > ENOUGH


def _nothing_twice(hub: WholeHub) -> None:
    """Every submission has one number, one decision, one answer; every outcome one id.

    The hub's own workers may submit a fact again: it is one fact for all that, accepted once.
    """
    eyes = hub.eyes
    facts = {one for one in eyes.submitted if one[0].startswith(f"{AGENTS}/")}
    assert len(eyes.submitted) == hub.submissions + len(facts)
    assert len(facts) == len(eyes.facts)
    assert set(eyes.facts.values()) == {1}
    assert eyes.facts_of("court_enforcement.exit_missing.v1") == EXITS_MISSING
    assert eyes.facts_of("commitment.performance_missing.v1") == UNPERFORMED
    assert set(eyes.resubmitted) <= facts
    assert set(eyes.decided_twice) <= facts
    assert eyes.notices.keys() == eyes.notices_owed
    assert eyes.answered == {one: outcome.name.lower() for one, outcome in eyes.decided.items()}
    assert set(eyes.outcome_ids.values()) == {1}


def _books_are_the_ledgers(hub: WholeHub) -> None:
    """What each platform shows is what the ledger says it shows; its files are numbered densely."""
    for target in hub.loaded.site.targets:
        told = {
            key.hex(): (stage.version, _SHOWN[StageCode(stage.stage)])
            for key, state in hub.eyes.states.items()
            for stage in state.stages
            if stage.target == target.number and stage.stage in _SHOWN
        }
        shown = {
            record: (one["version"], one["stage"]) for record, one in hub.book(target.id).items()
        }
        assert shown == told, target.id
        assert len(shown) > ENOUGH, target.id
    book = hub.folder / "drop.sqlite"
    series = file_receiver.numbers(book)
    assert len(series) > 2
    assert all(numbers == list(range(1, len(numbers) + 1)) for numbers in series.values())
    assert file_receiver.undeclared(book) == 0
