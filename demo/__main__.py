"""`./run demo`: four weeks of a city's decisions in two minutes, on real parts, with failures."""

import argparse
import signal
import sys
import time
from types import FrameType
from typing import NoReturn

from demo import checks, lives, summary
from demo.account import OutcomeTally
from demo.play import KILLABLE, Course, DemoScenario
from demo.reforms import OPENED, REFORMED_AT
from demo.schedule import DemoSchedule, read_schedule
from demo.stage import DemoEnvironment, choose_settings, clear, only_demo, stage, stop_everything
from hub.config.repository import load_repository_contracts
from hub.config.settings import Settings
from hub.contracts import Contracts
from hub.errors import HubError

_EXIT_DIFFERENT = 1
_EXIT_REFUSED = 2
_EXIT_INTERRUPTED = 130
_FOUR_WEEKS = 28
_DEFAULT_SECONDS = 24.0


def main() -> int:
    """Run the demo; return 0 when every check holds, 1 when not, 2 when it could not run."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, _interrupt)
    # a shell that starts us in the background has SIGINT ignored: Ctrl-C must end us all the same
    signal.signal(signal.SIGINT, _interrupt)
    try:
        settings = choose_settings()
        with only_demo(settings):
            if arguments.stop:
                stop_everything(settings)
                print("已全部停止，数据保留 / everything is stopped, the data stay")
                return 0
            return _perform(settings, arguments)
    except HubError as error:
        print(f"\n{error}", file=sys.stderr)
        return _EXIT_REFUSED
    except KeyboardInterrupt:
        print("\n已中断，全部停止 / interrupted, everything is stopped", file=sys.stderr)
        return _EXIT_INTERRUPTED


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run demo", description=__doc__)
    parser.add_argument(
        "--keep", action="store_true", help="结束后继续运行 / leave everything running afterwards"
    )
    parser.add_argument(
        "--stop", action="store_true", help="停止 --keep 留下的一切 / stop what --keep left running"
    )
    parser.add_argument(
        "--seconds", type=float, default=_DEFAULT_SECONDS,
        help="四周用多少秒走完 / real seconds for the four weeks (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--days", type=int, default=_FOUR_WEEKS,
        help="只演前几天 / only the first days (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--kill", choices=KILLABLE, default="registrar",
        help="中途 kill -9 哪个进程 / which worker to kill in the middle (%(default)s)",
    )  # fmt: skip
    return parser.parse_args()


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    """SIGTERM ends the demo as Ctrl-C does: everything is stopped on the way out."""
    raise KeyboardInterrupt


def _perform(settings: Settings, arguments: argparse.Namespace) -> int:
    """Set the stage, play, check, tell."""
    watch = StopWatch()
    schedule = read_schedule(arguments.days)
    _tell("清理上次演示，启动 Kafka 与 PostgreSQL … starting Kafka and PostgreSQL")
    clear(settings)
    with stage(settings, keep=arguments.keep, opens_at=schedule.opens_at) as made:
        contracts = load_repository_contracts()
        opened = (OPENED,) if schedule.ends_at > REFORMED_AT else ()
        account = OutcomeTally(made.loaded, contracts, made.access, opened)
        try:
            kill = "" if arguments.kill == "none" else arguments.kill
            play = DemoScenario(made, account, schedule, kill, _tell)
            play.wait_until_ready()
            _tell(
                f"就绪 ready（{watch.lap('启动 start'):.0f} s）："
                f"{len(made.workers)} 个进程 processes；台账、平台账与日志 state, books, logs: "
                f"{settings.state_folder}"
            )
            course = play.run(arguments.seconds)
            watch.lap("四周 four weeks")
            report = _report(made, schedule, course, account, contracts, arguments.keep)
        finally:
            account.close()
        text = summary.page(report)
        (made.folder / "summary.txt").write_text(text, encoding="utf-8")
        if arguments.keep:
            made.set_clock(course.ended_at, 1)
        watch.lap("核对 checks")
    watch.lap("停止 stop")
    print()
    print(text)
    print(watch.text())
    return 0 if report.holds else _EXIT_DIFFERENT


class StopWatch:
    """Real seconds, stretch by stretch."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()
        self._laps: list[str] = []

    def lap(self, name: str) -> float:
        """End a stretch; return its seconds."""
        now = time.monotonic()
        seconds, self._last = now - self._last, now
        self._laps.append(f"{name} {seconds:.0f}")
        return seconds

    def text(self) -> str:
        """The whole and its parts."""
        whole = time.monotonic() - self._began
        return f"用时 took {whole:.0f} s（{'，'.join(self._laps)}）"


def _report(
    made: DemoEnvironment,
    schedule: DemoSchedule,
    course: Course,
    account: OutcomeTally,
    contracts: Contracts,
    keep: bool,  # noqa: FBT001 - handed through
) -> summary.DemoReport:
    """Check everything that can be checked."""
    _tell("核对并重放台账 … checking, and replaying the ledger")
    answers = checks.Answers(made, account)
    files, results = checks.result_files(made, schedule)
    look_ups = checks.look_ups_agree(made, account, course.ended_at)
    report, lines = checks.report_agrees(made, account, summary.MONTH, course.ended_at)
    found = [
        checks.came_back(course),
        checks.drained(account),
        checks.conservation(account),
        checks.every_row_answered(schedule, answers),
        checks.as_expected(schedule, answers),
        *(
            checks.book_equals_ledger(made, account, contracts, target)
            for target in made.loaded.site.targets
        ),
        checks.found_by_agents(made, schedule, account),
        checks.exits_taken_down(account, made.loaded.site.targets),
        lives.exit_before_entry(made, schedule, account, answers),
        lives.repaired_stays_down(made, schedule, account, answers),
        lives.counted_again(made, account, course),
        lives.taken_over(made, account, answers, course),
        lives.opened_to_the_public(made, account, course),
        lives.poisoned(made, account),
        checks.foreign_writes_refused(course),
        look_ups,
        report,
        files,
        checks.result_table(made, account),
        *checks.audits(made),
    ]
    return summary.DemoReport(
        made, schedule, course, account, answers, found, results, lines, keep=keep
    )


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
