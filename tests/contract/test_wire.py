"""The hand-written Avro codec: equal to fastavro on what is valid, stricter on what is not."""

import json
from io import BytesIO

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.contracts import Fault
from hub.contracts.schema import Schema
from tests.contract.specimens import CONTRACTS, KINDS, LICENCE, PENALTY, row_of, schema_texts

AVRO = {kind: fastavro.parse_schema(json.loads(schema_texts()[kind])) for kind in KINDS}
LICENCES = CONTRACTS.by_kind[LICENCE]
VALUE = LICENCES.encode(row_of(LICENCE, "accepted-minimal"))


def rows(schema: Schema) -> st.SearchStrategy[dict[str, str | bytes]]:
    """Rows with any text or octets in any field."""
    return st.fixed_dictionaries(
        {
            field.name: st.binary(max_size=200) if field.is_bytes else st.text(max_size=200)
            for field in schema.fields
        }
    )


@given(st.data(), st.sampled_from(KINDS))
def test_rows_are_written_and_read_as_fastavro_does(data: st.DataObject, kind: str) -> None:
    """Any Avro library can read the ledger's causes, and write submissions."""
    contract = CONTRACTS.by_kind[kind]
    row = data.draw(rows(contract.schema))
    written = BytesIO()
    fastavro.schemaless_writer(written, AVRO[kind], row)
    value = contract.encode(row)
    assert value == b"\x00" + contract.schema_id.to_bytes(4, "big") + written.getvalue()
    assert CONTRACTS.decode_framed(value) == (contract, row)
    assert fastavro.schemaless_reader(BytesIO(value[5:]), AVRO[kind], None) == row


@pytest.mark.parametrize("kind", KINDS)
def test_every_truncation_is_refused(kind: str) -> None:
    """No prefix of a payload is a payload: every position is tried."""
    value = CONTRACTS.by_kind[kind].encode(row_of(kind, "accepted-minimal"))
    for end in range(len(value)):
        assert isinstance(CONTRACTS.decode_framed(value[:end]), Fault), end


@given(st.binary(min_size=1, max_size=40))
def test_octets_behind_the_last_field_are_refused(tail: bytes) -> None:
    """Trailing octets are a second message or a wrong schema, never ignored."""
    assert CONTRACTS.decode_framed(VALUE + tail) == Fault(
        "PAYLOAD_UNREADABLE", "octets follow the last field"
    )


@given(st.binary(max_size=400), st.sampled_from(KINDS))
def test_any_octets_are_read_in_one_way_or_refused(body: bytes, kind: str) -> None:
    """What is accepted encodes to the same octets again: there is one payload for one row."""
    value = b"\x00" + CONTRACTS.by_kind[kind].schema_id.to_bytes(4, "big") + body
    decoded = CONTRACTS.decode_framed(value)
    if isinstance(decoded, Fault):
        assert decoded.code == "PAYLOAD_UNREADABLE"
    else:
        contract, row = decoded
        assert contract.encode(row) == value


@given(st.data())
def test_a_flipped_octet_is_read_as_another_row_or_refused(data: st.DataObject) -> None:
    """Damage within a payload never reads as the row that was sent."""
    at = data.draw(st.integers(5, len(VALUE) - 1))
    octet = data.draw(st.integers(0, 255).filter(lambda value: value != VALUE[at]))
    damaged = VALUE[:at] + bytes((octet,)) + VALUE[at + 1 :]
    decoded = CONTRACTS.decode_framed(damaged)
    if not isinstance(decoded, Fault):
        assert decoded[1] != LICENCES.decode(VALUE)


@pytest.mark.parametrize(
    ("length", "detail"),
    [
        (b"\x01", "a length is negative"),
        (b"\x80\x00", "a length is written longer than needed"),
        (b"\x82\x00", "a length is written longer than needed"),
        (b"\xff\xff\xff\xff\x7f", "a length is negative"),
        (b"\x80\x80\x80\x80\x80\x80\x80\x01", "a length has too many octets"),
        (b"\xfe\xff\xff\xff\x0f", "the payload ends too early"),
        (b"\xff" * 10, "a length has too many octets"),
    ],
)
def test_a_hostile_length_is_refused_without_being_believed(length: bytes, detail: str) -> None:
    """Negative, over-long, enormous (2 GiB): refused by name, nothing allocated for it."""
    value = VALUE[:5] + length + VALUE[6:]
    assert CONTRACTS.decode_framed(value) == Fault("PAYLOAD_UNREADABLE", detail)


def test_a_text_that_is_not_utf_8_is_refused() -> None:
    """GB18030 octets are decoded by the connector, never guessed at here."""
    text = "许可".encode("gb18030")
    value = VALUE[:5] + bytes((len(text) * 2,)) + text + bytes(len(LICENCES.names) - 1)
    assert CONTRACTS.decode_framed(value) == Fault("PAYLOAD_UNREADABLE", "a text is not UTF-8")


def test_an_unknown_schema_id_is_named() -> None:
    """The fault names the id, so that the sender's engineers find it."""
    assert CONTRACTS.decode_framed(b"\x00\x00\x00\x00\x63" + VALUE[5:]) == Fault(
        "UNKNOWN_SCHEMA", "schema id 99"
    )


@pytest.mark.parametrize(
    "value", [b"", b"\x00", b"\x00\x00\x00\x00", b"\x01\x00\x00\x00\x65", b"{}"]
)
def test_a_payload_without_the_frame_is_unreadable(value: bytes) -> None:
    """JSON, nothing at all, another magic octet: no Confluent wire format."""
    assert CONTRACTS.decode_framed(value) == Fault("PAYLOAD_UNREADABLE", "no Confluent wire format")


def test_a_payload_of_one_kind_is_not_read_as_another() -> None:
    """The penalty's schema id over a licence's body does not pass for a penalty."""
    header = CONTRACTS.by_kind[PENALTY].encode({})[:5]
    assert isinstance(CONTRACTS.decode_framed(header + VALUE[5:]), Fault)


def test_an_unknown_field_is_not_dropped_when_encoding() -> None:
    """A connector that misspells a column hears of it."""
    with pytest.raises(KeyError, match="XK_XYZ"):
        LICENCES.encode({"XK_XYZ": "x"})


@given(st.integers(0, 300_000))
def test_lengths_of_every_size_travel(size: int) -> None:
    """One octet of length, two, three: the boundaries at 64 and 8192 octets hold."""
    row = {"XK_NR": "x" * size}
    assert LICENCES.decode(LICENCES.encode(row))["XK_NR"] == "x" * size
