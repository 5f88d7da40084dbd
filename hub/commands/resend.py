"""`hub resend`: send a target again all it shows, and all it must not show any more."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hub.audit.plan import named_in
from hub.commands.rehearsals import rehearse_site
from hub.commands.words import ACTIONS, kind_zh
from hub.config.kafka_access import OPERATOR
from hub.config.settings import read_settings
from hub.config.site import load_site
from hub.core.basis import canonical_json
from hub.domain import kinds
from hub.embedded.parts import BackingServices
from hub.errors import ConfigurationError
from hub.operations.control import ask_partitions, resend_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.config.kafka_access import KafkaAccess
    from hub.config.site import LoadedSite
    from hub.core.record import LedgerRecord

_DAY = click.DateTime(["%Y-%m-%d"])


@click.command("resend")
@click.argument("target")
@click.option(
    "--site", "site_folder", type=click.Path(path_type=Path), required=True,
    help="站点目录 / the site's folder",
)  # fmt: skip
@click.option("--from", "begin", type=_DAY, help="决定日期自此日（含）/ decided on or after")
@click.option("--to", "end", type=_DAY, help="决定日期至此日（含）/ decided on or before")
@click.option("--document", default="", help="只此文号 / this document number only")
@click.option("--dry-run", is_flag=True, help="只统计，不发出 / count, send nothing")
def command(
    *,
    target: str,
    site_folder: Path,
    begin: datetime | None,
    end: datetime | None,
    document: str,
    dry_run: bool,
) -> None:
    """按现行可见范围重新投送 / Tell TARGET again, under today's clearance.

    目标平台应公示的逐条再发一次，不应公示的逐条再撤一次；不产生新的期限。
    What it should show is sent once more, what it should not is withdrawn once more; no new duty.
    """
    loaded = load_site(site_folder)
    loaded.target(target)
    if document and (begin or end):
        raise ConfigurationError(
            "--document 不与 --from、--to 同用",
            "--document goes without --from and --to",
            remedy_zh="一个文号，或一段决定日期，二者取一",
            remedy_en="one number, or days of decision",
        )
    if begin and end and begin > end:
        raise ConfigurationError(
            f"--from {_iso(begin)} 晚于 --to {_iso(end)}",
            f"--from {_iso(begin)} is later than --to {_iso(end)}",
            remedy_zh="对调两个日期；否则什么也不会重送",
            remedy_en="swap the two days: nothing would be sent again",
        )
    request = resend_request(target, _iso(begin), _iso(end), document)
    access = BackingServices(read_settings()).require_kafka(OPERATOR)
    if dry_run:
        _say(_count(loaded, access, request))
        return
    ask_partitions(loaded, access, kinds.RESEND_REQUESTED, request)
    click.echo(
        "已发出：登记进程按台账顺序逐条列入，投送进程随后送达；用 hub trace、hub status 查看\n"
        "sent: the registrar names each record again, the courier delivers; see hub trace, status"
    )


def _iso(day: datetime | None) -> str:
    return "" if day is None else day.date().isoformat()


def _count(
    loaded: LoadedSite, access: KafkaAccess, request: Mapping[str, str]
) -> Counter[tuple[str, str]]:
    """Walk through every partition as the registrar would; by action and kind."""
    counts: Counter[tuple[str, str]] = Counter()

    def take(_partition: int, record: LedgerRecord) -> None:
        counts.update(named_in(record))

    rehearse_site(loaded, access, kinds.RESEND_REQUESTED, canonical_json(request), take)
    return counts


def _say(counts: Counter[tuple[str, str]]) -> None:
    for (action, kind), number in sorted(counts.items()):
        click.echo(f"{ACTIONS[action]} {action}  {kind_zh(kind)} {kind}  {number}")
    total = sum(counts.values())
    click.echo(f"合计 {total} 条；未发出 / {total} in all; nothing was sent")
