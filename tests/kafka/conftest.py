"""What several broker tests of couriers stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.kafka.two_platforms import TwoPlatforms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.conftest import KafkaPart


@pytest.fixture
def place(tmp_path: Path, kafka: KafkaPart, prefix: str) -> Iterator[TwoPlatforms]:
    """Return a place of one's own."""
    made = TwoPlatforms(tmp_path, kafka.access, prefix)
    yield made
    made.close()
