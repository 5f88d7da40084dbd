"""One partition of the hub: its chain, its basis, and the step from a cause to a ledger record.

The engine, the test driver and the audit replay all drive this class; it holds no Kafka and no
store. What it knows (`head`, `basis`) is a fold of the ledger like everything else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hub.core import keys
from hub.core.basis import Basis, canonical_json, compile_basis
from hub.core.decide import NO_SEQUENCE, decide
from hub.core.keys import GENESIS, Head, MoveNote, SweepCursor
from hub.core.record import (
    NO_KEY,
    Cause,
    CauseKind,
    LedgerRecord,
    Outcome,
    Reason,
    encode_record,
    record_hash,
)
from hub.core.state import NEVER
from hub.core.touches import (
    Prepared,
    Verb,
    basis_id_of,
    follow_move,
    prepare_control,
    prepare_outcome,
    prepare_submission,
)
from hub.domain import kinds
from hub.domain.credit_code import normalise_credit_code
from hub.domain.partitioning import partition_of
from hub.errors import HubError
from hub.ports import InputRecord, OutputRecord

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.core.keys import View

_MAP_HEADER = kinds.MAP_CHANGED.encode()


class BasisLibrary:
    """Every basis this process has met, compiled once, by id."""

    def __init__(self) -> None:
        self._known: dict[bytes, Basis] = {}

    def adopt(self, document: Mapping[str, object]) -> Basis:
        """The compiled basis of a document. Raises `ConfigurationError` when it cannot be read."""
        basis_id = basis_id_of(canonical_json(document))
        basis = self._known.get(basis_id)
        if basis is None:
            basis = self._known[basis_id] = compile_basis(document)
        return basis


class PartitionCore:
    """The chain of one ledger partition and the basis it decides under."""

    def __init__(self, partition: int, prefix: str, library: BasisLibrary) -> None:
        self.partition = partition
        self.head: Head = GENESIS
        self.basis: Basis | None = None
        self._control = prefix + "control"
        self._submissions = prefix + "submissions."
        self._outcomes = prefix + "outcomes."
        self._library = library

    def restore(self, head: bytes | None, basis_document: bytes | None) -> None:
        """Take up where a stored state left off; values as the store holds them."""
        self.head = Head.unpack(head) if head is not None else GENESIS
        if basis_document is not None:
            self.basis = self._library.adopt(json.loads(basis_document))

    def adopt_if_basis(self, record: LedgerRecord) -> None:
        """Follow a basis adoption met in the ledger."""
        if record.outcome is Outcome.BASIS_ADOPTED:
            self.basis = self._library.adopt(json.loads(record.cause.value)["basis"])

    def now(self, wall: int) -> int:
        """Business time of the next decisions: never back behind what was already decided."""
        return max(self.head.decided_at, wall)

    def carries_basis(self, record: InputRecord) -> bool:
        """Whether this input changes the basis, so that later ones must be read under the new."""
        return record.topic == self._control and (
            kinds.BASIS_ADOPTED.encode() in dict(record.headers).values()
        )

    def gives_up(self, record: InputRecord) -> bool:
        """Whether this input hands the partition to another slot."""
        return record.topic == self._control and dict(record.headers).get("ce_type") == _MAP_HEADER

    def prepare(self, record: InputRecord, now: int) -> Prepared:
        """Read and check one input: the first `touches`."""
        topic = record.topic
        if topic.startswith(self._submissions):
            cause = Cause(
                CauseKind.SUBMISSION, topic, record.offset, record.key, record.headers, record.value
            )
            return prepare_submission(
                cause, self.partition, topic[len(self._submissions) :], now, self._basis()
            )
        if topic == self._control:
            cause = Cause(
                CauseKind.CONTROL, topic, record.offset, record.key, record.headers, record.value
            )
            adopted = self._basis_carried(record)
            prepared = prepare_control(cause, None if adopted is None else adopted.id)
            prepared.adopted = adopted
            return prepared
        cause = Cause(
            CauseKind.OUTCOME, topic, record.offset, record.key, record.headers, record.value
        )
        target = self._basis().target_number(topic[len(self._outcomes) :])
        return prepare_outcome(cause, target)

    def look_again(self, prepared: Prepared, view: View) -> tuple[bytes, ...]:
        """The second `touches`: keys that only the first view could name, mostly none."""
        if prepared.verb is not Verb.NOTE_MOVE:
            return ()
        stored = view.get(b"m" + prepared.move_id)
        if stored is None:
            return ()
        note = MoveNote.unpack(stored)
        if note.verdict != "h":
            return ()
        before = len(prepared.keys)
        follow_move(prepared, note.record_key)
        return prepared.keys[before:]

    def step(self, view: View, prepared: Prepared, now: int) -> tuple[LedgerRecord, bytes] | None:
        """Decide, chain, pack. None when a timer or sweep step has nothing to say."""
        basis = self.basis
        if prepared.verb is Verb.NOTE_MOVE:
            # What is held may have become known, or have been released, within this very batch.
            prepared.record_key = NO_KEY
            self.look_again(prepared, view)
        record: LedgerRecord | None
        if basis is not None:
            record = decide(view, prepared, self.head, now, basis)
        elif prepared.verb is Verb.ADOPT_BASIS:
            basis = self._library.adopt(json.loads(prepared.cause.value)["basis"])
            record = decide(view, prepared, self.head, now, basis)
        else:
            record = _refuse_before_basis(prepared, self.head, now)
        if record is None:
            return None
        raw = encode_record(record)
        self.head = Head(self.head.sequence + 1, record_hash(raw), now, self.head.next_offset)
        self.adopt_if_basis(record)
        return record, raw

    def outputs(self, record: LedgerRecord, value: bytes) -> list[OutputRecord]:
        """What a ledger record sends besides itself: the verdict on a departure, to the new key.

        `value` is the cause's, which the record itself does not repeat when it is a duplicate.
        """
        if record.move is None or record.kind != kinds.MOVED_OUT:
            return []
        decoded = self._basis().contracts.decode_framed(value)
        if not isinstance(decoded, tuple):
            return []
        key = normalise_credit_code(str(decoded[1]["new_credit_code"])).encode()
        content = {
            "met": dict(record.facts)["met"],
            "move_id": record.move.move_id.hex(),
            "verdict": record.move.verdict,
        }
        headers = (
            ("ce_specversion", b"1.0"),
            ("ce_type", kinds.MOVE_NOTED.encode()),
            ("ce_source", b"registrar"),
            ("ce_id", b"%d-%d" % (self.partition, record.sequence)),
        )
        partition = partition_of(key, self._basis().partitions)
        return [OutputRecord(self._control, partition, key, canonical_json(content), headers)]

    def sweep_under_way(self, view: View) -> SweepCursor | None:
        """The sweep that must go on, if any."""
        stored = view.get(keys.SWEEP)
        return SweepCursor.unpack(stored) if stored is not None else None

    def _basis(self) -> Basis:
        if self.basis is None:
            message = "no basis adopted: control is read before everything else"
            raise AssertionError(message)
        return self.basis

    def _basis_carried(self, record: InputRecord) -> Basis | None:
        if not self.carries_basis(record):
            return None
        try:
            document = json.loads(record.value)["basis"]
            return self._library.adopt(document)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, HubError):
            return None


def _refuse_before_basis(prepared: Prepared, head: Head, now: int) -> LedgerRecord:
    """A control message in front of the first basis: written down, so that reading goes on."""
    reasons = prepared.reasons or (Reason("PAYLOAD_UNREADABLE", "", "error"),)
    return LedgerRecord(
        head.sequence, head.last_hash, now, prepared.cause, Outcome.CONTROL_REFUSED, 0, 0, NO_KEY,
        NO_KEY, 0, NO_SEQUENCE, NO_KEY, NEVER, 0, None, None, "", prepared.kind, b"", (), reasons,
        (), b"",
    )  # fmt: skip
