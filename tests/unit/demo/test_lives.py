"""The demo's checks of three lives notice what they are there for."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from demo import lives
from demo.account import OutcomeTally, OwedDelivery, SubmissionAnswer
from demo.checks import Answers, Check
from demo.dates import day_start_ms
from demo.foreseen import EarlyExit, early_exits
from demo.lives import counted_again, exit_before_entry, repaired_stays_down
from demo.notice import ADOPTED_AT
from demo.play import Course
from demo.schedule import DemoSchedule, read_schedule
from demo.stage import DemoEnvironment
from hub.core.record import Outcome
from hub.core.state import Clock, ClockFlag, ClockKind
from tests.unit.demo.test_notice import EPOCH

KEY = b"\x01" * 32
EXIT, ENTRY = ("court/court-exits/x.csv", 3), ("court/court-listings/y.csv", 7)
TARGETS = (SimpleNamespace(id="province", number=0), SimpleNamespace(id="city", number=1))


@dataclass
class DemoWorld:
    """A stage and an account of two targets, as the checks ask them."""

    folder: Path
    books: dict[str, dict[str, dict[str, object]]] = field(
        default_factory=lambda: {target.id: {} for target in TARGETS}
    )
    status: str = "withdrawn"
    deliveries: dict[int, dict[bytes, list[OwedDelivery]]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    never_shown_at: int = -1
    written: Counter[Outcome] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=lambda: Counter(due_date_moved=2))
    taken_back: dict[object, str] = field(default_factory=dict)
    clocks: list[Clock] = field(default_factory=list)
    rows: dict[bytes, object] = field(
        default_factory=lambda: {KEY: SimpleNamespace(document_number="屿罚1号")}
    )

    @property
    def loaded(self) -> SimpleNamespace:
        """The site of two targets and two partitions."""
        return SimpleNamespace(site=SimpleNamespace(targets=TARGETS, partitions=2))

    def shown(self, target: str) -> dict[str, dict[str, object]]:
        """A platform's own book."""
        return self.books[target]

    def status_of(self, _key: bytes) -> str:
        """Where the record stands."""
        return self.status

    def was_shown(self, _key: bytes, target: int) -> bool:
        """Whether a target ever had it."""
        return target != self.never_shown_at

    def running_clocks(self) -> list[Clock]:
        """Clocks that run at the end."""
        return self.clocks


def answered(outcome: str, *codes: str) -> list[SubmissionAnswer]:
    """The answer to one row."""
    return [
        SubmissionAnswer(outcome, tuple((code, "", "warning") for code in codes), "", "court", KEY)
    ]


def answers_of(found: dict[tuple[str, int], list[SubmissionAnswer]]) -> Answers:
    """Answers by place."""
    return cast("Answers", SimpleNamespace(by_place=found))


# --- an exit before its entry --------------------------------------------------------------------


def early_world(tmp_path: Path, *, exit_says: str = "已撤回", shown: str = "") -> DemoWorld:
    """Result files as they shall be, unless something else is asked for."""
    for (path, row), words in ((EXIT, exit_says), (ENTRY, "已受理")):
        result = tmp_path / "results" / f"{path}.result.csv"
        result.parent.mkdir(parents=True, exist_ok=True)
        header = "行号,处理结果,原因代码,相关栏目,说明,处理办法,期限,公示情况"
        result.write_text(
            f"\ufeff{header}\n2,已受理,,,,,,省 已公示\n{row},{words},,,,,,{shown}\n", "utf-8"
        )
    return DemoWorld(tmp_path)


def check_early(
    world: DemoWorld, monkeypatch: pytest.MonkeyPatch,
    exit_answer: list[SubmissionAnswer] | None = None,
    entry_answer: list[SubmissionAnswer] | None = None,
) -> tuple[str, ...]:  # fmt: skip
    """What differs."""
    monkeypatch.setattr(lives, "early_exits", lambda _: [EarlyExit("执126号", EXIT, ENTRY)])
    found = {
        EXIT: exit_answer or answered("held", "WAITING_FOR_RECORD"),
        ENTRY: entry_answer or answered("accepted"),
    }
    return exit_before_entry(
        cast("DemoEnvironment", world),
        DemoSchedule((), 0, 0),
        cast("OutcomeTally", world),
        answers_of(found),
        0.0,
    ).differences


def test_an_early_exit_that_waited_and_took_effect_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held, accepted, withdrawn, shown nowhere, told to the court."""
    assert check_early(early_world(tmp_path), monkeypatch) == ()


def test_an_early_exit_that_is_answered_otherwise_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another outcome, another reason, or a listing that is not accepted."""
    world = early_world(tmp_path)
    for exit_answer, entry_answer in (
        (answered("withdrawn"), None),
        (answered("held", "WAITING_FOR_MOVE"), None),
        (None, answered("quarantined")),
    ):
        assert len(check_early(world, monkeypatch, exit_answer, entry_answer)) == 1


def test_an_early_exit_whose_entry_was_shown_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By status, by a delivery that was named, or by a platform's own book."""
    live, named, held = (early_world(tmp_path) for _ in range(3))
    live.status = "live"
    named.deliveries[0][KEY] = [OwedDelivery(1, "publish", "", b"")]
    held.books["city"][KEY.hex()] = {"stage": "withdrawn"}
    for world in (live, named, held):
        assert len(check_early(world, monkeypatch)) == 1


def test_an_early_exit_of_which_the_court_is_not_told_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result file that still waits, that says it is shown, or that is not there."""
    waits = early_world(tmp_path / "a", exit_says="等待所指记录到达")
    shown = early_world(tmp_path / "b", shown="市网站 已公示")
    assert [len(check_early(w, monkeypatch)) for w in (waits, shown, DemoWorld(tmp_path))] == [
        1,
        2,
        2,
    ]


def test_the_data_set_has_one_early_exit() -> None:
    """Of its entry that comes days later; none in the first days."""
    (found,) = early_exits(read_schedule(28))
    drops = {file.path: file.drop_at for file in read_schedule(28).files}
    assert drops[found.exit[0]] < drops[found.entry[0]]
    assert early_exits(read_schedule(9)) == []


# --- repaired ------------------------------------------------------------------------------------


def repaired_world(tmp_path: Path, stage: str, *actions: str) -> DemoWorld:
    """A record that was named for both targets with these actions and ends at this stage."""
    world = DemoWorld(tmp_path)
    for target in TARGETS:
        world.deliveries[target.number][KEY] = [
            OwedDelivery(n, action, "", b"") for n, action in enumerate(actions, 1)
        ]
        world.books[target.id][KEY.hex()] = {"stage": stage}
    return world


def check_repaired(
    world: DemoWorld, quirk: str, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, ...]:
    """What differs where one row is an example of this quirk."""
    expected = {EXIT: ("", frozenset[str](), frozenset({quirk}))}
    monkeypatch.setattr(lives, "expectations", lambda _: expected)
    return repaired_stays_down(
        cast("DemoEnvironment", world), DemoSchedule((), 0, 0), cast("OutcomeTally", world),
        answers_of({EXIT: answered("")}),
    ).differences  # fmt: skip


def test_a_repaired_record_that_is_down_everywhere_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shown once, taken down, and nothing after it; a restored one is back."""
    down = repaired_world(tmp_path, "withdrawn", "publish", "withdraw")
    back = repaired_world(tmp_path, "published", "publish", "withdraw", "publish")
    assert check_repaired(down, lives.REPAIRED, monkeypatch) == ()
    assert check_repaired(back, lives.RESTORED, monkeypatch) == ()
    assert len(check_repaired(back, lives.REPAIRED, monkeypatch)) == 2
    assert len(check_repaired(down, lives.RESTORED, monkeypatch)) == 2


def test_a_repaired_record_that_one_platform_shows_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its own book decides, whatever the ledger says; so does one that never had it."""
    world = repaired_world(tmp_path, "withdrawn", "publish", "withdraw")
    world.books["city"][KEY.hex()] = {"stage": "published"}
    (wrong,) = check_repaired(world, lives.REPAIRED, monkeypatch)
    assert "city" in wrong
    world = repaired_world(tmp_path, "withdrawn", "publish", "withdraw")
    world.never_shown_at = 0
    (wrong,) = check_repaired(world, lives.REPAIRED, monkeypatch)
    assert "province" in wrong


# --- a replaced notice ---------------------------------------------------------------------------


def due_after(on: date, last_day: date) -> Clock:
    """A running disclosure counted from a day, due at the end of another."""
    due_at = day_start_ms((last_day - EPOCH).days + 1)
    return Clock(0, ClockKind.DISCLOSE, ClockFlag.NONE, 0, due_at, due_at, on.toordinal())


def notice_world(tmp_path: Path) -> DemoWorld:
    """All as it shall be."""
    world = DemoWorld(tmp_path)
    world.written = Counter({Outcome.BASIS_ADOPTED: 4, Outcome.SWEEP_ENDED: 2})
    world.taken_back = {1: "stopped_in_time", 2: "overdue"}
    world.clocks = [due_after(date(2026, 9, 16), date(2026, 9, 28))]
    return world


def check_notice(world: DemoWorld, at: int = ADOPTED_AT) -> Check:
    """The check of the replaced notice."""
    return counted_again(
        cast("DemoEnvironment", world), cast("OutcomeTally", world), Course(notice_at=at)
    )


def test_deadlines_counted_again_hold(tmp_path: Path) -> None:
    """And the detail says what became of them."""
    check = check_notice(notice_world(tmp_path))
    assert check.differences == ()
    assert "taken back 2：其后按时 then met in time 1" in check.detail


def test_what_was_not_counted_again_is_noticed(tmp_path: Path) -> None:
    """A clock on its old date, a partition that did not sweep, nothing taken back."""
    old_date, unswept, silent = (notice_world(tmp_path) for _ in range(3))
    old_date.clocks = [due_after(date(2026, 9, 16), date(2026, 9, 24))]
    unswept.written[Outcome.SWEEP_ENDED] = 1
    silent.taken_back = {}
    for world in (old_date, unswept, silent):
        assert len(check_notice(world).differences) == 1


def test_a_play_that_ends_before_the_notice_says_so(tmp_path: Path) -> None:
    """Nothing is compared, and the line does not claim it was."""
    check = check_notice(DemoWorld(tmp_path), at=0)
    assert check.holds
    assert "none in these days" in check.detail
