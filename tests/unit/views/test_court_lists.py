"""A full list beside what is live: which exits and entries were never reported, and of one name."""

from datetime import date
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.fact_ids import matter_in
from hub.views.court_lists import FullList, Listing, compare, fact, matter, whole_lists
from hub.views.entry import SnapshotRow
from tests.contract.specimens import CONTRACTS, RECEIVED_ON
from tests.driver.rows import AGENTS_CODE, COURT_CODE, at

DAY = date(2026, 11, 20)
KIND = "court_enforcement.exit_missing.v1"


def key(number: int) -> bytes:
    """A record key."""
    return number.to_bytes(16, "big")


def listing(number: int, accepted: str = "2026-11-19 23:59") -> Listing:
    """A live entry."""
    moment = at(accepted)
    return Listing(
        key(number), "91330900MA00000156", "示例公司", f"（2026）浙0902执{number}号", moment, moment
    )


def part(
    keys: list[int], number: int = 1, parts: int = 1, day: date = DAY, count: int | None = None,
    declared: int = 1_000, court: str = COURT_CODE, of: list[int] | None = None,
) -> SnapshotRow:  # fmt: skip
    """A part of a list; `of` is the whole where it has several parts."""
    whole = sorted(of or keys)
    digest = sha256(b"".join(map(key, whole))).hexdigest()
    octets = b"".join(map(key, sorted(keys)))
    return SnapshotRow(
        bytes([number]) * 16, court, "示例法院", "court", day, number, parts,
        len(whole) if count is None else count, 2, digest, declared, octets,
    )  # fmt: skip


def full(keys: list[int], day: date = DAY) -> FullList:
    """The whole list of a day."""
    (found,) = whole_lists([part(keys, day=day)])
    return found


def test_a_list_counts_when_every_part_is_there() -> None:
    """In whatever order they come; until then the list before it stands."""
    yesterday = part([1], day=date(2026, 11, 19))
    first = part([1, 2], 1, 2, of=[1, 2, 3])
    second = part([3], 2, 2, of=[1, 2, 3], declared=2_000)
    assert [each.snapshot_on for each in whole_lists([yesterday, second])] == [date(2026, 11, 19)]
    (found,) = whole_lists([second, yesterday, first])
    assert (found.snapshot_on, found.declared_at) == (DAY, 2_000)
    assert found.keys == {key(1), key(2), key(3)}


def test_of_two_lists_of_one_day_the_later_stands() -> None:
    """A court may send its list again; each court has its own."""
    found = whole_lists(
        [
            part([1, 2], declared=2_000),
            part([1], declared=3_000),
            part([9], court=AGENTS_CODE, declared=1),
        ]
    )
    assert {each.court_code: each.keys for each in found} == {
        COURT_CODE: {key(1)}, AGENTS_CODE: {key(9)},
    }  # fmt: skip


def test_a_part_that_lacks_entries_is_no_list() -> None:
    """What it lacks would be taken for exits."""
    assert whole_lists([part([1, 2], count=3)]) == []


def test_a_list_that_is_not_what_its_digest_says_is_no_list() -> None:
    """As many keys as declared, and another one among them: an exit would be found that is none."""
    told, other = part([1, 2]), part([1, 3])
    assert whole_lists([told._replace(entries=other.entries)]) == []


@given(st.sets(st.integers(0, 20)), st.sets(st.integers(0, 20)))
def test_exits_and_entries_are_the_two_differences(listed: set[int], live: set[int]) -> None:
    """Every entry is on both sides, or named once on the side where it is missing."""
    (found,) = whole_lists([part(sorted(listed))])
    exits, entries = compare(found, [listing(n) for n in sorted(live)])[1:]
    assert {each.record_key for each in exits} == {key(n) for n in live - listed}
    assert set(entries) == {key(n) for n in listed - live}


@pytest.mark.parametrize(
    ("accepted", "is_missing"),
    [("2026-11-19 23:59", True), ("2026-11-20 00:00", False), ("2026-11-20 09:00", False)],
)
def test_what_is_younger_than_the_list_is_left_alone(accepted: str, *, is_missing: bool) -> None:
    """The day begins at 00:00 in Shanghai."""
    found = compare(full([1]), [listing(2, accepted)])
    assert bool(found.exits_missing) is is_missing


def test_what_was_never_accepted_is_not_missed() -> None:
    """A live record has been accepted; nothing is concluded of one that has not."""
    unaccepted = listing(2)._replace(accepted_at=None)
    assert compare(full([1]), [unaccepted]).exits_missing == ()


def test_a_missing_exit_is_one_matter_however_many_lists_lack_it() -> None:
    """Until the listing returns: that is another one. What two lists say of it are two facts."""
    once = listing(2)
    monday, tuesday = full([1]), full([1, 3], date(2026, 11, 21))
    facts = [fact(day, once, AGENTS_CODE) for day in (monday, tuesday)]
    ids = [each["document_number"] for each in facts]
    assert {matter_in(each) for each in ids} == {matter(once)}
    assert ids[0] != ids[1]
    assert fact(monday, once, AGENTS_CODE) == facts[0]
    assert matter(once._replace(arrived_at=once.arrived_at + 1)) != matter(once)
    assert matter(listing(3)) != matter(once)
    checked = CONTRACTS.by_kind[KIND].check(facts[0], RECEIVED_ON)
    assert (checked.ok, checked.findings) == (True, ())
