"""Events of a slot and its driver, to be counted or logged: no payload, no personal identifier."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.core.record import Outcome

# --- of the driver, for every slot ----------------------------------------------------------------

Retirement = Literal["fenced", "timeout", "disk", "broker"]
"""Why a producer was thrown away."""


class Restored(NamedTuple):
    """A start has ended: the state is that of the ledger."""

    seconds: float


class Committed(NamedTuple):
    """A transaction was committed."""

    seconds: float
    """Since it was begun."""


class ProducerRetired(NamedTuple):
    """A producer was thrown away."""

    reason: Retirement


# --- of both slots --------------------------------------------------------------------------------


class SlotRestarted(NamedTuple):
    """A request failed and everything begins again."""

    failures: int
    """In a row."""


class Folded(NamedTuple):
    """A start has read so many records back into the state."""

    records: int


class Idle(NamedTuple):
    """There was nothing to do."""


# --- of the slot that decides ---------------------------------------------------------------------


class DecidedCount(NamedTuple):
    """Ledger records that are counted together."""

    outcome: Outcome
    department: str
    kind: str
    """A sender's text."""


class Decided(NamedTuple):
    """A transaction wrote so many ledger records."""

    counts: Mapping[DecidedCount, int]


class Walked(NamedTuple):
    """A resend has visited a stretch of the ledger."""


class LostInput(NamedTuple):
    """Offsets of one input partition that are gone undecided: from `first` up to `until`."""

    topic: str
    partition: int
    first: int
    until: int


class InputsLost(NamedTuple):
    """Every lost input, at each start; these partitions wait for an operator."""

    places: tuple[LostInput, ...]


class ClockUnconfirmed(NamedTuple):
    """The clock is not to be believed until a person has looked; nothing is decided."""

    days: float
    """How far it is ahead of everything written before."""


class ClockBelieved(NamedTuple):
    """The clock is to be believed."""


class TimeHeld(NamedTuple):
    """The clock ran ahead: business time does not move until it is right."""


# --- of the slot that delivers --------------------------------------------------------------------


class Worked(NamedTuple):
    """A turn had something to do."""


class Attempted(NamedTuple):
    """Attempts that ended, by result."""

    counts: Mapping[str, int]


class Staged(NamedTuple):
    """Stages that were reached."""

    counts: Mapping[str, int]


class DeliveryTrouble(NamedTuple):
    """A delivery failed again and again, or its fate is not known."""

    delivery: str
    partition: int
    sequence: int
    """Of the ledger record that named it, in the partition."""
    why: str


class PlatformTrouble(NamedTuple):
    """The platform as a whole does not answer, or its settings are wrong."""

    why: str


Trouble = DeliveryTrouble | PlatformTrouble


class Troubled(NamedTuple):
    """The most frequent troubles since the last report."""

    troubles: tuple[Trouble, ...]


class QueueState(NamedTuple):
    """Unfinished work by state, and whether the platform is away."""

    counts: Mapping[str, int]
    is_away: bool


Event = (
    Restored | Committed | ProducerRetired | SlotRestarted | Folded | Idle
    | Decided | Walked | InputsLost | ClockUnconfirmed | ClockBelieved | TimeHeld
    | Worked | Attempted | Staged | Troubled | QueueState
)  # fmt: skip

Report = Callable[[Event], None]
"""Receives every event."""
