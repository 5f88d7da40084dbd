"""Check at every start of a reader that the ledger still holds what was last seen of it.

The last record that was seen is read again: where it is not there, or is another, the ledger was
cut, restored from an older backup, or written a second time. Then the loss must be declared, or
the reader stops.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from hub.core.keys import Head
from hub.core.ledger_end import LedgerEndError, Loss, Seen, is_lost, loss_in, read_loss
from hub.core.record import ZERO_HASH, record_hash
from hub.domain.kinds import LOSS_ACCEPTED
from hub.engine import requests
from hub.engine.courier_records import named_in
from hub.errors import IntegrityError
from hub.views.notices import seen_in

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator, Mapping

    from hub.engine.courier_records import ReportedRecord
    from hub.ports import InputRecord

    Asking = Generator[requests.Request, Any, Any]

ReplyT = TypeVar("ReplyT")


class Ask(Protocol):
    """How a request is answered: by a slot's driver, or by `answer_from`."""

    def __call__(self, request: requests.Request, /) -> Asking:
        """Return the reply."""


class Readable(Protocol):
    """The part of `hub.ports.Inputs` that a follower needs for it."""

    def read_to_end(self, positions: Mapping[tuple[str, int], int]) -> Iterator[list[InputRecord]]:
        """Read each partition from its position to the end it has now."""

    def bounds(
        self, partitions: Iterable[tuple[str, int]]
    ) -> Mapping[tuple[str, int], tuple[int, int]]:
        """Log start and end of each partition."""


def check_ends(
    put: Ask, ledger: str, who: str, heads: Mapping[int, Head], control: str = ""
) -> Generator[requests.Request, Any, dict[int, Loss]]:
    """Return the partitions whose seen end is gone, each with the loss that was declared of it.

    `heads` by partition; declarations are looked for in the ledger, and in `control` where one is
    named. Raises `LedgerEndError` for an end that is gone and was not declared lost.
    """
    gone = yield from _gone(put, ledger, heads)
    if not gone:
        return {}
    declared = yield from declared_losses(put, [t for t in (ledger, control) if t], gone)
    released: dict[int, Loss] = {}
    for partition in gone:
        losses = declared.get(partition, [])
        covering = [loss for loss in losses if loss.covers(heads[partition])]
        if not covering:
            raise LedgerEndError(who, partition, heads[partition], is_gone=True)
        released[partition] = covering[-1]
    return released


def check_witnesses(
    put: Ask, ledger: str, seen: Iterable[Seen], control: str
) -> Generator[requests.Request, Any, None]:
    """Find the end that the furthest reader of each partition saw, or a declaration of its loss.

    For one whose own state is gone, or is older than that. Raises `LedgerEndError`.
    """
    furthest: dict[int, Seen] = {}
    for one in sorted(seen, key=lambda each: (each.head.epoch, each.head.sequence)):
        furthest[one.partition] = one
    for who in sorted({one.who for one in furthest.values()}):
        heads = {one.partition: one.head for one in furthest.values() if one.who == who}
        yield from check_ends(put, ledger, who, heads, control)


def check_reports(
    put: Ask, ledger: str, reports: Mapping[tuple[str, int], int], heads: Mapping[int, Head],
    control: str,
) -> Generator[requests.Request, Any, None]:  # fmt: skip
    """Refuse couriers' reports on ledger records behind the end of their partition.

    `reports`: from where on to read the couriers' topics. Raises `LedgerEndError`, but not for
    a declared loss.
    """
    if not reports:
        return
    found: dict[int, tuple[str, ReportedRecord]] = {}
    yield from put(requests.FoldLedger(dict(reports)))
    while (batch := (yield from put(requests.NextFold()))) is not None:
        for record in batch:
            named = named_in(record.value) if record.value else None
            if named is not None and named.sequence >= heads[record.partition].sequence:
                found[record.partition] = (record.topic, named)
    if not found:
        return
    declared = yield from declared_losses(put, [ledger, control], found)
    for partition, (topic, named) in found.items():
        if not is_lost(declared, partition, named.epoch, named.sequence):
            who = f"courier.{topic.rpartition('outcomes.')[2]}"
            head = Head(named.sequence + 1, ZERO_HASH, 0, 0, named.epoch)
            raise LedgerEndError(who, partition, head, is_gone=True)


def last_records(
    put: Ask, topic: str, partitions: Iterable[int]
) -> Generator[requests.Request, Any, list[InputRecord]]:
    """The last record of each partition of a topic that is written without transactions."""
    bounds = yield from put(requests.Bounds([(topic, partition) for partition in partitions]))
    last = {place: end - 1 for place, (start, end) in bounds.items() if end > start}
    found: list[InputRecord] = []
    if last:
        yield from put(requests.FoldLedger(last))
        while (batch := (yield from put(requests.NextFold()))) is not None:
            found += batch
    return found


def seen_by_notices(records: Iterable[InputRecord]) -> Iterator[Seen]:
    """How far their follower had read the ledger when it wrote these notices."""
    for record in records:
        with suppress(ValueError, KeyError, TypeError, AttributeError, struct.error):
            yield Seen("notices", record.partition, seen_in(record.headers))


def _gone(
    put: Ask, ledger: str, heads: Mapping[int, Head]
) -> Generator[requests.Request, Any, list[int]]:
    bounds = yield from put(requests.Bounds([(ledger, partition) for partition in heads]))
    seen = {partition: head for partition, head in heads.items() if head.sequence}
    at: dict[tuple[str, int], int] = {}
    for place, (start, end) in bounds.items():
        if start > 0:
            raise IntegrityError(_say_no_beginning(place, start))
        head = seen.get(place[1])
        if head is not None and head.next_offset <= end:
            at[place] = head.next_offset - 1
    found: dict[int, InputRecord] = {}
    yield from put(requests.FoldLedger(at))
    while len(found) < len(at):
        batch = yield from put(requests.NextFold())
        if batch is None:
            break
        for record in batch:
            found.setdefault(record.partition, record)
    yield from put(requests.FoldLedger({}))
    return [
        partition
        for partition, head in seen.items()
        if partition not in found
        or found[partition].offset != head.next_offset - 1
        or record_hash(found[partition].value) != head.last_hash
    ]


def declared_losses(
    put: Ask, topics: Iterable[str], partitions: Iterable[int], starts: Mapping[int, int] = {}
) -> Generator[requests.Request, Any, dict[int, list[Loss]]]:
    """Every loss that a message of these topics declares, by partition, in their order.

    `starts`: from which offset on; from the first where none is named.
    """
    partitions = list(partitions)
    declared: dict[int, list[Loss]] = {}
    for topic in topics:
        places = {(topic, partition): starts.get(partition, 0) for partition in partitions}
        yield from put(requests.FoldLedger(places))
        while (batch := (yield from put(requests.NextFold()))) is not None:
            for record in batch:
                loss = declared_by(record)
                if loss is not None:
                    declared.setdefault(record.partition, []).append(loss)
    return declared


def declared_by(record: InputRecord) -> Loss | None:
    """The loss that a record of the ledger, or of `control`, declares; None for any other."""
    if not record.headers:
        return loss_in(record.value) if record.value else None
    if dict(record.headers).get("ce_type") != LOSS_ACCEPTED.encode():
        return None
    try:
        return read_loss(record.value)
    except (ValueError, KeyError, TypeError):
        return None


def answer_from(inputs: Readable) -> Ask:
    """Answer what is asked here from a reader; `settle` runs what asks."""
    batches: list[Any] = [iter(())]

    def put(request: requests.Request) -> Asking:
        yield from ()
        match request:
            case requests.Bounds(places):
                return inputs.bounds(places)
            case requests.FoldLedger(positions):
                batches[0] = inputs.read_to_end(positions)
            case requests.NextFold():
                return next(batches[0], None)
        return None

    return put


def settle(asking: Generator[requests.Request, Any, ReplyT]) -> ReplyT:
    """Run what asks through `answer_from`; it never has to wait."""
    try:
        next(asking)
    except StopIteration as ended:
        found: ReplyT = ended.value
        return found
    raise AssertionError("asked of nobody")


def _say_no_beginning(place: tuple[str, int], start: int) -> str:
    return (
        f"台账分区 {place[1]} 的开头已丢失，现从位置 {start} 开始\n"
        f"ledger[{place[1]}] has lost its beginning: it starts at offset {start}\n"
        "处理办法：台账应永久保留；从备份恢复\n"
        "Remedy: the ledger is kept for ever; restore it from a backup"
    )
