"""Restoring folders: what may be there already, and what a backup did not take."""

import os
from pathlib import Path

import pytest

from hub.backup.create import copy_books, pack_site
from hub.backup.manifest import Manifest
from hub.backup.restore import restore_folders
from hub.config.site import LoadedSite, load_site
from hub.errors import ConfigurationError
from hub.runtime.metrics import Health
from hub.runtime.starts import note_start
from tests.attacks.test_paths import manifest_of
from tests.unit.backup.test_site_folder import SITE

FILES = "    files: [{name: files, inbox: inbox, results: results}]\n"
WORKERS = ("receipts", "connector.market")


@pytest.fixture
def site(tmp_path: Path) -> LoadedSite:
    """A site with an inbox in it."""
    folder = tmp_path / "site"
    (folder / "inbox").mkdir(parents=True)
    (folder / "inbox/good.csv").write_text("rows", encoding="utf-8")
    lines = [FILES if "databases:" in line else f"{line}\n" for line in SITE.splitlines()]
    (folder / "site.yaml").write_text("".join(lines), encoding="utf-8")
    return load_site(folder)


def backed_up(site: LoadedSite, folder: Path) -> Manifest:
    """Site folder and books in a backup; two workers have a book each."""
    state = folder.parent / "state"
    for worker in WORKERS:
        home = state / "workers/trial" / worker
        note_start(Health(worker), home)
        (home / "book").write_bytes(b"a book")
    folder.mkdir()
    left_out = pack_site(site, folder / "site.tar", with_secrets=False)
    homes = copy_books(state, "trial", folder / "state")
    return manifest_of(folder, left_out=left_out, homes=homes)


def names_in(folder: Path) -> set[str]:
    """Every file below, by its way."""
    return {each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file()}


def test_a_worker_that_was_started_too_early_is_not_in_the_way(
    site: LoadedSite, tmp_path: Path
) -> None:
    """Its supervisor starts it as soon as the machine is there; that it did is no state."""
    backed_up(site, tmp_path / "backup")
    state = tmp_path / "restored"
    for worker in (*WORKERS, "registrar.0"):
        note_start(Health(worker), state / "workers/trial" / worker)
    restore_folders(tmp_path / "backup", tmp_path / "second", state)
    wanted = {f"workers/trial/{worker}/book" for worker in WORKERS}
    assert names_in(state) == wanted, "nor do the last starts of before the backup come back"


@pytest.mark.parametrize("name", ["book", "clock-seen"])
def test_a_worker_that_has_worked_is_in_the_way_and_named(
    site: LoadedSite, tmp_path: Path, name: str
) -> None:
    """Nothing is overwritten or taken away, and it is said which folder it is."""
    backed_up(site, tmp_path / "backup")
    home = tmp_path / "restored/workers/trial"
    for worker in WORKERS:
        note_start(Health(worker), home / worker)
    (home / "receipts" / name).write_bytes(b"kept")
    before = names_in(tmp_path / "restored")
    with pytest.raises(ConfigurationError) as refused:
        restore_folders(tmp_path / "backup", tmp_path / "second", tmp_path / "restored")
    assert refused.value.problem.file == str(home / "receipts")
    assert names_in(tmp_path / "restored") == before
    assert not (tmp_path / "second").exists()


def test_a_link_where_a_worker_s_folder_would_be_is_in_the_way(
    site: LoadedSite, tmp_path: Path
) -> None:
    """What it leads to is left alone."""
    backed_up(site, tmp_path / "backup")
    note_start(Health("x"), tmp_path / "elsewhere")
    home = tmp_path / "restored/workers/trial"
    home.mkdir(parents=True)
    (home / "receipts").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError):
        restore_folders(tmp_path / "backup", tmp_path / "second", tmp_path / "restored")
    assert names_in(tmp_path / "elsewhere") == {"starts.json"}


def test_a_backup_that_left_hollow_files_out_is_restored_without_them(
    site: LoadedSite, tmp_path: Path
) -> None:
    """A file of holes in an inbox takes no room there, and none in the backup."""
    (site.folder / "inbox/hollow.csv").touch()
    os.truncate(site.folder / "inbox/hollow.csv", 1 << 28)
    manifest = backed_up(site, tmp_path / "backup")
    assert "inbox/hollow.csv" in manifest.left_out
    assert manifest.files["site.tar"].size < 1 << 20
    restore_folders(tmp_path / "backup", tmp_path / "second", tmp_path / "restored")
    second = tmp_path / "second"
    assert names_in(second / "inbox") == {"good.csv"}
    assert load_site(second).site.departments == site.site.departments
