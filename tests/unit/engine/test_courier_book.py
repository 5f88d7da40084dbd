"""The courier's memory and plan, without a platform: each test names the line it guards."""

from __future__ import annotations

import pytest

from hub.engine.courier_book import DeliveryQueue, Policy, Step
from hub.engine.courier_life import State
from hub.engine.courier_records import (
    AttemptMessage,
    Noted,
    Work,
    decode_event,
    encode_event,
    encode_outcome,
    outcome_id,
    pack_work,
    unpack_work,
)
from hub.targets.delivery import (
    Accepted,
    Delivered,
    NeverSeen,
    Refused,
    Retry,
    Unknown,
    Verdict,
)
from tests.unit.engine.courier_steps import Store, planned

BY_CALL = Policy(2, 3, 1.0, can_ask=True)
BY_TOPIC = BY_CALL._replace(can_ask=False)
PUBLISHED = Accepted("published", "r", 1)


def work(number: int, version: int = 1, sequence: int | None = None) -> Work:
    """A licence of this number, named for publication."""
    place = number * 10 + version if sequence is None else sequence
    return Work(0, place, number.to_bytes(16), version, "publish", 5, "licence.granted.v1", b"k")


def intent(step: Step) -> AttemptMessage:
    """The intent of a step; the delivery is named after the place in the ledger."""
    return AttemptMessage(f"{step.work.sequence:032x}", "d", step.work, step.attempt, 1)


def opened(
    book: DeliveryQueue, one: Work, store: Store, now: float = 0.0, *, is_by_topic: bool = False
) -> AttemptMessage:
    """Name, plan, fold the intent: the delivery is on its way."""
    book.fold_work(one, b"row", store)
    (step,) = planned(book, now)
    event = intent(step)
    book.fold_event(event, store, now)
    if not is_by_topic:
        book.launched(event.delivery, "send", now)
    return event


def answered(
    book: DeliveryQueue, event: AttemptMessage, verdict: Verdict, store: Store, now: float = 0.0
) -> AttemptMessage | None:
    """What the platform says of it, folded."""
    result = book.settle(event.delivery, "send", verdict, 1, now)
    if result is not None:
        book.fold_event(result, store, now)
    return result


def loaded(store: Store, policy: Policy = BY_CALL) -> DeliveryQueue:
    """The book of a courier that starts on what was stored."""
    book = DeliveryQueue(policy)
    book.load(sorted((key, value) for key, value in store.items() if value is not None))
    book.resume(0.0, 0)
    return book


def test_an_intent_of_what_the_ledger_says_is_done_is_not_taken_up() -> None:
    """A courier that lost its state folds the ledger, then all its old intents."""
    book = DeliveryQueue(BY_CALL)
    one = work(1)
    book.fold_work(one, b"row", {})
    book.fold_noted(Noted(one.record_key, "publish", "published", one.sequence), {})
    book.fold_event(AttemptMessage("ab" * 16, "d", one, 1, 1), {}, 0.0)
    book.resume(0.0, 0)
    assert (book.outstanding, book.pending_receipts) == (0, 0)
    assert planned(book, 100.0) == []


def test_a_finished_delivery_leaves_nothing_in_the_store() -> None:
    """Whether it was published at once, or handed over first."""
    answers: tuple[tuple[Verdict, ...], ...] = (
        (PUBLISHED,),
        (Delivered(), PUBLISHED),
        (Retry("500"), PUBLISHED),
    )
    for verdicts in answers:
        book, store = DeliveryQueue(BY_CALL), Store()
        event = opened(book, work(1), store)
        for verdict in verdicts:
            answered(book, event, verdict, store)
            if isinstance(verdict, Retry):
                (again,) = planned(book, 50.0)
                event = intent(again)
                book.fold_event(event, store, 50.0)
        assert [key for key, value in store.items() if value is not None] == []
        assert planned(loaded(store), 500.0) == []


def test_a_parked_record_is_no_longer_parked_after_a_restart_when_it_was_corrected() -> None:
    """The failures were those of other content."""
    book, store = DeliveryQueue(BY_CALL), Store()
    event = opened(book, work(1), store)
    for now in (0.0, 1000.0, 2000.0):
        answered(book, event, Retry("HTTP 500"), store, now)
        steps = planned(book, now + 999.0)
        event = intent(steps[0])
        book.fold_event(event, store, now + 999.0)
    answered(book, event, Retry("HTTP 500"), store, 3000.0)
    assert loaded(store).standing()["parked"] == 1
    book.fold_work(work(1, 2), b"row", store)
    assert loaded(store).standing()["parked"] == 0


def test_a_correction_does_not_wait_for_the_pause_of_what_it_corrects() -> None:
    """One failure: a pause; the new version leaves at once."""
    book = DeliveryQueue(BY_CALL)
    event = opened(book, work(1), {})
    answered(book, event, Retry("HTTP 500"), {})
    assert planned(book, 0.0) == []
    book.fold_work(work(1, 2), b"row", {})
    assert [step.work.version for step in planned(book, 0.0)] == [2]


def test_a_platform_that_is_away_parks_no_record() -> None:
    """What failed says nothing about the record."""
    book, store = DeliveryQueue(BY_CALL), Store()
    event = opened(book, work(1), store)
    for now in range(5):
        answered(book, event, Retry("HTTP 503", is_whole_target=True), store, float(now))
        (step,) = planned(book, float(now))
        assert step.attempt == 1
        event = intent(step)
        book.fold_event(event, store, float(now))
    assert book.standing()["parked"] == 0


def test_an_answer_about_an_older_delivery_does_not_end_the_one_on_its_way() -> None:
    """The first was handed over, the second has left; then the platform answers the first."""
    book, store = DeliveryQueue(BY_CALL), Store()
    first = opened(book, work(1), store)
    answered(book, first, Delivered(), store)
    second = opened(book, work(1, 2), store)
    done = book.settle(first.delivery, "poll", Refused("VERSION_OLD", ""), 1, 1.0)
    assert done is not None
    book.fold_event(done, store, 1.0)
    assert book.expectation(second.delivery) is not None
    assert (book.outstanding, book.pending_receipts) == (1, 1)
    assert answered(book, second, PUBLISHED, store, 1.0) is not None
    assert (book.outstanding, book.pending_receipts) == (0, 0)


def test_what_waits_is_not_overtaken_by_its_own_receipt() -> None:
    """Acknowledged and then lost at the platform: it must be possible to send it again."""
    book, store = DeliveryQueue(BY_CALL), Store()
    event = opened(book, work(1), store)
    answered(book, event, Delivered(), store)
    held = book.expectation(event.delivery)
    assert held is not None
    assert held.result == "delivered"
    assert [step.how for step in planned(book, 1.0)] == ["poll"]
    assert book.settle(event.delivery, "poll", NeverSeen(), 1, 1.0) is None
    assert [(step.how, step.delivery) for step in planned(book, 1.0)] == [("send", event.delivery)]


def test_what_is_about_to_be_sent_again_is_only_asked_about_once_it_is_followed() -> None:
    """Lost at the platform, known to be lost; before there is room, its correction leaves."""
    book, store = DeliveryQueue(BY_CALL), Store()
    old = opened(book, work(1), store)
    answered(book, old, Delivered(), store)
    assert [step.how for step in planned(book, 1.0)] == ["poll"]
    assert book.settle(old.delivery, "poll", NeverSeen(), 1, 1.0) is None
    assert planned(book, 1.0, 0) == []
    book.fold_work(work(1, 2), b"row", store)
    new = AttemptMessage(f"{work(1, 2).sequence:032x}", "d", work(1, 2), 1, 1)
    book.fold_event(new, store, 1.0)
    answered(book, new, PUBLISHED, store, 1.0)
    assert [step.how for step in planned(book, 2.0)] == ["poll"]


@pytest.mark.parametrize("has_left", [False, True])
def test_what_is_lost_is_not_sent_again_beside_its_correction(*, has_left: bool) -> None:
    """The newer version waits for its turn or is on its way: the older one must not overtake it."""
    book, store = DeliveryQueue(BY_CALL), Store()
    old = opened(book, work(1), store)
    answered(book, old, Delivered(), store)
    assert [step.how for step in planned(book, 1.0)] == ["poll"]
    new = work(1, 2)
    if has_left:
        opened(book, new, store, 1.0)
    else:
        book.fold_work(new, b"row", store)
    over = book.settle(old.delivery, "poll", NeverSeen(), 1, 1.0)
    assert (over is not None) == has_left, "what was left behind is over when nobody knows it"
    sent = [step.work.version for step in planned(book, 1.0) if step.how == "send"]
    assert sent == ([] if has_left else [2])


def test_an_acknowledgement_said_again_is_written_once() -> None:
    """Every poll of it would be a record in the ledger."""
    book, store = DeliveryQueue(BY_CALL), Store()
    event = opened(book, work(1), store)
    assert answered(book, event, Accepted("acknowledged", "r", 1), store) is not None
    again = book.settle(event.delivery, "poll", Accepted("acknowledged", "r", 1), 2, 1.0)
    assert again is None
    assert [step.how for step in planned(book, 500.0)] == ["poll"]


def test_a_delivery_that_may_have_arrived_is_not_let_go_by_a_refused_repeat() -> None:
    """Unknown, asked, not there, sent again, 500: still nobody knows, so it is asked about."""
    book, store = DeliveryQueue(BY_CALL), Store()
    event = opened(book, work(1), store)
    unsure = answered(book, event, Unknown("time-out"), store)
    assert unsure is not None
    assert (unsure.result, unsure.stage) == ("unknown", "sent")
    assert answered(book, event, Retry("HTTP 500"), store, 1.0) is None
    assert book.pending_receipts == 1
    assert [step.how for step in planned(book, 60.0)] == ["ask"]


def test_an_unknown_delivery_is_asked_about_in_the_turn_it_became_unknown() -> None:
    """Before its result is folded the question may be due already."""
    book, store = DeliveryQueue(BY_CALL), Store()
    event = opened(book, work(1), store)
    assert answered(book, event, Unknown("time-out"), store) is not None
    assert [step.how for step in planned(book, 60.0)] == ["ask"]


@pytest.mark.parametrize("timeout_seconds", [1.0, 3600.0])
def test_an_answer_by_topic_is_waited_for_as_long_as_was_agreed(timeout_seconds: float) -> None:
    """An hour is an hour, though questions over HTTP are asked every five minutes."""
    book = DeliveryQueue(BY_TOPIC._replace(timeout_seconds=timeout_seconds))
    event = opened(book, work(1), {}, is_by_topic=True)
    assert planned(book, timeout_seconds * 0.99) == []
    assert [step.delivery for step in planned(book, timeout_seconds * 1.01)] == [event.delivery]


def test_no_answer_in_time_is_told_once() -> None:
    """Each time-out would be a record in the ledger."""
    book, told = DeliveryQueue(BY_TOPIC._replace(attempts=9)), []
    opened(book, work(1), {}, is_by_topic=True)
    for now in range(1, 20):
        for event in book.wake(float(now), 1):
            told.append((event.result, event.stage))
            book.fold_event(event, {}, float(now))
        for step in book.plan(9, 1):
            book.fold_event(intent(step), {}, float(now))
    assert told == [("unknown", "sent")]


@pytest.mark.parametrize("verdict", [Retry("x"), Unknown("x"), NeverSeen()])
def test_a_garbled_answer_by_topic_is_no_failure(verdict: Verdict) -> None:
    """It proves nothing: the delivery stays on its way until its time is up."""
    book = DeliveryQueue(BY_TOPIC)
    event = opened(book, work(1), {}, is_by_topic=True)
    assert book.settle(event.delivery, "answer", verdict, 1, 0.1) is None
    assert book.expectation(event.delivery) == event
    assert planned(book, 0.5) == []


def test_trouble_is_for_people_when_it_parks_and_then_once_an_hour() -> None:
    """Three failures park; of the next sixty one is told."""
    book, told = DeliveryQueue(BY_CALL), []
    book.fold_work(work(1), b"row", {})
    for attempt in range(1, 130):
        (step,) = planned(book, attempt * 61.0)
        book.fold_event(intent(step), {}, attempt * 61.0)
        answered(book, intent(step), Retry("HTTP 500"), {}, attempt * 61.0)
        if book.is_news(intent(step).delivery):
            told.append(attempt)
    assert told == [3, 63, 123]


def test_what_was_said_under_an_old_id_says_nothing_of_the_new() -> None:
    """After a restart the attempts are read from their beginning, the refusal of the first too."""
    book, store = DeliveryQueue(BY_CALL), Store()
    event = opened(book, work(1), store)
    book.fold_event(event._replace(delivery="ab" * 16, repeat=1), store, 0.0)
    book.fold_event(event._replace(result="refused", stage="refused", state=State.DONE), store, 0.0)
    assert book.outstanding == 1


def test_failures_under_an_old_id_park_nothing_under_the_new() -> None:
    """Three failures in a row park: two of the first id and one of the second are none."""
    book, store = DeliveryQueue(BY_CALL), Store()
    event = opened(book, work(1), store)
    for now in (0.0, 60.0):
        answered(book, event, Retry("HTTP 500"), store, now)
        (again,) = planned(book, now + 59.0)
        event = intent(again)
        book.fold_event(event, store, now + 59.0)
    renamed = event._replace(delivery="ab" * 16, repeat=1)
    book.fold_event(renamed, store, 200.0)
    answered(book, renamed, Retry("HTTP 500"), store, 201.0)
    assert book.standing()["parked"] == 0


def test_what_is_parked_a_second_time_is_reported_again() -> None:
    """In between it may have arrived: the first case was over."""
    book, stages = DeliveryQueue(BY_CALL), []
    event = opened(book, work(1), Store())
    verdicts = [Retry("HTTP 500")] * 3 + [Unknown("time-out")] + [Retry("HTTP 500")] * 3
    for number, verdict in enumerate(verdicts, 1):
        now = number * 400.0
        result = answered(book, event, verdict, Store(), now)
        if result is not None and result.stage:
            stages.append(result.stage)
        steps = planned(book, now + 399.0)
        if steps and steps[0].how == "send":
            event = intent(steps[0])
            book.fold_event(event, Store(), now + 399.0)
    assert stages == ["parked", "sent", "parked"]


def test_an_answer_to_a_question_makes_no_record_the_one_to_blame() -> None:
    """A token that may only ask is refused at every sending: a matter of the platform."""
    book, store = DeliveryQueue(BY_CALL), Store()
    asked = opened(book, work(3), store)
    answered(book, asked, Accepted("acknowledged", "r", 1), store)
    events = {n: opened(book, work(n), store) for n in (1, 2)}
    for now in range(1, 12):
        for event in events.values():
            away = Retry("HTTP 403", is_whole_target=True, may_be_record=True)
            answered(book, event, away, store, now * 60.0)
        book.settle(asked.delivery, "poll", Accepted("acknowledged", "r", 1), 1, now * 60.0 + 1)
        for step in planned(book, now * 60.0 + 59):
            if step.how == "send":
                number = step.work.sequence // 10
                events[number] = intent(step)
                book.fold_event(events[number], store, now * 60.0 + 59)
    assert book.standing()["parked"] == 0


def test_what_was_in_doubt_and_followed_while_the_courier_was_down_is_left_out() -> None:
    """Nothing of it can happen; it is neither counted nor stored any more."""
    book, store = DeliveryQueue(BY_CALL), Store()
    event = opened(book, work(1), store)
    away = Retry("HTTP 403", is_whole_target=True, may_be_record=True)
    answered(book, event, away, store)
    started = DeliveryQueue(BY_CALL)
    started.load(sorted((key, value) for key, value in store.items() if value is not None))
    started.fold_work(work(1, 2), b"row", store)
    assert set(started.resume(0.0, 0).values()) == {None}
    assert started.outstanding == 1
    assert [step.work.version for step in planned(started, 0.0)] == [2]


# --- what is written ---


def test_work_is_stored_whole() -> None:
    """Also that it is sent once more at somebody's request."""
    for is_again in (False, True):
        for action in ("publish", "withdraw"):
            one = work(1)._replace(action=action, is_again=is_again, department="market")
            assert unpack_work(one.record_key, pack_work(one, b"row")) == (one, b"row")
            event = AttemptMessage(
                "ab" * 16, "d", one, 2, 3, "unknown", "sent", "r", "c", "m", 4, State.STUCK, 5
            )
            assert decode_event(encode_event(event), one.key) == event


def test_each_stage_of_a_delivery_is_a_report_of_its_own() -> None:
    """The registrar takes what has the same id for a repeat."""
    event = AttemptMessage("ab" * 16, "d", work(1), 1, 1, "accepted", "acknowledged", "r")
    ids = {
        outcome_id(event),
        outcome_id(event._replace(stage="published")),
        outcome_id(event._replace(receipt="s")),
        outcome_id(event._replace(delivery="cd" * 16)),
    }
    assert len(ids) == 4
    assert outcome_id(event._replace(at=2, attempt=3)) == outcome_id(event)


def test_a_report_says_which_naming_of_a_version_it_answers() -> None:
    """A version may be named twice; the ledger keeps them apart by their place."""
    event = AttemptMessage("ab" * 16, "d", work(1, sequence=77), 1, 1, "accepted", "published", "r")
    assert b'"sequence":77' in encode_outcome(event)
