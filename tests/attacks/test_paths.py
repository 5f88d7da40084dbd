"""A path is not a place: links, names and state files lead nowhere but where the site says.

Departments and platforms write to inboxes, results and drop folders as they like. On real file
systems, the last test on a real broker; each puts a neighbour's or somebody's precious file where
the attack would reach.
"""

import base64
import errno
import io
import json
import logging
import os
import socket
import stat
import subprocess
import sys
import tarfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from connectors.files.sheet_writer import write_result
from connectors.loop import write_whole
from hub.adapters.lease import FolderLease
from hub.adapters.receipt_book import ReceiptBook
from hub.backup.create import copy_books, pack_site, take_empty
from hub.backup.manifest import Manifest, files_of, read_manifest, verify
from hub.backup.restore import restore_folders
from hub.cli import hub as command_line
from hub.config.repository import DEPLOY, ROOT
from hub.config.site import load_site
from hub.errors import ConfigurationError, IntegrityError, SourceError, UnavailableError
from hub.io import paths
from hub.io.paths import (
    DEEPEST,
    LONGEST_NAME,
    NotPlainError,
    OpenFolder,
    PlainFile,
    open_folder,
    own_book,
    readable,
    replace_file,
    result_name,
)
from hub.operations.site_plan import prepare_site
from hub.targets.file.book import FileBook
from hub.targets.file.folder import DropFolder
from hub.targets.file.layout import FileName
from tests.conftest import KafkaPart
from tests.driver.test_receipts import DepartmentOffice
from tests.unit.backup.test_site_folder import SITE, SOURCE
from tests.unit.connectors.made import LICENCE_ROW, STREAM, table
from tests.unit.connectors.memory_broker import HookKiller, KilledError
from tests.unit.connectors.test_file_agent import InboxPlace, ids, rows

NUMBER: Final = "行政许可决定文书号"
GBK: Final = os.fsdecode("许可表.csv".encode("gbk"))
LONG: Final = "许" * 79 + ".csv"
"""83 characters, 241 octets: with an ending and a process's number no name any more."""
NAME: Final = FileName("001501", "20261103", 1, "xml")


@pytest.fixture
def place(tmp_path: Path) -> InboxPlace:
    """One department's inbox with its connector."""
    return InboxPlace(tmp_path / "market")


@pytest.fixture
def office(tmp_path: Path) -> DepartmentOffice:
    """A department's folders, a hub, and the receipts follower between them."""
    return DepartmentOffice(tmp_path / "market")


@contextmanager
def umask(bits: int) -> Iterator[None]:
    """Give the process another umask for a while."""
    before = os.umask(bits)
    try:
        yield
    finally:
        os.umask(before)


def neighbours(folder: Path) -> Path:
    """Another department's file, not published yet."""
    path = folder / "housing" / "private.csv"
    path.parent.mkdir()
    path.write_bytes(rows(1, start=7_000))
    return path


def refusals(place: InboxPlace) -> dict[str, str]:
    """Result file -> reason code it gives."""
    found = {}
    for path in (place.folder / "results").rglob("*.result.csv"):
        told = path.read_text(encoding="utf-8-sig").splitlines()[1].split(",")
        found[path.name] = told[2]
    return found


def fifo(at: Path, _other: Path) -> None:
    """A pipe: whoever opens it to read waits for ever."""
    os.mkfifo(at)


def unix_socket(at: Path, _other: Path) -> None:
    """A socket, made by a short relative way: its address has 108 octets."""
    here = Path.cwd()
    os.chdir(at.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(at.name)
    finally:
        os.chdir(here)


def device(at: Path, _other: Path) -> None:
    """`/dev/zero`, which has no end; only root can make one."""
    os.mknod(at, stat.S_IFCHR | 0o666, os.makedev(1, 5))


def link(at: Path, other: Path) -> None:
    """A symbolic link."""
    at.symlink_to(other)


def dangling(at: Path, other: Path) -> None:
    """A link to what may come to be there."""
    at.symlink_to(other.with_name("later.csv"))


def hard_link(at: Path, other: Path) -> None:
    """A second name of the same file."""
    at.hardlink_to(other)


# --- the inbox: what is no plain file is not read, and told once ---------------------------------


@pytest.mark.parametrize(
    ("put", "code"),
    [
        (link, "FILE_NOT_PLAIN"),
        (dangling, "FILE_NOT_PLAIN"),
        (hard_link, "FILE_HAS_TWO_NAMES"),
        (fifo, "FILE_NOT_PLAIN"),
        (unix_socket, "FILE_NOT_PLAIN"),
        pytest.param(
            device,
            "FILE_NOT_PLAIN",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="root alone makes devices"),
        ),
    ],
)
def test_what_is_no_file_of_the_department_is_not_read_and_told_once(
    place: InboxPlace,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    put: Callable[[Path, Path], None],
    code: str,
) -> None:
    """The neighbour's row comes back nowhere; the file beside it is read; one line, one answer."""
    private = neighbours(tmp_path)
    put(place.inbox / "licences" / "张某某.csv", private)
    place.put("licences/own.csv", rows(2))
    agent, _ = place.agent()
    with caplog.at_level(logging.WARNING):
        place.drain(agent)
        for _ in range(5):
            agent.step()
    assert ids(place.submissions) == [1, 2]
    assert "7000" not in str([record.value for record in place.submissions])
    assert refusals(place) == {"张某某.csv.result.csv": code}
    told = [record for record in caplog.records if record.__dict__.get("reason") == code]
    assert len(told) == 1
    assert "处理办法" in told[0].getMessage()
    assert "张某某" not in told[0].getMessage(), "a file may be named after a person"


def test_a_refused_name_is_read_once_a_real_file_bears_it(
    place: InboxPlace, tmp_path: Path
) -> None:
    """The remedy works: the link is no file that was read and replaced."""
    (place.inbox / "licences/a.csv").symlink_to(neighbours(tmp_path))
    agent, _ = place.agent()
    place.drain(agent)
    (place.inbox / "licences/a.csv").unlink()
    place.put("licences/a.csv", rows(3))
    for _ in range(6):
        agent.step()
    assert ids(place.submissions) == [1, 2, 3]


def test_a_link_in_place_of_a_folder_of_the_inbox_is_not_followed(
    place: InboxPlace, tmp_path: Path
) -> None:
    """`penalties` leads to the neighbour's; `licences` goes on."""
    private = neighbours(tmp_path)
    (place.inbox / "penalties").rmdir()
    (place.inbox / "penalties").symlink_to(private.parent)
    place.put("licences/a.csv", rows(2))
    place.drain(place.agent()[0])
    assert ids(place.submissions) == [1, 2]
    assert refusals(place) == {"penalties.result.csv": "FILE_NOT_PLAIN"}


@pytest.mark.parametrize("put", [link, hard_link, fifo])
def test_a_file_swapped_between_look_and_read_is_not_read(
    place: InboxPlace,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    put: Callable[[Path, Path], None],
) -> None:
    """What was looked at is opened by its folder's handle and looked at again when it is open."""
    private = neighbours(tmp_path)
    path = place.put("licences/a.csv", rows(2))
    real = OpenFolder._look
    swapped: list[bytes] = []

    def look(folder: OpenFolder, name: bytes) -> os.stat_result:
        told = real(folder, name)
        if name == b"a.csv" and len(swapped) < 3:
            swapped.append(name)
            if len(swapped) == 3:  # twice by the polls, once more before it is opened
                path.unlink()
                put(path, private)
        return told

    monkeypatch.setattr(OpenFolder, "_look", look)
    place.drain(place.agent()[0])
    assert len(swapped) == 3
    assert place.submissions == []


@pytest.mark.parametrize("when", ["before it is opened", "while it is read"])
def test_a_file_somebody_is_writing_to_is_not_begun(
    place: InboxPlace, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """Half of it would be on record, and the whole of it another file under the same name."""
    path = place.put("licences/a.csv", rows(2))
    real, real_unchanged = OpenFolder._look, PlainFile.is_unchanged
    looked: list[bytes] = []
    read: list[PlainFile] = []

    def write() -> None:
        with path.open("ab") as file:
            file.write(rows(3)[len(rows(2)) :])

    def look(folder: OpenFolder, name: bytes) -> os.stat_result:
        if name == b"a.csv":
            looked.append(name)
        if len(looked) == 3 and when == "before it is opened":
            write()
        return real(folder, name)

    def is_unchanged(plain: PlainFile) -> bool:
        read.append(plain)
        if len(read) == 1 and when == "while it is read":
            write()
        return real_unchanged(plain)

    monkeypatch.setattr(OpenFolder, "_look", look)
    monkeypatch.setattr(PlainFile, "is_unchanged", is_unchanged)
    agent, _ = place.agent()
    agent.start()
    assert not agent.step()
    assert not agent.step(), "it was begun while somebody wrote"
    for _ in range(4):
        agent.step()
    assert ids(place.submissions) == [1, 2, 3]


@pytest.mark.parametrize("put", [link, hard_link, fifo])
def test_a_small_file_of_others_is_looked_at_again_when_it_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, put: Callable[[Path, Path], None]
) -> None:
    """Manifests and acknowledgements are read at once: what was swapped in is not."""
    private = neighbours(tmp_path)
    path = tmp_path / "a.json"
    path.write_bytes(b"{}")
    real = OpenFolder._look

    def look(folder: OpenFolder, name: bytes) -> os.stat_result:
        told = real(folder, name)
        path.unlink()
        put(path, private)
        return told

    monkeypatch.setattr(OpenFolder, "_look", look)
    with open_folder(tmp_path) as folder, pytest.raises(NotPlainError):
        folder.read("a.json", 1000)


def test_a_half_read_file_that_became_a_link_is_not_read_on(
    place: InboxPlace, tmp_path: Path
) -> None:
    """A restart takes the file up again: not through a link to an equal one."""
    path = place.put("licences/a.csv", rows(4))
    agent, _ = place.agent(HookKiller("before_commit", 2))
    with pytest.raises(KilledError):
        place.drain(agent)
    copy = tmp_path / "copy.csv"
    path.rename(copy)
    path.symlink_to(copy)
    with pytest.raises((UnavailableError, SourceError)):
        place.drain(place.agent()[0])
    assert place.submissions == []


def test_a_file_without_end_is_refused_for_its_size(place: InboxPlace) -> None:
    """Eight exabytes of nothing, in no blocks: digested as far as any file is read."""
    path = place.put("licences/a.csv", b"")
    os.truncate(path, 1 << 42)
    begun = time.process_time()
    place.drain(place.agent()[0])
    assert time.process_time() - begun < 5
    assert ids(place.submissions) == [1]
    assert b"FILE_TOO_LARGE" in place.submissions[0].value


# --- names are octets ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (GBK, "许可表.csv"),
        ("a\nb\r.csv", "a_b_.csv"),
        ("a\u202evsc.\u200e\ufeffcsv", "a_vsc.__csv"),
        ("a\x07\x1b[2J.csv", "a__[2J.csv"),
        (os.fsdecode(b"\xff\xfe\x80.csv"), "___.csv"),
    ],
)
def test_a_name_that_is_no_text_is_read_answered_and_readable(
    office: DepartmentOffice, name: str, shown: str
) -> None:
    """A Windows client's GBK, line ends, direction marks: rows, result, manifest all there."""
    office.submit("licences/plain.csv", table(LICENCE_ROW))
    office.submit(f"licences/{name}", table({**LICENCE_ROW, NUMBER: "2号"}))
    office.follow()
    assert readable(name) == shown
    found = [path.name for path in (office.folder / "results/licences").iterdir()]
    assert sorted(found) == sorted(["plain.csv.result.csv", result_name(name, ".result.csv")])
    (row,) = office.result(f"licences/{result_name(name, '.result.csv')}")
    assert row["处理结果"] == "已受理"
    for each in found:
        assert each.isprintable()


@pytest.mark.parametrize("name", [LONG, "a" * 251 + ".csv", "许" * 80 + ".xlsx", "长" * 85])
def test_a_long_name_is_answered_and_the_neighbour_too(office: DepartmentOffice, name: str) -> None:
    """All that fits a name of the inbox fits one of the results; the worker goes on."""
    office.submit(f"licences/{name}", table(LICENCE_ROW))
    office.submit("licences/next.csv", table({**LICENCE_ROW, NUMBER: "2号"}))
    office.follow()
    found = {path.name for path in (office.folder / "results/licences").iterdir()}
    assert "next.csv.result.csv" in found
    assert result_name(name, ".result.csv") in found
    assert all(len(os.fsencode(each)) <= LONGEST_NAME for each in found)
    assert office.result("licences/next.csv.result.csv")[0]["处理结果"] == "已受理"


def test_names_alike_after_cutting_or_decoding_have_results_of_their_own(
    office: DepartmentOffice,
) -> None:
    """Two long names, one name in two encodings, and one that is made to meet a cut one."""
    first, second = "许" * 82 + "一.csv", "许" * 82 + "二.csv"
    forged = result_name(first, "")
    names = [first, second, "许可表.csv", GBK, forged]
    for number, name in enumerate(names):
        office.submit(f"licences/{name}", table({**LICENCE_ROW, NUMBER: f"{number}号"}))
    office.follow()
    results = {result_name(name, ".result.csv") for name in names}
    assert len(results) == len(names)
    for number, name in enumerate(names):
        (row,) = office.result(f"licences/{result_name(name, '.result.csv')}")
        assert row[NUMBER] == f"{number}号"


# --- the listing costs what has come ------------------------------------


def test_the_work_of_a_poll_does_not_grow_with_the_files_that_were_read(
    place: InboxPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file is looked at a few times, whatever lies beside it; an idle poll at none."""
    looked: list[bytes] = []
    real = OpenFolder._look

    def look(folder: OpenFolder, name: bytes) -> os.stat_result:
        looked.append(name)
        return real(folder, name)

    monkeypatch.setattr(OpenFolder, "_look", look)
    count = 300
    for number in range(count):
        place.put(f"licences/{number}.csv", rows(1, start=number))
    agent, _ = place.agent()
    place.drain(agent)
    assert len(place.submissions) == count
    source: Any = agent._source
    inbox = source._inbox
    assert len([each for each in looked if each.endswith(b".csv")]) < 8 * count
    monkeypatch.setattr("connectors.files.source._TICK_NS", 0)
    agent.step()
    looked.clear()
    for _ in range(5):
        assert not agent.step()
    assert looked == []
    place.put("licences/late.csv", rows(1, start=count))
    for _ in range(6):
        agent.step()
    assert len(place.submissions) == count + 1
    assert looked.count(b"late.csv") < 8
    assert set(looked) == {b"late.csv"}, "what was read is passed over"
    inbox._whole_at -= 61
    looked.clear()
    agent.step()
    assert len(looked) >= count, "once a minute all are looked at: one may change in place"


# --- results, state files and temporary names ----------------------------------------------------


@pytest.mark.parametrize("what", ["licences", ".sources"])
def test_a_link_among_the_results_is_not_written_through(
    office: DepartmentOffice, tmp_path: Path, what: str
) -> None:
    """Outputs land below the configured folder or nowhere; the other folder's answers come."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    results = office.folder / "results"
    results.mkdir()
    (results / what).symlink_to(elsewhere)
    if what == ".sources":
        with pytest.raises(UnavailableError, match="结果文件夹"):
            office.submit("licences/a.csv", table(LICENCE_ROW))
    else:
        office.submit("licences/a.csv", table(LICENCE_ROW))
        office.submit("penalties/b.csv", b"no table")
        office.follow()
        assert (results / "penalties/b.csv.result.csv").exists()
    assert list(elsewhere.iterdir()) == []


def test_a_result_that_is_a_link_is_replaced_and_what_it_led_to_stays(
    office: DepartmentOffice, tmp_path: Path
) -> None:
    """By rename: neither a link nor a second name is written through."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"somebody's")
    folder = office.folder / "results/licences"
    folder.mkdir(parents=True)
    (folder / "a.csv.result.csv").symlink_to(precious)
    (folder / "b.csv.result.csv").hardlink_to(precious)
    for number, name in enumerate("ab"):
        office.submit(f"licences/{name}.csv", table({**LICENCE_ROW, NUMBER: f"{number}号"}))
    office.follow()
    assert precious.read_bytes() == b"somebody's"
    for name in "ab":
        path = folder / f"{name}.csv.result.csv"
        assert not path.is_symlink()
        assert path.stat().st_nlink == 1


def test_a_temporary_name_cannot_be_guessed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guessed all the same, what lies there is not written through: the write fails whole."""
    names: list[bytes] = []
    real = OpenFolder.create

    def create(folder: OpenFolder, name: bytes, mode: int = 0o640) -> Any:  # noqa: ANN401 - as the real one
        names.append(name)
        return real(folder, name, mode)

    monkeypatch.setattr(OpenFolder, "create", create)
    for _ in range(50):
        replace_file(tmp_path / ("许" * 85), b"x")
    assert len(set(names)) == 50
    assert all(len(name) < 40 for name in names)
    precious = tmp_path / "precious"
    precious.write_bytes(b"somebody's")
    monkeypatch.setattr("secrets.token_hex", lambda _: "0" * 16)
    guessed = tmp_path / ".hub-0000000000000000.part"
    guessed.symlink_to(precious)
    with pytest.raises(FileExistsError):
        replace_file(tmp_path / "a", b"x")
    assert precious.read_bytes() == b"somebody's"
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"folder": "../housing"},
        {"octets": b"../../housing/private.csv".hex()},
        {"octets": b"/etc/passwd".hex()},
        {"octets": b"..".hex()},
        {"octets": b"b.csv".hex()},
        {"octets": "not hex", "name": "\ud800"},
    ],
    ids=["folder", "octets", "absolute", "above", "another", "no hex"],
)
def test_a_manifest_leads_nowhere_but_to_the_file_it_is_named_after(
    office: DepartmentOffice, tmp_path: Path, change: dict[str, str]
) -> None:
    """Where a department may write to its results: nothing of another's is read or written."""
    neighbours(tmp_path)
    office.submit("licences/a.csv", table(LICENCE_ROW))
    office.submit("licences/b.csv", table({**LICENCE_ROW, NUMBER: "2号"}))
    (path,) = (
        each
        for each in (office.folder / "results/.sources").glob("*.json")
        if json.loads(each.read_bytes())["name"] == "a.csv"
    )
    path.write_text(json.dumps(json.loads(path.read_bytes()) | change), encoding="ascii")
    before = sorted(tmp_path.rglob("*"))
    assert office.files().get(f"{STREAM}:{path.stem}") is None
    office.follow()
    new = set(tmp_path.rglob("*")) - set(before)
    inside = {each for each in new if each.is_relative_to(office.folder)}
    assert new == inside
    assert not (office.folder / "results/licences/a.csv.result.csv").exists()
    assert office.result("licences/b.csv.result.csv")[0]["处理结果"] == "已受理"


def test_a_results_folder_that_refuses_holds_up_nobody_else(
    office: DepartmentOffice, caplog: pytest.LogCaptureFixture
) -> None:
    """A file in place of a folder: that result waits, is told once, and is written later."""
    office.submit("licences/a.csv", table(LICENCE_ROW))
    office.submit("penalties/b.csv", b"no table")
    results = office.folder / "results"
    (results / "licences").write_bytes(b"in the way")
    with caplog.at_level(logging.WARNING):
        office.follow()
    assert (results / "penalties/b.csv.result.csv").exists()
    waits = [each for each in caplog.records if each.getMessage() == "a result waits"]
    assert len(waits) == 1
    (results / "licences").unlink()
    office.follow()
    assert office.result("licences/a.csv.result.csv")[0]["处理结果"] == "已受理"


# --- whatever the umask --------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [0o000, 0o022, 0o077, 0o777])
def test_what_the_hub_writes_is_its_own_whatever_the_umask(tmp_path: Path, bits: int) -> None:
    """Results, manifests, books, locks, temporary files: 0600 in folders of 0700."""
    with umask(bits):
        write_result(tmp_path / "results", "licences", "a.csv.result.csv", b"x")
        ReceiptBook(tmp_path / "state/receipts/receipts.sqlite").close()
        FileBook(tmp_path / "state/courier/files.sqlite").close()
        FolderLease(tmp_path / "state/registrar").take()
        write_whole(tmp_path / "state/registrar/committed.json", "{}")
        take_empty(tmp_path / "backup")
        copy_books(tmp_path, "state", tmp_path / "backup")
    for path in tmp_path.rglob("*"):
        wanted = 0o700 if path.is_dir() else 0o600
        assert stat.S_IMODE(path.stat().st_mode) == wanted, path


@pytest.mark.parametrize(
    ("mode", "folder", "file"),
    [(0o2750, 0o2750, 0o640), (0o755, 0o750, 0o640), (0o777, 0o700, 0o600), (0o700, 0o700, 0o600)],
)
def test_a_folder_says_whether_its_group_may_read_and_nobody_else_ever_does(
    tmp_path: Path, mode: int, folder: int, file: int
) -> None:
    """A department fetches its results by its group; one open to everybody gives nothing away."""
    results = tmp_path / "results"
    results.mkdir()
    results.chmod(mode)
    with umask(0):
        write_result(results, "licences", "a.csv", b"x")
    assert stat.S_IMODE((results / "licences").stat().st_mode) == folder
    assert stat.S_IMODE((results / "licences/a.csv").stat().st_mode) == file


# --- drop folders, books and locks ----------------------------------------------------------------


def dropped(tmp_path: Path) -> tuple[Path, DropFolder]:
    """A drop folder."""
    root = tmp_path / "drop"
    for name in ("out", "ack"):
        (root / name).mkdir(parents=True)
    return root, DropFolder(root, HookKiller())


@pytest.mark.parametrize("put", [link, hard_link])
def test_a_platform_s_link_is_neither_read_nor_written_through(
    tmp_path: Path, put: Callable[[Path, Path], None]
) -> None:
    """As an acknowledgement, under our own file's name, and in place of a folder."""
    root, folder = dropped(tmp_path)
    private = neighbours(tmp_path)
    content = private.read_bytes()
    put(root / "ack/a.ack.json", private)
    put(root / "out" / str(NAME), private)
    assert folder.read_ack("a.ack.json") == (None, None)
    assert folder.content(NAME) == b""
    folder.prepare(NAME, b"rows", b"{}")
    folder.publish(NAME)
    assert private.read_bytes() == content
    assert (root / "out" / str(NAME)).read_bytes() == b"rows"
    (root / "ack/a.ack.json").unlink()
    (root / "ack").rmdir()
    (root / "ack").symlink_to(private.parent)
    with pytest.raises(NotPlainError):
        folder.check()


def test_a_lock_and_a_book_are_not_opened_through_a_link(tmp_path: Path) -> None:
    """A platform may write to `out`: a link there makes no file elsewhere."""
    root, _folder = dropped(tmp_path)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (root / "out/.hub").symlink_to(elsewhere)
    with pytest.raises(OSError, match="link"):
        FolderLease(root / "out/.hub").take()
    (tmp_path / "files.sqlite").symlink_to(elsewhere / "book")
    with pytest.raises(UnavailableError, match="链接"):
        own_book(tmp_path / "files.sqlite")
    assert list(elsewhere.iterdir()) == []


def test_files_a_killed_process_left_are_swept_and_nobody_else_s(tmp_path: Path) -> None:
    """By their form and age: a department's own names stay."""
    with open_folder(tmp_path) as folder:
        old, fresh = folder.part(b"x"), folder.part(b"x")
        folder.create("notes.part").close()
        os.utime(tmp_path / os.fsdecode(old), (0, 0))
        folder.sweep()
        assert folder.names() == sorted([fresh, b"notes.part"])


def test_a_name_that_leads_out_is_none(tmp_path: Path) -> None:
    """Whoever hands one to a folder: refused before the system sees it."""
    with open_folder(tmp_path) as folder:
        for name in ("..", ".", "", "a/b", "/etc/passwd", "a\0b"):
            with pytest.raises(OSError, match="no name") as refused:
                folder.replace(name, b"x")
            assert refused.value.errno == errno.EINVAL
    assert list(tmp_path.iterdir()) == []


# --- backup and restore ---------------------------------------------------------------------------


def manifest_of(folder: Path, **changes: object) -> Manifest:
    """Write a manifest of what lies in a backup's folder."""
    told = {
        "format": 1, "site": "trial", "prefix": "trial.", "partitions": 1, "hub_version": "0",
        "decider": "1", "basis": "", "created_at": "", "topics": {}, "exact": [], "tables": 0,
        "left_out": [], "homes": [],
        "files": {name: file.model_dump() for name, file in files_of(folder).items()},
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(told | changes), encoding="utf-8")
    return read_manifest(folder)


def packed(folder: Path, *members: tuple[str, bytes, bytes]) -> None:
    """Write a site package of (name, type, content or link)."""
    with tarfile.open(folder / "site.tar", "w") as tar:
        for name, kind, content in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode = kind, 0o666
            if kind == tarfile.REGTYPE:
                member.size = len(content)
            else:
                member.linkname = content.decode()
            tar.addfile(member, io.BytesIO(content))


GOOD: Final = ("site.yaml", tarfile.REGTYPE, b"site: trial\n")


@pytest.mark.parametrize(
    "bad",
    [
        ("../out.txt", tarfile.REGTYPE, b"x"),
        ("/abs/out.txt", tarfile.REGTYPE, b"x"),
        ("a", tarfile.SYMTYPE, b"/etc"),
        ("b", tarfile.LNKTYPE, b"site.yaml"),
        ("c", tarfile.FIFOTYPE, b""),
        ("d/" * (DEEPEST + 1) + "x", tarfile.REGTYPE, b"x"),
        ("d/" * 2_000 + "x", tarfile.REGTYPE, b"x"),
    ],
    ids=["above", "absolute", "symlink", "hard link", "pipe", "deep", "very deep"],
)
def test_a_package_that_leads_elsewhere_restores_nothing(
    tmp_path: Path, bad: tuple[str, bytes, bytes]
) -> None:
    """In our own words, and no half-made site folder is left."""
    backup = tmp_path / "backup"
    backup.mkdir()
    packed(backup, GOOD, bad)
    manifest_of(backup)
    with pytest.raises(IntegrityError, match=r"site\.tar"):
        restore_folders(backup, tmp_path / "made/site", tmp_path / "state")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["backup"]


def test_a_package_as_deep_as_a_site_may_be_is_restored(tmp_path: Path) -> None:
    """What a backup takes, it gives back."""
    backup, way = tmp_path / "backup", "d/" * DEEPEST + "x"
    backup.mkdir()
    packed(backup, GOOD, (way, tarfile.REGTYPE, b"x"))
    manifest_of(backup)
    restore_folders(backup, tmp_path / "site", tmp_path / "state")
    assert (tmp_path / "site" / way).read_bytes() == b"x"


def stated(kind: bytes, size: int) -> bytes:
    """A member's header of any kind and size, with nothing behind it."""
    member = tarfile.TarInfo("x")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT) + bytes(1_024)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no tar", b"\x1f\x8b\x08garbage", None,
        *(stated(kind, 1 << 62) for kind in (b"x", b"g", b"L", b"K", b"0")),
    ],
)  # fmt: skip
def test_a_package_that_is_none_restores_nothing(tmp_path: Path, content: bytes | None) -> None:
    """Empty, something else, missing; an empty folder that was there stays, empty."""
    backup, site = tmp_path / "backup", tmp_path / "site"
    backup.mkdir()
    site.mkdir()
    if content is not None:
        (backup / "site.tar").write_bytes(content)
    manifest_of(backup)
    with pytest.raises(IntegrityError, match=r"site\.tar"):
        restore_folders(backup, site, tmp_path / "state")
    assert list(site.iterdir()) == []
    assert not (tmp_path / "state").exists()


def test_a_package_cut_at_any_place_restores_nothing(tmp_path: Path) -> None:
    """Tarfile's own errors never reach a person, whatever octet is missing or wrong."""
    whole = tmp_path / "whole"
    whole.mkdir()
    packed(whole, GOOD, ("inbox/licences/a.csv", tarfile.REGTYPE, b"y" * 600))
    octets = (whole / "site.tar").read_bytes()
    refused = 0
    for place in range(0, 2048, 61):
        backup = tmp_path / f"backup{place}"
        backup.mkdir()
        broken = octets[:place] + b"\xff" + octets[place + 1 :] if place % 2 else octets[:place]
        (backup / "site.tar").write_bytes(broken)
        manifest_of(backup)
        site = tmp_path / f"site{place}"
        try:
            restore_folders(backup, site, tmp_path / "state")
            assert (site / "site.yaml").exists()  # what was hit is padding, or a file's content
        except IntegrityError:
            refused += 1
            assert not site.exists()
    assert refused > 10


@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, '{"a":' * 200_000, '{"format": 1' + "0" * 5_000 + "}", "\ud800", ""],
    ids=["lists", "objects", "digits", "no text", "empty"],
)
def test_a_manifest_without_a_bottom_is_refused_with_a_remedy(tmp_path: Path, text: str) -> None:
    """`hub backup verify` says what is wrong, and ends with 2."""
    (tmp_path / "manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    refused = CliRunner().invoke(command_line, ["backup", "verify", str(tmp_path)])
    assert refused.exit_code == 2
    assert "清单缺失或无法读取" in refused.output
    assert "处理办法" in refused.output


@pytest.mark.parametrize(
    "change",
    [
        {"site": "../../elsewhere"},
        {"topics": {"../../elsewhere": {}}},
        {"site": "/etc"},
        {"created_at": "\ud800"},
    ],
    ids=["site", "topic", "absolute", "no text"],
)
def test_a_manifest_that_points_outside_is_none(tmp_path: Path, change: dict[str, object]) -> None:
    """The names in it become names of folders: they are checked before."""
    with pytest.raises(ConfigurationError, match="清单"):
        manifest_of(tmp_path, **change)


@pytest.mark.parametrize("put", [link, fifo])
def test_a_link_or_pipe_in_a_backup_is_foreign(
    tmp_path: Path, put: Callable[[Path, Path], None]
) -> None:
    """It is named, not followed or waited for, and nothing is restored."""
    private = neighbours(tmp_path)
    backup = tmp_path / "backup"
    (backup / "state").mkdir(parents=True)
    packed(backup, GOOD)
    manifest_of(backup)
    put(backup / "state/x", private)
    with pytest.raises(IntegrityError, match="state/x"):
        verify(backup)


def test_nothing_a_department_puts_there_keeps_a_backup_from_being_made_or_gets_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Links to secrets, loops, pipes, a terabyte of nothing, depth, a name in GBK: all left out."""
    folder = tmp_path / "site"
    inbox = "inbox/licences"
    site = SITE.replace(
        "    databases:",
        "    files: [{name: files, inbox: inbox, results: results}]\n    databases:",
    )
    for name, text in {
        "site.yaml": site, "keys/sealing": "the key", "keys/exchange": "p",
        "sources/licences.yaml": SOURCE, f"{inbox}/good.csv": "rows",
        f"{inbox}/cut.csv": "r" * 4000, f"{inbox}/..half.csv": "rows",
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    put = folder / inbox
    (put / "key").symlink_to(folder / "keys/sealing")
    (put / "second").hardlink_to(folder / "keys/sealing")
    (put / "other").symlink_to(folder / "sources/licences.yaml")
    (put / "loop").symlink_to("loop")
    os.mkfifo(put / "pipe")
    (put / "huge").touch()
    os.truncate(put / "huge", 1 << 40)
    (put / "hollow").touch()
    os.truncate(put / "hollow", 1 << 28)
    (put / GBK).write_bytes(b"rows")
    deep = put
    for _ in range(60):
        deep = deep / "d"
        deep.mkdir()
    real = tarfile.TarFile.gettarinfo

    def gettarinfo(tar: tarfile.TarFile, *words: Any, **named: Any) -> tarfile.TarInfo:  # noqa: ANN401 - handed through
        found = real(tar, *words, **named)
        if found.name.endswith("cut.csv"):
            os.truncate(put / "cut.csv", 10)
        return found

    monkeypatch.setattr(tarfile.TarFile, "gettarinfo", gettarinfo)
    left_out = pack_site(load_site(folder), tmp_path / "site.tar", with_secrets=False)
    with tarfile.open(tmp_path / "site.tar") as tar:
        inside = {member.name for member in tar if member.isreg()}
        assert "the key" not in str([tar.extractfile(name).read() for name in inside])  # type: ignore[union-attr] # plain files
    good = {"good.csv", GBK, "cut.csv", "..half.csv"}
    assert {f"{inbox}/{name}" for name in good} <= inside
    bad = {f"{inbox}/{name}" for name in ("key", "second", "other", "huge", "hollow")}
    assert bad <= set(left_out)
    assert not (bad | {f"{inbox}/pipe"}) & inside


def test_a_link_in_a_state_folder_is_not_copied(tmp_path: Path) -> None:
    """What a worker's account can read is no book of it."""
    private = neighbours(tmp_path)
    home = tmp_path / "state/workers/trial/receipts"
    home.mkdir(parents=True)
    (home / "book").write_bytes(b"a book")
    (home / "link").symlink_to(private)
    copy_books(tmp_path / "state", "trial", tmp_path / "copy")
    copied = [path.name for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    assert copied == ["book"]


def test_all_of_a_backup_s_folders_come_back_closed(tmp_path: Path) -> None:
    """What was restored is the owner's alone, whatever the package and the umask say."""
    backup = tmp_path / "backup"
    (backup / "state/workers/trial/receipts").mkdir(parents=True)
    (backup / "state/workers/trial/receipts/book").write_bytes(b"a book")
    packed(backup, GOOD, ("secrets/key", tarfile.REGTYPE, b"k"))
    manifest_of(backup)
    with umask(0):
        restore_folders(backup, tmp_path / "site", tmp_path / "restored")
    assert (tmp_path / "restored/workers/trial/receipts/book").read_bytes() == b"a book"
    for root in ("site", "restored"):
        for path in (tmp_path / root, *(tmp_path / root).rglob("*")):
            wanted = 0o700 if path.is_dir() else 0o600
            assert stat.S_IMODE(path.stat().st_mode) == wanted, path


def test_a_stream_s_name_is_that_of_the_site(office: DepartmentOffice) -> None:
    """Results go where the site says for a stream; a stream nobody configured has no place."""
    office.submit("licences/a.csv", table(LICENCE_ROW))
    files = office.files()
    assert files.find("../housing/files", "0" * 16, 1) is None
    assert files.get(f"{STREAM}:../../housing") is None


def test_the_longest_ending_is_counted_with() -> None:
    """Both results of a workbook are named alike, marked or not."""
    for length in range(235, 256):
        names = {result_name("a" * length, ending) for ending in (".result.csv", ".result.xlsx")}
        assert len({name.rpartition(".result.")[0] for name in names}) == 1
        assert all(len(name) <= LONGEST_NAME for name in names)
    assert len(".result.xlsx") == paths._LONGEST_ENDING


# --- on a hub -------------------------------------------------------------------------------------

HUB: Final = """\
site: trial
name_zh: 试点
prefix: {prefix}
partitions: 2
rulebook: {deploy}/rulebooks/national-2026.yaml
calendar: {deploy}/calendars/cn-2007-2026.json
sealing_key_file: key
departments:
  - {{id: market, name_zh: 市场监管局, authorities: [11330900MA0000015E],
      states: [licence.granted.v1], files: [{{name: files, inbox: market, results: to-market}}]}}
  - {{id: housing, name_zh: 住房建设局, authorities: [12330900MA0000015B],
      states: [licence.granted.v1], files: [{{name: files, inbox: housing, results: to-housing}}]}}
targets: []
"""


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def answer_in(path: Path, seconds: float) -> str:
    """The result file once it is there and says what became of its rows; empty when it is not."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        text = path.read_text(encoding="utf-8-sig") if path.exists() else ""
        if text and "处理中" not in text:
            return text
        time.sleep(0.1)
    return ""


@pytest.mark.kafka
@pytest.mark.faults
def test_names_and_links_of_one_department_hold_up_nobody(
    tmp_path: Path, kafka: KafkaPart, prefix: str
) -> None:
    """Connector, registrar and receipts on a broker: answers within 10 s, the workers healthy."""
    (tmp_path / "site.yaml").write_text(HUB.format(prefix=prefix, deploy=DEPLOY), encoding="utf-8")
    (tmp_path / "key").write_bytes(base64.b64encode(bytes(32)))
    inboxes = [tmp_path / name / "licences" for name in ("market", "housing")]
    for inbox in inboxes:
        inbox.mkdir(parents=True)
    market, housing = inboxes
    prepare_site(load_site(tmp_path), kafka.access)
    environment = {
        **os.environ, "KAFKA_BOOTSTRAP": kafka.bootstrap, "HUB_STATE": str(tmp_path / "state")
    }  # fmt: skip
    port = free_port()
    commands = (
        ["run", "registrar"],
        ["run", "receipts", "--metrics-port", str(port)],
        ["connector", "--poll", "0.2"],
    )
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "hub", *words, "--site", str(tmp_path)],
            cwd=ROOT, env=environment, stderr=subprocess.DEVNULL,
        )
        for words in commands
    ]  # fmt: skip
    try:
        (market / "first.csv").write_bytes(table(LICENCE_ROW))
        assert answer_in(tmp_path / "to-market/licences/first.csv.result.csv", 60)
        private = housing / "private.csv.part"  # not published yet: its upload goes on
        private.write_bytes(table({**LICENCE_ROW, NUMBER: "秘密7000号"}))
        for number, name in enumerate((LONG, GBK)):
            (market / name).write_bytes(table({**LICENCE_ROW, NUMBER: f"{number}号"}))
        (market / "link.csv").symlink_to(private)
        (market / "second.csv").hardlink_to(private)
        os.mkfifo(market / "pipe.csv")
        (housing / "own.csv").write_bytes(table({**LICENCE_ROW, NUMBER: "邻居1号"}))
        assert "邻居1号" in answer_in(tmp_path / "to-housing/licences/own.csv.result.csv", 10)
        results = tmp_path / "to-market/licences"
        for name in (LONG, GBK):
            assert "已受理" in answer_in(results / result_name(name, ".result.csv"), 10)
        for name, code in {
            "link": "NOT_PLAIN",
            "second": "HAS_TWO_NAMES",
            "pipe": "NOT_PLAIN",
        }.items():
            assert f"FILE_{code}" in answer_in(results / f"{name}.csv.result.csv", 10)
        told = "".join(path.read_text("utf-8-sig") for path in results.iterdir())
        assert "秘密" not in told
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as health:
            assert health.status == 200
        assert [worker.poll() for worker in workers] == [None] * 3
        for path in (*results.rglob("*"), *(tmp_path / "state/workers").rglob("*")):
            assert not path.stat().st_mode & stat.S_IRWXO or "rocksdb" in path.parts, path
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            worker.wait(20)
