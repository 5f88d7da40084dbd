"""A control message tried on every partition of a site's recorded ledger; nothing is sent."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from hub.adapters.clocks import business_clock_of
from hub.adapters.kafka.client import KafkaInputs
from hub.adapters.rocksdb import RocksStore
from hub.audit.rehearsal import ControlMessage, rehearse

if TYPE_CHECKING:
    from collections.abc import Callable

    from hub.config.kafka_access import KafkaAccess
    from hub.config.site import LoadedSite
    from hub.core.record import LedgerRecord


def rehearse_site(
    loaded: LoadedSite, access: KafkaAccess, kind: str, value: bytes,
    take: Callable[[int, LedgerRecord], None],
) -> None:  # fmt: skip
    """Give a message to every partition as its ledger is now.

    `take` gets the partition and each ledger record that would be written; see
    `hub.audit.rehearsal`.
    """
    site, now = loaded.site, business_clock_of(loaded).now()
    inputs = KafkaInputs(access, f"{site.prefix}rehearsal", whole=site.topic("ledger"))
    try:
        for number in range(site.partitions):
            with tempfile.TemporaryDirectory(prefix="hub-rehearsal-") as folder:
                state = RocksStore(Path(folder))
                try:
                    rehearse(
                        inputs, site.prefix, number, state, now, ControlMessage(kind, value),
                        partial(take, number),
                    )  # fmt: skip
                finally:
                    state.close()
    finally:
        inputs.close()
