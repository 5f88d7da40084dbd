"""Look-ups over a real PostgreSQL: tables follow from the ledger, commands tell its story."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from hub.adapters.postgres.lookups import LookUps
from hub.adapters.postgres.tables import Heartbeat, Tables
from hub.cli import hub as command_line
from hub.core.record import Outcome, decode_record
from hub.errors import FencedError, IntegrityError, UnavailableError
from hub.ports import InputRecord
from hub.runtime.metrics import Metrics
from hub.views.entry import DeclaredRow
from hub.workers.projector import Projection
from tests.conftest import PostgresPart
from tests.contract.specimens import row_of
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.resends import ask_again, with_archive
from tests.driver.rows import (
    AGENTS,
    AGENTS_CODE,
    AUTHORITY,
    COMPANY,
    CONTRACTS,
    COURT_CODE,
    DEPARTMENT,
    OTHER_COMPANY,
    OTHER_DEPARTMENT,
    at,
    framed,
)
from tests.driver.stories import DAY, eventful_month, number, report, submit

DERIVED = (
    "positions", "bases", "entries", "records", "clocks", "standings", "stages", "clock_events",
    "tallies", "streams", "cases",
)  # fmt: skip


def dump(dsn: str, schema: str) -> dict[str, list[Any]]:
    """Every row of every table that follows from the ledger."""
    with psycopg.connect(dsn) as session:
        session.execute(f"SET search_path TO {schema}".encode())
        return {
            table: session.execute(
                f"SELECT t::text FROM {table} t ORDER BY 1".encode()
            ).fetchall()
            for table in DERIVED
        }  # fmt: skip


def ledger_of(hub: HubTestDriver) -> list[InputRecord]:
    """The ledger, partitions taken in turns as a consumer may deliver them."""
    left = [list(hub.raw_ledger(p)) for p in range(hub.partitions)]
    found = []
    while any(left):
        for partition in left:
            found += partition[:3]
            del partition[:3]
    return found


def project(dsn: str, hub: HubTestDriver, prefix: str, batch: int) -> str:
    """Project the ledger in batches of this size; returns the schema."""
    with Tables(dsn, prefix) as tables:
        projection = Projection(tables, CONTRACTS, hub.prefix)
        records = ledger_of(hub)
        for begin in range(0, len(records), batch):
            projection.project(records[begin : begin + batch])
        tables.describe(prefix, {"name_zh": "测试站", "departments": {}, "targets": {}})
        tables.beat(Heartbeat(0, hub.now, 0.0, 0, 0.0))
        return tables.schema


class StorySite:
    """One story, projected, and the command line to ask about it."""

    def __init__(self, postgres: PostgresPart, hub: HubTestDriver) -> None:
        self.dsn, self.hub = postgres.dsn, hub
        self.prefix = f"t{uuid.uuid4().hex[:10]}."
        self.schema = project(self.dsn, hub, self.prefix, 40)

    def ask(self, folder: Path, *arguments: str) -> Result:
        """Run `hub ARGUMENTS` against this database."""
        (folder / "site.yaml").write_text(
            f"site: test\nname_zh: 测试站\nprefix: {self.prefix}\npartitions: 2\nrulebook: r\n"
            "calendar: c\nsealing_key_file: k\ndepartments: []\ntargets: []\n",
            encoding="utf-8",
        )
        return CliRunner(env={"HUB_POSTGRES_DSN": self.dsn}).invoke(
            command_line, [*arguments, "--site", str(folder)]
        )

    def ask_json(self, folder: Path, *arguments: str) -> Any:  # noqa: ANN401 - JSON
        """Run it with --json and read the answer."""
        result = self.ask(folder, *arguments, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.output)


@pytest.fixture(scope="module")
def place(postgres: PostgresPart) -> Iterator[StorySite]:
    """The eventful month, projected once."""
    story = StorySite(postgres, eventful_month())
    yield story
    with psycopg.connect(story.dsn) as session:
        session.execute(f"DROP SCHEMA {story.schema} CASCADE".encode())


def due_of(place: StorySite, folder: Path, document: str) -> list[dict[str, Any]]:
    """What `hub due` says of a document."""
    found = place.ask_json(folder, "due", "--within", "30")
    return [item for item in found["due"] if item["document_number"] == document]


def test_tables_do_not_depend_on_where_batches_end(
    postgres: PostgresPart, place: StorySite
) -> None:
    """One record a transaction, or all in one: equal tables, so a kill anywhere changes nothing."""
    wanted = dump(postgres.dsn, place.schema)
    for size in (1, 7, 10_000):
        schema = project(postgres.dsn, place.hub, f"{place.prefix[:-1]}{size}.", size)
        assert dump(postgres.dsn, schema) == wanted


def test_a_projector_goes_on_from_its_stored_position(
    postgres: PostgresPart, place: StorySite
) -> None:
    """A new process reads the position from PostgreSQL; what is not next is refused."""
    records = ledger_of(place.hub)
    prefix = f"{place.prefix[:-1]}on."
    with Tables(postgres.dsn, prefix) as tables:
        Projection(tables, CONTRACTS, "test.").project(records[:20])
    with Tables(postgres.dsn, prefix) as tables:
        again = Projection(tables, CONTRACTS, "test.")
        with pytest.raises(IntegrityError, match="LEDGER_END_LOST"):
            again.project(records[19:])
        again.project(records[20:])
        assert dump(postgres.dsn, tables.schema) == dump(postgres.dsn, place.schema)


def test_a_batch_that_fails_leaves_nothing_behind(postgres: PostgresPart, place: StorySite) -> None:
    """Rows and position are one transaction: a broken chain in the batch writes none of it."""
    records = ledger_of(place.hub)
    with Tables(postgres.dsn, f"{place.prefix[:-1]}f.") as tables:
        projection = Projection(tables, CONTRACTS, "test.")
        with pytest.raises(IntegrityError):
            projection.project([*records[:10], *records[12:]])
        assert tables.positions() == {}
        assert dump(postgres.dsn, tables.schema)["entries"] == []


def test_only_one_projector_writes(postgres: PostgresPart, place: StorySite) -> None:
    """The second one is told, and can take over once the first has gone."""
    prefix = f"{place.prefix[:-1]}one."
    with Tables(postgres.dsn, prefix), pytest.raises(FencedError):
        Tables(postgres.dsn, prefix)
    Tables(postgres.dsn, prefix).close()


def test_tables_of_another_version_are_made_from_zero(
    postgres: PostgresPart, place: StorySite
) -> None:
    """The ledger is the truth: nothing is migrated."""
    prefix = f"{place.prefix[:-1]}v."
    with Tables(postgres.dsn, prefix) as tables:
        Projection(tables, CONTRACTS, "test.").project(ledger_of(place.hub)[:5])
    with psycopg.connect(postgres.dsn) as session:
        session.execute(f"UPDATE {tables.schema}.projection SET version = 0".encode())
    with Tables(postgres.dsn, prefix) as tables:
        assert tables.positions() == {}


def test_read_equals_the_sum_of_outcomes(place: StorySite, tmp_path: Path) -> None:
    """Per department, and the streams promise no more than was decided."""
    status = place.ask_json(tmp_path, "status")
    for department in (DEPARTMENT, OTHER_DEPARTMENT):
        entries = [
            r for r in place.hub.ledger() if r.department == department and r.cause.kind == "S"
        ]
        line = status["departments"][department]
        assert line["read"] == len(entries) == sum(line["outcomes"].values())
        assert line["gap"] == 0
    assert status["departments"][DEPARTMENT]["outcomes"]["duplicate"] == 2


def test_a_missing_submission_shows_as_a_gap(postgres: PostgresPart) -> None:
    """A stream runs from 1 without gaps: number 3 without number 2 is said aloud."""
    hub = eventful_month()
    hub.pipe(OTHER_DEPARTMENT, "licence.granted.v1", COMPANY, b"", sequence=4)
    hub.run()
    story = StorySite(postgres, hub)
    with LookUps(story.dsn, story.schema) as look_ups:
        metrics = Metrics()
        look_ups.count_into(metrics, hub.now)
    gap = metrics.registry.get_sample_value(
        "hub_conservation_gap", {"department": OTHER_DEPARTMENT}
    )
    assert gap == pytest.approx(1)


def test_stages_are_counted_per_target(place: StorySite, tmp_path: Path) -> None:
    """Named by the ledger; sent, published, refused, withdrawn by what couriers reported."""
    targets = place.ask_json(tmp_path, "status")["targets"]
    assert (targets["city"]["published"], targets["city"]["refused"]) == (3, 1)
    assert targets["city"]["withdrawn"] == 1
    assert targets["province"]["acknowledged"] == 3
    assert targets["city"]["late"] == 1
    assert targets["city"]["named"] > targets["city"]["sent"]


def test_one_document_under_two_codes_is_raised(place: StorySite, tmp_path: Path) -> None:
    """Two live records of one document are open; a bad code that was put right is none."""
    conflicts = place.ask_json(tmp_path, "status")["identity_conflicts"]
    assert [(c["document_number"], c["open"]) for c in conflicts] == [(number(9), True)]
    assert {r["credit_code"] for r in conflicts[0]["records"]} == {COMPANY, OTHER_COMPANY}
    (story, _) = place.ask_json(tmp_path, "trace", "--document", number(9))
    assert len(story["identity_conflicts"]) == 1


def test_what_was_never_sent_is_the_hubs_fault(place: StorySite, tmp_path: Path) -> None:
    """Accepted in time and named, nothing reported."""
    found = due_of(place, tmp_path, number(2))
    assert {(d["target"], d["fault"]["party"], d["fault"]["why"]) for d in found} == {
        ("province", "hub", "not_sent"), ("city", "hub", "not_sent"),
    }  # fmt: skip
    assert {d["due_on"] for d in found} == {"2026-11-11"}
    assert {d["working_days_left"] for d in found} == {-13}


def test_what_arrived_late_is_the_departments_fault(place: StorySite, tmp_path: Path) -> None:
    """Submitted after it was due: the hub only holds it now."""
    (found, _) = due_of(place, tmp_path, number(3))
    assert (found["fault"]["party"], found["fault"]["why"]) == ("department", "arrived_late")
    assert found["holder"]["party"] == "hub"


def test_what_is_quarantined_is_the_departments_fault(place: StorySite, tmp_path: Path) -> None:
    """With the reasons, and marked estimated where the decision date is unreadable."""
    (found, _) = due_of(place, tmp_path, number(4))
    assert (found["fault"]["party"], found["fault"]["why"]) == ("department", "quarantined")
    assert found["estimated"] is True
    assert [reason["code"] for reason in found["reasons"]] == ["DATE_UNREADABLE"]


def test_what_was_refused_is_the_platforms_fault(place: StorySite, tmp_path: Path) -> None:
    """With the platform's own code; the province, which took it, owes nothing."""
    (found,) = due_of(place, tmp_path, number(6))
    assert (found["target"], found["fault"]["why"]) == ("city", "refused")
    assert found["reasons"][0]["field"] == "NAME_UNKNOWN"


def test_a_bad_code_put_right_is_not_owed_for_ever(place: StorySite, tmp_path: Path) -> None:
    """The row without a valid code is named as settled, not counted as overdue."""
    found = place.ask_json(tmp_path, "due")
    settled = found["accepted_under_another_code"]
    assert {(s["quarantined_under"], s["accepted_under"]) for s in settled} == {(None, COMPANY)}
    assert None not in {d["credit_code"] for d in found["due"] if d["document_number"] == number(5)}


def test_a_trace_says_that_a_bad_code_was_put_right(place: StorySite, tmp_path: Path) -> None:
    """The quarantined story points to the code its document was accepted under."""
    stories = place.ask_json(tmp_path, "trace", "--document", number(5))
    assert {(s["record"]["credit_code"], s["accepted_under"]) for s in stories} == {
        (None, COMPANY), (COMPANY, None),
    }  # fmt: skip


def test_due_is_sorted_and_leaves_out_what_is_far_away(place: StorySite, tmp_path: Path) -> None:
    """Earliest first; expiry of a publication is no deadline."""
    found = place.ask_json(tmp_path, "due", "--within", "0")["due"]
    assert [d["due_at"] for d in found] == sorted(d["due_at"] for d in found)
    assert all(d["overdue"] for d in found)
    assert {d["clock"] for d in found} <= {"disclose", "withdraw"}


def test_a_trace_says_whose_time_was_used(place: StorySite, tmp_path: Path) -> None:
    """Decision day is nobody's; an hour for the hub, the rest of the working days the platform's.

    Arrived Monday 09:00 of the decision day, sent 10:00, published 13 days later at 10:00:
    weekdays 11-02 (14 h), 11-03…11-13 (9 days), 11-14 and 11-15 weekend, all 24 hours a day.
    """
    (story,) = place.ask_json(tmp_path, "trace", "--document", "舟市监许(2026) 1号")
    city = next(t for t in story["time_used"] if t["target"] == "city")
    assert city["done"] is True
    assert city["working_hours"] == {"department": 0, "hub": 1, "platform": 14 + 9 * 24}
    states = {d["target"]: d["state"] for d in story["deadlines"] if d["clock"] == "disclose"}
    assert states == {"province": "stopped_in_time", "city": "stopped_late"}


def test_a_trace_tells_corrections_and_withdrawals_in_order(
    place: StorySite, tmp_path: Path
) -> None:
    """Every decision and every stage, also a report that came too late to matter."""
    (story,) = place.ask_json(tmp_path, "trace", "--document", number(7))
    outcomes = [d["outcome"] for d in story["decisions"]]
    assert outcomes[:3] == ["accepted", "corrected", "withdrawn"]
    stages = [(s["stage"], s["version"]) for s in story["targets"]["city"]]
    assert stages[:5] == [
        ("named", 1), ("published", 1), ("named", 2), ("published", 2), ("named", 3),
    ]  # fmt: skip
    assert ("published", 2, False) in {
        (s["stage"], s["version"], s["changed_the_record"]) for s in story["targets"]["city"]
    }


def test_a_trace_follows_a_move_to_the_other_code(place: StorySite, tmp_path: Path) -> None:
    """Asked under the old code's document, both lives are told."""
    stories = place.ask_json(tmp_path, "trace", "--document", number(8))
    assert {(s["record"]["credit_code"], s["record"]["status"]) for s in stories} == {
        (COMPANY, "moved"), (OTHER_COMPANY, "live"),
    }  # fmt: skip


def test_a_trace_shows_reasons_in_chinese_first(place: StorySite, tmp_path: Path) -> None:
    """For people: the message, then the remedy; nothing of a field's content."""
    result = place.ask(tmp_path, "trace", "--document", number(4))
    assert result.exit_code == 0
    assert "错误 DATE_UNREADABLE：许可决定日期不是可识别的日期" in result.output
    assert "处理办法" in result.output
    assert "13月" not in result.output


def test_every_command_speaks_to_people(place: StorySite, tmp_path: Path) -> None:
    """The plain output of each is whole: titles, numbers, times in Shanghai."""
    status = place.ask(tmp_path, "status").output
    assert "2026-11-30 09:00" in status
    assert "待处理 1 open" in status
    due = place.ask(tmp_path, "due").output
    assert "部门：报送时已逾期" in due
    assert "平台：平台退回" in due
    one = place.ask(tmp_path, "due", "--limit", "1").output.splitlines()
    assert "每平台一项" in one[0]
    assert one[3].startswith("… 另有 ")
    trace = place.ask(tmp_path, "trace", "--credit-code", COMPANY.lower()).output
    assert "用了谁的时间" in trace
    assert "2026-11-11 到期）" in trace


def test_nothing_found_is_said_with_exit_status_1(place: StorySite, tmp_path: Path) -> None:
    """So that a script can tell."""
    result = place.ask(tmp_path, "trace", "--document", "没有这个号")
    assert (result.exit_code, "没有找到" in result.output) == (1, True)


def test_before_any_projector_the_remedy_is_named(postgres: PostgresPart, tmp_path: Path) -> None:
    """An empty database is no stack trace."""
    story = StorySite.__new__(StorySite)
    story.dsn, story.prefix = postgres.dsn, "never."
    result = story.ask(tmp_path, "status")
    assert result.exit_code == 2
    assert "hub run projector" in result.output


def test_before_any_projector_a_worker_waits(postgres: PostgresPart) -> None:
    """On a new machine all start at once: who reads the tables tries again until they are there."""
    with LookUps(postgres.dsn, "hub_never") as look_ups, pytest.raises(UnavailableError):
        look_ups.heartbeat()


def test_gauges_count_what_is_owed(place: StorySite, tmp_path: Path) -> None:
    """What a bad code left behind is not counted; what is overdue is open, and somebody's fault."""
    metrics = Metrics()
    with LookUps(place.dsn, place.schema) as look_ups:
        look_ups.count_into(metrics, place.hub.now)
    labels = {"department": DEPARTMENT, "target": "city"}
    still_open = metrics.registry.get_sample_value("hub_deadline_open", labels)
    overdue = {
        party: metrics.registry.get_sample_value("hub_deadline_overdue", labels | {"fault": party})
        for party in ("department", "hub", "platform")
    }
    assert still_open is not None
    assert still_open >= sum(found or 0 for found in overdue.values()) > 0
    late = [d for d in place.ask_json(tmp_path, "due")["due"] if d["overdue"]]
    for party, found in overdue.items():
        told = [
            d for d in late
            if (d["department"], d["target"], d["fault"]["party"]) == (DEPARTMENT, "city", party)
        ]  # fmt: skip
        assert found == len(told), party
    assert overdue["department"], "the story has a row that arrived late"
    never_sent = (place.hub.now - at("2026-11-02 09:00")) / 1000
    for target in ("province", "city"):
        waits = metrics.registry.get_sample_value(
            "hub_oldest_unsent_age_seconds", {"target": target}
        )
        assert waits == pytest.approx(never_sent, abs=60), target
    conflicts = metrics.registry.get_sample_value("hub_identity_conflicts", {"kind": "licence"})
    assert conflicts == pytest.approx(1)
    days_to_new_year = metrics.registry.get_sample_value("hub_calendar_horizon_days")
    assert days_to_new_year == pytest.approx(31)


def test_a_resend_and_a_target_added_later_are_part_of_the_story(
    postgres: PostgresPart, tmp_path: Path
) -> None:
    """Named again, and named at last; no deadline of a target that had published begins anew."""
    hub = HubTestDriver(rows.basis(), now=rows.at("2026-11-02 09:00"))
    first = submit(hub, rows.licence_row())
    report(hub, first, "city", "published", platform_at=hub.now)
    hub.advance(DAY)
    (again, *_end) = [r for r in ask_again(hub, "city") if r.publish_targets]
    report(hub, again, "city", "published", platform_at=hub.now)
    hub.adopt(with_archive())
    place = StorySite(postgres, hub)
    text = place.ask(tmp_path, "trace", "--document", number(1)).output
    assert "重新投送 resent" in text
    assert "按现行配置投送 reprojected" in text
    assert "未改变状态" in text
    (story,) = place.ask_json(tmp_path, "trace", "--document", number(1))
    assert [one["stage"] for one in story["targets"]["city"]].count("named") == 2
    assert [one["stage"] for one in story["targets"]["archive"]] == ["named"]
    states = {(one["target"], one["clock"]): one["state"] for one in story["deadlines"]}
    assert states["city", "disclose"] == "stopped_in_time"
    assert ("archive", "disclose") not in states


def test_status_says_how_far_a_resend_has_come(postgres: PostgresPart, tmp_path: Path) -> None:
    """What is asked for and under way, then what has ended: `hub resend` sends people here."""
    hub = HubTestDriver(rows.basis(), now=rows.at("2026-11-02 09:00"))
    for n in (1, 2, 3):
        submit(hub, rows.licence_row(XK_WSH=number(n)))
    before = StorySite(postgres, hub)
    assert before.ask_json(tmp_path, "status")["walks"] == {}
    assert "told again" not in before.ask(tmp_path, "status").output
    ask_again(hub, "city", document=number(2))
    ask_again(hub, "city", begin="2026-10-30")
    place = StorySite(postgres, hub)
    (last,) = place.ask_json(tmp_path, "status")["walks"]["city"]
    assert (last["open"], last["resend"], last["named"]) == (False, True, 3)
    assert (last["decided_from"], last["decided_to"], last["document"]) == (
        "2026-10-30",
        None,
        None,
    )
    assert last["looked"] == last["to_look"] > 0
    text = place.ask(tmp_path, "status").output
    assert "city（决定日期 2026-10-30–）：2026-11-02 09:00 提出，最近一次完成于" in text
    assert "列入 3 条 named" in text

    records = ledger_of(hub)
    ends = [n for n, r in enumerate(records) if decode_record(r.value).outcome is Outcome.WALKED]
    half = _until(postgres, hub, records[: ends[-1]])
    (finished, going_on) = half.ask_json(tmp_path, "status")["walks"]["city"]
    assert (finished["open"], finished["document"], finished["named"]) == (False, number(2), 1)
    assert (going_on["open"], going_on["ended_at"]) == (True, None)
    assert going_on["looked"] <= going_on["to_look"]
    assert "进行中，已看台账" in half.ask(tmp_path, "status").output

    hub.now += 1
    hub.adopt(with_archive())
    walks = StorySite(postgres, hub).ask_json(tmp_path, "status")["walks"]
    assert (walks["archive"][0]["resend"], walks["archive"][0]["named"]) == (False, 3)
    assert walks["city"] == [last]


def _until(postgres: PostgresPart, hub: HubTestDriver, records: list[InputRecord]) -> StorySite:
    """The look-ups behind a part of the ledger."""
    place = StorySite(postgres, hub)
    with Tables(place.dsn, place.prefix) as tables:
        tables.reset()
        Projection(tables, CONTRACTS, hub.prefix).project(records)
        tables.beat(Heartbeat(0, hub.now, 0.0, 0, 0.0))
    return place


EXIT_MISSING = "court_enforcement.exit_missing.v1"
FULL_LIST = "court_enforcement.snapshot_declared.v1"
COUNT = "output_count.declared.v1"


def test_statements_of_any_size_and_sender_are_projected(postgres: PostgresPart) -> None:
    """What a department sends to its own topic stops no look-up and keeps no fact back.

    A court that states its own missing exit under the agents' name would hide what is found.
    """
    hub = HubTestDriver(rows.basis(), now=at("2026-11-20 09:00"))

    def say(kind: str, sender: str, code: str, **changes: str) -> None:
        row = {name: str(text) for name, text in row_of(kind, "accepted-minimal").items()}
        row |= {"authority_code": code, "credit_code": COMPANY} | changes
        hub.pipe(sender, kind, COMPANY, framed(kind, row))

    say(EXIT_MISSING, DEPARTMENT, AGENTS_CODE)
    say(EXIT_MISSING, DEPARTMENT, AUTHORITY, document_number="ab" * 16)
    for which, change in enumerate(
        ({"entries": "abc"}, {"entries": "ab"}, {"part": "999999999999"}, {"parts": "1,000,000"})
    ):
        say(FULL_LIST, DEPARTMENT, AUTHORITY, document_number=f"{which}", **change)
    entries = "0123456789abcdef" * 2
    digest = sha256(bytes.fromhex(entries)).hexdigest()
    say(FULL_LIST, DEPARTMENT, COURT_CODE, entries=entries, entries_digest=digest)
    most = {
        "produced_count": "999999999999",
        "unreported_reason": "依据\x00无",
        "disclosure_url": "x",
    }
    say(COUNT, DEPARTMENT, AUTHORITY, **most)
    say(COUNT, DEPARTMENT, AUTHORITY, produced_count="999999999999", subject_name="另一机关")
    hub.run()
    prefix = f"t{uuid.uuid4().hex[:10]}."
    schema = project(postgres.dsn, hub, prefix, 40)
    with LookUps(postgres.dsn, schema) as tables:
        assert tables.facts_raised(EXIT_MISSING) == set()
        assert tables.full_lists() == [], "nobody declares another court's list"
        counts = tables.fetch(DeclaredRow, "SELECT * FROM declared")
    assert [(count.department, count.produced) for count in counts] == [(DEPARTMENT, 999999999999)]
    say(EXIT_MISSING, AGENTS, AGENTS_CODE)
    hub.run()
    schema = project(postgres.dsn, hub, prefix + "again.", 40)
    with LookUps(postgres.dsn, schema) as tables:
        assert len(tables.facts_raised(EXIT_MISSING)) == 1
