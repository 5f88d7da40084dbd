"""Who follows whom: departments that were merged, authority codes that replaced others.

A site says of a retired department which one succeeds it, and of an authority code which older ones
it replaces. Nothing that is on record is renamed by either: a record keeps the key of the oldest
code, and the department that put it on record; who acts for it today is worked out from here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def lineage_of(department: str, successors: Mapping[str, str]) -> tuple[str, ...]:
    """A department and those that succeeded it, the last one in office.

    Raises `ValueError` where they succeed each other in a circle.
    """
    line = [department]
    while (following := successors.get(line[-1])) is not None:
        if following in line:
            raise ValueError(following)
        line.append(following)
    return tuple(line)


def oldest_first(code: str, replaces: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """An authority code and all it replaced, directly or not; new records go under the first.

    The first of the list is the oldest code of the chain that is written first. Raises `ValueError`
    where codes replace each other in a circle.
    """
    found: list[str] = []

    def visit(one: str, path: tuple[str, ...]) -> None:
        if one in path:
            raise ValueError(one)
        for older in replaces.get(one, ()):
            visit(older, (*path, one))
        if one not in found:
            found.append(one)

    visit(code, ())
    return tuple(found)


class Successions(NamedTuple):
    """All of a site's; an authority that is not in them has no predecessor."""

    heirs: dict[str, str]
    """Retired department → the one in office that acts for it."""
    codes: dict[str, tuple[str, ...]]
    """Authority code that replaced others → all of the chain, itself among them."""


NO_SUCCESSIONS: Final = Successions({}, {})
"""A site that was never reformed."""
