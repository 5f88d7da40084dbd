"""What `hub basis plan` counts on a recorded ledger is what adoption then writes."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from hub.audit.plan import CHANGES, BasisChangePlan
from hub.audit.rehearsal import ControlMessage, rehearse
from hub.audit.replay import MemoryState
from hub.commands.words import CHANGES as WORDS
from hub.core.basis import canonical_json
from hub.core.record import Outcome
from hub.domain import kinds
from hub.domain.rulebook import Rulebook
from hub.engine import slot
from hub.operations.control import redecision_request
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.resends import redecide, showing, with_archive
from tests.driver.rows import LICENCE, PENALTY, at, licence_row, penalty_row
from tests.driver.stories import number, report, submit
from tests.driver.test_adoption import CITY, PROVINCE, SIMPLE, Document, periods, rule, target
from tests.replay.scenario import PREFIX, MemoryInputs, company, run_scenario
from tests.replay.tampering import verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hub.core.record import LedgerRecord


def planned(hub: HubTestDriver, kind: str, content: Mapping[str, Any]) -> BasisChangePlan:
    """What a message would change in all partitions."""
    plan = BasisChangePlan(2)
    message = ControlMessage(kind, canonical_json(content))
    for partition in range(hub.partitions):
        rehearse(
            MemoryInputs(hub.log), hub.prefix, partition, MemoryState(), hub.now, message,
            lambda record, at_=partition: plan.take(at_, record),  # type: ignore[misc]
        )  # fmt: skip
    return plan


def written(hub: HubTestDriver, before: Mapping[int, int]) -> BasisChangePlan:
    """The same count over what stands in the ledger since."""
    plan = BasisChangePlan(2)
    for partition, count in before.items():
        for record in hub.ledger(partition)[count:]:
            plan.take(partition, record)
    return plan


def lengths(hub: HubTestDriver) -> dict[int, int]:
    """How long each partition of the ledger is."""
    return {p: len(hub.raw_ledger(p)) for p in range(hub.partitions)}


@pytest.fixture
def hub() -> HubTestDriver:
    """Sixty records of a month, some met, some late, some withheld, some refused."""
    hub = HubTestDriver(rows.basis(), prefix=PREFIX, now=at("2026-11-02 09:00"))
    named: list[LedgerRecord] = []
    for n in range(40):
        code = company(n % 7)
        if n % 4 == 3:
            more = SIMPLE if n % 8 == 3 else {}
            row = penalty_row(CF_WSH=f"舟市监罚〔2026〕{n}号", CF_XDR_SHXYM=code, **more)
            named.append(submit(hub, row, PENALTY))
        else:
            content = "" if n % 10 == 5 else "食品经营"
            day = f"2026-10-{20 + n % 10}"
            row = licence_row(
                XK_WSH=number(n), XK_XDR_SHXYM=code, XK_NR=content, XK_JDRQ=day, XK_YXQZ=day
            )
            named.append(submit(hub, row))
    for n, record in enumerate(named):
        if record.publish_targets and n % 3:
            report(hub, record, "province", "acknowledged")
        if record.publish_targets >> CITY & 1 and n % 5:
            report(hub, record, "city", "acknowledged" if n % 2 else "published")
    hub.advance(at("2026-11-20 09:00") - hub.now)
    submit(hub, licence_row(XK_WSH=number(90), XK_JDRQ="2026-11-16", XK_YXQZ="2026-11-16"))
    return hub


def narrowed() -> Document:
    """The province becomes public and sees less."""
    return target(PROVINCE, public=True, clearance=["public"])


def cases() -> Iterator[tuple[str, Document, set[str]]]:
    """Changed sites and rulebooks, and what must be among what they change."""
    yield "narrower", narrowed(), {"named_anew", "withdrawn"}
    yield "shorter", periods(0), {"withdrawn", "expired"}
    yield "deadline", rule("deadlines", "disclose-424", working_days=20), {
        "recounted", "overdue_taken_back",
    }  # fmt: skip
    yield "stricter", rule("deadlines", "disclose-424", working_days=2), {"recounted", "overdue"}
    yield "role", target(CITY, role="report", clock_from="2026-10-25"), {"met", "lifted"}
    yield "added", with_archive(), {"shown"}
    yield "dropped", showing(CITY, [LICENCE]), {"withdrawn", "lifted"}
    loose = deepcopy(rows.basis())
    loose["rulebook"]["withholding"] = []
    yield "withholding", loose, {"shown"}
    yield "end", periods(6), {"end_moved"}
    yield "texts", rule("publication_periods", "periods-order-36", source="other words"), set()


CASES = tuple(cases())


@pytest.mark.parametrize(
    ("document", "among"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_plan_counts_what_adoption_then_writes(
    hub: HubTestDriver, monkeypatch: pytest.MonkeyPatch, document: Document, among: set[str]
) -> None:
    """To the record, and in the same places; the ledger is as it was before."""
    monkeypatch.setattr(slot, "SWEEP_STEP", 7)
    monkeypatch.setattr(slot, "WALK_STEP", 11)
    before = lengths(hub)
    plan = planned(hub, kinds.BASIS_ADOPTED, {"basis": document})
    assert lengths(hub) == before
    hub.adopt(document)
    found = written(hub, before)
    assert plan.counts == found.counts
    assert plan.places == found.places
    assert plan.records == found.records
    assert among <= {change for _target, change in plan.counts}
    assert bool(plan.counts) == bool(among)


def test_a_plan_over_every_outcome_counts_what_is_written_too() -> None:
    """A month in which everything came up, with walks still to be done when it is made."""
    hub = run_scenario()
    before = lengths(hub)
    plan = planned(hub, kinds.BASIS_ADOPTED, {"basis": narrowed()})
    hub.adopt(narrowed())
    assert plan.counts == written(hub, before).counts
    assert plan.counts
    assert verify(hub).differences.kept == []


def test_what_is_left_to_do_is_not_counted_as_the_adoption_s(hub: HubTestDriver) -> None:
    """The hub rested for a day: what rang meanwhile rings without any adoption."""
    hub.now += 20 * 86_400_000
    plan = planned(hub, kinds.BASIS_ADOPTED, {"basis": rows.basis()})
    assert plan.counts == {}
    assert hub.run()


def test_a_dry_redecision_counts_what_it_then_writes() -> None:
    """What a wrong period had ended, over a ledger of a month."""
    hub = HubTestDriver(periods(0), prefix=PREFIX, now=at("2026-11-02 09:00"))
    for n in range(9):
        row = penalty_row(CF_WSH=f"舟市监罚〔2026〕{n}号", CF_XDR_SHXYM=company(n % 4))
        submit(hub, row, PENALTY)
    hub.advance(at("2026-11-09 09:00") - hub.now)
    hub.adopt(rows.basis())
    books = [Rulebook.from_mapping(rows.basis()["rulebook"])]
    asked = redecision_request("periods-order-36", books, "")
    before = lengths(hub)
    plan = planned(hub, kinds.REDECISION_REQUESTED, asked)
    redecide(hub, asked)
    assert plan.counts == written(hub, before).counts
    assert plan.counts[CITY, "shown"] == 9


def test_a_plan_names_places_and_never_whose_they_are(hub: HubTestDriver) -> None:
    """`partition/sequence` of the ledger record that made the version; as many as asked for."""
    plan = planned(hub, kinds.BASIS_ADOPTED, {"basis": narrowed()})
    told = plan.as_mapping({PROVINCE: "province", CITY: "city"})
    targets: Any = told["targets"]
    examples: Any = told["examples"]
    assert targets["province"]["named_anew"] == plan.counts[PROVINCE, "named_anew"]
    assert list(targets["province"]) == [c for c in CHANGES if c in targets["province"]]
    for place in examples["province"]["withdrawn"]:
        partition, sequence = map(int, place.split("/"))
        assert hub.ledger(partition)[sequence].outcome is Outcome.ACCEPTED
    assert len(examples["province"]["named_anew"]) == 2
    assert "91330900" not in str(told)
    assert "examples" not in BasisChangePlan().as_mapping({})


def test_a_plan_for_a_partition_of_another_slot_is_made_too(hub: HubTestDriver) -> None:
    """Whoever owns it: nothing is written."""
    hub.put("control", 0, b"", b'{"owner": "registrar.1"}', (("ce_type", b"map.changed.v1"),))
    with pytest.raises(Exception, match=r"registrar\.1"):
        hub.run()
    assert planned(hub, kinds.BASIS_ADOPTED, {"basis": narrowed()}).counts


def test_every_change_has_its_words() -> None:
    """Chinese and English for each, and no others."""
    assert tuple(WORDS) == CHANGES
