"""Progress of a commitment: tell its next step from an undeclared change.

全部未履行 → 部分履行 → 全部履行, each recognised on a day (承诺履行状态认定日期). A step forward
that was recognised later is the record's next version; one back, or without its day, is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from hub.domain.code_lists import PERFORMANCE_STATUS, read_code

if TYPE_CHECKING:
    from datetime import date

FACT: Final = "performance"
"""Name of the fact of a ledger record that puts a performance on record."""
_RANKS: Final = {"NONE": 1, "PART": 2, "ALL": 3}


class Progress(NamedTuple):
    """A step: 1 nothing, 2 a part, 3 all of it; `on` is a proleptic ordinal, 0 not stated."""

    rank: int
    on: int

    @classmethod
    def read(cls, status: str, recognised_on: date | None) -> Progress | None:
        """The step a row states; None when it states none."""
        rank = _RANKS.get(read_code(PERFORMANCE_STATUS.name, status).code)
        return (
            None if rank is None else cls(rank, recognised_on.toordinal() if recognised_on else 0)
        )

    def as_text(self) -> str:
        """As a fact says it, and as it is stored."""
        return f"{self.rank}/{self.on}"

    @classmethod
    def from_text(cls, text: str) -> Progress:
        """Read what `as_text` wrote."""
        rank, _, on = text.partition("/")
        return cls(int(rank), int(on))

    def against(self, known: Progress) -> int:
        """1: the next step after `known`; -1: an earlier one that comes late; 0: neither."""
        if self.rank > known.rank and self.on > known.on:
            return 1
        return -1 if self.rank < known.rank and 0 < self.on < known.on else 0
