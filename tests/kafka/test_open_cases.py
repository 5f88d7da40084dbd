"""What waits for a person: listed from the first day, gone when a later statement answers it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hub.adapters.postgres.lookups import LookUps
from hub.adapters.postgres.months import month_lines
from hub.adapters.postgres.tables import Tables
from hub.commands.words import iso
from hub.core.record import LedgerRecord, Outcome
from hub.domain.dates import month_days
from hub.runtime.metrics import Metrics
from hub.views.open_cases import CaseKind
from tests.conftest import PostgresPart
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import (
    AUTHORITY,
    COMPANY,
    COURT,
    DELISTED,
    DEPARTMENT,
    LICENCE,
    LISTED,
    PENALTY,
    exit_row,
    framed,
    licence_row,
    listing_row,
    penalty_row,
)
from tests.driver.stories import DAY, START, number, report, submit
from tests.kafka.test_look_ups import StorySite
from tests.kafka.test_report import reckoned

WITHDRAWN = "record.withdrawn.v1"
RESTORED = "record.restored.v1"
NOVEMBER = month_days("2026-11")


@pytest.fixture
def hub() -> HubTestDriver:
    """A hub on the morning of Monday 2026-11-02."""
    return HubTestDriver(rows.basis(), now=START)


def withdraw(
    hub: HubTestDriver, row: dict[str, str], source_version: int | None = None
) -> LedgerRecord:
    """Take a licence down."""
    reference = {
        "subject_kind": LICENCE, "document_number": row["XK_WSH"],
        "subject_name": row["XK_XDR_MC"], "credit_code": COMPANY, "authority_code": AUTHORITY,
        "reason": "撤销",
    }  # fmt: skip
    hub.pipe(
        DEPARTMENT, WITHDRAWN, COMPANY, framed(WITHDRAWN, reference), source_version=source_version
    )
    return hub.run()[-1]


def restore(
    hub: HubTestDriver, row: dict[str, str], source_version: int | None = None
) -> LedgerRecord:
    """Show a licence again."""
    statement = {
        "subject_kind": LICENCE, "row": framed(LICENCE, row), "reason": "复议撤销原决定",
        "decided_by": "舟山市示例局",
    }  # fmt: skip
    hub.pipe(
        DEPARTMENT, RESTORED, COMPANY, framed(RESTORED, statement), source_version=source_version
    )
    return hub.run()[-1]


class CaseViewer:
    """The look-ups of a hub as a person asks them."""

    def __init__(self, postgres: PostgresPart, hub: HubTestDriver, folder: Path) -> None:
        self.place, self.folder = StorySite(postgres, hub), folder

    def cases(self) -> list[tuple[str, str]]:
        """Kind and document of each open case, the oldest first."""
        return [(c["case"], c["document_number"]) for c in self.listed()]

    def listed(self) -> list[dict[str, Any]]:
        """Open cases as `hub cases --json` says them; `hub due` counts the same."""
        found: list[dict[str, Any]] = self.place.ask_json(self.folder, "cases")["cases"]
        assert self.place.ask_json(self.folder, "due")["open_cases"] == len(found)
        return found

    def ended(self) -> list[tuple[str, str, str | None]]:
        """Kind of every case that has ended, how, and the outcome of what ended it."""
        found = self.place.ask_json(self.folder, "cases", "--all")["cases"]
        return [(c["case"], c["ended"]["how"], c["ended"]["outcome"]) for c in found if c["ended"]]


Ask = Callable[[], CaseViewer]


@pytest.fixture
def ask(postgres: PostgresPart, tmp_path: Path, hub: HubTestDriver) -> Ask:
    """Project what the ledger holds by now, from zero."""
    return lambda: CaseViewer(postgres, hub, tmp_path)


def test_what_waits_is_listed_from_the_first_day_with_what_it_may_have_meant(
    hub: HubTestDriver, ask: Ask
) -> None:
    """A misspelt withdrawal does not wait in silence while the licence is shown."""
    submit(hub, licence_row(XK_WSH=number(17)))
    submit(hub, licence_row(XK_WSH="舟文旅许字第〇〇九号"))
    withdraw(hub, licence_row(XK_WSH=number(71)))
    desk = ask()
    (case,) = desk.listed()
    assert (case["case"], case["department"], case["waits_for"]) == (
        "waiting",
        DEPARTMENT,
        "record",
    )
    assert case["waits_until"] is not None
    assert case["reason"]["code"] == "WAITING_FOR_RECORD"
    assert [near["document_number"] for near in case["near"]] == [number(17)]
    text = desk.place.ask(desk.folder, "cases").output
    assert number(71) in text
    assert f"相近记录 near: {number(17)}" in text
    traced = desk.place.ask(desk.folder, "trace", "--document", number(71)).output
    assert f"相近记录 near: {number(17)}" in traced
    assert "等待至" in traced


def test_what_waited_leaves_the_list_when_its_record_comes_or_the_wait_is_over(
    hub: HubTestDriver, ask: Ask
) -> None:
    """Released, or told that it waited in vain."""
    withdraw(hub, licence_row(XK_WSH=number(1)))
    withdraw(hub, licence_row(XK_WSH=number(2)))
    assert len(ask().cases()) == 2
    submit(hub, licence_row(XK_WSH=number(1)))
    hub.run()
    assert ask().cases() == [("waiting", number(2))]
    hub.advance(60 * DAY)
    assert ask().cases() == []


def test_a_refused_return_is_listed_once_until_it_is_restored_or_withdrawn_again(
    hub: HubTestDriver, ask: Ask
) -> None:
    """Every full export brings it again: one case, with how often."""
    row = licence_row()
    submit(hub, row)
    withdraw(hub, row)
    hub.now += DAY
    first = hub.now
    submit(hub, row)
    hub.now += DAY
    submit(hub, row)
    (case,) = ask().listed()
    assert (case["case"], case["times"]) == ("return_refused", 2)
    assert case["since"] == iso(first)
    assert case["reason"]["code"] == "SAME_AS_WITHDRAWN"
    assert "restorations" in case["reason"]["remedy"]
    withdraw(hub, row)
    assert ask().cases() == []
    submit(hub, row)
    assert len(ask().cases()) == 1
    assert restore(hub, row).outcome is Outcome.ACCEPTED
    assert ask().cases() == []
    withdraw(hub, row)
    assert ask().cases() == []


def test_another_content_after_a_withdrawal_is_a_case(hub: HubTestDriver, ask: Ask) -> None:
    """It is a conflict, and nothing is shown."""
    row = licence_row()
    submit(hub, row)
    withdraw(hub, row)
    submit(hub, licence_row(XK_NR="食品销售"))
    (case,) = ask().listed()
    assert (case["case"], case["reason"]["code"]) == ("return_refused", "CHANGED_AFTER_WITHDRAWAL")


def test_a_take_down_that_came_too_late_is_listed_until_the_record_is_down(
    hub: HubTestDriver, ask: Ask
) -> None:
    """It is shown still, and a person must insist or let it be."""
    row = licence_row()
    submit(hub, row, source_version=10)
    assert withdraw(hub, row, source_version=5).outcome is Outcome.SUPERSEDED
    (case,) = ask().listed()
    assert (case["case"], case["reason"]["code"]) == (
        "take_down_superseded", "WITHDRAWAL_OLDER_THAN_LIVE",
    )  # fmt: skip
    submit(hub, row, source_version=11)
    assert len(ask().cases()) == 1, "the same row again decides nothing"
    assert withdraw(hub, row, source_version=12).outcome is Outcome.WITHDRAWN
    assert ask().cases() == []


def test_an_exit_before_the_listing_is_a_case(hub: HubTestDriver, ask: Ask) -> None:
    """Most likely it ends an earlier listing; the entry is shown still."""
    listing = listing_row(listed_on="2026-11-02")
    hub.pipe(COURT, LISTED, COMPANY, framed(LISTED, listing))
    hub.pipe(COURT, DELISTED, COMPANY, framed(DELISTED, exit_row(exited_on="2026-10-01")))
    hub.run()
    assert [kind for kind, _ in ask().cases()] == ["take_down_superseded"]


def test_a_restoration_that_came_too_late_is_a_case(hub: HubTestDriver, ask: Ask) -> None:
    """Until it is restored under a newer version."""
    row = licence_row()
    submit(hub, row, source_version=1)
    withdraw(hub, row, source_version=10)
    assert restore(hub, row, source_version=5).outcome is Outcome.SUPERSEDED
    assert [kind for kind, _ in ask().cases()] == ["restoration_superseded"]
    restore(hub, row, source_version=11)
    assert ask().cases() == []


def test_a_reused_number_is_a_case_until_its_row_is_answered(hub: HubTestDriver, ask: Ask) -> None:
    """Sent again under a number of its own."""
    submit(hub, licence_row(XK_WSH=number(1)), sequence=1)
    other = licence_row(XK_WSH=number(2))
    submit(hub, other, sequence=1)
    (case,) = ask().listed()
    assert (case["case"], case["document_number"]) == ("number_reused", number(2))
    submit(hub, other, sequence=2)
    assert ask().cases() == []


def test_what_platforms_refuse_or_never_take_is_somebody_elses_turn(
    hub: HubTestDriver, ask: Ask
) -> None:
    """A refused withdrawal is the centre's, a parked delivery the platform's; each in its words."""
    row = licence_row(XK_WSH=number(1))
    submit(hub, row)
    taken_down = withdraw(hub, row)
    report(
        hub, taken_down, "city", "refused", action="withdraw", code="MULTIPLE_ROWS", message="two"
    )
    shown = submit(hub, licence_row(XK_WSH=number(2)))
    report(hub, shown, "province", "refused", code="E17", message="no such unit")
    report(hub, shown, "city", "parked", code="PARKED", message="HTTP 403")
    desk = ask()
    found = {c["case"]: c for c in desk.listed()}
    assert {case: c["turn"] for case, c in found.items()} == {
        "publication_refused": "department", "withdrawal_refused": "centre", "parked": "platform",
    }  # fmt: skip
    assert [c["document_number"] for c in found.values()] == [number(2), number(1), number(2)]
    assert {c["department"] for c in found.values()} == {DEPARTMENT}
    assert found["parked"]["platform"] == {"code": "PARKED", "message": "HTTP 403"}
    assert found["publication_refused"]["kind"] == LICENCE
    text = desk.place.ask(desk.folder, "cases").output
    assert text.index("报送部门") < text.index("信用中心") < text.index("平台工程师")
    assert "平台答复 MULTIPLE_ROWS：two" in text
    traced = desk.place.ask(desk.folder, "trace", "--document", number(1)).output
    assert "平台拒绝撤下" in traced
    report(hub, taken_down, "city", "withdrawn", action="withdraw")
    report(hub, shown, "province", "acknowledged")
    report(hub, shown, "city", "published")
    desk = ask()
    assert desk.cases() == []
    assert sorted(desk.ended()) == [
        ("parked", "delivered", "outcome_noted"),
        ("publication_refused", "delivered", "outcome_noted"),
        ("withdrawal_refused", "withdrawn", "outcome_noted"),
    ]


def test_a_parked_delivery_makes_nothing_the_platforms_fault(hub: HubTestDriver, ask: Ask) -> None:
    """Nobody was reached by it: for `hub due`, trace and status it has not been sent."""
    shown = submit(hub, licence_row(XK_WSH=number(1)))
    report(hub, shown, "city", "parked", code="PARKED", message="HTTP 403")
    hub.advance(20 * DAY)
    desk = ask()
    due = desk.place.ask_json(desk.folder, "due")["due"]
    assert {(one["target"], one["holder"]["party"]) for one in due} == {
        ("province", "hub"), ("city", "hub"),
    }  # fmt: skip
    (traced,) = desk.place.ask_json(desk.folder, "trace", "--document", number(1))
    assert [one["working_hours"].get("platform", 0) for one in traced["time_used"]] == [0, 0]
    assert desk.place.ask_json(desk.folder, "status")["targets"]["city"]["sent"] == 0
    assert "单独停靠 parked" in desk.place.ask(desk.folder, "trace", "--document", number(1)).output


def test_a_conflict_is_a_case_until_a_correction_and_says_what_ended_it(
    hub: HubTestDriver, ask: Ask
) -> None:
    """The outcome of the statement that answered it stands with the end."""
    submit(hub, licence_row())
    submit(hub, licence_row(XK_NR="食品销售"))
    (case,) = ask().listed()
    assert (case["case"], case["reason"]["code"]) == ("conflicting", "UNDECLARED_CHANGE")
    corrected = {
        "subject_kind": LICENCE, "row": framed(LICENCE, licence_row(XK_NR="食品销售")),
        "reason": "漏报",
    }  # fmt: skip
    hub.pipe(DEPARTMENT, "record.corrected.v1", COMPANY, framed("record.corrected.v1", corrected))
    assert hub.run()[-1].outcome is Outcome.CORRECTED
    desk = ask()
    assert desk.ended() == [("conflicting", "answered", "corrected")]
    assert "了结：后来的报送了结（更正）" in desk.place.ask(desk.folder, "cases", "--ended").output


def test_cases_can_be_asked_for_by_department_and_kind(hub: HubTestDriver, ask: Ask) -> None:
    """Counts follow the question; a department nobody knows is refused by name."""
    for n in (1, 2, 3):
        withdraw(hub, licence_row(XK_WSH=number(n)))
    submit(hub, licence_row(XK_WSH=number(9)))
    submit(hub, licence_row(XK_WSH=number(9), XK_NR="食品销售"))
    desk = ask()

    def asked(*options: str) -> dict[str, Any]:
        found: dict[str, Any] = desk.place.ask_json(desk.folder, "cases", *options)
        return found

    assert asked()["open"] == {"department": 4, "centre": 0, "platform": 0}
    assert [c["case"] for c in asked("--kind", "conflicting")["cases"]] == ["conflicting"]
    few = asked("--kind", "waiting", "--limit", "2")
    assert (few["open"]["department"], len(few["cases"]), few["more"]) == (3, 2, True)
    assert asked("--department", COURT)["cases"] == []
    with Tables(desk.place.dsn, desk.place.prefix) as tables:
        names = {DEPARTMENT: "市场监管局"}
        tables.describe(desk.place.prefix, {"name_zh": "测试站", "departments": names})
    refused = desk.place.ask(desk.folder, "cases", "--department", "nobody")
    assert refused.exit_code == 2
    assert DEPARTMENT in refused.output


def test_the_metric_counts_what_the_list_shows(hub: HubTestDriver, ask: Ask) -> None:
    """By kind and department; a department with nothing open has its zeros, or no alert heals."""
    withdraw(hub, licence_row(XK_WSH=number(1)))
    row = licence_row(XK_WSH=number(2))
    submit(hub, row)
    withdraw(hub, row)
    submit(hub, row)
    place = ask().place
    with Tables(place.dsn, place.prefix) as tables:
        names = {DEPARTMENT: "市场监管局", COURT: "法院"}
        tables.describe(place.prefix, {"name_zh": "测试站", "departments": names, "targets": {}})
    metrics = Metrics()
    with LookUps(place.dsn, place.schema) as books:
        books.count_into(metrics, hub.now)
    counted = {
        (sample.labels["kind"], sample.labels["department"]): sample.value
        for family in metrics.open_cases.collect()
        for sample in family.samples
    }
    assert set(counted) == {(kind.value, name) for kind in CaseKind for name in names}
    assert {place: n for place, n in counted.items() if n} == {
        ("waiting", DEPARTMENT): 1, ("return_refused", DEPARTMENT): 1,
    }  # fmt: skip


# --- the monthly form ---


def lines(place: StorySite) -> dict[str, tuple[int, ...]]:
    """Reported, stored, late, open and apart of each kind, by SQL; the fold must say the same."""
    with LookUps(place.dsn, place.schema) as tables:
        found = month_lines(tables, *NOVEMBER, place.hub.now)
    assert found == reckoned(place.hub)
    return {
        line.kind: (line.reported, line.stored, line.late, line.still_open, line.apart)
        for line in found
    }


def test_a_natural_persons_row_is_counted_apart_and_is_nobodys_lateness(
    hub: HubTestDriver, ask: Ask
) -> None:
    """However long ago; the company's row beside it is late."""
    unreadable = {
        "subject_kind": LICENCE, "cause": "person", "reason_code": "", "position": "",
        "fingerprint": "ab" * 32, "sealed": b"",
    }  # fmt: skip
    kind = "row.unreadable.v1"
    schema = rows.CONTRACTS.by_kind[kind].schema
    value = {f.name: unreadable.get(f.name, "") for f in schema.fields}
    hub.pipe(DEPARTMENT, kind, f"?{DEPARTMENT}", framed(kind, value))
    submit(hub, licence_row())
    hub.advance(20 * DAY)
    assert lines(ask().place) == {LICENCE: (1, 1, 1, 0, 1)}


def test_a_statement_that_waits_is_no_decision_that_was_reported(
    hub: HubTestDriver, ask: Ask
) -> None:
    """A row that waits is one, and is the department's to complete; a withdrawal is none."""
    withdraw(hub, licence_row(XK_WSH=number(1)))
    assert lines(ask().place) == {}
    correction = {"subject_kind": PENALTY, "row": framed(PENALTY, penalty_row()), "reason": "有误"}
    kind = "record.corrected.v1"
    hub.pipe(DEPARTMENT, kind, COMPANY, framed(kind, correction | {"redetermined_on": ""}))
    hub.run()
    assert lines(ask().place) == {PENALTY: (1, 0, 0, 1, 0)}
    hub.advance(10 * DAY)
    desk = ask()
    assert lines(desk.place) == {PENALTY: (1, 0, 1, 0, 0)}
    due = desk.place.ask_json(desk.folder, "due")["due"]
    assert {(one["fault"]["party"], one["fault"]["why"]) for one in due} == {
        ("department", "awaited")
    }


def test_a_lifted_duty_is_not_late(hub: HubTestDriver, ask: Ask) -> None:
    """Withdrawn after it was overdue: nothing is owed but the withdrawal."""
    row = licence_row(XK_JDRQ="2026-11-02")
    submit(hub, row)
    hub.advance(10 * DAY)
    assert lines(ask().place)[LICENCE][2] == 1
    withdraw(hub, row)
    desk = ask()
    assert lines(desk.place) == {LICENCE: (1, 1, 0, 0, 0)}
    clocks = {one["clock"] for one in desk.place.ask_json(desk.folder, "due")["due"]}
    assert clocks <= {"withdraw"}
    assert "期限解除" in desk.place.ask(desk.folder, "trace", "--document", row["XK_WSH"]).output
