"""Finding of a check: one line for people, with the remedy where something is wrong."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    FAULT = "fault"


class Symptom(NamedTuple):
    """One line of the doctor's page; `code` is stable."""

    check: str
    """`versions`, `clocks`, `topics`, …"""
    level: Level
    code: str
    zh: str
    en: str
    remedy_zh: str = ""
    remedy_en: str = ""


def ok(check: str, zh: str, en: str) -> Symptom:
    """Nothing to do."""
    return Symptom(check, Level.OK, "OK", zh, en)


def judged(
    check: str, value: float, warn_at: float, fault_at: float, code: str, words: tuple[str, str],
    remedy: tuple[str, str],
) -> Symptom:  # fmt: skip
    """A number that is bad when it is large: a warning from `warn_at`, a fault from `fault_at`."""
    level = Level.FAULT if value >= fault_at else Level.WARNING if value >= warn_at else Level.OK
    if level is Level.OK:
        return ok(check, *words)
    return Symptom(check, level, code, *words, *remedy)
