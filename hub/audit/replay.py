"""Were the decisions right? Decides every recorded cause again and compares the bytes.

Starts with an empty state and takes nothing from the ledger but its causes and the time of each
decision; what the records did to the state it works out from its *own* bytes.
"""

from __future__ import annotations

import json
from collections import Counter
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from hub.audit.compare import basis_changes, first_difference
from hub.audit.finding import AuditFinding, Findings
from hub.audit.verify import INPUT_CAUSES, UNREADABLE, adopted_id
from hub.core.basis import DECIDERS, canonical_json
from hub.core.evolve import evolve
from hub.core.keys import FIRST_OWNER
from hub.core.partition import BasisLibrary, PartitionCore
from hub.core.prepare import (
    TWIN_TOPIC,
    prepare_sweep,
    prepare_timer,
    prepare_twin,
    prepare_visit,
    prepare_walked,
)
from hub.core.record import (
    CauseKind,
    LedgerRecord,
    Outcome,
    decode_record,
)
from hub.core.resend import WALK_TOPIC
from hub.errors import ConfigurationError
from hub.ports import InputRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hub.core.prepare import Prepared
    from hub.ports import StateStore


FindInput: TypeAlias = "Callable[[str, int], InputRecord | None]"
"""(topic, offset) → the submission there, None when it is no longer retained."""
_WRITE_EVERY = 5_000
"""Records between two writes of the state: bounds the overlay's memory."""


class MemoryState:
    """A state store in memory, for ledgers that fit; see `hub.ports.StateStore`."""

    def __init__(self, values: dict[bytes, bytes] | None = None) -> None:
        """`values` is kept and changed where it is given."""
        self.values = {} if values is None else values

    def read(self, keys: Iterable[bytes]) -> list[bytes | None]:
        """The values of `keys`, in order."""
        return [self.values.get(key) for key in keys]

    def scan(self, start: bytes, stop: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` entries with start ≤ key < stop, in key order."""
        found = sorted(key for key in self.values if start <= key < stop)[:limit]
        return [(key, self.values[key]) for key in found]

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Apply all changes; None deletes."""
        for key, value in changes.items():
            if value is None:
                self.values.pop(key, None)
            else:
                self.values[key] = value

    def close(self) -> None:
        """Nothing to release."""


class ReplaySummary(NamedTuple):
    """One partition: `replayed` records of `records` came out equal."""

    partition: int
    records: int
    replayed: int


class ReplayReport(NamedTuple):
    """Result of `replay`; `declared` are differences that were announced, by code."""

    partitions: tuple[ReplaySummary, ...]
    differences: Findings
    declared: tuple[tuple[AuditFinding, int], ...]
    """The first place of each declared difference, and how many there are of it."""
    basis_changes: tuple[str, ...]
    """What-if only: differences between the recorded basis and the other site's."""

    @property
    def is_ok(self) -> bool:
        """Whether every record that could be decided again came out equal."""
        return self.differences.count == 0


class PartitionReplay:
    """Decides one ledger partition again.

    `state` is empty and of this partition alone; `find_input(topic, offset)` reads a submission
    whose value the ledger does not repeat, None when it is no longer retained. With
    `instead` every adopted basis is replaced by that document (what if?).
    """

    def __init__(
        self, partition: int, prefix: str, library: BasisLibrary, state: StateStore,
        find_input: FindInput, instead: Mapping[str, object] | None = None,
    ) -> None:  # fmt: skip
        self.core = PartitionCore(partition, prefix, library)
        self.declared: Counter[str] = Counter()
        self.first_declared: dict[str, AuditFinding] = {}
        self.replayed = 0
        self.adopted: Mapping[str, object] | None = None
        """The last basis document the ledger itself adopted."""
        self._state = state
        self._overlay: dict[bytes, bytes | None] = {}
        self._since_write = 0
        self._find_input = find_input
        self._instead = instead
        self._is_foreign = False
        self._was_foreign = False

    def take(self, raw: bytes) -> AuditFinding | None:
        """Decide one record's cause again; the first difference ends the partition's replay."""
        sequence = self.core.head.sequence
        try:
            recorded = decode_record(raw)
        except UNREADABLE:
            return self._found("RECORD_UNREADABLE", sequence)
        if not sequence:
            self.core.owner = dict(recorded.facts).get("slot", FIRST_OWNER)
        broken = self._check_chain(recorded) or self._follow_adoption(recorded)
        if broken is not None:
            return broken
        if self._is_foreign or self._was_foreign:
            self._was_foreign = False
            self._declare("DECIDER_UNKNOWN", recorded.sequence)
            self._accept(recorded, raw)
            return None
        value = self._value_of(recorded)
        if isinstance(value, AuditFinding):
            return value
        if value is None:
            self._declare("VALUE_NOT_RETAINED", recorded.sequence)
            self._accept(recorded, raw)
            return None
        return self._decide_again(recorded, raw, value)

    def _check_chain(self, recorded: LedgerRecord) -> AuditFinding | None:
        """Here all bytes before were equal: a link to others says that a cause was altered."""
        head = self.core.head
        if recorded.sequence != head.sequence:
            return self._found("SEQUENCE_NOT_NEXT", head.sequence, detail=f"{recorded.sequence}")
        if recorded.previous_hash != head.last_hash and self._instead is None:
            detail = f"→ {recorded.sequence}"
            return self._found("CHAIN_BROKEN", max(head.sequence - 1, 0), detail=detail)
        return None

    # --- the cause ---

    def _follow_adoption(self, recorded: LedgerRecord) -> AuditFinding | None:
        """A basis is what its id says; one of an unknown decider is followed, not judged."""
        if recorded.outcome is not Outcome.BASIS_ADOPTED:
            return None
        computed = adopted_id(recorded)
        if computed != recorded.basis:
            detail = f"{recorded.basis.hex()} != {computed.hex() if computed else '?'}"
            return self._found("BASIS_ID_WRONG", recorded.sequence, detail=detail)
        document: Mapping[str, object] = json.loads(recorded.cause.value)["basis"]
        # what changes with the first basis of a known decider, that of the unknown one would say
        self._was_foreign, self._is_foreign = (
            self._is_foreign, document.get("decider") not in DECIDERS
        )  # fmt: skip
        self.adopted = document
        return None

    def _value_of(self, recorded: LedgerRecord) -> bytes | AuditFinding | None:
        """The cause's value as `decide` saw it; None when it is not held anywhere any more."""
        cause = recorded.cause
        if self._instead is not None and recorded.outcome is Outcome.BASIS_ADOPTED:
            return canonical_json({"basis": self._instead})
        if not recorded.value_digest:
            return cause.value
        found = self._find_input(cause.topic, cause.offset)
        if found is None:
            return None
        if sha256(found.value).digest() != recorded.value_digest:
            return self._found("CAUSE_DIFFERS", recorded.sequence, "value")
        return found.value

    def _prepare(self, recorded: LedgerRecord, value: bytes) -> Prepared | None:
        cause = recorded.cause
        if cause.kind in INPUT_CAUSES:
            arrived = InputRecord(
                cause.topic, self.core.partition, cause.offset, cause.key, cause.headers, value
            )
            return self.core.prepare(arrived, recorded.decided_at)
        return self._prepare_own(recorded)

    def _prepare_own(self, recorded: LedgerRecord) -> Prepared | None:
        """Replay a cause without a submission: a timer, a sweep, a resend."""
        cause = recorded.cause
        try:
            named = bytes.fromhex(cause.topic.partition(":")[2])
        except ValueError:
            return None
        if cause.kind is CauseKind.TIMER:
            return prepare_timer(named, cause.offset)
        if cause.topic.startswith(WALK_TOPIC):
            if recorded.outcome is Outcome.WALKED:
                return prepare_walked(named, cause.offset)
            return prepare_visit(named, cause.offset, recorded.record_key, recorded.row)
        if cause.topic.startswith(TWIN_TOPIC):
            return prepare_twin(named, cause.offset)
        walked = None if recorded.outcome is Outcome.SWEEP_ENDED else recorded.record_key
        if self._instead is not None and self.core.basis is not None:
            named = self.core.basis.id
        return prepare_sweep(named, cause.offset, walked)

    # --- the decision ---

    def _decide_again(
        self, recorded: LedgerRecord, raw: bytes, value: bytes
    ) -> AuditFinding | None:
        if self.core.basis is None and recorded.cause.kind is not CauseKind.CONTROL:
            return self._found("BASIS_NOT_IN_FORCE", recorded.sequence)
        try:
            prepared = self._prepare(recorded, value)
            if prepared is None:
                return self._found("CAUSE_UNFIT", recorded.sequence)
            step = self.core.step(self._view(prepared), prepared, recorded.decided_at)
        except ConfigurationError as error:
            return self._found("BASIS_UNREADABLE", recorded.sequence, detail=error.problem.en)
        if step is None:
            return self._found("REPLAY_IS_SILENT", recorded.sequence)
        again, bytes_again = step
        if self._instead is None and bytes_again == raw:
            difference = None
        else:
            difference = first_difference(recorded, again, what_if=self._instead is not None)
        if difference is not None:
            field, detail = difference
            return self._found("REPLAY_DIFFERS", recorded.sequence, field, detail)
        self._change(bytes_again)
        self.replayed += 1
        return None

    def _view(self, prepared: Prepared) -> dict[bytes, bytes | None]:
        view = self._read(prepared.keys)
        while more := self.core.more_keys(prepared, view):
            view.update(self._read(more))
        return view

    def _read(self, keys: tuple[bytes, ...]) -> dict[bytes, bytes | None]:
        overlay = self._overlay
        view = {key: overlay[key] for key in keys if key in overlay}
        missing = [key for key in keys if key not in view]
        if missing:
            view.update(zip(missing, self._state.read(missing), strict=True))
        return view

    # --- the state ---

    def _accept(self, recorded: LedgerRecord, raw: bytes) -> None:
        """Take a record as it is recorded."""
        # an altered record was found before: its successor vouches for these bytes
        self.core.head = self.core.head._replace(last_hash=recorded.previous_hash)
        self.core.fold(raw, recorded.sequence + 1, self._overlay)
        self._count_change()

    def _change(self, raw: bytes) -> None:
        evolve(raw, self._overlay)
        self._count_change()

    def _count_change(self) -> None:
        self._since_write += 1
        if self._since_write >= _WRITE_EVERY:
            self.flush()

    def flush(self) -> None:
        """Bring the state store up to the last record taken."""
        self._state.write(self._overlay)
        self._overlay = {}
        self._since_write = 0

    # --- what is said ---

    def _found(self, code: str, sequence: int, field: str = "", detail: str = "") -> AuditFinding:
        return AuditFinding(code, self.core.partition, sequence, field, detail)

    def _declare(self, code: str, sequence: int) -> None:
        self.declared[code] += 1
        if code not in self.first_declared:
            self.first_declared[code] = self._found(code, sequence)


class Replayer:
    """Replays the partitions one after the other; call `partition` for each, then `report`."""

    def __init__(self, prefix: str, instead: Mapping[str, object] | None = None) -> None:
        self._prefix = prefix
        self._instead = instead
        self._library = BasisLibrary()
        self._findings = Findings()
        self._summaries: list[ReplaySummary] = []
        self._declared: Counter[str] = Counter()
        self._first_declared: dict[str, AuditFinding] = {}
        self._adopted: Mapping[str, object] | None = None

    def partition(
        self, number: int, ledger: Iterable[InputRecord], state: StateStore, find_input: FindInput
    ) -> None:
        """Decide one partition again, to its first difference or its end."""
        replay = PartitionReplay(
            number, self._prefix, self._library, state, find_input, self._instead
        )
        records = 0
        for stored in ledger:
            records += 1
            finding = replay.take(stored.value)
            if finding is not None:
                self._findings.add(finding)
                break
        else:
            replay.flush()
        self._summaries.append(ReplaySummary(number, records, replay.replayed))
        self._declared += replay.declared
        self._first_declared = {**replay.first_declared, **self._first_declared}
        self._adopted = replay.adopted or self._adopted

    def report(self) -> ReplayReport:
        """Return the result."""
        changes: tuple[str, ...] = ()
        if self._instead is not None and self._adopted is not None:
            changes = tuple(basis_changes(self._adopted, self._instead))
        declared = tuple(
            (self._first_declared[code], count) for code, count in sorted(self._declared.items())
        )
        return ReplayReport(tuple(self._summaries), self._findings, declared, changes)
