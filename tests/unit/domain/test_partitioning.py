"""Partitions are those of the Java client's default partitioner."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.domain.partitioning import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "digest"),
    [
        ("21", -973932308),
        ("foobar", -790332482),
        ("a-little-bit-long-string", -985981536),
        ("a-little-bit-longer-string", -1486304829),
        ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        ("abc", 479470107),
    ],
)
def test_murmur2_gives_the_values_of_kafka_s_own_tests(key: str, digest: int) -> None:
    """The vectors of Apache Kafka's UtilsTest."""
    assert murmur2(key.encode()) == digest


def test_the_partition_clears_the_sign_and_takes_the_remainder() -> None:
    """`toPositive` clears the sign bit; an absolute value would choose another partition."""
    assert partition_of(b"21", 100) == (-973932308 & 0x7FFFFFFF) % 100
    assert partition_of(b"abc", 7) == 479470107 % 7


def as_java_writes_it(key: bytes) -> int:
    """`Utils.murmur2`, line by line: the tail falls through from three octets to one."""
    mask, multiplier = 0xFFFFFFFF, 0x5BD1E995
    digest = 0x9747B28C ^ len(key)
    for at in range(0, len(key) // 4 * 4, 4):
        word = key[at] + (key[at + 1] << 8) + (key[at + 2] << 16) + (key[at + 3] << 24)
        word = word * multiplier & mask
        word = (word ^ word >> 24) * multiplier & mask
        digest = (digest * multiplier & mask) ^ word
    tail = key[len(key) // 4 * 4 :]
    if len(tail) >= 3:
        digest ^= tail[2] << 16
    if len(tail) >= 2:
        digest ^= tail[1] << 8
    if tail:
        digest = (digest ^ tail[0]) * multiplier & mask
    digest = (digest ^ digest >> 13) * multiplier & mask
    digest ^= digest >> 15
    return digest - (1 << 32) if digest >= 1 << 31 else digest


@pytest.mark.parametrize("length", range(10))
def test_every_length_of_key_is_digested_as_java_does(length: int) -> None:
    """Kafka's own vectors end in none, two or three octets beyond a whole word, never in one."""
    key = b"91330900MA"[:length]
    assert murmur2(key) == as_java_writes_it(key)


@given(st.binary(max_size=64), st.integers(1, 256))
def test_every_key_has_a_partition_in_range(key: bytes, count: int) -> None:
    """Any bytes, the empty key too, fall on one of the partitions, always the same."""
    partition = partition_of(key, count)
    assert 0 <= partition < count
    assert partition == (murmur2(key) & 0x7FFFFFFF) % count
    assert -(2**31) <= murmur2(key) < 2**31
