"""A wrong rule is corrected under its own id, and what it had decided is decided again."""

from __future__ import annotations

from copy import deepcopy
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from hub.core.record import LedgerRecord, Outcome
from hub.core.state import ClockFlag, ClockKind
from hub.domain.rulebook import Rulebook
from hub.errors import ConfigurationError
from hub.operations.control import redecision_request
from tests.driver import rows
from tests.driver.life import RecordLife, codes
from tests.driver.resends import redecide
from tests.driver.rows import LICENCE, LISTED, PENALTY, at, licence_row
from tests.driver.stories import number
from tests.driver.test_adoption import CITY, MINOR, PROVINCE, adopt, periods, rule, said, walked
from tests.replay.tampering import replay, verify

if TYPE_CHECKING:
    from hub.core.state import Clock

PERIOD = "periods-order-36"


def again(life: RecordLife, rule_id: str, document: dict[str, Any]) -> list[LedgerRecord]:
    """Adopt the corrected rulebook and decide again; what the second brought."""
    adopt(life, document)
    rulebooks = [Rulebook.from_mapping(d["rulebook"]) for d in (rows.basis(), document)]
    written = redecide(life.hub, redecision_request(rule_id, rulebooks, "期限录入错误"))
    life.crash()
    assert [f.text() for f in verify(life.hub).differences.kept] == []
    assert [f.text() for f in replay(life.hub).differences.kept] == []
    return written


def disclosures(life: RecordLife) -> dict[int, Clock]:
    """Target → disclosure clock of the last record."""
    return {c.target: c for c in life.state().clocks if c.kind is ClockKind.DISCLOSE}


def test_what_a_wrong_period_ended_is_shown_again() -> None:
    """Three months were meant to be twelve; the rule's id stands in the reason."""
    life = RecordLife(periods(3))
    life.penalty()
    life.met(life.record)
    life.hub.advance(at("2027-03-01 09:00") - life.hub.now)
    assert life.shown("city") == set()
    (up,) = walked(again(life, PERIOD, rows.basis()))
    assert (up.outcome, up.publish_targets, up.version) == (Outcome.REPROJECTED, 1 << CITY, 3)
    assert [(r.code, r.field) for r in up.reasons] == [("REDECIDED", PERIOD)]
    assert life.dues(ClockKind.EXPIRE) == {"city": "11-02"}
    assert life.dues() == {"city": "03-05"}  # shown before: the time of a correction
    life.hub.advance(at("2027-11-02 01:00") - life.hub.now)
    assert life.shown("city") == set()


def test_a_disclosure_that_a_wrong_period_cut_off_is_owed_since_the_decision() -> None:
    """As if today's rule had been in force: nobody had shown it when it ended."""
    life = RecordLife(periods(0))
    life.penalty()
    life.wait(1)
    assert life.shown("city") == set()
    again(life, PERIOD, rows.basis())
    assert life.dues()["city"] == "11-12"


def test_what_was_rightly_ended_stays_so() -> None:
    """The rule was wrong about other classes: this one is over all the same."""
    life = RecordLife(periods(3))
    life.penalty(CF_YZCD="轻微")
    life.penalty(CF_WSH="舟市监罚〔2026〕2号")
    life.hub.advance(at("2027-03-01 09:00") - life.hub.now)
    written = walked(again(life, PERIOD, periods(2)))
    assert written == []


def test_a_missed_duty_is_judged_by_the_corrected_days() -> None:
    """Met on the sixth day of three that should have been seven: it was in time."""
    life = RecordLife(rule("deadlines", "disclose-424", working_days=3))
    life.row()
    named = life.record
    life.wait(6)
    assert life.report(named, "city", "published") == ["stopped_late"]
    written = again(life, "disclose-424", rows.basis())
    assert [e[2] for e in said(written) if e[0] == CITY] == [
        "due_date_moved", "overdue_taken_back", "reopened_late", "stopped_in_time",
    ]  # fmt: skip
    clock = disclosures(life)[CITY]
    assert clock.flags & (ClockFlag.STOPPED | ClockFlag.LATE) == ClockFlag.STOPPED
    assert codes(walked(written)[0]) == "REDECIDED"


def test_a_duty_that_was_met_in_time_may_have_been_late() -> None:
    """Seven days should have been three."""
    life = RecordLife()
    life.row()
    named = life.record
    life.wait(6)
    assert life.report(named, "city", "published") == ["stopped_in_time"]
    written = again(life, "disclose-424", rule("deadlines", "disclose-424", working_days=3))
    assert [e[2] for e in said(written) if e[0] == CITY] == [
        "due_date_moved", "reopened", "stopped_late",
    ]  # fmt: skip
    assert disclosures(life)[CITY].flags & ClockFlag.LATE


def test_a_take_down_is_judged_again_too() -> None:
    """Three days should have been one; the record stays down."""
    life = RecordLife()
    life.row()
    life.withdrawn()
    gone = life.record
    life.wait(2)
    assert life.report(gone, "city", "withdrawn", action="withdraw") == ["stopped_in_time"]
    written = again(
        life, "withdraw-licence-48", rule("deadlines", "withdraw-licence-48", working_days=1)
    )
    assert (CITY, "W", "stopped_late") in said(written)
    assert life.shown() == set()


def test_a_day_that_is_only_certain_now_judges_nothing_again() -> None:
    """The notice for next year confirms the day on which it was met in time."""
    life = RecordLife(now="2026-12-28 09:00")
    life.say(LICENCE, licence_row(XK_JDRQ="2026-12-28", XK_YXQZ="2026-12-28"))
    life.met(life.record)
    document = deepcopy(rows.basis())
    days = [{"name": "元旦", "date": "2027-01-01", "isOffDay": True}]
    document["calendar"]["notices"].append({"year": 2027, "papers": ["test"], "days": days})
    assert life.flags(ClockFlag.PROVISIONAL) == {"province", "city"}
    assert walked(again(life, "disclose-424", document)) == []


def test_what_comes_back_is_judged_elsewhere_too() -> None:
    """A record that is shown again at one target was late at none."""
    document = periods(3)
    document["rulebook"]["deadlines"][1]["working_days"] = 3
    life = RecordLife(document)
    life.penalty()
    named = life.record
    life.wait(6)
    life.report(named, "city", "published")
    life.report(named, "province", "acknowledged")
    life.hub.advance(at("2027-03-01 09:00") - life.hub.now)
    written = again(life, PERIOD, rows.basis())
    assert (PROVINCE, "D", "in_time_learned_late") in said(written)
    assert life.shown("city")


def test_a_row_nobody_may_see_is_counted_by_the_corrected_rule() -> None:
    """It is a decision like any other."""
    life = RecordLife(rule("deadlines", "disclose-424", working_days=3))
    life.fault()
    assert life.dues() == {"province": "11-06", "city": "11-06"}
    adopt(life, rows.basis())
    assert life.dues() == {"province": "11-12", "city": "11-12"}


def test_what_a_wrong_rule_withheld_is_owed_since_the_decision() -> None:
    """Adoption alone counts from its own day; a redecision as if the rule had been right."""
    loose = deepcopy(rows.basis())
    loose["rulebook"]["withholding"] = []
    life = RecordLife()
    life.penalty(**MINOR)
    life.wait(2)
    life.hub.adopt(loose)
    assert life.dues()["city"] == "11-14"
    rulebooks = [Rulebook.from_mapping(rows.basis()["rulebook"])]
    request = redecision_request("withhold-minor-order-36", rulebooks, "")
    assert request["kinds"] == [PENALTY]
    redecide(life.hub, request)
    assert life.shown("city")


def test_only_what_the_rule_spoke_for_is_looked_at() -> None:
    """Other kinds, and decisions of days under another rule, are left alone."""
    life = RecordLife(periods(3))
    life.penalty()
    life.say(LICENCE, licence_row(XK_WSH=number(7)))
    life.hub.advance(at("2027-03-01 09:00") - life.hub.now)
    assert walked(again(life, "withdraw-court-2017", rows.basis())) == []
    assert walked(again(life, "periods-order-58", rows.basis())) == []
    assert len(walked(again(life, PERIOD, rows.basis()))) == 1


def test_a_rule_reaches_to_the_day_before_the_next_of_its_sort() -> None:
    """Corrections and withdrawals of every decision fall under the rule of their own day."""
    book = Rulebook.from_mapping(rows.basis()["rulebook"])
    reach = book.reach_of("periods-order-58")
    assert reach == ((PENALTY,), date(2023, 5, 1), date(2026, 3, 31))
    assert book.reach_of("withhold-minor-order-36") == ((PENALTY,), date(2026, 4, 1), None)
    assert book.reach_of("withdraw-court-2017") == ((LISTED,), date.min, None)
    assert book.reach_of("disclose-before-424") == (
        (LICENCE, PENALTY), date(1949, 10, 1), date(2018, 7, 24),
    )  # fmt: skip
    assert book.reach_of("nonsense") is None


def test_a_request_covers_all_that_the_rule_ever_spoke_for() -> None:
    """Its kinds and days were corrected, too; a rule that nobody had is refused by name."""
    before = Rulebook.from_mapping(rows.basis()["rulebook"])
    changed = rule(
        "publication_periods", PERIOD, kinds=[PENALTY, LICENCE], effective_from="2026-05-01"
    )
    after = Rulebook.from_mapping(changed["rulebook"])
    assert redecision_request(PERIOD, [before, after], "why") == {
        "rule": PERIOD, "kinds": [LICENCE, PENALTY], "decided_from": "2026-04-01",
        "decided_to": "", "reason": "why",
    }  # fmt: skip
    assert redecision_request("withdraw-court-2017", [before], "")["decided_from"] == ""
    old = redecision_request("periods-order-58", [before, after], "")
    assert old["decided_to"] == "2026-04-30"
    with pytest.raises(ConfigurationError, match="periods-order-36"):
        redecision_request("periods", [before], "")


def test_the_request_stands_in_the_ledger_with_its_reason() -> None:
    """Who looks years later sees what was asked, and why."""
    life = RecordLife()
    written = again(life, PERIOD, rows.basis())
    asked = [r for r in written if r.outcome is Outcome.REDECISION_REQUESTED]
    assert len(asked) == life.hub.partitions
    facts = dict(asked[0].facts)
    assert (facts["rule"], facts["because"]) == (PERIOD, "期限录入错误")
    assert int(facts["targets"]) == 1 << PROVINCE | 1 << CITY


@pytest.mark.parametrize(
    "change",
    [
        {"rule": "Two Words"}, {"rule": ""}, {"kinds": []}, {"kinds": ["licence\x1f"]},
        {"decided_from": "yesterday"}, {"reason": "x" * 501}, {"reason": "\ud800"}, {"kinds": 7},
    ],
)  # fmt: skip
def test_a_request_nobody_can_read_is_refused(change: dict[str, Any]) -> None:
    """Nothing is walked through for it."""
    life = RecordLife()
    usual: dict[str, Any] = {
        "rule": PERIOD, "kinds": [PENALTY], "decided_from": "", "decided_to": "", "reason": "",
    }  # fmt: skip
    assert [r.outcome for r in redecide(life.hub, usual | change)] == [Outcome.CONTROL_REFUSED] * 2
    assert Outcome.REDECISION_REQUESTED in {r.outcome for r in redecide(life.hub, usual)}
