"""What somebody might do to a ledger, and the audit run over what is left."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from hub.audit.finding import AuditFinding
from hub.audit.history import Histories, read_partition
from hub.audit.replay import FindInput, MemoryState, Replayer, ReplayReport
from hub.audit.verify import Verifier, VerifyReport
from hub.core.record import ZERO_HASH, LedgerRecord, decode_record, encode_record, record_hash
from hub.ports import InputRecord
from tests.driver.hub_test_driver import HubTestDriver
from tests.replay.scenario import PREFIX, MemoryInputs, topics_of


def verify(hub: HubTestDriver, trimmed: Mapping[str, int] | None = None) -> VerifyReport:
    """`hub audit verify` over the driver's log."""
    verifier = Verifier(PREFIX)
    for partition in range(hub.partitions):
        verifier.partition(partition, MemoryInputs(hub.log, trimmed), topics_of(hub))
    return verifier.report()


def replay(
    hub: HubTestDriver,
    instead: Mapping[str, object] | None = None,
    trimmed: Mapping[str, int] | None = None,
) -> ReplayReport:
    """`hub audit replay` over the driver's log."""
    replayer = Replayer(PREFIX, instead)
    inputs = MemoryInputs(hub.log, trimmed)
    for partition in range(hub.partitions):
        histories = Histories(inputs, partition, topics_of(hub))
        ledger = read_partition(inputs, PREFIX + "ledger", partition)
        replayer.partition(partition, ledger, MemoryState(), finder(histories))
    return replayer.report()


def finder(histories: Histories) -> FindInput:
    """Reads a submission back from its topic."""

    def find(topic: str, offset: int) -> InputRecord | None:
        history = histories.of(topic)
        if history is None or offset < history.start:
            return None
        assert all(passed.offset < offset for passed in history.skip_to(offset))
        return history.take(offset)

    return find


def places(findings: list[AuditFinding]) -> list[tuple[str, int, int]]:
    """(code, partition, sequence) of each finding."""
    return [(f.code, f.partition, f.sequence) for f in findings]


def ledger_of(hub: HubTestDriver, partition: int) -> list[InputRecord]:
    """The ledger partition's log, to be changed in place."""
    return hub.log.logs[PREFIX + "ledger", partition]


def put_bytes(hub: HubTestDriver, partition: int, sequence: int, raw: bytes) -> None:
    """Replace the stored bytes of one ledger record."""
    log = ledger_of(hub, partition)
    log[sequence] = log[sequence]._replace(value=raw)


def forge(hub: HubTestDriver, partition: int, change: Callable[[list[LedgerRecord]], None]) -> None:
    """Let `change` rewrite the records, then number and chain all of them anew."""
    log = ledger_of(hub, partition)
    records = [decode_record(stored.value) for stored in log]
    change(records)
    log.clear()
    last = ZERO_HASH
    for sequence, record in enumerate(records):
        raw = encode_record(record._replace(sequence=sequence, previous_hash=last))
        last = record_hash(raw)
        log.append(InputRecord(PREFIX + "ledger", partition, sequence, b"", (), raw))
