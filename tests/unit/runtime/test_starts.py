"""A worker that dies each time it is started is known for it in its next life."""

from pathlib import Path

import pytest

from hub.runtime.metrics import REPEATS, Health
from hub.runtime.starts import forget_starts, note_start


def started(folder: Path, at: float) -> Health:
    """What a new process knows, at a time by the wall clock and another by its own."""
    health = Health("receipts", seconds=lambda: 7.0)
    note_start(health, folder, lambda: at)
    return health


def test_five_starts_in_a_minute_are_a_worker_that_repeats_itself(tmp_path: Path) -> None:
    """Each in a process of its own; one that stays up for long is well again."""
    folder = tmp_path / "state" / "receipts"
    assert [started(folder, 1000.0 + 12 * n).is_healthy for n in range(6)] == [
        *[True] * 4,
        *[False] * 2,
    ]
    assert started(folder, 1100.0).is_healthy


def test_one_that_was_asked_to_end_begins_anew(tmp_path: Path) -> None:
    """An operator may start it as often as they like."""
    for n in range(2 * REPEATS):
        assert started(tmp_path, 1000.0 + n).is_healthy
        forget_starts(tmp_path)


@pytest.mark.parametrize(
    "found",
    [
        "",
        "{",
        "7",
        '["a"]',
        "[null]",
        '{"a": 1}',
        "[1e400]",
        "[NaN]",
        f"[1{'0' * 400}]",
        "[" * 200_000,
    ],
)
def test_what_cannot_be_read_counts_for_nothing(tmp_path: Path, found: str) -> None:
    """The worker starts all the same."""
    (tmp_path / "starts.json").write_text(found, "utf-8")
    assert [started(tmp_path, 1000.0 + n).is_healthy for n in range(6)] == [
        *[True] * 4,
        *[False] * 2,
    ]


def test_starts_behind_a_link_are_none(tmp_path: Path) -> None:
    """Another's file is neither read nor written."""
    other = tmp_path / "other.json"
    other.write_text("[1000, 1001, 1002, 1003, 1004]", "utf-8")
    (tmp_path / "receipts").mkdir()
    (tmp_path / "receipts" / "starts.json").symlink_to(other)
    assert started(tmp_path / "receipts", 1005.0).is_healthy
    assert other.read_text("utf-8") == "[1000, 1001, 1002, 1003, 1004]"


def test_a_start_to_come_is_none(tmp_path: Path) -> None:
    """The clock was set back, or was wrong."""
    assert all(started(tmp_path, 9000.0 - n).is_healthy for n in range(2 * REPEATS))


def test_a_folder_nobody_may_write_ends_no_worker(tmp_path: Path) -> None:
    """Its own lease says so, with a remedy."""
    (tmp_path / "file").write_text("", "utf-8")
    assert started(tmp_path / "file" / "receipts", 1.0).is_healthy
    forget_starts(tmp_path / "file" / "receipts")
