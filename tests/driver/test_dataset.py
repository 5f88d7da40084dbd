"""The demo's whole data set through connector, contracts and registrar, without Kafka.

Every row of every file, in the order the departments drop them, must get the outcome and the
reasons that `expected.csv` names, and every other row must be plainly accepted.
"""

import csv
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path

import pytest

from connectors.database.rows import TableRows
from connectors.database.settings import read_table_file
from connectors.database.sql import RawRow
from connectors.files.formats import read_rows
from connectors.files.snapshot import SnapshotDeclarer
from connectors.layout import Folder, Layouts, field_names
from connectors.submission import OutgoingSubmission, RowSubmitter
from demo.build_dataset import HERE
from demo.databases import CASE_COLUMNS, rows_entered
from demo.play import CASE_INBOX
from hub.adapters.sealing import Sealer
from hub.config.basis_document import basis_document
from hub.config.repository import load_repository_contracts
from hub.config.site import LoadedSite, load_site
from hub.core.record import PRIMARY, LedgerRecord
from hub.domain.partitioning import partition_of
from tests.driver.hub_test_driver import HubTestDriver

_SITE = Path(__file__).parents[2] / "deploy" / "sites" / "demo"
Place = tuple[str, int]


@dataclass
class AnsweredRow:
    """What the hub said to one row: outcomes in the order decided, reason codes."""

    outcomes: list[str] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)


class _NumberedInbox:
    """One inbox of the site: reads files as its connector would and numbers the stream."""

    def __init__(self, loaded: LoadedSite, name: str) -> None:
        contracts = load_repository_contracts()
        department, source = next(
            (department, source)
            for department in loaded.site.departments
            for source in department.files
            if source.inbox.name == name
        )
        self.department = department.id
        self.stream = f"{self.department}/{source.name}"
        self.submitter = RowSubmitter(self.department, self.stream, contracts, Sealer(bytes(32)))
        self.layouts = {folder: Layouts(folder, contracts) for folder in Folder}
        self.snapshots = SnapshotDeclarer(
            self.submitter, contracts, department.authorities, department.name_zh
        )
        self.sequence = 0

    def submissions(self, path: str) -> Iterator[tuple[Place, OutgoingSubmission]]:
        """Every submission of a file with the row it came from."""
        content = (HERE / "inbox" / path).read_bytes()
        fingerprint = sha256(content).hexdigest()
        layouts = self.layouts[Folder(path.split("/")[1])]
        rows = read_rows(content, layouts.words.knows)
        if layouts.folder is Folder.COURT_SNAPSHOTS:
            number = self.sequence + 1
            for statement in self.snapshots.declare(rows, layouts, fingerprint, path, number):
                assert isinstance(statement, OutgoingSubmission)
                self.sequence += 1
                yield (path, 0), statement
            return
        for row in rows:
            if row.row_number:
                made = self.submitter.submissions(row, layouts, fingerprint, self.sequence + 1)
            else:
                made = (self.submitter.unreadable_file(row, layouts.kind, fingerprint, content),)
            for submission in made:
                self.sequence += 1
                yield (path, row.row_number), submission


class _Table:
    """The case system's table: reads the rows that a file enters or changes."""

    def __init__(self, loaded: LoadedSite) -> None:
        contracts, sealer = load_repository_contracts(), Sealer(bytes(32))
        department, source = next(
            (department, source)
            for department in loaded.site.departments
            for source in department.databases
        )
        self.department = department.id
        self.stream = f"{self.department}/{source.name}"
        self.described = read_table_file(loaded.path(source.file), field_names(contracts))
        submitter = RowSubmitter(self.department, self.stream, contracts, sealer)
        self.rows = TableRows(self.described, submitter, sealer)
        self.table: dict[str, dict[str, str]] = {}
        self.sequence = 0

    def submissions(self, path: str) -> Iterator[tuple[Place, OutgoingSubmission]]:
        """Every row as the connector reads it after the clerk's transaction."""
        for number, (record, cells) in enumerate(rows_entered(HERE / "inbox" / path), 2):
            is_first = record not in self.table
            row = self.table.setdefault(record, dict.fromkeys(CASE_COLUMNS, ""))
            row.update(cells)
            raw = RawRow((record,), None, tuple(row[name] for name in self.described.cells))
            read = self.rows.read(raw)
            for submission in self.rows.submissions(
                read, raw, self.sequence + 1, is_first=is_first
            ):
                self.sequence += 1
                yield (path, number), submission


@cache
def answers() -> dict[Place, AnsweredRow]:
    """Run the four weeks; the answer to each row."""
    loaded = load_site(_SITE)
    schedule = json.loads((HERE / "schedule.json").read_text(encoding="utf-8"))["files"]
    driver = HubTestDriver(basis_document(loaded), now=schedule[0]["drop_at"] - 3_600_000)
    inboxes: dict[str, _NumberedInbox | _Table] = {CASE_INBOX: _Table(loaded)}
    places: dict[tuple[bytes, bytes], Place] = {}
    found: dict[Place, AnsweredRow] = defaultdict(AnsweredRow)
    for entry in schedule:
        name = entry["path"].split("/")[0]
        if name not in inboxes:
            inboxes[name] = _NumberedInbox(loaded, name)
        inbox = inboxes[name]
        first = inbox.sequence
        for number, (place, submission) in enumerate(inbox.submissions(entry["path"]), first + 1):
            _pipe(driver, inbox, number, submission)
            places[inbox.stream.encode(), b"%d" % number] = place
        for record in driver.advance(entry["drop_at"] - driver.now):
            _note(found, places, record)
    return found


def _pipe(
    driver: HubTestDriver,
    inbox: _NumberedInbox | _Table,
    number: int,
    submission: OutgoingSubmission,
) -> None:
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_type", submission.kind.encode()),
        ("ce_source", inbox.stream.encode()),
        ("ce_id", b"%d" % number),
        ("hub_position", submission.position.encode()),
    ]
    if submission.source_version:
        headers.append(("hub_source_version", submission.source_version.encode()))
    partition = partition_of(submission.key, driver.partitions)
    topic = f"submissions.{inbox.department}"
    driver.put(topic, partition, submission.key, submission.value, tuple(headers))


def _note(
    found: dict[Place, AnsweredRow], places: dict[tuple[bytes, bytes], Place], record: LedgerRecord
) -> None:
    if record.outcome in PRIMARY:
        headers = dict(record.cause.headers)
        answer = found[places[headers["ce_source"], headers["ce_id"]]]
        answer.outcomes.append(record.outcome.name.lower())
        answer.reasons |= {reason.code for reason in record.reasons}


@cache
def expectations() -> dict[Place, tuple[str, set[str]]]:
    """Outcome and reasons of every row that is not plainly accepted."""
    return {
        (line["file"], int(line["row"])): (
            line["outcome"],
            set(filter(None, line["reasons"].split(";"))),
        )
        for line in _lines()
    }


@cache
def _lines() -> list[dict[str, str]]:
    with (HERE / "expected.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


_BAD_CODE = "corrected_bad_code"


def _places_of(quirk: str) -> set[Place]:
    return {
        (line["file"], int(line["row"])) for line in _lines() if quirk in line["quirks"].split(";")
    }


def _is_as_expected(outcome: str, answer: AnsweredRow) -> bool:
    """A move is two submissions; the second is held, or accepted when the first is known."""
    if outcome == "withdrawn+held":
        return sorted(answer.outcomes) in (["held", "withdrawn"], ["accepted", "withdrawn"])
    return answer.outcomes == [outcome]


@pytest.mark.parametrize("outcome", sorted({expected for expected, _ in expectations().values()}))
def test_every_row_gets_the_outcome_and_reasons_the_manifest_names(outcome: str) -> None:
    """What `expected.csv` promises is what connector, contracts and registrar decide."""
    wrong = {
        place: (sorted(reasons), answers()[place])
        for place, (expected, reasons) in expectations().items()
        if expected == outcome
        and place not in _places_of(_BAD_CODE)
        and not (_is_as_expected(outcome, answers()[place]) and reasons <= answers()[place].reasons)
    }
    assert wrong == {}


def test_a_correction_frees_a_record_whose_code_was_bad() -> None:
    """A quarantined row leaves its department's key when a correction brings the right code."""
    assert _places_of(_BAD_CODE)
    for place in _places_of(_BAD_CODE):
        assert _is_as_expected("withdrawn+held", answers()[place])


def test_every_other_row_is_accepted_without_a_word() -> None:
    """A clean row is accepted and nothing is said about it: no fault is seen where none is."""
    others = {place: a for place, a in answers().items() if place not in expectations()}
    assert {
        p: a for p, a in others.items() if (a.outcomes, a.reasons) != (["accepted"], set())
    } == {}
    assert len(others) > 4000


def test_every_row_read_has_an_answer() -> None:
    """Read = sum of outcomes: no row is lost and none is decided twice."""
    entries = json.loads((HERE / "schedule.json").read_text(encoding="utf-8"))["files"]
    rows = Counter({entry["path"]: entry["rows"] for entry in entries})
    assert Counter(path for path, _ in answers()) == rows
