"""The demo's parts that must not flatter the hub, and must not touch what is not theirs."""

from collections import Counter
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from demo.account import OutcomeTally
from demo.checks import Check, conservation, say
from demo.play import Postman, pace_at
from demo.schedule import DemoSchedule, DroppedFile, read_schedule
from demo.stage import choose_settings, clear, only_demo
from hub.errors import UnavailableError

EARLIER = DroppedFile("transport/licences/20260914T0908-licences.csv", "transport", 100, 32)


def begin(folder: Path, file: DroppedFile) -> None:
    """Write the manifest as a connector does when it begins a file."""
    inbox, relative = file.path.split("/", 1)
    sources = folder / "results" / inbox / ".sources"
    sources.mkdir(parents=True, exist_ok=True)
    name = sha256(relative.encode()).hexdigest()[:16]
    (sources / f"{name}.json").write_text("{}", encoding="utf-8")


def test_a_file_is_dropped_at_its_time_and_after_the_one_before_it_was_begun(
    tmp_path: Path,
) -> None:
    """However fast the clock runs, a department's files are read in the order they came in."""
    second = EARLIER._replace(path="transport/licences/20260915T0943-licences.csv", drop_at=150)
    postman = Postman(tmp_path, DemoSchedule((EARLIER, second), 0, 1000))
    postman.drop_due(99)
    seen = [(postman.dropped, postman.is_done)]
    postman.drop_due(500)
    seen.append((postman.dropped, postman.is_done))
    begin(tmp_path, EARLIER)
    postman.drop_due(500)
    seen.append((postman.dropped, postman.is_done))
    begin(tmp_path, second)
    seen.append((postman.dropped, postman.is_done))
    assert seen == [(0, False), (1, False), (2, False), (2, True)]
    assert (tmp_path / "inbox" / second.path).exists()
    assert postman.rows == 64


def test_the_first_days_alone_are_a_part_of_the_four_weeks() -> None:
    """`--days 2` plays what the whole schedule has in its first two days."""
    whole, part = read_schedule(28), read_schedule(2)
    assert part.files == whole.files[: len(part.files)]
    assert 0 < len(part.files) < len(whole.files)
    assert part.ends_at - part.opens_at == 41 * 3_600_000


def test_a_sum_that_does_not_add_up_is_said_loudly() -> None:
    """One submission without an outcome: the department is named, the check does not hold."""
    account = SimpleNamespace(
        departments=("transport",),
        read=Counter(transport=3),
        outcomes={"transport": Counter(accepted=2)},
    )
    check = conservation(cast("OutcomeTally", account))
    assert not check.holds
    assert check.differences == ("transport: 3 ≠ 2",)
    text = "\n".join(say(check))
    assert "✗" in text
    assert "transport: 3 ≠ 2" in text


def test_a_check_that_holds_says_so_in_one_line() -> None:
    """A mark, the title, what was compared."""
    assert say(Check("标题 title", "3 条")) == ["  ✓ 标题 title（3 条）"]


def test_somebody_elses_state_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka data that no demo made: the demo takes a folder of its own inside."""
    monkeypatch.setenv("HUB_STATE", str(tmp_path))
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "")
    (tmp_path / "kafka").mkdir()
    assert choose_settings().state_folder == tmp_path / "demo-state"


def test_its_own_state_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier demo left is removed, and the folder is used again."""
    monkeypatch.setenv("HUB_STATE", str(tmp_path))
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "")
    settings = choose_settings()
    clear(settings)
    (tmp_path / "kafka").mkdir()
    again = choose_settings()
    assert again.state_folder == tmp_path
    clear(again)
    assert not (tmp_path / "kafka").exists()


def test_one_demo_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second terminal is told to wait, and harms nothing."""
    monkeypatch.setenv("HUB_STATE", str(tmp_path))
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "")
    settings = choose_settings()
    with (
        only_demo(settings),
        pytest.raises(UnavailableError, match="HUB_STATE"),
        only_demo(settings),
    ):
        raise AssertionError


def test_the_clock_slows_step_by_step_as_work_piles_up() -> None:
    """Free, slow, slower still; each pace is left only when much of the pile is gone."""
    seen, pace = [], 0
    for backlog in (250, 251, 1_500, 1_501, 9_000, 601, 600, 81, 80, 0):
        pace = pace_at(pace, backlog)
        seen.append(pace)
    assert seen == [0, 1, 1, 2, 2, 2, 1, 1, 0, 0]
