"""The case agents die by SIGKILL: the ledger shows each of their facts once.

`HUB_FAULTS=all ./run test tests/faults/test_killed_agents.py` kills ten times in one run (two
minutes); otherwise two of the ten are drawn by `HUB_FAULTS_SEED`, or by the day.
"""

import datetime as dt
import os
import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from hub.agents.loop import SESSION_SECONDS
from hub.core.record import Outcome
from tests.conftest import KafkaPart
from tests.driver.rows import CONTRACTS, at
from tests.faults.agents_place import DUE, MADE, AgentsPlace, commitment_row

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

COMMITMENTS, LICENCES = 20, 5
UNPERFORMED = COMMITMENTS - COMMITMENTS // 5
OVERDUE = 2 * 3
"""No platform takes anything here: licences are not disclosed and performances are not shown in
time, by two departments; each is told of to three levels."""
SAMPLE = 2
KILLS: dict[str, tuple[str, ...]] = {
    "2026-11-12 10:00": ("in_restore", "after_consume"),
    "2026-11-16 10:00": ("before_flush", "mid_produce", "after_commit"),
    "2026-11-20 10:00": ("before_flush", "mid_produce"),
    "2026-11-21 10:00": ("mid_produce", "after_commit", "in_restore"),
}
"""Business time -> the hooks at which the agents die then: the licences have become overdue; all
levels are told of them and everybody is reminded; reminded again; the last day has passed."""


def _chosen() -> set[int]:
    """Return the numbers of the kills to carry out, from 0."""
    count = sum(map(len, KILLS.values()))
    if os.environ.get("HUB_FAULTS") == "all":
        return set(range(count))
    seed = os.environ.get("HUB_FAULTS_SEED") or dt.datetime.now(dt.UTC).date().toordinal()
    return set(random.Random(int(seed)).sample(range(count), SAMPLE))


@pytest.fixture
def place(tmp_path: Path, kafka: KafkaPart, prefix: str) -> AgentsPlace:
    """Return a site on which everything was submitted."""
    made = AgentsPlace(tmp_path, kafka, prefix)
    made.submit_everything(COMMITMENTS, LICENCES)
    return made


def expected_after(moment: str) -> int:
    """Return how many facts the ledger must show then, counted by hand."""
    reminded = UNPERFORMED + OVERDUE  # once for each commitment, and what is overdue
    return {
        "2026-11-12 10:00": 0,
        "2026-11-16 10:00": reminded,
        "2026-11-20 10:00": reminded + UNPERFORMED,
        "2026-11-21 10:00": reminded + 2 * UNPERFORMED,
    }[moment]


def test_killed_again_and_again_the_ledger_shows_each_fact_once(place: AgentsPlace) -> None:
    """Repeats are duplicates; nothing is missing and nothing is stated that is not so.

    While the agents are killed the registrar stands still, so that nobody has answered yet when
    they start again: what they submitted before is submitted once more.
    """
    chosen, number, killed = _chosen(), 0, 0
    try:
        place.start("registrar")
        place.start("notices")
        told = COMMITMENTS + COMMITMENTS // 5 + LICENCES
        place.wait_until(lambda: len(place.notices()) >= told, "not told")
        place.start("cases")
        place.wait_until(lambda: place.group_lag() == 0, "Faust reads nothing")
        for moment, hooks in KILLS.items():
            if moment != next(iter(KILLS)):
                place.hold("registrar", held=True)
            place.put_clock(at(moment))
            for hook in hooks:
                if number in chosen:
                    place.kill("cases")
                    place.start("cases", f"{hook}:kill:1")
                    if hook == "after_consume":  # something new, read after the start
                        place.submit("housing", MADE, commitment_row(90, commitment_valid_to=""))
                    killed += place.wait_for_death("cases")
                    place.start("cases")
                number += 1
            place.hold("registrar", held=False)
            wanted = expected_after(moment)
            place.wait_until(
                lambda wanted=wanted: sum(place.facts().values()) >= wanted,  # type: ignore[misc]
                f"{moment}: facts are missing",
            )
    finally:
        place.close()
    assert killed == len(chosen)
    _judge(place)


def _judge(place: AgentsPlace) -> None:
    """Compare the ledger's facts with what is so."""
    facts = place.facts()
    assert set(facts.values()) == {1}
    assert Counter(kind for kind, _ in facts) == {
        "commitment.performance_missing.v1": UNPERFORMED,
        "reminder.issued.v1": 2 * UNPERFORMED + OVERDUE,
    }
    outcomes = Counter(r.outcome for r in place.ledger() if r.department == "cases")
    assert set(outcomes) <= {Outcome.ACCEPTED, Outcome.DUPLICATE}
    performed = {f"33090220261102{n:06}" for n in range(0, COMMITMENTS, 5)}
    missing, levels = set(), Counter[str]()
    for record in place.ledger():
        if record.department == "cases" and record.outcome is Outcome.ACCEPTED:
            decoded = CONTRACTS.by_kind[record.kind].decode(record.cause.value)
            row = {name: str(value) for name, value in decoded.items()}
            if "commitment_code" in row:
                missing.add(row["commitment_code"])
                assert row["due_on"] == DUE
            elif row["reason_class"] == "overdue":
                levels[f"{row['recipient']} {row['level']} {row['record_count']}"] += 1
    every = {f"33090220261102{n:06}" for n in range(COMMITMENTS)}
    assert missing == every - performed
    late = {"market": LICENCES, "housing": COMMITMENTS // 5}
    assert levels == {
        f"{recipient} {level} {count}": 1
        for department, count in late.items()
        for level, recipient in enumerate((department, department, "centre"), 1)
    }


def test_killed_the_agents_are_back_within_their_session_time_out(
    place: AgentsPlace, request: pytest.FixtureRequest
) -> None:
    """A static member takes its own place again: Faust reads on before the broker missed it.

    Measured from the start of the process until Faust's group has committed what came meanwhile.
    """
    try:
        place.start("registrar")
        place.start("notices")
        place.start("cases")
        place.wait_until(lambda: place.notices() != [] and place.group_lag() == 0, "reads nothing")
        place.kill("cases")
        missed = commitment_row(70)
        place.submit("housing", MADE, missed)
        place.wait_until(
            lambda: any(each.document == missed["commitment_code"] for each in place.notices()),
            "not told",
        )
        place.start("cases")
        seconds = place.wait_until(lambda: place.group_lag() == 0, "reads nothing")
    finally:
        place.close()
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    if capture is not None:
        with capture.global_and_fixture_disabled():
            limit = f"time-out {SESSION_SECONDS:.0f} s"
            sys.stdout.write(f"\nback after SIGKILL: {seconds:.1f} s; {limit}\n")
    assert seconds < SESSION_SECONDS
