"""What a registrar and an audit make of a ledger whose end others have seen further."""

from __future__ import annotations

import json

import pytest

from hub.audit.ends import LostEnd
from hub.audit.verify import Verifier
from hub.core.basis import canonical_json
from hub.core.keys import GENESIS, Head
from hub.core.ledger_end import LedgerEndError, Loss, Seen
from hub.core.record import ZERO_HASH, Outcome, record_hash
from hub.domain.kinds import LOSS_ACCEPTED
from hub.engine import requests
from hub.views.notices import SEEN
from tests.driver import rows
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import COMPANY, DEPARTMENT, LICENCE, at, framed, licence_row
from tests.replay.scenario import MemoryInputs, topics_of

LEFT = 3
"""Ledger records that a cut leaves."""


@pytest.fixture
def hub() -> HubTestDriver:
    """A hub that has decided six rows, all in one partition."""
    made = HubTestDriver(rows.basis(), now=at("2026-11-02 09:00"))
    for number in range(6):
        row = licence_row(XK_WSH=f"示许〔2026〕{number}号", XK_JDRQ="2026-10-30")
        made.pipe(DEPARTMENT, LICENCE, COMPANY, framed(LICENCE, row))
    made.run()
    return made


def place_of(hub: HubTestDriver) -> int:
    """The partition of the rows."""
    return max(range(hub.partitions), key=lambda partition: len(hub.raw_ledger(partition)))


def head_at(hub: HubTestDriver, sequence: int, epoch: int = 0) -> Head:
    """The head behind so many records, as they are now."""
    stored = hub.raw_ledger(place_of(hub))[sequence - 1]
    return Head(sequence, record_hash(stored.value), 0, stored.offset + 1, epoch)


def cut(hub: HubTestDriver, left: int = LEFT) -> None:
    """Take the newest ledger records away, and the registrar with its state."""
    del hub.raw_ledger(place_of(hub))[left:]
    hub.crash(lose_disk=True)


def notice(hub: HubTestDriver, partition: int, head: Head) -> None:
    """The last notice, written by a follower that has seen this."""
    hub.put("notices", partition, b"", b"{}", ((SEEN, head.pack().hex().encode()),))


def report(hub: HubTestDriver, partition: int, told: object) -> None:
    """A courier's report, not decided yet."""
    hub.put("outcomes.province", partition, b"", json.dumps(told).encode())


def declare(hub: HubTestDriver, partition: int, loss: Loss) -> None:
    """The operator gives up what is lost."""
    headers = (("ce_type", LOSS_ACCEPTED.encode()),)
    hub.put("control", partition, b"", canonical_json(loss.as_content()), headers)


def loss_of(head: Head, first: int = LEFT, epoch: int = 1) -> Loss:
    """All from `first` to what this head saw."""
    return Loss(first, head.sequence - 1, epoch, first, "00", "", ("x",), "王运维", "磁盘损坏")


def lost_in(hub: HubTestDriver, *heads: tuple[str, Head]) -> LostEnd | None:
    """What an audit finds missing where these were seen."""
    partition = place_of(hub)
    verifier = Verifier(hub.prefix)
    seen = [Seen(who, partition, head) for who, head in heads]
    verifier.partition(partition, MemoryInputs(hub.log), topics_of(hub), seen)
    assert len(verifier.lost) == len(verifier.ends) <= 1
    return verifier.lost[0] if verifier.lost else None


# --- a registrar that starts without its state ---


def test_a_registrar_without_state_goes_on_where_all_seen_is_there(hub: HubTestDriver) -> None:
    """Whoever has seen as far as the end, or less, bears it out."""
    place, end = place_of(hub), len(hub.raw_ledger(place_of(hub)))
    notice(hub, place, head_at(hub, end))
    hub.seen = (Seen("receipts", place, head_at(hub, 2)), Seen("gone", 99, head_at(hub, 2)))
    hub.crash(lose_disk=True)
    hub.run()
    assert (hub.restarts, len(hub.raw_ledger(place))) == ([], end)


@pytest.mark.parametrize("how", ["file", "notice", "report"])
def test_a_registrar_without_state_decides_nothing_on_a_cut_ledger(
    hub: HubTestDriver, how: str
) -> None:
    """A worker beside it, an anchor, the last notice, a courier that reports: one is enough."""
    place, end = place_of(hub), len(hub.raw_ledger(place_of(hub)))
    head = head_at(hub, end)
    if how == "file":
        hub.seen = (Seen("receipts", place, head_at(hub, 2)), Seen("courier.city", place, head))
    elif how == "notice":
        notice(hub, place, head)
    else:
        report(hub, place, {"sequence": LEFT, "record": "ab" * 16})
    cut(hub)
    with pytest.raises(LedgerEndError, match="LEDGER_END_LOST") as stopped:
        hub.run()
    who = {"file": "courier.city", "notice": "notices", "report": "courier.province"}[how]
    assert f"{who} has seen sequence {LEFT if how == 'report' else end - 1}" in str(stopped.value)
    assert "hub audit accept-loss" in str(stopped.value)
    assert len(hub.raw_ledger(place)) == LEFT


def test_another_record_in_the_place_of_the_one_seen_is_a_lost_end(hub: HubTestDriver) -> None:
    """As many records as were seen, and not the same."""
    place, end = place_of(hub), len(hub.raw_ledger(place_of(hub)))
    notice(hub, place, head_at(hub, end)._replace(last_hash=b"h" * 32))
    hub.crash(lose_disk=True)
    with pytest.raises(LedgerEndError, match="notices"):
        hub.run()


def test_the_record_that_was_seen_at_another_place_is_a_lost_end(hub: HubTestDriver) -> None:
    """Decided anew in the same bytes: whoever reads on from where it was would read it twice."""
    place, end = place_of(hub), len(hub.raw_ledger(place_of(hub)))
    notice(hub, place, head_at(hub, end))
    ledger = hub.raw_ledger(place)
    ledger[-1] = ledger[-1]._replace(offset=end)
    hub.crash(lose_disk=True)
    with pytest.raises(LedgerEndError, match="notices"):
        hub.run()


@pytest.mark.parametrize(
    "told", [{"sequence": LEFT - 1, "record": "ab" * 16}, {"sequence": 99}, [], {"record": "ab"}]
)
def test_a_report_that_names_what_is_there_or_nothing_stops_nobody(
    hub: HubTestDriver, told: object
) -> None:
    """It is decided like any other."""
    place = place_of(hub)
    report(hub, place, told)
    cut(hub)
    hub.run()
    assert len(hub.raw_ledger(place)) > LEFT


def test_notices_that_cannot_be_asked_stop_no_registrar(hub: HubTestDriver) -> None:
    """They are the agents' business: a topic that is away bears no witness, nor do other bytes."""
    place = place_of(hub)
    notice(hub, place, head_at(hub, 1))
    hub.crash(lose_disk=True)
    hub.refusals = [requests.NextFold]  # of an empty state nothing else is read before
    hub.run()
    hub.put("notices", place, b"", b"no head")
    hub.crash(lose_disk=True)
    hub.run()
    assert hub.restarts == []


@pytest.mark.parametrize("how", ["file", "notice", "report"])
def test_a_declared_loss_lets_a_registrar_without_state_go_on(hub: HubTestDriver, how: str) -> None:
    """It writes the loss down and decides anew; the witness is of the epoch before."""
    place, end = place_of(hub), len(hub.raw_ledger(place_of(hub)))
    head = head_at(hub, end)
    if how == "file":
        hub.seen = (Seen("receipts", place, head),)
    elif how == "notice":
        notice(hub, place, head)
    else:
        report(hub, place, {"sequence": end - 1, "record": "ab" * 16})
    cut(hub)
    declare(hub, place, loss_of(head))
    hub.run()
    assert hub.ledger(place)[LEFT].outcome is Outcome.LOSS_ACCEPTED
    assert len(hub.raw_ledger(place)) >= end + 1


def test_a_second_cut_is_not_excused_by_the_first_loss(hub: HubTestDriver) -> None:
    """The registrar's own head is of the epoch that the loss began."""
    place, end = place_of(hub), len(hub.raw_ledger(place_of(hub)))
    cut(hub)
    declare(hub, place, loss_of(Head(end + 50, ZERO_HASH, 0, 0)))
    hub.run()
    del hub.raw_ledger(place)[LEFT + 2 :]
    hub.crash()
    with pytest.raises(LedgerEndError, match=r"registrar\.0"):
        hub.run()


def test_what_was_seen_after_a_declared_loss_is_not_excused_by_it(hub: HubTestDriver) -> None:
    """The head that was seen belongs to the epoch that the loss began."""
    place, end = place_of(hub), len(hub.raw_ledger(place_of(hub)))
    first = head_at(hub, end)
    cut(hub)
    declare(hub, place, loss_of(first))
    hub.run()
    seen = head_at(hub, LEFT + 3, epoch=1)
    cut(hub, LEFT + 2)
    hub.seen = (Seen("receipts", place, first), Seen("projector", place, seen))
    hub.crash()
    with pytest.raises(LedgerEndError, match="projector"):
        hub.run()


# --- what an audit says ---


def test_heads_that_are_there_lose_nothing(hub: HubTestDriver) -> None:
    """Also that of one who has seen nothing yet."""
    end = len(hub.raw_ledger(place_of(hub)))
    assert lost_in(hub, ("a", head_at(hub, 1)), ("b", head_at(hub, end)), ("c", GENESIS)) is None


def test_a_cut_begins_behind_what_is_left(hub: HubTestDriver) -> None:
    """First and last, the hash of both, and where a follower reads on."""
    end = len(hub.raw_ledger(place_of(hub)))
    head = head_at(hub, end)
    kept = head_at(hub, LEFT)
    cut(hub)
    assert lost_in(hub, ("a", head), ("b", kept)) == LostEnd(
        place_of(hub), LEFT, end - 1, kept.last_hash.hex(), kept.next_offset,
        head.last_hash.hex(), 1, (f"a {end - 1}",),
    )  # fmt: skip


def test_another_record_is_given_up_from_the_last_head_that_agrees(hub: HubTestDriver) -> None:
    """What lies between it and the head that does not agree may all be another's."""
    agreed = head_at(hub, 2)
    forged = head_at(hub, 4)._replace(last_hash=b"h" * 32)
    found = lost_in(hub, ("a", forged), ("b", agreed))
    assert found is not None
    assert (found.first, found.last, found.kept) == (2, 3, agreed.last_hash.hex())
    assert found.seen == forged.last_hash.hex()
    found = lost_in(hub, ("a", forged))
    assert found is not None
    assert (found.first, found.kept, found.next_offset) == (0, ZERO_HASH.hex(), 0)


def test_an_epoch_that_the_ledger_does_not_know_began_before_its_end(hub: HubTestDriver) -> None:
    """A backup older than a declared loss: what is left need not be what was seen.

    Where `control` still holds the declaration, it says where that loss began.
    """
    end = len(hub.raw_ledger(place_of(hub)))
    head = head_at(hub, end, epoch=1)
    cut(hub)
    found = lost_in(hub, ("a", head))
    assert found is not None
    assert (found.first, found.last, found.epoch) == (0, end - 1, 2)
    declare(hub, place_of(hub), loss_of(head, first=LEFT - 1))
    found = lost_in(hub, ("a", head))
    assert found is not None
    assert found.first == 0
    declare(hub, place_of(hub), loss_of(head))
    found = lost_in(hub, ("a", head))
    assert found is not None
    assert (found.first, found.epoch) == (LEFT, 2)


def test_a_declared_loss_excuses_what_it_covers_and_no_more(hub: HubTestDriver) -> None:
    """Not what was seen further, nor in its own epoch; reports neither."""
    place, end = place_of(hub), len(hub.raw_ledger(place_of(hub)))
    head = head_at(hub, end)
    cut(hub)
    declare(hub, place, loss_of(head))
    hub.run()
    assert lost_in(hub, ("a", head)) is None
    further = head._replace(sequence=end + 1)
    found = lost_in(hub, ("a", further))
    assert found is not None
    assert (found.last, found.epoch) == (end, 2)
    report(hub, place, {"sequence": end - 1, "record": "ab" * 16})
    assert lost_in(hub) is None
    report(hub, place, {"sequence": LEFT - 1, "record": "ab" * 16})  # there, and another record
    found = lost_in(hub)
    assert found is not None
    assert found.seen_by == (f"courier.province {LEFT - 1}",)
    report(hub, place, {"sequence": 99, "record": "ab" * 16, "epoch": 1})
    found = lost_in(hub)
    assert found is not None
    assert (found.last, found.seen_by) == (99, ("courier.province 99",))


def test_it_is_known_which_deliveries_the_ledger_still_names(hub: HubTestDriver) -> None:
    """By sequence and record: in two epochs one sequence is two records'."""
    place, end = place_of(hub), len(hub.raw_ledger(place_of(hub)))
    sequence = next(r.sequence for r in hub.ledger(place) if r.publish_targets)
    record_key = hub.ledger(place)[sequence].record_key
    verifier = Verifier(hub.prefix)
    ahead = Seen("a", place, head_at(hub, end)._replace(sequence=end + 1))
    verifier.partition(place, MemoryInputs(hub.log), topics_of(hub), [ahead])
    left = verifier.ends[place]
    assert left.names(sequence, record_key)
    assert not left.names(sequence, bytes(16))
    assert not left.names(end, record_key)
    assert not left.has_given_up(0, sequence)
