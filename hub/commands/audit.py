"""`hub audit`: is the ledger whole (verify), and were the decisions right (replay).

Exit status: 0 no difference, 1 differences, 2 the audit could not run.
"""

from __future__ import annotations

import json
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.adapters.kafka import KafkaInputs
from hub.adapters.parts import Parts
from hub.adapters.rocksdb import RocksStore
from hub.audit.history import Histories, read_partition
from hub.audit.replay import MemoryState, Replayer, ReplayReport
from hub.audit.verify import Verifier, VerifyReport
from hub.bootstrap import basis_document
from hub.settings import read_settings
from hub.site import Site, load_site

if TYPE_CHECKING:
    from hub.audit.finding import Findings
    from hub.audit.replay import FindInput
    from hub.audit.verify import Tally
    from hub.ports import InputRecord, StateStore

DIFFERENCES = 1
IN_MEMORY = 100_000
"""Ledger records of a partition above which the replay keeps its state on disk."""
_QUEUE_KIB = 16_384
"""Read-ahead per topic: an audit has a dozen topics open at once."""

_FOLDER = click.Path(path_type=Path)
_site = click.option(
    "--site", "site_folder", type=_FOLDER, required=True, help="站点目录 / the site's folder"
)
_bootstrap = click.option(
    "--bootstrap", help="Kafka 地址，默认取自设置 / Kafka's address; default: the settings'"
)
_json = click.option("--json", "as_json", is_flag=True, help="以 JSON 输出 / print JSON")


@click.group("audit")
def command() -> None:
    """核验与重放台账 / Verify and replay the ledger."""


@command.command("verify")
@_site
@_bootstrap
@_json
@click.pass_context
def verify_command(
    context: click.Context, *, site_folder: Path, bootstrap: str | None, as_json: bool
) -> None:
    """链、序号、每件报送一个主结果、读入等于各结果之和 / Chain, order, conservation."""
    site = load_site(site_folder).site
    inputs = _inputs(site, bootstrap)
    try:
        places = [(topic, p) for topic in site.input_topics for p in range(site.partitions)]
        ends = {place: end for place, (_start, end) in inputs.bounds(places).items()}
        verifier = Verifier(site.prefix, ends)
        for partition in range(site.partitions):
            verifier.partition(partition, inputs, site.input_topics)
    finally:
        inputs.close()
    report = verifier.report()
    if as_json:
        click.echo(json.dumps(_verify_json(report), ensure_ascii=False))
    else:
        _show_verify(report)
    context.exit(0 if report.is_ok else DIFFERENCES)


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


def _inputs(site: Site, bootstrap: str | None) -> KafkaInputs:
    settings = read_settings()
    if bootstrap is not None:
        settings = replace(settings, kafka_bootstrap=bootstrap)
    access = Parts(settings).require_kafka(site.user("auditor"))
    return KafkaInputs(access, site.user("auditor"), **{"queued.max.messages.kbytes": _QUEUE_KIB})


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


def _show_verify(report: VerifyReport) -> None:
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
