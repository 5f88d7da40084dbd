"""Where the ledger's end is written down apart from the ledger.

`heads.json` in a worker's own folder says what it has seen; whoever verifies reads it. Anchors are
meant for another machine: in a folder one file for each partition, one line for each head, each
line with the hash of the line before, so that a line that was changed or taken out shows.
"""

from __future__ import annotations

import json
import os
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.adapters.paths import replace_file
from hub.core.keys import Head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

HEADS: Final = "heads.json"
_WRITE_SECONDS: Final = 1.0
_FIRST: Final = "0" * 64
_UNREADABLE: Final = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class Seen(NamedTuple):
    """The end of a ledger partition as somebody saw it."""

    who: str
    partition: int
    head: Head


class BrokenAnchorError(Exception):
    """A file of anchors that was altered, or that nobody can read."""

    def __init__(self, name: str, partition: int, line: int) -> None:
        super().__init__(f"{name}:{line}")
        self.partition = partition


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
    """What one worker has seen, in its own folder; written at most once a second."""

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
    """What the workers of a site have seen, from their folders; what nobody can read is left out.

    A file is its worker's memory of the ledger, no more: it is written again.
    """
    for path in sorted(workers.glob(f"*/{HEADS}")):
        try:
            content = json.loads(path.read_text(encoding="ascii"))
            found = [
                Seen(path.parent.name, int(p), head_from_json(told)) for p, told in content.items()
            ]
        except (OSError, *_UNREADABLE):
            continue
        yield from found


def append_anchors(folder: Path, heads: Mapping[int, Head]) -> None:
    """Write down these heads, each in its partition's file, unless it says so already.

    A line that a power cut left unfinished is ended first. Raises `OSError`.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for partition, head in heads.items():
        if not head.sequence:
            continue
        path = folder / f"ledger-{partition}.jsonl"
        lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
        whole = [line for line in lines if line.endswith(b"\n")]
        last = whole[-1] if whole else b""
        content = head_as_json(head)
        if last and json.loads(last) == {**content, "before": json.loads(last).get("before")}:
            continue
        content["before"] = sha256(last).hexdigest() if last else _FIRST
        with path.open("r+b" if lines else "wb") as file:
            file.truncate(sum(map(len, whole)))
            file.seek(0, os.SEEK_END)
            file.write(json.dumps(content, sort_keys=True).encode("ascii") + b"\n")
            file.flush()
            os.fsync(file.fileno())


def read_anchors(folder: Path) -> Iterator[Seen | BrokenAnchorError]:
    """Every anchor of a folder; for a file that is not whole, also what is wrong with it.

    An unfinished last line is a power cut's, and is no fault.
    """
    for path in sorted(folder.glob("ledger-*.jsonl")):
        partition = int(number) if (number := path.stem.partition("-")[2]).isdecimal() else -1
        before = _FIRST
        for count, line in enumerate(path.read_bytes().splitlines(keepends=True), 1):
            if not line.endswith(b"\n"):
                break
            try:
                told = json.loads(line)
                head = head_from_json(told)
                is_next = told["before"] == before
            except _UNREADABLE:
                yield BrokenAnchorError(path.name, partition, count)
                break
            if not is_next:
                yield BrokenAnchorError(path.name, partition, count)
            yield Seen(f"anchor {path.name}:{count}", partition, head)
            before = sha256(line).hexdigest()
