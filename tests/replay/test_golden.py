"""What a release has decided is decided alike by every later one."""

import json
from pathlib import Path

import pytest

from hub.core.record import Outcome
from tests.replay.golden import (
    SUMMARY_FILE,
    TOPICS_FILE,
    read_golden,
    record_scenario,
    releases,
    summary_of,
    write_golden,
)
from tests.replay.tampering import replay, verify


@pytest.mark.parametrize("release", releases(), ids=lambda path: path.name)
def test_a_released_ledger_replays_to_equal_bytes(release: Path) -> None:
    """Other behaviour under the same decider version would rewrite history."""
    hub = read_golden(release)
    assert summary_of(hub) == json.loads((release / SUMMARY_FILE).read_text("utf-8"))
    report = replay(hub)
    assert [finding.text() for finding in report.differences.kept] == []
    assert report.declared == ()
    assert sum(p.replayed for p in report.partitions) == sum(
        len(hub.raw_ledger(p)) for p in range(hub.partitions)
    )
    assert [finding.text() for finding in verify(hub).differences.kept] == []


def test_the_release_in_work_is_recorded_with_every_outcome() -> None:
    """A golden ledger that lacks an outcome would not guard it.

    A recording holds every topic from its first record: of inputs that were deleted it cannot.
    """
    newest = json.loads((releases()[-1] / SUMMARY_FILE).read_text("utf-8"))
    outcomes = set(Outcome) - {Outcome.INPUT_LOST}
    assert newest["outcomes"].keys() == {outcome.name.lower() for outcome in outcomes}


def test_recording_is_one_command_and_gives_the_same_files(tmp_path: Path) -> None:
    """Nothing of a clock, a random number or a machine is in a recording."""
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        write_golden(record_scenario(), folder)
    for file in (TOPICS_FILE, SUMMARY_FILE):
        assert (folders[0] / file).read_bytes() == (folders[1] / file).read_bytes()
    assert summary_of(read_golden(folders[0])) == summary_of(record_scenario())
