"""Context that every worker gets when it is started."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from hub.config.kafka_access import KafkaAccess
    from hub.config.site import LoadedSite
    from hub.contracts import Contracts


@dataclass(frozen=True, slots=True)
class WorkerContext:
    """The site it serves, its way to Kafka, its folder, and who tells it to stop."""

    loaded: LoadedSite
    contracts: Contracts
    access: KafkaAccess
    """As the principal it is."""
    folder: Path
    """Its own state folder: at least its lease lies there."""
    should_stop: Callable[[], bool]
    anchors: Path | None = None
    """Where the ledger's end is written down apart; None for nowhere."""
