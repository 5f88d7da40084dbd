"""A folder behind the courier's `Platform`: nothing waits, and a hang is an unknown."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub.adapters.lease import FolderLease
from hub.errors import FencedError, UnavailableError
from hub.targets.delivery import Expected, NeverSeen, Retry, Unknown
from hub.targets.file.book import FileBook
from hub.targets.file.client import FilePlatform
from hub.targets.file.drop import DropNews, DropSettings, FileWork
from hub.targets.file.folder import DropFolder
from hub.targets.file.layout import Heading
from hub.targets.file.protocol import (
    Answered,
    Filed,
    FileProtocol,
    Filing,
    Question,
    Unfiled,
    WriteFailed,
)
from hub.targets.platform import CallResult, How, Platform
from standins.file_receiver import Receiver
from standins.platform_book import Book, ClockFile
from tests.unit.targets.test_file_drop import KillSwitch, licence

SPEAK = FileProtocol()


class Harbour:
    """A folder, its platform adapter and what it reported."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reports: list[DropNews] = []
        self.hold = threading.Event()
        self.hold.set()

    def make_folders(self) -> None:
        """Mount the drop folder."""
        for name in ("out", "ack"):
            (self.folder / "drop" / name).mkdir(parents=True)

    def open(self, *, timeout: float = 20.0, linger: float = 0.0, state: str = "a") -> FilePlatform:
        """Start the adapter."""
        faults = KillSwitch()
        book = FileBook(self.folder / f"{state}.sqlite")
        settings = DropSettings(
            "xml", Heading("舟山", "国家"), {"market": "0015"}, {"licence.granted.v1": "01"}, 50, 60
        )
        work = FileWork(
            DropFolder(self.folder / "drop", faults), book, settings, faults, self.day, time.time
        )
        lease = FolderLease(self.folder / "drop" / "out" / ".hub")
        return FilePlatform(work, lease, timeout, linger, self.report, book.close)

    def day(self) -> str:
        """The business day; hangs while told to, as a network folder does."""
        self.hold.wait(20)
        return "20261103"

    def report(self, news: DropNews) -> None:
        """Keep what is reported."""
        self.reports.append(news)


@pytest.fixture
def harbour(tmp_path: Path) -> Harbour:
    """A harbour whose folder is mounted."""
    made = Harbour(tmp_path)
    made.make_folders()
    return made


@pytest.fixture
def platform(harbour: Harbour) -> Iterator[FilePlatform]:
    """A running adapter."""
    made = harbour.open(linger=0.2)
    yield made
    made.close()


def land(platform: Platform[Filing | Question], count: int) -> list[CallResult]:
    """Collect until so many calls have ended."""
    found: list[CallResult] = []
    wait_until(lambda: len(_more(found, platform)) >= count)
    assert len(found) == count
    return found


def _more(found: list[CallResult], platform: Platform[Filing | Question]) -> list[CallResult]:
    found += platform.poll()
    return found


def wait_until(is_true: Callable[[], bool]) -> None:
    """Look again and again for half a minute."""
    until = time.monotonic() + 30
    while not is_true():
        assert time.monotonic() < until
        time.sleep(0.01)


def filing(number: int) -> tuple[How, Filing]:
    """Return one call."""
    call = SPEAK.delivery_request(licence(number))
    assert isinstance(call, Filing)
    return "send", call


def test_every_call_ends_once_and_calls_close_together_share_a_file(
    harbour: Harbour, platform: FilePlatform
) -> None:
    """Two launches within the lingering time are one file; a question finds it there."""
    platform.submit([filing(1), filing(2)])
    platform.submit([filing(3)])
    landed = land(platform, 3)
    assert {one.delivery for one in landed} == {licence(n).delivery for n in (1, 2, 3)}
    assert {one.reply for one in landed} == {Filed("001501_20261103_00001.xml")}
    platform.submit([("ask", Question(licence(2).delivery)), ("ask", Question("00" * 16))])
    assert {one.reply for one in land(platform, 2)} == {
        Filed("001501_20261103_00001.xml"), Unfiled(),
    }  # fmt: skip
    wait_until(lambda: any(news.results.get("written") == 1 for news in harbour.reports))


def test_what_the_platform_says_is_told_unasked(harbour: Harbour, platform: FilePlatform) -> None:
    """An acknowledgement file is read without anybody polling."""
    clock = harbour.folder / "clock.json"
    clock.write_text('{"origin_real_ms":0,"origin_business_ms":1793600000000,"factor":0}')
    book = Book(harbour.folder / "platform.sqlite", "nation")
    platform.submit([filing(1)])
    land(platform, 1)
    Receiver(harbour.folder / "drop", book, ClockFile(clock), None).step()
    (told,) = land(platform, 1)
    assert told.how == "answer"
    assert isinstance(told.reply, Answered)
    book.close()


def test_a_folder_that_hangs_is_an_unknown_and_holds_nobody_up(harbour: Harbour) -> None:
    """The time-out ends the call; what happens later is found out by asking."""
    platform = harbour.open(timeout=0.3)
    harbour.hold.clear()
    begun = time.monotonic()
    platform.submit([filing(1)])
    assert platform.poll() == []
    assert time.monotonic() - begun < 0.2
    (late,) = land(platform, 1)
    expected = Expected(late.delivery, "", 1, 1, "publish", "", "")
    assert isinstance(SPEAK.interpret_response(late.reply, expected), Unknown)
    harbour.hold.set()
    wait_until((harbour.folder / "drop/out/001501_20261103_00001.xml").exists)
    assert platform.poll() == []
    platform.submit([("ask", Question(late.delivery))])
    (asked,) = land(platform, 1)
    assert isinstance(asked.reply, Filed)
    platform.close()


def test_what_was_abandoned_is_neither_written_nor_told(harbour: Harbour) -> None:
    """The courier begins anew: its book will say what is still to be done."""
    platform = harbour.open(linger=0.5)
    platform.submit([filing(1)])
    platform.cancel_all()
    platform.submit([filing(2)])
    (landed,) = land(platform, 1)
    assert landed.delivery == licence(2).delivery
    platform.submit([("ask", Question(licence(1).delivery))])
    (asked,) = land(platform, 1)
    assert (
        SPEAK.interpret_status(asked.reply, Expected("", "", 1, 1, "publish", "", ""))
        == NeverSeen()
    )
    platform.close()


def test_an_unmounted_folder_is_away_and_never_made(tmp_path: Path) -> None:
    """Nothing is written below the mount point; it goes on when the folder is there."""
    harbour = Harbour(tmp_path)
    platform = harbour.open()
    platform.submit([filing(1)])
    (landed,) = land(platform, 1)
    assert isinstance(landed.reply, WriteFailed)
    verdict = SPEAK.interpret_response(landed.reply, Expected("", "", 1, 1, "publish", "", ""))
    assert isinstance(verdict, Retry)
    assert verdict.is_whole_target
    assert not (tmp_path / "drop").exists()
    wait_until(lambda: any(news.problems.get("folder_away") for news in harbour.reports))
    harbour.make_folders()
    platform.submit([filing(1)])
    (landed,) = land(platform, 1)
    assert isinstance(landed.reply, Filed)
    platform.close()


def test_a_second_courier_of_the_folder_ends(harbour: Harbour, platform: FilePlatform) -> None:
    """Two writers would give one number twice."""
    platform.submit([filing(1)])
    land(platform, 1)
    second = harbour.open(state="b")
    with pytest.raises(FencedError):
        land(second, 1)
    second.close()


def test_a_book_that_cannot_be_written_ends_the_courier(
    harbour: Harbour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its book a number could be used twice: loudly, and nothing lies in the folder."""
    platform = harbour.open()

    def fail(*_: object) -> None:
        message = "disk full"
        raise UnavailableError(message)

    monkeypatch.setattr(FileBook, "add", fail)
    platform.submit([filing(1)])
    with pytest.raises(UnavailableError):
        land(platform, 1)
    platform.close()
    assert [one.name for one in (harbour.folder / "drop/out").glob("0*")] == []
