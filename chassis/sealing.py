"""What must be kept and read again, though nobody who has the database, or a copy of it, may.

Short texts are sealed under a key made of a secret of the process, which is kept elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from cryptography.fernet import Fernet, InvalidToken


class Seal:
    """Seals short texts (Fernet: AES-128-CBC and HMAC-SHA256), under a key made of a secret."""

    def __init__(self, secret: bytes, purpose: bytes = b"SEALED REPLY") -> None:
        """`purpose`: what is sealed for one can't be opened for another."""
        key = hmac.digest(secret, purpose, hashlib.sha256)
        self._fernet = Fernet(base64.urlsafe_b64encode(key))

    def seal(self, text: str) -> str:
        """The text, for nobody to read."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str | None:
        """The text; None where it was sealed under another secret, or is broken."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            return None
