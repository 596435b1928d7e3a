"""What is kept for an idempotency key to be answered with again, though nobody may read it.

Who has the database, or a copy of it, has nothing of it without the pepper of this service.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken


class Seal:
    """Seals short texts (Fernet: AES-128-CBC and HMAC-SHA256), under a key made of the pepper."""

    def __init__(self, pepper: bytes) -> None:
        key = hmac.digest(pepper, b"SEALED REPLY", hashlib.sha256)
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def seal(self, text: str) -> str:
        """The text, for nobody to read."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str | None:
        """The text; None where it was sealed under another pepper, or is broken."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            return None
