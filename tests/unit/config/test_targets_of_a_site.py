"""A target in use stays in its site: added, retired, left out once it shows nothing."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from hub.audit.target_uses import Uses
from hub.config.basis_document import basis_document
from hub.config.repository import DEPLOY
from hub.config.site import Target, load_site
from hub.core.adoption import walk_for
from hub.core.basis import canonical_json, compile_basis
from hub.errors import ConfigurationError
from hub.operations.control import refuse_lost_targets
from hub.operations.site_changes import refuse_numbers_in_use, refuse_other_partitions

DEMO = DEPLOY / "sites" / "demo"


def document(*targets: tuple[str, int], retired: str = "") -> dict[str, Any]:
    """What of a basis document the check reads."""
    return {
        "site": {
            "targets": [
                {"id": name, "number": number, "kinds": [] if name == retired else ["a kind"]}
                for name, number in targets
            ]
        }
    }


BEFORE = document(("province", 0), ("city", 1))


@pytest.mark.parametrize(
    "after",
    [
        document(("province", 0)),
        document(("province", 0), ("town", 1)),
        document(("province", 0), ("city", 2)),
        document(("province", 1), ("city", 0)),
    ],
    ids=["dropped", "renamed", "renumbered", "exchanged"],
)
def test_a_site_that_lost_a_target_is_refused(after: dict[str, Any]) -> None:
    """Its bit is in the ledger for ever, and what it holds needs a courier."""
    with pytest.raises(ConfigurationError) as refused:
        refuse_lost_targets(BEFORE, after)
    assert "retired: true" in str(refused.value)
    assert "不能删除" in str(refused.value)


def test_a_site_with_a_target_more_is_adopted() -> None:
    """Adding is free; so is changing nothing."""
    refuse_lost_targets(BEFORE, document(("city", 1), ("province", 0), ("nation", 2)))
    refuse_lost_targets(BEFORE, BEFORE)


def test_a_retired_target_may_be_left_out_and_nothing_else_done_to_it() -> None:
    """Its number stays free until the next adoption."""
    before = document(("province", 0), ("city", 1), retired="city")
    refuse_lost_targets(before, document(("province", 0)))
    for after in (document(("province", 0), ("town", 1)), document(("province", 0), ("city", 2))):
        with pytest.raises(ConfigurationError, match="已启用过"):
            refuse_lost_targets(before, after)


def messages(*bases: dict[str, Any]) -> dict[int, list[bytes]]:
    """What `control` holds of them in both partitions."""
    return {p: [canonical_json({"basis": each}) for each in bases] for p in (0, 1)}


@pytest.mark.parametrize("count", [Uses(), Uses(shown=2), Uses(owed=3), Uses(uncleared=4)])
def test_a_number_in_use_is_neither_left_nor_given_on(count: Uses) -> None:
    """The counts are in the message; what asks nothing is not counted."""
    asked: list[tuple[int, bool]] = []

    def uses(mask: int, *, is_given: bool) -> Uses:
        asked.append((mask, is_given))
        return count

    retired = document(("province", 0), ("city", 1), retired="city")
    left, given = document(("province", 0)), document(("province", 0), ("town", 1))
    refuse_numbers_in_use({}, given, uses)
    refuse_numbers_in_use(messages(BEFORE), retired, uses)
    refuse_numbers_in_use(messages(BEFORE), document(*_pairs(BEFORE), ("nation", 2)), uses)
    refuse_numbers_in_use(messages(retired, left), left, uses)
    refuse_numbers_in_use(messages(retired, left, given), given, uses)
    assert asked == []
    for bases, after, wanted in (
        ((retired,), left, (2, False)),
        ((retired, left), given, (2, True)),
    ):
        if any(count):
            with pytest.raises(ConfigurationError) as refused:
                refuse_numbers_in_use(messages(*bases), after, uses)
            assert f"{count.shown} 条尚未撤下，{count.owed} 条义务未了" in str(refused.value)
            assert f"{count.uncleared} not cleared yet" in str(refused.value)
        else:
            refuse_numbers_in_use(messages(*bases), after, uses)
        assert asked.pop() == wanted


def _pairs(of: dict[str, Any]) -> list[tuple[str, int]]:
    return [(target["id"], target["number"]) for target in of["site"]["targets"]]


def test_a_retired_target_stays_in_the_basis_and_shows_nothing() -> None:
    """Couriers and withdrawals go on; nothing new is named for it."""
    before = load_site(DEMO)
    city = next(t for t in before.site.targets if t.public)
    targets = tuple(t.model_copy(update={"retired": t is city}) for t in before.site.targets)
    after = before.model_copy(update={"site": before.site.model_copy(update={"targets": targets})})
    old, new = basis_document(before), basis_document(after)
    refuse_lost_targets(old, new)
    walk = walk_for(compile_basis(old), compile_basis(new))
    assert walk is not None
    assert (walk.targets, walk.listed) == (1 << city.number, 1 << city.number)
    assert compile_basis(new).targets_of_kind(city.kinds[0]) >> city.number & 1 == 0
    assert compile_basis(new).target(city.number).id == city.id


def test_kinds_that_are_one_record_share_a_table() -> None:
    """A commitment performed is the next version of the one made: two rows could not be undone."""
    nation = next(t for t in load_site(DEMO).site.targets if t.database is not None)
    told = nation.model_dump()
    assert Target.model_validate(told) == nation
    told["database"]["tables"]["commitment.performed.v1"] = "xycn_ly"
    with pytest.raises(ValidationError, match="同一张表"):
        Target.model_validate(told)


def test_another_number_of_partitions_is_refused() -> None:
    """Before anything is sent."""
    before, after = ({"site": {"partitions": count}} for count in (2, 3))
    refuse_other_partitions(before, before)
    with pytest.raises(ConfigurationError, match="改回 2"):
        refuse_other_partitions(before, after)
