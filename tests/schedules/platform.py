"""A model platform with every misbehaviour, and the book it keeps of itself.

It knows nothing of the courier: a `Sent` comes in, a `Said` goes out or not. What it does wrong is
drawn from a `Random` of its own, so that a number tells the same story on every machine.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Literal, NamedTuple

Stage = Literal["acknowledged", "published", "withdrawn", "refused"]


class Sent(NamedTuple):
    """One request to publish or withdraw."""

    delivery: str
    record: str
    version: int
    order: int
    action: Literal["publish", "withdraw"]
    digest: str


class PlatformEntry(NamedTuple):
    """What the platform says of a delivery."""

    sent: Sent
    stage: Stage
    at: int
    code: str = ""


class Said(NamedTuple):
    """What becomes of a request, as its mouth must tell it."""

    how: Literal["answer", "silence", "no connection", "status", "unknown here"]
    entry: PlatformEntry | None = None
    status: int = 0
    spoil: str = ""
    """What is wrong with the answer: delivery, digest, receipt, or no JSON at all."""


class Shown(NamedTuple):
    """A change of what is to be seen: None where the record is not shown."""

    at: float
    record: str
    version: int
    digest: str | None


@dataclass
class Manners:
    """How one platform behaves; shares of requests that go wrong while it is `wild`."""

    fates: dict[str, float] = field(default_factory=dict)
    is_careless: bool = False
    """Takes an older version after a newer one, and shows it."""
    poisoned: dict[str, int] = field(default_factory=dict)
    """Record → status that its publications get, whatever else happens, for ever."""
    mute: frozenset[str] = frozenset()
    """Records whose deliveries cannot be asked about, ever."""
    refuses: frozenset[str] = frozenset()
    """Records whose withdrawals are refused while it is wild."""
    forgetful: bool = False
    """Once in a while it loses what it knows of a delivery, not what it shows."""


FATES = (
    "acknowledged", "applied, silent", "lost", "late effect", "no connection", "429", "503", "500",
    "403", "spoilt delivery", "spoilt digest", "spoilt receipt", "not json",
)  # fmt: skip


_NOTHING_HAPPENS = {
    "429": Said("status", status=429), "503": Said("status", status=503),
    "500": Said("status", status=500), "403": Said("status", status=403),
    "no connection": Said("no connection"), "lost": Said("silence"),
    "late effect": Said("silence"),
}  # fmt: skip
"""What a request gets that has no effect, or none yet."""


class ScheduledPlatform:
    """The platform of one schedule; times are seconds."""

    def __init__(self, chance: Random, manners: Manners, longest_effect: float) -> None:
        self.chance, self.manners, self.longest_effect = chance, manners, longest_effect
        self.is_wild = True
        self.entries: dict[str, PlatformEntry] = {}
        """What it knows of each delivery now."""
        self.history: list[PlatformEntry] = []
        """All it ever knew, in order."""
        self.live: dict[str, PlatformEntry] = {}
        self.shown: list[Shown] = []
        self.posts: list[tuple[float, Sent]] = []
        self.effects: Counter[str] = Counter()
        self.excuses: list[tuple[float, str, str]] = []
        """When it did what delays a take-down: which record ("" all of them), and what."""
        self.late: list[tuple[float, Sent]] = []
        self.due: list[tuple[float, str]] = []
        """Acknowledged deliveries and when they are published."""
        self.news: list[PlatformEntry] = []
        """What was published since it was last asked: for those that say so unasked."""

    # --- requests --------------------------------------------------------------------------------

    def send(self, sent: Sent, now: float) -> Said:
        """Take a request, as fate has it."""
        self.posts.append((now, sent))
        poison = self.manners.poisoned.get(sent.record)
        if poison and sent.action == "publish":
            return Said("status", status=poison)
        fate = self._fate()
        if fate in ("429", "503", "no connection", "403"):
            self.excuses.append((now, "", fate))
        elif fate:
            self.excuses.append((now, sent.record, fate))
        if fate == "late effect":
            self.late.append((now + self.chance.random() * self.longest_effect * 0.98, sent))
        if fate in _NOTHING_HAPPENS:
            return _NOTHING_HAPPENS[fate]
        delay = self.chance.uniform(1, 200) if fate == "acknowledged" else 0.0
        entry = self.apply(sent, now, delay)
        if fate == "applied, silent":
            return Said("silence")
        if entry.stage == "refused":
            self.excuses.append((now, sent.record, "refused"))
        return Said("answer", entry, spoil=fate.removeprefix("spoilt ") if fate else "")

    def _fate(self) -> str:
        if not self.is_wild:
            return ""
        point = self.chance.random()
        for fate, share in self.manners.fates.items():
            point -= share
            if point < 0:
                return fate
        return ""

    def ask(self, delivery: str, record: str, now: float) -> Said:
        """Tell what became of a delivery, as fate has it."""
        if record in self.manners.mute:
            return Said("status", status=500)
        fate = self._fate()
        if fate in ("429", "503", "no connection"):
            self.excuses.append((now, "", fate))
        if fate in ("429", "503", "500", "403"):
            return Said("status", status=int(fate))
        if fate in ("lost", "applied, silent", "late effect", "no connection"):
            return Said("silence")
        entry = self.entries.get(delivery)
        forgets = self.is_wild and self.manners.forgetful and self.chance.random() < 0.1
        if forgets and entry is not None and entry.stage != "acknowledged":
            del self.entries[delivery]
        if entry is None:
            return Said("unknown here")
        return Said("answer", entry, spoil=fate.removeprefix("spoilt ") if fate else "")

    # --- its book --------------------------------------------------------------------------------

    def apply(self, sent: Sent, now: float, delay: float = 0.0) -> PlatformEntry:
        """Take a delivery in, once."""
        known = self.entries.get(sent.delivery)
        if known is not None:
            return known
        at = int(now * 1000)
        live = self.live.get(sent.record)
        is_old = live is not None and (live.sent.version, live.sent.order) > (
            sent.version, sent.order,
        )  # fmt: skip
        if is_old and not self.manners.is_careless:
            return self._keep(PlatformEntry(sent, "refused", at, "VERSION_OLD"))
        if sent.action == "withdraw" and self.is_wild and sent.record in self.manners.refuses:
            self.excuses.append((now, sent.record, "refused"))
            return self._keep(PlatformEntry(sent, "refused", at, "MULTIPLE_ROWS"))
        if delay:
            self.due.append((now + delay, sent.delivery))
            return self._keep(PlatformEntry(sent, "acknowledged", at))
        return self._show(sent, now)

    def _keep(self, entry: PlatformEntry) -> PlatformEntry:
        self.entries[entry.sent.delivery] = entry
        self.history.append(entry)
        return entry

    def _show(self, sent: Sent, now: float) -> PlatformEntry:
        is_published = sent.action == "publish"
        entry = self._keep(
            PlatformEntry(sent, "published" if is_published else "withdrawn", int(now * 1000))
        )
        before = self.live.get(sent.record)
        if before is not None and before.sent.order > sent.order:
            self.excuses.append((now, sent.record, "older after newer"))
        self.live[sent.record] = entry
        self.effects[sent.delivery] += 1
        self.shown.append(
            Shown(now, sent.record, sent.version, sent.digest if is_published else None)
        )
        return entry

    def tick(self, now: float) -> None:
        """What was late arrives; what was acknowledged is published."""
        late, self.late = self.late, []
        for when, sent in late:
            if when > now:
                self.late.append((when, sent))
            else:
                self.apply(sent, when)
        due, self.due = self.due, []
        for when, delivery in due:
            if when > now:
                self.due.append((when, delivery))
                continue
            sent = self.entries[delivery].sent
            live = self.live.get(sent.record)
            if live is not None and live.sent.order > sent.order and not self.manners.is_careless:
                entry = self._keep(PlatformEntry(sent, "refused", int(when * 1000), "VERSION_OLD"))
            else:
                entry = self._show(sent, when)
            self.news.append(entry)

    def next_at(self) -> float:
        """When something happens by itself."""
        return min((when for when, _what in (*self.late, *self.due)), default=float("inf"))
