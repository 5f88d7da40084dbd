"""Files for a platform: whatever is in a row, its reader has it unchanged; nothing is guessed."""

import json
from functools import cache
from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from xmlschema import XMLSchema10

from hub.config.repository import ROOT
from hub.targets.delivery import (
    Accepted,
    Action,
    Delivered,
    Delivery,
    Expected,
    NeverSeen,
    Refused,
    Retry,
    Unknown,
    digest_of,
)
from hub.targets.file.acknowledgement import read_acknowledgement
from hub.targets.file.layout import (
    FiledRow,
    FileName,
    Fingerprint,
    Heading,
    Layout,
    action_of,
    digest_of_file,
    manifest_digest,
    read_name,
    render_file,
    render_manifest,
    rows_in,
    unfit_column,
)
from hub.targets.file.protocol import (
    Answered,
    Filed,
    FileProtocol,
    Filing,
    Question,
    Reply,
    Unfiled,
    Unfit,
    Unsure,
    WriteFailed,
)
from standins.file_receiver import rows_of
from standins.platform_book import digest_of as platform_digest

HEADING = Heading("舟山市信用中心", "国家平台", security="2", operator="值班员 <1>", contacts="a&b")
SCHEMA = ROOT / "docs/exchange-message.v1.xsd"
COLUMNS = ("CF_WSH", "CF_SY", "CF_NR", "BZ")

texts = st.text(
    st.one_of(
        st.sampled_from(" \t\r\n\"',;<>&]=+-@＝'�\x85\u2028\ufffe"),
        st.characters(exclude_categories=("Cs", "Cc")),
    ),
    max_size=30,
)
hexes = st.binary(min_size=16, max_size=16).map(bytes.hex)


def delivery_of(
    fields: dict[str, str], *, action: Action = "publish", ids: str = "ab" * 16, reason: str = ""
) -> Delivery:
    """A delivery of these fields."""
    kind = "penalty.imposed.v1"
    return Delivery(ids, "cd" * 16, 3, 7, action, kind, fields, digest_of(fields), reason)


def name_of(layout: Layout, sequence: int = 1) -> FileName:
    """A file's name."""
    return FileName("001501", "20261103", sequence, layout)


@st.composite
def files(draw: st.DrawFn) -> tuple[FileName, list[FiledRow]]:
    """A file of a few rows of one action, each fit for the layout."""
    layout: Layout = draw(st.sampled_from(["xml", "csv"]))
    action: Action = draw(st.sampled_from(["publish", "withdraw"]))
    rows = []
    for ids in draw(st.lists(hexes, min_size=1, max_size=5, unique=True)):
        columns = draw(st.lists(st.sampled_from(COLUMNS), unique=True, min_size=1))
        fields = {name: draw(texts.filter(bool)) for name in columns if action == "publish"}
        row = delivery_of(fields, action=action, ids=ids, reason=draw(texts))
        if unfit_column(row, layout) is None:
            rows.append(FiledRow(row, draw(st.booleans())))
    if not rows:
        rows = [FiledRow(delivery_of({"CF_WSH": "1"}, action=action))]
    return name_of(layout, draw(st.integers(1, 99_999))), rows


@given(files(), st.booleans())
def test_whatever_a_row_holds_its_reader_has_it_unchanged(
    drawn: tuple[FileName, list[FiledRow]],
    has_mark: bool,  # noqa: FBT001 - drawn
) -> None:
    """The platform's own reader finds each row with its digest, in order, in both layouts."""
    name, rows = drawn
    content = render_file(name, HEADING, rows, has_mark=has_mark)
    found = rows_of(str(name), content)
    assert [one["fields"] for one, _repeat in found] == [row.delivery.fields for row in rows]
    assert [repeat for _one, repeat in found] == [row.is_repeat for row in rows]
    for (one, _repeat), row in zip(found, rows, strict=True):
        assert platform_digest(one["fields"]) == row.delivery.digest == one["digest"]
        assert (one["action"], one["version"]) == (row.delivery.action, 3)


@given(files())
def test_what_is_in_a_file_is_found_again_without_the_book(
    drawn: tuple[FileName, list[FiledRow]],
) -> None:
    """A courier that lost its book reads deliveries, digests and the action from the file."""
    name, rows = drawn
    content = render_file(name, HEADING, rows)
    assert rows_in(name, content) == [(row.delivery[0], row.delivery.digest) for row in rows]
    assert action_of(name, content) == rows[0].delivery.action


def test_a_reason_is_in_the_file_of_a_withdrawal_and_not_in_its_head() -> None:
    """行政处罚法 art. 48; a reason that looks like a row must not be taken for one."""
    reason = '"' + "ab" * 16 + '","' + "cd" * 32 + '"\n<row delivery="' + "ab" * 16 + '"'
    for layout in ("xml", "csv"):
        name = name_of(layout)
        row = delivery_of({}, action="withdraw", reason=f"撤销\n{reason}")
        content = render_file(name, HEADING, [FiledRow(row)])
        assert len(rows_in(name, content)) == 1
        assert action_of(name, content) == "withdraw"
        assert "撤销" in content.decode()


def test_no_cell_is_a_formula_and_every_text_comes_back() -> None:
    """A spreadsheet runs what begins with =, +, - or @, full width ones included."""
    for text in ("=1+1", "+1", "-1", "@SUM(A1)", "＝1", "\t=1", "'=1", "''"):
        row = FiledRow(delivery_of({"BZ": text}))
        content = render_file(name_of("csv"), HEADING, [row])
        assert f'"\'{text}"' in content.decode()
        ((found, _repeat),) = rows_of("x.csv", content)
        assert found["fields"] == {"BZ": text}


def test_a_text_xml_cannot_write_is_named_and_csv_takes_it() -> None:
    """Left out or replaced it would be other content under the same digest."""
    row = delivery_of({"CF_WSH": "1", "BZ": "a\ufffe"})
    assert unfit_column(row, "xml") == "BZ"
    assert unfit_column(row, "csv") is None
    assert unfit_column(delivery_of({"1X": "a"}), "xml") == "1X"


def test_no_character_of_its_reason_holds_a_withdrawal_back() -> None:
    """Refused, the record would be shown for ever; no digest is taken of the reason."""
    row = FiledRow(delivery_of({}, action="withdraw", reason="错\ufffe误\x00"))
    assert unfit_column(row.delivery, "xml") is None
    content = render_file(name_of("xml"), HEADING, [row])
    assert "<reason>错\ufffd误\ufffd</reason>" in content.decode()
    assert faults(content) == []


@given(files())
def test_a_manifest_states_count_size_digest_and_the_file_before(
    drawn: tuple[FileName, list[FiledRow]],
) -> None:
    """A reader sees a gap from the manifest alone, across days too."""
    name, rows = drawn
    content = render_file(name, HEADING, rows)
    before = Fingerprint("001501_20261102_00009.xml", "ee" * 32)
    manifest = render_manifest(name, content, len(rows), before)
    told = json.loads(manifest)
    assert told == {
        "file": str(name),
        "rows": len(rows),
        "bytes": len(content),
        "sha256": digest_of_file(content),
        "previous": before.name,
        "previous_sha256": before.digest,
    }
    assert manifest_digest(manifest) == digest_of_file(content)
    assert manifest_digest(b"{") == manifest_digest(b"[]") == ""


@given(st.text(max_size=40))
def test_only_our_names_are_names(text: str) -> None:
    """What is read is what was written; anything else is somebody else's file."""
    assert read_name(text) is None
    assert read_name("001501_20180307_00001.xml") == FileName("001501", "20180307", 1, "xml")
    assert str(read_name("001501_20180307_00042.csv")) == "001501_20180307_00042.csv"
    for other in (
        "001501_20180307_00001.xml.part",
        "001501_20180307_1.xml",
        "00150１_20180307_00001.xml",
    ):
        assert read_name(other) is None


@settings(max_examples=20, deadline=None)
@given(files())
def test_every_xml_file_is_valid_against_the_published_schema(
    drawn: tuple[FileName, list[FiledRow]],
) -> None:
    """docs/exchange-message.v1.xsd is what a platform is given."""
    name, rows = drawn
    content = render_file(name._replace(layout="xml"), HEADING, fit(rows))
    assert faults(content) == []
    assert len(faults(content.replace(b"<flow>", b"<flow>re"))) == 1


def fit(rows: list[FiledRow]) -> list[FiledRow]:
    """The rows XML can carry."""
    found = [row for row in rows if unfit_column(row.delivery, "xml") is None]
    return found or [FiledRow(delivery_of({"CF_WSH": "1"}))]


@cache
def published_schema() -> XMLSchema10:
    """docs/exchange-message.v1.xsd, which may name no file of another machine."""
    return XMLSchema10(SCHEMA, allow="local")


def faults(content: bytes) -> list[str]:
    """What the published schema finds wrong with a file."""
    return [str(fault.reason) for fault in published_schema().iter_errors(content)]


# --- acknowledgements ----------------------------------------------------------------------------

ACK: dict[str, object] = {
    "file": "001501_20261103_00002.xml",
    "sha256": "ee" * 32,
    "status": "taken",
    "at": "2026-11-03T09:30:00+08:00",
    "last": "001501_20261103_00002.xml",
    "missing": ["001501_20261103_00001.xml"],
    "rows": [{"delivery": "ab" * 16}],
}


def test_an_acknowledgement_is_read_whole() -> None:
    """File, digest, time, the newest file the platform has, and what it misses."""
    ack = read_acknowledgement(json.dumps(ACK).encode())
    assert ack is not None
    assert (str(ack.file), ack.status, ack.at) == (ACK["file"], "taken", 1_793_669_400_000)
    assert [str(one) for one in ack.missing] == ACK["missing"]
    assert str(ack.last) == ACK["last"]
    assert ack.rows == ({"delivery": "ab" * 16},)


@pytest.mark.parametrize(
    "changes",
    [
        {"file": "other"}, {"file": 7}, {"sha256": None}, {"status": "ok"}, {"at": "yesterday"},
        {"at": "2026-11-03T09:30:00"}, {"missing": "none"}, {"missing": ["x"]}, {"rows": {}},
        {"rows": ["x"]},
    ],
)  # fmt: skip
def test_half_an_acknowledgement_is_none(changes: dict[str, object]) -> None:
    """What cannot be understood whole is not believed in parts."""
    assert read_acknowledgement(json.dumps(ACK | changes).encode()) is None


def test_an_acknowledgement_of_the_largest_file_is_read() -> None:
    """Each of its rows says all there is to say."""
    row = {**RECEIPT, "code": "", "message": "", "extra": [1, 2, 3]}
    ack = read_acknowledgement(json.dumps(ACK | {"rows": [row] * 50_000}).encode())
    assert ack is not None
    assert len(ack.rows) == 50_000


@pytest.mark.parametrize("row", ["{}", '{"a":1}', '{"a":[[],[]]}', '{"a":9,"b":"c"}'])
def test_an_acknowledgement_of_nothing_but_values_is_none(row: str) -> None:
    """Sixteen megabytes of them would be half a gigabyte of the courier's memory."""
    whole = json.dumps(ACK | {"rows": []}).replace('"rows": []', f'"rows": [{row}%s]')
    assert read_acknowledgement((whole % (f",{row}" * 10)).encode()) is not None
    assert read_acknowledgement((whole % (f",{row}" * 750_000)).encode()) is None


@given(st.integers(0, 400))
def test_a_half_written_acknowledgement_is_none(size: int) -> None:
    """Any prefix: the platform is still writing."""
    whole = json.dumps(ACK).encode()
    assert (read_acknowledgement(whole[:size]) is None) == (size < len(whole))


# --- what replies mean ---------------------------------------------------------------------------

ROW = delivery_of({"CF_WSH": "1"})
EXPECTED = Expected(ROW.delivery, ROW.record, 3, 7, "publish", ROW.kind, ROW.digest)
RECEIPT: dict[str, object] = {
    "delivery": ROW.delivery, "digest": ROW.digest, "stage": "published", "receipt": "N-1",
    "at": "2026-11-03T09:30:00+08:00",
}  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "verdict"),
    [
        (Filed("001501_20261103_00001.xml"), Delivered()),
        (Answered(RECEIPT), Accepted("published", "N-1", 1_793_669_400_000)),
        (Unfiled(), NeverSeen()),
        (WriteFailed("ENOSPC"), Retry("ENOSPC", is_whole_target=True)),
        (Unsure("EIO"), Unknown("EIO")),
    ],
)
def test_each_reply_has_one_meaning(reply: Reply, verdict: object) -> None:
    """A file that lies there is delivered, no more; only the platform's receipt is a receipt."""
    protocol = FileProtocol()
    assert protocol.interpret_response(reply, EXPECTED) == verdict
    assert protocol.interpret_status(reply, EXPECTED) == verdict


def test_a_refused_row_and_an_unfit_one_are_refused_with_a_code() -> None:
    """The platform's own code; ours where the layout has no way to write the text."""
    told: dict[str, object] = {"delivery": ROW.delivery, "stage": "refused", "code": "NAME_UNKNOWN"}
    assert FileProtocol().interpret_status(Answered(told), EXPECTED) == Refused("NAME_UNKNOWN", "")
    mapped = FileProtocol({"NAME_UNKNOWN": "SUBJECT_UNKNOWN"}).interpret_status(
        Answered(told), EXPECTED
    )
    assert mapped == Refused("SUBJECT_UNKNOWN", "NAME_UNKNOWN: ")
    verdict = FileProtocol().interpret_response(Unfit("BZ"), EXPECTED)
    assert isinstance(verdict, Refused)
    assert verdict.code == "LAYOUT_CANNOT_CARRY"


def test_a_receipt_for_another_content_proves_nothing() -> None:
    """Held to the same rules as a receipt over HTTP."""
    verdict = FileProtocol().interpret_status(Answered(RECEIPT | {"digest": "00" * 32}), EXPECTED)
    assert isinstance(verdict, Unknown)


def test_calls_name_the_delivery_they_speak_of() -> None:
    """The courier finds the end of each by it."""
    assert FileProtocol().delivery_request(ROW) == Filing(ROW.delivery, ROW)
    assert FileProtocol().status_request(EXPECTED) == Question(ROW.delivery)


def test_the_samples_of_the_page_for_platforms_are_what_is_written() -> None:
    """docs/file-drop.md shows a file, a table and a manifest as they are."""
    page = (ROOT / "docs/file-drop.md").read_text(encoding="utf-8")
    for sample in samples():
        assert sample.replace("\r\n", "\n").lstrip("\ufeff").strip() in page


def samples() -> list[str]:
    """The page's samples, made now."""
    fields = {
        "XK_XDR_MC": "舟山示例贸易有限公司", "XK_XDR_SHXYM": "91330900MA00000156",
        "XK_WSH": "舟市监许〔2026〕1号", "XK_NR": "食品经营", "XK_JDRQ": "2026-11-02",
    }  # fmt: skip
    kind = "licence.granted.v1"
    shown = Delivery("5f" * 16, "0a" * 16, 1, 1, "publish", kind, fields, digest_of(fields), "")
    taken = Delivery("60" * 16, "0b" * 16, 2, 2, "withdraw", kind, {}, digest_of({}), "许可被撤销")
    heading = Heading("舟山市公共信用信息中心", "国家平台", operator="hub", contacts="0580-0000000")
    xml = render_file(name_of("xml"), heading, [FiledRow(shown)])
    down = render_file(name_of("xml", 2), heading, [FiledRow(taken)])
    table = render_file(name_of("csv"), heading, [FiledRow(shown)])
    manifest = render_manifest(
        name_of("xml", 2), down, 1, Fingerprint(str(name_of("xml")), digest_of_file(xml))
    )
    return [one.decode() for one in (xml, down, table, manifest)]


def write_samples(folder: Path) -> None:
    """Write them out, for whoever renews the page."""
    for number, sample in enumerate(samples()):
        (folder / str(number)).write_text(sample, encoding="utf-8")
