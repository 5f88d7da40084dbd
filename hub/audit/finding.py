"""Finding of an audit: one place in the ledger, one stable code, Chinese first."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from hub.domain.reasons import message

WHOLE_SITE = -1
"""`Finding.partition` of what concerns no single partition (a stream runs through all of them)."""
MOST_ALIKE = 3
"""Findings of one code in one partition that are kept; further ones are only counted."""


class AuditFinding(NamedTuple):
    """One difference, named by partition and sequence; never holds a payload."""

    code: str
    partition: int
    sequence: int = -1
    """Ledger sequence, -1 where none can be named."""
    field: str = ""
    detail: str = ""
    """Coordinates, numbers, hashes, rule ids: nothing that is confidential."""

    @property
    def place(self) -> str:
        """`ledger[1] 42`, or an empty string for the whole site."""
        if self.partition == WHOLE_SITE:
            return ""
        return f"ledger[{self.partition}]" + (f" {self.sequence}" if self.sequence >= 0 else "")

    def text(self) -> str:
        """Several lines for people: place, Chinese, English, then what to do."""
        said = message(self.code, self.field)
        where = "全站"
        if self.partition != WHOLE_SITE:
            where = f"台账分区 {self.partition}"
            if self.sequence >= 0:
                where += f" 序号 {self.sequence}"
        lines = [f"{where}：{said.zh}（{self.code}）", f"{self.place or 'site'}: {said.en}"]
        if self.detail:
            lines.append(f"  {self.detail}")
        lines += [f"  处理办法：{said.remedy}", f"  Remedy: {said.remedy_en}"]
        return "\n".join(lines)

    def as_json(self) -> dict[str, object]:
        """For `--json`; a place that cannot be named is null."""
        said = message(self.code, self.field)
        return {
            "code": self.code,
            "partition": None if self.partition == WHOLE_SITE else self.partition,
            "sequence": None if self.sequence < 0 else self.sequence,
            "field": self.field,
            "detail": self.detail,
            "zh": said.zh,
            "en": said.en,
        }


class Findings:
    """The first findings of each code in each partition, and how many there were of all."""

    def __init__(self) -> None:
        self._kept: list[AuditFinding] = []
        self._alike: Counter[tuple[str, int]] = Counter()

    @property
    def count(self) -> int:
        """How many there were."""
        return self._alike.total()

    @property
    def kept(self) -> list[AuditFinding]:
        """By partition and sequence; what concerns the whole site comes last."""
        return sorted(self._kept, key=_by_place)

    def add(self, finding: AuditFinding) -> None:
        """Keep it while there is room; count it always."""
        self._alike[finding.code, finding.partition] += 1
        if self._alike[finding.code, finding.partition] <= MOST_ALIKE:
            self._kept.append(finding)


def _by_place(finding: AuditFinding) -> tuple[bool, int, int]:
    return finding.partition == WHOLE_SITE, finding.partition, finding.sequence
