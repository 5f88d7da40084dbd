"""Wiring: builds the basis and the workers from a site folder and the repository's contracts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import yaml

from hub.adapters.kafka import KafkaInputs, KafkaTransactions
from hub.adapters.kafka_rights import KafkaRights
from hub.adapters.kafka_topics import KafkaTopics
from hub.adapters.kafka_users import KafkaUsers, ensure_password
from hub.contracts import Contracts, load_contracts
from hub.core.basis import DECIDER_VERSION, canonical_json, compile_basis
from hub.core.trial import admit
from hub.domain import kinds
from hub.domain.rulebook import Rulebook
from hub.errors import ConfigurationError
from hub.ports import OutputRecord
from hub.repository import contract_texts
from hub.rights import RightsPlan, make_rights_plan, users_of, wanted_rights
from hub.topics import (
    TOPICS_FOLDER,
    Plan,
    apply_plan,
    make_plan,
    names_of,
    read_families,
    wanted_topics,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from hub.kafka_access import KafkaAccess
    from hub.site import LoadedSite


def load_repository_contracts() -> Contracts:
    """The contracts of this checkout, compiled."""
    return load_contracts(contract_texts())


def basis_document(loaded: LoadedSite) -> dict[str, object]:
    """The basis this site decides under, as one JSON document: all that `decide` may depend on."""
    site = loaded.site
    return {
        "decider": DECIDER_VERSION,
        "contracts": contract_texts(),
        "rulebook": _parsed(loaded.path(site.rulebook)),
        "calendar": _parsed(loaded.path(site.calendar)),
        "site": {
            "site": site.site,
            "partitions": site.partitions,
            "departments": {
                d.id: {
                    "kind": d.kind,
                    "authorities": sorted(d.authorities),
                    "may_act_on": sorted(d.may_act_on),
                    "states": sorted(set(d.states)),
                }
                for d in site.departments
            },
            "targets": [
                {
                    "id": t.id,
                    "number": t.number,
                    "role": t.role,
                    "public": t.public,
                    "kinds": [] if t.retired else sorted(t.kinds),
                    "clock_from": t.clock_from,
                    "clearance": sorted(t.clearance),
                }
                for t in sorted(site.targets, key=lambda t: t.number)
            ],
        },
    }


def _parsed(path: Path) -> object:
    """YAML or JSON as plain values; dates become ISO text, as JSON has them.

    JSON is YAML, too, but a calendar of twenty years takes 0.3 s when it is read as that.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, json.JSONDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(
            "无法读取规则或日历文件",
            f"rulebook or calendar cannot be read: {error}",
            remedy_zh="检查 site.yaml 中的路径与文件内容",
            remedy_en="check the path in site.yaml and the file",
            file=str(path),
        ) from error
    return json.loads(json.dumps(content, ensure_ascii=False, default=str))


@dataclass(frozen=True, slots=True)
class SitePlan:
    """What the broker lacks of a site: topics, users, rights."""

    topics: Plan
    rights: RightsPlan

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to apply."""
        return self.topics.is_empty and self.rights.is_empty


def plan_site(loaded: LoadedSite, access: KafkaAccess, folder: Path = TOPICS_FOLDER) -> SitePlan:
    """Compare the files of `folder` and the site with the broker.

    On a developer's broker without authentication there are no users and no rights.
    """
    families, names = read_families(folder), names_of(loaded.site)
    prefix = names.prefix
    topics = make_plan(prefix, wanted_topics(families, names), KafkaTopics(access).read(prefix))
    if not access.user:
        return SitePlan(topics, RightsPlan((), (), ()))
    users, wanted = users_of(families, names), wanted_rights(families, names)
    known, actual = KafkaUsers(access).known(users), KafkaRights(access).read(prefix)
    return SitePlan(topics, make_rights_plan(prefix, users, known, wanted, actual))


def apply_site_plan(
    loaded: LoadedSite, access: KafkaAccess, plan: SitePlan, *, revokes: bool = False
) -> None:
    """Make it so; `revokes`: also take back the rights no file speaks of.

    A user that is new gets the password of its file, which is made where it is missing.
    """
    apply_plan(loaded.site.prefix, plan.topics, KafkaTopics(access))
    if access.secrets is None:
        return
    for user in plan.rights.users:
        ensure_password(access.secrets / user)
    KafkaUsers(access).admit(access.of(user) for user in plan.rights.users)
    KafkaRights(access).grant(plan.rights.grants)
    if revokes:
        KafkaRights(access).revoke(plan.rights.unknown)


def prepare_site(loaded: LoadedSite, access: KafkaAccess) -> bool:
    """Create the site's topics, users and rights and adopt its basis; True when it was adopted.

    Safe to repeat: nothing is ever deleted, an unchanged basis is not adopted twice.
    """
    apply_site_plan(loaded, access, plan_site(loaded, access))
    return adopt_basis(loaded, access)


def adopt_basis(loaded: LoadedSite, access: KafkaAccess) -> bool:
    """Send the site's basis to every partition of `control` unless it is the last one there.

    Raises `ConfigurationError` where it must not follow the last one: see `hub.core.trial`.
    """
    site = loaded.site
    control, value = site.topic("control"), basis_message(loaded)
    last = {p: sent[-1] for p, sent in adopted_messages(loaded, access).items()}
    refuse_unfit_after(last.values(), json.loads(value)["basis"])
    missing = [p for p in range(site.partitions) if last.get(p) != value]
    if not missing:
        return False
    headers = (
        ("ce_specversion", b"1.0"), ("ce_type", kinds.BASIS_ADOPTED.encode()),
        ("ce_source", b"operator"),
        ("ce_id", sha256(value).hexdigest()[:32].encode()),
    )  # fmt: skip
    _send(loaded, access, [OutputRecord(control, p, b"", value, headers) for p in missing])
    return True


def basis_message(loaded: LoadedSite) -> bytes:
    """The message of `control` that adopts the site's basis as it is now."""
    return canonical_json({"basis": basis_document(loaded)})


def adopted_messages(loaded: LoadedSite, access: KafkaAccess) -> dict[int, list[bytes]]:
    """Partition → every basis sent to it by `control`, in order, as the messages have it."""
    site = loaded.site
    places = {(site.topic("control"), p): 0 for p in range(site.partitions)}
    inputs = KafkaInputs(access, f"{site.prefix}adopt")
    sent: dict[int, list[bytes]] = {}
    try:
        for batch in inputs.read_to_end(places):
            for record in batch:
                if dict(record.headers).get("ce_type") == kinds.BASIS_ADOPTED.encode():
                    sent.setdefault(record.partition, []).append(record.value)
    finally:
        inputs.close()
    return sent


def refuse_unfit_after(before: Iterable[bytes], document: dict[str, Any]) -> None:
    """Refuse a basis that must not follow the ones that messages of `control` have adopted.

    Raises `ConfigurationError` with what would be lost or what fails, and the remedy.
    """
    earlier = [json.loads(message)["basis"] for message in dict.fromkeys(before)]
    if not earlier:
        admit(document, None)
    for each in earlier:
        refuse_lost_targets(each, document)
        admit(document, compile_basis(each))


def refuse_lost_targets(before: dict[str, Any], after: dict[str, Any]) -> None:
    """A target once adopted stays in the site, under its number and name.

    Its number is a bit in every ledger record, and what it still shows must be withdrawn by a
    courier that the site names. Raises `ConfigurationError`.
    """
    now = {t["id"]: t["number"] for t in after["site"]["targets"]}
    for target in before["site"]["targets"]:
        if now.get(target["id"]) != target["number"]:
            raise ConfigurationError(
                f"目标 {target['id']}（编号 {target['number']}）已启用过，不能删除、改名或改编号",
                f"target {target['id']} (number {target['number']}) has been in use: it cannot be "
                "dropped, renamed or renumbered",
                remedy_zh="保留该目标并写 retired: true：它所公示的将逐条撤下，不再收到新记录",
                remedy_en="keep its entry and write retired: true: what it shows is withdrawn, "
                "nothing new is sent there",
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


def give_partition(loaded: LoadedSite, access: KafkaAccess, partition: int, slot: int) -> None:
    """Tell the owner of a partition to give it up to another registrar slot.

    The owner writes the change as its last record there and stops; then both slots are started as
    `slots` in site.yaml says.
    """
    site = loaded.site
    value = canonical_json({"owner": f"registrar.{slot}"})
    headers = (("ce_specversion", b"1.0"), ("ce_type", kinds.MAP_CHANGED.encode()))
    _send(loaded, access, [OutputRecord(site.topic("control"), partition, b"", value, headers)])
