"""Every metric of the hub: names, labels, meaning; and the health of a worker, which is progress.

A worker makes one `Metrics` and one `Health`, and serves both with `serve`. Labels are bounded by
the site's configuration and the contracts (department, target, kind, outcome, stage, reason);
never an identifier, a document number or a name: cardinality, and privacy. `docs/metrics.md` is
made from here, and a test compares the two.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR, socket
from threading import Lock, Thread
from typing import Any, Final, NamedTuple, Self

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)

from hub.errors import ConfigurationError, Problem

disable_created_metrics()  # type: ignore[no-untyped-call]  # doubles the series and says nothing

PRIMARY_OUTCOMES: Final = (
    "accepted", "corrected", "withdrawn", "duplicate", "superseded", "held", "conflicting",
    "quarantined",
)  # fmt: skip
"""Outcomes of a submission; read is their sum."""
OTHER: Final = "other"
"""Label of a kind that no contract knows: a foreign header must not make new series."""
REPEATS: Final = 5
"""So many starts within `REPEATS_SECONDS` are a worker that repeats itself."""
REPEATS_SECONDS: Final = 60.0
CALM_SECONDS: Final = 15.0
"""Without another start for so long it has got over what ended it."""
_REPEATING: Final = Problem(
    "工作进程一再从头开始，没有正常工作",
    "the worker starts again and again and makes no progress",
    remedy_zh="看它的日志：每次重新开始都写明原因（starting again）",
    remedy_en="look at its log: each start says why (starting again)",
)
STALLED_SECONDS: Final = 30.0
"""Without progress for so long a worker is unhealthy; a batch or poll takes well under a second."""

MOST_CONNECTIONS: Final = 16
"""At a worker's port at one time; a scrape takes milliseconds."""
PATIENCE_SECONDS: Final = 5.0
"""For each piece of a question, and for taking the answer."""

_log = logging.getLogger("hub.metrics")

_FAST: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_SLOW: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)


class Described(NamedTuple):
    """One metric as the documentation shows it."""

    name: str
    type: str
    labels: tuple[str, ...]
    zh: str
    en: str


class Metrics:
    """The metrics of one process, in a registry of its own.

    `kinds` are the kinds that contracts know; others are counted under `OTHER`.
    """

    def __init__(self, kinds: Iterable[str] = ()) -> None:
        self.registry = CollectorRegistry()
        self.described: list[Described] = []
        self._kinds = frozenset(kinds)
        self.subjects = frozenset(kind.partition(".")[0] for kind in self._kinds)
        """Subjects of the known kinds: `licence` of `licence.granted.v1`."""
        self._define_flow()
        self._define_engine()
        self._define_sources()
        self._define_delivery()
        self._define_file_drop()
        self._define_deadlines()
        self._define_evidence()

    # --- what is measured ---

    def _define_flow(self) -> None:
        self.outcomes = self._counter(
            "hub_outcomes_total", ("department", "kind", "outcome"),
            "报送的主结果数；各结果之和等于读入数",
            "primary outcomes of submissions; read equals their sum",
        )  # fmt: skip
        self.ledger_records = self._counter(
            "hub_ledger_records_total", ("outcome",),
            "写入台账的记录数（含到期提醒、平台回执等）",
            "ledger records written, those of timers and platforms included",
        )  # fmt: skip
        self.oldest_unprocessed_age = self._gauge(
            "hub_oldest_unprocessed_age_seconds", ("worker",),
            "登记、投递、回执、通知、投影进程最早一条未处理输入的等待时间"
            "（实际时间，0 为已处理完）；投递进程的输入是台账，"
            "尚未送出的见 hub_oldest_unsent_age_seconds",
            "age of the oldest input that registrar, couriers, receipts, notices or projector have "
            "not processed yet, real time; 0 when drained. A courier's input is the ledger: "
            "what waits to be sent is hub_oldest_unsent_age_seconds",
        )  # fmt: skip
        self.conservation_gap = self._gauge(
            "hub_conservation_gap", ("department",),
            "按流水号应有的报送数减去主结果数，应恒为 0",
            "submissions the streams' sequences promise minus primary outcomes; must be 0",
        )  # fmt: skip

    def _define_engine(self) -> None:
        self.worker_here = self._gauge(
            "hub_worker_here", ("worker", "site"),
            "此端口属于哪个站点的哪个工作进程（恒为 1）",
            "whose port this is: the worker and its site; always 1",
        )  # fmt: skip
        self.since_progress = self._gauge(
            "hub_seconds_since_progress", ("worker",),
            "距上次有进展或确认无事可做的秒数；进程在而停滞时不断增大",
            "seconds since the worker last made progress or was idle; grows while it hangs",
        )  # fmt: skip
        self.transaction_seconds = self._histogram(
            "hub_transaction_seconds", ("worker",), _FAST,
            "一次事务从开始到提交的时间",
            "one transaction, from begun to committed",
        )  # fmt: skip
        self.producer_retired = self._counter(
            "hub_producer_retired_total", ("worker", "reason"),
            "生产者被弃用次数，按原因类别（fenced、timeout、disk、broker）",
            "producers thrown away, by class of reason: fenced, timeout, disk, broker",
        )  # fmt: skip
        self.restarts = self._counter(
            "hub_slot_restarts_total", ("worker",),
            "处理单元重新走启动流程的次数",
            "restarts of a slot",
        )  # fmt: skip
        self.restore_seconds = self._gauge(
            "hub_restore_seconds", ("worker",),
            "最近一次启动到可读输入的用时（含由台账恢复状态）",
            "time the last start took, restore from the ledger included",
        )  # fmt: skip
        self.restored_records = self._counter(
            "hub_restored_records_total", ("worker",),
            "恢复时重放的台账记录数",
            "ledger records folded while restoring",
        )  # fmt: skip
        self.clock_jump = self._counter(
            "hub_clock_jump_total", ("direction",),
            "业务时钟跳变次数（back 回拨，forward 前跳）",
            "jumps of the business clock: back, forward",
        )  # fmt: skip
        self.clock_unconfirmed = self._gauge(
            "hub_clock_unconfirmed", ("worker",),
            "本机时钟比枢纽此前写下的时间晚得太多、等待人工确认（1 为是）："
            "登记进程不作任何决定，通知进程不写整点标记",
            "1 while the machine's clock is too far ahead of all that was written before and waits "
            "for a person: the registrar decides nothing, notices sets no hourly mark",
        )  # fmt: skip

    def _define_sources(self) -> None:
        self.rows_submitted = self._counter(
            "hub_rows_submitted_total", ("department", "kind"),
            "接入端已提交的行数",
            "rows submitted by connectors",
        )  # fmt: skip
        self.files_read = self._counter(
            "hub_files_read_total", ("department", "result"),
            "接入端处理的文件数（read、unreadable）",
            "files taken by connectors: read, unreadable",
        )  # fmt: skip
        self.cursor_age = self._gauge(
            "hub_cursor_age_seconds", ("department", "source"),
            "接入端游标距上次前进的时间",
            "time since a connector's cursor last moved",
        )  # fmt: skip
        self.source_stopped = self._gauge(
            "hub_source_stopped", ("department", "source"),
            "来源是否已停下、等人处理（1 为是）",
            "1 when a source has stopped and waits for a person",
        )  # fmt: skip
        self.rows_differing = self._gauge(
            "hub_source_rows_differing", ("department", "source", "difference"),
            "最近一次全表对账的差异行数：vanished 表中已无，missed 漏报",
            "rows the last daily comparison found: vanished from the table, missed by the hub",
        )  # fmt: skip
        self.unreadable_records = self._counter(
            "hub_unreadable_records_total", ("worker", "topic"),
            "无法读取（解压失败、校验不符、超出大小）而按位置搁置并越过的记录数，应恒为 0",
            "records set aside by their place and passed by because they cannot be read "
            "(unpacking, checksum, size); must be 0",
        )  # fmt: skip
        self.inputs_lost = self._gauge(
            "hub_inputs_lost", ("worker",),
            "未处理即被删除、等待运维声明的输入分区数，应为 0（hub submissions lost）",
            "input partitions of which records were deleted undecided and that wait for an "
            "operator's word; must be 0 (hub submissions lost)",
        )  # fmt: skip
        self.numbers_reused = self._counter(
            "hub_numbers_reused_total", ("department",),
            "流水号已用于另一内容而被拒的报送数，应恒为 0",
            "submissions refused because their number was used for other content; must be 0",
        )  # fmt: skip
        self.receipts = self._counter(
            "hub_receipts_total", ("department", "outcome"),
            "发给部门的回执数",
            "receipts sent to departments",
        )  # fmt: skip
        self.notices = self._counter(
            "hub_notices_total", ("event",),
            "写给办件代理的通知数",
            "notices written for the case agents",
        )  # fmt: skip
        self.case_facts = self._counter(
            "hub_case_facts_total", ("agent", "kind"),
            "办件代理报送的陈述数（重发也计）",
            "facts that case agents submitted, repeats included",
        )  # fmt: skip
        self.case_open = self._gauge(
            "hub_case_open", ("agent",),
            "办件代理手中的事项数（未履行的承诺、临期或逾期的期限）",
            "cases at hand: commitments not performed, clocks due soon or overdue",
        )  # fmt: skip
        self.case_unanswered = self._gauge(
            "hub_case_unanswered", ("agent",),
            "已报送而台账尚未收录的陈述数，应很快归零",
            "facts submitted that the ledger does not have yet; must return to 0 soon",
        )  # fmt: skip

    def _define_delivery(self) -> None:
        self.delivery_attempts = self._counter(
            "hub_delivery_attempts_total", ("target", "outcome"),
            "向平台投递的次数，按结果（accepted、refused、retry、away、unknown）",
            "attempts at a target by result: delivered, accepted, refused, retry, away, unknown, "
            "overtaken, absent",
        )  # fmt: skip
        self.delivery_seconds = self._histogram(
            "hub_delivery_seconds", ("target",), _SLOW,
            "一次投递请求的用时",
            "one request to a platform",
        )  # fmt: skip
        self.delivery_open = self._gauge(
            "hub_delivery_open", ("target", "state"),
            "未完成的投递数（waiting、in_flight、parked、unknown、delivered、acknowledged、"
            "refused 被退回的撤下、overtaken 已被更新的内容超过）",
            "work not finished: waiting, in_flight, parked, unknown, delivered, acknowledged, "
            "refused (withdrawals, tried again daily), overtaken (still followed)",
        )  # fmt: skip
        self.oldest_unsent_age = self._gauge(
            "hub_oldest_unsent_age_seconds", ("target",),
            "已列给该平台而尚未送出的最早一件的等待时间（业务时间，0 为没有）；由投影进程提供",
            "age of the oldest record named for the target and not sent, business time, 0 when "
            "there is none; served by the projector",
        )  # fmt: skip
        self.stages = self._counter(
            "hub_stages_total", ("target", "stage"),
            "平台到达的阶段数（sent、acknowledged、published、refused、withdrawn）",
            "stages reached: sent, acknowledged, published, refused, withdrawn",
        )  # fmt: skip
        self.platform_away = self._gauge(
            "hub_platform_away", ("target",),
            "平台是否整体无应答（1 为是）",
            "1 while the platform as a whole does not answer",
        )  # fmt: skip

    def _define_file_drop(self) -> None:
        self.files_dropped = self._counter(
            "hub_files_dropped_total", ("target", "result"),
            "投递目录中的文件数（written、taken、refused、put_again）",
            "files in a drop folder: written, taken, refused, put_again",
        )  # fmt: skip
        self.file_problems = self._counter(
            "hub_file_problems_total", ("target", "problem"),
            "文件投递中对不上的情况，按种类，见 docs/file-drop.md",
            "what does not fit together in a file drop, by label; see docs/file-drop.md",
        )  # fmt: skip
        self.files_unacknowledged = self._gauge(
            "hub_files_unacknowledged", ("target",),
            "已写出而平台尚未接收的文件数",
            "files written that the platform has not taken over",
        )  # fmt: skip
        self.file_oldest_seconds = self._gauge(
            "hub_file_oldest_seconds", ("target",),
            "其中最早一个文件写出后的时间（实际时间）",
            "age of the oldest of them, real time; 0 when there is none",
        )  # fmt: skip

    def _define_deadlines(self) -> None:
        self.deadline_open = self._gauge(
            "hub_deadline_open", ("department", "target"),
            "尚未停表的期限数",
            "legal clocks still running",
        )  # fmt: skip
        self.deadline_overdue = self._gauge(
            "hub_deadline_overdue", ("department", "target", "fault"),
            "已过期仍未停表的期限数，按到期时在谁手里"
            "（department 部门，hub 枢纽，platform 平台；与 hub due 相同）",
            "legal clocks running past their due date, by whose fault, as hub due has it: "
            "department, hub, platform",
        )  # fmt: skip
        self.due_within = self._gauge(
            "hub_due_within", ("days",),
            "若干日内到期的期限数（1、3、7）",
            "clocks due within so many days: 1, 3, 7",
        )  # fmt: skip
        self.deadline_met = self._gauge(
            "hub_deadline_met", ("department", "target", "result"),
            "已停表的期限数（in_time 按时，late 逾期）",
            "clocks stopped: in_time, late",
        )  # fmt: skip
        self.month_records = self._gauge(
            "hub_month_records", ("month", "department", "kind", "measure"),
            "月报各项数量（本月与上月，与 hub report 相同）："
            "produced 产生，reported 报送，stored 入库，shown 公示，"
            "in_time 及时，late 迟报，still_open 未到期，apart 另计（不能受理）",
            "figures of the monthly form, this month and the last, as hub report has them: "
            "produced, reported, stored, shown, in_time, late, still_open, apart (unacceptable)",
        )  # fmt: skip
        self.month_cases = self._gauge(
            "hub_month_cases", ("month", "kind", "measure"),
            "待人处理的事项（本月与上月，与 hub report 相同）："
            "opened 新增，ended 了结，still_open 月末未了结",
            "what waited for a person, this month and the last, as hub report has it: opened, "
            "ended, still_open at the month's end",
        )  # fmt: skip
        self.calendar_horizon_days = self._gauge(
            "hub_calendar_horizon_days", (),
            "已公布放假安排覆盖的剩余天数；以后的期限为暂定",
            "days left that holiday notices cover; later deadlines are provisional",
        )  # fmt: skip

    def _define_evidence(self) -> None:
        self.court_list_findings = self._gauge(
            "hub_court_list_findings", ("finding",),
            "法院全量名单与枢纽的差异：漏报的退出（exit_missing）、漏报的列入（entry_missing）",
            "courts' full lists beside the hub: exits and entries that were never reported",
        )  # fmt: skip
        self.projected_records = self._counter(
            "hub_projected_records_total", (),
            "已写入查询库的台账记录数",
            "ledger records written to the look-up database",
        )  # fmt: skip
        self.projector_lag_records = self._gauge(
            "hub_projector_lag_records", (),
            "查询库落后于台账的记录数（含事务标记）",
            "ledger offsets the look-up database is behind, transaction markers included",
        )  # fmt: skip
        self.identity_conflicts = self._gauge(
            "hub_identity_conflicts", ("kind",),
            "同一文书出现在两个统一社会信用代码下的数目",
            "documents found under two credit codes",
        )  # fmt: skip
        self.open_cases = self._gauge(
            "hub_open_cases", ("kind", "department"),
            "待人处理的事项（与 hub cases 相同）：等待所指记录的报送（waiting）、"
            "被拒的恢复（return_refused）、"
            "晚到未生效的撤下（take_down_superseded）与恢复（restoration_superseded）、"
            "内容过旧的转移（arrival_superseded）、"
            "撤下已转移的记录（take_down_of_moved）、已迁出而未迁入（arrival_missing）、"
            "重用的报送序号（number_reused）、未声明的改动（conflicting）、"
            "所指为两条之一（several_meant）、"
            "被平台退回（publication_refused）、平台拒绝撤下（withdrawal_refused）、"
            "单独停靠的投送（parked）",
            "what waits for a person, as hub cases has it: statements that wait for their record "
            "(waiting), returns that were refused, take-downs, restorations and arrivals that came "
            "too late, take-downs of what has moved, what has left and not arrived, reused "
            "numbers, undeclared changes (conflicting), what may be about either of two records, "
            "what platforms refuse to show or to take down, parked deliveries",
        )  # fmt: skip
        self.oldest_case_age = self._gauge(
            "hub_oldest_open_case_age_seconds", ("kind",),
            "每类待人处理事项中最早一件的等待时间（业务时间，0 为没有）",
            "age of the oldest open case of a kind, business time, 0 when there is none",
        )  # fmt: skip

    # --- counting ---

    def kind_label(self, kind: str) -> str:
        """The kind when a contract knows it, else `OTHER`."""
        return kind if kind in self._kinds else OTHER

    @staticmethod
    def refill(gauge: Gauge, values: Mapping[tuple[str, ...], float]) -> None:
        """Let a gauge have these series and no others, `values` by its labels in their order.

        Set first, removed afterwards: a scrape in between finds every series that goes on.
        """
        for labels, value in values.items():
            gauge.labels(*labels).set(value)
        for family in gauge.collect():
            for sample in family.samples:
                if (labels := tuple(sample.labels.values())) not in values:
                    gauge.remove(*labels)

    # --- making ---

    def _counter(self, name: str, labels: tuple[str, ...], zh: str, en: str) -> Counter:
        self.described.append(Described(name, "counter", labels, zh, en))
        return Counter(name, en, labels, registry=self.registry)

    def _gauge(self, name: str, labels: tuple[str, ...], zh: str, en: str) -> Gauge:
        self.described.append(Described(name, "gauge", labels, zh, en))
        return Gauge(name, en, labels, registry=self.registry)

    def _histogram(
        self, name: str, labels: tuple[str, ...], buckets: tuple[float, ...], zh: str, en: str
    ) -> Histogram:
        self.described.append(Described(name, "histogram", labels, zh, en))
        return Histogram(name, en, labels, buckets=buckets, registry=self.registry)


def document() -> str:
    """`docs/metrics.md`: every metric with its labels and meaning, Chinese first."""
    lines = [
        "# 指标 Metrics",
        "",
        "各工作进程在 `/metrics` 提供以下指标，在 `/health` 提供健康状况（健康即有进展：",
        f"{STALLED_SECONDS:.0f} 秒内有进展或已处理完为 200，否则为 503）。",
        "一再从头开始的为 503（WORKER_REPEATS）。",
        "有意停住、等人处理的为 503，并写明代码、原因和处理办法；`/alive` 此时仍为 200，",
        "供监督程序判断是否需要重启。",
        "标签中从不出现统一社会信用代码、文书号或名称。",
        "",
        "Every worker serves these at `/metrics`, and its health at `/health` (health is progress:",
        f"200 if it made progress or was drained within {STALLED_SECONDS:.0f} s, else 503). One",
        "that stopped on purpose and waits for a person is at 503 with code, reason and remedy;",
        "`/alive`, for the supervisor that restarts hanging workers, is then at 200. No label",
        "holds a credit code, a document number or a name. This page is made by",
        "`python -m hub.runtime.metrics`; a test compares it.",
        "",
        "| 指标 metric | 类型 type | 标签 labels | 含义 meaning |",
        "|---|---|---|---|",
    ]
    for metric in Metrics().described:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "–"
        lines.append(f"| `{metric.name}` | {metric.type} | {labels} | {metric.zh}<br>{metric.en} |")
    return "\n".join(lines) + "\n"


class Health:
    """Whether a worker makes progress: it calls `progress` after work and `idle` without any.

    Both are stamps: a worker that hangs in an empty poll stops being healthy as well.
    """

    def __init__(
        self,
        worker: str,
        stalled_seconds: float = STALLED_SECONDS,
        seconds: Callable[[], float] = time.monotonic,
        site: str = "",
    ) -> None:
        self.worker, self.site = worker, site
        self._limit = stalled_seconds
        self._seconds = seconds
        self._stamp = seconds()
        self._is_idle = False
        self._stopped: tuple[str, Problem] | None = None
        self._starts: deque[float] = deque(maxlen=REPEATS)

    def progress(self) -> None:
        """Work was done just now."""
        self._stamp, self._is_idle, self._stopped = self._seconds(), False, None

    def idle(self) -> None:
        """The worker looked just now and there was nothing left to do."""
        self._stamp, self._is_idle, self._stopped = self._seconds(), True, None

    def stop(self, code: str, problem: Problem) -> None:
        """The worker does nothing on purpose until a person acts; it has looked again just now."""
        self._stamp, self._is_idle, self._stopped = self._seconds(), False, (code, problem)

    def restarted(self, seconds_ago: float = 0.0) -> None:
        """The worker began again, because something ended what it did."""
        self._starts.append(self._seconds() - seconds_ago)

    @property
    def is_repeating(self) -> bool:
        """Whether it begins again and again: what ends it comes back each time."""
        starts, now = self._starts, self._seconds()
        return (
            len(starts) == REPEATS
            and now - starts[-1] <= CALM_SECONDS
            and starts[-1] - starts[0] <= REPEATS_SECONDS
        )

    def seconds_since_progress(self) -> float:
        """Seconds since it made progress, or found nothing to do."""
        return self._seconds() - self._stamp

    @property
    def is_alive(self) -> bool:
        """Whether it made progress, was drained, or checked whether it may go on, in time."""
        return self.seconds_since_progress() <= self._limit

    @property
    def is_healthy(self) -> bool:
        """Whether it is alive and does its work."""
        return self.is_alive and self._stopped is None and not self.is_repeating

    def report(self) -> dict[str, str | float | bool]:
        """Content of `/health`: worker, site, status (ok, stopped, stalled), age of progress, idle.

        Status is ok, stopped, repeating or stalled; of stopped and repeating there are also the
        code, why in both languages, and the remedy.
        """
        stopped, alive = self._stopped, "ok"
        if stopped is not None:
            alive = "stopped"
        elif self.is_repeating:
            stopped, alive = ("WORKER_REPEATS", _REPEATING), "repeating"
        report: dict[str, str | float | bool] = {
            "worker": self.worker,
            "site": self.site,
            "status": alive if self.is_alive else "stalled",
            "seconds_since_progress": round(self.seconds_since_progress(), 3),
            "idle": self._is_idle,
        }
        if stopped is not None:
            code, problem = stopped
            report |= {
                "code": code, "zh": problem.zh, "en": problem.en,
                "remedy_zh": problem.remedy_zh, "remedy_en": problem.remedy_en,
            }  # fmt: skip
        return report


class _BoundedServer(ThreadingHTTPServer):
    """A thread for each connection, and few of them: the newest caller takes the oldest's place.

    So a client that opens connections and says nothing keeps no other from being answered.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._open: dict[int, socket] = {}
        self._changes = Lock()
        super().__init__(address, handler)

    def process_request(self, request: socket | tuple[bytes, socket], client_address: Any) -> None:  # noqa: ANN401 - socketserver's type
        """Start the connection's thread; where there are too many, end the oldest first."""
        if isinstance(request, tuple):
            raise TypeError(request)  # datagrams have no connections
        with self._changes:
            while len(self._open) >= MOST_CONNECTIONS:
                oldest = self._open.pop(next(iter(self._open)))
                with suppress(OSError):  # its thread may just have closed it
                    oldest.shutdown(SHUT_RDWR)
            self._open[id(request)] = request
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket | tuple[bytes, socket]) -> None:
        """Forget a connection that is at its end."""
        with self._changes:
            self._open.pop(id(request), None)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002 - socketserver's signature
        """Say nothing of a caller who went away; what is wrong here is the log's."""
        if not isinstance(sys.exception(), OSError | ValueError):
            _log.exception("metrics were not served")


class MetricsServer:
    """The HTTP endpoint of one worker, on a thread of its own; `close` stops it."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        self._thread = Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True, name="metrics"
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """The port it listens on (the one chosen when asked for 0)."""
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop answering and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def serve(
    port: int, health: Health, registry: CollectorRegistry, host: str = "127.0.0.1"
) -> MetricsServer:
    """Serve `/metrics`, `/health` and `/alive`; port 0 takes a free one.

    `/alive` is for what starts a hanging worker again: one that waits for a person is alive.

    Raises `ConfigurationError` when the port is taken.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE_SECONDS

        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif self.path in {"/health", "/alive"}:
                is_well = health.is_healthy if self.path == "/health" else health.is_alive
                status = HTTPStatus.OK if is_well else HTTPStatus.SERVICE_UNAVAILABLE
                body = json.dumps(health.report()).encode()
                self._answer(status, "application/json", body)
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"/metrics /health /alive\n")

        def _answer(self, status: HTTPStatus, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Log nothing: a scrape every few seconds is not worth it."""

    try:
        server = _BoundedServer((host, port), Handler)
    except OSError as error:
        raise ConfigurationError(
            f"指标端口 {host}:{port} 无法监听：{error.strerror}",
            f"cannot listen on {host}:{port} for metrics: {error.strerror}",
            remedy_zh="换一个端口，或用 0 让系统选择",
            remedy_en="choose another port, or 0 to let the system choose",
        ) from error
    return MetricsServer(server)


if __name__ == "__main__":
    print(document(), end="")  # noqa: T201 - the command that makes docs/metrics.md
