"""A courier's book without a courier: one turn of it, as the slot takes one."""

from __future__ import annotations

from hub.engine.courier_book import DeliveryQueue, Step

Store = dict[bytes, bytes | None]


def planned(
    book: DeliveryQueue, now: float, width: int = 9, store: Store | None = None, at: int = 0
) -> list[Step]:
    """What is to be done at this moment; what time alone has changed is folded first."""
    for event in book.wake(now, at):
        book.fold_event(event, {} if store is None else store, now)
    return book.plan(width, at)
