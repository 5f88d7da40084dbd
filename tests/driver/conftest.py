"""What all driver stories share."""

from collections.abc import Iterator

import pytest

from tests.driver.life import RecordLife


@pytest.fixture
def life() -> Iterator[RecordLife]:
    """A hub on the morning of Monday 2026-11-02; at the end its ledger gives its state again."""
    one = RecordLife()
    yield one
    one.crash()
