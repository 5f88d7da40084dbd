"""The basis of a decision: rulebook, calendar, site and contracts, by content hash.

A basis is one JSON document, adopted by a control record in each partition and kept there for
ever, so that a replay years later decides under what was in force then. `compile_basis` turns the
document into what `decide` needs, with caches for what repeats.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

from hub.contracts import Contracts, load_contracts
from hub.contracts.schema import FieldRole
from hub.core.keys import FREED
from hub.core.offices import Offices
from hub.core.progress import Progress
from hub.core.record import Cause, Reason
from hub.domain.calendar import WorkingCalendar
from hub.domain.code_lists import OPENNESS, read_code
from hub.domain.dates import day_start_ms, due_at_ms
from hub.domain.kinds import WITHDRAWN
from hub.domain.rulebook import Deadlines, PublicationEnd, Rulebook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hub.contracts import Checked
    from hub.core.causes import Submission
    from hub.core.state import Clock

DECIDER_VERSION: Final = "1"
"""Changed behaviour of `decide` is a new version once one has been released."""
DECIDERS: Final = frozenset({DECIDER_VERSION})
"""Versions of rules this program can decide under. A new one joins those in force somewhere."""
NO_TARGET: Final = 255
_NUMBERS: Final = 64
"""Bits of the ledger's masks."""
_CACHE_LIMIT: Final = 50_000
_SHANGHAI: Final = timedelta(hours=8)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PUBLIC_WITHHELD: Final = (Reason("WITHHELD_FROM_PUBLIC", "", "warning"),)
_PERIOD_OVER: Final = (Reason("DISCLOSURE_PERIOD_OVER", "", "warning"),)
_PERIOD_CAPPED: Final = (Reason("DATE_PUBLICATION_TOO_LONG", "CF_GSJZQ", "warning"),)
_SHOWN_NOWHERE: Final = (Reason("SHOWN_NOWHERE", "", "warning"),)
_SHOWN_IN_PART: Final = (Reason("SHOWN_IN_PART_BY_DECLARATION", "openness", "warning"),)
_NOT_SHOWN: Final = (Reason("NOT_SHOWN_BY_DECLARATION", "openness", "warning"),)


def canonical_json(document: object) -> bytes:
    """JSON with sorted keys and no blanks, UTF-8: equal content, equal bytes."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


class BasisTarget(NamedTuple):
    """A target, as `decide` knows it."""

    id: str
    number: int
    role: str
    is_public: bool
    kinds: frozenset[str]
    clock_from: int
    """Proleptic ordinal: earlier decisions have no deadline here."""
    clearance: frozenset[str]


class Basis:
    """A compiled basis; every method is a function of the document and its arguments."""

    def __init__(self, document: Mapping[str, object], contracts: Contracts) -> None:
        self.document = document
        self.id = basis_id_of(canonical_json(document))
        self.contracts = contracts
        self.row_kinds = frozenset(contracts.row_kinds)
        self.decider = str(document["decider"])
        site = _mapping(document["site"])
        self.partitions = int(str(site["partitions"]))
        self.rulebook = Rulebook.from_mapping(document["rulebook"])
        self.calendar = WorkingCalendar.from_mapping(document["calendar"])
        self.deadlines = Deadlines(self.rulebook, self.calendar)
        departments = {n: _mapping(d) for n, d in _mapping(site["departments"]).items()}
        self._offices = Offices(departments)
        self._statable = {
            name: contracts.statable_kinds(str(d["kind"]), _texts(d["states"]))
            for name, d in departments.items()
        }
        self._agents = frozenset(n for n, d in departments.items() if d["kind"] == "agent")
        self.targets = tuple(_target(_mapping(t)) for t in _sequence(site["targets"]))
        self.numbers = sum({1 << t.number for t in self.targets})
        """Bit per target the site has."""
        self._by_number = {t.number: t for t in self.targets}
        self._numbers = {t.id: t.number for t in self.targets}
        if not len(self._numbers) == len(self._by_number) == len(self.targets):
            message = "basis: two targets share a name or a number"
            raise ValueError(message)
        self._stops_acknowledged = {
            t.number for t in self.targets if self.rulebook.stops_at(t.role) == "acknowledged"
        }
        self._ruled_kinds = frozenset(
            kind for rule in self.rulebook.withholding for kind in rule.kinds
        ) | frozenset(kind for rule in self.rulebook.publication_periods for kind in rule.kinds)
        schemas = [contract.schema for contract in contracts.by_kind.values()]
        self._agent_kinds = frozenset(s.kind for s in schemas if s.submitted_by == "agent")
        self._follows = {schema.kind: schema.follows for schema in schemas if schema.follows}
        self._openness = {
            schema.kind: schema.index_of_role(FieldRole.OPENNESS)
            for schema in schemas
            if any(field.role is FieldRole.OPENNESS for field in schema.fields)
        }
        self._unshown = frozenset(s.kind for s in schemas if not s.is_shown)
        self._progress = {
            schema.kind: (
                schema.index_of_role(FieldRole.PERFORMANCE),
                schema.index_of_role(FieldRole.RECOGNISED_ON),
            )
            for schema in schemas
            if schema.follows and any(f.role is FieldRole.RECOGNISED_ON for f in schema.fields)
        }  # fmt: skip
        self._public = sum(1 << t.number for t in self.targets if t.is_public)
        self.clocks: dict[tuple[str, int, int], tuple[Clock, ...]] = {}
        """Disclosure clocks by kind, decision date and targets; see `hub.core.duties`."""
        self._of_kind: dict[str, int] = {}
        self._day = (0, 0, date.min)

    # --- the site ---

    def authorities_of(self, department: str) -> frozenset[str] | None:
        """Authority codes a department submits for; None when the site does not know it."""
        return self._offices.authorities.get(department)

    def may_act_on(self, actor: str, owner: str) -> bool:
        """Whether a department may correct, withdraw or move records of other departments."""
        return self._offices.may_act_on(actor, owner)

    def heir_of(self, department: str) -> str:
        """Who acts for a department: itself, or who succeeded it in the end."""
        return self._offices.lineage(department)[-1]

    def codes_of(self, code: str) -> tuple[str, ...]:
        """Codes under which an authority's records may be, the oldest first; new ones go there."""
        return self._offices.codes.get(code) or (code,)

    def senders_of(self, department: str, code: str) -> tuple[tuple[str, str], ...]:
        """Department and code as whose a row may have been quarantined, the oldest first."""
        return self._offices.senders(department, self.codes_of(code))

    def is_closed(self, department: str, partition: int, offset: int) -> bool:
        """Whether a submission came after its department was retired."""
        return self._offices.is_closed(department, partition, offset)

    def statable_kinds(self) -> frozenset[str]:
        """Kinds that some department of the site may state."""
        return frozenset().union(*self._statable.values())

    def may_state(self, department: str, kind: str, subject_kind: str) -> bool:
        """Whether a department may submit a kind (of, or about, `subject_kind`).

        A statement about a kind needs the permission for that kind; one that no department has is
        refused. An agent's statement may be withdrawn by an agent and by who may act on one.
        """
        if subject_kind in self._agent_kinds and kind == WITHDRAWN:
            return any(self.may_act_on(department, agent) for agent in self._agents)
        if department in self._agents and kind != subject_kind:
            return False
        return not self._statable.get(department, frozenset()).isdisjoint((kind, subject_kind))

    def target_number(self, target: str) -> int:
        """Number of a target by its name, `NO_TARGET` when the site does not know it."""
        return self._numbers.get(target, NO_TARGET)

    def target(self, number: int) -> BasisTarget:
        """The target with this number; raises `KeyError`."""
        return self._by_number[number]

    def target_or_none(self, number: int) -> BasisTarget | None:
        """The target with this number; None when the site does not have it."""
        return self._by_number.get(number)

    def stops_at_acknowledged(self, number: int) -> bool:
        """Whether this target's duty is met once the platform has taken the record over."""
        return number in self._stops_acknowledged

    def subject_of(self, kind: str) -> str:
        """`licence` of `licence.granted.v1`: versions and actions share one identity."""
        return kind.partition(".")[0]

    def followed_by(self, kind: str) -> str:
        """The kind whose live record a row of this kind makes a new version of, or ""."""
        return self._follows.get(kind, "")

    def progress_of(self, checked: Checked) -> Progress | None:
        """How far a commitment has been performed as a row says; None where it does not."""
        places = self._progress.get(checked.schema.kind)
        if places is None:
            return None
        status, on = (checked.values[place] for place in places)
        return Progress.read(status, date.fromisoformat(on) if on else None)

    def targets_of_kind(self, kind: str) -> int:
        """Bit per target that shows this kind."""
        if kind not in self._of_kind:
            self._of_kind[kind] = sum(1 << t.number for t in self.targets if kind in t.kinds)
        return self._of_kind[kind]

    def targets_for(self, s: Submission, now: int) -> tuple[int, tuple[Reason, ...]]:
        """Bit per target that shall show a row, and why some shall not."""
        kind = s.subject_kind
        every = self._of_kind.get(kind)
        if every is None:
            every = self.targets_of_kind(kind)
        checked = s.checked
        if checked is None or not every:
            return every, () if every or kind in self._unshown else _SHOWN_NOWHERE
        declared: tuple[Reason, ...] = ()
        if kind in self._openness:
            every, declared = self._declared_open(every, checked.values[self._openness[kind]])
        if kind not in self._ruled_kinds or checked.decided_on is None:
            return every, declared
        procedure = "01" if checked.simple_procedure else ""
        rule = self.rulebook.withheld_by(kind, checked.decided_on, procedure, checked.seriousness)
        end = self.publication_end(s)
        is_over = end is not None and due_at_ms(end.on) <= now
        if end is not None and end.is_everywhere and is_over:
            return 0, declared + _PERIOD_OVER
        if rule or is_over:
            return every & ~self._public, declared + (_PUBLIC_WITHHELD if rule else _PERIOD_OVER)
        return every, declared + _PERIOD_CAPPED if end is not None and end.is_capped else declared

    def _declared_open(self, every: int, openness: str) -> tuple[int, tuple[Reason, ...]]:
        """公开类型: everywhere, only where the public does not look, or nowhere.

        An unreadable row is shown nowhere: it has its own error and never comes this far.
        """
        match read_code(OPENNESS.name, openness).code:
            case "PUBLIC":
                return every, ()
            case "RESTRICTED":
                return every & ~self._public, _SHOWN_IN_PART
            case _:
                return 0, _NOT_SHOWN

    # --- clocks ---

    def day_of(self, now: int) -> date:
        """The business day in Asia/Shanghai of a moment."""
        begin, end, day = self._day
        if not begin <= now < end:
            day = (_EPOCH + timedelta(milliseconds=now) + _SHANGHAI).date()
            self._day = (day_start_ms(day), due_at_ms(day), day)
        return day

    def remember_clocks(self, case: tuple[str, int, int], found: tuple[Clock, ...]) -> None:
        """Keep clocks for the next decision of this date; bounded."""
        if len(self.clocks) >= _CACHE_LIMIT:
            self.clocks.clear()
        self.clocks[case] = found

    def publication_end(self, s: Submission) -> PublicationEnd | None:
        """When publication of a row ends by itself; None where no rule ends it."""
        checked = s.checked
        if s.subject_kind not in self._ruled_kinds or checked is None or checked.decided_on is None:
            return None
        return self.rulebook.publication_end(
            s.subject_kind, checked.decided_on, checked.seriousness, checked.expires_on
        )


def compile_basis(document: Mapping[str, object]) -> Basis:
    """Compile a basis document. Raises `ConfigurationError` or pydantic's `ValidationError`."""
    texts = tuple((name, str(text)) for name, text in _mapping(document["contracts"]).items())
    return Basis(document, _compiled_contracts(texts))


@lru_cache(maxsize=4)
def _compiled_contracts(texts: tuple[tuple[str, str], ...]) -> Contracts:
    """The contracts of these texts: most adopted bases change others than them."""
    return load_contracts(dict(texts))


def _target(content: Mapping[str, object]) -> BasisTarget:
    number = int(str(content["number"]))
    if not 0 <= number < _NUMBERS:
        message = "basis: a target's number is out of range"
        raise ValueError(message)
    return BasisTarget(
        str(content["id"]),
        number,
        str(content["role"]),
        bool(content["public"]),
        frozenset(_texts(content["kinds"])),
        date.fromisoformat(str(content["clock_from"])).toordinal(),
        frozenset(_texts(content["clearance"])),
    )


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        message = "basis: a mapping was expected"
        raise TypeError(message)
    return value


def _sequence(value: object) -> Sequence[object]:
    if not isinstance(value, (list, tuple)):
        message = "basis: a list was expected"
        raise TypeError(message)
    return value


def _texts(value: object) -> list[str]:
    return [str(item) for item in _sequence(value)]


def basis_id_of(canonical: bytes) -> bytes:
    """The id of a basis: first 16 bytes of SHA-256 over its canonical JSON."""
    return sha256(canonical).digest()[:16]


class BasisAdoption:
    """A basis to decide under from here on.

    A plain class: a named tuple, compiled, would want `Basis` while it is still being loaded.
    """

    keys: tuple[bytes, ...]

    def __init__(self, cause: Cause, kind: str, basis_id: bytes, basis: Basis) -> None:
        self.keys = (FREED,)
        self.cause = cause
        self.kind = kind
        self.basis_id = basis_id
        self.basis = basis
