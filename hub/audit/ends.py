"""Is the end of a ledger partition the one that others have seen? And if not, what is missing.

A ledger that was cut is whole in itself: only who has seen more can tell. The registrar, couriers
and receipts say in their folders what they saw, the projector in its tables, the notices in each of
them, anchors on another machine; a report of a courier names the ledger record it is about.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, NamedTuple
from zlib import crc32

from hub.audit.finding import AuditFinding
from hub.core.ledger_end import LOST, Loss, is_lost, loss_in
from hub.core.record import ZERO_HASH
from hub.engine.courier_records import named_in

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hub.core.ledger_end import Seen
    from hub.core.record import LedgerRecord

_MOST_NAMED = 12
"""Witnesses named in one finding."""
_MOST_SKIPPED = 1 << 20


class LostEnd(NamedTuple):
    """The loss of one partition: records `first` to `last`, and the records left before them."""

    partition: int
    first: int
    last: int
    kept: str
    """Hash of record `first` - 1, hex."""
    next_offset: int
    """Behind it."""
    seen: str
    """Hash of record `last`, hex, where it was seen."""
    epoch: int
    """One above any that was seen: that of a loss which is declared of it."""
    seen_by: tuple[str, ...]

    def as_loss(self, operator: str, because: str) -> Loss:
        """The same, declared."""
        return Loss(
            self.first, self.last, self.epoch, self.next_offset, self.kept, self.seen,
            self.seen_by[:_MOST_NAMED], operator, because,
        )  # fmt: skip

    def finding(self) -> AuditFinding:
        """As an audit says it."""
        named = "; ".join(self.seen_by[:_MOST_NAMED])
        more = len(self.seen_by) - _MOST_NAMED
        detail = f"{self.first}–{self.last}, seen by {named}" + (f" (+{more})" if more > 0 else "")
        return AuditFinding(LOST, self.partition, self.first, detail=detail)


class _Report(NamedTuple):
    """A courier's report that does not fit the record it is about."""

    who: str
    epoch: int
    sequence: int


class EndOfPartition:
    """Holds one ledger partition, record by record, against what others have seen of it."""

    def __init__(self, partition: int, seen: Iterable[Seen]) -> None:
        self._partition = partition
        self._at: dict[int, list[Seen]] = {}
        for one in seen:
            if one.partition == partition and one.head.sequence:
                self._at.setdefault(one.head.sequence, []).append(one)
        self._named: array[int] = array("I")
        """Of each ledger record: which record it names a target for, in 32 bits; 0 for none."""
        self._agreed = (0, ZERO_HASH, 0)
        """The furthest head that was found: how many records, hash, next offset."""
        self._end = self._agreed
        self._gone: list[Seen] = []
        self._reports: list[_Report] = []
        self._epoch = 0
        self.losses: list[Loss] = []
        self._waiting: list[Loss] = []
        """Declared in `control`, and not in the ledger (any more)."""

    def take(self, sequence: int, raw: bytes, digest: bytes, following: int) -> None:
        """The next record in its place; `following` is the Kafka offset behind it."""
        loss = loss_in(raw)
        if loss is not None:
            self.losses.append(loss)
            self._epoch = max(self._epoch, loss.epoch)
        self._end = (sequence + 1, digest, following)
        for one in self._at.pop(sequence + 1, ()):
            if one.head.last_hash == digest:
                self._agreed = self._end
            else:
                self._gone.append(one)

    def name(self, record: LedgerRecord) -> None:
        """Ledger records that couriers may refer to."""
        targets = record.publish_targets | record.withdraw_targets
        mark, named = (crc32(record.record_key) or 1) if targets else 0, self._named
        if record.sequence < len(named):
            named[record.sequence] = mark
        elif record.sequence - len(named) < _MOST_SKIPPED:
            named.extend([0] * (record.sequence - len(named)))
            named.append(mark)

    def wait_for(self, loss: Loss) -> None:
        """A declared loss that the ledger does not hold."""
        self._waiting.append(loss)

    def names(self, sequence: int, record_key: bytes) -> bool:
        """Whether the ledger record of this sequence names a target for this record."""
        mark = crc32(record_key) or 1
        return 0 <= sequence < len(self._named) and self._named[sequence] == mark

    def has_given_up(self, epoch: int, sequence: int) -> bool:
        """Whether a ledger record that is referred to is in a loss that the ledger declares."""
        return is_lost({self._partition: self.losses}, self._partition, epoch, sequence)

    def report(self, topic: str, value: bytes) -> None:
        """A courier's report: the ledger record it is about must be there, and about the same."""
        told = named_in(value)
        if told is None or self.names(told.sequence, told.record_key):
            return
        if len(self._reports) < 1 << 16:
            who = f"courier.{topic.rpartition('outcomes.')[2]}"
            self._reports.append(_Report(who, told.epoch, told.sequence))

    def lost(self) -> LostEnd | None:
        """Return the loss that was not declared; None where there is none."""
        heads = [*self._gone, *(one for ones in self._at.values() for one in ones)]
        heads = [h for h in heads if not any(loss.covers(h.head) for loss in self.losses)]
        reports = [r for r in self._reports if not self.has_given_up(r.epoch, r.sequence)]
        if not heads and not reports:
            return None
        last = max([h.head.sequence - 1 for h in heads] + [r.sequence for r in reports])
        epochs = [h.head.epoch for h in heads] + [r.epoch for r in reports]
        is_cut = (
            all(h.head.sequence > self._end[0] for h in heads)
            and all(r.sequence >= self._end[0] for r in reports)
            and self._begins_behind(max(epochs))
        )
        first, digest, following = self._end if is_cut else self._agreed
        seen = next((h.head.last_hash.hex() for h in heads if h.head.sequence == last + 1), "")
        said = {h.who: h.head.sequence - 1 for h in sorted(heads, key=lambda h: h.head.sequence)}
        for report in sorted(reports, key=lambda one: one.sequence):
            said[report.who] = max(report.sequence, said.get(report.who, 0))
        return LostEnd(
            self._partition, min(first, last), last, digest.hex(), following, seen,
            max(self._epoch, *epochs) + 1,
            tuple(f"{who} {sequence}" for who, sequence in said.items()),
        )  # fmt: skip

    def _begins_behind(self, epoch: int) -> bool:
        """Whether what was seen in this epoch goes on from what is left.

        An epoch that the ledger does not know began with a loss somewhere: before the end that is
        left, unless its declaration says otherwise.
        """
        known = [loss.epoch for loss in self._waiting if loss.first >= self._end[0]]
        return epoch <= max([self._epoch, *known])
