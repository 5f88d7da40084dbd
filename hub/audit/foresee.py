"""What a resend would say: the same walk over the same ledger, with nothing written."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from hub.core import keys
from hub.core.basis import canonical_json
from hub.core.evolve import evolve
from hub.core.partition import PartitionCore
from hub.core.prepare import prepare_visit
from hub.core.record import Outcome
from hub.core.resend import Walk, found_in, is_place, record_in
from hub.domain import kinds
from hub.ports import InputRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hub.core.record import LedgerRecord
    from hub.ports import StateStore

    ReadLedger = Callable[[], Iterable[InputRecord]]

_WRITE_EVERY = 5_000


def foresee(
    core: PartitionCore, ledger: ReadLedger, state: StateStore, control: str,
    request: Mapping[str, str], wall: int,
) -> Counter[tuple[str, str]]:  # fmt: skip
    """Count what one partition would name, by (publish | withdraw, kind).

    `state` is empty and of this partition alone; `ledger` is read twice. Empty where no basis has
    been adopted, or where the request would be refused.
    """
    fold(core, ledger(), state)
    counts: Counter[tuple[str, str]] = Counter()
    if core.basis is None:
        return counts
    now = core.now(wall)
    headers = (("ce_type", kinds.RESEND_REQUESTED.encode()),)
    asked = InputRecord(control, core.partition, 0, b"", headers, canonical_json(request))
    prepared = core.prepare(asked, now)
    before = core.head.sequence
    decided = core.step({}, prepared, now)
    if decided is None or decided[0].outcome is not Outcome.RESEND_REQUESTED:
        return counts
    changes: dict[bytes, bytes | None] = {}
    evolve(decided[1], changes)
    request_key, walk_key = before.to_bytes(8), keys.walk(before.to_bytes(8))
    walk = Walk.unpack(changes[walk_key] or b"")
    for stored in ledger():
        sequence = int.from_bytes(stored.value[:8])
        key = record_in(stored.value)
        if sequence >= before or key is None:
            continue
        (known,) = state.read([keys.record(key)])
        if known is None or not is_place(stored.value, known, walk):
            continue
        look = prepare_visit(
            request_key, sequence, key, found_in(stored.value, core.basis.contracts)
        )
        said = core.step({keys.record(key): known, walk_key: changes[walk_key]}, look, now)
        if said is not None:
            counts.update(_named(said[0]))
    return counts


def _named(record: LedgerRecord) -> list[tuple[str, str]]:
    kind = record.state.kind if record.state is not None else ""
    named = (("publish", record.publish_targets), ("withdraw", record.withdraw_targets))
    return [(action, kind) for action, targets in named if targets]


def fold(core: PartitionCore, ledger: Iterable[InputRecord], state: StateStore) -> None:
    """Bring an empty state to the end of the ledger."""
    changes: dict[bytes, bytes | None] = {}
    for count, stored in enumerate(ledger, 1):
        core.fold(stored.value, stored.offset + 1, changes)
        if not count % _WRITE_EVERY:
            state.write(changes)
            changes = {}
    state.write(changes)
