"""Differences between two ledger records, and between two bases."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hub.core.record import LedgerRecord

_NEVER_SHOWN = frozenset({"cause", "row", "value_digest"})
"""Fields that hold submitted content: named, never printed."""
_OF_THE_CHAIN = frozenset({"previous_hash", "basis", "cause"})
"""Fields that must differ under another basis."""
_MOST_TEXT = 160
_MOST_CHANGES = 40
_NAMES = ("id", "year", "role", "date", "number", "name")
"""Keys that identify elements of a list: of each the first that it has. A year's second holiday
notice has an `id`, the first may have its year alone."""


def first_difference(
    recorded: LedgerRecord, again: LedgerRecord, *, what_if: bool
) -> tuple[str, str] | None:
    """Name the first field that differs and, where it may be shown, both its values.

    `what_if` leaves out what another basis changes by itself: the chain, the basis and its
    document. None when nothing else differs.
    """
    for field, before, after in _fields(recorded, again):
        if what_if and field in _OF_THE_CHAIN:
            continue
        if before == after:
            continue
        return _within(field, before, after)
    return None if what_if else ("bytes", "")


def _fields(one: NamedTuple, other: NamedTuple) -> Iterator[tuple[str, object, object]]:
    return zip(one._fields, one, other, strict=True)


def _within(field: str, before: object, after: object) -> tuple[str, str]:
    """Follow a difference into the parts of a record's state."""
    if field in _NEVER_SHOWN:
        return field, ""
    named = hasattr(before, "_fields") and type(before) is type(after)
    if named and isinstance(before, tuple) and isinstance(after, tuple):
        for inner, was, now in zip(before._fields, before, after, strict=True):  # type: ignore[attr-defined] # a NamedTuple
            if was != now:
                name, detail = _within(inner, was, now)
                return f"{field}.{name}", detail
    return field, f"{_shown(before)} → {_shown(after)}"


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        text = "(" + ", ".join(_shown(part) for part in value) + ")"
    else:
        text = str(value)
    return text if len(text) <= _MOST_TEXT else text[:_MOST_TEXT] + "…"


def basis_changes(recorded: Mapping[str, object], other: Mapping[str, object]) -> Iterator[str]:
    """Each place where two basis documents differ, such as `rulebook.deadlines[x].working_days`."""
    for count, line in enumerate(_walk("", recorded, other)):
        if count == _MOST_CHANGES:
            yield "…"
            return
        yield line


def _walk(path: str, before: object, after: object) -> Iterator[str]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            inner = f"{path}.{key}" if path else str(key)
            yield from _walk(inner, before.get(key), after.get(key))
        return
    ones, others = _by_name(before), _by_name(after)
    if ones is not None and others is not None:
        for key in sorted(ones.keys() | others.keys()):
            yield from _walk(f"{path}[{key}]", ones.get(key), others.get(key))
        return
    yield f"{path}: {_said(before)} → {_said(after)}"


def _by_name(value: object) -> dict[str, object] | None:
    """A list of mappings by what names its elements; None when nothing does."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return None
    named: dict[str, object] = {}
    for item in value:
        name = next((name for name in _NAMES if item.get(name) not in (None, "")), None)
        if name is not None:
            named[str(item[name])] = item
    return named if len(named) == len(value) else None


def _said(value: object) -> str:
    if value is None:
        return "—"
    text = str(value)
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]}… ({len(text)})"
