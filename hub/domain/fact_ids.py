"""Names of what the hub's own workers state: what a fact is about, and what it says of it.

An id has two halves of 16 hexadecimal digits. The first is of the *matter*: it finds what has
already been said. The second is of the content: what says something else, of
another day for one, is another fact, and no number is ever used for two contents.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_HALF: Final = 16
FIELD: Final = "document_number"
"""Field of every fact that holds its id."""


def matter_of(*parts: str) -> str:
    """The matter that these words name: equal words, equal matter, on every machine."""
    return sha256("|".join(parts).encode()).hexdigest()[:_HALF]


def with_id(matter: str, row: Mapping[str, str]) -> dict[str, str]:
    """The fields of a fact with its id."""
    content = "\x1f".join(f"{name}\x1e{row[name]}" for name in sorted(row) if name != FIELD)
    return {**row, FIELD: matter + sha256(content.encode()).hexdigest()[:_HALF]}


def matter_in(fact: str) -> str:
    """The matter of a fact by its id."""
    return fact[:_HALF]
