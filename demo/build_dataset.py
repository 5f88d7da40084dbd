"""Builds the demo's data set: the same bytes every time, on every machine.

    python -m demo.build_dataset [--into FOLDER]

Writes `inbox/` (files as the departments and the court of an invented city drop them),
`schedule.json` (when), `manifest.yaml` (every quirk: where seen, how often, what must happen) and
`expected.csv` (the answer to every row that is not plainly accepted).
"""

import argparse
import csv
import io
import json
import shutil
from collections import Counter
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from demo.generator.book import DatasetFiles
from demo.generator.catalogue import QUIRKS, Quirk
from demo.generator.detectors import DETECTORS
from demo.generator.dice import Dice
from demo.generator.families import FamilyFile, family_files
from demo.generator.faults import FITS, SPOILS
from demo.generator.identities import CITY, UNKNOWN_REGIONS, is_credit_code
from demo.generator.reading import READ_FOLDERS, DataSet, folded, read_data_set
from demo.generator.rows import FOLDERS, FileToDrop, Row
from demo.generator.stories import LAST_STORIES, STORIES
from demo.generator.working_days import ENDS_ON, STARTS_ON
from demo.generator.writing import file_bytes

HERE: Final = Path(__file__).parent / "dataset"


class Dropped(NamedTuple):
    """One file as it is dropped, with the answers it must get."""

    path: str
    department: str
    drop_at: int
    when: str
    content: bytes
    rows: int
    """Rows that are answered one by one; a court's full list is one."""
    answers: tuple[tuple[int, str, tuple[str, ...], tuple[str, ...]], ...]
    """(row, outcome, reasons, quirks) of each row; row 0 is the whole file."""


def build(folder: Path) -> None:
    """Write the whole data set below `folder`, replacing what an earlier run left there."""
    files = _files()
    shutil.rmtree(folder / "inbox", ignore_errors=True)
    for file in files:
        path = folder / "inbox" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
    _write(folder / "schedule.json", _schedule(files))
    _write(folder / "expected.csv", _expected(files))
    _write(folder / "manifest.yaml", _manifest(read_data_set(folder), files))


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode())


def _files() -> list[Dropped]:
    """All files with all quirks, in the order they are dropped."""
    book = DatasetFiles()
    rows = book.row_count
    counts = {quirk.id: max(quirk.floor, round(quirk.share * rows)) for quirk in QUIRKS}
    for name, story in STORIES.items():
        story(book, name, counts[name])
    for quirk in QUIRKS:
        if quirk.id in SPOILS:
            _spoil(book, quirk, counts[quirk.id])
    for name, story in LAST_STORIES.items():
        story(book, name, counts[name])
    for file in book.files:
        if file.folder in FOLDERS.values():
            for row in file.rows:
                _note_region(row)
    dropped = [*map(_dropped, book.files), *map(_dropped_family, family_files(book))]
    return sorted(dropped, key=lambda file: (file.drop_at, file.path))


def _dropped(file: FileToDrop) -> Dropped:
    answers = tuple(
        (0 if file.is_broken else number, row.outcome, tuple(row.reasons), tuple(row.quirks))
        for number, row in enumerate(file.rows, 2)
    )
    when = f"{file.dropped_on} {file.dropped_at:%H:%M}"
    return Dropped(
        file.path, file.department.id, file.drop_at, when, file_bytes(file), len(file.rows), answers
    )


def _dropped_family(file: FamilyFile) -> Dropped:
    answers = tuple((n, row.outcome, row.reasons, ()) for n, row in enumerate(file.rows, 2))
    answers = ((0, "accepted", (), ()),) if file.is_statement else answers
    when = f"{file.dropped_on} {file.dropped_at:%H:%M}"
    return Dropped(
        file.path, file.department, file.drop_at, when, file.content(), len(answers), answers
    )


def _spoil(book: DatasetFiles, quirk: Quirk, count: int) -> None:
    """Spoil `count` rows of no story in this way."""
    dice = Dice(f"spoil {quirk.id}")
    found = book.unused(quirk.id, count, FITS.get(quirk.id, _every_row))
    for file, row in found:
        SPOILS[quirk.id](row, file, dice)
        row.expect(quirk.id, quirk.outcome, *quirk.reasons)


def _every_row(row: Row, file: FileToDrop) -> bool:
    del row, file
    return True


def _note_region(row: Row) -> None:
    """Note the warning that an accepted row with an unknown region gets."""
    code = folded(row.get("XDR_SHXYM")).upper()
    if is_credit_code(code) and code[2:8] in UNKNOWN_REGIONS and row.raw_cells is None:
        row.quirks.append("code_region_unknown")
        if row.outcome == "accepted":
            row.reasons.append("REGION_UNKNOWN")


def _schedule(files: list[Dropped]) -> str:
    """When each file is dropped, in business milliseconds; one line a file."""
    lines = [
        json.dumps(
            {
                "path": file.path,
                "department": file.department,
                "drop_at": file.drop_at,
                "dropped": file.when,
                "rows": file.rows,
            },
            ensure_ascii=False,
        )
        for file in files
    ]
    head = f'"starts_on": "{STARTS_ON}", "ends_on": "{ENDS_ON}", "time_zone": "Asia/Shanghai"'
    return "{" + head + ', "files": [\n' + ",\n".join(lines) + "\n]}\n"


def _expected(files: list[Dropped]) -> str:
    """The answer to every row that is an example of something or gets a reason."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["file", "row", "outcome", "reasons", "quirks"])
    for file in files:
        for place, outcome, reasons, quirks in file.answers:
            if quirks or reasons or outcome != "accepted":
                writer.writerow([file.path, place, outcome, ";".join(reasons), ";".join(quirks)])
    return out.getvalue()


def _manifest(data: DataSet, files: list[Dropped]) -> str:
    """What is in the data set, counted in the files themselves."""
    ordinary = data.ordinary
    document = {
        "city": f"{CITY}（虚构 / invented）",
        "period": f"{STARTS_ON} .. {ENDS_ON}, Asia/Shanghai",
        "files": len(files),
        "rows": sum(file.rows for file in files),
        "licences": sum(row.table == "licence" for row in ordinary),
        "penalties": sum(row.table == "penalty" for row in ordinary),
        "families": _families(files),
        "note": (
            "Texts, names and identities are invented; codes are synthetic and valid. Shares were "
            "counted in the public tables named under `seen`; no row of them is here. `here.share` "
            "is of all rows (of all files for `in: files`); a rare fault is raised to a few rows. "
            "withdrawn+held: the old identity is withdrawn, the new one held until then, or "
            "accepted at once when that is known already."
        ),
        "digest": _digest(files),
        "quirks": [_entry(quirk, data) for quirk in QUIRKS],
    }
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=100)


def _families(files: list[Dropped]) -> dict[str, int]:
    """Rows by folder, of what is neither licence nor penalty nor a letter about one."""
    counts = Counter[str]()
    for file in files:
        folder = file.path.split("/")[1]
        if folder not in READ_FOLDERS:
            counts[folder] += file.rows
    return dict(sorted(counts.items()))


def _digest(files: list[Dropped]) -> str:
    """SHA-256 over all files in order: names and bytes."""
    digest = sha256()
    for file in files:
        digest.update(file.path.encode() + b"\0" + file.content)
    return digest.hexdigest()


def _entry(quirk: Quirk, data: DataSet) -> dict[str, object]:
    """One quirk with its count and first example. Raises `LookupError` when it is not found."""
    places = DETECTORS[quirk.id](data)
    if not places:
        raise LookupError(quirk.id)
    in_files = all(row == 0 for _, row in places)
    whole = len(data.files) if in_files else len(data.rows)
    return {
        "id": quirk.id,
        "zh": quirk.zh,
        "en": quirk.en,
        "seen": quirk.seen,
        "there": quirk.measured,
        "here": {
            "count": len(places),
            "in": "files" if in_files else "rows",
            "share": f"{len(places) / whole:.4f}",
        },
        "expected": {"outcome": quirk.outcome, "reasons": list(quirk.reasons)},
        "example": {"file": places[0][0], "row": places[0][1]},
    }


def main() -> None:
    """Build into the repository, or into the folder given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--into", type=Path, default=HERE, help="folder to write to")
    folder = parser.parse_args().into
    folder.mkdir(parents=True, exist_ok=True)
    build(folder)
    print(f"数据集已生成 / data set written: {folder}")


if __name__ == "__main__":
    main()
