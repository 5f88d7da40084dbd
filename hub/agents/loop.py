"""The Faust application: carries `notices` to the agents; everything else is done around it.

Faust is at-least-once here and nothing rests on its memory: at the start the topic is folded from
its beginning, then Faust hands over what is new, and the agents act by the wall clock. What Faust
does badly, and what is done about it: docs/faust.md.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import ExitStack, closing, suppress
from typing import TYPE_CHECKING, Any, Final

import faust
from faust.exceptions import FaustError
from faust.transport.drivers import aiokafka as driver
from faust.types.auth import SASLMechanism

from hub.adapters.clocks import SystemEngineClock, business_clock_of
from hub.adapters.faults import EnvironmentFaults
from hub.adapters.kafka.appender import KafkaAppender
from hub.adapters.kafka.client import KafkaInputs
from hub.adapters.kafka.events import RecordsUnreadable
from hub.adapters.kafka.unreadable import count_unreadable
from hub.adapters.lease import FolderLease
from hub.agents.commitment import CommitmentAgent
from hub.agents.desk import AgentRunner, RunnerPorts
from hub.agents.escalation import EscalationAgent, EscalationLevel
from hub.agents.events import (
    CasesEvent,
    CasesOpen,
    FactsSubmitted,
    FactsUnanswered,
    NoticesTaken,
    UpToDate,
)
from hub.agents.facts import Office
from hub.config.kafka_access import MECHANISM
from hub.errors import UnavailableError
from hub.workers.events import Restarted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from faust.types.streams import StreamT
    from faust.types.tuples import TP

    from hub.adapters.kafka.unreadable import Place
    from hub.agents.facts import CaseAgent
    from hub.config.kafka_access import KafkaAccess
    from hub.config.site import Cases, LoadedSite
    from hub.domain.calendar import WorkingCalendar
    from hub.runtime.metrics import Health, Metrics
    from hub.runtime.post import WorkerContext

TURN_SECONDS: Final = 1.0
"""How often the agents look at the clock."""
SESSION_SECONDS: Final = 45.0
"""After so long the broker gives a killed member's partitions away. A static member does not wait
for that, so it can be long enough for a machine that is very busy."""
_STALLED_SECONDS: Final = 60.0
"""Without being up to date for so long, Faust has died quietly: it is started again."""
_STOP_SECONDS: Final = 15.0
_RETRY_SECONDS: Final = 1.0
_REQUEST_SECONDS: Final = 60.0

_log = logging.getLogger("hub.cases")


class CasesWatch:
    """Turns what the desk reports into metrics and health."""

    def __init__(self, metrics: Metrics, health: Health) -> None:
        self._metrics, self._health = metrics, health

    def report(self, event: CasesEvent) -> None:
        """Count; a record read is progress, nothing left to read is idleness."""
        match event:
            case NoticesTaken():
                self._health.progress()
            case UpToDate():
                self._health.idle()
            case FactsSubmitted(counts):
                for (agent, kind), number in counts.items():
                    self._metrics.case_facts.labels(agent, kind).inc(number)
            case CasesOpen(counts):
                for agent, number in counts.items():
                    self._metrics.case_open.labels(agent).set(number)
            case FactsUnanswered(counts):
                for agent, number in counts.items():
                    self._metrics.case_unanswered.labels(agent).set(number)
            case RecordsUnreadable():
                count_unreadable(self._metrics, self._health.worker, event)
            case Restarted():
                self._metrics.restarts.labels(self._health.worker).inc()
                self._health.restarted()


def agents_of(loaded: LoadedSite, settings: Cases, calendar: WorkingCalendar) -> list[CaseAgent]:
    """The agents as the site wants them."""
    departments = {department.id: department for department in loaded.site.departments}
    heirs = loaded.site.successions.heirs
    authority = departments[settings.department].authorities[0]

    def office_of(department: str) -> Office:
        """A department, or who succeeded it; an unknown one is the credit centre's business."""
        known = departments.get(heirs.get(department, department))
        if known is None:
            return Office(department, department, authority)
        return Office(known.id, known.name_zh, (*known.authorities, authority)[0])

    return [
        CommitmentAgent(
            authority, settings.hour, settings.remind_working_days, calendar, office_of
        ),
        EscalationAgent(
            authority,
            settings.hour,
            [
                EscalationLevel(level.after_hours, level.department or "")
                for level in settings.levels
            ],
            calendar,
            office_of,
        ),
    ]


def run_cases(
    post: WorkerContext, settings: Cases, calendar: WorkingCalendar, watch: CasesWatch
) -> None:
    """Run the agents until stopped; the folder holds the lease and Faust's own files.

    Starts again, with nothing but the topic, when the broker was away or Faust has died. Raises
    `FencedError` when another process runs the agents on this machine.
    """
    for library in ("faust", "mode", "aiokafka"):  # they tell every step of their start and stop
        logging.getLogger(library).setLevel(logging.WARNING)
    loaded, access = post.loaded, post.access
    lease = FolderLease(post.folder)
    lease.take()
    engine_clock = SystemEngineClock()
    name = f"{loaded.site.prefix}cases"
    has_died = False
    try:
        while not post.should_stop():
            try:
                with ExitStack() as open_parts:
                    reader = KafkaInputs(access, name, report=watch.report, marks_unreadable=True)
                    open_parts.enter_context(closing(reader))
                    appender = open_parts.enter_context(closing(KafkaAppender(access)))
                    ports = RunnerPorts(
                        reader, appender, business_clock_of(loaded), engine_clock,
                        EnvironmentFaults(), watch.report,
                    )  # fmt: skip
                    agents = agents_of(loaded, settings, calendar)
                    desk = AgentRunner(loaded.site, settings, agents, post.contracts, ports)
                    desk.remember()
                    app = _application(name, access, post.folder)
                    if has_died:
                        _begin_behind(app, desk.known())
                    asyncio.run(_work(desk, app, loaded, post.should_stop))
            except UnavailableError as error:
                _log.warning("starting again", extra={"reason": str(error)})
                has_died = True
                watch.report(Restarted())
                engine_clock.sleep(_RETRY_SECONDS)
    finally:
        lease.release()


def _begin_behind(app: faust.App, known: Mapping[Place, int]) -> None:
    """Let Faust hand over nothing that has been folded already.

    The record that ended it may lie there, and would again: aiokafka neither skips damaged ones nor
    unpacks every codec.
    """

    class Behind(driver.Consumer):
        logger = driver.logger

        async def seek_to_committed(self) -> Mapping[TP, int]:
            committed = await super().seek_to_committed()
            behind = {tp: known[tp] for tp, at in committed.items() if known[tp] > (at or 0)}
            if behind:
                await self.seek_wait(behind)
            return {**committed, **behind}

    app.transport.Consumer = Behind  # type: ignore[misc] # of this application's alone


async def _work(
    desk: AgentRunner, app: faust.App, loaded: LoadedSite, should_stop: Callable[[], bool]
) -> None:
    """Let Faust hand over, and act by the clock, until stopped."""
    topic = app.topic(loaded.site.topic("notices"), key_serializer="raw", value_serializer="raw")
    for agent in desk.memories:
        app.agent(topic, name=agent, concurrency=1)(_hand_over(desk, agent))
    starting = asyncio.create_task(app.start())
    clock = asyncio.get_running_loop().time
    up_to_date_at = clock()
    try:
        while not should_stop():
            await asyncio.sleep(TURN_SECONDS)
            if await asyncio.to_thread(desk.is_up_to_date):
                up_to_date_at = clock()
                await asyncio.to_thread(desk.submit, desk.owed())
            if clock() - up_to_date_at > _STALLED_SECONDS:
                raise UnavailableError(
                    f"Faust 已{_STALLED_SECONDS:.0f}秒没有交来通知，重新启动\n"
                    f"Faust has handed over no notice for {_STALLED_SECONDS:.0f} s: started again"
                )
            if app.should_stop or (starting.done() and starting.exception() is not None):
                raise UnavailableError("Faust 已停止，重新启动\nFaust has stopped: started again")
    finally:
        await _end(app, starting)


def _hand_over(desk: AgentRunner, agent: str) -> Callable[[StreamT[bytes]], Awaitable[None]]:
    """A Faust agent: one record after the other, each acknowledged once it is taken."""

    async def hand_over(stream: StreamT[bytes]) -> None:
        async for event in stream.events():
            message = event.message
            desk.take(agent, message.partition, message.offset, message.value)

    return hand_over


async def _end(app: faust.App, starting: asyncio.Task[None]) -> None:
    """Stop Faust; it may hang in that (faust-streaming 484), so it is given a limit."""
    starting.cancel()
    with suppress(asyncio.CancelledError, FaustError, OSError):
        await starting
    try:
        await asyncio.wait_for(app.stop(), _STOP_SECONDS)
    except TimeoutError:
        _log.warning("Faust did not stop in time and was left behind")


def _application(name: str, access: KafkaAccess, folder: Path) -> faust.App:
    """Faust with everything off that writes, creates or listens on its own."""
    security: dict[str, Any] = {}
    tls = None if access.ca_file is None else ssl.create_default_context(cafile=access.ca_file)
    if access.user:
        security["broker_credentials"] = faust.SASLCredentials(
            username=access.user,
            password=access.password.reveal(),
            ssl_context=tls,
            mechanism=SASLMechanism(MECHANISM),
        )
    elif tls is not None:
        security["broker_credentials"] = faust.SSLCredentials(tls)
    return faust.App(
        name,
        broker=[f"kafka://{place}" for place in access.bootstrap.split(",")],
        datadir=folder / "faust",
        autodiscover=False,
        web_enabled=False,
        topic_allow_declare=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=f"{name}.0",
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=3.0,
        broker_request_timeout=_REQUEST_SECONDS,
        broker_commit_interval=1.0,
        stream_wait_empty=False,
        **security,
    )
