"""The end of a ledger partition: what continues it, and what is declared where a part is gone.

Each partition has an *epoch*: 0, and one more with every loss that is declared. A head belongs to
the epoch it was seen in, so a declared loss never excuses a head that was seen after it.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.core.keys import Head
from hub.core.record import (
    DECIDED_AT,
    HASH_AT,
    OUTCOME_AT,
    SEQUENCE_AT,
    Outcome,
    decode_record,
    record_hash,
)
from hub.domain.reasons import message
from hub.errors import IntegrityError

if TYPE_CHECKING:
    from collections.abc import Mapping

LETTER: Final = Outcome.LOSS_ACCEPTED.encode()
LOST: Final = "LEDGER_END_LOST"
"""Code of what every follower and every audit says of it."""
_MOST_WORDS: Final = 400
_MOST_NAME: Final = 80
_MOST_SEEN_BY: Final = 64


class LedgerEndError(IntegrityError):
    """The ledger does not continue a head that was seen: it was cut, forged, or written twice."""

    def __init__(self, who: str, partition: int, head: Head, *, is_gone: bool) -> None:
        """`is_gone`: the record before `head` is no longer there; else a different one follows.

        `who` has seen the ledger up to `head`.
        """
        self.partition, self.head = partition, head
        last = head.sequence - 1
        digest = head.last_hash.hex()[:16] if any(head.last_hash) else "-"  # a report has none
        if is_gone:
            zh = f"{who} 见过序号 {last}（{digest}），台账中已没有这一条"
            en = f"{who} has seen sequence {last} ({digest}): it is gone"
        else:
            zh = f"{who} 见到序号 {last} 为止，其后的记录接不上"
            en = f"{who} has seen up to {last}: what follows does not continue it"
        said = message(LOST)
        super().__init__(
            f"台账分区 {partition}：{said.zh}（{LOST}）：{zh}\n"
            f"ledger[{partition}]: {said.en}: {en}\n"
            f"处理办法：{said.remedy}\nRemedy: {said.remedy_en}"
        )


class Seen(NamedTuple):
    """The end of a ledger partition as it was seen."""

    who: str
    partition: int
    head: Head


class Loss(NamedTuple):
    """A declared loss in one partition: records `first` to `last` were seen and are lost."""

    first: int
    """The first sequence that is lost."""
    last: int
    """The last one that was seen."""
    epoch: int
    """The partition's epoch from here on; heads of earlier ones are released."""
    next_offset: int
    """Behind the last record that is left of those before `first`: where a follower reads on."""
    kept: str
    """Hash of record `first` - 1, hex; zeros where none is left."""
    seen: str
    """Hash of record `last` as it was seen, hex; empty where only its number was."""
    seen_by: tuple[str, ...]
    operator: str
    because: str

    def covers(self, head: Head) -> bool:
        """Whether a reader that saw this head may go on from what is left."""
        return head.epoch < self.epoch and self.first < head.sequence <= self.last + 1

    def takes(self, epoch: int, sequence: int) -> bool:
        """Whether the ledger record that had this sequence in this epoch is declared lost."""
        return epoch < self.epoch and sequence >= self.first

    def as_content(self) -> dict[str, object]:
        """As `loss.accepted.v1` says it."""
        return {
            "from": self.first, "to": self.last, "epoch": self.epoch,
            "next_offset": self.next_offset, "kept": self.kept, "seen": self.seen,
            "seen_by": list(self.seen_by), "operator": self.operator, "reason": self.because,
        }  # fmt: skip


def read_loss(value: bytes) -> Loss:
    """Read a value of `as_content`, from any sender.

    Raises `ValueError`, `KeyError` or `TypeError` on anything else.
    """
    told = json.loads(value)
    loss = Loss(
        _unsigned(told["from"]), _unsigned(told["to"]), _unsigned(told["epoch"]),
        _unsigned(told["next_offset"]), _hex(told["kept"]), _hex(told["seen"]),
        tuple(_words(name, _MOST_NAME) for name in told["seen_by"]),
        _words(told["operator"], _MOST_NAME), _words(told["reason"], _MOST_WORDS),
    )  # fmt: skip
    if not (loss.first <= loss.last and loss.epoch and loss.operator and loss.because):
        raise ValueError(loss.first)
    if len(loss.seen_by) > _MOST_SEEN_BY or loss.epoch >= 1 << 15 or loss.last >= 1 << 48:
        raise ValueError(loss.epoch)
    return loss


def loss_in(raw: bytes) -> Loss | None:
    """Return the loss that a packed ledger record declares, if any; an unreadable one does not."""
    if raw[OUTCOME_AT : OUTCOME_AT + 1] != LETTER:
        return None
    try:
        return read_loss(decode_record(raw).cause.value)
    except (ValueError, KeyError, TypeError, IndexError, struct.error):
        return None


def continued(head: Head, raw: bytes, next_offset: int) -> Head | None:
    """The head behind a packed ledger record; None where the record does not continue the chain."""
    if (
        int.from_bytes(raw[SEQUENCE_AT : SEQUENCE_AT + 8]) != head.sequence
        or raw[HASH_AT : HASH_AT + 32] != head.last_hash
    ):
        return None
    return behind(head, raw, next_offset)


def behind(head: Head, raw: bytes, next_offset: int) -> Head:
    """The head behind the record that comes next, its chain not looked at."""
    decided_at = int.from_bytes(raw[DECIDED_AT : DECIDED_AT + 8])
    loss = loss_in(raw)
    epoch = head.epoch if loss is None else max(head.epoch, loss.epoch)
    return Head(head.sequence + 1, record_hash(raw), decided_at, next_offset, epoch)


def is_lost(losses: Mapping[int, list[Loss]], partition: int, epoch: int, sequence: int) -> bool:
    """Whether a referenced ledger record was declared lost; losses by partition."""
    return any(loss.takes(epoch, sequence) for loss in losses.get(partition, ()))


def _unsigned(told: object) -> int:
    if type(told) is not int or told < 0:
        raise ValueError(told)
    return told


def _hex(told: str) -> str:
    bytes.fromhex(told)
    return told


def _words(told: object, most: int) -> str:
    text = str(told)
    text.encode()  # JSON can say half a letter
    if len(text) > most:
        raise ValueError(len(text))
    return text
