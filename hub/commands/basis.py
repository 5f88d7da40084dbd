"""`hub basis`: what the hub decides under, what another would change, what is decided again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.audit.compare import basis_changes
from hub.audit.plan import BasisChangePlan
from hub.commands.rehearsals import rehearse_site
from hub.commands.words import CHANGES
from hub.config.kafka_access import OPERATOR
from hub.config.settings import read_settings
from hub.config.site import load_site
from hub.core.basis import canonical_json
from hub.domain import kinds
from hub.domain.rulebook import Rulebook
from hub.embedded.parts import BackingServices
from hub.errors import ConfigurationError
from hub.operations.control import adopt_basis, ask_partitions, next_basis, redecision_request

if TYPE_CHECKING:
    from hub.config.kafka_access import KafkaAccess
    from hub.config.site import LoadedSite

_SITE = click.option(
    "--site", "site_folder", type=click.Path(path_type=Path), required=True,
    help="站点目录 / the site's folder",
)  # fmt: skip
_EXAMPLES = click.option(
    "--examples", type=click.IntRange(0, 100), default=3, show_default=True,
    help="每项列出几条（台账位置）/ ledger places shown of each",
)  # fmt: skip


@click.group("basis")
def command() -> None:
    """决定的依据：规则、日历、站点与契约 / The basis of decisions."""


@command.command("plan")
@_SITE
@click.option("--json", "as_json", is_flag=True, help="以 JSON 输出 / print JSON")
@_EXAMPLES
def plan(*, site_folder: Path, as_json: bool, examples: int) -> None:
    """启用现行站点、规则与日历会改变什么；不发出 / Rehearse an adoption; sends nothing.

    在已记录的台账上试行：逐目标平台列出将公示、撤下、重算的条数；不能启用的说明原因（退出码 1）。
    Tried on the recorded ledger: what each target would show, take down, count anew; exit 1 with
    the reason where it cannot be adopted.
    """
    loaded, access = _of(site_folder)
    try:
        found = _planned(loaded, access, examples)
    except ConfigurationError as error:
        if not as_json:
            raise
        problem = error.problem
        refused = {
            "zh": problem.zh, "en": problem.en, "remedy_zh": problem.remedy_zh,
            "remedy_en": problem.remedy_en, "file": problem.file,
        }  # fmt: skip
        click.echo(json.dumps({"refused": refused}, ensure_ascii=False, indent=1))
        raise SystemExit(1) from None
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, indent=1))
    else:
        _say(found)


@command.command("adopt")
@_SITE
@click.option("--dry-run", is_flag=True, help="同 hub basis plan / the same as hub basis plan")
@click.option(
    "--again", is_flag=True,
    help="未变化也发出，用于上次被登记进程拒绝后 / also when unchanged: the last one was refused",
)  # fmt: skip
@_EXAMPLES
def adopt(*, site_folder: Path, dry_run: bool, again: bool, examples: int) -> None:
    """在每个分区采用当前依据；未变化则不做 / Adopt it in each partition unless unchanged.

    先列出将改变什么，然后直接启用 / Says first what will change, then adopts.
    """
    loaded, access = _of(site_folder)
    found = _planned(loaded, access, examples)
    if found["changes"] or dry_run:
        _say(found)
    if dry_run:
        return
    changed = adopt_basis(loaded, access, again=again)
    click.echo("已采用新的依据 / adopted" if changed else "依据没有变化 / unchanged")


@command.command("redecide")
@_SITE
@click.option("--rule", required=True, help="规则编号，如 periods-order-36 / the rule's id")
@click.option("--reason", "because", default="", help="理由，写入台账 / why, kept in the ledger")
@click.option("--dry-run", is_flag=True, help="只统计，不发出 / count, send nothing")
@_EXAMPLES
def redecide(*, site_folder: Path, rule: str, because: str, dry_run: bool, examples: int) -> None:
    """按改正后的规则，重新判定该规则判过的记录 / Decide again what a wrong rule had decided.

    公示、公示截止与期限改为：如果作出决定时就适用今天的规则，应有的样子；已到期撤下的也重新判定。
    What is shown, until when, and what is owed become as if today's rule had held then; what has
    expired is decided again, too. Each is a ledger record.
    """
    loaded, access = _of(site_folder)
    present, messages = next_basis(loaded, access)
    if any(each[-1] != present for each in messages.values()) or not messages:
        raise ConfigurationError(
            "站点的现行依据尚未启用",
            "the site's present basis has not been adopted",
            remedy_zh="先 hub basis adopt，再重新判定",
            remedy_en="hub basis adopt first, then decide again",
            file="site.yaml",
        )
    adopted = dict.fromkeys(message for each in messages.values() for message in each)
    rulebooks = [
        Rulebook.from_mapping(json.loads(message)["basis"]["rulebook"]) for message in adopted
    ]
    request = redecision_request(rule, rulebooks, because)
    if dry_run:
        counted = BasisChangePlan(examples)
        rehearse_site(
            loaded, access, kinds.REDECISION_REQUESTED, canonical_json(request), counted.take
        )
        _say(counted.as_mapping({t.number: t.id for t in loaded.site.targets}))
        return
    ask_partitions(loaded, access, kinds.REDECISION_REQUESTED, request)
    click.echo("已发出：登记进程逐条重新判定 / sent: the registrar decides each record again")


def _of(site_folder: Path) -> tuple[LoadedSite, KafkaAccess]:
    return load_site(site_folder), BackingServices(read_settings()).require_kafka(OPERATOR)


def _planned(loaded: LoadedSite, access: KafkaAccess, examples: int) -> dict[str, object]:
    """Rehearse an adoption; raises `ConfigurationError` for a basis that must not be adopted."""
    value, adopted = next_basis(loaded, access)
    document = json.loads(value)["basis"]
    last = dict.fromkeys(message[-1] for message in adopted.values())
    changes = [
        line for before in last for line in basis_changes(json.loads(before)["basis"], document)
    ]
    counted = BasisChangePlan(examples)
    if changes:
        rehearse_site(loaded, access, kinds.BASIS_ADOPTED, value, counted.take)
    names = {t.number: t.id for t in loaded.site.targets}
    return {"changes": list(dict.fromkeys(changes)), **counted.as_mapping(names)}


def _say(found: dict[str, object]) -> None:
    changes, targets, examples = (found.get(name) for name in ("changes", "targets", "examples"))
    if isinstance(changes, list):
        click.echo("依据的变化 / what differs:" if changes else "依据没有变化 / unchanged")
        for line in changes:
            click.echo(f"  {line}")
    if isinstance(targets, dict):
        for target, counts in targets.items():
            for change, number in counts.items():
                zh, en = CHANGES[change]
                places = examples[target][change] if isinstance(examples, dict) else []
                click.echo(f"{target}  {zh} {en}  {number}  {' '.join(places)}".rstrip())
    click.echo(f"涉及记录 {found['records']} 条 / {found['records']} records concerned")
