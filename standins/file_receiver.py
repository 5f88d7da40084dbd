"""A stand-in for a platform that takes files from a folder and answers with files.

    python standins/file_receiver.py --folder DIR --book FILE --clock business-clock.json \
        [--control FILE] [--portfile P] [--keep]
    python standins/file_receiver.py dump --book FILE

It imports nothing from the hub. A file counts only with its manifest and when its SHA-256 is the
manifest's. Rows are taken into the book before the acknowledgement is written (temporary name,
rename), and the file is removed after that (unless --keep). A file put there again is judged
again: what is known is answered as before. Its conduct (conduct.py) is drawn per file.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import hashlib
import io
import json
import os
import re
import signal
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

if not __package__:  # started as a script: only this file's folder is on the path
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from standins.conduct import FILE_MANNERS, Conduct
from standins.platform_book import Book, ClockFile, Entry, dump, parse

_NAME = re.compile(r"([0-9A-Z]{6})_([0-9]{8})_([0-9]{5})\.(xml|csv)")
_POLL_SECONDS = 0.05
_OWN = ("delivery", "digest", "record", "version", "action", "kind", "repeat", "reason")


class Receiver:
    """The platform: looks at the folder, takes what is new, keeps its book, answers."""

    def __init__(
        self,
        folder: Path,
        book: Book,
        clock: ClockFile,
        control: Path | None,
        *,
        keeps: bool = False,
    ) -> None:
        self._out, self._ack = folder / "out", folder / "ack"
        self._book, self._clock, self._control, self._keeps = book, clock, control, keeps
        self._mark = -1
        self.conduct = Conduct()
        self._seen: dict[str, tuple[int, int]] = {}
        self._late: list[tuple[float, str]] = []
        self._said = 0

    def step(self) -> None:
        """Look once: new files, late acknowledgements, publications that are due."""
        self._obey()
        for path in sorted(self._out.glob("*.manifest.json")):
            self._consider(path.name.removesuffix(".manifest.json"))
        for entry, _record in self._book.publish_due(self._clock.now()):
            self._owe(self._file_of(entry.delivery))
        self._book.commit()
        now = time.monotonic()
        due = {name for when, name in self._late if when <= now}
        self._late = [one for one in self._late if one[1] not in due]
        for name in sorted(due):
            self._acknowledge(name)
        for name in self._owed():
            if not any(name == one for _when, one in self._late):
                self._acknowledge(name)

    def _obey(self) -> None:
        if self._control is not None and self._control.exists():
            mark = self._control.stat().st_mtime_ns
            if mark != self._mark:
                self._mark = mark
                self.conduct = Conduct.read(self._control.read_text(encoding="utf-8"), FILE_MANNERS)

    def _consider(self, name: str) -> None:
        """Take one file, if it is new or was put there again since it was looked at."""
        try:
            told = (self._out / name).stat()
            mark = (told.st_mtime_ns, told.st_ino)
            if self._seen.get(name) == mark:
                return
            content = (self._out / name).read_bytes()
            manifest = json.loads((self._out / f"{name}.manifest.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return
        if hashlib.sha256(content).hexdigest() != manifest["sha256"]:
            return  # half-written by somebody: it does not count
        self._seen[name] = mark
        sightings = int(self._book.setting(f"sightings {name}") or "0")
        self._book.set_setting(f"sightings {name}", str(sightings + 1))
        manner = self.conduct.manner(name, sightings)
        if manner == "skip":
            return
        if manner == "lose":
            self._remove(name)
            return
        known = self._book.setting(f"file {name}")
        if known is not None and json.loads(known)["sha256"] != manifest["sha256"]:
            self._refuse(name, manifest["sha256"])
            return
        self._take(name, content, manifest)
        self._book.commit()
        if manner == "lose_applied":
            self._book.set_setting(f"owed {name}", "")
            self._remove(name)
        else:
            self._answer(name, manner)

    def _take(self, name: str, content: bytes, manifest: dict[str, object]) -> None:
        rows = rows_of(name, content)
        assert len(rows) == manifest["rows"], name
        for row, is_repeat in rows:
            request = parse(json.dumps(row).encode())
            if isinstance(request, str):
                self._book.set_setting(f"malformed {name}", request)
                continue
            before = self._book.setting(f"in {request.delivery}")
            if before is not None and before != name and not is_repeat:
                self._book.note("FILE", request, "undeclared repeat")
            self._book.set_setting(f"in {request.delivery}", name)
            refusal = self.conduct.refusal(request.record, request.version, request.fields)
            delay = int(self.conduct.publish_after_seconds * 1000)
            entry = self._book.apply(request, self._clock.now(), refusal, delay)
            self._book.note("FILE", request, entry.stage if entry else "KEY_REUSED")
        kept = {
            "sha256": manifest["sha256"],
            "deliveries": [row["delivery"] for row, _is_repeat in rows],
        }
        self._book.set_setting(f"file {name}", json.dumps(kept))
        series = name[:6]
        newest = self._book.setting(f"newest {series}") or ""
        self._book.set_setting(f"newest {series}", max(newest, name))
        self._owe(name)

    def _answer(self, name: str, manner: str) -> None:
        """Acknowledge in the given manner; in the end there is always a good one."""
        if manner in {"late", "half", "wrong_digest", "unknown", "partial"}:
            self._late.append((time.monotonic() + self.conduct.late_seconds, name))
        if manner == "half":
            body = json.dumps(self._body(name))
            (self._ack / f"{name}.0.ack.json").write_text(body[: len(body) // 2], encoding="utf-8")
        elif manner == "wrong_digest":
            self._write(name, {**self._body(name), "sha256": "0" * 64})
        elif manner == "unknown":
            self._write(name, {**self._body(name), "file": f"ZZZZ99_20200101_00001{name[-4:]}"})
        elif manner == "partial":
            body_ = self._body(name)
            rows = body_["rows"]
            assert isinstance(rows, list)
            self._write(name, {**body_, "rows": rows[: len(rows) // 2]})
        elif manner == "gap":
            series, day, number, ending = _parts(name)
            before = f"{series}_{day}_{max(number - 1, 1):05d}.{ending}"
            self._write(name, {**self._body(name), "missing": [before]})
        elif manner in {"", "twice"}:
            self._acknowledge(name)
            if manner == "twice":
                self._owe(name)

    def _acknowledge(self, name: str) -> None:
        self._write(name, self._body(name))
        self._book.set_setting(f"owed {name}", "")
        self._book.commit()
        if not self._keeps:
            self._remove(name)

    def _body(self, name: str) -> dict[str, object]:
        """Say what is known of a file now: its rows, and which numbers of its day are missing."""
        kept = json.loads(self._book.setting(f"file {name}") or "{}")
        entries = [self._book.find(one) for one in kept["deliveries"]]
        series, day, number, ending = _parts(name)
        missing = [
            other
            for before in range(1, number)
            if self._book.setting(f"file {(other := f'{series}_{day}_{before:05d}.{ending}')}")
            is None
        ]
        return {
            "file": name,
            "sha256": kept["sha256"],
            "status": "taken",
            "at": self._moment(),
            "last": self._book.setting(f"newest {series}"),
            "missing": missing,
            "rows": [entry.body() for entry in entries if isinstance(entry, Entry)],
        }

    def _refuse(self, name: str, digest: str) -> None:
        """The name was used for other content: nothing of it is taken."""
        newest = self._book.setting(f"newest {name[:6]}")
        self._write(
            name,
            {
                "file": name, "sha256": digest, "status": "refused", "code": "NAME_TAKEN",
                "at": self._moment(), "last": newest, "missing": [], "rows": [],
            },
        )  # fmt: skip

    def _write(self, name: str, body: dict[str, object]) -> None:
        number = int(self._book.setting(f"acks {name}") or "0") + 1
        self._book.set_setting(f"acks {name}", str(number))
        self._book.commit()
        final = self._ack / f"{name}.{number}.ack.json"
        partial = final.with_name(f".{final.name}")
        partial.write_text(json.dumps(body, ensure_ascii=False), encoding="utf-8")
        partial.replace(final)

    def _remove(self, name: str) -> None:
        self._book.commit()
        (self._out / f"{name}.manifest.json").unlink(missing_ok=True)
        (self._out / name).unlink(missing_ok=True)
        self._seen.pop(name, None)

    def _owe(self, name: str) -> None:
        if name:
            self._book.set_setting(f"owed {name}", "yes")

    def _owed(self) -> list[str]:
        return [name.removeprefix("owed ") for name in self._book.settings("owed ", "yes")]

    def _file_of(self, delivery: str) -> str:
        return self._book.setting(f"in {delivery}") or ""

    def _moment(self) -> str:
        """Return the platform's time; no two of one process are equal."""
        self._said += 1
        at = dt.datetime.fromtimestamp(self._clock.now() / 1000, dt.UTC)
        return (at + dt.timedelta(milliseconds=self._said)).isoformat(timespec="milliseconds")


def _parts(name: str) -> tuple[str, str, int, str]:
    match = _NAME.fullmatch(name)
    assert match is not None, name
    return match[1], match[2], int(match[3]), match[4]


def rows_of(name: str, content: bytes) -> list[tuple[dict[str, object], bool]]:
    """Read a file's rows as its description says: (request, whether it is a declared repeat)."""
    if name.endswith(".xml"):
        return _xml_rows(content)
    return _csv_rows(content)


def _xml_rows(content: bytes) -> list[tuple[dict[str, object], bool]]:
    message = ET.fromstring(content)  # a test's own file
    flow, item = message.findtext("Header/flow"), message.findtext("Header/item")
    rows = []
    for row in message.iterfind("Body/row"):
        fields = row.find("fields")
        request: dict[str, object] = {
            "delivery": row.get("delivery"),
            "digest": row.get("digest"),
            "record": row.get("record"),
            "version": int(row.get("version", "0")),
            "action": flow,
            "kind": item,
            "fields": {} if fields is None else {one.tag: one.text or "" for one in fields},
        }
        rows.append((request, row.get("repeat") == "yes"))
    return rows


def _csv_rows(content: bytes) -> list[tuple[dict[str, object], bool]]:
    text = content.decode("utf-8-sig")
    rows = []
    for line in csv.DictReader(io.StringIO(text, newline="")):
        cells = {name: text.removeprefix("'") for name, text in line.items()}
        fields = {name: text for name, text in cells.items() if name not in _OWN and text}
        request: dict[str, object] = {
            "delivery": cells["delivery"],
            "digest": cells["digest"],
            "record": cells["record"],
            "version": int(cells["version"]),
            "action": cells["action"],
            "kind": cells["kind"],
            "fields": fields,
        }
        rows.append((request, cells["repeat"] == "yes"))
    return rows


def numbers(path: Path) -> dict[str, list[int]]:
    """Return the numbers of the files that were taken, in order, by series and day."""
    book = Book(path, "reader")
    found: dict[str, list[int]] = {}
    for name in book.names("file "):
        series, day, number, _ending = _parts(name.removeprefix("file "))
        found.setdefault(f"{series}_{day}", []).append(number)
    book.close()
    return {name: sorted(each) for name, each in found.items()}


def undeclared(path: Path) -> int:
    """Count the rows that came a second time in another file without being declared."""
    book = Book(path, "reader")
    found = book.verdicts("undeclared repeat")
    book.close()
    return found


def serve(arguments: argparse.Namespace) -> None:
    """Look until SIGTERM or SIGINT."""
    stopping = False

    def stop(_signal: int, _frame: object) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    book = Book(arguments.book, "nation")
    receiver = Receiver(
        arguments.folder, book, ClockFile(arguments.clock), arguments.control, keeps=arguments.keep
    )
    sys.stdout.write(f"file receiver {os.getpid()}\n")
    sys.stdout.flush()
    if arguments.portfile:
        arguments.portfile.write_text(str(os.getpid()), encoding="utf-8")
    while not stopping:
        receiver.step()
        time.sleep(_POLL_SECONDS)
    book.close()


def main(argv: list[str] | None = None) -> None:
    """Serve, or print the book as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", nargs="?", choices=("serve", "dump"), default="serve")
    parser.add_argument("--book", type=Path, required=True)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--clock", type=Path)
    parser.add_argument("--control", type=Path)
    parser.add_argument("--portfile", type=Path)
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args(argv)
    if arguments.command == "dump":
        json.dump(dump(arguments.book), sys.stdout, ensure_ascii=False)
        return
    if arguments.folder is None or arguments.clock is None:
        parser.error("--folder 和 --clock 必填 / are required to serve")
    serve(arguments)


if __name__ == "__main__":
    main()
