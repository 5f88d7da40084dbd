"""Platforms reached over a Kafka topic: `delivery.<target>` out, `answers.<target>` back."""

from hub.domain import kinds
from hub.ports import OutputRecord
from hub.targets.delivery import (
    Delivery,
    Expected,
    Unknown,
    Verdict,
    read_json,
    read_receipt,
    render_body,
)


def send_record(delivery: Delivery, topic: str, partition: int, key: bytes) -> OutputRecord:
    """Return the record that publishes or withdraws; keyed and partitioned like the ledger."""
    headers = (
        ("ce_specversion", b"1.0"),
        ("ce_type", kinds.DELIVERY_REQUESTED.encode()),
        ("ce_id", delivery.delivery.encode()),
    )
    return OutputRecord(topic, partition, key, render_body(delivery), headers)


def delivery_named(value: bytes) -> str:
    """Return the delivery an answer is about, or an empty string."""
    told = read_json(value)
    named = told.get("delivery") if told is not None else None
    return named if isinstance(named, str) else ""


def judge_answer(value: bytes, expected: Expected) -> Verdict:
    """Return what an answer means; held to the same rules as a receipt over HTTP."""
    told = read_json(value)
    return Unknown("answer is not JSON") if told is None else read_receipt(told, expected)
