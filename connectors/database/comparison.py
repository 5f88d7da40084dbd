"""The statement of a daily comparison: the whole table beside what the hub was given. Pure."""

from hashlib import sha256
from typing import Final, NamedTuple

from connectors.submission import OutgoingSubmission
from hub.contracts import Contracts
from hub.domain import kinds

MOST_KEYS: Final = 1024
"""Keys in a list; the counts and digests are of all."""


class Side(NamedTuple):
    """One of the two sides: how many rows, and a digest over their sorted (row, content) pairs."""

    rows: int
    digest: str


class Compared(NamedTuple):
    """Findings of a comparison; `vanished` and `missed` list the first rows, by digest."""

    table: Side
    hub: Side
    vanished_count: int
    missed_count: int
    vanished: tuple[str, ...]
    missed: tuple[str, ...]


class Digest:
    """Digests sorted pairs one by one."""

    def __init__(self) -> None:
        self._hash = sha256()
        self._count = 0

    def add(self, row: str, content: str) -> None:
        """Take the next pair."""
        self._hash.update(bytes.fromhex(row) + bytes.fromhex(content))
        self._count += 1

    @property
    def side(self) -> Side:
        """The rows taken so far."""
        return Side(self._count, self._hash.hexdigest())


class DailyComparison:
    """Makes the statement of one source."""

    def __init__(
        self, contracts: Contracts, department: str, name_zh: str, authority: str, source: str
    ) -> None:
        """Take whose statement it is; `authority` is the department's own credit code."""
        self._contract = contracts.by_kind[kinds.RECONCILED]
        self._department = department
        self._name_zh = name_zh
        self._authority = authority
        self._source = source

    def statement(self, compared: Compared, day: str) -> OutgoingSubmission:
        """Return the submission; keyed by the department's authority."""
        fields = {
            "authority_code": self._authority,
            "document_number": f"{self._source}/{day}",
            "subject_name": self._name_zh,
            "credit_code": self._authority,
            "department": self._department,
            "source": self._source,
            "reconciled_on": day,
            "source_count": str(compared.table.rows),
            "hub_count": str(compared.hub.rows),
            "source_digest": compared.table.digest,
            "hub_digest": compared.hub.digest,
            "vanished_count": str(compared.vanished_count),
            "missed_count": str(compared.missed_count),
            "vanished_keys": "".join(compared.vanished),
            "missed_keys": "".join(compared.missed),
        }
        row: dict[str, str | bytes] = {name: fields[name] for name in self._contract.names}
        return OutgoingSubmission(
            kinds.RECONCILED,
            self._authority.encode(),
            self._contract.encode(row),
            f"compared:{day}",
        )
