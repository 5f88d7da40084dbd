"""Folders of files: one stream per department's inbox, each file once, each row once.

Files are taken in the order of folder and name, one after the other. A file's start is committed
before its first row, so that after a crash the numbers in flight belong to that file and no other.
A file that changes under its name after reading began is refused: its old rows are on record, and
which of the new ones replace them is for a person to say.
"""

import json
import logging
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from connectors.agent import Batch, CursorTexts, write_whole
from connectors.files_of_rows import read_rows
from connectors.layout import Folder, Layouts
from connectors.snapshot import SnapshotDeclarer
from connectors.submission import RowSubmitter, Submission
from connectors.tables import MAX_FILE_BYTES, SourceRow
from hub.errors import SourceError, UnavailableError

BATCH_ROWS: Final = 2_000
BATCH_BYTES: Final = 8 * 1024 * 1024
_UNFINISHED: Final = (".tmp", ".part", ".partial", ".crdownload", ".filepart", ".swp", "~")
_NOT_DEPARTMENTS: Final = frozenset({"thumbs.db", "desktop.ini"})

_log = logging.getLogger("hub.connector")


@dataclass(frozen=True, slots=True)
class FileCursor:
    """How far one file has been read; `rows` counts rows submitted, `sequence` is its first."""

    fingerprint: str
    sequence: int
    rows: int = 0
    size: int = 0
    modified_ns: int = 0
    is_done: bool = False

    def as_json(self, path_digest: str) -> dict[str, object]:
        """Return the cursor entry; a path is personal enough to stay on the connector's machine."""
        return {
            "path": path_digest,
            "fingerprint": self.fingerprint,
            "first_sequence": self.sequence,
            "rows": self.rows,
            "size": self.size,
            "modified_ns": self.modified_ns,
            "done": self.is_done,
        }


def _cursor_of(entry: Mapping[str, object]) -> FileCursor:
    try:
        return FileCursor(
            str(entry["fingerprint"]),
            int(str(entry["first_sequence"])),
            int(str(entry["rows"])),
            int(str(entry["size"])),
            int(str(entry["modified_ns"])),
            is_done=bool(entry["done"]),
        )
    except (KeyError, ValueError):
        raise SourceError("游标记录损坏 / a cursor entry is damaged") from None


class _Stamp(NamedTuple):
    """Size and time of a file; equal twice in a row means nobody is writing it."""

    size: int
    modified_ns: int


class _Content(NamedTuple):
    fingerprint: str
    octets: bytes
    """Empty when the file is above the limit."""
    stamp: _Stamp


class _Open:
    """The file being read: its rows from the cursor on."""

    def __init__(self, key: str, folder: Folder, cursor: FileCursor, content: _Content) -> None:
        self.key = key
        self.folder = folder
        self.cursor = cursor
        self.content = content
        self.rows: Iterator[SourceRow | Submission] = iter(())
        """Rows, or what a whole file states."""


class FileSource:
    """Reads an inbox whose folders say what is declared in them (`Folder`)."""

    def __init__(
        self,
        inbox: Path,
        results: Path,
        submitter: RowSubmitter,
        layouts: Iterable[Layouts],
        snapshots: SnapshotDeclarer,
        abandon: frozenset[str] = frozenset(),
    ) -> None:
        """Take the folders and layouts, and what makes a statement of a full list.

        `abandon` names half-read files (`licences/a.xlsx`) that are lost and shall not be read on.
        """
        self._inbox = inbox
        self._results = results
        self._submitter = submitter
        self._layouts = {each.folder: each for each in layouts}
        self._snapshots = snapshots
        self._abandon = frozenset(_path_key(name) for name in abandon)
        self._files: dict[str, FileCursor] = {}
        self._seen: dict[Path, _Stamp] = {}
        self._open: _Open | None = None
        self._next: _Open | None = None
        self._misplaced = 0

    def restore(self, cursors: CursorTexts) -> None:
        """Take up the cursors; a file that was begun is read on before any other."""
        self._files = {key: _cursor_of(entry) for key, entry in cursors.items()}
        self._open = self._next = None
        self._seen = {}

    def next_batch(self, sequence: int) -> Batch | None:
        """Return the next rows of the open file, or the start of a new one, or None."""
        if self._open is None:
            self._open = self._resumed()
        if self._open is not None:
            return self._rows_of(self._open, sequence)
        return self._begin(sequence)

    def committed(self) -> None:
        """Take note of what `next_batch` returned last."""
        if self._next is None:
            return
        done = self._next
        self._files[done.key] = done.cursor
        self._open = None if done.cursor.is_done else done
        self._next = None

    # --- one file ---------------------------------------------------------------------------------

    def _rows_of(self, current: _Open, sequence: int) -> Batch:
        """Return a bounded run of rows; the cursor after them says whether the file is done."""
        made: list[Submission] = []
        octets = rows = 0
        is_done = True
        finished = "read"
        for row in current.rows:
            if isinstance(row, SourceRow) and not row.row_number:
                finished = "unreadable"
            made += self._submissions(current, row, sequence + len(made))
            rows += 1
            octets += len(made[-1].value)
            if rows >= BATCH_ROWS or octets >= BATCH_BYTES:
                is_done = False
                break
        cursor = replace(current.cursor, rows=current.cursor.rows + rows, is_done=is_done)
        after = _Open(current.key, current.folder, cursor, current.content)
        after.rows = current.rows
        self._next = after
        cursors = {current.key: cursor.as_json(current.key)}
        return Batch(tuple(made), cursors, finished if is_done else "")

    def _submissions(
        self, current: _Open, row: SourceRow | Submission, sequence: int
    ) -> tuple[Submission, ...]:
        if isinstance(row, Submission):
            return (row,)
        layouts = self._layouts[current.folder]
        fingerprint = current.cursor.fingerprint
        if not row.row_number:
            octets = current.content.octets
            return (self._submitter.unreadable_file(row, layouts.kind, fingerprint, octets),)
        return self._submitter.submissions(row, layouts, fingerprint, sequence)

    def _opened(
        self, key: str, folder: Folder, name: str, cursor: FileCursor, content: _Content
    ) -> _Open:
        """Return the file with its rows behind those already submitted."""
        opened = _Open(key, folder, cursor, content)
        layouts = self._layouts[folder]
        rows: Iterator[SourceRow | Submission]
        if content.stamp.size > MAX_FILE_BYTES:
            rows = iter((SourceRow(0, 0, (), (), "FILE_TOO_LARGE"),))
        elif folder is Folder.COURT_SNAPSHOTS:
            table = read_rows(content.octets, layouts.is_header())
            rows = self._snapshots.declare(
                table, layouts, content.fingerprint, name, cursor.sequence
            )
        else:
            rows = read_rows(content.octets, layouts.is_header())
        for _ in range(cursor.rows):
            next(rows, None)
        opened.rows = rows
        return opened

    def _resumed(self) -> _Open | None:
        """Return the file that was begun and not finished; refuse when it is not as it was."""
        begun = [key for key, cursor in self._files.items() if not cursor.is_done]
        if not begun:
            return None
        if len(begun) > 1:
            raise SourceError("游标记录损坏：有多个未读完的文件 / several files are begun at once")
        key = begun[0]
        cursor = self._files[key]
        for folder, path in self._paths():
            if self._key(folder, path) == key:
                content = _read(path)
                if content is None:
                    raise UnavailableError("文件暂时无法读取 / a file cannot be read just now")
                if content.fingerprint != cursor.fingerprint:
                    raise _reset(key, cursor, folder.value)
                self._write_manifest(folder, path, cursor)
                return self._opened(key, folder, path.name, cursor, content)
        if key in self._abandon:
            done = replace(cursor, is_done=True)
            gone = _Content(cursor.fingerprint, b"", _Stamp(0, 0))
            return _Open(key, Folder.LICENCES, done, gone)
        raise _reset(key, cursor, "已不在收件目录 / no longer in the inbox")

    # --- the inbox --------------------------------------------------------------------------------

    def _begin(self, sequence: int) -> Batch | None:
        """Look for the next new file that nobody is writing any more, and commit its start."""
        for folder, path in self._paths():
            stamp = _stamp(path)
            if stamp is None:
                continue
            was = self._seen.get(path)
            self._seen[path] = stamp
            key = self._key(folder, path)
            known = self._files.get(key)
            if known is not None and stamp == (known.size, known.modified_ns):
                continue
            if was != stamp:
                continue  # half written, or seen for the first time
            content = _read(path)
            if content is None or content.stamp != stamp:
                continue
            if known is not None:
                if known.fingerprint != content.fingerprint:
                    raise _reset(key, known, folder.value)
                self._files[key] = replace(known, size=stamp.size, modified_ns=stamp.modified_ns)
                continue
            cursor = FileCursor(content.fingerprint, sequence, 0, *stamp)
            self._write_manifest(folder, path, cursor)
            self._next = self._opened(key, folder, path.name, cursor, content)
            return Batch((), {key: cursor.as_json(key)})
        return None

    def _paths(self) -> Iterator[tuple[Folder, Path]]:
        """Yield the files of the folders in a fixed order; say when files lie elsewhere."""
        for folder in Folder:
            directory = self._inbox / folder.value
            if directory.is_dir():
                for path in sorted(directory.iterdir()):
                    if not _is_ignored(path.name):
                        yield folder, path
        if self._inbox.is_dir():
            misplaced = sum(
                1 for path in self._inbox.iterdir() if path.is_file() and not _is_ignored(path.name)
            )
            if misplaced != self._misplaced:
                self._misplaced = misplaced
                _log.warning("files outside the folders", extra={"count": misplaced})

    def _key(self, folder: Folder, path: Path) -> str:
        return _path_key(f"{folder.value}/{path.name}")

    def _write_manifest(self, folder: Folder, path: Path, cursor: FileCursor) -> None:
        """Tell the receipts follower which file a fingerprint is, so that it can name the result.

        One file per source file: `<results>/.sources/<path digest>.json`.
        """
        sources = self._results / ".sources"
        sources.mkdir(parents=True, exist_ok=True)
        entry = {
            "folder": folder.value,
            "name": path.name,
            "path": str(path.absolute()),
            "fingerprint": cursor.fingerprint,
            "first_sequence": cursor.sequence,
        }
        digest = self._key(folder, path).removeprefix("path:")
        write_whole(sources / f"{digest}.json", json.dumps(entry, ensure_ascii=False))


def _path_key(relative: str) -> str:
    return f"path:{sha256(relative.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"


def _is_ignored(name: str) -> bool:
    """Whether the name is that of a file being written, or of a program's own file."""
    lower = name.lower()
    return lower.startswith((".", "~$")) or lower.endswith(_UNFINISHED) or lower in _NOT_DEPARTMENTS


def _stamp(path: Path) -> _Stamp | None:
    """Return size and time; None for what is no file or has gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return _Stamp(found.st_size, found.st_mtime_ns)


def _read(path: Path) -> _Content | None:
    """Read a file with its SHA-256 and the stamp it had before and after; None when it moved.

    A file above the limit is only digested.
    """
    stamp = _stamp(path)
    if stamp is None:
        return None
    digest = sha256()
    kept: list[bytes] = []
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
                if stamp.size <= MAX_FILE_BYTES:
                    kept.append(block)
    except OSError:
        _log.warning("a file cannot be read; permission or disk")
        return None
    if _stamp(path) != stamp:
        return None
    return _Content(digest.hexdigest(), b"".join(kept), stamp)


def _reset(key: str, cursor: FileCursor, where: str) -> SourceError:
    """Return the refusal: what happened, and the two ways on.

    A department may name a file after a person, so the message says where the name is found.
    """
    state = (
        "已读完 / finished" if cursor.is_done else f"已读{cursor.rows}行 / {cursor.rows} rows read"
    )
    mark = cursor.fingerprint[:16]
    manifest = f".sources/{key.removeprefix('path:')}.json"
    return SourceError(
        f"文件在读取后被替换或移走：{where}，指纹 {mark}，文件名见结果文件夹 {manifest}"
        f"（{state}），为避免漏报或重报，停止读取该来源\n"
        f"the file was replaced or removed after it was read: {where}, fingerprint {mark}, its "
        f"name stands in {manifest} in the results folder ({state}); "
        "this source is stopped so that nothing is lost or sent twice\n"
        "处理办法：把原文件放回原处；新内容请用新文件名另存后放入。"
        "原文件确已丢失的，用 --abandon 放弃其余行\n"
        "Remedy: put the original back and give the new content a new name; "
        "if the original is lost, give up its remaining rows with --abandon"
    )
