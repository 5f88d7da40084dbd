"""How far the ledger has decided each input, and what of an input is gone that it has not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.core.evolve import evolve
from hub.core.keys import position
from hub.core.record import OUTCOME_AT, Outcome, decode_record, topic_id
from hub.engine.events import LostInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.adapters.kafka.client import KafkaInputs
    from hub.config.site import Site

_INPUT_LOST = ord(Outcome.INPUT_LOST.value)


def lost_inputs(inputs: KafkaInputs, site: Site) -> list[LostInput]:
    """Every input partition whose next record, by the ledger, is not retained any more.

    Raises `BrokerFailure`. Reads the ledger of the partitions that have lost a beginning.
    """
    topics = [topic for topic in site.input_topics if topic != site.topic("control")]
    bounds = inputs.bounds([(topic, p) for topic in topics for p in range(site.partitions)])
    lost: list[LostInput] = []
    for partition in sorted({p for (_topic, p), (start, _end) in bounds.items() if start}):
        state = _inputs_read(inputs, site, partition)
        for topic in topics:
            stored = state.get(position(topic_id(topic)))
            following = 0 if stored is None else int.from_bytes(stored) + 1
            start, _end = bounds[topic, partition]
            if following < start:
                lost.append(LostInput(topic, partition, following, start))
    return lost


def _inputs_read(inputs: KafkaInputs, site: Site, partition: int) -> Mapping[bytes, bytes | None]:
    """The last cause of each topic in one partition of the ledger, as the registrar keeps it."""
    read: dict[bytes, bytes | None] = {}
    for batch in inputs.read_to_end({(site.topic("ledger"), partition): 0}):
        changes: dict[bytes, bytes | None] = {}
        for record in batch:
            evolve(record.value, changes)
        family = position(b"")
        read.update({key: value for key, value in changes.items() if key.startswith(family)})
    return read


def accepted_losses(inputs: KafkaInputs, site: Site) -> Mapping[tuple[str, int], int]:
    """(topic, partition) → the offset up to which an operator answers for what is gone."""
    accepted: dict[tuple[str, int], int] = {}
    places = {(site.topic("ledger"), p): 0 for p in range(site.partitions)}
    for batch in inputs.read_to_end(places):
        for record in batch:
            if record.value and record.value[OUTCOME_AT] == _INPUT_LOST:
                facts = dict(decode_record(record.value).facts)
                accepted[facts["lost"], record.partition] = int(facts["lost_until"])
    return accepted
