"""Target numbers: bits of the ledger's masks, lent to a target and given back.

A target that is retired withdraws all it shows. When nothing is shown there or owed any more, a
later basis may leave it out: a sweep then takes its number out of every record that still names it.
Only a basis after that may give the number to another target.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hub.core.state import NO_TARGET, StageCode

if TYPE_CHECKING:
    from hub.core.basis import Basis
    from hub.core.state import RecordState

ALL: Final = (1 << 64) - 1
FACT: Final = "freed"
"""Name of the fact that says which numbers (as a mask) a sweep takes out of the records."""


def refusal(before: Basis, after: Basis, freed: int) -> str:
    """Code of the reason why a basis may not follow another; empty where it may.

    `freed`: numbers that a sweep under way takes out of the records.
    """
    known = {t.id: t for t in before.targets}
    now = {t.id: t.number for t in after.targets}
    for target in before.targets:
        if now.get(target.id, target.number) != target.number:
            return "TARGET_LOST"
        if target.id not in now and target.kinds:
            return "TARGET_LOST"
    for name, number in now.items():
        if name not in known and (before.numbers | freed) >> number & 1:
            return "TARGET_NUMBER_TAKEN"
    return ""


def uses(state: RecordState) -> int:
    """Bit per target that a record names in any way."""
    mask = state.named | state.publish
    for stage in state.stages:
        mask |= 1 << stage.target
    for clock in state.clocks:
        if clock.target != NO_TARGET:
            mask |= 1 << clock.target
    return mask


def shown_at(state: RecordState) -> int:
    """Bit per target that shows a record, or has not said yet that it does not."""
    gone = sum(1 << s.target for s in state.stages if s.stage is StageCode.WITHDRAWN)
    return (state.named | state.publish) & ~gone


def owed_at(state: RecordState) -> int:
    """Bit per target at which a clock of a record runs."""
    mask = 0
    for clock in state.clocks:
        if clock.is_running and clock.target != NO_TARGET:
            mask |= 1 << clock.target
    return mask


def without(state: RecordState, numbers: int) -> RecordState:
    """The state of a record that names none of these targets any more."""
    return state._replace(
        named=state.named & ~numbers,
        publish=state.publish & ~numbers,
        stages=tuple(s for s in state.stages if not numbers >> s.target & 1),
        clocks=tuple(
            c for c in state.clocks if c.target == NO_TARGET or not numbers >> c.target & 1
        ),
    )
