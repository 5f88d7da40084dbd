"""Who has seen how far the ledger went, asked where each keeps it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from hub.adapters.head_files import BrokenAnchorError, read_anchors, read_heads
from hub.adapters.postgres.lookups import LookUps
from hub.adapters.postgres.tables import schema_of
from hub.core.keys import GENESIS, Head
from hub.core.ledger_end import Seen, behind
from hub.embedded.parts import BackingServices
from hub.engine.courier_records import decode_event
from hub.engine.ledger_end import answer_from, last_records, seen_by_notices, settle
from hub.errors import ConfigurationError, HubError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from hub.adapters.kafka.client import KafkaInputs
    from hub.audit.ends import EndOfPartition, LostEnd
    from hub.config.settings import Settings
    from hub.config.site import Site


class Witnesses(NamedTuple):
    """Ends that were seen, by whom, and which files of anchors are not whole."""

    seen: list[Seen]
    asked: list[str]
    broken: list[BrokenAnchorError]


class SentOfLost(NamedTuple):
    """A delivery of a ledger record that is lost: the platform may hold it."""

    target: str
    partition: int
    sequence: int
    record: bytes
    version: int
    action: str
    stage: str
    """The last that is known of it."""
    delivery: str = ""
    """Its id, where the courier's attempts still hold it."""

    def text(self) -> str:
        """Coordinates for people; nothing of the record's content."""
        delivery = f"投递 delivery {self.delivery}, " if self.delivery else ""
        return (
            f"{self.target}: ledger[{self.partition}] {self.sequence}, {delivery}"
            f"记录 record {self.record.hex()} v{self.version}, {self.action}, {self.stage}"
        )


def ask_witnesses(
    site: Site, inputs: KafkaInputs, settings: Settings, anchors: Path | None
) -> Witnesses:
    """Ask all that can be reached from here; what cannot is left out and not named.

    Raises `UnavailableError` when Kafka does not answer, `ConfigurationError` where the named
    folder holds no anchors: who names one relies on it.
    """
    folder = anchors or settings.anchors
    seen = list(read_heads(settings.workers_of(site.site)))
    seen += _of_notices(site, inputs)
    seen += _of_look_ups(site, settings)
    broken: list[BrokenAnchorError] = []
    for one in _of_anchors(folder) if folder is not None else ():
        if isinstance(one, Seen):
            seen.append(one)
        else:
            broken.append(one)
    if anchors is not None and not broken and not any(s.who.startswith("anchor ") for s in seen):
        raise _no_anchors(anchors)
    asked = dict.fromkeys(one.who.partition(":")[0] for one in seen)
    return Witnesses(seen, list(asked), broken)


def _of_anchors(folder: Path) -> Iterator[Seen | BrokenAnchorError]:
    try:
        yield from read_anchors(folder)
    except OSError as error:
        raise _no_anchors(folder) from error


def _no_anchors(folder: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{folder}：目录中没有可读的锚点文件",
        f"{folder}: this folder holds no anchors that can be read",
        remedy_zh="指明 hub audit anchor 或 HUB_ANCHORS 写入的目录（ledger-0.jsonl 等）",
        remedy_en="name the folder that hub audit anchor or HUB_ANCHORS writes (ledger-0.jsonl …)",
    )


def _of_look_ups(site: Site, settings: Settings) -> Iterator[Seen]:
    """The projector's position; a database that is away has seen nothing."""
    with suppress(HubError):
        with LookUps(BackingServices(settings).require_dsn(), schema_of(site.prefix)) as books:
            positions = books.positions()
        for position in positions:
            yield Seen("projector", position.partition, position.head)


def _of_notices(site: Site, inputs: KafkaInputs) -> Iterator[Seen]:
    """Return the position of the last notice of each partition."""
    asking = last_records(answer_from(inputs), site.topic("notices"), range(site.partitions))
    yield from seen_by_notices(settle(asking))


def ledger_head(inputs: KafkaInputs, topic: str, partition: int) -> Head:
    """The end of a ledger partition as it is now; its chain is not looked at.

    The epoch is that of the last declared loss, so the whole partition may have to be read.
    """
    head = GENESIS
    for batch in inputs.read_to_end({(topic, partition): 0}):
        for record in batch:
            head = behind(head, record.value, record.offset + 1)
    return head


def with_deliveries(
    site: Site,
    inputs: KafkaInputs,
    settings: Settings,
    ends: list[LostEnd],
    left: Mapping[int, EndOfPartition],
) -> tuple[list[LostEnd], list[SentOfLost]]:
    """Return what couriers have sent of lost records, and the ends with what they saw beyond.

    `left`, by partition: what the ledger still names. Attempts say with ids what was sent; where
    they are as old as the ledger, the look-ups may know.
    """
    lost = {end.partition: end for end in ends}
    sent = {
        _place(one): one
        for one in _named(site, settings, lost)
        if not left[one.partition].names(one.sequence, one.record)
    }
    for target in site.targets:
        places = [(site.topic(f"attempts.{target.id}"), partition) for partition in lost]
        bounds = inputs.bounds(places)
        for batch in inputs.read_to_end({place: bounds[place][0] for place in places}):
            for record in batch:
                event = decode_event(record.value, record.key)
                work, end = event.work, lost.get(event.work.partition)
                if (
                    end is None
                    or left[end.partition].names(work.sequence, work.record_key)
                    or left[end.partition].has_given_up(work.epoch, work.sequence)
                ):
                    continue
                lost[end.partition] = end._replace(
                    last=max(end.last, work.sequence),
                    seen=end.seen if work.sequence <= end.last else "",
                    epoch=max(end.epoch, work.epoch + 1),
                )
                stage = event.stage or event.result or "intended"
                one = SentOfLost(
                    target.id, work.partition, work.sequence, work.record_key, work.version,
                    work.action, stage, event.delivery,
                )  # fmt: skip
                sent[_place(one)] = one
    return list(lost.values()), [sent[place] for place in sorted(sent)]


def _place(one: SentOfLost) -> tuple[str, int, int, bytes]:
    """In two epochs one sequence may have been given to two records."""
    return one.target, one.partition, one.sequence, one.record


def _named(site: Site, settings: Settings, lost: Mapping[int, LostEnd]) -> Iterator[SentOfLost]:
    """Return lost records in the look-ups that name a target, with its last stage."""
    with suppress(HubError):
        with LookUps(BackingServices(settings).require_dsn(), schema_of(site.prefix)) as books:
            found = {end.partition: books.named_from(p, end.first) for p, end in lost.items()}
        names = {target.number: target.id for target in site.targets}
        for rows in found.values():
            for row in rows:
                yield SentOfLost(
                    names.get(row.target, str(row.target)), row.partition, row.sequence,
                    row.record_key, row.version, row.action, row.stage,
                )  # fmt: skip
