"""Files handed to a platform through a folder: written whole, numbered densely, watched.

One thread that never waits. A file's name and content are fixed in the database before it
appears; from then on it is put there, and put there again when it is gone, until the platform says
that it has it. Everything inconsistent is counted, logged and repaired where possible.
"""

from __future__ import annotations

import errno
import logging
import os
import re
from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.targets.delivery import Accepted, Delivery, Expected, Refused, read_receipt
from hub.targets.file.acknowledgement import NAME_TAKEN, Acknowledgement, read_acknowledgement
from hub.targets.file.book import FileEntry
from hub.targets.file.folder import LARGEST_FILE_BYTES
from hub.targets.file.layout import (
    LAST_SEQUENCE,
    FiledRow,
    FileName,
    action_of,
    digest_of_file,
    manifest_digest,
    render_file,
    render_manifest,
    rows_in,
    unfit_column,
)
from hub.targets.file.protocol import Answered, Filed, Unfiled, Unfit, Unsure, WriteFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hub.io.paths import FileMark
    from hub.ports import FaultHooks
    from hub.targets.delivery import Action
    from hub.targets.file.book import FileBook, State
    from hub.targets.file.folder import DropFolder
    from hub.targets.file.layout import Fingerprint, Heading, Layout
    from hub.targets.file.protocol import Reply

_log = logging.getLogger("hub.file_drop")

PROBLEMS: Final[dict[str, str]] = {
    "folder_away": "目录无法读取 / the folder cannot be read",
    "gap": "平台已接收后面的文件，本文件仍未接收 / the platform took a later file and not this one",
    "gap_reported": "平台报告缺少本文件 / the platform says it misses this file",
    "platform_went_back": "平台只记得更早的文件 / the platform remembers only earlier files",
    "bytes_gone": "平台要的文件内容已清除 / a finished file is asked for; its bytes are gone",
    "vanished": "文件未经回执便消失 / the file is gone and nothing acknowledged it",
    "overwritten": "文件被他人改写 / somebody else wrote to the file",
    "foreign_file": "目录中有不属于本系统的文件 / a file that is not ours lies in the folder",
    "name_occupied": "下一个文件名已被占用 / the next file's name is taken by a file not ours",
    "kind_without_code": "site.yaml 的 drop.tables 缺少该种类，整个目标暂停"
    " / drop.tables in site.yaml lacks a kind; the target rests",
    "file_refused": "平台退回整个文件 / the platform refused the file as a whole",
    "far_day": "平台所说的最新文件日期在一年之后，不予采信"
    " / a file more than a year ahead: the platform's word is not believed",
    "unknown_file": "回执所指文件从未写出 / acknowledged a file that was never written",
    "other_digest": "回执的摘要与文件不符 / acknowledged with another file's digest",
    "unreadable_ack": "回执无法读取或不完整 / the acknowledgement is half-written or unreadable",
    "foreign_row": "回执中的行不在该文件中 / acknowledged a row the file does not hold",
    "bad_receipt": "回执中的行无效 / a row's acknowledgement is not valid",
    "contradiction": "同一行有两个不同的最终结果，以先到为准 / two last words: the first holds",
}
"""Everything that does not fit together: label of the metric → what the log says."""

RESULTS: Final = ("written", "taken", "refused", "put_again")
"""Outcome of a file: label of the metric."""
_SAYABLE: Final = re.compile(
    r"[0-9A-Z]{6}_[0-9]{8}_[0-9]{5}\.(xml|csv)(\.[0-9]{1,6})?(\.ack\.json)?", re.ASCII
)
_DELIVERY: Final = re.compile("[0-9a-f]{32}")
_DIGEST: Final = re.compile("[0-9a-f]{64}")
_FARTHEST: Final = timedelta(days=366)
"""The day of a series never goes back, so a slip of the platform's would stay in every name."""
REMEMBERED_SECONDS: Final = 30 * 86_400.0
"""How long the rows of a finished file are remembered."""
_ROWS_AT_ONCE: Final = 100_000
_PRUNE_SECONDS: Final = 3_600.0
_MEMORY: Final = 10_000
"""Problems remembered as said already."""


class DropNews(NamedTuple):
    """Event of the folder's thread, to be counted."""

    results: Mapping[str, int]
    """Files by `RESULTS`, since the last time."""
    problems: Mapping[str, int]
    """By the labels of `PROBLEMS`, since the last time."""
    open: int
    """Files that the platform has not taken over."""
    oldest_seconds: float
    """Age of the oldest of them."""


class DropSettings(NamedTuple):
    """How one platform wants its files; times in real seconds."""

    layout: Layout
    heading: Heading
    departments: Mapping[str, str]
    """Department id → its four characters in file names."""
    tables: Mapping[str, str]
    """Kind → its two characters in file names."""
    rows_per_file: int
    patience_seconds: float
    """How long a file may be unacknowledged before it is called missing."""
    has_mark: bool = True

    def series_of(self, delivery: Delivery) -> str:
        """Return department and table of a row; `0000` for a department no longer in the site."""
        return self.departments.get(delivery.department, "0000") + self.tables[delivery.kind]


class FileWork:
    """The work of one target's folder; every method returns at once."""

    def __init__(
        self,
        folder: DropFolder,
        book: FileBook,
        settings: DropSettings,
        faults: FaultHooks,
        today: Callable[[], str],
        seconds: Callable[[], float],
    ) -> None:
        """`today` is the business day as YYYYMMDD, `seconds` the real time since the epoch."""
        self._folder, self._book, self._settings = folder, book, settings
        self._faults, self._today, self._seconds = faults, today, seconds
        self.results: Counter[str] = Counter(dict.fromkeys(RESULTS, 0))
        """`RESULTS` since the last call; zeros first, so that each series exists."""
        self.problems: Counter[str] = Counter(dict.fromkeys(PROBLEMS, 0))
        """Labels of `PROBLEMS` since the last call."""
        self._said: set[tuple[str, str, object]] = set()
        self._marks: dict[FileName, FileMark] = {}
        self._unread: dict[str, FileMark | None] = {}
        self._missing_since: dict[FileName, float] = {}
        self._told_unfiled: set[str] = set()
        self._read = book.acks_read()
        self._is_behind = False
        """Whether there are acknowledgements that the last look did not come to."""
        self._pruned_at = 0.0

    def take_news(self) -> DropNews:
        """Return the news since the last time."""
        count, begun = self._book.unacknowledged()
        now = self._seconds()
        results, self.results = self.results, Counter()
        problems, self.problems = self.problems, Counter()
        return DropNews(results, problems, count, max(0.0, now - (begun or now)))

    def away(self, error: OSError) -> str:
        """Say that the folder cannot be reached just now, once for every cause; return it."""
        why = _name_of(error)
        self._problem("folder_away", why)
        return why

    # --- start -----------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise `OSError` unless both folders are there; they are never made.

        A folder that is not mounted must not be replaced by one on the disk below it.
        """
        self._folder.check()

    def start(self) -> None:
        """Take up files the book does not know: it is new, or older than the folder.

        May raise `OSError`.
        """
        self._folder.clear_all()
        is_new = not self._book.is_begun
        files, foreign = self._folder.files()
        for text in foreign:
            self._problem("foreign_file", text)
        told = self._answers() if is_new else []
        answered = {ack.file for ack in told if ack.status == "taken"} - set(files)
        answered = {name for name in answered if not self._is_far(name)}
        unknown = [name for name in files if self._book.file(name) is None]
        if not is_new and not unknown:
            return
        with self._book.writing():
            for name in sorted(answered):
                self._adopt_answered([ack for ack in told if ack.file == name])
            adopted = [name for name in unknown if self._adopt(name)]
            if is_new or adopted:
                self._book.begin(is_whole=not files and not told)

    def _answers(self) -> list[Acknowledgement]:
        values = [self._folder.read_ack(name)[0] for name in self._folder.ack_names()]
        return [ack for one in values if one is not None and (ack := read_acknowledgement(one))]

    def _adopt(self, name: FileName) -> bool:
        """Resume a file of ours that lies in the folder; write its manifest if that is missing."""
        content = self._folder.content(name)
        rows = rows_in(name, content)
        if not rows or self._is_far(name):
            self._problem("foreign_file", str(name))
            return False
        digest = digest_of_file(content)
        manifest = self._folder.manifest(name)
        is_whole = manifest_digest(manifest) == digest
        if not is_whole:
            before = self._book.last_file(name.series)
            manifest = render_manifest(name, content, len(rows), before)
        state: State = "written" if is_whole else "reserved"
        now = self._seconds()
        entry = FileEntry(name, digest, action_of(name, content), state, now, now, len(rows))
        self._book.add(entry, (content, manifest), rows)
        return True

    def _adopt_answered(self, acks: list[Acknowledgement]) -> None:
        """Take up a file of which only the platform's answers are left."""
        told = [row for ack in acks for row in ack.rows]
        rows = {
            row["delivery"]: digest if _DIGEST.fullmatch(digest := str(row.get("digest"))) else ""
            for row in told
            if _DELIVERY.fullmatch(str(row.get("delivery")))
        }
        is_withdrawal = any(row.get("stage") == "withdrawn" for row in told)
        action: Action = "withdraw" if is_withdrawal else "publish"
        now = self._seconds()
        entry = FileEntry(acks[0].file, acks[0].digest, action, "taken", now, now, len(rows))
        self._book.add(entry, None, [(str(delivery), digest) for delivery, digest in rows.items()])

    # --- write -----------------------------------------------------------------------------------

    def file(self, rows: Iterable[Delivery]) -> list[tuple[str, Reply]]:
        """Write rows into files, in the order given; a row that lies in one is not written again.

        One file per department, kind and action, of `rows_per_file` rows at most.
        """
        replies: list[tuple[str, Reply]] = []
        groups: dict[tuple[str, str, str], list[Delivery]] = {}
        for row in rows:
            known = self.ask(row.delivery)
            if not isinstance(known, Unfiled):
                replies.append((row.delivery, known))
            elif row.kind not in self._settings.tables:
                # taken off the list, and what it holds is still to be withdrawn
                self._problem("kind_without_code", row.kind)
                replies.append((row.delivery, WriteFailed(f"no table code for {row.kind}")))
            elif (column := unfit_column(row, self._settings.layout)) is not None:
                replies.append((row.delivery, Unfit(column)))
            else:
                group = self._settings.series_of(row), row.kind, row.action
                groups.setdefault(group, []).append(row)
        size = self._settings.rows_per_file
        for (series, _kind, _action), members in groups.items():
            for start in range(0, len(members), size):
                chunk = members[start : start + size]
                reply = self._write(series, chunk)
                replies += [(row.delivery, reply) for row in chunk]
        return replies

    def _write(self, series: str, rows: list[Delivery]) -> Reply:
        name = self._next_name(series)
        if name.sequence > LAST_SEQUENCE:
            return WriteFailed("the day's numbers are used up")
        filed = [FiledRow(row, self._may_repeat(row.delivery)) for row in rows]
        content = render_file(name, self._settings.heading, filed, has_mark=self._settings.has_mark)
        manifest = render_manifest(name, content, len(rows), self._book.last_file(series))
        now = self._seconds()
        entry = FileEntry(
            name, digest_of_file(content), rows[0].action, "reserved", now, now, len(rows)
        )
        try:
            if self._folder.has(name):
                self._problem("name_occupied", str(name))
                return WriteFailed("the next file's name is occupied")
            self._folder.prepare(name, content, manifest)
        except OSError as error:
            return WriteFailed(_name_of(error))
        self._faults.reached("after_file_part")
        with self._book.writing():
            self._book.add(entry, (content, manifest), [(row[0], row.digest) for row in rows])
        self._faults.reached("after_file_number")
        self._told_unfiled.difference_update(row.delivery for row in rows)
        try:
            self._show(name)
        except OSError as error:
            return Unsure(_name_of(error))
        self.results["written"] += 1
        return Filed(str(name))

    def _next_name(self, series: str) -> FileName:
        """Return the next number: dense within a day; the day never goes back."""
        day, sequence = self._book.last_place(series)
        today = max(self._today(), day)
        following = sequence + 1 if today == day else 1
        return FileName(series, today, following, self._settings.layout)

    def _is_far(self, name: FileName | None) -> bool:
        """Whether a name that others brought up bears a day no file of ours can have; say so."""
        if name is None:
            return False
        farthest = datetime.strptime(self._today(), "%Y%m%d") + _FARTHEST  # noqa: DTZ007 - a day
        is_far = name.day > farthest.strftime("%Y%m%d")
        if is_far:
            self._problem("far_day", str(name))
        return is_far

    def _may_repeat(self, delivery: str) -> bool:
        """Whether an earlier file may hold this row, too: the manifest says so to the platform."""
        return not self._book.is_whole or delivery in self._told_unfiled

    def _show(self, name: FileName) -> None:
        """Rename what is prepared, file before manifest. May raise `OSError`."""
        self._marks[name] = self._folder.publish(name)
        self._faults.reached("after_file_manifest")
        with self._book.writing():
            self._book.set_state(name, "written", self._seconds())

    def _put_again(self, name: FileName) -> None:
        """Put the same bytes under the same name. May raise `OSError`."""
        kept = self._book.bytes_of(name)
        if kept is None:
            self._problem("bytes_gone", str(name))
            return
        self._folder.prepare(name, *kept)
        self._show(name)
        self.results["put_again"] += 1

    # --- ask -------------------------------------------------------------------------------------

    def ask(self, delivery: str) -> Reply:
        """Return what is known of a delivery; it changes nothing."""
        answer = self._book.answer(delivery)
        if answer is not None:
            return Answered(answer[0])
        name = self._book.file_of(delivery)
        if name is None:
            self._told_unfiled.add(delivery)
            return Unfiled()
        return Filed(name) if self._book.is_written(name) else Unsure("not in the folder yet")

    # --- look ------------------------------------------------------------------------------------

    def look(self) -> list[tuple[str, Reply]]:
        """Read new acknowledgements; return what they say. May raise `OSError`.

        Where there are very many, the rest is read at the next look.
        """
        names = self._folder.ack_names()
        told: list[tuple[str, Acknowledgement]] = []
        rows = 0
        self._is_behind = False
        for text in names:
            if rows > _ROWS_AT_ONCE:
                self._is_behind = True
                break
            if text not in self._read and (ack := self._read_ack(text)) is not None:
                told.append((text, ack))
                rows += len(ack.rows)
        news: list[tuple[str, Reply]] = []
        for text, ack in sorted(told, key=lambda one: (one[1].at, one[0])):
            with self._book.writing():
                news += self._take_in(text, ack)
                self._book.add_ack(text)
            self._read.add(text)
            self._faults.reached("after_file_ack")
            entry = self._book.file(ack.file)
            if entry is not None and entry.state == "void":
                self._folder.remove(ack.file)
        gone = self._read - set(names)
        if gone:
            with self._book.writing():
                self._book.forget_acks(gone)
            self._read -= gone
        return news

    def _read_ack(self, text: str) -> Acknowledgement | None:
        """Read one file; one that cannot be read is looked at again until it changes no more."""
        value, mark = self._folder.read_ack(text)
        ack = read_acknowledgement(value) if value is not None else None
        if ack is None:
            if text in self._unread and self._unread[text] == mark:
                self._problem("unreadable_ack", text, mark)
            self._unread[text] = mark
            return None
        self._unread.pop(text, None)
        return ack

    def _take_in(self, text: str, ack: Acknowledgement) -> list[tuple[str, Reply]]:
        """Believe what an acknowledgement says of our file, row by row."""
        entry = self._book.file(ack.file)
        if entry is None:
            self._problem("unknown_file", text)
            return []
        if ack.digest != entry.digest:
            self._problem("other_digest", text)
            return []
        self._check_order(ack)
        if ack.status == "refused":
            self._problem("file_refused", str(ack.file), ack.at)
            self.results["refused"] += 1
            if ack.code == NAME_TAKEN:
                is_ours = ack.last is not None and ack.last.series == ack.file.series
                is_behind = is_ours and not self._is_far(ack.last)
                self._book.void(ack.file, ack.last if is_behind else None)
                self._book.begin(is_whole=False)
            else:
                self._missing_since.setdefault(ack.file, self._seconds())
            return []
        if entry.state in ("reserved", "written"):
            self._book.set_state(ack.file, "taken", entry.since)
            self.results["taken"] += 1
        self._marks.pop(ack.file, None)
        self._missing_since.pop(ack.file, None)
        return self._rows_of(text, ack, entry)

    def _rows_of(
        self, text: str, ack: Acknowledgement, entry: FileEntry
    ) -> list[tuple[str, Reply]]:
        rows = self._book.rows_of(ack.file)
        news: list[tuple[str, Reply]] = []
        for told in ack.rows:
            delivery = told.get("delivery")
            if not isinstance(delivery, str) or delivery not in rows:
                self._problem("foreign_row", text)
                continue
            expected = Expected(delivery, "", 0, 0, entry.action, "", rows[delivery])
            verdict = read_receipt(told, expected)
            if not isinstance(verdict, Accepted | Refused):
                self._problem("bad_receipt", text)
                continue
            is_final = isinstance(verdict, Refused) or verdict.stage != "acknowledged"
            before = self._book.answer(delivery)
            if before is not None and before[1]:
                if is_final and before[0].get("stage") != told.get("stage"):
                    self._problem("contradiction", text)
                continue
            if before is None or is_final:
                self._book.set_answer(delivery, told, is_final=is_final)
                news.append((delivery, Answered(told)))
        return news

    def _check_order(self, ack: Acknowledgement) -> None:
        """Hold what the platform says it has against what it acknowledged."""
        for name in ack.missing:
            self._owe("gap_reported", name, ack.at)
        is_newest = self._book.is_newest_word(ack.file.series, ack.at)
        if is_newest and ack.last is not None and ack.last.series == ack.file.series:
            for entry in self._book.taken_after(ack.last):
                self._owe("platform_went_back", entry.name, ack.at)

    def _owe(self, label: str, name: FileName, moment: int) -> None:
        """The platform has not got this file: `mend` puts it there again."""
        if self._book.file(name) is None:
            self._problem("unknown_file", str(name))
            return
        self._problem(label, str(name), moment)
        if self._book.bytes_of(name) is None:
            self._problem("bytes_gone", str(name))
        else:
            self._book.set_state(name, "reserved", self._seconds())

    # --- watch -----------------------------------------------------------------------------------

    def mend(self) -> None:
        """Put there what is not there and should be; remove what is finished.

        May raise `OSError`; what was not reached is reached the next time.
        """
        now = self._seconds()
        patience = self._settings.patience_seconds
        # what an unread acknowledgement refers to is not missing
        for entry in () if self._is_behind else self._book.waiting():
            if entry.state == "reserved":
                self._put_again(entry.name)
            elif not self._lies_there(entry):
                if now - entry.since > patience:
                    self._problem("vanished", str(entry.name), now)
                    self._put_again(entry.name)
            elif (
                entry.name in self._missing_since or self._book.taken_after(entry.name)
            ) and now - self._missing_since.setdefault(entry.name, now) > patience:
                self._problem("gap", str(entry.name), now)
                self._missing_since[entry.name] = now
                self._put_again(entry.name)
        newest: dict[str, Fingerprint] = {}
        for entry in self._book.done():
            series = entry.name.series
            last = newest.setdefault(series, self._book.last_file(series))
            if str(entry.name) != last.name:  # the newest stays: it shows where numbers go on
                self._folder.remove(entry.name)
                with self._book.writing():
                    self._book.finish(entry.name, now)
        if now - self._pruned_at > _PRUNE_SECONDS:
            self._pruned_at = now
            with self._book.writing():
                self._book.prune(now - REMEMBERED_SECONDS)

    def _lies_there(self, entry: FileEntry) -> bool:
        """Whether a file is there as it was written; one that was changed is written again."""
        mark = self._folder.mark_of(entry.name)
        if mark is None or mark == self._marks.get(entry.name):
            return mark is not None
        kept = self._book.bytes_of(entry.name)
        content = self._folder.content(entry.name, len(kept[0]) if kept else LARGEST_FILE_BYTES)
        manifest = self._folder.manifest(entry.name)
        if digest_of_file(content) == entry.digest == manifest_digest(manifest):
            self._marks[entry.name] = mark
        else:
            self._problem("overwritten", str(entry.name), mark)
            self._put_again(entry.name)
        return True

    def _problem(self, label: str, what: str, moment: object = None) -> None:
        """Count and log once per thing it is about (and moment, where it may happen again)."""
        if (label, what, moment) in self._said:
            return
        if len(self._said) >= _MEMORY:
            self._said.clear()
        self._said.add((label, what, moment))
        self.problems[label] += 1
        # Others name their files as they like, perhaps after a person.
        named = what if _SAYABLE.fullmatch(what) else ""
        _log.warning(PROBLEMS[label], extra={"problem": label, "file": named})


def _name_of(error: OSError) -> str:
    """Name what the system said, without a path."""
    code = errno.errorcode.get(error.errno or 0, "OSError")
    return f"{code} {os.strerror(error.errno or 0)}"
