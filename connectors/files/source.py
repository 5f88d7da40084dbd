"""Folders of files: one stream per department's inbox, each file once, each row once.

Files are taken in the order of folder and name, one after the other. A file's start is committed
before its first row, so that after a crash the numbers in flight belong to that file and no other.
A file that changes under its name after reading began is refused: its old rows are on record, and
which of the new ones replace them is for a person to say.

A department names its files freely and may put links there: names are octets, and only a regular
file with a single name is read (`hub.io.paths`). Any other is reported once.
"""

import errno
import json
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final, NamedTuple

from connectors.events import FileResult
from connectors.files.kept_rows import RowKeeper
from connectors.files.reader import READER
from connectors.files.sheet_writer import SOURCES, csv_result, write_result
from connectors.files.snapshot import SnapshotDeclarer
from connectors.layout import Folder, Layouts
from connectors.loop import Batch, CursorTexts
from connectors.submission import OutgoingSubmission, RowSubmitter
from connectors.tables import MAX_FILE_BYTES, SourceRow
from hub.domain.reasons import message
from hub.errors import SourceError, UnavailableError
from hub.io.paths import (
    FileMark,
    NotPlainError,
    OpenFolder,
    PlainFile,
    octets_of,
    open_folder,
    readable,
    result_name,
)

BATCH_ROWS: Final = 2_000
BATCH_BYTES: Final = 8 * 1024 * 1024
_UNFINISHED: Final = (".tmp", ".part", ".partial", ".crdownload", ".filepart", ".swp", "~")
_NOT_DEPARTMENTS: Final = frozenset({"thumbs.db", "desktop.ini"})
_LOOK_SECONDS: Final = 60.0
"""So often a file is looked for that changed in place, which leaves its folder as it was."""
_TICK_NS: Final = 2_000_000_000
"""A folder changed so lately may change again and keep its time: that of a coarse file system."""
_BLOCK: Final = 1 << 20
REFUSED_COLUMNS: Final = ("文件", "处理结果", "原因代码", "说明", "处理办法")

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


class InboxFile(NamedTuple):
    """A file of the inbox: its folder and the octets of its name."""

    folder: Folder
    name: bytes

    @property
    def key(self) -> str:
        """The key of its cursor."""
        return _path_key(self.folder.value.encode() + b"/" + self.name)

    @property
    def digest(self) -> str:
        """By what its manifest and its kept rows are named."""
        return self.key.removeprefix("path:")

    @property
    def manifest(self) -> str:
        """The name of its manifest in `SOURCES`."""
        return f"{self.digest}.json"


class _Content(NamedTuple):
    fingerprint: str
    octets: bytes
    """Empty when the file is above the limit."""
    mark: FileMark


class _Open:
    """The file being read: its rows from the cursor on."""

    def __init__(self, key: str, folder: Folder, cursor: FileCursor, content: _Content) -> None:
        self.key = key
        self.folder = folder
        self.cursor = cursor
        self.content = content
        self.rows: Iterator[SourceRow | OutgoingSubmission] = iter(())
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
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the folders and layouts, and what makes a statement of a full list.

        `abandon` names half-read files (`licences/a.xlsx`) that are lost and shall not be read on.
        """
        self._inbox = _Inbox(inbox, seconds)
        self._results = results
        self._keeper = RowKeeper(results)
        self._submitter = submitter
        self._layouts = {each.folder: each for each in layouts}
        self._snapshots = snapshots
        self._abandon = frozenset(_path_key(octets_of(name)) for name in abandon)
        self._files: dict[str, FileCursor] = {}
        self._begun: list[str] = []
        """Keys of files that were begun and not finished when the cursors were read."""
        self._open: _Open | None = None
        self._next: _Open | None = None
        self._told: dict[InboxFile, str] = {}
        """Files that cannot be read, with the reason that was reported."""

    def restore(self, cursors: CursorTexts) -> None:
        """Take up the cursors; a file that was begun is read on before any other."""
        self._files = {key: _cursor_of(entry) for key, entry in cursors.items()}
        self._begun = [key for key, cursor in self._files.items() if not cursor.is_done]
        self._open = self._next = None
        self._inbox.forget()

    def next_batch(self, sequence: int) -> Batch | None:
        """Return the next rows of the open file, or the start of a new one, or None."""
        if self._open is None and self._begun:
            self._open = self._resumed()
            self._begun = []
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
        made: list[OutgoingSubmission] = []
        octets = rows = 0
        is_done = True
        finished: FileResult = "read"
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
        return Batch(tuple(made), cursors, finished if is_done else None)

    def _submissions(
        self, current: _Open, row: SourceRow | OutgoingSubmission, sequence: int
    ) -> tuple[OutgoingSubmission, ...]:
        if isinstance(row, OutgoingSubmission):
            return (row,)
        layouts = self._layouts[current.folder]
        fingerprint = current.cursor.fingerprint
        if not row.row_number:
            octets = current.content.octets
            return (self._submitter.unreadable_file(row, layouts.kind, fingerprint, octets),)
        return self._submitter.submissions(row, layouts, fingerprint, sequence)

    def _opened(self, found: InboxFile, cursor: FileCursor, content: _Content) -> _Open:
        """Return the file with its rows behind those already submitted.

        Raises `UnavailableError` where it cannot be read on, as a busier machine may not.
        """
        folder = found.folder
        opened = _Open(found.key, folder, cursor, content)
        layouts = self._layouts[folder]
        table: Iterable[SourceRow]
        if content.mark.size > MAX_FILE_BYTES:
            table = (SourceRow(0, 0, (), (), "FILE_TOO_LARGE"),)
        else:
            table = READER.rows(content.octets, layouts.words)
        rows: Iterator[SourceRow | OutgoingSubmission]
        if folder is Folder.COURT_SNAPSHOTS:
            # one statement: its rows are not answered one by one, and may be persons'
            rows = self._snapshots.declare(
                table, layouts, content.fingerprint, readable(found.name), cursor.sequence
            )
        else:
            shown = (self._submitter.shown(row, layouts) for row in table)
            self._keeper.keep(found.digest, shown)
            rows = iter(table)
        if sum(1 for _ in islice(rows, cursor.rows)) < cursor.rows:
            raise UnavailableError(
                "已读过的文件这次未能读到原处，将自动重试\n"
                "a file cannot be read as far as before; tried again by itself"
            )
        opened.rows = rows
        return opened

    def _resumed(self) -> _Open:
        """Return the file that was begun and not finished; refuse when it is not as it was."""
        if len(self._begun) > 1:
            raise SourceError("游标记录损坏：有多个未读完的文件 / several files are begun at once")
        key = self._begun[0]
        cursor = self._files[key]
        found = self._inbox.find(key)
        if found is not None:
            content, _ = self._read(found)
            if content is None:
                raise UnavailableError("文件暂时无法读取 / a file cannot be read just now")
            if content.fingerprint != cursor.fingerprint:
                raise _reset(key, cursor, found.folder.value)
            opened = self._opened(found, cursor, content)
            self._write_manifest(found, cursor)
            return opened
        if key in self._abandon:
            done = replace(cursor, is_done=True)
            gone = _Content(cursor.fingerprint, b"", FileMark(0, 0, 0))
            return _Open(key, Folder.LICENCES, done, gone)
        raise _reset(key, cursor, "已不在收件目录 / no longer in the inbox")

    # --- the inbox --------------------------------------------------------------------------------

    def _begin(self, sequence: int) -> Batch | None:
        """Look for the next new file that is completely written, and commit its start."""
        self._told = {each: why for each, why in self._told.items() if self._inbox.is_waiting(each)}
        for found, seen in self._inbox.look(self._is_known):
            content, trouble = (None, seen) if isinstance(seen, str) else self._read(found)
            if trouble and self._refuse(found, trouble):
                return Batch((), {}, "unreadable")
            if content is None or content.mark != seen:
                continue
            self._told.pop(found, None)
            key, known = found.key, self._files.get(found.key)
            size, modified_ns, _ = content.mark
            if known is not None:
                if known.fingerprint != content.fingerprint:
                    raise _reset(key, known, found.folder.value)
                self._files[key] = replace(known, size=size, modified_ns=modified_ns)
                continue
            cursor = FileCursor(content.fingerprint, sequence, 0, size, modified_ns)
            self._next = self._opened(found, cursor, content)
            self._write_manifest(found, cursor)
            return Batch((), {key: cursor.as_json(key)})
        return None

    def _is_known(self, found: InboxFile, mark: FileMark) -> bool:
        """Whether the file was read, and looks as it did then."""
        known = self._files.get(found.key)
        return known is not None and mark[:2] == (known.size, known.modified_ns)

    def _read(self, found: InboxFile) -> tuple[_Content | None, str]:
        """Read a file with its SHA-256; none when it moved, or the reason why it cannot be read.

        Of a file above the limit the beginning is digested, and its size.
        """
        digest = sha256()
        kept: list[bytes] = []
        try:
            with self._inbox.opened(found) as plain:
                left = MAX_FILE_BYTES
                while left and (block := plain.file.read(min(left, _BLOCK))):
                    digest.update(block)
                    kept.append(block)
                    left -= len(block)
                if not plain.is_unchanged():
                    return None, ""
        except FileNotFoundError:
            return None, ""
        except OSError as error:
            return None, _trouble(error)
        if plain.mark.size > MAX_FILE_BYTES:
            digest.update(b"%d" % plain.mark.size)
            kept = []
        return _Content(digest.hexdigest(), b"".join(kept), plain.mark), ""

    def _refuse(self, found: InboxFile, trouble: str) -> bool:
        """Tell department and operator, once, why something is not read; True when it is news.

        A department may name a file after a person: the log says where its name is found.
        """
        if self._told.get(found) == trouble:
            return False
        name = readable(found.name) or found.folder.value
        said = message(trouble, name)
        row = (name, "未读取", trouble, said.zh, said.remedy)
        folder = found.folder.value if found.name else ""
        result = result_name(found.name or found.folder.value, ".result.csv")
        with csv_result(self._results, folder, result) as table:
            table.begin("", REFUSED_COLUMNS)
            table.row(row)
        self._told[found] = trouble
        where = message(trouble, f"{found.folder.value}/…")
        _log.warning(
            "%s，名称见结果文件夹；处理办法：%s / %s, its name is in the results; remedy: %s",
            where.zh,
            where.remedy,
            where.en,
            where.remedy_en,
            extra={"reason": trouble},
        )
        return True

    def _write_manifest(self, found: InboxFile, cursor: FileCursor) -> None:
        """Tell the receipts follower which file a fingerprint is, so that it can name the result.

        One file per source file: `<results>/.sources/<path digest>.json`. `octets` is the file's
        name in hex, `name` what people read.
        """
        entry = {
            "folder": found.folder.value,
            "name": readable(found.name),
            "octets": found.name.hex(),
            "fingerprint": cursor.fingerprint,
            "first_sequence": cursor.sequence,
        }
        content = json.dumps(entry, ensure_ascii=False).encode()
        write_result(self._results, SOURCES, found.manifest, content)


class _Inbox:
    """Content of the inbox; a look costs what has changed, or all there is once a minute."""

    def __init__(self, path: Path, seconds: Callable[[], float]) -> None:
        self._path = path
        self._seconds = seconds
        self._whole_at = -_LOOK_SECONDS
        self._misplaced = 0
        self.forget()

    def forget(self) -> None:
        """Start from zero: nothing was seen yet."""
        self._listed: dict[str, int] = {}
        """Folder → when it had changed last as its names were taken; the inbox itself is ""."""
        self._waiting: dict[Folder, dict[bytes, FileMark | str | None]] = {
            folder: {} for folder in Folder
        }
        """Entries not read: their mark, or why they cannot be, at the last look; None before that.

        A folder that cannot be opened is listed without a name."""
        self._read: dict[Folder, dict[bytes, int]] = {folder: {} for folder in Folder}
        """Entries that were read and unchanged since, with their inode: passed over until all is
        looked at again."""
        self._ready: deque[tuple[InboxFile, FileMark | str]] = deque()

    def look(
        self, is_known: Callable[[InboxFile, FileMark], bool]
    ) -> Iterator[tuple[InboxFile, FileMark | str]]:
        """Yield each file that was the same at two looks, with its mark or why it is not read.

        Everything the last look found is yielded before anything is looked at again. Raises
        `UnavailableError` while the inbox cannot be opened.
        """
        if not self._ready:
            self._look(is_known)
        while self._ready:
            yield self._ready.popleft()

    def is_waiting(self, found: InboxFile) -> bool:
        """Whether it was there, and not read, at the last look."""
        return found.name in self._waiting[found.folder]

    def find(self, key: str) -> InboxFile | None:
        """The file of a cursor, if it is still there."""
        with suppress(FileNotFoundError), open_folder(self._path) as inbox:
            for folder in Folder:
                with (
                    suppress(FileNotFoundError, NotPlainError),
                    inbox.below(folder.value) as opened,
                ):
                    for name in opened.names():
                        if (found := InboxFile(folder, name)).key == key:
                            return found
        return None

    @contextmanager
    def opened(self, found: InboxFile) -> Iterator[PlainFile]:
        """Open a file; raises `OSError`."""
        with (
            open_folder(self._path) as inbox,
            inbox.below(found.folder.value) as folder,
            folder.opened(found.name) as plain,
        ):
            yield plain

    def _look(self, is_known: Callable[[InboxFile, FileMark], bool]) -> None:
        if self._seconds() - self._whole_at >= _LOOK_SECONDS:
            self._whole_at = self._seconds()
            self._listed = {}
            self._read = {folder: {} for folder in Folder}
        try:
            inbox = open_folder(self._path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise UnavailableError(
                f"收件目录无法打开：{error.strerror}\nan inbox cannot be opened: {error.strerror}"
            ) from error
        with inbox:
            self._count_misplaced(inbox)
            for folder in Folder:
                self._look_into(inbox, folder, is_known)

    def _look_into(
        self, inbox: OpenFolder, folder: Folder, is_known: Callable[[InboxFile, FileMark], bool]
    ) -> None:
        waiting = self._waiting[folder]
        try:
            with inbox.below(folder.value) as opened:
                waiting.pop(b"", None)
                if self._has_changed(folder.value, opened):
                    for name, node in opened.nodes().items():
                        if self._read[folder].get(name) != node and not _is_ignored(name):
                            waiting.setdefault(name)
                for name in sorted(waiting):
                    self._look_at(opened, InboxFile(folder, name), is_known)
        except FileNotFoundError:
            waiting.clear()
        except OSError as error:
            waiting.setdefault(b"")
            self._take(InboxFile(folder, b""), _trouble(error))

    def _has_changed(self, name: str, folder: OpenFolder) -> bool:
        """Whether a folder's names may be others than when this was asked last."""
        stamp = folder.modified_ns()
        if self._listed.get(name) == stamp:
            return False
        # one that has just changed may change again and bear the same time
        self._listed[name] = stamp if time.time_ns() - stamp > _TICK_NS else -1
        return True

    def _look_at(
        self, folder: OpenFolder, found: InboxFile, is_known: Callable[[InboxFile, FileMark], bool]
    ) -> None:
        seen: FileMark | str
        try:
            seen = folder.mark(found.name)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.EISDIR}:
                del self._waiting[found.folder][found.name]
                return
            seen = _trouble(error)
        if isinstance(seen, FileMark) and is_known(found, seen):
            del self._waiting[found.folder][found.name]
            self._read[found.folder][found.name] = seen.node
        else:
            self._take(found, seen)

    def _take(self, found: InboxFile, seen: FileMark | str) -> None:
        """Half written, or seen for the first time, it waits for the next look."""
        waiting = self._waiting[found.folder]
        if waiting[found.name] == seen:
            self._ready.append((found, seen))
        waiting[found.name] = seen

    def _count_misplaced(self, inbox: OpenFolder) -> None:
        """Report files that lie outside the folders, where they are not read."""
        if not self._has_changed("", inbox):
            return
        known = {folder.value.encode() for folder in Folder}
        lying = [name for (name,) in inbox.walk(0) if name not in known and not _is_ignored(name)]
        count = 0
        for name in lying:
            with suppress(OSError):
                inbox.mark(name)
                count += 1
        if count != self._misplaced:
            self._misplaced = count
            _log.warning("files outside the folders", extra={"count": count})


def _trouble(error: OSError) -> str:
    """The reason code of what the system said of a file, or of a folder of the inbox."""
    if not isinstance(error, NotPlainError):
        return "FILE_CLOSED"
    return "FILE_HAS_TWO_NAMES" if error.errno == errno.EMLINK else "FILE_NOT_PLAIN"


def _path_key(path: bytes) -> str:
    return f"path:{sha256(path).hexdigest()[:16]}"


def _is_ignored(name: bytes) -> bool:
    """Whether the name is that of a file being written, or of a program's own file."""
    lower = readable(name).lower()
    return lower.startswith((".", "~$")) or lower.endswith(_UNFINISHED) or lower in _NOT_DEPARTMENTS


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
        f"name is in {manifest} in the results folder ({state}); "
        "this source is stopped so that nothing is lost or sent twice\n"
        "处理办法：把原文件放回原处；新内容请用新文件名另存后放入。"
        "原文件确已丢失的，用 --abandon 放弃其余行\n"
        "Remedy: put the original back and give the new content a new name; "
        "if the original is lost, abandon its remaining rows with --abandon"
    )
