"""The steps of a restore bring every record to its old offset."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.backup.steps import CopyStep, Way, steps_of
from hub.errors import IntegrityError


def offsets_after(steps: list[CopyStep]) -> tuple[list[int], int]:
    """What Kafka would do: where the visible records lie, and the log's end."""
    end = 0
    visible: list[int] = []
    for way, count in steps:
        if way is not Way.ABORTED:
            visible += range(end, end + count)
        end += count + (way is not Way.PLAIN)
    return visible, end


@given(st.sets(st.integers(0, 300), max_size=60), st.integers(0, 20))
def test_records_come_to_lie_where_they_were(places: set[int], more: int) -> None:
    """Whatever gaps transactions have left, the copy has the same ones."""
    offsets = sorted(places)
    end = (offsets[-1] + 1 if offsets else 0) + more
    if (offsets[0] if offsets else end) == 1:
        with pytest.raises(IntegrityError, match="single unseen offset"):
            list(steps_of(offsets, end))
        return
    assert offsets_after(list(steps_of(offsets, end))) == (offsets, end)


def test_a_transaction_is_written_as_one() -> None:
    """Restoring a large ledger takes one commit for each there was, not one for each record."""
    assert list(steps_of([0, 1, 2, 4, 5], 7)) == [
        CopyStep(Way.COMMITTED, 3),
        CopyStep(Way.COMMITTED, 2),
    ]
