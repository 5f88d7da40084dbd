"""RocksDB through rocksdict: ordered bytes, atomic batches, one folder per slot."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, cast

from rocksdict import BlockBasedOptions, Options, Rdict, WriteBatch, WriteOptions

from hub.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


class RocksStore:
    """A state store; see `hub.ports.StateStore`.

    WAL on, no fsync: what a power failure takes is folded again from the ledger. After a refused
    write RocksDB takes no more; it is closed, and opened again when next asked for.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._options = Options(raw_mode=True)
        self._options.create_if_missing(True)  # noqa: FBT003 - rocksdict takes it by position
        blocks = BlockBasedOptions()
        # most keys asked for are new: a filter of ten bits a key spares reading the files for them
        blocks.set_bloom_filter(10, False)  # noqa: FBT003 - rocksdict takes it by position
        self._options.set_block_based_table_factory(blocks)
        self._options.set_write_buffer_size(32 * 1024 * 1024)
        self._options.set_max_write_buffer_number(3)
        self._options.set_keep_log_file_num(2)
        self._options.set_max_log_file_size(1024 * 1024)
        self._write_options = WriteOptions()
        self._db: Rdict | None = None
        self._live()

    def _live(self) -> Rdict:
        """The open database. Raises `UnavailableError` when it cannot be opened."""
        if self._db is None:
            try:
                self._db = Rdict(str(self._folder), self._options)
            except Exception as error:  # rocksdict raises bare Exception for every fault
                message = (
                    f"无法打开状态目录 {self._folder}\n"
                    f"cannot open the state folder {self._folder}: {error}\n"
                    "处理办法：检查磁盘是否已满、是否有另一进程在使用\n"
                    "Remedy: is the disk full, is another process using it?"
                )
                raise UnavailableError(message) from error
        return self._db

    def read(self, keys: Sequence[bytes]) -> list[bytes | None]:
        """The values of `keys`, in order; None where there is none."""
        return cast("list[bytes | None]", self._live()[list(keys)]) if keys else []

    def scan(self, start: bytes, stop: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to `limit` entries with start ≤ key < stop, in key order."""
        found: list[tuple[bytes, bytes]] = []
        entries = cast("Iterator[tuple[bytes, bytes]]", self._live().items(from_key=start))
        for key, value in entries:
            if key >= stop or len(found) == limit:
                break
            found.append((key, value))
        return found

    def write(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Apply all changes atomically. Raises `UnavailableError` when the disk refuses."""
        batch = WriteBatch(raw_mode=True)
        for key, value in changes.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        try:
            self._live().write(batch, self._write_options)
        except Exception as error:  # rocksdict raises bare Exception for every fault
            self.close()
            message = (
                f"状态写入失败（{self._folder}）\nstate write failed: {error}\n"
                "处理办法：腾出磁盘空间，进程会自行继续，已提交的不会丢失\n"
                "Remedy: free disk space; the worker goes on by itself, nothing committed is lost"
            )
            raise UnavailableError(message) from error

    def close(self) -> None:
        """Release the files; what cannot be written any more is in the ledger."""
        database, self._db = self._db, None
        if database is not None:
            with suppress(Exception):  # bare Exception, as above
                database.close()
