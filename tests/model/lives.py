"""Random lives: what may happen, in what measure; and the shortest life that still goes wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from tests.driver.rows import (
    AGENTS,
    COURT,
    DEPARTMENT,
    LICENCE,
    LISTED,
    MADE,
    OTHER_DEPARTMENT,
    PENALTY,
    PERFORMED,
)
from tests.model import world
from tests.model.life import DifferenceError, Life, Line, Step

STEPS_A_LIFE = 40
DOINGS = {
    "row": 26, "correct": 10, "withdraw": 9, "exit": 5, "restore": 5, "out": 7, "in": 7,
    "finding": 1, "unreadable": 2, "garbage": 1, "lift": 2, "again": 10, "report": 16, "wait": 14,
    "adopt": 4, "crash": 2,
}  # fmt: skip
STREAMS = [f"s{number}" for number in range(18)]
"""More than a record remembers the order of."""
FAULTS = ("empty", "date", "future", "person", "code", "foreign", "spelling")
DAYS = ("2026-10-30", "2026-11-02")


def some_life(seed: int) -> tuple[int, list[Step]]:
    """The number of partitions and the steps of a life; the same for the same seed."""
    chance = Random(seed)
    # A life keeps to few kinds, so that its steps meet.
    kinds = chance.choice(
        [(LICENCE,), (PENALTY,), (LICENCE, PENALTY), (LISTED,), (MADE, PERFORMED), world.ROW_KINDS]
    )
    calm = chance.random() < 0.5
    steps = [_step(chance, kinds, calm=calm) for _ in range(STEPS_A_LIFE + chance.randrange(10))]
    if chance.random() < 0.08:
        for step in steps:
            if "company" in step and chance.random() < 0.7:
                step["stream"] = chance.choice(STREAMS[-4:])
                step.setdefault("version", chance.randrange(1, 7))
        steps = _crowd(chance, kinds[0]) + steps
    return chance.choice((1, 2, 2)), steps


def _crowd(chance: Random, kind: str) -> list[Step]:
    """About as many sources as a record remembers say the same of one record."""
    by = COURT if kind == LISTED else DEPARTMENT
    company = chance.choices([0, 1], [3, 1])[0]
    return [
        {
            "do": "row", "by": by, "kind": kind, "company": company, "number": 0, "content": 0,
            "decided_on": DAYS[0], "stream": stream, "version": chance.randrange(1, 6),
        }
        for stream in STREAMS[: chance.randrange(14, 18)]
    ]  # fmt: skip


def _step(chance: Random, kinds: tuple[str, ...], *, calm: bool) -> Step:
    do = chance.choices(list(DOINGS), list(DOINGS.values()))[0]
    makers = {"report": _report, "wait": _wait, "again": _again, "lift": _lift}
    if do in makers:
        return makers[do](chance)
    if do == "adopt":
        return {"do": do, "basis": chance.randrange(len(world.CHANGES))}
    if do == "crash":
        return {"do": do, "lose": chance.random() < 0.5}
    step = _about(chance, kinds, do) | {"do": do}
    if do in {"row", "correct", "restore", "in"}:
        step |= _content(chance, step["kind"], calm=calm)
    if do == "exit":
        step["exited_on"] = chance.choice(["", "", "2026-10-30", "2026-11-01"])
    if do == "withdraw" and chance.random() < 0.05:
        step["fault"] = "no reason"
    if do == "unreadable" and chance.random() < 0.3:
        step["cause"] = "person"
    if do in {"out", "in"}:
        step |= _move(chance, step)
    if do == "finding":
        step |= {"by": AGENTS, "for": DEPARTMENT, "content": chance.randrange(2)}
    return step


def _about(chance: Random, kinds: tuple[str, ...], do: str) -> Step:
    """Who says something of which record, and how new it is."""
    kind = chance.choice(kinds)
    if do == "exit":
        kind = LISTED
    if do == "finding" or (do == "withdraw" and kind == PERFORMED):
        kind = MADE
    by = COURT if kind == LISTED else chance.choices([DEPARTMENT, OTHER_DEPARTMENT], [5, 2])[0]
    if chance.random() < 0.01:
        by = chance.choice([COURT, AGENTS])
    step: Step = {
        "by": by, "kind": kind, "company": chance.choices([0, 1], [3, 1])[0],
        "number": chance.choices([0, 1], [3, 1])[0],
    }  # fmt: skip
    if chance.random() < 0.08:
        step["renamed"] = True
    if chance.random() < 0.3:
        step["stream"] = "b"
    if chance.random() < 0.45:
        step["version"] = chance.choice([1, 2, 3, 4, 5, 6, "future", "soon", "now"])
    if chance.random() < 0.25:
        step["together"] = True
    return step


def _content(chance: Random, kind: str, *, calm: bool) -> Step:
    content: Step = {"content": chance.choices([0, 1, 2], [5, 3, 1])[0], "decided_on": DAYS[0]}
    if chance.random() < 0.12:
        content["decided_on"] = DAYS[1]
    elif chance.random() < 0.1:
        del content["decided_on"]
        content["days_ago"] = chance.choice([0, 1, 5, 8, 30])
    if chance.random() < (0.1 if calm else 0.25):
        content["fault"] = chance.choice(FAULTS)
    if kind in {PENALTY, MADE, PERFORMED} and chance.random() < 0.35:
        content["grade"] = chance.randrange(3)
    if kind == PENALTY and chance.random() < 0.2:
        content["ends_on"] = chance.choice(["2026-12-01", "2027-02-01"])
    if kind == PERFORMED:
        content |= {"stage": chance.randrange(3), "dated": chance.random() < 0.9}
    if chance.random() < 0.06:
        content["valid"] = True
    if chance.random() < 0.1:
        content["redetermined_on"] = "2026-11-02"
    return content


def _move(chance: Random, step: Step) -> Step:
    """Half of one of a few moves; as a rule a move goes from one identity to one other."""
    number = chance.randrange(1, 7)
    pairs = [((0, 0), (1, 0)), ((1, 0), (0, 0)), ((0, 0), (0, 1)), ((0, 1), (1, 1)),
             ((0, 0), (1, 1)), ((0, 0), (0, 0))]  # fmt: skip
    (old, old_number), (new, new_number) = pairs[(number - 1) % len(pairs)]
    if chance.random() < 0.1:  # one id for two records, and an arrival of what did not leave
        number = chance.randrange(1, 7)
    if step["do"] == "out":
        return {
            "move": number, "company": old, "number": old_number, "to": new,
            "to_number": new_number,
        }  # fmt: skip
    if chance.random() < 0.05:
        new = 1 - new
    return {
        "move": number, "company": new, "number": new_number, "from": old,
        "from_number": old_number,
    }  # fmt: skip


def _report(chance: Random) -> Step:
    step: Step = {
        "do": "report", "pick": min(chance.randrange(8), chance.randrange(8)),
        "stage": chance.choices(
            ["sent", "acknowledged", "published", "refused", "withdrawn", "parked"],
            [1, 4, 6, 2, 1, 1],
        )[0],
    }  # fmt: skip
    if chance.random() < 0.8:
        step["hours_ago"] = chance.choice([0, 0, 1, 24, 24 * 9, 24 * 40, -24 * 40])
    if chance.random() < 0.3:
        step["courier_hours_ago"] = chance.choice([1, 24, 24 * 20])
    return step


def _wait(chance: Random) -> Step:
    hours = chance.choices([1, 15, 24, 24 * 3, 24 * 7, 24 * 31, 24 * 100], [4, 4, 4, 4, 3, 2, 1])
    step: Step = {"do": "wait", "hours": hours[0]}
    if chance.random() < 0.2:
        step["jump"] = True
    return step


def _lift(chance: Random) -> Step:
    step: Step = {"do": "lift", "by": AGENTS, "pick": chance.randrange(4)}
    if chance.random() < 0.1:
        step["by"] = DEPARTMENT
    if chance.random() < 0.25:
        step["any"] = True
    return step


def _again(chance: Random) -> Step:
    step: Step = {"do": "again", "back": chance.randrange(chance.choice([6, 20]))}
    if chance.random() < 0.3:
        step["other"] = chance.randrange(1, 6)
    elif chance.random() < 0.2:
        step["version"] = chance.randrange(1, 9)
        step["valid"] = chance.random() < 0.5
    return step


# --- living --------------------------------------------------------------------------------------


@dataclass
class Failure:
    """A life in which the two differ, told as far as that."""

    seed: int
    partitions: int
    lines: list[Line]
    difference: DifferenceError


@dataclass
class LivesTally:
    """What some lives were made of."""

    lives: int = 0
    steps: int = 0
    said: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)


def attempt(partitions: int, steps: list[Step], tally: LivesTally | None = None) -> Failure | None:
    """Live a life; the failure it ends in, if it does."""
    life = Life(partitions)
    found = None
    try:
        life.live(steps)
    except DifferenceError as difference:
        found = Failure(0, partitions, life.lines, difference)
    if tally is not None:
        tally.lives += 1
        tally.steps += len(life.lines)
        tally.said.update(life.said)
        tally.outcomes.update(life.hub.outcomes)
    return found


def live_many(seed: int, count: int, *, most_failures: int = 5, shrink: bool = True) -> LivesTally:
    """Live lives `seed` to `seed + count - 1`; failures are shrunk."""
    tally = LivesTally()
    for number in range(seed, seed + count):
        partitions, steps = some_life(number)
        found = attempt(partitions, steps, tally)
        if found is not None:
            if shrink:
                found = shrunk(partitions, steps[: len(found.lines)], found)
            found.seed = number
            tally.failures.append(found)
            if len(tally.failures) >= most_failures:
                break
    return tally


def shrunk(partitions: int, steps: list[Step], found: Failure) -> Failure:
    """The shortest life found that differs in the same thing."""
    what = _category(found)

    def still(tried: list[Step], places: int) -> Failure | None:
        failure = attempt(places, tried)
        return failure if failure is not None and _category(failure) == what else None

    alone = still(steps, 1) if partitions > 1 else None
    if alone is not None:
        partitions, found = 1, alone
    size = max(1, len(steps) // 2)
    while True:
        at = 0
        while at < len(steps):
            tried = steps[:at] + steps[at + size :]
            failure = still(tried, partitions)
            if failure is not None:
                steps, found = tried, failure
            else:
                at += size
        if size == 1:
            break
        size //= 2
    return _plainer(partitions, steps, found, still)


def _plainer(partitions: int, steps: list[Step], found: Failure, still: Any) -> Failure:  # noqa: ANN401 - a local test
    """Leave out whatever a step says that does not matter."""
    needed = {"do", "by", "kind", "company", "number", "move", "to", "to_number", "from",
              "from_number", "pick", "stage", "hours", "basis", "lose", "back", "for", "content",
              "decided_on"}  # fmt: skip
    for place in range(len(steps)):
        for name in sorted(set(steps[place]) - needed):
            plainer = {key: value for key, value in steps[place].items() if key != name}
            tried = [*steps[:place], plainer, *steps[place + 1 :]]
            failure = still(tried, partitions)
            if failure is not None:
                steps, found = tried, failure
    return found


def _category(failure: Failure) -> str:
    """What kind of difference it is, without the names of records."""
    difference = failure.difference
    what = difference.what.split(" ")[-1]
    return f"{what}:{difference.hub}:{difference.model}" if what in {"答复", "理由"} else what
