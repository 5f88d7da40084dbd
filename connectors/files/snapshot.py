"""A court's full list of a day: one statement of the whole file, not a row each.

The list is a state (最高人民法院 2013 年规定 Art 7): who is not on it any more has left it, whether
or not the court said so. The statement carries the record keys of all entries, so that the hub can
find the exits that were never reported; it takes none off the list itself. A file that cannot be
read as a whole declares nothing: what it lacks would be taken for exits.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Final

from connectors.layout import Layouts
from connectors.submission import OutgoingSubmission, RowSubmitter
from connectors.tables import SourceRow
from hub.contracts import Contracts
from hub.contracts.schema import IdentityPart
from hub.domain import kinds
from hub.domain.credit_code import assess_credit_code

PART_ENTRIES: Final = 16_000
"""Entries in one submission: 512 KB of the broker's 1 MiB."""
_DAY: Final = re.compile(
    r"(?<![0-9])(20[0-9]{2})([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12][0-9]|3[01])(?![0-9])"
)


@dataclass(slots=True)
class _Court:
    """Content of one court's list."""

    keys: set[bytes] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    left_out: int = 0


class SnapshotDeclarer:
    """Turns full lists into statements."""

    def __init__(
        self,
        submitter: RowSubmitter,
        contracts: Contracts,
        authorities: tuple[str, ...],
        name_zh: str,
    ) -> None:
        """Take the department's authorities and its name.

        A department of one court declares it also when the list is empty; of several courts, those
        that the file has.
        """
        self._submitter = submitter
        self._contract = contracts.by_kind[kinds.SNAPSHOT]
        self._only = authorities[0] if len(authorities) == 1 else ""
        self._name_zh = name_zh
        fields = contracts.by_kind[kinds.LISTED].schema.fields
        self._court_code = next(f.name for f in fields if f.identity is IdentityPart.AUTHORITY_CODE)

    def declare(
        self,
        rows: Iterable[SourceRow],
        layouts: Layouts,
        fingerprint: str,
        name: str,
        number: int,
    ) -> Iterator[SourceRow | OutgoingSubmission]:
        """Yield the statements of a file, or its faults where it cannot be read as a whole.

        `name` is the file's: it holds the day of the list, as `20261120` or `2026-11-20`.
        `number` is the file's place in the stream. Each file is a statement of its own: a court
        that sends a wrong list and then its first one again means the first one.
        """
        courts: dict[str, _Court] = defaultdict(_Court)
        if self._only:
            courts[self._only] = _Court()
        faulty = False
        for row in rows:
            fault = row.fault or self._note(row, layouts, courts)
            if fault:
                faulty = True
                yield row._replace(fault=fault)
        if faulty:
            return
        day = _day_in(name)
        if not day:
            yield SourceRow(0, 0, (), (), "SNAPSHOT_WITHOUT_DAY")
            return
        for code in sorted(courts):
            yield from self._statements(code, courts[code], day, fingerprint, number)

    def _note(self, row: SourceRow, layouts: Layouts, courts: dict[str, _Court]) -> str:
        """Put one entry with its court; returns what is wrong with the row, if anything.

        An entry whose court or debtor cannot be read may be of any list: its own would lack it.
        """
        reading = layouts.layout_of(row.headers).read(row.headers, row.cells)
        if reading.fault:
            return reading.fault
        assessed = assess_credit_code(reading.fields.get(self._court_code, ""))
        if assessed.errors:
            return assessed.errors[0]
        court = courts[assessed.code]
        if name := reading.fields.get("court_name", "").strip():
            court.names.add(name)
        key, fault = (None, "") if reading.is_person else self._submitter.entry(reading.fields)
        if fault:
            return fault
        if key is None:
            court.left_out += 1
        else:
            court.keys.add(key)
        return ""

    def _statements(
        self, code: str, court: _Court, day: str, fingerprint: str, number: int
    ) -> Iterator[OutgoingSubmission]:
        keys = sorted(court.keys)
        digest = sha256(b"".join(keys)).hexdigest()
        parts = max(1, -(-len(keys) // PART_ENTRIES))
        for part in range(1, parts + 1):
            chosen = keys[(part - 1) * PART_ENTRIES : part * PART_ENTRIES]
            fields = {
                "authority_code": code,
                "document_number": f"{day}/{part}-{parts}/{digest[:8]}/{number}",
                "subject_name": min(court.names, default=self._name_zh),
                "credit_code": code,
                "snapshot_on": day,
                "part": str(part),
                "parts": str(parts),
                "entry_count": str(len(keys)),
                "left_out_count": str(court.left_out),
                "entries_digest": digest,
                "entries": b"".join(chosen).hex(),
            }
            position = f"{fingerprint[:16]}:0:0"
            yield OutgoingSubmission(
                kinds.SNAPSHOT, code.encode(), self._contract.encode(fields), position
            )


def _day_in(name: str) -> str:
    """The day in a file's name as an ISO date; "" when there is none, or two that differ."""
    days = set()
    for year, _, month, day in _DAY.findall(name):
        try:
            days.add(date(int(year), int(month), int(day)).isoformat())
        except ValueError:  # 31 June
            return ""
    return days.pop() if len(days) == 1 else ""
