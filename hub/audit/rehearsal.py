"""Rehearse a control message on one partition: the registrar's own slot, writing nowhere.

The slot folds the recorded ledger into an empty state, does what it has left to do, and is then
given the message. It decides with the same code, in the same order, as it will when the message is
sent; its output is handed to the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from hub.core import keys
from hub.core.record import decode_record
from hub.engine.drive import Driver
from hub.engine.events import Event, Idle
from hub.engine.slot import Slot, SlotPlan
from hub.ports import ClockEvidence, InputRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from hub.audit.history import HistoryInputs
    from hub.core.record import LedgerRecord
    from hub.ports import OutputRecord, StateStore

_ENDLESS = 1 << 62
_AT_REST = 2
"""Turns without work in a row after which nothing is left to do."""


class ControlMessage(NamedTuple):
    """A message of `control`: its kind and its value."""

    kind: str
    value: bytes


def rehearse(
    inputs: HistoryInputs, prefix: str, partition: int, state: StateStore, now: int,
    message: ControlMessage, take: Callable[[LedgerRecord], None],
) -> None:  # fmt: skip
    """Give a message to a partition as its ledger is now; `take` gets what would be written.

    `state` is empty and of this partition alone; `now` is business time in milliseconds. The first
    ledger record is the answer to the message itself.
    """
    plan = SlotPlan(prefix, (partition,), (prefix + "control",))
    stage = _Stage(inputs, plan, now, message, take)
    driver = Driver(
        lease=stage, transactions=stage, inputs=stage, store=_Unowned(state), business_clock=stage,
        engine_clock=stage, faults=stage, report=stage.report, witness=stage,
    )  # fmt: skip
    driver.run(Slot(plan).run(), lambda: stage.is_over)


class _Stage:
    """All that a slot touches besides its state: recorded ledger, one message, a still clock."""

    def __init__(
        self, inputs: HistoryInputs, plan: SlotPlan, now: int, message: ControlMessage,
        take: Callable[[LedgerRecord], None],
    ) -> None:  # fmt: skip
        self.is_over = False
        self._inputs = inputs
        self._control = plan.input_topics[0]
        self._place = (plan.prefix + "ledger", plan.partitions[0])
        self._end = self._written = inputs.bounds([self._place])[self._place][1]
        self._now = now
        self._message: ControlMessage | None = message
        self._take = take
        self._position = 0
        self._resting = 0
        self._left_to_do: list[InputRecord] = []
        """Written before the message came: a scan reads it like the recorded ledger."""

    # --- inputs ---

    def assign(self, positions: Mapping[tuple[str, int], int]) -> None:
        """Note the position the message will have."""
        self._position = positions[self._control, self._place[1]]

    def consume(self, limit: int, timeout_seconds: float) -> list[InputRecord]:
        """Return the message once nothing else is left to do, then nothing more."""
        del limit, timeout_seconds
        if self._resting < _AT_REST:
            return []
        if self._message is None:
            self.is_over = True
            return []
        message, self._message, self._resting = self._message, None, 0
        headers = (("ce_type", message.kind.encode()),)
        place = self._control, self._place[1], self._position
        return [InputRecord(*place, b"", headers, message.value)]

    def pause(self, partitions: Iterable[tuple[str, int]]) -> None:
        """There is nothing to pause."""

    def resume(self, partitions: Iterable[tuple[str, int]]) -> None:
        """There is nothing to resume."""

    def read_to_end(self, positions: Mapping[tuple[str, int], int]) -> Iterator[list[InputRecord]]:
        """Read the ledger as it was when this began, with what was left to do."""
        for place, position in positions.items():
            if place != self._place:
                continue  # what `control` holds is not asked about here
            if position < self._end:
                for batch in self._inputs.read_to_end({place: position}):
                    yield [record for record in batch if record.offset < self._end]
            yield [record for record in self._left_to_do if record.offset >= position]

    def bounds(
        self, partitions: Iterable[tuple[str, int]]
    ) -> dict[tuple[str, int], tuple[int, int]]:
        """The ledger as it was when this began; inputs hold what their positions say."""
        return {
            place: self._inputs.bounds([place])[place] if place == self._place else (0, _ENDLESS)
            for place in partitions
        }

    # --- what would be written ---

    def take(self) -> None:
        """There is no lease to take."""

    def release(self) -> None:
        """There is no lease to give back."""

    def initialise(self) -> None:
        """No predecessor has to be fenced."""

    def begin(self) -> None:
        """There is no transaction to open."""

    def produce(self, records: Sequence[OutputRecord]) -> None:
        """Hand over what would be written to the ledger."""
        for record in records:
            if record.topic != self._place[0]:
                continue
            if self._message is None:
                self._take(decode_record(record.value))
            else:
                self._left_to_do.append(
                    InputRecord(*self._place, self._written, record.key, (), record.value)
                )
            self._written += 1

    def commit(self) -> dict[tuple[str, int], int]:
        """Return the position the next record would have."""
        self._resting = 0
        return {self._place: self._written}

    def retire(self) -> None:
        """There is no producer to throw away."""

    # --- clocks ---

    def now(self) -> int:
        """Business time: it does not move."""
        return self._now

    def has_jumped(self) -> bool:
        """Always false: a rehearsal does not judge the clock."""
        return False

    def evidence(self) -> ClockEvidence:
        """A rehearsal's time is always believed."""
        return ClockEvidence(self._now, self._now, is_business=False)

    def note(self) -> None:
        """Nothing is remembered of the time."""

    def seconds(self) -> float:
        """Nothing is measured."""
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Nothing is waited for."""

    # --- what is reported ---

    def reached(self, name: str) -> None:
        """Nothing is killed here."""

    def report(self, event: Event) -> None:
        """Count the turns without work."""
        if isinstance(event, Idle):
            self._resting += 1


class _Unowned:
    """A state that forgets to which slot a partition was given, so that the caller may go on."""

    def __init__(self, state: StateStore) -> None:
        self._state = state
        self.read = state.read
        self.scan = state.scan
        self.close = state.close

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Apply all changes but an owner's."""
        self._state.write({k: v for k, v in changes.items() if k[2:] != keys.OWNER})
