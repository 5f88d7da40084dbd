"""A bounded memory for functions of one text: bounded in entries and in what one entry may be.

A plain `lru_cache` is bounded in entries only: 20,000 cells of a megabyte each would be 20 GB.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Final, TypeVar

LONGEST: Final = 256
"""Texts longer than any honest value are answered, but not remembered."""

_Answer = TypeVar("_Answer")


def bounded_cache(limit: int) -> Callable[[Callable[[str], _Answer]], Callable[[str], _Answer]]:
    """Remember the last `limit` answers of a pure function of one text."""

    def decorate(function: Callable[[str], _Answer]) -> Callable[[str], _Answer]:
        cached = lru_cache(maxsize=limit)(function)

        @wraps(function)
        def answer(text: str) -> _Answer:
            return cached(text) if len(text) <= LONGEST else function(text)

        return answer

    return decorate
