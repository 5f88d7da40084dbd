"""`hub audit`: is the ledger whole (verify), and were the decisions right (replay).

Exit status: 0 no difference, 1 differences, 2 the audit could not run.
"""

from __future__ import annotations

import json
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from hub.adapters.head_files import append_anchors
from hub.adapters.kafka.client import KafkaInputs
from hub.adapters.rocksdb import RocksStore
from hub.audit.finding import AuditFinding
from hub.audit.history import Histories, read_partition
from hub.audit.replay import MemoryState, Replayer, ReplayReport
from hub.audit.verify import Verifier, VerifyReport
from hub.audit.witnesses import ask_witnesses, ledger_head, with_deliveries
from hub.config.basis_document import basis_document
from hub.config.kafka_access import OPERATOR
from hub.config.settings import read_settings
from hub.config.site import Site, load_site
from hub.core.basis import canonical_json
from hub.core.ledger_end import read_loss
from hub.embedded.parts import BackingServices
from hub.errors import ConfigurationError
from hub.operations.control import declare_losses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.audit.finding import Findings
    from hub.audit.replay import FindInput
    from hub.audit.verify import Tally
    from hub.audit.witnesses import Witnesses
    from hub.config.kafka_access import KafkaAccess
    from hub.ports import InputRecord, StateStore

DIFFERENCES = 1
IN_MEMORY = 100_000
"""Ledger records of a partition above which the replay keeps its state on disk."""
_READ_AHEAD: Final[Mapping[str, str | int | bool]] = {"queued.max.messages.kbytes": 16_384}
"""Read-ahead per topic: an audit has a dozen topics open at once."""

_FOLDER = click.Path(path_type=Path)
_site = click.option(
    "--site", "site_folder", type=_FOLDER, required=True, help="站点目录 / the site's folder"
)
_bootstrap = click.option(
    "--bootstrap", help="Kafka 地址，默认取自设置 / Kafka's address; default: the settings'"
)
_anchors = click.option(
    "--anchors", type=_FOLDER,
    help="锚点目录，默认取自 HUB_ANCHORS / folder of anchors; default: HUB_ANCHORS",
)  # fmt: skip
_json = click.option("--json", "as_json", is_flag=True, help="以 JSON 输出 / print JSON")


@click.group("audit")
def command() -> None:
    """核验与重放台账 / Verify and replay the ledger."""


@command.command("verify")
@_site
@_bootstrap
@_anchors
@_json
@click.pass_context
def verify_command(
    context: click.Context,
    *,
    site_folder: Path,
    bootstrap: str | None,
    anchors: Path | None,
    as_json: bool,
) -> None:
    """链、序号、守恒，链尾与各方所见一致 / Chain, order, conservation, the end that others saw."""
    site = load_site(site_folder).site
    access = _access(bootstrap, site.user("auditor"))
    verifier, witnesses = _verify(site, access, anchors)
    report = verifier.report()
    if as_json:
        shown = {**_verify_json(report), "witnesses": witnesses.asked}
        click.echo(json.dumps(shown, ensure_ascii=False))
    else:
        _show_verify(report, witnesses)
    context.exit(0 if report.is_ok else DIFFERENCES)


def _verify(site: Site, access: KafkaAccess, anchors: Path | None) -> tuple[Verifier, Witnesses]:
    """Read everything once; the witnesses first, so that none is behind what they saw."""
    inputs = KafkaInputs(
        access, access.user or "audit", marks_unreadable=True, settings=_READ_AHEAD
    )
    try:
        witnesses = ask_witnesses(site, inputs, read_settings(), anchors)
        places = [(topic, p) for topic in site.input_topics for p in range(site.partitions)]
        ends = {place: end for place, (_start, end) in inputs.bounds(places).items()}
        verifier = Verifier(site.prefix, ends)
        for broken in witnesses.broken:
            verifier.findings.add(AuditFinding(broken.code, broken.partition, detail=str(broken)))
        for partition in range(site.partitions):
            verifier.partition(partition, inputs, site.input_topics, witnesses.seen)
    finally:
        inputs.close()
    return verifier, witnesses


@command.command("anchor")
@_site
@_bootstrap
@click.option(
    "--to", "folder", type=_FOLDER, required=True,
    help="锚点目录，宜在另一台机器上 / a folder, best on another machine",
)  # fmt: skip
def anchor_command(*, site_folder: Path, bootstrap: str | None, folder: Path) -> None:
    """把各分区的链尾记到别处 / Write the ledger's end down apart from the ledger."""
    site = load_site(site_folder).site
    inputs = _inputs(site, bootstrap)
    try:
        heads = {p: ledger_head(inputs, site.topic("ledger"), p) for p in range(site.partitions)}
    finally:
        inputs.close()
    try:
        append_anchors(folder, heads)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{folder}：写不进锚点，或其中某个文件的末行不是锚点",
            f"{folder}: anchors cannot be written there, or a file's last line is not one",
            remedy_zh="检查权限与空间；被改动的文件留作证据，另写一个目录",
            remedy_en="check rights and space; keep a file that was altered, and anchor elsewhere",
        ) from error
    for partition, head in heads.items():
        click.echo(
            f"台账分区 ledger[{partition}]: {head.sequence} 条 records, "
            f"链尾 head {head.last_hash.hex()[:16]}"
        )


@command.command("accept-loss")
@_site
@_bootstrap
@_anchors
@click.option("--operator", required=True, help="登记人 / who declares it")
@click.option("--reason", required=True, help="缘由，记入台账 / why; it goes into the ledger")
@click.option(
    "--dry-run", is_flag=True, help="只列出，不登记 / say what is missing, declare nothing"
)
def accept_loss_command(
    *,
    site_folder: Path,
    bootstrap: str | None,
    anchors: Path | None,
    operator: str,
    reason: str,
    dry_run: bool,
) -> None:
    """登记台账缺失，各进程随后继续 / Declare what the ledger has lost; all workers go on then.

    先停下全部工作进程；列出缺失的序号、谁见过、已发往平台的投递；登记写入台账，不可撤销。
    Stop all workers first. It lists the missing numbers, who saw them and what platforms were sent;
    the declaration is a ledger record and cannot be taken back.
    """
    loaded = load_site(site_folder)
    access = _access(bootstrap, OPERATOR)
    verifier, _witnesses = _verify(loaded.site, access, anchors)
    if not verifier.lost:
        raise ConfigurationError(
            "台账末尾没有缺失：各方所见都在台账中",
            "nothing is missing: the ledger holds all that was ever seen of it",
            remedy_zh="如有停下的进程，用 --anchors 指明锚点目录，或在其状态目录所在机器上运行",
            remedy_en="if a worker has stopped, name the anchors with --anchors, or run this where "
            "its state folder is (HUB_STATE)",
        )
    with closing(KafkaInputs(access, OPERATOR)) as inputs:
        lost, sent = with_deliveries(
            loaded.site, inputs, read_settings(), verifier.lost, verifier.ends
        )
    for end in lost:
        click.echo(end.finding().text())
    click.echo(f"缺失记录已发往平台的投递 deliveries of lost records: {len(sent)}")
    for one in sent:
        click.echo(f"  {one.text()}")
    losses = {end.partition: end.as_loss(operator, reason).as_content() for end in lost}
    for content in losses.values():
        try:
            read_loss(canonical_json(content))
        except ValueError as error:
            raise ConfigurationError(
                "登记人或缘由为空或过长",
                "operator or reason is empty or too long",
                remedy_zh="登记人至多 80 字，缘由至多 400 字",
                remedy_en="80 characters for the operator, 400 for the reason",
            ) from error
    if dry_run:
        click.echo("未登记 / nothing was declared")
        return
    declare_losses(loaded, access, losses)
    click.echo(
        "已登记：先启动登记进程，它写下这一登记，再从输入主题重新决定；然后启动其余进程，"
        "查询表与回执库从头重建，投递进程就已发过的逐件询问平台\n"
        "declared: start the registrar; it writes this down first, then decides "
        "anew what its inputs hold. Then the others: look-ups and receipts are made anew, couriers "
        "ask the platforms about what was sent"
    )


@command.command("replay")
@_site
@_bootstrap
@click.option(
    "--with-site",
    "other_site",
    type=_FOLDER,
    help="假如：改用此站点的规则与日历重新决定 / what if: decide under this site's basis",
)
@_json
@click.pass_context
def replay_command(
    context: click.Context,
    *,
    site_folder: Path,
    bootstrap: str | None,
    other_site: Path | None,
    as_json: bool,
) -> None:
    """只读原因，从空状态重新决定，逐字节比较 / Decide every cause again, compare bytes."""
    site = load_site(site_folder).site
    instead = basis_document(load_site(other_site)) if other_site is not None else None
    inputs = _inputs(site, bootstrap)
    replayer = Replayer(site.prefix, instead)
    try:
        for partition in range(site.partitions):
            _replay_partition(replayer, site, inputs, partition)
    finally:
        inputs.close()
    report = replayer.report()
    if as_json:
        click.echo(json.dumps(_replay_json(report), ensure_ascii=False))
    else:
        _show_replay(report)
    context.exit(0 if report.is_ok else DIFFERENCES)


def _access(bootstrap: str | None, user: str) -> KafkaAccess:
    settings = read_settings()
    if bootstrap is not None:
        settings = replace(settings, kafka_bootstrap=bootstrap)
    return BackingServices(settings).require_kafka(user)


def _inputs(site: Site, bootstrap: str | None) -> KafkaInputs:
    user = site.user("auditor")
    return KafkaInputs(_access(bootstrap, user), user, marks_unreadable=True, settings=_READ_AHEAD)


def _replay_partition(replayer: Replayer, site: Site, inputs: KafkaInputs, partition: int) -> None:
    place = (site.topic("ledger"), partition)
    start, end = inputs.bounds([place])[place]
    ledger = read_partition(inputs, *place)
    find = _finder(Histories(inputs, partition, site.input_topics))
    if end - start <= IN_MEMORY:
        replayer.partition(partition, ledger, MemoryState(), find)
        return
    with tempfile.TemporaryDirectory(prefix="hub-replay-") as folder:
        state: StateStore = RocksStore(Path(folder))
        try:
            replayer.partition(partition, ledger, state, find)
        finally:
            state.close()


def _finder(histories: Histories) -> FindInput:
    """Reads a submission back from its topic; each topic is read once, forward."""

    def find(topic: str, offset: int) -> InputRecord | None:
        history = histories.of(topic)
        if history is None or offset < history.start:
            return None
        for _passed in history.skip_to(offset):
            pass
        return history.take(offset)

    return find


# --- what is shown ---


def _show_verify(report: VerifyReport, witnesses: Witnesses) -> None:
    for summary in report.partitions:
        click.echo(
            f"台账分区 ledger[{summary.partition}]: {summary.records} 条 records, "
            f"链尾 head {summary.head.hex()[:16]}"
        )
    for department, tally in sorted(report.departments.items()):
        click.echo(f"部门 {department}: {_sum_of(tally)}")
    for stream in report.streams:
        state = f"缺 {stream.missing} missing" if stream.missing else "无缺号 no gap"
        click.echo(f"报送流 stream {stream.stream}: 1–{stream.last} {state}")
    other = sum(report.other_outcomes.values())
    click.echo(f"其他记录 other records (时钟 clocks, 平台 platforms, 依据 bases): {other}")
    click.echo(f"未决 waiting: {report.waiting}")
    click.echo(f"链尾的见证 who has seen the end: {'、'.join(witnesses.asked) or '无 none'}")
    for partition, loss in report.declared:
        click.echo(
            f"已登记的缺失 declared loss ledger[{partition}] {loss.first}–{loss.last}: "
            f"{loss.operator}: {loss.because}"
        )
    if report.unreadable:
        click.echo(f"无法读取、已按位置搁置 unreadable, set aside: {report.unreadable}")
    _show_findings(report.differences)


def _sum_of(tally: Tally) -> str:
    parts = [f"{outcome.name.lower()} {n}" for outcome, n in sorted(tally.outcomes.items())]
    sign = "=" if tally.is_conserved else "≠"
    text = f"读入 read {tally.read + tally.trimmed} {sign} {' + '.join(parts) or '0'}"
    if tally.trimmed:
        text += f"（其中 {tally.trimmed} 条主题已不保留 no longer in the topic）"
    return text + (f"; 未决 waiting {tally.waiting}" if tally.waiting else "")


def _show_replay(report: ReplayReport) -> None:
    for summary in report.partitions:
        click.echo(
            f"台账分区 ledger[{summary.partition}]: "
            f"重放一致 equal {summary.replayed} / {summary.records}"
        )
    for finding, count in report.declared:
        click.echo(f"已声明的差异 declared difference × {count}，首处 first:\n{finding.text()}")
    if report.basis_changes:
        click.echo("依据的不同 what differs in the basis:")
        for change in report.basis_changes:
            click.echo(f"  {change}")
    _show_findings(report.differences)


def _show_findings(findings: Findings) -> None:
    if not findings.count:
        click.echo("结果 result: 一致 no difference")
        return
    click.echo(f"结果 result: {findings.count} 处不同 differences")
    for finding in findings.kept:
        click.echo(finding.text())
    more = findings.count - len(findings.kept)
    if more:
        click.echo(f"…另有同类 {more} 处 more of the same kinds")


def _verify_json(report: VerifyReport) -> dict[str, object]:
    return {
        "result": "ok" if report.is_ok else "differences",
        "partitions": [
            {"partition": s.partition, "records": s.records, "head": s.head.hex()}
            for s in report.partitions
        ],
        "departments": {
            name: {
                "read": tally.read + tally.trimmed,
                "no_longer_retained": tally.trimmed,
                "waiting": tally.waiting,
                "outcomes": {o.name.lower(): n for o, n in sorted(tally.outcomes.items())},
            }
            for name, tally in sorted(report.departments.items())
        },
        "other_outcomes": {o.name.lower(): n for o, n in sorted(report.other_outcomes.items())},
        "streams": {s.stream: {"last": s.last, "missing": s.missing} for s in report.streams},
        "waiting": report.waiting,
        "declared_losses": [
            {"partition": partition, **loss.as_content()} for partition, loss in report.declared
        ],
        "unreadable": report.unreadable,
        "difference_count": report.differences.count,
        "differences": [finding.as_json() for finding in report.differences.kept],
    }


def _replay_json(report: ReplayReport) -> dict[str, object]:
    return {
        "result": "ok" if report.is_ok else "differences",
        "partitions": [summary._asdict() for summary in report.partitions],
        "declared": [{**finding.as_json(), "count": count} for finding, count in report.declared],
        "basis_changes": list(report.basis_changes),
        "difference_count": report.differences.count,
        "differences": [finding.as_json() for finding in report.differences.kept],
    }
