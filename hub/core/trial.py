"""Whether a basis may be adopted: nothing is lost by it, and each of its rules has been run.

A rulebook is data, and what is wrong in it shows when a row meets it. So a row of each kind is
decided under the basis before it is adopted: accepted, reminded of, expired, corrected and
withdrawn. A failure here would have ended a registrar.
"""

from __future__ import annotations

import struct
from datetime import date
from typing import TYPE_CHECKING, Final

from hub.core import keys
from hub.core.basis import Basis, compile_basis
from hub.core.causes import Submission
from hub.core.decide import decide
from hub.core.keys import GENESIS
from hub.core.life import Statement
from hub.core.prepare import prepare_sweep, prepare_timer, read_again
from hub.core.record import Cause, CauseKind, encode_record
from hub.core.state import NEVER, encode_state
from hub.domain.code_lists import OPENNESS, SERIOUSNESS
from hub.domain.dates import due_at_ms
from hub.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hub.contracts import Contract
    from hub.core.prepare import Prepared
    from hub.core.record import LedgerRecord
    from hub.core.state import RecordState
    from hub.domain.rulebook import Clock

_CLOCKS: Final[tuple[Clock, ...]] = ("disclose", "correct", "withdraw")
_LAST_DAY: Final = date.max
_USUAL_DAY: Final = date(2026, 11, 2)
_RECORD: Final = bytes(15) + b"\x01"
_MORNING_MS: Final = 54_000_000
"""From the morning of a day to its end."""
_FAULTS: Final = (
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError,
    RecursionError, struct.error,
)  # fmt: skip
"""Exceptions of the code that reads a faulty document."""
_MOST_TIMERS: Final = 40
_MEMORY: Final = 256
_proven: dict[bytes, None] = {}
"""Bases whose rules have been run, by id."""


def admit(document: Mapping[str, object], before: Basis | None) -> Basis:
    """The compiled basis of a document that may be adopted after `before` (None: as the first).

    Raises `ConfigurationError` for one that cannot be read, loses something or fails at a row.
    """
    try:
        basis = compile_basis(document)
    except _FAULTS as error:
        raise _unreadable(error) from error
    refuse_unfit(basis, before)
    return basis


def refuse_unfit(basis: Basis, before: Basis | None) -> None:
    """Raise `ConfigurationError` where a basis must not follow `before`."""
    _refuse_unshown(basis, before)
    if before is not None:
        _refuse_lost_deadlines(basis, before)
    if basis.id not in _proven:
        _run(basis)
        if len(_proven) >= _MEMORY:
            _proven.clear()
        _proven[basis.id] = None


# --- what would be lost ---


def _refuse_unshown(basis: Basis, before: Basis | None) -> None:
    """A kind that may be stated, or was shown, and that no target shows.

    A site that has no target yet, and never had, only keeps the ledger: each row says so.
    """
    if not basis.targets and (before is None or not before.targets):
        return
    for kind, contract in basis.contracts.by_kind.items():
        if not contract.is_row or not contract.schema.is_shown or basis.targets_of_kind(kind):
            continue
        was_shown = before is not None and bool(before.targets_of_kind(kind))
        if was_shown or kind in basis.statable_kinds():
            raise ConfigurationError(
                f"没有任何目标平台公示 {kind}，而部门可以报送它，或此前曾公示",
                f"no target shows {kind}, which a department may state or a target showed before",
                remedy_zh="在 site.yaml 某个目标平台的 kinds 中加上它；不需公示的种类在其契约中写 "
                '"shown": false',
                remedy_en="name it under kinds of a target in site.yaml; what is never shown says "
                'so in its contract: "shown": false',
                file="site.yaml",
            )


def _refuse_lost_deadlines(basis: Basis, before: Basis) -> None:
    """A kind that a target goes on showing, and for which it owes nothing any more."""
    for target in basis.targets:
        old = before.target_or_none(target.number)
        if old is None:
            continue
        for kind in sorted(target.kinds & old.kinds):
            for clock in _CLOCKS:
                had = before.rulebook.deadline_rule(clock, kind, old.role, _LAST_DAY)
                if had is None or basis.rulebook.deadline_rule(clock, kind, target.role, _LAST_DAY):
                    continue
                raise ConfigurationError(
                    f"规则集不再规定 {kind} 在 {target.id}（{target.role}）的 {clock} 期限，"
                    f"此前为规则 {had.id}",
                    f"no rule says the {clock} deadline of {kind} at {target.id} ({target.role}) "
                    f"any more; it was {had.id}",
                    remedy_zh="在规则集中保留或补上该期限规则",
                    remedy_en="keep the deadline rule in the rulebook, or add another",
                    file="rulebook",
                )


# --- every rule is run ---


def _run(basis: Basis) -> None:
    """Decide a sample row of each kind on each day from which a rule covers it."""
    for kind in sorted({kind for target in basis.targets for kind in target.kinds}):
        contract = basis.contracts.by_kind.get(kind)
        if contract is None:
            raise _failed(kind, None, "no such contract")
        for day, seriousness in _cases(kind, basis):
            try:
                _live(_sample(contract, day, seriousness, basis), day, basis)
            except _FAULTS as error:
                raise _failed(kind, day, f"{type(error).__name__}: {error}") from error


def _cases(kind: str, basis: Basis) -> Iterator[tuple[date, str]]:
    """Each day from which a rule covers a kind, and on the last of them each class."""
    rules = [rule for rule in basis.rulebook.rules() if kind in rule.kinds]
    days = sorted({rule.effective_from for rule in rules} | {_USUAL_DAY})
    yield from ((day, "") for day in days)
    yield from ((days[-1], code.code) for code in SERIOUSNESS.codes)


def _sample(contract: Contract, day: date, seriousness: str, basis: Basis) -> Submission:
    """A row of a kind that was judged good: what a rule asks of it is as the arguments say."""
    cells = {
        field.name: OPENNESS.codes[0].label
        for field in contract.schema.fields
        if field.code_list == OPENNESS.name
    }
    cause = Cause(CauseKind.SUBMISSION, "trial", 0, b"trial", (), contract.encode(cells))
    s = read_again(cause, cause.value, "trial", contract.kind, _morning(day), basis)
    if s.checked is not None:
        s.checked = s.checked._replace(
            findings=(), ok=True, decided_on=day, expires_on=None, seriousness=seriousness,
            simple_procedure=not seriousness,
        )  # fmt: skip
    s.decided_on, s.record_key, s.submission_key = day.toordinal(), _RECORD, _RECORD
    s.statement = Statement.ROW
    return s


def _live(s: Submission, day: date, basis: Basis) -> None:
    """The life of a sample: accepted, its clocks rung to the end, corrected, counted, withdrawn."""
    now = _morning(day)
    state = _step(s, None, now, basis)
    for _timer in range(_MOST_TIMERS):
        if state is None or state.timer_at == NEVER:
            break
        now = max(now, state.timer_at)
        state = _step(prepare_timer(_RECORD, state.timer_at), state, now, basis)
    s.content = bytes(31) + b"\x01"
    for statement in (Statement.CORRECTION, Statement.WITHDRAWAL):
        s.statement = statement
        state = _step(s, state, now, basis)
        state = _step(prepare_sweep(basis.id, 0, _RECORD), state, now, basis)


def _step(cause: Prepared, old: RecordState | None, now: int, basis: Basis) -> RecordState | None:
    view = {} if old is None else {keys.record(_RECORD): encode_state(old)}
    record: LedgerRecord | None = decide(view, cause, GENESIS, now, basis)
    if record is None:
        return old
    encode_record(record)
    return record.state or old


def _morning(day: date) -> int:
    """The morning on which a decision of this day arrives: today, unless it is yet to come."""
    return due_at_ms(max(day, _USUAL_DAY)) - _MORNING_MS


# --- what is said ---


def _failed(kind: str, day: date | None, problem: str) -> ConfigurationError:
    on = "" if day is None else f"（决定日期 {day.isoformat()}）"
    on_en = "" if day is None else f" decided on {day.isoformat()}"
    return ConfigurationError(
        f"按此依据试判一条 {kind}{on} 失败：{problem}",
        f"a sample {kind}{on_en} fails under this basis: {problem}",
        remedy_zh="核对规则集中涉及该种类的规则、日历与目标平台的 kinds",
        remedy_en="check the rules for this kind, the calendar and the targets' kinds",
        file="rulebook",
    )


def _unreadable(error: Exception) -> ConfigurationError:
    problem = f"{type(error).__name__}: {error}"
    return ConfigurationError(
        f"依据无法读取：{problem}",
        f"the basis cannot be read: {problem}",
        remedy_zh="核对 site.yaml、规则集与日历：角色须在规则集中定义，键名与取值须正确",
        remedy_en="check site.yaml, rulebook and calendar: roles defined there, keys and values",
        file="rulebook",
    )
