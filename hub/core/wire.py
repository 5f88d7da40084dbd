"""The few Avro primitives a ledger record needs, written by hand.

The ledger record is packed with `struct` because it is the hottest output of the hub; the bytes
stay plain Avro (binary encoding, spec 1.11 "Data Serialization"), which a test proves by reading
them with fastavro and the published schema `ledger.record.v1.avsc`.
"""

from __future__ import annotations

_MORE = 0x80
_BITS = 0x7F


def _encode_long(value: int) -> bytes:
    rest = value << 1
    out = bytearray()
    while rest > _BITS:
        out.append((rest & _BITS) | _MORE)
        rest >>= 7
    out.append(rest)
    return bytes(out)


_SHORT = tuple(_encode_long(n) for n in range(8192))


def encode_long(value: int) -> bytes:
    """Encode a non-negative number as an Avro long (zig-zag, base 128)."""
    return _SHORT[value] if value < len(_SHORT) else _encode_long(value)


def decode_long(source: bytes, at: int) -> tuple[int, int]:
    """Read a non-negative Avro long at `at`; return it with the position behind it."""
    shift = 0
    value = 0
    while True:
        byte = source[at]
        at += 1
        value |= (byte & _BITS) << shift
        if byte < _MORE:
            return value >> 1, at
        shift += 7


def encode_bytes(value: bytes) -> bytes:
    """Encode Avro bytes: the length, then the bytes."""
    return encode_long(len(value)) + value


def encode_text(value: str) -> bytes:
    """Encode an Avro string: the length in bytes, then UTF-8."""
    return encode_bytes(value.encode())


_NAMES: dict[str, bytes] = {}
_NAME_MEMORY = 10_000


def encode_name(value: str) -> bytes:
    """`encode_text` for texts that repeat: kinds, departments, topics, codes."""
    known = _NAMES.get(value)
    if known is None:
        if len(_NAMES) >= _NAME_MEMORY:
            _NAMES.clear()
        known = _NAMES[value] = encode_text(value)
    return known


def decode_bytes(source: bytes, at: int) -> tuple[bytes, int]:
    """Read Avro bytes at `at`; return them with the position behind them."""
    length, at = decode_long(source, at)
    return source[at : at + length], at + length


def decode_text(source: bytes, at: int) -> tuple[str, int]:
    """Read an Avro string at `at`; return it with the position behind it."""
    raw, at = decode_bytes(source, at)
    return raw.decode(), at
