"""Target numbers are lent: given back when nothing names them, and given to another target."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from hub.audit.history import read_partition
from hub.audit.replay import MemoryState
from hub.audit.target_uses import Uses, uses_of
from hub.core import numbers
from hub.core.basis import canonical_json
from hub.core.partition import BasisLibrary, PartitionCore
from hub.core.record import LedgerRecord, Outcome
from hub.core.state import RecordState, decode_state
from hub.engine import slot
from hub.engine.courier_records import TargetReader, Work
from hub.ports import OutputRecord
from tests.driver.life import NEAR, RecordLife, answer
from tests.driver.resends import request, showing, told, with_archive
from tests.driver.rows import COMPANY, CONTRACTS, LICENCE
from tests.replay.scenario import MemoryInputs
from tests.replay.tampering import replay, verify

ARCHIVE = 2
BIT = 1 << ARCHIVE


def retired() -> dict[str, Any]:
    """The archive is taken off the list."""
    return showing(ARCHIVE, [], with_archive())


def left_out() -> dict[str, Any]:
    """The archive has gone from the site."""
    document = with_archive()
    del document["site"]["targets"][ARCHIVE]
    return document


def given(number: int = ARCHIVE, name: str = "town") -> dict[str, Any]:
    """Its number is another target's, which shows penalties' and licences' rows."""
    document = left_out()
    town = deepcopy(with_archive()["site"]["targets"][ARCHIVE]) | {"id": name, "number": number}
    document["site"]["targets"].append(town)
    return document


@pytest.fixture
def life() -> Any:  # noqa: ANN401 - a generator, as pytest wants it
    """A site with an archive, which shows a licence and has withdrawn another."""
    one = RecordLife(with_archive())
    one.row()
    one.report(one.record, "archive", "published")
    one.row(key=NEAR)
    one.report(one.record, "archive", "published")
    one.withdrawn(key=NEAR)
    one.report(one.record, "archive", "withdrawn", action="withdraw")
    yield one
    one.crash()
    assert verify(one.hub).is_ok
    assert replay(one.hub).is_ok


def states(life: RecordLife) -> list[RecordState]:
    """How all records stand."""
    return [decode_state(v) for k, v in life.hub.store.items() if k[2:3] == b"r"]


def empty(life: RecordLife) -> None:
    """Retire the archive and let its courier withdraw what it shows."""
    named = told(life.hub.adopt(retired()))
    assert [r.withdraw_targets for r in named] == [BIT]
    life.report(named[0], "archive", "withdrawn", action="withdraw")


def uses(life: RecordLife, *, is_given: bool = False) -> Uses:
    """What `hub basis adopt` counts."""
    found, inputs = Uses(), MemoryInputs(life.hub.log)
    for partition in range(life.hub.partitions):
        core = PartitionCore(partition, "test.", BasisLibrary())
        ledger = read_partition(inputs, "test.ledger", partition)
        found = found.plus(uses_of(core, ledger, MemoryState(), BIT, is_given=is_given))
    return found


def outcomes(written: list[LedgerRecord]) -> set[str]:
    """Outcomes and reasons."""
    return {answer(record) for record in written}


def test_a_target_that_shows_nothing_may_go_and_its_number_be_given_again(life: RecordLife) -> None:
    """Retire, withdraw, leave out, clear, give: each step in the ledger."""
    empty(life)
    assert uses(life) == (0, 0, 0)
    written = life.hub.adopt(left_out())
    assert outcomes(written) == {"basis_adopted", "reprojected", "sweep_ended"}
    assert [dict(r.facts).get("freed") for r in written if r.outcome is Outcome.BASIS_ADOPTED] == [
        str(BIT)
    ] * 2
    assert [numbers.uses(state) & BIT for state in states(life)] == [0, 0]
    assert not any(r.publish_targets | r.withdraw_targets for r in written)
    assert uses(life, is_given=True) == (0, 0, 0)
    written = life.hub.adopt(given())
    assert outcomes(written) == {"basis_adopted", "reprojected BASIS_CHANGED", "walked"}
    (named,) = told(written)
    assert (named.publish_targets, named.cause.key) == (BIT, COMPANY.encode())
    assert named.state is not None
    # the town is named for the first time: nothing of the archive's past is its own
    assert [s.version for s in named.state.stages if s.target == ARCHIVE] == [named.version]


def test_what_is_still_shown_or_owed_is_counted(life: RecordLife) -> None:
    """Before it is retired, and before its courier has withdrawn all."""
    assert uses(life) == (1, 0, 0)
    named = told(life.hub.adopt(retired()))
    assert uses(life) == (1, 1, 0)
    life.report(named[0], "archive", "refused", action="withdraw")
    assert uses(life) == (1, 1, 0)
    life.report(named[0], "archive", "withdrawn", action="withdraw")
    assert uses(life) == (0, 0, 0)


def test_a_number_given_on_before_the_registrar_has_read_of_its_end_is_counted(
    life: RecordLife,
) -> None:
    """The basis in force still has the old target."""
    empty(life)
    assert uses(life, is_given=True) == (0, 0, 2)


@pytest.mark.parametrize("what", ["in use", "renamed", "renumbered", "in one step"])
def test_the_registrar_refuses_what_would_lose_something(life: RecordLife, what: str) -> None:
    """Whoever wrote it to `control`; the old basis stays in force."""
    if what == "in one step":
        empty(life)
    document, why = {
        "in use": (left_out(), "TARGET_LOST"),
        "renamed": (given(name="town"), "TARGET_LOST"),
        "renumbered": (given(5, "archive"), "TARGET_LOST"),
        "in one step": (given(), "TARGET_NUMBER_TAKEN"),
    }[what]
    before = life.hub.ledger(0)[-1].basis
    refused = life.hub.adopt(document)
    assert outcomes(refused) == {f"control_refused {why}"}
    assert {record.basis for record in refused} == {before}
    assert life.row("另一") == "conflicting UNDECLARED_CHANGE"
    assert life.record.basis == before


def test_a_number_is_not_given_while_it_is_being_cleared(life: RecordLife) -> None:
    """Both adoptions arrive at once; a day later the second is sent again."""
    empty(life)
    for document in (left_out(), given()):
        for partition in range(life.hub.partitions):
            value = canonical_json({"basis": document})
            headers = (("ce_type", b"basis.adopted.v1"),)
            life.hub.log.append(OutputRecord("test.control", partition, b"", value, headers))
    written = life.hub.run()
    assert "control_refused TARGET_NUMBER_TAKEN" in outcomes(written)
    assert "sweep_ended" in outcomes(written)
    assert "basis_adopted" in outcomes(life.hub.adopt(given()))


def test_another_adoption_meanwhile_forgets_no_number(
    life: RecordLife, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two targets leave one after the other, the first sweep still under way."""
    monkeypatch.setattr(slot, "SWEEP_STEP", 1)
    empty(life)
    both = retired()
    del both["site"]["targets"][ARCHIVE]
    both["site"]["targets"][1]["kinds"] = []
    neither = deepcopy(both)
    del neither["site"]["targets"][1]
    for document in (both, neither, given()):
        for partition in range(life.hub.partitions):
            value = canonical_json({"basis": document})
            headers = (("ce_type", b"basis.adopted.v1"),)
            life.hub.log.append(OutputRecord("test.control", partition, b"", value, headers))
    written = life.hub.run()
    freed = [dict(r.facts).get("freed") for r in written if r.outcome is Outcome.BASIS_ADOPTED]
    assert freed == [str(BIT), str(BIT | 2)] * 2
    assert "control_refused TARGET_NUMBER_TAKEN" in outcomes(written)
    assert [numbers.uses(state) & (BIT | 2) for state in states(life)] == [0, 0]


@pytest.mark.parametrize("asks", [8, 16, 24, 32, 40])
def test_a_sweep_that_is_killed_goes_on_where_it_was(
    life: RecordLife, monkeypatch: pytest.MonkeyPatch, asks: int
) -> None:
    """At any of its requests; each record is cleared once."""
    monkeypatch.setattr(slot, "SWEEP_STEP", 1)
    empty(life)
    hub = life.hub
    for partition in range(hub.partitions):
        value = canonical_json({"basis": left_out()})
        headers = (("ce_type", b"basis.adopted.v1"),)
        hub.log.append(OutputRecord("test.control", partition, b"", value, headers))
    hub.die_after(asks, lose_disk=True)
    hub.run()
    assert [numbers.uses(state) & BIT for state in states(life)] == [0, 0]
    cleared = [r for r in hub.ledger() if "swept" in dict(r.facts)]
    assert len(cleared) == 2
    assert outcomes(hub.adopt(given())) >= {"basis_adopted"}


@pytest.mark.skipif(
    not slot.__file__.endswith(".py"), reason="a compiled class lets no method be replaced"
)
def test_no_decision_names_a_target_that_has_gone(
    life: RecordLife, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before the sweep has come to the record, and in a walk that was under way."""
    empty(life)
    monkeypatch.setattr(slot.Slot, "_sweep", lambda self, _wall: iter(self._sweeping.clear() or ()))
    request(life.hub, "archive")
    assert outcomes(life.hub.adopt(left_out())) == {"resend_requested", "basis_adopted", "walked"}
    assert any(numbers.uses(state) & BIT for state in states(life))
    assert life.withdrawn() == "withdrawn"
    assert life.record.withdraw_targets == 3
    assert life.record.state is not None
    assert numbers.uses(life.record.state) & BIT == 0
    monkeypatch.undo()
    life.hub.crash()
    life.hub.run()
    assert [numbers.uses(state) & BIT for state in states(life)] == [0, 0]


@pytest.mark.parametrize("number", [-1, 64, 300])
def test_numbers_beyond_the_masks_are_refused(life: RecordLife, number: int) -> None:
    """A message anybody could write; 63 is the last."""
    assert outcomes(life.hub.adopt(given(number))) == {"control_refused PAYLOAD_UNREADABLE"}
    double = with_archive()
    double["site"]["targets"].append(dict(double["site"]["targets"][0]))
    assert outcomes(life.hub.adopt(double)) == {"control_refused PAYLOAD_UNREADABLE"}


def test_the_last_number_works_like_any_other() -> None:
    """All masks have 64 bits: ledger, state, walk and what the look-ups hold."""
    document = with_archive()
    document["site"]["targets"][ARCHIVE] |= {"number": 63, "clock_from": "1970-01-01"}
    one = RecordLife(document)
    one.row()
    assert one.record.publish_targets == 1 << 63 | 3
    one.crash()
    assert one.report(one.record, "archive", "published") == ["stopped_in_time"]
    named = told(one.hub.adopt(showing(ARCHIVE, [], document)))
    assert [r.withdraw_targets for r in named] == [1 << 63]
    request(one.hub, "archive")
    assert [r.withdraw_targets for r in told(one.hub.run())] == [1 << 63]
    one.crash()
    assert verify(one.hub).is_ok
    assert replay(one.hub).is_ok


def test_couriers_of_one_number_each_read_their_own_time(life: RecordLife) -> None:
    """What the ledger named by it while it was another's, or nobody's, is not theirs."""
    empty(life)
    life.hub.adopt(left_out())
    life.hub.adopt(given())
    assert life.corrected() == "corrected"

    def works(target: str) -> list[tuple[str, int]]:
        reader = TargetReader(ARCHIVE, f"test.outcomes.{target}", CONTRACTS)
        found: list[tuple[str, int]] = []
        for partition in range(life.hub.partitions):
            for raw in life.hub.raw_ledger(partition):
                match reader.read(raw):
                    case (Work() as work, _row):
                        assert work.kind == LICENCE
                        found.append((work.action, work.version))
        return found

    assert works("archive") == [("publish", 1), ("publish", 1), ("withdraw", 2), ("withdraw", 2)]
    assert works("town") == [("publish", 3), ("publish", 4)]
