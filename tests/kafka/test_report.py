"""The monthly form: SQL and a fold of the ledger agree; nothing is 100 % that nobody declared."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import openpyxl
import psycopg
import pytest

from hub.adapters.postgres.lookups import LookUps
from hub.adapters.postgres.months import (
    CASE_MEASURES,
    MEASURES,
    count_months,
    late_rows,
    month_cases,
    month_lines,
)
from hub.adapters.postgres.tables import Tables
from hub.core.record import Outcome, decode_record
from hub.domain.dates import month_days, two_months
from hub.runtime.metrics import Metrics
from hub.views.entry import EntryReader
from hub.views.monthly import MonthBook, MonthlyLine, targets_in
from hub.workers.projector import Projection
from tests.conftest import PostgresPart
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import (
    AUTHORITY,
    COMPANY,
    CONTRACTS,
    DEPARTMENT,
    LICENCE,
    OTHER_COMPANY,
    OTHER_DEPARTMENT,
    PENALTY,
    framed,
    penalty_row,
)
from tests.driver.stories import DAY, eventful_month, report, submit
from tests.kafka.test_look_ups import StorySite, ledger_of, project

NOVEMBER = month_days("2026-11")
OUTPUT = "output_count.declared.v1"


def declare(hub: HubTestDriver, produced: int, kind: str = LICENCE, **more: str) -> Outcome:
    """A department says how many it produced in November."""
    row = {
        "authority_code": AUTHORITY, "document_number": f"2026-11/{kind}",
        "subject_name": "舟山市示例局", "credit_code": AUTHORITY, "month": "2026-11",
        "subject_kind": kind, "produced_count": str(produced), **more,
    }  # fmt: skip
    hub.pipe(DEPARTMENT, OUTPUT, AUTHORITY, framed(OUTPUT, row))
    return hub.run()[-1].outcome


def reckoned(hub: HubTestDriver, month: str = "2026-11") -> list[MonthlyLine]:
    """The form from the ledger alone."""
    return book_of(hub).lines(month, hub.now)


def book_of(hub: HubTestDriver) -> MonthBook:
    """A fold of the whole ledger."""
    targets = rows.basis()["site"]["targets"]
    reader = EntryReader(CONTRACTS, hub.prefix, {t["id"]: t["number"] for t in targets})
    book = MonthBook(reader, targets_in(rows.basis()))
    for record in ledger_of(hub):
        book.note(record.partition, decode_record(record.value))
    return book


@pytest.fixture(scope="module")
def place(postgres: PostgresPart) -> Iterator[StorySite]:
    """The eventful month with a declared count, projected."""
    hub = eventful_month()
    assert declare(hub, 12, disclosed_count="9", disclosure_url="https://example.invalid/") == (
        Outcome.ACCEPTED
    )
    story = StorySite(postgres, hub)
    yield story
    with psycopg.connect(story.dsn) as session:
        session.execute(f"DROP SCHEMA {story.schema} CASCADE".encode())


def lines(place: StorySite) -> list[MonthlyLine]:
    """The form from the look-up tables."""
    with LookUps(place.dsn, place.schema) as tables:
        return month_lines(tables, *NOVEMBER, place.hub.now)


def test_the_form_counts_each_decision_once(place: StorySite) -> None:
    """A corrected, a moved, a doubly coded and an abandoned quarantined row, each where it belongs.

    Nine documents, the ninth under two codes, and one with a number too long; the fifth was
    quarantined first under a bad code and the eighth has moved: neither counts twice. What another
    department sent and nobody can read is reported by it, and not stored.
    """
    (unreadable, licences, penalties) = lines(place)
    assert (unreadable.department, unreadable.reported, unreadable.stored) == (
        OTHER_DEPARTMENT,
        1,
        0,
    )
    assert (licences.department, licences.kind) == (DEPARTMENT, LICENCE)
    assert (licences.produced, licences.disclosed_by_unit) == (12, 9)
    assert (licences.reported, licences.stored, licences.unreported) == (11, 9, 1)
    assert (licences.shown, licences.in_time) == (2, 1)
    assert licences.late + licences.in_time + licences.still_open == licences.reported
    assert (penalties.kind, penalties.produced, penalties.unreported) == (PENALTY, None, None)


def test_sql_and_ledger_give_the_same_figures(place: StorySite) -> None:
    """Two ways that share nothing but the definition."""
    assert reckoned(place.hub) == lines(place)
    assert lines(place) != []


def test_a_withdrawn_declaration_counts_no_more(postgres: PostgresPart) -> None:
    """And a corrected one counts as corrected."""
    hub = HubTestDriver(rows.basis(), "test.", rows.at("2026-11-20 09:00"))
    declare(hub, 5)
    corrected = {
        "subject_kind": OUTPUT, "reason": "漏计", "row": framed(OUTPUT, {
            "authority_code": AUTHORITY, "document_number": f"2026-11/{LICENCE}",
            "subject_name": "舟山市示例局", "credit_code": AUTHORITY, "month": "2026-11",
            "subject_kind": LICENCE, "produced_count": "7",
        }),
    }  # fmt: skip
    hub.pipe(DEPARTMENT, "record.corrected.v1", AUTHORITY, framed("record.corrected.v1", corrected))
    assert hub.run()[-1].outcome is Outcome.CORRECTED
    assert [line.produced for line in reckoned(hub)] == [7]
    assert declare(hub, 9) is Outcome.CONFLICTING
    withdrawal = {
        "subject_kind": OUTPUT, "document_number": f"2026-11/{LICENCE}",
        "subject_name": "舟山市示例局", "credit_code": AUTHORITY, "authority_code": AUTHORITY,
        "reason": "误报",
    }  # fmt: skip
    before = reckoned(hub)
    hub.pipe(
        DEPARTMENT, "record.withdrawn.v1", AUTHORITY, framed("record.withdrawn.v1", withdrawal)
    )
    assert hub.run()[-1].outcome is Outcome.WITHDRAWN
    prefix = f"t{uuid.uuid4().hex[:10]}."
    schema = project(postgres.dsn, hub, prefix, 1)
    with LookUps(postgres.dsn, schema) as tables:
        after = month_lines(tables, *NOVEMBER, hub.now)
    assert [line.produced for line in before] == [7]
    assert after == reckoned(hub) == []


def test_a_duty_that_was_reopened_is_judged_by_its_last_end(postgres: PostgresPart) -> None:
    """Acknowledged in time, refused, acknowledged again too late: late; both ways say so."""
    hub = HubTestDriver(rows.basis(), "test.", rows.at("2026-11-02 09:00"))
    record = submit(hub, penalty_row(), PENALTY)
    for target in ("province", "city"):
        report(hub, record, target, "acknowledged", platform_at=hub.now)
    report(hub, record, "city", "published", platform_at=hub.now)
    assert reckoned(hub)[0].in_time == 1
    report(hub, record, "province", "refused", code="SUBJECT_UNKNOWN", platform_at=hub.now)
    assert (reckoned(hub)[0].in_time, reckoned(hub)[0].still_open) == (0, 1)
    hub.advance(20 * DAY)
    assert (reckoned(hub)[0].late, reckoned(hub)[0].still_open) == (1, 0)
    prefix = f"t{uuid.uuid4().hex[:10]}."
    schema = project(postgres.dsn, hub, prefix, 3)
    with LookUps(postgres.dsn, schema) as tables:
        assert month_lines(tables, *NOVEMBER, hub.now) == reckoned(hub)
        (late,) = late_rows(tables, *NOVEMBER, hub.now)
    assert (late.target, late.done_at, late.refusal_code) == (0, None, "SUBJECT_UNKNOWN")


def test_prometheus_serves_the_same_figures(place: StorySite) -> None:
    """This month and the last; a count nobody declared has no series."""
    metrics = Metrics(CONTRACTS.by_kind)
    with LookUps(place.dsn, place.schema) as tables:
        count_months(tables, metrics, two_months(date(2026, 12, 3)), place.hub.now)
    found = {
        (s.labels["department"], s.labels["kind"], s.labels["measure"]): s.value
        for family in metrics.registry.collect()
        if family.name == "hub_month_records"
        for s in family.samples
    }
    for line in lines(place):
        for measure in MEASURES:
            assert found.get((line.department, line.kind, measure)) == getattr(line, measure)
    waited = {
        (s.labels["month"], s.labels["kind"], s.labels["measure"]): s.value
        for family in metrics.month_cases.collect()
        for s in family.samples
    }
    assert waited == {
        (month, line.case_kind, measure): getattr(line, measure)
        for month in ("2026-11", "2026-12")
        for line in book_of(place.hub).cases(month)
        for measure in CASE_MEASURES
    }
    assert waited


def test_the_command_shows_numerators_denominators_and_whose_fault(
    place: StorySite, tmp_path: Path
) -> None:
    """A person reads the same as a machine; what was not declared is not 100 %."""
    said = place.ask(tmp_path, "report", "--month", "2026-11").output
    assert "11/12 91.7%" in said
    assert "未申报" in said
    told = place.ask_json(tmp_path, "report", "--month", "2026-11")
    by_kind = {one["kind"]: one for one in told["lines"] if one["department"] == DEPARTMENT}
    assert by_kind[LICENCE]["report_rate"] == {
        "numerator": 11, "denominator": 12, "ratio": round(11 / 12, 6)
    }  # fmt: skip
    assert by_kind[PENALTY]["report_rate"]["denominator"] is None
    assert told["total"]["report_rate"]["denominator"] is None
    parties = {
        (one["document_number"], one["target"]): one["fault"]["party"] for one in told["late"]
    }
    assert parties["舟市监许〔2026〕1号", "city"] == "platform"
    assert parties["舟市监许〔2026〕2号", "province"] == "hub"
    assert parties["舟市监许〔2026〕3号", "city"] == "department"
    assert {one["credit_code"] for one in told["late"]} == {COMPANY, OTHER_COMPANY, None}
    assert (told["total"]["produced"], told["total"]["unreported"]) == (None, 1)
    waited = book_of(place.hub).cases("2026-11")
    assert told["cases"] == [line._asdict() for line in waited]
    assert "待人处理 what waited for a person" in said


def test_the_workbook_has_numbers_as_numbers(place: StorySite, tmp_path: Path) -> None:
    """The leadership sorts and sums it; a rate is a ratio, and says so where there is none."""
    file = tmp_path / "report.xlsx"
    result = place.ask(tmp_path, "report", "--month", "2026-11", "--xlsx", str(file))
    assert result.exit_code == 0, result.output
    book = openpyxl.load_workbook(file)
    assert book.sheetnames == ["双公示月报", "迟报明细", "待人处理"]
    waited = list(book["待人处理"].iter_rows(min_row=3, values_only=True))
    assert [row[2:] for row in waited] == [line[1:] for line in book_of(place.hub).cases("2026-11")]
    header = [cell.value for cell in book["双公示月报"][2]]
    first = dict(zip(header, [cell.value for cell in book["双公示月报"][4]], strict=True))
    second = dict(zip(header, [cell.value for cell in book["双公示月报"][5]], strict=True))
    assert (first["产生数量"], first["报送数量"]) == (12, 11)
    assert first["上报率"] == pytest.approx(11 / 12)
    assert second["上报率"] == second["产生数量"] == "未申报"
    last = dict(zip(header, [cell.value for cell in book["双公示月报"][6]], strict=True))
    assert (last["上报率"], last["未报送数量"]) == ("未全部申报", 1)


def test_what_is_no_month_is_refused(place: StorySite, tmp_path: Path) -> None:
    """In Chinese, with the form that is wanted."""
    refused = place.ask(tmp_path, "report", "--month", "2026-13")
    assert refused.exit_code == 2
    assert "2026-13 不是月份" in refused.output


def test_tables_and_fold_agree_at_every_step(postgres: PostgresPart) -> None:
    """After each ledger record of the story, whatever has been written so far."""
    hub = eventful_month()
    declare(hub, 3)
    prefix = f"t{uuid.uuid4().hex[:10]}."
    book_reader = EntryReader(CONTRACTS, hub.prefix, {"province": 0, "city": 1})
    book = MonthBook(book_reader, targets_in(rows.basis()))
    with Tables(postgres.dsn, prefix) as tables:
        projection = Projection(tables, CONTRACTS, hub.prefix)
        with LookUps(postgres.dsn, tables.schema) as questions:
            for record in ledger_of(hub):
                projection.project([record])
                book.note(record.partition, decode_record(record.value))
                now = decode_record(record.value).decided_at
                if questions.basis() is not None:
                    assert month_lines(questions, *NOVEMBER, now) == book.lines("2026-11", now)
                    assert month_cases(questions, *NOVEMBER) == book.cases("2026-11")
    assert json.dumps(book.lines("2026-11", hub.now)[0]._asdict())
