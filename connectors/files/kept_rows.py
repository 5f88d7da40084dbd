"""Rows of a file for its result, kept by the connector that read them.

`<results>/.sources/<digest>.rows` beside the manifest of the same name. The results are written in
one process for all departments: it must neither read a department's file nor see what is sealed.
So a sealed column and a natural person's row say so here, and nothing else of them is kept.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from connectors.files.confined import OUTPUT_BYTES
from connectors.files.row_frames import MAX_LINE_BYTES, damaged, read_rows_back, write_rows
from connectors.files.sheet_writer import SOURCES, result_file
from connectors.tables import Budget, SourceRow
from hub.domain.positions import MAX_LINES, MAX_SHEETS
from hub.io.paths import OpenFolder, open_folder

KEPT_BYTES: Final = 1024 * 1024 * 1024
"""Of one source. Beyond, the oldest go, and later results of theirs hold the hub's columns only."""
KEPT_CELL: Final = 1_000
"""Characters of one cell; enough to know the row again, and few enough for memory."""
_CUT: Final = "…（已截短，见原文件）"
_ENDING: Final = b".rows"


class RowKeeper:
    """Keeps the rows of the files of one source."""

    def __init__(self, results: Path) -> None:
        """Take the results folder."""
        self._results = results
        self._octets: dict[bytes, int] | None = None
        """Of each kept file, the oldest first."""
        self._total = 0

    def keep(self, digest: str, rows: Iterable[SourceRow]) -> None:
        """Keep rows as the result may show them. Raises `UnavailableError` of a full disk."""
        name = digest.encode() + _ENDING
        with result_file(self._results, SOURCES, name.decode()) as out:
            write_rows(map(_shortened, rows), out)
            size = out.tell()
        with open_folder(self._results) as results, results.below(SOURCES) as sources:
            self._make_room(sources, name, size)

    def _make_room(self, sources: OpenFolder, newest: bytes, size: int) -> None:
        """Remove the oldest while there is too much; the folder is listed once."""
        if self._octets is None:
            found = [
                (sources.look(name), name) for name in sources.names() if name.endswith(_ENDING)
            ]
            found.sort(key=lambda each: each[0].modified_ns)
            self._octets = {name: mark.size for mark, name in found}
            self._total = sum(self._octets.values())
        self._total += size - self._octets.pop(newest, 0)
        self._octets[newest] = size
        while self._total > KEPT_BYTES and len(self._octets) > 1:
            oldest = next(iter(self._octets))
            sources.remove(oldest)
            self._total -= self._octets.pop(oldest)


def kept_rows(results: Path, digest: str) -> Iterator[SourceRow]:
    """Yield what was kept of a file, in order of sheet and row; nothing where nothing is.

    Raises `IntegrityError` when it is damaged or no connector wrote it, and `OverBudgetError`.
    """
    budget = Budget()
    last = (0, -1)
    try:
        with (
            open_folder(results) as top,
            top.below(SOURCES) as sources,
            sources.opened(digest.encode() + _ENDING) as plain,
        ):
            if plain.mark.size > OUTPUT_BYTES:  # no connector kept that
                return
            lines = iter(lambda: plain.file.readline(MAX_LINE_BYTES + 1), b"")
            for row in read_rows_back(lines):
                place = row.sheet_index, row.row_number
                if not last < place or row.sheet_index >= MAX_SHEETS or row.row_number > MAX_LINES:
                    raise damaged()
                last = place
                budget.row(row)
                yield row
    except OSError:
        return


def _shortened(row: SourceRow) -> SourceRow:
    """Return what is kept of a row: of one that cannot be read, its number.

    Where its cells' columns are in doubt, so is which of them are sealed.
    """
    if row.fault:
        return row._replace(cells=(), fault="")
    return row._replace(
        cells=tuple(
            cell if len(cell) <= KEPT_CELL else f"{cell[:KEPT_CELL]}{_CUT}" for cell in row.cells
        )
    )
