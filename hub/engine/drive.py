"""Carries out a slot's requests with real or fake parts: the thin loop under the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hub.engine import events, requests
from hub.errors import UnavailableError
from hub.targets.platform import CallResult, Platform

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from hub.ports import (
        ClockEvidence,
        ClockWitness,
        DeadlineClock,
        EngineClock,
        FaultHooks,
        InputRecord,
        Inputs,
        Lease,
        StateStore,
        Transactions,
    )


class Driver:
    """One core thread that makes every call to the consumer, the producer and the store."""

    def __init__(  # noqa: PLR0913 - one for each port, by name
        self,
        *,
        lease: Lease,
        transactions: Transactions,
        inputs: Inputs,
        store: StateStore,
        business_clock: DeadlineClock,
        engine_clock: EngineClock,
        faults: FaultHooks,
        report: events.Report,
        warn: Callable[[str], object] = lambda _why: None,
        witness: ClockWitness | None = None,
        platform: Platform[Any] | None = None,
    ) -> None:
        """`warn` receives, in words for people, why everything is started again.

        `witness` is needed by a slot that decides: it judges the clock at its start. `platform` by
        one that delivers; its owner closes it.
        """
        self._witness = witness
        self._platform = platform
        self._lease = lease
        self._transactions = transactions
        self._inputs = inputs
        self._store = store
        self._business_clock = business_clock
        self._engine_clock = engine_clock
        self._faults = faults
        self._report = report
        self._warn = warn
        self._fold: Iterator[list[InputRecord]] = iter(())
        self._starting_since: float | None = None
        self._transaction_since = 0.0

    def run(
        self, program: Generator[requests.Request, Any, None], should_stop: Callable[[], bool]
    ) -> None:
        """Drive until `should_stop()` between two transactions, or between two lives."""
        reply: object = None
        while True:
            request = program.send(reply)
            if isinstance(request, requests.Consume | requests.Wait) and should_stop():
                program.close()
                return
            try:
                reply = self._carry_out(request)
            except UnavailableError as error:
                reply = requests.Failed(str(error))

    def _carry_out(self, request: requests.Request) -> object:  # noqa: PLR0911 - one per request
        """Answer the requests that have a reply; the others are orders."""
        match request:
            case requests.Consume(limit, timeout):
                self._say_restored()
                return self._inputs.consume(limit, timeout)
            case requests.ReadState(keys):
                return self._store.read(keys)
            case requests.Now():
                return self._business_clock.now()
            case requests.HasJumped():
                return self._has_jumped()
            case requests.Evidence():
                return self._evidence()
            case requests.Commit():
                written = self._transactions.commit()
                took = self._engine_clock.seconds() - self._transaction_since
                self._report(events.Committed(took))
                return written
            case requests.Scan(start, stop, limit):
                return self._store.scan(start, stop, limit)
            case requests.Bounds(partitions):
                return self._inputs.bounds(partitions)
            case requests.NextFold():
                return next(self._fold, None)
            case requests.Seconds():
                return self._engine_clock.seconds()
            case requests.Submit() | requests.Poll() | requests.CancelAll():
                return self._call(request)
        self._obey(request)
        return None

    def _call(
        self, request: requests.Submit | requests.Poll | requests.CancelAll
    ) -> list[CallResult] | None:
        if self._platform is None:
            raise AssertionError("a slot that delivers needs a platform")
        match request:
            case requests.Submit(calls):
                self._platform.submit(calls)
            case requests.Poll():
                return self._platform.poll()
            case requests.CancelAll():
                self._platform.cancel_all()
        return None

    def _obey(self, request: requests.Request) -> None:
        match request:
            case requests.Produce(records):
                self._transactions.produce(records)
            case requests.Hook(name):
                self._faults.reached(name)
            case requests.Begin():
                self._transaction_since = self._engine_clock.seconds()
                self._transactions.begin()
            case requests.WriteState(changes):
                self._faults.reached("mid_rocks_write")
                self._store.write(changes)
            case requests.Report(event):
                self._report(event)
            case requests.Initialise():
                self._starting_since = self._engine_clock.seconds()
                self._lease.take()
                self._faults.reached("after_lease")
                self._transactions.initialise()
            case requests.Retire(reason):
                self._warn(reason)
                self._report(events.ProducerRetired(reason_class(reason)))
                self._transactions.retire()
            case requests.FoldLedger(positions):
                self._fold = self._inputs.read_to_end(positions)
            case requests.Assign(positions):
                self._inputs.assign(positions)
            case requests.Wait(seconds):
                self._engine_clock.sleep(seconds)

    def _has_jumped(self) -> bool:
        """A slot asks this only once it has believed the clock."""
        has_jumped = self._business_clock.has_jumped()
        if self._witness is not None and not has_jumped:
            self._witness.note()
        return has_jumped

    def _evidence(self) -> ClockEvidence:
        if self._witness is None:
            raise AssertionError("a slot that judges the clock needs a witness")
        return self._witness.evidence()

    def _say_restored(self) -> None:
        """The first read of inputs ends a start: the state is that of the ledger."""
        if self._starting_since is not None:
            took = self._engine_clock.seconds() - self._starting_since
            self._starting_since = None
            self._report(events.Restored(took))


def reason_class(reason: str) -> events.Retirement:
    """Why a producer was thrown away, in one of few words."""
    said = reason.lower()
    if "fence" in said:
        return "fenced"
    if "timed out" in said or "timeout" in said:
        return "timeout"
    return "disk" if "rocksdb" in said or "disk" in said else "broker"
