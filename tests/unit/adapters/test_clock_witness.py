"""What a machine remembers of the time, and a person's confirmation."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

from hub.adapters.clock_witness import (
    CONFIRMATIONS,
    SEEN,
    Confirmation,
    FolderWitness,
    confirm,
    last_confirmation,
    last_seen,
    last_seen_by_any,
)
from hub.adapters.clocks import FileBusinessClock, RealBusinessClock, real_ms
from hub.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

MINUTE = 60.0


class StateFolder:
    """A worker's state folder, and time a test moves by hand."""

    def __init__(self, folder: Path) -> None:
        self.site = folder / "county"
        self.folder = self.site / "registrar.0"
        self.folder.mkdir(parents=True)
        self.wall, self.passed = 1_000_000, 0.0

    def witness(self, clock: FileBusinessClock | None = None) -> FolderWitness:
        """As a new process has it."""
        chosen = clock or RealBusinessClock()
        return FolderWitness(self.folder, chosen, lambda: self.wall, lambda: self.passed)


@pytest.fixture
def place(tmp_path: Path) -> StateFolder:
    """A machine that remembers nothing yet."""
    return StateFolder(tmp_path)


def clock_file(folder: Path, origin: int, factor: float) -> FileBusinessClock:
    """A business clock from a file."""
    path = folder / "business-clock.json"
    content = {"origin_real_ms": origin, "origin_business_ms": 5, "factor": factor}
    path.write_text(json.dumps(content), encoding="utf-8")
    return FileBusinessClock(path)


def test_the_time_is_written_down_once_a_minute_for_the_next_start(place: StateFolder) -> None:
    """A disk is not asked every turn."""
    witness = place.witness()
    assert witness.evidence().written == 0
    for place.passed, place.wall in ((0.0, 1_000_000), (MINUTE - 1, 1_059_000)):
        witness.note()
        assert place.witness().evidence().written == 1_000_000
    place.passed, place.wall = MINUTE, 1_060_000
    witness.note()
    assert place.witness().evidence().written == 1_060_000
    assert [path.name for path in place.folder.iterdir()] == [SEEN]


def test_what_was_written_down_never_goes_back(place: StateFolder) -> None:
    """A machine that starts in 1970 must not wipe out that it was in 2026 before."""
    place.witness().note()
    place.wall = 7
    place.witness().note()
    assert last_seen(place.folder / SEEN) == 1_000_000


def test_a_damaged_file_says_nothing_and_is_made_anew(place: StateFolder) -> None:
    """A power cut is the very moment after which a clock is wrong."""
    (place.folder / SEEN).write_text("", encoding="ascii")
    assert place.witness().evidence().written == 0
    place.witness().note()
    assert last_seen(place.folder / SEEN) == 1_000_000


def test_a_disk_that_refuses_is_told_and_ends_nothing(
    place: StateFolder, caplog: pytest.LogCaptureFixture
) -> None:
    """The ledger bears witness, too."""
    (place.folder / SEEN).mkdir()
    place.witness().note()
    assert [record.message for record in caplog.records] == ["the time cannot be written down"]


def test_a_confirmation_is_found_by_every_worker_of_the_machine_and_told_once(
    place: StateFolder, caplog: pytest.LogCaptureFixture
) -> None:
    """The last one counts, all stay, and who said so is in the log."""
    witness = place.witness()
    assert confirm(place.site, Confirmation(2_000_000, "李工", "对照授时")) == (
        place.site / CONFIRMATIONS
    )
    confirm(place.site, Confirmation(1_500_000, "王工", "改正"))
    with caplog.at_level(logging.WARNING):
        assert [witness.evidence().written for _ in range(2)] == [1_500_000] * 2
    assert [record.__dict__["reason"] for record in caplog.records] == ["王工: 改正"]
    assert "李工" in (place.site / CONFIRMATIONS).read_text(encoding="utf-8")


def test_the_latest_of_all_counts(place: StateFolder, caplog: pytest.LogCaptureFixture) -> None:
    """An old confirmation takes nothing away from what was seen since, and is no news."""
    confirm(place.site, Confirmation(999_999, "李工", "对照授时"))
    place.witness().note()
    assert place.witness().evidence().written == 1_000_000
    assert caplog.records == []


@pytest.mark.parametrize("torn", ['{"confirmed_ms": 9', "{}", "[1]", '{"confirmed_ms": "x"}', "7"])
def test_a_torn_line_confirms_nothing(place: StateFolder, torn: str) -> None:
    """The one before it still does; one written after it stands on a line of its own."""
    file = confirm(place.site, Confirmation(5, "李工", "对照授时"))
    with file.open("a", encoding="utf-8") as stored:
        stored.write(torn)
    assert last_confirmation(file) == Confirmation(5, "李工", "对照授时")
    confirm(place.site, Confirmation(6, "李工", "对照授时"))
    assert last_confirmation(file) == Confirmation(6, "李工", "对照授时")


def test_where_no_worker_ever_ran_nothing_is_confirmed(tmp_path: Path) -> None:
    """Another HUB_STATE, another machine: the registrar would never find it."""
    with pytest.raises(ConfigurationError, match="no worker of this site"):
        confirm(tmp_path / "county", Confirmation(5, "李工", "对照授时"))
    assert list(tmp_path.iterdir()) == []


def test_a_confirmation_that_cannot_be_read_is_told(
    place: StateFolder, caplog: pytest.LogCaptureFixture
) -> None:
    """A person waits for it to be believed."""
    (place.site / CONFIRMATIONS).mkdir()
    assert place.witness().evidence().written == 0
    assert "the confirmations cannot be read" in caplog.text
    with pytest.raises(ConfigurationError, match="cannot be written"):
        confirm(place.site, Confirmation(5, "李工", "对照授时"))


def test_nothing_behind_a_link_is_believed_or_written_to(
    place: StateFolder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Who may write to a state folder does not reach files elsewhere by the hub's rights."""
    other = tmp_path / "other"
    other.write_text('{"confirmed_ms": 9000000, "by": "x", "reason": "y"}\n', encoding="utf-8")
    (place.site / CONFIRMATIONS).symlink_to(other)
    assert place.witness().evidence().written == 0
    assert "the confirmations cannot be read" in caplog.text
    with pytest.raises(ConfigurationError, match="cannot be written"):
        confirm(place.site, Confirmation(5, "李工", "对照授时"))
    assert other.read_text(encoding="utf-8").count("\n") == 1
    other.write_text("2000000", encoding="ascii")
    (place.folder / SEEN).symlink_to(other)
    (place.site / "courier").symlink_to(tmp_path)
    (tmp_path / SEEN).write_text("3000000", encoding="ascii")
    assert last_seen(place.folder / SEEN) == 0
    assert last_seen_by_any(place.site) == 0


def test_the_last_of_many_confirmations_is_found(place: StateFolder) -> None:
    """None is ever taken away; the end of the file is read."""
    file = place.site / CONFIRMATIONS
    earlier = json.dumps(Confirmation(4, "李工", "对照授时")._asdict())
    file.write_text(f"{earlier}\n" * 2_000, encoding="utf-8")
    confirm(place.site, Confirmation(5, "王工", "改正"))
    assert last_confirmation(file) == Confirmation(5, "王工", "改正")
    assert len(file.read_text(encoding="utf-8").splitlines()) == 2_002


def test_a_real_clock_is_business_time(place: StateFolder) -> None:
    """The ledger's times are its own."""
    before = real_ms()
    evidence = place.witness().evidence()
    assert evidence.is_business
    assert before <= evidence.shown <= real_ms()


def test_an_accelerated_clock_is_judged_by_its_origin(place: StateFolder) -> None:
    """The real time of its file; what the machine remembers is real, too."""
    evidence = place.witness(clock_file(place.site, 900_000, 3600)).evidence()
    assert (evidence.written, evidence.is_business) == (900_000, False)
    assert evidence.shown >= real_ms() - 60_000
    place.witness().note()
    assert place.witness(clock_file(place.site, 900_000, 3600)).evidence().written == 1_000_000


def test_a_scripted_clock_stands_still_whatever_the_machine_shows(place: StateFolder) -> None:
    """It is an order, and there is nothing to confirm."""
    evidence = place.witness(clock_file(place.site, 900_000, 0)).evidence()
    assert evidence.shown == evidence.written == 900_000
