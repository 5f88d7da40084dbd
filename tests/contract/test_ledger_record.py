"""The ledger is Avro: any reader that has the schema reads what the hub's own reader reads."""

import io
import json
from typing import Any

import fastavro
import pytest
from fastavro.types import Schema

from hub.core.record import LedgerRecord, Outcome, decode_record, topic_id
from hub.core.state import RecordState
from hub.repository import SCHEMAS
from tests.replay.scenario import run_scenario, tell_again


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
        seen.add(record.outcome.value)
    assert seen >= set("acwdshxqBPNVERLZm!")


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
