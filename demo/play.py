"""The play: files are dropped at their business time, one worker is killed, until all is done."""

import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

from demo.account import Account
from demo.build_dataset import HERE
from demo.dates import DAY_MS, day_number, day_start_ms, say_day
from demo.stage import Stage
from hub.errors import UnavailableError

_TURN_SECONDS: Final = 0.1
_QUIET_SECONDS: Final = 1.0
_LONGEST_DRAIN_SECONDS: Final = 90.0
_SLOWER: Final = 8
"""How much slower the clock runs while this machine is behind, and after the last day.

A second is half a business day: without this the lateness would be the machine's, not the city's.
"""
_BEHIND, _LEVEL = 250, 80
"""Rows and deliveries under way above which the clock is slowed, below which it runs free again."""
_WORTH_KILLING, _STRIKE_SECONDS = 20, 1.0
"""Struck with so many submissions undecided, or after so long without as many."""
_READY_SECONDS: Final = 60.0

Tell = Callable[[str], None]


class DroppedFile(NamedTuple):
    """One file of the schedule."""

    path: str
    """`<inbox>/<folder>/<name>`."""
    department: str
    drop_at: int
    rows: int

    @property
    def inbox(self) -> str:
        """The inbox's folder name."""
        return self.path.split("/")[0]


class Schedule(NamedTuple):
    """What happens when; business milliseconds."""

    files: tuple[DroppedFile, ...]
    opens_at: int
    ends_at: int


def read_schedule(days: int) -> Schedule:
    """Read the data set's schedule, cut after so many days from its first."""
    content = json.loads((HERE / "schedule.json").read_text(encoding="utf-8"))
    files = [
        DroppedFile(one["path"], one["department"], one["drop_at"], one["rows"])
        for one in content["files"]
    ]
    midnight = day_start_ms(day_number(files[0].drop_at))
    ends_at = midnight + days * DAY_MS
    kept = tuple(one for one in files if one.drop_at < ends_at)
    return Schedule(kept, midnight + 7 * 3_600_000, ends_at)


def _middle(schedule: Schedule) -> int:
    """When the largest file of the middle of the play is dropped."""
    count = len(schedule.files)
    return max(schedule.files[count // 3 : count * 2 // 3 + 1], key=lambda file: file.rows).drop_at


class Postman:
    """Drops files into the inboxes as the departments would."""

    def __init__(self, folder: Path, schedule: Schedule) -> None:
        self._folder = folder
        self._left = list(schedule.files)
        self._last: dict[str, DroppedFile] = {}
        self.dropped = 0
        self.rows = 0

    @property
    def is_done(self) -> bool:
        """Whether every file has been dropped and begun."""
        return not self._left and all(map(self._is_begun, self._last.values()))

    def drop_due(self, now: int) -> None:
        """Drop what is due at `now`, in order, each when its inbox's last file has been begun.

        A department's later file takes account of its earlier one; four weeks in a minute must not
        change which comes first.
        """
        waiting: set[str] = set()
        later = []
        for file in self._left:
            if file.drop_at > now or file.inbox in waiting or not self._is_free(file.inbox):
                waiting.add(file.inbox)
                later.append(file)
            else:
                self._drop(file)
        self._left = later

    def _is_free(self, inbox: str) -> bool:
        last = self._last.get(inbox)
        return last is None or self._is_begun(last)

    def _is_begun(self, file: DroppedFile) -> bool:
        """Whether the connector has written the file's manifest: it reads it before any other."""
        inbox, relative = file.path.split("/", 1)
        name = sha256(relative.encode()).hexdigest()[:16]
        return (self._folder / "results" / inbox / ".sources" / f"{name}.json").exists()

    def _drop(self, file: DroppedFile) -> None:
        target = self._folder / "inbox" / file.path
        target.parent.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f".{target.name}.part")
        shutil.copyfile(HERE / "inbox" / file.path, unfinished)
        unfinished.replace(target)
        self._last[file.inbox] = file
        self.dropped += 1
        self.rows += file.rows


@dataclass(slots=True)
class Kill:
    """The worker that is killed in the middle, and how it came back."""

    name: str
    at: int
    """Business time."""
    armed_at: float = 0.0
    killed_at: float = 0.0
    pulse: int = 0
    undecided: int = 0
    under_way: int = 0
    waited: int = 0
    back_after_seconds: float = 0.0


@dataclass(slots=True)
class Course:
    """How the play went."""

    seconds: float = 0.0
    drain_seconds: float = 0.0
    ended_at: int = 0
    is_drained: bool = False
    kills: list[Kill] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)


class Play:
    """Runs the schedule on a stage and tells what happens."""

    def __init__(
        self, stage: Stage, account: Account, schedule: Schedule, kill: str, tell: Tell
    ) -> None:
        self._stage = stage
        self._account = account
        self._schedule = schedule
        self._tell = tell
        self._postman = Postman(stage.folder, schedule)
        self._kill = Kill(kill, _middle(schedule)) if kill else None
        self._course = Course()
        self._day = 0

    def run(self, seconds: float) -> Course:
        """Play the schedule in so many real seconds, then wait until everything is done."""
        schedule, stage = self._schedule, self._stage
        began = time.monotonic()
        factor = (schedule.ends_at - schedule.opens_at) / (seconds * 1000)
        self._tell(HEADER)
        stage.set_clock(schedule.opens_at, factor)
        is_slow = False
        while (now := stage.now()) < schedule.ends_at:
            self._turn(now)
            if is_slow != self._is_behind(is_slow=is_slow):
                is_slow = not is_slow
                stage.set_clock(stage.now(), factor / _SLOWER if is_slow else factor)
        self._course.seconds = time.monotonic() - began
        stage.set_clock(stage.now(), factor / _SLOWER)
        self._drain()
        self._course.ended_at = stage.now()
        stage.set_clock(self._course.ended_at, 0)
        return self._course

    def wait_until_ready(self) -> None:
        """Wait until the registrar has taken up the site's rules in every partition."""
        deadline = time.monotonic() + _READY_SECONDS
        while self._account.records < self._stage.loaded.site.partitions:
            self._stage.supervise()
            self._account.poll(_TURN_SECONDS)
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"登记进程 {_READY_SECONDS:.0f} 秒内未就绪 / the registrar was not ready\n"
                    f"日志 log: {self._stage.folder / 'processes'}"
                )

    def _is_behind(self, *, is_slow: bool) -> bool:
        """Whether more is under way than this machine does in a moment."""
        account = self._account
        unread = max(0, self._postman.rows - sum(account.read.values()))
        backlog = unread + account.undecided + account.unsent
        return backlog > (_LEVEL if is_slow else _BEHIND)

    def _turn(self, now: int) -> None:
        self._supervise()
        self._postman.drop_due(now)
        self._account.poll(_TURN_SECONDS)
        if day_number(now) != self._day:
            if self._day:
                self._tell(self._line(say_day(day_start_ms(day_number(now)) - 1), now))
            self._day = day_number(now)
        kill = self._kill
        if kill is not None and not kill.killed_at and now >= kill.at:
            kill.armed_at = kill.armed_at or time.monotonic()
            is_busy = self._account.undecided >= _WORTH_KILLING
            if is_busy or time.monotonic() > kill.armed_at + _STRIKE_SECONDS:
                self._strike(kill, now)

    def _drain(self) -> None:
        """Wait until every row has its answer and every delivery its end, for a quiet second."""
        began = quiet_since = time.monotonic()
        while time.monotonic() - began < _LONGEST_DRAIN_SECONDS:
            self._turn(self._stage.now())
            if not self._is_at_rest():
                quiet_since = time.monotonic()
            elif time.monotonic() - quiet_since > _QUIET_SECONDS:
                self._course.is_drained = True
                break
        self._course.drain_seconds = time.monotonic() - began
        self._tell(self._line("办结 end  ", self._stage.now()))

    def _is_at_rest(self) -> bool:
        account = self._account
        # a row may become two submissions, never less than one
        all_read = sum(account.read.values()) >= self._postman.rows
        return (
            self._postman.is_done and all_read and not account.undecided and not account.under_way
        )

    def _strike(self, kill: Kill, now: int) -> None:
        """SIGKILL, as a power cut would."""
        worker, account = self._stage.workers[kill.name], self._account
        pid = worker.process.pid
        worker.process.kill()
        kill.killed_at = time.monotonic()
        while account.poll(_TURN_SECONDS):
            pass  # what it had committed before
        kill.undecided, kill.under_way = account.undecided, account.under_way
        kill.pulse = self._pulse(kill.name)
        self._course.kills.append(kill)
        self._tell(
            f"  ✗ {say_day(now)}  kill -9 {kill.name}（进程 pid {pid}）："
            f"待决 undecided {kill.undecided}，投递在途 deliveries under way {kill.under_way}"
        )

    def _supervise(self) -> None:
        """Start again what has died; tell when the killed one is back at work."""
        kill = self._kill
        if kill is not None and kill.killed_at and not kill.back_after_seconds:
            kill.waited = max(kill.waited, self._account.undecided)
            if self._pulse(kill.name) > kill.pulse:
                kill.back_after_seconds = time.monotonic() - kill.killed_at
                self._tell(
                    f"  ✓ {say_day(self._stage.now())}  {kill.name} 已恢复工作 is back at work "
                    f"after {kill.back_after_seconds:.1f} s；其间最多待决 at most {kill.waited} "
                    "undecided"
                )
        for name in self._stage.supervise():
            if kill is None or name != kill.name or not kill.killed_at:
                self._course.restarted.append(name)
                self._tell(f"  ! {name} 退出，已重新启动 / ended and was started again")

    def _pulse(self, name: str) -> int:
        """A number that grows while a worker works."""
        if name == "connector":
            return sum(self._account.read.values())
        for target in self._stage.loaded.site.targets:
            if name == f"courier-{target.id}":
                return sum(self._account.stages[target.number].values())
        return self._account.records

    def _line(self, day: str, now: int) -> str:
        account = self._account
        outcomes = account.outcomes.values()
        numbers = (
            self._postman.dropped,
            sum(account.read.values()),
            account.decided,
            sum(one["quarantined"] for one in outcomes),
            *(account.shown(target.number) for target in self._stage.loaded.site.targets),
            sum(account.overdue(now).values()),
        )
        return f"{day} " + "".join(f"{number:>10}" for number in numbers)


HEADER: Final = (
    "日期 date        文件      读入      决定      隔离    省平台    市网站      逾期\n"
    "               files      read   decided  quarant.  province      city   overdue"
)

KILLABLE: Final = ("registrar", "courier-province", "courier-city", "connector", "none")
"""Workers whose return shows in the ledger or in the topics, so that it can be timed."""
