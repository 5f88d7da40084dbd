"""`hub topics`: what differs between `topics/*.yaml`, the site and the broker; making it so."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from hub.adapters.kafka.users import KafkaUsers
from hub.config.kafka_access import OPERATOR, KafkaAccess
from hub.config.repository import TOPICS
from hub.config.settings import read_settings
from hub.config.site import load_site
from hub.embedded.parts import BackingServices
from hub.errors import ConfigurationError
from hub.operations.site_plan import SitePlan, apply_site_plan, plan_site
from hub.provisioning.rights import Right, users_of
from hub.provisioning.topics import Alter, names_of, read_families

_FOLDER = click.Path(path_type=Path)
_site = click.option(
    "--site", "site_folder", type=_FOLDER, required=True, help="站点目录 / the site's folder"
)
_topics = click.option(
    "--topics",
    "topics_folder",
    type=_FOLDER,
    default=TOPICS,
    help="主题定义目录 / the folder of topic files",
)
_json = click.option("--json", "as_json", is_flag=True, help="以 JSON 输出 / print JSON")


@click.group("topics")
def command() -> None:
    """主题、用户与权限即代码，从不删除主题 / Topics, users, rights; no topic is deleted."""


@command.command("plan")
@_site
@_topics
@_json
def plan_command(*, site_folder: Path, topics_folder: Path, as_json: bool) -> None:
    """显示差异，不改动 / Show the difference, change nothing."""
    loaded, access = load_site(site_folder), _operator()
    _show(plan_site(loaded, access, topics_folder), as_json=as_json)


@command.command("apply")
@_site
@_topics
@_json
@click.option(
    "--revoke", is_flag=True, help="收回定义文件未列的权限 / take back rights no file speaks of"
)
def apply_command(*, site_folder: Path, topics_folder: Path, as_json: bool, revoke: bool) -> None:
    """显示差异并应用 / Show the difference and apply it."""
    loaded, access = load_site(site_folder), _operator()
    plan = plan_site(loaded, access, topics_folder)
    _show(plan, as_json=as_json)
    apply_site_plan(loaded, access, plan, revokes=revoke)
    if not as_json and not plan.is_empty:
        click.echo("已应用 / applied")


@command.command("rotate")
@_site
@click.argument("principals", nargs=-1, required=True)
def rotate_command(*, site_folder: Path, principals: tuple[str, ...]) -> None:
    """换新口令，写入口令文件 / New passwords, e.g. for dept.market; into their files.

    之后把文件交给该进程并重启它 / Then hand the file to the process and restart it.
    """
    site = load_site(site_folder).site
    known = {OPERATOR, *users_of(read_families(), names_of(site))}
    users = [name if name == OPERATOR else site.user(name) for name in principals]
    if unknown := sorted(set(users) - known):
        listed = [name.removeprefix(site.prefix) for name in sorted(known)]
        raise ConfigurationError(
            f"站点没有用户 {'、'.join(unknown)}",
            f"the site has no user {', '.join(unknown)}",
            remedy_zh=f"不带站点前缀填写，可用：{'、'.join(listed)}",
            remedy_en=f"without the site's prefix, one of: {', '.join(listed)}",
        )
    access = _operator()
    if access.secrets is None:
        raise ConfigurationError(
            "没有口令目录：这个 Kafka 不用口令，或未设 HUB_KAFKA_SECRETS",
            "there is no folder of passwords: this Kafka asks for none, or HUB_KAFKA_SECRETS is "
            "not set",
            remedy_zh="把 HUB_KAFKA_SECRETS 设为每个用户一个口令文件的目录",
            remedy_en="name the folder with one password file a user with HUB_KAFKA_SECRETS",
        )
    for user in users:
        KafkaUsers(access).rotate(access.of(user))
        click.echo(f"已换新口令 rotated: {user}")


def _operator() -> KafkaAccess:
    return BackingServices(read_settings()).require_kafka(OPERATOR)


def _show(plan: SitePlan, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({**asdict(plan.topics), "rights": asdict(plan.rights)}))
        return
    for create in plan.topics.creates:
        topic = create.topic
        settings = ", ".join(f"{key}={value}" for key, value in topic.config.items())
        click.echo(f"+ {topic.name}  {topic.partitions} 分区 partitions  {settings}")
    for alter in plan.topics.alters:
        click.echo(f"~ {alter.name}  {_change(alter)}")
    for name in plan.topics.unknown:
        click.echo(f"? {name}  无定义文件，不改动 / no file speaks of it; left alone")
    for user in plan.rights.users:
        click.echo(f"+ {user}  用户 user")
    for right in plan.rights.grants:
        click.echo(f"+ {_words(right)}")
    for right in plan.rights.ended:
        click.echo(f"- {_words(right)}  部门已撤并，收回 / its department is retired: taken back")
    for right in plan.rights.unknown:
        click.echo(
            f"? {_words(right)}  定义文件未列；收回请用 apply --revoke / no file speaks of it; "
            "taken back by apply --revoke"
        )
    for right in plan.rights.wide:
        click.echo(
            f"! {_words(right)}  未点名而及于本站点，不改动 / reaches into the site "
            "without naming it; left alone"
        )
    if plan.is_empty:
        click.echo("无差异 / no difference")


def _change(alter: Alter) -> str:
    default = "默认值 default"
    return f"{alter.setting}: {alter.now or default} → {alter.wanted or default}"


def _words(right: Right) -> str:
    """A right in a line: who, what, on what."""
    denied = "（禁止 denied）" if right.is_denial else ""
    rest = "*" if right.is_prefix else ""
    return f"{right.user}  {right.operation} {right.resource} {right.name}{rest}{denied}"
