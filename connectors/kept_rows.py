"""What a file's result shows of its rows, kept by the connector that read them.

`<results>/.sources/<digest>.rows` beside the manifest of the same name. The results are written in
one process for all departments: it must neither read a department's file nor see what is sealed.
So a sealed column and a natural person's row say so here, and nothing else of them is kept.
"""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from connectors.confined import OUTPUT_BYTES
from connectors.row_frames import MAX_LINE_BYTES, read_rows_back, write_rows
from connectors.tables import Budget, SourceRow
from hub.adapters.paths import OpenFolder, open_folder
from hub.adapters.sheet_writer import LONGEST_CELL, SOURCES, write_result

KEPT_BYTES: Final = 1024 * 1024 * 1024
"""Of one source. Beyond, the oldest go, and results written anew hold the hub's columns only."""
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
        out = io.BytesIO()
        write_rows(map(_shortened, rows), out)
        name = digest.encode() + _ENDING
        write_result(self._results, SOURCES, name.decode(), out.getvalue())
        with open_folder(self._results) as results, results.below(SOURCES) as sources:
            self._make_room(sources, name, len(out.getvalue()))

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
    """Yield what was kept of a file; nothing where nothing is.

    Raises `IntegrityError` when it is damaged, and `OverBudgetError`.
    """
    budget = Budget()
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
                budget.row(row._replace(fault=""))
                yield row
    except OSError:
        return


def _shortened(row: SourceRow) -> SourceRow:
    return row._replace(cells=tuple(cell[:LONGEST_CELL] for cell in row.cells))
