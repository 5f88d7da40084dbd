"""What is remembered is bounded in number and in size."""

from hub.domain.remembering import LONGEST, bounded_cache


def test_an_honest_value_is_remembered_and_a_huge_one_answered_each_time() -> None:
    """A file of cells of a megabyte must not fill the memory of a registrar."""
    asked: list[int] = []

    @bounded_cache(10)
    def length(text: str) -> int:
        asked.append(len(text))
        return len(text)

    for _again in range(3):
        assert length("x" * LONGEST) == LONGEST
        assert length("x" * (LONGEST + 1)) == LONGEST + 1
    assert asked.count(LONGEST) == 1
    assert asked.count(LONGEST + 1) == 3
