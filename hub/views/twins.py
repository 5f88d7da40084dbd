"""A refused row whose decision was accepted under another key: the fact that lifts its duties.

Where both are in one partition the registrar does so itself when the good row is accepted. Of what
is in another partition, or was there first, only the look-ups know. Once accepted it has answered,
in any later state: what is owed does not depend on when it is looked at.
"""

from __future__ import annotations

from typing import NamedTuple

from hub.domain.fact_ids import FIELD, matter_of, with_id


class AnsweredTwin(NamedTuple):
    """A quarantined record that owes a disclosure, and the accepted one of the same decision."""

    record_key: bytes
    partition: int
    """Where the refused row is, and with it its duties."""
    ledger_key: str
    live_sequence: int
    """Of the row that was refused last: sent again it owes again."""
    answered_by: bytes
    """Record key of the accepted one."""


def lifting_id(twin: AnsweredTwin) -> str:
    """Name of the one fact that this refused row is answered by this record."""
    matter = matter_of("duty_lifted", twin.record_key.hex(), str(twin.live_sequence))
    return with_id(matter, lifting(twin))[FIELD]


def lifting(twin: AnsweredTwin) -> dict[str, str]:
    """The fields of the fact."""
    return {"record": twin.record_key.hex(), "answered_by": twin.answered_by.hex()}
