"""An intended batch in the cursor topic: rows as they were read, before any of them is submitted.

A live table may say something else a second later. So what is submitted under a number is written
down first, in a transaction of its own, and is sent from there, however often that takes: a number
never carries two rows. The parts come first and the entry that names them last; a torn transaction
shows a beginning, and parts without that entry are ignored.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from connectors.database.values import as_read, as_stored
from connectors.loop import CursorTexts
from connectors.submission import OutgoingSubmission
from hub.errors import SourceError

INTENT: Final = "intent"
PART: Final = "intent-part:"
PART_BYTES: Final = 600_000
"""Before compression; a cursor entry holds 1 MiB, and sealed bytes do not get shorter."""


class Known(NamedTuple):
    """Memory of a row: its content's digest and its stamp, as stored (None: none)."""

    content: str
    order: str | int | None


class Intent(NamedTuple):
    """A batch to be submitted: numbers from `first` on."""

    first: int
    rows: dict[str, Known]
    """Memory of the rows read, those included that need no submission."""
    high: str | int | None
    """How far the table has been read once this is submitted, as stored."""
    submissions: tuple[OutgoingSubmission, ...]
    compared: str = ""
    """The day whose comparison the one submission states, `+` where it missed rows; else empty."""

    def entries(self) -> dict[str, Mapping[str, object]]:
        """Return the cursor entries, the naming one last."""
        lines: list[object] = [[row, *known] for row, known in self.rows.items()]
        lines += [
            [
                each.kind,
                base64.b64encode(each.key).decode(),
                base64.b64encode(each.value).decode(),
                each.position,
                each.source_version,
                each.stated_status,
            ]
            for each in self.submissions
        ]
        parts = list(_parts(json.dumps(line, separators=(",", ":")) for line in lines))
        entries: dict[str, Mapping[str, object]] = {
            f"{PART}{number}": {"z": part} for number, part in enumerate(parts)
        }
        entries[INTENT] = {
            "first": self.first, "high": self.high, "rows": len(self.rows), "parts": len(parts),
            "compared": self.compared,
        }  # fmt: skip
        return entries


def read_intent(cursors: CursorTexts) -> Intent | None:
    """Return the intended batch the cursors hold, or None. Raises `SourceError` when damaged."""
    named = cursors.get(INTENT)
    if named is None:
        return None
    try:
        packed = [str(cursors[f"{PART}{n}"]["z"]) for n in range(int(str(named["parts"])))]
        lines = [
            json.loads(line)
            for part in packed
            for line in zlib.decompress(base64.b64decode(part)).decode().splitlines()
        ]
        count = int(str(named["rows"]))
        rows = {row: Known(content, order) for row, content, order in lines[:count]}
        submissions = tuple(
            OutgoingSubmission(kind, base64.b64decode(key), base64.b64decode(value), *texts)
            for kind, key, value, *texts in lines[count:]
        )
        high = None if named["high"] is None else as_stored(as_read(named["high"]))
        compared = str(named.get("compared", ""))
        return Intent(int(str(named["first"])), rows, high, submissions, compared)
    except (KeyError, ValueError, TypeError, zlib.error):
        raise SourceError("游标记录损坏 / a cursor entry is damaged: intent") from None


def without_intent(keys: Iterable[str]) -> dict[str, None]:
    """Return the tombstones of an intent's entries among `keys`: the naming one first."""
    found = sorted(key for key in keys if key.startswith(PART))
    return dict.fromkeys((INTENT, *found))


def _parts(lines: Iterable[str]) -> Iterable[str]:
    """Pack lines into parts of bounded size."""
    held: list[str] = []
    octets = 0
    for line in lines:
        if held and octets + len(line) > PART_BYTES:
            yield _packed(held)
            held, octets = [], 0
        held.append(line)
        octets += len(line) + 1
    if held:
        yield _packed(held)


def _packed(lines: list[str]) -> str:
    return base64.b64encode(zlib.compress("\n".join(lines).encode(), 1)).decode()
