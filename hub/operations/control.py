"""Wiring: builds the basis and the workers from a site folder and the repository's contracts."""

from __future__ import annotations

import json
from datetime import date
from functools import partial
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from hub.adapters.kafka.client import KafkaInputs, KafkaTransactions
from hub.adapters.kafka.topics import KafkaTopics
from hub.config.basis_document import basis_document
from hub.core.basis import canonical_json, compile_basis
from hub.core.trial import admit
from hub.domain import kinds
from hub.domain.rulebook import Rulebook
from hub.errors import ConfigurationError
from hub.operations.site_changes import (
    close_retired,
    refuse_lost_departments,
    refuse_numbers_in_use,
    refuse_other_partitions,
    uses_in_ledger,
)
from hub.ports import OutputRecord
from hub.provisioning.topics import (
    make_plan,
    names_of,
    read_families,
    wanted_topics,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hub.config.kafka_access import KafkaAccess
    from hub.config.site import LoadedSite, Site
    from hub.engine.events import LostInput


def adopt_basis(loaded: LoadedSite, access: KafkaAccess, *, again: bool = False) -> bool:
    """Send the site's basis to every partition of `control` unless it is the last one there.

    With `again` also then: the registrar may have refused the last one. Raises
    `ConfigurationError` where it must not follow the last one: see `next_basis`.
    """
    site = loaded.site
    control = site.topic("control")
    value, adopted = next_basis(loaded, access)
    last = {partition: each[-1] for partition, each in adopted.items()}
    missing = [p for p in range(site.partitions) if again or last.get(p) != value]
    if not missing:
        return False
    headers = (
        ("ce_specversion", b"1.0"), ("ce_type", kinds.BASIS_ADOPTED.encode()),
        ("ce_source", b"operator"),
        ("ce_id", sha256(value).hexdigest()[:32].encode()),
    )  # fmt: skip
    _send(loaded, access, [OutputRecord(control, p, b"", value, headers) for p in missing])
    return True


class NextBasis(NamedTuple):
    """The messages of an adoption, and the basis adopted before."""

    message: bytes
    """Of `control`."""
    adopted: dict[int, list[bytes]]
    """Partition → every basis sent to it, in order, as the messages have it."""


def next_basis(loaded: LoadedSite, access: KafkaAccess) -> NextBasis:
    """The site's basis as it is now, to follow the last one adopted.

    Raises `ConfigurationError` where it must not: a target, a department or a deadline of the last
    one is not in it any more, a target's number is in use, the number of partitions is another, or
    a rule fails at a sample row (`hub.core.trial`).
    """
    site = loaded.site
    families, names = read_families(), names_of(site)
    # raises where a topic has another number of partitions
    make_plan(site.prefix, wanted_topics(families, names), KafkaTopics(access).read(site.prefix))
    document = basis_document(loaded)
    inputs = KafkaInputs(access, f"{site.prefix}adopt", whole=site.topic("ledger"))

    def ends_of(department: str) -> list[int]:
        topic = site.topic(f"submissions.{department}")
        bounds = inputs.bounds([(topic, p) for p in range(site.partitions)])
        return [bounds[topic, p][1] for p in range(site.partitions)]

    try:
        adopted = _adopted(inputs, site)
        befores = [json.loads(each[-1])["basis"] for each in adopted.values()]
        refuse_unfit_after(befores, document)
        refuse_numbers_in_use(adopted, document, partial(uses_in_ledger, inputs, site))
        close_retired(document, befores, ends_of)
    finally:
        inputs.close()
    return NextBasis(canonical_json({"basis": document}), adopted)


def _adopted(inputs: KafkaInputs, site: Site) -> dict[int, list[bytes]]:
    """Every basis message of `control`, by partition, oldest first."""
    control = site.topic("control")
    found: dict[int, list[bytes]] = {}
    for batch in inputs.read_to_end({(control, p): 0 for p in range(site.partitions)}):
        for record in batch:
            if dict(record.headers).get("ce_type") == kinds.BASIS_ADOPTED.encode():
                found.setdefault(record.partition, []).append(record.value)
    return found


def refuse_unfit_after(befores: Iterable[dict[str, Any]], document: dict[str, Any]) -> None:
    """Refuse a basis that must not follow any of those adopted before.

    Raises `ConfigurationError` with what would be lost or what fails, and the remedy.
    """
    earlier = {canonical_json(each): each for each in befores}
    if not earlier:
        admit(document, None)
    for each in earlier.values():
        refuse_other_partitions(each, document)
        refuse_lost_departments(each, document)
        refuse_lost_targets(each, document)
        admit(document, compile_basis(each))


def refuse_lost_targets(before: dict[str, Any], after: dict[str, Any]) -> None:
    """A target once adopted stays in the site until it is retired, always under its number.

    Its number is a bit in every ledger record, and what it still shows must be withdrawn by a
    courier that the site names. Raises `ConfigurationError`.
    """
    now = {t["id"]: t["number"] for t in after["site"]["targets"]}
    for target in before["site"]["targets"]:
        is_left_out = target["id"] not in now
        if is_left_out and not target["kinds"] and target["number"] not in now.values():
            continue
        if now.get(target["id"]) != target["number"]:
            raise ConfigurationError(
                f"目标 {target['id']}（编号 {target['number']}）已启用过，不能删除、改名或改编号",
                f"target {target['id']} (number {target['number']}) has been in use: it cannot be "
                "dropped, renamed or renumbered",
                remedy_zh="保留该目标并写 retired: true：它所公示的将逐条撤下，不再收到新记录；"
                "全部撤下后可删去该目标，再下一次启用时其编号可给新目标",
                remedy_en="keep its entry and write retired: true: what it shows is withdrawn, "
                "nothing new is sent there; once all is withdrawn the entry may go, and by the "
                "adoption after that its number may be given again",
                file="site.yaml",
            )


def ask_partitions(
    loaded: LoadedSite, access: KafkaAccess, kind: str, request: Mapping[str, object]
) -> None:
    """Ask the same of every partition; see `resend_request` and `redecision_request`."""
    headers = (
        ("ce_specversion", b"1.0"), ("ce_type", kind.encode()), ("ce_source", b"operator"),
    )  # fmt: skip
    control, value = loaded.site.topic("control"), canonical_json(request)
    _send(loaded, access, [
        OutputRecord(control, p, b"", value, headers) for p in range(loaded.site.partitions)
    ])  # fmt: skip


def declare_losses(
    loaded: LoadedSite, access: KafkaAccess, losses: Mapping[int, Mapping[str, object]]
) -> None:
    """Declare ledger records of these partitions lost; see `hub.core.ledger_end.Loss`."""
    headers = (
        ("ce_specversion", b"1.0"), ("ce_type", kinds.LOSS_ACCEPTED.encode()),
        ("ce_source", b"operator"),
    )  # fmt: skip
    control = loaded.site.topic("control")
    _send(loaded, access, [
        OutputRecord(control, p, b"", canonical_json(loss), headers) for p, loss in losses.items()
    ])  # fmt: skip


def resend_request(target: str, begin: str, end: str, document: str) -> dict[str, str]:
    """A request as `resend.requested.v1` says it: dates are ISO, inclusive, empty for no bound."""
    return {"target": target, "decided_from": begin, "decided_to": end, "document": document}


def redecision_request(rule: str, rulebooks: Iterable[Rulebook], because: str) -> dict[str, object]:
    """A request as `redecision.requested.v1` says it: all that a rule ever spoke for.

    `rulebooks` are those that were ever adopted. Raises `ConfigurationError` for a rule that none
    of them has.
    """
    books = list(rulebooks)
    reaches = [reach for book in books if (reach := book.reach_of(rule)) is not None]
    if not reaches:
        known = sorted({each.id for book in books for each in book.rules()})
        raise ConfigurationError(
            f"启用过的规则集中没有规则 {rule}",
            f"no rulebook that was adopted has a rule {rule}",
            remedy_zh=f"可用的规则：{'、'.join(known)}",
            remedy_en=f"known rules: {', '.join(known)}",
            file="rulebook",
        )
    begin, ends = min(reach.since for reach in reaches), [reach.until for reach in reaches]
    return {
        "rule": rule,
        "kinds": sorted({kind for reach in reaches for kind in reach.kinds}),
        "decided_from": "" if begin == date.min else begin.isoformat(),
        "decided_to": "" if None in ends else max(end for end in ends if end).isoformat(),
        "reason": because,
    }


def _send(loaded: LoadedSite, access: KafkaAccess, records: list[OutputRecord]) -> None:
    """Control messages, all or none of them."""
    transactions = KafkaTransactions(access, f"{loaded.site.prefix}adopt")
    transactions.initialise()
    transactions.begin()
    transactions.produce(records)
    transactions.commit()


def declare_lost(
    loaded: LoadedSite, access: KafkaAccess, lost: Iterable[LostInput], operator: str, because: str
) -> None:
    """Declare inputs that are gone undecided, on the operator's responsibility; see `LostInput`."""
    headers = (("ce_type", kinds.INPUT_LOST.encode()), ("ce_source", b"operator"))
    records = [
        OutputRecord(
            loaded.site.topic("control"), one.partition, b"", canonical_json(
                {
                    "topic": one.topic, "first": one.first, "until": one.until,
                    "operator": operator, "reason": because,
                }
            ), headers,
        )
        for one in lost
    ]  # fmt: skip
    _send(loaded, access, records)


def give_partition(loaded: LoadedSite, access: KafkaAccess, partition: int, slot: int) -> None:
    """Tell the owner of a partition to give it up to another registrar slot.

    The owner writes the change as its last record there and stops; then both slots are started as
    `slots` in site.yaml says.
    """
    site = loaded.site
    value = canonical_json({"owner": f"registrar.{slot}"})
    headers = (("ce_specversion", b"1.0"), ("ce_type", kinds.MAP_CHANGED.encode()))
    _send(loaded, access, [OutputRecord(site.topic("control"), partition, b"", value, headers)])
