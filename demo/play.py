"""The play: files are dropped at their business time, one worker is killed, until all is done."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from demo.account import OutcomeTally
from demo.build_dataset import HERE
from demo.databases import CaseSystem
from demo.dates import day_number, day_start_ms, say_day
from demo.foreign_write import Attempt, try_foreign_writes
from demo.foreseen import foresee
from demo.notice import ADOPTED_AT, DAY_OFF, adopt_notice
from demo.reforms import OPENED, REFORMED_AT, RETIRED, SUCCESSOR, adopt_reforms, take_down
from demo.schedule import DemoSchedule, DroppedFile
from demo.stage import DemoEnvironment, drop
from hub.commands.words import width
from hub.core.record import Outcome
from hub.domain import kinds
from hub.errors import UnavailableError

_TURN_SECONDS: Final = 0.1
_QUIET_SECONDS: Final = 1.0
_STILL_SECONDS: Final = 2.5
"""So long nothing may come any more once the clock stands: the agents look every second."""
_STANDSTILL_SECONDS: Final = 60.0
"""So long something may be under way and nothing come of it."""
_LONGEST_DRAIN_SECONDS: Final = 900.0
_SLOWER: Final = (1, 8, 64)
"""How much slower the clock runs by pace: free, while this machine is behind (and after the last
day), while it is far behind.

A second is half a business day: without this the lateness would be the machine's, not the city's.
"""
_BEHIND: Final = (250, 1_500)
_LEVEL: Final = (80, 600)
"""Rows and deliveries under way above which the next slower pace is taken, and below which it is
left again."""
_WORTH_KILLING, _STRIKE_SECONDS = 20, 1.0
"""Struck with so many submissions undecided, or after so long without as many."""
_READY_SECONDS: Final = 120.0
CASE_INBOX: Final = "transport-cases"
"""Not a folder on the stage: what lies there in the data set is entered into the case system."""
CASE_STREAM: Final = "transport/cases"

Tell = Callable[[str], None]


def _middle(schedule: DemoSchedule) -> int:
    """When the largest file of the middle of the play is dropped."""
    count = len(schedule.files)
    return max(schedule.files[count // 3 : count * 2 // 3 + 1], key=lambda file: file.rows).drop_at


class Postman:
    """Drops files into the inboxes as the departments would, enters cases into the case system."""

    def __init__(
        self,
        folder: Path,
        schedule: DemoSchedule,
        cases: CaseSystem | None = None,
        cases_read: Callable[[], int] = lambda: 0,
    ) -> None:
        """Take the site's folder; `cases_read` says how many rows of the table were submitted."""
        self._folder = folder
        self._cases = cases
        self._cases_read = cases_read
        self._cases_entered = 0
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

        A department's later file takes account of its earlier one; four weeks in two minutes must
        not change which comes first.
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
        """Whether the connector has written the file's manifest: it reads it before any other.

        Of a table: whether all that was entered was submitted.
        """
        if self._is_table(file):
            return self._cases_read() >= self._cases_entered
        inbox, relative = file.path.split("/", 1)
        name = sha256(relative.encode()).hexdigest()[:16]
        return (self._folder / "results" / inbox / ".sources" / f"{name}.json").exists()

    def _is_table(self, file: DroppedFile) -> bool:
        return self._cases is not None and file.inbox == CASE_INBOX

    def _drop(self, file: DroppedFile) -> None:
        if self._cases is not None and self._is_table(file):
            self._cases.enter(HERE / "inbox" / file.path)
            self._cases_entered += file.rows
        else:
            content = (HERE / "inbox" / file.path).read_bytes()
            drop(self._folder / "inbox" / file.path, content)
        self._last[file.inbox] = file
        self.dropped += 1
        self.rows += file.rows


@dataclass(slots=True)
class WorkerKill:
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
    kills: list[WorkerKill] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)
    foreign_writes: list[Attempt] = field(default_factory=list)
    notice_at: int = 0
    """When the replaced holiday notice was adopted; 0 when the play ended before."""
    reformed_at: int = 0
    """When the changed site was adopted; 0 when the play ended before."""
    taken_down: bytes = b""
    """Record that the successor then withdrew."""


class DemoScenario:
    """Runs the schedule on a stage and tells what happens."""

    def __init__(
        self,
        stage: DemoEnvironment,
        account: OutcomeTally,
        schedule: DemoSchedule,
        kill: str,
        tell: Tell,
    ) -> None:
        self._stage = stage
        self._account = account
        self._schedule = schedule
        self._tell = tell
        self._postman = Postman(
            stage.folder, schedule, stage.cases, lambda: account.rows_read[CASE_STREAM]
        )
        self._pulses: dict[str, Pulse] = {}
        cases = stage.loaded.site.cases
        self._foreseen = foresee(schedule, cases.remind_working_days[0]) if cases else None
        self._kill = WorkerKill(kill, _middle(schedule)) if kill else None
        self._course = Course()
        self._day = 0
        self._factor = 0.0
        """Business time to real time at full speed; 0 once the clock stands."""
        self._pace = 0

    def run(self, seconds: float) -> Course:
        """Play the schedule in so many real seconds, then wait until everything is done."""
        schedule, stage = self._schedule, self._stage
        began = time.monotonic()
        factor = (schedule.ends_at - schedule.opens_at) / (seconds * 1000)
        self._tell(header([target.id for target in stage.loaded.site.targets]))
        stage.set_clock(schedule.opens_at, factor)
        self._factor, self._pace = factor, 0
        while (now := stage.now()) < schedule.ends_at:
            self._turn(now)
            if now >= ADOPTED_AT and not self._course.notice_at:
                self._adopt_notice()
            if now >= REFORMED_AT and not self._course.reformed_at:
                self._reform()
            self._keep_pace(at_least=int(self._is_reminder_owed(now)))
        self._course.seconds = time.monotonic() - began
        self._drain(_QUIET_SECONDS)
        self._course.ended_at = stage.now()
        stage.set_clock(self._course.ended_at, 0)
        self._factor = 0.0
        self._drain(_STILL_SECONDS)
        self._tell(self._line("办结 end  ", self._course.ended_at))
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

    def _adopt_notice(self) -> None:
        """The clock stands until every deadline has been counted again under the notice."""
        account = self._account
        self._course.notice_at = now = self._adopt(adopt_notice, Outcome.SWEEP_ENDED)
        self._tell(
            f"  ☂ {say_day(now)}  采用改期的放假通知，{DAY_OFF} 放假 a replaced holiday notice is "
            f"adopted：重算期限 deadlines moved {account.events['due_date_moved']}，"
            f"撤销逾期 overdue taken back {len(account.taken_back)}"
        )

    def _reform(self) -> None:
        """Departments merge, a target opens to the public; then the successor takes one down."""
        stage, account = self._stage, self._account
        self._course.reformed_at = now = self._adopt(adopt_reforms, Outcome.WALKED)
        self._course.taken_down = take_down(stage, account)
        self._tell(
            f"  ⇄ {say_day(now)}  {RETIRED} 并入 merged into {SUCCESSOR}；{OPENED} 改为向社会公开 "
            f"opens to the public：台账逐条处理 records brought in line "
            f"{account.written[Outcome.REPROJECTED]}"
        )

    def _adopt(self, adopt: Callable[[DemoEnvironment], None], done: Outcome) -> int:
        """The clock stands until an adoption has come to every record; return the moment."""
        stage, account = self._stage, self._account
        now = stage.now()
        stage.set_clock(now, 0)
        wanted = account.written[done] + stage.loaded.site.partitions
        adopt(stage)
        deadline = time.monotonic() + _READY_SECONDS
        while account.written[done] < wanted:
            self._turn(now)
            if time.monotonic() > deadline:
                raise UnavailableError(
                    f"采用新依据后 {_READY_SECONDS:.0f} 秒内未处理完 / an adopted basis has not"
                    f" come to every record\n日志 log: {stage.folder / 'processes'}"
                )
        stage.set_clock(stage.now(), self._factor / _SLOWER[self._pace])
        return now

    def _keep_pace(self, *, at_least: int) -> None:
        """Let the clock run as fast as this machine keeps up with."""
        account = self._account
        unread = max(0, self._postman.rows - sum(account.rows_read.values()))
        wanted = max(at_least, pace_at(self._pace, unread + account.undecided + account.unsent))
        if wanted != self._pace and self._factor:
            self._pace = wanted
            self._stage.set_clock(self._stage.now(), self._factor / _SLOWER[wanted])

    def _is_reminder_owed(self, now: int) -> bool:
        """Whether the agents have still to remind somebody: after the last day it is too late."""
        foreseen = self._foreseen
        if foreseen is None or not foreseen.reminded or now < foreseen.remind_from:
            return False
        told = {row["earliest_due_on"] for row in self._account.statements[kinds.REMINDER]}
        return not foreseen.reminded <= told

    def _turn(self, now: int) -> None:
        self._supervise()
        self._postman.drop_due(now)
        self._account.poll(_TURN_SECONDS)
        if day_number(now) != self._day:
            if self._day:
                self._tell(self._line(say_day(day_start_ms(day_number(now)) - 1), now))
                self._intrude(now)
            self._day = day_number(now)
        kill = self._kill
        if kill is not None and not kill.killed_at and now >= kill.at:
            kill.armed_at = kill.armed_at or time.monotonic()
            is_busy = self._account.undecided >= _WORTH_KILLING
            if is_busy or time.monotonic() > kill.armed_at + _STRIKE_SECONDS:
                self._strike(kill, now)

    def _intrude(self, now: int) -> None:
        """Once, on the second morning, a department writes where it has no business."""
        course, stage = self._course, self._stage
        if course.foreign_writes:
            return
        course.foreign_writes = try_foreign_writes(stage.loaded.site, stage.access)
        for one in course.foreign_writes:
            verdict = "拒绝 refused" if one.is_refused else "未拒绝 NOT REFUSED"
            self._tell(
                f"  ⊘ {say_day(now)}  {one.principal} 写入 writes to {one.topic}："
                f"{verdict} {one.answer}"
            )

    def _drain(self, quiet_seconds: float) -> None:
        """Wait until every row has its answer and every delivery its end, and all is quiet."""
        began = quiet_since = moved_at = now = time.monotonic()
        known = 0
        while now - began < _LONGEST_DRAIN_SECONDS and now - moved_at < _STANDSTILL_SECONDS:
            self._turn(self._stage.now())
            self._keep_pace(at_least=1)
            seen = self._account.records + sum(self._account.read.values())
            now = time.monotonic()
            if seen != known:
                moved_at, known = now, seen
            if moved_at == now or not self._is_at_rest():
                quiet_since = now
            elif now - quiet_since > quiet_seconds:
                self._course.is_drained = True
                break
        self._course.drain_seconds += now - began

    def _is_at_rest(self) -> bool:
        account = self._account
        # a row may become two submissions, never less than one
        all_read = sum(account.rows_read.values()) >= self._postman.rows
        return (
            self._postman.is_done and all_read and not account.undecided
            and not account.under_way and self._all_stated() and self._is_taken_down()
        )  # fmt: skip

    def _is_taken_down(self) -> bool:
        """Whether what the successor withdraws is down, where it withdraws anything."""
        key = self._course.taken_down
        return not key or self._account.status_of(key) == "withdrawn"

    def _all_stated(self) -> bool:
        """Whether the agents have found what is there to be found."""
        foreseen = self._foreseen
        if foreseen is None:
            return True
        stated = self._account.statements
        return (
            foreseen.reminded <= {row["earliest_due_on"] for row in stated[kinds.REMINDER]}
            and foreseen.missing
            <= {row["commitment_code"] for row in stated[kinds.PERFORMANCE_MISSING]}
            and foreseen.exits_missing <= {row["case_number"] for row in stated[kinds.EXIT_MISSING]}
        )

    def _strike(self, kill: WorkerKill, now: int) -> None:
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
            return sum(self._account.rows_read.values())
        for target in self._stage.loaded.site.targets:
            if name == f"courier-{target.id}":
                return sum(self._account.stages[target.number].values())
        if name == "registrar":
            return self._account.records
        return self._pulses.setdefault(name, Pulse()).feel(self._stage.health(name))

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


def pace_at(pace: int, backlog: int) -> int:
    """The pace of the clock with so much under way: an index of `_SLOWER`, one step at most."""
    if pace < len(_BEHIND) and backlog > _BEHIND[pace]:
        return pace + 1
    if pace and backlog <= _LEVEL[pace - 1]:
        return pace - 1
    return pace


class Pulse:
    """Of a worker whose work shows in no topic the account reads: by what `/health` says."""

    def __init__(self) -> None:
        self._beats = 0
        self._last = 0.0

    def feel(self, health: dict[str, object] | None) -> int:
        """Count the looks that found it at work since the look before."""
        if health is not None:
            seconds = float(str(health["seconds_since_progress"]))
            self._beats += bool(health["idle"]) or seconds < self._last
            self._last = seconds
        return self._beats


_COLUMNS: Final = {
    "province": "省平台", "city": "市网站", "nation": "国家平台", "region": "区域交换",
}  # fmt: skip


def header(targets: list[str]) -> str:
    """The two lines above the days, Chinese and English."""
    zh = ["文件", "读入", "决定", "隔离", *(_COLUMNS.get(name, name) for name in targets), "逾期"]
    en = ["files", "read", "decided", "quarant.", *targets, "overdue"]
    lines = ("日期 date  ", zh), (" " * 11, en)
    return "\n".join(
        head + "".join(" " * (10 - width(name)) + name for name in names) for head, names in lines
    )


KILLABLE: Final = (
    "registrar", "courier-province", "courier-city", "courier-nation", "courier-region",
    "connector", "receipts", "notices", "cases", "projector", "reconciler", "none",
)  # fmt: skip
"""Workers, each with a way to see that it is back at work."""
