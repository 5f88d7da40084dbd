"""The life of one record in few words: what the stories of the laws are written in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from hub.contracts import Fault
from hub.core.record import PRIMARY, LedgerRecord, Outcome
from hub.core.state import ClockFlag, ClockKind, RecordState, Status, decode_state
from hub.domain.dates import day_of_ms
from hub.domain.partitioning import partition_of
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.resends import book_of
from tests.driver.rows import (
    AUTHORITY,
    COMPANY,
    CONTRACTS,
    COURT,
    DELISTED,
    DEPARTMENT,
    LICENCE,
    LISTED,
    MADE,
    OTHER_COMPANY,
    OTHER_DEPARTMENT,
    PENALTY,
    PERFORMED,
    at,
    commitment_row,
    exit_row,
    framed,
    licence_row,
    listing_row,
    penalty_row,
)
from tests.replay.scenario import company

if TYPE_CHECKING:
    from collections.abc import Mapping

DAY: Final = 86_400_000
MONDAY: Final = "2026-11-02 09:00"
NEAR: Final = OTHER_COMPANY
"""A company whose records lie in the partition of `COMPANY`."""
FAR: Final = company(3)
"""A company whose records lie in another partition."""
FIRST, SECOND, THIRD = ("ab" * 16, "cd" * 16, "ef" * 16)
"""Ids of moves."""
_CONTENT: Final = ("XK_NR", "CF_NR", "listed_on", "performance_status", "commitment_content")
_TARGETS: Final = {"province": 0, "city": 1}


def codes(record: LedgerRecord) -> str:
    """The reason codes of a ledger record."""
    return " ".join(reason.code for reason in record.reasons)


def answer(record: LedgerRecord) -> str:
    """Outcome and reason codes in one line: `quarantined NOT_YOUR_RECORD`."""
    return f"{record.outcome.name.lower()} {codes(record)}".strip()


class RecordLife:
    """A hub in memory, and the statements that make up a record's life.

    Each statement returns its answer; `record` is its ledger record, `rest` what else was written.
    """

    def __init__(self, document: Mapping[str, object] | None = None, now: str = MONDAY) -> None:
        self.hub = HubTestDriver(document or rows.basis(), now=at(now))
        self.record: LedgerRecord
        self.rest: list[LedgerRecord] = []

    # --- what is stated ---

    def say(
        self, kind: str, content: Mapping[str, Any], *, key: str = COMPANY, by: str = DEPARTMENT,
        **more: Any,  # noqa: ANN401 - as `send`
    ) -> str:  # fmt: skip
        """Submit anything; returns its answer."""
        return self.send(kind, framed(kind, dict(content)), key=key, by=by, **more)

    def send(
        self, kind: str, value: bytes, *, key: str = COMPANY, by: str = DEPARTMENT,
        version: int | None = None, number: int | None = None, stream: str = "test",
        valid: bool = False,
    ) -> str:  # fmt: skip
        """Submit a framed value: `version` of its source, `number` in its `stream`."""
        self.hub.pipe(
            by, kind, key, value, sequence=number, source_version=version, stream=stream,
            is_stated_valid=valid,
        )  # fmt: skip
        written = self.hub.run()
        self.record = next(
            r for r in written if r.outcome in PRIMARY and r.cause.key == key.encode()
        )
        self.rest = [r for r in written if r is not self.record]
        return answer(self.record)

    def row(self, content: str = "食品经营", *, key: str = COMPANY, **more: Any) -> str:  # noqa: ANN401 - as `send`
        """A licence."""
        return self.say(LICENCE, licence(content, key), key=key, **more)

    def fault(self, *, key: str = COMPANY, **more: Any) -> str:  # noqa: ANN401 - as `send`
        """The licence with an empty cell that must not be empty."""
        return self.say(LICENCE, licence("", key), key=key, **more)

    def corrected(
        self, content: str = "食品销售", *, key: str = COMPANY, **more: Any  # noqa: ANN401 - as `send`
    ) -> str:  # fmt: skip
        """The licence, with other content."""
        row = framed(LICENCE, licence(content, key))
        inside = {"subject_kind": LICENCE, "row": row, "reason": "录入错误"}
        return self.say("record.corrected.v1", inside, key=key, **more)

    def withdrawn(self, *, key: str = COMPANY, **more: Any) -> str:  # noqa: ANN401 - as `send`
        """The licence is taken down."""
        return self.say("record.withdrawn.v1", reference(key), key=key, **more)

    def restored(self, content: str = "食品经营", *, key: str = COMPANY, **more: Any) -> str:  # noqa: ANN401 - as `send`
        """The licence is shown again, by a decision of its own."""
        inside = {
            "subject_kind": LICENCE, "row": framed(LICENCE, licence(content, key)),
            "reason": "撤回有误", "decided_by": "舟山市示例局",
        }  # fmt: skip
        return self.say("record.restored.v1", inside, key=key, **more)

    def leaves(
        self, to: str = NEAR, move: str = FIRST, *, key: str = COMPANY,
        new: Mapping[str, str] | None = None, **more: Any,  # noqa: ANN401 - as `send`
    ) -> str:  # fmt: skip
        """First half of a move; `new` names further parts of the new identity."""
        out = reference(key) | {"move_id": move, "new_credit_code": to} | dict(new or {})
        return self.say("record.moved_out.v1", out, key=key, **more)

    def arrives(
        self, to: str = NEAR, move: str = FIRST, *, key: str = COMPANY, content: str = "食品经营",
        changes: Mapping[str, str] | None = None, previous: Mapping[str, str] | None = None,
        **more: Any,  # noqa: ANN401 - as `send`
    ) -> str:  # fmt: skip
        """Second half of a move: the licence of `key` takes the code `to`."""
        into = {
            "move_id": move, "subject_kind": LICENCE, "reason": "代码录入错误",
            "row": framed(LICENCE, licence(content, to) | dict(changes or {})),
            "previous_credit_code": key,
        }  # fmt: skip
        return self.say("record.moved_in.v1", into | dict(previous or {}), key=to, **more)

    def penalty(self, **changes: str) -> str:
        """A penalty."""
        return self.say(PENALTY, penalty_row(**changes))

    def penalty_corrected(self, redetermined_on: str = "", **changes: str) -> str:
        """The penalty, with other content; perhaps decided anew on a day."""
        inside = {
            "subject_kind": PENALTY, "row": framed(PENALTY, penalty_row(**changes)),
            "reason": "重新认定", "redetermined_on": redetermined_on,
        }  # fmt: skip
        return self.say("record.corrected.v1", inside)

    def listed(self, on: str = "2026-10-30", **more: Any) -> str:  # noqa: ANN401 - as `send`
        """An entry of the court's list."""
        return self.say(LISTED, listing_row(listed_on=on), by=COURT, **more)

    def delisted(self, on: str = "2026-11-02", **more: Any) -> str:  # noqa: ANN401 - as `send`
        """The exit from the court's list."""
        return self.say(DELISTED, exit_row(exited_on=on), by=COURT, **more)

    def made(self, **more: Any) -> str:  # noqa: ANN401 - as `send`
        """A commitment."""
        return self.say(MADE, commitment_row(), **more)

    def performed(self, status: str = "全部履行", **more: Any) -> str:  # noqa: ANN401 - as `send`
        """The commitment as performed."""
        return self.say(PERFORMED, commitment_row(performance_status=status), **more)

    # --- what happens by itself ---

    def wait(self, days: int) -> list[str]:
        """Let days pass, one by one; the answers that were written meanwhile."""
        self.rest = [record for _day in range(days) for record in self.hub.advance(DAY)]
        return [answer(record) for record in self.rest]

    def crash(self) -> None:
        """The machine loses its disk; all that was known is read out of the ledger again.

        Its clock is confirmed: how long nothing was written is not what these stories are about.
        """
        hub = self.hub
        hub.clock_confirmed = hub.now
        before, library = dict(hub.store), hub.slot.library
        hub.crash(lose_disk=True)
        hub.slot.library = library
        hub.run()
        assert hub.store == before

    def report(
        self, named: LedgerRecord, target: str, stage: str, *, on: str = "", action: str = "publish"
    ) -> list[str]:  # fmt: skip
        """A courier reports; returns the events of the clocks."""
        content = {
            "record": named.record_key.hex(), "version": named.version, "action": action,
            "stage": stage, "code": "", "at": self.hub.now,
            "platform_at": at(on) if on else self.hub.now,
        }  # fmt: skip
        key = named.state.subject_key if named.state is not None else named.cause.key
        place = partition_of(key, self.hub.partitions)
        self.hub.put(f"outcomes.{target}", place, key, json.dumps(content).encode())
        self.record, *self.rest = self.hub.run()
        assert self.record.outcome is Outcome.OUTCOME_NOTED
        return [event.event for event in self.record.events]

    def met(self, named: LedgerRecord) -> None:
        """Both targets show what they were named for."""
        assert self.report(named, "province", "published") == ["stopped_in_time"]
        assert self.report(named, "city", "published") == ["stopped_in_time"]

    # --- what can be seen ---

    def shown(self, target: str = "") -> set[tuple[str, str]]:
        """Company and content of all that a target shows; of both, which must agree, for none."""
        if not target:
            both = [self.shown(name) for name in _TARGETS]
            assert both[0] == both[1]
            return both[0]
        found = set()
        for action, _version, row in book_of(self.hub, _TARGETS[target]).values():
            if action == "publish":
                decoded = CONTRACTS.decode_framed(row)
                assert not isinstance(decoded, Fault)
                fields = decoded[1]
                code = next(
                    str(fields[name])
                    for name in ("XK_XDR_SHXYM", "CF_XDR_SHXYM", "debtor_code", "promisor_code")
                    if name in fields
                )
                found.add((code, next(str(fields[c]) for c in _CONTENT if c in fields)))
        return found

    def state(self, record: LedgerRecord | None = None) -> RecordState:
        """How the record stands, of which the last statement was."""
        of = record or self.record
        place = partition_of(of.cause.key, self.hub.partitions).to_bytes(2)
        return decode_state(self.hub.store[place + b"r" + of.record_key])

    def dues(self, kind: ClockKind = ClockKind.DISCLOSE) -> dict[str, str]:
        """Target → first moment too late, of the clocks that run against the last record."""
        return {
            name: day_of(clock.due_at)
            for name, target in _TARGETS.items()
            for clock in self.state().clocks
            if (clock.kind, clock.target, clock.is_running) == (kind, target, True)
        }

    def flags(self, flag: int) -> set[str]:
        """Targets whose disclosure clock of the last record has a flag."""
        return {
            name
            for name, target in _TARGETS.items()
            for clock in self.state().clocks
            if (clock.kind, clock.target) == (ClockKind.DISCLOSE, target) and clock.flags & flag
        }

    @property
    def is_lifted(self) -> bool:
        """Whether all the disclosure that was owed for the last record was lifted."""
        return self.flags(ClockFlag.LIFTED) == set(_TARGETS) and not self.dues()

    def events(self) -> list[tuple[str, str]]:
        """Day and event of all that the clocks said while time passed last."""
        said = {
            (day_of(record.decided_at), event.event)
            for record in self.rest
            for event in record.events
        }
        return sorted(said)

    def waiting(self) -> int:
        """How many statements wait for the last record."""
        return len(self.state().waiting)

    @property
    def status(self) -> Status:
        """Where the last record stands."""
        return self.state().status


def day_of(moment: int) -> str:
    """The Shanghai day of a business time, `11-02`."""
    return day_of_ms(moment).isoformat()[5:]


def licence(content: str, code: str = COMPANY) -> dict[str, str]:
    """The licence of a company."""
    return licence_row(XK_NR=content, XK_XDR_SHXYM=code)


def reference(key: str = COMPANY) -> dict[str, str]:
    """What names the licence without repeating it."""
    return {
        "subject_kind": LICENCE, "document_number": licence_row()["XK_WSH"],
        "subject_name": licence_row()["XK_XDR_MC"], "credit_code": key,
        "authority_code": AUTHORITY, "reason": "决定被撤销",
    }  # fmt: skip


def with_deputy() -> dict[str, Any]:
    """The site where the other department may act for the first."""
    document = rows.basis()
    document["site"]["departments"][OTHER_DEPARTMENT]["may_act_on"] = [DEPARTMENT]
    return document
