"""The departments of a basis: whose authorities, who acts for whom, who succeeded whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.domain.succession import lineage_of, oldest_first

if TYPE_CHECKING:
    from collections.abc import Mapping


class Offices:
    """The part `departments` of a basis document, ready for use."""

    def __init__(self, departments: Mapping[str, Mapping[str, Any]]) -> None:
        """Raises `ValueError` where departments or codes follow each other in a circle."""
        successors = {n: str(d["successor"]) for n, d in departments.items() if "successor" in d}
        replaces = {
            code: tuple(map(str, older))
            for d in departments.values()
            for code, older in d.get("replaces", {}).items()
        }
        self.codes = {code: oldest_first(code, replaces) for code in replaces}
        """A code that replaced others → all of them, the oldest first, itself last."""
        self._lineages = {name: lineage_of(name, successors) for name in departments}
        self._own = {n: frozenset(map(str, d["authorities"])) for n, d in departments.items()}
        self._listed = {n: frozenset(map(str, d["may_act_on"])) for n, d in departments.items()}
        self._ends = {
            name: tuple(map(int, d["ends"])) for name, d in departments.items() if "ends" in d
        }
        self._families: dict[str, list[str]] = {}
        for name in sorted(departments, key=lambda n: (n not in successors, n)):
            self._families.setdefault(self._lineages[name][-1], []).append(name)
        self.authorities = {name: self._submits_for(name) for name in departments}
        """Department → codes it submits for: its own, what they replaced, its predecessors'."""

    def _submits_for(self, name: str) -> frozenset[str]:
        members = [each for each in self._own if name in self._lineages[each]]
        own = [code for each in members for code in self._own[each]]
        return frozenset(older for code in own for older in self.codes.get(code, (code,)))

    def lineage(self, name: str) -> tuple[str, ...]:
        """A department and those that succeeded it; one the site does not know is alone."""
        return self._lineages.get(name) or (name,)

    def may_act_on(self, actor: str, owner: str) -> bool:
        """Whether a department may act on what another put on record.

        Of one that is retired its heir owns the records, and who may act for either may go on.
        """
        owners = self.lineage(owner)
        if self.lineage(actor)[-1] == owners[-1]:
            return True
        return not self._listed.get(actor, frozenset()).isdisjoint(owners)

    def senders(self, name: str, codes: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
        """Members of a department's family with the codes of these they submit for, oldest first.

        A code that none of them has is the department's own word.
        """
        family = self._families.get(self.lineage(name)[-1], ())
        found = tuple((each, code) for code in codes for each in family if code in self._own[each])
        return found or ((name, codes[0]),)

    def is_closed(self, name: str, partition: int, offset: int) -> bool:
        """Whether a retired department's topic had ended before this offset when it was retired."""
        ends = self._ends.get(name, ())
        return partition < len(ends) and offset >= ends[partition]
