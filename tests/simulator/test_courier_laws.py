"""A withdrawal goes first, overtakes, and does not give up: the stories that once broke it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hub.engine.courier_book import DeliveryQueue, Policy
from hub.engine.courier_life import State
from hub.engine.courier_records import AttemptMessage, Noted, Work
from hub.targets.delivery import (
    Accepted,
    NeverSeen,
    NotHere,
    Refused,
    Retry,
    Unknown,
    Verdict,
)
from hub.targets.platform import How
from tests.simulator.courier_world import CourierWorld, SimCourier
from tests.simulator.test_courier import owed, submit
from tests.simulator.test_courier_rules import posts, stages
from tests.unit.engine.courier_steps import Store, planned

DAY_MS = 86_400_000
PUBLISHED = Accepted("published", "r", 1)
WITHDRAWN = Accepted("withdrawn", "r", 1)


def shown(world: CourierWorld) -> set[str]:
    """The records to be seen at the province."""
    return {r for r, (_v, stage, _d) in world.province.live().items() if stage != "withdrawn"}


def live(courier: SimCourier, seconds: float) -> None:
    """Turn after turn, for so long."""
    until = courier.world.seconds + seconds
    while courier.world.seconds < until:
        courier.turns(1)


def reports(world: CourierWorld, target: str = "province") -> list[dict[str, Any]]:
    """Everything the registrar is told of a target."""
    topic = f"{world.hub.prefix}outcomes.{target}"
    logs = (world.log.logs[topic, partition] for partition in range(world.hub.partitions))
    return [json.loads(record.value) for log in logs for record in log]


# --- it overtakes --------------------------------------------------------------------------------


def test_a_status_query_that_fails_for_ever_holds_no_take_down_up() -> None:
    """The publication took effect, its answer is lost, and nobody can ask about it."""
    world = CourierWorld()
    courier = world.couriers["province"]
    world.province.is_mute = True
    submit(world, "new", 1, 0)
    world.fates.append("applied_lost")
    live(courier, 1.0)
    submit(world, "withdraw", 1, 0)
    assert shown(world)
    live(courier, courier.plan.policy.grace_seconds + 1.0)
    assert not shown(world)
    assert [version for _record, version in posts(world)] == [1, 2]
    assert courier.slot.book.standing()["overtaken"] == 1
    assert [one.result for one in courier.events() if one.result] == [
        "unknown", "unknown", "overtaken", "accepted",
    ]  # fmt: skip


def test_a_publication_by_topic_is_not_repeated_once_its_take_down_is_named() -> None:
    """Once there were two hundred copies of it, and no withdrawal."""
    world = CourierWorld()
    courier = world.couriers["city"]
    submit(world, "new", 1, 0)
    world.fates.extend(["lost"] * 50)
    live(courier, 10.0)
    before = len([one for one in courier.events() if not one.result])
    submit(world, "withdraw", 1, 0)
    world.fates.clear()
    live(courier, 2.0)
    intents = [one.work.action for one in courier.events() if not one.result][before:]
    assert intents == ["withdraw"]
    assert stages(world, "city")[-1] == "withdrawn"


def test_a_lost_publication_is_not_sent_again_when_its_take_down_waits() -> None:
    """The platform does not know it: the newer work is the right step, after the longest effect."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    world.fates.append("lost")
    live(courier, 0.02)
    submit(world, "withdraw", 1, 0)
    live(courier, courier.plan.policy.grace_seconds + 1.0)
    assert [version for _record, version in posts(world)] == [1, 2]
    world.settle()
    assert not shown(world)


def test_a_courier_that_is_started_again_and_again_does_not_wait_for_ever() -> None:
    """The longest effect counts from the intent, not from the last start."""
    world = CourierWorld()
    courier = world.couriers["province"]
    world.province.is_mute = True
    submit(world, "new", 1, 0)
    world.fates.append("applied_lost")
    live(courier, 1.0)
    submit(world, "withdraw", 1, 0)
    for _start in range(40):
        courier.crash()
        live(courier, 0.75 * courier.plan.policy.grace_seconds)
    assert not shown(world)


def test_a_start_waits_for_the_longest_effect_of_what_may_be_travelling() -> None:
    """Of a request that left just before the end, however soon the next start is."""
    policy = Policy(2, 3, 1.0, can_ask=True, grace_seconds=10.0)
    book, store, old = begun(policy)
    for age_ms, wait in ((0, 10.0), (30_000, 10.0), (65_000, 5.0), (200_000, 0.0), (-9_000, 10.0)):
        again = DeliveryQueue(policy)
        again.load(sorted((key, value) for key, value in store.items() if value is not None))
        again.fold_work(later(old, "withdraw"), b"", {})
        again.resume(100.0, old.at + age_ms)
        assert [step.how for step in planned(again, 99.9 + wait)] == [], age_ms
        assert [step.work.action for step in planned(again, 100.1 + wait)] == ["withdraw"], age_ms
    assert book.outstanding == 1


def test_accelerated_business_time_does_not_shorten_the_effect() -> None:
    """A demo's day of two minutes; a clock that stands still."""
    for pace, wait in ((720_000.0, 5.0), (0.0, 10.0)):
        policy = Policy(2, 3, 1.0, can_ask=True, grace_seconds=10.0, business_ms_per_second=pace)
        _book, store, old = begun(policy)
        again = DeliveryQueue(policy)
        again.load(sorted((key, value) for key, value in store.items() if value is not None))
        again.fold_work(later(old, "withdraw"), b"", {})
        again.resume(100.0, old.at + int(65 * pace))
        assert planned(again, 99.9 + wait) == []
        assert planned(again, 100.1 + wait) != []


def begun(policy: Policy) -> tuple[DeliveryQueue, Store, AttemptMessage]:
    """A publication on its way; its intent."""
    book, store = DeliveryQueue(policy), Store()
    named = Work(0, 1, b"k" * 16, 1, "publish", 0, "licence.granted.v1", b"code")
    book.fold_work(named, b"row", store)
    event = AttemptMessage("ab" * 16, "d", named, 1, 1_000_000)
    book.plan(9, 0)
    book.fold_event(event, store, 0.0)
    if policy.can_ask:
        book.launched(event.delivery, "send", 0.0)
    return book, store, event


def later(event: AttemptMessage, action: str) -> Work:
    """What the ledger names next for its record."""
    work = event.work
    return work._replace(sequence=work.sequence + 1, version=work.version + 1, action=action)  # type: ignore[arg-type]


def settled(
    book: DeliveryQueue, event: AttemptMessage, verdict: Verdict, now: float, how: How = "send"
) -> AttemptMessage | None:
    """What the platform says of it, folded."""
    told = book.settle(event.delivery, how, verdict, int(now * 1000), now)
    if told is not None:
        book.fold_event(told, {}, now)
    return told


def left(book: DeliveryQueue, now: float, at: int = 0) -> AttemptMessage:
    """The one request that leaves now."""
    (step,) = planned(book, now, at=at)
    assert step.how == "send"
    event = AttemptMessage(
        f"{step.work.sequence:028x}{step.repeat:04x}", "d", step.work, step.attempt, at,
        repeat=step.repeat,
    )  # fmt: skip
    book.fold_event(event, {}, now)
    book.launched(event.delivery, "send", now)
    return event


CALL = Policy(2, 3, 1.0, can_ask=True, grace_seconds=10.0)


# --- it does not give up -------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["acknowledged", "published"])
def test_a_sign_of_the_older_version_sends_the_take_down_again(stage: str) -> None:
    """As a delivery of its own id: the platform would answer the first one from memory."""
    book, _store, old = begun(CALL)
    settled(book, old, Unknown("time-out"), 1.0)
    book.fold_work(later(old, "withdraw"), b"", {}, 2.0)
    assert [step.how for step in planned(book, 9.9)] == ["ask"]
    settled(book, old, Unknown("HTTP 500"), 9.9, "ask")
    gone = left(book, 10.1)
    settled(book, gone, WITHDRAWN, 10.2)
    assert book.outstanding == 0
    told = settled(book, old, Accepted(stage, "r", 1), 20.0, "answer")
    assert told is not None
    assert told.stage == stage
    again = left(book, 20.1)
    assert (again.work, again.repeat) == (gone.work, 1)
    assert again.delivery != gone.delivery
    settled(book, again, WITHDRAWN, 20.2)
    assert settled(book, old, Accepted("acknowledged", "r", 1), 30.0, "answer") is None
    assert book.outstanding == 0, "the same sign is no news"


def test_a_sign_while_the_take_down_is_on_its_way_is_remembered() -> None:
    """Nobody knows which of the two came last; a restart forgets it as little."""
    book, store, old = begun(CALL)
    taken = book.settle(old.delivery, "send", Accepted("acknowledged", "r", 1), 1, 0.1)
    assert taken is not None
    book.fold_event(taken, store, 0.1)
    book.fold_work(later(old, "withdraw"), b"", store, 0.2)
    (step,) = planned(book, 0.3)
    gone = AttemptMessage("cd" * 16, "d", step.work, 1, 1)
    book.fold_event(gone, store, 0.3)
    late = book.settle(old.delivery, "answer", PUBLISHED, 1, 0.4)
    assert late is not None
    book.fold_event(late, store, 0.4)
    again = DeliveryQueue(CALL)
    again.load(sorted((key, value) for key, value in store.items() if value is not None))
    again.resume(0.0, 0)
    settled(again, gone, WITHDRAWN, 1.0)
    assert [(one.work, one.repeat) for one in planned(again, 1.0)] == [(gone.work, 1)]


def test_a_sign_by_topic_is_not_lost_with_the_transaction_that_would_have_told_it() -> None:
    """An answer is read when what it says is written, and not before."""
    world = CourierWorld()
    courier = world.couriers["city"]
    submit(world, "new", 1, 0)
    world.fates.append("acknowledged")
    live(courier, 0.2)
    submit(world, "withdraw", 1, 0)
    live(courier, 0.5)
    courier.commit_fate = "refused"
    world.pass_time(61)
    live(courier, 2.0)
    intents = [one for one in courier.events() if not one.result]
    assert [one.repeat for one in intents if one.work.action == "withdraw"] == [0, 1]


def test_what_was_corrected_and_appears_again_is_corrected_again() -> None:
    """After the correction has ended; a sign before that is the order of things."""
    for is_late in (False, True):
        book, _store, old = begun(CALL)
        settled(book, old, Accepted("acknowledged", "r", 1), 0.1)
        book.fold_work(later(old, "publish"), b"row", {}, 0.2)
        new = left(book, 0.3)
        settled(book, new, Accepted("acknowledged", "r", 1), 0.4)
        if is_late:
            settled(book, new, PUBLISHED, 0.5, "answer")
        settled(book, old, PUBLISHED, 0.6, "answer")
        if not is_late:
            settled(book, new, PUBLISHED, 0.7, "answer")
        assert left(book, 0.8).repeat == 1


def test_nothing_to_withdraw_counts_only_after_the_longest_effect() -> None:
    """The publication may still be travelling; afterwards it is as good as withdrawn."""
    book, _store, old = begun(CALL)
    settled(book, old, Unknown("time-out"), 1.0)
    book.fold_work(later(old, "withdraw"), b"", {}, 2.0)
    planned(book, 10.1)
    gone = AttemptMessage("cd" * 16, "d", later(old, "withdraw"), 1, 1)
    book.fold_event(gone, {}, 10.1)
    book._by_id[old.delivery].effect_until = 12.0  # as after a start, when a minute is added
    told = settled(book, gone, NotHere(), 10.2)
    assert told is not None
    assert (told.result, told.stage, told.state) == ("absent", "", State.PAUSED)
    assert [step for step in planned(book, 11.9) if step.how == "send"] == []
    again = left_at_last(book, 12.1)
    assert again.repeat == 1
    told = settled(book, again, NotHere(), 12.2)
    assert told is not None
    assert (told.result, told.stage) == ("absent", "withdrawn")
    assert book.outstanding == 0


def left_at_last(book: DeliveryQueue, now: float) -> AttemptMessage:
    """The request that leaves now, whatever else is asked."""
    (step,) = (step for step in planned(book, now) if step.how == "send")
    event = AttemptMessage("ef" * 16, "d", step.work, step.attempt, 0, repeat=step.repeat)
    book.fold_event(event, {}, now)
    return event


def test_a_refused_withdrawal_is_tried_again_every_day_and_told_each_time() -> None:
    """Once it was never tried again: one overdue, then silence."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    live(courier, 1.0)
    world.province.refuse = "MULTIPLE_ROWS"
    submit(world, "withdraw", 1, 0)
    for _day in range(3):
        live(courier, 1.0)
        assert courier.slot.book.standing()["refused"] == 1
        world.pass_time(86_300)
        live(courier, 1.0)
        assert courier.slot.book.standing()["refused"] == 1
        world.pass_time(100)
    world.province.refuse = ""
    live(courier, 1.0)
    told = [(one["stage"], one["code"]) for one in reports(world) if one["action"] == "withdraw"]
    assert told == [("refused", "MULTIPLE_ROWS")] * 3 + [("withdrawn", "")]
    assert not shown(world)
    ids = [one.delivery for one in courier.events() if not one.result]
    assert len(ids) == len(set(ids)) == 5


def test_a_refused_publication_is_not_tried_again() -> None:
    """The platform's last word on this version."""
    world = CourierWorld()
    courier = world.couriers["province"]
    world.province.refuse = "NAME_UNKNOWN"
    submit(world, "new", 1, 0)
    live(courier, 1.0)
    world.pass_time(2 * 86_400)
    live(courier, 1.0)
    assert len(posts(world)) == 1


def test_newer_work_ends_a_refused_withdrawal() -> None:
    """Restored since: what was to be taken down shall be shown."""
    book, _store, old = begun(CALL)
    settled(book, old, PUBLISHED, 0.1)
    book.fold_work(later(old, "withdraw"), b"", {}, 0.2)
    gone = left(book, 0.3)
    told = settled(book, gone, Refused("MULTIPLE_ROWS", ""), 0.4)
    assert told is not None
    assert told.state is State.REFUSED
    book.fold_work(later(gone, "publish"), b"row", {}, 0.5)
    new = left(book, 0.6)
    settled(book, new, PUBLISHED, 0.7)
    assert planned(book, 9e9, at=9 * DAY_MS) == []


def test_a_courier_that_lost_its_state_goes_on_with_a_refused_withdrawal() -> None:
    """The ledger says how often it was refused: the next try has an id of its own."""
    book = DeliveryQueue(CALL)
    book.load([])
    named = Work(0, 1, b"k" * 16, 1, "withdraw", 0, "licence.granted.v1", b"code")
    book.fold_work(named, b"", {})
    for repeat in (0, 1):
        book.fold_noted(Noted(b"k" * 16, "withdraw", "refused", 1, repeat), {})
    book.resume(0.0, 0)
    assert [step.repeat for step in planned(book, 0.0)] == [2]


def test_what_nobody_can_be_asked_about_is_sent_again_under_its_id() -> None:
    """A lost take-down at a platform whose status query is broken for good."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    live(courier, 1.0)
    world.province.is_mute = True
    world.fates.append("lost")
    submit(world, "withdraw", 1, 0)
    live(courier, 100.0)
    assert not shown(world)
    assert len({one.delivery for one in courier.events() if one.work.action == "withdraw"}) == 1


# --- alone with its answer -----------------------------------------------------------------------


@pytest.mark.parametrize("status", [302, 401, 403, 404, 405, 410])
def test_one_record_alone_with_its_answer_is_parked_alone(status: int) -> None:
    """A firewall dislikes a word: every other record is served, withdrawals included."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    live(courier, 1.0)
    (first,) = shown(world)
    submit(world, "new", 2, 0)
    (poisoned,) = set(owed(world, "province")) - {first}
    world.province.answers_to[poisoned] = status
    submit(world, "new", 3, 0)
    live(courier, 5.0)
    submit(world, "withdraw", 1, 0)
    live(courier, 2.0)
    assert first not in shown(world)
    assert len(shown(world)) == 1
    live(courier, 50.0)
    assert courier.slot.book.standing()["parked"] == 1
    parked = [one for one in reports(world) if one["stage"] == "parked"]
    assert [(one["record"], one["code"], one["message"]) for one in parked] == [
        (poisoned, "PARKED", f"HTTP {status}")
    ]
    live(courier, 600.0)
    attempts = [record for record, _version in posts(world)].count(poisoned)
    assert attempts <= 4 + 11, "once a minute when it is parked"
    assert len([one for one in reports(world) if one["stage"] == "parked"]) == 1
    world.province.answers_to.clear()
    live(courier, 61.0)
    assert poisoned in shown(world)


def test_a_record_that_is_all_there_is_is_judged_by_a_status_query() -> None:
    """Nothing else can be the probe; the platform answers questions, so it is there."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    (poisoned,) = owed(world, "province")
    world.province.answers_to[poisoned] = 403
    live(courier, 30.0)
    assert "ask" in [how for _at, how in world.province.calls]
    assert courier.slot.book.standing()["parked"] == 1
    assert courier.slot.breaker.state(world.seconds) == "closed"
    assert len(posts(world)) == 4


def test_a_platform_that_turns_everybody_away_parks_nobody() -> None:
    """A wrong token: one request after each rest, and all of them once it is right."""
    world = CourierWorld()
    courier = world.couriers["province"]
    for record in (1, 2, 3, 4):
        submit(world, "new", record, 0)
    world.province.answers_to.update(dict.fromkeys(owed(world, "province"), 401))
    live(courier, 300.0)
    assert courier.slot.book.standing()["parked"] == 0
    assert len(posts(world)) < 60
    world.province.answers_to.clear()
    live(courier, 61.0)
    assert len(shown(world)) == 4


def test_the_probe_is_another_record() -> None:
    """The one that was turned away waits until another was tried."""
    book = DeliveryQueue(CALL)
    first = Work(0, 1, b"a" * 16, 1, "publish", 1, "licence.granted.v1", b"code")
    other = first._replace(sequence=2, record_key=b"b" * 16, due_at=2)
    for named in (first, other):
        book.fold_work(named, b"row", {})
    (step,) = planned(book, 0.0, 1)
    event = AttemptMessage("ab" * 16, "d", step.work, 1, 0)
    book.fold_event(event, {}, 0.0)
    book.launched(event.delivery, "send", 0.0)
    unclear = Retry("HTTP 403", is_whole_target=True, may_be_record=True)
    told = settled(book, event, unclear, 0.1)
    assert told is not None
    assert (told.result, told.stage, told.state) == ("away", "", State.SUSPECT)
    assert [step.work.record_key for step in planned(book, 50.0, 1)] == [other.record_key]
    event = AttemptMessage("cd" * 16, "d", other, 1, 0)
    book.fold_event(event, {}, 50.0)
    book.launched(event.delivery, "send", 50.0)
    assert book.blame("ab" * 16, "send", unclear) == unclear
    settled(book, event, PUBLISHED, 50.1)
    assert book.blame("ab" * 16, "send", unclear) == Retry("HTTP 403")
    assert [step.work.record_key for step in planned(book, 50.2, 1)] == [first.record_key]


def test_an_answer_is_the_records_when_others_were_served_since_it_left() -> None:
    """It need not rest the platform at all."""
    book = DeliveryQueue(CALL)
    names = {key: f"{number:032x}" for number, key in enumerate((b"a" * 16, b"b" * 16))}
    for number, key in enumerate(names):
        book.fold_work(
            Work(0, number, key, 1, "publish", 1, "licence.granted.v1", b"code"), b"", {}
        )
    for step in planned(book, 0.0):
        event = AttemptMessage(names[step.work.record_key], "d", step.work, 1, 0)
        book.fold_event(event, {}, 0.0)
        book.launched(event.delivery, "send", 0.0)
    book.settle(names[b"a" * 16], "send", PUBLISHED, 1, 0.5)
    unclear = Retry("HTTP 403", is_whole_target=True, may_be_record=True)
    assert book.blame(names[b"b" * 16], "send", unclear) == Retry("HTTP 403")
    assert book.blame(names[b"b" * 16], "ask", unclear) == unclear


# --- parked --------------------------------------------------------------------------------------


def test_what_is_parked_is_told_once_until_something_else_is_told() -> None:
    """An open case for a person; any later stage ends it."""
    book, _store, event = begun(CALL)
    told = []
    for attempt in range(1, 6):
        event = event._replace(attempt=attempt)
        result = settled(book, event, Retry("HTTP 500"), attempt * 100.0)
        assert result is not None
        told.append((result.stage, result.code, result.message))
        (step,) = planned(book, attempt * 100.0 + 61.0)
        event = event._replace(attempt=step.attempt)
        book.fold_event(event, {}, attempt * 100.0 + 61.0)
    assert told == [("", "", "")] * 2 + [("parked", "PARKED", "HTTP 500")] + [("", "", "")] * 2
    unknown = settled(book, event, Unknown("time-out"), 700.0)
    assert unknown is not None
    assert unknown.stage == "sent"


def test_a_delivery_of_which_nobody_knows_is_told_as_parked_when_asking_has_not_helped() -> None:
    """Over HTTP and by topic."""
    for policy in (CALL, CALL._replace(can_ask=False)):
        book, _store, event = begun(policy)
        told = []
        if policy.can_ask:
            told.append(settled(book, event, Unknown("time-out"), 0.5))
        for now in range(1, 60):
            for one in book.wake(float(now), 0):
                book.fold_event(one, {}, float(now))
                told.append(one)
            for step in book.plan(9, 0):
                if step.how == "send":
                    book.fold_event(event._replace(attempt=step.attempt), {}, float(now))
                else:
                    told.append(settled(book, event, Unknown("HTTP 500"), float(now), "ask"))
        said = [(one.stage, one.state) for one in told if one is not None]
        assert said == [("sent", State.UNKNOWN), ("parked", State.STUCK)]


def test_what_was_left_behind_is_forgotten_after_thirty_days() -> None:
    """Longer than the topics keep it; whoever asks so long asks in vain."""
    book, _store, old = begun(CALL)
    settled(book, old, Accepted("acknowledged", "r", 1), 0.1)
    book.fold_work(later(old, "withdraw"), b"", {}, 0.2)
    settled(book, left(book, 0.3), WITHDRAWN, 0.4)
    for now, days, is_there in ((1_000.0, 29, True), (2_000.0, 31, False)):
        planned(book, now, at=days * DAY_MS)
        settled(book, old, Unknown("x"), now, "poll")
        assert (book.expectation(old.delivery) is not None) == is_there
    assert book.standing()["overtaken"] == 0


def test_a_refusal_of_what_was_left_behind_is_nobodys_case() -> None:
    """`VERSION_OLD` is what a platform should say of it."""
    book, _store, old = begun(CALL)
    settled(book, old, Accepted("acknowledged", "r", 1), 0.1)
    book.fold_work(later(old, "withdraw"), b"", {}, 0.2)
    settled(book, left(book, 0.3), WITHDRAWN, 0.4)
    told = settled(book, old, Refused("VERSION_OLD", "older"), 0.5, "answer")
    assert told is not None
    assert (told.stage, told.code, told.state) == ("", "", State.DONE)
    assert book._records == {}


def test_what_is_left_behind_is_followed_from_then_on() -> None:
    """Taken over forty days ago and never shown: it may be shown yet."""
    book, _store, old = begun(CALL)
    settled(book, old, Accepted("acknowledged", "r", 1), 0.1)
    book.fold_work(later(old, "withdraw"), b"", {}, 0.2)
    settled(book, left(book, 0.3, 40 * DAY_MS), WITHDRAWN, 0.4)
    planned(book, 1_000.0, at=41 * DAY_MS)
    assert settled(book, old, PUBLISHED, 1_000.1, "poll") is not None
    assert left(book, 1_000.2).repeat == 1


def test_what_was_left_behind_and_is_unknown_is_over() -> None:
    """The platform never took it in, and nobody sends it any more."""
    book, store, old = begun(CALL)
    settled(book, old, Unknown("time-out"), 1.0)
    book.fold_work(later(old, "withdraw"), b"", store, 2.0)
    settled(book, left(book, 20.0), WITHDRAWN, 20.1)
    (step,) = planned(book, 30.0)
    assert (step.how, step.delivery) == ("poll", old.delivery)
    told = settled(book, old, NeverSeen(), 30.1, "poll")
    assert told is not None
    assert (told.result, told.state) == ("overtaken", State.DONE)
    assert book._records == {}
