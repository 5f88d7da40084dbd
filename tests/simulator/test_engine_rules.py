"""The slot's rules one by one, over a broker and a disk in memory."""


def test_placeholder() -> None:
    """."""
