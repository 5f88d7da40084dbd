"""This machine and this site folder: versions, disks, secrets, certificates, the calendar."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import socket
import ssl
import stat
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import confluent_kafka
from cryptography import x509

from hub.config.kafka_access import OPERATOR
from hub.doctor.symptom import Level, Symptom, judged, ok
from hub.domain.calendar import WorkingCalendar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hub.config.settings import Settings
    from hub.config.site import LoadedSite

_GB: Final = 1_000_000_000
_ENOUGH_FREE: Final = 10 * _GB
_LITTLE_FREE: Final = 2 * _GB
_CERTIFICATE_DAYS: Final = 30
_CALENDAR_DAYS: Final = 30
_PATIENCE_SECONDS: Final = 5.0
_TOO_OPEN: Final = stat.S_IRWXO | stat.S_IWGRP


def versions(hub_version: str, decider: str) -> Iterator[Symptom]:
    """Processes that run here; whether they agree with the ledger is checked elsewhere."""
    python = ".".join(map(str, sys.version_info[:3]))
    library = confluent_kafka.libversion()[0]
    words = f"hub {hub_version}，decider {decider}，Python {python}，librdkafka {library}"
    yield ok("versions", words, words.replace("，", ", "))


def disks(loaded: LoadedSite, settings: Settings) -> Iterator[Symptom]:
    """Free space where the hub and the departments write; one line per file system."""
    folders = [settings.state_folder, loaded.folder]
    for department in loaded.site.departments:
        for source in department.files:
            folders += [loaded.path(source.inbox), loaded.path(source.results)]
    folders += [loaded.path(one.drop.folder) for one in loaded.site.targets if one.drop is not None]
    seen: set[int] = set()
    for folder in folders:
        place = folder
        # what is closed to this user counts as not there: its file system is the folder's above
        while not os.access(place, os.F_OK):
            place = place.parent
        device = place.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        free = shutil.disk_usage(place).free
        yield judged(
            "disk", -free, -_ENOUGH_FREE, -_LITTLE_FREE, "DISK_SPACE_LOW",
            (f"{place} 剩余 {free / _GB:.1f} GB", f"{place}: {free / _GB:.1f} GB free"),
            ("腾出空间；磁盘写满时进程停下等待，不丢数据",
             "make room; on a full disk workers wait and lose nothing"),
        )  # fmt: skip


def permissions(loaded: LoadedSite) -> Iterator[Symptom]:
    """Departments that send and may state nothing: every row of theirs would be refused."""
    known = loaded.site.departments
    senders = [each for each in known if each.running_sources and each.kind != "agent"]
    for department in senders:
        if not department.states:
            yield Symptom(
                "states", Level.WARNING, "NOTHING_ALLOWED",
                f"部门 {department.id} 有来源，但不得报送任何种类",
                f"department {department.id} has sources and may state no kind",
                "在 site.yaml 中该部门的 states 写明可报送的种类，再 hub basis adopt",
                "name its kinds under states in site.yaml, then hub basis adopt",
            )  # fmt: skip
    allowed = sum(bool(each.states) for each in senders)
    yield ok("states", f"{allowed} 个部门有报送许可", f"{allowed} departments may state something")


def secret_files(loaded: LoadedSite, settings: Settings) -> Iterator[Symptom]:
    """Every secret of site and database sources, Kafka's and PostgreSQL's: there, closed to others.

    An empty file is none.
    """
    files = list(loaded.secret_files())
    if settings.postgres_password_file is not None:
        files.append(settings.postgres_password_file)
    if settings.kafka_secrets is not None:
        passwords = settings.kafka_secrets
        kept = sorted(each for each in passwords.glob("*") if each.is_file())
        files += kept or [passwords / OPERATOR]
    good = 0
    for file in files:
        try:
            told = file.stat()
        except OSError:
            told = None
        if told is None or not told.st_size:
            yield Symptom(
                "secrets", Level.FAULT, "SECRET_MISSING", f"{file} 不存在或为空",
                f"{file} is missing or empty",
                "创建站点或数据库来源文件所指的该文件",
                "make the file that the site or its source names",
            )  # fmt: skip
            continue
        mode = told.st_mode
        if mode & _TOO_OPEN:
            yield Symptom(
                "secrets", Level.WARNING, "SECRET_TOO_OPEN", f"{file} 可被他人读写",
                f"{file} is open to others", "chmod 600", "chmod 600",
            )  # fmt: skip
            continue
        good += 1
    yield ok("secrets", f"{good} 个秘密文件就绪", f"{good} secret files are in place")


def drop_folders(loaded: LoadedSite) -> Iterator[Symptom]:
    """Whether `out` may be written and `ack` read where a target takes files."""
    for target in loaded.site.targets:
        if target.drop is None or target.retired:
            continue
        folder = loaded.path(target.drop.folder)
        wanted = {folder / "out": os.R_OK | os.W_OK | os.X_OK, folder / "ack": os.R_OK | os.X_OK}
        closed = [str(one) for one, how in wanted.items() if not os.access(f"{one}/", how)]
        if closed:
            yield Symptom(
                "folders", Level.FAULT, "DROP_FOLDER_CLOSED",
                f"{target.id}：{'、'.join(closed)} 不存在或无权限",
                f"{target.id}: {', '.join(closed)} not there, or closed to this user",
                "挂载目录，给投递进程的用户 out 的写权限与 ack 的读权限",
                "mount it; the courier's user writes out and reads ack",
            )  # fmt: skip
        else:
            yield ok(
                "folders", f"{target.id} 的投递目录可用", f"{target.id}: its drop folder is open"
            )


def calendar(content: Mapping[str, object], today: dt.date) -> Iterator[Symptom]:
    """How far holiday notices reach; later due dates are provisional."""
    years = WorkingCalendar.from_mapping(content).announced_years
    left = (dt.date(max(years, default=today.year - 1), 12, 31) - today).days
    yield judged(
        "calendar", -left, -_CALENDAR_DAYS, 0, "CALENDAR_ENDS",
        (f"放假安排覆盖今后 {left} 天", f"holiday notices cover {left} more days"),
        ("载入下一年放假通知后 hub basis adopt", "load the next notice, then hub basis adopt"),
    )  # fmt: skip


def certificates(loaded: LoadedSite, settings: Settings) -> Iterator[Symptom]:
    """How long the certificates hold: the platforms' over HTTPS, and the cluster's authority."""
    now = dt.datetime.now(dt.UTC)
    for target in loaded.site.targets:
        address = urlsplit(target.url)
        if address.scheme != "https" or address.hostname is None:
            continue
        try:
            ends = _served_until(address.hostname, address.port or 443)
        except (OSError, ValueError) as error:
            yield Symptom(
                "certificates", Level.WARNING, "CERTIFICATE_NOT_SEEN",
                f"{target.id}：无法取得证书（{error}）", f"{target.id}: no certificate ({error})",
                "平台恢复后再查", "ask again when the platform is back",
            )  # fmt: skip
        else:
            yield _ends(target.id, ends, now)
    if settings.kafka_ca is not None:
        try:
            kept = x509.load_pem_x509_certificates(settings.kafka_ca.read_bytes())
        except (OSError, ValueError):
            yield Symptom(
                "certificates", Level.FAULT, "CERTIFICATE_NOT_READ",
                f"{settings.kafka_ca} 无法读取或不是 PEM 证书",
                f"{settings.kafka_ca} cannot be read or holds no certificate (PEM)",
                "核对 HUB_KAFKA_CA", "check HUB_KAFKA_CA",
            )  # fmt: skip
            return
        for certificate in kept:
            yield _ends(settings.kafka_ca.name, certificate.not_valid_after_utc, now)


def _served_until(host: str, port: int) -> dt.datetime:
    """When the certificate that a server shows expires; it is not trusted here, only read."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((host, port), _PATIENCE_SECONDS) as plain,
        context.wrap_socket(plain, server_hostname=host) as wrapped,
    ):
        shown = wrapped.getpeercert(binary_form=True) or b""
    return x509.load_der_x509_certificate(shown).not_valid_after_utc


def _ends(what: str, ends: dt.datetime, now: dt.datetime) -> Symptom:
    left = (ends - now).days
    return judged(
        "certificates", -left, -_CERTIFICATE_DAYS, 0, "CERTIFICATE_ENDS",
        (f"{what} 的证书还有 {left} 天", f"{what}: its certificate holds {left} more days"),
        ("更换证书", "renew it"),
    )  # fmt: skip


def clock_of_site(loaded: LoadedSite) -> Iterator[Symptom]:
    """A scripted business clock belongs to demos and tests."""
    if loaded.site.business_clock is not None:
        yield Symptom(
            "clocks", Level.WARNING, "BUSINESS_CLOCK_SCRIPTED",
            "业务时钟由文件给出，仅用于演示与测试",
            "business time comes from a file: for demos and tests only",
            "生产站点从 site.yaml 去掉 business_clock", "a real site has no business_clock",
        )  # fmt: skip
    with suppress(OSError):
        text = Path("/run/systemd/timesync/synchronized")
        if Path("/run/systemd/timesync").exists() and not text.exists():
            yield Symptom(
                "clocks", Level.WARNING, "CLOCK_NOT_SYNCHRONISED", "本机时钟尚未与时间服务器同步",
                "this machine's clock is not synchronised", "检查 systemd-timesyncd 或 chrony",
                "look at systemd-timesyncd or chrony",
            )  # fmt: skip
