"""Statements of agents: a fact with an id made of its content, so that a repeat is a duplicate.

An agent owes a fact until a notice says that the ledger has one of its matter. It may submit it any
number of times: each fact is a stream of its own, `<department>/<agent>/<id>`, and its only number
is 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from hub.domain import kinds
from hub.domain.dates import day_of_ms
from hub.domain.fact_ids import FIELD, matter_in, with_id
from hub.domain.partitioning import partition_of
from hub.ports import OutputRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from hub.contracts import Contracts
    from hub.views.notices import Notice

MOST_RECORDS: Final = 1_024
"""Record keys a reminder carries; it counts them all."""


class Fact(NamedTuple):
    """A statement that is due: its kind, and the row as the contract names its fields."""

    kind: str
    row: Mapping[str, str]

    @property
    def id(self) -> str:
        """Its deterministic id, 32 hexadecimal digits."""
        return self.row[FIELD]

    @property
    def matter(self) -> str:
        """Its subject, independent of what it says about it."""
        return matter_in(self.id)

    @property
    def key(self) -> str:
        """Credit code of its subject."""
        return self.row["credit_code"]


class Office(NamedTuple):
    """A department as an agent writes to it."""

    id: str
    name_zh: str
    code: str
    """Credit code of its authority."""


class CaseAgent(Protocol):
    """A fold of the notices, and what follows from it at a moment; pure."""

    @property
    def name(self) -> str:
        """The agent's name: the middle of its streams, a label of its metrics."""

    @property
    def open_count(self) -> int:
        """Cases that may still become facts."""

    def take(self, notice: Notice) -> None:
        """Take note; notices of a partition come in the ledger's order, each once."""

    def owed(self, now: int) -> list[Fact]:
        """Facts that are due at `now` (business milliseconds) and not in the ledger yet."""


class Matter(NamedTuple):
    """Matter of a reminder to an office: its class, the first due day, the records' keys."""

    reason: str
    due_on: str
    records: Iterable[str]


def reminder(
    authority: str, about: str, office: Office, recipient: str, level: int, at: int, matter: Matter
) -> Fact:
    """A reminder by the credit centre (`authority`) about an office's records, due since `at`.

    `about` is its matter as `fact_ids` names it.
    """
    keys = sorted(set(matter.records))
    return stated(
        kinds.REMINDER,
        about,
        {
            "authority_code": authority,
            "subject_name": office.name_zh,
            "credit_code": office.code,
            "recipient": recipient,
            "level": str(level),
            "issued_on": day_of_ms(at).isoformat(),
            "reason_class": matter.reason,
            "record_count": str(len(keys)),
            "earliest_due_on": matter.due_on,
            "records": "".join(keys[:MOST_RECORDS]),
        },
    )


def stated(kind: str, about: str, row: Mapping[str, str]) -> Fact:
    """A fact of a matter."""
    return Fact(kind, with_id(about, row))


def submission(
    fact: Fact, agent: str, department: str, topic: str, partitions: int, time: str,
    contracts: Contracts,
) -> OutputRecord:  # fmt: skip
    """The fact as its agent's department submits it; `time` is RFC 3339."""
    key = fact.key.encode()
    return OutputRecord(
        topic,
        partition_of(key, partitions),
        key,
        contracts.by_kind[fact.kind].encode(fact.row),
        (
            ("ce_specversion", b"1.0"),
            ("ce_type", fact.kind.encode()),
            ("ce_source", f"{department}/{agent}/{fact.id}".encode()),
            ("ce_id", b"1"),
            ("ce_time", time.encode()),
        ),
    )
