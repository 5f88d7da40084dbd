"""One partition of the hub: its chain, its basis, and the step from a cause to a ledger record.

The engine, the test driver and the audit replay all drive this class; it holds no Kafka and no
store. Its own values (`head`, `basis`) are a fold of the ledger like everything else.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hub.core import keys, waiting
from hub.core.basis import (
    DECIDERS,
    Basis,
    BasisAdoption,
    basis_id_of,
    canonical_json,
    compile_basis,
)
from hub.core.causes import MoveNoted, Submission, TimerDue, UnreadableMessage
from hub.core.decide import decide
from hub.core.evolve import evolve
from hub.core.keys import FIRST_OWNER, GENESIS, Head, SweepCursor
from hub.core.ledger_end import behind, continued
from hub.core.moves import MoveVerdict, arrives_at, message, word
from hub.core.prepare import (
    look_for_twins,
    prepare_control,
    prepare_outcome,
    prepare_submission,
    twin_keys_of,
)
from hub.core.record import (
    HAS_CONSEQUENCES,
    MARKS_AT,
    NO_DIGEST,
    NO_KEY,
    NO_SEQUENCE,
    OUTCOME_AT,
    Cause,
    CauseKind,
    LedgerRecord,
    Outcome,
    Reason,
    decode_record,
    encode_record,
)
from hub.core.state import NEVER, RecordFlag, RecordState, decode_state, flags_of
from hub.core.trial import refuse_unfit
from hub.domain import kinds
from hub.domain.partitioning import partition_of
from hub.errors import HubError
from hub.ports import InputRecord, OutputRecord

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from hub.core.keys import View
    from hub.core.prepare import Prepared

_MAP_HEADER = kinds.MAP_CHANGED.encode()
_LOST_HEADER = kinds.INPUT_LOST.encode()
_BASIS_ADOPTED = ord(Outcome.BASIS_ADOPTED.value)


class BrokenChainError(Exception):
    """A ledger record does not continue the chain; `sequence` is the one that was expected."""

    def __init__(self, sequence: int) -> None:
        super().__init__(sequence)
        self.sequence = sequence


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

    def admit(self, document: Mapping[str, object], before: Basis | None) -> Basis:
        """The same for one that is not adopted yet: refused where it must not follow `before`."""
        basis = self.adopt(document)
        refuse_unfit(basis, before)
        return basis


class PartitionCore:
    """The chain of one ledger partition and the basis it decides under."""

    def __init__(self, partition: int, prefix: str, library: BasisLibrary) -> None:
        self.partition = partition
        self.head: Head = GENESIS
        self.basis: Basis | None = None
        self.unknown_decider = ""
        """The decider of the basis in force where this program does not have it: there is no
        `basis` then, and nothing may be decided."""
        self.owner = FIRST_OWNER
        """The slot that writes here; the first ledger record names it."""
        self.has_twins = False
        """Whether a quarantined record may wait to be answered: never false where one does."""
        self._control = prefix + "control"
        self._submissions = prefix + "submissions."
        self._outcomes = prefix + "outcomes."
        self._library = library

    def restore(self, head: bytes | None, basis_document: bytes | None, *, has_twins: bool) -> None:
        """Take up where a stored state left off; values as the store holds them.

        `has_twins`: whether any quarantined record waits to be answered by a twin.
        """
        self.head = Head.unpack(head) if head is not None else GENESIS
        self.has_twins = has_twins
        if basis_document is not None:
            self._follow(json.loads(basis_document))

    def fold(
        self, raw: bytes, next_offset: int, changes: MutableMapping[bytes, bytes | None]
    ) -> None:
        """Take one ledger record into the state: after a commit, at a restart, in an audit.

        Raises `BrokenChainError` where it does not continue the chain.
        """
        head = continued(self.head, raw, next_offset)
        if head is None:
            raise BrokenChainError(self.head.sequence)
        evolve(raw, changes)
        self.head = head
        if raw[OUTCOME_AT] == _BASIS_ADOPTED:
            self.adopt_if_basis(decode_record(raw))
        if raw[MARKS_AT]:
            self.has_twins = True

    def adopt_if_basis(self, record: LedgerRecord) -> None:
        """Follow a basis adoption met in the ledger."""
        if record.outcome is Outcome.BASIS_ADOPTED:
            self._follow(json.loads(record.cause.value)["basis"])

    def _follow(self, document: Mapping[str, object]) -> None:
        decider = document["decider"]
        self.unknown_decider = "" if decider in DECIDERS else str(decider)
        self.basis = None if self.unknown_decider else self._library.adopt(document)

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

    def accepts_loss(self, record: InputRecord) -> bool:
        """Whether this input moves the place where another is read on."""
        return record.topic == self._control and dict(record.headers).get("ce_type") == _LOST_HEADER

    def ends_batch(self, record: InputRecord) -> bool:
        """Whether what follows is read under another basis, by another slot or elsewhere."""
        return record.topic == self._control and (
            self.carries_basis(record) or self.gives_up(record) or self.accepts_loss(record)
        )

    def prepare(self, record: InputRecord, now: int) -> Prepared:
        """Read and check one input: the first `touches`."""
        topic = record.topic
        if topic.startswith(self._submissions):
            cause = Cause(
                CauseKind.SUBMISSION, topic, record.offset, record.key, record.headers, record.value
            )
            basis = self._basis()
            s = prepare_submission(
                cause, self.partition, topic[len(self._submissions) :], now, basis
            )
            if self.has_twins:
                look_for_twins(s, basis)
            return s
        if topic == self._control:
            cause = Cause(
                CauseKind.CONTROL, topic, record.offset, record.key, record.headers, record.value
            )
            return prepare_control(cause, *self._basis_carried(record))
        cause = Cause(
            CauseKind.OUTCOME, topic, record.offset, record.key, record.headers, record.value
        )
        target = self._basis().target_number(topic[len(self._outcomes) :])
        return prepare_outcome(cause, target)

    def more_keys(self, prepared: Prepared, view: View) -> tuple[bytes, ...]:
        """The keys that only the state could name; asked again until it names none."""
        if isinstance(prepared, TimerDue):
            record_key = prepared.record_key
        elif isinstance(prepared, MoveNoted):
            found = arrives_at(view, prepared.move_id)
            if found is None:
                return ()
            record_key = found
        else:
            return ()
        if keys.record(record_key) not in view:
            return (keys.record(record_key),)
        old = view.get(keys.record(record_key))
        if old is None or not flags_of(old) & RecordFlag.WAITING:
            return ()
        return self._keys_of_waiting(record_key, decode_state(old), view)

    def _keys_of_waiting(
        self, record_key: bytes, old: RecordState, view: View
    ) -> tuple[bytes, ...]:
        """Name the keys for deciding a waiting statement: the statement, then what it touches."""
        wanted: list[bytes] = [keys.unshown(record_key), keys.performance(record_key)]
        for entry in old.waiting:
            key = keys.waiting(record_key, entry.sequence)
            wanted.append(key)
            stored = view.get(key)
            if stored is None:
                continue
            kept = waiting.unpack_kept(stored)
            s = prepare_submission(
                kept.cause, self.partition, kept.department, self.head.decided_at, self._basis()
            )
            wanted += s.keys
            wanted.append(keys.waiting_of(kept.department))
        return tuple(key for key in dict.fromkeys(wanted) if key not in view)

    def step(self, view: View, prepared: Prepared, now: int) -> tuple[LedgerRecord, bytes] | None:
        """Decide, chain, pack. None when a timer or sweep step has nothing to say."""
        basis = self.basis
        record: LedgerRecord | None
        if basis is None and isinstance(prepared, BasisAdoption):
            basis = prepared.basis
        if basis is None:
            record = _refuse_before_basis(prepared, self.head, now)
        else:
            if self.has_twins and isinstance(prepared, Submission) and not prepared.twin_keys:
                # what was quarantined within this very batch was not known when it was read
                prepared.twin_keys = twin_keys_of(prepared, basis)
            record = decide(view, prepared, self.head, now, basis)
        if record is None:
            return None
        if self.head.sequence == 0 and self.owner != FIRST_OWNER:
            facts = (*record.facts, ("slot", self.owner))
            record = record._replace(facts=facts, marks=HAS_CONSEQUENCES)
        raw = encode_record(record)
        self.head = behind(self.head, raw, self.head.next_offset)
        self.adopt_if_basis(record)
        if record.marks and not self.has_twins:
            self.has_twins = any(name == "twin" for name, _value in record.facts)
        return record, raw

    def outputs(self, record: LedgerRecord) -> list[OutputRecord]:
        """Return the outputs of a ledger record besides itself.

        The verdict on a departure to the new key, and word of its arrival back to the old one.
        """
        if not record.facts:
            return []
        facts = dict(record.facts)
        verdict = MoveVerdict.from_facts(facts)
        if "word_to" in facts:
            told = word(facts)
            key = bytes.fromhex(facts["word_to"])
            return [self._message(record, kinds.MOVE_ARRIVED, key, told)]
        if verdict is None or "sent_to" not in facts:
            return []
        told = message(verdict, bytes.fromhex(facts["move_id"]))
        return [self._message(record, kinds.MOVE_NOTED, facts["sent_to"].encode(), told)]

    def _message(self, record: LedgerRecord, kind: str, key: bytes, value: bytes) -> OutputRecord:
        """A control message to the partition of a key."""
        headers = (
            ("ce_specversion", b"1.0"),
            ("ce_type", kind.encode()),
            ("ce_source", b"registrar"),
            ("ce_id", b"%d-%d" % (self.partition, record.sequence)),
        )
        partition = partition_of(key, self._basis().partitions)
        return OutputRecord(self._control, partition, key, value, headers)

    def sweep_under_way(self, view: View) -> SweepCursor | None:
        """The sweep that must go on, if any."""
        stored = view.get(keys.SWEEP)
        return SweepCursor.unpack(stored) if stored is not None else None

    def _basis(self) -> Basis:
        if self.basis is None:
            message = "no basis adopted: control is read before everything else"
            raise AssertionError(message)
        return self.basis

    def _basis_carried(self, record: InputRecord) -> tuple[Basis | None, str]:
        """The basis of a control message, or why it is refused (a reason's code)."""
        if not self.carries_basis(record):
            return None, "PAYLOAD_UNREADABLE"
        try:
            document = json.loads(record.value)["basis"]
            if document["decider"] not in DECIDERS:
                return None, "BASIS_DECIDER_UNKNOWN"
            basis = self._library.admit(document, self.basis)
        except HubError:
            return None, "BASIS_UNFIT"
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None, "PAYLOAD_UNREADABLE"
        count = basis.partitions if self.basis is None else self.basis.partitions
        if basis.partitions != count or self.partition >= count:
            return None, "PARTITIONS_CHANGED"
        return basis, ""


def _refuse_before_basis(prepared: Prepared, head: Head, now: int) -> LedgerRecord:
    """A control message in front of the first basis: written down, so that reading goes on."""
    code = prepared.why if isinstance(prepared, UnreadableMessage) else "PAYLOAD_UNREADABLE"
    reasons = (Reason(code, "", "error"),)
    return LedgerRecord(
        head.sequence, head.last_hash, now, prepared.cause, Outcome.CONTROL_REFUSED, 0, 0, NO_KEY,
        NO_KEY, 0, NO_SEQUENCE, NO_KEY, NEVER, NO_DIGEST, 0, None, None, "",
        getattr(prepared, "kind", ""), b"", (), reasons, (), b"",
    )  # fmt: skip
