"""`hub backup`: ledger, inputs, books, look-ups and site folder as one set, and back."""

from __future__ import annotations

from pathlib import Path

import click

from hub.backup.create import create, homes_of
from hub.backup.manifest import Manifest, verify
from hub.backup.restore import load_restored, restore_folders, restore_tables, restore_topics
from hub.config.basis_document import basis_document
from hub.config.kafka_access import OPERATOR
from hub.config.settings import read_settings
from hub.config.site import LoadedSite, load_site
from hub.core.basis import basis_id_of, canonical_json
from hub.embedded.parts import BackingServices

_FOLDER = click.Path(path_type=Path)
_LOOK_UPS = "不含查询库，由台账重建 / without the look-up tables; they are rebuilt from the ledger"


@click.group("backup")
def command() -> None:
    """备份与恢复 / Backup and restore."""


@command.command("create")
@click.option("--site", "site_folder", type=_FOLDER, required=True, help="站点目录 / site folder")
@click.option(
    "--to", "folder", type=_FOLDER, required=True, help="空目录 / an empty folder to write to"
)
@click.option("--without-look-ups", is_flag=True, help=_LOOK_UPS)
@click.option(
    "--with-secrets",
    is_flag=True,
    help="连同密钥、令牌与口令 / with keys, tokens and passwords: guard the backup like them",
)
def create_command(
    *, site_folder: Path, folder: Path, without_look_ups: bool, with_secrets: bool
) -> None:
    """取一份备份，枢纽可照常运行 / Take a backup, also beside a running hub."""
    settings = read_settings()
    parts = BackingServices(settings)
    loaded = load_site(site_folder)
    manifest = create(
        loaded,
        folder,
        parts.require_kafka(OPERATOR),
        None if without_look_ups else parts.require_dsn(),
        settings.state_folder,
        click.echo,
        basis=basis_id_of(canonical_json(basis_document(loaded))).hex(),
        with_secrets=with_secrets,
    )
    _show(manifest, folder)
    secrets, others = _left_out(manifest, loaded)
    if secrets:
        click.echo(
            f"未包含的秘密文件，请另行保管 secrets left out, keep them apart: {'、'.join(secrets)}"
        )
    _say_others(others)
    missing = [home for home in homes_of(loaded.site) if home not in manifest.homes]
    if missing:
        click.echo(_say_missing(missing, settings.state_folder), err=True)


def _left_out(manifest: Manifest, loaded: LoadedSite) -> tuple[list[str], list[str]]:
    """What the backup does not hold: secrets of the site, and what lies where others put files."""
    home, folders = loaded.folder.resolve(), {one.resolve() for one in loaded.exchange_folders()}
    kinds: tuple[list[str], list[str]] = [], []
    for name in manifest.left_out:
        kinds[not folders.isdisjoint((home / name).parents)].append(name)
    return kinds


def _say_others(names: list[str]) -> None:
    if names:
        click.echo(
            "部门或平台放置、未备份的（链接、空洞、过大或无权读取），需要的请其重新放置 "
            "not in the backup, put there by others (links, holes, too large, closed); who needs "
            f"one puts it there again: {'、'.join(names)}"
        )


def _say_missing(homes: list[str], state_folder: Path) -> str:
    """Under Compose and Kubernetes the operator's container sees nobody's state but its own."""
    return (
        f"警告 BOOKS_MISSING：状态目录 {state_folder} 中没有下列进程的目录，备份不含其账簿："
        f"{'、'.join(homes)}\n"
        f"warning: the state folder {state_folder} holds no home of these, so the backup holds none"
        " of their books\n"
        "处理办法：在能看到这些进程状态目录的机器或容器中取备份（HUB_STATE），"
        "或另行备份各自的状态卷；从未启动过的进程可以不管\n"
        "Remedy: take it where their state folders are seen (HUB_STATE), or back their volumes up "
        "apart; nothing is missing of one that never ran"
    )


@command.command("verify")
@click.argument("folder", type=_FOLDER)
def verify_command(*, folder: Path) -> None:
    """逐个文件核对备份 / Hold every file against the manifest."""
    _show(verify(folder), folder)


@command.command("restore")
@click.argument("folder", type=_FOLDER)
@click.option(
    "--site", "site_folder", type=_FOLDER, required=True,
    help="空目录，恢复出的站点 / an empty folder for the site",
)  # fmt: skip
@click.option("--without-look-ups", is_flag=True, help=_LOOK_UPS)
def restore_command(*, folder: Path, site_folder: Path, without_look_ups: bool) -> None:
    """恢复到空的机器；不覆盖任何内容 / Restore on an empty machine; nothing is overwritten."""
    settings = read_settings()
    parts = BackingServices(settings)
    access = parts.require_kafka(OPERATOR)
    manifest = restore_folders(folder, site_folder, settings.state_folder)
    loaded = load_restored(site_folder, manifest)
    restore_topics(folder, manifest, loaded, access, click.echo)
    if not without_look_ups:
        click.echo(
            f"查询库 look-up tables  {restore_tables(folder, manifest, parts.require_dsn())}"
        )
    _show(manifest, folder)
    secrets, others = _left_out(manifest, loaded)
    _say_others(others)
    missing = [name for name in secrets if not (site_folder / name).exists()]
    if missing:
        click.echo(
            f"请放回秘密文件 put back the secrets: {'、'.join(missing)}（{site_folder}）", err=True
        )
    click.echo(
        "接着 next: hub topics apply; hub audit verify; hub audit replay; "
        "再启动各工作进程 then start the workers"
    )


def _show(manifest: Manifest, folder: Path) -> None:
    ledger = manifest.topics.get("ledger", {})
    size = sum(file.size for file in manifest.files.values())
    click.echo(
        f"备份 backup {folder}: {manifest.site}，{manifest.created_at}，"
        f"台账 ledger {sum(one.records for one in ledger.values())} 条 records，"
        f"{len(manifest.files)} 个文件 files，{size / 1_000_000:.1f} MB"
    )
