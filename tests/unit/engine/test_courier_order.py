"""In which order requests leave: each test names who would wait for ever."""

from __future__ import annotations

from hub.core.state import NEVER
from hub.engine.courier_order import DAY_MS, Order
from hub.engine.courier_records import Work


class One:
    """What waits."""

    def __init__(self, number: int, due_at: int = 5 * DAY_MS, **changes: object) -> None:
        self.work = Work(
            0, number, number.to_bytes(16), 1, "publish", due_at, "k", b"k", department="market"
        )._replace(**changes)  # type: ignore[arg-type] # fields by name
        self.ticket = 0


def taken(order: Order[One], count: int = 99, *, may_open: bool = True) -> list[int]:
    """The places in the ledger of what is taken, in order."""
    found: list[int] = []
    while len(found) < count:
        one = order.take(0, may_open=may_open)
        if one is None:
            break
        found.append(one.work.sequence)
    return found


def filled(*several: One) -> Order[One]:
    """What stands in line for its turn."""
    order: Order[One] = Order()
    for one in several:
        order.add(one, "work")
    return order


def test_withdrawals_first_then_corrections_then_what_is_due_then_what_has_no_clock() -> None:
    """A first load of history has no clock, and blocks nobody."""
    order = filled(
        One(1, NEVER),
        One(2, 9 * DAY_MS),
        One(3, 8 * DAY_MS),
        One(4, 9 * DAY_MS, version=2),
        One(5, 9 * DAY_MS, action="withdraw"),
        One(6, NEVER, action="withdraw"),
    )
    assert taken(order) == [5, 6, 4, 3, 2, 1]


def test_one_departments_bulk_of_withdrawals_does_not_hold_up_anothers() -> None:
    """In turn; within a department the earliest."""
    bulk = [One(n, action="withdraw", department="market") for n in range(1, 6)]
    others = [One(n, action="withdraw", department="transport") for n in (11, 12)]
    assert taken(filled(*bulk, *others)) == [1, 11, 2, 12, 3, 4, 5]


def test_what_is_sent_once_more_at_somebodys_request_is_no_correction() -> None:
    """A resend of all that was corrected goes after what is due."""
    again = One(1, NEVER, version=2, is_again=True)
    assert taken(filled(again, One(2))) == [2, 1]


def test_of_five_requests_one_goes_to_what_is_due_within_a_day() -> None:
    """A bulk take-down starves nobody; what is due later waits for it."""
    bulk = [One(n, action="withdraw") for n in range(1, 13)]
    soon, late = [One(n, DAY_MS) for n in (21, 22)], One(23, DAY_MS + 1)
    assert taken(filled(*bulk, *soon, late)) == [
        1, 2, 3, 4, 21, 5, 6, 7, 8, 22, 9, 10, 11, 12, 23,
    ]  # fmt: skip


def test_corrections_that_are_due_later_do_not_take_the_share_of_what_is_due_today() -> None:
    """The share is for the earliest of both."""
    bulk = [One(n, 3 * DAY_MS, version=2) for n in range(1, 7)]
    assert taken(filled(*bulk, One(9, 0)), 6) == [1, 2, 3, 4, 9, 5]


def test_questions_go_first_and_what_is_followed_has_its_share() -> None:
    """Receipts stop clocks: polls are asked though there is no end of work."""
    order = filled(*[One(n, NEVER, action="withdraw") for n in range(1, 12)])
    order.add(One(30), "question")
    for number in (31, 32):
        order.add(One(number, NEVER), "follow")
    assert taken(order, 11) == [30, 1, 2, 3, 31, 4, 5, 6, 7, 32, 8]


def test_what_is_parked_and_what_is_followed_take_turns() -> None:
    """Thousands of poisoned records do not hold up receipts, nor the other way round."""
    order: Order[One] = Order()
    for number in range(1, 4):
        order.add(One(number, NEVER), "retry")
        order.add(One(number + 10, NEVER), "follow")
    assert taken(order) == [1, 11, 2, 12, 3, 13]


def test_without_room_for_another_one_only_what_has_left_is_asked_about() -> None:
    """Nothing new begins: no work, nothing parked."""
    order = filled(One(1, 0), One(2, action="withdraw"))
    for number, rank in ((3, "retry"), (4, "follow"), (5, "question")):
        order.add(One(number, NEVER), rank)  # type: ignore[arg-type] # one of Rank
    assert taken(order, may_open=False) == [5, 4]
    assert taken(order) == [2, 1, 3]


def test_what_has_lost_its_ticket_is_passed_over() -> None:
    """Taken back, or in another queue by now."""
    gone, moved, asked = One(1), One(2), One(4)
    order = filled(gone, moved, One(3))
    gone.ticket = 0
    order.add(moved, "follow")
    order.add(asked, "question")
    asked.ticket = 0
    assert taken(order) == [3, 2]


def test_what_has_no_clock_goes_after_what_is_followed() -> None:
    """A receipt stops a clock; history can wait."""
    order = filled(One(1, NEVER))
    order.add(One(2), "follow")
    assert taken(order) == [2, 1]
