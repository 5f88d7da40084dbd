"""Heads of the ledger written down apart: what a folder of anchors can prove, and what not."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hub.adapters.head_files import (
    ALTERED,
    CUT,
    HEADS,
    BrokenAnchorError,
    HeadFile,
    append_anchors,
    head_as_json,
    last_anchors,
    read_anchors,
    read_heads,
)
from hub.core.keys import GENESIS, Head
from hub.core.ledger_end import Seen
from hub.io.paths import NotPlainError

ROUNDS = 5


def head(sequence: int, epoch: int = 0) -> Head:
    """A head of so many records."""
    return Head(sequence, bytes([sequence]) * 32, 1_000 + sequence, 2 * sequence, epoch)


@pytest.fixture
def anchored(tmp_path: Path) -> Path:
    """A folder of five rounds; partition 2 begins in the third, and is the only one that grows."""
    folder = tmp_path / "anchors"
    for number in range(1, ROUNDS + 1):
        late = {2: head(number)} if number > 2 else {2: GENESIS}
        append_anchors(folder, {0: head(9), 1: head(min(number, 3)), **late})
    return folder


def file_of(folder: Path, partition: int) -> Path:
    """Its file."""
    return folder / f"ledger-{partition}.jsonl"


def lines_of(folder: Path, partition: int) -> list[bytes]:
    """Its lines."""
    return file_of(folder, partition).read_bytes().splitlines(keepends=True)


def put_lines(folder: Path, partition: int, lines: list[bytes]) -> None:
    """In place of those."""
    file_of(folder, partition).write_bytes(b"".join(lines))


def wrong_with(folder: Path) -> list[tuple[str, int]]:
    """Code and partition of all that is not whole."""
    found = [one for one in read_anchors(folder) if isinstance(one, BrokenAnchorError)]
    return [(one.code, one.partition) for one in found]


def test_what_was_written_down_is_read_back(anchored: Path) -> None:
    """Each head by its line, nothing wrong; a partition without records has no file before."""
    seen = [one for one in read_anchors(anchored) if isinstance(one, Seen)]
    assert [(s.who, s.head) for s in seen if s.partition == 2] == [
        (f"anchor ledger-2.jsonl:{line}", head(line + 2)) for line in (1, 2, 3)
    ]
    assert wrong_with(anchored) == []
    assert len(lines_of(anchored, 0)) == ROUNDS
    assert {s.partition: s.head for s in last_anchors(anchored)} == {
        0: head(9), 1: head(3), 2: head(5),
    }  # fmt: skip


def test_nothing_new_is_not_written_again(anchored: Path) -> None:
    """The receipts worker asks once a minute, also through a quiet year."""
    before = [lines_of(anchored, partition) for partition in range(3)]
    append_anchors(anchored, {0: head(9), 1: head(3), 2: head(5)})
    assert [lines_of(anchored, partition) for partition in range(3)] == before


@pytest.mark.parametrize("partition", [0, 1, 2])
@pytest.mark.parametrize("left", [0, 1, 2])
def test_a_file_that_lost_its_last_lines_shows_in_the_others(
    anchored: Path, partition: int, left: int
) -> None:
    """One line or all of them; also of a partition in which nothing happened meanwhile."""
    put_lines(anchored, partition, lines_of(anchored, partition)[:left])
    assert wrong_with(anchored) == [(CUT, partition)]
    file_of(anchored, partition).unlink()
    assert wrong_with(anchored) == [(CUT, partition)]


@pytest.mark.parametrize(
    ("partition", "left"), [(0, 0), (0, 2), (0, 4), (1, 0), (1, 3), (1, 4), (2, 0), (2, 1)]
)
def test_lines_that_are_gone_stay_missed_when_others_follow(
    anchored: Path, partition: int, left: int
) -> None:
    """The worker goes on behind what is left: the rounds in between show."""
    put_lines(anchored, partition, lines_of(anchored, partition)[:left])
    for number in (6, 7, 8):
        append_anchors(anchored, {0: head(9), 1: head(number), 2: head(number)})
        assert wrong_with(anchored) == [(CUT, partition)]


def test_an_older_copy_of_the_whole_folder_cannot_be_known(anchored: Path) -> None:
    """What docs/adr/0025 says of it."""
    for partition, left in ((0, 3), (1, 3), (2, 1)):
        put_lines(anchored, partition, lines_of(anchored, partition)[:left])
    assert wrong_with(anchored) == []


def test_a_round_that_a_power_cut_ended_is_gone_on_with(anchored: Path) -> None:
    """Files are written in order: those behind have no line of it, or half a line."""
    whole = lines_of(anchored, 1)
    put_lines(anchored, 1, [*whole[:-1], whole[-1][:30]])
    put_lines(anchored, 2, lines_of(anchored, 2)[:-1])
    append_anchors(anchored, {0: head(9), 1: head(3), 2: head(5)})
    assert wrong_with(anchored) == []
    assert [len(lines_of(anchored, partition)) for partition in range(3)] == [5, 5, 3]


def test_an_unfinished_line_is_no_fault(anchored: Path) -> None:
    """The next one takes its place."""
    put_lines(anchored, 0, [*lines_of(anchored, 0), b'{"sequen'])
    assert wrong_with(anchored) == []
    append_anchors(anchored, {0: head(10), 1: head(3), 2: head(5)})
    assert wrong_with(anchored) == []
    assert json.loads(lines_of(anchored, 0)[-1])["sequence"] == 10


def test_a_line_that_was_changed_or_taken_out_shows(anchored: Path) -> None:
    """Each line has the hash of the one before."""
    whole = lines_of(anchored, 0)
    put_lines(anchored, 0, [whole[0], whole[1].replace(b"1009", b"1008"), *whole[2:]])
    assert wrong_with(anchored) == [(ALTERED, 0)]
    put_lines(anchored, 0, [*whole[:2], *whole[3:]])
    assert wrong_with(anchored) == [(ALTERED, 0)]


@pytest.mark.parametrize(
    "text",
    [b"what\n", b"{}\n", b"[" * 5_000 + b"\n", b'{"round": 0}\n', b"x" * (1 << 17),
     b"[]\n", b"7\n", b"null\n", b'{"round": 1e400, "partitions": []}\n', b"9" * 5_000 + b"\n"],
)  # fmt: skip
def test_what_is_no_anchor_is_not_written_on(anchored: Path, text: bytes) -> None:
    """It is kept as it is for whoever looks into it, and costs its worker no life."""
    with file_of(anchored, 1).open("ab") as file:
        file.write(text)
    kept = file_of(anchored, 1).read_bytes()
    with pytest.raises(ValueError, match=r".*"):
        append_anchors(anchored, {0: head(9), 1: head(4), 2: head(5)})
    assert file_of(anchored, 1).read_bytes() == kept
    assert {one.partition for one in last_anchors(anchored)} == {0, 2}
    assert wrong_with(anchored) == [(ALTERED, 1)]


@pytest.mark.parametrize(
    "put",
    [
        lambda at: at.symlink_to(at.parent.parent / "other"), lambda at: at.symlink_to("/dev/full"),
        os.mkfifo, Path.mkdir,
    ],
    ids=["link", "device", "pipe", "folder"],
)  # fmt: skip
def test_what_is_no_file_is_not_followed(
    anchored: Path, tmp_path: Path, put: Callable[[Path], None]
) -> None:
    """A folder on another machine is not the hub's alone; a pipe would hold its worker up."""
    file_of(anchored, 1).unlink()
    (tmp_path / "other").write_bytes(b"")
    put(file_of(anchored, 1))
    with pytest.raises(NotPlainError):
        append_anchors(anchored, {0: head(9), 1: head(4), 2: head(5)})
    with pytest.raises(NotPlainError):
        list(last_anchors(anchored))
    assert (tmp_path / "other").read_bytes() == b""


@pytest.mark.parametrize("name", ["00", "٣", "-1", "x", "", "9" * 200, "1.old"])
def test_a_name_that_is_not_written_so_is_no_file_of_anchors(anchored: Path, name: str) -> None:
    """`ledger-00` was read as a second file of partition 0, and `ledger-٣` as one of 3."""
    kept = list(read_anchors(anchored)), list(last_anchors(anchored))
    stranger = anchored / f"ledger-{name}.jsonl"
    stranger.write_bytes(b"".join(lines_of(anchored, 0)[:1]))
    assert wrong_with(anchored) == []
    assert (list(read_anchors(anchored)), list(last_anchors(anchored))) == kept


def test_heads_are_written_once_a_second_and_read_by_worker(tmp_path: Path) -> None:
    """A folder that cannot be written to is tried again."""
    now, folder = [0.0], tmp_path / "receipts"
    noted = HeadFile(folder, lambda: now[0])
    noted.note({0: head(3), 1: GENESIS})
    folder.mkdir()
    now[0] = 0.9
    noted.note({0: head(3), 1: GENESIS})
    assert not (folder / HEADS).exists()
    now[0] = 1.1
    noted.note({0: head(3), 1: GENESIS})
    assert list(read_heads(tmp_path)) == [Seen("receipts", 0, head(3))]
    now[0] = 1.9
    noted.note({0: head(4)})
    assert list(read_heads(tmp_path)) == [Seen("receipts", 0, head(3))]
    now[0] = 2.2
    noted.note({0: head(4)})
    assert list(read_heads(tmp_path)) == [Seen("receipts", 0, head(4))]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"0": {}}',
        '{"0": {"sequence": -1}}',
        "[" * 5_000,
        '{"x": 1}',
        '{"0": {"sequence": 1, "hash": "00", "decided_at": 1, "next_offset": 1, "epoch": 0}}',
    ],
)
def test_heads_that_nobody_can_read_are_left_out(tmp_path: Path, text: str) -> None:
    """They are their worker's memory, no more, and are written again."""
    for name in ("courier.province", "receipts"):
        (tmp_path / name).mkdir()
    (tmp_path / "courier.province" / HEADS).write_text(text, "ascii")
    HeadFile(tmp_path / "receipts", lambda: 0.0).note({0: head(1)})
    assert [one.who for one in read_heads(tmp_path)] == ["receipts"]
    os.truncate(tmp_path / "receipts" / HEADS, 5)
    assert list(read_heads(tmp_path)) == []


def test_heads_behind_a_link_are_no_workers(tmp_path: Path) -> None:
    """Another site's folder, linked in, would say that records of this ledger are missing."""
    home, other = tmp_path / "county", tmp_path / "other" / "receipts"
    other.mkdir(parents=True)
    HeadFile(other, lambda: 0.0).note({0: head(9)})
    (home / "receipts").mkdir(parents=True)
    (home / "receipts" / HEADS).symlink_to(other / HEADS)
    (home / "notices").symlink_to(other)
    (home / "courier").mkdir()
    os.mkfifo(home / "courier" / HEADS)
    assert list(read_heads(home)) == []
    assert list(read_heads(tmp_path / "nowhere")) == []
    assert list(read_heads(other / HEADS)) == [], "nor is a file, or a folder one may not open"


def test_heads_larger_than_any_ledgers_are_left_out(tmp_path: Path) -> None:
    """A file of gigabytes is not taken into memory."""
    (tmp_path / "receipts").mkdir()
    told = {"0": head_as_json(head(1))}
    file = tmp_path / "receipts" / HEADS
    file.write_text(json.dumps(told).ljust(1 << 20), "ascii")
    assert [one.head for one in read_heads(tmp_path)] == [head(1)]
    file.write_text(json.dumps(told).ljust((1 << 20) + 1), "ascii")
    assert list(read_heads(tmp_path)) == []
