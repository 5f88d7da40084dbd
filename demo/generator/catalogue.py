"""Every quirk of the data set: what it is, where it was seen, how often there, what must happen.

`quirks.csv` holds one line a quirk. `share` is the measured share of rows; the data set has
`max(floor, share x rows)` of it, so that a rare fault still occurs. Shares were counted in the
public tables that `seen` names; no row of those tables is here. A share and a floor of 0 are for
quirks that every file of some department has.
"""

import csv
from fractions import Fraction
from pathlib import Path
from typing import Final, NamedTuple


class Quirk(NamedTuple):
    """One quirk; `outcome` is that of its last row, `reasons` what the answer must contain."""

    id: str
    zh: str
    en: str
    seen: str
    measured: str
    outcome: str
    reasons: tuple[str, ...]
    share: Fraction
    floor: int


def _read(path: Path) -> tuple[Quirk, ...]:
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(
            Quirk(
                line["id"],
                line["zh"],
                line["en"],
                line["seen"],
                line["measured"],
                line["outcome"],
                tuple(filter(None, line["reasons"].split(";"))),
                Fraction(line["share"]),
                int(line["floor"]),
            )
            for line in csv.DictReader(file)
        )


QUIRKS: Final = _read(Path(__file__).with_name("quirks.csv"))
