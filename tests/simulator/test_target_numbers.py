"""Couriers of targets that had one number, one after the other: neither does the other's work."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from tests.driver import rows
from tests.driver.resends import showing
from tests.simulator.courier_world import CourierWorld, SimCourier, SimPlatform
from tests.simulator.test_courier import submit


def town() -> dict[str, Any]:
    """The site in which the province's number is the town's."""
    document = rows.basis()
    target = document["site"]["targets"][0]
    document["site"]["targets"][0] = deepcopy(target) | {"id": "town"}
    return document


def without_province() -> dict[str, Any]:
    """The site without it."""
    document = rows.basis()
    del document["site"]["targets"][0]
    return document


def handed_on() -> CourierWorld:
    """A record shown by the province and withdrawn there; then its number is the town's."""
    world = CourierWorld()
    world.hub.targets = (*world.hub.targets, "town")
    world.hub.crash()
    submit(world, "new", 1, 0)
    world.settle()
    world.hub.adopt(showing(0, []))
    world.settle()
    assert [stage for _version, stage, _digest in world.province.live().values()] == ["withdrawn"]
    world.hub.adopt(without_province())
    world.hub.adopt(town())
    return world


def test_a_forgotten_courier_of_the_old_target_sends_nothing_of_the_new_one() -> None:
    """It runs on, is started again with its disk and without: its platform hears nothing."""
    world = handed_on()
    before = world.province.posts.total()
    forgotten = world.couriers["province"]
    for number, lose_disk in ((2, None), (3, False), (4, True), (5, False)):
        if lose_disk is not None:
            forgotten.crash(lose_disk=lose_disk)
        submit(world, "new", number, 0)
        world.hub.run()
        forgotten.turns(20)
        assert world.province.posts.total() == before


def test_the_new_targets_courier_does_none_of_the_old_ones_work() -> None:
    """It reads the ledger from the beginning, where the number was the province's."""
    world = handed_on()
    platform = SimPlatform(world, "town")
    world.couriers["town"] = courier = SimCourier(world, "town", 0, "http", platform)
    courier.turns(20)
    assert platform.posts.total() == 1  # the one record in force, named for the town
    assert [stage for _version, stage, _digest in platform.live().values()] != ["withdrawn"]
    courier.crash()
    submit(world, "withdraw", 1, 0)
    world.settle()
    assert [stage for _version, stage, _digest in platform.live().values()] == ["withdrawn"]
    assert platform.posts.total() == 2
