"""Which partition a key belongs to: the default of the Java client, so that all writers agree.

Clients differ in their default (librdkafka's `consistent_random` is CRC32), so the hub computes
the partition itself and gives it to the producer. Source: Apache Kafka, `Utils.murmur2` and
`BuiltInPartitioner.partitionForKey`: `toPositive(murmur2(key)) % count`.
"""

from functools import lru_cache
from typing import Final

_SEED: Final = 0x9747B28C
_MULTIPLIER: Final = 0x5BD1E995
_SHIFT: Final = 24
_MASK: Final = 0xFFFFFFFF
_SIGN: Final = 0x80000000
_TO_POSITIVE: Final = 0x7FFFFFFF
_LONGEST: Final = 64
"""A longer key is not a credit code: answered, not remembered."""


def murmur2(key: bytes) -> int:
    """Kafka's 32-bit murmur2 of the bytes as Java's signed int."""
    length = len(key)
    whole = length & ~3
    digest = _SEED ^ length
    for at in range(0, whole, 4):
        word = int.from_bytes(key[at : at + 4], "little") * _MULTIPLIER & _MASK
        word = (word ^ word >> _SHIFT) * _MULTIPLIER & _MASK
        digest = (digest * _MULTIPLIER & _MASK) ^ word
    if length != whole:
        digest = (digest ^ int.from_bytes(key[whole:], "little")) * _MULTIPLIER & _MASK
    digest = (digest ^ digest >> 13) * _MULTIPLIER & _MASK
    digest ^= digest >> 15
    return digest - (1 << 32) if digest & _SIGN else digest


def partition_of(key: bytes, count: int) -> int:
    """The partition of a key among `count` partitions (`count` ≥ 1, fixed for a topic's life)."""
    return _remembered(key, count) if len(key) <= _LONGEST else _partition_of(key, count)


def _partition_of(key: bytes, count: int) -> int:
    return (murmur2(key) & _TO_POSITIVE) % count


_remembered: Final = lru_cache(maxsize=200_000)(_partition_of)
