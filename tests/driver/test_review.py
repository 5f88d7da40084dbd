"""What a hostile reader of the code tried: each of these once lost, tore or stopped something."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING, Any, cast

import pytest

from hub.adapters.kafka.client import _to_input
from hub.core.record import LedgerRecord, Outcome
from hub.core.state import ClockKind, Status, decode_state
from hub.domain.amounts import read_amount
from hub.domain.code_lists import SERIOUSNESS, read_code
from hub.domain.credit_code import assess_credit_code
from hub.domain.dates import read_date, read_valid_to
from hub.domain.document_number import normalise_subject_name
from hub.domain.partitioning import partition_of
from hub.targets.delivery import (
    Accepted,
    Expected,
    Refused,
    Unknown,
    canonical_json,
    read_json,
    read_receipt,
)
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import (
    AUTHORITY,
    COMPANY,
    DEPARTMENT,
    LICENCE,
    OTHER_COMPANY,
    OTHER_DEPARTMENT,
    PENALTY,
    at,
    framed,
    licence_row,
    penalty_row,
)

if TYPE_CHECKING:
    from confluent_kafka import Message

DAY = 86_400_000
FIRST, SECOND = "ab" * 16, "cd" * 16


@pytest.fixture
def hub() -> HubTestDriver:
    """A hub on the morning of Monday 2026-11-02."""
    return HubTestDriver(rows.basis(), now=at("2026-11-02 09:00"))


def moved_out(move_id: str = FIRST, **changes: str) -> bytes:
    """The sample licence leaves its credit code."""
    fields = {
        "move_id": move_id, "subject_kind": LICENCE, "document_number": "舟市监许〔2026〕1号",
        "subject_name": "舟山示例贸易有限公司", "credit_code": COMPANY,
        "authority_code": AUTHORITY, "new_credit_code": OTHER_COMPANY, "reason": "代码录入错误",
    }  # fmt: skip
    return framed("record.moved_out.v1", fields | changes)


def moved_in(move_id: str = FIRST, **changes: str) -> bytes:
    """The sample licence arrives under another credit code."""
    row = licence_row(XK_XDR_SHXYM=OTHER_COMPANY) | changes
    return framed(
        "record.moved_in.v1",
        {
            "move_id": move_id, "subject_kind": LICENCE, "reason": "代码录入错误",
            "row": framed(LICENCE, row), "previous_credit_code": COMPANY,
        },
    )  # fmt: skip


def leave(hub: HubTestDriver, value: bytes) -> None:
    """Submit a departure."""
    hub.pipe(DEPARTMENT, "record.moved_out.v1", COMPANY, value)


def arrive(hub: HubTestDriver, value: bytes, **more: Any) -> None:  # noqa: ANN401 - what `pipe` takes
    """Submit an arrival."""
    hub.pipe(DEPARTMENT, "record.moved_in.v1", OTHER_COMPANY, value, **more)


def report(
    hub: HubTestDriver,
    record: LedgerRecord,
    stage: str,
    *,
    target: str = "province",
    more: dict[str, object] | None = None,
) -> list[LedgerRecord]:
    """A courier's report of a target about this record's version."""
    key = record.state.subject_key if record.state is not None else b""
    is_publication = bool(record.publish_targets)
    content: dict[str, object] = {
        "record": record.record_key.hex(), "version": record.version,
        "action": "publish" if is_publication else "withdraw", "stage": stage, "receipt": "r",
        "code": "", "message": "", "platform_at": hub.now, "at": hub.now,
    }  # fmt: skip
    hub.put(
        f"outcomes.{target}", partition_of(key, hub.partitions), key,
        json.dumps(content | (more or {})).encode(), (("ce_type", b"outcome.reported.v1"),),
    )  # fmt: skip
    return hub.run()


def shown(written: list[LedgerRecord]) -> list[Outcome]:
    """The outcomes that publish."""
    return [record.outcome for record in written if record.publish_targets]


def dues(record: LedgerRecord, kind: ClockKind) -> dict[int, int]:
    """Due time by target of the clocks of a kind that still run."""
    assert record.state is not None
    return {c.target: c.due_at for c in record.state.clocks if c.kind is kind and c.is_running}


# --- moves ---------------------------------------------------------------------------------------


def test_a_departure_that_is_quarantined_frees_the_row_that_waits_for_it(
    hub: HubTestDriver,
) -> None:
    """A faulty first half answers the second: refused, not waited for without an end."""
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row()))
    leave(hub, moved_out(reason="坏字\ufffd"))
    arrive(hub, moved_in())
    written = hub.run()
    assert [r.outcome for r in written if r.kind == "record.moved_out.v1"] == [Outcome.QUARANTINED]
    last = [r for r in written if r.state is not None][-1]
    assert last.state is not None
    assert last.state.status is Status.QUARANTINED


def test_a_move_sent_again_after_a_faulty_departure_is_shown(hub: HubTestDriver) -> None:
    """The clerk repairs the pair and sends it again: the record must not vanish from sight."""
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row()))
    leave(hub, moved_out(reason="坏字\ufffd"))
    arrive(hub, moved_in())
    hub.run()
    leave(hub, moved_out(SECOND))
    arrive(hub, moved_in(SECOND))
    assert shown(hub.run()) != []


def test_a_second_move_for_a_held_row_releases_it(hub: HubTestDriver) -> None:
    """The first departure never came; the same arrival under another move is not a duplicate."""
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row()))
    arrive(hub, moved_in())
    hub.run()
    leave(hub, moved_out(SECOND))
    arrive(hub, moved_in(SECOND))
    assert shown(hub.run()) != []


def test_the_new_code_may_be_spelled_as_departments_spell_it(hub: HubTestDriver) -> None:
    """The verdict goes to the key of the code, not to the key of its spelling."""
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row()))
    hub.run()
    spellings = (OTHER_COMPANY.lower(), f" {OTHER_COMPANY}", OTHER_COMPANY.replace("9", "９"))
    (spelled,) = [
        s
        for s in spellings
        if partition_of(s.encode(), 2) != partition_of(OTHER_COMPANY.encode(), 2)
    ][:1]
    arrive(hub, moved_in(XK_XDR_SHXYM=spelled))
    leave(hub, moved_out(new_credit_code=spelled))
    assert shown(hub.run()) == [Outcome.HELD_RELEASED]


def test_a_released_row_keeps_the_version_of_its_source(hub: HubTestDriver) -> None:
    """What is older by the source's own count is superseded, also behind a move."""
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row()))
    arrive(hub, moved_in(), source_version=5)
    hub.run()
    leave(hub, moved_out())
    hub.run()
    older = framed(LICENCE, licence_row(XK_XDR_SHXYM=OTHER_COMPANY, XK_NR="旧内容"))
    hub.pipe(DEPARTMENT, LICENCE, OTHER_COMPANY, older, source_version=3)
    (record,) = hub.run()
    assert record.outcome is Outcome.SUPERSEDED


def test_a_met_duty_stays_met_when_the_arrival_must_be_sent_again(hub: HubTestDriver) -> None:
    """Shown in time, then moved: a faulty arrival does not start the first disclosure anew."""
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row()))
    (first,) = hub.run()
    report(hub, first, "acknowledged")
    report(hub, first, "published", target="city")
    hub.advance(20 * DAY)
    leave(hub, moved_out())
    arrive(hub, moved_in(XK_NR="坏字\ufffd"))
    hub.run()
    leave(hub, moved_out(SECOND))
    arrive(hub, moved_in(SECOND))
    (record,) = [r for r in hub.run() if r.publish_targets]
    assert min(dues(record, ClockKind.DISCLOSE).values()) > hub.now


# --- clocks --------------------------------------------------------------------------------------


def test_a_correction_that_waits_is_not_owed_from_the_decision_when_it_moves(
    hub: HubTestDriver,
) -> None:
    """The first disclosure was met: after a move the rule for corrections goes on to count."""
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row()))
    (first,) = hub.run()
    report(hub, first, "acknowledged")
    report(hub, first, "published", target="city")
    hub.advance(20 * DAY)
    corrected = framed(
        "record.corrected.v1",
        {
            "subject_kind": LICENCE, "row": framed(LICENCE, licence_row(XK_NR="食品零售")),
            "reason": "内容有误",
        },
    )  # fmt: skip
    hub.pipe(DEPARTMENT, "record.corrected.v1", COMPANY, corrected)
    hub.run()
    leave(hub, moved_out())
    arrive(hub, moved_in(XK_NR="食品零售"))
    (record,) = [r for r in hub.run() if r.publish_targets]
    assert min(dues(record, ClockKind.DISCLOSE).values()) > hub.now


def test_another_correction_does_not_postpone_a_withdrawal_that_is_owed(
    hub: HubTestDriver,
) -> None:
    """A penalty that became minor must leave the public site by its first due date."""
    hub.pipe(DEPARTMENT, PENALTY, COMPANY, framed(PENALTY, penalty_row()))
    hub.run()

    def correct(**changes: str) -> LedgerRecord:
        value = framed(
            "record.corrected.v1",
            {
                "subject_kind": PENALTY, "reason": "重新认定",
                "row": framed(PENALTY, penalty_row(CF_YZCD="轻微", **changes)),
            },
        )  # fmt: skip
        hub.pipe(DEPARTMENT, "record.corrected.v1", COMPANY, value)
        return hub.run()[-1]

    owed = dues(correct(), ClockKind.WITHDRAW)
    hub.advance(2 * DAY)
    assert dues(correct(CF_NR="罚款八百元"), ClockKind.WITHDRAW) == owed


def test_a_withdrawal_of_everything_inherits_what_was_owed_before(hub: HubTestDriver) -> None:
    """An overdue take-down stays overdue when the whole record is withdrawn later."""
    hub.pipe(DEPARTMENT, PENALTY, COMPANY, framed(PENALTY, penalty_row()))
    hub.run()
    value = framed(
        "record.corrected.v1",
        {
            "subject_kind": PENALTY, "reason": "重新认定",
            "row": framed(PENALTY, penalty_row(CF_YZCD="轻微")),
        },
    )  # fmt: skip
    hub.pipe(DEPARTMENT, "record.corrected.v1", COMPANY, value)
    owed = dues(hub.run()[-1], ClockKind.WITHDRAW)
    hub.advance(10 * DAY)
    gone = {
        "subject_kind": PENALTY, "document_number": "舟市监罚〔2026〕1号",
        "subject_name": "舟山示例贸易有限公司", "credit_code": COMPANY,
        "authority_code": AUTHORITY, "reason": "撤销",
    }  # fmt: skip
    hub.pipe(DEPARTMENT, "record.withdrawn.v1", COMPANY, framed("record.withdrawn.v1", gone))
    assert dues(hub.run()[0], ClockKind.WITHDRAW)[1] == owed[1]


@pytest.mark.parametrize(
    ("version", "outcome"),
    [(4, Outcome.SUPERSEDED), (5, Outcome.SUPERSEDED), (7, Outcome.DUPLICATE)],
)
def test_a_straggler_does_not_show_a_withdrawn_penalty_again(
    hub: HubTestDriver, version: int, outcome: Outcome
) -> None:
    """Older by the source's own count than the withdrawal or newer: it stays down."""
    hub.pipe(DEPARTMENT, PENALTY, COMPANY, framed(PENALTY, penalty_row()), source_version=5)
    gone = {
        "subject_kind": PENALTY, "document_number": "舟市监罚〔2026〕1号",
        "subject_name": "舟山示例贸易有限公司", "credit_code": COMPANY,
        "authority_code": AUTHORITY, "reason": "撤销",
    }  # fmt: skip
    withdrawal = framed("record.withdrawn.v1", gone)
    hub.pipe(DEPARTMENT, "record.withdrawn.v1", COMPANY, withdrawal, source_version=6)
    hub.run()
    hub.pipe(DEPARTMENT, PENALTY, COMPANY, framed(PENALTY, penalty_row()), source_version=version)
    (record,) = [r for r in hub.run() if r.cause.kind == "S"]
    assert (record.outcome, record.publish_targets) == (outcome, 0)


def test_a_refusal_after_an_acknowledgement_is_noted(hub: HubTestDriver) -> None:
    """A platform may take a record in and refuse it later: its last word counts."""
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row()))
    (first,) = hub.run()
    report(hub, first, "acknowledged", target="city")
    (noted,) = report(hub, first, "refused", target="city", more={"code": "BAD"})
    assert noted.state is not None
    assert {s.stage.name for s in noted.state.stages if s.target == 1} == {"REFUSED"}


# --- hostile input -------------------------------------------------------------------------------


def test_headers_of_one_name_are_all_counted(hub: HubTestDriver) -> None:
    """Thirty headers of one name pass no limit that looks at the last of them only."""
    fat = (*(("x", b"y" * 40_000) for _ in range(27)), ("x", b""))
    own = (("ce_type", LICENCE.encode()), ("ce_source", b"x/y"), ("ce_id", b"1"))
    place = partition_of(COMPANY.encode(), 2)
    value = framed(LICENCE, licence_row())
    hub.put(f"submissions.{DEPARTMENT}", place, COMPANY.encode(), value, (*own, *fat))
    hub.run()
    assert max(len(r.value) for r in hub.raw_ledger(place)[1:]) < 100_000


@pytest.mark.parametrize(
    "content", [{"code": "\ud800"}, {"platform_at": (1 << 64) - 1}, {"at": (1 << 64) - 1}]
)
def test_a_report_no_follower_could_write_down_stops_nothing(
    hub: HubTestDriver, content: dict[str, object]
) -> None:
    """Half a character, or a moment beyond any calendar, is refused by name."""
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row()))
    (first,) = hub.run()
    (record,) = report(hub, first, "refused", more=content)
    assert record.outcome in (Outcome.OUTCOME_NOTED, Outcome.CONTROL_REFUSED)
    assert record.outcome is Outcome.CONTROL_REFUSED or "code" in content


def test_one_department_cannot_use_up_the_numbers_of_another(hub: HubTestDriver) -> None:
    """The stream's name is in the sender's hand; whose topic it came on is not."""
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row()))
    place = partition_of(COMPANY.encode(), 2)
    own = tuple(hub.log.logs[f"test.submissions.{DEPARTMENT}", place][0].headers)
    hub.log.logs[f"test.submissions.{DEPARTMENT}", place].clear()
    hub.put(f"submissions.{OTHER_DEPARTMENT}", place, COMPANY.encode(), b"junk", own)
    hub.run()
    hub.put(
        f"submissions.{DEPARTMENT}", place, COMPANY.encode(), framed(LICENCE, licence_row()), own
    )
    (record,) = hub.run()
    assert record.outcome is Outcome.ACCEPTED


def test_a_foreign_row_does_not_take_a_record_over(hub: HubTestDriver) -> None:
    """A quarantined row of a department without the authority leaves the owner the owner."""
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row(XK_NR="坏字\ufffd")))
    hub.run()
    foreign = rows.basis()
    foreign["site"]["departments"][OTHER_DEPARTMENT]["authorities"] = [rows.OTHER_AUTHORITY]
    hub.adopt(foreign)
    hub.pipe(OTHER_DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row()))
    hub.run()
    owners = {
        decode_state(value).department
        for key, value in hub.store.items()
        if key[2:3] == b"r" and decode_state(value).kind == LICENCE
    }
    assert DEPARTMENT in owners


class NamelessHeader:
    """A message whose header name is no UTF-8, as confluent-kafka 2.16 shows it."""

    def headers(self) -> list[tuple[str, bytes]]:
        """What the client's C code does with such a name."""
        raise SystemError("returned a result with an exception set")

    def topic(self) -> str:
        """Any."""
        return "t"

    def partition(self) -> int:
        """Any."""
        return 0

    offset = partition

    def key(self) -> bytes:
        """Any."""
        return b"k"

    value = key


def test_a_header_whose_name_is_no_text_leaves_a_message_without_headers() -> None:
    """It is quarantined for its missing headers; the reader does not die of it for ever."""
    record = _to_input(cast("Message", NamelessHeader()))
    assert (record.key, record.value, record.headers) == (b"k", b"k", ())


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_time_no_platform_can_mean_is_no_receipt(moment: str) -> None:
    """An unset clock would be refused by the registrar, or stop whoever writes it as a date."""
    expected = Expected("d", "r", 1, 1, "publish", "licence.granted.v1", "f")
    told: dict[str, object] = {
        "delivery": "d", "digest": "f", "receipt": "r", "stage": "published", "at": moment,
    }  # fmt: skip
    assert isinstance(read_receipt(told, expected), Unknown)


def test_half_a_character_from_a_platform_can_be_written_down() -> None:
    """JSON can say a lone surrogate; the courier must be able to write what it was told."""
    told = read_json(b'{"delivery":"d","stage":"refused","code":"\\ud800","message":"\\udfff"}')
    assert told is not None
    verdict = read_receipt(told, Expected("d", "r", 1, 1, "publish", "licence.granted.v1", "f"))
    assert isinstance(verdict, Refused)
    assert canonical_json([verdict.code, verdict.message])
    receipt = read_json(
        b'{"delivery":"d","digest":"f","stage":"published","receipt":"\\ud800",'
        b'"at":"2026-11-02T09:00:00+08:00"}'
    )
    assert receipt is not None
    accepted = read_receipt(receipt, Expected("d", "r", 1, 1, "publish", "licence.granted.v1", "f"))
    assert isinstance(accepted, Accepted)
    assert canonical_json(accepted.receipt)


def test_a_megabyte_in_a_cell_is_not_remembered() -> None:
    """Bounded in entries is not bounded in memory: thousands of such cells must leave nothing."""
    readers = (
        read_date, read_valid_to, read_amount, assess_credit_code, normalise_subject_name,
        lambda text: read_code(SERIOUSNESS.name, text),
        lambda text: partition_of(text.encode(), 4),
    )  # fmt: skip
    tracemalloc.start()
    for number in range(3):
        for read in readers:
            read(str(number) * 300_000)
    kept, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 300_000
