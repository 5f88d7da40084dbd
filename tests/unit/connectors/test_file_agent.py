"""The file connector: each row once, in order, whatever dies; refusal when a source is reset."""

import errno
import json
import os
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

import connectors.files.source
from connectors.events import Event, FileFinished, RowsSubmitted
from connectors.files.source import FileSource
from connectors.layout import Folder
from connectors.loop import Agent, LoopPorts, Route
from hub.domain import kinds
from hub.errors import SourceError
from hub.io.paths import OpenFolder
from hub.ports import OutputRecord
from tests.unit.connectors.made import (
    LICENCE_ROW,
    SNAPSHOTS,
    STREAM,
    SUBMITTER,
    decoded,
    in_chinese,
    layouts,
    table,
)
from tests.unit.connectors.memory_broker import (
    FreeLease,
    HookKiller,
    InstantClock,
    KilledError,
    MemoryBroker,
    MemoryTransactions,
)

ROUTE = Route(STREAM, "t.submissions.market-supervision", "t.cursors.market-supervision.files", 4)
HOOKS = ("after_lease", "after_init", "in_restore", "after_consume", "after_begin", "mid_produce",
         "before_flush", "before_commit", "after_commit")  # fmt: skip


class InboxPlace:
    """An inbox with its results, state and broker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.inbox = folder / "inbox"
        self.broker = MemoryBroker()
        for each in Folder:
            (self.inbox / each.value).mkdir(parents=True)
        (folder / "state").mkdir()

    def put(self, name: str, content: bytes) -> Path:
        """Put a file into the inbox."""
        path = self.inbox / name
        path.write_bytes(content)
        return path

    def agent(
        self,
        faults: HookKiller | None = None,
        *,
        torn: str = "",
        abandon: frozenset[str] = frozenset(),
    ) -> tuple[Agent, MemoryTransactions]:
        """Make a new process."""
        source = FileSource(
            self.inbox,
            self.folder / "results",
            SUBMITTER,
            [layouts(each) for each in Folder],
            SNAPSHOTS,
            abandon,
        )
        transactions = MemoryTransactions(self.broker, torn)
        clock = InstantClock()
        ports = LoopPorts(
            transactions, self.broker, FreeLease(), clock, clock, faults or HookKiller()
        )
        return Agent(ROUTE, source, ports, self.folder / "state"), transactions

    def drain(self, agent: Agent) -> None:
        """Start and work until three polls find nothing."""
        agent.start()
        idle = 0
        while idle < 3:
            idle = 0 if agent.step() else idle + 1

    @property
    def submissions(self) -> list[OutputRecord]:
        """What was committed to the department's topic."""
        return self.broker.committed.get(ROUTE.submissions_topic, [])


def header(record: OutputRecord, name: str) -> str:
    """Return one header as text."""
    return dict(record.headers)[name].decode()


def ids(records: list[OutputRecord]) -> list[int]:
    """Return the stream's numbers."""
    return [int(header(record, "ce_id")) for record in records]


def rows(count: int, start: int = 0) -> bytes:
    """Return a table of licences with different numbers."""
    return table(*({**LICENCE_ROW, "行政许可决定文书号": f"许{start + n}号"} for n in range(count)))


@pytest.fixture
def place(tmp_path: Path) -> InboxPlace:
    """Return an empty inbox."""
    return InboxPlace(tmp_path)


def test_every_row_is_submitted_once_with_its_number_and_position(place: InboxPlace) -> None:
    """Headers are CloudEvents in binary mode; numbers run from 1 without gaps."""
    place.put("licences/a.csv", rows(3))
    place.put("penalties/b.csv", "\ufeffnot a table".encode())
    agent, _ = place.agent()
    place.drain(agent)
    assert ids(place.submissions) == [1, 2, 3, 4]
    first, last = place.submissions[0], place.submissions[3]
    assert dict(first.headers) | {"hub_position": b""} == {
        "ce_specversion": b"1.0",
        "ce_type": b"licence.granted.v1",
        "ce_source": STREAM.encode(),
        "ce_id": b"1",
        "ce_time": b"2026-11-22T02:00:00.000Z",
        "hub_position": b"",
    }
    assert header(first, "hub_position").endswith(":0:2")
    assert header(last, "ce_type") == "row.unreadable.v1"
    assert header(last, "hub_position").endswith(":0:0")


def test_a_half_written_file_is_left_alone(place: InboxPlace) -> None:
    """A file is read when two polls found it unchanged; names of unfinished files never are."""
    path = place.put("licences/a.csv", rows(1))
    place.put("licences/b.csv.part", rows(1))
    place.put("licences/~$c.xlsx", b"lock")
    agent, _ = place.agent()
    agent.start()
    assert not agent.step()
    path.write_bytes(rows(2))
    os.utime(path, ns=(1, 1))
    assert not agent.step()
    assert agent.step()
    assert agent.step()
    assert ids(place.submissions) == [1, 2]


def test_the_same_file_is_not_read_twice_and_a_copy_is(place: InboxPlace) -> None:
    """A finished file is recognised after a restart; a copy is submitted and answered."""
    content = rows(2)
    place.put("licences/a.csv", content)
    place.drain(place.agent()[0])
    place.drain(place.agent()[0])
    assert ids(place.submissions) == [1, 2]
    place.put("licences/b.csv", content)
    place.drain(place.agent()[0])
    assert ids(place.submissions) == [1, 2, 3, 4]


@pytest.mark.parametrize("hook", ["before_flush", "before_commit", "after_commit"])
def test_a_full_list_sent_again_is_declared_again(hook: str, tmp_path: Path) -> None:
    """Right, wrong, right again, whatever dies; a file that was declared is not declared twice."""
    right = table(in_chinese(kinds.LISTED))
    wrong = table(in_chinese(kinds.LISTED, case_number="（2026）浙0902执9999号"))
    numbers = []
    for name in ("quiet", "killed"):
        place = InboxPlace(tmp_path / name)
        for number, content in enumerate((right, wrong, right), 1):
            place.put(f"court-snapshots/20261120-{number}.csv", content)
        for nth in range(1, 7):
            agent, transactions = place.agent(HookKiller(hook if name == "killed" else "", nth))
            with suppress(KilledError):
                place.drain(agent)
            transactions.retire()
        told = [decoded(kinds.SNAPSHOT, record.value) for record in place.submissions]
        numbers.append([str(fields["document_number"]) for fields in told])
        assert told[0]["entries"] == told[2]["entries"] != told[1]["entries"]
    assert numbers[0] == numbers[1]
    assert len(set(numbers[0])) == len(numbers[0]) == 3


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("torn", ["", "flushed", "cursor"])
def test_killed_at_any_hook_the_result_is_that_of_a_run_without_kills(
    hook: str,
    torn: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Numbers without gap, equal content under equal numbers, also where a transaction is torn."""
    monkeypatch.setattr(connectors.files.source, "BATCH_ROWS", 3)
    quiet = InboxPlace(tmp_path / "quiet")
    killed = InboxPlace(tmp_path / "killed")
    for each in (quiet, killed):
        each.put("licences/a.csv", rows(7))
        moved = {**LICENCE_ROW, "原因": "更名", "原文书号": "旧号"}
        each.put("corrections/c.csv", table(moved, moved, moved, moved))
    quiet.drain(quiet.agent()[0])
    lives = 0
    for nth in range(1, 12):
        agent, transactions = killed.agent(HookKiller(hook, nth), torn=torn)
        try:
            killed.drain(agent)
        except KilledError:
            transactions.retire()
            lives += 1
            if nth == 2:
                # A file that sorts first must not take numbers already in flight.
                killed.put("licences/0.csv", rows(1, start=99))
                quiet.put("licences/0.csv", rows(1, start=99))
    killed.drain(killed.agent()[0])
    quiet.drain(quiet.agent()[0])
    assert lives >= 1
    by_id = {header(record, "ce_id"): record for record in killed.submissions}
    assert sorted(map(int, by_id)) == list(range(1, len(quiet.submissions) + 1))
    for record in killed.submissions:
        assert record == by_id[header(record, "ce_id")]
    if not torn:
        assert len(by_id) == len(killed.submissions)
    assert unmoved(by_id.values()) == unmoved(quiet.submissions)


def unmoved(records: Iterable[OutputRecord]) -> list[bytes]:
    """Return the values that do not hold a move id (it is made of the stream's number)."""
    return sorted(each.value for each in records if "moved" not in header(each, "ce_type"))


@given(st.lists(st.integers(0, 9), max_size=5), st.integers(1, 4))
def test_interrupted_at_any_row_the_submissions_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, kills: list[int], batch_rows: int
) -> None:
    """Whatever the batch size and wherever the process dies, the rows come out the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connectors.files.source, "BATCH_ROWS", batch_rows)
        place = InboxPlace(tmp_path_factory.mktemp("inbox"))
        place.put("licences/a.csv", rows(6))
        for nth in kills:
            agent, _ = place.agent(HookKiller("before_commit", nth + 1))
            with suppress(KilledError):
                place.drain(agent)
        place.drain(place.agent()[0])
    assert ids(place.submissions) == [1, 2, 3, 4, 5, 6]
    assert [header(each, "hub_position").rsplit(":", 1)[1] for each in place.submissions] == [
        "2", "3", "4", "5", "6", "7",
    ]  # fmt: skip


@pytest.mark.parametrize("committed", [False, True])
def test_an_unknown_commit_is_resolved_by_reading_the_cursor(
    place: InboxPlace,
    committed: bool,  # noqa: FBT001 - a case
) -> None:
    """After a commit without an answer the producer is retired and the topic says what holds."""
    place.put("licences/a.csv", rows(2))
    agent, transactions = place.agent()
    transactions.fail_commits = 2
    transactions.commit_before_failing = committed
    polls = iter([False] * 40)
    agent.run(stop=lambda: next(polls, True))
    assert place.broker.initialised == 3
    assert ids(place.submissions) == [1, 2]


def test_a_finished_file_with_other_content_stops_the_source(place: InboxPlace) -> None:
    """The old rows would vanish from sight: a person must say what the new ones are."""
    path = place.put("licences/张某某.csv", rows(2))
    place.drain(place.agent()[0])
    path.write_bytes(rows(3))
    with pytest.raises(SourceError, match="licences") as refused:
        place.drain(place.agent()[0])
    assert "张某某" not in str(refused.value), "a file may be named after a person"
    (told,) = (place.folder / "results" / ".sources").glob("*.json")
    assert told.name in str(refused.value)
    assert json.loads(told.read_bytes())["name"] == "张某某.csv"
    assert ids(place.submissions) == [1, 2]
    path.rename(path.with_name("a2.csv"))
    place.drain(place.agent()[0])
    assert ids(place.submissions) == [1, 2, 3, 4, 5]


def test_a_half_read_file_that_is_gone_stops_the_source_until_abandoned(
    place: InboxPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows in flight cannot be repeated; giving them up is a person's decision."""
    monkeypatch.setattr(connectors.files.source, "BATCH_ROWS", 2)
    path = place.put("licences/a.csv", rows(5))
    agent, _ = place.agent()
    agent.start()
    for _ in range(3):
        agent.step()
    path.write_bytes(rows(5, start=1))
    with pytest.raises(SourceError, match="abandon"):
        place.drain(place.agent()[0])
    path.unlink()
    with pytest.raises(SourceError, match="abandon"):
        place.drain(place.agent()[0])
    place.put("licences/b.csv", rows(1))
    place.drain(place.agent(abandon=frozenset({"licences/a.csv"}))[0])
    assert ids(place.submissions) == [1, 2, 3]


def test_a_reset_cursor_topic_is_noticed(place: InboxPlace) -> None:
    """Old numbers must not be given to new rows: they would be taken for repetitions."""
    place.put("licences/a.csv", rows(2))
    place.drain(place.agent()[0])
    place.broker.committed.clear()
    with pytest.raises(SourceError, match=r"t\.cursors"):
        place.agent()[0].start()


def test_a_lost_state_folder_changes_nothing(place: InboxPlace) -> None:
    """What was committed is what the topic says, not what the disk remembers."""
    place.put("licences/a.csv", rows(2))
    place.drain(place.agent()[0])
    (place.folder / "state" / "committed.json").unlink()
    place.drain(place.agent()[0])
    assert ids(place.submissions) == [1, 2]


@pytest.mark.parametrize("damaged", ["", "\x00" * 16, "[]", '{"sequence": null}'])
def test_a_damaged_mark_is_a_lost_one(place: InboxPlace, damaged: str) -> None:
    """A power cut may leave an empty file: the topic says how far the source was read."""
    place.put("licences/a.csv", rows(2))
    place.drain(place.agent()[0])
    (place.folder / "state" / "committed.json").write_text(damaged, encoding="utf-8")
    place.drain(place.agent()[0])
    assert ids(place.submissions) == [1, 2]


def test_the_results_folder_learns_which_file_a_fingerprint_is(place: InboxPlace) -> None:
    """The receipts follower finds name and path by fingerprint and number in the stream."""
    place.put("licences/a.csv", rows(2))
    place.put("penalties/b.csv", rows(2))
    place.drain(place.agent()[0])
    entries = sorted(
        (
            json.loads(path.read_text(encoding="utf-8"))
            for path in (place.folder / "results" / ".sources").glob("*.json")
        ),
        key=lambda entry: entry["first_sequence"],
    )
    assert [(e["folder"], e["name"], e["first_sequence"]) for e in entries] == [
        ("licences", "a.csv", 1),
        ("penalties", "b.csv", 3),
    ]
    position = header(place.submissions[0], "hub_position")
    assert entries[0]["fingerprint"].startswith(position.split(":")[0])


def test_a_full_disk_stops_nothing_for_good(
    place: InboxPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark cannot be written: the agent starts again and goes on once there is room."""
    place.put("licences/a.csv", rows(2))
    agent, _ = place.agent()
    real = OpenFolder.create
    failures = iter([True, True])

    def full(folder: OpenFolder, name: str | bytes, mode: int = 0o640) -> BinaryIO:
        if next(failures, False):
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(folder, name, mode)

    monkeypatch.setattr(OpenFolder, "create", full)
    polls = iter([False] * 40)
    agent.run(stop=lambda: next(polls, True))
    assert place.broker.initialised == 3
    assert ids(place.submissions) == [1, 2]


def test_read_and_unreadable_files_are_counted(place: InboxPlace) -> None:
    """What the metrics show: rows by kind, files by result."""
    place.put("licences/a.csv", rows(2))
    place.put("licences/b.pdf", b"%PDF")
    kinds_submitted, files = Counter[str](), Counter[str]()

    def count(event: Event) -> None:
        match event:
            case RowsSubmitted(counts):
                kinds_submitted.update(counts)
            case FileFinished(result):
                files[result] += 1

    agent, _ = place.agent()
    agent._report = count
    place.drain(agent)
    assert kinds_submitted == {"licence.granted.v1": 2, "row.unreadable.v1": 1}
    assert files == {"read": 1, "unreadable": 1}
