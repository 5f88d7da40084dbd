"""`hub topics`: what differs between `topics/*.yaml` and the broker, and making it so."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from hub.adapters.kafka_topics import KafkaTopics
from hub.adapters.parts import Parts
from hub.kafka_access import OPERATOR
from hub.settings import read_settings
from hub.site import load_site
from hub.topics import (
    TOPICS_FOLDER,
    Alter,
    Plan,
    apply_plan,
    make_plan,
    names_of,
    read_families,
    wanted_topics,
)

_FOLDER = click.Path(path_type=Path)
_site = click.option(
    "--site", "site_folder", type=_FOLDER, required=True, help="站点目录 / the site's folder"
)
_topics = click.option(
    "--topics",
    "topics_folder",
    type=_FOLDER,
    default=TOPICS_FOLDER,
    help="主题定义目录 / the folder of topic files",
)
_json = click.option("--json", "as_json", is_flag=True, help="以 JSON 输出 / print JSON")


@click.group("topics")
def command() -> None:
    """主题即代码：显示差异并应用，从不删除 / Plan and apply topics; nothing is ever deleted."""


@command.command("plan")
@_site
@_topics
@_json
def plan_command(*, site_folder: Path, topics_folder: Path, as_json: bool) -> None:
    """显示差异，不改动 / Show the difference, change nothing."""
    _, plan, _ = _compare(site_folder, topics_folder)
    _show(plan, as_json=as_json)


@command.command("apply")
@_site
@_topics
@_json
def apply_command(*, site_folder: Path, topics_folder: Path, as_json: bool) -> None:
    """显示差异并应用 / Show the difference and apply it."""
    prefix, plan, admin = _compare(site_folder, topics_folder)
    _show(plan, as_json=as_json)
    apply_plan(prefix, plan, admin)
    if not as_json and not plan.is_empty:
        click.echo("已应用 / applied")


def _compare(site_folder: Path, topics_folder: Path) -> tuple[str, Plan, KafkaTopics]:
    names = names_of(load_site(site_folder).site)
    wanted = wanted_topics(read_families(topics_folder), names)
    admin = KafkaTopics(Parts(read_settings()).require_kafka(OPERATOR))
    return names.prefix, make_plan(names.prefix, wanted, admin.read(names.prefix)), admin


def _show(plan: Plan, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(asdict(plan), ensure_ascii=False))
        return
    for create in plan.creates:
        topic = create.topic
        settings = ", ".join(f"{key}={value}" for key, value in topic.config.items())
        click.echo(f"+ {topic.name}  {topic.partitions} 分区 partitions  {settings}")
    for alter in plan.alters:
        click.echo(f"~ {alter.name}  {_change(alter)}")
    for name in plan.unknown:
        click.echo(f"? {name}  无定义文件，不改动 / no file speaks of it; left alone")
    if plan.is_empty:
        click.echo("无差异 / no difference")


def _change(alter: Alter) -> str:
    default = "默认值 default"
    return f"{alter.setting}: {alter.now or default} → {alter.wanted or default}"
