"""The desk: acts on the clock, on all it was told and on nothing less, and asks until answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import pytest

from hub.agents.desk import AgentRunner, RunnerPorts
from hub.config.site import Cases, Site
from hub.domain import kinds
from hub.domain.partitioning import partition_of
from hub.errors import UnavailableError
from hub.ports import InputRecord, OutputRecord
from hub.views.notices import Mark, encode_mark, encode_notice
from tests.driver.rows import CONTRACTS
from tests.unit.agents.test_commitment import DUE, MADE, agent
from tests.unit.agents.world import CENTRE, COMPANY, at, commitment
from tests.unit.connectors.memory_broker import HookKiller

SITE = Site.model_validate(
    {
        "site": "test", "name_zh": "测试", "prefix": "test.", "partitions": 2, "rulebook": "r",
        "calendar": "c", "sealing_key_file": "k", "targets": [], "cases": {"department": "cases"},
        "departments": [
            {"id": "cases", "name_zh": "代理", "kind": "agent", "authorities": [CENTRE]},
        ],
    }
)  # fmt: skip
Place = tuple[str, int]


class NoticesTopic:
    """The topic `notices`: two partitions in memory."""

    def __init__(self) -> None:
        self.logs: dict[int, list[bytes]] = {0: [], 1: []}

    def bounds(self, partitions: Iterable[Place]) -> dict[Place, tuple[int, int]]:
        """Log start and end."""
        return {place: (0, len(self.logs[place[1]])) for place in partitions}

    def read_to_end(self, positions: Mapping[Place, int]) -> Iterator[list[InputRecord]]:
        """Everything from here."""
        for (topic, partition), start in positions.items():
            yield [
                InputRecord(topic, partition, offset, b"", (), value)
                for offset, value in enumerate(self.logs[partition])
                if offset >= start
            ]


class SubmissionOutbox:
    """Takes submissions; may lose its broker."""

    def __init__(self) -> None:
        self.sent: list[OutputRecord] = []
        self.is_away = False

    def append(self, records: Sequence[OutputRecord]) -> None:
        """Keep them, or say that some may be missing."""
        if self.is_away:
            raise UnavailableError("away")
        self.sent += records


class HandClock:
    """Business and engine time, moved by hand."""

    def __init__(self) -> None:
        self.business, self.engine, self.jumped = MADE, 0.0, False

    def now(self) -> int:
        """Business milliseconds."""
        return self.business

    def has_jumped(self) -> bool:
        """Whether the machine's clock ran ahead."""
        return self.jumped

    def seconds(self) -> float:
        """Engine seconds."""
        return self.engine

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.engine += seconds


class DeskPlace:
    """A desk with one commitment that is due."""

    def __init__(self) -> None:
        self.topic, self.outbox, self.clock = NoticesTopic(), SubmissionOutbox(), HandClock()
        self.topic.logs[0].append(encode_notice(commitment("made", MADE, DUE)))
        self.clock.business = at("2026-11-21 09:00")
        for partition in (0, 1):
            self.mark(partition, self.clock.business)
        self.desk = self.start()

    def mark(self, partition: int, moment: int) -> None:
        """The follower says that it told all that a partition of the ledger held then."""
        self.topic.logs[partition].append(encode_mark(Mark(partition, moment)))

    def start(self) -> AgentRunner:
        """A new process: nothing is left but the topic."""
        ports = RunnerPorts(
            self.topic,
            self.outbox,
            self.clock,
            self.clock,
            HookKiller(),
            lambda _event: None,
        )
        assert SITE.cases is not None
        desk = AgentRunner(SITE, SITE.cases, [agent()], CONTRACTS, ports)
        desk.remember()
        return desk

    def turn(self) -> int:
        """One turn of the loop; how many facts were submitted."""
        before = len(self.outbox.sent)
        if self.desk.is_up_to_date():
            self.desk.submit(self.desk.owed())
        return len(self.outbox.sent) - before


@pytest.fixture
def here() -> DeskPlace:
    """A desk that has looked once."""
    made = DeskPlace()
    assert made.turn() == 0  # the first look only says where the end is
    return made


def test_a_fact_is_submitted_as_a_stream_of_its_own_under_its_key(here: DeskPlace) -> None:
    """So a repeat is the same number of the same stream: a duplicate."""
    assert here.turn() == 1
    (sent,) = here.outbox.sent
    headers = dict(sent.headers)
    fact = str(CONTRACTS.by_kind[kinds.PERFORMANCE_MISSING].decode(sent.value)["document_number"])
    assert sent.topic == "test.submissions.cases"
    assert sent.key == COMPANY.encode()
    assert sent.partition == partition_of(sent.key, 2)
    assert headers["ce_type"] == kinds.PERFORMANCE_MISSING.encode()
    assert headers["ce_source"] == f"cases/commitment/{fact}".encode()
    assert headers["ce_id"] == b"1"


def test_it_is_submitted_again_until_the_ledger_has_it_and_by_a_new_process_at_once(
    here: DeskPlace,
) -> None:
    """With a pause between; what was sent is remembered by nobody but the ledger."""
    assert [here.turn(), here.turn()] == [1, 0]
    here.clock.sleep(20)
    assert here.turn() == 1
    here.desk = here.start()
    assert [here.turn(), here.turn()] == [0, 1]
    first, *others = here.outbox.sent
    assert all(dict(o.headers)["ce_source"] == dict(first.headers)["ce_source"] for o in others)


def test_what_is_not_known_yet_keeps_it_from_acting(here: DeskPlace) -> None:
    """A performance lies on the topic, not handed over: no finding may be stated meanwhile."""
    performed = encode_notice(commitment("performed", MADE + 1, DUE)._replace(sequence=1))
    here.topic.logs[0].append(performed)
    here.desk.is_up_to_date()
    assert [here.turn(), here.turn()] == [0, 0]
    here.desk.take("commitment", 0, 2, performed)
    assert [here.turn(), here.turn()] == [0, 0]
    assert here.desk.is_up_to_date()
    assert here.outbox.sent == []


def test_before_all_that_the_ledger_held_then_is_told_nothing_is_due(here: DeskPlace) -> None:
    """A follower that was away: the topic is known to its end, and the performance is not in it."""
    here.topic.logs = {0: [], 1: []}
    here.topic.logs[0].append(encode_notice(commitment("made", MADE, DUE)))
    here.mark(0, at("2026-11-21 10:00"))
    here.mark(1, at("2026-11-21 08:59"))
    here.clock.business = at("2026-11-21 12:00")
    here.desk = here.start()
    assert [here.turn(), here.turn()] == [0, 0]
    here.mark(1, at("2026-11-21 09:00"))
    here.desk.take("commitment", 1, 1, here.topic.logs[1][-1])
    assert [here.turn(), here.turn()] == [1, 0]


def test_while_the_machines_clock_runs_ahead_nothing_is_due(here: DeskPlace) -> None:
    """A wrong clock must not say in public that somebody broke a promise."""
    here.clock.jumped = True
    assert here.turn() == 0
    here.clock.jumped = False
    assert here.turn() == 1


def test_what_the_broker_did_not_take_is_owed_still(here: DeskPlace) -> None:
    """A failed send is no send."""
    here.outbox.is_away = True
    with pytest.raises(UnavailableError):
        here.turn()
    here.outbox.is_away = False
    assert here.turn() == 1


def test_a_site_names_an_agent_with_an_authority() -> None:
    """Without a credit code its facts have no identity; an office must not speak as an agent."""
    document = SITE.model_dump()
    faults: list[dict[str, object]] = [{"kind": "office"}, {"authorities": []}, {"id": "others"}]
    for broken in faults:
        one = {**document["departments"][0], **broken}
        with pytest.raises(ValueError, match=r"cases\.department"):
            Site.model_validate({**document, "departments": [one]})
    levels = {"department": "cases", "levels": [{"name_zh": "值班", "department": "nobody"}]}
    with pytest.raises(ValueError, match=r"cases\.levels"):
        Site.model_validate({**document, "cases": Cases.model_validate(levels)})
