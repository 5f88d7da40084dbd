"""A courier that writes files, on a real broker and a real folder, killed between any two steps.

`HUB_FILE_HOOKS=all` kills at every hook, once more with the courier's disk lost (a minute);
otherwise two are drawn by the day.
"""

from __future__ import annotations

import datetime as dt
import os
import random
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from hub.adapters.faults import FILE_HOOKS
from hub.config.kafka_access import KafkaAccess
from standins import file_receiver, platform_book
from tests.conftest import KafkaPart
from tests.driver.rows import DEPARTMENT
from tests.kafka.courier_place import CourierPlace, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.faults]

TARGETS = """\
  - id: province
    name_zh: 国家平台
    number: 0
    kind: file
    role: report
    public: false
    clearance: [public, government]
    kinds: [licence.granted.v1]
    timeout_seconds: 1.0
    attempts: 6
    concurrency: 128
    drop:
      folder: province
      layout: {layout}
      sender: 舟山市公共信用信息中心
      receiver: 国家平台
      departments: {{{department}: "0015"}}
      tables: {{licence.granted.v1: "01"}}
      rows_per_file: 12
      linger_seconds: 0.1
      patience_seconds: 1.0
"""
MIX = {
    "late": 0.08, "half": 0.08, "twice": 0.08, "partial": 0.08, "lose": 0.08,
    "lose_applied": 0.08, "skip": 0.06, "gap": 0.06, "wrong_digest": 0.08, "unknown": 0.06,
}  # fmt: skip


class FilePlace(CourierPlace):
    """A site with one file target and the platform that lives in its folder."""

    def __init__(self, folder: Path, access: KafkaAccess, prefix: str, layout: str) -> None:
        super().__init__(folder, access, prefix)
        for name in ("out", "ack"):
            (folder / "province" / name).mkdir(parents=True)
        self.open(TARGETS.format(layout=layout, department=DEPARTMENT))
        self.order("province", seed=7, mix=MIX, late_seconds=0.3, only_first=2)
        self.start(
            "province", "standins/file_receiver.py", "--folder", str(folder / "province"),
            "--book", str(folder / "province.sqlite"), "--clock", str(self.clock),
            "--control", str(folder / "province.json"),
        )  # fmt: skip

    def book(self, target: str) -> Mapping[str, Mapping[str, object]]:
        """Return the platform's book."""
        return platform_book.dump(self.folder / f"{target}.sqlite")

    def finish(self, extra: int) -> None:
        """The platform behaves from now on; one more file shows it which ones it left lying."""
        self.order("province")
        time.sleep(0.3)
        self.decide("new", range(extra, extra + 1))
        self.wait_until_equal("province")
        self.wait_until_told("province")

    def numbers(self) -> list[int]:
        """Return the numbers of the files the platform took."""
        connection = sqlite3.connect(self.folder / "province.sqlite")
        rows = connection.execute("SELECT name FROM settings WHERE name LIKE 'file 0015%'")
        found = sorted(int(name.split("_")[2].split(".")[0]) for (name,) in rows)
        connection.close()
        return found

    def check(self) -> None:
        """Dense numbers, no row twice without being declared, no refusal."""
        # what was left lying is put there again once its patience is over
        wait_until(lambda: self.numbers() == list(range(1, len(self.numbers()) + 1)), 30)
        assert file_receiver.undeclared(self.folder / "province.sqlite") == 0
        connection = sqlite3.connect(self.folder / "province.sqlite")
        refused = connection.execute("SELECT code FROM deliveries WHERE stage = 'refused'")
        assert refused.fetchall() == []
        connection.close()


@pytest.fixture
def place(
    tmp_path: Path, kafka: KafkaPart, prefix: str, request: pytest.FixtureRequest
) -> Iterator[FilePlace]:
    """Return a place of one's own; the layout is the parameter."""
    made = FilePlace(tmp_path, kafka.access, prefix, request.param)
    yield made
    made.close()


@pytest.mark.parametrize("place", ["xml"], indirect=True)
def test_books_equal_the_ledger_however_the_platform_treats_its_files(place: FilePlace) -> None:
    """Late, half-written, doubled, lost, skipped, mixed up: right content, told once."""
    place.deliver("province")
    place.decide("new", range(60))
    place.decide("correct", range(20), content=1)
    time.sleep(2)
    place.decide("withdraw", range(30, 40))
    time.sleep(2)
    place.finish(90)
    place.check()
    assert len(place.numbers()) >= 6


def drawn() -> list[tuple[str, bool]]:
    """Hook, and whether the disk is lost after it."""
    hooks = [*FILE_HOOKS, "after_intent", "before_commit", "mid_rocks_write", "in_restore"]
    if os.environ.get("HUB_FILE_HOOKS") == "all":
        return [(hook, False) for hook in hooks] + [("after_file_rename", True)]
    seed = dt.datetime.now(dt.UTC).date().toordinal()
    chosen = random.Random(seed).sample(FILE_HOOKS, 2)
    return [(hook, number == 1) for number, hook in enumerate(chosen)]


@pytest.mark.parametrize("place", ["csv"], indirect=True)
def test_killed_at_any_step_of_a_file_each_record_is_delivered_once(place: FilePlace) -> None:
    """SIGKILL between number, rename, manifest and acknowledgement; once without its disk."""
    plan = drawn()
    killed = 0
    # a file that the platform lost, and then we with our disk, can be named by nobody any more:
    # its rows go out again under another number (docs/file-drop.md)
    mix = {manner: share for manner, share in MIX.items() if manner != "lose"}
    place.order("province", seed=7, mix=mix, late_seconds=0.3, only_first=2)
    for round_, (hook, loses_disk) in enumerate(plan):
        place.decide("new", range(round_ * 20, round_ * 20 + 20))
        place.decide("correct", range(round_ * 20, round_ * 20 + 5), content=round_ + 1)
        killed += place.is_killed("province", f"{hook}:kill:2")
        if loses_disk:
            shutil.rmtree(place.folder / "state")
    assert killed >= len(plan) - 1
    place.decide("withdraw", range(0, len(plan) * 20, 10))
    place.deliver("province")
    time.sleep(1)
    place.finish(900)
    place.check()
