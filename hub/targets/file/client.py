"""Carries a courier's calls to a drop folder: one thread that may hang, a courier that may not.

A network folder can block for minutes in any call. So the folder is served by a thread of its own;
what it has not answered in time is *unknown*, like a request without an answer.
"""

from __future__ import annotations

import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from hub.targets.file.drop import DropNews, FileWork
from hub.targets.file.protocol import Filing, Question, Unsure, WriteFailed
from hub.targets.platform import CallResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hub.ports import Lease
    from hub.targets.delivery import Delivery
    from hub.targets.file.protocol import Call, Reply
    from hub.targets.platform import How

    _Queued = tuple[int, How, Call]

LOOK_SECONDS: Final = 0.2
"""How often acknowledgements are looked for; longer when looking itself takes long."""
_MEND_SECONDS: Final = 1.0
_LOOK_SHARE: Final = 10.0
"""Looking may take a tenth of the time."""


class FilePlatform:
    """A folder as a platform. Called from the courier's one thread; nothing here waits."""

    def __init__(
        self,
        drop: FileWork,
        lease: Lease,
        timeout_seconds: float,
        linger_seconds: float,
        report: Callable[[DropNews], object],
        close: Callable[[], object],
    ) -> None:
        """Start the thread, which takes `lease` when the folder is there.

        `linger_seconds`: how long the first row of a file waits for more; `report` receives in
        that thread what became of files; `close` releases what the drop holds.
        """
        self._drop, self._lease = drop, lease
        self._timeout, self._linger = timeout_seconds + linger_seconds, linger_seconds
        self._report, self._release = report, close
        self._queue: queue.SimpleQueue[_Queued] = queue.SimpleQueue()
        self._landed: queue.SimpleQueue[tuple[int, CallResult]] = queue.SimpleQueue()
        self._flying: dict[str, tuple[How, float]] = {}
        self._era = 0
        self._is_started = False
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="files")
        self._work = self._pool.submit(self._run)

    # --- the courier's side ----------------------------------------------------------------------

    def submit(self, calls: Iterable[tuple[How, Call]]) -> None:
        """Hand the calls to the folder's thread."""
        until = time.monotonic() + self._timeout
        for how, call in calls:
            self._flying[call.delivery] = how, until
            self._queue.put((self._era, how, call))

    def poll(self) -> list[CallResult]:
        """Return what has ended since the last time, and what the platform said unasked.

        Raises what ended the folder's thread.
        """
        if self._work.done():
            self._work.result()
        found: list[CallResult] = []
        while True:
            try:
                era, landed = self._landed.get_nowait()
            except queue.Empty:
                break
            if era == self._era and self._is_wanted(landed):
                found.append(landed)
        now = time.monotonic()
        late = [delivery for delivery, (_how, until) in self._flying.items() if until < now]
        for delivery in late:
            how, _until = self._flying.pop(delivery)
            found.append(CallResult(delivery, how, Unsure("the folder does not answer")))
        return found

    def _is_wanted(self, landed: CallResult) -> bool:
        return landed.how == "answer" or self._flying.pop(landed.delivery, None) is not None

    def cancel_all(self) -> None:
        """Forget every call on its way; rows not written yet are not written any more."""
        self._era += 1
        self._flying.clear()

    def close(self) -> None:
        """End the thread and give the folder back."""
        self._stop.set()
        self._pool.shutdown(wait=True)

    # --- the folder's thread ---------------------------------------------------------------------

    def _run(self) -> None:
        try:
            look_at = mend_at = 0.0
            while not self._stop.is_set():
                self._serve(self._gather(LOOK_SECONDS))
                now = time.monotonic()
                if now >= look_at:
                    self._look(is_time_to_mend=now >= mend_at)
                    spent = time.monotonic() - now
                    look_at = now + max(LOOK_SECONDS, spent * _LOOK_SHARE)
                    mend_at = now + _MEND_SECONDS if now >= mend_at else mend_at
        finally:
            self._lease.release()
            self._release()

    def _gather(self, seconds: float) -> list[_Queued]:
        """Wait for calls; when a row comes, wait on for more that go into the same file."""
        found: list[_Queued] = []
        until = time.monotonic() + seconds
        while True:
            try:
                found.append(self._queue.get(timeout=max(until - time.monotonic(), 0.0)))
            except queue.Empty:
                return found
            if len(found) == 1:
                until = time.monotonic() + self._linger * isinstance(found[0][2], Filing)

    def _serve(self, queued: list[_Queued]) -> None:
        era = self._era
        wanted = [(how, call) for when, how, call in queued if when == era]
        rows: dict[str, tuple[How, Delivery]] = {}
        for how, call in wanted:
            match call:
                case Filing(delivery, row):
                    rows[delivery] = how, row
                case Question(delivery):
                    self._land(era, delivery, how, self._asked(delivery))
        if not rows:
            return
        for delivery, reply in self._filed([row for _how, row in rows.values()]):
            self._land(era, delivery, rows[delivery][0], reply)

    def _land(self, era: int, delivery: str, how: How, reply: Reply) -> None:
        self._landed.put((era, CallResult(delivery, how, reply)))

    def _start(self) -> str:
        """Take the folder, once; return why it cannot be taken yet."""
        if not self._is_started:
            try:
                self._drop.check()
                self._lease.take()
                self._drop.start()
            except OSError as error:
                return self._drop.away(error)
            self._is_started = True
        return ""

    def _asked(self, delivery: str) -> Reply:
        why = self._start()
        return Unsure(why) if why else self._drop.ask(delivery)

    def _filed(self, rows: list[Delivery]) -> list[tuple[str, Reply]]:
        why = self._start()
        if why:
            return [(row.delivery, WriteFailed(why)) for row in rows]
        return self._drop.file(rows)

    def _look(self, *, is_time_to_mend: bool) -> None:
        """Read acknowledgements and mend; a folder that is away is met again the next time."""
        era = self._era
        try:
            if not self._start():
                for delivery, reply in self._drop.look():
                    self._land(era, delivery, "answer", reply)
                if is_time_to_mend:
                    self._drop.mend()
        except OSError as error:
            self._drop.away(error)
        if is_time_to_mend:
            self._tell()

    def _tell(self) -> None:
        self._report(self._drop.take_news())
