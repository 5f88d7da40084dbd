"""The hub under test, seen through the driver: what it answered and what stands in its ledger."""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from hub.core import basis as core_basis
from hub.core import partition as core_partition
from hub.core.decide import decide
from hub.core.keys import TWINS
from hub.core.record import Cause, LedgerRecord, Outcome
from hub.ports import OutputRecord
from tests.driver.hub_test_driver import HubTestDriver
from tests.model import world

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.core.keys import Head, View
    from hub.core.prepare import Prepared
    from hub.core.state import RecordState
    from tests.model.statement import ModelStatement

PRIMARY = {
    Outcome.ACCEPTED, Outcome.CORRECTED, Outcome.WITHDRAWN, Outcome.DUPLICATE, Outcome.SUPERSEDED,
    Outcome.HELD, Outcome.CONFLICTING, Outcome.QUARANTINED,
}  # fmt: skip
EVENTS = {
    "stopped_in_time": "in time", "in_time_learned_late": "in time", "stopped_late": "late",
    "overdue": "overdue", "lifted": "lifted", "expired": "expired", "reopened": "reopened",
    "reopened_late": "reopened",
    "overdue_taken_back": "taken back",
}  # fmt: skip
"""The ledger's events → the model's; others say nothing that the model keeps."""


_compile = core_basis.compile_basis


@lru_cache(maxsize=64)
def _compiled(text: str) -> core_basis.Basis:
    return _compile(json.loads(text))


def compile_once(document: Mapping[str, object]) -> core_basis.Basis:
    """A basis is compiled once a process: a life must not cost a tenth of a second to begin."""
    return _compiled(json.dumps(document, ensure_ascii=False, sort_keys=True))


core_partition.compile_basis = compile_once  # type: ignore[attr-defined]


class NamedView:
    """A view that has only what was named beforehand: an audit could fetch nothing else."""

    def __init__(self, view: View) -> None:
        self._view = view

    def get(self, key: bytes) -> bytes | None:
        """The value of a key that was named.

        Twins are looked for from the first refused row on: that none is stored before is known.
        """
        if key not in self._view and not key.startswith(TWINS):
            message = f"a decision reads what its cause did not name: {key!r}"
            raise AssertionError(message)
        return self._view.get(key)

    def __contains__(self, key: object) -> bool:
        """As the view has it."""
        return key in self._view


def decide_by_named(
    view: View, cause: Prepared, head: Head, now: int, basis: core_basis.Basis
) -> LedgerRecord | None:
    """Decide, and see that nothing is read but what was named."""
    return decide(NamedView(view), cause, head, now, basis)


core_partition.decide = decide_by_named  # type: ignore[attr-defined]


class QuickDriver(HubTestDriver):
    """The driver with bases that are spelt once."""

    def adopt_number(self, number: int) -> None:
        """Send one of the world's bases to every partition."""
        value = _control(number, self.partitions)
        for partition in range(self.partitions):
            record = OutputRecord(
                self.prefix + "control", partition, b"", value,
                (("ce_type", b"basis.adopted.v1"),),
            )  # fmt: skip
            self.log.append(record)


@lru_cache(maxsize=64)
def _control(number: int, partitions: int) -> bytes:
    return core_basis.canonical_json({"basis": world.basis(number, partitions)})


class Hub:
    """One hub in memory."""

    def __init__(self, partitions: int) -> None:
        self.driver = QuickDriver(world.basis(0, partitions), now=world.START)
        self.states: dict[bytes, RecordState] = {}
        self.waited: dict[bytes, Cause] = {}
        """Submission key → what was said, of all that ever waited."""
        self.shown: dict[bytes, int] = {}
        self.returned: list[LedgerRecord] = []
        """Entries that show what had been withdrawn."""
        self.fell: list[bytes] = []
        """Records whose version fell."""
        self.submitted = 0
        self.answered = 0
        self.outcomes: Counter[str] = Counter()

    def pipe(self, statement: ModelStatement) -> None:
        """Submit as a connector does."""
        headers = [
            ("ce_specversion", b"1.0"), ("ce_type", statement.kind.encode()),
            ("ce_source", statement.source.encode()), ("ce_id", b"%d" % statement.number),
        ]  # fmt: skip
        if statement.source_version is not None:
            headers.append(("hub_source_version", b"%d" % statement.source_version))
        if statement.says_valid:
            headers.append(("hub_stated_status", b"valid"))
        self.driver.put(
            f"submissions.{statement.department}", statement.partition, statement.key.encode(),
            statement.value, tuple(headers),
        )  # fmt: skip
        self.submitted += 1

    def report(self, target: str, key: str, content: dict[str, Any], partition: int) -> None:
        """A courier writes what a platform answered."""
        self.driver.put(
            f"outcomes.{target}", partition, key.encode(), json.dumps(content).encode(),
            (("ce_type", b"outcome.reported.v1"),),
        )  # fmt: skip

    def run(self) -> list[LedgerRecord]:
        """Let it work; what it wrote, also remembered in `states` and `shown`."""
        written = self.driver.run()
        for record in written:
            if record.outcome in PRIMARY and record.cause.kind == "S":
                self.answered += 1
                self.outcomes[record.outcome.name.lower()] += 1
            if record.outcome is Outcome.HELD:
                self.waited[record.submission_key] = record.cause
            self._watch(record)
            shown = self.shown.get(record.record_key, 0)
            shown = (shown | record.publish_targets) & ~record.withdraw_targets
            self.shown[record.record_key] = shown
            if record.state is not None:
                self.states[record.record_key] = record.state
        return written

    def _watch(self, record: LedgerRecord) -> None:
        """What must never happen to a record, whatever the model says."""
        before = self.states.get(record.record_key)
        if before is None:
            return
        if record.publish_targets and before.status == "W" and before.version:
            self.returned.append(record)
        if record.state is not None and record.state.version < before.version:
            self.fell.append(record.record_key)

    def crash(self, *, lose_disk: bool) -> None:
        """The process dies; a person confirms the clock, whatever time has passed."""
        self.driver.clock_confirmed = self.driver.now
        self.driver.crash(lose_disk=lose_disk)


def events_of(written: list[LedgerRecord]) -> list[tuple[bytes, int, str, str]]:
    """(record, target, clock, what) of everything that happened to duties."""
    found = []
    for record in written:
        for event in record.events:
            what = event.event if event.event.startswith("due_soon_") else EVENTS.get(event.event)
            if what is not None:
                found.append((record.record_key, event.target, str(event.clock), what))
    return found


def running(state: RecordState) -> dict[tuple[str, int], int]:
    """(D or W, target) → due, of every duty that runs."""
    return {
        (str(clock.kind), clock.target): clock.due_at
        for clock in state.clocks
        if clock.is_running and str(clock.kind) in {"D", "W"}
    }
