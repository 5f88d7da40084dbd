"""An outbox table: events with an increasing number, some committed late, some never."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hub.errors import SourceError
from tests.unit.connectors.databases import Server, TablePlace, header, number_of


@pytest.fixture
def place(tmp_path: Path, server: Server) -> Iterator[TablePlace]:
    """Return an outbox; time stands still until a test moves it."""
    outbox = {"id": "id", "settle_seconds": 120}
    with closing(TablePlace(tmp_path, server, stamp=None, outbox=outbox)) as made:
        made.stands_still = True
        yield made


def test_each_event_is_submitted_once_with_its_number_as_version(place: TablePlace) -> None:
    """Numbers that were rolled back leave gaps, and nobody waits for them."""
    for number in (1, 2, 5, 6, 9):
        place.put(number, None)
    place.drain()
    place.drain()
    assert place.submitted_keys == [1, 2, 5, 6, 9]
    versions = [header(r, "hub_source_version") for r in sorted(place.submissions, key=number_of)]
    assert versions == ["1", "2", "5", "6", "9"]


def test_an_event_that_is_not_withdrawn_says_that_its_row_is_valid(place: TablePlace) -> None:
    """After 撤销 the row is shown again by its next event; a withdrawal states no status."""
    place.put(1, None)
    place.put(2, None, status="revoked")
    place.put(3, None, status="valid")
    place.drain()
    events = [dict(each.headers) for each in sorted(place.submissions, key=number_of)]
    assert [each.get("hub_stated_status") for each in events] == [b"valid", None, b"valid"]


def test_a_number_committed_late_is_found(place: TablePlace) -> None:
    """The sequence gave it out before its neighbour, its transaction ended after."""
    with place.server.transaction() as slow:
        place.put_in(slow, 1, None, {"no": "许1号"})
        place.put(2, None)
        place.drain()
        assert place.submitted_keys == [2]
    place.drain()
    assert place.submitted_keys == [2, 1]


def test_what_has_settled_is_not_read_again(place: TablePlace) -> None:
    """The window empties once no smaller number can still be committed."""
    for number in range(1, 8):
        place.put(number, None)
    agent, _ = place.agent()
    place.drain(agent)
    place.seconds += 200
    assert agent.step()
    assert not [key for key in place.cursors() if key.startswith("row:")]
    place.put(8, None)
    place.drain()
    assert place.submitted_keys == list(range(1, 9))


def test_an_event_with_a_reason_is_a_correction_at_once(place: TablePlace) -> None:
    """Each event is a row of its own: the record it corrects came in another."""
    place.put(1, None)
    place.put(2, None, no="许1号", why="名称录入有误")
    place.drain()
    kinds = [header(r, "ce_type") for r in sorted(place.submissions, key=number_of)]
    assert kinds == ["licence.granted.v1", "record.corrected.v1"]


def test_events_may_be_cleared_away_but_not_numbered_anew(place: TablePlace) -> None:
    """New events under old numbers would be skipped: that stops loudly."""
    for number in range(1, 6):
        place.put(number, None)
    agent, _ = place.agent()
    place.drain(agent)
    place.seconds += 200
    agent.step()
    place.server.execute(f"DELETE FROM {place.table}")
    place.drain()
    place.put(2, None)
    with pytest.raises(SourceError, match="accept-reset"):
        place.drain()


def test_an_outbox_that_is_quiet_for_long_is_not_taken_for_one_that_was_reset(
    place: TablePlace,
) -> None:
    """Its highest number is then the mark itself: nothing was emptied, nothing is new."""
    for number in range(1, 6):
        place.put(number, None)
    agent, _ = place.agent()
    place.drain(agent)
    for _ in range(3):
        place.seconds += 200
        agent.step()
    place.drain()
    place.put(6, None)
    place.drain()
    assert place.submitted_keys == list(range(1, 7))
