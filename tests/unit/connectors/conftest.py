"""Tables on two real servers: PostgreSQL and MariaDB."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import PostgresPart
from tests.mariadb import NEEDS_MARIADB, MariaDb
from tests.unit.connectors.databases import Server, TablePlace


@pytest.fixture(params=["postgresql", pytest.param("mariadb", marks=NEEDS_MARIADB)])
def server(request: pytest.FixtureRequest) -> Server:
    """Each dialect in turn."""
    if request.param == "postgresql":
        part = request.getfixturevalue("postgres")
        assert isinstance(part, PostgresPart)
        return Server(part.dsn)
    maria = request.getfixturevalue("mariadb")
    assert isinstance(maria, MariaDb)
    return Server(maria.url)


@pytest.fixture
def place(tmp_path: Path, server: Server) -> Iterator[TablePlace]:
    """An empty table of one's own."""
    with closing(TablePlace(tmp_path, server)) as made:
        yield made
