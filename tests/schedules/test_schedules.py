"""Couriers of every kind against a platform that does whatever platforms do: nothing stays wrong.

`HUB_COURIER_SCHEDULES` says how many schedules each shard has; a failing one is told by its number:
`Schedule(number).run()` does it again.
"""

from __future__ import annotations

import os

import pytest

from tests.schedules.schedule import Schedule

SHARDS = 20
SCHEDULES = int(os.environ.get("HUB_COURIER_SCHEDULES", "100"))


@pytest.mark.lives
@pytest.mark.parametrize("shard", range(SHARDS))
def test_the_platforms_book_is_what_the_ledger_says(shard: int) -> None:
    """Taken down in time, right in the end, in order, each delivery once."""
    numbers = range(shard * SCHEDULES, (shard + 1) * SCHEDULES)
    assert {number: found for number in numbers if (found := Schedule(number).run())} == {}
