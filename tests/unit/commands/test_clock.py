"""`hub clock confirm`: what a person is shown, what is written, what is refused."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from hub.adapters.clock_witness import CONFIRMATIONS, SEEN, last_confirmation
from hub.adapters.clocks import real_ms
from hub.cli import EXIT_REFUSED, hub
from hub.config.repository import DEPLOY

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

WORDS = ("--by", "李工", "--reason", "对照授时中心")


class RegistrarMachine:
    """A machine on which a registrar of the county has run."""

    def __init__(self, folder: Path) -> None:
        self.site = folder / "site"
        shutil.copytree(DEPLOY / "sites/county", self.site)
        self.state = folder / "state"
        self.home = self.state / "workers/county"
        worker = self.home / "registrar.0"
        worker.mkdir(parents=True)
        (worker / SEEN).write_text("1793581200000\n", encoding="ascii")

    def confirm(self, *words: str, said: str | None = None) -> Result:
        """Run the command; `said` is what the person answers."""
        return CliRunner(env={"HUB_STATE": str(self.state)}).invoke(
            hub, ["clock", "confirm", "--site", str(self.site), *words], input=said
        )


@pytest.fixture
def place(tmp_path: Path) -> RegistrarMachine:
    """No Kafka anywhere."""
    return RegistrarMachine(tmp_path)


def test_a_person_who_has_looked_confirms_what_the_clock_shows(place: RegistrarMachine) -> None:
    """The time now and the time last written are shown before the question."""
    before = real_ms()
    result = place.confirm(*WORDS, said="y\n")
    assert result.exit_code == 0, result.output
    assert "2026-11-02 09:00:00+08:00" in result.output
    confirmed = last_confirmation(place.home / CONFIRMATIONS)
    assert confirmed is not None
    assert before <= confirmed.confirmed_ms <= real_ms()
    assert (confirmed.by, confirmed.reason) == ("李工", "对照授时中心")


def test_who_says_no_confirms_nothing(place: RegistrarMachine) -> None:
    """Return alone is no, too."""
    for said in ("n\n", "\n"):
        assert place.confirm(*WORDS, said=said).exit_code == 1
    assert not (place.home / CONFIRMATIONS).exists()


def test_a_script_is_not_asked(place: RegistrarMachine) -> None:
    """With `--yes`."""
    assert place.confirm(*WORDS, "--yes").exit_code == 0
    assert (place.home / CONFIRMATIONS).exists()


@pytest.mark.parametrize(
    "words",
    [("--by", " ", "--reason", "对照授时中心"), ("--by", "李工", "--reason", "")],
)
def test_nobody_and_no_reason_are_refused(place: RegistrarMachine, words: tuple[str, ...]) -> None:
    """An audit asks for both."""
    result = place.confirm(*words, "--yes")
    assert result.exit_code == EXIT_REFUSED
    assert "is empty" in result.stderr
    assert not (place.home / CONFIRMATIONS).exists()


def test_on_another_machine_it_is_refused(place: RegistrarMachine) -> None:
    """The registrar would never find it."""
    shutil.rmtree(place.state)
    result = place.confirm(*WORDS, "--yes")
    assert result.exit_code == EXIT_REFUSED
    assert "run this on the registrar's machine" in result.stderr
