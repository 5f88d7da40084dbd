"""L2. Nothing older changes or shows anything newer."""

from __future__ import annotations

import pytest

from hub.core.record import Outcome
from hub.core.state import SOURCES_KEPT, Status
from hub.domain.reasons import REASONS
from tests.driver.life import FAR, NEAR, RecordLife, answer, with_deputy
from tests.driver.rows import COMPANY, OTHER_DEPARTMENT, at

HERE = {(COMPANY, "食品经营")}


@pytest.mark.parametrize("has_fault", [True, False])
def test_what_is_older_than_a_withdrawal_stays_down(life: RecordLife, *, has_fault: bool) -> None:
    """A faulty row in between is no way around it."""
    assert life.row(version=5) == "accepted"
    assert life.withdrawn(version=6) == "withdrawn"
    if has_fault:
        assert life.fault(version=7) == "quarantined FIELD_REQUIRED"
    life.crash()
    assert life.row(version=4) == "superseded OLDER_THAN_LIVE"
    assert life.corrected(version=4) == "superseded OLDER_THAN_LIVE"
    assert (life.status, life.shown()) == (Status.WITHDRAWN, set())


def test_a_statement_without_a_version_does_not_lower_the_memory(life: RecordLife) -> None:
    """A correction by letter has no version; what the source said before is older all the same."""
    life.row(version=10)
    assert life.corrected("食品销售") == "corrected"
    life.crash()
    assert life.corrected("旧内容", version=5) == "superseded OLDER_THAN_LIVE"
    assert life.shown() == {(COMPANY, "食品销售")}
    assert life.corrected("新内容", version=11) == "corrected"
    assert life.shown() == {(COMPANY, "新内容")}


def test_an_equal_version_is_not_older(life: RecordLife) -> None:
    """A source that counts days sends two statements of one day."""
    life.row(version=10)
    assert life.corrected("食品销售", version=10) == "corrected"
    assert life.withdrawn(version=10) == "withdrawn"
    assert life.shown() == set()


def test_what_confirms_the_record_raises_the_memory(life: RecordLife) -> None:
    """The same content under a newer version: what lies between is older than that."""
    life.row(version=5)
    assert life.row(version=8) == "duplicate SAME_AS_LIVE"
    life.crash()
    assert life.corrected("旧内容", version=6) == "superseded OLDER_THAN_LIVE"
    life.withdrawn(version=9)
    assert life.withdrawn(version=12) == "duplicate ALREADY_WITHDRAWN"
    assert life.restored(version=11) == "superseded RESTORATION_OLDER_THAN_WITHDRAWAL"
    assert life.shown() == set()


@pytest.mark.parametrize("what", ["fault", "superseded", "conflict", "foreign", "reused"])
def test_what_took_no_effect_leaves_the_memory_alone(life: RecordLife, what: str) -> None:
    """A greater version of something refused does not close the record."""
    life.row(version=5)
    if what == "fault":
        assert life.fault(version=90) == "quarantined FIELD_REQUIRED"
    elif what == "superseded":
        assert life.row("旧内容", version=4) == "superseded OLDER_THAN_LIVE"
    elif what == "conflict":
        assert life.row("别的", version=90) == "conflicting UNDECLARED_CHANGE"
    elif what == "foreign":
        assert life.withdrawn(version=90, by=OTHER_DEPARTMENT) == "quarantined NOT_YOUR_RECORD"
    else:
        again = life.corrected(version=90, number=1)
        assert again == "quarantined SUBMISSION_NUMBER_REUSED"
    life.crash()
    assert life.corrected("新内容", version=6) == "corrected"
    assert life.shown() == {(COMPANY, "新内容")}


def test_the_memory_survives_quarantine_and_taking_back(life: RecordLife) -> None:
    """Never shown, taken back under version 6: the row of version 5 does not come up behind it."""
    life.fault(version=4)
    assert life.withdrawn(version=6) == "withdrawn"
    life.crash()
    assert life.row(version=5) == "superseded OLDER_THAN_LIVE"
    assert life.corrected(version=5) == "superseded OLDER_THAN_LIVE"
    assert life.restored(version=5) == "superseded OLDER_THAN_LIVE"
    assert life.row(version=7) == "accepted"
    assert life.shown() == HERE


def test_the_memory_survives_a_move(life: RecordLife) -> None:
    """At the identity that was left, and at the one it left for."""
    life.row(version=5)
    assert life.leaves(NEAR, version=6) == "withdrawn"
    assert life.arrives(NEAR, version=7) == "accepted"
    life.crash()
    assert life.row(version=4) == "superseded OLDER_THAN_LIVE"
    assert life.withdrawn(version=4) == "quarantined TAKE_DOWN_OF_MOVED"
    assert life.row("旧内容", key=NEAR, version=6) == "superseded OLDER_THAN_LIVE"
    assert life.shown() == {(NEAR, "食品经营")}


@pytest.mark.parametrize("to", [NEAR, FAR])
@pytest.mark.parametrize("order", ["departure first", "arrival first"])
def test_the_memory_goes_along_with_a_move(life: RecordLife, to: str, order: str) -> None:
    """A folder moves the row of a database; an older correction of the database is older there."""
    life.row(version=10, stream="db")
    halves = [life.leaves, life.arrives]
    for half in halves if order == "departure first" else reversed(halves):
        half(to, stream="folder")
    life.crash()
    assert life.corrected("旧内容", key=to, version=5, stream="db") == "superseded OLDER_THAN_LIVE"
    assert life.corrected("又一", key=to, version=5, stream="folder") == "corrected"
    assert life.withdrawn(key=to, version=10, stream="db") == "withdrawn"


def test_the_memory_that_comes_along_lowers_nothing(life: RecordLife) -> None:
    """What both identities had heard of one source is remembered by its greatest version."""
    life.row(key=NEAR, version=20, stream="db")
    life.withdrawn(key=NEAR, stream="other", version=3)
    life.row(version=10, stream="db")
    life.leaves(NEAR, stream="folder")
    assert life.arrives(NEAR, stream="folder") == "accepted"
    assert life.corrected(key=NEAR, version=15, stream="db") == "superseded OLDER_THAN_LIVE"
    assert life.corrected(key=NEAR, version=2, stream="other") == "superseded OLDER_THAN_LIVE"
    assert life.corrected(key=NEAR, version=20, stream="db") == "corrected"


def test_the_memory_survives_waiting(life: RecordLife) -> None:
    """The withdrawal of version 6 waited; the row of version 7 is not taken down by it."""
    assert life.withdrawn(version=6) == "held WAITING_FOR_RECORD"
    life.crash()
    assert life.row(version=7) == "accepted"
    assert [answer(r) for r in life.rest] == ["held_ended WITHDRAWAL_OLDER_THAN_LIVE"]
    assert life.shown() == HERE
    assert life.withdrawn(version=8) == "withdrawn"
    assert life.corrected(version=7) == "superseded OLDER_THAN_LIVE"


def test_versions_are_compared_within_one_source_only(life: RecordLife) -> None:
    """The case system counts in thousands, the file in single rows; arrival decides between."""
    life.row(version=5000, stream="cases")
    assert life.corrected("食品销售", version=3, stream="file") == "corrected"
    life.crash()
    assert life.corrected("旧内容", version=2, stream="file") == "superseded OLDER_THAN_LIVE"
    assert life.corrected("旧内容", version=4000, stream="cases") == "superseded OLDER_THAN_LIVE"
    assert life.shown() == {(COMPANY, "食品销售")}
    assert life.withdrawn(version=4, stream="file") == "withdrawn"
    assert life.restored(version=4999, stream="cases").startswith("superseded RESTORATION_OLDER")
    assert life.shown() == set()


def test_sixteen_sources_are_remembered_and_none_makes_room_for_another(life: RecordLife) -> None:
    """A further one counts by its arrival, and each of its statements says so."""
    life.row(version=100, stream="s0")
    for n in range(1, 16):
        assert life.corrected(f"第{n}版", version=100, stream=f"s{n}") == "corrected"
    told = "corrected SOURCES_TOO_MANY"
    assert life.corrected("又一版", version=100, stream="new") == told
    assert life.corrected("再一版", version=7, stream="new") == told
    life.crash()
    for n in range(16):
        assert life.corrected("旧", version=99, stream=f"s{n}") == "superseded OLDER_THAN_LIVE"
    assert life.corrected("新", version=101, stream="s0") == "corrected"
    assert life.withdrawn(version=5, stream="new") == "withdrawn SOURCES_TOO_MANY"
    assert life.shown() == set()


def test_what_a_further_source_took_down_another_source_does_not_show(life: RecordLife) -> None:
    """It was not the one heard last that took it down, so its *valid again* is no declaration."""
    for n in range(SOURCES_KEPT):
        life.row(version=100, stream=f"s{n}")
    assert life.withdrawn(version=5, stream="new") == "withdrawn SOURCES_TOO_MANY"
    last = f"s{SOURCES_KEPT - 1}"
    assert life.row(version=101, stream=last, valid=True) == "duplicate SAME_AS_WITHDRAWN"
    assert life.shown() == set()


def test_another_departments_equal_rows_leave_no_memory(life: RecordLife) -> None:
    """However many streams it has: the owner's versions are remembered, and only theirs count."""
    life.row(version=10)
    for n in range(SOURCES_KEPT + 1):
        said = life.row(version=99, stream=f"x{n}", by=OTHER_DEPARTMENT)
        assert said == "duplicate SAME_AS_LIVE"
    life.crash()
    assert life.corrected("旧", version=5) == "superseded OLDER_THAN_LIVE"
    assert life.corrected("旧", version=9) == "superseded OLDER_THAN_LIVE"
    assert life.corrected("新", version=1, stream="letters") == "corrected"
    assert len(life.state().heard) == 2


def test_a_deputys_source_is_remembered() -> None:
    """Who may act for the owner has an order like the owner."""
    life = RecordLife(with_deputy())
    life.row(version=10)
    assert life.row(version=9, by=OTHER_DEPARTMENT) == "duplicate SAME_AS_LIVE"
    said = life.corrected("旧", version=8, by=OTHER_DEPARTMENT)
    assert said == "superseded OLDER_THAN_LIVE"


def test_the_memories_of_two_identities_are_both_kept(life: RecordLife) -> None:
    """More than there is room for at one: the move forgets nothing of either."""
    for n in range(SOURCES_KEPT):
        life.row(key=NEAR, version=20, stream=f"near{n}")
        life.row(version=20, stream=f"here{n}")
    life.withdrawn(key=NEAR)
    life.leaves(NEAR)
    assert life.arrives(NEAR) == "accepted"
    life.crash()
    for n in range(SOURCES_KEPT):
        for stream in (f"near{n}", f"here{n}"):
            said = life.corrected("旧", key=NEAR, version=19, stream=stream)
            assert said == "superseded OLDER_THAN_LIVE"


@pytest.mark.parametrize(
    "stamp",
    [
        20621102, 20621102090000, 2929842000, 2929842000000, 2929842000000000,
        2929842000000000000, at("2026-11-03 09:00") + 1, 206211020900, 20621102090000123,
        99991231, 999912312359, 99991231235959, 99991231235959999, 253402271999, 253402271999000,
    ],
)  # fmt: skip
def test_a_version_that_reads_as_a_moment_to_come_is_no_order(life: RecordLife, stamp: int) -> None:
    """A stamp of 2062 must not close the record for ever."""
    assert life.row(version=stamp) == "accepted SOURCE_VERSION_IN_FUTURE"
    life.crash()
    today = at("2026-11-02 08:00")
    assert life.corrected("食品销售", version=today) == "corrected"
    assert life.corrected("旧内容", version=today - 1) == "superseded OLDER_THAN_LIVE"
    assert life.shown() == {(COMPANY, "食品销售")}


@pytest.mark.parametrize(
    "version",
    [
        20261103, 1793667600, at("2026-11-03 09:00"), 18991231, 99999999, 7, 123456789,
        202611030859, 20261103085900000, 123456789012, 123456789012345, 98761231235959,
    ],
)  # fmt: skip
def test_a_version_within_a_day_or_of_no_calendar_is_an_order(
    life: RecordLife, version: int
) -> None:
    """A clock a day ahead, and plain counts that happen to have eight digits."""
    assert life.row(version=version) == "accepted"
    assert life.corrected(version=version - 1) == "superseded OLDER_THAN_LIVE"


def stamp(day: int) -> int:
    """A version that counts milliseconds: nine o'clock of a day of November 2026."""
    return at(f"2026-11-{day:02} 09:00")


def test_a_version_to_come_is_no_order_either_once_its_day_has_come(life: RecordLife) -> None:
    """It was told that it is ignored when it came on the second; on the eighth it is so still."""
    assert life.withdrawn(version=stamp(5)) == "held SOURCE_VERSION_IN_FUTURE WAITING_FOR_RECORD"
    life.wait(6)
    life.crash()
    assert life.row(version=stamp(6)) == "accepted"
    assert [answer(r) for r in life.rest] == ["held_released SOURCE_VERSION_IN_FUTURE"]
    assert life.shown() == set()


def test_a_version_to_come_is_not_remembered_once_its_day_has_come(life: RecordLife) -> None:
    """The correction waited and counts by its arrival; the source's next one is not older."""
    assert life.corrected("第二版", version=stamp(7)).startswith("held")
    life.wait(6)
    life.crash()
    assert life.row("第一版", version=stamp(4)) == "accepted"
    assert life.shown() == {(COMPANY, "第二版")}
    assert life.corrected("第三版", version=stamp(6)) == "corrected"


def test_a_version_of_tomorrow_is_an_order_at_its_release_too(life: RecordLife) -> None:
    """Judged by its arrival it counts: a day ahead is a clock that is a little fast."""
    assert life.withdrawn(version=stamp(3)) == "held WAITING_FOR_RECORD"
    life.wait(2)
    assert life.row(version=stamp(4)) == "accepted"
    assert [answer(r) for r in life.rest] == ["held_ended WITHDRAWAL_OLDER_THAN_LIVE"]
    assert life.shown() == HERE


def test_an_older_take_down_is_an_open_case_and_never_silence(life: RecordLife) -> None:
    """Told as an error; the department insists under a newer version, or without one."""
    life.row(version=10)
    assert life.withdrawn(version=9) == "superseded WITHDRAWAL_OLDER_THAN_LIVE"
    assert [reason.severity for reason in life.record.reasons] == ["error"]
    assert life.record.withdraw_targets == 0
    assert life.shown() == HERE
    life.crash()
    assert life.withdrawn() == "withdrawn"
    assert life.shown() == set()


@pytest.mark.parametrize("version", [11, None], ids=["newer-version", "no-version"])
def test_an_older_correction_that_is_right_is_sent_as_its_remedy_says(
    life: RecordLife, version: int | None
) -> None:
    """A correction is older all the same; under another version, or none, it counts."""
    life.row(version=10)
    assert life.corrected(version=9) == "superseded OLDER_THAN_LIVE"
    assert "without one" in REASONS["OLDER_THAN_LIVE"].remedy_en
    assert life.corrected(version=version) == "corrected"


def test_what_was_older_stays_older_by_the_next_full_export(life: RecordLife) -> None:
    """Every order of three statements that carry their versions ends alike."""
    life.row("第三版", version=3)
    for content, version in (("第一版", 1), ("第二版", 2)):
        assert life.row(content, version=version) == "superseded OLDER_THAN_LIVE"
        assert life.corrected(content, version=version) == "superseded OLDER_THAN_LIVE"
    life.crash()
    assert life.row("第三版", version=3) == "duplicate SAME_AS_LIVE"
    assert life.shown() == {(COMPANY, "第三版")}


def test_an_arrival_that_is_older_than_what_was_here_does_not_come_up(life: RecordLife) -> None:
    """The new identity has a history of its own."""
    life.row("前身", key=FAR, version=20)
    life.withdrawn(key=FAR, version=21)
    life.row(version=5)
    assert life.leaves(FAR, version=6) == "withdrawn"
    assert life.arrives(FAR, version=7) == "superseded ARRIVAL_OLDER_THAN_RECORD"
    assert life.record.outcome is Outcome.SUPERSEDED
    assert life.shown() == set()


@pytest.mark.parametrize("to", [NEAR, FAR])
@pytest.mark.parametrize("order", ["departure first", "arrival first"])
def test_a_move_brings_no_older_text(life: RecordLife, to: str, order: str) -> None:
    """What the source had corrected is not undone on the way; what holds now arrives after it."""
    life.row("旧", version=5)
    life.corrected("新", version=10)
    if order == "departure first":
        life.leaves(to)
        assert life.arrives(to, content="旧", version=5) == "superseded ARRIVAL_OLDER_THAN_RECORD"
    else:
        assert life.arrives(to, content="旧", version=5) == "held WAITING_FOR_MOVE"
        life.leaves(to)
        assert "held_ended ARRIVAL_OLDER_THAN_RECORD" in [answer(r) for r in life.rest]
    life.crash()
    assert life.shown() == set()
    assert life.arrives(to, content="新", version=10) == "accepted"
    assert life.shown() == {(to, "新")}
