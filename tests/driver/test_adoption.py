"""What a target shows and owes after an adoption: a function of the record and the basis."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest

from hub.core.record import CauseKind, LedgerRecord, Outcome
from hub.core.state import ClockFlag, ClockKind
from hub.engine import slot
from tests.driver import rows
from tests.driver.life import RecordLife, codes
from tests.driver.rows import LICENCE, PENALTY, at, licence_row
from tests.driver.stories import number
from tests.replay.tampering import replay, verify

PROVINCE, CITY = 0, 1
SEVERAL = 5
SIMPLE = {"CF_AJCXLB": "简易程序"}
MINOR = {"CF_YZCD": "轻微"}
Document = dict[str, Any]


def target(number_: int, **changes: object) -> Document:
    """The site with other things said of one target."""
    document = deepcopy(rows.basis())
    document["site"]["targets"][number_] |= changes
    return document


def rule(name: str, rule_id: str, **changes: object) -> Document:
    """The site with other things said by one rule."""
    document = deepcopy(rows.basis())
    rules = document["rulebook"][name]
    next(each for each in rules if each["id"] == rule_id).update(changes)
    return document


def walked(written: list[LedgerRecord]) -> list[LedgerRecord]:
    """Of what was written, what a walk or a sweep says of a record."""
    return [r for r in written if r.cause.kind is CauseKind.SWEEP and r.state is not None]


def said(written: list[LedgerRecord]) -> list[tuple[int, str, str]]:
    """Target, clock and event of all that the clocks said."""
    return [(e.target, e.clock, e.event) for r in written for e in r.events]


def adopt(life: RecordLife, document: Document) -> list[LedgerRecord]:
    """Adopt; what was written. A lost disk and a replay give the same."""
    written = life.hub.adopt(document)
    life.crash()
    assert [f.text() for f in verify(life.hub).differences.kept] == []
    assert [f.text() for f in replay(life.hub).differences.kept] == []
    return written


# --- a target becomes public, or is public no more ---


def test_a_target_that_becomes_public_takes_down_what_is_withheld_from_the_public() -> None:
    """简易程序 is accepted and shown to the province; the public must not see it there."""
    life = RecordLife()
    life.penalty(**SIMPLE)
    assert life.state().publish == 1 << PROVINCE
    (down,) = walked(adopt(life, target(PROVINCE, public=True)))
    assert (down.outcome, down.withdraw_targets) == (Outcome.REPROJECTED, 1 << PROVINCE)
    assert codes(down) == "WITHHELD_FROM_PUBLIC BASIS_CHANGED"
    assert life.dues(ClockKind.WITHDRAW) == {"province": "11-06"}
    assert life.shown("province") == set()


def test_publication_ends_at_a_target_that_becomes_public() -> None:
    """It had no end where the public did not look; now it ends there as at the city."""
    life = RecordLife()
    life.penalty()
    adopt(life, target(PROVINCE, public=True))
    assert life.dues(ClockKind.EXPIRE) == {"province": "11-02", "city": "11-02"}
    life.hub.advance(at("2027-11-02 01:00") - life.hub.now)
    assert life.shown() == set()


def test_what_one_target_takes_down_is_brought_in_line_at_the_other() -> None:
    """The city shows no penalties any more; at the province, public now, publication ends."""
    life = RecordLife()
    life.penalty()
    document = target(PROVINCE, public=True)
    kinds = document["site"]["targets"][CITY]["kinds"]
    document["site"]["targets"][CITY]["kinds"] = [kind for kind in kinds if kind != PENALTY]
    (down,) = walked(adopt(life, document))
    assert down.withdraw_targets == 1 << CITY
    assert life.dues(ClockKind.EXPIRE) == {"province": "11-02"}


def test_what_is_over_at_a_target_that_becomes_public_is_taken_down_as_ended() -> None:
    """The reason says that its period is over, and it stays ended."""
    life = RecordLife()
    life.penalty(CF_JDRQ="2026-08-03", CF_YXQ="2026-10-30", CF_GSJZQ="2026-10-30")
    written = adopt(life, target(PROVINCE, public=True))
    assert codes(walked(written)[0]) == "DISCLOSURE_PERIOD_OVER BASIS_CHANGED"
    assert (PROVINCE, "E", "expired") in said(written)


def test_a_target_that_is_public_no_more_shows_all_and_nothing_ends_there() -> None:
    """What was withheld is shown; the end of publication is lifted."""
    life = RecordLife()
    life.penalty(**SIMPLE)
    (shown,) = walked(adopt(life, target(CITY, public=False)))
    assert (shown.publish_targets, shown.version) == (1 << CITY, 2)
    life = RecordLife()
    life.penalty()
    assert said(adopt(life, target(CITY, public=False))) == [(CITY, "E", "lifted")]
    assert life.dues(ClockKind.EXPIRE) == {}


def test_what_a_rule_brings_to_a_target_is_owed_from_that_day() -> None:
    """Nobody could disclose before: a decision of last month is not overdue at once."""
    life = RecordLife(now="2026-12-01 09:00")
    life.penalty(**SIMPLE)
    adopt(life, target(CITY, public=False))
    assert life.dues()["city"] == "12-11"
    assert life.flags(ClockFlag.OVERDUE_WRITTEN) == {"province"}


def test_what_a_rule_brings_to_a_target_is_owed_only_since_its_clock_from() -> None:
    """A decision before the day from which the target owes anything has no deadline there."""
    document = target(CITY, clock_from="2026-11-03")
    life = RecordLife(document)
    life.penalty(**SIMPLE)
    life.hub.advance(at("2026-11-04 09:00") - life.hub.now)
    document["site"]["targets"][CITY]["public"] = False
    adopt(life, document)
    assert life.shown("city")
    assert "city" not in life.dues()


# --- clearance and columns ---


@pytest.mark.parametrize(
    ("before", "after"),
    [(["public", "government"], ["public"]), (["public"], ["public", "government"])],
)
def test_another_clearance_names_a_next_version(before: list[str], after: list[str]) -> None:
    """A narrower projection replaces the wide one; a wider one the narrow one."""
    life = RecordLife(target(PROVINCE, clearance=before))
    life.row()
    first = life.record
    life.report(first, "province", "acknowledged")
    (again,) = walked(adopt(life, target(PROVINCE, clearance=after)))
    assert (again.outcome, again.publish_targets) == (Outcome.REPROJECTED, 1 << PROVINCE)
    assert (again.withdraw_targets, again.version) == (0, first.version + 1)
    assert dict(again.facts)["anew"] == str(1 << PROVINCE)
    assert codes(again) == "BASIS_CHANGED"
    assert life.dues() == {"province": "11-06", "city": "11-12"}  # a correction's three days
    assert [s.version for s in life.state().stages if s.target == CITY] == [1]


def test_what_is_not_disclosed_yet_keeps_its_date_under_another_clearance() -> None:
    """Named for a next version, it owes the same day as before."""
    life = RecordLife()
    life.row()
    adopt(life, target(PROVINCE, clearance=["public"]))
    assert life.dues() == {"province": "11-12", "city": "11-12"}
    assert life.state().version == 2
    assert not life.flags(ClockFlag.CORRECTION)


def test_other_columns_are_owed_from_the_day_they_were_adopted() -> None:
    """Once the version before is known to have been shown, whatever was corrected after."""
    life = RecordLife()
    life.row()
    first = life.record
    adopt(life, target(PROVINCE, clearance=["public"]))
    life.wait(2)
    life.corrected()
    assert life.dues()["province"] == "11-12"
    assert life.report(first, "province", "acknowledged") == ["stopped_in_time"]
    assert life.dues()["province"] == "11-06"  # three days after the adoption, not the correction


def test_a_clearance_that_shows_the_same_columns_names_nothing() -> None:
    """No column of any contract is for who is authorised alone."""
    columns = {f.sharing for c in rows.CONTRACTS.by_kind.values() for f in c.schema.fields}
    assert "authorised" not in columns
    life = RecordLife()
    life.row()
    clearance = ["public", "government", "authorised"]
    assert walked(adopt(life, target(PROVINCE, clearance=clearance))) == []


def test_a_column_that_is_public_no_more_names_the_kind_for_a_next_version() -> None:
    """At the targets that saw it; other kinds are left alone."""
    document = deepcopy(rows.basis())
    schema = json.loads(document["contracts"][LICENCE])
    column = next(f for f in schema["fields"] if f["sharing"] == "public" and f["name"] == "XK_NR")
    column["sharing"] = "government"
    document["contracts"][LICENCE] = json.dumps(schema, ensure_ascii=False)
    life = RecordLife()
    life.penalty()
    life.row()
    (again,) = walked(adopt(life, document))
    assert (again.publish_targets, again.version) == (1 << CITY, 2)
    assert again.record_key == life.record.record_key


def test_a_contract_that_reads_a_class_otherwise_is_followed() -> None:
    """轻微 was a class that is withheld; now the column says nothing about it."""
    document = deepcopy(rows.basis())
    schema = json.loads(document["contracts"][PENALTY])
    column = next(field for field in schema["fields"] if field["name"] == "CF_YZCD")
    del column["role"]
    document["contracts"][PENALTY] = json.dumps(schema, ensure_ascii=False)
    life = RecordLife()
    life.penalty(**MINOR)
    (shown,) = walked(adopt(life, document))
    assert (shown.publish_targets, shown.version) == (1 << CITY, 2)


# --- roles and clock_from ---


def test_a_role_that_is_done_sooner_meets_what_has_come_so_far() -> None:
    """报送 is done when the platform has taken the record over, and it had."""
    life = RecordLife()
    life.row()
    life.report(life.record, "city", "acknowledged", on="2026-11-02 10:00")
    document = target(CITY, role="report")
    life.hub.now = at("2026-11-03 09:00")
    assert said(adopt(life, document)) == [(CITY, "D", "stopped_in_time")]
    assert life.dues() == {"province": "11-12"}


def test_a_role_that_asks_for_more_reopens_nothing() -> None:
    """What was met stays met; what runs waits for the public from now on."""
    life = RecordLife()
    life.row()
    life.report(life.record, "province", "acknowledged")
    assert said(adopt(life, target(PROVINCE, role="display"))) == []
    life.row(key=rows.OTHER_COMPANY)
    assert life.report(life.record, "province", "acknowledged") == []
    assert life.report(life.record, "province", "published") == ["stopped_in_time"]


def test_a_role_of_other_deadlines_is_counted_by_them() -> None:
    """The rule of the role says how many days."""
    base = deepcopy(rows.basis())
    rules = base["rulebook"]["deadlines"]
    own = next(r for r in rules if r["id"] == "disclose-424")
    own["roles"] = ["report"]
    rules.append(own | {"id": "disclose-shown", "roles": ["display"], "working_days": 10})
    life = RecordLife(base)
    life.row()
    assert life.dues() == {"province": "11-12", "city": "11-17"}
    other = deepcopy(base)
    other["site"]["targets"][CITY]["role"] = "report"
    assert (CITY, "D", "due_date_moved") in said(adopt(life, other))
    assert life.dues() == {"province": "11-12", "city": "11-12"}


def test_duties_before_a_later_clock_from_are_lifted_and_begin_with_an_earlier_one() -> None:
    """One day: before it nothing is owed, on it everything."""
    life = RecordLife()
    life.row()
    assert said(adopt(life, target(CITY, clock_from="2026-11-03"))) == [(CITY, "D", "lifted")]
    assert life.dues() == {"province": "11-12"}
    assert said(adopt(life, target(CITY, clock_from="2026-11-02"))) == [(CITY, "D", "begun")]
    assert life.dues() == {"province": "11-12", "city": "11-12"}


def test_a_duty_that_begins_late_is_met_by_what_is_shown_already() -> None:
    """It was published in time when nobody owed it."""
    life = RecordLife(target(CITY, clock_from="2026-11-03"))
    life.row()
    life.report(life.record, "city", "published")
    written = adopt(life, rows.basis())
    assert said(written) == [(CITY, "D", "begun"), (CITY, "D", "stopped_in_time")]


def test_a_row_nobody_may_see_owes_by_clock_from_too() -> None:
    """Lifted where its decision is too old now, begun where it no longer is."""
    life = RecordLife()
    life.fault()
    assert said(adopt(life, target(CITY, clock_from="2026-11-03"))) == [(CITY, "D", "lifted")]
    assert life.dues() == {"province": "11-12"}
    assert said(adopt(life, rows.basis())) == [(CITY, "D", "begun")]
    assert life.dues() == {"province": "11-12", "city": "11-12"}


def test_what_was_met_and_a_correction_that_runs_know_no_clock_from() -> None:
    """A later day ends no duty that was met, nor the time of a correction."""
    life = RecordLife()
    life.row()
    life.report(life.record, "city", "published")
    assert said(adopt(life, target(CITY, clock_from="2026-11-03"))) == []
    life.corrected()
    owed = life.dues()
    assert "city" in owed
    assert said(adopt(life, target(CITY, clock_from="2026-11-04"))) == []
    assert life.dues() == owed


def test_what_begins_for_a_row_without_a_day_is_estimated_too() -> None:
    """The day of the decision is unknown, at whichever target."""
    document = rows.basis()
    document["site"]["targets"][CITY]["kinds"] = [PENALTY]
    life = RecordLife(document)
    life.say(LICENCE, licence_row(XK_JDRQ=""))
    assert life.flags(ClockFlag.ESTIMATED) == {"province"}
    assert said(adopt(life, rows.basis())) == [(CITY, "D", "begun")]
    assert life.flags(ClockFlag.ESTIMATED) == {"province", "city"}


def test_a_statement_that_waits_owes_nothing_under_any_basis() -> None:
    """It is of no row yet; that it waits has an end of its own."""
    document = rows.basis()
    document["site"]["targets"][CITY]["kinds"] = [PENALTY]
    life = RecordLife(document)
    assert life.withdrawn() == "held WAITING_FOR_RECORD"
    clocks = life.state().clocks
    assert said(adopt(life, rows.basis())) == []
    assert life.state().clocks == clocks


def test_what_owes_nothing_owes_nothing_under_another_clock_from() -> None:
    """A natural person's row is nobody's lateness, whatever is adopted."""
    life = RecordLife(target(CITY, clock_from="2026-11-03"))
    life.say(LICENCE, licence_row(XK_XDR_LB="自然人"))
    assert said(adopt(life, rows.basis())) == []


# --- rules ---


def test_a_withholding_rule_takes_down_and_its_end_shows_again() -> None:
    """Newer than its withdrawal, or a platform would have to refuse it."""
    loose = deepcopy(rows.basis())
    loose["rulebook"]["withholding"] = []
    life = RecordLife(loose)
    life.penalty(**MINOR)
    assert life.shown("city")
    (down,) = walked(adopt(life, rows.basis()))
    assert (down.withdraw_targets, codes(down)) == (
        1 << CITY, "WITHHELD_FROM_PUBLIC BASIS_CHANGED",
    )  # fmt: skip
    life.hub.now = at("2026-11-04 09:00")
    (up,) = walked(adopt(life, loose))
    assert (up.publish_targets, up.version) == (1 << CITY, 3)
    assert life.dues()["city"] == "11-14"  # counted from the day that brought it back


def periods(months: int) -> Document:
    """The site where an unclassified penalty is shown so many months."""
    return rule(
        "publication_periods", "periods-order-36",
        unclassified={"min_months": 0, "max_months": months},
    )  # fmt: skip


def test_another_period_moves_the_end_of_publication() -> None:
    """The end that the row states is later than a shorter period allows."""
    life = RecordLife()
    life.penalty()
    assert said(adopt(life, periods(6))) == [(CITY, "E", "due_date_moved")]
    assert life.dues(ClockKind.EXPIRE) == {"city": "05-03"}
    assert said(adopt(life, rows.basis())) == [(CITY, "E", "due_date_moved")]
    assert life.dues(ClockKind.EXPIRE) == {"city": "11-02"}


def test_what_a_shorter_period_has_ended_is_taken_down_and_stays_so() -> None:
    """Shown no more, whatever a later rulebook says; a correction may show it again."""
    life = RecordLife()
    life.penalty()
    life.hub.advance(at("2027-03-01 09:00") - life.hub.now)
    written = adopt(life, periods(3))
    (down,) = walked(written)
    assert down.withdraw_targets == 1 << CITY
    assert codes(down) == "DISCLOSURE_PERIOD_OVER BASIS_CHANGED"
    assert (CITY, "E", "expired") in said(written)
    assert walked(adopt(life, rows.basis())) == []
    assert life.shown("city") == set()


def test_what_ended_by_itself_stays_ended_under_a_longer_period() -> None:
    """Also once it has been corrected under the old one."""
    life = RecordLife(periods(3))
    life.penalty()
    life.hub.advance(at("2027-03-01 09:00") - life.hub.now)
    assert life.shown("city") == set()
    life.penalty_corrected(CF_NR="罚款二千元")
    assert walked(adopt(life, rows.basis())) == []
    assert life.shown("city") == set()


def test_a_period_that_ends_everywhere_ends_at_the_province_too() -> None:
    """A ban from procurement is no ban any more."""
    life = RecordLife()
    life.penalty()
    document = rule("publication_periods", "periods-order-36", ends_at="everywhere")
    assert said(adopt(life, document)) == [(PROVINCE, "E", "begun")]
    assert life.dues(ClockKind.EXPIRE) == {"province": "11-02", "city": "11-02"}


def test_a_deadline_rule_that_is_new_begins_duties() -> None:
    """A kind without a rule owed nothing."""
    life = RecordLife()
    life.listed()
    assert life.dues() == {}
    document = deepcopy(rows.basis())
    rules = document["rulebook"]["deadlines"]
    own = next(r for r in rules if r["id"] == "disclose-424")
    rules.append(own | {"id": "disclose-court", "kinds": [rows.LISTED]})
    assert said(adopt(life, document)) == [
        (PROVINCE, "D", "begun"), (CITY, "D", "begun"),
    ]  # fmt: skip
    assert life.dues() == {"province": "11-11", "city": "11-11"}


def test_deadlines_are_counted_again_before_a_walk_comes_by() -> None:
    """One sweep, then one walk: an order that does not depend on how much there is."""
    life = RecordLife()
    life.penalty()
    document = rule("deadlines", "disclose-424", working_days=3)
    document["site"]["targets"][CITY]["public"] = False
    written = walked(adopt(life, document))
    assert [r.cause.topic[:5] for r in written] == ["sweep", "walk:"]
    assert said(written) == [
        (PROVINCE, "D", "due_date_moved"), (CITY, "D", "due_date_moved"), (CITY, "E", "lifted"),
    ]  # fmt: skip


def shown_without_withholding() -> RecordLife:
    """Penalties of the simple procedure, shown to the public too, a week after their decision."""
    document = deepcopy(rows.basis())
    document["rulebook"]["withholding"] = []
    life = RecordLife(document)
    for one in range(SEVERAL):
        life.penalty(CF_WSH=f"舟市监罚〔2026〕{one}号", **SIMPLE)
    assert life.shown("city")
    life.hub.advance(at("2026-11-09 09:00") - life.hub.now)
    return life


def test_a_shorter_deadline_that_has_passed_rings_only_where_the_basis_shows_the_record() -> None:
    """The same basis withholds it from the city: nobody was to disclose there any more."""
    life = shown_without_withholding()
    written = adopt(life, rule("deadlines", "disclose-424", working_days=3))
    overdue = [one for one in said(written) if one[2] == "overdue"]
    assert overdue == [(PROVINCE, "D", "overdue")] * SEVERAL


def test_a_rulebook_of_other_texts_changes_nothing() -> None:
    """Sources and versions are no answers; the ledger is not walked through for them."""
    life = RecordLife()
    life.penalty()
    document = rule("publication_periods", "periods-order-36", source="another wording")
    written = adopt(life, document)
    assert [r.outcome for r in written if r.outcome is Outcome.WALKED] == []


# --- whatever happens on the way ---


def adopt_and_die(
    monkeypatch: pytest.MonkeyPatch, life: RecordLife, document: Document, life_span: int, *,
    lose_disk: bool,
) -> None:  # fmt: skip
    """Adopt, with a crash after every so many requests of a start, in small steps."""
    hub = life.hub
    monkeypatch.setattr(type(hub), "run", lambda _hub: [])
    hub.adopt(document)
    monkeypatch.undo()
    monkeypatch.setattr(slot, "WALK_STEP", 2)
    monkeypatch.setattr(slot, "SWEEP_STEP", 2)
    for _ in range(15):
        hub.die_after(life_span, lose_disk=lose_disk)
    hub.run()


@pytest.mark.parametrize("lose_disk", [False, True])
def test_an_adoption_killed_at_every_request_says_the_same(
    monkeypatch: pytest.MonkeyPatch, *, lose_disk: bool
) -> None:
    """A narrower clearance is named once, whatever dies on the way; so is all else."""
    monkeypatch.setattr(slot, "WALK_STEP", 2)
    monkeypatch.setattr(slot, "SWEEP_STEP", 2)
    document = periods(3)
    document["site"]["targets"][PROVINCE] |= {"public": True, "clearance": ["public"]}
    document["rulebook"]["deadlines"][1]["working_days"] = 5

    def filled() -> RecordLife:
        life = RecordLife()
        for n in range(6):
            life.say(LICENCE, licence_row(XK_WSH=number(n)))
        life.penalty(**SIMPLE)
        life.penalty(CF_WSH="舟市监罚〔2026〕2号")
        return life

    def found(life: RecordLife) -> list[tuple[Any, ...]]:
        return [
            (r.record_key, r.outcome, r.publish_targets, r.withdraw_targets, r.version, r.events)
            for r in walked(life.hub.ledger())
        ]

    whole = filled()
    whole.hub.adopt(document)
    expected = found(whole)
    assert len(expected) > 12
    for life_span in (9, 17):
        life = filled()
        adopt_and_die(monkeypatch, life, document, life_span, lose_disk=lose_disk)
        assert found(life) == expected
        assert verify(life.hub).differences.kept == []
        assert replay(life.hub).differences.kept == []


@pytest.mark.parametrize("life_span", [30, 40, 55])
def test_what_no_longer_rings_does_not_ring_after_a_kill(
    monkeypatch: pytest.MonkeyPatch, life_span: int
) -> None:
    """Started again amid the walk the registrar knows that it is not over."""
    life = shown_without_withholding()
    document = rule("deadlines", "disclose-424", working_days=3)
    adopt_and_die(monkeypatch, life, document, life_span, lose_disk=False)
    assert [one for one in said(life.hub.ledger()) if one[2] == "overdue"] == [
        (PROVINCE, "D", "overdue")
    ] * SEVERAL


def test_an_adoption_adopted_again_says_nothing_more() -> None:
    """Everything is in line already."""
    life = RecordLife()
    life.penalty(**SIMPLE)
    document = target(PROVINCE, public=True)
    adopt(life, document)
    assert walked(adopt(life, document)) == []
