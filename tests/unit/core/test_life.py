"""The table of a record's life is whole, and the page says what it says."""

from __future__ import annotations

from itertools import product

import pytest

from hub.config.repository import ROOT
from hub.core.life import TABLE, Standing, Statement, When
from hub.core.record import PRIMARY
from hub.domain.reasons import REASONS
from tools.life_page import document


def test_every_statement_about_every_standing_is_decided() -> None:
    """No pair is left out, and the last line of each holds always: nothing falls through."""
    assert set(TABLE) == set(product(Standing, Statement))
    for lines in TABLE.values():
        assert lines[-1].when is When.ALWAYS
        assert all(line.when is not When.ALWAYS for line in lines[:-1])


@pytest.mark.parametrize("pair", TABLE, ids=lambda pair: f"{pair[0].name}-{pair[1].name}")
def test_every_answer_is_primary_and_its_reason_is_known(
    pair: tuple[Standing, Statement],
) -> None:
    """A clerk reads the reason's text; an error in the catalogue is an error here."""
    for line in TABLE[pair]:
        assert line.outcome in PRIMARY
        if line.reason:
            assert line.severity == "warning" or not REASONS[line.reason].warning, line.reason


def test_the_page_is_printed_from_the_table() -> None:
    """docs/life.md is what `python -m tools.life_page` prints."""
    assert (ROOT / "docs/life.md").read_text("utf-8") == document()
