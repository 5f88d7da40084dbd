"""Resending by scanning the ledger: its purpose, and what it decides for one record.

A resend is begun by a request (`hub resend`, `hub basis redecide`) or by an adopted basis under
which targets show other records, or owe other things, than before. It looks at every record once,
where the ledger holds what must be sent: at the record that made its live version, or at the one
that took it down. Its row there (the framed row, or the framed withdrawal) is a *fact* of the
decision, so the new ledger record holds it: couriers need no second look, and a replay needs no
other record than the one it replays.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.contracts import Fault
from hub.core import duties
from hub.core.prepare import read_again
from hub.core.record import (
    NO_KEY,
    OUTCOME_AT,
    RECORD_KEY_AT,
    SEQUENCE_AT,
    STATE_AT,
    VERSION_AT,
    ClockEvent,
    Outcome,
    Reason,
    decode_record,
)
from hub.core.state import (
    DECIDED_ON_AT,
    LIVE_AT,
    STATUS_AT,
    RecordState,
    Status,
)
from hub.core.state import VERSION_AT as STATE_VERSION_AT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hub.contracts import Contracts
    from hub.core.basis import Basis
    from hub.core.causes import Submission, WalkVisit
    from hub.core.record import LedgerRecord

WALK_TOPIC: Final = "walk:"
"""A step's cause: this and the sequence of the request, sixteen hexadecimal digits."""
ALL_DAYS: Final = (0, (1 << 32) - 1)
_GONE_LETTERS: Final = frozenset(b"WM")
_TAKES_DOWN: Final = frozenset({ord(Outcome.WITHDRAWN.value), ord(Outcome.HELD_RELEASED.value)})
_UNSEEN: Final = frozenset({Status.QUARANTINED, Status.HELD})


class Walk(NamedTuple):
    """Purpose of a resend; days of decision are proleptic ordinals, inclusive."""

    targets: int
    """Bit per target that is brought in line."""
    is_resend: bool = False
    """Whether what has not changed is named again, too."""
    days: tuple[int, int] = ALL_DAYS
    document_key: str = ""
    """Normalised document number, empty for all."""
    listed: int = 0
    """Bit per target whose own entry says from when it owes what: its duties count from the
    decision. Where a rule alone brings a record to a target, they count from the day it does."""
    anew: frozenset[tuple[int, str]] = frozenset()
    """Targets, by number, that see other columns of a kind than before: named as a next version."""
    rule: str = ""
    """Id of the rule whose decisions are made again; what has ended is decided again, too."""
    kinds: frozenset[str] = frozenset()
    """Kinds of record it is about, empty for all."""

    def pack(self) -> bytes:
        """The stored bytes."""
        return json.dumps(dict(self.as_facts())).encode()

    @classmethod
    def unpack(cls, stored: bytes) -> Walk:
        """Read what `pack` wrote."""
        return cls._of(json.loads(stored))

    def as_facts(self) -> tuple[tuple[str, str], ...]:
        """As a ledger record says it."""
        facts = [("targets", str(self.targets))]
        if self.is_resend:
            facts.append(("resend", "1"))
        if self.days != ALL_DAYS:
            facts += [("from", str(self.days[0])), ("to", str(self.days[1]))]
        if self.document_key:
            facts.append(("document", self.document_key))
        if self.listed:
            facts.append(("listed", str(self.listed)))
        if self.anew:
            facts.append(("anew", " ".join(f"{n}/{kind}" for n, kind in sorted(self.anew))))
        if self.rule:
            facts.append(("rule", self.rule))
        if self.kinds:
            facts.append(("kinds", " ".join(sorted(self.kinds))))
        return tuple(facts)

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Walk | None:
        """Read the request in a ledger record; None when it begins no resend."""
        return cls._of(facts) if "targets" in facts else None

    @classmethod
    def _of(cls, facts: Mapping[str, str]) -> Walk:
        pairs = (pair.split("/", 1) for pair in facts.get("anew", "").split())
        return cls(
            int(facts["targets"]),
            facts.get("resend") == "1",
            (int(facts.get("from", ALL_DAYS[0])), int(facts.get("to", ALL_DAYS[1]))),
            facts.get("document", ""),
            int(facts.get("listed", 0)),
            frozenset((int(number), kind) for number, kind in pairs),
            facts.get("rule", ""),
            frozenset(facts.get("kinds", "").split()),
        )

    @property
    def is_adoption(self) -> bool:
        """Whether an adopted basis began it, not a person."""
        return not (self.is_resend or self.rule)

    def includes(self, decided_on: int) -> bool:
        """Whether it is about decisions of this day."""
        return self.days[0] <= decided_on <= self.days[1]

    def anew_of(self, kind: str) -> int:
        """Bit per target that sees other columns of this kind than before."""
        return sum(1 << number for number, named in self.anew if named == kind)


class Reprojected(NamedTuple):
    """Decision of a resend on one record."""

    outcome: Outcome
    state: RecordState | None
    version: int = 0
    publish: int = 0
    withdraw: int = 0
    reasons: tuple[Reason, ...] = ()
    events: tuple[ClockEvent, ...] = ()
    anew: int = 0
    """Bit per target that shows the record already and is named for it as a next version."""


# --- where a record is looked at ---


def record_in(raw: bytes) -> bytes | None:
    """The key of the record a packed ledger record changed; None when it changed none."""
    key = raw[RECORD_KEY_AT : RECORD_KEY_AT + 16]
    return key if raw[STATE_AT - 1] and key != NO_KEY else None


def is_place(raw: bytes, state: bytes, walk: Walk) -> bool:
    """Whether its record is looked at in this ledger record; `state` is as stored.

    Each record has one place: where its version came from, or where it was taken down. Records
    decided after the request lie behind the scan, and were named as today's basis says already.
    """
    decided_on = int.from_bytes(state[DECIDED_ON_AT : DECIDED_ON_AT + 4])
    if not walk.includes(decided_on):
        return False
    if state[STATUS_AT] in _GONE_LETTERS:
        return (
            raw[OUTCOME_AT] in _TAKES_DOWN
            and raw[VERSION_AT : VERSION_AT + 4] == state[STATE_VERSION_AT : STATE_VERSION_AT + 4]
        )
    return raw[SEQUENCE_AT : SEQUENCE_AT + 8] == state[LIVE_AT : LIVE_AT + 8]


def found_in(raw: bytes, contracts: Contracts) -> bytes:
    """Return what there is to send: the framed row, the reason of a withdrawal, or nothing."""
    record = decode_record(raw)
    if record.outcome is Outcome.WITHDRAWN:
        return record.cause.value
    if record.outcome is Outcome.HELD_RELEASED and record.row:
        return record.row
    if record.state is None or record.state.status is not Status.LIVE:
        return b""
    return row_of(record, contracts)


def row_of(record: LedgerRecord, contracts: Contracts) -> bytes:
    """The framed row a ledger record publishes: its own, its cause's, or inside its cause."""
    if record.row:
        return record.row
    decoded = contracts.decode_framed(record.cause.value)
    if isinstance(decoded, Fault) or decoded[0].is_row:
        return record.cause.value
    inner = decoded[1]["row"]
    return inner if isinstance(inner, bytes) else inner.encode()


# --- what is said of it ---


def reproject(
    visit: WalkVisit, walk: Walk, old: RecordState, now: int, basis: Basis
) -> Reprojected | None:
    """Bring the targets in line with what they shall show and owe now; None: no change.

    A target that shall show the record and does not is named. One that shows it and shall not
    withdraws it. One that sees other columns than before is named for a next version. A resend also
    names what has not changed again: same version, no clock touched.
    """
    if not walk.includes(old.decided_on) or (walk.kinds and old.kind not in walk.kinds):
        return None
    again = read_again(visit.cause, visit.row, old.department, old.kind, now, basis)
    again.decided_on = old.decided_on
    if again.checked is not None and again.row and again.content != old.content:
        is_row = again.checked.schema.subject not in ("record", "row")
        if is_row:
            again.warn("CONTENT_READS_OTHERWISE", "row")
    number = again.checked.document_key if again.checked is not None else ""
    if walk.document_key and walk.document_key != number:
        return None
    if again.has_errors:
        return Reprojected(Outcome.REPROJECTED, None, reasons=again.reasons)
    if old.status is Status.LIVE:
        return _in_force(again, walk, old, now, basis)
    if old.status in _UNSEEN:
        return _unseen(walk, old, now, basis)
    return _gone(again, walk, old, now, basis)


def _in_force(
    again: Submission, walk: Walk, old: RecordState, now: int, basis: Basis
) -> Reprojected | None:
    """Decide for a record in force."""
    shall, why = basis.targets_for(again, now)
    if not walk.rule:
        shall &= ~duties.ended_publications(old)
    shall &= walk.targets
    shown = old.publish & walk.targets
    anew = shall & shown & walk.anew_of(old.kind)
    reasons = again.reasons + why
    if anew or shall != shown:
        line = _Line(shall & ~shown, shown & ~shall, anew, shall & shown & ~anew)
        changed = _changed(again, walk, old, line, now, basis)
        return _with_reason(walk, changed._replace(reasons=reasons))
    if walk.is_resend:
        return _named_again(old, shall, old.named & walk.targets & ~shall, reasons)
    due = duties.in_line(old, again, shall, now, basis, is_redecided=bool(walk.rule))
    return _with_reason(walk, _with_clocks(old, due, reasons))


class _Line(NamedTuple):
    """Changes for a record in force at the targets of a resend; a bit per target."""

    publish: int
    withdraw: int
    anew: int
    kept: int


def _with_reason(walk: Walk, found: Reprojected | None) -> Reprojected | None:
    """Give the reason of an unsubmitted change; a resend was asked for and needs no reason."""
    if found is None or walk.is_resend:
        return found
    reason = Reason("BASIS_CHANGED", "", "warning")
    if walk.rule:
        reason = Reason("REDECIDED", walk.rule, "warning")
    return found._replace(reasons=(*found.reasons, reason))


def _changed(
    again: Submission, walk: Walk, old: RecordState, line: _Line, now: int, basis: Basis
) -> Reprojected:
    """Name targets for a next version: the first time, once more, or for withdrawal.

    What a platform says of a version is believed from the moment at which the version began.
    """
    version = old.version + 1
    publish, withdraw = line.publish | line.anew, line.withdraw
    running = duties.running_disclosures(old, line.anew)
    late = 0 if walk.rule or walk.is_resend else ~walk.listed
    fresh = running + duties.of_naming(
        old, old.kind, publish & ~duties.targets_of(running), old.decided_on, version, now, basis,
        late=late,
    )  # fmt: skip
    fresh += duties.expiry(basis, again, publish)
    events: tuple[ClockEvent, ...] = ()
    if (line.kept or walk.rule) and not walk.is_resend:
        kept = duties.in_line(old, again, line.kept, now, basis, is_redecided=bool(walk.rule))
        old, events = old._replace(clocks=kept.clocks), kept.events
    over = duties.over(basis, again, withdraw, now)
    due = duties.of_narrowed(old, publish, withdraw, fresh + over.clocks, now, basis)
    state = old._replace(
        version=version,
        since=now,
        revised=duties.revisions(old, version, now, corrects=bool(publish & old.named)),
        named=old.named | publish,
        publish=(old.publish | publish) & ~withdraw,
        clocks=due.clocks,
        stages=duties.named_stages(old, publish, withdraw, version),
    )
    return Reprojected(
        Outcome.REPROJECTED, state, version, publish, withdraw,
        events=events + over.events + due.events, anew=line.anew,
    )  # fmt: skip


def _named_again(
    old: RecordState, publish: int, withdraw: int, reasons: tuple[Reason, ...]
) -> Reprojected | None:
    """The same once more, under the version the target was named for last; nothing changes."""
    stage = next((s for s in old.stages if (publish | withdraw) >> s.target & 1), None)
    if stage is None:
        return None
    return Reprojected(Outcome.RESENT, old, stage.version, publish, withdraw, reasons)


def _unseen(walk: Walk, old: RecordState, now: int, basis: Basis) -> Reprojected | None:
    """Give a hidden row the duties of a visible one, and none elsewhere."""
    if walk.is_resend:
        return None
    events: tuple[ClockEvent, ...] = ()
    if walk.rule:
        judged = duties.judged_again(old, now, basis)
        old, events = old._replace(clocks=judged.clocks), judged.events
    due = duties.of_unseen(old, walk.targets, basis)
    return _with_reason(walk, _with_clocks(old, due._replace(events=events + due.events), ()))


def _gone(
    again: Submission, walk: Walk, old: RecordState, now: int, basis: Basis
) -> Reprojected | None:
    """Withdraw a taken-down record once more where asked; whether it was in time may change."""
    if walk.is_resend:
        return _named_again(old, 0, old.named & walk.targets, again.reasons)
    if not walk.rule:
        return None
    return _with_reason(walk, _with_clocks(old, duties.judged_again(old, now, basis), ()))


def _with_clocks(
    old: RecordState, due: duties.Due, reasons: tuple[Reason, ...]
) -> Reprojected | None:
    """The same record with other clocks; nothing where they say nothing."""
    if not due.events:
        return None
    state = old._replace(clocks=due.clocks)
    return Reprojected(Outcome.REPROJECTED, state, reasons=reasons, events=due.events)
