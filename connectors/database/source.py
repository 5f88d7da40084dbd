"""A table of a department's database: every new or changed row, found by stamp or by number.

Each pass reads the rows from the high-water mark on, less what may still be committed late: a row's
stamp is set when it is written, and others may read it only when its transaction has ended. What
was read before is known by its digest, in the window (the cursor topic) or in the book of what was
submitted. Rows are read in the order of stamp and key, page by page; what a pass finds is first
written down as an intent and then submitted from there (`connectors/database/intent.py`).

The mark never passes the database's own clock, so that a stamp from the future hides nothing. What
no stamp can show (a stamp set back, a row changed without a new stamp) the daily comparison finds.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from datetime import time as time_of_day
from typing import Final, NamedTuple, Protocol

from connectors.database.comparison import Compared, DailyComparison
from connectors.database.intent import INTENT, PART, Intent, Known, read_intent, without_intent
from connectors.database.rows import ReadRow, TableRows, read_position, row_of
from connectors.database.settings import TableFile
from connectors.database.sql import After, Order, RawRow, TableState
from connectors.database.submitted import SubmittedRow
from connectors.database.values import BEIJING, as_read, as_stored
from connectors.events import TableCompared
from connectors.loop import Batch, CursorTexts
from connectors.submission import WITHDRAWALS, OutgoingSubmission
from hub.errors import SourceError

MARK: Final = "mark"
TABLE: Final = "table"
ROW: Final = "row:"
COMPARED: Final = "compared"
COMPARE_SECONDS: Final = 5.0
"""So long a comparison reads on before the source is looked at again."""
BATCH_BYTES: Final = 4 * 1024 * 1024
_FILL: Final = "+"
"""Behind a comparison's day: it missed rows, and they are to be submitted."""
_MOMENTS: Final = frozenset({"moment", "zoned moment", "day"})


class SourceTable(Protocol):
    """The reads of a table; see `connectors.database.sql.SqlTable`."""

    def column_kinds(self) -> dict[str, str]:
        """Meaning of each column."""

    def standing(self, *, is_zoned: bool) -> TableState:
        """Clock and highest stamp."""

    def page(self, low: Order | None, after: After | None) -> list[RawRow]:
        """Rows by stamp and key."""

    def page_without_stamp(self, after: After | None) -> list[RawRow]:
        """Rows without a stamp, by key."""

    def page_by_key(self, after: After | None) -> list[RawRow]:
        """All rows, by key."""


class Submitted(Protocol):
    """The rows submitted so far; see `connectors.database.submitted.SubmittedBook`."""

    def catch_up(self) -> None:
        """Read the topic to its end."""

    def add(self, rows: Iterable[SubmittedRow]) -> None:
        """Take note of what was committed."""

    def contents(self, rows: Iterable[str]) -> dict[str, str]:
        """Contents of rows when they were last submitted."""

    def begin_comparison(self) -> None:
        """Forget the rows an earlier comparison met."""

    def met(self, rows: Iterable[tuple[str, str, bool]]) -> None:
        """Take note of rows of the table."""

    def compared(self, up_to: int, *, keeps_rows: bool) -> Compared:
        """Findings of the comparison."""


class _Pass:
    """One reading of the table from the low mark to its end."""

    def __init__(self, low: Order | None, limit: Order | None) -> None:
        self.low = low
        self.limit = limit
        """The clock when it began: a stamp beyond it does not move the mark. None: no limit."""
        self.after: After | None = None
        self.is_unstamped = True
        """Rows without a stamp come first."""
        self.top: Order | None = None
        self.unstamped: set[str] = set()
        self.known: dict[str, Known] = {}
        """Rows that said nothing new; their stamps may have moved."""


class _Comparison:
    """One reading of the whole table, by key."""

    def __init__(self, day: str, up_to: int) -> None:
        self.day = day
        self.up_to = up_to
        """Submissions after this number are younger than the comparison."""
        self.after: After | None = None


class _After(NamedTuple):
    """State once the batch at hand is committed."""

    rows: Mapping[str, Known]
    gone: frozenset[str]
    high: Order | None
    intent: Intent | None
    submitted: tuple[OutgoingSubmission, ...] = ()
    first: int = 0
    compared: tuple[str, bool] = ("", False)
    """Day of the last comparison; whether rows it missed are still to be submitted."""


class DatabaseSource:
    """Reads one table; see `connectors.loop.Source`."""

    def __init__(
        self,
        described: TableFile,
        table: SourceTable,
        rows: TableRows,
        submitted: Submitted,
        seconds: Callable[[], float] = time.monotonic,
        *,
        reconciler: DailyComparison | None = None,
        accept_reset: bool = False,
    ) -> None:
        """Take the parts; without a reconciler nothing is compared.

        `accept_reset`: a person says the table was reloaded; read all of it.
        """
        self._described = described
        self._table = table
        self._rows = rows
        self._submitted = submitted
        self._seconds = seconds
        self._reconciler = reconciler
        self._accept_reset = accept_reset
        self._not_before = 0.0
        self._settling: deque[tuple[float, Order]] = deque()
        self._forget()

    def _forget(self) -> None:
        self._window: dict[str, Known] = {}
        self._high: Order | None = None
        self._kinds: dict[str, str] = {}
        self._known_kinds: dict[str, str] = {}
        self._intent: Intent | None = None
        self._leftover: tuple[str, ...] = ()
        self._pass: _Pass | None = None
        self._comparison: _Comparison | None = None
        self._compared = ("", False)
        self._clock: datetime | None = None
        self._next: _After | None = None

    def restore(self, cursors: CursorTexts) -> None:
        """Take up window, mark and intent, and what the topic says was submitted."""
        self._forget()
        try:
            for key, entry in cursors.items():
                if key.startswith(ROW):
                    order = entry["o"]
                    self._window[key.removeprefix(ROW)] = Known(
                        str(entry["h"]), None if order is None else as_stored(as_read(order))
                    )
            mark = cursors.get(MARK, {}).get("high")
            self._high = None if mark is None else as_read(mark)
            compared = cursors.get(COMPARED, {})
            self._compared = (str(compared.get("day", "")), compared.get("fill") is True)
            kinds = cursors.get(TABLE, {}).get("columns", {})
            self._known_kinds = {str(k): str(v) for k, v in dict(kinds).items()}  # type: ignore[call-overload] # what is no mapping raises below
        except (KeyError, TypeError, ValueError):
            raise SourceError("游标记录损坏 / a cursor entry is damaged") from None
        self._leftover = tuple(key for key in cursors if key.startswith((PART, INTENT)))
        self._intent = read_intent(cursors)
        if self._accept_reset:
            self._high = None
            self._known_kinds = {}
        self._not_before = 0.0
        self._submitted.catch_up()

    def next_batch(self, sequence: int) -> Batch | None:
        """Return the intended rows, or what the table says next as an intent, or None."""
        if self._intent is not None:
            return self._intended(self._intent, sequence)
        if self._pass is None and self._seconds() < self._not_before:
            return self._compare(sequence)
        return self._read_on(sequence)

    def committed(self) -> None:
        """Take note that the last batch is committed."""
        done, self._next = self._next, None
        if done is None:
            return
        self._window.update(done.rows)
        for row in done.gone:
            self._window.pop(row, None)
        self._high = done.high
        self._intent = done.intent
        self._compared = done.compared
        self._leftover = () if done.intent is None else tuple(done.intent.entries())
        if done.intent is None and self._kinds:
            self._known_kinds = self._kinds
        self._submitted.add(_as_submitted(done.submitted, done.first))

    # --- what was intended ------------------------------------------------------------------------

    def _intended(self, intent: Intent, sequence: int) -> Batch:
        """Return the batch that was written down; without its rows where they are sent already.

        The stream's number is committed before the other cursors: where it has passed the intent,
        only they are missing.
        """
        last = intent.first + len(intent.submissions)
        if sequence not in {intent.first, last}:
            raise SourceError("游标记录损坏 / a cursor entry is damaged: intent, sequence")
        made = intent.submissions if sequence == intent.first else ()
        high = None if intent.high is None else as_read(intent.high)
        after = self._after(intent.rows, high, None, made, intent.first)
        if intent.compared:
            day, missed, _ = intent.compared.partition(_FILL)
            after = after._replace(compared=(day, bool(missed)))
        self._next = after
        return Batch(made, self._changes(after))

    def _after(
        self,
        rows: Mapping[str, Known],
        high: Order | None,
        intent: Intent | None,
        submitted: tuple[OutgoingSubmission, ...] = (),
        first: int = 0,
        gone: frozenset[str] = frozenset(),
    ) -> _After:
        """Return what will be true: the window without what has left it."""
        low = self._low(high)
        if low is not None:
            behind = {
                row
                for row, known in {**self._window, **rows}.items()
                if known.order is not None and _before(as_read(known.order), low)
            }
            gone |= frozenset(behind)
        return _After(rows, gone, high, intent, submitted, first, self._compared)

    def _changes(self, after: _After) -> dict[str, Mapping[str, object] | None]:
        """Return the cursor entries, tombstones of the intent last."""
        changes: dict[str, Mapping[str, object] | None] = {
            f"{ROW}{row}": {"h": known.content, "o": known.order}
            for row, known in after.rows.items()
            if row not in after.gone and self._window.get(row) != known
        }
        changes |= {f"{ROW}{row}": None for row in after.gone if row in self._window}
        if self._kinds and self._kinds != self._known_kinds:
            changes[TABLE] = {"columns": self._kinds}
        if after.high is not None and after.high != self._high:
            changes[MARK] = {"high": as_stored(after.high)}
        if after.compared != self._compared:
            changes[COMPARED] = {"day": after.compared[0], "fill": after.compared[1]}
        if self._leftover:
            changes |= without_intent(self._leftover)
        return changes

    # --- reading on -------------------------------------------------------------------------------

    def _read_on(self, sequence: int) -> Batch | None:
        """Read pages until one says something new, or the pass is over."""
        current = self._pass = self._pass or self._begin()
        while True:
            page = (
                self._table.page_without_stamp(current.after)
                if current.is_unstamped
                else self._table.page(current.low, current.after)
            )
            intent = self._news(current, page, sequence)
            if intent is not None:
                return self._intend(intent)
            if len(page) < self._described.page_rows:
                if not current.is_unstamped:
                    return self._end(current)
                current.is_unstamped, current.after = False, None

    def _intend(self, intent: Intent) -> Batch:
        """Return the batch that writes the intent down."""
        self._next = _After({}, frozenset(), self._high, intent, compared=self._compared)
        tombstones = without_intent(self._leftover) if self._leftover else {}
        return Batch((), {**tombstones, **intent.entries()})

    def _begin(self) -> _Pass:
        """Begin a pass: the columns are as they were, the table was not reset."""
        self._kinds = self._table.column_kinds()
        self._refuse_changed_columns()
        kinds = {self._kinds[name] for name in self._described.order}
        is_outbox = self._described.outbox is not None
        if not kinds <= (frozenset({"integer"}) if is_outbox else _MOMENTS):
            raise SourceError(
                f"列 {'、'.join(self._described.order)} 的类型不能用来排序：{'、'.join(kinds)}\n"
                f"rows cannot be ordered by {', '.join(self._described.order)}: {kinds}\n"
                "处理办法：stamp 须为日期时间列，outbox 的 id 须为整数列\n"
                "Remedy: a stamp is a date and time, an outbox's id a whole number"
            )
        standing = self._table.standing(is_zoned="zoned moment" in kinds)
        clock = standing.clock.date() if kinds == {"day"} else standing.clock
        limit = None if is_outbox else clock
        self._refuse_reset(standing.top, limit)
        if is_outbox and standing.top is not None:
            self._settling.append((self._seconds(), standing.top))
        self._clock = standing.clock
        return _Pass(None if self._compared[1] else self._low(self._high), limit)

    def _refuse_changed_columns(self) -> None:
        changed = [
            f"{name}（{self._known_kinds[name]} → {kind}）"
            for name, kind in self._kinds.items()
            if self._known_kinds.get(name, kind) != kind
        ]
        if changed:
            raise SourceError(
                f"表 {self._described.table} 的列类型已改变：{'、'.join(changed)}\n"
                f"columns of {self._described.table} changed their type: {', '.join(changed)}\n"
                "处理办法：与部门确认内容是否仍然相同，修正来源文件后用 --accept-reset 启动一次\n"
                "Remedy: ask the department whether they still mean the same; mend the source's "
                "file; start once with --accept-reset"
            )

    def _refuse_reset(self, top: Order | None, clock: Order | None) -> None:
        """Stop where new rows could lie behind what was read: never be skipped in silence."""
        if self._high is None:
            return
        low = self._low(self._high)
        is_back = clock is not None and low is not None and _before(clock, low)
        is_outbox = self._described.outbox is not None
        keeps = self._described.keeps_rows and not is_outbox
        # A quiet outbox's highest number is the mark itself: only one below it was numbered anew.
        least = self._high if is_outbox else low
        is_gone = top is None or (least is not None and _before(top, least))
        if not is_back and not (is_gone and (keeps or (is_outbox and top is not None))):
            return
        raise SourceError(
            f"表 {self._described.table} 已被清空、重新装载或时钟倒退：已读到 {self._high}，"
            f"现最大值为 {top}，数据库时钟 {clock}\n"
            f"{self._described.table} was emptied, loaded anew, or its clock went back: read to "
            f"{self._high}, its highest is now {top}, its clock {clock}\n"
            "处理办法：与部门核实；确认后用 --accept-reset 启动一次，将重读全表，未变的行不会再报；"
            "部门会定期清表的，在来源文件中写 keeps_rows: false\n"
            "Remedy: ask the department; then start once with --accept-reset, which reads the "
            "whole table and submits what has changed; where the department clears rows away on "
            "purpose, write keeps_rows: false"
        )

    def _news(self, current: _Pass, page: list[RawRow], sequence: int) -> Intent | None:
        """Return what the page says that is new; None when nothing is. Moves the pass on."""
        read = self._read(page)
        book = self._submitted.contents(
            each.mark.row for each in read if each.mark.row not in self._window
        )
        made: list[OutgoingSubmission] = []
        changed: dict[str, Known] = {}
        octets = 0
        for raw, row in zip(page, read, strict=True):
            mark = row.mark
            order = None if raw.order is None else as_stored(raw.order)
            known = Known(mark.content, order)
            was = self._window.get(mark.row)
            before = was.content if was is not None else book.get(mark.row)
            current.after = After(raw.order, raw.key)
            if raw.order is None:
                current.unstamped.add(mark.row)
            elif current.limit is None or not _before(current.limit, raw.order):
                current.top = raw.order
            if before == mark.content:
                if was != known and not self._is_behind(raw.order, self._reached(current)):
                    current.known[mark.row] = known
                continue
            is_first = before is None and self._described.outbox is None
            fresh = self._rows.submissions(row, raw, sequence + len(made), is_first=is_first)
            made += fresh
            changed[mark.row] = known
            octets += sum(len(each.value) for each in fresh)
            if octets >= BATCH_BYTES:
                break
        if not changed:
            return None
        high = self._reached(current)
        rows, current.known = {**current.known, **changed}, {}
        stored = None if high is None else as_stored(high)
        return Intent(sequence, rows, stored, tuple(made))

    def _is_behind(self, order: Order | None, high: Order | None) -> bool:
        """Whether a row with this stamp is below the window of that mark."""
        low = self._low(high)
        return order is not None and low is not None and _before(order, low)

    def _reached(self, current: _Pass) -> Order | None:
        """How far the mark may go: to the last row read, not past the clock, never back."""
        top = current.top
        if self._described.outbox is not None:
            settled = self._settled()
            if top is None or settled is None:
                return self._high
            top = settled if _before(settled, top) else top
        if top is None or (self._high is not None and _before(top, self._high)):
            return self._high
        return top

    def _settled(self) -> Order | None:
        """The highest number that was there long enough ago: no smaller one can still come."""
        outbox = self._described.outbox
        if outbox is None:
            return None
        found: Order | None = None
        now = self._seconds()
        while self._settling and self._settling[0][0] <= now - outbox.settle_seconds:
            found = self._settling.popleft()[1]
        if found is not None:
            self._settling.appendleft((now - outbox.settle_seconds, found))
        return found

    def _end(self, current: _Pass) -> Batch | None:
        """End the pass: move the mark, let rows leave the window."""
        self._pass = None
        self._not_before = self._seconds() + self._described.poll_seconds
        high = self._reached(current)
        gone = frozenset(
            row
            for row, known in self._window.items()
            if known.order is None and row not in current.unstamped
        )
        after = self._after(current.known, high, None, gone=gone)
        if current.low is None and self._compared[1]:
            after = after._replace(compared=(self._compared[0], False))
        changes = self._changes(after)
        self._accept_reset = False
        if not changes:
            return None
        self._next = after
        return Batch((), changes)

    # --- the daily comparison ---------------------------------------------------------------------

    def _compare(self, sequence: int) -> Batch | None:
        """Go on comparing the whole table, when it is time; return the statement in the end."""
        if self._reconciler is None or not self._described.compare_at or self._clock is None:
            return None
        current = self._comparison
        if current is None:
            now = self._clock
            now = now if now.tzinfo is None else now.astimezone(BEIJING)
            day = now.date().isoformat()
            is_early = now.time().replace(tzinfo=None) < time_of_day.fromisoformat(
                self._described.compare_at
            )
            if is_early or day <= self._compared[0] or self._compared[1]:
                return None
            self._submitted.begin_comparison()
            current = self._comparison = _Comparison(day, sequence - 1)
        until = time.monotonic() + COMPARE_SECONDS
        while time.monotonic() < until:
            page = self._table.page_by_key(current.after)
            self._meet(page)
            if len(page) < self._described.page_rows:
                return self._state(self._reconciler, current, sequence)
            # The last row is read once more, so that a double of it is met beside it.
            current.after = After(page[-2].order, page[-2].key)
        return None

    def _meet(self, page: list[RawRow]) -> None:
        self._submitted.met(
            (
                read.mark.row,
                read.mark.content,
                raw.order is None or not self._is_behind(raw.order, self._high),
            )
            for raw, read in zip(page, self._read(page), strict=True)
        )

    def _read(self, page: list[RawRow]) -> list[ReadRow]:
        """Return the rows as texts. Two of one key would be one row that changes in every pass."""
        read = [self._rows.read(raw) for raw in page]
        if len({each.mark.row for each in read}) < len(read):
            columns = "、".join(self._described.key)
            raise SourceError(
                f"表 {self._described.table} 中有主键相同的行：{columns}\n"
                f"{self._described.table} has several rows of one key: {columns}\n"
                "处理办法：在来源文件的 key 中写明唯一的列（可为多列），或请部门去除重复行\n"
                "Remedy: name columns that are unique together as the key, or ask the department "
                "to remove the double rows"
            )
        return read

    def _state(self, reconciler: DailyComparison, current: _Comparison, sequence: int) -> Batch:
        """End the comparison: the statement is the next intent."""
        self._comparison = None
        keeps = self._described.keeps_rows and self._described.outbox is None
        found = self._submitted.compared(current.up_to, keeps_rows=keeps)
        high = None if self._high is None else as_stored(self._high)
        day = current.day + (_FILL if found.missed_count else "")
        statement = reconciler.statement(found, current.day)
        compared = TableCompared(found.vanished_count, found.missed_count)
        intent = Intent(sequence, {}, high, (statement,), day)
        return self._intend(intent)._replace(compared=compared)

    def _low(self, high: Order | None) -> Order | None:
        """From where rows are read: what is below can no longer appear."""
        if high is None:
            return None
        if isinstance(high, int):
            return high + 1
        stamp = self._described.stamp
        overlap = timedelta(seconds=stamp.overlap_seconds if stamp is not None else 0.0)
        try:
            if isinstance(high, datetime):
                return high - overlap
            return (datetime.combine(high, time_of_day()) - overlap).date()
        except OverflowError:  # 0001-01-01, what some systems write for "never": nothing is below
            return None


def _before(one: Order, other: Order) -> bool:
    """Compare two orders of one kind; a table's order never changes its kind unnoticed."""
    if isinstance(one, int) and isinstance(other, int):
        return one < other
    if isinstance(one, datetime) and isinstance(other, datetime):
        return one < other
    if isinstance(one, date) and isinstance(other, date):
        return one < other
    raise SourceError("游标记录损坏 / a cursor entry is damaged: mark")


def _as_submitted(submissions: Iterable[OutgoingSubmission], first: int) -> list[SubmittedRow]:
    found = []
    for number, each in enumerate(submissions, first):
        position = read_position(each.position)
        if position is not None:
            sealed, content = position
            found.append(
                SubmittedRow(row_of(sealed), content, number, sealed, each.kind in WITHDRAWALS)
            )
    return found
