"""Take-downs at platforms that follow a script: each once left something on show, or never left.

The laws are those of docs/life.md, *What a target must do*; in memory and at random they are held
by `tests/simulator/test_courier_laws.py` and `tests/schedules`. Here courier, broker and platform
are processes.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.adapters.clocks import write_business_clock
from tests.driver.rows import at
from tests.kafka.courier_place import wait_until
from tests.kafka.two_platforms import TwoPlatforms
from tests.simulator.test_courier import number_of

pytestmark = [pytest.mark.kafka, pytest.mark.faults]
POSTS = "SELECT version, verdict FROM requests WHERE verb IN ('POST', 'TOPIC') ORDER BY id"


def posts(place: TwoPlatforms, target: str = "province") -> list[tuple[int, str]]:
    """Version and what the platform did with it, of everything it was sent."""
    return [(int(version), str(verdict)) for version, verdict in place.ask(target, POSTS)]


def stages(place: TwoPlatforms, target: str = "province") -> list[tuple[int, str]]:
    """Version and stage of all that the registrar was told."""
    reports: list[dict[str, Any]] = [json.loads(r.value) for r in place.read(f"outcomes.{target}")]
    return [(one["version"], one["stage"]) for one in reports]


def down(place: TwoPlatforms, target: str = "province") -> bool:
    """Whether the platform shows nothing of what it knows, and knows something."""
    shown = place.shown(target).values()
    return bool(shown) and all(stage == "withdrawn" for _version, stage, _digest in shown)


def withdrawn_while_unknown(place: TwoPlatforms, manner: str) -> None:
    """A publication gets no answer, nobody can ask about it, and its take-down is named."""
    place.province.control(following=[[manner, 1]], is_mute=True)
    place.decide("new", range(1))
    place.deliver("province")
    wait_until(lambda: len(posts(place)) == 1, 30)
    place.decide("withdraw", range(1))


def test_a_publication_nobody_can_ask_about_holds_no_take_down_up(place: TwoPlatforms) -> None:
    """It took effect, its answer is lost, and every status query fails for ever."""
    withdrawn_while_unknown(place, "reset_applied")
    wait_until(lambda: down(place), 30)
    assert [version for version, _verdict in posts(place)] == [1, 2]


def test_a_publication_that_never_answers_is_not_repeated_once_its_take_down_is_named(
    place: TwoPlatforms,
) -> None:
    """By topic, where nobody can be asked: no copy of it follows the withdrawal."""
    place.order("city", following=[["never_applied", 100]])
    place.decide("new", range(1))
    place.deliver("city")
    wait_until(lambda: len(posts(place, "city")) >= 2, 30)  # unanswered it is sent again
    place.decide("withdraw", range(1))
    wait_until(lambda: down(place, "city"), 30)
    wait_until(lambda: len(posts(place, "city")) > 4, 30)  # the withdrawal is not answered either
    versions = [version for version, _verdict in posts(place, "city")]
    assert versions == sorted(versions)
    place.order("city")
    wait_until(lambda: (2, "withdrawn") in stages(place, "city"), 30)


def test_a_lost_publication_is_not_sent_again_when_its_take_down_waits(place: TwoPlatforms) -> None:
    """The platform never had it: what it is asked for is the withdrawal."""
    withdrawn_while_unknown(place, "reset_lost")
    place.province.control()
    wait_until(lambda: (2, "withdrawn") in stages(place), 30)
    assert posts(place)[0] == (1, "reset_lost")
    assert {version for version, _verdict in posts(place)[1:]} == {2}
    assert not [one for one in place.shown("province").values() if one[1] == "published"]


def test_a_refused_withdrawal_is_tried_again_the_next_day(place: TwoPlatforms) -> None:
    """It is told as refused, which opens a case; the record is down a day later."""
    place.decide("new", range(1))
    place.deliver("province")
    place.wait_until_equal("province")
    (record,) = place.shown("province")
    place.province.control(refuse=[{"code": "MULTIPLE_ROWS", "record": record}])
    place.decide("withdraw", range(1))
    wait_until(lambda: (2, "refused") in stages(place), 30)
    place.province.control()
    assert not down(place)
    write_business_clock(place.clock, at("2026-11-03 10:00"), factor=1)
    wait_until(lambda: down(place), 60)
    wait_until(lambda: stages(place)[-1] == (2, "withdrawn"), 30)
    assert [one for one in posts(place) if one[0] == 2] == [(2, "refused"), (2, "withdrawn")]


def test_take_downs_go_before_a_backlog_of_publications(place: TwoPlatforms) -> None:
    """A slow platform, hundreds of rows behind: what is withdrawn does not stand in the queue."""
    place.decide("new", range(20))
    place.deliver("province")
    place.wait_until_equal("province")
    place.province.control(mix={"late": 1.0}, late_seconds=0.4)
    place.decide("new", range(20, 420))
    wait_until(lambda: len(posts(place)) > 80, 60)
    place.decide("withdraw", range(20))
    wait_until(lambda: sum(version == 2 for version, _ in posts(place)) == 20, 60)
    sent = [version for version, _verdict in posts(place)]
    assert sent.count(1) < 400, "the backlog is not over"
    first = sent.index(2)
    between = sent[first : len(sent) - sent[::-1].index(2)].count(1)
    assert between <= 40, "what had left already, and a share for what is due today"
    place.province.control()
    place.wait_until_equal("province")


def test_one_record_alone_with_its_answer_is_parked_alone(place: TwoPlatforms) -> None:
    """A firewall dislikes a word in it: every other record is served, withdrawals included."""
    place.province.control(forbid=[number_of(3)])
    place.deliver("province")
    place.decide("new", range(10))
    place.decide("withdraw", range(5, 7))
    wait_until(lambda: (1, "parked") in stages(place), 120)
    owed = place.owed("province")
    missing = {record for record, end in owed.items() if place.shown("province").get(record) != end}
    assert len(missing) == 1
    assert sum(verdict == "403" for _version, verdict in posts(place)) < 20
