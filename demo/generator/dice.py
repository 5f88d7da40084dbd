"""Draws that are equal on every machine and Python version: a hash of a name and a counter."""

from collections.abc import Sequence
from hashlib import sha256
from typing import TypeVar

_Item = TypeVar("_Item")
_SEED = "yunyu-2026"
_ONE = 1_000_000


class Dice:
    """A named stream of draws. Streams are independent: a new one never moves the others."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._drawn = 0

    def below(self, limit: int) -> int:
        """A whole number from 0 to `limit` - 1."""
        self._drawn += 1
        digest = sha256(f"{_SEED}|{self._name}|{self._drawn}".encode()).digest()
        return int.from_bytes(digest[:8], "big") % limit

    def between(self, low: int, high: int) -> int:
        """A whole number from `low` to `high`, both included."""
        return low + self.below(high - low + 1)

    def happens(self, share: float) -> bool:
        """True with this probability (0 to 1, in steps of a millionth)."""
        return self.below(_ONE) < round(share * _ONE)

    def pick(self, items: Sequence[_Item]) -> _Item:
        """One of `items`, each as likely."""
        return items[self.below(len(items))]

    def weighted(self, items: Sequence[tuple[_Item, int]]) -> _Item:
        """One of the (item, weight) pairs' items."""
        left = self.below(sum(weight for _, weight in items))
        for item, weight in items:
            if left < weight:
                return item
            left -= weight
        raise AssertionError

    def shuffled(self, items: Sequence[_Item]) -> list[_Item]:
        """The same items in another order."""
        deck = list(items)
        for last in range(len(deck) - 1, 0, -1):
            other = self.below(last + 1)
            deck[last], deck[other] = deck[other], deck[last]
        return deck
