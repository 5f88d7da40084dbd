"""A few random schedules on every run, and whether the checker finds what is wrong."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import pytest

from tests import schedules
from tests.schedules.checker import Named, faults
from tests.schedules.mouths import KINDS
from tests.schedules.platform import Manners, ScheduledPlatform, Sent
from tests.schedules.schedule import Schedule

EACH = 16
AGAIN = 600.0


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
def test_some_schedules_of_every_kind(kind: int) -> None:
    """The long suite is tests/schedules; these are enough to notice most faults."""
    numbers = range(10_000 + kind, 10_000 + kind + EACH * len(KINDS), len(KINDS))
    assert {number: found for number in numbers if (found := Schedule(number).run())} == {}


def test_a_number_is_a_schedule() -> None:
    """The same on every machine."""
    books = []
    for _time in range(2):
        one = Schedule(4)
        one.run()
        books.append((one.platform.posts, one.platform.shown, one.now))
    assert books[0] == books[1]


def test_the_checker_and_the_platform_know_nothing_of_the_courier() -> None:
    """What shares its code shares its mistakes."""
    for name in ("checker", "platform"):
        text = (Path(schedules.__file__).parent / f"{name}.py").read_text("utf-8")
        assert re.findall(r"^\s*from (hub\S*)", text, re.MULTILINE) == []


def sent(version: int, action: str = "publish", delivery: str = "") -> Sent:
    """A request of one record; each version has an id of its own."""
    name = delivery or f"d{version}"
    return Sent(name, "r", version, version, action, f"c{version}")  # type: ignore[arg-type]


def platform() -> ScheduledPlatform:
    """A platform that behaves."""
    return ScheduledPlatform(Random(1), Manners(), 10.0)


SHOWN = Named(0.0, "r", 1, "c1")
WITHDRAWN = Named(5.0, "r", 2, None)


def test_a_courier_that_does_its_work_is_found_in_order() -> None:
    """Published, withdrawn."""
    there = platform()
    there.send(sent(1), 0.0)
    there.send(sent(2, "withdraw"), 6.0)
    assert faults([SHOWN, WITHDRAWN], there, 1000.0, AGAIN) == []


def test_a_record_that_is_shown_too_long_is_found() -> None:
    """Also when it is taken down in the end; not when the platform was away for as long."""
    for excuse in ("", "503"):
        there = platform()
        there.send(sent(1), 0.0)
        if excuse:
            there.excuses.append((450.0, "", excuse))
        there.send(sent(2, "withdraw"), 500.0)
        found = faults([SHOWN, WITHDRAWN], there, 1000.0, AGAIN)
        assert bool(found) == (not excuse)


def test_a_record_that_never_came_is_found() -> None:
    """Unless it is poisoned."""
    assert faults([SHOWN], platform(), 1000.0, AGAIN) != []
    there = platform()
    there.manners.poisoned["r"] = 403
    assert faults([SHOWN], there, 1000.0, AGAIN) == []


def test_an_older_one_after_a_newer_one_is_found() -> None:
    """Whatever the platform made of it."""
    there = platform()
    there.send(sent(2, "withdraw"), 6.0)
    there.send(sent(1), 7.0)
    assert any("after a newer one" in one for one in faults([WITHDRAWN], there, 100.0, AGAIN))


def test_a_second_id_without_a_reason_is_found() -> None:
    """A refusal is one, or an older version that appeared."""
    there = platform()
    there.send(sent(1), 0.0)
    there.send(sent(1, delivery="other"), 1.0)
    assert any("2 ids" in one for one in faults([SHOWN], there, 100.0, AGAIN))
