"""The steps of a restore bring every record to its old offset."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.backup import steps as steps_module
from hub.backup.steps import MOST_FILLERS, MOST_UNSEEN, CopyStep, Way, steps_of
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


@given(st.sets(st.integers(0, 300), max_size=60), st.integers(0, 20), st.integers(1, 20))
def test_records_come_to_lie_where_they_were(places: set[int], more: int, most: int) -> None:
    """The copy has the gaps that transactions left, each of them; no step is too large."""
    offsets = sorted(places)
    end = (offsets[-1] + 1 if offsets else 0) + more
    if (offsets[0] if offsets else end) == 1:
        with pytest.raises(IntegrityError, match="single unseen offset"):
            list(steps_of(offsets, end))
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps_module, "MOST_FILLERS", most)
        steps = list(steps_of(offsets, end))
    assert offsets_after(steps) == (offsets, end)
    assert max((count for way, count in steps if way is Way.ABORTED), default=0) <= most


def test_a_transaction_is_written_as_one() -> None:
    """Restoring a large ledger takes one commit for each there was, not one for each record."""
    assert list(steps_of([0, 1, 2, 4, 5], 7)) == [
        CopyStep(Way.COMMITTED, 3),
        CopyStep(Way.COMMITTED, 2),
    ]


def test_years_of_deleted_records_are_filled_in_bounded_steps() -> None:
    """A topic whose first hundred million offsets were deleted long ago took gigabytes at once."""
    steps = list(steps_of([100_000_000], 100_000_001))
    assert max(count for _, count in steps) == MOST_FILLERS
    assert sum(count + 1 for _, count in steps[:-1]) == 100_000_000


@pytest.mark.parametrize(
    ("offsets", "end"),
    [
        ([], MOST_UNSEEN + 1),
        ([0], 10**18),
        ([], -1),
        ([0, 5], 5),
        ([3, 2], 4),
        ([10**18], 10**18 + 1),
    ],
)
def test_a_forged_manifest_is_refused_and_not_filled_for_days(offsets: list[int], end: int) -> None:
    """Before the first offset is written, where the manifest alone shows it."""
    with pytest.raises(IntegrityError, match="take another backup"):
        list(steps_of(offsets, end))
    assert next(steps_of([], MOST_UNSEEN)).way is Way.ABORTED
