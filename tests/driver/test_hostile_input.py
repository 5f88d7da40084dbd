"""Input that would stop a partition for ever, or tear what belongs together, must do neither."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest
from confluent_kafka import Message

from hub.adapters.kafka.client import _to_input
from hub.core.moves import MoveVerdict
from hub.core.record import LedgerRecord, Outcome
from hub.core.state import ClockFlag, ClockKind
from hub.domain.partitioning import partition_of
from hub.engine import slot
from hub.engine.events import Decided, DecidedCount
from hub.engine.slot import LEDGER_LIMIT
from hub.runtime.metrics import OTHER, Health, Metrics
from hub.workers.registrar import RegistrarWatch
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import (
    AUTHORITY,
    COMPANY,
    DEPARTMENT,
    LICENCE,
    OTHER_COMPANY,
    PENALTY,
    at,
    framed,
    licence_row,
    penalty_row,
)

DAY = 86_400_000
MOVE_ID = "ab" * 16


@pytest.fixture
def hub() -> HubTestDriver:
    """A hub on the morning of Monday 2026-11-02."""
    return HubTestDriver(rows.basis(), now=at("2026-11-02 09:00"))


def codes(record: LedgerRecord) -> set[str]:
    """The reason codes of a ledger record."""
    return {reason.code for reason in record.reasons}


def moved_out(move_id: str = MOVE_ID) -> bytes:
    """The sample licence leaves its credit code."""
    return framed(
        "record.moved_out.v1",
        {
            "move_id": move_id, "subject_kind": LICENCE, "document_number": "舟市监许〔2026〕1号",
            "subject_name": "舟山示例贸易有限公司", "credit_code": COMPANY,
            "authority_code": AUTHORITY, "new_credit_code": OTHER_COMPANY, "reason": "代码录入错误",
        },
    )  # fmt: skip


def moved_in(move_id: str = MOVE_ID, **changes: str) -> bytes:
    """The sample licence arrives under another credit code."""
    row = licence_row(XK_XDR_SHXYM=OTHER_COMPANY) | changes
    return framed(
        "record.moved_in.v1",
        {
            "move_id": move_id, "subject_kind": LICENCE, "reason": "代码录入错误",
            "row": framed(LICENCE, row), "previous_credit_code": COMPANY,
        },
    )  # fmt: skip


def note(hub: HubTestDriver, verdict: str) -> None:
    """The old identity's partition tells the new one what became of the move."""
    content = {
        "heard": "", "left": "00" * 16, "left_as": LICENCE, "met": "0", "move_id": MOVE_ID,
        "made_by": MOVE_ID, "origin": COMPANY.encode().hex(), "owner": DEPARTMENT,
        "to": "00" * 16, "verdict": verdict,
    }  # fmt: skip
    hub.put(
        "control", partition_of(OTHER_COMPANY.encode(), 2), OTHER_COMPANY.encode(),
        json.dumps(content).encode(), (("ce_type", b"move.noted.v1"),),
    )  # fmt: skip


@pytest.mark.parametrize("again", [False, True])
def test_a_row_held_and_released_in_one_batch_is_shown(hub: HubTestDriver, *, again: bool) -> None:
    """The verdict may be read in the very batch that holds the row; said twice, it counts once."""
    hub.pipe(DEPARTMENT, "record.moved_in.v1", OTHER_COMPANY, moved_in())
    note(hub, "o")
    if again:
        note(hub, "o")
    hub._positions = dict(sorted(hub._positions.items(), reverse=True))  # submissions first
    written = hub.run()
    assert [r.publish_targets for r in written if r.outcome is Outcome.HELD_RELEASED] == [0b11]
    stored = hub.store[partition_of(OTHER_COMPANY.encode(), 2).to_bytes(2) + b"m" + b"\xab" * 16]
    assert MoveVerdict.unpack(stored).has_left


def test_a_departure_sent_again_for_the_same_identity_still_tells_its_verdict(
    hub: HubTestDriver,
) -> None:
    """The second departure is a duplicate; the row that waits for it is released all the same."""
    second = "cd" * 16
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row()))
    hub.pipe(DEPARTMENT, "record.moved_out.v1", COMPANY, moved_out())
    hub.run()
    hub.pipe(DEPARTMENT, "record.moved_in.v1", OTHER_COMPANY, moved_in(second))
    hub.run()
    hub.pipe(DEPARTMENT, "record.moved_out.v1", COMPANY, moved_out(second))
    written = hub.run()
    assert [codes(r) for r in written if r.outcome is Outcome.DUPLICATE] == [{"ALREADY_MOVED"}]
    assert [r.outcome for r in written if r.publish_targets] == [Outcome.HELD_RELEASED]


def test_garbage_on_control_before_the_first_basis_is_written_down_and_passed() -> None:
    """A partition without a basis must not die of a message that is none."""
    hub = HubTestDriver(rows.basis(), now=at("2026-11-02 09:00"))
    control = [hub.log.logs["test.control", p].copy() for p in range(2)]
    hub.log.logs.clear()
    hub.store.clear()
    hub.put("control", 0, b"", b"garbage", (("ce_type", b"basis.adopted.v1"),))
    hub.put("control", 1, b"", b"[]", (("ce_type", b"move.noted.v1"),))
    for partition, records in enumerate(control):
        hub.put("control", partition, b"", records[0].value, records[0].headers)
    hub.crash(lose_disk=True)
    hub.run()
    found = [r.outcome for r in hub.ledger() if r.outcome is not Outcome.SWEEP_ENDED]
    assert found == [Outcome.CONTROL_REFUSED, Outcome.BASIS_ADOPTED] * 2


@pytest.mark.parametrize(
    "change",
    [
        {"version": 1 << 40},
        {"version": -1},
        {"at": float("inf")},
        {"platform_at": 1 << 80},
        {"record": "ab"},
        {"stage": "nowhere"},
    ],
)
def test_an_outcome_nobody_can_read_is_refused_by_name(
    hub: HubTestDriver, change: dict[str, Any]
) -> None:
    """Numbers that do not fit the ledger's fields are the sender's fault, not a crash."""
    content = {
        "outcome": "00", "delivery": "00", "record": "00" * 16, "version": 1,
        "action": "publish", "stage": "sent", "receipt": "", "code": "", "message": "",
        "platform_at": None, "at": 0,
    } | change  # fmt: skip
    hub.put("outcomes.city", 0, b"", json.dumps(content).encode())
    (refused,) = hub.run()
    assert refused.outcome is Outcome.CONTROL_REFUSED
    assert codes(refused) == {"PAYLOAD_UNREADABLE"}


NOTED = {
    "heard": "", "left": "00" * 16, "left_as": LICENCE, "met": "0", "move_id": MOVE_ID,
    "made_by": "ab" * 16, "origin": "", "owner": "x", "to": "00" * 16, "verdict": "o",
}  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        "{", "[" * 100_000,
        json.dumps(NOTED | {"move_id": "abab"}),
        json.dumps(NOTED | {"owner": "\ud800"}),
        json.dumps(NOTED | {"left_as": "\ud800"}),
        json.dumps(NOTED | {"left": "ab"}),
        json.dumps(NOTED | {"to": "ab"}),
        json.dumps(NOTED | {"origin": "\ud800"}),
        json.dumps(NOTED | {"made_by": "ab"}),
        json.dumps(NOTED | {"met": "-1"}),
        json.dumps(NOTED | {"heard": "ab"}),
        json.dumps(NOTED | {"heard": "ab" * 17}),
    ],
)  # fmt: skip
def test_a_note_of_a_move_nobody_can_read_is_refused_by_name(
    hub: HubTestDriver, content: str
) -> None:
    """Broken, bottomless, a move id of another length, half a letter, no set of targets."""
    hub.put("control", 0, b"", content.encode(), (("ce_type", b"move.noted.v1"),))
    (refused,) = hub.run()
    assert codes(refused) == {"PAYLOAD_UNREADABLE"}


@pytest.mark.parametrize("record", ["ab", "zz" * 16])
def test_word_of_an_arrival_nobody_can_read_is_refused_by_name(
    hub: HubTestDriver, record: str
) -> None:
    """A record key of another length, or no hexadecimal digits."""
    content = json.dumps({"move_id": MOVE_ID, "record": record})
    hub.put("control", 0, b"", content.encode(), (("ce_type", b"move.arrived.v1"),))
    (refused,) = hub.run()
    assert codes(refused) == {"PAYLOAD_UNREADABLE"}


def test_what_leaves_a_key_that_is_no_text_is_away_all_the_same(hub: HubTestDriver) -> None:
    """Word of its arrival goes back to any key there may be."""
    bad = {"XK_XDR_SHXYM": "91330900MA00000157"}
    out = {
        "subject_kind": LICENCE, "document_number": licence_row()["XK_WSH"],
        "subject_name": licence_row()["XK_XDR_MC"], "credit_code": bad["XK_XDR_SHXYM"],
        "authority_code": AUTHORITY, "reason": "代码录入错误", "move_id": MOVE_ID,
        "new_credit_code": OTHER_COMPANY,
    }  # fmt: skip
    key = b"?\xff"
    for n, (kind, row) in enumerate(((LICENCE, licence_row() | bad), ("record.moved_out.v1", out))):
        headers = (("ce_type", kind.encode()), ("ce_source", b"x/y"), ("ce_id", b"%d" % n))
        place = partition_of(key, hub.partitions)
        hub.put(f"submissions.{DEPARTMENT}", place, key, framed(kind, row), headers)
    answers = [r.outcome for r in hub.run() if r.cause.kind == "S"]
    assert answers == [Outcome.QUARANTINED, Outcome.WITHDRAWN]


@pytest.mark.parametrize("kind", [b"k" * 64, b"\xff" * 200, b"licence.granted.v1\xff"])
def test_a_kind_of_any_length_is_stored_and_read_back(hub: HubTestDriver, kind: bytes) -> None:
    """The name of an unknown kind becomes part of a record's state; the fold must find its end."""
    headers = (("ce_type", kind), ("ce_source", b"x/y"), ("ce_id", b"1"))
    hub.put(f"submissions.{DEPARTMENT}", 0, b"k", framed(LICENCE, licence_row()), headers)
    (record,) = hub.run()
    assert record.outcome is Outcome.QUARANTINED
    before = dict(hub.store)
    hub.crash(lose_disk=True)
    hub.run()
    assert hub.store == before


def test_a_source_version_of_any_length_is_no_crash(hub: HubTestDriver) -> None:
    """Python refuses to read numbers of more than 4300 digits."""
    headers = (
        ("ce_type", LICENCE.encode()), ("ce_source", b"x/y"), ("ce_id", b"1"),
        ("hub_source_version", b"9" * 5000),
    )  # fmt: skip
    place = partition_of(COMPANY.encode(), 2)
    hub.put(
        f"submissions.{DEPARTMENT}", place, COMPANY.encode(), framed(LICENCE, licence_row()),
        headers,
    )  # fmt: skip
    (record,) = hub.run()
    assert record.outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(
    ("key", "headers"),
    [
        (b"k" * 3_000_000, ()),
        (b"k", (("x", b"v" * 3_000_000),)),
        (b"k", (("x" * 3_000_000, b""),)),
        (b"k", (("x", b"v"),) * 300_000),
    ],
)
def test_an_outsized_key_or_header_fits_into_the_ledger(
    hub: HubTestDriver, key: bytes, headers: tuple[tuple[str, bytes], ...]
) -> None:
    """A compressed batch slips past the broker's limit; the ledger's record must not exceed it."""
    own = (("ce_type", LICENCE.encode()), ("ce_source", b"x/y"), ("ce_id", b"1"))
    hub.put(f"submissions.{DEPARTMENT}", 0, key, framed(LICENCE, licence_row()), own + headers)
    (record,) = hub.run()
    assert "RECORD_TOO_LARGE" in codes(record)
    assert dict(record.cause.headers)["ce_id"] == b"1"
    assert len(hub.raw_ledger(0)[-1].value) < LEDGER_LIMIT


def test_a_held_row_is_not_stored_twice_beyond_the_limit(hub: HubTestDriver) -> None:
    """A held row is in its record twice: as the cause, and as what will be published."""
    hub.pipe(
        DEPARTMENT, "record.moved_in.v1", OTHER_COMPANY, moved_in(XK_NR="食" * 200_000)
    )  # fmt: skip
    (record,) = hub.run()
    assert "RECORD_TOO_LARGE" in codes(record)
    place = partition_of(OTHER_COMPANY.encode(), 2)
    assert len(hub.raw_ledger(place)[-1].value) < LEDGER_LIMIT


def test_a_header_without_a_value_is_an_empty_one() -> None:
    """Kafka allows null header values; the hub's records do not."""

    class Null:
        """A message with a null header."""

        def topic(self) -> str:
            return "t"

        def partition(self) -> int:
            return 0

        offset = partition

        def headers(self) -> list[tuple[str, None]]:
            return [("ce_id", None)]

        def key(self) -> None:
            return None

        value = key

    record = _to_input(cast("Message", Null()))
    assert record.headers == (("ce_id", b""),)


# --- what a change of basis meets ---


def with_notice(document: dict[str, Any]) -> dict[str, Any]:
    """The same basis with a holiday notice for 2027."""
    days = [{"name": "元旦", "date": f"2027-01-0{n}", "isOffDay": True} for n in (1, 2, 3, 4, 5)]
    document["calendar"]["notices"].append({"year": 2027, "papers": ["test"], "days": days})
    document["calendar"]["version"] = "with-2027"
    return document


def test_a_provisional_correction_is_counted_again_by_its_own_rule() -> None:
    """Three working days for a correction stay three when the notice is loaded."""
    hub = HubTestDriver(rows.basis(), now=at("2026-12-24 09:00"))
    row = licence_row(XK_JDRQ="2026-12-24", XK_YXQZ="2026-12-24")
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, row))
    (first,) = hub.run()
    content = {
        "outcome": "00", "delivery": "00", "record": first.record_key.hex(), "version": 1,
        "action": "publish", "stage": "published", "receipt": "", "code": "", "message": "",
        "platform_at": hub.now, "at": hub.now,
    }  # fmt: skip
    place = partition_of(COMPANY.encode(), 2)
    hub.put("outcomes.city", place, COMPANY.encode(), json.dumps(content).encode())
    hub.advance(5 * DAY)
    correction = {
        "subject_kind": LICENCE, "row": framed(LICENCE, row | {"XK_NR": "食品销售"}),
        "reason": "录入错误",
    }  # fmt: skip
    hub.pipe(DEPARTMENT, "record.corrected.v1", COMPANY, framed("record.corrected.v1", correction))
    hub.run()
    hub.adopt(with_notice(rows.basis()))
    state = [r.state for r in hub.ledger(place) if r.state is not None][-1]
    (clock,) = [c for c in state.clocks if c.flags & ClockFlag.CORRECTION]
    assert clock.due_at == at("2027-01-07 00:00")  # 30 and 31 December, then 6 January


def test_the_deadline_of_a_target_that_was_removed_stays_as_it_was() -> None:
    """A timer and a sweep meet a target that the site does not have any more.

    What it owed was a withdrawal: that is owed still, by the day that was counted last.
    """
    hub = HubTestDriver(rows.basis(), now=at("2026-12-28 09:00"))
    row = licence_row(XK_JDRQ="2026-12-28", XK_YXQZ="2026-12-28")
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, row))
    gone = {
        "subject_kind": LICENCE, "document_number": row["XK_WSH"], "credit_code": COMPANY,
        "subject_name": row["XK_XDR_MC"], "authority_code": AUTHORITY, "reason": "撤销",
    }  # fmt: skip
    hub.pipe(DEPARTMENT, "record.withdrawn.v1", COMPANY, framed("record.withdrawn.v1", gone))
    hub.run()
    fewer = with_notice(rows.basis())
    fewer["site"]["targets"].pop()
    hub.adopt(fewer)
    rang = {
        (e.target, e.clock): r.decided_at
        for _day in range(30)
        for r in hub.advance(DAY)
        for e in r.events
        if e.event == "overdue"
    }
    # without the notice 1 January alone is free: 29 to 31 December; the next is asked for a day
    assert rang == {
        (0, "W"): at("2027-01-01 09:00"), (1, "W"): at("2027-01-01 09:00"),
    }  # fmt: skip


def test_a_sweep_passes_over_what_it_has_nothing_to_say_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whole stretches may be unchanged under the new basis; the sweep must still reach its end."""
    monkeypatch.setattr(slot, "SWEEP_STEP", 3)
    hub = HubTestDriver(rows.basis(), now=at("2026-12-28 09:00"))
    for number in range(10):
        row = licence_row(XK_JDRQ="2026-12-28", XK_WSH=f"舟市监许〔2026〕{number}号")
        hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, row | {"XK_YXQZ": "2026-12-28"}))
    hub.run()
    other = rows.basis()
    other["calendar"]["version"] = "another"
    hub.adopt(other)
    ends = [r for r in hub.ledger() if r.outcome is Outcome.SWEEP_ENDED]
    assert len(ends) == 2  # in two partitions
    assert [r for r in hub.ledger() if r.outcome is Outcome.RECOUNTED] == []
    rights = {**other, "site": json.loads(json.dumps(other["site"]))}
    rights["site"]["departments"][DEPARTMENT]["may_act_on"] = [rows.OTHER_DEPARTMENT]
    hub.adopt(rights)  # other rights count no deadline anew
    assert len([r for r in hub.ledger() if r.outcome is Outcome.SWEEP_ENDED]) == 2


# --- withdrawals that are still owed ---


def test_a_faulty_row_does_not_end_a_withdrawal_that_is_still_owed(hub: HubTestDriver) -> None:
    """What arrives after a withdrawal must not stop its clock, nor hide the platform's answer."""
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row()))
    hub.run()
    gone = {
        "subject_kind": LICENCE, "document_number": "舟市监许〔2026〕1号",
        "subject_name": "舟山示例贸易有限公司", "credit_code": COMPANY,
        "authority_code": AUTHORITY, "reason": "决定被撤销",
    }  # fmt: skip
    hub.pipe(DEPARTMENT, "record.withdrawn.v1", COMPANY, framed("record.withdrawn.v1", gone))
    (withdrawn,) = hub.run()
    hub.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, licence_row(XK_NR="")))
    (faulty,) = hub.run()
    assert (faulty.outcome, faulty.state) == (Outcome.QUARANTINED, None)
    content = {
        "outcome": "00", "delivery": "00", "record": withdrawn.record_key.hex(), "version": 2,
        "action": "withdraw", "stage": "withdrawn", "receipt": "", "code": "", "message": "",
        "platform_at": hub.now, "at": hub.now,
    }  # fmt: skip
    hub.put("outcomes.city", partition_of(COMPANY.encode(), 2), COMPANY.encode(),
            json.dumps(content).encode())  # fmt: skip
    (noted,) = hub.run()
    assert [(e.target, e.event) for e in noted.events] == [(1, "stopped_in_time")]


def test_a_new_version_for_fewer_targets_leaves_the_other_withdrawals_running(
    hub: HubTestDriver,
) -> None:
    """A penalty is restored as minor: the city still owes the old version's withdrawal."""
    hub.pipe(DEPARTMENT, PENALTY, COMPANY, framed(PENALTY, penalty_row()))
    hub.run()
    gone = {
        "subject_kind": PENALTY, "document_number": "舟市监罚〔2026〕1号",
        "subject_name": "舟山示例贸易有限公司", "credit_code": COMPANY,
        "authority_code": AUTHORITY, "reason": "决定被撤销",
    }  # fmt: skip
    hub.pipe(DEPARTMENT, "record.withdrawn.v1", COMPANY, framed("record.withdrawn.v1", gone))
    again = framed(PENALTY, penalty_row(CF_YZCD="轻微", CF_GSJZQ="2027-01-01"))
    restored = {
        "subject_kind": PENALTY, "row": again, "reason": "复核后恢复", "decided_by": "示例局",
    }  # fmt: skip
    hub.pipe(DEPARTMENT, "record.restored.v1", COMPANY, framed("record.restored.v1", restored))
    last = hub.run()[-1]
    assert (last.outcome, last.publish_targets) == (Outcome.ACCEPTED, 0b01)
    assert last.state is not None
    owed = {c.target for c in last.state.clocks if c.kind is ClockKind.WITHDRAW}
    assert owed == {1}


def test_a_basis_is_adopted_once(hub: HubTestDriver) -> None:
    """The other inputs are read from the moment of adoption; control is not read again."""
    causes = [(r.cause.topic, r.cause.offset) for r in hub.ledger(0)]
    assert len(set(causes)) == len(causes)


@pytest.mark.parametrize(
    ("said", "answered"),
    [("330909198001010019", "ROW_UNREADABLE"), ("CELL_UNREADABLE", "CELL_UNREADABLE")],
)
def test_a_senders_own_words_are_no_reason_code(
    hub: HubTestDriver, said: str, answered: str
) -> None:
    """Codes travel into receipts, result files and look-ups: no place for what was sent."""
    content = {
        "subject_kind": LICENCE, "cause": "unreadable", "reason_code": said, "position": "1",
        "file_fingerprint": "0" * 16, "sealed": b"sealed",
    }  # fmt: skip
    kind = "row.unreadable.v1"
    hub.pipe(DEPARTMENT, kind, f"?{DEPARTMENT}", framed(kind, content))
    (record,) = hub.run()
    assert codes(record) == {answered}


def test_a_kind_of_any_spelling_is_counted() -> None:
    """What a sender calls its kind is text: it stops neither the partition nor the counting."""
    metrics = Metrics()
    watch = RegistrarWatch(metrics, Health("registrar.0", DAY))
    watch.report(Decided({DecidedCount(Outcome.QUARANTINED, DEPARTMENT, "a|b"): 2}))
    sample = {"department": DEPARTMENT, "kind": OTHER, "outcome": "quarantined"}
    assert metrics.registry.get_sample_value("hub_outcomes_total", sample) == 2.0
