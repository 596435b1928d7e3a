"""One-time codes."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime

from auth_service.domain.errors import InvalidAccountError

REGISTER = "REGISTER"
PASSWORD_RESET = "PASSWORD_RESET"  # noqa: S105 - a purpose, no password


@dataclass(frozen=True, slots=True)
class DeliverCode:
    """Message: a code was asked for, and is to be mailed where it `is_wanted`."""

    email: str
    purpose: str
    code: str
    expires_at: datetime
    is_wanted: bool


def parse_purpose(text: str) -> str:
    """What a one-time code is for.

    Raises:
        InvalidAccountError: there is no such purpose.
    """
    if text not in {REGISTER, PASSWORD_RESET}:
        why = "This is neither REGISTER nor PASSWORD_RESET."
        raise InvalidAccountError(why, purpose=why)
    return text


def code_digest(pepper: bytes, email: str, purpose: str, code: str) -> bytes:
    """A code's stored form: worth nothing without the pepper, nor for another address."""
    return hmac.digest(pepper, "\0".join((purpose, email, code)).encode(), hashlib.sha256)
