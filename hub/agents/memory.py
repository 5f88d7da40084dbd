"""State of an agent: the fold of `notices`, kept in memory, and how far it has been read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from hub.views.notices import Mark, decode_notice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.agents.facts import CaseAgent
    from hub.views.notices import Notice

_log = logging.getLogger("hub.cases")


def read_notice(partition: int, offset: int, value: bytes | None) -> Notice | Mark | None:
    """The notice or mark in a record; anything else is reported, and skipped."""
    try:
        return decode_notice(value or b"")
    except (ValueError, KeyError, TypeError, AttributeError):
        place = {"partition": partition, "offset": offset}
        _log.exception("a record of notices is no notice", extra=place)
        return None


class Memory:
    """One agent's fold. A notice that comes again, or a zombie writer's, is known by its number."""

    def __init__(self, agent: CaseAgent, partitions: int) -> None:
        self.agent = agent
        self.next = dict.fromkeys(range(partitions), 0)
        """The next offset of each partition of `notices`."""
        self._last = dict.fromkeys(range(partitions), (-1, 0))
        self._read_at = dict.fromkeys(range(partitions), 0)

    @property
    def read_at(self) -> int:
        """The business time at which the whole ledger held nothing that is not known here."""
        return min(self._read_at.values())

    def take(self, partition: int, offset: int, notice: Notice | Mark | None) -> None:
        """Take one record of the topic; None is one that is not a notice."""
        self.next[partition] = max(self.next[partition], offset + 1)
        if isinstance(notice, Mark):
            self._read_at[partition] = max(self._read_at[partition], notice.read_at)
        elif notice is not None and (notice.sequence, notice.number) > self._last[partition]:
            self._last[partition] = notice.sequence, notice.number
            self.agent.take(notice)

    def has_reached(self, ends: Mapping[int, int]) -> bool:
        """Whether everything before these offsets is known."""
        return all(self.next[partition] >= end for partition, end in ends.items())
