"""Where the parts are: what an operator said of them, and what is read from a file."""

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from hub.config.settings import read_settings
from hub.embedded.parts import BackingServices
from hub.errors import ConfigurationError


def test_the_password_of_a_database_comes_from_its_file(tmp_path: Path) -> None:
    """Neither the unit nor the manifest that names the database holds it."""
    file = tmp_path / "postgres"
    file.write_text("it's secret\n", encoding="ascii")
    said = {"HUB_POSTGRES_DSN": "host=db user=hub", "HUB_POSTGRES_PASSWORD_FILE": str(file)}
    found = conninfo_to_dict(BackingServices(read_settings(said)).require_dsn())
    assert found == {"host": "db", "user": "hub", "password": "it's secret"}
    said["HUB_POSTGRES_PASSWORD_FILE"] = str(tmp_path / "missing")
    with pytest.raises(ConfigurationError, match="HUB_POSTGRES_PASSWORD_FILE"):
        BackingServices(read_settings(said)).require_dsn()
