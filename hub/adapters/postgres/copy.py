"""The look-up tables as files, and back: PostgreSQL's own binary COPY, all as of one moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, LiteralString

import psycopg
from psycopg import sql

from hub.adapters.postgres.tables import UNANSWERED, Tables, schema_of, unavailable
from hub.io.paths import create_file, open_file, own_folder

if TYPE_CHECKING:
    from pathlib import Path

_TABLES: LiteralString = (
    "SELECT table_name FROM information_schema.tables"
    " WHERE table_schema = %s AND table_type = 'BASE TABLE' ORDER BY table_name"
)
_ENDING = ".copy"


def export_tables(dsn: str, prefix: str, folder: Path) -> int:
    """Write every table of a site's look-ups into `folder`; returns how many there are, 0 of none.

    All tables are read as of one moment, so positions and rows agree. Raises `UnavailableError`.
    """
    schema = schema_of(prefix)
    own_folder(folder)
    try:
        with psycopg.connect(dsn, application_name="hub backup") as session:
            session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            names = [str(row[0]) for row in session.execute(_TABLES, (schema,))]
            for name in names:
                table = sql.Identifier(schema, name)
                statement = sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(table)
                with (
                    create_file(folder / f"{name}{_ENDING}") as file,
                    session.cursor() as cursor,
                    cursor.copy(statement) as copy,
                ):
                    for block in copy:
                        file.write(block)
    except UNANSWERED as error:
        raise unavailable(error) from error
    return len(names)


def import_tables(dsn: str, prefix: str, folder: Path) -> int:
    """Fill the look-ups from these files; return how many tables were filled.

    The database's rows of this site are replaced: they are a fold of the ledger. Raises
    `FencedError` while a projector is at work and `UnavailableError`.
    """
    files = sorted(folder.glob(f"*{_ENDING}"))
    schema = schema_of(prefix)
    with Tables(dsn, prefix) as tables:
        tables.reset()
        try:
            with psycopg.connect(dsn, application_name="hub restore") as session:
                known = {str(row[0]) for row in session.execute(_TABLES, (schema,))}
                if {file.stem for file in files} != known:  # of another version
                    return 0
                for file in files:
                    table = sql.Identifier(schema, file.stem)
                    session.execute(sql.SQL("DELETE FROM {}").format(table))
                    statement = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(table)
                    with session.cursor().copy(statement) as copy, open_file(file) as stored:
                        while block := stored.read(1 << 16):
                            copy.write(block)
        except UNANSWERED as error:
            raise unavailable(error) from error
        except psycopg.DataError:
            tables.reset()
            return 0
    return len(files)
