"""What Kafka holds and nobody can read, and what is gone from it, ends nobody's work."""

from __future__ import annotations

import pytest

from hub.core.record import LedgerRecord, Outcome
from hub.core.state import NEVER
from hub.domain import reasons
from hub.engine.events import Decided, Idle, InputsLost, LostInput
from hub.errors import IntegrityError
from hub.runtime.metrics import Health, Metrics
from hub.workers.registrar import INPUTS_LOST, RegistrarWatch
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import (
    COMPANY,
    DEPARTMENT,
    LICENCE,
    OTHER_DEPARTMENT,
    at,
    framed,
    licence_row,
)
from tests.replay.scenario import accept_loss
from tests.replay.tampering import replay, verify

HERE = 1
"""The partition of the sample company."""


@pytest.fixture
def hub() -> HubTestDriver:
    """A hub on the morning of Monday 2026-11-02."""
    return HubTestDriver(rows.basis(), now=at("2026-11-02 09:00"))


def submit(hub: HubTestDriver, number: int, department: str = DEPARTMENT) -> None:
    """One good row."""
    row = licence_row(XK_WSH=f"舟市监许〔2026〕{number}号")
    hub.pipe(department, LICENCE, COMPANY, framed(LICENCE, row), partition=HERE)


def codes(record: LedgerRecord) -> set[str]:
    """The reason codes of a ledger record."""
    return {reason.code for reason in record.reasons}


def assert_audited(hub: HubTestDriver) -> None:
    """Nothing differs, and every cause is decided again to the same bytes."""
    assert verify(hub).differences.kept == []
    replayed = replay(hub)
    assert (replayed.differences.kept, replayed.declared) == ([], ())
    assert sum(p.replayed for p in replayed.partitions) == len(hub.ledger())


def test_each_unreadable_submission_has_one_outcome_by_its_place_and_owes_nothing(
    hub: HubTestDriver,
) -> None:
    """Quarantined under a code of its own, no record and no clock; the rows around it pass."""
    submit(hub, 1)
    for _ in range(3):
        hub.put_unreadable(f"submissions.{DEPARTMENT}", HERE)
    submit(hub, 2)
    written = hub.run()
    assert [r.outcome.name for r in written] == [
        "ACCEPTED", "QUARANTINED", "QUARANTINED", "QUARANTINED", "ACCEPTED",
    ]  # fmt: skip
    unreadable = written[1:4]
    assert [r.cause.offset for r in unreadable] == [1, 2, 3]
    assert all(codes(r) == {"BATCH_UNREADABLE"} for r in unreadable)
    assert all(
        (r.state, r.department, r.timer_was) == (None, DEPARTMENT, NEVER) for r in unreadable
    )
    assert len({r.submission_key for r in unreadable}) == 3
    assert_audited(hub)
    assert verify(hub).unreadable == 3


def test_an_unreadable_submission_is_not_decided_twice_after_a_crash(hub: HubTestDriver) -> None:
    """Neither where the state was kept nor where the disk was lost with it."""
    for disk in (False, True):
        hub.put_unreadable(f"submissions.{DEPARTMENT}", HERE)
        hub.run()
        hub.crash(lose_disk=disk)
        assert hub.run() == []
    assert_audited(hub)


@pytest.mark.parametrize("topic", ["control", "outcomes.city"])
def test_unreadable_messages_of_the_hub_itself_are_refused_and_passed(
    hub: HubTestDriver, topic: str
) -> None:
    """They become a ledger record that says so, and what follows is decided."""
    hub.put_unreadable(topic, HERE)
    submit(hub, 1)
    refused, accepted = sorted(hub.run(), key=lambda r: r.cause.topic.startswith("test.sub"))
    assert (refused.outcome, codes(refused)) == (Outcome.CONTROL_REFUSED, {"BATCH_UNREADABLE"})
    assert accepted.outcome is Outcome.ACCEPTED
    assert_audited(hub)


def test_a_readable_submission_that_was_passed_by_as_unreadable_is_noticed(
    hub: HubTestDriver,
) -> None:
    """A registrar could hush up a row that way; in a restored topic there is nothing there."""
    hub.put_unreadable(f"submissions.{DEPARTMENT}", HERE)
    hub.run()
    log = hub.log.logs[f"test.submissions.{DEPARTMENT}", HERE]
    other = log.pop()
    restored = verify(hub)
    assert (restored.differences.kept, restored.unreadable) == ([], 1)
    log.append(other._replace(value=b"readable", key=COMPANY.encode()))
    assert [finding.code for finding in verify(hub).differences.kept] == ["CAUSE_DIFFERS"]


def test_the_code_has_words_and_a_remedy() -> None:
    """In both languages."""
    said = reasons.message("BATCH_UNREADABLE")
    assert "无法读取" in said.zh
    assert "cannot be read" in said.en
    assert "smaller batches" in said.remedy_en


# --- what is gone ---


def lose(hub: HubTestDriver) -> list[LedgerRecord]:
    """Two of a department's three undecided rows are deleted; a neighbour has one."""
    for number in (1, 2, 3):
        submit(hub, number)
    submit(hub, 9, OTHER_DEPARTMENT)
    hub.delete(f"submissions.{DEPARTMENT}", HERE, 2)
    hub.crash()
    return hub.run()


def test_deleted_submissions_stop_their_own_partition_alone(hub: HubTestDriver) -> None:
    """The neighbour is answered; what follows the gap waits for somebody's word."""
    assert [r.department for r in lose(hub)] == [OTHER_DEPARTMENT]
    hub.crash()
    assert hub.run() == []


def test_deleted_control_messages_that_were_not_read_stop_the_registrar(hub: HubTestDriver) -> None:
    """A basis or a verdict of a move among it would be missing for ever: a person must know."""
    submit(hub, 1)
    hub.run()
    for _time in range(2):
        accept_loss(hub, f"submissions.{DEPARTMENT}", HERE, 7, 8)
    hub.delete("control", HERE, len(hub.log.logs["test.control", HERE]))
    hub.crash()
    with pytest.raises(IntegrityError, match="control"):
        hub.run()


@pytest.mark.parametrize("disk", [False, True])
def test_a_declared_loss_is_in_the_ledger_and_lets_the_registrar_go_on(
    hub: HubTestDriver, *, disk: bool
) -> None:
    """Who, why and which offsets; replayed to the same bytes, and not asked for again."""
    lose(hub)
    accept_loss(hub, f"submissions.{DEPARTMENT}", HERE, 0, 2)
    declared, accepted = hub.run()
    assert declared.outcome is Outcome.INPUT_LOST
    assert dict(declared.facts) == {
        "lost": f"test.submissions.{DEPARTMENT}", "lost_from": "0", "lost_until": "2",
        "operator": "王工", "because": "误删",
    }  # fmt: skip
    assert (accepted.outcome, accepted.cause.offset) == (Outcome.ACCEPTED, 2)
    hub.crash(lose_disk=disk)
    assert hub.run() == []
    submit(hub, 4)
    assert [r.cause.offset for r in hub.run()] == [3]
    replayed = replay(hub)
    assert (replayed.differences.kept, replayed.declared) == ([], ())


def test_a_declared_loss_counts_though_more_came_with_it(hub: HubTestDriver) -> None:
    """A second declaration and a neighbour's row are in the same batch."""
    lose(hub)
    for _time in range(2):
        accept_loss(hub, f"submissions.{DEPARTMENT}", HERE, 0, 2)
    submit(hub, 8, OTHER_DEPARTMENT)
    outcomes = [record.outcome for record in hub.run()]
    assert sorted(outcomes) == sorted(
        [Outcome.INPUT_LOST, Outcome.CONTROL_REFUSED, Outcome.ACCEPTED, Outcome.ACCEPTED]
    )


@pytest.mark.parametrize(("first", "until"), [(1, 2), (0, 0), (1, 1)])
def test_a_loss_that_is_not_what_comes_next_is_refused(
    hub: HubTestDriver, first: int, until: int
) -> None:
    """A range worked out from an older ledger skips nothing."""
    lose(hub)
    accept_loss(hub, f"submissions.{DEPARTMENT}", HERE, first, until)
    (refused,) = hub.run()
    assert (refused.outcome, codes(refused)) == (Outcome.CONTROL_REFUSED, {"LOSS_UNFIT"})


def test_a_decided_submission_is_not_declared_lost_afterwards(hub: HubTestDriver) -> None:
    """Where nothing is missing nothing is skipped."""
    submit(hub, 1)
    hub.run()
    accept_loss(hub, f"submissions.{DEPARTMENT}", HERE, 0, 1)
    (refused,) = hub.run()
    assert codes(refused) == {"LOSS_UNFIT"}


def test_health_says_which_inputs_are_lost_until_somebody_answers_for_them() -> None:
    """Also while everything else gets on; the process itself is alive."""
    metrics, health = Metrics(), Health("registrar.0")
    watch = RegistrarWatch(metrics, health)
    watch.report(InputsLost((LostInput("h.submissions.market", 1, 40, 44),)))
    watch.report(Decided({}))
    said = health.report()
    assert (health.is_healthy, health.is_alive) == (False, True)
    assert (said["status"], said["code"]) == ("stopped", INPUTS_LOST)
    assert "h.submissions.market[1] 40–43" in str(said["zh"])
    assert "accept-loss" in str(said["remedy_en"])
    worker = {"worker": "registrar.0"}
    assert metrics.registry.get_sample_value("hub_inputs_lost", worker) == 1
    watch.report(InputsLost(()))
    watch.report(Idle())
    assert health.is_healthy
    assert metrics.registry.get_sample_value("hub_inputs_lost", worker) == 0
