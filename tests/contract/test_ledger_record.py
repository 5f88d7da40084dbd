"""The ledger is Avro: any reader that has the schema reads what the hub's own reader reads."""

import io
import json
import re
import struct
from typing import Any

import fastavro
import pytest
from fastavro.types import Schema

from hub.config.repository import SCHEMAS
from hub.core import evolve, record, state
from hub.core.record import PREFIX, LedgerRecord, Outcome, decode_record, topic_id
from hub.core.state import RecordState
from tests.replay.scenario import lose_some, run_scenario, tell_again


@pytest.fixture(scope="module")
def schema() -> Schema:
    """The published schema of ledger records, parsed by fastavro."""
    text = (SCHEMAS / "ledger.record.v1.avsc").read_text("utf-8")
    return fastavro.parse_schema(json.loads(text))


@pytest.fixture(scope="module")
def ledger() -> list[bytes]:
    """Raw records in which every outcome comes up."""
    hub = run_scenario()
    tell_again(hub)
    lose_some(hub)
    return [stored.value for p in range(2) for stored in hub.raw_ledger(p)]


def number(fixed: bytes) -> int:
    """Fixed fields hold unsigned big-endian numbers."""
    return int.from_bytes(fixed)


def as_avro_says(state: RecordState) -> dict[str, Any]:
    """A state in the schema's words, numbers as numbers."""
    return {
        **state._asdict(),
        "clocks": [clock._asdict() for clock in state.clocks],
        "stages": [stage._asdict() for stage in state.stages],
        "heard": [heard._asdict() for heard in state.heard],
        "revised": [revision._asdict() for revision in state.revised],
        "waiting": [waiting._asdict() for waiting in state.waiting],
    }


def plain(value: Any, wanted: Any) -> Any:  # noqa: ANN401 - walks two JSON-like trees
    """What fastavro read, with fixed numbers and letters turned into what `wanted` holds."""
    if isinstance(wanted, dict):
        return {key: plain(value[key], inner) for key, inner in wanted.items()}
    if isinstance(wanted, (list, tuple)):
        assert len(value) == len(wanted)
        return type(wanted)(plain(v, w) for v, w in zip(value, wanted, strict=True))
    if isinstance(value, bytes) and isinstance(wanted, int):
        return number(value)
    return value.decode() if isinstance(value, bytes) and isinstance(wanted, str) else value


def wanted_of(record: LedgerRecord) -> dict[str, Any]:
    """A ledger record in the schema's words."""
    fields = record._asdict()
    cause = fields.pop("cause")
    return {
        **fields,
        "cause_kind": cause.kind, "cause_topic": topic_id(cause.topic),
        "cause_offset": cause.offset, "topic": cause.topic, "key": cause.key,
        "headers": [{"name": name, "value": value} for name, value in cause.headers],
        "value": cause.value,
        "state": None if record.state is None else as_avro_says(record.state),
        "move": None if record.move is None else record.move._asdict(),
        "facts": [{"name": name, "value": value} for name, value in record.facts],
        "reasons": [reason._asdict() for reason in record.reasons],
        "events": [event._asdict() for event in record.events],
    }  # fmt: skip


def test_any_avro_reader_reads_a_ledger_record_to_the_same_values(
    ledger: list[bytes], schema: Schema
) -> None:
    """Field by field, in the schema's order, nothing left over; every outcome is among them."""
    seen = set()
    for raw in ledger:
        stream = io.BytesIO(raw)
        read: Any = fastavro.schemaless_reader(stream, schema, None)
        assert stream.read() == b""
        record = decode_record(raw)
        wanted = wanted_of(record)
        assert read.keys() == wanted.keys()
        assert plain(read, wanted) == wanted
        seen.add(record.outcome)
    assert seen == set(Outcome) - {Outcome.MAP_CHANGED}  # that one ends a partition


def test_any_avro_writer_writes_the_same_bytes(ledger: list[bytes], schema: Schema) -> None:
    """There is one way to pack a record: what fastavro writes back is what the hub wrote."""
    for raw in ledger:
        read = fastavro.schemaless_reader(io.BytesIO(raw), schema, None)
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, schema, read)
        assert stream.getvalue() == raw


def test_the_schema_names_every_outcome(schema: Schema) -> None:
    """A letter nobody can look up would make the ledger unreadable in ten years."""
    assert isinstance(schema, dict)
    (field,) = [f for f in schema["fields"] if f["name"] == "outcome"]
    letters = {part.strip().split(" ")[0] for part in field["doc"].replace(";", ",").split(",")}
    assert letters == {outcome.value for outcome in Outcome}


# --- the offsets at which the hottest readers slice ---


def offset_in(packing: struct.Struct, position: int) -> int:
    """Where a field of a packed header begins."""
    codes = re.findall(r"\d*[a-zA-Z]", packing.format)
    return struct.calcsize(">" + "".join(codes[:position]))


@pytest.mark.parametrize(
    ("offset", "position"),
    [
        (record.SEQUENCE_AT, 0), (record.HASH_AT, 1), (record.DECIDED_AT, 2),
        (record.CAUSE_KIND_AT, 3), (record.TOPIC_AT, 4), (record.CAUSE_OFFSET_AT, 5),
        (record.OUTCOME_AT, 6), (record.RECORD_KEY_AT, 9), (record.BASIS_AT, 10),
        (record.VERSION_AT, 11), (record.SUBMISSION_KEY_AT, 13), (record.TIMER_WAS_AT, 14),
        (record.DIGEST_AT, 15), (record.MARKS_AT, 16),
    ],
)  # fmt: skip
def test_each_offset_of_a_ledger_record_is_where_its_field_is_packed(
    offset: int, position: int
) -> None:
    """Readers that unpack nothing but one field find that field."""
    assert offset == offset_in(PREFIX, position)


def test_the_fixed_fields_end_where_the_state_begins() -> None:
    """One byte says whether there is a state."""
    fields = re.findall(r"\d*[a-zA-Z]", PREFIX.format)
    assert len(fields) == 17
    assert PREFIX.size + 1 == record.STATE_AT
    assert evolve._TIMER_AT == record.STATE_AT + state.TIMER_AT


@pytest.mark.parametrize(
    ("offset", "position"),
    [
        (state.STATUS_AT, 0), (state.FLAGS_AT, 1), (state.VERSION_AT, 2), (state.LIVE_AT, 4),
        (state.DECIDED_ON_AT, 5), (state.TIMER_AT, 12),
    ],
)  # fmt: skip
def test_each_offset_of_a_state_is_where_its_field_is_packed(offset: int, position: int) -> None:
    """Scans over many records look at single bytes of each."""
    assert offset == offset_in(state._HEADER, position)
