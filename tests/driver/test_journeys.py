"""Journeys of one decision between identities, and what waits: `journeys.yaml` played and read."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.driver.life import FAR, NEAR, RecordLife, licence, reference
from tests.driver.rows import COMPANY, LICENCE, OTHER_DEPARTMENT, framed
from tests.driver.test_open_cases import cases

NEW_NAME = "舟山改名贸易有限公司"
FIRST = "食品经营"
KEYS = {"A": COMPANY, "F": FAR, "N": NEAR}
PLACES = {code: place for place, code in KEYS.items()}
STORIES = yaml.safe_load(Path(__file__).with_name("journeys.yaml").read_text(encoding="utf-8"))
KINDS = {
    "row": LICENCE, "W": "record.withdrawn.v1", "C": "record.corrected.v1",
    "R": "record.restored.v1",
}  # fmt: skip


def said(words: list[str]) -> tuple[list[str], dict[str, Any], str, bool]:
    """Plain words, what the submission bears, its content, whether the company has a new name."""
    plain = [word for word in words if word[0] not in "@#=!~"]
    more: dict[str, Any] = {}
    for word in words:
        if word[0] in "@#":
            more["version" if word[0] == "@" else "number"] = int(word[1:])
    if "!" in words:
        more["by"] = OTHER_DEPARTMENT
    content = next((word[1:].replace("∅", "") for word in words if word[0] == "="), FIRST)
    return plain, more, content, "~" in words


def move(life: RecordLife, verb: str, words: list[str]) -> str:
    """One half of a move."""
    (number, way), more, content, is_renamed = said(words)
    old, new = (KEYS[place] for place in way.split(">"))
    move_id = f"{int(number):02x}" * 16
    if verb == "out":
        named = {"new_subject_name": NEW_NAME} if is_renamed else {}
        return life.leaves(new, move_id, key=old, new=named, **more)
    changes = {"XK_XDR_MC": NEW_NAME} if is_renamed else {}
    return life.arrives(new, move_id, key=old, content=content, changes=changes, **more)


def state(life: RecordLife, verb: str, words: list[str]) -> str:
    """A statement about one record."""
    (place,), more, content, is_renamed = said(words)
    key = KEYS[place]
    row = licence(content, key) | ({"XK_XDR_MC": NEW_NAME} if is_renamed else {})
    inside: dict[str, Any] = {"subject_kind": LICENCE, "row": framed(LICENCE, row), "reason": "改"}
    value: dict[str, Any] = {
        "row": row, "C": inside, "R": inside | {"decided_by": "舟山市示例局"},
        "W": reference(key) | ({"subject_name": NEW_NAME} if is_renamed else {}),
    }[verb]  # fmt: skip
    return life.say(KINDS[verb], value, key=key, **more)


def say(life: RecordLife, line: str) -> str:
    """One step of a story."""
    verb, *words = line.split()
    if verb == "crash":
        life.crash()
        return ""
    if verb == "days":
        return " ".join(life.wait(int(words[0])))
    if verb == "fault":
        (place,), more, _content, _name = said(words)
        return life.fault(key=KEYS[place], **more)
    return move(life, verb, words) if verb in {"out", "in"} else state(life, verb, words)


@pytest.mark.parametrize("name", STORIES)
def test_a_journey_ends_where_the_laws_say(name: str) -> None:
    """One decision is shown in one place, nothing older over newer, and nothing lost in silence."""
    told = STORIES[name]
    life = RecordLife()
    answers = [say(life, line) for line in told["story"].split(";")]
    shown = {
        PLACES[code] + ("" if content == FIRST else f"={content}") for code, content in life.shown()
    }
    assert shown == ({told["shown"]} if told["shown"] else set()), answers
    still_open = {case.case_kind for case in cases(life.hub) if not case.how}
    if "open" not in told:
        assert not still_open & {"arrival_missing", "waiting"}, answers
    elif told["open"] != "any":
        assert told["open"] in still_open, answers
    life.crash()  # state is the fold of the ledger
