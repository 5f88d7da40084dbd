"""Where the ledger's end is written down apart from the ledger.

`heads.json` in a worker's own folder says what it has seen; `hub audit` reads it. Anchors are
meant for another machine: in a folder one file for each partition, one line for each head. Each
line has the hash of the line before, so that a line that was changed or taken out shows. Lines are
written in rounds, one in every file, each with the number of its round and the partitions of it, so
that a file which lost its last lines, or is gone, shows in the others. Where all files end with the
same earlier round nothing in the folder says so.
"""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import ExitStack, suppress
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.core.keys import Head
from hub.core.ledger_end import Seen
from hub.io.paths import OpenFolder, open_folder, read_of_each, replace_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

HEADS: Final = "heads.json"
_FILE: Final = re.compile(rb"ledger-(0|[1-9][0-9]{0,5})\.jsonl")
"""As `_file_of` writes it: `ledger-00.jsonl` is none of ours, and would be a second one of 0."""
_LARGEST_HEADS: Final = 1 << 20
"""Octets; a partition takes some two hundred."""
_WRITE_SECONDS: Final = 1.0
_FIRST: Final = "0" * 64
_TAIL: Final = 1 << 16
"""Octets at the end of a file among which its last line is looked for; a line has some hundreds."""
ALTERED: Final = "ANCHOR_ALTERED"
CUT: Final = "ANCHOR_CUT"
_UNREADABLE: Final = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class BrokenAnchorError(Exception):
    """A file of anchors that was altered, cannot be read, or lacks lines.

    `code`: of the catalogue of reasons.
    """

    def __init__(self, code: str, name: str, partition: int, line: int) -> None:
        super().__init__(f"{name}:{line}")
        self.code, self.partition = code, partition


class _AnchorLine(NamedTuple):
    """One line of a file of anchors."""

    head: Head
    before: str
    round: int
    partitions: tuple[int, ...]
    """Each of the round: its file has a line of this round, too."""


class _End(NamedTuple):
    """Where a file of anchors is written on."""

    handle: int
    size: int
    """Octets of whole lines."""
    text: bytes
    """The last of them; empty for none."""
    line: _AnchorLine | None


def head_as_json(head: Head) -> dict[str, object]:
    """A head as it is written down."""
    return {
        "sequence": head.sequence, "hash": head.last_hash.hex(), "decided_at": head.decided_at,
        "next_offset": head.next_offset, "epoch": head.epoch,
    }  # fmt: skip


def head_from_json(told: Mapping[str, object]) -> Head:
    """Read what `head_as_json` wrote; raises what `_UNREADABLE` names."""
    numbers = [told[name] for name in ("sequence", "decided_at", "next_offset", "epoch")]
    digest = bytes.fromhex(str(told["hash"]))
    if any(type(number) is not int or number < 0 for number in numbers) or len(digest) != 32:  # noqa: PLR2004 - SHA-256
        raise ValueError(told["sequence"])
    sequence, decided_at, next_offset, epoch = (int(str(number)) for number in numbers)
    return Head(sequence, digest, decided_at, next_offset, epoch)


class HeadFile:
    """The ledger's ends that one worker saw, in its own folder; written at most once a second."""

    def __init__(self, folder: Path, seconds: Callable[[], float] = time.monotonic) -> None:
        self._path = folder / HEADS
        self._seconds = seconds
        self._due = seconds()
        self._written: Mapping[int, Head] = {}

    def note(self, heads: Mapping[int, Head]) -> None:
        """Write the heads down where they have changed; a disk that refuses is asked again."""
        if heads == self._written or self._seconds() < self._due:
            return
        self._due = self._seconds() + _WRITE_SECONDS
        content = {str(p): head_as_json(head) for p, head in heads.items() if head.sequence}
        try:
            replace_file(self._path, json.dumps(content).encode("ascii"), durable=False)
        except OSError:
            return
        self._written = dict(heads)


def read_heads(workers: Path) -> Iterator[Seen]:
    """Read the ends that a site's workers saw, from their folders; unreadable files are left out.

    A file is its worker's memory of the ledger, no more: it is written again.
    """
    for worker, content in read_of_each(workers, HEADS, _LARGEST_HEADS):
        try:
            told = json.loads(content)
            found = [Seen(worker, int(p), head_from_json(head)) for p, head in told.items()]
        except _UNREADABLE:
            continue
        yield from found


def append_anchors(folder: Path, heads: Mapping[int, Head]) -> None:
    """Write these heads down as a round: a line in each partition's file, unless all say so.

    A line that a power cut left unfinished is taken away; a round that it left unfinished is ended.
    Raises `OSError`, and `ValueError` where a last line is not an anchor: an altered file is not
    written on.
    """
    heads = {
        partition: heads[partition] for partition in sorted(heads) if heads[partition].sequence
    }
    with ExitStack() as opened:
        place = opened.enter_context(open_folder(folder, make=True))
        ends: dict[int, _End] = {}
        for partition in heads:
            handle = place.keep(_file_of(partition))
            opened.callback(os.close, handle)
            ends[partition] = _end_of(handle)
        due = _due(heads, ends)
        for partition, number in due.items():
            _write(ends[partition], heads[partition], number, tuple(heads))


def _due(heads: Mapping[int, Head], ends: Mapping[int, _End]) -> dict[int, int]:
    """Which files get a line of which round."""
    rounds = {p: end.line.round if end.line else 0 for p, end in ends.items()}
    newest = max(rounds.values(), default=0)
    begun = {
        partition
        for end in ends.values()
        if end.line is not None and end.line.round == newest
        for partition in end.line.partitions
        if partition in rounds
    }
    done = [rounds[partition] == newest for partition in sorted(begun)]
    if not all(done):
        if done == sorted(done, reverse=True):  # files are written in this order
            return {p: newest for p in sorted(begun) if rounds[p] != newest}
    elif all(end.line and end.line.head == heads[p] for p, end in ends.items()):
        return {}
    return dict.fromkeys(heads, newest + 1)


def _write(end: _End, head: Head, number: int, partitions: tuple[int, ...]) -> None:
    before = sha256(end.text).hexdigest() if end.text else _FIRST
    content = {**head_as_json(head), "before": before, "round": number, "partitions": partitions}
    os.ftruncate(end.handle, end.size)
    os.lseek(end.handle, 0, os.SEEK_END)
    os.write(end.handle, json.dumps(content, sort_keys=True).encode("ascii") + b"\n")
    os.fsync(end.handle)


def last_anchors(folder: Path) -> Iterator[Seen]:
    """Return the last anchor of each partition; lines that are not anchors are left out.

    Raises `OSError`.
    """
    with open_folder(folder) as place:
        for name, partition in _files_in(place):
            with place.opened(name, is_others=False) as found, suppress(ValueError):
                end = _end_of(found.file.fileno())
                if end.line is not None:
                    yield Seen(f"anchor {name}", partition, end.line.head)


def read_anchors(folder: Path) -> Iterator[Seen | BrokenAnchorError]:
    """Every anchor of a folder; for a file that is not whole, also what is wrong with it.

    An unfinished last line comes from a power cut and is accepted. Raises `OSError`.
    """
    begins: dict[int, int] = {}
    """Partition → the first round that any file says it was in."""
    owed: dict[int, int] = {}
    """Partition → the last such round."""
    found: dict[int, tuple[int, int, int]] = {}
    """Partition → first and last round of its own file, and lines."""
    with open_folder(folder) as place:
        for name, partition in _files_in(place):
            before, first, last, count = _FIRST, 0, 0, 0
            with place.opened(name, is_others=False) as opened:
                for text in iter(partial(opened.file.readline, _TAIL), b""):
                    if not text.endswith(b"\n") and len(text) < _TAIL:
                        break
                    count += 1
                    try:
                        line = _read_line(text)
                    except _UNREADABLE:
                        yield BrokenAnchorError(ALTERED, name, partition, count)
                        break
                    if line.before != before:
                        yield BrokenAnchorError(ALTERED, name, partition, count)
                    elif last and line.round != last + 1:
                        yield BrokenAnchorError(CUT, name, partition, count)
                    yield Seen(f"anchor {name}:{count}", partition, line.head)
                    before, first, last = sha256(text).hexdigest(), first or line.round, line.round
                    for each in line.partitions:
                        begins[each] = min(begins.get(each, line.round), line.round)
                        owed[each] = max(owed.get(each, 0), line.round)
            found[partition] = (first, last, count)
    for partition, number in owed.items():
        first, last, count = found.get(partition, (0, 0, 0))
        if last < number or first > begins[partition]:
            yield BrokenAnchorError(CUT, _file_of(partition), partition, count)


def _file_of(partition: int) -> str:
    return f"ledger-{partition}.jsonl"


def _files_in(place: OpenFolder) -> list[tuple[str, int]]:
    """The files of anchors in a folder, in the order of their names, and their partitions."""
    found = filter(None, map(_FILE.fullmatch, place.names()))
    return [(each[0].decode("ascii"), int(each[1])) for each in found]


def _read_line(text: bytes) -> _AnchorLine:
    """Read a line of anchors; raises what `_UNREADABLE` names."""
    told = json.loads(text)
    number, partitions = told["round"], tuple(told["partitions"])
    if any(type(one) is not int or one < 0 for one in (number, *partitions)) or not number:
        raise ValueError(number)
    return _AnchorLine(head_from_json(told), str(told["before"]), number, partitions)


def _end_of(handle: int) -> _End:
    """Return the last whole line of a file of anchors. Raises `ValueError` for any other text."""
    size = os.fstat(handle).st_size
    start = max(0, size - _TAIL)
    tail = os.pread(handle, size - start, start)
    whole = tail[: tail.rfind(b"\n") + 1]
    text = whole[whole.rfind(b"\n", 0, -1) + 1 :]
    if not text and start:
        raise ValueError(size)
    try:
        line = _read_line(text) if text else None
    except _UNREADABLE as error:
        raise ValueError(size) from error
    return _End(handle, start + len(whole), text, line)
