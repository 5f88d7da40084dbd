"""Identity of a record, the same in every statement about it."""

from hashlib import sha256
from typing import Final

_NO_CODE: Final = b"?"
_DIGITS: Final = 16
"""Of a digest in place of a credit code; 64 bits spread one department's rows and no more."""


def record_key_of(
    subject: str, authority_code: str, document_key: str, name_key: str, credit_code: bytes
) -> bytes:
    """Identity of a record under its credit code: 16 bytes.

    Kind, authority, document number and subject make the identity (document numbers alone repeat:
    one decision may punish a company and its manager). A company is its credit code, under any
    name; what has none (`?…`, or empty where a code is not asked for) is its name.
    """
    if credit_code and not credit_code.startswith(_NO_CODE):
        name_key = ""
    text = f"{subject}\x1f{authority_code}\x1f{document_key}\x1f{name_key}\x1f"
    return sha256(text.encode() + credit_code).digest()[:16]


def key_without_code(department: str, *parts: str) -> bytes:
    """Kafka key of what has no valid credit code: `?<department>/<16 hex>`, a digest of the parts.

    A row's parts are subject, authority, document key, name and code, normalised where possible, so
    that what names it finds it, and one department's faulty rows are not all in one partition.
    """
    digest = sha256("\x1f".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
    return _NO_CODE + f"{department}/{digest[:_DIGITS]}".encode()
