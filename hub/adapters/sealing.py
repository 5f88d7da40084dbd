"""Sealing of personal and unreadable content under the site's key: AES-SIV (RFC 5297).

Sealing is deterministic, so that a row sent twice seals to the same bytes and is recognised as a
duplicate. AES-SIV takes two keys of 256 bits each: both are derived from the site's one (HKDF,
RFC 5869).
"""

import base64
import binascii
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hub.errors import ConfigurationError, IntegrityError
from hub.io.secret import read_secret

KEY_BYTES: Final = 32
PREFIX: Final = "sealed:v1:"
"""Beginning of a sealed text; a field that must be sealed and has it not is refused."""
_BOTH_KEYS_BYTES: Final = 64
_PURPOSE: Final = b"credit-event-hub sealing"


class Sealer:
    """Seals and opens under one key; the purpose (`aad`) is bound: no value fits another field."""

    def __init__(self, key: bytes) -> None:
        """Take the key; raises `ValueError` unless it has 32 bytes."""
        if len(key) != KEY_BYTES:
            raise ValueError("a sealing key has 32 bytes")
        derived = HKDF(SHA256(), _BOTH_KEYS_BYTES, salt=None, info=_PURPOSE).derive(key)
        self._cipher = AESSIV(derived)

    def seal_bytes(self, aad: str, plain: bytes) -> bytes:
        """Return authentication tag and ciphertext; equal input gives equal output."""
        return self._cipher.encrypt(plain, [aad.encode()])

    def open_bytes(self, aad: str, sealed: bytes) -> bytes:
        """Return the plaintext; raises `IntegrityError` for another key, purpose or a changed byte.

        The message never holds content.
        """
        try:
            return self._cipher.decrypt(sealed, [aad.encode()])
        except InvalidTag:
            raise IntegrityError(
                "密封内容无法打开：密钥不符或内容被改动\n"
                "a sealed value does not open: another key, or it was altered"
            ) from None

    def seal_text(self, field: str, text: str) -> str:
        """Return the text form of a sealed field; an absent value ("") stays absent."""
        if not text:
            return ""
        sealed = self.seal_bytes(field, text.encode())
        return PREFIX + base64.urlsafe_b64encode(sealed).decode()

    def open_text(self, field: str, sealed: str) -> str:
        """Return the text behind `seal_text`; raises `IntegrityError` as `open_bytes`."""
        if not sealed:
            return ""
        try:
            body = base64.b64decode(sealed.removeprefix(PREFIX), altchars=b"-_", validate=True)
        except binascii.Error:
            body = b""
        return self.open_bytes(field, body).decode()


def read_key(path: Path) -> bytes:
    """Read a key file: 32 bytes in base64. Raises `ConfigurationError` naming file and remedy."""
    remedy_zh = (
        "由运维生成并妥善保管：openssl rand -base64 32 > 密钥文件；丢失密钥即无法再打开密封内容"
    )
    remedy_en = (
        "make one and keep it safe: openssl rand -base64 32 > FILE; "
        "without it sealed content stays closed for ever"
    )
    text = read_secret(path, remedy_zh=remedy_zh, remedy_en=remedy_en)
    try:
        key = base64.b64decode(text.reveal(), validate=True)
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigurationError(
            "密封密钥文件内容不对",
            "the sealing key file does not hold 32 bytes in base64",
            remedy_zh=remedy_zh,
            remedy_en=remedy_en,
            file=str(path),
        )
    return key
