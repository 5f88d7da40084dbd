"""`hub deploy`: the files under `deploy/`, made out for a site."""

import json
import shutil
from pathlib import Path

import click

from hub.config.repository import DEPLOY
from hub.config.site import load_site
from hub.errors import ConfigurationError
from hub.provisioning.deployment import kafka_users, processes_of, rendered
from hub.provisioning.topics import names_of, read_families

_FOLDERS = ("systemd", "kafka", "kubernetes", "prometheus")
_FILES = ("compose.yaml",)
_site = click.option(
    "--site", "site_folder", type=click.Path(path_type=Path), required=True,
    help="站点目录 / the site's folder",
)  # fmt: skip


@click.group("deploy")
def command() -> None:
    """为站点生成部署文件 / Deploy files made out for a site."""


@command.command("render")
@_site
@click.option(
    "--to", "folder", type=click.Path(path_type=Path), required=True,
    help="输出目录，须为空 / where to; must be empty",
)  # fmt: skip
def render(*, site_folder: Path, folder: Path) -> None:
    """为站点写出部署文件 / Write the deploy files of a site.

    systemd、Compose、Kubernetes、Prometheus / for systemd, Compose, Kubernetes and Prometheus.
    """
    loaded = load_site(site_folder)
    loaded.require_outside(folder)
    processes = processes_of(loaded.site)
    if folder.exists() and any(folder.iterdir()):
        raise ConfigurationError(
            "输出目录不为空",
            "the folder is not empty",
            remedy_zh="换一个目录，再与正在使用的文件比较",
            remedy_en="name another one, then compare it with the files in use",
            file=str(folder),
        )
    for name in _FOLDERS:
        shutil.copytree(DEPLOY / name, folder / name)
    for name in _FILES:
        shutil.copyfile(DEPLOY / name, folder / name)
    kept_apart = {path.resolve() for path in (*loaded.secret_files(), *loaded.exchange_folders())}

    def left_out(place: str, names: list[str]) -> list[str]:
        return [n for n in names if n == "secrets" or Path(place, n).resolve() in kept_apart]

    shutil.copytree(site_folder, folder / "site", ignore=left_out)
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.is_relative_to(folder / "site"):
            text = rendered(
                file.read_text(encoding="utf-8"), processes, str(file), loaded.site.prefix
            )
            file.write_text(text, encoding="utf-8")
    users = kafka_users(read_families(), names_of(loaded.site))
    (folder / "kubernetes" / "kafka-users.yaml").write_text(users, encoding="utf-8")
    (folder / "systemd" / "ports").mkdir()
    for process in processes:
        if process.instance:
            setting = f"HUB_METRICS_PORT={process.port}\n"
            (folder / "systemd" / "ports" / f"{process.unit}.env").write_text(setting, "utf-8")
    click.echo(f"{folder}: {len(processes)} 个进程 processes")


@command.command("folder")
def folder_command() -> None:
    """部署文件、规则与日历所在目录 / Where the deploy files, rulebooks and calendars are."""
    click.echo(DEPLOY)


@command.command("list")
@_site
@click.option("--json", "as_json", is_flag=True, help="以 JSON 输出 / print JSON")
def list_command(*, site_folder: Path, as_json: bool) -> None:
    """列出站点的进程及其端口 / List the site's processes and their ports."""
    processes = processes_of(load_site(site_folder).site)
    if as_json:
        click.echo(json.dumps([process._asdict() for process in processes]))
        return
    for process in processes:
        click.echo(f"{process.unit}.service  127.0.0.1:{process.port}")
