"""What must be true of a platform's book, whatever happened: read from it and from the ledger.

Imports nothing of the courier.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tests.schedules.platform import ScheduledPlatform, Sent

SLACK_SECONDS = 100.0
"""What a rest, a pause and a minute of being parked may take together."""
PATIENCE_SECONDS = 300.0
"""How long an answer is waited for at most before something is sent again."""
SILENT = frozenset({
    "lost", "applied, silent", "late effect", "not json", "spoilt delivery", "spoilt digest",
    "spoilt receipt",
})  # fmt: skip
"""What is no answer."""
FOLLOWED_SECONDS = 400.0
"""How long it may take until an older version that appeared is seen: a poll, and the above."""


class Named(NamedTuple):
    """One line of the ledger: from then on the record shall be shown so, or not at all."""

    at: float
    record: str
    version: int
    digest: str | None
    """None: withdrawn."""


def faults(
    ledger: list[Named], platform: ScheduledPlatform, ended_at: float, refused_again: float
) -> list[str]:
    """Every way in which the book is not what it must be."""
    return [
        *_shown_too_long(ledger, platform, ended_at, refused_again),
        *_wrong_in_the_end(ledger, platform),
        *_out_of_order(platform),
        *_sent_twice(platform),
    ]


def _shown_too_long(
    ledger: list[Named], platform: ScheduledPlatform, ended_at: float, refused_again: float
) -> list[str]:
    """Withdrawn in the ledger, and still shown, though the platform did nothing to delay it."""
    found = []
    by_record: dict[str, list[Named]] = defaultdict(list)
    for named in ledger:
        by_record[named.record].append(named)
    for record, lines in by_record.items():
        last = lines[-1]
        if last.digest is not None:
            continue
        longest = platform.longest_effect + SLACK_SECONDS
        extra = {"older after newer": FOLLOWED_SECONDS, "refused": refused_again}
        extra["acknowledged"] = FOLLOWED_SECONDS
        extra |= dict.fromkeys(SILENT, PATIENCE_SECONDS)
        excuses = [
            (at, at + longest + extra.get(what, 0.0))
            for at, whose, what in platform.excuses
            if whose in ("", record)
        ]
        for begun, ended in _spans_shown(record, platform, ended_at):
            until = max([last.at + longest, *(until for at, until in excuses if at <= ended)])
            if ended > until and ended > last.at:
                span = f"from {begun:.1f} to {ended:.1f}"
                found.append(f"{record} was shown {span}, withdrawn at {last.at:.1f}")
    return found


def _spans_shown(
    record: str, platform: ScheduledPlatform, ended_at: float
) -> list[tuple[float, float]]:
    spans, begun = [], None
    for shown in platform.shown:
        if shown.record != record:
            continue
        if shown.digest is not None and begun is None:
            begun = shown.at
        elif shown.digest is None and begun is not None:
            spans.append((begun, shown.at))
            begun = None
    return [*spans, (begun, ended_at)] if begun is not None else spans


def _wrong_in_the_end(ledger: list[Named], platform: ScheduledPlatform) -> list[str]:
    """Each record is shown as the ledger says it last, unless it is poisoned."""
    last = {named.record: named for named in ledger}
    found = []
    for record, named in last.items():
        if named.digest is not None and record in platform.manners.poisoned:
            continue
        entry = platform.live.get(record)
        there = None
        if entry is not None:
            is_shown = entry.sent.action == "publish"
            there = (entry.sent.version, entry.sent.digest if is_shown else None)
        if there != (named.version, named.digest):
            found.append(f"{record} is {there}, the ledger says {named[2:]}")
    return found


def _out_of_order(platform: ScheduledPlatform) -> list[str]:
    """Nothing older of a record is sent after something newer."""
    newest: dict[str, int] = {}
    found = []
    for at, sent in platform.posts:
        if sent.order < newest.get(sent.record, 0):
            found.append(f"{sent.record} v{sent.version} was sent at {at:.1f} after a newer one")
        newest[sent.record] = max(newest.get(sent.record, 0), sent.order)
    return found


def _sent_twice(platform: ScheduledPlatform) -> list[str]:
    """A delivery has one content and one effect; a version has one id, with reasons for more."""
    found = []
    contents: dict[str, Sent] = {}
    ids: dict[tuple[str, int], set[str]] = defaultdict(set)
    for _at, sent in platform.posts:
        if contents.setdefault(sent.delivery, sent) != sent:
            found.append(f"{sent.delivery} was sent with two contents")
        ids[sent.record, sent.version].add(sent.delivery)
    if not platform.manners.forgetful:
        found += [f"{one} took effect {n} times" for one, n in platform.effects.items() if n > 1]
    for (record, version), several in ids.items():
        reasons = sum(
            1
            for entry in platform.history
            if entry.sent.record == record
            and (entry.stage == "refused" or entry.sent.version < version)
        )
        if len(several) > 1 + reasons:
            found.append(f"{record} v{version} went by {len(several)} ids, {reasons} reasons")
    return found
