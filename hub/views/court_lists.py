"""A court's full list of a day beside what the hub holds live: exits and entries never reported.

The court's list is a state. An entry that the hub holds and the full list lacks has left it
without a statement to the hub: that is a fact, raised to the court. It is never taken down for
that; only the court's exit does so, and then the finding is settled by itself.
"""

from __future__ import annotations

from collections import defaultdict
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.domain.dates import day_start_ms
from hub.domain.fact_ids import matter_of, with_id

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from hub.views.entry import SnapshotRow

FINDINGS: Final = ("exit_missing", "entry_missing")
"""Findings of a comparison, as metrics name them."""
_KEY: Final = 16


class Listing(NamedTuple):
    """A live entry as the look-ups hold it; times are business milliseconds."""

    record_key: bytes
    credit_code: str
    subject_name: str
    case_number: str
    arrived_at: int
    """When it came, or came again after an exit: a listing that returns is another one."""
    accepted_at: int | None


class FullList(NamedTuple):
    """The whole list of one court and day, all parts together."""

    court_code: str
    court_name: str
    department: str
    snapshot_on: date
    declared_at: int
    """When the last part came; business milliseconds."""
    left_out_count: int
    keys: frozenset[bytes]


class Comparison(NamedTuple):
    """Differences between a full list and the hub."""

    list: FullList
    exits_missing: tuple[Listing, ...]
    """Live here since before the day of the list, and not on it."""
    entries_missing: tuple[bytes, ...]
    """Record keys on the list that the hub does not hold live."""


def whole_lists(parts: Iterable[SnapshotRow]) -> list[FullList]:
    """The latest list of each court of which every part is there, by court."""
    lists: dict[tuple[str, date, str], dict[int, SnapshotRow]] = defaultdict(dict)
    for row in parts:
        lists[row.court_code, row.snapshot_on, row.entries_digest][row.part] = row
    latest: dict[str, FullList] = {}
    for found in lists.values():
        first = next(iter(found.values()))
        octets = b"".join(found[number].entries for number in sorted(found))
        keys = frozenset(octets[at : at + _KEY] for at in range(0, len(octets), _KEY))
        is_whole = len(found) == first.parts and len(keys) == first.entry_count
        if not is_whole or sha256(b"".join(sorted(keys))).hexdigest() != first.entries_digest:
            continue  # what it lacks would be taken for exits
        full = FullList(
            first.court_code,
            first.court_name,
            first.department,
            first.snapshot_on,
            max(row.declared_at for row in found.values()),
            first.left_out_count,
            keys,
        )
        before = latest.get(full.court_code)
        if before is None or _age(before) < _age(full):
            latest[full.court_code] = full
    return [latest[court] for court in sorted(latest)]


def _age(full: FullList) -> tuple[date, int]:
    return full.snapshot_on, full.declared_at


def compare(full: FullList, live: Iterable[Listing]) -> Comparison:
    """Compare what is live here with the list, both ways.

    Entries accepted on the day of the list or later may be younger than it: they are left alone.
    """
    live = list(live)
    begin = day_start_ms(full.snapshot_on)
    missing = tuple(
        each
        for each in live
        if each.record_key not in full.keys
        and each.accepted_at is not None
        and each.accepted_at < begin
    )
    entries = full.keys - {each.record_key for each in live}
    return Comparison(full, missing, tuple(sorted(entries)))


def matter(listing: Listing) -> str:
    """Name of the matter that this listing's exit is missing.

    It follows from the listing alone: once it is on record, no further list raises it.
    """
    return matter_of("exit_missing", listing.record_key.hex(), str(listing.arrived_at))


def fact(full: FullList, listing: Listing, authority_code: str) -> dict[str, str]:
    """The fields of the fact; `authority_code` is that of the agents' department."""
    row = {
        "authority_code": authority_code,
        "subject_name": listing.subject_name,
        "credit_code": listing.credit_code,
        "court_code": full.court_code,
        "case_number": listing.case_number,
        "listed_record": listing.record_key.hex(),
        "snapshot_on": full.snapshot_on.isoformat(),
        "department": full.department,
    }
    return with_id(matter(listing), row)
