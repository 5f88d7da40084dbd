"""Print docs/life.md: the lives of a record and of a delivery, from the tables that decide them.

    python -m tools.life_page > docs/life.md

A test compares the page with what this prints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hub.core import waiting
from hub.core.life import TABLE, Effect, LifeRule, Standing, Statement, When
from hub.core.state import SOURCES_KEPT
from hub.domain.reasons import REASONS
from hub.engine import courier_life as delivery

if TYPE_CHECKING:
    from enum import Enum

_STANDINGS: Final = {
    Standing.NONE: "无记录",
    Standing.AWAITED: "有报送在等待",
    Standing.QUARANTINED: "待改正",
    Standing.LIVE: "有效",
    Standing.WITHDRAWN: "已撤下",
    Standing.TAKEN_BACK: "未生效即撤回",
    Standing.MOVED: "已迁出",
}
_STATEMENTS: Final = {
    Statement.ROW: ("a row", "记录", "any row kind"),
    Statement.PERFORMANCE: ("a performance", "履行认定", "a kind that follows another"),
    Statement.CORRECTION: ("a correction", "更正", "`record.corrected.v1`"),
    Statement.WITHDRAWAL: ("a withdrawal", "撤回", "`record.withdrawn.v1`"),
    Statement.EXIT: ("an exit", "退出名单", "a kind that takes another down, dated"),
    Statement.DEPARTURE: ("a departure", "迁出", "`record.moved_out.v1`"),
    Statement.ARRIVAL: ("an arrival", "迁入", "`record.moved_in.v1`"),
    Statement.RESTORATION: ("a restoration", "恢复公示", "`record.restored.v1`"),
}
_HEAD: Final = """\
# The life of a record

Printed from `hub/core/life.py` by `python -m tools.life_page`; never edited by hand.

A *record* is one decision about one subject: kind, authority, document number, name, credit code.
It stands somewhere; a *statement* about it is decided by the table below: the first line whose
condition holds gives the outcome, the reason and the effect. The laws behind the table:

1. A decision is live under one identity at a time, and none is lost on the way to another.
2. Nothing older changes or shows anything newer.
3. What was taken down comes back only by a new, declared act.
4. What comes before what it is about waits for it.
5. A duty begins when the law says, ends exactly once, and is nobody's fault by accident.
6. Clocks are believed within bounds.
7. Only who may state a kind states it, and a record keeps its owner.
8. Every submission gets its own answer.

## Where a record stands

"""
_BEFORE: Final = """\

## Before the table

- **The same number again.** The same statement (content, kind, source version, status) is a
  *duplicate* (`REPEATED_SUBMISSION`) with the first receipt. Once the basis or the record has
  changed since, or the departure that an arrival needs was made, what took no effect is decided
  once more: what was *quarantined*, *conflicting* or *superseded*; what waited in vain always. What
  took effect (a *duplicate*, too) is never done twice. An old number undoes nothing: what was
  superseded by its version or its date is so still; a restoration or an arrival that was first sent
  before a take-down stays a repetition, and a plain row comes back only where its date or its
  source's version says that it is later. Anything else under a used number is *quarantined*
  (`SUBMISSION_NUMBER_REUSED`); the first receipt stands. A partition knows the numbers used in it:
  one used again for a company in another partition gets an answer of its own there, and the next
  audit names both (`TWO_PRIMARY_OUTCOMES`).
- **A fault** (contract, key, authority, a kind the department may not state) is *quarantined* with
  every reason. If it carries a row, and nothing else is on record, its duties run; what can never
  be accepted (natural persons while not enabled, kinds that are not the sender's) owes nothing.
- **Order.** A record remembers, per source (department and stream), the greatest version that took
  effect or confirmed it, of those who may act for its owner. *Older* is what has a smaller one of
  the same source; between sources arrival decides. The memory never falls: faulty and refused
  statements and another department's equal row leave it alone, and nothing is forgotten to make
  room. Once {sources} sources are remembered, a further one is taken as one without versions, and
  told so (`SOURCES_TOO_MANY`). A version that reads as a moment more than a day after its arrival
  is no order (`SOURCE_VERSION_IN_FUTURE`).

## What is decided

"""
_AFTER: Final = """\
## What waits

At most {most} statements of one department wait for one record, and as many arrivals of whomever;
in all no more than the rulebook allows of one department (`held.most_per_department`). Each has a
clock of its own (`held.days`). When a row is on record, what waited is decided as if it arrived
now, the oldest first, each in a ledger record of its own (`held_released`, or `held_ended` where it
was refused); until then the row names no target.
Whether the sender may say it is asked again; whether its version is one is judged by its arrival.
An arrival waits for the verdict on its move, whatever is on record; an exit dated before the entry
is about another entry. At the end of its wait a performance is accepted alone, an arrival and
whatever else carries a row stays in quarantine, and all others end without effect.

## Duties

A duty is (record, target, what is owed). Disclosure counts from the decision date; without one that
can be (unreadable, or after the day of arrival) from the first arrival, marked as estimated. A new
version goes on with what was not met; where it was met, the correction has its own time from the
day of its acceptance; a target named for the first time counts from the decision, or from the day
of redetermination that the correction names. A withdrawal is owed at every target that any version
was named for, and stays owed through later versions. A restored record has the time of a
correction at every target that was named before. A duty ends *met* (late at or after the end of its
last day), or is *lifted*: the record was taken down, or a good row answered the one in quarantine.
Platforms' times are believed between the naming of the version and now.

When a basis with another calendar or other deadlines is adopted, every running clock is counted
again; an *overdue* whose day now lies ahead is taken back by a record of its own, and rings again.

After every adoption what a target shows and owes is what this basis says of the record: a walk over
the ledger names what shall be shown, takes down what shall not, names a next version where a target
sees other columns now, begins, lifts and meets duties by the target's own entry, and moves the ends
of publication ([0022](adr/0022-adoption.md)). What has ended stays ended, what was met stays met,
until the operators have a rule's decisions made again. No clock rings in a partition while that
walk is under way: what the new basis no longer shows would be overdue by its shorter deadline.

A good row answers what is quarantined under another key with the same department, authority,
number and name: in the same partition at once; in another, or where the good row was there first,
within a minute, by the reconciler, which finds both in the look-ups and submits `duty.lifted.v1` to
the partition of the refused row. What was accepted once has answered, whatever became of it since.
A row that was refused once more owes once more and is answered
once more. A row in a wrong partition is a record of its own. A row that could not be read has no
identity to be compared by: the good row that follows it does not end its duties.
"""

_DELIVERY: Final = """\

# The life of a delivery

Printed from `hub/engine/courier_life.py`. A *delivery* is one naming of a target in the ledger; it
stands in one state. What happens to it is looked up below by its state and by whether the ledger
names something *newer* of its record. What is not listed changes nothing.

- Only the newest is sent. What a newer one follows is left out when nothing of it can happen at
  the platform. The newer one waits while it may be happening: until its fate is known, or for the
  longest effect of its last request, which counts from its intent, over restarts, too. Then the
  older one is *overtaken*, never sent again, and followed for 30 days.
- A sign of what was overtaken sends the newer one once more, when it has ended, as a delivery of
  its own id. Not a publication that is handed over: what answers in order says the older one first.
- Order: questions about what may be happening; withdrawals, one department after the other;
  corrections; the earliest deadline; what is followed or parked; what has no clock. Of five
  requests one goes to what is due within a day, one to what is followed or parked.
- A stage is reported once; *parked* again only after another one.

"""


def document() -> str:
    """The whole page."""
    parts = [_HEAD]
    parts += [f"- **{s.name.lower()}** {zh}: {s.value}\n" for s, zh in _STANDINGS.items()]
    parts.append("\n" + _picture() + "\n")
    parts.append(_BEFORE.format(sources=SOURCES_KEPT))
    for statement, (name, zh, kind) in _STATEMENTS.items():
        parts.append(f"### {name[0].upper()}{name[1:]} {zh}\n\n{kind[0].upper()}{kind[1:]}.\n\n")
        parts.append(_table(statement))
    parts.append(_AFTER.format(most=waiting.MOST_PER_RECORD))
    parts.append(_DELIVERY)
    parts += [f"- **{_words(state)}**: {words}\n" for state, words in delivery.MEANING.items()]
    parts += [_happening(happening) for happening in delivery.Happening]
    return "".join(parts)


def _words(one: Enum) -> str:
    return one.name.lower().replace("_", " ")


def _happening(happening: delivery.Happening) -> str:
    """What follows from one happening; states with the same lines share them."""
    shared: dict[tuple[str, str, str, str], list[str]] = {}
    for state in delivery.State:
        alone, followed = (delivery.TABLE[state, happening, newer] for newer in (False, True))
        cells = {newer: _follows(state, line) for newer, line in ((0, alone), (1, followed))}
        ifs = [("–", cells[0])] if cells[0] == cells[1] else [("no", cells[0]), ("yes", cells[1])]
        for newer, cell in ifs:
            if cell != ("–", "–", "–"):
                shared.setdefault((newer, *cell), []).append(_words(state))
    rows = [
        f"| {', '.join(states)} | {newer} | {after} | {do} | {tell} |\n"
        for (newer, after, do, tell), states in shared.items()
    ]
    head = "| it is | newer | then it is | to do | told |\n|---|---|---|---|---|\n"
    return f"\n### {happening.value[0].upper()}{happening.value[1:]}\n\n{head}{''.join(rows)}"


def _follows(state: delivery.State, line: delivery.CourierRule) -> tuple[str, str, str]:
    after = _words(line.next) if line.next is not state else "–"
    return after, line.do.value, line.tell or "–"


def _table(statement: Statement) -> str:
    """The lines for one statement; standings with the same lines share them."""
    shared: dict[tuple[LifeRule, ...], list[Standing]] = {}
    for standing in Standing:
        shared.setdefault(TABLE[standing, statement], []).append(standing)
    rows = ["| the record is | if | outcome | reason | then |\n|---|---|---|---|---|\n"]
    for lines, standings in shared.items():
        where = ", ".join(standing.name.lower() for standing in standings)
        for line in lines:
            rows.append(
                f"| {where} | {_condition(line.when)} | {line.outcome.name.lower()} "
                f"| {_reason(line)} | {line.effect.value} |\n"
            )
            where = "″"
    return "".join(rows) + "\n"


def _condition(when: When) -> str:
    return "–" if when is When.ALWAYS else when.value


def _reason(line: LifeRule) -> str:
    if not line.reason:
        return ""
    return f"`{line.reason}` {REASONS[line.reason].zh}"


def _picture() -> str:
    """The standings and what leads from one to the next, as a state diagram."""
    edges: dict[tuple[Standing, Standing], list[str]] = {}
    for (standing, statement), lines in TABLE.items():
        for line in lines:
            after = _next(standing, line.effect)
            if after is not None and after is not standing:
                names = edges.setdefault((standing, after), [])
                name = statement.name.lower()
                if name not in names:
                    names.append(name)
    edges.setdefault((Standing.NONE, Standing.QUARANTINED), []).append("faulty row")
    edges.setdefault((Standing.AWAITED, Standing.QUARANTINED), []).append("faulty row")
    drawn = [
        f"    {before.name} --> {after.name}: {', '.join(names)}"
        for (before, after), names in edges.items()
    ]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> NONE", *drawn, "```", ""])


def _next(standing: Standing, effect: Effect) -> Standing | None:
    """Where the record stands after an effect; None where it stays."""
    match effect:
        case Effect.SHOW | Effect.RESTORE:
            return Standing.LIVE
        case Effect.TAKE_DOWN:
            is_live = standing is Standing.LIVE
            return Standing.WITHDRAWN if is_live else Standing.TAKEN_BACK
        case Effect.LEAVE:
            return Standing.MOVED
        case Effect.WAIT:
            return Standing.AWAITED if standing is Standing.NONE else None
        case Effect.REFUSE:
            is_open = standing in (Standing.NONE, Standing.AWAITED)
            return Standing.QUARANTINED if is_open else None
        case _:
            return None


if __name__ == "__main__":
    print(document(), end="")
