"""Topic partitions as Avro container files: what a backup keeps, readable by any Avro tool."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import fastavro

from hub.adapters.kafka.copy import StoredRecord
from hub.errors import IntegrityError
from hub.io.paths import create_file, open_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_SCHEMA: Final = fastavro.parse_schema(
    {
        "type": "record", "name": "StoredRecord", "namespace": "hub.backup.v1", "fields": [
            {"name": "offset", "type": "long"},
            {"name": "timestamp", "type": ["null", "long"]},
            {"name": "key", "type": ["null", "bytes"]},
            {"name": "headers", "type": {"type": "array", "items": {
                "type": "record", "name": "Header", "fields": [
                    {"name": "name", "type": "string"}, {"name": "value", "type": "bytes"}]}}},
            {"name": "value", "type": ["null", "bytes"]},
        ],
    }
)  # fmt: skip


def write_records(path: Path, batches: Iterable[list[StoredRecord]]) -> int:
    """Write one partition's records; returns how many. An `OSError` is the caller's."""
    count = 0

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal count
        for batch in batches:
            for record in batch:
                count += 1
                headers = [{"name": name, "value": value} for name, value in record.headers]
                yield {**record._asdict(), "headers": headers}

    with create_file(path) as stored:
        fastavro.writer(stored, _SCHEMA, rows(), codec="deflate")
    return count


def read_records(path: Path) -> Iterator[StoredRecord]:
    """Read them again, in order. Raises `IntegrityError` for a file that is none of ours."""
    with open_file(path) as stored:
        try:
            for item in fastavro.reader(stored):
                row: Any = item
                headers = tuple((h["name"], h["value"]) for h in row["headers"])
                yield StoredRecord(
                    row["offset"], row["timestamp"], row["key"], headers, row["value"]
                )
        except (ValueError, KeyError, EOFError) as error:
            raise IntegrityError(
                f"备份文件 {path.name} 无法读取\nthe backup's file {path.name} cannot be read\n"
                "处理办法：用另一份备份 / Remedy: take another backup"
            ) from error
