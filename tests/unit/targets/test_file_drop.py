"""A drop folder and a platform that lives in it: numbers, repairs, and nothing believed too early.

Real files, the stand-in platform in this process, clocks in hand.
"""

from __future__ import annotations

import errno
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from hub.config.repository import ROOT
from hub.errors import IntegrityError, UnavailableError
from hub.io.paths import OpenFolder
from hub.targets.delivery import Action, Delivery, delivery_id, digest_of
from hub.targets.file import drop as file_drop
from hub.targets.file import folder as drop_folder
from hub.targets.file.book import FileBook
from hub.targets.file.drop import PROBLEMS, REMEMBERED_SECONDS, DropSettings, FileWork
from hub.targets.file.folder import DropFolder
from hub.targets.file.layout import Heading, Layout
from hub.targets.file.protocol import Answered, Filed, Reply, Unfiled, Unsure, WriteFailed
from standins.file_receiver import Receiver
from standins.platform_book import Book, ClockFile, dump

PATIENCE = 60.0


class ProcessGone(BaseException):
    """The process is gone."""


class KillSwitch:
    """Dies at a named place."""

    def __init__(self) -> None:
        self.hook = ""

    def reached(self, hook: str) -> None:
        """End here when told to."""
        if hook == self.hook:
            self.hook = ""
            raise ProcessGone


class DropPlace:
    """A folder, a courier's work on it, a platform."""

    def __init__(self, folder: Path, layout: Layout = "xml") -> None:
        self.folder, self.layout = folder, layout
        self.out, self.ack = folder / "out", folder / "ack"
        self.out.mkdir()
        self.ack.mkdir()
        self.faults = KillSwitch()
        self.now, self.day = 1_000_000.0, "20261103"
        self.clock = folder / "clock.json"
        self.set_platform_clock(1_793_600_000_000)
        self.book = Book(folder / "platform.sqlite", "nation")
        self.receiver = Receiver(folder, self.book, ClockFile(self.clock), folder / "control.json")
        self.files: FileBook | None = None
        self.start()

    def set_platform_clock(self, at: int) -> None:
        """Set the platform's own time."""
        told = {"origin_real_ms": 0, "origin_business_ms": at, "factor": 0}
        self.clock.write_text(json.dumps(told), encoding="utf-8")

    def start(self, *, lose_book: bool = False) -> None:
        """Begin again, as after a kill."""
        if self.files is not None:
            self.files.close()
        if lose_book:
            for path in self.folder.glob("files.sqlite*"):
                path.unlink()
        self.files = FileBook(self.folder / "files.sqlite")
        settings = DropSettings(
            self.layout, Heading("舟山", "国家"), {"market": "0015"},
            {
                "licence.granted.v1": "01", "commitment.made.v1": "05",
                "commitment.performed.v1": "05",
            }, 3, PATIENCE,
        )  # fmt: skip
        self.work = FileWork(
            DropFolder(self.folder, self.faults), self.files, settings, self.faults,
            lambda: self.day, lambda: self.now,
        )  # fmt: skip
        self.work.start()
        self.work.take_news()

    def platform(self, **orders: object) -> None:
        """Let the platform look once, under new orders if given."""
        if orders:
            path = self.folder / "control.json"
            path.write_text(json.dumps(orders), encoding="utf-8")
            stamp = path.stat().st_mtime_ns + 1_000_000
            os.utime(path, ns=(stamp, stamp))
        self.receiver.step()

    def look(self) -> dict[str, Reply]:
        """Read acknowledgements and mend; return the news."""
        news = dict(self.work.look())
        self.work.mend()
        return news

    def names(self) -> list[str]:
        """The data files that count, in order."""
        manifests = self.out.glob("*.manifest.json")
        return sorted(path.name.removesuffix(".manifest.json") for path in manifests)

    def problems(self) -> dict[str, int]:
        """The problems noticed since the last call."""
        return {label: n for label, n in self.work.take_news().problems.items() if n}

    def acknowledge(self, name: str, **changes: object) -> None:
        """Write an acknowledgement by hand."""
        digest = json.loads((self.out / f"{name}.manifest.json").read_bytes())["sha256"]
        told = {
            "file": name, "sha256": digest, "status": "taken", "at": "2026-11-03T10:00:00+08:00",
            "last": name, "missing": [], "rows": [],
        }  # fmt: skip
        number = len(list(self.ack.iterdir())) + 1
        path = self.ack / f"{name}.{number}.ack.json"
        path.write_text(json.dumps(told | changes), encoding="utf-8")


def licence(number: int, *, version: int = 1, action: Action = "publish", **more: str) -> Delivery:
    """One row on its way."""
    fields = {
        "XK_XDR_MC": "舟山示例贸易有限公司", "XK_XDR_SHXYM": "91330900MA00000156",
        "XK_WSH": f"舟市监许〔2026〕{number}号", "XK_JDRQ": "2026-11-02", "XK_NR": f"v{version}",
    }  # fmt: skip
    fields = fields if action == "publish" else {}
    digest = digest_of(fields)
    ids = delivery_id(0, number * 100 + version, "nation", digest)
    department = more.get("department", "market")
    kind = more.get("kind", "licence.granted.v1")
    reason = "" if action == "publish" else "撤销"
    return Delivery(
        ids, f"{number:032x}", version, number * 100 + version, action, kind, fields, digest,
        reason, department,
    )  # fmt: skip


def receipt(row: Delivery, stage: str, **changes: object) -> dict[str, object]:
    """A row's entry of an acknowledgement."""
    told: dict[str, object] = {
        "delivery": row.delivery, "digest": row.digest, "stage": stage, "receipt": "N-1",
        "at": "2026-11-03T10:00:00+08:00",
    }  # fmt: skip
    return told | changes


@pytest.fixture(params=["xml", "csv"])
def place(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[DropPlace]:
    """A place of one's own, in both layouts."""
    made = DropPlace(tmp_path, request.param)
    yield made
    made.book.close()
    if made.files is not None:
        made.files.close()


def named(place: DropPlace, number: int, series: str = "001501", day: str = "20261103") -> str:
    """A file's name in this place."""
    return f"{series}_{day}_{number:05d}.{place.layout}"


def test_one_launch_is_one_file_per_department_table_and_action(place: DropPlace) -> None:
    """Rows keep their order; more than `rows_per_file` go on in the next file."""
    rows = [licence(number) for number in range(4)]
    rows += [licence(9, version=2, action="withdraw"), licence(5, department="gone")]
    replies = dict(place.work.file(rows))
    first = Filed(named(place, 1))
    assert [replies[row.delivery] for row in rows] == [
        first, first, first, Filed(named(place, 2)), Filed(named(place, 3)),
        Filed(named(place, 1, "000001")),
    ]  # fmt: skip
    place.platform()
    news = place.look()
    assert all(isinstance(news[row.delivery], Answered) for row in rows)
    assert {one["stage"] for one in dump(place.folder / "platform.sqlite").values()} == {
        "published", "withdrawn"
    }  # fmt: skip
    assert place.problems() == {}


def test_two_kinds_of_one_table_share_its_numbers_and_not_a_file(place: DropPlace) -> None:
    """A file says in its head what it holds."""
    rows = [licence(1, kind="commitment.made.v1"), licence(2, kind="commitment.performed.v1")]
    assert [reply for _delivery, reply in place.work.file(rows)] == [
        Filed(named(place, number, "001505")) for number in (1, 2)
    ]


def test_numbers_begin_anew_every_day_and_the_day_never_goes_back(place: DropPlace) -> None:
    """A clock that is set back must not use a number twice; the manifest leads across midnight."""
    for number, day in enumerate(("20261103", "20261103", "20261104", "20261101")):
        place.day = day
        place.work.file([licence(number)])
    assert place.names() == [
        named(place, 1), named(place, 2), named(place, 1, day="20261104"),
        named(place, 2, day="20261104"),
    ]  # fmt: skip
    manifests = [
        json.loads((place.out / f"{name}.manifest.json").read_bytes()) for name in place.names()
    ]
    assert [one["previous"] for one in manifests] == ["", *place.names()[:3]]
    assert manifests[3]["previous_sha256"] == manifests[2]["sha256"]


@pytest.mark.parametrize(
    "hook", ["after_file_part", "after_file_number", "after_file_rename", "after_file_manifest"]
)
def test_killed_anywhere_a_number_is_used_once_and_a_row_lies_in_one_file(
    place: DropPlace, hook: str
) -> None:
    """Between temporary file, number, rename and manifest: dense, whole, not repeated."""
    place.work.file([licence(1)])
    place.faults.hook = hook
    with pytest.raises(ProcessGone):
        place.work.file([licence(2)])
    place.start()
    asked = place.work.ask(licence(2).delivery)
    assert isinstance(asked, Unfiled) == (hook == "after_file_part")
    place.work.mend()
    place.work.file([licence(2)])
    place.work.file([licence(3)])
    assert place.names() == [named(place, number) for number in (1, 2, 3)]
    assert [path for path in place.out.iterdir() if path.name.endswith(".part")] == []
    place.platform()
    assert len(place.look()) == 3
    assert place.book.verdicts("undeclared repeat") == 0
    assert place.problems() == {}


@pytest.mark.parametrize("taken", [False, True])
def test_a_courier_that_lost_its_book_takes_up_what_the_folder_shows(
    place: DropPlace,
    taken: bool,  # noqa: FBT001 - both ways
) -> None:
    """Rows are found in the files, or in the acknowledgements; numbers go on behind them."""
    rows = [licence(number) for number in range(3)]
    for row in rows:
        place.work.file([row])
    if taken:
        place.platform()
    place.start(lose_book=True)
    again = dict(place.work.file(rows))
    assert all(isinstance(reply, Filed) for reply in again.values())
    fresh = licence(7)
    assert place.work.file([fresh]) == [(fresh.delivery, Filed(named(place, 4)))]
    place.platform()
    news = place.look()
    assert {*news} == {row.delivery for row in (*rows, fresh)}
    assert place.book.verdicts("undeclared repeat") == 0


def test_a_file_without_its_manifest_gets_it_when_the_book_is_lost(place: DropPlace) -> None:
    """Killed between the two renames, and the disk is gone: the file is completed, not doubled."""
    place.work.file([licence(1)])
    (place.out / f"{named(place, 1)}.manifest.json").unlink()
    place.start(lose_book=True)
    place.work.mend()
    assert place.names() == [named(place, 1)]
    place.platform()
    assert len(place.look()) == 1


def test_book_and_folder_lost_the_platform_says_where_numbers_go_on(place: DropPlace) -> None:
    """NAME_TAKEN: the rows are sent again, declared as repeats, behind the newest number."""
    rows = [licence(1), licence(2)]
    for row in rows:
        place.work.file([row])
    place.platform()
    for path in (*place.out.glob("0*"), *place.ack.iterdir()):
        path.unlink()
    place.start(lose_book=True)
    place.work.file([licence(2)])
    place.platform()
    place.look()
    assert place.problems() == {"file_refused": 1}
    assert place.work.ask(licence(2).delivery) == Unfiled()
    assert place.work.file([licence(2)]) == [(licence(2).delivery, Filed(named(place, 3)))]
    place.platform()
    assert isinstance(place.look()[licence(2).delivery], Answered)
    assert place.book.verdicts("undeclared repeat") == 0


def test_a_kind_without_a_code_rests_the_target_and_is_named(place: DropPlace) -> None:
    """Taken off `drop.tables`, what was shown is still to be withdrawn: said, and not died of."""
    down = licence(1, version=2, action="withdraw", kind="penalty.imposed.v1")
    good = licence(2)
    (first, second) = place.work.file([down, good])
    assert (first[0], type(first[1]), second[1]) == (
        down.delivery,
        WriteFailed,
        Filed(named(place, 1)),
    )
    assert place.problems() == {"kind_without_code": 1}


def test_a_refusal_that_is_not_believed_removes_nothing(place: DropPlace) -> None:
    """Of another digest, or beside `taken`: the file stays for who has not taken it yet."""
    place.work.file([licence(1)])
    first = named(place, 1)
    place.acknowledge(first, status="refused", code="NAME_TAKEN", sha256="0" * 64)
    place.look()
    assert (place.out / first).exists()
    place.acknowledge(first, code="NAME_TAKEN", last="001505_20261103_00007.xml")
    place.work.look()
    assert (place.out / first).exists()


@pytest.mark.parametrize("kept", [0, 4096])
def test_a_damaged_book_is_told_and_kept(place: DropPlace, kept: int) -> None:
    """It holds the numbers given out: an operator moves it aside, and the folder shows them."""
    place.work.file([licence(1)])
    assert place.files is not None
    place.files.close()
    book = place.folder / "files.sqlite"
    content = book.read_bytes()
    damaged = content[:kept] + b"\x5a" * (len(content) - kept)
    book.write_bytes(damaged)
    with pytest.raises(IntegrityError, match=r"files\.sqlite .*损坏"):
        place.start()
    place.files.close()
    assert book.read_bytes() == damaged
    place.files = None
    for path in place.folder.glob("files.sqlite*"):
        path.rename(path.with_suffix(".aside"))
    place.start()
    assert place.work.file([licence(2)]) == [(licence(2).delivery, Filed(named(place, 2)))]


def test_a_book_on_a_disk_that_fails_is_waited_for(place: DropPlace) -> None:
    """A read that fails ends with a remedy, as a write does."""
    assert place.files is not None
    place.files.close()
    book = place.folder / "files.sqlite"
    book.rename(book.with_suffix(".away"))
    book.mkdir()
    with pytest.raises(UnavailableError, match="无法读写"):
        place.start()
    place.files = None


def test_a_name_taken_moves_no_other_series(place: DropPlace) -> None:
    """A `last` of another series says nothing of this one, and leaves that one without a gap."""
    place.work.file([licence(1)])
    place.acknowledge(
        named(place, 1), status="refused", code="NAME_TAKEN", last="001505_20261103_00007.xml"
    )
    place.look()
    made = licence(2, kind="commitment.made.v1")
    assert place.work.file([made]) == [
        (made.delivery, Filed(f"001505_20261103_00001.{place.layout}"))
    ]


def test_a_name_taken_far_ahead_moves_no_number(place: DropPlace) -> None:
    """The day never goes back: a slip of the platform's would stand in every name from then on."""
    place.work.file([licence(1)])
    place.acknowledge(
        named(place, 1), status="refused", code="NAME_TAKEN", last="001501_99991231_99999.xml"
    )
    place.look()
    assert place.problems() == {"file_refused": 1, "far_day": 1}
    assert place.work.file([licence(1)]) == [(licence(1).delivery, Filed(named(place, 2)))]


def test_a_new_book_takes_up_no_file_of_a_day_far_ahead(place: DropPlace) -> None:
    """Neither one that lies there nor one that is only spoken of."""
    place.work.file([licence(1)])
    content = (place.out / named(place, 1)).read_bytes()
    (place.out / named(place, 7, day="99991231")).write_bytes(content)
    place.acknowledge(named(place, 1), file=named(place, 8, day="99991231"))
    place.start(lose_book=True)
    assert place.work.file([licence(2)]) == [(licence(2).delivery, Filed(named(place, 2)))]


def test_a_new_book_reads_past_an_answer_that_cannot_be_noted(place: DropPlace) -> None:
    """JSON can say half a character; a courier that lost its book starts all the same."""
    place.work.file([licence(1)])
    place.acknowledge(named(place, 1), rows=[{"delivery": "\ud800", "digest": "\ud800"}])
    for path in place.out.glob("0*"):
        path.unlink()
    place.start(lose_book=True)
    assert place.work.file([licence(1)]) == [(licence(1).delivery, Filed(named(place, 2)))]


def test_a_book_out_of_a_backup_takes_up_what_came_after_it(place: DropPlace) -> None:
    """It is older than the folder: no number is used again, and rows may be repeats from now on."""
    place.work.file([licence(1)])
    assert place.files is not None
    place.files.close()
    kept = (place.folder / "files.sqlite").read_bytes()
    place.start()
    place.work.file([licence(2)])
    place.files.close()
    for path in place.folder.glob("files.sqlite*"):
        path.unlink()
    (place.folder / "files.sqlite").write_bytes(kept)
    place.start()
    replies = dict(place.work.file([licence(2), licence(3)]))
    assert list(replies.values()) == [Filed(named(place, 2)), Filed(named(place, 3))]
    assert not place.files.is_whole
    place.platform()
    assert len(place.look()) == 3


def test_a_row_the_platform_answered_is_not_written_again(place: DropPlace) -> None:
    """Asked or sent again, the answer is the answer."""
    row = licence(1)
    place.work.file([row])
    place.platform()
    place.look()
    ((_delivery, reply),) = place.work.file([row])
    assert isinstance(reply, Answered)
    assert isinstance(place.work.ask(row.delivery), Answered)
    place.start()
    assert isinstance(place.work.ask(row.delivery), Answered)


# --- acknowledgements ----------------------------------------------------------------------------


def test_acknowledged_first_published_later(place: DropPlace) -> None:
    """Two files about one file; the second comes when the platform's clock has gone on."""
    row = licence(1)
    place.work.file([row])
    place.platform(publish_after_seconds=3600)
    (first,) = place.look().values()
    assert isinstance(first, Answered)
    assert first.told["stage"] == "acknowledged"
    place.set_platform_clock(1_793_600_000_000 + 7_200_000)
    place.platform()
    (second,) = place.look().values()
    assert isinstance(second, Answered)
    assert second.told["stage"] == "published"
    assert place.look() == {}


def test_acknowledgements_twice_and_out_of_order_change_nothing(place: DropPlace) -> None:
    """Published, then acknowledged, then published again: published it is, said once."""
    row = licence(1)
    place.work.file([row])
    name = named(place, 1)
    for stage in ("published", "acknowledged", "published"):
        place.acknowledge(name, rows=[receipt(row, stage)])
    news = place.work.look()
    assert [reply.told["stage"] for _d, reply in news if isinstance(reply, Answered)] == [
        "published"
    ]
    assert place.problems() == {}


def test_very_many_acknowledgements_are_read_in_several_looks(
    place: DropPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A week's files answered and removed while the courier was away: none is taken for gone."""
    monkeypatch.setattr(file_drop, "_ROWS_AT_ONCE", 1)
    rows = [licence(number) for number in range(6)]
    for row in rows:
        place.work.file([row])
    place.platform()
    place.now += 2 * PATIENCE
    for path in place.out.glob("0*"):
        path.unlink()
    looks = [place.look() for _ in range(4)]
    assert max(map(len, looks)) == 2
    assert {name for news in looks for name in news} == {row.delivery for row in rows}
    assert place.problems() == {}


def test_a_second_last_word_that_differs_is_said_loudly(place: DropPlace) -> None:
    """The first holds; what the platform shows is for people to find out."""
    row = licence(1)
    place.work.file([row])
    for told in (receipt(row, "published"), receipt(row, "refused", code="X")):
        place.acknowledge(named(place, 1), rows=[told])
    place.work.look()
    reply = place.work.ask(row.delivery)
    assert isinstance(reply, Answered)
    assert reply.told["stage"] == "published"
    assert place.problems() == {"contradiction": 1}


def test_a_refused_row_is_told_with_its_code(place: DropPlace) -> None:
    """Its neighbours are published all the same."""
    place.platform(refuse=[{"code": "NAME_UNKNOWN", "record": licence(2).record}])
    place.work.file([licence(1), licence(2)])
    place.platform()
    news = place.look()
    stages = [reply.told["stage"] for reply in news.values() if isinstance(reply, Answered)]
    assert stages == ["published", "refused"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"sha256": "0" * 64}, "other_digest"),
        ({"file": "ZZZZ99_20261103_00009.xml"}, "unknown_file"),
        ({"rows": [{"delivery": "ff" * 16}]}, "foreign_row"),
        ({"rows": [receipt(licence(1), "published", digest="0" * 64)]}, "bad_receipt"),
        ({"rows": [receipt(licence(1), "published", receipt="")]}, "bad_receipt"),
        ({"rows": [receipt(licence(1), "withdrawn")]}, "bad_receipt"),
        ({"status": "refused", "code": "MALFORMED"}, "file_refused"),
        ({"missing": ["001501_20261103_00007.xml"]}, "unknown_file"),
    ],
)
def test_what_does_not_match_is_not_believed(
    place: DropPlace, changes: dict[str, object], problem: str
) -> None:
    """Forged, mixed up or careless: counted and logged; a good one is believed afterwards."""
    row = licence(1)
    place.work.file([row])
    place.acknowledge(named(place, 1), **changes)
    assert place.look() == {}
    assert place.problems() == {problem: 1}
    assert place.work.ask(row.delivery) == Filed(named(place, 1))
    place.acknowledge(named(place, 1), rows=[receipt(row, "published")])
    assert isinstance(place.look()[row.delivery], Answered)
    assert place.problems() == {}


def test_a_half_written_acknowledgement_is_read_when_it_is_whole(place: DropPlace) -> None:
    """Once is no news: the platform may be writing. Unchanged at the next look, it is said."""
    row = licence(1)
    place.work.file([row])
    place.acknowledge(named(place, 1), rows=[receipt(row, "published")])
    (path,) = place.ack.iterdir()
    whole = path.read_bytes()
    path.write_bytes(whole[:40])
    assert place.look() == {}
    assert place.problems() == {}
    place.look()
    assert place.problems() == {"unreadable_ack": 1}
    path.write_bytes(whole)
    assert isinstance(place.look()[row.delivery], Answered)


def test_a_pipe_a_link_and_a_huge_file_are_no_acknowledgements(
    place: DropPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing the other side puts there blocks us or leads elsewhere."""
    place.work.file([licence(1)])
    monkeypatch.setattr(drop_folder, "LARGEST_ACK_BYTES", 1000)
    os.mkfifo(place.ack / "a.ack.json")
    (place.ack / "b.ack.json").symlink_to("/etc/passwd")
    (place.ack / "c.ack.json").write_bytes(b" " * 1001)
    (place.ack / "d.ack.json").mkdir()
    place.look()
    place.look()
    assert place.problems() == {"unreadable_ack": 4}


def test_a_link_in_the_way_of_a_file_is_not_written_through(
    place: DropPlace, tmp_path: Path
) -> None:
    """The other side may write to the folder: where its link leads to must stay as it is."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"somebody else's")
    name = f"001501_20261103_00001.{place.layout}"
    for ending in ("", ".manifest.json"):
        (place.out / f".{name}{ending}.part").symlink_to(precious)
    assert isinstance(dict(place.work.file([licence(1)]))[licence(1).delivery], Filed)
    assert precious.read_bytes() == b"somebody else's"
    assert place.names() == [name]
    assert not (place.out / name).is_symlink()


def test_an_acknowledgement_with_a_name_that_is_no_text_ends_nothing(place: DropPlace) -> None:
    """A name in GBK cannot be noted; the answer is asked for under a name that can."""
    row = licence(1)
    place.work.file([row])
    place.acknowledge(named(place, 1), rows=[receipt(row, "published")])
    (path,) = place.ack.iterdir()
    path.rename(place.ack / os.fsdecode("回执.ack.json".encode("gbk")))
    place.look()
    place.look()
    assert place.problems() == {"unreadable_ack": 1}


def test_a_pipe_and_a_link_under_our_names_are_no_files_of_ours(place: DropPlace) -> None:
    """A courier that starts with an empty book must not wait for one, nor read elsewhere."""
    os.mkfifo(place.out / "001501_20261103_00001.xml")
    os.mkfifo(place.out / "001501_20261103_00001.xml.manifest.json")
    (place.out / "001501_20261103_00002.xml").symlink_to("/etc/passwd")
    place.start(lose_book=True)
    place.look()
    assert place.work.ask(licence(1).delivery) == Unfiled()


def test_names_others_give_their_files_are_not_logged(
    place: DropPlace, caplog: pytest.LogCaptureFixture
) -> None:
    """A person's name or number may stand in them."""
    (place.ack / "330902199001011234.ack.json").write_bytes(b"{")
    place.look()
    place.look()
    assert place.problems() == {"unreadable_ack": 1}
    assert "33090219" not in str([vars(record) for record in caplog.records])


# --- gaps ----------------------------------------------------------------------------------------


def test_a_file_that_is_gone_without_an_acknowledgement_is_put_there_again(
    place: DropPlace,
) -> None:
    """The same bytes under the same name, so every delivery keeps its id."""
    place.work.file([licence(1)])
    name = named(place, 1)
    before = (place.out / name).read_bytes()
    place.platform(following=[["lose", 1]])
    place.look()
    assert place.names() == []
    assert place.problems() == {}
    place.now += PATIENCE + 1
    place.look()
    assert place.problems() == {"vanished": 1}
    assert (place.out / name).read_bytes() == before
    place.platform()
    assert len(place.look()) == 1


def test_an_effect_without_an_acknowledgement_is_answered_when_the_file_comes_again(
    place: DropPlace,
) -> None:
    """Taken, removed, never said: the second time it is said, and nothing happens twice."""
    place.work.file([licence(1)])
    place.platform(following=[["lose_applied", 1]])
    place.now += PATIENCE + 1
    place.look()
    place.platform()
    assert len(place.look()) == 1
    assert place.book.verdicts("undeclared repeat") == 0


def test_a_file_that_others_overtook_is_noticed(place: DropPlace) -> None:
    """The platform acknowledged number 2 and left number 1 lying."""
    place.work.file([licence(1)])
    place.work.file([licence(2)])
    place.acknowledge(named(place, 2), rows=[receipt(licence(2), "published")])
    place.look()
    assert place.problems() == {}
    place.now += PATIENCE + 1
    place.look()
    news = place.work.take_news()
    assert +Counter(news.problems) == {"gap": 1}
    assert (news.open, news.oldest_seconds) == (1, PATIENCE + 1)
    place.platform()
    assert licence(1).delivery in place.look()


def test_a_number_the_platform_misses_is_put_there_at_once(place: DropPlace) -> None:
    """Its own word is enough, also when it had acknowledged the file before."""
    rows = [licence(1), licence(2)]
    for row in rows:
        place.work.file([row])
    place.acknowledge(named(place, 1), rows=[receipt(rows[0], "acknowledged")])
    place.look()
    (place.out / named(place, 1)).unlink()
    place.acknowledge(named(place, 2), at="2026-11-03T10:00:01+08:00", missing=[named(place, 1)])
    place.look()
    assert place.problems() == {"gap_reported": 1}
    assert (place.out / named(place, 1)).exists()


def test_a_platform_that_went_back_gets_what_it_forgot(place: DropPlace) -> None:
    """Restored from a backup, its newest file is an earlier one; an older word says nothing."""
    rows = [licence(number) for number in (1, 2, 3)]
    for row in rows:
        place.work.file([row])
        place.platform(publish_after_seconds=9999)
    place.look()
    place.work.file([licence(4)])
    last = {"last": named(place, 1), "rows": []}
    place.acknowledge(named(place, 4), at="2026-10-01T00:00:00+08:00", **last)
    place.look()
    assert place.problems() == {}
    place.acknowledge(named(place, 4), at="2026-11-04T00:00:00+08:00", **last)
    place.look()
    assert place.problems() == {"platform_went_back": 3}
    assert place.names() == [named(place, number) for number in (2, 3, 4)]


def test_a_finished_file_leaves_and_the_newest_stays(place: DropPlace) -> None:
    """Every row has its last word: the bytes are not needed; what is asked for later is said."""
    keeper = Receiver(place.folder, place.book, ClockFile(place.clock), None, keeps=True)
    for number in (1, 2):
        place.work.file([licence(number)])
    keeper.step()
    place.look()
    assert place.names() == [named(place, 2)]
    place.acknowledge(named(place, 2), at="2026-12-01T00:00:00+08:00", missing=[named(place, 1)])
    place.look()
    assert place.problems() == {"gap_reported": 1, "bytes_gone": 1}


def test_rows_of_files_long_finished_are_forgotten_and_their_numbers_stay(place: DropPlace) -> None:
    """The book does not grow with the years; a number is never free again."""
    for number in (1, 2):
        place.work.file([licence(number)])
        place.platform()
    place.look()
    assert isinstance(place.work.ask(licence(1).delivery), Answered)
    place.now += REMEMBERED_SECONDS + 3601
    place.look()
    assert place.work.ask(licence(1).delivery) == Unfiled()
    assert isinstance(place.work.ask(licence(2).delivery), Answered)
    assert place.work.file([licence(3)]) == [(licence(3).delivery, Filed(named(place, 3)))]


# --- the disk and others on it -------------------------------------------------------------------


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EACCES, errno.EDQUOT])
def test_a_full_or_closed_disk_leaves_nothing_and_takes_no_number(
    place: DropPlace, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    """Nothing happened, and the target rests as a whole; later the same number is used."""
    real = OpenFolder.create

    def fail(folder: OpenFolder, name: bytes) -> BinaryIO:
        with real(folder, name) as half:
            half.write(b"half")
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patch:
        patch.setattr(OpenFolder, "create", fail)
        ((_delivery, reply),) = place.work.file([licence(1)])
    assert isinstance(reply, WriteFailed)
    assert errno.errorcode[error] in reply.why
    assert list(place.out.iterdir()) == []
    assert place.work.file([licence(1)]) == [(licence(1).delivery, Filed(named(place, 1)))]


def test_a_folder_that_goes_away_is_not_made_and_its_files_are_not_vanished(
    place: DropPlace,
) -> None:
    """Unmounted is not empty: nothing is written, nothing is called missing."""
    place.work.file([licence(1)])
    away = place.folder / "away"
    place.out.rename(away)
    place.now += PATIENCE + 1
    ((_delivery, reply),) = place.work.file([licence(2)])
    assert isinstance(reply, WriteFailed)
    with pytest.raises(FileNotFoundError):
        place.work.mend()
    with pytest.raises(FileNotFoundError):
        place.work.check()
    assert place.problems() == {}
    away.rename(place.out)
    place.look()
    assert place.problems() == {}


def test_a_rename_that_fails_is_unknown_and_made_good(
    place: DropPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number is given out: the file will be there, with these bytes, and is not doubled."""
    row = licence(1)

    def fail(_self: DropFolder, _name: object) -> None:
        raise OSError(errno.EIO, "EIO")

    with monkeypatch.context() as patch:
        patch.setattr(DropFolder, "publish", fail)
        assert [type(reply) for _d, reply in place.work.file([row])] == [Unsure]
        assert isinstance(place.work.ask(row.delivery), Unsure)
    place.look()
    assert place.work.ask(row.delivery) == Filed(named(place, 1))
    assert place.names() == [named(place, 1)]


def test_a_file_somebody_else_wrote_to_is_written_again(place: DropPlace) -> None:
    """Whatever was done to it, the platform gets what the manifest says."""
    place.work.file([licence(1)])
    path = place.out / named(place, 1)
    good = path.read_bytes()
    path.write_bytes(b"x" * len(good))
    place.platform()
    assert place.look() == {}
    assert place.problems() == {"overwritten": 1}
    assert path.read_bytes() == good
    place.platform()
    assert len(place.look()) == 1


@pytest.mark.parametrize("ending", ["", ".manifest.json"])
def test_a_huge_file_under_our_name_is_not_read(place: DropPlace, ending: str) -> None:
    """Others write there, too: what is larger than ours is not ours, and memory is not theirs."""
    place.work.file([licence(1)])
    path = place.out / f"{named(place, 1)}{ending}"
    good = path.read_bytes()
    os.truncate(path, 2**40)
    if not ending:
        place.look()
        assert place.problems() == {"overwritten": 1}
        assert path.read_bytes() == good
        os.truncate(path, 2**40)
    place.start(lose_book=True)
    place.look()
    if ending:
        assert path.stat().st_size < 1_000
    else:
        assert place.work.ask(licence(1).delivery) == Unfiled()


def test_a_foreign_file_under_the_next_name_is_not_overwritten(place: DropPlace) -> None:
    """Delivery rests until somebody takes it away."""
    path = place.out / named(place, 1)
    path.write_bytes(b"theirs")
    ((_delivery, reply),) = place.work.file([licence(1)])
    assert isinstance(reply, WriteFailed)
    assert place.problems() == {"name_occupied": 1}
    assert path.read_bytes() == b"theirs"
    path.unlink()
    assert place.work.file([licence(1)]) == [(licence(1).delivery, Filed(named(place, 1)))]


def test_every_problem_is_explained_on_the_page_for_platforms() -> None:
    """Who reads the metric finds the label, its meaning and a remedy."""
    page = (ROOT / "docs/file-drop.md").read_text(encoding="utf-8")
    assert [label for label in PROBLEMS if f"| `{label}` |" not in page] == []
