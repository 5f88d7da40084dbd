"""The courier's rules one by one, in the world of memory: each test names the line it guards."""

from __future__ import annotations

import json

import pytest

from hub.core.ledger_end import LedgerEndError
from hub.core.state import NEVER
from hub.engine import requests
from hub.engine.courier_book import DeliveryQueue, Policy, Step
from hub.engine.courier_life import State
from hub.engine.courier_records import AttemptMessage, Noted, Work
from hub.engine.courier_slot import _Answered
from hub.engine.events import DeliveryTrouble, PlatformTrouble
from hub.errors import IntegrityError
from hub.targets.delivery import Accepted, Delivered, NeverSeen, Retry, Unknown
from hub.targets.http.protocol import NoAnswer
from hub.targets.platform import CallResult
from tests.driver import rows
from tests.driver.resends import ask_again, showing
from tests.driver.rows import LICENCE
from tests.simulator.courier_world import CourierWorld, SimDatabase
from tests.simulator.test_courier import check, submit
from tests.unit.engine.courier_steps import planned


def posts(world: CourierWorld) -> list[tuple[str, int]]:
    """Return the attempts made at the province in order: record and version."""
    intents = [one for one in world.couriers["province"].events() if not one.result]
    return [(one.work.record_key.hex(), one.work.version) for one in intents]


def stages(world: CourierWorld, target: str = "province") -> list[str]:
    """Return the stages reported of a target, in order."""
    topic = f"{world.hub.prefix}outcomes.{target}"
    return [
        json.loads(record.value)["stage"]
        for partition in range(world.hub.partitions)
        for record in world.log.logs[topic, partition]
    ]


def test_an_older_version_never_tried_is_skipped() -> None:
    """Two versions wait: only the newer one is sent."""
    world = CourierWorld()
    submit(world, "new", 1, 0)
    submit(world, "correct", 1, 1)
    world.settle()
    assert [version for _record, version in posts(world)] == [2]
    check(world)


def test_what_may_be_travelling_is_not_sent_again_once_something_newer_waits() -> None:
    """Version 1 is lost; 2 leaves when nothing of 1 can come any more, and not before."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    world.fates.extend(["late_effect"])
    courier.turns(3)
    submit(world, "correct", 1, 1)
    left_at = world.seconds
    while len(posts(world)) == 1:
        courier.turns(1)
        assert world.seconds - left_at < 2 * courier.plan.policy.grace_seconds
    assert world.seconds - left_at >= 0.9 * courier.plan.policy.grace_seconds or (
        world.province.live()
    )
    assert [version for _record, version in posts(world)] == [1, 2]
    world.settle()
    check(world)


def test_an_effect_without_an_answer_is_asked_about_not_sent_again() -> None:
    """One POST; the status call brings the receipt."""
    world = CourierWorld()
    submit(world, "new", 1, 0)
    world.fates.extend(["applied_lost"])
    world.couriers["province"].turns(100)
    assert len(posts(world)) == 1
    assert stages(world) == ["sent", "published"]


def test_a_courier_that_lost_its_state_and_its_attempts_reads_the_ledger() -> None:
    """Attempts expire by time; what the registrar noted is not delivered again."""
    world = CourierWorld()
    submit(world, "new", 1, 0)
    world.settle()
    world.hub.run()
    topic = f"{world.hub.prefix}attempts.province"
    for partition in range(world.hub.partitions):
        world.log.logs[topic, partition].clear()
    world.couriers["province"].crash(lose_disk=True)
    world.couriers["province"].turns(20)
    assert world.province.posts.total() == 1


def test_a_withdrawal_reaches_a_platform_that_never_showed_the_record() -> None:
    """The ledger names the target; whether version 1 arrived is not the courier's to guess."""
    world = CourierWorld()
    submit(world, "new", 1, 0)
    submit(world, "withdraw", 1, 0)
    world.settle()
    assert [stage for _version, stage, _digest in world.province.live().values()] == ["withdrawn"]
    assert stages(world) == ["withdrawn"]


def test_a_withdrawal_says_why() -> None:
    """行政处罚法 art. 48: what is withdrawn is withdrawn with its reason, said publicly."""
    world = CourierWorld()
    submit(world, "new", 1, 0)
    world.settle()
    submit(world, "withdraw", 1, 0)
    world.settle()
    assert world.province.reasons == ["", "许可被撤销"]


def test_a_failing_record_is_parked_and_its_neighbours_go_on() -> None:
    """Three failures park the key; it is tried again a minute later."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    world.fates.extend(["500"] * 3)
    courier.turns(60)
    assert courier.slot.book.standing()["parked"] == 1
    submit(world, "new", 2, 0)
    courier.turns(50)
    assert len(world.province.live()) == 1
    world.pass_time(61)
    courier.turns(50)
    assert len(world.province.live()) == 2


def test_a_delivery_in_trouble_is_named_with_the_reason_when_it_is_parked() -> None:
    """Whoever calls the platform needs id and answer; the failures before are not told."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    world.fates.extend(["500"] * 3)
    courier.turns(100)
    (intent, *_) = courier.events()
    assert courier.slot.book.standing()["parked"] == 1
    assert courier.troubles == [
        DeliveryTrouble(intent.delivery, intent.work.partition, intent.work.sequence, "HTTP 500")
    ]


def test_an_unknown_delivery_is_named_when_asking_has_not_helped() -> None:
    """Nothing else leaves for its record, so somebody must ask the platform about this id."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    world.fates.extend(["applied_lost"] * 4)
    courier.turns(100)
    (delivery,) = world.province.posts
    (trouble,) = courier.troubles
    assert isinstance(trouble, DeliveryTrouble)
    assert (trouble.delivery, trouble.why) == (delivery, "status query: applied_lost")


def test_a_platform_that_is_away_is_told_by_its_reason_not_by_every_record() -> None:
    """A wrong token stops everything: the reason is the platform's, of no record."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    world.fates.append("503")
    courier.turns(60)
    assert courier.troubles == [PlatformTrouble("HTTP 503")]


def test_a_busy_platform_is_left_alone_as_a_whole_for_as_long_as_it_says() -> None:
    """After 429 nothing leaves until Retry-After; then one request tries before all others."""
    world = CourierWorld()
    courier = world.couriers["province"]
    world.fates.append("429")
    submit(world, "new", 1, 0)
    courier.turns(3)
    for record in (2, 3, 4):
        submit(world, "new", record, 0)
    begun = world.seconds
    while world.province.posts.total() == 1:
        assert world.seconds - begun < 10
        courier.turns(1)
    assert world.seconds - begun >= 0.4
    assert world.province.posts.total() == 2
    courier.turns(10)
    assert len(world.province.live()) == 4


def test_a_refusal_is_reported_with_its_code_and_ends_the_delivery() -> None:
    """422 is the platform's last word on this version; the next version is sent all the same."""
    world = CourierWorld()
    submit(world, "new", 1, 0)
    world.province.refuse = "NAME_UNKNOWN"
    world.couriers["province"].turns(20)
    assert stages(world) == ["refused"]
    world.province.refuse = ""
    submit(world, "correct", 1, 1)
    world.couriers["province"].turns(20)
    assert stages(world) == ["refused", "published"]


def test_a_wrong_receipt_proves_nothing() -> None:
    """Another delivery's, another content's, an empty one: the stage is told from the right one."""
    for fate in ("wrong_delivery", "wrong_digest", "wrong_receipt", "not_json"):
        for target in ("province", "city"):
            world = CourierWorld()
            submit(world, "new", 1, 0)
            world.fates.append(fate)
            world.couriers[target].turns(4)
            assert "published" not in stages(world, target)
            world.settle()
            assert stages(world, target) == ["sent", "published"]


def test_an_answer_given_twice_is_reported_once() -> None:
    """By topic an answer may be repeated, in one batch or later."""
    world = CourierWorld()
    submit(world, "new", 1, 0)
    city = world.couriers["city"]
    city.turns(3)
    for partition in range(world.hub.partitions):
        topic = f"{world.hub.prefix}answers.city"
        for record in list(world.log.logs[topic, partition]):
            world.city._tell(topic, partition, record.value)
    city.turns(3)
    assert stages(world, "city") == ["published"]


def test_a_target_sees_only_what_it_is_cleared_for() -> None:
    """Default deny: the city's fields are a part of the province's, and no sealed one is there."""
    world = CourierWorld()
    submit(world, "new", 1, 0)
    world.settle()
    shown = {}
    for platform in (world.province, world.city):
        ((fields,),) = platform.book._db.execute("SELECT fields FROM deliveries").fetchall()
        shown[platform] = set(json.loads(fields))
    assert shown[world.city] < shown[world.province]
    assert "XK_FR_ZJHM" not in shown[world.province]


POLICY = Policy(2, 3, 1.0, can_ask=True)


def work(number: int, due_at: int, version: int = 1) -> Work:
    """Return work for a record of this number."""
    key = number.to_bytes(16)
    return Work(
        0, number * 10 + version, key, version, "publish", due_at, "licence.granted.v1", b"k"
    )


def test_the_earliest_deadline_goes_first() -> None:
    """Between records the legal due date decides, not the order of arrival."""
    book = DeliveryQueue(POLICY)
    for number, due_at in ((1, 300), (2, 100), (3, 200)):
        book.fold_work(work(number, due_at), b"", {})
    assert [step.work.due_at for step in planned(book, 0.0)] == [100, 200]


def test_no_more_intents_are_open_than_agreed() -> None:
    """Two may be open: the third waits until one has ended."""
    book = DeliveryQueue(POLICY)
    for number in range(3):
        book.fold_work(work(number, 1), b"", {})
    opened = [intent(step) for step in planned(book, 0.0)]
    for event in opened:
        book.fold_event(event, {}, 0.0)
    assert len(opened) == 2
    assert planned(book, 0.0) == []
    done = book.settle(opened[0].delivery, "send", Accepted("published", "r", 1), 1, 0.0)
    assert done is not None
    book.fold_event(done, {}, 0.0)
    assert [step.work.record_key for step in planned(book, 0.0)] == [work(2, 1).record_key]


def intent(step: Step) -> AttemptMessage:
    """Return the intent of a first attempt."""
    return AttemptMessage(step.work.record_key.hex(), "d", step.work, step.attempt, 1)


def test_what_failed_for_one_content_is_tried_at_once_with_another() -> None:
    """A correction of a parked record must not wait for its predecessor's pause."""
    book = DeliveryQueue(POLICY)
    book.fold_work(work(1, 5), b"", {})
    for _try in range(3):
        (step,) = planned(book, 1000.0 * _try)
        book.fold_event(intent(step), {}, 0.0)
        failed = book.settle(intent(step).delivery, "send", Retry("HTTP 500"), 1, 0.0)
        assert failed is not None
        book.fold_event(failed, {}, 1000.0 * _try)
    assert book.standing()["parked"] == 1
    assert planned(book, 2001.0) == []
    book.fold_work(work(1, 5, version=2), b"", {})
    assert [step.work.version for step in planned(book, 2001.0)] == [2]


def test_the_state_after_a_restart_is_the_state_before() -> None:
    """What `fold` returns for the store, loaded anew, plans the same."""
    store: dict[bytes, bytes | None] = {}
    book = DeliveryQueue(POLICY)
    book.fold_work(work(1, 5), b"row", store)
    book.fold_work(work(2, 6), b"row", store)
    (first, second) = planned(book, 0.0)
    book.fold_event(intent(first), store, 0.0)
    book.fold_event(intent(second), store, 0.0)
    unsure = book.settle(intent(first).delivery, "send", Unknown("reset"), 1, 0.0)
    taken = book.settle(intent(second).delivery, "send", Accepted("acknowledged", "r", 1), 1, 0.0)
    assert unsure is not None
    assert taken is not None
    book.fold_event(unsure, store, 0.0)
    book.fold_event(taken, store, 0.0)
    again = DeliveryQueue(POLICY._replace(grace_seconds=3.0))
    again.load(sorted((key, value) for key, value in store.items() if value is not None))
    again.resume(0.0, 0)
    assert again.standing() == book.standing()
    assert planned(again, 0.1) == []
    assert [step.how for step in planned(again, 3.1)] == ["ask", "poll"]


def test_a_noted_report_of_an_older_version_leaves_the_newer_one() -> None:
    """The ledger says version 1 is done: version 2 is still owed."""
    book = DeliveryQueue(POLICY)
    book.fold_work(work(1, 5), b"", {})
    book.fold_work(work(1, 5, version=2), b"", {})
    book.fold_noted(Noted(work(1, 5).record_key, "publish", "published", 11), {})
    assert [step.work.version for step in planned(book, 0.0)] == [2]


def test_a_lane_has_one_delivery_however_often_it_became_ready() -> None:
    """Two versions made the lane ready twice; the second time its delivery is under way."""
    book = DeliveryQueue(POLICY)
    book.fold_work(work(1, 5), b"", {})
    book.fold_work(work(1, 5, version=2), b"", {})
    (step,) = planned(book, 0.0, 1)
    book.fold_event(intent(step), {}, 0.0)
    assert planned(book, 0.0) == []


def test_a_report_in_the_ledger_does_not_touch_an_open_delivery() -> None:
    """Its own result comes with the attempts; until then it must be able to be sent again."""
    book = DeliveryQueue(POLICY)
    book.fold_work(work(1, 5), b"", {})
    (step,) = planned(book, 0.0)
    book.fold_event(intent(step), {}, 0.0)
    book.fold_noted(Noted(work(1, 5).record_key, "publish", "published", 11), {})
    assert book.outstanding == 1


def test_an_answer_in_time_by_a_hair_is_not_answered_with_a_repeat() -> None:
    """By topic: the answer and the time-out meet in one turn."""
    book = DeliveryQueue(POLICY._replace(can_ask=False))
    book.fold_work(work(1, 5), b"", {})
    (step,) = planned(book, 0.0)
    book.fold_event(intent(step), {}, 0.0)
    done = book.settle(intent(step).delivery, "answer", Accepted("published", "r", 1), 1, 1.5)
    assert done is not None
    book.fold_event(done, {}, 1.5)
    assert planned(book, 1.5) == []


def test_by_topic_an_acknowledged_delivery_is_repeated_until_it_is_final() -> None:
    """Platforms forget answers when they are killed: sent again under the same id, ever slower."""
    book = DeliveryQueue(POLICY._replace(can_ask=False))
    book.fold_work(work(1, 5), b"", {})
    (step,) = planned(book, 0.0)
    event = intent(step)
    book.fold_event(event, {}, 0.0)
    taken = book.settle(event.delivery, "answer", Accepted("acknowledged", "r", 1), 1, 0.1)
    assert taken is not None
    book.fold_event(taken, {}, 0.1)
    repeats: list[float] = []
    now = 0.1
    while len(repeats) < 3:
        assert now < 30
        now += 0.1
        for again in planned(book, now):
            assert again.delivery == event.delivery
            book.fold_event(event, {}, now)
            repeats.append(now)
    assert repeats[2] - repeats[1] > repeats[1] - repeats[0] > 0.9


def test_a_new_owner_leaves_open_deliveries_alone_until_nothing_can_arrive_any_more() -> None:
    """Time-out and a margin: then the platform is asked, and not before."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    world.fates.append("late_effect")
    courier.crash_at(requests.Poll, 2)
    begun = world.seconds
    courier.turns(1500)
    first = next(at for at, how in world.province.calls if how == "ask")
    assert first - begun >= courier.plan.policy.grace_seconds
    world.settle()
    check(world)


def test_a_restart_forgets_old_answers_first_and_folds_only_what_is_new() -> None:
    """Before anything else what is on its way is abandoned; own attempts are read from the end."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    world.settle()
    ends = {
        place: len(log)
        for place, log in world.log.logs.items()
        if place[0] == courier.slot.attempts
    }
    courier.crash()
    asked: list[object] = []
    reply: object = None
    while not any(isinstance(one, requests.Consume) for one in asked):
        asked.append(courier._program.send(reply))
        reply = courier._carry_out(asked[-1])
    assert isinstance(asked[0], requests.CancelAll)
    folds = [one.positions for one in asked if isinstance(one, requests.FoldLedger)]
    assert {place: at for place, at in folds[-1].items() if at} == {
        p: n for p, n in ends.items() if n
    }


def test_a_drained_courier_begins_nothing_and_ends_with_its_last_answer() -> None:
    """Asked to stop: what is on its way is waited for, what is not begun stays for the next."""
    world = CourierWorld()
    courier = world.couriers["province"]
    courier.turns(2)
    assert courier.slot.drain()
    submit(world, "new", 1, 0)
    courier.turns(10)
    assert posts(world) == []


def test_an_acknowledged_delivery_is_polled_until_it_is_published() -> None:
    """Acknowledged is told once, however often the platform says so; then published."""
    for target in ("province", "city"):
        world = CourierWorld()
        submit(world, "new", 1, 0)
        world.fates.append("acknowledged")
        for _second in range(30):
            world.couriers[target].turns(20)
            world.pass_time(1)
        assert stages(world, target) == ["acknowledged"]
        world.settle()
        assert stages(world, target) == ["acknowledged", "published"]


def test_what_was_handed_over_and_is_lost_is_handed_over_again_under_its_id() -> None:
    """The folder forgot it before the platform said a word; what is acknowledged is waited for."""
    book = DeliveryQueue(POLICY)
    book.fold_work(work(1, 5), b"row", {})
    (step,) = planned(book, 0.0)
    event = intent(step)
    book.fold_event(event, {}, 0.0)
    handed = book.settle(event.delivery, "send", Delivered(), 1, 0.0)
    assert handed is not None
    book.fold_event(handed, {}, 0.0)
    assert [one.how for one in planned(book, 1.0)] == ["poll"]
    assert book.settle(event.delivery, "poll", NeverSeen(), 1, 1.0) is None
    (again,) = planned(book, 1.0)
    assert (again.how, again.delivery) == ("send", event.delivery)
    taken = book.settle(event.delivery, "answer", Accepted("acknowledged", "r", 1), 1, 1.1)
    assert taken is not None
    book.fold_event(taken, {}, 1.1)
    assert book.settle(event.delivery, "poll", NeverSeen(), 1, 1.2) is None
    assert planned(book, 1.2) == []


def test_what_a_newer_version_has_followed_is_not_handed_over_again() -> None:
    """Withdrawn since, and cleared away by the platform: sent again it would be shown anew."""
    book = DeliveryQueue(POLICY)
    stored: dict[bytes, bytes | None] = {}
    shown, gone = work(1, 5), work(1, 5, 2)._replace(action="withdraw")
    for number, one in enumerate((shown, gone)):
        book.fold_work(one, b"row", stored)
        event = AttemptMessage(f"{number:032x}", "d", one, 1, 1)
        book.fold_event(event, stored, 0.0)
        handed = book.settle(event.delivery, "send", Delivered(), 1, 0.0)
        assert handed is not None
        book.fold_event(handed, stored, 0.0)
    taken = book.settle(f"{1:032x}", "answer", Accepted("withdrawn", "r", 1), 1, 0.1)
    assert taken is not None
    book.fold_event(taken, stored, 0.1)
    again = DeliveryQueue(POLICY)
    again.load(sorted((key, value) for key, value in stored.items() if value is not None))
    again.resume(0.0, 0)
    for each in (book, again):
        over = each.settle(f"{0:032x}", "poll", NeverSeen(), 1, 1.0)
        assert over is not None
        assert (over.result, over.stage, over.state) == ("overtaken", "", State.DONE)
        each.fold_event(over, stored, 1.0)
        assert (each.outstanding, each.pending_receipts, planned(each, 500.0)) == (0, 0, [])


@pytest.mark.parametrize("is_full", [False, True])
def test_what_is_gone_is_not_sent_behind_the_newer_version_on_its_way(*, is_full: bool) -> None:
    """Whether the newer one leaves before its loss is known or while it waits for its turn."""
    book = DeliveryQueue(POLICY)
    shown, gone = work(1, 5), work(1, 5, 2)._replace(action="withdraw")
    events = [AttemptMessage(f"{n:032x}", "d", one, 1, 1) for n, one in enumerate((shown, gone))]
    book.fold_work(shown, b"row", {})
    book.fold_event(events[0], {}, 0.0)
    handed = book.settle(events[0].delivery, "send", Delivered(), 1, 0.0)
    assert handed is not None
    book.fold_event(handed, {}, 0.0)
    if is_full:  # its loss is known, and there is no room to send it again yet
        assert book.settle(events[0].delivery, "poll", NeverSeen(), 1, 1.0) is None
        assert planned(book, 1.0, 0) == []
    book.fold_work(gone, b"row", {})
    book.fold_event(events[1], {}, 1.0)
    if not is_full:
        over = book.settle(events[0].delivery, "poll", NeverSeen(), 1, 1.0)
        assert over is not None
        assert over.state is State.DONE
    handed = book.settle(events[1].delivery, "send", Delivered(), 1, 1.0)
    assert handed is not None
    book.fold_event(handed, {}, 1.0)
    assert {step.how for step in (*planned(book, 1.0), *planned(book, 500.0))} <= {"poll"}


def test_a_resend_is_a_delivery_of_its_own_with_the_same_version_and_content() -> None:
    """The platform takes an equal version; what it shows is what it showed."""
    world = CourierWorld()
    submit(world, "new", 1, 0)
    world.settle()
    shown = world.province.live()
    ask_again(world.hub, "province")
    world.settle()
    intents = [one for one in world.couriers["province"].events() if not one.result]
    assert [one.work.version for one in intents] == [1, 1]
    assert [one.work.is_again for one in intents] == [False, True]
    assert len({one.delivery for one in intents}) == 2
    assert len({one.digest for one in intents}) == 1
    assert world.province.live() == shown
    check(world)


def test_a_resend_is_projected_under_the_clearance_of_today() -> None:
    """A narrower clearance takes back what was shown before it."""
    world = CourierWorld()
    submit(world, "new", 1, 0)
    world.settle()
    courier = world.couriers["province"]
    before = [one.digest for one in courier.events() if not one.result]
    courier.plan = courier.plan._replace(clearance=frozenset({"public"}))
    courier.crash()
    ask_again(world.hub, "province")
    world.settle()
    digests = [one.digest for one in courier.events() if not one.result]
    assert digests[0] == before[0] != digests[1]
    check(world)


def test_what_is_withdrawn_again_says_the_same_reason() -> None:
    """行政处罚法 art. 48 holds the second time, too."""
    world = CourierWorld()
    submit(world, "new", 1, 0)
    submit(world, "withdraw", 1, 0)
    world.settle()
    ask_again(world.hub, "province")
    world.settle()
    assert world.province.reasons == ["许可被撤销", "许可被撤销"]
    check(world)


def test_the_answer_to_the_first_naming_does_not_end_the_second() -> None:
    """Resent while version 1 is on its way; the courier loses its disk: both are delivered."""
    world = CourierWorld()
    submit(world, "new", 1, 0)
    world.couriers["province"].turns(3)
    ask_again(world.hub, "province")
    world.hub.run()
    world.couriers["province"].crash(lose_disk=True)
    world.settle()
    assert world.province.posts.total() == 2
    assert [one.work.is_again for one in world.couriers["province"].events() if one.result] == [
        False, True,
    ]  # fmt: skip


def test_a_report_of_the_first_naming_read_late_leaves_the_second_to_be_sent() -> None:
    """The ledger holds: named, named again, report on the first."""
    book = DeliveryQueue(Policy(3, 3, 2.0, can_ask=True))
    book.load([])
    first = Work(0, 1, b"k" * 16, 1, "publish", 0, "licence.granted.v1", b"code")
    again = first._replace(sequence=2, is_again=True)
    for work in (first, again):
        book.fold_work(work, b"row", {})
    book.fold_noted(Noted(b"k" * 16, "publish", "published", 1), {})
    book.resume(0.0, 0)
    assert [step.work for step in planned(book, 0.0, 3)] == [again]


def test_a_retired_target_is_told_to_withdraw_all_it_shows() -> None:
    """With a reason for the public; nothing new arrives there."""
    world = CourierWorld()
    submit(world, "new", 1, 0)
    submit(world, "new", 2, 0)
    world.settle()
    world.hub.adopt(showing(0, []))
    submit(world, "new", 3, 0)
    world.settle()
    assert {stage for _v, stage, _d in world.province.live().values()} == {"withdrawn"}
    assert len(world.province.live()) == 2
    assert world.province.reasons == ["", "", "不再向本平台公示", "不再向本平台公示"]
    assert len(world.city.live()) == 3
    check(world)


def test_a_target_that_begins_to_show_a_kind_gets_what_was_decided_before() -> None:
    """Nobody asks for it; what was corrected meanwhile arrives as it is now."""
    world = CourierWorld()
    world.hub.adopt(showing(0, []))
    submit(world, "new", 1, 0)
    submit(world, "correct", 1, 1)
    submit(world, "new", 2, 0)
    submit(world, "withdraw", 2, 0)
    world.settle()
    assert world.province.live() == {}
    world.hub.adopt(showing(0, [LICENCE]))
    world.settle()
    assert [(v, stage) for v, stage, _d in world.province.live().values()] == [(3, "published")]
    check(world)


def test_a_row_is_sent_once_told_as_sent_and_out_of_its_lane_before_the_platform_speaks() -> None:
    """Delivered is no acknowledgement: the clock runs, the next version may go."""
    world = CourierWorld(front_end=True)
    courier = world.couriers["province"]
    assert isinstance(world.province, SimDatabase)
    world.province.is_asleep = True
    submit(world, "new", 1, 0)
    courier.turns(3)
    assert stages(world) == ["sent"]
    assert courier.slot.book.standing()["delivered"] == 1
    submit(world, "correct", 1, 1)
    courier.turns(3)
    assert [version for _record, version in posts(world)] == [1, 2]
    world.province.is_asleep = False
    world.settle()
    check(world)


def test_a_version_overwritten_before_the_platform_saw_it_ends_without_a_report() -> None:
    """The platform answers the newer one; nothing is ever said of the older."""
    world = CourierWorld(front_end=True)
    courier = world.couriers["province"]
    assert isinstance(world.province, SimDatabase)
    world.province.is_asleep = True
    submit(world, "new", 1, 0)
    courier.turns(3)
    submit(world, "correct", 1, 1)
    courier.turns(3)
    world.province.is_asleep = False
    world.settle()
    results = [(one.work.version, one.result, one.stage) for one in courier.events() if one.result]
    assert (1, "overtaken", "") in results
    assert (2, "accepted", "published") in results
    assert courier.slot.book.standing()["delivered"] == 0


# --- what must not be started on, and what may be gone ---


@pytest.mark.parametrize("lose_disk", [False, True])
def test_a_ledger_whose_beginning_is_gone_is_not_folded(*, lose_disk: bool) -> None:
    """What was trimmed would never be delivered, and nobody would know."""
    world = CourierWorld()
    courier = world.couriers["province"]
    courier.turns(3)
    for record in (1, 2):
        submit(world, "new", record, 0)
    courier.crash(lose_disk=lose_disk)
    for partition in range(world.hub.partitions):
        place = (courier.slot.ledger, partition)
        world.begins[place] = len(world.log.logs[place])
    with pytest.raises(IntegrityError, match="has lost its beginning"):
        courier.turns(3)


def test_a_ledger_that_is_shorter_than_the_state_is_not_waited_for() -> None:
    """The broker was rebuilt: what comes to these places is something else."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    world.settle()
    courier.turns(3)
    courier.crash()
    for partition in range(world.hub.partitions):
        world.log.logs[courier.slot.ledger, partition].clear()
    with pytest.raises(IntegrityError, match="LEDGER_END_LOST"):
        courier.turns(3)


def test_attempts_that_are_shorter_than_the_state_are_not_waited_for() -> None:
    """Their topic was rebuilt: what comes to these places would be passed by."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    world.settle()
    courier.crash()
    for partition in range(world.hub.partitions):
        world.log.logs[courier.slot.attempts, partition].clear()
    with pytest.raises(IntegrityError, match=r"attempts\.province.* is outside"):
        courier.turns(3)


def test_a_ledger_record_that_continues_nothing_is_not_delivered() -> None:
    """Written a second time behind the end: whoever works stops with the words of a lost end."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    world.settle()
    (log,) = [
        log
        for (topic, _partition), log in world.log.logs.items()
        if topic == courier.slot.ledger and len(log) > 1
    ]
    log.append(log[-1]._replace(offset=len(log)))
    with pytest.raises(LedgerEndError, match=r"courier\.province"):
        courier.turns(3)


@pytest.mark.parametrize("lose_disk", [False, True])
def test_attempts_that_have_expired_are_not_missed(*, lose_disk: bool) -> None:
    """They are kept for a time; the ledger knows what became of them."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    world.settle()
    for partition in range(world.hub.partitions):
        place = (courier.slot.attempts, partition)
        world.begins[place] = len(world.log.logs[place])
        for key in [key for key in courier.store if key.startswith(b"p" + place[0].encode())]:
            courier.store[key] = bytes(8)
    courier.crash(lose_disk=lose_disk)
    submit(world, "correct", 1, 1)
    world.settle()
    check(world)


def test_a_courier_that_cannot_start_for_days_tries_every_five_seconds() -> None:
    """A broker that is away overnight is thousands of failures, and no reason to end."""
    program = CourierWorld().couriers["province"].slot.run()
    waits: list[float] = []
    request = next(program)
    for _step in range(8_000):
        if isinstance(request, requests.Wait):
            waits.append(request.seconds)
        request = program.send(
            requests.Failed("broker away") if isinstance(request, requests.CancelAll) else None
        )
    assert len(waits) > 1_500
    assert waits[0] < 1
    assert set(waits[20:]) == {5.0}


def test_a_restart_folds_none_of_its_own_attempts_twice() -> None:
    """The place behind the last transaction is stored with what it changed."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    courier.turns(4)
    stored = {key: value for key, value in courier.store.items() if key.startswith(b"p")}
    for partition in range(world.hub.partitions):
        place = (courier.slot.attempts, partition)
        count = len(world.log.logs[place])
        key = b"p" + place[0].encode() + b"\x00" + partition.to_bytes(2)
        assert int.from_bytes(stored.get(key, b"")) == count


# --- what a target is told, and what is told of it ---


def test_a_reason_is_said_only_where_it_may_be_seen() -> None:
    """The department's words are public; a target that is not cleared for that gets none."""
    world = CourierWorld()
    courier = world.couriers["province"]
    courier.plan = courier.plan._replace(clearance=frozenset({"government"}))
    courier.crash()
    submit(world, "new", 1, 0)
    submit(world, "withdraw", 1, 0)
    world.settle()
    assert world.province.reasons == [""]


def test_the_order_at_a_target_follows_its_own_deadlines() -> None:
    """A target without a duty for a record sends it after what is due, whatever others owe."""
    document = rows.basis()
    document["site"]["targets"][1]["clock_from"] = "2030-01-01"
    world = CourierWorld()
    world.hub.adopt(document)
    submit(world, "new", 1, 0)
    world.settle()
    dues = {
        target: {one.work.due_at for one in courier.events()}
        for target, courier in world.couriers.items()
    }
    assert dues["city"] == {NEVER}
    assert NEVER not in dues["province"]


def test_a_record_whose_duty_is_done_is_sent_again_after_those_that_are_due() -> None:
    """The clock has stopped: a resend of all that was shown must not hold up what is new."""
    world = CourierWorld()
    submit(world, "new", 1, 0)
    world.settle()
    ask_again(world.hub, "province")
    world.settle()
    intents = [one for one in world.couriers["province"].events() if not one.result]
    assert [one.work.due_at == NEVER for one in intents] == [False, True]


def test_what_another_target_shows_is_not_shown_here() -> None:
    """The ledger holds the reports of all; a courier that lost its disk believes its own alone."""
    world = CourierWorld()
    submit(world, "new", 1, 0)
    world.couriers["city"].turns(10)
    world.hub.run()
    assert stages(world, "city") == ["published"]
    world.couriers["province"].crash(lose_disk=True)
    world.settle()
    check(world)


def test_only_what_has_changed_is_reported() -> None:
    """A failed attempt is written down for the courier; the ledger has nothing to say of it."""
    world = CourierWorld()
    submit(world, "new", 1, 0)
    world.fates.extend(["500", "500"])
    world.couriers["province"].turns(300)
    results = [one.result for one in world.couriers["province"].events() if one.result]
    assert results == ["retry", "retry", "accepted"]
    assert stages(world) == ["published"]


def test_what_the_platform_says_unasked_does_not_open_the_gate() -> None:
    """Its answer to an old request says nothing about whether it takes new ones."""
    courier = CourierWorld(front_end=True).couriers["province"]
    breaker = courier.slot.breaker
    breaker.note(Retry("57P01", is_whole_target=True), 0.0)
    assert breaker.state(10.0) == "half-open"
    told = _Answered("ab" * 16, "answer", Accepted("published", "r", 1))
    courier.slot._settle([told], 1, 10.0, {})
    assert breaker.state(10.0) == "half-open"
    courier.slot._settle([told._replace(how="ask")], 1, 10.0, {})
    assert breaker.state(10.0) == "closed"


def test_a_question_over_http_is_no_answer_that_did_not_come() -> None:
    """Asking again is how HTTP works; people are told what the platform said."""
    world = CourierWorld()
    courier = world.couriers["province"]
    submit(world, "new", 1, 0)
    world.fates.extend(["lost"] * 4)
    courier.turns(100)
    world.pass_time(61)
    courier.turns(100)
    assert [trouble.why for trouble in courier.troubles] == ["status query: lost"]


def test_room_is_given_back_by_requests_whose_answer_came_otherwise() -> None:
    """Three requests answered by the platform's own word leave room for three more."""
    courier = CourierWorld().couriers["province"]
    for number in range(3):
        courier.slot.book.launched(f"{number:032x}", "ask", 0.0)
    assert courier.slot.book.in_the_air == 3
    courier.slot._interpret(
        [CallResult(f"{n:032x}", "ask", NoAnswer(may_have_arrived=True, why="x")) for n in range(3)]
    )
    assert courier.slot.book.in_the_air == 0
