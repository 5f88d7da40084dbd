"""The site folder in a backup: whole, without secrets unless asked for, for one pair of eyes."""

import sqlite3
import stat
import tarfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hub.backup.create import copy_books, homes_of, pack_site, take_empty
from hub.backup.manifest import Manifest
from hub.cli import hub
from hub.config.repository import DEPLOY
from hub.config.site import LoadedSite, load_site
from hub.embedded.parts import BackingServices

SITE = f"""\
site: trial
name_zh: 试点
prefix: trial.
partitions: 2
rulebook: {DEPLOY}/rulebooks/national-2026.yaml
calendar: {DEPLOY}/calendars/cn-2007-2026.json
sealing_key_file: keys/sealing
departments:
  - id: market
    name_zh: 市场监管局
    databases: [{{name: licences, file: sources/licences.yaml}}]
targets: []
"""
SOURCE = """\
password_file: ../keys/exchange
result: {table: r, password_file: /elsewhere/result}
"""


@pytest.fixture
def site(tmp_path: Path) -> LoadedSite:
    """A site with a key, and a database source whose password the site itself does not name."""
    folder = tmp_path / "secrets" / "site"  # above the site folder the name means nothing
    for name, text in {
        "site.yaml": SITE, "keys/sealing": "k", "keys/exchange": "p", "secrets/other": "o",
        "sources/licences.yaml": SOURCE,
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return load_site(folder)


def packed(site: LoadedSite, folder: Path, *, with_secrets: bool) -> tuple[set[str], set[str]]:
    """Names inside and names left out."""
    left_out = pack_site(site, folder / "site.tar", with_secrets=with_secrets)
    with tarfile.open(folder / "site.tar") as tar:
        assert all(member.isreg() for member in tar)
        return set(tar.getnames()), set(left_out)


def test_no_password_is_in_a_backup_that_nobody_asked_for(site: LoadedSite, tmp_path: Path) -> None:
    """Neither those the site names nor those its database sources name; all are told."""
    inside, left_out = packed(site, tmp_path, with_secrets=False)
    assert {"site.yaml", "sources/licences.yaml"} <= inside
    assert left_out == {"keys/sealing", "keys/exchange", "secrets/other", "/elsewhere/result"}
    assert not inside & left_out


def test_what_lies_outside_the_site_folder_is_told_even_with_secrets(
    site: LoadedSite, tmp_path: Path
) -> None:
    """Whoever asked for secrets must not believe they are all there."""
    inside, left_out = packed(site, tmp_path, with_secrets=True)
    assert {"keys/sealing", "keys/exchange", "secrets/other"} <= inside
    assert left_out == {"/elsewhere/result"}


def test_a_folder_of_links_is_packed_as_files(site: LoadedSite, tmp_path: Path) -> None:
    """Kubernetes mounts a ConfigMap so; a link to elsewhere on the machine is left out."""
    data = site.folder / "..2026_11_26"
    data.mkdir()
    (site.folder / "site.yaml").rename(data / "site.yaml")
    (site.folder / "..data").symlink_to("..2026_11_26")
    (site.folder / "site.yaml").symlink_to("..data/site.yaml")
    (site.folder / "passwd").symlink_to("/etc/passwd")
    inside, left_out = packed(site, tmp_path, with_secrets=True)
    assert "site.yaml" in inside
    assert not [name for name in inside if name.startswith("..")]
    assert "passwd" in left_out


def test_a_backup_is_for_the_operators_eyes_alone(tmp_path: Path) -> None:
    """It holds every submission; a folder that others could look into is closed to them."""
    for name in ("new", "there"):
        folder = tmp_path / name
        if name == "there":
            folder.mkdir(mode=0o755)
        take_empty(folder)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_books_are_copied_and_what_must_be_made_anew_is_not(tmp_path: Path) -> None:
    """An old book of a drop folder would give out numbers that were used since."""
    state, copy = tmp_path / "state", tmp_path / "copy"
    names = (
        "receipts/receipts.sqlite",
        "courier.nation/files.sqlite",
        "registrar.0/rocksdb/CURRENT",
    )
    for name in names:
        file = state / "workers" / "trial" / name
        file.parent.mkdir(parents=True)
        file.write_bytes(b"a book")
    homes = copy_books(state, "trial", copy)
    assert homes == ("workers/courier.nation", "workers/receipts", "workers/registrar.0")
    found = [path.relative_to(copy / "workers/trial").as_posix() for path in copy.rglob("*.*")]
    assert "receipts/receipts.sqlite" in found
    assert not [name for name in found if "files" in name or "CURRENT" in name]


def test_every_worker_that_keeps_a_book_has_its_home_named() -> None:
    """Those that take a lease on a folder of their own; a connector takes one for each source."""
    site = load_site(DEPLOY / "sites" / "demo").site
    assert set(homes_of(site)) >= {
        "workers/registrar.0", "workers/courier.nation", "workers/receipts", "workers/cases",
        "connectors/transport.files", "connectors/transport.cases", "connectors/court.files",
    }  # fmt: skip
    assert not {"workers/projector", "workers/connector.court"} & set(homes_of(site))


def test_a_backup_without_a_workers_book_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, site: LoadedSite
) -> None:
    """In a container of its own the command sees nobody's state: whoever keeps it must know."""
    manifest = Manifest(
        site="trial", prefix="trial.", partitions=2, hub_version="0", decider="2", basis="",
        created_at="", topics={}, exact=(), tables=0, left_out=(), files={},
        homes=("workers/registrar.0", "workers/notices", "connectors/market.licences"),
    )  # fmt: skip
    monkeypatch.setattr("hub.commands.backup.create", lambda *_, **__: manifest)
    monkeypatch.setattr(BackingServices, "require_kafka", lambda *_: None)
    words = ["backup", "create", "--site", str(site.folder), "--to", str(tmp_path / "made")]
    told = CliRunner().invoke(hub, [*words, "--without-look-ups"])
    assert told.exit_code == 0, told.output
    assert "备份不含其账簿：workers/receipts\n" in told.stderr
    assert told.stderr.startswith("警告 BOOKS_MISSING")
    whole = manifest.model_copy(update={"homes": homes_of(site.site)})
    monkeypatch.setattr("hub.commands.backup.create", lambda *_, **__: whole)
    assert CliRunner().invoke(hub, [*words, "--without-look-ups"]).stderr == ""


def test_a_file_that_is_replaced_meanwhile_ends_no_backup(
    site: LoadedSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Result files are written anew, by rename, while the hub runs: one moment's is packed."""
    result = site.folder / "results/a.csv"
    result.parent.mkdir()
    result.write_text("long" * 1000, encoding="utf-8")
    known = tarfile.TarFile.gettarinfo

    def gettarinfo(tar: tarfile.TarFile, *words: Any, **named: Any) -> tarfile.TarInfo:  # noqa: ANN401 - handed through
        """Between the look at the file and the reading of it a shorter one takes its place."""
        found = known(tar, *words, **named)
        if found.name == "results/a.csv":
            (site.folder / "results/new").write_text("x", encoding="utf-8")
            (site.folder / "results/new").replace(result)
        return found

    monkeypatch.setattr(tarfile.TarFile, "gettarinfo", gettarinfo)
    inside, _ = packed(site, tmp_path, with_secrets=False)
    assert "results/a.csv" in inside
    with tarfile.open(tmp_path / "site.tar") as tar:
        kept = tar.extractfile("results/a.csv")
        assert kept is not None
        assert kept.read() == b"long" * 1000


def test_a_backup_leaves_nothing_beside_a_book_nobody_has_open(tmp_path: Path) -> None:
    """A log that root left there would lock the worker out of its own book."""
    state, copy = tmp_path / "state", tmp_path / "copy"
    book = state / "workers/trial/receipts/receipts.sqlite"
    book.parent.mkdir(parents=True)
    with closing(sqlite3.connect(book)) as receipts:
        receipts.execute("PRAGMA journal_mode=WAL")
        receipts.execute("CREATE TABLE told (receipt)")
        receipts.execute("INSERT INTO told VALUES (1)")
        receipts.commit()
    copy_books(state, "trial", copy)
    assert [path.name for path in book.parent.iterdir()] == [book.name]
    with closing(sqlite3.connect(copy / book.relative_to(state))) as copied:
        assert copied.execute("SELECT receipt FROM told").fetchall() == [(1,)]
