"""Whatever comes in, in whatever order, and whenever the process dies: what must always hold."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from hub.audit.history import Histories, read_partition
from hub.audit.replay import MemoryState, Replayer
from hub.core import keys
from hub.core.record import LedgerRecord, Outcome
from hub.core.state import (
    NEVER,
    ClockKind,
    RecordFlag,
    RecordState,
    Stage,
    StageCode,
    Status,
    decode_state,
)
from hub.core.waiting import is_nothing, unpack_kept
from hub.domain.partitioning import partition_of
from hub.views.entry import EntryReader
from hub.views.open_cases import OpenCases
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.resends import request, showing, with_archive
from tests.driver.rows import (
    CONTRACTS,
    DEPARTMENT,
    LICENCE,
    OTHER_DEPARTMENT,
    PENALTY,
    at,
    framed,
    licence_row,
    penalty_row,
)
from tests.replay.scenario import (
    PREFIX,
    MemoryInputs,
    company,
    topics_of,
    with_notice_for_2027,
)
from tests.replay.tampering import finder, verify

HOUR = 3_600_000
READER = EntryReader(CONTRACTS, PREFIX, {"province": 0, "city": 1, "archive": 2})
COMPANIES = [company(n) for n in range(3)]
PUBLISHING = {
    Outcome.ACCEPTED, Outcome.CORRECTED, Outcome.HELD_RELEASED, Outcome.HELD_ENDED,
    Outcome.RESENT, Outcome.REPROJECTED,
}  # fmt: skip
STEPS = {
    Outcome.RESENT: {0}, Outcome.REPROJECTED: {0, 1},
    Outcome.HELD_RELEASED: {0, 1}, Outcome.HELD_ENDED: {0},
}  # fmt: skip
"""By how much what is named may raise the version: a row that waited unshown is named last."""
GONE = {Status.WITHDRAWN, Status.MOVED}
ACTIONS = {"P": "publish", "W": "withdraw"}


def _bases() -> list[dict[str, Any]]:
    """As it is, with a notice, other rights, one target more, the city retired, and left out."""
    rights = rows.basis()
    rights["site"]["departments"][OTHER_DEPARTMENT]["may_act_on"] = [DEPARTMENT]
    fewer = with_notice_for_2027()
    fewer["site"]["targets"].pop()
    retired = showing(1, [])
    return [rows.basis(), with_notice_for_2027(), rights, fewer, with_archive(), retired]


BASES = _bases()


@st.composite
def some_rows(draw: st.DrawFn) -> dict[str, str]:
    """A row out of a small pool: identities collide, spellings and contents differ."""
    code = draw(st.sampled_from(COMPANIES))
    document = draw(st.sampled_from(["舟示〔2026〕1号", "舟示[2026] 1号", "舟示〔2026〕2号"]))
    day = draw(st.sampled_from(["2026-12-21"] * 4 + ["2026/12/21", "2026-11-02", "昨天", ""]))
    content = draw(st.sampled_from(["甲", "甲", "甲", "乙", "乙", ""]))
    if draw(st.booleans()):
        return licence_row(
            XK_XDR_SHXYM=code, XK_WSH=document, XK_JDRQ=day, XK_NR=content, XK_YXQZ="2026-12-21"
        )
    ends = draw(st.sampled_from(["2026-12-31", "2027-11-01"]))
    grave = draw(st.sampled_from(["", "", "轻微", "一般"]))
    return penalty_row(
        CF_XDR_SHXYM=code, CF_WSH=document, CF_JDRQ=day, CF_NR=content, CF_GSJZQ=ends,
        CF_YZCD=grave,
    )  # fmt: skip


def kind_of(row: dict[str, str]) -> str:
    """The kind of a row."""
    return LICENCE if "XK_WSH" in row else PENALTY


def code_of(row: dict[str, str]) -> str:
    """The credit code of a row."""
    return row["XK_XDR_SHXYM"] if "XK_WSH" in row else row["CF_XDR_SHXYM"]


def reference_to(row: dict[str, str]) -> dict[str, str]:
    """The fields by which a withdrawal or departure names a row."""
    head = "XK" if "XK_WSH" in row else "CF"
    return {
        "subject_kind": kind_of(row), "document_number": row[f"{head}_WSH"],
        "subject_name": row[f"{head}_XDR_MC"], "credit_code": code_of(row),
        "authority_code": rows.AUTHORITY, "reason": "依申请",
    }  # fmt: skip


departments = st.sampled_from([DEPARTMENT, DEPARTMENT, DEPARTMENT, OTHER_DEPARTMENT])
versions = st.sampled_from([None, None, None, None, None, 1, 2, 3])


class AnyHistory(RuleBasedStateMachine):
    """Random departments, platforms, clocks and crashes around one registrar."""

    @initialize()
    def begin(self) -> None:
        """The week before the turn of the year: deadlines are provisional."""
        self.hub = HubTestDriver(BASES[0], prefix=PREFIX, now=at("2026-12-21 09:00"))
        self.sent: list[tuple[str, str, str, int]] = []

    def pipe(self, department: str, kind: str, key: str, value: bytes, **more: Any) -> None:  # noqa: ANN401 - as `HubTestDriver.pipe`
        """Submit, and remember the number for repeats."""
        self.hub.pipe(department, kind, key, value, **more)
        number = self.hub._sequences[f"{department}/test"]
        self.sent.append((department, kind, key, number))

    @rule(row=some_rows(), department=departments, version=versions, valid=st.booleans())
    def submit(
        self, row: dict[str, str], department: str, version: int | None, *, valid: bool
    ) -> None:
        """A row as it stands, of which its source may say that it is valid."""
        value = framed(kind_of(row), row)
        self.pipe(
            department, kind_of(row), code_of(row), value, source_version=version,
            is_stated_valid=valid,
        )  # fmt: skip

    @rule(row=some_rows(), department=departments, version=versions)
    def restore(self, row: dict[str, str], department: str, version: int | None) -> None:
        """A declared restoration."""
        content = {
            "subject_kind": kind_of(row), "row": framed(kind_of(row), row), "reason": "误撤",
            "decided_by": "示例局",
        }  # fmt: skip
        value = framed("record.restored.v1", content)
        self.pipe(department, "record.restored.v1", code_of(row), value, source_version=version)

    @rule(row=some_rows(), department=departments, version=versions)
    def correct(self, row: dict[str, str], department: str, version: int | None) -> None:
        """A declared correction."""
        content = {"subject_kind": kind_of(row), "row": framed(kind_of(row), row), "reason": "误"}
        value = framed("record.corrected.v1", content)
        key = code_of(row)
        self.pipe(department, "record.corrected.v1", key, value, source_version=version)

    @rule(row=some_rows(), department=departments)
    def withdraw(self, row: dict[str, str], department: str) -> None:
        """A withdrawal."""
        value = framed("record.withdrawn.v1", reference_to(row))
        self.pipe(department, "record.withdrawn.v1", code_of(row), value)

    @rule(
        row=some_rows(), to=st.sampled_from(COMPANIES), move=st.integers(1, 3),
        halves=st.sampled_from(["oi", "io", "o", "i"]), stop=st.booleans(),
    )  # fmt: skip
    def move(self, row: dict[str, str], to: str, move: int, halves: str, *, stop: bool) -> None:
        """A move to another code, whole or half, together or apart."""
        move_id = f"{move:032x}"
        field = "XK_XDR_SHXYM" if "XK_WSH" in row else "CF_XDR_SHXYM"
        for half in halves:
            if half == "o":
                content: dict[str, Any] = reference_to(row) | {"new_credit_code": to}
                kind, key = "record.moved_out.v1", code_of(row)
            else:
                inner = framed(kind_of(row), row | {field: to})
                content = {"subject_kind": kind_of(row), "row": inner, "reason": "误"}
                kind, key = "record.moved_in.v1", to
            self.pipe(DEPARTMENT, kind, key, framed(kind, content | {"move_id": move_id}))
            if stop:
                self.hub.run()

    @rule(
        value=st.binary(max_size=40),
        kind=st.sampled_from([LICENCE, "x" * 70, "record.moved_in.v1", "record.restored.v1"]),
        partition=st.integers(0, 1),
    )
    def garbage(self, value: bytes, kind: str, partition: int) -> None:
        """What no contract reads, on any partition."""
        self.pipe(DEPARTMENT, kind, COMPANIES[0], value, partition=partition)

    @rule(
        topic=st.sampled_from(["control", "outcomes.city", f"submissions.{DEPARTMENT}"]),
        value=st.sampled_from([b"", b"{}", b"[1]", b'{"move_id": "00", "met": -1}', b"\xff"]),
        kind=st.sampled_from([b"move.noted.v1", b"basis.adopted.v1", b""]),
        partition=st.integers(0, 1),
    )
    def nonsense(self, topic: str, value: bytes, kind: bytes, partition: int) -> None:
        """What nobody should have been able to write to a topic."""
        self.hub.put(topic, partition, b"k", value, (("ce_type", kind),))

    @rule(data=st.data(), row=some_rows())
    def repeat(self, data: st.DataObject, row: dict[str, str]) -> None:
        """A number that was used before, under the same key, perhaps with another content."""
        if not self.sent:
            return
        department, kind, key, number = data.draw(st.sampled_from(self.sent))
        self.hub.pipe(department, kind, key, framed(kind_of(row), row), sequence=number)
        self.hub._sequences[f"{department}/test"] -= 1

    @rule(
        data=st.data(), platform=st.sampled_from(["province", "city"]),
        stage=st.sampled_from(
            ["sent", "acknowledged", "published", "refused", "withdrawn", "parked"]
        ),
        late=st.integers(-40, 40),
    )  # fmt: skip
    def answer(self, data: st.DataObject, platform: str, stage: str, late: int) -> None:
        """A platform says something of a version that was named for somebody."""
        named = [r for r in self.hub.ledger() if r.publish_targets | r.withdraw_targets]
        if not named:
            return
        record: LedgerRecord = data.draw(st.sampled_from(named))
        goes_down = stage in ("refused", "parked") and not record.publish_targets
        content = {
            "outcome": "00", "delivery": "00", "record": record.record_key.hex(),
            "version": record.version,
            "action": "withdraw" if stage == "withdrawn" or goes_down else "publish",
            "stage": stage,
            "receipt": "", "code": "", "message": "",
            "platform_at": max(0, self.hub.now + late * HOUR), "at": self.hub.now,
        }  # fmt: skip
        key = record.cause.key
        self.hub.put(
            f"outcomes.{platform}", partition_of(key, 2), key, json.dumps(content).encode()
        )

    @rule(hours=st.sampled_from([1, 24, 24 * 5, 24 * 30]))
    def advance(self, hours: int) -> None:
        """Business time passes; a machine that was off for a month is confirmed by a person."""
        self.hub.clock_confirmed = self.hub.now + hours * HOUR
        self.hub.advance(hours * HOUR)

    @rule()
    def run_on(self) -> None:
        """The registrar catches up."""
        self.hub.run()

    @rule(requests=st.integers(0, 60), lose_disk=st.booleans())
    def crash(self, requests: int, *, lose_disk: bool) -> None:
        """It dies between two requests, perhaps between commit and state, perhaps with its disk."""
        self.hub.work(requests)
        self.hub.clock_confirmed = self.hub.now  # how long nobody wrote is not the question here
        self.hub.crash(lose_disk=lose_disk)

    @rule(number=st.integers(0, len(BASES) - 1))
    def adopt(self, number: int) -> None:
        """Another basis."""
        self.hub.adopt(BASES[number])

    @rule(
        name=st.sampled_from(["province", "city", "archive"]),
        document=st.sampled_from(["", "", "舟示(2026)1号"]),
        begin=st.sampled_from(["", "", "2026-12-01"]),
    )
    def ask_again(self, name: str, document: str, begin: str) -> None:
        """Somebody asks for a target to be told again, also one the site does not have."""
        request(self.hub, name, document=document, begin=begin)

    def teardown(self) -> None:
        """All is decided; now everything must hold."""
        if not hasattr(self, "hub"):
            return
        self.hub.run()
        assert self.hub.restarts == []
        report = verify(self.hub)
        assert [f.text() for f in report.differences.kept] == []
        assert report.waiting == 0
        self._replay_equals_ledger_and_state()
        for partition in range(2):
            self._indexes_follow_the_states(partition)
            self._cases_follow_the_states(partition)
            self._what_is_named_may_be_named(self.hub.ledger(partition))
            self._what_is_live_is_shown_as_the_basis_says(partition)

    def _replay_equals_ledger_and_state(self) -> None:
        replayer = Replayer(PREFIX)
        inputs = MemoryInputs(self.hub.log)
        for partition in range(2):
            state = MemoryState()
            find = finder(Histories(inputs, partition, topics_of(self.hub)))
            ledger = read_partition(inputs, PREFIX + "ledger", partition)
            replayer.partition(partition, ledger, state, find)
            head = partition.to_bytes(2)
            stored = {k[2:]: v for k, v in self.hub.store.items() if k[:2] == head}
            stored.pop(keys.HEAD)
            assert state.values == stored
        assert [f.text() for f in replayer.report().differences.kept] == []

    def _indexes_follow_the_states(self, partition: int) -> None:
        head = partition.to_bytes(2)
        stored = {k[2:]: v for k, v in self.hub.store.items() if k[:2] == head}
        states = {k[1:]: decode_state(v) for k, v in stored.items() if k[:1] == b"r"}
        timers = {(s.timer_at, key) for key, s in states.items() if s.timer_at != NEVER}
        assert {(int.from_bytes(k[1:9]), k[9:]) for k in stored if k[:1] == b"t"} == timers
        assert all(due > self.hub.now for due, _key in timers)
        waits = {key + w.sequence.to_bytes(8): w for key, s in states.items() for w in s.waiting}
        kept = {k[1:]: v for k, v in stored.items() if k[:1] == b"h"}
        assert kept.keys() == waits.keys()
        counts = Counter(unpack_kept(value).department for value in kept.values())
        assert {k[1:].decode(): int.from_bytes(v) for k, v in stored.items() if k[:1] == b"n"} == {
            department: counts[department]
            for department in (k[1:].decode() for k in stored if k[:1] == b"n")
        }
        assert counts.keys() <= {k[1:].decode() for k in stored if k[:1] == b"n"}
        for state in states.values():
            assert bool(state.flags & RecordFlag.WAITING) == bool(state.waiting)
            assert not state.flags & RecordFlag.UNSHOWN
            assert bool(state.flags & RecordFlag.PROVISIONAL) == state.has_provisional_clock()
            assert state.timer_at == min((c.next_mark() for c in state.clocks), default=NEVER)
            assert {w.until for w in state.waiting} == {
                c.due_at for c in state.clocks if c.kind is ClockKind.WAIT
            }
            assert_withdrawals_are_timed(state)

    def _cases_follow_the_states(self, partition: int) -> None:
        """What is open by the fold of the ledger is what the states say that is open."""
        folded = OpenCases()
        for record in self.hub.ledger(partition):
            folded.note(partition, record, READER.stages(partition, record))
        cases = [case for case in folded.changed.values() if case.ended is None]
        states: dict[bytes, RecordState] = {}
        for record in self.hub.ledger(partition):
            if record.state is not None:
                states[record.record_key] = record.state
        assert {(c.record_key, c.opened) for c in cases if c.case_kind == "waiting"} == {
            (key, waiting.sequence) for key, state in states.items() for waiting in state.waiting
        }
        assert sorted(
            (c.record_key, c.target, c.version, c.action)
            for c in cases
            if c.case_kind in ("publication_refused", "withdrawal_refused")
        ) == sorted(
            (key, stage.target, stage.version, ACTIONS[stage.action])
            for key, state in states.items()
            for stage in state.stages
            if stage.stage is StageCode.REFUSED
        )
        assert sorted(c.record_key for c in cases if c.case_kind == "conflicting") == sorted(
            key
            for key, state in states.items()
            if state.flags & RecordFlag.CONFLICT and not is_nothing(state)
            if state.status not in GONE  # there it is a return that was refused
        )
        for case in cases:
            state = states.get(case.record_key)
            if case.case_kind in ("return_refused", "restoration_superseded"):
                assert state is not None
                assert (state.status in GONE, state.live_sequence) == (True, case.live_sequence)
            if case.case_kind == "take_down_of_moved":
                assert state is not None
                moved = (Status.MOVED, case.live_sequence)
                assert (state.status, state.live_sequence) == moved
            if case.case_kind == "parked":
                assert state is not None
                assert (case.target, case.version, case.action) in {
                    (s.target, s.version, ACTIONS[s.action]) for s in state.stages
                }

    def _what_is_live_is_shown_as_the_basis_says(self, partition: int) -> None:
        """After every walk: of a kind without rules, each target that shows it and no other."""
        head = partition.to_bytes(2)
        assert not [key for key in self.hub.store if key[:3] in (head + b"e", head + b"f")]
        basis = self.hub.slot.cores[partition].basis
        assert basis is not None
        for key, value in self.hub.store.items():
            state = decode_state(value) if key[:3] == head + b"r" else None
            if state is not None and state.status is Status.LIVE:
                every = basis.targets_of_kind(state.kind)
                assert state.publish & ~every == 0
                assert state.kind != LICENCE or state.publish == every

    def _what_is_named_may_be_named(self, ledger: list[LedgerRecord]) -> None:
        states: dict[bytes, RecordState] = {}
        named: dict[bytes, int] = {}
        freed = 0
        for record in ledger:
            if record.outcome is Outcome.BASIS_ADOPTED:
                freed |= int(dict(record.facts).get("freed", 0))
            before = states.get(record.record_key)
            if record.publish_targets:
                assert record.outcome in PUBLISHING
                if before is not None and before.status in GONE:
                    assert record.outcome is not Outcome.CORRECTED
                named[record.record_key] = named.get(record.record_key, 0) | record.publish_targets
            state = record.state
            if state is None:
                assert not record.publish_targets | record.withdraw_targets
                continue
            assert (named.get(record.record_key, 0) ^ state.named) & ~freed == 0
            assert state.publish & ~state.named == 0
            if record.outcome is Outcome.WITHDRAWN:
                assert record.withdraw_targets == state.named
                assert state.publish == 0
            if before is not None and record.publish_targets | record.withdraw_targets:
                assert state.version - before.version in STEPS.get(record.outcome, {1})
            if record.outcome is Outcome.RESENT:
                assert state == before
            states[record.record_key] = state


def assert_withdrawals_are_timed(state: RecordState) -> None:
    """While the province still owes a withdrawal, a clock runs against it."""
    owed = [s for s in state.stages if s.target == 0 and is_owed(s)]
    running = {c.target for c in state.clocks if c.kind is ClockKind.WITHDRAW and c.is_running}
    assert {s.target for s in owed} <= running


def is_owed(stage: Stage) -> bool:
    """Named for withdrawal, and not said to be withdrawn."""
    return stage.action == "W" and stage.stage is not StageCode.WITHDRAWN


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
