"""Whether a start may believe the machine's clock: a ledger written under a false one is ruined.

A partition's time never goes back, so a registrar that decides once with a clock years ahead rings
every deadline and ends every publication for good. At a start there is nothing to measure the
clock by but what the hub wrote down before; a clock further ahead of that than a limit is not
believed until a person has confirmed it. The broker's clock proves nothing: on one machine it is
the same clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hub.ports import ClockEvidence

DAY_MS: Final = 86_400_000
DEFAULT_GUARD_MS: Final = 10 * DAY_MS
"""Longer than any holiday, so that a hub that rests over one starts by itself."""


def days_ahead(evidence: ClockEvidence, business_ms: int, guard_ms: int) -> float:
    """How many days the clock is ahead of all that was written; 0 when it is to be believed.

    `business_ms` is the latest business time written in a topic, 0 for none; it counts where
    business time is the machine's. Where nothing was ever written the clock is believed.
    """
    known = max(evidence.written, business_ms if evidence.is_business else 0)
    ahead = evidence.shown - known
    return ahead / DAY_MS if known and ahead > guard_ms else 0.0
