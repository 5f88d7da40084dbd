"""Sealed values: deterministic, bound to their field, closed without the key."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.adapters.sealing import PREFIX, Sealer, read_key
from hub.errors import ConfigurationError, IntegrityError

SEALER = Sealer(bytes(range(32)))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_is_sealed_opens_and_equal_texts_seal_equal(text: str) -> None:
    """A re-sent row is a duplicate only if it seals to the same text."""
    sealed = SEALER.seal_text("XK_FR_ZJHM", text)
    assert SEALER.open_text("XK_FR_ZJHM", sealed) == text
    assert sealed == Sealer(bytes(range(32))).seal_text("XK_FR_ZJHM", text)
    assert sealed.startswith(PREFIX) == bool(text)


@given(st.binary(), st.data())
def test_an_altered_byte_another_field_or_key_does_not_open(
    plain: bytes, data: st.DataObject
) -> None:
    """Integrity and purpose are part of the seal."""
    sealed = bytearray(SEALER.seal_bytes("row.unreadable.v1", plain))
    for other, aad in ((SEALER, "another"), (Sealer(bytes(32)), "row.unreadable.v1")):
        with pytest.raises(IntegrityError):
            other.open_bytes(aad, bytes(sealed))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(IntegrityError):
        SEALER.open_bytes("row.unreadable.v1", bytes(sealed))


@pytest.mark.parametrize("sealed", ["sealed:v1:!!!", "sealed:v1:", "330900198001010019"])
def test_a_text_that_was_never_sealed_does_not_open(sealed: str) -> None:
    """Neither damaged base64 nor plain text is taken for an opened value."""
    with pytest.raises(IntegrityError):
        SEALER.open_text("XK_FR_ZJHM", sealed)


def test_a_missing_or_short_key_file_names_the_file(tmp_path: Path) -> None:
    """The process refuses to start and says which file and what to do."""
    path = tmp_path / "sealing.key"
    with pytest.raises(ConfigurationError, match=str(path)):
        read_key(path)
    path.write_text(base64.b64encode(bytes(31)).decode(), encoding="ascii")
    with pytest.raises(ConfigurationError, match="32 bytes"):
        read_key(path)
    path.write_text(base64.b64encode(bytes(32)).decode() + "\n", encoding="ascii")
    assert read_key(path) == bytes(32)
