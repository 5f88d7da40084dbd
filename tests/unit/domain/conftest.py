"""The calendar and the rulebook of the repository, read once."""

import json
from pathlib import Path

import pytest
import yaml

from hub.domain.calendar import WorkingCalendar
from hub.domain.rulebook import Rulebook

DEPLOY = Path(__file__).parents[3] / "deploy"


@pytest.fixture(scope="session")
def calendar() -> WorkingCalendar:
    """All notices from 2007 to 2026."""
    text = (DEPLOY / "calendars" / "cn-2007-2026.json").read_text(encoding="utf-8")
    return WorkingCalendar.from_mapping(json.loads(text))


@pytest.fixture(scope="session")
def rulebook() -> Rulebook:
    """The national rules of 2026."""
    text = (DEPLOY / "rulebooks" / "national-2026.yaml").read_text(encoding="utf-8")
    return Rulebook.from_mapping(yaml.safe_load(text))
