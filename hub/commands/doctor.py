"""`hub doctor`: is everything there and as it should be; exit 0 well, 1 something must be done."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from socket import SHUT_RDWR, socket
from threading import Timer
from typing import Final

import click

from hub import VERSION
from hub.adapters.postgres.lookups import open_look_ups
from hub.config.basis_document import basis_document
from hub.config.kafka_access import OPERATOR, KafkaAccess
from hub.config.settings import Settings, read_settings
from hub.config.site import LoadedSite, load_site
from hub.core.basis import DECIDER_VERSION, basis_id_of, canonical_json
from hub.doctor import cluster, machine
from hub.doctor.symptom import Level, Symptom, ok
from hub.domain.dates import day_of_ms
from hub.embedded.parts import BackingServices
from hub.errors import ConfigurationError, HubError, message_for_people, remedy_in
from hub.operations.site_plan import plan_site
from hub.provisioning.deployment import Process, processes_of

_MARKS: Final = {Level.OK: "✓", Level.WARNING: "!", Level.FAULT: "✗"}
_LONGEST_NAME: Final = 80
_PATIENCE_SECONDS: Final = 2.0
_LARGEST_REPORT: Final = 64 * 1024


@click.command("doctor")
@click.option(
    "--site", "site_folder", type=click.Path(path_type=Path), required=True,
    help="站点目录 / the site's folder",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="以 JSON 输出 / print JSON")
@click.pass_context
def command(context: click.Context, *, site_folder: Path, as_json: bool) -> None:
    """体检：版本、时钟、主题、权限、积压、日历、证书、磁盘 / Check the site and this machine.

    逐项给出处理办法；有故障的，退出码 1 / Each finding with its remedy; exit 1 on a fault.
    """
    settings = read_settings()
    loaded = load_site(site_folder)
    found = list(_examine(loaded, settings))
    if as_json:
        click.echo(json.dumps([one._asdict() for one in found], ensure_ascii=False))
    else:
        for one in found:
            _show(one)
        faults = sum(one.level is Level.FAULT for one in found)
        warnings = sum(one.level is Level.WARNING for one in found)
        click.echo(f"{len(found)} 项，故障 {faults}，注意 {warnings} / faults, warnings")
    context.exit(1 if any(one.level is Level.FAULT for one in found) else 0)


def _show(one: Symptom) -> None:
    click.echo(f"{_MARKS[one.level]} {one.check:<12} {one.zh}")
    if one.level is not Level.OK:
        click.echo(f"  {'':<12} {one.en} [{one.code}]")
        if one.remedy_zh:
            click.echo(f"  {'':<12} 处理办法：{one.remedy_zh} / {one.remedy_en}")


def _examine(loaded: LoadedSite, settings: Settings) -> Iterator[Symptom]:
    """Every check; one that cannot be made is a fault with its own message."""
    parts = BackingServices(settings)
    yield from machine.versions(VERSION, DECIDER_VERSION)
    yield from machine.clock_of_site(loaded)
    yield from machine.disks(loaded, settings)
    yield from machine.secret_files(loaded, settings)
    yield from machine.drop_folders(loaded)
    yield from machine.permissions(loaded)
    yield from machine.certificates(loaded, settings)
    access: KafkaAccess | None = None
    try:
        access = parts.require_kafka(OPERATOR)
    except HubError as error:
        yield _not_made("kafka", error)
    else:
        yield from cluster.brokers(access, loaded.site.prefix)
        try:
            yield from _site_on_broker(loaded, access)
        except HubError as error:
            yield _not_made("topics", error)
    try:
        dsn = parts.require_dsn()
        yield from cluster.database(dsn)
        with open_look_ups(dsn, loaded.site.prefix) as tables:
            basis = tables.basis()
            yield _adopted(loaded, None if basis is None else basis.basis)
            if basis is not None:
                yield from machine.calendar(
                    _mapping(basis.content["calendar"]), day_of_ms(tables.now())
                )
            yield from cluster.waiting(access, loaded.site, tables)
    except HubError as error:
        yield _not_made("look-ups", error)
    yield from workers(loaded)


def _not_made(check: str, error: HubError) -> Symptom:
    message = message_for_people(error)
    zh, en, *_ = (*message.split("\n"), "")
    return Symptom(check, Level.FAULT, "CHECK_NOT_MADE", zh, en, *remedy_in(message))


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ConfigurationError("依据中没有日历", "the basis holds no calendar")
    return value


def _site_on_broker(loaded: LoadedSite, access: KafkaAccess) -> Iterator[Symptom]:
    """Topics, users and rights as the files say them."""
    plan = plan_site(loaded, access)
    missing = len(plan.topics.creates) + len(plan.topics.alters)
    yield _differs(
        "topics", missing, len(plan.topics.unknown), "TOPICS_DIFFER",
        ("主题", "topics"), ("hub topics plan，再 hub topics apply", "hub topics plan, then apply"),
    )  # fmt: skip
    rights = plan.rights
    if not access.user:
        yield Symptom(
            "rights", Level.WARNING, "NO_AUTHENTICATION", "Kafka 未启用认证，任何人可读写",
            "Kafka does not authenticate its clients", "启用 SASL 与授权，见 docs/security.md",
            "turn on SASL and the authorizer, see docs/security.md",
        )  # fmt: skip
        return
    yield _differs(
        "rights", len(rights.users) + len(rights.grants), len(rights.unknown), "RIGHTS_DIFFER",
        ("用户与权限", "users and rights"),
        ("hub topics plan；多余的用 apply --revoke 收回", "hub topics plan, apply --revoke"),
    )  # fmt: skip
    if rights.wide:
        who = "、".join(sorted({right.user for right in rights.wide}))
        yield Symptom(
            "rights", Level.WARNING, "RIGHTS_TOO_WIDE",
            f"未点名而及于本站点的权限 {len(rights.wide)} 条：{who}",
            f"{len(rights.wide)} rights reach into the site without naming it: {who}",
            "hub topics plan 列出；由集群管理员收窄",
            "hub topics plan lists them; the cluster's administrator narrows them",
        )  # fmt: skip


def _differs(
    check: str, missing: int, unknown: int, code: str, what: tuple[str, str],
    remedy: tuple[str, str],
) -> Symptom:  # fmt: skip
    if not missing and not unknown:
        return ok(check, f"{what[0]}与定义文件一致", f"{what[1]} are as the files say")
    level = Level.FAULT if missing else Level.WARNING
    return Symptom(
        check, level, code, f"{what[0]}：缺少或不同 {missing}，未列入文件 {unknown}",
        f"{what[1]}: {missing} missing or different, {unknown} in no file", *remedy,
    )  # fmt: skip


def _adopted(loaded: LoadedSite, adopted: bytes | None) -> Symptom:
    """Whether decisions are made under what the site says today."""
    if adopted == basis_id_of(canonical_json(basis_document(loaded))):
        return ok("basis", "现行依据已采用", "decisions follow the site as it is")
    zh = "尚未采用任何依据" if adopted is None else "站点、规则、日历或契约已改而未采用"
    en = "no basis was adopted" if adopted is None else "the site differs from the basis adopted"
    return Symptom(
        "basis", Level.WARNING, "BASIS_NOT_ADOPTED", zh, en, "hub basis adopt", "hub basis adopt"
    )


def workers(loaded: LoadedSite) -> Iterator[Symptom]:
    """Health of the site's processes on the ports they have on one machine (`hub deploy list`)."""
    silent = []
    for process in processes_of(loaded.site):
        report = _health(process.port)
        if report is None:
            silent.append(process.unit)
        elif not _is_itself(report, process, loaded):
            name = f"{report.get('site') or '?'}/{report.get('worker') or '?'}"
            told_name = "".join(filter(str.isprintable, name[:_LONGEST_NAME]))
            yield Symptom(
                "workers", Level.WARNING, "WORKER_IS_ANOTHER",
                f"{process.unit} 的端口 {process.port} 上应答的不是它，而是 {told_name}",
                f"on port {process.port} of {process.unit} another answers: {told_name}",
                "ss -ltnp 查看是谁", "ss -ltnp shows who",
            )  # fmt: skip
        elif report.get("status") in {"stopped", "repeating"}:
            parts = ("code", "zh", "en", "remedy_zh", "remedy_en")
            yield Symptom("workers", Level.FAULT, *(str(report.get(name, "")) for name in parts))
        elif report.get("status") != "ok":
            seconds = report.get("seconds_since_progress", "?")
            yield Symptom(
                "workers", Level.FAULT, "WORKER_STALLED",
                f"{process.unit} 已 {seconds} 秒无进展",
                f"{process.unit} has not got on for {seconds} s",
                "看它的日志", "look at its log",
            )  # fmt: skip
        else:
            yield ok("workers", f"{process.unit} 正常", f"{process.unit} is well")
    if silent:
        yield Symptom(
            "workers", Level.WARNING, "WORKER_NOT_HERE",
            f"本机约定端口上没有应答：{'、'.join(silent)}",
            f"no answer on the agreed ports of this machine: {', '.join(silent)}",
            "在别处运行的忽略；否则 systemctl status",
            "never mind those that run elsewhere; else systemctl status",
        )  # fmt: skip


def _is_itself(report: dict[str, object], process: Process, loaded: LoadedSite) -> bool:
    """Whether who answers is the worker this port belongs to, of this site.

    A connector that runs for all departments says no more than its kind.
    """
    names = {process.worker, "connector"} if process.kind == "connector" else {process.worker}
    return report.get("worker") in names and report.get("site") == loaded.site.site


def _health(port: int) -> dict[str, object] | None:
    """Ask a port what it says of itself; empty: not a worker, None: nothing answers.

    Another program on that port may answer slowly or without end: reading stops after a time and
    a size, and redirects are not followed.
    """
    caller = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE_SECONDS)
    try:
        caller.connect()
    except OSError:
        return None
    patience = Timer(_PATIENCE_SECONDS, _end, (caller.sock,))
    patience.start()
    try:
        caller.request("GET", "/health")
        reported = json.loads(caller.getresponse().read(_LARGEST_REPORT))
    except (ValueError, RecursionError, http.client.HTTPException):
        return {}
    except OSError:
        return None
    finally:
        patience.cancel()
        caller.close()
    return reported if isinstance(reported, dict) else {}


def _end(connection: socket) -> None:
    """End a connection from another thread; it may be over already."""
    with suppress(OSError):
        connection.shutdown(SHUT_RDWR)
