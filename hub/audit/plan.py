"""Count what an adoption changes: the same count before it (a rehearsal) and after it."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from hub.core.record import CauseKind
from hub.core.state import ClockKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.core.record import ClockEvent, LedgerRecord

CHANGES: Final = (
    "shown", "withdrawn", "named_anew", "begun", "lifted", "recounted", "end_moved",
    "overdue_taken_back", "due_soon", "overdue", "expired", "met", "reopened",
)  # fmt: skip
"""Everything that can happen to a record at a target, in the order in which it is shown."""
_EVENTS: Final = {
    "begun": "begun", "lifted": "lifted", "due_date_moved": "recounted",
    "due_date_confirmed": "recounted", "marks_moved": "recounted",
    "overdue_taken_back": "overdue_taken_back", "overdue": "overdue", "expired": "expired",
    "stopped_in_time": "met", "stopped_late": "met", "in_time_learned_late": "met",
    "reopened": "reopened", "reopened_late": "reopened",
}  # fmt: skip
_OWN_CAUSES: Final = frozenset({CauseKind.SWEEP, CauseKind.TIMER})


class BasisChangePlan:
    """Counts by target and change, with the places of the first records of each."""

    def __init__(self, examples: int = 0) -> None:
        """`examples`: places kept for each target and change."""
        self.counts: Counter[tuple[int, str]] = Counter()
        """(number of the target, change) → how often."""
        self.places: dict[tuple[int, str], list[str]] = defaultdict(list)
        """(number of the target, change) → `partition/sequence` in the ledger of first records."""
        self.records = 0
        """How many records are changed."""
        self._examples = examples
        self._changed: set[bytes] = set()

    def take(self, partition: int, record: LedgerRecord) -> None:
        """Count one ledger record that follows an adoption; what departments sent is not its."""
        if record.cause.kind not in _OWN_CAUSES or record.state is None:
            return
        found = _changes(record)
        if found and record.record_key not in self._changed:
            self._changed.add(record.record_key)
            self.records += 1
        for target, change in found:
            self.counts[target, change] += 1
            places = self.places[target, change]
            if len(places) < self._examples:
                places.append(f"{partition}/{record.state.live_sequence}")

    def as_mapping(self, names: Mapping[int, str]) -> dict[str, object]:
        """As JSON has it; `names` has the name of each target number."""
        targets: dict[str, dict[str, int]] = {}
        examples: dict[str, dict[str, list[str]]] = {}
        for target, change in sorted(self.counts, key=lambda one: (one[0], CHANGES.index(one[1]))):
            name = names.get(target, str(target))
            targets.setdefault(name, {})[change] = self.counts[target, change]
            if self._examples:
                examples.setdefault(name, {})[change] = self.places[target, change]
        found: dict[str, object] = {"records": self.records, "targets": targets}
        return found | {"examples": examples} if self._examples else found


def named_in(record: LedgerRecord) -> list[tuple[str, str]]:
    """Return what a ledger record without a submission names targets for: (action, kind)."""
    if record.cause.kind not in _OWN_CAUSES or record.state is None:
        return []
    named = (("publish", record.publish_targets), ("withdraw", record.withdraw_targets))
    return [(action, record.state.kind) for action, targets in named if targets]


def _changes(record: LedgerRecord) -> list[tuple[int, str]]:
    anew = int(dict(record.facts).get("anew", 0))
    found: list[tuple[int, str]] = []
    for bits, change in (
        (record.publish_targets & ~anew, "shown"),
        (record.withdraw_targets, "withdrawn"),
        (anew, "named_anew"),
    ):
        found += [(n, change) for n in range(bits.bit_length()) if bits >> n & 1]
    return found + [(event.target, _change_of(event)) for event in record.events]


def _change_of(event: ClockEvent) -> str:
    if event.event.startswith("due_soon_"):
        return "due_soon"
    change = _EVENTS[event.event]
    return "end_moved" if (change, event.clock) == ("recounted", ClockKind.EXPIRE) else change
