"""A platform's answer about files: the acknowledgement file, `<data file>.<n>.ack.json`.

    {"file": "001501_20261103_00001.xml", "sha256": "…", "status": "taken",
     "at": "2026-11-03T09:30:00+08:00", "last": "001501_20261103_00001.xml", "missing": [],
     "rows": [{"delivery": "…", "digest": "…", "stage": "published", "receipt": "…", "at": "…"},
              {"delivery": "…", "stage": "refused", "code": "…", "message": "…", "at": "…"}]}

Several may be about one file: taken over first, published later. A row of one is held against
what was sent by `read_receipt`, like every other receipt.
"""

import re
from typing import Final, Literal, NamedTuple

from hub.targets.delivery import read_json, read_moment
from hub.targets.file.layout import FileName, read_name

ENDING: Final = ".ack.json"
"""How the name of an acknowledgement file ends."""
NAME_TAKEN: Final = "NAME_TAKEN"
"""A whole file is refused with this code when its name was used before for other content."""
_LONGEST_TEXT: Final = 200
_DIGEST: Final = re.compile("[0-9a-f]{64}")


class Acknowledgement(NamedTuple):
    """One acknowledgement file, read."""

    file: FileName
    digest: str
    """SHA-256 of the data file as the platform has it."""
    status: Literal["taken", "refused"]
    code: str
    """Why the file as a whole is refused."""
    at: int
    """The platform's own time, business milliseconds."""
    last: FileName | None
    """The newest file of this series the platform has taken over."""
    missing: tuple[FileName, ...]
    """Files of this series the platform knows it has not got."""
    rows: tuple[dict[str, object], ...]


def read_acknowledgement(value: bytes) -> Acknowledgement | None:
    """Read an acknowledgement file; None when it is half-written or none at all."""
    told = read_json(value)
    if told is None:
        return None
    file, moment = _name(told.get("file")), read_moment(told.get("at"))
    digest, status = told.get("sha256"), told.get("status")
    missing, rows = told.get("missing", []), told.get("rows", [])
    if not isinstance(missing, list) or not isinstance(rows, list):
        return None
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        return None
    named = [_name(one) for one in missing]
    if file is None or moment is None or status not in ("taken", "refused") or None in named:
        return None
    if not all(isinstance(row, dict) for row in rows):
        return None
    code = told.get("code", "")
    return Acknowledgement(
        file,
        digest,
        "taken" if status == "taken" else "refused",
        code[:_LONGEST_TEXT] if isinstance(code, str) else "",
        moment,
        _name(told.get("last")),
        tuple(one for one in named if one is not None),
        tuple(rows),
    )


def _name(told: object) -> FileName | None:
    return read_name(told) if isinstance(told, str) else None
