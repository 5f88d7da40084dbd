"""What comes from Kafka, platforms and disks, damaged: a verdict or a known error."""

import json
from contextlib import suppress
from pathlib import Path

from connectors.files.result_files import SourceFiles
from connectors.files.source import InboxFile
from connectors.layout import Folder
from hub.audit.verify import UNREADABLE
from hub.backup.manifest import FILE, Manifest, read_manifest
from hub.contracts.contract import Fault
from hub.core.record import decode_record
from hub.errors import ConfigurationError
from hub.targets.delivery import Expected, Verdict, read_receipt
from hub.targets.file.acknowledgement import read_acknowledgement
from hub.targets.http.protocol import HttpProtocol, HttpResponse
from hub.targets.topic.protocol import delivery_named, judge_answer
from tests.contract.specimens import row_of
from tests.driver.hub_test_driver import HubTestDriver
from tests.driver.rows import COMPANY, DEPARTMENT, LICENCE, at, basis
from tests.fuzz.mutation import corpus, damaged, fuzz
from tests.unit.connectors.made import CONTRACTS

EXPECTED = Expected("dl-1", "aa" * 32, 1, 1, "publish", "licence.granted.v1", "d" * 64)
LANGUAGE = HttpProtocol("token")
JSON_TOKENS = (
    b"{", b"}", b"[", b'"', b"null", b"true", b"NaN", b"-1e999", b"9" * 5_000, b'"\\ud800"',
    b'{"a":' * 20, b"[" * 20, b"\xff", b"\x00", b'"at"', b'"0001-01-01T00:00:00+14:00"', b",",
    b'"9999-12-31T23:59:59-14:00"', b'"delivery":"dl-1"', b'"stage":"refused"',
)  # fmt: skip
AVRO_TOKENS = (b"\x00", b"\x01", b"\x02", b"\x7f", b"\x80", b"\xff" * 9, b"\xed\xa0\x80")


def framed_samples() -> list[bytes]:
    """The example of each kind, as it would be submitted."""
    return [
        contract.encode(row_of(kind, "accepted-minimal"))
        for kind, contract in sorted(CONTRACTS.by_kind.items())
    ]


def test_submissions() -> None:
    """What can be read is what was written, octet for octet; all else is a fault with a code."""
    fuzz(_decode, damaged(framed_samples(), AVRO_TOKENS))


def _decode(value: bytes) -> None:
    read = CONTRACTS.decode_framed(value)
    if isinstance(read, Fault):
        return
    contract, row = read
    assert contract.encode(row) == value


def test_the_registrar_answers_whatever_is_submitted() -> None:
    """Each submission has one answer in the ledger, whatever its octets."""
    hub = HubTestDriver(basis(), now=at("2026-11-06 09:00"))

    def submit(value: bytes) -> None:
        before = len(hub.ledger())
        hub.pipe(DEPARTMENT, LICENCE, COMPANY, value)
        hub.run()
        assert len(hub.ledger()) > before

    fuzz(submit, damaged(framed_samples(), AVRO_TOKENS))


def test_ledger_records() -> None:
    """An auditor reads whatever stands on the disk."""
    hub = HubTestDriver(basis(), now=at("2026-11-06 09:00"))
    for value in framed_samples():
        hub.pipe(DEPARTMENT, LICENCE, COMPANY, value)
    hub.run()
    samples = [
        record.value for partition in range(hub.partitions) for record in hub.raw_ledger(partition)
    ]

    def decode(value: bytes) -> None:
        with suppress(*UNREADABLE):
            decode_record(value)

    fuzz(decode, damaged(samples, AVRO_TOKENS))


def test_platform_answers_over_http() -> None:
    """Every answer has a verdict, and none without the delivery's own digest is a receipt."""

    def judge(value: bytes) -> None:
        for status in (200, 302, 404, 409, 422, 503):
            answer = HttpResponse(status, value[:40].decode("latin-1"), value)
            assert isinstance(LANGUAGE.interpret_response(answer, EXPECTED), Verdict)
            assert isinstance(LANGUAGE.interpret_status(answer, EXPECTED), Verdict)

    fuzz(judge, damaged(corpus("answers"), JSON_TOKENS))


def test_platform_answers_in_files_and_topics() -> None:
    """An acknowledgement is read or it is none."""

    def judge(value: bytes) -> None:
        assert isinstance(judge_answer(value, EXPECTED), Verdict)
        assert isinstance(delivery_named(value), str)
        told = read_acknowledgement(value)
        for row in told.rows if told else ():
            assert isinstance(read_receipt(row, EXPECTED), Verdict)

    fuzz(judge, damaged(corpus("answers"), JSON_TOKENS))


def test_manifests_of_backups(tmp_path: Path) -> None:
    """A backup's manifest is read, or refused with its file and remedy."""

    def read(value: bytes) -> None:
        (tmp_path / FILE).write_bytes(value)
        try:
            assert isinstance(read_manifest(tmp_path), Manifest)
        except ConfigurationError as refused:
            files.add(refused.file)

    files: set[str] = set()
    fuzz(read, damaged(corpus("manifests"), JSON_TOKENS))
    assert files == {str(tmp_path / FILE)}


def test_manifests_of_files(tmp_path: Path) -> None:
    """A damaged manifest of one file names none, and hides no other."""
    sources = tmp_path / ".sources"
    sources.mkdir()
    whole, other = (InboxFile(Folder.LICENCES, name) for name in (b"a.csv", b"b.csv"))
    manifest = {
        "folder": "licences", "name": "a.csv", "octets": whole.name.hex(),
        "fingerprint": "ab" * 32, "first_sequence": 7,
    }  # fmt: skip
    (sources / whole.manifest).write_text(json.dumps(manifest))

    def read(value: bytes) -> None:
        (sources / other.manifest).write_bytes(value)
        files = SourceFiles({"d/files": tmp_path})
        assert files.get(f"d/files:{whole.digest}") is not None
        files.find("d/files", "ab" * 8, 7)

    fuzz(read, damaged(corpus("manifests"), JSON_TOKENS))
