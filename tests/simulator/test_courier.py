"""Couriers, registrar and platforms in memory: whatever fails, the books agree in the end."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from typing import Any

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from hub.contracts import Fault, project
from hub.core.record import LedgerRecord, decode_record
from hub.engine import requests
from hub.targets.delivery import digest_of
from tests.driver import rows
from tests.driver.resends import ask_again
from tests.driver.rows import AUTHORITY, COMPANY, DEPARTMENT, LICENCE, OTHER_COMPANY, framed
from tests.simulator.courier_world import FATES, CourierWorld

DECIDED_ON = dt.date(2026, 11, 2)
COMPANIES = (COMPANY, OTHER_COMPANY)


def number_of(record: int) -> str:
    """Return the document number of one of the licences played with."""
    return f"舟市监许〔2026〕{record}号"


def submit(world: CourierWorld, what: str, record: int, content: int) -> None:
    """Submit, correct or withdraw one of a few licences; the registrar decides at once."""
    company = COMPANIES[record % 2]
    row = rows.licence_row(
        XK_XDR_SHXYM=company, XK_WSH=number_of(record), XK_NR=f"许可内容{content}"
    )
    kind, value = LICENCE, framed(LICENCE, row)
    if what == "correct":
        kind = "record.corrected.v1"
        value = framed(kind, {"subject_kind": LICENCE, "row": value, "reason": "更正"})
    elif what == "withdraw":
        kind = "record.withdrawn.v1"
        value = framed(
            kind,
            {
                "subject_kind": LICENCE, "document_number": number_of(record),
                "subject_name": row["XK_XDR_MC"], "credit_code": company,
                "authority_code": AUTHORITY, "reason": "许可被撤销",
            },
        )  # fmt: skip
    world.hub.pipe(DEPARTMENT, kind, company, value)
    world.hub.run()


def row_inside(record: LedgerRecord) -> bytes:
    """Return the framed licence an accepted or corrected submission carries, or a resend."""
    if record.row:
        return record.row
    decoded = rows.CONTRACTS.decode_framed(record.cause.value)
    assert not isinstance(decoded, Fault)
    contract, row = decoded
    inner = record.cause.value if contract.is_row else row["row"]
    assert isinstance(inner, bytes)
    return inner


def owed(world: CourierWorld, target: str) -> dict[str, tuple[int, str, str]]:
    """Return what the ledger says a target must show: record → version, stage, digest."""
    plan = world.couriers[target].plan
    shown: dict[str, tuple[int, str, str]] = {}
    for partition in range(world.hub.partitions):
        for raw in world.hub.raw_ledger(partition):
            record = decode_record(raw.value)
            if record.publish_targets >> plan.number & 1:
                decoded = rows.CONTRACTS.decode_framed(row_inside(record))
                assert not isinstance(decoded, Fault)
                contract, row = decoded
                canonical = contract.check(row, DECIDED_ON).canonical
                digest = digest_of(project(contract, canonical, plan.clearance))
                shown[record.record_key.hex()] = (record.version, "published", digest)
            elif record.withdraw_targets >> plan.number & 1:
                shown[record.record_key.hex()] = (record.version, "withdrawn", digest_of({}))
    return shown


def last_stages(told: list[dict[str, Any]]) -> dict[str, str]:
    """Return record → final stage of its newest version; an older one may end after it."""
    final = [one for one in told if one["stage"] in ("published", "withdrawn", "refused")]
    return {one["record"]: one["stage"] for one in sorted(final, key=lambda one: one["version"])}


def check(world: CourierWorld) -> None:
    """After everything has healed: books equal the ledger, each report was told once."""
    assert not world.problems
    for target, courier in world.couriers.items():
        assert courier.platform.live() == owed(world, target)
        assert courier.platform.refusals() == []
        topic = f"{world.hub.prefix}outcomes.{target}"
        told = [
            json.loads(record.value)
            for partition in range(world.hub.partitions)
            for record in world.log.logs[topic, partition]
        ]
        repeated = [one for one, count in Counter(t["outcome"] for t in told).items() if count > 1]
        assert not repeated
        final = last_stages(told)
        assert final == {record: stage for record, (_v, stage, _d) in owed(world, target).items()}


actions = st.one_of(
    st.tuples(
        st.sampled_from(["new", "correct", "withdraw"]), st.integers(1, 4), st.integers(0, 9)
    ),
    st.tuples(st.just("turns"), st.sampled_from(["province", "city"]), st.integers(1, 4)),
    st.tuples(st.just("fates"), st.lists(st.sampled_from(FATES), max_size=5), st.just(0)),
    st.tuples(
        st.sampled_from(["crash", "lose_disk", "refused", "unknown"]),
        st.sampled_from(["province", "city"]),
        st.integers(1, 3),
    ),
    st.tuples(
        st.sampled_from([requests.Commit, requests.WriteState, requests.Submit, requests.Poll]),
        st.sampled_from(["province", "city"]),
        st.integers(1, 3),
    ),
    st.tuples(
        st.just("resend"), st.sampled_from(["province", "city"]), st.sampled_from(["", "1", "2"])
    ),
    st.tuples(st.just("time"), st.sampled_from([0.3, 1.0, 5.0, 70.0]), st.just(0)),
)


def act(world: CourierWorld, action: tuple[Any, ...]) -> None:
    """Do one thing to the world."""
    match action:
        case ("new" | "correct" | "withdraw" as what, record, content):
            submit(world, what, record, content)
        case ("turns", target, count):
            world.couriers[target].turns(count)
        case ("fates", fates, _):
            world.fates.extend(fates)
        case ("crash" | "lose_disk" as what, target, _):
            world.couriers[target].crash(lose_disk=what == "lose_disk")
        case ("refused" | "unknown" as what, target, count):
            world.couriers[target].commit_fate = what
            world.couriers[target].turns(count)
        case ("resend", target, number):
            ask_again(world.hub, target, document=number and number_of(int(number)))
        case ("time", seconds, _):
            world.pass_time(seconds)
        case (kind, target, nth):
            world.couriers[target].crash_at(kind, nth)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(actions, max_size=30))
def test_whatever_fails_the_books_agree_with_the_ledger(steps: list[tuple[Any, ...]]) -> None:
    """Crashes, lost disks, torn commits and lying platforms cost time and nothing else."""
    live_through(CourierWorld(), steps)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(actions, max_size=30))
def test_rows_lost_and_late_in_a_front_end_database_agree_too(
    steps: list[tuple[Any, ...]],
) -> None:
    """COMMITs without an answer, rows that come late, a job that speaks by itself and twice."""
    live_through(CourierWorld(front_end=True), steps)


def live_through(world: CourierWorld, steps: list[tuple[Any, ...]]) -> None:
    """Let everything happen, then heal, then compare."""
    submit(world, "new", 1, 0)
    for step in steps:
        act(world, step)
    world.settle()
    check(world)
