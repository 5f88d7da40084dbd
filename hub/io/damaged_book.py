"""Detect and discard a corrupted SQLite file that can be rebuilt."""

import sqlite3
from pathlib import Path


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is damaged, and not only out of reach just now."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def discard(path: Path) -> None:
    """Remove a database file whose content can be read elsewhere."""
    for ending in ("", "-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)
