"""What makes a record one and the same, wherever it is spoken of."""

from hashlib import sha256


def record_key_of(
    subject: str, authority_code: str, document_key: str, name_key: str, credit_code: bytes
) -> bytes:
    """Identity of a record under its credit code: 16 bytes.

    Kind, authority, document number and subject name make the identity (document numbers alone
    repeat: one decision may punish a company and its manager); the credit code is part of the key
    because one ledger partition holds many companies.
    """
    text = f"{subject}\x1f{authority_code}\x1f{document_key}\x1f{name_key}\x1f"
    return sha256(text.encode() + credit_code).digest()[:16]
