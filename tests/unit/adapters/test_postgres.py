"""The tables of the look-ups on a real PostgreSQL: what a batch leaves behind."""

from collections.abc import Sequence
from datetime import date, timedelta
from hashlib import sha256
from typing import Any

import psycopg
import pytest

from hub.adapters.postgres.lookups import _TWINS, CaseCount, LookUps, twins_asked
from hub.adapters.postgres.tables import ProjectionBatch, Tables
from hub.domain import kinds
from hub.domain.succession import NO_SUCCESSIONS, Successions
from hub.runtime.metrics import Metrics
from hub.views.entry import ClockRow, EntryRow, RecordRow, SnapshotRow
from hub.views.open_cases import CaseEnd, CaseKind, CaseRow, Turn
from hub.views.twins import AnsweredTwin
from tests.conftest import PostgresPart

DAY = date(2026, 11, 20)
COURTS = "11330900MA0007014X", "11330900MA0008017B"


def statement(court: str, day: date) -> SnapshotRow:
    """An empty list of a day."""
    digest = sha256(b"").hexdigest()
    key = sha256(f"{court}{day}".encode()).digest()[:16]
    return SnapshotRow(key, court, "示例法院", "court", day, 1, 1, 0, 0, digest, 1_000, b"")


def test_full_lists_of_long_ago_do_not_pile_up(postgres: PostgresPart) -> None:
    """A month stays, for each court from its own newest list on."""
    busy, quiet = COURTS
    with Tables(postgres.dsn, "pruned.") as tables:
        tables.reset()
        tables.write(batch(statement(quiet, DAY - timedelta(days=400))))
        for back in range(60, -1, -1):
            tables.write(batch(statement(busy, DAY - timedelta(days=back))))
        with LookUps(postgres.dsn, tables.schema) as books:
            kept = books.fetch(SnapshotRow, "SELECT * FROM snapshots")
            lists = [(each.court_code, each.snapshot_on) for each in books.full_lists()]
    days = [row.snapshot_on for row in kept if row.court_code == busy]
    assert (len(days), min(days)) == (32, DAY - timedelta(days=31))
    assert lists == [(busy, DAY), (quiet, DAY - timedelta(days=400))]


@pytest.mark.parametrize("seconds", [0, 1])
def test_a_list_that_is_sent_again_counts_over_the_one_between(
    postgres: PostgresPart, seconds: int
) -> None:
    """Right, wrong, right again, in one moment or one after the other."""
    right, wrong = (
        sent(digest=sha256(entries).hexdigest(), entries=entries)
        for entries in (bytes(16), b"\x01" * 16)
    )
    with Tables(postgres.dsn, f"again{seconds}.") as tables:
        tables.reset()
        for number, one in enumerate((right, wrong, right), 1):
            tables.write(batch(*numbered(one, number, seconds)))
        with LookUps(postgres.dsn, tables.schema) as books:
            (found,) = books.full_lists()
            assert found.keys == {right.entries}
            tables.write(batch(*numbered(wrong, 4, seconds)))
            (found,) = books.full_lists()
            assert found.keys == {wrong.entries}


def sent(digest: str, entries: bytes) -> SnapshotRow:
    """A list of one entry."""
    court, *_ = COURTS
    return statement(court, DAY)._replace(entry_count=1, entries_digest=digest, entries=entries)


def numbered(row: SnapshotRow, number: int, seconds: int) -> tuple[SnapshotRow, RecordRow]:
    """The statement as the ledger's entry of that number."""
    key, at = bytes([9 - number]) * 16, 1_000 + 1_000 * seconds * number
    record = RecordRow(
        key, 0, row.court_code, "court_enforcement", kinds.SNAPSHOT, "court", "live",
        is_conflicting=False, version=1, version_at=at, decided_on=None, live_sequence=number,
        arrived_at=at, accepted_at=at, document_number=str(number), document_key=str(number),
        subject_name="", name_key="", authority_code=row.court_code, waits_for="",
        is_never_acceptable=False,
    )  # fmt: skip
    return row._replace(record_key=key, declared_at=at), record


def batch(row: SnapshotRow, *records: RecordRow) -> ProjectionBatch:
    """A batch that puts one list on record."""
    return ProjectionBatch(
        (), records, (), (), (), (), {}, (), (), (), {}, {row.record_key: row}, ()
    )


# --- refused rows that are answered --------------------------------------------------------------

REFUSED, GOOD = b"r" * 16, b"g" * 16
TWIN = RecordRow(
    REFUSED, 1, "?market/1", "penalty", kinds.PENALTY, "market", "quarantined",
    is_conflicting=False, version=0, version_at=1_000, decided_on=None, live_sequence=7,
    arrived_at=1_000, accepted_at=None, document_number="罚1号", document_key="罚1号",
    subject_name="甲公司", name_key="甲公司", authority_code="11330900MA0000015E",
    waits_for="", is_never_acceptable=False,
)  # fmt: skip
LIVE = TWIN._replace(
    record_key=GOOD,
    partition=0,
    ledger_key="91330900MA00000156",
    status="live",
    version=1,
    accepted_at=2_000,
)
CLOCK = ClockRow(
    REFUSED, 0, "disclose", 9_000, DAY, is_provisional=False, is_estimated=False, is_stopped=False,
    is_late=False,
)  # fmt: skip


def answered(
    postgres: PostgresPart, records: Sequence[RecordRow], clocks: Sequence[ClockRow] = (CLOCK,),
    successions: Successions = NO_SUCCESSIONS,
) -> list[AnsweredTwin]:  # fmt: skip
    """The refused rows that are found answered when this is all there is."""
    with Tables(postgres.dsn, "twins.") as tables:
        tables.reset()
        tables.write(ProjectionBatch((), records, clocks, (), (), (), {}, (), (), (), {}, {}, ()))
        with LookUps(postgres.dsn, tables.schema, successions) as books:
            return books.answered_twins()


def test_a_refused_row_is_answered_by_the_live_one_of_the_same_decision(
    postgres: PostgresPart,
) -> None:
    """Once, whatever targets it owes and however many answer; by the one that was first."""
    second = LIVE._replace(record_key=b"h" * 16, accepted_at=1_999)
    clocks = [CLOCK, CLOCK._replace(target=1)]
    (found,) = answered(postgres, [TWIN, LIVE, second], clocks)
    assert found == AnsweredTwin(REFUSED, 1, "?market/1", 7, second.record_key)


@pytest.mark.parametrize(
    "other",
    [
        LIVE._replace(department="housing"),
        LIVE._replace(authority_code="12330900MA0000015B"),
        LIVE._replace(document_key="罚2号"),
        LIVE._replace(name_key="乙公司"),
        LIVE._replace(subject="licence"),
        LIVE._replace(status="quarantined", version=0),
    ],
)
def test_another_decision_answers_nothing(postgres: PostgresPart, other: RecordRow) -> None:
    """Department, authority, number, name and subject are equal, and it was accepted once."""
    assert answered(postgres, [TWIN, other]) == []


@pytest.mark.parametrize("status", ["withdrawn", "moved"])
def test_what_was_accepted_once_has_answered(postgres: PostgresPart, status: str) -> None:
    """What a refused row owes does not depend on whether somebody looked before a withdrawal."""
    (found,) = answered(postgres, [TWIN, LIVE._replace(status=status, version=2)])
    assert found.answered_by == GOOD


@pytest.mark.parametrize("is_later", [True, False])
def test_an_heirs_row_under_the_new_code_answers_the_predecessors_refused_one(
    postgres: PostgresPart, *, is_later: bool
) -> None:
    """And the other way round; another's heir, or a code that replaced none of these, does not."""
    new, other = "12330900MA00000311", "12330900MA0000015B"
    heirs = {"market": "bureau"}
    codes: dict[str, tuple[str, ...]] = {new: (TWIN.authority_code, other, new)}
    twin, live = TWIN, LIVE
    if is_later:
        live = LIVE._replace(department="bureau", authority_code=new)
    else:
        twin = TWIN._replace(department="bureau", authority_code=new)
    assert answered(postgres, [twin, live]) == []
    both = Successions(heirs, codes)
    (found,) = answered(postgres, [twin, live], successions=both)
    assert found.answered_by == live.record_key
    for half in (
        Successions({}, codes),
        Successions(heirs, {}),
        Successions(heirs, {new: (other,)}),
    ):
        assert answered(postgres, [twin, live], successions=half) == []


@pytest.mark.parametrize(
    ("twin", "clock"),
    [
        (TWIN._replace(status="live", version=1), CLOCK),
        (TWIN._replace(version=2), CLOCK),
        (TWIN._replace(document_key=""), CLOCK),
        (TWIN, CLOCK._replace(is_stopped=True)),
        (TWIN, CLOCK._replace(clock="withdraw")),
        (TWIN, CLOCK._replace(record_key=GOOD)),
    ],
)
def test_what_owes_no_disclosure_in_quarantine_is_not_looked_for(
    postgres: PostgresPart, twin: RecordRow, clock: ClockRow
) -> None:
    """Nor is one that was live, nor what has no number to be compared by."""
    live = LIVE._replace(document_key=twin.document_key)
    assert answered(postgres, [twin, live], [clock]) == []


def test_refused_rows_alone_are_read_to_find_those_that_are_answered(
    postgres: PostgresPart,
) -> None:
    """The question is asked every few seconds beside millions of live records."""
    assert answered(postgres, [TWIN, LIVE])
    with psycopg.connect(postgres.dsn) as session:
        session.execute("SET search_path TO hub_twins; SET enable_seqscan TO off")
        explained = "EXPLAIN " + _TWINS, twins_asked(NO_SUCCESSIONS)
        plan = "\n".join(line for (line,) in session.execute(*explained).fetchall())
    assert "records_refused" in plan
    assert "records_document" in plan
    assert "clocks_record" in plan


# --- what waits for a person ---------------------------------------------------------------------

CASE = CaseRow(
    0, 3, CaseKind.PARKED, REFUSED, 1, 2, "publish", -1, 1_000, 3, 1, "", None, "HTTP_403", "no",
    None, None, "",
)  # fmt: skip
ENTRY = EntryRow(
    0, 3, 1_000, "outcome", "t.outcomes.city", 0, "outcome_noted", is_repeat=False,
    record_key=REFUSED, version=2, department="", kind="outcome.reported.v1", stream=None,
    stream_sequence=None, position="", ledger_key="?market/1", subject_kind="", document_number="",
    document_key="", subject_name="", name_key="", authority_code="", move_id=None,
    basis=b"", publish_targets=0, withdraw_targets=0, refers_to=None, reasons="[]", walk=None,
)  # fmt: skip


def waiting(tables: Tables, *cases: CaseRow, entries: Sequence[EntryRow] = ()) -> None:
    """Write cases, with what they came from."""
    tables.write(ProjectionBatch(entries, [TWIN], (), (), (), (), {}, (), (), cases, {}, {}, ()))


def test_a_case_that_ends_waits_no_more_and_is_still_known(postgres: PostgresPart) -> None:
    """A projector that goes on is told what is open; a person is told how it ended."""
    with Tables(postgres.dsn, "ended.") as tables:
        tables.reset()
        waiting(tables, CASE, entries=[ENTRY, ENTRY._replace(sequence=9, decided_at=5_000)])
        assert tables.open_cases([REFUSED, GOOD]) == [CASE]
        again = CASE._replace(sequence=9, times=2)
        waiting(tables, again)
        assert tables.open_cases([REFUSED]) == [again]
        with LookUps(postgres.dsn, tables.schema) as books:
            (view,) = books.cases(Turn.PLATFORM)
            assert (view.times, view.sequence, view.document_number) == (2, 9, TWIN.document_number)
            assert books.case_counts() == [CaseCount("parked", TWIN.department, 1, 1_000)]
            ended = again._replace(ended=9, ended_at=5_000, how=CaseEnd.DELIVERED.value)
            waiting(tables, ended)
            assert (tables.open_cases([REFUSED]), books.case_counts()) == ([], [])
            assert books.cases(Turn.PLATFORM) == []
            (view,) = books.cases(Turn.PLATFORM, with_ended=True)
            assert (view.how, view.ended_at, view.ended_by) == (
                "delivered", 5_000, "outcome_noted",
            )  # fmt: skip


def test_cases_are_asked_for_by_turn_department_and_kind_the_oldest_first(
    postgres: PostgresPart,
) -> None:
    """A delivery is its record's department's; a statement is whose it was."""
    stated = ENTRY._replace(sequence=4, department="housing", cause_kind="submission")
    conflict = CASE._replace(
        opened=4, sequence=4, case_kind=CaseKind.CONFLICTING.value, target=-1, since=3_000
    )
    refused = CASE._replace(
        opened=5, sequence=5, case_kind=CaseKind.PUBLICATION_REFUSED.value, since=2_000
    )
    with Tables(postgres.dsn, "turns.") as tables:
        tables.reset()
        entries = [ENTRY, stated, ENTRY._replace(sequence=5)]
        waiting(tables, CASE, conflict, refused, entries=entries)
        with LookUps(postgres.dsn, tables.schema) as books:

            def kinds(**question: Any) -> list[str]:  # noqa: ANN401 - as `cases` takes them
                return [one.case_kind for one in books.cases(Turn.DEPARTMENT, **question)]

            assert kinds() == ["publication_refused", "conflicting"]
            assert kinds(limit=1) == ["publication_refused"]
            assert kinds(departments=["housing"]) == ["conflicting"]
            assert kinds(departments=[TWIN.department, "other"]) == ["publication_refused"]
            assert kinds(kind=CaseKind.CONFLICTING) == ["conflicting"]
            assert kinds(kind=CaseKind.PARKED) == []
            assert books.cases(Turn.CENTRE) == []


def test_the_age_of_the_oldest_case_is_told_for_every_kind(postgres: PostgresPart) -> None:
    """0 where there is none: an alert that has fired must find that it is over."""
    metrics = Metrics()
    with Tables(postgres.dsn, "ages.") as tables:
        tables.reset()
        second = CASE._replace(opened=4, sequence=4, since=7_000)
        waiting(tables, CASE, second, entries=[ENTRY, ENTRY._replace(sequence=4)])
        with LookUps(postgres.dsn, tables.schema) as books:
            books.count_into(metrics, 11_000)
    ages = {
        sample.labels["kind"]: sample.value
        for family in metrics.oldest_case_age.collect()
        for sample in family.samples
    }
    assert ages == {kind.value: 10.0 if kind is CaseKind.PARKED else 0.0 for kind in CaseKind}
