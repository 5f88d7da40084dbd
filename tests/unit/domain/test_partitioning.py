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


@given(st.binary(max_size=64), st.integers(1, 256))
def test_every_key_has_a_partition_in_range(key: bytes, count: int) -> None:
    """Any bytes, the empty key too, fall on one of the partitions, always the same."""
    partition = partition_of(key, count)
    assert 0 <= partition < count
    assert partition == (murmur2(key) & 0x7FFFFFFF) % count
    assert -(2**31) <= murmur2(key) < 2**31
