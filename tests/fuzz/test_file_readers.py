"""Departments' files, damaged: every row is counted, has its fault or none, and nothing raises."""

import io
import zipfile

from hypothesis import strategies as st

from connectors.files.formats import read_rows
from connectors.files.row_frames import read_rows_back, write_rows
from connectors.layout import Folder, words_of
from connectors.tables import SourceRow, cut_to_size
from hub.domain.reasons import REASONS
from hub.errors import IntegrityError
from tests.fuzz.mutation import Sample, corpus, damaged, fuzz
from tests.unit.connectors.made import FINGERPRINT, SUBMITTER, layouts

PLACE = layouts(Folder.LICENCES)
TOKENS = (
    b'"', b'","', b",", b";", b"\t", b"\r", b"\n", b"\r\n", b"\x00", b"\xff", b"\xef\xbb\xbf",
    b"=1+1", "行政许可决定书文号".encode(), "(必填)".encode(), "\u0301\u0316".encode(),
    "行政许可决定书文号".encode("gb18030"), b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
    b"<html>", b"%PDF", b"330900197503030015",
)  # fmt: skip
XML_TOKENS = (
    b"<c/>", b"<row>", b"</row>", b'<c r="XFD1048576">', b'r="99999999999"', b"<v>1e999</v>",
    b't="s"', b't="d"', b't="e"', b"<f>1</f>", b"&amp;", b"&#0;", b"&a;", b"_x0000_", b"-1",
    b'<!DOCTYPE a [<!ENTITY a "aa">]>', b"<is><t>", b"\xff\xfe", b"9" * 400, b"<a>",
)  # fmt: skip


def test_texts() -> None:
    """CSV and its kin in each encoding."""
    fuzz(_read, damaged(corpus("text"), TOKENS))


def test_workbooks() -> None:
    """A part of a workbook is damaged, the archive around it is whole."""
    parts = _parts()
    names = st.sampled_from(sorted(parts))
    fuzz(
        _read,
        names.flatmap(
            lambda name: damaged([parts[name]], XML_TOKENS).map(
                lambda content: Sample(_archive(parts | {name: content}))
            )
        ),
    )


def test_archives() -> None:
    """The archive is damaged."""
    fuzz(_read, damaged([_archive(_parts())], (b"PK\x01\x02", b"PK\x05\x06", b"\xff" * 4, b"\x00")))


def test_rows_between_processes() -> None:
    """Damaged lines of rows are refused, and what is read of them is rows."""
    out = io.BytesIO()
    write_rows((SourceRow(0, 2, ("甲", "乙"), ("1", "\ud800")), SourceRow(1, 0, (), (), "X")), out)
    tokens = (b"[", b"]", b"\n", b"[[", b'""', b"null", b"1e9", b"true", b"9" * 5_000)
    fuzz(_read_back, damaged([out.getvalue()], tokens))


def _parts() -> dict[str, bytes]:
    """A workbook's parts: those of the corpus, and the few that never differ."""
    names = ("sheet1.xml", "styles.xml", "workbook.xml")
    found = dict(zip(names, corpus("sheet"), strict=True))
    relation = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/{kind}" Target="{target}"/></Relationships>'
    )
    types = "".join(
        f'<Override PartName="/xl/{part}" ContentType="application/vnd.openxmlformats-'
        f'officedocument.spreadsheetml.{kind}+xml"/>'
        for part, kind in (
            ("workbook.xml", "sheet.main"),
            ("styles.xml", "styles"),
            ("worksheets/sheet1.xml", "worksheet"),
        )
    )
    return {
        "[Content_Types].xml": (
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
            f'relationships+xml"/>{types}</Types>'
        ).encode(),
        "_rels/.rels": relation.format(kind="officeDocument", target="xl/workbook.xml").encode(),
        "xl/_rels/workbook.xml.rels": relation.format(
            kind="worksheet", target="worksheets/sheet1.xml"
        ).encode(),
        "xl/workbook.xml": found["workbook.xml"],
        "xl/styles.xml": found["styles.xml"],
        "xl/worksheets/sheet1.xml": found["sheet1.xml"],
    }


def _archive(parts: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return out.getvalue()


def test_the_sample_of_a_workbook_is_one() -> None:
    """Fuzzing what is refused at the door would show nothing."""
    rows = list(read_rows(_archive(_parts()), PLACE.words.knows))
    assert [row.fault for row in rows] == ["", "CELL_ERROR"]


def test_words_told_to_the_reading_process_are_the_same_words() -> None:
    """The header is known by the same words on both sides."""
    assert words_of(PLACE.words.as_json()) == PLACE.words


def _read(content: bytes) -> None:
    rows = [cut_to_size(row) for row in read_rows(content, PLACE.words.knows)]
    places = [(row.sheet_index, row.row_number) for row in rows if row.row_number]
    assert places == sorted(set(places)), "each row once, in order"
    assert {row.fault for row in rows} <= REASONS.keys() | {""}
    out = io.BytesIO()
    write_rows(rows, out)
    assert list(read_rows_back(io.BytesIO(out.getvalue()))) == rows
    for row in rows:
        if row.row_number:
            assert SUBMITTER.submissions(row, PLACE, FINGERPRINT, 1)
            assert len(SUBMITTER.shown(row, PLACE).cells) == len(row.cells)


def _read_back(content: bytes) -> None:
    try:
        rows = list(read_rows_back(io.BytesIO(content)))
    except IntegrityError:
        return
    assert all(isinstance(cell, str) for row in rows for cell in (*row.headers, *row.cells))
