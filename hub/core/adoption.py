"""Effects of an adopted basis on existing records: the resend and the sweep that it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.contracts import visible_columns
from hub.core.resend import Walk

if TYPE_CHECKING:
    from hub.core.basis import Basis, BasisTarget


def counts_otherwise(before: Basis, after: Basis) -> bool:
    """Whether deadlines may fall on other days than before: each that runs is counted again."""
    if any(before.document[name] != after.document[name] for name in ("calendar", "rulebook")):
        return True
    return any(
        old is not None and new is not None and old.role != new.role
        for old, new in _targets(before, after).values()
    )


def walk_for(before: Basis, after: Basis) -> Walk | None:
    """Return the resend that brings every target of an adoption in line; None where none is.

    A target is concerned when its own entry has changed, or a rule or the contract of a kind that
    it shows. One that only one of the two knows showed, or shows, nothing under the other.
    """
    kinds = before.rulebook.changed_kinds(after.rulebook) | _changed_contracts(before, after)
    targets, listed = 0, 0
    anew: set[tuple[int, str]] = set()
    for number, (old, new) in _targets(before, after).items():
        shown = _kinds_of(old), _kinds_of(new)
        if new is None and not shown[0]:
            continue  # it showed nothing any more; its number is taken out of the records by itself
        if shown[0] != shown[1] or _clock_from(old) != _clock_from(new):
            listed |= 1 << number
        if not kinds.isdisjoint(shown[0] | shown[1]):
            targets |= 1 << number
        if old is None or new is None:
            continue
        if old.is_public != new.is_public or _stops_at(before, old) != _stops_at(after, new):
            targets |= 1 << number
        anew |= {
            (number, kind)
            for kind in shown[0] & shown[1]
            if _columns(before, old, kind) != _columns(after, new, kind)
        }
    targets |= listed | sum(1 << number for number in {number for number, _kind in anew})
    return Walk(targets, listed=listed, anew=frozenset(anew)) if targets else None


def _targets(
    before: Basis, after: Basis
) -> dict[int, tuple[BasisTarget | None, BasisTarget | None]]:
    numbers = {t.number for basis in (before, after) for t in basis.targets}
    return {n: (before.target_or_none(n), after.target_or_none(n)) for n in sorted(numbers)}


def _changed_contracts(before: Basis, after: Basis) -> frozenset[str]:
    old, new = before.contracts.by_kind, after.contracts.by_kind
    return frozenset(
        kind
        for kind in old.keys() & new.keys()
        if old[kind].schema.fingerprint != new[kind].schema.fingerprint
    )


def _kinds_of(target: BasisTarget | None) -> frozenset[str]:
    return frozenset() if target is None else target.kinds


def _clock_from(target: BasisTarget | None) -> int:
    return 0 if target is None else target.clock_from


def _stops_at(basis: Basis, target: BasisTarget) -> str:
    """The stage that meets the duties of a target."""
    return basis.rulebook.stops_at(target.role)


def _columns(basis: Basis, target: BasisTarget, kind: str) -> frozenset[str]:
    contract = basis.contracts.by_kind.get(kind)
    return frozenset() if contract is None else visible_columns(contract, target.clearance)
