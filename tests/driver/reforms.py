"""Sites that change: departments retired and merged, authority codes that replace others."""

from __future__ import annotations

from typing import Any

from tests.driver import rows
from tests.driver.life import licence, reference
from tests.driver.rows import AUTHORITY, COMPANY, DEPARTMENT, OTHER_AUTHORITY, OTHER_DEPARTMENT

HEIR = "market-and-housing"
"""The bureau into which the other two are merged."""
NEW_AUTHORITY = "12330900MA00000311"


def site() -> dict[str, Any]:
    """The two bureaus, each with an authority of its own, and the one that will succeed them."""
    document = rows.basis()
    departments = document["site"]["departments"]
    departments[OTHER_DEPARTMENT] = rows.department([OTHER_AUTHORITY])
    departments[HEIR] = rows.department([NEW_AUTHORITY])
    return document


def merged(
    *retired: str, replaces: list[str] | None = None, ends: list[int] | None = None
) -> dict[str, Any]:
    """The site after the reform: these departments retired, the new code replaces these."""
    document = site()
    departments = document["site"]["departments"]
    old = [AUTHORITY, OTHER_AUTHORITY][: len(retired)] if replaces is None else replaces
    if old:
        departments[HEIR]["replaces"] = {NEW_AUTHORITY: old}
    for name in retired:
        departments[name] |= {"successor": HEIR, "ends": ends or [1_000, 1_000]}
    return document


def row_under(
    authority: str, content: str = "食品经营", key: str = COMPANY, **more: str
) -> dict[str, str]:
    """The licence as an authority states it."""
    return licence(content, key) | {"XK_XKJGDM": authority} | more


def named_under(authority: str, key: str = COMPANY) -> dict[str, str]:
    """What names it."""
    return reference(key) | {"authority_code": authority}


__all__ = ["DEPARTMENT", "HEIR", "NEW_AUTHORITY", "OTHER_DEPARTMENT"]
